//! An image compared with its file, on each way that there is into a card.

use iwl_card::{Card, CardOptions, KnownSections, card};
use iwl_ucode::format::Version;
use iwl_ucode::names::{IWL_UCODE_TLV_SEC_INIT, IWL_UCODE_TLV_SEC_RT};
use iwl_ucode::reader::ImageKind;
use iwl_ucode::stub::{self, Kernel};
use iwl_ucode::{Ucode, UcodeBuilder, marker};

use crate::support::{Driver, MILLISECOND, RUNTIME};

/// One of each load path: service channel, with the load status, context information, image loader.
const PATHS: [&str; 7] = ["6205", "7260", "8265", "9260", "ax200", "ax210", "be200"];

/// What comes in place of a section: itself, or with a bit of it turned.
#[derive(Clone, Copy)]
enum Sent {
    Whole(usize),
    Altered(usize),
}
use Sent::{Altered, Whole};

fn file(name: &str) -> Vec<u8> {
    let stub = stub::for_card(name).expect("a stub");
    stub.build(stub.newest(Kernel::V7_3))
}

/// What the card says of a runtime image that comes so, and whether it starts.
fn told(name: &str, sent: &[Sent]) -> (Vec<String>, bool) {
    let file = file(name);
    let known = KnownSections::of([file.as_slice()]);
    let options = CardOptions { known, ..CardOptions::default() };
    let mut driver = Driver::of(Card::new(card(name).expect("a card"), options));
    let ucode = Ucode::parse(&file).expect("a file");
    let sections: Vec<_> = ucode.image(ImageKind::Regular).sections.iter().flatten().collect();
    let sent = sent.iter().map(|sent| {
        let (Whole(section) | Altered(section)) = *sent;
        let mut content = sections[section].content.to_vec();
        if let Altered(_) = sent {
            content[100] ^= 1;
        }
        (sections[section].load_offset, content)
    });
    driver.send_image(&sent.collect::<Vec<_>>());
    driver.pass(100 * MILLISECOND);
    let story = driver.story();
    let wrong = story.lines().filter_map(|line| line.strip_prefix("section wrong: Runtime "));
    (wrong.map(str::to_owned).collect(), story.contains("ALIVE: Runtime, valid true"))
}

#[test]
fn each_fault_of_a_section_has_its_name() {
    for (sent, wrong, starts) in [
        (&[Whole(0), Whole(1)][..], &[][..], true),
        (&[Whole(0), Altered(1)], &["1, altered"], false),
        // Known by what comes later.
        (&[Altered(0), Whole(1)], &["0, altered"], false),
        (&[Whole(0), Whole(0), Whole(1)], &["0, repeated"], true),
        (&[Whole(1), Whole(0)], &["0, out-of-order"], true),
        (&[Whole(0)], &["1, missing"], false),
        (&[Whole(1)], &["0, missing"], false),
        (&[Whole(1), Whole(1)], &["1, repeated", "0, missing"], false),
    ] {
        for name in PATHS {
            let (said, started) = told(name, sent);
            assert_eq!(
                (said, started),
                (wrong.iter().map(|&s| s.to_owned()).collect(), starts),
                "{name}"
            );
        }
    }
}

/// What is of no known file starts as it always did.
#[test]
fn what_is_not_known_is_not_judged() {
    for name in PATHS {
        let file = file(name);
        let known = KnownSections::of([file.as_slice()]);
        let options = CardOptions { known, ..CardOptions::default() };
        let mut driver = Driver::of(Card::new(card(name).expect("a card"), options));
        let other = marker::with_api(marker::RUNTIME, 9999);
        driver.send_image(&[(0x80_0000, [&other[..], &[7; 240]].concat())]);
        driver.pass(100 * MILLISECOND);
        let story = driver.story();
        assert!(story.contains("ALIVE: Runtime") && !story.contains("wrong"), "{name}: {story}");
    }
    let mut driver = Driver::new("7260");
    driver.start_image(RUNTIME);
    assert!(!driver.story().contains("wrong"));
}

