//! Messages of MLD firmware (`iwlmld`), where they differ from those of MVM.
//!
//! Sources: `fw/api/*.h`, `mld/*.c`.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::mvm::AliveV7;

/// Ids that MVM does without; groups 0 and 1.
pub mod id {
    #![allow(missing_docs, reason = "vendor names")]
    pub const TXPATH_FLUSH: u8 = 0x1e;
    pub const MCC_UPDATE_CMD: u8 = 0xc8;
}

/// Of the system's group.
pub mod system {
    #![allow(missing_docs, reason = "vendor names")]
    pub const SHARED_MEM_CFG_CMD: u8 = 0x00;
    pub const SYSTEM_STATISTICS_CMD: u8 = 0x0f;
    pub const SYSTEM_STATISTICS_END_NOTIF: u8 = 0xfd;
}

/// Of [`MAC_CONF_GROUP`].
pub mod mac_conf {
    #![allow(missing_docs, reason = "vendor names")]
    pub const SESSION_PROTECTION_CMD: u8 = 0x05;
    pub const STA_CONFIG_CMD: u8 = 0x0a;
    pub const SESSION_PROTECTION_NOTIF: u8 = 0xfb;
}

/// Of [`PHY_OPS_GROUP`].
pub mod phy_ops {
    #![allow(missing_docs, reason = "vendor names")]
    pub const CMD_DTS_MEASUREMENT_TRIGGER_WIDE: u8 = 0x00;
    pub const PER_CHAIN_LIMIT_OFFSET_CMD: u8 = 0x05;
    pub const DTS_MEASUREMENT_NOTIF_WIDE: u8 = 0xff;
}

/// Of the data path's group.
pub mod data_path {
    #![allow(missing_docs, reason = "vendor names")]
    pub const TLC_MNG_CONFIG_CMD: u8 = 0x0f;
    pub const SCD_QUEUE_CONFIG_CMD: u8 = 0x17;
}

/// Of [`STATISTICS_GROUP`].
pub mod statistics {
    #![allow(missing_docs, reason = "vendor names")]
    pub const STATISTICS_OPER_NOTIF: u8 = 0x00;
    pub const STATISTICS_OPER_PART1_NOTIF: u8 = 0x01;
}

/// MACs, links, stations.
pub const MAC_CONF_GROUP: u8 = 0x03;
/// The radio.
pub const PHY_OPS_GROUP: u8 = 0x04;
/// Statistics.
pub const STATISTICS_GROUP: u8 = 0x10;
/// Bytes of what is going on, up to the third version, and from the fourth on.
pub const STATISTICS_OPER_LEN: [usize; 2] = [444, 492];
/// Bytes of `struct iwl_system_statistics_part1_notif_oper`.
pub const STATISTICS_OPER_PART1_LEN: usize = 144;

/// `struct iwl_alive_ntf`, of the eighth version.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AliveV8 {
    /// The seventh.
    pub v7: AliveV7,
    /// Platform.
    pub platform_id: U64,
}

/// Channels that 8000 and 9000 know.
pub const CHANNELS_EXT: usize = 51;
/// Channels that Wi-Fi 7 knows.
pub const CHANNELS: usize = 110;

/// `struct iwl_nvm_get_info_rsp`, of the fourth version.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NvmGetInfoRspV4 {
    /// Bit 0: empty.
    pub flags: U32,
    /// Version.
    pub nvm_version: U16,
    /// Board.
    pub board_type: u8,
    /// MAC addresses.
    pub n_hw_addrs: u8,
    /// What it may do.
    pub mac_sku_flags: U32,
    /// Transmit chains, a bit each.
    pub tx_chains: U32,
    /// Receive chains.
    pub rx_chains: U32,
    /// Location-aware regulatory.
    pub lar_enabled: U32,
    /// Channels.
    pub n_channels: U32,
    /// Their flags.
    pub channel_profile: [U32; CHANNELS],
}

/// Channels that a response of the fifth version has after those of the fourth, each of 32 bits.
pub const CHANNELS_V5: usize = 5;

/// In [`NvmGetInfoRspV4::mac_sku_flags`]: 11ax.
pub const SKU_CAP_11AX: u32 = 1 << 4;
/// Flags of a channel: valid, active scan, and what LAR wants to see.
pub const CHANNEL_USABLE: u32 = 0x30b;

/// The flags of each channel: 2.4 GHz without 14, and the first four of 5 GHz.
#[must_use]
pub fn channel_profile() -> [U32; CHANNELS] {
    std::array::from_fn(|at| match at {
        0..=12 | 14..=17 => CHANNEL_USABLE.into(),
        _ => U32::ZERO,
    })
}

