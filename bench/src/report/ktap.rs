//! KTAP version 1, as `tools/testing/kunit/kunit.py parse` of the kernel reads it.
//!
//! Scenario, then card, kernel and acceleration, then the expectations; the last result of a run
//! is its verdict, as a run can fail with every expectation held.
//! A run that the environment could not run has that last result only.
//! Source: Documentation/dev-tools/ktap.rst.

use std::fmt::Write;

use super::run::{Known, Run, Suite, left_out_name, suites};
use crate::facts::verdict::Class;
use crate::record::matrix::LeftOut;

/// The runs, and what was left out, as a KTAP document.
pub fn report(runs: &[Run], left_out: &[LeftOut]) -> String {
    let suites = suites(runs, left_out);
    let mut out = Ktap { text: String::new(), depth: 0 };
    out.plan(suites.len());
    for (n, Suite { scenario, cases, left_out }) in suites.iter().enumerate() {
        out.open(scenario, cases.len() + left_out.len());
        for (n, (name, run)) in cases.iter().enumerate() {
            if let Some(known) = &run.known {
                out.known(n, name, run, known);
                continue;
            }
            out.open(name, run.expectations().len() + 1);
            for earlier in &run.earlier {
                let verdict = earlier.verdict();
                out.diagnostic(&format!(
                    "an earlier attempt: {}: {}",
                    verdict.outcome, verdict.line
                ));
                out.diagnostic(&format!("run: {}", earlier.directory.display()));
            }
            expectations(&mut out, run);
            out.depth -= 1;
            out.result(passed(run), n, name);
        }
        for (n, place) in left_out.iter().enumerate() {
            let (name, reason) = (clean(&left_out_name(place)), clean(&place.reason));
            out.line(&format!("ok {} {name} # SKIP {reason}", cases.len() + n + 1));
        }
        out.depth -= 1;
        out.result(cases.iter().all(|(_, run)| passed(run)), n, scenario);
    }
    out.text
}

/// What fails as it is known to is expected, and what is known to fail and passes is not.
fn passed(run: &Run) -> bool {
    match &run.known {
        Some(known) => !known.gone,
        None => run.verdict().class() == Class::Passed,
    }
}

fn expectations(out: &mut Ktap, run: &Run) {
    for (n, expectation) in run.expectations().iter().enumerate() {
        if let Some(failure) = &expectation.failure {
            out.diagnostic(&failure.what);
        }
        out.result(expectation.failure.is_none(), n, &expectation.that);
    }
    let verdict = run.verdict();
    if !passed(run) {
        out.diagnostic(&format!("{}: {}", verdict.outcome, verdict.line));
        out.diagnostic(&format!("run: {}", run.directory.display()));
        for log in &run.log {
            out.diagnostic(&format!("{}:\n{}", log.title, log.text));
        }
    }
    // Diagnostics of what passed are not shown by every reader; names are.
    let flaky =
        if passed(run) && !run.earlier.is_empty() { " when tried again (flaky)" } else { "" };
    let name = format!("verdict {}{flaky}", verdict.outcome);
    out.result(passed(run), run.expectations().len(), &name);
}

struct Ktap {
    text: String,
    depth: usize,
}

impl Ktap {
    fn line(&mut self, line: &str) {
        // A String takes any write.
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = 4 * self.depth);
    }

    fn plan(&mut self, tests: usize) {
        self.line("KTAP version 1");
        self.line(&format!("1..{tests}"));
    }

    /// Begins the results that a name sums up.
    fn open(&mut self, name: &str, tests: usize) {
        self.depth += 1;
        self.line("KTAP version 1");
        self.line(&format!("# Subtest: {}", clean(name)));
        self.line(&format!("1..{tests}"));
    }

    fn result(&mut self, ok: bool, index: usize, name: &str) {
        let word = if ok { "ok" } else { "not ok" };
        self.line(&format!("{word} {} {}", index + 1, clean(name)));
    }

    /// A result that is known: without its expectations, as one of them that failed would make the
    /// whole fail for `kunit.py`, which knows no directive but SKIP.
    fn known(&mut self, index: usize, name: &str, run: &Run, known: &Known) {
        let verdict = run.verdict();
        self.diagnostic(&format!("{}: {}", verdict.outcome, verdict.line));
        self.diagnostic(&format!("run: {}", run.directory.display()));
        if known.gone {
            self.diagnostic(&format!("it does not fail any more: take it out of {}", known.at));
            self.result(false, index, name);
        } else {
            let reason = clean(&known.reason);
            self.line(&format!("ok {} {} # XFAIL {reason}", index + 1, clean(name)));
        }
    }

    /// For people; each line begins with `#`, so nothing in it counts as a result.
    fn diagnostic(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("# {}", printable(line)));
        }
    }
}

/// `#` begins a directive such as SKIP.
fn clean(name: &str) -> String {
    printable(name).replace('#', "No.")
}

fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
