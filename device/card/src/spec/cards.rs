//! The cards there are: a row each.

use serde::Serialize;

use super::identity::Identity;
use super::silicon::Generation;
use crate::event::Image;

/// The driver's operation mode that the card's firmware leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpMode {
    /// `iwldvm`.
    Dvm,
    /// `iwlmvm`.
    Mvm,
    /// `iwlmld`; with kernels that lack it, `iwlmvm`.
    Mld,
}

impl OpMode {
    /// The kernel module the driver asks for.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Dvm => "iwldvm",
            Self::Mvm => "iwlmvm",
            Self::Mld => "iwlmld",
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// Version that its EEPROM or NVM claims to be of.
    pub nvm_version: u16,
    /// What its radio can do.
    pub radio: Radio,
    /// Which part of the platform's NVM is for it; all zero: none.
    pub sku_id: [u32; 3],
    /// What of this is not as the row of its name says.
    #[serde(skip_serializing_if = "Identity::is_empty")]
    pub identity: Identity,
}

/// What a radio can do, as its EEPROM or NVM says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Radio {
    /// Antennas to transmit, a bit each.
    pub transmit: u8,
    /// Antennas to receive.
    pub receive: u8,
    /// It has 5 GHz beside 2.4.
    pub both_bands: bool,
}

impl Radio {
    const fn new(transmit: u8, receive: u8, both_bands: bool) -> Self {
        Self { transmit, receive, both_bands }
    }
}

const ONE: Radio = Radio::new(1, 1, true);
const TWO: Radio = Radio::new(3, 3, true);
const THREE: Radio = Radio::new(7, 7, true);
const ONE_BGN: Radio = Radio::new(1, 1, false);
const TWO_BGN: Radio = Radio::new(3, 3, false);

impl CardSpec {
    /// It can interrupt by MSI-X.
    #[must_use]
    pub fn has_msix(&self) -> bool {
        self.generation.silicon().irqs.vectors() > 0
    }

    /// Its driver takes nothing but MSI-X without a fault of its own: iwlmld shares frames out among
    /// receive queues beside the first, and with MSI there are none.
    #[must_use]
    pub fn wants_msix(&self) -> bool {
        self.opmode == OpMode::Mld
    }

    /// The image that the driver gives the card first.
    #[must_use]
    pub fn first_image(&self) -> Image {
        match self.generation.silicon().boot.is_unified() {
            true => Image::Runtime,
            false => Image::Init,
        }
    }
}

/// What rows of one opmode have in common.
const fn base(generation: Generation, opmode: OpMode) -> CardSpec {
    CardSpec {
        name: "",
        marketing: "",
        pci: PciIds { device: 0, subsystem: 0 },
        generation,
        opmode,
        firmware: "",
        about: "",
        hw_rev: 0,
        rf_id: 0,
        pci_revision: 0x34,
        nvm_version: 0,
        radio: TWO,
        sku_id: [0; 3],
        identity: Identity { device: None, subsystem: None, hw_rev: None, rf_id: None, mac: None },
    }
}

const DVM_1000: CardSpec = CardSpec {
    hw_rev: 0x6c,
    nvm_version: 0x15d,
    radio: ONE_BGN,
    ..base(Generation::Gen1000, OpMode::Dvm)
};
const DVM_2000: CardSpec =
    CardSpec { nvm_version: 0x806, ..base(Generation::Gen2000, OpMode::Dvm) };
const DVM_5000: CardSpec =
    CardSpec { nvm_version: 0x11e, ..base(Generation::Gen5000, OpMode::Dvm) };
const DVM_6000: CardSpec =
    CardSpec { hw_rev: 0xb0, nvm_version: 0x70a, ..base(Generation::Gen6000, OpMode::Dvm) };
const MVM_7000: CardSpec =
    CardSpec { pci_revision: 0x83, nvm_version: 0xa1d, ..base(Generation::Gen7000, OpMode::Mvm) };
const MVM_8000: CardSpec =
    CardSpec { pci_revision: 0x78, nvm_version: 0xe40, ..base(Generation::Gen8000, OpMode::Mvm) };
const MVM_9000: CardSpec = CardSpec {
    rf_id: 0x0010_5110,
    pci_revision: 0x29,
    nvm_version: 0xe40,
    ..base(Generation::Gen9000, OpMode::Mvm)
};
const MVM_22000: CardSpec = CardSpec {
    rf_id: 0x0010_a100,
    pci_revision: 0x1a,
    nvm_version: 0xe40,
    ..base(Generation::Gen22000, OpMode::Mvm)
};

const MVM_AX210: CardSpec = CardSpec {
    rf_id: 0x0010_d000,
    sku_id: [0x610d0, 0, 0],
    pci_revision: 0x1a,
    nvm_version: 0xe40,
    ..base(Generation::GenAx210, OpMode::Mvm)
};

