//! What an access came to.

use iwl_hw::{Access, Register};

use crate::chip::Chip;
use crate::event::{CardEvent, Outcome, RegName, Space};

/// A register that was reached, in the window it lies in: what was read or written, and what came
/// of it. An access through a window is told once, there.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) space: Space,
    pub(crate) address: u32,
    pub(crate) reg: RegName,
    pub(crate) value: u32,
    pub(crate) outcome: Outcome,
}

/// What a write leads to.
#[derive(Debug)]
pub(crate) enum Then {
    /// Nothing that is told; work may have come up.
    Nothing,
    /// This is told.
    Tell(CardEvent),
    /// The CPU is released.
    ReleaseCpu,
    /// Everything behind BAR 0 is reset.
    Reset,
}

/// What a write came to.
pub(super) type Written = (Outcome, Then);

/// A write to a register that is no more than storage.
pub(super) fn keep(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let value = match register.access {
        Access::WriteOneToClear => chip.stored(register.offset) & !value,
        _ => value,
    };
    chip.store(register.offset, value);
    (Outcome::Stub, Then::Nothing)
}

/// How an address without a row is written.
pub(crate) fn offset_name(offset: u32) -> RegName {
    format!("{offset:#x}").into()
}
