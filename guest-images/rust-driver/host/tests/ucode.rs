// SPDX-License-Identifier: GPL-2.0

//! The driver's firmware reader beside the bench's own: every stub, each way to break it, the fuzzer's
//! corpus, and bytes of any kind. What differs is told here: where the C driver does what must not be
//! done, the Rust driver refuses.

use iwl_hw::maps::Bar;
use iwl_ucode::fate::Finding;
use iwl_ucode::reader::ImageKind;
use iwl_ucode::stub::{Kernel, STUBS};
use iwl_ucode::{Corruption, Fate, LegacyBuilder, Opmode, ParseError, Ucode as Theirs};
use iwlrs_host::ucode::{Error, Image, Kind, Ucode};
use proptest::prelude::*;

fn kind_of(image: Image) -> ImageKind {
    match image {
        Image::Runtime => ImageKind::Regular,
        Image::Init => ImageKind::Init,
        Image::Wowlan => ImageKind::Wowlan,
        Image::Usniffer => ImageKind::RegularUsniffer,
    }
}

/// Which of the reader's errors one of the bench's is.
fn same(ours: &Error, theirs: &ParseError) -> bool {
    use ParseError as P;
    match (ours, theirs) {
        (Error::Short { .. }, P::TooShort { .. } | P::HeaderTooShort { .. })
        | (Error::Magic { .. }, P::Magic { .. })
        | (Error::TotalSize { .. }, P::TotalSize { .. })
        | (Error::NoSniffer, P::NoSnifferImage { .. })
        | (Error::Trailing { .. }, P::TrailingBytes { .. }) => true,
        (Error::TlvLength { offset, .. }, P::TlvLength { tlv, .. } | P::TlvPadding { tlv, .. }) => {
            *offset == tlv.offset
        }
        (Error::TlvSize { kind, .. }, P::TlvSize { tlv, .. })
        | (Error::TlvValue { kind, .. }, P::TlvValue { tlv, .. })
        | (Error::Duplicate { kind }, P::Duplicate { tlv, .. }) => *kind == tlv.kind.0,
        _ => false,
    }
}

/// Compares what both make of a file.
fn agree(bytes: &[u8]) {
    let (ours, theirs) = (Ucode::parse(bytes), Theirs::parse(bytes));
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(ours), Err(theirs)) => {
            assert!(same(&ours, &theirs), "{ours} beside {theirs}");
            return;
        }
        // The C driver puts sections with places over those without.
        (Err(Error::Mixed), Ok(_)) => return,
        (ours, theirs) => panic!("{ours:?} beside {theirs:?}"),
    };
    assert_eq!(ours.api(), theirs.api());
    assert_eq!(ours.kind() == Kind::Mvm, theirs.opmode() == Opmode::Iwlmvm);
    assert_eq!(ours.phy_sku(), theirs.facts.phy_sku.unwrap_or(0));
    for image in Image::ALL {
        let sections = theirs.image(kind_of(image)).sections.iter().flatten();
        let theirs: Vec<_> =
            sections.map(|section| (section.load_offset, section.content)).collect();
        let ours: Vec<_> =
            ours.sections(image).map(|section| (section.offset, section.data)).collect();
        assert_eq!(ours, theirs, "{image:?}");
    }
    let ours = ours.check(u32::MAX, u32::MAX);
    match theirs.fate(None) {
        Fate::Loads { .. } => match ours {
            Ok(()) => {}
            // The C driver would upload nothing, and wait for it to say ALIVE.
            Err(Error::Incomplete { image: Image::Runtime }) => {
                assert!(theirs.image(ImageKind::Regular).sections.is_empty());
            }
            ours => panic!("{ours:?}, and the C driver loads it"),
        },
        Fate::Unbinds { because: Finding::EmptySection { .. } } => {
            assert!(matches!(ours, Err(Error::Empty { .. })), "{ours:?}");
        }
        // A debug trigger, which the Rust driver does not read.
        Fate::Unbinds { .. } => {}
        // What the C driver oopses on, or works with unwritten memory.
        Fate::Oopses { .. } | Fate::Undefined { .. } => {
            let refused = matches!(ours, Err(Error::Incomplete { .. } | Error::Empty { .. }));
            let sniffer = theirs.image(ImageKind::Wowlan).sections.iter().any(Option::is_none);
            assert!(refused || sniffer, "{ours:?} beside {:?}", theirs.fate(None));
        }
        fate => panic!("{fate:?} of a file that was read"),
    }
}

fn stubs() -> impl Iterator<Item = Vec<u8>> {
    STUBS.iter().map(|stub| stub.build(stub.newest(Kernel::V7_3)))
}

#[test]
fn every_stub_is_read_as_the_bench_reads_it() {
    for (stub, file) in STUBS.iter().zip(stubs()) {
        agree(&file);
        let ours = Ucode::parse(&file).expect(stub.card);
        let (inst, data) = match stub.dvm_limits {
            (0, 0) => (u32::MAX, u32::MAX),
            limits => limits,
        };
        assert_eq!(ours.check(inst, data), Ok(()), "{}", stub.card);
    }
}

