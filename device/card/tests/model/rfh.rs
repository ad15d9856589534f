//! Multi-queue receive, with one vector and with many.

use iwl_card::{Card, CardOptions, Fault, FaultPlan, Interrupts, Irq, card};
use iwl_hw::csr::Int;
use iwl_hw::msix::{
    CSR_MSIX_AUTOMASK_ST_AD, CSR_MSIX_FH_INT_CAUSES_AD, CSR_MSIX_FH_INT_MASK_AD,
    CSR_MSIX_HW_INT_CAUSES_AD, CSR_MSIX_HW_INT_MASK_AD, CSR_MSIX_IVAR_AD_REG,
    CSR_MSIX_RX_IVAR_AD_REG, MSIX_NON_AUTO_CLEAR_CAUSE,
};
use iwl_hw::mvm::{self, RfhQueueData, RxqSyncCmd, data_path, id};
use iwl_hw::rfh::{RXF_DMA_IDLE, dma_cfg};
use iwl_hw::{pci, prph};
use zerocopy::{FromZeros, IntoBytes};

use crate::support::rfh::RfhRings;
use crate::support::{Driver, INIT, MILLISECOND, RUNTIME};

const CARDS: [&str; 4] = ["9260", "ax200", "ax210", "be200"];

/// Queue 0 on vector 0, queue 1 on vector 1, the rest on vector 2.
pub(crate) fn with_vectors(name: &str, faults: FaultPlan) -> Driver {
    let options =
        CardOptions { interrupts: Some(Interrupts::MsiAndMsix), faults, ..CardOptions::default() };
    let spec = card(name).expect("a card of that name");
    let mut driver = Driver::of(Card::new(spec, options));
    driver.config_write(pci::PCI_MSIX_CONTROL, &pci::PCI_MSIX_FLAGS_ENABLE.to_le_bytes());
    driver
}

/// As `iwl_pcie_conf_msix_hw`; a reset takes it away.
pub(crate) fn route(driver: &mut Driver) {
    driver.write(CSR_MSIX_RX_IVAR_AD_REG, 0x0100);
    for at in 0..0x30 {
        let byte = [2 | MSIX_NON_AUTO_CLEAR_CAUSE];
        driver.card.bar_write(&mut driver.world, u64::from(CSR_MSIX_IVAR_AD_REG + at), &byte);
    }
    driver.write(CSR_MSIX_FH_INT_MASK_AD, 0);
    driver.write(CSR_MSIX_HW_INT_MASK_AD, 0);
}

/// Every cause is acknowledged, and every vector let go.
pub(crate) fn handle_all(driver: &mut Driver) {
    driver.write(CSR_MSIX_FH_INT_CAUSES_AD, u32::MAX);
    driver.write(CSR_MSIX_HW_INT_CAUSES_AD, u32::MAX);
    driver.write(CSR_MSIX_AUTOMASK_ST_AD, u32::MAX);
    driver.world.raised.clear();
}

fn raised(driver: &mut Driver) -> Vec<u16> {
    let vectors = std::mem::take(&mut driver.world.raised).into_iter().map(|irq| match irq {
        Irq::Msix { vector } => vector,
        other => panic!("{other:?}"),
    });
    vectors.collect()
}

/// `iwl_configure_rxq`: the second queue, on parts where the driver does not reach the registers.
fn second_queue(driver: &mut Driver) {
    let mut queue = RfhQueueData::new_zeroed();
    queue.q_num = 1;
    queue.fr_bd_cb = RfhRings::free().into();
    queue.ur_bd_cb = driver.used_ring(1).into();
    queue.urbd_stts_wrptr = RfhRings::status(1).into();
    let config = [&[1, 0, 0, 0], queue.as_bytes()].concat();
    driver.long_command(mvm::DATA_PATH_GROUP, data_path::RFH_QUEUE_CONFIG_CMD, &config);
}

