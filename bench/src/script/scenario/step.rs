//! What the host does, in order.

use guest_protocol::MAX_REQUESTS;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use strum::IntoStaticStr;
use toml::{Spanned, Value};

use super::check::Check;
use super::limits::MOST_REPEATS;
use super::number;
use super::pattern::{OneOrMany, Pattern, When};
use super::text::Text;
use crate::facts::errno::Errno;
use crate::facts::near::{self, NoSuch};

/// One step. Exactly one of `do`, `await`, `check` and `repeat`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Only for some runs.
    #[serde(default)]
    pub when: When,
    /// Do this.
    pub r#do: Option<Action>,
    /// With `do`: wait only until it has ended or sleeps in the kernel; its end is a milestone
    /// `step-ended`.
    #[serde(default)]
    pub start: bool,
    /// With `do`: it has to fail, and how.
    pub fails: Option<Fails>,
    /// With `do` or `check`: which card it is about, if not the first: by its name, `"7260-2"`.
    pub card: Option<Text>,
    /// What `step-ended` calls it, if not by its word.
    pub name: Option<String>,
    /// Wait for this milestone, or for all of these in any order, among those after the one that
    /// the `await` before found.
    pub r#await: Option<OneOrMany<Pattern>>,
    /// Look at the guest: one of these has to hold.
    pub check: Option<OneOrMany<Check>>,
    /// Play the steps in `step` so often.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 1, { MOST_REPEATS as i64 }>")]
    pub repeat: Option<u32>,
    /// With `repeat`.
    #[serde(default)]
    #[schemars(with = "Vec<Step>")]
    pub step: Vec<Spanned<Step>>,
}

impl Step {
    /// What `step-ended` calls it; `shown` is a milestone that it waits for, in words.
    pub fn called(&self, shown: impl Fn(&Pattern) -> String) -> String {
        if let Some(name) = &self.name {
            name.clone()
        } else if let Some(action) = &self.r#do {
            action.word().to_owned()
        } else if let Some(patterns) = &self.r#await {
            let patterns: Vec<_> = patterns.iter().map(shown).collect();
            let alike = patterns.chunk_by(|a, b| a == b).map(|alike| match alike.len() {
                1 => alike[0].clone(),
                n => format!("{n} × {}", alike[0]),
            });
            format!("await {}", alike.collect::<Vec<_>>().join(" and "))
        } else {
            "check".to_owned()
        }
    }

    /// Whether its end can be told by this name. What stands for a variable of a milestone's only a run
    /// knows.
    pub fn is_called(&self, name: &str) -> bool {
        let own = self.called(Pattern::to_string);
        let beginning = own.split('$').next().unwrap_or_default();
        own == name || (own.contains('$') && name.starts_with(beginning))
    }
}

/// Something the host does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoStaticStr, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Action {
    /// What udev does at boot: modprobe every modalias.
    Coldplug,
    /// Bind the card to iwlwifi.
    Bind,
    /// Unbind the card from its driver.
    Unbind,
    /// Only this driver may bind the card; an empty name takes that back.
    DriverOverride(Text),
    /// Run modprobe with these arguments.
    Modprobe(Vec<Text>),
    /// Remove a module as `rmmod` does: without its dependencies, and at once or not at all.
    Rmmod(Text),
    /// Write the lines of the guest's one file in `/etc/modprobe.d`.
    ModprobeD(OneOrMany<Text>),
    /// What the kernel starts to load a module.
    Autoload(Autoload),
    /// Take the card off the PCI bus, in software: sysfs `remove`.
    Remove,
    /// Look for devices on the PCI bus.
    Rescan,
    /// Put the card back into its slot, after `unplug`.
    Plug,
    /// Take the card out of its slot: the guest is told, lets go of it, and it is gone.
    Unplug,
    /// Let go the ALIVE that the fault `alive-held` holds.
    ReleaseAlive,
    /// The card is off the bus from now on, and the guest is not told: all reads give ones.
    Vanish,
    /// Move the card's RF-kill switch: with `true` the radio must not be used.
    RfKill(bool),
    /// Begin a fault of the card, by the name that `iwlbench list` has; what it counts, it counts
    /// from now.
    Fault(CardFault),
    /// End it.
    FaultEnd(CardFault),
    /// Reset the card's PCI function: sysfs `reset`.
    Reset,
    /// `ip link set … up` on the card's interface.
    LinkUp,
    /// `ip link set … down` on the card's interface.
    LinkDown,
    /// Scan with the card's interface, passively, until the driver has said that it is done.
    Scan,
    /// Let go what a gate holds until a release: requests whose name fits; `*` stands for any
    /// characters.
    Release(Text),
    /// Let go only the oldest of them.
    ReleaseOne(Text),
    /// Wait until the guest is at rest: all that was let go has gone as far as it can.
    Rest,
    /// Let everything go, unbind the card, unload opmodes and driver: nothing may be left.
    TearDown,
    /// Write a file of the guest.
    Write(Write),
    /// Run a program of the guest's image, with these arguments.
    Exec(Vec<Text>),
    /// Suspend the kernel and have it resume.
    Suspend(Suspend),
    /// Have the kernel request so many modules at once, `fs-iwlbench-0` and on, none of which
    /// exists.
    #[serde(deserialize_with = "number::whole::<_, _, 1, { MAX_REQUESTS as i64 }>")]
    RequestModules(u32),
    /// A magic SysRq key: `c` crashes the kernel; `b` resets the machine, with nothing unloaded and
    /// its cards in their slots, and the step ends when it has booted again.
    #[serde(deserialize_with = "sysrq")]
    Sysrq(char),
}

