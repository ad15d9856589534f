// SPDX-License-Identifier: GPL-2.0

//! The opmode of cards whose firmware has sections without places: 1000 to 6000.
//!
//! As in the C driver nothing is uploaded before the interface goes up; its address is in the EEPROM or
//! OTP, which the host reads.

#![allow(missing_docs)]

use kernel::prelude::*;

mod abi;
mod opmode;

use abi::{is_valid_ether_addr, Family, Image, Kind};
use opmode::{Card, Log, Opmode, Registration};

/// The command queue, with one context.
const CMD_QUEUE: u8 = 4;
/// The address, in the EEPROM's image.
const EEPROM_MAC_ADDRESS: u16 = 2 * 0x15;
const EEPROM_VERSION: u16 = 2 * 0x44;
/// Where its calibration begins, in words; with its version, a byte.
const EEPROM_LINK_CALIBRATION: u16 = 2 * 0x67;

/// In `REPLY_ALIVE`.
const ERROR_LOG: Log = Log { place: 20, kind: "", link: 4 };
const IS_VALID: usize = 28;
const UCODE_VALID_OK: u32 = 1;

const CALIBRATION_CFG_CMD: (u8, u8) = (0, 0x65);
const CALIBRATION_COMPLETE_NOTIFICATION: u8 = 0x67;
const REPLY_STATISTICS_CMD: (u8, u8) = (0, 0x9c);

/// `struct iwl_calib_cfg_cmd`: where it says what is enabled, begun and told of, and that the end is.
const CALIB_CFG: usize = 92;
const CALIB_ONCE: core::ops::Range<usize> = 0..12;
const CALIB_FLAGS: usize = 40;
/// `IWL_CALIB_INIT_CFG_ALL`.
const IWL_CALIB_INIT_CFG_ALL: u32 = 0x5f;
const IWL_CALIB_CFG_FLAG_SEND_COMPLETE_NTFY_MSK: u8 = 1;
const UCODE_CALIB_TIMEOUT_MS: u32 = 2000;

struct Dvm;

impl Dvm {
    fn run(card: &Card<'_>, image: Image) -> Result {
        let mut alive = [0; 32];
        let len = card.load(image, CMD_QUEUE, &mut alive)?;
        let valid = alive.get(IS_VALID..IS_VALID + 4).and_then(|bytes| bytes.try_into().ok());
        match valid.map(u32::from_le_bytes) {
            Some(UCODE_VALID_OK) if len >= alive.len() => Ok(()),
            _ => {
                dev_err!(card.dev(), "Loaded ucode is not valid!\n");
                Err(EIO)
            }
        }
    }
}

impl Dvm {
    /// Has the INIT image calibrate. What comes of it no frame is sent with, and it is not kept.
    fn calibrate(card: &Card<'_>) -> Result {
        let mut config = [0; CALIB_CFG];
        if let Some(once) = config.get_mut(CALIB_ONCE) {
            for word in once.chunks_exact_mut(4) {
                word.copy_from_slice(&IWL_CALIB_INIT_CFG_ALL.to_le_bytes());
            }
        }
        config[CALIB_FLAGS] = IWL_CALIB_CFG_FLAG_SEND_COMPLETE_NTFY_MSK;
        card.send_and_wait(
            CALIBRATION_CFG_CMD,
            &config,
            CALIBRATION_COMPLETE_NOTIFICATION,
            UCODE_CALIB_TIMEOUT_MS,
        )
    }
}

impl Opmode for Dvm {
    const KIND: Kind = Kind::Dvm;

    fn start(card: &Card<'_>) -> Result<[u8; 6]> {
        card.start_hw()?;
        let base = match card.family() {
            Family::Family1000 => card.otp_block()?,
            _ => 0,
        };
        let word = |at: u16| card.eeprom(base.checked_add(at).ok_or(EIO)?);
        let mut address = [0; 6];
        for (pair, at) in address.chunks_exact_mut(2).zip((EEPROM_MAC_ADDRESS..).step_by(2)) {
            pair.copy_from_slice(&word(at)?.to_le_bytes());
        }
        let version = word(EEPROM_VERSION)?;
        let [a, b, c, d, e, f] = address;
        dev_info!(
            card.dev(),
            "EEPROM version 0x{:x}, address {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
            version,
            a,
            b,
            c,
            d,
            e,
            f,
        );
        let link = word(EEPROM_LINK_CALIBRATION)?;
        let calibration = word(link.checked_mul(2).ok_or(EIO)?)? & 0xff;
        let oldest = card.nvm_version();
        if version < oldest.nvm && calibration < oldest.calibration {
            dev_err!(
                card.dev(),
                "Unsupported (too old) EEPROM VER=0x{:x} < 0x{:x} CALIB=0x{:x} < 0x{:x}\n",
                version,
                oldest.nvm,
                calibration,
                oldest.calibration,
            );
            return Err(EINVAL);
        }
        if !is_valid_ether_addr(&address) {
            dev_err!(card.dev(), "no valid mac address was found\n");
            return Err(EINVAL);
        }
        Ok(address)
    }

    fn up(card: &Card<'_>) -> Result {
        // It rests: since its start, or since it went down.
        card.start_hw()?;
        Self::run(card, Image::Init)?;
        Self::calibrate(card)?;
        Self::run(card, Image::Runtime)?;
        // That its commands are answered.
        card.send(REPLY_STATISTICS_CMD, &[0; 4], &mut []).map(|_| ())
    }

    fn print_logs(card: &Card<'_>) -> Result {
        card.print_log(ERROR_LOG)
    }
}

struct Module {
    _registration: Registration<Dvm>,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self { _registration: Registration::new(module)? })
    }
}

module! {
    type: Module,
    name: "iwlrs_dvm",
    authors: ["iwlbench contributors"],
    description: "Intel wireless in Rust: DVM firmware",
    license: "GPL",
}
