//! What an order came to.

use std::fmt;

use guest_protocol::State;
use serde::Serialize;

use crate::facts::driver::Driver;
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Outcome, Verdict};
use crate::lab::player::Left;
use crate::script::scenario::{Check, Vars};

/// How bad an order's end is; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing is wrong with it.
    Fine,
    /// The guest looks like none of the ends that the scenario has.
    UnexpectedState,
    /// Something is left when all is unbound and unloaded.
    Leak,
    /// A step, a command or the guest does not come to an end.
    Hang,
    /// The guest's kernel complained, or died.
    Crash,
}

impl Class {
    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Class::Fine => "fine",
            Class::UnexpectedState => "unexpected state",
            Class::Leak => "leak",
            Class::Hang => "hang",
            Class::Crash => "crash",
        }
    }
}

/// Something that is wrong with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub class: Class,
    /// What, in a line.
    pub what: String,
}

impl Problem {
    /// A problem.
    pub fn new(class: Class, what: impl Into<String>) -> Problem {
        Problem { class, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.word(), self.what)
    }
}

impl From<Left> for Problem {
    fn from(left: Left) -> Problem {
        match left {
            Left::Hangs(_) => Problem::new(Class::Hang, format!("in the tear-down, {left}")),
            Left::Stays(_) => Problem::new(Class::Leak, format!("after the tear-down, {left}")),
        }
    }
}

/// What is wrong with the guest, when an order is over and nothing is torn down yet;
/// `slot` is the first card's.
pub fn state(state: &State, ends: &[Check], slot: &str, vars: &Vars) -> Option<Problem> {
    let fits = ends.iter().any(|end| end.mismatch(state, slot, vars).is_none());
    (!fits).then(|| Problem::new(Class::UnexpectedState, describe(state, vars.driver)))
}

/// A guest's state in a line that is the same for the same state: what to group orders by.
pub fn describe(state: &State, driver: &Driver) -> String {
    let devices: Vec<_> = state
        .devices
        .iter()
        .map(|device| {
            let driver = match device.driver.as_deref() {
                None => "unbound".to_owned(),
                Some(name) if name == driver.pci_driver => "bound".to_owned(),
                Some(other) => format!("bound to {other}"),
            };
            match device.interfaces.len() {
                0 if device.driver.is_none() => driver,
                0 => format!("{driver} without interface"),
                1 => format!("{driver} with its interface"),
                n => format!("{driver} with {n} interfaces"),
            }
        })
        .collect();
    let devices = match devices.as_slice() {
        [] => "no card".to_owned(),
        [only] => only.clone(),
        several => several
            .chunk_by(|one, next| one == next)
            .map(|alike| format!("{} {}", alike.len(), alike[0]))
            .collect::<Vec<_>>()
            .join(" / "),
    };
    let of_driver = |module: &&String| driver.modules().any(|own| own == **module);
    let mut modules: Vec<_> = state.modules.iter().filter(of_driver).map(String::as_str).collect();
    modules.sort_unstable();
    match modules.as_slice() {
        [] => format!("{devices}, no driver loaded"),
        modules => format!("{devices}, {} loaded", modules.join(" and ")),
    }
}

/// What the run as a whole says: none if it says nothing about the driver or the kernel.
pub fn verdict(verdict: &Verdict, events: &[Event]) -> Option<Problem> {
    let class = match verdict.outcome {
        Outcome::GuestHung | Outcome::Flooded => Class::Hang,
        Outcome::KernelTrouble => trouble(verdict, events),
        Outcome::GuestPanicked | Outcome::GuestReset | Outcome::GuestPoweredOff => Class::Crash,
        _ => return None,
    };
    Some(Problem::new(class, verdict.line.clone()))
}

/// The trouble that the verdict speaks of.
fn trouble(verdict: &Verdict, events: &[Event]) -> Class {
    let told = events.iter().find_map(|event| match &event.what {
        What::Bench(BenchEvent::KernelTrouble { trouble, .. }) => {
            (verdict.cause == Some(event.seq)).then_some(*trouble)
        }
        _ => None,
    });
    if told == Some(Trouble::Hang) { Class::Hang } else { Class::Crash }
}

#[cfg(test)]
mod tests {
    use guest_protocol::PciDevice;

    use super::*;
    use crate::facts::driver::IWLWIFI;

    fn guest(driver: Option<&str>, interfaces: &[&str], modules: &[&str]) -> State {
        State {
            devices: vec![PciDevice {
                slot: "0000:01:00.0".into(),
                id: "8086:08b1".into(),
                driver: driver.map(str::to_owned),
                interfaces: interfaces.iter().map(|i| (*i).to_owned()).collect(),
            }],
            modules: modules.iter().map(|m| (*m).to_owned()).collect(),
            ..State::default()
        }
    }

    #[test]
    fn states_are_told_apart_and_alike() {
        let works = guest(Some("iwlwifi"), &["wlan0"], &["iwlmvm", "mac80211", "iwlwifi"]);
        assert_eq!(
            describe(&works, &IWLWIFI),
            "bound with its interface, iwlmvm and iwlwifi loaded"
        );
        // Its name and the order of modules are chance.
        let again = guest(Some("iwlwifi"), &["wlan1"], &["iwlwifi", "iwlmvm"]);
        assert_eq!(describe(&again, &IWLWIFI), describe(&works, &IWLWIFI));
        assert_eq!(describe(&guest(None, &[], &[]), &IWLWIFI), "unbound, no driver loaded");
        let silent = guest(Some("iwlwifi"), &[], &["iwlwifi"]);
        assert_eq!(describe(&silent, &IWLWIFI), "bound without interface, iwlwifi loaded");
        assert_eq!(describe(&State::default(), &IWLWIFI), "no card, no driver loaded");
        let mut two = guest(None, &[], &[]);
        two.devices.push(two.devices[0].clone());
        assert_eq!(describe(&two, &IWLWIFI), "2 unbound, no driver loaded");
    }

    #[test]
    fn the_worst_of_several_is_last() {
        let classes = [Class::Fine, Class::UnexpectedState, Class::Leak, Class::Hang, Class::Crash];
        assert!(classes.is_sorted());
    }

    #[test]
    fn a_run_that_did_not_come_to_be_says_nothing() {
        let of = |outcome| verdict(&Verdict::new(outcome, "line"), &[]).map(|p| p.class);
        assert_eq!(of(Outcome::GuestPanicked), Some(Class::Crash));
        assert_eq!(of(Outcome::GuestHung), Some(Class::Hang));
        for outcome in [Outcome::Passed, Outcome::Failed, Outcome::QemuDied, Outcome::Interrupted] {
            assert_eq!(of(outcome), None, "{outcome:?}");
        }
    }
}
