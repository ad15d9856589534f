//! `NVM_ACCESS_CMD`: the driver reads the NVM out, section by section.

use iwl_hw::mvm::{self, NvmAccessCmd, NvmAccessResp};
use zerocopy::IntoBytes;

use crate::event::CardEvent;
use crate::message::Effect;
use crate::nvm::Sections;

pub(super) fn access(nvm: &Sections, access: &NvmAccessCmd) -> Vec<Effect> {
    let section = access.r#type.get();
    let read = access.op_code == mvm::NVM_READ;
    let data = if read {
        nvm.read(section, access.offset.get(), access.length.get())
    } else {
        // The driver writes back what it read from a file: it has its way, nothing changes.
        Some(&[][..])
    };
    let response = NvmAccessResp {
        offset: access.offset,
        length: (data.map_or(0, <[u8]>::len) as u16).into(),
        r#type: access.r#type,
        status: match data {
            Some(_) => 0,
            None => mvm::READ_NVM_CHUNK_NOT_VALID_ADDRESS,
        }
        .into(),
    };
    let data = data.unwrap_or_default();
    let reply = Effect::reply([response.as_bytes(), data].concat());
    if !read {
        return vec![reply];
    }
    let told = CardEvent::NvmRead {
        section: iwl_hw::nvm::section_name(section)
            .map_or_else(|| format!("section {section}").into(), Into::into),
        offset: access.offset.get().into(),
        len: data.len() as u32,
        present: nvm.has(section),
    };
    vec![Effect::Tell(told), reply]
}
