//! Statistics: nothing has happened, and it is told in the version that the file promises.

use iwl_hw::mld::{self, statistics as oper, system as mld_system};
use iwl_hw::mvm::{self, StatisticsNtfyHdr, id};
use iwl_ucode::names::{IWL_UCODE_TLV_API_NEW_RX_STATS, IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT};
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use crate::capabilities::Capabilities;
use crate::message::{Effect, Later, Packet};

/// From this version on of `STATISTICS_NOTIFICATION` it says itself what it is.
const WITH_HEADER: u8 = 14;
/// From this one on it answers `STATISTICS_CMD` as a notification.
const APART: u8 = 15;

/// `STATISTICS_CMD`, with its flags.
pub(super) fn answer(flags: U32, said: &Capabilities) -> Vec<Effect> {
    let cleared = U32::new(flags.get() & mvm::IWL_STATISTICS_FLG_CLEAR);
    let filled = |len: usize, start: &[u8]| {
        let mut statistics = vec![0; len];
        statistics[..start.len()].copy_from_slice(start);
        statistics
    };
    match said.notification(mvm::LEGACY_GROUP, id::STATISTICS_NOTIFICATION) {
        Some(version @ WITH_HEADER..) => {
            let len = mvm::STATISTICS_OPERATIONAL_LEN[usize::from(version >= APART)];
            let header = StatisticsNtfyHdr {
                r#type: mvm::FW_STATISTICS_OPERATIONAL,
                version,
                size: (len as u16).into(),
            };
            let statistics = filled(len, &[header.as_bytes(), cleared.as_bytes()].concat());
            if version < APART {
                return vec![Effect::Reply(statistics)];
            }
            let told = Packet::notification(id::STATISTICS_NOTIFICATION, &statistics);
            vec![Effect::reply([]), Effect::After(0, Later::Send(vec![told]))]
        }
        _ => {
            let version = match said {
                _ if said.has_api(IWL_UCODE_TLV_API_NEW_RX_STATS) => 2,
                _ if said.has_capa(IWL_UCODE_TLV_CAPA_MULTI_QUEUE_RX_SUPPORT) => 1,
                _ => 0,
            };
            vec![Effect::Reply(filled(mvm::NOTIF_STATISTICS_LEN[version], cleared.as_bytes()))]
        }
    }
}

/// `SYSTEM_STATISTICS_CMD`: which are wanted.
pub(super) fn system(wanted: U32, said: &Capabilities) -> Vec<Effect> {
    if wanted.get() & mld::STATS_ON_DEMAND == 0 {
        return vec![Effect::status()];
    }
    let version = said.notification(mld::STATISTICS_GROUP, oper::STATISTICS_OPER_NOTIF);
    let len = mld::STATISTICS_OPER_LEN[usize::from(version >= Some(4))];
    let part = |(id, len)| Packet {
        group: mld::STATISTICS_GROUP,
        ..Packet::notification(id, &vec![0; len])
    };
    let parts = [
        (oper::STATISTICS_OPER_NOTIF, len),
        (oper::STATISTICS_OPER_PART1_NOTIF, mld::STATISTICS_OPER_PART1_LEN),
    ];
    let time = U32::ZERO;
    let end = Packet::notification(mld_system::SYSTEM_STATISTICS_END_NOTIF, time.as_bytes());
    let end = Packet { group: mvm::SYSTEM_GROUP, ..end };
    let packets = parts.into_iter().map(part).chain([end]).collect();
    vec![Effect::status(), Effect::After(0, Later::Send(packets))]
}
