//! The one seam between the card and the world.

use crate::cause::Irq;
use crate::event::CardEvent;

/// Nanoseconds on a clock that never goes back; its origin is the world's business.
pub type Nanos = u64;

/// Why a DMA access did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DmaError {
    /// The data is on its way: leave the work where it is, without effect, and do it
    /// again when the world calls [`crate::Card::run`].
    #[error("the data is on its way")]
    Pending,
    /// No memory there, no right to it, or bus mastering is off.
    #[error("DMA fault at {addr:#x}, {len} bytes")]
    Fault {
        /// Bus address.
        addr: u64,
        /// Bytes asked for.
        len: usize,
    },
}

/// The time.
pub trait Clock {
    /// It.
    fn now(&self) -> Nanos;
}

/// Guest memory, as the card's bus master reaches it.
///
/// A *work item* (one doorbell, one packet to the host, one timer) does all its reads
/// before its first effect, so that [`DmaError::Pending`] can drop it half-way and the
/// card can repeat it from the start.
pub trait Memory {
    /// Reads.
    ///
    /// # Errors
    /// [`DmaError::Pending`] if the data must be fetched first, [`DmaError::Fault`].
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError>;

    /// Writes. Never pending: the world queues what it cannot do at once, and keeps it ahead of
    /// every later [`Raise::raise`].
    ///
    /// # Errors
    /// [`DmaError::Fault`].
    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError>;

    /// Every [`Memory::dma_write`] so far is in guest memory. A register that tells of what was
    /// written must not do so before: on PCIe a read of it would push the writes ahead of its
    /// completion. A world that says no calls [`crate::Card::run`] when that changes.
    fn flushed(&mut self) -> bool {
        true
    }

    /// A work item is done: the next one reads guest memory afresh.
    fn end_of_work(&mut self) {}
}

/// The interrupt lines.
pub trait Raise {
    /// Raises an interrupt, once, after every earlier [`Memory::dma_write`].
    fn raise(&mut self, irq: Irq);
}

/// The timeline.
pub trait Events {
    /// Something happened that it wants.
    fn emit(&mut self, event: CardEvent);
}

/// What the card can do to the world, and the world to it: all of it. A part of the card takes the
/// trait that it needs.
pub trait World: Clock + Memory + Raise + Events {
    /// The PCI command register's bus-master bit changed.
    fn set_bus_master(&mut self, on: bool);
}
