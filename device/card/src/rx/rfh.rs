//! The receive queues of 9000 and later parts: all take their buffers from the free ring of the first, and
//! each gives them back through its own used ring.
//!
//! Drivers never fill the free rings of further queues.

use iwl_hw::rfh::transfer::{COMPLETION, COMPLETION_BZ, COMPLETION_RBID, TransferDesc};
use iwl_hw::rfh::{self, free};
use zerocopy::{FromZeros, IntoBytes};

use super::next::{Buffer, Next};
use crate::reach::Reach;
use crate::rings::Rings;
use crate::spec::Descriptors;
use crate::world::DmaError;

#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    active: bool,
    rings: Rings,
    /// Buffers used so far, as the status counts them.
    closed: u32,
}

/// The queues.
#[derive(Debug)]
pub(crate) struct Rfh {
    descriptors: Descriptors,
    enabled: bool,
    /// Descriptors in each ring.
    size: u32,
    /// Bytes in a buffer.
    capacity: usize,
    /// Buffers are offered up to here.
    write: u32,
    /// The next buffer to fill.
    read: u32,
    queues: Box<[Queue; rfh::QUEUES as usize]>,
}

impl Rfh {
    pub(super) fn new(descriptors: Descriptors) -> Self {
        Self {
            descriptors,
            enabled: false,
            size: 1,
            capacity: 0,
            write: 0,
            read: 0,
            queues: Box::new([Queue::default(); rfh::QUEUES as usize]),
        }
    }

    /// The engine starts, without queues, or stops.
    pub(crate) fn configure(&mut self, enabled: bool, ring_size: u32, buffer_size: u32) {
        *self = Self {
            enabled,
            size: ring_size.max(1),
            capacity: buffer_size as usize,
            write: self.write,
            ..Self::new(self.descriptors)
        };
    }

    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// A queue starts over; `false` if there is none of that number.
    pub(crate) fn open(&mut self, queue: u8, rings: Rings) -> bool {
        let Some(slot) = self.queues.get_mut(usize::from(queue)) else { return false };
        *slot = Queue { active: true, rings, closed: 0 };
        if queue == 0 {
            (self.write, self.read) = (0, 0);
        }
        true
    }

    /// A queue stops.
    pub(crate) fn close_queue(&mut self, queue: u8) {
        if let Some(queue) = self.queues.get_mut(usize::from(queue)) {
            queue.active = false;
        }
    }

    /// `RFH_Q_FRBDCB_WIDX_TRG`: buffers are offered.
    pub(crate) fn offer(&mut self, queue: u32, index: u32) {
        if queue == 0 {
            self.write = index;
        }
    }

    /// Bytes in a buffer.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn next(&self, queue: u8, host: &mut Reach<'_>) -> Result<Next, DmaError> {
        if !self.enabled || !self.queues[0].active {
            return Ok(Next::Nothing);
        }
        if !self.queues.get(usize::from(queue)).is_some_and(|queue| queue.active) {
            return Ok(Next::NoQueue);
        }
        if self.read == self.write % self.size {
            return Ok(Next::Nothing);
        }
        let at = |len| self.queues[0].rings.free.wrapping_add(u64::from(self.read) * len);
        let buffer = match self.descriptors {
            Descriptors::Packed => {
                let mut entry = [0; 8];
                host.read(at(8), &mut entry)?;
                let entry = u64::from_le_bytes(entry);
                Buffer { address: free::address(entry), vid: free::vid(entry) }
            }
            Descriptors::Transfer | Descriptors::TransferShort => {
                let mut entry = TransferDesc::new_zeroed();
                host.read(at(size_of::<TransferDesc>() as u64), entry.as_mut_bytes())?;
                Buffer { address: entry.addr.get(), vid: entry.rbid.get().into() }
            }
        };
        Ok(Next::Free(buffer))
    }

    /// The next buffer is filled, with something for `queue`.
    pub(super) fn close(
        &mut self,
        queue: u8,
        buffer: Buffer,
        host: &mut Reach<'_>,
    ) -> Result<(), DmaError> {
        self.read = (self.read + 1) % self.size;
        let Some(queue) = self.queues.get_mut(usize::from(queue)) else { return Ok(()) };
        let mut completion = [0; COMPLETION];
        let (begin, len) = match self.descriptors {
            Descriptors::Packed => (0, size_of::<u32>()),
            Descriptors::Transfer => (COMPLETION_RBID, COMPLETION),
            Descriptors::TransferShort => (0, COMPLETION_BZ),
        };
        completion[begin..begin + 4].copy_from_slice(&buffer.vid.to_le_bytes());
        let at = queue.rings.used.wrapping_add(u64::from(queue.closed) * len as u64);
        queue.closed = (queue.closed + 1) % self.size;
        host.write(at, &completion[..len])?;
        host.write(queue.rings.status, &(queue.closed as u16).to_le_bytes())
    }
}
