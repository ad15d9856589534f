//! Durations of a scenario: `"3s"`, `"200ms"`, `"1m 30s"`, or a number of seconds.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};

use super::limits::LONGEST_PATIENCE;

/// Longest that something is delayed, or looked at.
const LONGEST: f64 = 86_400.0;

/// As it is written, in seconds.
///
/// # Errors
/// It is no duration.
fn seconds(text: &str) -> Result<f64, String> {
    let signed: jiff::SignedDuration = text.parse().map_err(|_| {
        format!("`{text}` is no duration: write it as in \"3s\", \"200ms\", \"2m\"")
    })?;
    Ok(signed.as_secs_f64())
}

/// A duration in seconds, not negative.
pub(super) fn maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let seconds = deserializer.deserialize_any(Seconds)?;
    if (0.0..=LONGEST).contains(&seconds) {
        return Ok(Some(seconds));
    }
    Err(de::Error::custom("a duration is from 0 s to a day"))
}

/// Whole seconds from 1 to [`LONGEST_PATIENCE`].
pub(super) fn patience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = deserializer.deserialize_any(Seconds)?;
    whole(seconds).map_err(de::Error::custom)
}

/// The same as a command line has it.
///
/// # Errors
/// It is none.
pub fn parse_patience(text: &str) -> Result<u64, String> {
    whole(text.parse().or_else(|_| seconds(text))?)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "in range, whole")]
#[expect(clippy::cast_sign_loss, reason = "in range")]
fn whole(seconds: f64) -> Result<u64, String> {
    match (1.0..=LONGEST_PATIENCE as f64).contains(&seconds) && seconds.fract() == 0.0 {
        true => Ok(seconds as u64),
        false => Err(format!("a duration in whole seconds, from 1 to {LONGEST_PATIENCE}")),
    }
}

/// `"3s"`, or a number of seconds.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["number", "string"], "examples": ["3s", "200ms"] })
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"3s\", or a number of seconds")
    }

    #[expect(clippy::cast_precision_loss, reason = "what is too large to be exact is refused")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        seconds(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, want) in
            [("3s", 3.0), ("200ms", 0.2), ("1m 30s", 90.0), ("2 minutes", 120.0), ("1h", 3600.0)]
        {
            assert_eq!(seconds(text), Ok(want), "{text}");
        }
        for text in ["", "3", "s", "three seconds", "1 fortnight"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(parse_patience("90"), Ok(90));
        assert_eq!(parse_patience("90s"), Ok(90));
        assert_eq!(parse_patience("24h"), Ok(86_400));
        for text in ["0", "-1s", "500ms", "25h", "18446744073709551614", "nan"] {
            assert!(parse_patience(text).is_err(), "{text}");
        }
    }
}
