//! MSI-X: causes, masks and the way from a cause to a vector. Parts from 9000 on.
//!
//! The table of vectors and the pending bits lie before and after, at
//! [`MSIX_TABLE_OFFSET`](crate::pci::MSIX_TABLE_OFFSET) and
//! [`MSIX_PBA_OFFSET`](crate::pci::MSIX_PBA_OFFSET).
//!
//! Source: `iwl-csr.h`; `pcie/gen1_2/trans.c` (`iwl_pcie_conf_msix_hw`).

use bitflags::bitflags;

use crate::register::registers;

registers! {
    Msix;
    CSR_MSIX_FH_INT_CAUSES_AD = 0x2800: WriteOneToClear, "bus-master causes: receive queues, transfers, error";
    CSR_MSIX_FH_INT_MASK_AD = 0x2804: ReadWrite (0xffff_ffff), "bus-master causes that tell nothing";
    CSR_MSIX_HW_INT_CAUSES_AD = 0x2808: WriteOneToClear, "other causes";
    CSR_MSIX_HW_INT_MASK_AD = 0x280c: ReadWrite (0xffff_ffff), "other causes that tell nothing";
    CSR_MSIX_AUTOMASK_ST_AD = 0x2810: WriteOneToClear, "vectors told of and not yet handled: they tell nothing more";
    CSR_MSIX_RX_IVAR_AD_REG[4; 4; 0; "CSR_MSIX_RX_IVAR"] = 0x2880: ReadWrite Bytes, "a byte a receive queue: its vector";
    CSR_MSIX_IVAR_AD_REG[12; 4; 0; "CSR_MSIX_IVAR"] = 0x2890: ReadWrite Bytes, "a byte a cause: its vector";
}

/// Receive queues with a cause of their own.
pub const RX_QUEUES: u8 = 16;
/// Bytes of the two IVAR tables, one after the other.
pub const IVARS: usize = 0x40;
/// In an IVAR byte: the vector.
pub const IVAR_VECTOR_MSK: u8 = 0x0f;
/// In an IVAR byte: the cause stays until software clears it.
pub const MSIX_NON_AUTO_CLEAR_CAUSE: u8 = 1 << 7;
/// Vectors of the parts that have them.
pub const VECTORS: u16 = 16;

bitflags! {
    /// Bits of [`CSR_MSIX_FH_INT_CAUSES_AD`] and [`CSR_MSIX_FH_INT_MASK_AD`]; bits 0 to 15 are
    /// the receive queues.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FhCauses: u32 {
        /// The service channel has written to the device.
        const D2S_CH0_NUM = 1 << 16;
        /// A second channel has.
        const D2S_CH1_NUM = 1 << 17;
        /// It has read from the device.
        const S2D = 1 << 19;
        /// A transfer failed.
        const FH_ERR = 1 << 21;
    }
}

bitflags! {
    /// Bits of [`CSR_MSIX_HW_INT_CAUSES_AD`] and [`CSR_MSIX_HW_INT_MASK_AD`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct HwCauses: u32 {
        /// The microcode runs.
        const ALIVE = 1 << 0;
        /// Waking up; from AX210 on, before that, the image loader has done its work.
        const WAKEUP = 1 << 1;
        /// Reset handshake done.
        const RESET_DONE = 1 << 2;
        /// The top-level error.
        const TOP_FATAL_ERR = 1 << 3;
        /// Microcode error; from Bz on.
        const SW_ERR_BZ = 1 << 5;
        /// Too hot.
        const CT_KILL = 1 << 6;
        /// The RF-kill switch toggled.
        const RF_KILL = 1 << 7;
        /// Periodic receive interrupt.
        const PERIODIC = 1 << 8;
        /// Microcode error; parts before Bz.
        const SW_ERR = 1 << 25;
        /// The scheduler advanced a queue.
        const SCD = 1 << 26;
        /// Transmit DMA.
        const FH_TX = 1 << 27;
        /// DMA hardware error.
        const HW_ERR = 1 << 29;
        /// The access point of the hardware.
        const HAP = 1 << 30;
    }
}

/// A bit of [`CSR_MSIX_HW_INT_CAUSES_AD`] that no header of the driver gives a meaning to.
pub const UNKNOWN_CAUSE: u32 = 1 << 4;

/// Where in the IVAR tables the bus-master cause of a bit has its byte, from
/// [`CSR_MSIX_RX_IVAR_AD_REG`] on: the receive queues first.
#[must_use]
pub const fn fh_ivar(bit: u32) -> usize {
    bit as usize
}

/// As [`fh_ivar`], of the other causes.
#[must_use]
pub const fn hw_ivar(bit: u32) -> usize {
    0x10 + 0x10 + bit as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `iwl_pcie_map_list` computes them: `CSR_MSIX_IVAR(bit - 16)`, `CSR_MSIX_IVAR(bit + 16)`.
    #[test]
    fn each_cause_has_its_byte() {
        let ivar = |at: usize| CSR_MSIX_RX_IVAR_AD_REG as usize + at;
        let non_rx = CSR_MSIX_IVAR_AD_REG as usize;
        assert_eq!(ivar(fh_ivar(0)), CSR_MSIX_RX_IVAR_AD_REG as usize);
        let error = FhCauses::FH_ERR.bits().trailing_zeros();
        assert_eq!(ivar(fh_ivar(error)), non_rx + 0x5);
        let software = HwCauses::SW_ERR.bits().trailing_zeros();
        assert_eq!(ivar(hw_ivar(software)), non_rx + 0x29);
        assert_eq!(ivar(hw_ivar(31)), ivar(IVARS) - 1);
    }
}
