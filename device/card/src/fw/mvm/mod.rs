//! MVM firmware of the families up to 9000: separate INIT and runtime images.
//!
//! To add a command: a variant of [`Request`] and its line in `Request::parse`, an arm in
//! `Mvm::command`, a file here if it keeps a state.
//!
//! Sources: `fw/api/*.h`, and what `mvm/*.c` does with the answers.

mod nvm;
mod request;

use std::sync::Arc;

use iwl_hw::mld;
use iwl_hw::mvm::{self, CalibResNotifPhyDb, ScdTxqCfgCmd, id};
use iwl_hw::nvm::CHANNELS;
use iwl_hw::tx::MVM_TX_RESP_MIDDLE;
use zerocopy::IntoBytes;

use super::common::{alive, error_logs, finish_init, lmac_error_log, transmitted};
use super::firmware::{Failure, Firmware};
use super::scan::Scan;
use super::time::TimeEvents;
use super::{country, queues, statistics, thermal};
use crate::capabilities::Capabilities;
use crate::event::Image;
use crate::layout;
use crate::message::{Answer, Command, Effect, Packet};
use request::Request;

/// The version that the firmware gives itself.
pub(super) const UCODE_MAJOR: u32 = 17;

/// The state of a running image.
#[derive(Debug)]
pub(crate) struct Mvm {
    /// What its file says.
    said: Arc<Capabilities>,
    /// From 8000 on there is an upper MAC beside the lower.
    umac: bool,
    scan: Scan,
    time_events: TimeEvents,
}

impl Mvm {
    pub(crate) fn new(said: Arc<Capabilities>, umac: bool) -> Self {
        let (scan, time_events) = Default::default();
        Self { said, umac, scan, time_events }
    }
}

impl Firmware for Mvm {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        alive(&self.said, self.umac, [0; 3], image, valid)
    }

    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)> {
        match self.umac {
            false => vec![lmac_error_log(error, &self.said)],
            true => error_logs(error, &self.said),
        }
    }

    fn logs(&self) -> [u32; 3] {
        [layout::EVENT_LOG, self.said.lmac_error_log, self.said.umac_error_log]
    }

    fn has_long_header(&self, group: u8) -> bool {
        group != mvm::LEGACY_GROUP
    }

    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::mvm(group, id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let Some(request) = Request::parse(command) else {
            return Answer::status(self.vendor_name(command.group, command.id));
        };
        let effects = match request {
            Request::AddSta => vec![Effect::reply(mvm::ADD_STA_SUCCESS.to_le_bytes())],
            Request::Tx => vec![Effect::Reply(transmitted(command, &MVM_TX_RESP_MIDDLE))],
            Request::ScdQueueCfg(config) => switch_queue(&config),
            Request::SharedMemCfg => vec![Effect::reply([0; mvm::SHARED_MEM_CFG_LEN[0]])],
            Request::SystemSharedMemCfg => {
                vec![Effect::reply([0; mvm::SHARED_MEM_CFG_LEN[1]])]
            }
            Request::MccUpdate => {
                let known = if self.umac { mld::CHANNELS_EXT } else { CHANNELS.len() };
                country::update(&self.said, known)
            }
            Request::TimeEvent(event) => self.time_events.command(&event),
            Request::ScanOffload(scan) => self.scan.lmac(&scan),
            Request::ScanUmac(scan) => self.scan.umac(scan.uid),
            Request::ScanAbort => self.scan.abort(),
            Request::PhyConfiguration => calibrate(command),
            Request::TriggerRxQueues(sync, data) => queues::notify(&sync, data),
            Request::NvmAccess(access) => nvm::access(command, &access, &self.said),
            Request::Temperature => thermal::measure(&self.said),
            Request::Statistics(flags) => statistics::answer(flags, &self.said),
        };
        effects.into()
    }

    fn finish_scan(&mut self) -> Option<Packet> {
        self.scan.finish()
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
