//! Layout facts: headers, the version word, and what the driver asks of each TLV's length.
//!
//! Source: kernel 7.3, `fw/file.h`, `fw/img.h` and `iwl-drv.c` below
//! `drivers/net/wireless/intel/iwlwifi/`.

use std::fmt;

use serde::Serialize;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::names::*;

/// Second word of a TLV file ("IWL\n", `IWL_TLV_UCODE_MAGIC`). The first word is zero.
pub const IWL_TLV_UCODE_MAGIC: u32 = 0x0a4c_5749;
/// Bytes of the human-readable name in the TLV header.
pub const FW_VER_HUMAN_READABLE_SZ: usize = 64;
/// Where the driver places instruction sections of a DVM image in the card's memory.
pub const IWLAGN_RTC_INST_LOWER_BOUND: u32 = 0x00_0000;
/// Where the driver places data sections of a DVM image in the card's memory.
pub const IWLAGN_RTC_DATA_LOWER_BOUND: u32 = 0x80_0000;
/// Offset word of the pseudo section between the sections of CPU 1 and CPU 2.
pub const CPU1_CPU2_SEPARATOR_SECTION: u32 = 0xffff_cccc;
/// Offset word of the pseudo section before the paged sections.
pub const PAGING_SEPARATOR_SECTION: u32 = 0xaaaa_bbbb;
/// Largest paging image the driver takes, in bytes.
pub const MAX_PAGING_IMAGE_SIZE: u32 = 1 << 20;
/// The paging image must be a multiple of this many bytes.
pub const FW_PAGING_SIZE: u32 = 1 << 12;
/// Most stations a file may announce.
pub const IWL_STATION_COUNT_MAX: u32 = 16;
/// Most links a file may announce.
pub const IWL_FW_MAX_LINKS: u32 = 4;
/// Number of `enum iwl_ucode_type` images; a default calibration names one of them.
pub const IWL_UCODE_TYPE_MAX: u32 = 4;
/// Words of API bits that the driver keeps; words of a higher index are ignored.
pub const API_WORDS: u32 = 3;
/// Words of capability bits that the driver keeps; words of a higher index are ignored.
pub const CAPA_WORDS: u32 = 5;

/// The three layouts of a `.ucode` file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// First word not zero, API byte 0 to 2.
    V1,
    /// First word not zero, API byte 3 or more.
    V2,
    /// First word zero.
    Tlv,
}

impl Format {
    /// How the driver tells them apart: by the first word of the file alone.
    #[must_use]
    pub const fn of(first_word: u32) -> Self {
        match Version(first_word) {
            Version(0) => Self::Tlv,
            version if version.api() <= 2 => Self::V1,
            _ => Self::V2,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Tlv => "TLV",
        })
    }
}

/// `struct iwl_tlv_ucode_header` (88 bytes), followed by the TLVs.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TlvHeader {
    /// Zero: an impossible version word, which tells TLV files from v1 and v2.
    pub zero: U32,
    /// [`IWL_TLV_UCODE_MAGIC`].
    pub magic: U32,
    /// Name of the build, NUL padded.
    pub human_readable: [u8; FW_VER_HUMAN_READABLE_SZ],
    /// The version word, see [`Version`].
    pub ver: U32,
    /// Build number, 0 for none.
    pub build: U32,
    /// Not read by the driver.
    pub ignore: U64,
}

/// `struct iwl_ucode_tlv`: what stands before each TLV's value.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TlvPrefix {
    /// See [`TlvType`].
    pub kind: U32,
    /// Bytes of the value, without this prefix and without the padding to 4.
    pub length: U32,
}

/// `struct iwl_ucode_header`, `v1` arm (24 bytes), followed by the sections in the order
/// of the sizes.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct V1Header {
    /// The version word, never zero.
    pub ver: U32,
    /// Section sizes.
    pub sizes: LegacySizes,
}

/// `struct iwl_ucode_header`, `v2` arm (28 bytes).
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct V2Header {
    /// The version word, never zero.
    pub ver: U32,
    /// Build number, 0 for none.
    pub build: U32,
    /// Section sizes.
    pub sizes: LegacySizes,
}

/// Bytes of the sections of a v1 or v2 file, in file order.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct LegacySizes {
    /// Runtime code.
    pub inst: U32,
    /// Runtime data.
    pub data: U32,
    /// Init code.
    pub init: U32,
    /// Init data.
    pub init_data: U32,
    /// Bootstrap code: the driver neither loads it nor counts it in the file's size.
    pub boot: U32,
}

/// The version word: major, minor, API and serial in one byte each, or, with
/// [`IWL_UCODE_TLV_API_NEW_VERSION`] set, one number that is the API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Version(pub u32);

