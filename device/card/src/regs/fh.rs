//! The flow handler.

use iwl_hw::Register;
use iwl_hw::fh::{self, srvc, tx_config};

use super::reached::{Then, Written, keep};
use crate::chip::Chip;
use crate::event::{CardEvent, Outcome};
use crate::spec::Boot;

pub(super) fn read(chip: &mut Chip, register: &Register) -> (u32, Outcome) {
    let stored = chip.stored(register.offset);
    let value = match register.id {
        id if receives(id) => match chip.rx.rbd() {
            None => return (stored, Outcome::Stub),
            Some(rbd) => match id {
                fh::FH_RSCSR_CHNL0_RDPTR => rbd.read(),
                fh::FH_MEM_RSSR_RX_STATUS_REG if rbd.enabled() => 0,
                fh::FH_MEM_RSSR_RX_STATUS_REG => fh::FH_RSSR_CHNL0_RX_STATUS_CHNL_IDLE,
                // What other parts look at.
                _ => stored,
            },
        },
        // What other parts look at, or have put there.
        fh::FH_MEM_CBBC_0_15_LOWER_BOUND
        | fh::FH_MEM_CBBC_16_19_LOWER_BOUND
        | fh::FH_MEM_CBBC_20_31_LOWER_BOUND
        | fh::FH_SRVC_CHNL_SRAM_ADDR_REG
        | fh::FH_TCSR_CHNL_TX_CONFIG_REG
        | fh::FH_TFDIB_CTRL0_REG
        | fh::FH_TFDIB_CTRL1_REG
        | fh::FH_TSSR_TX_STATUS_REG
        | fh::FH_UCODE_LOAD_STATUS => stored,
        _ => return (stored, Outcome::Stub),
    };
    (value, Outcome::Implemented)
}

pub(super) fn write(chip: &mut Chip, register: &Register, value: u32) -> Written {
    let (kept, _) = keep(chip, register, value);
    let mut then = Then::Nothing;
    match register.id {
        id if receives(id) => match (chip.rx.rbd(), id) {
            (None, _) => return (kept, then),
            (Some(rbd), fh::FH_RSCSR_CHNL0_STTS_WPTR_REG) => rbd.set_status(value),
            (Some(rbd), fh::FH_RSCSR_CHNL0_RBDCB_BASE_REG) => rbd.set_ring(value),
            (Some(rbd), fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG) => rbd.set_write(value),
            (Some(rbd), fh::FH_RSCSR_CHNL0_RDPTR) => rbd.set_read(value),
            (Some(rbd), fh::FH_MEM_RCSR_CHNL0_CONFIG_REG) => rbd.configure(value),
            _ => return (kept, then),
        },
        fh::FH_MEM_CBBC_0_15_LOWER_BOUND
        | fh::FH_MEM_CBBC_16_19_LOWER_BOUND
        | fh::FH_MEM_CBBC_20_31_LOWER_BOUND => {
            if let Some(queues) = chip.tx.scheduled() {
                queues.set_ring(register.index, value);
            }
        }
        fh::FH_TCSR_CHNL_TX_CONFIG_REG => {
            let service = register.index == fh::FH_SRVC_CHNL;
            if service && value & tx_config::DMA_CHNL_ENABLE != 0 {
                then = start_upload(chip);
            }
        }
        fh::FH_UCODE_LOAD_STATUS => {
            let done = value == fh::UCODE_LOAD_STATUS_DONE;
            if done && chip.silicon.boot == Boot::LoadStatus {
                then = Then::ReleaseCpu;
            }
        }
        // Looked at when a transfer starts.
        fh::FH_SRVC_CHNL_SRAM_ADDR_REG | fh::FH_TFDIB_CTRL0_REG | fh::FH_TFDIB_CTRL1_REG => {}
        _ => return (kept, then),
    }
    (Outcome::Implemented, then)
}

/// The receive ring's: without a meaning where receiving is the RFH's.
fn receives(id: u32) -> bool {
    matches!(
        id,
        fh::FH_MEM_RCSR_CHNL0_CONFIG_REG
            | fh::FH_MEM_RSSR_RX_STATUS_REG
            | fh::FH_RSCSR_CHNL0_RBDCB_BASE_REG
            | fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG
            | fh::FH_RSCSR_CHNL0_RDPTR
            | fh::FH_RSCSR_CHNL0_STTS_WPTR_REG
    )
}

fn start_upload(chip: &mut Chip) -> Then {
    let [ctrl0, ctrl1, dst] =
        [srvc::CTRL0, srvc::CTRL1, srvc::SRAM_ADDR].map(|offset| chip.stored(offset));
    match chip.upload.start(ctrl0, ctrl1, dst) {
        Ok(()) => Then::Nothing,
        Err(what) => Then::Tell(CardEvent::BadInput { what }),
    }
}
