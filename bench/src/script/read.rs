//! Scenarios by name, or from a file: read, and checked with their twins.

use std::path::Path;

use crate::facts::near::{self, NoSuch};
use crate::script::complaint::{self, Complaint};
use crate::script::recover;
use crate::script::scenario::{Scenario, glob};
use crate::script::sense;
use crate::script::vain;

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no scenario, or makes no sense as one. The text shows each place.
    #[error("{file} has {}\n{shown}", count(*errors))]
    Invalid {
        /// The file.
        file: String,
        /// How many.
        errors: usize,
        /// Each, with its line and a mark under the place.
        shown: String,
    },
    /// No built-in scenario and no file has this name.
    #[error("{0}; or name a group (`races/`), a pattern (`unbind-*`) or a .toml file")]
    Unknown(Box<NoSuch>),
    /// No built-in scenario is in this group or fits this pattern.
    #[error(
        "no scenario is `{pattern}`{meant}{} there are the groups {groups}; `iwlbench list scenarios` has \
         them all", if meant.is_empty() { ";" } else { "" }
    )]
    NoneFits {
        /// As given.
        pattern: String,
        /// What was probably meant, as the end of a sentence.
        meant: String,
        /// Those that there are.
        groups: String,
    },
    /// A pattern where one scenario is wanted.
    #[error("`{pattern}` stands for several, and one scenario is meant here: {those}")]
    OneOnly {
        /// As given.
        pattern: String,
        /// Those that it stands for.
        those: String,
    },
    /// Several cannot be used.
    #[error("{}", lines(.0))]
    Several(Vec<ScenarioError>),
}

