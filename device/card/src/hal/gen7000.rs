//! 7000: NVM behind the firmware, MVM.

use super::{Boot, Hal};
use crate::fw::{Firmware, Mvm, Nvm};

pub(super) static HAL: Hal = Hal {
    bar_size: 0x2000,
    msix_vectors: 0,
    boot: Boot::ResetRegister,
    reset_values: &[],
    eeprom: |_| None,
    firmware: |mac| Firmware::Mvm(Mvm::new(Nvm::plain(mac))),
};
