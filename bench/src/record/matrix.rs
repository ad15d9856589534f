//! What a matrix came to, as it is kept: `matrix.json`, which [`crate::report::matrix`] describes.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::facts::driver::STOCK;
use crate::facts::seen::Seen;
use crate::facts::verdict::Outcome;
use crate::record::cite::Program;
use crate::record::run::{Began, Record};
use crate::script::known::{Failure, Known, Place};

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
    /// What the user sees of it; none if it never came to a run.
    pub seen: Option<Seen>,
}

impl Attempt {
    /// A run that came to its end.
    pub fn of(record: &Record) -> Attempt {
        let name = record.directory.file_name().map(|name| name.to_string_lossy().into_owned());
        Attempt {
            outcome: record.verdict.outcome,
            line: record.verdict.line.clone(),
            seconds: record.seconds,
            directory: name,
            began: Some(record.began),
            seen: Some(record.seen),
        }
    }
}

/// That a place is known to fail.
#[derive(Debug, Clone, Serialize)]
pub struct KnownFailure {
    /// Why it is known.
    pub reason: String,
    /// The file and line that say so.
    pub at: String,
    /// It does not fail any more, so that the file is wrong.
    pub gone: bool,
}

impl KnownFailure {
    /// As its file has it.
    pub fn of((at, failure): &(String, Failure), gone: bool) -> KnownFailure {
        KnownFailure { reason: failure.reason.clone(), at: at.clone(), gone }
    }

    /// What to say of a place that has it.
    pub fn told(&self, outcome: &str) -> String {
        let KnownFailure { reason, at, gone } = self;
        match gone {
            true => format!("does not fail any more: take it out of {at}"),
            false => format!("{outcome}, as known: {reason} ({at})"),
        }
    }
}

/// What a place of the matrix means to whoever waits for the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It passed, or did so when it was tried again.
    Passed,
    /// It failed as it is known to.
    Known,
    /// It is known to fail, and passed.
    Gone,
    /// Anything else.
    Failed,
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
    /// The kernel's version: of Debian's 6.1.0-50 that is 6.1.174-1.
    pub kernel_version: String,
    /// The driver under test, as `--driver` calls it.
    pub driver: &'static str,
    /// In order; all but the last failed.
    pub attempts: Vec<Attempt>,
    /// It failed, and passed when it was tried again.
    pub flaky: bool,
    /// It is known to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFailure>,
}

impl Cell {
    /// One run by itself.
    pub fn of(record: &Record) -> Cell {
        Cell {
            scenario: record.scenario.clone(),
            card: record.vars.card.clone(),
            kernel: record.kernel.release.clone(),
            kernel_version: record.vars.kernel_version.clone(),
            driver: record.driver,
            attempts: vec![Attempt::of(record)],
            flaky: false,
            known: None,
        }
    }

    /// The attempt that counts.
    pub fn last(&self) -> &Attempt {
        self.attempts.last().expect("at least one attempt")
    }

    /// What it means.
    pub fn standing(&self) -> Standing {
        match (&self.known, self.last().outcome) {
            (Some(known), _) if known.gone => Standing::Gone,
            (_, Outcome::Passed) => Standing::Passed,
            (Some(_), _) => Standing::Known,
            (None, _) => Standing::Failed,
        }
    }

    /// It took one try: it passed, or failed as it is known to.
    pub fn at_first_try(&self) -> bool {
        self.attempts.len() == 1 && self.standing() != Standing::Failed
    }

    /// Something failed of which nobody knows why, though it may have passed when it was tried again.
    pub fn is_unexplained(&self) -> bool {
        match self.standing() {
            Standing::Passed | Standing::Gone => self.flaky,
            Standing::Known => false,
            Standing::Failed => true,
        }
    }

    /// The outcome that counts for the whole: a failure that is known is none, and one that is
    /// gone is one.
    pub fn counts_as(&self) -> Outcome {
        match self.standing() {
            Standing::Passed | Standing::Known => Outcome::Passed,
            Standing::Gone => Outcome::Failed,
            Standing::Failed => self.last().outcome,
        }
    }

    /// Where it was played: the kernel, and the driver if it is not the kernel's own.
    pub fn on(&self) -> String {
        on(&self.kernel, self.driver)
    }

