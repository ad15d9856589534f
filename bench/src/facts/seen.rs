//! What whoever sits before the machine sees of a hand-over, in a word: the cells of a table of
//! drivers. Of a run that binds its card several times, the first time counts.

use guest_protocol::{GuestEvent, Question};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};

use crate::facts::blocked::{self, Outside};
use crate::facts::driver::Driver;
use crate::facts::milestone::{Milestone, Reached, Unbinder};
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::Trouble;

/// What is seen.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    EnumIter,
    IntoStaticStr,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Seen {
    /// The card has its interface.
    Loaded,
    /// The driver had its firmware, no opmode came of it, and nobody says so.
    Silent,
    /// The same, and the driver logs an error.
    Complaint,
    /// The driver let go of the device by itself.
    LetGo,
    /// It did so, and its opmode came after all.
    FalseAlarm,
    /// A step took the device from it while modprobe was still at it, and did not wait for that.
    Unbound,
    /// The same, and the step waited until modprobe had ended.
    UnbindWaits,
    /// The kernel warns.
    Warning,
    /// The kernel reports tasks that hang, or does not answer.
    Hang,
    /// The kernel dies, or a part of it.
    Crash,
    /// None of it: the driver did not get so far.
    Nothing,
}

impl Seen {
    /// In a table.
    pub fn word(self) -> &'static str {
        match self {
            Seen::Loaded => "loaded",
            Seen::Silent => "silent",
            Seen::Complaint => "complaint",
            Seen::LetGo => "let go",
            Seen::FalseAlarm => "false alarm",
            Seen::Unbound => "unbound",
            Seen::UnbindWaits => "unbind waits",
            Seen::Warning => "warning",
            Seen::Hang => "hang",
            Seen::Crash => "crash",
            Seen::Nothing => "–",
        }
    }

    /// Below a table.
    pub fn about(self) -> &'static str {
        match self {
            Seen::Loaded => "the card has its interface",
            Seen::Silent => "no opmode, the device stays bound, and nobody says so",
            Seen::Complaint => "the same, and the driver logs an error",
            Seen::LetGo => "the driver lets go of the device by itself",
            Seen::FalseAlarm => "it does so, and its opmode comes after all",
            Seen::Unbound => "unbound while modprobe was still at it",
            Seen::UnbindWaits => "the same, and unbinding waited for modprobe's end",
            Seen::Warning => "the kernel warns, with a trace",
            Seen::Hang => "tasks wait for each other, with their stacks",
            Seen::Crash => "the kernel dies, or a part of it",
            Seen::Nothing => "the driver does not get so far",
        }
    }
}

