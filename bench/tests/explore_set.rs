//! `explore` plays every scenario of the set that has something to order, a few orders of each. What
//! an order comes to is the scenario's business; that it can be played at all is this test's.
//!
//! A scenario by default, as many as `IWLBENCH_EXPLORE_SET` says; `all` plays every one:
//! `IWLBENCH_EXPLORE_SET=all cargo nextest run --release -p iwlbench -E 'binary(explore_set)'`.

mod common;

use common::Bench;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Orders of each.
const BOUND: &str = "2";
/// Every how many scenarios one is played, if nobody says otherwise.
const SAMPLE: usize = 12;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let list = Bench::new().output(&["list", "--json"]).stdout;
    let list: Value = serde_json::from_slice(&list).expect("the list is JSON");
    let all = std::env::var("IWLBENCH_EXPLORE_SET").is_ok_and(|sample| sample == "all");
    let mut trials = Vec::new();
    for (index, scenario) in list["scenarios"].as_array().expect("scenarios").iter().enumerate() {
        let name = scenario["name"].as_str().expect("a name").to_owned();
        let card = scenario["cards"][0].as_str().expect("a card").to_owned();
        // The main job is always among them.
        let sampled = all || index % SAMPLE == 0 || name == "opmode-load";
        let trial = Trial::test(name.clone(), move || explore(&name, &card));
        trials.push(trial.with_ignored_flag(!sampled));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Explores, and passes if orders were played and each of them came to an end.
fn explore(name: &str, card: &str) -> Result<(), Failed> {
    let bench = Bench::new();
    let args = ["explore", name, "--card", card, "--bound", BOUND, "--jobs", "1", "--json"];
    let output = bench.output(&args);
    bench.nothing_left();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let none = ["has no gates", "its guest is reset"];
    if output.status.code() == Some(2) && none.iter().any(|why| said.contains(why)) {
        // There is no order of it.
        return Ok(());
    }
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|_| said.clone())?;
    let orders = document["explorations"][0]["orders"].as_array().ok_or("no orders")?;
    if orders.is_empty() {
        return Err(format!("no order was played: {said}").into());
    }
    match orders.iter().find(|order| order["class"].is_null()) {
        Some(unplayed) => Err(format!("{}: {said}", unplayed["line"]).into()),
        None => Ok(()),
    }
}
