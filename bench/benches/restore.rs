//! How long a verdict takes, from a snapshot and from power-on, in one run:
//! `cargo bench -p iwlbench --bench restore [-- ROUNDS]`.
//!
//! Each round plays `opmode-load` with the 7260 once each way, so that both see the same load on
//! the machine. The time is from the command to its end; the parts come from the run's own events.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// Whether an event is the one that a part ends with.
type Fits = fn(&Value) -> bool;

/// The parts of a run, each up to the first event that fits.
const PARTS: [(&str, Fits); 7] = [
    ("guest restored", |e| e["kind"] == "guest-restored"),
    ("clock measured", |e| e["kind"] == "clock-measured"),
    ("card plugged in and seen", |e| e["kind"] == "step-started"),
    ("cfg80211 in", |e| e["kind"] == "module-load" && e["module"] == "cfg80211"),
    ("iwlwifi in, probe", |e| e["kind"] == "module-request" && e["module"] == "iwlmvm"),
    ("mac80211, iwlmvm in", |e| e["kind"] == "module-load" && e["module"] == "iwlmvm"),
    ("opmode start, to the verdict", |e| e["kind"] == "qmp" && e["event"] == "SHUTDOWN"),
];

/// Seconds from the command to its end, and the run's events.
fn play(runs: &Path, cold: bool) -> (f64, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iwlbench"));
    command.args(["run", "opmode-load", "--card", "7260", "--json", "--out"]).arg(runs);
    if cold {
        command.arg("--cold");
    }
    let started = Instant::now();
    let output = command.stderr(Stdio::inherit()).output().expect("the program runs");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "the run did not pass");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let directory = document["runs"][0]["directory"].as_str().expect("a directory");
    let events = std::fs::read_to_string(Path::new(directory).join("events.jsonl"));
    let events = events.expect("events.jsonl");
    let events = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (seconds, events)
}

/// Seconds on the run's clock at which each part ended.
fn ends(events: &[Value]) -> Vec<f64> {
    let ns = |e: &Value| e["t_ns"].as_u64().expect("a time");
    let end = |fits: Fits| events.iter().find(|e| fits(e)).map_or(0, ns);
    PARTS.iter().map(|(_, fits)| end(*fits) as f64 / 1e9).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let runs = tempfile::tempdir().expect("temporary directory");
    // Fetches, builds and saves whatever is not there yet.
    play(runs.path(), false);
    println!("load before: {}", load());
    let (mut restored, mut cold, mut parts) =
        (Vec::new(), Vec::new(), vec![Vec::new(); PARTS.len()]);
    for _ in 0..rounds {
        let (seconds, events) = play(runs.path(), false);
        restored.push(seconds);
        let mut before = 0.0;
        for (part, end) in parts.iter_mut().zip(ends(&events)) {
            part.push(end - before);
            before = end;
        }
        cold.push(play(runs.path(), true).0);
    }
    println!("load after:  {}", load());
    let (restored, cold) = (median(restored), median(cold));
    println!("median of {rounds}, from the command to its end:");
    println!("  restored {restored:>6.2} s");
    println!("  --cold   {cold:>6.2} s   {:.1} times as long", cold / restored);
    println!("where the restored run's time goes (medians):");
    let mut inside = 0.0;
    for ((name, _), values) in PARTS.iter().zip(parts) {
        let seconds = median(values);
        inside += seconds;
        println!("  {seconds:>6.3} s  {name}");
    }
    println!("  {:>6.3} s  before QEMU's start and after its end", restored - inside);
}
