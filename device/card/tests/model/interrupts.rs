//! Causes in `CSR_INT`: when they are told, and when they are gone.

use iwl_card::Irq;
use iwl_hw::csr::{self, Int};
use iwl_hw::dvm::{self};

use crate::support::{Driver, INIT, MILLISECOND};

/// A driver that looks at the cause finds the packet it tells of, however long that is under way.
#[test]
fn the_cause_waits_for_its_packet() {
    let mut driver = Driver::new("7260");
    driver.start_image(INIT);
    driver.world.lazy = true;
    driver.world.now += 10 * MILLISECOND;
    let pending = |driver: &mut Driver| {
        let mut value = [0; 4];
        driver.card.bar_read(&mut driver.world, csr::CSR_INT.into(), &mut value);
        Int::from_bits_retain(u32::from_le_bytes(value))
    };
    // Twice: the buffer's descriptor is fetched first, then the packet is posted.
    for _ in 0..2 {
        driver.card.run(&mut driver.world);
        assert!(!pending(&mut driver).contains(Int::FH_RX));
    }
    assert_eq!(driver.take_packets(), [], "still under way");
    assert!(driver.world.land());
    driver.card.run(&mut driver.world);
    assert!(pending(&mut driver).contains(Int::FH_RX));
    assert_eq!(driver.take_packets().len(), 1);
}

/// A cause that arises while the mask is closed is told when it opens.
#[test]
fn causes_wait_for_the_mask() {
    let mut driver = Driver::new("7260");
    driver.init();
    driver.upload(0, INIT);
    assert_eq!(driver.world.raised, []);
    driver.mask(Int::FH_TX);
    assert_eq!(driver.world.raised, [Irq::Msi]);
    driver.mask(Int::empty());
    driver.mask(Int::FH_TX);
    assert_eq!(driver.world.raised, [Irq::Msi; 2], "still pending");
    assert_eq!(driver.take_causes(), Int::FH_TX);
    driver.mask(Int::empty());
    driver.mask(Int::FH_TX);
    assert_eq!(driver.world.raised, [Irq::Msi; 2], "acknowledged");
}

/// The driver's writes are posted: an acknowledgement may come after a doorbell that was rung before
/// the driver knew of what the doorbell leads to.
#[test]
fn an_acknowledgement_is_of_what_was_told() {
    let queue = dvm::IWL_DEFAULT_CMD_QUEUE_NUM;
    let mut driver = Driver::new("6205");
    driver.boot(INIT, queue);
    driver.command(queue, dvm::id::REPLY_ADD_STA, &[0; 92]);
    assert_eq!(driver.take_ict(), [Int::FH_RX.ict_entry()]);
    driver.mask(Int::empty());
    driver.command(queue, dvm::id::REPLY_ADD_STA, &[0; 92]);
    driver.write(csr::CSR_INT, Int::FH_RX.bits());
    driver.mask(Int::all());
    assert_eq!(driver.take_ict(), [Int::FH_RX.ict_entry()], "of the second one");
    // What a read has shown can be acknowledged, and all can.
    for all in [false, true] {
        driver.mask(Int::empty());
        driver.command(queue, dvm::id::REPLY_ADD_STA, &[0; 92]);
        let causes = if all { u32::MAX } else { driver.read(csr::CSR_INT) };
        driver.write(csr::CSR_INT, causes);
        driver.mask(Int::all());
        assert_eq!(driver.take_ict(), [], "{all}");
    }
}
