//! `iwlbench check`.

use std::fmt::Write;
use std::process::ExitCode;

use crate::app::cli::CheckArgs;
use crate::app::commands;
use crate::facts::failure::BadUsage;
use crate::script::read;
use crate::script::scenario::Scenario;

/// Reads each scenario and says what it holds, or what is wrong with it and where.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    let mut errors = Vec::new();
    for name in &args.scenario {
        // One by one: what is good is told beside what is not.
        match read::select(std::slice::from_ref(name)) {
            Ok(those) => those.iter().for_each(|scenario| describe(scenario, name, &mut out)),
            Err(error) => errors.push(error.to_string()),
        }
    }
    commands::print(&out)?;
    match errors.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(BadUsage(errors.join("\niwlbench: ")).into()),
    }
}

fn describe(scenario: &Scenario, given: &str, out: &mut String) {
    let name = if given.ends_with(".toml") { given } else { &scenario.name };
    // A String takes any write.
    let _ = writeln!(
        out,
        "{name}: good: {}, {}, {}",
        count(scenario.steps.len(), "step"),
        count(scenario.expectations.len(), "expectation"),
        count(scenario.twins.len(), "twin")
    );
    for that in scenario.unguarded() {
        let _ = writeln!(out, "{name}: no twin turns this one red: {that}");
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
