//! Scenarios are data: a TOML file says what the guest is, what the host does, and what has to
//! come of it. `bench/scenarios/` holds the built-in ones; they are the examples to copy.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use crate::milestone::KINDS;
use crate::trouble::Trouble;

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// The file's stem.
    #[serde(skip)]
    pub name: String,
    /// One line: what it shows.
    pub about: String,
    /// Commits, reports and threads it stands on.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The cards it is played with when the user names none.
    pub cards: Vec<Spanned<String>>,
    /// Longest that any one step may take, seconds.
    #[serde(default = "default_patience")]
    pub patience: u64,
    /// What the guest has and has not.
    #[serde(default)]
    pub guest: Guest,
    /// The firmware gate.
    #[serde(default)]
    pub firmware: Firmware,
    /// Kernel trouble that belongs to the scenario; any other fails it.
    #[serde(default)]
    pub trouble: Vec<Trouble>,
    /// What the host does, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Spanned<Step>>,
    /// What has to come of it.
    #[serde(rename = "expect", default)]
    pub expectations: Vec<Spanned<Expectation>>,
}

fn default_patience() -> u64 {
    60
}

/// The guest's image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guest {
    /// Modules left out of the image. `$opmode` is the card's own.
    #[serde(default)]
    pub without: Vec<String>,
}

/// What the firmware gate does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Firmware {
    /// No file exists.
    #[serde(default)]
    pub missing: bool,
    /// The loader waits at the gate until this milestone.
    pub hold_until: Option<Spanned<Pattern>>,
}

/// One step. Exactly one of `do`, `await` and `check`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Only for some cards.
    #[serde(default)]
    pub when: When,
    /// Do this.
    pub r#do: Option<Action>,
    /// Wait for this milestone.
    pub r#await: Option<Spanned<Pattern>>,
    /// Look at the device.
    pub check: Option<Check>,
}

/// Something the host does in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// What udev does at boot: modprobe every modalias.
    Coldplug,
    /// Unbind the card from its driver.
    Unbind,
    /// Bind the card to iwlwifi.
    Bind,
    /// `ip link set … up` on the card's interface.
    LinkUp,
    /// `ip link set … down` on the card's interface.
    LinkDown,
}

impl Action {
    /// As the scenario writes it.
    pub fn word(self) -> &'static str {
        match self {
            Action::Coldplug => "coldplug",
            Action::Unbind => "unbind",
            Action::Bind => "bind",
            Action::LinkUp => "link-up",
            Action::LinkDown => "link-down",
        }
    }
}

/// What the card's device must look like now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// It is bound to a driver, or not.
    pub bound: Option<bool>,
    /// How many network interfaces it has.
    pub interfaces: Option<usize>,
}

/// Which runs a step or an expectation is for. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// Cards that lead to this opmode.
    pub opmode: Option<String>,
}

impl When {
    /// Whether it is for a run with these variables.
    pub fn applies(&self, vars: &Vars) -> bool {
        self.opmode.as_ref().is_none_or(|o| *o == vars.opmode)
    }
}

/// An expectation. Exactly one of the forms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// What it means, in the field's words; printed.
    pub that: String,
    /// Only for some cards.
    #[serde(default)]
    pub when: When,
    /// All of these, in this order; others may stand between.
    pub in_order: Option<Vec<Spanned<Pattern>>>,
    /// At least once.
    pub eventually: Option<Spanned<Pattern>>,
    /// Not once.
    pub never: Option<Spanned<Pattern>>,
    /// As often as `times` says.
    pub exactly: Option<Spanned<Pattern>>,
    /// With `exactly`.
    pub times: Option<usize>,
    /// Every milestone of this kind …
    pub every: Option<Spanned<Pattern>>,
    /// … has, in order, these values in its field: `{ name = ["a", "b"] }`; a variable may
    /// stand for the list.
    pub has: Option<Spanned<BTreeMap<String, Value>>>,
}

