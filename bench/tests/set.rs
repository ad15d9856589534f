//! The scenario set: a test for each scenario with each of its cards, and one for its twins.
//!
//! The tests are what `iwlbench list` says there is, so that a new file in `bench/scenarios/` is
//! tested without another word. Of a scenario with many cards a sample is played: the first two, and
//! of the others one, by turns; twins with the first two. `IWLBENCH_SET=all` plays them all.
//!
//! With `IWLBENCH_SLOW=45` each plays with one card, by turns, in a guest whose kernel puts its work off for
//! so many milliseconds (`--append iwlbench.slow=45`): what awaits a sign that comes before its effect fails.

mod common;

use common::Bench;
use libtest_mimic::{Arguments, Failed, Trial};

/// Cards of each scenario that are always played.
const ALWAYS: usize = 2;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let list = Bench::new().output(&["list", "--json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).expect("the list is JSON");
    let all = std::env::var("IWLBENCH_SET").is_ok_and(|sample| sample == "all");
    let slow = std::env::var("IWLBENCH_SLOW").ok().map(|ms| format!("iwlbench.slow={ms}"));
    let mut trials = Vec::new();
    for (turn, scenario) in list["scenarios"].as_array().expect("scenarios").iter().enumerate() {
        let word = |key: &str| scenario[key].as_str().expect(key).to_owned();
        let (group, name) = (word("group"), word("name"));
        let cards = scenario["cards"].as_array().expect("cards");
        let others = cards.len().saturating_sub(ALWAYS);
        for (index, card) in cards.iter().enumerate() {
            let first = index < ALWAYS;
            let sampled = match &slow {
                Some(_) => all || index == turn % cards.len(),
                None => all || first || (index - ALWAYS) == turn % others,
            };
            let card = card.as_str().expect("a card's name").to_owned();
            let test = format!("{group}::{name}::{card}");
            let (twins_name, twins_card) = (name.clone(), card.clone());
            if scenario["twins"] != 0 && slow.is_none() {
                let twins = Trial::test(format!("{test}::twins"), move || {
                    play(&["--twins", &twins_name, "--card", &twins_card])
                });
                trials.push(twins.with_ignored_flag(!all && !first));
            }
            let name = name.clone();
            let slow = slow.clone();
            let trial = Trial::test(test, move || {
                let mut args = vec![&*name, "--card", &card];
                args.extend(slow.iter().flat_map(|word| ["--append", word]));
                play(&args)
            });
            trials.push(trial.with_ignored_flag(!sampled));
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
