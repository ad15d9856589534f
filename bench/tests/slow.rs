//! Guests whose kernel is slow to do what it has put off (`--append iwlbench.slow=MS`): what comes of a
//! thing is as far from the word of it as on a loaded machine.

mod common;

use common::{Bench, text};

const SLOW: [&str; 4] = ["--card", "6205", "--append", "iwlbench.slow=48"];
const SCENARIO: &str = include_str!("../scenarios/card/rf-kill-switched.toml");

/// The driver tells of the switch, and the interface is taken down for it later: who does not wait for
/// that finds it up.
#[test]
fn a_sign_that_comes_before_its_effect_is_found() {
    let bench = Bench::new();
    let hasty = SCENARIO.replace("[[step]]\ndo = \"rest\"\n", "");
    assert_ne!(hasty, SCENARIO);
    let hasty = bench.file("hasty.toml", hasty);
    // It is a race still: the slow one may win.
    let lost = (0..10).any(|_| {
        let run = bench.run(&[&[&*hasty.to_string_lossy()], &SLOW[..]].concat());
        let line = text(&run.only()["verdict"]["line"]);
        run.outcome() == "failed" && line.contains("link-up-in-silence")
    });
    assert!(lost, "it never came too early");
    let run = bench.run(&[&["rf-kill-switched"], &SLOW[..]].concat());
    assert_eq!(run.outcome(), "passed", "{}", run.only()["verdict"]);
}

/// A PCI function is told of before drivers can have it: a step that comes by then waits.
#[test]
fn a_driver_that_is_loaded_finds_its_card() {
    let run = Bench::new().run(&[&["clock-never-ready"], &SLOW[..]].concat());
    assert_eq!(run.outcome(), "passed", "{}", run.only()["verdict"]);
}
