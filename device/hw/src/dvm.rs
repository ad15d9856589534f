//! Messages of DVM firmware.
//!
//! Source: `dvm/commands.h`.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Command, response and notification ids the model gives a meaning.
pub mod id {
    #![allow(missing_docs, reason = "vendor names")]
    pub const REPLY_ALIVE: u8 = 0x01;
    pub const REPLY_ADD_STA: u8 = 0x18;
    pub const REPLY_REMOVE_STA: u8 = 0x19;
    pub const REPLY_TX: u8 = 0x1c;
    pub const REPLY_TXFIFO_FLUSH: u8 = 0x1e;
    pub const CALIBRATION_CFG_CMD: u8 = 0x65;
    pub const CALIBRATION_RES_NOTIFICATION: u8 = 0x66;
    pub const CALIBRATION_COMPLETE_NOTIFICATION: u8 = 0x67;
    pub const REPLY_SCAN_CMD: u8 = 0x80;
    pub const REPLY_SCAN_ABORT_CMD: u8 = 0x81;
    pub const SCAN_COMPLETE_NOTIFICATION: u8 = 0x84;
    pub const REPLY_STATISTICS_CMD: u8 = 0x9c;
}

/// The queue of host commands without PAN.
pub const IWL_DEFAULT_CMD_QUEUE_NUM: u8 = 4;

/// `struct iwl_alive_resp`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AliveResp {
    /// Firmware minor version.
    pub ucode_minor: u8,
    /// Firmware major version.
    pub ucode_major: u8,
    /// Reserved.
    pub reserved1: U16,
    /// Free text.
    pub sw_rev: [u8; 8],
    /// Firmware type.
    pub ver_type: u8,
    /// [`VER_SUBTYPE_INITIALIZE`], or 0 of a runtime image.
    pub ver_subtype: u8,
    /// Reserved.
    pub reserved2: U16,
    /// Event log in device memory.
    pub log_event_table_ptr: U32,
    /// Error log in device memory.
    pub error_event_table_ptr: U32,
    /// Device time.
    pub timestamp: U32,
    /// [`UCODE_VALID_OK`].
    pub is_valid: U32,
}

/// `struct iwl_error_event_table`, at [`AliveResp::error_event_table_ptr`] once the firmware has
/// failed: what the driver prints of it; the rest is left at zero.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ErrorEventTable {
    /// Entries; 0 is an empty log.
    pub valid: U32,
    /// What failed: [`SYSASSERT`].
    pub error_id: U32,
    /// Program counter.
    pub pc: U32,
    /// Branch and interrupt links.
    pub links: [U32; 4],
    /// What belongs to the error.
    pub data: [U32; 2],
    /// Line of the source.
    pub line: U32,
    times: [U32; 6],
    /// Firmware version, as [`AliveResp`] has it.
    pub ucode_ver: U32,
    /// `CSR_HW_REV`.
    pub hw_ver: U32,
    board: [U32; 4],
    /// Header of the last host command.
    pub hcmd: U32,
    rest: [U32; 14],
}

/// [`ErrorEventTable::error_id`]: an assertion of the firmware's does not hold.
pub const SYSASSERT: u32 = 0x35;
/// The driver's NMI has stopped it.
pub const NMI_INTERRUPT_HOST: u32 = 0x66;
/// What only the lists of later drivers have names for: this one prints `ADVANCED_SYSASSERT`
/// (`advanced_lookup` of `dvm/main.c`).
pub const WITHOUT_NAME: [&str; 5] = [
    "NMI_INTERRUPT_LMAC_FATAL",
    "NMI_INTERRUPT_UMAC_FATAL",
    "NMI_INTERRUPT_OTHER_LMAC_FATAL",
    "NMI_INTERRUPT_PREG",
    "PNVM_MISSING",
];

/// [`AliveResp::ver_subtype`] of an INIT image.
pub const VER_SUBTYPE_INITIALIZE: u8 = 9;
/// [`AliveResp::is_valid`].
pub const UCODE_VALID_OK: u32 = 1;

/// `struct iwl_calib_hdr`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct CalibHdr {
    /// Which calibration.
    pub op_code: u8,
    /// First group.
    pub first_group: u8,
    /// Groups.
    pub groups_num: u8,
    /// The data is valid.
    pub data_valid: u8,
}

/// Calibrations a firmware reports: DC, LO, TX IQ.
pub const CALIBRATIONS: [u8; 3] = [8, 9, 11];

/// The start of `struct iwl_scan_cmd`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanCmd {
    /// Bytes in all.
    pub len: U16,
    /// Flags.
    pub scan_flags: u8,
    /// Channels at the end.
    pub channel_count: u8,
}

/// `struct iwl_scan_channel`: one per channel, at the end of the command.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanChannel {
    /// Bit 0: active.
    pub r#type: U32,
    /// Channel number.
    pub channel: U16,
    /// Analog gain.
    pub tx_gain: u8,
    /// Digital attenuation.
    pub dsp_atten: u8,
    /// Active dwell, in TU.
    pub active_dwell: U16,
    /// Passive dwell, in TU.
    pub passive_dwell: U16,
}

/// [`id::REPLY_SCAN_CMD`]'s response: accepted.
pub const SCAN_STATUS_OK: u32 = 1;
/// [`id::REPLY_SCAN_ABORT_CMD`]'s response: will abort.
pub const CAN_ABORT_STATUS: u32 = 1;

/// `struct iwl_scancomplete_notification`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanComplete {
    /// Channels scanned.
    pub scanned_channels: u8,
    /// [`ScanComplete::COMPLETE`] or [`ScanComplete::ABORT`].
    pub status: u8,
    /// Bluetooth state.
    pub bt_status: u8,
    /// Last channel.
    pub last_channel: u8,
    /// Time, low.
    pub tsf_low: U32,
    /// Time, high.
    pub tsf_high: U32,
}

impl ScanComplete {
    /// Scanned to the end.
    pub const COMPLETE: u8 = 1;
    /// Aborted.
    pub const ABORT: u8 = 2;
}

/// Status byte of the ADD_STA and REMOVE_STA responses.
pub const STA_SUCCESS_MSK: u8 = 0x1;
/// Bytes of `struct iwl_notif_statistics`; the driver checks.
pub const NOTIF_STATISTICS_LEN: usize = 480;
/// Bytes of the flush response.
pub const TXFIFO_FLUSH_RESP_LEN: usize = 8;

/// Where `struct iwl_scan_cmd` has its transmit command, whose length is the probe request's.
pub const SCAN_CMD_TX_CMD: usize = 28;
/// Bytes of `struct iwl_scan_cmd` before the probe request; the channels follow that.
pub const SCAN_CMD_LEN: usize = 764;
/// [`id::REPLY_SCAN_CMD`]'s response: cannot fulfil.
pub const SCAN_STATUS_CANNOT: u32 = 2;
