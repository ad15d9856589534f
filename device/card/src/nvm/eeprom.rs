//! The EEPROM of DVM cards, word by word behind `CSR_EEPROM_REG`.

use iwl_hw::csr::{CSR_EEPROM_GP, CSR_OTP_GP_REG, eeprom_gp, eeprom_reg, otp_gp};
use iwl_hw::eeprom as layout;
use iwl_hw::nvm::radio_cfg;

use super::names::EEPROM;
use crate::event::CardEvent;
use crate::faults::{Fault, FaultPlan};
use crate::spec::{Nvm, Radio};

/// Where the calibration part is, in bytes: any place that leaves room will do.
const CALIBRATION: usize = 0x280;
/// Of image and calibration, older than any driver takes.
const OLD: u16 = 1;

/// An image, and the run of words that the driver is reading.
#[derive(Debug)]
pub(crate) struct Eeprom {
    image: Vec<u8>,
    /// Where the image begins in it.
    base: usize,
    otp: bool,
    selected: Option<u32>,
    /// The driver polls a word before it takes it: only the first read counts.
    counted: bool,
    run: Option<(u32, u32)>,
}

impl Eeprom {
    /// A memory of that kind, with an image in it.
    pub(crate) fn new(kind: Nvm, image: Vec<u8>) -> Self {
        let (base, image) = match kind {
            // One block: a link to where the next would be, then the image.
            Nvm::OtpBlocks => {
                let next = (size_of::<u16>() + image.len()) / size_of::<u16>();
                (size_of::<u16>(), [&(next as u16).to_le_bytes(), &image[..]].concat())
            }
            _ => (0, image),
        };
        let otp = kind != Nvm::Eeprom;
        Self { image, base, otp, selected: None, counted: false, run: None }
    }

    /// What registers show after a reset: which of the two memories there is.
    pub(crate) fn registers(&self) -> [(u32, u32); 2] {
        let (signature, select) = match self.otp {
            true => (eeprom_gp::BAD_SIG_EEP_GOOD_SIG_OTP, otp_gp::DEVICE_SELECT),
            false => (eeprom_gp::GOOD_SIG_EEP_LESS_THAN_4K, 0),
        };
        [(CSR_EEPROM_GP, signature), (CSR_OTP_GP_REG, select)]
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

    /// A word was asked for since the last reset.
    pub(crate) fn selected(&self) -> bool {
        self.selected.is_some()
    }

    /// What makes the selected word another one, and which.
    pub(crate) fn faulty(&self, faults: &FaultPlan) -> Option<(Fault, u16)> {
        let at = (self.selected? as usize).checked_sub(self.base)?;
        faults.iter().find_map(|fault| match fault {
            Fault::NvmOld if at == layout::EEPROM_VERSION => Some((fault, OLD)),
            Fault::NvmOld if at == CALIBRATION + layout::EEPROM_CALIB_VERSION => Some((fault, OLD)),
            Fault::NvmMac { bits } if (layout::EEPROM_MAC_ADDRESS..).take(6).any(|b| b == at) => {
                Some((fault, u16::from_le_bytes([bits.byte(); 2])))
            }
            _ => None,
        })
    }

    /// A read of `CSR_EEPROM_REG`; `word` is there instead of the image's. With the image's last
    /// word, the run is over.
    pub(crate) fn read(&mut self, word: Option<u16>) -> (u32, Option<CardEvent>) {
        let Some(address) = self.selected else { return (0, None) };
        let at = address as usize;
        let word = match (word, self.image.get(at..at + 2)) {
            (Some(word), _) => word,
            (None, Some(bytes)) => u16::from_le_bytes([bytes[0], bytes[1]]),
            (None, None) => 0,
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
            section: EEPROM.into(),
            offset,
            len: end - offset,
            present: true,
        })
    }

    /// After a reset nothing is selected, and nothing was read.
    pub(crate) fn reset(&mut self) {
        // Each field is named, so that none is forgotten.
        let Self { image: _, base: _, otp: _, selected, counted, run } = self;
        (*selected, *counted, *run) = (None, false, None);
    }
}

