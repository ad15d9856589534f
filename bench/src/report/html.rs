//! One self-contained page per run.
//!
//! Rust writes what is read (verdict, expectations, facts), the script draws what is looked at
//! (timeline, event list) from a block of JSON. What came out of the guest is text to both: it is
//! escaped here and set as text there, and the page's policy runs no script but its own.

use std::fmt::Write;

use base64::Engine;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::spans::{Kind, spans};
use super::{Class, Event, Milestone, Record, Run, words};
use crate::expect::seconds;

const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// Events beyond this are not put into the page; they are in `events.jsonl`.
const MAX_ROWS: usize = 20_000;
/// Register names spelled out for a row of accesses.
const REGISTERS_NAMED: usize = 4;

/// What the script draws.
#[derive(Serialize)]
struct Picture {
    /// Names, top to bottom.
    lanes: Vec<String>,
    /// The interesting part, seconds.
    from: f64,
    end: f64,
    spans: Vec<Bar>,
    marks: Vec<Mark>,
    ticks: Vec<Tick>,
    /// Register accesses of each card's lane: each the difference to the one before, in µs.
    accesses: Vec<(usize, Vec<u64>)>,
    rows: Vec<Row>,
    left_out: usize,
}

#[derive(Serialize)]
struct Bar {
    lane: usize,
    row: usize,
    class: &'static str,
    from: f64,
    to: f64,
    name: String,
    note: String,
}

#[derive(Serialize)]
struct Mark {
    lane: usize,
    t: f64,
    text: String,
    bad: bool,
    seq: u64,
}

#[derive(Serialize)]
struct Tick {
    lane: usize,
    t: f64,
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Row {
    seq: u64,
    t: f64,
    source: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u64>,
}

const HOST: usize = 0;
const LOADER: usize = 1;
const KERNEL: usize = 2;
/// The first card's.
const CARD: usize = 3;

/// The run as a page.
///
/// # Errors
/// The JSON cannot be put together.
pub fn report(run: &Run) -> serde_json::Result<String> {
    let data = script_safe(&serde_json::to_string(&picture(run))?);
    let verdict = run.verdict();
    let class = match verdict.class() {
        Class::Passed => "passed",
        Class::Failed => "failed",
        Class::NotRun => "not-run",
    };
    let mut out = String::new();
    // A String takes any write.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} · {} · iwlbench</title>\n<style>{CSS}</style>\n</head>\n<body>\n",
        hash(CSS),
        hash(JS),
        escape(&run.scenario()),
        escape(&verdict.outcome),
    );
    head(&mut out, run, class);
    expectations(&mut out, run);
    out.push_str(
        "<section>\n<h2>Timeline</h2>\n\
         <p class=\"tools\" id=\"tools\"></p>\n\
         <figure id=\"picture\" tabindex=\"0\" aria-label=\"Timeline\"></figure>\n\
         <p id=\"detail\" role=\"status\"></p>\n\
         <noscript><p>The picture and the event list need JavaScript; the milestones below do \
         not.</p></noscript>\n</section>\n",
    );
    milestones(&mut out, run);
    out.push_str(
        "<section>\n<h2>Events</h2>\n<p class=\"tools\" id=\"filters\"></p>\n\
         <div id=\"events\"></div>\n</section>\n",
    );
    facts(&mut out, run);
    let _ = write!(
        out,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>{JS}</script>\n</body>\n</html>\n"
    );
    Ok(out)
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML has no place for them.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON that neither ends its script element nor begins a comment in it.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn head(out: &mut String, run: &Run, class: &str) {
    let verdict = run.verdict();
    let _ = write!(
        out,
        "<header class=\"{class}\">\n<h1>{}</h1>\n<p class=\"sub\">{}</p>\n\
         <p class=\"verdict\"><strong>{}</strong> {}</p>\n",
        escape(&run.scenario()),
        escape(&run.combination()),
        escape(&verdict.outcome),
        escape(&verdict.line),
    );
    if run.cut {
        out.push_str("<p>The last line of events.jsonl was cut and is left out.</p>\n");
    }
    out.push_str("</header>\n");
}

fn milestones(out: &mut String, run: &Run) {
    let shown = shown_milestones(run);
    if shown.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Milestones</h2>\n<ol class=\"milestones\">\n");
    let mut before = None;
    for (number, (milestone, text)) in shown.iter().enumerate() {
        let t = seconds(milestone.t_ns);
        let gap = before.map_or(String::new(), |b| duration(t - b));
        before = Some(t);
        let _ = writeln!(
            out,
            "<li{} data-mark=\"{number}\"><span class=\"n\">{}</span><span class=\"t\">{t:.3}</span>\
             <span class=\"gap\">{gap}</span><span class=\"what\">{}</span></li>",
            if milestone.bad() { " class=\"bad\"" } else { "" },
            number + 1,
            escape(text),
        );
    }
    out.push_str("</ol>\n</section>\n");
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("+{:.1} ms", seconds * 1e3) } else { format!("+{seconds:.2} s") }
}

