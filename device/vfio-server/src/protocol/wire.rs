//! Structures and constants of requests and replies.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Largest `count` of one data transfer, in either direction.
pub const MAX_DATA_XFER: usize = 1 << 20;
/// Largest message: a transfer with its two headers.
pub const MAX_MESSAGE: usize = size_of::<Header>() + size_of::<RegionAccess>() + MAX_DATA_XFER;
/// Most descriptors taken with one message.
pub const MAX_MSG_FDS: usize = 16;
/// Most DMA ranges mapped at a time.
pub const MAX_DMA_MAPS: usize = 65535;
/// The smallest page a DMA range may be made of; as the bit set `pgsizes`.
pub const PAGE_SIZES: u64 = 4096;

/// Command numbers.
pub mod command {
    /// Negotiation; first and only once.
    pub const VERSION: u16 = 1;
    /// A range of the client's memory may be used.
    pub const DMA_MAP: u16 = 2;
    /// It may no longer.
    pub const DMA_UNMAP: u16 = 3;
    /// Number of regions and interrupt indices.
    pub const DEVICE_GET_INFO: u16 = 4;
    /// One region.
    pub const DEVICE_GET_REGION_INFO: u16 = 5;
    /// One interrupt index.
    pub const DEVICE_GET_IRQ_INFO: u16 = 7;
    /// Set up interrupts.
    pub const DEVICE_SET_IRQS: u16 = 8;
    /// Read a region.
    pub const REGION_READ: u16 = 9;
    /// Write a region.
    pub const REGION_WRITE: u16 = 10;
    /// The server reads the client's memory.
    pub const DMA_READ: u16 = 11;
    /// The server writes the client's memory.
    pub const DMA_WRITE: u16 = 12;
    /// Reset the device.
    pub const DEVICE_RESET: u16 = 13;
    /// Several region writes at once.
    pub const REGION_WRITE_MULTI: u16 = 15;
}

/// Bits of [`Header::flags`].
pub mod flags {
    /// Mask of the message type.
    pub const TYPE: u32 = 0xf;
    /// Type: a command.
    pub const COMMAND: u32 = 0;
    /// Type: a reply.
    pub const REPLY: u32 = 1;
    /// No reply wanted.
    pub const NO_REPLY: u32 = 1 << 4;
    /// The reply reports a failure.
    pub const ERROR: u32 = 1 << 5;
}

/// What every message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Chosen by the sender of the command, echoed in the reply.
    pub message_id: u16,
    /// One of [`command`].
    pub command: u16,
    /// Bytes of the message, this header included.
    pub message_size: u32,
    /// [`flags`].
    pub flags: u32,
    /// In a reply with [`flags::ERROR`]: the errno.
    pub error: u32,
}

/// Start of a VERSION message; the JSON data follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Version {
    /// Incompatible changes.
    pub major: u16,
    /// Compatible ones.
    pub minor: u16,
}

bitflags! {
    /// What the device may do with a DMA range (`VFIO_DMA_MAP_FLAG_*`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DmaAccess: u32 {
        /// Read it.
        const READ = 1 << 0;
        /// Write it.
        const WRITE = 1 << 1;
    }
}

/// DMA_MAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaMap {
    /// Bytes of this structure.
    pub argsz: u32,
    /// [`DmaAccess`].
    pub flags: u32,
    /// Where the range begins in the file that comes along.
    pub offset: u64,
    /// Bus address of the range.
    pub address: u64,
    /// Bytes of the range.
    pub size: u64,
}

/// `VFIO_DMA_UNMAP_FLAG_ALL`: everything; address and size are 0.
pub const UNMAP_ALL: u32 = 1 << 1;

/// DMA_UNMAP, and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaUnmap {
    /// Room for the reply.
    pub argsz: u32,
    /// 0 or [`UNMAP_ALL`].
    pub flags: u32,
    /// Bus address of the range.
    pub address: u64,
    /// Bytes of the range.
    pub size: u64,
}

/// `VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI`: a PCI function that can be reset.
pub const DEVICE_FLAGS: u32 = 0b11;

/// DEVICE_GET_INFO, and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GetInfo {
    /// Room for the reply; in the reply: what it needs.
    pub argsz: u32,
    /// `VFIO_DEVICE_FLAGS_*`.
    pub flags: u32,
    /// Number of regions.
    pub num_regions: u32,
    /// Number of interrupt indices.
    pub num_irqs: u32,
}

