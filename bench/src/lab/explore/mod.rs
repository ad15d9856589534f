//! Plays every order of a scenario's points, each in a guest of its own: stateless model checking
//! of the driver, over the choices that are the host's.
//!
//! The points are the scenario's steps, in their order, and the requests that the gates hold, each
//! from the moment when the guest asks. Between two points the guest comes to rest. [`order`] says
//! which order to play next, [`play`] plays it, [`judge`] says what is wrong with its end, and
//! [`replay`] writes it as a scenario.
//!
//! Left out: orders that turn out alike are told, but played all the same; requests for one name are let go in the order
//! in which they came; what the kernel does by a timer is not a point.

mod base;
mod judge;
mod order;
mod play;
mod replay;
pub mod text;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fs_err as fs;
use iwl_card::CardSpec;
use serde::Serialize;

use base::Base;
pub use judge::{Class, Problem};
use order::{Choice, Point, Search};
use play::Played;
use replay::Replay;

use crate::facts::milestone::Milestone;
use crate::facts::verdict::Outcome;
use crate::lab::progress::RunProgress;
use crate::lab::{Lab, RunSpec};
use crate::machine::signals;
use crate::record::cite::{self, Program};
use crate::record::files;
use crate::record::matrix::KnownFailure;
use crate::record::rundir::{self, RunDir};
use crate::script::known::{Known, Place};
use crate::script::read;
use crate::script::scenario::{PlannedFault, Scenario};

/// What is explored.
pub struct Spec<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The card.
    pub card: &'static CardSpec,
    /// Its faults, beside the scenario's.
    pub faults: &'a [PlannedFault],
    /// What is held, beside what the scenario holds.
    pub hold: &'a [String],
    /// Orders at most.
    pub bound: usize,
    /// Guests at once.
    pub jobs: usize,
    /// Failures that are known.
    pub known: &'a Known,
    /// Where the exploration's directory goes.
    pub parent: &'a Path,
}

/// An order, played.
#[derive(Debug, Serialize)]
pub struct Order {
    /// From 1. Orders that share their beginning are neighbours.
    pub number: usize,
    /// What came after what.
    pub points: Vec<Point>,
    /// The steps that failed, which in some orders they have to.
    pub failed_steps: Vec<String>,
    /// The first order before it in which the guest went through the same milestones, steps aside, in
    /// the same order, to the same end: the two may differ in nothing that the guest can see.
    pub alike: Option<usize>,
    /// How bad its end is; none if it could not be played.
    pub class: Option<Class>,
    /// What the guest looked like when all was played.
    pub end: Option<String>,
    /// What is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// How its run ended.
    pub outcome: Outcome,
    /// The same in a line.
    pub line: String,
    /// From the snapshot's start to the verdict.
    pub seconds: f64,
    /// Its run.
    pub directory: PathBuf,
    /// Of a bad one: the scenario that plays it again.
    pub file: Option<PathBuf>,
    /// Whether that came to the same end.
    pub replays: Option<bool>,
    /// It fails as it is known to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFailure>,
    #[serde(skip)]
    played: Played,
    #[serde(skip)]
    course: Vec<Milestone>,
}

impl Order {
    /// The outcome that counts for the whole: a failure that is known is none.
    pub fn counts_as(&self) -> Outcome {
        if self.known.is_some() { Outcome::Passed } else { self.outcome }
    }

    /// What is wrong with it, in a line.
    fn told(&self) -> String {
        let problems: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { self.line.clone() } else { problems.join("; ") }
    }

    fn is_like(&self, other: &Order) -> bool {
        let key = |order: &Order| (order.class, order.end.clone(), order.failed_steps.clone());
        self.class.is_some() && self.course == other.course && key(self) == key(other)
    }
}

/// What an exploration tells of itself while it goes.
pub trait OrdersProgress: Sync {
    /// For one job.
    fn job(&self, what: &str) -> Rc<dyn RunProgress>;

    /// An order was played; so many are known by now.
    fn order(&self, order: &Order, known: usize);

    /// So many orders are played again from their files.
    fn replays(&self, orders: usize);

    /// An order was played again.
    fn replayed(&self, order: &Order);
}

/// All orders that were played.
#[derive(Debug, Serialize)]
pub struct Exploration {
    /// Of this document.
    pub format: u32,
    /// When it began, UTC.
    pub date: String,
    /// What played it.
    pub iwlbench: Program,
    /// The user's command.
    pub command: String,
    /// Scenario.
    pub scenario: String,
    /// Card.
    pub card: String,
    /// Kernel release.
    pub kernel: String,
    /// The driver under test, as `--driver` calls it.
    pub driver: &'static str,
    /// The steps that are points.
    pub steps: Vec<String>,
    /// Orders at most.
    pub bound: usize,
    /// Orders that are known not to have been played; each may stand for several.
    pub left: usize,
    /// The orders.
    pub orders: Vec<Order>,
    /// What is known to fail here, and did so in no order, though all were played.
    pub gone: Vec<KnownFailure>,
    /// How long it took.
    pub seconds: f64,
    /// Where all about it is.
    pub directory: PathBuf,
}

