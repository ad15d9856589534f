//! Whether a moment, at which a fault begins or ends, can come.

use std::borrow::Cow;

use iwl_card::{CardSpec, ResetKind};

use crate::facts::near::{self, NoSuch};
use crate::script::possible::Possible;
use crate::script::scenario::{EventPattern, Happening, Moment, When};

/// Why a moment does not come for any of these cards, if it does not. That its values are those of
/// some milestone is looked at with all that a scenario says of milestones.
pub(super) fn never_comes(
    possible: &Possible<'_>,
    cards: &[&'static CardSpec],
    moment: &Moment,
    when: &When,
) -> Option<String> {
    match &moment.what {
        Happening::Event(event) => no_event(cards, event).or_else(|| possible.unsent(event)),
        Happening::Milestone(pattern) => {
            possible.uncaused(pattern, when, true).map(|(_, what)| what)
        }
    }
}

/// Why none of these cards tells of such an event, whoever drives it.
pub fn no_event(cards: &[&'static CardSpec], event: &EventPattern) -> Option<String> {
    let value = event.value.as_deref()?;
    let own = |known: &mut dyn Iterator<Item = &'static str>| known.map(Cow::from).collect();
    let (kind, known): (_, Vec<Cow<'_, str>>) = match event.of.field {
        "name" => {
            ("message of these cards", own(&mut cards.iter().flat_map(|card| card.messages())))
        }
        "reg" => {
            ("register of these cards", own(&mut cards.iter().flat_map(|card| card.registers())))
        }
        "how" => (
            "kind of reset",
            own(&mut [ResetKind::Function, ResetKind::Software].map(ResetKind::word).into_iter()),
        ),
        _ => {
            let mut causes: Vec<_> = cards.iter().flat_map(|card| card.causes()).collect();
            causes.sort_unstable();
            causes.dedup();
            ("cause of these cards' interrupts", causes.into_iter().map(Cow::from).collect())
        }
    };
    if known.iter().any(|known| known == value) {
        return None;
    }
    let known = || known.iter().map(|known| &**known);
    Some(match event.of.field {
        // There are hundreds; the nearest will do.
        "name" | "reg" => format!("there is no {kind} `{value}`{}", near::meant(value, known())),
        _ => format!("{:#}", NoSuch::new(kind, value, known())),
    })
}
