//! Host command names, from the drivers' own tables.
//!
//! Sources: `dvm/commands.h`; the enumerations of `fw/api/*.h`.

/// Names by command id.
type Names = &'static [(u8, &'static str)];

/// DVM; ids are flat. `0x98` is `TX_ANT_CONFIGURATION_CMD` in every firmware that is left.
const DVM: Names = &[
    (0x01, "REPLY_ALIVE"),
    (0x02, "REPLY_ERROR"),
    (0x03, "REPLY_ECHO"),
    (0x10, "REPLY_RXON"),
    (0x11, "REPLY_RXON_ASSOC"),
    (0x13, "REPLY_QOS_PARAM"),
    (0x14, "REPLY_RXON_TIMING"),
    (0x18, "REPLY_ADD_STA"),
    (0x19, "REPLY_REMOVE_STA"),
    (0x1a, "REPLY_REMOVE_ALL_STA"),
    (0x1c, "REPLY_TX"),
    (0x1e, "REPLY_TXFIFO_FLUSH"),
    (0x20, "REPLY_WEPKEY"),
    (0x48, "REPLY_LEDS_CMD"),
    (0x4e, "REPLY_TX_LINK_QUALITY_CMD"),
    (0x5a, "COEX_PRIORITY_TABLE_CMD"),
    (0x5b, "COEX_MEDIUM_NOTIFICATION"),
    (0x5c, "COEX_EVENT_CMD"),
    (0x62, "TEMPERATURE_NOTIFICATION"),
    (0x65, "CALIBRATION_CFG_CMD"),
    (0x66, "CALIBRATION_RES_NOTIFICATION"),
    (0x67, "CALIBRATION_COMPLETE_NOTIFICATION"),
    (0x71, "REPLY_QUIET_CMD"),
    (0x72, "REPLY_CHANNEL_SWITCH"),
    (0x73, "CHANNEL_SWITCH_NOTIFICATION"),
    (0x74, "REPLY_SPECTRUM_MEASUREMENT_CMD"),
    (0x75, "SPECTRUM_MEASURE_NOTIFICATION"),
    (0x77, "POWER_TABLE_CMD"),
    (0x7a, "PM_SLEEP_NOTIFICATION"),
    (0x7b, "PM_DEBUG_STATISTIC_NOTIFIC"),
    (0x80, "REPLY_SCAN_CMD"),
    (0x81, "REPLY_SCAN_ABORT_CMD"),
    (0x82, "SCAN_START_NOTIFICATION"),
    (0x83, "SCAN_RESULTS_NOTIFICATION"),
    (0x84, "SCAN_COMPLETE_NOTIFICATION"),
    (0x90, "BEACON_NOTIFICATION"),
    (0x91, "REPLY_TX_BEACON"),
    (0x94, "WHO_IS_AWAKE_NOTIFICATION"),
    (0x95, "REPLY_TX_POWER_DBM_CMD"),
    (0x96, "QUIET_NOTIFICATION"),
    (0x97, "REPLY_TX_PWR_TABLE_CMD"),
    (0x98, "TX_ANT_CONFIGURATION_CMD"),
    (0x99, "MEASURE_ABORT_NOTIFICATION"),
    (0x9b, "REPLY_BT_CONFIG"),
    (0x9c, "REPLY_STATISTICS_CMD"),
    (0x9d, "STATISTICS_NOTIFICATION"),
    (0xa0, "REPLY_CARD_STATE_CMD"),
    (0xa1, "CARD_STATE_NOTIFICATION"),
    (0xa2, "MISSED_BEACONS_NOTIFICATION"),
    (0xa4, "REPLY_CT_KILL_CONFIG_CMD"),
    (0xa8, "SENSITIVITY_CMD"),
    (0xb0, "REPLY_PHY_CALIBRATION_CMD"),
    (0xb2, "REPLY_WIPAN_PARAMS"),
    (0xb3, "REPLY_WIPAN_RXON"),
    (0xb4, "REPLY_WIPAN_RXON_TIMING"),
    (0xb6, "REPLY_WIPAN_RXON_ASSOC"),
    (0xb7, "REPLY_WIPAN_QOS_PARAM"),
    (0xb8, "REPLY_WIPAN_WEPKEY"),
    (0xb9, "REPLY_WIPAN_P2P_CHANNEL_SWITCH"),
    (0xbc, "REPLY_WIPAN_NOA_NOTIFICATION"),
    (0xbd, "REPLY_WIPAN_DEACTIVATION_COMPLETE"),
    (0xc0, "REPLY_RX_PHY_CMD"),
    (0xc1, "REPLY_RX_MPDU_CMD"),
    (0xc3, "REPLY_RX"),
    (0xc5, "REPLY_COMPRESSED_BA"),
    (0xcc, "REPLY_BT_COEX_PRIO_TABLE"),
    (0xcd, "REPLY_BT_COEX_PROT_ENV"),
    (0xce, "REPLY_BT_COEX_PROFILE_NOTIF"),
    (0xd3, "REPLY_D3_CONFIG"),
    (0xe0, "REPLY_WOWLAN_PATTERNS"),
    (0xe1, "REPLY_WOWLAN_WAKEUP_FILTER"),
    (0xe2, "REPLY_WOWLAN_TSC_RSC_PARAMS"),
    (0xe3, "REPLY_WOWLAN_TKIP_PARAMS"),
    (0xe4, "REPLY_WOWLAN_KEK_KCK_MATERIAL"),
    (0xe5, "REPLY_WOWLAN_GET_STATUS"),
];

