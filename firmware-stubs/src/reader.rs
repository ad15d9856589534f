//! Reading `.ucode` files: the file is validated once, by the driver's own rules; what comes
//! out is iterated without errors.
//!
//! The work is linear in the size of the file, and so is what is kept of it: one small
//! record for each TLV, the values stay borrowed.

use serde::Serialize;
use zerocopy::FromBytes;

use crate::error::{Expected, ParseError, TlvRef};
use crate::format::{
    API_WORDS, CAPA_WORDS, CPU1_CPU2_SEPARATOR_SECTION, FW_PAGING_SIZE, Format, IWL_FW_MAX_LINKS,
    IWL_STATION_COUNT_MAX, IWL_TLV_UCODE_MAGIC, IWL_UCODE_TYPE_MAX, IWLAGN_RTC_DATA_LOWER_BOUND,
    IWLAGN_RTC_INST_LOWER_BOUND, LegacySizes, MAX_PAGING_IMAGE_SIZE, PAGING_SEPARATOR_SECTION,
    SizeRule, TlvHeader, TlvPrefix, V1Header, V2Header, Version, padded,
};
use crate::names::*;

/// A file that the driver's parser takes.
///
/// That does not mean that the driver can do anything with it: see [`Ucode::fate`].
#[derive(Clone, Debug)]
pub struct Ucode<'a> {
    /// Layout of the file.
    pub format: Format,
    /// The version word.
    pub version: Version,
    /// Build number, 0 for none.
    pub build: u32,
    /// Name of the build as it stands in the file; empty in v1 and v2.
    pub human_readable: &'a [u8],
    /// The TLVs in file order; empty in v1 and v2.
    pub tlvs: Vec<Tlv<'a>>,
    /// What the driver gathers from them.
    pub facts: Facts<'a>,
}

/// One TLV.
#[derive(Clone, Copy, Debug)]
pub struct Tlv<'a> {
    /// Which one it is.
    pub at: TlvRef,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// What the driver keeps of a file's TLVs (`struct iwl_fw` and `iwl_firmware_pieces`).
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The images, indexed by [`ImageKind`].
    pub images: [Image<'a>; 4],
    /// First word of the last `IWL_UCODE_TLV_FLAGS`, and bit 0 for `IWL_UCODE_TLV_PAN`.
    pub flags: u32,
    /// API bits; words beyond these are ignored, as in the driver.
    pub api: [u32; API_WORDS as usize],
    /// Capability bits; words beyond these are ignored, as in the driver.
    pub capa: [u32; CAPA_WORDS as usize],
    /// `IWL_UCODE_TLV_PHY_SKU`.
    pub phy_sku: Option<u32>,
    /// `IWL_UCODE_TLV_NUM_OF_CPU`.
    pub num_of_cpu: Option<u32>,
    /// `IWL_UCODE_TLV_FW_VERSION`: major, minor and the low byte of the third word.
    pub fw_version: Option<(u32, u32, u8)>,
    cmd_versions: Option<TlvRef>,
    cmd_bios_table: Option<TlvRef>,
    dbg_dest: bool,
    dbg_confs: u32,
    sniffer_wanted: Option<TlvRef>,
    sniffer_image: bool,
}

/// `enum iwl_ucode_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// The runtime image.
    Regular,
    /// The image that calibrates and then gives way to the runtime image.
    Init,
    /// The image for suspend.
    Wowlan,
    /// The runtime image with the sniffer in it.
    RegularUsniffer,
}

impl ImageKind {
    /// All of them, in the driver's order.
    pub const ALL: [Self; 4] = [Self::Regular, Self::Init, Self::Wowlan, Self::RegularUsniffer];

    /// Short name: `runtime`, `init`, `wowlan`, `usniffer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regular => "runtime",
            Self::Init => "init",
            Self::Wowlan => "wowlan",
            Self::RegularUsniffer => "usniffer",
        }
    }
}

/// One image: its sections in the driver's order.
///
/// DVM sections have fixed places, data at 0 and code at 1, so that a file with code alone
/// leaves an entry that the driver allocates and never writes: `None`.
#[derive(Clone, Debug, Default)]
pub struct Image<'a> {
    /// The section table.
    pub sections: Vec<Option<Section<'a>>>,
}

