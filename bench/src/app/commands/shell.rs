//! `iwlbench shell`.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use crate::app::cli::ShellArgs;
use crate::app::commands::{self, More};
use crate::app::{terminal, ui::Ui};
use crate::facts::failure::{BadUsage, EXIT_ENVIRONMENT};
use crate::facts::verdict::Outcome;
use crate::lab::shell::{self, Ended};
use crate::lab::{Look, RunSpec};
use crate::record::cite::Supply;
use crate::record::rundir;
use crate::script::read;

/// A guest that nothing is done with; the gates let everything through.
const SCENARIO: &str =
    "about = \"a shell in the guest\"\ncards = [\"7260\"]\n[[step]]\ndo = \"coldplug\"\n";

/// Leads the terminal into a guest with the card in it.
pub fn shell(args: &ShellArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let scenario = match &args.scenario {
        Some(name) => read::find(name)?,
        None => read::parse("shell", "shell.toml", SCENARIO)?,
    };
    let card = commands::card(&args.card)?;
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let mut guest = args.guest.clone();
    if let Some(share) = &args.share {
        let directory = std::path::absolute(share)?;
        if !directory.is_dir() {
            return Err(BadUsage(format!("--share {}: no directory", share.display())).into());
        }
        guest.own.with.extend(shell::SHARE_MODULES.map(str::to_owned));
        guest.tell.qemu_arg.extend(shell::share_arguments(&directory));
    }
    let lab = commands::lab_with(&guest, ui, More { shell: true, ..More::default() })?;
    let status = Mutex::new(None);
    let record = lab.run(
        &RunSpec {
            firmware: args.firmware.as_deref().map_or(Ok(Supply::Stub), commands::firmware)?,
            cold: args.cold,
            play: Some(&|_, _| Ok(())),
            look: Some(Look {
                always: true,
                into: &|session, _| {
                    let ended = shell::attach(session, &args.command, args.share.is_some());
                    *status.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
                    Ok(())
                },
            }),
            ..RunSpec::new(&scenario, card, &parent)
        },
        &ui.run_progress("shell"),
    )?;
    terminal::flush()?;
    let status = status.into_inner().unwrap_or_else(PoisonError::into_inner);
    let line = match status {
        Some(Ok(Ended { status, said })) => {
            if !said.is_empty() {
                ui.complain(&said);
            }
            return Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)));
        }
        Some(Err(verdict)) if verdict.outcome == Outcome::Interrupted => {
            return Err(crate::facts::failure::Interrupted.into());
        }
        Some(Err(verdict)) => verdict.line,
        None => record.verdict.line,
    };
    ui.complain(&format!("{line}; run: {}", record.directory.display()));
    Ok(ExitCode::from(EXIT_ENVIRONMENT))
}
