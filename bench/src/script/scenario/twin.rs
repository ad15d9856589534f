//! Negative twins: for each thing that a scenario guards, a change that must turn it red.
//!
//! An expectation that cannot fail guards nothing. A twin is the same scenario with one thing
//! changed; it says which expectations must fail then, and `iwlbench run --twin` plays it and
//! passes only if just those did.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

/// A twin.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Twin {
    /// What is different, in a few words; printed.
    pub that: String,
    /// Laid over the scenario: tables are merged, all else is replaced.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub set: Table,
    /// Keys taken out of the scenario: `"firmware"`, `"guest.without"`.
    #[serde(default)]
    pub drop: Vec<String>,
    /// The `that` of the expectations that must fail, all of them and no other.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub red: Vec<Spanned<String>>,
    /// Expectations that fail too with some cards or kernels.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub may: Vec<Spanned<String>>,
    /// How the run must end, if not by these expectations alone: `kernel-trouble`, …
    pub outcome: Option<crate::facts::verdict::Outcome>,
}

impl Twin {
    /// The twin's own scenario file.
    pub fn of(&self, scenario: &Table) -> Result<Table, String> {
        let mut table = scenario.clone();
        table.remove("twin");
        for key in &self.drop {
            take_out(&mut table, key)?;
        }
        lay_over(&mut table, &self.set);
        Ok(table)
    }
}

fn take_out(table: &mut Table, key: &str) -> Result<(), String> {
    let removed = match key.split_once('.') {
        None => table.remove(key).map(drop),
        Some((outer, rest)) => match table.get_mut(outer) {
            Some(Value::Table(inner)) => return take_out(inner, rest),
            _ => None,
        },
    };
    removed.ok_or_else(|| format!("`drop` names `{key}`, which the scenario does not have"))
}

fn lay_over(table: &mut Table, over: &Table) {
    for (key, value) in over {
        match (table.get_mut(key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => lay_over(under, over),
            _ => drop(table.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    #[test]
    fn one_thing_changes() {
        let scenario = table("a = 1\n[g]\nx = [1]\ny = 2\n[[twin]]\nthat = \"t\"\n");
        let twin: Twin =
            toml::from_str("that = \"t\"\ndrop = [\"g.y\"]\n[set.g]\nx = [3]\n").expect("a twin");
        assert_eq!(twin.of(&scenario).expect("made"), table("a = 1\n[g]\nx = [3]\n"));
        let twin: Twin = toml::from_str("that = \"t\"\ndrop = [\"g.z\"]\n").expect("a twin");
        assert!(twin.of(&scenario).is_err());
    }
}