/// What the jobs share.
struct Shared {
    search: Search,
    playing: usize,
    orders: Vec<Order>,
    error: Option<anyhow::Error>,
}

/// Explores.
///
/// # Errors
/// The scenario cannot be explored, or the environment could not run it.
pub fn explore(
    lab: &Lab<'_>,
    spec: &Spec<'_>,
    progress: &dyn OrdersProgress,
) -> anyhow::Result<Exploration> {
    let (date, started) = (cite::now(), Instant::now());
    let vars = lab.vars(spec.card)?;
    let base = Base::of(spec.scenario, &vars, spec.hold, spec.faults)?;
    let name = format!("{}-explore-{}-{}", rundir::stamp(), spec.scenario.name, spec.card.name);
    let dir = RunDir::create_in(spec.parent, &name)?;
    let explorer = Explorer { lab, spec, base: &base, dir: dir.path(), progress };
    let (mut orders, left) = explorer.play_all()?;
    orders.sort_by_cached_key(|order| path(&order.played.choices));
    for (index, order) in orders.iter_mut().enumerate() {
        order.number = index + 1;
    }
    for index in 0..orders.len() {
        let (before, order) = orders.split_at_mut(index);
        order[0].alike = before.iter().find(|b| b.is_like(&order[0])).map(|b| b.number);
    }
    explorer.replay_all(&mut orders)?;
    let gone = explorer.mark_known(&mut orders, left == 0 && !signals::stopping());
    let exploration = Exploration {
        format: 1,
        date,
        iwlbench: Program::THIS,
        command: cite::user_command(),
        scenario: spec.scenario.name.clone(),
        card: spec.card.name.to_owned(),
        kernel: lab.kernel().to_owned(),
        driver: lab.driver().name,
        steps: (0..base.steps.len()).map(|index| base.step_name(index)).collect(),
        bound: spec.bound,
        left,
        orders,
        gone,
        seconds: started.elapsed().as_secs_f64(),
        directory: dir.path().to_owned(),
    };
    dir.write(files::EXPLORATION, &serde_json::to_string_pretty(&exploration)?)?;
    Ok(exploration)
}

/// An order among all orders.
fn path(choices: &[Choice]) -> Vec<usize> {
    choices.iter().map(|choice| choice.taken).collect()
}

struct Explorer<'a> {
    lab: &'a Lab<'a>,
    spec: &'a Spec<'a>,
    base: &'a Base,
    dir: &'a Path,
    progress: &'a dyn OrdersProgress,
}

