//! What no run can meet: values that no event has are errors; rules that no request fits, conditions
//! that no card meets and expectations that nothing turns red are doubts.

use std::ops::Range;

use iwl_ucode::stub;
use toml::{Spanned, Value};

use crate::facts::driver::DRIVERS;
use crate::facts::near::{self, NoSuch};
use crate::script::complaint::Complaint;
use crate::script::scenario::{Expectation, Pattern, Scenario, Values, When, glob};

/// The kernels whose drivers ask for different names.
const KERNELS: [&str; 3] = ["7.3", "6.12", "6.1"];
/// What cfg80211 asks for, and the directory that the loader looks into first.
const ELSE: [&str; 3] = ["regulatory.db", "regulatory.db.p7s", "updates"];

/// Values that no event can have: an expectation with one looks at nothing.
pub(super) fn check_values(
    scenario: &Scenario,
    patterns: &[(Range<usize>, &Pattern)],
    wrong: &mut Vec<Complaint>,
) {
    let cards = cards_of(scenario);
    for expectation in &scenario.expectations {
        let log = expectation.get_ref().log.as_ref();
        if let Some(no_such) = log.and_then(|log| log.card.as_ref()).and_then(|c| cards.lack(&c.0))
        {
            wrong.push(Complaint::new(expectation.span(), format!("{no_such:#}")));
        }
    }
    let mut look = |at: &Range<usize>, kind: &str, field: &str, value: &Value| {
        let each = match value {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        for text in each.into_iter().filter_map(Value::as_str) {
            if let Some(no_such) = impossible(kind, field, text, &cards) {
                let mut what = format!("{no_such:#}");
                if field == "module" {
                    what += "\n`module-loaded` and `module-unloaded` tell of any other module";
                }
                wrong.push(Complaint::new(at.clone(), what));
            }
        }
    };
    for (at, pattern) in patterns {
        for (field, value) in &pattern.fields {
            look(at, &pattern.milestone, field, value);
        }
    }
    for e in scenario.expectations.iter().map(Spanned::get_ref) {
        let Some(kind) = e.every.as_ref().map(|every| &every.get_ref().milestone) else { continue };
        for values in e.has.iter().chain(&e.among) {
            let Values(fields) = values.get_ref();
            fields.iter().for_each(|(field, value)| look(&values.span(), kind, field, value));
        }
    }
}

fn opmodes() -> impl Iterator<Item = &'static str> {
    DRIVERS.iter().flat_map(|driver| driver.opmodes).map(|opmode| opmode.module)
}

fn impossible(kind: &str, field: &str, text: &str, cards: &Cards) -> Option<NoSuch> {
    let one_of = |what, known: &[&str]| {
        let there = text.contains('$') || known.contains(&text);
        (!there).then(|| NoSuch::new(what, text, known.iter().copied()))
    };
    match field {
        "card" => cards.lack(text),
        "module" if kind.starts_with("opmode-") => one_of("opmode", &opmodes().collect::<Vec<_>>()),
        "driver" => {
            one_of("driver that milestones tell of", &DRIVERS.map(|driver| driver.pci_driver))
        }
        "fault" => {
            let faults: Vec<_> = iwl_card::Fault::all().map(iwl_card::Fault::name).collect();
            one_of("fault", &faults)
        }
        _ => None,
    }
}

/// The cards that play, by their names in a run: a machine for each that `cards` names.
pub(super) struct Cards(Vec<(String, Vec<String>)>);

pub(super) fn cards_of(scenario: &Scenario) -> Cards {
    let first = scenario.cards.iter().map(Spanned::get_ref);
    Cards(first.map(|first| (first.clone(), scenario.card.names(first))).collect())
}

impl Cards {
    /// Why a card of this name does not play, if it does not: in no machine.
    pub(super) fn lack(&self, text: &str) -> Option<NoSuch> {
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
}

/// What is probably not meant so.
pub(super) fn doubts(scenario: &Scenario) -> Vec<Complaint> {
    let mut doubts = Vec::new();
    for rule in &scenario.firmware {
        let r = rule.get_ref();
        doubts.extend(
            firmware_doubt(scenario, &r.name).map(|what| Complaint::new(rule.span(), what)),
        );
        doubts.extend(when_doubt(scenario, &r.when).map(|what| Complaint::new(rule.span(), what)));
    }
    for rule in &scenario.module {
        let r = rule.get_ref();
        doubts.extend(module_doubt(&r.name).map(|what| Complaint::new(rule.span(), what)));
        doubts.extend(when_doubt(scenario, &r.when).map(|what| Complaint::new(rule.span(), what)));
    }
    for step in &scenario.steps {
        let doubt = when_doubt(scenario, &step.get_ref().when);
        doubts.extend(doubt.map(|what| Complaint::new(step.span(), what)));
    }
    let unguarded: Vec<&str> = scenario.unguarded().collect();
    for expectation in &scenario.expectations {
        let Expectation { that, when, .. } = expectation.get_ref();
        let mut doubt = |what: String| doubts.push(Complaint::new(expectation.span(), what));
        if unguarded.contains(&that.as_str()) {
            doubt(format!("no twin turns this one red: {that}"));
        }
        if let Some(what) = when_doubt(scenario, when) {
            doubt(what);
        }
    }
    doubts.sort_by_key(|doubt| doubt.at.start);
    doubts
}

fn when_doubt(scenario: &Scenario, when: &When) -> Option<String> {
    let mut cards = scenario.cards.iter().filter_map(|card| iwl_card::card(card.get_ref()));
    let meets = |card: &iwl_card::CardSpec| {
        when.opmode.as_ref().is_none_or(|opmode| opmode == card.opmode.module())
            && when.card.as_ref().is_none_or(|names| names.iter().any(|name| name == card.name))
    };
    (!cards.any(meets)).then(|| "none of this scenario's `cards` meets this `when`".to_owned())
}

fn module_doubt(name: &str) -> Option<String> {
    let known = || DRIVERS.iter().flat_map(|driver| driver.modules());
    if name.contains(['*', '$']) || known().any(|known| known == name) {
        return None;
    }
    near::nearest(name, known())
        .map(|near| format!("the driver asks for no module `{name}`; did you mean `{near}`?"))
}

fn firmware_doubt(scenario: &Scenario, name: &str) -> Option<String> {
    if name.contains('$') {
        return None;
    }
    let cards = scenario.cards.iter().chain(&scenario.card.more);
    let stubs = cards.filter_map(|card| stub::for_card(card.get_ref()));
    let mut asked: Vec<String> = stubs
        .flat_map(|stub| {
            let kernels = KERNELS.iter().filter_map(|kernel| kernel.parse().ok());
            kernels.flat_map(|kernel| stub.names_tried(kernel)).collect::<Vec<_>>()
        })
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let plain = asked.iter().map(String::as_str).chain(ELSE);
    let fits = |asked: &str| {
        ["", ".zst", ".xz"].iter().any(|suffix| glob(name, &format!("{asked}{suffix}")))
    };
    (!plain.clone().any(fits))
        .then(|| format!("{:#}", NoSuch::new("firmware that is asked for here,", name, plain)))
}

#[cfg(test)]
mod tests {
    use crate::script::read::parse;

