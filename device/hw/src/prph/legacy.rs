//! Power management and the scheduler, of parts before 22000.

use crate::register::registers;

registers! {
    Scd;
    APMG_CLK_CTRL_REG = 0x3000: ReadWrite, "clock control";
    APMG_CLK_EN_REG = 0x3004: ReadWrite, "clock enable";
    APMG_CLK_DIS_REG = 0x3008: ReadWrite, "clock disable";
    APMG_PS_CTRL_REG = 0x300c: ReadWrite, "power source and reset; `RELEASE_CPU_RESET` of family 8000";
    APMG_PCIDEV_STT_REG = 0x3010: ReadWrite, "PCI device state";
    APMG_RFKILL_REG = 0x3014: ReadWrite, "RF-kill";
    APMG_RTC_INT_STT_REG = 0x301c: WriteOneToClear, "RTC interrupt causes";
    APMG_RTC_INT_MSK_REG = 0x3020: ReadWrite, "RTC interrupt mask";
    APMG_DIGITAL_SVR_REG = 0x3058: ReadWrite, "digital voltage";
    APMG_ANALOG_SVR_REG = 0x306c: ReadWrite, "analog voltage";
    SCD_SRAM_BASE_ADDR = 0xa0_2c00: ReadWrite, "scheduler tables in device memory";
    SCD_DRAM_BASE_ADDR = 0xa0_2c08: ReadWrite, "byte count tables in host memory, address >> 10";
    SCD_AIT = 0xa0_2c0c: ReadWrite, "scheduler arbitration";
    SCD_TXFACT = 0xa0_2c10: ReadWrite, "active transmit FIFOs";
    SCD_ACTIVE = 0xa0_2c14: ReadWrite, "scheduler active";
    SCD_QUEUE_WRPTR[20; 4; 0; "SCD_QUEUE_WRPTR"] = 0xa0_2c18: ReadWrite, "queue write pointer";
    SCD_QUEUE_RDPTR[20; 4; 0; "SCD_QUEUE_RDPTR"] = 0xa0_2c68: ReadWrite, "queue read pointer";
    SCD_QUEUECHAIN_SEL = 0xa0_2ce8: ReadWrite, "queues that build chains";
    SCD_INTERRUPT_MASK = 0xa0_2d08: ReadWrite, "scheduler interrupts";
    SCD_QUEUE_STATUS_BITS[20; 4; 0; "SCD_QUEUE_STATUS_BITS"] = 0xa0_2d0c: ReadWrite, "queue activation and FIFO";
    SCD_GP_CTRL = 0xa0_2da8: ReadWrite, "scheduler general control";
    SCD_CHAINEXT_EN = 0xa0_2e44: ReadWrite, "chain extension";
    SCD_AGGR_SEL = 0xa0_2e48: ReadWrite, "aggregating queues";
    SCD_EN_CTRL = 0xa0_2e54: ReadWrite, "queues the scheduler serves";
    SCD_QUEUE_WRPTR_20[12; 4; 20; "SCD_QUEUE_WRPTR"] = 0xa0_2e84: ReadWrite, "queue write pointer";
    SCD_QUEUE_RDPTR_20[12; 4; 20; "SCD_QUEUE_RDPTR"] = 0xa0_2f04: ReadWrite, "queue read pointer";
    SCD_QUEUE_STATUS_BITS_20[12; 4; 20; "SCD_QUEUE_STATUS_BITS"] = 0xa0_2f84: ReadWrite, "queue activation and FIFO";
}

/// A queue's row of `SCD_QUEUE_STATUS_BITS`.
#[must_use]
pub const fn scd_queue_status_bits(queue: u8) -> u32 {
    let queue = queue as u32;
    if queue < 20 {
        SCD_QUEUE_STATUS_BITS + 4 * queue
    } else {
        SCD_QUEUE_STATUS_BITS_20 + 4 * (queue - 20)
    }
}

/// A queue's row of `SCD_QUEUE_RDPTR`.
#[must_use]
pub const fn scd_queue_rdptr(queue: u8) -> u32 {
    let queue = queue as u32;
    if queue < 20 { SCD_QUEUE_RDPTR + 4 * queue } else { SCD_QUEUE_RDPTR_20 + 4 * (queue - 20) }
}

/// Fields of `SCD_QUEUE_STATUS_BITS`.
pub mod scd_queue_stts {
    /// The queue runs.
    pub const ACTIVE: u32 = 1 << 3;
    /// The write changes [`ACTIVE`]; without it only the other fields change.
    pub const SCD_ACT_EN: u32 = 1 << 19;
    /// Fields that a write of an active queue names.
    pub const MSK: u32 = 0x017f_0000;
    /// The write-status level.
    pub const WSL: u32 = 1 << 4;
}

/// [`APMG_PS_CTRL_REG`] on family 8000: releases the CPU's reset before the upload.
pub const RELEASE_CPU_RESET_BIT: u32 = 1 << 24;
