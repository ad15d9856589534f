//! The card's part in a failure.

use iwl_card::{CardEvent, Cause as CardCause, Fault, Image, OpMode, Space, Wrong};
use iwl_hw::csr::Int;

use super::facts::{Facts, Found, times};

/// Whether the card has a part in it.
pub fn fails_of_its_card(facts: &Facts<'_>) -> bool {
    of_card(facts).is_some()
}

/// The card's part in it.
pub(crate) fn of_card(facts: &Facts<'_>) -> Option<Found> {
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
    let mut found = card.iter().find_map(|look| look(facts))?;
    if facts.has_other_cards() {
        found.sentence = format!("card {}: {}", facts.card, found.sentence);
    }
    Some(found)
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
    let seq = interrupts(facts, CardCause::HwErr).next().or_else(|| read_as(facts, Int::HW_ERR))?;
    let sentence = "the card reports a hardware error (HW_ERR)";
    Some(Found::new("hardware-error", sentence, vec![seq]).by(Fault::HwErrorAfterAlive))
}

fn interrupts(facts: &Facts<'_>, cause: CardCause) -> impl Iterator<Item = u64> {
    facts.told().filter_map(move |(seq, event)| match event {
        CardEvent::Interrupt { names, .. } => names.contains(&cause).then_some(seq),
        _ => None,
    })
}

/// A cause that came while another was not taken back yet does not interrupt: it is read with that.
fn read_as(facts: &Facts<'_>, cause: Int) -> Option<u64> {
    facts.told().find_map(|(seq, event)| match event {
        CardEvent::RegRead { reg, value, .. } if reg == "CSR_INT" => {
            (*value != u32::MAX && Int::from_bits_retain(*value).contains(cause)).then_some(seq)
        }
        _ => None,
    })
}

fn ucode_error(facts: &Facts<'_>) -> Option<Found> {
    let mut failed: Vec<u64> = interrupts(facts, CardCause::SwErr).collect();
    if failed.is_empty() {
        failed.extend(read_as(facts, Int::SW_ERR));
    }
    failed.retain(|seq| !is_forced(facts, *seq));
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
    Some(Found::new("ucode-error", sentence, failed).by(Fault::UCODE_ERROR))
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
    let (last, of) = *silent.last()?;
    let ailing = [Fault::NeverAlive, Fault::AliveHeld];
    if !has_had_its_time(facts, last, &ailing) {
        return None;
    }
    let sentence = format!("no ALIVE after the {} ucode was released{}", of, times(silent.len()));
    let found = Found::new("no-alive", sentence, silent.iter().map(|(seq, _)| *seq).collect());
    Some(match facts.fault(Fault::AliveHeld) {
        Some(_) => found.by(Fault::AliveHeld).remedy("`do = \"release-alive\"` lets it go"),
        None => found.by(Fault::NeverAlive),
    })
}

/// Whether what has not come after this event was given time to: by the guest that has come to rest, or by
/// the driver that has complained; or it is known that it does not come.
fn has_had_its_time(facts: &Facts<'_>, since: u64, faults: &[Fault]) -> bool {
    !facts.at_work
        || faults.iter().any(|fault| facts.fault(*fault).is_some())
        || facts.log(since).is_some()
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
    if !has_had_its_time(facts, seq, &[Fault::NoFhTx]) {
        return None;
    }
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
