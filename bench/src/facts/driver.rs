//! The driver under test, as far as the bench has to know it: another driver is another of these.

use iwl_card::{CardEvent, CardSpec, OpMode, Space};
use iwl_ucode::stub::Kernel;

/// A driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Driver {
    /// Its module; what `modprobe -r` takes away at the end.
    pub module: &'static str,
    /// What the PCI core calls it: in sysfs, and in the uevent of a bind.
    pub pci_driver: &'static str,
    /// What it hands over to; each is tried in this order when all is unloaded.
    pub opmodes: &'static [Opmode],
    /// What all names of its firmware files begin with, below `/lib/firmware`.
    pub firmware: &'static str,
}

/// A module that a driver hands over to.
#[derive(Debug, PartialEq, Eq)]
pub struct Opmode {
    /// The module.
    pub module: &'static str,
    /// The firmware that it drives; none if no card of ours has that.
    pub drives: Option<OpMode>,
}

/// The kernel's own.
pub static IWLWIFI: Driver = Driver {
    module: "iwlwifi",
    pci_driver: "iwlwifi",
    opmodes: &[
        Opmode { module: "iwldvm", drives: Some(OpMode::Dvm) },
        Opmode { module: "iwlmvm", drives: Some(OpMode::Mvm) },
        Opmode { module: "iwlmld", drives: Some(OpMode::Mld) },
    ],
    firmware: "iwl",
};

/// All drivers that scenarios may name.
pub static DRIVERS: [&Driver; 1] = [&IWLWIFI];

impl Driver {
    /// Whether a module is one of its opmodes.
    pub fn is_opmode(&self, module: &str) -> bool {
        self.opmodes.iter().any(|opmode| opmode.module == module)
    }

    /// The opmode that a card's firmware leads to.
    pub fn opmode_of(&self, card: &CardSpec) -> Option<&'static str> {
        self.opmode_for(card.opmode)
    }

    /// The same with a kernel: one without iwlmld has iwlmvm drive its cards.
    pub fn opmode_with(&self, card: &CardSpec, kernel: Kernel) -> Option<&'static str> {
        self.opmode_for(match card.opmode {
            OpMode::Mld if kernel < Kernel::V6_15 => OpMode::Mvm,
            opmode => opmode,
        })
    }

    fn opmode_for(&self, firmware: OpMode) -> Option<&'static str> {
        let drives = |opmode: &&Opmode| opmode.drives == Some(firmware);
        self.opmodes.iter().find(drives).map(|opmode| opmode.module)
    }

    /// Its modules, an opmode before what that stands on.
    pub fn modules(&self) -> impl Iterator<Item = &'static str> {
        self.opmodes.iter().map(|opmode| opmode.module).chain([self.module])
    }

    /// Whether a file is its firmware, compressed or not.
    pub fn is_firmware(&self, path: &str) -> bool {
        path.starts_with(self.firmware)
    }

    /// Whether this is the driver, or its opmode, touching the card. The PCI core reads
    /// configuration space on its own.
    pub fn touches(&self, event: &CardEvent) -> bool {
        matches!(
            event,
            CardEvent::RegRead { space, .. } | CardEvent::RegWrite { space, .. }
                if *space != Space::Config
        )
    }
}
