//! CSR and HBUS: BAR 0 below 0x1000. What the Bz family has otherwise is in `csr_bz.rs`.
//!
//! Source: `iwl-csr.h`.

use bitflags::bitflags;

use crate::register::registers;

registers! {
    Csr;
    CSR_HW_IF_CONFIG_REG = 0x000: ReadWrite, "hardware interface configuration, ownership";
    CSR_INT_COALESCING = 0x004: ReadWrite Bytes, "interrupt coalescing timer; periodic timer in byte 1";
    CSR_INT = 0x008: WriteOneToClear, "host interrupt causes";
    CSR_INT_MASK = 0x00c: ReadWrite, "host interrupt enable";
    CSR_FH_INT_STATUS = 0x010: WriteOneToClear, "bus-master interrupt causes";
    CSR_GPIO_IN = 0x018: ReadOnly, "external chip pins";
    CSR_RESET = 0x020: ReadWrite, "bus-master stop, NMI, software reset, CPU release";
    CSR_HW_REV = 0x028: ReadOnly, "hardware type and step";
    CSR_GP_UCODE_REG = 0x048: ReadWrite, "microcode general purpose";
    CSR_GP_DRIVER_REG = 0x050: ReadWrite, "driver general purpose: radio variant";
    CSR_UCODE_DRV_GP1 = 0x054: ReadWrite, "driver and microcode mailbox 1";
    CSR_UCODE_DRV_GP1_SET = 0x058: WriteOnly, "sets bits of mailbox 1";
    CSR_UCODE_DRV_GP1_CLR = 0x05c: WriteOnly, "clears bits of mailbox 1";
    CSR_UCODE_DRV_GP2 = 0x060: ReadWrite, "driver and microcode mailbox 2";
    CSR_MBOX_SET_REG = 0x088: ReadWrite, "tells the management engine that the OS is alive";
    CSR_LED_REG = 0x094: ReadWrite, "LED";
    CSR_HW_RF_ID = 0x09c: ReadOnly, "radio type and step";
    CSR_DRAM_INT_TBL_REG = 0x0a0: ReadWrite, "interrupt cause table in host memory (ICT)";
    CSR_MAC_SHADOW_REG_CTRL = 0x0a8: ReadWrite, "which registers are shadowed while asleep";
    CSR_MAC_SHADOW_REG_CTL2 = 0x0ac: ReadWrite, "which registers are shadowed while asleep, 2";
    CSR_LTR_LONG_VAL_AD = 0x0d4: ReadWrite, "latency tolerance";
    CSR_LTR_LAST_MSG = 0x0dc: ReadOnly, "last latency message sent";
    HEEP_CTRL_WRD_PCIEX_CTRL_REG = 0x0ec: ReadWrite, "shared register access: address and direction";
    HEEP_CTRL_WRD_PCIEX_DATA_REG = 0x0f4: ReadWrite, "shared register access: data";
    CSR_GIO_CHICKEN_BITS = 0x100: ReadWrite, "PCIe link power workarounds";
    CSR_HOST_CHICKEN = 0x204: ReadWrite, "host interface workarounds";
    CSR_ANA_PLL_CFG = 0x20c: ReadWrite, "analog PLL";
    CSR_MONITOR_CFG_REG = 0x214: ReadWrite, "resource monitor configuration";
    CSR_MONITOR_STATUS_REG = 0x228: ReadOnly, "resource monitor state";
    CSR_HW_REV_WA_REG = 0x22c: ReadOnly, "hardware step, for workarounds";
    CSR_DBG_HPET_MEM_REG = 0x240: ReadWrite, "flow handler wait threshold";
    CSR_DBG_LINK_PWR_MGMT_REG = 0x250: ReadWrite, "link clock gating";
    HBUS_TARG_MEM_RADDR = 0x40c: ReadWrite, "device memory: read address, advances by 4";
    HBUS_TARG_MEM_WADDR = 0x410: ReadWrite, "device memory: write address, advances by 4";
    HBUS_TARG_MEM_WDAT = 0x418: WriteOnly, "device memory: write data";
    HBUS_TARG_MEM_RDAT = 0x41c: ReadOnly, "device memory: read data";
    HBUS_TARG_MBX_C = 0x430: ReadWrite, "mailbox C: command-blocked handshake";
    HBUS_TARG_PRPH_WADDR = 0x444: ReadWrite, "periphery: write address";
    HBUS_TARG_PRPH_RADDR = 0x448: ReadWrite, "periphery: read address";
    HBUS_TARG_PRPH_WDAT = 0x44c: WriteOnly, "periphery: write data";
    HBUS_TARG_PRPH_RDAT = 0x450: ReadOnly, "periphery: read data";
    HBUS_TARG_TEST_REG = 0x45c: ReadWrite, "debug monitor enable";
}

