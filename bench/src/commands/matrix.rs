//! `iwlbench matrix`: scenarios × cards × kernels, several guests at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use fs_err as fs;
use iwl_card::{CardSpec, FaultPlan};
use serde::Serialize;
use serde_json::json;

use crate::cli::{GuestArgs, MatrixArgs};
use crate::lab::{Began, Lab, RunSpec};
use crate::report::{self, Run};
use crate::scenario::Scenario;
use crate::ui::{MatrixProgress, Ui};
use crate::verdict::{self, Outcome};
use crate::{BadUsage, commands, render, rundir, scenario, signals};

/// One place of the matrix, once.
struct Play<'a> {
    lab: &'a Lab<'a>,
    scenario: &'a Scenario,
    card: &'static CardSpec,
}

/// What one try of it came to.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// In one word.
    pub outcome: Outcome,
    /// In one line.
    pub line: String,
    /// From power-on or the snapshot's start.
    pub seconds: f64,
    /// Where it can be looked at; none if it never came to a run.
    pub directory: Option<PathBuf>,
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

/// Plays everything, `--jobs` at a time.
pub fn matrix(args: &MatrixArgs) -> anyhow::Result<ExitCode> {
    let mut scenarios = match args.scenario.is_empty() {
        true => scenario::built_in(),
        false => {
            args.scenario.iter().map(|name| scenario::find(name)).collect::<Result<Vec<_>, _>>()?
        }
    };
    if let Some(patience) = args.patience {
        scenarios.iter_mut().for_each(|scenario| scenario.patience = patience);
    }
    let cards = args.card.iter().map(|name| commands::card(name)).collect::<Result<Vec<_>, _>>()?;
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    // Better to know it before an hour of runs.
    for file in args.junit.iter().chain(&args.ktap) {
        fs::File::create(file).map_err(BadUsage::from_error)?;
    }

    let ui = Ui::new();
    let labs = args
        .kernel
        .iter()
        .map(|kernel| {
            let guest = GuestArgs {
                kernel: kernel.clone(),
                modules: None,
                accel: args.accel,
                cpus: args.cpus,
                fetch: args.fetch.clone(),
            };
            Lab::new(&guest, &ui)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut plays = Vec::new();
    for _ in 0..args.repeat {
        for lab in &labs {
            for scenario in &scenarios {
                let own = scenario.cards.iter().map(|c| commands::card(c.get_ref()));
                let cards =
                    if cards.is_empty() { own.collect::<Result<_, _>>()? } else { cards.clone() };
                plays.extend(cards.into_iter().map(|card| Play { lab, scenario, card }));
            }
        }
    }

    let jobs = match args.jobs {
        Some(jobs) => jobs,
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let started = Instant::now();
    let progress = ui.matrix_progress(plays.len());
    let cells = play_all(args, &plays, jobs, &parent, &progress);
    drop(progress);
    let seconds = started.elapsed().as_secs_f64();

    write_reports(args, &cells)?;
    let count = |wanted: &dyn Fn(&Cell) -> bool| cells.iter().filter(|c| wanted(c)).count();
    let passed = count(&|c| c.last().outcome == Outcome::Passed);
    if args.json {
        let document = json!({
            "format": 1,
            "planned": plays.len(),
            "passed": passed,
            "flaky": count(&|c| c.flaky),
            "jobs": jobs,
            "seconds": seconds,
            "cells": cells,
        });
        commands::print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        commands::print(&render::matrix(&cells, plays.len(), seconds, ui.colour))?;
    }
    for cell in &cells {
        let failed = cell.attempts.iter().filter(|a| a.outcome != Outcome::Passed);
        for attempt in failed {
            let flaky = if cell.flaky { " (flaky: it passed when tried again)" } else { "" };
            let (word, line) = (attempt.outcome.word(), &attempt.line);
            eprintln!("iwlbench: {} {}: {word}: {line}{flaky}", cell.scenario, cell.card);
        }
    }
    if signals::stopping() {
        return Err(crate::Interrupted.into());
    }
    Ok(verdict::combined(cells.iter().map(|cell| cell.last().outcome)))
}

/// The cells in the plays' order; those that an interruption left out are missing.
fn play_all(
    args: &MatrixArgs,
    plays: &[Play<'_>],
    jobs: usize,
    parent: &std::path::Path,
    progress: &MatrixProgress,
) -> Vec<Cell> {
    let next = AtomicUsize::new(0);
    let cells = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(plays.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(play) = plays.get(index) else { return };
                    let Some(cell) = play_one(args, play, parent, progress) else { return };
                    progress.done(&cell);
                    cells.lock().unwrap_or_else(PoisonError::into_inner).insert(index, cell);
                }
            });
        }
    });
    cells.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Nothing if the user has stopped it.
fn play_one(
    args: &MatrixArgs,
    play: &Play<'_>,
    parent: &std::path::Path,
    progress: &MatrixProgress,
) -> Option<Cell> {
    let mut attempts = Vec::new();
    for _ in 0..=args.retries {
        if signals::stopping() {
            break;
        }
        let what = format!("{} {}", play.scenario.name, play.card.name);
        let spec = RunSpec {
            scenario: play.scenario,
            card: play.card,
            faults: FaultPlan::default(),
            firmware: None,
            image: None,
            without: &[],
            cold: args.cold,
            parent,
        };
        let attempt = match play.lab.run(&spec, progress.job(&what)) {
            Ok(record) => Attempt {
                outcome: record.verdict.outcome,
                line: record.verdict.line,
                seconds: record.seconds,
                directory: Some(record.directory),
                began: Some(record.began),
            },
            Err(error) => Attempt {
                outcome: Outcome::Environment,
                line: format!("{error:#}"),
                seconds: 0.0,
                directory: None,
                began: None,
            },
        };
        if attempt.outcome == Outcome::Interrupted {
            break;
        }
        let passed = attempt.outcome == Outcome::Passed;
        attempts.push(attempt);
        if passed {
            break;
        }
    }
    let passed = attempts.last()?.outcome == Outcome::Passed;
    Some(Cell {
        scenario: play.scenario.name.clone(),
        card: play.card.name.to_owned(),
        kernel: play.lab.kernel().to_owned(),
        flaky: passed && attempts.len() > 1,
        attempts,
    })
}

fn write_reports(args: &MatrixArgs, cells: &[Cell]) -> anyhow::Result<()> {
    if args.junit.is_none() && args.ktap.is_none() {
        return Ok(());
    }
    let mut runs = Vec::new();
    for cell in cells {
        let mut read = cell
            .attempts
            .iter()
            .filter_map(|attempt| attempt.directory.as_deref())
            .map(Run::read)
            .collect::<Result<Vec<_>, _>>()?;
        let Some(mut last) = read.pop() else { continue };
        last.earlier = read;
        runs.push(last);
    }
    if let Some(file) = &args.junit {
        fs::write(file, report::junit::report(&runs)?).context("JUnit")?;
    }
    if let Some(file) = &args.ktap {
        fs::write(file, report::ktap::report(&runs)).context("KTAP")?;
    }
    Ok(())
}
