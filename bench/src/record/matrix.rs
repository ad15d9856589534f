//! What a matrix came to, as it is kept: `matrix.json`, which [`crate::report::matrix`] describes.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::facts::verdict::Outcome;
use crate::record::run::Began;

/// What one try of it came to.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// In one word.
    pub outcome: Outcome,
    /// In one line.
    pub line: String,
    /// From power-on or the snapshot's start.
    pub seconds: f64,
    /// The run's directory, in that of the matrix; none if it never came to a run.
    pub directory: Option<String>,
    /// Power-on or a snapshot.
    pub began: Option<Began>,
}

/// What one place of the matrix came to: the last attempt counts, the others stay to be seen.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// Scenario.
    pub scenario: String,
    /// Card.
    pub card: String,
    /// Kernel release.
    pub kernel: String,
    /// In order; all but the last failed.
    pub attempts: Vec<Attempt>,
    /// It failed, and passed when it was tried again.
    pub flaky: bool,
}

impl Cell {
    /// The attempt that counts.
    pub fn last(&self) -> &Attempt {
        self.attempts.last().expect("at least one attempt")
    }
}

/// What the whole came to; `matrix.json`, which [`crate::report::matrix`] describes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Results<'a> {
    pub format: u32,
    pub planned: usize,
    pub passed: usize,
    pub flaky: usize,
    pub interrupted: bool,
    pub jobs: usize,
    pub seconds: f64,
    pub directory: &'a Path,
    pub cells: &'a [Cell],
}

impl<'a> Results<'a> {
    /// With these cells, by now.
    pub fn with(self, cells: &'a [Cell], started: Instant) -> Results<'a> {
        let count = |wanted: &dyn Fn(&Cell) -> bool| cells.iter().filter(|c| wanted(c)).count();
        Results {
            passed: count(&|cell| cell.last().outcome == Outcome::Passed),
            flaky: count(&|cell| cell.flaky),
            seconds: started.elapsed().as_secs_f64(),
            cells,
            ..self
        }
    }
}
