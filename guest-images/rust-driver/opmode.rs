// SPDX-License-Identifier: GPL-2.0

//! The opmodes' half of `abi.rs`: a card as they see it, and their registration.

#![allow(dead_code, reason = "each opmode uses its part")]

use core::marker::PhantomData;

use kernel::{
    device::Device,
    error::to_result,
    ffi::{c_int, c_long},
    prelude::*,
    ThisModule, //
};

use crate::abi::{calls, Buffer, Bytes, Command, Family, Handle, Image, Kind, Ops};

macro_rules! import {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(improper_ctypes, reason = "both sides are Rust, and have the same types")]
        // SAFETY: The core defines each of them from the same list; that what they are called with is
        // theirs to read, to write and to keep is in its types.
        unsafe extern "C" {
            $($(#[$doc])* safe fn $name($($arg: $type),*) $(-> $result)?;)*
        }
    };
}
calls!(import);

fn length(result: c_long) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_errno(result as i32))
}

/// A card that an opmode works with.
pub(crate) struct Card<'a>(Handle<'a>);

impl Card<'_> {
    pub(crate) fn dev(&self) -> &Device {
        iwlrs_device(self.0)
    }

    pub(crate) fn family(&self) -> Family {
        iwlrs_family(self.0)
    }

    pub(crate) fn phy_sku(&self) -> u32 {
        iwlrs_phy_sku(self.0)
    }

    pub(crate) fn start_hw(&self) -> Result {
        to_result(iwlrs_start_hw(self.0))
    }

    fn stop_hw(&self) {
        iwlrs_stop_hw(self.0);
    }

    pub(crate) fn eeprom(&self, address: u16) -> Result<u16> {
        let word = iwlrs_eeprom(self.0, address);
        u16::try_from(word).map_err(|_| Error::from_errno(word))
    }

    pub(crate) fn otp_block(&self) -> Result<u16> {
        let block = iwlrs_otp_block(self.0);
        u16::try_from(block).map_err(|_| Error::from_errno(block))
    }

    pub(crate) fn mac_address(&self) -> Result<[u8; 6]> {
        let mut address = [0; 6];
        to_result(iwlrs_mac_address(self.0, &mut address))?;
        Ok(address)
    }

    pub(crate) fn load(&self, image: Image, queue: u8, alive: &mut [u8]) -> Result<usize> {
        length(iwlrs_load(self.0, image, queue, Buffer::new(alive)))
    }

    pub(crate) fn send(
        &self,
        (group, id): (u8, u8),
        data: &[u8],
        response: &mut [u8],
    ) -> Result<usize> {
        let command = Command { group, id, notification: 0, notified: false };
        length(iwlrs_send(self.0, command, Bytes::new(data), Buffer::new(response)))
    }

    /// The same, and waits for the notification that follows.
    pub(crate) fn send_and_wait(
        &self,
        (group, id): (u8, u8),
        data: &[u8],
        notification: u8,
        timeout: u32,
    ) -> Result {
        let command = Command { group, id, notification, notified: true };
        length(iwlrs_send(self.0, command, Bytes::new(data), Buffer::new(&mut [])))?;
        to_result(iwlrs_wait(self.0, timeout))
    }

    fn add_interface(&self, address: &[u8; 6]) -> Result {
        to_result(iwlrs_interface_add(self.0, address))
    }

    fn remove_interface(&self) {
        iwlrs_interface_remove(self.0);
    }
}

/// An opmode.
pub(crate) trait Opmode: 'static {
    /// Which firmware it drives.
    const KIND: Kind;

    /// Starts on a card, and says its address; whatever it has begun is stopped then.
    fn start(card: &Card<'_>) -> Result<[u8; 6]>;
    /// The interface goes up.
    fn up(card: &Card<'_>) -> Result;
}

/// An opmode that the core knows; dropped, it is taken from all its cards.
pub(crate) struct Registration<T: Opmode>(PhantomData<T>);

impl<T: Opmode> Registration<T> {
    const OPS: Ops = Ops { start: Self::start, stop: Self::stop, up: Self::up, down: Self::down };

    /// Registers it. It starts on all cards that wait for it, before this returns.
    pub(crate) fn new(_module: &'static ThisModule) -> Result<Self> {
        to_result(iwlrs_opmode_register(T::KIND, &Self::OPS))?;
        Ok(Self(PhantomData))
    }

    fn errno(result: Result) -> c_int {
        result.map_or_else(|error| error.to_errno(), |()| 0)
    }

    extern "C" fn start(card: Handle<'_>) -> c_int {
        let card = Card(card);
        let started = T::start(&card);
        // Until its interface goes up it rests.
        card.stop_hw();
        Self::errno(started.and_then(|address| card.add_interface(&address)))
    }

    extern "C" fn stop(card: Handle<'_>) {
        let card = Card(card);
        card.remove_interface();
        card.stop_hw();
    }

    extern "C" fn up(card: Handle<'_>) -> c_int {
        let card = Card(card);
        let up = T::up(&card);
        if up.is_err() {
            card.stop_hw();
        }
        Self::errno(up)
    }

    extern "C" fn down(card: Handle<'_>) {
        Card(card).stop_hw();
    }
}

impl<T: Opmode> Drop for Registration<T> {
    fn drop(&mut self) {
        iwlrs_opmode_deregister(T::KIND);
    }
}
