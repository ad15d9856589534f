//! Why the card interrupts its host, whatever carries the causes, and by which line.

use std::fmt;

use serde::{Serialize, Serializer};
use strum::EnumIter;

/// A cause. How it is told is the business of the interrupt controller: as a bit of `CSR_INT`, or
/// as one of the MSI-X cause registers. Of causes that share a bit there, the last here names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter)]
pub enum Cause {
    /// A packet lies in this receive queue.
    FhRx(u8),
    /// The service channel has brought a section.
    FhTx,
    /// A DMA access failed.
    FhErr,
    /// The firmware runs.
    Alive,
    /// The image loader has done its work.
    Iml,
    /// It wakes up.
    Wakeup,
    /// The firmware is ready to be reset.
    ResetDone,
    /// It failed.
    SwErr,
    /// The hardware failed.
    HwErr,
    /// The RF-kill switch moved.
    RfKill,
    /// One that no driver knows: a fault's.
    Unknown,
}

impl fmt::Display for Cause {
    /// As Intel's headers name the bits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FhRx(queue) => write!(f, "FH_RX({queue})"),
            Self::FhTx => f.write_str("FH_TX"),
            Self::FhErr => f.write_str("FH_ERR"),
            Self::Alive => f.write_str("ALIVE"),
            Self::Wakeup => f.write_str("WAKEUP"),
            Self::Iml => f.write_str("IML"),
            Self::ResetDone => f.write_str("RESET_DONE"),
            Self::SwErr => f.write_str("SW_ERR"),
            Self::HwErr => f.write_str("HW_ERR"),
            Self::RfKill => f.write_str("RF_KILL"),
            Self::Unknown => f.write_str("UNKNOWN"),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An interrupt the card can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Irq {
    /// INTx, the pin in the config space.
    Intx,
    /// MSI, its single vector.
    Msi,
    /// MSI-X.
    Msix {
        /// Vector number.
        vector: u16,
    },
}

/// What an interrupt told of: bits as the driver reads them, and their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Of `CSR_INT`, or of `CSR_MSIX_HW_INT_CAUSES_AD`.
    pub(crate) causes: u32,
    /// Of `CSR_MSIX_FH_INT_CAUSES_AD`; only with MSI-X.
    pub(crate) fh_causes: Option<u32>,
    pub(crate) names: Vec<Cause>,
}

/// What each of these bits tells of, in their order.
pub(crate) fn named<B: PartialEq>(
    bits: impl Iterator<Item = B>,
    causes: &(impl Iterator<Item = Cause> + Clone),
    bit: impl Fn(Cause) -> B,
) -> Vec<Cause> {
    bits.filter_map(|one| causes.clone().filter(|cause| bit(*cause) == one).last()).collect()
}
