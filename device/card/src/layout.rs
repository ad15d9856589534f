//! Where the firmware keeps its tables in device memory.

/// The scheduler's tables.
pub(crate) const SCD_SRAM_BASE: u32 = 0x0080_8000;
/// The event log. DVM takes only logs below 0x80c000.
pub(crate) const EVENT_LOG: u32 = 0x0080_a000;
/// The error log.
pub(crate) const ERROR_LOG: u32 = 0x0080_b000;
/// The upper MAC's. The drivers of 6.12 and before take only logs from 0x800000 on, of family 8000.
pub(crate) const UMAC_ERROR_LOG: u32 = 0x0080_d000;