impl Explorer<'_> {
    /// Plays orders until none is left, the bound is reached or the user stops it; says how many
    /// are known to be left.
    fn play_all(&self) -> anyhow::Result<(Vec<Order>, usize)> {
        let shared = Mutex::new(Shared {
            search: Search::new(self.spec.bound),
            playing: 0,
            orders: Vec::new(),
            error: None,
        });
        let ended = Condvar::new();
        std::thread::scope(|scope| {
            for _ in 0..self.spec.jobs.min(self.spec.bound) {
                scope.spawn(|| self.job(&shared, &ended));
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        match shared.error {
            Some(error) => Err(error),
            None => Ok((shared.orders, shared.search.left())),
        }
    }

    fn job(&self, shared: &Mutex<Shared>, ended: &Condvar) {
        while let Some(prefix) = next(shared, ended) {
            let played = self.play_one(&prefix);
            let mut shared = lock(shared);
            shared.playing -= 1;
            match played {
                Ok(order) if order.outcome == Outcome::Interrupted => {}
                Ok(order) => {
                    shared.search.played(prefix.len(), &order.played.choices);
                    let known = shared.search.begun() + shared.search.left();
                    self.progress.order(&order, known.min(self.spec.bound));
                    shared.orders.push(order);
                }
                Err(error) => drop(shared.error.get_or_insert(error)),
            }
            ended.notify_all();
        }
    }

    /// Plays an order; once more if it was not the guest that kept it from being played.
    fn play_one(&self, prefix: &[Point]) -> anyhow::Result<Order> {
        let order = self.try_one(prefix)?;
        if order.class.is_some() || order.outcome == Outcome::Interrupted || signals::stopping() {
            return Ok(order);
        }
        self.try_one(prefix)
    }

    fn try_one(&self, prefix: &[Point]) -> anyhow::Result<Order> {
        let played = Mutex::new(Played::default());
        let record = self.lab.run(
            &RunSpec {
                play: Some(&|session, vars| {
                    let mut played = lock(&played);
                    play::play(session, self.base, vars, prefix, &mut played)
                }),
                ..self.run_spec(&self.base.scenario)
            },
            &self.progress.job(&format!("{} {}", self.spec.scenario.name, self.spec.card.name)),
        )?;
        let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
        played.problems.extend(judge::verdict(&record.verdict, &record.events));
        played.problems.sort_by_key(|problem| std::cmp::Reverse(problem.class));
        let class = match (played.problems.first(), record.verdict.outcome) {
            (Some(worst), _) => Some(worst.class),
            (None, Outcome::Passed) => Some(Class::Fine),
            (None, _) => None,
        };
        let step = |index| self.base.step_name(index);
        let course = record.milestones.into_iter().map(|reached| reached.milestone);
        let course = course.filter(|m| !is_aside(m)).collect();
        Ok(Order {
            number: 0,
            points: played.choices.iter().map(|choice| choice.point().clone()).collect(),
            failed_steps: (played.failures.iter())
                .map(|failure| format!("{}: {}", step(failure.index), failure.why))
                .collect(),
            alike: None,
            class,
            end: played.state.clone(),
            problems: played.problems.clone(),
            outcome: record.verdict.outcome,
            // Its run has no expectations to speak of.
            line: match class {
                Some(Class::Fine) => "nothing is wrong with it".to_owned(),
                _ => record.verdict.line,
            },
            seconds: record.seconds,
            directory: record.directory,
            file: None,
            replays: None,
            known: None,
            played,
            course,
        })
    }

    fn run_spec<'s>(&'s self, scenario: &'s Scenario) -> RunSpec<'s> {
        // The faults are in the base already, so that a replay has them too.
        RunSpec::new(scenario, self.spec.card, self.dir)
    }

    /// Writes each bad order as a scenario, and plays that: what does not come again was chance.
    fn replay_all(&self, orders: &mut [Order]) -> anyhow::Result<()> {
        let bad: Vec<_> =
            orders.iter_mut().filter(|o| o.class.is_some_and(|c| c != Class::Fine)).collect();
        let mut files = Vec::new();
        for order in bad {
            let file =
                self.dir.join(format!("{}-order-{}.toml", self.spec.scenario.name, order.number));
            let replay = Replay {
                base: self.base,
                name: &self.spec.scenario.name,
                points: &order.points,
                failures: &order.played.failures,
                stuck: order.played.stuck,
                problems: &order.problems,
            };
            fs::write(&file, replay.text())?;
            order.file = Some(file);
            files.push(order);
        }
        self.progress.replays(files.len());
        let (next, files) =
            (AtomicUsize::new(0), files.into_iter().map(Mutex::new).collect::<Vec<_>>());
        let error = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.spec.jobs.min(files.len()) {
                scope.spawn(|| {
                    while let Some(order) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut order = lock(order);
                        if signals::stopping() {
                            return;
                        }
                        match self.replays(&order) {
                            Ok(replays) => {
                                order.replays = replays;
                                self.progress.replayed(&order);
                            }
                            Err(why) => drop(lock(&error).get_or_insert(why)),
                        }
                    }
                });
            }
        });
        error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Marks the orders that fail as they are known to; returns what is known and did not come, though
    /// the `whole` was played.
    fn mark_known(&self, orders: &mut [Order], whole: bool) -> Vec<KnownFailure> {
        let place = Place {
            scenario: &self.spec.scenario.name,
            card: self.spec.card.name,
            kernel: self.lab.kernel_version(),
            driver: self.lab.driver().name,
        };
        let mut gone = Vec::new();
        for known in self.spec.known.at(place) {
            let (mut comes, mut unplayed) = (false, !whole);
            for order in &mut *orders {
                unplayed |= order.class.is_none();
                if known.1.is(order.outcome, &order.told()) {
                    comes = true;
                    order.known.get_or_insert_with(|| KnownFailure::of(known, false));
                }
            }
            if !comes && !unplayed {
                gone.push(KnownFailure::of(known, true));
            }
        }
        gone
    }

    /// Whether the file of an order comes to the order's end; none if it was not played.
    fn replays(&self, order: &Order) -> anyhow::Result<Option<bool>> {
        let Some(file) = &order.file else { return Ok(None) };
        let scenario = read::find(&file.to_string_lossy())?;
        let job = format!("{} {}", scenario.name, self.spec.card.name);
        let record = self.lab.run(&self.run_spec(&scenario), &self.progress.job(&job))?;
        if record.verdict.outcome == Outcome::Interrupted {
            return Ok(None);
        }
        let alike = record.verdict.outcome == order.outcome;
        // What fails tells the classes apart that have this outcome in common.
        let same_step = order.problems.iter().any(|problem| {
            let step = match problem.class {
                Class::UnexpectedState => "step check:",
                _ => "step tear-down:",
            };
            record.verdict.what().starts_with(step)
        });
        Ok(Some(alike && (record.verdict.outcome != Outcome::Failed || same_step)))
    }
}

/// The next prefix to follow; waits for it if it may yet come.
fn next(shared: &Mutex<Shared>, ended: &Condvar) -> Option<Vec<Point>> {
    let mut guard = lock(shared);
    loop {
        if guard.error.is_some() || signals::stopping() {
            return None;
        }
        if let Some(prefix) = guard.search.next() {
            guard.playing += 1;
            return Some(prefix);
        }
        if guard.playing == 0 {
            return None;
        }
        guard = ended.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells nothing of the way that the hand-over took.
fn is_aside(milestone: &Milestone) -> bool {
    matches!(
        milestone,
        Milestone::StepEnded { .. }
            | Milestone::ModuleLoaded { .. }
            | Milestone::ModuleUnloaded { .. }
    )
}
