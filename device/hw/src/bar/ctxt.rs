//! Context information, and MAC addresses: what parts from 9000 on have in CSR beside `csr.rs`.
//!
//! Sources: `iwl-csr.h`, `pcie/iwl-context-info.h`.

/// Of 22000.
pub mod info {
    use crate::register::registers;

    registers! {
        Ctxt;
        CSR_CTXT_INFO_BA[2; 4; 0; "CSR_CTXT_INFO_BA"] = 0x040: ReadWrite, "context information in host memory: address, low and high";
    }

    use zerocopy::little_endian::{U16, U32, U64};
    use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

    /// Sections that each part of an image can have (`IWL_MAX_DRAM_ENTRY`).
    pub const SECTIONS: usize = 64;

    /// `struct iwl_context_info`, up to what a driver leaves empty.
    #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub struct ContextInfo {
        /// The silicon that it is for.
        pub mac_id: U16,
        /// Version of the structure.
        pub version: U16,
        /// Its size, in units of 4 bytes.
        pub size: U16,
        reserved0: U16,
        /// Formats and sizes; see [`rb_cb_size`] and [`rb_size`].
        pub control_flags: U32,
        reserved1: [U32; 3],
        /// Receive queue 0: ring of free buffers.
        pub free_rbd_addr: U64,
        /// Ring of used buffers.
        pub used_rbd_addr: U64,
        /// Status.
        pub status_wr_ptr: U64,
        /// Ring of the command queue.
        pub cmd_queue_addr: U64,
        /// Its size: see [`tfd_queue_size`](crate::tfh::tfd_queue_size).
        pub cmd_queue_size: u8,
        reserved2: [u8; 7],
        reserved3: [U32; 4],
        /// Core dump, early debugging, platform NVM: an address and a size each.
        pub others: [[U64; 2]; 3],
        reserved4: [U32; 16],
        /// Sections of the upper MAC: addresses.
        pub umac_img: [U64; SECTIONS],
        /// Sections of the lower MAC.
        pub lmac_img: [U64; SECTIONS],
        /// Pages of the image that are fetched when they are needed.
        pub virtual_img: [U64; SECTIONS],
    }

    /// Descriptors in a receive ring, of [`ContextInfo::control_flags`].
    #[must_use]
    pub fn rb_cb_size(control_flags: u32) -> u32 {
        crate::rfh::ring_size(control_flags >> 4)
    }

    /// Bytes in a receive buffer, of [`ContextInfo::control_flags`].
    #[must_use]
    pub fn rb_size(control_flags: u32) -> u32 {
        crate::rfh::buffer_size(control_flags >> 9)
    }

    /// [`ContextInfo::control_flags`] of rings of 2^`log2` buffers of 4 KiB.
    #[must_use]
    pub fn control_flags(log2: u32) -> u32 {
        const TFD_FORMAT_LONG: u32 = 1 << 8;
        const RB_SIZE_4K: u32 = 4;
        TFD_FORMAT_LONG | log2 << 4 | RB_SIZE_4K << 9
    }

    #[cfg(test)]
    mod tests {
        use std::mem::offset_of;

        use super::*;

        #[test]
        fn layout_is_the_drivers() {
            assert_eq!(offset_of!(ContextInfo, control_flags), 8);
            assert_eq!(offset_of!(ContextInfo, free_rbd_addr), 24);
            assert_eq!(offset_of!(ContextInfo, cmd_queue_addr), 48);
            assert_eq!(offset_of!(ContextInfo, umac_img), 192);
            assert_eq!(size_of::<ContextInfo>(), 192 + 3 * 8 * SECTIONS);
            let flags = control_flags(11);
            assert_eq!((rb_cb_size(flags), rb_size(flags)), (2048, 0x1000));
        }
    }
}

/// Of AX210 and later parts: the image loader (IML) fetches the image.
pub mod info_v2 {
    use crate::register::registers;

    registers! {
        Ctxt;
        CSR_CTXT_INFO_ADDR[2; 4; 0; "CSR_CTXT_INFO_ADDR"] = 0x118: ReadWrite, "context information in host memory: address, low and high";
        CSR_IML_DATA_ADDR[2; 4; 0; "CSR_IML_DATA_ADDR"] = 0x120: ReadWrite, "image loader in host memory: address, low and high";
        CSR_IML_SIZE_ADDR = 0x128: ReadWrite, "image loader: bytes";
        CSR_IML_RESP_ADDR = 0x12c: ReadOnly, "image loader: its answer";
    }

    use zerocopy::little_endian::{U16, U32, U64};
    use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

    use super::info::SECTIONS;