const MLD_BZ: CardSpec = CardSpec {
    rf_id: 0x0011_2200,
    sku_id: [0x51120, 0, 0],
    pci_revision: 0x1a,
    nvm_version: 0xe40,
    ..base(Generation::GenBz, OpMode::Mld)
};

static CARDS: &[CardSpec] = &[
    CardSpec {
        name: "6205",
        marketing: "Intel(R) Centrino(R) Advanced-N 6205 AGN",
        pci: PciIds { device: 0x0082, subsystem: 0x1301 },
        firmware: "iwlwifi-6000g2a-",
        about: "DVM: OTP read at probe, wlan without any firmware upload, INIT and RT at ifup",
        ..DVM_6000
    },
    CardSpec {
        name: "7260",
        marketing: "Intel(R) Dual Band Wireless AC 7260",
        pci: PciIds { device: 0x08b1, subsystem: 0x4070 },
        firmware: "iwlwifi-7260-",
        about: "MVM: INIT firmware and NVM at probe, the oldest card iwlmvm drives",
        hw_rev: 0x144,
        ..MVM_7000
    },
    CardSpec {
        name: "8265",
        marketing: "Intel(R) Dual Band Wireless-AC 8265",
        pci: PciIds { device: 0x24fd, subsystem: 0x0010 },
        firmware: "iwlwifi-8265-",
        about: "MVM: secure upload with a load status per section, extended NVM",
        hw_rev: 0x230,
        ..MVM_8000
    },
    CardSpec {
        name: "9260",
        marketing: "Intel(R) Wireless-AC 9260 160MHz",
        pci: PciIds { device: 0x2526, subsystem: 0x0014 },
        firmware: "iwlwifi-9260-th-b0-jf-b0-",
        about: "MVM: multi-queue receive, MSI-X where the driver takes it, its address in CSR",
        hw_rev: 0x321,
        ..MVM_9000
    },
    CardSpec {
        name: "ax200",
        marketing: "Intel(R) Wi-Fi 6 AX200 160MHz",
        pci: PciIds { device: 0x2723, subsystem: 0x0084 },
        firmware: "iwlwifi-cc-a0-",
        about: "MVM: context information, one image for all, queues by command, MSI-X",
        hw_rev: 0x340,
        ..MVM_22000
    },
    CardSpec {
        name: "ax210",
        marketing: "Intel(R) Wi-Fi 6E AX210 160MHz",
        pci: PciIds { device: 0x2725, subsystem: 0x0020 },
        firmware: "iwlwifi-ty-a0-gf-a0-",
        about: "MVM: an image loader, the platform's NVM",
        hw_rev: 0x420,
        ..MVM_AX210
    },
    CardSpec {
        name: "be200",
        marketing: "Intel(R) Wi-Fi 7 BE200 320MHz",
        pci: PciIds { device: 0x272b, subsystem: 0x00f0 },
        firmware: "iwlwifi-gl-c0-fm-c0-",
        about: "MLD: links, another CSR; with kernels before 6.15 MVM",
        hw_rev: 0x472,
        ..MLD_BZ
    },
    CardSpec {
        name: "1000",
        marketing: "Intel(R) Centrino(R) Wireless-N 1000 BGN",
        pci: PciIds { device: 0x0083, subsystem: 0x1305 },
        firmware: "iwlwifi-1000-",
        about: "DVM: OTP in blocks that are linked",
        radio: Radio::new(1, 3, false),
        ..DVM_1000
    },
    CardSpec {
        name: "100",
        marketing: "Intel(R) Centrino(R) Wireless-N 100 BGN",
        pci: PciIds { device: 0x08ae, subsystem: 0x1005 },
        firmware: "iwlwifi-100-",
        about: "DVM: as 1000",
        ..DVM_1000
    },
    CardSpec {
        name: "105",
        marketing: "Intel(R) Centrino(R) Wireless-N 105 BGN",
        pci: PciIds { device: 0x0894, subsystem: 0x0022 },
        firmware: "iwlwifi-105-",
        about: "DVM: as 2200, with one antenna",
        hw_rev: 0x110,
        radio: ONE_BGN,
        ..DVM_2000
    },
    CardSpec {
        name: "130",
        marketing: "Intel(R) Centrino(R) Wireless-N 130 BGN",
        pci: PciIds { device: 0x0896, subsystem: 0x5005 },
        firmware: "iwlwifi-6000g2b-",
        about: "DVM: as 1030, with one antenna",
        radio: ONE_BGN,
        ..DVM_6000
    },
    CardSpec {
        name: "135",
        marketing: "Intel(R) Centrino(R) Wireless-N 135 BGN",
        pci: PciIds { device: 0x0892, subsystem: 0x0062 },
        firmware: "iwlwifi-135-",
        about: "DVM: as 2230, with one antenna",
        hw_rev: 0x120,
        radio: ONE_BGN,
        ..DVM_2000
    },
    CardSpec {
        name: "1030",
        marketing: "Intel(R) Centrino(R) Wireless-N 1030 BGN",
        pci: PciIds { device: 0x008a, subsystem: 0x5305 },
        firmware: "iwlwifi-6000g2b-",
        about: "DVM: Bluetooth coexistence",
        radio: TWO_BGN,
        ..DVM_6000
    },
    CardSpec {
        name: "2200",
        marketing: "Intel(R) Centrino(R) Wireless-N 2200 BGN",
        pci: PciIds { device: 0x0890, subsystem: 0x4022 },
        firmware: "iwlwifi-2000-",
        about: "DVM: temperature calibration of the second version",
        hw_rev: 0x104,
        radio: TWO_BGN,
        ..DVM_2000
    },
    CardSpec {
        name: "2230",
        marketing: "Intel(R) Centrino(R) Wireless-N 2230 BGN",
        pci: PciIds { device: 0x0887, subsystem: 0x4062 },
        firmware: "iwlwifi-2030-",
        about: "DVM: as 2200, Bluetooth coexistence",
        hw_rev: 0xc8,
        radio: TWO_BGN,
        ..DVM_2000
    },
    CardSpec {
        name: "5100",
        marketing: "Intel(R) WiFi Link 5100 AGN",
        pci: PciIds { device: 0x4232, subsystem: 0x1201 },
        firmware: "iwlwifi-5000-",
        about: "DVM: an EEPROM",
        hw_rev: 0x54,
        radio: Radio::new(2, 3, true),
        ..DVM_5000
    },
    CardSpec {
        name: "5150",
        marketing: "Intel(R) WiMAX/WiFi Link 5150 AGN",
        pci: PciIds { device: 0x423c, subsystem: 0x1201 },
        firmware: "iwlwifi-5150-",
        about: "DVM: an EEPROM, WiMAX beside it",
        hw_rev: 0x44,
        nvm_version: 0x21e,
        radio: Radio::new(1, 3, true),
        ..DVM_5000
    },
    CardSpec {
        name: "5300",
        marketing: "Intel(R) Ultimate N WiFi Link 5300 AGN",
        pci: PciIds { device: 0x4235, subsystem: 0x1001 },
        firmware: "iwlwifi-5000-",
        about: "DVM: an EEPROM, three antennas",
        hw_rev: 0x24,
        radio: THREE,
        ..DVM_5000
    },
    CardSpec {
        name: "6150",
        marketing: "Intel(R) Centrino(R) Wireless-N + WiMAX 6150 BGN",
        pci: PciIds { device: 0x0885, subsystem: 0x1305 },
        firmware: "iwlwifi-6050-",
        about: "DVM: WiMAX beside it",
        hw_rev: 0x84,
        nvm_version: 0x554,
        radio: Radio::new(1, 3, false),
        ..DVM_6000
    },
    CardSpec {
        name: "6230",
        marketing: "Intel(R) Centrino(R) Advanced-N 6230 AGN",
        pci: PciIds { device: 0x0091, subsystem: 0x5201 },
        firmware: "iwlwifi-6000g2b-",
        about: "DVM: Bluetooth coexistence",
        ..DVM_6000
    },
    CardSpec {
        name: "6235",
        marketing: "Intel(R) Centrino(R) Advanced-N 6235 AGN",
        pci: PciIds { device: 0x088e, subsystem: 0x4060 },
        firmware: "iwlwifi-6000g2b-",
        about: "DVM: Bluetooth coexistence, one API of firmware",
        nvm_version: 0x754,
        ..DVM_6000
    },
    CardSpec {
        name: "6250",
        marketing: "Intel(R) Centrino(R) Advanced-N + WiMAX 6250 AGN",
        pci: PciIds { device: 0x0087, subsystem: 0x1301 },
        firmware: "iwlwifi-6050-",
        about: "DVM: WiMAX beside it",
        hw_rev: 0x84,
        nvm_version: 0x533,
        ..DVM_6000
    },
    CardSpec {
        name: "6300",
        marketing: "Intel(R) Centrino(R) Ultimate-N 6300 AGN",
        pci: PciIds { device: 0x4238, subsystem: 0x1111 },
        firmware: "iwlwifi-6000-",
        about: "DVM: three antennas",
        hw_rev: 0x74,
        nvm_version: 0x43b,
        radio: THREE,
        ..DVM_6000
    },
    CardSpec {
        name: "3160",
        marketing: "Intel(R) Dual Band Wireless AC 3160",
        pci: PciIds { device: 0x08b3, subsystem: 0x0070 },
        firmware: "iwlwifi-3160-",
        about: "MVM: as 7260, with one antenna",
        hw_rev: 0x164,
        nvm_version: 0x709,
        radio: ONE,
        ..MVM_7000
    },
    CardSpec {
        name: "3165",
        marketing: "Intel(R) Dual Band Wireless-AC 3165",
        pci: PciIds { device: 0x3165, subsystem: 0x4010 },
        firmware: "iwlwifi-7265D-",
        about: "MVM: as 7265D, with one antenna",
        hw_rev: 0x210,
        nvm_version: 0x709,
        radio: ONE,
        ..MVM_7000
    },
    CardSpec {
        name: "3168",
        marketing: "Intel(R) Dual Band Wireless-AC 3168",
        pci: PciIds { device: 0x24fb, subsystem: 0x2010 },
        firmware: "iwlwifi-3168-",
        about: "MVM: its channels in a section of their own",
        generation: Generation::Gen3168,
        hw_rev: 0x220,
        nvm_version: 0xd01,
        radio: ONE,
        ..MVM_7000
    },
    CardSpec {
        name: "7265",
        marketing: "Intel(R) Dual Band Wireless-AC 7265",
        pci: PciIds { device: 0x095a, subsystem: 0x5010 },
        firmware: "iwlwifi-7265-",
        about: "MVM: as 7260",
        hw_rev: 0x184,
        ..MVM_7000
    },
    CardSpec {
        name: "7265d",
        marketing: "Intel(R) Dual Band Wireless-AC 7265",
        pci: PciIds { device: 0x095a, subsystem: 0x5012 },
        firmware: "iwlwifi-7265D-",
        about: "MVM: the ids of 7265; the driver tells it by its hardware revision",
        hw_rev: 0x210,
        nvm_version: 0xc11,
        ..MVM_7000
    },
    CardSpec {
        name: "8260",
        marketing: "Intel(R) Dual Band Wireless-AC 8260",
        pci: PciIds { device: 0x24f3, subsystem: 0x0010 },
        firmware: "iwlwifi-8000C-",
        about: "MVM: as 8265",
        hw_rev: 0x201,
        ..MVM_8000
    },
    CardSpec {
        name: "9560",
        marketing: "Intel(R) Wireless-AC 9560 160MHz",
        pci: PciIds { device: 0x9df0, subsystem: 0x0034 },
        firmware: "iwlwifi-9000-pu-b0-jf-b0-",
        about: "MVM: as 9260, integrated: told by its MAC and RF types",
        hw_rev: 0x312,
        ..MVM_9000
    },
    CardSpec {
        name: "ax201",
        marketing: "Intel(R) Wi-Fi 6 AX201 160MHz",
        pci: PciIds { device: 0x02f0, subsystem: 0x0074 },
        firmware: "iwlwifi-QuZ-a0-hr-b0-",
        about: "MVM: as AX200, integrated: told by its MAC and RF types",
        hw_rev: 0x351,
        ..MVM_22000
    },
    CardSpec {
        name: "ax211",
        marketing: "Intel(R) Wi-Fi 6E AX211 160MHz",
        pci: PciIds { device: 0x7af0, subsystem: 0x0094 },
        firmware: "iwlwifi-so-a0-gf-a0-",
        about: "MVM: as AX210, integrated: told by its MAC and RF types",
        hw_rev: 0x370,
        sku_id: [0x610d1, 0, 0],
        ..MVM_AX210
    },
    CardSpec {
        name: "be201",
        marketing: "Intel(R) Wi-Fi 7 BE201 320MHz",
        pci: PciIds { device: 0xa840, subsystem: 0x0110 },
        firmware: "iwlwifi-bz-b0-fm-c0-",
        about: "MLD: as BE200, integrated: told by its MAC and RF types",
        hw_rev: 0x461,
        ..MLD_BZ
    },
];

/// Every card.
#[must_use]
pub fn cards() -> &'static [CardSpec] {
    CARDS
}

/// One of each generation: the first.
pub fn one_of_each_generation() -> impl Iterator<Item = &'static CardSpec> {
    let first = |at: &usize| !CARDS[..*at].iter().any(|c| c.generation == CARDS[*at].generation);
    (0..CARDS.len()).filter(first).map(|at| &CARDS[at])
}

/// The card of that name, in upper or lower case, or the first of that PCI id: `8086:24fd`.
#[must_use]
pub fn card(name: &str) -> Option<&'static CardSpec> {
    let id = name.strip_prefix("8086:").and_then(|id| u16::from_str_radix(id, 16).ok());
    CARDS.iter().find(|spec| match id {
        Some(id) => spec.pci.device == id,
        None => spec.name.eq_ignore_ascii_case(name),
    })
}
