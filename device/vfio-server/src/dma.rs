//! The client's memory: which bus addresses there are, and where they are mapped.

use std::{
    cell::Cell,
    io,
    os::fd::OwnedFd,
    ptr::{self, NonNull},
    sync::atomic::{Ordering, fence},
};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use tracing::info;
use vm_memory::{Bytes, VolatileSlice};

use crate::{
    descriptor::Descriptor,
    fault,
    protocol::{DmaAccess, DmaMap, DmaUnmap, MAX_DMA_MAPS, UNMAP_ALL},
};

/// A range of bus addresses that the device may use.
#[derive(Debug)]
pub struct Range {
    start: u64,
    /// Past its last byte.
    end: u64,
    access: DmaAccess,
    mapping: Option<Mapping>,
}

/// Most ranges mapped at a time: the kernel gives a process about 65,000 mappings, and one that
/// gets none for a thread or its heap dies. A VM has some tens. What is beyond is read and
/// written by message.
const MAX_MAPPINGS: usize = 4096;

/// A range's memory, mapped with the range's own protection. It keeps no descriptor.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
    /// The client has taken some of it back; what is there now is not its memory.
    lost: Cell<bool>,
}

#[allow(unsafe_code, reason = "pointers are not sent otherwise")]
// SAFETY: the mapping is this structure's alone, and belongs to no thread.
unsafe impl Send for Mapping {}

/// Why a range could not be mapped or unmapped.
#[derive(Debug, thiserror::Error)]
pub enum DmaMapError {
    /// Empty, past the end of the address space, unknown flags, or a wrong `argsz`.
    #[error("malformed range {address:#x}+{size:#x}, flags {flags:#x}")]
    Malformed {
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
        /// As sent.
        flags: u32,
    },
    /// Part of it is mapped.
    #[error("range {address:#x}+{size:#x} overlaps a mapped one")]
    Overlap {
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// There are [`MAX_DMA_MAPS`].
    #[error("too many DMA ranges")]
    TooMany,
    /// It names no mapped range, or cuts one.
    #[error("no mapped range is {address:#x}+{size:#x}")]
    NotMapped {
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// The file that came along ends before the range does, or is no memory.
    #[error("range {address:#x}+{size:#x}: not within the file sent with it")]
    File {
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// The system refused.
    #[error("mapping: {0}")]
    Mmap(#[from] io::Error),
    /// The process has no descriptor left to take the file with.
    #[error("no descriptor left for the file of range {address:#x}+{size:#x}")]
    NoDescriptor {
        /// Bus address.
        address: u64,
        /// Bytes.
        size: u64,
    },
}

impl DmaMapError {
    /// What the client is told.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Malformed { .. } | Self::File { .. } => Errno::INVAL,
            Self::Overlap { .. } => Errno::EXIST,
            Self::TooMany => Errno::NOSPC,
            Self::NotMapped { .. } => Errno::NOENT,
            Self::Mmap(error) => Errno::from_io_error(error).unwrap_or(Errno::NOMEM),
            Self::NoDescriptor { .. } => Errno::MFILE,
        }
    }
}

impl Range {
    /// Whether the device may do `access` with it.
    pub fn allows(&self, access: DmaAccess) -> bool {
        self.access.contains(access)
    }

    /// Its memory, if the client shares it.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_ref()
    }
}

impl Mapping {
    /// Whether the client has taken memory back that was touched: then there is no more of it.
    pub fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Where `count` bytes at `offset` are, if they are within.
    #[inline]
    fn slice(&self, offset: u64, count: usize) -> Option<VolatileSlice<'_>> {
        let offset = usize::try_from(offset).ok()?;
        if self.lost.get() || offset.checked_add(count)? > self.length {
            return None;
        }
        #[allow(unsafe_code, reason = "memory that others change")]
        // SAFETY: within the mapping, which lives as long as the borrow of `self`.
        Some(unsafe { VolatileSlice::new(self.start.as_ptr().add(offset), count) })
    }

    /// Whether a copy that was within the mapping found all its memory.
    #[inline]
    fn touch<T, E>(&self, copy: impl FnOnce() -> Result<T, E>) -> bool {
        let mut copied = false;
        let whole = fault::survives(self.start.as_ptr(), self.length, || copied = copy().is_ok());
        if !whole {
            self.lost.set(true);
        }
        whole && copied
    }

    /// Copies from `offset` of the range. False if that is not within it, or lost.
    #[inline]
    pub fn read(&self, offset: u64, data: &mut [u8]) -> bool {
        // Seen in the order in which the guest wrote it.
        fence(Ordering::Acquire);
        let Some(slice) = self.slice(offset, data.len()) else {
            return false;
        };
        // An aligned word is read in one access: the guest may be writing it.
        self.touch(|| match data.len() {
            2 if offset.is_multiple_of(2) => slice
                .load::<u16>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            4 if offset.is_multiple_of(4) => slice
                .load::<u32>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            8 if offset.is_multiple_of(8) => slice
                .load::<u64>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            _ => slice.read_slice(data, 0),
        })
    }

