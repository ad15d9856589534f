//! Plays a scenario's steps in a session.

mod awaits;
mod ends;
mod started;
mod tear_down;
mod work;

use ends::{About, Awaited, Pending};
pub use ends::{Ended, Left, StepError};
pub use work::is_at_work;

use std::time::{Duration, Instant};

use base64::Engine;
use card_host::Touch;
use guest_protocol::{
    Autoload as KernelModprobe, Command, CommandError, PciDevice, Reply, State, SuspendTest,
};

use crate::facts::errno::Errno;
use crate::facts::milestone::Milestone;
use crate::facts::missing::Missing;
use crate::facts::near::NoSuch;
use crate::facts::timeline::BenchEvent;
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::session::{Session, Stop};
use crate::machine::speed;
use crate::script::expect::matches;
use crate::script::scenario::{
    Action, Autoload, Check, Fails, FileCheck, OneOrMany, Pattern, Scenario, Step, Suspend, Text,
    Vars,
};

/// How many of the requests that wait are named.
const LISTED: usize = 4;
/// Where `modprobe-d` writes.
const MODPROBE_D: &str = "/etc/modprobe.d/iwlbench.conf";
/// Longest that a milestone is awaited after an oops that no scenario wants: what was to bring it may
/// have died, and the run has failed either way.
const AFTER_AN_OOPS: Duration = Duration::from_secs(5);
/// The same after a hang: the kernel has waited long enough before it said so.
const AFTER_A_HANG: Duration = Duration::from_secs(2);
/// How long a guest with tasks that hang has to show them all.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// Plays all steps, and then waits until the guest's observers have told what they saw.
///
/// # Errors
/// The verdict that ends the run early. A step that cannot be done, or a milestone that does not
/// come while the guest lives, is [`Outcome::Failed`].
pub fn play(
    session: &mut Session,
    scenario: &Scenario,
    vars: &Vars,
    files: &[(String, Vec<u8>)],
) -> Result<(), Verdict> {
    let mut player = Player::new(session, scenario, vars);
    if !scenario.gates {
        player.ungate(files)?;
    }
    let played = player.steps(&scenario.steps).and_then(|()| player.settle());
    let played = played.and_then(|()| player.find_leaks());
    if player.troubled(Trouble::Hang) {
        player.show_blocked();
    }
    played
}

/// Plays steps.
pub struct Player<'a> {
    /// The guest.
    pub session: &'a mut Session,
    /// What the scenario's variables stand for.
    pub vars: &'a Vars,
    scenario: &'a Scenario,
    /// Longest that a step may take.
    pub patience: Duration,
    /// Milestones before this one were awaited already.
    seen: usize,
    /// Of the next step, each round of a repetition counted.
    next_index: usize,
    pending: Vec<Pending>,
    /// Where the card is that the step speaks of: the first, if it names none.
    port: usize,
}

