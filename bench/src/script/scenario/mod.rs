//! Scenarios are data: a TOML file says what the guest is, what the host does, and what has to
//! come of it. `bench/scenarios/` holds the built-in ones; they are the examples to copy, and its
//! README explains the language.

mod card;
mod check;
mod config_option;
mod duration;
mod expectation;
mod fault;
mod gate;
mod interrupts;
mod limits;
mod number;
mod own;
mod pattern;
mod schema;
mod step;
mod text;
mod tolerated;
mod twin;
mod word;

use std::path::PathBuf;

use iwl_card::CardSpec;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::{Spanned, Table, Value};

pub use card::{CardTable, Equipped, no_identity, numbered};
pub use check::{Check, FileCheck};
pub use config_option::ConfigOption;
pub use duration::parse_patience;
pub use expectation::{Expectation, LogLine};
pub use fault::{EVENTS, EventPattern, Happening, Moment, PlannedFault};
pub use gate::{Compression, FirmwareRule, ModuleRule, Source, corruption};
pub use interrupts::InterruptChoice;
pub use limits::{LONGEST_PATIENCE, MOST_CARDS, MOST_REPEATS};
pub use own::Own;
pub use pattern::{
    KernelRange, OneOrMany, Pattern, Vars, When, field_of, glob, known_vars, no_card,
};
pub use step::{Action, Autoload, Fails, Step, Suspend, lacks};
pub use text::Text;
pub use tolerated::Tolerated;
pub use twin::Twin;

use crate::facts::trouble::Trouble;

/// A scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    #[serde(default)]
    pub about: String,
    /// Commits, reports and threads it stands on.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The cards it is played with when the user names none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub cards: Vec<Spanned<String>>,
    /// The driver whose own it is about: its parameters, what it needs, a defect. With another it is
    /// not played.
    #[serde(default)]
    pub driver: Option<Own>,
    /// Why it is about the cards' stubs and no other files, as the end of a sentence: with Intel's own it
    /// is not played.
    #[serde(default, deserialize_with = "reason")]
    pub stub_only: Option<String>,
    /// How often it is played, with each card, if the user does not say: a race is told by its
    /// rate.
    #[serde(
        default = "once",
        deserialize_with = "number::whole::<_, _, 1, { MOST_REPEATS as i64 }>"
    )]
    pub repeat: u32,
    /// Options of the kernel's configuration, as `CONFIG_FW_LOADER_COMPRESS_XZ`, without which
    /// nothing could be seen of what it is about: a kernel that is known to lack one does not play it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub needs: Vec<ConfigOption>,
    /// Longest that any one step may take, seconds; written `"90s"` or as their number.
    #[serde(default = "default_patience", deserialize_with = "duration::patience")]
    #[schemars(schema_with = "duration::schema")]
    pub patience: u64,
    /// Boots for real, the card present from power-on, instead of plugging it into a restored
    /// guest.
    #[serde(default)]
    pub cold: bool,
    /// It can be played where driver and opmodes are in the kernel itself, and no module is asked for.
    #[serde(default)]
    pub built_in: bool,
    /// The loaders' requests wait for the bench; `false`: the kernel's own modprobe and plain
    /// files.
    #[serde(default = "yes")]
    pub gates: bool,
    /// What the guest has and has not.
    #[serde(default)]
    pub guest: Guest,
    /// The cards, and what is wrong with them: one table, or one for each card.
    #[serde(default)]
    pub card: OneOrMany<CardTable>,
    /// The firmware gate: the first rule that fits decides.
    #[serde(default)]
    #[schemars(with = "Vec<FirmwareRule>")]
    pub firmware: Vec<Spanned<FirmwareRule>>,
    /// The module gate: the first rule that fits decides.
    #[serde(default)]
    #[schemars(with = "Vec<ModuleRule>")]
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
    #[serde(rename = "step", default)]
    #[schemars(with = "Vec<Step>")]
    pub steps: Vec<Spanned<Step>>,
    /// What has to come of it.
    #[serde(rename = "expect", default)]
    #[schemars(with = "Vec<Expectation>")]
    pub expectations: Vec<Spanned<Expectation>>,
    /// The changes that must turn its expectations red.
    #[serde(rename = "twin", default)]
    #[schemars(with = "Vec<Twin>")]
    pub twins: Vec<Spanned<Twin>>,
    /// The twins as scenarios of their own.
    #[serde(skip)]
    pub twin_scenarios: Vec<Scenario>,
    /// Set in a twin's own scenario: what makes it one.
    #[serde(skip)]
    pub twin: Option<Twin>,
    /// What is probably not meant so, each with its place.
    #[serde(skip)]
    pub doubts: Vec<String>,
    /// The file as it was read, for what is made of it: twins, the orders of an exploration.
    #[serde(skip)]
    pub table: Table,
}

