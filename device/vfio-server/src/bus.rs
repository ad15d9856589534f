//! What a device can do while one of its methods runs.

use crate::error::DmaError;
use crate::link::Link;

/// The client's memory and interrupts.
///
/// # Memory that is not shared
/// Where the client shares its memory, a read or write is done when the call returns.
/// Where it does not, data travels in messages:
/// - [`Bus::dma_read`] asks for the data and returns [`DmaError::Pending`]. The device
///   leaves its *work item* (one doorbell, one timer) before its first effect and repeats
///   it from the start in [`crate::Device::wake`]; its reads then find the data, until it
///   calls [`Bus::end_of_work`].
/// - [`Bus::dma_write`] never waits; it is sent in order, and a later [`Bus::trigger`]
///   fires only when the client has confirmed it.
///
/// So a device is written once: read everything, act, `end_of_work`.
#[derive(Debug)]
pub struct Bus<'a> {
    pub(crate) link: &'a mut Link,
}

impl Bus<'_> {
    /// Reads guest memory at `addr`.
    ///
    /// # Errors
    /// [`DmaError::Pending`], [`DmaError::Fault`]. `data` is then unspecified.
    #[inline]
    pub fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        self.link.dma_read(addr, data)
    }

    /// Writes guest memory at `addr`, after every earlier write and before every later
    /// interrupt.
    ///
    /// # Errors
    /// [`DmaError::Fault`]; never pending.
    #[inline]
    pub fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        self.link.dma_write(addr, data)
    }

    /// Whether every write so far is in guest memory. If not, [`crate::Device::wake`] is called
    /// once they are: until then no register may tell the guest of what was written.
    #[inline]
    pub fn flushed(&mut self) -> bool {
        self.link.flushed()
    }

    /// Fires `vector` of interrupt `index` ([`crate::irq_index`]) once every earlier write
    /// is in guest memory. Without effect if the client has not enabled it.
    #[inline]
    pub fn trigger(&mut self, index: u32, vector: u32) {
        self.link.trigger(index, vector);
    }

    /// The bus-master bit of the PCI command register. While it is off all DMA faults. It
    /// is off at first and keeps its value when clients come and go.
    pub fn set_bus_master(&mut self, on: bool) {
        self.link.set_bus_master(on);
    }

    /// A work item is done: what it read by message is forgotten, so that the next one
    /// reads afresh. What other unfinished items have read is kept. Cheap.
    #[inline]
    pub fn end_of_work(&mut self) {
        self.link.messages.end_of_work();
    }

    /// All unfinished work is given up (a reset of the device's own): everything read by
    /// message, arrived or not, is forgotten.
    pub fn forget_reads(&mut self) {
        self.link.messages.forget_reads();
    }
}
