//! `.pnvm` files: what an AX210 and its kin are given after ALIVE, by the SKU that ALIVE names.
//!
//! TLVs without a header: `IWL_UCODE_TLV_PNVM_SKU` opens a section, which says for what hardware
//! it is and holds chunks to be put into memory. The same stands in `IWL_UCODE_TLV_PNVM_DATA` of a
//! `.ucode` file for later cards. The driver takes the first section whose SKU and hardware are
//! the card's and that has a chunk.
//!
//! Source: kernel 7.3, `fw/pnvm.c` (`iwl_pnvm_parse`, `iwl_pnvm_handle_section`) and `fw/uefi.c`
//! (`iwl_uefi_handle_tlv_mem_desc`). Left out: chunks that the driver reads past their end (a
//! `SEC_RT` of less than 4 bytes, padding that the file lacks) are errors here.

use std::fmt;

use serde::Serialize;
use zerocopy::FromBytes;

use crate::builder::encode;
use crate::error::TlvRef;
use crate::format::{TlvPrefix, padded};
use crate::names::*;
use crate::reader::Tlv;

/// Most chunks that the driver takes of a section (`IPC_DRAM_MAP_ENTRY_NUM_MAX`).
pub const IPC_DRAM_MAP_ENTRY_NUM_MAX: usize = 64;
/// Offset word of a `SEC_RT` that is no chunk.
pub const SEPARATOR: u32 = 0xdddd_eeee;

/// What a section is for: the SKU that the firmware's ALIVE names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct SkuId(pub [u32; 3]);

impl fmt::Display for SkuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:#x} {b:#x} {c:#x}")
    }
}

/// `IWL_UCODE_TLV_HW_TYPE`: `CSR_HW_REV_TYPE` and `CSR_HW_RFID_TYPE` of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct HwType {
    /// Bits 15:4 of `CSR_HW_REV`, e.g. 0x42 (TY).
    pub mac_type: u16,
    /// Bits 27:12 of `CSR_HW_RF_ID`, e.g. 0x10d (GF).
    pub rf_id: u16,
}

impl fmt::Display for HwType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |names: &[(u16, &'static str)], number| {
            names.iter().find(|(known, _)| *known == number).map_or("?", |(_, name)| name)
        };
        let Self { mac_type, rf_id } = *self;
        write!(f, "{}/{} ", name(MAC_TYPES, mac_type), name(RF_TYPES, rf_id))?;
        write!(f, "({mac_type:#x}/{rf_id:#x})")
    }
}

/// `IWL_CFG_MAC_TYPE_*` of `iwl-config.h`, those that a section can be for.
const MAC_TYPES: &[(u16, &str)] = &[
    (0x37, "SO"),
    (0x42, "TY"),
    (0x43, "SOF"),
    (0x44, "MA"),
    (0x46, "BZ"),
    (0x47, "GL"),
    (0x48, "SC"),
    (0x49, "SC2"),
    (0x4a, "SC2F"),
    (0x4b, "BZ_W"),
    (0x4c, "BR"),
    (0x4d, "DR"),
];

/// `IWL_CFG_RF_TYPE_*` of `iwl-config.h`.
const RF_TYPES: &[(u16, &str)] = &[
    (0x105, "JF2"),
    (0x108, "JF1"),
    (0x10a, "HR2"),
    (0x10c, "HR1"),
    (0x10d, "GF"),
    (0x112, "FM"),
    (0x113, "WH"),
    (0x114, "PE"),
];

/// A file that the driver's parser takes to its end, whichever card asks.
#[derive(Clone, Debug)]
pub struct Pnvm<'a> {
    /// All of them, in file order.
    pub tlvs: Vec<Tlv<'a>>,
    /// What the SKUs open.
    pub sections: Vec<PnvmSection<'a>>,
}

/// One section.
#[derive(Clone, Debug)]
pub struct PnvmSection<'a> {
    /// For which SKU.
    pub sku: SkuId,
    /// For which hardware: one of these.
    pub hardware: Vec<HwType>,
    /// `IWL_UCODE_TLV_PNVM_VERSION`: the last one.
    pub version: Option<u32>,
    /// What is put into memory.
    pub chunks: Vec<&'a [u8]>,
}

