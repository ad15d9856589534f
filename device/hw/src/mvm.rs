//! Messages of MVM firmware: in the versions of the families up to 9000, which 22000 still speaks, and
//! what that has beside.
//!
//! Sources: `fw/api/*.h`.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Command, response and notification ids the model gives a meaning; groups 0 and 1.
pub mod id {
    #![allow(missing_docs, reason = "vendor names")]
    pub const UCODE_ALIVE_NTFY: u8 = 0x01;
    pub const INIT_COMPLETE_NOTIF: u8 = 0x04;
    pub const SCAN_REQ_UMAC: u8 = 0x0d;
    pub const SCAN_ABORT_UMAC: u8 = 0x0e;
    pub const SCAN_COMPLETE_UMAC: u8 = 0x0f;
    pub const ADD_STA: u8 = 0x18;
    pub const REMOVE_STA: u8 = 0x19;
    pub const TX_CMD: u8 = 0x1c;
    pub const SCD_QUEUE_CFG: u8 = 0x1d;
    pub const SHARED_MEM_CFG: u8 = 0x25;
    pub const TIME_EVENT_CMD: u8 = 0x29;
    pub const TIME_EVENT_NOTIFICATION: u8 = 0x2a;
    pub const SCAN_OFFLOAD_REQUEST_CMD: u8 = 0x51;
    pub const SCAN_OFFLOAD_ABORT_CMD: u8 = 0x52;
    pub const PHY_CONFIGURATION_CMD: u8 = 0x6a;
    pub const CALIB_RES_NOTIF_PHY_DB: u8 = 0x6b;
    pub const SCAN_OFFLOAD_COMPLETE: u8 = 0x6d;
    pub const SCAN_OFFLOAD_UPDATE_PROFILES_CMD: u8 = 0x6e;
    pub const NVM_ACCESS_CMD: u8 = 0x88;
    pub const STATISTICS_CMD: u8 = 0x9c;
    pub const STATISTICS_NOTIFICATION: u8 = 0x9d;
    pub const REDUCE_TX_POWER_CMD: u8 = 0x9f;
    pub const SCAN_START_NOTIFICATION_UMAC: u8 = 0xb2;
    pub const SCAN_ITERATION_COMPLETE_UMAC: u8 = 0xb5;
    pub const D0I3_END_CMD: u8 = 0xed;
}

/// Of [`SYSTEM_GROUP`].
pub mod system {
    #![allow(missing_docs, reason = "vendor names")]
    pub const INIT_EXTENDED_CFG_CMD: u8 = 0x03;
}

/// What the driver sends before calibration, in the first word of `INIT_EXTENDED_CFG_CMD`.
pub mod init_flags {
    /// `IWL_INIT_NVM`: `NVM_ACCESS_COMPLETE`, after what it has to say of the NVM.
    pub const NVM: u32 = 1 << 1;
    /// `IWL_INIT_PHY`: `PHY_CONFIGURATION_CMD`.
    pub const PHY: u32 = 1 << 2;
}

/// Of [`DATA_PATH_GROUP`].
pub mod data_path {
    #![allow(missing_docs, reason = "vendor names")]
    pub const TRIGGER_RX_QUEUES_NOTIF_CMD: u8 = 0x02;
    pub const RFH_QUEUE_CONFIG_CMD: u8 = 0x0d;
    pub const RX_QUEUES_NOTIFICATION: u8 = 0xff;
}

/// Of [`REGULATORY_AND_NVM_GROUP`].
pub mod regulatory_and_nvm {
    #![allow(missing_docs, reason = "vendor names")]
    pub const NVM_ACCESS_COMPLETE: u8 = 0x00;
    pub const NVM_GET_INFO: u8 = 0x02;
    pub const PNVM_INIT_COMPLETE_NTFY: u8 = 0xfe;
}

/// Of [`PROT_OFFLOAD_GROUP`]: the host has resumed, and the firmware is back; flags, none.
pub const D3_END_NOTIFICATION: u8 = 0xfe;
/// What the firmware does while the host sleeps.
pub const PROT_OFFLOAD_GROUP: u8 = 0x0b;

