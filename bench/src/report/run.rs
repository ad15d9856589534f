//! A run, read back.
//!
//! These are not the types that wrote it. Another version may have, with fields, kinds and outcomes
//! that are not known here, or without some that are: all of it can be shown.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde_json::{Map, Value};

use super::fields;
use crate::facts::milestone;
use crate::facts::phases::Phase;
use crate::facts::timeline::seconds;
use crate::facts::trouble::complaint;
use crate::facts::verdict::{Class, Outcome};
use crate::record::matrix::{LeftOut, on};

/// Lines of the kernel log that a failure carries.
const LOG_TAIL: usize = 30;

/// A run, read back.
#[derive(Debug)]
pub struct Run {
    /// Where it was read from.
    pub directory: PathBuf,
    /// `run.json`; `None` if the run was killed before its end.
    pub record: Option<Record>,
    /// In order of time.
    pub events: Vec<Event>,
    /// What of the kernel log a failure carries.
    pub log: Vec<Log>,
    /// Earlier attempts at the same, which failed; a matrix tries again.
    pub earlier: Vec<Run>,
    /// Its place in a matrix is known to fail.
    pub known: Option<Known>,
    /// The last line of `events.jsonl` was cut and left out.
    pub cut: bool,
}

/// That a place is known to fail.
#[derive(Debug, Clone, Deserialize)]
pub struct Known {
    /// Why it is known.
    pub reason: String,
    /// The file and line that say so.
    #[serde(default)]
    pub at: String,
    /// It passed all the same.
    #[serde(default)]
    pub gone: bool,
}

/// A part of the guest's kernel log.
#[derive(Debug)]
pub struct Log {
    /// Which.
    pub title: &'static str,
    /// It is what the kernel complained of, with the trace.
    pub complaint: bool,
    /// A line each.
    pub text: String,
}

/// What a report needs of `run.json`. All but the verdict may be absent.
#[derive(Debug, Deserialize)]
pub struct Record {
    /// Scenario.
    pub scenario: String,
    /// What its variables stood for.
    #[serde(default)]
    pub vars: Vars,
    /// How it ended.
    pub verdict: Verdict,
    /// The faults of the card.
    #[serde(default)]
    pub faults: Value,
    /// The expectations.
    #[serde(default)]
    pub expectations: Vec<Expectation>,
    /// The steps of the hand-over.
    #[serde(default)]
    pub milestones: Vec<Milestone>,
    /// From power-on to the verdict.
    #[serde(default)]
    pub seconds: f64,
    /// Where they went.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// KVM or TCG.
    #[serde(default)]
    pub accel: String,
    /// The rest: versions and hashes, for people.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

/// What a scenario's variables stood for.
#[derive(Debug, Default, Deserialize)]
pub struct Vars {
    /// Card.
    #[serde(default)]
    pub card: String,
    /// Its opmode's module.
    #[serde(default)]
    pub opmode: String,
}

/// How a run ended.
#[derive(Debug, Clone, Deserialize)]
pub struct Verdict {
    /// In one word.
    pub outcome: String,
    /// In one line.
    #[serde(default)]
    pub line: String,
    /// What failed, where the line says why.
    #[serde(default)]
    pub failed: Option<String>,
    /// The event that decided it.
    #[serde(default)]
    pub cause: Option<u64>,
    /// Why it failed, where that is known.
    #[serde(default)]
    pub diagnosis: Option<Diagnosis>,
}

/// Why a run failed.
#[derive(Debug, Clone, Deserialize)]
pub struct Diagnosis {
    /// The same word for the same cause.
    pub cause: String,
}

/// An expectation and what came of it.
#[derive(Debug, Deserialize)]
pub struct Expectation {
    /// What it means.
    pub that: String,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// Why an expectation failed.
#[derive(Debug, Deserialize)]
pub struct Failure {
    /// What was expected and what came instead.
    pub what: String,
    /// The event to look at.
    #[serde(default)]
    pub near: Option<u64>,
}

/// A step of the hand-over.
#[derive(Debug, Clone, Deserialize)]
pub struct Milestone {
    /// The event it was derived from.
    pub seq: u64,
    /// When.
    pub t_ns: u64,
    /// Its kind, as scenarios write it.
    #[serde(rename = "milestone")]
    pub kind: String,
    /// Its fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// An observation.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// Place in the order.
    pub seq: u64,
    /// When.
    pub t_ns: u64,
    /// Who saw it.
    pub source: String,
    /// The guest's own time.
    #[serde(default)]
    pub guest_ns: Option<u64>,
    /// What it is.
    #[serde(default)]
    pub kind: String,
    /// Its fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Verdict {
    /// What it means. A word that is not known here is no pass and no fault of the driver's.
    pub fn class(&self) -> Class {
        let word: StrDeserializer<'_, ValueError> = self.outcome.as_str().into_deserializer();
        Outcome::deserialize(word).map_or(Class::NotRun, Outcome::class)
    }
}

impl Event {
    /// A text field, or the empty text.
    pub(super) fn str(&self, field: &str) -> &str {
        fields::str(&self.fields, field)
    }

