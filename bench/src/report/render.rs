//! A run as text, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use guest_protocol::GuestEvent;
use serde::Serialize;

use crate::facts::driver::STOCK;
use crate::facts::milestone::{self, Milestone, Reached};
use crate::facts::phases;
use crate::facts::timeline::seconds;
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::{self, complaint};
use crate::facts::verdict::{Class, Outcome};
use crate::record::files;
use crate::record::matrix::{self, Attempt, Cell, LeftOut, Standing};
use crate::record::run::Record;
use crate::report::baseline::Changes;
use crate::report::look::{Look, NO_BREAK};
use crate::report::words;

/// Last lines of the kernel log shown with a failure.
const LOG_TAIL: usize = 12;
/// Lines of a trace shown at most.
const TRACE: usize = 60;
/// Events shown on either side of a failed expectation's place.
const AROUND: usize = 4;
/// A run for the terminal: timeline, expectations, verdict. All that is known of it if `verbose`.
pub fn text(record: &Record, verbose: bool, look: Look) -> String {
    let mut out = String::new();
    let passed = record.verdict.outcome == Outcome::Passed;
    let mut head = format!("{} · {}", record.scenario, record.vars.card);
    // Where its driver was left out for one's own, the card's opmode is not asked for.
    let module = record.vars.driver.module;
    if record.modules.is_empty() || record.modules.iter().any(|there| there.name == module) {
        let _ = write!(head, " → {}", record.vars.opmode);
    }
    line(&mut out, &look.bold(&look.wrapped(&head, 2)));
    if !record.identity.is_empty() {
        let identity = format!("{} is here {}", record.vars.card, record.identity);
        line(&mut out, &look.faint(&look.wrapped(&identity, 2)));
    }
    let accel = record.accel.word();
    let (kernel, driver) = (&record.kernel.release, driver(record.driver));
    let mut lab = format!("kernel {kernel}{driver} · QEMU {} · {accel}", record.qemu);
    if verbose {
        // A String takes any write.
        let _ = write!(lab, " ({})", record.accel_why);
    }
    line(&mut out, &look.faint(&look.wrapped(&lab, 2)));
    for module in &record.modules {
        if let Some(file) = &module.own {
            let own = format!("own module {} from {}", module.name, file.display());
            line(&mut out, &look.faint(&look.wrapped(&own, 2)));
        }
    }
    timeline(&mut out, record, verbose, look);
    // Of a guest that did not come so far they were judged on nothing.
    if record.verdict.outcome.class() != Class::NotRun {
        expectations(&mut out, record, look);
    }
    for note in &record.unmet {
        line(&mut out, &look.wrapped(&format!("  note: {note}"), 4));
    }
    if !passed {
        let told = panic_trace(&mut out, record, look);
        kernel_log(&mut out, record, &told, look);
    }
    if let Some(card) = &record.card {
        let first = record.vars.card.as_str();
        let mut cards = record.milestones.iter().filter_map(|reached| reached.milestone.card());
        let whose =
            if cards.any(|other| other != first) { format!(" {first}") } else { String::new() };
        unmodelled(&mut out, &whose, card, verbose || !passed, look);
    }
    let spent = format!("seconds: {}", phases::in_words(&record.phases));
    line(&mut out, &look.faint(&look.wrapped(&spent, 2)));
    let (scenario, card, took) = (&record.scenario, &record.vars.card, record.seconds);
    let word = record.verdict.outcome.word().to_uppercase();
    let told = format!("{word} {scenario} {card} in {took:.1} s: {}", record.verdict.line);
    let told = look.wrapped(&told, 2);
    let rest = told.strip_prefix(&word).unwrap_or_default();
    let word = if passed { look.good(&word) } else { look.bad(&word) };
    line(&mut out, &format!("{word}{rest}"));
    if let Some(failed) = &record.verdict.failed {
        line(&mut out, &look.faint(&look.wrapped(&format!("what failed: {failed}"), 2)));
    }
    if let Some(again) = record.cited.again.as_ref().filter(|_| verbose || !passed) {
        line(&mut out, &look.faint(&look.command("again: ", again)));
    }
    line(&mut out, &look.faint(&format!("run: {}", record.directory.display())));
    line(&mut out, "");
    out
}

/// A driver that is not the kernel's own, as it stands behind the kernel.
pub fn driver(name: &str) -> String {
    match name {
        STOCK => String::new(),
        name => format!(" · driver {name}"),
    }
}

