//! Failures that are known: a file of them, so that a matrix tells them from those that are new,
//! and says when one is gone.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::facts::verdict::{Class, Outcome};
use crate::script::complaint::{self, Complaint};
use crate::script::read::ScenarioError;
use crate::script::scenario::{KernelRange, glob};

/// A file of known failures.
#[derive(Debug, Default)]
pub struct Known {
    failures: Vec<(String, Failure)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "failure")]
    failures: Vec<Spanned<Failure>>,
}

/// A known failure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Failure {
    /// The scenarios, `*` for any characters.
    scenario: String,
    /// The cards, likewise; none: all.
    card: Option<String>,
    /// The kernels, as in a scenario; none: all.
    kernel: Option<KernelRange>,
    /// The drivers, as `--driver` calls them, `*` for any characters; none: all.
    driver: Option<String>,
    /// Why it is known: a commit, a report.
    pub reason: String,
    /// The outcome that it is; any other is another failure.
    outcome: Option<Outcome>,
    /// Words of the verdict's line; a line without them is another failure.
    cause: Option<String>,
}

/// What is played: a place of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Scenario.
    pub scenario: &'a str,
    /// Card.
    pub card: &'a str,
    /// The kernel's version.
    pub kernel: &'a str,
    /// The driver, as `--driver` calls it.
    pub driver: &'a str,
}

impl Failure {
    fn is_at(&self, place: Place<'_>) -> bool {
        glob(&self.scenario, place.scenario)
            && self.card.as_ref().is_none_or(|card| glob(card, place.card))
            && self.kernel.as_ref().is_none_or(|range| range.contains(place.kernel))
            && self.driver.as_ref().is_none_or(|driver| glob(driver, place.driver))
    }

    /// Whether this is what came of it, and no other failure.
    pub fn is(&self, outcome: Outcome, line: &str) -> bool {
        // What could not be run is known of no driver.
        outcome.class() == Class::Failed
            && self.outcome.is_none_or(|own| own == outcome)
            && self.cause.as_ref().is_none_or(|words| line.contains(words))
    }
}

impl Known {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn read(path: &Path) -> Result<Known, ScenarioError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: file.clone(), source })?;
        Known::parse(&file, &text)
    }

    fn parse(file: &str, text: &str) -> Result<Known, ScenarioError> {
        let invalid = |complaints: &[Complaint]| ScenarioError::Invalid {
            file: file.to_owned(),
            errors: complaints.len(),
            shown: complaint::render(file, text, complaints),
        };
        let read: File = toml::from_str(text).map_err(|error| {
            invalid(&[Complaint::new(error.span().unwrap_or(0..0), error.message().to_owned())])
        })?;
        let senseless = |failure: &Spanned<Failure>| {
            let what = if failure.get_ref().reason.trim().is_empty() {
                "a known failure has a reason: the commit or report that it is known from"
            } else if failure.get_ref().outcome.is_some_and(|own| own.class() != Class::Failed) {
                "this outcome is no failure of a driver: it cannot be a known one"
            } else {
                return None;
            };
            Some(Complaint::new(failure.span(), what.to_owned()))
        };
        let complaints: Vec<_> = read.failures.iter().filter_map(senseless).collect();
        if !complaints.is_empty() {
            return Err(invalid(&complaints));
        }
        let with_place = |failure: Spanned<Failure>| {
            let line = 1 + text[..failure.span().start].matches('\n').count();
            (format!("{file}:{line}"), failure.into_inner())
        };
        Ok(Known { failures: read.failures.into_iter().map(with_place).collect() })
    }

    /// What is known to fail at a place, each with its file and line.
    pub fn at<'k>(&'k self, place: Place<'k>) -> impl Iterator<Item = &'k (String, Failure)> {
        self.failures.iter().filter(move |(_, failure)| failure.is_at(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[[failure]]
scenario = "unbind-*"
card = "7260"
kernel = ">=6.12, <7.3"
reason = "fixed in 7.3"
outcome = "kernel-trouble"
cause = "NULL pointer"

[[failure]]
scenario = "opmode-load"
reason = "a report"

[[failure]]
scenario = "modprobe-slow"
driver = "nowait-*"
reason = "it looks after a second"
"#;

    #[test]
    fn a_failure_is_known_by_place_outcome_and_cause() {
        let known = Known::parse("known.toml", FILE).expect("a file");
        let at = |scenario, card, kernel| {
            let place = Place { scenario, card, kernel, driver: "stock" };
            known.at(place).map(|(place, _)| place.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(at("unbind-in-the-gap", "7260", "6.12.43"), ["known.toml:2"]);
        assert!(at("unbind-in-the-gap", "7260", "7.3.4").is_empty());
        assert!(at("unbind-in-the-gap", "8265", "6.12.43").is_empty());
        assert_eq!(at("opmode-load", "8265", "6.1"), ["known.toml:10"]);
        let of = |driver| {
            let place = Place { scenario: "modprobe-slow", card: "7260", kernel: "7.3.4", driver };
            known.at(place).count()
        };
        assert_eq!((of("nowait-verify"), of("stock")), (1, 0));
        let [(_, one), (_, any), _] = &known.failures[..] else { panic!("three") };
        assert!(one.is(Outcome::KernelTrouble, "an oops: BUG: kernel NULL pointer dereference"));
        assert!(!one.is(Outcome::Failed, "NULL pointer") && !one.is(Outcome::KernelTrouble, "x"));
        assert!(any.is(Outcome::GuestHung, "x"));
        assert!(!any.is(Outcome::Passed, "x") && !any.is(Outcome::QemuDied, "x"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place() {
        let wrong = |text: &str| Known::parse("known.toml", text).expect_err(text).to_string();
        for (text, told) in [
            ("[[failure]]\nscenario = \"x\"\n", "missing field `reason`"),
            ("[[failure]]\nscenario = \"x\"\nreason = \" \"\n", "has a reason"),
            (
                "[[failure]]\nscenario = \"x\"\nreason = \"y\"\nkernel = \"7\"\n",
                "no range of kernels",
            ),
            ("[[failure]]\nscenario = \"x\"\nreason = \"y\"\noutcome = \"passed\"\n", "no failure"),
            (
                "[[failure]]\nscenario = \"x\"\nreason = \"y\"\ncards = \"7260\"\n",
                "unknown field `cards`",
            ),
        ] {
            let told_instead = wrong(text);
            assert!(told_instead.contains(told), "{told_instead}");
            assert!(told_instead.contains("known.toml:"), "{told_instead}");
        }
    }
}
