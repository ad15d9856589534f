//! CSR and HBUS.

use iwl_hw::csr::{self, GpCntrl, HwIfConfig, Reset, heep, otp_gp};
use iwl_hw::{Register, csr::eeprom_gp};

use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::{CardEvent, Outcome};
use crate::faults::Fault;
use crate::nvm::Eeprom;
use crate::spec::Boot;
use crate::world::Events;

pub(super) fn read(
    chip: &mut Chip,
    register: &Register,
    events: &mut dyn Events,
) -> (u32, Outcome) {
    let value = match register.id {
        csr::CSR_HW_IF_CONFIG_REG => hw_if_config(chip, events),
        csr::CSR_INT => chip.irq.csr.read(),
        csr::CSR_INT_MASK => chip.irq.csr.mask(),
        csr::CSR_FH_INT_STATUS => chip.irq.csr.fh_status(),
        csr::CSR_GP_CNTRL => gp_cntrl(chip, events),
        csr::CSR_EEPROM_REG => eeprom(chip, events),
        csr::CSR_OTP_GP_REG => otp_gp(chip, events),
        // What other parts look at, or have put there.
        csr::CSR_RESET
        | csr::CSR_HW_REV
        | csr::CSR_HW_RF_ID
        | csr::CSR_EEPROM_GP
        | csr::CSR_UCODE_DRV_GP1
        | csr::CSR_UCODE_DRV_GP1_SET
        | csr::CSR_UCODE_DRV_GP1_CLR
        | csr::CSR_DRAM_INT_TBL_REG
        | csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG
        | csr::HEEP_CTRL_WRD_PCIEX_DATA_REG
        | csr::HBUS_TARG_MEM_RADDR
        | csr::HBUS_TARG_MEM_WADDR
        | csr::HBUS_TARG_PRPH_RADDR
        | csr::HBUS_TARG_PRPH_WADDR
        | csr::HBUS_TARG_WRPTR => chip.stored(register.offset),
        _ => return (chip.stored(register.offset), Outcome::Stub),
    };
    (value, Outcome::Implemented)
}

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let mut then = Then::Nothing;
    match register.id {
        csr::CSR_INT => chip.irq.csr.acknowledge(value),
        csr::CSR_INT_MASK => chip.irq.csr.set_mask(value),
        csr::CSR_FH_INT_STATUS => chip.irq.csr.acknowledge_fh(value),
        csr::CSR_RESET => then = reset(chip, value),
        csr::CSR_GP_CNTRL => {
            let shown = GpCntrl::MAC_CLOCK_READY | GpCntrl::GOING_TO_SLEEP | GpCntrl::HW_RF_KILL_SW;
            chip.store(register.offset, value & !shown.bits());
        }
        csr::CSR_EEPROM_REG => match &mut chip.eeprom {
            Some(eeprom) => {
                if let Some(over) = eeprom.select(value) {
                    then = Then::Tell(over);
                }
            }
            None => chip.store(register.offset, value),
        },
        csr::CSR_EEPROM_GP => {
            let owner = eeprom_gp::IF_OWNER_MSK;
            let kept = chip.stored(register.offset) & !owner;
            chip.store(register.offset, kept | value & owner);
        }
        csr::CSR_OTP_GP_REG => {
            let kept = chip.stored(register.offset) & otp_gp::DEVICE_SELECT;
            chip.store(register.offset, kept | value & otp_gp::OTP_ACCESS_MODE);
        }
        csr::CSR_UCODE_DRV_GP1_SET => {
            let set = chip.stored(csr::CSR_UCODE_DRV_GP1) | value;
            chip.store(csr::CSR_UCODE_DRV_GP1, set);
        }
        csr::CSR_UCODE_DRV_GP1_CLR => {
            let left = chip.stored(csr::CSR_UCODE_DRV_GP1) & !value;
            chip.store(csr::CSR_UCODE_DRV_GP1, left);
        }
        csr::CSR_DRAM_INT_TBL_REG => {
            chip.store(register.offset, value);
            chip.irq.csr.set_table(value);
        }
        csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG => shared_access(chip, value),
        csr::HBUS_TARG_WRPTR => then = doorbell(chip, value),
        // What other parts look at.
        csr::CSR_HW_IF_CONFIG_REG
        | csr::CSR_UCODE_DRV_GP1
        | csr::HEEP_CTRL_WRD_PCIEX_DATA_REG
        | csr::HBUS_TARG_MEM_RADDR
        | csr::HBUS_TARG_MEM_WADDR
        | csr::HBUS_TARG_PRPH_RADDR
        | csr::HBUS_TARG_PRPH_WADDR => chip.store(register.offset, value),
        _ => return keep(chip, register, value),
    }
    (Outcome::Implemented, then)
}

