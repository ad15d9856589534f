//! Breaking files on purpose: each [`Corruption`] makes one fault that the driver meets in
//! its own way. They work on any file, stub or real.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use crate::builder::encode;
use crate::format::{Format, LegacySizes, TlvHeader, TlvPrefix, padded};
use crate::names::TlvType;
use crate::reader::{ImageKind, SectionTlv, Tlv, Ucode};

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Corruption {
    /// The file ends after `length` bytes.
    Truncate {
        /// Bytes to keep.
        length: usize,
    },
    /// Another second word: `invalid uCode magic`. TLV files only.
    Magic {
        /// What stands there instead.
        magic: u32,
    },
    /// Another version word. Of v1 and v2 files, 0 makes a TLV file without its magic, and an
    /// API byte from the other side of 2 | 3 makes the other layout.
    Version {
        /// What stands there instead.
        version: u32,
    },
    /// The length field of TLV `index` lies, its value stays: `invalid TLV len`, or the
    /// next TLV begins inside a value.
    TlvLength {
        /// Which TLV, counted from 0.
        index: usize,
        /// What its length field says.
        length: u32,
    },
    /// TLV `index` gets another, honest length; cut, or filled with zeros: `TLV %d has
    /// invalid size`, or a section too large for the card.
    TlvResize {
        /// Which TLV, counted from 0.
        index: usize,
        /// Bytes of its value from now on.
        length: u32,
    },
    /// Another TLV after the last one.
    TlvAppend {
        /// Its type.
        #[serde(rename = "type")]
        tlv: u32,
        /// Its value.
        value: Vec<u8>,
    },
    /// Zero bytes after the end: `invalid TLV after parsing` from 1 to 7.
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// After a file that is good to its end, one more TLV that claims 2 GiB: the driver
    /// rejects the file as late as its parser can.
    CorruptTail,
    /// Every section loses its content (a load offset stays): the silent unbind.
    EmptySections,
    /// Every section TLV goes: the NULL pointer oops. TLV files only.
    NoSections,
    /// One section TLV goes: the driver takes the file, and the card gets an image with a section too
    /// few. TLV files only.
    WithoutSection {
        /// Which of the runtime image, counted from 0.
        index: usize,
    },
}

/// The fault cannot be put into this file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptError {
    /// A TLV fault for a file without TLVs.
    #[error("{corruption:?} needs a TLV file; this one is {found}")]
    NotTlv {
        /// The fault.
        corruption: Corruption,
        /// `v1`, `v2`, or what else it is.
        found: String,
    },
    /// There is no such TLV.
    #[error("the file has no TLV {index}: {count} can be read, counted from 0")]
    NoSuchTlv {
        /// The one named.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// There is no such section.
    #[error("the runtime image has no section {index}: it has {count}, counted from 0")]
    NoSuchSection {
        /// The one named.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The file has no header to change.
    #[error("the file has {len} bytes, too few to put {corruption:?} into")]
    TooShort {
        /// The fault.
        corruption: Corruption,
        /// Bytes in the file.
        len: usize,
    },
    /// More than [`MAX_GROWTH`].
    #[error("{bytes} bytes are more than the {MAX_GROWTH} that a fault may add to a file")]
    TooLarge {
        /// Bytes asked for.
        bytes: usize,
    },
    /// Longer than the file.
    #[error("the file has {len} bytes; it cannot be cut to {length}")]
    NotShorter {
        /// Bytes to keep.
        length: usize,
        /// Bytes in the file.
        len: usize,
    },
}

/// Most bytes that a fault adds to a file; a scenario file cannot ask for gigabytes.
pub const MAX_GROWTH: usize = 16 << 20;

fn bounded(bytes: usize) -> Result<usize, CorruptError> {
    if bytes > MAX_GROWTH { Err(CorruptError::TooLarge { bytes }) } else { Ok(bytes) }
}

/// As on a command line: `truncate=40`, `magic=0x12345678`, `version=0x1200`,
/// `tlv-length=INDEX:LENGTH`, `tlv-resize=INDEX:LENGTH`, `tlv-append=TYPE:HEX`,
/// `trailing-bytes=6`, `corrupt-tail`, `empty-sections`, `no-sections`, `without-section=INDEX`.
impl FromStr for Corruption {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Self::from_text(text).ok_or_else(|| FaultError(text.to_owned()))
    }
}

