// SPDX-License-Identifier: GPL-2.0

//! `request_firmware_nowait()`: a file is asked for, and comes later.
//!
//! `kernel::firmware` has the requests that wait. The loader holds a reference to the module and one to
//! the device until the callback has returned, so that neither can go meanwhile.
//!
//! C header: `include/linux/firmware.h`

use core::ptr::NonNull;

use kernel::{
    bindings,
    device,
    error::to_result,
    ffi::c_void,
    prelude::*,
    sync::Arc,
    ThisModule, //
};

/// A file that has come.
pub(crate) struct Firmware(NonNull<bindings::firmware>);

// SAFETY: It is owned, and read only.
unsafe impl Send for Firmware {}
// SAFETY: As above.
unsafe impl Sync for Firmware {}

impl Firmware {
    /// What is in it.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: The loader hands out `data` of `size` bytes, which live as long as the firmware.
        unsafe {
            let firmware = self.0.as_ref();
            core::slice::from_raw_parts(firmware.data, firmware.size)
        }
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        // SAFETY: It came from the loader, and nobody else has it.
        unsafe { bindings::release_firmware(self.0.as_ptr()) };
    }
}

/// Whom the loader tells.
pub(crate) trait Requester: Send + Sync + 'static {
    /// The file, or none: what is wrong with it the loader has said. In a worker; may sleep.
    fn firmware(self: Arc<Self>, file: Option<Firmware>);
}

/// Asks for a file, and returns at once. `module` is the one that has the code of `T`.
pub(crate) fn request_nowait<T: Requester>(
    module: &'static ThisModule,
    name: &CStr,
    dev: &device::Device,
    requester: Arc<T>,
) -> Result {
    unsafe extern "C" fn callback<T: Requester>(
        file: *const bindings::firmware,
        context: *mut c_void,
    ) {
        // SAFETY: `context` is what `into_raw()` gave below; the loader calls once.
        let requester = unsafe { Arc::from_raw(context.cast::<T>()) };
        requester.firmware(NonNull::new(file.cast_mut()).map(Firmware));
    }

    let context = Arc::into_raw(requester);
    // SAFETY: `module` and `dev` are valid, the loader takes references to both; it copies `name`.
    // `callback` gets the reference that `context` is.
    let asked = to_result(unsafe {
        bindings::request_firmware_nowait(
            module.as_ptr(),
            true,
            name.as_char_ptr(),
            core::ptr::from_ref(dev).cast_mut().cast(),
            bindings::GFP_KERNEL,
            context.cast_mut().cast(),
            Some(callback::<T>),
        )
    });
    if asked.is_err() {
        // SAFETY: The callback will not be called, so the reference is still ours.
        drop(unsafe { Arc::from_raw(context) });
    }
    asked
}
