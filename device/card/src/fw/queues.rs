//! Queues that the firmware opens: those of transmit from 22000 on, and further ones of receive.

use std::collections::BTreeMap;

use iwl_hw::mvm::{self, RfhQueueData, RxqSyncCmd, TxQueueCfgRsp, data_path};
use iwl_hw::packet::SEQ_RX_FRAME;
use iwl_hw::rfh;
use iwl_hw::tfh::tfd_queue_size;
use iwl_hw::tx::{
    FrameHeader, MVM_TX_RESP_MIDDLE, TX_STATUS_FAIL_LONG_LIMIT, TX_STATUS_SUCCESS, TxCmdV9,
    TxCmdV10, TxRespHead, TxRespTailV6,
};
use zerocopy::IntoBytes;

use crate::event::CardEvent;
use crate::message::{Command, Effect, Later, Packet, prefix};
use crate::rings::Rings;

/// The highest transmit queue that is given out; the hardware has more, which no station needs.
const LAST: u8 = u8::MAX;
/// In [`TxQueueCfgRsp::flags`]: there is no queue.
const FAILED: u16 = 1;

/// The transmit queues in use, and the owner of each.
#[derive(Debug)]
pub(crate) struct Queues<Owner> {
    /// Indices that a queue can have.
    indices: u32,
    owners: BTreeMap<u8, Owner>,
}

impl<Owner> Queues<Owner> {
    pub(crate) fn new(indices: u32) -> Self {
        Self { indices, owners: BTreeMap::new() }
    }

    /// A queue of a size by its code, with this ring.
    pub(crate) fn open(&mut self, owner: Owner, code: u32, ring: u64) -> Vec<Effect> {
        let refuse = |what| vec![Effect::Tell(CardEvent::BadInput { what }), respond(0, FAILED)];
        let Some(size) = tfd_queue_size(code, self.indices) else {
            return refuse(format!("a transmit queue of size code {code}"));
        };
        // The first is that of commands.
        let free = (1..=LAST).find(|queue| !self.owners.contains_key(queue));
        let Some(queue) = free else {
            return refuse(format!("more than {LAST} transmit queues are wanted"));
        };
        self.owners.insert(queue, owner);
        vec![Effect::Open(queue, ring, size), respond(queue, 0)]
    }

    /// Queues go with their owners.
    pub(crate) fn close(&mut self, goes: impl Fn(&Owner) -> bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.owners.retain(|queue, owner| {
            let stays = !goes(owner);
            if !stays {
                effects.push(Effect::Close(*queue));
            }
            stays
        });
        effects
    }
}

/// `struct iwl_tx_queue_cfg_rsp`.
pub(crate) fn respond(queue: u8, flags: u16) -> Effect {
    let response = TxQueueCfgRsp {
        queue_number: u16::from(queue).into(),
        flags: flags.into(),
        write_pointer: 0.into(),
        reserved: 0.into(),
    };
    Effect::reply(response.as_bytes())
}

/// The queues that a `RFH_QUEUE_CONFIG_CMD` names; those that are not there in whole are left out.
pub(crate) fn parse(payload: &[u8]) -> Vec<RfhQueueData> {
    let queues = payload.get(mvm::RFH_QUEUE_CONFIG_HEAD..).unwrap_or_default();
    let count = payload.first().copied().unwrap_or_default();
    let whole = queues.chunks_exact(size_of::<RfhQueueData>());
    whole.take(count.into()).map(|data| prefix(data).0).collect()
}

/// `RFH_QUEUE_CONFIG_CMD`: receive queues beside the first.
pub(crate) fn receive(queues: &[RfhQueueData]) -> Vec<Effect> {
    let open = |data: &RfhQueueData| {
        let rings = Rings {
            free: data.fr_bd_cb.get(),
            used: data.ur_bd_cb.get(),
            status: data.urbd_stts_wrptr.get(),
        };
        Effect::Receive(data.q_num, rings)
    };
    queues.iter().map(open).chain([Effect::status()]).collect()
}

/// `TRIGGER_RX_QUEUES_NOTIF_CMD`: what it carries comes back on each of its queues, behind all that
/// is there already.
pub(crate) fn notify(sync: &RxqSyncCmd, data: &[u8]) -> Vec<Effect> {
    let len = data.len().min(sync.count.get() as usize);
    let payload = [(len as u32).as_bytes(), &data[..len]].concat();
    let packets = (0..rfh::QUEUES)
        .filter(|queue| sync.rxq_mask.get() >> queue & 1 != 0)
        .map(|queue| Packet {
            id: data_path::RX_QUEUES_NOTIFICATION,
            group: mvm::DATA_PATH_GROUP,
            sequence: SEQ_RX_FRAME,
            queue,
            payload: payload.clone(),
        })
        .collect();
    vec![Effect::status(), Effect::After(0, Later::Send(packets))]
}

/// The response to a frame: nobody is there to acknowledge one.
pub(crate) fn transmitted(command: &Command<'_>, ax210: bool) -> Vec<u8> {
    let (len, rate_n_flags, frame) = if ax210 {
        let (tx, frame): (TxCmdV10, _) = prefix(command.payload);
        (tx.len, tx.rate_n_flags, frame)
    } else {
        let (tx, frame): (TxCmdV9, _) = prefix(command.payload);
        (tx.len, tx.rate_n_flags, frame)
    };
    let (header, _): (FrameHeader, _) = prefix(frame);
    let status = if header.is_group() { TX_STATUS_SUCCESS } else { TX_STATUS_FAIL_LONG_LIMIT };
    let head = TxRespHead { frame_count: 1, initial_rate: rate_n_flags, ..Default::default() };
    let tail = TxRespTailV6 {
        seq_ctl: header.seq_ctrl,
        byte_cnt: len,
        frame_ctrl: header.frame_control,
        tx_queue: u16::from(command.queue).into(),
        status: status.into(),
        sequence: command.sequence.into(),
        scd_ssn: u32::from(command.next).into(),
        ..Default::default()
    };
    [head.as_bytes(), &MVM_TX_RESP_MIDDLE, tail.as_bytes()].concat()
}
