//! What the Bz family has in CSR otherwise than others, or beside them.
//!
//! Source: `iwl-csr.h`.

use crate::register::registers;

registers! {
    CsrBz;
    CSR_GP_CNTRL = 0x024: ReadWrite, "clock, wake-up, RF-kill switch, reset, start; of other bits";
    CSR_FUNC_SCRATCH = 0x02c: ReadWrite, "scratch, for debugging";
    CSR_IPC_SLEEP_CONTROL = 0x114: ReadWrite, "what the host does: it suspends, or has resumed";
    CSR_DOORBELL_VECTOR = 0x130: WriteOnly, "doorbell to the upper MAC";
    HBUS_TARG_WRPTR = 0x460: WriteOnly, "write pointer of a transmit or receive queue: the doorbell";
}

/// Values of [`CSR_IPC_SLEEP_CONTROL`].
pub mod sleep_control {
    /// The host suspends.
    pub const SUSPEND: u32 = 3;
    /// It has resumed.
    pub const RESUME: u32 = 0;
}

/// Where its MAC addresses are.
pub mod mac_addr {
    use crate::register::registers;

    registers! {
        Ctxt;
        CSR_MAC_ADDR0_OTP_BZ = 0x030: ReadOnly, "MAC address from OTP, bytes 0 to 3, the first the highest";
        CSR_MAC_ADDR1_OTP_BZ = 0x034: ReadOnly, "MAC address from OTP, bytes 4 and 5";
        CSR_MAC_ADDR0_STRAP_BZ = 0x038: ReadOnly, "MAC address by strap, bytes 0 to 3; zero if none";
        CSR_MAC_ADDR1_STRAP_BZ = 0x03c: ReadOnly, "MAC address by strap, bytes 4 and 5; zero if none";
    }
}
