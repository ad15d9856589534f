//! Transmit queues of 22000 and later parts: the firmware opens and numbers them, each with a ring of its own size.

use std::collections::BTreeMap;

use iwl_hw::csr::wrptr_wide;
use iwl_hw::tfh::TfhTfd;
use zerocopy::{FromZeros, IntoBytes};

use super::fetched::{Fetched, gather};
use crate::reach::Reach;
use crate::world::DmaError;

/// Most bytes that a descriptor may name: a command or an aggregate of frames, with room to spare.
/// All of its buffers together could claim 25 times 64 KiB.
const MOST: usize = 0x4_0000;

#[derive(Debug)]
struct Queue {
    ring: u64,
    /// Descriptors in the ring; indices go on beyond it.
    size: u32,
    read: u32,
    write: u32,
}

/// The queues that are open.
#[derive(Debug)]
pub(crate) struct Tfh {
    indices: u32,
    queues: BTreeMap<u8, Queue>,
}

impl Tfh {
    pub(super) fn new(indices: u32) -> Self {
        Self { indices, queues: BTreeMap::new() }
    }

    /// Closes all queues, and opens the one of commands.
    pub(crate) fn start(&mut self, ring: u64, size: u32) {
        self.queues.clear();
        self.open(0, ring, size);
    }

    pub(crate) fn open(&mut self, queue: u8, ring: u64, size: u32) {
        self.queues.insert(queue, Queue { ring, size: size.max(1), read: 0, write: 0 });
    }

    pub(crate) fn close(&mut self, queue: u8) {
        self.queues.remove(&queue);
    }

    /// `HBUS_TARG_WRPTR`.
    pub(super) fn doorbell(&mut self, value: u32) -> Result<(), u32> {
        let number = wrptr_wide::queue(value);
        let queue = u8::try_from(number).ok().and_then(|number| self.queues.get_mut(&number));
        queue.ok_or(number)?.write = u32::from(wrptr_wide::index(value)) % self.indices;
        Ok(())
    }

    /// Reads the next descriptor of the first queue that has one, and passes it.
    pub(super) fn step(&mut self, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let Some((&number, queue)) =
            self.queues.iter_mut().find(|(_, queue)| queue.read != queue.write)
        else {
            return Ok(Fetched::Idle);
        };
        let index = queue.read;
        let next = (index + 1) % self.indices;
        let fetched = fetch(queue.ring, index % queue.size, host);
        if !matches!(fetched, Err(DmaError::Pending)) {
            queue.read = next;
        }
        // There are at most so many indices.
        Fetched::from_queue(number, index as u16, next as u16, fetched)
    }
}

/// The bytes that a descriptor names, or what is wrong with it.
fn fetch(
    ring: u64,
    place: u32,
    host: &mut Reach<'_>,
) -> Result<Result<Vec<u8>, &'static str>, DmaError> {
    let mut tfd = TfhTfd::new_zeroed();
    let at = ring.wrapping_add(u64::from(place) * size_of::<TfhTfd>() as u64);
    host.read(at, tfd.as_mut_bytes())?;
    let buffers =
        tfd.buffers().map(|tbs| tbs.iter().map(|tb| (tb.addr.get(), usize::from(tb.tb_len.get()))));
    gather(buffers, MOST, host)
}
