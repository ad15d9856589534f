//! BAR 0: the flow handler's registers.

use iwl_hw::csr;
use iwl_hw::fh::{self, srvc, tx_config};
use iwl_hw::{Access, Register};

use crate::device::Device;
use crate::event::CardEvent;
use crate::hal::Boot;
use crate::world::World;

impl Device {
    pub(crate) fn read_fh(&mut self, register: &Register) -> u32 {
        match register.id {
            fh::FH_RSCSR_CHNL0_RDPTR => self.rx.read(),
            fh::FH_MEM_RSSR_RX_STATUS_REG => {
                if self.rx.enabled() {
                    0
                } else {
                    fh::FH_RSSR_CHNL0_RX_STATUS_CHNL_IDLE
                }
            }
            _ => self.stored(register.offset),
        }
    }

    pub(crate) fn write_fh(&mut self, register: &Register, value: u32, world: &mut dyn World) {
        if register.access == Access::WriteOneToClear {
            let left = self.stored(register.offset) & !value;
            self.store(register.offset, left);
            return;
        }
        self.store(register.offset, value);
        match register.id {
            fh::FH_MEM_CBBC_0_15_LOWER_BOUND
            | fh::FH_MEM_CBBC_16_19_LOWER_BOUND
            | fh::FH_MEM_CBBC_20_31_LOWER_BOUND => self.tx.set_ring(register.index, value),
            fh::FH_RSCSR_CHNL0_STTS_WPTR_REG => self.rx.set_status(value),
            fh::FH_RSCSR_CHNL0_RBDCB_BASE_REG => self.rx.set_ring(value),
            fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG => self.rx.set_write(value),
            fh::FH_RSCSR_CHNL0_RDPTR => self.rx.set_read(value),
            fh::FH_MEM_RCSR_CHNL0_CONFIG_REG => self.rx.configure(value),
            fh::FH_TCSR_CHNL_TX_CONFIG_REG => {
                let service = register.index == fh::FH_SRVC_CHNL;
                if service && value & tx_config::DMA_CHNL_ENABLE != 0 {
                    self.start_upload(world);
                }
            }
            fh::FH_UCODE_LOAD_STATUS
                if value == fh::UCODE_LOAD_STATUS_DONE && self.hal.boot == Boot::LoadStatus =>
            {
                self.release_cpu(world);
            }
            // Storage; some is looked at when a transfer starts.
            _ => {}
        }
    }

    fn start_upload(&mut self, world: &mut dyn World) {
        let [ctrl0, ctrl1, dst] =
            [srvc::CTRL0, srvc::CTRL1, srvc::SRAM_ADDR].map(|offset| self.stored(offset));
        if let Err(what) = self.upload.start(ctrl0, ctrl1, dst) {
            world.emit(CardEvent::BadInput { what });
        }
    }

    /// `HBUS_TARG_WRPTR`.
    pub(crate) fn doorbell(&mut self, value: u32, world: &mut dyn World) {
        if let Err(queue) = self.tx.doorbell(value) {
            let what = format!("a doorbell for transmit queue {queue}");
            world.emit(CardEvent::BadInput { what });
        }
        self.store(csr::HBUS_TARG_WRPTR, value);
    }
}
