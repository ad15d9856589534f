//! Judges a finished run: expectations against milestones.

use serde::Serialize;
use toml::Value;

use crate::milestone::Reached;
use crate::scenario::{Expectation, Pattern, Scenario, Vars};

/// An expectation and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What it means.
    pub that: String,
    /// Why it failed; `None` if it held.
    pub failure: Option<Failure>,
}

/// Why an expectation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was expected and what came instead, one or two lines.
    pub what: String,
    /// The place in the timeline to look at: a milestone's event, if there is a near one.
    pub near: Option<u64>,
}

/// Judges all expectations that apply to this run.
pub fn judge(scenario: &Scenario, vars: &Vars, milestones: &[Reached]) -> Vec<Judged> {
    scenario
        .expectations
        .iter()
        .map(toml::Spanned::get_ref)
        .filter(|e| e.when.applies(vars))
        .map(|e| Judged { that: e.that.clone(), failure: failure(e, vars, milestones) })
        .collect()
}

fn failure(e: &Expectation, vars: &Vars, milestones: &[Reached]) -> Option<Failure> {
    if let Some(patterns) = &e.in_order {
        let patterns: Vec<_> = patterns.iter().map(|p| vars.pattern(p.get_ref())).collect();
        return in_order(&patterns, milestones);
    }
    if let Some(pattern) = &e.eventually {
        return in_order(&[vars.pattern(pattern.get_ref())], milestones);
    }
    if let Some(pattern) = &e.never {
        let pattern = vars.pattern(pattern.get_ref());
        return milestones.iter().find(|r| matches(&pattern, r)).map(|r| Failure {
            what: format!("expected never: {pattern}\nbut: {}", line(r)),
            near: Some(r.seq),
        });
    }
    if let (Some(pattern), Some(times)) = (&e.exactly, e.times) {
        let pattern = vars.pattern(pattern.get_ref());
        let found: Vec<_> = milestones.iter().filter(|r| matches(&pattern, r)).collect();
        return (found.len() != times).then(|| Failure {
            what: format!("expected exactly {times} × {pattern}\nbut: {} ×", found.len()),
            near: found.last().map(|r| r.seq),
        });
    }
    if let (Some(pattern), Some(has)) = (&e.every, &e.has) {
        let pattern = vars.pattern(pattern.get_ref());
        for (field, want) in has.get_ref() {
            if let Some(failure) = values(&pattern, field, &vars.value(want), milestones) {
                return Some(failure);
            }
        }
    }
    None
}

/// All patterns in this order, others may stand between.
fn in_order(patterns: &[Pattern], milestones: &[Reached]) -> Option<Failure> {
    let mut from = 0;
    let mut previous: Option<(&Pattern, &Reached)> = None;
    for pattern in patterns {
        if let Some(at) = milestones[from..].iter().position(|r| matches(pattern, r)) {
            previous = Some((pattern, &milestones[from + at]));
            from += at + 1;
            continue;
        }
        let mut what = format!("expected: {pattern}");
        if let Some((_, reached)) = previous {
            what += &format!("\nafter:    {}", line(reached));
        }
        // The nearest mismatch: the right thing too early, else the right kind with other values.
        let early = milestones[..from].iter().rev().find(|r| matches(pattern, r));
        let alike = milestones.iter().find(|r| kind(r) == pattern.milestone);
        let near = match (early, alike) {
            (Some(r), _) => {
                what += &format!("\nbut it came before that: {}", line(r));
                Some(r.seq)
            }
            (None, Some(r)) => {
                what += &format!("\nnearest:  {}", line(r));
                Some(r.seq)
            }
            (None, None) => {
                what += &format!("\nbut there is no {} in this run", pattern.milestone);
                previous.map(|(_, r)| r.seq)
            }
        };
        return Some(Failure { what, near });
    }
    None
}

fn values(pattern: &Pattern, field: &str, want: &Value, milestones: &[Reached]) -> Option<Failure> {
    let found: Vec<&Reached> = milestones.iter().filter(|r| matches(pattern, r)).collect();
    let got: Vec<serde_json::Value> = found.iter().filter_map(|r| get(r, field)).collect();
    let want = json(want);
    let same = match &want {
        serde_json::Value::Array(want) => *want == got,
        one => !got.is_empty() && got.iter().all(|g| g == one),
    };
    (!same).then(|| Failure {
        what: format!(
            "expected every {pattern} to have {field} = {want}\nbut: {}",
            serde_json::Value::from(got)
        ),
        near: found.last().map(|r| r.seq),
    })
}

