//! What can be made to go wrong, as one plan that the model consults.

use std::fmt;
use std::str::FromStr;

use iwl_hw::msix::VECTORS;
use iwl_hw::mvm::ERRORS;
use iwl_ucode::stub::Api;
use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::cause::Irq;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// `CSR_GP_CNTRL` never shows the MAC clock ready.
    ClockNeverReady,
    /// `CSR_HW_IF_CONFIG_REG` never reads back NIC_READY.
    NicNeverReady,
    /// The firmware starts and says nothing.
    NeverAlive,
    /// ALIVE comes only when it is let go ([`crate::Card::release_alive`]).
    AliveHeld,
    /// ALIVE says that the image is not valid.
    AliveInvalid,
    /// Uploads arrive, but their interrupt does not.
    NoFhTx,
    /// The hardware reports an error right after ALIVE.
    HwErrorAfterAlive,
    /// Calibration never completes.
    NoCalibration,
    /// The RF-kill switch is on from power-on: the radio must not be used.
    RfKill,
    /// An interrupt without a cause at every so many register accesses.
    SpuriousInterrupt {
        /// Accesses from one to the next; from [`MIN_EVERY`] on.
        every: u64,
    },
    /// As [`Fault::SpuriousInterrupt`], with a cause that no driver knows.
    UnknownCause {
        /// Accesses from one to the next; from [`MIN_EVERY`] on.
        every: u64,
    },
    /// This interrupt does not reach the host, though its cause is pending (0-based).
    LostInterrupt {
        /// Which.
        nth: u64,
    },
    /// No interrupt reaches the host from this one on (0-based).
    LostInterrupts {
        /// The first that is lost.
        from: u64,
    },
    /// What a DMA engine reads or writes is not there.
    DmaFault {
        /// Which engine.
        engine: Engine,
    },
    /// Every register reads as all ones from this access on (0-based, reads and writes counted).
    AllOnes {
        /// The first access that fails.
        from: u64,
    },
    /// The runtime image fails while it runs: a second after its ALIVE, or at once if the fault
    /// begins later. It leaves an error log.
    UcodeError {
        /// Only that of a file with this API number.
        api: Option<u16>,
        /// What its log says that it failed of, by the vendor's number; not given: of an assertion.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<u32>,
    },
    /// A section of the NVM is not there.
    NvmSectionAbsent {
        /// Which.
        section: NvmSection,
    },
    /// The version that the NVM names is older than any driver takes.
    NvmOld,
    /// The MAC address in the NVM is none.
    NvmMac {
        /// What is there instead.
        bits: Bits,
    },
    /// The check bits of the OTP tell an error that they cannot correct.
    NvmChecksum,
    /// The card does not take the image loader, and fetches no image.
    ImlRefused,
    /// The firmware does not say that it is done with the platform's NVM.
    NoPnvmComplete,
    /// Nobody answers the driver's word that it is about to reset the card.
    NoResetDone,
    /// No interrupt of this vector of MSI-X reaches the host.
    LostVector {
        /// Which.
        vector: u16,
    },
    /// This vector of MSI-X rings once, without a cause, as soon as the host takes any: its driver has no
    /// receive queues yet.
    EarlyVector {
        /// Which.
        vector: u16,
    },
    /// This vector of MSI-X rings again and again, without a cause, until an image runs: also while its
    /// driver is about to set up its receive queues.
    RestlessVector {
        /// Which.
        vector: u16,
    },
}

/// A section of the NVM that a driver wants, by its vendor's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NvmSection {
    /// `NVM_SECTION_TYPE_SW`.
    Sw,
    /// `NVM_SECTION_TYPE_HW`.
    Hw,
    /// `NVM_SECTION_TYPE_CALIBRATION`.
    Calibration,
    /// `NVM_SECTION_TYPE_REGULATORY`, or `NVM_SECTION_TYPE_REGULATORY_SDP`.
    Regulatory,
    /// `NVM_SECTION_TYPE_MAC_OVERRIDE`.
    MacOverride,
    /// `NVM_SECTION_TYPE_PHY_SKU`.
    PhySku,
}

