//! What a command asks for.

use rustix::io::Errno;
use zerocopy::FromBytes;

use super::wire::{
    DmaMap, DmaUnmap, GetInfo, GetIrqInfo, GetRegionInfo, IrqSet, MultiWrite, RegionAccess,
    SetIrqs, Version, command,
};

/// A command that is long enough, with as much data as it says; its values are not judged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the commands")]
pub enum Request<'a> {
    Version {
        version: Version,
        /// JSON, NUL-terminated; may be absent.
        data: &'a [u8],
    },
    DmaMap(DmaMap),
    DmaUnmap(DmaUnmap),
    GetInfo(GetInfo),
    GetRegionInfo(GetRegionInfo),
    GetIrqInfo(GetIrqInfo),
    SetIrqs {
        set: SetIrqs,
        /// With [`IrqSet::DATA_BOOL`] `count` bytes, else empty.
        bools: &'a [u8],
    },
    RegionRead(RegionAccess),
    RegionWrite {
        access: RegionAccess,
        /// `count` bytes.
        data: &'a [u8],
    },
    RegionWriteMulti(MultiWrites<'a>),
    Reset,
}

/// The writes of a REGION_WRITE_MULTI, each of at most 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiWrites<'a>(&'a [u8]);

impl<'a> MultiWrites<'a> {
    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = (RegionAccess, &'a [u8])> {
        self.0.chunks_exact(size_of::<MultiWrite>()).filter_map(|write| {
            let (access, data) = RegionAccess::read_from_prefix(write).ok()?;
            Some((access, data.get(..access.count as usize)?))
        })
    }
}

/// Why a command is refused; the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The payload is shorter than the command needs, or its data not as long as it says.
    #[error("command {command}: a payload of {size} bytes does not fit")]
    Size {
        /// Command.
        command: u16,
        /// Bytes that follow the header.
        size: usize,
    },
    /// Not a command this server knows.
    #[error("command {command} is not supported")]
    Unsupported {
        /// Command.
        command: u16,
    },
}

impl RequestError {
    /// What the client is told.
    pub fn errno(self) -> Errno {
        match self {
            Self::Size { .. } => Errno::INVAL,
            Self::Unsupported { .. } => Errno::NOTSUP,
        }
    }
}

impl<'a> Request<'a> {
    /// Reads the payload of `command`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(command: u16, payload: &'a [u8]) -> Result<Self, RequestError> {
        let bad_size = RequestError::Size { command, size: payload.len() };
        /// A structure; what follows it is the client's business: SPDK sends its room for the
        /// reply, filled or not.
        fn first<T: FromBytes>(payload: &[u8]) -> Option<T> {
            prefix(payload).map(|(first, _)| first)
        }
        /// A structure and what follows it.
        fn prefix<T: FromBytes>(payload: &[u8]) -> Option<(T, &[u8])> {
            T::read_from_prefix(payload).ok()
        }
        match command {
            command::VERSION => {
                prefix(payload).map(|(version, data)| Self::Version { version, data })
            }
            command::DMA_MAP => first(payload).map(Self::DmaMap),
            command::DMA_UNMAP => first(payload).map(Self::DmaUnmap),
            command::DEVICE_GET_INFO => first(payload).map(Self::GetInfo),
            command::DEVICE_GET_REGION_INFO => first(payload).map(Self::GetRegionInfo),
            command::DEVICE_GET_IRQ_INFO => first(payload).map(Self::GetIrqInfo),
            command::DEVICE_SET_IRQS => prefix(payload).and_then(|(set, bools)| {
                let set: SetIrqs = set;
                let wants_bools = set.flags & IrqSet::DATA_BOOL.bits() != 0;
                let want = if wants_bools { set.count as usize } else { 0 };
                Some(Self::SetIrqs { set, bools: bools.get(..want)? })
            }),
            command::REGION_READ => first(payload).map(Self::RegionRead),
            command::REGION_WRITE => prefix(payload).and_then(|(access, data)| {
                let access: RegionAccess = access;
                (data.len() == access.count as usize).then_some(Self::RegionWrite { access, data })
            }),
            command::REGION_WRITE_MULTI => prefix(payload).and_then(|(count, writes)| {
                let count: u64 = count;
                let size = usize::try_from(count).ok()?.checked_mul(size_of::<MultiWrite>())?;
                let writes = (writes.len() == size).then_some(MultiWrites(writes))?;
                // A write of more than 8 bytes would have been left out.
                (writes.iter().count() as u64 == count).then_some(Self::RegionWriteMulti(writes))
            }),
            command::DEVICE_RESET => Some(Self::Reset),
            _ => return Err(RequestError::Unsupported { command }),
        }
        .ok_or(bad_size)
    }
}
