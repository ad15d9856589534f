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
    /// It lets go of the device too where the opmode that came late fails to start.
    pub lets_go: bool,
    /// It was built without `CONFIG_IWLMLD`, and refuses the cards of Wi-Fi 7.
    pub no_mld: bool,
    /// Its modules' parameters, as the kernel's command line has them.
    pub parameters: &'static str,
    /// Of one that is not for all cards: the source that has its table of ids.
    pub table: Option<&'static str>,
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
        lets_go: false,
        no_mld: false,
        parameters: "",
        table: None,
    }
}

/// Ours, in Rust; how it asks is a parameter's to say.
const fn iwlrs(
    name: &'static str,
    request: Request,
    verifies: bool,
    parameters: &'static str,
) -> Driver {
    Driver {
        name,
        module: "iwlrs",
        pci_driver: "iwlrs",
        opmodes: &[
            Opmode { module: "iwlrs_dvm", drives: Some(OpMode::Dvm) },
            Opmode { module: "iwlrs_mvm", drives: Some(OpMode::Mvm) },
        ],
        firmware: "iwl",
        request,
        verifies,
        lets_go: true,
        no_mld: false,
        parameters,
        table: Some(include_str!("../../../guest-images/rust-driver/cards.rs")),
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

/// Whether a kernel has iwlmld.
fn has_mld(kernel: Kernel) -> bool {
    kernel >= Kernel::V6_15
}

/// The kernel's own.
pub fn stock(kernel: Kernel) -> &'static Driver {
    if kernel < NO_WAITING { &IWLWIFI_WAITS } else { &IWLWIFI }
}

/// That in Rust.
pub static IWLRS: Driver = iwlrs("rust", Request::Waits, true, "iwlrs.request=4");
/// The first kernel that it is for: what it uses of the `kernel` crate changes with each.
const RUST: Kernel = Kernel::V7_3;

/// All drivers that scenarios may name.
pub static DRIVERS: [&Driver; 2] = [&IWLWIFI, &IWLRS];

/// A driver that `--driver` names.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// A line about it.
    pub about: &'static str,
    /// What it is made of.
    pub origin: Origin,
    driver: Driver,
}

/// What a driver is made of.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// The package's own modules.
    Package,
    /// The kernel's own source with a patch, as `diff -u` writes it.
    Changed(&'static str),
    /// A source of ours, its files by their names.
    Ours {
        /// The files.
        files: &'static [(&'static str, &'static str)],
        /// And a patch of them.
        patch: &'static str,
    },
}

macro_rules! choices {
    ($($name:literal, $request:ident, $verifies:literal, $origin:expr, $about:literal;)*) => {
        [$(Choice {
            about: $about,
            origin: $origin,
            driver: iwlwifi($name, Request::$request, $verifies),
        }),*]
    };
}
macro_rules! patch {
    ($name:literal) => {
        Origin::Changed(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../guest-images/driver-variants/",
            $name,
            ".patch"
        )))
    };
}
macro_rules! rust_choices {
    ($($name:literal, $request:ident, $verifies:literal, $parameters:literal, $patch:expr,
       $about:literal;)*) => {
        [$(Choice {
            about: $about,
            origin: Origin::Ours { files: RUST_DRIVER, patch: $patch },
            driver: iwlrs($name, Request::$request, $verifies, $parameters),
        }),*]
    };
}
macro_rules! files {
    ($($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../guest-images/rust-driver/",
                $name
            )),
        )),*]
    };
}

/// The Rust driver's source.
static RUST_DRIVER: &[(&str, &str)] = files! {
    "Kbuild"
    "abi.rs"
    "abstractions/completion.rs"
    "abstractions/device.rs"
    "abstractions/export.rs"
    "abstractions/firmware.rs"
    "abstractions/kmod.rs"
    "abstractions/mod.rs"
    "abstractions/pci.rs"
    "abstractions/pm.rs"
    "abstractions/workqueue.rs"
    "cards.rs"
    "context.rs"
    "dma.rs"
    "drv.rs"
    "exports.rs"
    "interface.rs"
    "iwlrs_core.rs"
    "iwlrs_dvm.rs"
    "iwlrs_mvm.rs"
    "iwlrs_netdev.c"
    "opmode.rs"
    "regs.rs"
    "trans.rs"
    "ucode.rs"
};

