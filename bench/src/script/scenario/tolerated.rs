//! Kernel trouble that belongs to a scenario.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Value;

use super::pattern::When;
use crate::facts::trouble::Trouble;

/// Trouble of this kind: `"warning"`, or `{ kind = "warning", when.opmode = "iwlmvm" }` where only
/// some runs have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerated {
    /// The kind.
    pub kind: Trouble,
    /// Only in some runs.
    pub when: When,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Table {
    kind: Trouble,
    #[serde(default)]
    when: When,
}

impl<'de> Deserialize<'de> for Tolerated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, so that the error is the form's own and not "no variant matched".
        match Value::deserialize(deserializer)? {
            value @ Value::Table(_) => Table::deserialize(value)
                .map(|Table { kind, when }| Tolerated { kind, when })
                .map_err(de::Error::custom),
            value => Trouble::deserialize(value)
                .map(|kind| Tolerated { kind, when: When::default() })
                .map_err(de::Error::custom),
        }
    }
}
