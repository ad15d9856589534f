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
    /// The host suspends (AX210; later parts have [`CSR_IPC_SLEEP_CONTROL`](crate::csr_bz::CSR_IPC_SLEEP_CONTROL)).
    pub const SUSPEND: u32 = 1 << 18;
    /// It has resumed.
    pub const RESUME: u32 = 1 << 19;
    /// The platform's NVM is there.
    pub const PNVM: u32 = 1 << 20;
}
