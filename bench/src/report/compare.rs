//! Two runs side by side: where both took the same step, and where one of them alone did.
//!
//! Names that stand for the same in both, the driver's and its opmodes', are compared as one.

use std::fmt::Write;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::run::{Event, Run};
use super::words;
use crate::facts::driver::{Choice, Driver, all_choices};
use crate::facts::timeline::seconds;

/// A line of a run.
struct Line {
    /// When.
    t_ns: u64,
    /// As it is shown.
    shown: String,
    /// As it is compared.
    same: String,
    /// How often in a row.
    times: usize,
}

/// Two lines that are one, or one that the other run lacks.
enum Row {
    Both(usize, usize),
    Left(usize),
    Right(usize),
}

/// Lines of each that are compared at most: as much work as their product.
const MOST: usize = 4000;

/// How wide a column is.
const WIDTH: usize = 58;

/// The milestones of two runs, and the accesses of their drivers to the cards.
pub fn report(left: &Run, right: &Run) -> String {
    let mut out = String::new();
    let head = |run: &Run| format!("{} · {}", run.scenario(), run.combination());
    // A String takes any write.
    let _ = writeln!(out, "{} | {}", cell(&head(left), WIDTH + 10), head(right));
    for (title, lines) in [
        ("Milestones", milestones as fn(&Run) -> Vec<Line>),
        ("Registers (configuration space left out, repeats counted)", accesses),
    ] {
        let (a, b) = (lines(left), lines(right));
        if a.is_empty() && b.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}");
        let rows = align(&a, &b);
        let mut alone = 0;
        for row in &rows {
            let (mark, a, b) = match row {
                Row::Both(i, j) => (' ', a.get(*i), b.get(*j)),
                Row::Left(i) => ('<', a.get(*i), None),
                Row::Right(j) => ('>', None, b.get(*j)),
            };
            alone += usize::from(mark != ' ');
            let told = format!("{mark} {} | {}", side(a), side(b));
            let _ = writeln!(out, "{}", told.trim_end());
        }
        let common = rows.len() - alone;
        let _ = writeln!(out, "{common} in both, {alone} in one alone");
    }
    out
}

/// A line's half of a row.
fn side(line: Option<&Line>) -> String {
    let Some(line) = line else { return " ".repeat(WIDTH + 8) };
    let times = if line.times > 1 { format!(" ×{}", line.times) } else { String::new() };
    format!("{:>7.3} {}", seconds(line.t_ns), cell(&format!("{}{times}", line.shown), WIDTH))
}

fn cell(text: &str, width: usize) -> String {
    let short: String = match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    };
    let pad = width.saturating_sub(short.chars().count());
    short + &" ".repeat(pad)
}

/// The driver that a run was made with, as far as this bench knows it.
fn driver(run: &Run) -> Option<&'static Driver> {
    let name = run.record.as_ref()?.facts.get("driver")?.as_str()?;
    all_choices().find(|choice| choice.name() == name).map(Choice::described)
}

/// A text with what the driver's modules are called replaced by what stands for it in every driver.
fn common(text: &str, driver: Option<&Driver>) -> String {
    let Some(driver) = driver else { return text.to_owned() };
    let mut text = text.to_owned();
    // Longer names first: they begin with the driver's.
    for opmode in driver.opmodes {
        if let Some(stands_for) = driver.stands_for(opmode.module) {
            text = text.replace(opmode.module, &format!("${stands_for}"));
        }
    }
    let words = text.split(' ').map(|word| if word == driver.module { "$driver" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn milestones(run: &Run) -> Vec<Line> {
    let driver = driver(run);
    let line = |milestone: &super::run::Milestone| {
        let shown = format!("{}{}", run.whose(milestone), milestone.text());
        Line { t_ns: milestone.t_ns, same: common(&shown, driver), shown, times: 1 }
    };
    run.milestones().iter().map(line).collect()
}

/// Reads and writes of registers. What was read is no part of what is compared: a clock, a counter.
fn accesses(run: &Run) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let is_config = |event: &Event| {
        event.fields.get("space").and_then(|space| space.as_str()) == Some("config")
    };
    for event in run.events.iter().filter(|event| event.is_access() && !is_config(event)) {
        let shown = words::access(event);
        let same = match event.kind.as_str() {
            "reg-read" => shown.split(" = ").next().unwrap_or(&shown).to_owned(),
            _ => shown.clone(),
        };
        match lines.last_mut().filter(|last| last.same == same) {
            Some(last) => last.times += 1,
            None => lines.push(Line { t_ns: event.t_ns, shown, same, times: 1 }),
        }
    }
    lines
}

/// The longest that both have in common, and what each has beside. Of longer runs the rest is beside.
fn align(a: &[Line], b: &[Line]) -> Vec<Row> {
    let same = |lines: &[Line]| lines.iter().take(MOST).map(|l| l.same.clone()).collect::<Vec<_>>();
    let (left, right) = (same(a), same(b));
    let mut rows = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &left, &right) {
        let (old, new) = (op.old_range(), op.new_range());
        match op.tag() {
            DiffTag::Equal => rows.extend(old.zip(new).map(|(i, j)| Row::Both(i, j))),
            _ => rows.extend(old.map(Row::Left).chain(new.map(Row::Right))),
        }
    }
    rows.extend((left.len()..a.len()).map(Row::Left));
    rows.extend((right.len()..b.len()).map(Row::Right));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<Line> {
        let line = |name: &&str| {
            let (shown, same) = ((*name).to_owned(), (*name).to_owned());
            Line { t_ns: 0, shown, same, times: 1 }
        };
        names.iter().map(line).collect()
    }

    #[test]
    fn what_both_have_stands_in_one_row() {
        let (a, b) = (lines(&["p", "x", "q", "r"]), lines(&["p", "q", "y", "r", "s"]));
        let marks: String = align(&a, &b)
            .iter()
            .map(|row| match row {
                Row::Both(..) => '=',
                Row::Left(_) => '<',
                Row::Right(_) => '>',
            })
            .collect();
        assert_eq!(marks, "=<=>=>");
        assert_eq!(align(&a, &[]).len(), 4);
    }

    #[test]
    fn modules_that_stand_for_each_other_are_one() {
        let of = |name: &str| all_choices().find(|choice| choice.name() == name);
        let [stock, rust] = ["stock", "rust"].map(|name| of(name).expect("one").described());
        let told = |driver: &Driver, opmode: &str| {
            let text = format!("bound: 0 to {} asks for {opmode}", driver.module);
            common(&text, Some(driver))
        };
        assert_eq!(told(stock, "iwlmvm"), told(rust, "iwlrs_mvm"));
        assert_ne!(told(stock, "iwldvm"), told(rust, "iwlrs_mvm"));
    }

    #[test]
    fn a_cell_is_as_wide_as_it_is() {
        assert_eq!(cell("abc", 5), "abc  ");
        assert_eq!(cell("abcdef", 5), "abcd…");
    }
}
