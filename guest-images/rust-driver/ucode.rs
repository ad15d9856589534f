// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Reader of `.ucode` firmware files.
//!
//! The file is validated once, by [`Ucode::parse`], and iterated without errors from then on. Nothing
//! is allocated and nothing is unsafe: this file is compiled into the core module and, as it is, into a
//! crate of the host, where it is tested with every fault that files of the bench can have, and against
//! the bench's own reader.
//!
//! What is taken and refused is what `iwl_parse_v1_v2_firmware()`, `iwl_parse_tlv_firmware()` and
//! `validate_sec_sizes()` of the C driver (7.3) take and refuse. Where that follows a `NULL` pointer or
//! works with memory that nobody wrote (files without sections, or with half an image), this says
//! [`Error::Incomplete`].

use core::fmt;

/// Word 1 of a TLV file, "IWL\n".
const IWL_TLV_UCODE_MAGIC: u32 = 0x0a4c_5749;

const IWL_UCODE_TLV_INST: u32 = 1;
const IWL_UCODE_TLV_DATA: u32 = 2;
const IWL_UCODE_TLV_INIT: u32 = 3;
const IWL_UCODE_TLV_INIT_DATA: u32 = 4;
const IWL_UCODE_TLV_PROBE_MAX_LEN: u32 = 6;
const IWL_UCODE_TLV_PAN: u32 = 7;
const IWL_UCODE_TLV_RUNT_EVTLOG_PTR: u32 = 8;
const IWL_UCODE_TLV_INIT_ERRLOG_PTR: u32 = 13;
const IWL_UCODE_TLV_ENHANCE_SENS_TBL: u32 = 14;
const IWL_UCODE_TLV_PHY_CALIBRATION_SIZE: u32 = 15;
const IWL_UCODE_TLV_WOWLAN_INST: u32 = 16;
const IWL_UCODE_TLV_WOWLAN_DATA: u32 = 17;
const IWL_UCODE_TLV_FLAGS: u32 = 18;
const IWL_UCODE_TLV_SEC_RT: u32 = 19;
const IWL_UCODE_TLV_SEC_INIT: u32 = 20;
const IWL_UCODE_TLV_SEC_WOWLAN: u32 = 21;
const IWL_UCODE_TLV_DEF_CALIB: u32 = 22;
const IWL_UCODE_TLV_PHY_SKU: u32 = 23;
const IWL_UCODE_TLV_SECURE_SEC_RT: u32 = 24;
const IWL_UCODE_TLV_SECURE_SEC_INIT: u32 = 25;
const IWL_UCODE_TLV_SECURE_SEC_WOWLAN: u32 = 26;
const IWL_UCODE_TLV_NUM_OF_CPU: u32 = 27;
const IWL_UCODE_TLV_API_CHANGES_SET: u32 = 29;
const IWL_UCODE_TLV_ENABLED_CAPABILITIES: u32 = 30;
const IWL_UCODE_TLV_N_SCAN_CHANNELS: u32 = 31;
const IWL_UCODE_TLV_PAGING: u32 = 32;
const IWL_UCODE_TLV_SEC_RT_USNIFFER: u32 = 34;
const IWL_UCODE_TLV_FW_VERSION: u32 = 36;
const IWL_UCODE_TLV_FW_DBG_DEST: u32 = 38;
const IWL_UCODE_TLV_FW_DBG_CONF: u32 = 39;
const IWL_UCODE_TLV_CMD_VERSIONS: u32 = 48;
const IWL_UCODE_TLV_FW_MEM_SEG: u32 = 51;
const IWL_UCODE_TLV_UMAC_DEBUG_ADDRS: u32 = 54;
const IWL_UCODE_TLV_LMAC_DEBUG_ADDRS: u32 = 55;
const IWL_UCODE_TLV_FW_RECOVERY_INFO: u32 = 57;
const IWL_UCODE_TLV_FW_FSEQ_VERSION: u32 = 60;
const IWL_UCODE_TLV_CURRENT_PC: u32 = 68;
const IWL_UCODE_TLV_CMD_BIOS_TABLE: u32 = 73;
const IWL_UCODE_TLV_FW_NUM_STATIONS: u32 = 0x100;
const IWL_UCODE_TLV_FW_NUM_LINKS: u32 = 0x101;
const IWL_UCODE_TLV_FW_NAN_MAX_CHAN_SWITCH_TIME: u32 = 0x104;

