// SPDX-License-Identifier: GPL-2.0

//! A work queue of one's own, and work that is taken back.
//!
//! `kernel::workqueue` has the system's queues and no way to end what is on them. A module that can be
//! unloaded needs both: no work may be due when its code goes.
//!
//! C header: `include/linux/workqueue.h`

use core::{ops::Deref, ptr::NonNull};

use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    workqueue::{HasDelayedWork, HasWork, Queue, Work, WorkItem}, //
};

/// A queue of one's own; dropped, it waits until all that is on it has run. Delayed work whose time has
/// not come is not on it yet: that is to be cancelled before.
pub(crate) struct OwnedQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A `struct workqueue_struct` may be used from any task.
unsafe impl Send for OwnedQueue {}

impl OwnedQueue {
    /// One whose work runs on any CPU, and not while the machine goes to sleep.
    pub(crate) fn new_freezable(name: &'static CStr) -> Result<Self> {
        // SAFETY: The format takes one string, and gets one. 0 is the default of items at once.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_FREEZABLE,
                0,
                name.as_char_ptr(),
            )
        };
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: It is destroyed with `self` only.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: It was made by `new_freezable()`, and nobody can enqueue to it any more.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Takes delayed work back, or waits until it has run. Not to be called by that work, nor with a lock
/// held that it takes.
#[allow(dead_code, reason = "rust-naive does without")]
pub(crate) fn cancel_delayed_work_sync<T, const ID: u64>(item: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID> + HasDelayedWork<T, ID>,
{
    let item = Arc::as_ptr(item).cast_mut();
    // SAFETY: An `Arc` points to a valid value; by `HasDelayedWork` this work is that of a
    // `struct delayed_work`.
    let pending = unsafe {
        let work = Work::raw_get(T::raw_get_work(item));
        bindings::cancel_delayed_work_sync(kernel::container_of!(
            work,
            bindings::delayed_work,
            work
        ))
    };
    if pending {
        // SAFETY: When it was enqueued it took a reference, which its run would have dropped.
        drop(unsafe { Arc::from_raw(item) });
    }
}
