//! The scenario set: a test for each scenario with each of its cards, and one for its twins.
//!
//! The tests are what `iwlbench list` says there is, so that a new file in `bench/scenarios/` is
//! tested without another word.

mod common;

use common::Bench;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let list = Bench::new().output(&["list", "--json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).expect("the list is JSON");
    let mut trials = Vec::new();
    for scenario in list["scenarios"].as_array().expect("scenarios") {
        let word = |key: &str| scenario[key].as_str().expect(key).to_owned();
        let (group, name) = (word("group"), word("name"));
        for card in scenario["cards"].as_array().expect("cards") {
            let card = card.as_str().expect("a card's name").to_owned();
            let test = format!("{group}::{name}::{card}");
            let (twins_name, twins_card) = (name.clone(), card.clone());
            if scenario["twins"] != 0 {
                trials.push(Trial::test(format!("{test}::twins"), move || {
                    play(&["--twins", &twins_name, "--card", &twins_card])
                }));
            }
            let name = name.clone();
            trials.push(Trial::test(test, move || play(&[&name, "--card", &card])));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Plays, and passes if every run did.
fn play(args: &[&str]) -> Result<(), Failed> {
    let bench = Bench::new();
    let mut all = vec!["run"];
    all.extend(args);
    let output = bench.output(&all);
    bench.nothing_left();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned().into())
}