/// The system.
pub const SYSTEM_GROUP: u8 = 0x02;
/// The data path.
pub const DATA_PATH_GROUP: u8 = 0x05;
/// Regulatory matters and the NVM.
pub const REGULATORY_AND_NVM_GROUP: u8 = 0x0c;

/// Group of the short header.
pub const LEGACY_GROUP: u8 = 0;
/// Group of the same commands with the long header.
pub const LONG_GROUP: u8 = 1;
/// The queue of host commands.
pub const CMD_QUEUE: u8 = 0;

/// `struct iwl_lmac_alive`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct LmacAlive {
    /// Firmware major version.
    pub ucode_major: U32,
    /// Firmware minor version.
    pub ucode_minor: U32,
    /// [`FW_SUBTYPE_INITIALIZE`] or [`FW_SUBTYPE_FULL_FEATURE`].
    pub ver_subtype: u8,
    /// Firmware type.
    pub ver_type: u8,
    /// MAC.
    pub mac: u8,
    /// Options.
    pub opt: u8,
    /// Device time.
    pub timestamp: U32,
    /// Error log in device memory.
    pub error_event_table_ptr: U32,
    /// Event log in device memory.
    pub log_event_table_ptr: U32,
    /// CPU registers in device memory.
    pub cpu_register_ptr: U32,
    /// Debug configuration in device memory.
    pub dbgm_config_ptr: U32,
    /// ALIVE counter in device memory.
    pub alive_counter_ptr: U32,
    /// Scheduler tables in device memory; `SCD_SRAM_BASE_ADDR` must agree.
    pub scd_base_ptr: U32,
    /// Store-and-forward memory.
    pub st_fwrd_addr: U32,
    /// Bytes of it.
    pub st_fwrd_size: U32,
}

/// [`LmacAlive::ver_subtype`] of an INIT image.
pub const FW_SUBTYPE_INITIALIZE: u8 = 9;
/// [`LmacAlive::ver_subtype`] of a runtime image.
pub const FW_SUBTYPE_FULL_FEATURE: u8 = 0;

/// `struct iwl_umac_alive`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct UmacAlive {
    /// UMAC major version.
    pub umac_major: U32,
    /// UMAC minor version.
    pub umac_minor: U32,
    /// Error log in device memory.
    pub error_info_addr: U32,
    /// Debug print buffer in device memory.
    pub dbg_print_buff_addr: U32,
}

/// `struct iwl_error_event_table`, at [`LmacAlive::error_event_table_ptr`] once the firmware has
/// failed: what the driver prints of it, and whose it is; the rest is left at zero.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ErrorEventTable {
    /// Entries; 0 is an empty log.
    pub valid: U32,
    /// What failed: [`SYSASSERT`].
    pub error_id: U32,
    trm_hw_status: [U32; 2],
    /// Branch and interrupt links.
    pub links: [U32; 3],
    /// What belongs to the error.
    pub data: [U32; 3],
    times: [U32; 5],
    fw_rev_type: U32,
    /// Firmware major version.
    pub major: U32,
    /// Firmware minor version.
    pub minor: U32,
    /// `CSR_HW_REV`.
    pub hw_ver: U32,
    board: [U32; 4],
    /// Header of the last host command.
    pub hcmd: U32,
    isr: [U32; 5],
    /// The same, handled to its end.
    pub last_cmd_id: U32,
    rest: [U32; 8],
}

/// `struct iwl_umac_error_event_table`, at [`UmacAlive::error_info_addr`] once the firmware has failed:
/// the same of the upper MAC, from family 8000 on.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct UmacErrorEventTable {
    /// Entries; 0 is an empty log.
    pub valid: U32,
    /// What failed: [`UMAC_LMAC_FATAL`].
    pub error_id: U32,
    /// Branch and interrupt links.
    pub links: [U32; 4],
    /// What belongs to the error.
    pub data: [U32; 3],
    /// UMAC major version.
    pub umac_major: U32,
    /// UMAC minor version.
    pub umac_minor: U32,
    frame_pointer: U32,
    stack_pointer: U32,
    /// Header of the last host command.
    pub cmd_header: U32,
    nic_isr_pref: U32,
}

