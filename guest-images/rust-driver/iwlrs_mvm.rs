// SPDX-License-Identifier: GPL-2.0

//! The opmode of cards whose firmware has sections with places: families 7000 and 8000.
//!
//! As in the C driver the INIT image runs first, and is asked for the NVM and to calibrate; then comes the
//! interface, with which the runtime image goes up.

#![allow(missing_docs)]

use kernel::prelude::*;

mod abi;
mod opmode;

use abi::{Family, Image, Kind};
use opmode::{Card, Opmode, Registration};

const CMD_QUEUE: u8 = 0;

/// Commands of the first group have the long header under this number.
const LONG_GROUP: u8 = 1;
const NVM_ACCESS_CMD: (u8, u8) = (LONG_GROUP, 0x88);
const PHY_CONFIGURATION_CMD: (u8, u8) = (LONG_GROUP, 0x6a);
const TX_ANT_CONFIGURATION_CMD: (u8, u8) = (LONG_GROUP, 0x98);
const INIT_COMPLETE_NOTIF: u8 = 0x04;
const INIT_TIMEOUT_MS: u32 = 2000;

/// Sections of the NVM.
const NVM_SECTION_TYPE_HW: u16 = 0;
const NVM_SECTION_TYPE_SW: u16 = 1;
const NVM_SECTION_TYPE_REGULATORY: u16 = 3;
const NVM_SECTION_TYPE_CALIBRATION: u16 = 4;
const NVM_SECTION_TYPE_MAC_OVERRIDE: u16 = 11;
const NVM_SECTION_TYPE_PHY_SKU: u16 = 12;

/// The address, in the section that holds it.
const HW_ADDR: usize = 0x2a;
const MAC_ADDRESS_OVERRIDE: usize = 2;

/// In ALIVE.
const IWL_ALIVE_STATUS_OK: u16 = 0xcafe;
/// `struct iwl_alive_ntf_v3`.
const ALIVE_LEN: usize = 68;

struct Mvm;

impl Mvm {
    fn run(card: &Card<'_>, image: Image) -> Result {
        let mut alive = [0; ALIVE_LEN];
        let len = card.load(image, CMD_QUEUE, &mut alive)?;
        let [low, high, ..] = alive;
        if len != ALIVE_LEN {
            dev_err!(card.dev(), "unsupported alive notification (size {})\n", len);
            return Err(EIO);
        }
        if u16::from_le_bytes([low, high]) != IWL_ALIVE_STATUS_OK {
            dev_err!(card.dev(), "Loaded ucode is not valid!\n");
            return Err(EIO);
        }
        Ok(())
    }

    /// A section of the NVM, as much as one command gets; `None` if there is none.
    fn nvm<'a>(card: &Card<'_>, section: u16, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        const HEADER: usize = 8;
        let [low, high] = section.to_le_bytes();
        // Read, of the NVM's cache, from the beginning.
        let command = [0, 0, low, high, 0, 0, 0x00, 0x08];
        let len = card.send(NVM_ACCESS_CMD, &command, buffer)?;
        let response = buffer.get(..len).ok_or(EIO)?;
        let [_, _, len_low, len_high, _, _, status_low, status_high, data @ ..] = response else {
            return Err(EIO);
        };
        if u16::from_le_bytes([*status_low, *status_high]) != 0 {
            return Ok(None);
        }
        let len = usize::from(u16::from_le_bytes([*len_low, *len_high]));
        match data.len() == len && response.len() == HEADER + len {
            true => Ok(Some(data)),
            false => Err(EIO),
        }
    }

    /// The address. That of the hardware is in words of swapped bytes, that which overrides it is not.
    fn address(section: &[u8], holder: (u16, usize)) -> Option<[u8; 6]> {
        let (kind, at) = holder;
        let [a, b, c, d, e, f]: [u8; 6] = section.get(at..at + 6)?.try_into().ok()?;
        let address = match kind {
            NVM_SECTION_TYPE_HW => [b, a, d, c, f, e],
            _ => [a, b, c, d, e, f],
        };
        let multicast = address[0] & 1 != 0;
        (!multicast && address != [0; 6]).then_some(address)
    }
}

impl Opmode for Mvm {
    const KIND: Kind = Kind::Mvm;

    fn start(card: &Card<'_>) -> Result {
        card.start_hw()?;
        // An answer that does not come may come the second time, as the C driver has it.
        match Self::run(card, Image::Init) {
            Err(error) if error == ETIMEDOUT => {
                card.start_hw()?;
                Self::run(card, Image::Init)?;
            }
            ran => ran?,
        }
        let (sections, holder): (&[u16], _) = match card.family() {
            Family::Family8000 => (
                &[
                    NVM_SECTION_TYPE_SW,
                    NVM_SECTION_TYPE_REGULATORY,
                    NVM_SECTION_TYPE_MAC_OVERRIDE,
                    NVM_SECTION_TYPE_PHY_SKU,
                ],
                (NVM_SECTION_TYPE_MAC_OVERRIDE, MAC_ADDRESS_OVERRIDE),
            ),
            _ => (
                &[NVM_SECTION_TYPE_HW, NVM_SECTION_TYPE_SW, NVM_SECTION_TYPE_CALIBRATION],
                (NVM_SECTION_TYPE_HW, HW_ADDR),
            ),
        };
        let mut buffer = KVec::from_elem(0u8, 0x900, GFP_KERNEL)?;
        let mut found = None;
        for &section in sections {
            match Self::nvm(card, section, &mut buffer)? {
                Some(data) if section == holder.0 => found = Self::address(data, holder),
                Some(_) => {}
                None => {
                    dev_err!(card.dev(), "the NVM has no section {}\n", section);
                    return Err(ENODATA);
                }
            }
        }
        let Some(address) = found else {
            dev_err!(card.dev(), "no valid mac address was found\n");
            return Err(EINVAL);
        };
        // All antennas of the firmware's, and what it calibrates by itself.
        let antennas = card.phy_sku() >> 16 & 0xf;
        card.send(TX_ANT_CONFIGURATION_CMD, &antennas.to_le_bytes(), &mut [])?;
        let mut phy = [0; 12];
        phy[..4].copy_from_slice(&card.phy_sku().to_le_bytes());
        card.send_and_wait(PHY_CONFIGURATION_CMD, &phy, INIT_COMPLETE_NOTIF, INIT_TIMEOUT_MS)?;
        let [a, b, c, d, e, f] = address;
        dev_info!(
            card.dev(),
            "base HW address: {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
            a, b, c, d, e, f,
        );
        card.add_interface(&address)
    }

    fn up(card: &Card<'_>) -> Result {
        // It was stopped when it went down, or when it failed.
        card.start_hw()?;
        Self::run(card, Image::Runtime)?;
        let antennas = card.phy_sku() >> 16 & 0xf;
        card.send(TX_ANT_CONFIGURATION_CMD, &antennas.to_le_bytes(), &mut []).map(|_| ())
    }
}

struct Module {
    _registration: Registration<Mvm>,
}

impl kernel::Module for Module {
    fn init(module: &'static ThisModule) -> Result<Self> {
        Ok(Self { _registration: Registration::new(module)? })
    }
}

module! {
    type: Module,
    name: "iwlrs_mvm",
    authors: ["iwlbench contributors"],
    description: "Intel wireless in Rust: MVM firmware",
    license: "GPL",
}