/// Bit of `IWL_UCODE_TLV_API_CHANGES_SET`: the whole version word is the API number.
const IWL_UCODE_TLV_API_NEW_VERSION: u32 = 20;
/// Bit of `IWL_UCODE_TLV_ENABLED_CAPABILITIES`: the runtime image has the sniffer in it.
const IWL_UCODE_TLV_CAPA_USNIFFER_UNIFIED: u32 = 77;

const IWL_STATION_COUNT_MAX: u32 = 16;
const IWL_FW_MAX_LINKS: u32 = 4;
const IWL_UCODE_TYPE_MAX: u32 = 4;
const MAX_PAGING_IMAGE_SIZE: u32 = 1 << 20;
const FW_PAGING_SIZE: u32 = 1 << 12;

const IWLAGN_RTC_INST_LOWER_BOUND: u32 = 0x00_0000;
const IWLAGN_RTC_DATA_LOWER_BOUND: u32 = 0x80_0000;

/// Load offset of the pseudo section between those of CPU 1 and CPU 2.
pub const CPU1_CPU2_SEPARATOR_SECTION: u32 = 0xffff_cccc;
/// Load offset of the pseudo section before the paged ones.
pub const PAGING_SEPARATOR_SECTION: u32 = 0xaaaa_bbbb;

const TLV_HEADER: usize = 88;
const V1_HEADER: usize = 24;
const V2_HEADER: usize = 28;

/// Which opmode a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sections without load offsets.
    Dvm,
    /// Sections that carry their own.
    Mvm,
}

/// An image of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// That which runs.
    Runtime,
    /// That which calibrates, and gives way.
    Init,
    /// That for suspend.
    Wowlan,
    /// The runtime image with the sniffer in it.
    Usniffer,
}

impl Image {
    /// All of them.
    pub const ALL: [Image; 4] = [Image::Runtime, Image::Init, Image::Wowlan, Image::Usniffer];

    /// In messages.
    pub fn name(self) -> &'static str {
        match self {
            Image::Runtime => "runtime",
            Image::Init => "INIT",
            Image::Wowlan => "WoWLAN",
            Image::Usniffer => "usniffer",
        }
    }
}

/// What goes to one place in the card's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// Where.
    pub offset: u32,
    /// What; a pseudo section's is nothing that goes there.
    pub data: &'a [u8],
}

impl Section<'_> {
    /// It tells sections apart, and is none itself.
    pub fn is_separator(&self) -> bool {
        matches!(self.offset, CPU1_CPU2_SEPARATOR_SECTION | PAGING_SEPARATOR_SECTION)
    }
}

