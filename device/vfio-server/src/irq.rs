//! The interrupt tables: which eventfd each vector fires.
//!
//! The client has the other end of each and can make it block at any moment. So they are
//! signalled by the kernel ([`Raiser`]), and read with `RWF_NOWAIT`, which does not ask how the
//! file was opened.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::io::Errno;
use rustix::io::{ReadWriteFlags, preadv2};

pub use crate::raise::Raiser;
use crate::{
    descriptor::Descriptor,
    info::{IrqFlags, IrqIndex, irq_index},
    protocol::{IrqSet, SetIrqs},
};

/// How often an eventfd may have been written while it is read: it is empty then, unless it never is.
const MAX_UNMASKS: usize = 64;

/// All interrupt indices of a function.
#[derive(Debug, Default)]
pub struct IrqTables {
    tables: [Table; irq_index::COUNT],
    /// The pin was unmasked and the device has not been told.
    pin_unmasked: bool,
    raiser: Raiser,
}

#[derive(Debug, Default)]
struct Table {
    flags: IrqFlags,
    vectors: Vec<Vector>,
    /// Written by the client (KVM) when the guest is done with the pin.
    unmask: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct Vector {
    event: Option<OwnedFd>,
    masked: bool,
    /// Triggered while masked.
    pending: bool,
}

/// Why a SET_IRQS is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetIrqsError {
    /// No such index, or vectors it does not have.
    #[error("no interrupt {index}, vectors {start}+{count}")]
    Range {
        /// Which index.
        index: u32,
        /// First vector.
        start: u32,
        /// Number of vectors.
        count: u32,
    },
    /// Not one DATA and one ACTION flag, or a combination without meaning.
    #[error("flags {flags:#x} mean nothing for interrupt {index}, {count} vectors")]
    Flags {
        /// Which index.
        index: u32,
        /// As sent.
        flags: u32,
        /// Number of vectors.
        count: u32,
    },
    /// Neither no descriptor nor one per vector.
    #[error("{fds} descriptors for {count} vectors")]
    Fds {
        /// Number of descriptors.
        fds: usize,
        /// Number of vectors.
        count: u32,
    },
    /// A descriptor that is no eventfd, or could not be taken.
    #[error("a descriptor that cannot be used: {errno}")]
    Descriptor {
        /// What the client is told.
        errno: Errno,
    },
    /// `argsz` too small.
    #[error("argsz {argsz} is too small")]
    Argsz {
        /// As sent.
        argsz: u32,
    },
}

impl SetIrqsError {
    /// What the client is told.
    pub fn errno(self) -> Errno {
        match self {
            Self::Descriptor { errno } => errno,
            _ => Errno::INVAL,
        }
    }
}

impl IrqTables {
    /// Tables for a device with these indices, nothing enabled.
    pub fn new(indices: &[IrqIndex; irq_index::COUNT], raiser: Raiser) -> Self {
        Self {
            tables: indices.map(|index| Table {
                flags: index.flags,
                vectors: (0..index.count).map(|_| Vector::default()).collect(),
                unmask: None,
            }),
            pin_unmasked: false,
            raiser,
        }
    }

    /// Whether the pin was unmasked since the last time this was asked.
    #[inline]
    pub fn take_pin_unmasked(&mut self) -> bool {
        std::mem::take(&mut self.pin_unmasked)
    }