/// What `--driver` takes, in the order of its tables: the kernel's own and its changes, whose strategies are
/// told in `guest-images/driver-variants`.
static IN_C: [Choice; 8] = choices! {
    "stock", Nowait, false, Origin::Package, "as the kernel's package ships it";
    "sync-print", Waits, false, patch!("sync-print"), "request_module(), its error printed: 2017";
    "sync-verify", Waits, true, patch!("sync-verify"),
        "that, and a look whether the opmode came: option 1";
    "nowait-verify", Nowait, true, patch!("nowait-verify"),
        "nowait, and a look a second later: option 2a, as it would have to be";
    "nowait-verify-mail", Nowait, true, patch!("nowait-verify-mail"), "2a to the letter of the mail";
    // Built as the others are, from the source as it is.
    "nowait", Nowait, false, Origin::Changed(""),
        "request_module_nowait(), and no look: option 2b, 6.10 and later";
    "locked-sync", Waits, false, patch!("locked-sync"), "request_module() under the opmodes' lock";
    "async-sync", Waits, false, patch!("async-sync"), "request_module() from async_schedule()";
};

/// And the one in Rust, told of in `guest-images/rust-driver`.
static IN_RUST: [Choice; 5] = rust_choices! {
    "rust", Waits, true, "iwlrs.request=4", "",
        "in Rust: a look when modprobe has ended, for which nobody waits";
    "rust-sync", Waits, false, "iwlrs.request=2", "", "in Rust: request_module(), its error printed";
    "rust-sync-verify", Waits, true, "iwlrs.request=3", "",
        "in Rust: that, and a look whether the opmode came";
    "rust-nowait-verify", Nowait, true, "iwlrs.request=1", "",
        "in Rust: nowait, and a look a second later";
    "rust-nowait", Nowait, false, "iwlrs.request=0", "", "in Rust: nowait, and no look";
};

/// One that is known to be wrong, for the scenario that shows it.
static NAIVE: [Choice; 1] = rust_choices! {
    "rust-naive", Nowait, true, "iwlrs.request=1", include_str!("../../../guest-images/rust-driver/naive.patch"),
        "in Rust: rust-nowait-verify without taking its look back: crashes when it is unloaded";
};

/// The kernel's own, where its configuration has no opmode for Wi-Fi 7.
static NO_MLD: [Choice; 1] = [Choice {
    about: "without CONFIG_IWLMLD: Wi-Fi 7 is refused; 6.15 and later",
    origin: patch!("no-mld"),
    driver: Driver { no_mld: true, ..iwlwifi("no-mld", Request::Nowait, false) },
}];

/// All that `--driver` takes.
pub fn all_choices() -> impl Iterator<Item = &'static Choice> {
    IN_C.iter().chain(&NO_MLD).chain(&IN_RUST).chain(&NAIVE)
}

impl Choice {
    /// What `--driver` calls it.
    pub fn name(&self) -> &'static str {
        self.driver.name
    }

    /// The driver that it is, whatever the kernel.
    pub fn described(&self) -> &Driver {
        &self.driver
    }

    /// The driver that it is in this kernel.
    ///
    /// # Errors
    /// It is no driver of this kernel's: each change is one of a driver that does not wait.
    pub fn driver(&'static self, kernel: Kernel) -> Result<&'static Driver, String> {
        match self.origin {
            Origin::Package => Ok(stock(kernel)),
            Origin::Changed(_) if kernel < NO_WAITING => Err(format!(
                "driver {} is a change of the driver of {NO_WAITING} and later, and not for kernel \
                 {kernel}",
                self.name()
            )),
            Origin::Changed(_) if self.driver.no_mld && !has_mld(kernel) => Err(format!(
                "driver {} is a change of the driver of {} and later, which has iwlmld, and not for \
                 kernel {kernel}",
                self.name(),
                Kernel::V6_15
            )),
            Origin::Ours { .. } if kernel < RUST => Err(format!(
                "driver {} is for kernels with Rust, {RUST} and later, and not for kernel {kernel}",
                self.name()
            )),
            _ => Ok(&self.driver),
        }
    }
}

/// What the kernel's loader looks for behind the name of a file that is not there.
pub const COMPRESSED: [&str; 2] = [".zst", ".xz"];

/// A firmware file's name as the driver asks for it.
pub fn as_asked(name: &str) -> &str {
    COMPRESSED.iter().fold(name, |name, suffix| name.trim_end_matches(suffix))
}

