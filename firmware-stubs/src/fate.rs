//! What becomes of a file after the driver's parser took it: `iwl_req_fw_callback`.

use std::fmt;

use serde::Serialize;

use crate::error::{ParseError, TlvRef};
use crate::names::*;
use crate::reader::{ImageKind, SectionRole, Ucode};
use crate::stub::{self, Api, Kernel, StubDef};

/// The module that the driver asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Opmode {
    /// `iwldvm`.
    Iwldvm,
    /// `iwlmvm`.
    Iwlmvm,
    /// `iwlmld`.
    Iwlmld,
}

impl fmt::Display for Opmode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Iwldvm => "iwldvm",
            Self::Iwlmvm => "iwlmvm",
            Self::Iwlmld => "iwlmld",
        })
    }
}

/// A card that asks for the file; without one, only what follows from the file is known.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The card.
    pub card: &'a StubDef,
    /// Whose driver asks.
    pub kernel: Kernel,
    /// The API number in the name that was asked for.
    pub asked: Api,
}

/// What the driver does with a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Fate {
    /// Takes it and asks for the module.
    Loads {
        /// Which module.
        opmode: Opmode,
    },
    /// Refuses it and asks for the next lower API number; after the last one it unbinds the
    /// card.
    Rejects {
        /// The line in the kernel log, if there is one.
        driver_line: Option<String>,
    },
    /// Unbinds the card without trying another file.
    Unbinds {
        /// Why.
        because: Finding,
    },
    /// Follows a NULL pointer: a kernel oops; the card stays bound and dead.
    Oopses {
        /// Why.
        because: Finding,
    },
    /// Works with memory that nobody wrote: anything may follow.
    Undefined {
        /// Why.
        because: Finding,
    },
}

/// What is wrong with a file that the parser takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// No section TLV at all, so the file counts as a DVM one without an image.
    NoSections,
    /// A DVM file that lacks a whole image.
    NoImage {
        /// Which.
        image: ImageKind,
    },
    /// A DVM image with code but no data, or data but no code.
    HalfImage {
        /// Which.
        image: ImageKind,
        /// What is missing.
        missing: SectionRole,
    },
    /// A section without content. The driver says nothing.
    EmptySection {
        /// Of which image.
        image: ImageKind,
        /// Which, counted from 0 in the driver's order.
        section: usize,
    },
    /// A debug trigger shorter than its kind takes: a kernel warning.
    ShortTrigger {
        /// Which.
        tlv: TlvRef,
        /// Bytes it needs.
        needed: u32,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSections => write!(f, "the file has no section TLV at all"),
            Self::NoImage { image } => write!(f, "the file has no {} image", image.name()),
            Self::HalfImage { image, missing } => {
                let missing = if *missing == SectionRole::Inst { "code" } else { "data" };
                write!(f, "the {} image has no {missing}", image.name())
            }
            Self::EmptySection { image, section } => {
                write!(f, "section {section} of the {} image is empty", image.name())
            }
            Self::ShortTrigger { tlv, needed } => write!(f, "{tlv} needs {needed} bytes"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loads { opmode } => write!(f, "takes the file and asks for {opmode}"),
            Self::Rejects { driver_line } => {
                write!(f, "rejects the file")?;
                if let Some(line) = driver_line {
                    write!(f, " (\"{line}\")")?;
                }
                write!(f, ", tries the next lower API and unbinds the card after the last")
            }
            Self::Unbinds { because } => {
                write!(f, "unbinds the card without a line and tries no other file: {because}")
            }
            Self::Oopses { because } => {
                write!(f, "oopses on a NULL pointer and leaves the card bound and dead: {because}")
            }
            Self::Undefined { because } => {
                write!(f, "works with memory that nobody wrote: {because}")
            }
        }
    }
}

impl From<&ParseError> for Fate {
    fn from(error: &ParseError) -> Self {
        Self::Rejects { driver_line: error.driver_line() }
    }
}

