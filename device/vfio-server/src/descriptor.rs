//! Descriptors that a client sends: what they are, and how they are closed.
//!
//! A client keeps the other end of what it sends. A pipe that it has filled, a socket that
//! lingers, a file that it serves itself (FUSE) make `read`, `write`, `poll`, `stat` or `close`
//! wait as long as it likes. So none of these is called on the server's thread, but on:
//! - an **eventfd**, known by what `/proc/self/fd` says of it: no other file has that name. Its
//!   `close` and `poll` never wait; how it is read and written without waiting is told in
//!   [`crate::irq`];
//! - **memory**, a file of tmpfs or hugetlbfs: it alone has seals. Neither its `close` nor a page
//!   of it waits for anybody.
//!
//! All else is told by calls that ask nobody (`readlink` in `/proc`, `statx` with
//! `AT_STATX_DONT_SYNC`) and goes at once, before the message that it came with is looked at, to
//! a thread that only closes: nothing that the client sent, its own end of the connection for
//! one, is kept by a message that never gets whole.
//!
//! If a close waits, another thread takes over the next; if [`MAX_THREADS`] wait, descriptors
//! are kept open, up to [`MAX_QUEUED`] and as many again; then the server gives up
//! ([`crate::ServeError::Descriptors`]). Who sends eventfds and memory is served until then.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::io::Errno;
use rustix::{
    fs::{AtFlags, FileType, StatxFlags, fcntl_get_seals, readlinkat_raw, statx},
    net::sockopt::set_socket_linger,
};

/// Most threads that may wait in a close.
const MAX_THREADS: usize = 8;
/// Most descriptors that may wait for one of them.
const MAX_QUEUED: usize = 1024;
/// How many are many: then it is time to let the threads catch up.
const MANY_QUEUED: usize = 128;

/// A descriptor that a client sent.
#[derive(Debug)]
pub enum Descriptor {
    /// An eventfd.
    Event(OwnedFd),
    /// A file of tmpfs (a memfd is one) or hugetlbfs.
    Memory(OwnedFd),
    /// Another regular file, let go.
    File {
        /// Its size, as far as it is known without asking whoever keeps it.
        bytes: u64,
    },
    /// Anything else, let go.
    Other,
    /// The process has no descriptor left to take it with.
    Lost,
}

/// Closes descriptors on threads that nobody waits for. They end when it is dropped, and what
/// they had still to close.
#[derive(Debug)]
pub(crate) struct Closer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// May wait as long as it likes.
    close: fn(OwnedFd),
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<OwnedFd>,
    threads: usize,
    idle: usize,
    /// Left open for good.
    kept: usize,
    over: bool,
}

impl Closer {
    /// With one thread, which starts others when needed: they are as free or confined as the
    /// thread that calls this.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with(|fd| {
            // Most of what waits is a socket that would.
            let _ = set_socket_linger(&fd, None);
        })
    }

    fn with(close: fn(OwnedFd)) -> io::Result<Self> {
        let state = Mutex::new(State { threads: 1, ..State::default() });
        let shared = Arc::new(Shared { state, work: Condvar::new(), close });
        start(&shared)?;
        // Once it waits for work, all that it needs to begin is done.
        let mut state = shared.lock();
        while state.idle == 0 {
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        Ok(Self(shared))
    }

    /// Tells what a descriptor is; lets go of it if nothing can be done with it.
    pub(crate) fn sort(&self, fd: OwnedFd) -> Descriptor {
        if fcntl_get_seals(&fd).is_ok() {
            return Descriptor::Memory(fd);
        }
        if is_eventfd(fd.as_fd()) {
            return Descriptor::Event(fd);
        }
        let file = statx(
            &fd,
            c"",
            AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC,
            StatxFlags::TYPE | StatxFlags::SIZE,
        );
        self.close(fd);
        match file {
            Ok(file) if FileType::from_raw_mode(file.stx_mode.into()) == FileType::RegularFile => {
                Descriptor::File { bytes: file.stx_size }
            }
            _ => Descriptor::Other,
        }
    }

    /// Closes it, some time.
    pub(crate) fn close(&self, fd: OwnedFd) {
        let mut state = self.0.lock();
        if state.queue.len() < MAX_QUEUED {
            state.queue.push_back(fd);
            self.0.work.notify_one();
        } else {
            state.kept += 1;
            std::mem::forget(fd);
        }
    }

    /// Whether it is well to give it time.
    pub(crate) fn is_behind(&self) -> bool {
        self.0.lock().queue.len() >= MANY_QUEUED
    }

    /// Whether nothing more can be taken from whoever sends such things: how many wait.
    pub(crate) fn is_full(&self) -> Option<usize> {
        let queued = self.0.lock().queue.len();
        (queued >= MAX_QUEUED).then_some(queued)
    }

    /// Whether too much is left open.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.lock().kept > MAX_QUEUED
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that has been counted.
fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let here = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("closer".into()).stack_size(64 << 10);
    let started = thread.spawn(move || run(&here));
    if started.is_err() {
        shared.lock().threads -= 1;
    }
    started.map(drop)
}

