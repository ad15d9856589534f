//! The cards of a run, and whether they can have what is to be wrong with them.

use iwl_card::{Card, CardOptions, CardSpec, Fault};
use iwl_ucode::stub::Kernel;

use super::spec::RunSpec;
use crate::facts::derive::Seat;
use crate::facts::failure::BadUsage;
use crate::machine::faults::Equipped;
use crate::record::cite::Supply;
use crate::script::added::Added;
use crate::script::scenario::{self, InterruptChoice, PlannedFault, Scenario, Vars};

/// Whether the cards of a machine can have what the scenario wants of them, and the user to be wrong.
///
/// # Errors
/// They cannot, or it never comes.
pub fn suited(
    card: &'static CardSpec,
    scenario: &Scenario,
    more: &Added<'_>,
) -> Result<(), BadUsage> {
    can_have(card, more.faults)?;
    if let Some(what) = more.refused(scenario, card) {
        return Err(BadUsage(what));
    }
    for card in scenario.machine(card) {
        can_have(card.spec, card.faults())?;
        if let Some(interrupts) = card.table.and_then(|table| table.interrupts) {
            interrupts.of(card.spec)?;
        }
    }
    Ok(())
}

/// Whether a card can have these faults.
///
/// # Errors
/// It cannot.
pub fn can_have<'f>(
    card: &CardSpec,
    faults: impl IntoIterator<Item = &'f PlannedFault>,
) -> Result<(), BadUsage> {
    let lacking = |fault: &PlannedFault| {
        fault.when.meets(card).then_some(())?;
        Some(scenario::lacks(card.name, fault.fault, card.lacks(fault.fault)?))
    };
    match faults.into_iter().find_map(lacking) {
        Some(what) => Err(BadUsage(what)),
        None => Ok(()),
    }
}

/// What is wrong with each card, as `--fault` takes it; of a further card, with its name before.
pub(super) fn fault_words(seats: &[Seat], cards: &[Playing]) -> Vec<String> {
    let mut words = Vec::new();
    for (index, (seat, card)) in seats.iter().zip(cards).enumerate() {
        let whose = if index == 0 { String::new() } else { format!("{}: ", seat.card) };
        words.extend(card.faults.iter().map(|fault| format!("{whose}{fault}")));
    }
    words
}

/// The interrupts that a card has to have. The driver of 6.1 does not hear by MSI that the platform's NVM
/// is taken, and gives up; stubs for it ask for none, Intel's own files do.
fn heard_by(card: &CardSpec, spec: &RunSpec<'_>, vars: &Vars) -> Option<InterruptChoice> {
    let asks = card.sku_id != [0; 3] && !matches!(spec.firmware, Supply::Stub);
    let deaf = vars.kernel.parse::<Kernel>().is_ok_and(|kernel| kernel < Kernel::V6_12);
    (asks && deaf).then_some(InterruptChoice::Msix)
}

/// A card of a run's machine.
pub(super) struct Playing {
    spec: CardSpec,
    pub(super) options: CardOptions,
    /// All that is wrong with it in this run, at some time.
    faults: Vec<PlannedFault>,
}

impl Playing {
    /// The cards of a run, in the order of their ports.
    pub(super) fn all(spec: &RunSpec<'_>, vars: &Vars) -> Result<Vec<Playing>, BadUsage> {
        let card = |(index, card): (usize, scenario::Equipped<'_>)| {
            let first = index == 0;
            let own = card.faults().chain(spec.faults.iter().filter(|_| first));
            let faults: Vec<_> = own.filter_map(|fault| fault.of(vars)).collect();
            let chosen = spec.interrupts.filter(|_| first);
            let interrupts = chosen.or(card.table.and_then(|table| table.interrupts));
            let interrupts = interrupts.or_else(|| heard_by(card.spec, spec, vars));
            let options = CardOptions {
                interrupts: interrupts.map(|choice| choice.of(card.spec)).transpose()?,
                faults: faults.iter().filter_map(PlannedFault::at_power_on).collect(),
                slot: u8::try_from(index).unwrap_or_default(),
                ..CardOptions::default()
            };
            let spec = card.part().map_err(BadUsage::from_error)?;
            Ok(Playing { spec, options, faults })
        };
        spec.scenario.machine(spec.card).into_iter().enumerate().map(card).collect()
    }

    /// What is wrong with it from the first.
    pub(super) fn faults_at_power_on(&self) -> impl Iterator<Item = Fault> {
        self.faults.iter().filter_map(PlannedFault::at_power_on)
    }

    /// As a session takes it.
    pub(super) fn equipped(&self) -> Equipped {
        let timed = self.faults.iter().filter(|fault| fault.moments().next().is_some());
        let faults = timed.cloned().collect();
        Equipped { card: Card::new(&self.spec, self.options.clone()), faults }
    }
}
