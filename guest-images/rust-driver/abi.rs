// SPDX-License-Identifier: GPL-2.0

//! What the core and the opmodes, modules of their own, say to each other.
//!
//! Rust has no ABI between modules and no `EXPORT_SYMBOL`: a module cannot use another one's crate, only
//! its C symbols. So this file is compiled into each of them; what is unsafe about it is behind the types
//! of this file, and the opmodes have no unsafe code of their own.
//!
//! Both sides are built together, and the layouts here are `repr(C)` of integers and pointers; a module of
//! another build is kept out by the kernel's vermagic alone, as with every out-of-tree pair.

#![allow(dead_code, reason = "each module uses its part")]

use core::{ffi::c_void, ptr::NonNull};

use kernel::{bindings, device::Device, error::to_result, prelude::*, ThisModule};

/// The generations, as far as they differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Family {
    Family1000 = 1,
    Family5000 = 2,
    Family6000 = 3,
    Family7000 = 4,
    Family8000 = 5,
}

impl Family {
    fn of(number: u32) -> Option<Self> {
        use Family::*;
        let all = [Family1000, Family5000, Family6000, Family7000, Family8000];
        all.into_iter().find(|family| *family as u32 == number)
    }
}

/// Which firmware an opmode drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Dvm = 0,
    Mvm = 1,
}

/// An image of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Image {
    Runtime = 0,
    Init = 1,
}

/// What an opmode does, for the core to call. A card is only valid for the call, and between `start` and
/// `stop`.
#[repr(C)]
pub(crate) struct Ops {
    /// Starts on a card; it is the card's opmode if that is 0, else an error.
    pub(crate) start: unsafe extern "C" fn(*const c_void) -> c_int,
    /// Ends what `start` has begun.
    pub(crate) stop: unsafe extern "C" fn(*const c_void),
    /// The interface goes up.
    pub(crate) up: unsafe extern "C" fn(*const c_void) -> c_int,
    /// It goes down.
    pub(crate) down: unsafe extern "C" fn(*const c_void),
}

#[allow(improper_ctypes, reason = "of a `struct device` the pointer alone is passed")]
extern "C" {
    fn iwlrs_opmode_register(kind: u32, ops: *const Ops) -> c_int;
    fn iwlrs_opmode_deregister(kind: u32);
    fn iwlrs_device(card: *const c_void) -> *mut bindings::device;
    fn iwlrs_family(card: *const c_void) -> u32;
    fn iwlrs_phy_sku(card: *const c_void) -> u32;
    fn iwlrs_start_hw(card: *const c_void) -> c_int;
    fn iwlrs_stop_hw(card: *const c_void);
    fn iwlrs_eeprom(card: *const c_void, address: u16) -> c_int;
    fn iwlrs_otp_block(card: *const c_void) -> c_int;
    fn iwlrs_load(
        card: *const c_void,
        image: u32,
        queue: u8,
        alive: *mut u8,
        room: usize,
    ) -> c_long;
    fn iwlrs_send(
        card: *const c_void,
        command: u32,
        data: *const u8,
        len: usize,
        response: *mut u8,
        room: usize,
    ) -> c_long;
    fn iwlrs_wait(card: *const c_void, timeout: u32) -> c_int;
    fn iwlrs_interface_add(card: *const c_void, address: *const u8) -> c_int;
    fn iwlrs_interface_remove(card: *const c_void);
}

fn length(result: c_long) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_errno(result as i32))
}

/// A card that an opmode works with.
pub(crate) struct Card(NonNull<c_void>);

