//! How warm it is: as in a room.

use iwl_hw::mld::{self, DtsMeasurementNotif, phy_ops};
use zerocopy::IntoBytes;

use crate::capabilities::Capabilities;
use crate::message::{Effect, Later, Packet};

const TEMPERATURE: u32 = 30;

/// `CMD_DTS_MEASUREMENT_TRIGGER_WIDE`: the answer says it, or a notification, where the file names no
/// version.
pub(super) fn measure(said: &Capabilities) -> Vec<Effect> {
    let id = phy_ops::CMD_DTS_MEASUREMENT_TRIGGER_WIDE;
    if said.command(mld::PHY_OPS_GROUP, id).is_some() {
        return vec![Effect::reply(TEMPERATURE.to_le_bytes())];
    }
    let measured = DtsMeasurementNotif {
        temp: TEMPERATURE.into(),
        voltage: 0.into(),
        threshold_idx: mld::NO_THRESHOLD.into(),
    };
    let id = phy_ops::DTS_MEASUREMENT_NOTIF_WIDE;
    let told = Packet::notification(id, measured.as_bytes());
    let told = Packet { group: mld::PHY_OPS_GROUP, ..told };
    vec![Effect::status(), Effect::After(0, Later::Send(vec![told]))]
}
