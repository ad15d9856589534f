//! The page of a matrix: a table of verdicts, what went wrong, and the timeline of each run.

use std::fmt::Write;

use super::dialog::{self, Pictures, Play, Shown, address};
use super::page::{self, class, escape, page, program};
use crate::facts::verdict::Class;
use crate::record::matrix::{LeftOut, by_reason, counted};
use crate::report::baseline::Changes;
use crate::report::fields;
use crate::report::matrix::{Attempt, Cell, Matrix};
use crate::report::options;
use crate::report::run::{Run, Verdict};

/// Places whose failures are told in full.
const MAX_TOLD: usize = 100;

/// The plays of one scenario with one card and kernel.
struct Place<'a> {
    scenario: &'a str,
    card: &'a str,
    /// And the driver, if it is not the kernel's own.
    kernel: String,
    cells: Vec<&'a Cell>,
}

impl Place<'_> {
    fn count(&self, wanted: impl Fn(&Cell) -> bool) -> usize {
        self.cells.iter().filter(|cell| wanted(cell)).count()
    }

    fn passed(&self) -> usize {
        self.count(|cell| cell.class() == Class::Passed)
    }

    /// The worst of its plays.
    fn class(&self) -> &'static str {
        let failed = |cell: &Cell| cell.class() == Class::Failed && !cell.is_known();
        if self.count(failed) > 0 || self.count(Cell::is_gone) > 0 {
            "failed"
        } else if self.count(|cell| cell.class() == Class::NotRun) > 0 {
            "not-run"
        } else if self.count(Cell::is_known) > 0 {
            "known"
        } else if self.count(|cell| cell.flaky) > 0 {
            "flaky"
        } else {
            "passed"
        }
    }

    fn median(&self) -> f64 {
        let last = |cell: &&Cell| cell.attempts.last().map_or(0.0, |last| last.seconds);
        let mut all: Vec<f64> = self.cells.iter().map(last).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }
}

/// The matrix as a page. `runs` are its places' ([`Matrix::runs`]); the pages of the runs are
/// found from this one at `base`, empty or ending in a slash.
///
/// # Errors
/// The JSON cannot be put together.
pub fn report(
    matrix: &Matrix,
    runs: &[Run],
    pictures: &Pictures,
    base: &str,
    changes: Option<&Changes>,
) -> serde_json::Result<String> {
    let places = places(&matrix.cells);
    let mut body = String::new();
    head(&mut body, matrix, &places);
    drivers(&mut body, matrix, base);
    table(&mut body, &places, base);
    if let Some(changes) = changes {
        changed(&mut body, changes);
    }
    not_passed(&mut body, runs, base, &matrix.directory);
    known(&mut body, &matrix.cells);
    left_out(&mut body, &matrix.left_out);
    environment(&mut body, matrix, runs);
    body.push_str(dialog::BODY);
    let shown = places.iter().map(|place| Shown {
        title: format!("{} · {} · {}", place.scenario, place.card, place.kernel),
        plays: place.cells.iter().flat_map(|cell| plays(cell, base)).collect(),
    });
    page("matrix", &body, &pictures.beside(shown.collect()), dialog::SCRIPT)
}

fn places(cells: &[Cell]) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for cell in cells {
        let (scenario, card, kernel) = (&*cell.scenario, &*cell.card, cell.on());
        let here =
            |p: &&mut Place<'_>| (p.scenario, p.card, &p.kernel) == (scenario, card, &kernel);
        match places.iter_mut().find(here) {
            Some(place) => place.cells.push(cell),
            None => places.push(Place { scenario, card, kernel, cells: vec![cell] }),
        }
    }
    places
}

fn plays<'a>(cell: &'a Cell, base: &str) -> Vec<Play<'a>> {
    let last = cell.attempts.len().saturating_sub(1);
    let play = |(n, attempt): (usize, &'a Attempt)| Play {
        class: class(attempt.verdict.class()),
        outcome: &attempt.verdict.outcome,
        line: &attempt.verdict.line,
        seconds: attempt.seconds,
        again: n < last,
        run: attempt.directory.as_deref(),
        page: attempt.directory.as_deref().map(|name| address(base, name)),
    };
    cell.attempts.iter().enumerate().map(play).collect()
}