const LEGACY: Names = &[
    (0x01, "UCODE_ALIVE_NTFY"),
    (0x02, "REPLY_ERROR"),
    (0x03, "ECHO_CMD"),
    (0x04, "INIT_COMPLETE_NOTIF"),
    (0x08, "PHY_CONTEXT_CMD"),
    (0x09, "DBG_CFG"),
    (0x0c, "SCAN_CFG_CMD"),
    (0x0d, "SCAN_REQ_UMAC"),
    (0x0e, "SCAN_ABORT_UMAC"),
    (0x0f, "SCAN_COMPLETE_UMAC"),
    (0x13, "BA_WINDOW_STATUS_NOTIFICATION_ID"),
    (0x17, "ADD_STA_KEY"),
    (0x18, "ADD_STA"),
    (0x19, "REMOVE_STA"),
    (0x1c, "TX_CMD"),
    (0x1d, "SCD_QUEUE_CFG"),
    (0x1e, "TXPATH_FLUSH"),
    (0x1f, "MGMT_MCAST_KEY"),
    (0x20, "WEP_KEY"),
    (0x25, "SHARED_MEM_CFG"),
    (0x27, "TDLS_CHANNEL_SWITCH_CMD"),
    (0x28, "MAC_CONTEXT_CMD"),
    (0x29, "TIME_EVENT_CMD"),
    (0x2a, "TIME_EVENT_NOTIFICATION"),
    (0x2b, "BINDING_CONTEXT_CMD"),
    (0x2c, "TIME_QUOTA_CMD"),
    (0x2d, "NON_QOS_TX_COUNTER_CMD"),
    (0x48, "LEDS_CMD"),
    (0x4e, "LQ_CMD"),
    (0x4f, "FW_PAGING_BLOCK_CMD"),
    (0x51, "SCAN_OFFLOAD_REQUEST_CMD"),
    (0x52, "SCAN_OFFLOAD_ABORT_CMD"),
    (0x53, "HOT_SPOT_CMD"),
    (0x56, "SCAN_OFFLOAD_PROFILES_QUERY_CMD"),
    (0x5c, "BT_COEX_UPDATE_REDUCED_TXP"),
    (0x5d, "BT_COEX_CI"),
    (0x67, "WNM_80211V_TIMING_MEASUREMENT_NOTIFICATION"),
    (0x68, "WNM_80211V_TIMING_MEASUREMENT_CONFIRM_NOTIFICATION"),
    (0x6a, "PHY_CONFIGURATION_CMD"),
    (0x6b, "CALIB_RES_NOTIF_PHY_DB"),
    (0x6c, "PHY_DB_CMD"),
    (0x6d, "SCAN_OFFLOAD_COMPLETE"),
    (0x6e, "SCAN_OFFLOAD_UPDATE_PROFILES_CMD"),
    (0x77, "POWER_TABLE_CMD"),
    (0x78, "PSM_UAPSD_AP_MISBEHAVING_NOTIFICATION"),
    (0x7e, "REPLY_THERMAL_MNG_BACKOFF"),
    (0x88, "NVM_ACCESS_CMD"),
    (0x90, "BEACON_NOTIFICATION"),
    (0x91, "BEACON_TEMPLATE_CMD"),
    (0x98, "TX_ANT_CONFIGURATION_CMD"),
    (0x9b, "BT_CONFIG"),
    (0x9c, "STATISTICS_CMD"),
    (0x9d, "STATISTICS_NOTIFICATION"),
    (0x9e, "EOSP_NOTIFICATION"),
    (0x9f, "REDUCE_TX_POWER_CMD"),
    (0xa2, "MISSED_BEACONS_NOTIFICATION"),
    (0xa7, "TDLS_CONFIG_CMD"),
    (0xa9, "MAC_PM_POWER_TABLE"),
    (0xaa, "TDLS_CHANNEL_SWITCH_NOTIFICATION"),
    (0xb1, "MFUART_LOAD_NOTIFICATION"),
    (0xb2, "SCAN_START_NOTIFICATION_UMAC"),
    (0xb3, "RSS_CONFIG_CMD"),
    (0xb5, "SCAN_ITERATION_COMPLETE_UMAC"),
    (0xc0, "REPLY_RX_PHY_CMD"),
    (0xc1, "REPLY_RX_MPDU_CMD"),
    (0xc2, "BAR_FRAME_RELEASE"),
    (0xc3, "FRAME_RELEASE"),
    (0xc5, "BA_NOTIF"),
    (0xc8, "MCC_UPDATE_CMD"),
    (0xc9, "MCC_CHUB_UPDATE_CMD"),
    (0xcb, "MARKER_CMD"),
    (0xce, "BT_PROFILE_NOTIFICATION"),
    (0xd0, "MCAST_FILTER_CMD"),
    (0xd1, "REPLY_SF_CFG_CMD"),
    (0xd2, "REPLY_BEACON_FILTERING_CMD"),
    (0xd3, "D3_CONFIG_CMD"),
    (0xd4, "PROT_OFFLOAD_CONFIG_CMD"),
    (0xd9, "MATCH_FOUND_NOTIFICATION"),
    (0xdd, "DTS_MEASUREMENT_NOTIFICATION"),
    (0xe0, "WOWLAN_PATTERNS"),
    (0xe1, "WOWLAN_CONFIGURATION"),
    (0xe2, "WOWLAN_TSC_RSC_PARAM"),
    (0xe3, "WOWLAN_TKIP_PARAM"),
    (0xe4, "WOWLAN_KEK_KCK_MATERIAL"),
    (0xe5, "WOWLAN_GET_STATUSES"),
    (0xe7, "SCAN_ITERATION_COMPLETE"),
    (0xed, "D0I3_END_CMD"),
    (0xee, "LTR_CONFIG"),
    (0xf1, "DEBUG_HOST_COMMAND"),
    (0xf6, "LDBG_CONFIG_CMD"),
    (0xf7, "DEBUG_LOG_MSG"),
];

