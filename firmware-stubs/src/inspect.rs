//! What `iwlbench ucode inspect` and `build` show: typed for `--json`, and as text.
//!
//! What becomes of a file is said once: for the card that its name belongs to, if there is one.

use std::fmt;

use serde::Serialize;

use crate::error::{EMPTY, ParseError, TlvRef};
use crate::fate::{Fate, Opmode, Target};
use iwl_hw::versions::IWL_FW_CMD_VER_UNKNOWN;

use crate::format::Format;
use crate::names::*;
use crate::pnvm::{self, HwType, Pnvm, SkuId};
use crate::reader::{ImageKind, SectionRole, Tlv, Ucode, has_bit};
use crate::stub::{self, Kernel};

/// Everything there is to say about one file. `Display` gives the text.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "file", rename_all = "snake_case")]
pub enum Inspection {
    /// Firmware.
    Ucode(Box<UcodeInspection>),
    /// What some cards are given beside their firmware.
    Pnvm(PnvmInspection),
}

impl Inspection {
    /// The file's name, as it was given.
    #[must_use]
    pub fn file_name(&self) -> &str {
        match self {
            Self::Ucode(ucode) => &ucode.file_name,
            Self::Pnvm(pnvm) => &pnvm.file_name,
        }
    }

    /// Why reading stopped before the file's end.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorInfo> {
        match self {
            Self::Ucode(ucode) => ucode.error.as_ref(),
            Self::Pnvm(pnvm) => pnvm.error.as_ref(),
        }
    }
}

/// A `.ucode` file.
#[derive(Clone, Debug, Serialize)]
pub struct UcodeInspection {
    /// The name that the version line shows.
    pub file_name: String,
    /// Bytes in the file.
    pub size: usize,
    /// What could be read; `None` if not even the header.
    pub content: Option<Content>,
    /// Why reading stopped.
    pub error: Option<ErrorInfo>,
    /// The card that the file's name belongs to, or that the caller named.
    pub on_card: Option<OnCard>,
    /// What the driver does with it: on that card; without one, on a card that takes its API.
    pub fate: Fate,
}

/// A parse error in text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ErrorInfo {
    /// What is wrong, where, and what was expected.
    pub message: String,
    /// What the driver prints.
    pub driver_line: Option<String>,
}

/// Whose driver it is.
#[derive(Clone, Debug, Serialize)]
pub struct OnCard {
    /// The card's name.
    pub card: &'static str,
    /// The driver's.
    pub kernel: String,
    /// The file name that it asks for first.
    pub asks_first: String,
    /// The file name that it asks for last, if all before are missing or rejected.
    pub asks_last: String,
}

impl OnCard {
    fn of(target: &Target<'_>) -> Self {
        let Target { card, kernel, .. } = *target;
        let range = card.range(kernel);
        Self {
            card: card.card,
            kernel: kernel.to_string(),
            asks_first: card.file_name(range.max),
            asks_last: card.file_name(range.min),
        }
    }
}

/// A `.pnvm` file.
#[derive(Clone, Debug, Serialize)]
pub struct PnvmInspection {
    /// As it was given.
    pub file_name: String,
    /// Bytes in the file.
    pub size: usize,
    /// What could be read.
    pub sections: Vec<PnvmSectionInfo>,
    /// Why reading stopped.
    pub error: Option<ErrorInfo>,
    /// Every TLV.
    pub tlvs: Vec<TlvInfo>,
}

/// One section of a `.pnvm` file.
#[derive(Clone, Debug, Serialize)]
pub struct PnvmSectionInfo {
    /// For which SKU.
    pub sku: SkuId,
    /// For which hardware.
    pub hardware: Vec<HwType>,
    /// Its version.
    pub version: Option<u32>,
    /// Bytes of each chunk.
    pub chunks: Vec<usize>,
}