/// A milestone by name and, where it matters, by its fields' values.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Its kind.
    pub milestone: String,
    /// Values that must be equal. A string that begins with `$` is a variable.
    pub fields: BTreeMap<String, Value>,
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (milestone, fields) = match Value::deserialize(deserializer)? {
            Value::String(milestone) => (milestone, BTreeMap::new()),
            Value::Table(mut table) => {
                let Some(Value::String(milestone)) = table.remove("milestone") else {
                    return Err(de::Error::custom(
                        "a milestone's name is missing: { milestone = \"bound\", … }",
                    ));
                };
                (milestone, table.into_iter().collect())
            }
            other => {
                return Err(de::Error::custom(format!(
                    "expected a milestone's name or a table with `milestone`, found {}",
                    other.type_str()
                )));
            }
        };
        let Some((_, known)) = KINDS.iter().find(|(kind, _)| *kind == milestone) else {
            let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
            return Err(de::Error::custom(format!(
                "there is no milestone `{milestone}`; there are: {}",
                kinds.join(", ")
            )));
        };
        if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(de::Error::custom(format!(
                "milestone `{milestone}` has no field `{field}`; it has: {}",
                known.join(", ")
            )));
        }
        Ok(Pattern { milestone, fields })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.milestone)?;
        for (i, (field, value)) in self.fields.iter().enumerate() {
            write!(f, "{}{field} = {value}", if i == 0 { " (" } else { ", " })?;
        }
        if self.fields.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// What a scenario's variables stand for in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Vars {
    /// `$card`.
    pub card: String,
    /// `$opmode`: the module that the card's firmware leads to.
    pub opmode: String,
    /// `$firmware`: the first file name the driver asks for.
    pub firmware: String,
    /// `$walk-down`: every name it asks for when none exists, in order.
    pub walk_down: Vec<String>,
}

/// The names of the variables.
const VARS: [&str; 4] = ["$card", "$opmode", "$firmware", "$walk-down"];

impl Vars {
    /// The value with a variable replaced.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(s) => match s.as_str() {
                "$card" => Value::String(self.card.clone()),
                "$opmode" => Value::String(self.opmode.clone()),
                "$firmware" => Value::String(self.firmware.clone()),
                "$walk-down" => {
                    Value::Array(self.walk_down.iter().cloned().map(Value::String).collect())
                }
                _ => value.clone(),
            },
            _ => value.clone(),
        }
    }

    /// The same for a bare string.
    pub fn string(&self, s: &str) -> String {
        match self.value(&Value::String(s.to_owned())) {
            Value::String(s) => s,
            other => other.to_string(),
        }
    }

    /// The pattern with its variables replaced.
    pub fn pattern(&self, pattern: &Pattern) -> Pattern {
        Pattern {
            milestone: pattern.milestone.clone(),
            fields: pattern.fields.iter().map(|(k, v)| (k.clone(), self.value(v))).collect(),
        }
    }
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read scenario {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not the TOML of a scenario. The text names line and column and shows the line.
    #[error("{file}: {error}")]
    Parse {
        /// The file.
        file: String,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// It parses but makes no sense.
    #[error("{file}:{line}: {what}")]
    Invalid {
        /// The file.
        file: String,
        /// 1-based.
        line: usize,
        /// Why, and what to write instead.
        what: String,
    },
    /// No built-in scenario and no file has this name.
    #[error("there is no scenario `{name}`; there are: {known}; or name a .toml file")]
    Unknown {
        /// As given.
        name: String,
        /// The built-in ones.
        known: String,
    },
}

const BUILT_IN: &[(&str, &str)] = &[
    ("opmode-load", include_str!("../scenarios/opmode-load.toml")),
    ("opmode-missing", include_str!("../scenarios/opmode-missing.toml")),
    ("firmware-missing", include_str!("../scenarios/firmware-missing.toml")),
];

/// The built-in scenarios.
pub fn built_in() -> Vec<Scenario> {
    BUILT_IN
        .iter()
        .map(|(name, text)| parse(name, &format!("{name}.toml"), text).expect("tested"))
        .collect()
}

/// A built-in scenario by name, or a file.
///
/// # Errors
/// [`ScenarioError`], naming the file and the place.
pub fn find(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return parse(name, &format!("{name}.toml"), text);
    }
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "toml") {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: name.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return parse(&stem, name, &text);
    }
    let known: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    Err(ScenarioError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

/// Reads and checks a scenario.
///
/// # Errors
/// [`ScenarioError::Parse`] and [`ScenarioError::Invalid`].
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let mut scenario: Scenario = toml::from_str(text)
        .map_err(|error| ScenarioError::Parse { file: file.to_owned(), error: Box::new(error) })?;
    name.clone_into(&mut scenario.name);
    check(&scenario).map_err(|(at, what)| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        ScenarioError::Invalid { file: file.to_owned(), line, what }
    })?;
    Ok(scenario)
}

type Complaint = (usize, String);

