//! What a card keeps without power, in each of the places where silicon has it.

mod eeprom;
mod sections;

pub(crate) use eeprom::{Eeprom, image_6005};
pub(crate) use sections::Sections;
