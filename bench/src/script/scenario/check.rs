//! What the guest has to look like.

use guest_protocol::State;
use serde::Deserialize;

use super::number;
use super::pattern::Vars;
use super::text::Text;

/// What the card's device and the guest must look like now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The card is on the PCI bus, or not.
    pub present: Option<bool>,
    /// It is bound to a driver, or not.
    pub bound: Option<bool>,
    /// How many network interfaces it has.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 1_000>")]
    pub interfaces: Option<usize>,
    /// These modules are loaded.
    #[serde(default)]
    pub loaded: Vec<Text>,
    /// These are not.
    #[serde(default)]
    pub not_loaded: Vec<Text>,
}

impl Check {
    /// What is not so, if something is not.
    pub fn mismatch(&self, state: &State, vars: &Vars) -> Option<String> {
        let loaded = |module: &str| state.modules.iter().any(|loaded| loaded == module);
        for module in self.loaded.iter().map(|module| vars.string(&module.0)) {
            if !loaded(&module) {
                return Some(format!("{module} is not loaded, and should be"));
            }
        }
        for module in self.not_loaded.iter().map(|module| vars.string(&module.0)) {
            if loaded(&module) {
                return Some(format!("{module} is loaded, and should not be"));
            }
        }
        let absent = || Some("the card is not on the PCI bus".to_owned());
        let Some(device) = state.devices.first() else {
            let wanted = self.present == Some(true)
                || (self.present.is_none() && (self.bound.is_some() || self.interfaces.is_some()));
            return if wanted { absent() } else { None };
        };
        let slot = &device.slot;
        if self.present == Some(false) {
            return Some(format!("{slot} is there, and should not be"));
        }
        match (&device.driver, self.bound) {
            (Some(driver), Some(false)) => {
                return Some(format!("{slot} is bound to {driver}, and should not be"));
            }
            (None, Some(true)) => return Some(format!("{slot} is not bound, and should be")),
            _ => {}
        }
        let interfaces = &device.interfaces;
        match self.interfaces {
            Some(want) if want != interfaces.len() => Some(format!(
                "{slot} has {} network interfaces ({}), and should have {want}",
                interfaces.len(),
                interfaces.join(", ")
            )),
            _ => None,
        }
    }
}
