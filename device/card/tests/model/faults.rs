//! Interrupts, DMA and switches that go wrong.

use crate::mvm::read_nvm;
use crate::support::{Driver, INIT, MILLISECOND, RUNTIME};
use expect_test::expect;
use iwl_card::{Bits, Engine, Fault, FaultPlan, Irq, card};
use iwl_hw::csr::{self, GpCntrl, Int, Reset, UNKNOWN_CAUSE};
use iwl_hw::ctxt::mac_addr;
use iwl_hw::mvm::AliveV3;
use iwl_hw::{eeprom, mvm, nvm, pci};
use iwl_ucode::marker;
use zerocopy::FromBytes;

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
    let uploaded = |driver: &mut Driver| {
        driver.write(csr::HBUS_TARG_MEM_RADDR, 0);
        driver.read(csr::HBUS_TARG_MEM_RDAT)
    };
    assert_ne!(uploaded(&mut driver), 0);
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
    assert_eq!(uploaded(&mut driver), 0, "no memory outlives its power");
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

/// Words of device memory, as the driver reads them.
fn device_words(driver: &mut Driver, at: u32, count: usize) -> Vec<u32> {
    driver.write(csr::HBUS_TARG_MEM_RADDR, at);
    (0..count).map(|_| driver.read(csr::HBUS_TARG_MEM_RDAT)).collect()
}