/// A run with every event; `timeline.txt`.
pub fn full(record: &Record) -> String {
    text(record, true, Look::FILE)
}

/// A run that did not pass, in a line, for those who are shown no more.
pub fn failure(record: &Record) -> String {
    let (scenario, card) = (&record.scenario, &record.vars.card);
    format!("{scenario} {card}: {}: {}", record.verdict.outcome.word(), record.verdict.line)
}

/// The kernel log as `dmesg` prints it.
pub fn dmesg(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        if let Some(text) = event.kernel_log() {
            let t = seconds(event.guest_ns.unwrap_or(event.t_ns));
            line(&mut out, &format!("[{t:>12.6}] {text}"));
        }
    }
    out
}

/// A table of several runs.
pub fn totals(records: &[Record], look: Look) -> String {
    let mut out = String::new();
    let width = records.iter().map(|record| record.scenario.len()).max().unwrap_or(0);
    for record in records {
        let word = record.verdict.outcome.word();
        let word = if record.verdict.outcome == Outcome::Passed {
            look.good(&format!("{word:<17}"))
        } else {
            look.bad(&format!("{word:<17}"))
        };
        let (scenario, card, took) = (&record.scenario, &record.vars.card, record.seconds);
        line(&mut out, &format!("{word} {scenario:<width$}  {card:<7} {took:>6.1} s"));
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

/// A place of a matrix, however often it was played.
type Place<'a> = (String, &'a str, &'a str);

/// The table of a matrix: a row for each scenario and card, kernel by kernel.
pub fn matrix(cells: &[Cell], planned: usize, seconds: f64, look: Look) -> String {
    let mut rows: Vec<(Place<'_>, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        let place = (cell.on(), cell.scenario.as_str(), cell.card.as_str());
        match rows.iter_mut().find(|(known, _)| *known == place) {
            Some((_, all)) => all.push(cell),
            None => rows.push((place, vec![cell])),
        }
    }
    let width = rows.iter().map(|((_, scenario, _), _)| scenario.len()).max().unwrap_or(0).max(8);
    let mut out = String::new();
    let mut kernels: Vec<&str> = Vec::new();
    for ((kernel, _, _), _) in &rows {
        if !kernels.contains(&kernel.as_str()) {
            kernels.push(kernel);
        }
    }
    // Of a kernel the drivers stay in their order.
    kernels.sort_by_key(|on| on.split(' ').next());
    for kernel in kernels {
        line(&mut out, &look.bold(&format!("kernel {kernel}")));
        for ((_, scenario, card), all) in rows.iter().filter(|((of, _, _), _)| of == kernel) {
            let mut times: Vec<f64> = all.iter().map(|c| c.last().seconds).collect();
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            let words = outcome_of(all, look);
            line(&mut out, &format!("  {scenario:<width$}  {card:<7}{median:>6.1} s  {words}"));
        }
    }
    let passed = cells.iter().filter(|c| c.last().outcome == Outcome::Passed).count();
    let flaky = cells.iter().filter(|c| c.flaky).count();
    let mut last = format!("{passed} of {planned} passed");
    // A String takes any write.
    if flaky > 0 {
        let _ = write!(last, ", {flaky} of them only when tried again (flaky)");
    }
    if cells.len() < planned {
        let _ = write!(last, ", {} not played", planned - cells.len());
    }
    let standing = |wanted| cells.iter().filter(|c| c.standing() == wanted).count();
    match standing(Standing::Known) {
        0 => {}
        n => drop(write!(last, ", {n} failed as known")),
    }
    match standing(Standing::Gone) {
        0 => {}
        n => drop(write!(last, ", {n} known to fail passed")),
    }
    let rate = cells.len() as f64 / seconds.max(f64::MIN_POSITIVE) * 60.0;
    let last = format!("{last}; {seconds:.1} s, {rate:.0} verdicts a minute");
    line(&mut out, &look.wrapped(&last, 2));
    let count = |wanted: fn(&Cell) -> bool| cells.iter().filter(|cell| wanted(cell)).count();
    let (first, unexplained) = (count(Cell::at_first_try), count(Cell::is_unexplained));
    let verdicts = cells.len();
    let last =
        format!("{verdicts} verdicts: {first} at the first try, {unexplained} failed or flaky");
    line(&mut out, &look.wrapped(&last, 2));
    out
}

/// What was not played, reason by reason.
pub fn left_out(places: &[LeftOut], look: Look) -> String {
    let mut out = String::new();
    for (reason, places) in matrix::by_reason(places) {
        let said = format!("left out, {}: {reason}", matrix::counted(&places));
        line(&mut out, &look.wrapped(&said, 2));
    }
    out
}

/// What all plays of a place came to.
fn outcome_of(all: &[&Cell], look: Look) -> String {
    let count = |wanted: &dyn Fn(&Cell) -> bool| all.iter().filter(|c| wanted(c)).count();
    let flaky = count(&|c| c.flaky);
    let passed = count(&|c| c.last().outcome == Outcome::Passed);
    let mut outcomes: Vec<_> = all.iter().map(|c| c.last().outcome.word()).collect();
    outcomes.retain(|word| *word != Outcome::Passed.word());
    outcomes.sort_unstable();
    outcomes.dedup();
    let words = match (all.len(), flaky) {
        (1, 0) if passed == 1 => "passed".to_owned(),
        (1, 0) => outcomes.join(", "),
        (1, _) => "passed (flaky)".to_owned(),
        (n, flaky) => {
            let mut words = format!("{passed}/{n} passed");
            if flaky > 0 {
                words += &format!(", {flaky} of them flaky");
            }
            if !outcomes.is_empty() {
                words += &format!(": {}", outcomes.join(", "));
            }
            words
        }
    };
    let standing = |wanted: Standing| all.iter().any(|c| c.standing() == wanted);
    if standing(Standing::Gone) {
        look.bad(&format!("{words}, though known to fail"))
    } else if standing(Standing::Failed) {
        look.bad(&words)
    } else if standing(Standing::Known) {
        look.warning(&format!("{words}, as known"))
    } else if flaky > 0 {
        look.warning(&words)
    } else {
        look.good(&words)
    }
}

/// Each place that is known to fail: first those that do, last those that do not any more.
pub fn known_failures(cells: &[Cell], look: Look) -> String {
    let mut out = String::new();
    for cell in cells.iter().filter(|cell| cell.standing() == Standing::Known) {
        line(&mut out, &look.warning(&look.wrapped(&known(cell), 2)));
    }
    for cell in cells.iter().filter(|cell| cell.standing() == Standing::Gone) {
        line(&mut out, &look.bad(&look.wrapped(&known(cell), 2)));
    }
    out
}

/// Each place that did not pass at once, with its runs' directories in that of the matrix: first
/// what is known, last what is to be looked at.
pub fn failures(cells: &[Cell], directory: &Path, look: Look) -> String {
    let mut out = known_failures(cells, look);
    for cell in cells.iter().filter(|cell| cell.standing() != Standing::Known) {
        for (alike, note) in failed(cell) {
            let word = alike[0].outcome.word();
            let head = format!("{} {} {}: {word}{note}", cell.scenario, cell.card, cell.on());
            let head = look.wrapped(&head, 2);
            line(&mut out, &if cell.flaky { look.warning(&head) } else { look.bad(&head) });
            line(&mut out, &look.wrapped(&format!("  {}", alike[0].line), 2));
            for run in alike.iter().filter_map(|attempt| attempt.directory.as_ref()) {
                line(&mut out, &look.faint(&format!("  {}", directory.join(run).display())));
            }
        }
    }
    out
}

/// Places that a text tells of those that one of two matrices alone has, and that do not fail.
const MOST_OF_ONE: usize = 10;

/// What is otherwise than in the earlier matrix.
pub fn changes(changes: &Changes, look: Look) -> String {
    let mut out = String::new();
    for (title, _, places) in changes.lists() {
        // What one matrix alone has may be most of it; the page and the JSON have all.
        let most = match title {
            "new" | "gone" => MOST_OF_ONE,
            _ => usize::MAX,
        };
        for place in places.iter().take(most) {
            line(&mut out, &look.wrapped(&format!("{title}: {place}"), 2));
        }
        if let more @ 1.. = places.len().saturating_sub(most) {
            line(&mut out, &format!("{title}: {more} more"));
        }
    }
    if changes.verdicts_are_the_same() {
        let before = changes.before.display();
        let both = match changes.lists().iter().all(|(_, _, places)| places.is_empty()) {
            true => "no verdict has changed",
            false => "at the places that both have no verdict has changed",
        };
        line(&mut out, &look.wrapped(&format!("{both} since {before}"), 2));
    }
    out
}

/// What fails that did not before, a line each.
pub fn newly_failing(changes: &Changes) -> impl Iterator<Item = String> + '_ {
    let lists = changes.lists().into_iter().filter(|(_, class, _)| *class == "failed");
    lists.flat_map(|(title, _, places)| places.iter().map(move |place| format!("{title}: {place}")))
}

/// What a place that is known to fail came to.
pub fn known(cell: &Cell) -> String {
    let place = format!("{} {} {}", cell.scenario, cell.card, cell.on());
    match &cell.known {
        Some(known) => format!("{place}: {}", known.told(cell.last().outcome.word())),
        None => place,
    }
}

/// The same, a line each, with the last of its runs in the matrix' directory.
pub fn failures_in_lines<'a>(
    cells: &'a [Cell],
    directory: &'a Path,
) -> impl Iterator<Item = String> + 'a {
    let is_known = |cell: &&Cell| cell.known.is_some();
    let unknown = cells.iter().filter(|cell| cell.standing() != Standing::Known);
    cells.iter().filter(is_known).map(known).chain(unknown.flat_map(move |cell| {
        failed(cell).into_iter().map(move |(alike, note)| {
            let Attempt { outcome, line, .. } = alike[0];
            let (scenario, card, kernel) = (&cell.scenario, &cell.card, cell.on());
            let run = alike.iter().filter_map(|attempt| attempt.directory.as_ref()).next_back();
            let run = run
                .map_or(String::new(), |run| format!("; run: {}", directory.join(run).display()));
            format!("{scenario} {card} {kernel}: {}: {line}{note}{run}", outcome.word())
        })
    }))
}