/// The start of `struct iwl_mcc_update_resp_v8`; the channels' flags follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MccUpdateRespV8 {
    /// Whether anything is new.
    pub status: U32,
    /// Country.
    pub mcc: U16,
    padding: [u8; 2],
    /// Capabilities.
    pub cap: U32,
    /// Time.
    pub time: U16,
    /// Geography.
    pub geo_info: U16,
    /// Where it is from.
    pub source_id: u8,
    reserved: [u8; 3],
    /// Channels.
    pub n_channels: U32,
}

/// The start of `struct iwl_mcc_update_resp_v3`, as firmware without 11ax has it; the channels' flags
/// follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MccUpdateRespV3 {
    /// Whether anything is new.
    pub status: U32,
    /// Country.
    pub mcc: U16,
    /// Capabilities.
    pub cap: u8,
    /// Where it is from.
    pub source_id: u8,
    /// Time.
    pub time: U16,
    /// Geography.
    pub geo_info: U16,
    /// Channels.
    pub n_channels: U32,
}

/// The same of `struct iwl_mcc_update_resp_v4`: up to the seventh version.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MccUpdateRespV4 {
    /// Whether anything is new.
    pub status: U32,
    /// Country.
    pub mcc: U16,
    /// Capabilities.
    pub cap: U16,
    /// Time.
    pub time: U16,
    /// Geography.
    pub geo_info: U16,
    /// Where it is from.
    pub source_id: u8,
    reserved: [u8; 3],
    /// Channels.
    pub n_channels: U32,
}

/// `struct iwl_dts_measurement_notif`; up to the first version without the last word.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DtsMeasurementNotif {
    /// Degrees Celsius.
    pub temp: U32,
    /// Voltage.
    pub voltage: U32,
    /// Which threshold was crossed, or [`NO_THRESHOLD`].
    pub threshold_idx: U32,
}

/// [`DtsMeasurementNotif::threshold_idx`]: none was.
pub const NO_THRESHOLD: u32 = 0xff;

/// [`MccUpdateRespV8::status`]: there is a profile for it.
pub const MCC_RESP_NEW_CHAN_PROFILE: u32 = 0;

/// The start of `struct iwl_scd_queue_cfg_cmd`, and all of what adds a queue.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScdQueueCfgCmd {
    /// [`IWL_SCD_QUEUE_ADD`], [`IWL_SCD_QUEUE_REMOVE`] or a change of stations.
    pub operation: U32,
    /// Stations, a bit each.
    pub sta_mask: U32,
    /// Traffic id.
    pub tid: u8,
    reserved: [u8; 3],
    /// Flags.
    pub flags: U32,
    /// See [`tfd_queue_size`](crate::tfh::tfd_queue_size).
    pub cb_size: U32,
    /// Byte count table.
    pub bc_dram_addr: U64,
    /// Ring.
    pub tfdq_dram_addr: U64,
}

/// [`ScdQueueCfgCmd::operation`]: a queue is wanted.
pub const IWL_SCD_QUEUE_ADD: u32 = 0;
/// [`ScdQueueCfgCmd::operation`]: one goes.
pub const IWL_SCD_QUEUE_REMOVE: u32 = 1;

/// The start of `struct iwl_session_prot_cmd`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SessionProtCmd {
    /// The link.
    pub link: U32,
    /// [`FW_CTXT_ACTION_ADD`](crate::mvm::FW_CTXT_ACTION_ADD), or
    /// [remove](crate::mvm::FW_CTXT_ACTION_REMOVE).
    pub action: U32,
    /// What for.
    pub conf_id: U32,
    /// How long, in TU.
    pub duration_tu: U32,
}

/// `struct iwl_session_prot_notif`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SessionProtNotif {
    /// The link.
    pub link: U32,
    /// It was scheduled.
    pub status: U32,
    /// It starts; else it ends.
    pub start: U32,
    /// What for.
    pub conf_id: U32,
}

/// Bytes of `struct iwl_tx_path_flush_cmd_rsp`, which begins with the station.
pub const TXPATH_FLUSH_RSP_LEN: usize = 132;
/// Bytes of `struct iwl_shared_mem_cfg`, up to the third version, and from the fourth on.
pub const SHARED_MEM_CFG_LEN: [usize; 2] = [252, 260];
/// In `struct iwl_system_statistics_cmd`, its first word: notifications are wanted now.
pub const STATS_ON_DEMAND: u32 = 1 << 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_drivers() {
        assert_eq!(size_of::<AliveV8>(), 152);
        assert_eq!(size_of::<NvmGetInfoRspV4>(), 468);
        assert_eq!(size_of::<MccUpdateRespV8>(), 24);
        assert_eq!(size_of::<MccUpdateRespV4>(), 20);
        assert_eq!(size_of::<MccUpdateRespV3>(), 16);
        assert_eq!(size_of::<ScdQueueCfgCmd>(), 36);
        assert_eq!(size_of::<SessionProtNotif>(), 16);
        assert_eq!(channel_profile().iter().filter(|flags| flags.get() != 0).count(), 17);
    }
}
