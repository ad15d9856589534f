//! DVM firmware.
//!
//! Source: `dvm/commands.h`, and what `dvm/*.c` does with the answers.

use iwl_hw::dvm::{
    self, AliveResp, CalibHdr, ErrorEventTable, ScanChannel, ScanCmd, ScanComplete, id,
};
use iwl_hw::tx::TxCmd;
use zerocopy::{FromZeros, IntoBytes};

use super::common::transmitted;
use super::firmware::{Failure, FailureKind, Firmware};
use crate::event::{CardEvent, Image};
use crate::faults::Fault;
use crate::layout;
use crate::message::{Answer, Command, Effect, Job, Later, MILLISECOND, Packet, TU, prefix};
use crate::world::Nanos;

/// The version that the firmware gives itself.
const UCODE_MAJOR: u8 = 18;
const UCODE_MINOR: u8 = 168;
/// How long calibration takes.
const CALIBRATION: Nanos = 10 * MILLISECOND;
/// How long the firmware takes to give up a scan.
const ABORT: Nanos = MILLISECOND;
/// Bytes of a calibration's result; the driver stores them and sends them back.
const CALIBRATION_RESULT: [u8; 8] = [0; 8];

/// The state of a running image.
#[derive(Debug, Default)]
pub(crate) struct Dvm {
    /// The scan that runs, if one does: how it would end.
    scan: Option<ScanComplete>,
}

/// A command with a meaning, parsed. Ids are flat, and there is one version of each.
enum Request {
    Station,
    Tx,
    TxFifoFlush,
    Statistics,
    CalibrationCfg,
    /// Without one, the command is too short for the channels it claims.
    Scan(Option<Channels>),
    ScanAbort,
}

/// The channels of a scan, and how long they take in all.
struct Channels {
    list: Vec<ScanChannel>,
    dwell: Nanos,
}

impl Request {
    fn parse(command: &Command<'_>) -> Option<Self> {
        Some(match command.id {
            id::REPLY_ADD_STA | id::REPLY_REMOVE_STA => Self::Station,
            id::REPLY_TX => Self::Tx,
            id::REPLY_TXFIFO_FLUSH => Self::TxFifoFlush,
            id::REPLY_STATISTICS_CMD => Self::Statistics,
            id::CALIBRATION_CFG_CMD => Self::CalibrationCfg,
            id::REPLY_SCAN_CMD => Self::Scan(Channels::parse(command.payload)),
            id::REPLY_SCAN_ABORT_CMD => Self::ScanAbort,
            _ => return None,
        })
    }
}

impl Firmware for Dvm {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        alive(image, valid)
    }

    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)> {
        let mut log = ErrorEventTable::new_zeroed();
        log.valid = 1.into();
        log.error_id = match error.kind {
            FailureKind::Own(id) => id.unwrap_or(dvm::SYSASSERT),
            FailureKind::Nmi => dvm::NMI_INTERRUPT_HOST,
        }
        .into();
        log.ucode_ver = u32::from_be_bytes([UCODE_MAJOR, UCODE_MINOR, 0, 0]).into();
        log.hw_ver = error.hw_rev.into();
        log.hcmd = error.last_command.into();
        vec![(layout::ERROR_LOG, log.as_bytes().to_vec())]
    }

    fn has_long_header(&self, _group: u8) -> bool {
        false
    }

    fn vendor_name(&self, _group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::dvm(id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let Some(request) = Request::parse(command) else {
            return Answer::status(self.vendor_name(command.group, command.id));
        };
        let effects = match request {
            Request::Station => vec![Effect::reply([dvm::STA_SUCCESS_MSK, 0, 0, 0])],
            Request::Tx => vec![Effect::Reply(transmitted(command, &[]))],
            Request::TxFifoFlush => vec![Effect::reply([0; dvm::TXFIFO_FLUSH_RESP_LEN])],
            Request::Statistics => vec![Effect::reply([0; dvm::NOTIF_STATISTICS_LEN])],
            Request::CalibrationCfg => calibrate(command),
            Request::Scan(Some(channels)) => self.scan(&channels),
            Request::Scan(None) => {
                let what =
                    format!("a scan command of {} bytes is too short", command.payload.len());
                vec![
                    Effect::Tell(CardEvent::BadInput { what }),
                    Effect::reply(dvm::SCAN_STATUS_CANNOT.to_le_bytes()),
                ]
            }
            Request::ScanAbort => self.abort_scan(),
        };
        effects.into()
    }

    fn finish_scan(&mut self) -> Option<Packet> {
        self.scan.take().map(|complete| scan_complete(&complete))
    }
}