/// Which MAC a [`CSR_HW_REV`] is of (`CSR_HW_REV_TYPE`).
#[must_use]
pub const fn hw_rev_type(hw_rev: u32) -> u32 {
    (hw_rev & 0xf_fff0) >> 4
}

/// Bz: the companion tells its step (`IWL_CFG_MAC_TYPE_BZ`).
pub const MAC_TYPE_BZ: u32 = 0x46;
/// The first part of Wi-Fi 7, one of its own (`IWL_CFG_MAC_TYPE_GL`).
pub const MAC_TYPE_GL: u32 = 0x47;
/// As [`MAC_TYPE_BZ`] (`IWL_CFG_MAC_TYPE_BZ_W`).
pub const MAC_TYPE_BZ_W: u32 = 0x4b;

/// The step of that MAC (`CSR_HW_REV_STEP_DASH`), where the register has it.
#[must_use]
pub const fn hw_rev_step(hw_rev: u32) -> u32 {
    hw_rev & 0xf
}

/// What the Bz family has something else in the place of.
mod before_bz {
    use crate::register::registers;

    registers! {
        Csr;
        CSR_GP_CNTRL = 0x024: ReadWrite, "clock, wake-up, RF-kill switch";
        CSR_EEPROM_REG = 0x02c: ReadWrite, "EEPROM/OTP word access";
        CSR_EEPROM_GP = 0x030: ReadWrite, "EEPROM signature and owner";
        CSR_OTP_GP_REG = 0x034: ReadWrite, "OTP selection and ECC state";
        CSR_GIO_REG = 0x03c: ReadWrite, "PCIe link power";
        HBUS_TARG_WRPTR = 0x460: WriteOnly, "transmit queue write pointer: the doorbell";
    }
}

pub(crate) use before_bz::ROWS as ROWS_BEFORE_BZ;
pub use before_bz::{
    CSR_EEPROM_GP, CSR_EEPROM_REG, CSR_GIO_REG, CSR_GP_CNTRL, CSR_OTP_GP_REG, HBUS_TARG_WRPTR,
};

/// Byte of [`CSR_INT_COALESCING`] with the periodic interrupt's timer.
pub const CSR_INT_PERIODIC_REG: u32 = 0x005;

bitflags! {
    /// Bits of [`CSR_HW_IF_CONFIG_REG`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct HwIfConfig: u32 {
        /// MAC step and dash, from `CSR_HW_REV`.
        const MSK_MAC_STEP_DASH = 0x0000_000f;
        /// MAC silicon.
        const BIT_MAC_SI = 0x0000_0100;
        /// Radio silicon.
        const BIT_RADIO_SI = 0x0000_0200;
        /// Wake-up by the management bus.
        const HAP_WAKE = 0x0008_0000;
        /// The driver owns the EEPROM.
        const EEPROM_OWN_SEM = 0x0020_0000;
        /// The driver owns the function; "NIC ready" of older headers.
        const PCI_OWN_SET = 0x0040_0000;
        /// Wakes the management engine to hand over; "prepare" of older headers.
        const WAKE_ME = 0x0800_0000;
    }
}

bitflags! {
    /// Bits of [`CSR_INT`] and [`CSR_INT_MASK`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Int: u32 {
        /// Received packets, command responses.
        const FH_RX = 1 << 31;
        /// DMA hardware error.
        const HW_ERR = 1 << 29;
        /// Periodic receive interrupt.
        const RX_PERIODIC = 1 << 28;
        /// Transmit DMA: a microcode section arrived.
        const FH_TX = 1 << 27;
        /// The scheduler advanced a queue.
        const SCD = 1 << 26;
        /// Microcode error.
        const SW_ERR = 1 << 25;
        /// The RF-kill switch toggled.
        const RF_KILL = 1 << 7;
        /// Too hot.
        const CT_KILL = 1 << 6;
        /// Received packets, by software.
        const SW_RX = 1 << 3;
        /// Reset handshake done.
        const RESET_DONE = 1 << 2;
        /// Waking up.
        const WAKEUP = 1 << 1;
        /// The microcode runs.
        const ALIVE = 1 << 0;
    }
}

