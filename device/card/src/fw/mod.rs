//! The firmware: what the card's microcode would do, once it runs.
//!
//! Whichever image runs, it answers every command: the files given to the card may be real ones, of
//! which nothing is known.

mod common;
mod dvm;
mod firmware;
mod mld;
mod mvm;
mod queues;
mod scan;

pub(crate) use firmware::{Failure, FailureKind, Firmware};

use iwl_hw::versions;

use crate::spec::{Boot, OpMode};

/// A dialect of host commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `dvm/commands.h`.
    Dvm,
    /// `fw/api/*.h`, as the families up to 9000 speak it: separate INIT and runtime images.
    Mvm {
        /// From 8000 on there is an upper MAC beside the lower.
        umac: bool,
    },
    /// The same of 22000: one image for all.
    MvmUnified,
    /// The same of AX210: other frames, and the platform's NVM.
    MvmAx210,
    /// Of the Bz family: that, or from c100 on what `iwlmld` speaks. The file decides.
    Wifi7,
}

/// Files from here on count cores, and are of `iwlmld`.
const FIRST_CORE: u16 = 1000;

impl Dialect {
    /// What the firmware speaks that leads to an opmode, of silicon that boots in this way.
    pub(crate) fn of(opmode: OpMode, boot: Boot) -> Self {
        match (opmode, boot) {
            (OpMode::Dvm, _) => Self::Dvm,
            (OpMode::Mld, _) => Self::Wifi7,
            (OpMode::Mvm, Boot::ResetRegister) => Self::Mvm { umac: false },
            (OpMode::Mvm, Boot::LoadStatus) => Self::Mvm { umac: true },
            (OpMode::Mvm, Boot::ContextInfo) => Self::MvmUnified,
            (OpMode::Mvm, Boot::ImageLoader) => Self::MvmAx210,
        }
    }
}

/// AX210's stubs from here on speak a version of ALIVE that names the SKU, as all real files do.
const FIRST_WITH_SKU: u16 = 77;

/// A firmware that has just started, of a file with this API number if it tells, on a card of this
/// SKU.
pub(crate) fn start(dialect: Dialect, api: Option<u16>, sku: [u32; 3]) -> Box<dyn Firmware> {
    let mvm = |era, versions| Box::new(mvm::Mvm::new(era, versions, sku));
    match dialect {
        Dialect::Wifi7 if api.is_none_or(|api| api >= FIRST_CORE) => {
            Box::new(mld::Mld::new(versions::MLD, sku))
        }
        Dialect::Dvm => Box::new(dvm::Dvm::default()),
        Dialect::Mvm { umac } => mvm(mvm::Era::Separate { umac }, &[]),
        Dialect::MvmUnified => mvm(mvm::Era::Unified, versions::UNIFIED),
        Dialect::MvmAx210 if api.is_none_or(|api| api >= FIRST_WITH_SKU) => {
            mvm(mvm::Era::Ax210, versions::AX210_SKU)
        }
        Dialect::MvmAx210 | Dialect::Wifi7 => mvm(mvm::Era::Ax210, versions::UNIFIED),
    }
}
