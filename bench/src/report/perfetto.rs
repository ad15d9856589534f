//! The trace event format of Chrome, which ui.perfetto.dev opens.
//!
//! A process each for bench, guest and card, in it a track per source. What lasts is a complete
//! event (`X`), the rest instants (`i`); arrows (`s`, `t`, `f`) lead from the request for the opmode over
//! its load to the firmware's start. Spans of a track that overlap get tracks of their own, as
//! complete events of one track must nest.
//! Source: "Trace Event Format", Google, 2016.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::run::{Event, Run};
use super::spans::{Kind, Span, spans};
use crate::facts::driver::DRIVERS;

/// Process, track and place of the track among those of its process.
type Track = (&'static str, String, u32);

/// Name and category of the arrows.
const FLOW: &str = "hand-over";

const BENCH: &str = "bench";
const LOADER: &str = "module and firmware loader";
const GUEST: &str = "guest kernel";
const CARD: &str = "card";
const PROCESSES: [&str; 4] = [BENCH, LOADER, GUEST, CARD];

/// The run as a JSON document.
pub fn report(run: &Run) -> Value {
    let mut out = Trace::default();
    let spans = spans(run);
    for span in &spans {
        out.span(span);
    }
    for (id, hand_over) in hand_overs(&spans).into_iter().enumerate() {
        out.flow(id, &hand_over);
    }
    for event in &run.events {
        out.instant(event);
    }
    for milestone in run.milestones() {
        let track = (BENCH, "milestones".to_owned(), 0);
        out.add(
            &track,
            "i",
            milestone.t_ns,
            &(run.whose(milestone) + &milestone.text()),
            json!({
                "s": "p", "args": { "seq": milestone.seq, "milestone": milestone.kind },
            }),
        );
    }
    let verdict = run.verdict();
    json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "scenario": run.scenario(),
            "run": run.name(),
            "combination": run.combination(),
            "verdict": format!("{}: {}", verdict.outcome, verdict.line),
        },
        "traceEvents": out.finish(),
    })
}

/// The spans that lead to one another: the request for the opmode, the modprobe that it let go, the
/// upload of the firmware and its start. What never came is missing.
fn hand_overs(spans: &[Span]) -> Vec<Vec<&Span>> {
    let is = |kind: Kind| move |span: &&Span| span.kind == kind;
    let asked = spans.iter().filter(is(Kind::ModuleGate));
    let asked = asked.filter(|span| DRIVERS.iter().any(|driver| driver.is_opmode(&span.name)));
    asked
        .map(|asked| {
            let mut chain = vec![asked];
            let name = format!("modprobe {}", asked.name);
            let mut modprobes = spans.iter().filter(is(Kind::Modprobe));
            let load = modprobes.find(|span| span.name == name && span.from >= asked.to);
            chain.extend(load);
            if let Some(load) = load {
                let upload =
                    spans.iter().filter(is(Kind::Upload)).find(|span| span.from >= load.from);
                chain.extend(upload);
                let starts = |from: u64| {
                    spans.iter().filter(is(Kind::Starting)).find(move |span| span.from >= from)
                };
                chain.extend(upload.and_then(|upload| starts(upload.to)));
            }
            chain
        })
        .filter(|chain| chain.len() > 1)
        .collect()
}

/// Where a span goes.
fn track_of(span: &Span) -> Track {
    let (process, name, place) = match span.kind {
        Kind::Step => (BENCH, "steps", 1),
        Kind::FirmwareGate => (LOADER, "firmware gate", 0),
        Kind::ModuleGate => (LOADER, "module gate", 1),
        Kind::Modprobe => (LOADER, "modprobe", 2),
        Kind::Upload | Kind::Starting => (CARD, "firmware", 0),
    };
    let name = match span.card.as_str() {
        "" => name.to_owned(),
        card => format!("{card} {name}"),
    };
    let name = if span.row == 0 { name } else { format!("{name} ({})", span.row + 1) };
    (process, name, place)
}