fn sync(driver: &mut Driver, mask: u32) {
    let head = RxqSyncCmd { flags: 0.into(), rxq_mask: mask.into(), count: 4.into() };
    let command = [head.as_bytes(), b"sync"].concat();
    let trigger = data_path::TRIGGER_RX_QUEUES_NOTIF_CMD;
    driver
        .enqueue(0, &[&[trigger, mvm::DATA_PATH_GROUP, 0, 0, 16, 0, 0, 0], &command[..]].concat());
    driver.pass(MILLISECOND);
}

#[test]
fn a_vector_can_be_lost() {
    for name in CARDS {
        let mut driver =
            with_vectors(name, FaultPlan::none().with(Fault::LostVector { vector: 0 }));
        driver.boot_with(RUNTIME, route);
        assert!(driver.story().contains("fault: lost-vector\n"), "{name}");
        let seen = raised(&mut driver);
        assert!(!seen.contains(&0) && seen.contains(&2), "{name}: {seen:?}");
    }
}

#[test]
fn a_vector_can_be_early() {
    for name in CARDS {
        let mut driver =
            with_vectors(name, FaultPlan::none().with(Fault::EarlyVector { vector: 1 }));
        for _ in 0..20 {
            driver.read(CSR_MSIX_AUTOMASK_ST_AD);
        }
        assert_eq!(raised(&mut driver), [1], "{name}");
        driver.boot_with(RUNTIME, route);
        handle_all(&mut driver);
        for _ in 0..20 {
            driver.read(CSR_MSIX_AUTOMASK_ST_AD);
        }
        assert_eq!(raised(&mut driver), [], "{name}: an image runs");
    }
    let mut driver =
        Driver::with_faults("ax200", FaultPlan::none().with(Fault::EarlyVector { vector: 1 }));
    for _ in 0..20 {
        driver.read(CSR_MSIX_AUTOMASK_ST_AD);
    }
    assert_eq!(driver.world.raised, [], "not with MSI");
}

/// While its driver touches no register too, but not for ever; and not once an image runs.
#[test]
fn a_vector_can_ring_again_and_again() {
    const MANY: u64 = 1000;
    for name in CARDS {
        let fault = Fault::RestlessVector { vector: 1 };
        let mut driver = with_vectors(name, FaultPlan::none().with(fault));
        for _ in 0..2 {
            driver.read(CSR_MSIX_AUTOMASK_ST_AD);
            let rung: usize = (0..MANY)
                .map(|_| {
                    driver.pass(MILLISECOND / 50);
                    raised(&mut driver).len()
                })
                .sum();
            assert!((100..300).contains(&rung), "{name}: {rung} times");
            assert_eq!(driver.card.deadline(), None, "{name}: it rests");
        }
        driver.boot_with(RUNTIME, route);
        handle_all(&mut driver);
        driver.read(CSR_MSIX_AUTOMASK_ST_AD);
        driver.pass(MILLISECOND);
        assert_eq!(raised(&mut driver), [], "{name}: an image runs");
    }
}

#[test]
fn each_queue_gives_its_own_buffers_back() {
    for name in CARDS {
        let mut driver = with_vectors(name, FaultPlan::none());
        driver.boot_with(RUNTIME, route);
        second_queue(&mut driver);
        driver.take_packets();
        handle_all(&mut driver);
        sync(&mut driver, 0b11);
        let seen = raised(&mut driver);
        assert!(seen.contains(&0) && seen.contains(&1), "{name}: {seen:?}");
        let echo = |packets: Vec<crate::support::Received>| {
            let echo = packets.into_iter().rfind(|packet| packet.group == mvm::DATA_PATH_GROUP);
            let echo = echo.expect("the notification");
            assert_eq!(echo.payload, [&4u32.to_le_bytes()[..], b"sync"].concat());
            echo.id
        };
        for queue in [0, 1] {
            let id = echo(driver.take_from_queue(queue));
            assert_eq!(id, data_path::RX_QUEUES_NOTIFICATION, "{name}, queue {queue}");
        }
    }
}

/// What is for a queue that nobody opened is told, and the next packet comes.
#[test]
fn a_closed_queue_gets_nothing() {
    for name in CARDS {
        let mut driver = Driver::new(name);
        driver.boot(RUNTIME, 0);
        driver.story();
        sync(&mut driver, 1 << 7 | 1);
        let told = "bad input: RX_QUEUES_NOTIFICATION is for receive queue 7, which is closed\n";
        assert!(driver.story().contains(told), "{name}");
        driver.long_command(mvm::LONG_GROUP, id::ADD_STA, &[0; 4]);
    }
}

