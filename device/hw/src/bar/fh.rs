//! The flow handler: BAR 0 from 0x1000, as parts before 22000 have it.
//!
//! Sources: `iwl-fh.h`; `FH_UCODE_LOAD_STATUS` from `iwl-prph.h`.

use crate::register::registers;

registers! {
    Fh;
    FH_TFDIB_CTRL0_REG[10; 8; 0; "FH_TFDIB_CTRL0_REG"] = 0x1900: ReadWrite, "service channel: source address, low";
    FH_TFDIB_CTRL1_REG[10; 8; 0; "FH_TFDIB_CTRL1_REG"] = 0x1904: ReadWrite, "service channel: source address, high 4 bits, and length";
    FH_TX_TRB_REG[8; 4; 0; "FH_TX_TRB_REG"] = 0x1958: ReadOnly, "transmit request buffer state";
    FH_KW_MEM_ADDR_REG = 0x197c: ReadWrite, "keep-warm buffer address";
    FH_SRVC_CHNL_SRAM_ADDR_REG[2; 4; 9; "FH_SRVC_CHNL_SRAM_ADDR_REG"] = 0x19c8: ReadWrite, "service channel: destination in device memory";
    FH_MEM_CBBC_0_15_LOWER_BOUND[16; 4; 0; "FH_MEM_CBBC_QUEUE"] = 0x19d0: ReadWrite, "transmit queue base, address >> 8";
    FH_UCODE_LOAD_STATUS = 0x1af0: ReadWrite, "which sections of a secured image have arrived";
    FH_MEM_CBBC_20_31_LOWER_BOUND[12; 4; 20; "FH_MEM_CBBC_QUEUE"] = 0x1b20: ReadWrite, "transmit queue base, address >> 8";
    FH_RSCSR_CHNL0_STTS_WPTR_REG = 0x1bc0: ReadWrite, "receive status buffer, address >> 4";
    FH_RSCSR_CHNL0_RBDCB_BASE_REG = 0x1bc4: ReadWrite, "receive descriptor ring, address >> 8";
    FH_RSCSR_CHNL0_RBDCB_WPTR_REG = 0x1bc8: ReadWrite, "receive ring write index: buffers offered up to here";
    FH_RSCSR_CHNL0_RDPTR = 0x1bcc: ReadWrite, "receive ring read index";
    FH_MEM_CBBC_16_19_LOWER_BOUND[4; 4; 16; "FH_MEM_CBBC_QUEUE"] = 0x1bf0: ReadWrite, "transmit queue base, address >> 8";
    FH_MEM_RCSR_CHNL0_CONFIG_REG = 0x1c00: ReadWrite, "receive DMA configuration and enable";
    FH_MEM_RCSR_CHNL0_RBDCB_WPTR = 0x1c08: ReadWrite, "receive ring write index, internal";
    FH_MEM_RCSR_CHNL0_FLUSH_RB_REQ = 0x1c10: ReadWrite, "flush receive buffers";
    FH_MEM_RSSR_SHARED_CTRL_REG = 0x1c40: ReadWrite, "receive shared control";
    FH_MEM_RSSR_RX_STATUS_REG = 0x1c44: ReadOnly, "receive DMA state";
    FH_MEM_RSSR_RX_ENABLE_ERR_IRQ2DRV = 0x1c48: ReadWrite, "receive error interrupt enable";
    FH_TCSR_CHNL_TX_CONFIG_REG[10; 0x20; 0; "FH_TCSR_CHNL_TX_CONFIG_REG"] = 0x1d00: ReadWrite, "transmit channel configuration and enable";
    FH_TCSR_CHNL_TX_CREDIT_REG[10; 0x20; 0; "FH_TCSR_CHNL_TX_CREDIT_REG"] = 0x1d04: ReadWrite, "transmit channel credits";
    FH_TCSR_CHNL_TX_BUF_STS_REG[10; 0x20; 0; "FH_TCSR_CHNL_TX_BUF_STS_REG"] = 0x1d08: ReadWrite, "transmit channel buffer state";
    LMPM_SECURE_UCODE_LOAD_CPU1_HDR_ADDR = 0x1e78: ReadWrite, "secured image header of CPU 1";
    LMPM_SECURE_UCODE_LOAD_CPU2_HDR_ADDR = 0x1e7c: ReadWrite, "secured image header of CPU 2";
    FH_TX_CHICKEN_BITS_REG = 0x1e98: ReadWrite, "transmit workarounds";
    FH_TSSR_TX_MSG_CONFIG_REG = 0x1ea8: ReadWrite, "transmit message configuration";
    FH_TSSR_TX_STATUS_REG = 0x1eb0: ReadOnly (0xffff_0000), "transmit channels: idle";
    FH_TSSR_TX_ERROR_REG = 0x1eb8: WriteOneToClear, "transmit errors";
}

