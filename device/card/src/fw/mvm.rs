//! MVM firmware, with separate INIT and runtime images: the 7000 and 8000 families.
//!
//! Sources: `fw/api/*.h`, and what `mvm/*.c` does with the answers.

use iwl_hw::mvm::{
    self, AliveV3, CalibResNotifPhyDb, LmacAlive, NvmAccessCmd, NvmAccessResp,
    PeriodicScanComplete, ScanReqLmac, ScanReqUmac, ScdTxqCfgCmd, TimeEventCmd, TimeEventNotif,
    TimeEventResp, UmacAlive, UmacScanComplete, id,
};
use iwl_hw::tx::MVM_TX_RESP_MIDDLE;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use super::common::{Scan, transmitted};
use crate::event::{CardEvent, Image};
use crate::faults::Fault;
use crate::layout;
use crate::message::{Command, Job, Later, MILLISECOND, Packet, Reaction, TU, prefix};
use crate::nvm::Sections;
use crate::world::Nanos;

/// How long calibration takes.
const CALIBRATION: Nanos = 10 * MILLISECOND;
/// How long the firmware takes to give up a scan.
const ABORT: Nanos = MILLISECOND;
/// How long a scan of the upper MAC takes: where its channels are differs between versions.
const UMAC_SCAN: Nanos = 500 * MILLISECOND;
/// How long a time event takes to start.
const TIME_EVENT_START: Nanos = 5 * MILLISECOND;

/// The card's NVM, and the state of a running image.
#[derive(Debug)]
pub(crate) struct Mvm {
    nvm: Sections,
    scan: Scan,
    scanned_by: Scanner,
    time_events: u32,
}

/// Which of its two command sets the driver scans with.
#[derive(Debug, Clone, Copy)]
enum Scanner {
    Lmac,
    Umac { uid: U32 },
}

/// `UCODE_ALIVE_NTFY`, version 3.
pub(super) fn alive(image: Image, valid: bool) -> Packet {
    let subtype = if image == Image::Init {
        mvm::FW_SUBTYPE_INITIALIZE
    } else {
        mvm::FW_SUBTYPE_FULL_FEATURE
    };
    let alive = AliveV3 {
        status: if valid { mvm::IWL_ALIVE_STATUS_OK } else { mvm::IWL_ALIVE_STATUS_ERR }.into(),
        flags: 0.into(),
        lmac_data: LmacAlive {
            ucode_major: 17.into(),
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
            umac_major: 17.into(),
            umac_minor: 0.into(),
            error_info_addr: 0.into(),
            dbg_print_buff_addr: 0.into(),
        },
    };
    Packet::notification(id::UCODE_ALIVE_NTFY, alive.as_bytes())
}

impl Mvm {
    pub(crate) fn new(nvm: Sections) -> Self {
        Self { nvm, scan: Scan::default(), scanned_by: Scanner::Lmac, time_events: 0 }
    }

    pub(super) fn boot(&mut self) {
        self.scan = Scan::default();
        self.time_events = 0;
    }

    pub(super) fn command(&mut self, command: &Command<'_>) -> Reaction {
        if !matches!(command.header.group_id, mvm::LEGACY_GROUP | mvm::LONG_GROUP) {
            return Reaction::generic();
        }
        match command.header.cmd {
            id::ADD_STA => Reaction::reply(mvm::ADD_STA_SUCCESS.to_le_bytes()),
            id::TX_CMD => Reaction::reply(transmitted(command, &MVM_TX_RESP_MIDDLE)),
            id::SCD_QUEUE_CFG => switch_queue(command.payload),
            id::SHARED_MEM_CFG => Reaction::reply([0; mvm::SHARED_MEM_CFG_LEN]),
            id::TIME_EVENT_CMD => self.time_event(command.payload),
            id::SCAN_OFFLOAD_REQUEST_CMD => self.scan(command.payload),
            id::SCAN_REQ_UMAC => self.umac_scan(command.payload),
            id::SCAN_OFFLOAD_ABORT_CMD | id::SCAN_ABORT_UMAC => self.abort_scan(),
            id::PHY_CONFIGURATION_CMD => calibrate(command),
            id::NVM_ACCESS_CMD => self.nvm_access(command.payload),
            id::STATISTICS_CMD => Reaction::reply([0; mvm::NOTIF_STATISTICS_V10_LEN]),
            _ => Reaction::generic(),
        }
    }

    pub(super) fn finish(&mut self, job: Job) -> Option<Packet> {
        self.scan.end(job).then(|| self.scan_complete(mvm::IWL_SCAN_OFFLOAD_COMPLETED))
    }

