//! A distribution's own initrd: nothing of the bench is in the guest. It boots with the card in its
//! port, and what there is to see of it is the card, the console and the kernel's log there, onto which
//! the kernel traces what it asks modprobe for and what is loaded.

use std::rc::Rc;
use std::time::Duration;

use super::plan::{Over, Plan};
use super::progress::RunProgress;
use super::spec::RunSpec;
use super::{Lab, judge};
use crate::facts::timeline::BenchEvent;
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::idle::Idle;
use crate::machine::session::{Origin, Session, Stop};
use crate::machine::speed;
use crate::script::scenario::{Scenario, Vars};

/// How long the kernel's log and the card have to be silent, and the guest mostly idle, for nothing more to
/// be due: a driver's longest wait for its card is half of it.
const QUIET: Duration = Duration::from_secs(10);
/// The same where all that is expected has come, or the initrd has given up.
const SETTLED: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(200);

impl Lab<'_> {
    /// Boots it and looks on until nothing more is due.
    pub(super) fn look_on(
        &self,
        spec: &RunSpec<'_>,
        plan: &Plan<'_>,
        vars: &Vars,
        progress: &Rc<dyn RunProgress>,
    ) -> anyhow::Result<Over> {
        plan.progress.phase("the initrd's guest boots");
        let cards = (plan.cards)();
        let gates = (plan.gates)();
        let start = Origin::PowerOn;
        let mut session =
            Session::start(&self.qemu, &plan.machine, self.driver, start, cards, gates, plan.dir)?;
        session.hear_console();
        let shown = Rc::clone(progress);
        session.on_milestone(Box::new(move |reached| shown.milestone(reached)));
        let played = watch(&mut session, spec.scenario, vars).map(|why| {
            if let Some(text) = why {
                session.note(BenchEvent::Note { text });
            }
        });
        let console = session.console_tail(usize::MAX);
        let (loaded, at_work) = (Vec::new(), false);
        Ok(Over { played, hello: None, console, loaded, at_work, finished: session.end() })
    }

    /// Whether the kernel comes as far as the initrd under what the machine has it run by.
    pub(super) fn comes_to_its_initrd(
        &self,
        session: &mut Session,
        within: Duration,
    ) -> Result<(), Stop> {
        session.hear_console();
        session.wait(within, |s| s.heard().is_some_and(|heard| heard.init).then_some(()))
    }
}

/// Looks on until nothing more is due; says why that is so.
fn watch(
    session: &mut Session,
    scenario: &Scenario,
    vars: &Vars,
) -> Result<Option<String>, Verdict> {
    let not_booted = |why: String| Verdict::new(Outcome::NotBooted, why);
    let boot = speed::scaled(speed::BOOT_WITHIN);
    let begun = session.wait(boot, |s| {
        s.heard().is_some_and(|heard| heard.init || heard.panic.is_some()).then_some(())
    });
    match begun {
        Err(Stop::TimedOut) => {
            let within = boot.as_secs();
            let why = format!("the kernel did not come as far as its initrd within {within} s");
            return Err(not_booted(why));
        }
        Err(Stop::Verdict(verdict)) => return Err(verdict),
        Ok(()) => {}
    }
    if let Some(panic) = session.heard().filter(|heard| !heard.init).and_then(|h| h.panic.clone()) {
        return Err(not_booted(format!("the kernel did not come as far as its initrd: {panic}")));
    }
    let patience = speed::scaled(Duration::from_secs(scenario.patience));
    let mut left = patience;
    let mut idle = Idle::default();
    loop {
        match session.wait(LOOK.min(left), |_| None::<()>) {
            Ok(()) | Err(Stop::TimedOut) => {}
            // So an initrd ends that finds no root file system and asks nobody.
            Err(Stop::Verdict(verdict)) => {
                use Outcome::{GuestPanicked, GuestPoweredOff, GuestReset};
                return match verdict.outcome {
                    GuestPanicked | GuestPoweredOff | GuestReset => {
                        Ok(Some(format!("the initrd has ended its guest: {}", verdict.line)))
                    }
                    _ => Err(verdict),
                };
            }
        }
        session.look(&mut idle);
        if let Some(why) = over(session, &idle, scenario, vars) {
            return Ok(why);
        }
        left = left.saturating_sub(LOOK);
        if left.is_zero() {
            let within = patience.as_secs();
            return Ok(Some(format!(
                "the initrd is still at work after {within} s: looked on no longer"
            )));
        }
    }
}

/// Whether nothing more is due, and why where that is not seen otherwise.
fn over(
    session: &Session,
    idle: &Idle,
    scenario: &Scenario,
    vars: &Vars,
) -> Option<Option<String>> {
    let heard = session.heard()?;
    let quiet = session.quiet_for();
    if quiet >= speed::scaled(SETTLED) {
        if let Some(panic) = &heard.panic {
            return Some(Some(format!("the kernel is at its end: {panic}")));
        }
        if let Some(prompt) = heard.prompt.as_ref().filter(|_| idle.through(speed::scaled(SETTLED)))
        {
            return Some(Some(format!("the initrd has given up: {prompt}")));
        }
        if !judge::fails(scenario, vars, session) {
            return Some(None);
        }
    }
    let within = speed::scaled(QUIET);
    (quiet >= within && idle.through(within)).then(|| {
        let silent = quiet.as_secs();
        Some(format!("the guest is idle, the kernel's log and the card silent for {silent} s"))
    })
}
