//! Registers: what a probe finds, and what comes of an access.

use iwl_card::{Outcome, cards};
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