    fn nvm_access(&self, payload: &[u8]) -> Reaction {
        let (access, _): (NvmAccessCmd, _) = prefix(payload);
        let section = access.r#type.get();
        let data = match access.op_code {
            mvm::NVM_READ => self.nvm.read(section, access.offset.get(), access.length.get()),
            // The driver writes back what it read from a file: it has its way, nothing changes.
            _ => Some(&[][..]),
        };
        let response = NvmAccessResp {
            offset: access.offset,
            length: (data.map_or(0, <[u8]>::len) as u16).into(),
            r#type: access.r#type,
            status: match data {
                Some(_) => 0,
                None => mvm::READ_NVM_CHUNK_NOT_VALID_ADDRESS,
            }
            .into(),
        };
        let data = data.unwrap_or_default();
        let mut reaction = Reaction::reply([response.as_bytes(), data].concat());
        if access.op_code == mvm::NVM_READ {
            reaction.event = Some(CardEvent::NvmRead {
                section: iwl_hw::nvm::section_name(section)
                    .map_or_else(|| format!("section {section}").into(), Into::into),
                offset: access.offset.get().into(),
                len: data.len() as u32,
                present: self.nvm.has(section),
            });
        }
        reaction
    }

    fn time_event(&mut self, payload: &[u8]) -> Reaction {
        let (event, _): (TimeEventCmd, _) = prefix(payload);
        let add = event.action.get() == mvm::FW_CTXT_ACTION_ADD;
        let unique_id = if add {
            self.time_events = self.time_events.wrapping_add(1);
            self.time_events.into()
        } else {
            event.id
        };
        let response = TimeEventResp {
            status: 1.into(),
            id: event.id,
            unique_id,
            id_and_color: event.id_and_color,
        };
        let mut reaction = Reaction::reply(response.as_bytes());
        if add {
            let notification = |action: u32| {
                let notification = TimeEventNotif {
                    timestamp: 0.into(),
                    session_id: unique_id,
                    unique_id,
                    id_and_color: event.id_and_color,
                    action: action.into(),
                    status: 1.into(),
                };
                Later::Send(vec![Packet::notification(
                    id::TIME_EVENT_NOTIFICATION,
                    notification.as_bytes(),
                )])
            };
            let end = TIME_EVENT_START + Nanos::from(event.duration.get()) * TU;
            reaction = reaction
                .after(TIME_EVENT_START, notification(mvm::TE_V2_NOTIF_HOST_EVENT_START))
                .after(end, notification(mvm::TE_V2_NOTIF_HOST_EVENT_END));
        }
        reaction
    }

    fn scan(&mut self, payload: &[u8]) -> Reaction {
        let (scan, _): (ScanReqLmac, _) = prefix(payload);
        let passive = scan.scan_flags.get() & mvm::IWL_MVM_LMAC_SCAN_FLAG_PASSIVE != 0;
        let dwell = if passive { scan.passive_dwell } else { scan.active_dwell };
        let time = Nanos::from(scan.n_channels) * Nanos::from(dwell) * TU;
        self.start_scan(Scanner::Lmac, time)
    }

    fn umac_scan(&mut self, payload: &[u8]) -> Reaction {
        let (scan, _): (ScanReqUmac, _) = prefix(payload);
        self.start_scan(Scanner::Umac { uid: scan.uid }, UMAC_SCAN)
    }

    fn start_scan(&mut self, by: Scanner, time: Nanos) -> Reaction {
        self.scanned_by = by;
        let job = self.scan.start();
        let mut reaction = Reaction::generic();
        reaction.modelled = true;
        reaction.after(time, Later::Finish(job))
    }

    fn abort_scan(&mut self) -> Reaction {
        if !self.scan.abort() {
            return Reaction::reply([0; 4]);
        }
        let aborted = self.scan_complete(mvm::IWL_SCAN_OFFLOAD_ABORTED);
        let status = match self.scanned_by {
            Scanner::Lmac => mvm::CAN_ABORT_STATUS,
            Scanner::Umac { .. } => 0,
        };
        Reaction::reply(status.to_le_bytes()).after(ABORT, Later::Send(vec![aborted]))
    }

    fn scan_complete(&self, status: u8) -> Packet {
        match self.scanned_by {
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
}

fn switch_queue(payload: &[u8]) -> Reaction {
    let (config, _): (ScdTxqCfgCmd, _) = prefix(payload);
    let mut reaction = Reaction::generic();
    reaction.modelled = true;
    reaction.queue = match config.action {
        mvm::SCD_CFG_ENABLE_QUEUE => {
            Some((config.scd_queue, Some((config.ssn.get() & 0xff) as u8)))
        }
        mvm::SCD_CFG_DISABLE_QUEUE => Some((config.scd_queue, None)),
        // A change of owner.
        _ => None,
    };
    reaction
}

/// A runtime image gets its calibration from the host's PHY database.
fn calibrate(command: &Command<'_>) -> Reaction {
    let mut reaction = Reaction::generic();
    reaction.modelled = true;
    if command.image == Image::Runtime {
        return reaction;
    }
    let mut packets: Vec<_> = mvm::PHY_DB_SECTIONS
        .into_iter()
        .map(|(section, len)| {
            let header = CalibResNotifPhyDb { r#type: section.into(), length: len.into() };
            let payload = [header.as_bytes(), &vec![0; len.into()]].concat();
            Packet::notification(id::CALIB_RES_NOTIF_PHY_DB, &payload)
        })
        .collect();
    if command.faults.has(Fault::NoCalibration) {
        reaction.fault = Some(Fault::NoCalibration);
    } else {
        packets.push(Packet::notification(id::INIT_COMPLETE_NOTIF, &[0; 4]));
    }
    reaction.after(CALIBRATION, Later::Send(packets))
}