impl Dvm {
    fn scan(&mut self, channels: &Channels) -> Vec<Effect> {
        let Channels { list, dwell } = channels;
        self.scan = Some(ScanComplete {
            scanned_channels: list.len().try_into().unwrap_or(u8::MAX),
            status: ScanComplete::COMPLETE,
            bt_status: 0,
            last_channel: list.last().map_or(0, |channel| channel.channel.get() as u8),
            tsf_low: 0.into(),
            tsf_high: 0.into(),
        });
        vec![
            Effect::Cancel(Job::Scan),
            Effect::reply(dvm::SCAN_STATUS_OK.to_le_bytes()),
            Effect::After(*dwell, Later::FinishScan),
        ]
    }

    fn abort_scan(&mut self) -> Vec<Effect> {
        let Some(complete) = self.scan.take() else { return vec![Effect::status()] };
        let aborted = scan_complete(&ScanComplete { status: ScanComplete::ABORT, ..complete });
        vec![
            Effect::Cancel(Job::Scan),
            Effect::reply(dvm::CAN_ABORT_STATUS.to_le_bytes()),
            Effect::After(ABORT, Later::Send(vec![aborted])),
        ]
    }
}

fn scan_complete(complete: &ScanComplete) -> Packet {
    Packet::notification(id::SCAN_COMPLETE_NOTIFICATION, complete.as_bytes())
}

/// `REPLY_ALIVE`.
fn alive(image: Image, valid: bool) -> Packet {
    let subtype = if image == Image::Init { dvm::VER_SUBTYPE_INITIALIZE } else { 0 };
    let alive = AliveResp {
        ucode_minor: UCODE_MINOR,
        ucode_major: UCODE_MAJOR,
        reserved1: 0.into(),
        sw_rev: *b"iwlbench",
        ver_type: 0,
        ver_subtype: subtype,
        reserved2: 0.into(),
        log_event_table_ptr: layout::EVENT_LOG.into(),
        error_event_table_ptr: layout::ERROR_LOG.into(),
        timestamp: 0.into(),
        is_valid: if valid { dvm::UCODE_VALID_OK } else { 0 }.into(),
    };
    Packet::notification(id::REPLY_ALIVE, alive.as_bytes())
}

impl Channels {
    fn parse(payload: &[u8]) -> Option<Self> {
        let (scan, _): (ScanCmd, _) = prefix(payload);
        let (tx, _): (TxCmd, _) = prefix(payload.get(dvm::SCAN_CMD_TX_CMD..)?);
        let rest = payload.get(dvm::SCAN_CMD_LEN + usize::from(tx.len.get())..)?;
        let mut list = Vec::with_capacity(scan.channel_count.into());
        let mut dwell = 0;
        for bytes in rest.chunks_exact(size_of::<ScanChannel>()).take(scan.channel_count.into()) {
            let (channel, _): (ScanChannel, _) = prefix(bytes);
            let active = channel.r#type.get() & 1 != 0;
            let stay = if active { channel.active_dwell } else { channel.passive_dwell };
            dwell += Nanos::from(stay.get()) * TU;
            list.push(channel);
        }
        (list.len() == usize::from(scan.channel_count)).then_some(Self { list, dwell })
    }
}

/// A runtime image was calibrated by its INIT image.
fn calibrate(command: &Command<'_>) -> Vec<Effect> {
    if command.image == Image::Runtime {
        return vec![Effect::status()];
    }
    let mut effects = Vec::new();
    let mut packets: Vec<_> = dvm::CALIBRATIONS
        .into_iter()
        .map(|op_code| {
            let header = CalibHdr { op_code, first_group: 0, groups_num: 1, data_valid: 1 };
            let payload = [header.as_bytes(), &CALIBRATION_RESULT].concat();
            Packet::notification(id::CALIBRATION_RES_NOTIFICATION, &payload)
        })
        .collect();
    if command.faults.has(Fault::NoCalibration) {
        effects.push(Effect::Tell(CardEvent::injected(Fault::NoCalibration)));
    } else {
        packets.push(Packet::notification(id::CALIBRATION_COMPLETE_NOTIFICATION, &[0; 4]));
    }
    effects.push(Effect::status());
    effects.push(Effect::After(CALIBRATION, Later::Send(packets)));
    effects
}
