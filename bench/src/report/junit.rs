//! JUnit XML, for CI servers: a suite per scenario, a case per card, kernel and acceleration.
//!
//! A failed run is a `failure`; one that the environment could not run, or that was stopped, is
//! an `error`: it says nothing about the driver.
//!
//! A case holds only what strict readers know: Jenkins' xUnit plugin (`junit-10.xsd`) and Surefire
//! (`surefire-test-report.xsd`) allow it no properties, and an earlier attempt no bare text.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::run::{Run, by_scenario};
use crate::facts::verdict::Class;

/// The runs as a JUnit document.
///
/// # Errors
/// The XML cannot be put together.
pub fn report(runs: &[Run]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("iwlbench");
    for (scenario, cases) in by_scenario(runs) {
        let mut suite = TestSuite::new(scenario.as_str());
        suite.add_test_cases(cases.into_iter().map(|(name, run)| case(&scenario, name, run)));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(scenario: &str, name: String, run: &Run) -> TestCase {
    let verdict = run.verdict();
    let status = match verdict.class() {
        Class::Passed => TestCaseStatus::success(),
        class => {
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
    for earlier in &run.earlier {
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
    if verdict.class() != Class::Passed {
        for log in &run.log {
            out += &format!("\n{}:\n{}\n", log.title, log.text);
        }
    }
    case.set_system_out(out);
    case
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
