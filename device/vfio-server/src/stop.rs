//! Asking a server to stop.

use std::{io, os::fd::AsRawFd, sync::Arc};

use rustix::fd::BorrowedFd;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Makes [`crate::Server::serve`] return. Clones share one state, which stays set.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<EventFd>);

impl StopHandle {
    /// A handle that nobody has used yet.
    ///
    /// # Errors
    /// If no eventfd can be had.
    pub fn new() -> io::Result<Self> {
        EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map(|fd| Self(Arc::new(fd)))
    }

    /// Asks the server to stop. From any thread or signal handler; does not wait
    /// for it.
    pub fn stop(&self) {
        // It fails only if the counter is full: then it is set as well.
        let _ = self.0.write(1);
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        #[allow(unsafe_code, reason = "EventFd has no AsFd")]
        // SAFETY: the descriptor lives as long as the borrow of `self`.
        unsafe {
            BorrowedFd::borrow_raw(self.0.as_raw_fd())
        }
    }
}
