//! Transmit queues of parts before 22000: rings of descriptors, activated at the scheduler.

use iwl_hw::csr::wrptr;
use iwl_hw::fh;
use iwl_hw::prph::scd_queue_stts;
use iwl_hw::tfd::{IWL_NUM_OF_TBS, Tfd};
use zerocopy::{FromZeros, IntoBytes};

use super::fetched::{Fetched, gather};
use crate::reach::Reach;
use crate::world::DmaError;

/// Most bytes that a descriptor names: each buffer has less than 4 KiB.
const MOST: usize = IWL_NUM_OF_TBS * 0x1000;

#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    ring: u64,
    active: bool,
    read: u8,
    write: u8,
}

/// The queues.
#[derive(Debug)]
pub(crate) struct Scheduled {
    queues: Box<[Queue; fh::QUEUES as usize]>,
}

impl Scheduled {
    pub(super) fn new() -> Self {
        Self { queues: Box::new([Queue::default(); fh::QUEUES as usize]) }
    }

    /// `FH_MEM_CBBC_QUEUE`.
    pub(crate) fn set_ring(&mut self, queue: u32, value: u32) {
        if let Some(queue) = self.queues.get_mut(queue as usize) {
            queue.ring = u64::from(value) << 8;
        }
    }

    /// `HBUS_TARG_WRPTR`. A queue that is not active is only told where it stands.
    pub(super) fn doorbell(&mut self, value: u32) -> Result<(), u32> {
        let number = wrptr::queue(value);
        let queue = self.queues.get_mut(number as usize).ok_or(number)?;
        queue.write = wrptr::index(value);
        if !queue.active {
            queue.read = queue.write;
        }
        Ok(())
    }

    /// `SCD_QUEUE_STATUS_BITS`.
    pub(crate) fn set_status(&mut self, queue: u32, value: u32) {
        if let Some(queue) = self.queues.get_mut(queue as usize)
            && value & scd_queue_stts::SCD_ACT_EN != 0
        {
            queue.active = value & scd_queue_stts::ACTIVE != 0;
        }
    }

    /// `SCD_QUEUE_RDPTR`.
    pub(crate) fn set_read(&mut self, queue: u32, value: u32) {
        if let Some(queue) = self.queues.get_mut(queue as usize) {
            queue.read = (value & 0xff) as u8;
        }
    }

    /// `SCD_QUEUE_RDPTR`.
    pub(crate) fn read(&self, queue: u32) -> u32 {
        self.queues.get(queue as usize).map_or(0, |queue| queue.read.into())
    }

    /// `SCD_QUEUE_WRPTR`.
    pub(crate) fn write(&self, queue: u32) -> u32 {
        self.queues.get(queue as usize).map_or(0, |queue| queue.write.into())
    }

    /// The firmware switches a queue, as the host asked it to. `false` if there is none.
    pub(crate) fn switch(&mut self, queue: u8, start: Option<u8>) -> bool {
        let Some(queue) = self.queues.get_mut(usize::from(queue)) else { return false };
        queue.active = start.is_some();
        if let Some(start) = start {
            queue.read = start;
        }
        true
    }

    /// Reads the next descriptor of the first queue that has one, and passes it.
    pub(super) fn step(&mut self, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        let Some((number, queue)) = self
            .queues
            .iter_mut()
            .zip(0..)
            .map(|(queue, number)| (number, queue))
            .find(|(_, queue)| queue.active && queue.read != queue.write)
        else {
            return Ok(Fetched::Idle);
        };
        let (index, next) = (queue.read.into(), queue.read.wrapping_add(1));
        let fetched = fetch(queue.ring, queue.read, host);
        if !matches!(fetched, Err(DmaError::Pending)) {
            queue.read = next;
        }
        Fetched::from_queue(number, index, next.into(), fetched)
    }
}

/// The bytes that a descriptor names, or what is wrong with it.
fn fetch(
    ring: u64,
    index: u8,
    host: &mut Reach<'_>,
) -> Result<Result<Vec<u8>, &'static str>, DmaError> {
    let mut tfd = Tfd::new_zeroed();
    host.read(ring + u64::from(index) * size_of::<Tfd>() as u64, tfd.as_mut_bytes())?;
    let buffers = tfd.buffers().map(|tbs| tbs.iter().map(|tb| (tb.address(), tb.len())));
    gather(buffers, MOST, host)
}
