//! Which faults a card can have: those of parts that it has.

use super::cards::CardSpec;
use super::silicon::{Boot, Nvm};
use crate::faults::Fault;
use crate::faults::NvmSection::{Calibration, Hw, Regulatory, Sw};

impl CardSpec {
    /// Why this card cannot have a fault, if it cannot.
    #[must_use]
    pub fn lacks(&self, fault: Fault) -> Option<&'static str> {
        let silicon = self.generation.silicon();
        match fault {
            Fault::NoFhTx if silicon.boot.is_unified() => {
                Some("it fetches its image itself, and tells of no section")
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
