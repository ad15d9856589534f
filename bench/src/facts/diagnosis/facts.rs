//! What is known of a run, and a cause in words.

use guest_protocol::GuestEvent;
use iwl_card::{CardEvent, Fault};
use serde::{Deserialize, Serialize};

use crate::facts::accel::Accel;
use crate::facts::added::Word;
use crate::facts::driver::Driver;
use crate::facts::milestone::{Milestone, Reached};
use crate::facts::missing::{Held, Missing};
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::Trouble;

/// The run's file with the kernel's log.
pub(crate) const DMESG: &str = "dmesg.txt";

/// What a run failed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What kind of cause: the same word for the same cause, to group runs by.
    pub cause: String,
    /// What happened, in a sentence without its full stop.
    pub sentence: String,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The driver's last error after it, as the kernel's log has it: for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The events that show it, by their `seq`.
    pub events: Vec<u64>,
}

impl Diagnosis {
    /// In a line.
    pub fn line(&self) -> String {
        let mut line = self.sentence.clone();
        if let Some(log) = &self.log {
            line += &format!("; the driver says \"{log}\"");
        }
        if let Some(remedy) = &self.remedy {
            line += &format!("; {remedy}");
        }
        line
    }
}

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// In their final order.
    pub events: &'a [Event],
    /// Derived from them.
    pub milestones: &'a [Reached],
    /// The driver's module.
    pub driver: &'a str,
    /// The card's name.
    pub card: &'a str,
    /// Where the guest sees it.
    pub slot: &'a str,
    /// The opmode that its firmware leads to.
    pub opmode: &'a str,
    /// Each file on offer, by name, and why its driver does not take it, if so.
    pub files: &'a [(String, Option<String>)],
    /// The modules in the image; none if it was given.
    pub modules: &'a [String],
    /// What the scenario has broken itself.
    pub own: Own,
    /// A step of the hand-over was to come and did not: then what the scenario has broken itself is a
    /// cause as any other.
    pub fell_short: bool,
    /// What was to come and did not.
    pub missing: &'a [Missing],
    /// What the gates held when the run ended.
    pub held: &'a [Held],
    /// The run has ended while somebody in the guest was in the middle of something: what had not come by
    /// then might have.
    pub at_work: bool,
    /// The end of the serial console.
    pub console: &'a str,
    /// What ran the guest's CPU.
    pub accel: Accel,
    /// What of the kernel's command line is not the bench's own.
    pub added: &'a [Word],
    /// The driver under test.
    pub description: &'a Driver,
}

/// What a scenario breaks by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own {
    /// The card.
    pub card: bool,
    /// Its firmware files.
    pub firmware: bool,
    /// The modules, or who loads them.
    pub modules: bool,
}

/// A cause, before it is put into words.
pub(crate) struct Found {
    cause: &'static str,
    pub(crate) sentence: String,
    remedy: Option<String>,
    pub(crate) events: Vec<u64>,
    /// A fault of the card's that does this.
    fault: Option<&'static str>,
}

impl Found {
    pub(crate) fn new(cause: &'static str, sentence: impl Into<String>, events: Vec<u64>) -> Found {
        Found { cause, sentence: sentence.into(), remedy: None, events, fault: None }
    }

    pub(crate) fn by(mut self, fault: Fault) -> Found {
        self.fault = Some(fault.name());
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Found {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn diagnosis(self, facts: &Facts<'_>) -> Diagnosis {
        let Found { cause, mut sentence, remedy, mut events, fault } = self;
        if let Some((seq, fault)) = facts.faults().find(|(_, name)| Some(*name) == fault) {
            sentence += &format!(", as the card's fault {fault} has it");
            events.push(seq);
        }
        events.sort_unstable();
        events.dedup();
        let since = events.first().copied().unwrap_or_default();
        Diagnosis { cause: cause.to_owned(), sentence, remedy, log: facts.log(since), events }
    }
}

impl<'a> Facts<'a> {
    /// What kind of complaint of the kernel's this event is, if it is one.
    pub fn trouble(&self, seq: u64) -> Option<Trouble> {
        self.events.iter().find_map(|event| match &event.what {
            What::Bench(BenchEvent::KernelTrouble { trouble, .. }) if event.seq == seq => {
                Some(*trouble)
            }
            _ => None,
        })
    }

    /// What the card told, with its place.
    pub(crate) fn told(&self) -> impl DoubleEndedIterator<Item = (u64, &'a CardEvent)> + use<'a> {
        let name = self.card;
        self.events.iter().filter_map(move |event| match &event.what {
            What::Card { card, event: told } if card == name => Some((event.seq, told)),
            _ => None,
        })
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        self.told().filter_map(|(seq, event)| match event {
            CardEvent::FaultInjected { fault } => Some((seq, &**fault)),
            _ => None,
        })
    }

    pub(crate) fn fault(&self, fault: Fault) -> Option<u64> {
        self.faults().find(|(_, name)| *name == fault.name()).map(|(seq, _)| seq)
    }

    /// Whether there is another card than the one that this is about.
    pub(crate) fn has_other_cards(&self) -> bool {
        let other =
            |event: &Event| matches!(&event.what, What::Card { card, .. } if card != self.card);
        self.events.iter().any(other)
    }

    /// The last error that the driver logged of the card from this event on, without what stands before
    /// each.
    pub(crate) fn log(&self, since: u64) -> Option<String> {
        const ERROR: u8 = 3;
        let events = self.events.iter().rev().take_while(|event| event.seq >= since);
        let errors = events.filter_map(|event| match &event.what {
            What::Guest(GuestEvent::KernelLog { level: Some(0..=ERROR), text, .. }) => {
                let (of, text) = text.strip_prefix(self.driver)?.split_once(": ")?;
                [self.slot, ""].contains(&of.trim()).then_some(text)
            }
            _ => None,
        });
        // One that names an errno says what it gave up with; a dump of registers says nothing.
        let names_errno = |text: &&str| {
            let number = text.rsplit_once(": -").map(|(_, number)| number);
            number.is_some_and(|number| number.parse::<u8>().is_ok())
        };
        // `iwl_req_fw_callback` ends with where to look for files: advice.
        // The driver core's own word of a probe that failed says no more than that.
        let advice = |text: &str| {
            ["check git://", "probe with driver "].iter().any(|of| text.starts_with(of))
        };
        let last = errors.clone().find(|text| !advice(text) && !is_dump(text));
        errors.clone().find(names_errno).or(last).map(str::to_owned)
    }

    pub(crate) fn reached<T>(&self, what: impl Fn(&'a Milestone) -> Option<T>) -> Vec<(u64, T)> {
        let reached = self.milestones.iter();
        reached.filter_map(|r| Some((r.seq, what(&r.milestone)?))).collect()
    }
}

/// A line of registers or memory (`print_hex_dump`), one register, or what stands above them.
fn is_dump(text: &str) -> bool {
    let text = text.trim_end();
    let (at, rest) = text.split_once(':').unwrap_or_default();
    let offset = at.len() == 8 && at.bytes().all(|digit| digit.is_ascii_hexdigit());
    let register = !at.contains(' ') && rest.trim_start().starts_with("0x");
    offset
        || register
        || text.starts_with("0x")
        || text.ends_with(':')
        || text.ends_with("dumping registers")
}

/// How often, behind what happened.
pub(crate) fn times(count: usize) -> String {
    match count {
        1 => String::new(),
        2 => ", twice".to_owned(),
        3 => ", three times".to_owned(),
        n => format!(", {n} times"),
    }
}