/// A bit of [`CSR_INT`] that no header of the driver gives a meaning to, and that fits an entry
/// of the interrupt cause table.
pub const UNKNOWN_CAUSE: u32 = 1 << 4;

impl Int {
    /// These causes as an entry of the interrupt cause table: the middle half is left out.
    #[must_use]
    pub fn ict_entry(self) -> u32 {
        let bits = self.bits();
        (bits & 0xff) | ((bits >> 16) & 0xff00)
    }
}

bitflags! {
    /// Bits of [`CSR_FH_INT_STATUS`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FhInt: u32 {
        /// Error.
        const ERR = 1 << 31;
        /// High-priority receive.
        const HI_PRIOR = 1 << 30;
        /// Receive channel 1.
        const RX_CHNL1 = 1 << 17;
        /// Receive channel 0.
        const RX_CHNL0 = 1 << 16;
        /// Transmit channel 1.
        const TX_CHNL1 = 1 << 1;
        /// Transmit channel 0.
        const TX_CHNL0 = 1 << 0;
    }
}

bitflags! {
    /// Bits of [`CSR_RESET`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Reset: u32 {
        /// NMI to the microcode.
        const FORCE_NMI = 0x0000_0002;
        /// Resets everything behind BAR 0.
        const SW_RESET = 0x0000_0080;
        /// Bus mastering has stopped.
        const MASTER_DISABLED = 0x0000_0100;
        /// Stop bus mastering.
        const STOP_MASTER = 0x0000_0200;
    }
}

bitflags! {
    /// Bits of [`CSR_GP_CNTRL`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GpCntrl: u32 {
        /// The MAC is powered, its internals can be reached.
        const MAC_CLOCK_READY = 0x0000_0001;
        /// Full operation.
        const INIT_DONE = 0x0000_0004;
        /// Keep the MAC awake.
        const MAC_ACCESS_REQ = 0x0000_0008;
        /// The MAC enters a sleep state.
        const GOING_TO_SLEEP = 0x0000_0010;
        /// Crystal on.
        const XTAL_ON = 0x0000_0400;
        /// Wakes from L1a on RF-kill.
        const RFKILL_WAKE_L1A_EN = 0x0400_0000;
        /// The RF-kill switch: one means that the radio may be used.
        const HW_RF_KILL_SW = 0x0800_0000;
    }
}

bitflags! {
    /// Bits of [`CSR_GP_CNTRL`](crate::csr_bz::CSR_GP_CNTRL) of the Bz family, beside [`GpCntrl::HW_RF_KILL_SW`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GpCntrlBz: u32 {
        /// Full operation.
        const MAC_INIT = 1 << 6;
        /// Starts the ROM, which fetches the image.
        const ROM_START = 1 << 7;
        /// The MAC is powered, its internals can be reached.
        const MAC_STATUS = 1 << 20;
        /// Keep the MAC awake.
        const BZ_MAC_ACCESS_REQ = 1 << 21;
        /// Bus mastering has stopped.
        const BUS_MASTER_DISABLE_STATUS = 1 << 28;
        /// Stop bus mastering.
        const BUS_MASTER_DISABLE_REQ = 1 << 29;
        /// Resets everything behind BAR 0.
        const SW_RESET = 1 << 31;
    }
}

/// Bits of [`CSR_EEPROM_REG`].
pub mod eeprom_reg {
    /// The data is valid.
    pub const READ_VALID: u32 = 0x0000_0001;
    /// The word's byte address, shifted left by one.
    pub const ADDR_MSK: u32 = 0x0000_fffc;
    /// Where the data begins.
    pub const DATA_SHIFT: u32 = 16;

    /// The byte address that a write asks for.
    #[must_use]
    pub fn address(written: u32) -> u32 {
        (written & ADDR_MSK) >> 1
    }

    /// What to write to read the word at a byte address.
    #[must_use]
    pub fn request(address: u32) -> u32 {
        (address << 1) & ADDR_MSK
    }
}

