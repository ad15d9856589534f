//! Signalling a client's eventfds without ever waiting.
//!
//! `write` on an eventfd waits while its counter is full, unless it is non-blocking; but the
//! client, which has the same open file, can fill the one and clear the other at any moment,
//! between a check and the write too. The kernel itself never waits: an asynchronous read
//! (`io_submit`) signals an eventfd when it is done (`IOCB_FLAG_RESFD`), and one of an empty
//! file is done before `io_submit` returns. So the server reads nothing, and the kernel signals.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{MemfdFlags, OFlags, fcntl_getfl, fcntl_setfl, memfd_create},
};
use tracing::warn;

/// From `<linux/aio_abi.h>`; the crate `libc` has the structure only.
const IOCB_CMD_PREAD: u16 = 0;
const IOCB_FLAG_RESFD: u32 = 1;
/// Completions that fit the kernel's ring.
const RING: u32 = 64;

/// Signals eventfds. Clones share one queue of the kernel.
#[derive(Debug, Clone, Default)]
pub struct Raiser(Option<Arc<Aio>>);

#[derive(Debug)]
struct Aio {
    context: libc::c_ulong,
    /// Has no bytes.
    empty: OwnedFd,
    /// Completions that lie in the ring.
    done: AtomicU32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Copy)]
struct IoEvent {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

impl Raiser {
    /// One that never waits. Where the kernel has no asynchronous input and output, one that
    /// does if the client means it to; says so.
    pub fn new() -> Self {
        // One for the process: to end one takes the kernel some 30 ms.
        static AIO: OnceLock<Option<Arc<Aio>>> = OnceLock::new();
        let aio = AIO.get_or_init(|| {
            let made = Aio::new().inspect_err(|error| {
                warn!(
                    "io_setup: {error}; without it (CONFIG_AIO, /proc/sys/fs/aio-max-nr) a client \
                     can hold up the card by an eventfd that it makes to block"
                );
            });
            made.ok().map(Arc::new)
        });
        Self(aio.clone())
    }

    /// Adds one to the counter, if there is room.
    pub(crate) fn raise(&self, event: BorrowedFd<'_>) {
        // Both fail only if the counter is full: then it is signalled as well.
        let _ = match &self.0 {
            Some(aio) => aio.signal(event),
            None => write(event).map_err(Into::into),
        };
    }
}

impl Aio {
    fn new() -> io::Result<Self> {
        let empty = memfd_create("nothing", MemfdFlags::CLOEXEC)?;
        let mut context: libc::c_ulong = 0;
        #[allow(unsafe_code, reason = "a system call")]
        // SAFETY: it writes the context that is passed.
        let result = unsafe { libc::syscall(libc::SYS_io_setup, RING, &raw mut context) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { context, empty, done: AtomicU32::new(0) })
    }

    fn signal(&self, event: BorrowedFd<'_>) -> io::Result<()> {
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 >= RING / 2 {
            self.collect();
        }
        #[allow(unsafe_code, reason = "all zeros is how the kernel wants what is not used")]
        // SAFETY: a structure of integers.
        let mut read: libc::iocb = unsafe { std::mem::zeroed() };
        read.aio_lio_opcode = IOCB_CMD_PREAD;
        read.aio_fildes = self.empty.as_raw_fd().cast_unsigned();
        read.aio_flags = IOCB_FLAG_RESFD;
        read.aio_resfd = event.as_raw_fd().cast_unsigned();
        let mut reads = [&raw mut read];
        #[allow(unsafe_code, reason = "a system call")]
        // SAFETY: one pointer to a request, which the kernel copies; it has no buffer, because
        // it reads no bytes.
        let mut submit = || unsafe {
            libc::syscall(libc::SYS_io_submit, self.context, 1 as libc::c_long, reads.as_mut_ptr())
        };
        if submit() >= 0 {
            return Ok(());
        }
        // Others fill the ring, too.
        self.collect();
        if submit() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Makes room in the ring.
    fn collect(&self) {
        let mut events = [IoEvent { data: 0, object: 0, result: 0, result2: 0 }; RING as usize];
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        #[allow(unsafe_code, reason = "a system call")]
        // SAFETY: room for as many events as are asked for.
        unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                0 as libc::c_long,
                RING as libc::c_long,
                events.as_mut_ptr(),
                &raw const now,
            );
        }
        self.done.store(0, Ordering::Relaxed);
    }
}

/// Writes where that does not wait, unless the client changes its mind meanwhile.
fn write(event: BorrowedFd<'_>) -> Result<(), rustix::io::Errno> {
    let flags = fcntl_getfl(event)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(event, flags | OFlags::NONBLOCK)?;
    }
    let mut room = [PollFd::from_borrowed_fd(event, PollFlags::OUT)];
    poll(&mut room, Some(&Timespec::default()))?;
    if room[0].revents().contains(PollFlags::OUT) {
        rustix::io::write(event, &1_u64.to_ne_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::fd::AsFd;

    #[test]
    fn every_signal_counts() {
        for raiser in [Raiser::new(), Raiser::default()] {
            let event = eventfd(0, EventfdFlags::empty()).unwrap();
            for _ in 0..1000 {
                raiser.raise(event.as_fd());
            }
            let mut count = [0; 8];
            rustix::io::read(&event, &mut count).unwrap();
            assert_eq!(u64::from_ne_bytes(count), 1000);
        }
    }
}
