// SPDX-License-Identifier: GPL-2.0

//! `device_release_driver()`: a driver lets go of a device by itself.
//!
//! The driver core unbinds on the user's word, or when a device or a module goes; a driver that finds out
//! after its probe that it cannot serve a device has to ask for it.
//!
//! C header: `include/linux/device.h`

use kernel::{bindings, device};

/// Unbinds a device from its driver, if it has one, and waits until that is done. It takes the device's
/// lock: not to be called where that is held (probe, unbind), nor where somebody waits who holds it.
pub(crate) fn release_driver(dev: &device::Device) {
    // SAFETY: A `Device` is a `struct device` by its type's invariant, and its reference count is held.
    unsafe { bindings::device_release_driver(core::ptr::from_ref(dev).cast_mut().cast()) };
}
