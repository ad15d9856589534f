//! Kernel trouble that belongs to a scenario.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor};

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
        deserializer.deserialize_any(ToleratedVisitor)
    }
}

/// By hand, so that the error is the form's own, at its place, and not "no variant matched".
struct ToleratedVisitor;

impl<'de> Visitor<'de> for ToleratedVisitor {
    type Value = Tolerated;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind of trouble or a table with `kind`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Tolerated, E> {
        let kind = Trouble::deserialize(text.into_deserializer())?;
        Ok(Tolerated { kind, when: When::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tolerated, A::Error> {
        let Table { kind, when } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Tolerated { kind, when })
    }
}
