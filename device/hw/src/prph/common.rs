//! What all parts have behind `HBUS_TARG_PRPH_*`.

use crate::register::registers;

registers! {
    Prph;
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
    WFPM_CTRL_REG = 0xa0_3030: ReadWrite, "power manager control";
    WFPM_ARC1_PD_NOTIFICATION = 0xa0_3044: ReadOnly, "power-down state of ARC 1";
    WFMP_MAC_ADDR_0 = 0xa0_3080: ReadOnly, "MAC address from OTP, bytes 0 to 3";
    WFMP_MAC_ADDR_1 = 0xa0_3084: ReadOnly, "MAC address from OTP, bytes 4 and 5";
    SB_MODIFY_CFG_FLAG = 0xa0_3088: ReadWrite, "secure boot configuration";
    WFPM_OTP_CFG1_ADDR = 0xa0_3098: ReadOnly, "OTP configuration: jacket, CDB";
    WFPM_GP2 = 0xa0_30b4: ReadWrite, "general purpose 2, kept over resume for debugging";
    WFPM_MAC_OTP_CFG7_ADDR = 0xa0_3338: ReadOnly, "OTP configuration 7, address";
    WFPM_MAC_OTP_CFG7_DATA = 0xa0_333c: ReadOnly, "OTP configuration 7, data; the OTP minor version";
    WFPM_RSRCS_4PHS_REQ_STTS = 0xa0_33f8: ReadOnly, "resources that are asked for";
    WFPM_RSRCS_4PHS_ACK_STTS = 0xa0_33fc: ReadOnly, "resources that are granted";
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
    CNVI_AUX_MISC_CHIP = 0xa2_00b0: ReadOnly, "integrated companion's chip id, and the step of a Bz MAC";
    SD_REG_VER = 0xa2_9600: ReadOnly, "radio companion's version; none on these cards";
}

/// In [`WFPM_RSRCS_4PHS_REQ_STTS`] and [`WFPM_RSRCS_4PHS_ACK_STTS`]: the radio companion's top.
pub const RSRC_CNVR_TOP: u32 = 1 << 6;

/// A [`CNVI_AUX_MISC_CHIP`] (`CNVI_AUX_MISC_CHIP_PROD_TYPE_BZ_I`) whose MAC is of this step
/// (`CNVI_AUX_MISC_CHIP_MAC_STEP`).
#[must_use]
pub const fn cnvi_aux_misc_chip(step: u32) -> u32 {
    (step & 0xf) << 24 | 0x900
}
