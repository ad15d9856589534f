//! What the guest is made of at the moment, read from sysfs and procfs.
//!
//! Anything may vanish between two reads; what is gone is left out.

use std::fs;
use std::path::{Path, PathBuf};

use guest_protocol::{PciDevice, State};

const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const INTEL: &str = "0x8086";
/// Network controller, other: all the Wi-Fi cards.
const NETWORK_CLASS: &str = "0x0280";
const DRIVER: &str = "iwlwifi";

/// The state now.
pub(crate) fn state() -> State {
    State {
        devices: pci_functions().iter().filter_map(|f| card(f)).collect(),
        modules: fs::read_to_string("/proc/modules")
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split(' ').next().map(str::to_owned))
            .collect(),
        interfaces: names_in(Path::new("/sys/class/net")),
        tainted: fs::read_to_string("/proc/sys/kernel/tainted")
            .ok()
            .and_then(|text| text.trim_end().parse().ok())
            .unwrap_or_default(),
    }
}

/// Modaliases of all PCI functions without a driver, in bus order.
pub(crate) fn unbound_modaliases() -> Vec<String> {
    pci_functions()
        .iter()
        .filter(|function| driver_of(function).is_none())
        .filter_map(|function| attribute(function, "modalias"))
        .collect()
}

fn pci_functions() -> Vec<PathBuf> {
    names_in(Path::new(PCI_DEVICES)).iter().map(|slot| Path::new(PCI_DEVICES).join(slot)).collect()
}

fn card(function: &Path) -> Option<PciDevice> {
    let vendor = attribute(function, "vendor")?;
    let driver = driver_of(function);
    let intel_network = vendor == INTEL && attribute(function, "class")?.starts_with(NETWORK_CLASS);
    if !intel_network && driver.as_deref() != Some(DRIVER) {
        return None;
    }
    let device = attribute(function, "device")?;
    let hex = |id: &str| id.trim_start_matches("0x").to_owned();
    Some(PciDevice {
        slot: function.file_name()?.to_string_lossy().into_owned(),
        id: format!("{}:{}", hex(&vendor), hex(&device)),
        driver,
        interfaces: names_in(&function.join("net")),
    })
}

fn driver_of(function: &Path) -> Option<String> {
    let link = fs::read_link(function.join("driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

fn attribute(function: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(function.join(name)).ok()?;
    Some(text.trim_end().to_owned())
}

fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A function as sysfs shows it.
    fn function(sysfs: &Path, slot: &str, vendor: &str, class: &str) -> PathBuf {
        let path = sysfs.join(slot);
        fs::create_dir(&path).unwrap();
        for (name, value) in [("vendor", vendor), ("class", class), ("device", "0x08b1")] {
            fs::write(path.join(name), format!("{value}\n")).unwrap();
        }
        path
    }

    #[test]
    fn a_card_with_driver_and_interface() {
        let sysfs = tempfile::tempdir().unwrap();
        let path = function(sysfs.path(), "0000:01:00.0", "0x8086", "0x028000");
        let mut expected = PciDevice {
            slot: "0000:01:00.0".into(),
            id: "8086:08b1".into(),
            driver: None,
            interfaces: Vec::new(),
        };
        assert_eq!(card(&path), Some(expected.clone()));

        symlink("../../drivers/iwlwifi", path.join("driver")).unwrap();
        fs::create_dir_all(path.join("net/wlan0")).unwrap();
        expected.driver = Some("iwlwifi".into());
        expected.interfaces = vec!["wlan0".into()];
        assert_eq!(card(&path), Some(expected));
    }

    #[test]
    fn others_count_only_if_iwlwifi_has_them() {
        let sysfs = tempfile::tempdir().unwrap();
        let wired = function(sysfs.path(), "0000:02:00.0", "0x8086", "0x020000");
        let foreign = function(sysfs.path(), "0000:03:00.0", "0x14c3", "0x028000");
        for path in [wired, foreign] {
            assert_eq!(card(&path), None);
            symlink("../../drivers/iwlwifi", path.join("driver")).unwrap();
            assert!(card(&path).is_some(), "{}", path.display());
        }
        assert_eq!(card(Path::new("/nonexistent")), None);
    }
}
