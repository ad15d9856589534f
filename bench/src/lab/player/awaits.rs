//! Waiting for milestones, and when there is no more to wait for.
//!
//! What is awaited comes of the guest's own work: the host does nothing before the step has ended.
//! So when nobody in the guest is in the middle of anything, and nothing the bench holds is due by
//! itself, only a timer could bring it yet. When all has been quiet for longer than the longest of
//! those, the wait is over, whatever patience is left.

use std::time::{Duration, Instant};

use guest_protocol::{Command, GuestEvent, Reply};

use super::Player;
use super::ends::Awaited;
use crate::facts::milestone::Milestone;
use crate::facts::timeline::{Source, What};
use crate::facts::verdict::Verdict;
use crate::machine::session::{Session, Stop};
use crate::script::scenario::Pattern;

/// How often it is looked whether all is quiet.
const EVERY: Duration = Duration::from_secs(1);
/// How long a guest has for that look; one that is busy is not quiet.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Longer than any timer that begins something where no interface is. Waits of the loaders and the
/// driver, up to the 60 s of the firmware loader's fallback, are tasks that sleep within their work,
/// and count as such; the longest timer is pciehp's, 5 s after its button was pressed.
const QUIET: Duration = Duration::from_secs(6);
/// The same once there was an interface: a driver that was at work waits for up to 60 s before it
/// starts its card anew (`IWL_TRANS_RESET_DELAY`).
const QUIET_AFTER_WORK: Duration = Duration::from_secs(62);
/// The kernel's watchdogs look as seldom as once in two minutes, at tasks that do nothing.
const OF_WATCHDOGS: &str = "kernel-trouble";

impl Player<'_> {
    /// Until there are more milestones than `seen`, or a started step has ended.
    pub(super) fn await_more(
        &mut self,
        seen: usize,
        patterns: &[Pattern],
        within: Duration,
    ) -> Result<Awaited, Verdict> {
        let pending: Vec<_> = self.pending.iter().map(|p| p.work).collect();
        let deadline = Instant::now() + within;
        let started = pending.clone();
        let more = move |s: &mut Session| {
            let ended = started.iter().any(|work| work.has_ended(s));
            (ended || s.milestones.len() > seen).then_some(())
        };
        let may_be_over =
            pending.is_empty() && patterns.iter().all(|p| p.milestone != OF_WATCHDOGS);
        let mut quiet = (heard(self.session), Instant::now());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.session.wait(left.min(EVERY), &more) {
                Ok(()) => return Ok(Awaited::More),
                Err(Stop::Verdict(verdict)) => return Err(verdict),
                Err(Stop::TimedOut) if Instant::now() >= deadline => return Ok(Awaited::TimedOut),
                Err(Stop::TimedOut) => {}
            }
            if !may_be_over {
                continue;
            }
            let moves = heard(self.session) != quiet.0
                || self.session.something_is_due()
                || self.works(deadline)?;
            if moves {
                quiet = (heard(self.session), Instant::now());
            } else if quiet.1.elapsed() >= self.quiet_for() {
                // An observer may be late.
                self.settle()?;
                if heard(self.session) == quiet.0 {
                    return Ok(Awaited::Over);
                }
            }
        }
    }

    /// Whether somebody in the guest is in the middle of something, or it cannot say.
    fn works(&mut self, deadline: Instant) -> Result<bool, Verdict> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.session.command(Command::AtWork, left.min(LOOK_WITHIN)) {
            Ok(Ok(Reply::AtWork { tasks })) => Ok(!tasks.is_empty()),
            Ok(_) | Err(Stop::TimedOut) => Ok(true),
            Err(Stop::Verdict(verdict)) => Err(verdict),
        }
    }

    fn quiet_for(&self) -> Duration {
        let mut milestones = self.session.milestones.iter();
        let worked = milestones.any(|r| matches!(r.milestone, Milestone::NetdevRegistered { .. }));
        if worked { QUIET_AFTER_WORK } else { QUIET }
    }
}

/// How much was heard of the guest and its cards so far.
fn heard(session: &Session) -> usize {
    let heard = session.timeline.events().iter().filter(|event| match &event.what {
        // cfg80211 asks for its regulatory domain again and again, every 3 s; nothing comes of it.
        What::Guest(GuestEvent::Uevent { devpath, .. }) => !devpath.ends_with("/regulatory"),
        _ => !matches!(event.source, Source::Bench | Source::Qemu),
    });
    heard.count()
}
