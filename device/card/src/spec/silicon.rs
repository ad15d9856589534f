//! What differs between generations: a constant each, on axes that do not depend on one another.
//!
//! A generation that is new on one axis is a variant there; the compiler tells where it matters.

use iwl_hw::csr::hw_rev_type;
use iwl_hw::maps::{Bar, Prph};
use iwl_hw::msix::{self, HwCauses};
use iwl_hw::tfh;
use serde::Serialize;

/// The hardware generation: a name for its hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generation {
    /// `IWL_DEVICE_FAMILY_1000` and 100: OTP in linked blocks, DVM firmware.
    Gen1000,
    /// `IWL_DEVICE_FAMILY_5000` and 5150: EEPROM.
    Gen5000,
    /// `IWL_DEVICE_FAMILY_6005` and its kin: OTP behind shadow RAM.
    Gen6000,
    /// `IWL_DEVICE_FAMILY_2000` and its kin: hardware as that.
    Gen2000,
    /// `IWL_DEVICE_FAMILY_7000`: NVM behind the firmware, MVM.
    Gen7000,
    /// The same family, with NVM of another layout (`IWL_NVM_SDP`).
    Gen3168,
    /// `IWL_DEVICE_FAMILY_8000`: secure upload with a load status, extended NVM, MVM.
    Gen8000,
    /// `IWL_DEVICE_FAMILY_9000`: multi-queue receive, MSI-X.
    Gen9000,
    /// `IWL_DEVICE_FAMILY_22000`: context information, one image, queues by command.
    Gen22000,
    /// `IWL_DEVICE_FAMILY_AX210`: an image loader, the platform's NVM, other descriptors.
    GenAx210,
    /// `IWL_DEVICE_FAMILY_BZ`: another CSR, and again other descriptors.
    GenBz,
}

/// One generation's hardware.
#[derive(Debug)]
pub(crate) struct Silicon {
    /// The registers of BAR 0, and its size.
    pub(crate) bar: Bar,
    /// Power, clock and reset in CSR.
    pub(crate) mac: Mac,
    /// The registers of the periphery, and how much of an address it decodes.
    pub(crate) prph: Prph,
    /// How packets come to the host.
    pub(crate) rx: Rx,
    /// How commands and frames come from it.
    pub(crate) tx: Tx,
    /// How an image comes into the device, and how its CPU is released.
    pub(crate) boot: Boot,
    /// Which interrupts it has beside INTx and MSI.
    pub(crate) irqs: Irqs,
    /// Where it keeps its address, channels and calibration.
    pub(crate) nvm: Nvm,
}

/// How CSR controls the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mac {
    /// `CSR_GP_CNTRL` and `CSR_RESET`.
    Classic,
    /// All in `CSR_GP_CNTRL`, of other bits.
    Bz,
}

/// Receive rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rx {
    /// One ring, whose registers are the flow handler's.
    Rbd,
    /// Free and used rings, a pair for each of many queues.
    Rfh(Descriptors),
}

/// How the free and used rings describe a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptors {
    /// Address and number in one word; the number.
    Packed,
    /// A structure each.
    Transfer,
    /// A structure; a word that begins with the number.
    TransferShort,
}

/// Transmit queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tx {
    /// Behind the scheduler, which the driver sets up; the flow handler reads the descriptors.
    Tfd,
    /// Opened by the firmware; descriptors of the TFH.
    Tfh {
        /// Indices of a queue, whatever its ring's size.
        indices: u32,
    },
}

/// How the CPU gets its image, and is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// Uploaded; released by writing zero to `CSR_RESET`.
    ResetRegister,
    /// Uploaded; released by writing all ones to `FH_UCODE_LOAD_STATUS`.
    LoadStatus,
    /// It fetches the image itself, by the context information; there is one for all purposes.
    ContextInfo,
    /// The same, by an image loader that comes with the image.
    ImageLoader,
}

impl Boot {
    /// The card fetches the image itself; there is one for all purposes.
    pub(crate) fn is_unified(self) -> bool {
        match self {
            Self::ResetRegister | Self::LoadStatus => false,
            Self::ContextInfo | Self::ImageLoader => true,
        }
    }
}

/// Interrupts beside INTx and MSI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Irqs {
    /// None.
    Msi,
    /// So many vectors of MSI-X too.
    Msix {
        /// Vectors.
        vectors: u16,
        /// Which bit tells of a microcode error.
        sw_err: HwCauses,
    },
}

/// Where the non-volatile memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nvm {
    /// An EEPROM behind `CSR_EEPROM_REG`.
    Eeprom,
    /// OTP there, the valid block of which shadow RAM shows.
    Otp,
    /// OTP there without it: blocks that are linked.
    OtpBlocks,
    /// Sections that the firmware reads out, as 7000 lays them out.
    Sections,
    /// The same with the channels in a section of their own.
    SectionsSdp,
    /// Sections as 8000 and 9000 lay them out.
    SectionsExtended,
}