fn expectations(out: &mut String, run: &Run) {
    if run.expectations().is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Expectations</h2>\n<ul class=\"expectations\">\n");
    for expectation in run.expectations() {
        let that = escape(&expectation.that);
        match &expectation.failure {
            None => {
                let _ = writeln!(
                    out,
                    "<li class=\"good\"><span class=\"mark\" aria-label=\"held\">✓</span> {that}</li>"
                );
            }
            Some(failure) => {
                let _ = write!(
                    out,
                    "<li class=\"bad\"><span class=\"mark\" aria-label=\"failed\">✗</span> {that}\n\
                     <pre>{}</pre>",
                    escape(&failure.what)
                );
                if let Some(near) = failure.near {
                    let _ = write!(
                        out,
                        "<button type=\"button\" data-near=\"{near}\">events around it</button>"
                    );
                }
                out.push_str("</li>\n");
            }
        }
    }
    out.push_str("</ul>\n</section>\n");
}

fn facts(out: &mut String, run: &Run) {
    let Some(record) = &run.record else { return };
    out.push_str("<section>\n<h2>Environment</h2>\n<dl>\n");
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ =
                writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(&value));
        }
    };
    let text = |path: &str| record.facts_at(path).map(words::plain).unwrap_or_default();
    fact("card", format!("{} → {}", record.vars.card, record.vars.opmode));
    fact("card faults", record.fault_names());
    fact("kernel", format!("{} {}", record.kernel(), text("/guest/kernel_version")));
    fact("kernel package", text("/kernel/package_version"));
    fact("kernel SHA-256", text("/kernel_sha256"));
    fact("QEMU", text("/qemu"));
    fact("acceleration", format!("{} ({})", record.accel, text("/accel_why")));
    fact("modprobe", text("/guest/modprobe"));
    fact("initramfs SHA-256", text("/image_sha256"));
    for firmware in array(record, "/firmware") {
        let get = |field: &str| firmware.get(field).map(words::plain).unwrap_or_default();
        fact(
            &format!("firmware {}", get("name")),
            format!("{} bytes, from {}, SHA-256 {}", get("bytes"), get("from"), get("sha256")),
        );
    }
    for module in array(record, "/modules") {
        let get = |field: &str| module.get(field).map(words::plain).unwrap_or_default();
        fact(&format!("module {}", get("name")), format!("SHA-256 {}", get("sha256")));
    }
    if let Some(card) = record.facts_at("/card").filter(|c| c.is_object()) {
        let get = |field: &str| card.get(field).map(words::plain).unwrap_or_default();
        fact("register accesses", format!("{} reads, {} writes", get("reads"), get("writes")));
    }
    let unmodelled: Vec<_> = array(record, "/card/unmodelled")
        .iter()
        .filter_map(|u| u.get("reg").and_then(Value::as_str))
        .collect();
    fact("unmodelled registers", unmodelled.join(", "));
    fact("from power-on to verdict", format!("{:.1} s", record.seconds));
    fact("run", run.directory.display().to_string());
    out.push_str("</dl>\n</section>\n");
}

