//! What the guest has to look like.

use guest_protocol::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::number;
use super::pattern::{Vars, glob};
use super::text::Text;

/// What the card's device and the guest must look like now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// Which card, if not the step's: by its name, `"7260-2"`.
    pub card: Option<Text>,
    /// The card is on the PCI bus, or not.
    pub present: Option<bool>,
    /// It is bound to a driver, or not.
    pub bound: Option<bool>,
    /// How many network interfaces it has.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 1_000>")]
    pub interfaces: Option<usize>,
    /// A file of the guest holds this.
    pub file: Option<FileCheck>,
    /// These modules are loaded.
    #[serde(default)]
    pub loaded: Vec<Text>,
    /// These are not.
    #[serde(default)]
    pub not_loaded: Vec<Text>,
}

/// What a file has to hold, white space at its end aside. One of `is` and `matches`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileCheck {
    /// Absolute.
    pub path: Text,
    /// This.
    pub is: Option<Text>,
    /// What fits this; `*` stands for any characters.
    pub matches: Option<Text>,
}

impl FileCheck {
    /// What makes no sense in it.
    pub fn complaint(&self) -> Option<String> {
        match (&self.is, &self.matches) {
            _ if !self.path.0.starts_with('/') => {
                Some(format!("`path` is absolute; `{}` is not", self.path.0))
            }
            (Some(_), Some(_)) | (None, None) => {
                Some("`file` has one of `is` and `matches`".to_owned())
            }
            _ => None,
        }
    }

    /// What is not so, of a file that holds `text`.
    pub fn mismatch(&self, text: &str, vars: &Vars) -> Option<String> {
        let text = text.trim_end();
        let wanted = self.is.as_ref().or(self.matches.as_ref());
        let wanted = wanted.map(|wanted| vars.string(&wanted.0)).unwrap_or_default();
        let (fits, how) = match self.is {
            Some(_) => (text == wanted.trim_end(), "be"),
            None => (glob(&wanted, text), "match"),
        };
        let path = vars.string(&self.path.0);
        (!fits).then(|| format!("{path} holds `{text}`, and should {how} `{wanted}`"))
    }
}

impl Check {
    /// What the card in this slot should have come to and has not, as a milestone's kind.
    pub fn lacks(&self, state: &State, slot: &str) -> Option<&'static str> {
        let device = state.devices.iter().find(|device| device.slot == slot)?;
        let fewer = self.interfaces.is_some_and(|want| device.interfaces.len() < want);
        match (self.bound, &device.driver) {
            (Some(true), None) => Some("bound"),
            _ if fewer => Some("netdev-registered"),
            _ => None,
        }
    }

    /// What is not so, if something is not; `slot` is where the card belongs.
    pub fn mismatch(&self, state: &State, slot: &str, vars: &Vars) -> Option<String> {
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
        let absent = || Some(format!("there is no card in {slot}"));
        let Some(device) = state.devices.iter().find(|device| device.slot == slot) else {
            let wanted = self.present == Some(true)
                || (self.present.is_none() && (self.bound.is_some() || self.interfaces.is_some()));
            return if wanted { absent() } else { None };
        };
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