impl NvmSection {
    /// The vendor's number; it is another one in some silicon.
    pub(crate) fn numbers(self) -> &'static [u16] {
        use iwl_hw::nvm;
        match self {
            Self::Sw => &[nvm::NVM_SECTION_TYPE_SW],
            Self::Hw => &[nvm::NVM_SECTION_TYPE_HW],
            Self::Calibration => &[nvm::NVM_SECTION_TYPE_CALIBRATION],
            Self::Regulatory => {
                &[nvm::NVM_SECTION_TYPE_REGULATORY, nvm::NVM_SECTION_TYPE_REGULATORY_SDP]
            }
            Self::MacOverride => &[nvm::NVM_SECTION_TYPE_MAC_OVERRIDE],
            Self::PhySku => &[nvm::NVM_SECTION_TYPE_PHY_SKU],
        }
    }
}

/// All bits of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Bits {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
}

impl Bits {
    /// A byte of them.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Zeros => 0,
            Self::Ones => 0xff,
        }
    }
}

/// A DMA engine of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Engine {
    /// The service channel: microcode sections.
    Upload,
    /// The transmit queues: host commands and frames.
    Transmit,
    /// The receive ring: ALIVE, responses, notifications.
    Receive,
}

/// Fewest register accesses between two needless interrupts: a driver needs three to find out
/// that there is nothing to do, and must get on with its own work.
pub const MIN_EVERY: u64 = 4;
/// Register accesses from one early interrupt to the next.
const EARLY_EVERY: u64 = 8;

/// Every fault, with the argument it has when none is written.
const ALL: [Fault; 26] = [
    Fault::ClockNeverReady,
    Fault::NicNeverReady,
    Fault::NeverAlive,
    Fault::AliveHeld,
    Fault::AliveInvalid,
    Fault::NoFhTx,
    Fault::HwErrorAfterAlive,
    Fault::NoCalibration,
    Fault::RfKill,
    Fault::SpuriousInterrupt { every: 8 },
    Fault::UnknownCause { every: 8 },
    Fault::LostInterrupt { nth: 0 },
    Fault::LostInterrupts { from: 0 },
    Fault::DmaFault { engine: Engine::Transmit },
    Fault::AllOnes { from: 0 },
    Fault::UCODE_ERROR,
    Fault::NvmSectionAbsent { section: NvmSection::Sw },
    Fault::NvmOld,
    Fault::NvmMac { bits: Bits::Zeros },
    Fault::NvmChecksum,
    Fault::ImlRefused,
    Fault::NoPnvmComplete,
    Fault::NoResetDone,
    Fault::LostVector { vector: 0 },
    Fault::EarlyVector { vector: 0 },
    Fault::RestlessVector { vector: 0 },
];

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such fault.
    #[error("no fault named `{0}`; there are: {names}", names = ALL.map(Fault::name).join(", "))]
    Unknown(String),
    /// The argument is none that the fault takes, or the fault takes none.
    #[error("fault `{fault}`: `{argument}` is not an argument it takes; it takes {takes}")]
    Argument {
        /// The fault.
        fault: String,
        /// What was written after `=`.
        argument: String,
        /// What may stand there.
        takes: String,
    },
}

impl Fault {
    /// All faults by name, each with the argument that it has when none is written.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Its name, without an argument.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// [`Fault::UcodeError`] of any file's, of an assertion.
    pub const UCODE_ERROR: Self = Self::UcodeError { api: None, error: None };

    /// What a ucode fails of, by the vendor's number, if that is said.
    #[must_use]
    pub fn error(self) -> Option<u32> {
        match self {
            Self::UcodeError { error, .. } => error,
            _ => None,
        }
    }

