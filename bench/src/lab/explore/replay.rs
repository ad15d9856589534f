//! An order as a scenario file, for `iwlbench run` to play again.

use std::fmt::Write;

use toml::{Table, Value};

use super::base::Base;
use super::judge::Problem;
use super::order::Point;
use super::play::Failure;
use crate::facts::errno::Errno;
use crate::script::scenario::Fails;

/// The keys of a scenario in the order in which people write them; others follow.
const KEYS: [&str; 11] = [
    "about", "evidence", "cards", "patience", "trouble", "hold", "guest", "card", "firmware",
    "module", "step",
];

/// What is to be played again.
pub struct Replay<'a> {
    /// What was explored.
    pub base: &'a Base,
    /// The name of what was explored.
    pub name: &'a str,
    /// The order.
    pub points: &'a [Point],
    /// The steps that failed in it.
    pub failures: &'a [Failure],
    /// A step did not end: how the guest looks meanwhile is nothing to judge.
    pub stuck: bool,
    /// What is wrong with it.
    pub problems: &'a [Problem],
}

impl Replay<'_> {
    /// The text of the file. It passes once nothing is wrong with the order any more.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let order: Vec<_> = self.points.iter().map(Point::to_string).collect();
        comment(&mut out, &format!("An order of {}, as `iwlbench explore` played it:", self.name));
        comment(&mut out, &format!("  {}", order.join(" · ")));
        for problem in self.problems {
            comment(&mut out, &problem.to_string());
        }
        let mut table = self.base.scenario.table.clone();
        let what = self.problems.first().map_or("an order", |problem| problem.class.word());
        table.insert("about".into(), format!("{what} in an order of {}", self.name).into());
        table.insert("step".into(), self.steps().into());
        write(&mut out, &table);
        out
    }

    fn steps(&self) -> Vec<Table> {
        let mut steps = Vec::new();
        for point in self.points {
            match point {
                Point::Release { name, .. } => {
                    let release = one("release-one", name.as_str());
                    steps.push(one("do", release));
                }
                Point::Step { index, .. } => {
                    let failure = self.failures.iter().find(|failure| failure.index == *index);
                    let mut step = self.base.steps[*index].clone();
                    match failure.map(|failure| failure.fails) {
                        None => {}
                        Some(Some(fails)) => drop(step.insert("fails".into(), as_written(fails))),
                        // The host could not even begin it: the guest saw nothing of it.
                        Some(None) => continue,
                    }
                    // The host does the others at once.
                    if self.base.step(*index).is_some_and(|(_, action)| action.can_start()) {
                        step.insert("start".into(), true.into());
                    }
                    steps.push(step);
                }
            }
            steps.push(one("do", "rest"));
        }
        if !self.stuck {
            steps.push(one("check", self.base.ends_as_written.clone()));
        }
        steps.push(one("do", "tear-down"));
        steps
    }
}

fn one(key: &str, value: impl Into<Value>) -> Table {
    Table::from_iter([(key.to_owned(), value.into())])
}

fn as_written(fails: Fails) -> Value {
    match fails {
        Fails::Status(status @ 1..=255) => i64::from(status).into(),
        Fails::Errno(errno) if Errno::known(&errno.to_string()).is_ok() => errno.to_string().into(),
        _ => true.into(),
    }
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        // A String takes any write.
        let _ = writeln!(out, "# {line}");
    }
}

/// Tables as sections, their values in a line each.
fn write(out: &mut String, table: &Table) {
    let known = KEYS.iter().filter_map(|key| table.get_key_value(*key));
    let others = table.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()));
    let is_section = |value: &Value| match value {
        Value::Table(_) => true,
        Value::Array(all) => !all.is_empty() && all.iter().all(Value::is_table),
        _ => false,
    };
    let (sections, values): (Vec<_>, Vec<_>) =
        known.chain(others).partition(|(_, value)| is_section(value));
    let lines = |out: &mut String, values: &Table| {
        for (key, value) in values {
            let _ = writeln!(out, "{key} = {value}");
        }
    };
    for (key, value) in values {
        let _ = writeln!(out, "{key} = {value}");
    }
    for (key, value) in sections {
        match value {
            Value::Table(table) => {
                let _ = writeln!(out, "\n[{key}]");
                lines(out, table);
            }
            Value::Array(tables) => {
                for table in tables.iter().filter_map(Value::as_table) {
                    let _ = writeln!(out, "\n[[{key}]]");
                    lines(out, table);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::explore::judge::Class;
    use crate::script::read;
    use crate::script::scenario::{Action, Vars};

    const SCENARIO: &str = r#"
about = "t"
evidence = ["a \"quoted\" word"]
cards = ["7260"]
guest.without = ["iwlmld"]
card.faults = ["alive-held"]

[[firmware]]
name = "$firmware"
hold-until = "bound"
when = { opmode = "iwlmvm" }

[[step]]
do = "coldplug"

[[step]]
do = { modprobe = ["-r", "$opmode"] }

[[step]]
do = "link-up"

[[step]]
do = "release-alive"

[[step]]
do = "unbind"

[explore]
ends = { bound = false }
"#;

    #[test]
    fn a_replay_is_a_scenario_again() {
        let vars = Vars { walk_down: vec!["f".into()], firmware: "f".into(), ..Vars::sample() };
        let text = SCENARIO.replace("{ bound = false }", "[{ bound = false }]");
        let scenario = read::parse("t", "t.toml", &text).expect("valid");
        let base = Base::of(&scenario, &vars, &[], &[]).expect("explorable");
        let step = |index| Point::Step { index, step: base.step_name(index) };
        let points = [
            step(0),
            step(1),
            Point::Release { name: "f".into(), nth: 1 },
            step(2),
            step(3),
            step(4),
        ];
        let failure = |index, fails| Failure { index, why: "so it is".into(), fails };
        let replay = Replay {
            base: &base,
            name: "t",
            points: &points,
            failures: &[failure(1, Some(Fails::Status(1))), failure(2, None)],
            stuck: false,
            problems: &[Problem::new(Class::Hang, "unbind does not end")],
        };
        let text = replay.text();
        let again = read::parse("again", "again.toml", &text).expect(&text);
        assert_eq!(again.guest.without, ["iwlmld"]);
        assert_eq!(again.faults().count(), 1);
        assert!(again.firmware[0].get_ref().hold);
        let steps: Vec<_> = again.steps.iter().map(toml::Spanned::get_ref).collect();
        let words: Vec<_> =
            steps.iter().filter_map(|step| step.r#do.as_ref().map(Action::word)).collect();
        let want = [
            "coldplug",
            "rest",
            "modprobe",
            "rest",
            "release-one",
            "rest",
            "release-alive",
            "rest",
            "unbind",
            "rest",
            "tear-down",
        ];
        assert_eq!(words, want, "{text}");
        assert_eq!(steps[2].fails, Some(Fails::Status(1)));
        assert!(steps[2].start && !steps[6].start && steps[8].start);
        assert!(steps[10].check.is_some());
        let stuck = Replay { stuck: true, ..replay }.text();
        assert!(!stuck.contains("\ncheck ="), "{stuck}");
    }
}
