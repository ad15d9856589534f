//! `iwlbench list`.

mod kernels;

use std::fmt::Write;
use std::process::ExitCode;

use guest_kit::CacheDir;
use iwl_ucode::corrupt::Corruption;
use iwl_ucode::stub::StubDef;
use serde_json::{Value, json};

use crate::app::cli::{ListArgs, ListWhat};
use crate::app::commands;
use crate::app::ui::Ui;
use crate::facts::driver;
use crate::facts::milestone::{KINDS, fields_of};
use crate::lab;
use crate::machine::accel;
use crate::report::look::Look;
use crate::script::read;
use crate::script::scenario::{EVENTS, Scenario};

/// What a fault does, one line each.
fn about(fault: iwl_card::Fault) -> &'static str {
    use iwl_card::Fault;
    match fault {
        Fault::ClockNeverReady => "CSR_GP_CNTRL never shows the MAC clock ready",
        Fault::NicNeverReady => "NIC_READY never reads back",
        Fault::NeverAlive => "the firmware starts and says nothing",
        Fault::AliveHeld => "ALIVE waits for a step `release-alive`",
        Fault::AliveInvalid => "ALIVE says that the image is not valid",
        Fault::NoFhTx => "uploads arrive, their interrupt does not",
        Fault::HwErrorAfterAlive => "a hardware error interrupt right after ALIVE",
        Fault::NoCalibration => "calibration never completes",
        Fault::RfKill => "the RF-kill switch is on from power-on",
        Fault::SpuriousInterrupt { .. } => {
            "an interrupt without a cause at every n-th register access: spurious-interrupt=8"
        }
        Fault::UnknownCause { .. } => {
            "an interrupt with an unknown cause at every n-th register access: unknown-cause=8"
        }
        Fault::LostInterrupt { .. } => "the n-th interrupt is lost: lost-interrupt=2",
        Fault::LostInterrupts { .. } => {
            "all interrupts from the n-th on are lost: lost-interrupts=2"
        }
        Fault::DmaFault { .. } => {
            "DMA hits nothing: dma-fault=upload, dma-fault=transmit, dma-fault=receive"
        }
        Fault::AllOnes { .. } => "registers read all ones from the n-th access on: all-ones=400",
        Fault::UcodeError { .. } => {
            "the runtime ucode fails a second after its ALIVE, each time; only that of one API: \
             ucode-error=17; of what, by number or the driver's name: ucode-error=0x38, \
             ucode-error=ADVANCED_SYSASSERT, SYSASSERT, BAD_COMMAND, FATAL_ERROR, \
             UCODE_VERSION_MISMATCH, NMI_INTERRUPT_WDG, NMI_INTERRUPT_WDG_RXF_FULL, \
             NMI_INTERRUPT_WDG_NO_RBD_RXF_FULL, NMI_INTERRUPT_DATA_ACTION_PT, \
             NMI_INTERRUPT_INST_ACTION_PT, NMI_INTERRUPT_ACTION_PT, NMI_INTERRUPT_BREAK_POINT, \
             NMI_TRM_HW_ERR, NMI_INTERRUPT_TRM, NMI_INTERRUPT_HOST, NMI_INTERRUPT_LMAC_FATAL, \
             NMI_INTERRUPT_UMAC_FATAL, NMI_INTERRUPT_OTHER_LMAC_FATAL, NMI_INTERRUPT_UNKNOWN, \
             NMI_INTERRUPT_PREG, PNVM_MISSING; from 8000 on 0x20101a2c is the upper MAC's; both: \
             ucode-error=17:BAD_COMMAND"
        }
        Fault::NvmSectionAbsent { .. } => {
            "a section is not in the NVM: nvm-section-absent=sw, =hw, =calibration, =regulatory, \
             =mac-override, =phy-sku, as far as the card has it"
        }
        Fault::NvmOld => "the NVM is of an older version than drivers take",
        Fault::NvmMac { .. } => "the MAC address is none: nvm-mac=zeros, nvm-mac=ones",
        Fault::ImlRefused => {
            "the image loader is not taken, and no image fetched (AX210 and later)"
        }
        Fault::NoPnvmComplete => "no word that the platform's NVM is taken (AX210 and later)",
        Fault::NoResetDone => "nobody answers that the card is about to be reset (AX210 and later)",
        Fault::LostVector { .. } => "a vector of MSI-X never rings: lost-vector=0",
        Fault::EarlyVector { .. } => {
            "a vector of MSI-X rings once before any image has run: early-vector=0"
        }
        Fault::RestlessVector { .. } => {
            "a vector of MSI-X rings again and again before any image has run: restless-vector=0"
        }
        Fault::NvmChecksum => "an uncorrectable error in the OTP (cards of iwldvm that have one)",
    }
}