/// [`UmacErrorEventTable::error_id`]: what names the upper MAC's CPU.
const UMAC_CPU: u32 = 0x2000_0000;
/// [`UmacErrorEventTable::error_id`]: the lower MAC has failed (`NMI_INTERRUPT_LMAC_FATAL`).
pub const UMAC_LMAC_FATAL: u32 = UMAC_CPU | 0x70;
/// [`UmacErrorEventTable::error_id`]: the driver's NMI has stopped it.
pub const UMAC_NMI_INTERRUPT_HOST: u32 = UMAC_CPU | NMI_INTERRUPT_HOST;

/// [`ErrorEventTable::error_id`]: an assertion of the firmware's does not hold.
pub const SYSASSERT: u32 = 0x35;
/// The driver's NMI has stopped it.
pub const NMI_INTERRUPT_HOST: u32 = 0x66;
/// The upper MAC has failed.
pub const NMI_INTERRUPT_UMAC_FATAL: u32 = 0x71;

/// Whether an [`UmacErrorEventTable::error_id`] is the upper MAC's own.
#[must_use]
pub const fn is_of_upper_mac(error_id: u32) -> bool {
    error_id & FW_SYSASSERT_CPU_MASK == UMAC_CPU
}

/// The bits that tell which CPU has failed.
const FW_SYSASSERT_CPU_MASK: u32 = 0xf000_0000;

/// Numbers of errors, by the names that the driver prints (`advanced_lookup` of `fw/img.c`). The last stands
/// for every number that has no other name.
pub const ERRORS: [(&str, u32); 22] = [
    ("NMI_INTERRUPT_WDG", 0x34),
    ("SYSASSERT", SYSASSERT),
    ("UCODE_VERSION_MISMATCH", 0x37),
    ("BAD_COMMAND", 0x38),
    ("BAD_COMMAND", 0x39),
    ("NMI_INTERRUPT_DATA_ACTION_PT", 0x3c),
    ("FATAL_ERROR", 0x3d),
    ("NMI_TRM_HW_ERR", 0x46),
    ("NMI_INTERRUPT_TRM", 0x4c),
    ("NMI_INTERRUPT_BREAK_POINT", 0x54),
    ("NMI_INTERRUPT_WDG_RXF_FULL", 0x5c),
    ("NMI_INTERRUPT_WDG_NO_RBD_RXF_FULL", 0x64),
    ("NMI_INTERRUPT_HOST", NMI_INTERRUPT_HOST),
    ("NMI_INTERRUPT_LMAC_FATAL", 0x70),
    ("NMI_INTERRUPT_UMAC_FATAL", NMI_INTERRUPT_UMAC_FATAL),
    ("NMI_INTERRUPT_OTHER_LMAC_FATAL", 0x73),
    ("NMI_INTERRUPT_ACTION_PT", 0x7c),
    ("NMI_INTERRUPT_UNKNOWN", 0x84),
    ("NMI_INTERRUPT_INST_ACTION_PT", 0x86),
    ("NMI_INTERRUPT_PREG", 0x88),
    ("PNVM_MISSING", 0x10_070d),
    ("ADVANCED_SYSASSERT", 0x1000),
];

/// `struct iwl_alive_ntf_v3`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AliveV3 {
    /// [`IWL_ALIVE_STATUS_OK`] or [`IWL_ALIVE_STATUS_ERR`].
    pub status: U16,
    /// Flags.
    pub flags: U16,
    /// The lower MAC.
    pub lmac_data: LmacAlive,
    /// The upper MAC.
    pub umac_data: UmacAlive,
}

/// `struct iwl_alive_ntf_v7`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AliveV7 {
    /// As in [`AliveV3`].
    pub status: U16,
    /// Flags.
    pub flags: U16,
    /// The lower MACs.
    pub lmac_data: [LmacAlive; 2],
    /// The upper MAC.
    pub umac_data: UmacAlive,
    /// Which part of the platform's NVM is for it; all zero: none.
    pub sku_id: [U32; 3],
    /// Memory that it wants of the host.
    pub imr: [U32; 4],
}

/// [`AliveV3::status`]: valid.
pub const IWL_ALIVE_STATUS_OK: u16 = 0xcafe;
/// [`AliveV3::status`]: not valid.
pub const IWL_ALIVE_STATUS_ERR: u16 = 0xdead;

