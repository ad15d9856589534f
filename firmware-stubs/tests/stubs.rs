//! The stub definitions: names asked for, and that the driver takes every one.

use iwl_ucode::pnvm::{HwType, SkuId};
use iwl_ucode::reader::{ImageKind, SectionRole};
use iwl_ucode::stub::{self, Api, Kernel, STUBS};
use iwl_ucode::{Fate, Inspection, Opmode, Pnvm, Target, Ucode, inspect, make, marker};

/// One of each range.
const KERNELS: [Kernel; 10] = [
    Kernel::V5_10,
    Kernel::V6_1,
    Kernel::V6_12,
    Kernel { major: 6, minor: 16 },
    Kernel { major: 6, minor: 17 },
    Kernel::V6_18,
    Kernel { major: 7, minor: 0 },
    Kernel { major: 7, minor: 1 },
    Kernel { major: 7, minor: 2 },
    Kernel::V7_3,
];

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
    let be201 = |kernel| names("be201", kernel);
    assert_eq!(be201(Kernel::V7_3)[0], "iwlwifi-bz-b0-fm-c0-c107.ucode");
    assert_eq!(
        be201(Kernel::V6_12),
        [93, 92, 91, 90].map(|api| format!("iwlwifi-bz-b0-fm-c0-{api}.ucode"))
    );
}

/// As kernels 6.18, 7.0 and 7.1 of Debian asked when they got none.
#[test]
fn names_past_the_first_core() {
    let be200 = |release: &str| {
        let names = names("be200", release.parse().unwrap());
        let api = |name: &String| stub::for_file_name(name).unwrap().1.to_string();
        names.iter().map(api).collect::<Vec<_>>()
    };
    assert_eq!(be200("6.18.15+deb13-amd64"), ["c99", "101", "100"]);
    assert_eq!(be200("7.0.13+deb13-amd64"), ["c101", "c100", "102", "101", "100"]);
    assert_eq!(be200("7.1.13+deb13-amd64"), ["c102", "c101", "c100", "102", "101", "100"]);
}

/// Up to 6.18 the file's version decides as well.
#[test]
fn a_file_of_wifi7_that_is_too_old_for_iwlmld() {
    let opmode = |release: &str, api: u32| {
        let (card, kernel) = (stub::for_card("be200").unwrap(), release.parse().unwrap());
        let file = card.build(api);
        Ucode::parse(&file).unwrap().opmode_on(&Target { card, kernel, asked: Api(api) })
    };
    assert_eq!(opmode("6.16.12", 99), Opmode::Iwlmld);
    assert_eq!(opmode("6.16.12", 97), Opmode::Iwlmld);
    assert_eq!(opmode("6.16.12", 96), Opmode::Iwlmvm);
    assert_eq!(opmode("7.3.4", 96), Opmode::Iwlmld);
    assert_eq!(opmode("6.12.117", 99), Opmode::Iwlmvm);
}

#[test]
fn a_kernel_between_two_examined_ones_is_like_the_older() {
    let at = |release: &str| release.parse::<Kernel>().unwrap();
    assert_eq!(names("ax200", at("6.8.0-31-generic")), names("ax200", Kernel::V6_1));
    assert_eq!(names("ax200", at("5.10.223")), names("ax200", Kernel::V5_10));
    assert_eq!(names("ax200", at("4.19.0")), names("ax200", Kernel::V5_10));
    assert_eq!(names("be200", at("7.3.4+deb13-amd64")), names("be200", Kernel::V7_3));
    assert!("trixie".parse::<Kernel>().is_err() && "7".parse::<Kernel>().is_err());
}

