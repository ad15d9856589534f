//! How many verdicts a minute `iwlbench matrix` reaches, beside the same plays one at a time:
//! `cargo bench -p iwlbench --bench matrix [-- REPEAT]`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Two that end well and in a usual time, of both kinds of opmode.
const PLAYED: [&str; 2] = ["opmode-load", "modprobe-fails"];

/// Verdicts, and the seconds that they took.
fn play(out: &Path, repeat: u32, jobs: Option<u32>) -> (f64, f64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iwlbench"));
    command.arg("matrix").args(PLAYED).args(["--card", "7260,6205", "--json", "--out"]).arg(out);
    command.args(["--repeat", &repeat.to_string()]);
    if let Some(jobs) = jobs {
        command.args(["--jobs", &jobs.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output().expect("the program runs");
    assert!(output.status.success(), "the matrix did not pass");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let cells = document["cells"].as_array().expect("a matrix has cells").len();
    (cells as f64, document["seconds"].as_f64().expect("a number"))
}

fn main() {
    let repeat = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(10);
    let out = tempfile::tempdir().expect("temporary directory");
    // Fetches, builds and saves whatever is not there yet.
    play(out.path(), 1, None);
    let rate = |jobs| {
        let (verdicts, seconds) = play(out.path(), repeat, jobs);
        (verdicts / seconds * 60.0, verdicts)
    };
    let (one, verdicts) = rate(Some(1));
    let (all, _) = rate(None);
    println!("{verdicts} verdicts:");
    println!("  one at a time    {one:>5.0} a minute");
    println!("  as by default    {all:>5.0} a minute, {:.2} times as many", all / one);
}
