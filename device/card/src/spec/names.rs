//! The names that a card tells of: registers, messages, and what its parts do.

use std::borrow::Cow;

use iwl_hw::msix;
use strum::IntoEnumIterator;

use super::cards::{CardSpec, OpMode};
use super::silicon::{Boot, Rx};
use crate::cause::Cause;
use crate::event;
use crate::nvm;

impl CardSpec {
    /// The vendor's names of its registers, in all windows.
    pub fn registers(&self) -> impl Iterator<Item = &'static str> {
        let silicon = self.generation.silicon();
        let prph = silicon.prph.map().iter().map(|register| register.name);
        silicon.bar.map().iter().map(|register| register.name).chain(prph)
    }

    /// The vendor's names of the messages between driver and firmware.
    #[must_use]
    pub fn messages(&self) -> Vec<&'static str> {
        let ids = 0..=u8::MAX;
        match self.opmode {
            OpMode::Dvm => ids.filter_map(iwl_hw::names::dvm).collect(),
            OpMode::Mvm | OpMode::Mld => (0..=u8::MAX)
                .flat_map(|group| ids.clone().filter_map(move |id| iwl_hw::names::mvm(group, id)))
                .collect(),
        }
    }

    /// It has an image loader, and looks for the platform's NVM.
    #[must_use]
    pub fn has_image_loader(&self) -> bool {
        self.generation.silicon().boot == Boot::ImageLoader
    }

    /// The causes that its interrupts tell of, by whichever line.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let silicon = self.generation.silicon();
        let (unified, by_vector) = (silicon.boot.is_unified(), self.has_msix());
        let tells = |cause: &Cause| match cause {
            Cause::FhTx => !unified,
            // `CSR_INT` has one bit for it and for `HW_ERR`.
            Cause::FhErr => by_vector,
            // No bit, or that of `WAKEUP`.
            Cause::Iml => false,
            Cause::Wakeup => unified,
            Cause::ResetDone => silicon.boot == Boot::ImageLoader,
            Cause::FhRx(_)
            | Cause::Alive
            | Cause::SwErr
            | Cause::HwErr
            | Cause::RfKill
            | Cause::Unknown => true,
        };
        let queues = match silicon.rx {
            Rx::Rbd => 1,
            Rx::Rfh(_) => msix::RX_QUEUES,
        };
        let others = Cause::iter().filter(|cause| !matches!(cause, Cause::FhRx(_)));
        let all = (0..queues).map(Cause::FhRx).chain(others);
        all.filter(tells).map(|cause| cause.to_string()).collect()
    }

    /// What it can be doing when one of its DMA accesses fails.
    #[must_use]
    pub fn dma_works(&self) -> [&'static str; 4] {
        let upload = match self.generation.silicon().boot.is_unified() {
            true => event::CONTEXT_INFORMATION,
            false => event::SERVICE_CHANNEL,
        };
        [upload, event::RECEIVE_RING, event::TRANSMIT_QUEUE, event::CAUSE_TABLE]
    }

    /// What events call the parts of its NVM or EEPROM that are read, and whether each is there when
    /// all is well.
    #[must_use]
    pub fn nvm_sections(&self) -> Vec<(Cow<'static, str>, bool)> {
        let silicon = self.generation.silicon();
        match (self.opmode, silicon.boot.is_unified()) {
            (OpMode::Dvm, _) => vec![(nvm::EEPROM.into(), true)],
            (_, true) => vec![(nvm::NVM_GET_INFO.into(), true)],
            (_, false) => nvm::Sections::named(silicon.nvm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{card, one_of_each_generation};

    #[test]
    fn each_card_tells_of_what_it_has() {
        let of = |name: &str| card(name).expect("a card");
        for (name, tells, never) in [
            ("6205", "FH_TX", "FH_ERR"),
            ("6205", "FH_RX(0)", "FH_RX(1)"),
            ("7260", "SW_ERR", "WAKEUP"),
            ("9260", "FH_RX(1)", "RESET_DONE"),
            ("9260", "FH_TX", "IML"),
            ("ax200", "WAKEUP", "FH_TX"),
            ("ax210", "RESET_DONE", "SW_ER"),
            ("be200", "FH_ERR", "FH_TX"),
        ] {
            let causes = of(name).causes();
            assert!(causes.iter().any(|cause| cause == tells), "{name}: {causes:?}");
            assert!(!causes.iter().any(|cause| cause == never), "{name}: {causes:?}");
        }
        let loaders: Vec<_> =
            one_of_each_generation().filter(|card| card.has_image_loader()).collect();
        assert_eq!(loaders.iter().map(|card| card.name).collect::<Vec<_>>(), ["ax210", "be200"]);
        let hw = |there| ("NVM_SECTION_TYPE_HW".into(), there);
        assert!(of("7260").nvm_sections().contains(&hw(true)));
        assert!(of("8265").nvm_sections().contains(&hw(false)));
        assert_eq!(of("ax200").nvm_sections(), [("NVM_GET_INFO".into(), true)]);
        assert_eq!(of("6205").nvm_sections(), [("eeprom".into(), true)]);
        assert!(of("8265").dma_works().contains(&"service channel"));
        assert!(of("be200").dma_works().contains(&"context information"));
    }
}