    const HEAD: &str = "about = \"t\"\ncards = [\"7260\", \"6205\"]\ncard.more = [\"7260\"]\n";

    #[test]
    fn values_that_no_event_has_are_refused() {
        for (pattern, said) in [
            ("\"alive\", card = \"7265\"", "no card here `7265`; did you mean `7260`?"),
            ("\"alive\", card = \"6205-2\"", "there are: 6205, 7260, 7260-2"),
            ("\"alive\", card = \"$card-3\"", "there are: 6205, 7260, 7260-2"),
            ("\"opmode-asked\", module = \"iwlmvn\"", "no opmode `iwlmvn`; did you mean `iwlmvm`?"),
            ("\"opmode-loaded\", module = \"mac80211\"", "`module-loaded`"),
            ("\"bound\", driver = \"vfio-pci\"", "there are: iwlwifi"),
            ("\"fault-injected\", fault = \"never-alife\"", "did you mean `never-alive`?"),
        ] {
            let text = format!(
                "{HEAD}[[step]]\ndo = \"bind\"\n[[expect]]\nthat = \"t\"\n\
                 never = {{ milestone = {pattern} }}\n"
            );
            let error = parse("t", "t.toml", &text).expect_err(pattern).to_string();
            assert!(error.contains(said) && error.contains("t.toml:8:9"), "{pattern}: {error}");
        }
        for pattern in [
            "\"alive\", card = \"7260-2\"",
            "\"alive\", card = \"$card\"",
            "\"alive\", card = \"$card-2\"",
            "\"opmode-asked\", module = \"$opmode\"",
            "\"bound\", driver = \"iwlwifi\"",
        ] {
            let text = format!("{HEAD}[[step]]\nawait = {{ milestone = {pattern} }}\n");
            assert!(parse("t", "t.toml", &text).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn what_nothing_meets_is_doubted() {
        for (part, said) in [
            ("[[module]]\nname = \"iwlmvn\"\nhold = true", "did you mean `iwlmvm`?"),
            (
                "[[firmware]]\nname = \"iwlwifi-7260-71.ucode\"",
                "did you mean `iwlwifi-7260-17.ucode`?",
            ),
            ("[[firmware]]\nname = \"iwl*.ucod\"", "there are: "),
            ("[[step]]\ndo = \"bind\"\nwhen.card = \"8265\"", "meets this `when`"),
            ("[[step]]\ndo = \"bind\"\nwhen = { card = \"6205\", opmode = \"iwlmvm\" }", "`when`"),
            ("[[expect]]\nthat = \"t\"\nnever = \"bound\"", "no twin turns this one red: t"),
        ] {
            let text = format!("{HEAD}[[step]]\ndo = \"bind\"\n{part}\n");
            let doubts = parse("t", "t.toml", &text).expect(part).doubts;
            assert!(doubts.len() == 1 && doubts[0].contains(said), "{part}: {doubts:?}");
            assert!(doubts[0].starts_with("warning: "), "{doubts:?}");
        }
        for part in [
            "[[module]]\nname = \"fs-iwlbench-0\"\nexit = 1",
            "[[module]]\nname = \"iwl*\"\nexit = 1",
            "[[firmware]]\nname = \"*.xz\"",
            "[[firmware]]\nname = \"regulatory.db\"",
            "[[firmware]]\nname = \"$firmware\"",
            "[[step]]\ndo = \"bind\"\nwhen = { card = \"6205\", opmode = \"iwldvm\" }",
        ] {
            let text = format!("{HEAD}[[step]]\ndo = \"bind\"\n{part}\n");
            let doubts = parse("t", "t.toml", &text).expect(part).doubts;
            assert!(doubts.is_empty(), "{part}: {doubts:?}");
        }
    }

    #[test]
    fn the_set_leaves_no_doubts() {
        for scenario in crate::script::read::built_in() {
            assert!(scenario.doubts.is_empty(), "{}: {:?}", scenario.name, scenario.doubts);
        }
    }
}