    fn place(&self) -> Place<'_> {
        let (scenario, card, driver) = (&self.scenario, &self.card, self.driver);
        Place { scenario, card, kernel: &self.kernel_version, driver }
    }
}

/// A kernel, and the driver if it is not the kernel's own.
pub fn on(kernel: &str, driver: &str) -> String {
    match driver {
        STOCK => kernel.to_owned(),
        driver => format!("{kernel} {driver}"),
    }
}

/// A place that is not played, as nothing could be seen there of what the scenario is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeftOut {
    /// Scenario.
    pub scenario: String,
    /// Card.
    pub card: String,
    /// Kernel release.
    pub kernel: String,
    /// The driver under test, as `--driver` calls it.
    pub driver: String,
    /// Why.
    pub reason: String,
}

/// Of each reason, in order of its first place, what is left out.
pub fn by_reason(places: &[LeftOut]) -> Vec<(&str, Vec<&LeftOut>)> {
    let mut reasons: Vec<(&str, Vec<&LeftOut>)> = Vec::new();
    for place in places {
        match reasons.iter_mut().find(|(reason, _)| *reason == place.reason) {
            Some((_, places)) => places.push(place),
            None => reasons.push((&place.reason, vec![place])),
        }
    }
    reasons
}

/// Their scenarios and cards: each named where there are few.
pub fn counted(places: &[&LeftOut]) -> String {
    let mut scenarios: Vec<_> = places.iter().map(|place| place.scenario.as_str()).collect();
    scenarios.dedup();
    match (scenarios.as_slice(), places.len()) {
        ([one], 1) => format!("{one} {}", places[0].card),
        ([one], n) => format!("{one} with {n} cards"),
        (few, _) if few.len() <= 3 => few.join(", "),
        (many, _) => format!("{} scenarios", many.len()),
    }
}

/// Marks what is known to fail. Of all places that an entry is about, however often they were played, one
/// such failure shows that it still does; it is gone if all passed, which only a matrix that was played to
/// its end can tell.
pub fn mark_known(cells: &mut [Cell], known: &Known, whole: bool) {
    let of = |cells: &[Cell], failure: &Failure, wanted: &dyn Fn(&Cell) -> bool| {
        let mut plays = cells.iter().filter(|cell| failure.is_at(cell.place()));
        plays.all(wanted)
    };
    let still = |cell: &Cell, failure: &Failure| {
        cell.attempts.iter().any(|attempt| failure.is(attempt.outcome, &attempt.line))
    };
    let passed = |cell: &Cell| cell.last().outcome == Outcome::Passed && !cell.flaky;
    let marks: Vec<_> = cells
        .iter()
        .map(|cell| {
            let last = cell.last();
            let own = known.at(cell.place()).find(|(_, known)| known.is(last.outcome, &last.line));
            if let Some(own) = own {
                return Some(KnownFailure::of(own, false));
            }
            let mut gone = known.at(cell.place()).filter(|(_, known)| {
                whole && of(cells, known, &|cell| passed(cell) && !still(cell, known))
            });
            gone.next().map(|known| KnownFailure::of(known, true))
        })
        .collect();
    for (cell, mark) in cells.iter_mut().zip(marks) {
        cell.known = mark;
    }
}

/// What the whole came to; `matrix.json`, which [`crate::report::matrix`] describes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Results<'a> {
    pub format: u32,
    /// When it began, UTC.
    pub date: &'a str,
    /// What played it.
    pub iwlbench: Program,
    /// The user's command.
    pub command: &'a str,
    pub planned: usize,
    pub passed: usize,
    pub flaky: usize,
    /// Failed as they are known to.
    pub known: usize,
    /// Known to fail, and passed.
    pub gone: usize,
    /// Took one try.
    pub first_try: usize,
    /// Failed otherwise than is known, once at least.
    pub unexplained: usize,
    pub interrupted: bool,
    pub jobs: usize,
    pub seconds: f64,
    pub directory: &'a Path,
    pub cells: &'a [Cell],
    /// No part of what was planned.
    pub left_out: &'a [LeftOut],
}

