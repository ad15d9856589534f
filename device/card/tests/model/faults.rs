//! Interrupts, DMA and switches that go wrong.

use crate::support::{Driver, INIT, MILLISECOND};
use expect_test::expect;
use iwl_card::{Engine, Fault, FaultPlan, Irq, card};
use iwl_hw::csr::{self, GpCntrl, Int, Reset, UNKNOWN_CAUSE};
use iwl_hw::{mvm, pci};

const QUEUE: u8 = mvm::CMD_QUEUE;

fn faulty(fault: Fault) -> Driver {
    Driver::with_faults("7260", FaultPlan::none().with(fault))
}

#[test]
fn a_spurious_interrupt_has_no_cause() {
    let mut driver = faulty(Fault::SpuriousInterrupt { every: 4 });
    for access in 1..=8 {
        assert_eq!(driver.read(csr::CSR_INT), 0);
        assert_eq!(driver.world.raised.len(), access / 4, "access {access}");
    }
    assert_eq!(driver.story(), "Msi: Int(0x0)\nfault: spurious-interrupt\nMsi: Int(0x0)\n");
    // Nor does the table tell of one.
    driver.use_ict();
    while driver.world.raised.len() < 4 {
        driver.read(csr::CSR_INT);
    }
    assert_eq!(driver.take_ict(), []);
}

#[test]
fn an_unknown_cause_comes_past_the_mask() {
    let mut driver = faulty(Fault::UnknownCause { every: 4 });
    driver.mask(Int::empty());
    while driver.world.raised.is_empty() {
        driver.read(csr::CSR_GP_CNTRL);
    }
    assert_eq!(driver.take_causes().bits(), UNKNOWN_CAUSE);
    driver.use_ict();
    driver.world.raised.clear();
    while driver.world.raised.is_empty() {
        driver.read(csr::CSR_GP_CNTRL);
    }
    assert_eq!(driver.take_ict(), [Int::from_bits_retain(UNKNOWN_CAUSE).ict_entry()]);
}

#[test]
fn a_needless_interrupt_needs_a_line() {
    let mut driver = faulty(Fault::SpuriousInterrupt { every: 4 });
    driver.config_write(pci::PCI_COMMAND, &[0, 0]);
    for _ in 0..20 {
        driver.read(csr::CSR_INT);
    }
    assert_eq!((driver.world.raised.len(), driver.story()), (0, String::new()));
}

#[test]
fn a_lost_interrupt_leaves_its_cause() {
    let mut driver = faulty(Fault::LostInterrupt { nth: 2 });
    driver.start_image(INIT);
    assert_eq!(driver.world.raised, [Irq::Msi; 2]);
    driver.pass(10 * MILLISECOND);
    assert_eq!(driver.world.raised, [Irq::Msi; 2], "ALIVE's is lost");
    assert!(driver.take_causes().contains(Int::ALIVE | Int::FH_RX));
    // A reset does not bring it back, nor does it begin to count anew.
    driver.start_image(INIT);
    driver.pass(10 * MILLISECOND);
    assert_eq!(driver.world.raised, [Irq::Msi; 5]);
}

#[test]
fn from_one_interrupt_on_all_are_lost() {
    let mut driver = faulty(Fault::LostInterrupts { from: 1 });
    driver.start_image(INIT);
    driver.pass(10 * MILLISECOND);
    assert_eq!(driver.world.raised, [Irq::Msi]);
    assert!(driver.take_causes().contains(Int::ALIVE));
}

