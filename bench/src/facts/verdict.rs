//! How a run ended, in one line, and the exit code that goes with it.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::facts::diagnosis::Diagnosis;
use crate::facts::missing::Missing;

/// How a run ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Outcome {
    /// Every expectation held.
    Passed,
    /// An expectation or a check failed, or a step did not end as it should.
    Failed,
    /// The guest's kernel complained, and the scenario expects no such thing.
    KernelTrouble,
    /// The guest's kernel panicked.
    GuestPanicked,
    /// The guest reset itself.
    GuestReset,
    /// The guest switched itself off.
    GuestPoweredOff,
    /// The guest does not answer any more.
    GuestHung,
    /// The guest had more to tell than is kept of a run.
    Flooded,
    /// The guest's kernel did not come up.
    NotBooted,
    /// The guest has no modprobe: whatever the driver does, no module can come.
    NoModprobe,
    /// QEMU ended by itself.
    QemuDied,
    /// The card stopped serving.
    CardStopped,
    /// Something else in the way: no QEMU, no kernel, no disk space.
    Environment,
    /// The user stopped it.
    Interrupted,
}

impl Outcome {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// What it means to a machine.
    pub fn class(self) -> Class {
        match self {
            Outcome::Passed => Class::Passed,
            Outcome::Failed
            | Outcome::KernelTrouble
            | Outcome::GuestPanicked
            | Outcome::GuestReset
            | Outcome::GuestPoweredOff
            | Outcome::GuestHung
            | Outcome::Flooded => Class::Failed,
            Outcome::NotBooted
            | Outcome::NoModprobe
            | Outcome::QemuDied
            | Outcome::CardStopped
            | Outcome::Environment
            | Outcome::Interrupted => Class::NotRun,
        }
    }

    /// 0 passed · 1 the driver's or the kernel's fault · 125 the environment could not run it
    /// (`git bisect run` skips that) · 130 stopped by the user (`git bisect run` ends at that): the
    /// program itself ends with its signal's own code.
    pub fn exit_code(self) -> u8 {
        match self.class() {
            Class::Passed => 0,
            Class::Failed => 1,
            Class::NotRun if self == Outcome::Interrupted => 130,
            Class::NotRun => 125,
        }
    }
}

/// What an outcome means to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Every expectation held.
    Passed,
    /// The driver's or the kernel's fault.
    Failed,
    /// The environment could not run it, or it was stopped: nothing is known about the driver.
    NotRun,
}

/// How a run ended and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// In one line: what happened, and the remedy where there is one.
    pub line: String,
    /// The event that decided it, where it was one: what to look at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// What failed, where the line says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What the line says, in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Box<Diagnosis>>,
    /// The line is the cause: none is looked for.
    #[serde(skip)]
    pub explained: bool,
    /// What did not come, where it failed of that.
    #[serde(skip)]
    pub missing: Vec<Missing>,
    /// It failed of what came: nothing that is still to come would mend that.
    #[serde(skip)]
    pub contradicted: bool,
    /// It was waited for, until nothing was left to do or patience was at its end.
    #[serde(skip)]
    pub waited: bool,
}

impl Verdict {
    /// A verdict.
    pub fn new(outcome: Outcome, line: impl Into<String>) -> Verdict {
        Verdict {
            outcome,
            line: line.into(),
            cause: None,
            failed: None,
            diagnosis: None,
            explained: false,
            missing: Vec::new(),
            contradicted: false,
            waited: false,
        }
    }

    /// It failed of what did not come.
    #[must_use]
    pub fn without(self, missing: Vec<Missing>) -> Verdict {
        Verdict { missing, ..self }
    }

    /// Decided by this event.
    pub fn with_cause(self, seq: u64) -> Verdict {
        Verdict { cause: Some(seq), ..self }
    }

    /// With its cause for a headline.
    #[must_use]
    pub fn because(self, diagnosis: Diagnosis) -> Verdict {
        Verdict {
            line: diagnosis.line(),
            cause: diagnosis.events.first().copied(),
            failed: Some(self.line),
            diagnosis: Some(Box::new(diagnosis)),
            explained: true,
            ..self
        }
    }

    /// What failed, whatever it failed of.
    pub fn what(&self) -> &str {
        self.failed.as_deref().unwrap_or(&self.line)
    }
}

/// The exit code of several runs: an environment that failed says more than a failed run, a
/// failed run more than a passed one, and an interruption ends it all.
pub fn combined(outcomes: impl IntoIterator<Item = Outcome>) -> ExitCode {
    let rank = |code: u8| match code {
        0 => 0,
        1 => 1,
        125 => 2,
        _ => 3,
    };
    let code = outcomes.into_iter().map(Outcome::exit_code).max_by_key(|c| rank(*c));
    ExitCode::from(code.unwrap_or(0))
}
