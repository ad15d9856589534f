//! Why a run failed, in a sentence: what of the hand-over did not come, and what stood in its way.
//!
//! Told from typed events; the kernel's log is only quoted. What a scenario sets itself, as a card
//! that fails or a rule of a gate, is no cause: it failed because something else is not as it should
//! be. Causes are looked for from the end of the hand-over: the later a step, the more was well
//! before it.
//!
//! A WARNING is how the driver complains of its card: where that is seen to fail, it is the cause. Any
//! other complaint of the kernel's is one itself, as is the end of a guest that never came up.

mod blocked;

use guest_protocol::{GuestEvent, LoaderOutcome};
use iwl_card::{CardEvent, Cause as CardCause, Fault, Image, OpMode, Space, Wrong};
use serde::{Deserialize, Serialize};

use crate::facts::accel::Accel;
use crate::facts::driver::{self, Driver};
use crate::facts::milestone::{Milestone, Reached, Unbinder};
use crate::facts::seen::{self, Seen};
use crate::facts::timeline::{BenchEvent, Event, What, seconds};
use crate::facts::trouble::Trouble;

/// What a run failed of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What kind of cause: the same word for the same cause, to group runs by.
    pub cause: String,
    /// What happened, in a sentence without its full stop.
    pub sentence: String,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The driver's last error after it, as the kernel's log has it: for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The events that show it, by their `seq`.
    pub events: Vec<u64>,
}

impl Diagnosis {
    /// In a line.
    pub fn line(&self) -> String {
        let mut line = self.sentence.clone();
        if let Some(log) = &self.log {
            line += &format!("; the driver says \"{log}\"");
        }
        if let Some(remedy) = &self.remedy {
            line += &format!("; {remedy}");
        }
        line
    }
}

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// In their final order.
    pub events: &'a [Event],
    /// Derived from them.
    pub milestones: &'a [Reached],
    /// The driver's module.
    pub driver: &'a str,
    /// The card's name.
    pub card: &'a str,
    /// Where the guest sees it.
    pub slot: &'a str,
    /// The opmode that its firmware leads to.
    pub opmode: &'a str,
    /// Each file on offer, by name, and why its driver does not take it, if so.
    pub files: &'a [(String, Option<String>)],
    /// The modules in the image; none if it was given.
    pub modules: &'a [String],
    /// What the scenario has broken itself.
    pub own: Own,
    /// A step of the hand-over was to come and did not: then what the scenario has broken itself is a
    /// cause as any other.
    pub fell_short: bool,
    /// The end of the serial console.
    pub console: &'a str,
    /// What ran the guest's CPU.
    pub accel: Accel,
    /// The driver under test.
    pub description: &'a Driver,
}

/// What a scenario breaks by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own {
    /// The card.
    pub card: bool,
    /// Its firmware files.
    pub firmware: bool,
    /// The modules, or who loads them.
    pub modules: bool,
}

/// The cause of a failed run, if one is seen.
pub fn diagnose(facts: &Facts<'_>) -> Option<Diagnosis> {
    let own = if facts.fell_short { Own::default() } else { facts.own };
    let of_modules = || no_opmode(facts);
    let of_firmware = || no_firmware(facts);
    let false_alarm = facts.description.verifies.then(|| false_alarm(facts)).flatten();
    let found = false_alarm.or_else(|| of_card(facts));
    let found = found.or_else(|| (!own.modules).then(of_modules).flatten());
    let of_driver = || silent(facts).or_else(|| unbind_waits(facts));
    let found = found.or_else(|| (!facts.description.is_stock()).then(of_driver).flatten());
    // What nobody brings may be the scenario's; that the loader waits for it is the kernel's.
    let found = found.or_else(|| sysfs_fallback(facts));
    let found = found.or_else(|| (!own.firmware).then(of_firmware).flatten());
    let found = found.or_else(|| (!own.modules).then(|| no_probe(facts)).flatten());
    let found = found.or_else(|| (!facts.own.card).then(|| needless(facts)).flatten());
    found.map(|found| found.diagnosis(facts))
}

/// The cause of the kernel's complaint that this event is: the card, if it is a WARNING and the card
/// fails; else the complaint, with the place and what went before it.
pub fn diagnose_trouble(facts: &Facts<'_>, seq: u64) -> Option<Diagnosis> {
    let at = facts.events.iter().position(|event| event.seq == seq)?;
    let What::Bench(BenchEvent::KernelTrouble { trouble, text }) = &facts.events[at].what else {
        return None;
    };
    let found = match trouble {
        Trouble::Warning => of_card(facts),
        Trouble::Hang => deadlock(facts),
        _ => None,
    };
    let mut found = match found {
        Some(found) => found,
        None => {
            let place = place_of(text, &facts.events[at..]);
            let place = place.map_or_else(String::new, |place| format!(" in {place}"));
            let before = facts.milestones.iter().take_while(|reached| reached.seq != seq);
            let before = before.filter(|reached| reached.milestone.is_of_the_guest());
            let after = before
                .last()
                .map_or_else(String::new, |last| format!(", after \"{}\"", last.milestone));
            let with: Vec<_> = facts.faults().map(|(_, fault)| fault).collect();
            let with = with
                .first()
                .map_or_else(String::new, |fault| format!(", with the card's fault {fault}"));
            let sentence = format!(
                "the guest's kernel reported {}{place}{after}{with}: {text}",
                trouble.words()
            );
            Found::new(trouble.into(), sentence, Vec::new())
                .remedy(format!("its trace is in {DMESG}"))
        }
    };
    found.events.push(seq);
    Some(found.diagnosis(facts))
}

