//! What came of a run.

use guest_protocol::GuestEvent;
use iwl_ucode::stub::{self, Api};
use iwl_ucode::{Fate, Target, Ucode};

use crate::facts::added::{self, Word};
use crate::facts::diagnosis::{
    Diagnosis, ENDED_EARLY, Facts, HELD_BY_GATE, Own, diagnose, diagnose_boot, diagnose_trouble,
    fails_of_its_card,
};
use crate::facts::driver::Driver;
use crate::facts::initrd::{Ungated, diagnose_initrd};
use crate::facts::missing::Missing;
use crate::facts::seen::Seen;
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::session::Session;
use crate::script::expect::{self, Judged};
use crate::script::scenario::{Action, FirmwareRule, Scenario, Vars};

/// Whether an expectation fails on what has come so far.
pub(super) fn fails(scenario: &Scenario, vars: &Vars, session: &Session) -> bool {
    let (events, cards) = (session.timeline.events(), session.seats());
    let evidence = expect::Evidence { milestones: &session.milestones, events, cards: &cards };
    expect::judge(scenario, vars, evidence).iter().any(|judged| judged.failure.is_some())
}

/// Whether anything can be played in a guest that has found this; `added`: what of its kernel's command line
/// is not the bench's own.
pub(super) fn usable(hello: &guest_protocol::Hello, added: &[Word]) -> Result<(), Verdict> {
    if hello.modprobe.is_none() {
        return Err(Verdict::new(
            Outcome::NoModprobe,
            "the guest's image has no modprobe: no module can come, whatever the driver does; \
             use an image that `iwlbench image` made",
        ));
    }
    let warnings = hello.warnings.join("; ");
    // One that cannot trace does without; a locked one says of itself what is so only now and then, as what
    // comes of an opmode may overtake the news that it was loaded.
    let locked = !hello.tracing && warnings.contains("Operation not permitted");
    let (why, blame) = match (hello.firmware_gate && hello.module_gate, locked) {
        (false, _) => (format!("the guest has no gates: {warnings}"), added::remedy(added)),
        (true, true) => (
            format!("the guest's kernel is locked down and cannot be watched: {warnings}"),
            added::with_key(added, "lockdown").map(Word::blame),
        ),
        (true, false) => return Ok(()),
    };
    let line = [Some(why), blame].into_iter().flatten().collect::<Vec<_>>().join("; ");
    Err(Verdict::new(Outcome::Environment, line))
}

pub(super) fn verdict(
    scenario: &Scenario,
    vars: &Vars,
    played: Result<(), Verdict>,
    expectations: &[Judged],
    evidence: expect::Evidence<'_>,
    console: &str,
) -> Verdict {
    let troubles = evidence.events.iter().filter_map(|e| match &e.what {
        What::Bench(BenchEvent::KernelTrouble { trouble, text })
            if !scenario.tolerates(*trouble, vars) =>
        {
            Some((e.seq, *trouble, text.clone()))
        }
        _ => None,
    });
    // Of a hang the kernel may have warned, and of an oops a hang comes.
    let trouble = troubles.min_by_key(|(seq, trouble, _)| (trouble.rank(), *seq));
    let played = match played {
        // It ends the steps, and what came before it is judged.
        Err(verdict)
            if verdict.outcome == Outcome::GuestPanicked
                && scenario.tolerates(Trouble::Panic, vars) =>
        {
            Ok(())
        }
        played => played,
    };
    match (played, trouble) {
        // The end of the guest says more than what came before it.
        (Err(verdict), _) if verdict.outcome != Outcome::Failed => verdict,
        (_, Some((seq, trouble, text))) => Verdict::new(
            Outcome::KernelTrouble,
            format!("the guest's kernel reported {}: {text}", trouble.words()),
        )
        .with_cause(seq),
        (Err(verdict), None) => verdict,
        (Ok(()), None) => {
            let failed = expectations.iter().filter_map(|j| Some((&j.that, j.failure.as_ref()?)));
            let failed: Vec<_> = failed.collect();
            let total = expectations.len();
            match failed.first() {
                None => Verdict::new(Outcome::Passed, held(total)),
                Some((that, failure)) => {
                    let line = format!(
                        "{} of {total} expectations failed{} \"{that}\": {}{}",
                        failed.len(),
                        if failed.len() == 1 { ":" } else { ", the first is" },
                        failure.line(),
                        if console.is_empty() { "" } else { "; console.log may tell more" }
                    );
                    let came = evidence.milestones;
                    Verdict {
                        contradicted: expect::is_contradicted(scenario, vars, expectations, came),
                        ..Verdict::new(Outcome::Failed, line).without(expect::missing(
                            scenario,
                            vars,
                            expectations,
                            came,
                        ))
                    }
                }
            }
        }
    }
}

