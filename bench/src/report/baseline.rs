//! A matrix beside an earlier one.

use std::path::PathBuf;

use serde::Serialize;

use super::matrix::{Cell, Matrix};
use crate::facts::verdict::Class;

/// So much longer is slower: by this factor, and this many seconds. Guests share a machine.
const SLOWER: (f64, f64) = (1.5, 1.0);

/// What is otherwise than in an earlier matrix; a line each.
#[derive(Debug, Default, Serialize)]
pub struct Changes {
    /// The earlier one.
    pub before: PathBuf,
    /// Passed before, and does not now.
    pub failing: Vec<String>,
    /// Did not pass before, and does now.
    pub passing: Vec<String>,
    /// Passes in much more time.
    pub slower: Vec<String>,
}

/// The plays of a place.
struct Plays<'a> {
    place: (&'a str, &'a str, &'a str, &'a str),
    cells: Vec<&'a Cell>,
}

impl Plays<'_> {
    fn passed(&self) -> bool {
        self.cells.iter().all(|cell| cell.class() == Class::Passed)
    }

    fn median(&self) -> f64 {
        let last = |cell: &&Cell| cell.attempts.last().map_or(0.0, |last| last.seconds);
        let mut all: Vec<f64> = self.cells.iter().map(last).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    /// How the first that did not pass ended.
    fn how(&self) -> String {
        let bad = self.cells.iter().find(|cell| cell.class() != Class::Passed);
        let verdict = bad.and_then(|cell| cell.attempts.last()).map(|last| &last.verdict);
        verdict.map(|verdict| format!("{}: {}", verdict.outcome, verdict.line)).unwrap_or_default()
    }
}

fn plays(matrix: &Matrix) -> Vec<Plays<'_>> {
    let mut plays: Vec<Plays<'_>> = Vec::new();
    for cell in &matrix.cells {
        let place = (&*cell.scenario, &*cell.card, &*cell.kernel, &*cell.driver);
        match plays.iter_mut().find(|known| known.place == place) {
            Some(known) => known.cells.push(cell),
            None => plays.push(Plays { place, cells: vec![cell] }),
        }
    }
    plays
}

impl Changes {
    /// What has changed at the places that both have. Where the kernels are others, as in a bisect,
    /// a place is a scenario with a card, if each matrix has but one kernel.
    pub fn between(before: &Matrix, now: &Matrix) -> Changes {
        let (old, new) = (plays(before), plays(now));
        let one = |plays: &[Plays<'_>]| plays.iter().all(|p| p.place.2 == plays[0].place.2);
        let any_kernel = one(&old) && one(&new);
        let mut changes = Changes { before: before.directory.clone(), ..Changes::default() };
        for plays in &new {
            let (scenario, card, kernel, driver) = plays.place;
            let same = |other: &&Plays<'_>| {
                (other.place.0, other.place.1, other.place.3) == (scenario, card, driver)
                    && (any_kernel || other.place.2 == kernel)
            };
            let Some(old) = old.iter().find(same) else { continue };
            let place = format!("{scenario} {card} {}", plays.cells[0].on());
            let (was, is) = (old.median(), plays.median());
            match (old.passed(), plays.passed()) {
                (true, false) => changes.failing.push(format!("{place}: {}", plays.how())),
                (false, true) => changes.passing.push(format!("{place}: before, {}", old.how())),
                (true, true) if is > was * SLOWER.0 && is > was + SLOWER.1 => {
                    changes.slower.push(format!("{place}: {is:.1} s, before {was:.1} s"));
                }
                _ => {}
            }
        }
        changes
    }

    /// Nothing is otherwise.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, _, lines)| lines.is_empty())
    }

    /// Each list with its title, and the class of what is in it.
    pub fn lists(&self) -> [(&'static str, &'static str, &[String]); 3] {
        [
            ("newly failing", "failed", &self.failing),
            ("newly passing", "passed", &self.passing),
            ("slower", "not-run", &self.slower),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(cells: &[(&str, &str, &str, f64)]) -> Matrix {
        let cell = |(scenario, kernel, outcome, seconds): &(&str, &str, &str, f64)| {
            serde_json::json!({ "scenario": scenario, "card": "7260", "kernel": kernel, "flaky": false,
                "attempts": [{ "outcome": outcome, "line": "l", "seconds": seconds }] })
        };
        let cells: Vec<_> = cells.iter().map(cell).collect();
        let document = serde_json::json!({ "planned": cells.len(), "cells": cells });
        serde_json::from_value(document).expect("a matrix")
    }

    #[test]
    fn what_is_new_is_told_for_places_that_both_have() {
        let before = matrix(&[
            ("a", "6.12", "passed", 2.0),
            ("b", "6.12", "failed", 2.0),
            ("c", "6.12", "passed", 2.0),
            ("d", "6.12", "passed", 0.2),
            ("e", "6.12", "failed", 2.0),
        ]);
        let now = matrix(&[
            ("a", "7.3", "failed", 2.0),
            ("b", "7.3", "passed", 2.0),
            ("c", "7.3", "passed", 9.0),
            ("d", "7.3", "passed", 0.9),
            ("e", "7.3", "failed", 9.0),
            ("f", "7.3", "failed", 2.0),
        ]);
        let changes = Changes::between(&before, &now);
        assert_eq!(changes.failing, ["a 7260 7.3: failed: l"]);
        assert_eq!(changes.passing, ["b 7260 7.3: before, failed: l"]);
        assert_eq!(changes.slower, ["c 7260 7.3: 9.0 s, before 2.0 s"]);
        let two = matrix(&[("a", "6.12", "passed", 2.0), ("a", "6.1", "passed", 2.0)]);
        assert!(Changes::between(&two, &now).is_empty(), "no kernel is the same");
        assert!(!Changes::between(&two, &matrix(&[("a", "6.1", "failed", 2.0)])).is_empty());
    }
}