/// The image of a DVM card.
pub(crate) fn image(version: u16, radio: Radio, mac: [u8; 6]) -> Vec<u8> {
    // Where the linked parts are, in bytes: any place that leaves room will do.
    const REGULATORY: usize = 0x100;
    const TXP_SIZE: usize = 0x1f8;
    const TXP: usize = 0x200;
    const CALIBRATION_VERSION: u8 = 6;
    const MAX_POWER_DBM: u8 = 15;
    const ANTENNA_C: u8 = 1 << 2;

    let mut image = vec![0; layout::OTP_LOW_IMAGE_SIZE_2K];
    let mut word = |at: usize, value: u16| image[at..at + 2].copy_from_slice(&value.to_le_bytes());
    let link = |at: usize| (at / 2) as u16;
    word(layout::EEPROM_NUM_MAC_ADDRESS, 1);
    word(layout::EEPROM_VERSION, version);
    let second_band = if radio.both_bands { layout::SKU_CAP_BAND_52GHZ } else { 0 };
    let sku = layout::SKU_CAP_BAND_24GHZ | second_band | layout::SKU_CAP_11N_ENABLE;
    word(layout::EEPROM_SKU_CAP, sku);
    word(layout::EEPROM_RADIO_CONFIG, radio_cfg(radio.transmit, radio.receive));
    word(layout::EEPROM_LINK_REGULATORY, link(REGULATORY));
    word(layout::EEPROM_LINK_CALIBRATION, link(CALIBRATION));
    word(layout::EEPROM_LINK_TXP_LIMIT, link(TXP));
    word(layout::EEPROM_LINK_TXP_LIMIT_SIZE, link(TXP_SIZE));
    word(TXP_SIZE, link(2 * layout::EEPROM_TXP_ENTRY_LEN));
    word(CALIBRATION + layout::EEPROM_XTAL, 0x1111);

    image[layout::EEPROM_MAC_ADDRESS..][..6].copy_from_slice(&mac);
    image[CALIBRATION + layout::EEPROM_CALIB_VERSION] = CALIBRATION_VERSION;
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
    let unii_1 = |channel: u8| radio.both_bands && [36, 40, 44, 48].contains(&channel);
    band(layout::EEPROM_REG_BAND_3_CHANNELS, &layout::BAND_3, &unii_1);

    // One entry per band: each chain, two together, three, in half dBm.
    let half_dbm = 2 * MAX_POWER_DBM;
    let third = if radio.transmit & ANTENNA_C != 0 { half_dbm } else { 0 };
    for (entry, band) in [0, layout::ENH_TXP_BAND_52G].into_iter().enumerate() {
        let at = TXP + entry * layout::EEPROM_TXP_ENTRY_LEN;
        let flags = layout::ENH_TXP_VALID_COMMON | band;
        image[at..][..layout::EEPROM_TXP_ENTRY_LEN]
            .copy_from_slice(&[flags, 0, half_dbm, half_dbm, third, 0, half_dbm, third]);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(eeprom: &mut Eeprom, address: u32, events: &mut Vec<CardEvent>) -> u16 {
        events.extend(eeprom.select(eeprom_reg::request(address)));
        let (_, polled) = eeprom.read(None);
        let (value, taken) = eeprom.read(None);
        events.extend(polled.into_iter().chain(taken));
        assert_ne!(value & eeprom_reg::READ_VALID, 0);
        (value >> eeprom_reg::DATA_SHIFT) as u16
    }

    #[test]
    fn a_run_of_words_is_one_event() {
        let radio = Radio { transmit: 3, receive: 3, both_bands: true };
        let image = image(0x70a, radio, [2, 0, 0x4e, 0x6c, 0x62, 5]);
        let mut eeprom = Eeprom::new(Nvm::Otp, image);
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
    fn a_reset_ends_a_run() {
        let mut eeprom = Eeprom::new(Nvm::Otp, vec![0; 64]);
        let mut events = Vec::new();
        read(&mut eeprom, 4, &mut events);
        eeprom.reset();
        assert!(!eeprom.selected());
        read(&mut eeprom, 6, &mut events);
        assert_eq!(events, []);
        let again =
            CardEvent::NvmRead { section: "eeprom".into(), offset: 6, len: 2, present: true };
        assert_eq!(eeprom.end_run(), Some(again), "it does not go on with the one before");
    }

    #[test]
    fn a_gap_ends_a_run() {
        let mut eeprom = Eeprom::new(Nvm::Otp, vec![0; 64]);
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
