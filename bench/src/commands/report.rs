//! `iwlbench report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use fs_err as fs;

use crate::cli::{ReportArgs, ReportFormat};
use crate::report::{ReadError, Run, html, junit, ktap, locate, merge, perfetto, text};
use crate::{BadUsage, commands, rundir};

/// Reads runs and writes them in another form.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    if args.format == ReportFormat::Junit && args.run.iter().all(|name| Path::new(name).is_file()) {
        let files: Vec<PathBuf> = args.run.iter().map(PathBuf::from).collect();
        let merged = merge::merge(&files).map_err(BadUsage::from_error)?;
        return write(&merged.to_string()?, args.output.as_deref());
    }
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let runs = args
        .run
        .iter()
        .map(|name| locate(name, &parent).and_then(|directory| Run::read(&directory)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| match error {
            ReadError::Io(error) => error.into(),
            bad => anyhow::Error::from(BadUsage::from_error(bad)),
        })?;
    for run in runs.iter().filter(|run| run.cut) {
        eprintln!(
            "iwlbench: {}: the last line of events.jsonl is cut and was left out",
            run.directory.display()
        );
    }
    let document = match args.format {
        ReportFormat::Html => html::report(only(&runs, "html")?)?,
        ReportFormat::Perfetto => perfetto::report(only(&runs, "perfetto")?).to_string(),
        ReportFormat::Junit => junit::report(&runs)?,
        ReportFormat::Ktap => ktap::report(&runs),
        ReportFormat::Text => runs.iter().map(text::report).collect::<Vec<_>>().join("\n"),
    };
    write(&document, target(args, &runs).as_deref())
}

/// Writes to the file, and says where it is; `None` and `-` are standard output.
fn write(document: &str, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    match path.filter(|path| *path != Path::new("-")) {
        None => commands::print(document)?,
        Some(path) => {
            fs::write(path, document).context("give another place with -o FILE")?;
            commands::print(&format!("{}\n", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn only<'a>(runs: &'a [Run], format: &str) -> Result<&'a Run, BadUsage> {
    match runs {
        [run] => Ok(run),
        _ => Err(BadUsage(format!("--format {format} takes one run, not {}", runs.len()))),
    }
}

/// The file to write; `None` is standard output.
fn target(args: &ReportArgs, runs: &[Run]) -> Option<PathBuf> {
    match (&args.output, args.format) {
        (Some(path), _) => Some(path.clone()),
        (None, ReportFormat::Html) => Some(runs.first()?.directory.join("report.html")),
        (None, ReportFormat::Perfetto) => Some(runs.first()?.directory.join("trace.json")),
        (None, ReportFormat::Junit | ReportFormat::Ktap | ReportFormat::Text) => None,
    }
}
