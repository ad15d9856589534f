//! What the Bz family has in CSR otherwise than others, or beside them.

use iwl_hw::Register;
use iwl_hw::csr::{GpCntrl, GpCntrlBz, wrptr_wide};
use iwl_hw::csr_bz::{self, sleep_control};

use super::csr::{clock_ready, doorbell, radio_allowed};
use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::Outcome;
use crate::world::Events;

pub(super) fn read(
    chip: &mut Chip,
    register: &Register,
    events: &mut dyn Events,
) -> (u32, Outcome) {
    match register.id {
        csr_bz::CSR_GP_CNTRL => (gp_cntrl(chip, events), Outcome::Implemented),
        csr_bz::HBUS_TARG_WRPTR => (chip.stored(register.offset), Outcome::Implemented),
        _ => (chip.stored(register.offset), Outcome::Stub),
    }
}

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let then = match register.id {
        csr_bz::CSR_GP_CNTRL => control(chip, value),
        csr_bz::HBUS_TARG_WRPTR => queue_doorbell(chip, value),
        csr_bz::CSR_DOORBELL_VECTOR => {
            chip.doorbell(value);
            Then::Nothing
        }
        csr_bz::CSR_IPC_SLEEP_CONTROL => {
            chip.store(csr_bz::CSR_IPC_SLEEP_CONTROL, value);
            match value {
                sleep_control::SUSPEND => chip.host_sleeps(true),
                sleep_control::RESUME => chip.host_sleeps(false),
                _ => {}
            }
            Then::Nothing
        }
        _ => return keep(chip, register, value),
    };
    (Outcome::Implemented, then)
}

fn gp_cntrl(chip: &mut Chip, events: &mut dyn Events) -> u32 {
    let mut value = GpCntrlBz::from_bits_retain(chip.stored(csr_bz::CSR_GP_CNTRL));
    if radio_allowed(chip, events) {
        value |= GpCntrlBz::from_bits_retain(GpCntrl::HW_RF_KILL_SW.bits());
    }
    let awake = value.contains(GpCntrlBz::BZ_MAC_ACCESS_REQ) && chip.is_running();
    if (value.contains(GpCntrlBz::MAC_INIT) || awake) && clock_ready(chip, events) {
        value |= GpCntrlBz::MAC_STATUS;
    }
    let stopped = value.contains(GpCntrlBz::BUS_MASTER_DISABLE_REQ);
    value.set(GpCntrlBz::BUS_MASTER_DISABLE_STATUS, stopped);
    value.bits()
}

/// Reset and start are there too.
fn control(chip: &mut Chip, value: u32) -> Then {
    let written = GpCntrlBz::from_bits_retain(value);
    if written.contains(GpCntrlBz::SW_RESET) {
        return Then::Reset;
    }
    let shown = GpCntrlBz::MAC_STATUS | GpCntrlBz::BUS_MASTER_DISABLE_STATUS | GpCntrlBz::ROM_START;
    let kept = value & !shown.bits() & !GpCntrl::HW_RF_KILL_SW.bits();
    chip.store(csr_bz::CSR_GP_CNTRL, kept);
    if written.contains(GpCntrlBz::ROM_START) {
        chip.fetch_image();
    }
    Then::Nothing
}

/// Of a receive queue, or of one for transmit.
fn queue_doorbell(chip: &mut Chip, value: u32) -> Then {
    let receive = wrptr_wide::queue(value).checked_sub(wrptr_wide::RX_QUEUES);
    match (receive, chip.rx.rfh()) {
        (Some(queue), Some(rfh)) => {
            rfh.offer(queue, wrptr_wide::index(value).into());
            chip.store(csr_bz::HBUS_TARG_WRPTR, value);
            Then::Nothing
        }
        _ => doorbell(chip, value),
    }
}
