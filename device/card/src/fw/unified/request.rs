//! Host commands of firmware that is one image for all, parsed.

use iwl_hw::mld::{
    self, ScdQueueCfgCmd, SessionProtCmd, data_path as mld_data_path, id as mld_id, mac_conf,
    phy_ops, system as mld_system,
};
use iwl_hw::mvm::{
    self, RfhQueueData, RxqSyncCmd, ScanReqLmac, ScanReqMld, ScanReqUmac, TimeEventCmd,
    TxQueueCfgCmd, data_path, id, regulatory_and_nvm, system,
};
use zerocopy::little_endian::U32;

use crate::capabilities::Capabilities;
use crate::fw::queues;
use crate::message::{Command, prefix};

/// A command with a meaning. What a guest left out of one reads as zero.
#[derive(Debug)]
pub(super) enum Request<'a> {
    /// What the driver sends before calibration.
    InitExtendedCfg(U32),
    NvmAccessComplete,
    PhyConfiguration,
    NvmGetInfo,
    MccUpdate,
    Temperature,
    SharedMemCfg,
    AddSta,
    /// Its queues go with it.
    RemoveSta(u8),
    Tx,
    /// Frames to this station are dropped, and the driver is told which.
    TxPathFlush(U32),
    TxQueueCfg(TxQueueCfgCmd),
    ScdQueueConfig(ScdQueueCfgCmd),
    /// Receive queues that the driver adds.
    RfhQueueConfig(Vec<RfhQueueData>),
    /// What to send on each queue, and what it says.
    TriggerRxQueues(RxqSyncCmd, &'a [u8]),
    ScanLmac(ScanReqLmac),
    /// A scan by this id of the driver's.
    ScanUmac(U32),
    ScanAbort,
    TimeEvent(TimeEventCmd),
    SessionProtection(SessionProtCmd),
    /// With its flags.
    Statistics(U32),
    SystemStatistics(U32),
    /// The host has resumed, where no doorbell says so.
    D0i3End,
}

/// `SCAN_REQ_UMAC` begins with the scan's id from here on; before, flags come first.
const UID_FIRST: u8 = 12;

impl<'a> Request<'a> {
    /// What a command means, by group, id and the version that the firmware speaks; `None` if it means
    /// nothing here, or has no layout in that version.
    pub(super) fn parse(command: &Command<'a>, said: &Capabilities) -> Option<Self> {
        let (group, id, payload) = (command.group, command.id, command.payload);
        let version = said.command(group, id);
        Some(match (group, id) {
            (mvm::LEGACY_GROUP | mvm::LONG_GROUP, id) => match (id, version) {
                (id::ADD_STA, _) => Self::AddSta,
                (id::REMOVE_STA, _) => Self::RemoveSta(prefix(payload).0),
                (id::TX_CMD, _) => Self::Tx,
                (mld_id::TXPATH_FLUSH, _) => Self::TxPathFlush(prefix(payload).0),
                (id::SCD_QUEUE_CFG, _) => Self::TxQueueCfg(prefix(payload).0),
                (id::SHARED_MEM_CFG, _) => Self::SharedMemCfg,
                (id::TIME_EVENT_CMD, _) => Self::TimeEvent(prefix(payload).0),
                (id::SCAN_OFFLOAD_REQUEST_CMD, _) => Self::ScanLmac(prefix(payload).0),
                (id::SCAN_REQ_UMAC, Some(UID_FIRST..)) => {
                    let (scan, _): (ScanReqMld, _) = prefix(payload);
                    Self::ScanUmac(scan.uid)
                }
                (id::SCAN_REQ_UMAC, _) => {
                    let (scan, _): (ScanReqUmac, _) = prefix(payload);
                    Self::ScanUmac(scan.uid)
                }
                (id::SCAN_OFFLOAD_ABORT_CMD | id::SCAN_ABORT_UMAC, _) => Self::ScanAbort,
                (id::PHY_CONFIGURATION_CMD, _) => Self::PhyConfiguration,
                (id::STATISTICS_CMD, _) => Self::Statistics(prefix(payload).0),
                (mld_id::MCC_UPDATE_CMD, _) => Self::MccUpdate,
                (id::D0I3_END_CMD, _) => Self::D0i3End,
                _ => return None,
            },
            (mvm::SYSTEM_GROUP, id) => match id {
                system::INIT_EXTENDED_CFG_CMD => Self::InitExtendedCfg(prefix(payload).0),
                mld_system::SHARED_MEM_CFG_CMD => Self::SharedMemCfg,
                mld_system::SYSTEM_STATISTICS_CMD => Self::SystemStatistics(prefix(payload).0),
                _ => return None,
            },
            (mld::PHY_OPS_GROUP, phy_ops::CMD_DTS_MEASUREMENT_TRIGGER_WIDE) => Self::Temperature,
            (mld::MAC_CONF_GROUP, mac_conf::SESSION_PROTECTION_CMD) => {
                Self::SessionProtection(prefix(payload).0)
            }
            (mvm::REGULATORY_AND_NVM_GROUP, id) => match id {
                regulatory_and_nvm::NVM_ACCESS_COMPLETE => Self::NvmAccessComplete,
                regulatory_and_nvm::NVM_GET_INFO => Self::NvmGetInfo,
                _ => return None,
            },
            (mvm::DATA_PATH_GROUP, id) => match (id, version) {
                (mld_data_path::SCD_QUEUE_CONFIG_CMD, Some(3)) => {
                    Self::ScdQueueConfig(prefix(payload).0)
                }
                (data_path::RFH_QUEUE_CONFIG_CMD, _) => {
                    Self::RfhQueueConfig(queues::parse(payload))
                }
                (data_path::TRIGGER_RX_QUEUES_NOTIF_CMD, _) => {
                    let (sync, data) = prefix(payload);
                    Self::TriggerRxQueues(sync, data)
                }
                _ => return None,
            },
            _ => return None,
        })
    }
}
