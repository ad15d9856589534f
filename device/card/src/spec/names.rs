//! The names that a card tells of: registers and messages.

use super::cards::{CardSpec, OpMode};

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
}