/// Two sections that are the same are two.
#[test]
fn sections_may_be_alike() {
    use iwl_ucode::UcodeBuilder;
    use iwl_ucode::format::Version;
    use iwl_ucode::names::IWL_UCODE_TLV_SEC_RT;

    let alike = [0; 128];
    let file = UcodeBuilder::new(Version(0x1100))
        .section(IWL_UCODE_TLV_SEC_RT, 0x40_0000, &alike)
        .section(IWL_UCODE_TLV_SEC_RT, 0x80_0000, &alike)
        .section(IWL_UCODE_TLV_SEC_RT, 0x90_0000, &[5; 128])
        .build();
    let known = KnownSections::of([file.as_slice()]);
    for name in ["8265", "ax200", "ax210"] {
        let options = CardOptions { known: known.clone(), ..CardOptions::default() };
        let mut driver = Driver::of(Card::new(card(name).expect("a card"), options));
        let sections = [(0x40_0000, alike), (0x80_0000, alike), (0x90_0000, [5; 128])];
        driver.send_image(&sections.map(|(dst, content)| (dst, content.to_vec())));
        driver.pass(100 * MILLISECOND);
        let story = driver.story();
        assert!(story.contains("ALIVE: Runtime") && !story.contains("wrong"), "{name}: {story}");
    }
}

/// A large section comes in chunks, and is there with the last of them.
#[test]
fn a_section_of_many_chunks_is_whole_with_the_last() {
    use iwl_hw::fh::FH_MEM_TB_MAX_LENGTH;
    use iwl_ucode::UcodeBuilder;
    use iwl_ucode::format::Version;
    use iwl_ucode::names::IWL_UCODE_TLV_SEC_RT;

    let chunk = FH_MEM_TB_MAX_LENGTH as usize;
    let content: Vec<u8> = (0..chunk + 64).map(|at| (at / 64) as u8).collect();
    let file = UcodeBuilder::new(Version(0x1100))
        .section(IWL_UCODE_TLV_SEC_RT, 0x40_0000, &content)
        .section(IWL_UCODE_TLV_SEC_RT, 0x80_0000, &[5; 64])
        .build();
    let known = KnownSections::of([file.as_slice()]);
    let told = |chunks: &[(u32, &[u8])]| {
        let options = CardOptions { known: known.clone(), ..CardOptions::default() };
        let mut driver = Driver::of(Card::new(card("8265").expect("a card"), options));
        driver.init();
        for (dst, bytes) in chunks {
            driver.upload(*dst, bytes);
        }
        driver.release();
        let story = driver.story();
        let wrong = story.lines().filter_map(|line| line.strip_prefix("section wrong: "));
        wrong.collect::<Vec<_>>().join("; ")
    };
    let first = (0x40_0000, &content[..chunk]);
    let second = (0x40_0000 + FH_MEM_TB_MAX_LENGTH, &content[chunk..]);
    let last = (0x80_0000, &[5; 64][..]);
    assert_eq!(told(&[first, second, last]), "");
    assert_eq!(told(&[first, last]), "Runtime 0, missing");
    assert_eq!(told(&[second, first, last]), "Runtime 0, out-of-order");
    assert_eq!(told(&[first, second, (0x90_0000, &[5; 64])]), "Runtime 1, altered");
}

