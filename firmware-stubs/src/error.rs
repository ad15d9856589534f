//! Why the driver rejects a file while parsing it.

use std::fmt;

use serde::Serialize;

use crate::format::{Format, IWL_TLV_UCODE_MAGIC, SizeRule};
use crate::names::TlvType;

/// Which TLV: its place in the sequence, its place in the file, its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct TlvRef {
    /// Counted from 0.
    pub index: usize,
    /// Byte offset of its type word in the file.
    pub offset: usize,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: TlvType,
}

impl fmt::Display for TlvRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLV {} ({}) at offset {:#x}", self.index, self.kind, self.offset)
    }
}

/// The first thing in the file that makes the driver reject it. Every one of them sends the
/// driver on to the next lower API number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not even a version word.
    #[error("{}", too_short(*len))]
    TooShort {
        /// Bytes in the file.
        len: usize,
    },
    /// The header is cut off.
    #[error("the file has {len} bytes; a {format} header takes {needed}")]
    HeaderTooShort {
        /// What the first word says it is.
        format: Format,
        /// Bytes in the file.
        len: usize,
        /// Bytes of the header.
        needed: usize,
    },
    /// First word zero, as in a TLV file, but the second is not the magic.
    #[error("the word at offset 0x4 is {found:#010x}; a TLV file has {IWL_TLV_UCODE_MAGIC:#010x}")]
    Magic {
        /// The second word.
        found: u32,
    },
    /// v1 or v2: header and section sizes do not add up to the size of the file.
    #[error(
        "the file has {len} bytes; its {format} header and section sizes add up to {expected}{}",
        total_hint(*len, *expected, *boot)
    )]
    TotalSize {
        /// v1 or v2.
        format: Format,
        /// Bytes in the file.
        len: usize,
        /// Header and sections.
        expected: u64,
        /// Bytes of boot code that the header declares. The driver does not count them; only
        /// files for `iwlegacy` have any.
        boot: u32,
    },
    /// The length reaches past the end of the file.
    #[error("{tlv} declares {declared} bytes; {left} are left in the file")]
    TlvLength {
        /// The liar.
        tlv: TlvRef,
        /// Its length field.
        declared: u32,
        /// Bytes after its length field.
        left: usize,
    },
    /// The value fits, its padding to 4 bytes does not.
    #[error("{tlv} needs {padded} bytes with its padding; {left} are left in the file")]
    TlvPadding {
        /// The last TLV.
        tlv: TlvRef,
        /// Length, rounded up.
        padded: usize,
        /// Bytes after its length field.
        left: usize,
    },
    /// A length that this type cannot have.
    #[error("{tlv} has {found} bytes; the driver takes {expected}")]
    TlvSize {
        /// Which.
        tlv: TlvRef,
        /// Its length field.
        found: u32,
        /// What the driver asks for.
        expected: SizeRule,
    },
    /// A value outside of what the driver takes.
    #[error("{tlv} holds {found}; the driver takes {expected}")]
    TlvValue {
        /// Which.
        tlv: TlvRef,
        /// The value.
        found: u32,
        /// What the driver asks for.
        expected: Expected,
    },
    /// A second TLV of a type that may occur once.
    #[error("{tlv} repeats the one at offset {:#x}", first.offset)]
    Duplicate {
        /// The second.
        tlv: TlvRef,
        /// The first.
        first: TlvRef,
    },
    /// A debug configuration wants the sniffer image and the file has none.
    #[error("{tlv} asks for a sniffer image; the file has no IWL_UCODE_TLV_SEC_RT_USNIFFER")]
    NoSnifferImage {
        /// The `IWL_UCODE_TLV_FW_DBG_CONF`.
        tlv: TlvRef,
    },
    /// Fewer bytes after the last TLV than a TLV takes.
    #[error("{count} bytes at offset {offset:#x} follow the last TLV; a TLV takes at least 8")]
    TrailingBytes {
        /// Where they begin.
        offset: usize,
        /// How many, 1 to 7.
        count: usize,
    },
}

/// More than any file of v1 or v2 has: 256 KiB of code and 80 KiB of data for each of two images are the
/// most that a card of their time takes.
const LARGEST_LEGACY: u64 = 1 << 20;