/// What an outcome says of the guest's own end.
pub(super) fn end_of(outcome: Outcome) -> Option<Seen> {
    match outcome {
        Outcome::GuestPanicked | Outcome::GuestReset | Outcome::GuestPoweredOff => {
            Some(Seen::Crash)
        }
        Outcome::GuestHung => Some(Seen::Hang),
        _ => None,
    }
}

/// The verdict with its cause for a headline, where one is seen. There are facts of each card.
pub(super) fn explained(
    verdict: Verdict,
    cards: &[Facts<'_>],
    ungated: Option<&Ungated<'_>>,
) -> Verdict {
    let short: Vec<_> = verdict.missing.iter().filter(|m| m.is_of_a_hand_over()).collect();
    let fell_short = !short.is_empty();
    // What did not come of a certain card has its cause there.
    let named = |facts: &&Facts<'_>| {
        let is = |m: &&Missing| m.card.as_ref().is_none_or(|card| card == facts.card);
        short.is_empty() || short.iter().any(is)
    };
    let missing = verdict.missing.as_slice();
    let concerned =
        || cards.iter().filter(named).map(|facts| Facts { fell_short, missing, ..*facts });
    let Some(facts) = cards.first() else { return verdict };
    // Whatever a scenario does to its modules, it cannot do this.
    if verdict.outcome == Outcome::Failed
        && let Some((seq, why)) = refused(facts.events)
    {
        let diagnosis = Diagnosis {
            cause: "module-refused".to_owned(),
            sentence: format!("the guest's kernel takes a module for none of its own: {why}"),
            remedy: Some(
                "give it the modules that were built with it, and signed if it insists on that"
                    .to_owned(),
            ),
            log: None,
            events: vec![seq],
        };
        return Verdict { outcome: Outcome::Environment, ..verdict.because(diagnosis) };
    }
    if verdict.outcome == Outcome::Failed
        && let Some(diagnosis) = forbidden(facts).or_else(|| misspelt(facts))
    {
        return Verdict { outcome: Outcome::Environment, ..verdict.because(diagnosis) };
    }
    match verdict.outcome {
        _ if verdict.explained => verdict,
        Outcome::Failed => {
            let look = |facts: &Facts<'_>| match ungated {
                None => diagnose(facts),
                Some(of) => diagnose_initrd(facts, of),
            };
            match concerned().find_map(|facts| look(&facts)) {
                Some(diagnosis) if diagnosis.cause == ENDED_EARLY && verdict.contradicted => {
                    verdict
                }
                Some(diagnosis) => {
                    // What nobody could see says nothing.
                    let outcome = match diagnosis.cause.as_str() {
                        HELD_BY_GATE | ENDED_EARLY => Outcome::Environment,
                        _ => verdict.outcome,
                    };
                    Verdict { outcome, ..verdict.clone().because(diagnosis) }
                }
                // Nobody knows how; and yet it was there.
                None => match cards.iter().find_map(|c| c.faults().next()) {
                    Some((_, fault)) => Verdict {
                        line: format!("{}, with the card's fault {fault}", verdict.line),
                        ..verdict
                    },
                    None => verdict,
                },
            }
        }
        Outcome::KernelTrouble => {
            let look = |seq| {
                let of_card = |facts: &&Facts<'_>| fails_of_its_card(facts);
                diagnose_trouble(cards.iter().find(of_card).unwrap_or(facts), seq)
            };
            let found = verdict.cause.and_then(|seq| Some((seq, look(seq)?)));
            match found {
                // The complaint is what is shown, whatever it came of.
                Some((seq, diagnosis)) => {
                    // Told once, if it is its own cause.
                    let by_card = !matches!(facts.trouble(seq), Some(trouble) if diagnosis.cause == <&str>::from(trouble));
                    let failed = by_card.then(|| verdict.line.clone());
                    Verdict { failed, ..verdict.because(diagnosis).with_cause(seq) }
                }
                None => verdict,
            }
        }
        Outcome::NotBooted => {
            let diagnosis = diagnose_boot(facts, &verdict.line);
            verdict.because(diagnosis)
        }
        _ => verdict,
    }
}

