//! A card of a row with an identity of its own.

use super::cards::{CardSpec, cards};
use super::identity::{Identity, IdentityError};
use super::silicon::Generation;

impl Identity {
    /// The card of a row, with this identity.
    ///
    /// # Errors
    /// The row's hardware cannot have it.
    pub fn of(&self, row: &CardSpec) -> Result<CardSpec, IdentityError> {
        let Self { device, subsystem, hw_rev, rf_id, mac: _ } = *self;
        if let Some(hw_rev) = hw_rev {
            if hw_rev == u32::MAX {
                return Err(IdentityError::Gone);
            }
            let (of, generation) = (Generation::of_mac(hw_rev), row.generation);
            let own = Generation::of_mac(row.hw_rev);
            if of != own {
                let same = |card: &&CardSpec| Generation::of_mac(card.hw_rev) == of;
                let like: Vec<_> = cards().iter().filter(same).map(|c| c.name).collect();
                return Err(IdentityError::OtherHardware {
                    hw_rev,
                    of: of.map_or("8000 or before", Generation::word),
                    card: row.name,
                    generation: generation.word(),
                    like: like.join(", "),
                });
            }
        }
        if rf_id.is_some() && Generation::of_mac(row.hw_rev).is_none() {
            return Err(IdentityError::NoRf(row.name));
        }
        let mut card = *row;
        card.pci.device = device.unwrap_or(row.pci.device);
        card.pci.subsystem = subsystem.unwrap_or(row.pci.subsystem);
        card.hw_rev = hw_rev.unwrap_or(row.hw_rev);
        card.rf_id = rf_id.unwrap_or(row.rf_id);
        card.identity = *self;
        Ok(card)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::card;

    #[test]
    fn a_row_has_only_what_its_hardware_can() {
        let of = |name: &str, text: &str| {
            let identity: Identity = text.parse().expect(text);
            identity.of(card(name).expect("a card"))
        };
        let other = of("9260", "device=0x271b,subsystem=0x0210,hw-rev=0x322").expect("its kin");
        assert_eq!((other.pci.device, other.pci.subsystem, other.hw_rev), (0x271b, 0x210, 0x322));
        assert_eq!((other.name, other.rf_id), ("9260", 0x0010_5110));
        let wrong = of("9260", "hw-rev=0x340").expect_err("an AX200's").to_string();
        assert_eq!(
            wrong,
            "hw-rev=0x340 names a MAC of generation 22000, and the card 9260 is of generation 9000: \
             take a card of that one (ax200, ax201)"
        );
        assert!(of("7260", "hw-rev=0x420").is_err() && of("ax210", "hw-rev=0x144").is_err());
        assert_eq!(of("7265", "hw-rev=0x210").expect("a 7265D").hw_rev, 0x210);
        assert!(of("7260", "rf-id=0x105110").is_err());
        assert_eq!(of("be200", "hw-rev=0xffffffff"), Err(IdentityError::Gone));
    }
}
