//! Scenarios by name, or from a file: read, and checked with their twins.

use std::path::Path;

use crate::script::scenario::Scenario;
use crate::script::sense;

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
        let readme = include_str!("../../scenarios/README.md");
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
