//! What came of a run.

use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Outcome, Verdict};
use crate::script::expect::Judged;
use crate::script::scenario::{Scenario, Vars};

/// Whether anything can be played in a guest that has found this.
pub(super) fn usable(hello: &guest_protocol::Hello) -> Result<(), Verdict> {
    if hello.modprobe.is_none() {
        return Err(Verdict::new(
            Outcome::NoModprobe,
            "the guest's image has no modprobe: no module can come, whatever the driver does; \
             use an image that `iwlbench image` made",
        ));
    }
    if !(hello.firmware_gate && hello.module_gate) {
        return Err(Verdict::new(
            Outcome::Environment,
            format!("the guest has no gates: {}", hello.warnings.join("; ")),
        ));
    }
    Ok(())
}

pub(super) fn verdict(
    scenario: &Scenario,
    vars: &Vars,
    played: Result<(), Verdict>,
    expectations: &[Judged],
    events: &[Event],
    console_tail: &str,
) -> Verdict {
    let trouble = events.iter().find_map(|e| match &e.what {
        What::Bench(BenchEvent::KernelTrouble { trouble, text })
            if !scenario.tolerates(*trouble, vars) =>
        {
            Some((e.seq, *trouble, text.clone()))
        }
        _ => None,
    });
    let played = match played {
        // It ends the steps, and what came before it is judged.
        Err(verdict)
            if verdict.outcome == Outcome::GuestPanicked
                && scenario.tolerates(Trouble::Panic, vars) =>
        {
            Ok(())
        }
        played => played,
    };
    match (played, trouble) {
        // The end of the guest says more than what came before it.
        (Err(verdict), _) if verdict.outcome != Outcome::Failed => verdict,
        (_, Some((seq, trouble, text))) => Verdict::new(
            Outcome::KernelTrouble,
            format!("the guest's kernel reported {}: {text}", trouble.words()),
        )
        .with_cause(seq),
        (Err(verdict), None) => verdict,
        (Ok(()), None) => {
            let failed: Vec<_> = expectations.iter().filter(|j| j.failure.is_some()).collect();
            let total = expectations.len();
            match failed.first() {
                None => Verdict::new(Outcome::Passed, held(total)),
                Some(first) => Verdict::new(
                    Outcome::Failed,
                    format!(
                        "{} of {total} expectations failed: {}{}",
                        failed.len(),
                        first.that,
                        if console_tail.is_empty() { "" } else { "; console.log may tell more" }
                    ),
                ),
            }
        }
    }
}

fn held(expectations: usize) -> String {
    match expectations {
        // Not to be read as more than it is.
        0 => "all steps were done; nothing is expected of this run".into(),
        1 => "the one expectation held".into(),
        n => format!("all {n} expectations held"),
    }
}