/// What goes to one place in the card's memory.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// What it is.
    pub role: SectionRole,
    /// Address in the card.
    pub load_offset: u32,
    /// Byte offset of the content in the file.
    pub file_offset: usize,
    /// Bytes of the content.
    pub size: u32,
    /// The content; empty if the file is broken and ends before it.
    pub content: &'a [u8],
}

/// What a section is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionRole {
    /// DVM code.
    Inst,
    /// DVM data.
    Data,
    /// Code or data of a file whose sections carry their offset.
    Loaded,
    /// Pseudo section between those of CPU 1 and CPU 2.
    CpuSeparator,
    /// Pseudo section before the paged ones.
    PagingSeparator,
}

/// `IWL_UCODE_SECTION_DATA` and `IWL_UCODE_SECTION_INST`.
const DATA: usize = 0;
const INST: usize = 1;

/// Where the driver puts a section TLV.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SectionTlv {
    /// DVM: the value is the content, the type names the entry.
    Fixed(ImageKind, SectionRole),
    /// MVM: the value is a load offset and the content, the section is appended.
    Offset(ImageKind),
}

impl SectionTlv {
    pub(crate) fn of(kind: TlvType) -> Option<Self> {
        use ImageKind::{Init, Regular, RegularUsniffer, Wowlan};
        Some(match kind {
            IWL_UCODE_TLV_INST => Self::Fixed(Regular, SectionRole::Inst),
            IWL_UCODE_TLV_DATA => Self::Fixed(Regular, SectionRole::Data),
            IWL_UCODE_TLV_INIT => Self::Fixed(Init, SectionRole::Inst),
            IWL_UCODE_TLV_INIT_DATA => Self::Fixed(Init, SectionRole::Data),
            IWL_UCODE_TLV_WOWLAN_INST => Self::Fixed(Wowlan, SectionRole::Inst),
            IWL_UCODE_TLV_WOWLAN_DATA => Self::Fixed(Wowlan, SectionRole::Data),
            IWL_UCODE_TLV_SEC_RT | IWL_UCODE_TLV_SECURE_SEC_RT => Self::Offset(Regular),
            IWL_UCODE_TLV_SEC_INIT | IWL_UCODE_TLV_SECURE_SEC_INIT => Self::Offset(Init),
            IWL_UCODE_TLV_SEC_WOWLAN | IWL_UCODE_TLV_SECURE_SEC_WOWLAN => Self::Offset(Wowlan),
            IWL_UCODE_TLV_SEC_RT_USNIFFER => Self::Offset(RegularUsniffer),
            _ => return None,
        })
    }

    /// Whether it makes the file an `iwlmvm` one: all that carry an offset do, but for the
    /// sniffer image.
    fn is_mvm(self) -> bool {
        matches!(self, Self::Offset(image) if image != ImageKind::RegularUsniffer)
    }
}

