//! Calling a device from another thread.

use std::{io, os::fd::AsRawFd, sync::Arc};

use rustix::fd::BorrowedFd;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Has the server call [`crate::Device::wake`]. Clones share one state.
#[derive(Debug, Clone)]
pub struct WakeHandle(Arc<EventFd>);

impl WakeHandle {
    pub(crate) fn new() -> io::Result<Self> {
        EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map(|fd| Self(Arc::new(fd)))
    }

    /// Asks for a call, from any thread; does not wait for it. Calls that are asked for before
    /// one was made may become one.
    pub fn wake(&self) {
        // It fails only if the counter is full: then a call is due as well.
        let _ = self.0.write(1);
    }

    /// Takes what was asked for so far.
    pub(crate) fn take(&self) {
        // It fails only if nothing was.
        let _ = self.0.read();
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        #[allow(unsafe_code, reason = "EventFd has no AsFd")]
        // SAFETY: the descriptor lives as long as the borrow of `self`.
        unsafe {
            BorrowedFd::borrow_raw(self.0.as_raw_fd())
        }
    }
}
