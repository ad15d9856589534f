//! The periphery, behind `HBUS_TARG_PRPH_*`.

use iwl_hw::csr::{self, prph_addr};
use iwl_hw::{Access, Register, prph};

use super::reached::{Reached, offset_name};
use crate::chip::Chip;
use crate::event::{Outcome, RegName, Space};
use crate::layout::SCD_SRAM_BASE;

/// The address that a window's address register holds, as the decoder sees it.
fn address(chip: &Chip, window: u32) -> u32 {
    chip.stored(window) & prph_addr::ADDR_MSK & chip.silicon.prph.map().mask()
}

fn reached(address: u32, reg: RegName, value: u32, outcome: Outcome) -> Reached {
    Reached { space: Space::Prph, address, reg, value, outcome }
}

/// `HBUS_TARG_PRPH_RDAT`.
pub(super) fn read(chip: &mut Chip) -> Reached {
    let address = address(chip, csr::HBUS_TARG_PRPH_RADDR);
    let stored = chip.prph.read_word(address);
    let Some(register) = chip.silicon.prph.map().get(address) else {
        return reached(address, offset_name(address), stored, Outcome::Unknown);
    };
    let (value, outcome) = match register.id {
        prph::SCD_SRAM_BASE_ADDR => (SCD_SRAM_BASE, Outcome::Implemented),
        prph::SCD_QUEUE_RDPTR | prph::SCD_QUEUE_RDPTR_20 => {
            (chip.tx.read(register.index), Outcome::Implemented)
        }
        prph::SCD_QUEUE_WRPTR | prph::SCD_QUEUE_WRPTR_20 => {
            (chip.tx.write(register.index), Outcome::Implemented)
        }
        prph::SCD_QUEUE_STATUS_BITS | prph::SCD_QUEUE_STATUS_BITS_20 => {
            (stored, Outcome::Implemented)
        }
        _ if register.access == Access::WriteOnly => (0, Outcome::Stub),
        _ => (stored, Outcome::Stub),
    };
    reached(address, register.name.into(), value, outcome)
}

/// `HBUS_TARG_PRPH_WDAT`.
pub(super) fn write(chip: &mut Chip, value: u32) -> Reached {
    let address = address(chip, csr::HBUS_TARG_PRPH_WADDR);
    let (reg, outcome) = match chip.silicon.prph.map().get(address) {
        None => {
            chip.store_prph(address, value);
            (offset_name(address), Outcome::Unknown)
        }
        Some(register) => (register.name.into(), write_register(chip, register, address, value)),
    };
    reached(address, reg, value, outcome)
}

fn write_register(chip: &mut Chip, register: &Register, address: u32, value: u32) -> Outcome {
    match register.access {
        Access::ReadOnly => return Outcome::ReadOnly,
        Access::WriteOneToClear => {
            let left = chip.prph.read_word(address) & !value;
            chip.store_prph(address, left);
            return Outcome::Stub;
        }
        Access::ReadWrite | Access::WriteOnly => chip.store_prph(address, value),
    }
    match register.id {
        prph::SCD_QUEUE_STATUS_BITS | prph::SCD_QUEUE_STATUS_BITS_20 => {
            chip.tx.set_status(register.index, value);
        }
        prph::SCD_QUEUE_RDPTR | prph::SCD_QUEUE_RDPTR_20 => {
            chip.tx.set_read(register.index, value);
        }
        prph::DEVICE_SET_NMI_REG => chip.nmi(),
        _ => return Outcome::Stub,
    }
    Outcome::Implemented
}
