//! Scenarios about what one driver alone has.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{EnumIter, IntoStaticStr};

/// A driver, by its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Own {
    /// The kernel's own, and its changes.
    Iwlwifi,
    /// That in Rust.
    Iwlrs,
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;
    use crate::facts::driver::DRIVERS;

    #[test]
    fn they_are_the_drivers_that_there_are() {
        let modules: Vec<_> = Own::iter().map(<&str>::from).collect();
        assert_eq!(modules, DRIVERS.map(|driver| driver.module));
    }
}
