//! The opmode's part in a failure: its module, who loads it, and who waits for that.

use guest_protocol::{GuestEvent, LoaderOutcome, Question};

use super::facts::{DMESG, Facts, Found};
use super::scenario::ended_early;
use crate::facts::blocked;
use crate::facts::milestone::{Milestone, Reached, Unbinder};
use crate::facts::seen::{self, Seen};
use crate::facts::timeline::{What, seconds};

/// The opmode was wanted, and is not there.
pub(crate) fn no_opmode(facts: &Facts<'_>) -> Option<Found> {
    let requested = facts.reached(|m| match m {
        Milestone::OpmodeRequested { module, .. } | Milestone::OpmodeAsked { module } => {
            Some(module.as_str())
        }
        _ => None,
    });
    let (since, module) = *requested.last()?;
    let loaded = facts.reached(|m| match m {
        Milestone::OpmodeLoaded { module: loaded } if loaded == module => Some(()),
        _ => None,
    });
    if !loaded.is_empty() {
        return None;
    }
    let asked = facts.reached(|m| matches!(m, Milestone::OpmodeAsked { .. }).then_some(()));
    if asked.is_empty() {
        if facts.at_work {
            return Some(ended_early(
                &format!("the kernel was about to load {module}"),
                vec![since],
            ));
        }
        let sentence = format!("the driver requests {module}, and the kernel starts no modprobe");
        return Some(
            Found::new("no-module-loader", sentence, vec![since])
                .remedy("see kernel.modprobe in the guest"),
        );
    }
    let exit = facts.events.iter().rev().find_map(|event| match &event.what {
        What::Guest(GuestEvent::ModuleLoaderExit { argv, outcome, stderr, .. })
            if argv.last().is_some_and(|last| last == module) =>
        {
            Some((event.seq, outcome, stderr.trim()))
        }
        _ => None,
    });
    let Some((seq, outcome, stderr)) = exit else {
        if facts.held.iter().any(|held| held.is_module && held.name == module) {
            return None;
        }
        if facts.at_work {
            let what = format!("modprobe {module}, started by the kernel, was at work");
            return Some(ended_early(&what, vec![since]));
        }
        let sentence = format!("modprobe {module}, started by the kernel, does not end");
        return Some(Found::new("modprobe-hangs", sentence, vec![since]));
    };
    let says = match stderr.lines().last() {
        Some(last) => format!(": modprobe says \"{}\"", last.trim_start_matches("modprobe: ")),
        None => String::new(),
    };
    let absent = !facts.modules.is_empty() && !facts.modules.iter().any(|known| known == module);
    let events = vec![since, seq];
    Some(match outcome {
        LoaderOutcome::NoModprobe => {
            Found::new("no-modprobe", format!("no modprobe in the guest to load {module}"), events)
        }
        LoaderOutcome::Killed { signal } => {
            let sentence = format!("modprobe {module} died of signal {signal}");
            Found::new("modprobe-killed", sentence, events)
        }
        _ if absent => {
            let sentence = format!("{module} is not in the image{says}");
            Found::new("opmode-missing", sentence, events)
        }
        LoaderOutcome::Exited { status: 0 } | LoaderOutcome::Answered { status: 0 } => {
            let sentence = format!("modprobe {module} said that all was well, and did not load it");
            let remedy = "a blacklist or an install line in modprobe.d does that";
            Found::new("modprobe-lied", sentence, events).remedy(remedy)
        }
        LoaderOutcome::Exited { status } | LoaderOutcome::Answered { status } => {
            let sentence = format!("modprobe {module} failed, exit status {status}{says}");
            Found::new("modprobe-failed", sentence, events)
        }
    })
}

/// Tasks that wait for each other. Their stacks are in the kernel's log alone.
pub(crate) fn deadlock(facts: &Facts<'_>) -> Option<Found> {
    let tasks = blocked::tasks(facts.events);
    let (first, _) = tasks.first()?;
    let events = vec![*first];
    let told: Vec<_> = tasks.iter().take(TASKS).map(|(_, task)| task.to_string()).collect();
    let told = told.join("; ");
    let found = match tasks.len() {
        1 => Found::new("hang", format!("a hang: {told}, and does not go on"), events),
        _ => Found::new("deadlock", format!("deadlock: {told}"), events),
    };
    Some(found.remedy(format!("the stacks are in {DMESG}")))
}

