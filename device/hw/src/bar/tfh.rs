//! Transmit of 22000, in BAR 0: where earlier parts have the flow handler.
//!
//! Source: `iwl-fh.h`.

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
