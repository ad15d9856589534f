//! MVM firmware: up to 9000 separate INIT and runtime images, from 22000 on one for all.
//!
//! To add a command: a variant of [`Request`] and its line in `Request::parse`, an arm in
//! `Mvm::command`, a file here if it keeps a state.
//!
//! Sources: `fw/api/*.h`, and what `mvm/*.c` does with the answers.

mod nvm;
mod queues;
mod request;
mod scan;
mod time;

use iwl_hw::mvm::{
    self, AliveV3, CalibResNotifPhyDb, ErrorEventTable, LmacAlive, ScdTxqCfgCmd, UmacAlive, id,
};
use iwl_hw::tx::MVM_TX_RESP_MIDDLE;
use zerocopy::{FromZeros, IntoBytes};

use super::common::transmitted;
use super::firmware::{Failure, FailureKind, Firmware};
use crate::event::{CardEvent, Image};
use crate::faults::Fault;
use crate::layout;
use crate::message::{Answer, Command, Effect, Job, Later, MILLISECOND, Packet};
use crate::world::Nanos;
use queues::Queues;
use request::Request;
use scan::Scan;
use time::TimeEvents;

/// The version that the firmware gives itself.
const UCODE_MAJOR: u32 = 17;
/// How long calibration takes.
const CALIBRATION: Nanos = 10 * MILLISECOND;

/// The state of a running image.
#[derive(Debug)]
pub(crate) struct Mvm {
    /// It is the one for all: it calibrates itself, and numbers the transmit queues.
    unified: bool,
    queues: Queues,
    scan: Scan,
    time_events: TimeEvents,
}

impl Mvm {
    pub(crate) fn new(unified: bool) -> Self {
        let (queues, scan, time_events) = Default::default();
        Self { unified, queues, scan, time_events }
    }
}

impl Firmware for Mvm {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        alive(image, valid)
    }

    fn error_log(&self, error: &Failure) -> Vec<u8> {
        let mut log = ErrorEventTable::new_zeroed();
        log.valid = 1.into();
        log.error_id = match error.kind {
            FailureKind::Assertion => mvm::SYSASSERT,
            FailureKind::Nmi => mvm::NMI_INTERRUPT_HOST,
        }
        .into();
        log.major = UCODE_MAJOR.into();
        log.hw_ver = error.hw_rev.into();
        (log.hcmd, log.last_cmd_id) = (error.last_command.into(), error.last_command.into());
        log.as_bytes().to_vec()
    }

    fn has_long_header(&self, group: u8) -> bool {
        group != mvm::LEGACY_GROUP
    }

    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::mvm(group, id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let Some(request) = Request::parse(command, self.unified) else { return Answer::unknown() };
        let effects = match request {
            Request::AddSta => vec![Effect::reply(mvm::ADD_STA_SUCCESS.to_le_bytes())],
            Request::RemoveSta(station) => self.queues.remove(station),
            Request::Tx if self.unified => vec![Effect::Reply(queues::transmitted(command))],
            Request::Tx => vec![Effect::Reply(transmitted(command, &MVM_TX_RESP_MIDDLE))],
            Request::TxQueueCfg(config) => self.queues.configure(&config),
            Request::ScdQueueCfg(config) => switch_queue(&config),
            Request::SharedMemCfg => vec![Effect::reply([0; mvm::SHARED_MEM_CFG_LEN])],
            Request::TimeEvent(event) => self.time_events.command(&event),
            Request::ScanOffload(scan) => self.scan.lmac(&scan),
            Request::ScanUmac(scan) => self.scan.umac(&scan),
            Request::ScanAbort => self.scan.abort(),
            // Complete without it.
            Request::PhyConfiguration if self.unified => vec![Effect::status()],
            Request::PhyConfiguration => calibrate(command),
            Request::InitExtendedCfg => vec![Effect::status()],
            Request::NvmAccessComplete => finish_init(Vec::new(), command),
            Request::NvmGetInfo => nvm::get_info(command),
            Request::RfhQueueConfig(queues) => queues::receive(&queues),
            Request::TriggerRxQueues(sync, data) => queues::notify(&sync, data),
            Request::NvmAccess(access) => nvm::access(command, &access),
            Request::Statistics => vec![Effect::reply([0; mvm::NOTIF_STATISTICS_V10_LEN])],
        };
        effects.into()
    }

    fn finish(&mut self, job: Job) -> Option<Packet> {
        match job {
            Job::Scan => self.scan.finish(),
        }
    }
}

/// `UCODE_ALIVE_NTFY`, version 3.
fn alive(image: Image, valid: bool) -> Packet {
    let subtype = if image == Image::Init {
        mvm::FW_SUBTYPE_INITIALIZE
    } else {
        mvm::FW_SUBTYPE_FULL_FEATURE
    };
    let alive = AliveV3 {
        status: if valid { mvm::IWL_ALIVE_STATUS_OK } else { mvm::IWL_ALIVE_STATUS_ERR }.into(),
        flags: 0.into(),
        lmac_data: LmacAlive {
            ucode_major: UCODE_MAJOR.into(),
            ucode_minor: 0.into(),
            ver_subtype: subtype,
            ver_type: 0,
            mac: 0,
            opt: 0,
            timestamp: 0.into(),
            error_event_table_ptr: layout::ERROR_LOG.into(),
            log_event_table_ptr: 0.into(),
            cpu_register_ptr: 0.into(),
            dbgm_config_ptr: 0.into(),
            alive_counter_ptr: 0.into(),
            scd_base_ptr: layout::SCD_SRAM_BASE.into(),
            st_fwrd_addr: 0.into(),
            st_fwrd_size: 0.into(),
        },
        umac_data: UmacAlive {
            umac_major: UCODE_MAJOR.into(),
            umac_minor: 0.into(),
            error_info_addr: 0.into(),
            dbg_print_buff_addr: 0.into(),
        },
    };
    Packet::notification(id::UCODE_ALIVE_NTFY, alive.as_bytes())
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

/// Calibration ends some time later: with its results, and the word that it has.
fn finish_init(mut packets: Vec<Packet>, command: &Command<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    if command.faults.has(Fault::NoCalibration) {
        effects.push(Effect::Tell(CardEvent::injected(Fault::NoCalibration)));
    } else {
        packets.push(Packet::notification(id::INIT_COMPLETE_NOTIF, &[0; 4]));
    }
    effects.push(Effect::status());
    effects.push(Effect::After(CALIBRATION, Later::Send(packets)));
    effects
}
