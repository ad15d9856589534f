//! MLD firmware: Wi-Fi 7, with links, as `iwlmld` speaks with it. A command of a version that has no
//! layout here means nothing; the versions are the rows that the stubs give the driver.
//!
//! Sources: `fw/api/*.h`, and what `mld/*.c` does with the answers.

use iwl_hw::mld::{
    self, MccUpdateRespV8, NvmGetInfoRspV4, ScdQueueCfgCmd, SessionProtCmd, SessionProtNotif,
    data_path as mld_data_path, id as mld_id, mac_conf, system as mld_system,
};
use iwl_hw::mvm::{
    self, RfhQueueData, RxqSyncCmd, ScanReqMld, data_path, id, regulatory_and_nvm, system,
};
use iwl_hw::nvm as layout;
use iwl_hw::tfh::MAX_TFD_QUEUE_SIZE_AX210;
use iwl_hw::versions::{Versions, command_version, notification_version};
use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use super::common::{alive, d3_end, error_logs, finish_init, pnvm_complete, umac_alive};
use super::firmware::{Failure, Firmware};
use super::queues::{self, Queues};
use super::scan::Scan;
use crate::event::{CardEvent, Image};
use crate::message::{Answer, Command, Effect, Job, Later, MILLISECOND, Packet, TU, prefix};
use crate::world::Nanos;

/// The version that the firmware gives itself.
const UCODE_MAJOR: u32 = 107;
/// How long a session's protection takes to start.
const SESSION_START: Nanos = 3 * MILLISECOND;

/// The state of a running image.
#[derive(Debug)]
pub(crate) struct Mld {
    versions: Versions,
    /// The transmit queues, by their stations and traffic id.
    queues: Queues<(u32, u8)>,
    scan: Scan,
    /// Which part of the platform's NVM is for it.
    sku: [u32; 3],
}

impl Mld {
    pub(crate) fn new(versions: Versions, sku: [u32; 3]) -> Self {
        let queues = Queues::new(MAX_TFD_QUEUE_SIZE_AX210);
        Self { versions, queues, scan: Scan::default(), sku }
    }
}

/// A command with a meaning, parsed. What a guest left out of one reads as zero.
enum Request<'a> {
    Tx,
    TxPathFlush(U32),
    SharedMemCfg,
    Scan(ScanReqMld),
    ScanAbort,
    PhyConfiguration,
    MccUpdate,
    NvmGetInfo,
    InitExtendedCfg,
    Statistics(U32),
    SessionProtection(SessionProtCmd),
    ScdQueueConfig(ScdQueueCfgCmd),
    RfhQueueConfig(Vec<RfhQueueData>),
    TriggerRxQueues(RxqSyncCmd, &'a [u8]),
}

