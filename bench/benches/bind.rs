//! How long a card takes from its bind to `wlan0`, beside a `modprobe mac80211_hwsim` in the same guest:
//! `cargo bench -p iwlbench --bench bind [-- ROUNDS [CARD…]]`.
//!
//! Both are timed in one run, by turns, so that they see the same load on the machine: from the step to
//! the uevent of the interface. The card's part is what its driver asks of it, and what the model, the
//! server and QEMU take for that; it is told by how many accesses and interrupts there were.
//!
//! What remains of it is mostly the 6205's: 4096 of its 4300 accesses are the driver's, which reads the OTP whole,
//! 1024 words at four accesses each: the address, whether the word is there (which it is at the first look),
//! the word, and whether it had to be corrected. Each but the first waits for an answer, 30 to 40 µs through
//! QEMU under TCG. An EEPROM would take three; parts of the 6000 family have OTP.
//!
//! BE200's, the longest though of few accesses, is its driver's as well: on the way it resets the card three times, and
//! sleeps 10 to 20 ms after each (`iwl_trans_pcie_sw_reset()`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CARDS: [&str; 7] = ["6205", "7260", "8265", "9260", "ax200", "ax210", "be200"];
const HWSIM: &str = "mac80211_hwsim";

/// A scenario that binds and unbinds the card so often, and loads the other beside it.
fn scenario(rounds: usize) -> String {
    let steps = [
        "do = \"unbind\"",
        "name = \"bind\"\ndo = \"bind\"",
        "await = \"netdev-registered\"",
        "do = \"rest\"",
        "name = \"hwsim\"\ndo = { modprobe = [\"mac80211_hwsim\", \"radios=1\"] }",
        "do = { modprobe = [\"-r\", \"mac80211_hwsim\"] }",
    ];
    let steps: String = steps.iter().map(|step| format!("[[step.step]]\n{step}\n\n")).collect();
    format!(
        "about = \"a bind to an interface, beside mac80211_hwsim\"\ncards = [\"7260\"]\n\n\
         [[step]]\ndo = \"coldplug\"\n\n[[step]]\nawait = [\"netdev-registered\", \"modprobe-ended\"]\n\n\
         [[step]]\nrepeat = {rounds}\n\n{steps}\
         [[expect]]\nthat = \"an interface comes\"\neventually = \"netdev-registered\"\n"
    )
}

/// Milliseconds from each such step to the next interface that is the card's, or is not; and how many
/// accesses and interrupts of the card there were meanwhile.
fn spans(events: &[Value], step: &str, of_the_card: bool) -> Vec<(f64, usize, usize)> {
    let at = |event: &Value| event["t_ns"].as_f64().unwrap_or_default() / 1e6;
    let starts = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event["kind"] == "step-started" && event["step"] == step);
    let spans = starts.filter_map(|(index, start)| {
        let rest = &events[index..];
        let end = rest.iter().position(|event| {
            let path = event["devpath"].as_str().unwrap_or_default();
            event["kind"] == "uevent"
                && event["action"] == "add"
                && event["subsystem"] == "net"
                && path.contains("/pci") == of_the_card
        })?;
        let count = |kinds: &[&str]| {
            let is = |event: &&Value| kinds.iter().any(|kind| event["kind"] == *kind);
            rest[..end].iter().filter(is).count()
        };
        let told = (count(&["reg-read", "reg-write"]), count(&["interrupt"]));
        Some((at(&rest[end]) - at(start), told.0, told.1))
    });
    spans.collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn play(file: &Path, runs: &Path, card: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_iwlbench"))
        .arg("run")
        .arg(file)
        .args(["--card", card, "--with", HWSIM, "--json", "--out"])
        .arg(runs)
        .output()
        .expect("the program runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{card}: the run did not pass: {document:#}");
    let directory: PathBuf = document["runs"][0]["directory"].as_str().expect("a path").into();
    let events = fs::read_to_string(directory.join("events.jsonl")).expect("its events");
    events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn main() {
    // Cargo gives `--bench` too.
    let mut given =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    let rounds = given
        .next_if(|first| first.parse::<usize>().is_ok() && CARDS.iter().all(|card| card != first));
    let rounds = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let given: Vec<String> = given.collect();
    let cards: Vec<&str> = match given.is_empty() {
        true => CARDS.to_vec(),
        false => given.iter().map(String::as_str).collect(),
    };
    let runs = tempfile::tempdir().expect("temporary directory");
    let file = runs.path().join("bind.toml");
    fs::write(&file, scenario(rounds)).expect("writable");
    println!("median of {rounds}, from the step to the interface:");
    for card in cards {
        let events = play(&file, runs.path(), card);
        let bind = spans(&events, "bind", true);
        let hwsim = spans(&events, "hwsim", false);
        let milliseconds =
            |spans: &[(f64, usize, usize)]| median(spans.iter().map(|span| span.0).collect());
        let (bound, loaded) = (milliseconds(&bind), milliseconds(&hwsim));
        let (_, accesses, interrupts) = bind.last().copied().unwrap_or_default();
        println!(
            "  {card:>6} {bound:>7.1} ms   {HWSIM} {loaded:>6.1} ms   {:.1} times as long; {accesses} \
             accesses, {interrupts} interrupts",
            bound / loaded
        );
    }
}