#[test]
fn file_names_read_back() {
    for stub in STUBS {
        for kernel in KERNELS {
            for name in stub.names_tried(kernel) {
                let (found, api) = stub::for_file_name(&name).unwrap();
                assert_eq!((found.stem, found.file_name(api)), (stub.stem, name));
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
            for asked in card.names_tried(kernel).map(|name| stub::for_file_name(&name).unwrap().1)
            {
                let file = card.build(asked);
                let ucode = Ucode::parse(&file).unwrap();
                let target = Target { card, kernel, asked };
                let opmode = match card.dvm_limits {
                    (0, 0) if card.wifi7 && kernel > Kernel::V6_12 && asked >= Api(97) => {
                        Opmode::Iwlmld
                    }
                    (0, 0) => Opmode::Iwlmvm,
                    _ => Opmode::Iwldvm,
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
                assert!(marker::begins(section.content, &marker), "{} {image:?}", stub.card);
                let api = stub.newest(Kernel::V7_3).0;
                assert_eq!(marker::api_of(section.content).map(u32::from), Some(api));
                assert_eq!(section.content.len(), stub::SECTION_SIZE);
            }
        }
        assert_eq!(ucode.image(ImageKind::Regular).sections.len(), 2);
        let separate_init = !matches!(&stub.card[..2], "ax" | "be");
        assert_eq!(ucode.image(ImageKind::Init).sections.len(), 2 * usize::from(separate_init));
        let dvm = ucode.image(ImageKind::Regular).sections[0].unwrap().role == SectionRole::Data;
        assert_eq!(dvm, stub.dvm_limits != (0, 0), "{}", stub.card);
    }
}

#[test]
fn make_takes_what_the_kernel_asks_for_unless_told() {
    let made = make("ax200", Kernel::V6_1, None, &[]).unwrap();
    assert_eq!(made.file_name, "iwlwifi-cc-a0-72.ucode");
    assert_eq!(
        made.to_string(),
        "iwlwifi-cc-a0-72.ucode: 780 bytes; the driver takes the file and asks for iwlmvm"
    );
    let old = make("ax200", Kernel::V7_3, Some(Api(72)), &[]).unwrap();
    assert!(old.to_string().contains("supports FW core 74..74, firmware is 69."), "{old}");

    let faults = ["no-sections", "truncate=1000000"].map(|f| f.parse().unwrap());
    let error = make("6205", Kernel::V7_3, None, &faults).unwrap_err();
    assert_eq!(error.to_string(), "fault 2 cannot be put into iwlwifi-6000g2a-6.ucode");
    let error = make("3945", Kernel::V7_3, None, &[]).unwrap_err();
    let known: Vec<_> = STUBS.iter().map(|stub| stub.card).collect();
    assert!(error.to_string().ends_with(&known.join(", ")), "{error}");
}

fn on_card(name: &str, file: &[u8]) -> Option<&'static str> {
    let Inspection::Ucode(inspection) = inspect(name, file, None) else { panic!("no firmware") };
    inspection.on_card.map(|on| on.card)
}

#[test]
fn the_name_alone_names_the_card() {
    let file = stub::for_card("7260").unwrap().build(17);
    assert_eq!(on_card("iwlwifi-7260-17.ucode", &file), Some("7260"));
    assert_eq!(on_card("fw.bin", &file), None);
    assert_eq!(stub::for_card("AX200").unwrap().card, "ax200");
}

/// Whatever the card, the kernel and the API number in the name: what becomes of the file is said
/// once, and is what the driver's range says.
#[test]
fn one_statement_about_each_file() {
    for (card, kernel) in STUBS.iter().flat_map(|card| KERNELS.map(|kernel| (card, kernel))) {
        let range = card.range(kernel);
        let api = |name: String| stub::for_file_name(&name).unwrap().1;
        let tried: Vec<_> = card.names_tried(kernel).map(api).collect();
        for asked in [Api(range.min.0 - 1), Api(range.max.0 + 1)].iter().chain(&tried).copied() {
            let takes = tried.contains(&asked);
            let bytes = card.build(asked);
            let target = Target { card, kernel, asked };
            let text = inspect(&card.file_name(asked), &bytes, Some(&target)).to_string();
            let count = |words: &str| text.matches(words).count();
            let said = (count("takes the file"), count("rejects the file"));
            assert_eq!(said, (usize::from(takes), usize::from(!takes)), "{} {asked}", card.card);
            let opmode = Ucode::parse(&bytes).unwrap().opmode_on(&target);
            assert_eq!(count(&format!("opmode        {opmode}, because")), 1, "{text}");
        }
    }
}

/// As an `.ucode` file is said to be taken by its own card's driver.
#[test]
fn each_pnvm_stub_is_for_its_card() {
    let mut made = 0;
    for stub in STUBS {
        let Some(def) = &stub.pnvm else { continue };
        made += 1;
        let name = stub.pnvm_name().unwrap();
        let file = def.build();
        let pnvm = Pnvm::parse(&file).unwrap();
        for hardware in def.hardware {
            let section = pnvm.section_for(def.sku, *hardware).expect("a section for the card");
            assert!(section.chunks[0].starts_with(&marker::PNVM));
            let other = HwType { rf_id: hardware.rf_id + 1, ..*hardware };
            assert!(pnvm.section_for(def.sku, other).is_none());
            assert!(pnvm.section_for(SkuId([1, 2, 3]), *hardware).is_none());
        }
        let Inspection::Pnvm(inspection) = inspect(&name, &file, None) else { panic!("{name}") };
        assert!(inspection.error.is_none(), "{:?}", inspection.error);
    }
    assert_eq!(made, 4);
}