/// The readable part of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// Layout.
    pub format: Format,
    /// Name of the build, unprintable bytes escaped.
    pub human_readable: String,
    /// As the driver prints it after `loaded firmware version`.
    pub version: String,
    /// The version word.
    pub version_word: u32,
    /// The API number that the driver checks.
    pub api: u32,
    /// Build number.
    pub build: Option<u32>,
    /// Which module the driver asks for, if it takes the file.
    pub opmode: OpmodeAnswer,
    /// `IWL_UCODE_TLV_PHY_SKU`.
    pub phy_sku: Option<PhySku>,
    /// `IWL_UCODE_TLV_NUM_OF_CPU`; 1 if the file does not say.
    pub cpus: u32,
    /// Bits of `IWL_UCODE_TLV_FLAGS`.
    pub flags: Vec<Bit>,
    /// API bits.
    pub api_bits: Vec<Bit>,
    /// Capability bits.
    pub capabilities: Vec<Bit>,
    /// The images that have sections.
    pub images: Vec<ImageInfo>,
    /// Every TLV.
    pub tlvs: Vec<TlvInfo>,
}

/// Which module, and why.
#[derive(Clone, Debug, Serialize)]
pub struct OpmodeAnswer {
    /// By the content of the file, or by the card where that overrules it.
    pub module: Opmode,
    /// What decides it.
    pub because: String,
    /// The TLV that decides it, for `iwlmvm`.
    pub decided_by: Option<TlvRef>,
    /// When a card overrules the file; `None` where the card is known.
    pub unless: Option<&'static str>,
}

/// `IWL_UCODE_TLV_PHY_SKU` taken apart.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PhySku {
    /// The word.
    pub word: u32,
    /// Antennas that transmit, one bit each.
    pub tx: u8,
    /// Antennas that receive, one bit each.
    pub rx: u8,
}

/// A bit that is set, and its name if the driver has one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bit {
    /// Its number.
    pub bit: u32,
    /// The kernel's name.
    pub name: Option<&'static str>,
}

/// One image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageInfo {
    /// Which.
    pub image: ImageKind,
    /// In the driver's order; `None` where a DVM image lacks code or data.
    pub sections: Vec<Option<SectionInfo>>,
}

/// One section.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SectionInfo {
    /// What it is.
    pub role: SectionRole,
    /// Address in the card.
    pub load_offset: u32,
    /// Where its content begins in the file.
    pub file_offset: usize,
    /// Bytes of content.
    pub size: u32,
}

/// One TLV.
#[derive(Clone, Debug, Serialize)]
pub struct TlvInfo {
    /// Which.
    #[serde(flatten)]
    pub at: TlvRef,
    /// The kernel's name of its type.
    pub name: Option<&'static str>,
    /// Bytes of its value.
    pub length: usize,
    /// What the value says, in short; may be empty.
    pub meaning: String,
}

/// When a Wi-Fi 7 card asks for another module than the file says (`iwl_req_fw_callback`,
/// kernel 7.3; the first kernels with `iwlmld` also look at the file's major version).
const WIFI7_OVERRIDE: &str = "iwlmld instead on a card of family BZ or later with an RF of type \
                              FM or later, from kernel 6.15 on with CONFIG_IWLMLD";

/// Inspects a file. `file_name` is its name without a folder; the card that asks for such a
/// name, if there is one, and the newest kernel examined give the verdict, unless `target` names
/// another.
#[must_use]
pub fn inspect(file_name: &str, bytes: &[u8], target: Option<&Target<'_>>) -> Inspection {
    if target.is_none() && pnvm::is_pnvm(file_name, bytes) {
        return Inspection::Pnvm(PnvmInspection::of(file_name, bytes));
    }
    Inspection::Ucode(Box::new(UcodeInspection::of(file_name, bytes, target)))
}

impl UcodeInspection {
    pub(crate) fn of(file_name: &str, bytes: &[u8], target: Option<&Target<'_>>) -> Self {
        let by_name = || {
            let (card, asked) = stub::for_file_name(file_name)?;
            Some(Target { card, kernel: Kernel::V7_3, asked })
        };
        let target = target.copied().or_else(by_name);
        let (ucode, error) = match Ucode::parse_prefix(bytes) {
            // What it says would be nonsense.
            Ok((_, Err(error))) if error.is_no_firmware() => (None, Some(error)),
            Ok((ucode, rest)) => (Some(ucode), rest.err()),
            Err(error) => (None, Some(error)),
        };
        let fate = match (&ucode, &error) {
            (_, Some(error)) => Fate::from(error),
            (Some(ucode), None) => ucode.fate(target.as_ref()),
            (None, None) => unreachable!("a file without a header has an error"),
        };
        Self {
            file_name: file_name.to_owned(),
            size: bytes.len(),
            content: ucode.map(|ucode| Content::of(file_name, &ucode, target.as_ref())),
            error: error.as_ref().map(ErrorInfo::from),
            on_card: target.as_ref().map(OnCard::of),
            fate,
        }
    }
}

