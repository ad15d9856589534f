//! Firmware of 22000 and later: one image for all, which calibrates itself and numbers the transmit queues. For
//! `iwlmvm` or `iwlmld`: which layouts its messages have, its file says.
//!
//! To add a command: a variant of [`Request`] and its line in `Request::parse`, by its version if that
//! makes a difference, an arm in `Unified::command`, a file here if it keeps a state.
//!
//! Sources: `fw/api/*.h`, and what `mvm/*.c` and `mld/*.c` do with the answers.

mod regulatory;
mod request;
mod session;

use std::sync::Arc;

use iwl_hw::mld::{self, ScdQueueCfgCmd};
use iwl_hw::mvm::{self, TxQueueCfgCmd, init_flags};
use iwl_hw::tfh::{MAX_TFD_QUEUE_SIZE, MAX_TFD_QUEUE_SIZE_AX210};
use zerocopy::IntoBytes;

use super::common::{alive, d3_end, error_logs, finish_init, pnvm_complete};
use super::firmware::{Failure, Firmware};
use super::queues::{self, Queues};
use super::scan::Scan;
use super::time::TimeEvents;
use super::{country, statistics, thermal};
use crate::capabilities::Capabilities;
use crate::event::Image;
use crate::layout;
use crate::message::{Answer, Command, Effect, Later, Packet};
use request::Request;

/// Whose a transmit queue is: stations, a bit each, and a traffic id.
type Owner = (u32, u8);

/// The state of a running image.
#[derive(Debug)]
pub(crate) struct Unified {
    /// What its file says.
    said: Arc<Capabilities>,
    /// From AX210 on frames have longer commands, and rings are longer.
    ax210: bool,
    /// Which part of the platform's NVM is for it.
    sku: [u32; 3],
    /// What it waits for before it calibrates: [`init_flags`].
    awaited: u32,
    queues: Queues<Owner>,
    scan: Scan,
    time_events: TimeEvents,
}

impl Unified {
    pub(crate) fn new(said: Arc<Capabilities>, ax210: bool, sku: [u32; 3]) -> Self {
        let indices = if ax210 { MAX_TFD_QUEUE_SIZE_AX210 } else { MAX_TFD_QUEUE_SIZE };
        let (scan, time_events) = Default::default();
        Self { said, ax210, sku, awaited: 0, queues: Queues::new(indices), scan, time_events }
    }
}

impl Firmware for Unified {
    fn alive(&self, image: Image, valid: bool) -> Packet {
        alive(&self.said, true, self.sku, image, valid)
    }

    fn error_logs(&self, error: &Failure) -> Vec<(u32, Vec<u8>)> {
        error_logs(error, &self.said)
    }

    fn logs(&self) -> [u32; 3] {
        [layout::EVENT_LOG, self.said.lmac_error_log, self.said.umac_error_log]
    }

    fn has_long_header(&self, group: u8) -> bool {
        group != mvm::LEGACY_GROUP
    }

    fn vendor_name(&self, group: u8, id: u8) -> Option<&'static str> {
        iwl_hw::names::mvm(group, id)
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        let Some(request) = Request::parse(command, &self.said) else {
            return Answer::status(self.vendor_name(command.group, command.id));
        };
        let effects = match request {
            Request::InitExtendedCfg(flags) => {
                self.awaited = flags.get() & (init_flags::NVM | init_flags::PHY);
                vec![Effect::status()]
            }
            Request::NvmAccessComplete => self.came(init_flags::NVM, command),
            Request::PhyConfiguration => self.came(init_flags::PHY, command),
            Request::NvmGetInfo => regulatory::get_info(command, &self.said),
            Request::MccUpdate => country::update(&self.said, mld::CHANNELS),
            Request::SharedMemCfg => vec![Effect::reply(vec![0; self.shared_memory_len()])],
            Request::AddSta => vec![Effect::reply(mvm::ADD_STA_SUCCESS.to_le_bytes())],
            Request::RemoveSta(station) => {
                let station = bit(station);
                let closed = self.queues.close(|(stations, _)| *stations == station);
                closed.into_iter().chain([Effect::status()]).collect()
            }
            Request::Tx => vec![Effect::Reply(queues::transmitted(command, self.ax210))],
            Request::TxPathFlush(station) => {
                let mut flushed = [0; mld::TXPATH_FLUSH_RSP_LEN];
                flushed[..2].copy_from_slice(&station.as_bytes()[..2]);
                vec![Effect::reply(flushed)]
            }
            Request::TxQueueCfg(config) => self.open(&config),
            Request::ScdQueueConfig(config) => self.configure(&config),
            Request::RfhQueueConfig(queues) => queues::receive(&queues),
            Request::TriggerRxQueues(sync, data) => queues::notify(&sync, data),
            Request::ScanLmac(scan) => self.scan.lmac(&scan),
            Request::ScanUmac(uid) => self.scan.umac(uid),
            Request::ScanAbort => self.scan.abort(),
            Request::TimeEvent(event) => self.time_events.command(&event),
            Request::SessionProtection(session) => session::protect(&session),
            Request::Temperature => thermal::measure(&self.said),
            Request::Statistics(flags) => statistics::answer(flags, &self.said),
            Request::SystemStatistics(wanted) => statistics::system(wanted, &self.said),
            Request::D0i3End => {
                vec![Effect::status(), Effect::After(0, Later::Send(vec![d3_end()]))]
            }
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

impl Unified {
    /// Whichever command asks for it.
    fn shared_memory_len(&self) -> usize {
        let id = mld::system::SHARED_MEM_CFG_CMD;
        let version = self.said.notification(mvm::SYSTEM_GROUP, id);
        mld::SHARED_MEM_CFG_LEN[usize::from(version >= Some(4))]
    }

    /// One of the commands that the driver has announced before calibration; the last of them starts it.
    fn came(&mut self, flag: u32, command: &Command<'_>) -> Vec<Effect> {
        let last = self.awaited == flag;
        self.awaited &= !flag;
        match last {
            true => finish_init(Vec::new(), command),
            false => vec![Effect::status()],
        }
    }

    /// `SCD_QUEUE_CFG`: a queue for a station and traffic id.
    fn open(&mut self, config: &TxQueueCfgCmd) -> Vec<Effect> {
        if config.flags.get() & mvm::TX_QUEUE_CFG_ENABLE_QUEUE == 0 {
            return vec![queues::respond(0, 0)];
        }
        let owner = (bit(config.sta_id), config.tid);
        self.queues.open(owner, config.cb_size.get(), config.tfdq_addr.get())
    }

    /// `SCD_QUEUE_CONFIG_CMD`: the same, of stations by their bits.
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

/// A station's; there are at most 32 of them.
fn bit(station: u8) -> u32 {
    1_u32.wrapping_shl(station.into())
}
