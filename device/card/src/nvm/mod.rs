//! What a card keeps without power, in each of the places where silicon has it.

mod eeprom;
mod names;
mod sections;

pub(crate) use eeprom::{Eeprom, image};
pub(crate) use names::{EEPROM, NVM_GET_INFO, section_name};
pub(crate) use sections::Sections;
