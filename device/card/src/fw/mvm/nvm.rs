//! The NVM: `NVM_ACCESS_CMD` reads it out, section by section; `NVM_GET_INFO` has the firmware read it.

use iwl_hw::mvm::{self, NvmAccessCmd, NvmAccessResp, NvmGetInfoRspV3};
use iwl_hw::nvm as layout;
use zerocopy::{FromZeros, IntoBytes};

use crate::event::CardEvent;
use crate::message::{Command, Effect, prefix};
use crate::nvm::{NVM_GET_INFO, section_name};

pub(super) fn access(command: &Command<'_>, access: &NvmAccessCmd) -> Vec<Effect> {
    let (nvm, faults) = (command.nvm, command.faults);
    let section = access.r#type.get();
    let read = access.op_code == mvm::NVM_READ;
    let data = if read {
        nvm.read(section, access.offset.get(), access.length.get(), faults)
    } else {
        // The driver writes back what it read from a file: it has its way, nothing changes.
        Some(Vec::new())
    };
    let response = NvmAccessResp {
        offset: access.offset,
        length: (data.as_ref().map_or(0, Vec::len) as u16).into(),
        r#type: access.r#type,
        status: match data {
            Some(_) => 0,
            None => mvm::READ_NVM_CHUNK_NOT_VALID_ADDRESS,
        }
        .into(),
    };
    let data = data.unwrap_or_default();
    let reply = Effect::reply([response.as_bytes(), &data].concat());
    if !read {
        return vec![reply];
    }
    let told = CardEvent::NvmRead {
        section: section_name(section),
        offset: access.offset.get().into(),
        len: data.len() as u32,
        present: nvm.read(section, 0, 1, faults).is_some(),
    };
    // Of a section that is read in pieces, once.
    let wrong = nvm.faults_of(section, faults).filter(|_| access.offset.get() == 0);
    let wrong = wrong.map(|fault| Effect::Tell(CardEvent::injected(fault)));
    wrong.chain([Effect::Tell(told), reply]).collect()
}

/// `NVM_GET_INFO`: what the sections hold, in short. The address is elsewhere, in CSR.
pub(super) fn get_info(command: &Command<'_>) -> Vec<Effect> {
    let (nvm, faults) = (command.nvm, command.faults);
    let from = |section, offset: usize, len: usize| {
        nvm.read(section, offset as u16, len as u16, faults).unwrap_or_default()
    };
    let mut info = NvmGetInfoRspV3::new_zeroed();
    let sw = layout::NVM_SECTION_TYPE_SW;
    info.nvm_version = prefix(&from(sw, layout::NVM_VERSION, 2)).0;
    info.n_hw_addrs = prefix(&from(sw, layout::N_HW_ADDRS, 1)).0;
    let phy_sku = layout::NVM_SECTION_TYPE_PHY_SKU;
    info.mac_sku_flags = prefix(&from(phy_sku, layout::SKU_EXT, 4)).0;
    let (radio, _): (zerocopy::little_endian::U32, _) =
        prefix(&from(phy_sku, layout::RADIO_CFG_EXT, 4));
    info.tx_chains = layout::tx_antennas_ext(radio.get()).into();
    info.rx_chains = layout::rx_antennas_ext(radio.get()).into();
    let channels = size_of_val(&info.channel_profile);
    let regulatory = layout::NVM_SECTION_TYPE_REGULATORY;
    info.channel_profile = prefix(&from(regulatory, layout::NVM_CHANNELS_EXTENDED, channels)).0;
    let told = CardEvent::NvmRead {
        section: NVM_GET_INFO.into(),
        offset: 0,
        len: size_of_val(&info) as u32,
        present: true,
    };
    let wrong = nvm.faults_of(sw, faults).map(|fault| Effect::Tell(CardEvent::injected(fault)));
    wrong.chain([Effect::Tell(told), Effect::reply(info.as_bytes())]).collect()
}