/// What is seen of a run; `end`, if it is known of the guest's own end.
pub fn seen(events: &[Event], milestones: &[Reached], driver: &Driver, end: Option<Seen>) -> Seen {
    let troubles = || {
        milestones.iter().filter_map(|reached| match reached.milestone {
            Milestone::KernelTrouble { trouble } => Some((reached.seq, trouble)),
            _ => None,
        })
    };
    let waits = |(seq, t)| t == Trouble::Hang && unbind_waits_for(events, seq).is_some();
    let crash = |(_, t)| matches!(t, Trouble::Panic | Trouble::Oops | Trouble::Sanitizer);
    let hang =
        |t: (_, _)| matches!(t.1, Trouble::Hang | Trouble::Locking | Trouble::Rcu) && !waits(t);
    if troubles().any(crash) || end == Some(Seen::Crash) {
        return Seen::Crash;
    }
    if troubles().any(hang) || end == Some(Seen::Hang) {
        return Seen::Hang;
    }
    if troubles().any(|trouble| !waits(trouble)) {
        return Seen::Warning;
    }
    if troubles().next().is_some() {
        return Seen::UnbindWaits;
    }
    let unbound = milestones.iter().find_map(|reached| match reached.milestone {
        Milestone::Unbound { by, .. } => Some((reached.seq, by)),
        _ => None,
    });
    let end = unbound.map_or(u64::MAX, |(seq, _)| seq);
    let first = |wanted: &dyn Fn(&Milestone) -> bool| {
        milestones.iter().find(|reached| wanted(&reached.milestone)).map(|reached| reached.seq)
    };
    let within = |seq: Option<u64>| seq.is_some_and(|seq| seq < end);
    let firmware = first(&|m| matches!(m, Milestone::FirmwareGiven { .. }) && m.is_drivers_own());
    let asked = first(&|m| matches!(m, Milestone::OpmodeAsked { .. }));
    let ended = first(&|m| matches!(m, Milestone::ModprobeEnded { .. }));
    let loaded = first(&|m| matches!(m, Milestone::OpmodeLoaded { .. }));
    if let (Some((at, Unbinder::Step)), Some(ended)) = (unbound, ended)
        && within(asked)
        && ended < at
        && unbinding(events, ended, at)
    {
        return Seen::UnbindWaits;
    }
    if within(first(&|m| matches!(m, Milestone::NetdevRegistered { .. }))) {
        return Seen::Loaded;
    }
    match unbound {
        Some((at, Unbinder::Driver)) if loaded.is_some_and(|loaded| loaded > at) => {
            return Seen::FalseAlarm;
        }
        Some((_, Unbinder::Driver)) => return Seen::LetGo,
        // Its request may be on its way.
        Some((at, Unbinder::Step))
            if within(firmware) && asked.is_some() && ended.is_none_or(|ended| ended > at) =>
        {
            return Seen::Unbound;
        }
        _ => {}
    }
    match firmware.filter(|firmware| *firmware < end) {
        None => Seen::Nothing,
        Some(firmware) if complains(events, driver, firmware, end) => Seen::Complaint,
        Some(_) => Seen::Silent,
    }
}

/// The request that a gate holds and whoever unbinds waits for, where that is all there is of a hang which
/// the kernel tells of in this event: it is over when the bench answers.
pub fn unbind_waits_for(events: &[Event], hang: u64) -> Option<&Question> {
    if !unbinding(events, hang, hang) {
        return None;
    }
    let mut open: Vec<(u64, &Question)> = Vec::new();
    for event in events.iter().take_while(|event| event.seq < hang) {
        match &event.what {
            What::Ask { id, question, .. } => open.push((*id, question)),
            What::Answer { id, .. } => open.retain(|(of, _)| of != id),
            _ => {}
        }
    }
    let tasks = blocked::tasks(events);
    let outside = |whom| tasks.iter().filter(|(_, task)| task.outside() == Some(whom)).count();
    let (helpers, files) = (outside(Outside::Helper), outside(Outside::Files));
    let held =
        |module| open.iter().filter(move |(_, of)| matches!(of, Question::Module { .. }) == module);
    // Who waits for a modprobe that runs waits for the guest; two that wait in the kernel may wait for each
    // other.
    let is_held = helpers <= held(true).count() && files <= held(false).count();
    let others = tasks.len() - helpers - files;
    if !is_held || helpers + files == 0 || others > 1 {
        return None;
    }
    held(helpers > 0).next().map(|(_, question)| *question)
}

/// Whether a step that unbinds was at it at this moment, and until another.
fn unbinding(events: &[Event], at: u64, until: u64) -> bool {
    let mut steps = Vec::new();
    for event in events.iter().take_while(|event| event.seq < at) {
        match &event.what {
            What::Bench(BenchEvent::StepStarted { index, unbinds: true, .. }) => steps.push(*index),
            What::Bench(BenchEvent::StepEnded { index, .. }) => steps.retain(|step| step != index),
            _ => {}
        }
    }
    let ended = |index: usize| {
        events.iter().any(|event| {
            event.seq < until
                && matches!(&event.what, What::Bench(BenchEvent::StepEnded { index: i, .. }) if *i == index)
        })
    };
    steps.into_iter().any(|index| !ended(index))
}

