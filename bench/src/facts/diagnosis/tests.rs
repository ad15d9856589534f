use guest_protocol::{GuestEvent, LoaderOutcome, Question};
use iwl_card::{CardEvent, Cause as CardCause, Image, Irq, Outcome, Space, Wrong};

use super::*;
use crate::facts::accel::Accel;
use crate::facts::derive::{Seat, derive};
use crate::facts::driver::IWLWIFI;
use crate::facts::missing::{Held, HeldUntil};
use crate::facts::timeline::{Source, Tag};

const FIRST: &str = "iwlwifi-7260-17.ucode";
const SLOT: &str = "0000:01:00.0";

fn card(event: CardEvent) -> What {
    What::Card { card: "7260".into(), event }
}
fn fault(name: &str) -> What {
    card(CardEvent::FaultInjected { fault: name.to_owned().into() })
}
fn rf_kill() -> What {
    card(CardEvent::RfKillSwitched { on: true })
}
fn read(value: u32) -> What {
    let (space, reg) = (Space::Csr, "CSR_GP_CNTRL".into());
    card(CardEvent::RegRead { space, reg, value, outcome: Outcome::Implemented })
}
fn uploaded(index: u32) -> What {
    card(CardEvent::SectionUploaded { image: Image::Init, index, dst: Some(0), len: 256 })
}
fn released() -> What {
    card(CardEvent::CpuReleased { image: Image::Init, sections: 2, bytes: 512, api: Some(17) })
}
fn alive(valid: bool) -> What {
    card(CardEvent::Alive { image: Image::Init, valid })
}
fn interrupt(cause: CardCause) -> What {
    let names = vec![cause];
    card(CardEvent::Interrupt { irq: Irq::Msi, causes: 0, fh_causes: None, names })
}
fn log(level: u8, text: &str) -> What {
    What::Guest(GuestEvent::KernelLog {
        seq: 0,
        level: Some(level),
        text: format!("iwlwifi {SLOT}: {text}"),
    })
}
fn file(name: &str) -> Question {
    Question::FirmwareLookup { path: name.into() }
}
fn asked(question: Question) -> What {
    What::Ask { kind: Tag::default(), id: 1, question }
}
fn refused(name: &str) -> What {
    let (kind, question) = (Tag::default(), file(name));
    What::Answer { kind, id: 1, question, answer: "errno", value: Some(2) }
}
fn given(name: &str) -> What {
    What::Guest(GuestEvent::FirmwareRead { path: name.into(), bytes: 1 })
}
fn module() -> What {
    let argv = vec!["modprobe".into(), "iwlmvm".into()];
    asked(Question::Module { argv, module: "iwlmvm".into() })
}
fn modprobe(outcome: LoaderOutcome, stderr: &str) -> What {
    let argv = vec!["modprobe".into(), "-q".into(), "--".into(), "iwlmvm".into()];
    What::Guest(GuestEvent::ModuleLoaderExit { id: 1, argv, outcome, stderr: stderr.into() })
}

fn look(what: Vec<What>, own: Own) -> Option<Diagnosis> {
    look_in(what, own, &["iwlwifi".to_owned(), "iwldvm".to_owned()])
}

fn look_in(what: Vec<What>, own: Own, modules: &[String]) -> Option<Diagnosis> {
    with_facts(what, own, modules, "", diagnose)
}

