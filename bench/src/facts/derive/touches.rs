//! What a touch of a card means: the driver probes it, or an opmode starts on it.

use crate::facts::driver::Driver;
use crate::facts::milestone::Milestone;

/// A card of a run and where the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The card's name in this run.
    pub card: String,
    /// Its PCI slot.
    pub slot: String,
}

/// The PCI slot in which the guest sees the card of a port: each port has a bus of its own.
pub fn slot(port: usize) -> String {
    format!("0000:{:02x}:00.0", port + 1)
}

/// The cards of a run, by port.
#[derive(Debug)]
pub(super) struct Touches(Vec<Touched>);

#[derive(Debug)]
struct Touched {
    card: String,
    slot: String,
    /// The module that the card's firmware leads to.
    opmode: Option<&'static str>,
    bound: bool,
    probing: bool,
    /// Its opmode was loaded and has not touched it.
    starting: bool,
}

impl Touches {
    /// Cards in the order of their ports.
    pub(super) fn new(driver: &Driver, seats: &[Seat]) -> Touches {
        let touched = |Seat { card, slot }: &Seat| Touched {
            card: card.clone(),
            slot: slot.clone(),
            opmode: model(card).and_then(|card| driver.opmode_of(card)),
            bound: false,
            probing: false,
            starting: false,
        };
        Touches(seats.iter().map(touched).collect())
    }

    /// The driver touches a card.
    pub(super) fn touch(&mut self, card: &str) -> Option<Milestone> {
        let touched = self.0.iter_mut().find(|touched| touched.card == card)?;
        let (card, slot) = (touched.card.clone(), touched.slot.clone());
        // Word of a bind may be there before that of the touches which came first.
        if !(touched.probing || touched.bound && touched.starting) {
            touched.probing = true;
            touched.starting = false;
            return Some(Milestone::Probe { card, slot });
        }
        std::mem::take(&mut touched.starting).then_some(Milestone::OpmodeStarted { card, slot })
    }

    /// A device was bound to the driver.
    pub(super) fn bound(&mut self, slot: &str) {
        self.of(slot).for_each(|touched| touched.bound = true);
    }

    /// A device was unbound.
    pub(super) fn unbound(&mut self, slot: &str) {
        self.of(slot).for_each(|touched| (touched.bound, touched.probing) = (false, false));
    }

    /// No driver has any card any more.
    pub(super) fn forget(&mut self) {
        for touched in &mut self.0 {
            (touched.bound, touched.probing, touched.starting) = (false, false, false);
        }
    }

    /// An opmode was loaded: it starts on its cards, or on whatever has led to it.
    pub(super) fn loaded(&mut self, module: &str) {
        let its_own = self.0.iter().any(|touched| touched.opmode == Some(module));
        for touched in &mut self.0 {
            touched.starting |= !its_own || touched.opmode == Some(module);
        }
    }

    /// The card in this slot; empty if there is none.
    pub(super) fn card_in(&self, slot: &str) -> String {
        let card = self.0.iter().find(|touched| touched.slot == slot);
        card.map(|touched| touched.card.clone()).unwrap_or_default()
    }

    /// The card that something below this sysfs path belongs to; empty if it is none's.
    pub(super) fn card_on(&self, devpath: &str) -> String {
        devpath
            .split('/')
            .map(|part| self.card_in(part))
            .find(|card| !card.is_empty())
            .unwrap_or_default()
    }

    fn of(&mut self, slot: &str) -> impl Iterator<Item = &mut Touched> {
        self.0.iter_mut().filter(move |touched| touched.slot == slot)
    }
}

/// The model that a card's name in a run is of: `7260`, or `7260-2` for the second of two.
fn model(name: &str) -> Option<&'static iwl_card::CardSpec> {
    iwl_card::card(name).or_else(|| iwl_card::card(name.rsplit_once('-')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::driver::IWLWIFI;

    fn seat(card: &str, slot: &str) -> Seat {
        Seat { card: card.into(), slot: slot.into() }
    }
    fn probe(card: &str, slot: &str) -> Option<Milestone> {
        Some(Milestone::Probe { card: card.into(), slot: slot.into() })
    }
    fn started(card: &str, slot: &str) -> Option<Milestone> {
        Some(Milestone::OpmodeStarted { card: card.into(), slot: slot.into() })
    }

    #[test]
    fn each_card_has_its_own() {
        let [first, second, third] = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"];
        let mut touches = Touches::new(
            &IWLWIFI,
            &[seat("7260", first), seat("7260-2", second), seat("6205", third)],
        );
        assert_eq!(touches.touch("7260"), probe("7260", first));
        assert_eq!(touches.touch("7260"), None);
        assert_eq!(touches.touch("7260-2"), probe("7260-2", second));
        touches.bound(first);
        assert_eq!(touches.touch("6205"), probe("6205", third));
        for slot in [second, third] {
            touches.bound(slot);
        }
        touches.loaded("iwlmvm");
        assert_eq!(touches.touch("6205"), None, "another opmode's card");
        assert_eq!(touches.touch("7260-2"), started("7260-2", second));
        assert_eq!(touches.touch("7260"), started("7260", first));
        assert_eq!(touches.touch("7260"), None);
        touches.unbound(first);
        assert_eq!(touches.touch("7260-2"), None);
        assert_eq!(touches.touch("7260"), probe("7260", first));
    }

    #[test]
    fn the_first_touch_is_the_probe_though_word_of_the_bind_is_there_before() {
        let slot = "0000:01:00.0";
        let mut touches = Touches::new(&IWLWIFI, &[seat("7260", slot)]);
        touches.bound(slot);
        assert_eq!(touches.touch("7260"), probe("7260", slot));
        assert_eq!(touches.touch("7260"), None);
        touches.loaded("iwlmvm");
        assert_eq!(touches.touch("7260"), started("7260", slot));
    }

    #[test]
    fn an_opmode_that_is_nobodys_own_starts_on_what_is_there() {
        let mut touches = Touches::new(&IWLWIFI, &[seat("6205", "0000:01:00.0")]);
        touches.touch("6205");
        touches.bound("0000:01:00.0");
        touches.loaded("iwlmvm");
        assert_eq!(touches.touch("6205"), started("6205", "0000:01:00.0"));
    }
}
