//! The NVM of MVM cards, behind `NVM_ACCESS_CMD`: sections, offsets in bytes, values.
//!
//! Sources: `iwl-nvm-parse.c`, `fw/api/nvm-reg.h`.

/// Sections a driver asks for.
pub const NVM_MAX_NUM_SECTIONS: u16 = 13;

/// Hardware section of the 7000 family.
pub const NVM_SECTION_TYPE_HW: u16 = 0;
/// Software section.
pub const NVM_SECTION_TYPE_SW: u16 = 1;
/// Regulatory section.
pub const NVM_SECTION_TYPE_REGULATORY: u16 = 3;
/// Calibration section.
pub const NVM_SECTION_TYPE_CALIBRATION: u16 = 4;
/// Production section.
pub const NVM_SECTION_TYPE_PRODUCTION: u16 = 5;
/// Regulatory section of the 3168.
pub const NVM_SECTION_TYPE_REGULATORY_SDP: u16 = 8;
/// MAC address override.
pub const NVM_SECTION_TYPE_MAC_OVERRIDE: u16 = 11;
/// PHY and SKU.
pub const NVM_SECTION_TYPE_PHY_SKU: u16 = 12;

/// A section's vendor name, if it has one.
#[must_use]
pub fn section_name(section: u16) -> Option<&'static str> {
    Some(match section {
        NVM_SECTION_TYPE_HW => "NVM_SECTION_TYPE_HW",
        NVM_SECTION_TYPE_SW => "NVM_SECTION_TYPE_SW",
        NVM_SECTION_TYPE_REGULATORY => "NVM_SECTION_TYPE_REGULATORY",
        NVM_SECTION_TYPE_CALIBRATION => "NVM_SECTION_TYPE_CALIBRATION",
        NVM_SECTION_TYPE_PRODUCTION => "NVM_SECTION_TYPE_PRODUCTION",
        NVM_SECTION_TYPE_REGULATORY_SDP => "NVM_SECTION_TYPE_REGULATORY_SDP",
        NVM_SECTION_TYPE_MAC_OVERRIDE => "NVM_SECTION_TYPE_MAC_OVERRIDE",
        NVM_SECTION_TYPE_PHY_SKU => "NVM_SECTION_TYPE_PHY_SKU",
        _ => return None,
    })
}

/// Hardware section: MAC address, bytes swapped in pairs.
pub const HW_ADDR: usize = 0x2a;
/// Software section: version.
pub const NVM_VERSION: usize = 0;
/// Software section, 7000: radio configuration.
pub const RADIO_CFG: usize = 2;
/// Software section, 7000: SKU.
pub const SKU: usize = 4;
/// Software section: number of MAC addresses.
pub const N_HW_ADDRS: usize = 6;
/// Software section, 7000: channel flags, a word each.
pub const NVM_CHANNELS: usize = 0x40;
/// Regulatory section of 3168: channel flags, a word each.
pub const NVM_CHANNELS_SDP: usize = 0;
/// Regulatory section, extended: channel flags, a word each.
pub const NVM_CHANNELS_EXTENDED: usize = 0;
/// Regulatory section, extended: the byte after the location-aware regulatory word.
pub const REGULATORY_EXT_LEN: usize = 2 * 0x510;
/// Regulatory section, extended: whether the firmware is to be asked for the country's rules, in NVM before
/// 0xe39 and in later.
pub const NVM_LAR_OFFSET_OLD: usize = 2 * 0x4c7;
/// See [`NVM_LAR_OFFSET_OLD`].
pub const NVM_LAR_OFFSET: usize = 2 * 0x507;
/// There: it is.
pub const NVM_LAR_ENABLED: u16 = 7;
/// MAC override section: MAC address, in order.
pub const MAC_ADDRESS_OVERRIDE: usize = 2;
/// PHY and SKU section: radio configuration.
pub const RADIO_CFG_EXT: usize = 0;
/// PHY and SKU section: SKU.
pub const SKU_EXT: usize = 4;

/// Radio configuration of the EEPROM and of 7000: type 1, and antennas, a bit each.
#[must_use]
pub const fn radio_cfg(transmit: u8, receive: u8) -> u16 {
    (receive as u16) << 12 | (transmit as u16 & 0xf) << 8 | 1
}

/// Radio configuration, extended: step 1.
#[must_use]
pub const fn radio_cfg_ext(transmit: u8, receive: u8) -> u32 {
    (receive as u32) << 28 | (transmit as u32 & 0xf) << 24 | 1 << 12
}

/// Transmit antennas of an extended radio configuration, a bit each.
#[must_use]
pub const fn tx_antennas_ext(radio_cfg: u32) -> u32 {
    radio_cfg >> 24 & 0xf
}

/// Receive antennas of an extended radio configuration, a bit each.
#[must_use]
pub const fn rx_antennas_ext(radio_cfg: u32) -> u32 {
    radio_cfg >> 28
}

/// SKU: both bands, 11n, 11ac.
pub const SKU_CAP_BOTH_BANDS_11N_11AC: u16 = 0x000f;

/// Channels, in the order of their flags.
pub const CHANNELS: [u8; 39] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 36, 40, 44, 48, 52, 56, 60, 64, 100, 104, 108,
    112, 116, 120, 124, 128, 132, 136, 140, 144, 149, 153, 157, 161, 165,
];
/// Flags of a channel: valid, IBSS, active scan.
pub const NVM_CHANNEL_USABLE: u16 = 0x000b;
