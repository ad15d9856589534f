//! `iwlbench compare`.

use std::process::ExitCode;

use crate::app::cli::CompareArgs;
use crate::app::commands::{self, report::usage};
use crate::app::ui::Ui;
use crate::record::rundir;
use crate::report::compare::Comparison;
use crate::report::{Run, locate};

/// Puts two runs beside each other.
pub fn compare(args: &CompareArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let read = |name: &str| locate(name, &parent).and_then(|dir| Run::read(&dir)).map_err(usage);
    let [left, right] = [read(&args.left)?, read(&args.right)?];
    let comparison = Comparison::of(&left, &right);
    commands::print(&match args.json {
        true => format!("{}\n", serde_json::to_string_pretty(&comparison)?),
        false => comparison.text(ui.look),
    })?;
    Ok(ExitCode::SUCCESS)
}