impl PnvmInspection {
    fn of(file_name: &str, bytes: &[u8]) -> Self {
        let (pnvm, rest) = Pnvm::parse_prefix(bytes);
        let section = |section: &pnvm::PnvmSection<'_>| PnvmSectionInfo {
            sku: section.sku,
            hardware: section.hardware.clone(),
            version: section.version,
            chunks: section.chunks.iter().map(|chunk| chunk.len()).collect(),
        };
        Self {
            file_name: file_name.to_owned(),
            size: bytes.len(),
            sections: pnvm.sections.iter().map(section).collect(),
            error: rest.err().map(|error| ErrorInfo {
                message: match bytes.is_empty() {
                    true => EMPTY.to_owned(),
                    false => error.to_string(),
                },
                driver_line: error.driver_line(),
            }),
            tlvs: pnvm.tlvs.iter().map(TlvInfo::of).collect(),
        }
    }
}

impl From<&ParseError> for ErrorInfo {
    fn from(error: &ParseError) -> Self {
        Self { message: error.to_string(), driver_line: error.driver_line() }
    }
}

impl Content {
    fn of(file_name: &str, ucode: &Ucode<'_>, target: Option<&Target<'_>>) -> Self {
        let facts = &ucode.facts;
        let images = ImageKind::ALL.into_iter().filter_map(|image| {
            let sections: Vec<_> = ucode.image(image).sections.iter().collect();
            let info = |s: &crate::reader::Section<'_>| SectionInfo {
                role: s.role,
                load_offset: s.load_offset,
                file_offset: s.file_offset,
                size: s.size,
            };
            let sections: Vec<_> = sections.iter().map(|s| s.as_ref().map(info)).collect();
            (!sections.is_empty()).then_some(ImageInfo { image, sections })
        });
        Self {
            format: ucode.format,
            human_readable: text(ucode.human_readable),
            version: ucode.version_line(file_name),
            version_word: ucode.version.0,
            api: ucode.api(),
            build: (ucode.build != 0).then_some(ucode.build),
            opmode: OpmodeAnswer::of(ucode, target),
            phy_sku: facts.phy_sku.map(PhySku::of),
            cpus: facts.num_of_cpu.unwrap_or(1),
            flags: bits(&[facts.flags], flag_name),
            api_bits: bits(&facts.api, api_name),
            capabilities: bits(&facts.capa, capa_name),
            images: images.collect(),
            tlvs: ucode.tlvs.iter().map(TlvInfo::of).collect(),
        }
    }
}

impl OpmodeAnswer {
    fn of(ucode: &Ucode<'_>, target: Option<&Target<'_>>) -> Self {
        let module = target.map_or_else(|| ucode.opmode(), |target| ucode.opmode_on(target));
        let unless = target.is_none().then_some(WIFI7_OVERRIDE);
        if let Some(target) = target
            && module == Opmode::Iwlmld
        {
            let because = format!("a {} is a Wi-Fi 7 card, whatever the file", target.card.card);
            return Self { module, because, decided_by: None, unless };
        }
        // The first one is easier to find than the last; the driver does not care.
        let decided_by = ucode.first_mvm_section();
        let because = match (decided_by, ucode.format) {
            (Some(tlv), _) => format!("it has {} at offset {:#x}", tlv.kind, tlv.offset),
            (None, Format::Tlv) => "no section TLV carries its load offset".to_owned(),
            (None, format) => format!("every {format} file is one"),
        };
        Self { module, because, decided_by, unless }
    }
}

impl PhySku {
    fn of(word: u32) -> Self {
        Self { word, tx: (word >> 16 & 0xf) as u8, rx: (word >> 20 & 0xf) as u8 }
    }
}

impl fmt::Display for PhySku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let antennas = |mask: u8| match mask {
            0 => "none".to_owned(),
            _ => ('A'..='D').enumerate().filter(|(i, _)| mask & 1 << i != 0).map(|b| b.1).collect(),
        };
        write!(f, "{:#010x}: TX {}, RX {}", self.word, antennas(self.tx), antennas(self.rx))
    }
}

