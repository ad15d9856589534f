//! How events become milestones.

mod touches;

use std::collections::HashSet;

use guest_protocol::{GuestEvent, LoaderOutcome, Question};
use iwl_card::{CardEvent, Space};
pub use touches::Seat;
use touches::Touches;

use crate::facts::milestone::{DRIVER, Milestone, OPMODES, Reached};
use crate::facts::timeline::{BenchEvent, Event, What};

/// Derives milestones from events, fed in order.
#[derive(Debug)]
pub struct Deriver {
    loaded: HashSet<String>,
    traced: bool,
    touches: Touches,
}

impl Deriver {
    /// For a run with these cards, in the order of their ports.
    pub fn new(cards: &[Seat]) -> Deriver {
        Deriver { loaded: HashSet::new(), traced: false, touches: Touches::new(cards) }
    }

    /// The milestone that this event is, if it is one.
    pub fn feed(&mut self, event: &Event) -> Option<Reached> {
        let milestone = match &event.what {
            What::Card { card, event } => self.card(card, event),
            What::Ask { question, .. } => Self::ask(question),
            What::Answer { question, answer, value, .. } => Self::answer(question, answer, *value),
            What::Guest(event) => self.guest(event),
            What::Hello { hello, .. } => {
                self.traced = hello.tracing;
                None
            }
            What::Bench(BenchEvent::StepEnded { step, error, .. }) => {
                Some(Milestone::StepEnded { step: step.clone(), ok: error.is_none() })
            }
            What::Bench(BenchEvent::KernelTrouble { trouble, .. }) => {
                Some(Milestone::KernelTrouble { trouble: *trouble })
            }
            What::Bench(_) => None,
        }?;
        Some(Reached { seq: event.seq, t_ns: event.t_ns, milestone })
    }

    fn card(&mut self, card: &str, event: &CardEvent) -> Option<Milestone> {
        let card = card.to_owned();
        match event {
            CardEvent::RegRead { space, .. } | CardEvent::RegWrite { space, .. }
                if *space != Space::Config =>
            {
                self.touches.touch(&card)
            }
            CardEvent::SectionUploaded { image, index, len, .. } => {
                Some(Milestone::SectionUploaded { card, image: *image, index: *index, bytes: *len })
            }
            CardEvent::CpuReleased { image, sections, .. } => {
                Some(Milestone::CpuReleased { card, image: *image, sections: *sections })
            }
            CardEvent::Alive { image, valid } => {
                Some(Milestone::Alive { card, image: *image, valid: *valid })
            }
            CardEvent::NvmRead { section, present, .. } => {
                Some(Milestone::NvmRead { card, section: section.to_string(), present: *present })
            }
            CardEvent::FaultInjected { fault } => {
                Some(Milestone::FaultInjected { card, fault: fault.to_string() })
            }
            CardEvent::DmaFault { during, .. } => {
                Some(Milestone::DmaFault { card, during: (*during).to_owned() })
            }
            CardEvent::AliveReleased => Some(Milestone::AliveReleased { card }),
            CardEvent::RfKillSwitched { on } => Some(Milestone::RfKillSwitched { card, on: *on }),
            CardEvent::Vanished => Some(Milestone::Vanished { card }),
            _ => None,
        }
    }

    fn ask(question: &Question) -> Option<Milestone> {
        match question {
            Question::Module { module, .. } => {
                is_opmode(module).then(|| Milestone::OpmodeAsked { module: module.clone() })
            }
            Question::FirmwareLookup { path } => {
                is_firmware(path).then(|| Milestone::FirmwareAsked { name: path.clone() })
            }
        }
    }

    fn answer(question: &Question, answer: &str, value: Option<i64>) -> Option<Milestone> {
        match question {
            Question::FirmwareLookup { path } if is_firmware(path) && answer == "errno" => {
                let errno = value.unwrap_or_default();
                Some(Milestone::FirmwareRefused { name: path.clone(), errno })
            }
            _ => None,
        }
    }

    fn guest(&mut self, event: &GuestEvent) -> Option<Milestone> {
        match event {
            GuestEvent::FirmwareRead { path, bytes } if path.starts_with("iwl") => {
                Some(Milestone::FirmwareGiven { name: path.clone(), bytes: *bytes })
            }
            GuestEvent::ModuleLoad { module } => self.module_loaded(module),
            GuestEvent::ModuleFree { module } => {
                self.loaded.remove(module);
                is_opmode(module).then(|| Milestone::OpmodeUnloaded { module: module.clone() })
            }
            GuestEvent::ModuleRequest { module, wait, .. } => is_opmode(module)
                .then(|| Milestone::OpmodeRequested { module: module.clone(), wait: *wait }),
            GuestEvent::ModuleLoaderExit { argv, outcome, .. } => {
                let module = argv.last().filter(|module| is_opmode(module))?.clone();
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
                        if driver != DRIVER {
                            return None;
                        }
                        self.touches.bound(&slot);
                        Some(Milestone::Bound { slot, driver })
                    }
                    (Some("pci"), "unbind") => {
                        let slot = pci_slot.clone().unwrap_or_default();
                        self.touches.unbound(&slot);
                        Some(Milestone::Unbound { slot })
                    }
                    (Some("net"), "add") if devpath.contains("/pci") => {
                        Some(Milestone::NetdevRegistered { interface: interface.clone()? })
                    }
                    (Some("net"), "remove") if devpath.contains("/pci") => {
                        Some(Milestone::NetdevRemoved { interface: interface.clone()? })
                    }
                    (Some("rfkill"), "change") if devpath.contains("/pci") => {
                        let rfkill = devpath.rsplit('/').next()?.to_owned();
                        Some(Milestone::RfKillNoticed { rfkill })
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

    fn module_loaded(&mut self, module: &str) -> Option<Milestone> {
        if !is_opmode(module) || !self.loaded.insert(module.to_owned()) {
            return None;
        }
        self.touches.loaded(module);
        Some(Milestone::OpmodeLoaded { module: module.to_owned() })
    }
}

fn is_opmode(module: &str) -> bool {
    OPMODES.contains(&module)
}

/// A file that the driver asks for, by the name it uses. The loader looks into directories before
/// that, and for `NAME.zst` and `NAME.xz` after it; cfg80211 asks for `regulatory.db`.
fn is_firmware(path: &str) -> bool {
    path.starts_with("iwl") && !path.ends_with(".zst") && !path.ends_with(".xz")
}

/// All milestones of a finished run.
pub fn derive(events: &[Event], cards: &[Seat]) -> Vec<Reached> {
    let mut deriver = Deriver::new(cards);
    events.iter().filter_map(|event| deriver.feed(event)).collect()
}
