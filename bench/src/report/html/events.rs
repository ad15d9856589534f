//! The list of events.

use indexmap::IndexMap;
use serde::Serialize;

use crate::facts::timeline::seconds;
use crate::report::run::Event;

/// Events beyond this are not put into the page; they are in `events.jsonl`.
const MAX_ROWS: usize = 20_000;
/// Register names spelled out for a row of accesses.
const REGISTERS_NAMED: usize = 4;

/// A line of the list.
#[derive(Serialize)]
pub(super) struct Row {
    seq: u64,
    t: f64,
    source: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u64>,
}

/// A row for each event, and the number of rows too many for a page; accesses that follow each
/// other share one.
pub(super) fn rows(events: &[Event]) -> (Vec<Row>, usize) {
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
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    (rows, left_out)
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
    // A driver that reads out its card's memory touches hundreds of thousands, each by a name of its own.
    let mut counts: IndexMap<(char, &str), u64> = IndexMap::new();
    for event in burst {
        let (letter, name) = match event.kind.as_str() {
            "mem-read" => ('R', "device memory"),
            "reg-read" => ('R', event.str("reg")),
            _ => ('W', event.str("reg")),
        };
        *counts.entry((letter, name)).or_default() += event.accesses();
    }
    let accesses: u64 = counts.values().sum();
    let named: Vec<_> = counts
        .iter()
        .take(REGISTERS_NAMED)
        .map(|((letter, name), count)| match count {
            1 => format!("{letter} {name}"),
            n => format!("{letter} {name} ×{n}"),
        })
        .collect();
    let more = match counts.len().saturating_sub(REGISTERS_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(row(first, format!("{accesses} accesses: {}{more}", named.join(", "))))
}