    /// `struct iwl_context_info_v2`.
    #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub struct ContextInfoV2 {
        /// Version of the structure.
        pub version: U16,
        /// Its size, in units of 4 bytes.
        pub size: U16,
        /// Reserved.
        pub config: U32,
        /// What the device tells of its state: `struct iwl_prph_info`.
        pub prph_info_base_addr: U64,
        /// Status of receive queue 0.
        pub cr_head_idx_arr_base_addr: U64,
        /// Indices that nobody uses.
        pub others: [U64; 3],
        sizes: [U16; 2],
        /// Ring of the command queue.
        pub mtr_base_addr: U64,
        /// Receive queue 0: ring of used buffers.
        pub mcr_base_addr: U64,
        /// Size of the command queue: see [`tfd_queue_size`](crate::tfh::tfd_queue_size).
        pub mtr_size: U16,
        /// Size of the receive rings: a power of two.
        pub mcr_size: U16,
        vectors: [U16; 4],
        headers: [u8; 4],
        flags: [U16; 2],
        /// [`PrphScratch`] in host memory.
        pub prph_scratch_base_addr: U64,
        /// Bytes of it.
        pub prph_scratch_size: U32,
        reserved: U32,
    }

    /// A piece of host memory.
    #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub struct Region {
        /// Address.
        pub base_addr: U64,
        /// Bytes.
        pub size: U32,
        reserved: U32,
    }

    /// `struct iwl_prph_scratch`, without the sections of its last version.
    #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
    #[repr(C)]
    pub struct PrphScratch {
        version: [U16; 4],
        /// Formats and sizes; see [`rb_size`].
        pub control_flags: U32,
        /// More of them.
        pub control_flags_ext: U32,
        /// The platform's NVM, once the driver has it.
        pub pnvm_cfg: Region,
        /// Debug monitor.
        pub hwm_cfg: Region,
        /// Receive queue 0: ring of free buffers.
        pub free_rbd_addr: U64,
        reserved0: U32,
        /// Power tables of the platform.
        pub reduce_power_cfg: Region,
        reserved1: [U32; 12],
        /// Sections of the upper MAC: addresses.
        pub umac_img: [U64; SECTIONS],
        /// Sections of the lower MAC.
        pub lmac_img: [U64; SECTIONS],
        /// Pages of the image that are fetched when they are needed.
        pub virtual_img: [U64; SECTIONS],
    }

    /// Where [`PrphScratch::pnvm_cfg`] is in it.
    pub const PNVM_CFG: u64 = 16;
    /// Where `struct iwl_prph_info` has `sleep_notif`: one of the two below.
    pub const SLEEP_NOTIF: u64 = 8;
    /// The firmware is ready for the host's suspend.
    pub const IWL_D3_SLEEP_STATUS_SUSPEND: u32 = 0xd3;
    /// It has heard that the host has resumed.
    pub const IWL_D3_SLEEP_STATUS_RESUME: u32 = 0xd0;

    const RB_SIZE_4K: u32 = 1 << 16;

    /// Bytes in a receive buffer, of [`PrphScratch::control_flags`].
    #[must_use]
    pub fn rb_size(control_flags: u32) -> u32 {
        match control_flags >> 20 & 0xf {
            8 => 0x2000,
            9 => 0x3000,
            10 => 0x4000,
            _ if control_flags & RB_SIZE_4K != 0 => 0x1000,
            _ => 0x800,
        }
    }

    /// [`PrphScratch::control_flags`] of buffers of 4 KiB.
    #[must_use]
    pub fn control_flags() -> u32 {
        const MTR_MODE_256B: u32 = 0xe_0000;
        RB_SIZE_4K | MTR_MODE_256B
    }

    #[cfg(test)]
    mod tests {
        use std::mem::offset_of;

        use super::*;

        #[test]
        fn layout_is_the_drivers() {
            assert_eq!(offset_of!(ContextInfoV2, mtr_base_addr), 52);
            assert_eq!(offset_of!(ContextInfoV2, mcr_size), 70);
            assert_eq!(offset_of!(ContextInfoV2, prph_scratch_base_addr), 88);
            assert_eq!(size_of::<ContextInfoV2>(), 104);
            assert_eq!(offset_of!(PrphScratch, pnvm_cfg) as u64, PNVM_CFG);
            assert_eq!(offset_of!(PrphScratch, free_rbd_addr), 48);
            assert_eq!(offset_of!(PrphScratch, umac_img), 124);
            assert_eq!(size_of::<PrphScratch>(), 1660);
            assert_eq!([0, control_flags(), 8 << 20].map(rb_size), [0x800, 0x1000, 0x2000]);
        }
    }
}

/// Of 9000 to AX210.
pub mod mac_addr {
    use crate::register::registers;

    registers! {
        Ctxt;
        CSR_MAC_ADDR0_OTP = 0x380: ReadOnly, "MAC address from OTP, bytes 0 to 3, the first the highest";
        CSR_MAC_ADDR1_OTP = 0x384: ReadOnly, "MAC address from OTP, bytes 4 and 5";
        CSR_MAC_ADDR0_STRAP = 0x388: ReadOnly, "MAC address by strap, bytes 0 to 3; zero if none";
        CSR_MAC_ADDR1_STRAP = 0x38c: ReadOnly, "MAC address by strap, bytes 4 and 5; zero if none";
    }
}