#[test]
fn each_engine_fails_as_hardware_does() {
    let mut driver = faulty(Fault::DmaFault { engine: Engine::Upload });
    driver.init();
    driver.story();
    driver.upload(0, INIT);
    expect![[r#"
        fault: dma-fault
        DMA fault: service channel, 16 bytes at 0x100000
    "#]]
    .assert_eq(&driver.story());
    assert_eq!(driver.take_causes(), Int::HW_ERR);

    let mut driver = faulty(Fault::DmaFault { engine: Engine::Receive });
    driver.start_image(INIT);
    driver.story();
    driver.pass(10 * MILLISECOND);
    expect![[r#"
        ALIVE: Init, valid true
        Msi: Int(ALIVE)
        fault: dma-fault
        DMA fault: receive ring, 4 bytes at 0x2000
    "#]]
    .assert_eq(&driver.story());
    assert!(driver.take_causes().contains(Int::HW_ERR));
    assert_eq!(driver.take_packets(), []);

    let mut driver = faulty(Fault::DmaFault { engine: Engine::Transmit });
    driver.boot(INIT, QUEUE);
    driver.story();
    driver.enqueue(QUEUE, &[mvm::id::PHY_CONFIGURATION_CMD, 0, 0, 0]);
    expect![[r#"
        fault: dma-fault
        DMA fault: transmit queue, 128 bytes at 0x300000
        Msi: Int(HW_ERR)
    "#]]
    .assert_eq(&driver.story());
}

fn radio_allowed(driver: &mut Driver) -> bool {
    driver.read(csr::CSR_GP_CNTRL) & GpCntrl::HW_RF_KILL_SW.bits() != 0
}

#[test]
fn the_rf_kill_switch_is_moved_by_hand_only() {
    let mut driver = faulty(Fault::RfKill);
    assert!(!radio_allowed(&mut driver));
    driver.set(csr::CSR_RESET, Reset::SW_RESET.bits());
    assert!(!radio_allowed(&mut driver), "no reset moves it");
    driver.mask(Int::RF_KILL);
    driver.card.set_rf_kill(&mut driver.world, false);
    driver.settle();
    assert!(radio_allowed(&mut driver));
    assert_eq!((driver.take_causes(), driver.world.raised.len()), (Int::RF_KILL, 1));
    driver.card.set_rf_kill(&mut driver.world, false);
    driver.settle();
    assert_eq!(driver.world.raised.len(), 1, "it has not moved");
}

#[test]
fn a_card_that_has_vanished_answers_nothing() {
    let mut driver = Driver::new("7260");
    driver.start_image(INIT);
    driver.story();
    driver.world.raised.clear();
    driver.card.vanish(&mut driver.world);
    assert_eq!(driver.card.deadline(), None, "ALIVE would be due");
    driver.pass(100 * MILLISECOND);
    assert_eq!(driver.read(csr::CSR_INT), u32::MAX);
    assert_eq!(driver.config_read(pci::PCI_VENDOR_ID), u32::MAX);
    driver.config_write(pci::PCI_COMMAND, &[0, 0]);
    driver.card.reset(&mut driver.world);
    assert_eq!((driver.story(), driver.world.raised.len()), ("vanished\n".to_owned(), 0));

    driver.card.inserted();
    assert_eq!(driver.config_read(pci::PCI_VENDOR_ID) & 0xffff, pci::PCI_VENDOR_ID_INTEL.into());
    assert_eq!(driver.config_read(pci::PCI_COMMAND) & 0xffff, 0, "as after power-on");
    assert_eq!(driver.read(csr::CSR_HW_REV), card("7260").expect("a card").hw_rev);
}

#[test]
fn alive_waits_to_be_let_go() {
    let mut driver = faulty(Fault::AliveHeld);
    driver.start_image(INIT);
    driver.story();
    driver.pass(1000 * MILLISECOND);
    assert_eq!(driver.story(), "fault: alive-held\n");
    driver.card.release_alive(&mut driver.world);
    driver.settle();
    assert_eq!(driver.take_packets().len(), 1);
    driver.story();
    // Nor is the next one held; and what a reset has undone does not come.
    driver.start_image(INIT);
    driver.pass(10 * MILLISECOND);
    assert_eq!(driver.take_packets().len(), 1);

    let mut driver = faulty(Fault::AliveHeld);
    driver.start_image(INIT);
    driver.pass(10 * MILLISECOND);
    driver.set(csr::CSR_RESET, Reset::SW_RESET.bits());
    driver.card.release_alive(&mut driver.world);
    driver.pass(10 * MILLISECOND);
    assert!(driver.story().ends_with("fault: alive-held\nreset: software\nALIVE released\n"));
}
