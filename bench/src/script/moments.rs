//! Whether a moment, at which a fault begins or ends, can come.

use iwl_card::{CardSpec, ResetKind};

use crate::facts::near;
use crate::script::possible::Possible;
use crate::script::scenario::{EventPattern, Happening, Moment};

/// Why a moment does not come for any of these cards, if it does not. That its values are those of
/// some milestone is looked at with all that a scenario says of milestones.
pub(super) fn never_comes(
    possible: &Possible<'_>,
    cards: &[&'static CardSpec],
    moment: &Moment,
) -> Option<String> {
    match &moment.what {
        Happening::Event(event) => no_event(cards, event),
        Happening::Milestone(pattern) => possible.uncaused(pattern, true).map(|(_, what)| what),
    }
}

fn no_event(cards: &[&'static CardSpec], event: &EventPattern) -> Option<String> {
    let value = event.value.as_deref()?;
    let known: Vec<&str> = match event.of.field {
        "name" => cards.iter().flat_map(|card| card.messages()).collect(),
        "reg" => cards.iter().flat_map(|card| card.registers()).collect(),
        "how" => [ResetKind::Function, ResetKind::Software].map(ResetKind::word).to_vec(),
        _ => return None,
    };
    let kind = match event.of.field {
        "name" => "message of these cards",
        "reg" => "register of these cards",
        _ => "kind of reset",
    };
    if known.contains(&value) {
        return None;
    }
    // There are hundreds; the nearest will do.
    let meant = near::meant(value, known.iter().copied());
    Some(format!("there is no {kind} `{value}`{meant}"))
}
