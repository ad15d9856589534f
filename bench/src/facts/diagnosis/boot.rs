//! Why a guest did not come up.

use super::facts::{Diagnosis, Facts};
use crate::facts::accel::Accel;
use crate::facts::added;
use crate::facts::timeline::What;

/// Whether its agent was heard.
fn has_come_up(facts: &Facts<'_>) -> bool {
    facts.events.iter().any(|event| matches!(event.what, What::Hello { .. }))
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
        // One that came up is silent where all is well.
        None if lines().next().is_none() && !has_come_up(facts) => (
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
    let (cause, remedy) = match (added::remedy(facts.added), added::fatal(facts.added)) {
        (Some(remedy), Some(_)) => ("command-line", remedy),
        (Some(remedy), None) => (cause, remedy),
        (None, _) => (cause, remedy.to_owned()),
    };
    Diagnosis {
        cause: cause.to_owned(),
        sentence,
        remedy: Some(remedy),
        log: None,
        events: Vec::new(),
    }
}
