//! Time events: the radio is the driver's for a while.

use iwl_hw::mvm::{self, TimeEventCmd, TimeEventNotif, TimeEventResp, id};
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

use crate::message::{Effect, Job, Later, MILLISECOND, Packet, TU};
use crate::world::Nanos;

/// How long a time event takes to start.
const TIME_EVENT_START: Nanos = 5 * MILLISECOND;

/// How many there were.
#[derive(Debug, Default)]
pub(crate) struct TimeEvents {
    added: u32,
}

impl TimeEvents {
    pub(crate) fn command(&mut self, event: &TimeEventCmd) -> Vec<Effect> {
        let add = event.action.get() == mvm::FW_CTXT_ACTION_ADD;
        let unique_id: U32 = if add {
            self.added = self.added.wrapping_add(1);
            self.added.into()
        } else {
            event.id
        };
        let response = TimeEventResp {
            status: 1.into(),
            id: event.id,
            unique_id,
            id_and_color: event.id_and_color,
        };
        let mut effects = vec![Effect::reply(response.as_bytes())];
        let job = Job::TimeEvent(unique_id.get());
        if event.action.get() == mvm::FW_CTXT_ACTION_REMOVE {
            effects.push(Effect::Cancel(job));
        }
        if add {
            let notification = |action: u32| {
                let notification = TimeEventNotif {
                    timestamp: 0.into(),
                    session_id: unique_id,
                    unique_id,
                    id_and_color: event.id_and_color,
                    action: action.into(),
                    status: 1.into(),
                };
                let id = id::TIME_EVENT_NOTIFICATION;
                Later::Notify(job, Packet::notification(id, notification.as_bytes()))
            };
            let start = notification(mvm::TE_V2_NOTIF_HOST_EVENT_START);
            let end = notification(mvm::TE_V2_NOTIF_HOST_EVENT_END);
            let duration = Nanos::from(event.duration.get()) * TU;
            effects.push(Effect::After(TIME_EVENT_START, start));
            effects.push(Effect::After(TIME_EVENT_START + duration, end));
        }
        effects
    }
}