impl<'a> Player<'a> {
    /// At the first step.
    pub fn new(session: &'a mut Session, scenario: &'a Scenario, vars: &'a Vars) -> Player<'a> {
        let patience = speed::patience(Duration::from_secs(scenario.patience), &vars.kernel);
        let pending = Vec::new();
        Player { session, vars, scenario, patience, seen: 0, next_index: 0, pending, port: 0 }
    }

    fn steps(&mut self, steps: &[toml::Spanned<Step>]) -> Result<(), Verdict> {
        for step in steps.iter().map(toml::Spanned::get_ref) {
            if !step.when.applies(self.vars) {
                continue;
            }
            match step.repeat {
                Some(times) => {
                    for _ in 0..times {
                        self.steps(&step.step)?;
                    }
                }
                None => self.step(step)?,
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Verdict> {
        if let (Some(action), true) = (&step.r#do, step.start) {
            match self.begin(step, action)? {
                Some(ended) => return self.ended(ended),
                // What comes next in the scenario comes when this one is where it waits.
                None => self.await_blocked()?,
            }
            return self.collect();
        }
        let (index, word) = self.announce(step);
        let result = self.done(step);
        let about = self.about(step);
        self.ended(Ended { index, word, fails: step.fails, about, result })
    }

    fn about(&self, step: &Step) -> About {
        let card = match &step.card {
            Some(card) => self.text(card),
            None => self.session.cards().first().cloned().unwrap_or_default(),
        };
        About::of(step.r#do.as_ref(), &card)
    }

    fn announce(&mut self, step: &Step) -> (usize, String) {
        let index = self.next_index;
        self.next_index += 1;
        let word = step.called(|pattern| self.vars.pattern(pattern).to_string());
        let unbinds = step.r#do.as_ref().is_some_and(Action::may_unbind);
        self.session.note(BenchEvent::StepStarted { index, step: word.clone(), unbinds });
        (index, word)
    }

    /// Says that what is unbound from here on is so by the bench's doing.
    pub fn announce_tear_down(&mut self) {
        let (index, step) = (self.next_index, Action::TearDown.word().to_owned());
        self.next_index += 1;
        self.session.note(BenchEvent::StepStarted { index, step, unbinds: true });
    }

    /// Notes the end of a step, and says whether the run goes on.
    fn ended(&mut self, ended: Ended) -> Result<(), Verdict> {
        self.note_end(&ended);
        if ended.is_as_wanted() {
            return Ok(());
        }
        let Ended { word: step, fails, about, result, .. } = ended;
        let failed =
            |why: String| Err(Verdict::new(Outcome::Failed, format!("step {step}: {why}")));
        let its_own = |verdict| Verdict { explained: true, ..verdict };
        let waited = |verdict| Verdict { waited: true, ..verdict };
        match (result, fails) {
            (Err(StepError::Stop(verdict)), _) => Err(verdict),
            (Ok(()), _) => failed("succeeded, and should fail".into()),
            (Err(StepError::Refused(why, _)), Some(want)) => {
                let why = format!("should fail with {}, but: {why}", describe_failure(want));
                match about {
                    About::Card(missing) => failed(why).map_err(|v| v.without(vec![missing])),
                    About::Itself | About::Program => failed(why).map_err(its_own),
                }
            }
            (Err(StepError::Refused(why, got)), None) => match about {
                About::Card(missing) => failed(why).map_err(|v| v.without(vec![missing])),
                About::Program => match no_program(got) {
                    Some(how) => {
                        failed(format!("{why}: {how}")).map_err(its_own).map_err(environment)
                    }
                    None => failed(why).map_err(its_own),
                },
                About::Itself => failed(why).map_err(its_own),
            },
            (Err(StepError::Failed(why)), _) => failed(why),
            (Err(StepError::TimedOut(why)), _) => failed(why).map_err(waited),
            (Err(StepError::Missing(why, missing)), _) => {
                failed(why).map_err(|verdict| waited(verdict.without(missing)))
            }
            (Err(StepError::Lacking(why, missing)), _) => {
                failed(why).map_err(|verdict| verdict.without(vec![missing]))
            }
            (Err(StepError::Contradicted(why)), _) => {
                failed(why).map_err(|verdict| Verdict { contradicted: true, ..verdict })
            }
            (Err(StepError::Unsuited(why)), _) => failed(why).map_err(its_own).map_err(environment),
        }
    }

    fn done(&mut self, step: &Step) -> Result<(), StepError> {
        self.turn_to(step.card.as_ref())?;
        if let Some(action) = &step.r#do {
            self.act(action)
        } else if let Some(patterns) = &step.r#await {
            let patterns: Vec<_> = patterns.iter().map(|p| self.vars.pattern(p)).collect();
            self.await_milestones(patterns)
        } else if let Some(check) = &step.check {
            self.check(check)
        } else {
            Ok(())
        }
    }

    /// What comes speaks of this card.
    fn turn_to(&mut self, card: Option<&Text>) -> Result<(), StepError> {
        self.port = match card {
            None => 0,
            Some(card) => self.port_of(&self.text(card))?,
        };
        Ok(())
    }

    fn port_of(&self, name: &str) -> Result<usize, StepError> {
        let cards = self.session.cards();
        cards.iter().position(|card| card == name).ok_or_else(|| {
            StepError::Failed(NoSuch::new("card in this machine", name, cards).to_string())
        })
    }

    /// Time ran out: either the guest is gone, or it lives and what was waited for did not come.
    fn timed_out(&mut self, what: &str, within: Duration) -> StepError {
        match self.session.alive() {
            Ok(()) => StepError::TimedOut(format!(
                "{what} did not come within {} s, though the guest lives{}",
                within.as_secs(),
                self.held()
            )),
            Err(stop) => over(stop).into(),
        }
    }

    /// How long a milestone is awaited, as things stand.
    fn wait_for_milestones(&self) -> Duration {
        if self.troubled(Trouble::Hang) {
            self.patience.min(AFTER_A_HANG)
        } else if self.troubled(Trouble::Oops) {
            self.patience.min(AFTER_AN_OOPS)
        } else {
            self.patience
        }
    }

    /// Whether the kernel has complained so, and the scenario expects no such thing.
    fn troubled(&self, trouble: Trouble) -> bool {
        self.session.troubles.contains(&trouble) && !self.scenario.tolerates(trouble, self.vars)
    }

    /// Has the kernel log the stacks of all tasks that wait: those of a deadlock whose waiting it
    /// does not report by itself too.
    fn show_blocked(&mut self) {
        for command in [write("/proc/sysrq-trigger", "w"), Command::Settle] {
            // A guest that cannot has told less; its verdict is another's.
            if self.session.command(command, SHOWN_WITHIN).is_err() {
                return;
            }
        }
    }

    /// Has a kernel that can look for what has leaked, and say so in its log.
    fn find_leaks(&mut self) -> Result<(), Verdict> {
        if self.session.hello.as_ref().is_none_or(|hello| !hello.leaks) {
            return Ok(());
        }
        self.prepare(Command::FindLeaks)?;
        self.settle()
    }

    /// What the gates hold, as the end of a sentence: often it is why nothing goes on.
    fn held(&self) -> String {
        let mut waiting = self.session.waiting();
        let more = waiting.len().saturating_sub(LISTED);
        waiting.truncate(LISTED);
        if more > 0 {
            waiting.push(format!("{more} more"));
        }
        if waiting.is_empty() {
            return String::new();
        }
        format!("; the gates hold {}", waiting.join(", "))
    }

    fn await_milestones(&mut self, mut patterns: Vec<Pattern>) -> Result<(), StepError> {
        let mut at = self.seen;
        let mut moved = Instant::now();
        loop {
            self.collect()?;
            while at < self.session.milestones.len() && !patterns.is_empty() {
                let reached = &self.session.milestones[at];
                at += 1;
                // A kernel may complain for ever.
                if !matches!(reached.milestone, Milestone::KernelTrouble { .. }) {
                    moved = Instant::now();
                }
                if let Some(found) = patterns.iter().position(|p| matches(p, reached)) {
                    patterns.remove(found);
                    self.seen = at;
                }
            }
            if patterns.is_empty() {
                return Ok(());
            }
            let within = self.wait_for_milestones();
            let left = within.saturating_sub(moved.elapsed());
            let awaited = match left {
                Duration::ZERO => Awaited::TimedOut,
                left => self.await_more(at, &patterns, left)?,
            };
            let named = || {
                let missing: Vec<_> = patterns.iter().map(Pattern::to_string).collect();
                missing.join(" and ")
            };
            let failed = match awaited {
                Awaited::More => continue,
                Awaited::TimedOut => self.timed_out(&named(), within),
                Awaited::Over => {
                    let held = self.held();
                    let do_not = if patterns.len() == 1 { "does not" } else { "do not" };
                    let what = format!("{} {do_not} come: the guest is at rest{held}", named());
                    StepError::TimedOut(what)
                }
            };
            return Err(match failed {
                StepError::TimedOut(why) => {
                    let came = &self.session.milestones;
                    let missing = patterns.iter().filter_map(|p| p.missing_from(came)).collect();
                    let alike = |p: &Pattern| {
                        came.iter().rev().find(|reached| reached.milestone.kind() == p.milestone)
                    };
                    let before =
                        |p: &Pattern| came[..self.seen].iter().rev().find(|r| matches(p, r));
                    let early = patterns.iter().find_map(before);
                    let early = early.map(|r| ("it had come before what was awaited last", r));
                    let last = || Some(("the last of its kind", patterns.iter().find_map(alike)?));
                    let why = match early.or_else(last) {
                        Some((which, reached)) => format!("{why}; {which}: {}", reached.milestone),
                        None => why,
                    };
                    StepError::Missing(why, missing)
                }
                other => other,
            });
        }
    }

    /// Takes the gates away: the real modprobe, and the files as plain files.
    fn ungate(&mut self, files: &[(String, Vec<u8>)]) -> Result<(), Verdict> {
        self.prepare(Command::Autoload { what: KernelModprobe::Modprobe })?;
        self.prepare(Command::UngateFirmware)?;
        for (name, bytes) in files {
            self.prepare(write(format!("/lib/firmware/{name}"), bytes))?;
        }
        Ok(())
    }

    /// Until all that the guest's observers saw so far is in the timeline.
    fn settle(&mut self) -> Result<(), Verdict> {
        self.prepare(Command::Settle)?;
        self.collect()
    }

    /// A command that is no step of the scenario's.
    fn prepare(&mut self, command: Command) -> Result<(), Verdict> {
        let done = self.command(command, "what the bench asked of its agent");
        done.map(drop).map_err(|error| match error.why() {
            Ok(why) => Verdict::new(Outcome::Environment, format!("the guest's agent: {why}")),
            Err(over) => over.clone(),
        })
    }

    fn command(&mut self, command: Command, what: &str) -> Result<Reply, StepError> {
        let id = self.session.start_command(command);
        let began = Instant::now();
        loop {
            // Shorter, once the kernel has reported a hang.
            let within = self.wait_for_milestones();
            let left = within.saturating_sub(began.elapsed());
            let seen = self.session.milestones.len();
            let waited = self.session.wait(left, |s| {
                let answer = s.reply(id).map(Some);
                answer.or_else(|| (s.milestones.len() > seen).then_some(None))
            });
            match waited {
                Ok(Some(result)) => return reply(result),
                Ok(None) => {}
                Err(Stop::Verdict(verdict)) => return Err(verdict.into()),
                Err(Stop::TimedOut) => {
                    return Err(self.timed_out(&format!("the end of {what}"), within));
                }
            }
        }
    }

    /// Whether the card's slot is as the action needs it: QEMU would refuse, and its refusal say
    /// nothing about the scenario.
    fn slot_suits(&self, action: &Action) -> Result<(), StepError> {
        let why = match (action, self.session.unplugged(self.port)) {
            (Action::Plug, false) => "the card is in its slot; `unplug` comes first",
            (Action::Unplug, true) => "the card is out of its slot; `plug` comes first",
            _ => return Ok(()),
        };
        Err(StepError::Unsuited(why.to_owned()))
    }

    fn act(&mut self, action: &Action) -> Result<(), StepError> {
        self.slot_suits(action)?;
        let moved = match action {
            Action::Release(name) | Action::ReleaseOne(name) => {
                let name = self.text(name);
                let released = match action {
                    Action::Release(_) => self.session.release(&name) > 0,
                    _ => self.session.release_one(&name),
                };
                if released {
                    return Ok(());
                }
                return Err(self.not_held(&name)?);
            }
            Action::Rest => {
                self.rest()?;
                return Ok(self.collect()?);
            }
            Action::TearDown => {
                let left: Vec<_> = self.tear_down()?.iter().map(ToString::to_string).collect();
                return match left.is_empty() {
                    true => Ok(()),
                    false => Err(StepError::Failed(left.join("; "))),
                };
            }
            Action::Sysrq(key) if action.reboots() => return self.reboot(*key),
            Action::Plug => self.session.plug(self.port),
            Action::Unplug => self.session.unplug(self.port, self.patience),
            Action::ReleaseAlive => self.touch(Touch::ReleaseAlive),
            Action::Vanish => self.touch(Touch::Vanish),
            Action::RfKill(on) => self.touch(Touch::RfKill(*on)),
            Action::Fault(fault) => self.touch(Touch::Fault { fault: fault.0, on: true }),
            Action::FaultEnd(fault) => self.touch(Touch::Fault { fault: fault.0, on: false }),
            _ => {
                let Some(command) = self.guest_command(action)? else {
                    let why = format!("nobody knows how to do `{}`", action.word());
                    return Err(StepError::Failed(why));
                };
                return self.command(command, action.word()).map(drop);
            }
        };
        match moved {
            Ok(()) => Ok(()),
            Err(Stop::Verdict(verdict)) => Err(verdict.into()),
            Err(Stop::TimedOut) => {
                Err(self.timed_out(&format!("the end of {}", action.word()), self.patience))
            }
        }
    }

    /// Why nothing of this name is let go: it was not asked for, or is held by no gate.
    fn not_held(&mut self, name: &str) -> Result<StepError, Verdict> {
        self.settle()?;
        let why = format!("no gate holds {name} until a release{}", self.held());
        let driver = self.vars.driver;
        let asked = match name {
            module if driver.is_opmode(module) || module.contains('*') => "opmode-asked",
            file if driver.is_firmware(file) && file.contains('.') => "firmware-asked",
            _ => return Ok(StepError::Unsuited(format!("{why}: nobody has asked for it"))),
        };
        if is_at_work(self.session) {
            let why = format!("{why}; the guest is still at work: `await` the request before");
            return Ok(StepError::Unsuited(why));
        }
        // Of one that was asked for, and let go before, nothing is missing.
        let came = self.session.milestones.iter().any(|reached| reached.milestone.kind() == asked);
        Ok(match came {
            true => StepError::Failed(why),
            false => StepError::Lacking(why, Missing::of(asked)),
        })
    }

    /// Resets the machine and waits until it has booted again.
    fn reboot(&mut self, key: char) -> Result<(), StepError> {
        // What was seen until then is not to be lost with it.
        self.settle()?;
        // Nobody is left to end what was started.
        self.pending.clear();
        let within = speed::scaled(speed::BOOT_WITHIN);
        let command = write("/proc/sysrq-trigger", key.to_string());
        match self.session.reboot(command, within) {
            Ok(()) => Ok(()),
            Err(Stop::Verdict(verdict)) => Err(verdict.into()),
            Err(Stop::TimedOut) => Err(self.timed_out("the guest's next boot", within)),
        }
    }

    /// Does something to the card by hand and waits until it has felt it.
    fn touch(&mut self, touch: Touch) -> Result<(), Stop> {
        let before = self.session.milestones.len();
        self.session.touch(self.port, touch);
        self.session.wait(self.patience, |s| {
            s.milestones[before..].iter().any(|r| r.milestone.is_touch()).then_some(())
        })
    }

    fn guest_command(&mut self, action: &Action) -> Result<Option<Command>, StepError> {
        Ok(Some(match action {
            Action::Coldplug => Command::Coldplug,
            Action::Unbind => {
                let PciDevice { driver, slot, .. } = self.device()?;
                Command::Unbind { driver: driver.unwrap_or_else(|| self.bound_last(&slot)), slot }
            }
            Action::Bind => {
                let slot = self.device()?.slot;
                Command::Bind { driver: self.bound_last(&slot), slot }
            }
            Action::DriverOverride(name) => {
                let path = self.attribute("driver_override")?;
                write(path, format!("{}\n", self.text(name)))
            }
            Action::Modprobe(args) => {
                Command::Modprobe { args: args.iter().map(|arg| self.text(arg)).collect() }
            }
            Action::Rmmod(module) => Command::Rmmod { module: self.text(module) },
            Action::ModprobeD(lines) => {
                let lines: String = lines.iter().map(|l| self.text(l) + "\n").collect();
                write(MODPROBE_D, lines)
            }
            Action::Autoload(autoload) => Command::Autoload {
                what: match autoload {
                    Autoload::Off => KernelModprobe::Off,
                    Autoload::Absent => KernelModprobe::Absent,
                    Autoload::Gate => KernelModprobe::Gate,
                    Autoload::Modprobe => KernelModprobe::Modprobe,
                },
            },
            Action::Remove => write(self.attribute("remove")?, "1"),
            Action::Rescan => write("/sys/bus/pci/rescan", "1"),
            Action::Reset => write(self.attribute("reset")?, "1"),
            Action::LinkUp => Command::LinkUp { interface: self.interface()? },
            Action::LinkDown => Command::LinkDown { interface: self.interface()? },
            Action::Scan => Command::Scan {
                interface: self.interface()?,
                within_ms: u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX),
            },
            Action::Write(file) => write(self.text(&file.path), self.text(&file.text)),
            Action::Exec(argv) => Command::Exec {
                argv: argv.iter().map(|arg| self.text(arg)).collect(),
                within_ms: u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX),
            },
            Action::Suspend(Suspend::Freeze) => Command::SuspendToIdle,
            Action::Suspend(level) => Command::Suspend {
                test: match level {
                    Suspend::Freezer => SuspendTest::Freezer,
                    Suspend::Devices => SuspendTest::Devices,
                    Suspend::Platform => SuspendTest::Platform,
                    Suspend::Processors => SuspendTest::Processors,
                    Suspend::Core => SuspendTest::Core,
                    Suspend::Mem | Suspend::Freeze => SuspendTest::None,
                },
            },
            Action::RequestModules(count) => Command::RequestModules { count: *count },
            Action::Sysrq(key) => write("/proc/sysrq-trigger", key.to_string()),
            Action::Release(_)
            | Action::ReleaseOne(_)
            | Action::Rest
            | Action::TearDown
            | Action::Plug
            | Action::Unplug
            | Action::ReleaseAlive
            | Action::Vanish
            | Action::RfKill(_)
            | Action::Fault(_)
            | Action::FaultEnd(_) => return Ok(None),
        }))
    }

    fn text(&self, text: &Text) -> String {
        self.vars.string(&text.0)
    }

    fn attribute(&mut self, name: &str) -> Result<String, StepError> {
        Ok(format!("/sys/bus/pci/devices/{}/{name}", self.device()?.slot))
    }

    /// The guest as it is now.
    ///
    /// # Errors
    /// It does not say, or the run is over.
    pub fn state(&mut self) -> Result<State, StepError> {
        match self.session.state() {
            Ok(state) => Ok(state),
            Err(Stop::Verdict(verdict)) => Err(verdict.into()),
            Err(Stop::TimedOut) => Err(self.timed_out("the guest's state", self.patience)),
        }
    }

    fn device(&mut self) -> Result<PciDevice, StepError> {
        let slot = self.session.slot(self.port);
        let mut devices = self.state()?.devices.into_iter();
        devices.find(|device| device.slot == slot).ok_or_else(|| {
            StepError::Failed(format!("the guest sees no Intel wireless function in {slot}"))
        })
    }

    /// The driver that a device had last: one's own may have it; else the one under test.
    fn bound_last(&self, slot: &str) -> String {
        let bound = self.session.milestones.iter().rev().find_map(|r| match &r.milestone {
            Milestone::Bound { slot: s, driver, .. } if s == slot => Some(driver.clone()),
            _ => None,
        });
        bound.unwrap_or_else(|| self.vars.driver.pci_driver.to_owned())
    }

    fn interface(&mut self) -> Result<String, StepError> {
        let device = self.device()?;
        let slot = device.slot;
        device.interfaces.into_iter().next().ok_or_else(|| {
            let why = format!("{slot} has no network interface{}", self.held());
            StepError::Lacking(why, self.lacks("netdev-registered", self.port))
        })
    }

    /// That a card has not come so far.
    fn lacks(&self, kind: &str, port: usize) -> Missing {
        Missing { kind: kind.to_owned(), card: self.session.cards().get(port).cloned() }
    }

    fn check(&mut self, checks: &OneOrMany<Check>) -> Result<(), StepError> {
        let state = self.state()?;
        let mut mismatches = Vec::new();
        let mut lacking = None;
        let mut all_are_read = true;
        for check in checks.iter() {
            let port = match &check.card {
                Some(card) => self.port_of(&self.text(card))?,
                None => self.port,
            };
            let slot = self.session.slot(port);
            lacking = lacking.or_else(|| Some(self.lacks(check.lacks(&state, &slot)?, port)));
            let (mismatch, is_read) = match (check.mismatch(&state, &slot, self.vars), &check.file)
            {
                (None, Some(file)) => self.file_mismatch(file)?,
                (mismatch, _) => (mismatch, false),
            };
            all_are_read &= is_read;
            match mismatch {
                // One of them fits.
                None => return Ok(()),
                Some(mismatch) => mismatches.push(mismatch),
            }
        }
        let why = format!("{}{}", mismatches.join("; or "), self.held());
        Err(match lacking {
            Some(missing) => StepError::Lacking(why, missing),
            None if all_are_read => StepError::Contradicted(why),
            None => StepError::Failed(why),
        })
    }

    /// How a file differs, if it does; and whether it was there to be read.
    fn file_mismatch(&mut self, file: &FileCheck) -> Result<(Option<String>, bool), StepError> {
        let path = self.text(&file.path);
        match self.command(Command::Read { path: path.clone() }, "check") {
            Ok(Reply::Text { text, .. }) => Ok((file.mismatch(&text, self.vars), true)),
            Ok(other) => {
                Ok((Some(format!("the agent does not read {path}, but: {other:?}")), false))
            }
            Err(StepError::Refused(why, _)) => Ok((Some(why), false)),
            Err(error) => Err(error),
        }
    }
}

/// It is nobody's fault that a scenario names what is not there, or does what cannot be done.
fn environment(verdict: Verdict) -> Verdict {
    Verdict { outcome: Outcome::Environment, ..verdict }
}

/// In what way what was to run is no program of the guest's, if it is none: `execve(2)`.
fn no_program(got: Fails) -> Option<&'static str> {
    const ENOEXEC: Errno = Errno(8);
    const EACCES: Errno = Errno(13);
    match got {
        Fails::Errno(Errno::ENOENT) => Some("the guest's image has no such program to run"),
        Fails::Errno(EACCES) => Some("it is not executable in the guest's image: chmod +x"),
        Fails::Errno(ENOEXEC) => Some("it is neither a program nor a script that begins with #!"),
        _ => None,
    }
}

/// The end of a run whose guest does not say more.
fn over(stop: Stop) -> Verdict {
    match stop {
        Stop::Verdict(verdict) => verdict,
        Stop::TimedOut => Verdict::new(Outcome::GuestHung, "the guest does not answer any more"),
    }
}

fn describe_failure(fails: Fails) -> String {
    match fails {
        Fails::Somehow => "an error".to_owned(),
        Fails::Errno(errno) => errno.to_string(),
        Fails::Status(status) => format!("exit status {status}"),
    }
}

fn write(path: impl Into<String>, text: impl AsRef<[u8]>) -> Command {
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    Command::Write { path: path.into(), data }
}

/// What the guest's reply means for a step.
fn reply(result: Result<Reply, CommandError>) -> Result<Reply, StepError> {
    match result {
        Ok(Reply::Ran { status, stderr }) if status != 0 => Err(StepError::Refused(
            format!("exit status {status}: {}", stderr.trim()),
            Fails::Status(status),
        )),
        Ok(reply) => Ok(reply),
        Err(CommandError { message, errno }) => Err(StepError::Refused(
            message,
            errno.map_or(Fails::Somehow, |errno| Fails::Errno(Errno(errno))),
        )),
    }
}
