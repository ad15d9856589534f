// SPDX-License-Identifier: GPL-2.0

//! The opmode of cards whose firmware has sections with places: families 7000, 8000 and 22000.
//!
//! As in the C driver the INIT image runs first, and is asked for the NVM and to calibrate; then comes the
//! interface, with which the runtime image goes up. Of 22000 there is one image for all of it.

#![allow(missing_docs)]

use kernel::prelude::*;

mod abi;
mod opmode;

use abi::{is_valid_ether_addr, Family, Image, Kind};
use opmode::{Card, Log, Opmode, Registration};

const CMD_QUEUE: u8 = 0;

/// Commands of the first group have the long header under this number.
const LONG_GROUP: u8 = 1;
const NVM_ACCESS_CMD: (u8, u8) = (LONG_GROUP, 0x88);
const PHY_CONFIGURATION_CMD: (u8, u8) = (LONG_GROUP, 0x6a);
const TX_ANT_CONFIGURATION_CMD: (u8, u8) = (LONG_GROUP, 0x98);
const INIT_EXTENDED_CFG_CMD: (u8, u8) = (2, 0x03);
const NVM_ACCESS_COMPLETE: (u8, u8) = (12, 0x00);
const NVM_GET_INFO: (u8, u8) = (12, 0x02);
const INIT_COMPLETE_NOTIF: u8 = 0x04;
const INIT_TIMEOUT_MS: u32 = 2000;
/// How often a start is tried again that the card did not answer, as the C driver has it.
const IWL_MAX_INIT_RETRY: u32 = 2;

/// Sections of the NVM.
const NVM_SECTION_TYPE_HW: u16 = 0;
const NVM_SECTION_TYPE_SW: u16 = 1;
const NVM_SECTION_TYPE_REGULATORY: u16 = 3;
const NVM_SECTION_TYPE_CALIBRATION: u16 = 4;
const NVM_SECTION_TYPE_MAC_OVERRIDE: u16 = 11;
const NVM_SECTION_TYPE_PHY_SKU: u16 = 12;

/// In the section of software.
const NVM_VERSION: usize = 0;
/// The address, in the section that holds it.
const HW_ADDR: usize = 0x2a;
const MAC_ADDRESS_OVERRIDE: usize = 2;

/// Of `INIT_EXTENDED_CFG_CMD`: the NVM will have been dealt with when it is told so.
const IWL_INIT_NVM: u32 = 1 << 1;
/// What `NVM_GET_INFO` answers before it comes to channels.
const NVM_INFO: usize = 20;

/// In ALIVE.
const IWL_ALIVE_STATUS_OK: u16 = 0xcafe;
/// `struct iwl_alive_ntf_v3`, which says where the logs are, of the lower MAC and the upper one.
const ALIVE_LEN: usize = 68;
const ERROR_LOG: Log = Log { place: 20, kind: "", link: 4 };
const UMAC_ERROR_LOG: Log = Log { place: 60, kind: "umac ", link: 3 };

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
        is_valid_ether_addr(&address).then_some(address)
    }

    /// The first start, which calibrates. The address, if there is a valid one.
    fn first(card: &Card<'_>) -> Result<Option<[u8; 6]>> {
        card.start_hw()?;
        match card.family() {
            Family::Family22000 => {
                Self::run(card, Image::Unified)?;
                Self::calibrate(card)?;
                Self::info(card)
            }
            _ => {
                Self::run(card, Image::Init)?;
                Self::init(card)
            }
        }
    }

    /// What the INIT image knows, and has to be told.
    fn init(card: &Card<'_>) -> Result<Option<[u8; 6]>> {
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
                Some(data) if section == NVM_SECTION_TYPE_SW => Self::look_at_version(card, data),
                Some(_) => {}
                None => {
                    dev_err!(card.dev(), "Can't parse empty OTP/NVM sections: no {}\n", section);
                    return Err(ENODATA);
                }
            }
        }
        // With the radio switched off nothing can be calibrated.
        if found.is_some() && card.is_radio_on() {
            // All antennas of the firmware's, and what it calibrates by itself.
            Self::antennas(card)?;
            let mut phy = [0; 12];
            phy[..4].copy_from_slice(&card.phy_sku().to_le_bytes());
            card.send_and_wait(PHY_CONFIGURATION_CMD, &phy, INIT_COMPLETE_NOTIF, INIT_TIMEOUT_MS)?;
        }
        Ok(found)
    }

    /// An old one is worked with.
    fn look_at_version(card: &Card<'_>, software: &[u8]) {
        let version = software.get(NVM_VERSION..NVM_VERSION + 2);
        let version = version.and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
        let required = card.nvm_version().nvm;
        if version < required {
            let dev = card.dev();
            dev_warn!(dev, "Too old NVM version (0x{:x}, required = 0x{:x})\n", version, required);
        }
    }

    fn antennas(card: &Card<'_>) -> Result {
        let antennas = card.phy_sku() >> 16 & 0xf;
        card.send(TX_ANT_CONFIGURATION_CMD, &antennas.to_le_bytes(), &mut []).map(|_| ())
    }

    /// The one image of 22000 calibrates when it is told that the NVM has been dealt with.
    fn calibrate(card: &Card<'_>) -> Result {
        card.send(INIT_EXTENDED_CFG_CMD, &IWL_INIT_NVM.to_le_bytes(), &mut [])?;
        card.send_and_wait(NVM_ACCESS_COMPLETE, &[0; 4], INIT_COMPLETE_NOTIF, INIT_TIMEOUT_MS)
    }

    /// What it knows. The address it does not tell: that is in registers.
    fn info(card: &Card<'_>) -> Result<Option<[u8; 6]>> {
        let mut info = [0; NVM_INFO];
        if card.send(NVM_GET_INFO, &[0; 4], &mut info)? < NVM_INFO {
            dev_err!(card.dev(), "what the firmware says of the NVM is too short\n");
            return Err(EINVAL);
        }
        let [_, _, _, _, low, high, _, addresses, ..] = info;
        let version = u16::from_le_bytes([low, high]);
        dev_info!(card.dev(), "NVM version {:#x}, addresses: {}\n", version, addresses);
        let address = card.mac_address()?;
        Ok(is_valid_ether_addr(&address).then_some(address))
    }
}

impl Opmode for Mvm {
    const KIND: Kind = Kind::Mvm;

    fn start(card: &Card<'_>) -> Result<[u8; 6]> {
        let mut tried = 0;
        let found = loop {
            match Self::first(card) {
                Err(error) if error == ETIMEDOUT && tried < IWL_MAX_INIT_RETRY => {
                    dev_err!(card.dev(), "retry init count {}\n", tried);
                    tried += 1;
                }
                found => break found?,
            }
        };
        let Some(address) = found else {
            dev_err!(card.dev(), "no valid mac address was found\n");
            return Err(EINVAL);
        };
        let [a, b, c, d, e, f] = address;
        dev_info!(
            card.dev(),
            "base HW address: {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
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
        Self::run(card, Image::Runtime)?;
        if card.family() == Family::Family22000 {
            Self::calibrate(card)?;
        }
        Self::antennas(card)
    }

    fn print_logs(card: &Card<'_>) -> Result {
        card.print_log(ERROR_LOG)?;
        match card.family() {
            Family::Family7000 => Ok(()),
            _ => card.print_log(UMAC_ERROR_LOG),
        }
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
