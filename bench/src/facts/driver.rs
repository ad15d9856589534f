//! The driver under test, as far as the bench has to know it: another driver is another of these.

use iwl_card::{CardEvent, CardSpec, OpMode, Space};
use iwl_ucode::stub::Kernel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::near::NoSuch;

/// A driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Driver {
    /// What `--driver` calls it.
    pub name: &'static str,
    /// Its module; what `modprobe -r` takes away at the end.
    pub module: &'static str,
    /// What the PCI core calls it: in sysfs, and in the uevent of a bind.
    pub pci_driver: &'static str,
    /// What it hands over to; each is tried in this order when all is unloaded.
    pub opmodes: &'static [Opmode],
    /// What all names of its firmware files begin with, below `/lib/firmware`.
    pub firmware: &'static str,
    /// How it asks for its opmode.
    pub request: Request,
    /// It looks whether the opmode has come, and lets go of the device if not.
    pub verifies: bool,
}

/// A module that a driver hands over to.
#[derive(Debug, PartialEq, Eq)]
pub struct Opmode {
    /// The module.
    pub module: &'static str,
    /// The firmware that it drives; none if no card of ours has that.
    pub drives: Option<OpMode>,
}

/// How a driver asks for its opmode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// It waits for modprobe: `request_module()`.
    Waits,
    /// It does not: `request_module_nowait()`.
    Nowait,
}

const fn iwlwifi(name: &'static str, request: Request, verifies: bool) -> Driver {
    Driver {
        name,
        module: "iwlwifi",
        pci_driver: "iwlwifi",
        opmodes: &[
            Opmode { module: "iwldvm", drives: Some(OpMode::Dvm) },
            Opmode { module: "iwlmvm", drives: Some(OpMode::Mvm) },
            Opmode { module: "iwlmld", drives: Some(OpMode::Mld) },
        ],
        firmware: "iwl",
        request,
        verifies,
    }
}

/// The kernel's own, as its package ships it.
pub const STOCK: &str = "stock";
/// That of kernels from [`NO_WAITING`] on.
pub static IWLWIFI: Driver = iwlwifi(STOCK, Request::Nowait, false);
/// That of older ones.
static IWLWIFI_WAITS: Driver = iwlwifi(STOCK, Request::Waits, false);
/// What a run with it says, where `--driver` says [`STOCK`].
pub const BUILT_IN: &str = "builtin";
/// The kernel's own that is no module, with opmodes that are none: it asks for none.
pub static IWLWIFI_BUILT_IN: Driver = iwlwifi(BUILT_IN, Request::Nowait, false);
/// The first whose iwl-drv.c does not wait for the opmode's module (3d913719df14).
const NO_WAITING: Kernel = Kernel { major: 6, minor: 10 };

/// The kernel's own.
pub fn stock(kernel: Kernel) -> &'static Driver {
    if kernel < NO_WAITING { &IWLWIFI_WAITS } else { &IWLWIFI }
}

/// All drivers that scenarios may name.
pub static DRIVERS: [&Driver; 1] = [&IWLWIFI];

/// A driver that `--driver` names: the kernel's own as it is, or with one small change.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// A line about it.
    pub about: &'static str,
    /// As `diff -u` writes it; none if the package's own module is taken.
    pub patch: Option<&'static str>,
    driver: Driver,
}

macro_rules! choices {
    ($($name:literal, $request:ident, $verifies:literal, $patch:expr, $about:literal;)*) => {
        [$(Choice {
            about: $about,
            patch: $patch,
            driver: iwlwifi($name, Request::$request, $verifies),
        }),*]
    };
}
macro_rules! patch {
    ($name:literal) => {
        Some(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../guest-images/driver-variants/",
            $name,
            ".patch"
        )))
    };
}

/// What `--driver` takes, in the order of its tables. Their strategies are told in
/// `guest-images/driver-variants`.
pub static CHOICES: [Choice; 8] = choices! {
    "stock", Nowait, false, None, "as the kernel's package ships it";
    "sync-print", Waits, false, patch!("sync-print"), "request_module(), its error printed: 2017";
    "sync-verify", Waits, true, patch!("sync-verify"),
        "that, and a look whether the opmode came: option 1";
    "nowait-verify", Nowait, true, patch!("nowait-verify"),
        "nowait, and a look a second later: option 2a, as it would have to be";
    "nowait-verify-mail", Nowait, true, patch!("nowait-verify-mail"), "2a to the letter of the mail";
    // Built as the others are, from the source as it is.
    "nowait", Nowait, false, Some(""),
        "request_module_nowait(), and no look: option 2b, 6.10 and later";
    "locked-sync", Waits, false, patch!("locked-sync"), "request_module() under the opmodes' lock";
    "async-sync", Waits, false, patch!("async-sync"), "request_module() from async_schedule()";
};

