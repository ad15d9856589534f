//! 22000: context information, one image for all, queues by command.

use expect_test::expect;
use iwl_card::{Fault, FaultPlan};
use iwl_hw::csr::{self, GpCntrl, Int, Reset, wrptr_wide};
use iwl_hw::mvm::{self, TxQueueCfgCmd, TxQueueCfgRsp, id, init_flags, regulatory_and_nvm, system};
use iwl_hw::packet::{self, CmdHeader};
use iwl_hw::tfh::{IWL_TFH_NUM_TBS, TfhTb, TfhTfd};
use iwl_hw::tx::TxRespTailV6;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::support::gen2::{context, tfh_ring};
use crate::support::{Driver, MILLISECOND, RUNTIME};

const NVM: u8 = mvm::REGULATORY_AND_NVM_GROUP;
/// Of no memory.
const NOWHERE: u64 = 0xf_0000_0000;

fn booted() -> Driver {
    let mut driver = Driver::new("ax200");
    driver.boot(RUNTIME, 0);
    driver.story();
    driver
}

/// `iwl_run_unified_mvm_ucode`, in short.
#[test]
fn one_image_starts_and_tells_what_the_nvm_holds() {
    let mut driver = Driver::new("ax200");
    let alive = driver.boot(RUNTIME, 0);
    assert_eq!(alive.id, id::UCODE_ALIVE_NTFY);
    driver.long_command(
        mvm::SYSTEM_GROUP,
        system::INIT_EXTENDED_CFG_CMD,
        &init_flags::NVM.to_le_bytes(),
    );
    driver.long_command(NVM, regulatory_and_nvm::NVM_ACCESS_COMPLETE, &[0; 4]);
    driver.long_command(mvm::LONG_GROUP, id::PHY_CONFIGURATION_CMD, &[0; 12]);
    driver.pass(20 * MILLISECOND);
    let last = driver.take_packets().pop().map(|packet| packet.id);
    assert_eq!(last, Some(id::INIT_COMPLETE_NOTIF));
    let info = driver.long_command(NVM, regulatory_and_nvm::NVM_GET_INFO, &[0; 4]);
    let info = mvm::NvmGetInfoRspV3::read_from_bytes(&info.payload).expect("its size");
    assert_eq!((info.n_hw_addrs, info.tx_chains.get(), info.rx_chains.get()), (1, 3, 3));
    assert_eq!(info.channel_profile[0].get(), iwl_hw::nvm::NVM_CHANNEL_USABLE);
    expect![[r#"
        reset: software
        section: Runtime 0, 16 bytes
        section: Runtime 1, 16 bytes
        CPU released: Runtime, 2 sections, 32 bytes
        ALIVE: Runtime, valid true
        Msi: Int(ALIVE)
        packet: UCODE_ALIVE_NTFY, 68 bytes, notification true
        command: INIT_EXTENDED_CFG_CMD, queue 0, 4 bytes, modelled true
        packet: INIT_EXTENDED_CFG_CMD, 4 bytes, notification false
        Msi: Int(FH_RX)
        command: NVM_ACCESS_COMPLETE, queue 0, 4 bytes, modelled true
        packet: NVM_ACCESS_COMPLETE, 4 bytes, notification false
        Msi: Int(FH_RX)
        command: PHY_CONFIGURATION_CMD, queue 0, 12 bytes, modelled true
        packet: PHY_CONFIGURATION_CMD, 4 bytes, notification false
        Msi: Int(FH_RX)
        packet: INIT_COMPLETE_NOTIF, 4 bytes, notification true
        Msi: Int(FH_RX)
        command: NVM_GET_INFO, queue 0, 4 bytes, modelled true
        NVM: NVM_GET_INFO 0+128, present true
        packet: NVM_GET_INFO, 128 bytes, notification false
        Msi: Int(FH_RX)
    "#]]
    .assert_eq(&driver.story());
}

/// The address, in CSR, the first byte the highest.
#[test]
fn the_address_is_in_csr() {
    let mut driver = Driver::new("ax200");
    use iwl_hw::ctxt::mac_addr;
    driver.init();
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR0_STRAP), 0);
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR0_OTP), 0x0269_7727);
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR1_OTP), 0x2300);
}

