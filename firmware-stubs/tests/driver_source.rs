//! The reader against the driver itself: `IWLWIFI_SOURCE=.../drivers/net/wireless/intel/iwlwifi cargo
//! test` (7.3), with a C compiler. The names are compared with the source in the kit too, where there is
//! one (`iwlbench run --driver nowait` fetches it).

mod kit;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use iwl_ucode::format::{Format, SizeRule, Version};
use iwl_ucode::names::{API_BITS, CAPA_BITS, FLAG_BITS, TLV_TYPES, TlvType};
use iwl_ucode::reader::ImageKind;
use iwl_ucode::stub::{self, Api, Kernel, STUBS};
use iwl_ucode::{Corruption, Fate, LegacyBuilder, Opmode, Target, Ucode, UcodeBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn source() -> Option<PathBuf> {
    std::env::var_os("IWLWIFI_SOURCE").map(PathBuf::from)
}

/// The source of 7.3 that the kit has fetched.
fn of_the_kit() -> Option<PathBuf> {
    let sources = fs::read_dir(kit::cache()?.join("sources")).ok()?;
    let source =
        sources.flatten().find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"7.3"));
    Some(source?.path().join("root/iwlwifi")).filter(|source| source.join("fw/file.h").exists())
}

#[test]
fn every_name_of_file_h() {
    let Some(source) = source().or_else(of_the_kit) else { return };
    let header = fs::read_to_string(source.join("fw/file.h")).expect("fw/file.h");
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

const FILES: usize = 50_000;

/// The driver's parser, cut out of `iwl-drv.c` and compiled, answers for each file as the
/// reader does: the same refusal with the same line, or the same version, opmode, bits,
/// sections and size check.
#[test]
fn the_driver_s_own_parser_agrees() {
    let Some(source) = source() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let parser = compile(&source, scratch.path());

    let mut runner = TestRunner::deterministic();
    let strategy = file();
    let mut files: Vec<Vec<u8>> =
        (0..FILES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    files.extend(sections_at_the_limit());
    let input = scratch.path().join("files");
    let mut out = std::io::BufWriter::new(fs::File::create(&input).unwrap());
    for file in &files {
        out.write_all(&(file.len() as u32).to_le_bytes()).unwrap();
        out.write_all(file).unwrap();
    }
    drop(out);
    let input = Stdio::from(fs::File::open(&input).unwrap());
    let output = Command::new(parser).stdin(input).output().unwrap();
    assert!(output.status.success(), "the parser ended with {}", output.status);
    let theirs = String::from_utf8(output.stdout).unwrap();

    let mut accepted = 0;
    assert_eq!(theirs.lines().count(), files.len());
    for (file, theirs) in files.iter().zip(theirs.lines()) {
        assert_eq!(verdict(file), theirs, "{file:02x?}");
        accepted += usize::from(!theirs.starts_with("rejects"));
    }
    let share = accepted * 100 / files.len();
    assert!((20..80).contains(&share), "{share} % accepted: the files test one side only");
}

/// Builds the parser from the driver's source, in `folder`.
fn compile(source: &Path, folder: &Path) -> PathBuf {
    // As it is now: the tests may run elsewhere than they were built.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("the test runner sets it");
    let here = Path::new(&package).join("tests/driver");
    fs::create_dir(folder.join("linux")).unwrap();
    for header in ["bitops", "netdevice", "nl80211", "types"] {
        let path = folder.join("linux").join(header).with_extension("h");
        fs::write(path, "#include \"kernel.h\"\n").unwrap();
    }
    let driver = fs::read_to_string(source.join("iwl-drv.c")).expect("iwl-drv.c");
    let code = [
        "#include \"before.h\"\n",
        cut(&driver, "struct fw_sec {", "\n};\n"),
        cut(&driver, "struct fw_img_parsing {", "\nstatic int iwl_alloc_ucode_mem")
            .rsplit_once('\n')
            .unwrap()
            .0,
        "\n",
        cut(&driver, "static int validate_sec_sizes(", "\n}\n"),
        "#include \"after.h\"\n",
    ];
    fs::write(folder.join("parser.c"), code.concat()).unwrap();
    let status = Command::new("cc")
        .args(["-O1", "-w", "-o", "parser", "parser.c"])
        .args([Path::new("-I"), folder, Path::new("-I"), &here])
        .args([Path::new("-I"), source, Path::new("-I"), &source.join("fw")])
        .current_dir(folder)
        .status()
        .expect("a C compiler, cc");
    assert!(status.success(), "the driver's parser does not compile");
    folder.join("parser")
}

/// From the line that begins with `from` to the end of `to`.
fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(&format!("\n{from}")).unwrap_or_else(|| panic!("no `{from}`")) + 1;
    let end = text[start..].find(to).unwrap_or_else(|| panic!("no end of `{from}`"));
    &text[start..start + end + to.len()]
}

/// The reader's answer in the words of `driver/after.h`.
fn verdict(file: &[u8]) -> String {
    let ucode = match Ucode::parse(file) {
        Ok(ucode) => ucode,
        Err(error) => {
            return format!("rejects: {}", error.driver_line().unwrap_or("a warning".to_owned()));
        }
    };
    let facts = &ucode.facts;
    let mut line = format!(
        "{}, {}, API {}, flags {:x}, PHY {:x}, api",
        ucode.version_line("iwlwifi-x-1.ucode"),
        ucode.opmode(),
        ucode.api(),
        facts.flags,
        facts.phy_sku.unwrap_or(0)
    );
    for bit in (0..96).filter(|bit| ucode.has_api(*bit)) {
        write!(line, " {bit}").unwrap();
    }
    line += ", capa";
    for bit in (0..160).filter(|bit| ucode.has_capa(*bit)) {
        write!(line, " {bit}").unwrap();
    }
    for (number, image) in ImageKind::ALL.into_iter().enumerate() {
        write!(line, ", image {number}").unwrap();
        for section in &ucode.image(image).sections {
            match section {
                Some(s) => {
                    write!(line, " {:x}@{:x} to {:x}", s.size, s.file_offset, s.load_offset)
                }
                None => write!(line, " unwritten"),
            }
            .unwrap();
        }
    }
    let whole = |image| matches!(ucode.image(image).sections[..], [Some(_), Some(_)]);
    if ucode.opmode() == Opmode::Iwldvm && whole(ImageKind::Regular) && whole(ImageKind::Init) {
        write!(line, ", {}", size_check(&ucode)).unwrap();
    }
    line
}

/// The size check of a 6205, under an API number that gets that far.
fn size_check(ucode: &Ucode<'_>) -> String {
    let mut ucode = ucode.clone();
    let legacy = ucode.format != Format::Tlv;
    ucode.version = Version(if !legacy && ucode.api() == ucode.version.0 { 6 } else { 0x600 });
    let card = stub::for_card("6205").unwrap();
    match ucode.fate(Some(&Target { card, kernel: Kernel::V7_3, asked: Api(6) })) {
        Fate::Rejects { driver_line: Some(line) } => line,
        _ => "fits".to_owned(),
    }
}

/// Files of every kind, most of them nearly right: one wrong byte or length at most, often.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let stubs = (0..STUBS.len()).prop_map(|i| STUBS[i].build(STUBS[i].newest(Kernel::V7_3)));
    let legacy = (0..10_u8, 0..3_u32, vec(0..60_usize, 4)).prop_map(|(api, build, sizes)| {
        LegacyBuilder::new(Version::new(8, 83, api, 5))
            .build_number(build)
            .runtime(vec![1; sizes[0]], vec![2; sizes[1]])
            .init(vec![3; sizes[2]], vec![4; sizes[3]])
            .build()
    });
    let tlvs = (any::<u32>(), 0..2_u32, vec(tlv(), 0..12)).prop_map(|(version, build, tlvs)| {
        let new = UcodeBuilder::new(Version(version)).build_number(build);
        tlvs.iter().fold(new, |b, (kind, value)| b.tlv(*kind, value)).build()
    });
    let whole = prop_oneof![1 => stubs, 1 => legacy, 5 => tlvs];
    let damage = prop_oneof![
        5 => Just(None),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Some((at, Some(byte)))),
        1 => any::<Index>().prop_map(|at| Some((at, None))),
    ];
    (whole, damage, prop_oneof![9 => Just(0), 1 => 1..9_usize]).prop_map(
        |(mut file, damage, extra)| {
            match damage {
                Some((at, Some(byte))) => {
                    let at = at.index(file.len());
                    file[at] = byte;
                }
                Some((at, None)) => file.truncate(at.index(file.len())),
                None => {}
            }
            file.resize(file.len() + extra, 0);
            file
        },
    )
}

