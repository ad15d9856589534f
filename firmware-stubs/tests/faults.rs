//! Each way to break a file, what the driver prints for it, and what it does then. The lines
//! are those of 7.3's `iwl-drv.c`.

use iwl_ucode::fate::Finding;
use iwl_ucode::names::*;
use iwl_ucode::pnvm::SkuId;
use iwl_ucode::reader::{ImageKind, SectionRole};
use iwl_ucode::stub::{self, Api, Kernel};
use iwl_ucode::{
    Corruption, Fate, LegacyBuilder, Opmode, ParseError, Pnvm, PnvmBuilder, Target, Ucode,
    UcodeBuilder,
};

use iwl_ucode::format::Version;

fn broken(card: &str, fault: &str) -> Vec<u8> {
    let stub = stub::for_card(card).unwrap();
    let fault: Corruption = fault.parse().unwrap();
    fault.apply(&stub.build(stub.newest(Kernel::V7_3))).unwrap()
}

fn line(bytes: &[u8]) -> String {
    Ucode::parse(bytes).expect_err("the driver rejects it").driver_line().unwrap()
}

#[test]
fn the_parser_s_lines() {
    for (fault, expected) in [
        ("truncate=3", "File size way too small!"),
        ("truncate=40", "uCode has invalid length: 40"),
        ("truncate=87", "uCode has invalid length: 87"),
        ("magic=0x12345678", "invalid uCode magic: 0X12345678"),
        ("corrupt-tail", "invalid TLV len: 0/2147483647"),
        ("trailing-bytes=6", "invalid TLV after parsing: 6"),
        ("tlv-append=6:0000", "TLV 6 has invalid size: 2"),
        ("tlv-append=7:00", "TLV 7 has invalid size: 1"),
        ("tlv-append=18:", "TLV 18 has invalid size: 0"),
        ("tlv-append=27:03000000", "Driver support up to 2 CPUs"),
        ("tlv-append=27:00000000", "Driver support up to 2 CPUs"),
        ("tlv-append=32:01000000", "Paging: image isn't multiple 4096"),
        ("tlv-append=32:00001100", "Paging: driver supports up to 1048576 bytes for paging image"),
        ("tlv-append=0x100:11000000", "17 is an invalid number of station"),
        ("tlv-append=0x101:ffffffff", "-1 is an invalid number of links"),
        ("tlv-append=22:040000000000000000000000", "Wrong ucode_type 4 for default calibration."),
        ("tlv-append=73:000000", "Invalid length for command bios table: 3"),
        // As a v2 file (API byte 9), then as a v1 file.
        ("truncate=0", "File size way too small!"),
    ] {
        assert_eq!(line(&broken("6205", fault)), expected, "{fault}");
    }
    // The length lies about its padding alone.
    let file = broken("6205", "tlv-append=6:00000000");
    let cut = &file[..file.len() - 1];
    assert_eq!(line(cut), "invalid TLV len: 3/4");
    let odd = broken("6205", "tlv-append=74:000000");
    assert_eq!(line(&odd[..odd.len() - 1]), "invalid aligned TLV len: 3/4");
}

#[test]
fn the_errors_say_where() {
    let error = Ucode::parse(&broken("7260", "tlv-length=1:0x1000")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TLV 1 (IWL_UCODE_TLV_SEC_RT) at offset 0x164 declares 4096 bytes; 832 are left in the file"
    );
    let error = Ucode::parse(&broken("7260", "tlv-append=29:00")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "TLV 7 (IWL_UCODE_TLV_API_CHANGES_SET) at offset 0x4ac has 1 bytes; the driver takes \
         exactly 8 bytes"
    );
    let error = Ucode::parse(&broken("7260", "trailing-bytes=7")).unwrap_err();
    assert!(matches!(error, ParseError::TrailingBytes { offset: 0x4ac, count: 7 }), "{error}");
}