impl<'a> Ucode<'a> {
    /// Reads and validates a file.
    ///
    /// # Errors
    /// Whatever makes the parser of the 7.3 driver (`iwl_parse_v1_v2_firmware`,
    /// `iwl_parse_tlv_firmware`) return an error, the first one first.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (ucode, rest) = Self::parse_prefix(bytes)?;
        rest.map(|()| ucode)
    }

    /// Reads a file as far as it can be read: what was read before the first error, and that
    /// error.
    ///
    /// # Errors
    /// If not even the header can be read.
    pub fn parse_prefix(bytes: &'a [u8]) -> Result<(Self, Result<(), ParseError>), ParseError> {
        let len = bytes.len();
        let Some((first, _)) = u32_at_start(bytes) else {
            return Err(ParseError::TooShort { len });
        };
        let format = Format::of(first);
        let short = |needed| ParseError::HeaderTooShort { format, len, needed };
        match format {
            Format::V1 => {
                let (header, _) = V1Header::ref_from_prefix(bytes).map_err(|_| short(24))?;
                Ok(Self::legacy(bytes, format, header.ver.get(), 0, &header.sizes, 24))
            }
            Format::V2 => {
                let (header, _) = V2Header::ref_from_prefix(bytes).map_err(|_| short(28))?;
                let build = header.build.get();
                Ok(Self::legacy(bytes, format, header.ver.get(), build, &header.sizes, 28))
            }
            Format::Tlv => {
                let (header, _) = TlvHeader::ref_from_prefix(bytes).map_err(|_| short(88))?;
                if header.magic.get() != IWL_TLV_UCODE_MAGIC {
                    return Err(ParseError::Magic { found: header.magic.get() });
                }
                let mut ucode = Self {
                    format,
                    version: Version(header.ver.get()),
                    build: header.build.get(),
                    human_readable: &header.human_readable,
                    tlvs: Vec::new(),
                    facts: Facts::default(),
                };
                let rest = ucode.read_tlvs(bytes, size_of::<TlvHeader>());
                Ok((ucode, rest))
            }
        }
    }

    /// The API number that the driver checks against the range of the card: the API byte, or
    /// the whole version word in the new format.
    #[must_use]
    pub fn api(&self) -> u32 {
        if self.has_api(IWL_UCODE_TLV_API_NEW_VERSION) {
            self.version.0
        } else {
            self.version.api().into()
        }
    }

    /// Whether API bit `bit` is set (`fw_has_api`).
    #[must_use]
    pub fn has_api(&self, bit: u32) -> bool {
        has_bit(&self.facts.api, bit)
    }

    /// Whether capability bit `bit` is set (`fw_has_capa`).
    #[must_use]
    pub fn has_capa(&self, bit: u32) -> bool {
        has_bit(&self.facts.capa, bit)
    }

    /// The version as the driver prints it after `loaded firmware version`. `file_name` is
    /// what the driver asked for; it prints it without `iwlwifi-`.
    #[must_use]
    pub fn version_line(&self, file_name: &str) -> String {
        let name = file_name.strip_prefix("iwlwifi-").unwrap_or(file_name);
        match (self.facts.fw_version, self.build) {
            (Some((major, minor, third)), _) => format!("{major}.{minor:08x}.{third} {name}"),
            (None, 0) => format!("{} {name}", self.version),
            (None, build) => format!("{} build {build} {name}", self.version),
        }
    }

    /// The first TLV that makes this an `iwlmvm` file.
    #[must_use]
    pub fn first_mvm_section(&self) -> Option<TlvRef> {
        let counts = |tlv: &&Tlv<'_>| SectionTlv::of(tlv.at.kind).is_some_and(SectionTlv::is_mvm);
        self.tlvs.iter().find(counts).map(|tlv| tlv.at)
    }

    /// One image.
    #[must_use]
    pub fn image(&self, kind: ImageKind) -> &Image<'a> {
        &self.facts.images[kind as usize]
    }

    fn legacy(
        bytes: &'a [u8],
        format: Format,
        version: u32,
        build: u32,
        sizes: &LegacySizes,
        header_size: usize,
    ) -> (Self, Result<(), ParseError>) {
        use ImageKind::{Init, Regular};
        let parts = [
            (Regular, INST, sizes.inst),
            (Regular, DATA, sizes.data),
            (Init, INST, sizes.init),
            (Init, DATA, sizes.init_data),
        ];
        let expected: u64 =
            parts.iter().map(|(.., size)| u64::from(size.get())).sum::<u64>() + header_size as u64;
        let whole = expected == bytes.len() as u64;
        let mut facts = Facts::default();
        let mut file_offset = header_size;
        for (image, place, size) in parts {
            let size = size.get();
            let end = file_offset.saturating_add(size as usize);
            let content = bytes.get(file_offset..end).unwrap_or_default();
            facts.put(image, place, Section::dvm(place, file_offset, size, content));
            file_offset = end;
        }
        let ucode = Self {
            format,
            version: Version(version),
            build,
            human_readable: &[],
            tlvs: Vec::new(),
            facts,
        };
        let error =
            ParseError::TotalSize { format, len: bytes.len(), expected, boot: sizes.boot.get() };
        (ucode, if whole { Ok(()) } else { Err(error) })
    }

    /// The loop of `iwl_parse_tlv_firmware`.
    fn read_tlvs(&mut self, bytes: &'a [u8], start: usize) -> Result<(), ParseError> {
        let mut offset = start;
        while let Ok((prefix, rest)) = TlvPrefix::ref_from_prefix(&bytes[offset..]) {
            let at = TlvRef { index: self.tlvs.len(), offset, kind: TlvType(prefix.kind.get()) };
            let declared = prefix.length.get();
            let left = rest.len();
            let Some(value) = rest.get(..declared as usize) else {
                return Err(ParseError::TlvLength { tlv: at, declared, left });
            };
            let padded = padded(value.len());
            if padded > left {
                return Err(ParseError::TlvPadding { tlv: at, padded, left });
            }
            let tlv = Tlv { at, value };
            self.tlvs.push(tlv);
            self.facts.take(&tlv)?;
            offset += size_of::<TlvPrefix>() + padded;
        }
        if let Some(tlv) = self.facts.sniffer_wanted
            && !self.facts.sniffer_image
            && !self.has_capa(IWL_UCODE_TLV_CAPA_USNIFFER_UNIFIED)
        {
            return Err(ParseError::NoSnifferImage { tlv });
        }
        match bytes.len() - offset {
            0 => Ok(()),
            count => Err(ParseError::TrailingBytes { offset, count }),
        }
    }
}

