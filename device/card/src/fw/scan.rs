//! Scans, of either of the two command sets.

use iwl_hw::mvm::{self, PeriodicScanComplete, ScanReqLmac, UmacScanComplete, id};
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use crate::message::{Effect, Job, Later, MILLISECOND, Packet, TU};
use crate::world::Nanos;

/// How long the firmware takes to give up a scan.
const ABORT: Nanos = MILLISECOND;
/// How long a scan of the upper MAC takes: where its channels are differs between versions.
const UMAC_SCAN: Nanos = 500 * MILLISECOND;

/// Which of its two command sets the driver scans with.
#[derive(Debug, Clone, Copy)]
enum Scanner {
    Lmac,
    Umac { uid: U32 },
}

/// The scan that runs, if one does.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    running: Option<Scanner>,
}

impl Scan {
    pub(crate) fn lmac(&mut self, scan: &ScanReqLmac) -> Vec<Effect> {
        let passive = scan.scan_flags.get() & mvm::IWL_MVM_LMAC_SCAN_FLAG_PASSIVE != 0;
        let dwell = if passive { scan.passive_dwell } else { scan.active_dwell };
        let time = Nanos::from(scan.n_channels) * Nanos::from(dwell) * TU;
        self.start(Scanner::Lmac, time)
    }

    pub(crate) fn umac(&mut self, uid: U32) -> Vec<Effect> {
        self.start(Scanner::Umac { uid }, UMAC_SCAN)
    }

    fn start(&mut self, by: Scanner, time: Nanos) -> Vec<Effect> {
        self.running = Some(by);
        vec![Effect::Cancel(Job::Scan), Effect::status(), Effect::After(time, Later::FinishScan)]
    }

    pub(crate) fn abort(&mut self) -> Vec<Effect> {
        let Some(by) = self.running.take() else { return vec![Effect::status()] };
        let status = match by {
            Scanner::Lmac => mvm::CAN_ABORT_STATUS,
            Scanner::Umac { .. } => 0,
        };
        let aborted = complete(by, mvm::IWL_SCAN_OFFLOAD_ABORTED);
        vec![
            Effect::Cancel(Job::Scan),
            Effect::reply(status.to_le_bytes()),
            Effect::After(ABORT, Later::Send(vec![aborted])),
        ]
    }

    /// Its time is over.
    pub(crate) fn finish(&mut self) -> Option<Packet> {
        self.running.take().map(|by| complete(by, mvm::IWL_SCAN_OFFLOAD_COMPLETED))
    }
}

fn complete(by: Scanner, status: u8) -> Packet {
    match by {
        Scanner::Lmac => {
            let complete = PeriodicScanComplete {
                last_schedule_line: 0,
                last_schedule_iteration: 0,
                status,
                ebs_status: 0,
                time_after_last_iter: 0.into(),
                reserved: 0.into(),
            };
            Packet::notification(id::SCAN_OFFLOAD_COMPLETE, complete.as_bytes())
        }
        Scanner::Umac { uid } => {
            let complete = UmacScanComplete {
                uid,
                last_schedule: 0,
                last_iter: 0,
                status,
                ebs_status: 0,
                time_from_last_iter: 0.into(),
                reserved: 0.into(),
            };
            Packet::notification(id::SCAN_COMPLETE_UMAC, complete.as_bytes())
        }
    }
}
