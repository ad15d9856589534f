// SPDX-License-Identifier: GPL-2.0

//! Registers, under the vendor's names, of parts before 9000 and of 22000.
//!
//! A test of the host's crate compares names and offsets with those that the bench's card model knows
//! (`device/hw`): neither can be changed alone.

use kernel::io::register;

/// What is used of BAR 0: that of the oldest part is as large.
pub(crate) const BAR_SIZE: usize = 0x2000;

register! {
    /// Hardware interface configuration, ownership.
    pub(crate) CSR_HW_IF_CONFIG_REG(u32) @ 0x000 {
        /// Wakes the management engine to hand over.
        27:27 wake_me => bool;
        /// The driver owns the function.
        22:22 pci_own_set => bool;
        /// The driver owns the EEPROM.
        21:21 eeprom_own_sem => bool;
        /// Wake-up by the management bus.
        19:19 hap_wake => bool;
    }

    /// Interrupt causes; ones are cleared.
    pub(crate) CSR_INT(u32) @ 0x008 {
        31:0 causes;
    }

    /// Which causes interrupt.
    pub(crate) CSR_INT_MASK(u32) @ 0x00c {
        31:0 causes;
    }

    /// Causes of the bus master; ones are cleared.
    pub(crate) CSR_FH_INT_STATUS(u32) @ 0x010 {
        31:0 causes;
    }

    /// Stops and resets; zero starts the CPU of families before 8000.
    pub(crate) CSR_RESET(u32) @ 0x020 {
        9:9 stop_master => bool;
        8:8 master_disabled => bool;
        7:7 sw_reset => bool;
    }

    /// Clock, wake-up, RF-kill switch.
    pub(crate) CSR_GP_CNTRL(u32) @ 0x024 {
        /// One means that the radio may be used.
        27:27 hw_rf_kill_sw => bool;
        4:4 going_to_sleep => bool;
        3:3 mac_access_req => bool;
        2:2 init_done => bool;
        0:0 mac_clock_ready => bool;
    }

    /// Hardware type and step.
    pub(crate) CSR_HW_REV(u32) @ 0x028 {
        31:0 value;
        15:4 part;
    }

    /// EEPROM or OTP, word by word.
    pub(crate) CSR_EEPROM_REG(u32) @ 0x02c {
        31:16 data;
        /// Twice the byte address, when written.
        15:2 address;
        0:0 read_valid => bool;
    }

    /// EEPROM signature.
    pub(crate) CSR_EEPROM_GP(u32) @ 0x030 {
        2:0 signature;
    }

    /// OTP, selection and state.
    pub(crate) CSR_OTP_GP_REG(u32) @ 0x034 {
        /// Check bits tell of an error that they cannot correct, or have; ones are cleared.
        21:21 ecc_uncorr_status => bool;
        20:20 ecc_corr_status => bool;
        /// Relative addresses, not absolute ones.
        17:17 access_mode => bool;
        /// OTP, not EEPROM.
        16:16 device_select => bool;
    }

    /// Clears bits of the mailbox between driver and microcode.
    pub(crate) CSR_UCODE_DRV_GP1_CLR(u32) @ 0x05c {
        2:2 cmd_blocked => bool;
        1:1 rfkill => bool;
    }

    /// Tells the management engine that an OS runs.
    pub(crate) CSR_MBOX_SET_REG(u32) @ 0x088 {
        5:5 os_alive => bool;
    }

    /// Radio type and step.
    pub(crate) CSR_HW_RF_ID(u32) @ 0x09c {
        31:0 value;
    }

    /// PCIe link power.
    pub(crate) CSR_GIO_CHICKEN_BITS(u32) @ 0x100 {
        29:29 dis_l0s_exit_timer => bool;
        23:23 l1a_no_l0s_rx => bool;
    }

    /// Flow handler wait threshold.
    pub(crate) CSR_DBG_HPET_MEM_REG(u32) @ 0x240 {
        31:0 value;
    }

    /// The card's memory: it advances with each word.
    pub(crate) HBUS_TARG_MEM_RADDR(u32) @ 0x40c {
        31:0 value;
    }

    pub(crate) HBUS_TARG_MEM_WADDR(u32) @ 0x410 {
        31:0 value;
    }

    pub(crate) HBUS_TARG_MEM_WDAT(u32) @ 0x418 {
        31:0 value;
    }

    pub(crate) HBUS_TARG_MEM_RDAT(u32) @ 0x41c {
        31:0 value;
    }

    pub(crate) HBUS_TARG_PRPH_WADDR(u32) @ 0x444 {
        31:0 value;
    }

    pub(crate) HBUS_TARG_PRPH_RADDR(u32) @ 0x448 {
        31:0 value;
    }

    pub(crate) HBUS_TARG_PRPH_WDAT(u32) @ 0x44c {
        31:0 value;
    }

    pub(crate) HBUS_TARG_PRPH_RDAT(u32) @ 0x450 {
        31:0 value;
    }

    /// A transmit queue's write pointer: the doorbell.
    pub(crate) HBUS_TARG_WRPTR(u32) @ 0x460 {
        15:8 queue;
        7:0 index;
    }

    /// Keep-warm buffer, address >> 4.
    pub(crate) FH_KW_MEM_ADDR_REG(u32) @ 0x197c {
        31:0 value;
    }

    /// Base of the first transmit queue, address >> 8; 4 bytes on for each further one below 16.
    pub(crate) FH_MEM_CBBC_0_15_LOWER_BOUND(u32)[16, stride = 4] @ 0x19d0 {
        31:0 value;
    }

    /// Which sections of a secured image have come.
    pub(crate) FH_UCODE_LOAD_STATUS(u32) @ 0x1af0 {
        31:0 value;
    }

    /// Receive status, address >> 4.
    pub(crate) FH_RSCSR_CHNL0_STTS_WPTR_REG(u32) @ 0x1bc0 {
        31:0 value;
    }

    /// Ring of receive descriptors, address >> 8.
    pub(crate) FH_RSCSR_CHNL0_RBDCB_BASE_REG(u32) @ 0x1bc4 {
        31:0 value;
    }

    /// Receive buffers are offered up to here.
    pub(crate) FH_RSCSR_CHNL0_RBDCB_WPTR_REG(u32) @ 0x1bc8 {
        31:0 value;
    }

    pub(crate) FH_RSCSR_CHNL0_RDPTR(u32) @ 0x1bcc {
        31:0 value;
    }

    /// Receive DMA.
    pub(crate) FH_MEM_RCSR_CHNL0_CONFIG_REG(u32) @ 0x1c00 {
        31:31 dma_chnl_enable => bool;
        23:20 rbdcb_size;
        12:12 irq_dest_int_host => bool;
        11:4 rb_timeout;
        2:2 ignore_rxf_empty => bool;
    }

    pub(crate) FH_MEM_RCSR_CHNL0_RBDCB_WPTR(u32) @ 0x1c08 {
        31:0 value;
    }

    pub(crate) FH_MEM_RCSR_CHNL0_FLUSH_RB_REQ(u32) @ 0x1c10 {
        31:0 value;
    }

    /// Receive DMA, state.
    pub(crate) FH_MEM_RSSR_RX_STATUS_REG(u32) @ 0x1c44 {
        24:24 idle => bool;
    }

    /// A transmit channel; 0x20 bytes on for each further one.
    pub(crate) FH_TCSR_CHNL_TX_CONFIG_REG(u32)[10, stride = 0x20] @ 0x1d00 {
        31:31 dma_chnl_enable => bool;
        20:20 cirq_host_endtfd => bool;
        3:3 credit_enable => bool;
    }

    /// A transmit channel's buffer.
    pub(crate) FH_TCSR_CHNL_TX_BUF_STS_REG(u32)[10, stride = 0x20] @ 0x1d08 {
        31:0 value;
    }

    pub(crate) FH_TX_CHICKEN_BITS_REG(u32) @ 0x1e98 {
        1:1 scd_auto_retry_en => bool;
    }
}

