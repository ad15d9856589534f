//! iwlbench: boots the real iwlwifi against an emulated Intel wireless card, sees every step of
//! the hand-over from the host, and asserts the order.
//!
//! # Map
//!
//! The layers, from the ground. No file depends on one that depends on it, and none on a layer
//! above its own; `tests/layers.rs` holds that.
//!
//! - [`facts`]: one timeline of typed events, the milestones derived from it, the verdict; the
//!   description of the driver under test;
//! - [`script`]: scenarios, and the judge of their expectations;
//! - [`record`]: what is kept of a run, and under which file names;
//! - [`report`]: pages, traces and lists made of what was kept, and the words for each event;
//! - [`machine`]: one guest; its card, agent, console and monitor all speak into its session;
//! - [`lab`]: finds QEMU and a kernel, and plays a scenario, or all its orders, in guests;
//! - [`app`]: the command line and what a terminal shows.
//!
//! To know the whole, read five files in this order: `scenarios/hand-over/opmode-load.toml`, what
//! is asked; `lab/run.rs`, a run from its beginning to its record; `machine/session/mod.rs`, where
//! everything comes in; `facts/derive.rs`, how that becomes milestones; `script/expect.rs`, how
//! those are judged.
//!
//! # Recipes
//!
//! **A milestone.** A variant in `facts/milestone.rs` with its fields, which are all that scenarios
//! can name; its words in the `Display` below, an arm of `is_bad` if it is bad news, and of
//! `is_of_the_guest` if the guest does not do it. The event that it is derived from in
//! `facts/derive.rs`; if that is a card's own, its name in `IS_OF_A_CARD` there (a test compares). What
//! can bring it, if not every run: `script/possible.rs`; which numbers a firmware file brings:
//! `script/supplied.rs`. Its row in `OF_A_HAND_OVER` of `facts/missing.rs`, if a good hand-over has it. A row of the table in `scenarios/README.md`: a
//! test compares. Where its mark goes in a picture: `lane_of` in `report/html/picture.rs`.
//!
//! **A step.** A variant of `Action` in `script/scenario/step.rs`, whose word is the variant's own;
//! there, `may_unbind` (the compiler asks), and where they fit `can_start`, `is_a_point` and
//! `OF_A_CARD`. What it does: `guest_command` in `lab/player/mod.rs` (the compiler asks) if the agent
//! does it (a new command is one of `guest-protocol`'s), else an arm of `act`. If the card itself does
//! it: a variant of `card_host::Touch` with its words in `device/host/src/record.rs` and the card's
//! `tests/replay.rs`, and the milestone by which it is felt in `is_touch`, at the end of
//! `lab/player/mod.rs`. What it breaks on purpose is no cause of a failure: `own` in `lab/judge.rs`. Its
//! word in `scenarios/README.md` (a test
//! in `script/read.rs` compares), and a scenario that has it.
//!
//! **A report.** A file in [`report`] that takes a [`report::Run`] and returns text; a variant of
//! `ReportFormat` in `app/cli.rs`, an arm in `app/commands/report.rs`, and a story in
//! `report/tests.rs`.
//!
//! **An event of the bench's own.** A variant of `BenchEvent` in `facts/timeline.rs`, its words in
//! `report/words.rs`, its row in `EVENTS.md` and one of it in `report/kinds.rs`: a test compares.
//!
//! **A driver.** One more [`facts::driver::Driver`] in `facts/driver.rs`. A change of the kernel's own:
//! its patch in `guest-images/driver-variants`, a row of `IN_C` (or `IN_RUST`) there with what it does,
//! which [`facts::driver::all_choices`] gives on, a sentence in the READMEs.
//!
//! # Words
//!
//! - *gate*: where a request of the kernel's loaders, for a firmware file or a module, waits for
//!   the bench's answer;
//! - *twin*: a scenario with one thing changed, which must turn certain expectations red;
//! - *point*: in an exploration, what the host can do next: a step, or letting go a held request;
//! - *order*: the points of one play, in the order in which they were taken;
//! - *port* and *slot*: QEMU's root port that a card goes into, and the PCI address at which the
//!   guest sees it there;
//! - *opmode*: the module that the driver hands a card over to once it has read its firmware.

