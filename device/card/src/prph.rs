//! What lies behind the HBUS windows: the periphery, device memory, shared registers.

use iwl_hw::csr::{self, heep, prph_addr};
use iwl_hw::register::{PRPH, PRPH_MASK};
use iwl_hw::{Access, Register, prph};

use crate::device::Device;
use crate::event::{CardEvent, Outcome, RegName};
use crate::layout::SCD_SRAM_BASE;
use crate::world::World;

/// An access through a window: what was reached, and what came of it.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) address: u32,
    pub(crate) reg: RegName,
    pub(crate) value: u32,
    pub(crate) outcome: Outcome,
}

impl Device {
    /// `HBUS_TARG_PRPH_RDAT`.
    pub(crate) fn read_prph(&mut self) -> Reached {
        let address = self.stored(csr::HBUS_TARG_PRPH_RADDR) & prph_addr::ADDR_MSK & PRPH_MASK;
        let stored = self.prph.read_word(address);
        let Some(register) = PRPH.get(address) else {
            return Reached {
                address,
                reg: offset_name(address),
                value: stored,
                outcome: Outcome::Unknown,
            };
        };
        let (value, outcome) = match register.id {
            prph::SCD_SRAM_BASE_ADDR => (SCD_SRAM_BASE, Outcome::Implemented),
            prph::SCD_QUEUE_RDPTR | prph::SCD_QUEUE_RDPTR_20 => {
                (self.tx.read(register.index), Outcome::Implemented)
            }
            prph::SCD_QUEUE_WRPTR | prph::SCD_QUEUE_WRPTR_20 => {
                (self.tx.write(register.index), Outcome::Implemented)
            }
            prph::SCD_QUEUE_STATUS_BITS | prph::SCD_QUEUE_STATUS_BITS_20 => {
                (stored, Outcome::Implemented)
            }
            _ if register.access == Access::WriteOnly => (0, Outcome::Stub),
            _ => (stored, Outcome::Stub),
        };
        Reached { address, reg: register.name.into(), value, outcome }
    }

    /// `HBUS_TARG_PRPH_WDAT`.
    pub(crate) fn write_prph(&mut self, value: u32) -> Reached {
        let address = self.stored(csr::HBUS_TARG_PRPH_WADDR) & prph_addr::ADDR_MSK & PRPH_MASK;
        let (reg, outcome) = match PRPH.get(address) {
            None => {
                self.store_prph(address, value);
                (offset_name(address), Outcome::Unknown)
            }
            Some(register) => {
                (register.name.into(), self.write_prph_register(register, address, value))
            }
        };
        Reached { address, reg, value, outcome }
    }

    fn write_prph_register(&mut self, register: &Register, address: u32, value: u32) -> Outcome {
        match register.access {
            Access::ReadOnly => return Outcome::ReadOnly,
            Access::WriteOneToClear => {
                let left = self.prph.read_word(address) & !value;
                self.store_prph(address, left);
                return Outcome::Stub;
            }
            Access::ReadWrite | Access::WriteOnly => self.store_prph(address, value),
        }
        match register.id {
            prph::SCD_QUEUE_STATUS_BITS | prph::SCD_QUEUE_STATUS_BITS_20 => {
                self.tx.set_status(register.index, value);
            }
            prph::SCD_QUEUE_RDPTR | prph::SCD_QUEUE_RDPTR_20 => {
                self.tx.set_read(register.index, value);
            }
            prph::DEVICE_SET_NMI_REG => self.nmi(),
            _ => return Outcome::Stub,
        }
        Outcome::Implemented
    }

    fn store_prph(&mut self, address: u32, value: u32) {
        // The memory holds all addresses that the mask leaves.
        let _ = self.prph.write_word(address, value);
    }

    /// `HBUS_TARG_MEM_RDAT`.
    pub(crate) fn read_mem(&mut self) -> Reached {
        let address = self.stored(csr::HBUS_TARG_MEM_RADDR);
        self.store(csr::HBUS_TARG_MEM_RADDR, address.wrapping_add(4));
        let value = self.sram.read_word(address);
        Reached { address, reg: offset_name(address), value, outcome: Outcome::Implemented }
    }

    /// `HBUS_TARG_MEM_WDAT`.
    pub(crate) fn write_mem(&mut self, value: u32, world: &mut dyn World) -> Reached {
        let address = self.stored(csr::HBUS_TARG_MEM_WADDR);
        self.store(csr::HBUS_TARG_MEM_WADDR, address.wrapping_add(4));
        if self.sram.write_word(address, value).is_err() {
            let what = format!("no device memory left for a write at {address:#x}");
            world.emit(CardEvent::BadInput { what });
        }
        Reached { address, reg: offset_name(address), value, outcome: Outcome::Implemented }
    }

    /// `HEEP_CTRL_WRD_PCIEX_CTRL_REG`: shared registers, which the periphery shows too.
    pub(crate) fn shared_access(&mut self, control: u32) {
        self.store(csr::HEEP_CTRL_WRD_PCIEX_CTRL_REG, control);
        let address = heep::periphery_address(control) & PRPH_MASK;
        match heep::direction(control) {
            heep::READ => {
                let value = self.prph.read_word(address);
                self.store(csr::HEEP_CTRL_WRD_PCIEX_DATA_REG, value);
            }
            heep::WRITE => {
                let value = self.stored(csr::HEEP_CTRL_WRD_PCIEX_DATA_REG);
                self.store_prph(address, value);
            }
            _ => {}
        }
    }
}

/// How an address without a row is written.
pub(crate) fn offset_name(offset: u32) -> RegName {
    format!("{offset:#x}").into()
}
