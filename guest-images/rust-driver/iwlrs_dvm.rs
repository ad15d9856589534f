// SPDX-License-Identifier: GPL-2.0

//! The opmode of cards whose firmware has sections without places: 1000 to 6000.
//!
//! As in the C driver nothing is uploaded before the interface goes up; its address is in the EEPROM or
//! OTP, which the host reads.

#![allow(missing_docs)]

use kernel::prelude::*;

mod abi;
mod opmode;

use abi::{Family, Image, Kind};
use opmode::{Card, Opmode, Registration};

/// The command queue, with one context.
const CMD_QUEUE: u8 = 4;
/// The address, in the EEPROM's image.
const EEPROM_MAC_ADDRESS: u16 = 2 * 0x15;
const EEPROM_VERSION: u16 = 2 * 0x44;

/// In `REPLY_ALIVE`.
const IS_VALID: usize = 28;
const UCODE_VALID_OK: u32 = 1;

const REPLY_STATISTICS_CMD: (u8, u8) = (0, 0x9c);

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
        Ok(address)
    }

    fn up(card: &Card<'_>) -> Result {
        // It rests: since its start, or since it went down.
        card.start_hw()?;
        Self::run(card, Image::Init)?;
        Self::run(card, Image::Runtime)?;
        // That its commands are answered.
        card.send(REPLY_STATISTICS_CMD, &[0; 4], &mut []).map(|_| ())
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
