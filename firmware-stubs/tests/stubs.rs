//! The stub definitions: names asked for, and that the driver takes every one.

use iwl_ucode::reader::{ImageKind, SectionRole};
use iwl_ucode::stub::{self, Api, Kernel, STUBS};
use iwl_ucode::{Fate, Opmode, Target, Ucode, inspect, make, marker};

const KERNELS: [Kernel; 3] = [Kernel::V6_1, Kernel::V6_12, Kernel::V7_3];

fn names(card: &str, kernel: Kernel) -> Vec<String> {
    stub::for_card(card).unwrap().names_tried(kernel).collect()
}

#[test]
fn names_that_the_driver_asks_for() {
    assert_eq!(names("7260", Kernel::V7_3), ["iwlwifi-7260-17.ucode"]);
    for kernel in KERNELS {
        let expected = ["iwlwifi-6000g2a-6.ucode", "iwlwifi-6000g2a-5.ucode"];
        assert_eq!(names("6205", kernel), expected);
    }
    assert_eq!(names("8265", Kernel::V7_3).len(), 36 - 22 + 1);
    assert_eq!(names("ax200", Kernel::V6_1).last().unwrap(), "iwlwifi-cc-a0-39.ucode");
    assert_eq!(names("ax200", Kernel::V7_3), ["iwlwifi-cc-a0-77.ucode"]);
    let be200 = names("be200", Kernel::V7_3);
    assert_eq!(be200.first().unwrap(), "iwlwifi-gl-c0-fm-c0-c107.ucode");
    assert_eq!(be200.last().unwrap(), "iwlwifi-gl-c0-fm-c0-c102.ucode");
}

#[test]
fn a_kernel_between_two_examined_ones_is_like_the_older() {
    let at = |release: &str| release.parse::<Kernel>().unwrap();
    assert_eq!(names("ax200", at("6.8.0-31-generic")), names("ax200", Kernel::V6_1));
    assert_eq!(names("ax200", at("5.10.223")), names("ax200", Kernel::V6_1));
    assert_eq!(names("be200", at("7.3.4+deb13-amd64")), names("be200", Kernel::V7_3));
    assert!("trixie".parse::<Kernel>().is_err() && "7".parse::<Kernel>().is_err());
}

#[test]
fn file_names_read_back() {
    for stub in STUBS {
        for kernel in KERNELS {
            for name in stub.names_tried(kernel) {
                let (found, api) = stub::for_file_name(&name).unwrap();
                assert_eq!((found.card, found.file_name(api)), (stub.card, name));
            }
        }
    }
    for name in ["iwlwifi-7260-017.ucode", "iwlwifi-7260-+17.ucode", "iwlwifi-7260-17", "x.ucode"] {
        assert!(stub::for_file_name(name).is_none(), "{name}");
    }
    assert!("1017".parse::<Api>().is_err());
    assert_eq!("c107".parse(), Ok(Api::core(107)));
}

#[test]
fn every_driver_takes_every_stub() {
    for card in STUBS {
        for kernel in KERNELS {
            let range = card.range(kernel);
            for asked in (range.min.0..=range.max.0).map(Api) {
                let file = card.build(asked);
                let ucode = Ucode::parse(&file).unwrap();
                let target = Target { card, kernel, asked };
                let opmode = match card.card {
                    "6205" => Opmode::Iwldvm,
                    "be200" if kernel == Kernel::V7_3 => Opmode::Iwlmld,
                    _ => Opmode::Iwlmvm,
                };
                let fate = ucode.fate(Some(&target));
                assert_eq!(fate, Fate::Loads { opmode }, "{} {kernel} {asked}", card.card);
            }
        }
    }
}

#[test]
fn sections_begin_with_their_marker() {
    for stub in STUBS {
        let file = stub.build(stub.newest(Kernel::V7_3));
        let ucode = Ucode::parse(&file).unwrap();
        for (image, marker) in
            [(ImageKind::Regular, marker::RUNTIME), (ImageKind::Init, marker::INIT)]
        {
            for section in &ucode.image(image).sections {
                let section = section.unwrap();
                assert!(section.content.starts_with(&marker), "{} {image:?}", stub.card);
                assert_eq!(section.content.len(), stub::SECTION_SIZE);
            }
        }
        assert_eq!(ucode.image(ImageKind::Regular).sections.len(), 2);
        let separate_init = matches!(stub.card, "6205" | "7260" | "8265" | "9260");
        assert_eq!(ucode.image(ImageKind::Init).sections.len(), 2 * usize::from(separate_init));
        let dvm = ucode.image(ImageKind::Regular).sections[0].unwrap().role == SectionRole::Data;
        assert_eq!(dvm, stub.card == "6205");
    }
}

#[test]
fn make_takes_what_the_kernel_asks_for_unless_told() {
    let made = make("ax200", Kernel::V6_1, None, &[]).unwrap();
    assert_eq!(made.file_name, "iwlwifi-cc-a0-72.ucode");
    assert_eq!(
        made.to_string(),
        "iwlwifi-cc-a0-72.ucode: 676 bytes; the driver takes the file and asks for iwlmvm"
    );
    let old = make("ax200", Kernel::V7_3, Some(Api(72)), &[]).unwrap();
    assert!(old.to_string().contains("supports FW core 74..74, firmware is 69."), "{old}");

    let faults = ["no-sections", "truncate=1000000"].map(|f| f.parse().unwrap());
    let error = make("6205", Kernel::V7_3, None, &faults).unwrap_err();
    assert_eq!(error.to_string(), "fault 2 cannot be put into iwlwifi-6000g2a-6.ucode");
    let error = make("3945", Kernel::V7_3, None, &[]).unwrap_err();
    assert!(error.to_string().ends_with("6205, 7260, 8265, 9260, ax200, ax210, be200"));
}

#[test]
fn the_name_alone_names_the_card() {
    let file = stub::for_card("7260").unwrap().build(17);
    assert_eq!(inspect("iwlwifi-7260-17.ucode", &file, None).on_card.unwrap().card, "7260");
    assert!(inspect("fw.bin", &file, None).on_card.is_none());
}