    pub(super) fn u64(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.as_u64()
    }

    /// It has this, and it is true.
    pub(super) fn is(&self, field: &str) -> bool {
        self.fields.get(field) == Some(&Value::Bool(true))
    }

    pub(super) fn is_access(&self) -> bool {
        self.accesses() > 0
    }

    /// So many registers were read or written.
    pub(super) fn accesses(&self) -> u64 {
        match self.kind.as_str() {
            "reg-read" | "reg-write" => 1,
            "mem-read" => self.u64("len").unwrap_or_default() / 4,
            _ => 0,
        }
    }
}

impl Milestone {
    /// It is bad news; one that is not known here is none.
    pub(super) fn is_bad(&self) -> bool {
        self.known().is_some_and(|known| known.is_bad())
    }

    /// As this bench knows it.
    pub(super) fn known(&self) -> Option<milestone::Milestone> {
        let mut fields = self.fields.clone();
        fields.insert("milestone".to_owned(), Value::String(self.kind.clone()));
        serde_json::from_value(Value::Object(fields)).ok()
    }
}

impl Run {
    /// How it ended; a run without a record was killed.
    pub fn verdict(&self) -> Verdict {
        self.record.as_ref().map_or_else(
            || Verdict {
                outcome: "killed".to_owned(),
                line: "the bench was killed before the run had ended; there is no run.json"
                    .to_owned(),
                failed: None,
                cause: None,
                diagnosis: None,
            },
            |record| record.verdict.clone(),
        )
    }

    /// The scenario, or for a killed run the name of its directory.
    pub fn scenario(&self) -> String {
        self.record.as_ref().map_or_else(|| self.name(), |record| record.scenario.clone())
    }

