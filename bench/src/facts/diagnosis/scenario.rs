//! The scenario's own part in a failure: what it holds, and what it does not wait for.

use guest_protocol::Question;

use super::facts::{Facts, Found};
use crate::facts::derive::is_directory;
use crate::facts::driver::as_asked;
use crate::facts::missing::{Held, HeldUntil};
use crate::facts::timeline::What;

/// A gate holds what the rest would come of.
pub(super) fn gate_holds(facts: &Facts<'_>) -> Option<Found> {
    let release = facts.events.iter().find_map(|event| match &event.what {
        What::Hello { hello, .. } => Some(hello.kernel_release.as_str()),
        _ => None,
    });
    let own = |held: &&Held| match held.is_module {
        true => facts.description.is_opmode(&held.name),
        false => {
            facts.description.is_firmware(as_asked(&held.name))
                || is_directory(&held.name, release.unwrap_or_default())
        }
    };
    let mut held = facts.held.iter().filter(own);
    let held = held.find(|held| held.holds_back(facts.missing))?;
    let name = &held.name;
    let asked = facts.events.iter().rev().find_map(|event| match &event.what {
        What::Ask { question, .. } => match question {
            Question::Module { module: asked, .. } | Question::FirmwareLookup { path: asked } => {
                (asked == name).then_some(event.seq)
            }
        },
        _ => None,
    });
    let what = match held.is_module {
        true => format!("the request for {name}"),
        false => format!("the lookup of {name}"),
    };
    let (sentence, remedy) = match &held.until {
        HeldUntil::Never => (
            format!("a rule of the scenario's has modprobe {name} hang: nothing comes of it"),
            "expect what comes without it, or take the rule away".to_owned(),
        ),
        HeldUntil::Release => (
            format!("the gate holds {what} until a release, and no step has let it go"),
            format!("`do = {{ release = \"{name}\" }}` comes before what comes of it"),
        ),
        HeldUntil::Milestone { words, .. } => (
            format!("the gate holds {what} until {words}, which has not come"),
            match held.is_for_good() {
                true => {
                    "that comes of the request itself: hold it until something before it".to_owned()
                }
                false => "the driver does not come so far while the request waits".to_owned(),
            },
        ),
        HeldUntil::While => return None,
    };
    let cause = if held.is_for_good() { HELD_BY_GATE } else { "hold-not-over" };
    Some(Found::new(cause, sentence, asked.into_iter().collect()).remedy(remedy))
}

/// The scenario holds back for good what it wants to come: that says nothing of the driver.
pub const HELD_BY_GATE: &str = "held-by-gate";
/// Nobody has waited for what was to come: that does neither.
pub const ENDED_EARLY: &str = "ended-early";

/// What was at work when the run ended, so that nobody knows what would have come of it.
pub(super) fn ended_early(what: &str, events: Vec<u64>) -> Found {
    let sentence = format!("the run ended while {what}: nothing in the scenario waits for it");
    Found::new(ENDED_EARLY, sentence, events)
        .remedy("`await` what is to come before it is looked at")
}