fn array<'a>(record: &'a Record, path: &str) -> &'a [Value] {
    record.facts_at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl Record {
    /// A fact by JSON pointer.
    fn facts_at(&self, path: &str) -> Option<&Value> {
        let (first, rest) = match path[1..].split_once('/') {
            Some((first, rest)) => (first, format!("/{rest}")),
            None => (&path[1..], String::new()),
        };
        self.facts.get(first)?.pointer(&rest)
    }
}

/// Milestones as the picture numbers them: steps that went well are bars, and NVM reads that
/// follow each other are one.
fn shown_milestones(run: &Run) -> Vec<(&Milestone, String)> {
    let mut shown: Vec<(&Milestone, String)> = Vec::new();
    let mut sections: Vec<&Milestone> = Vec::new();
    for milestone in run.milestones() {
        if milestone.kind == "nvm-read" {
            sections.push(milestone);
            continue;
        }
        if milestone.kind == "step-ended" && !milestone.bad() {
            continue;
        }
        shown.extend(nvm(&sections));
        sections.clear();
        shown.push((milestone, milestone.text()));
    }
    shown.extend(nvm(&sections));
    shown
}

fn nvm<'a>(sections: &[&'a Milestone]) -> Option<(&'a Milestone, String)> {
    let present: Vec<_> = sections
        .iter()
        .filter(|m| m.fields.get("present") == Some(&Value::Bool(true)))
        .map(|m| words::str(&m.fields, "section").trim_start_matches("NVM_SECTION_TYPE_"))
        .collect();
    let absent = match sections.len() - present.len() {
        0 => String::new(),
        n => format!("; {n} absent"),
    };
    Some((*sections.first()?, format!("NVM read: {}{absent}", present.join(", "))))
}

fn picture(run: &Run) -> Picture {
    let mut cards: Vec<&str> = Vec::new();
    for event in run.events.iter().filter(|e| e.source == "card") {
        if !cards.contains(&event.str("card")) {
            cards.push(event.str("card"));
        }
    }
    let lane_of_card = |card: &str| CARD + cards.iter().position(|c| *c == card).unwrap_or(0);
    let mut lanes = vec!["host".to_owned(), "loader".to_owned(), "driver & kernel".to_owned()];
    lanes.extend(cards.iter().map(|card| format!("card {card}")));
    if cards.is_empty() {
        lanes.push("card".to_owned());
    }
    let marks: Vec<Mark> = shown_milestones(run)
        .into_iter()
        .map(|(milestone, text)| Mark {
            lane: lane_of(milestone, &lane_of_card),
            t: seconds(milestone.t_ns),
            text,
            bad: milestone.bad(),
            seq: milestone.seq,
        })
        .collect();
    let mut spans: Vec<Bar> = spans(run)
        .into_iter()
        .map(|span| Bar {
            lane: match span.kind {
                Kind::Step => HOST,
                Kind::FirmwareGate | Kind::ModuleGate | Kind::Modprobe => LOADER,
                Kind::Upload | Kind::Starting => lane_of_card(&span.card),
            },
            row: 0,
            class: class_of(span.kind, span.bad),
            from: seconds(span.from),
            to: seconds(span.to),
            name: span.name,
            note: span.end,
        })
        .collect();
    rows_by_lane(&mut spans);
    let end = run.events.last().map_or(0.0, |e| seconds(e.t_ns));
    // Milestones before steps: modules of the network stack take long before the driver is there.
    let from = marks.first().map(|m| m.t).or(spans.first().map(|s| s.from)).unwrap_or(0.0);
    let rows = rows(&run.events);
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    Picture {
        lanes,
        from,
        end,
        spans,
        marks,
        ticks: run.events.iter().filter_map(|e| tick(e, &lane_of_card)).collect(),
        accesses: cards
            .iter()
            .map(|card| (lane_of_card(card), accesses(&run.events, card)))
            .collect(),
        rows: rows.into_iter().take(MAX_ROWS).collect(),
        left_out,
    }
}

