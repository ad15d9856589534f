//! What the firmwares have in common.

use std::mem::offset_of;

use iwl_hw::mld::AliveV8;
use iwl_hw::mvm::{
    self, AliveV3, AliveV7, ErrorEventTable, LmacAlive, UmacAlive, UmacErrorEventTable, id,
    regulatory_and_nvm,
};
use iwl_hw::tx::{
    FrameHeader, TX_STATUS_FAIL_LONG_LIMIT, TX_STATUS_SUCCESS, TxCmd, TxRespHead, TxRespTail,
};
use zerocopy::{FromZeros, IntoBytes};

use super::firmware::{Failure, FailureKind};
use crate::capabilities::Capabilities;
use crate::event::{CardEvent, Image};
use crate::faults::Fault;
use crate::layout;
use crate::message::{Command, Effect, Later, MILLISECOND, Packet, prefix};
use crate::world::Nanos;

/// How long calibration takes.
const CALIBRATION: Nanos = 10 * MILLISECOND;

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

/// `UCODE_ALIVE_NTFY`, in the version that the firmware speaks; where none is named, in the third. From
/// family 8000 on there is an upper MAC too.
pub(super) fn alive(
    said: &Capabilities,
    umac: bool,
    sku: [u32; 3],
    image: Image,
    valid: bool,
) -> Packet {
    let umac_data = if umac { umac_alive(said) } else { UmacAlive::new_zeroed() };
    let status = if valid { mvm::IWL_ALIVE_STATUS_OK } else { mvm::IWL_ALIVE_STATUS_ERR }.into();
    let flags = 0.into();
    let lmac = lmac_alive(said, Image::Runtime);
    // There is one lower MAC: the second one's log would be printed too.
    let no_lmac = LmacAlive { error_event_table_ptr: 0.into(), ..lmac };
    let v7 = || AliveV7 {
        status,
        flags,
        lmac_data: [lmac, no_lmac],
        umac_data,
        sku_id: sku.map(Into::into),
        imr: Default::default(),
    };
    let id = id::UCODE_ALIVE_NTFY;
    match said.notification(mvm::LEGACY_GROUP, id) {
        Some(8..) => {
            let v8 = AliveV8 { v7: v7(), platform_id: 0.into() };
            Packet::notification(id, v8.as_bytes())
        }
        // The driver reads the sixth as it does the seventh.
        Some(6 | 7) => Packet::notification(id, v7().as_bytes()),
        Some(5) => Packet::notification(id, &v7().as_bytes()[..offset_of!(AliveV7, imr)]),
        _ => {
            let v3 = AliveV3 { status, flags, lmac_data: lmac_alive(said, image), umac_data };
            Packet::notification(id, v3.as_bytes())
        }
    }
}

/// What an ALIVE says of the lower MAC.
fn lmac_alive(said: &Capabilities, image: Image) -> LmacAlive {
    let subtype = match image {
        Image::Init => mvm::FW_SUBTYPE_INITIALIZE,
        _ => mvm::FW_SUBTYPE_FULL_FEATURE,
    };
    LmacAlive {
        ucode_major: said.major.into(),
        ucode_minor: 0.into(),
        ver_subtype: subtype,
        ver_type: 0,
        mac: 0,
        opt: 0,
        timestamp: 0.into(),
        error_event_table_ptr: said.lmac_error_log.into(),
        log_event_table_ptr: 0.into(),
        cpu_register_ptr: 0.into(),
        dbgm_config_ptr: 0.into(),
        alive_counter_ptr: 0.into(),
        scd_base_ptr: layout::SCD_SRAM_BASE.into(),
        st_fwrd_addr: 0.into(),
        st_fwrd_size: 0.into(),
    }
}

/// What it says of the upper MAC.
fn umac_alive(said: &Capabilities) -> UmacAlive {
    UmacAlive {
        umac_major: said.major.into(),
        umac_minor: 0.into(),
        error_info_addr: said.umac_error_log.into(),
        dbg_print_buff_addr: 0.into(),
    }
}

/// The error logs of a firmware, of the lower MAC and the upper.
pub(super) fn error_logs(error: &Failure, said: &Capabilities) -> Vec<(u32, Vec<u8>)> {
    vec![lmac_error_log(error, said), umac_error_log(error, said)]
}

fn umac_error_log(error: &Failure, said: &Capabilities) -> (u32, Vec<u8>) {
    let mut log = UmacErrorEventTable::new_zeroed();
    log.valid = 1.into();
    log.error_id = match error.kind {
        FailureKind::Own(Some(id)) if mvm::is_of_upper_mac(id) => id,
        FailureKind::Own(_) => mvm::UMAC_LMAC_FATAL,
        FailureKind::Nmi => mvm::UMAC_NMI_INTERRUPT_HOST,
    }
    .into();
    log.umac_major = said.major.into();
    log.cmd_header = error.last_command.into();
    (said.umac_error_log, log.as_bytes().to_vec())
}

/// That of the lower MAC alone.
pub(super) fn lmac_error_log(error: &Failure, said: &Capabilities) -> (u32, Vec<u8>) {
    let mut log = ErrorEventTable::new_zeroed();
    log.valid = 1.into();
    log.error_id = match error.kind {
        FailureKind::Own(Some(id)) if mvm::is_of_upper_mac(id) => mvm::NMI_INTERRUPT_UMAC_FATAL,
        FailureKind::Own(id) => id.unwrap_or(mvm::SYSASSERT),
        FailureKind::Nmi => mvm::NMI_INTERRUPT_HOST,
    }
    .into();
    log.major = said.major.into();
    log.hw_ver = error.hw_rev.into();
    (log.hcmd, log.last_cmd_id) = (error.last_command.into(), error.last_command.into());
    (said.lmac_error_log, log.as_bytes().to_vec())
}

/// `PNVM_INIT_COMPLETE_NTFY`.
pub(super) fn pnvm_complete() -> Packet {
    let id = regulatory_and_nvm::PNVM_INIT_COMPLETE_NTFY;
    let complete = Packet::notification(id, &mvm::PNVM_STATUS_OK.to_le_bytes());
    Packet { group: mvm::REGULATORY_AND_NVM_GROUP, ..complete }
}

/// `D3_END_NOTIFICATION`, without flags.
pub(super) fn d3_end() -> Packet {
    let end = Packet::notification(mvm::D3_END_NOTIFICATION, &[0; 4]);
    Packet { group: mvm::PROT_OFFLOAD_GROUP, ..end }
}

/// Calibration ends some time later: with its results, and the word that it has.
pub(super) fn finish_init(mut packets: Vec<Packet>, command: &Command<'_>) -> Vec<Effect> {
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

#[cfg(test)]
mod tests {
    use iwl_hw::versions::{self, Versions};

    use super::*;

    #[test]
    fn alive_is_of_the_version_that_is_spoken() {
        let spoken: [(Versions, usize); 3] = [
            (&[], size_of::<AliveV3>()),
            (versions::AX210_SKU, size_of::<AliveV7>()),
            (versions::MLD, size_of::<AliveV8>()),
        ];
        for (versions, len) in spoken {
            let said = Capabilities::new(1, versions);
            let alive = alive(&said, true, [0; 3], Image::Runtime, true);
            assert_eq!(alive.payload.len(), len, "{versions:?}");
        }
    }
}
