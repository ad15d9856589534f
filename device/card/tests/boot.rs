//! The card against a driver's sequences, as the traces of the real one have them.

mod support;

use expect_test::expect;
use iwl_card::{Irq, Outcome, cards};
use iwl_hw::csr::{self, Int};
use iwl_hw::dvm::{self, AliveResp, ScanChannel, ScanComplete};
use iwl_hw::mvm::{self, AliveV3, NvmAccessCmd, NvmAccessResp};
use iwl_hw::packet::{self, SEQ_RX_FRAME};
use iwl_hw::{eeprom, fh, nvm, prph};
use support::{Driver, INIT, MILLISECOND, RUNTIME, last_outcome};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

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
fn the_eeprom_reads_as_one_run() {
    let mut driver = Driver::new("6205");
    driver.init();
    driver.story();
    let words: Vec<u16> = (0..1024).map(|word| driver.read_eeprom(2 * word)).collect();
    assert_eq!(words[eeprom::EEPROM_SKU_CAP / 2], eeprom::SKU_CAP_24GHZ_52GHZ_11N);
    expect![[r#"
        NVM: eeprom 0+2048, present true
    "#]]
    .assert_eq(&driver.story());
    // Half a run ends with the next access to something else.
    driver.read_eeprom(0x10);
    driver.read_eeprom(0x12);
    assert_eq!(driver.story(), "");
    driver.read(csr::CSR_GP_CNTRL);
    expect![[r#"
        NVM: eeprom 16+4, present true
    "#]]
    .assert_eq(&driver.story());
}

/// INIT upload, ALIVE, a command, calibration: the whole way of a DVM image.
fn dvm_init(lazy: bool) -> (String, Vec<u8>) {
    let mut driver = Driver::new("6205");
    driver.world.lazy = lazy;
    let alive = driver.boot(INIT, dvm::IWL_DEFAULT_CMD_QUEUE_NUM);
    assert_eq!((alive.id, alive.sequence), (dvm::id::REPLY_ALIVE, SEQ_RX_FRAME));
    let alive = AliveResp::read_from_bytes(&alive.payload).expect("an ALIVE of its size");
    assert_eq!(alive.is_valid.get(), dvm::UCODE_VALID_OK);
    assert_eq!(alive.ver_subtype, dvm::VER_SUBTYPE_INITIALIZE);

    let answer =
        driver.command(dvm::IWL_DEFAULT_CMD_QUEUE_NUM, dvm::id::CALIBRATION_CFG_CMD, &[0; 92]);
    assert_eq!(answer.sequence, packet::sequence(dvm::IWL_DEFAULT_CMD_QUEUE_NUM, 0));
    assert_eq!(driver.take_ict(), [Int::FH_RX.ict_entry()]);
    driver.pass(20 * MILLISECOND);
    let calibration = driver.take_packets();
    assert_eq!(
        calibration.last().map(|packet| packet.id),
        Some(dvm::id::CALIBRATION_COMPLETE_NOTIFICATION)
    );
    assert!(calibration.iter().all(|packet| packet.sequence == SEQ_RX_FRAME));
    (driver.story(), driver.world.memory)
}

#[test]
fn a_dvm_image_boots_and_calibrates() {
    let (story, _) = dvm_init(false);
    expect![[r#"
        reset: software
        section: Init 0, 256 bytes to 0x800000
        Msi: Int(FH_TX)
        section: Init 1, 256 bytes to 0x0
        Msi: Int(FH_TX)
        CPU released: Init, 2 sections, 512 bytes
        ALIVE: Init, valid true
        Msi: Int(ALIVE)
        packet: REPLY_ALIVE, 32 bytes, notification true
        command: CALIBRATION_CFG_CMD, queue 4, 92 bytes, modelled true
        packet: CALIBRATION_CFG_CMD, 4 bytes, notification false
        Msi: Int(FH_RX)
        packet: CALIBRATION_RES_NOTIFICATION, 12 bytes, notification true
        Msi: Int(FH_RX)
        packet: CALIBRATION_RES_NOTIFICATION, 12 bytes, notification true
        Msi: Int(FH_RX)
        packet: CALIBRATION_RES_NOTIFICATION, 12 bytes, notification true
        Msi: Int(FH_RX)
        packet: CALIBRATION_COMPLETE_NOTIFICATION, 4 bytes, notification true
        Msi: Int(FH_RX)
    "#]]
    .assert_eq(&story);
}

/// Work that waits for data half-way has no effect until it is repeated.
#[test]
fn waiting_for_data_changes_nothing() {
    let (story, memory) = dvm_init(false);
    let (lazy_story, lazy_memory) = dvm_init(true);
    assert_eq!(story, lazy_story);
    assert!(memory == lazy_memory, "guest memory differs");
}

#[test]
fn a_runtime_image_does_not_calibrate() {
    let mut driver = Driver::new("6205");
    driver.boot(RUNTIME, dvm::IWL_DEFAULT_CMD_QUEUE_NUM);
    driver.command(dvm::IWL_DEFAULT_CMD_QUEUE_NUM, dvm::id::CALIBRATION_CFG_CMD, &[0; 92]);
    driver.pass(100 * MILLISECOND);
    assert_eq!(driver.take_packets(), []);
}

/// A real file has no markers: whichever image it is, the driver must get its answers.
#[test]
fn an_unknown_image_does_all() {
    let mut driver = Driver::new("6205");
    driver.boot(b"real code", dvm::IWL_DEFAULT_CMD_QUEUE_NUM);
    driver.command(dvm::IWL_DEFAULT_CMD_QUEUE_NUM, dvm::id::CALIBRATION_CFG_CMD, &[0; 92]);
    driver.pass(100 * MILLISECOND);
    assert!(!driver.take_packets().is_empty());
}

fn read_nvm(driver: &mut Driver, section: u16) -> (NvmAccessResp, Vec<u8>) {
    let access = NvmAccessCmd {
        op_code: mvm::NVM_READ,
        target: 0,
        r#type: section.into(),
        offset: 0.into(),
        length: 2048.into(),
    };
    let answer = driver.command(mvm::CMD_QUEUE, mvm::id::NVM_ACCESS_CMD, access.as_bytes());
    let (response, data) =
        NvmAccessResp::read_from_prefix(&answer.payload).expect("a response of its size");
    (response, data.to_vec())
}

#[test]
fn mvm_reads_its_nvm_through_the_firmware() {
    let mut driver = Driver::new("7260");
    let alive = driver.boot(INIT, mvm::CMD_QUEUE);
    let alive = AliveV3::read_from_bytes(&alive.payload).expect("an ALIVE of version 3");
    assert_eq!(alive.status.get(), mvm::IWL_ALIVE_STATUS_OK);
    assert_eq!(driver.read_prph(prph::SCD_SRAM_BASE_ADDR), alive.lmac_data.scd_base_ptr.get());

    driver.story();
    let (response, data) = read_nvm(&mut driver, nvm::NVM_SECTION_TYPE_SW);
    assert_eq!((response.status.get(), usize::from(response.length.get())), (0, data.len()));
    assert_eq!(data[nvm::NVM_VERSION..][..2], nvm::NVM_VERSION_7000.to_le_bytes());
    let (response, data) = read_nvm(&mut driver, nvm::NVM_SECTION_TYPE_PHY_SKU);
    assert_eq!(response.status.get(), mvm::READ_NVM_CHUNK_NOT_VALID_ADDRESS);
    assert!(data.is_empty());
    expect![[r#"
        command: NVM_ACCESS_CMD, queue 0, 8 bytes, modelled true
        NVM: NVM_SECTION_TYPE_SW 0+256, present true
        packet: NVM_ACCESS_CMD, 264 bytes, notification false
        Msi: Int(FH_RX)
        command: NVM_ACCESS_CMD, queue 0, 8 bytes, modelled true
        NVM: NVM_SECTION_TYPE_PHY_SKU 0+0, present false
        packet: NVM_ACCESS_CMD, 8 bytes, notification false
        Msi: Int(FH_RX)
    "#]]
    .assert_eq(&driver.story());

    driver.command(mvm::CMD_QUEUE, mvm::id::PHY_CONFIGURATION_CMD, &[0; 12]);
    driver.pass(20 * MILLISECOND);
    let last = driver.take_packets().pop().expect("calibration");
    assert_eq!(last.id, mvm::id::INIT_COMPLETE_NOTIF);
}

/// Family 8000 starts with the load status, the others with the reset register.
#[test]
fn each_family_has_its_own_release() {
    for (name, register, value) in [
        ("7260", csr::CSR_RESET, 0),
        ("8265", fh::FH_UCODE_LOAD_STATUS, fh::UCODE_LOAD_STATUS_DONE),
    ] {
        let mut driver = Driver::new(name);
        driver.init();
        driver.upload(0x40_0000, INIT);
        driver.story();
        let other =
            if register == csr::CSR_RESET { fh::FH_UCODE_LOAD_STATUS } else { csr::CSR_RESET };
        driver
            .write(other, if register == csr::CSR_RESET { fh::UCODE_LOAD_STATUS_DONE } else { 0 });
        assert_eq!(driver.story(), "", "{name}: not yet");
        driver.write(register, value);
        assert_eq!(driver.story(), "CPU released: Init, 1 sections, 16 bytes\n", "{name}");
    }
}

#[test]
fn chunks_of_a_large_section_are_one_section() {
    let mut driver = Driver::new("7260");
    driver.init();
    let full = vec![0; fh::FH_MEM_TB_MAX_LENGTH as usize];
    driver.upload(0, &full);
    driver.upload(fh::FH_MEM_TB_MAX_LENGTH, &[0; 64]);
    driver.upload(0x80_0000, &[0; 64]);
    driver.upload(0x80_0040, &[0; 64]);
    driver.story();
    driver.release();
    assert_eq!(driver.story(), "CPU released: Unknown, 3 sections, 131264 bytes\n");
}

fn dvm_scan(channels: u8, dwell: u16) -> Vec<u8> {
    let mut scan = vec![0; dvm::SCAN_CMD_LEN];
    scan[std::mem::offset_of!(dvm::ScanCmd, channel_count)] = channels;
    for channel in 1..=channels {
        let channel = ScanChannel {
            r#type: 1.into(),
            channel: u16::from(channel).into(),
            tx_gain: 0,
            dsp_atten: 0,
            active_dwell: dwell.into(),
            passive_dwell: 1000.into(),
        };
        scan.extend_from_slice(channel.as_bytes());
    }
    scan
}

#[test]
fn a_dvm_scan_takes_its_dwell_times() {
    let queue = dvm::IWL_DEFAULT_CMD_QUEUE_NUM;
    let mut driver = Driver::new("6205");
    driver.boot(RUNTIME, queue);
    let answer = driver.command(queue, dvm::id::REPLY_SCAN_CMD, &dvm_scan(3, 20));
    assert_eq!(answer.payload, dvm::SCAN_STATUS_OK.to_le_bytes());
    driver.pass(60 * MILLISECOND);
    assert_eq!(driver.take_packets(), []);
    driver.pass(2 * MILLISECOND);
    let complete = driver.take_packets().pop().expect("the scan's end");
    let complete = ScanComplete::read_from_bytes(&complete.payload).expect("its size");
    assert_eq!(
        (complete.scanned_channels, complete.last_channel, complete.status),
        (3, 3, ScanComplete::COMPLETE)
    );
}

#[test]
fn an_aborted_scan_ends_once() {
    let queue = dvm::IWL_DEFAULT_CMD_QUEUE_NUM;
    let mut driver = Driver::new("6205");
    driver.boot(RUNTIME, queue);
    driver.command(queue, dvm::id::REPLY_SCAN_CMD, &dvm_scan(3, 20));
    let answer = driver.command(queue, dvm::id::REPLY_SCAN_ABORT_CMD, &[]);
    assert_eq!(answer.payload, dvm::CAN_ABORT_STATUS.to_le_bytes());
    driver.pass(1000 * MILLISECOND);
    let ends = driver.take_packets();
    assert_eq!(ends.len(), 1);
    let complete = ScanComplete::read_from_bytes(&ends[0].payload).expect("its size");
    assert_eq!(complete.status, ScanComplete::ABORT);
    let answer = driver.command(queue, dvm::id::REPLY_SCAN_ABORT_CMD, &[]);
    assert_eq!(answer.payload, [0; 4], "nothing runs");
}

#[test]
fn both_mvm_scans_end_in_their_own_way() {
    let mut driver = Driver::new("8265");
    driver.boot(RUNTIME, mvm::CMD_QUEUE);
    let mut scan = mvm::ScanReqLmac::new_zeroed();
    (scan.n_channels, scan.active_dwell, scan.passive_dwell) = (10, 10, 110);
    driver.command(mvm::CMD_QUEUE, mvm::id::SCAN_OFFLOAD_REQUEST_CMD, scan.as_bytes());
    driver.pass(102 * MILLISECOND);
    assert_eq!(driver.take_packets(), []);
    driver.pass(MILLISECOND);
    let end = driver.take_packets().pop().map(|packet| packet.id);
    assert_eq!(end, Some(mvm::id::SCAN_OFFLOAD_COMPLETE));

    let scan = mvm::ScanReqUmac { flags: 0.into(), uid: 7.into() };
    driver.command(mvm::CMD_QUEUE, mvm::id::SCAN_REQ_UMAC, scan.as_bytes());
    driver.command(mvm::CMD_QUEUE, mvm::id::SCAN_ABORT_UMAC, &[0; 8]);
    driver.pass(1000 * MILLISECOND);
    let ends = driver.take_packets();
    assert_eq!(ends.len(), 1);
    let end = mvm::UmacScanComplete::read_from_bytes(&ends[0].payload).expect("its size");
    assert_eq!((end.uid.get(), end.status), (7, mvm::IWL_SCAN_OFFLOAD_ABORTED));
}

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
