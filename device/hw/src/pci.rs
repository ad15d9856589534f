//! PCI configuration space as these cards lay it out.
//!
//! Names: the PCI specifications, as spelled in Linux's `pci_regs.h`. Places: the cards'.

use bitflags::bitflags;

use crate::register::registers;

registers! {
    Config;
    PCI_VENDOR_ID = 0x000: ReadOnly Bytes, "vendor and device id";
    PCI_COMMAND = 0x004: ReadWrite Bytes, "command; status in the upper half";
    PCI_CLASS_REVISION = 0x008: ReadOnly Bytes, "revision and class";
    PCI_CACHE_LINE_SIZE = 0x00c: ReadWrite Bytes, "cache line size, latency timer, header type, BIST";
    PCI_BASE_ADDRESS_0 = 0x010: ReadWrite Bytes, "BAR 0, low";
    PCI_BASE_ADDRESS_1 = 0x014: ReadWrite Bytes, "BAR 0, high";
    PCI_BASE_ADDRESS_2 = 0x018: ReadOnly Bytes, "no BAR";
    PCI_BASE_ADDRESS_3 = 0x01c: ReadOnly Bytes, "no BAR";
    PCI_BASE_ADDRESS_4 = 0x020: ReadOnly Bytes, "no BAR";
    PCI_BASE_ADDRESS_5 = 0x024: ReadOnly Bytes, "no BAR";
    PCI_SUBSYSTEM_VENDOR_ID = 0x02c: ReadOnly Bytes, "subsystem vendor and id";
    PCI_ROM_ADDRESS = 0x030: ReadOnly Bytes, "no expansion ROM";
    PCI_CAPABILITY_LIST = 0x034: ReadOnly Bytes, "first capability";
    PCI_INTERRUPT_LINE = 0x03c: ReadWrite Bytes, "interrupt line and pin";
    PCI_EXP_FLAGS = 0x040: ReadOnly Bytes, "PCI Express capability";
    PCI_EXP_DEVCAP = 0x044: ReadOnly Bytes, "PCI Express device capabilities";
    PCI_EXP_DEVCTL = 0x048: ReadWrite Bytes, "PCI Express device control; status in the upper half";
    PCI_EXP_LNKCAP = 0x04c: ReadOnly Bytes, "PCI Express link capabilities";
    PCI_EXP_LNKCTL = 0x050: ReadWrite Bytes, "PCI Express link control; status in the upper half";
    PCI_EXP_DEVCAP2 = 0x064: ReadOnly Bytes, "PCI Express device capabilities 2";
    PCI_EXP_DEVCTL2 = 0x068: ReadWrite Bytes, "PCI Express device control 2";
    PCI_EXP_LNKCTL2 = 0x070: ReadWrite Bytes, "PCI Express link control 2";
    PCI_MSIX_FLAGS = 0x080: ReadWrite Bytes, "MSI-X capability; control in the upper half";
    PCI_MSIX_TABLE = 0x084: ReadOnly Bytes, "MSI-X table";
    PCI_MSIX_PBA = 0x088: ReadOnly Bytes, "MSI-X pending bits";
    PCI_PM_CAP = 0x0c8: ReadOnly Bytes, "power management capability";
    PCI_PM_CTRL = 0x0cc: ReadWrite Bytes, "power state";
    PCI_MSI_FLAGS = 0x0d0: ReadWrite Bytes, "MSI capability; control in the upper half";
    PCI_MSI_ADDRESS_LO = 0x0d4: ReadWrite Bytes, "MSI address, low";
    PCI_MSI_ADDRESS_HI = 0x0d8: ReadWrite Bytes, "MSI address, high";
    PCI_MSI_DATA_64 = 0x0dc: ReadWrite Bytes, "MSI data";
    PCI_ERR_CAP_HEADER = 0x100: ReadOnly Bytes, "advanced error reporting capability";
    PCI_ERR_UNCOR_STATUS = 0x104: WriteOneToClear Bytes, "uncorrectable errors";
    PCI_ERR_UNCOR_MASK = 0x108: ReadWrite Bytes, "uncorrectable error mask";
    PCI_ERR_UNCOR_SEVER = 0x10c: ReadWrite Bytes, "uncorrectable error severity";
    PCI_ERR_COR_STATUS = 0x110: WriteOneToClear Bytes, "correctable errors";
    PCI_ERR_COR_MASK = 0x114: ReadWrite Bytes, "correctable error mask";
    PCI_ERR_CAP = 0x118: ReadWrite Bytes, "error reporting control";
    PCI_DSN_HEADER = 0x140: ReadOnly Bytes, "device serial number capability";
    PCI_DSN_LOW = 0x144: ReadOnly Bytes, "device serial number, low";
    PCI_DSN_HIGH = 0x148: ReadOnly Bytes, "device serial number, high";
}