impl<'a> Results<'a> {
    /// With these cells, by now.
    pub fn with(self, cells: &'a [Cell], started: Instant) -> Results<'a> {
        let count = |wanted: &dyn Fn(&Cell) -> bool| cells.iter().filter(|c| wanted(c)).count();
        Results {
            passed: count(&|cell| cell.last().outcome == Outcome::Passed),
            flaky: count(&|cell| cell.flaky),
            known: count(&|cell| cell.standing() == Standing::Known),
            gone: count(&|cell| cell.standing() == Standing::Gone),
            first_try: count(&Cell::at_first_try),
            unexplained: count(&Cell::is_unexplained),
            seconds: started.elapsed().as_secs_f64(),
            cells,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(scenario: &str, outcomes: &[Outcome]) -> Cell {
        let attempt = |outcome: &Outcome| Attempt {
            outcome: *outcome,
            line: "an oops".into(),
            seconds: 1.0,
            directory: None,
            began: None,
            seen: None,
        };
        Cell {
            scenario: scenario.into(),
            card: "7260".into(),
            kernel: "7.3.4".into(),
            kernel_version: "7.3.4".into(),
            driver: STOCK,
            attempts: outcomes.iter().map(attempt).collect(),
            flaky: outcomes.len() > 1 && outcomes.last() == Some(&Outcome::Passed),
            known: None,
        }
    }

    #[test]
    fn what_is_known_counts_for_nothing_and_what_is_gone_is_red() {
        use Outcome::{Failed, KernelTrouble, Passed, QemuDied};
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("known.toml");
        let entry = |name| {
            format!("[[failure]]\nscenario = \"{name}\"\nreason = \"r\"\noutcome = \"failed\"\n")
        };
        let text: String =
            ["fails", "passes", "other", "race", "dies", "flaky"].map(entry).concat();
        std::fs::write(&file, text).expect("written");
        let known = Known::read(&file, &[]).expect("a file");
        let plays: [(&str, &[Outcome]); 9] = [
            ("fails", &[Failed]),
            ("passes", &[Passed]),
            ("other", &[KernelTrouble]),
            ("race", &[Passed]),
            ("race", &[Failed]),
            ("dies", &[QemuDied]),
            ("flaky", &[Failed, Passed]),
            ("unknown", &[Failed]),
            ("well", &[Passed]),
        ];
        let mut cells: Vec<_> = plays.iter().map(|(name, outcomes)| cell(name, outcomes)).collect();
        mark_known(&mut cells, &known, true);
        let standings: Vec<_> = cells.iter().map(Cell::standing).collect();
        assert_eq!(
            standings,
            [
                Standing::Known,
                Standing::Gone,
                Standing::Failed,
                Standing::Passed,
                Standing::Known,
                Standing::Failed,
                Standing::Passed,
                Standing::Failed,
                Standing::Passed
            ]
        );
        let counted: Vec<_> = cells.iter().map(Cell::counts_as).collect();
        assert_eq!(counted[..4], [Passed, Failed, KernelTrouble, Passed]);
        assert_eq!(counted[5], QemuDied, "what could not be run is known of nothing");
        let first: Vec<_> = cells.iter().map(Cell::at_first_try).collect();
        assert_eq!(first, [true, true, false, true, true, false, false, false, true]);
        let unexplained: Vec<_> = cells.iter().map(Cell::is_unexplained).collect();
        assert_eq!(unexplained, [false, false, true, false, false, true, true, true, false]);
        mark_known(&mut cells, &known, false);
        assert_eq!(cells[1].standing(), Standing::Passed, "more plays may be to come");
    }

    /// An entry is wrong once it is of no use: some of what a pattern is about may pass.
    #[test]
    fn an_entry_is_gone_when_nothing_that_it_is_about_fails() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("known.toml");
        std::fs::write(&file, "[[failure]]\nscenario = \"own-*\"\nreason = \"r\"\n")
            .expect("written");
        let known = Known::read(&file, &[]).expect("a file");
        let standings = |outcome| {
            let mut cells = [cell("own-a", &[Outcome::Passed]), cell("own-b", &[outcome])];
            mark_known(&mut cells, &known, true);
            cells.map(|cell| cell.standing())
        };
        assert_eq!(standings(Outcome::Failed), [Standing::Passed, Standing::Known]);
        assert_eq!(standings(Outcome::Passed), [Standing::Gone, Standing::Gone]);
    }
}
