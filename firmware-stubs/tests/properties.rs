//! What must hold for any bytes.

use iwl_ucode::format::{Version, padded};
use iwl_ucode::reader::ImageKind;
use iwl_ucode::stub::{self, Kernel};
use iwl_ucode::{Corruption, LegacyBuilder, TlvType, Ucode, UcodeBuilder, inspect};
use proptest::collection::vec;
use proptest::prelude::*;

/// TLV types: those that the driver knows and others.
fn kind() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..80, 1 => 0x100_u32..0x106, 1 => 0x100_0005_u32..0x100_000c, 1 => any::<u32>()]
}

fn tlvs() -> impl Strategy<Value = Vec<(u32, Vec<u8>)>> {
    vec((kind(), vec(any::<u8>(), 0..40)), 0..12)
}

/// Bytes that have a chance to be read: a TLV header, then anything.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let head = UcodeBuilder::new(Version(0x600)).build();
    let framed = tlvs().prop_map(|tlvs| {
        let new = UcodeBuilder::new(Version(0x600));
        tlvs.iter().fold(new, |b, (kind, value)| b.tlv(TlvType(*kind), value)).build()
    });
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(any::<u8>(), 0..200).prop_map(move |tail| [head.clone(), tail].concat()),
        framed,
    ]
}

/// Reads, judges and shows the file; checks what must hold whatever comes out.
fn check(bytes: &[u8]) {
    if let Ok((ucode, rest)) = Ucode::parse_prefix(bytes) {
        // The TLVs stand one behind the other: no byte is read twice, so the work and the
        // memory are linear in the file.
        let mut next = 88;
        for (index, tlv) in ucode.tlvs.iter().enumerate() {
            assert_eq!((tlv.at.index, tlv.at.offset), (index, next));
            assert_eq!(tlv.value, &bytes[next + 8..next + 8 + tlv.value.len()]);
            next += 8 + padded(tlv.value.len());
        }
        assert!(next <= bytes.len() || ucode.tlvs.is_empty());
        for section in ImageKind::ALL.iter().flat_map(|image| &ucode.image(*image).sections) {
            let Some(section) = section else { continue };
            if rest.is_ok() {
                let end = section.file_offset + section.size as usize;
                assert_eq!(section.content, &bytes[section.file_offset..end]);
            }
        }
        assert_eq!(rest.is_ok(), Ucode::parse(bytes).is_ok());
    }
    for target in [None, Some(("7260", Kernel::V7_3)), Some(("6205", Kernel::V6_1))] {
        let target = target.map(|(card, kernel)| {
            let card = stub::for_card(card).unwrap();
            iwl_ucode::Target { card, kernel, asked: card.newest(kernel) }
        });
        let inspection = inspect("iwlwifi-7260-17.ucode", bytes, target.as_ref());
        let text = inspection.to_string();
        let escape = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(escape), "control characters reach the terminal");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in plausible()) {
        check(&bytes);
    }

    #[test]
    fn what_was_built_is_read(tlvs in tlvs(), version in any::<u32>(), build in any::<u32>()) {
        let new = UcodeBuilder::new(Version(version)).build_number(build).human_readable("x");
        let file = tlvs.iter().fold(new, |b, (kind, value)| b.tlv(TlvType(*kind), value)).build();
        let (ucode, rest) = Ucode::parse_prefix(&file).unwrap();
        prop_assert_eq!((ucode.version.0, ucode.build), (version, build));
        let read: Vec<_> = ucode.tlvs.iter().map(|t| (t.at.kind.0, t.value.to_vec())).collect();
        if rest.is_ok() {
            prop_assert_eq!(read, tlvs);
        } else {
            prop_assert_eq!(&read[..], &tlvs[..read.len()]);
        }
    }

    #[test]
    fn what_was_built_in_the_old_layouts_is_read(
        version in 1_u32..,
        build in any::<u32>(),
        parts in [vec(any::<u8>(), 0..50), vec(any::<u8>(), 0..50), vec(any::<u8>(), 0..50), vec(any::<u8>(), 0..50)],
    ) {
        let [inst, data, init, init_data] = parts;
        let file = LegacyBuilder::new(Version(version))
            .build_number(build)
            .runtime(inst.clone(), data.clone())
            .init(init.clone(), init_data.clone())
            .build();
        let ucode = Ucode::parse(&file).unwrap();
        let content = |image, place: usize| ucode.image(image).sections[place].unwrap().content;
        prop_assert_eq!(content(ImageKind::Regular, 0), &data[..]);
        prop_assert_eq!(content(ImageKind::Regular, 1), &inst[..]);
        prop_assert_eq!(content(ImageKind::Init, 0), &init_data[..]);
        prop_assert_eq!(content(ImageKind::Init, 1), &init[..]);
        check(&file);
    }

    #[test]
    fn mutated_stubs_are_read_or_refused(
        card in 0..stub::STUBS.len(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let stub = &stub::STUBS[card];
        let mut file = stub.build(stub.newest(Kernel::V7_3));
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        check(&file);
        check(&file[..cut.index(file.len() + 1)]);
    }

    #[test]
    fn faults_go_into_any_file(bytes in plausible(), index in 0_usize..8, length in 0_u32..200) {
        for fault in [
            Corruption::Truncate { length: length as usize },
            Corruption::Magic { magic: length },
            Corruption::Version { version: length },
            Corruption::TlvLength { index, length },
            Corruption::TlvResize { index, length },
            Corruption::TlvAppend { tlv: length, value: vec![0; index] },
            Corruption::TrailingBytes { count: index },
            Corruption::CorruptTail,
            Corruption::EmptySections,
            Corruption::NoSections,
            Corruption::WithoutSection { index },
        ] {
            if let Ok(broken) = fault.apply(&bytes) {
                check(&broken);
            }
        }
    }
}

proptest! {
    #[test]
    fn mutated_pnvm_files_are_read_or_refused(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let stub = stub::for_card("ax211").unwrap().pnvm.as_ref().unwrap();
        let mut file = stub.build();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for bytes in [&file[..], &file[..cut.index(file.len() + 1)]] {
            let _ = inspect("x.pnvm", bytes, None).to_string();
        }
    }
}

/// Every header byte of every stub with every value: few enough to try them all.
#[test]
fn each_header_byte_with_each_value() {
    for card in ["6205", "7260"] {
        let file = stub::for_card(card).unwrap().build(6);
        for at in (0..16).chain(72..112) {
            for byte in 0..=255 {
                let mut file = file.clone();
                file[at] = byte;
                let _ = Ucode::parse(&file).map(|ucode| ucode.fate(None));
            }
        }
    }
}
