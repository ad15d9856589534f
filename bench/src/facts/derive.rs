//! How events become milestones.

mod touches;

use std::collections::HashSet;

use guest_protocol::{GuestEvent, LoaderOutcome, Question};
use iwl_card::CardEvent;
use touches::Touches;
pub use touches::{Seat, slot};

use crate::facts::driver::Driver;
use crate::facts::errno::Errno;
use crate::facts::milestone::{Milestone, Reached, Unbinder};
use crate::facts::timeline::{BenchEvent, Event, What};

/// Derives milestones from events, fed in order.
///
/// That is done twice. A session feeds what comes, in order of arrival: the gates and the steps
/// wait on that, and cannot wait for what may yet come from before it. [`derive()`] feeds a finished
/// run's events in order of time, with the guest's clock set against ours: expectations are judged
/// on that, and reports show it. Where the two orders differ, it is the second that happened.
#[derive(Debug)]
pub struct Deriver {
    driver: &'static Driver,
    /// The steps that are at it and that may have a device unbound.
    unbinding: HashSet<usize>,
    loaded: HashSet<String>,
    traced: bool,
    /// The agent has come up once.
    greeted: bool,
    /// The kernel's release, which the loader looks into as a directory.
    release: String,
    touches: Touches,
}

impl Deriver {
    /// For a run of this driver with these cards, in the order of their ports.
    pub fn new(driver: &'static Driver, cards: &[Seat]) -> Deriver {
        let (touches, release) = (Touches::new(driver, cards), String::new());
        let (unbinding, loaded) = (HashSet::new(), HashSet::new());
        let (traced, greeted) = (false, false);
        Deriver { driver, unbinding, loaded, traced, greeted, release, touches }
    }

    /// The milestone that this event is, if it is one.
    pub fn feed(&mut self, event: &Event) -> Option<Reached> {
        let milestone = match &event.what {
            What::Card { card, event } => self.card(card, event),
            What::Ask { question, .. } => self.ask(question),
            What::Answer { question, answer, value, .. } => self.answer(question, answer, *value),
            What::Guest(event) => self.guest(event),
            What::Hello { hello, .. } => {
                // A guest that was there before has booted anew: nothing is bound or loaded.
                if std::mem::replace(&mut self.greeted, true) {
                    self.loaded.clear();
                    self.touches.forget();
                }
                self.traced = hello.tracing;
                self.release.clone_from(&hello.kernel_release);
                None
            }
            What::Bench(BenchEvent::StepStarted { index, unbinds: true, .. }) => {
                self.unbinding.insert(*index);
                None
            }
            What::Bench(BenchEvent::StepEnded { index, step, error, wanted }) => {
                self.unbinding.remove(index);
                let (step, ok, wanted) = (step.clone(), error.is_none(), *wanted);
                Some(Milestone::StepEnded { step, ok, wanted })
            }
            What::Bench(BenchEvent::KernelTrouble { trouble, .. }) => {
                Some(Milestone::KernelTrouble { trouble: *trouble })
            }
            What::Bench(_) => None,
        }?;
        Some(Reached { seq: event.seq, t_ns: event.t_ns, milestone })
    }

    fn card(&mut self, card: &str, event: &CardEvent) -> Option<Milestone> {
        match event {
            touch if self.driver.touches(touch) => self.touches.touch(card),
            _ => of_card(card, event),
        }
    }

    fn ask(&self, question: &Question) -> Option<Milestone> {
        match question {
            Question::Module { module, .. } => self
                .driver
                .is_opmode(module)
                .then(|| Milestone::OpmodeAsked { module: module.clone() }),
            Question::FirmwareLookup { path } => {
                self.is_name(path).then(|| Milestone::FirmwareAsked { name: path.clone() })
            }
        }
    }

    fn answer(&self, question: &Question, answer: &str, value: Option<i64>) -> Option<Milestone> {
        match question {
            Question::FirmwareLookup { path } if self.is_name(path) && answer == "errno" => {
                let errno =
                    Errno(value.and_then(|value| value.try_into().ok()).unwrap_or_default());
                Some(Milestone::FirmwareRefused { name: path.clone(), errno })
            }
            _ => None,
        }
    }

