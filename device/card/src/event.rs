//! What the card tells the timeline.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::cause::{Cause, Irq};
use crate::faults::Fault;

/// A register by vendor name (`CSR_HW_REV`), or by offset (`0x1c08`) if the card has no row for it.
pub type RegName = Cow<'static, str>;

/// Which of a firmware file's images the card was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// The INIT image: calibration and NVM.
    Init,
    /// The runtime ("RT", regular) image; from 22000 on the only one, for all purposes.
    Runtime,
    /// Sections that carry no stub marker: a real file, or a damaged one.
    Unknown,
}

impl Image {
    /// As events write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Runtime => "runtime",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Image {
    /// As the driver's log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Runtime => "RT",
            Self::Unknown => "unmarked",
        })
    }
}

/// What is wrong with a section of an image, as its file has it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Wrong {
    /// It holds something else, or goes somewhere else.
    Altered,
    /// It came before.
    Repeated,
    /// One that stands behind it came before it.
    OutOfOrder,
    /// The CPU is released, and it has not come, or not all of it.
    Missing,
}

impl Wrong {
    /// As events write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Wrong {
    /// Behind the section's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "is not as its file has it",
            Self::Repeated => "came again",
            Self::OutOfOrder => "came after one that stands behind it",
            Self::Missing => "did not come",
        })
    }
}

/// Through which window a register was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// BAR 0 itself.
    Csr,
    /// Periphery registers behind `HBUS_TARG_PRPH_*`.
    Prph,
    /// Device memory behind `HBUS_TARG_MEM_*`.
    Mem,
    /// PCI configuration space.
    Config,
}

/// What came of a register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The card models this register.
    Implemented,
    /// Plain storage: the card keeps the value and does nothing with it.
    Stub,
    /// A write to a read-only register: ignored.
    ReadOnly,
    /// The card has no row for this offset: storage, counted in the summary.
    Unknown,
    /// The width or alignment is one the register does not take: ignored, reads give zero.
    BadSize,
}

/// How the card was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetKind {
    /// The machine, or a function-level reset: all of it, config space too.
    Function,
    /// `CSR_RESET` SW_RESET: everything behind BAR 0.
    Software,
}

impl ResetKind {
    /// As events write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Software => "software",
        }
    }
}

pub(crate) const CONTEXT_INFORMATION: &str = "context information";
pub(crate) const SERVICE_CHANNEL: &str = "service channel";
pub(crate) const RECEIVE_RING: &str = "receive ring";
pub(crate) const TRANSMIT_QUEUE: &str = "transmit queue";
pub(crate) const CAUSE_TABLE: &str = "interrupt cause table";