#[test]
fn a_ucode_error_comes_while_the_runtime_image_runs_and_leaves_a_log() {
    let mut driver = faulty(Fault::UCODE_ERROR);
    driver.boot(INIT, QUEUE);
    driver.pass(10_000 * MILLISECOND);
    assert!(!driver.story().contains("fault"), "the INIT image is well");

    let alive = driver.boot(RUNTIME, QUEUE);
    let alive = AliveV3::read_from_bytes(&alive.payload).expect("an ALIVE of version 3");
    let log = alive.lmac_data.error_event_table_ptr.get();
    driver.command(QUEUE, mvm::id::PHY_CONFIGURATION_CMD, &[0; 12]);
    driver.pass(900 * MILLISECOND);
    assert_eq!(device_words(&mut driver, log, 2), [0, 0], "an empty log");
    driver.story();
    driver.pass(100 * MILLISECOND);
    expect![[r#"
        fault: ucode-error
        Msi: Int(SW_ERR)
    "#]]
    .assert_eq(&driver.story());
    let words = device_words(&mut driver, log, size_of::<mvm::ErrorEventTable>() / 4);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let table = mvm::ErrorEventTable::read_from_bytes(&bytes).expect("its size");
    assert_eq!((table.valid.get(), table.error_id.get()), (1, mvm::SYSASSERT));
    assert_eq!(table.hcmd.get() & 0xff, u32::from(mvm::id::PHY_CONFIGURATION_CMD));
    assert_eq!(table.hw_ver.get(), card("7260").expect("a card").hw_rev);

    // It takes no more commands; the next start is a new one, which fails again.
    driver.enqueue(QUEUE, &[mvm::id::PHY_CONFIGURATION_CMD, 0, 0, 0]);
    assert_eq!(driver.story(), "");
    driver.boot(RUNTIME, QUEUE);
    driver.pass(1000 * MILLISECOND);
    assert!(driver.story().ends_with("fault: ucode-error\nMsi: Int(SW_ERR)\n"));
}

#[test]
fn from_8000_on_the_upper_mac_leaves_a_log_too() {
    let fails = |name: &str, fault: &str| {
        let plan = FaultPlan::none().with(fault.parse().expect("a fault"));
        let mut driver = Driver::with_faults(name, plan);
        let alive = driver.boot(RUNTIME, QUEUE);
        let alive = AliveV3::read_from_bytes(&alive.payload).expect("an ALIVE of version 3");
        let log = alive.umac_data.error_info_addr.get();
        driver.pass(1000 * MILLISECOND);
        let lower = alive.lmac_data.error_event_table_ptr.get();
        let lower = device_words(&mut driver, lower, 2)[1];
        (lower, (log != 0).then(|| device_words(&mut driver, log, 2)))
    };
    let after_the_lower = Some(vec![1, mvm::UMAC_LMAC_FATAL]);
    assert_eq!(fails("7260", "ucode-error"), (mvm::SYSASSERT, None));
    assert_eq!(fails("7260", "ucode-error=BAD_COMMAND"), (0x38, None));
    assert_eq!(fails("8265", "ucode-error"), (mvm::SYSASSERT, after_the_lower.clone()));
    assert_eq!(fails("8265", "ucode-error=0x1030"), (0x1030, after_the_lower));
    let own = Some(vec![1, 0x2010_1a2c]);
    assert_eq!(fails("8265", "ucode-error=0x20101a2c"), (mvm::NMI_INTERRUPT_UMAC_FATAL, own));
}

#[test]
fn a_ucode_error_that_begins_later_comes_at_once() {
    let fault = Fault::UCODE_ERROR;
    let mut driver = Driver::new("6205");
    let queue = iwl_hw::dvm::IWL_DEFAULT_CMD_QUEUE_NUM;
    let alive = driver.boot(RUNTIME, queue);
    let alive = iwl_hw::dvm::AliveResp::read_from_bytes(&alive.payload).expect("its size");
    driver.pass(5000 * MILLISECOND);
    driver.story();
    driver.card.set_fault(&mut driver.world, fault, true);
    driver.settle();
    expect![[r#"
        fault ucode-error: true
        fault: ucode-error
        Msi: Int(SW_ERR)
    "#]]
    .assert_eq(&driver.story());
    let words = device_words(&mut driver, alive.error_event_table_ptr.get(), 2);
    assert_eq!(words, [1, iwl_hw::dvm::SYSASSERT]);
    // Ended, the next image is well.
    driver.card.set_fault(&mut driver.world, fault, false);
    driver.boot(RUNTIME, queue);
    driver.pass(10_000 * MILLISECOND);
    assert!(!driver.story().contains("fault: ucode-error"));
}

#[test]
fn a_ucode_error_can_be_that_of_one_firmware_version() {
    let fails = |api: u16| {
        let mut driver = faulty(Fault::UcodeError { api: Some(17), error: None });
        driver.boot(&marker::with_api(marker::RUNTIME, api), QUEUE);
        assert!(
            driver.story().contains(&format!("CPU released: Runtime of API {api}, 2 sections"))
        );
        driver.pass(10_000 * MILLISECOND);
        driver.story().contains("fault: ucode-error")
    };
    assert!(fails(17) && !fails(16));
}

#[test]
fn an_nmi_of_the_drivers_is_an_error_too() {
    let mut driver = Driver::new("7260");
    let alive = driver.boot(RUNTIME, QUEUE);
    let alive = AliveV3::read_from_bytes(&alive.payload).expect("an ALIVE of version 3");
    driver.set(csr::CSR_RESET, Reset::FORCE_NMI.bits());
    let log = device_words(&mut driver, alive.lmac_data.error_event_table_ptr.get(), 2);
    assert_eq!(log, [1, mvm::NMI_INTERRUPT_HOST]);
}

/// The sections of an NVM that are there, and the start of each.
fn nvm(name: &str, fault: &str) -> (Vec<(u16, Vec<u8>)>, String) {
    let fault = fault.parse().expect("a fault");
    let mut driver = Driver::with_faults(name, FaultPlan::none().with(fault));
    driver.boot(INIT, QUEUE);
    driver.story();
    let sections = 0..nvm::NVM_MAX_NUM_SECTIONS;
    let sections = sections.filter_map(|section| {
        let (response, data) = read_nvm(&mut driver, section);
        (response.status.get() == 0).then_some((section, data))
    });
    let sections = sections.collect();
    let told = driver.story().lines().filter(|l| l.starts_with("fault")).collect();
    (sections, told)
}

#[test]
fn the_nvm_lacks_a_section() {
    let numbers = |name, fault| -> Vec<u16> {
        nvm(name, fault).0.into_iter().map(|(section, _)| section).collect()
    };
    let (hw, sw) = (nvm::NVM_SECTION_TYPE_HW, nvm::NVM_SECTION_TYPE_SW);
    let calibration = nvm::NVM_SECTION_TYPE_CALIBRATION;
    assert_eq!(numbers("7260", "nvm-section-absent"), [hw, calibration]);
    assert_eq!(numbers("7260", "nvm-section-absent=hw"), [sw, calibration]);
    let (regulatory, phy_sku) = (nvm::NVM_SECTION_TYPE_REGULATORY, nvm::NVM_SECTION_TYPE_PHY_SKU);
    assert_eq!(numbers("8265", "nvm-section-absent=mac-override"), [sw, regulatory, phy_sku]);
    assert_eq!(nvm("7260", "nvm-section-absent").1, "fault: nvm-section-absent");
}

#[test]
fn what_an_nvm_holds_may_be_none() {
    let section = |name, fault, section: u16| {
        let (sections, told) = nvm(name, fault);
        let found = sections.into_iter().find(|(number, _)| *number == section);
        (found.expect("the section").1, told)
    };
    let (sw, told) = section("7260", "nvm-old", nvm::NVM_SECTION_TYPE_SW);
    assert!(u16::from_le_bytes([sw[0], sw[1]]) < card("7260").expect("a card").nvm_version);
    assert_eq!(told, "fault: nvm-old");
    let (hw, told) = section("7260", "nvm-mac=ones", nvm::NVM_SECTION_TYPE_HW);
    assert_eq!(hw[nvm::HW_ADDR..][..6], [0xff; 6]);
    assert_eq!(told, "fault: nvm-mac");
    let (mac, _) = section("8265", "nvm-mac", nvm::NVM_SECTION_TYPE_MAC_OVERRIDE);
    assert_eq!(mac[nvm::MAC_ADDRESS_OVERRIDE..][..6], [0; 6]);

    let mut driver =
        Driver::with_faults("9260", FaultPlan::none().with(Fault::NvmMac { bits: Bits::Ones }));
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR0_OTP), u32::MAX);
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR1_OTP), 0xffff);
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR0_STRAP), 0);
}

