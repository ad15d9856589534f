//! What the events of a scenario's runs can have: which kinds of them come, and which values. What
//! goes beyond that looks at nothing: a `never` with it holds whatever happens.

mod caused;
mod sent;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use iwl_card::{CardSpec, Fault, Image};
use iwl_ucode::stub;
use toml::{Spanned, Value};

use crate::facts::derive;
use crate::facts::driver::{DRIVERS, IWLWIFI};
use crate::facts::errno::Errno;
use crate::facts::milestone;
use crate::facts::near::NoSuch;
use crate::script::recover::Left;
use crate::script::scenario::{
    Action, FirmwareRule, Guest, Pattern, Scenario, Step, Text, Vars, When, glob,
};
use crate::script::supplied::{ELSE, KERNELS, Supplied, concerns, kernels, models, names_asked};

/// The card that a step is done to, where it names none.
pub(super) const FIRST: &str = "$card";

/// The agent's modules, which are in the kernel before anything is told of them.
const AGENTS: [&str; 7] = [
    "virtio",
    "virtio_ring",
    "virtio_pci",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_console",
    "fuse",
];
/// What every Wi-Fi driver stands on: [`Guest::LOADED`] and what it brings.
pub(super) const WIRELESS: [&str; 4] = [Guest::LOADED, "cfg80211", "libarc4", "rfkill"];
/// More parts than any image is uploaded in: the driver has room for 64 sections
/// (`IWL_MAX_DRAM_ENTRY`), and those of older files come in a few chunks each.
const MOST_PARTS: i64 = 255;
/// What modprobe itself ends with, beside the death by a signal.
const MODPROBE_ENDS: [i64; 2] = [0, 1];

/// The cards that play, by their names in a run: a machine for each that `cards` names.
struct Cards(Vec<(String, Vec<String>)>);

impl Cards {
    fn of(scenario: &Scenario) -> Cards {
        let first = scenario.cards.iter().map(Spanned::get_ref);
        Cards(first.map(|first| (first.clone(), scenario.card_names(first))).collect())
    }

    /// Why a card of this name does not play, if it does not: in no machine.
    fn lack(&self, text: &str) -> Option<NoSuch> {
        let plays =
            |(first, names): &(String, Vec<String>)| names.contains(&text.replace("$card", first));
        if self.0.iter().any(plays) {
            return None;
        }
        let mut names: Vec<_> = self.0.iter().flat_map(|(_, names)| names.clone()).collect();
        names.sort_unstable();
        names.dedup();
        Some(NoSuch::new("card here", text, names))
    }

    /// The most in any machine.
    fn most(&self) -> usize {
        self.0.iter().map(|(_, names)| names.len()).max().unwrap_or_default()
    }
}

/// A scenario, and what can come of it.
pub(super) struct Possible<'s> {
    scenario: &'s Scenario,
    /// None, where one of them is none: what they cannot do is not known then.
    cards: Option<Cards>,
    models: Vec<&'static CardSpec>,
    /// Looked at where something is said about it.
    supplied: OnceCell<Option<Supplied>>,
    steps: Vec<&'s Step>,
    /// All that brings events about can be read.
    whole: bool,
}

/// Fields whose values the cards decide.
const OF_CARDS: [&str; 6] = ["card", "slot", "interface", "section", "image", "name"];

/// What is no value of an event's, in a sentence and perhaps a line that helps.
type No = String;

/// Whether it is about a module that is no opmode.
fn of_any_module(pattern: &Pattern) -> bool {
    pattern.milestone.starts_with("module-")
}

/// What of a scenario brings events about, or shows that they can come.
const CAUSES: [&str; 9] =
    ["cards", "card", "cold", "gates", "guest", "firmware", "module", "step", "twin"];

