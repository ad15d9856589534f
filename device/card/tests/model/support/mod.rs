//! A world of plain memory, and drivers that do what iwlwifi does, as far as the tests go.

pub(crate) mod gen2;
mod legacy;
pub(crate) mod rfh;
mod story;
mod world;

use iwl_card::{CardEvent, Nanos, Outcome};
use iwl_ucode::marker;

pub(crate) use legacy::{Driver, Received};
pub(crate) use world::TestWorld;

pub(crate) const MILLISECOND: Nanos = 1_000_000;
/// What the sections of an INIT image begin with.
pub(crate) const INIT: &[u8] = &marker::INIT;
/// What those of a runtime image begin with.
pub(crate) const RUNTIME: &[u8] = &marker::RUNTIME;

/// The last register access's outcome.
pub(crate) fn last_outcome(driver: &Driver) -> Option<Outcome> {
    driver.world.events.iter().rev().find_map(|event| match event {
        CardEvent::RegRead { outcome, .. } | CardEvent::RegWrite { outcome, .. } => Some(*outcome),
        _ => None,
    })
}