/// The first thing in the file that the driver does not take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PnvmError {
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
    /// The value fits, its padding to 4 bytes does not: the driver reads on past the end.
    #[error("{tlv} needs {padded} bytes with its padding; {left} are left in the file")]
    TlvPadding {
        /// The last TLV.
        tlv: TlvRef,
        /// Length, rounded up.
        padded: usize,
        /// Bytes after its length field.
        left: usize,
    },
    /// Shorter than what the driver reads of it.
    #[error("{tlv} has {found} bytes; the driver reads {needed}")]
    TlvSize {
        /// Which.
        tlv: TlvRef,
        /// Bytes of its value.
        found: usize,
        /// Bytes that it must have.
        needed: usize,
    },
    /// A `MEM_DESC` whose size is not that of its data.
    #[error("{tlv} says that it has {said} bytes of data; there are {found}")]
    DescSize {
        /// Which.
        tlv: TlvRef,
        /// Its own word.
        said: u32,
        /// Bytes after its header.
        found: usize,
    },
    /// More than [`IPC_DRAM_MAP_ENTRY_NUM_MAX`].
    #[error("{tlv} is one chunk too many: the driver takes {IPC_DRAM_MAP_ENTRY_NUM_MAX}")]
    TooManyChunks {
        /// The one.
        tlv: TlvRef,
    },
    /// No `IWL_UCODE_TLV_PNVM_SKU`: nothing is for any card.
    #[error("no TLV of the file is an IWL_UCODE_TLV_PNVM_SKU: it is for no card")]
    NoSection,
}

impl PnvmError {
    /// The line that the 7.3 driver prints, if it prints one without debugging.
    #[must_use]
    pub fn driver_line(&self) -> Option<String> {
        match self {
            Self::TlvLength { declared, left, .. } => {
                Some(format!("invalid TLV len: {left}/{declared}"))
            }
            Self::TlvSize { tlv, found, .. } if tlv.kind == IWL_UCODE_TLV_PNVM_SKU => {
                Some(format!("invalid PNVM SKU TLV len: {found}"))
            }
            _ => None,
        }
    }
}

/// Whether a file is one of these, by its name or by how it begins: with a SKU.
#[must_use]
pub fn is_pnvm(file_name: &str, bytes: &[u8]) -> bool {
    let begins = || {
        let (prefix, _) = TlvPrefix::ref_from_prefix(bytes).ok()?;
        Some((prefix.kind.get(), prefix.length.get()) == (IWL_UCODE_TLV_PNVM_SKU.0, 12))
    };
    file_name.ends_with(".pnvm") || begins() == Some(true)
}