fn with_facts(
    what: Vec<What>,
    own: Own,
    modules: &[String],
    console: &str,
    look: impl Fn(&Facts<'_>) -> Option<Diagnosis>,
) -> Option<Diagnosis> {
    let event = |(seq, what)| Event::sample(seq as u64, Source::Bench, what);
    let events: Vec<_> = what.into_iter().enumerate().map(event).collect();
    let seats = [Seat { card: "7260".into(), slot: SLOT.into() }];
    let files = [("iwlwifi-7260-16.ucode".to_owned(), Some("API 16, wants 17".to_owned()))];
    look(&Facts {
        events: &events,
        milestones: &derive(&events, &IWLWIFI, &seats),
        driver: "iwlwifi",
        card: "7260",
        slot: SLOT,
        opmode: "iwlmvm",
        files: &files,
        modules,
        own,
        fell_short: false,
        missing: &[],
        held: &[],
        at_work: false,
        console,
        accel: Accel::Tcg,
        added: &[],
        description: &IWLWIFI,
    })
}

fn line(what: Vec<What>) -> String {
    look(what, Own::default()).map(|diagnosis| diagnosis.line()).unwrap_or_default()
}

#[test]
fn each_fault_of_the_card_has_its_sentence() {
    for a_fault in Fault::all() {
        let own = |what: Vec<What>| [what, vec![fault(a_fault.name())]].concat();
        let (events, want) = match a_fault {
            Fault::ClockNeverReady => (own(vec![read(0)]), "MAC clock does not become ready"),
            Fault::NicNeverReady => (own(vec![read(0)]), "NIC_READY"),
            Fault::NeverAlive | Fault::AliveHeld => {
                (own(vec![released()]), "no ALIVE after the INIT ucode was released")
            }
            Fault::AliveInvalid => {
                (own(vec![released(), alive(false)]), "the INIT ucode's ALIVE says that it is not")
            }
            Fault::NoFhTx => (own(vec![uploaded(0)]), "section 0 of the INIT ucode was uploaded"),
            Fault::HwErrorAfterAlive => {
                (own(vec![released(), alive(true), interrupt(CardCause::HwErr)]), "HW_ERR")
            }
            Fault::NoCalibration => (own(vec![released(), alive(true)]), "no INIT_COMPLETE_NOTIF"),
            Fault::RfKill => (own(vec![read(0)]), "RF-kill switch is on"),
            Fault::SpuriousInterrupt { .. } => (own(vec![read(0)]), "without a cause"),
            Fault::UnknownCause { .. } => (own(vec![read(0)]), "a cause that no driver knows"),
            Fault::LostInterrupt { .. } => {
                (own(vec![uploaded(1)]), "an interrupt does not reach the driver after section 1")
            }
            Fault::LostInterrupts { .. } => (
                own(vec![released(), alive(true)]),
                "interrupts do not reach the driver after the INIT",
            ),
            Fault::DmaFault { .. } => {
                let event = CardEvent::DmaFault { addr: 0x1000, len: 8, during: "reading" };
                (own(vec![card(event)]), "DMA fault at 0x1000: reading, 8 bytes")
            }
            Fault::AllOnes { .. } => {
                (own(vec![read(1), read(!0), read(!0), read(!0)]), "registers read as all ones")
            }
            Fault::UcodeError { .. } => (
                own(vec![released(), alive(true), interrupt(CardCause::SwErr)]),
                "the INIT ucode (API 17) reports an error (SW_ERR)",
            ),
            Fault::NvmSectionAbsent { .. } => {
                (own(vec![read(0)]), "a section of the card's NVM is not there")
            }
            Fault::NvmOld => (own(vec![read(0)]), "of an older version than the driver takes"),
            Fault::NvmMac { .. } => (own(vec![read(0)]), "holds no valid MAC address"),
            Fault::NvmChecksum => (own(vec![read(0)]), "its check bits cannot correct"),
            Fault::ImlRefused => (own(vec![read(0)]), "does not take the image loader (IML)"),
            Fault::NoPnvmComplete => (own(vec![read(0)]), "no PNVM_INIT_COMPLETE_NTFY"),
            Fault::NoResetDone => (own(vec![read(0)]), "does not answer that it is about"),
            Fault::LostVector { .. } => (
                own(vec![released(), alive(true)]),
                "the interrupts of a vector of MSI-X do not reach the driver after the INIT",
            ),
            Fault::EarlyVector { .. } => (own(vec![read(0)]), "no receive queues yet"),
            Fault::RestlessVector { .. } => (own(vec![read(0)]), "sets up its receive queues too"),
        };
        let probed = [vec![read(0)], events].concat();
        let said = line(probed.clone());
        assert!(said.contains(want), "{a_fault}: {said}");
        let by = format!("as the card's fault {} has it", a_fault.name());
        assert!(said.contains(&by), "{a_fault}: {said}");
        let own = Own { card: true, ..Own::default() };
        assert_eq!(look(probed, own), None, "{a_fault}: the scenario's own is no cause");
    }
}

fn trouble(trouble: Trouble, text: &str) -> What {
    What::Bench(BenchEvent::KernelTrouble { trouble, text: text.to_owned() })
}

const WARNING: &str = "WARNING: drivers/net/wireless/intel/iwlwifi/pcie/gen1_2/trans.c:2386 at \
                       _iwl_trans_pcie_grab_nic_access+0xf1/0x150 [iwlwifi], CPU#0: modprobe/122";

fn look_at_trouble(what: Vec<What>, seq: u64, own: Own) -> Option<Diagnosis> {
    with_facts(what, own, &[], "", |facts| diagnose_trouble(facts, seq))
}

#[test]
fn a_warning_about_a_card_that_fails_is_the_cards() {
    let gone =
        || vec![read(0), asked(file(FIRST)), given(FIRST), module(), fault("all-ones"), read(!0)];
    let told = || trouble(Trouble::Warning, WARNING);
    let all = [gone(), vec![told(), read(!0)]].concat();
    let found = look_at_trouble(all.clone(), 6, Own::default()).expect("a cause");
    assert_eq!(found.cause, "card-gone");
    assert_eq!(found.events, [4, 5, 6]);
    let said = found.line();
    assert!(said.ends_with("all ones, as the card's fault all-ones has it"), "{said}");

    // What the scenario does to its card is no cause; the complaint is one.
    let own = Own { card: true, ..Own::default() };
    let found = look_at_trouble(all, 6, own).expect("a cause");
    assert_eq!(found.cause, "warning");
    let said = found.line();
    assert!(
        said.starts_with(
            "the guest's kernel reported a WARNING in _iwl_trans_pcie_grab_nic_access \
             [iwlwifi], after \"opmode asked for: iwlmvm\""
        ),
        "{said}"
    );
    assert_eq!(look_at_trouble(gone(), 3, Own::default()), None, "no complaint");
}

#[test]
fn an_oops_is_its_own_cause() {
    let oops = "BUG: kernel NULL pointer dereference, address: 0000000000000020";
    let kernel = |text: &str| {
        What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(4), text: text.to_owned() })
    };
    let what = vec![
        read(0),
        asked(file(FIRST)),
        given(FIRST),
        trouble(Trouble::Oops, oops),
        kernel(oops),
        kernel("Workqueue: events request_firmware_work_func"),
        kernel("RIP: 0010:iwl_req_fw_callback+0x12e9/0x2c30 [iwlwifi]"),
    ];
    let found = look_at_trouble(what, 3, Own::default()).expect("a cause");
    assert_eq!((&*found.cause, found.events.as_slice()), ("oops", &[3][..]));
    assert_eq!(
        found.line(),
        format!(
            "the guest's kernel reported an oops in iwl_req_fw_callback [iwlwifi], after \
             \"firmware given: {FIRST}, 1 bytes\": {oops}; its trace is in dmesg.txt"
        )
    );
    let kasan = "BUG: KASAN: slab-use-after-free in iwl_req_fw_callback+0x1/0x2 [iwlwifi]";
    assert_eq!(place_of(kasan, &[]).as_deref(), Some("iwl_req_fw_callback [iwlwifi]"));
    let old = "WARNING: CPU: 0 PID: 9 at drivers/net/x.c:1 iwl_y+0x1/0x2 [iwlmvm]";
    assert_eq!(place_of(old, &[]).as_deref(), Some("iwl_y [iwlmvm]"));
    assert_eq!(place_of("INFO: task kworker/0:1:9 blocked", &[]), None);
    let leak = "kmemleak: unreferenced object 0xffff888003a4 (size 192):";
    let log = [
        leak,
        "kmemleak:   comm \"modprobe\", pid 54, jiffies 4294670000",
        "kmemleak:   backtrace (crc 5a):",
        "kmemleak:     __kmalloc_noprof+0x1/0x2",
        "kmemleak:     iwl_drv_start+0x3/0x4 [iwlwifi]",
        "kmemleak:     iwl_pci_probe+0x3/0x4 [iwlwifi]",
    ];
    let place = |log: &[&str]| {
        let event = |text: &&str| {
            let (seq, t_ns, source, guest_ns) = (0, 0, Source::Bench, None);
            Event { seq, t_ns, source, guest_ns, what: kernel(text) }
        };
        place_of(leak, &log.iter().map(event).collect::<Vec<_>>())
    };
    assert_eq!(place(&log).as_deref(), Some("iwl_drv_start [iwlwifi]"));
    assert_eq!(place(&log[..4]), None, "the kernel's own");
}

