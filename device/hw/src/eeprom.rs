//! The EEPROM (or its OTP image) of DVM cards: offsets and values, in bytes.
//!
//! Source: `dvm/eeprom.c`. Words are little-endian. Link words hold an offset in words.

/// Bytes that the driver reads of a card with a 2K image.
pub const OTP_LOW_IMAGE_SIZE_2K: usize = 2048;

/// MAC address, 6 bytes.
pub const EEPROM_MAC_ADDRESS: usize = 0x2a;
/// Version.
pub const EEPROM_VERSION: usize = 0x88;
/// What the card may do.
pub const EEPROM_SKU_CAP: usize = 0x8a;
/// Radio type and antennas.
pub const EEPROM_RADIO_CONFIG: usize = 0x90;
/// Number of MAC addresses.
pub const EEPROM_NUM_MAC_ADDRESS: usize = 0x98;
/// Link to the regulatory part.
pub const EEPROM_LINK_REGULATORY: usize = 0xcc;
/// Link to the calibration part.
pub const EEPROM_LINK_CALIBRATION: usize = 0xce;
/// Link to the transmit power entries.
pub const EEPROM_LINK_TXP_LIMIT: usize = 0xd4;
/// Link to the word with their size, in words.
pub const EEPROM_LINK_TXP_LIMIT_SIZE: usize = 0xd6;
/// In the calibration part: its version, a byte.
pub const EEPROM_CALIB_VERSION: usize = 0;
/// In the calibration part: crystal.
pub const EEPROM_XTAL: usize = 0x250;

/// [`EEPROM_SKU_CAP`]: 2.4 GHz.
pub const SKU_CAP_BAND_24GHZ: u16 = 1 << 4;
/// [`EEPROM_SKU_CAP`]: 5 GHz.
pub const SKU_CAP_BAND_52GHZ: u16 = 1 << 5;
/// [`EEPROM_SKU_CAP`]: 11n.
pub const SKU_CAP_11N_ENABLE: u16 = 1 << 6;

/// In the regulatory part: the 5 bands of 20 MHz of a 6005, in bytes.
pub const EEPROM_REG_BAND_1_CHANNELS: usize = 0x08;
/// In the regulatory part: 5170 to 5320 MHz.
pub const EEPROM_REG_BAND_3_CHANNELS: usize = 0x42;
/// Channels of band 1.
pub const BAND_1: [u8; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
/// Channels of band 3.
pub const BAND_3: [u8; 12] = [34, 36, 38, 40, 42, 44, 46, 48, 52, 56, 60, 64];

/// Flags of a channel: valid, IBSS, active scan, wide.
pub const EEPROM_CHANNEL_USABLE: u8 = 0x2b;

/// A transmit power entry's flags: valid, applies to a whole band.
pub const ENH_TXP_VALID_COMMON: u8 = 0x81;
/// A transmit power entry's flags: of 5 GHz.
pub const ENH_TXP_BAND_52G: u8 = 0x02;
/// Bytes of a transmit power entry.
pub const EEPROM_TXP_ENTRY_LEN: usize = 8;