impl<'a> Pnvm<'a> {
    /// Reads and validates a file, or the value of `IWL_UCODE_TLV_PNVM_DATA`.
    ///
    /// # Errors
    /// [`PnvmError`], the first one first.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PnvmError> {
        let (pnvm, rest) = Self::parse_prefix(bytes);
        rest.map(|()| pnvm)
    }

    /// Reads a file as far as it can be read, and says why no further.
    pub fn parse_prefix(bytes: &'a [u8]) -> (Self, Result<(), PnvmError>) {
        let mut pnvm = Self { tlvs: Vec::new(), sections: Vec::new() };
        let rest = pnvm.read(bytes);
        (pnvm, rest)
    }

    fn read(&mut self, bytes: &'a [u8]) -> Result<(), PnvmError> {
        let mut offset = 0;
        // Fewer bytes than a TLV takes, after the last one, are ignored.
        while let Ok((prefix, rest)) = TlvPrefix::ref_from_prefix(&bytes[offset..]) {
            let at = TlvRef { index: self.tlvs.len(), offset, kind: TlvType(prefix.kind.get()) };
            let (declared, left) = (prefix.length.get(), rest.len());
            let Some(value) = rest.get(..declared as usize) else {
                return Err(PnvmError::TlvLength { tlv: at, declared, left });
            };
            let padded = padded(value.len());
            if padded > left {
                return Err(PnvmError::TlvPadding { tlv: at, padded, left });
            }
            let tlv = Tlv { at, value };
            self.tlvs.push(tlv);
            self.take(&tlv)?;
            offset += size_of::<TlvPrefix>() + padded;
        }
        if self.sections.is_empty() { Err(PnvmError::NoSection) } else { Ok(()) }
    }

    fn take(&mut self, tlv: &Tlv<'a>) -> Result<(), PnvmError> {
        let size = |needed| match tlv.value.len() {
            found if found < needed => Err(PnvmError::TlvSize { tlv: tlv.at, found, needed }),
            _ => Ok(()),
        };
        if tlv.at.kind == IWL_UCODE_TLV_PNVM_SKU {
            size(12)?;
            self.sections.push(PnvmSection {
                sku: SkuId([tlv.word(0), tlv.word(1), tlv.word(2)]),
                hardware: Vec::new(),
                version: None,
                chunks: Vec::new(),
            });
            return Ok(());
        }
        // What stands before the first SKU is passed over.
        let Some(section) = self.sections.last_mut() else { return Ok(()) };
        match tlv.at.kind {
            // Too short: passed over.
            IWL_UCODE_TLV_PNVM_VERSION if tlv.value.len() >= 4 => {
                section.version = Some(tlv.word(0));
            }
            IWL_UCODE_TLV_HW_TYPE if tlv.value.len() >= 4 => {
                let word = tlv.word(0);
                let (mac_type, rf_id) = (word as u16, (word >> 16) as u16);
                section.hardware.push(HwType { mac_type, rf_id });
            }
            IWL_UCODE_TLV_SEC_RT => {
                size(4)?;
                if tlv.word(0) != SEPARATOR {
                    section.add(tlv, 4)?;
                }
            }
            IWL_UCODE_TLV_MEM_DESC => {
                size(8)?;
                let (said, found) = (tlv.word(1), tlv.value.len() - 8);
                if said as usize != found {
                    return Err(PnvmError::DescSize { tlv: tlv.at, said, found });
                }
                section.add(tlv, 8)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The section that the driver gives to a card of this SKU and hardware.
    #[must_use]
    pub fn section_for(&self, sku: SkuId, hardware: HwType) -> Option<&PnvmSection<'a>> {
        self.sections.iter().find(|section| {
            section.sku == sku && section.hardware.contains(&hardware) && !section.chunks.is_empty()
        })
    }
}

impl<'a> PnvmSection<'a> {
    fn add(&mut self, tlv: &Tlv<'a>, header: usize) -> Result<(), PnvmError> {
        if self.chunks.len() == IPC_DRAM_MAP_ENTRY_NUM_MAX {
            return Err(PnvmError::TooManyChunks { tlv: tlv.at });
        }
        self.chunks.push(&tlv.value[header..]);
        Ok(())
    }
}

/// Builds a `.pnvm` file: its TLVs in the order of the calls.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PnvmBuilder {
    tlvs: Vec<u8>,
}

impl PnvmBuilder {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends any TLV, padded to 4 bytes.
    ///
    /// # Panics
    /// If the value is 4 GiB or longer: the length field has 32 bits.
    pub fn tlv(mut self, kind: TlvType, value: impl AsRef<[u8]>) -> Self {
        self.tlvs.extend(encode(kind, value.as_ref()));
        self
    }

    /// Opens a section.
    pub fn sku(self, sku: SkuId) -> Self {
        let words = sku.0.map(u32::to_le_bytes);
        self.tlv(IWL_UCODE_TLV_PNVM_SKU, words.concat())
    }

    /// Says for what hardware the section is. Real files have 12 bytes here; the driver reads 4.
    pub fn hw_type(self, hardware: HwType) -> Self {
        let mut value = [0; 12];
        value[..2].copy_from_slice(&hardware.mac_type.to_le_bytes());
        value[2..4].copy_from_slice(&hardware.rf_id.to_le_bytes());
        self.tlv(IWL_UCODE_TLV_HW_TYPE, value)
    }

    /// The section's version.
    pub fn version(self, version: u32) -> Self {
        self.tlv(IWL_UCODE_TLV_PNVM_VERSION, version.to_le_bytes())
    }

    /// A chunk with its offset word, which the driver does not use.
    pub fn chunk(self, offset: u32, content: &[u8]) -> Self {
        self.tlv(IWL_UCODE_TLV_SEC_RT, [&offset.to_le_bytes(), content].concat())
    }

    /// The file.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        self.tlvs
    }
}
