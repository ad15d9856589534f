//! Cards of MVM with INIT and runtime images: NVM, scans.

use expect_test::expect;
use iwl_hw::mvm::{self, AliveV3, NvmAccessCmd, NvmAccessResp};
use iwl_hw::packet::CmdHeader;
use iwl_hw::{nvm, prph};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::support::{Driver, INIT, MILLISECOND, RUNTIME};

pub(crate) fn read_nvm(driver: &mut Driver, section: u16) -> (NvmAccessResp, Vec<u8>) {
    nvm_chunk(driver, section, 0)
}

/// At most 2 KiB of a section.
pub(crate) fn nvm_chunk(
    driver: &mut Driver,
    section: u16,
    offset: u16,
) -> (NvmAccessResp, Vec<u8>) {
    let access = NvmAccessCmd {
        op_code: mvm::NVM_READ,
        target: 0,
        r#type: section.into(),
        offset: offset.into(),
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
    assert_eq!(data[nvm::NVM_VERSION..][..2], 0x0a1d_u16.to_le_bytes());
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

#[test]
fn a_time_event_that_is_removed_is_silent() {
    let mut driver = Driver::new("7260");
    driver.boot(RUNTIME, mvm::CMD_QUEUE);
    let send = |driver: &mut Driver, action: u32, id: u32| {
        let mut event = mvm::TimeEventCmd::new_zeroed();
        (event.action, event.id, event.duration) = (action.into(), id.into(), 100.into());
        let id = mvm::id::TIME_EVENT_CMD;
        let answer = driver.command(mvm::CMD_QUEUE, id, event.as_bytes());
        mvm::TimeEventResp::read_from_bytes(&answer.payload).expect("its size").unique_id.get()
    };
    let [before, during, other] =
        [0; 3].map(|kind| send(&mut driver, mvm::FW_CTXT_ACTION_ADD, kind));
    send(&mut driver, mvm::FW_CTXT_ACTION_REMOVE, before);
    driver.take_packets();
    let told = |driver: &mut Driver| -> Vec<_> {
        driver.pass(50 * MILLISECOND);
        let notifications = driver.take_packets().into_iter().map(|packet| {
            let told = mvm::TimeEventNotif::read_from_bytes(&packet.payload).expect("its size");
            (told.unique_id.get(), told.action.get())
        });
        notifications.collect()
    };
    let start = mvm::TE_V2_NOTIF_HOST_EVENT_START;
    assert_eq!(told(&mut driver), [(during, start), (other, start)]);
    send(&mut driver, mvm::FW_CTXT_ACTION_REMOVE, during);
    driver.take_packets();
    let rest = [told(&mut driver), told(&mut driver)].concat();
    assert_eq!(rest, [(other, mvm::TE_V2_NOTIF_HOST_EVENT_END)]);
}

/// Ids begin anew in each group, and groups other than 0 have the long header.
#[test]
fn a_command_is_its_group_and_id() {
    let mut driver = Driver::new("7260");
    driver.boot(RUNTIME, mvm::CMD_QUEUE);
    driver.story();
    let mut answer = |group_id| {
        let header = CmdHeader { cmd: mvm::id::ADD_STA, group_id, sequence: 0.into() };
        // Length, reserved, version.
        let long: &[u8] = if group_id == mvm::LEGACY_GROUP { &[] } else { &[4, 0, 0, 7] };
        driver.enqueue(mvm::CMD_QUEUE, &[header.as_bytes(), long, &[0; 4]].concat());
        driver.take_packets().pop().expect("an answer").payload
    };
    assert_eq!(answer(mvm::LEGACY_GROUP), mvm::ADD_STA_SUCCESS.to_le_bytes());
    assert_eq!(answer(mvm::LONG_GROUP), mvm::ADD_STA_SUCCESS.to_le_bytes());
    assert_eq!(answer(2), [0; 4]);
    expect![[r#"
        command: ADD_STA, queue 0, 4 bytes, modelled true
        packet: ADD_STA, 4 bytes, notification false
        Msi: Int(FH_RX)
        command: ADD_STA, queue 0, 4 bytes, modelled true
        packet: ADD_STA, 4 bytes, notification false
        Msi: Int(FH_RX)
        command: 0x02.0x18, queue 0, 4 bytes, modelled false
        packet: 0x02.0x18, 4 bytes, notification false
        Msi: Int(FH_RX)
    "#]]
    .assert_eq(&driver.story());
}
