// SPDX-License-Identifier: GPL-2.0

//! The cards, by PCI id: a row each, as `iwl_hw_card_ids` and the configurations behind it have them.

use kernel::pci;

use crate::abi::Family;

/// What the driver has to know of a card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) family: Family,
    /// The name of its firmware, up to the API number.
    pub(crate) firmware: &'static str,
    /// The API numbers that are supported, the first asked for first.
    pub(crate) api: (u32, u32),
    /// Room for a DVM image's code and data; none where it carries its own places.
    pub(crate) dvm: (u32, u32),
    /// The oldest NVM, and the oldest calibration in it, that are good; 0 where the firmware looks.
    pub(crate) nvm: (u16, u16),
}

/// `IWLAGN_RTC_INST_SIZE`, `IWLAGN_RTC_DATA_SIZE`.
const IWLAGN_RTC: (u32, u32) = (0x2_0000, 0xc000);
/// `IWL60_RTC_INST_SIZE`, `IWL60_RTC_DATA_SIZE`.
const IWL60_RTC: (u32, u32) = (0x4_0000, 0x1_4000);

macro_rules! cards {
    ($($name:ident: $family:ident, $firmware:literal, $max:literal..$min:literal, $dvm:expr,
        $nvm:literal $(/ $calib:literal)?;)*) => {
        $(const $name: Card = Card {
            family: Family::$family,
            firmware: concat!("iwlwifi-", $firmware, "-"),
            api: ($max, $min),
            dvm: $dvm,
            nvm: ($nvm, 0 $(+ $calib)?),
        };)*
    };
}

cards! {
    IWL1000: Family1000, "1000", 5..1, IWLAGN_RTC, 0x15c / 4;
    IWL100: Family1000, "100", 5..5, IWLAGN_RTC, 0x15c / 4;
    IWL105: Family6000, "105", 6..5, IWL60_RTC, 0x805 / 6;
    IWL135: Family6000, "135", 6..5, IWL60_RTC, 0x805 / 6;
    IWL2000: Family6000, "2000", 6..5, IWL60_RTC, 0x805 / 6;
    IWL2030: Family6000, "2030", 6..5, IWL60_RTC, 0x805 / 6;
    IWL5000: Family5000, "5000", 5..1, IWLAGN_RTC, 0x11a / 4;
    IWL5150: Family5000, "5150", 2..1, IWLAGN_RTC, 0x21e / 4;
    IWL6000: Family6000, "6000", 4..4, IWL60_RTC, 0x423 / 4;
    IWL6050: Family6000, "6050", 5..4, IWL60_RTC, 0x532 / 4;
    IWL6150: Family6000, "6050", 5..4, IWL60_RTC, 0x553 / 6;
    IWL6005: Family6000, "6000g2a", 6..5, IWL60_RTC, 0x709 / 6;
    IWL6030: Family6000, "6000g2b", 6..5, IWL60_RTC, 0x709 / 6;
    IWL6035: Family6000, "6000g2b", 6..6, IWL60_RTC, 0x709 / 6;
    IWL7260: Family7000, "7260", 17..17, (0, 0), 0xa1d;
    IWL3160: Family7000, "3160", 17..17, (0, 0), 0x709;
    IWL7265: Family7000, "7265", 17..17, (0, 0), 0xa1d;
    IWL7265D: Family7000, "7265D", 29..22, (0, 0), 0xc11;
    IWL3165: Family7000, "7265D", 29..22, (0, 0), 0x709;
    IWL3168: Family7000, "3168", 29..22, (0, 0), 0xd01;
    IWL8260: Family8000, "8000C", 36..22, (0, 0), 0xa1d;
    IWL8265: Family8000, "8265", 36..22, (0, 0), 0xa1d;
    IWL_AX200: Family22000, "cc-a0", 77..77, (0, 0), 0;
}

/// `CSR_HW_REV_TYPE_7265D`, without the step.
const HW_REV_7265D: u32 = 0x210;

impl Card {
    /// The card that it is by its hardware's revision: 7265 and 7265D have one id.
    pub(crate) fn by_revision(self, hw_rev: u32) -> Card {
        match self.firmware == IWL7265.firmware && hw_rev & 0xfff0 == HW_REV_7265D {
            true => IWL7265D,
            false => self,
        }
    }
}

const fn intel(device: u32) -> pci::DeviceId {
    pci::DeviceId::from_id(pci::Vendor::INTEL, device)
}

kernel::pci_device_table!(
    IDS,
    Card,
    [
        (intel(0x0083), IWL1000),
        (intel(0x0084), IWL1000),
        (intel(0x08ae), IWL100),
        (intel(0x08af), IWL100),
        (intel(0x0894), IWL105),
        (intel(0x0895), IWL105),
        (intel(0x0892), IWL135),
        (intel(0x0893), IWL135),
        (intel(0x0890), IWL2000),
        (intel(0x0891), IWL2000),
        (intel(0x0887), IWL2030),
        (intel(0x0888), IWL2030),
        (intel(0x4232), IWL5000),
        (intel(0x4235), IWL5000),
        (intel(0x4236), IWL5000),
        (intel(0x4237), IWL5000),
        (intel(0x423c), IWL5150),
        (intel(0x423d), IWL5150),
        (intel(0x4238), IWL6000),
        (intel(0x4239), IWL6000),
        (intel(0x422b), IWL6000),
        (intel(0x422c), IWL6000),
        (intel(0x0087), IWL6050),
        (intel(0x0089), IWL6050),
        (intel(0x0885), IWL6150),
        (intel(0x0886), IWL6150),
        (intel(0x0082), IWL6005),
        (intel(0x0085), IWL6005),
        (intel(0x008a), IWL6030),
        (intel(0x008b), IWL6030),
        (intel(0x0090), IWL6030),
        (intel(0x0091), IWL6030),
        (intel(0x0896), IWL6030),
        (intel(0x0897), IWL6030),
        (intel(0x088e), IWL6035),
        (intel(0x088f), IWL6035),
        (intel(0x08b1), IWL7260),
        (intel(0x08b2), IWL7260),
        (intel(0x08b3), IWL3160),
        (intel(0x08b4), IWL3160),
        (intel(0x095a), IWL7265),
        (intel(0x095b), IWL7265),
        (intel(0x3165), IWL3165),
        (intel(0x3166), IWL3165),
        (intel(0x24fb), IWL3168),
        (intel(0x24f3), IWL8260),
        (intel(0x24f4), IWL8260),
        (intel(0x24fd), IWL8265),
        (intel(0x2723), IWL_AX200),
    ]
);

/// All of them.
pub(crate) const TABLE: pci::IdTable<Card> = &IDS;