/// Each as if it were told alone.
fn lines(errors: &[ScenarioError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\niwlbench: ")
}

fn count(errors: usize) -> String {
    match errors {
        1 => "1 error".to_owned(),
        n if n > complaint::SHOWN => {
            format!("{n} errors, of which the first {}:", complaint::SHOWN)
        }
        n => format!("{n} errors"),
    }
}

/// Group, name and text of each.
const BUILT_IN: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The names of the built-in scenarios.
pub(super) fn names<'n>() -> impl Iterator<Item = &'n str> {
    BUILT_IN.iter().map(|(_, name, _)| *name)
}

/// The built-in scenarios.
pub fn built_in() -> Vec<Scenario> {
    BUILT_IN.iter().map(|built_in| parse_built_in(built_in).expect("tested")).collect()
}

fn parse_built_in((group, name, text): &(&str, &str, &str)) -> Result<Scenario, ScenarioError> {
    let mut scenario = parse(name, &format!("{group}/{name}.toml"), text)?;
    scenario.group = Some((*group).to_owned());
    Ok(scenario)
}

/// Scenarios by name, by group (`races/`), by pattern (`unbind-*`, `card/*lost*`) or by file, each
/// once, in this order.
///
/// # Errors
/// All that cannot be used, and why.
pub fn select(names: &[String]) -> Result<Vec<Scenario>, ScenarioError> {
    let mut found: Vec<Scenario> = Vec::new();
    let mut errors = Vec::new();
    for name in names {
        let those = match is_pattern(name) {
            true => fitting(name),
            false => find(name).map(|scenario| vec![scenario]),
        };
        match those {
            Ok(those) => {
                let same = |a: &Scenario, b: &Scenario| {
                    (&a.name, &a.group, &a.directory) == (&b.name, &b.group, &b.directory)
                };
                for scenario in those {
                    if !found.iter().any(|known| same(known, &scenario)) {
                        found.push(scenario);
                    }
                }
            }
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(found),
        1 => Err(errors.remove(0)),
        _ => Err(ScenarioError::Several(errors)),
    }
}

fn is_pattern(name: &str) -> bool {
    let groups = || BUILT_IN.iter().map(|(group, _, _)| *group);
    let is_group = name.strip_suffix('/').is_some_and(|name| groups().any(|group| group == name));
    is_group || (name.contains('*') && !Path::new(name).exists())
}

fn fitting(pattern: &str) -> Result<Vec<Scenario>, ScenarioError> {
    let fits = |(group, name, _): &&(&str, &str, &str)| match pattern.strip_suffix('/') {
        Some(of) => glob(of, group),
        None if pattern.contains('/') => glob(pattern, &format!("{group}/{name}")),
        None => glob(pattern, name),
    };
    let those = BUILT_IN.iter().filter(fits).map(parse_built_in).collect::<Result<Vec<_>, _>>()?;
    if those.is_empty() {
        let groups = groups().collect::<Vec<_>>().join(", ");
        let whole = |(group, name, _): &(&str, &str, &str)| match pattern {
            pattern if pattern.ends_with('/') => format!("{group}/"),
            pattern if pattern.contains('/') => format!("{group}/{name}"),
            _ => (*name).to_owned(),
        };
        let known: Vec<_> = BUILT_IN.iter().map(whole).collect();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let meant = near::nearest_pattern(pattern, &known);
        let meant = meant.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(ScenarioError::NoneFits { pattern: pattern.to_owned(), meant, groups });
    }
    Ok(those)
}

/// The groups, as they are named.
fn groups() -> impl Iterator<Item = String> {
    BUILT_IN.chunk_by(|a, b| a.0 == b.0).map(|group| format!("{}/", group[0].0))
}

/// A built-in scenario by name, with its group before or without (`races/rebind-loop`), or a file.
///
/// # Errors
/// [`ScenarioError`], naming the file and the place.
pub fn find(name: &str) -> Result<Scenario, ScenarioError> {
    let is_meant = |(group, known, _): &&(&str, &str, &str)| {
        *known == name || name.split_once('/') == Some((group, known))
    };
    if let Some(built_in) = BUILT_IN.iter().find(is_meant) {
        return parse_built_in(built_in);
    }
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "toml") {
        let text = read_file(path)
            .map_err(|source| ScenarioError::Read { path: name.to_owned(), source })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return parse(&stem, name, &text);
    }
    if is_pattern(name) {
        let those: Vec<_> = fitting(name)?.into_iter().map(|scenario| scenario.name).collect();
        return Err(ScenarioError::OneOnly { pattern: name.to_owned(), those: those.join(", ") });
    }
    // One without its slash is no pattern.
    let no_such = NoSuch::new("scenario", name, names()).or(groups());
    let no_such = no_such.told_by("iwlbench list scenarios");
    Err(ScenarioError::Unknown(Box::new(no_such)))
}

/// Largest file that is taken for a scenario: the largest built-in one has a hundredth of that.
const LARGEST: u64 = 1 << 20;

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
/// [`ScenarioError::Invalid`], with all that is wrong.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let (mut scenario, doubts) =
        read_and_check(name, file, text).map_err(|complaints| ScenarioError::Invalid {
            file: file.to_owned(),
            errors: complaints.len(),
            shown: complaint::render(file, text, &complaints),
        })?;
    scenario.doubts =
        doubts.iter().map(|doubt| complaint::render_doubt(file, text, doubt)).collect();
    Ok(scenario)
}

/// A scenario and what may not be meant so, or all that is wrong.
fn read_and_check(
    name: &str,
    file: &str,
    text: &str,
) -> Result<(Scenario, Vec<Complaint>), Vec<Complaint>> {
    let recover::Read { whole, mut complaints, left } = recover::read::<Scenario>(text);
    let Some(mut scenario) = whole else { return Err(complaints) };
    name.clone_into(&mut scenario.name);
    scenario.lower_cards();
    scenario.directory = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
    let senseless = sense::check(&scenario, &left);
    complaints.extend(senseless.into_iter().filter(|complaint| left.has(complaint)));
    // What was read once is a table.
    scenario.table = text.parse().unwrap_or_default();
    let without: Vec<_> = complaints.iter().map(|complaint| complaint.what.clone()).collect();
    for (index, twin) in scenario.twins.iter().enumerate() {
        match twin_scenario(&scenario, index, &without) {
            Ok(twin_scenario) => scenario.twin_scenarios.extend(twin_scenario),
            Err(wrong) => {
                let of_twin = |what| format!("the twin \"{}\": {what}", twin.get_ref().that);
                let wrong = wrong.into_iter().map(of_twin);
                complaints.extend(wrong.map(|what| Complaint::new(twin.span(), what)));
            }
        }
    }
    complaints.sort_by_key(|complaint| complaint.at.start);
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let doubts = vain::doubts(&scenario, &left.spot());
    Ok((scenario, doubts))
}

