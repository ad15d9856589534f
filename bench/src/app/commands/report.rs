//! `iwlbench report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app::cli::{ReportArgs, ReportFormat};
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::record::files;
use crate::record::rundir;
use crate::report::baseline::Changes;
use crate::report::exploration::{Exploration, Order};
use crate::report::matrix::Matrix;
use crate::report::{ReadError, Run, html, junit, ktap, locate, merge, perfetto, text};

/// What stands for standard output.
const STDOUT: &str = "-";

/// Reads runs and writes them in another form.
pub fn report(args: &ReportArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if args.format == ReportFormat::Junit && args.run.iter().all(|name| Path::new(name).is_file()) {
        let files: Vec<PathBuf> = args.run.iter().map(PathBuf::from).collect();
        let merged = merge::merge(&files).map_err(BadUsage::from_error)?;
        return write(&merged.to_string()?, args.output.as_deref());
    }
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let directories: Vec<_> = args
        .run
        .iter()
        .map(|name| locate(name, &parent))
        .collect::<Result<_, _>>()
        .map_err(usage)?;
    if let ([directory], ReportFormat::Html) = (&directories[..], args.format)
        && Matrix::is_at(directory)
    {
        let matrix = Matrix::read(directory).map_err(usage)?;
        let before = args.baseline.as_deref().map(|path| baseline(path, &parent));
        let before = before.transpose()?;
        let changes = before.map(|before| Changes::between(&before, &matrix));
        let (path, base) = place(&matrix.directory, args.output.as_deref());
        return write(&matrix_page(&matrix, &base, changes.as_ref())?.0, Some(&path));
    }
    if args.baseline.is_some() {
        return Err(BadUsage("--baseline is for the page of one matrix".to_owned()).into());
    }
    if let ([directory], ReportFormat::Html) = (&directories[..], args.format)
        && Exploration::is_at(directory)
    {
        let exploration = Exploration::read(directory).map_err(usage)?;
        let (path, base) = place(&exploration.place, args.output.as_deref());
        return write(&orders_page(&exploration, &base)?, Some(&path));
    }
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for directory in directories {
        if Matrix::is_at(&directory) {
            let matrix = Matrix::read(&directory).map_err(usage)?;
            runs.extend(matrix.runs(|_, _| Ok(())).map_err(usage)?);
            left_out.extend(matrix.left_out);
        } else {
            runs.push(Run::read(&directory).map_err(usage)?);
        }
    }
    for run in runs.iter().filter(|run| run.cut) {
        let directory = run.directory.display();
        ui.complain(&format!("{directory}: the last line of events.jsonl is cut and was left out"));
    }
    let document = match args.format {
        ReportFormat::Html => html::run(only(&runs, "html")?)?,
        ReportFormat::Perfetto => perfetto::report(only(&runs, "perfetto")?).to_string(),
        ReportFormat::Junit => junit::report(&runs, &left_out)?,
        ReportFormat::Ktap => ktap::report(&runs, &left_out),
        ReportFormat::Text => runs.iter().map(text::report).collect::<Vec<_>>().join("\n"),
    };
    let path = target(args, &runs);
    let is_shown = path.as_deref().is_none_or(|path| path == Path::new(STDOUT));
    match args.format {
        // A file's lines stay whole, so that they can be searched.
        ReportFormat::Text if is_shown => write(&ui.look.lines(&document), path.as_deref()),
        _ => write(&document, path.as_deref()),
    }
}

/// Where a directory's page goes, and where that finds the runs: elsewhere, it has to say so.
fn place(directory: &Path, output: Option<&Path>) -> (PathBuf, String) {
    let own = directory.join(files::PAGE);
    match output {
        Some(path) if path != own => (path.to_owned(), format!("{}/", directory.display())),
        _ => (own, String::new()),
    }
}

/// The matrix to compare with, by its directory, its name below `parent`, or its file.
///
/// # Errors
/// There is none.
pub fn baseline(path: &Path, parent: &Path) -> anyhow::Result<Matrix> {
    let directory = match path.is_file() {
        true => commands::parent_of(path).to_owned(),
        false => matrix_below(locate(&path.to_string_lossy(), parent).map_err(usage)?)?,
    };
    if !Matrix::is_at(&directory) && directory.join(files::EVENTS).is_file() {
        let shown = path.display();
        let what =
            format!("--baseline {shown}: a run, and no matrix: `iwlbench compare` takes two");
        return Err(BadUsage(what).into());
    }
    Matrix::read(&directory).map_err(usage)
}