impl Ucode<'_> {
    /// The module that follows from the content alone: `iwlmvm` if any section TLV carries
    /// its load offset, else `iwldvm`.
    #[must_use]
    pub fn opmode(&self) -> Opmode {
        if self.first_mvm_section().is_some() { Opmode::Iwlmvm } else { Opmode::Iwldvm }
    }

    /// The module that this card asks for: a Wi-Fi 7 card gets `iwlmld` whatever the file
    /// holds, on kernels that have it; on the first of those, if its version is not too low.
    #[must_use]
    pub fn opmode_on(&self, target: &Target<'_>) -> Opmode {
        let new = self.facts.fw_version.is_some_and(|(major, ..)| major >= stub::MLD_SINCE.0);
        let takes_mld = target.kernel >= Kernel::V6_19 || target.kernel >= Kernel::V6_15 && new;
        if target.card.wifi7 && takes_mld { Opmode::Iwlmld } else { self.opmode() }
    }

    /// What the driver does with this file, step by step as in `iwl_req_fw_callback`. The
    /// steps that depend on the card are skipped without a target.
    #[must_use]
    pub fn fate(&self, target: Option<&Target<'_>>) -> Fate {
        if let Some(line) = target.and_then(|target| self.api_refusal(target)) {
            return Fate::Rejects { driver_line: Some(line) };
        }
        if self.opmode() == Opmode::Iwldvm {
            if let Some(fate) = self.dvm_image_fault() {
                return fate;
            }
            if let Some(line) = target.and_then(|target| self.size_refusal(target)) {
                return Fate::Rejects { driver_line: Some(line) };
            }
        }
        if let Some(fate) = self.section_fault() {
            return fate;
        }
        if let Some(because) = self.short_trigger() {
            return Fate::Unbinds { because };
        }
        let opmode = target.map_or_else(|| self.opmode(), |target| self.opmode_on(target));
        Fate::Loads { opmode }
    }

    /// The API range check, with the line that the driver prints on failure.
    fn api_refusal(&self, target: &Target<'_>) -> Option<String> {
        let range = target.card.range(target.kernel);
        let api = i64::from(self.api());
        if target.kernel < Kernel::V6_18 {
            let in_range = (i64::from(range.min.0)..=i64::from(range.max.0)).contains(&api);
            return (!in_range).then(|| {
                format!(
                    "Driver unable to support your firmware API. Driver supports v{}, firmware \
                     is v{api}.",
                    range.max.0
                )
            });
        }
        let (min, max) = (range.min.core_number(), range.max.core_number());
        let loaded = if target.asked.is_core() { api } else { api - Api::TO_CORE };
        (!(min..=max).contains(&loaded)).then(|| {
            format!(
                "Driver unable to support your firmware API. Driver supports FW core \
                 {min}..{max}, firmware is {loaded}."
            )
        })
    }

    /// `validate_sec_sizes` reads the sizes of both sections of both images before anything
    /// else, also of images that the file does not have.
    fn dvm_image_fault(&self) -> Option<Fate> {
        let needed = [ImageKind::Regular, ImageKind::Init];
        if ImageKind::ALL.iter().all(|image| self.image(*image).sections.is_empty()) {
            return Some(Fate::Oopses { because: Finding::NoSections });
        }
        if let Some(image) = needed.into_iter().find(|i| self.image(*i).sections.is_empty()) {
            return Some(Fate::Oopses { because: Finding::NoImage { image } });
        }
        needed.into_iter().find_map(|image| {
            let missing = match self.image(image).sections.as_slice() {
                [None, ..] => SectionRole::Data,
                [_] => SectionRole::Inst,
                _ => return None,
            };
            Some(Fate::Undefined { because: Finding::HalfImage { image, missing } })
        })
    }

    /// The comparisons of `validate_sec_sizes`, with the line of the first that fails. (For
    /// init data the driver prints the size of the runtime data.)
    fn size_refusal(&self, target: &Target<'_>) -> Option<String> {
        let size = |image, place: usize| match self.image(image).sections.get(place) {
            Some(Some(section)) => section.size,
            _ => 0,
        };
        let (max_inst, max_data) = target.card.dvm_limits;
        let (data, inst) = (size(ImageKind::Regular, 0), size(ImageKind::Regular, 1));
        let (init_data, init) = (size(ImageKind::Init, 0), size(ImageKind::Init, 1));
        let too_large = [
            (inst > max_inst, "instr", inst),
            (data > max_data, "data", data),
            (init > max_inst, "init instr", init),
            (init_data > max_data, "init data", data),
        ];
        too_large
            .iter()
            .find(|(refused, ..)| *refused)
            .map(|(_, what, len)| format!("uCode {what} len {len} too large to fit in"))
    }

    /// `iwl_alloc_ucode` of each image in turn.
    fn section_fault(&self) -> Option<Fate> {
        ImageKind::ALL.into_iter().find_map(|image| {
            let sections = self.image(image).sections.iter().enumerate();
            sections.into_iter().find_map(|(index, section)| match section {
                None => {
                    let because = Finding::HalfImage { image, missing: SectionRole::Data };
                    Some(Fate::Undefined { because })
                }
                Some(section) if section.size == 0 => {
                    Some(Fate::Unbinds { because: Finding::EmptySection { image, section: index } })
                }
                Some(_) => None,
            })
        })
    }

    /// The size check of debug triggers; of several with one id the driver keeps the first.
    fn short_trigger(&self) -> Option<Finding> {
        let mut seen = [false; TRIGGER_SIZES.len()];
        let mut short = None::<(u32, Finding)>;
        for tlv in self.tlvs.iter().filter(|tlv| tlv.at.kind == IWL_UCODE_TLV_FW_DBG_TRIGGER) {
            let id = tlv.word(0);
            let Some(seen) = seen.get_mut(id as usize).filter(|seen| !**seen) else { continue };
            *seen = true;
            let needed = TRIGGER_SIZES[id as usize];
            // The driver checks by id, not in file order.
            if (tlv.value.len() as u32) < needed && short.is_none_or(|(lowest, _)| id < lowest) {
                short = Some((id, Finding::ShortTrigger { tlv: tlv.at, needed }));
            }
        }
        short.map(|(_, finding)| finding)
    }
}

/// Bytes of `struct iwl_fw_dbg_trigger_tlv`.
const TRIGGER: u32 = 28;
/// What the driver asks of a trigger that it has no size for: the sum of `SIZE_MAX` and
/// [`TRIGGER`], which wraps.
const UNSIZED: u32 = TRIGGER - 1;

/// Bytes of each kind of trigger, by `enum iwl_fw_dbg_trigger`.
const TRIGGER_SIZES: [u32; 17] = [
    UNSIZED,       // INVALID
    UNSIZED,       // USER
    UNSIZED,       // FW_ASSERT
    TRIGGER + 32,  // MISSED_BEACONS
    TRIGGER,       // CHANNEL_SWITCH
    TRIGGER + 32,  // FW_NOTIF
    TRIGGER + 16,  // MLME
    TRIGGER + 16,  // STATS
    TRIGGER + 4,   // RSSI
    TRIGGER + 48,  // TXQ_TIMERS
    TRIGGER + 192, // TIME_EVENT
    TRIGGER + 14,  // BA
    UNSIZED,       // TX_LATENCY
    TRIGGER + 12,  // TDLS
    UNSIZED,       // TX_STATUS
    UNSIZED,       // ALIVE_TIMEOUT
    UNSIZED,       // DRIVER
];
