//! `iwlbench list`.

mod kernels;

use std::fmt::Write;
use std::process::ExitCode;

use guest_kit::CacheDir;
use iwl_ucode::corrupt::Corruption;
use iwl_ucode::stub::StubDef;
use serde_json::json;

use crate::app::cli::{ListArgs, ListWhat};
use crate::app::commands;
use crate::app::ui::Ui;
use crate::facts::driver;
use crate::lab;
use crate::machine::accel;
use crate::report::look::Look;
use crate::script::read;
use crate::script::scenario::Scenario;

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
             ucode-error=17"
        }
        Fault::NvmSectionAbsent { .. } => {
            "a section is not in the NVM: nvm-section-absent=sw, =hw, =calibration, =regulatory, \
             =mac-override, =phy-sku, as far as the card has it"
        }
        Fault::NvmOld => "the NVM is of an older version than drivers take",
        Fault::NvmMac { .. } => "the MAC address is none: nvm-mac=zeros, nvm-mac=ones",
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
    driver::CHOICES.iter().map(|choice| (choice.name(), choice.about)).collect()
}

/// What is known about KVM on this host: whether there is any, and with which kernels it was tried.
fn kvm() -> Vec<(String, String)> {
    let device = accel::DEV_KVM;
    let opened = std::fs::File::options().read(true).write(true).open(device);
    let first = match opened {
        Ok(_) => "can be opened; tried once with each kernel, and remembered".to_owned(),
        Err(error) => format!("cannot be opened ({error}): guests run under TCG"),
    };
    let proofs = CacheDir::from_env().map(|cache| accel::proofs(cache.path())).unwrap_or_default();
    let proof = |proof: accel::Proof| {
        let verdict = if proof.works { "works" } else { "not used" };
        (proof.kernel, format!("{verdict}: {}", proof.why))
    };
    std::iter::once((device.to_owned(), first)).chain(proofs.into_iter().map(proof)).collect()
}

/// The kernels whose driver was seen with the card.
fn kernels_of(stub: &StubDef) -> String {
    format!(">={}", stub.ranges[0].since)
}

/// Prints cards, scenarios, kernels, drivers and faults.
pub fn list(args: &ListArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if let Some(ListWhat::Kernels) = args.what {
        return kernels::list(args, ui);
    }
    let scenarios = read::built_in();
    if args.json {
        let cards: Vec<_> = iwl_card::cards()
            .iter()
            .map(|card| {
                json!({
                    "name": card.name, "about": card.about, "marketing": card.marketing,
                    "pci": format!("8086:{:04x}", card.pci.device),
                    "subsystem": format!("8086:{:04x}", card.pci.subsystem),
                    "generation": card.generation.word(), "opmode": card.opmode.module(),
                    "firmware": lab::stub_of(card).map(|s| s.stem).ok(),
                    "kernels": lab::stub_of(card).map(kernels_of).ok(),
                    "msix": card.has_msix(),
                })
            })
            .collect();
        let pairs = |rows: &[(&str, &str)]| -> Vec<_> {
            rows.iter().map(|(name, about)| json!({ "name": name, "about": about })).collect()
        };
        let scenarios: Vec<_> = scenarios
            .iter()
            .map(|s| {
                let cards: Vec<_> = s.cards.iter().map(toml::Spanned::get_ref).collect();
                json!({
                    "name": s.name, "group": s.group, "about": s.about, "cards": cards,
                    "evidence": s.evidence, "twins": s.twins.len(),
                })
            })
            .collect();
        let faults: Vec<_> = iwl_card::Fault::all()
            .map(|f| json!({ "name": f.name(), "about": about(f) }))
            .collect();
        let document = json!({
            "format": 1, "cards": cards, "scenarios": scenarios, "faults": faults,
            "firmware_faults": pairs(&Corruption::EXAMPLES),
            "kvm": kvm().iter().map(|(what, why)| json!({ "name": what, "about": why })).collect::<Vec<_>>(),
            "kernels": pairs(&KERNELS), "drivers": pairs(&drivers()),
        });
        commands::print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    commands::print(&text(&scenarios, ui.look))?;
    Ok(ExitCode::SUCCESS)
}

/// All of it, for people.
fn text(scenarios: &[Scenario], look: Look) -> String {
    let mut out = String::new();
    let mut section = |title: &str, rows: Vec<(String, String)>| {
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
    section("Cards (--card)", cards.collect());
    for group in scenarios.chunk_by(|a, b| a.group == b.group) {
        let title = format!("Scenarios: {}", group[0].group.as_deref().unwrap_or_default());
        section(&title, group.iter().map(|s| (s.name.clone(), s.about.clone())).collect());
    }
    let owned = |rows: &[(&str, &str)]| {
        rows.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect::<Vec<_>>()
    };
    let mut kernels = owned(&KERNELS);
    kernels.push(("…".to_owned(), MORE_KERNELS.to_owned()));
    section("Kernels (--kernel)", kernels);
    section("Drivers (--driver)", owned(&drivers()));
    let faults = iwl_card::Fault::all().map(|f| (f.name().to_owned(), about(f).to_owned()));
    section("Card faults (--fault)", faults.collect());
    let corruptions =
        Corruption::EXAMPLES.map(|(example, what)| (example.to_owned(), what.to_owned()));
    section("Firmware faults (ucode build --fault)", corruptions.to_vec());
    section("KVM here", kvm());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::look;

    #[test]
    fn a_terminal_has_room_for_each_line() {
        let look = Look { colour: false, width: look::WIDTH };
        let text = text(&read::built_in(), look);
        for line in text.lines() {
            assert!(line.chars().count() <= look::WIDTH, "{line}");
        }
        assert!(text.contains("  corrupt-tail"), "the firmware's faults too: {text}");
    }
}
