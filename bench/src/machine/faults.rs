//! Faults that begin, or end, at a moment.
//!
//! What a card does itself is looked at on its own thread, so that the fault begins or ends before the
//! driver can do anything more; all else when the session hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use card_host::Touch;
use iwl_card::{Card, CardEvent};
use serde_json::Value;

use crate::facts::derive;
use crate::facts::milestone::Reached;
use crate::script::expect::matches;
use crate::script::scenario::{Happening, Moment, PlannedFault};

/// A card for a session, and what becomes wrong with it.
pub struct Equipped {
    /// As it is at power-on.
    pub card: Card,
    /// Those of its faults that begin or end later, their variables replaced.
    pub faults: Vec<PlannedFault>,
}

/// How far a fault has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not begun; so many of its moments came.
    Before(u32),
    /// It is on; so many of the moments of its end came.
    On(u32),
    /// It has ended.
    Over,
}

/// The faults of one card.
#[derive(Debug)]
struct Faults {
    card: String,
    faults: Vec<(PlannedFault, State)>,
    /// What came of the kinds that their moments name, by what tells one of a kind from another.
    seen: BTreeMap<&'static str, BTreeSet<String>>,
}

/// Names that are kept of a kind: the guest may make up as many as it likes.
const MOST_SEEN: usize = 24;
/// Letters that are kept of a name.
const LONGEST_NAME: usize = 64;

/// The faults of one card, as its thread and the session look at them.
#[derive(Debug, Clone)]
pub struct FaultWatch(Arc<Mutex<Faults>>);

impl FaultWatch {
    /// Of the card of this name in its run.
    pub fn new(card: &str, faults: Vec<PlannedFault>) -> FaultWatch {
        let begun = |fault: &PlannedFault| match fault.begin {
            Some(_) => State::Before(0),
            None => State::On(0),
        };
        let faults = faults.into_iter().map(|fault| (begun(&fault), fault));
        let faults = faults.map(|(state, fault)| (fault, state)).collect();
        FaultWatch(Arc::new(Mutex::new(Faults {
            card: card.to_owned(),
            faults,
            seen: BTreeMap::new(),
        })))
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.with(|faults| faults.faults.is_empty())
    }

    /// Looks at what the card does.
    pub fn card_does(&self, event: &CardEvent) -> Vec<Touch> {
        self.with(|faults| {
            faults.see_event(event);
            let is_milestone = |moment: &Moment| matches!(moment.what, Happening::Milestone(_));
            let milestone = match faults.moments().any(is_milestone) {
                true => derive::of_card(&faults.card, event),
                false => None,
            };
            let reached = milestone.map(|milestone| Reached { seq: 0, t_ns: 0, milestone });
            reached.iter().for_each(|reached| faults.see(reached));
            faults.advance(|moment| match &moment.what {
                Happening::Event(pattern) => pattern.fits(event),
                Happening::Milestone(pattern) => {
                    reached.as_ref().is_some_and(|reached| matches(pattern, reached))
                }
            })
        })
    }

    /// Looks at what the session hears of, but for what this card does.
    pub fn reached(&self, reached: &Reached) -> Vec<Touch> {
        self.with(|faults| {
            let card = faults.card.clone();
            let whose = reached.milestone.card();
            let mine = whose == Some(&card);
            if mine && derive::IS_OF_A_CARD.contains(&reached.milestone.kind()) {
                return Vec::new();
            }
            faults.see(reached);
            faults.advance(|moment| match &moment.what {
                Happening::Event(_) => false,
                Happening::Milestone(pattern) => {
                    let named = pattern.fields.contains_key("card");
                    (named || mine || whose.is_none()) && matches(pattern, reached)
                }
            })
        })
    }

