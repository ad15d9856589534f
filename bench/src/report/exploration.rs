//! An exploration's directory, read back; `explore.json` is described in `bench/OUTPUT.md`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::read::{ReadError, document};
use super::run::{Known, Verdict};
use crate::record::files;

/// Format that is understood.
const FORMAT: u64 = 1;

/// An exploration, read back.
#[derive(Debug, Deserialize)]
pub struct Exploration {
    /// Where it was read from.
    #[serde(skip)]
    pub place: PathBuf,
    /// When it began.
    #[serde(default)]
    pub date: String,
    /// Which iwlbench, as it was kept.
    #[serde(default)]
    pub iwlbench: serde_json::Value,
    /// The user's command.
    #[serde(default)]
    pub command: String,
    /// Scenario.
    pub scenario: String,
    /// Card.
    pub card: String,
    /// Kernel release.
    #[serde(default)]
    pub kernel: String,
    /// The driver under test, as `--driver` calls it.
    #[serde(default)]
    pub driver: String,
    /// Orders at most.
    #[serde(default)]
    pub bound: usize,
    /// Orders that are known not to have been played.
    #[serde(default)]
    pub left: usize,
    /// How long it took.
    #[serde(default)]
    pub seconds: f64,
    /// What was played.
    pub orders: Vec<Order>,
    /// Known failures that did not come.
    #[serde(default)]
    pub gone: Vec<Known>,
}

/// An order.
#[derive(Debug, Deserialize)]
pub struct Order {
    /// From 1.
    pub number: usize,
    /// What came after what.
    #[serde(default)]
    pub points: Vec<Point>,
    /// Steps that failed.
    #[serde(default)]
    pub failed_steps: Vec<String>,
    /// The first order that went the same way.
    #[serde(default)]
    pub alike: Option<usize>,
    /// How bad its end is; none if it could not be played.
    #[serde(default)]
    pub class: Option<String>,
    /// What the guest looked like.
    #[serde(default)]
    pub end: Option<String>,
    /// What is wrong.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// How its run ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    #[serde(default)]
    pub seconds: f64,
    /// Its run, where that was when it was played.
    #[serde(default)]
    directory: PathBuf,
    /// The scenario that plays it again.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Whether that came to the same end.
    #[serde(default)]
    pub replays: Option<bool>,
    /// It is known to fail.
    #[serde(default)]
    pub known: Option<Known>,
}

/// Something that the host did next.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Point {
    /// `step` or `release`.
    pub point: String,
    /// The step's name.
    #[serde(default)]
    step: Option<String>,
    /// What was let go.
    #[serde(default)]
    name: Option<String>,
    /// Which of that name.
    #[serde(default)]
    nth: Option<u64>,
}

/// Something that is wrong with an order.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// How bad.
    pub class: String,
    /// What.
    pub what: String,
}

impl Point {
    /// Whether it is a step of the scenario's.
    pub fn is_step(&self) -> bool {
        self.point == "step"
    }

    /// In a word.
    pub fn word(&self) -> String {
        let name = self.step.as_ref().or(self.name.as_ref()).unwrap_or(&self.point);
        match self.nth {
            Some(nth @ 2..) => format!("{name} ({nth})"),
            _ => name.clone(),
        }
    }
}

impl Order {
    /// Nothing is wrong with it.
    pub fn is_fine(&self) -> bool {
        self.class.as_deref() == Some("fine")
    }

    /// What it came to, in a word.
    pub fn word(&self) -> String {
        self.class.as_ref().unwrap_or(&self.verdict.outcome).replace('-', " ")
    }

    /// The name of its run's directory.
    pub fn run(&self) -> Option<String> {
        self.directory.file_name().map(|name| name.to_string_lossy().into_owned())
    }
}

impl Exploration {
    /// Whether the directory holds an exploration.
    pub fn is_at(directory: &Path) -> bool {
        directory.join(files::EXPLORATION).is_file()
    }

    /// Reads an exploration's directory, without its runs.
    ///
    /// # Errors
    /// It holds none, or one of a format that is not known here.
    pub fn read(directory: &Path) -> Result<Exploration, ReadError> {
        let (directory, mut read): (_, Exploration) =
            document(directory, files::EXPLORATION, FORMAT)?;
        read.place = directory;
        Ok(read)
    }
}
