//! What is allowed in which country: whichever it is, the channels are the same.

use iwl_hw::mld::{self, MccUpdateRespV3, MccUpdateRespV4, MccUpdateRespV8};
use iwl_hw::mvm;
use iwl_ucode::names::IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT;
use zerocopy::{FromZeros, IntoBytes};

use crate::capabilities::Capabilities;
use crate::message::Effect;

/// `MCC_UPDATE_CMD`, of a firmware that knows so many channels.
pub(super) fn update(said: &Capabilities, known: usize) -> Vec<Effect> {
    let status = mld::MCC_RESP_NEW_CHAN_PROFILE.into();
    let mcc = u16::from_be_bytes(*b"DE").into();
    let source_id = 1;
    let profile = mld::channel_profile();
    let channels = &profile[..known.min(profile.len())];
    let n_channels = (channels.len() as u32).into();
    let head = match said.notification(mvm::LONG_GROUP, mld::id::MCC_UPDATE_CMD) {
        Some(8..) => {
            let mut v8 = MccUpdateRespV8::new_zeroed();
            (v8.status, v8.mcc, v8.source_id, v8.n_channels) = (status, mcc, source_id, n_channels);
            v8.as_bytes().to_vec()
        }
        _ if said.has_capa(IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT) => {
            let mut v4 = MccUpdateRespV4::new_zeroed();
            (v4.status, v4.mcc, v4.source_id, v4.n_channels) = (status, mcc, source_id, n_channels);
            v4.as_bytes().to_vec()
        }
        _ => {
            let mut v3 = MccUpdateRespV3::new_zeroed();
            (v3.status, v3.mcc, v3.source_id, v3.n_channels) = (status, mcc, source_id, n_channels);
            v3.as_bytes().to_vec()
        }
    };
    vec![Effect::Reply([&head, channels.as_bytes()].concat())]
}
