//! Reads a run's directory.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::run::{Event, Record, Run};
use crate::facts::timeline::FORMAT_VERSION;
use crate::record::files;

/// Format of `run.json` that is understood.
const RECORD_FORMAT: u64 = 1;

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such directory.
    #[error(
        "there is no run `{name}`, neither as a directory nor below {}; give a run's directory, \
         its name there, or `last`", parent.display()
    )]
    NoSuchRun {
        /// As given.
        name: String,
        /// Where runs are looked for.
        parent: PathBuf,
    },
    /// `last`, and there is none.
    #[error("there is no run yet below {}; `iwlbench run` makes one", parent.display())]
    NoRuns {
        /// Where runs are looked for.
        parent: PathBuf,
    },
    /// The directory is not a run's.
    #[error("{} holds no run and no matrix: there is neither {} nor {} in it", directory.display(), files::EVENTS, files::MATRIX)]
    NotARun {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory is an exploration's.
    #[error(
        "{} is an exploration: it has a page (--format html), and each of its orders a run in it",
        directory.display()
    )]
    Exploration {
        /// The directory.
        directory: PathBuf,
    },
    /// The system says no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The first line is no header.
    #[error("{}:1: this is no iwlbench event file: the first line must be {{\"format\":\"iwlbench-events\",\"version\":{FORMAT_VERSION}}}", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A version that this program does not know.
    #[error("{}:{line}: format version {found} is not known here ({known} is); use the iwlbench that made this run, or a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Line.
        line: usize,
        /// As it says.
        found: String,
        /// As understood here.
        known: u64,
    },
    /// Not JSON, or a field is missing.
    #[error("{}:{line}: {error}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line.
        line: usize,
        /// What is wrong.
        error: String,
    },
}

/// Finds a run, matrix or exploration by its directory, its name below `parent`, or `last`.
///
/// # Errors
/// There is none.
pub fn locate(name: &str, parent: &Path) -> Result<PathBuf, ReadError> {
    if name == "last" {
        return last(parent);
    }
    [PathBuf::from(name), parent.join(name)]
        .into_iter()
        .find(|path| path.is_dir())
        .ok_or_else(|| ReadError::NoSuchRun { name: name.to_owned(), parent: parent.to_owned() })
}

/// The run that was begun last, or the matrix or exploration that ended after it.
fn last(parent: &Path) -> Result<PathBuf, ReadError> {
    let none = || ReadError::NoRuns { parent: parent.to_owned() };
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(none()),
        other => other?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let written_once = if path.join(files::EVENTS).is_file() {
            // Before QEMU starts; the directory itself changes later.
            files::QEMU_ARGS
        } else if let Some(whole) =
            [files::MATRIX, files::EXPLORATION].into_iter().find(|file| path.join(file).is_file())
        {
            whole
        } else {
            continue;
        };
        let when = fs::metadata(path.join(written_once)).and_then(|m| m.modified()).ok();
        runs.push((when, path));
    }
    runs.into_iter().max().map(|(_, path)| path).ok_or_else(none)
}

impl Run {
    /// Reads a run's directory.
    ///
    /// # Errors
    /// It holds no run, or one of a format that is not known here.
    pub fn read(directory: &Path) -> Result<Run, ReadError> {
        // `.` has no name to show.
        let directory = fs::canonicalize(directory)?;
        let path = directory.join(files::EVENTS);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(match directory.join(files::EXPLORATION).is_file() {
                    true => ReadError::Exploration { directory },
                    false => ReadError::NotARun { directory },
                });
            }
            other => other?,
        };
        let record = record(&directory.join(files::RUN))?;
        let (mut events, cut) = events(&path, &text)?;
        if record.is_none() {
            // As the bench does at the end of a run.
            events.sort_by_key(|e| e.t_ns);
        }
        let mut run = Run {
            directory,
            record,
            events,
            log: Vec::new(),
            earlier: Vec::new(),
            known: None,
            cut,
        };
        run.log = run.log_of_failure();
        Ok(run)
    }
}

fn record(path: &Path) -> Result<Option<Record>, ReadError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    check_format(path, &text, RECORD_FORMAT)?;
    serde_json::from_slice(&text).map(Some).map_err(|error| bad_json(path, &error))
}

fn bad_json(path: &Path, error: &serde_json::Error) -> ReadError {
    ReadError::Line { path: path.to_owned(), line: error.line(), error: error.to_string() }
}

/// Whether a JSON document says that it is of this format.
/// Reads a directory's one document of this format, and says where the directory is.
///
/// # Errors
/// It has no such file, or one of a format that is not known here.
pub(super) fn document<T: DeserializeOwned>(
    directory: &Path,
    file: &str,
    known: u64,
) -> Result<(PathBuf, T), ReadError> {
    let directory = fs::canonicalize(directory)?;
    let path = directory.join(file);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(ReadError::NotARun { directory });
        }
        other => other?,
    };
    check_format(&path, &text, known)?;
    let read = serde_json::from_slice(&text).map_err(|error| bad_json(&path, &error))?;
    Ok((directory, read))
}

fn check_format(path: &Path, text: &[u8], known: u64) -> Result<(), ReadError> {
    let document: Value = serde_json::from_slice(text).map_err(|error| bad_json(path, &error))?;
    let format = document.get("format").cloned().unwrap_or_default();
    if format.as_u64() == Some(known) {
        return Ok(());
    }
    let at = text.windows(8).position(|w| w == b"\"format\"").unwrap_or(0);
    Err(ReadError::Version {
        path: path.to_owned(),
        line: 1 + text[..at].iter().filter(|byte| **byte == b'\n').count(),
        found: format.to_string(),
        known,
    })
}

fn events(path: &Path, text: &[u8]) -> Result<(Vec<Event>, bool), ReadError> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
    let header: Value = lines
        .next()
        .and_then(|(_, line)| serde_json::from_slice(line).ok())
        .filter(|header: &Value| header["format"] == "iwlbench-events")
        .ok_or_else(|| ReadError::NoHeader { path: path.to_owned() })?;
    if header["version"].as_u64() != Some(FORMAT_VERSION.into()) {
        return Err(ReadError::Version {
            path: path.to_owned(),
            line: 1,
            found: header["version"].to_string(),
            known: FORMAT_VERSION.into(),
        });
    }
    let mut events = Vec::new();
    for (index, line) in lines {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(_) if !line.ends_with(b"\n") => return Ok((events, true)),
            Err(error) => {
                return Err(ReadError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    error: error.to_string(),
                });
            }
        }
    }
    Ok((events, false))
}