#[test]
fn why_a_guest_does_not_come_up() {
    for (console, cause, said) in [
        ("", "silent-at-boot", "under TCG, and its console is silent; is it a bzImage"),
        (
            "[ 1.0] Initramfs unpacking failed: invalid magic\n[ 2.0] Kernel panic - not \
             syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "image-unusable",
            "\"Initramfs unpacking failed: invalid magic\"; `iwlbench image -o FILE`",
        ),
        (
            "[ 2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on \"\"",
            "no-initramfs",
            "CONFIG_BLK_DEV_INITRD",
        ),
        ("[ 2.0] Failed to execute /init (error -8)", "agent-unusable", "CONFIG_BINFMT_ELF"),
        (
            "iwlbench-agent: fatal: no port",
            "agent-failed",
            "gives up: \"iwlbench-agent: fatal: no port\"; the kernel lacks",
        ),
        (
            "x\n[ 2.0] Kernel panic - not syncing: bad",
            "panic-at-boot",
            "\"Kernel panic - not syncing: bad\"; its trace",
        ),
        ("[ 2.0] something", "not-booted", "did not come up within 9 s; console.log"),
    ] {
        let line = "the guest did not come up within 9 s";
        let look = |facts: &Facts<'_>| Some(diagnose_boot(facts, line));
        let found = with_facts(Vec::new(), Own::default(), &[], console, look);
        let found = found.expect("always one");
        assert_eq!(found.cause, cause, "{console}");
        assert!(found.line().contains(said), "{console}: {}", found.line());
    }
    let under_kvm =
        |facts: &Facts<'_>| Some(diagnose_boot(&Facts { accel: Accel::Kvm, ..*facts }, ""));
    let found = with_facts(Vec::new(), Own::default(), &[], "", under_kvm).expect("always one");
    assert!(found.line().contains("come up under KVM"), "{}", found.line());
    assert!(found.line().ends_with("whether KVM or the kernel is at fault"), "{}", found.line());
}