fn lane_of(milestone: &Milestone, lane_of_card: &dyn Fn(&str) -> usize) -> usize {
    match milestone.kind.as_str() {
        "firmware-asked" | "firmware-given" | "firmware-refused" | "opmode-asked"
        | "modprobe-failed" | "modprobe-missing" => LOADER,
        "section-uploaded" | "cpu-released" | "alive" | "nvm-read" => {
            lane_of_card(words::str(&milestone.fields, "card"))
        }
        "step-ended" => HOST,
        _ => KERNEL,
    }
}

fn class_of(kind: Kind, bad: bool) -> &'static str {
    match (kind, bad) {
        (_, true) => "bar bad",
        (Kind::Step, _) => "bar step",
        (Kind::FirmwareGate | Kind::ModuleGate, _) => "bar gate",
        (Kind::Modprobe, _) => "bar program",
        (Kind::Upload | Kind::Starting, _) => "bar upload",
    }
}

/// Gives each bar the first row of its lane that is free.
fn rows_by_lane(bars: &mut [Bar]) {
    let mut busy: Vec<(usize, f64)> = Vec::new();
    for bar in bars {
        let lane = bar.lane;
        let mut rows = busy.iter_mut().filter(|(at, _)| *at == lane).enumerate();
        if let Some((row, (_, end))) = rows.find(|(_, (_, end))| *end <= bar.from) {
            bar.row = row;
            *end = bar.to;
        } else {
            bar.row = busy.iter().filter(|(at, _)| *at == lane).count();
            busy.push((lane, bar.to));
        }
    }
}

/// Events that the picture shows though they are no milestones.
fn tick(event: &Event, lane_of_card: &dyn Fn(&str) -> usize) -> Option<Tick> {
    let card = || lane_of_card(event.str("card"));
    let (lane, class) = match event.kind.as_str() {
        "fault-injected" | "dma-fault" | "bad-input" => (card(), "tick fault"),
        "reset" => (card(), "tick reset"),
        "interrupt" => (card(), "tick interrupt"),
        "host-command" | "packet" => (card(), "tick packet"),
        "kernel-trouble" => (KERNEL, "tick fault"),
        "module-load" | "module-free" | "module-request" => (KERNEL, "tick trace"),
        "qmp" | "qemu-exited" | "card-stopped" => (HOST, "tick reset"),
        _ => return None,
    };
    Some(Tick { lane, t: seconds(event.t_ns), class, text: event.text() })
}

fn accesses(events: &[Event], card: &str) -> Vec<u64> {
    let mut before = 0;
    events
        .iter()
        .filter(|e| e.is_access() && e.str("space") != "config" && e.str("card") == card)
        .map(|e| {
            let t = e.t_ns / 1000;
            let step = t.saturating_sub(before);
            before = t;
            step
        })
        .collect()
}

/// A row for each event; accesses that follow each other share one.
fn rows(events: &[Event]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut burst: Vec<&Event> = Vec::new();
    for event in events {
        if event.is_access() {
            burst.push(event);
            continue;
        }
        rows.extend(burst_row(&burst));
        burst.clear();
        rows.push(row(event, event.text()));
    }
    rows.extend(burst_row(&burst));
    rows
}

fn row(event: &Event, text: String) -> Row {
    let source = if event.is_access() { "registers".to_owned() } else { event.source.clone() };
    Row { seq: event.seq, t: seconds(event.t_ns), source, text, level: event.u64("level") }
}

fn burst_row(burst: &[&Event]) -> Option<Row> {
    let first = burst.first()?;
    if burst.len() == 1 {
        return Some(row(first, first.text()));
    }
    let mut counts: Vec<(String, usize)> = Vec::new();
    for event in burst {
        let letter = if event.kind == "reg-read" { 'R' } else { 'W' };
        let name = format!("{letter} {}", event.str("reg"));
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let named: Vec<_> = counts
        .iter()
        .take(REGISTERS_NAMED)
        .map(|(name, count)| match count {
            1 => name.clone(),
            n => format!("{name} ×{n}"),
        })
        .collect();
    let more = match counts.len().saturating_sub(REGISTERS_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(row(first, format!("{} accesses: {}{more}", burst.len(), named.join(", "))))
}