/// `struct iwl_nvm_access_cmd`; data of a write follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NvmAccessCmd {
    /// [`NVM_READ`] or a write.
    pub op_code: u8,
    /// Cache, OTP or EEPROM.
    pub target: u8,
    /// Section.
    pub r#type: U16,
    /// Byte offset in the section.
    pub offset: U16,
    /// Bytes.
    pub length: U16,
}

/// `struct iwl_nvm_access_resp`; data of a read follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NvmAccessResp {
    /// Byte offset in the section.
    pub offset: U16,
    /// Bytes.
    pub length: U16,
    /// Section.
    pub r#type: U16,
    /// 0, or [`READ_NVM_CHUNK_NOT_VALID_ADDRESS`].
    pub status: U16,
}

/// [`NvmAccessCmd::op_code`]: read.
pub const NVM_READ: u8 = 0;
/// [`NvmAccessResp::status`]: there is no such section, or nothing there.
pub const READ_NVM_CHUNK_NOT_VALID_ADDRESS: u16 = 1;

/// `struct iwl_calib_res_notif_phy_db`; data follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct CalibResNotifPhyDb {
    /// Section of the PHY database.
    pub r#type: U16,
    /// Bytes that follow.
    pub length: U16,
}

/// Sections of the PHY database and their least useful sizes: configuration, calibration for
/// no channel in particular, PAPD and TX power of channel group 0.
pub const PHY_DB_SECTIONS: [(u16, u16); 4] = [(1, 16), (2, 16), (4, 8), (5, 8)];

/// `struct iwl_scd_txq_cfg_cmd`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScdTxqCfgCmd {
    /// Unused.
    pub token: u8,
    /// Station.
    pub sta_id: u8,
    /// Traffic id.
    pub tid: u8,
    /// Queue.
    pub scd_queue: u8,
    /// [`SCD_CFG_DISABLE_QUEUE`], [`SCD_CFG_ENABLE_QUEUE`] or a change of owner.
    pub action: u8,
    /// Aggregating.
    pub aggregate: u8,
    /// FIFO.
    pub tx_fifo: u8,
    /// Window.
    pub window: u8,
    /// Start sequence number: where the queue begins.
    pub ssn: U16,
    /// Reserved.
    pub reserved: U16,
}

/// [`ScdTxqCfgCmd::action`]: off.
pub const SCD_CFG_DISABLE_QUEUE: u8 = 0;
/// [`ScdTxqCfgCmd::action`]: on.
pub const SCD_CFG_ENABLE_QUEUE: u8 = 1;

/// `struct iwl_tx_queue_cfg_cmd`: `SCD_QUEUE_CFG` of 22000, where the firmware chooses the queue.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxQueueCfgCmd {
    /// Station.
    pub sta_id: u8,
    /// Traffic id.
    pub tid: u8,
    /// [`TX_QUEUE_CFG_ENABLE_QUEUE`].
    pub flags: U16,
    /// See [`tfd_queue_size`](crate::tfh::tfd_queue_size).
    pub cb_size: U32,
    /// Byte count table.
    pub byte_cnt_addr: U64,
    /// Ring.
    pub tfdq_addr: U64,
}

/// [`TxQueueCfgCmd::flags`]: a queue is wanted.
pub const TX_QUEUE_CFG_ENABLE_QUEUE: u16 = 1 << 0;

/// `struct iwl_tx_queue_cfg_rsp`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxQueueCfgRsp {
    /// The queue.
    pub queue_number: U16,
    /// Set on failure.
    pub flags: U16,
    /// Where it begins.
    pub write_pointer: U16,
    /// Reserved.
    pub reserved: U16,
}

/// `struct iwl_rfh_queue_data`, of which `RFH_QUEUE_CONFIG_CMD` has a number after
/// [`RFH_QUEUE_CONFIG_HEAD`] bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RfhQueueData {
    /// Receive queue.
    pub q_num: u8,
    /// Drivers leave it zero.
    pub enable: u8,
    reserved: U16,
    /// Status.
    pub urbd_stts_wrptr: U64,
    /// Ring of free buffers.
    pub fr_bd_cb: U64,
    /// Ring of used buffers.
    pub ur_bd_cb: U64,
    /// First free index.
    pub fr_bd_wid: U32,
}

