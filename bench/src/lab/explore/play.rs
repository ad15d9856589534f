//! Plays one order in a guest.

use std::collections::HashMap;

use super::base::Base;
use super::judge::{self, Class, Problem};
use super::order::{Choice, Point};
use crate::facts::verdict::{Outcome, Verdict};
use crate::lab::player::{Ended, Left, Player, StepError};
use crate::machine::gates;
use crate::machine::session::Session;
use crate::script::scenario::{Fails, Vars};

/// A guest that goes on asking for more than this does not come to an end.
const POINTS_AT_MOST: usize = 200;

/// How a step of an order failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of the step among those that are points.
    pub index: usize,
    /// In a line.
    pub why: String,
    /// As a scenario can ask for it; none if it could not be begun.
    pub fails: Option<Fails>,
}

/// What was seen of an order; it grows while the order is played, so that the end of the guest
/// leaves what came before it.
#[derive(Debug, Default)]
pub struct Played {
    /// The order, and what else it could have been.
    pub choices: Vec<Choice>,
    /// The steps that failed, as some do in some orders.
    pub failures: Vec<Failure>,
    /// A step never ended.
    pub stuck: bool,
    /// What the guest looked like in the end.
    pub state: Option<String>,
    /// What is wrong with that.
    pub problems: Vec<Problem>,
}

/// An order on its way.
struct Play<'a> {
    player: Player<'a>,
    base: &'a Base,
    /// The steps begun, by their number in the player.
    begun: Vec<usize>,
    /// Those that have not ended.
    running: Vec<usize>,
    next_step: usize,
    released: HashMap<String, usize>,
    played: &'a mut Played,
}

/// Follows the prefix, then takes always the first point that is enabled, and judges the end.
///
/// # Errors
/// The verdict on the run, if something is wrong.
pub fn play(
    session: &mut Session,
    base: &Base,
    vars: &Vars,
    prefix: &[Point],
    played: &mut Played,
) -> Result<(), Verdict> {
    let mut play = Play {
        player: Player::new(session, &base.scenario, vars),
        base,
        begun: Vec::new(),
        running: Vec::new(),
        next_step: 0,
        released: HashMap::new(),
        played,
    };
    if let Err(error) = play.order(prefix).and_then(|()| play.judge()) {
        // What is waited for here comes unless something hangs.
        let why = error.why().map_err(Verdict::clone)?;
        play.played.problems.push(Problem::new(Class::Hang, why));
    }
    match play.played.problems.iter().max_by_key(|problem| problem.class) {
        None => Ok(()),
        Some(worst) => Err(Verdict::new(Outcome::Failed, worst.to_string())),
    }
}

impl Play<'_> {
    fn order(&mut self, prefix: &[Point]) -> Result<(), StepError> {
        while self.played.choices.len() < POINTS_AT_MOST {
            self.player.rest()?;
            self.collect();
            let enabled = self.enabled();
            if enabled.is_empty() {
                if !self.running.is_empty() && self.player.await_ended()? {
                    continue;
                }
                return Ok(());
            }
            let taken = match prefix.get(self.played.choices.len()) {
                None => 0,
                Some(point) => enabled.iter().position(|e| e == point).ok_or_else(|| {
                    let line = format!("the order cannot be followed again: {point} does not come");
                    Verdict::new(Outcome::Environment, line)
                })?,
            };
            let choice = Choice { enabled, taken };
            let point = choice.point().clone();
            self.played.choices.push(choice);
            self.take(&point)?;
        }
        let what = format!("the guest goes on asking after {POINTS_AT_MOST} points");
        self.played.problems.push(Problem::new(Class::Hang, what));
        Ok(())
    }

    /// What the host could do next: what the gates hold, the oldest first, then the next step. The
    /// host takes a step when the one before has ended, or was to run beside it.
    fn enabled(&self) -> Vec<Point> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.player.session.held().map(gates::name_of) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let mut enabled: Vec<_> = names
            .into_iter()
            .map(|name| Point::Release {
                name: name.to_owned(),
                nth: self.released.get(name).copied().unwrap_or(0) + 1,
            })
            .collect();
        let beside = |index: &usize| self.base.step(*index).is_some_and(|(step, _)| step.start);
        if self.next_step < self.base.steps.len() && self.running.iter().all(beside) {
            let index = self.next_step;
            enabled.push(Point::Step { index, step: self.base.step_name(index) });
        }
        enabled
    }

    fn take(&mut self, point: &Point) -> Result<(), StepError> {
        match point {
            Point::Release { name, .. } => {
                *self.released.entry(name.clone()).or_default() += 1;
                self.player.session.release_one(name);
            }
            Point::Step { index, .. } => {
                let index = *index;
                self.next_step = index + 1;
                let Some((step, action)) = self.base.step(index) else { return Ok(()) };
                self.begun.push(index);
                self.running.push(index);
                if let Some(ended) = self.player.begin(step, action)? {
                    self.ended(ended);
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self) {
        while let Some(ended) = self.player.take_ended() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.player.note_end(&ended);
        let Some(&index) = self.begun.get(ended.index) else { return };
        self.running.retain(|running| *running != index);
        let Err(error) = ended.result else { return };
        let why = error.words().to_owned();
        let fails = match error {
            StepError::Refused(_, fails) => Some(fails),
            _ => None,
        };
        self.played.failures.push(Failure { index, why, fails });
    }

    fn judge(&mut self) -> Result<(), StepError> {
        let state = self.player.state()?;
        let mut described = judge::describe(&state, self.player.vars.driver);
        if self.player.card_runs() {
            described += ", the card runs its firmware";
        }
        self.played.state = Some(described);
        self.played.stuck = !self.running.is_empty();
        for index in &self.running {
            let what =
                format!("{} does not end, though nothing is held", self.base.step_name(*index));
            self.played.problems.push(Problem::new(Class::Hang, what));
        }
        if !self.played.problems.is_empty() {
            // A tear-down would wait for the same.
            return Ok(());
        }
        let slot = self.player.session.slot(0);
        let problem = judge::state(&state, &self.base.ends, &slot, self.player.vars);
        self.played.problems.extend(problem);
        self.player.announce_tear_down();
        let left = self.player.tear_down()?;
        self.played.problems.extend(left.into_iter().map(Left::into));
        Ok(())
    }
}
