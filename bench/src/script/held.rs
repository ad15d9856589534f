//! What a gate holds for good, though steps wait for what comes of it.

use iwl_card::CardSpec;
use iwl_ucode::stub;
use toml::Spanned;

use crate::facts::driver::IWLWIFI;
use crate::script::complaint::Complaint;
use crate::script::recover::Spot;
use crate::script::scenario::{Action, OneOrMany, Scenario, When, glob};
use crate::script::supplied::kernels;

/// What comes only of an opmode that was loaded.
const OF_AN_OPMODE: [&str; 8] = [
    "modprobe-ended",
    "opmode-loaded",
    "opmode-started",
    "section-uploaded",
    "cpu-released",
    "alive",
    "nvm-read",
    "netdev-registered",
];
/// What comes only of a firmware file, beside that.
const OF_FIRMWARE: [&str; 3] = ["firmware-given", "opmode-requested", "opmode-asked"];

/// Holds that no step lets go, of what a step awaits.
pub(super) fn doubts(scenario: &Scenario, top: &Spot<'_>) -> Vec<Complaint> {
    // What lets go, or loads a module or a file past the gates.
    let opens = |action: &&Action| {
        matches!(
            action,
            Action::Release(_)
                | Action::ReleaseOne(_)
                | Action::TearDown
                | Action::Modprobe(_)
                | Action::ModprobeD(_)
                | Action::Autoload(_)
                | Action::Exec(_)
                | Action::Write(_)
                | Action::Sysrq(_)
        )
    };
    if scenario.actions().iter().any(opens) || !scenario.gates || scenario.guest.loaded.is_some() {
        return Vec::new();
    }
    let names = scenario.hold.iter().enumerate();
    let names = names.map(|(n, held)| (held.0.as_str(), top.key("hold").nth(n)));
    let always = When::default();
    let for_good =
        |hold: bool, times: Option<u32>, when: &When| hold && times.is_none() && *when == always;
    let firmware = scenario.firmware.iter().map(Spanned::get_ref).enumerate();
    let firmware = firmware
        .filter(|(_, rule)| for_good(rule.hold, rule.times, &rule.when))
        .map(|(n, rule)| (rule.name.as_str(), top.key("firmware").nth(n).key("hold")));
    let module = scenario.module.iter().map(Spanned::get_ref).enumerate();
    let module = module
        .filter(|(_, rule)| for_good(rule.hold, rule.times, &rule.when))
        .map(|(n, rule)| (rule.name.as_str(), top.key("module").nth(n).key("hold")));
    let all = names.chain(firmware).chain(module);
    all.filter_map(|(name, spot)| {
        let mut cards = scenario.cards.iter().filter_map(|card| iwl_card::card(card.get_ref()));
        let awaited = cards.find_map(|card| awaited(scenario, name, card))?;
        let what = format!(
            "`{name}` is held for good, and `{awaited}` is awaited, which comes of it\n\
             a step lets it go: do = {{ release = \"{name}\" }}"
        );
        Some(Complaint::new(spot.at, what))
    })
    .collect()
}

/// What a step waits for in vain, in a run with this card, while all requests of this name are held.
fn awaited(scenario: &Scenario, name: &str, card: &CardSpec) -> Option<String> {
    let opmodes: Vec<_> =
        kernels().filter_map(|kernel| IWLWIFI.opmode_with(card, kernel)).collect();
    let holds_opmode = name == "$opmode" || opmodes.iter().all(|opmode| glob(name, opmode));
    let stub = stub::for_card(card.name)?;
    let first = |kernel| Some(stub.file_name(stub.newest(kernel)));
    let holds_firmware =
        name == "$firmware" || kernels().filter_map(first).all(|asked| glob(name, &asked));
    let of_it = |kind: &str| {
        let of_opmode = OF_AN_OPMODE.contains(&kind);
        (of_opmode && (holds_opmode || holds_firmware))
            || (holds_firmware && OF_FIRMWARE.contains(&kind))
    };
    let steps = scenario.all_steps();
    let mut patterns = steps
        .iter()
        .filter(|step| step.when.meets(card))
        .flat_map(|step| step.r#await.iter().flat_map(OneOrMany::iter));
    // Of a further card it may be another's.
    let single = scenario.machine(iwl_card::card(card.name)?).len() == 1;
    let found = patterns.find(|pattern| of_it(&pattern.milestone))?;
    single.then(|| found.to_string())
}

#[cfg(test)]
mod tests {
    use crate::script::read::parse;

    #[test]
    fn a_hold_that_nobody_ends_is_doubted() {
        let doubts = |text: &str| {
            let text = format!("about = \"t\"\ncards = [\"6205\", \"7260\"]\n{text}");
            parse("t", "t.toml", &text).expect(&text).doubts
        };
        let awaits = |milestone: &str| format!("[[step]]\nawait = \"{milestone}\"\n");
        for (head, milestone, place) in [
            ("hold = [\"$opmode\"]\n", "opmode-loaded", "t.toml:3:9"),
            ("hold = [\"x\", \"iwl*vm\"]\n", "netdev-registered", "t.toml:3:14"),
            ("hold = [\"$firmware\"]\n", "opmode-asked", "t.toml:3:9"),
            ("hold = [\"iwlwifi-7260-17.ucode\"]\n", "alive", "t.toml:3:9"),
            ("module = [{ hold = true }]\n", "modprobe-ended", "t.toml:3:"),
            ("firmware = [{ hold = true }]\n", "alive", "t.toml:3:"),
        ] {
            let told = doubts(&format!("{head}{}", awaits(milestone)));
            assert!(told.len() == 1 && told[0].contains("held for good"), "{head}: {told:?}");
            assert!(told[0].contains(place), "{head}: {told:?}");
        }
        for (head, milestone, more) in [
            ("hold = [\"$opmode\"]\n", "opmode-asked", ""),
            ("hold = [\"$firmware\"]\n", "firmware-asked", ""),
            ("hold = [\"iwlwifi-8265-36.ucode\"]\n", "alive", ""),
            ("hold = [\"$opmode\"]\n", "alive", "[[step]]\ndo = { release = \"*\" }\n"),
            ("hold = [\"$opmode\"]\n", "alive", "[[step]]\ndo = \"tear-down\"\n"),
            ("module = [{ hold = true, times = 1 }]\n", "alive", ""),
            ("module = [{ hold-until = \"bound\" }]\n", "alive", ""),
        ] {
            let told = doubts(&format!("{head}{}{more}", awaits(milestone)));
            assert!(told.is_empty(), "{head}{more}: {told:?}");
        }
    }
}