const SYSTEM_GROUP: Names = &[
    (0x00, "SHARED_MEM_CFG_CMD"),
    (0x01, "SOC_CONFIGURATION_CMD"),
    (0x03, "INIT_EXTENDED_CFG_CMD"),
    (0x07, "FW_ERROR_RECOVERY_CMD"),
    (0x0b, "RFI_CONFIG_CMD"),
    (0x0c, "RFI_GET_FREQ_TABLE_CMD"),
    (0x0d, "SYSTEM_FEATURES_CONTROL_CMD"),
    (0x0f, "SYSTEM_STATISTICS_CMD"),
    (0xfd, "SYSTEM_STATISTICS_END_NOTIF"),
    (0xff, "RFI_DEACTIVATE_NOTIF"),
];

const MAC_CONF_GROUP: Names = &[
    (0x03, "LOW_LATENCY_CMD"),
    (0x04, "CHANNEL_SWITCH_TIME_EVENT_CMD"),
    (0x05, "SESSION_PROTECTION_CMD"),
    (0x06, "CANCEL_CHANNEL_SWITCH_CMD"),
    (0x08, "MAC_CONFIG_CMD"),
    (0x09, "LINK_CONFIG_CMD"),
    (0x0a, "STA_CONFIG_CMD"),
    (0x0b, "AUX_STA_CMD"),
    (0x0c, "STA_REMOVE_CMD"),
    (0x0d, "STA_DISABLE_TX_CMD"),
    (0x0e, "ROC_CMD"),
    (0x10, "TWT_OPERATION_CMD"),
    (0x12, "NAN_CFG_CMD"),
    (0x13, "NAN_SCHEDULE_CMD"),
    (0x14, "NAN_PEER_CMD"),
    (0xf2, "NAN_ULW_ATTR_NOTIF"),
    (0xf3, "NAN_SCHED_UPDATE_COMPLETED_NOTIF"),
    (0xf4, "NAN_DW_END_NOTIF"),
    (0xf5, "NAN_JOINED_CLUSTER_NOTIF"),
    (0xf6, "MISSED_BEACONS_NOTIF"),
    (0xf7, "EMLSR_TRANS_FAIL_NOTIF"),
    (0xf8, "ROC_NOTIF"),
    (0xf9, "CHANNEL_SWITCH_ERROR_NOTIF"),
    (0xfa, "MISSED_VAP_NOTIF"),
    (0xfb, "SESSION_PROTECTION_NOTIF"),
    (0xfc, "PROBE_RESPONSE_DATA_NOTIF"),
    (0xff, "CHANNEL_SWITCH_START_NOTIF"),
];

