//! Milestones: the steps of the hand-over, derived from typed events, never from log text.

use iwl_card::{Image, Wrong};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::facts::driver::DRIVERS;
use crate::facts::errno::{self, Errno};
use crate::facts::timeline::Nanos;
use crate::facts::trouble::Trouble;

/// A type of a field: how scenarios compare it.
trait Field {
    const KIND: FieldKind;

    fn value(&self) -> serde_json::Value;

    fn text(&self) -> Option<&str> {
        None
    }
}

macro_rules! field {
    ($($type:ty = $kind:expr),* $(,)?) => {$(
        impl Field for $type {
            const KIND: FieldKind = $kind;

            fn value(&self) -> serde_json::Value {
                serde_json::to_value(self).unwrap_or_default()
            }
        }
    )*};
}
field! {
    bool = FieldKind::Truth,
    i64 = FieldKind::Number,
    u32 = FieldKind::Number,
    u64 = FieldKind::Number,
    Image = FieldKind::Word(&["init", "runtime", "unknown"]),
    Wrong = FieldKind::Word(Wrong::VARIANTS),
    Trouble = FieldKind::Word(Trouble::VARIANTS),
    Unbinder = FieldKind::Word(Unbinder::VARIANTS),
}

/// Who has a driver let go of its device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Unbinder {
    /// A step: it unbinds, removes, unplugs, unloads, or runs what may do so.
    #[default]
    Step,
    /// No step: the driver by itself.
    Driver,
}

impl Field for String {
    const KIND: FieldKind = FieldKind::Text;

    fn value(&self) -> serde_json::Value {
        self.as_str().into()
    }

    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Field for Errno {
    const KIND: FieldKind = FieldKind::Errno;

    fn value(&self) -> serde_json::Value {
        self.0.into()
    }
}

/// As [`Field`], of whatever type.
trait AnyField {
    fn value(&self) -> serde_json::Value;
    fn text(&self) -> Option<&str>;
}

impl<F: Field> AnyField for F {
    fn value(&self) -> serde_json::Value {
        Field::value(self)
    }