/// Written out by number, apart from the table in `format`.
#[test]
fn sizes_that_the_driver_checks() {
    let sized = |kind, length: usize| {
        let value = [1, 0, 0, 0].repeat(20);
        let file = UcodeBuilder::new(Version(0x600)).tlv(TlvType(kind), &value[..length]).build();
        !matches!(Ucode::parse(&file), Err(ParseError::TlvSize { .. }))
    };
    let exact = [
        (0, &[7, 14][..]),
        (4, &[6, 8, 9, 10, 11, 12, 13, 15, 23, 27, 31, 32]),
        (4, &[0x100, 0x101, 0x102, 0x103, 0x104]),
        (8, &[29, 30, 54, 57]),
        (12, &[22, 36, 51]),
        (32, &[55]),
        (52, &[60]),
    ];
    for (length, kinds) in exact {
        for kind in kinds {
            assert!(sized(*kind, length), "{kind} takes {length}");
            assert!(!sized(*kind, length + 4), "{kind} takes no more than {length}");
            assert!(length == 0 || !sized(*kind, length - 1), "{kind} takes no less");
        }
    }
    // One word or more; whole entries or none; at least one program counter.
    assert_eq!([0, 4, 6, 8].map(|n| sized(18, n)), [false, true, false, true]);
    assert_eq!([0, 4, 6, 8].map(|n| sized(73, n)), [true, true, false, true]);
    assert_eq!([35, 36, 37].map(|n| sized(68, n)), [false, true, true]);
    // Copied, ignored, or tolerated with a complaint.
    for kind in [0, 1, 5, 19, 28, 34, 48, 50, 52, 58, 61, 66, 67, 72, 74, 0x1000, 0x100_0008] {
        assert!((0..80).all(|n| sized(kind, n)), "{kind} takes any length");
    }
}

#[test]
fn bits_of_repeated_words_add_up() {
    let base = UcodeBuilder::new(Version(0x600));
    let file = base.api_bits(&[20]).api_bits(&[8, 48]).capabilities(&[0, 159]).build();
    let ucode = Ucode::parse(&file).unwrap();
    assert!([8, 20, 48].iter().all(|bit| ucode.has_api(*bit)) && !ucode.has_api(21));
    assert!(ucode.has_capa(0) && ucode.has_capa(159));
    assert_eq!(ucode.api(), 0x600, "bit 20: the version word is the API");
    // Words that the driver has no room for are skipped.
    let file = UcodeBuilder::new(Version(0x600)).api_bits(&[96]).capabilities(&[160]).build();
    let ucode = Ucode::parse(&file).unwrap();
    assert!(!ucode.has_api(96) && !ucode.has_capa(160));
}

#[test]
fn what_may_occur_once() {
    let once = UcodeBuilder::new(Version(0x600)).cmd_versions(&[]).tlv(TlvType(73), []);
    assert!(Ucode::parse(&once.build()).is_ok());
    let error = |builder: UcodeBuilder| Ucode::parse(&builder.build()).unwrap_err();
    let commands = error(once.clone().cmd_versions(&[]));
    assert!(matches!(&commands, ParseError::Duplicate { first, .. } if first.index == 0));
    assert_eq!(commands.driver_line(), None);
    let bios = error(once.tlv(IWL_UCODE_TLV_CMD_BIOS_TABLE, []));
    assert_eq!(bios.driver_line().unwrap(), "Duplicate TLV type 0x49 detected");
}

#[test]
fn a_debug_configuration_may_ask_for_the_sniffer_image() {
    let base = || UcodeBuilder::new(Version(0x600));
    let wants = |b: UcodeBuilder| b.tlv(IWL_UCODE_TLV_FW_DBG_CONF, [0, 1, 0, 0]);
    let dest = |b: UcodeBuilder| b.tlv(IWL_UCODE_TLV_FW_DBG_DEST, [0; 22]);
    let ok = |b: UcodeBuilder| Ucode::parse(&b.build()).is_ok();
    assert!(!ok(wants(dest(base()))));
    assert!(ok(wants(base())), "ignored without a destination");
    assert!(ok(dest(wants(base()))), "the order counts");
    assert!(ok(wants(dest(base())).section(IWL_UCODE_TLV_SEC_RT_USNIFFER, 0, b"x")));
    assert!(ok(wants(dest(base())).capabilities(&[IWL_UCODE_TLV_CAPA_USNIFFER_UNIFIED])));
}

fn legacy(api: u8) -> LegacyBuilder {
    LegacyBuilder::new(Version::new(8, 83, api, 5))
        .build_number(33692)
        .runtime(vec![1; 256], vec![2; 256])
        .init(vec![3; 256], vec![4; 256])
}

