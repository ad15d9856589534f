// SPDX-License-Identifier: GPL-2.0

//! Memory that the card reads and writes.

use kernel::{
    device::{Bound, Device},
    dma::Coherent,
    io::{
        io_project,
        Io, //
    },
    prelude::*,
};

/// A piece of it. None crosses a boundary of 4 GiB, which the loader of 22000 could not: it is aligned to
/// its length, rounded up to a power of two.
pub(crate) struct Dma(Coherent<[u8]>);

impl Dma {
    pub(crate) fn new(dev: &Device<Bound>, len: usize) -> Result<Self> {
        Ok(Self(Coherent::zeroed_slice(dev, len, GFP_KERNEL)?))
    }

    /// With this in it.
    pub(crate) fn of(dev: &Device<Bound>, data: &[u8]) -> Result<Self> {
        let memory = Self::new(dev, data.len())?;
        memory.write(0, data)?;
        Ok(memory)
    }

    pub(crate) fn address(&self) -> u64 {
        self.0.dma_address()
    }

    pub(crate) fn write(&self, at: usize, data: &[u8]) -> Result {
        io_project!(&self.0, [try: at..at + data.len()]).copy_from_slice(data);
        Ok(())
    }

    pub(crate) fn read(&self, at: usize, data: &mut [u8]) -> Result {
        io_project!(&self.0, [try: at..at + data.len()]).copy_to_slice(data);
        Ok(())
    }
}
