//! The firmware: what the card's microcode would do, once it runs.
//!
//! Whichever image runs, it answers every command: the files given to the card may be real ones, of
//! which nothing is known.

mod common;
mod dvm;
mod firmware;
mod mvm;

pub(crate) use firmware::{Failure, FailureKind, Firmware};

use crate::spec::{Boot, OpMode};

/// A dialect of host commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `dvm/commands.h`.
    Dvm,
    /// `fw/api/*.h`, as the families up to 9000 speak it: separate INIT and runtime images.
    Mvm,
    /// The same of 22000: one image for all.
    MvmUnified,
}

impl Dialect {
    /// What the firmware speaks that leads to an opmode, of silicon that boots in this way.
    pub(crate) fn of(opmode: OpMode, boot: Boot) -> Self {
        match (opmode, boot) {
            (OpMode::Dvm, _) => Self::Dvm,
            (OpMode::Mvm, Boot::ContextInfo) => Self::MvmUnified,
            (OpMode::Mvm, _) => Self::Mvm,
        }
    }
}

/// A firmware that has just started.
pub(crate) fn start(dialect: Dialect) -> Box<dyn Firmware> {
    match dialect {
        Dialect::Dvm => Box::new(dvm::Dvm::default()),
        Dialect::Mvm => Box::new(mvm::Mvm::new(false)),
        Dialect::MvmUnified => Box::new(mvm::Mvm::new(true)),
    }
}