/// Why a file is refused. `Display` is a phrase for the kernel's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It ends in its header.
    Short {
        /// Bytes.
        len: usize,
    },
    /// Its second word is not the magic.
    Magic {
        /// But this.
        found: u32,
    },
    /// A v1 or v2 file of other size than its header adds up to.
    TotalSize {
        /// Bytes.
        len: usize,
        /// As its header has it.
        expected: u64,
    },
    /// A TLV goes past the end of the file.
    TlvLength {
        /// Its place in the file.
        offset: usize,
        /// Bytes that it says it has, padding included.
        len: u32,
        /// Bytes that there are.
        left: usize,
    },
    /// A TLV of a length that its type cannot have.
    TlvSize {
        /// The type.
        kind: u32,
        /// Bytes.
        len: usize,
    },
    /// A TLV whose value is out of bounds.
    TlvValue {
        /// The type.
        kind: u32,
        /// The value.
        found: u32,
    },
    /// A TLV that may come once comes again.
    Duplicate {
        /// The type.
        kind: u32,
    },
    /// A sniffer is configured, and there is no image with one.
    NoSniffer,
    /// Sections with load offsets beside some without. The C driver takes such a file, and puts the
    /// ones over the others.
    Mixed,
    /// Bytes after the last TLV.
    Trailing {
        /// How many.
        count: usize,
    },
    /// Its API number is none that the card's driver supports.
    Api {
        /// Its number.
        found: u32,
        /// The lowest that is supported.
        min: u32,
        /// The highest.
        max: u32,
    },
    /// An image lacks code or data, or is not there at all.
    Incomplete {
        /// Which.
        image: Image,
    },
    /// A section without content.
    Empty {
        /// Of which image.
        image: Image,
    },
    /// A section that the card has no room for.
    TooLarge {
        /// Of which image.
        image: Image,
        /// Bytes.
        len: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Short { len } => write!(f, "it ends after {len} bytes, in its header"),
            Error::Magic { found } => write!(f, "its magic is {found:#x}"),
            Error::TotalSize { len, expected } => {
                write!(f, "it has {len} bytes and says {expected}")
            }
            Error::TlvLength { offset, len, left } => {
                write!(f, "the TLV at {offset:#x} has {len} bytes, and {left} are left")
            }
            Error::TlvSize { kind, len } => write!(f, "a TLV of type {kind} with {len} bytes"),
            Error::TlvValue { kind, found } => write!(f, "a TLV of type {kind} that holds {found}"),
            Error::Duplicate { kind } => write!(f, "a second TLV of type {kind}"),
            Error::NoSniffer => f.write_str("it wants a sniffer, and has no image with one"),
            Error::Mixed => f.write_str("sections with load offsets beside some without"),
            Error::Trailing { count } => write!(f, "{count} bytes follow its last TLV"),
            Error::Api { found, min, max } => {
                write!(f, "its API is {found}, and {min} to {max} are supported")
            }
            Error::Incomplete { image } => {
                write!(f, "its {} image lacks code or data", image.name())
            }
            Error::Empty { image } => write!(f, "a section of its {} image is empty", image.name()),
            Error::TooLarge { image, len } => {
                write!(f, "a section of {len} bytes in its {} image is too large", image.name())
            }
        }
    }
}

/// A file that was validated.
#[derive(Debug, Clone, Copy)]
pub struct Ucode<'a> {
    body: Body<'a>,
    version: u32,
    api: [u32; 3],
    kind: Kind,
    phy_sku: u32,
}

