//! Registers: what a probe finds, and what comes of an access.

use iwl_card::{CardEvent, Outcome, Space, cards};
use iwl_hw::csr::{self};
use iwl_hw::prph;

use crate::support::{Driver, last_outcome};

/// What a row says of its firmware is what the stub of its name is called.
#[test]
fn every_card_has_a_stub() {
    for spec in cards() {
        let stub = iwl_ucode::stub::for_card(spec.name).expect("a stub");
        assert_eq!(stub.stem, spec.firmware, "{}", spec.name);
        let sku = stub.pnvm.as_ref().map_or([0; 3], |pnvm| pnvm.sku.0);
        assert_eq!(sku, spec.sku_id, "{}", spec.name);
        assert!(spec.name.to_lowercase() == spec.name && !spec.marketing.is_empty());
    }
    let named = |name| iwl_card::card(name).map(|spec| spec.name);
    assert_eq!(
        ["AX200", "8086:24FD", "8086:095a"].map(named),
        [Some("ax200"), Some("8265"), Some("7265")]
    );
    assert_eq!(["8086:", "8086:ffff", "24fd"].map(named), [None; 3]);
    let each = iwl_card::one_of_each_generation().map(|spec| spec.name);
    assert_eq!(each.take(5).collect::<Vec<_>>(), ["6205", "7260", "8265", "9260", "ax200"]);
}

#[test]
fn every_card_answers_a_probe() {
    for spec in cards() {
        let mut driver = Driver::new(spec.name);
        assert_eq!(driver.read(csr::CSR_HW_REV), spec.hw_rev);
        assert_eq!(driver.read(csr::CSR_HW_RF_ID), spec.rf_id);
        assert!(!driver.clock_ready());
        driver.init();
        assert!(driver.clock_ready());
        assert_eq!(driver.story(), "reset: software\n");
    }
}

#[test]
fn accesses_have_outcomes() {
    let mut driver = Driver::new("7260");
    driver.write(csr::CSR_HW_REV, 0);
    assert_eq!(last_outcome(&driver), Some(Outcome::ReadOnly));
    driver.write(csr::CSR_LED_REG, 0x60);
    assert_eq!(last_outcome(&driver), Some(Outcome::Stub));
    assert_eq!(driver.read(csr::CSR_LED_REG), 0x60);
    driver.read_prph(prph::SCD_QUEUE_STATUS_BITS);
    assert_eq!(last_outcome(&driver), Some(Outcome::Implemented));
    let mut byte = [0xff];
    driver.card.bar_read(&mut driver.world, csr::CSR_HW_REV.into(), &mut byte);
    assert_eq!((byte, last_outcome(&driver)), ([0], Some(Outcome::BadSize)));
    driver.card.bar_write(&mut driver.world, csr::CSR_INT_PERIODIC_REG.into(), &[0xff]);
    assert_eq!(last_outcome(&driver), Some(Outcome::Stub));
    assert_eq!(driver.read(csr::CSR_INT_COALESCING), 0xff00);

    let summary = driver.card.summary();
    let led = summary.unmodelled.iter().find(|entry| entry.reg == "CSR_LED_REG").expect("listed");
    assert_eq!((led.reads, led.writes), (1, 1));
}

/// A driver that dumps a card's memory makes an access for each word of it: what it reads on in one go is
/// told in a few events, and what it looks into, word by word.
#[test]
fn memory_that_is_dumped_is_told_in_a_few_events() {
    const WORDS: u32 = 10_000;
    let at = |event: &CardEvent| match event {
        CardEvent::RegRead { space: Space::Mem, reg, .. } => Some((reg.clone().into_owned(), 4)),
        CardEvent::MemRead { addr, len } => Some((format!("{addr:#x}"), *len)),
        _ => None,
    };
    let mut driver = Driver::new("ax200");
    driver.write(csr::HBUS_TARG_MEM_WADDR, 0x40_0000);
    for word in 0..WORDS {
        driver.write(csr::HBUS_TARG_MEM_WDAT, word);
    }
    let before = driver.world.events.len();
    driver.write(csr::HBUS_TARG_MEM_RADDR, 0x40_0000);
    for word in 0..WORDS {
        assert_eq!(driver.read(csr::HBUS_TARG_MEM_RDAT), word);
    }
    // A look at a table, which is another run.
    driver.write(csr::HBUS_TARG_MEM_RADDR, 0x40_0000);
    driver.read(csr::HBUS_TARG_MEM_RDAT);
    driver.read(csr::CSR_INT);
    let told: Vec<_> = driver.world.events[before..].iter().filter_map(at).collect();
    let (each, on) = told.split_at(64);
    assert!(each.iter().all(|(_, len)| *len == 4));
    assert_eq!(each[63].0, "0x4000fc");
    let on: Vec<_> = on.iter().map(|(addr, len)| (addr.as_str(), *len)).collect();
    let rest = 4 * (WORDS - 64 - 2 * 4096);
    let whole = [("0x400100", 4 * 4096), ("0x404100", 4 * 4096), ("0x408100", rest)];
    assert_eq!(on, [&whole[..], &[("0x400000", 4)]].concat());
    let accesses: u32 = driver.world.events[before..].iter().map(CardEvent::accesses).sum();
    assert_eq!(accesses, WORDS + 4, "none is lost");
}
