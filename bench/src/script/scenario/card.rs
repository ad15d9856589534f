//! The cards of a machine.

use iwl_card::{CardSpec, IDENTITY_KEYS, Identity, IdentityError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Spanned;

use super::fault::PlannedFault;
use super::interrupts::InterruptChoice;
use super::pattern::OneOrMany;
use crate::facts::near;

/// A card of the machine: the first, which is the one that is played with, or a further one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CardTable {
    /// Of a further card, which; not given: another of the first.
    #[schemars(with = "Option<String>")]
    pub model: Option<Spanned<String>>,
    /// What is wrong with it: faults, as `iwlbench list` names them.
    #[serde(default)]
    #[schemars(with = "Vec<PlannedFault>")]
    pub faults: Vec<Spanned<PlannedFault>>,
    /// Interrupts that the card offers beside INTx; not given: MSI, and MSI-X where the driver of the
    /// card's generation takes nothing else.
    #[serde(default)]
    pub interrupts: Option<InterruptChoice>,
    /// What of its identity is not as its row says, as behind `--card`: its ids, its revisions, its
    /// address. The command line's goes before it.
    #[serde(default, deserialize_with = "identity")]
    #[schemars(with = "Option<String>")]
    pub identity: Identity,
    /// Of the first, where it is the only table: further cards in the same machine, in the slots after
    /// it, without faults.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub more: Vec<Spanned<String>>,
}

/// A card as a machine has it.
#[derive(Debug, Clone, Copy)]
pub struct Equipped<'s> {
    /// What it is.
    pub spec: &'static CardSpec,
    /// Its table, if it has one.
    pub table: Option<&'s CardTable>,
}

fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Identity, D::Error> {
    let identity = String::deserialize(deserializer)?.parse();
    identity.map_err(|error| de::Error::custom(no_identity(&error)))
}

/// Says what is wrong with an identity, and what was probably meant.
pub fn no_identity(error: &IdentityError) -> String {
    let meant = match error {
        IdentityError::Unknown(key) => near::meant(key, IDENTITY_KEYS),
        _ => String::new(),
    };
    format!("{error}{meant}")
}

impl Equipped<'_> {
    /// The card with the identity that the user and its table want.
    ///
    /// # Errors
    /// Its hardware cannot be that.
    pub fn part(&self) -> Result<CardSpec, IdentityError> {
        let table = self.table.map(|table| table.identity).unwrap_or_default();
        let identity = self.spec.identity.over(table);
        match iwl_card::card(self.spec.name).filter(|_| !identity.is_empty()) {
            Some(row) => identity.of(row),
            None => Ok(*self.spec),
        }
    }

    /// What is wrong with it, at some time.
    pub fn faults(&self) -> impl Iterator<Item = &PlannedFault> {
        self.table.into_iter().flat_map(|table| &table.faults).map(Spanned::get_ref)
    }
}

/// The model of a further card that is another of the first.
pub(super) const FIRST: &str = "$card";

/// The model of each card of a machine, and its table.
pub(super) fn tables(
    cards: &OneOrMany<CardTable>,
) -> impl Iterator<Item = (&str, Option<&CardTable>)> {
    let first = cards.iter().next();
    let more = first.into_iter().flat_map(|table| &table.more);
    let further = cards.iter().skip(1).map(|table| {
        let model = table.model.as_ref().map_or(FIRST, |model| model.get_ref().as_str());
        (model, Some(table))
    });
    std::iter::once((FIRST, first))
        .chain(more.map(|model| (model.get_ref().as_str(), None)))
        .chain(further)
}

/// A name for each of these models: its own, numbered where there are several of it.
pub fn numbered<'m>(models: impl IntoIterator<Item = &'m str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for model in models {
        let name = (1..)
            .map(|n| if n == 1 { model.to_owned() } else { format!("{model}-{n}") })
            .find(|name| !names.contains(name));
        names.extend(name);
    }
    names
}
