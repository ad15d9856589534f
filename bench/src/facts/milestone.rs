//! Milestones: the steps of the hand-over, derived from typed events, never from log text.

use iwl_card::Image;
use serde::{Deserialize, Serialize};

use crate::facts::errno::Errno;
use crate::facts::timeline::Nanos;
use crate::facts::trouble::Trouble;

/// The modules that the driver hands over to.
pub const OPMODES: [&str; 3] = ["iwldvm", "iwlmvm", "iwlmld"];

/// The driver under test.
pub const DRIVER: &str = "iwlwifi";

/// A step of the hand-over. In a scenario: `{ milestone = "opmode-asked", module = "iwlmvm" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "milestone", rename_all = "kebab-case")]
pub enum Milestone {
    /// The driver touched an unbound card for the first time.
    Probe {
        /// The card.
        card: String,
        /// Its PCI slot.
        #[serde(default)]
        slot: String,
    },
    /// The driver core bound the device: probe returned 0.
    Bound {
        /// PCI slot.
        slot: String,
        /// Driver.
        driver: String,
    },
    /// The device was unbound.
    Unbound {
        /// PCI slot.
        slot: String,
    },
    /// The loader asked for a firmware file of the driver by its plain name.
    FirmwareAsked {
        /// Below `/lib/firmware`.
        name: String,
    },
    /// The loader got the file.
    FirmwareGiven {
        /// Below `/lib/firmware`; of a compressed file with its suffix.
        name: String,
        /// Size, as it is read.
        bytes: u64,
    },
    /// The loader was told that there is no such file, or another error.
    FirmwareRefused {
        /// Below `/lib/firmware`.
        name: String,
        /// errno.
        errno: i64,
    },
    /// The driver requested an opmode module from the kernel.
    OpmodeRequested {
        /// Module.
        module: String,
        /// It waits for modprobe.
        wait: bool,
    },
    /// The kernel asked its module loader for an opmode module.
    OpmodeAsked {
        /// Module.
        module: String,
    },
    /// modprobe, started by the kernel to load an opmode, has ended.
    ModprobeEnded {
        /// What was asked for.
        module: String,
        /// Exit status: 0 says that all is well; 128 + signal if it was killed.
        status: i64,
    },
    /// The guest has no modprobe to start.
    ModprobeMissing {
        /// What was asked for.
        module: String,
    },
    /// An opmode module's code is in the kernel; its init has not run yet.
    OpmodeLoaded {
        /// Module.
        module: String,
    },
    /// An opmode module is gone.
    OpmodeUnloaded {
        /// Module.
        module: String,
    },
    /// The driver touched the card for the first time since its opmode was loaded.
    OpmodeStarted {
        /// The card.
        card: String,
        /// Its PCI slot.
        #[serde(default)]
        slot: String,
    },
    /// A ucode section, or a chunk of one, is in the card.
    SectionUploaded {
        /// The card.
        card: String,
        /// Which image.
        image: Image,
        /// 0-based, within the image.
        index: u32,
        /// Bytes.
        bytes: u32,
    },
    /// The driver let the card's CPU run.
    CpuReleased {
        /// The card.
        card: String,
        /// Which image.
        image: Image,
        /// Sections uploaded for it.
        sections: u32,
    },
    /// The firmware said ALIVE.
    Alive {
        /// The card.
        card: String,
        /// Which image.
        image: Image,
        /// It called itself valid.
        valid: bool,
    },
    /// The driver read the NVM or EEPROM.
    NvmRead {
        /// The card.
        card: String,
        /// Section.
        section: String,
        /// It is there.
        present: bool,
    },
    /// A network interface of the card was registered.
    NetdevRegistered {
        /// Name.
        interface: String,
    },
    /// A network interface of the card is gone.
    NetdevRemoved {
        /// Name.
        interface: String,
    },
    /// A fault of the card took effect.
    FaultInjected {
        /// The card.
        card: String,
        /// Its name, without its argument.
        fault: String,
    },
    /// A DMA access of the card failed.
    DmaFault {
        /// The card.
        card: String,
        /// What it was doing.
        during: String,
    },
    /// ALIVE is not held any more.
    AliveReleased {
        /// The card.
        card: String,
    },
    /// The card's RF-kill switch was moved.
    RfKillSwitched {
        /// The card.
        card: String,
        /// The radio must not be used.
        on: bool,
    },
    /// The guest's rfkill of a card changed: the driver has noticed the switch.
    RfKillNoticed {
        /// Its name, `rfkill0`.
        rfkill: String,
    },
    /// The card is off the bus, and the guest was not told.
    Vanished {
        /// The card.
        card: String,
    },
    /// A step of the scenario has ended.
    StepEnded {
        /// As the scenario writes it.
        step: String,
        /// Without an error.
        ok: bool,
    },
    /// The guest's kernel complained.
    KernelTrouble {
        /// What kind.
        trouble: Trouble,
    },
}

impl Milestone {
    /// The card's name, where it is one's.
    pub fn card(&self) -> Option<&str> {
        match self {
            Milestone::Probe { card, .. }
            | Milestone::OpmodeStarted { card, .. }
            | Milestone::SectionUploaded { card, .. }
            | Milestone::CpuReleased { card, .. }
            | Milestone::Alive { card, .. }
            | Milestone::NvmRead { card, .. }
            | Milestone::FaultInjected { card, .. }
            | Milestone::DmaFault { card, .. }
            | Milestone::AliveReleased { card }
            | Milestone::RfKillSwitched { card, .. }
            | Milestone::Vanished { card } => Some(card),
            _ => None,
        }
    }
}

