//! A run as text, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use guest_protocol::GuestEvent;
use iwl_card::CardEvent;
use serde::Serialize;

use crate::facts::milestone::{Milestone, Reached};
use crate::facts::phases;
use crate::facts::timeline::seconds;
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::{self, complaint};
use crate::facts::verdict::Outcome;
use crate::record::files;
use crate::record::matrix::Cell;
use crate::record::run::Record;
use crate::report::words;

/// Last lines of the kernel log shown with a failure.
const LOG_TAIL: usize = 12;
/// Lines of a trace shown at most.
const TRACE: usize = 60;
/// Events shown on either side of a failed expectation's place.
const AROUND: usize = 4;
/// Columns of a wrapped list.
const WIDTH: usize = 100;

/// Colours, or none.
pub struct Paint(pub bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    /// What is well.
    pub fn good(&self, text: &str) -> String {
        self.with("32", text)
    }
    /// What is not.
    pub fn bad(&self, text: &str) -> String {
        self.with("1;31", text)
    }
    /// What matters less.
    pub fn faint(&self, text: &str) -> String {
        self.with("2", text)
    }
    /// A heading.
    pub fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }
}

/// A run for the terminal: timeline, expectations, verdict.
pub fn text(record: &Record, lab: &str, verbose: bool, colour: bool) -> String {
    let paint = Paint(colour);
    let mut out = String::new();
    let head = format!("{} · {} → {}", record.scenario, record.vars.card, record.vars.opmode);
    line(&mut out, &paint.bold(&head));
    line(&mut out, &paint.faint(lab));
    timeline(&mut out, record, verbose, &paint);
    expectations(&mut out, record, &paint);
    for note in &record.unmet {
        line(&mut out, &format!("  note: {note}"));
    }
    if record.verdict.outcome != Outcome::Passed {
        panic_trace(&mut out, record, &paint);
        kernel_log(&mut out, record, &paint);
    }
    if let Some(card) = &record.card {
        line(&mut out, &paint.faint(&unmodelled(card)));
    }
    let spent = phases::in_words(&record.phases);
    line(&mut out, &paint.faint(&format!("seconds: {spent}")));
    let word = record.verdict.outcome.word().to_uppercase();
    let word = if record.verdict.outcome == Outcome::Passed {
        paint.good(&word)
    } else {
        paint.bad(&word)
    };
    line(
        &mut out,
        &format!(
            "{word} {} {} in {:.1} s: {}",
            record.scenario, record.vars.card, record.seconds, record.verdict.line
        ),
    );
    if let Some(failed) = &record.verdict.failed {
        line(&mut out, &paint.faint(&format!("what failed: {failed}")));
    }
    line(&mut out, &paint.faint(&format!("run: {}", record.directory.display())));
    line(&mut out, "");
    out
}

/// A run with every event; `timeline.txt`.
pub fn full(record: &Record) -> String {
    text(record, &format!("kernel {} · QEMU {}", record.kernel.release, record.qemu), true, false)
}

/// A table of several runs.
pub fn totals(records: &[Record], colour: bool) -> String {
    let paint = Paint(colour);
    let mut out = String::new();
    for record in records {
        let word = record.verdict.outcome.word();
        let word = if record.verdict.outcome == Outcome::Passed {
            paint.good(&format!("{word:<17}"))
        } else {
            paint.bad(&format!("{word:<17}"))
        };
        line(
            &mut out,
            &format!(
                "{word} {:<20} {:<6} {:>6.1} s",
                record.scenario, record.vars.card, record.seconds
            ),
        );
    }
    for rate in rates(records).iter().filter(|rate| rate.runs > 1) {
        let outcomes = rate.outcomes.iter().map(|(word, count)| format!("{count} {word}"));
        let outcomes = outcomes.collect::<Vec<_>>().join(", ");
        line(&mut out, &format!("{} {}: {} runs: {outcomes}", rate.scenario, rate.card, rate.runs));
    }
    let passed = records.iter().filter(|r| r.verdict.outcome == Outcome::Passed).count();
    line(&mut out, &format!("{passed} of {} passed", records.len()));
    out
}

/// How often each outcome came of a scenario with a card.
#[derive(Debug, Serialize)]
pub struct Rate<'a> {
    scenario: &'a str,
    card: &'a str,
    runs: usize,
    /// By the outcome's word.
    outcomes: BTreeMap<&'static str, usize>,
}

/// The rates of some runs, in the order of each one's first.
pub fn rates(records: &[Record]) -> Vec<Rate<'_>> {
    let mut rates: Vec<Rate<'_>> = Vec::new();
    for record in records {
        let (scenario, card) = (record.scenario.as_str(), record.vars.card.as_str());
        let known = rates.iter().position(|rate| (rate.scenario, rate.card) == (scenario, card));
        let at = known.unwrap_or_else(|| {
            rates.push(Rate { scenario, card, runs: 0, outcomes: BTreeMap::new() });
            rates.len() - 1
        });
        rates[at].runs += 1;
        *rates[at].outcomes.entry(record.verdict.outcome.word()).or_default() += 1;
    }
    rates
}