bitflags! {
    /// `VFIO_REGION_INFO_FLAG_*`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct RegionFlags: u32 {
        /// The client may read it.
        const READ = 1 << 0;
        /// The client may write it.
        const WRITE = 1 << 1;
    }
}

/// DEVICE_GET_REGION_INFO, and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GetRegionInfo {
    /// Room for the reply; in the reply: what it needs.
    pub argsz: u32,
    /// [`RegionFlags`].
    pub flags: u32,
    /// Which region.
    pub index: u32,
    /// Where its capabilities begin; 0: it has none.
    pub cap_offset: u32,
    /// Bytes of the region.
    pub size: u64,
    /// Where to map it; unused.
    pub offset: u64,
}

/// DEVICE_GET_IRQ_INFO, and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GetIrqInfo {
    /// Room for the reply; in the reply: what it needs.
    pub argsz: u32,
    /// [`crate::IrqFlags`].
    pub flags: u32,
    /// Which index.
    pub index: u32,
    /// Number of vectors.
    pub count: u32,
}

bitflags! {
    /// Flags of SET_IRQS (`VFIO_IRQ_SET_*`): one of DATA, one of ACTION.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct IrqSet: u32 {
        /// Acts on all vectors named.
        const DATA_NONE = 1 << 0;
        /// Acts on the vectors whose byte is not 0.
        const DATA_BOOL = 1 << 1;
        /// Sets the eventfds that come along.
        const DATA_EVENTFD = 1 << 2;
        /// Mask.
        const ACTION_MASK = 1 << 3;
        /// Unmask.
        const ACTION_UNMASK = 1 << 4;
        /// Trigger.
        const ACTION_TRIGGER = 1 << 5;
    }
}

/// Start of DEVICE_SET_IRQS; for [`IrqSet::DATA_BOOL`] one byte per vector follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SetIrqs {
    /// Bytes of the request.
    pub argsz: u32,
    /// [`IrqSet`].
    pub flags: u32,
    /// Which index.
    pub index: u32,
    /// First vector.
    pub start: u32,
    /// Number of vectors.
    pub count: u32,
}

/// Start of REGION_READ and REGION_WRITE and of their replies; the data follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RegionAccess {
    /// Where in the region.
    pub offset: u64,
    /// Which region.
    pub region: u32,
    /// Bytes.
    pub count: u32,
}

/// One write of REGION_WRITE_MULTI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MultiWrite {
    /// Where and how much; at most 8 bytes.
    pub access: RegionAccess,
    /// The data comes first.
    pub data: [u8; 8],
}

/// Start of DMA_READ and DMA_WRITE and of their replies; the data follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaTransfer {
    /// Bus address.
    pub address: u64,
    /// Bytes.
    pub count: u64,
}

/// The client broke the protocol in a way after which it cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A size smaller than a header or larger than any message can be.
    #[error("a message of {size} bytes (16 to {MAX_MESSAGE} are possible)")]
    MessageSize {
        /// As announced.
        size: u32,
    },
    /// Neither command nor reply.
    #[error("message {id}: type {kind} is neither command nor reply")]
    MessageType {
        /// Message id.
        id: u16,
        /// The type bits.
        kind: u32,
    },
    /// More descriptors than the server said it takes.
    #[error("more than {MAX_MSG_FDS} descriptors with one message")]
    TooManyFds,
    /// Descriptors whose close does not return.
    #[error("descriptors that cannot be closed: {waiting} wait")]
    Unclosable {
        /// How many.
        waiting: usize,
    },
    /// A reply to a command that was never sent, or answered before.
    #[error("reply {id} to command {command}, which is not waited for")]
    UnexpectedReply {
        /// Message id.
        id: u16,
        /// Command.
        command: u16,
    },
    /// A reply that does not fit its command.
    #[error("reply {id} to command {command} does not fit: {size} bytes")]
    BadReply {
        /// Message id.
        id: u16,
        /// Command.
        command: u16,
        /// Bytes of the reply.
        size: u32,
    },
    /// A major version other than 0.
    #[error("version {major}.{minor}; this server speaks 0.x")]
    Version {
        /// Proposed.
        major: u16,
        /// Proposed.
        minor: u16,
    },
    /// The client lets commands of the server pile up.
    #[error("the client does not answer: {commands} commands, {bytes} unsent bytes")]
    Stalled {
        /// Unanswered commands.
        commands: usize,
        /// Bytes the socket does not take.
        bytes: usize,
    },
}
