//! What events call the parts of what a card keeps.

use std::borrow::Cow;

use iwl_hw::nvm;

use crate::spec::OpMode;

/// The words behind `CSR_EEPROM_REG`.
pub(crate) const EEPROM: &str = "eeprom";
/// The answer to `NVM_GET_INFO`.
pub(crate) const NVM_GET_INFO: &str = "NVM_GET_INFO";

/// A section.
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
