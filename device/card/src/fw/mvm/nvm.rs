//! The NVM: `NVM_ACCESS_CMD` reads it out, section by section.

use iwl_hw::mvm::{self, NvmAccessCmd, NvmAccessResp};
use zerocopy::IntoBytes;

use crate::event::CardEvent;
use crate::message::{Command, Effect};
use crate::nvm::section_name;

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