/// What was to come and did not has its cause in what the scenario has broken, of whichever card.
#[test]
fn a_hand_over_that_falls_short_has_a_cause_that_is_the_scenarios_own() {
    let of = |name: &str, event: CardEvent| What::Card { card: name.into(), event };
    let valid = |valid| CardEvent::Alive { image: Image::Init, valid };
    let told = |fell_short: bool, name: &'static str, slot: &'static str| {
        let events =
            vec![read(0), of("7260", valid(true)), of("7260-2", valid(false)), log(3, "mine: -5")];
        let own = Own { card: true, ..Own::default() };
        with_facts(events, own, &[], "", |facts| {
            diagnose(&Facts { card: name, slot, fell_short, ..*facts })
        })
    };
    assert_eq!(told(false, "7260-2", "0000:02:00.0"), None, "it is what the scenario wants");
    let found = told(true, "7260-2", "0000:02:00.0").expect("a cause");
    assert_eq!(found.line(), "card 7260-2: the INIT ucode's ALIVE says that it is not valid");
    let first = told(true, "7260", SLOT).map(|found| found.cause);
    assert_ne!(first.as_deref(), Some("alive-invalid"), "that one is well");
}

/// On a machine under load the driver hears of the end that its own NMI has made.
#[test]
fn an_error_that_the_driver_has_forced_is_no_cause() {
    let nmi = || {
        let (space, reg) = (Space::Prph, "DEVICE_SET_NMI_REG".into());
        card(CardEvent::RegWrite { space, reg, value: 0x80, outcome: Outcome::Implemented })
    };
    let error = || interrupt(CardCause::SwErr);
    let forced = || vec![released(), fault("never-alive"), nmi(), error()];
    let silent = look([forced(), forced()].concat(), Own::default()).expect("a cause");
    assert_eq!(silent.cause, "no-alive");
    let own = look(vec![released(), alive(true), error(), nmi()], Own::default());
    assert_eq!(own.expect("a cause").cause, "ucode-error");
    let later = look([forced(), vec![released(), alive(true), error()]].concat(), Own::default());
    assert_eq!(later.expect("a cause").cause, "ucode-error");
}

