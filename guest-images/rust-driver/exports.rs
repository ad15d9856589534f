// SPDX-License-Identifier: GPL-2.0

//! The core's half of `abi.rs`: what the opmodes call.

use core::ptr::NonNull;

use kernel::{
    device::Device,
    ffi::{c_int, c_long},
    prelude::*, //
};

use crate::{
    abi::{calls, Buffer, Bytes, Command, Family, Handle, Image, Kind, NvmVersion, Ops, LOG_WORDS},
    abstractions::export::export_symbol_gpl,
    drv::{self, Drv},
    regs::int,
    ucode::{self, Ucode},
};

macro_rules! define {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        export_symbol_gpl!($name);

        #[no_mangle]
        #[allow(improper_ctypes_definitions, reason = "both sides are Rust, and have the same types")]
        extern "C" fn $name($($arg: $type),*) $(-> $result)? {
            defined::$name($($arg),*)
        }
    )*};
}
calls!(define);

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

impl Drv {
    /// As the opmodes have it.
    pub(crate) fn handle(&self) -> Handle<'_> {
        // SAFETY: It is what the core has for a card, borrowed for as long as the handle.
        unsafe { Handle::new(NonNull::from(self).cast()) }
    }
}

impl<'a> Handle<'a> {
    fn drv(self) -> &'a Drv {
        // SAFETY: By its invariants it points to one, which `Drv::handle()` has borrowed.
        unsafe { self.get().cast().as_ref() }
    }
}

mod defined {
    use super::*;

    pub(super) fn iwlrs_opmode_register(kind: Kind, ops: &'static Ops) -> c_int {
        errno(drv::register(kind, ops))
    }

    pub(super) fn iwlrs_opmode_deregister(kind: Kind) {
        drv::deregister(kind);
    }

    pub(super) fn iwlrs_device(card: Handle<'_>) -> &Device {
        &card.drv().dev
    }

    pub(super) fn iwlrs_family(card: Handle<'_>) -> Family {
        card.drv().trans.family
    }

    pub(super) fn iwlrs_phy_sku(card: Handle<'_>) -> u32 {
        let firmware = card.drv().firmware.lock();
        let file = firmware.as_ref().and_then(|file| Ucode::parse(file.data()).ok());
        file.map_or(0, |file| file.phy_sku())
    }

    pub(super) fn iwlrs_nvm_version(card: Handle<'_>) -> NvmVersion {
        let (nvm, calibration) = card.drv().card.nvm;
        NvmVersion { nvm, calibration }
    }

    pub(super) fn iwlrs_is_radio_on(card: Handle<'_>) -> bool {
        // Of a card that is gone whoever asks hears otherwise.
        card.drv().trans.is_radio_on().unwrap_or(true)
    }

    pub(super) fn iwlrs_start_hw(card: Handle<'_>) -> c_int {
        errno(card.drv().trans.start_hw())
    }

    pub(super) fn iwlrs_stop_hw(card: Handle<'_>) {
        card.drv().trans.stop();
    }

    pub(super) fn iwlrs_eeprom(card: Handle<'_>, address: u16) -> c_int {
        let drv = card.drv();
        let word = drv.trans.eeprom(&drv.dev, address);
        word.map_or_else(|error| error.to_errno(), c_int::from)
    }

    pub(super) fn iwlrs_otp_block(card: Handle<'_>) -> c_int {
        let Drv { trans, dev, .. } = card.drv();
        let block = match trans.is_otp() {
            Ok(true) => trans.otp_block(dev),
            Ok(false) => Ok(0),
            Err(error) => Err(error),
        };
        block.map_or_else(|error| error.to_errno(), c_int::from)
    }

    pub(super) fn iwlrs_mac_address(card: Handle<'_>, address: &mut [u8; 6]) -> c_int {
        errno(card.drv().trans.mac_address().map(|found| *address = found))
    }

    pub(super) fn iwlrs_load(
        card: Handle<'_>,
        image: Image,
        queue: u8,
        mut alive: Buffer<'_>,
    ) -> c_long {
        let drv = card.drv();
        let (image, radio) = match image {
            Image::Init => (ucode::Image::Init, false),
            Image::Unified => (ucode::Image::Runtime, false),
            Image::Runtime => (ucode::Image::Runtime, true),
        };
        // SAFETY: Opmodes work with bound devices: a card's starts with the lock held that unbinding
        // takes, and is stopped, its interface gone, before unbinding has ended.
        let dev = unsafe { drv.dev.as_bound() };
        let firmware = drv.firmware.lock();
        let file = firmware.as_ref().and_then(|file| Ucode::parse(file.data()).ok());
        let load = |file: Ucode<'_>| drv.trans.load(dev, (&file, image), radio, queue, alive.get());
        let loaded = file.ok_or(ENOENT).and_then(load);
        if let Err(error) = loaded {
            dev_err!(drv.dev, "Failed to start {} ucode: {:?}\n", image.name(), error);
        }
        length(loaded)
    }

    pub(super) fn iwlrs_send(
        card: Handle<'_>,
        command: Command,
        data: Bytes<'_>,
        mut response: Buffer<'_>,
    ) -> c_long {
        let drv = card.drv();
        let Command { group, id, notification, notified } = command;
        let notification = notified.then_some(notification);
        let sent = drv.trans.send((group, id), data.get(), notification, response.get());
        if let Err(error) = sent {
            dev_err!(drv.dev, "Error sending command {:#x}.{:#x}: {:?}\n", group, id, error);
        }
        length(sent)
    }

    pub(super) fn iwlrs_wait(card: Handle<'_>, timeout: u32) -> c_int {
        errno(card.drv().trans.wait(timeout))
    }

    pub(super) fn iwlrs_has_asserted(card: Handle<'_>) -> bool {
        card.drv().trans.failures() & int::SW_ERR != 0
    }

    pub(super) fn iwlrs_last_alive(card: Handle<'_>, mut alive: Buffer<'_>) -> c_long {
        length(card.drv().trans.last_alive(alive.get()))
    }

    pub(super) fn iwlrs_read_mem(
        card: Handle<'_>,
        address: u32,
        words: &mut [u32; LOG_WORDS],
    ) -> c_int {
        errno(card.drv().trans.read_mem(address, words))
    }

    pub(super) fn iwlrs_interface_add(card: Handle<'_>, address: &[u8; 6]) -> c_int {
        errno(card.drv().add_interface(address))
    }

    pub(super) fn iwlrs_interface_remove(card: Handle<'_>) {
        // It goes down by this, and takes locks: not this one.
        let interface = card.drv().interface.lock().take();
        drop(interface);
    }
}