fn hw_if_config(chip: &mut Chip, events: &mut dyn Events) -> u32 {
    let value = chip.stored(csr::CSR_HW_IF_CONFIG_REG);
    let ready = HwIfConfig::PCI_OWN_SET.bits();
    if value & ready != 0 && chip.faults.has(Fault::NicNeverReady) {
        chip.repeated_fault(Fault::NicNeverReady, events);
        return value & !ready;
    }
    value
}

/// The switch lets the radio be used.
pub(super) fn radio_allowed(chip: &mut Chip, events: &mut dyn Events) -> bool {
    if chip.rf_kill() && chip.faults.has(Fault::RfKill) {
        chip.repeated_fault(Fault::RfKill, events);
    }
    !chip.rf_kill()
}

/// The clock runs, once it is asked for.
pub(super) fn clock_ready(chip: &mut Chip, events: &mut dyn Events) -> bool {
    let never = chip.faults.has(Fault::ClockNeverReady);
    if never {
        chip.repeated_fault(Fault::ClockNeverReady, events);
    }
    !never
}

fn gp_cntrl(chip: &mut Chip, events: &mut dyn Events) -> u32 {
    let mut value = GpCntrl::from_bits_retain(chip.stored(csr::CSR_GP_CNTRL));
    if radio_allowed(chip, events) {
        value |= GpCntrl::HW_RF_KILL_SW;
    }
    // A driver lets go of the clock as its host suspends; of firmware that has run on, it asks for it so.
    let awake = value.contains(GpCntrl::MAC_ACCESS_REQ) && chip.is_running();
    if (value.contains(GpCntrl::INIT_DONE) || awake) && clock_ready(chip, events) {
        value |= GpCntrl::MAC_CLOCK_READY;
    }
    value.bits()
}

fn eeprom(chip: &mut Chip, events: &mut dyn Events) -> u32 {
    let Some(eeprom) = &mut chip.eeprom else { return chip.stored(csr::CSR_EEPROM_REG) };
    let faulty = eeprom.faulty(&chip.faults);
    let (value, over) = eeprom.read(faulty.map(|(_, word)| word));
    if let Some((fault, _)) = faulty {
        chip.repeated_fault(fault, events);
    }
    if let Some(over) = over {
        events.emit(over);
    }
    value
}

/// Each word that is read brings its check bits' verdict.
fn otp_gp(chip: &mut Chip, events: &mut dyn Events) -> u32 {
    let value = chip.stored(csr::CSR_OTP_GP_REG);
    let read = chip.eeprom.as_ref().is_some_and(Eeprom::selected);
    if read && chip.faults.has(Fault::NvmChecksum) {
        chip.repeated_fault(Fault::NvmChecksum, events);
        return value | otp_gp::ECC_UNCORR_STATUS;
    }
    value
}

fn reset(chip: &mut Chip, value: u32) -> Then {
    let mut reset = Reset::from_bits_retain(value);
    if reset.contains(Reset::SW_RESET) {
        return Then::Reset;
    }
    reset.set(Reset::MASTER_DISABLED, reset.contains(Reset::STOP_MASTER));
    chip.store(csr::CSR_RESET, reset.bits());
    if reset.contains(Reset::FORCE_NMI) {
        chip.nmi();
    }
    if reset.is_empty() && chip.silicon.boot == Boot::ResetRegister {
        return Then::ReleaseCpu;
    }
    Then::Nothing
}

/// Of a transmit queue.
pub(super) fn doorbell(chip: &mut Chip, value: u32) -> Then {
    chip.store(csr::HBUS_TARG_WRPTR, value);
    match chip.tx.doorbell(value) {
        Ok(()) => Then::Nothing,
        Err(queue) => {
            let what = format!("a doorbell for transmit queue {queue}");
            Then::Tell(CardEvent::BadInput { what })
        }
    }
}

/// `HEEP_CTRL_WRD_PCIEX_CTRL_REG`: shared registers, which the periphery shows too.
fn shared_access(chip: &mut Chip, control: u32) {
    chip.store(csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG, control);
    let address = heep::periphery_address(control) & chip.silicon.prph.map().mask();
    match heep::direction(control) {
        heep::READ => {
            let value = chip.prph.read_word(address);
            chip.store(csr::HEEP_CTRL_WRD_PCIEX_DATA_REG, value);
        }
        heep::WRITE => {
            let value = chip.stored(csr::HEEP_CTRL_WRD_PCIEX_DATA_REG);
            chip.store_prph(address, value);
        }
        _ => {}
    }
}
