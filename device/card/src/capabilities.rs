//! What a file says of its firmware (`struct iwl_ucode_capabilities`): by this its messages have their
//! layouts.

use std::borrow::Cow;

use iwl_hw::versions::{self, CmdVersion, Versions};
use iwl_ucode::Ucode;
use iwl_ucode::format::{API_WORDS, CAPA_WORDS};
use iwl_ucode::names::{
    IWL_UCODE_TLV_CMD_VERSIONS, IWL_UCODE_TLV_LMAC_DEBUG_ADDRS, IWL_UCODE_TLV_UMAC_DEBUG_ADDRS,
    TlvType,
};
use iwl_ucode::reader::has_bit;

use crate::layout;

/// `FW_ADDR_CACHE_CONTROL`: of an address in a file, what is no part of it.
const CACHE_CONTROL: u32 = 0xc000_0000;

/// What a firmware promises.
#[derive(Debug, Clone)]
pub(crate) struct Capabilities {
    /// The version that it gives itself.
    pub(crate) major: u32,
    /// Those of its messages.
    pub(crate) versions: Cow<'static, [CmdVersion]>,
    api: [u32; API_WORDS as usize],
    capa: [u32; CAPA_WORDS as usize],
    /// Where it leaves the error log of its lower MAC.
    pub(crate) lmac_error_log: u32,
    /// And that of its upper MAC.
    pub(crate) umac_error_log: u32,
}

impl Capabilities {
    /// Those of a firmware of which only its messages are known.
    pub(crate) fn new(major: u32, versions: Versions) -> Self {
        Self {
            major,
            versions: versions.into(),
            api: Default::default(),
            capa: Default::default(),
            lmac_error_log: layout::ERROR_LOG,
            umac_error_log: layout::UMAC_ERROR_LOG,
        }
    }

    /// Those of a file.
    pub(crate) fn of(ucode: &Ucode<'_>) -> Self {
        let values = |kind: TlvType| {
            ucode.tlvs.iter().filter(move |tlv| tlv.at.kind == kind).map(|t| t.value)
        };
        let rows = values(IWL_UCODE_TLV_CMD_VERSIONS).flat_map(|value| value.chunks_exact(4));
        let rows = rows.map(|row| CmdVersion {
            cmd: row[0],
            group: row[1],
            cmd_ver: row[2],
            notif_ver: row[3],
        });
        // The driver compares what ALIVE says with the first word of these.
        let place = |kind, otherwise| {
            let word = values(kind).filter_map(|value| value.first_chunk()).next_back();
            word.map_or(otherwise, |word| u32::from_le_bytes(*word) & !CACHE_CONTROL)
        };
        let api = u32::from(ucode.version.api());
        Self {
            major: ucode.facts.fw_version.map_or(api, |(major, ..)| major),
            versions: rows.collect(),
            api: ucode.facts.api,
            capa: ucode.facts.capa,
            lmac_error_log: place(IWL_UCODE_TLV_LMAC_DEBUG_ADDRS, layout::ERROR_LOG),
            umac_error_log: place(IWL_UCODE_TLV_UMAC_DEBUG_ADDRS, layout::UMAC_ERROR_LOG),
        }
    }

    /// An API bit is set.
    pub(crate) fn has_api(&self, bit: u32) -> bool {
        has_bit(&self.api, bit)
    }

    /// A capability's bit is set.
    pub(crate) fn has_capa(&self, bit: u32) -> bool {
        has_bit(&self.capa, bit)
    }

    /// The version of a command.
    pub(crate) fn command(&self, group: u8, id: u8) -> Option<u8> {
        versions::command_version(&self.versions, group, id)
    }

    /// The version of a notification or an answer.
    pub(crate) fn notification(&self, group: u8, id: u8) -> Option<u8> {
        versions::notification_version(&self.versions, group, id)
    }
}
