//! The EEPROM of DVM cards, word by word behind `CSR_EEPROM_REG`.

use iwl_hw::csr::{CSR_EEPROM_GP, CSR_OTP_GP_REG, eeprom_gp, eeprom_reg, otp_gp};
use iwl_hw::eeprom as layout;

use crate::event::CardEvent;

/// An image, and the run of words that the driver is reading.
#[derive(Debug)]
pub(crate) struct Eeprom {
    image: Vec<u8>,
    selected: Option<u32>,
    /// The driver polls a word before it takes it: only the first read counts.
    counted: bool,
    run: Option<(u32, u32)>,
}

impl Eeprom {
    /// What registers show after a reset: there is OTP, and no EEPROM.
    pub(crate) const RESET: [(u32, u32); 2] = [
        (CSR_EEPROM_GP, eeprom_gp::BAD_SIG_EEP_GOOD_SIG_OTP),
        (CSR_OTP_GP_REG, otp_gp::DEVICE_SELECT),
    ];

    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self { image, selected: None, counted: false, run: None }
    }

    /// A write to `CSR_EEPROM_REG`: selects a word. The read run that it does not continue is
    /// over.
    pub(crate) fn select(&mut self, value: u32) -> Option<CardEvent> {
        let address = eeprom_reg::address(value);
        self.selected = Some(address);
        self.counted = false;
        match self.run {
            Some((_, end)) if address != end => self.end_run(),
            _ => None,
        }
    }

    /// A read of `CSR_EEPROM_REG`. With the image's last word, the run is over.
    pub(crate) fn read(&mut self) -> (u32, Option<CardEvent>) {
        let Some(address) = self.selected else { return (0, None) };
        let at = address as usize;
        let word = match self.image.get(at..at + 2) {
            Some(bytes) => u16::from_le_bytes([bytes[0], bytes[1]]),
            None => 0,
        };
        let mut over = None;
        if !self.counted {
            self.counted = true;
            let start = self.run.map_or(address, |(start, _)| start);
            self.run = Some((start, address + 2));
            if at + 2 == self.image.len() {
                over = self.end_run();
            }
        }
        (u32::from(word) << eeprom_reg::DATA_SHIFT | eeprom_reg::READ_VALID, over)
    }

    /// The driver does something else.
    pub(crate) fn end_run(&mut self) -> Option<CardEvent> {
        let (offset, end) = self.run.take()?;
        Some(CardEvent::NvmRead {
            section: "eeprom".into(),
            offset,
            len: end - offset,
            present: true,
        })
    }

    /// After a reset nothing is selected.
    pub(crate) fn reset(&mut self) {
        self.selected = None;
    }
}

/// The image of a 6005-family card: two antennas, both bands, 11n.
pub(crate) fn image_6005(mac: [u8; 6]) -> Vec<u8> {
    // Where the linked parts are, in bytes: any place that leaves room will do.
    const REGULATORY: usize = 0x100;
    const TXP_SIZE: usize = 0x1f8;
    const TXP: usize = 0x200;
    const CALIBRATION: usize = 0x280;
    /// The least version that the driver takes of a 6205 is 0x709.
    const VERSION: u16 = 0x070a;
    const CALIBRATION_VERSION: u8 = 6;
    const MAX_POWER_DBM: u8 = 15;

    let mut image = vec![0; layout::OTP_LOW_IMAGE_SIZE_2K];
    let mut word = |at: usize, value: u16| image[at..at + 2].copy_from_slice(&value.to_le_bytes());
    let link = |at: usize| (at / 2) as u16;
    word(layout::EEPROM_NUM_MAC_ADDRESS, 1);
    word(layout::EEPROM_VERSION, VERSION);
    word(layout::EEPROM_SKU_CAP, layout::SKU_CAP_24GHZ_52GHZ_11N);
    word(layout::EEPROM_RADIO_CONFIG, layout::RADIO_CONFIG_2X2);
    word(layout::EEPROM_LINK_REGULATORY, link(REGULATORY));
    word(layout::EEPROM_LINK_CALIBRATION, link(CALIBRATION));
    word(layout::EEPROM_LINK_TXP_LIMIT, link(TXP));
    word(layout::EEPROM_LINK_TXP_LIMIT_SIZE, link(TXP_SIZE));
    word(TXP_SIZE, link(2 * layout::EEPROM_TXP_ENTRY_LEN));
    word(CALIBRATION + layout::EEPROM_XTAL, 0x1111);

    image[layout::EEPROM_MAC_ADDRESS..][..6].copy_from_slice(&mac);
    image[CALIBRATION] = CALIBRATION_VERSION;
    let mut band = |at: usize, channels: &[u8], usable: &dyn Fn(u8) -> bool| {
        for (slot, channel) in channels.iter().enumerate() {
            if usable(*channel) {
                let at = REGULATORY + at + 2 * slot;
                image[at] = layout::EEPROM_CHANNEL_USABLE;
                image[at + 1] = MAX_POWER_DBM;
            }
        }
    };
    band(layout::EEPROM_REG_BAND_1_CHANNELS, &layout::BAND_1, &|channel| channel < 14);
    let unii_1 = |channel: u8| [36, 40, 44, 48].contains(&channel);
    band(layout::EEPROM_REG_BAND_3_CHANNELS, &layout::BAND_3, &unii_1);

    // One entry per band: chains A and B, and both together, in half dBm.
    let half_dbm = 2 * MAX_POWER_DBM;
    for (entry, band) in [0, layout::ENH_TXP_BAND_52G].into_iter().enumerate() {
        let at = TXP + entry * layout::EEPROM_TXP_ENTRY_LEN;
        let flags = layout::ENH_TXP_VALID_COMMON | band;
        image[at..][..layout::EEPROM_TXP_ENTRY_LEN]
            .copy_from_slice(&[flags, 0, half_dbm, half_dbm, 0, 0, half_dbm, 0]);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(eeprom: &mut Eeprom, address: u32, events: &mut Vec<CardEvent>) -> u16 {
        events.extend(eeprom.select(eeprom_reg::request(address)));
        let (_, polled) = eeprom.read();
        let (value, taken) = eeprom.read();
        events.extend(polled.into_iter().chain(taken));
        assert_ne!(value & eeprom_reg::READ_VALID, 0);
        (value >> eeprom_reg::DATA_SHIFT) as u16
    }

    #[test]
    fn a_run_of_words_is_one_event() {
        let mut eeprom = Eeprom::new(image_6005([2, 0, 0x4e, 0x6c, 0x62, 5]));
        let mut events = Vec::new();
        let words: Vec<u16> =
            (0..1024).map(|word| read(&mut eeprom, 2 * word, &mut events)).collect();
        assert_eq!(words[layout::EEPROM_MAC_ADDRESS / 2], u16::from_le_bytes([2, 0]));
        let whole =
            CardEvent::NvmRead { section: "eeprom".into(), offset: 0, len: 2048, present: true };
        assert_eq!(events, [whole]);
        assert_eq!(eeprom.end_run(), None);
    }

    #[test]
    fn a_gap_ends_a_run() {
        let mut eeprom = Eeprom::new(vec![0; 64]);
        let mut events = Vec::new();
        read(&mut eeprom, 4, &mut events);
        read(&mut eeprom, 6, &mut events);
        read(&mut eeprom, 12, &mut events);
        let run = |offset, len| CardEvent::NvmRead {
            section: "eeprom".into(),
            offset,
            len,
            present: true,
        };
        assert_eq!(events, [run(4, 4)]);
        assert_eq!(eeprom.end_run(), Some(run(12, 2)));
    }
}