/// The scenario that a twin is, or what is wrong with it beside what is wrong `without` it; neither,
/// if it cannot be read for that.
fn twin_scenario(
    scenario: &Scenario,
    index: usize,
    without: &[String],
) -> Result<Option<Scenario>, Vec<String>> {
    let twin = scenario.twins[index].get_ref();
    let table = twin.of(&scenario.table).map_err(|what| vec![what])?;
    let text = toml::to_string(&table).map_err(|error| vec![error.to_string()])?;
    let recover::Read { whole: mut made, complaints, left } = recover::read::<Scenario>(&text);
    let mut wrong: Vec<_> = complaints.into_iter().map(|complaint| complaint.what).collect();
    if let Some(made) = &mut made {
        made.name = format!("{}~{}", scenario.name, index + 1);
        made.directory.clone_from(&scenario.directory);
        made.lower_cards();
        made.twin = Some(twin.clone());
        let senseless = sense::check(made, &left).into_iter();
        wrong.extend(senseless.filter(|complaint| left.has(complaint)).map(|c| c.what));
        made.table = table;
    }
    // Each as often as it is told already.
    for told in without {
        if let Some(at) = wrong.iter().position(|what| what == told) {
            wrong.remove(at);
        }
    }
    if wrong.is_empty() { Ok(made) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::milestone::{KINDS, fields_of};
    use crate::script::scenario::OneOrMany;

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
        assert!(
            text.contains("t.toml:4:9")
                && text.contains("no milestone `bownd`; did you mean `bound`?"),
            "{text}"
        );

        let field = format!("{HEAD}[[step]]\nawait = {{ milestone = \"bound\", modul = 1 }}\n");
        let text = error_of(&field);
        assert!(
            text.contains("`bound` has no field `modul`")
                && text.contains("it has: card, slot, driver"),
            "{text}"
        );

        let two = format!("{HEAD}[[step]]\ndo = \"unbind\"\nawait = \"bound\"\n");
        let text = error_of(&two);
        assert!(text.contains("t.toml:3:1") && text.contains("exactly one of"), "{text}");

        let var = format!(
            "{HEAD}[[step]]\nawait = {{ milestone = \"opmode-asked\", module = \"$opmod\" }}\n"
        );
        let text = error_of(&var);
        assert!(
            text.contains("t.toml:4:48")
                && text.contains("no variable `$opmod`; did you mean `$opmode`?"),
            "{text}"
        );

        let card = "about = \"t\"\ncards = [\"9999\"]\n[[step]]\ndo = \"unbind\"\n";
        let text = error_of(card);
        assert!(text.contains("t.toml:2:10") && text.contains("no card `9999`"), "{text}");
    }

    #[test]
    fn every_error_is_told_and_none_that_follows_from_another() {
        let text = "about = 7\ncards = [\"7206\"]\npatiense = 3\n[card]\nfaults = [\"never-alife\"]\n\
                    [[module]]\nexit = 300\nlie = true\n\
                    [[step]]\nawayt = \"bound\"\n\
                    [[step]]\nawait = [\"bound\", \"bownd\"]\n\
                    [[step]]\ndo = \"unbnd\"\nname = \"x\"\n\
                    [[step]]\nawait = { milestone = \"step-ended\", step = \"unbind\" }\n\
                    [[expect]]\nthat = \"a\"\nnever = { milestone = \"bound\", slt = \"y\" }\n\
                    [[twin]]\nthat = \"t\"\nred = [\"a\"]\n";
        let error = error_of(text);
        let places: Vec<_> =
            error.lines().filter_map(|line| line.trim().strip_prefix("--> t.toml:")).collect();
        let want = ["1:9", "2:10", "3:1", "5:11", "7:8", "10:1", "12:19", "14:6", "20:32"];
        assert_eq!(places, want, "{error}");
        assert!(error.starts_with("t.toml has 9 errors\nerror: "), "{error}");
        assert!(error.contains("no key `patiense`; did you mean `patience`?"), "{error}");
        assert!(error.contains("no word `unbnd`; did you mean `unbind`?"), "{error}");
        let many = "[[step]]\ndo = \"unbnd\"\n".repeat(30);
        let error = error_of(&format!("{HEAD}{many}"));
        assert_eq!(error.matches("-->").count(), 20);
        assert!(error.starts_with("t.toml has 30 errors, of which the first 20:\n"), "{error}");
        assert!(error.ends_with("… and 10 more, from line 44 on"), "{error}");
    }

    fn places_of(error: &str) -> Vec<&str> {
        error.lines().filter_map(|line| line.trim().strip_prefix("--> t.toml:")).collect()
    }

    #[test]
    fn one_cause_is_one_error() {
        // Nothing is known of a card that is none, nor of what its variables stand for; and a twin
        // has the errors of its base.
        let rest = "[[firmware]]\nname = \"$firmware\"\n[[step]]\ndo = \"bind\"\ncard = \"7260-2\"\n\
                    [[step]]\nawait = { milestone = \"opmode-asked\", module = \"$opmode\" }\n\
                    [[expect]]\nthat = \"a\"\n\
                    never = { milestone = \"firmware-asked\", name = \"$firmware\" }\n\
                    [[expect]]\nthat = \"b\"\nnever = { milestone = \"bound\", slot = \"0000:02:00.0\" }\n\
                    [[twin]]\nthat = \"t\"\nset.patience = 5\nred = [\"a\", \"b\"]\n";
        let error = error_of(&format!("about = \"t\"\ncards = [\"7261\"]\n{rest}"));
        assert_eq!(places_of(&error), ["2:10"], "{error}");
        let further = format!("{HEAD}[[card]]\n[[card]]\nmodel = \"7261\"\n{rest}");
        assert_eq!(places_of(&error_of(&further)), ["5:9"], "{}", error_of(&further));
        // What a twin adds is its own.
        let twin = format!("{HEAD}{rest}");
        let twin = twin.replace("set.patience = 5", "set.cards = [\"7261\"]");
        let error = error_of(&twin.replace("7260-2", "7260").replace("02:00.0", "01:00.0"));
        assert_eq!(places_of(&error), ["16:1"], "{error}");
    }

    #[test]
    fn a_key_that_is_none_is_told_once_however_many_tables_it_has() {
        let table = "[[expct]]\nthat = \"a\"\nnever = \"bound\"\n";
        let twin = "[[twin]]\nthat = \"t\"\nset.patience = 5\nred = [\"a\"]\n";
        let step = "[[step]]\ndo = \"bind\"\n";
        for (tables, place) in [(table.to_owned(), "5:3"), (table.repeat(2), "5:3")] {
            let error = error_of(&format!("{HEAD}{step}{tables}{twin}"));
            assert_eq!(places_of(&error), [place], "{error}");
            assert!(error.contains("no key `expct`; did you mean `expect`?"), "{error}");
        }
        // Nor is what was meant missing.
        let error = error_of(&format!("{HEAD}[[stp]]\ndo = \"bind\"\n"));
        assert_eq!(places_of(&error), ["3:3"], "{error}");
        let error = error_of("abuot = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"bind\"\n");
        assert_eq!(places_of(&error), ["1:1"], "{error}");
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_else() {
        // A wrong type or word is one error; names that nothing has are found beside it.
        let text = format!(
            "{HEAD}patience = \"soon\"\n[[step]]\ndo = \"bind\"\n\
             [[step]]\nawait = {{ milestone = \"unbound\", by = \"diver\" }}\n\
             [[expect]]\nthat = \"a\"\nnever = {{ milestone = \"step-ended\", step = \"nothing\" }}\n\
             [[expect]]\nthat = \"b\"\nnever = {{ milestone = \"alive\", valid = 1 }}\n\
             [[twin]]\nthat = \"t\"\nset.patience = 5\nred = [\"c\"]\n\
             [[twin]]\nthat = \"u\"\nset.hold = 3\nred = [\"a\"]\n"
        );
        let error = error_of(&text);
        assert_eq!(
            places_of(&error),
            ["3:12", "7:39", "10:44", "13:40", "17:8", "18:1"],
            "{error}"
        );
    }

    #[test]
    fn an_error_is_told_where_it_stands() {
        let step =
            |await_: &str| format!("{HEAD}[[step]]\ndo = \"bind\"\n[[step]]\nawait = {await_}\n");
        let expect = |rest: &str| {
            format!("{HEAD}[[step]]\ndo = \"bind\"\n[[expect]]\nthat = \"a\"\n{rest}\n")
        };
        for (text, at, said) in [
            (
                step("{ milstone = \"opmode-asked\", module = \"$opmode\" }"),
                "milstone",
                "no key `milstone`; did you mean `milestone`?",
            ),
            (step("{ milestone = \"bound\", modul = \"x\" }"), "modul", "no field `modul`"),
            (step("{ milestone = \"bound\", card = \"8265\" }"), "\"8265\"", "no card here"),
            (
                step("[\"bound\", { milestone = \"netdev-registered\", interface = \"eth5\" }]"),
                "\"eth5\"",
                "no interface of these cards `eth5`",
            ),
            (step("\"vanished\""), "\"vanished\"", "no step is `vanish`"),
            (step("[\"bound\", \"vanished\"]"), "\"vanished\"", "no step is `vanish`"),
            (
                expect("never = { milestone = \"opmode-asked\", module = \"iwlmvn\" }"),
                "\"iwlmvn\"",
                "no opmode",
            ),
            (
                expect("[expect.never]\nmilestone = \"bound\"\nslot = \"x\""),
                "\"x\"",
                "no slot with a card",
            ),
            (
                expect("every = \"alive\"\nhas.card = [\"7260\", \"8265\"]"),
                "\"8265\"",
                "no card here",
            ),
            (
                expect("every = \"alive\"\nhas = { crd = [\"7260\"] }"),
                "crd",
                "did you mean `card`?",
            ),
            (expect("log = { matches = \"x\", card = \"8265\" }"), "\"8265\"", "no card here"),
            (
                format!("{HEAD}[[step]]\ndo = \"bind\"\ncard = \"8265\"\n"),
                "\"8265\"",
                "no card here",
            ),
            (
                format!(
                    "{HEAD}[[step]]\nrepeat = 2\nstep = [{{ check = {{ card = \"x\", bound = true }} }}]\n"
                ),
                "\"x\", bound",
                "no card here",
            ),
            (
                format!("{HEAD}[[step]]\ndo = {{ write = {{ path = \"x\", text = \"1\" }} }}\n"),
                "{ write",
                "is absolute",
            ),
            (
                format!(
                    "{HEAD}[[card]]\nfaults = [\"rf-kill\", {{ fault = \"never-alive\", begin = \"vanished\" }}]\n[[step]]\ndo = \"bind\"\n"
                ),
                "\"vanished\"",
                "no step is `vanish`",
            ),
            (
                format!("{HEAD}[[step]]\ndo = \"bind\"\n[[firmware]]\ngive = \"file:none\"\n"),
                "\"file:none\"",
                "there is no file",
            ),
        ] {
            let error = error_of(&text);
            let before = &text[..text.find(at).expect(at)];
            let line = before.lines().count() + usize::from(before.ends_with('\n'));
            let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
            let place = format!("{line}:{column}");
            assert_eq!(places_of(&error), [&*place], "{text}: {error}");
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn scenarios_are_selected_by_name_group_and_pattern() {
        let names = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|p| (*p).to_owned()).collect();
            select(&patterns).map(|those| those.into_iter().map(|s| s.name).collect::<Vec<_>>())
        };
        let in_group = |wanted: &str| -> Vec<_> {
            let those = BUILT_IN.iter().filter(|(group, _, _)| *group == wanted);
            those.map(|(_, name, _)| (*name).to_owned()).collect()
        };
        assert_eq!(names(&["races/"]).expect("a group"), in_group("races"));
        let unbind: Vec<_> =
            in_group("races").into_iter().filter(|name| name.starts_with("unbind-")).collect();
        assert!(unbind.len() > 3);
        assert_eq!(names(&["races/unbind-*"]).expect("there"), unbind);
        assert_eq!(names(&["unbind-*", "unbind-in-the-gap"]).expect("each once"), unbind);
        assert_eq!(
            names(&["races/rebind-loop", "rebind-loop"]).expect("each once"),
            ["rebind-loop"]
        );
        assert!(names(&["card/rebind-loop"]).is_err(), "of another group");
        assert_eq!(names(&["opmode-load", "opmode-l*d"]).expect("there"), ["opmode-load"]);
        let error = names(&["unbnd-*", "opmode-laod"]).expect_err("neither").to_string();
        let meant = "no scenario is `unbnd-*`; did you mean `unbind-*`? there are the groups card/";
        assert!(error.contains(meant), "{error}");
        assert!(
            error.contains(
                "\niwlbench: there is no scenario `opmode-laod`; did you mean `opmode-load`?"
            ),
            "{error}"
        );
        let error = names(&["zzz*"]).expect_err("none").to_string();
        assert!(error.contains("no scenario is `zzz*`; there are the groups card/"), "{error}");
    }

    #[test]
    fn an_error_is_no_longer_than_a_terminal() {
        let long = "b".repeat(100_000);
        let error = error_of(&format!("{HEAD}[[step]]\nawait = \"{long}\"\n"));
        assert!(
            error.len() < 3000 && error.contains("t.toml:4:9") && error.contains("there is no"),
            "{error}"
        );
    }

    #[test]
    fn the_one_value_that_is_wrong_is_marked() {
        let text = "about = \"t\"\ncards = \"7260\"\ntrouble = [\"oops\", \"bom\"]\n\
                    needs = [\"CONFIG_X\", \"X\"]\nguest.without = [\"a\", \"$x\"]\n\
                    firmware = [{ corrupt = [\"truncate=40\", \"bad\"] }]\n\
                    step = [{ await = \"bound\", when.card = [\"7260\", \"7261\"] }]\n";
        let error = error_of(text);
        let places: Vec<_> =
            error.lines().filter_map(|line| line.trim().strip_prefix("--> t.toml:")).collect();
        assert_eq!(places, ["2:9", "3:20", "4:22", "5:23", "6:41", "7:49"], "{error}");
        assert!(error.contains("this is a list: [\"7260\"]"), "{error}");
    }

    #[test]
    fn of_what_is_no_toml_the_first_slip_is_told() {
        let text = "about = \"t\"\ncards = [\"7260\"\n[[step]]\ndo = \"coldplug\"\n[[step]]\n\
                    await = \"alive\"\n[[expect]]\nthat = \"x\"\nnever = \"bound\"\n";
        assert_eq!(error_of(text).matches("-->").count(), 1, "{}", error_of(text));
    }

    #[test]
    fn what_is_about_the_step_stands_outside_of_what_it_does() {
        let error = error_of(
            "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = { exec = \"false\", fails = 1 }\n",
        );
        assert!(error.contains("several: `exec`, `fails`"), "{error}");
        assert!(error.contains("stands outside of the braces"), "{error}");
    }

    #[test]
    fn cards_may_be_in_capitals() {
        let text = "about = \"t\"\ncards = [\"AX200\"]\ncard = [{}, { model = \"AX200\" }]\n\
                    [[step]]\ndo = \"unbind\"\ncard = \"ax200-2\"\n\
                    [[step]]\nawait = { milestone = \"unbound\", card = \"AX200-2\" }\n\
                    [[step]]\ncheck = { card = \"AX200-2\", bound = false }\nwhen.card = \"AX200\"\n";
        let scenario = parse("t", "t.toml", text).expect("good");
        assert_eq!(scenario.card_names(scenario.cards[0].get_ref()), ["ax200", "ax200-2"]);
        let steps = scenario.all_steps();
        let pattern = steps[1].r#await.iter().flat_map(OneOrMany::iter).next().expect("one");
        assert_eq!(pattern.fields["card"].as_str(), Some("ax200-2"));
        let check = steps[2].check.iter().flat_map(OneOrMany::iter).next().expect("one");
        assert_eq!(check.card.as_ref().map(|name| name.0.as_str()), Some("ax200-2"));
        let card = iwl_card::card("ax200").expect("a card");
        assert!(steps[2].when.meets(card) && scenario.doubts.is_empty(), "{:?}", scenario.doubts);
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
        for milestone in KINDS {
            let quoted = format!("`{milestone}`");
            let row = readme.lines().find(|line| {
                line.strip_prefix("| ").is_some_and(|line| {
                    line.split('|').next().is_some_and(|cell| cell.contains(&quoted))
                })
            });
            let row = row.unwrap_or_else(|| panic!("{milestone} is not described"));
            let described = row.split('|').nth(2).unwrap_or_default();
            let fields = fields_of(milestone).expect("known");
            let want = fields.iter().map(|(field, _)| format!("`{field}`")).collect::<Vec<_>>();
            assert_eq!(described.trim(), want.join(", "), "{milestone}");
        }
    }
}