const PHY_OPS_GROUP: Names = &[
    (0x00, "CMD_DTS_MEASUREMENT_TRIGGER_WIDE"),
    (0x03, "CTDP_CONFIG_CMD"),
    (0x04, "TEMP_REPORTING_THRESHOLDS_CMD"),
    (0x05, "PER_CHAIN_LIMIT_OFFSET_CMD"),
    (0x07, "PER_PLATFORM_ANT_GAIN_CMD"),
    (0x0c, "AP_TX_POWER_CONSTRAINTS_CMD"),
    (0xfe, "CT_KILL_NOTIFICATION"),
    (0xff, "DTS_MEASUREMENT_NOTIF_WIDE"),
];

const DATA_PATH_GROUP: Names = &[
    (0x00, "DQA_ENABLE_CMD"),
    (0x01, "UPDATE_MU_GROUPS_CMD"),
    (0x02, "TRIGGER_RX_QUEUES_NOTIF_CMD"),
    (0x03, "WNM_PLATFORM_PTM_REQUEST_CMD"),
    (0x04, "WNM_80211V_TIMING_MEASUREMENT_CONFIG_CMD"),
    (0x07, "STA_HE_CTXT_CMD"),
    (0x08, "RLC_CONFIG_CMD"),
    (0x0d, "RFH_QUEUE_CONFIG_CMD"),
    (0x0f, "TLC_MNG_CONFIG_CMD"),
    (0x13, "HE_AIR_SNIFFER_CONFIG_CMD"),
    (0x14, "CHEST_COLLECTOR_FILTER_CONFIG_CMD"),
    (0x16, "RX_BAID_ALLOCATION_CONFIG_CMD"),
    (0x17, "SCD_QUEUE_CONFIG_CMD"),
    (0x18, "SEC_KEY_CMD"),
    (0xf1, "RSC_NOTIF"),
    (0xf3, "ESR_MODE_NOTIF"),
    (0xf4, "MONITOR_NOTIF"),
    (0xf5, "RX_NO_DATA_NOTIF"),
    (0xf6, "THERMAL_DUAL_CHAIN_REQUEST"),
    (0xf7, "TLC_MNG_UPDATE_NOTIF"),
    (0xf8, "BEACON_FILTER_IN_NOTIF"),
    (0xf9, "PHY_AIR_SNIFFER_NOTIF"),
    (0xfd, "STA_PM_NOTIF"),
    (0xfe, "MU_GROUP_MGMT_NOTIF"),
    (0xff, "RX_QUEUES_NOTIFICATION"),
];

