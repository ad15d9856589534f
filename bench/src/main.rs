//! iwlbench: boots the real iwlwifi against an emulated Intel wireless card, sees every step of
//! the hand-over from the host, and asserts the order.
//!
//! [`lab`] finds QEMU and a kernel and plays a scenario in a guest; [`session`] is that guest:
//! the card's thread, the agent, the console and the monitor all speak into it, and what they say
//! becomes one [`timeline`]. [`milestone`] derives the steps of the hand-over from it, [`expect`]
//! judges them, [`verdict`] says it in a line.

#![allow(unreachable_pub, reason = "a program: nothing of it is reached from outside")]

mod accel;
mod cli;
mod commands;
mod expect;
mod explore;
mod firmware;
mod gates;
mod lab;
mod memory;
mod milestone;
mod phases;
mod player;
mod qemu;
mod render;
mod report;
mod rundir;
mod scenario;
mod session;
mod signals;
mod snapshot;
mod timeline;
mod trouble;
mod ui;
mod verdict;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

/// The user's mistake: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUsage(pub String);

impl BadUsage {
    /// From whatever says what is wrong.
    pub fn from_error(error: impl std::fmt::Display) -> BadUsage {
        BadUsage(error.to_string())
    }
}

/// The user stopped it: exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Exit code for bad usage.
const EXIT_USAGE: u8 = 2;
/// Exit code for an environment that cannot run it.
const EXIT_ENVIRONMENT: u8 = 125;

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
    let result = signals::listen().map_err(anyhow::Error::from).and_then(|()| match cli.command {
        Command::Run(args) => commands::run::run(&args),
        Command::Matrix(args) => commands::matrix::matrix(&args),
        Command::Explore(args) => commands::explore::explore(&args),
        Command::Check(args) => commands::check::check(&args),
        Command::List(args) => commands::list::list(&args),
        Command::Device(args) => commands::device::device(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Ucode(command) => commands::ucode::ucode(&command),
        Command::Setup(args) => commands::setup::setup(&args),
        Command::Image(args) => commands::image::image(&args),
    });
    result.unwrap_or_else(|error| {
        eprintln!("iwlbench: {error:#}{}", remedy(&error));
        let usage = error.is::<BadUsage>()
            || error.is::<scenario::ScenarioError>()
            || matches!(error.downcast_ref(), Some(guest_kit::KitError::NoSuchModule { .. }));
        if usage {
            ExitCode::from(EXIT_USAGE)
        } else if error.is::<Interrupted>() {
            ExitCode::from(verdict::Outcome::Interrupted.exit_code())
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