/// The one matrix in a directory that is none itself, as `--out` names one; else the directory.
///
/// # Errors
/// There are several in it.
pub fn matrix_below(directory: PathBuf) -> Result<PathBuf, BadUsage> {
    if Matrix::is_at(&directory)
        || [files::EVENTS, files::EXPLORATION].iter().any(|file| directory.join(file).is_file())
    {
        return Ok(directory);
    }
    let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut those: Vec<_> =
        entries.map(|entry| entry.path()).filter(|at| Matrix::is_at(at)).collect();
    those.sort();
    match those.len() {
        0 => Ok(directory),
        1 => Ok(those.remove(0)),
        several => {
            let names = those.iter().rev().take(SHOWN).filter_map(|at| at.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            let more = if several > SHOWN { ", …" } else { "" };
            Err(BadUsage(format!(
                "{} holds {several} matrices: name one of them: {}{more}",
                directory.display(),
                names.join(", ")
            )))
        }
    }
}

/// Matrices of one directory that a sentence has room for, the newest first.
const SHOWN: usize = 5;

/// What cannot be read is the user's mistake, unless the system says no.
pub fn usage(error: ReadError) -> anyhow::Error {
    match error {
        ReadError::Io(error) => error.into(),
        bad => BadUsage::from_error(bad).into(),
    }
}

/// The page of a matrix, which finds its runs at `base`, and what of the runs JUnit and KTAP need.
/// Each run gets its own page, in its directory.
///
/// # Errors
/// A run cannot be read, or its page not be written.
pub fn matrix_page(
    matrix: &Matrix,
    base: &str,
    changes: Option<&Changes>,
) -> anyhow::Result<(String, Vec<Run>)> {
    let mut pictures = html::Pictures::default();
    let runs = matrix.runs(|name, run| {
        pictures.add(name, run);
        let page = html::run(run)?;
        rundir::write_whole(&run.directory.join(files::PAGE), |out| out.write_all(page.as_bytes()))
    })?;
    Ok((html::matrix(matrix, &runs, &pictures, base, changes)?, runs))
}

/// The page of an exploration, which finds its runs at `base`. Each run gets its own page, in its
/// directory.
///
/// # Errors
/// A run cannot be read, or its page not be written.
fn orders_page(exploration: &Exploration, base: &str) -> anyhow::Result<String> {
    let mut pictures = html::Pictures::default();
    let mut shown = None;
    for name in exploration.orders.iter().filter_map(Order::run) {
        let directory = exploration.place.join(&name);
        if !directory.is_dir() {
            continue;
        }
        let run = Run::read(&directory)?;
        pictures.add(&name, &run);
        let page = html::run(&run)?;
        rundir::write_whole(&directory.join(files::PAGE), |out| out.write_all(page.as_bytes()))?;
        shown.get_or_insert(run);
    }
    Ok(html::orders(exploration, shown.as_ref(), &pictures, base)?)
}

/// Puts the page of an exploration into its directory.
///
/// # Errors
/// As there.
pub fn exploration_page(directory: &Path) -> anyhow::Result<()> {
    let exploration = Exploration::read(directory)?;
    let page = orders_page(&exploration, "")?;
    rundir::write_whole(&directory.join(files::PAGE), |out| out.write_all(page.as_bytes()))
}

/// Writes to the file, and says where it is; `None` and `-` are standard output.
fn write(document: &str, path: Option<&Path>) -> anyhow::Result<ExitCode> {
    match path.filter(|path| *path != Path::new(STDOUT)) {
        None => commands::print(document)?,
        Some(path) => {
            fs::write(path, document).map_err(|error| commands::unwritable(path, error))?;
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
        (None, ReportFormat::Html) => Some(runs.first()?.directory.join(files::PAGE)),
        (None, ReportFormat::Perfetto) => Some(runs.first()?.directory.join(files::TRACE)),
        (None, ReportFormat::Junit | ReportFormat::Ktap | ReportFormat::Text) => None,
    }
}
