//! `iwlbench check`.

use std::fmt::Write;
use std::process::ExitCode;

use crate::cli::CheckArgs;
use crate::scenario::{self, Scenario};
use crate::{BadUsage, commands};

/// Reads each scenario and says what it holds, or what is wrong with it and where.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    let mut errors = Vec::new();
    for name in &args.scenario {
        match scenario::find(name) {
            Ok(scenario) => {
                // A String takes any write.
                let _ = writeln!(
                    out,
                    "{name}: good: {}, {}, {}",
                    count(scenario.steps.len(), "step"),
                    count(scenario.expectations.len(), "expectation"),
                    count(scenario.twins.len(), "twin")
                );
                for that in unguarded(&scenario) {
                    let _ = writeln!(out, "{name}: no twin turns this one red: {that}");
                }
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    commands::print(&out)?;
    match errors.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(BadUsage(errors.join("\niwlbench: ")).into()),
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The expectations that nothing shows to be able to fail.
fn unguarded(scenario: &Scenario) -> impl Iterator<Item = &str> {
    let named: Vec<&String> = scenario
        .twins
        .iter()
        .flat_map(|twin| &twin.get_ref().red)
        .map(toml::Spanned::get_ref)
        .collect();
    scenario
        .expectations
        .iter()
        .map(|expectation| &expectation.get_ref().that)
        .filter(move |that| !named.contains(that))
        .map(String::as_str)
}
