//! Intel's own files. They are not free to ship here, so the test is opt-in: set
//! `IWLWIFI_FIRMWARE` to folders with `iwlwifi-*.ucode`, separated by colons (the package
//! `firmware-iwlwifi` of Debian's `non-free-firmware` has them in `usr/lib/firmware`).

use iwl_ucode::stub::Kernel;
use iwl_ucode::{Fate, Opmode, ParseError, Ucode, inspect};

/// Families of `iwldvm`, by the part of the name that tells them.
const DVM: [&str; 12] = [
    "1000", "100", "105", "135", "2000", "2030", "5000", "5150", "6000", "6000g2a", "6000g2b",
    "6050",
];

#[test]
fn every_real_file() {
    let Some(folders) = std::env::var_os("IWLWIFI_FIRMWARE") else { return };
    let mut read = 0;
    for folder in std::env::split_paths(&folders) {
        for entry in std::fs::read_dir(&folder).expect("a folder in IWLWIFI_FIRMWARE") {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.starts_with("iwlwifi-") || !name.ends_with(".ucode") {
                continue;
            }
            read += 1;
            one_file(name, &std::fs::read(&path).unwrap());
        }
    }
    println!("{read} files");
    assert_ne!(read, 0, "no iwlwifi-*.ucode in IWLWIFI_FIRMWARE");
}

fn one_file(name: &str, bytes: &[u8]) {
    let (family, api) =
        name["iwlwifi-".len()..name.len() - ".ucode".len()].rsplit_once('-').unwrap();
    if matches!(family, "3945" | "4965") {
        // Files of iwlegacy, with boot code that iwlwifi does not count.
        let error = Ucode::parse(bytes).unwrap_err();
        assert!(matches!(error, ParseError::TotalSize { boot: 1.., .. }), "{name}: {error}");
        return;
    }
    let ucode = Ucode::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let opmode = if DVM.contains(&family) { Opmode::Iwldvm } else { Opmode::Iwlmvm };
    assert_eq!(ucode.fate(None), Fate::Loads { opmode }, "{name}");
    let number: u32 = api.trim_start_matches('c').parse().unwrap();
    assert_eq!(ucode.api(), number, "{name}");
    let inspection = inspect(name, bytes, None);
    assert!(inspection.error.is_none() && inspection.to_string().len() > 500, "{name}");
    if let Some(on_card) = inspection.on_card {
        assert_eq!(on_card.kernel, Kernel::V7_3.to_string());
        let asked = iwl_ucode::stub::for_card(on_card.card).unwrap();
        let expected = asked.names_tried(Kernel::V7_3).any(|asked| asked == name);
        let takes = matches!(on_card.fate, Fate::Loads { .. });
        assert_eq!(takes, expected, "{name}: {}", on_card.fate);
    }
}
