//! Which faults a card can have: those of parts that it has.

use iwl_hw::mvm::is_of_upper_mac;
use iwl_hw::{dvm, mvm};

use super::cards::{CardSpec, OpMode};
use super::silicon::{Boot, Nvm};
use crate::faults::Fault;
use crate::faults::NvmSection::{Calibration, Hw, Regulatory, Sw};

impl CardSpec {
    /// Why this card cannot have a fault, if it cannot.
    #[must_use]
    pub fn lacks(&self, fault: Fault) -> Option<&'static str> {
        let silicon = self.generation.silicon();
        let old = self.opmode == OpMode::Dvm;
        match fault {
            Fault::NoFhTx if silicon.boot.is_unified() => {
                Some("it fetches its image itself, and tells of no section")
            }
            Fault::UcodeError { error: Some(error), .. }
                if is_of_upper_mac(error) && (old || silicon.boot == Boot::ResetRegister) =>
            {
                Some("it has one MAC, without an upper one that could fail")
            }
            Fault::UcodeError { error: Some(error), .. } if old && has_no_name(error) => {
                Some("its driver has no such name, and prints ADVANCED_SYSASSERT")
            }
            Fault::NvmChecksum if !matches!(silicon.nvm, Nvm::Otp | Nvm::OtpBlocks) => {
                Some("its driver sees no check bits of an OTP")
            }
            Fault::NvmOld if silicon.boot.is_unified() => {
                Some("its firmware reads the NVM; the driver does not look at the version")
            }
            Fault::NvmSectionAbsent { section } => {
                let unified = silicon.boot.is_unified();
                let has = match (silicon.nvm, unified) {
                    (Nvm::Eeprom | Nvm::Otp | Nvm::OtpBlocks, _) => {
                        return Some("its EEPROM or OTP is one piece, without sections");
                    }
                    (_, true) => {
                        return Some("its firmware reads the NVM; the driver sees no sections");
                    }
                    (Nvm::Sections, _) => matches!(section, Sw | Hw | Calibration),
                    (Nvm::SectionsSdp, _) => matches!(section, Sw | Hw | Calibration | Regulatory),
                    (Nvm::SectionsExtended, _) => !matches!(section, Hw | Calibration),
                };
                (!has).then_some("its NVM has no such section even when it is well")
            }
            Fault::ImlRefused if silicon.boot != Boot::ImageLoader => {
                Some("it has no image loader")
            }
            Fault::NoPnvmComplete if silicon.boot != Boot::ImageLoader => {
                Some("it is told of no platform's NVM")
            }
            Fault::NoResetDone if silicon.boot != Boot::ImageLoader => {
                Some("its driver resets it without a word")
            }
            Fault::LostVector { .. } | Fault::EarlyVector { .. } | Fault::RestlessVector { .. }
                if silicon.irqs.vectors() == 0 =>
            {
                Some("it has no MSI-X")
            }
            _ => None,
        }
    }
}

/// An error that only later drivers have a name for.
fn has_no_name(error: u32) -> bool {
    let name = |name: &&str| mvm::ERRORS.iter().any(|(known, id)| known == name && *id == error);
    dvm::WITHOUT_NAME.iter().any(name)
}

#[cfg(test)]
mod tests {
    use super::super::one_of_each_generation;

    #[test]
    fn a_fault_is_of_a_part_that_is_there() {
        let having = |fault: &str| -> Vec<_> {
            let fault = fault.parse().expect("a fault");
            let cards = one_of_each_generation().filter(|card| card.lacks(fault).is_none());
            cards.map(|card| card.name).collect()
        };
        let all: Vec<_> = one_of_each_generation().map(|card| card.name).collect();
        assert_eq!(having("never-alive"), all);
        assert!(!having("no-fh-tx").contains(&"ax200"));
        assert_eq!(having("ucode-error=BAD_COMMAND"), all);
        assert_eq!(having("ucode-error=0x20001000")[0], "8265");
        assert!(having("ucode-error=NMI_INTERRUPT_UMAC_FATAL").contains(&"7260"));
        assert!(!having("ucode-error=NMI_INTERRUPT_UMAC_FATAL").contains(&"6205"));
        assert_eq!(having("nvm-mac=ones"), all);
        let old = having("nvm-old");
        assert!(old.contains(&"9260") && !old.contains(&"ax200") && !old.contains(&"be200"));
        let sw = having("nvm-section-absent=sw");
        let checked = having("nvm-checksum");
        assert!(
            !checked.is_empty() && checked.iter().all(|name| !sw.contains(name)),
            "{checked:?}"
        );
        assert_eq!(having("nvm-section-absent=phy-sku"), ["8265", "9260"]);
        assert!(having("nvm-section-absent=hw").contains(&"7260"));
        assert_eq!(having("iml-refused"), ["ax210", "be200"]);
        for fault in ["early-vector", "restless-vector"] {
            assert_eq!(having(fault), ["9260", "ax200", "ax210", "be200"]);
        }
    }
}