/// A module that the kernel was told on its command line not to take, and not by the scenario, which
/// would mean it: that says nothing about the driver either. The kernel says so in its log alone
/// (`blacklisted` in `kernel/module/main.c`).
fn forbidden(facts: &Facts<'_>) -> Option<Diagnosis> {
    facts.events.iter().find_map(|event| {
        let module =
            event.kernel_log()?.strip_prefix("Module ")?.strip_suffix(" is blacklisted")?;
        let added = added::forbids(facts.added, module)?;
        Some(Diagnosis {
            cause: "module-blacklisted".to_owned(),
            sentence: format!("the kernel does not take {module}: {}", added.blame()),
            remedy: Some("a scenario that means it has it as its `guest.command-line`".to_owned()),
            log: None,
            events: vec![event.seq],
        })
    })
}

/// A value that a module does not take for its parameter, and loads not at all: that says nothing about it
/// where the command gave it (`parse_args` in `kernel/params.c`).
fn misspelt(facts: &Facts<'_>) -> Option<Diagnosis> {
    facts.events.iter().find_map(|event| {
        let text = event.kernel_log()?;
        let (module, rest) = text.split_once(": `")?;
        let (value, parameter) = ["' invalid for parameter `", "' too large for parameter `"]
            .into_iter()
            .find_map(|words| rest.split_once(words))?;
        let added = added::sets(facts.added, module, parameter.strip_suffix('\'')?, value)?;
        Some(Diagnosis {
            cause: "parameter-refused".to_owned(),
            sentence: format!("{module} does not load: \"{text}\"; {}", added.blame()),
            remedy: Some("see `modinfo -p` for what it takes".to_owned()),
            log: None,
            events: vec![event.seq],
        })
    })
}

/// A module that the kernel does not take for one of its own, whatever is in it: that says nothing
/// about the driver. modprobe's words are those of `ENOEXEC`, `EKEYREJECTED`, `ENOKEY` and `EBADMSG`
/// (`mod_verify_sig`); of the symbols' versions (`kernel/module/version.c`) only the kernel's log
/// tells, and where it started a quiet modprobe by itself, of a missing signature
/// (`module_sig_check`, lockdown).
fn refused(events: &[Event]) -> Option<(u64, &str)> {
    const KERNEL: [&str; 5] = [
        "disagrees about version of symbol",
        ": version magic '",
        "Loading of unsigned module is rejected",
        "Loading of module with un",
        "unsigned module loading is restricted",
    ];
    let says = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    events.iter().find_map(|event| {
        let why = match &event.what {
            What::Guest(GuestEvent::ModuleLoaderExit { stderr, .. }) => {
                stderr.lines().find(|line| is_refusal(line))
            }
            What::Bench(BenchEvent::StepEnded { error: Some(error), .. }) => {
                error.lines().find(|line| is_refusal(line))
            }
            What::Guest(GuestEvent::KernelLog { text, .. }) => {
                Some(text.as_str()).filter(|text| says(text, &KERNEL))
            }
            _ => None,
        };
        Some((event.seq, why?.trim_start_matches("modprobe: ").trim_start_matches("ERROR: ")))
    })
}

