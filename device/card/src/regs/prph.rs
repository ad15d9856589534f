//! The periphery, behind `HBUS_TARG_PRPH_*`.

use iwl_hw::csr::{self, prph_addr};
use iwl_hw::rfh::{self, dma_cfg};
use iwl_hw::{Access, Register, prph};

use super::reached::{Reached, offset_name};
use crate::chip::Chip;
use crate::event::{Outcome, RegName, Space};
use crate::layout::SCD_SRAM_BASE;
use crate::spec::{Boot, Mac};

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
            let read = chip.tx.scheduled().map_or(stored, |queues| queues.read(register.index));
            (read, Outcome::Implemented)
        }
        prph::SCD_QUEUE_WRPTR | prph::SCD_QUEUE_WRPTR_20 => {
            let write = chip.tx.scheduled().map_or(stored, |queues| queues.write(register.index));
            (write, Outcome::Implemented)
        }
        prph::RFH_GEN_STATUS | prph::RFH_GEN_STATUS_AX210 => {
            let idle = chip.rx.rfh().is_none_or(|rfh| !rfh.enabled());
            (if idle { rfh::RXF_DMA_IDLE } else { 0 }, Outcome::Implemented)
        }
        // What is looked at when the queues are made active.
        prph::RFH_Q0_FRBDCB_BA_LSB
        | prph::RFH_Q0_FRBDCB_BA_MSB
        | prph::RFH_Q0_URBDCB_BA_LSB
        | prph::RFH_Q0_URBDCB_BA_MSB
        | prph::RFH_Q0_URBD_STTS_WPTR_LSB
        | prph::RFH_Q0_URBD_STTS_WPTR_MSB
        | prph::RFH_RXF_DMA_CFG
        | prph::RFH_RXF_DMA_CFG_AX210
        | prph::RFH_RXF_RXQ_ACTIVE => (stored, Outcome::Implemented),
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
            if let Some(queues) = chip.tx.scheduled() {
                queues.set_status(register.index, value);
            }
        }
        prph::SCD_QUEUE_RDPTR | prph::SCD_QUEUE_RDPTR_20 => {
            if let Some(queues) = chip.tx.scheduled() {
                queues.set_read(register.index, value);
            }
        }
        prph::RFH_RXF_DMA_CFG => {
            if let Some(queues) = chip.rx.rfh() {
                let enabled = value & dma_cfg::DMA_EN != 0;
                let (ring, buffer) = (dma_cfg::ring_size(value), dma_cfg::buffer_size(value));
                queues.configure(enabled, ring, buffer);
            }
        }
        prph::RFH_RXF_RXQ_ACTIVE => chip.activate_receive(value),
        // Looked at when the queues are made active.
        prph::RFH_Q0_FRBDCB_BA_LSB
        | prph::RFH_Q0_FRBDCB_BA_MSB
        | prph::RFH_Q0_URBDCB_BA_LSB
        | prph::RFH_Q0_URBDCB_BA_MSB
        | prph::RFH_Q0_URBD_STTS_WPTR_LSB
        | prph::RFH_Q0_URBD_STTS_WPTR_MSB => {}
        prph::UREG_CPU_INIT_RUN if chip.silicon.boot.is_unified() => {
            if value & 1 != 0 && chip.silicon.mac == Mac::Classic {
                chip.fetch_image();
            }
        }
        prph::UREG_DOORBELL_TO_ISR6 if chip.silicon.boot == Boot::ImageLoader => {
            chip.doorbell(value);
        }
        // The firmware starts it, by the context information; the driver stops it.
        prph::RFH_RXF_DMA_CFG_AX210 => {
            if let Some(queues) = chip.rx.rfh()
                && value & dma_cfg::DMA_EN == 0
            {
                queues.configure(false, 1, 0);
            }
        }
        prph::DEVICE_SET_NMI_REG | prph::UREG_NIC_SET_NMI_DRIVER => chip.nmi(),
        _ => return Outcome::Stub,
    }
    Outcome::Implemented
}
