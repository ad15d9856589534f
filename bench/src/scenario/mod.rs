//! Scenarios are data: a TOML file says what the guest is, what the host does, and what has to
//! come of it. `bench/scenarios/` holds the built-in ones; they are the examples to copy, and its
//! README explains the language.

mod check;
mod errno;
mod expectation;
mod gate;
mod pattern;
mod step;
mod tolerated;
mod twin;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Table, Value};

pub use check::Check;
pub use errno::Errno;
pub use expectation::Expectation;
pub use gate::{Compression, FirmwareRule, ModuleRule, Source};
pub use pattern::{OneOrMany, Pattern, Vars, When, glob};
pub use step::{Action, Autoload, Fails, Step, Text};
pub use tolerated::Tolerated;
pub use twin::Twin;

use crate::milestone::KINDS;
use crate::qemu;
use crate::trouble::Trouble;

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// The file's stem; a twin's has its number after it.
    #[serde(skip)]
    pub name: String,
    /// Of a built-in one, its group.
    #[serde(skip)]
    pub group: Option<String>,
    /// Where its file is: what `file:` is relative to.
    #[serde(skip)]
    pub directory: PathBuf,
    /// One line: what it shows.
    pub about: String,
    /// Commits, reports and threads it stands on.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The cards it is played with when the user names none.
    pub cards: Vec<Spanned<String>>,
    /// How often it is played, with each card, if the user does not say: a race is told by its
    /// rate.
    #[serde(default = "once")]
    pub repeat: u32,
    /// Longest that any one step may take, seconds.
    #[serde(default = "default_patience")]
    pub patience: u64,
    /// The loaders' requests wait for the bench; `false`: the kernel's own modprobe and plain
    /// files.
    #[serde(default = "yes")]
    pub gates: bool,
    /// What the guest has and has not.
    #[serde(default)]
    pub guest: Guest,
    /// What is wrong with the card.
    #[serde(default)]
    pub card: CardTable,
    /// The firmware gate: the first rule that fits decides.
    #[serde(default)]
    pub firmware: Vec<Spanned<FirmwareRule>>,
    /// The module gate: the first rule that fits decides.
    #[serde(default)]
    pub module: Vec<Spanned<ModuleRule>>,
    /// Requests by these names are held until they are released, whatever rule answers them;
    /// `*` stands for any characters.
    #[serde(default)]
    pub hold: Vec<Text>,
    /// What `iwlbench explore` is to know.
    #[serde(default)]
    pub explore: Explore,
    /// Kernel trouble that belongs to the scenario; any other fails it.
    #[serde(default)]
    pub trouble: Vec<Tolerated>,
    /// What the host does, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Spanned<Step>>,
    /// What has to come of it.
    #[serde(rename = "expect", default)]
    pub expectations: Vec<Spanned<Expectation>>,
    /// The changes that must turn its expectations red.
    #[serde(rename = "twin", default)]
    pub twins: Vec<Spanned<Twin>>,
    /// The twins as scenarios of their own.
    #[serde(skip)]
    pub twin_scenarios: Vec<Scenario>,
    /// Set in a twin's own scenario: what makes it one.
    #[serde(skip)]
    pub twin: Option<Twin>,
    /// The file as it was read, for what is made of it: twins, the orders of an exploration.
    #[serde(skip)]
    pub table: Table,
}

/// Orders of a scenario's points.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Explore {
    /// An order has to end in one of these; without any, unbound or with an interface.
    #[serde(default)]
    pub ends: Vec<Check>,
}

fn once() -> u32 {
    1
}

fn default_patience() -> u64 {
    60
}

fn yes() -> bool {
    true
}

/// The guest's image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guest {
    /// Modules left out of the image. `$opmode` is the card's own.
    #[serde(default)]
    pub without: Vec<String>,
    /// Modules loaded before the scenario begins, in a guest from a snapshot before there is any
    /// card. Not given: [`Guest::LOADED`], as far as the guest has them.
    pub loaded: Option<Vec<String>>,
    /// Put at the end of the kernel's command line: `"module_blacklist=iwlmvm"`.
    #[serde(default)]
    pub command_line: Text,
}

impl Guest {
    /// What the driver's modules have in common with every other Wi-Fi driver's; it brings
    /// cfg80211, rfkill and libarc4.
    pub const LOADED: &str = "mac80211";
}

/// The card.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CardTable {
    /// Faults, as `iwlbench list` names them.
    #[serde(default)]
    pub faults: Vec<Spanned<String>>,
    /// Further cards in the same machine, in the slots after it, without faults. Each finds its
    /// stub under the first name that it asks for.
    #[serde(default)]
    pub more: Vec<Spanned<String>>,
}

impl Scenario {
    /// Whether this kernel trouble belongs to it, in such a run.
    pub fn tolerates(&self, trouble: Trouble, vars: &Vars) -> bool {
        self.trouble.iter().any(|t| t.kind == trouble && t.when.applies(vars))
    }

