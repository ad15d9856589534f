//! Two runs side by side: where both took the same step, and where one of them alone did.
//!
//! Names that stand for the same in both, the driver's and its opmodes', are compared as one.

use std::fmt::Write;
use std::path::Path;

use indexmap::IndexMap;
use serde::Serialize;
use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::accesses::{self, Counts, Line, Registers};
use super::look::Look;
use super::run::Run;
use crate::facts::driver::{Choice, Driver, all_choices};
use crate::facts::timeline::seconds;

/// Two lines that are one, or one that the other run lacks.
#[derive(Serialize)]
struct Row {
    left: Option<Line>,
    right: Option<Line>,
}

impl Row {
    fn is_common(&self) -> bool {
        self.left.is_some() && self.right.is_some()
    }
}

/// One of the runs.
#[derive(Serialize)]
struct Side<'a> {
    directory: &'a Path,
    scenario: String,
    /// What it was made of.
    combination: String,
}

/// Two runs beside each other; `compare --json`.
#[derive(Serialize)]
pub struct Comparison<'a> {
    format: u32,
    left: Side<'a>,
    right: Side<'a>,
    milestones: Vec<Row>,
    registers: Vec<Row>,
    #[serde(skip)]
    short: Option<Short>,
}

/// Of the registers, what is told where not each access is.
struct Short {
    /// How often each had the MAC kept awake.
    woken: [usize; 2],
    /// Registers that one alone accesses.
    alone: [Vec<(String, Counts)>; 2],
    /// How many both do.
    both: usize,
}

/// Lines of each that are compared at most: as much work as their product.
const MOST: usize = 4000;

/// Where the text of a row begins.
const TEXT_AT: usize = 20;

impl<'a> Comparison<'a> {
    /// The milestones of two runs, and the accesses of their drivers to the cards: the `whole` of them, or in
    /// short.
    pub fn of(left: &'a Run, right: &'a Run, whole: bool) -> Comparison<'a> {
        let side = |run: &'a Run| Side {
            directory: &run.directory,
            scenario: run.scenario(),
            combination: run.combination(),
        };
        let (registers, short) = match whole {
            true => (align(accesses::whole(left), accesses::whole(right)), None),
            false => {
                let [a, b] = [left, right].map(accesses::condensed);
                let short = Short {
                    woken: [a.woken, b.woken],
                    alone: [beside(&a.counts, &b.counts), beside(&b.counts, &a.counts)],
                    both: a.counts.keys().filter(|reg| b.counts.contains_key(*reg)).count(),
                };
                (align(a.lines, b.lines), Some(short))
            }
        };
        Comparison {
            format: 1,
            left: side(left),
            right: side(right),
            milestones: align(milestones(left), milestones(right)),
            registers,
            short,
        }
    }

    /// For people.
    pub fn text(&self, look: Look) -> String {
        let mut out = String::new();
        for (mark, side) in [('<', &self.left), ('>', &self.right)] {
            let head = format!("{mark} {} · {}", side.scenario, side.combination);
            // A String takes any write.
            let _ = writeln!(out, "{}", look.wrapped(&head, 4));
        }
        for (title, rows) in
            [("Milestones", &self.milestones), (self.of_registers(), &self.registers)]
        {
            if rows.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{}", look.bold(title));
            out.extend(rows.iter().map(|row| told(row, look)));
            let common = rows.iter().filter(|row| row.is_common()).count();
            let alone = rows.len() - common;
            let _ = writeln!(out, "{common} in both, {alone} in one alone");
        }
        if let Some(short) = self.short.as_ref().filter(|_| !self.registers.is_empty()) {
            out += &short.text(look);
        }
        out
    }

    fn of_registers(&self) -> &'static str {
        match self.short {
            None => "Registers (configuration space left out, repeats counted)",
            Some(_) => "Registers (loops folded, RW: read and changed; `--whole` has each access)",
        }
    }
}

impl Short {
    fn text(&self, look: Look) -> String {
        let [a, b] = self.woken;
        let both = match self.both {
            1 => "1 register in both".to_owned(),
            n => format!("{n} registers in both"),
        };
        let mut lines = vec![format!("{both}; left out: the MAC kept awake, {a} and {b} times")];
        for (mark, alone) in ['<', '>'].into_iter().zip(&self.alone) {
            let told = alone.iter().map(|(reg, counts)| format!("{reg} {counts}"));
            let told: Vec<_> = told.collect();
            if !told.is_empty() {
                lines.push(format!("{mark} alone: {}", told.join(", ")));
            }
        }
        lines.iter().map(|line| look.wrapped(line, 2) + "\n").collect()
    }
}

