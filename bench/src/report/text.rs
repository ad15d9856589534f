//! A run as text.

use std::fmt::Write;

use super::run::Run;
use super::words;
use crate::facts::phases;
use crate::facts::timeline::seconds;

/// Every event but register accesses, then expectations and verdict.
pub fn report(run: &Run) -> String {
    let mut out = String::new();
    // A String takes any write.
    let _ = writeln!(out, "{} · {}", run.scenario(), run.combination());
    for event in run.events.iter().filter(|e| !e.is_access()) {
        let _ = writeln!(out, "{}", words::timed(event));
    }
    if !run.milestones().is_empty() {
        let _ = writeln!(out, "\nMilestones");
    }
    for milestone in run.milestones() {
        let (t, whose) = (seconds(milestone.t_ns), run.whose(milestone));
        let _ = writeln!(out, "{t:>9.3}  {whose}{}", milestone.text());
    }
    if !run.expectations().is_empty() {
        let _ = writeln!(out, "\nExpectations");
    }
    for expectation in run.expectations() {
        let mark = if expectation.failure.is_some() { '✗' } else { '✓' };
        let _ = writeln!(out, "  {mark} {}", expectation.that);
        for line in expectation.failure.iter().flat_map(|f| f.what.lines()) {
            let _ = writeln!(out, "      {line}");
        }
    }
    if let Some(record) = &run.record {
        let _ = writeln!(out, "\nseconds: {}", phases::in_words(&record.phases));
    }
    let verdict = run.verdict();
    let _ = writeln!(out, "\n{}: {}", verdict.outcome.to_uppercase(), verdict.line);
    let _ = writeln!(out, "run: {}", run.directory.display());
    out
}
