//! Waiting for milestones, and when there is no more to wait for.
//!
//! What is awaited comes of the guest's own work: the host does nothing before the step has ended.
//! So when nobody in the guest is in the middle of anything, and nothing the bench holds is due by
//! itself, only a timer could bring it yet. When all has been quiet for longer than the longest of
//! those, the wait is over, whatever patience is left.

use std::time::{Duration, Instant};

use guest_protocol::GuestEvent;
use iwl_card::{CardEvent, Cause};

use super::Player;
use super::ends::Awaited;
use super::work::{LOOK_WITHIN, works};
use crate::facts::derive::Seat;
use crate::facts::diagnosis::failed_probe;
use crate::facts::milestone::{Milestone, Reached, Unbinder};
use crate::facts::timeline::{Event, Source, What};
use crate::facts::verdict::Verdict;
use crate::machine::session::{Session, Stop};
use crate::script::scenario::Pattern;

/// How often it is looked whether all is quiet.
const EVERY: Duration = Duration::from_secs(1);
/// Longer than any timer that begins something where no interface is. Waits of the loaders and the
/// driver, up to the 60 s of the firmware loader's fallback, are tasks that sleep within their work,
/// and count as such; the longest timer is pciehp's, 5 s after its button was pressed.
const QUIET: Duration = Duration::from_secs(6);
/// The same once the card had an interface: a queue that is stuck is found so after ten seconds
/// (`IWL_LONG_WD_TIMEOUT`).
const QUIET_AFTER_WORK: Duration = Duration::from_secs(12);
/// The same once such a card had an error: a driver that has had many waits for 60 s before it starts
/// its card anew (`IWL_TRANS_RESET_DELAY`).
const QUIET_AFTER_ERROR: Duration = Duration::from_secs(62);
/// The same where the driver has not taken the card, or has let go of it by itself: it has no timer left.
const QUIET_WITHOUT_DRIVER: Duration = Duration::from_secs(2);
/// What the kernel's log calls an error, or worse.
const ERROR: u8 = 3;
/// The kernel's watchdogs look as seldom as once in two minutes, at tasks that do nothing.
const OF_WATCHDOGS: &str = "kernel-trouble";

impl Player<'_> {
    /// Until there are more milestones than `seen`, or a started step has ended.
    pub(super) fn await_more(
        &mut self,
        seen: usize,
        patterns: &[Pattern],
        within: Duration,
    ) -> Result<Awaited, Verdict> {
        let pending: Vec<_> = self.pending.iter().map(|p| p.work).collect();
        let deadline = Instant::now() + within;
        let started = pending.clone();
        let more = move |s: &mut Session| {
            let ended = started.iter().any(|work| work.has_ended(s));
            (ended || s.milestones.len() > seen).then_some(())
        };
        let may_be_over =
            pending.is_empty() && patterns.iter().all(|p| p.milestone != OF_WATCHDOGS);
        let mut quiet = (heard(self.session), Instant::now());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.session.wait(left.min(EVERY), &more) {
                Ok(()) => return Ok(Awaited::More),
                Err(Stop::Verdict(verdict)) => return Err(verdict),
                Err(Stop::TimedOut) if Instant::now() >= deadline => return Ok(Awaited::TimedOut),
                Err(Stop::TimedOut) => {}
            }
            if !may_be_over {
                continue;
            }
            let moves = heard(self.session) != quiet.0
                || self.session.something_is_due()
                || self.works(deadline)?;
            if moves {
                quiet = (heard(self.session), Instant::now());
            } else if quiet.1.elapsed() >= self.quiet_for(patterns) {
                // An observer may be late.
                self.settle()?;
                if heard(self.session) == quiet.0 {
                    return Ok(Awaited::Over);
                }
            }
        }
    }

    /// Whether somebody in the guest is in the middle of something, or it cannot say.
    fn works(&mut self, deadline: Instant) -> Result<bool, Verdict> {
        let left = deadline.saturating_duration_since(Instant::now());
        works(self.session, left.min(LOOK_WITHIN))
    }

    /// The longest of those of the cards that may bring it.
    fn quiet_for(&self, patterns: &[Pattern]) -> Duration {
        let cards: Vec<_> = patterns.iter().map(|pattern| pattern.missing().card).collect();
        let (events, milestones) = (self.session.timeline.events(), &self.session.milestones);
        let may = |seat: &&Seat| cards.iter().flatten().any(|card| *card == seat.card);
        let any = cards.contains(&None);
        let seats = self.session.seats();
        let seats = seats.iter().filter(|seat| any || may(seat));
        seats.map(|seat| quiet_of(seat, milestones, events)).max().unwrap_or(QUIET)
    }
}

/// Whether the last that the driver has done with its card was not to take it, or to let go of it.
fn is_given_up(seat: &Seat, milestones: &[Reached], events: &[Event]) -> bool {
    let mut given_up = None;
    for reached in milestones {
        match &reached.milestone {
            Milestone::Unbound { slot, by, .. } if *slot == seat.slot => {
                given_up = (*by == Unbinder::Driver).then_some(reached.seq);
            }
            Milestone::Probe { slot, .. } | Milestone::Bound { slot, .. } if *slot == seat.slot => {
                given_up = None;
            }
            _ => {}
        }
    }
    let touched = milestones.iter().rev().find_map(|reached| match &reached.milestone {
        Milestone::Probe { slot, .. } | Milestone::Bound { slot, .. } if *slot == seat.slot => {
            Some(reached.seq)
        }
        _ => None,
    });
    let refused = |event: &Event| match &event.what {
        What::Guest(GuestEvent::KernelLog { text, .. }) => {
            failed_probe(text, &seat.slot).is_some() && touched.is_none_or(|seq| seq < event.seq)
        }
        _ => false,
    };
    given_up.is_some() || events.iter().any(refused)
}

