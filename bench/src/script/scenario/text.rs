//! Text with variables.

use serde::Deserialize;
use serde::de::Deserializer;
use toml::Value;

use super::pattern::known_vars;
use super::word::word;

/// Text whose variables all exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |text| {
            known_vars(&Value::String(text.to_owned()))?;
            Ok(Text(text.to_owned()))
        })
    }
}