/// Whether modprobe says that the kernel takes a module for none of its own.
pub(super) fn is_refusal(said: &str) -> bool {
    const MODPROBE: [&str; 5] = [
        "Exec format error",
        "Invalid module format",
        "Key was rejected by service",
        "Required key not available",
        ": Bad message",
    ];
    MODPROBE.iter().any(|words| said.contains(words))
}

/// What a scenario breaks by itself: what comes of that is what it wants.
pub(super) fn own(scenario: &Scenario, driver: &Driver) -> Own {
    let breaks = |rule: &FirmwareRule| {
        rule.refuse.is_some() || !rule.corrupt.is_empty() || rule.give.is_some()
    };
    let actions = scenario.actions();
    let does = |what: fn(&Action) -> bool| actions.iter().any(|action| what(action));
    let moves_card = does(|action| {
        use Action::{Fault, Remove, Reset, RfKill, Unplug, Vanish};
        matches!(action, Fault(_) | Remove | Reset | RfKill(_) | Unplug | Vanish)
    });
    let module_rules = scenario.module.iter().map(toml::Spanned::get_ref);
    let command_line = &scenario.guest.command_line.0;
    let modules = !scenario.guest.without.is_empty()
        || driver.modules().chain(["blacklist"]).any(|word| command_line.contains(word))
        || module_rules
            .into_iter()
            .any(|r| r.exit.is_some() || r.lie || r.kill.is_some() || r.hang)
        || does(|action| matches!(action, Action::ModprobeD(_) | Action::Autoload(_)));
    Own {
        card: scenario.faults().next().is_some() || moves_card,
        firmware: scenario.firmware.iter().any(|rule| breaks(rule.get_ref())),
        modules,
    }
}

/// A file on offer, and why its driver does not take it, if so.
pub(super) fn on_offer<'t>(
    name: &str,
    bytes: &[u8],
    target: impl Fn(Api) -> Target<'t>,
) -> (String, Option<String>) {
    let why = stub::for_file_name(name).and_then(|(_, asked)| {
        let target = target(asked);
        let ucode = match Ucode::parse(bytes) {
            Ok(ucode) => ucode,
            Err(error) => return Some(error.to_string()),
        };
        let range = target.card.range(target.kernel);
        match ucode.fate(Some(&target)) {
            Fate::Loads { .. } => None,
            Fate::Rejects { .. } if !(range.min.0..=range.max.0).contains(&ucode.api()) => {
                let wants = match (range.min.0, range.max.0) {
                    (min, max) if min == max => max.to_string(),
                    (min, max) => format!("{min} to {max}"),
                };
                Some(format!("API {}, wants {wants}", ucode.api()))
            }
            Fate::Rejects { driver_line } => driver_line,
            Fate::Unbinds { because } | Fate::Oopses { because } | Fate::Undefined { because } => {
                Some(because.to_string())
            }
        }
    });
    (name.to_owned(), why)
}