fn run(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    loop {
        let Some(fd) = state.queue.pop_front() else {
            // One is enough to wait for more.
            if state.over || state.idle > 0 {
                break;
            }
            state.idle += 1;
            shared.work.notify_all();
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        // Should this one wait, the next finds somebody.
        let another = state.idle == 0 && state.threads < MAX_THREADS;
        if another {
            state.threads += 1;
        }
        drop(state);
        if another {
            // Then it has to wait for this one.
            let _ = start(shared);
        }
        (shared.close)(fd);
        state = shared.lock();
    }
    state.threads -= 1;
}

/// What proc_pid_fd(5) says: no path begins like this, nor does any other file without one.
fn is_eventfd(fd: BorrowedFd<'_>) -> bool {
    const NAME: &[u8] = b"anon_inode:[eventfd]";
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let mut space = [std::mem::MaybeUninit::uninit(); NAME.len() + 1];
    readlinkat_raw(rustix::fs::CWD, path, &mut space).is_ok_and(|(name, _)| name == NAME)
}

impl Descriptor {
    /// What a client is told whose descriptor cannot be used.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Lost => Errno::MFILE,
            _ => Errno::INVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    fn fd() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    /// Waits, as a file does whose FUSE mount does not answer.
    fn wait_for_ever(_: OwnedFd) {
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn closes_that_wait_take_threads_then_room_then_the_end() {
        let closer = Closer::with(wait_for_ever).unwrap();
        for _ in 0..MAX_THREADS {
            closer.close(fd());
        }
        let mut state = closer.0.lock();
        while !state.queue.is_empty() {
            drop(state);
            std::thread::yield_now();
            state = closer.0.lock();
        }
        assert_eq!(state.threads, MAX_THREADS);
        drop(state);
        assert!(!closer.is_behind());
        for at in 0..MAX_QUEUED {
            assert_eq!(closer.is_behind(), at >= MANY_QUEUED);
            assert_eq!(closer.is_full(), None);
            closer.close(fd());
        }
        assert_eq!(closer.is_full(), Some(MAX_QUEUED));
        for _ in 0..=MAX_QUEUED {
            assert!(!closer.is_lost());
            closer.close(fd());
        }
        assert!(closer.is_lost());
    }

    #[test]
    fn one_close_that_waits_holds_no_other_up() {
        static CLOSED: Mutex<Option<Sender<()>>> = Mutex::new(None);
        let (sender, closed) = channel();
        *CLOSED.lock().unwrap() = Some(sender);
        let closer = Closer::with(|fd| {
            if fcntl_get_seals(&fd).is_ok() {
                wait_for_ever(fd);
            }
            CLOSED.lock().unwrap().as_ref().unwrap().send(()).unwrap();
        })
        .unwrap();
        let memory = || rustix::fs::memfd_create("wait", rustix::fs::MemfdFlags::empty());
        for _ in 1..MAX_THREADS {
            closer.close(memory().unwrap());
            closer.close(fd());
            closed.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        }
    }

    #[test]
    fn descriptors_are_told_apart() {
        let closer = Closer::new().unwrap();
        let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        assert!(matches!(closer.sort(event), Descriptor::Event(_)));
        let memory =
            rustix::fs::memfd_create("anon_inode:[eventfd]", rustix::fs::MemfdFlags::empty());
        assert!(matches!(closer.sort(memory.unwrap()), Descriptor::Memory(_)));
        let place = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let named = place.path().join("anon_inode:[eventfd]");
        std::fs::write(&named, [0; 5]).unwrap();
        let file = std::fs::File::open(&named).unwrap();
        assert!(matches!(closer.sort(file.into()), Descriptor::File { bytes: 5 }));
        assert!(matches!(closer.sort(fd()), Descriptor::Other));
        let pipe = rustix::pipe::pipe().unwrap();
        assert!(matches!(closer.sort(pipe.0), Descriptor::Other));
    }
}