/// As many tasks are named at most.
const TASKS: usize = 3;

/// A driver looked for its opmode too soon.
pub(crate) fn false_alarm(facts: &Facts<'_>) -> Option<Found> {
    let let_go = facts.milestones.iter().find(|reached| {
        matches!(reached.milestone, Milestone::Unbound { by: Unbinder::Driver, .. })
    })?;
    let requested = facts
        .milestones
        .iter()
        .find(|reached| matches!(reached.milestone, Milestone::OpmodeRequested { .. }))?;
    let loaded = facts.milestones.iter().find(|reached| {
        reached.seq > let_go.seq && matches!(reached.milestone, Milestone::OpmodeLoaded { .. })
    })?;
    let apart = |from: &Reached, to: &Reached| seconds(to.t_ns.saturating_sub(from.t_ns));
    let sentence = format!(
        "a false alarm: the driver lets go of the device {:.1} s after its request, and {} comes \
         {:.1} s later, to nobody",
        apart(requested, let_go),
        facts.opmode,
        apart(let_go, loaded),
    );
    Some(Found::new("false-alarm", sentence, vec![requested.seq, let_go.seq, loaded.seq]))
}

/// The opmode did not come, and nobody says so.
pub(crate) fn silent(facts: &Facts<'_>) -> Option<Found> {
    let Facts { events, milestones, description, .. } = facts;
    if seen::seen(events, milestones, description, None) != Seen::Silent {
        return None;
    }
    let firmware = facts.reached(|m| matches!(m, Milestone::FirmwareGiven { .. }).then_some(()));
    let sentence = format!(
        "{} does not come, and the driver is silent: it neither says so nor lets go of the device",
        facts.opmode
    );
    Some(Found::new("silent", sentence, firmware.iter().map(|(seq, ())| *seq).collect()))
}

/// The opmode came while somebody waited to have the device unbound.
pub(crate) fn unbind_waits(facts: &Facts<'_>) -> Option<Found> {
    let Facts { events, milestones, description, .. } = facts;
    if seen::seen(events, milestones, description, None) != Seen::UnbindWaits {
        return None;
    }
    let started = facts.reached(|m| matches!(m, Milestone::OpmodeStarted { .. }).then_some(()));
    let sentence = match started.is_empty() {
        true => "unbinding waits until modprobe has ended".to_owned(),
        false => format!(
            "unbinding waits until modprobe has ended, and {} starts on a device that is to go",
            facts.opmode
        ),
    };
    Some(Found::new("unbind-waits", sentence, started.iter().map(|(seq, ())| *seq).collect()))
}

/// The same, and the gate holds what is waited for: no deadlock, however long that lasts.
pub(crate) fn unbind_waits_for_gate(facts: &Facts<'_>, hang: u64) -> Option<Found> {
    let sentence = match seen::unbind_waits_for(facts.events, hang)? {
        Question::Module { module, .. } => format!(
            "unbinding waits until modprobe has ended, and the gate holds the request for {module}"
        ),
        Question::FirmwareLookup { path } => {
            format!("unbinding waits for the firmware, and the gate holds the lookup of {path}")
        }
    };
    let remedy = "a step that waits has `start = true`, and the release comes after it";
    Some(Found::new("unbind-waits", sentence, Vec::new()).remedy(remedy))
}

/// Whether the driver came as far as its opmode.
pub(crate) fn wanted_opmode(facts: &Facts<'_>) -> bool {
    let requested = facts.reached(|m| match m {
        Milestone::OpmodeRequested { .. }
        | Milestone::OpmodeAsked { .. }
        | Milestone::OpmodeStarted { .. } => Some(()),
        _ => None,
    });
    !requested.is_empty()
}