/// Whether a milestone is what a pattern (its variables replaced) asks for.
pub fn matches(pattern: &Pattern, reached: &Reached) -> bool {
    kind(reached) == pattern.milestone
        && pattern.fields.iter().all(|(field, want)| get(reached, field) == Some(json(want)))
}

fn kind(reached: &Reached) -> String {
    match get(reached, "milestone") {
        Some(serde_json::Value::String(kind)) => kind,
        _ => String::new(),
    }
}

fn get(reached: &Reached, field: &str) -> Option<serde_json::Value> {
    serde_json::to_value(&reached.milestone).ok()?.get(field).cloned()
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn line(reached: &Reached) -> String {
    format!("{:.3} s  {}", seconds(reached.t_ns), reached.milestone)
}

/// Nanoseconds as seconds, for people.
#[expect(clippy::cast_precision_loss, reason = "for display; exact to a microsecond for years")]
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milestone::Milestone;
    use crate::scenario::parse;

    fn vars() -> Vars {
        Vars {
            card: "7260".into(),
            opmode: "iwlmvm".into(),
            firmware: "iwlwifi-7260-17.ucode".into(),
            walk_down: vec!["a-6".into(), "a-5".into()],
        }
    }

    fn run(milestones: Vec<Milestone>) -> Vec<Reached> {
        milestones
            .into_iter()
            .enumerate()
            .map(|(i, milestone)| Reached { seq: i as u64, t_ns: i as u64, milestone })
            .collect()
    }

    fn verdict(expectation: &str, milestones: Vec<Milestone>) -> Option<Failure> {
        let text = format!(
            "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"unbind\"\n\
             [[expect]]\nthat = \"t\"\n{expectation}\n"
        );
        let scenario = parse("t", "t.toml", &text).expect("valid");
        judge(&scenario, &vars(), &run(milestones)).remove(0).failure
    }

    fn asked() -> Milestone {
        Milestone::OpmodeAsked { module: "iwlmvm".into() }
    }
    fn loaded() -> Milestone {
        Milestone::OpmodeLoaded { module: "iwlmvm".into() }
    }
    fn firmware(name: &str) -> Milestone {
        Milestone::FirmwareAsked { name: name.into() }
    }

    #[test]
    fn order_holds_and_fails() {
        let rule =
            r#"in-order = [{ milestone = "opmode-asked", module = "$opmode" }, "opmode-loaded"]"#;
        assert_eq!(verdict(rule, vec![asked(), firmware("x"), loaded()]), None);
        let swapped = verdict(rule, vec![loaded(), asked()]).expect("fails");
        assert!(swapped.what.contains("but it came before that"), "{}", swapped.what);
        assert_eq!(swapped.near, Some(0));
        let absent = verdict(rule, vec![asked()]).expect("fails");
        assert!(absent.what.contains("there is no opmode-loaded"), "{}", absent.what);
        let other = verdict(rule, vec![Milestone::OpmodeAsked { module: "iwldvm".into() }]);
        assert!(other.expect("fails").what.contains("nearest:  0.000 s  opmode asked for: iwldvm"));
    }

    #[test]
    fn never_and_exactly() {
        let never = r#"never = "opmode-loaded""#;
        assert_eq!(verdict(never, vec![asked()]), None);
        assert!(verdict(never, vec![asked(), loaded()]).is_some());
        let once = "exactly = \"opmode-asked\"\ntimes = 1";
        assert_eq!(verdict(once, vec![asked()]), None);
        assert!(verdict(once, vec![]).is_some());
        assert!(verdict(once, vec![asked(), asked()]).is_some());
    }

    #[test]
    fn every_value_in_order() {
        let rule = "every = \"firmware-asked\"\nhas = { name = \"$walk-down\" }";
        assert_eq!(verdict(rule, vec![firmware("a-6"), firmware("a-5")]), None);
        for wrong in [vec!["a-5", "a-6"], vec!["a-6"], vec!["a-6", "a-5", "a-4"], vec![]] {
            let run = wrong.iter().map(|n| firmware(n)).collect();
            assert!(verdict(rule, run).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn variables_and_fields_must_agree() {
        let rule = r#"eventually = { milestone = "opmode-asked", module = "iwldvm" }"#;
        assert!(verdict(rule, vec![asked()]).is_some());
    }
}
