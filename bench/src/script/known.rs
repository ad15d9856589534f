//! Failures that are known: a file of them, so that a matrix tells them from those that are new,
//! and says when one is gone.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::facts::driver::{self, Choice};
use crate::facts::near::{self, NoSuch};
use crate::facts::verdict::{Class, Outcome};
use crate::script::complaint::{self, Complaint};
use crate::script::read::{self, ScenarioError};
use crate::script::recover::{self, Spot};
use crate::script::scenario::{KernelRange, Scenario, glob, no_card};

/// A file of known failures.
#[derive(Debug, Default)]
pub struct Known {
    failures: Vec<(String, Failure)>,
    /// What in it is probably not meant so, each with its place.
    pub doubts: Vec<String>,
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
    /// What of it can match nothing is an error; a scenario that is unknown here, and like none that is
    /// known, may be another run's: a doubt.
    fn look(
        &self,
        spot: &Spot<'_>,
        played: &[&str],
        wrong: &mut Vec<Complaint>,
    ) -> Option<Complaint> {
        let mut complain = |key: &str, what: String| {
            wrong.push(Complaint::new(spot.key(key).at, what));
        };
        if self.reason.trim().is_empty() {
            let what = "a known failure has a reason: the commit or report that it is known from";
            complain("reason", what.to_owned());
        }
        if self.outcome.is_some_and(|own| own.class() != Class::Failed) {
            let what = "this outcome is no failure of a driver: it cannot be a known one";
            complain("outcome", what.to_owned());
        }
        let none = |pattern: &str, names: &[&str]| !names.iter().any(|name| glob(pattern, name));
        let cards: Vec<_> = iwl_card::cards().iter().map(|card| card.name).collect();
        if let Some(card) = self.card.as_deref().filter(|card| none(card, &cards)) {
            complain("card", format!("{:#}", no_card(card)));
        }
        let drivers = driver::all_choices().map(Choice::name).chain([driver::BUILT_IN]);
        let drivers: Vec<_> = drivers.collect();
        if let Some(name) = self.driver.as_deref().filter(|name| none(name, &drivers)) {
            let listed = driver::all_choices().map(Choice::name);
            let no_such = NoSuch::new("driver", name, listed).or([driver::BUILT_IN]);
            let no_such = no_such.told_by("iwlbench list drivers");
            complain("driver", format!("{no_such:#}"));
        }
        let scenarios: Vec<&str> = read::names().chain(played.iter().copied()).collect();
        if !none(&self.scenario, &scenarios) {
            return None;
        }
        let near = match self.scenario.contains('*') {
            true => near::nearest_pattern(&self.scenario, &scenarios),
            false => near::nearest(&self.scenario, scenarios.iter().copied()).map(str::to_owned),
        };
        // Another of the user's own may be meant for another command.
        let is_near = match self.scenario.contains('*') {
            true => near.is_some(),
            false => near.as_deref().is_some_and(|near| read::names().any(|name| name == near)),
        };
        let what = match near.filter(|_| self.scenario.contains('*')) {
            Some(near) => {
                format!("no scenario is `{}`; did you mean `{near}`?", self.scenario)
            }
            None => {
                let no_such = NoSuch::new("scenario", &self.scenario, read::names());
                let no_such = no_such.or(played.iter().copied());
                let no_such = no_such.told_by("iwlbench list scenarios");
                format!("{no_such:#}\nthis entry matches nothing: no run is a known failure by it")
            }
        };
        match is_near {
            true => {
                complain("scenario", what);
                None
            }
            false => Some(Complaint::new(spot.key("scenario").at, what)),
        }
    }

