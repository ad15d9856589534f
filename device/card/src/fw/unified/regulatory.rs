//! What the NVM holds, as the firmware reads it out.

use iwl_hw::mld::{self, NvmGetInfoRspV4};
use iwl_hw::mvm::{self, NvmGetInfoRspV3, regulatory_and_nvm};
use iwl_hw::nvm as layout;
use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use crate::capabilities::Capabilities;
use crate::event::CardEvent;
use crate::message::{Command, Effect, prefix};
use crate::nvm::NVM_GET_INFO;

/// `NVM_GET_INFO`: what the sections hold, in short. The address is elsewhere, in CSR.
pub(super) fn get_info(command: &Command<'_>, said: &Capabilities) -> Vec<Effect> {
    let (nvm, faults) = (command.nvm, command.faults);
    let (group, id) = (mvm::REGULATORY_AND_NVM_GROUP, regulatory_and_nvm::NVM_GET_INFO);
    let from = |section, offset: usize, len: usize| {
        nvm.read(section, offset as u16, len as u16, faults).unwrap_or_default()
    };
    let sw = layout::NVM_SECTION_TYPE_SW;
    let phy_sku = layout::NVM_SECTION_TYPE_PHY_SKU;
    let nvm_version = prefix(&from(sw, layout::NVM_VERSION, 2)).0;
    let n_hw_addrs = prefix(&from(sw, layout::N_HW_ADDRS, 1)).0;
    let (sku, _): (U32, _) = prefix(&from(phy_sku, layout::SKU_EXT, 4));
    let (radio, _): (U32, _) = prefix(&from(phy_sku, layout::RADIO_CFG_EXT, 4));
    let tx_chains = layout::tx_antennas_ext(radio.get()).into();
    let rx_chains = layout::rx_antennas_ext(radio.get()).into();
    let info = match said.notification(group, id) {
        // Location-aware, with all channels there are.
        version @ Some(4..) => {
            let more = if version == Some(4) { 0 } else { mld::CHANNELS_V5 };
            let mut info = NvmGetInfoRspV4::new_zeroed();
            (info.nvm_version, info.n_hw_addrs) = (nvm_version, n_hw_addrs);
            info.mac_sku_flags = sku | mld::SKU_CAP_11AX;
            (info.tx_chains, info.rx_chains) = (tx_chains, rx_chains);
            info.lar_enabled = 1.into();
            info.n_channels = ((mld::CHANNELS + more) as u32).into();
            info.channel_profile = mld::channel_profile();
            [info.as_bytes(), &vec![0; size_of::<U32>() * more]].concat()
        }
        _ => {
            let mut info = NvmGetInfoRspV3::new_zeroed();
            (info.nvm_version, info.n_hw_addrs) = (nvm_version, n_hw_addrs);
            info.mac_sku_flags = sku;
            (info.tx_chains, info.rx_chains) = (tx_chains, rx_chains);
            let channels = size_of_val(&info.channel_profile);
            let regulatory = layout::NVM_SECTION_TYPE_REGULATORY;
            info.channel_profile =
                prefix(&from(regulatory, layout::NVM_CHANNELS_EXTENDED, channels)).0;
            info.as_bytes().to_vec()
        }
    };
    let told = CardEvent::NvmRead {
        section: NVM_GET_INFO.into(),
        offset: 0,
        len: info.len() as u32,
        present: true,
    };
    let wrong = nvm.faults_of(sw, faults).map(|fault| Effect::Tell(CardEvent::injected(fault)));
    wrong.chain([Effect::Tell(told), Effect::Reply(info)]).collect()
}
