//! The firmware: what the card's microcode would do, once it runs.
//!
//! Whichever image runs, it answers every command. MVM firmware speaks what the file that it is of says of
//! it, if that is known, Intel's own or a stub.

mod common;
mod country;
mod dvm;
mod firmware;
mod mvm;
mod queues;
mod scan;
mod statistics;
mod thermal;
mod time;
mod unified;

pub(crate) use firmware::{Failure, FailureKind, Firmware};

use std::sync::Arc;

use iwl_hw::versions;

use crate::capabilities::Capabilities;
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
    /// The same of 22000 and later: one image for all, whose file says what it speaks.
    Unified(Frames),
}

/// How long a frame's commands are, and transmit rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frames {
    /// As on 22000.
    Gen2,
    /// As from AX210 on.
    Ax210,
    /// The same on Wi-Fi 7.
    Wifi7,
}

impl Dialect {
    /// What the firmware speaks that leads to an opmode, of silicon that boots in this way.
    pub(crate) fn of(opmode: OpMode, boot: Boot) -> Self {
        match (opmode, boot) {
            (OpMode::Dvm, _) => Self::Dvm,
            (OpMode::Mld, _) => Self::Unified(Frames::Wifi7),
            (OpMode::Mvm, Boot::ResetRegister) => Self::Mvm { umac: false },
            (OpMode::Mvm, Boot::LoadStatus) => Self::Mvm { umac: true },
            (OpMode::Mvm, Boot::ContextInfo) => Self::Unified(Frames::Gen2),
            (OpMode::Mvm, Boot::ImageLoader) => Self::Unified(Frames::Ax210),
        }
    }
}

/// AX210's stubs from here on speak a version of ALIVE that names the SKU, as all real files do.
const FIRST_WITH_SKU: u16 = 77;
/// Wi-Fi 7's stubs from here on count cores, and are of `iwlmld`.
const FIRST_CORE: u16 = 1000;

/// What a stub with this API number speaks, if its sections tell; else what the newest does.
fn of_stub(frames: Frames, api: Option<u16>) -> Capabilities {
    let from = |first: u16| api.is_none_or(|api| api >= first);
    match frames {
        Frames::Wifi7 if from(FIRST_CORE) => Capabilities::new(107, versions::MLD),
        Frames::Ax210 if from(FIRST_WITH_SKU) => {
            Capabilities::new(mvm::UCODE_MAJOR, versions::AX210_SKU)
        }
        _ => Capabilities::new(mvm::UCODE_MAJOR, versions::UNIFIED),
    }
}

/// A firmware that has just started, on a card of this SKU, of a file that says this of it; if it is of
/// none that is known, its API number counts.
pub(crate) fn start(
    dialect: Dialect,
    said: Option<Arc<Capabilities>>,
    api: Option<u16>,
    sku: [u32; 3],
) -> Box<dyn Firmware> {
    match dialect {
        Dialect::Dvm => Box::new(dvm::Dvm::default()),
        Dialect::Mvm { umac } => {
            let said = said.unwrap_or_else(|| Arc::new(Capabilities::new(mvm::UCODE_MAJOR, &[])));
            Box::new(mvm::Mvm::new(said, umac))
        }
        Dialect::Unified(frames) => {
            let said = said.unwrap_or_else(|| Arc::new(of_stub(frames, api)));
            Box::new(unified::Unified::new(said, frames != Frames::Gen2, sku))
        }
    }
}
