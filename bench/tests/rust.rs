//! The driver in Rust, `--driver rust`, through the hand-over, its races, its firmware and the card's faults: a
//! test for each scenario with each card that it drives.
//!
//! What it is built in is made once for a kernel, of 470 MB and in some minutes; where that was done a handful
//! is played in each run of the tests, and each with `--run-ignored all`. Where it was not, all are ignored,
//! and asked for they make it first:
//!
//! ```sh
//! cargo nextest run --release -p iwlbench --run-ignored all -E 'binary(rust)'
//! ```

mod common;

use common::{Bench, cache_holds, text};
use libtest_mimic::{Arguments, Failed, Trial};

/// A card of each generation that it drives.
const CARDS: [&str; 4] = ["7260", "6205", "8265", "ax200"];
const GROUPS: [&str; 4] = ["hand-over", "races", "firmware", "card"];

const MAIN: &str = "opmode-load";

/// Of these all cards are played each time, of others none.
const ALWAYS: [&str; 8] = [
    MAIN,
    "modprobe-lies",
    "modprobe-slow",
    "unbind-while-modprobe-is-held",
    "remove-in-the-gap",
    "vanish-while-modprobe-is-held",
    "rmmod-while-verifier-waits",
    "ucode-error",
];

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let list = Bench::new().output(&["list", "--json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).expect("the list is JSON");
    let ready = cache_holds("rust");
    let mut trials = Vec::new();
    for scenario in list["scenarios"].as_array().expect("scenarios") {
        let [group, name] = ["group", "name"].map(|key| text(&scenario[key]).to_owned());
        // Some are about what iwlwifi alone has.
        let own = &scenario["driver"];
        if !GROUPS.contains(&&*group) || !(own.is_null() || *own == "iwlrs") {
            continue;
        }
        let of_it: Vec<_> = scenario["cards"].as_array().expect("cards").iter().map(text).collect();
        // The main job is every card's.
        for card in CARDS.into_iter().filter(|card| name == MAIN || of_it.contains(card)) {
            let always = ALWAYS.contains(&&*name);
            let test = format!("{group}::{name}::{card}");
            let name = name.clone();
            let trial = Trial::test(test, move || passes(&name, card, "rust"));
            trials.push(trial.with_ignored_flag(!(ready && always)));
        }
    }
    let crashes = Trial::test("a_look_that_is_not_taken_back_is_red", crashes);
    let own = Trial::test("a_driver_of_ones_own_plays_as_it_was_written", own);
    trials.extend([crashes, own].map(|trial| trial.with_ignored_flag(!ready)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn passes(scenario: &str, card: &str, driver: &str) -> Result<(), Failed> {
    let bench = Bench::new();
    let output = bench.output(&["run", scenario, "--card", card, "--driver", driver]);
    bench.nothing_left();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned().into())
}

/// The verifier without its cancel, unloaded within its second: the kernel dies of it, or complains; with it,
/// it does not.
fn crashes() -> Result<(), Failed> {
    let scenario = "rmmod-while-verifier-waits";
    let naive = Bench::new().run(&[scenario, "--card", "7260", "--driver", "rust-naive"]);
    if naive.code != Some(1) || !["guest-panicked", "kernel-trouble"].contains(&naive.outcome()) {
        return Err(format!("{:?}: {}", naive.code, naive.only()["verdict"]).into());
    }
    passes(scenario, "7260", "rust-nowait-verify")
}

/// By the commands that `new` names.
fn own() -> Result<(), Failed> {
    let bench = Bench::new();
    let own = bench.dir.path().join("own");
    let [own, scenario, module] =
        ["", "/own.toml", "/own.ko"].map(|file| format!("{}{file}", own.display()));
    let commands: [&[&str]; 4] = [
        &["new", "--driver", "rust", &own],
        &["module", "build", &own, "--kernel", "7.3"],
        &["run", &scenario, "--module", &module, "--card", "7260"],
        &["run", &scenario, "--module", &module, "--card", "6205"],
    ];
    for command in commands {
        let output = bench.output(command);
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(String::from_utf8_lossy(&said).into_owned().into());
        }
    }
    bench.nothing_left();
    Ok(())
}