/// Vendor id of Intel.
pub const PCI_VENDOR_ID_INTEL: u16 = 0x8086;
/// Base class and subclass: other network controller.
pub const PCI_CLASS_NETWORK_OTHER: u16 = 0x0280;
/// Bytes of configuration space of a PCI Express function.
pub const PCI_CFG_SPACE_EXP_SIZE: usize = 4096;
/// Offset of the status half of [`PCI_COMMAND`].
pub const PCI_STATUS: u32 = 0x006;
/// Offset of the subsystem id.
pub const PCI_SUBSYSTEM_ID: u32 = 0x02e;
/// Offset of the device id.
pub const PCI_DEVICE_ID: u32 = 0x002;
/// Offset of the interrupt pin.
pub const PCI_INTERRUPT_PIN: u32 = 0x03d;
/// Offset of the device status half of [`PCI_EXP_DEVCTL`].
pub const PCI_EXP_DEVSTA: u32 = 0x04a;
/// Offset of the link status half of [`PCI_EXP_LNKCTL`].
pub const PCI_EXP_LNKSTA: u32 = 0x052;
/// Offset of the message control half of [`PCI_MSI_FLAGS`].
pub const PCI_MSI_CONTROL: u32 = 0x0d2;
/// Offset of the message control half of [`PCI_MSIX_FLAGS`].
pub const PCI_MSIX_CONTROL: u32 = 0x082;

bitflags! {
    /// Bits of [`PCI_COMMAND`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Command: u16 {
        /// Memory decoding.
        const MEMORY = 1 << 1;
        /// Bus mastering.
        const MASTER = 1 << 2;
        /// Parity error response.
        const PARITY = 1 << 6;
        /// SERR.
        const SERR = 1 << 8;
        /// No INTx.
        const INTX_DISABLE = 1 << 10;
    }
}

