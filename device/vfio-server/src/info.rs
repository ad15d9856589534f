//! What a client is told of a device: its regions and interrupts.

use bitflags::bitflags;

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
