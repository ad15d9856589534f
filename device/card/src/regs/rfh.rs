//! Multi-queue receive, in BAR 0.

use iwl_hw::Register;

use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::Outcome;

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let Some(rfh) = chip.rx.rfh() else { return keep(chip, register, value) };
    rfh.offer(register.index, value);
    (Outcome::Implemented, Then::Nothing)
}