impl Action {
    /// Whether it can `start`: the host does the others at once, or waits for the guest itself.
    pub fn can_start(&self) -> bool {
        !matches!(
            self,
            Action::Release(_)
                | Action::ReleaseOne(_)
                | Action::ReleaseAlive
                | Action::Rest
                | Action::TearDown
        ) && !self.reboots()
    }

    /// Whether the guest boots again.
    pub fn reboots(&self) -> bool {
        *self == Action::Sysrq('b')
    }

    /// Whether it is done to one card.
    pub fn is_of_a_card(&self) -> bool {
        Action::OF_A_CARD.contains(&self.word())
    }

    /// The words of those that are.
    pub const OF_A_CARD: [&str; 15] = [
        "bind",
        "unbind",
        "driver-override",
        "remove",
        "plug",
        "unplug",
        "release-alive",
        "vanish",
        "rf-kill",
        "fault",
        "fault-end",
        "reset",
        "link-up",
        "link-down",
        "scan",
    ];

    /// Whether it can have a device unbound: who loses his device meanwhile has not let go by
    /// himself.
    pub fn may_unbind(&self) -> bool {
        match self {
            Action::Unbind
            | Action::DriverOverride(_)
            | Action::Rmmod(_)
            | Action::Remove
            | Action::Unplug
            | Action::Reset
            | Action::TearDown
            | Action::Write(_)
            | Action::Exec(_)
            | Action::Suspend(_)
            | Action::Sysrq(_) => true,
            Action::Modprobe(args) => {
                args.iter().any(|arg| arg.0.starts_with("-r") || arg.0 == "--remove")
            }
            Action::Coldplug
            | Action::Bind
            | Action::ModprobeD(_)
            | Action::Autoload(_)
            | Action::Rescan
            | Action::Plug
            | Action::ReleaseAlive
            | Action::Vanish
            | Action::RfKill(_)
            | Action::Fault(_)
            | Action::FaultEnd(_)
            | Action::LinkUp
            | Action::LinkDown
            | Action::Scan
            | Action::Release(_)
            | Action::ReleaseOne(_)
            | Action::Rest
            | Action::RequestModules(_) => false,
        }
    }

    /// Whether it is a point of an exploration, to be put in another order: the others order or end
    /// what there is.
    pub fn is_a_point(&self) -> bool {
        !matches!(
            self,
            Action::Release(_) | Action::ReleaseOne(_) | Action::Rest | Action::TearDown
        )
    }

    /// As the scenario writes it.
    pub fn word(&self) -> &'static str {
        self.into()
    }
}

/// A fault of the card, as the card takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardFault(pub iwl_card::Fault);

impl<'de> Deserialize<'de> for CardFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        fault(&text).map(CardFault).map_err(de::Error::custom)
    }
}

/// A fault by its name, or `NAME=ARGUMENT`.
///
/// # Errors
/// It is none, with those that there are; or it takes no such argument.
pub fn fault(text: &str) -> Result<iwl_card::Fault, String> {
    let name = text.split('=').next().unwrap_or_default();
    let known = || iwl_card::Fault::all().map(iwl_card::Fault::name);
    match iwl_card::Fault::all().find(|fault| fault.name() == name) {
        Some(fault) => text.parse().map_err(|error: iwl_card::FaultError| {
            let argument = text.split_once('=').map_or("", |(_, argument)| argument);
            // Of two that stand together the latter is a word.
            let argument = argument.rsplit(':').next().unwrap_or_default();
            format!("{error}{}", near::meant(argument, fault.words()))
        }),
        None => {
            let no_such = NoSuch::new("fault", name, known()).told_by("iwlbench list faults");
            Err(format!("{no_such:#}"))
        }
    }
}

/// Says that a card cannot have a fault.
pub fn lacks(card: &str, fault: iwl_card::Fault, why: &str) -> String {
    format!("the card {card} cannot have the fault `{fault}`: {why}")
}

/// `kernel.modprobe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Autoload {
    /// Empty: the kernel loads no modules by itself.
    Off,
    /// A program that does not exist.
    Absent,
    /// The module gate, as at boot.
    Gate,
    /// The real modprobe, past the gate.
    Modprobe,
}

/// How far a suspend goes before it turns round: `/sys/power/pm_test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suspend {
    /// Processes are frozen.
    Freezer,
    /// And devices suspended.
    Devices,
    /// And the platform prepared.
    Platform,
    /// And all CPUs but one switched off.
    Processors,
    /// And the core's own devices suspended.
    Core,
    /// To RAM: the machine sleeps, and is woken at once.
    Mem,
    /// To idle, as laptops do today: all devices are suspended, the machine stays on, and is woken at once.
    Freeze,
}

fn sysrq<'de, D: Deserializer<'de>>(deserializer: D) -> Result<char, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(key), None) if key.is_ascii_alphanumeric() => Ok(key),
        _ => Err(de::Error::custom(format!("`{text}` is no SysRq key: write one like \"c\""))),
    }
}

/// A file of the guest and what to write there, in one write.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Write {
    /// Absolute.
    pub path: Text,
    /// As it is, without a newline added.
    pub text: Text,
}

/// How a step has to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// `true`: somehow.
    Somehow,
    /// A system call fails with this error.
    Errno(Errno),
    /// A program ends with this status.
    Status(i32),
}

impl<'de> Deserialize<'de> for Fails {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Boolean(true) => Ok(Fails::Somehow),
            Value::Integer(status @ 1..=255) => Ok(Fails::Status(status as i32)),
            value @ Value::String(_) => {
                Errno::deserialize(value).map(Fails::Errno).map_err(de::Error::custom)
            }
            other => Err(de::Error::custom(format!(
                "`fails = {other}`: write true, an exit status from 1 to 255, or an error's name \
                 like \"EBUSY\""
            ))),
        }
    }
}