    /// The API number of the one firmware file that it is about, if it is.
    #[must_use]
    pub fn of_file(self) -> Option<u16> {
        match self {
            Self::UcodeError { api, .. } => api,
            _ => None,
        }
    }

    /// This fault with another argument; `None` if it does not take that one.
    fn with(self, argument: &str) -> Option<Self> {
        let number = || argument.parse::<u64>().ok();
        let distance = || number().filter(|every| *every >= MIN_EVERY);
        let vector = || argument.parse().ok().filter(|vector| *vector < VECTORS);
        match self {
            Self::AllOnes { .. } => number().map(|from| Self::AllOnes { from }),
            Self::LostInterrupt { .. } => number().map(|nth| Self::LostInterrupt { nth }),
            Self::LostInterrupts { .. } => number().map(|from| Self::LostInterrupts { from }),
            Self::SpuriousInterrupt { .. } => {
                distance().map(|every| Self::SpuriousInterrupt { every })
            }
            Self::UnknownCause { .. } => distance().map(|every| Self::UnknownCause { every }),
            Self::DmaFault { .. } => argument.parse().ok().map(|engine| Self::DmaFault { engine }),
            Self::UcodeError { .. } => {
                let (api, error) = match argument.split_once(':') {
                    Some((api, error)) => (Some(api_of(api)?), Some(ucode_error_of(error)?)),
                    None => match api_of(argument) {
                        Some(api) => (Some(api), None),
                        None => (None, Some(ucode_error_of(argument)?)),
                    },
                };
                Some(Self::UcodeError { api, error })
            }
            Self::NvmSectionAbsent { .. } => {
                argument.parse().ok().map(|section| Self::NvmSectionAbsent { section })
            }
            Self::NvmMac { .. } => argument.parse().ok().map(|bits| Self::NvmMac { bits }),
            Self::LostVector { .. } => vector().map(|vector| Self::LostVector { vector }),
            Self::EarlyVector { .. } => vector().map(|vector| Self::EarlyVector { vector }),
            Self::RestlessVector { .. } => vector().map(|vector| Self::RestlessVector { vector }),
            _ => None,
        }
    }

    /// The words that may stand after `=`; none if it takes a number, or nothing.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        match self {
            Self::DmaFault { .. } => Engine::VARIANTS.to_vec(),
            Self::NvmSectionAbsent { .. } => NvmSection::VARIANTS.to_vec(),
            Self::NvmMac { .. } => Bits::VARIANTS.to_vec(),
            Self::UcodeError { .. } => ucode_errors().collect(),
            _ => Vec::new(),
        }
    }

    /// What may stand after `=`.
    fn takes(self) -> String {
        match self {
            Self::AllOnes { .. } | Self::LostInterrupt { .. } | Self::LostInterrupts { .. } => {
                "a number, counted from 0".to_owned()
            }
            Self::SpuriousInterrupt { .. } | Self::UnknownCause { .. } => {
                format!("a number from {MIN_EVERY} on")
            }
            Self::UcodeError { .. } => {
                "the API number of a firmware file, as in its name (17, c107), what the ucode fails of, by \
                 number (0x38) or as the driver calls it (ADVANCED_SYSASSERT; `iwlbench list faults` has \
                 them), or both: 17:BAD_COMMAND"
                    .to_owned()
            }
            Self::LostVector { .. } | Self::EarlyVector { .. } | Self::RestlessVector { .. } => {
                format!("a vector of MSI-X, 0 to {}", VECTORS - 1)
            }
            _ => match self.words() {
                words if words.is_empty() => "none".to_owned(),
                words => words.join(", "),
            },
        }
    }
}

/// The API number of a firmware file, as in its name.
fn api_of(text: &str) -> Option<u16> {
    let named = text.parse::<Api>().ok().and_then(|api| u16::try_from(api.0).ok());
    named.or_else(|| text.parse().ok()).filter(|api| *api != 0)
}