/// Bytes of `struct iwl_rfh_queue_config` before its queues; the first is their number.
pub const RFH_QUEUE_CONFIG_HEAD: usize = 4;

/// The start of `struct iwl_rxq_sync_cmd`; the payload follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RxqSyncCmd {
    /// The sender's queue.
    pub flags: U32,
    /// Queues to tell.
    pub rxq_mask: U32,
    /// Bytes of payload.
    pub count: U32,
}

/// `struct iwl_pnvm_init_complete_ntfy`: it is done.
pub const PNVM_STATUS_OK: u32 = 1;

/// `struct iwl_nvm_get_info_rsp_v3`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct NvmGetInfoRspV3 {
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
    /// Flags of each channel, as in the NVM.
    pub channel_profile: [U16; 51],
    reserved: U16,
}

/// The start of `struct iwl_time_event_cmd`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TimeEventCmd {
    /// Which MAC.
    pub id_and_color: U32,
    /// [`FW_CTXT_ACTION_ADD`], modify or remove.
    pub action: U32,
    /// Kind of event (add), or its unique id.
    pub id: U32,
    /// When to start.
    pub apply_time: U32,
    /// Latest start, in TU.
    pub max_delay: U32,
    /// On which event it depends.
    pub depends_on: U32,
    /// Repetition, in TU.
    pub interval: U32,
    /// Duration, in TU.
    pub duration: U32,
}

/// [`TimeEventCmd::action`]: add.
pub const FW_CTXT_ACTION_ADD: u32 = 1;
/// [`TimeEventCmd::action`]: remove.
pub const FW_CTXT_ACTION_REMOVE: u32 = 3;

/// `struct iwl_time_event_resp`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TimeEventResp {
    /// Bit 0: accepted.
    pub status: U32,
    /// Kind of event.
    pub id: U32,
    /// Unique id.
    pub unique_id: U32,
    /// Which MAC.
    pub id_and_color: U32,
}

/// `struct iwl_time_event_notif`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TimeEventNotif {
    /// Device time.
    pub timestamp: U32,
    /// Session.
    pub session_id: U32,
    /// Unique id.
    pub unique_id: U32,
    /// Which MAC.
    pub id_and_color: U32,
    /// [`TE_V2_NOTIF_HOST_EVENT_START`] or [`TE_V2_NOTIF_HOST_EVENT_END`].
    pub action: U32,
    /// It was scheduled.
    pub status: U32,
}

/// [`TimeEventNotif::action`]: the event starts.
pub const TE_V2_NOTIF_HOST_EVENT_START: u32 = 1;
/// [`TimeEventNotif::action`]: the event ends.
pub const TE_V2_NOTIF_HOST_EVENT_END: u32 = 2;

/// The start of `struct iwl_scan_req_lmac`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanReqLmac {
    /// Reserved.
    pub reserved1: U32,
    /// Channels.
    pub n_channels: u8,
    /// Active dwell, in TU.
    pub active_dwell: u8,
    /// Passive dwell, in TU.
    pub passive_dwell: u8,
    /// Fragmented dwell, in TU.
    pub fragmented_dwell: u8,
    /// Extended dwell, in TU.
    pub extended_dwell: u8,
    /// Reserved.
    pub reserved2: u8,
    /// Receive chains.
    pub rx_chain_select: U16,
    /// Flags; [`IWL_MVM_LMAC_SCAN_FLAG_PASSIVE`].
    pub scan_flags: U32,
}

/// [`ScanReqLmac::scan_flags`]: no probe requests.
pub const IWL_MVM_LMAC_SCAN_FLAG_PASSIVE: u32 = 1 << 1;

/// The start of `struct iwl_scan_req_umac`, the same in all its versions.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanReqUmac {
    /// Flags.
    pub flags: U32,
    /// The scan's id, by the driver.
    pub uid: U32,
}

/// The start of `struct iwl_scan_req_umac_v17`, where the id comes first.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ScanReqMld {
    /// The scan's id, by the driver.
    pub uid: U32,
}