#[derive(Debug, Clone, Copy)]
enum Body<'a> {
    /// Runtime code and data, INIT code and data.
    Legacy([&'a [u8]; 4]),
    /// What follows the header.
    Tlvs(&'a [u8]),
}

/// Bits that come in words.
struct Words<const N: usize>([u32; N]);

impl<const N: usize> Words<N> {
    fn set(&mut self, value: &[u8]) {
        let (index, bits) = (word(value, 0), word(value, 1));
        // The driver ignores words that it has no room for.
        if let Some(word) = usize::try_from(index).ok().and_then(|index| self.0.get_mut(index)) {
            *word |= bits;
        }
    }
}

fn has(words: &[u32], bit: u32) -> bool {
    words.get((bit / 32) as usize).is_some_and(|word| word & (1 << (bit % 32)) != 0)
}

/// Word `n` of a value, 0 if it is not whole.
fn word(value: &[u8], n: usize) -> u32 {
    let bytes = value.get(4 * n..4 * n + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}

/// Rounded up to whole words; what overflows is longer than any file.
fn padded(len: usize) -> usize {
    len.checked_add(3).map_or(usize::MAX, |len| len & !3)
}

/// Whether the driver takes a value of this length.
fn allows(kind: u32, len: usize) -> bool {
    match kind {
        IWL_UCODE_TLV_PAN | IWL_UCODE_TLV_ENHANCE_SENS_TBL => len == 0,
        IWL_UCODE_TLV_PROBE_MAX_LEN
        | IWL_UCODE_TLV_RUNT_EVTLOG_PTR..=IWL_UCODE_TLV_INIT_ERRLOG_PTR
        | IWL_UCODE_TLV_PHY_CALIBRATION_SIZE
        | IWL_UCODE_TLV_PHY_SKU
        | IWL_UCODE_TLV_NUM_OF_CPU
        | IWL_UCODE_TLV_N_SCAN_CHANNELS
        | IWL_UCODE_TLV_PAGING
        | IWL_UCODE_TLV_FW_NUM_STATIONS..=IWL_UCODE_TLV_FW_NAN_MAX_CHAN_SWITCH_TIME => len == 4,
        IWL_UCODE_TLV_API_CHANGES_SET
        | IWL_UCODE_TLV_ENABLED_CAPABILITIES
        | IWL_UCODE_TLV_FW_RECOVERY_INFO
        | IWL_UCODE_TLV_UMAC_DEBUG_ADDRS => len == 8,
        IWL_UCODE_TLV_DEF_CALIB | IWL_UCODE_TLV_FW_VERSION | IWL_UCODE_TLV_FW_MEM_SEG => len == 12,
        IWL_UCODE_TLV_LMAC_DEBUG_ADDRS => len == 32,
        IWL_UCODE_TLV_FW_FSEQ_VERSION => len == 52,
        IWL_UCODE_TLV_FLAGS => len >= 4 && len % 4 == 0,
        IWL_UCODE_TLV_CMD_BIOS_TABLE => len % 4 == 0,
        IWL_UCODE_TLV_CURRENT_PC => len >= 36,
        _ => true,
    }
}

/// The image that a section TLV is of, and where in it a DVM section belongs; `None` for one that
/// carries its load offset.
fn section_of(kind: u32) -> Option<(Image, Option<u32>)> {
    let (inst, data) = (Some(IWLAGN_RTC_INST_LOWER_BOUND), Some(IWLAGN_RTC_DATA_LOWER_BOUND));
    Some(match kind {
        IWL_UCODE_TLV_INST => (Image::Runtime, inst),
        IWL_UCODE_TLV_DATA => (Image::Runtime, data),
        IWL_UCODE_TLV_INIT => (Image::Init, inst),
        IWL_UCODE_TLV_INIT_DATA => (Image::Init, data),
        IWL_UCODE_TLV_WOWLAN_INST => (Image::Wowlan, inst),
        IWL_UCODE_TLV_WOWLAN_DATA => (Image::Wowlan, data),
        IWL_UCODE_TLV_SEC_RT | IWL_UCODE_TLV_SECURE_SEC_RT => (Image::Runtime, None),
        IWL_UCODE_TLV_SEC_INIT | IWL_UCODE_TLV_SECURE_SEC_INIT => (Image::Init, None),
        IWL_UCODE_TLV_SEC_WOWLAN | IWL_UCODE_TLV_SECURE_SEC_WOWLAN => (Image::Wowlan, None),
        IWL_UCODE_TLV_SEC_RT_USNIFFER => (Image::Usniffer, None),
        _ => return None,
    })
}

/// Splits the first TLV off: its type, its value, and what follows.
fn split(body: &[u8], offset: usize) -> Result<(u32, &[u8], &[u8]), Error> {
    let (kind, len) = (word(body, 0), word(body, 1));
    let rest = body.get(8..).unwrap_or_default();
    let left = rest.len();
    let short = |len| Error::TlvLength { offset, len, left };
    let value = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or(short(len))?;
    let whole = padded(value.len());
    let next = rest.get(whole..).ok_or(short(u32::try_from(whole).unwrap_or(u32::MAX)))?;
    Ok((kind, value, next))
}

impl<'a> Ucode<'a> {
    /// Validates a file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let short = Err(Error::Short { len: bytes.len() });
        if bytes.len() < 4 {
            return short;
        }
        let version = word(bytes, 0);
        let header = match (version, (version >> 8) & 0xff) {
            (0, _) => TLV_HEADER,
            (_, 0..=2) => V1_HEADER,
            _ => V2_HEADER,
        };
        let (true, Some(body)) = (bytes.len() >= header, bytes.get(header..)) else { return short };
        if version != 0 {
            return Self::legacy(bytes, version, header / 4 - 5);
        }
        if word(bytes, 1) != IWL_TLV_UCODE_MAGIC {
            return Err(Error::Magic { found: word(bytes, 1) });
        }
        // Magic, name of 64 bytes, then the version.
        Self::tlvs(body, word(bytes, 18))
    }

    fn legacy(bytes: &'a [u8], version: u32, first: usize) -> Result<Self, Error> {
        let sizes: [u32; 4] = core::array::from_fn(|n| word(bytes, first + n));
        let begin = 4 * (first + 5);
        let expected = sizes.iter().fold(begin as u64, |sum, size| sum + u64::from(*size));
        if expected != bytes.len() as u64 {
            return Err(Error::TotalSize { len: bytes.len(), expected });
        }
        let mut rest = bytes.get(begin..).unwrap_or_default();
        let parts = sizes.map(|size| {
            // They add up to what there is.
            let (part, after) = rest.split_at((size as usize).min(rest.len()));
            rest = after;
            part
        });
        let body = Body::Legacy(parts);
        Ok(Self { body, version, api: [0; 3], kind: Kind::Dvm, phy_sku: 0 })
    }

    fn tlvs(body: &'a [u8], version: u32) -> Result<Self, Error> {
        let (mut api, mut capa) = (Words([0; 3]), Words([0; 5]));
        let (mut kind_of_file, mut phy_sku) = (Kind::Dvm, 0);
        let (mut versions, mut bios) = (false, false);
        let (mut dbg_dest, mut dbg_confs) = (false, 0u32);
        let (mut sniffer_wanted, mut sniffer, mut fixed) = (false, false, false);
        let mut rest = body;
        while rest.len() >= 8 {
            let offset = TLV_HEADER + body.len() - rest.len();
            let (kind, value, next) = split(rest, offset)?;
            if !allows(kind, value.len()) {
                return Err(Error::TlvSize { kind, len: value.len() });
            }
            let first = word(value, 0);
            let check = |good: bool| match good {
                true => Ok(()),
                false => Err(Error::TlvValue { kind, found: first }),
            };
            match section_of(kind) {
                Some((_, Some(_))) => fixed = true,
                Some((Image::Usniffer, None)) => sniffer = true,
                Some((_, None)) => kind_of_file = Kind::Mvm,
                None => {}
            }
            match kind {
                IWL_UCODE_TLV_API_CHANGES_SET => api.set(value),
                IWL_UCODE_TLV_ENABLED_CAPABILITIES => capa.set(value),
                IWL_UCODE_TLV_PHY_SKU => phy_sku = first,
                IWL_UCODE_TLV_NUM_OF_CPU => check(matches!(first, 1 | 2))?,
                IWL_UCODE_TLV_DEF_CALIB => check(first < IWL_UCODE_TYPE_MAX)?,
                IWL_UCODE_TLV_FW_NUM_STATIONS => check(first <= IWL_STATION_COUNT_MAX)?,
                IWL_UCODE_TLV_FW_NUM_LINKS => check(first <= IWL_FW_MAX_LINKS)?,
                IWL_UCODE_TLV_PAGING => {
                    check(first <= MAX_PAGING_IMAGE_SIZE && first % FW_PAGING_SIZE == 0)?;
                }
                IWL_UCODE_TLV_CMD_VERSIONS | IWL_UCODE_TLV_CMD_BIOS_TABLE => {
                    let seen = match kind {
                        IWL_UCODE_TLV_CMD_VERSIONS => &mut versions,
                        _ => &mut bios,
                    };
                    if core::mem::replace(seen, true) {
                        return Err(Error::Duplicate { kind });
                    }
                }
                IWL_UCODE_TLV_FW_DBG_DEST => dbg_dest |= matches!(value, [0 | 1, ..]),
                IWL_UCODE_TLV_FW_DBG_CONF => {
                    // One before the destination, out of range or repeated is ignored.
                    if let [id @ 0..=31, usniffer, ..] = *value {
                        let bit = 1 << id;
                        if dbg_dest && dbg_confs & bit == 0 {
                            dbg_confs |= bit;
                            sniffer_wanted |= usniffer != 0;
                        }
                    }
                }
                _ => {}
            }
            rest = next;
        }
        if sniffer_wanted && !sniffer && !has(&capa.0, IWL_UCODE_TLV_CAPA_USNIFFER_UNIFIED) {
            return Err(Error::NoSniffer);
        }
        if fixed && kind_of_file == Kind::Mvm {
            return Err(Error::Mixed);
        }
        match rest.len() {
            0 => Ok(Self {
                body: Body::Tlvs(body),
                version,
                api: api.0,
                kind: kind_of_file,
                phy_sku,
            }),
            count => Err(Error::Trailing { count }),
        }
    }

    /// Which opmode it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its API number, which the range that a card's driver supports is about.
    pub fn api(&self) -> u32 {
        match has(&self.api, IWL_UCODE_TLV_API_NEW_VERSION) {
            true => self.version,
            false => (self.version >> 8) & 0xff,
        }
    }

    /// The four numbers of its version.
    pub fn version(&self) -> [u8; 4] {
        self.version.to_be_bytes()
    }

    /// Antennas that it is for, as `PHY_CONFIGURATION_CMD` wants them.
    pub fn phy_sku(&self) -> u32 {
        self.phy_sku
    }

    /// The sections of an image, in the order in which they are uploaded.
    pub fn sections(&self, image: Image) -> Sections<'a> {
        Sections { body: self.body, kind: self.kind, image, at: 0 }
    }

    /// Whether a card can use it: whole images, no section without content, and none of a DVM file
    /// that is larger than the card's memory for code and for data.
    pub fn check(&self, max_inst: u32, max_data: u32) -> Result<(), Error> {
        for image in [Image::Runtime, Image::Init] {
            let has_at = |offset| self.sections(image).any(|section| section.offset == offset);
            if self.kind == Kind::Dvm
                && !(has_at(IWLAGN_RTC_INST_LOWER_BOUND) && has_at(IWLAGN_RTC_DATA_LOWER_BOUND))
            {
                return Err(Error::Incomplete { image });
            }
            for section in self.sections(image) {
                let max = match section.offset {
                    _ if self.kind == Kind::Mvm => u32::MAX,
                    IWLAGN_RTC_INST_LOWER_BOUND => max_inst,
                    _ => max_data,
                };
                if section.data.len() as u64 > u64::from(max) {
                    return Err(Error::TooLarge { image, len: section.data.len() });
                }
            }
        }
        for image in Image::ALL {
            if self.sections(image).any(|section| section.data.is_empty()) {
                return Err(Error::Empty { image });
            }
        }
        // A file of sections for the sniffer or for suspend alone.
        match self.kind == Kind::Mvm && self.sections(Image::Runtime).next().is_none() {
            true => Err(Error::Incomplete { image: Image::Runtime }),
            false => Ok(()),
        }
    }
}

/// The sections of an image.
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    body: Body<'a>,
    kind: Kind,
    image: Image,
    /// Parts, or bytes, that are through.
    at: usize,
}