    /// The expectations that no twin turns red: nothing shows that they can fail.
    pub fn unguarded(&self) -> impl Iterator<Item = &str> {
        let red: Vec<&String> =
            self.twins.iter().flat_map(|twin| &twin.get_ref().red).map(Spanned::get_ref).collect();
        let all = self.expectations.iter().map(|expectation| &expectation.get_ref().that);
        all.filter(move |that| !red.contains(that)).map(String::as_str)
    }

    /// Whether it speaks of what the image's driver module declares.
    pub fn reads_declarations(&self) -> bool {
        let speaks = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| text.strip_prefix('$') == Some(pattern::DECLARED_FIRMWARE))
        };
        self.expectations
            .iter()
            .flat_map(|e| e.get_ref().has.iter().chain(&e.get_ref().among))
            .any(|values| values.get_ref().values().any(speaks))
    }
}

impl CardTable {
    /// The further cards.
    pub fn more(&self) -> impl Iterator<Item = &'static iwl_card::CardSpec> + '_ {
        // As with the faults.
        self.more.iter().filter_map(|name| iwl_card::card(name.get_ref()))
    }

    /// The faults, as the card takes them.
    pub fn plan(&self) -> impl Iterator<Item = iwl_card::Fault> + '_ {
        // A name that is none was refused when the scenario was read.
        self.faults.iter().filter_map(|fault| fault.get_ref().parse().ok())
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

/// Group, name and text of each.
const BUILT_IN: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The built-in scenarios.
pub fn built_in() -> Vec<Scenario> {
    BUILT_IN.iter().map(|built_in| parse_built_in(built_in).expect("tested")).collect()
}

fn parse_built_in((group, name, text): &(&str, &str, &str)) -> Result<Scenario, ScenarioError> {
    let mut scenario = parse(name, &format!("{group}/{name}.toml"), text)?;
    scenario.group = Some((*group).to_owned());
    Ok(scenario)
}

/// A built-in scenario by name, or a file.
///
/// # Errors
/// [`ScenarioError`], naming the file and the place.
pub fn find(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some(built_in) = BUILT_IN.iter().find(|(_, known, _)| *known == name) {
        return parse_built_in(built_in);
    }
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "toml") {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: name.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return parse(&stem, name, &text);
    }
    let known: Vec<_> = BUILT_IN.iter().map(|(_, name, _)| *name).collect();
    Err(ScenarioError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

/// Reads and checks a scenario and its twins.
///
/// # Errors
/// [`ScenarioError::Parse`] and [`ScenarioError::Invalid`].
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let parse_error =
        |error| ScenarioError::Parse { file: file.to_owned(), error: Box::new(error) };
    let invalid = |(at, what): Complaint| {
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        ScenarioError::Invalid { file: file.to_owned(), line, what }
    };
    let mut scenario = read(name, file, text).map_err(parse_error)?;
    check(&scenario).map_err(invalid)?;
    for (index, twin) in scenario.twins.iter().enumerate() {
        let twin_scenario =
            twin_scenario(&scenario, index).map_err(|what| invalid((twin.span().start, what)))?;
        scenario.twin_scenarios.push(twin_scenario);
    }
    Ok(scenario)
}

fn read(name: &str, file: &str, text: &str) -> Result<Scenario, toml::de::Error> {
    let mut scenario: Scenario = toml::from_str(text)?;
    name.clone_into(&mut scenario.name);
    scenario.table = toml::from_str(text)?;
    scenario.directory = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
    Ok(scenario)
}

fn twin_scenario(scenario: &Scenario, index: usize) -> Result<Scenario, String> {
    let twin = scenario.twins[index].get_ref();
    let of_twin = |why: String| format!("the twin \"{}\" is no scenario: {why}", twin.that);
    let text = toml::to_string(&twin.of(&scenario.table)?).map_err(|e| of_twin(e.to_string()))?;
    let name = format!("{}~{}", scenario.name, index + 1);
    let mut made = read(&name, "", &text).map_err(|error| of_twin(error.message().to_owned()))?;
    made.directory.clone_from(&scenario.directory);
    made.twin = Some(twin.clone());
    check(&made).map_err(|(_, what)| of_twin(what))?;
    Ok(made)
}

/// A place in the text and what is wrong there.
type Complaint = (usize, String);

fn check(scenario: &Scenario) -> Result<(), Complaint> {
    for card in scenario.cards.iter().chain(&scenario.card.more) {
        if iwl_card::card(card.get_ref()).is_none() {
            let known: Vec<_> = iwl_card::cards().iter().map(|c| c.name).collect();
            return Err((
                card.span().start,
                format!("there is no card `{}`; there are: {}", card.get_ref(), known.join(", ")),
            ));
        }
    }
    for fault in &scenario.card.faults {
        if let Err(error) = fault.get_ref().parse::<iwl_card::Fault>() {
            return Err((fault.span().start, error.to_string()));
        }
    }
    if let Some(card) = scenario.card.more.get(qemu::PORTS - 1) {
        return Err((card.span().start, format!("a machine has {} slots for cards", qemu::PORTS)));
    }
    let complain = |at: usize, what: &str| Err((at, what.to_owned()));
    if scenario.repeat == 0 {
        return complain(0, "`repeat` is a number from 1 on");
    }
    for rule in &scenario.firmware {
        let r = rule.get_ref();
        let at = rule.span().start;
        if r.give.is_some() && r.refuse.is_some() {
            return complain(at, "a firmware rule has at most one of `give` and `refuse`");
        }
        if r.refuse.is_some() && (!r.corrupt.is_empty() || r.compress.is_some()) {
            return complain(at, "what is refused is neither corrupted nor compressed");
        }
        check_timing(r.hold_until.is_some(), r.hold, r.delay).or_else(|w| complain(at, w))?;
        check_text(&r.name).map_err(|what| (at, what))?;
    }
    for rule in &scenario.module {
        let r = rule.get_ref();
        let at = rule.span().start;
        let forms = [r.exit.is_some(), r.lie, r.kill.is_some(), r.hang];
        if forms.into_iter().filter(|form| *form).count() > 1 {
            return complain(at, "a module rule has at most one of `exit`, `lie`, `kill`, `hang`");
        }
        check_timing(r.hold_until.is_some(), r.hold, r.delay).or_else(|w| complain(at, w))?;
        check_text(&r.name).map_err(|what| (at, what))?;
    }
    check_steps(&scenario.steps)?;
    for expectation in &scenario.expectations {
        check_expectation(expectation)?;
    }
    for twin in &scenario.twins {
        check_twin(twin, &scenario.expectations)?;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    pattern::known_vars(&Value::String(text.to_owned()))
}

fn check_timing(hold_until: bool, hold: bool, delay: Option<f64>) -> Result<(), &'static str> {
    if usize::from(hold_until) + usize::from(hold) + usize::from(delay.is_some()) > 1 {
        return Err("a rule has at most one of `hold-until`, `hold` and `delay`");
    }
    if delay.is_some_and(|seconds| !(0.0..=3600.0).contains(&seconds)) {
        return Err("`delay` is a number of seconds, at most 3600");
    }
    Ok(())
}

fn check_steps(steps: &[Spanned<Step>]) -> Result<(), Complaint> {
    for step in steps {
        let s = step.get_ref();
        let complain = |what: &str| Err((step.span().start, what.to_owned()));
        let forms = [s.r#do.is_some(), s.r#await.is_some(), s.check.is_some(), s.repeat.is_some()];
        if forms.into_iter().filter(|form| *form).count() != 1 {
            return complain("a step has exactly one of `do`, `await`, `check` and `repeat`");
        }
        if s.r#do.is_none() && (s.start || s.fails.is_some()) {
            return complain("`start` and `fails` go with `do`");
        }
        if s.repeat.is_some() == s.step.is_empty() {
            return complain("`repeat` and its steps, [[step.step]], go together");
        }
        check_steps(&s.step)?;
    }
    Ok(())
}

fn check_expectation(expectation: &Spanned<Expectation>) -> Result<(), Complaint> {
    let e = expectation.get_ref();
    if let Some(what) = e.complaint() {
        return Err((expectation.span().start, what));
    }
    let kind = e.every.as_ref().map(|every| every.get_ref().milestone.as_str());
    let known = KINDS.iter().find(|(known, _)| Some(*known) == kind);
    for values in e.has.iter().chain(&e.among) {
        for (field, value) in values.get_ref() {
            if !known.is_some_and(|(_, fields)| fields.contains(&field.as_str())) {
                let what =
                    format!("milestone `{}` has no field `{field}`", kind.unwrap_or_default());
                return Err((values.span().start, what));
            }
            pattern::known_vars(value).map_err(|what| (values.span().start, what))?;
        }
    }
    Ok(())
}

fn check_twin(
    twin: &Spanned<Twin>,
    expectations: &[Spanned<Expectation>],
) -> Result<(), Complaint> {
    let t = twin.get_ref();
    if t.red.is_empty() && t.outcome.is_none() {
        return Err((
            twin.span().start,
            "a twin says with `red` which expectations must fail, or with `outcome` how the run \
             must end"
                .into(),
        ));
    }
    for red in t.red.iter().chain(&t.may) {
        if !expectations.iter().any(|e| e.get_ref().that == *red.get_ref()) {
            return Err((
                red.span().start,
                format!("`red` names no expectation: none says that \"{}\"", red.get_ref()),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_valid_and_guard_what_they_expect() {
        for built_in in BUILT_IN {
            match parse_built_in(built_in) {
                Ok(scenario) => {
                    let unguarded: Vec<_> = scenario.unguarded().collect();
                    assert!(unguarded.is_empty(), "{}: no twin for {unguarded:?}", scenario.name);
                }
                Err(error) => panic!("{error}"),
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
        assert!(text.contains("line 4") && text.contains("no variable `$opmod`"), "{text}");

        let card = "about = \"t\"\ncards = [\"9999\"]\n[[step]]\ndo = \"unbind\"\n";
        let text = error_of(card);
        assert!(text.starts_with("t.toml:2:") && text.contains("no card `9999`"), "{text}");
    }
}