fn check(scenario: &Scenario) -> Result<(), Complaint> {
    for card in &scenario.cards {
        if iwl_card::card(card.get_ref()).is_none() {
            let known: Vec<_> = iwl_card::cards().iter().map(|c| c.name).collect();
            return Err((
                card.span().start,
                format!("there is no card `{}`; there are: {}", card.get_ref(), known.join(", ")),
            ));
        }
    }
    if let Some(pattern) = &scenario.firmware.hold_until {
        check_vars(pattern)?;
    }
    for step in &scenario.steps {
        let s = step.get_ref();
        let forms = usize::from(s.r#do.is_some())
            + usize::from(s.r#await.is_some())
            + usize::from(s.check.is_some());
        if forms != 1 {
            return Err((
                step.span().start,
                "a step has exactly one of `do`, `await` and `check`".into(),
            ));
        }
        if let Some(pattern) = &s.r#await {
            check_vars(pattern)?;
        }
    }
    for expectation in &scenario.expectations {
        check_expectation(expectation)?;
    }
    Ok(())
}

fn check_expectation(expectation: &Spanned<Expectation>) -> Result<(), Complaint> {
    let e = expectation.get_ref();
    let complain = |what: &str| Err((expectation.span().start, what.to_owned()));
    let single = [&e.eventually, &e.never, &e.exactly, &e.every];
    let forms =
        usize::from(e.in_order.is_some()) + single.iter().filter(|form| form.is_some()).count();
    if forms != 1 {
        return complain(
            "an expectation has exactly one of `in-order`, `eventually`, `never`, `exactly` \
             and `every`",
        );
    }
    if e.exactly.is_some() != e.times.is_some() {
        return complain("`exactly` and `times` go together");
    }
    if e.every.is_some() != e.has.is_some() {
        return complain("`every` and `has` go together");
    }
    for pattern in single.into_iter().flatten().chain(e.in_order.iter().flatten()) {
        check_vars(pattern)?;
    }
    if let (Some(every), Some(has)) = (&e.every, &e.has) {
        let known = KINDS.iter().find(|(kind, _)| *kind == every.get_ref().milestone);
        for field in has.get_ref().keys() {
            if !known.is_some_and(|(_, fields)| fields.contains(&field.as_str())) {
                return Err((
                    has.span().start,
                    format!("milestone `{}` has no field `{field}`", every.get_ref().milestone),
                ));
            }
        }
    }
    Ok(())
}

fn check_vars(pattern: &Spanned<Pattern>) -> Result<(), Complaint> {
    for value in pattern.get_ref().fields.values() {
        if let Value::String(s) = value
            && s.starts_with('$')
            && !VARS.contains(&s.as_str())
        {
            return Err((
                pattern.span().start,
                format!("there is no variable `{s}`; there are: {}", VARS.join(", ")),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_valid() {
        for (name, text) in BUILT_IN {
            if let Err(error) = parse(name, &format!("{name}.toml"), text) {
                panic!("{error}");
            }
        }
    }

    fn error_of(text: &str) -> String {
        parse("t", "t.toml", text).expect_err("must not be accepted").to_string()
    }

    const HEAD: &str = "about = \"t\"\ncards = [\"7260\"]\n";

    #[test]
    fn errors_name_line_and_remedy() {
        let unknown = format!("{HEAD}[[step]]\nawait = \"bownd\"\n");
        let text = error_of(&unknown);
        assert!(text.contains("line 4") && text.contains("no milestone `bownd`"), "{text}");

        let field = format!("{HEAD}[[step]]\nawait = {{ milestone = \"bound\", modul = 1 }}\n");
        let text = error_of(&field);
        assert!(text.contains("no field `modul`; it has: slot, driver"), "{text}");

        let two = format!("{HEAD}[[step]]\ndo = \"unbind\"\nawait = \"bound\"\n");
        let text = error_of(&two);
        assert!(text.starts_with("t.toml:3:") && text.contains("exactly one of"), "{text}");

        let var = format!(
            "{HEAD}[[step]]\nawait = {{ milestone = \"opmode-asked\", module = \"$opmod\" }}\n"
        );
        let text = error_of(&var);
        assert!(text.starts_with("t.toml:4:") && text.contains("no variable `$opmod`"), "{text}");

        let card = "about = \"t\"\ncards = [\"9999\"]\n[[step]]\ndo = \"unbind\"\n";
        let text = error_of(card);
        assert!(text.starts_with("t.toml:2:") && text.contains("no card `9999`"), "{text}");
    }
}
