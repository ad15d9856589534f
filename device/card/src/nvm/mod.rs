//! What a card keeps without power, in each of the places where silicon has it.

mod eeprom;
mod sections;

pub(crate) use eeprom::{Eeprom, image};
pub(crate) use sections::Sections;

use std::borrow::Cow;

use iwl_hw::nvm;

use crate::spec::OpMode;

/// What events call the words behind `CSR_EEPROM_REG`.
pub(crate) const EEPROM: &str = "eeprom";
/// What they call the answer to `NVM_GET_INFO`.
pub(crate) const NVM_GET_INFO: &str = "NVM_GET_INFO";

/// What events call a section.
pub(crate) fn section_name(section: u16) -> Cow<'static, str> {
    nvm::section_name(section).map_or_else(|| format!("section {section}").into(), Into::into)
}

/// All that an event of a section that was read can call it, with a firmware for this opmode.
#[must_use]
pub fn section_names(opmode: OpMode) -> Vec<Cow<'static, str>> {
    match opmode {
        OpMode::Mvm | OpMode::Mld => {
            let sections = (0..nvm::NVM_MAX_NUM_SECTIONS).map(section_name);
            sections.chain([NVM_GET_INFO.into()]).collect()
        }
        OpMode::Dvm => vec![EEPROM.into()],
    }
}
