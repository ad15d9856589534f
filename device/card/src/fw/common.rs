//! What the firmwares have in common.

use iwl_hw::tx::{
    FrameHeader, TX_STATUS_FAIL_LONG_LIMIT, TX_STATUS_SUCCESS, TxCmd, TxRespHead, TxRespTail,
};
use zerocopy::IntoBytes;

use crate::message::{Command, prefix};

/// The response to a frame: nobody is there to acknowledge one.
pub(super) fn transmitted(command: &Command<'_>, middle: &[u8]) -> Vec<u8> {
    let (tx, frame): (TxCmd, _) = prefix(command.payload);
    let (header, _): (FrameHeader, _) = prefix(frame);
    let status = if header.is_group() { TX_STATUS_SUCCESS } else { TX_STATUS_FAIL_LONG_LIMIT };
    let head = TxRespHead { frame_count: 1, initial_rate: tx.rate_n_flags, ..Default::default() };
    let tail = TxRespTail {
        seq_ctl: header.seq_ctrl,
        byte_cnt: tx.len,
        ra_tid: (tx.tid_tspec & 0xf) | tx.sta_id << 4,
        frame_ctrl: header.frame_control,
        status: status.into(),
        sequence: command.sequence.into(),
        scd_ssn: u32::from(command.next).into(),
        ..Default::default()
    };
    [head.as_bytes(), middle, tail.as_bytes()].concat()
}
