// SPDX-License-Identifier: GPL-2.0

//! What the core and the opmodes, modules of their own, say to each other.
//!
//! Rust has no ABI between modules and no `EXPORT_SYMBOL`: a module cannot use another one's crate, only
//! its C symbols. So this file is compiled into each of them, and everything that crosses is declared here,
//! once: [`calls`], which the opmodes import and the core defines and exports from one list. A definition of
//! another type does not compile.
//!
//! Both sides are built together, of the same types; a module of another build is kept out by the kernel's
//! vermagic alone, as with every out-of-tree pair.

#![allow(dead_code, reason = "each module uses its part")]

use core::{marker::PhantomData, ptr::NonNull};

use kernel::{
    device::Device,
    ffi::{c_int, c_long},
};

/// The generations, as far as they differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Family {
    Family1000 = 1,
    Family5000 = 2,
    Family6000 = 3,
    Family7000 = 4,
    Family8000 = 5,
    Family22000 = 6,
}

/// Which firmware an opmode drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Dvm = 0,
    Mvm = 1,
}

/// Whether it can be an interface's.
pub(crate) fn is_valid_ether_addr(address: &[u8; 6]) -> bool {
    address[0] & 1 == 0 && *address != [0; 6]
}

/// An image of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Image {
    Runtime = 0,
    Init = 1,
    /// The runtime image where it calibrates too, and so runs though the radio is switched off.
    Unified = 2,
}

/// As much of an error log as is read, in words.
pub(crate) const LOG_WORDS: usize = 15;

/// What a handle points to, which only the core knows.
pub(crate) enum Hidden {}

/// A card of the core's, for as long as it is lent.
///
/// # Invariants
///
/// It points to what the core has for a card, which is borrowed for `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Handle<'a>(NonNull<Hidden>, PhantomData<&'a Hidden>);

impl Handle<'_> {
    /// # Safety
    ///
    /// As the invariants say: so none but the core makes one.
    pub(crate) unsafe fn new(card: NonNull<Hidden>) -> Self {
        Self(card, PhantomData)
    }

    pub(crate) fn get(self) -> NonNull<Hidden> {
        self.0
    }
}

/// Bytes to read.
#[repr(C)]
pub(crate) struct Bytes<'a> {
    data: *const u8,
    len: usize,
    of: PhantomData<&'a [u8]>,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data: data.as_ptr(), len: data.len(), of: PhantomData }
    }

    pub(crate) fn get(&self) -> &'a [u8] {
        // SAFETY: They were those of a slice that is borrowed for `'a`.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }
}

/// Bytes to write.
#[repr(C)]
pub(crate) struct Buffer<'a> {
    data: *mut u8,
    len: usize,
    of: PhantomData<&'a mut [u8]>,
}

impl<'a> Buffer<'a> {
    pub(crate) fn new(data: &'a mut [u8]) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), of: PhantomData }
    }

    pub(crate) fn get(&mut self) -> &mut [u8] {
        // SAFETY: They were those of a slice that is borrowed for `'a`, by this alone.
        unsafe { core::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

/// A command: its group and number, and the notification that is to follow.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Command {
    pub(crate) group: u8,
    pub(crate) id: u8,
    /// It is waited for, later, if `notified`.
    pub(crate) notification: u8,
    pub(crate) notified: bool,
}

/// The oldest that an opmode takes: of an NVM, and of the calibration in it; 0 for any.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct NvmVersion {
    pub(crate) nvm: u16,
    pub(crate) calibration: u16,
}

/// What an opmode does, for the core to call.
#[repr(C)]
pub(crate) struct Ops {
    /// Starts on a card; it is the card's opmode if that is 0, else an error.
    pub(crate) start: extern "C" fn(Handle<'_>) -> c_int,
    /// Ends what `start` has begun.
    pub(crate) stop: extern "C" fn(Handle<'_>),
    /// The interface goes up.
    pub(crate) up: extern "C" fn(Handle<'_>) -> c_int,
    /// It goes down.
    pub(crate) down: extern "C" fn(Handle<'_>),
}

/// The core's calls, handed to a macro. Results below 0 are errors.
macro_rules! calls {
    ($with:ident) => {
        $with! {
            /// An opmode; it starts on all cards that wait for it before this returns. To be taken back
            /// before its module goes.
            fn iwlrs_opmode_register(kind: Kind, ops: &'static Ops) -> c_int;
            /// It is stopped on all its cards before this returns.
            fn iwlrs_opmode_deregister(kind: Kind);
            /// For messages.
            fn iwlrs_device(card: Handle<'_>) -> &Device;
            /// Its generation.
            fn iwlrs_family(card: Handle<'_>) -> Family;
            /// The antennas that its firmware is for.
            fn iwlrs_phy_sku(card: Handle<'_>) -> u32;
            /// The NVM that it is to have.
            fn iwlrs_nvm_version(card: Handle<'_>) -> NvmVersion;
            /// The switch does not keep its radio off.
            fn iwlrs_is_radio_on(card: Handle<'_>) -> bool;
            /// Resets and powers it.
            fn iwlrs_start_hw(card: Handle<'_>) -> c_int;
            /// Stops it, wherever it is.
            fn iwlrs_stop_hw(card: Handle<'_>);
            /// A word of its EEPROM or OTP.
            fn iwlrs_eeprom(card: Handle<'_>, address: u16) -> c_int;
            /// Where its image begins in an OTP of blocks; at 0 in an EEPROM.
            fn iwlrs_otp_block(card: Handle<'_>) -> c_int;
            /// Its address, of a card that shows it in registers.
            fn iwlrs_mac_address(card: Handle<'_>, address: &mut [u8; 6]) -> c_int;
            /// Uploads an image and waits for its ALIVE; its commands are to go through `queue`. How long
            /// the ALIVE is.
            fn iwlrs_load(card: Handle<'_>, image: Image, queue: u8, alive: Buffer<'_>) -> c_long;
            /// Sends a command and waits for its response: how long that is, of which as much as fits is in
            /// `response`.
            fn iwlrs_send(
                card: Handle<'_>,
                command: Command,
                data: Bytes<'_>,
                response: Buffer<'_>
            ) -> c_long;
            /// Waits for the notification of the last command.
            fn iwlrs_wait(card: Handle<'_>, timeout: u32) -> c_int;
            /// The microcode that was loaded last has failed by itself, and has left a log of it.
            fn iwlrs_has_asserted(card: Handle<'_>) -> bool;
            /// The last ALIVE: how long it is.
            fn iwlrs_last_alive(card: Handle<'_>, alive: Buffer<'_>) -> c_long;
            /// Words of its memory.
            fn iwlrs_read_mem(card: Handle<'_>, address: u32, words: &mut [u32; LOG_WORDS]) -> c_int;
            /// Registers its interface. It may go up before this returns.
            fn iwlrs_interface_add(card: Handle<'_>, address: &[u8; 6]) -> c_int;
            /// Unregisters it, if there is one; it goes down before that.
            fn iwlrs_interface_remove(card: Handle<'_>);
        }
    };
}
pub(crate) use calls;