/// Kernels that `--kernel` takes.
const KERNELS: [(&str, &str); 3] = [
    ("default", "what trixie-backports holds: 7.3.4 or newer"),
    ("6.12", "trixie"),
    ("6.1", "bookworm"),
];
/// Where there is more.
const MORE_KERNELS: &str = "any other, such as 6.18 or 6.12-rt: `iwlbench list kernels`";

/// Drivers that can be put to the test.
fn drivers() -> Vec<(&'static str, &'static str)> {
    driver::all_choices().map(|choice| (choice.name(), choice.about)).collect()
}

/// What is known about KVM on this host: whether there is any, and with which kernels it was tried.
fn kvm(proofs: Vec<accel::Proof>) -> Vec<(String, String)> {
    let device = accel::DEV_KVM;
    let opened = std::fs::File::options().read(true).write(true).open(device);
    let first = match opened {
        Ok(_) => "can be opened; tried once with each kernel, and remembered".to_owned(),
        Err(error) => format!("cannot be opened ({error}): guests run under TCG"),
    };
    let proof = |proof: accel::Proof| (proof.kernel.clone(), told_of(&proof));
    std::iter::once((device.to_owned(), first)).chain(proofs.into_iter().map(proof)).collect()
}

fn told_of(proof: &accel::Proof) -> String {
    format!("{}: {}", if proof.works { "works" } else { "not used" }, proof.why)
}

/// The same for people: kernels of which the same is known stand together.
fn kvm_in_groups(proofs: Vec<accel::Proof>) -> Vec<(String, String)> {
    let mut rows = kvm(proofs);
    let kernels = rows.split_off(1);
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (kernel, told) in kernels {
        match groups.iter_mut().find(|(known, _)| *known == told) {
            Some((_, kernels)) => kernels.push(kernel),
            None => groups.push((told, vec![kernel])),
        }
    }
    rows.extend(groups.into_iter().map(|(told, kernels)| match &kernels[..] {
        [one] => (one.clone(), told),
        many => (format!("{} kernels", many.len()), format!("{told}: {}", many.join(", "))),
    }));
    rows
}

/// What was found out about KVM on this host.
fn proofs() -> Vec<accel::Proof> {
    CacheDir::from_env().map(|cache| accel::proofs(cache.path())).unwrap_or_default()
}

/// The kernels whose driver was seen with the card.
fn kernels_of(stub: &StubDef) -> String {
    format!(">={}", stub.ranges[0].since)
}