    /// Does what the client asks. `bools` has a byte per vector if the flags say so.
    ///
    /// # Errors
    /// [`SetIrqsError`]; nothing has changed then.
    pub fn set(
        &mut self,
        set: &SetIrqs,
        bools: &[u8],
        fds: Vec<Descriptor>,
    ) -> Result<(), SetIrqsError> {
        let SetIrqs { argsz, flags, index, start, count } = *set;
        if (argsz as usize) < size_of::<SetIrqs>() {
            return Err(SetIrqsError::Argsz { argsz });
        }
        let bad_range = SetIrqsError::Range { index, start, count };
        let bad_flags = SetIrqsError::Flags { index, flags, count };
        let set = IrqSet::from_bits(flags).ok_or(bad_flags)?;
        let table = self.tables.get_mut(index as usize).ok_or(bad_range)?;
        let maskable = table.flags.contains(IrqFlags::MASKABLE);
        let end = start.checked_add(count).ok_or(bad_range)?;
        let vectors = table.vectors.get_mut(start as usize..end as usize).ok_or(bad_range)?;
        let wants_fds = set.contains(IrqSet::DATA_EVENTFD);
        let one_each = wants_fds && fds.len() == vectors.len();
        if !fds.is_empty() && !one_each {
            return Err(SetIrqsError::Fds { fds: fds.len(), count });
        }
        let eventfd = |fd| match fd {
            Descriptor::Event(event) => Ok(event),
            other => Err(SetIrqsError::Descriptor { errno: other.errno() }),
        };
        let events = fds.into_iter().map(eventfd).collect::<Result<Vec<_>, _>>()?;
        if vectors.is_empty() {
            // The one request that names no vectors: disable the whole index.
            if set != IrqSet::DATA_NONE | IrqSet::ACTION_TRIGGER || start != 0 {
                return Err(bad_flags);
            }
            table.disable();
            return Ok(());
        }

        let data = set & (IrqSet::DATA_NONE | IrqSet::DATA_BOOL | IrqSet::DATA_EVENTFD);
        let action = set - data;
        let automasked = table.flags.contains(IrqFlags::AUTOMASKED);
        let mut events = events.into_iter();
        let chosen =
            |at: usize| data == IrqSet::DATA_NONE || bools.get(at).is_some_and(|b| *b != 0);
        match (data, action) {
            // No descriptors: the vectors are enabled, but go nowhere yet.
            (IrqSet::DATA_EVENTFD, IrqSet::ACTION_TRIGGER) => {
                for vector in vectors {
                    vector.event = events.next();
                }
            }
            // Only a pin is unmasked by somebody else than the client (KVM, at the EOI).
            (IrqSet::DATA_EVENTFD, IrqSet::ACTION_UNMASK) if automasked => {
                table.unmask = events.next();
            }
            (IrqSet::DATA_NONE | IrqSet::DATA_BOOL, IrqSet::ACTION_TRIGGER) => {
                for (_, vector) in vectors.iter().enumerate().filter(|(at, _)| chosen(*at)) {
                    vector.fire(&self.raiser);
                }
            }
            (IrqSet::DATA_NONE | IrqSet::DATA_BOOL, IrqSet::ACTION_MASK) if maskable => {
                for (_, vector) in vectors.iter_mut().enumerate().filter(|(at, _)| chosen(*at)) {
                    vector.masked = true;
                }
            }
            (IrqSet::DATA_NONE | IrqSet::DATA_BOOL, IrqSet::ACTION_UNMASK) if maskable => {
                for (_, vector) in vectors.iter_mut().enumerate().filter(|(at, _)| chosen(*at)) {
                    vector.unmask(automasked, &self.raiser);
                }
                self.pin_unmasked |= index == irq_index::INTX;
            }
            _ => return Err(bad_flags),
        }
        Ok(())
    }

    /// Fires a vector; one that is masked when it is unmasked. Without effect if it is
    /// unknown or not enabled.
    pub fn trigger(&mut self, index: u32, vector: u32) {
        let Some(table) = self.tables.get_mut(index as usize) else {
            return;
        };
        let automasked = table.flags.contains(IrqFlags::AUTOMASKED);
        if let Some(vector) = table.vectors.get_mut(vector as usize) {
            vector.trigger(automasked, &self.raiser);
        }
    }

    /// The eventfd to poll: readable once the guest is done with the pin.
    pub fn unmask_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.tables[irq_index::INTX as usize].unmask.as_ref()?.as_fd())
    }

    /// [`IrqTables::unmask_fd`] is readable: unmasks the pin.
    pub fn unmask_pin(&mut self) {
        let table = &mut self.tables[irq_index::INTX as usize];
        if let Some(unmask) = &table.unmask {
            // From where it stands, as `read` does; an eventfd has no other place.
            let place = u64::MAX;
            let mut count = [0; 8];
            let mut read = || {
                let mut buffer = [IoSliceMut::new(&mut count)];
                preadv2(unmask, &mut buffer, place, ReadWriteFlags::NOWAIT)
            };
            let end = (0..MAX_UNMASKS).map(|_| read()).find(|read| !matches!(read, Ok(1..)));
            match end {
                Some(Ok(_) | Err(Errno::AGAIN | Errno::INTR)) => {}
                // A semaphore, which gives up one at a time, would keep this thread busy for ever. And a
                // kernel before 5.8 knows no other way than to wait: it stays masked rather.
                None | Some(Err(_)) => {
                    table.unmask = None;
                    return;
                }
            }
        }
        for vector in &mut table.vectors {
            vector.unmask(true, &self.raiser);
        }
        self.pin_unmasked = true;
    }
}

impl Table {
    fn disable(&mut self) {
        self.unmask = None;
        for vector in &mut self.vectors {
            *vector = Vector::default();
        }
    }
}

impl Vector {
    fn trigger(&mut self, automasked: bool, raiser: &Raiser) {
        if self.masked {
            self.pending = true;
            return;
        }
        self.fire(raiser);
        // A level that nobody hears is not masked by anyone either.
        self.masked = automasked && self.event.is_some();
    }

    fn unmask(&mut self, automasked: bool, raiser: &Raiser) {
        self.masked = false;
        if std::mem::take(&mut self.pending) {
            self.trigger(automasked, raiser);
        }
    }

    fn fire(&self, raiser: &Raiser) {
        if let Some(event) = &self.event {
            raiser.raise(event.as_fd());
        }
    }
}
