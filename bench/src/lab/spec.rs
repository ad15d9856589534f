//! What one run is made of, beside the lab.

use std::path::Path;

use iwl_card::CardSpec;

use crate::facts::verdict::Verdict;
use crate::machine::session::Session;
use crate::record::cite::Supply;
use crate::script::scenario::{InterruptChoice, PlannedFault, Scenario, Vars};

/// What one run is made of, beside the lab.
pub struct RunSpec<'a> {
    /// What is played.
    pub scenario: &'a Scenario,
    /// With which card.
    pub card: &'static CardSpec,
    /// What is wrong with it, beside what the scenario says.
    pub faults: &'a [PlannedFault],
    /// Its interrupts, if the user chooses them.
    pub interrupts: Option<InterruptChoice>,
    /// Whose firmware the guest is given.
    pub firmware: Supply<'a>,
    /// An initramfs instead of a built one.
    pub image: Option<&'a Path>,
    /// Modules left out by the user.
    pub without: &'a [String],
    /// Boot it for real, the card present from power-on.
    pub cold: bool,
    /// A rule that no request met is a failure.
    pub strict: bool,
    /// Where the run's directory goes.
    pub parent: &'a Path,
    /// Plays it otherwise than step by step.
    pub play: Option<&'a Play<'a>>,
    /// The user looks into the guest before it ends.
    pub look: Option<Look<'a>>,
}

impl<'a> RunSpec<'a> {
    /// A scenario with a card, and nothing more.
    pub fn new(scenario: &'a Scenario, card: &'static CardSpec, parent: &'a Path) -> Self {
        RunSpec {
            scenario,
            card,
            faults: &[],
            interrupts: None,
            firmware: Supply::Stub,
            image: None,
            without: &[],
            cold: false,
            strict: false,
            parent,
            play: None,
            look: None,
        }
    }
}

/// A look into a guest.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Not only where the run failed.
    pub always: bool,
    /// The look. What comes of it is no part of the verdict.
    pub into: &'a Play<'a>,
}

/// Plays a guest that is up, and says what is wrong with it.
pub type Play<'a> = dyn Fn(&mut Session, &Vars) -> Result<(), Verdict> + Sync + 'a;