/// The run's file with the kernel's log.
const DMESG: &str = "dmesg.txt";

/// What each line of a leak's begins with.
const KMEMLEAK: &str = "kmemleak: ";

/// The function that a complaint of the kernel's is about, and its module: in its first line, else in
/// the first of the lines after it that has an instruction pointer; of a leak, the first of a module's
/// that allocated it.
fn place_of(text: &str, after: &[Event]) -> Option<String> {
    // name+0x12/0x34 [module]
    fn function(text: &str) -> Option<String> {
        let mut words = text.split([' ', ',']).skip_while(|word| !word.contains("+0x"));
        let name = words.next()?.split('+').next()?.rsplit(':').next()?;
        let module = words.next().filter(|word| word.starts_with('[') && word.ends_with(']'));
        Some(module.map_or_else(|| name.to_owned(), |module| format!("{name} {module}")))
    }
    let log = after.iter().filter_map(|event| match &event.what {
        What::Guest(GuestEvent::KernelLog { text, .. }) => Some(text.as_str()),
        _ => None,
    });
    if text.starts_with(KMEMLEAK) {
        let mut trace = log.skip(1).take_while(|text| text.starts_with(KMEMLEAK));
        return trace.find(|text| text.ends_with(']')).and_then(function);
    }
    let pointer = || log.take(40).find(|text| text.starts_with("RIP: ")).and_then(function);
    function(text).or_else(pointer)
}

/// Why a guest did not come up, by what its console says; `line`: how that was noticed.
pub fn diagnose_boot(facts: &Facts<'_>, line: &str) -> Diagnosis {
    const SAID: [(&str, &str, &str, &str); 6] = [
        (
            "Initramfs unpacking failed",
            "image-unusable",
            "the kernel cannot unpack the image it was given as its initramfs",
            "`iwlbench image -o FILE` makes one that it can; a compressed one needs its CONFIG_RD_…",
        ),
        (
            "Failed to execute /init",
            "agent-unusable",
            "the kernel does not run the agent, a static x86-64 program",
            "it needs CONFIG_64BIT and CONFIG_BINFMT_ELF",
        ),
        (
            "Unable to mount root fs",
            "no-initramfs",
            "the kernel finds no initramfs, and looks for a disk to mount",
            "it needs CONFIG_BLK_DEV_INITRD, and an image with /init: `iwlbench image`",
        ),
        (
            "No working init found",
            "no-initramfs",
            "there is no /init in the image",
            "`iwlbench image -o FILE` makes one that has it",
        ),
        (
            "iwlbench-agent: fatal: ",
            "agent-failed",
            "the agent in the guest gives up",
            "the kernel lacks something that it needs: virtio-pci, virtio-console, FUSE",
        ),
        (
            "Kernel panic - not syncing",
            "panic-at-boot",
            "the kernel panics while it boots",
            "its trace is in console.log",
        ),
    ];
    let lines = || facts.console.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = SAID.iter().find_map(|known| Some((known, lines().find(|l| l.contains(known.0))?)));
    let (cause, sentence, remedy) = match said {
        Some(((words, cause, what, remedy), line)) => {
            let from = line.find(words).unwrap_or_default();
            (*cause, format!("{what}: \"{}\"", &line[from..]), *remedy)
        }
        None if lines().next().is_none() => (
            "silent-at-boot",
            match facts.accel {
                Accel::Kvm => "the kernel did not come up under KVM, and its console is silent",
                Accel::Tcg => "the kernel did not come up under TCG, and its console is silent",
            }
            .to_owned(),
            match facts.accel {
                Accel::Kvm => "--accel tcg tells whether KVM or the kernel is at fault",
                Accel::Tcg => {
                    "is it a bzImage for x86-64, with a serial console (CONFIG_SERIAL_8250_CONSOLE)?"
                }
            },
        ),
        None => ("not-booted", line.to_owned(), "console.log has what it said"),
    };
    Diagnosis {
        cause: cause.to_owned(),
        sentence,
        remedy: Some(remedy.to_owned()),
        log: None,
        events: Vec::new(),
    }
}

/// Whether the card has a part in it.
pub fn fails_of_its_card(facts: &Facts<'_>) -> bool {
    of_card(facts).is_some()
}

