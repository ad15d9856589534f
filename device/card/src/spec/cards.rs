//! The cards there are: a row each.

use serde::Serialize;

use super::silicon::{Boot, Generation};
use crate::event::Image;

/// The driver's operation mode that the card's firmware leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpMode {
    /// `iwldvm`.
    Dvm,
    /// `iwlmvm`.
    Mvm,
}

impl OpMode {
    /// The kernel module the driver asks for.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Dvm => "iwldvm",
            Self::Mvm => "iwlmvm",
        }
    }
}

/// PCI ids; the vendor (and subsystem vendor) is Intel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct PciIds {
    /// Device id.
    pub device: u16,
    /// Subsystem id.
    pub subsystem: u16,
}

/// One card: a row of facts.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct CardSpec {
    /// What a user types: `7260`.
    pub name: &'static str,
    /// What is printed on it, as the driver's log says it.
    pub marketing: &'static str,
    /// How the driver recognises it.
    pub pci: PciIds,
    /// Which generation's behaviour it has.
    pub generation: Generation,
    /// Where its own firmware leads.
    pub opmode: OpMode,
    /// The firmware's name up to its API number: `iwlwifi-7260-` (add `17.ucode`).
    pub firmware: &'static str,
    /// One line for a list.
    pub about: &'static str,
    /// `CSR_HW_REV`.
    pub hw_rev: u32,
    /// `CSR_HW_RF_ID`; parts before 9000 have none.
    pub rf_id: u32,
    /// PCI revision id.
    pub pci_revision: u8,
}

impl CardSpec {
    /// The image that the driver gives the card first.
    #[must_use]
    pub fn first_image(&self) -> Image {
        match self.generation.silicon().boot {
            Boot::ResetRegister | Boot::LoadStatus => Image::Init,
            Boot::ContextInfo => Image::Runtime,
        }
    }
}

static CARDS: &[CardSpec] = &[
    CardSpec {
        name: "6205",
        marketing: "Intel(R) Centrino(R) Advanced-N 6205 AGN",
        pci: PciIds { device: 0x0082, subsystem: 0x1301 },
        generation: Generation::Gen6000,
        opmode: OpMode::Dvm,
        firmware: "iwlwifi-6000g2a-",
        about: "DVM: EEPROM read at probe, wlan without any firmware upload, INIT and RT at ifup",
        hw_rev: 0xb0,
        rf_id: 0,
        pci_revision: 0x34,
    },
    CardSpec {
        name: "7260",
        marketing: "Intel(R) Dual Band Wireless AC 7260",
        pci: PciIds { device: 0x08b1, subsystem: 0x4070 },
        generation: Generation::Gen7000,
        opmode: OpMode::Mvm,
        firmware: "iwlwifi-7260-",
        about: "MVM: INIT firmware and NVM at probe, the oldest card iwlmvm drives",
        hw_rev: 0x144,
        rf_id: 0,
        pci_revision: 0x83,
    },
    CardSpec {
        name: "8265",
        marketing: "Intel(R) Dual Band Wireless-AC 8265",
        pci: PciIds { device: 0x24fd, subsystem: 0x0010 },
        generation: Generation::Gen8000,
        opmode: OpMode::Mvm,
        firmware: "iwlwifi-8265-",
        about: "MVM: secure upload with a load status per section, extended NVM",
        hw_rev: 0x230,
        rf_id: 0,
        pci_revision: 0x78,
    },
    CardSpec {
        name: "9260",
        marketing: "Intel(R) Wireless-AC 9260 160MHz",
        pci: PciIds { device: 0x2526, subsystem: 0x0014 },
        generation: Generation::Gen9000,
        opmode: OpMode::Mvm,
        firmware: "iwlwifi-9260-th-b0-jf-b0-",
        about: "MVM: multi-queue receive, MSI-X where the driver takes it, its address in CSR",
        hw_rev: 0x321,
        rf_id: 0x0010_5110,
        pci_revision: 0x29,
    },
    CardSpec {
        name: "ax200",
        marketing: "Intel(R) Wi-Fi 6 AX200 160MHz",
        pci: PciIds { device: 0x2723, subsystem: 0x0084 },
        generation: Generation::Gen22000,
        opmode: OpMode::Mvm,
        firmware: "iwlwifi-cc-a0-",
        about: "MVM: context information, one image for all, queues by command, MSI-X",
        hw_rev: 0x340,
        rf_id: 0x0010_a100,
        pci_revision: 0x1a,
    },
];

/// Every card.
#[must_use]
pub fn cards() -> &'static [CardSpec] {
    CARDS
}

/// The card of that name, in upper or lower case.
#[must_use]
pub fn card(name: &str) -> Option<&'static CardSpec> {
    CARDS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
}
