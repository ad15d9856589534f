//! The firmware: what the card's microcode would do, once it runs.
//!
//! An interpreter turns a host command into a [`Reaction`]; it touches neither rings nor
//! registers. Whichever image runs, it answers every command: the files given to the card may
//! be real ones, of which nothing is known.

mod common;
mod dvm;
mod mvm;

pub(crate) use dvm::Dvm;
pub(crate) use mvm::Mvm;

use std::borrow::Cow;

use iwl_hw::packet::CmdHeader;

use crate::event::Image;
use crate::message::{Command, Job, Packet, Reaction};

/// The interpreter of a card's firmware.
#[derive(Debug)]
pub(crate) enum Firmware {
    Dvm(Dvm),
    Mvm(Mvm),
}

impl Firmware {
    /// An image starts.
    pub(crate) fn boot(&mut self) {
        match self {
            Self::Dvm(dvm) => dvm.boot(),
            Self::Mvm(mvm) => mvm.boot(),
        }
    }

    /// The notification that it runs.
    pub(crate) fn alive(&self, image: Image, valid: bool) -> Packet {
        match self {
            Self::Dvm(_) => dvm::alive(image, valid),
            Self::Mvm(_) => mvm::alive(image, valid),
        }
    }

    /// Bytes of the header of a command in `group`.
    pub(crate) fn header_len(&self, group: u8) -> usize {
        match self {
            Self::Mvm(_) if group != 0 => size_of::<iwl_hw::packet::CmdHeaderWide>(),
            _ => size_of::<CmdHeader>(),
        }
    }

    /// What a message is called.
    pub(crate) fn name(&self, group: u8, id: u8) -> Cow<'static, str> {
        let name = match self {
            Self::Dvm(_) => iwl_hw::names::dvm(id),
            Self::Mvm(_) => iwl_hw::names::mvm(group, id),
        };
        name.map_or_else(
            || {
                if group == 0 {
                    format!("{id:#04x}").into()
                } else {
                    format!("{group:#04x}.{id:#04x}").into()
                }
            },
            Cow::Borrowed,
        )
    }

    pub(crate) fn command(&mut self, command: &Command<'_>) -> Reaction {
        match self {
            Self::Dvm(dvm) => dvm.command(command),
            Self::Mvm(mvm) => mvm.command(command),
        }
    }

    /// A job's time has come: what it sends, if it was not dropped.
    pub(crate) fn finish(&mut self, job: Job) -> Option<Packet> {
        match self {
            Self::Dvm(dvm) => dvm.finish(job),
            Self::Mvm(mvm) => mvm.finish(job),
        }
    }
}
