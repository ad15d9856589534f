//! `iwlbench check`.

use std::fmt::Write;
use std::process::ExitCode;

use crate::cli::CheckArgs;
use crate::{BadUsage, commands, scenario};

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
                    "{name}: good: {} steps, {} expectations, {} twins",
                    scenario.steps.len(),
                    scenario.expectations.len(),
                    scenario.twins.len()
                );
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
