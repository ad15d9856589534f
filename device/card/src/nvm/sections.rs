//! The NVM behind `NVM_ACCESS_CMD`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use iwl_hw::nvm as layout;

use super::names::section_name;
use crate::faults::{Fault, FaultPlan};
use crate::spec::{Nvm, Radio};

/// Sections by number.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    sections: BTreeMap<u16, Vec<u8>>,
    /// The section that the address is in, and where there.
    mac: (u16, usize),
}

/// Older than any driver takes.
const OLD: u16 = 1;

/// The channels that the cards use: 2.4 GHz without 14, and the first four of 5 GHz.
fn channel_flags() -> impl Iterator<Item = u16> {
    layout::CHANNELS.into_iter().map(|channel| match channel {
        1..=13 | 36 | 40 | 44 | 48 => layout::NVM_CHANNEL_USABLE,
        _ => 0,
    })
}

fn put(section: &mut [u8], at: usize, bytes: &[u8]) {
    section[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_channels(section: &mut [u8], at: usize) {
    for (slot, flags) in channel_flags().enumerate() {
        put(section, at + 2 * slot, &flags.to_le_bytes());
    }
}

impl Sections {
    /// The sections of a card, as the NVM of its silicon lays them out; none where it has others.
    pub(crate) fn new(kind: Nvm, version: u16, radio: Radio, mac: [u8; 6]) -> Self {
        match kind {
            Nvm::Eeprom | Nvm::Otp | Nvm::OtpBlocks => Self::default(),
            Nvm::Sections | Nvm::SectionsSdp => Self::plain(kind, version, radio, mac),
            Nvm::SectionsExtended => Self::extended(version, radio, mac),
        }
    }

    /// What events call each section that a driver may ask for, and whether it is there.
    pub(crate) fn named(kind: Nvm) -> Vec<(Cow<'static, str>, bool)> {
        let radio = Radio { transmit: 0, receive: 0, both_bands: false };
        let Self { sections, mac: _ } = Self::new(kind, 0, radio, [0; 6]);
        let all = 0..layout::NVM_MAX_NUM_SECTIONS;
        all.map(|number| (section_name(number), sections.contains_key(&number))).collect()
    }

    /// The layout of the 7000 family (`IWL_NVM`, `IWL_NVM_SDP`).
    fn plain(kind: Nvm, version: u16, radio: Radio, mac: [u8; 6]) -> Self {
        let mut hw = vec![0; 64];
        let swapped = [mac[1], mac[0], mac[3], mac[2], mac[5], mac[4]];
        put(&mut hw, layout::HW_ADDR, &swapped);

        let mut sw = vec![0; 256];
        put(&mut sw, layout::NVM_VERSION, &version.to_le_bytes());
        let radio_cfg = layout::radio_cfg(radio.transmit, radio.receive);
        put(&mut sw, layout::RADIO_CFG, &radio_cfg.to_le_bytes());
        put(&mut sw, layout::SKU, &layout::SKU_CAP_BOTH_BANDS_11N_11AC.to_le_bytes());
        put(&mut sw, layout::N_HW_ADDRS, &1u16.to_le_bytes());
        let mut sections = BTreeMap::from([
            (layout::NVM_SECTION_TYPE_HW, hw),
            (layout::NVM_SECTION_TYPE_CALIBRATION, vec![0; 256]),
        ]);
        if kind == Nvm::SectionsSdp {
            let mut regulatory = vec![0; 256];
            put_channels(&mut regulatory, layout::NVM_CHANNELS_SDP);
            sections.insert(layout::NVM_SECTION_TYPE_REGULATORY_SDP, regulatory);
        } else {
            put_channels(&mut sw, layout::NVM_CHANNELS);
        }
        sections.insert(layout::NVM_SECTION_TYPE_SW, sw);
        Self { sections, mac: (layout::NVM_SECTION_TYPE_HW, layout::HW_ADDR) }
    }

    /// The layout of the 8000 family (`IWL_NVM_EXT`).
    fn extended(version: u16, radio: Radio, mac: [u8; 6]) -> Self {
        let mut sw = vec![0; 64];
        put(&mut sw, layout::NVM_VERSION, &u32::from(version).to_le_bytes());
        put(&mut sw, layout::N_HW_ADDRS, &1u32.to_le_bytes());

        let mut regulatory = vec![0; layout::REGULATORY_EXT_LEN];
        put_channels(&mut regulatory, layout::NVM_CHANNELS_EXTENDED);

        let mut mac_override = vec![0; 16];
        put(&mut mac_override, layout::MAC_ADDRESS_OVERRIDE, &mac);

        let mut phy_sku = vec![0; 32];
        let radio_cfg = layout::radio_cfg_ext(radio.transmit, radio.receive);
        put(&mut phy_sku, layout::RADIO_CFG_EXT, &radio_cfg.to_le_bytes());
        let sku = u32::from(layout::SKU_CAP_BOTH_BANDS_11N_11AC);
        put(&mut phy_sku, layout::SKU_EXT, &sku.to_le_bytes());

        Self {
            sections: BTreeMap::from([
                (layout::NVM_SECTION_TYPE_SW, sw),
                (layout::NVM_SECTION_TYPE_REGULATORY, regulatory),
                (layout::NVM_SECTION_TYPE_MAC_OVERRIDE, mac_override),
                (layout::NVM_SECTION_TYPE_PHY_SKU, phy_sku),
            ]),
            mac: (layout::NVM_SECTION_TYPE_MAC_OVERRIDE, layout::MAC_ADDRESS_OVERRIDE),
        }
    }

    /// At most `len` bytes from `offset` on, as the faults leave them; `None` beyond the end or
    /// without the section.
    pub(crate) fn read(
        &self,
        section: u16,
        offset: u16,
        len: u16,
        faults: &FaultPlan,
    ) -> Option<Vec<u8>> {
        let mut content = self.sections.get(&section)?.clone();
        for fault in self.faults_of(section, faults) {
            match fault {
                Fault::NvmSectionAbsent { .. } => return None,
                Fault::NvmOld => put(&mut content, layout::NVM_VERSION, &OLD.to_le_bytes()),
                Fault::NvmMac { bits } => put(&mut content, self.mac.1, &[bits.byte(); 6]),
                _ => {}
            }
        }
        let rest = content.get(usize::from(offset)..)?;
        (!rest.is_empty()).then(|| rest[..rest.len().min(len.into())].to_vec())
    }

    /// What is wrong with a section.
    pub(crate) fn faults_of(
        &self,
        section: u16,
        faults: &FaultPlan,
    ) -> impl Iterator<Item = Fault> {
        let mac = self.mac.0;
        faults.iter().filter(move |fault| match fault {
            Fault::NvmSectionAbsent { section: absent } => absent.numbers().contains(&section),
            Fault::NvmOld => section == layout::NVM_SECTION_TYPE_SW,
            Fault::NvmMac { .. } => section == mac,
            _ => false,
        })
    }
}
