//! Cards of DVM: EEPROM, images, scans.

use expect_test::expect;
use iwl_hw::csr::{self, Int};
use iwl_hw::dvm::{self, AliveResp, ScanChannel, ScanComplete};
use iwl_hw::eeprom;
use iwl_hw::packet::{self, SEQ_RX_FRAME};
use zerocopy::{FromBytes, IntoBytes};

use crate::support::{Driver, INIT, MILLISECOND, RUNTIME};

#[test]
fn the_eeprom_reads_as_one_run() {
    let mut driver = Driver::new("6205");
    driver.init();
    driver.story();
    let words: Vec<u16> = (0..1024).map(|word| driver.read_eeprom(2 * word)).collect();
    assert_eq!(words[eeprom::EEPROM_SKU_CAP / 2], 0x70, "both bands, 11n");
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

/// 5000 has an EEPROM, 1000 OTP without shadow RAM: as `iwl_find_otp_image` goes through its blocks.
#[test]
fn each_kind_of_memory_is_read_in_its_own_way() {
    let at = eeprom::EEPROM_RADIO_CONFIG as u32;
    let mut driver = Driver::new("5300");
    driver.init();
    let signature = driver.read(csr::CSR_EEPROM_GP) & csr::eeprom_gp::VALID_MSK;
    assert_eq!(signature, csr::eeprom_gp::GOOD_SIG_EEP_LESS_THAN_4K);
    assert_eq!(driver.read(csr::CSR_OTP_GP_REG) & csr::otp_gp::DEVICE_SELECT, 0);
    assert_eq!(driver.read_eeprom(at), 0x7701, "three antennas");

    let mut driver = Driver::new("1000");
    driver.init();
    assert_ne!(driver.read(csr::CSR_OTP_GP_REG) & csr::otp_gp::DEVICE_SELECT, 0);
    let (mut next, mut link) = (0, 0);
    assert_ne!(driver.read_eeprom(next), 0, "not empty");
    let valid = loop {
        let valid = next;
        next = u32::from(link) * 2;
        link = driver.read_eeprom(next);
        if link == 0 {
            break valid;
        }
        assert!(next < 0x800, "an end");
    };
    assert_eq!(
        driver.read_eeprom(valid + 2 + at),
        0x3101,
        "one antenna to transmit, two to receive"
    );
    let sku = driver.read_eeprom(valid + 2 + eeprom::EEPROM_SKU_CAP as u32);
    assert_eq!(sku, 0x50, "2.4 GHz, 11n");
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
