//! Hardware facts of Intel wireless PCIe functions: registers, rings, messages. No behaviour.
//!
//! A register is one row of one table: offset, vendor name, access, reset value, meaning.
//! Offsets, bits and layouts are written nowhere else; behaviour is the business of
//! `iwl-card`. [`maps`] says which silicon has which tables.
//!
//! To add a register: its row, in the table of its block (`bar/*.rs`, `prph/*.rs`). It is then
//! named and kept, with the outcome *stub*; what it does is a match arm in the `regs` of
//! `iwl-card`.
//!
//! Sources: the headers of Linux 7.3's `drivers/net/wireless/intel/iwlwifi` (each module names
//! its own), read as documentation of the hardware.
//!
//! Not here: parts after the Bz family, versions of messages that no stub firmware speaks, and what
//! only drivers of other systems use.
#![forbid(unsafe_code)]

mod bar;
pub mod dvm;
pub mod eeprom;
pub mod maps;
pub mod mld;
pub mod mvm;
pub mod names;
pub mod nvm;
pub mod packet;
pub mod pci;
pub mod prph;
pub mod register;
pub mod tfd;
pub mod tx;
pub mod versions;

pub use bar::{csr, csr_bz, ctxt, fh, msix, rfh, tfh};
pub use register::{Access, Block, Register, RegisterMap, Width};