#[test]
fn every_fault_is_refused_as_the_bench_says() {
    let faults = [
        "truncate=0",
        "truncate=3",
        "truncate=40",
        "truncate=87",
        "truncate=200",
        "magic=0x12345678",
        "corrupt-tail",
        "trailing-bytes=1",
        "trailing-bytes=7",
        "tlv-append=6:0000",
        "tlv-append=7:00",
        "tlv-append=18:",
        "tlv-append=27:03000000",
        "tlv-append=27:00000000",
        "tlv-append=32:01000000",
        "tlv-append=32:00001100",
        "tlv-append=0x100:11000000",
        "tlv-append=0x101:ffffffff",
        "tlv-append=22:040000000000000000000000",
        "tlv-append=73:000000",
        "tlv-append=74:000000",
        "tlv-append=19:0000",
        "tlv-append=19:00000000",
        "tlv-append=1:",
        "tlv-append=16:00",
        "tlv-append=34:00000000aa",
        "version=0x00000500",
        "version=0x00000100",
        "tlv-length=0:4096",
        "tlv-length=1:3",
        "tlv-resize=0:0",
        "tlv-resize=1:2",
        "empty-sections",
        "no-sections",
    ];
    let mut seen = 0;
    for file in stubs() {
        for fault in faults {
            let fault: Corruption =
                fault.parse().unwrap_or_else(|error| panic!("{fault}: {error}"));
            if let Ok(broken) = fault.apply(&file) {
                agree(&broken);
                seen += 1;
            }
        }
        for len in 0..file.len() {
            agree(&file[..len]);
        }
    }
    assert!(seen > 20 * STUBS.len(), "{seen} faults fit");
}

#[test]
fn what_the_c_driver_oopses_on_is_refused() {
    let file = stubs().next().expect("a stub");
    for (fault, refused) in [
        ("no-sections", Error::Incomplete { image: Image::Runtime }),
        ("empty-sections", Error::Empty { image: Image::Runtime }),
    ] {
        let fault: Corruption = fault.parse().unwrap();
        let broken = fault.apply(&file).unwrap();
        let file = Ucode::parse(&broken).expect("it is read");
        assert_eq!(file.check(u32::MAX, u32::MAX), Err(refused));
    }
    let whole = Ucode::parse(&file).unwrap();
    let (size, image) = (256, Image::Runtime);
    assert_eq!(whole.check(size - 1, size), Err(Error::TooLarge { image, len: 256 }));
    assert_eq!(whole.check(size, size), Ok(()));
}

#[test]
fn files_before_tlvs_are_read_too() {
    for version in [0x0800_0100, 0x0853_0605] {
        let file = LegacyBuilder::new(iwl_ucode::format::Version(version))
            .runtime([1; 8], [2; 4])
            .init([3; 12], [4; 16])
            .build();
        agree(&file);
        for len in 0..file.len() {
            agree(&file[..len]);
        }
        let sections: Vec<_> =
            Ucode::parse(&file).unwrap().sections(Image::Init).map(|s| s.data.to_vec()).collect();
        assert_eq!(sections, [vec![4; 16], vec![3; 12]], "data before code");
    }
}

#[test]
fn the_corpus_is_read_as_the_bench_reads_it() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-stubs/fuzz/corpus/ucode");
    let mut any = false;
    for file in std::fs::read_dir(corpus).expect("a corpus") {
        agree(&std::fs::read(file.expect("a file").path()).expect("read"));
        any = true;
    }
    assert!(any);
}

/// Names and offsets of the driver's registers are those of the card's model.
#[test]
fn registers_are_those_of_the_model() {
    let source = include_str!("../../regs.rs");
    let mut compared = 0;
    let mut bar = Bar::Legacy;
    for line in source.lines() {
        let line = line.trim().trim_start_matches("pub(crate) ");
        match line {
            "mod family22000 {" => bar = Bar::Family22000,
            "mod srvc {" => bar = Bar::Legacy,
            _ => {}
        }
        if !(line.contains("(u32)") && line.contains(" @ ")) {
            continue;
        }
        let (name, rest) = line.split_once("(u32)").expect("a register");
        let offset = rest.split(" @ ").nth(1).expect("an offset").trim_end_matches(" {");
        let offset = u32::from_str_radix(offset.trim_start_matches("0x"), 16).expect(name);
        let row = bar.map().get(offset).unwrap_or_else(|| panic!("{name}"));
        let vendors = row.name.split('(').next().expect("a name");
        // The rows of an array are named by what is in them.
        let alias = name == "FH_MEM_CBBC_0_15_LOWER_BOUND" && vendors == "FH_MEM_CBBC_QUEUE";
        assert!(vendors == name || alias, "{offset:#x} is {vendors}, and not {name}");
        compared += 1;
    }
    assert!(compared > 36, "{compared}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_the_bench_reads_them(
        stub in 0..STUBS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let stub = &STUBS[stub];
        let mut file = stub.build(stub.newest(Kernel::V7_3));
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        agree(&file);
    }
}
