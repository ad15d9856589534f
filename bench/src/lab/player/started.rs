//! Steps whose end is not waited for, and how it shows.

use std::time::{Duration, Instant};

use guest_protocol::Command;

use super::ends::{Ended, HANGS_AFTER, Pending, StepError, Work};
use super::{Player, over, reply};
use crate::facts::timeline::{BenchEvent, What};
use crate::facts::verdict::Verdict;
use crate::machine::session::{Session, Stop};
use crate::script::scenario::{Action, Step};

/// How long QEMU takes to tell that a card has moved, when the guest has done its part.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

impl Player<'_> {
    /// Starts a step without waiting for its end, which [`Player::take_ended`] has; at once if it
    /// cannot be started.
    ///
    /// # Errors
    /// The run is over.
    pub fn begin(&mut self, step: &Step, action: &Action) -> Result<Option<Ended>, Verdict> {
        let (index, word) = self.announce(step);
        let fails = step.fails;
        let about = self.about(step);
        let started = self.turn_to(step.card.as_ref()).and_then(|()| self.start(action));
        match started {
            Ok(work) => {
                self.pending.push(Pending { work, index, word, fails, about });
                Ok(None)
            }
            Err(StepError::Stop(verdict)) => Err(verdict),
            Err(error) => Ok(Some(Ended { index, word, fails, about, result: Err(error) })),
        }
    }

    /// Until the step started last has ended, or waits for something.
    pub(super) fn await_blocked(&mut self) -> Result<(), Verdict> {
        match self.pending.last().map(|pending| pending.work) {
            Some(Work::Command(id)) => self.prepare(Command::AwaitBlocked { id }),
            Some(Work::Unplug(port)) => {
                let devices = self.session.state().map_err(over)?.devices;
                let slot = self.session.slot(port);
                match devices.into_iter().find(|device| device.slot == slot) {
                    Some(card) => self.prepare(Command::AwaitRemoval { slot: card.slot }),
                    None => Ok(()),
                }
            }
            Some(work @ Work::Plug(_)) => self.await_moved(work, self.patience),
            Some(Work::Done) | None => Ok(()),
        }
    }

    /// Until the card is out or in, or time is up.
    fn await_moved(&mut self, work: Work, within: Duration) -> Result<(), Verdict> {
        match self.session.wait(within, |s| work.has_ended(s).then_some(())) {
            Ok(()) | Err(Stop::TimedOut) => Ok(()),
            Err(Stop::Verdict(verdict)) => Err(verdict),
        }
    }

    /// Starts an action that can take its time.
    fn start(&mut self, action: &Action) -> Result<Work, StepError> {
        self.slot_suits(action)?;
        let (moved, work) = match action {
            Action::Unplug => (self.session.eject(self.port), Work::Unplug(self.port)),
            Action::Plug => {
                let seen = self.session.functions_added() + 1;
                (self.session.insert(self.port), Work::Plug(seen))
            }
            _ => match self.guest_command(action)? {
                Some(command) => (Ok(()), Work::Command(self.session.start_command(command))),
                // The host does it at once.
                None => {
                    self.act(action)?;
                    (Ok(()), Work::Done)
                }
            },
        };
        moved.map(|()| work).map_err(|stop| over(stop).into())
    }

    /// Puts the end of a step into the timeline.
    pub fn note_end(&mut self, ended: &Ended) {
        let error = ended.result.as_ref().err().map(|error| error.words().to_owned());
        let (index, step) = (ended.index, ended.word.clone());
        let wanted = error.is_some() && ended.is_as_wanted();
        self.session.note(BenchEvent::StepEnded { index, step, error, wanted });
    }

    /// Takes note of the ends of steps that run by themselves.
    pub(super) fn collect(&mut self) -> Result<(), Verdict> {
        while let Some(ended) = self.take_ended() {
            self.ended(ended)?;
        }
        Ok(())
    }

    /// A started step that has ended by now.
    pub fn take_ended(&mut self) -> Option<Ended> {
        let at = self.pending.iter().position(|p| p.work.has_ended(self.session))?;
        let Pending { work, index, word, fails, about } = self.pending.remove(at);
        let result = match work {
            Work::Command(id) => reply(self.session.reply(id)?).map(drop),
            Work::Unplug(_) | Work::Plug(_) | Work::Done => Ok(()),
        };
        Some(Ended { index, word, fails, about, result })
    }

    /// Until a started step has ended, when the guest is at rest; says whether one has.
    ///
    /// # Errors
    /// The run is over.
    pub fn await_ended(&mut self) -> Result<bool, Verdict> {
        let works: Vec<_> = self.pending.iter().map(|pending| pending.work).collect();
        let ended = |s: &mut Session| works.iter().any(|work| work.has_ended(s)).then_some(());
        match self.session.wait(HANGS_AFTER, ended) {
            Ok(()) => Ok(true),
            Err(Stop::TimedOut) => self.session.alive().map(|()| false).map_err(over),
            Err(Stop::Verdict(verdict)) => Err(verdict),
        }
    }

    /// Until the guest is at rest, and all that its observers saw is in the timeline.
    ///
    /// # Errors
    /// It does not come to rest, or the run is over.
    pub fn rest(&mut self) -> Result<(), StepError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let seen = self.session.timeline.events().len();
            let left = deadline.saturating_duration_since(Instant::now());
            match self.session.command(Command::AwaitRest, left) {
                Ok(result) => drop(reply(result)?),
                Err(Stop::Verdict(verdict)) => return Err(verdict.into()),
                Err(Stop::TimedOut) => {
                    self.session.alive().map_err(over)?;
                    let within = self.patience.as_secs();
                    let what = format!("the guest does not come to rest within {within} s");
                    return Err(StepError::TimedOut(what));
                }
            }
            // Who waits for the bench is at rest, and was not if it was the bench that was slow.
            let since = self.session.timeline.events().iter().skip(seen);
            if !since.into_iter().any(|event| matches!(event.what, What::Answer { .. })) {
                break;
            }
        }
        let moving = |p: &Pending| (!matches!(p.work, Work::Command(_))).then_some(p.work);
        if let Some(work) = self.pending.iter().find_map(moving) {
            self.await_moved(work, TOLD_WITHIN)?;
        }
        Ok(self.prepare(Command::Settle)?)
    }
}
