// SPDX-License-Identifier: GPL-2.0

//! The core's half of `abi.rs`: what the opmodes call. `iwlrs_exports.c` exports it.

use core::ffi::c_void;

use kernel::{bindings, prelude::*};

use crate::{
    abi::{Image, Ops},
    drv::{self, Drv},
    interface::Interface,
    ucode::{self, Ucode},
};

fn errno(result: Result) -> c_int {
    result.map_or_else(|error| error.to_errno(), |()| 0)
}

fn length(result: Result<usize>) -> c_long {
    match result.map(c_long::try_from) {
        Ok(Ok(len)) => len,
        Ok(Err(_)) => EOVERFLOW.to_errno() as c_long,
        Err(error) => error.to_errno() as c_long,
    }
}

/// # Safety
///
/// `card` is one that the core has given to an opmode, within the time that `Ops` says.
unsafe fn drv<'a>(card: *const c_void) -> &'a Drv {
    // SAFETY: It is what `Drv::as_card()` gave.
    unsafe { &*card.cast() }
}

/// # Safety
///
/// `data` is valid for `len` bytes, or `len` is 0.
unsafe fn buffer<'a>(data: *mut u8, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: By the caller.
    unsafe { core::slice::from_raw_parts_mut(data, len) }
}

#[no_mangle]
unsafe extern "C" fn iwlrs_opmode_register(kind: u32, ops: *const Ops) -> c_int {
    // SAFETY: An opmode's operations are constants of its module, which deregisters before it goes.
    errno(drv::register(kind, unsafe { &*ops }))
}

#[no_mangle]
extern "C" fn iwlrs_opmode_deregister(kind: u32) {
    drv::deregister(kind);
}

#[no_mangle]
unsafe extern "C" fn iwlrs_device(card: *const c_void) -> *mut bindings::device {
    // SAFETY: By the caller.
    let drv = unsafe { drv(card) };
    core::ptr::from_ref(&*drv.dev).cast_mut().cast()
}

#[no_mangle]
unsafe extern "C" fn iwlrs_family(card: *const c_void) -> u32 {
    // SAFETY: By the caller.
    unsafe { drv(card) }.trans.family as u32
}

#[no_mangle]
unsafe extern "C" fn iwlrs_phy_sku(card: *const c_void) -> u32 {
    // SAFETY: By the caller.
    let firmware = unsafe { drv(card) }.firmware.lock();
    let file = firmware.as_ref().and_then(|file| Ucode::parse(file.data()).ok());
    file.map_or(0, |file| file.phy_sku())
}

#[no_mangle]
unsafe extern "C" fn iwlrs_start_hw(card: *const c_void) -> c_int {
    // SAFETY: By the caller.
    errno(unsafe { drv(card) }.trans.start_hw())
}

#[no_mangle]
unsafe extern "C" fn iwlrs_stop_hw(card: *const c_void) {
    // SAFETY: By the caller.
    unsafe { drv(card) }.trans.stop();
}

#[no_mangle]
unsafe extern "C" fn iwlrs_eeprom(card: *const c_void, address: u16) -> c_int {
    // SAFETY: By the caller.
    let word = unsafe { drv(card) }.trans.eeprom(address);
    word.map_or_else(|error| error.to_errno(), c_int::from)
}

#[no_mangle]
unsafe extern "C" fn iwlrs_otp_block(card: *const c_void) -> c_int {
    // SAFETY: By the caller.
    let trans = &unsafe { drv(card) }.trans;
    let block = match trans.is_otp() {
        Ok(true) => trans.otp_block(),
        Ok(false) => Ok(0),
        Err(error) => Err(error),
    };
    block.map_or_else(|error| error.to_errno(), c_int::from)
}

#[no_mangle]
unsafe extern "C" fn iwlrs_load(
    card: *const c_void,
    image: u32,
    queue: u8,
    alive: *mut u8,
    room: usize,
) -> c_long {
    // SAFETY: By the caller.
    let (drv, alive) = unsafe { (drv(card), buffer(alive, room)) };
    let image = match image {
        image if image == Image::Init as u32 => ucode::Image::Init,
        _ => ucode::Image::Runtime,
    };
    let firmware = drv.firmware.lock();
    let file = firmware.as_ref().and_then(|file| Ucode::parse(file.data()).ok());
    let loaded = file.ok_or(ENOENT).and_then(|file| drv.trans.load(&file, image, queue, alive));
    if let Err(error) = loaded {
        dev_err!(drv.dev, "Failed to start {} ucode: {:?}\n", image.name(), error);
    }
    length(loaded)
}

#[no_mangle]
unsafe extern "C" fn iwlrs_send(
    card: *const c_void,
    command: u32,
    data: *const u8,
    len: usize,
    response: *mut u8,
    room: usize,
) -> c_long {
    // SAFETY: By the caller; the data are only read.
    let (drv, data) = unsafe { (drv(card), &*buffer(data.cast_mut(), len)) };
    // SAFETY: By the caller.
    let response = unsafe { buffer(response, room) };
    let [id, group, notification, wanted] = command.to_le_bytes();
    let notification = (wanted != 0).then_some(notification);
    let sent = drv.trans.send((group, id), data, notification, response);
    if let Err(error) = sent {
        dev_err!(drv.dev, "Error sending command {:#x}.{:#x}: {:?}\n", group, id, error);
    }
    length(sent)
}

#[no_mangle]
unsafe extern "C" fn iwlrs_wait(card: *const c_void, timeout: u32) -> c_int {
    // SAFETY: By the caller.
    errno(unsafe { drv(card) }.trans.wait(timeout))
}

#[no_mangle]
unsafe extern "C" fn iwlrs_interface_add(card: *const c_void, address: *const u8) -> c_int {
    // SAFETY: By the caller; an address has 6 bytes.
    let (drv, address) = unsafe { (drv(card), &*address.cast::<[u8; 6]>()) };
    errno(Interface::new(drv, address).map(|interface| *drv.interface.lock() = Some(interface)))
}

#[no_mangle]
unsafe extern "C" fn iwlrs_interface_remove(card: *const c_void) {
    // SAFETY: By the caller.
    let drv = unsafe { drv(card) };
    // It goes down by this, and takes locks: not this one.
    let interface = drv.interface.lock().take();
    drop(interface);
}
