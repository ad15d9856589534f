//! The end of all: what was held is let go, the card unbound, the modules unloaded. A driver that
//! has lost count of something shows it here at the latest.

use guest_protocol::{Command, PciDevice, State};
use iwl_card::CardEvent;

use super::ends::{HANGS_AFTER, Left, StepError};
use super::{Player, over, reply};
use crate::facts::driver::Driver;
use crate::facts::timeline::What;
use crate::machine::session::Stop;

/// Every machine has this interface.
const LOOPBACK: &str = "lo";

impl Player<'_> {
    /// Tears down; says what is left. What hangs ends it: nothing after that would tell more.
    ///
    /// # Errors
    /// The guest does not come to rest, or the run is over.
    pub fn tear_down(&mut self) -> Result<Vec<Left>, StepError> {
        let driver = self.vars.driver;
        self.session.release_all();
        self.rest()?;
        let mut left = Vec::new();
        self.collect()?;
        while !self.pending.is_empty() {
            if !self.await_ended()? {
                let steps = self.pending.iter().map(|step| step.word.clone());
                return Ok(steps.map(Left::Hangs).collect());
            }
            self.collect()?;
        }
        // Drivers of one's own that have a card, whose modules are named as they are.
        let (ours, mut others) = (driver.pci_driver, Vec::new());
        for device in self.state()?.devices {
            if let Some(driver) = device.driver {
                let slot = device.slot;
                others.extend((driver != ours).then(|| driver.clone()));
                let what = format!("unbinding {slot}");
                if !self.undo(Command::Unbind { driver, slot }, what, &mut left)? {
                    return Ok(left);
                }
            }
        }
        others.sort();
        others.dedup();
        let known: Vec<&str> = driver.modules().collect();
        for module in known.into_iter().chain(others.iter().map(String::as_str)) {
            // Each takes along what only it needed.
            if self.state()?.modules.iter().any(|loaded| loaded == module) {
                let args = vec!["-r".to_owned(), module.to_owned()];
                let what = format!("modprobe -r {module}");
                if !self.undo(Command::Modprobe { args }, what, &mut left)? {
                    return Ok(left);
                }
            }
        }
        self.rest()?;
        if left.is_empty() {
            let state = self.state()?;
            left.extend(remains(&state, driver, &others).map(Left::Stays));
            // A card that has gone is nobody's to stop.
            if !state.devices.is_empty() && self.card_runs() {
                left.push(Left::Stays("the card runs its firmware, and no driver has it".into()));
            }
        }
        let running =
            |module| Left::Stays(format!("modprobe {module}, started by the kernel, runs"));
        left.extend(self.session.loaders().map(running));
        Ok(left)
    }

    /// Whether the first card runs firmware that a driver has started and none has stopped.
    pub fn card_runs(&self) -> bool {
        let last =
            self.session.timeline.events().iter().rev().find_map(|event| match &event.what {
                What::Card { card, event } if *card == self.vars.card => match event {
                    CardEvent::CpuReleased { .. } => Some(true),
                    CardEvent::Reset { .. } => Some(false),
                    _ => None,
                },
                _ => None,
            });
        last.unwrap_or(false)
    }

    /// Runs a command and notes what is wrong with its end; says whether it has one.
    fn undo(
        &mut self,
        command: Command,
        what: String,
        left: &mut Vec<Left>,
    ) -> Result<bool, StepError> {
        let id = self.session.start_command(command);
        self.rest()?;
        let result = match self.session.wait(HANGS_AFTER, |s| s.reply(id)) {
            Ok(result) => reply(result),
            Err(Stop::Verdict(verdict)) => return Err(verdict.into()),
            Err(Stop::TimedOut) => {
                self.session.alive().map_err(over)?;
                left.push(Left::Hangs(what));
                return Ok(false);
            }
        };
        if let Err(error) = result {
            let why = error.why().map_err(Clone::clone)?;
            left.push(Left::Stays(format!("{what}: {why}")));
        }
        Ok(true)
    }
}

/// What should be gone by now.
fn remains<'a>(
    state: &'a State,
    driver: &'static Driver,
    others: &'a [String],
) -> impl Iterator<Item = String> + 'a {
    let is_of_driver = |m: &&String| driver.modules().any(|module| module == **m);
    let modules = state.modules.iter().filter(move |m| is_of_driver(m) || others.contains(m));
    let interfaces = state.interfaces.iter().filter(|interface| *interface != LOOPBACK);
    let bound = state.devices.iter().filter(|device: &&PciDevice| device.driver.is_some());
    let modules = modules.map(|module| format!("{module} is loaded"));
    let interfaces = interfaces.map(|interface| format!("{interface} is there"));
    modules.chain(interfaces).chain(bound.map(|device| format!("{} is bound", device.slot)))
}