/// [`PCI_STATUS`]: there is a capability list.
pub const PCI_STATUS_CAP_LIST: u16 = 1 << 4;
/// BAR type: memory, 64 bits, not prefetchable.
pub const PCI_BASE_ADDRESS_MEM_TYPE_64: u32 = 0x4;
/// Capability ids.
pub mod cap_id {
    /// Power management.
    pub const PM: u8 = 0x01;
    /// MSI.
    pub const MSI: u8 = 0x05;
    /// PCI Express.
    pub const EXP: u8 = 0x10;
    /// MSI-X.
    pub const MSIX: u8 = 0x11;
    /// Extended: advanced error reporting.
    pub const EXT_ERR: u16 = 0x0001;
    /// Extended: device serial number.
    pub const EXT_DSN: u16 = 0x0003;
}
/// Power management capabilities: version 3, PME from D0, D3hot and D3cold.
pub const PM_CAPABILITIES: u16 = 0xc823;
/// [`PCI_PM_CTRL`]: the power state.
pub const PCI_PM_CTRL_STATE_MASK: u16 = 0x0003;
/// [`PCI_PM_CTRL`]: power state D3hot.
pub const PCI_D3HOT: u16 = 0x0003;
/// [`PCI_PM_CTRL`]: D3hot to D0 does not reset.
pub const PCI_PM_CTRL_NO_SOFT_RESET: u16 = 0x0008;
/// [`PCI_PM_CTRL`]: PME enable.
pub const PCI_PM_CTRL_PME_ENABLE: u16 = 0x0100;
/// [`PCI_PM_CTRL`]: PME status, write one to clear.
pub const PCI_PM_CTRL_PME_STATUS: u16 = 0x8000;
/// [`PCI_MSI_CONTROL`]: enable.
pub const PCI_MSI_FLAGS_ENABLE: u16 = 0x0001;
/// [`PCI_MSI_CONTROL`]: 64-bit addresses.
pub const PCI_MSI_FLAGS_64BIT: u16 = 0x0080;
/// [`PCI_MSIX_CONTROL`]: enable.
pub const PCI_MSIX_FLAGS_ENABLE: u16 = 0x8000;
/// [`PCI_MSIX_CONTROL`]: all vectors masked.
pub const PCI_MSIX_FLAGS_MASKALL: u16 = 0x4000;
/// [`PCI_EXP_FLAGS`]: version 2, endpoint.
pub const EXP_FLAGS_ENDPOINT_V2: u16 = 0x0002;
/// [`PCI_EXP_DEVCAP`]: 128-byte payload, role-based errors, function-level reset.
pub const EXP_DEVCAP: u32 = 0x1000_8ec0;
/// [`PCI_EXP_DEVCTL`] after reset.
pub const EXP_DEVCTL_RESET: u16 = 0x2810;
/// [`PCI_EXP_DEVCTL`]: initiates a function-level reset; reads as zero.
pub const PCI_EXP_DEVCTL_BCR_FLR: u16 = 0x8000;
/// [`PCI_EXP_DEVSTA`] after reset: auxiliary power.
pub const EXP_DEVSTA_RESET: u16 = 0x0010;
/// [`PCI_EXP_DEVSTA`]: error bits, write one to clear.
pub const EXP_DEVSTA_W1C: u16 = 0x000f;
/// [`PCI_EXP_LNKCAP`]: 2.5 GT/s, one lane, L0s and L1.
pub const EXP_LNKCAP: u32 = 0x0006_ec11;
/// [`PCI_EXP_LNKCTL`]: bits software may write.
pub const EXP_LNKCTL_WRITABLE: u16 = 0x01cb;
/// [`PCI_EXP_LNKSTA`]: 2.5 GT/s, one lane, slot clock.
pub const EXP_LNKSTA: u16 = 0x1011;
/// [`PCI_EXP_DEVCAP2`]: completion timeouts, latency tolerance.
pub const EXP_DEVCAP2: u32 = 0x0008_0812;
/// [`PCI_EXP_DEVCTL2`] after reset: completion timeout of 16 to 55 ms, latency tolerance on.
pub const EXP_DEVCTL2_RESET: u16 = 0x0405;
/// [`PCI_EXP_DEVCTL2`]: bits software may write.
pub const EXP_DEVCTL2_WRITABLE: u16 = 0x041f;
/// [`PCI_ERR_UNCOR_MASK`] and its kind: bits there are.
pub const ERR_UNCOR_BITS: u32 = 0x0017_f030;
/// [`PCI_ERR_UNCOR_SEVER`] after reset.
pub const ERR_UNCOR_SEVER_RESET: u32 = 0x0006_2030;
/// [`PCI_ERR_COR_MASK`] and its kind: bits there are.
pub const ERR_COR_BITS: u32 = 0x0000_31c1;
/// [`PCI_ERR_COR_MASK`] after reset: advisory non-fatal masked.
pub const ERR_COR_MASK_RESET: u32 = 0x0000_2000;

/// An extended capability's header.
#[must_use]
pub const fn ext_cap_header(id: u16, version: u8, next: u16) -> u32 {
    id as u32 | (version as u32) << 16 | (next as u32) << 20
}

/// [`PCI_MSIX_TABLE`]: the table, in BAR 0.
pub const MSIX_TABLE_OFFSET: u32 = 0x2000;
/// [`PCI_MSIX_PBA`]: the pending bits, in BAR 0.
pub const MSIX_PBA_OFFSET: u32 = 0x3000;
