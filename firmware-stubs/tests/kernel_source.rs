//! The names and numbers against the kernel's own header. Needs the driver's source, so it
//! is opt-in: `IWLWIFI_SOURCE=.../drivers/net/wireless/intel/iwlwifi cargo test`.

use std::collections::BTreeMap;

use iwl_ucode::names::{API_BITS, CAPA_BITS, FLAG_BITS, TLV_TYPES};

#[test]
fn every_name_of_file_h() {
    let Some(source) = std::env::var_os("IWLWIFI_SOURCE") else { return };
    let header = std::path::Path::new(&source).join("fw/file.h");
    let header = std::fs::read_to_string(&header).expect("fw/file.h below IWLWIFI_SOURCE");
    let tlvs = TLV_TYPES.iter().map(|(kind, name)| (name.to_string(), kind.0));
    let others = [API_BITS, CAPA_BITS, FLAG_BITS];
    let others = others.into_iter().flatten().map(|(bit, name)| (name.to_string(), *bit));
    let ours: BTreeMap<_, _> = tlvs.chain(others).collect();

    let mut theirs = BTreeMap::new();
    for line in header.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if !name.starts_with("IWL_UCODE_TLV_") || name == "IWL_UCODE_TLV_DEBUG_MAX" {
            continue;
        }
        let value = value.replace("__force iwl_ucode_tlv_api_t", "");
        let value = value.replace("__force iwl_ucode_tlv_capa_t", "").replace("BIT", "");
        let value = value.replace("IWL_UCODE_TLV_DEBUG_BASE", "0x1000005");
        let value = value.replace("IWL_UCODE_TLV_CONST_BASE", "0x100");
        let value = value.split(['/', ',']).next().unwrap();
        theirs.insert(name.to_owned(), sum_of_products(value));
    }
    assert!(theirs.len() > 150, "the header was not understood: {theirs:?}");
    assert_eq!(ours, theirs);
}

/// `(4 * 32 + 1)`, `0x100 + 2`, `()30`.
fn sum_of_products(text: &str) -> u32 {
    let text = text.replace(['(', ')'], " ");
    let number = |text: &str| match text.trim().strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
        None => text.trim().parse().unwrap(),
    };
    text.split('+').map(|product| product.split('*').map(number).product::<u32>()).sum()
}