/// The attempts that failed, those together that came to the same, and what to say of them.
fn failed(cell: &Cell) -> Vec<(Vec<&Attempt>, String)> {
    let failed: Vec<_> = cell.attempts.iter().filter(|a| a.outcome != Outcome::Passed).collect();
    let alike = |a: &&Attempt, b: &&Attempt| (a.outcome, &a.line) == (b.outcome, &b.line);
    let with_note = |alike: &[&'_ Attempt]| match (cell.flaky, alike.len()) {
        (true, _) => " (flaky: it passed when tried again)".to_owned(),
        (false, 1) => String::new(),
        (false, times) => format!(" ({times} times)"),
    };
    failed.chunk_by(alike).map(|alike| (alike.to_vec(), with_note(alike))).collect()
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Where the text of a row begins.
const TEXT_AT: usize = 20;

/// A moment's row; what comes after its source may be styled.
fn row(t_ns: u64, source: &str, text: &str, style: impl Fn(&str) -> String, look: Look) -> String {
    let head = format!("{:>9.3}  {source:<8} ", seconds(t_ns));
    let told = look.wrapped(&format!("{head}{text}"), TEXT_AT);
    let rest = told.strip_prefix(&head).unwrap_or_default();
    format!("{:>9.3}  {} {}", seconds(t_ns), look.faint(&format!("{source:<8}")), style(rest))
}

/// The section that a milestone says was read, and whether it is there.
fn read_of(reached: &Reached) -> Option<(&str, bool)> {
    match &reached.milestone {
        Milestone::NvmRead { section, present, .. } => Some((section, *present)),
        _ => None,
    }
}

fn timeline(out: &mut String, record: &Record, verbose: bool, look: Look) {
    if verbose {
        for event in &record.events {
            let text = words::line(event);
            line(out, &row(event.t_ns, event.source.label(), &text, str::to_owned, look));
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
        if let Some(first) = read_of(reached) {
            let mut reads = vec![first];
            while let Some(next) = milestones
                .next_if(|r| r.milestone.card() == reached.milestone.card() && read_of(r).is_some())
            {
                reads.extend(read_of(next));
            }
            let text = format!("{}{}", whose(reached), milestone::nvm_words(reads));
            line(out, &row(reached.t_ns, source, &text, str::to_owned, look));
            continue;
        }
        let text = format!("{}{}", whose(reached), reached.milestone);
        let style = |text: &str| match &reached.milestone {
            bad if bad.is_bad() => look.warning(text),
            Milestone::StepEnded { .. } => look.faint(text),
            _ => text.to_owned(),
        };
        line(out, &row(reached.t_ns, source, &text, style, look));
    }
}

fn event_of<'r>(record: &'r Record, reached: &Reached) -> Option<&'r Event> {
    usize::try_from(reached.seq).ok().and_then(|seq| record.events.get(seq))
}