#[test]
fn what_the_driver_gave_up_with_is_quoted() {
    let silent = || vec![released(), fault("never-alive")];
    let log = vec![
        log(3, "Failed to run INIT ucode: -110"),
        log(3, "0x00000000 | FSEQ_CLASS_TP_VERSION"),
        log(3, "retry init count 2"),
        log(4, "Collecting data: -5"),
    ];
    let found = look([vec![read(0)], silent(), silent(), silent(), log].concat(), Own::default());
    let found = found.expect("a cause");
    assert_eq!(
        found.line(),
        "no ALIVE after the INIT ucode was released, three times, as the card's fault \
         never-alive has it; the driver says \"Failed to run INIT ucode: -110\""
    );
    assert_eq!((&*found.cause, found.events), ("no-alive", vec![1, 2, 3, 5]));
}

#[test]
fn firmware_that_the_driver_does_not_get_or_not_take() {
    let names = [FIRST, "iwlwifi-7260-16.ucode"];
    let missing = names.iter().flat_map(|name| [asked(file(name)), refused(name)]);
    let said = line([read(0)].into_iter().chain(missing).collect());
    let want = "no firmware file for the driver: iwlwifi-7260-17.ucode to \
                iwlwifi-7260-16.ucode refused with ENOENT";
    assert_eq!(said, want);
    let said = line(vec![read(0), asked(file(names[1])), given(names[1])]);
    assert!(
        said.starts_with("the driver rejected iwlwifi-7260-16.ucode: API 16, wants 17;"),
        "{said}"
    );
    assert!(line(vec![read(0), asked(file(FIRST))]).contains("has no answer"));
    assert_eq!(line(vec![read(0), asked(file(FIRST)), given(FIRST), module()]), {
        "modprobe iwlmvm, started by the kernel, does not end"
    });
}

#[test]
fn a_loader_that_waits_for_user_space() {
    let device = |action: &str, name: &str| {
        What::Guest(GuestEvent::Uevent {
            action: action.into(),
            devpath: format!("/devices/pci0000:00/0000:01:00.0/firmware/{name}"),
            subsystem: Some("firmware".into()),
            driver: None,
            interface: None,
            pci_slot: None,
        })
    };
    let own = Own { firmware: true, ..Own::default() };
    let names = [FIRST, "iwlwifi-7260-16.ucode"];
    let waits = |count: usize, step_ns: u64| {
        let each = names[..count].iter().flat_map(|name| {
            [asked(file(name)), refused(name), device("add", name), device("remove", name)]
        });
        let what: Vec<_> = [read(0)].into_iter().chain(each).collect();
        with_facts(what, own, &[], "", |facts| {
            let mut events = facts.events.to_vec();
            events.iter_mut().for_each(|event| event.t_ns *= step_ns);
            diagnose(&Facts { events: &events, ..*facts })
        })
    };
    let one = waits(1, 60_000_000_000).expect("a cause");
    assert_eq!(one.cause, "firmware-fallback");
    assert!(one.sentence.starts_with("no iwlwifi-7260-17.ucode: the kernel's loader waited 60 s"));
    let both = waits(2, 60_000_000_000).expect("a cause").sentence;
    assert!(
        both.starts_with(
            "no iwlwifi-7260-17.ucode to iwlwifi-7260-16.ucode: the kernel's loader waited 120 s"
        ),
        "{both}"
    );
    assert_eq!(waits(1, 1000), None, "nobody feels that");
}