impl Tlv<'_> {
    /// The value as little-endian words; an incomplete last word is left out.
    pub fn words(&self) -> impl Iterator<Item = u32> + '_ {
        self.value.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
    }

    /// Word `n` of the value, 0 if it is not there. For values whose size was checked.
    pub(crate) fn word(&self, n: usize) -> u32 {
        self.words().nth(n).unwrap_or(0)
    }
}

impl<'a> Section<'a> {
    fn dvm(place: usize, file_offset: usize, size: u32, content: &'a [u8]) -> Self {
        let (role, load_offset) = if place == INST {
            (SectionRole::Inst, IWLAGN_RTC_INST_LOWER_BOUND)
        } else {
            (SectionRole::Data, IWLAGN_RTC_DATA_LOWER_BOUND)
        };
        Self { role, load_offset, file_offset, size, content }
    }
}

impl<'a> Facts<'a> {
    /// One turn of the driver's `switch (tlv_type)`.
    fn take(&mut self, tlv: &Tlv<'a>) -> Result<(), ParseError> {
        let kind = tlv.at.kind;
        let length = tlv.value.len() as u32;
        let rule = SizeRule::of(kind);
        if !rule.allows(length) {
            return Err(ParseError::TlvSize { tlv: tlv.at, found: length, expected: rule });
        }
        let refuse_if = |refused: bool, expected: Expected| match refused {
            true => Err(ParseError::TlvValue { tlv: tlv.at, found: tlv.word(0), expected }),
            false => Ok(()),
        };
        let at_most = |max: u32| refuse_if(tlv.word(0) > max, Expected::AtMost(max));

        if let Some(section) = SectionTlv::of(kind) {
            self.take_section(section, tlv);
            return Ok(());
        }
        match kind {
            IWL_UCODE_TLV_PAN => self.flags |= 1 << IWL_UCODE_TLV_FLAGS_PAN,
            IWL_UCODE_TLV_FLAGS => self.flags = tlv.word(0),
            IWL_UCODE_TLV_API_CHANGES_SET => set_word(&mut self.api, tlv),
            IWL_UCODE_TLV_ENABLED_CAPABILITIES => set_word(&mut self.capa, tlv),
            IWL_UCODE_TLV_PHY_SKU => self.phy_sku = Some(tlv.word(0)),
            IWL_UCODE_TLV_FW_VERSION => {
                self.fw_version = Some((tlv.word(0), tlv.word(1), tlv.word(2) as u8));
            }
            IWL_UCODE_TLV_NUM_OF_CPU => {
                refuse_if(!matches!(tlv.word(0), 1 | 2), Expected::OneOrTwoCpus)?;
                self.num_of_cpu = Some(tlv.word(0));
            }
            IWL_UCODE_TLV_DEF_CALIB => at_most(IWL_UCODE_TYPE_MAX - 1)?,
            IWL_UCODE_TLV_FW_NUM_STATIONS => at_most(IWL_STATION_COUNT_MAX)?,
            IWL_UCODE_TLV_FW_NUM_LINKS => at_most(IWL_FW_MAX_LINKS)?,
            IWL_UCODE_TLV_PAGING => {
                at_most(MAX_PAGING_IMAGE_SIZE)?;
                let odd = !tlv.word(0).is_multiple_of(FW_PAGING_SIZE);
                refuse_if(odd, Expected::MultipleOf(FW_PAGING_SIZE))?;
            }
            IWL_UCODE_TLV_CMD_VERSIONS => once(&mut self.cmd_versions, tlv)?,
            IWL_UCODE_TLV_CMD_BIOS_TABLE => once(&mut self.cmd_bios_table, tlv)?,
            IWL_UCODE_TLV_FW_DBG_DEST => self.dbg_dest |= matches!(tlv.value, [0 | 1, ..]),
            IWL_UCODE_TLV_FW_DBG_CONF => self.take_debug_configuration(tlv),
            _ => {}
        }
        Ok(())
    }