/// One that the card fetches itself comes at once, however large it is.
#[test]
fn a_large_section_that_is_fetched_is_whole() {
    use iwl_hw::fh::FH_MEM_TB_MAX_LENGTH;
    use iwl_ucode::UcodeBuilder;
    use iwl_ucode::format::Version;
    use iwl_ucode::names::IWL_UCODE_TLV_SEC_RT;

    let content: Vec<u8> = (0..2 * FH_MEM_TB_MAX_LENGTH + 64).map(|at| (at / 64) as u8).collect();
    let file = UcodeBuilder::new(Version(0x1100))
        .section(IWL_UCODE_TLV_SEC_RT, 0x40_0000, &content)
        .section(IWL_UCODE_TLV_SEC_RT, 0x80_0000, &[5; 128])
        .build();
    let known = KnownSections::of([file.as_slice()]);
    let mut altered = content.clone();
    *altered.last_mut().expect("it has bytes") ^= 1;
    for name in ["ax200", "ax210", "be200"] {
        let told = |content: &[u8]| {
            let options = CardOptions { known: known.clone(), ..CardOptions::default() };
            let mut driver = Driver::of(Card::new(card(name).expect("a card"), options));
            driver.send_image(&[(0x40_0000, content.to_vec()), (0x80_0000, vec![5; 128])]);
            driver.pass(100 * MILLISECOND);
            let story = driver.story();
            let wrong = story.lines().filter_map(|line| line.strip_prefix("section wrong: "));
            (wrong.collect::<Vec<_>>().join("; "), story.contains("ALIVE: Runtime"))
        };
        assert_eq!(told(&content), (String::new(), true), "{name}");
        assert_eq!(told(&altered), ("Runtime 0, altered".to_owned(), false), "{name}");
    }
}

/// Of a short section more is read than there is of it: what lies behind is none of it.
#[test]
fn a_short_section_that_is_fetched_is_whole() {
    use iwl_ucode::UcodeBuilder;
    use iwl_ucode::format::Version;
    use iwl_ucode::names::IWL_UCODE_TLV_SEC_RT;

    let sections = [(0x20_0000, vec![3; 128]), (0x66_3800, vec![1; 48]), (0x66_3840, vec![2; 48])];
    let file = sections.iter().fold(UcodeBuilder::new(Version(0x1100)), |file, (dst, content)| {
        file.section(IWL_UCODE_TLV_SEC_RT, *dst, content)
    });
    let file = file.build();
    let known = KnownSections::of([file.as_slice()]);
    for name in ["ax200", "ax210", "be200"] {
        let told = |sections: &[(u32, Vec<u8>)]| {
            let options = CardOptions { known: known.clone(), ..CardOptions::default() };
            let mut driver = Driver::of(Card::new(card(name).expect("a card"), options));
            driver.send_image(sections);
            driver.pass(100 * MILLISECOND);
            let story = driver.story();
            let wrong = story.lines().filter_map(|line| line.strip_prefix("section wrong: "));
            (wrong.collect::<Vec<_>>().join("; "), story.contains("ALIVE: Runtime"))
        };
        assert_eq!(told(&sections), (String::new(), true), "{name}");
        let [first, second, third] = sections.clone();
        let swapped = told(&[first, third, second]);
        assert_eq!(swapped, ("Runtime 1, out-of-order".to_owned(), true), "{name}");
    }
}

/// What the second CPU runs is the same in each image of a file of 8000 and 9000: what the first runs
/// tells them apart.
#[test]
fn an_image_is_not_told_by_what_it_shares() {
    let own = [("init", 5_u8, IWL_UCODE_TLV_SEC_INIT), ("runtime", 6, IWL_UCODE_TLV_SEC_RT)];
    let shared = (0x40_5000, vec![7_u8; 128]);
    let image = |fill: u8| [(0x40_4000, vec![fill; 128]), shared.clone()];
    let mut file = UcodeBuilder::new(Version(46 << 8));
    for (_, fill, tlv) in own {
        for (dst, content) in image(fill) {
            file = file.section(tlv, dst, &content);
        }
    }
    let known = KnownSections::of([file.build().as_slice()]);
    for (name, fill, _) in own {
        let options = CardOptions { known: known.clone(), ..CardOptions::default() };
        let mut driver = Driver::of(Card::new(card("9260").expect("a card"), options));
        driver.send_image(&image(fill));
        driver.pass(100 * MILLISECOND);
        let story = driver.story().to_lowercase();
        assert!(story.contains(&format!("cpu released: {name}, 2 sections")), "{story}");
        assert!(!story.contains("section wrong"), "{story}");
    }
}