#[test]
fn an_opmode_that_does_not_come() {
    let ended = |outcome, stderr: &str| line(vec![read(0), module(), modprobe(outcome, stderr)]);
    let exited = |status| LoaderOutcome::Exited { status };
    let fatal = "modprobe: FATAL: Module iwlmvm not found";
    assert_eq!(
        ended(exited(1), fatal),
        "iwlmvm is not in the image: modprobe says \"FATAL: Module iwlmvm not found\""
    );
    assert_eq!(ended(LoaderOutcome::Killed { signal: 9 }, ""), "modprobe iwlmvm died of signal 9");
    assert!(ended(LoaderOutcome::NoModprobe, "").starts_with("no modprobe in the guest"));
}

#[test]
fn an_image_that_is_not_whole_does_not_start() {
    let missing = || {
        let (image, how) = (Image::Init, Wrong::Missing);
        card(CardEvent::SectionWrong { image, index: 1, how })
    };
    let said = line(vec![read(0), uploaded(0), released(), missing()]);
    assert!(
        said.starts_with("section 1 of the INIT ucode did not come: it does not start;"),
        "{said}"
    );
    assert_eq!(line(vec![read(0), missing(), released(), alive(true)]), "");
}

/// Of an image that was given nobody knows what is in it.
#[test]
fn what_modprobe_says_of_itself() {
    let loaded = What::Guest(GuestEvent::ModuleLoad { module: "iwldvm".into() });
    let ended = |outcome, stderr: &str| {
        let events = vec![read(0), loaded.clone(), module(), modprobe(outcome, stderr)];
        look_in(events, Own::default(), &[]).expect("a cause").line()
    };
    let said = ended(LoaderOutcome::Answered { status: 0 }, "");
    assert!(said.starts_with("modprobe iwlmvm said that all was well, and did not"), "{said}");
    let said = ended(LoaderOutcome::Exited { status: 1 }, "x\nmodprobe: ERROR: y\n");
    assert_eq!(said, "modprobe iwlmvm failed, exit status 1: modprobe says \"ERROR: y\"");
    let request = GuestEvent::ModuleRequest {
        module: "iwlmvm".into(),
        wait: false,
        call_site: String::new(),
    };
    let said = line(vec![read(0), What::Guest(request)]);
    assert!(said.contains("the kernel starts no modprobe"), "{said}");
}

#[test]
fn a_driver_that_does_not_come() {
    let loaded = What::Guest(GuestEvent::ModuleLoad { module: IWLWIFI.module.into() });
    assert!(line(vec![]).starts_with("iwlwifi was not loaded"));
    assert!(line(vec![loaded]).starts_with("iwlwifi is loaded and does not touch the card"));
}

#[test]
fn a_hand_over_that_is_whole_has_no_cause() {
    let load = What::Guest(GuestEvent::ModuleLoad { module: "iwlmvm".into() });
    let whole = vec![
        read(0),
        asked(file(FIRST)),
        given(FIRST),
        module(),
        load,
        modprobe(LoaderOutcome::Exited { status: 0 }, ""),
        uploaded(0),
        released(),
        alive(true),
    ];
    assert_eq!(look(whole, Own::default()), None);
}

/// What the run was like when it ended.
#[derive(Default)]
struct End {
    missing: &'static [&'static str],
    held: Vec<Held>,
    at_work: bool,
    own: Own,
}

fn look_at_end(what: Vec<What>, end: &End) -> Option<Diagnosis> {
    let missing: Vec<_> = end.missing.iter().map(|kind| Missing::of(kind)).collect();
    let fell_short = missing.iter().any(Missing::is_of_a_hand_over);
    with_facts(what, end.own, &["iwlmvm".to_owned()], "", |facts| {
        let (missing, held, at_work) = (missing.as_slice(), end.held.as_slice(), end.at_work);
        diagnose(&Facts { missing, held, at_work, fell_short, ..*facts })
    })
}

