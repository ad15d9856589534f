//! BAR 0: CSR registers, and the way to the others.

use iwl_hw::csr::{self, FhInt, GpCntrl, HwIfConfig, Reset, otp_gp};
use iwl_hw::{Access, Register, fh};

use crate::device::Device;
use crate::event::Outcome;
use crate::faults::Fault;
use crate::hal::Boot;
use crate::world::World;

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is done.
    Done,
    /// It was a software reset: the caller resets.
    Reset,
}

impl Written {
    pub(crate) fn is_reset(self) -> bool {
        self == Self::Reset
    }
}

/// What comes of an access to a register that has a row.
pub(crate) fn outcome(register: &Register, write: bool) -> Outcome {
    match register.access {
        Access::ReadOnly if write => Outcome::ReadOnly,
        _ if has_meaning(register.id) => Outcome::Implemented,
        _ => Outcome::Stub,
    }
}

/// The registers that do more than keep a value, or that something else looks at.
fn has_meaning(id: u32) -> bool {
    matches!(
        id,
        csr::CSR_HW_IF_CONFIG_REG
            | csr::CSR_INT
            | csr::CSR_INT_MASK
            | csr::CSR_FH_INT_STATUS
            | csr::CSR_RESET
            | csr::CSR_GP_CNTRL
            | csr::CSR_HW_REV
            | csr::CSR_HW_RF_ID
            | csr::CSR_EEPROM_REG
            | csr::CSR_EEPROM_GP
            | csr::CSR_OTP_GP_REG
            | csr::CSR_UCODE_DRV_GP1
            | csr::CSR_UCODE_DRV_GP1_SET
            | csr::CSR_UCODE_DRV_GP1_CLR
            | csr::CSR_DRAM_INT_TBL_REG
            | csr::HBUS_TARG_MEM_RADDR
            | csr::HBUS_TARG_MEM_WADDR
            | csr::HBUS_TARG_PRPH_RADDR
            | csr::HBUS_TARG_PRPH_WADDR
            | csr::HBUS_TARG_WRPTR
            | csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG
            | csr::HEEP_CTRL_WRD_PCIEX_DATA_REG
            | fh::FH_MEM_CBBC_0_15_LOWER_BOUND
            | fh::FH_MEM_CBBC_16_19_LOWER_BOUND
            | fh::FH_MEM_CBBC_20_31_LOWER_BOUND
            | fh::FH_MEM_RCSR_CHNL0_CONFIG_REG
            | fh::FH_MEM_RSSR_RX_STATUS_REG
            | fh::FH_RSCSR_CHNL0_RBDCB_BASE_REG
            | fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG
            | fh::FH_RSCSR_CHNL0_RDPTR
            | fh::FH_RSCSR_CHNL0_STTS_WPTR_REG
            | fh::FH_SRVC_CHNL_SRAM_ADDR_REG
            | fh::FH_TCSR_CHNL_TX_CONFIG_REG
            | fh::FH_TFDIB_CTRL0_REG
            | fh::FH_TFDIB_CTRL1_REG
            | fh::FH_TSSR_TX_STATUS_REG
            | fh::FH_UCODE_LOAD_STATUS
    )
}

impl Device {
    /// Reads a register of BAR 0.
    pub(crate) fn read_bar(&mut self, register: &Register, world: &mut dyn World) -> u32 {
        if register.access == Access::WriteOnly {
            return 0;
        }
        match register.id {
            csr::CSR_HW_IF_CONFIG_REG => self.hw_if_config(world),
            csr::CSR_INT => self.irq.read(),
            csr::CSR_INT_MASK => self.irq.mask(),
            csr::CSR_FH_INT_STATUS => self.fh_int.bits(),
            csr::CSR_GP_CNTRL => self.gp_cntrl(world),
            csr::CSR_EEPROM_REG => match &mut self.eeprom {
                Some(eeprom) => {
                    let (value, over) = eeprom.read();
                    if let Some(over) = over {
                        world.emit(over);
                    }
                    value
                }
                None => self.stored(register.offset),
            },
            _ => self.read_fh(register),
        }
    }