    /// Copies to `offset` of the range. False if that is not within it, or lost.
    #[inline]
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        // Seen by the guest after what was written before.
        fence(Ordering::Release);
        let Some(slice) = self.slice(offset, data.len()) else {
            return false;
        };
        // An aligned word is written in one access: the guest may be reading it.
        self.touch(|| match *data {
            [a, b] if offset.is_multiple_of(2) => {
                slice.store(u16::from_ne_bytes([a, b]), 0, Ordering::Relaxed)
            }
            [a, b, c, d] if offset.is_multiple_of(4) => {
                slice.store(u32::from_ne_bytes([a, b, c, d]), 0, Ordering::Relaxed)
            }
            [a, b, c, d, e, f, g, h] if offset.is_multiple_of(8) => {
                slice.store(u64::from_ne_bytes([a, b, c, d, e, f, g, h]), 0, Ordering::Relaxed)
            }
            _ => slice.write_slice(data, 0),
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[allow(unsafe_code, reason = "mapping memory")]
        // SAFETY: the mapping is this structure's, and nothing borrows it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// All ranges, by bus address.
#[derive(Debug, Default)]
pub struct DmaTable {
    ranges: Vec<Range>,
    /// Where the last look-up ended: devices keep using one range.
    last: Cell<usize>,
    /// How many of them are mapped.
    mapped: usize,
}

impl DmaTable {
    /// Adds a range; with `file`, maps it. One that is no memory is let be: who touches it may
    /// have to wait for a disk, or for whoever serves the file.
    ///
    /// # Errors
    /// [`DmaMapError`].
    pub fn map(&mut self, request: &DmaMap, file: Option<Descriptor>) -> Result<(), DmaMapError> {
        let DmaMap { argsz, flags, offset, address, size } = *request;
        let malformed = DmaMapError::Malformed { address, size, flags };
        let (Some(access), Some(end)) =
            (DmaAccess::from_bits(flags), address.checked_add(size).filter(|_| size > 0))
        else {
            return Err(malformed);
        };
        if (argsz as usize) < size_of::<DmaMap>() {
            return Err(malformed);
        }
        if self.ranges.len() >= MAX_DMA_MAPS {
            return Err(DmaMapError::TooMany);
        }
        let at = self.ranges.partition_point(|range| range.end <= address);
        if self.ranges.get(at).is_some_and(|range| range.start < end) {
            return Err(DmaMapError::Overlap { address, size });
        }
        // Memory past the end of its file kills who touches it.
        let within = |bytes| offset.checked_add(size).is_some_and(|end| end <= bytes);
        let outside = DmaMapError::File { address, size };
        let mapping = match file {
            None => None,
            Some(Descriptor::Memory(file)) => {
                if !rustix::fs::fstat(&file)
                    .is_ok_and(|file| u64::try_from(file.st_size).is_ok_and(within))
                {
                    return Err(outside);
                }
                if self.mapped < MAX_MAPPINGS {
                    Some(Mapping::new(&file, offset, size, access)?)
                } else {
                    None
                }
            }
            Some(Descriptor::File { bytes }) if within(bytes) => {
                info!(
                    "the file of {address:#x}+{size:#x} is no memory (tmpfs, hugetlbfs, memfd): \
                     read and written by message"
                );
                None
            }
            Some(Descriptor::Lost) => return Err(DmaMapError::NoDescriptor { address, size }),
            Some(_) => return Err(outside),
        };
        self.mapped += usize::from(mapping.is_some());
        self.ranges.insert(at, Range { start: address, end, access, mapping });
        Ok(())
    }

    /// Removes the ranges that lie in what `request` names, or all; gives what was named.
    ///
    /// # Errors
    /// [`DmaMapError::NotMapped`] if there is none, or if one lies in it only partly.
    pub fn unmap(&mut self, request: &DmaUnmap) -> Result<(u64, u64), DmaMapError> {
        let DmaUnmap { flags, address, size, .. } = *request;
        let malformed = DmaMapError::Malformed { address, size, flags };
        if flags == UNMAP_ALL {
            if address != 0 || size != 0 {
                return Err(malformed);
            }
            self.clear();
            return Ok((0, u64::MAX));
        }
        let Some(end) = address.checked_add(size).filter(|_| size > 0 && flags == 0) else {
            return Err(malformed);
        };
        let first = self.ranges.partition_point(|range| range.end <= address);
        let behind = self.ranges.partition_point(|range| range.start < end);
        let named = &self.ranges[first..behind];
        if named.is_empty() || named.iter().any(|range| range.start < address || range.end > end) {
            return Err(DmaMapError::NotMapped { address, size });
        }
        self.mapped -= named.iter().filter(|range| range.mapping.is_some()).count();
        self.ranges.drain(first..behind);
        Ok((address, end))
    }

    /// Removes all ranges.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.mapped = 0;
    }

    /// The range that holds `address`, how far into it that is, and how many bytes are left
    /// from there.
    #[inline]
    pub fn find(&self, address: u64) -> Option<(&Range, u64, u64)> {
        let holds = |range: &Range| range.start <= address && address < range.end;
        let last = self.last.get();
        let range = match self.ranges.get(last) {
            Some(range) if holds(range) => range,
            _ => {
                let at = self.ranges.partition_point(|range| range.end <= address);
                let range = self.ranges.get(at).filter(|range| holds(range))?;
                self.last.set(at);
                range
            }
        };
        Some((range, address - range.start, range.end - address))
    }
}

impl Mapping {
    fn new(file: &OwnedFd, offset: u64, size: u64, access: DmaAccess) -> io::Result<Self> {
        let length = usize::try_from(size).map_err(|_| Errno::NOMEM)?;
        fault::install()?;
        let mut protection = ProtFlags::empty();
        protection.set(ProtFlags::READ, access.contains(DmaAccess::READ));
        protection.set(ProtFlags::WRITE, access.contains(DmaAccess::WRITE));
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        #[allow(unsafe_code, reason = "mapping memory")]
        // SAFETY: a new mapping, at a place that the kernel chooses. Its bytes are used through
        // `VolatileSlice` only, for they change; what happens if they go is in `fault`.
        let start = unsafe { mmap(ptr::null_mut(), length, protection, flags, file, offset) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, length, lost: Cell::new(false) })
    }
}
