//! What the firmwares have in common.

use iwl_hw::tx::{
    FrameHeader, TX_STATUS_FAIL_LONG_LIMIT, TX_STATUS_SUCCESS, TxCmd, TxRespHead, TxRespTail,
};
use zerocopy::IntoBytes;

use crate::message::{Command, Job, prefix};

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
        sequence: command.header.sequence,
        scd_ssn: u32::from(command.index.wrapping_add(1)).into(),
        ..Default::default()
    };
    [head.as_bytes(), middle, tail.as_bytes()].concat()
}

/// The scan that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Scan {
    started: u32,
    running: Option<Job>,
}

impl Scan {
    pub(super) fn start(&mut self) -> Job {
        self.started = self.started.wrapping_add(1);
        let job = Job(self.started);
        self.running = Some(job);
        job
    }

    /// Ends the scan; `true` if that was this one.
    pub(super) fn end(&mut self, job: Job) -> bool {
        if self.running == Some(job) {
            self.running = None;
            true
        } else {
            false
        }
    }

    /// Ends whatever runs; `true` if anything did.
    pub(super) fn abort(&mut self) -> bool {
        self.running.take().is_some()
    }
}
