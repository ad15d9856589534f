//! Scenarios are data: a TOML file says what the guest is, what the host does, and what has to
//! come of it. `bench/scenarios/` holds the built-in ones; they are the examples to copy, and its
//! README explains the language.

mod check;
mod expectation;
mod gate;
mod number;
mod pattern;
mod sense;
mod step;
mod tolerated;
mod twin;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::{Spanned, Table, Value};

pub use check::Check;
pub use expectation::Expectation;
pub use gate::{Compression, FirmwareRule, ModuleRule, Source};
pub use pattern::{OneOrMany, Pattern, Vars, When, glob};
pub use step::{Action, Autoload, Fails, Step, Text};
pub use tolerated::Tolerated;
pub use twin::Twin;

use crate::facts::trouble::Trouble;

/// How often something can be repeated: more would be a mistake.
pub const MOST_REPEATS: u32 = 1_000_000;
/// A day, in seconds.
pub const LONGEST_PATIENCE: u64 = 86_400;

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
    #[serde(deserialize_with = "some_cards")]
    pub cards: Vec<Spanned<String>>,
    /// How often it is played, with each card, if the user does not say: a race is told by its
    /// rate.
    #[serde(
        default = "once",
        deserialize_with = "number::whole::<_, _, 1, { MOST_REPEATS as i64 }>"
    )]
    pub repeat: u32,
    /// Longest that any one step may take, seconds.
    #[serde(
        default = "default_patience",
        deserialize_with = "number::whole::<_, _, 1, { LONGEST_PATIENCE as i64 }>"
    )]
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

fn some_cards<'de, D>(deserializer: D) -> Result<Vec<Spanned<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let cards = Vec::deserialize(deserializer)?;
    if cards.is_empty() {
        return Err(de::Error::custom("name at least one card, as in cards = [\"7260\"]"));
    }
    Ok(cards)
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
    #[serde(default, deserialize_with = "names")]
    pub without: Vec<String>,
    /// Modules loaded before the scenario begins, in a guest from a snapshot before there is any
    /// card. Not given: [`Guest::LOADED`], as far as the guest has them.
    #[serde(default, deserialize_with = "some_names")]
    pub loaded: Option<Vec<String>>,
    /// Put at the end of the kernel's command line: `"module_blacklist=iwlmvm"`.
    #[serde(default, deserialize_with = "command_line")]
    pub command_line: Text,
}

impl Guest {
    /// What the driver's modules have in common with every other Wi-Fi driver's; it brings
    /// cfg80211, rfkill and libarc4.
    pub const LOADED: &str = "mac80211";
}

/// Names whose variables all exist.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names: Vec<Text> = Vec::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

fn some_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    names(deserializer).map(Some)
}

/// What x86's `COMMAND_LINE_SIZE` leaves beside the bench's own words.
const LONGEST_COMMAND_LINE: usize = 1024;

fn command_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
    let line = Text::deserialize(deserializer)?;
    if line.0.len() > LONGEST_COMMAND_LINE {
        let what = format!("the kernel's command line has room for {LONGEST_COMMAND_LINE} bytes");
        return Err(de::Error::custom(what));
    }
    if line.0.contains(char::is_control) {
        return Err(de::Error::custom("the kernel's command line has no control characters"));
    }
    Ok(line)
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
            .any(|values| values.get_ref().0.values().any(speaks))
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
    #[error("{file}: {}", error.trim_end())]
    Parse {
        /// The file.
        file: String,
        /// Where and why.
        error: String,
    },
    /// It parses but makes no sense, or is too long a line to be shown.
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
        let text = read_file(path)
            .map_err(|source| ScenarioError::Read { path: name.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return parse(&stem, name, &text);
    }
    let known: Vec<_> = BUILT_IN.iter().map(|(_, name, _)| *name).collect();
    Err(ScenarioError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

/// Largest file that is taken for a scenario: the largest built-in one has a hundredth of that.
const LARGEST: u64 = 1 << 20;
/// Longest line, and longest complaint, that a terminal is given.
const LONGEST_SHOWN: usize = 1000;

/// The text of a scenario's file. Anything may be behind the name of it: what has no end, or does
/// not begin, is not read.
fn read_file(path: &Path) -> Result<String, std::io::Error> {
    use std::io::{Error, Read};

    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::other(format!("it has more than {LARGEST} bytes: that is no scenario")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::other(format!("line {line} is not UTF-8"))
    })
}

/// Reads and checks a scenario and its twins.
///
/// # Errors
/// [`ScenarioError::Parse`] and [`ScenarioError::Invalid`].
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let invalid = |(at, mut what): sense::Complaint| {
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        if let Some((end, _)) = what.char_indices().nth(LONGEST_SHOWN) {
            what.truncate(end);
            what.push('…');
        }
        ScenarioError::Invalid { file: file.to_owned(), line, what }
    };
    let parse_error = |error: toml::de::Error| {
        let whole = error.to_string();
        if whole.len() <= 2 * LONGEST_SHOWN {
            return ScenarioError::Parse { file: file.to_owned(), error: whole };
        }
        let at = error.span().map_or(0, |span| span.start);
        invalid((at, error.message().to_owned()))
    };
    let mut scenario = read(name, file, text).map_err(parse_error)?;
    sense::check(&scenario).map_err(invalid)?;
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
    sense::check(&made).map_err(|(_, what)| of_twin(what))?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::milestone::KINDS;

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

    #[test]
    fn an_error_is_no_longer_than_a_terminal() {
        let long = "b".repeat(100_000);
        let error = error_of(&format!("{HEAD}[[step]]\nawait = \"{long}\"\n"));
        assert!(error.len() < 3000 && error.starts_with("t.toml:4: there is no"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_told_without_reading_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let of = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).expect("written");
            find(&path.to_string_lossy()).map(drop)
        };
        let good = format!("{HEAD}[[step]]\ndo = \"unbind\"\n");
        assert!(of("crlf.toml", good.replace('\n', "\r\n").as_bytes()).is_ok());
        assert!(of("bom.toml", format!("\u{feff}{good}").as_bytes()).is_ok());
        let latin = [good.as_bytes(), b"# \xe9\n"].concat();
        let error = of("latin.toml", &latin).expect_err("not UTF-8").to_string();
        assert!(error.contains("line 5 is not UTF-8"), "{error}");
        let error = of("large.toml", &vec![b'#'; 2 << 20]).expect_err("too large").to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
        let error = find(&format!("{}/none.toml", dir.path().display())).expect_err("none");
        assert!(error.to_string().contains("No such file"), "{error}");
        std::fs::create_dir(dir.path().join("d.toml")).expect("made");
        let error = find(&dir.path().join("d.toml").to_string_lossy()).expect_err("a directory");
        assert!(error.to_string().contains("no regular file"), "{error}");
    }

    /// Whoever writes a scenario has the README alone.
    #[test]
    fn each_milestone_and_field_is_described() {
        let readme = include_str!("../../../scenarios/README.md");
        for (milestone, fields) in KINDS {
            let quoted = format!("`{milestone}`");
            let row = readme.lines().find(|line| {
                line.strip_prefix("| ").is_some_and(|line| {
                    line.split('|').next().is_some_and(|cell| cell.contains(&quoted))
                })
            });
            let row = row.unwrap_or_else(|| panic!("{milestone} is not described"));
            let described = row.split('|').nth(2).unwrap_or_default();
            let want = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>();
            assert_eq!(described.trim(), want.join(", "), "{milestone}");
        }
    }
}