fn head(out: &mut String, matrix: &Matrix, places: &[Place<'_>]) {
    let cells = &matrix.cells;
    let passed = cells.iter().filter(|cell| cell.class() == Class::Passed).count();
    let flaky = cells.iter().filter(|cell| cell.flaky).count();
    let counts = |cell: &Cell| cell.class() == Class::Failed && !cell.is_known();
    let failed = cells.iter().any(|cell| counts(cell) || cell.is_gone());
    let known = cells.iter().filter(|cell| cell.is_known()).count();
    let not_played = matrix.planned.saturating_sub(cells.len());
    let (class, word) = match (failed, passed + known == matrix.planned) {
        (true, _) => ("failed", "failed"),
        (_, true) if flaky > 0 => ("flaky", "flaky"),
        (_, true) => ("passed", "passed"),
        _ if matrix.interrupted => ("not-run", "interrupted"),
        _ => ("not-run", "incomplete"),
    };
    let mut line = format!("{passed} of {} passed", matrix.planned);
    // A String takes any write.
    if flaky > 0 {
        let _ = write!(line, ", {flaky} of them only when tried again (flaky)");
    }
    if known > 0 {
        let _ = write!(line, ", {known} failed as known");
    }
    let gone = cells.iter().filter(|cell| cell.is_gone()).count();
    if gone > 0 {
        let _ = write!(line, ", {gone} known to fail passed");
    }
    if not_played > 0 {
        let _ = write!(line, ", {not_played} not played");
    }
    let mut scenarios: Vec<_> = places.iter().map(|place| place.scenario).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    let _ = write!(
        out,
        "<header class=\"{class}\">\n<h1>Matrix</h1>\n\
         <p class=\"sub\">{} scenarios / {} / {:.0} s</p>\n\
         <p class=\"verdict\"><strong>{word}</strong> {line}</p>\n</header>\n",
        scenarios.len(),
        escape(&kernels(places).join(", ")),
        matrix.seconds,
    );
}

/// In the order they were met.
fn kernels<'p>(places: &'p [Place<'_>]) -> Vec<&'p str> {
    let mut kernels: Vec<&str> = Vec::new();
    for place in places {
        if !kernels.contains(&&*place.kernel) {
            kernels.push(&place.kernel);
        }
    }
    kernels
}

/// A row for each scenario, a column for each kernel and card.
fn table(out: &mut String, places: &[Place<'_>], base: &str) {
    let mut columns = Vec::new();
    for kernel in kernels(places) {
        let mut cards: Vec<&str> =
            places.iter().filter(|p| p.kernel == kernel).map(|p| p.card).collect();
        cards.sort_unstable();
        cards.dedup();
        columns.push((kernel, cards));
    }
    out.push_str("<section>\n<p class=\"tools\" id=\"filters\"></p>\n<div class=\"table\">\n<table>\n<thead>\n<tr><th></th>");
    for (kernel, cards) in &columns {
        let _ =
            write!(out, "<th class=\"first\" colspan=\"{}\">{}</th>", cards.len(), escape(kernel));
    }
    out.push_str("</tr>\n<tr><th>scenario</th>");
    for (n, card) in columns.iter().flat_map(|(_, cards)| cards.iter().enumerate()) {
        let _ = write!(out, "<th{}>{}</th>", first(n), escape(card));
    }
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    let mut rows: Vec<&str> = Vec::new();
    for place in places {
        if !rows.contains(&place.scenario) {
            rows.push(place.scenario);
        }
    }
    for scenario in rows {
        let good = places.iter().all(|p| p.scenario != scenario || p.class() == "passed");
        let class = if good { "good" } else { "bad" };
        let _ = write!(out, "<tr class=\"{class}\"><th scope=\"row\">{}</th>", escape(scenario));
        for (kernel, cards) in &columns {
            for (n, card) in cards.iter().enumerate() {
                let wanted = (scenario, *card, *kernel);
                let at = places.iter().position(|p| (p.scenario, p.card, &*p.kernel) == wanted);
                let _ = write!(out, "<td{}>", first(n));
                if let Some(number) = at {
                    cell(out, number, &places[number], base);
                }
                out.push_str("</td>");
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// What is seen of each driver, where there are several: a row for each scenario, each word a link to
/// its run.
fn drivers(out: &mut String, matrix: &Matrix, base: &str) {
    let plays: Vec<_> = matrix.cells.iter().map(Cell::play).collect();
    for table in options::tables(&plays) {
        let _ = write!(
            out,
            "<section>\n<h2>What is seen of each driver <span class=\"sub\">{}</span></h2>\n\
             <div class=\"table\">\n<table>\n<thead>\n<tr><th>scenario</th>",
            escape(table.kernel)
        );
        for driver in &table.drivers {
            let _ = write!(out, "<th>{}</th>", escape(driver));
        }
        out.push_str("</tr>\n</thead>\n<tbody>\n");
        for (scenario, places) in &table.rows {
            let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(scenario));
            for plays in places {
                out.push_str("<td>");
                // Those that are seen alike have one word, which leads to the first of them.
                for (n, alike) in plays.chunk_by(|a, b| a.seen == b.seen).enumerate() {
                    let class =
                        if alike.iter().any(|play| play.failed) { "failed" } else { "passed" };
                    let between = if n == 0 { "" } else { " / " };
                    let first = alike.iter().find(|play| play.failed).unwrap_or(&alike[0]);
                    let address = first.run.map_or("#".to_owned(), |run| address(base, run));
                    let _ = write!(
                        out,
                        "{between}<a class=\"{class}\" href=\"{}\">{}</a>",
                        escape(&address),
                        escape(&options::word(alike)),
                    );
                }
                out.push_str("</td>");
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n<dl>\n");
        for (word, about) in options::legend(&table) {
            let _ = writeln!(out, "<div><dt>{word}</dt><dd>{about}</dd></div>");
        }
        out.push_str("</dl>\n</section>\n");
    }
}

/// The first card of a kernel sets it apart from the kernel before.
fn first(column: usize) -> &'static str {
    if column == 0 { " class=\"first\"" } else { "" }
}

fn cell(out: &mut String, number: usize, place: &Place<'_>, base: &str) {
    let class = place.class();
    let mark = match class {
        "passed" => "✓",
        "failed" => "✗",
        "flaky" => "~",
        "known" => "≈",
        _ => "!",
    };
    let rate = match place.cells.len() {
        1 => String::new(),
        n => format!("{}/{n} ", place.passed()),
    };
    // Without the script: the page of the first that did not pass, else of the first.
    let attempts = || place.cells.iter().flat_map(|cell| &cell.attempts);
    let run = attempts()
        .find(|attempt| attempt.verdict.class() != Class::Passed)
        .or_else(|| attempts().next())
        .and_then(|attempt| attempt.directory.as_deref());
    let address = run.map_or("#".to_owned(), |name| address(base, name));
    let _ = write!(
        out,
        "<a class=\"{class}\" href=\"{}\" data-place=\"{number}\" \
         title=\"{class}\"><span class=\"mark\">{mark}</span> {rate}{:.1}<small> s</small></a>",
        escape(&address),
        place.median(),
    );
}

/// Every attempt that did not pass, with its reasons.
fn not_passed(out: &mut String, runs: &[Run], base: &str, directory: &std::path::Path) {
    let told: Vec<&Run> = runs
        .iter()
        .filter(|run| run.verdict().class() != Class::Passed || !run.earlier.is_empty())
        .filter(|run| run.known.is_none())
        .collect();
    if told.is_empty() {
        return;
    }
    let of = |wanted| told.iter().any(|run| run.verdict().class() == wanted);
    let kinds = [
        ("failed", of(Class::Failed)),
        ("not run", of(Class::NotRun)),
        ("flaky", of(Class::Passed)),
    ];
    let kinds: Vec<_> = kinds.iter().filter(|(_, there)| *there).map(|(word, _)| *word).collect();
    let _ = writeln!(out, "<section>\n<h2 class=\"kinds\">{}</h2>", kinds.join(", "));
    let mut left = MAX_TOLD;
    let mut before = 1;
    for runs in by_cause(&told) {
        let head = match runs.len() {
            1 => "each for a reason of its own".to_owned(),
            n => format!("{n} × {}", reason(&runs)),
        };
        // The most frequent come first: those that are alone have one heading, if others have any.
        if left > 0 && before.max(runs.len()) > 1 {
            let _ = writeln!(out, "<h3 class=\"cause\">{}</h3>", escape(&head));
        }
        before = runs.len();
        let shown = &runs[..runs.len().min(left)];
        left -= shown.len();
        for run in shown {
            not_passed_once(out, run, base, directory);
        }
    }
    if told.len() > MAX_TOLD {
        let _ = writeln!(out, "<p>And {} more: see junit.xml.</p>", told.len() - MAX_TOLD);
    }
    out.push_str("</section>\n");
}

/// A run that did not pass, or not at once, with each of its attempts.
fn not_passed_once(out: &mut String, run: &Run, base: &str, directory: &std::path::Path) {
    let verdict = run.verdict();
    let flaky = verdict.class() == Class::Passed;
    let word = if flaky { "flaky" } else { &verdict.outcome };
    let class = if flaky { "flaky" } else { class(verdict.class()) };
    let _ = write!(
        out,
        "<article class=\"{class}\">\n<h3>{} <span class=\"sub\">{}</span> \
         <strong>{}</strong></h3>\n",
        escape(&run.scenario()),
        escape(&run.combination()),
        escape(word),
    );
    for (n, attempt) in run.earlier.iter().chain([run]).enumerate() {
        let before = n.checked_sub(1).map(|before| &run.earlier[before]);
        told_attempt(out, n, attempt, before, base, directory);
    }
    out.push_str("</article>\n");
}

/// What the last attempt that failed came to.
fn end_of(run: &Run) -> Verdict {
    let passed = run.verdict().class() == Class::Passed;
    match run.earlier.last() {
        Some(earlier) if passed => earlier.verdict(),
        _ => run.verdict(),
    }
}

/// In a line.
fn line_of(run: &Run) -> String {
    let verdict = end_of(run);
    format!("{}: {}", verdict.outcome, verdict.line)
}

/// What runs failed of together: the word for it, unless all have the same line.
fn reason(runs: &[&Run]) -> String {
    let first = line_of(runs[0]);
    match end_of(runs[0]).diagnosis {
        Some(diagnosis) if runs.iter().any(|run| line_of(run) != first) => diagnosis.cause,
        _ => first,
    }
}

/// The runs by their causes, the most frequent first, else as they came. Those of which no cause is
/// known belong together where they came to the same.
fn by_cause<'r>(told: &[&'r Run]) -> Vec<Vec<&'r Run>> {
    let mut causes: Vec<(String, Vec<&Run>)> = Vec::new();
    for run in told {
        let cause = end_of(run).diagnosis.map_or_else(|| line_of(run), |known| known.cause);
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, runs)) => runs.push(run),
            None => causes.push((cause, vec![run])),
        }
    }
    causes.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.len()));
    causes.into_iter().map(|(_, runs)| runs).collect()
}