#[derive(Default)]
struct Trace {
    tracks: BTreeMap<(u32, u32, String), u32>,
    events: Vec<Value>,
}

impl Trace {
    /// Arrows from each span to the next.
    fn flow(&mut self, id: usize, chain: &[&Span]) {
        for (n, span) in chain.iter().enumerate() {
            let (phase, rest) = match n {
                0 => ("s", json!({})),
                n if n + 1 == chain.len() => ("f", json!({ "bp": "e" })),
                _ => ("t", json!({})),
            };
            self.add(&track_of(span), phase, span.from, FLOW, rest);
            // What belongs together has number, name and category in common.
            if let Some(Value::Object(step)) = self.events.last_mut() {
                step.extend([("id".to_owned(), id.into()), ("cat".to_owned(), FLOW.into())]);
            }
        }
    }

    fn span(&mut self, span: &Span) {
        self.add(
            &track_of(span),
            "X",
            span.from,
            &span.name,
            json!({
                "dur": micros(span.to.saturating_sub(span.from)),
                "args": { "end": span.end, "unfinished": span.open },
            }),
        );
    }

    fn instant(&mut self, event: &Event) {
        let card = |name: &str| format!("{} {name}", event.str("card"));
        let track = match (event.source.as_str(), event.kind.as_str()) {
            // Shown as spans.
            (_, "ask" | "answer" | "step-started" | "module-loader-exit") => return,
            ("card", "reg-read" | "reg-write" | "mem-read") => (CARD, card("registers"), 2),
            ("card", _) => (CARD, card("events"), 1),
            ("kernel-log", _) => (GUEST, "kernel log".to_owned(), 0),
            ("firmware-gate" | "module-gate", _) => (LOADER, "read".to_owned(), 3),
            ("trace" | "netlink" | "agent" | "console", _) => (GUEST, event.source.clone(), 1),
            _ => (BENCH, event.source.clone(), 2),
        };
        let mut args = event.fields.clone();
        args.insert("seq".to_owned(), event.seq.into());
        if let Some(guest) = event.guest_ns {
            args.insert("guest_ns".to_owned(), guest.into());
        }
        self.add(&track, "i", event.t_ns, &event.text(), json!({ "s": "t", "args": args }));
    }

    fn add(&mut self, track: &Track, phase: &str, t_ns: u64, name: &str, rest: Value) {
        let (process, track, place) = track;
        let pid = PROCESSES.iter().position(|p| p == process).map_or(0, |at| at as u32 + 1);
        let next = self.tracks.len() as u32 + 1;
        let tid = *self.tracks.entry((pid, *place, track.clone())).or_insert(next);
        let mut event = json!({
            "ph": phase, "pid": pid, "tid": tid, "ts": micros(t_ns), "name": name, "cat": track,
        });
        if let (Value::Object(event), Value::Object(rest)) = (&mut event, rest) {
            event.extend(rest);
        }
        self.events.push(event);
    }

    /// The events, after those that name processes and tracks.
    fn finish(self) -> Vec<Value> {
        let meta = |name: &str, pid: u32, tid: u32, args: Value| json!({ "ph": "M", "ts": 0, "name": name, "pid": pid, "tid": tid, "args": args });
        let mut all = Vec::new();
        for (pid, name) in (1..).zip(PROCESSES) {
            all.push(meta("process_name", pid, 0, json!({ "name": name })));
            all.push(meta("process_sort_index", pid, 0, json!({ "sort_index": pid })));
        }
        for (index, ((pid, _, name), tid)) in self.tracks.iter().enumerate() {
            all.push(meta("thread_name", *pid, *tid, json!({ "name": name })));
            all.push(meta("thread_sort_index", *pid, *tid, json!({ "sort_index": index })));
        }
        all.extend(self.events);
        all
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to a nanosecond for weeks")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}