fn source_of(record: &Record, reached: &Reached) -> &'static str {
    event_of(record, reached).map_or("", |event| event.source.label())
}

fn expectations(out: &mut String, record: &Record, look: Look) {
    for judged in &record.expectations {
        let Some(failure) = &judged.failure else {
            line(out, &mark(&look.good("✓"), &judged.that, look));
            continue;
        };
        line(out, &mark(&look.bad("✗"), &judged.that, look));
        for text in failure.what.lines() {
            line(out, &look.wrapped(&format!("      {text}"), 8));
        }
        if let Some(near) = failure.near.and_then(|n| usize::try_from(n).ok()) {
            for event in around(&record.events, near) {
                let marker = if event.seq == near as u64 { "  >" } else { "   " };
                indented(out, marker, event, look);
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
    matches!(&event.what, What::Card { event, .. } if event.accesses() > 0)
}

/// An expectation with its mark.
fn mark(mark: &str, that: &str, look: Look) -> String {
    let told = look.wrapped(&format!("    {that}"), 4);
    format!("  {mark} {}", told.trim_start())
}

/// An event in evidence of something, to the right of what it is evidence of.
fn indented(out: &mut String, marker: &str, event: &Event, look: Look) {
    let text = words::line(event);
    let row = row(event.t_ns, event.source.label(), &text, str::to_owned, look.narrower(6));
    for (n, part) in row.lines().enumerate() {
        let marker = if n == 0 { marker } else { "" };
        line(out, &format!("   {marker:<3}{part}"));
    }
}

/// The totals of a card, the name of which is told where there are others; by name if `named`, every register that the driver used and the card gives no
/// meaning to.
fn unmodelled(out: &mut String, whose: &str, card: &iwl_card::Summary, named: bool, look: Look) {
    let mut text = format!("card{whose}: {} register reads, {} writes", card.reads, card.writes);
    match card.unmodelled.len() {
        n if n == 0 || !named => text += &words::unmodelled(n),
        _ => text += "; without a model (kept as plain storage), with the number of accesses:",
    }
    line(out, &look.faint(&look.wrapped(&text, 2)));
    if card.unmodelled.is_empty() || !named {
        return;
    }
    // A register and its number stay together.
    let item = |r: &iwl_card::Unmodelled| format!("{}{NO_BREAK}{}", r.reg, r.reads + r.writes);
    let items = card.unmodelled.iter().map(item).collect::<Vec<_>>().join(", ");
    let items = look.wrapped(&format!("  {items}"), 2);
    line(out, &look.faint(&items));
    if card.unmodelled_left_out > 0 {
        line(out, &look.faint(&format!("  and {} more", card.unmodelled_left_out)));
    }
}

/// What the kernel complained of, with its trace, if that decided the run; and the log's end, without
/// what the console was `told` too.
fn kernel_log(out: &mut String, record: &Record, told: &str, look: Look) {
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
    // Behind an oops' trace the kernel has its registers once more.
    let said: BTreeSet<_> = texts[complaint.clone()].iter().collect();
    for (title, lines, said) in [
        ("the kernel complains:", complaint, BTreeSet::new()),
        ("the guest's kernel log ends:", tail, said),
    ] {
        if lines.is_empty() {
            continue;
        }
        let news: Vec<_> = log[lines.clone()]
            .iter()
            .zip(&texts[lines])
            .filter(|(_, text)| !told.contains(text.trim_end()) && !said.contains(text))
            .collect();
        if !news.is_empty() {
            line(out, &format!("  {title}"));
        }
        for (event, _) in news {
            indented(out, "", event, look);
        }
    }
}

/// A panic's words, which only the console has: nobody in the guest could tell them. Returns them.
fn panic_trace(out: &mut String, record: &Record, look: Look) -> String {
    if record.verdict.outcome != Outcome::GuestPanicked {
        return String::new();
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
    let Some(at) = lines[ends..].iter().position(trouble) else { return String::new() };
    line(out, "  the guest's console ends:");
    for text in &lines[ends + at..] {
        line(out, &format!("   {}", look.faint(text)));
    }
    lines[ends + at..].join("\n")
}
