//! The firmware: what the card's microcode would do, once it runs.
//!
//! An interpreter turns a host command into a [`Reaction`]; it touches neither rings nor
//! registers. Whichever image runs, it answers every command: the files given to the card may
//! be real ones, of which nothing is known.

mod dvm;
mod mvm;
mod nvm;

pub(crate) use dvm::Dvm;
pub(crate) use mvm::Mvm;
pub(crate) use nvm::Nvm;

use std::borrow::Cow;

use iwl_hw::packet::CmdHeader;
use iwl_hw::tx::{
    FrameHeader, TX_STATUS_FAIL_LONG_LIMIT, TX_STATUS_SUCCESS, TxCmd, TxRespHead, TxRespTail,
};
use zerocopy::IntoBytes;

use crate::event::{CardEvent, Image};
use crate::faults::{Fault, FaultPlan};
use crate::rx::Packet;
use crate::tx::prefix;
use crate::world::Nanos;

pub(crate) const MICROSECOND: Nanos = 1_000;
pub(crate) const MILLISECOND: Nanos = 1_000_000;
/// A time unit of 802.11.
pub(crate) const TU: Nanos = 1_024 * MICROSECOND;

/// A command that satisfies every caller that only wants a status.
const GENERIC_REPLY: [u8; 4] = [0; 4];

/// A host command, taken from its queue.
pub(crate) struct Command<'a> {
    /// Where in its queue it was.
    pub(crate) index: u8,
    pub(crate) header: CmdHeader,
    pub(crate) payload: &'a [u8],
    pub(crate) image: Image,
    pub(crate) faults: &'a FaultPlan,
}

impl Command<'_> {
    pub(crate) fn reply(&self, payload: Vec<u8>) -> Packet {
        Packet {
            id: self.header.cmd,
            group: self.header.group_id,
            sequence: self.header.sequence.get(),
            payload,
        }
    }
}

/// What happens some time after a command.
#[derive(Debug)]
pub(crate) enum Later {
    /// Packets go out.
    Send(Vec<Packet>),
    /// The interpreter is asked about a job that it may have dropped meanwhile.
    Finish(Job),
}

/// A job that takes time and can be aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job(u32);

/// What the firmware does about a command.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    /// The response.
    pub(crate) reply: Vec<u8>,
    /// The command has a meaning; otherwise it gets [`GENERIC_REPLY`].
    pub(crate) modelled: bool,
    /// Further effects, each after its delay.
    pub(crate) later: Vec<(Nanos, Later)>,
    /// A transmit queue is switched: off, or on at an index.
    pub(crate) queue: Option<(u8, Option<u8>)>,
    /// What the timeline wants to know.
    pub(crate) event: Option<CardEvent>,
    /// A fault took effect.
    pub(crate) fault: Option<Fault>,
}

impl Reaction {
    fn generic() -> Self {
        Self { reply: GENERIC_REPLY.to_vec(), ..Self::default() }
    }

    fn reply(payload: impl Into<Vec<u8>>) -> Self {
        Self { reply: payload.into(), modelled: true, ..Self::default() }
    }

    fn after(mut self, delay: Nanos, later: Later) -> Self {
        self.later.push((delay, later));
        self
    }
}

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

/// The response to a frame: nobody is there to acknowledge one.
fn transmitted(command: &Command<'_>, middle: &[u8]) -> Vec<u8> {
    let (tx, frame): (TxCmd, _) = prefix(command.payload);
    let (header, _): (FrameHeader, _) = prefix(frame);
    let status = if header.is_group() { TX_STATUS_SUCCESS } else { TX_STATUS_FAIL_LONG_LIMIT };
    let head = TxRespHead { frame_count: 1, initial_rate: tx.rate_n_flags, ..Default::default() };
    let tail = TxRespTail {
        seq_ctl: header.seq_ctrl,
        byte_cnt: tx.len,
        ra_tid: (tx.tid_tspec & 0xf) | tx.sta_id << 4,
        frame_ctrl: header.frame_control,
        status: status.into(),
        sequence: command.header.sequence,
        scd_ssn: u32::from(command.index.wrapping_add(1)).into(),
        ..Default::default()
    };
    [head.as_bytes(), middle, tail.as_bytes()].concat()
}

/// The scan that runs, if one does.
#[derive(Debug, Default)]
struct Scan {
    started: u32,
    running: Option<Job>,
}

impl Scan {
    fn start(&mut self) -> Job {
        self.started = self.started.wrapping_add(1);
        let job = Job(self.started);
        self.running = Some(job);
        job
    }

    /// Ends the scan; `true` if that was this one.
    fn end(&mut self, job: Job) -> bool {
        if self.running == Some(job) {
            self.running = None;
            true
        } else {
            false
        }
    }

    /// Ends whatever runs; `true` if anything did.
    fn abort(&mut self) -> bool {
        self.running.take().is_some()
    }
}
