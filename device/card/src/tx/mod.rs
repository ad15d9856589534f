//! Commands and frames from the host: queues of descriptors.

mod fetched;
mod tfd;
mod tfh;

pub(crate) use fetched::Fetched;
pub(crate) use tfd::Scheduled;
pub(crate) use tfh::Tfh;

use crate::reach::Reach;
use crate::spec::Tx;
use crate::world::DmaError;

/// The queues, in either of their kinds.
#[derive(Debug)]
pub(crate) enum Transmit {
    Scheduled(Scheduled),
    Tfh(Tfh),
}

impl Transmit {
    pub(crate) fn new(tx: Tx) -> Self {
        match tx {
            Tx::Tfd => Self::Scheduled(Scheduled::new()),
            Tx::Tfh { indices } => Self::Tfh(Tfh::new(indices)),
        }
    }

    /// The queues behind the scheduler, of parts before 22000.
    pub(crate) fn scheduled(&mut self) -> Option<&mut Scheduled> {
        match self {
            Self::Scheduled(queues) => Some(queues),
            Self::Tfh(_) => None,
        }
    }

    /// The queues that firmware opens, of 22000.
    pub(crate) fn tfh(&mut self) -> Option<&mut Tfh> {
        match self {
            Self::Scheduled(_) => None,
            Self::Tfh(queues) => Some(queues),
        }
    }

    /// `HBUS_TARG_WRPTR`. Gives the queue's number back if there is no such queue.
    pub(crate) fn doorbell(&mut self, value: u32) -> Result<(), u32> {
        match self {
            Self::Scheduled(queues) => queues.doorbell(value),
            Self::Tfh(queues) => queues.doorbell(value),
        }
    }

    /// Reads the next descriptor of the first queue that has one, and passes it.
    pub(crate) fn step(&mut self, host: &mut Reach<'_>) -> Result<Fetched, DmaError> {
        match self {
            Self::Scheduled(queues) => queues.step(host),
            Self::Tfh(queues) => queues.step(host),
        }
    }
}
