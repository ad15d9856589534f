//! The timeline as data: what the page's script draws.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use crate::facts::milestone;
use crate::facts::timeline::seconds;
use crate::report::fields;
use crate::report::run::{Event, Milestone, Run};
use crate::report::spans::{Kind, spans};

/// What the script draws.
#[derive(Serialize)]
pub(super) struct Picture {
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

const HOST: usize = 0;
const LOADER: usize = 1;
const KERNEL: usize = 2;
/// The first card's.
const CARD: usize = 3;

/// Milestones as the picture numbers them: steps that went as they have to are bars, and NVM reads that
/// follow each other are one.
pub(super) fn shown_milestones(run: &Run) -> Vec<(&Milestone, String)> {
    let mut shown: Vec<(&Milestone, String)> = Vec::new();
    let mut sections: Vec<&Milestone> = Vec::new();
    for milestone in run.milestones() {
        if milestone.kind == "nvm-read" {
            sections.push(milestone);
            continue;
        }
        if milestone.kind == "step-ended" && !milestone.is_bad() {
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
    let reads = sections.iter().map(|read| {
        let there = read.fields.get("present") == Some(&Value::Bool(true));
        (fields::str(&read.fields, "section"), there)
    });
    Some((*sections.first()?, milestone::nvm_words(reads)))
}

pub(super) fn picture(run: &Run) -> Picture {
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
        .map(|(milestone, text)| {
            let lane = lane_of(milestone, &lane_of_card);
            // A card's lane bears its name.
            let whose = if lane < CARD { run.whose(milestone) } else { String::new() };
            Mark {
                lane,
                t: seconds(milestone.t_ns),
                text: whose + &text,
                bad: milestone.is_bad(),
                seq: milestone.seq,
            }
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
    // What is a milestone has its mark.
    let marked: HashSet<u64> = marks.iter().map(|mark| mark.seq).collect();
    let others = run.events.iter().filter(|event| !marked.contains(&event.seq));
    let ticks = others.filter_map(|event| tick(event, &lane_of_card)).collect();
    Picture {
        lanes,
        from,
        end,
        spans,
        marks,
        ticks,
        accesses: cards
            .iter()
            .map(|card| (lane_of_card(card), accesses(&run.events, card)))
            .collect(),
    }
}

fn lane_of(milestone: &Milestone, lane_of_card: &dyn Fn(&str) -> usize) -> usize {
    use milestone::Milestone as M;
    // One of a later bench's is the kernel's as well as anybody's.
    let Some(known) = milestone.known() else { return KERNEL };
    match known {
        M::FirmwareAsked { .. }
        | M::FirmwareGiven { .. }
        | M::FirmwareRefused { .. }
        | M::OpmodeAsked { .. }
        | M::ModprobeEnded { .. }
        | M::ModprobeMissing { .. } => LOADER,
        M::SectionUploaded { card, .. }
        | M::SectionWrong { card, .. }
        | M::ImlLoaded { card, .. }
        | M::PnvmLoaded { card, .. }
        | M::CpuReleased { card, .. }
        | M::Alive { card, .. }
        | M::AliveReleased { card }
        | M::NvmRead { card, .. }
        | M::FaultInjected { card, .. }
        | M::FaultSwitched { card, .. }
        | M::DmaFault { card, .. }
        | M::RfKillSwitched { card, .. }
        | M::Vanished { card } => lane_of_card(&card),
        M::StepEnded { .. } => HOST,
        M::Probe { .. }
        | M::Bound { .. }
        | M::Unbound { .. }
        | M::OpmodeRequested { .. }
        | M::OpmodeLoaded { .. }
        | M::OpmodeUnloaded { .. }
        | M::ModuleLoaded { .. }
        | M::ModuleUnloaded { .. }
        | M::OpmodeStarted { .. }
        | M::NetdevRegistered { .. }
        | M::NetdevRemoved { .. }
        | M::RfKillNoticed { .. }
        | M::KernelTrouble { .. } => KERNEL,
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