impl Card {
    fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr()
    }

    /// For messages.
    pub(crate) fn dev(&self) -> &Device {
        // SAFETY: The core's card holds a reference to its device, and is valid as long as `self`.
        unsafe { Device::from_raw(iwlrs_device(self.as_ptr())) }
    }

    /// Its generation.
    pub(crate) fn family(&self) -> Option<Family> {
        // SAFETY: As in `dev()`.
        Family::of(unsafe { iwlrs_family(self.as_ptr()) })
    }

    /// The antennas that its firmware is for.
    pub(crate) fn phy_sku(&self) -> u32 {
        // SAFETY: As in `dev()`.
        unsafe { iwlrs_phy_sku(self.as_ptr()) }
    }

    /// Resets and powers it.
    pub(crate) fn start_hw(&self) -> Result {
        // SAFETY: As in `dev()`.
        to_result(unsafe { iwlrs_start_hw(self.as_ptr()) })
    }

    /// Stops it, wherever it is.
    pub(crate) fn stop_hw(&self) {
        // SAFETY: As in `dev()`.
        unsafe { iwlrs_stop_hw(self.as_ptr()) }
    }

    /// A word of its EEPROM or OTP.
    pub(crate) fn eeprom(&self, address: u16) -> Result<u16> {
        // SAFETY: As in `dev()`.
        let word = unsafe { iwlrs_eeprom(self.as_ptr(), address) };
        u16::try_from(word).map_err(|_| Error::from_errno(word))
    }

    /// Where its image begins in an OTP of blocks; at 0 in an EEPROM.
    pub(crate) fn otp_block(&self) -> Result<u16> {
        // SAFETY: As in `dev()`.
        let block = unsafe { iwlrs_otp_block(self.as_ptr()) };
        u16::try_from(block).map_err(|_| Error::from_errno(block))
    }

    /// Uploads an image and waits for its ALIVE; its commands are to go through `queue`. How long the
    /// ALIVE is.
    pub(crate) fn load(&self, image: Image, queue: u8, alive: &mut [u8]) -> Result<usize> {
        let (at, room) = (alive.as_mut_ptr(), alive.len());
        // SAFETY: As in `dev()`; `at` is valid for `room` bytes.
        length(unsafe { iwlrs_load(self.as_ptr(), image as u32, queue, at, room) })
    }

    /// Sends a command and waits for its response: how long that is, of which as much as fits is in
    /// `response`.
    pub(crate) fn send(
        &self,
        (group, id): (u8, u8),
        data: &[u8],
        response: &mut [u8],
    ) -> Result<usize> {
        self.command(u32::from(group) << 8 | u32::from(id), data, response)
    }

    /// The same, and waits for the notification that follows.
    pub(crate) fn send_and_wait(
        &self,
        (group, id): (u8, u8),
        data: &[u8],
        notification: u8,
        timeout: u32,
    ) -> Result {
        let notification = 1 << 24 | u32::from(notification) << 16;
        self.command(notification | u32::from(group) << 8 | u32::from(id), data, &mut [])?;
        // SAFETY: As in `dev()`.
        to_result(unsafe { iwlrs_wait(self.as_ptr(), timeout) })
    }

    fn command(&self, command: u32, data: &[u8], response: &mut [u8]) -> Result<usize> {
        let (at, room) = (response.as_mut_ptr(), response.len());
        // SAFETY: As in `dev()`; both buffers are valid for their lengths.
        length(unsafe {
            iwlrs_send(self.as_ptr(), command, data.as_ptr(), data.len(), at, room)
        })
    }

    /// Registers its interface. It may go up before this returns.
    pub(crate) fn add_interface(&self, address: &[u8; 6]) -> Result {
        // SAFETY: As in `dev()`; the address is copied.
        to_result(unsafe { iwlrs_interface_add(self.as_ptr(), address.as_ptr()) })
    }

    /// Unregisters it, if there is one; it goes down before that.
    pub(crate) fn remove_interface(&self) {
        // SAFETY: As in `dev()`.
        unsafe { iwlrs_interface_remove(self.as_ptr()) }
    }
}

/// An opmode.
pub(crate) trait Opmode: 'static {
    /// Which firmware it drives.
    const KIND: Kind;

    /// Starts on a card; whatever it has begun when it fails, the core stops.
    fn start(card: &Card) -> Result;
    /// The interface goes up.
    fn up(card: &Card) -> Result;
}

/// An opmode that the core knows; dropped, it is taken from all its cards.
pub(crate) struct Registration<T: Opmode>(core::marker::PhantomData<T>);

impl<T: Opmode> Registration<T> {
    const OPS: Ops = Ops { start: Self::start, stop: Self::stop, up: Self::up, down: Self::down };

    /// Registers it. It starts on all cards that wait for it, before this returns.
    pub(crate) fn new(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: The operations are constants of this module, which is there until `drop()` has run.
        to_result(unsafe { iwlrs_opmode_register(T::KIND as u32, &Self::OPS) })?;
        Ok(Self(core::marker::PhantomData))
    }

    fn card(card: *const c_void) -> Option<Card> {
        NonNull::new(card.cast_mut()).map(Card)
    }

    fn errno(result: Result) -> c_int {
        result.map_or_else(|error| error.to_errno(), |()| 0)
    }

    unsafe extern "C" fn start(card: *const c_void) -> c_int {
        let Some(card) = Self::card(card) else { return EINVAL.to_errno() };
        let started = T::start(&card);
        if started.is_err() {
            card.remove_interface();
            card.stop_hw();
        }
        Self::errno(started)
    }

    unsafe extern "C" fn stop(card: *const c_void) {
        if let Some(card) = Self::card(card) {
            card.remove_interface();
            card.stop_hw();
        }
    }

    unsafe extern "C" fn up(card: *const c_void) -> c_int {
        let Some(card) = Self::card(card) else { return EINVAL.to_errno() };
        let up = T::up(&card);
        if up.is_err() {
            card.stop_hw();
        }
        Self::errno(up)
    }

    unsafe extern "C" fn down(card: *const c_void) {
        if let Some(card) = Self::card(card) {
            card.stop_hw();
        }
    }
}

impl<T: Opmode> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: It was registered.
        unsafe { iwlrs_opmode_deregister(T::KIND as u32) };
    }
}
