//! `iwlbench completions` and `iwlbench man`: what shells and `man` know, made of the command
//! line's own definition.

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::app::cli::{Cli, CompletionsArgs, ManArgs};
use crate::app::commands;

/// Prints a shell's completions.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    commands::print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `iwlbench.1`, `iwlbench-run.1`, …
pub fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.output;
    commands::directory(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
        .with_context(|| format!("cannot write the pages into {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