/// The table of a matrix: a row for each scenario, card and kernel, however often it was played.
pub fn matrix(cells: &[Cell], planned: usize, seconds: f64, colour: bool) -> String {
    let paint = Paint(colour);
    let mut rows: Vec<(&Cell, Vec<&Cell>)> = Vec::new();
    let name = |c: &Cell| (c.scenario.clone(), c.card.clone(), c.kernel.clone());
    for cell in cells {
        match rows.iter_mut().find(|(first, _)| name(first) == name(cell)) {
            Some((_, all)) => all.push(cell),
            None => rows.push((cell, vec![cell])),
        }
    }
    let width = rows.iter().map(|(first, _)| first.scenario.len()).max().unwrap_or(0).max(8);
    let mut out = String::new();
    let head = format!("{:<width$}  {:<6} {:<24} {:>8}", "scenario", "card", "kernel", "median");
    line(&mut out, &paint.faint(&head));
    for (first, all) in &rows {
        let count = |wanted: &dyn Fn(&Cell) -> bool| all.iter().filter(|c| wanted(c)).count();
        let flaky = count(&|c| c.flaky);
        let passed = count(&|c| c.last().outcome == Outcome::Passed);
        let mut words = format!("{passed}/{} passed", all.len());
        if flaky > 0 {
            words += &format!(", {flaky} of them flaky");
        }
        let mut outcomes: Vec<_> = all.iter().map(|c| c.last().outcome.word()).collect();
        outcomes.retain(|word| *word != Outcome::Passed.word());
        outcomes.sort_unstable();
        outcomes.dedup();
        if !outcomes.is_empty() {
            words += &format!(": {}", outcomes.join(", "));
        }
        let good = passed == all.len() && flaky == 0;
        let words = if good { paint.good(&words) } else { paint.bad(&words) };
        let mut times: Vec<f64> = all.iter().map(|c| c.last().seconds).collect();
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        line(
            &mut out,
            &format!(
                "{:<width$}  {:<6} {:<24} {median:>6.1} s  {words}",
                first.scenario, first.card, first.kernel
            ),
        );
    }
    let passed = cells.iter().filter(|c| c.last().outcome == Outcome::Passed).count();
    let flaky = cells.iter().filter(|c| c.flaky).count();
    let mut last = format!("{passed} of {planned} passed");
    if flaky > 0 {
        last += &format!(", {flaky} of them only when tried again (flaky)");
    }
    if cells.len() < planned {
        last += &format!(", {} not played", planned - cells.len());
    }
    let rate = cells.len() as f64 / seconds.max(f64::MIN_POSITIVE) * 60.0;
    line(&mut out, &format!("{last}; {seconds:.1} s, {rate:.0} verdicts a minute"));
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn row(t_ns: u64, source: &str, text: &str, paint: &Paint) -> String {
    format!("{:>9.3}  {} {text}", seconds(t_ns), paint.faint(&format!("{source:<8}")))
}

fn timeline(out: &mut String, record: &Record, verbose: bool, paint: &Paint) {
    if verbose {
        for event in &record.events {
            line(out, &row(event.t_ns, event.source.label(), &words::line(event), paint));
        }
        return;
    }
    let mut cards: Vec<_> = record.milestones.iter().filter_map(|r| r.milestone.card()).collect();
    cards.dedup();
    // Where there are several, each line says which.
    let whose = |reached: &Reached| match reached.milestone.card() {
        Some(card) if cards.iter().any(|other| *other != card) => format!("{card}: "),
        _ => String::new(),
    };
    let mut milestones = record.milestones.iter().peekable();
    while let Some(reached) = milestones.next() {
        let source = source_of(record, reached);
        if let Milestone::NvmRead { .. } = reached.milestone {
            // A driver reads a dozen sections, most of them absent: one line.
            let mut present = Vec::new();
            let mut absent = 0;
            let mut note = |reached: &Reached| {
                if let Milestone::NvmRead { section, present: there, .. } = &reached.milestone {
                    if *there { present.push(section.clone()) } else { absent += 1 }
                }
            };
            note(reached);
            while let Some(next) = milestones.next_if(|r| {
                matches!(r.milestone, Milestone::NvmRead { .. })
                    && r.milestone.card() == reached.milestone.card()
            }) {
                note(next);
            }
            let absent = if absent > 0 { format!("; {absent} absent") } else { String::new() };
            let text = format!("{}NVM read: {}{absent}", whose(reached), present.join(", "));
            line(out, &row(reached.t_ns, source, &text, paint));
            continue;
        }
        let text = format!("{}{}", whose(reached), reached.milestone);
        let text = match &reached.milestone {
            bad if bad.is_bad() => paint.with("33", &text),
            Milestone::StepEnded { .. } => paint.faint(&text),
            _ => text,
        };
        line(out, &row(reached.t_ns, source, &text, paint));
    }
}

fn source_of(record: &Record, reached: &Reached) -> &'static str {
    usize::try_from(reached.seq)
        .ok()
        .and_then(|seq| record.events.get(seq))
        .map_or("", |event| event.source.label())
}

