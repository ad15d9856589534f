//! What no run can meet: values that no event has are errors; rules that no request fits, conditions
//! that no card meets and expectations that nothing turns red are doubts.

use toml::{Spanned, Value};

use crate::facts::derive::UPDATES;
use crate::facts::driver::DRIVERS;
use crate::facts::milestone::OPTIONAL;
use crate::facts::near::{self, NoSuch};
use crate::script::complaint::Complaint;
use crate::script::possible::Possible;
use crate::script::recover::Spot;
use crate::script::scenario::{Expectation, Pattern, Scenario, When, glob};
use crate::script::supplied::{models, names_asked};

/// Values that no event can have: an expectation with one looks at nothing.
pub(super) fn check_values(
    scenario: &Scenario,
    possible: &Possible<'_>,
    top: &Spot<'_>,
    patterns: &[(Spot<'_>, &Pattern)],
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
    let mut look = |spot: &Spot<'_>, kind: &str, field: &str, value: &Value| {
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
        .filter_map(|e| Some((never(e.get_ref())?, e.get_ref().that.as_str())))
        .partition(|(_, that)| unguarded.contains(that));
    let among = |those: &[(&Pattern, &str)], pattern: &Pattern| {
        those.iter().any(|(one, _)| std::ptr::eq(*one, pattern))
    };
    let mut uncaused = Vec::new();
    for (spot, pattern) in patterns {
        let mut lacks = false;
        for (field, value) in &pattern.fields {
            lacks |= look(spot, &pattern.milestone, field, value);
        }
        if lacks || among(&shown, pattern) {
            continue;
        }
        if let Some((field, what)) = possible.uncaused(pattern, among(&nevers, pattern)) {
            let at = field.map_or_else(|| spot.at.clone(), |field| spot.key(field).at);
            uncaused.push((spot.at.clone(), Complaint::new(at, what)));
        }
    }
    for (e, spot) in expectations() {
        let Some(kind) = e.every.as_ref().map(|every| &every.get_ref().milestone) else { continue };
        for (key, values) in [("has", &e.has), ("among", &e.among)] {
            for (field, value) in values.iter().flat_map(|values| &values.get_ref().0) {
                look(&spot.key(key), kind, field, value);
            }
        }
    }
    // That a moment does not come is told with its fault.
    uncaused.retain(|(pattern, _)| !wrong.iter().any(|told| told.at == *pattern));
    wrong.extend(uncaused.into_iter().map(|(_, what)| what));
}

/// What an expectation says that it does not come.
fn never(e: &Expectation) -> Option<&Pattern> {
    e.never.as_ref().or(e.exactly.as_ref().filter(|_| e.times == Some(0))).map(Spanned::get_ref)
}

/// What is probably not meant so.
pub(super) fn doubts(scenario: &Scenario) -> Vec<Complaint> {
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
    (!cards.any(|card| when.meets(card)))
        .then(|| "none of this scenario's `cards` meets this `when`".to_owned())
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
    if name.contains('$') || scenario.has_another_part() {
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
            ("\"module-loaded\", module = \"mac80221\"", "did you mean `mac80211`?"),
            ("\"module-loaded\", module = \"nouveau\"", "no module in the guest `nouveau`"),
            ("\"module-loaded\", module = \"$opmode\"", "`opmode-loaded` tells of it"),
            (
                "\"module-loaded\", module = \"mac80211\"",
                "in the kernel before the scenario begins",
            ),
            ("\"module-loaded\", module = \"rfkill\"", "`guest.loaded = []`"),
            ("\"module-loaded\", module = \"fuse\"", "in the kernel before"),
            ("\"modprobe-ended\", module = \"mac80211\"", "no opmode `mac80211`"),
            ("\"modprobe-ended\", status = 7", "`exit = 7`"),
            ("\"modprobe-ended\", status = 256", "no modprobe here ends with status 256"),
            ("\"firmware-refused\", errno = \"EACCES\"", "`refuse = \"EACCES\"`"),
            ("\"nvm-read\", section = \"HW\"", "there are: NVM_SECTION_TYPE_HW"),
            ("\"dma-fault\", during = \"upload\"", "there are: context information, service"),
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
            ("\"firmware-given\", name = \"$firmware.xz\"", "", ""),
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
            ("\"fault-injected\"", "", "[[step]]\ndo = { fault = \"rf-kill\" }"),
            ("\"fault-switched\", on = false", "", "[[step]]\ndo = { fault-end = \"rf-kill\" }"),
            ("\"rf-kill-switched\", on = true", "", "[[step]]\ndo = { rf-kill = true }"),
            ("\"vanished\"", "", "[[step]]\nrepeat = 2\n[[step.step]]\ndo = \"vanish\""),
        ] {
            let head = format!("about = \"t\"\ncards = [\"7260\"]\n{top}\n");
            assert_eq!(refusal(&head, pattern, rest), None, "{pattern}");
        }
        for (pattern, top, rest) in [
            ("\"fault-switched\", on = true", "", "[[step]]\ndo = { fault-end = \"rf-kill\" }"),
            ("\"rf-kill-switched\", on = false", "", "[[step]]\ndo = { rf-kill = true }"),
            ("\"opmode-loaded\", module = \"$opmode\"", "guest.loaded = [\"$opmode\"]", ""),
            ("\"firmware-asked\"", "gates = false", ""),
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
