//! What a card keeps without power, in each of the places where silicon has it.

mod eeprom;
mod sections;

pub(crate) use eeprom::{Eeprom, image};
pub(crate) use sections::Sections;
