//! What events call the parts of what a card keeps.

use std::borrow::Cow;

use iwl_hw::nvm;

/// The words behind `CSR_EEPROM_REG`.
pub(crate) const EEPROM: &str = "eeprom";
/// The answer to `NVM_GET_INFO`.
pub(crate) const NVM_GET_INFO: &str = "NVM_GET_INFO";

/// A section.
pub(crate) fn section_name(section: u16) -> Cow<'static, str> {
    nvm::section_name(section).map_or_else(|| format!("section {section}").into(), Into::into)
}