/// The command queue has fewer places than indices: both go round, each in its own time.
#[test]
fn commands_go_round_the_ring_and_round_the_indices() {
    let mut driver = booted();
    for _ in 0..300 {
        driver.offer_rx(0x1f0);
        driver.long_command(mvm::LONG_GROUP, id::ADD_STA, &[0; 4]);
        driver.take_from_queue(0);
    }
}

fn allocate(driver: &mut Driver, sta_id: u8, cb_size: u32, ring: u64) -> TxQueueCfgRsp {
    let mut config = TxQueueCfgCmd::new_zeroed();
    config.sta_id = sta_id;
    config.flags = mvm::TX_QUEUE_CFG_ENABLE_QUEUE.into();
    config.cb_size = cb_size.into();
    config.tfdq_addr = ring.into();
    let answer = driver.long_command(mvm::LONG_GROUP, id::SCD_QUEUE_CFG, config.as_bytes());
    TxQueueCfgRsp::read_from_bytes(&answer.payload).expect("its size")
}

/// A frame, to a group or to one.
fn send_frame(driver: &mut Driver, queue: u8) -> TxRespTailV6 {
    let mut frame = [0; 20 + 24];
    frame[20 + 4] = 0xff;
    let sequence = packet::sequence(queue, 0);
    let header = CmdHeader { cmd: id::TX_CMD, group_id: 0, sequence: sequence.into() };
    driver.enqueue(queue, &[header.as_bytes(), &frame].concat());
    let answer = driver.take_packets().pop().expect("an answer");
    assert_eq!((answer.id, answer.sequence), (id::TX_CMD, sequence));
    assert_eq!(answer.payload.len(), 48);
    TxRespTailV6::read_from_suffix(&answer.payload).expect("its size").1
}

