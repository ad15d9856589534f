//! Whole numbers of a scenario, each with the range that makes sense. A type's own range would be
//! told in Rust's words, and admits more than the bench can do.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// A number from `MIN` to `MAX`.
pub fn whole<'de, D, T, const MIN: i64, const MAX: i64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = deserializer.deserialize_any(Whole { min: MIN, max: MAX })?;
    // Unreachable as long as the range is within the type's own.
    T::try_from(number).map_err(|_| de::Error::custom("the number does not fit"))
}

/// The same of a key that need not be there.
pub fn maybe<'de, D, T, const MIN: i64, const MAX: i64>(
    deserializer: D,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    whole::<D, T, MIN, MAX>(deserializer).map(Some)
}

struct Whole {
    min: i64,
    max: i64,
}

impl Visitor<'_> for Whole {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        if (self.min..=self.max).contains(&number) {
            return Ok(number);
        }
        Err(E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}
