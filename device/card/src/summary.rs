//! What a run left to be said about the card.

use serde::Serialize;

use crate::event::{RegName, Space};

/// A register that the driver used and the model gives no meaning to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmodelled {
    /// The window.
    pub space: Space,
    /// Its vendor name, or its offset.
    pub reg: RegName,
    /// How often it was read.
    pub reads: u64,
    /// How often it was written.
    pub writes: u64,
}

/// Totals of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Register reads, all windows but config space.
    pub reads: u64,
    /// Register writes, all windows but config space.
    pub writes: u64,
    /// Registers without a row or without a meaning, ordered by window and offset.
    pub unmodelled: Vec<Unmodelled>,
    /// Further such registers that were not kept apart (a guest can make up any number).
    pub unmodelled_left_out: u64,
}