/// A vector that is lost stays masked: the driver never lets it go, and what comes later waits.
#[test]
fn a_lost_vector_keeps_all_later_ones_back() {
    for name in CARDS {
        // Found by the world without a fault: which of them is the first of vector 0.
        let nth_of_queue_0 = {
            let mut driver = with_vectors(name, FaultPlan::none());
            driver.boot_with(RUNTIME, route);
            let all = raised(&mut driver);
            all.iter().position(|vector| *vector == 0).expect("ALIVE's packet") as u64
        };
        let faults = FaultPlan::none().with(Fault::LostInterrupt { nth: nth_of_queue_0 });
        let mut driver = with_vectors(name, faults);
        driver.boot_with(RUNTIME, route);
        driver.long_command(mvm::LONG_GROUP, id::ADD_STA, &[0; 4]);
        assert!(!raised(&mut driver).contains(&0), "{name}: lost, and masked");
        handle_all(&mut driver);
        driver.long_command(mvm::LONG_GROUP, id::ADD_STA, &[0; 4]);
        assert_eq!(raised(&mut driver), [0], "{name}");
    }
}

/// A vector before there are queues: nothing is there to find, and the queues work afterwards.
#[test]
fn a_vector_may_come_before_the_queues() {
    for name in CARDS {
        let faults = FaultPlan::none().with(Fault::SpuriousInterrupt { every: 4 });
        let mut driver = with_vectors(name, faults);
        driver.init();
        route(&mut driver);
        driver.init();
        driver.init();
        assert!(!raised(&mut driver).is_empty(), "{name}");
        let alive = driver.boot_with(RUNTIME, route);
        assert_eq!(alive.id, id::UCODE_ALIVE_NTFY);
    }
}

#[test]
fn rings_of_any_size_are_survived() {
    for code in 0..16 {
        let mut driver = Driver::new("9260");
        driver.start_image(INIT);
        driver.write_prph(prph::RFH_RXF_DMA_CFG, dma_cfg::DMA_EN | code << 20 | code << 16);
        driver.write_prph(prph::RFH_RXF_RXQ_ACTIVE, u32::MAX);
        driver.offer_rx(u32::MAX);
        driver.pass(10 * MILLISECOND);
        driver.story();
        assert_eq!(driver.boot(RUNTIME, 0).id, id::UCODE_ALIVE_NTFY);
    }
}

#[test]
fn a_ring_out_of_memory_is_a_hardware_error() {
    for register in
        [prph::RFH_Q0_FRBDCB_BA_MSB, prph::RFH_Q0_URBDCB_BA_MSB, prph::RFH_Q0_URBD_STTS_WPTR_MSB]
    {
        let mut driver = Driver::new("9260");
        driver.start_image(INIT);
        driver.write_prph(register, 0xf);
        driver.write_prph(prph::RFH_RXF_RXQ_ACTIVE, 1);
        driver.offer_rx(8);
        driver.story();
        driver.pass(10 * MILLISECOND);
        let told = driver.story();
        assert!(told.contains("DMA fault: receive ring"), "{told}");
        assert!(driver.take_causes().contains(Int::HW_ERR));
        assert_eq!(driver.boot(RUNTIME, 0).id, id::UCODE_ALIVE_NTFY);
    }
}

#[test]
fn the_engine_is_idle_when_it_is_off() {
    let mut driver = Driver::new("9260");
    driver.init();
    assert_eq!(driver.read_prph(prph::RFH_GEN_STATUS), RXF_DMA_IDLE);
    driver.init_rx();
    assert_eq!(driver.read_prph(prph::RFH_GEN_STATUS), 0);
    driver.write_prph(prph::RFH_RXF_DMA_CFG, 0);
    assert_eq!(driver.read_prph(prph::RFH_GEN_STATUS), RXF_DMA_IDLE);
}
