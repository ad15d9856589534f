//! Drivers beside each other: what each scenario comes to with each of them, in a word.

use std::fmt::Write;

use strum::IntoEnumIterator;

use crate::facts::seen::Seen;
use crate::facts::verdict::Outcome;
use crate::record::matrix::Cell;
use crate::report::look::Look;

/// A play as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Play<'a> {
    /// Kernel release.
    pub kernel: &'a str,
    /// As `--driver` calls it.
    pub driver: &'a str,
    /// Scenario.
    pub scenario: &'a str,
    /// What is seen; nothing, if it never came to a run.
    pub seen: Option<&'a str>,
    /// It did not pass.
    pub failed: bool,
    /// The name of the run's directory.
    pub run: Option<&'a str>,
}

/// The table of a kernel.
pub struct Table<'a> {
    /// Its release.
    pub kernel: &'a str,
    /// The columns.
    pub drivers: Vec<&'a str>,
    /// A scenario, and its place with each driver.
    pub rows: Vec<(&'a str, Vec<Vec<Play<'a>>>)>,
}

fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut some = Vec::new();
    for one in all {
        if !some.contains(&one) {
            some.push(one);
        }
    }
    some
}

/// Tables of the kernels that were played with several drivers.
pub fn tables<'a>(plays: &[Play<'a>]) -> Vec<Table<'a>> {
    let of = |kernel: &'a str| {
        let plays: Vec<_> = plays.iter().filter(|play| play.kernel == kernel).copied().collect();
        let drivers = distinct(plays.iter().map(|play| play.driver));
        let at = |scenario, driver| {
            let here = |play: &&Play<'_>| (play.scenario, play.driver) == (scenario, driver);
            plays.iter().filter(here).copied().collect()
        };
        let rows = distinct(plays.iter().map(|play| play.scenario)).into_iter().map(|scenario| {
            (scenario, drivers.iter().map(|driver| at(scenario, *driver)).collect())
        });
        let rows = rows.collect();
        Table { kernel, drivers, rows }
    };
    let tables = distinct(plays.iter().map(|play| play.kernel)).into_iter().map(of);
    tables.filter(|table| table.drivers.len() > 1).collect()
}