#[test]
fn what_an_otp_holds_may_be_none() {
    let otp = |fault: &str| {
        let fault = fault.parse().expect("a fault");
        let mut driver = Driver::with_faults("6205", FaultPlan::none().with(fault));
        driver.init();
        let unread = driver.read(csr::CSR_OTP_GP_REG);
        assert_eq!(unread & csr::otp_gp::ECC_UNCORR_STATUS, 0);
        driver.story();
        let words: Vec<u16> = (0..1024).map(|word| driver.read_eeprom(2 * word)).collect();
        let errors = driver.read(csr::CSR_OTP_GP_REG) & csr::otp_gp::ECC_UNCORR_STATUS;
        let told: String = driver.story().lines().filter(|l| l.starts_with("fault")).collect();
        (words, errors != 0, told)
    };
    let (well, _, _) = otp("never-alive");
    let differ = |words: &[u16]| -> Vec<usize> {
        (0..words.len()).filter(|at| words[*at] != well[*at]).map(|at| 2 * at).collect()
    };
    let (old, _, told) = otp("nvm-old");
    let changed = differ(&old);
    assert!(changed.len() == 2 && changed[0] == eeprom::EEPROM_VERSION, "{changed:#x?}");
    assert_eq!(told, "fault: nvm-old", "once, of many words");
    let (ones, _, _) = otp("nvm-mac=ones");
    let mac = eeprom::EEPROM_MAC_ADDRESS;
    assert_eq!(differ(&ones), [mac, mac + 2, mac + 4]);
    assert_eq!(ones[mac / 2], u16::MAX);
    let (words, errors, told) = otp("nvm-checksum");
    assert_eq!((words, errors, &*told), (well, true, "fault: nvm-checksum"));
}
