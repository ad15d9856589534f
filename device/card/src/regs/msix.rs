//! MSI-X: causes, masks, routing.

use iwl_hw::Register;
use iwl_hw::msix;

use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::Outcome;

pub(super) fn read(chip: &Chip, register: &Register) -> (u32, Outcome) {
    let stored = chip.stored(register.offset);
    let Some(block) = &chip.irq.msix else { return (stored, Outcome::Stub) };
    let value = match register.id {
        msix::CSR_MSIX_FH_INT_CAUSES_AD => block.fh.causes,
        msix::CSR_MSIX_FH_INT_MASK_AD => block.fh.mask,
        msix::CSR_MSIX_HW_INT_CAUSES_AD => block.hw.causes,
        msix::CSR_MSIX_HW_INT_MASK_AD => block.hw.mask,
        msix::CSR_MSIX_AUTOMASK_ST_AD => block.automask(),
        msix::CSR_MSIX_RX_IVAR_AD_REG | msix::CSR_MSIX_IVAR_AD_REG => stored,
        _ => return (stored, Outcome::Stub),
    };
    (value, Outcome::Implemented)
}

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let Some(block) = &mut chip.irq.msix else { return keep(chip, register, value) };
    match register.id {
        msix::CSR_MSIX_FH_INT_CAUSES_AD => block.fh.causes &= !value,
        msix::CSR_MSIX_FH_INT_MASK_AD => block.fh.mask = value,
        msix::CSR_MSIX_HW_INT_CAUSES_AD => block.hw.causes &= !value,
        msix::CSR_MSIX_HW_INT_MASK_AD => block.hw.mask = value,
        msix::CSR_MSIX_AUTOMASK_ST_AD => block.unmask(value),
        msix::CSR_MSIX_RX_IVAR_AD_REG | msix::CSR_MSIX_IVAR_AD_REG => {
            let at = register.offset - msix::CSR_MSIX_RX_IVAR_AD_REG;
            block.set_ivars(at as usize, value);
            chip.store(register.offset, value);
        }
        _ => return keep(chip, register, value),
    }
    (Outcome::Implemented, Then::Nothing)
}