    /// The name of its directory.
    pub fn name(&self) -> String {
        self.directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Card, kernel and acceleration: tells the runs of one scenario apart.
    pub fn combination(&self) -> String {
        self.record.as_ref().map_or_else(
            || "killed".to_owned(),
            |r| {
                let faults = r.fault_names();
                let faults = if faults.is_empty() { String::new() } else { format!(" / {faults}") };
                let driver = match r.facts.get("driver").and_then(Value::as_str) {
                    None | Some(crate::facts::driver::STOCK) => String::new(),
                    Some(driver) => format!(" / {driver}"),
                };
                format!("{} / {}{driver} / {}{faults}", r.vars.card, r.kernel(), r.accel)
            },
        )
    }

    /// The expectations; none if the run says nothing about the driver, as they were then judged
    /// on nothing.
    pub(super) fn expectations(&self) -> &[Expectation] {
        match &self.record {
            Some(record) if record.verdict.class() != Class::NotRun => &record.expectations,
            _ => &[],
        }
    }

    /// All that is told of why it ended as it did: two runs with the same ended alike.
    pub(super) fn reasons(&self) -> impl PartialEq + use<> {
        let verdict = self.verdict();
        let failed = self.expectations().iter().filter_map(|expectation| {
            Some((expectation.that.clone(), expectation.failure.as_ref()?.what.clone()))
        });
        (verdict.outcome, verdict.line, failed.collect::<Vec<_>>())
    }

    pub(super) fn milestones(&self) -> &[Milestone] {
        self.record.as_ref().map_or(&[], |r| &r.milestones)
    }

    /// A milestone's card as a prefix, where there are several.
    pub(super) fn whose(&self, milestone: &Milestone) -> String {
        let card = |m: &Milestone| fields::str(&m.fields, "card").to_owned();
        let own = card(milestone);
        let others = |m: &Milestone| !card(m).is_empty() && card(m) != own;
        match own.is_empty() || !self.milestones().iter().any(others) {
            true => String::new(),
            false => format!("{own}: "),
        }
    }

    /// What the kernel complained of, with its trace, if that decided the run; and the log's end.
    pub(super) fn log_of_failure(&self) -> Vec<Log> {
        let log: Vec<_> = self.events.iter().filter(|e| e.kind == "kernel-log").collect();
        let verdict = self.verdict();
        let decided =
            |event: &&Event| event.kind == "kernel-trouble" && Some(event.seq) == verdict.cause;
        let complaint = match self.events.iter().find(decided) {
            Some(trouble) => complaint(log.iter().map(|e| e.str("text")), trouble.str("text")),
            None => 0..0,
        };
        let tail = log.len().saturating_sub(LOG_TAIL).max(complaint.end)..log.len();
        // Behind an oops' trace the kernel has its registers once more.
        let again = |event: &&&Event| {
            log[complaint.clone()].iter().any(|e| e.str("text") == event.str("text"))
        };
        let line = |e: &&Event| format!("{:>9.3}  {}", seconds(e.t_ns), e.str("text"));
        let tail: Vec<_> = log[tail].iter().filter(|e| !again(e)).map(line).collect();
        let complaint: Vec<_> = log[complaint.clone()].iter().map(line).collect();
        [("the kernel's complaint", true, complaint), ("the kernel log's end", false, tail)]
            .into_iter()
            .filter(|(_, _, lines)| !lines.is_empty())
            .map(|(title, complaint, lines)| Log { title, complaint, text: lines.join("\n") })
            .collect()
    }
}

impl Record {
    /// The kernel's release.
    pub fn kernel(&self) -> &str {
        self.facts
            .get("kernel")
            .and_then(|k| k.get("release"))
            .and_then(Value::as_str)
            .unwrap_or("unknown kernel")
    }

    /// The names of the card's faults.
    pub(super) fn fault_names(&self) -> String {
        let one = |fault: &Value| match fault {
            Value::String(name) => name.clone(),
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| format!("{name}={}", fields::plain(value)))
                .collect::<Vec<_>>()
                .join(" "),
            other => other.to_string(),
        };
        match &self.faults {
            Value::Array(faults) => faults.iter().map(one).collect::<Vec<_>>().join("+"),
            Value::Object(map) if map.is_empty() => String::new(),
            Value::Null => String::new(),
            other => one(other),
        }
    }
}

/// A scenario's runs, and where it was left out.
pub(super) struct Suite<'r> {
    /// Its name.
    pub scenario: String,
    /// Each run with a name that no other run of its scenario has.
    pub cases: Vec<(String, &'r Run)>,
    /// What was not played of it.
    pub left_out: Vec<&'r LeftOut>,
}

/// Runs by scenario, both in the order they came, then what was left out.
pub(super) fn suites<'r>(runs: &'r [Run], left_out: &'r [LeftOut]) -> Vec<Suite<'r>> {
    let mut suites: Vec<Suite<'r>> = Vec::new();
    for run in runs {
        let cases = &mut suite(&mut suites, run.scenario()).cases;
        let combination = run.combination();
        let same = cases.iter().filter(|(_, other)| other.combination() == combination).count();
        let name = match same {
            0 => combination,
            n => format!("{combination} / run {}", n + 1),
        };
        cases.push((name, run));
    }
    for place in left_out {
        suite(&mut suites, place.scenario.clone()).left_out.push(place);
    }
    suites
}

fn suite<'s, 'r>(suites: &'s mut Vec<Suite<'r>>, scenario: String) -> &'s mut Suite<'r> {
    let at = suites.iter().position(|suite| suite.scenario == scenario).unwrap_or_else(|| {
        suites.push(Suite { scenario, cases: Vec::new(), left_out: Vec::new() });
        suites.len() - 1
    });
    &mut suites[at]
}

/// What a place that was left out is called among those that were played.
pub(super) fn left_out_name(place: &LeftOut) -> String {
    format!("{} / {}", place.card, on(&place.kernel, &place.driver))
}