/// Orders of a scenario's points.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Explore {
    /// An order has to end in one of these; without any, unbound or with an interface.
    #[serde(default)]
    pub ends: Vec<Check>,
}

fn once() -> u32 {
    1
}

/// Longest that a step may take where the file does not say, seconds.
pub const DEFAULT_PATIENCE: u64 = 60;

fn default_patience() -> u64 {
    DEFAULT_PATIENCE
}

fn yes() -> bool {
    true
}

/// The guest's image.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
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

    /// Whether an opmode is in the kernel before the scenario begins.
    pub fn loads_opmodes(&self, vars: &Vars) -> bool {
        let loaded = self.loaded.iter().flatten();
        loaded.into_iter().any(|name| vars.driver.is_opmode(&vars.string(name)))
    }
}

/// Names whose variables all exist.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names: Vec<Text> = Vec::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

fn some_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    names(deserializer).map(Some)
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let reason = String::deserialize(deserializer)?;
    if reason.trim().is_empty() {
        return Err(de::Error::custom("it has to say why"));
    }
    Ok(Some(reason))
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

impl Scenario {
    /// The names of its cards as the list has them: they may be written in capitals. Those in what it says
    /// of milestones are read so.
    pub(in crate::script) fn lower_cards(&mut self) {
        let tables = self.card.iter_mut();
        let further = tables.flat_map(|table| table.model.iter_mut().chain(&mut table.more));
        for name in self.cards.iter_mut().chain(further) {
            name.get_mut().make_ascii_lowercase();
        }
        let logs = self.expectations.iter_mut().filter_map(|e| e.get_mut().log.as_mut());
        for Text(name) in logs.filter_map(|log| log.card.as_mut()) {
            name.make_ascii_lowercase();
        }
        lower_cards_of(&mut self.steps);
    }

    /// The cards of a machine whose first is this one. Each finds its stub under the first name that
    /// it asks for.
    pub fn machine(&self, first: &'static CardSpec) -> Vec<Equipped<'_>> {
        // A name that is none was refused when the scenario was read.
        let spec = |model: &str| {
            if model == card::FIRST { Some(first) } else { iwl_card::card(model) }
        };
        card::tables(&self.card)
            .filter_map(|(model, table)| Some(Equipped { spec: spec(model)?, table }))
            .collect()
    }

    /// The names of the cards in a machine whose first one is of this model: the model's, numbered
    /// where there are several of it: `7260`, `7260-2`.
    pub fn card_names(&self, first: &str) -> Vec<String> {
        let tables = card::tables(&self.card);
        numbered(tables.map(|(model, _)| if model == card::FIRST { first } else { model }))
    }

    /// The models of the further cards, where they are not the first one's.
    pub fn further_models(&self) -> impl Iterator<Item = &Spanned<String>> {
        let models = self.card.iter().flat_map(|table| table.model.iter().chain(&table.more));
        models.filter(|model| model.get_ref() != card::FIRST)
    }

    /// Whether one of its cards is a part without a row: what its driver asks for only that knows.
    pub fn has_another_part(&self) -> bool {
        self.card.iter().any(|table| table.identity.is_another_part())
    }

    /// All that is wrong with any card, at some time.
    pub fn faults(&self) -> impl Iterator<Item = &Spanned<PlannedFault>> {
        self.card.iter().flat_map(|table| &table.faults)
    }

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

    /// What its steps do, those of repetitions too.
    pub fn actions(&self) -> Vec<&Action> {
        self.all_steps().into_iter().filter_map(|step| step.r#do.as_ref()).collect()
    }

    /// Its steps, those of repetitions too.
    pub fn all_steps(&self) -> Vec<&Step> {
        flattened(&self.steps, &|_| true)
    }

    /// Those that are played in a run.
    fn applying_steps(&self, vars: &Vars) -> Vec<&Step> {
        flattened(&self.steps, &|step| step.when.applies(vars))
    }

    /// The modules that its steps name in a run, each with where: those that have to be there. What may fail
    /// names what it likes, and a modprobe with a configuration of the scenario's knows other names.
    pub fn modules_named(&self, vars: &Vars) -> Vec<(&'static str, String)> {
        let configured = self.actions().iter().any(|action| matches!(action, Action::ModprobeD(_)));
        let texts = |place: &'static str, words: &[Text]| -> Vec<_> {
            words.iter().map(|word| (place, vars.string(&word.0))).collect()
        };
        let mut named = Vec::new();
        for step in self.applying_steps(vars) {
            match step.r#do.as_ref().filter(|_| step.fails.is_none()) {
                Some(Action::Rmmod(name)) => named.push(("step rmmod", vars.string(&name.0))),
                Some(Action::Modprobe(args)) if !configured => {
                    let args: Vec<_> = args.iter().map(|arg| vars.string(&arg.0)).collect();
                    let names = modprobe_names(&args).into_iter();
                    named.extend(names.map(|name| ("step modprobe", name.to_owned())));
                }
                _ => {}
            }
            for check in step.check.iter().flat_map(OneOrMany::iter) {
                named.extend(texts("check.loaded", &check.loaded));
                named.extend(texts("check.not-loaded", &check.not_loaded));
            }
        }
        named
    }