fn expectations(out: &mut String, record: &Record, paint: &Paint) {
    for judged in &record.expectations {
        let Some(failure) = &judged.failure else {
            line(out, &format!("  {} {}", paint.good("✓"), judged.that));
            continue;
        };
        line(out, &format!("  {} {}", paint.bad("✗"), judged.that));
        for text in failure.what.lines() {
            line(out, &format!("      {text}"));
        }
        if let Some(near) = failure.near.and_then(|n| usize::try_from(n).ok()) {
            for event in around(&record.events, near) {
                let marker = if event.seq == near as u64 { "  >" } else { "   " };
                let text = row(event.t_ns, event.source.label(), &words::line(event), paint);
                line(out, &format!("   {marker}{text}"));
            }
        }
    }
}

/// The events around one, register accesses left out: they would fill the screen.
fn around(events: &[Event], near: usize) -> impl Iterator<Item = &Event> {
    let telling = move |event: &&Event| event.seq == near as u64 || !is_access(event);
    let at = near.min(events.len());
    let mut before: Vec<_> = events[..at].iter().rev().filter(telling).take(AROUND).collect();
    before.reverse();
    before.into_iter().chain(events[at..].iter().filter(telling).take(AROUND + 1))
}

fn is_access(event: &Event) -> bool {
    matches!(
        event.what,
        What::Card { event: CardEvent::RegRead { .. } | CardEvent::RegWrite { .. }, .. }
    )
}

/// The card's totals, and every register that the driver used and the card gives no meaning to.
fn unmodelled(card: &iwl_card::Summary) -> String {
    let mut text = format!("card: {} register reads, {} writes", card.reads, card.writes);
    if card.unmodelled.is_empty() {
        return text;
    }
    text += "; without a model (kept as plain storage), with the number of accesses:";
    let mut column = WIDTH;
    for register in &card.unmodelled {
        let item = format!("{} {}", register.reg, register.reads + register.writes);
        if column + item.len() + 2 > WIDTH {
            text += "\n  ";
            column = 2;
        } else {
            text += ", ";
            column += 2;
        }
        column += item.len();
        text += &item;
    }
    if card.unmodelled_left_out > 0 {
        // A String takes any write.
        let _ = write!(text, "\n  and {} more", card.unmodelled_left_out);
    }
    text
}

/// What the kernel complained of, with its trace, if that decided the run; and the log's end.
fn kernel_log(out: &mut String, record: &Record, paint: &Paint) {
    let text = |event: &Event| match &event.what {
        What::Guest(GuestEvent::KernelLog { text, .. }) => Some(text.clone()),
        _ => None,
    };
    let (log, texts): (Vec<_>, Vec<_>) =
        record.events.iter().filter_map(|event| Some((event, text(event)?))).unzip();
    let decided = record.events.iter().find_map(|event| match &event.what {
        What::Bench(BenchEvent::KernelTrouble { text, .. }) => {
            (record.verdict.cause == Some(event.seq)).then_some(text)
        }
        _ => None,
    });
    let complaint =
        decided.map_or(0..0, |first| complaint(texts.iter().map(String::as_str), first));
    let tail = log.len().saturating_sub(LOG_TAIL).max(complaint.end)..log.len();
    for (title, lines) in
        [("the kernel complains:", complaint), ("the guest's kernel log ends:", tail)]
    {
        if lines.is_empty() {
            continue;
        }
        line(out, &format!("  {title}"));
        for event in &log[lines] {
            let text = row(event.t_ns, event.source.label(), &words::line(event), paint);
            line(out, &format!("   {text}"));
        }
    }
}

/// A panic's words, which only the console has: nobody in the guest could tell them.
fn panic_trace(out: &mut String, record: &Record, paint: &Paint) {
    if record.verdict.outcome != Outcome::GuestPanicked {
        return;
    }
    let console = std::fs::read(record.directory.join(files::CONSOLE)).unwrap_or_default();
    let console = String::from_utf8_lossy(&console);
    let lines: Vec<_> = console.lines().map(str::trim_end).collect();
    // What led to it may have been reported before it.
    let trouble = |text: &&str| {
        let text = text.split_once("] ").map_or(*text, |(_, text)| text);
        trouble::classify(text).is_some()
    };
    let ends = lines.len().saturating_sub(TRACE);
    let Some(at) = lines[ends..].iter().position(trouble) else { return };
    line(out, "  the guest's console ends:");
    for text in &lines[ends + at..] {
        line(out, &format!("   {}", paint.faint(text)));
    }
}
