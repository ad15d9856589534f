//! What `inspect` prints.

use expect_test::expect;
use iwl_ucode::stub::{self, Api, Kernel};
use iwl_ucode::{inspect, make};

fn text(card: &str, faults: &[&str]) -> String {
    let faults: Vec<_> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    make(card, Kernel::V7_3, None, &faults).unwrap().inspection.to_string()
}

#[test]
fn the_6205_stub() {
    expect![[r#"
        iwlwifi-6000g2a-6.ucode: 1156 bytes
        format        TLV
        name          iwlbench stub, iwldvm
        version       18.168.6.1 6000g2a-6.ucode (word 0x12a80601)
        API           6
        opmode        iwldvm, because no section TLV carries its load offset
        CPUs          1
        flags         none
        API bits      none
        capabilities  none

        runtime image
          section      size  to          from file offset
           0  data      256  0x00800000  0x168
           1  code      256  0x00000000  0x60

        init image
          section      size  to          from file offset
           0  data      256  0x00800000  0x378
           1  code      256  0x00000000  0x270

        TLV    offset   length  type
          0      0x58      256     1 IWL_UCODE_TLV_INST: 256 bytes
          1     0x160      256     2 IWL_UCODE_TLV_DATA: 256 bytes
          2     0x268      256     3 IWL_UCODE_TLV_INIT: 256 bytes
          3     0x370      256     4 IWL_UCODE_TLV_INIT_DATA: 256 bytes
          4     0x478        4    18 IWL_UCODE_TLV_FLAGS: 0x0

        the driver of a 6205 under kernel 7.3 takes the file and asks for iwldvm
        it asks for iwlwifi-6000g2a-6.ucode first, for iwlwifi-6000g2a-5.ucode last
    "#]]
    .assert_eq(&text("6205", &[]));
}

#[test]
fn the_7260_stub() {
    expect![[r#"
        iwlwifi-7260-17.ucode: 1196 bytes
        format        TLV
        name          iwlbench stub, iwlmvm
        version       0.0.17.0 7260-17.ucode (word 0x00001100)
        API           17
        opmode        iwlmvm, because it has IWL_UCODE_TLV_SEC_RT at offset 0x58
        PHY SKU       0x00330000: TX AB, RX AB
        CPUs          1
        flags         none
        API bits      none
        capabilities  none

        runtime image
          section      size  to          from file offset
           0            256  0x00400000  0x64
           1            256  0x00800000  0x170

        init image
          section      size  to          from file offset
           0            256  0x00400000  0x27c
           1            256  0x00800000  0x388

        TLV    offset   length  type
          0      0x58      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x400000
          1     0x164      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x800000
          2     0x270      260    20 IWL_UCODE_TLV_SEC_INIT: 256 bytes to 0x400000
          3     0x37c      260    20 IWL_UCODE_TLV_SEC_INIT: 256 bytes to 0x800000
          4     0x488        4    23 IWL_UCODE_TLV_PHY_SKU: 0x00330000: TX AB, RX AB
          5     0x494        4    18 IWL_UCODE_TLV_FLAGS: 0x0
          6     0x4a0        4  4096 IWL_UCODE_TLV_FW_DBG_DUMP_LST: 0x0

        the driver of a 7260 under kernel 7.3 takes the file and asks for iwlmvm
        it asks for iwlwifi-7260-17.ucode and for no other
    "#]]
    .assert_eq(&text("7260", &[]));
}

#[test]
fn a_tlv_that_lies() {
    expect![[r#"
        iwlwifi-7260-17.ucode: 1196 bytes
        error: TLV 3 (IWL_UCODE_TLV_SEC_INIT) at offset 0x37c declares 65536 bytes; 296 are left in the file
        the driver of a 7260 under kernel 7.3 rejects the file ("invalid TLV len: 296/65536"), tries the next lower API and unbinds the card after the last
        it asks for iwlwifi-7260-17.ucode and for no other

        what it says up to there:
        format        TLV
        name          iwlbench stub, iwlmvm
        version       0.0.17.0 7260-17.ucode (word 0x00001100)
        API           17
        opmode        iwlmvm, because it has IWL_UCODE_TLV_SEC_RT at offset 0x58
        CPUs          1
        flags         none
        API bits      none
        capabilities  none

        runtime image
          section      size  to          from file offset
           0            256  0x00400000  0x64
           1            256  0x00800000  0x170

        init image
          section      size  to          from file offset
           0            256  0x00400000  0x27c

        TLV    offset   length  type
          0      0x58      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x400000
          1     0x164      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x800000
          2     0x270      260    20 IWL_UCODE_TLV_SEC_INIT: 256 bytes to 0x400000
    "#]].assert_eq(&text("7260", &["tlv-length=3:0x10000"]));
}

#[test]
fn a_file_that_is_empty() {
    let text = |name: &str| inspect(name, &[], None).to_string();
    expect![[r#"
        iwlwifi-7260-17.ucode: 0 bytes
        error: the file is empty
        the kernel's loader takes no empty file: the driver never sees it, tries the next lower API and unbinds the card after the last
    "#]]
    .assert_eq(&text("iwlwifi-7260-17.ucode"));
    expect![[r#"
        x.pnvm: 0 bytes
        error: the file is empty
    "#]]
    .assert_eq(&text("x.pnvm"));
}

#[test]
fn no_sections() {
    expect![[r#"
        iwlwifi-6000g2a-6.ucode: 100 bytes
        format        TLV
        name          iwlbench stub, iwldvm
        version       18.168.6.1 6000g2a-6.ucode (word 0x12a80601)
        API           6
        opmode        iwldvm, because no section TLV carries its load offset
        CPUs          1
        flags         none
        API bits      none
        capabilities  none

        TLV    offset   length  type
          0      0x58        4    18 IWL_UCODE_TLV_FLAGS: 0x0

        the driver of a 6205 under kernel 7.3 oopses on a NULL pointer and leaves the card bound and dead: the file has no section TLV at all
        it asks for iwlwifi-6000g2a-6.ucode first, for iwlwifi-6000g2a-5.ucode last
    "#]].assert_eq(&text("6205", &["no-sections"]));
}

#[test]
fn not_even_a_header() {
    expect![[r#"
        iwlwifi-8265-36.ucode: 40 bytes
        error: the file has 40 bytes; a TLV header takes 88
        the driver of a 8265 under kernel 7.3 rejects the file ("uCode has invalid length: 40"), tries the next lower API and unbinds the card after the last
        it asks for iwlwifi-8265-36.ucode first, for iwlwifi-8265-22.ucode last
    "#]].assert_eq(&inspect("iwlwifi-8265-36.ucode", &[0; 40], None).to_string());
}

#[test]
fn as_json() {
    let made = make("6205", Kernel::V7_3, None, &["empty-sections".parse().unwrap()]).unwrap();
    expect![[r#"
        {
          "card": "6205",
          "kernel": "7.3",
          "asks_first": "iwlwifi-6000g2a-6.ucode",
          "asks_last": "iwlwifi-6000g2a-5.ucode"
        }
        {
          "does": "unbinds",
          "because": {
            "finding": "empty_section",
            "image": "regular",
            "section": 0
          }
        }"#]]
    .assert_eq(&[pretty(&made.inspection.on_card), pretty(&made.inspection.fate)].join("\n"));
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn a_file_of_another_api() {
    let made = make("7260", Kernel::V7_3, Some(Api(16)), &[]).unwrap();
    let text = made.inspection.to_string();
    let last: Vec<_> = text.lines().rev().take(2).collect();
    expect![[r#"
        it asks for iwlwifi-7260-17.ucode and for no other
        the driver of a 7260 under kernel 7.3 rejects the file ("Driver unable to support your firmware API. Driver supports FW core 14..14, firmware is 13."), tries the next lower API and unbinds the card after the last"#]]
    .assert_eq(&last.join("\n"));
}

#[test]
fn a_file_of_no_known_card() {
    let file = make("be200", Kernel::V7_3, None, &[]).unwrap().bytes;
    let text = inspect("fw.ucode", &file, None).to_string();
    let last = text.lines().last().unwrap();
    assert_eq!(last, "the driver takes the file and asks for iwlmvm, on a card that takes API 107");
}

#[test]
fn the_ax210_s_pnvm() {
    let stub = stub::for_card("ax210").unwrap();
    let file = stub.pnvm.as_ref().unwrap().build();
    expect![[r#"
        iwlwifi-ty-a0-gf-a0.pnvm: 588 bytes
        format        PNVM

        section 0
          SKU         0x610d0 0x0 0x0
          hardware    TY/GF (0x42/0x10d)
          version     00000001
          chunks      256 + 256

        TLV    offset   length  type
          0       0x0       12    64 IWL_UCODE_TLV_PNVM_SKU: 0x610d0 0x0 0x0
          1      0x14       12    58 IWL_UCODE_TLV_HW_TYPE: TY/GF (0x42/0x10d)
          2      0x28        4    62 IWL_UCODE_TLV_PNVM_VERSION: 00000001
          3      0x34      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x0
          4     0x140      260    19 IWL_UCODE_TLV_SEC_RT: 256 bytes to 0x0

        the driver takes the section of its card's SKU and hardware, after ALIVE names the SKU
    "#]]
    .assert_eq(&inspect(&stub.pnvm_name().unwrap(), &file, None).to_string());
}
