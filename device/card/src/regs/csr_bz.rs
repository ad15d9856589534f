//! What the Bz family has in CSR beside the others' registers.

use iwl_hw::Register;
use iwl_hw::ctxt::bz::CSR_DOORBELL_VECTOR;

use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::Outcome;

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    if register.id != CSR_DOORBELL_VECTOR {
        return keep(chip, register, value);
    }
    chip.doorbell(value);
    (Outcome::Implemented, Then::Nothing)
}