/// The choices that a word means: itself; `all`, the kernel's own and its changes; `all-rust`, those in
/// Rust.
///
/// # Errors
/// There is none.
pub fn choices(word: &str) -> Result<Vec<&'static Choice>, NoSuch> {
    match word {
        "all" => return Ok(IN_C.iter().collect()),
        "all-rust" => return Ok(IN_RUST.iter().collect()),
        _ => {}
    }
    match all_choices().find(|choice| choice.name() == word) {
        Some(found) => Ok(vec![found]),
        None => {
            let known = all_choices().map(Choice::name).chain(["all", "all-rust"]);
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

    /// Whether it is for a card.
    pub fn has_row(&self, card: &CardSpec) -> bool {
        let row = format!("(intel({:#06x}), ", card.pci.device);
        self.table.is_none_or(|table| table.contains(&row))
    }

    /// Whether a module is one of its opmodes.
    pub fn is_opmode(&self, module: &str) -> bool {
        self.opmodes.iter().any(|opmode| opmode.module == module)
    }

    /// The firmware that this module of its drives.
    pub fn drives(&self, module: &str) -> Option<OpMode> {
        self.opmodes.iter().find(|opmode| opmode.module == module)?.drives
    }

    /// The kernel's own opmode that drives the same firmware: what scenarios' conditions name.
    pub fn stands_for(&self, opmode: &str) -> Option<&'static str> {
        let opmode = self.opmodes.iter().find(|own| own.module == opmode)?;
        opmode.drives.map(OpMode::module)
    }

    /// The opmode that a card's firmware leads to.
    pub fn opmode_of(&self, card: &CardSpec) -> Option<&'static str> {
        self.opmode_for(card.opmode)
    }

    /// The same with a kernel: one without iwlmld has iwlmvm drive its cards.
    pub fn opmode_with(&self, card: &CardSpec, kernel: Kernel) -> Option<&'static str> {
        self.opmode_for(match card.opmode {
            OpMode::Mld if !has_mld(kernel) => OpMode::Mvm,
            opmode => opmode,
        })
    }

    /// Its opmodes in this kernel.
    pub fn opmodes_in(&self, kernel: Kernel) -> impl Iterator<Item = &'static str> {
        let there = move |opmode: &&Opmode| opmode.drives != Some(OpMode::Mld) || has_mld(kernel);
        self.opmodes.iter().filter(there).map(|opmode| opmode.module)
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
        assert_eq!(choices("all").expect("all").len(), IN_C.len());
        assert_eq!(choices("all-rust").expect("all").len(), IN_RUST.len());
        let rust = choices("rust").expect("there is one")[0];
        let of = |minor| rust.driver(Kernel { major: 7, minor });
        assert!(
            of(2).is_err() && of(3).expect("a driver").stands_for("iwlrs_mvm") == Some("iwlmvm")
        );
        assert_eq!(of(3).expect("a driver").drives("iwlrs_dvm"), Some(OpMode::Dvm));
        let names = ["6205", "8265", "ax200", "9260", "ax201", "be200"];
        let cards = names.map(|name| iwl_card::card(name).expect("a card"));
        assert_eq!(cards.map(|card| IWLRS.has_row(card)), [true, true, true, false, false, false]);
        assert!(cards.iter().all(|card| IWLWIFI.has_row(card)));
        let no_mld = choices("no-mld").expect("there is one")[0];
        let of = |minor| no_mld.driver(Kernel { major: 6, minor });
        assert!(of(14).is_err() && of(15).expect("a driver").no_mld);
        let opmodes = |minor| IWLWIFI.opmodes_in(Kernel { major: 6, minor }).collect::<Vec<_>>();
        assert_eq!(opmodes(14), ["iwldvm", "iwlmvm"]);
        assert_eq!(opmodes(15), ["iwldvm", "iwlmvm", "iwlmld"]);
        let said = choices("sync-verfy").expect_err("none").to_string();
        assert!(said.contains("sync-verify"), "{said}");
    }

    #[test]
    fn the_rust_drivers_source_is_whole() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-images/rust-driver");
        let mut there = Vec::new();
        for below in ["", "abstractions/"] {
            for entry in std::fs::read_dir(format!("{dir}/{below}")).expect("it is there") {
                let name = entry.expect("an entry").file_name().into_string().expect("a name");
                if [".rs", ".c"].iter().any(|ending| name.ends_with(ending)) || name == "Kbuild" {
                    there.push(format!("{below}{name}"));
                }
            }
        }
        there.sort();
        assert_eq!(RUST_DRIVER.iter().map(|file| file.0).collect::<Vec<_>>(), there);
    }

    #[test]
    fn each_patch_changes_the_drivers_core_alone() {
        let patches = IN_C.iter().filter_map(|choice| match choice.origin {
            Origin::Changed(patch) => Some((choice, patch)),
            _ => None,
        });
        for (choice, patch) in patches.filter(|(_, patch)| !patch.is_empty()) {
            assert!(patch.starts_with("--- a/iwl-drv.c\n+++ b/iwl-drv.c\n"), "{}", choice.name());
        }
    }
}
