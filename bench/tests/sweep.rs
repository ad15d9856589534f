//! `iwlbench sweep`: what the driver asks for, part by part.

mod common;

use common::{Bench, is_described};
use serde_json::Value;

/// Parts of 7.3, as its source has them: the row of `iwl_dev_info_table` that `iwl_pci_find_dev_info()`
/// takes, `iwl_drv_get_fwname_pre()`, the `ucode_api_max` of the configurations, and
/// `iwl_drv_is_wifi7_supported()`. The last column is the opmode.
const BY_HAND: [(u16, u16, u32, u32, &str, &str, &str); 10] = [
    (0x85, 0x1311, 0x144, 0, "Intel(R) Centrino(R) Advanced-N 6205 AGN", "6000g2a-6", "iwldvm"),
    (0x894, 0x22, 0x110, 0, "Intel(R) Centrino(R) Wireless-N 105 BGN", "105-6", "iwldvm"),
    (0x24f5, 0x10, 0x144, 0, "Intel(R) Dual Band Wireless-AC 4165", "8000C-36", "iwlmvm"),
    (
        0x2526,
        0x34,
        0x321,
        0x10_5100,
        "Intel(R) Wireless-AC 9560 160MHz",
        "9260-th-b0-jf-b0-46",
        "iwlmvm",
    ),
    (0x2723, 0x74, 0x340, 0x10_a100, "Intel(R) Wi-Fi 6 AX200 160MHz", "cc-a0-77", "iwlmvm"),
    (0x2725, 0x94, 0x420, 0x10_d000, "Intel(R) Wi-Fi 6E AX210 160MHz", "ty-a0-gf-a0-89", "iwlmvm"),
    (0x7f70, 0x94, 0x370, 0x10_d000, "Intel(R) Wi-Fi 6E AX211 160MHz", "so-a0-gf-a0-89", "iwlmvm"),
    (0x272b, 0xf0, 0x472, 0x11_2200, "Intel(R) Wi-Fi 7 BE200 320MHz", "gl-c0-fm-c0-c107", "iwlmld"),
    (0x7740, 0xf0, 0x461, 0x11_2200, "Intel(R) Wi-Fi 7 BE201 320MHz", "bz-b0-fm-c0-c107", "iwlmld"),
    (0xe440, 0xf0, 0x480, 0x11_3100, "Intel(R) Wi-Fi 7 BE211 320MHz", "sc-a0-wh-b0-c107", "iwlmld"),
];

fn number(part: &Value, field: &str) -> u64 {
    part[field].as_u64().unwrap_or_else(|| panic!("no {field}: {part}"))
}

#[test]
fn the_driver_asks_as_its_source_says() {
    let bench = Bench::new();
    let mut args =
        vec!["sweep".to_owned(), "--json".to_owned(), "--jobs".to_owned(), "1".to_owned()];
    args.extend(BY_HAND.map(|(device, subsystem, ..)| format!("{device:04x}:{subsystem:04x}")));
    let (csv, junit) = (bench.dir.path().join("t.csv"), bench.dir.path().join("t.xml"));
    for (option, file) in [("--csv", &csv), ("--junit", &junit)] {
        args.extend([option.to_owned(), file.display().to_string()]);
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let output = bench.output(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON document ({error}): {stderr}"));
    is_described(&document, &["`sweep --json` and `sweep.json`"]);
    let parts = document["sweeps"][0]["parts"].as_array().expect("parts");
    for (device, subsystem, hw_rev, rf_id, name, firmware, opmode) in BY_HAND {
        let key = [device.into(), subsystem.into(), hw_rev.into(), u64::from(rf_id)];
        let of = |part: &&Value| {
            ["device", "subsystem", "hw_rev", "rf_id"].map(|field| number(part, field)) == key
        };
        let part = parts.iter().find(of).unwrap_or_else(|| panic!("no {key:x?} in {parts:#?}"));
        assert_eq!(part["name"], name, "{part}");
        assert_eq!(part["asked"][0], format!("iwlwifi-{firmware}.ucode"), "{part}");
        assert_eq!(part["opmode"], opmode, "{part}");
        assert_eq!(part["module"], true, "{part}");
    }
    let text = |file| std::fs::read_to_string(file).expect("written");
    assert_eq!(text(&csv).lines().count(), parts.len() + 1);
    assert_eq!(text(&junit).matches("<testcase ").count(), parts.len());
}

/// What a section is, is known by the file that was given: there is no mark in Intel's own.
#[test]
fn intels_own_files_come_up() {
    let bench = Bench::new();
    // One of each family, whose file says what its firmware speaks; each goes up, scans and goes down.
    let cards = "7260,8265,9260,ax200,ax210,be200";
    let args = ["run", "scan-ends", "--card", cards, "--firmware", "real", "--json"];
    let output = bench.output(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON document ({error}): {stderr}"));
    assert_eq!(document["passed"], 6, "{stderr}");
    for run in document["runs"].as_array().expect("runs") {
        let from = run["firmware"][0]["from"].as_str().expect("its package");
        assert!(from.starts_with("firmware-iwlwifi "), "{from}");
        assert!(number(&run["firmware"][0], "bytes") > 1_000_000, "no stub");
    }
}
