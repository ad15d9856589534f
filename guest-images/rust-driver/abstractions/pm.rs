// SPDX-License-Identifier: GPL-2.0

//! Being told before the machine sleeps, and when it has woken.
//!
//! Drivers of devices have `dev_pm_ops` for it, which `kernel::pci::Driver` does not hand on; what all of
//! the kernel is told is as good for one that has nothing to do in between.
//!
//! C header: `include/linux/suspend.h`

use core::marker::PhantomData;

use kernel::{
    bindings,
    error::to_result,
    ffi::{c_int, c_ulong, c_void},
    prelude::*,
    types::Opaque,
};

// Of `linux/suspend.h`, which the bindings do not include.
const PM_HIBERNATION_PREPARE: c_ulong = 1;
const PM_POST_HIBERNATION: c_ulong = 2;
const PM_SUSPEND_PREPARE: c_ulong = 3;
const PM_POST_SUSPEND: c_ulong = 4;
const PM_RESTORE_PREPARE: c_ulong = 5;
const PM_POST_RESTORE: c_ulong = 6;

extern "C" {
    fn register_pm_notifier(nb: *mut bindings::notifier_block) -> c_int;
    fn unregister_pm_notifier(nb: *mut bindings::notifier_block) -> c_int;
}

/// Who is told.
pub(crate) trait Sleeper {
    /// The machine is about to sleep, or to be written to its disk.
    fn prepare();
    /// It has woken, or did not sleep after all.
    fn woken();
}

/// As long as it is there, a [`Sleeper`] is told.
#[pin_data(PinnedDrop)]
pub(crate) struct Notifier<T: Sleeper> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    sleeper: PhantomData<T>,
}

// SAFETY: A `struct notifier_block` is used by the chain alone, which locks itself.
unsafe impl<T: Sleeper> Send for Notifier<T> {}
// SAFETY: As above.
unsafe impl<T: Sleeper> Sync for Notifier<T> {}

impl<T: Sleeper> Notifier<T> {
    /// Registers it.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|slot: *mut bindings::notifier_block| {
                let block = bindings::notifier_block {
                    notifier_call: Some(Self::call),
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` is where a `struct notifier_block` belongs, pinned until it is unregistered.
                to_result(unsafe {
                    slot.write(block);
                    register_pm_notifier(slot)
                })
            }),
            sleeper: PhantomData,
        })
    }

    extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        _data: *mut c_void,
    ) -> c_int {
        match event {
            PM_HIBERNATION_PREPARE | PM_SUSPEND_PREPARE | PM_RESTORE_PREPARE => T::prepare(),
            PM_POST_HIBERNATION | PM_POST_SUSPEND | PM_POST_RESTORE => T::woken(),
            _ => {}
        }
        // NOTIFY_DONE.
        0
    }
}

#[pinned_drop]
impl<T: Sleeper> PinnedDrop for Notifier<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered by `new()`. It returns when no call is under way.
        unsafe { unregister_pm_notifier(self.block.get()) };
    }
}