impl<'a> Request<'a> {
    /// What a command means, by group, id and the versions spoken; `None` if it means nothing here.
    fn parse(command: &Command<'a>, versions: Versions) -> Option<Self> {
        let (group, id, payload) = (command.group, command.id, command.payload);
        let version = command_version(versions, group, id);
        Some(match (group, id) {
            (mvm::LEGACY_GROUP | mvm::LONG_GROUP, id) => match (id, version) {
                (id::TX_CMD, _) => Self::Tx,
                (mld_id::TXPATH_FLUSH, _) => Self::TxPathFlush(prefix(payload).0),
                (id::SHARED_MEM_CFG, _) => Self::SharedMemCfg,
                (id::SCAN_REQ_UMAC, Some(17..)) => Self::Scan(prefix(payload).0),
                (id::SCAN_ABORT_UMAC, _) => Self::ScanAbort,
                (id::PHY_CONFIGURATION_CMD, _) => Self::PhyConfiguration,
                (mld_id::MCC_UPDATE_CMD, _) => Self::MccUpdate,
                _ => return None,
            },
            (mvm::SYSTEM_GROUP, id) => match id {
                system::INIT_EXTENDED_CFG_CMD => Self::InitExtendedCfg,
                mld_system::SHARED_MEM_CFG_CMD => Self::SharedMemCfg,
                mld_system::SYSTEM_STATISTICS_CMD => Self::Statistics(prefix(payload).0),
                _ => return None,
            },
            (mvm::REGULATORY_AND_NVM_GROUP, regulatory_and_nvm::NVM_GET_INFO)
                if notification_version(versions, group, id) == Some(4) =>
            {
                Self::NvmGetInfo
            }
            (mld::MAC_CONF_GROUP, mac_conf::SESSION_PROTECTION_CMD) => {
                Self::SessionProtection(prefix(payload).0)
            }
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

impl Firmware for Mld {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        alive(self.versions, UCODE_MAJOR, self.sku, umac_alive(UCODE_MAJOR), image, valid)
    }

    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)> {
        error_logs(error, UCODE_MAJOR)
    }

    fn has_long_header(&self, group: u8) -> bool {
        group != mvm::LEGACY_GROUP
    }

    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::mvm(group, id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let parsed = Request::parse(command, self.versions);
        let Some(request) = parsed else { return Answer::unknown() };
        let effects = match request {
            Request::Tx => vec![Effect::Reply(queues::transmitted(command, true))],
            Request::TxPathFlush(station) => {
                let mut flushed = [0; mld::TXPATH_FLUSH_RSP_LEN];
                flushed[..2].copy_from_slice(&station.as_bytes()[..2]);
                vec![Effect::reply(flushed)]
            }
            Request::SharedMemCfg => vec![Effect::reply([0; mld::SHARED_MEM_CFG_LEN])],
            Request::Scan(scan) => self.scan.mld(&scan),
            Request::ScanAbort => self.scan.abort(),
            Request::PhyConfiguration => finish_init(Vec::new(), command),
            Request::MccUpdate => mcc_update(),
            Request::NvmGetInfo => get_info(command),
            Request::InitExtendedCfg => vec![Effect::status()],
            Request::Statistics(wanted) => statistics(wanted.get()),
            Request::SessionProtection(session) => protect(&session),
            Request::ScdQueueConfig(config) => self.configure(&config),
            Request::RfhQueueConfig(queues) => queues::receive(&queues),
            Request::TriggerRxQueues(sync, data) => queues::notify(&sync, data),
        };
        effects.into()
    }

    fn finish_scan(&mut self) -> Option<Packet> {
        self.scan.finish()
    }

    fn pnvm_complete(&self) -> Option<Packet> {
        Some(pnvm_complete())
    }

    fn resumed(&self) -> Option<Packet> {
        Some(d3_end())
    }
}

impl Mld {
    fn configure(&mut self, config: &ScdQueueCfgCmd) -> Vec<Effect> {
        let owner = (config.sta_mask.get(), config.tid);
        match config.operation.get() {
            mld::IWL_SCD_QUEUE_ADD => {
                self.queues.open(owner, config.cb_size.get(), config.tfdq_dram_addr.get())
            }
            mld::IWL_SCD_QUEUE_REMOVE => {
                let closed = self.queues.close(|of| *of == owner);
                closed.into_iter().chain([queues::respond(0, 0)]).collect()
            }
            // Other stations for it.
            _ => vec![queues::respond(0, 0)],
        }
    }
}

/// `NVM_GET_INFO`, in the version of Wi-Fi 7: location-aware, with all channels there are.
fn get_info(command: &Command<'_>) -> Vec<Effect> {
    let (nvm, faults) = (command.nvm, command.faults);
    let from = |section, offset: usize, len: usize| {
        nvm.read(section, offset as u16, len as u16, faults).unwrap_or_default()
    };
    let sw = layout::NVM_SECTION_TYPE_SW;
    let phy_sku = layout::NVM_SECTION_TYPE_PHY_SKU;
    let (radio, _): (U32, _) = prefix(&from(phy_sku, layout::RADIO_CFG_EXT, 4));
    let (sku, _): (U32, _) = prefix(&from(phy_sku, layout::SKU_EXT, 4));
    let mut info = NvmGetInfoRspV4::new_zeroed();
    info.nvm_version = prefix(&from(sw, layout::NVM_VERSION, 2)).0;
    info.n_hw_addrs = prefix(&from(sw, layout::N_HW_ADDRS, 1)).0;
    info.mac_sku_flags = sku | mld::SKU_CAP_11AX;
    info.tx_chains = layout::tx_antennas_ext(radio.get()).into();
    info.rx_chains = layout::rx_antennas_ext(radio.get()).into();
    info.lar_enabled = 1.into();
    info.n_channels = (mld::CHANNELS as u32).into();
    info.channel_profile = mld::channel_profile();
    let told = CardEvent::NvmRead {
        section: crate::nvm::NVM_GET_INFO.into(),
        offset: 0,
        len: size_of_val(&info) as u32,
        present: true,
    };
    let wrong = nvm.faults_of(sw, faults).map(|fault| Effect::Tell(CardEvent::injected(fault)));
    wrong.chain([Effect::Tell(told), Effect::reply(info.as_bytes())]).collect()
}

/// `MCC_UPDATE_CMD`: whichever country it is, the channels are the same.
fn mcc_update() -> Vec<Effect> {
    let mut response = MccUpdateRespV8::new_zeroed();
    response.status = mld::MCC_RESP_NEW_CHAN_PROFILE.into();
    response.mcc = u16::from_be_bytes(*b"DE").into();
    response.source_id = 1;
    response.n_channels = (mld::CHANNELS as u32).into();
    response.channels = mld::channel_profile();
    vec![Effect::reply(response.as_bytes())]
}

/// `SYSTEM_STATISTICS_CMD`: nothing has happened.
fn statistics(wanted: u32) -> Vec<Effect> {
    if wanted & mld::STATS_ON_DEMAND == 0 {
        return vec![Effect::status()];
    }
    let parts = mld::STATISTICS_OPER.map(|(id, len)| {
        let part = Packet::notification(id, &vec![0; len]);
        Packet { group: mld::STATISTICS_GROUP, ..part }
    });
    let end = Packet::notification(mld_system::SYSTEM_STATISTICS_END_NOTIF, &[0; 4]);
    let end = Packet { group: mvm::SYSTEM_GROUP, ..end };
    let packets = parts.into_iter().chain([end]).collect();
    vec![Effect::status(), Effect::After(0, Later::Send(packets))]
}

/// `SESSION_PROTECTION_CMD`: the radio is the link's for a while.
fn protect(session: &SessionProtCmd) -> Vec<Effect> {
    let mut effects = vec![Effect::status()];
    let job = Job::Session { link: session.link.get(), conf: session.conf_id.get() };
    if session.action.get() == mvm::FW_CTXT_ACTION_REMOVE {
        effects.push(Effect::Cancel(job));
    }
    if session.action.get() == mvm::FW_CTXT_ACTION_ADD {
        let notification = |start: u32| {
            let notification = SessionProtNotif {
                link: session.link,
                status: 1.into(),
                start: start.into(),
                conf_id: session.conf_id,
            };
            let id = mac_conf::SESSION_PROTECTION_NOTIF;
            let packet = Packet::notification(id, notification.as_bytes());
            Later::Notify(job, Packet { group: mld::MAC_CONF_GROUP, ..packet })
        };
        let duration = Nanos::from(session.duration_tu.get()) * TU;
        effects.push(Effect::After(SESSION_START, notification(1)));
        effects.push(Effect::After(SESSION_START + duration, notification(0)));
    }
    effects
}
