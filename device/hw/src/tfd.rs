//! Transmit frame descriptors of parts before 22000.
//!
//! Source: `iwl-fh.h`, `struct iwl_tfd`.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Descriptors in a transmit queue.
pub const TFD_QUEUE_SIZE: u32 = 256;
/// Buffers a descriptor can name.
pub const IWL_NUM_OF_TBS: usize = 20;

/// One buffer: an address of 36 bits and a length of 12.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TfdTb {
    /// Address, low 32 bits.
    pub lo: U32,
    /// Address, high 4 bits, below the length.
    pub hi_n_len: U16,
}

impl TfdTb {
    /// A buffer at an address below 2^36, of less than 4 KiB.
    #[must_use]
    pub fn new(address: u64, len: u16) -> Self {
        let lo = (address & 0xffff_ffff) as u32;
        let hi = ((address >> 32) & 0xf) as u16;
        Self { lo: lo.into(), hi_n_len: (len << 4 | hi).into() }
    }

    /// The bus address.
    #[must_use]
    pub fn address(self) -> u64 {
        u64::from(self.hi_n_len.get() & 0xf) << 32 | u64::from(self.lo.get())
    }

    /// Bytes, below 4096.
    #[must_use]
    pub fn len(self) -> usize {
        usize::from(self.hi_n_len.get() >> 4)
    }

    /// No bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// One descriptor.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Tfd {
    reserved: [u8; 3],
    /// Buffers used, in the low 5 bits.
    pub num_tbs: u8,
    /// The buffers.
    pub tbs: [TfdTb; IWL_NUM_OF_TBS],
    pad: U32,
}

impl Tfd {
    /// A descriptor of up to [`IWL_NUM_OF_TBS`] buffers; further ones are left out.
    #[must_use]
    pub fn new(buffers: &[TfdTb]) -> Self {
        let mut tfd = Self::default();
        for (tb, buffer) in tfd.tbs.iter_mut().zip(buffers) {
            *tb = *buffer;
            tfd.num_tbs += 1;
        }
        tfd
    }

    /// The buffers it uses; `None` if it claims more than there are.
    #[must_use]
    pub fn buffers(&self) -> Option<&[TfdTb]> {
        self.tbs.get(..usize::from(self.num_tbs & 0x1f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_hardwares() {
        assert_eq!(size_of::<Tfd>(), 128);
        let tb = TfdTb::new(0xa_1234_5678, 0xabc);
        assert_eq!((tb.address(), tb.len()), (0xa_1234_5678, 0xabc));
        assert_eq!(Tfd::new(&[tb; 2]).buffers().map(<[_]>::len), Some(2));
        let bad = Tfd { num_tbs: 0x1f, ..Tfd::default() };
        assert!(bad.buffers().is_none());
    }
}
