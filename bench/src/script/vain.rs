//! What no run can meet: values that no event has are errors; rules that no request fits, conditions
//! that no card meets and expectations that nothing turns red are doubts.

use toml::{Spanned, Value};

use crate::facts::derive::UPDATES;
use crate::facts::driver::{DRIVERS, Driver};
use crate::facts::milestone::OPTIONAL;
use crate::facts::near::{self, NoSuch};
use crate::script::complaint::Complaint;
use crate::script::held;
use crate::script::possible::{Possible, WIRELESS};
use crate::script::recover::{Spot, WHOLE};
use crate::script::said::Said;
use crate::script::scenario::{
    Action, Expectation, OneOrMany, Pattern, Scenario, Step, Text, When, glob,
};
use crate::script::supplied::{concerns, models, names_asked};

/// Values that no event can have: an expectation with one looks at nothing.
pub(super) fn check_values(
    scenario: &Scenario,
    possible: &Possible<'_>,
    top: &Spot<'_>,
    patterns: &[Said<'_>],
    wrong: &mut Vec<Complaint>,
) {
    let expectations = || {
        let spot = top.key("expect");
        let all = scenario.expectations.iter().map(Spanned::get_ref).enumerate();
        all.map(move |(n, expectation)| (expectation, spot.nth(n)))
    };
    for (expectation, spot) in expectations() {
        let card = expectation.log.as_ref().and_then(|log| log.card.as_ref());
        if let Some(no_such) = card.and_then(|card| possible.lacks_card(&card.0)) {
            wrong.push(Complaint::new(spot.key("log").key("card").at, no_such));
        }
    }
    let mut look = |spot: &Spot<'_>, when: &When, kind: &str, field: &str, value: &Value| {
        // What is said of no run here is doubted as a whole.
        if !possible.concerns(when) {
            return false;
        }
        let spot = spot.key(field);
        let each = match value {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        let no = each.into_iter().enumerate().filter_map(|(n, value)| {
            Some(Complaint::new(spot.nth(n).at, possible.lacks(kind, field, value)?))
        });
        let before = wrong.len();
        wrong.extend(no);
        wrong.len() > before
    };
    let unguarded: Vec<_> = scenario.unguarded().collect();
    // One that a twin turns red has shown that it can be.
    let (nevers, shown): (Vec<_>, Vec<_>) = scenario
        .expectations
        .iter()
        .filter_map(|e| Some((e.get_ref().never_of()?, e.get_ref().that.as_str())))
        .partition(|(_, that)| unguarded.contains(that));
    let among = |those: &[(&Pattern, &str)], pattern: &Pattern| {
        those.iter().any(|(one, _)| std::ptr::eq(*one, pattern))
    };
    let mut uncaused = Vec::new();
    for Said { spot, pattern, when, holds } in patterns {
        let mut lacks = false;
        for (field, value) in &pattern.fields {
            lacks |= look(spot, when, &pattern.milestone, field, value);
        }
        if lacks || among(&shown, pattern) {
            continue;
        }
        if let Some((field, what)) =
            possible.uncaused(pattern, when, *holds || among(&nevers, pattern))
        {
            let at = field.map_or_else(|| spot.at.clone(), |field| spot.key(field).at);
            uncaused.push((spot.at.clone(), Complaint::new(at, what)));
        }
    }
    for (e, spot) in expectations() {
        let Some(kind) = e.every.as_ref().map(|every| &every.get_ref().milestone) else { continue };
        for (key, values) in [("has", &e.has), ("among", &e.among)] {
            for (field, value) in values.iter().flat_map(|values| &values.get_ref().0) {
                look(&spot.key(key), &e.when, kind, field, value);
            }
        }
    }
    // That a moment does not come is told with its fault.
    uncaused.retain(|(pattern, _)| !wrong.iter().any(|told| told.at == *pattern));
    wrong.extend(uncaused.into_iter().map(|(_, what)| what));
}

/// What is probably not meant so.
pub(super) fn doubts(scenario: &Scenario, top: &Spot<'_>) -> Vec<Complaint> {
    let mut doubts = Vec::new();
    let asked = names_asked(&models(scenario));
    for rule in &scenario.firmware {
        let r = rule.get_ref();
        doubts.extend(
            firmware_doubt(scenario, &asked, &r.name).map(|what| Complaint::new(rule.span(), what)),
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
        let named = step_modules(step.get_ref());
        let modules = named.into_iter().filter_map(misspelt_module);
        doubts
            .extend(doubt.into_iter().chain(modules).map(|what| Complaint::new(step.span(), what)));
    }
    let guest = top.key("guest");
    for (key, names) in [
        ("without", scenario.guest.without.as_slice()),
        ("loaded", scenario.guest.loaded.as_deref().unwrap_or_default()),
    ] {
        let named = names.iter().enumerate();
        let named = named.filter_map(|(n, name)| Some((n, misspelt_module(name)?)));
        doubts.extend(named.map(|(n, what)| Complaint::new(guest.key(key).nth(n).at, what)));
    }
    let held = scenario.hold.iter().enumerate();
    let held = held.filter_map(|(n, held)| Some((n, hold_doubt(&held.0)?)));
    doubts.extend(held.map(|(n, what)| Complaint::new(top.key("hold").nth(n).at, what)));
    doubts.extend(held::doubts(scenario, top));
    let says_nothing =
        |step: &&Step| step.r#await.is_none() && step.check.is_none() && step.fails.is_none();
    if scenario.expectations.is_empty() && scenario.all_steps().iter().all(says_nothing) {
        let what = "nothing is expected: no [[expect]], and no step awaits or checks anything\n\
                    it passes whatever the driver does, short of trouble in the kernel";
        doubts.push(Complaint::new(WHOLE, what));
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
    (!cards.any(|card| concerns(when, card)))
        .then(|| "none of this scenario's `cards` meets this `when`".to_owned())
}

/// The modules that a step names.
fn step_modules(step: &Step) -> Vec<&str> {
    let of_action: Vec<&Text> = match &step.r#do {
        Some(Action::Rmmod(module)) => vec![module],
        Some(Action::Modprobe(args)) => {
            args.iter().filter(|arg| !arg.0.starts_with('-') && !arg.0.contains('=')).collect()
        }
        _ => Vec::new(),
    };
    let checks = step.check.iter().flat_map(OneOrMany::iter);
    let looked_at = checks.flat_map(|check| check.loaded.iter().chain(&check.not_loaded));
    let inner = step.step.iter().map(Spanned::get_ref).flat_map(step_modules);
    of_action.into_iter().chain(looked_at).map(|text| text.0.as_str()).chain(inner).collect()
}

/// A name that is near to that of a module which every guest has, and not it: few others are so near.
fn misspelt_module(name: &str) -> Option<String> {
    let known = || DRIVERS.iter().flat_map(|driver| driver.modules()).chain(WIRELESS);
    if name.contains(['*', '$']) || known().any(|known| known == name) {
        return None;
    }
    near::nearest(name, known()).map(|near| {
        format!("no module of a guest's own is called `{name}`; did you mean `{near}`?")
    })
}

/// What is held is a file or a module that somebody asks for.
fn hold_doubt(name: &str) -> Option<String> {
    match name.contains('.') {
        true => None,
        false => module_doubt(name),
    }
}

fn module_doubt(name: &str) -> Option<String> {
    let known = || DRIVERS.iter().flat_map(|driver| driver.modules());
    if name.contains(['*', '$']) || known().any(|known| known == name) {
        return None;
    }
    near::nearest(name, known())
        .map(|near| format!("the driver asks for no module `{name}`; did you mean `{near}`?"))
}

fn firmware_doubt(scenario: &Scenario, asked: &[String], name: &str) -> Option<String> {
    let left_out = |driver: &&Driver| scenario.guest.without.iter().any(|out| out == driver.module);
    if name.contains('$') || scenario.has_another_part() || DRIVERS.iter().any(left_out) {
        return None;
    }
    let plain = asked.iter().map(String::as_str).chain(OPTIONAL).chain([UPDATES]);
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
            assert!(error.contains(said) && error.contains("t.toml:8:"), "{pattern}: {error}");
        }
        for (pattern, said) in [
            (
                "\"firmware-asked\", name = \"iwlwifi-8265-36.ucode\"",
                "no firmware that is asked for",
            ),
            ("\"firmware-asked\", name = \"iwlwifi-7206-17.ucode\"", "`iwlwifi-7260-17.ucode`?"),
            ("\"firmware-asked\", name = \"$firmware.xz\"", "plain name, without the suffix"),
            ("\"firmware-given\", name = \"$card.ucode\"", "is asked for here, `$card.ucode`"),
            ("\"firmware-asked\", name = \"*.pnvm\"", "`name` is no pattern"),
            ("\"opmode-loaded\", module = \"iwl*\"", "`module` is no pattern"),
            ("\"firmware-given\", name = \"$firmware.zst\"", "`compress = \"zst\"`"),
            ("\"module-loaded\", module = \"mac80221\"", "did you mean `mac80211`?"),
            ("\"module-loaded\", module = \"nouveau\"", "no module in the guest `nouveau`"),
            ("\"module-loaded\", module = \"$opmode\"", "`opmode-loaded` tells of it"),
            (
                "\"module-loaded\", module = \"mac80211\"",
                "in the kernel before the scenario begins",
            ),
            ("\"module-loaded\", module = \"rfkill\"", "`guest.loaded = []`"),
            ("\"firmware-asked\", name = \"regulatory.db\"", "asked for as cfg80211 is loaded"),
            ("\"module-loaded\", module = \"fuse\"", "in the kernel before"),
            ("\"modprobe-ended\", module = \"mac80211\"", "no opmode `mac80211`"),
            ("\"modprobe-ended\", status = 7", "`exit = 7`"),
            ("\"modprobe-ended\", status = 256", "no modprobe here ends with status 256"),
            ("\"firmware-refused\", errno = \"EACCES\"", "`refuse = \"EACCES\"`"),
            ("\"nvm-read\", section = \"HW\"", "did you mean `NVM_SECTION_TYPE_HW`?"),
            (
                "\"dma-fault\", during = \"upload\"",
                "there are: interrupt cause table, receive ring, service",
            ),
            ("\"dma-fault\", during = \"context information\"", "no work of these cards"),
            ("\"bound\", slot = \"0000:03:00.0\"", "there are: 0000:01:00.0, 0000:02:00.0"),
            ("\"netdev-registered\", interface = \"eth0\"", "there are: wlan0, wlan1"),
            ("\"netdev-registered\", interface = \"wlan2\"", "there are: wlan0, wlan1"),
            ("\"section-uploaded\", index = 77", "`index` is never 77, but 0, 1"),
            ("\"section-uploaded\", image = \"runtime\", index = 2", "a twin show that"),
            ("\"section-uploaded\", bytes = 255", "`bytes` is never 255, but 256"),
            ("\"cpu-released\", sections = 99", "`sections` is never 99, but 0, 1, 2"),
            ("\"firmware-given\", name = \"$firmware\", bytes = 3", "`bytes` is never 3, but"),
            ("\"pnvm-loaded\", bytes = 1000000", "has more than"),
            ("\"opmode-asked\", module = \"iwlmld\"", "the opmode of no card here"),
            ("\"opmode-loaded\", module = \"iwlrs\"", "no opmode `iwlrs`"),
            ("\"modprobe-ended\", module = \"iwlmld\"", "there are iwldvm, iwlmvm"),
            ("\"rf-kill-noticed\", rfkill = \"rfkill\"", "did you mean `rfkill0`?"),
            ("\"rf-kill-noticed\", rfkill = \"rfkill7\"", "that there can be is `rfkill1`"),
            ("\"iml-loaded\"", "no image loader"),
            ("\"pnvm-loaded\"", "no platform's NVM"),
            ("\"modprobe-missing\"", "no guest without a modprobe"),
            ("\"opmode-unloaded\"", "no step unloads a module"),
            ("\"module-unloaded\", module = \"$driver\"", "no step unloads a module"),
            ("\"nvm-read\", section = \"NVM_GET_INFO\"", "no section that these cards tell of"),
            ("\"nvm-read\", section = \"eeprom\", present = false", "is absent without a fault"),
            ("\"nvm-read\", section = \"eeprom\", card = \"7260\"", "no section that these cards"),
            ("\"alive\", valid = false", "no fault `alive-invalid`"),
            ("\"unbound\", by = \"step\"", "no step has a driver let go"),
            ("\"step-ended\", wanted = true", "no such step has to fail"),
            ("\"step-ended\", step = \"check\"", "no step `check`"),
            ("\"step-ended\", step = \"await bound\"", "no step `await bound`"),
            ("\"section-uploaded\", index = 999", "`index` goes from 0 to 255"),
            ("\"section-uploaded\", bytes = -1", "`bytes` goes from 0"),
            ("\"fault-injected\"", "the card has no such fault"),
            ("\"fault-injected\", fault = \"never-alive\"", "no such fault (`card.faults`)"),
            ("\"fault-switched\", fault = \"rf-kill\"", "no step is such a `fault`"),
            ("\"rf-kill-switched\"", "no step is such an `rf-kill`"),
            ("\"vanished\"", "no step is `vanish`"),
            ("\"alive-released\"", "no step is `release-alive`"),
        ] {
            assert_eq!(refusals(HEAD, pattern, ""), 1, "{pattern}");
            let error = refusal(HEAD, pattern, "").expect(pattern);
            assert!(error.contains(said), "{pattern}: {error}");
        }
    }

    /// What parsing says of a scenario that expects never to see this.
    fn refusal(head: &str, pattern: &str, rest: &str) -> Option<String> {
        let text = format!(
            "{head}[[step]]\ndo = \"bind\"\n[[expect]]\nthat = \"t\"\n\
             never = {{ milestone = {pattern} }}\n{rest}"
        );
        parse("t", "t.toml", &text).err().map(|error| error.to_string())
    }

    fn refusals(head: &str, pattern: &str, rest: &str) -> usize {
        refusal(head, pattern, rest).map_or(0, |error| error.matches("-->").count())
    }

    /// The same values, where something brings them about.
    #[test]
    fn what_has_a_cause_can_come() {
        for (pattern, top, rest) in [
            ("\"firmware-asked\", name = \"iwlwifi-7260-18.ucode\"", "", ""),
            ("\"firmware-given\", name = \"$firmware.xz\"", "", "[[firmware]]\ncompress = \"xz\""),
            (
                "\"firmware-given\", name = \"$firmware.zst\"",
                "",
                "[[firmware]]\nname = \"*.zst\"\ngive = \"stub\"",
            ),
            ("\"firmware-asked\", name = \"my.bin\"", "", "[[firmware]]\nname = \"my.bin\""),
            (
                "\"firmware-asked\", name = \"my.nvm\"",
                "guest.command-line = \"iwlwifi.nvm_file=my.nvm\"",
                "",
            ),
            ("\"firmware-refused\", errno = \"EACCES\"", "", "[[firmware]]\nrefuse = \"EACCES\""),
            (
                "\"module-loaded\", module = \"mine\"",
                "",
                "[[step]]\ndo = { modprobe = [\"mine\"] }",
            ),
            ("\"module-loaded\", module = \"mac80211\"", "guest.loaded = []", ""),
            ("\"module-loaded\", module = \"mac80211\"", "cold = true", ""),
            ("\"module-loaded\", module = \"mac80211\"", "", "[[step]]\ndo = \"tear-down\""),
            ("\"module-loaded\", module = \"iwlwifi\"", "", ""),
            ("\"modprobe-ended\", status = 7", "", "[[module]]\nexit = 7"),
            ("\"modprobe-ended\", status = 139", "", ""),
            ("\"section-uploaded\", index = 1", "", ""),
            ("\"section-uploaded\", index = 9", "", "[[firmware]]\ngive = \"stub:8265\""),
            ("\"cpu-released\", sections = 9", "", "[[firmware]]\ncorrupt = \"no-sections\""),
            ("\"firmware-given\", bytes = 3", "", "[[firmware]]\ncompress = \"xz\""),
            ("\"opmode-asked\", module = \"iwldvm\"", "", "[[firmware]]\ngive = \"stub:6205\""),
            (
                "\"opmode-loaded\", module = \"iwldvm\"",
                "",
                "[[step]]\ndo = { modprobe = [\"iwldvm\"] }",
            ),
            ("\"opmode-loaded\", module = \"iwlrs_mvm\"", "", ""),
            (
                "\"opmode-asked\", module = \"iwlmld\"",
                "",
                "[[twin]]\nthat = \"other\"\nset.firmware = [{ give = \"stub:be200\" }]\nred = [\"t\"]",
            ),
            ("\"netdev-registered\", interface = \"wlan1\"", "card.more = [\"7260\"]", ""),
            (
                "\"netdev-registered\", interface = \"wlan2\"",
                "",
                "[[step]]\ndo = { modprobe = [\"mac80211_hwsim\"] }",
            ),
            (
                "\"netdev-registered\", interface = \"wlan1\"",
                "guest.loaded = [\"mac80211_hwsim\"]",
                "",
            ),
            ("\"nvm-read\", section = \"section 2\"", "", ""),
            ("\"fault-injected\"", "card.faults = [\"rf-kill\"]", ""),
            (
                "\"rf-kill-noticed\", rfkill = \"rfkill7\"",
                "",
                "[[step]]\nrepeat = 9\nstep = [{ do = \"unbind\" }]",
            ),
            ("\"rf-kill-noticed\"", "", ""),
            ("\"opmode-unloaded\"", "", "[[step]]\ndo = \"tear-down\""),
            ("\"opmode-unloaded\"", "guest.command-line = \"iwlmvm.power_scheme=many\"", ""),
            ("\"module-unloaded\"", "", ""),
            ("\"nvm-read\", present = false", "", ""),
            (
                "\"nvm-read\", section = \"NVM_SECTION_TYPE_HW\", present = false",
                "card.faults = [\"nvm-section-absent=hw\"]",
                "",
            ),
            ("\"alive\", valid = false", "card.faults = [\"alive-invalid\"]", ""),
            ("\"alive\", valid = true", "", ""),
            ("\"unbound\", by = \"step\"", "", "[[step]]\ndo = \"unbind\""),
            ("\"unbound\", by = \"driver\"", "", ""),
            ("\"step-ended\", ok = false", "", ""),
            ("\"step-ended\", wanted = true", "", "[[step]]\ndo = \"unbind\"\nfails = true"),
            ("\"step-ended\", step = \"check\"", "", "[[step]]\ncheck.bound = true"),
            ("\"step-ended\", step = \"await bound\"", "", "[[step]]\nawait = \"bound\""),
            (
                "\"opmode-loaded\", module = \"iwldvm\"",
                "guest.without = [\"$opmode\"]",
                "[[step]]\ndo = { modprobe = [\"iwldvm\"] }",
            ),
            ("\"fault-injected\"", "", "[[step]]\ndo = { fault = \"rf-kill\" }"),
            (
                "\"fault-switched\", on = false",
                "card.faults = [\"rf-kill\"]",
                "[[step]]\ndo = { fault-end = \"rf-kill\" }",
            ),
            ("\"rf-kill-switched\", on = true", "", "[[step]]\ndo = { rf-kill = true }"),
            ("\"vanished\"", "", "[[step]]\nrepeat = 2\n[[step.step]]\ndo = \"vanish\""),
        ] {
            let head = format!("about = \"t\"\ncards = [\"7260\"]\n{top}\n");
            assert_eq!(refusal(&head, pattern, rest), None, "{pattern}");
        }
        for (pattern, top, rest) in [
            (
                "\"fault-switched\", on = true",
                "card.faults = [\"rf-kill\"]",
                "[[step]]\ndo = { fault-end = \"rf-kill\" }",
            ),
            ("\"rf-kill-switched\", on = false", "", "[[step]]\ndo = { rf-kill = true }"),
            ("\"opmode-loaded\", module = \"$opmode\"", "guest.loaded = [\"$opmode\"]", ""),
            ("\"firmware-asked\"", "gates = false", ""),
            ("\"opmode-loaded\", module = \"$opmode\"", "guest.without = [\"$opmode\"]", ""),
            ("\"module-loaded\", module = \"mac80211\"", "guest.without = [\"mac80211\"]", ""),
            (
                "\"fault-injected\", card = \"7260-2\"",
                "card = [{ faults = [\"rf-kill\"] }, {}]",
                "",
            ),
            ("\"vanished\", card = \"7260-2\"", "card = [{}, {}]", "[[step]]\ndo = \"vanish\""),
            ("\"iml-loaded\", card = \"$card-2\"", "card = [{}, {}, { model = \"ax210\" }]", ""),
            ("\"nvm-read\", section = \"eeprom\"", "", ""),
            (
                "\"netdev-registered\", interface = \"wlan1\"",
                "",
                "[[step]]\ndo = { modprobe = [\"-r\", \"$opmode\"] }",
            ),
            ("\"modprobe-ended\", status = 8", "", "[[module]]\nexit = 7"),
        ] {
            let head = format!("about = \"t\"\ncards = [\"7260\"]\n{top}\n");
            assert_eq!(refusals(&head, pattern, rest), 1, "{pattern}");
        }
    }

    #[test]
    fn values_that_some_event_has_are_good() {
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
            let text = format!("{HEAD}[[step]]\nawait = \"bound\"\n{part}\n");
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
            let text = format!("{HEAD}[[step]]\nawait = \"bound\"\n{part}\n");
            let doubts = parse("t", "t.toml", &text).expect(part).doubts;
            assert!(doubts.is_empty(), "{part}: {doubts:?}");
        }
    }

    #[test]
    fn a_scenario_that_expects_nothing_is_doubted() {
        let doubts = |rest: &str| {
            let text = format!("{HEAD}[[step]]\ndo = \"coldplug\"\n{rest}");
            parse("t", "t.toml", &text).expect("good").doubts
        };
        let told = doubts("");
        assert!(told.len() == 1 && told[0].contains("nothing is expected"), "{told:?}");
        for rest in [
            "[[step]]\nawait = \"bound\"\n",
            "[[step]]\ncheck.bound = true\n",
            "[[step]]\nrepeat = 2\nstep = [{ do = \"bind\", fails = true }]\n",
        ] {
            assert!(doubts(rest).is_empty(), "{rest}: {:?}", doubts(rest));
        }
    }

    #[test]
    fn the_set_leaves_no_doubts() {
        for scenario in crate::script::read::built_in() {
            assert!(scenario.doubts.is_empty(), "{}: {:?}", scenario.name, scenario.doubts);
        }
    }

    /// For each kind of milestone, which cards of the generations can have it at all, where nothing is
    /// wrong and a card is only bound.
    const COMES: [(&str, &str); 33] = [
        ("probe", ALL),
        ("bound", ALL),
        ("unbound", ALL),
        ("firmware-asked", ALL),
        ("firmware-given", ALL),
        ("firmware-refused", ALL),
        ("opmode-requested", ALL),
        ("opmode-asked", ALL),
        ("modprobe-ended", ALL),
        ("modprobe-missing", ""),
        ("opmode-loaded", ALL),
        ("opmode-unloaded", ""),
        ("module-loaded", ALL),
        ("module-unloaded", ALL),
        ("opmode-started", ALL),
        ("section-uploaded", ALL),
        ("section-wrong", ALL),
        ("iml-loaded", "ax210 be200"),
        ("pnvm-loaded", "ax210 be200"),
        ("cpu-released", ALL),
        ("alive", ALL),
        ("nvm-read", ALL),
        ("netdev-registered", ALL),
        ("netdev-removed", ALL),
        ("fault-injected", ""),
        ("fault-switched", ""),
        ("dma-fault", ALL),
        ("alive-released", ""),
        ("rf-kill-switched", ""),
        ("rf-kill-noticed", ALL),
        ("vanished", ""),
        ("step-ended", ALL),
        ("kernel-trouble", ALL),
    ];
    const ALL: &str = "6205 7260 8265 9260 ax200 ax210 be200 1000 105 5100 3168";

    /// For each field that silicon decides, a value and the cards that can have it.
    const OF_SILICON: [(&str, &str); 18] = [
        ("\"alive\", image = \"init\"", "6205 7260 8265 9260 1000 105 5100 3168"),
        ("\"alive\", image = \"runtime\"", ALL),
        ("\"alive\", image = \"$image\"", ALL),
        ("\"alive\", image = \"unknown\"", "6205 7260 8265 9260 1000 105 5100 3168"),
        ("\"section-uploaded\", image = \"init\"", "6205 7260 8265 9260 1000 105 5100 3168"),
        ("\"nvm-read\", section = \"eeprom\"", "6205 1000 105 5100"),
        ("\"nvm-read\", section = \"NVM_GET_INFO\"", "ax200 ax210 be200"),
        ("\"nvm-read\", section = \"NVM_SECTION_TYPE_HW\"", "7260 8265 9260 3168"),
        ("\"nvm-read\", section = \"NVM_SECTION_TYPE_HW\", present = true", "7260 3168"),
        ("\"nvm-read\", section = \"NVM_SECTION_TYPE_PHY_SKU\", present = true", "8265 9260"),
        ("\"nvm-read\", present = false", "7260 8265 9260 3168"),
        ("\"dma-fault\", during = \"service channel\"", "6205 7260 8265 9260 1000 105 5100 3168"),
        ("\"dma-fault\", during = \"context information\"", "ax200 ax210 be200"),
        ("\"dma-fault\", during = \"receive ring\"", ALL),
        ("\"opmode-asked\", module = \"iwldvm\"", "6205 1000 105 5100"),
        ("\"opmode-asked\", module = \"iwlmvm\"", "7260 8265 9260 ax200 ax210 be200 3168"),
        ("\"opmode-asked\", module = \"iwlmld\"", "be200"),
        ("\"pnvm-loaded\", bytes = 0", "ax210 be200"),
    ];

    #[test]
    fn each_milestone_is_of_the_cards_that_can_have_it() {
        let kinds: Vec<_> = COMES.iter().map(|(kind, _)| *kind).collect();
        let (mut known, mut told) = (crate::facts::milestone::KINDS.to_vec(), kinds.clone());
        known.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, known, "each is decided");
        let cards: Vec<_> = iwl_card::one_of_each_generation().map(|card| card.name).collect();
        assert_eq!(cards.len(), ALL.split(' ').count());
        let kinds = COMES.iter().map(|(kind, of)| (format!("\"{kind}\""), *of));
        let values = OF_SILICON.iter().map(|(pattern, of)| ((*pattern).to_owned(), *of));
        for (pattern, of) in kinds.chain(values) {
            for card in &cards {
                let head = format!("about = \"t\"\ncards = [\"{card}\"]\n");
                let refused = refusal(&head, &pattern, "");
                let can = of.split(' ').any(|name| name == *card);
                assert_eq!(refused.is_none(), can, "{pattern} of {card}: {refused:?}");
            }
            // A machine with a card that can have it, and one that cannot, can.
            if !of.is_empty() {
                let both = "about = \"t\"\ncards = [\"6205\"]\n\
                            card.more = [\"7260\", \"8265\", \"ax210\", \"be200\", \"ax200\"]\n";
                assert_eq!(refusal(both, &pattern, ""), None, "{pattern}");
            }
        }
    }

    /// What is said of some runs is looked at for the cards of those.
    #[test]
    fn a_when_says_which_cards() {
        let head = "about = \"t\"\ncards = [\"7260\", \"ax210\"]\n";
        let of = |when: &str| refusals(head, "\"iml-loaded\"", when);
        assert_eq!(of(""), 0);
        assert_eq!(of("when.card = \"ax210\""), 0);
        assert_eq!(of("when.card = \"7260\""), 1);
        // With kernels before 6.15 its firmware leads a BE200 to iwlmvm.
        let head = "about = \"t\"\ncards = [\"7260\", \"be200\"]\n";
        assert_eq!(refusals(head, "\"iml-loaded\"", "when.opmode = \"iwlmvm\""), 0);
        assert_eq!(refusals(head, "\"iml-loaded\"", "when.opmode = \"iwldvm\""), 0, "a doubt");
        let head = "about = \"t\"\ncards = [\"be200\"]\n[[step]]\nawait = \"bound\"\n";
        for (opmode, doubts) in [("iwlmld", 0), ("iwlmvm", 0), ("iwldvm", 1)] {
            let text = format!("{head}when.opmode = \"{opmode}\"\n");
            assert_eq!(parse("t", "t.toml", &text).expect("good").doubts.len(), doubts, "{opmode}");
        }
        // What is said of cards that do not play here is no error: a scenario may be played with others.
        let eeprom = "\"nvm-read\", section = \"eeprom\"";
        let head = "about = \"t\"\ncards = [\"7260\"]\n";
        assert_eq!(refusals(head, eeprom, "when.opmode = \"iwldvm\""), 0);
        assert_eq!(refusals(head, eeprom, ""), 1);
        // So is what waits for it.
        let held = |card: &str| {
            format!(
                "about = \"t\"\ncards = [\"{card}\"]\n[[step]]\ndo = \"bind\"\n[[module]]\n\
                 hold-until = \"iml-loaded\"\n"
            )
        };
        assert!(parse("t", "t.toml", &held("ax210")).is_ok());
        let error = parse("t", "t.toml", &held("7260")).expect_err("for ever").to_string();
        assert!(error.contains("t.toml:6:14") && error.contains("no image loader"), "{error}");
    }

    #[test]
    fn misspelt_modules_are_doubted() {
        for (part, place, near) in [
            ("guest.without = [\"mac80221\"]", "4:18", "mac80211"),
            ("guest.loaded = [\"iwlwif\"]", "4:17", "iwlwifi"),
            ("hold = [\"iwlmvn\"]", "4:9", "iwlmvm"),
            ("step = [{ do = { rmmod = \"iwlmvn\" } }]", "4:9", "iwlmvm"),
            ("step = [{ do = { modprobe = [\"-r\", \"iwldvn\"] } }]", "4:9", "iwldvm"),
            ("step = [{ check.loaded = [\"cfg8021\"] }]", "4:9", "cfg80211"),
        ] {
            let step = if part.contains("step") { "" } else { "[[step]]\nawait = \"bound\"\n" };
            let part = part.replace(" }]", " }, { await = \"bound\" }]");
            let text = format!("{HEAD}{part}\n{step}");
            let doubts = parse("t", "t.toml", &text).expect(&part).doubts;
            assert_eq!(doubts.len(), 1, "{part}: {doubts:?}");
            assert!(doubts[0].contains(&format!("t.toml:{place}\n")), "{part}: {doubts:?}");
            assert!(doubts[0].contains(&format!("did you mean `{near}`?")), "{part}: {doubts:?}");
        }
        let own = "step = [{ do = { modprobe = [\"hello\"] } }, { do = { rmmod = \"$opmode\" } }, \
             { await = \"bound\" }]\n";
        let own = parse("t", "t.toml", &format!("{HEAD}{own}")).expect("good");
        assert!(own.doubts.is_empty(), "{:?}", own.doubts);
    }
}
