//! What can be made to go wrong, as one plan that the model consults.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// `CSR_GP_CNTRL` never shows the MAC clock ready.
    ClockNeverReady,
    /// `CSR_HW_IF_CONFIG_REG` never reads back NIC_READY.
    NicNeverReady,
    /// The firmware starts and says nothing.
    NeverAlive,
    /// ALIVE says that the image is not valid.
    AliveInvalid,
    /// Uploads arrive, but their interrupt does not.
    NoFhTx,
    /// The hardware reports an error right after ALIVE.
    HwErrorAfterAlive,
    /// Calibration never completes.
    NoCalibration,
    /// Every register reads as all ones from this access on (0-based, reads and writes counted).
    AllOnes {
        /// The first access that fails.
        from: u64,
    },
}

/// Every fault, with the argument it has when none is written.
const ALL: [Fault; 8] = [
    Fault::ClockNeverReady,
    Fault::NicNeverReady,
    Fault::NeverAlive,
    Fault::AliveInvalid,
    Fault::NoFhTx,
    Fault::HwErrorAfterAlive,
    Fault::NoCalibration,
    Fault::AllOnes { from: 0 },
];

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such fault.
    #[error("no fault named `{0}`; there are: {names}", names = ALL.map(Fault::name).join(", "))]
    Unknown(String),
    /// The argument is not a number, or the fault takes none.
    #[error("fault `{fault}`: `{argument}` is not an argument it takes; write e.g. `all-ones=400`")]
    Argument {
        /// The fault.
        fault: String,
        /// What was written after `=`.
        argument: String,
    },
}

impl Fault {
    /// All faults by name; [`Fault::AllOnes`] with `from: 0`.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Its name, without an argument.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClockNeverReady => "clock-never-ready",
            Self::NicNeverReady => "nic-never-ready",
            Self::NeverAlive => "never-alive",
            Self::AliveInvalid => "alive-invalid",
            Self::NoFhTx => "no-fh-tx",
            Self::HwErrorAfterAlive => "hw-error-after-alive",
            Self::NoCalibration => "no-calibration",
            Self::AllOnes { .. } => "all-ones",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::AllOnes { from } => write!(f, "={from}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `name`, or `name=number` for a fault that takes one.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let fault = Self::all()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| FaultError::Unknown(name.to_owned()))?;
        let bad = |argument: &str| FaultError::Argument {
            fault: name.to_owned(),
            argument: argument.to_owned(),
        };
        match (fault, argument) {
            (Fault::AllOnes { .. }, Some(argument)) => {
                argument.parse().map(|from| Fault::AllOnes { from }).map_err(|_| bad(argument))
            }
            (fault, None) => Ok(fault),
            (_, Some(argument)) => Err(bad(argument)),
        }
    }
}

/// The faults of one run. Faults come from here only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FaultPlan {
    faults: Vec<Fault>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// This plan and one fault more.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        self
    }

    /// The plan names this fault.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The access from which every register reads as all ones, if planned.
    #[must_use]
    pub fn all_ones_from(&self) -> Option<u64> {
        self.faults
            .iter()
            .filter_map(|fault| match fault {
                Fault::AllOnes { from } => Some(*from),
                _ => None,
            })
            .min()
    }

    /// The faults, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = Fault> + '_ {
        self.faults.iter().copied()
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        faults.into_iter().fold(Self::none(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for fault in Fault::all() {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert_eq!("all-ones=400".parse(), Ok(Fault::AllOnes { from: 400 }));
        assert!("all-ones=x".parse::<Fault>().is_err());
        assert!("never-alive=1".parse::<Fault>().is_err());
        assert!("nonsense".parse::<Fault>().is_err());
    }
}
