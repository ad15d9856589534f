//! What differs between generations, one file each. To add one: a file here, its line in
//! [`of`], a row in `spec.rs`.

mod gen6000;
mod gen7000;
mod gen8000;

use crate::eeprom::Eeprom;
use crate::fw::Firmware;
use crate::spec::Generation;

/// How the driver releases the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// By writing zero to `CSR_RESET`, once all is uploaded.
    ResetRegister,
    /// By writing all ones to `FH_UCODE_LOAD_STATUS`, once all is uploaded.
    LoadStatus,
}

/// One generation's differences.
#[derive(Debug)]
pub(crate) struct Hal {
    /// Bytes of BAR 0.
    pub(crate) bar_size: u64,
    /// MSI-X vectors the hardware has.
    pub(crate) msix_vectors: u16,
    /// How the CPU is released.
    pub(crate) boot: Boot,
    /// BAR registers whose reset value differs from their row's.
    pub(crate) reset_values: &'static [(u32, u32)],
    /// The EEPROM of a card with this MAC address, if it has one.
    pub(crate) eeprom: fn(mac: [u8; 6]) -> Option<Eeprom>,
    /// The firmware of a card with this MAC address.
    pub(crate) firmware: fn(mac: [u8; 6]) -> Firmware,
}

/// A generation's differences.
pub(crate) fn of(generation: Generation) -> &'static Hal {
    match generation {
        Generation::Gen6000 => &gen6000::HAL,
        Generation::Gen7000 => &gen7000::HAL,
        Generation::Gen8000 => &gen8000::HAL,
    }
}
