//! An option of a kernel's configuration, as Kconfig writes it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::word::word;

/// `CONFIG_FW_LOADER_COMPRESS_XZ`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigOption(String);

const PREFIX: &str = "CONFIG_";

impl ConfigOption {
    /// Its name without `CONFIG_`.
    pub fn name(&self) -> &str {
        self.0.strip_prefix(PREFIX).unwrap_or(&self.0)
    }
}

impl fmt::Display for ConfigOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConfigOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        word(deserializer, |text| match text.strip_prefix(PREFIX) {
            Some(name) if !name.is_empty() && name.chars().all(of_a_name) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!(
                "`{text}` is no option of a kernel's configuration: expected one as \
                 `CONFIG_FW_LOADER_COMPRESS_XZ`"
            )),
        })
    }
}
