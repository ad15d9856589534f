//! What was to come of a run and did not, and what the gates held back.

use std::fmt;

/// A milestone that was to come, and did not; or a step with a card that was to go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its kind, or the step's word.
    pub kind: String,
    /// The card that it was to be of, if it was to be a certain one's.
    pub card: Option<String>,
}

/// What a hand-over that goes well brings from the firmware on.
const OF_A_HAND_OVER: [&str; 12] = [
    "firmware-given",
    "opmode-requested",
    "opmode-asked",
    "opmode-loaded",
    "opmode-started",
    "iml-loaded",
    "pnvm-loaded",
    "section-uploaded",
    "cpu-released",
    "alive",
    "nvm-read",
    "netdev-registered",
];

/// What else comes of the opmode's module, or of the one who loads it.
const OF_AN_OPMODE: [&str; 2] = ["modprobe-ended", "modprobe-missing"];

/// Steps that a card which has been handed over can be put to.
const OF_A_CARD_AT_WORK: [&str; 3] = ["link-up", "scan", "suspend"];

impl Missing {
    /// Of this kind, of whatever card.
    pub fn of(kind: &str) -> Missing {
        Missing { kind: kind.to_owned(), card: None }
    }

    /// Whether the hand-over fell short of it.
    pub fn is_of_a_hand_over(&self) -> bool {
        OF_A_HAND_OVER.contains(&self.kind.as_str()) || self.is_of_a_card_at_work()
    }

    /// Whether the card was there and at work, and failed.
    pub fn is_of_a_card_at_work(&self) -> bool {
        OF_A_CARD_AT_WORK.contains(&self.kind.as_str())
    }

    /// Whether it comes of what this one asks for.
    fn comes_of(&self, held: &Held) -> bool {
        let kind = self.kind.as_str();
        let from = if held.is_module { "opmode-loaded" } else { "firmware-given" };
        let behind = OF_A_HAND_OVER.iter().skip_while(|kind| **kind != from);
        behind.chain(&OF_AN_OPMODE).any(|behind| *behind == kind)
    }
}

/// A request that a gate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of the module or file that is asked for.
    pub name: String,
    /// It is for a module.
    pub is_module: bool,
    /// How long.
    pub until: HeldUntil,
}

/// How long a gate holds a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldUntil {
    /// Until a milestone comes.
    Milestone {
        /// Its kind.
        kind: String,
        /// With its values.
        words: String,
    },
    /// Until a step lets it go.
    Release,
    /// For a time.
    While,
    /// For ever, as a rule has it.
    Never,
}

impl Held {
    /// Whether nothing that the guest does ends it: what comes of it does not come, whoever the driver is.
    pub fn is_for_good(&self) -> bool {
        match &self.until {
            HeldUntil::Release | HeldUntil::Never => true,
            HeldUntil::Milestone { kind, .. } => self.holds_back(&[Missing::of(kind)]),
            HeldUntil::While => false,
        }
    }

    /// Whether something that did not come would have come of it.
    pub fn holds_back(&self, missing: &[Missing]) -> bool {
        missing.iter().any(|missing| missing.comes_of(self))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.until {
            HeldUntil::Milestone { words, .. } => write!(f, "{name} until {words}"),
            HeldUntil::Release => write!(f, "{name} until a release"),
            HeldUntil::While => write!(f, "{name} for a while"),
            HeldUntil::Never => write!(f, "{name} for ever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::milestone::KINDS;

    #[test]
    fn a_hand_over_has_milestones_that_there_are() {
        for kind in OF_A_HAND_OVER.iter().chain(&OF_AN_OPMODE) {
            assert!(KINDS.contains(kind), "{kind}");
        }
    }

    #[test]
    fn what_is_held_holds_back_what_comes_of_it() {
        let held = |is_module| Held { name: "x".into(), is_module, until: HeldUntil::Release };
        for (kind, by_module, by_file) in [
            ("netdev-registered", true, true),
            ("modprobe-ended", true, true),
            ("opmode-asked", false, true),
            ("bound", false, false),
            ("unbound", false, false),
        ] {
            let missing = [Missing::of(kind)];
            assert_eq!(held(true).holds_back(&missing), by_module, "{kind}");
            assert_eq!(held(false).holds_back(&missing), by_file, "{kind}");
        }
    }
}
