//! Text with variables.

use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Value;

use super::pattern::known_vars;

/// Text whose variables all exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Value::String(String::deserialize(deserializer)?);
        known_vars(&text).map_err(de::Error::custom)?;
        Ok(Text(text.as_str().unwrap_or_default().to_owned()))
    }
}