/// Each section of the 6205's stub as large as the card takes it, and one byte larger.
fn sections_at_the_limit() -> impl Iterator<Item = Vec<u8>> {
    let stub = stub::for_card("6205").unwrap().build(6);
    let limits = [0x4_0000, 0x1_4000, 0x4_0000, 0x1_4000].into_iter().enumerate();
    let faults = limits.flat_map(|(index, limit)| {
        [limit, limit + 1].map(|length| Corruption::TlvResize { index, length })
    });
    faults.map(move |fault| fault.apply(&stub).unwrap())
}

/// A TLV that the driver knows, mostly of a length that it takes.
fn tlv() -> impl Strategy<Value = (TlvType, Vec<u8>)> {
    let kind = prop_oneof![8 => select(TLV_TYPES).prop_map(|(kind, _)| kind), 1 => (0..80_u32).prop_map(TlvType)];
    let byte = prop_oneof![3 => Just(0_u8), 1 => 0..8_u8, 1 => any::<u8>()];
    (kind, 0..3_usize, 0..60_usize, any::<Index>(), vec(byte, 60 + 28)).prop_map(
        |(kind, items, any, off, mut value)| {
            let length = match SizeRule::of(kind) {
                _ if off.index(20) == 0 => any,
                SizeRule::Any => any,
                SizeRule::Exactly(n) => n as usize,
                SizeRule::AtLeast(n) => n as usize + items,
                SizeRule::Items(n) => n as usize * (items + 1),
                SizeRule::ItemsOrNone(n) => n as usize * items,
            };
            // Debug TLVs shorter than their structure are read past their end.
            let debug = matches!(kind, TlvType(38..=40));
            value.truncate(if debug { length + 28 } else { length });
            (kind, value)
        },
    )
}
