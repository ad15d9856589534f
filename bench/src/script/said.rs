//! What a scenario says about a milestone, and where.

use crate::script::recover::Spot;
use crate::script::scenario::{Pattern, When};

/// In a step, a rule, an expectation, or as the moment of a fault.
pub(super) struct Said<'s> {
    pub(super) spot: Spot<'s>,
    pub(super) pattern: &'s Pattern,
    /// Of which runs.
    pub(super) when: &'s When,
    /// Something waits for it for ever.
    pub(super) holds: bool,
}
