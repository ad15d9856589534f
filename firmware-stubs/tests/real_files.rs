//! Intel's own files. They are not free to ship here: those that the kit holds are read (`iwlbench run
//! --firmware real` fetches them), or what `IWLWIFI_FIRMWARE` names, folders with `iwlwifi-*.ucode` and
//! `.pnvm`, separated by colons (the package `firmware-iwlwifi` of Debian's `non-free-firmware` has them in
//! `usr/lib/firmware`).

mod kit;

use std::path::PathBuf;

use iwl_ucode::stub::{Kernel, STUBS};
use iwl_ucode::{Fate, Inspection, Opmode, ParseError, Pnvm, Ucode, inspect};

/// Families of `iwldvm`, by the part of the name that tells them.
const DVM: [&str; 12] = [
    "1000", "100", "105", "135", "2000", "2030", "5000", "5150", "6000", "6000g2a", "6000g2b",
    "6050",
];

/// The packages of each suite, as the kit keeps them.
fn of_the_kit() -> Vec<PathBuf> {
    let suites = kit::cache().and_then(|kit| std::fs::read_dir(kit.join("firmware")).ok());
    let places = ["root/usr/lib/firmware/intel/iwlwifi", "root/usr/lib/firmware"];
    let folders = suites.into_iter().flatten().flatten();
    let folders = folders.flat_map(|suite| places.map(|place| suite.path().join(place)));
    folders.filter(|folder| folder.is_dir()).collect()
}

#[test]
fn every_real_file() {
    let folders = match std::env::var_os("IWLWIFI_FIRMWARE") {
        Some(named) => std::env::split_paths(&named).collect(),
        None => of_the_kit(),
    };
    if folders.is_empty() {
        return;
    }
    let mut read = 0;
    for folder in folders {
        for entry in std::fs::read_dir(&folder).expect("a folder in IWLWIFI_FIRMWARE") {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let bytes = || std::fs::read(&path).unwrap();
            match name.strip_prefix("iwlwifi-").and_then(|name| name.rsplit_once('.')) {
                Some((_, "ucode")) => one_file(name, &bytes()),
                Some((stem, "pnvm")) => one_pnvm(stem, name, &bytes()),
                _ => continue,
            }
            read += 1;
        }
    }
    println!("{read} files");
    assert_ne!(read, 0, "no iwlwifi-*.ucode or .pnvm in IWLWIFI_FIRMWARE");
}

/// What of the name says for which hardware the file is: that of its sections.
fn one_pnvm(stem: &str, name: &str, bytes: &[u8]) {
    let pnvm = Pnvm::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let Inspection::Pnvm(inspection) = inspect(name, bytes, None) else { panic!("{name}") };
    assert!(inspection.error.is_none(), "{name}");
    // Told by the content too.
    assert!(matches!(inspect("x", bytes, None), Inspection::Pnvm(_)), "{name}");
    let (mac, rf) = (&stem[..2], stem.split('-').nth(2).unwrap());
    for section in &pnvm.sections {
        assert!(!section.chunks.is_empty() && section.version.is_some(), "{name}");
        for hardware in &section.hardware {
            let text = hardware.to_string().to_lowercase();
            let (its_mac, its_rf) = text.split(' ').next().unwrap().split_once('/').unwrap();
            assert!(its_mac.starts_with(mac), "{name}: {text}");
            assert!(rf.trim_end_matches('4').starts_with(its_rf.trim_end_matches('2')), "{name}");
        }
    }
    let whose = STUBS.iter().find(|stub| stub.pnvm_name().as_deref() == Some(name));
    if let Some(def) = whose.and_then(|stub| stub.pnvm.as_ref()) {
        for hardware in def.hardware {
            assert!(pnvm.section_for(def.sku, *hardware).is_some(), "{name}: {hardware}");
        }
    }
}

/// TLVs that no kernel has a name for.
const UNNAMED: [u32; 4] = [35, 65, 69, 0x444];

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
    let Inspection::Ucode(inspection) = inspect(name, bytes, None) else { panic!("{name}") };
    assert!(inspection.error.is_none() && inspection.to_string().len() > 500, "{name}");
    for tlv in &inspection.content.as_ref().unwrap().tlvs {
        let named = !tlv.at.kind.to_string().starts_with("unknown");
        assert!(named || UNNAMED.contains(&tlv.at.kind.0), "{name}: {}", tlv.at);
    }
    if let Some(on_card) = &inspection.on_card {
        assert_eq!(on_card.kernel, Kernel::V7_3.to_string());
        let asked = iwl_ucode::stub::for_card(on_card.card).unwrap();
        let expected = asked.names_tried(Kernel::V7_3).any(|asked| asked == name);
        let takes = matches!(inspection.fate, Fate::Loads { .. });
        assert_eq!(takes, expected, "{name}: {}", inspection.fate);
    }
}