const FAMILY_6000: Silicon = Silicon {
    bar: Bar::Legacy,
    mac: Mac::Classic,
    prph: Prph::Legacy,
    rx: Rx::Rbd,
    tx: Tx::Tfd,
    boot: Boot::ResetRegister,
    irqs: Irqs::Msi,
    nvm: Nvm::Otp,
};

const FAMILY_1000: Silicon = Silicon { nvm: Nvm::OtpBlocks, ..FAMILY_6000 };

const FAMILY_5000: Silicon = Silicon { nvm: Nvm::Eeprom, ..FAMILY_6000 };

const FAMILY_7000: Silicon = Silicon { nvm: Nvm::Sections, ..FAMILY_6000 };

const FAMILY_3168: Silicon = Silicon { nvm: Nvm::SectionsSdp, ..FAMILY_7000 };

const FAMILY_8000: Silicon =
    Silicon { boot: Boot::LoadStatus, nvm: Nvm::SectionsExtended, ..FAMILY_7000 };

const FAMILY_9000: Silicon = Silicon {
    bar: Bar::Family9000,
    prph: Prph::Family9000,
    rx: Rx::Rfh(Descriptors::Packed),
    irqs: Irqs::Msix { vectors: msix::VECTORS, sw_err: HwCauses::SW_ERR },
    ..FAMILY_8000
};

const FAMILY_22000: Silicon = Silicon {
    bar: Bar::Family22000,
    prph: Prph::Family22000,
    tx: Tx::Tfh { indices: tfh::MAX_TFD_QUEUE_SIZE },
    boot: Boot::ContextInfo,
    ..FAMILY_9000
};

const FAMILY_AX210: Silicon = Silicon {
    bar: Bar::FamilyAx210,
    prph: Prph::FamilyAx210,
    rx: Rx::Rfh(Descriptors::Transfer),
    tx: Tx::Tfh { indices: tfh::MAX_TFD_QUEUE_SIZE_AX210 },
    boot: Boot::ImageLoader,
    ..FAMILY_22000
};

const FAMILY_BZ: Silicon = Silicon {
    bar: Bar::FamilyBz,
    mac: Mac::Bz,
    rx: Rx::Rfh(Descriptors::TransferShort),
    irqs: Irqs::Msix { vectors: msix::VECTORS, sw_err: HwCauses::SW_ERR_BZ },
    ..FAMILY_AX210
};

impl Generation {
    /// As a list says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gen1000 => "1000",
            Self::Gen5000 => "5000",
            Self::Gen6000 => "6000",
            Self::Gen2000 => "2000",
            Self::Gen7000 => "7000",
            Self::Gen3168 => "3168",
            Self::Gen8000 => "8000",
            Self::Gen9000 => "9000",
            Self::Gen22000 => "22000",
            Self::GenAx210 => "ax210",
            Self::GenBz => "bz",
        }
    }

    /// That of a part with this `CSR_HW_REV`, by the type of its MAC; `None` before 9000, where the
    /// revision does not tell hardware apart.
    #[must_use]
    pub fn of_mac(hw_rev: u32) -> Option<Self> {
        Some(match hw_rev_type(hw_rev) {
            // PU, TH
            0x31 | 0x32 => Self::Gen9000,
            // QU, CC, QUZ, QNJ
            0x33..=0x36 => Self::Gen22000,
            // SO, TY, SOF, MA
            0x37 | 0x42..=0x44 => Self::GenAx210,
            // BZ, GL, SC, SC2, SC2F, BZ_W, BR, DR
            0x46..=0x4d => Self::GenBz,
            _ => return None,
        })
    }

    /// Its hardware.
    pub(crate) fn silicon(self) -> &'static Silicon {
        match self {
            Self::Gen1000 => &FAMILY_1000,
            Self::Gen5000 => &FAMILY_5000,
            Self::Gen6000 | Self::Gen2000 => &FAMILY_6000,
            Self::Gen7000 => &FAMILY_7000,
            Self::Gen3168 => &FAMILY_3168,
            Self::Gen8000 => &FAMILY_8000,
            Self::Gen9000 => &FAMILY_9000,
            Self::Gen22000 => &FAMILY_22000,
            Self::GenAx210 => &FAMILY_AX210,
            Self::GenBz => &FAMILY_BZ,
        }
    }
}

impl Irqs {
    /// MSI-X vectors.
    pub(crate) fn vectors(self) -> u16 {
        match self {
            Self::Msi => 0,
            Self::Msix { vectors, .. } => vectors,
        }
    }
}