/// The card's part in it.
pub(super) fn of_card(facts: &Facts<'_>) -> Option<Found> {
    if facts.own.card && !facts.fell_short {
        return None;
    }
    let card: [fn(&Facts<'_>) -> Option<Found>; 15] = [
        off_the_bus,
        dma_fault,
        hardware_error,
        ucode_error,
        not_valid,
        rf_kill,
        lost_interrupts,
        loader_refused,
        section_wrong,
        no_pnvm_complete,
        no_alive,
        no_calibration,
        bad_nvm,
        upload_not_announced,
        not_ready,
    ];
    let found = card.iter().find_map(|look| look(facts))?;
    Some(match facts.has_other_cards() {
        true => Found { sentence: format!("card {}: {}", facts.card, found.sentence), ..found },
        false => found,
    })
}

/// A cause, before it is put into words.
pub(super) struct Found {
    cause: &'static str,
    sentence: String,
    remedy: Option<String>,
    events: Vec<u64>,
    /// A fault of the card's that does this.
    fault: Option<&'static str>,
}

impl Found {
    pub(super) fn new(cause: &'static str, sentence: impl Into<String>, events: Vec<u64>) -> Found {
        Found { cause, sentence: sentence.into(), remedy: None, events, fault: None }
    }

    fn by(mut self, fault: Fault) -> Found {
        self.fault = Some(fault.name());
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Found {
        self.remedy = Some(remedy.into());
        self
    }

    pub(super) fn diagnosis(self, facts: &Facts<'_>) -> Diagnosis {
        let Found { cause, mut sentence, remedy, mut events, fault } = self;
        if let Some((seq, fault)) = facts.faults().find(|(_, name)| Some(*name) == fault) {
            sentence += &format!(", as the card's fault {fault} has it");
            events.push(seq);
        }
        events.sort_unstable();
        events.dedup();
        let since = events.first().copied().unwrap_or_default();
        Diagnosis { cause: cause.to_owned(), sentence, remedy, log: facts.log(since), events }
    }
}

impl<'a> Facts<'a> {
    /// What kind of complaint of the kernel's this event is, if it is one.
    pub fn trouble(&self, seq: u64) -> Option<Trouble> {
        self.events.iter().find_map(|event| match &event.what {
            What::Bench(BenchEvent::KernelTrouble { trouble, .. }) if event.seq == seq => {
                Some(*trouble)
            }
            _ => None,
        })
    }

    /// What the card told, with its place.
    fn told(&self) -> impl DoubleEndedIterator<Item = (u64, &'a CardEvent)> + use<'a> {
        let name = self.card;
        self.events.iter().filter_map(move |event| match &event.what {
            What::Card { card, event: told } if card == name => Some((event.seq, told)),
            _ => None,
        })
    }

    fn faults(&self) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        self.told().filter_map(|(seq, event)| match event {
            CardEvent::FaultInjected { fault } => Some((seq, &**fault)),
            _ => None,
        })
    }

    fn fault(&self, fault: Fault) -> Option<u64> {
        self.faults().find(|(_, name)| *name == fault.name()).map(|(seq, _)| seq)
    }

    /// Whether there is another card than the one that this is about.
    fn has_other_cards(&self) -> bool {
        let other =
            |event: &Event| matches!(&event.what, What::Card { card, .. } if card != self.card);
        self.events.iter().any(other)
    }

    /// The last error that the driver logged of the card from this event on, without what stands before
    /// each.
    fn log(&self, since: u64) -> Option<String> {
        const ERROR: u8 = 3;
        let events = self.events.iter().rev().take_while(|event| event.seq >= since);
        let errors = events.filter_map(|event| match &event.what {
            What::Guest(GuestEvent::KernelLog { level: Some(0..=ERROR), text, .. }) => {
                let (of, text) = text.strip_prefix(self.driver)?.split_once(": ")?;
                [self.slot, ""].contains(&of.trim()).then_some(text)
            }
            _ => None,
        });
        // One that names an errno says what it gave up with; a dump of registers says nothing.
        let names_errno = |text: &&str| {
            let number = text.rsplit_once(": -").map(|(_, number)| number);
            number.is_some_and(|number| number.parse::<u8>().is_ok())
        };
        // `iwl_req_fw_callback` ends with where to look for files: advice.
        let advice = |text: &str| text.starts_with("check git://") || text.starts_with("0x");
        let last = errors.clone().find(|text| !advice(text));
        errors.clone().find(names_errno).or(last).map(str::to_owned)
    }

    pub(super) fn reached<T>(&self, what: impl Fn(&'a Milestone) -> Option<T>) -> Vec<(u64, T)> {
        let reached = self.milestones.iter();
        reached.filter_map(|r| Some((r.seq, what(&r.milestone)?))).collect()
    }
}

fn times(count: usize) -> String {
    match count {
        1 => String::new(),
        2 => ", twice".to_owned(),
        3 => ", three times".to_owned(),
        n => format!(", {n} times"),
    }
}

fn off_the_bus(facts: &Facts<'_>) -> Option<Found> {
    let reads = facts.told().rev().filter_map(|(seq, event)| match event {
        CardEvent::RegRead { space: Space::Csr, value, .. } => Some((seq, *value)),
        _ => None,
    });
    let ones: Vec<_> = reads.take_while(|(_, value)| *value == u32::MAX).collect();
    let (first, _) = *ones.last()?;
    let sentence = "the card is off the bus: its registers read as all ones";
    Some(Found::new("card-gone", sentence, vec![first]).by(Fault::AllOnes { from: 0 }))
}

fn dma_fault(facts: &Facts<'_>) -> Option<Found> {
    let (seq, sentence) = facts.told().find_map(|(seq, event)| match event {
        CardEvent::DmaFault { addr, len, during } => {
            Some((seq, format!("DMA fault at {addr:#x}: {during}, {len} bytes that are not there")))
        }
        _ => None,
    })?;
    let fault = Fault::all().find(|fault| matches!(fault, Fault::DmaFault { .. }))?;
    Some(Found::new("dma-fault", sentence, vec![seq]).by(fault))
}

fn hardware_error(facts: &Facts<'_>) -> Option<Found> {
    let seq = interrupts(facts, CardCause::HwErr).next()?;
    let sentence = "the card reports a hardware error (HW_ERR)";
    Some(Found::new("hardware-error", sentence, vec![seq]).by(Fault::HwErrorAfterAlive))
}

fn interrupts(facts: &Facts<'_>, cause: CardCause) -> impl Iterator<Item = u64> {
    facts.told().filter_map(move |(seq, event)| match event {
        CardEvent::Interrupt { names, .. } => names.contains(&cause).then_some(seq),
        _ => None,
    })
}

fn ucode_error(facts: &Facts<'_>) -> Option<Found> {
    let failed: Vec<u64> =
        interrupts(facts, CardCause::SwErr).filter(|seq| !is_forced(facts, *seq)).collect();
    let first = *failed.first()?;
    let released = facts.told().take_while(|(seq, _)| *seq < first).filter_map(|(_, event)| {
        let CardEvent::CpuReleased { image: of, api, .. } = event else { return None };
        Some(match api {
            Some(api) => format!("{of} ucode (API {api})"),
            None => format!("{of} ucode"),
        })
    });
    let whose = released.last().unwrap_or_else(|| "ucode".to_owned());
    let sentence = format!("the {whose} reports an error (SW_ERR){}", times(failed.len()));
    Some(Found::new("ucode-error", sentence, failed).by(Fault::UcodeError { api: None }))
}

/// Whether it is the driver's own NMI that an error comes of, by which it has a ucode stop that does not
/// answer (`iwl_force_nmi`).
fn is_forced(facts: &Facts<'_>, seq: u64) -> bool {
    let mut before = facts.told().rev().skip_while(|(at, _)| *at >= seq).map(|(_, event)| event);
    before.find_map(|event| match event {
        CardEvent::RegWrite { reg, .. } if NMI.contains(&&**reg) => Some(true),
        CardEvent::CpuReleased { .. } => Some(false),
        _ => None,
    }) == Some(true)
}

/// The registers that it writes for that, by generation.
const NMI: [&str; 4] = [
    "DEVICE_SET_NMI_REG",
    "UREG_NIC_SET_NMI_DRIVER",
    "UREG_DOORBELL_TO_ISR6",
    "CSR_DOORBELL_VECTOR",
];

fn not_valid(facts: &Facts<'_>) -> Option<Found> {
    let alive: Vec<_> = facts
        .told()
        .filter_map(|(seq, event)| match event {
            CardEvent::Alive { image, valid } => Some((seq, *image, *valid)),
            _ => None,
        })
        .collect();
    let (_, of, valid) = *alive.last()?;
    if valid {
        return None;
    }
    let seqs: Vec<_> = alive.iter().filter(|(.., valid)| !valid).map(|(seq, ..)| *seq).collect();
    let sentence =
        format!("the {} ucode's ALIVE says that it is not valid{}", of, times(seqs.len()));
    Some(Found::new("alive-invalid", sentence, seqs).by(Fault::AliveInvalid))
}

fn rf_kill(facts: &Facts<'_>) -> Option<Found> {
    let mut switched = facts.told().filter_map(|(seq, event)| match event {
        CardEvent::RfKillSwitched { on } => Some((seq, *on)),
        _ => None,
    });
    let switched = switched.next_back();
    let on = match switched {
        Some((seq, on)) => on.then_some(seq),
        None => facts.fault(Fault::RfKill),
    };
    let sentence = "the card's RF-kill switch is on: the driver must not use the radio";
    Some(Found::new("rf-kill", sentence, vec![on?]).by(Fault::RfKill))
}

fn lost_interrupts(facts: &Facts<'_>) -> Option<Found> {
    // Of an interrupt that does not come, only the one who keeps it back can tell.
    let lost = [
        Fault::LostInterrupt { nth: 0 },
        Fault::LostInterrupts { from: 0 },
        Fault::LostVector { vector: 0 },
    ];
    let (fault, seq) = lost.into_iter().find_map(|fault| Some((fault, facts.fault(fault)?)))?;
    let last =
        facts.told().take_while(|(at, _)| *at <= seq).filter_map(|(at, event)| match event {
            CardEvent::SectionUploaded { image: of, index, .. } => {
                Some((at, format!("section {index} of the {of} ucode was uploaded")))
            }
            CardEvent::Alive { image: of, .. } => Some((at, format!("the {of} ALIVE"))),
            CardEvent::Packet { name, .. } => Some((at, format!("the card sent {name}"))),
            _ => None,
        });
    let (at, after) =
        last.last().map_or((seq, String::new()), |(at, what)| (at, format!(" after {what}")));
    let what = match fault {
        Fault::LostInterrupt { .. } => "an interrupt does",
        Fault::LostVector { .. } => "the interrupts of a vector of MSI-X do",
        _ => "interrupts do",
    };
    let sentence = format!("{what} not reach the driver{after}");
    Some(Found::new("interrupt-lost", sentence, vec![at, seq]).by(fault))
}

/// Where the CPU is told to run, and does not get its image.
fn loader_refused(facts: &Facts<'_>) -> Option<Found> {
    let seqs: Vec<_> =
        facts.faults().filter(|(_, name)| *name == Fault::ImlRefused.name()).collect();
    let (first, _) = *seqs.first()?;
    let sentence = format!(
        "the card does not take the image loader (IML): it fetches no ucode{}",
        times(seqs.len())
    );
    Some(Found::new("iml-refused", sentence, vec![first]).by(Fault::ImlRefused))
}

/// An image that is not as its file has it: hardware does not start one.
fn section_wrong(facts: &Facts<'_>) -> Option<Found> {
    let mut wrong: Vec<(u64, String)> = Vec::new();
    for (seq, event) in facts.told() {
        match event {
            CardEvent::SectionWrong {
                image,
                index,
                how: how @ (Wrong::Altered | Wrong::Missing),
            } => {
                wrong.push((seq, format!("section {index} of the {image} ucode {how}")));
            }
            CardEvent::Alive { .. } => wrong.clear(),
            _ => {}
        }
    }
    let (_, first) = wrong.first()?;
    let sentence = format!("{first}: it does not start");
    let seqs = wrong.iter().map(|(seq, _)| *seq).collect();
    let found = Found::new("ucode-not-whole", sentence, seqs);
    Some(found.remedy("`iwlbench ucode inspect` lists a file's sections"))
}

fn no_pnvm_complete(facts: &Facts<'_>) -> Option<Found> {
    let seq = facts.fault(Fault::NoPnvmComplete)?;
    let sentence = "the firmware does not say that it has taken the platform's NVM: no \
                    PNVM_INIT_COMPLETE_NTFY";
    Some(Found::new("no-pnvm-complete", sentence, vec![seq]).by(Fault::NoPnvmComplete))
}

fn no_alive(facts: &Facts<'_>) -> Option<Found> {
    let mut silent: Vec<(u64, Image)> = Vec::new();
    for (seq, event) in facts.told() {
        match event {
            CardEvent::CpuReleased { image, .. } => silent.push((seq, *image)),
            CardEvent::Alive { .. } => silent.clear(),
            _ => {}
        }
    }
    let (_, of) = *silent.last()?;
    let sentence = format!("no ALIVE after the {} ucode was released{}", of, times(silent.len()));
    let found = Found::new("no-alive", sentence, silent.iter().map(|(seq, _)| *seq).collect());
    Some(match facts.fault(Fault::AliveHeld) {
        Some(_) => found.by(Fault::AliveHeld).remedy("`do = \"release-alive\"` lets it go"),
        None => found.by(Fault::NeverAlive),
    })
}

fn no_calibration(facts: &Facts<'_>) -> Option<Found> {
    let seq = facts.fault(Fault::NoCalibration)?;
    let awaited = match facts.description.drives(facts.opmode) {
        Some(OpMode::Dvm) => "CALIBRATION_COMPLETE_NOTIFICATION",
        Some(OpMode::Mvm | OpMode::Mld) | None => "INIT_COMPLETE_NOTIF",
    };
    let sentence = format!("the INIT ucode's calibration does not end: no {awaited}");
    Some(Found::new("no-calibration", sentence, vec![seq]).by(Fault::NoCalibration))
}

/// What a card keeps without power is not as its driver needs it.
fn bad_nvm(facts: &Facts<'_>) -> Option<Found> {
    let mut faults =
        Fault::all().filter_map(|fault| Some((fault, nvm_words(fault)?, facts.fault(fault)?)));
    let (fault, sentence, seq) = faults.next()?;
    // The card tells of what it lacks with the fault, or without: that read is the next.
    let absent = facts.told().skip_while(|(at, _)| *at <= seq).find_map(|(_, event)| match event {
        CardEvent::NvmRead { section, present, .. } => Some((section, *present)),
        _ => None,
    });
    let absent = absent.filter(|(_, present)| !present).map(|(section, _)| section);
    let which = absent.map(|section| format!(": {section}")).unwrap_or_default();
    Some(Found::new("nvm-bad", format!("{sentence}{which}"), vec![seq]).by(fault))
}

fn nvm_words(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::NvmSectionAbsent { .. } => Some("a section of the card's NVM is not there"),
        Fault::NvmOld => Some("the card's NVM is of an older version than the driver takes"),
        Fault::NvmMac { .. } => Some("the card's NVM holds no valid MAC address"),
        Fault::NvmChecksum => {
            Some("the card's OTP has an error that its check bits cannot correct")
        }
        _ => None,
    }
}

fn upload_not_announced(facts: &Facts<'_>) -> Option<Found> {
    let mut last = None;
    for (seq, event) in facts.told() {
        match event {
            CardEvent::SectionUploaded { image, index, .. } => last = Some((seq, *image, *index)),
            CardEvent::CpuReleased { .. } => last = None,
            _ => {}
        }
    }
    let (seq, of, index) = last?;
    let sentence = format!(
        "section {index} of the {of} ucode was uploaded and its interrupt (FH_TX) did not come: the \
         ucode was not released"
    );
    Some(Found::new("upload-not-announced", sentence, vec![seq]).by(Fault::NoFhTx))
}

fn not_ready(facts: &Facts<'_>) -> Option<Found> {
    let faults = [
        (
            Fault::ClockNeverReady,
            "clock-not-ready",
            "the card's MAC clock does not become ready \
          (CSR_GP_CNTRL)",
        ),
        (
            Fault::NicNeverReady,
            "card-not-ready",
            "the card does not say that it is the driver's \
          (NIC_READY in CSR_HW_IF_CONFIG_REG)",
        ),
    ];
    let mut faults = faults.into_iter();
    let (fault, cause, sentence, seq) = faults
        .find_map(|(fault, cause, sentence)| Some((fault, cause, sentence, facts.fault(fault)?)))?;
    Some(Found::new(cause, sentence, vec![seq]).by(fault))
}

/// The opmode was wanted, and is not there.
fn no_opmode(facts: &Facts<'_>) -> Option<Found> {
    let requested = facts.reached(|m| match m {
        Milestone::OpmodeRequested { module, .. } | Milestone::OpmodeAsked { module } => {
            Some(module.as_str())
        }
        _ => None,
    });
    let (since, module) = *requested.last()?;
    let loaded = facts.reached(|m| match m {
        Milestone::OpmodeLoaded { module: loaded } if loaded == module => Some(()),
        _ => None,
    });
    if !loaded.is_empty() {
        return None;
    }
    let asked = facts.reached(|m| matches!(m, Milestone::OpmodeAsked { .. }).then_some(()));
    if asked.is_empty() {
        let sentence = format!("the driver requests {module}, and the kernel starts no modprobe");
        return Some(
            Found::new("no-module-loader", sentence, vec![since])
                .remedy("see kernel.modprobe in the guest"),
        );
    }
    let exit = facts.events.iter().rev().find_map(|event| match &event.what {
        What::Guest(GuestEvent::ModuleLoaderExit { argv, outcome, stderr, .. })
            if argv.last().is_some_and(|last| last == module) =>
        {
            Some((event.seq, outcome, stderr.trim()))
        }
        _ => None,
    });
    let Some((seq, outcome, stderr)) = exit else {
        let sentence = format!("modprobe {module}, started by the kernel, does not end");
        return Some(Found::new("modprobe-hangs", sentence, vec![since]));
    };
    let says = match stderr.lines().last() {
        Some(last) => format!(": modprobe says \"{}\"", last.trim_start_matches("modprobe: ")),
        None => String::new(),
    };
    let absent = !facts.modules.is_empty() && !facts.modules.iter().any(|known| known == module);
    let events = vec![since, seq];
    Some(match outcome {
        LoaderOutcome::NoModprobe => {
            Found::new("no-modprobe", format!("no modprobe in the guest to load {module}"), events)
        }
        LoaderOutcome::Killed { signal } => {
            let sentence = format!("modprobe {module} died of signal {signal}");
            Found::new("modprobe-killed", sentence, events)
        }
        _ if absent => {
            let sentence = format!("{module} is not in the image{says}");
            Found::new("opmode-missing", sentence, events)
        }
        LoaderOutcome::Exited { status: 0 } | LoaderOutcome::Answered { status: 0 } => {
            let sentence = format!("modprobe {module} said that all was well, and did not load it");
            let remedy = "a blacklist or an install line in modprobe.d does that";
            Found::new("modprobe-lied", sentence, events).remedy(remedy)
        }
        LoaderOutcome::Exited { status } | LoaderOutcome::Answered { status } => {
            let sentence = format!("modprobe {module} failed, exit status {status}{says}");
            Found::new("modprobe-failed", sentence, events)
        }
    })
}

/// Tasks that wait for each other. Their stacks are in the kernel's log alone.
fn deadlock(facts: &Facts<'_>) -> Option<Found> {
    let tasks = blocked::tasks(facts.events);
    let (first, _) = tasks.first()?;
    let events = vec![*first];
    let told: Vec<_> = tasks.iter().take(TASKS).map(|(_, task)| task.to_string()).collect();
    let told = told.join("; ");
    let found = match tasks.len() {
        1 => Found::new("hang", format!("a hang: {told}, and does not go on"), events),
        _ => Found::new("deadlock", format!("deadlock: {told}"), events),
    };
    Some(found.remedy(format!("the stacks are in {DMESG}")))
}

/// As many tasks are named at most.
const TASKS: usize = 3;

/// A driver looked for its opmode too soon.
fn false_alarm(facts: &Facts<'_>) -> Option<Found> {
    let let_go = facts.milestones.iter().find(|reached| {
        matches!(reached.milestone, Milestone::Unbound { by: Unbinder::Driver, .. })
    })?;
    let requested = facts
        .milestones
        .iter()
        .find(|reached| matches!(reached.milestone, Milestone::OpmodeRequested { .. }))?;
    let loaded = facts.milestones.iter().find(|reached| {
        reached.seq > let_go.seq && matches!(reached.milestone, Milestone::OpmodeLoaded { .. })
    })?;
    let apart = |from: &Reached, to: &Reached| seconds(to.t_ns.saturating_sub(from.t_ns));
    let sentence = format!(
        "a false alarm: the driver lets go of the device {:.1} s after its request, and {} comes \
         {:.1} s later, to nobody",
        apart(requested, let_go),
        facts.opmode,
        apart(let_go, loaded),
    );
    Some(Found::new("false-alarm", sentence, vec![requested.seq, let_go.seq, loaded.seq]))
}

/// The opmode did not come, and nobody says so.
fn silent(facts: &Facts<'_>) -> Option<Found> {
    let Facts { events, milestones, description, .. } = facts;
    if seen::seen(events, milestones, description, None) != Seen::Silent {
        return None;
    }
    let firmware = facts.reached(|m| matches!(m, Milestone::FirmwareGiven { .. }).then_some(()));
    let sentence = format!(
        "{} does not come, and the driver is silent: it neither says so nor lets go of the device",
        facts.opmode
    );
    Some(Found::new("silent", sentence, firmware.iter().map(|(seq, ())| *seq).collect()))
}

/// The opmode came while somebody waited to have the device unbound.
fn unbind_waits(facts: &Facts<'_>) -> Option<Found> {
    let Facts { events, milestones, description, .. } = facts;
    if seen::seen(events, milestones, description, None) != Seen::UnbindWaits {
        return None;
    }
    let started = facts.reached(|m| matches!(m, Milestone::OpmodeStarted { .. }).then_some(()));
    let sentence = match started.is_empty() {
        true => "unbinding waits until modprobe has ended".to_owned(),
        false => format!(
            "unbinding waits until modprobe has ended, and {} starts on a device that is to go",
            facts.opmode
        ),
    };
    Some(Found::new("unbind-waits", sentence, started.iter().map(|(seq, ())| *seq).collect()))
}

/// Whether the driver came as far as its opmode.
fn wanted_opmode(facts: &Facts<'_>) -> bool {
    let requested = facts.reached(|m| match m {
        Milestone::OpmodeRequested { .. }
        | Milestone::OpmodeAsked { .. }
        | Milestone::OpmodeStarted { .. } => Some(()),
        _ => None,
    });
    !requested.is_empty()
}

/// A shorter wait for user space is nobody's trouble.
const FALLBACK_FELT: u64 = 1_000_000_000;

/// The loader found no file and waits for user space to bring it, which nobody does: a boot that seems
/// to hang, for a minute with each name. While it waits there is a device of the file's name.
fn sysfs_fallback(facts: &Facts<'_>) -> Option<Found> {
    if wanted_opmode(facts) {
        return None;
    }
    let end = facts.events.last()?.t_ns;
    let asked = facts.reached(|m| match m {
        Milestone::FirmwareAsked { name } => Some(name.as_str()),
        _ => None,
    });
    let mut waits: Vec<(u64, &str, u64, u64)> = Vec::new();
    for event in facts.events {
        let What::Guest(GuestEvent::Uevent { action, devpath, subsystem, .. }) = &event.what else {
            continue;
        };
        let name = devpath.rsplit('/').next().unwrap_or_default();
        let mine = asked.iter().any(|(_, asked)| driver::as_asked(name) == *asked);
        if subsystem.as_deref() != Some("firmware") || !mine {
            continue;
        }
        match action.as_str() {
            "add" => waits.push((event.seq, name, event.t_ns, end)),
            "remove" => waits
                .iter_mut()
                .filter(|wait| wait.1 == name && wait.3 == end)
                .for_each(|wait| wait.3 = event.t_ns),
            _ => {}
        }
    }
    let waited: u64 = waits.iter().map(|(.., from, to)| to.saturating_sub(*from)).sum();
    let ((_, first, ..), (_, last, ..)) = (waits.first()?, waits.last()?);
    if waited < FALLBACK_FELT {
        return None;
    }
    let (names, it) = match first == last {
        true => ((*first).to_owned(), "it"),
        false => (format!("{first} to {last}"), "them"),
    };
    let sentence = format!(
        "no {names}: the kernel's loader waited {:.0} s for user space to bring {it} (sysfs fallback), \
         and nobody did",
        seconds(waited)
    );
    let remedy = "the kernel has CONFIG_FW_LOADER_USER_HELPER_FALLBACK, or force_sysfs_fallback is set; \
                  /sys/class/firmware/timeout is how long it waits for each name";
    let events = waits.iter().map(|(seq, ..)| *seq).collect();
    Some(Found::new("firmware-fallback", sentence, events).remedy(remedy))
}

/// The driver got no firmware that it takes: nothing was requested after it.
fn no_firmware(facts: &Facts<'_>) -> Option<Found> {
    if wanted_opmode(facts) {
        return None;
    }
    let asked = facts.reached(|m| match m {
        Milestone::FirmwareAsked { name } => Some(name.as_str()),
        _ => None,
    });
    let (_, first) = *asked.first()?;
    let given = facts.reached(|m| match m {
        Milestone::FirmwareGiven { name, .. } => Some(name.as_str()),
        _ => None,
    });
    if let Some((seq, name)) = given.last() {
        let plain = driver::as_asked(name);
        let known = facts.files.iter().find(|(known, _)| known == name || known == plain);
        let why = known.and_then(|(_, why)| why.as_deref());
        let sentence = match why {
            Some(why) => format!("the driver rejected {name}: {why}"),
            None => format!("the driver took {name} and asked for no opmode"),
        };
        let found = Found::new("firmware-rejected", sentence, vec![*seq]);
        return Some(found.remedy("`iwlbench ucode inspect` says more of a file"));
    }
    let refused = facts.reached(|m| match m {
        Milestone::FirmwareRefused { name, errno } => Some((name.as_str(), *errno)),
        _ => None,
    });
    let Some((_, (last, errno))) = refused.last() else {
        let sentence = format!("the request for {first} has no answer");
        return Some(Found::new("firmware-unanswered", sentence, vec![asked[0].0]));
    };
    let names = if first == *last { first.to_owned() } else { format!("{first} to {last}") };
    let sentence = format!("no firmware file for the driver: {names} refused with {errno}");
    Some(Found::new("no-firmware", sentence, refused.iter().map(|(seq, _)| *seq).collect()))
}

/// The driver did not even look at its card.
fn no_probe(facts: &Facts<'_>) -> Option<Found> {
    let touched = facts.reached(|m| matches!(m, Milestone::Probe { .. }).then_some(()));
    if !touched.is_empty() {
        return None;
    }
    let loaded = facts.events.iter().any(|event| {
        matches!(&event.what, What::Guest(GuestEvent::ModuleLoad { module }) if module == facts.driver)
    });
    let driver = facts.driver;
    let sentence = match loaded {
        true => format!("{driver} is loaded and does not touch the card"),
        false => format!("{driver} was not loaded: nothing has touched the card"),
    };
    Some(Found::new("no-probe", sentence, Vec::new()))
}

/// What a driver has to bear.
fn needless(facts: &Facts<'_>) -> Option<Found> {
    let faults = [
        (Fault::SpuriousInterrupt { every: 0 }, "the card interrupts without a cause"),
        (Fault::UnknownCause { every: 0 }, "the card interrupts with a cause that no driver knows"),
        (
            Fault::EarlyVector { vector: 0 },
            "the card interrupts before any image has run, when there are no receive queues yet",
        ),
        (Fault::NoResetDone, "the card does not answer that it is about to be reset"),
    ];
    let mut faults = faults.into_iter();
    let (fault, sentence, seq) =
        faults.find_map(|(fault, sentence)| Some((fault, sentence, facts.fault(fault)?)))?;
    let cause = match fault {
        Fault::NoResetDone => "reset-unanswered",
        _ => "needless-interrupts",
    };
    Some(Found::new(cause, sentence, vec![seq]).by(fault))
}

#[cfg(test)]
mod tests {
    use guest_protocol::Question;
    use iwl_card::{Irq, Outcome};

    use super::*;
    use crate::facts::derive::{Seat, derive};
    use crate::facts::driver::IWLWIFI;
    use crate::facts::timeline::{Source, Tag};

    const FIRST: &str = "iwlwifi-7260-17.ucode";
    const SLOT: &str = "0000:01:00.0";

    fn card(event: CardEvent) -> What {
        What::Card { card: "7260".into(), event }
    }
    fn fault(name: &str) -> What {
        card(CardEvent::FaultInjected { fault: name.to_owned().into() })
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
        let event = |(seq, what)| Event {
            seq: seq as u64,
            t_ns: seq as u64,
            source: Source::Bench,
            guest_ns: None,
            what,
        };
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
            console,
            accel: Accel::Tcg,
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
                Fault::AliveInvalid => (
                    own(vec![released(), alive(false)]),
                    "the INIT ucode's ALIVE says that it is not",
                ),
                Fault::NoFhTx => {
                    (own(vec![uploaded(0)]), "section 0 of the INIT ucode was uploaded")
                }
                Fault::HwErrorAfterAlive => {
                    (own(vec![released(), alive(true), interrupt(CardCause::HwErr)]), "HW_ERR")
                }
                Fault::NoCalibration => {
                    (own(vec![released(), alive(true)]), "no INIT_COMPLETE_NOTIF")
                }
                Fault::RfKill => (own(vec![read(0)]), "RF-kill switch is on"),
                Fault::SpuriousInterrupt { .. } => (own(vec![read(0)]), "without a cause"),
                Fault::UnknownCause { .. } => (own(vec![read(0)]), "a cause that no driver knows"),
                Fault::LostInterrupt { .. } => (
                    own(vec![uploaded(1)]),
                    "an interrupt does not reach the driver after section 1",
                ),
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
        let gone = || {
            vec![read(0), asked(file(FIRST)), given(FIRST), module(), fault("all-ones"), read(!0)]
        };
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
        assert!(
            found.line().ends_with("whether KVM or the kernel is at fault"),
            "{}",
            found.line()
        );
    }

    /// What was to come and did not has its cause in what the scenario has broken, of whichever card.
    #[test]
    fn a_hand_over_that_falls_short_has_a_cause_that_is_the_scenarios_own() {
        let of = |name: &str, event: CardEvent| What::Card { card: name.into(), event };
        let valid = |valid| CardEvent::Alive { image: Image::Init, valid };
        let told = |fell_short: bool, name: &'static str, slot: &'static str| {
            let events = vec![
                read(0),
                of("7260", valid(true)),
                of("7260-2", valid(false)),
                log(3, "mine: -5"),
            ];
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
        let later =
            look([forced(), vec![released(), alive(true), error()]].concat(), Own::default());
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
        let found =
            look([vec![read(0)], silent(), silent(), silent(), log].concat(), Own::default());
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
        assert!(
            one.sentence.starts_with("no iwlwifi-7260-17.ucode: the kernel's loader waited 60 s")
        );
        let both = waits(2, 60_000_000_000).expect("a cause").sentence;
        assert!(
            both.starts_with("no iwlwifi-7260-17.ucode to iwlwifi-7260-16.ucode: the kernel's loader waited 120 s"),
            "{both}"
        );
        assert_eq!(waits(1, 1000), None, "nobody feels that");
    }

    #[test]
    fn an_opmode_that_does_not_come() {
        let ended =
            |outcome, stderr: &str| line(vec![read(0), module(), modprobe(outcome, stderr)]);
        let exited = |status| LoaderOutcome::Exited { status };
        let fatal = "modprobe: FATAL: Module iwlmvm not found";
        assert_eq!(
            ended(exited(1), fatal),
            "iwlmvm is not in the image: modprobe says \"FATAL: Module iwlmvm not found\""
        );
        assert_eq!(
            ended(LoaderOutcome::Killed { signal: 9 }, ""),
            "modprobe iwlmvm died of signal 9"
        );
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
}
