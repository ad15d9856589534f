//! A matrix' directory, read back; `matrix.json` is described in `bench/OUTPUT.md`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, json};

use super::options::Play;
use super::read::{ReadError, document};
use super::run::{Known, Record, Run, Vars, Verdict};
use crate::facts::driver::STOCK;
use crate::facts::verdict::Class;
use crate::record::files;
use crate::record::matrix::{LeftOut, on};

/// Format that is understood.
const FORMAT: u64 = 1;

/// A matrix, read back.
#[derive(Debug, Deserialize)]
pub struct Matrix {
    /// Where it was read from.
    #[serde(skip)]
    pub directory: PathBuf,
    /// Places of the matrix.
    pub planned: usize,
    /// It was stopped.
    #[serde(default)]
    pub interrupted: bool,
    /// How long it took.
    #[serde(default)]
    pub seconds: f64,
    /// When it began.
    #[serde(default)]
    pub date: String,
    /// Which iwlbench, as it was kept.
    #[serde(default)]
    pub iwlbench: serde_json::Value,
    /// The user's command.
    #[serde(default)]
    pub command: String,
    /// What was played.
    pub cells: Vec<Cell>,
    /// What was not, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// A place of the matrix.
#[derive(Debug, Clone, Deserialize)]
pub struct Cell {
    /// Scenario.
    pub scenario: String,
    /// Card.
    pub card: String,
    /// Kernel release.
    pub kernel: String,
    /// The driver under test, as `--driver` calls it.
    #[serde(default = "stock")]
    pub driver: String,
    /// It failed, and passed when it was tried again.
    #[serde(default)]
    pub flaky: bool,
    /// It is known to fail.
    #[serde(default)]
    pub known: Option<Known>,
    /// In order; the last one counts.
    pub attempts: Vec<Attempt>,
}

/// A try of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// What it came to.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// From power-on or the snapshot's start.
    #[serde(default)]
    pub seconds: f64,
    /// The name of the run's directory.
    #[serde(default)]
    pub directory: Option<String>,
    /// What is seen of it.
    #[serde(default)]
    pub seen: Option<String>,
}

fn stock() -> String {
    STOCK.to_owned()
}

impl Cell {
    /// Where it was played: the kernel, and the driver if it is not the kernel's own.
    pub fn on(&self) -> String {
        on(&self.kernel, &self.driver)
    }

    /// As a table of drivers has it.
    pub fn play(&self) -> Play<'_> {
        let last = self.attempts.last();
        Play {
            kernel: &self.kernel,
            driver: &self.driver,
            scenario: &self.scenario,
            seen: last.and_then(|last| last.seen.as_deref()),
            failed: self.class() != Class::Passed,
            run: last.and_then(|last| last.directory.as_deref()),
        }
    }

    /// What the place came to; nothing was played if there is no attempt.
    pub fn class(&self) -> Class {
        self.attempts.last().map_or(Class::NotRun, |last| last.verdict.class())
    }

    /// It failed as it is known to.
    pub fn is_known(&self) -> bool {
        self.known.as_ref().is_some_and(|known| !known.gone)
    }

    /// It is known to fail, and passed.
    pub fn is_gone(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.gone)
    }
}

impl Matrix {
    /// Whether the directory holds a matrix.
    pub fn is_at(directory: &Path) -> bool {
        directory.join(files::MATRIX).is_file()
    }

    /// Reads a matrix' directory, without its runs.
    ///
    /// # Errors
    /// It holds none, or one of a format that is not known here.
    pub fn read(directory: &Path) -> Result<Matrix, ReadError> {
        let (directory, mut matrix): (_, Matrix) = document(directory, files::MATRIX, FORMAT)?;
        matrix.directory = directory;
        Ok(matrix)
    }

    /// Reads the runs, one after the other, and hands out each that is there with its name before
    /// it is cut to what JUnit and KTAP need: one matrix may have thousands.
    ///
    /// Comes back with a run per place, earlier attempts in it. A run that never was, or whose
    /// directory is gone, is as `matrix.json` has it.
    ///
    /// # Errors
    /// A run cannot be read, or `each` fails.
    pub fn runs<E: From<ReadError>>(
        &self,
        mut each: impl FnMut(&str, &Run) -> Result<(), E>,
    ) -> Result<Vec<Run>, E> {
        let mut runs = Vec::new();
        for cell in &self.cells {
            let mut attempts = Vec::new();
            for attempt in &cell.attempts {
                let path = attempt.directory.as_ref().map(|name| self.directory.join(name));
                let run = match (path, &attempt.directory) {
                    (Some(path), Some(name)) if path.is_dir() => {
                        let mut run = Run::read(&path)?;
                        each(name, &run)?;
                        run.shorten();
                        run
                    }
                    _ => self.without_directory(cell, attempt),
                };
                attempts.push(run);
            }
            if let Some(mut last) = attempts.pop() {
                last.earlier = attempts;
                last.known.clone_from(&cell.known);
                runs.push(last);
            }
        }
        Ok(runs)
    }

    fn without_directory(&self, cell: &Cell, attempt: &Attempt) -> Run {
        let facts = Map::from_iter([("kernel".to_owned(), json!({ "release": cell.kernel }))]);
        let record = Record {
            scenario: cell.scenario.clone(),
            vars: Vars { card: cell.card.clone(), opmode: String::new() },
            verdict: attempt.verdict.clone(),
            faults: serde_json::Value::Null,
            expectations: Vec::new(),
            milestones: Vec::new(),
            seconds: attempt.seconds,
            phases: Vec::new(),
            accel: String::new(),
            facts,
        };
        Run {
            directory: self.directory.clone(),
            record: Some(record),
            events: Vec::new(),
            log: Vec::new(),
            earlier: Vec::new(),
            known: None,
            cut: false,
        }
    }
}

impl Run {
    /// Keeps the verdict, the expectations and what a failure carries of the kernel log.
    fn shorten(&mut self) {
        self.events = Vec::new();
        if let Some(record) = &mut self.record {
            record.milestones = Vec::new();
        }
    }
}