fn total_hint(len: usize, expected: u64, boot: u32) -> String {
    if boot != 0 && expected + u64::from(boot) == len as u64 {
        format!(", and {boot} more of boot code make it a file for iwlegacy (3945, 4965)")
    } else if expected > LARGEST_LEGACY {
        ", more than any has: it is no firmware".to_owned()
    } else {
        String::new()
    }
}

impl ParseError {
    /// Whether what was read as a header is none: any bytes but a TLV file's are read as one of v1 or v2.
    #[must_use]
    pub fn is_no_firmware(&self) -> bool {
        matches!(self, Self::TotalSize { expected, .. } if *expected > LARGEST_LEGACY)
    }
}

/// What the driver asks of a TLV's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expected {
    /// `IWL_UCODE_TLV_NUM_OF_CPU`.
    OneOrTwoCpus,
    /// At most this.
    AtMost(u32),
    /// A multiple of this.
    MultipleOf(u32),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOrTwoCpus => write!(f, "1 or 2"),
            Self::AtMost(n) => write!(f, "at most {n}"),
            Self::MultipleOf(n) => write!(f, "a multiple of {n}"),
        }
    }
}

/// Of a file without a byte.
pub(crate) const EMPTY: &str = "the file is empty";

fn too_short(len: usize) -> String {
    match len {
        0 => EMPTY.to_owned(),
        1 => "the file has 1 byte; the first 4 tell its format".to_owned(),
        _ => format!("the file has {len} bytes; the first 4 tell its format"),
    }
}

impl ParseError {
    /// The line that the 7.3 driver prints, without its `iwlwifi <address>: ` prefix; `None`
    /// where it prints none of its own (a repeated `CMD_VERSIONS` is a kernel warning).
    #[must_use]
    pub fn driver_line(&self) -> Option<String> {
        use crate::names::*;
        Some(match self {
            Self::TooShort { .. } => "File size way too small!".to_owned(),
            Self::HeaderTooShort { format: Format::Tlv, len, .. } => {
                format!("uCode has invalid length: {len}")
            }
            Self::HeaderTooShort { .. } => "File size too small!".to_owned(),
            Self::Magic { found } => format!("invalid uCode magic: 0X{found:x}"),
            Self::TotalSize { len, .. } => {
                format!("uCode file size {len} does not match expected size")
            }
            Self::TlvLength { declared, left, .. } => {
                format!("invalid TLV len: {left}/{declared}")
            }
            Self::TlvPadding { padded, left, .. } => {
                format!("invalid aligned TLV len: {left}/{padded}")
            }
            Self::TlvSize { tlv, found, .. } if tlv.kind == IWL_UCODE_TLV_CMD_BIOS_TABLE => {
                format!("Invalid length for command bios table: {found}")
            }
            Self::TlvSize { tlv, found, .. } => {
                format!("TLV {} has invalid size: {found}", tlv.kind.0)
            }
            Self::TlvValue { tlv, found, expected } => match (tlv.kind, expected) {
                (IWL_UCODE_TLV_NUM_OF_CPU, _) => "Driver support up to 2 CPUs".to_owned(),
                (IWL_UCODE_TLV_PAGING, Expected::MultipleOf(n)) => {
                    format!("Paging: image isn't multiple {n}")
                }
                (IWL_UCODE_TLV_PAGING, Expected::AtMost(n)) => {
                    format!("Paging: driver supports up to {n} bytes for paging image")
                }
                (IWL_UCODE_TLV_FW_NUM_STATIONS, _) => {
                    format!("{} is an invalid number of station", found.cast_signed())
                }
                (IWL_UCODE_TLV_FW_NUM_LINKS, _) => {
                    format!("{} is an invalid number of links", found.cast_signed())
                }
                _ => format!("Wrong ucode_type {found} for default calibration."),
            },
            Self::Duplicate { tlv, .. } if tlv.kind == IWL_UCODE_TLV_CMD_BIOS_TABLE => {
                format!("Duplicate TLV type 0x{:02X} detected", tlv.kind.0)
            }
            Self::Duplicate { .. } => return None,
            Self::NoSnifferImage { .. } => "user selected to work with usniffer but usniffer \
                                            image isn't available in ucode package"
                .to_owned(),
            Self::TrailingBytes { count, .. } => format!("invalid TLV after parsing: {count}"),
        })
    }
}
