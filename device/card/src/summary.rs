//! What a run left to be said about the card.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{Outcome, RegName, Space};

/// Registers kept apart; a guest can make up any number.
const LIMIT: usize = 1024;

/// A register that the driver used and the model gives no meaning to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmodelled {
    /// The window.
    pub space: Space,
    /// Its vendor name, or its offset.
    pub reg: RegName,
    /// [`Outcome::Stub`] if it has a row, [`Outcome::Unknown`] if not.
    pub outcome: Outcome,
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
    /// Accesses to further such registers, which were not kept apart.
    pub unmodelled_left_out: u64,
}

/// Counts while the card runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    reads: u64,
    writes: u64,
    unmodelled: BTreeMap<(Space, u32), Unmodelled>,
    left_out: u64,
}

impl Counters {
    /// Register accesses so far.
    pub(crate) fn accesses(&self) -> u64 {
        self.reads + self.writes
    }

    pub(crate) fn read(&mut self, space: Space, offset: u32, reg: &RegName, outcome: Outcome) {
        self.reads += 1;
        if let Some(entry) = self.unmodelled(space, offset, reg, outcome) {
            entry.reads += 1;
        }
    }

    pub(crate) fn write(&mut self, space: Space, offset: u32, reg: &RegName, outcome: Outcome) {
        self.writes += 1;
        if let Some(entry) = self.unmodelled(space, offset, reg, outcome) {
            entry.writes += 1;
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            reads: self.reads,
            writes: self.writes,
            unmodelled: self.unmodelled.values().cloned().collect(),
            unmodelled_left_out: self.left_out,
        }
    }

    fn unmodelled(
        &mut self,
        space: Space,
        offset: u32,
        reg: &RegName,
        outcome: Outcome,
    ) -> Option<&mut Unmodelled> {
        if !matches!(outcome, Outcome::Stub | Outcome::Unknown) {
            return None;
        }
        let key = (space, offset);
        if self.unmodelled.len() >= LIMIT && !self.unmodelled.contains_key(&key) {
            self.left_out += 1;
            return None;
        }
        Some(self.unmodelled.entry(key).or_insert_with(|| Unmodelled {
            space,
            reg: reg.clone(),
            outcome,
            reads: 0,
            writes: 0,
        }))
    }
}
