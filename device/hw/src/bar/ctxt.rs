//! Context information, and MAC addresses: what 9000 and 22000 have in CSR beside `csr.rs`.
//!
//! Sources: `iwl-csr.h`, `pcie/iwl-context-info.h`.

/// Of 22000.
pub mod info {
    use crate::register::registers;

    registers! {
        Ctxt;
        CSR_CTXT_INFO_BA[2; 4; 0; "CSR_CTXT_INFO_BA"] = 0x040: ReadWrite, "context information in host memory: address, low and high";
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