impl<'s> Possible<'s> {
    pub(super) fn of(scenario: &'s Scenario, left: &Left<'_>) -> Possible<'s> {
        let mut named = scenario.cards.iter().chain(scenario.further_models());
        let known = named.all(|card| iwl_card::card(card.get_ref()).is_some())
            && !scenario.cards.is_empty()
            && !left.lacks_of(&["cards", "card"]);
        Possible {
            scenario,
            cards: known.then(|| Cards::of(scenario)),
            supplied: OnceCell::new(),
            models: models(scenario),
            steps: scenario.all_steps(),
            whole: known && !left.lacks_of(&CAUSES),
        }
    }

    /// Whether this is for any run here; where nothing is known of the cards, it may be.
    pub(super) fn concerns(&self, when: &When) -> bool {
        let mut firsts =
            self.scenario.cards.iter().filter_map(|card| iwl_card::card(card.get_ref()));
        self.cards.is_none() || firsts.any(|card| concerns(when, card))
    }

    /// Why a fault of one firmware file never comes to these cards.
    pub(super) fn lacks_file(&self, cards: &[&'static CardSpec], fault: Fault) -> Option<No> {
        let api = fault.of_file()?;
        Supplied::of(self.scenario, cards)?.lacks_api(api)
    }

    /// Of which this is said.
    pub(super) fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Why a card of this name does not play, if it does not.
    pub(super) fn lacks_card(&self, name: &str) -> Option<No> {
        Some(format!("{:#}", self.cards.as_ref()?.lack(name)?))
    }

    /// Why no event fits this, though each of its values is some event's: nothing in the scenario
    /// brings it about; and the field that it is about, if it is one. `never`: it is said that it does
    /// not come; with another fault of the user's, or in a guest that he boots cold, it might.
    pub(super) fn uncaused<'p>(
        &self,
        pattern: &'p Pattern,
        when: &When,
        never: bool,
    ) -> Option<(Option<&'p str>, No)> {
        // A twin leaves out what brings an event about, so that what speaks of it turns red.
        if !self.whole || self.scenario.twin.is_some() {
            return None;
        }
        let parts = self.parts(pattern, when);
        let of_a_field = pattern.fields.iter().find_map(|(field, value)| {
            let what = value
                .as_integer()
                .and_then(|number| self.uncaused_number(&pattern.milestone, field, number));
            let of_files = || never.then(|| self.never_comes(pattern, field, value)).flatten();
            let of_names = || {
                let name = value.as_str().filter(|_| never && field == "name")?;
                self.uncompressed(&pattern.milestone, name)
            };
            let of_parts = || {
                let text = value.as_str().filter(|_| never && !parts.is_empty())?;
                self.lacks_of(&parts, field, text)
            };
            let what = what.or_else(of_files).or_else(of_names).or_else(of_parts);
            Some((Some(field.as_str()), what?))
        });
        of_a_field.or_else(|| Some((None, self.uncaused_kind(pattern, &parts, never)?)))
    }

    /// Why this value comes of no file that these cards are given. Whoever awaits it sees that it does
    /// not come; a `never` would hold whatever happens.
    fn never_comes(&self, pattern: &Pattern, field: &str, value: &Value) -> Option<No> {
        match value {
            Value::Integer(_) => self.supplied()?.lack(pattern, field, value),
            Value::String(module) if field == "module" && !of_any_module(pattern) => {
                let all = self.expansions(module);
                let of_a_card = |module: &String| self.opmodes().any(|opmode| opmode == *module);
                let there = |module: &String| of_a_card(module) || self.speaks_of(module);
                if all.is_empty() || all.iter().any(there) || self.supplied().is_none() {
                    return None;
                }
                let mut own: Vec<_> = self.opmodes().collect();
                own.sort_unstable();
                own.dedup();
                let own = own.join(", ");
                Some(format!("`{module}` is the opmode of no card here: there are {own}{ELSE}"))
            }
            _ => None,
        }
    }

    /// What the cards are given, where that is known.
    pub(super) fn supplied(&self) -> Option<&Supplied> {
        self.supplied.get_or_init(|| Supplied::of(self.scenario, &self.models)).as_ref()
    }

    /// Why no compressed file of this name is given.
    fn uncompressed(&self, kind: &str, name: &str) -> Option<No> {
        let end = [".zst", ".xz"].into_iter().find(|end| name.ends_with(end))?;
        let mut rules = self.scenario.firmware.iter().map(Spanned::get_ref);
        let may = |rule: &FirmwareRule| {
            let named = glob(&rule.name, name) && rule.refuse.is_none();
            rule.compress.is_some() || (named && !glob(&rule.name, name.trim_end_matches(end)))
        };
        (kind == "firmware-given" && !rules.any(may)).then(|| {
            format!(
                "no file is given compressed here\na [[firmware]] rule does that: `compress = \"{}\"`",
                &end[1..]
            )
        })
    }

    /// The opmodes that the cards' stubs lead to.
    fn opmodes(&self) -> impl Iterator<Item = &'static str> {
        let of = |card: &'static CardSpec| {
            let with =
                move |kernel| DRIVERS.iter().filter_map(move |d| d.opmode_with(card, kernel));
            kernels().flat_map(with)
        };
        self.models.iter().copied().flat_map(of)
    }

    /// Numbers that come of rules.
    fn uncaused_number(&self, kind: &str, field: &str, number: i64) -> Option<No> {
        match field {
            "status" => {
                let rules = self.scenario.module.iter().filter_map(|rule| rule.get_ref().exit);
                let mut known: Vec<i64> = rules.map(i64::from).chain(MODPROBE_ENDS).collect();
                known.sort_unstable();
                known.dedup();
                let killed = 129..=128 + 64;
                (!known.contains(&number) && !killed.contains(&number)).then(|| {
                    let known: Vec<_> = known.iter().map(i64::to_string).collect();
                    format!(
                        "no modprobe here ends with status {number}; it does with {}, or 128 + \
                         the signal that killed it\na [[module]] rule has it do so: `exit = {number}`",
                        known.join(", ")
                    )
                })
            }
            "errno" if kind == "firmware-refused" => {
                let rules = self.scenario.firmware.iter().filter_map(|rule| rule.get_ref().refuse);
                let known: Vec<_> = rules.chain([Errno::ENOENT]).collect();
                let errno = i32::try_from(number).unwrap_or_default();
                (!known.contains(&Errno(errno))).then(|| {
                    format!(
                        "no request is refused with {0} here\na [[firmware]] rule does that: \
                         `refuse = \"{0}\"`",
                        Errno(errno)
                    )
                })
            }
            _ => None,
        }
    }

    /// Whether a guest from a snapshot has the module when the scenario begins, and keeps it.
    fn is_loaded_before(&self, module: &str) -> bool {
        let frees = |action: &&Action| match action {
            Action::Modprobe(args) => args.iter().any(|arg| arg.0.starts_with("-r")),
            Action::Rmmod(_) | Action::TearDown | Action::Exec(_) | Action::Sysrq(_) => true,
            _ => false,
        };
        if self.scenario.cold || self.actions().any(|action| frees(&action)) {
            return false;
        }
        let mut loaded = match &self.scenario.guest.loaded {
            None => vec![Guest::LOADED.to_owned()],
            Some(names) => names.iter().flat_map(|name| self.expansions(name)).collect(),
        };
        loaded.retain(|name| !self.is_left_out(name));
        let brings = |loaded: &String| {
            let opmode = IWLWIFI.is_opmode(loaded);
            loaded == module
                || (opmode && module == IWLWIFI.module)
                || (WIRELESS.contains(&module)
                    && (opmode
                        || loaded == Guest::LOADED
                        || (loaded == IWLWIFI.module && ["cfg80211", "rfkill"].contains(&module))))
        };
        AGENTS.contains(&module) || loaded.iter().any(brings)
    }

    /// Whether no guest's image has the module.
    fn is_left_out(&self, module: &str) -> bool {
        self.scenario.guest.without.iter().any(|out| match self.expansions(out).as_slice() {
            [] => false,
            // The card's own differ from card to card.
            all => all.iter().all(|out| out == module),
        })
    }

    /// Why no event of this kind has this value in this field.
    pub(super) fn lacks(&self, kind: &str, field: &str, value: &Value) -> Option<No> {
        match value {
            Value::String(text) => self.lacks_text(kind, field, text),
            Value::Integer(number) => Self::lacks_number(field, *number),
            _ => None,
        }
    }

    fn lacks_number(field: &str, number: i64) -> Option<No> {
        let range = |to| {
            (!(0..=to).contains(&number))
                .then(|| format!("`{field}` goes from 0 to {to}; no milestone has {number} there"))
        };
        match field {
            "index" | "sections" => range(MOST_PARTS),
            "bytes" => range(u32::MAX.into()),
            _ => None,
        }
    }

    fn lacks_text(&self, kind: &str, field: &str, text: &str) -> Option<No> {
        if text.contains(['*', '?']) {
            return Some(format!(
                "`{text}`: a milestone's `{field}` is no pattern\nwithout `{field}` every {kind} is meant; \
                 names of firmware are `$firmware`, or as `iwlbench list` has them"
            ));
        }
        let of_cards = text.contains('$') || OF_CARDS.contains(&field);
        if of_cards && self.cards.is_none() {
            return None;
        }
        let most = self.cards.as_ref().map_or(0, Cards::most);
        let one_of = |what, known: &[&str]| {
            let mut all = self.expansions(text).into_iter();
            let there = text.contains("$kernel") || all.any(|text| known.contains(&&*text));
            (!there).then(|| format!("{:#}", NoSuch::new(what, text, known.iter().copied())))
        };
        match field {
            "card" => self.lacks_card(text),
            "module" if kind.starts_with("module-") => self.lacks_module(text),
            "module" => {
                let opmodes = DRIVERS.iter().flat_map(|driver| driver.opmodes);
                one_of("opmode", &opmodes.map(|opmode| opmode.module).collect::<Vec<_>>()).map(
                    |what| {
                        what + "\n`module-loaded` and `module-unloaded` tell of any other module"
                    },
                )
            }
            "name" => self.lacks_firmware(kind, text),
            "driver" => {
                let drivers = DRIVERS.map(|driver| driver.pci_driver);
                // One's own is named as its module.
                let own = self.expansions(text).iter().any(|name| self.speaks_of(name));
                (!own).then(|| one_of("driver that milestones tell of", &drivers)).flatten()
            }
            "fault" => {
                let faults = Fault::all().map(Fault::name);
                one_of("fault", &faults.collect::<Vec<_>>())
            }
            // Others let go of their devices too.
            "slot" if kind == "unbound" => None,
            "slot" => {
                let slots: Vec<_> = (0..most).map(derive::slot).collect();
                let slots: Vec<_> = slots.iter().map(String::as_str).collect();
                one_of("slot with a card", &slots)
            }
            "interface" if self.brings_others() => numbered("interface", "wlan", text),
            // The kernel takes the lowest number that is free.
            "interface" => {
                let names: Vec<_> = (0..most).map(|n| format!("wlan{n}")).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                one_of("interface of these cards", &names)
            }
            "rfkill" => numbered("rfkill", "rfkill", text),
            _ => {
                let parts: Vec<CardSpec> = self.models.iter().map(|card| **card).collect();
                self.lacks_of(&parts, field, text)
            }
        }
    }

    /// Why none of these cards tells of this value.
    fn lacks_of(&self, parts: &[CardSpec], field: &str, text: &str) -> Option<No> {
        let one_of = |what, known: BTreeSet<Cow<'static, str>>| {
            let there = self.expansions(text).into_iter().any(|text| known.contains(&*text));
            (!there).then(|| format!("{:#}", NoSuch::new(what, text, known)))
        };
        match field {
            "section"
                if parts.iter().flat_map(CardSpec::nvm_sections).any(|(name, _)| {
                    name.strip_suffix(text).is_some_and(|prefix| prefix.ends_with('_'))
                }) =>
            {
                let names = parts.iter().flat_map(CardSpec::nvm_sections).map(|(name, _)| name);
                let meant = names.into_iter().find(|name| name.ends_with(text)).unwrap_or_default();
                Some(format!("there is no section `{text}`; did you mean `{meant}`?"))
            }
            "during" => {
                let works = parts.iter().flat_map(CardSpec::dma_works).map(Cow::from);
                one_of("work of these cards that a DMA fault stops", works.collect())
            }
            "section" => {
                let sections = parts.iter().flat_map(CardSpec::nvm_sections).map(|(name, _)| name);
                one_of("section that these cards tell of", sections.collect())
            }
            "image" => {
                let takes_another = |card: &CardSpec| card.first_image() == Image::Init;
                let given = self.scenario.firmware.iter().any(|r| r.get_ref().give.is_some());
                let other = text != "$image" && text != Image::Runtime.word();
                (other && !given && !parts.iter().any(takes_another)).then(|| {
                    "these cards are given one image only, `runtime`\n`$image` is the first that \
                     a card is given"
                        .to_owned()
                })
            }
            _ => None,
        }
    }

    /// What its steps do.
    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.steps.iter().filter_map(|step| step.r#do.as_ref())
    }

    /// Whether something may have interfaces that are no card's: a module that is none of the driver's,
    /// or a program.
    fn brings_others(&self) -> bool {
        let is_other = |name: &str| {
            let plain = !name.starts_with('-') && !name.contains('=');
            let known = |name: &String| {
                WIRELESS.contains(&&**name)
                    || DRIVERS.iter().any(|driver| driver.modules().any(|own| own == name))
            };
            plain && !self.expansions(name).iter().all(known)
        };
        let brings = |action: &&Action| match action {
            Action::Modprobe(args) => args.iter().any(|arg| is_other(&arg.0)),
            Action::Exec(_) => true,
            _ => false,
        };
        let mut loaded = self.scenario.guest.loaded.iter().flatten();
        self.actions().any(|action| brings(&action)) || loaded.any(|name| is_other(name))
    }

    fn lacks_module(&self, text: &str) -> Option<No> {
        let known: Vec<&str> = [IWLWIFI.module].into_iter().chain(WIRELESS).chain(AGENTS).collect();
        let opmode = |module: &String| IWLWIFI.is_opmode(module);
        let all = self.expansions(text);
        if !all.is_empty() && all.iter().all(opmode) {
            return Some(format!("`{text}` is an opmode: `opmode-loaded` tells of it"));
        }
        let there = |module: &String| known.contains(&&**module) || self.speaks_of(module);
        (!all.iter().any(there)).then(|| {
            let no_such = NoSuch::new("module in the guest", text, known.iter().copied());
            format!("{no_such:#}\na module of your own is one that a step or a rule names")
        })
    }

    fn lacks_firmware(&self, kind: &str, text: &str) -> Option<No> {
        if ["$walk-down", "$declared-firmware"].contains(&text) || text.contains("$kernel") {
            return None;
        }
        let mut all = self.expansions(text);
        let compressed = |name: &String| [".zst", ".xz"].iter().any(|end| name.ends_with(end));
        if kind == "firmware-given" {
            for name in all.iter_mut().filter(|name| compressed(name)) {
                name.truncate(name.rfind('.').unwrap_or(name.len()));
            }
        } else if !all.is_empty() && all.iter().all(compressed) {
            return Some(format!(
                "`{kind}` has a file's plain name, without the suffix of `{text}`\n\
                 `firmware-given` tells which file was read"
            ));
        }
        let stubs = || self.models.iter().filter_map(|card| stub::for_card(card.name));
        let of_a_card = |name: &str| {
            stubs().any(|stub| match name.strip_prefix(stub.stem) {
                Some(rest) => rest.strip_suffix(".ucode").is_some_and(|api| !api.is_empty()),
                None => stub.pnvm_name().as_deref() == Some(name),
            })
        };
        let driver =
            |name: &str| name.starts_with(IWLWIFI.firmware) && self.scenario.has_another_part();
        let there = |name: &String| {
            of_a_card(name)
                || driver(name)
                || milestone::OPTIONAL.contains(&&**name)
                || self.speaks_of(name)
        };
        if all.iter().any(there) {
            return None;
        }
        let asked = names_asked(&self.models);
        let known = asked.iter().map(String::as_str).chain(milestone::OPTIONAL);
        let no_such = NoSuch::new("firmware that is asked for here,", text, known);
        Some(format!("{no_such:#}\na name of your own is one that a step or a rule has too"))
    }

    /// Whether steps, rules or the kernel's command line have this word: then it is the user's.
    fn speaks_of(&self, word: &str) -> bool {
        let has = |text: &Text| self.expansions(&text.0).iter().any(|text| text.contains(word));
        let in_action = |action: &&Action| match action {
            Action::Modprobe(texts) | Action::Exec(texts) => texts.iter().any(has),
            Action::ModprobeD(lines) => lines.iter().any(has),
            Action::Rmmod(module) => has(module),
            Action::Write(file) => has(&file.text),
            _ => false,
        };
        let guest = &self.scenario.guest;
        let loaded = guest.loaded.iter().flatten().chain(&guest.without);
        let rules = self.scenario.firmware.iter().map(|rule| &rule.get_ref().name);
        let mut names =
            loaded.chain(rules).chain(self.scenario.module.iter().map(|rule| &rule.get_ref().name));
        self.actions().any(|action| in_action(&action))
            || has(&guest.command_line)
            || names.any(|name| self.expansions(name).iter().any(|name| name == word))
    }

    /// What a text can stand for, with each card and kernel.
    pub(super) fn expansions(&self, text: &str) -> Vec<String> {
        if !text.contains('$') {
            return vec![text.to_owned()];
        }
        let first = self.scenario.cards.iter().filter_map(|card| iwl_card::card(card.get_ref()));
        let mut all: Vec<String> = first
            .flat_map(|card| KERNELS.iter().filter_map(|kernel| vars(card, kernel)))
            .map(|vars| vars.string(text))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The variables of a run with this card, as far as names are made of them.
fn vars(card: &CardSpec, kernel: &str) -> Option<Vars> {
    let walk_down: Vec<String> =
        stub::for_card(card.name)?.names_tried(kernel.parse().ok()?).collect();
    Some(Vars {
        driver: &IWLWIFI,
        card: card.name.to_owned(),
        kernel: kernel.to_owned(),
        kernel_version: kernel.to_owned(),
        opmode: IWLWIFI.opmode_of(card)?.to_owned(),
        image: card.first_image().word().to_owned(),
        firmware: walk_down.first()?.clone(),
        walk_down,
        declared_firmware: Vec::new(),
    })
}

/// Names that the kernel makes of a word and a number.
fn numbered(what: &'static str, stem: &str, text: &str) -> Option<No> {
    let number = text.strip_prefix(stem).unwrap_or_default();
    let good = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (!good)
        .then(|| format!("{:#}", NoSuch::new(what, text, [format!("{stem}0"), format!("{stem}1")])))
}
