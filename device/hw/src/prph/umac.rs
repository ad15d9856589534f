//! The upper MAC's registers, and multi-queue receive: parts from 9000 on.
//!
//! Drivers add an offset to these addresses on 22000 (`umac_prph_offset`), which the mask of that
//! part's decoder takes away again.
//!
//! Source: `iwl-fh.h` too. A queue's 64-bit addresses are two registers each.

use crate::register::registers;

registers! {
    Umac;
    UREG_CHICK = 0xa0_5c00: ReadWrite, "which interrupts are used: MSI or MSI-X";
    UREG_DOORBELL_TO_ISR6 = 0xa0_5c04: WriteOnly, "doorbell to the upper MAC";
    UREG_NIC_SET_NMI_DRIVER = 0xa0_5c10: WriteOnly, "NMI to the microcode";
    UREG_UMAC_CURRENT_PC = 0xa0_5c18: ReadOnly, "program counter of the upper MAC";
    UREG_LMAC1_CURRENT_PC = 0xa0_5c1c: ReadOnly, "program counter of the lower MAC";
    UREG_LMAC2_CURRENT_PC = 0xa0_5c20: ReadOnly, "program counter of the second lower MAC";
    UREG_UCODE_LOAD_STATUS = 0xa0_5c40: ReadWrite, "which sections have arrived";
    UREG_CPU_INIT_RUN = 0xa0_5c44: ReadWrite, "starts the CPU, which fetches its image by the context information";
    RFH_Q0_FRBDCB_BA_LSB[16; 8; 0; "RFH_Q_FRBDCB_BA_LSB"] = 0xa0_8000: ReadWrite, "receive queue: ring of free buffers, address, low";
    RFH_Q0_FRBDCB_BA_MSB[16; 8; 0; "RFH_Q_FRBDCB_BA_MSB"] = 0xa0_8004: ReadWrite, "receive queue: ring of free buffers, address, high";
    RFH_Q0_FRBDCB_WIDX[16; 4; 0; "RFH_Q_FRBDCB_WIDX"] = 0xa0_8080: ReadWrite, "receive queue: free ring's write index";
    RFH_Q0_FRBDCB_RIDX[16; 4; 0; "RFH_Q_FRBDCB_RIDX"] = 0xa0_80c0: ReadWrite, "receive queue: free ring's read index";
    RFH_Q0_URBDCB_BA_LSB[16; 8; 0; "RFH_Q_URBDCB_BA_LSB"] = 0xa0_8100: ReadWrite, "receive queue: ring of used buffers, address, low";
    RFH_Q0_URBDCB_BA_MSB[16; 8; 0; "RFH_Q_URBDCB_BA_MSB"] = 0xa0_8104: ReadWrite, "receive queue: ring of used buffers, address, high";
    RFH_Q0_URBDCB_WIDX[16; 4; 0; "RFH_Q_URBDCB_WIDX"] = 0xa0_8180: ReadWrite, "receive queue: used ring's write index";
    RFH_Q0_URBD_STTS_WPTR_LSB[16; 8; 0; "RFH_Q_URBD_STTS_WPTR_LSB"] = 0xa0_8200: ReadWrite, "receive queue: status in host memory, address, low";
    RFH_Q0_URBD_STTS_WPTR_MSB[16; 8; 0; "RFH_Q_URBD_STTS_WPTR_MSB"] = 0xa0_8204: ReadWrite, "receive queue: status in host memory, address, high";
    RFH_GEN_CFG = 0xa0_9800: ReadWrite, "receive: snooping, chunks, default queue";
    RFH_GEN_STATUS = 0xa0_9808: ReadOnly, "receive: state";
    RFH_RXF_RXQ_ACTIVE = 0xa0_980c: ReadWrite, "receive: queues that run";
    RFH_RXF_DMA_CFG = 0xa0_9820: ReadWrite, "receive: enable, buffer and ring sizes";
}

/// [`UREG_CHICK`]: MSI, with the causes in `CSR_INT`.
pub const UREG_CHICK_MSI_ENABLE: u32 = 1 << 24;
/// [`UREG_CHICK`]: MSI-X.
pub const UREG_CHICK_MSIX_ENABLE: u32 = 1 << 25;
