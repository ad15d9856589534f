//! JUnit XML, for CI servers: a suite per scenario, a case per card, kernel and acceleration.
//!
//! A failed run is a `failure`; one that the environment could not run, or that was stopped, is
//! an `error`: it says nothing about the driver. One that fails as it is known to is `skipped`, as is
//! what a matrix leaves out, and one that is known to fail and passes is a `failure`.
//!
//! A case holds only what strict readers know: Jenkins' xUnit plugin (`junit-10.xsd`) and Surefire
//! (`surefire-test-report.xsd`) allow it no properties, and an earlier attempt no bare text.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use serde_json::Value;

use super::fields;
use super::run::{Run, left_out_name, suites};
use crate::facts::verdict::Class;
use crate::record::matrix::LeftOut;

/// The runs, and what was left out, as a JUnit document.
///
/// # Errors
/// The XML cannot be put together.
pub fn report(runs: &[Run], left_out: &[LeftOut]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("iwlbench");
    for suite in suites(runs, left_out) {
        let mut cases = TestSuite::new(suite.scenario.as_str());
        let played = suite.cases.into_iter();
        cases.add_test_cases(played.map(|(name, run)| case(&suite.scenario, name, run)));
        cases.add_test_cases(suite.left_out.into_iter().map(skipped));
        report.add_test_suite(cases);
    }
    report.to_string()
}

fn skipped(place: &LeftOut) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_type("left-out").set_message(place.reason.clone());
    let mut case = TestCase::new(left_out_name(place), status);
    case.set_classname(format!("iwlbench.{}", place.scenario));
    case
}

fn case(scenario: &str, name: String, run: &Run) -> TestCase {
    let verdict = run.verdict();
    let status = match (verdict.class(), &run.known) {
        (_, Some(known)) if known.gone => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = format!("it does not fail any more: take it out of {}", known.at);
            status.set_type("known-failure-gone").set_message(message);
            status
        }
        (Class::Failed, Some(known)) => {
            let mut status = TestCaseStatus::skipped();
            let (outcome, line) = (&verdict.outcome, &verdict.line);
            let reason = format!("fails as known: {} ({})", known.reason, known.at);
            status.set_type(outcome.clone()).set_message(format!("{reason}: {outcome}: {line}"));
            status
        }
        (Class::Passed, _) => TestCaseStatus::success(),
        (class, _) => {
            let kind = match class {
                Class::Failed => NonSuccessKind::Failure,
                _ => NonSuccessKind::Error,
            };
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_type(verdict.outcome.clone())
                .set_message(verdict.line.clone())
                .set_description(description(run));
            status
        }
    };
    let mut status = status;
    // Only what counts has attempts before it.
    let earlier: &[Run] = if run.known.is_some() { &[] } else { &run.earlier };
    for earlier in earlier {
        let verdict = earlier.verdict();
        let kind = match verdict.class() {
            Class::Failed => NonSuccessKind::Failure,
            _ => NonSuccessKind::Error,
        };
        let mut rerun = TestRerun::new(kind);
        rerun
            .set_type(verdict.outcome.clone())
            .set_message(verdict.line.clone())
            .set_stack_trace(description(earlier));
        status.add_rerun(rerun);
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("iwlbench.{scenario}"));
    let seconds = run.record.as_ref().map_or(0.0, |record| record.seconds);
    case.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let mut out = format!("run: {}\n", run.directory.display());
    out += &cited(run);
    if verdict.class() != Class::Passed {
        for log in &run.log {
            out += &format!("\n{}:\n{}\n", log.title, log.text);
        }
    }
    case.set_system_out(out);
    case
}

/// What the run can be cited by, a line each; the scenario's text last.
fn cited(run: &Run) -> String {
    let Some(record) = &run.record else { return String::new() };
    let mut out = String::new();
    for field in ["date", "iwlbench", "command", "again", "kernel_command_line", "scenario_text"] {
        let value = match record.facts.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(program)) => {
                let words = ["version", "commit"].map(|word| fields::str(program, word));
                words.join(" ").trim().to_owned()
            }
            Some(value) => fields::plain(value),
        };
        let separator = if value.contains('\n') { '\n' } else { ' ' };
        out += &format!("{}:{separator}{value}\n", field.replace('_', " "));
    }
    out
}

/// The failed expectations, each with its nearest mismatch.
fn description(run: &Run) -> String {
    let verdict = run.verdict();
    let mut text = format!("{}: {}\n", verdict.outcome, verdict.line);
    for expectation in run.expectations() {
        if let Some(failure) = &expectation.failure {
            text += &format!("\n✗ {}\n", expectation.that);
            for line in failure.what.lines() {
                text += &format!("    {line}\n");
            }
        }
    }
    text += &format!("\nrun: {}\n", run.directory.display());
    text
}
