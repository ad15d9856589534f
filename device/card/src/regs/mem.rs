//! Device memory, behind `HBUS_TARG_MEM_*`.

use iwl_hw::csr;

use super::reached::{Reached, Then, offset_name};
use crate::chip::Chip;
use crate::event::{CardEvent, Outcome, Space};

/// `HBUS_TARG_MEM_RDAT`.
pub(super) fn read(chip: &mut Chip) -> Reached {
    let address = chip.stored(csr::HBUS_TARG_MEM_RADDR);
    chip.store(csr::HBUS_TARG_MEM_RADDR, address.wrapping_add(4));
    reached(address, chip.sram.read_word(address))
}

/// `HBUS_TARG_MEM_WDAT`.
pub(super) fn write(chip: &mut Chip, value: u32) -> (Reached, Then) {
    let address = chip.stored(csr::HBUS_TARG_MEM_WADDR);
    chip.store(csr::HBUS_TARG_MEM_WADDR, address.wrapping_add(4));
    let then = match chip.sram.write_word(address, value) {
        Ok(()) => Then::Nothing,
        Err(_) => {
            let what = format!("no device memory left for a write at {address:#x}");
            Then::Tell(CardEvent::BadInput { what })
        }
    };
    (reached(address, value), then)
}

fn reached(address: u32, value: u32) -> Reached {
    let reg = offset_name(address);
    Reached { space: Space::Mem, address, reg, value, outcome: Outcome::Implemented }
}