/// Not a fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is not a fault: expected truncate=N, magic=N, version=N, tlv-length=INDEX:N, \
     tlv-resize=INDEX:N, tlv-append=TYPE:HEX, trailing-bytes=N, corrupt-tail, empty-sections, \
     no-sections or without-section=INDEX"
)]
pub struct FaultError(pub String);

fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.ok()?.try_into().ok()
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None; // from_str_radix takes a sign
    }
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

impl Corruption {
    /// Each as the command line takes it, with numbers as an example, and what it does.
    pub const EXAMPLES: [(&str, &str); 11] = [
        ("truncate=40", "the file ends after so many bytes"),
        ("magic=0x12345678", "another second word: `invalid uCode magic`"),
        ("version=0x1200", "another version word"),
        ("tlv-length=1:4096", "the length field of TLV 1 lies, its value stays"),
        ("tlv-resize=1:8", "TLV 1 gets another, honest length"),
        ("tlv-append=19:0102", "another TLV, of type 19, after the last one"),
        ("trailing-bytes=6", "so many zero bytes after the end"),
        ("corrupt-tail", "good to its end, then a TLV that claims 2 GiB: rejected late"),
        ("empty-sections", "every section loses its content: the silent unbind"),
        ("no-sections", "every section TLV goes: the oops of stock kernels"),
        ("without-section=1", "section 1 of the runtime image goes: the card does not start it"),
    ];

    fn from_text(text: &str) -> Option<Self> {
        let (kind, argument) = text.split_once('=').unwrap_or((text, ""));
        let pair = || argument.split_once(':');
        Some(match kind {
            "truncate" => Self::Truncate { length: number(argument)? },
            "magic" => Self::Magic { magic: number(argument)? },
            "version" => Self::Version { version: number(argument)? },
            "tlv-length" => {
                let (index, length) = pair()?;
                Self::TlvLength { index: number(index)?, length: number(length)? }
            }
            "tlv-resize" => {
                let (index, length) = pair()?;
                Self::TlvResize { index: number(index)?, length: number(length)? }
            }
            "tlv-append" => {
                let (tlv, value) = pair()?;
                Self::TlvAppend { tlv: number(tlv)?, value: hex_bytes(value)? }
            }
            "trailing-bytes" => Self::TrailingBytes { count: number(argument)? },
            "corrupt-tail" if argument.is_empty() => Self::CorruptTail,
            "empty-sections" if argument.is_empty() => Self::EmptySections,
            "no-sections" if argument.is_empty() => Self::NoSections,
            "without-section" => Self::WithoutSection { index: number(argument)? },
            _ => return None,
        })
    }

    /// Puts the fault into a copy of the file.
    ///
    /// # Errors
    /// If the file has nothing to apply it to.
    pub fn apply(&self, file: &[u8]) -> Result<Vec<u8>, CorruptError> {
        let mut bytes = file.to_vec();
        match *self {
            Self::Truncate { length } if length > bytes.len() => {
                return Err(CorruptError::NotShorter { length, len: bytes.len() });
            }
            Self::Truncate { length } => bytes.truncate(length),
            Self::Magic { magic } => {
                self.tlv_file(file)?;
                bytes[4..8].copy_from_slice(&magic.to_le_bytes());
            }
            Self::Version { version } => {
                let at = match Ucode::parse_prefix(file) {
                    Ok((ucode, _)) if ucode.format == Format::Tlv => {
                        std::mem::offset_of!(TlvHeader, ver)
                    }
                    Ok(_) => 0,
                    Err(_) => return Err(self.too_short(file)),
                };
                bytes[at..at + 4].copy_from_slice(&version.to_le_bytes());
            }
            Self::TlvLength { index, length } => {
                let at = self.tlv(file, index)?.at.offset + 4;
                bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            }
            Self::TlvResize { index, length } => {
                let tlv = self.tlv(file, index)?;
                let mut value = tlv.value.to_vec();
                value.resize(bounded(length as usize)?, 0);
                let end = tlv.at.offset + size_of::<TlvPrefix>() + padded(tlv.value.len());
                bytes.splice(tlv.at.offset..end, encode(tlv.at.kind, &value));
            }
            Self::TlvAppend { tlv, ref value } => {
                self.tlv_file(file)?;
                bytes.extend(encode(TlvType(tlv), value));
            }
            Self::TrailingBytes { count } => {
                bytes.resize(bytes.len() + bounded(count)?, 0);
            }
            Self::CorruptTail => {
                self.tlv_file(file)?;
                let prefix = TlvPrefix { kind: 0.into(), length: 0x7fff_ffff.into() };
                bytes.extend_from_slice(prefix.as_bytes());
            }
            Self::EmptySections => bytes = self.empty_sections(file)?,
            Self::NoSections => {
                let ucode = self.tlv_file(file)?;
                bytes = rebuild(file, &ucode, |tlv| match SectionTlv::of(tlv.at.kind) {
                    Some(_) => None,
                    None => Some(tlv.value),
                });
            }
            Self::WithoutSection { index } => {
                let ucode = self.tlv_file(file)?;
                let sections: Vec<_> = ucode.tlvs.iter().filter(|tlv| is_runtime(tlv)).collect();
                let Some(section) = sections.get(index) else {
                    return Err(CorruptError::NoSuchSection { index, count: sections.len() });
                };
                let gone = section.at.index;
                bytes = rebuild(file, &ucode, |tlv| (tlv.at.index != gone).then_some(tlv.value));
            }
        }
        Ok(bytes)
    }

