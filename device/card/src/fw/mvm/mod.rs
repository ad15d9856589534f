//! MVM firmware: up to 9000 separate INIT and runtime images, from 22000 on one for all.
//!
//! To add a command: a variant of [`Request`] and its line in `Request::parse`, an arm in
//! `Mvm::command`, a file here if it keeps a state.
//!
//! Sources: `fw/api/*.h`, and what `mvm/*.c` does with the answers.

mod nvm;
mod request;
mod time;

use iwl_hw::mvm::{self, CalibResNotifPhyDb, ScdTxqCfgCmd, UmacAlive, id};
use iwl_hw::tfh::{MAX_TFD_QUEUE_SIZE, MAX_TFD_QUEUE_SIZE_AX210};
use iwl_hw::tx::MVM_TX_RESP_MIDDLE;
use iwl_hw::versions::Versions;
use zerocopy::{FromZeros, IntoBytes};

use super::common::{
    alive, d3_end, error_logs, finish_init, lmac_error_log, pnvm_complete, transmitted, umac_alive,
};
use super::firmware::{Failure, Firmware};
use super::queues::{self, Queues};
use super::scan::Scan;
use crate::event::Image;
use crate::message::{Answer, Command, Effect, Later, Packet};
use request::Request;
use time::TimeEvents;

/// The version that the firmware gives itself.
const UCODE_MAJOR: u32 = 17;
/// What the families made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Separate INIT and runtime images.
    Separate {
        /// From 8000 on there is an upper MAC beside the lower.
        umac: bool,
    },
    /// 22000: one for all, which calibrates itself, and numbers the transmit queues.
    Unified,
    /// AX210: the same with longer frames and rings.
    Ax210,
}

/// The state of a running image.
#[derive(Debug)]
pub(crate) struct Mvm {
    era: Era,
    versions: Versions,
    /// Which part of the platform's NVM is for it.
    sku: [u32; 3],
    /// The transmit queues, by their station.
    queues: Queues<u8>,
    scan: Scan,
    time_events: TimeEvents,
}

impl Mvm {
    pub(crate) fn new(era: Era, versions: Versions, sku: [u32; 3]) -> Self {
        let indices = match era {
            Era::Separate { .. } | Era::Unified => MAX_TFD_QUEUE_SIZE,
            Era::Ax210 => MAX_TFD_QUEUE_SIZE_AX210,
        };
        let (scan, time_events) = Default::default();
        Self { era, versions, sku, queues: Queues::new(indices), scan, time_events }
    }
}

impl Firmware for Mvm {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        let umac = match self.era {
            Era::Separate { umac: false } => UmacAlive::new_zeroed(),
            _ => umac_alive(UCODE_MAJOR),
        };
        alive(self.versions, UCODE_MAJOR, self.sku, umac, image, valid)
    }

    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)> {
        match self.era {
            Era::Separate { umac: false } => vec![lmac_error_log(error, UCODE_MAJOR)],
            _ => error_logs(error, UCODE_MAJOR),
        }
    }

    fn has_long_header(&self, group: u8) -> bool {
        group != mvm::LEGACY_GROUP
    }

    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::mvm(group, id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let unified = !matches!(self.era, Era::Separate { .. });
        let Some(request) = Request::parse(command, unified) else { return Answer::unknown() };
        let effects = match request {
            Request::AddSta => vec![Effect::reply(mvm::ADD_STA_SUCCESS.to_le_bytes())],
            Request::RemoveSta(station) => self.queues.remove(station),
            Request::Tx if unified => {
                vec![Effect::Reply(queues::transmitted(command, self.era == Era::Ax210))]
            }
            Request::Tx => vec![Effect::Reply(transmitted(command, &MVM_TX_RESP_MIDDLE))],
            Request::TxQueueCfg(config) => self.queues.configure(&config),
            Request::ScdQueueCfg(config) => switch_queue(&config),
            Request::SharedMemCfg => vec![Effect::reply([0; mvm::SHARED_MEM_CFG_LEN])],
            Request::TimeEvent(event) => self.time_events.command(&event),
            Request::ScanOffload(scan) => self.scan.lmac(&scan),
            Request::ScanUmac(scan) => self.scan.umac(&scan),
            Request::ScanAbort => self.scan.abort(),
            // Complete without it.
            Request::PhyConfiguration if unified => vec![Effect::status()],
            Request::PhyConfiguration => calibrate(command),
            Request::InitExtendedCfg => vec![Effect::status()],
            Request::NvmAccessComplete => finish_init(Vec::new(), command),
            Request::NvmGetInfo => nvm::get_info(command),
            Request::RfhQueueConfig(queues) => queues::receive(&queues),
            Request::TriggerRxQueues(sync, data) => queues::notify(&sync, data),
            Request::NvmAccess(access) => nvm::access(command, &access),
            Request::D0i3End => {
                vec![Effect::status(), Effect::After(0, Later::Send(vec![d3_end()]))]
            }
            Request::Statistics => vec![Effect::reply([0; mvm::NOTIF_STATISTICS_V10_LEN])],
        };
        effects.into()
    }

    fn finish_scan(&mut self) -> Option<Packet> {
        self.scan.finish()
    }

    fn pnvm_complete(&self) -> Option<Packet> {
        Some(pnvm_complete())
    }

    fn resumed(&self) -> Option<Packet> {
        Some(d3_end())
    }
}

fn switch_queue(config: &ScdTxqCfgCmd) -> Vec<Effect> {
    let start = match config.action {
        mvm::SCD_CFG_ENABLE_QUEUE => Some((config.ssn.get() & 0xff) as u8),
        mvm::SCD_CFG_DISABLE_QUEUE => None,
        // A change of owner.
        _ => return vec![Effect::status()],
    };
    vec![Effect::Queue(config.scd_queue, start), Effect::status()]
}

/// A runtime image gets its calibration from the host's PHY database.
fn calibrate(command: &Command<'_>) -> Vec<Effect> {
    if command.image == Image::Runtime {
        return vec![Effect::status()];
    }
    let packets = mvm::PHY_DB_SECTIONS
        .into_iter()
        .map(|(section, len)| {
            let header = CalibResNotifPhyDb { r#type: section.into(), length: len.into() };
            let payload = [header.as_bytes(), &vec![0; len.into()]].concat();
            Packet::notification(id::CALIB_RES_NOTIF_PHY_DB, &payload)
        })
        .collect();
    finish_init(packets, command)
}
