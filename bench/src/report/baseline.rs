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
    /// Was no place of the earlier one, and does not pass.
    pub new_failing: Vec<String>,
    /// Was none, and passes.
    pub new_passing: Vec<String>,
    /// Was one, and is none now.
    pub gone: Vec<String>,
}

/// Scenario, card, kernel and driver.
type At<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The plays of a place.
struct Plays<'a> {
    place: At<'a>,
    cells: Vec<&'a Cell>,
}

impl Plays<'_> {
    fn passed(&self) -> bool {
        self.cells.iter().all(|cell| cell.class() == Class::Passed)
    }

    /// In words.
    fn at(&self) -> String {
        format!("{} {} {}", self.place.0, self.place.1, self.cells[0].on())
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
    /// What has changed at the places that both have, and which only one has. Where the kernels are
    /// others, as in a bisect, a place is a scenario with a card, if each matrix has but one kernel.
    pub fn between(before: &Matrix, now: &Matrix) -> Changes {
        let (old, new) = (plays(before), plays(now));
        let one = |plays: &[Plays<'_>]| plays.iter().all(|p| p.place.2 == plays[0].place.2);
        let any_kernel = one(&old) && one(&new);
        let mut changes = Changes { before: before.directory.clone(), ..Changes::default() };
        let same =
            |a: At<'_>, b: At<'_>| (a.0, a.1, a.3) == (b.0, b.1, b.3) && (any_kernel || a.2 == b.2);
        for plays in &old {
            if new.iter().any(|other| same(other.place, plays.place)) {
                continue;
            }
            let left_out = now.left_out.iter().find(|place| {
                same((&place.scenario, &place.card, &place.kernel, &place.driver), plays.place)
            });
            let why = left_out.map_or_else(
                || match plays.passed() {
                    true => "not played; it passed".to_owned(),
                    false => format!("not played; before, {}", plays.how()),
                },
                |place| format!("not played: {}", place.reason),
            );
            changes.gone.push(format!("{}: {why}", plays.at()));
        }
        for plays in &new {
            let place = plays.at();
            let Some(old) = old.iter().find(|other| same(other.place, plays.place)) else {
                match plays.passed() {
                    true => changes.new_passing.push(place),
                    false => changes.new_failing.push(format!("{place}: {}", plays.how())),
                }
                continue;
            };
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

    /// At the places that both have nothing is otherwise.
    pub fn verdicts_are_the_same(&self) -> bool {
        [&self.failing, &self.passing, &self.slower].iter().all(|lines| lines.is_empty())
    }

    /// Each list with its title, and the class of what is in it.
    pub fn lists(&self) -> [(&'static str, &'static str, &[String]); 6] {
        [
            ("newly failing", "failed", &self.failing),
            ("new, and failing", "failed", &self.new_failing),
            ("newly passing", "passed", &self.passing),
            ("slower", "not-run", &self.slower),
            ("new", "passed", &self.new_passing),
            ("gone", "not-run", &self.gone),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::matrix::LeftOut;

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
    fn a_place_that_is_left_out_now_says_why() {
        let mut now = matrix(&[("a", "7.3", "passed", 2.0)]);
        now.left_out = vec![LeftOut {
            scenario: "b".to_owned(),
            card: "7260".to_owned(),
            kernel: "7.3".to_owned(),
            driver: now.cells[0].driver.clone(),
            reason: "a reason".to_owned(),
        }];
        let before = matrix(&[("a", "7.3", "passed", 2.0), ("b", "7.3", "failed", 2.0)]);
        let changes = Changes::between(&before, &now);
        assert_eq!(changes.gone, ["b 7260 7.3: not played: a reason"]);
        assert!(changes.verdicts_are_the_same());
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
        assert_eq!(changes.new_failing, ["f 7260 7.3: failed: l"]);
        assert!(changes.gone.is_empty() && changes.new_passing.is_empty(), "{changes:?}");
        assert_eq!(changes.failing, ["a 7260 7.3: failed: l"]);
        assert_eq!(changes.passing, ["b 7260 7.3: before, failed: l"]);
        assert_eq!(changes.slower, ["c 7260 7.3: 9.0 s, before 2.0 s"]);
        let two = matrix(&[("a", "6.12", "passed", 2.0), ("a", "6.1", "passed", 2.0)]);
        let others = Changes::between(&two, &now);
        assert!(others.failing.is_empty() && others.passing.is_empty(), "no kernel is the same");
        assert_eq!(others.gone[0], "a 7260 6.12: not played; it passed");
        assert_eq!(
            (others.new_failing.len(), others.new_passing.len(), others.gone.len()),
            (3, 3, 2)
        );
        let one = Changes::between(&two, &matrix(&[("a", "6.1", "failed", 2.0)]));
        assert!(!one.verdicts_are_the_same());
    }
}
