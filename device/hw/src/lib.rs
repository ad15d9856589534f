//! Hardware facts of Intel wireless PCIe functions: registers, rings, messages. No behaviour.
//!
//! A register is one row of one table: offset, vendor name, access, reset value, meaning.
//! Offsets, bits and layouts are written nowhere else; behaviour is the business of
//! `iwl-card`.
//!
//! Sources: the headers of Linux 7.3's `drivers/net/wireless/intel/iwlwifi` (each module names
//! its own), read as documentation of the hardware.
//!
//! Not here: registers and messages of 9000 and later parts (RFH, TFH, context information,
//! MSI-X), and what only drivers of other systems use.
#![forbid(unsafe_code)]

pub mod csr;
pub mod dvm;
pub mod eeprom;
pub mod fh;
pub mod mvm;
pub mod names;
pub mod nvm;
pub mod packet;
pub mod pci;
pub mod prph;
pub mod register;
pub mod tfd;
pub mod tx;

pub use register::{Access, Register, RegisterMap, Width};
