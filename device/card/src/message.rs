//! What passes between driver and firmware, apart from the rings that carry it.

use iwl_hw::packet::{CmdHeader, SEQ_RX_FRAME};
use zerocopy::{FromBytes, IntoBytes};

use crate::event::{CardEvent, Image};
use crate::faults::{Fault, FaultPlan};
use crate::world::Nanos;

pub(crate) const MICROSECOND: Nanos = 1_000;
pub(crate) const MILLISECOND: Nanos = 1_000_000;
/// A time unit of 802.11.
pub(crate) const TU: Nanos = 1_024 * MICROSECOND;

/// A command that satisfies every caller that only wants a status.
const GENERIC_REPLY: [u8; 4] = [0; 4];

/// A packet to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) id: u8,
    pub(crate) group: u8,
    pub(crate) sequence: u16,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// Something that the host did not ask for.
    pub(crate) fn notification(id: u8, payload: &[u8]) -> Self {
        Self { id, group: 0, sequence: SEQ_RX_FRAME, payload: payload.to_vec() }
    }

    pub(crate) fn is_notification(&self) -> bool {
        self.sequence & SEQ_RX_FRAME != 0
    }

    pub(crate) fn header(&self) -> CmdHeader {
        CmdHeader { cmd: self.id, group_id: self.group, sequence: self.sequence.into() }
    }
}

/// The start of `bytes` as a structure, and the rest; zeroes stand in for what is missing.
pub(crate) fn prefix<T: FromBytes + IntoBytes>(bytes: &[u8]) -> (T, &[u8]) {
    let mut value = T::new_zeroed();
    let len = bytes.len().min(size_of::<T>());
    value.as_mut_bytes()[..len].copy_from_slice(&bytes[..len]);
    (value, &bytes[len..])
}

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
pub(crate) struct Job(pub(crate) u32);

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
    pub(crate) fn generic() -> Self {
        Self { reply: GENERIC_REPLY.to_vec(), ..Self::default() }
    }

    pub(crate) fn reply(payload: impl Into<Vec<u8>>) -> Self {
        Self { reply: payload.into(), modelled: true, ..Self::default() }
    }

    pub(crate) fn after(mut self, delay: Nanos, later: Later) -> Self {
        self.later.push((delay, later));
        self
    }
}