const SCAN_GROUP: Names = &[(0xfb, "CHANNEL_SURVEY_NOTIF"), (0xfc, "OFFLOAD_MATCH_INFO_NOTIF")];

const PROT_OFFLOAD_GROUP: Names = &[
    (0xfc, "WOWLAN_WAKE_PKT_NOTIFICATION"),
    (0xfd, "WOWLAN_INFO_NOTIFICATION"),
    (0xfe, "D3_END_NOTIFICATION"),
    (0xff, "STORED_BEACON_NTF"),
];

const REGULATORY_AND_NVM_GROUP: Names = &[
    (0x00, "NVM_ACCESS_COMPLETE"),
    (0x01, "LARI_CONFIG_CHANGE"),
    (0x02, "NVM_GET_INFO"),
    (0x03, "TAS_CONFIG"),
    (0x04, "SAR_OFFSET_MAPPING_TABLE_CMD"),
    (0x05, "MCC_ALLOWED_AP_TYPE_CMD"),
    (0x08, "LARI_CONFIG_EXTENSION"),
    (0xfe, "PNVM_INIT_COMPLETE_NTFY"),
];

const DEBUG_GROUP: Names = &[
    (0x00, "LMAC_RD_WR"),
    (0x01, "UMAC_RD_WR"),
    (0x03, "HOST_EVENT_CFG"),
    (0x06, "INVALID_WR_PTR_CMD"),
    (0x07, "DBGC_SUSPEND_RESUME"),
    (0x08, "BUFFER_ALLOCATION"),
    (0x0a, "GET_TAS_STATUS"),
    (0x0b, "FW_DUMP_COMPLETE_CMD"),
    (0x0d, "FW_CLEAR_BUFFER"),
    (0xfe, "MFU_ASSERT_DUMP_NTF"),
];

const STATISTICS_GROUP: Names =
    &[(0x00, "STATISTICS_OPER_NOTIF"), (0x01, "STATISTICS_OPER_PART1_NOTIF")];

