//! Every kind of event, held against its description and its words.

use std::collections::BTreeSet;

use guest_protocol::{GuestEvent, Hello, LoaderOutcome, Question};
use iwl_card::{CardEvent, Cause, Image, Irq, Outcome, ResetKind, Space, Wrong};
use serde_json::Value;

use crate::facts::derive;
use crate::facts::timeline::{BenchEvent, Event, Source, Tag, What};
use crate::facts::trouble::Trouble;

const DESCRIPTION: &str = include_str!("../../EVENTS.md");

/// One of each. The matches below do not compile when a kind is missing there; add it here too.
fn card() -> Vec<CardEvent> {
    let (space, reg, value, outcome) = (Space::Csr, "CSR_INT".into(), 1, Outcome::Stub);
    let (image, name, fault) = (Image::Init, "ALIVE", "never-alive".into());
    vec![
        CardEvent::RegRead { space, reg, value, outcome },
        CardEvent::RegWrite { space, reg: "CSR_INT".into(), value, outcome },
        CardEvent::MemRead { addr: 1, len: 4 },
        CardEvent::Reset { how: ResetKind::Function },
        CardEvent::Interrupt {
            irq: Irq::Msix { vector: 1 },
            causes: 1,
            fh_causes: Some(1),
            names: vec![Cause::Alive, Cause::FhRx(0)],
        },
        CardEvent::DmaFault { addr: 1, len: 1, during: "upload" },
        CardEvent::BadInput { what: "x".into() },
        CardEvent::NvmRead { section: "eeprom".into(), offset: 0, len: 1, present: true },
        CardEvent::SectionUploaded { image, index: 0, dst: Some(0), len: 1 },
        CardEvent::SectionWrong { image, index: 0, how: Wrong::Missing },
        CardEvent::ImlLoaded { len: 1 },
        CardEvent::PnvmLoaded { len: 1 },
        CardEvent::CpuReleased { image, sections: 1, bytes: 1, api: Some(17) },
        CardEvent::Alive { image, valid: true },
        CardEvent::HostCommand {
            name: name.into(),
            id: 1,
            group: 0,
            queue: 0,
            len: 1,
            modelled: true,
        },
        CardEvent::Packet { name: name.into(), id: 1, group: 0, notification: true, len: 1 },
        CardEvent::AliveReleased,
        CardEvent::RfKillSwitched { on: true },
        CardEvent::Vanished,
        CardEvent::FaultSwitched { fault: "never-alive".into(), on: true },
        CardEvent::FaultInjected { fault },
    ]
}

fn guest() -> Vec<GuestEvent> {
    let (module, text) = (String::from("iwlmvm"), String::from("x"));
    vec![
        GuestEvent::Uevent {
            action: "bind".into(),
            devpath: "/devices".into(),
            subsystem: Some("pci".into()),
            driver: Some("iwlwifi".into()),
            interface: Some("wlan0".into()),
            pci_slot: Some("0000:01:00.0".into()),
        },
        GuestEvent::ModuleLoad { module: module.clone() },
        GuestEvent::ModuleFree { module: module.clone() },
        GuestEvent::ModuleRequest { module, wait: true, call_site: "f".into() },
        GuestEvent::ModuleLoaderExit {
            id: 1,
            argv: vec!["modprobe".into()],
            outcome: LoaderOutcome::Exited { status: 0 },
            stderr: String::new(),
        },
        GuestEvent::KernelLog { seq: 1, level: Some(6), text: text.clone() },
        GuestEvent::KernelLogLost,
        GuestEvent::FirmwareRead { path: "f".into(), bytes: 1 },
        GuestEvent::Dropped { what: "trace".into(), count: 1 },
        GuestEvent::ProgramEnded {
            argv: vec!["true".into()],
            status: 0,
            timed_out: false,
            stdout: text.clone(),
            stderr: text.clone(),
        },
        GuestEvent::FileRead { path: "/f".into(), text: text.clone(), cut: false },
        GuestEvent::AgentNote { text },
    ]
}

fn bench() -> Vec<BenchEvent> {
    let (card, step, text) = (String::from("7260"), String::from("bind"), String::from("x"));
    vec![
        BenchEvent::GuestStarted,
        BenchEvent::GuestRestored,
        BenchEvent::CardPlugged { card: card.clone() },
        BenchEvent::CardEjected { card },
        BenchEvent::GuestResumed { again: 1 },
        BenchEvent::ClockMeasured { error_ns: 1 },
        BenchEvent::StepStarted { index: 0, step: step.clone(), unbinds: true },
        BenchEvent::StepEnded { index: 0, step, error: Some("EIO".into()), wanted: true },
        BenchEvent::KernelTrouble { trouble: Trouble::Oops, text: text.clone() },
        BenchEvent::Console { text: text.clone() },
        BenchEvent::Qmp { event: "RESET".into(), data: Value::Null },
        BenchEvent::QemuExited { status: text.clone() },
        BenchEvent::CardStopped { why: text.clone() },
        BenchEvent::Note { text },
    ]
}

