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

use crate::abi::{
    calls, Buffer, Bytes, Command, Family, Handle, Image, Kind, NvmVersion, Ops, LOG_WORDS,
};

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

/// An error log of a microcode.
pub(crate) struct Log {
    /// Where in its ALIVE its address is.
    pub(crate) place: usize,
    /// What its words are called by, but the first.
    pub(crate) kind: &'static str,
    /// Where in it the link of the interrupt is, which the data follow; counted behind the cause.
    pub(crate) link: usize,
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

    pub(crate) fn nvm_version(&self) -> NvmVersion {
        iwlrs_nvm_version(self.0)
    }

    pub(crate) fn is_radio_on(&self) -> bool {
        iwlrs_is_radio_on(self.0)
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

    /// What a microcode that has failed has left in its memory.
    pub(crate) fn print_log(&self, Log { place, kind, link }: Log) -> Result {
        let mut alive = [0; 128];
        let len = length(iwlrs_last_alive(self.0, Buffer::new(&mut alive)))?.min(alive.len());
        let base = alive.get(..len).and_then(|alive| alive.get(place..place + 4));
        let base: [u8; 4] = base.and_then(|bytes| bytes.try_into().ok()).ok_or(ENODATA)?;
        let mut log = [0; LOG_WORDS];
        to_result(iwlrs_read_mem(self.0, u32::from_le_bytes(base), &mut log))?;
        let dev = self.dev();
        dev_err!(dev, "Start IWL Error Log Dump:\n");
        let [_, error, rest @ ..] = log;
        dev_err!(dev, "0x{:08X} | {}\n", error, assert_name(error));
        let names = ["interruptlink2", "data1", "data2", "data3"];
        for (value, name) in rest.get(link..).unwrap_or_default().iter().zip(names) {
            dev_err!(dev, "0x{:08X} | {}{}\n", value, kind, name);
        }
        Ok(())
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
    /// Prints the logs of a microcode that has failed.
    fn print_logs(card: &Card<'_>) -> Result;
}

/// What the numbers mean that a microcode gives as the cause of its end, as `advanced_lookup` has them.
const ASSERTS: [(u32, &str); 20] = [
    (0x34, "NMI_INTERRUPT_WDG"),
    (0x35, "SYSASSERT"),
    (0x37, "UCODE_VERSION_MISMATCH"),
    (0x38, "BAD_COMMAND"),
    (0x39, "BAD_COMMAND"),
    (0x3c, "NMI_INTERRUPT_DATA_ACTION_PT"),
    (0x3d, "FATAL_ERROR"),
    (0x46, "NMI_TRM_HW_ERR"),
    (0x4c, "NMI_INTERRUPT_TRM"),
    (0x54, "NMI_INTERRUPT_BREAK_POINT"),
    (0x5c, "NMI_INTERRUPT_WDG_RXF_FULL"),
    (0x64, "NMI_INTERRUPT_WDG_NO_RBD_RXF_FULL"),
    (0x66, "NMI_INTERRUPT_HOST"),
    (0x70, "NMI_INTERRUPT_LMAC_FATAL"),
    (0x71, "NMI_INTERRUPT_UMAC_FATAL"),
    (0x73, "NMI_INTERRUPT_OTHER_LMAC_FATAL"),
    (0x7c, "NMI_INTERRUPT_ACTION_PT"),
    (0x84, "NMI_INTERRUPT_UNKNOWN"),
    (0x86, "NMI_INTERRUPT_INST_ACTION_PT"),
    (0x88, "NMI_INTERRUPT_PREG"),
];
/// Which CPU it is, in those numbers.
const FW_SYSASSERT_CPU_MASK: u32 = 0xf000_0000;

fn assert_name(error: u32) -> &'static str {
    let number = error & !FW_SYSASSERT_CPU_MASK;
    let found = ASSERTS.iter().find(|(of, _)| *of == number);
    found.map_or("ADVANCED_SYSASSERT", |(_, name)| name)
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
        if started.is_err() {
            Self::report(card.0);
        }
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
            Self::report(card.0);
            card.stop_hw();
        }
        Self::errno(up)
    }

    extern "C" fn down(card: Handle<'_>) {
        Self::report(card);
        Card(card).stop_hw();
    }

    /// Says what is known of why the microcode has failed, if it has.
    fn report(card: Handle<'_>) {
        if !iwlrs_has_asserted(card) {
            return;
        }
        let card = Card(card);
        if let Err(error) = T::print_logs(&card) {
            dev_err!(card.dev(), "the log of its error cannot be read: {:?}\n", error);
        }
    }
}

impl<T: Opmode> Drop for Registration<T> {
    fn drop(&mut self) {
        iwlrs_opmode_deregister(T::KIND);
    }
}