/// Commands that drivers send up to an interface that is up, through a scan and down again, and that are
/// answered with a status at most: nobody looks for more.
const ACKNOWLEDGED: &[&str] = &[
    "BT_CONFIG",
    "COEX_PRIORITY_TABLE_CMD",
    "CTDP_CONFIG_CMD",
    "DBGC_SUSPEND_RESUME",
    "DQA_ENABLE_CMD",
    "ECHO_CMD",
    "FW_PAGING_BLOCK_CMD",
    "LARI_CONFIG_CHANGE",
    "LDBG_CONFIG_CMD",
    "LEDS_CMD",
    "LINK_CONFIG_CMD",
    "LTR_CONFIG",
    "MAC_CONFIG_CMD",
    "MAC_CONTEXT_CMD",
    "MAC_PM_POWER_TABLE",
    "MARKER_CMD",
    "PHY_DB_CMD",
    "POWER_TABLE_CMD",
    "REMOVE_STA",
    "REPLY_BEACON_FILTERING_CMD",
    "REPLY_CT_KILL_CONFIG_CMD",
    "REPLY_LEDS_CMD",
    "REPLY_PHY_CALIBRATION_CMD",
    "REPLY_QOS_PARAM",
    "REPLY_RXON",
    "REPLY_SF_CFG_CMD",
    "REPLY_THERMAL_MNG_BACKOFF",
    "REPLY_TX_LINK_QUALITY_CMD",
    "REPLY_TX_POWER_DBM_CMD",
    "RSS_CONFIG_CMD",
    "SCAN_CFG_CMD",
    "SOC_CONFIGURATION_CMD",
    "TEMP_REPORTING_THRESHOLDS_CMD",
    "TX_ANT_CONFIGURATION_CMD",
];

/// A command of this name is answered with a status, and that is all.
#[must_use]
pub fn is_acknowledged(name: &str) -> bool {
    ACKNOWLEDGED.binary_search(&name).is_ok()
}

/// The name of a DVM command, response or notification.
#[must_use]
pub fn dvm(id: u8) -> Option<&'static str> {
    find(DVM, id)
}

/// The name of an MVM command, response or notification. Groups 0 and 1 are the same
/// commands, with the short and the long header.
#[must_use]
pub fn mvm(group: u8, id: u8) -> Option<&'static str> {
    let names = match group {
        0x00 | 0x01 => LEGACY,
        0x02 => SYSTEM_GROUP,
        0x03 => MAC_CONF_GROUP,
        0x04 => PHY_OPS_GROUP,
        0x05 => DATA_PATH_GROUP,
        0x06 => SCAN_GROUP,
        0x0b => PROT_OFFLOAD_GROUP,
        0x0c => REGULATORY_AND_NVM_GROUP,
        0x0f => DEBUG_GROUP,
        0x10 => STATISTICS_GROUP,
        _ => return None,
    };
    find(names, id)
}

fn find(names: Names, id: u8) -> Option<&'static str> {
    names.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| names[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The search needs order.
    #[test]
    fn tables_are_sorted() {
        for table in [
            DVM,
            LEGACY,
            SYSTEM_GROUP,
            MAC_CONF_GROUP,
            PHY_OPS_GROUP,
            DATA_PATH_GROUP,
            SCAN_GROUP,
            PROT_OFFLOAD_GROUP,
            REGULATORY_AND_NVM_GROUP,
            DEBUG_GROUP,
            STATISTICS_GROUP,
        ] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn what_is_acknowledged_has_a_name_in_a_table() {
        assert!(ACKNOWLEDGED.is_sorted());
        let groups = (0..=u8::MAX).flat_map(|group| (0..=u8::MAX).map(move |id| (group, id)));
        let named: Vec<_> = groups.filter_map(|(group, id)| mvm(group, id)).collect();
        let named = [named, (0..=u8::MAX).filter_map(dvm).collect()].concat();
        for name in ACKNOWLEDGED {
            assert!(named.contains(name), "{name}");
        }
        assert!(is_acknowledged("BT_CONFIG") && !is_acknowledged("NVM_ACCESS_CMD"));
    }

    #[test]
    fn names_are_the_vendors() {
        assert_eq!(dvm(0x5a), Some("COEX_PRIORITY_TABLE_CMD"));
        assert_eq!(mvm(1, 0x88), Some("NVM_ACCESS_CMD"));
        assert_eq!(mvm(0x0c, 0x02), Some("NVM_GET_INFO"));
        assert_eq!(mvm(7, 1), None);
    }
}
