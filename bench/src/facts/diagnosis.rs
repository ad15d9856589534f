//! Why a run failed, in a sentence: what of the hand-over did not come, and what stood in its way.
//!
//! Told from typed events; the kernel's log is only quoted, but for a probe that fails, of which no event
//! tells. What a scenario sets itself, as a card
//! that fails or a rule of a gate, is no cause: it failed because something else is not as it should
//! be. Causes are looked for from the end of the hand-over: the later a step, the more was well
//! before it.
//!
//! A WARNING is how the driver complains of its card: where that is seen to fail, it is the cause. Any
//! other complaint of the kernel's is one itself, as is the end of a guest that never came up.

mod boot;
mod card;
mod facts;
mod firmware;
mod opmode;
mod probe;
mod scenario;

use iwl_card::Fault;

pub use self::boot::diagnose_boot;
pub use self::card::fails_of_its_card;
pub(super) use self::card::of_card;
use self::facts::DMESG;
pub(super) use self::facts::Found;
pub use self::facts::{Diagnosis, Facts, Own};
use self::firmware::{no_firmware, sysfs_fallback};
use self::opmode::{deadlock, false_alarm, no_opmode, silent, unbind_waits, unbind_waits_for_gate};
pub use self::probe::failed_probe;
use self::probe::{no_probe, probe_failed};
use self::scenario::gate_holds;
pub use self::scenario::{ENDED_EARLY, HELD_BY_GATE};
use crate::facts::missing::Missing;
use crate::facts::symbol::readable;
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::{RUST_PANIC, Trouble};

/// The cause of a failed run, if one is seen.
pub fn diagnose(facts: &Facts<'_>) -> Option<Diagnosis> {
    let own = if facts.fell_short { Own::default() } else { facts.own };
    if !facts.missing.is_empty() && facts.missing.iter().all(Missing::is_of_a_card_at_work) {
        return of_card(facts).map(|found| found.diagnosis(facts));
    }
    let of_modules = || no_opmode(facts);
    let of_firmware = || no_firmware(facts);
    let false_alarm = facts.description.verifies.then(|| false_alarm(facts)).flatten();
    let found = false_alarm.or_else(|| of_card(facts));
    let found = found.or_else(|| probe_failed(facts, own.card));
    let found = found.or_else(|| gate_holds(facts));
    let found = found.or_else(|| (!own.modules).then(of_modules).flatten());
    let of_driver = || silent(facts).or_else(|| unbind_waits(facts));
    let found = found.or_else(|| (!facts.description.is_stock()).then(of_driver).flatten());
    // What nobody brings may be the scenario's; that the loader waits for it is the kernel's.
    let found = found.or_else(|| sysfs_fallback(facts));
    let found = found.or_else(|| (!own.firmware).then(of_firmware).flatten());
    let found = found.or_else(|| (!own.modules).then(|| no_probe(facts)).flatten());
    let found = found.or_else(|| (!facts.own.card).then(|| needless(facts)).flatten());
    found.map(|found| found.diagnosis(facts))
}

/// The cause of the kernel's complaint that this event is: the card, if it is a WARNING and the card
/// fails; else the complaint, with the place and what went before it.
pub fn diagnose_trouble(facts: &Facts<'_>, seq: u64) -> Option<Diagnosis> {
    let at = facts.events.iter().position(|event| event.seq == seq)?;
    let What::Bench(BenchEvent::KernelTrouble { trouble, text }) = &facts.events[at].what else {
        return None;
    };
    let found = match trouble {
        Trouble::Warning => of_card(facts),
        Trouble::Hang => unbind_waits_for_gate(facts, seq).or_else(|| deadlock(facts)),
        _ => None,
    };
    let mut found = match found {
        Some(found) => found,
        None => {
            // A panic in Rust says itself where it is.
            let says = text.starts_with(RUST_PANIC);
            let place = (!says).then(|| place_of(text, &facts.events[at..])).flatten();
            let place = place.map_or_else(String::new, |place| format!(" in {place}"));
            let before = facts.milestones.iter().take_while(|reached| reached.seq != seq);
            let before = before.filter(|reached| reached.milestone.is_of_the_guest());
            let after = before
                .last()
                .map_or_else(String::new, |last| format!(", after \"{}\"", last.milestone));
            let with: Vec<_> = facts.faults().map(|(_, fault)| fault).collect();
            let with = with
                .first()
                .map_or_else(String::new, |fault| format!(", with the card's fault {fault}"));
            let sentence = format!(
                "the guest's kernel reported {}{place}{after}{with}: {}",
                trouble.words(),
                text.trim_end().replace('\n', " ")
            );
            Found::new(trouble.into(), sentence, Vec::new())
                .remedy(format!("its trace is in {DMESG}"))
        }
    };
    found.events.push(seq);
    Some(found.diagnosis(facts))
}

/// What each line of a leak's begins with.
const KMEMLEAK: &str = "kmemleak: ";

/// The function that a complaint of the kernel's is about, and its module: in its first line, else in
/// the first of the lines after it that has an instruction pointer; of a leak, the first of a module's
/// that allocated it.
fn place_of(text: &str, after: &[Event]) -> Option<String> {
    // name+0x12/0x34 [module]
    fn function(text: &str) -> Option<String> {
        let mut words = text.split([' ', ',']).skip_while(|word| !word.contains("+0x"));
        let name = words.next()?.split('+').next()?.rsplit(':').next()?;
        let module = words.next().filter(|word| word.starts_with('[') && word.ends_with(']'));
        let name = readable(name);
        Some(module.map_or_else(|| name.clone(), |module| format!("{name} {module}")))
    }
    let log = after.iter().filter_map(Event::kernel_log);
    if text.starts_with(KMEMLEAK) {
        let mut trace = log.skip(1).take_while(|text| text.starts_with(KMEMLEAK));
        return trace.find(|text| text.ends_with(']')).and_then(function);
    }
    let pointer = || log.take(40).find(|text| text.starts_with("RIP: ")).and_then(function);
    function(text).or_else(pointer)
}

/// What a driver has to bear.
fn needless(facts: &Facts<'_>) -> Option<Found> {
    let faults = [
        (Fault::SpuriousInterrupt { every: 0 }, "the card interrupts without a cause"),
        (Fault::UnknownCause { every: 0 }, "the card interrupts with a cause that no driver knows"),
        (
            Fault::EarlyVector { vector: 0 },
            "the card interrupts before any image has run, when there are no receive queues yet",
        ),
        (
            Fault::RestlessVector { vector: 0 },
            "the card interrupts again and again before any image has run, while the driver sets up its \
             receive queues too",
        ),
        (Fault::NoResetDone, "the card does not answer that it is about to be reset"),
    ];
    let mut faults = faults.into_iter();
    let (fault, sentence, seq) =
        faults.find_map(|(fault, sentence)| Some((fault, sentence, facts.fault(fault)?)))?;
    let cause = match fault {
        Fault::NoResetDone => "reset-unanswered",
        _ => "needless-interrupts",
    };
    Some(Found::new(cause, sentence, vec![seq]).by(fault))
}

#[cfg(test)]
mod tests;