impl Version {
    /// Packs the four bytes (`IWL_UCODE_MAJOR` and so on).
    #[must_use]
    pub const fn new(major: u8, minor: u8, api: u8, serial: u8) -> Self {
        Self(u32::from_be_bytes([major, minor, api, serial]))
    }

    /// `IWL_UCODE_MAJOR`.
    #[must_use]
    pub const fn major(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// `IWL_UCODE_MINOR`.
    #[must_use]
    pub const fn minor(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// `IWL_UCODE_API`.
    #[must_use]
    pub const fn api(self) -> u8 {
        self.0.to_be_bytes()[2]
    }

    /// `IWL_UCODE_SERIAL`.
    #[must_use]
    pub const fn serial(self) -> u8 {
        self.0.to_be_bytes()[3]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.major(), self.minor(), self.api(), self.serial())
    }
}

/// What the driver asks of a TLV's length before it reads the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeRule {
    /// Any length: the driver does not read the value, or copies it whole.
    Any,
    /// Exactly this many bytes.
    Exactly(u32),
    /// At least this many bytes.
    AtLeast(u32),
    /// At least one item of this many bytes, and whole items only.
    Items(u32),
    /// Whole items of this many bytes, possibly none.
    ItemsOrNone(u32),
}

impl SizeRule {
    /// The rule that the 7.3 driver applies to `kind`.
    #[must_use]
    pub fn of(kind: TlvType) -> Self {
        match kind {
            IWL_UCODE_TLV_PAN | IWL_UCODE_TLV_ENHANCE_SENS_TBL => Self::Exactly(0),
            IWL_UCODE_TLV_PROBE_MAX_LEN
            | IWL_UCODE_TLV_INIT_EVTLOG_PTR
            | IWL_UCODE_TLV_INIT_EVTLOG_SIZE
            | IWL_UCODE_TLV_INIT_ERRLOG_PTR
            | IWL_UCODE_TLV_RUNT_EVTLOG_PTR
            | IWL_UCODE_TLV_RUNT_EVTLOG_SIZE
            | IWL_UCODE_TLV_RUNT_ERRLOG_PTR
            | IWL_UCODE_TLV_PHY_CALIBRATION_SIZE
            | IWL_UCODE_TLV_PHY_SKU
            | IWL_UCODE_TLV_NUM_OF_CPU
            | IWL_UCODE_TLV_N_SCAN_CHANNELS
            | IWL_UCODE_TLV_PAGING
            | IWL_UCODE_TLV_FW_NUM_STATIONS
            | IWL_UCODE_TLV_FW_NUM_LINKS
            | IWL_UCODE_TLV_FW_NUM_BEACONS
            | IWL_UCODE_TLV_FW_NUM_MCAST_KEY_ENTRIES
            | IWL_UCODE_TLV_FW_NAN_MAX_CHAN_SWITCH_TIME => Self::Exactly(4),
            IWL_UCODE_TLV_API_CHANGES_SET
            | IWL_UCODE_TLV_ENABLED_CAPABILITIES
            | IWL_UCODE_TLV_FW_RECOVERY_INFO
            | IWL_UCODE_TLV_UMAC_DEBUG_ADDRS => Self::Exactly(8),
            IWL_UCODE_TLV_DEF_CALIB | IWL_UCODE_TLV_FW_VERSION | IWL_UCODE_TLV_FW_MEM_SEG => {
                Self::Exactly(12)
            }
            IWL_UCODE_TLV_LMAC_DEBUG_ADDRS => Self::Exactly(32),
            IWL_UCODE_TLV_FW_FSEQ_VERSION => Self::Exactly(52),
            IWL_UCODE_TLV_FLAGS => Self::Items(4),
            IWL_UCODE_TLV_CMD_BIOS_TABLE => Self::ItemsOrNone(4),
            // struct iwl_pc_data: a name of 32 bytes and an address.
            IWL_UCODE_TLV_CURRENT_PC => Self::AtLeast(36),
            _ => Self::Any,
        }
    }

    /// Whether a value of `length` bytes passes.
    #[must_use]
    pub fn allows(self, length: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(n) => length == n,
            Self::AtLeast(n) => length >= n,
            Self::Items(n) => length >= n && length.is_multiple_of(n),
            Self::ItemsOrNone(n) => length.is_multiple_of(n),
        }
    }
}

impl fmt::Display for SizeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => write!(f, "any length"),
            Self::Exactly(n) => write!(f, "exactly {n} bytes"),
            Self::AtLeast(n) => write!(f, "at least {n} bytes"),
            Self::Items(n) => write!(f, "one or more items of {n} bytes"),
            Self::ItemsOrNone(n) => write!(f, "whole items of {n} bytes"),
        }
    }
}

/// Rounds `length` up to the padding of TLV values.
#[must_use]
pub const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}
