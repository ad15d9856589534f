//! A card's identity: what of a row a user's own part has otherwise.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What a card says that it is, where its row says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identity {
    /// PCI device id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
    /// PCI subsystem id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<u16>,
    /// `CSR_HW_REV`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_rev: Option<u32>,
    /// `CSR_HW_RF_ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rf_id: Option<u32>,
    /// MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<[u8; 6]>,
}

/// No identity of a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No part of one.
    #[error("`{0}` is no part of a card's identity: those are {keys}", keys = IDENTITY_KEYS.join(", "))]
    Unknown(String),
    /// A part without a value.
    #[error("`{0}` has no value: write {0}={1}")]
    NoValue(&'static str, &'static str),
    /// A part twice.
    #[error("`{0}` is there twice")]
    Twice(&'static str),
    /// Not a number, or too large.
    #[error("{key}={value} is no {bits}-bit number: write {key}={example}")]
    Number {
        /// Which part.
        key: &'static str,
        /// As it was given.
        value: String,
        /// How large it may be.
        bits: u32,
        /// As it could be.
        example: &'static str,
    },
    /// No MAC address.
    #[error("mac={0} is no MAC address: write mac=02:00:5e:10:00:01")]
    Mac(String),
    /// An address that no card has.
    #[error("mac={0} is no card's address: it is {1}")]
    NotOneCards(String, &'static str),
    /// What no register reads as.
    #[error("hw-rev=0xffffffff is what a card that is gone reads as (--fault all-ones)")]
    Gone,
    /// The revision belongs to other hardware.
    #[error(
        "hw-rev={hw_rev:#x} names a MAC of generation {of}, and the card {card} is of generation \
         {generation}: take a card of that one ({like})"
    )]
    OtherHardware {
        /// The revision.
        hw_rev: u32,
        /// The generation of its MAC, in a word.
        of: &'static str,
        /// The card.
        card: &'static str,
        /// The card's own, in a word.
        generation: &'static str,
        /// Cards of the generation of that MAC.
        like: String,
    },
    /// The hardware is one that the card is not, by a table of another kind.
    #[error("the card {0} has no CSR_HW_RF_ID: parts before 9000 have none")]
    NoRf(&'static str),
}

/// The parts of an identity.
pub const IDENTITY_KEYS: [&str; 5] = ["device", "subsystem", "hw-rev", "rf-id", "mac"];

fn number<T: TryFrom<u64>>(
    key: &'static str,
    value: &str,
    bits: u32,
    example: &'static str,
) -> Result<T, IdentityError> {
    let parsed = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        // As lspci and the driver's log write ids.
        None => u64::from_str_radix(value, 16).ok().filter(|_| bits == 16),
    };
    let wrong = || IdentityError::Number { key, value: value.to_owned(), bits, example };
    parsed.and_then(|number| T::try_from(number).ok()).ok_or_else(wrong)
}

fn mac(value: &str) -> Result<[u8; 6], IdentityError> {
    let wrong = || IdentityError::Mac(value.to_owned());
    let mut mac = [0; 6];
    let mut parts = value.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
    }
    if parts.next().is_some() {
        return Err(wrong());
    }
    let never = if mac[0] & 1 != 0 {
        "a group's"
    } else if mac == [0; 6] {
        "all zero"
    } else {
        return Ok(mac);
    };
    Err(IdentityError::NotOneCards(value.to_owned(), never))
}

/// `device=0x2526,subsystem=0x0014,hw-rev=0x321,rf-id=0x105110,mac=02:00:5e:10:00:01`; each part may
/// be left out.
impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        fn set<T>(
            place: &mut Option<T>,
            key: &'static str,
            value: Result<T, IdentityError>,
        ) -> Result<(), IdentityError> {
            match place.replace(value?) {
                None => Ok(()),
                Some(_) => Err(IdentityError::Twice(key)),
            }
        }
        let mut identity = Self::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let filled = |key, example| match value {
                "" => Err(IdentityError::NoValue(key, example)),
                value => Ok(value),
            };
            let id = |key, example| number(key, filled(key, example)?, 16, example);
            let register = |key, example| number(key, filled(key, example)?, 32, example);
            match key {
                "device" => set(&mut identity.device, "device", id("device", "0x2526"))?,
                "subsystem" => {
                    set(&mut identity.subsystem, "subsystem", id("subsystem", "0x0014"))?;
                }
                "hw-rev" => {
                    set(&mut identity.hw_rev, "hw-rev", register("hw-rev", "0x321"))?;
                }
                "rf-id" => set(&mut identity.rf_id, "rf-id", register("rf-id", "0x105110"))?,
                "mac" => {
                    let value = filled("mac", "02:00:5e:10:00:01").and_then(mac);
                    set(&mut identity.mac, "mac", value)?;
                }
                _ => return Err(IdentityError::Unknown(key.to_owned())),
            }
        }
        Ok(identity)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, subsystem, hw_rev, rf_id, mac } = self;
        let mac = mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
        let parts = [
            device.map(|id| format!("device={id:#06x}")),
            subsystem.map(|id| format!("subsystem={id:#06x}")),
            hw_rev.map(|rev| format!("hw-rev={rev:#x}")),
            rf_id.map(|rf| format!("rf-id={rf:#x}")),
            mac.map(|mac| format!("mac={mac}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

impl Identity {
    /// This, and of another what it leaves open.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            device: self.device.or(other.device),
            subsystem: self.subsystem.or(other.subsystem),
            hw_rev: self.hw_rev.or(other.hw_rev),
            rf_id: self.rf_id.or(other.rf_id),
            mac: self.mac.or(other.mac),
        }
    }

    /// All is as the row says.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// More than the address: the driver may ask for other firmware.
    #[must_use]
    pub fn is_another_part(&self) -> bool {
        let Self { device, subsystem, hw_rev, rf_id, mac: _ } = self;
        device.is_some() || subsystem.is_some() || hw_rev.is_some() || rf_id.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Identity>().expect_err(text).to_string()
    }

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let all =
            "device=0x2526,subsystem=0x0014,hw-rev=0x321,rf-id=0x105110,mac=02:00:5e:10:00:01";
        assert_eq!(all.parse::<Identity>().expect("whole").to_string(), all);
        let bare = "device=2526,subsystem=14".parse::<Identity>().expect("as lspci has them");
        assert_eq!(bare.to_string(), "device=0x2526,subsystem=0x0014");
        assert!(!bare.is_empty() && bare.is_another_part());
        let address = "mac=00:28:f8:00:00:01".parse::<Identity>().expect("an address");
        assert!(!address.is_another_part());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            error("devcie=0x2526"),
            "`devcie` is no part of a card's identity: those are device, subsystem, hw-rev, \
             rf-id, mac"
        );
        assert_eq!(error("device"), "`device` has no value: write device=0x2526");
        assert_eq!(error("mac=02:00:5e:10:00:01,mac=02:00:5e:10:00:01"), "`mac` is there twice");
        let number = "is no 16-bit number: write device=0x2526";
        assert_eq!(error("device=0x12345"), format!("device=0x12345 {number}"));
        assert!(error("hw-rev=321").contains("is no 32-bit number: write hw-rev=0x321"));
        assert!(error("mac=2:0:5e:10:0:1").contains("is no MAC address"));
        assert!(error("mac=01:00:5e:10:00:01").ends_with("it is a group's"));
        assert!(error("mac=00:00:00:00:00:00").ends_with("it is all zero"));
    }
}