/// What a ucode fails of: its number, or the name that the driver has for it.
fn ucode_error_of(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => ERRORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, id)| *id),
    }
}

/// The driver's names of what ucodes fail of.
fn ucode_errors() -> impl Iterator<Item = &'static str> {
    let again = |at: usize| ERRORS[..at].iter().any(|(name, _)| *name == ERRORS[at].0);
    (0..ERRORS.len()).filter(move |at| !again(*at)).map(|at| ERRORS[at].0)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::AllOnes { from: number }
            | Self::LostInterrupt { nth: number }
            | Self::LostInterrupts { from: number }
            | Self::SpuriousInterrupt { every: number }
            | Self::UnknownCause { every: number } => write!(f, "={number}"),
            Self::DmaFault { engine } => write!(f, "={engine}"),
            Self::UcodeError { api, error } => {
                f.write_str(if api.is_some() || error.is_some() { "=" } else { "" })?;
                if let Some(api) = api {
                    write!(f, "{}", Api(u32::from(*api)))?;
                }
                let Some(error) = error else { return Ok(()) };
                f.write_str(if api.is_some() { ":" } else { "" })?;
                let named = ERRORS
                    .iter()
                    .find(|(name, id)| id == error && ucode_error_of(name) == Some(*id));
                match named {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{error:#x}"),
                }
            }
            Self::NvmSectionAbsent { section } => write!(f, "={section}"),
            Self::NvmMac { bits } => write!(f, "={bits}"),
            Self::LostVector { vector }
            | Self::EarlyVector { vector }
            | Self::RestlessVector { vector } => write!(f, "={vector}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `name`, or `name=argument` for a fault that takes one.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let fault = Self::all()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| FaultError::Unknown(name.to_owned()))?;
        let Some(argument) = argument else { return Ok(fault) };
        fault.with(argument).ok_or_else(|| FaultError::Argument {
            fault: name.to_owned(),
            argument: argument.to_owned(),
            takes: fault.takes(),
        })
    }
}