#[test]
fn what_a_gate_holds_is_no_drivers_fault() {
    let held = |until| Held { name: "iwlmvm".into(), is_module: true, until };
    let cause = |missing: &'static [&'static str], until| {
        let end = End { missing, held: vec![held(until)], ..End::default() };
        let found = look_at_end(vec![read(0), asked(file(FIRST)), given(FIRST), module()], &end);
        found.map(|found| (found.cause.clone(), found.line(), found.events))
    };
    let (word, line, events) =
        cause(&["netdev-registered"], HeldUntil::Release).expect("it is the gate");
    assert_eq!((word.as_str(), events), (HELD_BY_GATE, vec![3]));
    assert_eq!(
        line,
        "the gate holds the request for iwlmvm until a release, and no step has let it go; \
         `do = { release = \"iwlmvm\" }` comes before what comes of it"
    );
    let until = |kind: &str| HeldUntil::Milestone { kind: kind.into(), words: kind.into() };
    let word = |missing, until| cause(missing, until).map(|(word, ..)| word);
    assert_eq!(word(&["modprobe-ended"], HeldUntil::Never).as_deref(), Some(HELD_BY_GATE));
    // That it comes of itself is the scenario's; that the driver does not come so far is the driver's.
    assert_eq!(word(&["alive"], until("netdev-registered")).as_deref(), Some(HELD_BY_GATE));
    assert_eq!(word(&["alive"], until("bound")).as_deref(), Some("hold-not-over"));
    // Who waits for modprobe though he should not is to blame for that.
    assert_eq!(word(&["unbound"], HeldUntil::Release), None);
    let held = Held { name: FIRST.into(), is_module: false, until: HeldUntil::Release };
    let end = End { held: vec![held], ..End::default() };
    assert_eq!(
        look_at_end(vec![read(0), asked(file(FIRST))], &end),
        None,
        "what did not rest is told"
    );
}

#[test]
fn what_was_not_waited_for_has_not_failed() {
    let cause = |what: Vec<What>, at_work| {
        let what = [vec![read(0)], what].concat();
        look_at_end(what, &End { at_work, ..End::default() }).map(|found| found.cause)
    };
    let requested = || {
        What::Guest(GuestEvent::ModuleRequest {
            module: "iwlmvm".into(),
            wait: false,
            call_site: String::new(),
        })
    };
    let load = || What::Guest(GuestEvent::ModuleLoad { module: "iwlmvm".into() });
    for (what, in_the_end) in [
        (vec![requested()], "no-module-loader"),
        (vec![requested(), module()], "modprobe-hangs"),
        (vec![asked(file(FIRST))], "firmware-unanswered"),
        (vec![asked(file(FIRST)), given(FIRST)], "firmware-rejected"),
    ] {
        assert_eq!(cause(what.clone(), false).as_deref(), Some(in_the_end));
        assert_eq!(cause(what, true).as_deref(), Some(ENDED_EARLY), "{in_the_end}");
    }
    let started = || vec![requested(), module(), load(), uploaded(0), released()];
    assert_eq!(cause(started(), true), None, "its ALIVE may come yet");
    assert_eq!(cause(started(), false).as_deref(), Some("no-alive"));
    let gave_up = [started(), vec![log(3, "Failed to run INIT ucode: -110")]].concat();
    assert_eq!(cause(gave_up, true).as_deref(), Some("no-alive"), "the driver waits no longer");
}

#[test]
fn a_step_that_a_broken_card_fails_has_its_cause_there() {
    let own = Own { card: true, ..Own::default() };
    let what =
        vec![read(0), released(), fault("never-alive"), log(3, "Failed to start RT ucode: -110")];
    let found = look_at_end(what.clone(), &End { missing: &["link-up"], own, ..End::default() });
    let line = found.expect("the card").line();
    assert!(
        line.starts_with("no ALIVE after the INIT ucode was released, as the card's fault"),
        "{line}"
    );
    assert!(line.ends_with("the driver says \"Failed to start RT ucode: -110\""), "{line}");
    assert_eq!(look_at_end(what, &End { own, ..End::default() }), None, "it is what it wants");
    let well = vec![read(0), released(), alive(true), asked(file(FIRST))];
    let end = End { missing: &["link-up"], ..End::default() };
    assert_eq!(look_at_end(well, &end), None, "its error is all there is to say");
}

