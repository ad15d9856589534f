//! The NVM: `NVM_ACCESS_CMD` reads it out, section by section.

use iwl_hw::mvm::{self, NvmAccessCmd, NvmAccessResp};
use iwl_hw::nvm as layout;
use iwl_ucode::names::IWL_UCODE_TLV_CAPA_LAR_SUPPORT;
use zerocopy::IntoBytes;

use crate::capabilities::Capabilities;
use crate::event::CardEvent;
use crate::message::{Command, Effect};
use crate::nvm::section_name;

pub(super) fn access(
    command: &Command<'_>,
    access: &NvmAccessCmd,
    said: &Capabilities,
) -> Vec<Effect> {
    let (nvm, faults) = (command.nvm, command.faults);
    let section = access.r#type.get();
    let read = access.op_code == mvm::NVM_READ;
    let data = if read {
        let mut data = nvm.read(section, access.offset.get(), access.length.get(), faults);
        if section == layout::NVM_SECTION_TYPE_REGULATORY
            && said.has_capa(IWL_UCODE_TLV_CAPA_LAR_SUPPORT)
        {
            data.iter_mut().for_each(|data| enable_lar(access.offset.get(), data));
        }
        data
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

/// A card's regulatory section and the file that it is sold with say the same of location-aware regulatory:
/// the driver complains if not. Before and after 0xe39 it looks at different words.
fn enable_lar(offset: u16, data: &mut [u8]) {
    for at in [layout::NVM_LAR_OFFSET_OLD, layout::NVM_LAR_OFFSET] {
        let bytes = (at..).zip(layout::NVM_LAR_ENABLED.to_le_bytes());
        for (at, byte) in bytes {
            let place = at.checked_sub(offset.into()).and_then(|at| data.get_mut(at));
            place.into_iter().for_each(|place| *place |= byte);
        }
    }
}
