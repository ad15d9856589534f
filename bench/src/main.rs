//! iwlbench: boots the real iwlwifi against an emulated Intel wireless card, sees every step of
//! the hand-over from the host, and asserts the order.
//!
//! The layers, from the ground; none knows of one above it:
//!
//! - [`facts`]: one timeline of typed events, the milestones derived from it, the verdict;
//! - [`script`]: scenarios, and the judge of their expectations;
//! - [`record`]: what is kept of a run;
//! - [`report`]: pages, traces and lists made of what was kept;
//! - [`machine`]: one guest; its card, agent, console and monitor all speak into its session;
//! - [`lab`]: finds QEMU and a kernel, and plays a scenario, or all its orders, in guests;
//! - [`app`]: the command line and what a terminal shows.

#![allow(unreachable_pub, reason = "a program: nothing of it is reached from outside")]

mod app;
mod facts;
mod lab;
mod machine;
mod record;
mod report;
mod script;

use std::io::ErrorKind;
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
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    let result =
        machine::signals::listen().map_err(anyhow::Error::from).and_then(|()| match cli.command {
            Command::Run(args) => app::commands::run::run(&args),
            Command::Matrix(args) => app::commands::matrix::matrix(&args),
            Command::Explore(args) => app::commands::explore::explore(&args),
            Command::Check(args) => app::commands::check::check(&args),
            Command::List(args) => app::commands::list::list(&args),
            Command::Device(args) => app::commands::device::device(&args),
            Command::Soak(args) => app::commands::soak::run(&args),
            Command::Report(args) => app::commands::report::report(&args),
            Command::Ucode(command) => app::commands::ucode::ucode(&command),
            Command::Setup(args) => app::commands::setup::setup(&args),
            Command::Image(args) => app::commands::image::image(&args),
            Command::Completions(args) => app::commands::manual::completions(&args),
            Command::Man(args) => app::commands::manual::man(&args),
        });
    result.unwrap_or_else(|error| {
        eprintln!("iwlbench: {error:#}{}", remedy(&error));
        let usage = error.is::<BadUsage>()
            || error.is::<script::read::ScenarioError>()
            || matches!(error.downcast_ref(), Some(guest_kit::KitError::NoSuchModule { .. }));
        if usage {
            ExitCode::from(EXIT_USAGE)
        } else if error.is::<Interrupted>() {
            ExitCode::from(facts::verdict::Outcome::Interrupted.exit_code())
        } else {
            ExitCode::from(EXIT_ENVIRONMENT)
        }
    })
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