/// What 22000 has in their place.
pub(crate) mod family22000 {
    use super::HBUS_TARG_WRPTR;
    use kernel::io::register;

    register! {
        /// Context information, address: low and high.
        pub(crate) CSR_CTXT_INFO_BA(u32)[2, stride = 4] @ 0x040 {
            31:0 value;
        }

        /// Latency tolerance.
        pub(crate) CSR_LTR_LONG_VAL_AD(u32) @ 0x0d4 {
            31:0 value;
        }

        /// The address that is fused: bytes 0 to 3, the first the highest.
        pub(crate) CSR_MAC_ADDR0_OTP(u32) @ 0x380 {
            31:0 value;
        }

        /// Bytes 4 and 5.
        pub(crate) CSR_MAC_ADDR1_OTP(u32) @ 0x384 {
            15:0 value;
        }

        /// The address that is strapped, or none.
        pub(crate) CSR_MAC_ADDR0_STRAP(u32) @ 0x388 {
            31:0 value;
        }

        pub(crate) CSR_MAC_ADDR1_STRAP(u32) @ 0x38c {
            15:0 value;
        }

        /// Buffers are offered up to here, to the first receive queue.
        pub(crate) RFH_Q_FRBDCB_WIDX_TRG(u32) @ 0x1c80 {
            31:0 value;
        }

        /// The doorbell has room for more queues.
        pub(crate) HBUS_TARG_WRPTR_WIDE(u32) => HBUS_TARG_WRPTR {
            31:16 queue;
            15:0 index;
        }
    }

    /// Of `CSR_LTR_LONG_VAL_AD`: 250 us, for what snoops and what does not.
    pub(crate) const LTR_250_US: u32 = 0x88fa_88fa;
}

