//! How a run ended, in one line, and the exit code that goes with it.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::KernelTrouble => "kernel-trouble",
            Outcome::GuestPanicked => "guest-panicked",
            Outcome::GuestReset => "guest-reset",
            Outcome::GuestPoweredOff => "guest-powered-off",
            Outcome::GuestHung => "guest-hung",
            Outcome::NotBooted => "not-booted",
            Outcome::NoModprobe => "no-modprobe",
            Outcome::QemuDied => "qemu-died",
            Outcome::CardStopped => "card-stopped",
            Outcome::Environment => "environment",
            Outcome::Interrupted => "interrupted",
        }
    }

    /// 0 passed · 1 the driver's or the kernel's fault · 125 the environment could not run it
    /// (`git bisect run` skips that) · 130 stopped by the user (`git bisect run` ends at that).
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Passed => 0,
            Outcome::Failed
            | Outcome::KernelTrouble
            | Outcome::GuestPanicked
            | Outcome::GuestReset
            | Outcome::GuestPoweredOff
            | Outcome::GuestHung => 1,
            Outcome::NotBooted
            | Outcome::NoModprobe
            | Outcome::QemuDied
            | Outcome::CardStopped
            | Outcome::Environment => 125,
            Outcome::Interrupted => 130,
        }
    }
}

/// How a run ended and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// In one line: what happened, and the remedy where there is one.
    pub line: String,
}

impl Verdict {
    /// A verdict.
    pub fn new(outcome: Outcome, line: impl Into<String>) -> Verdict {
        Verdict { outcome, line: line.into() }
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