/// The registers that the other does not access; several of an array are one.
fn beside(own: &Registers, other: &Registers) -> Vec<(String, Counts)> {
    let mut alone: IndexMap<&str, (Counts, Option<&str>)> = IndexMap::new();
    for (reg, counts) in own.iter().filter(|(reg, _)| !other.contains_key(*reg)) {
        let array = reg.split('(').next().unwrap_or(reg);
        let only = match alone.get(array) {
            None => Some(reg.as_str()),
            Some(_) => None,
        };
        let (sum, name) = alone.entry(array).or_insert((Counts::default(), only));
        *sum = Counts { reads: sum.reads + counts.reads, writes: sum.writes + counts.writes };
        *name = only;
    }
    let name = |array: &str, only: Option<&str>| only.map_or(format!("{array}(…)"), str::to_owned);
    alone.into_iter().map(|(array, (sum, only))| (name(array, only), sum)).collect()
}

/// A row: both times, and the text once if it is the same.
fn told(row: &Row, look: Look) -> String {
    let (a, b) = (row.left.as_ref(), row.right.as_ref());
    let mark = match (a, b) {
        (Some(_), None) => '<',
        (None, Some(_)) => '>',
        _ => ' ',
    };
    let time = |line: Option<&Line>| match line {
        Some(line) => format!("{:>7.3}", seconds(line.t_ns)),
        None => " ".repeat(7),
    };
    let text = |line: &Line| match line.times {
        1 => line.shown.clone(),
        times => format!("{} ×{times}", line.shown),
    };
    let mut texts: Vec<_> = a.into_iter().chain(b).map(text).collect();
    texts.dedup();
    let mut head = format!("{mark} {}  {}  ", time(a), time(b));
    let mut out = String::new();
    for text in texts {
        out += &look.wrapped(&format!("{head}{text}"), TEXT_AT + 2);
        out.push('\n');
        // What differs in the other stands below.
        head = " ".repeat(TEXT_AT);
    }
    out
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

/// The longest that both have in common, and what each has beside. Of longer runs the rest is beside.
fn align(a: Vec<Line>, b: Vec<Line>) -> Vec<Row> {
    let same = |lines: &[Line]| lines.iter().take(MOST).map(|l| l.same.clone()).collect::<Vec<_>>();
    let operations = capture_diff_slices(Algorithm::Myers, &same(&a), &same(&b));
    // Operations take both in their order.
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut rows = Vec::new();
    for operation in operations {
        let (old, new) = (operation.old_range().len(), operation.new_range().len());
        if operation.tag() == DiffTag::Equal {
            let both = a.by_ref().take(old).zip(b.by_ref().take(new));
            rows.extend(both.map(|(a, b)| Row { left: Some(a), right: Some(b) }));
        } else {
            rows.extend(a.by_ref().take(old).map(|a| Row { left: Some(a), right: None }));
            rows.extend(b.by_ref().take(new).map(|b| Row { left: None, right: Some(b) }));
        }
    }
    rows.extend(a.map(|a| Row { left: Some(a), right: None }));
    rows.extend(b.map(|b| Row { left: None, right: Some(b) }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::look;

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
        let rows = align(a, b);
        let marks = rows.iter().map(|row| match (&row.left, &row.right) {
            (Some(a), Some(b)) => {
                assert_eq!(a.shown, b.shown);
                '='
            }
            (Some(_), None) => '<',
            _ => '>',
        });
        assert_eq!(marks.collect::<String>(), "=<=>=>");
        assert_eq!(align(lines(&["p", "x"]), Vec::new()).len(), 2);
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
    fn what_is_the_same_is_told_once() {
        let look = Look { colour: false, width: look::WIDTH };
        let line = |t_ns, shown: &str, times| {
            Some(Line { t_ns, shown: shown.to_owned(), same: "R".to_owned(), times })
        };
        let a = || line(1_000_000, "R CSR_RESET = 0x0", 1);
        let of = |left, right| told(&Row { left, right }, look);
        assert_eq!(of(a(), a()), "    0.001    0.001  R CSR_RESET = 0x0\n");
        assert_eq!(of(a(), None), "<   0.001           R CSR_RESET = 0x0\n");
        let both = of(a(), line(12_000_000_000, "R CSR_RESET = 0x1", 2));
        let below = format!("{:20}R CSR_RESET = 0x1 ×2\n", "");
        assert_eq!(both, format!("    0.001   12.000  R CSR_RESET = 0x0\n{below}"));
        let long = of(line(0, &"word ".repeat(30), 1), None);
        assert!(long.lines().all(|line| line.len() <= look::WIDTH), "{long}");
    }
}