    fn take_section(&mut self, section: SectionTlv, tlv: &Tlv<'a>) {
        let value_offset = tlv.at.offset + size_of::<TlvPrefix>();
        match section {
            SectionTlv::Fixed(image, role) => {
                let place = if role == SectionRole::Inst { INST } else { DATA };
                let size = tlv.value.len() as u32;
                self.put(image, place, Section::dvm(place, value_offset, size, tlv.value));
            }
            SectionTlv::Offset(image) => {
                self.sniffer_image |= image == ImageKind::RegularUsniffer;
                // Too short for the offset: the driver skips it and goes on.
                let Some((load_offset, content)) = u32_at_start(tlv.value) else { return };
                self.images[image as usize].sections.push(Some(Section {
                    role: match load_offset {
                        CPU1_CPU2_SEPARATOR_SECTION => SectionRole::CpuSeparator,
                        PAGING_SEPARATOR_SECTION => SectionRole::PagingSeparator,
                        _ => SectionRole::Loaded,
                    },
                    load_offset,
                    file_offset: value_offset + 4,
                    size: content.len() as u32,
                    content,
                }));
            }
        }
    }

    /// `alloc_sec_data` and `set_sec_*`: the table grows to `place`, entries below it that
    /// nobody sets stay unwritten.
    fn put(&mut self, image: ImageKind, place: usize, section: Section<'a>) {
        let sections = &mut self.images[image as usize].sections;
        if sections.len() <= place {
            sections.resize(place + 1, None);
        }
        sections[place] = Some(section);
    }

    /// Configurations before the destination, out of range or repeated are ignored.
    fn take_debug_configuration(&mut self, tlv: &Tlv<'_>) {
        let [id @ 0..=31, usniffer, ..] = *tlv.value else { return };
        let bit = 1 << id;
        if self.dbg_dest && self.dbg_confs & bit == 0 {
            self.dbg_confs |= bit;
            if usniffer != 0 {
                self.sniffer_wanted.get_or_insert(tlv.at);
            }
        }
    }
}

fn once(seen: &mut Option<TlvRef>, tlv: &Tlv<'_>) -> Result<(), ParseError> {
    match seen.replace(tlv.at) {
        Some(first) => Err(ParseError::Duplicate { tlv: tlv.at, first }),
        None => Ok(()),
    }
}

/// A word of bits that comes with its index; an index beyond the table is ignored.
fn set_word(table: &mut [u32], tlv: &Tlv<'_>) {
    if let Some(word) = table.get_mut(tlv.word(0) as usize) {
        *word |= tlv.word(1);
    }
}

/// Whether a bit of a file's API or capability words is set.
#[must_use]
pub fn has_bit(table: &[u32], bit: u32) -> bool {
    table.get(bit as usize / 32).is_some_and(|word| word & (1 << (bit % 32)) != 0)
}

fn u32_at_start(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}