/// The names of all milestones with their fields: the schema that scenarios are checked against.
pub const KINDS: &[(&str, &[&str])] = &[
    ("probe", &["card", "slot"]),
    ("bound", &["slot", "driver"]),
    ("unbound", &["slot"]),
    ("firmware-asked", &["name"]),
    ("firmware-given", &["name", "bytes"]),
    ("firmware-refused", &["name", "errno"]),
    ("opmode-requested", &["module", "wait"]),
    ("opmode-asked", &["module"]),
    ("modprobe-ended", &["module", "status"]),
    ("modprobe-missing", &["module"]),
    ("opmode-loaded", &["module"]),
    ("opmode-unloaded", &["module"]),
    ("opmode-started", &["card", "slot"]),
    ("section-uploaded", &["card", "image", "index", "bytes"]),
    ("cpu-released", &["card", "image", "sections"]),
    ("alive", &["card", "image", "valid"]),
    ("nvm-read", &["card", "section", "present"]),
    ("netdev-registered", &["interface"]),
    ("netdev-removed", &["interface"]),
    ("fault-injected", &["card", "fault"]),
    ("dma-fault", &["card", "during"]),
    ("alive-released", &["card"]),
    ("rf-kill-switched", &["card", "on"]),
    ("rf-kill-noticed", &["rfkill"]),
    ("vanished", &["card"]),
    ("step-ended", &["step", "ok"]),
    ("kernel-trouble", &["trouble"]),
];

/// What a field's values are; a field is of one kind in all milestones that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A number.
    Number,
    /// An error number; scenarios write its name.
    Errno,
    /// `true` or `false`.
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

impl FieldKind {
    /// Of a field, by its name.
    pub fn of(field: &str) -> FieldKind {
        match field {
            "bytes" | "index" | "sections" | "status" => FieldKind::Number,
            "errno" => FieldKind::Errno,
            "wait" | "valid" | "present" | "on" | "ok" => FieldKind::Truth,
            "image" => FieldKind::Word(&["init", "runtime", "unknown"]),
            "trouble" => FieldKind::Word(Trouble::WORDS),
            _ => FieldKind::Text,
        }
    }
}

/// A milestone and the event it was derived from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Place in the timeline.
    pub seq: u64,
    /// When.
    pub t_ns: Nanos,
    /// What.
    #[serde(flatten)]
    pub milestone: Milestone,
}

impl std::fmt::Display for Milestone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let image = |image: &Image| match image {
            Image::Init => "INIT",
            Image::Runtime => "RT",
            Image::Unknown => "unmarked",
        };
        match self {
            Milestone::Probe { .. } => write!(f, "probe: the driver touches the card"),
            Milestone::Bound { slot, driver } => write!(f, "bound: {slot} to {driver}"),
            Milestone::Unbound { slot } => write!(f, "unbound: {slot}"),
            Milestone::FirmwareAsked { name } => write!(f, "firmware asked for: {name}"),
            Milestone::FirmwareGiven { name, bytes } => {
                write!(f, "firmware given: {name}, {bytes} bytes")
            }
            Milestone::FirmwareRefused { name, errno } => {
                let errno = i32::try_from(*errno).unwrap_or_default();
                write!(f, "firmware refused: {name}, {}", Errno(errno))
            }
            Milestone::OpmodeRequested { module, wait } => {
                let how = if *wait { "waiting" } else { "not waiting" };
                write!(f, "the driver requests {module}, {how} for it")
            }
            Milestone::OpmodeAsked { module } => write!(f, "opmode asked for: {module}"),
            Milestone::ModprobeEnded { module, status: 0 } => {
                write!(f, "modprobe {module} succeeded")
            }
            Milestone::ModprobeEnded { module, status } => {
                write!(f, "modprobe {module} failed, exit status {status}")
            }
            Milestone::ModprobeMissing { module } => {
                write!(f, "no modprobe in the guest to load {module}")
            }
            Milestone::OpmodeLoaded { module } => write!(f, "opmode loaded: {module}"),
            Milestone::OpmodeUnloaded { module } => write!(f, "opmode unloaded: {module}"),
            Milestone::OpmodeStarted { .. } => write!(f, "opmode started: it touches the card"),
            Milestone::SectionUploaded { image: i, index, bytes, .. } => {
                write!(f, "{} ucode section {index} uploaded, {bytes} bytes", image(i))
            }
            Milestone::CpuReleased { image: i, sections, .. } => {
                write!(f, "{} ucode released to run, {sections} sections", image(i))
            }
            Milestone::Alive { image: i, valid, .. } => {
                write!(f, "{} ALIVE{}", image(i), if *valid { "" } else { ", not valid" })
            }
            Milestone::NvmRead { section, present, .. } => {
                write!(f, "NVM read: {section}{}", if *present { "" } else { " (absent)" })
            }
            Milestone::NetdevRegistered { interface } => write!(f, "{interface} registered"),
            Milestone::NetdevRemoved { interface } => write!(f, "{interface} removed"),
            Milestone::FaultInjected { fault, .. } => write!(f, "fault: {fault}"),
            Milestone::DmaFault { during, .. } => write!(f, "DMA fault: {during}"),
            Milestone::AliveReleased { .. } => write!(f, "ALIVE is let go"),
            Milestone::RfKillSwitched { on, .. } => {
                write!(f, "RF-kill switch {}", if *on { "on" } else { "off" })
            }
            Milestone::RfKillNoticed { rfkill } => write!(f, "the driver notices it: {rfkill}"),
            Milestone::Vanished { .. } => write!(f, "the card vanishes, the guest is not told"),
            Milestone::StepEnded { step, ok } => {
                write!(f, "step {step}: {}", if *ok { "done" } else { "failed" })
            }
            Milestone::KernelTrouble { trouble } => {
                write!(f, "the guest's kernel reports {}", trouble.words())
            }
        }
    }
}
