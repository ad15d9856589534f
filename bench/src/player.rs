//! Plays a scenario's steps in a session.

use std::time::Duration;

use guest_protocol::{Command, CommandError, PciDevice, Reply};

use crate::expect::matches;
use crate::milestone::DRIVER;
use crate::scenario::{Action, Check, Pattern, Scenario, Step, Vars};
use crate::session::{Session, Stop};
use crate::timeline::BenchEvent;
use crate::verdict::{Outcome, Verdict};

/// Plays all steps.
///
/// # Errors
/// The verdict that ends the run early. A step that cannot be done, or a milestone that does not
/// come while the guest lives, is [`Outcome::Failed`].
pub fn play(session: &mut Session, scenario: &Scenario, vars: &Vars) -> Result<(), Verdict> {
    let patience = Duration::from_secs(scenario.patience);
    let mut player = Player { session, vars, patience, seen: 0 };
    for (index, step) in scenario.steps.iter().map(toml::Spanned::get_ref).enumerate() {
        if !step.when.applies(vars) {
            continue;
        }
        let word = describe(step, vars);
        player.session.note(BenchEvent::StepStarted { index, step: word.clone() });
        let result = player.step(step);
        let error = match &result {
            Ok(()) => None,
            Err(StepError::Failed(why)) => Some(why.clone()),
            Err(StepError::Stop(verdict)) => Some(verdict.line.clone()),
        };
        player.session.note(BenchEvent::StepEnded { index, step: word.clone(), error });
        match result {
            Ok(()) => {}
            Err(StepError::Failed(why)) => {
                return Err(Verdict::new(Outcome::Failed, format!("step {word}: {why}")));
            }
            Err(StepError::Stop(verdict)) => return Err(verdict),
        }
    }
    Ok(())
}

fn describe(step: &Step, vars: &Vars) -> String {
    if let Some(action) = step.r#do {
        action.word().to_owned()
    } else if let Some(pattern) = &step.r#await {
        format!("await {}", vars.pattern(pattern.get_ref()))
    } else {
        "check".to_owned()
    }
}

enum StepError {
    /// The step did not do what it should; the guest lives.
    Failed(String),
    /// The run is over.
    Stop(Verdict),
}

impl From<Verdict> for StepError {
    fn from(verdict: Verdict) -> StepError {
        StepError::Stop(verdict)
    }
}

struct Player<'a> {
    session: &'a mut Session,
    vars: &'a Vars,
    patience: Duration,
    /// Milestones before this one were awaited already.
    seen: usize,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<(), StepError> {
        if let Some(action) = step.r#do {
            self.act(action)
        } else if let Some(pattern) = &step.r#await {
            self.await_milestone(&self.vars.pattern(pattern.get_ref()))
        } else if let Some(check) = &step.check {
            self.check(check)
        } else {
            Ok(())
        }
    }

    /// Time ran out: either the guest is gone, or it lives and what was waited for did not come.
    fn timed_out(&mut self, what: &str) -> StepError {
        match self.session.alive() {
            Ok(()) => StepError::Failed(format!(
                "{what} did not come within {} s, though the guest lives",
                self.patience.as_secs()
            )),
            Err(Stop::Verdict(verdict)) => verdict.into(),
            Err(Stop::TimedOut) => {
                Verdict::new(Outcome::GuestHung, "the guest does not answer any more").into()
            }
        }
    }

    fn await_milestone(&mut self, pattern: &Pattern) -> Result<(), StepError> {
        let from = self.seen;
        let found = self.session.wait(self.patience, |s| {
            s.milestones[from..].iter().position(|reached| matches(pattern, reached))
        });
        match found {
            Ok(at) => {
                self.seen = from + at + 1;
                Ok(())
            }
            Err(Stop::Verdict(verdict)) => Err(verdict.into()),
            Err(Stop::TimedOut) => Err(self.timed_out(&pattern.to_string())),
        }
    }

    fn command(&mut self, command: Command, what: &str) -> Result<Reply, StepError> {
        match self.session.command(command, self.patience) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(CommandError { message, .. })) => Err(StepError::Failed(message)),
            Err(Stop::Verdict(verdict)) => Err(verdict.into()),
            Err(Stop::TimedOut) => Err(self.timed_out(&format!("the end of {what}"))),
        }
    }

    fn act(&mut self, action: Action) -> Result<(), StepError> {
        let word = action.word();
        let driver = || DRIVER.to_owned();
        let command = match action {
            Action::Coldplug => Command::Coldplug,
            Action::Unbind => Command::Unbind { driver: driver(), slot: self.device()?.slot },
            Action::Bind => Command::Bind { driver: driver(), slot: self.device()?.slot },
            Action::LinkUp => Command::LinkUp { interface: self.interface()? },
            Action::LinkDown => Command::LinkDown { interface: self.interface()? },
        };
        match self.command(command, word)? {
            Reply::Ran { status, stderr } if status != 0 => {
                Err(StepError::Failed(format!("exit status {status}: {}", stderr.trim())))
            }
            _ => Ok(()),
        }
    }

    fn device(&mut self) -> Result<PciDevice, StepError> {
        let state = match self.session.state() {
            Ok(state) => state,
            Err(Stop::Verdict(verdict)) => return Err(verdict.into()),
            Err(Stop::TimedOut) => return Err(self.timed_out("the guest's state")),
        };
        state.devices.into_iter().next().ok_or_else(|| {
            StepError::Failed("the guest sees no Intel wireless function on its PCI bus".into())
        })
    }

    fn interface(&mut self) -> Result<String, StepError> {
        let device = self.device()?;
        let slot = device.slot;
        device
            .interfaces
            .into_iter()
            .next()
            .ok_or_else(|| StepError::Failed(format!("{slot} has no network interface")))
    }

    fn check(&mut self, check: &Check) -> Result<(), StepError> {
        let device = self.device()?;
        let bound = device.driver.is_some();
        if check.bound.is_some_and(|want| want != bound) {
            return Err(StepError::Failed(match device.driver {
                Some(driver) => format!("{} is bound to {driver}, and should not be", device.slot),
                None => format!("{} is not bound, and should be", device.slot),
            }));
        }
        if let Some(want) = check.interfaces
            && want != device.interfaces.len()
        {
            return Err(StepError::Failed(format!(
                "{} has {} network interfaces ({}), and should have {want}",
                device.slot,
                device.interfaces.len(),
                device.interfaces.join(", ")
            )));
        }
        Ok(())
    }
}