#[test]
fn v1_and_v2() {
    for (api, header, version) in [
        (0, 24, "8.83.0.5 5150-2.ucode"),
        (3, 28, "8.83.3.5 build 33692 5150-2.ucode"),
        (2, 24, "8.83.2.5 5150-2.ucode"),
        (6, 28, "8.83.6.5 build 33692 5150-2.ucode"),
    ] {
        let file = legacy(api).build();
        assert_eq!(file.len(), header + 1024);
        let ucode = Ucode::parse(&file).unwrap();
        assert_eq!(ucode.version_line("iwlwifi-5150-2.ucode"), version);
        assert_eq!(ucode.opmode(), Opmode::Iwldvm);
        let init = ucode.image(ImageKind::Init);
        let (data, code) = (init.sections[0].unwrap(), init.sections[1].unwrap());
        assert_eq!((data.role, data.content[0]), (SectionRole::Data, 4));
        assert_eq!((code.role, code.content[0]), (SectionRole::Inst, 3));
        assert_eq!(line(&file[..header - 1]), "File size too small!");
        let shorter = &file[..file.len() - 4];
        assert_eq!(
            line(shorter),
            format!("uCode file size {} does not match expected size", shorter.len())
        );
        let empty = Corruption::EmptySections.apply(&file).unwrap();
        assert!(matches!(Ucode::parse(&empty).unwrap().fate(None), Fate::Unbinds { .. }));
    }
}