/// Reminds of the lists above: it must name every kind there is.
fn known(what: &What) {
    match what {
        What::Card { event, .. } => match event {
            CardEvent::RegRead { .. }
            | CardEvent::RegWrite { .. }
            | CardEvent::MemRead { .. }
            | CardEvent::Reset { .. }
            | CardEvent::Interrupt { .. }
            | CardEvent::DmaFault { .. }
            | CardEvent::BadInput { .. }
            | CardEvent::NvmRead { .. }
            | CardEvent::SectionUploaded { .. }
            | CardEvent::SectionWrong { .. }
            | CardEvent::ImlLoaded { .. }
            | CardEvent::PnvmLoaded { .. }
            | CardEvent::CpuReleased { .. }
            | CardEvent::Alive { .. }
            | CardEvent::HostCommand { .. }
            | CardEvent::Packet { .. }
            | CardEvent::AliveReleased
            | CardEvent::RfKillSwitched { .. }
            | CardEvent::Vanished
            | CardEvent::FaultSwitched { .. }
            | CardEvent::FaultInjected { .. } => {}
        },
        What::Guest(event) => match event {
            GuestEvent::Uevent { .. }
            | GuestEvent::ModuleLoad { .. }
            | GuestEvent::ModuleFree { .. }
            | GuestEvent::ModuleRequest { .. }
            | GuestEvent::ModuleLoaderExit { .. }
            | GuestEvent::KernelLog { .. }
            | GuestEvent::KernelLogLost
            | GuestEvent::FirmwareRead { .. }
            | GuestEvent::Dropped { .. }
            | GuestEvent::ProgramEnded { .. }
            | GuestEvent::FileRead { .. }
            | GuestEvent::AgentNote { .. } => {}
        },
        What::Bench(event) => match event {
            BenchEvent::GuestStarted
            | BenchEvent::GuestRestored
            | BenchEvent::CardPlugged { .. }
            | BenchEvent::CardEjected { .. }
            | BenchEvent::GuestResumed { .. }
            | BenchEvent::ClockMeasured { .. }
            | BenchEvent::StepStarted { .. }
            | BenchEvent::StepEnded { .. }
            | BenchEvent::KernelTrouble { .. }
            | BenchEvent::Console { .. }
            | BenchEvent::Qmp { .. }
            | BenchEvent::QemuExited { .. }
            | BenchEvent::CardStopped { .. }
            | BenchEvent::Note { .. } => {}
        },
        What::Ask { .. } | What::Answer { .. } | What::Hello { .. } => {}
    }
}

fn gates() -> Vec<What> {
    let module = Question::Module { argv: vec!["modprobe".into()], module: "iwlmvm".into() };
    let lookup = Question::FirmwareLookup { path: "f".into() };
    let hello = Hello {
        protocol: 1,
        mono_ns: 1,
        kernel_release: "7.3".into(),
        kernel_version: "#1".into(),
        modprobe: None,
        module_gate: true,
        firmware_gate: true,
        tracing: true,
        leaks: false,
        warnings: Vec::new(),
    };
    vec![
        What::Ask { kind: Tag::default(), id: 1, question: module },
        What::Ask { kind: Tag::default(), id: 2, question: lookup.clone() },
        What::Answer {
            kind: Tag::default(),
            id: 2,
            question: lookup,
            answer: "errno",
            value: Some(2),
        },
        What::Hello { kind: Tag::default(), hello },
    ]
}

fn one_of_each() -> impl Iterator<Item = Event> {
    let card = card().into_iter().map(|event| What::Card { card: "7260".into(), event });
    let all = card.chain(guest().into_iter().map(What::Guest));
    let all = all.chain(bench().into_iter().map(What::Bench)).chain(gates());
    all.map(|what| Event::sample(0, Source::Bench, what))
}

/// The row of a kind in the description.
fn row(kind: &str) -> &'static str {
    let named = |line: &&str| {
        let kinds = line.strip_prefix("| ").and_then(|rest| rest.split(" | ").next());
        kinds.is_some_and(|kinds| kinds.split(", ").any(|k| k == format!("`{kind}`")))
    };
    DESCRIPTION.lines().find(named).unwrap_or_else(|| panic!("EVENTS.md has no row for {kind}"))
}

#[test]
fn what_a_card_does_by_itself_is_known_as_such() {
    let kinds: BTreeSet<_> = card()
        .iter()
        .filter_map(|event| derive::of_card("7260", event))
        .map(|milestone| milestone.kind())
        .collect();
    assert_eq!(kinds, BTreeSet::from(derive::IS_OF_A_CARD));
}

#[test]
fn each_kind_and_field_is_described() {
    let version = format!(
        r#"{{"format":"iwlbench-events","version":{}}}"#,
        crate::facts::timeline::FORMAT_VERSION
    );
    assert!(DESCRIPTION.contains(&version), "the version");
    for event in one_of_each() {
        known(&event.what);
        let json = serde_json::to_value(&event).expect("JSON");
        let fields = json.as_object().expect("an object");
        let kind = fields["kind"].as_str().expect("a kind");
        let about_itself = row(kind);
        let asked = if kind == "answer" { row("ask") } else { "" };
        for field in fields.keys() {
            let everyones = ["seq", "t_ns", "source", "guest_ns", "kind"].contains(&&**field)
                || field == "card" && matches!(event.what, What::Card { .. });
            let name = format!("`{field}`");
            assert!(
                everyones || about_itself.contains(&name) || asked.contains(&name),
                "EVENTS.md does not tell what `{field}` of {kind} is"
            );
        }
    }
}

#[test]
fn each_kind_has_words() {
    for event in one_of_each() {
        let json = serde_json::to_value(&event).expect("JSON");
        let kind = json["kind"].as_str().expect("a kind");
        let line = super::words::line(&event);
        // What has no words of its own is told as `kind field=value`.
        let bare =
            line.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.contains('='));
        assert!(!line.is_empty() && !bare, "{kind} has no words: {line}");
    }
}