/// What a place is seen as: a word, or several where its cards or rounds differ.
pub fn word(plays: &[Play<'_>]) -> String {
    let words = plays.iter().map(|play| match play.seen {
        Some("nothing") => Seen::Nothing.word(),
        Some(seen) => seen,
        None => "not run",
    });
    distinct(words).join("/").replace('-', " ")
}

/// The words of a table and what they mean.
pub fn legend(table: &Table<'_>) -> Vec<(&'static str, &'static str)> {
    let plays = || table.rows.iter().flat_map(|(_, places)| places).flatten();
    let there = |seen: &Seen| plays().any(|play| play.seen == Some(<&str>::from(*seen)));
    Seen::iter().filter(there).map(|seen| (seen.word(), seen.about())).collect()
}

/// For the terminal; empty where there is one driver alone.
pub fn table(cells: &[Cell], look: Look) -> String {
    let plays: Vec<_> = cells
        .iter()
        .map(|cell| Play {
            kernel: &cell.kernel,
            driver: cell.driver,
            scenario: &cell.scenario,
            seen: cell.last().seen.map(<&str>::from),
            failed: cell.last().outcome != Outcome::Passed,
            run: cell.last().directory.as_deref(),
        })
        .collect();
    let tables = tables(&plays);
    tables.iter().map(|table| text(table, look)).collect()
}

/// A name in the lines that it takes.
fn lines(driver: &str) -> Vec<&str> {
    driver.split_inclusive('-').collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn text(table: &Table<'_>, look: Look) -> String {
    let mut out = String::new();
    let marked = |plays: &[Play<'_>]| {
        let mark = if plays.iter().any(|play| play.failed) { "!" } else { "" };
        format!("{}{mark}", word(plays))
    };
    let name = table.rows.iter().map(|(scenario, _)| width(scenario)).max().unwrap_or(0);
    let columns: Vec<usize> = (0..table.drivers.len())
        .map(|column| {
            let words = table.rows.iter().map(|(_, places)| width(&marked(&places[column])));
            let head = lines(table.drivers[column]).into_iter().map(width);
            words.chain(head).max().unwrap_or(0)
        })
        .collect();
    let title = format!("what is seen of each driver · kernel {}", table.kernel);
    // A String takes any write, here and below.
    let _ = writeln!(out, "{}", look.bold(&look.wrapped(&title, 2)));
    let mut from = 0;
    while from < columns.len() {
        let mut to = from;
        let mut used = 2 + name;
        while to < columns.len() && (to == from || used + 2 + columns[to] <= look.width) {
            used += 2 + columns[to];
            to += 1;
        }
        let heads: Vec<_> = table.drivers[from..to].iter().map(|driver| lines(driver)).collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(0);
        for level in 0..height {
            let mut line = format!("  {:name$}", "");
            for (head, wide) in heads.iter().zip(&columns[from..to]) {
                // The last line of each stands on the table.
                let part = (level + head.len()).checked_sub(height).map_or("", |at| head[at]);
                let _ = write!(line, "  {part:wide$}");
            }
            let _ = writeln!(out, "{}", look.bold(line.trim_end()));
        }
        for (scenario, places) in &table.rows {
            let _ = write!(out, "  {scenario:name$}");
            for column in from..to {
                let place = &places[column];
                let word = marked(place);
                let space = if column + 1 == to { 0 } else { columns[column] - width(&word) };
                let styled = match place.iter().any(|play| play.failed) {
                    true => look.bad(&word),
                    false => look.good(&word),
                };
                let _ = write!(out, "  {styled}{}", " ".repeat(space));
            }
            out.push('\n');
        }
        out.push('\n');
        from = to;
    }
    for (word, about) in legend(table) {
        let _ = writeln!(out, "{}", look.wrapped(&format!("  {word:<12} {about}"), 15));
    }
    let failed = "  !            the scenario did not pass: its run is named above";
    let _ = writeln!(out, "{}", look.wrapped(failed, 15));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::look;

    fn play<'a>(driver: &'a str, scenario: &'a str, seen: &'a str) -> Play<'a> {
        let (kernel, failed) = ("7.3.4", seen == "hang");
        Play { kernel, driver, scenario, seen: Some(seen), failed, run: None }
    }

    const DRIVERS: [&str; 8] = [
        "stock",
        "sync-print",
        "sync-verify",
        "nowait-verify",
        "nowait-verify-mail",
        "nowait",
        "locked-sync",
        "async-sync",
    ];

    #[test]
    fn each_driver_has_its_column_and_a_terminal_room_for_it() {
        let mut plays: Vec<_> = DRIVERS
            .iter()
            .map(|driver| play(driver, "opmode-dependency-missing", "false-alarm"))
            .collect();
        plays.push(play("stock", "modprobe-slow", "loaded"));
        plays.push(play("stock", "modprobe-slow", "hang"));
        let tables = tables(&plays);
        let [table] = &tables[..] else { panic!("one table") };
        assert_eq!(table.drivers, DRIVERS);
        let text = text(table, Look { colour: false, width: look::WIDTH });
        for line in text.lines() {
            assert!(line.chars().count() <= look::WIDTH, "{line}");
        }
        assert_eq!(text.matches("false alarm ").count() + text.matches("false alarm\n").count(), 9);
        assert!(text.contains("loaded/hang!"), "{text}");
        assert!(text.contains("nowait-\n") && text.contains("mail"), "{text}");
    }

    #[test]
    fn one_driver_needs_no_table() {
        assert!(tables(&[play("stock", "a", "loaded"), play("stock", "b", "hang")]).is_empty());
        let two =
            [play("stock", "a", "loaded"), Play { kernel: "6.12", ..play("nowait", "a", "hang") }];
        assert!(tables(&two).is_empty(), "of two kernels nothing is compared");
    }
}