    /// What its steps let go in a run, by the names or patterns that they have.
    pub fn releases(&self, vars: &Vars) -> Vec<String> {
        let released = |step: &Step| match &step.r#do {
            Some(Action::Release(name) | Action::ReleaseOne(name)) => Some(vars.string(&name.0)),
            _ => None,
        };
        self.applying_steps(vars).into_iter().filter_map(released).collect()
    }

    /// Whether the guest boots for real: one that boots again needs what a snapshot has not.
    pub fn begins_cold(&self) -> bool {
        self.cold || self.reboots()
    }

    /// Whether it resets its guest.
    pub fn reboots(&self) -> bool {
        self.actions().into_iter().any(Action::reboots)
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

fn lower_cards_of(steps: &mut [Spanned<Step>]) {
    for step in steps.iter_mut().map(Spanned::get_mut) {
        let checks = step.check.iter_mut().flat_map(OneOrMany::iter_mut);
        let named = checks.filter_map(|check| check.card.as_mut()).chain(&mut step.card);
        named.for_each(|Text(name)| name.make_ascii_lowercase());
        lower_cards_of(&mut step.step);
    }
}

/// The modules of a modprobe's arguments; none where they say more than that. An alias is none.
fn modprobe_names(args: &[String]) -> Vec<&str> {
    const ALL: [&str; 4] = ["-r", "--remove", "-a", "--all"];
    const NO_MATTER: [&str; 6] = ["-v", "--verbose", "-q", "--quiet", "-f", "--"];
    let (options, names): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    if options.iter().any(|option| !ALL.contains(option) && !NO_MATTER.contains(option)) {
        return Vec::new();
    }
    let all = options.iter().any(|option| ALL.contains(option));
    let names = names.into_iter().take(if all { usize::MAX } else { 1 });
    names.filter(|name| !name.contains([':', '*', '/'])).collect()
}

/// These steps, each before those that it repeats; of one that is not `wanted` neither.
pub fn flattened<'s>(steps: &'s [Spanned<Step>], wanted: &dyn Fn(&Step) -> bool) -> Vec<&'s Step> {
    let each = steps.iter().map(Spanned::get_ref).filter(|step| wanted(step));
    each.flat_map(|step| std::iter::once(step).chain(flattened(&step.step, wanted))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_that_steps_name() {
        let text = "about = \"t\"\ncards = [\"7260\"]\n\
            [[step]]\ndo = { modprobe = [\"$opmode\", \"power_scheme=1\"] }\n\
            [[step]]\ndo = { modprobe = [\"-r\", \"a\", \"b\"] }\n\
            [[step]]\ndo = { modprobe = [\"-n\", \"c\"] }\n\
            [[step]]\ndo = { modprobe = [\"pci:v00008086\"] }\n\
            [[step]]\ndo = { modprobe = [\"d\"] }\nfails = true\n\
            [[step]]\ndo = { rmmod = \"e\" }\nwhen.card = \"6205\"\n\
            [[step]]\nrepeat = 2\n[[step.step]]\ndo = { rmmod = \"f\" }\n\
            [[step]]\ncheck = { loaded = [\"g\"], not-loaded = [\"h\"] }\n";
        let named = |text: &str| -> Vec<String> {
            let scenario = crate::script::read::parse("t", "t.toml", text).expect("valid");
            let named = scenario.modules_named(&Vars::sample());
            named.into_iter().map(|(place, name)| format!("{place} {name}")).collect()
        };
        let rest = ["step rmmod f", "check.loaded g", "check.not-loaded h"];
        let all = ["step modprobe iwlmvm", "step modprobe a", "step modprobe b"];
        assert_eq!(named(text), [&all[..], &rest].concat());
        let own = format!("{text}[[step]]\ndo = {{ modprobe-d = [\"alias a b\"] }}\n");
        assert_eq!(named(&own), rest, "what its own configuration knows");
    }
}