/// The faults of one run. Faults come from here only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FaultPlan {
    faults: Vec<Fault>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// This plan and one fault more.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        self
    }

    /// This plan without the faults of this name, whatever their arguments.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.faults.retain(|fault| fault.name() != name);
        self
    }

    /// The plan names this fault.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The access from which every register reads as all ones, if planned.
    #[must_use]
    pub fn all_ones_from(&self) -> Option<u64> {
        self.faults
            .iter()
            .filter_map(|fault| match fault {
                Fault::AllOnes { from } => Some(*from),
                _ => None,
            })
            .min()
    }

    /// The needless interrupts that are due at this access (0-based): one without a cause, one
    /// with a cause that no driver knows, one that is too early.
    pub(crate) fn needless_at(&self, access: u64) -> impl Iterator<Item = Fault> + '_ {
        self.iter().filter(move |fault| match fault {
            Fault::SpuriousInterrupt { every } | Fault::UnknownCause { every } => {
                access.is_multiple_of(*every.max(&MIN_EVERY))
            }
            Fault::EarlyVector { .. } => access.is_multiple_of(EARLY_EVERY),
            _ => false,
        })
    }

    /// The vector that does not rest.
    pub(crate) fn restless(&self) -> Option<u16> {
        self.iter().find_map(|fault| match fault {
            Fault::RestlessVector { vector } => Some(vector),
            _ => None,
        })
    }

    /// What loses this interrupt (0-based), if something does.
    pub(crate) fn loses(&self, interrupt: u64, irq: Irq) -> Option<Fault> {
        self.iter().find(|fault| match fault {
            Fault::LostVector { vector } => irq == Irq::Msix { vector: *vector },
            Fault::LostInterrupt { nth } => *nth == interrupt,
            Fault::LostInterrupts { from } => *from <= interrupt,
            _ => false,
        })
    }

    /// The fault by which the runtime image of a file with this API number fails, if it does.
    pub(crate) fn fails(&self, api: Option<u16>) -> Option<Fault> {
        self.iter().find(|fault| match fault {
            Fault::UcodeError { api: only, .. } => only.is_none() || *only == api,
            _ => false,
        })
    }

    /// What the address is instead, if it is none.
    pub(crate) fn mac(&self) -> Option<(Fault, Bits)> {
        self.iter().find_map(|fault| match fault {
            Fault::NvmMac { bits } => Some((fault, bits)),
            _ => None,
        })
    }

    /// The faults, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = Fault> + '_ {
        self.faults.iter().copied()
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        faults.into_iter().fold(Self::none(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let of_one = |api, error| Fault::UcodeError { api: Some(api), error };
        for fault in Fault::all() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert_eq!("all-ones=400".parse(), Ok(Fault::AllOnes { from: 400 }));
        assert_eq!("ucode-error=17".parse(), Ok(of_one(17, None)));
        assert_eq!("ucode-error=c107".parse(), Ok(of_one(1107, None)));
        assert_eq!("ucode-error=1107".parse(), Ok(of_one(1107, None)));
        assert_eq!("ucode-error=17:bad_command".parse(), Ok(of_one(17, Some(0x38))));
        for (text, error) in [
            ("ucode-error=ADVANCED_SYSASSERT", 0x1000),
            ("ucode-error=NMI_INTERRUPT_UMAC_FATAL", 0x71),
            ("ucode-error=0x39", 0x39),
            ("ucode-error=0x20101a2c", 0x2010_1a2c),
        ] {
            let fault = Fault::UcodeError { api: None, error: Some(error) };
            assert_eq!((text.parse(), fault.to_string()), (Ok(fault), text.to_owned()));
        }
        assert_eq!(of_one(1107, Some(0x38)).to_string(), "ucode-error=c107:BAD_COMMAND");
        assert_eq!("nvm-mac=ones".parse(), Ok(Fault::NvmMac { bits: Bits::Ones }));
        assert_eq!("dma-fault=upload".parse(), Ok(Fault::DmaFault { engine: Engine::Upload }));
        for (wrong, takes) in [
            ("all-ones=x", "a number"),
            ("never-alive=1", "none"),
            ("spurious-interrupt=3", "a number from 4 on"),
            ("dma-fault=1", "upload, transmit, receive"),
            ("ucode-error=x", "the API number"),
            ("ucode-error=0xq", "ADVANCED_SYSASSERT"),
            ("ucode-error=:0x38", "or both: 17:BAD_COMMAND"),
            ("ucode-error=17:", "or both: 17:BAD_COMMAND"),
            ("nvm-section-absent=x", "sw, hw, calibration"),
            ("nvm-mac=1", "zeros, ones"),
            ("lost-vector=16", "a vector of MSI-X, 0 to 15"),
        ] {
            let error = wrong.parse::<Fault>().expect_err(wrong).to_string();
            assert!(error.contains(takes), "{error}");
        }
        assert!("nonsense".parse::<Fault>().is_err());
    }

    #[test]
    fn interrupts_are_lost_by_their_number() {
        let plan = FaultPlan::none().with(Fault::LostInterrupt { nth: 2 });
        let lost: Vec<_> = (0..5).filter(|n| plan.loses(*n, Irq::Msi).is_some()).collect();
        assert_eq!(lost, [2]);
        let plan = FaultPlan::none().with(Fault::LostInterrupts { from: 3 });
        let lost: Vec<_> = (0..5).filter(|n| plan.loses(*n, Irq::Msi).is_some()).collect();
        assert_eq!(lost, [3, 4]);
        let plan = FaultPlan::none().with(Fault::LostVector { vector: 1 });
        let loses = |irq| plan.loses(0, irq).is_some();
        assert!(loses(Irq::Msix { vector: 1 }) && !loses(Irq::Msix { vector: 0 }));
        assert!(!loses(Irq::Msi));
    }
}