/// What is no TLV file is read as one of v1 or v2, whatever it is.
#[test]
fn what_is_no_firmware_is_told_so() {
    let text = b"this is text, and no firmware at all: it was named by mistake\n";
    let elf =
        [&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0"[..], &[0; 40]].concat();
    for bytes in [&text[..], &elf] {
        let inspection = iwl_ucode::inspect("any.ucode", bytes, None);
        let message = &inspection.error().expect("an error").message;
        assert!(message.ends_with("more than any has: it is no firmware"), "{message}");
        let shown = inspection.to_string();
        assert!(!shown.contains("version") && !shown.contains("up to there"), "{shown}");
    }
    let cut = &legacy(6).build()[..100];
    let shown = iwl_ucode::inspect("any.ucode", cut, None).to_string();
    assert!(!shown.contains("no firmware") && shown.contains("version"), "{shown}");
}

#[test]
fn sizes_that_only_add_up_in_32_bits_are_refused() {
    let mut file = legacy(6).build();
    // 4 GiB more in two sections: the driver adds in 64 bits.
    file[8..12].copy_from_slice(&0x8000_0100_u32.to_le_bytes());
    file[12..16].copy_from_slice(&0x8000_0100_u32.to_le_bytes());
    assert!(matches!(Ucode::parse(&file), Err(ParseError::TotalSize { .. })));
}

fn fate(card: &str, kernel: Kernel, asked: Api, bytes: &[u8]) -> Fate {
    let card = stub::for_card(card).unwrap();
    Ucode::parse(bytes).unwrap().fate(Some(&Target { card, kernel, asked }))
}

#[test]
fn files_that_parse_and_still_do_not_load() {
    for card in ["6205", "7260", "be200"] {
        let file = broken(card, "no-sections");
        let fate = Ucode::parse(&file).unwrap().fate(None);
        assert_eq!(fate, Fate::Oopses { because: Finding::NoSections }, "{card}");

        let file = broken(card, "empty-sections");
        let because = Finding::EmptySection { image: ImageKind::Regular, section: 0 };
        assert_eq!(Ucode::parse(&file).unwrap().fate(None), Fate::Unbinds { because }, "{card}");
    }
}

#[test]
fn dvm_files_with_parts_of_images() {
    let tlvs = |kinds: &[TlvType]| {
        let new = UcodeBuilder::new(Version(0x600));
        kinds.iter().fold(new, |b, kind| b.tlv(*kind, [0; 8])).build()
    };
    let fate = |kinds: &[TlvType]| Ucode::parse(&tlvs(kinds)).unwrap().fate(None);
    let (inst, data) = (IWL_UCODE_TLV_INST, IWL_UCODE_TLV_DATA);
    let (init, init_data) = (IWL_UCODE_TLV_INIT, IWL_UCODE_TLV_INIT_DATA);
    let half = |image, missing| Fate::Undefined { because: Finding::HalfImage { image, missing } };
    let none = |image| Fate::Oopses { because: Finding::NoImage { image } };

    assert_eq!(fate(&[inst, data]), none(ImageKind::Init));
    assert_eq!(fate(&[init, init_data]), none(ImageKind::Regular));
    assert_eq!(fate(&[inst, init, init_data]), half(ImageKind::Regular, SectionRole::Data));
    assert_eq!(fate(&[inst, data, init_data]), half(ImageKind::Init, SectionRole::Inst));
    assert_eq!(
        fate(&[inst, data, init, init_data, IWL_UCODE_TLV_WOWLAN_INST]),
        half(ImageKind::Wowlan, SectionRole::Data)
    );
    let whole = [inst, data, init, init_data];
    assert_eq!(fate(&whole), Fate::Loads { opmode: Opmode::Iwldvm });
}

#[test]
fn the_content_picks_the_opmode_and_wifi7_overrules_it() {
    let mvm = stub::for_card("7260").unwrap().build(6);
    let loads = |opmode| Fate::Loads { opmode };
    // An iwlmvm file under a 6205's name.
    assert_eq!(fate("6205", Kernel::V7_3, Api(6), &mvm), loads(Opmode::Iwlmvm));
    // Too short for an offset: no section, but an iwlmvm file all the same.
    let bare = UcodeBuilder::new(Version(0x600)).tlv(IWL_UCODE_TLV_SEC_RT, []).build();
    assert_eq!(fate("6205", Kernel::V7_3, Api(6), &bare), loads(Opmode::Iwlmvm));
    // The sniffer image alone does not make one.
    let sniffer = UcodeBuilder::new(Version(0x600)).section(IWL_UCODE_TLV_SEC_RT_USNIFFER, 0, b"x");
    assert_eq!(Ucode::parse(&sniffer.build()).unwrap().opmode(), Opmode::Iwldvm);

    let be200 = stub::for_card("be200").unwrap();
    let new = fate("be200", Kernel::V7_3, Api::core(107), &be200.build(Api::core(107)));
    assert_eq!(new, loads(Opmode::Iwlmld));
    let old = fate("be200", Kernel::V6_12, Api(93), &be200.build(93));
    assert_eq!(old, loads(Opmode::Iwlmvm));
}

#[test]
fn refused_by_this_card() {
    let rejects = |text: &str| Fate::Rejects { driver_line: Some(text.to_owned()) };
    let dvm = stub::for_card("6205").unwrap();
    assert_eq!(
        fate("7260", Kernel::V7_3, Api(17), &dvm.build(17)),
        rejects("uCode instr len 256 too large to fit in")
    );
    assert_eq!(
        fate("6205", Kernel::V7_3, Api(6), &broken("6205", "tlv-resize=0:262148")),
        rejects("uCode instr len 262148 too large to fit in")
    );
    assert_eq!(
        fate("6205", Kernel::V7_3, Api(6), &broken("6205", "tlv-resize=3:81924")),
        // The driver prints the size of the runtime data here.
        rejects("uCode init data len 256 too large to fit in")
    );
    assert_eq!(
        fate("6205", Kernel::V7_3, Api(6), &dvm.build(9)),
        rejects(
            "Driver unable to support your firmware API. Driver supports FW core 2..3, firmware \
             is 6."
        )
    );
    assert_eq!(
        fate("7260", Kernel::V6_18, Api(17), &stub::for_card("7260").unwrap().build(16)),
        rejects(
            "Driver unable to support your firmware API. Driver supports FW core 14..14, firmware \
             is 13."
        )
    );
    for kernel in [Kernel::V6_12, Kernel { major: 6, minor: 17 }] {
        assert_eq!(
            fate("6205", kernel, Api(6), &dvm.build(9)),
            rejects(
                "Driver unable to support your firmware API. Driver supports v6, firmware is v9."
            )
        );
    }
}

#[test]
fn short_debug_triggers() {
    let file = |id: u32, length: usize| {
        let mut value = vec![0; length];
        value[..4].copy_from_slice(&id.to_le_bytes());
        let stub = stub::for_card("7260").unwrap().builder(17);
        stub.tlv(IWL_UCODE_TLV_FW_DBG_TRIGGER, value).build()
    };
    let unbinds = |id, length| {
        matches!(Ucode::parse(&file(id, length)).unwrap().fate(None), Fate::Unbinds { .. })
    };
    assert!(unbinds(3, 59) && !unbinds(3, 60), "missed beacons: 28 + 32");
    assert!(unbinds(1, 26) && !unbinds(1, 27), "no size known: 28 - 1");
    assert!(!unbinds(17, 4), "an unknown trigger is skipped");
}

#[test]
fn faults_that_do_not_apply() {
    let legacy = legacy(6).build();
    assert!(Corruption::NoSections.apply(&legacy).is_err());
    assert!(Corruption::Magic { magic: 1 }.apply(&legacy).is_err());
    let stub = stub::for_card("7260").unwrap().build(17);
    let error = Corruption::TlvLength { index: 7, length: 0 }.apply(&stub).unwrap_err();
    assert_eq!(error.to_string(), "the file has no TLV 7: 7 can be read, counted from 0");
    assert!(Corruption::Truncate { length: stub.len() + 1 }.apply(&stub).is_err());
    assert!(Corruption::TrailingBytes { count: usize::MAX }.apply(&stub).is_err());
    for text in
        ["", "truncate", "truncate=-1", "magic=0x123456789", "no-sections=1", "tlv-append=1:+f"]
    {
        assert!(text.parse::<Corruption>().is_err(), "{text}");
    }
}

#[test]
fn an_honest_version_change() {
    let stub = stub::for_card("6205").unwrap().build(6);
    let old = Corruption::Version { version: 0x12a8_0501 }.apply(&stub).unwrap();
    // Of what follows the header, only the sections' markers tell the files apart.
    const HEADER: usize = 88;
    let (header, rest) = old.split_at(HEADER);
    assert_eq!(header, &stub::for_card("6205").unwrap().build(5)[..HEADER]);
    assert_eq!(rest, &stub[HEADER..]);
}

#[test]
fn pnvm_files_that_the_driver_does_not_take() {
    let sku = || PnvmBuilder::new().sku(SkuId([1, 2, 3]));
    let error = |bytes: &[u8]| Pnvm::parse(bytes).unwrap_err().to_string();
    let whole = sku().chunk(0, &[1, 2, 3]).build();
    assert!(Pnvm::parse(&whole).is_ok());
    // Fewer bytes than a TLV takes are passed over.
    assert!(Pnvm::parse(&[&whole[..], &[0; 7]].concat()).is_ok());
    assert_eq!(
        error(&whole[..whole.len() - 1]),
        "TLV 1 (IWL_UCODE_TLV_SEC_RT) at offset 0x14 needs 8 bytes with its padding; 7 are left in \
         the file"
    );
    let cut = &whole[..whole.len() - 2];
    assert_eq!(Pnvm::parse(cut).unwrap_err().driver_line().unwrap(), "invalid TLV len: 6/7");
    let short = PnvmBuilder::new().tlv(IWL_UCODE_TLV_PNVM_SKU, [0; 8]).build();
    let line = Pnvm::parse(&short).unwrap_err().driver_line();
    assert_eq!(line.unwrap(), "invalid PNVM SKU TLV len: 8");
    let many = (0..=64).fold(sku(), |file, _| file.chunk(0, &[]));
    assert!(error(&many.build()).ends_with("is one chunk too many: the driver takes 64"));
    let separators = (0..=64).fold(sku(), |file, _| file.chunk(0xdddd_eeee, &[]));
    assert!(Pnvm::parse(&separators.build()).unwrap().sections[0].chunks.is_empty());
    let memory = |size: u8| sku().tlv(IWL_UCODE_TLV_MEM_DESC, [0, 0, 0, 0, size, 0, 0, 0, 9, 9]);
    assert_eq!(Pnvm::parse(&memory(2).build()).unwrap().sections[0].chunks, [[9, 9]]);
    assert!(error(&memory(3).build()).ends_with("says that it has 3 bytes of data; there are 2"));
    assert!(error(&PnvmBuilder::new().version(1).build()).contains("is for no card"));
}