/// How long a card is quiet before nothing comes of it any more.
fn quiet_of(seat: &Seat, milestones: &[Reached], events: &[Event]) -> Duration {
    if is_given_up(seat, milestones, events) {
        return QUIET_WITHOUT_DRIVER;
    }
    let registered = |reached: &&Reached| matches!(&reached.milestone, Milestone::NetdevRegistered { card, .. } if *card == seat.card);
    let Some(worked) = milestones.iter().find(registered) else { return QUIET };
    let slot = format!(" {}:", seat.slot);
    let failed = |event: &Event| match &event.what {
        What::Card { card, event: CardEvent::Interrupt { names, .. } } => {
            *card == seat.card && names.iter().any(|of| matches!(of, Cause::SwErr | Cause::HwErr))
        }
        What::Guest(GuestEvent::KernelLog { level: Some(0..=ERROR), text, .. }) => {
            text.contains(&slot)
        }
        _ => false,
    };
    let after = events.iter().skip_while(|event| event.seq <= worked.seq);
    if after.into_iter().any(failed) { QUIET_AFTER_ERROR } else { QUIET_AFTER_WORK }
}

/// How much was heard of the guest and its cards so far.
fn heard(session: &Session) -> usize {
    let heard = session.timeline.events().iter().filter(|event| match &event.what {
        // cfg80211 asks for its regulatory domain again and again, every 3 s; nothing comes of it.
        What::Guest(GuestEvent::Uevent { devpath, .. }) => !devpath.ends_with("/regulatory"),
        _ => !matches!(event.source, Source::Bench | Source::Qemu),
    });
    heard.count()
}

#[cfg(test)]
mod tests {
    use iwl_card::Irq;

    use super::*;

    #[test]
    fn a_card_is_waited_for_as_long_as_its_own_past_says() {
        let seat = |card: &str, slot: &str| Seat { card: card.into(), slot: slot.into() };
        let (good, bad) = (seat("7260", "0000:01:00.0"), seat("7260-2", "0000:02:00.0"));
        let (card, interface) = ("7260".to_owned(), "wlan0".to_owned());
        let milestone = Milestone::NetdevRegistered { card, interface };
        let milestones = [Reached { seq: 1, t_ns: 1, milestone }];
        let event = |(seq, what)| Event::sample(seq, Source::Card, what);
        let log = |slot: &str| {
            let text = format!("iwlwifi {slot}: Failed to run INIT ucode: -110");
            What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(ERROR), text })
        };
        let error = || {
            let (irq, names) = (Irq::Msi, vec![Cause::SwErr]);
            let event = CardEvent::Interrupt { irq, causes: 0, fh_causes: None, names };
            What::Card { card: "7260".into(), event }
        };
        let quiet = |seat: &Seat, what: Vec<(u64, What)>| {
            let events: Vec<_> = what.into_iter().map(event).collect();
            quiet_of(seat, &milestones, &events)
        };
        let others = || vec![(0, error()), (2, log("0000:02:00.0"))];
        assert_eq!(quiet(&bad, others()), QUIET, "another card's interface is not its own");
        assert_eq!(quiet(&good, others()), QUIET_AFTER_WORK);
        assert_eq!(quiet(&good, vec![(2, error())]), QUIET_AFTER_ERROR);
        assert_eq!(quiet(&good, vec![(2, log("0000:01:00.0"))]), QUIET_AFTER_ERROR);
        let failed = |slot: &str| {
            let text = format!("iwlwifi {slot}: probe with driver iwlwifi failed with error -22");
            What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(ERROR), text })
        };
        assert_eq!(quiet(&bad, vec![(2, failed("0000:02:00.0"))]), QUIET_WITHOUT_DRIVER);
        assert_eq!(quiet(&bad, vec![(2, failed("0000:01:00.0"))]), QUIET, "another's");
    }

    #[test]
    fn a_card_that_its_driver_has_let_go_of_has_no_timers() {
        let (card, slot) = ("7260".to_owned(), "0000:01:00.0".to_owned());
        let seat = Seat { card: card.clone(), slot: slot.clone() };
        let unbound = |by| Milestone::Unbound { card: card.clone(), slot: slot.clone(), by };
        let bound = || Milestone::Bound {
            card: card.clone(),
            slot: slot.clone(),
            driver: "iwlwifi".into(),
        };
        let quiet = |what: Vec<Milestone>| {
            let reached = what.into_iter().zip(0..);
            let reached = reached.map(|(milestone, seq)| Reached { seq, t_ns: seq, milestone });
            quiet_of(&seat, &reached.collect::<Vec<_>>(), &[])
        };
        assert_eq!(quiet(vec![bound(), unbound(Unbinder::Driver)]), QUIET_WITHOUT_DRIVER);
        assert_eq!(
            quiet(vec![bound(), unbound(Unbinder::Step)]),
            QUIET,
            "a step may bind it again"
        );
        assert_eq!(quiet(vec![bound(), unbound(Unbinder::Driver), bound()]), QUIET);
    }
}