/// Something the card did or that was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CardEvent {
    /// The driver read a register.
    RegRead {
        /// The window.
        space: Space,
        /// The register.
        reg: RegName,
        /// What it got.
        value: u32,
        /// What came of it.
        outcome: Outcome,
    },
    /// The driver wrote a register.
    RegWrite {
        /// The window.
        space: Space,
        /// The register.
        reg: RegName,
        /// What it wrote.
        value: u32,
        /// What came of it.
        outcome: Outcome,
    },
    /// The driver has read on in device memory behind what the reads before it told: word after word, and
    /// nothing between.
    MemRead {
        /// Device address.
        addr: u32,
        /// Bytes.
        len: u32,
    },
    /// The card was reset.
    Reset {
        /// How.
        how: ResetKind,
    },
    /// The card raised an interrupt.
    Interrupt {
        /// The line.
        #[serde(flatten)]
        irq: Irq,
        /// Causes, as bits of `CSR_INT`; with MSI-X, of `CSR_MSIX_HW_INT_CAUSES_AD`.
        causes: u32,
        /// With MSI-X: more of them, as bits of `CSR_MSIX_FH_INT_CAUSES_AD`.
        #[serde(skip_serializing_if = "Option::is_none")]
        fh_causes: Option<u32>,
        /// All of them by name.
        names: Vec<Cause>,
    },
    /// A DMA access failed; the card reports it to the driver as the hardware would.
    DmaFault {
        /// Bus address.
        addr: u64,
        /// Bytes.
        len: usize,
        /// What the card was doing: one of [`crate::CardSpec::dma_works`].
        during: &'static str,
    },
    /// The guest gave the card something it cannot act on (a descriptor out of range, …).
    BadInput {
        /// What, with the offending value.
        what: String,
    },
    /// One EEPROM/OTP word-range or NVM section was read by the driver.
    NvmRead {
        /// `eeprom`, or the NVM section's name.
        section: Cow<'static, str>,
        /// Byte offset.
        offset: u32,
        /// Bytes.
        len: u32,
        /// The section exists.
        present: bool,
    },
    /// A ucode section (or chunk of one) arrived in device memory.
    SectionUploaded {
        /// Which image it belongs to.
        image: Image,
        /// 0-based, within this image's upload.
        index: u32,
        /// Device address; with context information the driver names none.
        #[serde(skip_serializing_if = "Option::is_none")]
        dst: Option<u32>,
        /// Bytes that the card read.
        len: u32,
    },
    /// A section is not as the file has it that it is of.
    SectionWrong {
        /// Which image it belongs to.
        image: Image,
        /// Its place in the file's image, from 0.
        index: u32,
        /// What is wrong.
        how: Wrong,
    },
    /// The card has fetched the image loader, which fetches the image.
    ImlLoaded {
        /// Bytes.
        len: u32,
    },
    /// The firmware has looked for the platform's NVM, as the driver told it to.
    PnvmLoaded {
        /// Bytes; 0 if there was none.
        len: u32,
    },
    /// The driver released the CPU: the uploaded image starts.
    CpuReleased {
        /// Which image.
        image: Image,
        /// Sections uploaded for it.
        sections: u32,
        /// Bytes that the card read of it.
        bytes: u32,
        /// The API number of its file, where its sections tell: those of stubs do.
        #[serde(skip_serializing_if = "Option::is_none")]
        api: Option<u16>,
    },
    /// The firmware said ALIVE.
    Alive {
        /// Which image.
        image: Image,
        /// It says that it is valid.
        valid: bool,
    },
    /// The driver sent a host command.
    HostCommand {
        /// Vendor name, or `0x5a` style if the card has none.
        name: Cow<'static, str>,
        /// Command id.
        id: u8,
        /// Command group.
        group: u8,
        /// Queue.
        queue: u8,
        /// Payload bytes.
        len: u32,
        /// The card gives this command a meaning; otherwise it got the generic reply.
        modelled: bool,
    },
    /// The firmware sent a packet: a response (to a command) or a notification.
    Packet {
        /// Vendor name.
        name: Cow<'static, str>,
        /// Command id.
        id: u8,
        /// Command group.
        group: u8,
        /// Not a response.
        notification: bool,
        /// Payload bytes.
        len: u32,
    },
    /// ALIVE is not held any more.
    AliveReleased,
    /// The RF-kill switch was moved.
    RfKillSwitched {
        /// The radio must not be used.
        on: bool,
    },
    /// The card is off the bus: from here on nothing of it answers, and nobody was told.
    Vanished,
    /// A fault began or ended, by a step or at its moment.
    FaultSwitched {
        /// Its name.
        fault: Cow<'static, str>,
        /// It began.
        on: bool,
    },
    /// A fault of the fault plan took effect.
    FaultInjected {
        /// Its name.
        fault: Cow<'static, str>,
    },
}

impl CardEvent {
    /// So many registers were read or written.
    #[must_use]
    pub fn accesses(&self) -> u32 {
        match self {
            Self::RegRead { .. } | Self::RegWrite { .. } => 1,
            Self::MemRead { len, .. } => len / 4,
            _ => 0,
        }
    }

    /// A fault of the plan took effect.
    pub(crate) fn injected(fault: Fault) -> Self {
        Self::FaultInjected { fault: fault.name().into() }
    }
}
