//! Packets to the host: what waits, and the rings that carry it.

mod next;
mod rbd;
mod rfh;

use std::collections::VecDeque;

use iwl_hw::packet;

pub(crate) use rbd::Rbd;
pub(crate) use rfh::Rfh;

use next::Next;

use crate::message::Packet;
use crate::reach::Reach;
use crate::spec::Rx;
use crate::world::DmaError;

/// Packets that may wait for a buffer; the firmware takes no commands while so many wait.
const BACKLOG: usize = 256;
/// Packets beyond which even notifications are dropped.
const LIMIT: usize = 2 * BACKLOG;

/// What came of the packet that was next.
pub(crate) enum Delivery {
    /// No packet, or no buffer for it.
    Idle,
    /// It lies in a buffer, and the status says so.
    Delivered(Packet),
    /// It does not fit into a buffer: dropped.
    TooLong(Packet),
    /// It is for a queue that does not run: dropped.
    NoQueue(Packet),
    /// The ring, a buffer or the status cannot be reached: dropped.
    Fault { addr: u64, len: usize },
}

#[derive(Debug)]
enum Ring {
    Rbd(Rbd),
    Rfh(Rfh),
}

/// The rings, as their registers or the firmware describe them, and what waits to go there.
#[derive(Debug)]
pub(crate) struct Receive {
    ring: Ring,
    backlog: VecDeque<Packet>,
}

impl Receive {
    pub(crate) fn new(rx: Rx) -> Self {
        let ring = match rx {
            Rx::Rbd => Ring::Rbd(Rbd::new()),
            Rx::Rfh(descriptors) => Ring::Rfh(Rfh::new(descriptors)),
        };
        Self { ring, backlog: VecDeque::new() }
    }

    /// The one ring of parts before 9000.
    pub(crate) fn rbd(&mut self) -> Option<&mut Rbd> {
        match &mut self.ring {
            Ring::Rbd(rbd) => Some(rbd),
            Ring::Rfh(_) => None,
        }
    }

    /// The queues of 9000 and later parts.
    pub(crate) fn rfh(&mut self) -> Option<&mut Rfh> {
        match &mut self.ring {
            Ring::Rbd(_) => None,
            Ring::Rfh(rfh) => Some(rfh),
        }
    }

    /// The firmware may produce more.
    pub(crate) fn has_room(&self) -> bool {
        self.backlog.len() < BACKLOG
    }

    /// Queues a packet; gives it back if far too many wait.
    pub(crate) fn push(&mut self, packet: Packet) -> Result<(), Packet> {
        if self.backlog.len() >= LIMIT {
            return Err(packet);
        }
        self.backlog.push_back(packet);
        Ok(())
    }

    /// Forgets what waits.
    pub(crate) fn discard(&mut self) {
        self.backlog.clear();
    }

    /// Delivers the next packet.
    pub(crate) fn step(&mut self, host: &mut Reach<'_>) -> Result<Delivery, DmaError> {
        let Some(queue) = self.backlog.front().map(|packet| packet.queue) else {
            return Ok(Delivery::Idle);
        };
        let next = match &self.ring {
            Ring::Rbd(rbd) => rbd.next(host),
            Ring::Rfh(rfh) => rfh.next(queue, host),
        };
        let next = match next {
            Ok(Next::Nothing) => return Ok(Delivery::Idle),
            Err(DmaError::Pending) => return Err(DmaError::Pending),
            next => next,
        };
        let Some(packet) = self.backlog.pop_front() else { return Ok(Delivery::Idle) };
        let buffer = match next {
            Ok(Next::Free(buffer)) => buffer,
            Err(DmaError::Fault { addr, len }) => return Ok(Delivery::Fault { addr, len }),
            _ => return Ok(Delivery::NoQueue(packet)),
        };
        let capacity = match &self.ring {
            Ring::Rbd(rbd) => rbd.capacity(),
            Ring::Rfh(rfh) => rfh.capacity(),
        };
        let bytes = packet::receive_buffer(queue, packet.header(), &packet.payload, capacity);
        let Some(bytes) = bytes else { return Ok(Delivery::TooLong(packet)) };
        let written = host.write(buffer.address, &bytes).and_then(|()| match &mut self.ring {
            Ring::Rbd(rbd) => rbd.close(host),
            Ring::Rfh(rfh) => rfh.close(queue, buffer, host),
        });
        Ok(match written {
            Ok(()) => Delivery::Delivered(packet),
            Err(DmaError::Fault { addr, len }) => Delivery::Fault { addr, len },
            // A world that breaks its word; nothing can be repeated here.
            Err(DmaError::Pending) => Delivery::Fault { addr: buffer.address, len: bytes.len() },
        })
    }
}
