//! What a run's guest is made of, and how it begins.

use guest_protocol::Hello;

use super::progress::RunProgress;
use crate::facts::added::Word;
use crate::facts::verdict::Verdict;
use crate::machine::faults::Equipped;
use crate::machine::gates::Gates;
use crate::machine::qemu::Machine;
use crate::machine::session::{Finished, Session};
use crate::record::run::Began;
use crate::record::rundir::RunDir;
use crate::script::scenario::{Guest, Vars};

/// A guest that is to play a scenario: its hello, or the verdict that came before it.
pub(super) struct Begun {
    pub(super) session: Session,
    pub(super) hello: Result<Hello, Verdict>,
    pub(super) how: Began,
    pub(super) snapshot: Option<String>,
}

/// A guest that was played with and is no more.
pub(super) struct Over {
    pub(super) played: Result<(), Verdict>,
    pub(super) hello: Option<Hello>,
    /// The console's end.
    pub(super) console: String,
    /// Modules that were there before the scenario, if that was looked at.
    pub(super) loaded: Vec<String>,
    /// Somebody in the guest was in the middle of something when it failed.
    pub(super) at_work: bool,
    pub(super) finished: Finished,
}

/// What a run's guest is made of, as often as it takes to start one.
pub(super) struct Plan<'a> {
    pub(super) machine: Machine<'a>,
    pub(super) image_sha256: &'a str,
    pub(super) loaded: &'a Loaded,
    /// What of the kernel's command line is not the bench's own.
    pub(super) added: &'a [Word],
    pub(super) dir: &'a RunDir,
    pub(super) cards: &'a dyn Fn() -> Vec<Equipped>,
    pub(super) gates: &'a dyn Fn() -> Gates,
    pub(super) progress: &'a dyn RunProgress,
}

/// What the guest's kernel has loaded before the scenario begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loaded {
    /// [`Guest::LOADED`], where it can be.
    Usual,
    /// What the scenario names, without fail.
    Named(Vec<String>),
}

impl Loaded {
    pub(super) fn new(guest: &Guest, vars: &Vars) -> Loaded {
        match &guest.loaded {
            None => Loaded::Usual,
            Some(names) => Loaded::Named(names.iter().map(|name| vars.string(name)).collect()),
        }
    }

    /// What the scenario names.
    pub(super) fn named(&self) -> &[String] {
        match self {
            Loaded::Usual => &[],
            Loaded::Named(names) => names,
        }
    }
}
