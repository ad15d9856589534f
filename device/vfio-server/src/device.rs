//! What a device shows to the server: the seam of this crate.

use std::time::Instant;

use bitflags::bitflags;

use crate::{Bus, Disconnect, Errno};

/// Region indices of a PCI function, from `<linux/vfio.h>`.
pub mod region {
    /// BAR 0; BAR n is region n, up to 5.
    pub const BAR0: u32 = 0;
    /// The expansion ROM.
    pub const ROM: u32 = 6;
    /// The configuration space.
    pub const CONFIG: u32 = 7;
    /// Legacy VGA ranges.
    pub const VGA: u32 = 8;
    /// How many there are.
    pub const COUNT: usize = 9;
}

/// Interrupt indices of a PCI function, from `<linux/vfio.h>`.
pub mod irq_index {
    /// INTx, the pin.
    pub const INTX: u32 = 0;
    /// MSI.
    pub const MSI: u32 = 1;
    /// MSI-X.
    pub const MSIX: u32 = 2;
    /// Uncorrectable errors.
    pub const ERR: u32 = 3;
    /// A request to give the device back.
    pub const REQ: u32 = 4;
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// One region of the device. The default is an absent one.
///
/// There is deliberately no way to make a region mappable: a client that may map any
/// region stops posting its writes to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Region {
    /// Bytes; 0 if the region is absent.
    pub size: u64,
    /// The client may read it.
    pub read: bool,
    /// The client may write it.
    pub write: bool,
}

impl Region {
    /// A region of `size` bytes that can be read and written.
    pub const fn read_write(size: u64) -> Self {
        Self { size, read: true, write: true }
    }
}

bitflags! {
    /// How an interrupt index behaves (`VFIO_IRQ_INFO_*`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct IrqFlags: u32 {
        /// Delivered through an eventfd.
        const EVENTFD = 1 << 0;
        /// The client may mask and unmask it.
        const MASKABLE = 1 << 1;
        /// Masks itself when it fires, until the client unmasks it.
        const AUTOMASKED = 1 << 2;
        /// Vectors cannot be added while the index is enabled.
        const NORESIZE = 1 << 3;
    }
}

/// One interrupt index of the device. The default is an absent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IrqIndex {
    /// Number of vectors; 0 if the index is absent.
    pub count: u32,
    /// How it behaves.
    pub flags: IrqFlags,
}

impl IrqIndex {
    /// The level-triggered pin: it masks itself, and fires again on unmask if it was
    /// triggered meanwhile.
    pub const INTX: Self = Self {
        count: 1,
        flags: IrqFlags::EVENTFD.union(IrqFlags::MASKABLE).union(IrqFlags::AUTOMASKED),
    };

    /// `count` message-signalled vectors; they can be enabled one by one.
    pub const fn messages(count: u32) -> Self {
        Self { count, flags: IrqFlags::EVENTFD }
    }
}

/// What the client is told about the device; asked for once per connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceInfo {
    /// By [`region`] index.
    pub regions: [Region; region::COUNT],
    /// By [`irq_index`].
    pub irqs: [IrqIndex; irq_index::COUNT],
}

/// A PCI function behind the server.
///
/// Every method is called on the thread that runs [`crate::Server::serve`] and must
/// return without waiting: the client holds its VM still until it has its answer.
pub trait Device {
    /// Regions and interrupts.
    fn info(&self) -> DeviceInfo;

    /// The client reads `data.len()` bytes at `offset` of `region`. The access is within
    /// the region, which is readable; `data` comes zeroed.
    ///
    /// # Errors
    /// The errno that the client is told.
    fn read(
        &mut self,
        bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Errno>;

    /// The client writes `data` at `offset` of `region`. The access is within the region,
    /// which is writable.
    ///
    /// # Errors
    /// The errno that the client is told, unless the write was posted.
    fn write(
        &mut self,
        bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Errno>;

    /// The function is reset. All reads by message are forgotten already.
    fn reset(&mut self, bus: &mut Bus<'_>);

    /// A client has come and the version is agreed on. Its memory is not mapped yet.
    fn attached(&mut self, bus: &mut Bus<'_>) {
        let _ = bus;
    }

    /// The client that [`Device::attached`] announced has gone, and its memory and
    /// interrupts with it. The device keeps its state.
    fn detached(&mut self, why: &Disconnect) {
        let _ = why;
    }

    /// All that the client has asked for so far is answered: what nobody waits for can be done now.
    fn answered(&mut self) {}

    /// The client has unmasked the pin: a level that is still asserted must be triggered again.
    fn pin_unmasked(&mut self, bus: &mut Bus<'_>) {
        let _ = bus;
    }

    /// The [`Device::deadline`] has passed, a [`crate::WakeHandle`] was used, or the data that a
    /// [`Bus::dma_read`] found pending has arrived: do again, from the start, all work that is due or was left.
    ///
    /// Also called while no client is connected; DMA faults then and interrupts go nowhere.
    fn wake(&mut self, bus: &mut Bus<'_>);

    /// When [`Device::wake`] is due next. Work that only waits for DMA has no deadline.
    fn deadline(&self) -> Option<Instant>;
}
