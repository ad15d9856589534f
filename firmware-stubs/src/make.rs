//! What `iwlbench ucode build` does: a stub for a card, with faults if asked for.

use std::fmt;

use serde::Serialize;

use crate::corrupt::{CorruptError, Corruption};
use crate::fate::Target;
use crate::inspect::UcodeInspection;
use crate::stub::{self, Api, Kernel};

/// A stub file and what it is.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// What the driver asks for.
    pub file_name: String,
    /// The file.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// What it holds and what the driver does with it on this card.
    pub inspection: UcodeInspection,
}

/// The file cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// There is no stub for this card.
    #[error("there is no stub firmware for a card `{card}`; there is one for {known}")]
    UnknownCard {
        /// The name given.
        card: String,
        /// Those that have one.
        known: String,
    },
    /// A fault does not apply.
    #[error("fault {number} cannot be put into {file_name}")]
    Fault {
        /// Counted from 1, in the order given.
        number: usize,
        /// The file that was to be made.
        file_name: String,
        /// Why.
        source: CorruptError,
    },
}

/// Makes the stub of `card` with the API number `api`, or the one that `kernel` asks for
/// first, and puts `faults` into it one after the other.
///
/// # Errors
/// If there is no such card, or a fault does not apply.
pub fn make(
    card: &str,
    kernel: Kernel,
    api: Option<Api>,
    faults: &[Corruption],
) -> Result<Made, MakeError> {
    let stub = stub::for_card(card).ok_or_else(|| MakeError::UnknownCard {
        card: card.to_owned(),
        known: stub::STUBS.iter().map(|s| s.card).collect::<Vec<_>>().join(", "),
    })?;
    let api = api.unwrap_or_else(|| stub.newest(kernel));
    let file_name = stub.file_name(api);
    let mut bytes = stub.build(api);
    for (index, fault) in faults.iter().enumerate() {
        bytes = fault.apply(&bytes).map_err(|source| MakeError::Fault {
            number: index + 1,
            file_name: file_name.clone(),
            source,
        })?;
    }
    let target = Target { card: stub, kernel, asked: api };
    let inspection = UcodeInspection::of(&file_name, &bytes, Some(&target));
    Ok(Made { file_name, bytes, inspection })
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_name, bytes, inspection } = self;
        write!(f, "{file_name}: {} bytes; the driver {}", bytes.len(), inspection.fate)
    }
}
