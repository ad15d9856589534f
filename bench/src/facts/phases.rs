//! Where a run's time goes: its phases, each from the end of the one before it.

use std::borrow::Cow;
use std::time::Duration;

use guest_protocol::GuestEvent;
use serde::{Deserialize, Serialize};

use crate::facts::milestone::{Milestone, Reached};
use crate::facts::timeline::{BenchEvent, Event, What};

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What is done in it.
    pub name: Cow<'static, str>,
    /// How long that took.
    pub seconds: f64,
}

impl Phase {
    fn new(name: &'static str, took: Duration) -> Phase {
        Phase { name: name.into(), seconds: took.as_secs_f64() }
    }
}

/// Phases in a line, seconds after their names.
pub fn in_words(phases: &[Phase]) -> String {
    let words: Vec<_> = phases.iter().map(|p| format!("{} {:.2}", p.name, p.seconds)).collect();
    words.join(" · ")
}

/// What ends a phase.
enum End {
    Event(fn(&Event) -> bool),
    Milestone(fn(&Milestone) -> bool),
    /// The run's own end.
    Over,
}

/// In their order. One whose end does not come, or comes before that of an earlier one, is left
/// out, and its time counted in the next.
const PHASES: [(&str, End); 9] = [
    ("QEMU starts", End::Event(is_qemu_ready)),
    ("boot", End::Event(|e| e.guest_ns.is_some() && matches!(e.what, What::Hello { .. }))),
    ("restore", End::Event(|e| matches!(e.what, What::Bench(BenchEvent::GuestRestored)))),
    ("clock", End::Event(|e| matches!(e.what, What::Bench(BenchEvent::ClockMeasured { .. })))),
    ("card seen", End::Event(is_card_seen)),
    ("opmode asked for", End::Milestone(|m| matches!(m, Milestone::OpmodeAsked { .. }))),
    ("opmode loaded", End::Milestone(|m| matches!(m, Milestone::OpmodeLoaded { .. }))),
    ("interface up", End::Milestone(|m| matches!(m, Milestone::NetdevRegistered { .. }))),
    ("to the end", End::Over),
];

/// QEMU says nothing on the way to a boot of its own.
fn is_qemu_ready(event: &Event) -> bool {
    matches!(&event.what, What::Bench(BenchEvent::Qmp { event, .. }) if event == "MIGRATION")
}

fn is_card_seen(event: &Event) -> bool {
    matches!(&event.what, What::Guest(GuestEvent::Uevent { action, subsystem, .. })
        if (action.as_str(), subsystem.as_deref()) == ("add", Some("pci")))
}

/// The phases of a run. `prepared` is the time before its first event, `total` all of it.
pub fn phases(
    events: &[Event],
    milestones: &[Reached],
    prepared: Duration,
    total: Duration,
) -> Vec<Phase> {
    let mut phases = vec![Phase::new("preparation", prepared)];
    let mut from = 0;
    let over = u64::try_from((total.saturating_sub(prepared)).as_nanos()).unwrap_or(u64::MAX);
    for (name, end) in PHASES {
        let at = match end {
            End::Event(fits) => events.iter().find(|e| fits(e)).map(|e| e.t_ns),
            End::Milestone(fits) => milestones.iter().find(|r| fits(&r.milestone)).map(|r| r.t_ns),
            End::Over => Some(over),
        };
        if let Some(at) = at.filter(|at| *at >= from) {
            phases.push(Phase::new(name, Duration::from_nanos(at - from)));
            from = at;
        }
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::timeline::Source;
    use serde_json::json;

    fn event(t_ns: u64, source: Source, what: &What) -> Event {
        Event { seq: 0, t_ns, source, guest_ns: None, what: what.clone() }
    }

    #[test]
    fn phases_follow_each_other_and_add_up() {
        let event_of = |name: &str| BenchEvent::Qmp { event: name.to_owned(), data: json!({}) };
        let (ready, over) = (What::Bench(event_of("MIGRATION")), What::Bench(event_of("SHUTDOWN")));
        let restored = What::Bench(BenchEvent::GuestRestored);
        let events = [
            event(1_000, Source::Bench, &What::Bench(BenchEvent::GuestStarted)),
            event(40_000_000, Source::Qemu, &ready),
            event(60_000_000, Source::Bench, &restored),
            event(90_000_000, Source::Qemu, &over),
        ];
        let opmode = Milestone::OpmodeLoaded { module: "iwlmvm".to_owned() };
        // Before the guest was restored: no phase of this run.
        let reached = [Reached { seq: 0, t_ns: 50_000_000, milestone: opmode }];
        let ms = Duration::from_millis;
        let phases = phases(&events, &reached, ms(5), ms(105));
        let names: Vec<_> = phases.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["preparation", "QEMU starts", "restore", "to the end"]);
        let sum: f64 = phases.iter().map(|p| p.seconds).sum();
        assert!((sum - 0.105).abs() < 1e-9, "{phases:?}");
        assert!((phases[2].seconds - 0.020).abs() < 1e-9, "{phases:?}");
    }
}