impl<'a> Sections<'a> {
    /// The next of TLVs that the image's are among, with the place that its type has.
    fn tlv(&mut self, body: &'a [u8]) -> Option<(Option<u32>, &'a [u8])> {
        loop {
            let rest = body.get(self.at..).filter(|rest| rest.len() >= 8)?;
            // Validated.
            let (kind, value, next) = split(rest, self.at).ok()?;
            self.at = body.len() - next.len();
            match section_of(kind) {
                Some((image, place)) if image == self.image => return Some((place, value)),
                _ => {}
            }
        }
    }

    /// A section of a DVM image. Of several the last counts.
    fn fixed(&self, offset: u32) -> Option<&'a [u8]> {
        match self.body {
            Body::Legacy([inst, data, init, init_data]) => Some(match (self.image, offset) {
                (Image::Runtime, IWLAGN_RTC_INST_LOWER_BOUND) => inst,
                (Image::Runtime, _) => data,
                (Image::Init, IWLAGN_RTC_INST_LOWER_BOUND) => init,
                (Image::Init, _) => init_data,
                _ => return None,
            }),
            Body::Tlvs(body) => {
                let mut all = Self { at: 0, ..self.clone() };
                let all = core::iter::from_fn(move || all.tlv(body));
                all.filter(|(place, _)| *place == Some(offset)).last().map(|(_, value)| value)
            }
        }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Section<'a>> {
        // Data before code.
        const ORDER: [u32; 2] = [IWLAGN_RTC_DATA_LOWER_BOUND, IWLAGN_RTC_INST_LOWER_BOUND];
        // The sniffer's has places in any file.
        let placed = self.kind == Kind::Mvm || self.image == Image::Usniffer;
        match (placed, self.body) {
            (true, Body::Tlvs(body)) => loop {
                let (_, value) = self.tlv(body)?;
                // One that is too short for its offset the driver passes over.
                if value.len() >= 4 {
                    let data = value.get(4..).unwrap_or_default();
                    return Some(Section { offset: word(value, 0), data });
                }
            },
            _ => loop {
                let offset = *ORDER.get(self.at)?;
                self.at += 1;
                if let Some(data) = self.fixed(offset) {
                    return Some(Section { offset, data });
                }
            },
        }
    }
}
