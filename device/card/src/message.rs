//! What passes between driver and firmware, apart from the rings that carry it.

use iwl_hw::packet::{CmdHeader, CmdHeaderWide, SEQ_RX_FRAME};
use zerocopy::{FromBytes, IntoBytes};

use crate::event::{CardEvent, Image};
use crate::faults::FaultPlan;
use crate::nvm::Sections;
use crate::rings::Rings;
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
    /// The receive queue it comes by.
    pub(crate) queue: u8,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// Something that the host did not ask for.
    pub(crate) fn notification(id: u8, payload: &[u8]) -> Self {
        Self { id, group: 0, sequence: SEQ_RX_FRAME, queue: 0, payload: payload.to_vec() }
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

/// A host command, taken from its queue, and what the firmware may look at to answer it.
pub(crate) struct Command<'a> {
    /// The queue it came by.
    pub(crate) queue: u8,
    /// The index after its own.
    pub(crate) next: u16,
    pub(crate) id: u8,
    pub(crate) group: u8,
    /// Its version, of the long header; the short one has none.
    pub(crate) version: Option<u8>,
    pub(crate) sequence: u16,
    pub(crate) payload: &'a [u8],
    pub(crate) image: Image,
    pub(crate) nvm: &'a Sections,
    pub(crate) faults: &'a FaultPlan,
}

/// The header of a command, in either of its lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) id: u8,
    pub(crate) group: u8,
    pub(crate) version: Option<u8>,
    pub(crate) sequence: u16,
}

impl Header {
    /// The header that `bytes` begin with, and the rest; `long` says of a group which header its
    /// commands have. `None` if there is not even that.
    pub(crate) fn parse(bytes: &[u8], long: impl Fn(u8) -> bool) -> Option<(Self, &[u8])> {
        let (short, _) = CmdHeader::read_from_prefix(bytes).ok()?;
        let header = |version| Self {
            id: short.cmd,
            group: short.group_id,
            version,
            sequence: short.sequence.get(),
        };
        if long(short.group_id) {
            let (long, rest) = CmdHeaderWide::read_from_prefix(bytes).ok()?;
            return Some((header(Some(long.version)), rest));
        }
        Some((header(None), &bytes[size_of::<CmdHeader>()..]))
    }

    /// The packet that answers the command.
    pub(crate) fn reply(self, payload: Vec<u8>) -> Packet {
        Packet { id: self.id, group: self.group, sequence: self.sequence, queue: 0, payload }
    }
}

/// Something that takes time, and can be called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// A scan.
    Scan,
    /// A time event, by its unique id.
    TimeEvent(u32),
    /// A session's protection.
    Session {
        /// Of this link.
        link: u32,
        /// For this.
        conf: u32,
    },
}

/// What happens some time after a command.
#[derive(Debug)]
pub(crate) enum Later {
    /// Packets go out.
    Send(Vec<Packet>),
    /// A packet goes out, if its job was not called off.
    Notify(Job, Packet),
    /// The firmware ends its scan.
    FinishScan,
}

impl Later {
    /// With which job it is called off.
    pub(crate) fn job(&self) -> Option<Job> {
        match self {
            Self::Send(_) => None,
            Self::Notify(job, _) => Some(*job),
            Self::FinishScan => Some(Job::Scan),
        }
    }
}

/// One thing that the firmware does about a command.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The response.
    Reply(Vec<u8>),
    /// Something happens after a delay.
    After(Nanos, Later),
    /// A job is called off.
    Cancel(Job),
    /// A transmit queue behind the scheduler is switched: off, or on at an index.
    Queue(u8, Option<u8>),
    /// A transmit queue is opened, with a ring and its size.
    Open(u8, u64, u32),
    /// A transmit queue is closed.
    Close(u8),
    /// A receive queue is opened.
    Receive(u8, Rings),
    /// The timeline is told.
    Tell(CardEvent),
}

impl Effect {
    pub(crate) fn reply(payload: impl Into<Vec<u8>>) -> Self {
        Self::Reply(payload.into())
    }

    /// The reply that satisfies every caller that only wants a status.
    pub(crate) fn status() -> Self {
        Self::Reply(GENERIC_REPLY.to_vec())
    }
}

/// What the firmware does about a command: its effects, in their order.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it says is known: otherwise a status stands for it.
    pub(crate) modelled: bool,
    pub(crate) effects: Vec<Effect>,
}

impl Answer {
    /// A status, to a command of this name: that is all that some want.
    pub(crate) fn status(name: Option<&str>) -> Self {
        let modelled = name.is_some_and(iwl_hw::names::is_acknowledged);
        Self { modelled, effects: vec![Effect::status()] }
    }
}

impl From<Vec<Effect>> for Answer {
    fn from(effects: Vec<Effect>) -> Self {
        Self { modelled: true, effects }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_header_has_a_version() {
        let bytes = [0x18, 2, 9, 0, 1, 0, 0, 7, 0xaa];
        let long = |group| group != 0;
        let (header, payload) = Header::parse(&bytes, long).expect("a long header");
        assert_eq!((header.id, header.group, header.version), (0x18, 2, Some(7)));
        assert_eq!((header.sequence, payload), (9, &[0xaa][..]));
        assert!(Header::parse(&bytes[..7], long).is_none());
        let (header, payload) = Header::parse(&bytes[..7], |_| false).expect("a short header");
        assert_eq!((header.version, payload.len()), (None, 3));
        assert!(Header::parse(&bytes[..3], |_| false).is_none());
    }
}
