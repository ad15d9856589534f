//! 6000: OTP behind `CSR_EEPROM_REG`, DVM firmware.

use iwl_hw::csr::{CSR_EEPROM_GP, CSR_OTP_GP_REG, eeprom_gp, otp_gp};

use super::{Boot, Hal};
use crate::eeprom::{self, Eeprom};
use crate::fw::{Dvm, Firmware};

pub(super) static HAL: Hal = Hal {
    bar_size: 0x2000,
    msix_vectors: 0,
    boot: Boot::ResetRegister,
    reset_values: &[
        (CSR_EEPROM_GP, eeprom_gp::BAD_SIG_EEP_GOOD_SIG_OTP),
        (CSR_OTP_GP_REG, otp_gp::DEVICE_SELECT),
    ],
    eeprom: |mac| Some(Eeprom::new(eeprom::image_6005(mac))),
    firmware: |_| Firmware::Dvm(Dvm::default()),
};