/// `struct iwl_umac_scan_complete`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct UmacScanComplete {
    /// The scan's id.
    pub uid: U32,
    /// Last schedule.
    pub last_schedule: u8,
    /// Last iteration.
    pub last_iter: u8,
    /// [`IWL_SCAN_OFFLOAD_COMPLETED`] or [`IWL_SCAN_OFFLOAD_ABORTED`].
    pub status: u8,
    /// Energy-based scan.
    pub ebs_status: u8,
    /// Time since the last iteration.
    pub time_from_last_iter: U32,
    /// Reserved.
    pub reserved: U32,
}

/// `struct iwl_periodic_scan_complete`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PeriodicScanComplete {
    /// Last schedule line.
    pub last_schedule_line: u8,
    /// Last iteration.
    pub last_schedule_iteration: u8,
    /// [`IWL_SCAN_OFFLOAD_COMPLETED`] or [`IWL_SCAN_OFFLOAD_ABORTED`].
    pub status: u8,
    /// Energy-based scan.
    pub ebs_status: u8,
    /// Seconds since the last iteration.
    pub time_after_last_iter: U32,
    /// Reserved.
    pub reserved: U32,
}

/// [`PeriodicScanComplete::status`]: to the end.
pub const IWL_SCAN_OFFLOAD_COMPLETED: u8 = 1;
/// [`PeriodicScanComplete::status`]: aborted.
pub const IWL_SCAN_OFFLOAD_ABORTED: u8 = 2;
/// Response to a scan abort: there was one.
pub const CAN_ABORT_STATUS: u32 = 1;

/// Status of a successful `ADD_STA`.
pub const ADD_STA_SUCCESS: u32 = 1;
/// Bytes of `struct iwl_notif_statistics_v10`, of the eleventh version, where there are many receive
/// queues, and of the one after; the driver checks. Flags come first.
pub const NOTIF_STATISTICS_LEN: [usize; 3] = [684, 760, 564];
/// Bytes of `struct iwl_statistics_operational_ntfy_ver_14` and of the fifteenth version; flags come after
/// the header.
pub const STATISTICS_OPERATIONAL_LEN: [usize; 2] = [196, 480];
/// In the first word of `STATISTICS_CMD`, and in the flags that answer: all counting begins anew.
pub const IWL_STATISTICS_FLG_CLEAR: u32 = 1 << 0;

/// `struct iwl_statistics_ntfy_hdr`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StatisticsNtfyHdr {
    /// [`FW_STATISTICS_OPERATIONAL`].
    pub r#type: u8,
    /// The notification's version.
    pub version: u8,
    /// Bytes, of the header too.
    pub size: U16,
}

/// [`StatisticsNtfyHdr::type`].
pub const FW_STATISTICS_OPERATIONAL: u8 = 0;
/// Bytes of `struct iwl_shared_mem_cfg_v2`, up to `rxfifo_addr` and all of it; the driver checks.
pub const SHARED_MEM_CFG_LEN: [usize; 2] = [68, 100];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_drivers() {
        assert_eq!(size_of::<AliveV3>(), 68);
        assert_eq!(size_of::<AliveV7>(), 144);
        assert_eq!(size_of::<ErrorEventTable>(), 38 * 4);
        assert_eq!(std::mem::offset_of!(ErrorEventTable, hcmd), 23 * 4);
        assert_eq!(size_of::<crate::dvm::ErrorEventTable>(), 37 * 4);
        assert_eq!(std::mem::offset_of!(crate::dvm::ErrorEventTable, hcmd), 22 * 4);
        assert_eq!(size_of::<ScdTxqCfgCmd>(), 12);
        assert_eq!(size_of::<TxQueueCfgCmd>(), 24);
        assert_eq!(size_of::<RfhQueueData>(), 32);
        assert_eq!(size_of::<NvmGetInfoRspV3>(), 128);
        assert_eq!(size_of::<PeriodicScanComplete>(), 12);
        assert_eq!(size_of::<UmacScanComplete>(), 16);
        assert_eq!(std::mem::offset_of!(ScanReqLmac, scan_flags), 12);
        assert_eq!(size_of::<TimeEventNotif>(), 24);
        assert_eq!(size_of::<crate::dvm::AliveResp>(), 32);
        assert_eq!(size_of::<crate::dvm::ScanComplete>(), 12);
    }
}
