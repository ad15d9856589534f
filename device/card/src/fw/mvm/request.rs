//! Host commands of MVM firmware, parsed.

use iwl_hw::mld::{PHY_OPS_GROUP, id as mld_id, phy_ops, system};
use iwl_hw::mvm::{
    self, NvmAccessCmd, RxqSyncCmd, ScanReqLmac, ScanReqUmac, ScdTxqCfgCmd, TimeEventCmd,
    data_path, id,
};

use zerocopy::little_endian::U32;

use crate::message::{Command, prefix};

/// A command with a meaning. What a guest left out of one reads as zero.
#[derive(Debug)]
pub(super) enum Request<'a> {
    AddSta,
    Tx,
    ScdQueueCfg(ScdTxqCfgCmd),
    SharedMemCfg,
    /// The same with more to say, in the system's group.
    SystemSharedMemCfg,
    MccUpdate,
    Temperature,
    TimeEvent(TimeEventCmd),
    ScanOffload(ScanReqLmac),
    ScanUmac(ScanReqUmac),
    ScanAbort,
    PhyConfiguration,
    NvmAccess(NvmAccessCmd),
    /// With its flags.
    Statistics(U32),
    /// What to send on each queue, and what it says.
    TriggerRxQueues(RxqSyncCmd, &'a [u8]),
}

impl<'a> Request<'a> {
    /// What a command means, by group, id and version; `None` if it means nothing here. Of what these
    /// firmwares read of a command no version makes a difference: any will do.
    pub(super) fn parse(command: &Command<'a>) -> Option<Self> {
        let payload = command.payload;
        Some(match (command.group, command.id, command.version) {
            (mvm::LEGACY_GROUP | mvm::LONG_GROUP, id, _any) => match id {
                id::ADD_STA => Self::AddSta,
                id::TX_CMD => Self::Tx,
                id::SCD_QUEUE_CFG => Self::ScdQueueCfg(prefix(payload).0),
                id::SHARED_MEM_CFG => Self::SharedMemCfg,
                id::TIME_EVENT_CMD => Self::TimeEvent(prefix(payload).0),
                id::SCAN_OFFLOAD_REQUEST_CMD => Self::ScanOffload(prefix(payload).0),
                id::SCAN_REQ_UMAC => Self::ScanUmac(prefix(payload).0),
                id::SCAN_OFFLOAD_ABORT_CMD | id::SCAN_ABORT_UMAC => Self::ScanAbort,
                id::PHY_CONFIGURATION_CMD => Self::PhyConfiguration,
                id::NVM_ACCESS_CMD => Self::NvmAccess(prefix(payload).0),
                id::STATISTICS_CMD => Self::Statistics(prefix(payload).0),
                mld_id::MCC_UPDATE_CMD => Self::MccUpdate,
                _ => return None,
            },
            (PHY_OPS_GROUP, phy_ops::CMD_DTS_MEASUREMENT_TRIGGER_WIDE, _any) => Self::Temperature,
            (mvm::SYSTEM_GROUP, system::SHARED_MEM_CFG_CMD, _any) => Self::SystemSharedMemCfg,
            (mvm::DATA_PATH_GROUP, data_path::TRIGGER_RX_QUEUES_NOTIF_CMD, _any) => {
                let (sync, data) = prefix(payload);
                Self::TriggerRxQueues(sync, data)
            }
            _ => return None,
        })
    }
}
