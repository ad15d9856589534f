//! The firmware: what the card's microcode would do, once it runs.
//!
//! Whichever image runs, it answers every command: the files given to the card may be real ones, of
//! which nothing is known.

mod common;
mod dvm;
mod firmware;
mod mvm;

pub(crate) use firmware::Firmware;

use crate::spec::OpMode;

/// A dialect of host commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `dvm/commands.h`.
    Dvm,
    /// `fw/api/*.h`, as 7000 and 8000 speak it: separate INIT and runtime images.
    Mvm,
}

impl Dialect {
    /// What the firmware speaks that leads to an opmode.
    pub(crate) fn of(opmode: OpMode) -> Self {
        match opmode {
            OpMode::Dvm => Self::Dvm,
            OpMode::Mvm => Self::Mvm,
        }
    }
}

/// A firmware that has just started.
pub(crate) fn start(dialect: Dialect) -> Box<dyn Firmware> {
    match dialect {
        Dialect::Dvm => Box::new(dvm::Dvm::default()),
        Dialect::Mvm => Box::new(mvm::Mvm::default()),
    }
}
