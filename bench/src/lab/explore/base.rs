//! What an exploration makes of a scenario: its guest, its card and its gates; its steps without
//! what fixes their order; every hold until the host lets go.

use serde::Deserialize;
use toml::{Table, Value};

use crate::facts::failure::BadUsage;
use crate::script::added::add_faults;
use crate::script::read;
use crate::script::scenario::{Action, Check, PlannedFault, Scenario, Step, Vars, When};

/// Held, beside what the rules hold, if neither scenario nor user names anything.
const HELD_BY_DEFAULT: [&str; 2] = ["$firmware", "$opmode"];

/// A scenario whose order is open.
#[derive(Debug)]
pub struct Base {
    /// To be played by an exploration; its steps are the host's points.
    pub scenario: Scenario,
    /// What an order may end in.
    pub ends: Vec<Check>,
    /// The same, as a scenario writes it.
    pub ends_as_written: Value,
    /// The steps as a scenario writes them, with names that are theirs alone.
    pub steps: Vec<Table>,
}

impl Base {
    /// Of a scenario, for one card and kernel; `hold` names what is held beyond its own rules.
    ///
    /// # Errors
    /// It has no gates, resets its guest, or a name in `hold` has an unknown variable.
    pub fn of(
        scenario: &Scenario,
        vars: &Vars,
        hold: &[String],
        faults: &[PlannedFault],
    ) -> Result<Base, BadUsage> {
        let name = &scenario.name;
        if !scenario.gates {
            return Err(BadUsage(format!(
                "scenario {name} has no gates: nothing is held whose order could be chosen"
            )));
        }
        if scenario.reboots() {
            return Err(BadUsage(format!(
                "scenario {name} cannot be explored: its guest is reset, and each order is played in \
                 one that was restored"
            )));
        }
        let mut table = scenario.table.clone();
        for key in ["twin", "expect"] {
            table.remove(key);
        }
        let steps = points(table.get("step"), vars);
        let written = match table.remove("explore") {
            Some(Value::Table(mut explore)) => explore.remove("ends"),
            _ => None,
        };
        let ends_as_written = written.unwrap_or_else(default_ends);
        table.insert("cards".into(), vec![vars.card.clone()].into());
        hold_rules(&mut table, scenario);
        let names = match table.remove("hold") {
            Some(Value::Array(names)) => names,
            _ => Vec::new(),
        };
        let mut names: Vec<Value> =
            names.into_iter().chain(hold.iter().map(|name| name.as_str().into())).collect();
        if names.is_empty() {
            names = HELD_BY_DEFAULT.map(Value::from).into();
        }
        table.insert("hold".into(), names.into());
        add_faults(&mut table, faults);
        // A scenario has a step. Where none is a point, the guest comes to rest: as it does anyway.
        let played = match steps.is_empty() {
            true => vec![Table::from_iter([("do".to_owned(), Value::from("rest"))])],
            false => steps.clone(),
        };
        table.insert("step".into(), played.into());

        let bad = |error: &dyn std::fmt::Display| BadUsage(format!("scenario {name}: {error}"));
        let text = toml::to_string(&table).map_err(|error| bad(&error))?;
        let mut base =
            read::parse(&format!("{name}-order"), name, &text).map_err(|error| bad(&error))?;
        base.directory.clone_from(&scenario.directory);
        let ends = match scenario.explore.ends.as_slice() {
            [] => Deserialize::deserialize(default_ends()).map_err(|error| bad(&error))?,
            ends => ends.to_vec(),
        };
        Ok(Base { scenario: base, ends, ends_as_written, steps })
    }

