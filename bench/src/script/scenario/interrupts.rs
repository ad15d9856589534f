//! Which interrupts a card offers.

use iwl_card::{CardSpec, Interrupts};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::facts::failure::BadUsage;

/// Which interrupts a card offers beside INTx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptChoice {
    /// MSI only: QEMU can unplug the card again
    Msi,
    /// MSI and MSI-X, on a card that has it
    Msix,
}

impl InterruptChoice {
    /// As a scenario and the command line write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Msi => "msi",
            Self::Msix => "msix",
        }
    }

    /// As the card takes it.
    ///
    /// # Errors
    /// It has none such.
    pub fn of(self, card: &CardSpec) -> Result<Interrupts, BadUsage> {
        match self {
            Self::Msi => Ok(Interrupts::MsiOnly),
            Self::Msix if card.has_msix() => Ok(Interrupts::MsiAndMsix),
            Self::Msix => {
                let name = card.name;
                Err(BadUsage(format!("the card {name} has no MSI-X: play it with MSI")))
            }
        }
    }
}
