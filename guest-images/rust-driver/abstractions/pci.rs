// SPDX-License-Identifier: GPL-2.0

//! `pci_disable_device()`: what was enabled is disabled again.
//!
//! `kernel::pci` enables a device and makes it a bus master, and takes neither back: it could still write
//! to memory when it is unbound, and would be counted as enabled once more with each bind.
//!
//! C header: `include/linux/pci.h`

use kernel::{
    bindings,
    device::Core,
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// A device that is enabled and may be a bus master; dropped, it is neither.
pub(crate) struct Enabled(ARef<pci::Device>);

impl Enabled {
    /// Enables its memory.
    pub(crate) fn new(pdev: &pci::Device<Core<'_>>) -> Result<Self> {
        pdev.enable_device_mem()?;
        pdev.set_master();
        Ok(Self(pdev.into()))
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // SAFETY: A `pci::Device` is a `struct pci_dev` by its type's invariant, its reference count is
        // held, and `new()` has enabled it.
        unsafe { bindings::pci_disable_device(core::ptr::from_ref(&*self.0).cast_mut().cast()) };
    }
}