    /// The step of a point.
    pub fn step(&self, index: usize) -> Option<(&Step, &Action)> {
        self.steps.get(index)?;
        let step = self.scenario.steps.get(index)?.get_ref();
        Some((step, step.r#do.as_ref()?))
    }

    /// Its name.
    pub fn step_name(&self, index: usize) -> String {
        let Some((step, action)) = self.step(index) else { return String::new() };
        step.name.clone().unwrap_or_else(|| action.word().to_owned())
    }
}

/// The steps that are points: what the host does for this card and kernel, each round of a
/// repetition; without what waits, looks, or lets go.
fn points(steps: Option<&Value>, vars: &Vars) -> Vec<Table> {
    let mut points = Vec::new();
    flatten(steps, vars, &mut points);
    let mut names: Vec<String> = Vec::new();
    for point in &mut points {
        let name = match (point.get("name"), point.get("do")) {
            (Some(Value::String(name)), _) | (None, Some(Value::String(name))) => name.clone(),
            (_, Some(Value::Table(action))) => action.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        let count = names.iter().filter(|known| **known == name).count();
        if count > 0 {
            point.insert("name".into(), format!("{name} {}", count + 1).into());
        }
        names.push(name);
    }
    points
}

fn flatten(steps: Option<&Value>, vars: &Vars, points: &mut Vec<Table>) {
    let Some(Value::Array(steps)) = steps else { return };
    for step in steps.iter().filter_map(Value::as_table) {
        let when = step.get("when").cloned().map(When::deserialize);
        if let Some(Ok(when)) = when
            && !when.applies(vars)
        {
            continue;
        }
        if let Some(Value::Integer(times)) = step.get("repeat") {
            for _ in 0..*times {
                flatten(step.get("step"), vars, points);
            }
        }
        let action = step.get("do").cloned().map(Action::deserialize);
        if let Some(Ok(action)) = action
            && action.is_a_point()
        {
            let mut point = step.clone();
            for key in ["when", "fails"] {
                point.remove(key);
            }
            points.push(point);
        }
    }
}

/// Makes every rule that holds, or that takes its time, hold until it is let go. Files beside the
/// scenario get absolute names.
fn hold_rules(table: &mut Table, scenario: &Scenario) {
    for gate in ["firmware", "module"] {
        let Some(Value::Array(rules)) = table.get_mut(gate) else { continue };
        for rule in rules.iter_mut().filter_map(Value::as_table_mut) {
            let timing = ["hold", "hold-until", "delay"].map(|key| rule.remove(key));
            if timing.iter().flatten().any(|value| *value != Value::Boolean(false)) {
                rule.insert("hold".into(), true.into());
            }
            if let Some(Value::String(give)) = rule.get_mut("give")
                && let Some(file) = give.strip_prefix("file:")
                && let Ok(file) = std::path::absolute(scenario.directory.join(file))
            {
                *give = format!("file:{}", file.display());
            }
        }
    }
}

/// Gone, free, or at work.
fn default_ends() -> Value {
    let end = |pairs: &[(&str, Value)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Value::Table(pairs.collect())
    };
    Value::Array(vec![
        end(&[("present", false.into())]),
        end(&[("bound", false.into()), ("interfaces", 0.into())]),
        end(&[("bound", true.into()), ("interfaces", 1.into())]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str, hold: &[String]) -> Result<Base, BadUsage> {
        let text = format!("about = \"t\"\ncards = [\"7260\", \"6205\"]\n{text}");
        let scenario = read::parse("t", "t.toml", &text).expect("valid");
        Base::of(&scenario, &Vars::sample(), hold, &["never-alive".parse().expect("a fault")])
    }

    const STEPS: &str = "[[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"bound\"\n\
        [[step]]\nrepeat = 2\n[[step.step]]\ndo = \"unbind\"\nfails = \"EBUSY\"\n\
        [[step.step]]\ndo = { release = \"*\" }\nfails = true\n\
        [[step]]\nwhen.kernel = \"<6.10\"\ndo = \"bind\"\n\
        [[step]]\ncheck = { bound = true }\n\
        [[expect]]\nthat = \"t\"\nnever = \"bound\"\n";

    #[test]
    fn only_what_the_host_does_is_a_point() {
        let base = base(STEPS, &[]).expect("explorable");
        let names: Vec<_> = (0..base.steps.len()).map(|index| base.step_name(index)).collect();
        assert_eq!(names, ["coldplug", "unbind", "unbind 2"]);
        assert!(base.step(1).expect("there").0.fails.is_none(), "an order decides");
        assert!(base.scenario.expectations.is_empty(), "they are about one order");
        assert_eq!(base.scenario.cards[0].get_ref(), "7260");
        assert_eq!(base.scenario.faults().count(), 1);
        assert_eq!(base.ends.len(), 3);
    }

    /// As the main job: the host only looks on, and what the gates hold are all the points.
    #[test]
    fn no_step_needs_to_be_a_point() {
        let looks = "[[step]]\nawait = \"bound\"\n[[step]]\ncheck = { bound = true }\n";
        let base = base(looks, &[]).expect("explorable");
        assert!(base.steps.is_empty() && base.step(0).is_none(), "{:?}", base.steps);
    }

    #[test]
    fn what_waits_is_held_instead() {
        let rules = "[[firmware]]\nhold-until = \"bound\"\nrefuse = \"EIO\"\n[[module]]\ndelay = 3\n\
                     [[module]]\nname = \"x\"\nhang = true\n";
        let base = base(&format!("{rules}{STEPS}"), &[]).expect("explorable");
        let firmware = base.scenario.firmware[0].get_ref();
        assert!(firmware.hold && firmware.hold_until.is_none() && firmware.refuse.is_some());
        let modules: Vec<_> = base.scenario.module.iter().map(toml::Spanned::get_ref).collect();
        assert!(modules[0].hold && modules[0].delay.is_none());
        assert!(modules[1].hang && !modules[1].hold);
    }

    #[test]
    fn something_is_always_held() {
        let held =
            |base: Base| base.scenario.hold.into_iter().map(|name| name.0).collect::<Vec<_>>();
        assert_eq!(held(base(STEPS, &[]).expect("explorable")), HELD_BY_DEFAULT);
        let more = base(&format!("hold = [\"a\"]\n{STEPS}"), &["b*".to_owned()]);
        assert_eq!(held(more.expect("explorable")), ["a", "b*"]);
    }

    #[test]
    fn what_has_no_order_is_refused() {
        let ungated = base(&format!("gates = false\n{STEPS}"), &[]).expect_err("no gates");
        assert!(ungated.to_string().contains("no gates"), "{ungated}");
        let unknown = base(STEPS, &["$opmod".to_owned()]).expect_err("no such variable");
        assert!(unknown.to_string().contains("no variable `$opmod`"), "{unknown}");
    }

    #[test]
    fn the_scenario_says_how_it_may_end() {
        let ends = "[explore]\nends = [{ bound = true, interfaces = 0 }]\n";
        let base = base(&format!("{ends}{STEPS}"), &[]).expect("explorable");
        assert_eq!(base.ends.len(), 1);
        assert_eq!(base.ends[0].interfaces, Some(0));
    }
}