    /// Whether a place is one of its own.
    pub fn is_at(&self, place: Place<'_>) -> bool {
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
    /// Reads a file, for runs of these scenarios.
    ///
    /// # Errors
    /// It cannot be read, or is no such file, or speaks of what there is not.
    pub fn read(path: &Path, scenarios: &[Scenario]) -> Result<Known, ScenarioError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: file.clone(), source })?;
        let played: Vec<_> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        Known::parse(&file, &text, &played)
    }

    fn parse(file: &str, text: &str, played: &[&str]) -> Result<Known, ScenarioError> {
        let recover::Read { whole, mut complaints, left } = recover::read::<File>(text);
        let failures = whole.map(|file| file.failures).unwrap_or_default();
        let mut doubts = Vec::new();
        for (index, failure) in failures.iter().enumerate() {
            let spot = left.spot().key("failure").nth(index);
            doubts.extend(failure.get_ref().look(&spot, played, &mut complaints));
        }
        if !complaints.is_empty() {
            complaints.sort_by_key(|complaint| complaint.at.start);
            return Err(ScenarioError::Invalid {
                file: file.to_owned(),
                errors: complaints.len(),
                shown: complaint::render(file, text, &complaints),
            });
        }
        let mut doubts: Vec<_> =
            doubts.iter().map(|doubt| complaint::render_doubt(file, text, doubt)).collect();
        if failures.is_empty() {
            doubts.push(format!("{file} names no [[failure]]: none is known"));
        }
        let with_place = |failure: Spanned<Failure>| {
            let line = 1 + text[..failure.span().start].matches('\n').count();
            (format!("{file}:{line}"), failure.into_inner())
        };
        Ok(Known { failures: failures.into_iter().map(with_place).collect(), doubts })
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
        let known = Known::parse("known.toml", FILE, &[]).expect("a file");
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
        for (text, place, told) in [
            ("scenario = \"x\"\n", "1:1", "missing field `reason`"),
            ("scenario = \"x\"\nreason = \" \"\n", "3:10", "has a reason"),
            ("scenario = \"x\"\nreason = \"y\"\nkernel = \"7\"\n", "4:10", "no range of kernels"),
            ("scenario = \"x\"\nreason = \"y\"\noutcome = \"passed\"\n", "4:11", "no failure"),
            ("scenario = \"x\"\nreason = \"y\"\noutcome = \"faild\"\n", "4:11", "mean `failed`?"),
            ("scenario = \"x\"\nreason = \"y\"\ncauses = \"z\"\n", "4:1", "did you mean `cause`?"),
            ("scenario = \"opmode-lod\"\nreason = \"y\"\n", "2:12", "did you mean `opmode-load`?"),
            ("scenario = \"unbnd-*\"\nreason = \"y\"\n", "2:12", "did you mean `unbind-*`?"),
            ("scenario = \"x\"\nreason = \"y\"\ncard = \"7261\"\n", "4:8", "did you mean `7260`?"),
            ("scenario = \"x\"\nreason = \"y\"\ncard = \"x*\"\n", "4:8", "there is no card `x*`"),
            ("scenario = \"x\"\nreason = \"y\"\ndriver = \"stok\"\n", "4:10", "mean `stock`?"),
        ] {
            let text = format!("[[failure]]\n{text}");
            let error = Known::parse("known.toml", &text, &["x"]).expect_err(&text).to_string();
            assert!(error.contains(told), "{error}");
            assert!(error.contains("known.toml has 1 error\n"), "{error}");
            assert!(error.contains(&format!("--> known.toml:{place}\n")), "{error}");
        }
        let wrong = "[[failures]]\n[[failure]]\nscenario = \"opmode-lod\"\nkernel = \"7\"\n\
                     reason = \"y\"\ncard = \"7261\"\n";
        let error = Known::parse("known.toml", wrong, &[]).expect_err(wrong).to_string();
        let places: Vec<_> =
            error.lines().filter_map(|line| line.trim().strip_prefix("--> known.toml:")).collect();
        assert_eq!(places, ["1:3", "3:12", "4:10", "6:8"], "{error}");
        assert!(error.contains("did you mean `failure`?"), "{error}");
    }

    #[test]
    fn what_may_be_meant_is_doubted() {
        let doubts = |text: &str, played: &[&str]| {
            Known::parse("known.toml", text, played).expect(text).doubts
        };
        let own = "[[failure]]\nscenario = \"of-another-suite\"\nreason = \"y\"\n";
        let told = doubts(own, &[]);
        assert!(told.len() == 1 && told[0].contains("no scenario `of-another-suite`"), "{told:?}");
        assert!(doubts(own, &["of-another-suite"]).is_empty());
        assert!(doubts(&own.replace("of-another-suite", "*"), &[]).is_empty());
        let told = doubts(&own.replace("of-another-suite", "no-such-*"), &[]);
        assert!(told.len() == 1 && told[0].contains("matches nothing"), "{told:?}");
        assert!(doubts("", &[])[0].contains("names no [[failure]]"));
    }
}
