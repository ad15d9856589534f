//! Which version of a message a firmware speaks: the rows of its file's `IWL_UCODE_TLV_CMD_VERSIONS`, by
//! which `iwl-card` chooses the layouts. Those here `iwl-ucode` writes into the stubs'.
//!
//! What no row names has the one version that the driver takes for granted.
//!
//! Source: `fw/img.c`; versions where `mld/*.c` and `mvm/*.c` look one up.

use crate::mld::{
    self, MAC_CONF_GROUP, PHY_OPS_GROUP, STATISTICS_GROUP, mac_conf, phy_ops, statistics,
};
use crate::mvm::{
    DATA_PATH_GROUP, LEGACY_GROUP, LONG_GROUP, REGULATORY_AND_NVM_GROUP, id, regulatory_and_nvm,
};

/// `IWL_FW_CMD_VER_UNKNOWN`: the row is not about this one.
pub const IWL_FW_CMD_VER_UNKNOWN: u8 = 99;

/// `struct iwl_fw_cmd_version`: the version of a command and that of its answer or notification;
/// [`IWL_FW_CMD_VER_UNKNOWN`] for neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmdVersion {
    /// Command id.
    pub cmd: u8,
    /// Command group.
    pub group: u8,
    /// Version of the command.
    pub cmd_ver: u8,
    /// Version of the notification.
    pub notif_ver: u8,
}

/// What a firmware speaks.
pub type Versions = &'static [CmdVersion];

const fn command(group: u8, cmd: u8, cmd_ver: u8) -> CmdVersion {
    CmdVersion { cmd, group, cmd_ver, notif_ver: IWL_FW_CMD_VER_UNKNOWN }
}

const fn notification(group: u8, cmd: u8, notif_ver: u8) -> CmdVersion {
    CmdVersion { cmd, group, cmd_ver: IWL_FW_CMD_VER_UNKNOWN, notif_ver }
}

/// A firmware that has an auxiliary station of its own: the driver takes another away at each suspend,
/// and does not bring it back when the firmware has run on.
const OWN_AUX_STA: CmdVersion = command(LONG_GROUP, id::ADD_STA, 12);

/// AX200, and AX210 before its ALIVE names the SKU.
pub const UNIFIED: Versions = &[OWN_AUX_STA];

/// AX210, once its ALIVE names the SKU.
pub const AX210_SKU: Versions = &[notification(LEGACY_GROUP, id::UCODE_ALIVE_NTFY, 6), OWN_AUX_STA];

/// Wi-Fi 7, as `iwlmld` speaks with it.
pub const MLD: Versions = &[
    notification(LEGACY_GROUP, id::UCODE_ALIVE_NTFY, 8),
    command(LONG_GROUP, id::SCAN_REQ_UMAC, 17),
    command(LONG_GROUP, id::SCAN_OFFLOAD_UPDATE_PROFILES_CMD, 3),
    command(DATA_PATH_GROUP, mld::data_path::SCD_QUEUE_CONFIG_CMD, 3),
    notification(LEGACY_GROUP, id::SCAN_COMPLETE_UMAC, 1),
    notification(LEGACY_GROUP, id::SCAN_ITERATION_COMPLETE_UMAC, 2),
    notification(LEGACY_GROUP, id::SCAN_START_NOTIFICATION_UMAC, 1),
    notification(LEGACY_GROUP, id::TX_CMD, 8),
    notification(LONG_GROUP, mld::id::MCC_UPDATE_CMD, 8),
    notification(MAC_CONF_GROUP, mac_conf::SESSION_PROTECTION_NOTIF, 3),
    command(MAC_CONF_GROUP, mac_conf::STA_CONFIG_CMD, 2),
    command(DATA_PATH_GROUP, mld::data_path::TLC_MNG_CONFIG_CMD, 6),
    notification(REGULATORY_AND_NVM_GROUP, regulatory_and_nvm::NVM_GET_INFO, 4),
    notification(STATISTICS_GROUP, statistics::STATISTICS_OPER_NOTIF, 3),
    notification(STATISTICS_GROUP, statistics::STATISTICS_OPER_PART1_NOTIF, 4),
    command(PHY_OPS_GROUP, phy_ops::PER_CHAIN_LIMIT_OFFSET_CMD, 5),
    // 6.16 takes none for granted.
    command(LONG_GROUP, id::REDUCE_TX_POWER_CMD, 10),
];

/// The version of a command, as `iwl_fw_lookup_cmd_ver` finds it; legacy ids stand in the long
/// group.
#[must_use]
pub fn command_version(versions: &[CmdVersion], group: u8, id: u8) -> Option<u8> {
    let group = if group == LEGACY_GROUP { LONG_GROUP } else { group };
    find(versions, group, id, |row| row.cmd_ver)
}

/// The version of a notification or an answer, as `iwl_fw_lookup_notif_ver` finds it.
#[must_use]
pub fn notification_version(versions: &[CmdVersion], group: u8, id: u8) -> Option<u8> {
    find(versions, group, id, |row| row.notif_ver)
}

fn find(versions: &[CmdVersion], group: u8, id: u8, of: fn(&CmdVersion) -> u8) -> Option<u8> {
    let row = versions.iter().find(|row| (row.group, row.cmd) == (group, id));
    row.map(of).filter(|version| *version != IWL_FW_CMD_VER_UNKNOWN)
}
