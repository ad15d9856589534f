//! The client's memory: which bus addresses there are, and where they are mapped.

use std::{
    cell::Cell,
    fs::File,
    os::fd::OwnedFd,
    sync::atomic::{Ordering, fence},
};

use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory, mmap::MmapRegionError};

use crate::{
    Errno,
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

/// A range's memory, mapped with the range's own protection.
#[derive(Debug)]
pub struct Mapping(MmapRegion);

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
    Mmap(#[from] MmapRegionError),
}

impl DmaMapError {
    /// What the client is told.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Malformed { .. } | Self::File { .. } => Errno::INVAL,
            Self::Overlap { .. } => Errno::EXIST,
            Self::TooMany => Errno::NOSPC,
            Self::NotMapped { .. } => Errno::NOENT,
            Self::Mmap(MmapRegionError::Mmap(error)) => {
                Errno::from_io_error(error).unwrap_or(Errno::NOMEM)
            }
            Self::Mmap(_) => Errno::INVAL,
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
    /// Copies from `offset` of the range. False if that is not within it.
    #[inline]
    pub fn read(&self, offset: u64, data: &mut [u8]) -> bool {
        // Seen in the order in which the guest wrote it.
        fence(Ordering::Acquire);
        let Ok(offset) = usize::try_from(offset) else {
            return false;
        };
        let Ok(slice) = self.0.get_slice(offset, data.len()) else {
            return false;
        };
        // An aligned word is read in one access: the guest may be writing it.
        match data.len() {
            2 if offset % 2 == 0 => slice
                .load::<u16>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            4 if offset % 4 == 0 => slice
                .load::<u32>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            8 if offset % 8 == 0 => slice
                .load::<u64>(0, Ordering::Relaxed)
                .map(|word| data.copy_from_slice(&word.to_ne_bytes())),
            _ => slice.read_slice(data, 0),
        }
        .is_ok()
    }

    /// Copies to `offset` of the range. False if that is not within it.
    #[inline]
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        // Seen by the guest after what was written before.
        fence(Ordering::Release);
        let Ok(offset) = usize::try_from(offset) else {
            return false;
        };
        let Ok(slice) = self.0.get_slice(offset, data.len()) else {
            return false;
        };
        // An aligned word is written in one access: the guest may be reading it.
        match *data {
            [a, b] if offset % 2 == 0 => {
                slice.store(u16::from_ne_bytes([a, b]), 0, Ordering::Relaxed)
            }
            [a, b, c, d] if offset % 4 == 0 => {
                slice.store(u32::from_ne_bytes([a, b, c, d]), 0, Ordering::Relaxed)
            }
            [a, b, c, d, e, f, g, h] if offset % 8 == 0 => {
                slice.store(u64::from_ne_bytes([a, b, c, d, e, f, g, h]), 0, Ordering::Relaxed)
            }
            _ => slice.write_slice(data, 0),
        }
        .is_ok()
    }
}

/// All ranges, by bus address.
#[derive(Debug, Default)]
pub struct DmaTable {
    ranges: Vec<Range>,
    /// Where the last look-up ended: devices keep using one range.
    last: Cell<usize>,
}

impl DmaTable {
    /// Adds a range; with `file`, maps it.
    ///
    /// # Errors
    /// [`DmaMapError`].
    pub fn map(&mut self, request: &DmaMap, file: Option<OwnedFd>) -> Result<(), DmaMapError> {
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
        let mapping = file
            .map(|file| Mapping::new(file.into(), offset, address, size, access))
            .transpose()?;
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
        self.ranges.drain(first..behind);
        Ok((address, end))
    }

    /// Removes all ranges.
    pub fn clear(&mut self) {
        self.ranges.clear();
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

    /// Whether any range is mapped.
    pub fn any_mapped(&self) -> bool {
        self.ranges.iter().any(|range| range.mapping.is_some())
    }
}

impl Mapping {
    fn new(
        file: File,
        offset: u64,
        address: u64,
        size: u64,
        access: DmaAccess,
    ) -> Result<Self, DmaMapError> {
        let outside = DmaMapError::File { address, size };
        // Memory past the end of its file kills who touches it.
        let within = file.metadata().is_ok_and(|meta| {
            meta.is_file() && offset.checked_add(size).is_some_and(|end| end <= meta.len())
        });
        let Ok(length) = usize::try_from(size) else {
            return Err(outside);
        };
        if !within {
            return Err(outside);
        }
        let mut protection = libc::PROT_NONE;
        if access.contains(DmaAccess::READ) {
            protection |= libc::PROT_READ;
        }
        if access.contains(DmaAccess::WRITE) {
            protection |= libc::PROT_WRITE;
        }
        let region = MmapRegion::build(
            Some(FileOffset::new(file, offset)),
            length,
            protection,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
        )?;
        Ok(Self(region))
    }
}