    /// The faults that did not begin, or not end, in words.
    pub fn left(&self) -> Vec<String> {
        let left = |of: &Faults, (fault, state): &(PlannedFault, State)| {
            let card = &of.card;
            let (verb, moment, came) = match state {
                State::Before(came) => ("begin", fault.begin.as_ref()?, came),
                State::On(came) => ("end", fault.end.as_ref()?, came),
                State::Over => return None,
            };
            let name = fault.fault;
            let came = match came {
                0 => of.instead(moment),
                came => format!(", only {came} of them"),
            };
            Some(format!(
                "the fault {name} of card {card} did not {verb}: {moment} did not come{came}"
            ))
        };
        self.with(|faults| faults.faults.iter().filter_map(|f| left(faults, f)).collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Faults) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Faults {
    fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.faults.iter().flat_map(|(fault, _)| fault.moments())
    }

    fn see_event(&mut self, event: &CardEvent) {
        let told = |moment: &Moment| match &moment.what {
            Happening::Event(pattern) if pattern.value.is_some() => {
                Some((pattern.of.kind, pattern.of.values(event)))
            }
            _ => None,
        };
        let told: Vec<_> = self.moments().filter_map(told).collect();
        for (kind, values) in told {
            values.into_iter().for_each(|value| self.keep(kind, &value));
        }
    }

    fn see(&mut self, reached: &Reached) {
        let kind = reached.milestone.kind();
        let told = |moment: &Moment| match &moment.what {
            Happening::Milestone(pattern) if pattern.milestone == kind => {
                let named = pattern.fields.keys().filter(|field| *field != "card");
                let values = named.filter_map(|field| match reached.milestone.field(field)? {
                    Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                });
                Some(values.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        let told: Vec<_> = self.moments().filter_map(told).collect();
        told.into_iter()
            .filter(|value| !value.is_empty())
            .for_each(|value| self.keep(kind, &value));
    }

    fn keep(&mut self, kind: &'static str, value: &str) {
        let seen = self.seen.entry(kind).or_default();
        // One more, so that it is known that there were.
        if seen.len() <= MOST_SEEN {
            seen.insert(value.chars().take(LONGEST_NAME).collect());
        }
    }

    /// What came instead of a moment, of its kind.
    fn instead(&self, moment: &Moment) -> String {
        let (kind, told_apart) = match &moment.what {
            Happening::Event(pattern) => (pattern.of.kind, pattern.value.is_some()),
            Happening::Milestone(pattern) => {
                let named = pattern.fields.keys().any(|field| field != "card");
                (pattern.milestone.as_str(), named)
            }
        };
        match self.seen.get(kind).filter(|seen| !seen.is_empty()) {
            _ if !told_apart => String::new(),
            None => format!(", nor any other {kind}"),
            Some(seen) => {
                let some = seen.iter().take(MOST_SEEN).map(String::as_str);
                let more = if seen.len() > MOST_SEEN { ", …" } else { "" };
                format!("; of {kind} there came: {}{more}", some.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Something happened, which is what these moments want.
    fn advance(&mut self, mut is: impl FnMut(&Moment) -> bool) -> Vec<Touch> {
        let mut touches = Vec::new();
        for (planned, state) in &mut self.faults {
            let fault = planned.fault;
            let mut comes = |moment: &Moment, came: u32| {
                let came = came + u32::from(is(moment));
                (came, came >= moment.nth)
            };
            *state = match (*state, &planned.begin, &planned.end) {
                (State::Before(came), Some(begin), _) => match comes(begin, came) {
                    (_, true) => {
                        touches.push(Touch::Fault { fault, on: true });
                        State::On(0)
                    }
                    (came, false) => State::Before(came),
                },
                (State::On(came), _, Some(end)) => match comes(end, came) {
                    (_, true) => {
                        touches.push(Touch::Fault { fault, on: false });
                        State::Over
                    }
                    (came, false) => State::On(came),
                },
                (state, ..) => state,
            };
        }
        touches
    }
}

#[cfg(test)]
mod tests {
    use iwl_card::Image;

    use super::*;
    use crate::facts::milestone::Milestone;

    fn watched(faults: &[&str]) -> FaultWatch {
        let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
        FaultWatch::new("7260", faults)
    }

    fn alive(image: Image) -> CardEvent {
        CardEvent::Alive { image, valid: true }
    }

    fn netdev(card: &str) -> Reached {
        let (card, interface) = (card.to_owned(), "wlan0".to_owned());
        Reached { seq: 0, t_ns: 0, milestone: Milestone::NetdevRegistered { card, interface } }
    }

    fn ons(touches: Vec<Touch>) -> Vec<bool> {
        let on = |touch| match touch {
            Touch::Fault { on, .. } => on,
            other => panic!("{other:?}"),
        };
        touches.into_iter().map(on).collect()
    }

    #[test]
    fn a_fault_begins_at_the_nth_and_ends_after() {
        let watched = watched(&["never-alive@alive:image=init#2..alive"]);
        let init = || ons(watched.card_does(&alive(Image::Init)));
        assert_eq!(ons(watched.card_does(&alive(Image::Runtime))), [false; 0]);
        assert_eq!(
            watched.left(),
            [
                "the fault never-alive of card 7260 did not begin: alive:image=init#2 did not come; of alive there came: runtime"
            ]
        );
        assert_eq!(init(), [false; 0]);
        assert!(watched.left()[0].ends_with("did not come, only 1 of them"));
        assert_eq!(init(), [true], "its end is another one");
        assert!(watched.left()[0].contains("did not end: alive did not come"));
        assert_eq!(ons(watched.card_does(&alive(Image::Runtime))), [false]);
        assert_eq!((init(), watched.left()), (vec![], Vec::<String>::new()));
    }

    #[test]
    fn what_the_session_hears_is_of_this_card_or_of_the_one_that_is_named() {
        let own = watched(&["never-alive@netdev-registered"]);
        assert_eq!(ons(own.reached(&netdev("7260-2"))), [false; 0]);
        assert_eq!(ons(own.reached(&netdev("7260"))), [true]);
        let other = watched(&["never-alive@netdev-registered:card=7260-2"]);
        assert_eq!(ons(other.reached(&netdev("7260"))), [false; 0]);
        assert_eq!(ons(other.reached(&netdev("7260-2"))), [true]);
    }

    /// The card's thread has seen it, and the session hears of it later.
    #[test]
    fn nothing_counts_twice() {
        let watched = watched(&["never-alive@alive#2", "nvm-old@alive:card=7260-2"]);
        let heard = |card: &str| {
            let (card, image) = (card.to_owned(), Image::Init);
            let milestone = Milestone::Alive { card, image, valid: true };
            ons(watched.reached(&Reached { seq: 0, t_ns: 0, milestone }))
        };
        assert_eq!(ons(watched.card_does(&alive(Image::Init))), [false; 0]);
        assert_eq!(heard("7260"), [false; 0]);
        assert_eq!(heard("7260-2"), [true], "of another card only the session hears");
        assert_eq!(ons(watched.card_does(&alive(Image::Init))), [true]);
    }

    #[test]
    fn events_that_are_no_milestones_count_too() {
        let watched = watched(&["lost-interrupts@host-command:name=ADD_STA#2"]);
        let command = |name: &'static str| CardEvent::HostCommand {
            name: name.into(),
            id: 0,
            group: 0,
            queue: 0,
            len: 0,
            modelled: true,
        };
        let does = |name| ons(watched.card_does(&command(name)));
        assert!(watched.left()[0].ends_with("did not come, nor any other host-command"));
        does("SCAN_REQ_UMAC");
        does("PHY_CONTEXT_CMD");
        assert!(
            watched.left()[0]
                .ends_with("; of host-command there came: PHY_CONTEXT_CMD, SCAN_REQ_UMAC"),
            "{:?}",
            watched.left()
        );
        assert_eq!([does("ADD_STA"), does("SCAN_REQ_UMAC"), does("ADD_STA")].concat(), [true]);
    }

    /// However many names the guest makes up, so many are kept.
    #[test]
    fn what_came_instead_is_bounded() {
        let watched = watched(&["never-alive@firmware-asked:name=x"]);
        for n in 0..1000 {
            let name = format!("{n}{}", "x".repeat(1000));
            let milestone = Milestone::FirmwareAsked { name };
            watched.reached(&Reached { seq: 0, t_ns: 0, milestone });
        }
        let left = watched.left().concat();
        assert!(left.ends_with(", …") && left.len() < 3000, "{left}");
    }
}
