//! What a person sees: progress on standard error, colours where there is a terminal.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::terminal::{self, Screen};
use crate::facts::milestone::Reached;
use crate::facts::verdict::Outcome;
use crate::lab::explore::{Class, Order, OrdersProgress};
use crate::lab::progress::{LabProgress, RunProgress};
use crate::lab::sweep::SweepProgress;
use crate::record::matrix::Cell;
use crate::record::sweep::Swept;
use crate::report::look::{self, Look};

/// The terminal.
#[derive(Clone)]
pub struct Ui {
    bars: Arc<MultiProgress>,
    terminal: bool,
    /// Nothing is told but what did not pass.
    pub quiet: bool,
    /// Of text on standard output.
    pub look: Look,
    /// Of text on standard error; where that is no terminal, a line stays one line.
    pub errors: Look,
}

/// No narrower than this is text laid out, and no wider: long lines are hard to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;

impl Ui {
    /// For this process. Nothing is drawn where standard error is no terminal, or one that can
    /// only print (`TERM=dumb`); steps that take long are then named in a line each.
    pub fn new(color: clap::ColorChoice, quiet: bool) -> Ui {
        let drawable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        // What anstream knows beside: NO_COLOR, CLICOLOR, and CI, for whose sake it forgets a dumb one.
        match color {
            clap::ColorChoice::Auto if drawable => {}
            clap::ColorChoice::Auto => anstream::ColorChoice::Never.write_global(),
            clap::ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
            clap::ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        }
        let stdout = std::io::stdout();
        let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        let width = columns(&stdout).unwrap_or(look::WIDTH);
        let errors = columns(&std::io::stderr()).unwrap_or(Look::FILE.width);
        let terminal = std::io::stderr().is_terminal() && drawable && !quiet;
        let target = match terminal {
            true => ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), 20),
            false => ProgressDrawTarget::hidden(),
        };
        Ui {
            bars: Arc::new(MultiProgress::with_draw_target(target)),
            terminal,
            quiet,
            look: Look { colour, width },
            errors: Look { colour: false, width: errors },
        }
    }

    /// Says an error or a warning.
    pub fn complain(&self, text: &str) {
        terminal::line(&self.errors.lines(&format!("iwlbench: {text}")));
    }

    /// A line where nothing is drawn.
    fn plain(&self, line: &str) {
        if !self.quiet {
            terminal::line(&self.errors.lines(&format!("iwlbench: {line}")));
        }
    }

    fn spinner(&self, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(
            // What does not fit is cut: a line that wraps would move all below it.
            ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}")
                .expect("a valid template"),
        );
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Progress of a run.
    pub fn run_progress(&self, what: &str) -> Rc<dyn RunProgress> {
        Rc::new(RunLine {
            bar: self.spinner(what),
            what: what.into(),
            lines: (!self.terminal && !self.quiet).then_some(self.errors),
        })
    }

    /// Progress of a matrix of this many plays.
    pub fn matrix_progress(&self, plays: usize) -> MatrixProgress {
        let bar = self.bars.add(ProgressBar::new(plays as u64));
        bar.set_style(
            ProgressStyle::with_template("{elapsed:>5} {wide_bar} {pos}/{len} {msg}")
                .expect("a valid template"),
        );
        bar.enable_steady_tick(Duration::from_millis(500));
        MatrixProgress { ui: self.clone(), bar, counts: [const { AtomicUsize::new(0) }; 2] }
    }

    /// Progress of an exploration, whose size shows only as it goes.
    pub fn orders_progress(&self) -> OrdersLine {
        let bar = self.bars.add(ProgressBar::new(1));
        bar.set_style(
            ProgressStyle::with_template(
                "{elapsed:>5} {wide_bar} {pos} of {len} orders found so far {msg}",
            )
            .expect("a valid template"),
        );
        bar.enable_steady_tick(Duration::from_millis(500));
        OrdersLine { ui: self.clone(), bar, bad: AtomicUsize::new(0) }
    }

    /// Progress of a sweep of this many parts.
    pub fn sweep_progress(&self, kernel: &str, parts: usize) -> SweepLine {
        let bar = self.bars.add(ProgressBar::new(parts as u64));
        bar.set_style(
            ProgressStyle::with_template("{elapsed:>5} {wide_bar} {pos}/{len} {msg}")
                .expect("a valid template"),
        );
        bar.enable_steady_tick(Duration::from_millis(500));
        SweepLine { ui: self.clone(), bar, kernel: kernel.to_owned() }
    }

    /// Progress of the kit.
    pub fn kit_progress(&self) -> KitProgress {
        KitProgress { ui: self.clone(), bar: std::sync::Mutex::new(None) }
    }
}

/// Columns for text in a terminal; of what is none, as many as COLUMNS says.
fn columns(of: &impl AsFd) -> Option<usize> {
    let terminal = terminal_size::terminal_size_of(of).map(|(width, _)| usize::from(width.0));
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = terminal.or_else(said)?;
    Some(columns.clamp(*WIDTHS.start(), *WIDTHS.end()))
}

impl LabProgress for Ui {
    fn note(&self, line: &str) {
        if self.terminal {
            // Fails only if standard error is gone.
            let _ = self.bars.println(self.errors.lines(&format!("iwlbench: {line}")));
        } else {
            self.plain(line);
        }
    }

    fn waits(&self, line: &str) {
        self.complain(line);
    }
}

