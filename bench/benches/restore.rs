//! How long a verdict takes, from a snapshot and from power-on, in one run:
//! `cargo bench -p iwlbench --bench restore [-- ROUNDS]`.
//!
//! Each round plays `opmode-load` with the 7260 once each way, so that both see the same load on
//! the machine. The time is from the command to its verdict, printed; its parts are what the run
//! itself says. What the command does after that, to wait until QEMU's memory is given back, is
//! told apart.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// Seconds of each phase, by its place and name.
type Phases = BTreeMap<(usize, String), Vec<f64>>;

/// Seconds from the command to its verdict, and from there to its end.
fn play(runs: &Path, cold: bool, phases: &mut Phases) -> [f64; 2] {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iwlbench"));
    command.args(["run", "opmode-load", "--card", "7260", "--json", "--out"]).arg(runs);
    if cold {
        command.arg("--cold");
    }
    let started = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut documents = serde_json::Deserializer::from_reader(output).into_iter();
    let document: Value = documents.next().expect("a document").expect("JSON");
    let seconds = started.elapsed().as_secs_f64();
    assert!(child.wait().expect("it ends").success(), "the run did not pass");
    let after = started.elapsed().as_secs_f64() - seconds;
    let spent = document["runs"][0]["phases"].as_array().expect("a run has phases");
    let mut inside = 0.0;
    for (place, phase) in spent.iter().enumerate() {
        let name = phase["name"].as_str().expect("a name").to_owned();
        let seconds = phase["seconds"].as_f64().expect("a number");
        inside += seconds;
        phases.entry((place, name)).or_default().push(seconds);
    }
    let rest = (usize::MAX, "before and after it".to_owned());
    phases.entry(rest).or_default().push(seconds - inside);
    [seconds, after]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(phases: Phases) {
    for ((_, name), values) in phases {
        println!("    {:>6.3} s  {name}", median(values));
    }
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let runs = tempfile::tempdir().expect("temporary directory");
    // Fetches, builds and saves whatever is not there yet.
    play(runs.path(), false, &mut Phases::new());
    println!("load before: {}", load());
    let (mut restored, mut cold, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut restored_phases, mut cold_phases) = (Phases::new(), Phases::new());
    for _ in 0..rounds {
        for (cold, verdicts, phases) in
            [(false, &mut restored, &mut restored_phases), (true, &mut cold, &mut cold_phases)]
        {
            let [verdict, after] = play(runs.path(), cold, phases);
            verdicts.push(verdict);
            ends.push(after);
        }
    }
    println!("load after:  {}", load());
    let (restored, cold) = (median(restored), median(cold));
    println!("median of {rounds}, from the command to its verdict:");
    println!("  restored {restored:>6.2} s");
    print(restored_phases);
    println!("  --cold   {cold:>6.2} s   {:.1} times as long", cold / restored);
    print(cold_phases);
    println!("  and {:.3} s until QEMU's memory is given back", median(ends));
}