#![allow(unreachable_pub, reason = "a program: nothing of it is reached from outside")]

mod app;
mod facts;
mod lab;
mod machine;
mod record;
mod report;
mod script;

use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;

use clap::Parser;

use crate::app::cli::{Cli, Command};
use crate::facts::failure::{BadUsage, EXIT_ENVIRONMENT, EXIT_USAGE, Interrupted};

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_env_var("IWLBENCH_LOG")
                .with_default_directive(tracing::level_filters::LevelFilter::ERROR.into())
                .from_env_lossy(),
        )
        .with_writer(|| app::terminal::Log)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    app::terminal::start();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    // A signal is how that one ends.
    let served = matches!(cli.command, Command::Device(_));
    let ui = app::ui::Ui::new(cli.color, cli.quiet);
    let result =
        machine::signals::listen().map_err(anyhow::Error::from).and_then(|()| match cli.command {
            Command::Run(args) => app::commands::run::run(&args, &ui),
            Command::Matrix(args) => app::commands::matrix::matrix(&args, &ui),
            Command::Explore(args) => app::commands::explore::explore(&args, &ui),
            Command::New(args) => app::commands::new::new(&args),
            Command::Check(args) => app::commands::check::check(&args, &ui),
            Command::List(args) => app::commands::list::list(&args, &ui),
            Command::Device(args) => app::commands::device::device(&args),
            Command::Sweep(args) => app::commands::sweep::sweep(&args, &ui),
            Command::Soak(args) => app::commands::soak::run(&args),
            Command::Compare(args) => app::commands::compare::compare(&args, &ui),
            Command::Report(args) => app::commands::report::report(&args, &ui),
            Command::Ucode(command) => app::commands::ucode::ucode(&command, &ui),
            Command::Module(command) => app::commands::module::module(&command, &ui),
            Command::Shell(args) => app::commands::shell::shell(&args, &ui),
            Command::Setup(args) => app::commands::setup::setup(&args, &ui),
            Command::Image(args) => app::commands::image::image(&args, &ui),
            Command::Completions(args) => app::commands::manual::completions(&args),
            Command::Man(args) => app::commands::manual::man(&args),
        });
    let written = app::terminal::flush().map_err(anyhow::Error::from);
    let code = result.and_then(|code| written.map(|()| code)).unwrap_or_else(|error| {
        ui.complain(&format!("{}{}", told(&error), remedy(&error)));
        // What could not be written is told already.
        let _ = app::terminal::flush();
        let usage = error.is::<BadUsage>()
            || error.is::<script::read::ScenarioError>()
            || error.downcast_ref().is_some_and(guest_kit::KitError::is_users);
        if usage {
            ExitCode::from(EXIT_USAGE)
        } else if error.is::<Interrupted>() {
            ExitCode::from(facts::verdict::Outcome::Interrupted.exit_code())
        } else {
            ExitCode::from(EXIT_ENVIRONMENT)
        }
    });
    match machine::signals::stopped_by().filter(|_| !served) {
        Some(signal) => ExitCode::from(machine::signals::exit_code(signal)),
        None => code,
    }
}

/// What is wrong with a command line, in lines as wide as the terminal's; or its help, which is that
/// already.
fn refused(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as Help;
    if !error.use_stderr() || error.kind() == Help {
        error.exit();
    }
    let ui = app::ui::Ui::new(clap::ColorChoice::Auto, false);
    let coloured = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let text = match coloured {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    app::terminal::line(&ui.errors.lines(text.trim_end()));
    // Nobody is left to be told.
    let _ = app::terminal::flush();
    ExitCode::from(EXIT_USAGE)
}

/// The error and what it came of. Many have the reason in their own sentence: it is told once.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for part in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = part;
        } else if !told.contains(&part) {
            told = format!("{told}: {part}");
        }
    }
    told
}

/// What to do about it, where that is the same whatever could not be written.
fn remedy(error: &anyhow::Error) -> &'static str {
    let full = |cause: &(dyn std::error::Error + 'static)| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    };
    match error.chain().any(full) {
        true => "; make room there, or use another place: --out, $IWLBENCH_CACHE, $TMPDIR",
        false => "",
    }
}