/// Whether the driver has logged an error about a device of its own in this part of a run.
pub fn complains(events: &[Event], driver: &Driver, after: u64, before: u64) -> bool {
    const ERROR: u8 = 3;
    let own = format!("{} ", driver.pci_driver);
    events.iter().any(|event| match &event.what {
        What::Guest(GuestEvent::KernelLog { level: Some(0..=ERROR), text, .. }) => {
            (after..before).contains(&event.seq) && text.starts_with(&own)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use guest_protocol::{LoaderOutcome, Question};

    use super::*;
    use crate::facts::derive::{Seat, derive};
    use crate::facts::driver::IWLWIFI;
    use crate::facts::timeline::{Source, Tag};

    const SLOT: &str = "0000:01:00.0";

    fn uevent(action: &str, subsystem: &str) -> What {
        What::Guest(GuestEvent::Uevent {
            action: action.into(),
            devpath: format!("/devices/pci0000:00/{SLOT}"),
            subsystem: Some(subsystem.into()),
            driver: Some("iwlwifi".into()),
            interface: Some("wlan0".into()),
            pci_slot: Some(SLOT.into()),
        })
    }
    fn argv() -> Vec<String> {
        vec!["modprobe".into(), "iwlmvm".into()]
    }
    /// The driver has its firmware, and asks for its opmode.
    fn begin() -> Vec<What> {
        let path = "iwlwifi-7260-17.ucode".into();
        let question = Question::Module { argv: argv(), module: "iwlmvm".into() };
        vec![
            uevent("bind", "pci"),
            What::Guest(GuestEvent::FirmwareRead { path, bytes: 1 }),
            What::Ask { kind: Tag::default(), id: 1, question },
        ]
    }
    fn ended(status: i32) -> What {
        let outcome = LoaderOutcome::Exited { status };
        let stderr = String::new();
        What::Guest(GuestEvent::ModuleLoaderExit { id: 1, argv: argv(), outcome, stderr })
    }
    fn loaded() -> What {
        What::Guest(GuestEvent::ModuleLoad { module: "iwlmvm".into() })
    }
    fn says(level: u8, text: &str) -> What {
        What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(level), text: text.into() })
    }
    fn unbind(on: bool) -> What {
        let (index, step) = (3, "unbind".to_owned());
        What::Bench(match on {
            true => BenchEvent::StepStarted { index, step, unbinds: true },
            false => BenchEvent::StepEnded { index, step, error: None, wanted: false },
        })
    }
    fn answered() -> What {
        let question = Question::Module { argv: argv(), module: "iwlmvm".into() };
        let answer = "proceed";
        What::Answer { kind: Tag::default(), id: 1, question, answer, value: None }
    }
    fn trouble(trouble: Trouble) -> What {
        What::Bench(BenchEvent::KernelTrouble { trouble, text: String::new() })
    }

    fn look(more: Vec<What>) -> Seen {
        look_at(begin().into_iter().chain(more).collect())
    }

    fn look_at(all: Vec<What>) -> Seen {
        let event = |(seq, what)| Event::sample(seq as u64, Source::Bench, what);
        let events: Vec<_> = all.into_iter().enumerate().map(event).collect();
        let seats = [Seat { card: "7260".into(), slot: SLOT.into() }];
        let milestones = derive(&events, &IWLWIFI, &seats);
        seen(&events, &milestones, &IWLWIFI, None)
    }

    /// A driver whose request is on its way when the device goes has not been silent.
    #[test]
    fn a_device_may_go_before_the_request_comes() {
        let mut all = begin();
        let ask = all.pop().expect("the last");
        all.extend([unbind(true), uevent("unbind", "pci"), unbind(false)]);
        assert_eq!(look_at(all.clone()), Seen::Silent);
        all.push(ask);
        assert_eq!(look_at(all.clone()), Seen::Unbound);
        all.extend([loaded(), ended(0)]);
        assert_eq!(look_at(all), Seen::Unbound);
    }

    /// A hang, with the stacks of the tasks that wait, each of them in such a function.
    fn hang(waits_in: &[&str]) -> Vec<What> {
        let stack = |function: &&str| {
            let task = format!("task:{function} state:D stack:0");
            let call = format!(" {function}+0x1/0x2");
            [task, " __schedule+0x1/0x2".to_owned(), call].map(|line| says(6, &line))
        };
        let stacks = waits_in.iter().flat_map(stack);
        std::iter::once(trouble(Trouble::Hang)).chain(stacks).collect()
    }

    /// That whoever unbinds waits for a request that a gate holds is no deadlock.
    #[test]
    fn who_waits_for_the_bench_does_not_hang() {
        const HELPER: &str = "call_usermodehelper_exec";
        let of = |before: Vec<What>, waits_in: &[&str]| {
            look(before.into_iter().chain(hang(waits_in)).collect())
        };
        let unbinds = || vec![unbind(true)];
        assert_eq!(of(unbinds(), &["iwl_drv_stop", HELPER]), Seen::UnbindWaits);
        assert_eq!(of(Vec::new(), &["iwl_drv_stop", HELPER]), Seen::Hang, "nobody unbinds");
        let over = || vec![unbind(true), unbind(false)];
        assert_eq!(of(over(), &["iwl_drv_stop", HELPER]), Seen::Hang, "nobody does any more");
        assert_eq!(of(unbinds(), &["iwl_drv_stop"]), Seen::Hang, "nobody waits for modprobe");
        let runs = || vec![answered(), unbind(true)];
        assert_eq!(of(runs(), &["iwl_drv_stop", HELPER]), Seen::Hang, "modprobe runs");
        let two = ["iwl_drv_stop", "iwl_opmode_register", HELPER];
        assert_eq!(of(unbinds(), &two), Seen::Hang, "two may wait for each other");
        let file = ["iwl_drv_stop", "request_wait_answer"];
        assert_eq!(of(unbinds(), &file), Seen::Hang, "no file is asked for");
        let warned = vec![unbind(true), trouble(Trouble::Warning)];
        assert_eq!(of(warned, &["iwl_drv_stop", HELPER]), Seen::Warning);
    }

    #[test]
    fn each_end_of_a_hand_over_has_its_word() {
        let error = || says(3, "iwlwifi 0000:01:00.0: no op mode");
        let gone = || uevent("unbind", "pci");
        for (more, want) in [
            (vec![loaded(), uevent("add", "net"), ended(0)], Seen::Loaded),
            (vec![ended(1)], Seen::Silent),
            (vec![ended(1), says(6, "iwlwifi 0000:01:00.0: base HW address")], Seen::Silent),
            (vec![ended(1), says(3, "usb 1-1: no")], Seen::Silent),
            (vec![ended(1), error()], Seen::Complaint),
            (vec![ended(1), unbind(true), gone(), unbind(false)], Seen::Silent),
            (vec![ended(1), error(), gone()], Seen::LetGo),
            (vec![error(), gone(), loaded(), ended(0)], Seen::FalseAlarm),
            (vec![loaded(), error(), gone(), ended(0)], Seen::LetGo),
            (vec![unbind(true), gone(), unbind(false), loaded(), ended(0)], Seen::Unbound),
            (vec![unbind(true), ended(1), gone(), unbind(false)], Seen::UnbindWaits),
            (
                vec![unbind(true), loaded(), uevent("add", "net"), ended(0), gone(), unbind(false)],
                Seen::UnbindWaits,
            ),
            (vec![trouble(Trouble::Warning), ended(1)], Seen::Warning),
            (vec![trouble(Trouble::Warning), trouble(Trouble::Hang)], Seen::Hang),
            (vec![trouble(Trouble::Hang), trouble(Trouble::Oops)], Seen::Crash),
        ] {
            assert_eq!(look(more.clone()), want, "{more:?}");
        }
        assert_eq!(seen(&[], &[], &IWLWIFI, None), Seen::Nothing);
        assert_eq!(seen(&[], &[], &IWLWIFI, Some(Seen::Hang)), Seen::Hang);
    }
}