impl Choice {
    /// What `--driver` calls it.
    pub fn name(&self) -> &'static str {
        self.driver.name
    }

    /// The driver that it is in this kernel.
    ///
    /// # Errors
    /// It is no driver of this kernel's: each change is one of a driver that does not wait.
    pub fn driver(&'static self, kernel: Kernel) -> Result<&'static Driver, String> {
        match self.patch {
            None => Ok(stock(kernel)),
            Some(_) if kernel < NO_WAITING => Err(format!(
                "driver {} is a change of the driver of {NO_WAITING} and later, and not for kernel \
                 {kernel}",
                self.name()
            )),
            _ => Ok(&self.driver),
        }
    }
}

/// The choices that a word means: itself, or `all`.
///
/// # Errors
/// There is none.
pub fn choices(word: &str) -> Result<Vec<&'static Choice>, NoSuch> {
    let found: Vec<_> =
        CHOICES.iter().filter(|choice| word == "all" || choice.name() == word).collect();
    match found.is_empty() {
        false => Ok(found),
        true => {
            let known = CHOICES.iter().map(Choice::name).chain(["all"]);
            Err(NoSuch::new("driver", word, known))
        }
    }
}

impl Driver {
    /// Whether it is the kernel's own, whose ways are as they are.
    pub fn is_stock(&self) -> bool {
        [STOCK, BUILT_IN].contains(&self.name)
    }

    /// Whether it and its opmodes are in the kernel itself.
    pub fn is_built_in(&self) -> bool {
        self.name == BUILT_IN
    }

    /// Whether a module is one of its opmodes.
    pub fn is_opmode(&self, module: &str) -> bool {
        self.opmodes.iter().any(|opmode| opmode.module == module)
    }

    /// The opmode that a card's firmware leads to.
    pub fn opmode_of(&self, card: &CardSpec) -> Option<&'static str> {
        self.opmode_for(card.opmode)
    }

    /// The same with a kernel: one without iwlmld has iwlmvm drive its cards.
    pub fn opmode_with(&self, card: &CardSpec, kernel: Kernel) -> Option<&'static str> {
        self.opmode_for(match card.opmode {
            OpMode::Mld if kernel < Kernel::V6_15 => OpMode::Mvm,
            opmode => opmode,
        })
    }

    fn opmode_for(&self, firmware: OpMode) -> Option<&'static str> {
        let drives = |opmode: &&Opmode| opmode.drives == Some(firmware);
        self.opmodes.iter().find(drives).map(|opmode| opmode.module)
    }

    /// Its modules, an opmode before what that stands on.
    pub fn modules(&self) -> impl Iterator<Item = &'static str> {
        self.opmodes.iter().map(|opmode| opmode.module).chain([self.module])
    }

    /// Whether a file is its firmware, compressed or not.
    pub fn is_firmware(&self, path: &str) -> bool {
        path.starts_with(self.firmware)
    }

    /// Whether this is the driver, or its opmode, touching the card. The PCI core reads
    /// configuration space on its own.
    pub fn touches(&self, event: &CardEvent) -> bool {
        matches!(
            event,
            CardEvent::RegRead { space, .. } | CardEvent::RegWrite { space, .. }
                if *space != Space::Config
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_chosen_by_its_name_and_the_kernels_own_by_its_age() {
        let one = choices("sync-verify").expect("there is one");
        let of = |choice: &'static Choice, minor| choice.driver(Kernel { major: 6, minor });
        assert_eq!(one.len(), 1);
        assert_eq!(of(one[0], 12).expect("a driver").request, Request::Waits);
        assert!(of(one[0], 9).is_err());
        let stock = choices(STOCK).expect("there is one")[0];
        let [old, new] = [9, 10].map(|minor| of(stock, minor).expect("a driver"));
        assert_eq!([old.request, new.request], [Request::Waits, Request::Nowait]);
        assert!(old.is_stock() && new.is_stock());
        assert_eq!(choices("all").expect("all").len(), CHOICES.len());
        let said = choices("sync-verfy").expect_err("none").to_string();
        assert!(said.contains("sync-verify"), "{said}");
    }

    #[test]
    fn each_patch_changes_the_drivers_core_alone() {
        let patches = CHOICES.iter().filter_map(|choice| Some((choice, choice.patch?)));
        for (choice, patch) in patches.filter(|(_, patch)| !patch.is_empty()) {
            assert!(patch.starts_with("--- a/iwl-drv.c\n+++ b/iwl-drv.c\n"), "{}", choice.name());
        }
    }
}