/// The channel that loads microcode.
pub const FH_SRVC_CHNL: u32 = 9;

/// Most bytes of one service channel transfer.
pub const FH_MEM_TB_MAX_LENGTH: u32 = 0x2_0000;

/// Transmit queues (`num_of_queues`); there is one base register more.
pub const QUEUES: u8 = 31;

/// The base register of a transmit queue below [`QUEUES`].
#[must_use]
pub const fn cbbc_queue(queue: u8) -> u32 {
    let queue = queue as u32;
    if queue < 16 {
        FH_MEM_CBBC_0_15_LOWER_BOUND + 4 * queue
    } else if queue < 20 {
        FH_MEM_CBBC_16_19_LOWER_BOUND + 4 * (queue - 16)
    } else {
        FH_MEM_CBBC_20_31_LOWER_BOUND + 4 * (queue - 20)
    }
}

/// The service channel's registers.
pub mod srvc {
    use super::{
        FH_SRVC_CHNL, FH_SRVC_CHNL_SRAM_ADDR_REG, FH_TCSR_CHNL_TX_BUF_STS_REG,
        FH_TCSR_CHNL_TX_CONFIG_REG, FH_TFDIB_CTRL0_REG, FH_TFDIB_CTRL1_REG,
    };

    /// Destination in device memory.
    pub const SRAM_ADDR: u32 = FH_SRVC_CHNL_SRAM_ADDR_REG;
    /// Source, low 32 bits.
    pub const CTRL0: u32 = FH_TFDIB_CTRL0_REG + 8 * FH_SRVC_CHNL;
    /// Source, high 4 bits, and length.
    pub const CTRL1: u32 = FH_TFDIB_CTRL1_REG + 8 * FH_SRVC_CHNL;
    /// Buffer state.
    pub const BUF_STS: u32 = FH_TCSR_CHNL_TX_BUF_STS_REG + 0x20 * FH_SRVC_CHNL;
    /// Configuration: enabling it starts the transfer.
    pub const CONFIG: u32 = FH_TCSR_CHNL_TX_CONFIG_REG + 0x20 * FH_SRVC_CHNL;

    /// What `CTRL1` holds for a source address and a length.
    #[must_use]
    pub fn ctrl1(source: u64, len: u32) -> u32 {
        (((source >> 32) & 0xf) as u32) << 28 | len
    }

    /// The source address and length in `CTRL0` and `CTRL1`.
    #[must_use]
    pub fn transfer(ctrl0: u32, ctrl1: u32) -> (u64, u32) {
        (u64::from(ctrl1 >> 28) << 32 | u64::from(ctrl0), ctrl1 & 0x0fff_ffff)
    }
}

/// Fields of `FH_TCSR_CHNL_TX_CONFIG_REG`.
pub mod tx_config {
    /// The channel runs.
    pub const DMA_CHNL_ENABLE: u32 = 0x8000_0000;
    /// Interrupt at the end of a descriptor.
    pub const CIRQ_HOST_ENDTFD: u32 = 0x0010_0000;
}

/// Fields of [`FH_MEM_RCSR_CHNL0_CONFIG_REG`].
pub mod rx_config {
    /// The channel runs (the upper of its two bits).
    pub const DMA_CHNL_ENABLE: u32 = 0x8000_0000;
    /// Interrupt to the host.
    pub const IRQ_DEST_INT_HOST: u32 = 0x0000_1000;

    /// Descriptors in the ring: a power of two from 32 to 4096.
    #[must_use]
    pub fn ring_size(value: u32) -> u32 {
        1 << ((value >> 20) & 0xf).clamp(5, 12)
    }

    /// Bytes in a receive buffer.
    #[must_use]
    pub fn buffer_size(value: u32) -> u32 {
        0x1000 * (((value >> 16) & 3) + 1)
    }

    /// A running channel with a ring of 2^`log2` descriptors and buffers of 4 KiB.
    #[must_use]
    pub fn enable(log2: u32) -> u32 {
        DMA_CHNL_ENABLE | IRQ_DEST_INT_HOST | log2 << 20
    }
}

/// [`FH_MEM_RSSR_RX_STATUS_REG`]: the channel is idle.
pub const FH_RSSR_CHNL0_RX_STATUS_CHNL_IDLE: u32 = 0x0100_0000;

/// [`FH_UCODE_LOAD_STATUS`]: all sections of both CPUs have arrived.
pub const UCODE_LOAD_STATUS_DONE: u32 = 0xffff_ffff;
