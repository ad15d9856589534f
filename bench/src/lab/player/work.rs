//! Whether somebody in the guest is in the middle of something.

use std::time::Duration;

use guest_protocol::{Command, Reply};

use crate::facts::verdict::Verdict;
use crate::machine::session::{Session, Stop};

/// How long a guest has for that look; one that is busy is not quiet.
pub(super) const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// Whether that is so; a guest that is no more does nothing.
pub fn is_at_work(session: &mut Session) -> bool {
    works(session, LOOK_WITHIN).unwrap_or(false)
}

/// Whether that is so, or it cannot say.
pub(super) fn works(session: &mut Session, within: Duration) -> Result<bool, Verdict> {
    match session.command(Command::AtWork, within) {
        Ok(Ok(Reply::AtWork { tasks })) => Ok(!tasks.is_empty()),
        Ok(_) | Err(Stop::TimedOut) => Ok(true),
        Err(Stop::Verdict(verdict)) => Err(verdict),
    }
}