#[test]
fn a_cause_that_came_with_another_is_one() {
    let read = |value: u32| {
        let (space, reg) = (Space::Csr, "CSR_INT".into());
        card(CardEvent::RegRead { space, reg, value, outcome: Outcome::Implemented })
    };
    let cause = |value: u32| {
        let what = vec![read(0), released(), alive(true), interrupt(CardCause::Alive), read(value)];
        let end = End { missing: &["link-up"], ..End::default() };
        look_at_end(what, &end).map(|found| found.cause)
    };
    assert_eq!(cause(0xa000_0001).as_deref(), Some("hardware-error"));
    assert_eq!(cause(0x8200_0001).as_deref(), Some("ucode-error"));
    assert_eq!(cause(0x8000_0001), None);
}

#[test]
fn a_probe_that_fails() {
    let kernel = |level, text: &str| {
        What::Guest(GuestEvent::KernelLog { seq: 0, level: Some(level), text: text.into() })
    };
    let config = "iwlwifi: No config found for PCI dev 272b/00f0, rev=0x472, rfid=0x112200";
    let of_6_1 = format!("iwlwifi: probe of {SLOT} failed with error -22");
    let of_7_3 = format!("iwlwifi {SLOT}: probe with driver iwlwifi failed with error -22");
    for (level, failed) in [(4, &of_6_1), (3, &of_7_3)] {
        let found = look(vec![read(0), kernel(3, config), kernel(level, failed)], Own::default());
        let found = found.expect("a cause");
        assert_eq!((&*found.cause, found.events.as_slice()), ("probe-failed", &[0, 2][..]));
        assert_eq!(
            found.line(),
            format!(
                "iwlwifi does not take the card: its probe of {SLOT} failed, EINVAL; the driver says \
                 \"No config found for PCI dev 272b/00f0, rev=0x472, rfid=0x112200\""
            )
        );
    }
    assert_eq!(failed_probe(&of_7_3, "0000:02:00.0"), None, "another card");
    // One's own, in a scenario that moves its switch later, or has done so.
    let card = Own { card: true, ..Own::default() };
    let own = kernel(3, &format!("my_card {SLOT}: probe with driver my_card failed with error -5"));
    let line = look(vec![read(0), own.clone(), rf_kill()], card).expect("a cause").line();
    assert_eq!(line, format!("my_card does not take the card: its probe of {SLOT} failed, EIO"));
    assert_eq!(look(vec![read(0), rf_kill(), own], card), None, "it may be what it wants");
    assert_eq!(failed_probe("usb 1-1: device descriptor read failed with error -22", SLOT), None);
}

#[test]
fn a_file_without_a_byte() {
    let (kind, question) = (Tag::default(), file(FIRST));
    let empty = What::Answer { kind, id: 1, question, answer: "file", value: Some(0) };
    let said =
        line(vec![read(0), asked(file(FIRST)), empty, log(3, "iwlwifi-7260-17 is required")]);
    assert!(
        said.starts_with("iwlwifi-7260-17.ucode has 0 bytes: the kernel's loader takes no"),
        "{said}"
    );
    assert!(
        said.contains("(EINVAL)") && said.ends_with("\"iwlwifi-7260-17 is required\""),
        "{said}"
    );
}

#[test]
fn a_dump_is_not_the_drivers_last_word() {
    let mut what = vec![read(0), asked(file(FIRST)), refused(FIRST)];
    what.push(log(3, "iwlwifi-7260-17 is required"));
    for dumped in [
        "iwlwifi root port (0000:00:02.0) AER cap structure:",
        "00000000: 00010001 00000000 00000000 00462030",
        "0x00000084 | NMI_INTERRUPT_UNKNOWN",
        "iwlwifi transaction failed, dumping registers",
        "WFPM_MAC_OTP_CFG7_DATA: 0x0",
    ] {
        what.push(log(3, dumped));
    }
    let said = line(what);
    assert!(said.ends_with("\"iwlwifi-7260-17 is required\""), "{said}");
}
