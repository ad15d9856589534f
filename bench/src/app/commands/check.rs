//! `iwlbench check`.

use std::fmt::Write;
use std::process::ExitCode;

use crate::app::cli::CheckArgs;
use crate::app::{commands, terminal, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::script::read;
use crate::script::scenario::Scenario;
use crate::script::schema;

/// Reads each scenario and says what it holds, or what is wrong with it and where.
pub fn check(args: &CheckArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if args.schema {
        commands::json(&schema::schema())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    let mut errors = Vec::new();
    let mut doubts = Vec::new();
    for name in &args.scenario {
        // One by one: what is good is told beside what is not.
        match read::select(std::slice::from_ref(name)) {
            Ok(those) => {
                for scenario in &those {
                    describe(scenario, name, &mut out);
                    doubts.extend(scenario.doubts.iter().cloned());
                }
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    commands::print(&out)?;
    for doubt in &doubts {
        terminal::line(&ui.errors.lines(doubt));
    }
    if args.strict && !doubts.is_empty() {
        errors.push(format!("--strict: {}", count(doubts.len(), "warning")));
    }
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
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