impl TlvInfo {
    fn of(tlv: &Tlv<'_>) -> Self {
        Self {
            at: tlv.at,
            name: tlv.at.kind.name(),
            length: tlv.value.len(),
            meaning: meaning(tlv).unwrap_or_default(),
        }
    }
}

/// What the value of a TLV says, where a line can say it.
fn meaning(tlv: &Tlv<'_>) -> Option<String> {
    let word = |n| tlv.words().nth(n);
    let set_bits = |name: fn(u32) -> Option<&'static str>| {
        let (index, bits) = (word(0)?, word(1)?);
        let first = index.checked_mul(32)?;
        let names = (0..32).filter(|bit| bits & 1 << bit != 0);
        let names = names.filter_map(|bit| first.checked_add(bit));
        let names: Vec<_> =
            names.map(|bit| name(bit).map_or_else(|| bit.to_string(), short_name)).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        Some(format!("word {index}: {names}"))
    };
    Some(match tlv.at.kind {
        IWL_UCODE_TLV_INST
        | IWL_UCODE_TLV_DATA
        | IWL_UCODE_TLV_INIT
        | IWL_UCODE_TLV_INIT_DATA
        | IWL_UCODE_TLV_WOWLAN_INST
        | IWL_UCODE_TLV_WOWLAN_DATA => format!("{} bytes", tlv.value.len()),
        IWL_UCODE_TLV_SEC_RT
        | IWL_UCODE_TLV_SEC_INIT
        | IWL_UCODE_TLV_SEC_WOWLAN
        | IWL_UCODE_TLV_SECURE_SEC_RT
        | IWL_UCODE_TLV_SECURE_SEC_INIT
        | IWL_UCODE_TLV_SECURE_SEC_WOWLAN
        | IWL_UCODE_TLV_SEC_RT_USNIFFER => match word(0) {
            None => "too short for a load offset: skipped".to_owned(),
            Some(crate::format::CPU1_CPU2_SEPARATOR_SECTION) => "CPU 1 | CPU 2".to_owned(),
            Some(crate::format::PAGING_SEPARATOR_SECTION) => "paging from here".to_owned(),
            Some(offset) => format!("{} bytes to {offset:#x}", tlv.value.len() - 4),
        },
        IWL_UCODE_TLV_PHY_SKU => PhySku::of(word(0)?).to_string(),
        IWL_UCODE_TLV_API_CHANGES_SET => set_bits(api_name)?,
        IWL_UCODE_TLV_ENABLED_CAPABILITIES => set_bits(capa_name)?,
        IWL_UCODE_TLV_FW_VERSION => {
            format!("{}.{:08x}.{}", word(0)?, word(1)?, word(2)? as u8)
        }
        IWL_UCODE_TLV_CMD_VERSIONS => {
            let known = tlv.value.as_chunks().0.iter().filter(|[_, _, cmd, notif]: &&[u8; 4]| {
                *cmd != IWL_FW_CMD_VER_UNKNOWN || *notif != IWL_FW_CMD_VER_UNKNOWN
            });
            format!("{} commands, {} with a version", tlv.value.len() / 4, known.count())
        }
        IWL_UCODE_TLV_FW_MEM_SEG => {
            format!("type {}, {:#x} bytes at {:#x}", word(0)?, word(2)?, word(1)?)
        }
        IWL_UCODE_TLV_FW_RECOVERY_INFO => format!("{:#x} bytes at {:#x}", word(1)?, word(0)?),
        IWL_UCODE_TLV_SEC_TABLE_ADDR | IWL_UCODE_TLV_D3_KEK_KCK_ADDR => {
            format!("{:#x} bytes at {:#x}", word(1)?, word(0)?)
        }
        IWL_UCODE_TLV_UMAC_DEBUG_ADDRS | IWL_UCODE_TLV_LMAC_DEBUG_ADDRS => {
            format!("error table at {:#x}", word(0)?)
        }
        IWL_UCODE_TLV_FW_FSEQ_VERSION => text(tlv.value.get(..32)?),
        IWL_UCODE_TLV_PHY_INTEGRATION_VERSION => text(tlv.value),
        IWL_UCODE_TLV_HW_TYPE => {
            HwType { mac_type: word(0)? as u16, rf_id: (word(0)? >> 16) as u16 }.to_string()
        }
        IWL_UCODE_TLV_PNVM_VERSION => format!("{:08x}", word(0)?),
        IWL_UCODE_TLV_PNVM_SKU => SkuId([word(0)?, word(1)?, word(2)?]).to_string(),
        IWL_UCODE_TLV_PNVM_DATA => {
            let (pnvm, rest) = Pnvm::parse_prefix(tlv.value);
            let sections = format!("{} PNVM sections", pnvm.sections.len());
            match rest {
                Ok(()) => sections,
                Err(error) => format!("{sections}, then: {error}"),
            }
        }
        IWL_UCODE_TLV_FW_DBG_TRIGGER => format!("trigger {}", word(0)?),
        IWL_UCODE_TLV_FW_DBG_CONF => format!("configuration {}", tlv.value.first()?),
        IWL_UCODE_TLV_FW_DBG_DEST => format!("version {}", tlv.value.first()?),
        IWL_UCODE_TLV_RUNT_EVTLOG_PTR
        | IWL_UCODE_TLV_RUNT_ERRLOG_PTR
        | IWL_UCODE_TLV_INIT_EVTLOG_PTR
        | IWL_UCODE_TLV_INIT_ERRLOG_PTR
        | IWL_UCODE_TLV_FLAGS
        | IWL_UCODE_TLV_FW_DBG_DUMP_LST => format!("{:#x}", word(0)?),
        _ if tlv.value.len() == 4 => word(0)?.to_string(),
        _ => return None,
    })
}

