//! `SESSION_PROTECTION_CMD`: the radio is a link's for a while.

use iwl_hw::mld::{self, SessionProtCmd, SessionProtNotif, mac_conf};
use iwl_hw::mvm;
use zerocopy::IntoBytes;

use crate::message::{Effect, Job, Later, MILLISECOND, Packet, TU};
use crate::world::Nanos;

/// How long a session's protection takes to start.
const SESSION_START: Nanos = 3 * MILLISECOND;

pub(super) fn protect(session: &SessionProtCmd) -> Vec<Effect> {
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
