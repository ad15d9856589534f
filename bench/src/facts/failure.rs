//! Why there is no verdict, and the exit code that goes with it.

/// The user's mistake: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUsage(pub String);

impl BadUsage {
    /// From whatever says what is wrong.
    pub fn from_error(error: impl std::fmt::Display) -> BadUsage {
        BadUsage(error.to_string())
    }
}

/// The user stopped it: the exit code tells by which signal.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Exit code for bad usage.
pub const EXIT_USAGE: u8 = 2;
/// Exit code for an environment that cannot run it.
pub const EXIT_ENVIRONMENT: u8 = 125;
