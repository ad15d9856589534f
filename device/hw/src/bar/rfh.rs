//! Multi-queue receive of 9000 and 22000, in BAR 0; the rest of it is in the periphery.
//!
//! Source: `iwl-fh.h`.

use crate::register::registers;

registers! {
    Rfh;
    RFH_Q0_FRBDCB_WIDX_TRG[16; 4; 0; "RFH_Q_FRBDCB_WIDX_TRG"] = 0x1c80: WriteOnly, "receive queue: buffers offered up to here";
}

/// Receive queues.
pub const QUEUES: u8 = 16;

/// Fields of [`RFH_RXF_DMA_CFG`](crate::prph::RFH_RXF_DMA_CFG).
pub mod dma_cfg {
    /// The engine runs.
    pub const DMA_EN: u32 = 1 << 31;
    const RB_SIZE_POS: u32 = 16;
    const RBDCB_SIZE_POS: u32 = 20;
    /// Buffers of 4 KiB.
    pub const RB_SIZE_4K: u32 = 4 << RB_SIZE_POS;
    /// 512 buffers in a ring.
    pub const RBDCB_SIZE_512: u32 = 9 << RBDCB_SIZE_POS;

    /// Descriptors in a ring: a power of two from 8 to 4096.
    #[must_use]
    pub fn ring_size(value: u32) -> u32 {
        super::ring_size(value >> RBDCB_SIZE_POS)
    }

    /// Bytes in a receive buffer.
    #[must_use]
    pub fn buffer_size(value: u32) -> u32 {
        super::buffer_size(value >> RB_SIZE_POS)
    }
}

/// Descriptors in a ring, by the low four bits of its size's code.
#[must_use]
pub fn ring_size(code: u32) -> u32 {
    1 << (code & 0xf).clamp(3, 12)
}

/// Bytes in a buffer, by the low four bits of its size's code.
#[must_use]
pub fn buffer_size(code: u32) -> u32 {
    match code & 0xf {
        0 | 1 => 0x400,
        2 | 3 => 0x800,
        4..8 => 0x1000,
        8 => 0x2000,
        // From 12 KiB on, in steps of 4 KiB.
        code => 0x1000 * (code - 6),
    }
}

/// [`RFH_GEN_STATUS`](crate::prph::RFH_GEN_STATUS): nothing is under way.
pub const RXF_DMA_IDLE: u32 = 1 << 31;

/// An entry of a free ring: a buffer's address, and its number in the bits below a page.
pub mod free {
    const VID_MSK: u64 = 0xfff;

    /// The entry of a buffer at the start of a page.
    #[must_use]
    pub fn entry(address: u64, vid: u16) -> u64 {
        address & !VID_MSK | u64::from(vid) & VID_MSK
    }

    /// The buffer's address.
    #[must_use]
    pub fn address(entry: u64) -> u64 {
        entry & !VID_MSK
    }

    /// Its number, as the used ring gives it back.
    #[must_use]
    pub fn vid(entry: u64) -> u32 {
        (entry & VID_MSK) as u32
    }
}

/// Entries of the rings of AX210 and later parts.
pub mod transfer {
    use zerocopy::little_endian::{U16, U64};
    use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

    /// `struct iwl_rx_transfer_desc`: a free buffer.
    #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub struct TransferDesc {
        /// Its number.
        pub rbid: U16,
        reserved: [U16; 3],
        /// Its address.
        pub addr: U64,
    }

    impl TransferDesc {
        /// That of a buffer.
        #[must_use]
        pub fn new(addr: u64, rbid: u16) -> Self {
            Self { rbid: rbid.into(), reserved: [U16::ZERO; 3], addr: addr.into() }
        }
    }

    /// Bytes of `struct iwl_rx_completion_desc`, an entry of the used ring of AX210.
    pub const COMPLETION: usize = 32;
    /// In it: the buffer's number.
    pub const COMPLETION_RBID: usize = 4;
    /// Bytes of the same of the Bz family, which begins with it.
    pub const COMPLETION_BZ: usize = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_drivers() {
        let cfg = dma_cfg::RB_SIZE_4K | dma_cfg::RBDCB_SIZE_512;
        assert_eq!((dma_cfg::ring_size(cfg), dma_cfg::buffer_size(cfg)), (512, 0x1000));
        // RFH_RXF_DMA_RB_SIZE_1K, _2K, _8K, _12K, _32K.
        assert_eq!([1, 2, 8, 9, 0xe].map(buffer_size), [0x400, 0x800, 0x2000, 0x3000, 0x8000]);
        let entry = free::entry(0x1_2345_6000, 0x789);
        assert_eq!((free::address(entry), free::vid(entry)), (0x1_2345_6000, 0x789));
    }
}