    /// Writes a register of BAR 0.
    pub(crate) fn write_bar(
        &mut self,
        register: &Register,
        value: u32,
        world: &mut dyn World,
    ) -> Written {
        match register.id {
            csr::CSR_INT => self.irq.acknowledge(value),
            csr::CSR_INT_MASK => self.irq.set_mask(value),
            csr::CSR_FH_INT_STATUS => self.fh_int.remove(FhInt::from_bits_retain(value)),
            csr::CSR_RESET => return self.write_reset(value, world),
            csr::CSR_GP_CNTRL => {
                let shown =
                    GpCntrl::MAC_CLOCK_READY | GpCntrl::GOING_TO_SLEEP | GpCntrl::HW_RF_KILL_SW;
                self.store(register.offset, value & !shown.bits());
            }
            csr::CSR_EEPROM_REG => match &mut self.eeprom {
                Some(eeprom) => {
                    if let Some(over) = eeprom.select(value) {
                        world.emit(over);
                    }
                }
                None => self.store(register.offset, value),
            },
            csr::CSR_EEPROM_GP => {
                let owner = csr::eeprom_gp::IF_OWNER_MSK;
                let kept = self.stored(register.offset) & !owner;
                self.store(register.offset, kept | value & owner);
            }
            csr::CSR_OTP_GP_REG => {
                let kept = self.stored(register.offset) & otp_gp::DEVICE_SELECT;
                self.store(register.offset, kept | value & otp_gp::OTP_ACCESS_MODE);
            }
            csr::CSR_UCODE_DRV_GP1_SET => {
                let set = self.stored(csr::CSR_UCODE_DRV_GP1) | value;
                self.store(csr::CSR_UCODE_DRV_GP1, set);
            }
            csr::CSR_UCODE_DRV_GP1_CLR => {
                let left = self.stored(csr::CSR_UCODE_DRV_GP1) & !value;
                self.store(csr::CSR_UCODE_DRV_GP1, left);
            }
            csr::CSR_DRAM_INT_TBL_REG => {
                self.store(register.offset, value);
                self.irq.set_table(value);
            }
            csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG => self.shared_access(value),
            csr::HBUS_TARG_WRPTR => self.doorbell(value, world),
            _ => self.write_fh(register, value, world),
        }
        Written::Done
    }

    fn hw_if_config(&mut self, world: &mut dyn World) -> u32 {
        let value = self.stored(csr::CSR_HW_IF_CONFIG_REG);
        let ready = HwIfConfig::PCI_OWN_SET.bits();
        if value & ready != 0 && self.faults.has(Fault::NicNeverReady) {
            self.repeated_fault(Fault::NicNeverReady, world);
            return value & !ready;
        }
        value
    }

    fn gp_cntrl(&mut self, world: &mut dyn World) -> u32 {
        let mut value = GpCntrl::from_bits_retain(self.stored(csr::CSR_GP_CNTRL));
        if self.rf_kill() {
            if self.faults.has(Fault::RfKill) {
                self.repeated_fault(Fault::RfKill, world);
            }
        } else {
            value |= GpCntrl::HW_RF_KILL_SW;
        }
        if value.contains(GpCntrl::INIT_DONE) {
            if self.faults.has(Fault::ClockNeverReady) {
                self.repeated_fault(Fault::ClockNeverReady, world);
            } else {
                value |= GpCntrl::MAC_CLOCK_READY;
            }
        }
        value.bits()
    }

    fn write_reset(&mut self, value: u32, world: &mut dyn World) -> Written {
        let mut reset = Reset::from_bits_retain(value);
        if reset.contains(Reset::SW_RESET) {
            return Written::Reset;
        }
        reset.set(Reset::MASTER_DISABLED, reset.contains(Reset::STOP_MASTER));
        self.store(csr::CSR_RESET, reset.bits());
        if reset.contains(Reset::FORCE_NMI) {
            self.nmi();
        }
        if reset.is_empty() && self.hal.boot == Boot::ResetRegister {
            self.release_cpu(world);
        }
        Written::Done
    }
}
