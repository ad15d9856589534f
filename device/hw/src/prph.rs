//! The periphery, behind `HBUS_TARG_PRPH_*`.
//!
//! Source: `iwl-prph.h`. Rows: what drivers of the modelled parts touch, in normal use and
//! in their error dumps.

use crate::register::registers;

registers! {
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
    RXF_FIFO_RD_FENCE_ADDR = 0xa0_0c0c: ReadWrite, "receive FIFO dump: fence address";
    RXF_LD_FENCE_OFFSET_ADDR = 0xa0_0c10: ReadWrite, "receive FIFO dump: fence offset";
    RXF_SET_FENCE_MODE = 0xa0_0c14: ReadWrite, "receive FIFO dump: fence mode";
    RXF_LD_WR2FENCE = 0xa0_0c1c: ReadWrite, "receive FIFO dump: write to fence";
    RXF_RD_D_SPACE = 0xa0_0c40: ReadOnly, "receive FIFO dump: space";
    RXF_RD_FENCE_PTR = 0xa0_0c4c: ReadOnly, "receive FIFO dump: fence pointer";
    RXF_RD_WR_PTR = 0xa0_0c50: ReadOnly, "receive FIFO dump: write pointer";
    RXF_RD_RD_PTR = 0xa0_0c54: ReadOnly, "receive FIFO dump: read pointer";
    RXF_FIFO_RD_FENCE_INC = 0xa0_0c68: ReadWrite, "receive FIFO dump: fence increment";
    TXF_RD_PTR = 0xa0_0410: ReadOnly, "transmit FIFO dump: read pointer";
    TXF_WR_PTR = 0xa0_0414: ReadOnly, "transmit FIFO dump: write pointer";
    TXF_FENCE_PTR = 0xa0_0418: ReadOnly, "transmit FIFO dump: fence pointer";
    TXF_LOCK_FENCE = 0xa0_0424: ReadWrite, "transmit FIFO dump: lock";
    TXF_FIFO_ITEM_CNT = 0xa0_0438: ReadOnly, "transmit FIFO dump: items";
    TXF_LARC_NUM = 0xa0_043c: ReadWrite, "transmit FIFO dump: selected FIFO";
    TXF_READ_MODIFY_DATA = 0xa0_0448: ReadOnly, "transmit FIFO dump: data";
    TXF_READ_MODIFY_ADDR = 0xa0_044c: ReadWrite, "transmit FIFO dump: address";
    LMPM_PMG_EN = 0xa0_1cec: ReadWrite, "power management gating";
    DEVICE_SET_NMI_REG = 0xa0_1c30: WriteOnly, "NMI to the microcode";
    SB_CPU_1_STATUS = 0xa0_1e30: ReadOnly, "secure boot state of CPU 1";
    SB_CPU_2_STATUS = 0xa0_1e34: ReadOnly, "secure boot state of CPU 2";
    LMPM_CHICK = 0xa0_1ff8: ReadWrite, "microcode workarounds: extended address space";
    DEVICE_SYSTEM_TIME_REG = 0xa0_206c: ReadOnly, "device time";
    RSP_RADIO_CMD = 0xa0_2804: ReadWrite, "radio register access: command";
    RSP_RADIO_RDDAT = 0xa0_2814: ReadOnly, "radio register access: data";
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
    WFPM_CTRL_REG = 0xa0_3030: ReadWrite, "power manager control";
    WFPM_ARC1_PD_NOTIFICATION = 0xa0_3044: ReadOnly, "power-down state of ARC 1";
    WFMP_MAC_ADDR_0 = 0xa0_3080: ReadOnly, "MAC address from OTP, bytes 0 to 3";
    WFMP_MAC_ADDR_1 = 0xa0_3084: ReadOnly, "MAC address from OTP, bytes 4 and 5";
    SB_MODIFY_CFG_FLAG = 0xa0_3088: ReadWrite, "secure boot configuration";
    WFPM_OTP_CFG1_ADDR = 0xa0_3098: ReadOnly, "OTP configuration: jacket, CDB";
    WFPM_GP2 = 0xa0_30b4: ReadWrite, "general purpose 2, kept over resume for debugging";
    WFPM_MAC_OTP_CFG7_ADDR = 0xa0_3338: ReadOnly, "OTP configuration 7, address";
    WFPM_MAC_OTP_CFG7_DATA = 0xa0_333c: ReadOnly, "OTP configuration 7, data; the OTP minor version";
    HPM_SECONDARY_DEVICE_STATE = 0xa0_3404: ReadOnly, "secondary device state";
    HPM_DEBUG = 0xa0_3440: ReadWrite, "persistence";
    MON_BUFF_SAMPLE_CTL = 0xa0_3c00: ReadWrite, "debug monitor: sampling";
    DBGC_OUT_CTRL = 0xa0_3c0c: ReadWrite, "debug monitor: output";
    MON_BUFF_BASE_ADDR = 0xa0_3c1c: ReadWrite, "debug monitor: buffer";
    MON_BUFF_END_ADDR_VER2 = 0xa0_3c20: ReadWrite, "debug monitor: buffer end, family 8000 and on";
    MON_BUFF_WRPTR_VER2 = 0xa0_3c24: ReadWrite, "debug monitor: write pointer, family 8000 and on";
    MON_BUFF_CYCLE_CNT_VER2 = 0xa0_3c28: ReadWrite, "debug monitor: wraps, family 8000 and on";
    MON_BUFF_END_ADDR = 0xa0_3c40: ReadWrite, "debug monitor: buffer end";
    MON_BUFF_WRPTR = 0xa0_3c44: ReadWrite, "debug monitor: write pointer";
    MON_BUFF_CYCLE_CNT = 0xa0_3c48: ReadWrite, "debug monitor: wraps";
    MON_DMARB_RD_DATA_ADDR = 0xa0_3c5c: ReadOnly, "debug monitor: arbiter data";
    MON_DMARB_RD_CTL_ADDR = 0xa0_3c60: ReadWrite, "debug monitor: arbiter control";
    OSC_CLK = 0xa0_4068: ReadWrite, "oscillator";
    PREG_AUX_BUS_WPROT_0 = 0xa0_4cc0: ReadWrite, "auxiliary bus write protection";
    SHR_MISC_WFM_DTS_EN = 0xa1_0024: ReadWrite, "digital temperature sensor enable";
    SHR_APMG_XTAL_CFG_REG_PRPH = 0xa1_01c0: ReadWrite, "crystal configuration";
    SHR_APMG_DL_CFG_REG_PRPH = 0xa1_01c4: ReadWrite, "delay line configuration";
    SHR_APMG_GP1_REG_PRPH = 0xa1_01dc: ReadWrite, "shared general purpose 1";
    DTSC_CFG_MODE = 0xa1_0604: ReadWrite, "digital temperature sensor mode";
    DTSC_VREF_AVG = 0xa1_0648: ReadOnly, "digital temperature sensor reference";
    DTSC_VREF5_AVG = 0xa1_064c: ReadOnly, "digital temperature sensor reference 5";
    DTSC_PTAT_AVG = 0xa1_0650: ReadOnly, "digital temperature sensor reading";
    CNVI_AUX_MISC_CHIP = 0xa2_00b0: ReadOnly, "integrated companion's chip id; none on these cards";
    SD_REG_VER = 0xa2_9600: ReadOnly, "radio companion's version; none on these cards";
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