    fn guest(&mut self, event: &GuestEvent) -> Option<Milestone> {
        match event {
            GuestEvent::FirmwareRead { path, bytes } => {
                Some(Milestone::FirmwareGiven { name: path.clone(), bytes: *bytes })
            }
            GuestEvent::ModuleLoad { module } => self.module_loaded(module),
            GuestEvent::ModuleFree { module } => {
                self.loaded.remove(module);
                let module = module.clone();
                Some(match self.driver.is_opmode(&module) {
                    true => Milestone::OpmodeUnloaded { module },
                    false => Milestone::ModuleUnloaded { module },
                })
            }
            GuestEvent::ModuleRequest { module, wait, .. } => self
                .driver
                .is_opmode(module)
                .then(|| Milestone::OpmodeRequested { module: module.clone(), wait: *wait }),
            GuestEvent::ModuleLoaderExit { argv, outcome, .. } => {
                let module = argv.last().filter(|module| self.driver.is_opmode(module))?.clone();
                match outcome {
                    LoaderOutcome::Exited { status } | LoaderOutcome::Answered { status } => {
                        Some(Milestone::ModprobeEnded { module, status: (*status).into() })
                    }
                    LoaderOutcome::Killed { signal } => {
                        Some(Milestone::ModprobeEnded { module, status: (128 + *signal).into() })
                    }
                    LoaderOutcome::NoModprobe => Some(Milestone::ModprobeMissing { module }),
                }
            }
            GuestEvent::Uevent { action, devpath, subsystem, driver, interface, pci_slot } => {
                match (subsystem.as_deref(), action.as_str()) {
                    (Some("pci"), "bind") => {
                        let driver = driver.clone()?;
                        let slot = pci_slot.clone().unwrap_or_default();
                        let card = self.touches.card_in(&slot);
                        if driver == self.driver.pci_driver {
                            self.touches.bound(&slot);
                        } else if card.is_empty() {
                            return None;
                        }
                        Some(Milestone::Bound { card, slot, driver })
                    }
                    (Some("pci"), "unbind") => {
                        let slot = pci_slot.clone().unwrap_or_default();
                        self.touches.unbound(&slot);
                        let by = match self.unbinding.is_empty() {
                            true => Unbinder::Driver,
                            false => Unbinder::Step,
                        };
                        Some(Milestone::Unbound { card: self.touches.card_in(&slot), slot, by })
                    }
                    (Some("net"), "add") if devpath.contains("/pci") => {
                        let card = self.touches.card_on(devpath);
                        Some(Milestone::NetdevRegistered { card, interface: interface.clone()? })
                    }
                    (Some("net"), "remove") if devpath.contains("/pci") => {
                        let card = self.touches.card_on(devpath);
                        Some(Milestone::NetdevRemoved { card, interface: interface.clone()? })
                    }
                    (Some("rfkill"), "change") if devpath.contains("/pci") => {
                        let rfkill = devpath.rsplit('/').next()?.to_owned();
                        Some(Milestone::RfKillNoticed {
                            card: self.touches.card_on(devpath),
                            rfkill,
                        })
                    }
                    // Where tracing is off, the module's kobject tells: it comes before init too.
                    (Some("module"), "add") if !self.traced => {
                        let module = devpath.rsplit('/').next()?.to_owned();
                        self.module_loaded(&module)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A file's plain name. The loader looks into directories before that, and for `NAME.zst` and
    /// `NAME.xz` after it.
    fn is_name(&self, path: &str) -> bool {
        !is_directory(path, &self.release) && !path.ends_with(".zst") && !path.ends_with(".xz")
    }

    fn module_loaded(&mut self, module: &str) -> Option<Milestone> {
        if !self.loaded.insert(module.to_owned()) {
            return None;
        }
        if !self.driver.is_opmode(module) {
            return Some(Milestone::ModuleLoaded { module: module.to_owned() });
        }
        self.touches.loaded(module);
        Some(Milestone::OpmodeLoaded { module: module.to_owned() })
    }
}

/// The milestones that a card's event is by itself, whatever was before it.
pub const IS_OF_A_CARD: [&str; 13] = [
    "section-uploaded",
    "section-wrong",
    "iml-loaded",
    "pnvm-loaded",
    "cpu-released",
    "alive",
    "nvm-read",
    "fault-injected",
    "fault-switched",
    "dma-fault",
    "alive-released",
    "rf-kill-switched",
    "vanished",
];

/// The milestone that a card's event is by itself, whatever was before it.
pub fn of_card(card: &str, event: &CardEvent) -> Option<Milestone> {
    let card = || card.to_owned();
    Some(match event {
        CardEvent::SectionUploaded { image, index, len, .. } => {
            Milestone::SectionUploaded { card: card(), image: *image, index: *index, bytes: *len }
        }
        CardEvent::SectionWrong { image, index, how } => {
            Milestone::SectionWrong { card: card(), image: *image, index: *index, how: *how }
        }
        CardEvent::ImlLoaded { len } => Milestone::ImlLoaded { card: card(), bytes: *len },
        CardEvent::PnvmLoaded { len } => Milestone::PnvmLoaded { card: card(), bytes: *len },
        CardEvent::CpuReleased { image, sections, .. } => {
            Milestone::CpuReleased { card: card(), image: *image, sections: *sections }
        }
        CardEvent::Alive { image, valid } => {
            Milestone::Alive { card: card(), image: *image, valid: *valid }
        }
        CardEvent::NvmRead { section, present, .. } => {
            Milestone::NvmRead { card: card(), section: section.to_string(), present: *present }
        }
        CardEvent::FaultInjected { fault } => {
            Milestone::FaultInjected { card: card(), fault: fault.to_string() }
        }
        CardEvent::FaultSwitched { fault, on } => {
            Milestone::FaultSwitched { card: card(), fault: fault.to_string(), on: *on }
        }
        CardEvent::DmaFault { during, .. } => {
            Milestone::DmaFault { card: card(), during: (*during).to_owned() }
        }
        CardEvent::AliveReleased => Milestone::AliveReleased { card: card() },
        CardEvent::RfKillSwitched { on } => Milestone::RfKillSwitched { card: card(), on: *on },
        CardEvent::Vanished => Milestone::Vanished { card: card() },
        _ => return None,
    })
}

/// The directory of `/lib/firmware` that goes before it.
pub const UPDATES: &str = "updates";

/// Whether the loader of a kernel looks into this directory, and asks for it as for a file.
pub fn is_directory(path: &str, release: &str) -> bool {
    path == UPDATES || path == release
}

/// All milestones of a finished run.
pub fn derive(events: &[Event], driver: &'static Driver, cards: &[Seat]) -> Vec<Reached> {
    let mut deriver = Deriver::new(driver, cards);
    events.iter().filter_map(|event| deriver.feed(event)).collect()
}

#[cfg(test)]
mod tests {
    use iwl_card::{OpMode, Outcome, Space};

    use super::*;
    use crate::facts::driver::{IWLWIFI, Opmode, Request};
    use crate::facts::timeline::{Source, Tag, Timeline};

    /// A driver that shares nothing with the kernel's own but the cards and their firmware.
    static OTHER: Driver = Driver {
        name: "other",
        request: Request::Waits,
        verifies: false,
        lets_go: false,
        no_mld: false,
        module: "iwlrs",
        pci_driver: "iwl-rs",
        opmodes: &[
            Opmode { module: "iwlrs_dvm", drives: Some(OpMode::Dvm) },
            Opmode { module: "iwlrs_mvm", drives: Some(OpMode::Mvm) },
        ],
        firmware: "intel/iwl",
        parameters: "",
        table: None,
    };

    fn touch() -> What {
        let (space, reg, outcome) = (Space::Csr, "CSR_HW_REV".into(), Outcome::Implemented);
        let event = CardEvent::RegRead { space, reg, value: 0, outcome };
        What::Card { card: "7260".into(), event }
    }

    fn ask(question: Question) -> What {
        What::Ask { kind: Tag::default(), id: 1, question }
    }

    fn bound_to(driver: &str) -> GuestEvent {
        GuestEvent::Uevent {
            action: "bind".into(),
            devpath: "/devices/pci0000:00/0000:01:00.0".into(),
            subsystem: Some("pci".into()),
            driver: Some(driver.into()),
            interface: None,
            pci_slot: Some("0000:01:00.0".into()),
        }
    }

    /// A whole hand-over, told of a driver with these names.
    fn hand_over(driver: &Driver) -> Vec<What> {
        let opmode = driver.opmodes[1].module.to_owned();
        let argv = vec!["modprobe".to_owned(), "-q".into(), opmode.clone()];
        let path = format!("{}wifi-7260-17.ucode", driver.firmware);
        vec![
            touch(),
            What::Guest(bound_to(driver.pci_driver)),
            ask(Question::FirmwareLookup { path: path.clone() }),
            What::Guest(GuestEvent::FirmwareRead { path, bytes: 7 }),
            ask(Question::Module { argv: argv.clone(), module: opmode.clone() }),
            What::Guest(GuestEvent::ModuleLoad { module: opmode }),
            touch(),
            What::Guest(GuestEvent::ModuleLoaderExit {
                id: 2,
                argv,
                outcome: LoaderOutcome::Exited { status: 0 },
                stderr: String::new(),
            }),
        ]
    }

    fn milestones(driver: &'static Driver, told: Vec<What>) -> Vec<&'static str> {
        let mut timeline = Timeline::new(None);
        let seat = Seat { card: "7260".into(), slot: "0000:01:00.0".into() };
        for (at, what) in told.into_iter().enumerate() {
            timeline.push(at as u64, Source::Bench, what);
        }
        let (events, _) = timeline.finish();
        derive(&events, driver, &[seat]).iter().map(|reached| reached.milestone.kind()).collect()
    }

    #[test]
    fn another_driver_is_another_description() {
        let steps = [
            "probe",
            "bound",
            "firmware-asked",
            "firmware-given",
            "opmode-asked",
            "opmode-loaded",
            "opmode-started",
            "modprobe-ended",
        ];
        assert_eq!(milestones(&IWLWIFI, hand_over(&IWLWIFI)), steps);
        assert_eq!(milestones(&OTHER, hand_over(&OTHER)), steps);
        // A touch is a touch, whoever's; the rest is any file's and any module's.
        let others = ["probe", "bound", "firmware-asked", "firmware-given", "module-loaded"];
        assert_eq!(milestones(&OTHER, hand_over(&IWLWIFI)), others);
        assert_eq!(milestones(&IWLWIFI, hand_over(&OTHER)), others);
        let mut elsewhere = bound_to("virtio-pci");
        if let GuestEvent::Uevent { pci_slot, .. } = &mut elsewhere {
            *pci_slot = Some("0000:00:03.0".into());
        }
        assert!(milestones(&IWLWIFI, vec![What::Guest(elsewhere)]).is_empty(), "no card of ours");
    }
}
