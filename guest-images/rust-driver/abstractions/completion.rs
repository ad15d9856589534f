// SPDX-License-Identifier: GPL-2.0

//! A completion that is waited for a limited time, and used again.
//!
//! [`kernel::sync::Completion`] has neither: once complete it stays so, and its wait has no end but that.
//! Here each [`Completion::complete`] ends one wait, and what was completed before [`Completion::rearm`]
//! ends none.
//!
//! C header: `include/linux/completion.h`

use kernel::{bindings, prelude::*, time::Jiffies, types::Opaque};

/// A `struct completion`.
#[pin_data]
pub(crate) struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A `struct completion` may be used from any task.
unsafe impl Send for Completion {}
// SAFETY: It locks itself.
unsafe impl Sync for Completion {}

impl Completion {
    /// One that nobody has completed.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is where a `struct completion` belongs.
                unsafe { bindings::init_completion(slot) };
            }),
        })
    }

    /// Ends one wait, one that goes on or the next. From any context.
    pub(crate) fn complete(&self) {
        // SAFETY: It was initialized, and is pinned.
        unsafe { bindings::complete(self.inner.get()) };
    }

    /// Forgets what was completed. `reinit_completion()` is a store of 0, as this is; nobody waits then.
    pub(crate) fn rearm(&self) {
        // SAFETY: As above; a wait with no time left takes what there is without sleeping.
        while unsafe { bindings::try_wait_for_completion(self.inner.get()) } {}
    }

    /// Waits, for so long at most.
    pub(crate) fn wait_timeout(&self, timeout: Jiffies) -> Result {
        // SAFETY: As above. The caller may sleep, as in every other wait of the crate.
        match unsafe { bindings::wait_for_completion_timeout(self.inner.get(), timeout) } {
            0 => Err(ETIMEDOUT),
            _ => Ok(()),
        }
    }
}