/// Values of [`CSR_EEPROM_GP`]'s signature field.
pub mod eeprom_gp {
    /// The signature field.
    pub const VALID_MSK: u32 = 0x0000_0007;
    /// No valid EEPROM, valid OTP.
    pub const BAD_SIG_EEP_GOOD_SIG_OTP: u32 = 0x0000_0001;
    /// A valid EEPROM of less than 4 kbit.
    pub const GOOD_SIG_EEP_LESS_THAN_4K: u32 = 0x0000_0002;
    /// Who may use the interface.
    pub const IF_OWNER_MSK: u32 = 0x0000_0180;
}

/// Bits of [`CSR_OTP_GP_REG`].
pub mod otp_gp {
    /// OTP, not EEPROM.
    pub const DEVICE_SELECT: u32 = 0x0001_0000;
    /// Relative, not absolute, addressing.
    pub const OTP_ACCESS_MODE: u32 = 0x0002_0000;
    /// Error corrected; write one to clear.
    pub const ECC_CORR_STATUS: u32 = 0x0010_0000;
    /// Error not corrected; write one to clear.
    pub const ECC_UNCORR_STATUS: u32 = 0x0020_0000;
}

/// Fields of [`CSR_DRAM_INT_TBL_REG`].
pub mod dram_int_tbl {
    /// The table is used.
    pub const ENABLE: u32 = 1 << 31;
    /// The device writes its pointer.
    pub const WRITE_POINTER: u32 = 1 << 28;
    /// The device checks for wrap-around.
    pub const WRAP_CHECK: u32 = 1 << 27;
    /// Address bits 12 and up.
    pub const ADDR_MSK: u32 = 0x00ff_ffff;
    /// The table's alignment, as a shift.
    pub const ADDR_SHIFT: u32 = 12;
    /// Entries, of 4 bytes each.
    pub const ENTRIES: u32 = 1024;

    /// The table's bus address.
    #[must_use]
    pub fn address(value: u32) -> u64 {
        u64::from(value & ADDR_MSK) << ADDR_SHIFT
    }

    /// What to write to enable a table at a bus address.
    #[must_use]
    pub fn enable(address: u64) -> u32 {
        let frame = u32::try_from(address >> ADDR_SHIFT).unwrap_or(u32::MAX) & ADDR_MSK;
        ENABLE | WRITE_POINTER | WRAP_CHECK | frame
    }
}

/// Fields of the periphery address registers: the upper byte is the access size.
pub mod prph_addr {
    /// Four bytes.
    pub const DWORD: u32 = 3 << 24;
    /// The address.
    pub const ADDR_MSK: u32 = 0x00ff_ffff;
}

/// Fields of [`HEEP_CTRL_WRD_PCIEX_CTRL_REG`].
pub mod heep {
    /// Direction: read.
    pub const READ: u32 = 2;
    /// Direction: write.
    pub const WRITE: u32 = 3;
    /// Shared registers, as the periphery addresses them (`SHR_BASE`).
    const SHR_BASE: u32 = 0x00a1_0000;

    /// [`READ`], [`WRITE`], or neither.
    #[must_use]
    pub fn direction(value: u32) -> u32 {
        (value >> 28) & 3
    }

    /// The register's address in the periphery.
    #[must_use]
    pub fn periphery_address(value: u32) -> u32 {
        SHR_BASE + (value & 0xffff)
    }
}

/// Fields of [`HBUS_TARG_WRPTR`] before 22000.
pub mod wrptr {
    /// The queue in a written value.
    #[must_use]
    pub fn queue(value: u32) -> u32 {
        value >> 8
    }

    /// The index in a written value.
    #[must_use]
    pub fn index(value: u32) -> u8 {
        (value & 0xff) as u8
    }

    /// What to write for a queue and index.
    #[must_use]
    pub fn value(queue: u8, index: u8) -> u32 {
        u32::from(queue) << 8 | u32::from(index)
    }
}

/// Fields of [`HBUS_TARG_WRPTR`] from 22000 on.
pub mod wrptr_wide {
    /// The queue in a written value.
    #[must_use]
    pub fn queue(value: u32) -> u32 {
        value >> 16
    }

    /// The index in a written value.
    #[must_use]
    pub fn index(value: u32) -> u16 {
        (value & 0xffff) as u16
    }

    /// From here on the queues are those of receive; Bz family.
    pub const RX_QUEUES: u32 = 512;

    /// What to write for a queue and index.
    #[must_use]
    pub fn value(queue: u8, index: u16) -> u32 {
        u32::from(queue) << 16 | u32::from(index)
    }
}
