//! 8000: as 7000, with a secured upload and the extended NVM.

use super::{Boot, Hal};
use crate::fw::{Firmware, Mvm, Nvm};

pub(super) static HAL: Hal = Hal {
    bar_size: 0x2000,
    msix_vectors: 0,
    boot: Boot::LoadStatus,
    reset_values: &[],
    eeprom: |_| None,
    firmware: |mac| Firmware::Mvm(Mvm::new(Nvm::extended(mac))),
};
