//! DVM firmware.
//!
//! Source: `dvm/commands.h`, and what `dvm/*.c` does with the answers.

use iwl_hw::dvm::{self, AliveResp, CalibHdr, ScanChannel, ScanCmd, ScanComplete, id};
use iwl_hw::tx::TxCmd;
use zerocopy::IntoBytes;

use super::common::{Scan, transmitted};
use crate::event::{CardEvent, Image};
use crate::faults::Fault;
use crate::layout;
use crate::message::{Command, Job, Later, MILLISECOND, Packet, Reaction, TU, prefix};
use crate::world::Nanos;

/// How long calibration takes.
const CALIBRATION: Nanos = 10 * MILLISECOND;
/// How long the firmware takes to give up a scan.
const ABORT: Nanos = MILLISECOND;
/// Bytes of a calibration's result; the driver stores them and sends them back.
const CALIBRATION_RESULT: [u8; 8] = [0; 8];

/// The state of a running image.
#[derive(Debug, Default)]
pub(crate) struct Dvm {
    scan: Scan,
    complete: Option<ScanComplete>,
}

/// `REPLY_ALIVE`.
pub(super) fn alive(image: Image, valid: bool) -> Packet {
    let subtype = if image == Image::Init { dvm::VER_SUBTYPE_INITIALIZE } else { 0 };
    let alive = AliveResp {
        ucode_minor: 168,
        ucode_major: 18,
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

impl Dvm {
    pub(super) fn boot(&mut self) {
        *self = Self::default();
    }

    pub(super) fn command(&mut self, command: &Command<'_>) -> Reaction {
        match command.header.cmd {
            id::REPLY_ADD_STA | id::REPLY_REMOVE_STA => {
                Reaction::reply([dvm::STA_SUCCESS_MSK, 0, 0, 0])
            }
            id::REPLY_TX => Reaction::reply(transmitted(command, &[])),
            id::REPLY_TXFIFO_FLUSH => Reaction::reply([0; dvm::TXFIFO_FLUSH_RESP_LEN]),
            id::REPLY_STATISTICS_CMD => Reaction::reply([0; dvm::NOTIF_STATISTICS_LEN]),
            id::CALIBRATION_CFG_CMD => calibrate(command),
            id::REPLY_SCAN_CMD => self.scan(command.payload),
            id::REPLY_SCAN_ABORT_CMD => self.abort_scan(),
            _ => Reaction::generic(),
        }
    }

    pub(super) fn finish(&mut self, job: Job) -> Option<Packet> {
        let complete = self.complete?;
        self.scan
            .end(job)
            .then(|| Packet::notification(id::SCAN_COMPLETE_NOTIFICATION, complete.as_bytes()))
    }

    fn scan(&mut self, payload: &[u8]) -> Reaction {
        let Some((channels, dwell)) = channels(payload) else {
            let mut refused = Reaction::reply(dvm::SCAN_STATUS_CANNOT.to_le_bytes());
            refused.event = Some(CardEvent::BadInput {
                what: format!("a scan command of {} bytes is too short", payload.len()),
            });
            return refused;
        };
        self.complete = Some(ScanComplete {
            scanned_channels: channels.len().try_into().unwrap_or(u8::MAX),
            status: ScanComplete::COMPLETE,
            bt_status: 0,
            last_channel: channels.last().map_or(0, |channel| channel.channel.get() as u8),
            tsf_low: 0.into(),
            tsf_high: 0.into(),
        });
        let job = self.scan.start();
        Reaction::reply(dvm::SCAN_STATUS_OK.to_le_bytes()).after(dwell, Later::Finish(job))
    }

    fn abort_scan(&mut self) -> Reaction {
        if !self.scan.abort() {
            return Reaction::reply([0; 4]);
        }
        let aborted = ScanComplete {
            status: ScanComplete::ABORT,
            ..self.complete.take().unwrap_or(ScanComplete::NOTHING)
        };
        let packet = Packet::notification(id::SCAN_COMPLETE_NOTIFICATION, aborted.as_bytes());
        Reaction::reply(dvm::CAN_ABORT_STATUS.to_le_bytes()).after(ABORT, Later::Send(vec![packet]))
    }
}

/// The channels of a scan command, and how long they take in all.
fn channels(payload: &[u8]) -> Option<(Vec<ScanChannel>, Nanos)> {
    let (scan, _): (ScanCmd, _) = prefix(payload);
    let (tx, _): (TxCmd, _) = prefix(payload.get(dvm::SCAN_CMD_TX_CMD..)?);
    let list = payload.get(dvm::SCAN_CMD_LEN + usize::from(tx.len.get())..)?;
    let mut channels = Vec::with_capacity(scan.channel_count.into());
    let mut dwell = 0;
    for bytes in list.chunks_exact(size_of::<ScanChannel>()).take(scan.channel_count.into()) {
        let (channel, _): (ScanChannel, _) = prefix(bytes);
        let active = channel.r#type.get() & 1 != 0;
        let stay = if active { channel.active_dwell } else { channel.passive_dwell };
        dwell += Nanos::from(stay.get()) * TU;
        channels.push(channel);
    }
    (channels.len() == usize::from(scan.channel_count)).then_some((channels, dwell))
}

/// A runtime image was calibrated by its INIT image.
fn calibrate(command: &Command<'_>) -> Reaction {
    let mut reaction = Reaction::generic();
    reaction.modelled = true;
    if command.image == Image::Runtime {
        return reaction;
    }
    let mut packets: Vec<_> = dvm::CALIBRATIONS
        .into_iter()
        .map(|op_code| {
            let header = CalibHdr { op_code, first_group: 0, groups_num: 1, data_valid: 1 };
            let payload = [header.as_bytes(), &CALIBRATION_RESULT].concat();
            Packet::notification(id::CALIBRATION_RES_NOTIFICATION, &payload)
        })
        .collect();
    if command.faults.has(Fault::NoCalibration) {
        reaction.fault = Some(Fault::NoCalibration);
    } else {
        packets.push(Packet::notification(id::CALIBRATION_COMPLETE_NOTIFICATION, &[0; 4]));
    }
    reaction.after(CALIBRATION, Later::Send(packets))
}
