//! Transmit of 22000: its registers in BAR 0, where earlier parts have the flow handler, and its
//! descriptors.
//!
//! Source: `iwl-fh.h`, `struct iwl_tfh_tfd`.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::register::registers;

registers! {
    Tfh;
    TFH_TRANSFER_MODE = 0x1f40: ReadWrite, "transfers under way, chunks";
    TFH_TXCMD_UPDATE_CFG = 0x1f48: ReadWrite, "update of transmit commands";
    TFH_SRV_DMA_CHNL0_CTRL = 0x1f60: ReadWrite, "service channel: start and direction";
    TFH_SRV_DMA_CHNL0_SRAM_ADDR = 0x1f64: ReadWrite, "service channel: address in device memory";
    TFH_SRV_DMA_CHNL0_DRAM_ADDR[2; 4; 0; "TFH_SRV_DMA_CHNL0_DRAM_ADDR"] = 0x1f68: ReadWrite, "service channel: address in host memory, low and high";
    TFH_SRV_DMA_CHNL0_BC = 0x1f70: ReadWrite, "service channel: bytes";
}

/// Buffers a descriptor can name.
pub const IWL_TFH_NUM_TBS: usize = 25;
/// Indices of a queue on 22000, whatever its ring's size (`max_tfd_queue_size`).
pub const MAX_TFD_QUEUE_SIZE: u32 = 256;
/// The same on AX210 and later parts.
pub const MAX_TFD_QUEUE_SIZE_AX210: u32 = 65536;

/// One buffer: `struct iwl_tfh_tb`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TfhTb {
    /// Bytes.
    pub tb_len: U16,
    /// Bus address.
    pub addr: U64,
}

/// One descriptor.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TfhTfd {
    /// Buffers used, in the low 5 bits.
    pub num_tbs: U16,
    /// The buffers.
    pub tbs: [TfhTb; IWL_TFH_NUM_TBS],
    pad: U32,
}

impl TfhTfd {
    /// A descriptor of up to [`IWL_TFH_NUM_TBS`] buffers; further ones are left out.
    #[must_use]
    pub fn new(buffers: &[TfhTb]) -> Self {
        let mut tfd = Self::default();
        for (tb, buffer) in tfd.tbs.iter_mut().zip(buffers) {
            *tb = *buffer;
            tfd.num_tbs += 1;
        }
        tfd
    }

    /// The buffers it uses; `None` if it claims more than there are.
    #[must_use]
    pub fn buffers(&self) -> Option<&[TfhTb]> {
        self.tbs.get(..usize::from(self.num_tbs.get() & 0x1f))
    }
}

/// Descriptors in a ring whose size is told as `TFD_QUEUE_CB_SIZE`; `None` if there are more than
/// a queue has `indices`.
#[must_use]
pub fn tfd_queue_size(cb_size: u32, indices: u32) -> Option<u32> {
    8_u32.checked_shl(cb_size).filter(|size| cb_size < 29 && *size <= indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_hardwares() {
        assert_eq!((size_of::<TfhTb>(), size_of::<TfhTfd>()), (10, 256));
        let tb = TfhTb { tb_len: 20.into(), addr: 0x1000.into() };
        assert_eq!(TfhTfd::new(&[tb; 3]).buffers().map(<[_]>::len), Some(3));
        let bad = TfhTfd { num_tbs: 0x1f.into(), ..TfhTfd::default() };
        assert!(bad.buffers().is_none());
    }

    #[test]
    fn a_ring_has_at_most_as_many_places_as_indices() {
        let size = |code| tfd_queue_size(code, MAX_TFD_QUEUE_SIZE);
        assert_eq!([0, 2, 5].map(size), [Some(8), Some(32), Some(256)]);
        assert_eq!([6, 16, 29, u32::MAX].map(size), [None; 4]);
        let size = |code| tfd_queue_size(code, MAX_TFD_QUEUE_SIZE_AX210);
        assert_eq!([4, 13, 14].map(size), [Some(128), Some(65536), None]);
    }
}
