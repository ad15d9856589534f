//! What AX210 and later parts have of their own in the upper MAC's space.

use crate::register::registers;

registers! {
    Umac;
    RFH_GEN_STATUS_AX210 = 0xa0_7824: ReadOnly, "receive: state";
    RFH_RXF_DMA_CFG_AX210 = 0xa0_7880: ReadWrite, "receive: enable";
}

/// Fields of [`UREG_DOORBELL_TO_ISR6`](super::UREG_DOORBELL_TO_ISR6), and of `CSR_DOORBELL_VECTOR`.
pub mod doorbell {
    /// NMI.
    pub const NMI_BIT: u32 = 1 << 0;
    /// The driver wants to reset.
    pub const RESET_HANDSHAKE: u32 = 0b11;
    /// The platform's NVM is there.
    pub const PNVM: u32 = 1 << 20;
}