/// What is known to fail, and what of it does not any more.
fn known(out: &mut String, cells: &[Cell]) {
    let known: Vec<_> = cells.iter().filter_map(|c| Some((c, c.known.as_ref()?))).collect();
    if known.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Known failures</h2>\n<ul>\n");
    for (cell, known) in known {
        let class = if known.gone { "bad" } else { "sub" };
        let place = format!("{} {} {}", cell.scenario, cell.card, cell.on());
        let told = match known.gone {
            true => format!("does not fail any more: take it out of {}", known.at),
            false => format!("{} ({})", known.reason, known.at),
        };
        let _ = writeln!(
            out,
            "<li class=\"{class}\"><span class=\"what\">{}: {}</span></li>",
            escape(&place),
            escape(&told)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

/// What was not played, and why.
fn left_out(out: &mut String, places: &[LeftOut]) {
    if places.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Left out</h2>\n<ul>\n");
    for (reason, places) in by_reason(places) {
        let _ = writeln!(
            out,
            "<li class=\"sub\"><span class=\"what\">{}: {}</span></li>",
            escape(&counted(&places)),
            escape(reason)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

/// What is otherwise than in the earlier matrix.
fn changed(out: &mut String, changes: &Changes) {
    let _ = write!(
        out,
        "<section>\n<h2>Since {}</h2>\n",
        escape(&changes.before.display().to_string())
    );
    if changes.verdicts_are_the_same() {
        out.push_str("<p>No verdict has changed, and nothing is much slower.</p>\n");
    }
    for (title, class, lines) in changes.lists() {
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<h3 class=\"{class}\">{title}</h3>\n<ul>");
        for line in lines {
            let _ = writeln!(out, "<li>{}</li>", escape(line));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

/// What it was played with; what differs between the runs has a line each.
fn environment(out: &mut String, matrix: &Matrix, runs: &[Run]) {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut fact = |name, value: String| {
        if !value.is_empty() && !facts.contains(&(name, value.clone())) {
            facts.push((name, value));
        }
    };
    fact("date", matrix.date.clone());
    fact("iwlbench", program(&matrix.iwlbench));
    fact("command", matrix.command.clone());
    for record in runs.iter().filter_map(|run| run.record.as_ref()) {
        let text = |path: &str| record.facts_at(path).map(fields::plain).unwrap_or_default();
        let kernel = [record.kernel(), &text("/kernel/package_version")].join(" ");
        fact("kernel", format!("{} SHA-256 {}", kernel.trim(), text("/kernel_sha256")));
        fact("QEMU", text("/qemu"));
        if !record.accel.is_empty() {
            fact("acceleration", format!("{} ({})", record.accel, text("/accel_why")));
        }
    }
    fact("directory", matrix.directory.display().to_string());
    facts.sort_by_key(|(name, _)| match *name {
        "date" => 0,
        "iwlbench" => 1,
        "command" => 2,
        "kernel" => 3,
        "QEMU" => 4,
        "acceleration" => 5,
        _ => 6,
    });
    page::environment(out, facts, "");
}

/// One attempt; of one that failed as the one before it did, only that.
fn told_attempt(
    out: &mut String,
    number: usize,
    run: &Run,
    before: Option<&Run>,
    base: &str,
    directory: &std::path::Path,
) {
    let verdict = run.verdict();
    let alike = before.is_some_and(|before| before.reasons() == run.reasons());
    let when = if number == 0 { "" } else { "<span class=\"sub\">tried again:</span> " };
    let _ = write!(out, "<p class=\"attempt\">{when}");
    let _ = match alike {
        true => write!(out, "the same"),
        false => write!(out, "{}: {}", escape(&verdict.outcome), escape(&verdict.line)),
    };
    if run.directory != directory {
        let _ = write!(out, " · <a href=\"{}\">its page</a>", escape(&address(base, &run.name())));
    }
    out.push_str("</p>\n");
    if alike || verdict.class() == Class::Passed {
        return;
    }
    for expectation in run.expectations() {
        if let Some(failure) = &expectation.failure {
            let _ = write!(
                out,
                "<p class=\"bad\"><span class=\"mark\">✗</span> {}</p>\n<pre>{}</pre>\n",
                escape(&expectation.that),
                escape(&failure.what)
            );
        }
    }
    for log in &run.log {
        let _ = writeln!(
            out,
            "<details><summary>{}</summary><pre>{}</pre></details>",
            log.title,
            escape(&log.text)
        );
    }
}