fn held(expectations: usize) -> String {
    match expectations {
        // Not to be read as more than it is.
        0 => "all steps were done; nothing is expected of this run".into(),
        1 => "the one expectation held".into(),
        n => format!("all {n} expectations held"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::added::By;
    use crate::facts::derive::Seat;
    use crate::facts::milestone::{Milestone, Reached};
    use crate::facts::timeline::Source;

    fn judged(what: What, own: Own) -> Outcome {
        told(what, own, &[]).outcome
    }

    fn told(what: What, own: Own, added: &[Word]) -> Verdict {
        let event = Event::sample(0, Source::Bench, what);
        let facts = Facts {
            events: std::slice::from_ref(&event),
            milestones: &[],
            driver: "iwlwifi",
            card: "7260",
            slot: "0000:01:00.0",
            opmode: "iwlmvm",
            files: &[],
            modules: &[],
            own,
            fell_short: false,
            missing: &[],
            held: &[],
            at_work: false,
            console: "",
            accel: crate::facts::accel::Accel::Tcg,
            added,
            description: &crate::facts::driver::IWLWIFI,
        };
        explained(Verdict::new(Outcome::Failed, "f"), &[facts], None)
    }

    /// What the command has put on the kernel's command line is nobody else's fault; what a scenario has is
    /// meant, and what nothing came of is not blamed.
    #[test]
    fn what_the_command_line_has_the_kernel_refuse() {
        let log = |text: &str| {
            What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(3), text: text.to_owned() })
        };
        let value = || log("iwlwifi: `N' invalid for parameter `enable_ini'");
        let module = || log("Module cfg80211 is blacklisted");
        for (what, word, other) in [
            (value(), "iwlwifi.enable_ini=N", "iwlwifi.enable_ini=1"),
            (module(), "module_blacklist=cfg80211", "module_blacklist=joydev"),
        ] {
            let of = |word: &str, by| {
                told(what.clone(), Own::default(), &[Word { word: word.to_owned(), by }])
            };
            let told = of(word, By::Command);
            assert_eq!(told.outcome, Outcome::Environment, "{word}");
            let blame = format!("`{word}` on the kernel's command line (--append) does that");
            assert!(told.line.contains(&blame), "{}", told.line);
            assert_eq!(of(word, By::Scenario).outcome, Outcome::Failed, "{word}");
            assert_eq!(of(other, By::Command).outcome, Outcome::Failed, "{other}");
        }
    }

    #[test]
    fn a_kernel_that_is_locked_cannot_be_watched() {
        let hello = |tracing, warning: &str| guest_protocol::Hello {
            protocol: guest_protocol::PROTOCOL_VERSION,
            mono_ns: 5,
            kernel_release: "7.3.4".to_owned(),
            kernel_version: "#1".to_owned(),
            modprobe: Some("kmod".to_owned()),
            module_gate: true,
            firmware_gate: true,
            tracing,
            leaks: false,
            warnings: vec![warning.to_owned()],
        };
        let word = Word { word: "lockdown=confidentiality".to_owned(), by: By::Command };
        let denied = hello(false, "tracing: creating instances/iwlbench: Operation not permitted");
        let verdict = usable(&denied, &[word]).expect_err("it cannot be watched");
        assert_eq!(verdict.outcome, Outcome::Environment);
        let blame = "`lockdown=confidentiality` on the kernel's command line (--append) does that";
        assert!(verdict.line.ends_with(blame), "{}", verdict.line);
        let quiet = Word { word: "quiet".to_owned(), by: By::Command };
        let verdict = usable(&denied, &[quiet]).expect_err("the kernel's configuration locks it");
        assert!(!verdict.line.contains("quiet"), "{}", verdict.line);
        // Of a kernel without it less is seen, and all the same.
        assert!(usable(&hello(false, "tracing: No such device"), &[]).is_ok());
        assert!(usable(&hello(true, "shell: Operation not permitted"), &[]).is_ok());
    }

    const TWO_CARDS: &str = "about = \"t\"\ncards = [\"7260\"]\n[[card]]\nfaults = [\"never-alive\"]\n\
         [[card]]\nfaults = [\"alive-invalid\"]\n[[step]]\ndo = \"coldplug\"\n\
         [[expect]]\nthat = \"one\"\neventually = \"bound\"\n\
         [[expect]]\nthat = \"two\"\nevery = \"modprobe-ended\"\nhas.status = 0\n\
         [[expect]]\nthat = \"three\"\nexactly = { milestone = \"netdev-registered\", card = \"7260-2\" }\n\
         times = 1\n";

    /// The headline of several failures is the first one's, with its reason; what was to come of the
    /// second card has its cause there, though the scenario has broken both itself.
    #[test]
    fn a_failure_says_why() {
        let scenario = crate::script::read::parse("t", "t.toml", TWO_CARDS).expect("valid");
        let told = |card: &str, seq: u64, valid: bool| {
            let event = iwl_card::CardEvent::Alive { image: iwl_card::Image::Init, valid };
            let what = What::Card { card: card.to_owned(), event };
            Event::sample(seq, Source::Card, what)
        };
        let events = [told("7260", 0, true), told("7260-2", 1, false)];
        let seat = |card: &str, slot: &str| Seat { card: card.into(), slot: slot.into() };
        let cards = [seat("7260", "0000:01:00.0"), seat("7260-2", "0000:02:00.0")];
        let (card, slot) = ("7260".to_owned(), cards[0].slot.clone());
        let milestones = [Reached { seq: 0, t_ns: 0, milestone: Milestone::Probe { card, slot } }];
        let evidence = expect::Evidence { milestones: &milestones, events: &events, cards: &cards };
        let vars = Vars::sample();
        let judged = expect::judge(&scenario, &vars, evidence);
        let verdict = verdict(&scenario, &vars, Ok(()), &judged, evidence, "");
        assert_eq!(
            verdict.line,
            "3 of 3 expectations failed, the first is \"one\": expected: bound; but there is no bound in \
             this run"
        );
        let every = judged[1].failure.as_ref().expect("failed").line();
        assert_eq!(
            every,
            "expected every modprobe-ended to have status = 0; but that did not come"
        );
        let facts = |seat: &'static str, slot| Facts {
            events: &events,
            milestones: &milestones,
            driver: "iwlwifi",
            card: seat,
            slot,
            opmode: "iwlmvm",
            files: &[],
            modules: &[],
            own: own(&scenario, &crate::facts::driver::IWLWIFI),
            fell_short: false,
            missing: &[],
            held: &[],
            at_work: false,
            console: "",
            accel: crate::facts::accel::Accel::Tcg,
            added: &[],
            description: &crate::facts::driver::IWLWIFI,
        };
        let facts = [facts("7260", "0000:01:00.0"), facts("7260-2", "0000:02:00.0")];
        let failed = verdict.line.clone();
        let explained = explained(verdict, &facts, None);
        assert_eq!(explained.line, "card 7260-2: the INIT ucode's ALIVE says that it is not valid");
        assert_eq!(explained.failed, Some(failed));
        let other = Verdict::new(Outcome::Failed, "a check");
        assert_eq!(
            super::explained(other, &facts, None).line,
            "a check",
            "what it wants is no cause"
        );
    }

    #[test]
    fn a_module_of_another_kernel_is_nobodys_fault() {
        let log = |text: &str| {
            What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(3), text: text.to_owned() })
        };
        let step = |error: &str| {
            let error = Some(format!("exit status 1: modprobe: ERROR: {error}"));
            What::Bench(BenchEvent::StepEnded {
                index: 0,
                step: "coldplug".to_owned(),
                error,
                wanted: false,
            })
        };
        for of_another in [
            log("iwlmvm: disagrees about version of symbol iwl_trans_alloc"),
            log("iwlmvm: version magic '7.3.1 SMP ' should be '7.3.4 SMP '"),
            step("could not insert 'iwlwifi': Exec format error"),
            step("could not insert 'iwlwifi': Key was rejected by service"),
            step("could not insert 'iwlwifi': Bad message"),
            log("Loading of unsigned module is rejected"),
            log("Loading of module with unavailable key is rejected"),
            log(
                "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7",
            ),
        ] {
            assert_eq!(judged(of_another.clone(), Own::default()), Outcome::Environment);
            let own = Own { modules: true, ..Own::default() };
            assert_eq!(judged(of_another, own), Outcome::Environment, "no scenario does that");
        }
        for other in
            [log("iwlmvm: unknown parameter"), step("could not insert 'iwlwifi': File exists")]
        {
            assert_eq!(judged(other, Own::default()), Outcome::Failed);
        }
    }
}