/// A run's line.
struct RunLine {
    bar: ProgressBar,
    what: String,
    /// Print a line for what a person waits for, so laid out.
    lines: Option<Look>,
}

impl RunProgress for RunLine {
    fn phase(&self, phase: &str) {
        if let Some(look) = self.lines {
            terminal::line(&look.lines(&format!("iwlbench: {}: {phase}", self.what)));
        }
        self.bar.set_message(format!("{}: {phase}", self.what));
    }

    fn up(&self) {
        if let Some(look) = self.lines {
            terminal::line(&look.lines(&format!("iwlbench: {}: the guest is up", self.what)));
        }
    }

    fn leave_the_terminal(&self) {
        self.bar.finish_and_clear();
    }

    fn milestone(&self, reached: &Reached) {
        self.bar.set_message(format!("{}: {}", self.what, reached.milestone));
    }
}

impl Drop for RunLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A matrix: its totals, and below them a line for each job.
pub struct MatrixProgress {
    ui: Ui,
    bar: ProgressBar,
    /// Not passed, flaky.
    counts: [AtomicUsize; 2],
}

impl MatrixProgress {
    /// One job's line.
    pub fn job(&self, what: &str) -> Rc<dyn RunProgress> {
        Rc::new(RunLine { bar: self.ui.spinner(what), what: what.into(), lines: None })
    }

    /// One place of the matrix is done.
    pub fn done(&self, cell: &Cell) {
        let last = cell.last();
        let what = format!("{} {} {}", cell.scenario, cell.card, cell.kernel);
        let passed = last.outcome == Outcome::Passed;
        let word = if cell.flaky { "flaky" } else { last.outcome.word() };
        if !passed || cell.flaky {
            self.counts[usize::from(passed)].fetch_add(1, Ordering::Relaxed);
        }
        self.bar.inc(1);
        let counts = self.counts.iter().zip(["not passed", "flaky"]);
        let counts = counts.map(|(count, word)| (count.load(Ordering::Relaxed), word));
        let told =
            counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        self.bar.set_message(told.collect::<Vec<_>>().join(", "));
        if !passed || cell.flaky || !self.ui.terminal {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            self.ui.note(&format!("{done}/{all} {what}: {word} in {:.1} s", last.seconds));
        }
    }
}

impl Drop for MatrixProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// An exploration: its orders so far, and below them a line for each job.
pub struct OrdersLine {
    ui: Ui,
    bar: ProgressBar,
    bad: AtomicUsize,
}

impl OrdersProgress for OrdersLine {
    fn job(&self, what: &str) -> Rc<dyn RunProgress> {
        Rc::new(RunLine { bar: self.ui.spinner(what), what: what.into(), lines: None })
    }

    fn order(&self, order: &Order, known: usize) {
        self.bar.set_length(known as u64);
        self.bar.inc(1);
        let points: Vec<_> = order.points.iter().map(ToString::to_string).collect();
        let word = order.class.map_or(order.outcome.word(), Class::word);
        if order.class != Some(Class::Fine) {
            let bad = self.bad.fetch_add(1, Ordering::Relaxed) + 1;
            self.bar.set_message(format!("{bad} not fine"));
            self.ui.note(&format!("{word}: {}", points.join(" · ")));
        } else if !self.ui.terminal {
            let done = self.bar.position();
            let points = points.join(" · ");
            self.ui.plain(&format!("{done} of {known} orders found so far: {word}: {points}"));
        }
    }

    fn replays(&self, orders: usize) {
        self.bar.set_length(orders as u64);
        self.bar.set_position(0);
        self.bar.set_message("played again");
    }

    fn replayed(&self, order: &Order) {
        self.bar.inc(1);
        if order.replays == Some(false) {
            self.ui.note(&format!("order {} does not come to the same end again", order.number));
        }
    }
}

impl Drop for OrdersLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A sweep.
pub struct SweepLine {
    ui: Ui,
    bar: ProgressBar,
    kernel: String,
}

/// Where nothing is drawn, a line for so many parts.
const PARTS_A_LINE: u64 = 100;

impl SweepProgress for SweepLine {
    fn guest(&self, what: &str) -> Rc<dyn RunProgress> {
        Rc::new(RunLine { bar: self.ui.spinner(what), what: what.into(), lines: None })
    }

    fn done(&self, part: &Swept) {
        self.bar.inc(1);
        self.bar.set_message(format!("{:04x}:{:04x}", part.device, part.subsystem));
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
        if !self.ui.terminal && (done.is_multiple_of(PARTS_A_LINE) || done == all) {
            self.ui.plain(&format!("{done}/{all} parts of kernel {}", self.kernel));
        }
    }
}

impl Drop for SweepLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The kit's line.
pub struct KitProgress {
    ui: Ui,
    bar: std::sync::Mutex<Option<ProgressBar>>,
}

impl KitProgress {
    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl guest_kit::Progress for KitProgress {
    fn step(&self, what: &str) {
        self.finish();
        if self.ui.terminal {
            *self.bar() = Some(self.ui.spinner(what));
        } else {
            self.ui.plain(what);
        }
    }

    fn bytes(&self, done: u64, total: u64) {
        if let Some(bar) = &*self.bar() {
            bar.set_style(
                ProgressStyle::with_template(
                    "{spinner} {elapsed:>3} {msg} {wide_bar} {bytes}/{total_bytes}",
                )
                .expect("a valid template"),
            );
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn note(&self, line: &str) {
        self.ui.note(line);
    }

    fn finish(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }
}
