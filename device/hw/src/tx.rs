//! Transmit commands and their responses: DVM, and MVM up to the 9000 family, agree.
//!
//! Sources: `dvm/commands.h` (`struct iwl_tx_cmd`, `struct iwlagn_tx_resp`), `fw/api/tx.h`
//! (`struct iwl_tx_cmd_v6_params`, `struct iwl_tx_resp_v3`).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Starts a transmit command, after the header; the 802.11 frame follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxCmd {
    /// Bytes of the frame.
    pub len: U16,
    /// Next frame's length, or offload bits.
    pub offload_assist: U16,
    /// Flags.
    pub tx_flags: U32,
    /// For the firmware.
    pub scratch: U32,
    /// Rate.
    pub rate_n_flags: U32,
    /// Station.
    pub sta_id: u8,
    /// Security.
    pub sec_ctl: u8,
    /// Start in the rate table.
    pub initial_rate_index: u8,
    /// Reserved.
    pub reserved2: u8,
    /// Key.
    pub key: [u8; 16],
    /// Next frame, or reserved.
    pub reserved3: U32,
    /// Lifetime.
    pub life_time: U32,
    /// Where the scratch is, low.
    pub dram_lsb_ptr: U32,
    /// Where the scratch is, high.
    pub dram_msb_ptr: u8,
    /// RTS retries.
    pub rts_retry_limit: u8,
    /// Data retries.
    pub data_retry_limit: u8,
    /// Traffic id.
    pub tid_tspec: u8,
    /// Power management.
    pub pm_frame_timeout: U16,
    /// Reserved.
    pub reserved4: U16,
}

/// The fixed part of an 802.11 header.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FrameHeader {
    /// Type and flags.
    pub frame_control: U16,
    /// Duration.
    pub duration: U16,
    /// Receiver.
    pub addr1: [u8; 6],
    /// Transmitter.
    pub addr2: [u8; 6],
    /// Third address.
    pub addr3: [u8; 6],
    /// Sequence.
    pub seq_ctrl: U16,
}

impl FrameHeader {
    /// The receiver is a group: nobody acknowledges.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.addr1[0] & 1 != 0
    }
}

/// Starts the response to one frame.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxRespHead {
    /// 1: no aggregation.
    pub frame_count: u8,
    /// Blocked by Bluetooth.
    pub bt_kill_count: u8,
    /// RTS failures.
    pub failure_rts: u8,
    /// Frame failures.
    pub failure_frame: u8,
    /// Rate.
    pub initial_rate: U32,
    /// Microseconds.
    pub wireless_media_time: U16,
    /// Power amplifier, not used.
    pub pa_status: u8,
    /// Power amplifier, not used.
    pub pa_integ_res: [u8; 9],
}

/// What MVM has between [`TxRespHead`] and [`TxRespTail`]: measurement id, power reduction.
pub const MVM_TX_RESP_MIDDLE: [u8; 4] = [0; 4];

/// Ends the response to one frame, with the scheduler's word after it.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxRespTail {
    /// TFD information.
    pub tfd_info: U32,
    /// Sequence control of the frame.
    pub seq_ctl: U16,
    /// Bytes of the frame.
    pub byte_cnt: U16,
    /// Rate scaling.
    pub tlc_info: u8,
    /// Traffic id, and station above.
    pub ra_tid: u8,
    /// Frame control of the frame.
    pub frame_ctrl: U16,
    /// [`TX_STATUS_SUCCESS`] or [`TX_STATUS_FAIL_LONG_LIMIT`].
    pub status: U16,
    /// Sequence of the command.
    pub sequence: U16,
    /// The scheduler's next index.
    pub scd_ssn: U32,
}

/// Starts a transmit command of 22000 (`struct iwl_tx_cmd_v9`); the 802.11 frame follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxCmdV9 {
    /// Bytes of the frame.
    pub len: U16,
    /// Offload bits.
    pub offload_assist: U16,
    /// Flags.
    pub flags: U32,
    /// For the firmware.
    pub dram_info: [U32; 2],
    /// Rate.
    pub rate_n_flags: U32,
}

/// Starts a transmit command of AX210 and later parts (`struct iwl_tx_cmd`); the 802.11 frame
/// follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxCmdV10 {
    /// Bytes of the frame.
    pub len: U16,
    /// Flags.
    pub flags: U16,
    /// Offload bits.
    pub offload_assist: U32,
    /// For the firmware.
    pub dram_info: [U32; 2],
    /// Rate.
    pub rate_n_flags: U32,
    reserved: [U32; 2],
}

/// Ends the response to one frame on 22000 (`struct iwl_tx_resp`), with the queue's next index
/// after it.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxRespTailV6 {
    /// TFD information.
    pub tfd_info: U32,
    /// Sequence control of the frame.
    pub seq_ctl: U16,
    /// Bytes of the frame.
    pub byte_cnt: U16,
    /// Rate scaling.
    pub tlc_info: u8,
    /// Traffic id, and station above.
    pub ra_tid: u8,
    /// Frame control of the frame.
    pub frame_ctrl: U16,
    /// The queue.
    pub tx_queue: U16,
    /// Reserved.
    pub reserved2: U16,
    /// [`TX_STATUS_SUCCESS`] or [`TX_STATUS_FAIL_LONG_LIMIT`].
    pub status: U16,
    /// Sequence of the command.
    pub sequence: U16,
    /// The queue's next index.
    pub scd_ssn: U32,
}

/// Acknowledged, or no acknowledgement wanted.
pub const TX_STATUS_SUCCESS: u16 = 0x01;
/// Retried to the limit without acknowledgement.
pub const TX_STATUS_FAIL_LONG_LIMIT: u16 = 0x83;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_drivers() {
        assert_eq!(size_of::<TxCmd>(), 56);
        assert_eq!(size_of::<TxRespHead>() + size_of::<TxRespTail>(), 36 + 4);
        let middle = MVM_TX_RESP_MIDDLE.len();
        assert_eq!(size_of::<TxCmdV9>(), 20);
        assert_eq!(size_of::<TxCmdV10>(), 28);
        assert_eq!(size_of::<TxRespHead>() + middle + size_of::<TxRespTailV6>(), 44 + 4);
    }
}
