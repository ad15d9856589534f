//! Making `.ucode` files.
//!
//! The builders make well-formed files; [`crate::corrupt`] breaks them afterwards.

use iwl_hw::versions::CmdVersion;
use zerocopy::IntoBytes;

use crate::format::{
    FW_VER_HUMAN_READABLE_SZ, Format, IWL_TLV_UCODE_MAGIC, LegacySizes, TlvHeader, TlvPrefix,
    V1Header, V2Header, Version, padded,
};
use crate::names::*;

/// Builds a TLV file: header, then the TLVs in the order of the calls.
#[derive(Clone, Debug)]
#[must_use]
pub struct UcodeBuilder {
    version: Version,
    human_readable: [u8; FW_VER_HUMAN_READABLE_SZ],
    build: u32,
    tlvs: Vec<u8>,
}

impl UcodeBuilder {
    /// An empty TLV file of this version, without name and build number.
    pub fn new(version: Version) -> Self {
        Self { version, human_readable: [0; FW_VER_HUMAN_READABLE_SZ], build: 0, tlvs: Vec::new() }
    }

    /// Name of the build; cut to 64 bytes.
    pub fn human_readable(mut self, name: &str) -> Self {
        self.human_readable = [0; FW_VER_HUMAN_READABLE_SZ];
        let n = name.len().min(FW_VER_HUMAN_READABLE_SZ);
        self.human_readable[..n].copy_from_slice(&name.as_bytes()[..n]);
        self
    }

    /// Build number; 0 means none.
    pub fn build_number(mut self, build: u32) -> Self {
        self.build = build;
        self
    }

    /// Appends any TLV, padded to 4 bytes.
    ///
    /// # Panics
    /// If the value is 4 GiB or longer: the length field has 32 bits.
    pub fn tlv(mut self, kind: TlvType, value: impl AsRef<[u8]>) -> Self {
        self.tlvs.extend(encode(kind, value.as_ref()));
        self
    }

    /// Appends a TLV whose value is one little-endian word.
    pub fn word(self, kind: TlvType, value: u32) -> Self {
        self.tlv(kind, value.to_le_bytes())
    }

    /// `IWL_UCODE_TLV_FW_VERSION`: major, minor and local, of which two are 0.
    pub fn fw_version(self, major: u32) -> Self {
        self.tlv(IWL_UCODE_TLV_FW_VERSION, [major, 0, 0].map(u32::to_le_bytes).concat())
    }

    /// Appends a section with its load offset: `IWL_UCODE_TLV_SEC_RT` and its kin. The DVM
    /// sections (`IWL_UCODE_TLV_INST` and its kin) carry no offset: use [`Self::tlv`].
    pub fn section(self, kind: TlvType, offset: u32, content: &[u8]) -> Self {
        self.tlv(kind, [&offset.to_le_bytes(), content].concat())
    }

    /// `IWL_UCODE_TLV_FLAGS` with one word.
    pub fn flags(self, flags: u32) -> Self {
        self.word(IWL_UCODE_TLV_FLAGS, flags)
    }

    /// `IWL_UCODE_TLV_PHY_SKU`: antennas in bits 19:16 (TX) and 23:20 (RX).
    pub fn phy_sku(self, phy_config: u32) -> Self {
        self.word(IWL_UCODE_TLV_PHY_SKU, phy_config)
    }

    /// API bits, one `IWL_UCODE_TLV_API_CHANGES_SET` for each word that has any.
    pub fn api_bits(self, bits: &[u32]) -> Self {
        self.bit_words(IWL_UCODE_TLV_API_CHANGES_SET, bits)
    }

    /// Capability bits, one `IWL_UCODE_TLV_ENABLED_CAPABILITIES` for each word that has any.
    pub fn capabilities(self, bits: &[u32]) -> Self {
        self.bit_words(IWL_UCODE_TLV_ENABLED_CAPABILITIES, bits)
    }

    /// `IWL_UCODE_TLV_CMD_VERSIONS`.
    pub fn cmd_versions(self, versions: &[CmdVersion]) -> Self {
        let value: Vec<u8> =
            versions.iter().flat_map(|v| [v.cmd, v.group, v.cmd_ver, v.notif_ver]).collect();
        self.tlv(IWL_UCODE_TLV_CMD_VERSIONS, value)
    }

    /// The file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let header = TlvHeader {
            zero: 0.into(),
            magic: IWL_TLV_UCODE_MAGIC.into(),
            human_readable: self.human_readable,
            ver: self.version.0.into(),
            build: self.build.into(),
            ignore: 0.into(),
        };
        [header.as_bytes(), &self.tlvs].concat()
    }

    fn bit_words(mut self, kind: TlvType, bits: &[u32]) -> Self {
        let mut words = std::collections::BTreeMap::<u32, u32>::new();
        for bit in bits {
            *words.entry(bit / 32).or_default() |= 1 << (bit % 32);
        }
        for (index, word) in words {
            let value = (u64::from(word) << 32) | u64::from(index);
            self = self.tlv(kind, value.to_le_bytes());
        }
        self
    }
}

/// Builds a v1 or v2 file: a header of sizes, then the sections. Always DVM.
///
/// Which of the two the driver reads follows from the API byte of the version alone: v1 for
/// API 0 to 2, v2 from API 3; so the builder derives it the same way.
#[derive(Clone, Debug)]
#[must_use]
pub struct LegacyBuilder {
    version: Version,
    build: u32,
    inst: Vec<u8>,
    data: Vec<u8>,
    init: Vec<u8>,
    init_data: Vec<u8>,
}

impl LegacyBuilder {
    /// An empty file of this version. A version of zero would make it a (broken) TLV file.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            build: 0,
            inst: Vec::new(),
            data: Vec::new(),
            init: Vec::new(),
            init_data: Vec::new(),
        }
    }

    /// Build number; v1 files have none and drop it.
    pub fn build_number(mut self, build: u32) -> Self {
        self.build = build;
        self
    }

    /// The runtime image.
    pub fn runtime(mut self, inst: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        (self.inst, self.data) = (inst.into(), data.into());
        self
    }

    /// The init image.
    pub fn init(mut self, inst: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        (self.init, self.init_data) = (inst.into(), data.into());
        self
    }

    /// The file.
    ///
    /// # Panics
    /// If a section is 4 GiB or longer.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let size = |section: &Vec<u8>| {
            u32::try_from(section.len()).expect("a section is shorter than 4 GiB").into()
        };
        let sizes = LegacySizes {
            inst: size(&self.inst),
            data: size(&self.data),
            init: size(&self.init),
            init_data: size(&self.init_data),
            boot: 0.into(),
        };
        let ver = self.version.0.into();
        let header = if Format::of(self.version.0) == Format::V1 {
            V1Header { ver, sizes }.as_bytes().to_vec()
        } else {
            V2Header { ver, build: self.build.into(), sizes }.as_bytes().to_vec()
        };
        [&header[..], &self.inst, &self.data, &self.init, &self.init_data].concat()
    }
}

/// A TLV with its padding.
pub(crate) fn encode(kind: TlvType, value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).expect("a TLV value is shorter than 4 GiB");
    let prefix = TlvPrefix { kind: kind.0.into(), length: length.into() };
    let mut bytes = [prefix.as_bytes(), value].concat();
    bytes.resize(padded(bytes.len()), 0);
    bytes
}
