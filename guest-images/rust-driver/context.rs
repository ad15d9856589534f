// SPDX-License-Identifier: GPL-2.0

//! Context information: a card of family 22000 is told where in host memory its image and its rings are,
//! and fetches the image itself.
//!
//! Its receive buffers have numbers: it takes them from one ring and gives them back, by number, in
//! another.

use kernel::{
    device::{Bound, Device},
    prelude::*,
};

use crate::{
    dma::Dma,
    ucode::{Image, Ucode},
};

/// `struct iwl_context_info`, and where in it the things are that it says.
const INFO: usize = 1792;
const MAC_ID: usize = 0;
const VERSION_SIZE: usize = 4;
const CONTROL_FLAGS: usize = 8;
const FREE_RBD_ADDR: usize = 24;
const USED_RBD_ADDR: usize = 32;
const STATUS_WR_PTR: usize = 40;
const CMD_QUEUE_ADDR: usize = 48;
const CMD_QUEUE_SIZE: usize = 56;
/// Sections of the lower MAC, of the upper MAC, and pages: in the order in which a file has them.
const IMAGES: [usize; 3] = [704, 192, 1216];
const IWL_MAX_DRAM_ENTRY: usize = 64;

const TFD_FORMAT_LONG: u32 = 1 << 8;
const RB_SIZE_4K: u32 = 4 << 9;

/// Descriptors in the command queue, each of them 256 bytes; their indices go on beyond it.
const TFDS: usize = 32;
const TFD: usize = 256;
/// `TFD_QUEUE_CB_SIZE(TFDS)`: 8 times a power of two.
const TFDS_CODE: u8 = 2;

/// A buffer's number, in the bits of its address below a page.
const VID_MSK: usize = 0xfff;

/// Where the rings are that all parts have.
pub(crate) struct Rings<'a> {
    pub(crate) free: &'a Dma,
    /// How many descriptors, as a power of two.
    pub(crate) log: u32,
    pub(crate) status: &'a Dma,
}

/// What a card of 22000 has beside other parts.
pub(crate) struct Context {
    info: Dma,
    /// The buffers that it gives back.
    used: Dma,
    tfds: Dma,
    /// Sections, which it has fetched when it says ALIVE.
    image: KVec<Dma>,
    /// Pages, which it fetches for as long as it runs.
    pages: KVec<Dma>,
    /// The free ring is filled up to here.
    offered: usize,
}

impl Context {
    pub(crate) fn new(dev: &Device<Bound>, log: u32) -> Result<Self> {
        Ok(Self {
            info: Dma::new(dev, INFO)?,
            used: Dma::new(dev, 4 << log)?,
            tfds: Dma::new(dev, TFDS * TFD)?,
            image: KVec::new(),
            pages: KVec::new(),
            offered: 0,
        })
    }

    /// The information for an image. What the card fetches is in memory from here on.
    pub(crate) fn fill(
        &mut self,
        dev: &Device<Bound>,
        (ucode, image): (&Ucode<'_>, Image),
        hw_rev: u32,
        rings: Rings<'_>,
    ) -> Result {
        self.clear();
        let mut info = KVec::from_elem(0, INFO, GFP_KERNEL)?;
        let mut put = |at: usize, bytes: &[u8]| -> Result {
            info.get_mut(at..at + bytes.len()).ok_or(EINVAL)?.copy_from_slice(bytes);
            Ok(())
        };
        put(MAC_ID, &(hw_rev as u16).to_le_bytes())?;
        put(VERSION_SIZE, &(INFO as u16 / 4).to_le_bytes())?;
        let flags = TFD_FORMAT_LONG | rings.log << 4 | RB_SIZE_4K;
        put(CONTROL_FLAGS, &flags.to_le_bytes())?;
        put(FREE_RBD_ADDR, &rings.free.address().to_le_bytes())?;
        put(USED_RBD_ADDR, &self.used.address().to_le_bytes())?;
        put(STATUS_WR_PTR, &rings.status.address().to_le_bytes())?;
        put(CMD_QUEUE_ADDR, &self.tfds.address().to_le_bytes())?;
        put(CMD_QUEUE_SIZE, &[TFDS_CODE])?;
        let (mut part, mut entry) = (0, 0);
        for section in ucode.sections(image) {
            if section.is_separator() {
                (part, entry) = (part + 1, 0);
                continue;
            }
            // What follows a third separator is nothing's.
            let Some(images) = IMAGES.get(part) else { break };
            if entry == IWL_MAX_DRAM_ENTRY {
                return Err(E2BIG);
            }
            let memory = Dma::of(dev, section.data)?;
            put(images + 8 * entry, &memory.address().to_le_bytes())?;
            let kept = if part < 2 { &mut self.image } else { &mut self.pages };
            kept.push(memory, GFP_KERNEL)?;
            entry += 1;
        }
        self.info.write(0, &info)
    }

    /// Where the information is.
    pub(crate) fn address(&self) -> u64 {
        self.info.address()
    }

    /// The card has fetched its image.
    pub(crate) fn fetched(&mut self) {
        self.image.clear();
    }

    /// It fetches nothing any more.
    pub(crate) fn clear(&mut self) {
        self.image.clear();
        self.pages.clear();
    }

    /// No buffer is in the free ring.
    pub(crate) fn reset(&mut self) {
        self.offered = 0;
    }

    /// Puts a buffer, which is a page, into the free ring of so many descriptors.
    pub(crate) fn offer(&mut self, free: &Dma, size: usize, buffer: usize, address: u64) -> Result {
        // Number 0 is none.
        free.write(8 * self.offered, &(address | buffer as u64 + 1).to_le_bytes())?;
        self.offered = (self.offered + 1) % size;
        Ok(())
    }

    /// Up to where, as the card wants to be told: by eights.
    pub(crate) fn offered(&self) -> usize {
        self.offered & !7
    }

    /// The buffer in a place of the used ring. Which one that is the card says: any number.
    pub(crate) fn used(&self, at: usize) -> Result<usize> {
        let mut vid = [0; 4];
        self.used.read(4 * at, &mut vid)?;
        (u32::from_le_bytes(vid) as usize & VID_MSK).checked_sub(1).ok_or(EIO)
    }

    /// A descriptor of one buffer.
    pub(crate) fn describe(&self, index: u8, address: u64, len: u16) -> Result {
        let mut tfd = [0; 12];
        tfd[..2].copy_from_slice(&1u16.to_le_bytes());
        tfd[2..4].copy_from_slice(&len.to_le_bytes());
        tfd[4..].copy_from_slice(&address.to_le_bytes());
        self.tfds.write(usize::from(index) % TFDS * TFD, &tfd)
    }
}