fn bits(words: &[u32], name: fn(u32) -> Option<&'static str>) -> Vec<Bit> {
    let numbers = (0..words.len() as u32 * 32).filter(|bit| has_bit(words, *bit));
    numbers.map(|bit| Bit { bit, name: name(bit) }).collect()
}

/// `STA_PM_NOTIF` for `IWL_UCODE_TLV_CAPA_STA_PM_NOTIF`.
fn short_name(name: &str) -> String {
    let name = name.trim_start_matches("IWL_UCODE_TLV_");
    let prefixes = ["CAPA_", "API_", "FLAGS_"];
    prefixes.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name).to_owned()
}

/// Text from a file, up to the first NUL, safe for a terminal.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    text.trim_end()
        .chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() })
        .collect()
}

/// `38 STA_PM_NOTIF`, or the number alone.
impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{} {}", self.bit, short_name(name)),
            None => write!(f, "{}", self.bit),
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ucode(ucode) => ucode.fmt(f),
            Self::Pnvm(pnvm) => pnvm.fmt(f),
        }
    }
}

impl fmt::Display for UcodeInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} bytes", text(self.file_name.as_bytes()), self.size)?;
        match (&self.error, &self.content) {
            // What follows may be nonsense: that is said before it.
            (Some(error), content) => {
                writeln!(f, "error: {}", error.message)?;
                self.write_fate(f)?;
                match content {
                    Some(content) => write!(f, "\n{UP_TO_THERE}\n{content}"),
                    None => Ok(()),
                }
            }
            (None, Some(content)) => {
                writeln!(f, "{content}")?;
                self.write_fate(f)
            }
            (None, None) => self.write_fate(f),
        }
    }
}

/// What stands over what could be read of a broken file.
const UP_TO_THERE: &str = "what it says up to there:";

impl UcodeInspection {
    fn write_fate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.size == 0 {
            // `kernel_read_file` refuses it with EINVAL.
            return writeln!(
                f,
                "the kernel's loader takes no empty file: the driver never sees it, tries the next \
                 lower API and unbinds the card after the last"
            );
        }
        let Some(OnCard { card, kernel, asks_first, asks_last }) = &self.on_card else {
            let api = self.content.as_ref().filter(|_| matches!(self.fate, Fate::Loads { .. }));
            let api = api.map(|content| format!(", on a card that takes API {}", content.api));
            return writeln!(f, "the driver {}{}", self.fate, api.unwrap_or_default());
        };
        writeln!(f, "the driver of a {card} under kernel {kernel} {}", self.fate)?;
        write!(f, "it asks for {asks_first}")?;
        if asks_first == asks_last {
            writeln!(f, " and for no other")
        } else {
            writeln!(f, " first, for {asks_last} last")
        }
    }
}

