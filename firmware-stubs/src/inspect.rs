//! What `iwlbench ucode inspect` and `build` show: typed for `--json`, and as text.

use std::fmt;

use serde::Serialize;

use crate::error::{ParseError, TlvRef};
use crate::fate::{Fate, Opmode, Target};
use crate::format::{Format, IWL_FW_CMD_VER_UNKNOWN};
use crate::names::*;
use crate::reader::{ImageKind, SectionRole, Tlv, Ucode};
use crate::stub::{self, Kernel};

/// Everything there is to say about one file. `Display` gives the text.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The name that the version line shows.
    pub file_name: String,
    /// Bytes in the file.
    pub size: usize,
    /// What could be read; `None` if not even the header.
    pub content: Option<Content>,
    /// Why reading stopped.
    pub error: Option<ErrorInfo>,
    /// What the driver does with it, on any card.
    pub fate: Fate,
    /// The same on the card that the file's name belongs to, or that the caller named.
    pub on_card: Option<OnCard>,
}

/// A parse error in text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ErrorInfo {
    /// What is wrong, where, and what was expected.
    pub message: String,
    /// What the driver prints.
    pub driver_line: Option<String>,
}

/// The verdict for one card and kernel.
#[derive(Clone, Debug, Serialize)]
pub struct OnCard {
    /// The card's name.
    pub card: &'static str,
    /// Whose driver.
    pub kernel: String,
    /// The file name that it asks for first.
    pub asks_first: String,
    /// What it does with the file.
    pub fate: Fate,
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
    /// Which module the driver asks for.
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
    /// By the content of the file.
    pub module: Opmode,
    /// What in the file decides it.
    pub because: String,
    /// The TLV that decides it, for `iwlmvm`.
    pub decided_by: Option<TlvRef>,
    /// When the card overrules the file.
    pub unless: &'static str,
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
/// name, if there is one, and the newest kernel examined give the verdict in
/// [`Inspection::on_card`], unless `target` names another.
#[must_use]
pub fn inspect(file_name: &str, bytes: &[u8], target: Option<&Target<'_>>) -> Inspection {
    let by_name = || {
        let (card, asked) = stub::for_file_name(file_name)?;
        Some(Target { card, kernel: Kernel::V7_3, asked })
    };
    let target = target.copied().or_else(by_name);
    let (ucode, rest) = match Ucode::parse_prefix(bytes) {
        Ok((ucode, rest)) => (Some(ucode), rest),
        Err(error) => (None, Err(error)),
    };
    let fate_on = |target: Option<&Target<'_>>| match (&ucode, &rest) {
        (_, Err(error)) => Fate::from(error),
        (Some(ucode), Ok(())) => ucode.fate(target),
        (None, Ok(())) => unreachable!("a file without a header has an error"),
    };
    Inspection {
        file_name: file_name.to_owned(),
        size: bytes.len(),
        fate: fate_on(None),
        on_card: target.map(|target| OnCard {
            card: target.card.card,
            kernel: target.kernel.to_string(),
            asks_first: target.card.file_name(target.card.newest(target.kernel)),
            fate: fate_on(Some(&target)),
        }),
        content: ucode.map(|ucode| Content::of(file_name, &ucode)),
        error: rest.as_ref().err().map(ErrorInfo::from),
    }
}

impl From<&ParseError> for ErrorInfo {
    fn from(error: &ParseError) -> Self {
        Self { message: error.to_string(), driver_line: error.driver_line() }
    }
}

impl Content {
    fn of(file_name: &str, ucode: &Ucode<'_>) -> Self {
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
            opmode: OpmodeAnswer::of(ucode),
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
    fn of(ucode: &Ucode<'_>) -> Self {
        // The first one is easier to find than the last; the driver does not care.
        let decided_by = ucode.first_mvm_section();
        let because = match (decided_by, ucode.format) {
            (Some(tlv), _) => format!("it has {} at offset {:#x}", tlv.kind, tlv.offset),
            (None, Format::Tlv) => "no section TLV carries its load offset".to_owned(),
            (None, format) => format!("every {format} file is one"),
        };
        Self { module: ucode.opmode(), because, decided_by, unless: WIFI7_OVERRIDE }
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
    let set = |bit: &u32| words[*bit as usize / 32] & 1 << (bit % 32) != 0;
    let numbers = (0..words.len() as u32 * 32).filter(set);
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
        writeln!(f, "{}: {} bytes", text(self.file_name.as_bytes()), self.size)?;
        if let Some(content) = &self.content {
            write!(f, "{content}")?;
        }
        writeln!(f)?;
        if let Some(error) = &self.error {
            writeln!(f, "error: {}", error.message)?;
        }
        writeln!(f, "the driver {}", self.fate)?;
        if let Some(on) = &self.on_card {
            let OnCard { card, kernel, asks_first, fate } = on;
            writeln!(f, "a {card} under kernel {kernel} asks for {asks_first} first")?;
            if *fate != self.fate {
                writeln!(f, "its driver {fate}")?;
            }
        }
        Ok(())
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
        writeln!(f, "opmode        {}, because {};", self.opmode.module, self.opmode.because)?;
        writeln!(f, "              {}", self.opmode.unless)?;
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
