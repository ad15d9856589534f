// SPDX-License-Identifier: GPL-2.0

//! The interface: a network device of `iwlrs_netdev.c`, as the `kernel` crate has none.

use core::{ffi::c_void, ptr::NonNull};

use kernel::{bindings, prelude::*};

use crate::drv::Drv;

extern "C" {
    fn iwlrs_netdev_add(
        parent: *mut bindings::device,
        address: *const u8,
        blocked: bool,
        card: *const c_void,
    ) -> *mut c_void;
    fn iwlrs_netdev_remove(netdev: *mut c_void);
    fn iwlrs_netdev_set_blocked(netdev: *mut c_void, blocked: bool);
    fn iwlrs_netdev_close(netdev: *mut c_void);
}

/// A registered network device.
pub(crate) struct Interface(NonNull<c_void>);

// SAFETY: Registering and unregistering may be done by different tasks.
unsafe impl Send for Interface {}

impl Interface {
    /// Registers it, with the switch as it is. It keeps no reference to the card: it is to be dropped before
    /// that.
    pub(crate) fn new(drv: &Drv, address: &[u8; 6], blocked: bool) -> Result<Self> {
        let parent = core::ptr::from_ref(&*drv.dev).cast_mut().cast();
        let card = core::ptr::from_ref(drv).cast();
        // SAFETY: The device is bound, as an opmode starts on it; the address is copied.
        let netdev = unsafe { iwlrs_netdev_add(parent, address.as_ptr(), blocked, card) };
        let number = netdev as isize;
        match NonNull::new(netdev) {
            // ERR_PTR().
            Some(_) if (-4095..0).contains(&number) => Err(Error::from_errno(number as i32)),
            Some(netdev) => Ok(Self(netdev)),
            None => Err(ENOMEM),
        }
    }

    /// The switch keeps the radio off, or does no more. An interface that is up goes down, later.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        // SAFETY: It was registered by `new()`.
        unsafe { iwlrs_netdev_set_blocked(self.0.as_ptr(), blocked) };
    }

    /// It goes down, later.
    pub(crate) fn close(&self) {
        // SAFETY: As above.
        unsafe { iwlrs_netdev_close(self.0.as_ptr()) };
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        // SAFETY: It was registered by `new()`.
        unsafe { iwlrs_netdev_remove(self.0.as_ptr()) };
    }
}

/// # Safety
///
/// `card` is that of a registered network device.
#[no_mangle]
unsafe extern "C" fn iwlrs_netdev_open(card: *const c_void) -> c_int {
    // SAFETY: By the caller; the card is there as long as its interface.
    let drv = unsafe { &*card.cast::<Drv>() };
    drv.open().map_or_else(|error| error.to_errno(), |()| 0)
}

/// # Safety
///
/// As of `iwlrs_netdev_open()`.
#[no_mangle]
unsafe extern "C" fn iwlrs_netdev_stop(card: *const c_void) {
    // SAFETY: As above.
    let drv = unsafe { &*card.cast::<Drv>() };
    drv.close();
}