impl fmt::Display for PnvmInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} bytes", text(self.file_name.as_bytes()), self.size)?;
        if let Some(error) = &self.error {
            writeln!(f, "error: {}", error.message)?;
            if self.size == 0 {
                return Ok(());
            }
            writeln!(f, "\n{UP_TO_THERE}")?;
        }
        writeln!(f, "format        PNVM")?;
        for (index, section) in self.sections.iter().enumerate() {
            let hardware: Vec<_> = section.hardware.iter().map(HwType::to_string).collect();
            let chunks: Vec<_> = section.chunks.iter().map(usize::to_string).collect();
            let or =
                |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
            writeln!(f, "\nsection {index}")?;
            writeln!(f, "  SKU         {}", section.sku)?;
            writeln!(f, "  hardware    {}", or(hardware.join(", "), "none: for no card"))?;
            if let Some(version) = section.version {
                writeln!(f, "  version     {version:08x}")?;
            }
            writeln!(f, "  chunks      {}", or(chunks.join(" + "), "none: skipped"))?;
        }
        if !self.tlvs.is_empty() {
            writeln!(f, "\nTLV    offset   length  type")?;
            for tlv in &self.tlvs {
                writeln!(f, "{tlv}")?;
            }
        }
        match &self.error {
            Some(_) => Ok(()),
            None => writeln!(
                f,
                "\nthe driver takes the section of its card's SKU and hardware, after ALIVE names \
                 the SKU"
            ),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |bits: &[Bit]| {
            let bits: Vec<_> = bits.iter().map(Bit::to_string).collect();
            if bits.is_empty() { "none".to_owned() } else { bits.join(", ") }
        };
        let legacy = self.format != Format::Tlv;
        writeln!(f, "format        {}", self.format)?;
        if !legacy {
            writeln!(f, "name          {}", self.human_readable)?;
        }
        writeln!(f, "version       {} (word {:#010x})", self.version, self.version_word)?;
        writeln!(f, "API           {}", self.api)?;
        if let Some(build) = self.build {
            writeln!(f, "build         {build}")?;
        }
        write!(f, "opmode        {}, because {}", self.opmode.module, self.opmode.because)?;
        match self.opmode.unless {
            Some(unless) => writeln!(f, ";\n              {unless}")?,
            None => writeln!(f)?,
        }
        if !legacy {
            if let Some(sku) = self.phy_sku {
                writeln!(f, "PHY SKU       {sku}")?;
            }
            writeln!(f, "CPUs          {}", self.cpus)?;
            writeln!(f, "flags         {}", list(&self.flags))?;
            writeln!(f, "API bits      {}", list(&self.api_bits))?;
            writeln!(f, "capabilities  {}", list(&self.capabilities))?;
        }
        for image in &self.images {
            writeln!(f, "\n{} image", image.image.name())?;
            writeln!(f, "  section      size  to          from file offset")?;
            for (index, section) in image.sections.iter().enumerate() {
                match section {
                    Some(section) => writeln!(f, "  {index:>2}  {section}")?,
                    None => writeln!(f, "  {index:>2}  missing")?,
                }
            }
        }
        if !self.tlvs.is_empty() {
            writeln!(f, "\nTLV    offset   length  type")?;
            for tlv in &self.tlvs {
                writeln!(f, "{tlv}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, load_offset, file_offset, size } = self;
        match role {
            SectionRole::Inst => write!(f, "code ")?,
            SectionRole::Data => write!(f, "data ")?,
            SectionRole::Loaded => write!(f, "     ")?,
            SectionRole::CpuSeparator => return write!(f, "------ CPU 2"),
            SectionRole::PagingSeparator => return write!(f, "------ paging"),
        }
        write!(f, "{size:>8}  {load_offset:#010x}  {file_offset:#x}")
    }
}

impl fmt::Display for TlvInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlvRef { index, offset, kind } = self.at;
        write!(f, "{index:>3}  {offset:>#8x} {:>8}  {:>4} {kind}", self.length, kind.0)?;
        if self.meaning.is_empty() { Ok(()) } else { write!(f, ": {}", self.meaning) }
    }
}
