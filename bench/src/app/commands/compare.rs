//! `iwlbench compare`.

use std::process::ExitCode;

use crate::app::cli::CompareArgs;
use crate::app::commands::{self, report::usage};
use crate::record::rundir;
use crate::report::{Run, compare, locate};

/// Puts two runs beside each other.
pub fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let read = |name: &str| locate(name, &parent).and_then(|dir| Run::read(&dir)).map_err(usage);
    let [left, right] = [read(&args.left)?, read(&args.right)?];
    commands::print(&compare::report(&left, &right))?;
    Ok(ExitCode::SUCCESS)
}