/// The channel that loads microcode.
pub(crate) mod srvc {
    use kernel::io::register;

    /// Its number among the transmit channels.
    pub(crate) const FH_SRVC_CHNL: usize = 9;
    /// Most bytes of one transfer.
    pub(crate) const FH_MEM_TB_MAX_LENGTH: usize = 0x2_0000;

    register! {
        /// Destination in the card's memory.
        pub(crate) FH_SRVC_CHNL_SRAM_ADDR_REG(u32) @ 0x19c8 {
            31:0 value;
        }

        /// Source, low.
        pub(crate) FH_TFDIB_CTRL0_REG(u32) @ 0x1948 {
            31:0 value;
        }

        /// Source, high 4 bits, and length.
        pub(crate) FH_TFDIB_CTRL1_REG(u32) @ 0x194c {
            31:28 source;
            27:0 length;
        }
    }

    /// The buffer is valid, the first of one.
    pub(crate) const TX_BUF_STS: u32 = 1 << 20 | 1 << 12 | 3;
}

/// Bits of `CSR_INT`.
pub(crate) mod int {
    pub(crate) const FH_RX: u32 = 1 << 31;
    pub(crate) const HW_ERR: u32 = 1 << 29;
    pub(crate) const RX_PERIODIC: u32 = 1 << 28;
    pub(crate) const FH_TX: u32 = 1 << 27;
    pub(crate) const SW_ERR: u32 = 1 << 25;
    pub(crate) const RF_KILL: u32 = 1 << 7;
    pub(crate) const SW_RX: u32 = 1 << 3;
    pub(crate) const WAKEUP: u32 = 1 << 1;
    pub(crate) const ALIVE: u32 = 1 << 0;

    /// It runs no more.
    pub(crate) const FAILURES: u32 = HW_ERR | SW_ERR;
    /// While microcode is loaded.
    pub(crate) const LOADING: u32 = FH_TX;
    /// While it runs.
    pub(crate) const RUNNING: u32 =
        FH_RX | HW_ERR | RX_PERIODIC | FH_TX | SW_ERR | RF_KILL | SW_RX | WAKEUP | ALIVE;
}

/// Registers of the periphery, behind `HBUS_TARG_PRPH_*`.
pub(crate) mod prph {
    pub(crate) const APMG_CLK_EN_REG: u32 = 0x3004;
    /// `RELEASE_CPU_RESET` of family 8000.
    pub(crate) const APMG_PS_CTRL_REG: u32 = 0x300c;
    pub(crate) const APMG_PCIDEV_STT_REG: u32 = 0x3010;
    pub(crate) const APMG_RTC_INT_STT_REG: u32 = 0x301c;
    pub(crate) const SCD_SRAM_BASE_ADDR: u32 = 0xa0_2c00;
    pub(crate) const SCD_DRAM_BASE_ADDR: u32 = 0xa0_2c08;
    pub(crate) const SCD_TXFACT: u32 = 0xa0_2c10;
    /// 4 bytes on for each further queue, as the next.
    pub(crate) const SCD_QUEUE_RDPTR: u32 = 0xa0_2c68;
    pub(crate) const SCD_QUEUE_STATUS_BITS: u32 = 0xa0_2d0c;
    pub(crate) const SCD_EN_CTRL: u32 = 0xa0_2e54;
    /// Of 22000, as the next.
    pub(crate) const UREG_CHICK: u32 = 0xa0_5c00;
    pub(crate) const UREG_CPU_INIT_RUN: u32 = 0xa0_5c44;
    pub(crate) const RFH_GEN_STATUS: u32 = 0xa0_9808;
    pub(crate) const RFH_RXF_DMA_CFG: u32 = 0xa0_9820;

    pub(crate) const DMA_CLK_RQT: u32 = 0x200;
    pub(crate) const L1_ACT_DIS: u32 = 0x800;
    pub(crate) const RFKILL: u32 = 0x1000_0000;
    pub(crate) const RELEASE_CPU_RESET_BIT: u32 = 1 << 24;
    pub(crate) const UREG_CHICK_MSI_ENABLE: u32 = 1 << 24;
    pub(crate) const RXF_DMA_IDLE: u32 = 1 << 31;
    /// Of `SCD_QUEUE_STATUS_BITS`: active, the fields that follow are meant, write status level.
    pub(crate) const QUEUE_ACTIVE: u32 = 1 << 3 | 1 << 4 | 0x017f_0000;
    /// Of `SCD_QUEUE_STATUS_BITS`: not active.
    pub(crate) const QUEUE_INACTIVE: u32 = 1 << 19;
    /// Each queue's context, in the memory at `SCD_SRAM_BASE_ADDR`.
    pub(crate) const SCD_CONTEXT_MEM_LOWER_BOUND: u32 = 0x600;
    /// The end of that and of what follows it, for 31 queues.
    pub(crate) const SCD_CONTEXT_MEM_END: u32 = 0x7e0 + 4 * 16;
}