/// Prints cards, scenarios, kernels, drivers and faults, or one sort of them.
pub fn list(args: &ListArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if args.what == Some(ListWhat::Kernels) {
        return kernels::list(args, ui);
    }
    let scenarios = read::built_in();
    if args.json {
        let document = document(&scenarios, args.what);
        commands::json(&document)?;
    } else {
        commands::print(&text(&scenarios, args.what, ui.look))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All of it, or one sort, for machines.
fn document(scenarios: &[Scenario], only: Option<ListWhat>) -> Value {
    let cards = iwl_card::cards().iter().map(|card| {
        json!({
            "name": card.name, "about": card.about, "marketing": card.marketing,
            "pci": format!("8086:{:04x}", card.pci.device),
            "subsystem": format!("8086:{:04x}", card.pci.subsystem),
            "generation": card.generation.word(), "opmode": card.opmode.module(),
            "firmware": lab::stub_of(card).map(|s| s.stem).ok(),
            "kernels": lab::stub_of(card).map(kernels_of).ok(),
            "msix": card.has_msix(),
        })
    });
    let scenarios = scenarios.iter().map(|s| {
        let cards: Vec<_> = s.cards.iter().map(toml::Spanned::get_ref).collect();
        json!({
            "name": s.name, "group": s.group, "about": s.about, "cards": cards,
            "driver": s.driver.map(<&str>::from), "evidence": s.evidence, "twins": s.twins.len(),
        })
    });
    let pair = |name: &str, about: &str| json!({ "name": name, "about": about });
    let pairs =
        |rows: &[(&str, &str)]| rows.iter().map(|(name, about)| pair(name, about)).collect();
    let milestones = KINDS.iter().map(|kind| {
        let fields = fields_of(kind).unwrap_or_default();
        let fields: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        json!({ "name": kind, "fields": fields })
    });
    let lists: [(ListWhat, &str, Vec<Value>); 8] = [
        (ListWhat::Cards, "cards", cards.collect()),
        (ListWhat::Scenarios, "scenarios", scenarios.collect()),
        (
            ListWhat::Faults,
            "faults",
            iwl_card::Fault::all().map(|fault| pair(fault.name(), about(fault))).collect(),
        ),
        (ListWhat::FirmwareFaults, "firmware_faults", pairs(&Corruption::EXAMPLES)),
        (ListWhat::Milestones, "milestones", milestones.collect()),
        (ListWhat::Kvm, "kvm", kvm(proofs()).iter().map(|(what, why)| pair(what, why)).collect()),
        (ListWhat::Kernels, "kernels", pairs(&KERNELS)),
        (ListWhat::Drivers, "drivers", pairs(&drivers())),
    ];
    let mut document = json!({ "format": 1 });
    for (what, key, rows) in lists {
        if only.is_none_or(|only| only == what) {
            document[key] = rows.into();
        }
    }
    document
}

/// All of it, or one sort, for people.
fn text(scenarios: &[Scenario], only: Option<ListWhat>, look: Look) -> String {
    let mut out = String::new();
    let mut section = |what: ListWhat, title: &str, rows: Vec<(String, String)>| {
        if only.is_some_and(|only| only != what) {
            return;
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        // A String takes any write.
        let _ = writeln!(out, "{}", look.bold(title));
        for (name, about) in rows {
            let row = look.wrapped(&format!("  {name:<width$}  {about}"), width + 4);
            let _ = writeln!(out, "{row}");
        }
        out.push('\n');
    };
    let cards = iwl_card::cards().iter().map(|c| {
        (
            c.name.to_owned(),
            format!(
                "8086:{:04x}  {}  {:<5}  {}* {}",
                c.pci.device,
                c.opmode.module(),
                c.generation.word(),
                c.firmware,
                lab::stub_of(c).map(kernels_of).unwrap_or_default(),
            ),
        )
    });
    section(ListWhat::Cards, "Cards (--card)", cards.collect());
    for group in scenarios.chunk_by(|a, b| a.group == b.group) {
        let title = format!("Scenarios: {}/", group[0].group.as_deref().unwrap_or_default());
        let rows = group.iter().map(|s| (s.name.clone(), s.about.clone()));
        section(ListWhat::Scenarios, &title, rows.collect());
    }
    let owned = |rows: &[(&str, &str)]| {
        rows.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect::<Vec<_>>()
    };
    let mut kernels = owned(&KERNELS);
    kernels.push(("…".to_owned(), MORE_KERNELS.to_owned()));
    section(ListWhat::Kernels, "Kernels (--kernel)", kernels);
    section(ListWhat::Drivers, "Drivers (--driver)", owned(&drivers()));
    let faults = iwl_card::Fault::all().map(|f| (f.name().to_owned(), about(f).to_owned()));
    section(ListWhat::Faults, "Card faults (--fault)", faults.collect());
    let title = "Firmware faults (ucode build --fault)";
    section(ListWhat::FirmwareFaults, title, owned(&Corruption::EXAMPLES));
    let milestones = KINDS.iter().map(|kind| {
        let fields = fields_of(kind).unwrap_or_default();
        let fields: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        ((*kind).to_owned(), fields.join(", "))
    });
    let events = EVENTS.iter().map(|event| {
        (event.kind.to_owned(), format!("{} (an event, for the moment of a fault)", event.field))
    });
    let rows = milestones.chain(events).collect();
    section(ListWhat::Milestones, "Milestones and their fields", rows);
    section(ListWhat::Kvm, "KVM here", kvm_in_groups(proofs()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::look;

    #[test]
    fn kernels_of_which_the_same_is_known_stand_together() {
        let proof = |(kernel, works, why): (&str, bool, &str)| -> accel::Proof {
            serde_json::from_value(json!({ "works": works, "why": why, "kernel": kernel }))
                .expect("a proof")
        };
        let proofs =
            [("6.1", false, "it spins"), ("6.12", true, "proven"), ("7.3", false, "it spins")];
        let proofs: Vec<_> = proofs.map(proof).into();
        let rows = kvm_in_groups(proofs.clone());
        let row = |name: &str, told: &str| (name.to_owned(), told.to_owned());
        assert_eq!(
            rows[1..],
            [row("2 kernels", "not used: it spins: 6.1, 7.3"), row("6.12", "works: proven")]
        );
        assert_eq!(kvm(proofs).len(), 4, "machines get each");
    }

    /// Whoever wants a fault has this alone.
    #[test]
    fn a_fault_names_the_words_that_it_takes() {
        for fault in iwl_card::Fault::all() {
            for word in fault.words() {
                assert!(about(fault).contains(word), "{fault}: {word}");
            }
        }
    }

    #[test]
    fn a_terminal_has_room_for_each_line() {
        let look = Look { colour: false, width: look::WIDTH };
        let text = text(&read::built_in(), None, look);
        for line in text.lines() {
            assert!(line.chars().count() <= look::WIDTH, "{line}");
        }
        assert!(text.contains("  corrupt-tail"), "the firmware's faults too: {text}");
    }
}