    fn text(&self) -> Option<&str> {
        Field::text(self)
    }
}

/// The enum as it is written, and what of it a scenario can name.
macro_rules! milestones {
    (
        $(#[$about:meta])*
        pub enum $enum:ident {$(
            $(#[$doc:meta])*
            $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty),* $(,)? }
        ),* $(,)?}
    ) => {
        $(#[$about])*
        pub enum $enum {$(
            $(#[$doc])*
            $name { $($(#[$field_about])* $field: $type),* }
        ),*}

        /// The fields of each milestone, in the order of [`KINDS`].
        const FIELDS: &[&[(&str, FieldKind)]] =
            &[$(&[$((stringify!($field), <$type as Field>::KIND)),*]),*];

        impl $enum {
            /// A field by its name.
            fn by_name(&self, name: &str) -> Option<&dyn AnyField> {
                match self {$(
                    Self::$name { $($field),* } => {
                        $(if name == stringify!($field) { return Some($field); })*
                        None
                    }
                ),*}
            }
        }
    };
}

milestones! {
/// A step of the hand-over. In a scenario: `{ milestone = "opmode-asked", module = "iwlmvm" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
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
        /// The card in it.
        #[serde(default)]
        card: String,
        /// PCI slot.
        slot: String,
        /// Driver.
        driver: String,
    },
    /// The device was unbound.
    Unbound {
        /// The card in it.
        #[serde(default)]
        card: String,
        /// PCI slot.
        slot: String,
        /// Who had it so.
        #[serde(default)]
        by: Unbinder,
    },
    /// The loader asked for a firmware file by its plain name.
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
        #[serde(serialize_with = "errno::to_number", deserialize_with = "errno::from_number")]
        errno: Errno,
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
    /// The code of another module than an opmode is in the kernel.
    ModuleLoaded {
        /// Module.
        module: String,
    },
    /// It is gone.
    ModuleUnloaded {
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
    /// A section is not as the file has it that it is of.
    SectionWrong {
        /// The card.
        card: String,
        /// Which image.
        image: Image,
        /// Its place in the file's image, from 0.
        index: u32,
        /// What is wrong.
        how: Wrong,
    },
    /// The image loader (IML) is in the card.
    ImlLoaded {
        /// The card.
        card: String,
        /// Bytes.
        bytes: u32,
    },
    /// The firmware has looked for the platform's NVM, as the driver told it to.
    PnvmLoaded {
        /// The card.
        card: String,
        /// Bytes; 0 if there was none.
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
        /// The card.
        #[serde(default)]
        card: String,
        /// Name.
        interface: String,
    },
    /// A network interface of the card is gone.
    NetdevRemoved {
        /// The card.
        #[serde(default)]
        card: String,
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
    /// A step or its moment began a fault of the card, or ended it.
    FaultSwitched {
        /// The card.
        card: String,
        /// Its name, without its argument.
        fault: String,
        /// It began.
        on: bool,
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
        /// The card.
        #[serde(default)]
        card: String,
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
        /// It had to fail, and did so.
        #[serde(default)]
        wanted: bool,
    },
    /// The guest's kernel complained.
    KernelTrouble {
        /// What kind.
        trouble: Trouble,
    },
}
}

impl Milestone {
    /// Its name, as scenarios and `run.json` write it.
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// A field's value.
    pub fn field(&self, name: &str) -> Option<serde_json::Value> {
        self.by_name(name).map(AnyField::value)
    }

    /// What a card tells when something is done to it by hand.
    pub fn is_touch(&self) -> bool {
        matches!(
            self,
            Milestone::AliveReleased { .. }
                | Milestone::Vanished { .. }
                | Milestone::FaultSwitched { .. }
                | Milestone::RfKillSwitched { .. }
        )
    }

    /// The card's name, where it is one's.
    pub fn card(&self) -> Option<&str> {
        self.by_name("card")?.text().filter(|card| !card.is_empty())
    }

    /// Whether it is about a file of a driver's, if it is about a firmware file.
    pub fn is_drivers_own(&self) -> bool {
        match self {
            Milestone::FirmwareAsked { name }
            | Milestone::FirmwareGiven { name, .. }
            | Milestone::FirmwareRefused { name, .. } => {
                DRIVERS.iter().any(|driver| driver.is_firmware(name))
            }
            _ => true,
        }
    }

    /// Whether it is a part of what guest and card do together: no complaint, no step, no fault.
    pub fn is_of_the_guest(&self) -> bool {
        !matches!(
            self,
            Milestone::KernelTrouble { .. }
                | Milestone::StepEnded { .. }
                | Milestone::FaultInjected { .. }
                | Milestone::FaultSwitched { .. }
        )
    }

    /// Whether it is bad news, which terminal and pages mark.
    pub fn is_bad(&self) -> bool {
        match self {
            Milestone::KernelTrouble { .. }
            | Milestone::ModprobeMissing { .. }
            | Milestone::DmaFault { .. }
            | Milestone::FaultInjected { .. }
            | Milestone::Vanished { .. } => true,
            Milestone::FirmwareRefused { name, .. } => !OPTIONAL.contains(&name.as_str()),
            Milestone::ModprobeEnded { status, .. } => *status != 0,
            Milestone::StepEnded { ok, wanted, .. } => !ok && !wanted,
            Milestone::Alive { valid, .. } => !valid,
            _ => false,
        }
    }
}

/// Files that are asked for beside the cards' own, and that few machines have: by the driver what
/// debugging is set by, by cfg80211 who may use which channel.
pub const OPTIONAL: [&str; 4] =
    ["iwl-debug-yoyo.bin", "iwl-dbg-cfg.ini", "regulatory.db", "regulatory.db.p7s"];

/// The names of all milestones.
pub const KINDS: &[&str] = Milestone::VARIANTS;

/// The fields of the milestone of this name: the schema that scenarios are checked against.
pub fn fields_of(kind: &str) -> Option<&'static [(&'static str, FieldKind)]> {
    KINDS.iter().position(|known| *known == kind).map(|at| FIELDS[at])
}

/// The names of all fields, some of them more than once.
pub fn all_fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().copied().flatten().map(|(name, _)| *name)
}

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
    pub fn of(field: &str) -> Option<FieldKind> {
        let fields = || FIELDS.iter().copied().flatten();
        fields().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
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

/// Several reads of the NVM as one: a driver reads a dozen sections, most of them absent.
pub fn nvm_words<'a>(sections: impl IntoIterator<Item = (&'a str, bool)>) -> String {
    let (present, absent): (Vec<_>, Vec<_>) = sections.into_iter().partition(|(_, there)| *there);
    let short = |(name, _): &(&'a str, bool)| name.trim_start_matches("NVM_SECTION_TYPE_");
    let present: Vec<_> = present.iter().map(short).collect();
    let absent = match absent.len() {
        0 => String::new(),
        n => format!("; {n} absent"),
    };
    format!("NVM read: {}{absent}", present.join(", "))
}

impl std::fmt::Display for Milestone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Milestone::Probe { .. } => write!(f, "probe: the driver touches the card"),
            Milestone::Bound { slot, driver, .. } => write!(f, "bound: {slot} to {driver}"),
            Milestone::Unbound { slot, by: Unbinder::Step, .. } => write!(f, "unbound: {slot}"),
            Milestone::Unbound { slot, by: Unbinder::Driver, .. } => {
                write!(f, "unbound: {slot}, the driver lets go of it")
            }
            Milestone::FirmwareAsked { name } => write!(f, "firmware asked for: {name}"),
            Milestone::FirmwareGiven { name, bytes } => {
                write!(f, "firmware given: {name}, {bytes} bytes")
            }
            Milestone::FirmwareRefused { name, errno } => {
                write!(f, "firmware refused: {name}, {errno}")
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
            Milestone::ModuleLoaded { module } => write!(f, "module loaded: {module}"),
            Milestone::ModuleUnloaded { module } => write!(f, "module unloaded: {module}"),
            Milestone::OpmodeStarted { .. } => write!(f, "opmode started: it touches the card"),
            Milestone::SectionUploaded { image: i, index, bytes, .. } => {
                write!(f, "{i} ucode section {index} uploaded, {bytes} bytes")
            }
            Milestone::SectionWrong { image: i, index, how, .. } => {
                write!(f, "{i} ucode section {index} {how}")
            }
            Milestone::ImlLoaded { bytes, .. } => write!(f, "image loader fetched, {bytes} bytes"),
            Milestone::PnvmLoaded { bytes: 0, .. } => write!(f, "PNVM taken: there is none"),
            Milestone::PnvmLoaded { bytes, .. } => write!(f, "PNVM taken, {bytes} bytes"),
            Milestone::CpuReleased { image: i, sections, .. } => {
                write!(f, "{i} ucode released to run, {sections} sections")
            }
            Milestone::Alive { image: i, valid, .. } => {
                write!(f, "{} ALIVE{}", i, if *valid { "" } else { ", not valid" })
            }
            Milestone::NvmRead { section, present, .. } => {
                write!(f, "NVM read: {section}{}", if *present { "" } else { " (absent)" })
            }
            Milestone::NetdevRegistered { interface, .. } => write!(f, "{interface} registered"),
            Milestone::NetdevRemoved { interface, .. } => write!(f, "{interface} removed"),
            Milestone::FaultInjected { fault, .. } => write!(f, "fault: {fault}"),
            Milestone::FaultSwitched { fault, on: true, .. } => write!(f, "fault {fault} begins"),
            Milestone::FaultSwitched { fault, .. } => write!(f, "fault {fault} ends"),
            Milestone::DmaFault { during, .. } => write!(f, "DMA fault: {during}"),
            Milestone::AliveReleased { .. } => write!(f, "ALIVE is let go"),
            Milestone::RfKillSwitched { on, .. } => {
                write!(f, "RF-kill switch {}", if *on { "on" } else { "off" })
            }
            Milestone::RfKillNoticed { rfkill, .. } => write!(f, "the driver notices it: {rfkill}"),
            Milestone::Vanished { .. } => write!(f, "the card vanishes, the guest is not told"),
            Milestone::StepEnded { step, ok: true, .. } => write!(f, "step {step}: done"),
            Milestone::StepEnded { step, wanted, .. } => {
                write!(f, "step {step}: failed{}", if *wanted { ", as it has to" } else { "" })
            }
            Milestone::KernelTrouble { trouble } => {
                write!(f, "the guest's kernel reports {}", trouble.words())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_news_is_told_from_good() {
        let modprobe = |status| Milestone::ModprobeEnded { module: "iwlmvm".into(), status };
        assert!(!modprobe(0).is_bad() && modprobe(1).is_bad());
        let (card, during) = (String::from("7260"), String::from("upload"));
        assert!(Milestone::DmaFault { card, during }.is_bad());
        let refused = |name: &str| {
            Milestone::FirmwareRefused { name: name.into(), errno: Errno::ENOENT }.is_bad()
        };
        assert!(refused("iwlwifi-7260-17.ucode") && !refused("iwl-debug-yoyo.bin"));
    }

    #[test]
    fn a_milestone_is_named_as_it_is_written() {
        let refused = Milestone::FirmwareRefused { name: "x".into(), errno: Errno(2) };
        let written = serde_json::to_value(&refused).expect("plain data");
        assert_eq!(written["milestone"], refused.kind());
        for (field, _) in fields_of(refused.kind()).expect("known") {
            assert_eq!(refused.field(field).as_ref(), written.get(field), "{field}");
        }
        assert_eq!(serde_json::from_value::<Milestone>(written).expect("read back"), refused);
        assert_eq!(FieldKind::of("errno"), Some(FieldKind::Errno));
    }
}