    fn empty_sections(&self, file: &[u8]) -> Result<Vec<u8>, CorruptError> {
        let Ok((ucode, _)) = Ucode::parse_prefix(file) else { return Err(self.too_short(file)) };
        let header_without_sizes = match ucode.format {
            Format::Tlv => {
                return Ok(rebuild(file, &ucode, |tlv| match SectionTlv::of(tlv.at.kind) {
                    Some(SectionTlv::Fixed(..)) => Some(&[]),
                    Some(SectionTlv::Offset(_)) => tlv.value.get(..4),
                    None => Some(tlv.value),
                }));
            }
            Format::V1 => 4,
            Format::V2 => 8,
        };
        Ok([&file[..header_without_sizes], LegacySizes::default().as_bytes()].concat())
    }

    fn tlv_file<'a>(&self, file: &'a [u8]) -> Result<Ucode<'a>, CorruptError> {
        let found = match Ucode::parse_prefix(file) {
            Ok((ucode, _)) if ucode.format == Format::Tlv => return Ok(ucode),
            Ok((ucode, _)) => ucode.format.to_string(),
            Err(error) => error.to_string(),
        };
        Err(CorruptError::NotTlv { corruption: self.clone(), found })
    }

    fn tlv<'a>(&self, file: &'a [u8], index: usize) -> Result<Tlv<'a>, CorruptError> {
        let tlvs = self.tlv_file(file)?.tlvs;
        tlvs.get(index).copied().ok_or(CorruptError::NoSuchTlv { index, count: tlvs.len() })
    }

    fn too_short(&self, file: &[u8]) -> CorruptError {
        CorruptError::TooShort { corruption: self.clone(), len: file.len() }
    }
}

/// Whether a TLV is a section of the runtime image.
fn is_runtime(tlv: &Tlv<'_>) -> bool {
    SectionTlv::of(tlv.at.kind).is_some_and(|section| match section {
        SectionTlv::Fixed(image, _) | SectionTlv::Offset(image) => image == ImageKind::Regular,
    })
}

/// The header and every TLV that `keep` gives a value for.
fn rebuild<'a>(
    file: &[u8],
    ucode: &Ucode<'a>,
    keep: impl Fn(&Tlv<'a>) -> Option<&'a [u8]>,
) -> Vec<u8> {
    let mut bytes = file[..size_of::<TlvHeader>()].to_vec();
    for tlv in &ucode.tlvs {
        if let Some(value) = keep(tlv) {
            bytes.extend(encode(tlv.at.kind, value));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is listed is what can be said: a kind each, and all of them.
    #[test]
    fn examples_are_all_kinds() {
        let kind = |(example, _): (&str, &str)| {
            let corruption: Corruption = example.parse().expect(example);
            let kind = serde_json::to_value(corruption).expect("plain data")["kind"].clone();
            assert_eq!(example.split('=').next(), kind.as_str(), "{example}");
            kind.to_string()
        };
        let kinds: std::collections::BTreeSet<_> =
            Corruption::EXAMPLES.into_iter().map(kind).collect();
        assert_eq!(kinds.len(), Corruption::EXAMPLES.len());
        let unknown = "x".parse::<Corruption>().expect_err("no such").to_string();
        for kind in kinds {
            assert!(unknown.contains(kind.trim_matches('"')), "{unknown} does not name {kind}");
        }
    }
}