#[test]
fn a_station_has_its_queues_until_it_goes() {
    let mut driver = booted();
    let numbers: Vec<u16> = [5, 5, 6]
        .into_iter()
        .zip(1..)
        .map(|(station, queue)| {
            allocate(&mut driver, station, 5, tfh_ring(queue)).queue_number.get()
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let told = send_frame(&mut driver, 2);
    assert_eq!((told.tx_queue.get(), told.scd_ssn.get()), (2, 1));
    driver.long_command(mvm::LONG_GROUP, id::REMOVE_STA, &[5, 0, 0, 0]);
    driver.story();
    driver.write(csr::HBUS_TARG_WRPTR, wrptr_wide::value(2, 2));
    assert_eq!(driver.story(), "bad input: a doorbell for transmit queue 2\n");
    assert_eq!(allocate(&mut driver, 7, 5, tfh_ring(1)).queue_number.get(), 1, "free again");
}

#[test]
fn queues_are_so_many_and_so_large() {
    let mut driver = booted();
    let refused = allocate(&mut driver, 1, 6, tfh_ring(1));
    assert_ne!(refused.flags.get(), 0);
    assert!(driver.story().contains("bad input: a transmit queue of size code 6\n"));
    let mut opened = 0;
    loop {
        // Buffers are given back as they are used.
        driver.offer_rx((opened + 400) % 512);
        if allocate(&mut driver, 1, 0, NOWHERE).flags.get() != 0 {
            break;
        }
        opened += 1;
    }
    assert_eq!(opened, 255);
}

#[test]
fn context_information_that_makes_no_sense_is_told() {
    let mut driver = Driver::new("ax200");
    driver.init();
    driver.story();
    let mut without = context();
    without.lmac_img[0] = 0.into();
    let mut large = context();
    large.cmd_queue_size = 6;
    let mut nowhere = context();
    nowhere.lmac_img[1] = NOWHERE.into();
    let told = [without, large, nowhere].map(|context| {
        driver.run_context(&context);
        driver.pass(100 * MILLISECOND);
        driver.story()
    });
    assert_eq!(told[0], "bad input: context information without an image\n");
    assert_eq!(told[1], "bad input: context information with too large a command queue\n");
    assert!(
        told[2].contains("DMA fault: context information, 16 bytes at 0xf00000000\n"),
        "{}",
        told[2]
    );
    // Itself out of reach.
    driver.write(iwl_hw::ctxt::info::CSR_CTXT_INFO_BA + 4, 0xf);
    driver.write_prph(iwl_hw::prph::UREG_CPU_INIT_RUN, 1);
    assert!(driver.story().starts_with("DMA fault: context information, 1728 bytes at 0xf"));
    let alive = driver.boot(RUNTIME, 0);
    assert_eq!(alive.id, id::UCODE_ALIVE_NTFY, "after a reset it starts");
}

/// At any point: what was under way is forgotten, and the card starts again.
#[test]
fn a_reset_at_any_point_is_a_new_beginning() {
    for pending in 0..12 {
        let mut driver = Driver::new("ax200");
        driver.world.lazy = true;
        driver.init();
        driver.run_context(&context());
        driver.world.lazy = false;
        driver.pass(pending * MILLISECOND);
        driver.write(csr::CSR_RESET, Reset::SW_RESET.bits());
        driver.story();
        driver.pass(1000 * MILLISECOND);
        assert_eq!((driver.story(), driver.card.deadline()), (String::new(), None));
        assert_eq!(driver.boot(RUNTIME, 0).id, id::UCODE_ALIVE_NTFY);
    }
}

#[test]
fn a_descriptor_that_claims_too_much_is_passed_over() {
    let mut driver = booted();
    let tb = TfhTb { tb_len: u16::MAX.into(), addr: 0.into() };
    let mut tfd = TfhTfd::new(&[tb; IWL_TFH_NUM_TBS]);
    driver.put_tfh(0, 0, &tfd);
    driver.ring(0);
    let what = "bad input: descriptor 0 of queue 0: more bytes than a descriptor can carry\n";
    assert_eq!(driver.story(), what);
    tfd.num_tbs = 26.into();
    driver.put_tfh(0, 1, &tfd);
    driver.ring(0);
    let what = "bad input: descriptor 1 of queue 0: more buffers than it has room for\n";
    assert_eq!(driver.story(), what);
    driver.long_command(mvm::LONG_GROUP, id::ADD_STA, &[0; 4]);
}

/// One more than all queues, as often as one likes.
#[test]
fn doorbells_for_no_queue_are_told_and_no_more() {
    let mut driver = booted();
    for value in [wrptr_wide::value(1, 1), u32::MAX] {
        driver.write(csr::HBUS_TARG_WRPTR, value);
        let queue = wrptr_wide::queue(value);
        let told = format!("bad input: a doorbell for transmit queue {queue}\n");
        assert_eq!(driver.story(), told);
    }
    assert!(driver.card.deadline().is_none());
}

/// As `nobody-says-alive` of the others: the faults of a card are those of its firmware.
#[test]
fn faults_of_the_start_are_those_of_other_silicon() {
    for (fault, told) in [
        (Fault::NeverAlive, "fault: never-alive\n"),
        (Fault::AliveInvalid, "fault: alive-invalid\nALIVE: Runtime, valid false\n"),
    ] {
        let mut driver = Driver::with_faults("ax200", FaultPlan::none().with(fault));
        driver.start_image(RUNTIME);
        driver.mask(Int::empty());
        driver.pass(100 * MILLISECOND);
        assert!(driver.story().ends_with(told));
    }
}

/// A driver lets go of the clock as its host suspends; firmware that has run on still has one.
#[test]
fn a_card_whose_firmware_runs_is_woken() {
    let mut driver = Driver::new("ax200");
    let ready = |driver: &mut Driver| {
        driver.write(csr::CSR_GP_CNTRL, 0);
        let asleep = driver.read(csr::CSR_GP_CNTRL) & GpCntrl::MAC_CLOCK_READY.bits();
        driver.set(csr::CSR_GP_CNTRL, GpCntrl::MAC_ACCESS_REQ.bits());
        let awake = driver.read(csr::CSR_GP_CNTRL) & GpCntrl::MAC_CLOCK_READY.bits();
        (asleep != 0, awake != 0)
    };
    driver.boot(RUNTIME, 0);
    assert_eq!(ready(&mut driver), (false, true));
    driver.set(csr::CSR_RESET, Reset::SW_RESET.bits());
    assert_eq!(ready(&mut driver), (false, false), "it was powered off");
}
