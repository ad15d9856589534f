//! AX210 and Wi-Fi 7: the image loader, the platform's NVM, other descriptors, another CSR.

use expect_test::expect;
use iwl_card::{Card, CardOptions, Fault, FaultPlan, Irq, KnownSections};
use iwl_hw::csr::{self, GpCntrlBz, Int, wrptr_wide};
use iwl_hw::csr_bz::{CSR_DOORBELL_VECTOR, CSR_IPC_SLEEP_CONTROL, mac_addr, sleep_control};
use iwl_hw::ctxt::info_v2::{self, Region};
use iwl_hw::ctxt::mac_addr as older;
use iwl_hw::mld::{self, AliveV8, NvmGetInfoRspV4, ScdQueueCfgCmd};
use iwl_hw::msix::{CSR_MSIX_HW_INT_CAUSES_AD, HwCauses};
use iwl_hw::mvm::{
    self, TxQueueCfgRsp, UmacScanComplete, id, init_flags, regulatory_and_nvm, system,
};
use iwl_hw::prph::{UREG_DOORBELL_TO_ISR6, doorbell};
use iwl_hw::versions::CmdVersion;
use iwl_ucode::format::Version;
use iwl_ucode::names::{
    IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT, IWL_UCODE_TLV_LMAC_DEBUG_ADDRS,
    IWL_UCODE_TLV_SEC_RT, IWL_UCODE_TLV_UMAC_DEBUG_ADDRS,
};
use iwl_ucode::{UcodeBuilder, marker};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use crate::support::gen2::{INFO, LOADER_LEN, SCRATCH, tfh_ring};
use crate::support::{Driver, MILLISECOND, RUNTIME};

const NVM: u8 = mvm::REGULATORY_AND_NVM_GROUP;
const BOTH: [&str; 2] = ["ax210", "be200"];
/// Of no memory.
const NOWHERE: u64 = 0xf_0000_0000;

fn booted(card: &str) -> Driver {
    let mut driver = Driver::new(card);
    driver.boot(RUNTIME, 0);
    driver.story();
    driver
}

/// The doorbell, where each has it.
fn ring(driver: &mut Driver, bits: u32) {
    match driver.bz && bits & doorbell::PNVM == 0 {
        true => driver.write(CSR_DOORBELL_VECTOR, bits),
        false => driver.write_prph(UREG_DOORBELL_TO_ISR6, bits),
    }
}

#[test]
fn the_loader_fetches_the_image() {
    for card in BOTH {
        let mut driver = Driver::new(card);
        let alive = driver.boot(RUNTIME, 0);
        assert_eq!(alive.id, id::UCODE_ALIVE_NTFY, "{card}");
        let story = driver.story();
        let start: Vec<_> = story.lines().take(6).collect();
        assert_eq!(
            start,
            [
                "reset: software",
                "image loader: 64 bytes",
                "section: Runtime 0, 16 bytes",
                "section: Runtime 1, 16 bytes",
                "CPU released: Runtime, 2 sections, 32 bytes",
                "ALIVE: Runtime, valid true",
            ],
            "{card}"
        );
        let iml = HwCauses::WAKEUP.bits();
        assert_eq!(driver.read(CSR_MSIX_HW_INT_CAUSES_AD) & iml, iml, "polled for, by MSI too");
    }
}

/// Wi-Fi 7's file decides what it speaks; it takes the country, scans, and has its own queues.
#[test]
fn wifi7_speaks_what_its_file_does() {
    let mut driver = Driver::new("be200");
    let alive = driver.boot(&marker::with_api(marker::RUNTIME, 1107), 0);
    assert_eq!(alive.payload.len(), size_of::<AliveV8>());
    driver.long_command(
        mvm::SYSTEM_GROUP,
        system::INIT_EXTENDED_CFG_CMD,
        &init_flags::PHY.to_le_bytes(),
    );
    driver.long_command(mvm::LONG_GROUP, id::PHY_CONFIGURATION_CMD, &[0; 28]);
    driver.pass(20 * MILLISECOND);
    let last = driver.take_packets().pop().map(|packet| packet.id);
    assert_eq!(last, Some(id::INIT_COMPLETE_NOTIF));
    let info = driver.long_command(NVM, regulatory_and_nvm::NVM_GET_INFO, &[0; 4]);
    let info = NvmGetInfoRspV4::read_from_bytes(&info.payload).expect("its size");
    assert_eq!((info.lar_enabled.get(), info.tx_chains.get(), info.n_channels.get()), (1, 3, 110));
    assert_eq!(info.mac_sku_flags.get(), 0x1f, "11ax too");
    let mcc = driver.long_command(mvm::LONG_GROUP, mld::id::MCC_UPDATE_CMD, &[0; 12]);
    assert_eq!(mcc.payload.len(), 24 + 4 * mld::CHANNELS);

    driver.long_command(mvm::LONG_GROUP, id::SCAN_REQ_UMAC, &7_u32.to_le_bytes());
    driver.pass(1000 * MILLISECOND);
    let done = driver.take_packets().pop().expect("the scan's end");
    let complete = UmacScanComplete::read_from_bytes(&done.payload).expect("its size");
    assert_eq!((done.id, complete.uid.get(), complete.status), (id::SCAN_COMPLETE_UMAC, 7, 1));

    let mut add = ScdQueueCfgCmd::new_zeroed();
    (add.sta_mask, add.tid) = (2.into(), 3);
    (add.cb_size, add.tfdq_dram_addr) = (7.into(), tfh_ring(1).into());
    let config = |driver: &mut Driver, config: &ScdQueueCfgCmd| {
        let id = mld::data_path::SCD_QUEUE_CONFIG_CMD;
        let answer = driver.long_command(mvm::DATA_PATH_GROUP, id, config.as_bytes());
        TxQueueCfgRsp::read_from_bytes(&answer.payload).expect("its size").queue_number.get()
    };
    assert_eq!(config(&mut driver, &add), 1);
    let (mut another, mut remove) = (add, add);
    another.tid = 4;
    assert_eq!(config(&mut driver, &another), 2);
    remove.operation = mld::IWL_SCD_QUEUE_REMOVE.into();
    config(&mut driver, &remove);
    assert_eq!(config(&mut driver, &add), 1, "free again");

    assert_eq!(alive.payload[116..120], [0x20, 0x11, 5, 0], "the SKU");

    // A file of before c100 leads to iwlmvm.
    let alive = driver.boot(&marker::with_api(marker::RUNTIME, 93), 0);
    assert_eq!(alive.payload.len(), size_of::<mvm::AliveV3>());
}

/// The driver tells that its host suspends, and that it has resumed; each time it waits for a word in
/// memory and an interrupt.
#[test]
fn the_host_suspends_and_resumes() {
    for card in BOTH {
        let mut driver = Driver::new(card);
        let tell = |driver: &mut Driver, bit: u32, word: u32| {
            match driver.bz {
                true => driver.write(CSR_IPC_SLEEP_CONTROL, word),
                false => driver.write_prph(UREG_DOORBELL_TO_ISR6, bit),
            }
            driver.settle();
            let told = &driver.world.memory[(INFO + info_v2::SLEEP_NOTIF) as usize..][..4];
            u32::from_le_bytes(told.try_into().expect("4 bytes"))
        };
        let (suspend, resume) = (doorbell::SUSPEND, doorbell::RESUME);
        assert_eq!(
            tell(&mut driver, suspend, sleep_control::SUSPEND),
            0,
            "{card}: nobody is there"
        );
        driver.boot(RUNTIME, 0);
        let wakes = |driver: &mut Driver| driver.story().contains("WAKEUP");
        driver.story();
        let told = tell(&mut driver, suspend, sleep_control::SUSPEND);
        assert_eq!(told, info_v2::IWL_D3_SLEEP_STATUS_SUSPEND, "{card}");
        assert!(wakes(&mut driver), "{card}");
        let told = tell(&mut driver, resume, sleep_control::RESUME);
        assert_eq!(told, info_v2::IWL_D3_SLEEP_STATUS_RESUME, "{card}");
        assert!(wakes(&mut driver), "{card}");
        let last = driver.take_packets().pop().map(|packet| (packet.group, packet.id));
        assert_eq!(last, Some((mvm::PROT_OFFLOAD_GROUP, mvm::D3_END_NOTIFICATION)), "{card}");
    }
}

/// The address is in registers, of each family its own.
#[test]
fn an_address_that_is_none() {
    for (card, places) in [
        ("ax210", [older::CSR_MAC_ADDR0_OTP, older::CSR_MAC_ADDR1_OTP]),
        ("be200", [mac_addr::CSR_MAC_ADDR0_OTP_BZ, mac_addr::CSR_MAC_ADDR1_OTP_BZ]),
    ] {
        let fault = "nvm-mac=ones".parse().expect("a fault");
        let mut driver = Driver::with_faults(card, FaultPlan::none().with(fault));
        assert_eq!(places.map(|place| driver.read(place)), [u32::MAX, 0xffff], "{card}");
        assert!(driver.story().contains("fault: nvm-mac"), "{card}");
    }
}

#[test]
fn a_session_that_is_removed_is_silent() {
    let mut driver = Driver::new("be200");
    driver.boot(&marker::with_api(marker::RUNTIME, 1107), 0);
    let send = |driver: &mut Driver, action: u32, conf: u32| {
        let mut session = mld::SessionProtCmd::new_zeroed();
        (session.action, session.conf_id) = (action.into(), conf.into());
        session.duration_tu = 100.into();
        let id = mld::mac_conf::SESSION_PROTECTION_CMD;
        driver.long_command(mld::MAC_CONF_GROUP, id, session.as_bytes());
    };
    let told = |driver: &mut Driver| -> Vec<_> {
        driver.pass(150 * MILLISECOND);
        let notifications = driver.take_packets().into_iter().map(|packet| {
            let told = mld::SessionProtNotif::read_from_bytes(&packet.payload).expect("its size");
            (told.conf_id.get(), told.start.get())
        });
        notifications.collect()
    };
    for conf in [3, 4] {
        send(&mut driver, mvm::FW_CTXT_ACTION_ADD, conf);
    }
    send(&mut driver, mvm::FW_CTXT_ACTION_REMOVE, 3);
    assert_eq!(told(&mut driver), [(4, 1), (4, 0)]);
}

/// The ring has 65536 indices; its places are fewer.
#[test]
fn commands_go_round_the_ring() {
    for card in BOTH {
        let mut driver = booted(card);
        for index in 0..100 {
            driver.offer_rx((index + 400) % 512);
            driver.long_command(mvm::LONG_GROUP, id::SHARED_MEM_CFG, &[0; 4]);
        }
    }
}

#[test]
fn the_platforms_nvm_is_looked_for_when_the_bell_rings() {
    for card in BOTH {
        let mut driver = booted(card);
        ring(&mut driver, doorbell::PNVM);
        driver.pass(10 * MILLISECOND);
        let packet = driver.take_packets().pop().expect("the word that it is done");
        assert_eq!((packet.group, packet.id), (NVM, regulatory_and_nvm::PNVM_INIT_COMPLETE_NTFY));
        assert!(driver.story().starts_with("PNVM: 0 bytes\n"), "{card}: none was there");
        let mut region = Region::new_zeroed();
        (region.base_addr, region.size) = (0xb000.into(), 300.into());
        let at = (SCRATCH + 16) as usize;
        driver.world.memory[at..at + size_of::<Region>()].copy_from_slice(region.as_bytes());
        ring(&mut driver, doorbell::PNVM);
        driver.pass(10 * MILLISECOND);
        assert!(driver.story().starts_with("PNVM: 300 bytes\n"), "{card}");
        region.base_addr = NOWHERE.into();
        driver.world.memory[at..at + size_of::<Region>()].copy_from_slice(region.as_bytes());
        ring(&mut driver, doorbell::PNVM);
        assert!(driver.story().starts_with("DMA fault: context information, 16 bytes at 0xf"));
        // Before there is a firmware nobody hears the bell.
        driver.software_reset();
        driver.story();
        ring(&mut driver, doorbell::PNVM);
        driver.pass(10 * MILLISECOND);
        assert_eq!(driver.story(), "");
    }
}

#[test]
fn a_reset_is_agreed_on_and_an_nmi_is_an_error() {
    for card in BOTH {
        let mut driver = booted(card);
        driver.take_causes();
        ring(&mut driver, doorbell::RESET_HANDSHAKE);
        assert!(driver.story().contains("RESET_DONE"), "{card}");
        ring(&mut driver, doorbell::NMI_BIT);
        assert!(driver.story().contains("SW_ERR"), "{card}");
        driver.take_causes();
        ring(&mut driver, doorbell::RESET_HANDSHAKE);
        assert_eq!(driver.story(), "", "nobody answers");
    }
}

/// The error has a bit of its own on Wi-Fi 7.
#[test]
fn each_has_its_bit_for_an_error() {
    for (card, bit) in [("ax210", HwCauses::SW_ERR), ("be200", HwCauses::SW_ERR_BZ)] {
        let mut driver = crate::rfh::with_vectors(card, FaultPlan::none());
        driver.boot_with(RUNTIME, crate::rfh::route);
        crate::rfh::handle_all(&mut driver);
        ring(&mut driver, doorbell::NMI_BIT);
        assert!(matches!(driver.world.raised[..], [Irq::Msix { .. }]), "{card}");
        assert_eq!(driver.read(CSR_MSIX_HW_INT_CAUSES_AD) & bit.bits(), bit.bits(), "{card}");
    }
}

#[test]
fn context_information_that_makes_no_sense_is_told() {
    for card in BOTH {
        let mut driver = Driver::new(card);
        driver.init();
        driver.story();
        let (info, scratch) = driver.context_v2();
        let mut run = |info, scratch, len| {
            driver.run_loader(&info, &scratch, len);
            driver.pass(100 * MILLISECOND);
            driver.story()
        };
        let mut without = scratch;
        without.lmac_img[0] = 0.into();
        let told = run(info, without, LOADER_LEN);
        assert_eq!(told, "bad input: context information without an image\n", "{card}");
        let mut large = info;
        large.mtr_size = 14.into();
        let told = run(large, scratch, LOADER_LEN);
        assert_eq!(told, "bad input: context information with too large a command queue\n");
        for len in [0, u32::MAX] {
            let told = run(info, scratch, len);
            assert_eq!(told, "bad input: an image loader of no length, or too long\n");
        }
        let mut nowhere = info;
        nowhere.prph_scratch_base_addr = NOWHERE.into();
        let told = run(nowhere, scratch, LOADER_LEN);
        let what = "DMA fault: context information, 1660 bytes at 0xf00000000\n";
        assert!(told.starts_with(what), "{told}");
        assert_eq!(driver.boot(RUNTIME, 0).id, id::UCODE_ALIVE_NTFY, "after a reset it starts");
    }
}

/// At any point: what was under way is forgotten, and the card starts again.
#[test]
fn a_reset_at_any_point_is_a_new_beginning() {
    for (card, pending) in BOTH.into_iter().flat_map(|card| (0..12).map(move |ms| (card, ms))) {
        let mut driver = Driver::new(card);
        driver.world.lazy = true;
        driver.init();
        let (info, scratch) = driver.context_v2();
        driver.run_loader(&info, &scratch, LOADER_LEN);
        driver.world.lazy = false;
        driver.pass(pending * MILLISECOND);
        driver.software_reset();
        driver.story();
        driver.pass(1000 * MILLISECOND);
        assert_eq!((driver.story(), driver.card.deadline()), (String::new(), None), "{card}");
        assert_eq!(driver.boot(RUNTIME, 0).id, id::UCODE_ALIVE_NTFY);
    }
}

/// Clock, address, bus mastering: all in other places.
#[test]
fn the_csr_of_wifi7_is_another() {
    let mut driver = Driver::new("be200");
    driver.init();
    assert!(driver.clock_ready());
    assert_eq!(driver.read(mac_addr::CSR_MAC_ADDR0_OTP_BZ), 0x0269_7727);
    driver.set(csr::CSR_GP_CNTRL, GpCntrlBz::BUS_MASTER_DISABLE_REQ.bits());
    let stopped = GpCntrlBz::BUS_MASTER_DISABLE_STATUS.bits();
    assert_eq!(driver.read(csr::CSR_GP_CNTRL) & stopped, stopped);
    driver.card.set_rf_kill(&mut driver.world, true);
    let switch = csr::GpCntrl::HW_RF_KILL_SW.bits();
    assert_eq!(driver.read(csr::CSR_GP_CNTRL) & switch, 0);
    driver.software_reset();
    assert!(!driver.clock_ready());
}

/// Receive and transmit share the doorbell; what is for no queue is told.
#[test]
fn doorbells_for_no_queue_are_told_and_no_more() {
    let mut driver = booted("be200");
    for queue in [1, 511] {
        driver.write(csr::HBUS_TARG_WRPTR, queue << 16 | 1);
        assert_eq!(driver.story(), format!("bad input: a doorbell for transmit queue {queue}\n"));
    }
    for queue in [wrptr_wide::RX_QUEUES + 1, u32::MAX >> 16] {
        driver.write(csr::HBUS_TARG_WRPTR, queue << 16 | 0xffff);
        assert_eq!(driver.story(), "", "queue {queue} takes the first one's buffers");
    }
    driver.long_command(mvm::LONG_GROUP, id::SHARED_MEM_CFG, &[0; 4]);
}

#[test]
fn faults_are_those_of_other_silicon() {
    for card in BOTH {
        let mut driver = Driver::with_faults(card, FaultPlan::none().with(Fault::ClockNeverReady));
        driver.init();
        assert!(!driver.clock_ready(), "{card}");
        let mut driver = Driver::with_faults(card, FaultPlan::none().with(Fault::NeverAlive));
        driver.start_image(RUNTIME);
        driver.mask(Int::empty());
        driver.pass(100 * MILLISECOND);
        assert!(driver.story().ends_with("fault: never-alive\n"), "{card}");
        let mut driver = Driver::with_faults(card, FaultPlan::none().with(Fault::RfKill));
        driver.init();
        let switch = csr::GpCntrl::HW_RF_KILL_SW.bits();
        assert_eq!(driver.read(csr::CSR_GP_CNTRL) & switch, 0, "{card}");
    }
}

#[test]
fn a_loader_that_is_not_taken_fetches_nothing() {
    for card in BOTH {
        let mut driver = Driver::with_faults(card, FaultPlan::none().with(Fault::ImlRefused));
        driver.start_image(RUNTIME);
        driver.pass(1000 * MILLISECOND);
        let story = driver.story();
        assert!(story.ends_with("image loader: 64 bytes\nfault: iml-refused\n"), "{card}: {story}");
        assert_eq!(driver.read(CSR_MSIX_HW_INT_CAUSES_AD) & HwCauses::WAKEUP.bits(), 0, "{card}");
    }
}

#[test]
fn what_the_firmware_does_not_answer() {
    for card in BOTH {
        for (fault, bits, told) in [
            (Fault::NoPnvmComplete, doorbell::PNVM, "PNVM: 0 bytes\nfault: no-pnvm-complete\n"),
            (Fault::NoResetDone, doorbell::RESET_HANDSHAKE, "fault: no-reset-done\n"),
        ] {
            let mut driver = Driver::with_faults(card, FaultPlan::none().with(fault));
            driver.boot(RUNTIME, 0);
            driver.story();
            ring(&mut driver, bits);
            driver.pass(1000 * MILLISECOND);
            assert_eq!(driver.story(), told, "{card}");
        }
    }
}

/// What passes, from the loader to the answer of a command.
#[test]
fn the_story_of_ax210() {
    let mut driver = Driver::new("ax210");
    driver.boot(RUNTIME, 0);
    driver.long_command(NVM, regulatory_and_nvm::NVM_GET_INFO, &[0; 4]);
    expect![[r#"
        reset: software
        image loader: 64 bytes
        section: Runtime 0, 16 bytes
        section: Runtime 1, 16 bytes
        CPU released: Runtime, 2 sections, 32 bytes
        ALIVE: Runtime, valid true
        Msi: Int(ALIVE)
        packet: UCODE_ALIVE_NTFY, 144 bytes, notification true
        command: NVM_GET_INFO, queue 0, 4 bytes, modelled true
        NVM: NVM_GET_INFO 0+128, present true
        packet: NVM_GET_INFO, 128 bytes, notification false
        Msi: Int(FH_RX)
    "#]]
    .assert_eq(&driver.story());
}

/// A file that promises this of its firmware, beside a runtime image of these contents.
fn promising(rows: &[CmdVersion], logs: [u32; 2]) -> (Vec<u8>, [(u32, Vec<u8>); 2]) {
    let sections = [(0x40_0000, vec![3; 128]), (0x80_0000, vec![4; 128])];
    let file = UcodeBuilder::new(Version(89 << 8)).cmd_versions(rows);
    let file = file.capabilities(&[IWL_UCODE_TLV_CAPA_MCC_UPDATE_11AX_SUPPORT]);
    let [lmac, umac] = logs.map(|log| (log | 0xc000_0000).to_le_bytes());
    let file = file
        .tlv(IWL_UCODE_TLV_LMAC_DEBUG_ADDRS, [&lmac[..], &[0; 28]].concat())
        .tlv(IWL_UCODE_TLV_UMAC_DEBUG_ADDRS, [&umac[..], &[0; 4]].concat());
    let file = sections
        .iter()
        .fold(file, |file, (dst, content)| file.section(IWL_UCODE_TLV_SEC_RT, *dst, content));
    (file.build(), sections)
}

/// What the file says decides, whoever made it: versions, and where the firmware keeps its logs.
#[test]
fn firmware_speaks_what_its_own_file_promises() {
    let row = |group, cmd, cmd_ver, notif_ver| CmdVersion { cmd, group, cmd_ver, notif_ver };
    let (nvm, mcc) = (regulatory_and_nvm::NVM_GET_INFO, mld::id::MCC_UPDATE_CMD);
    for (alive_ver, alive_len, nvm_ver, nvm_len, mcc_ver, mcc_len) in [
        (5, 128, 3, 128, 5, 20 + 4 * mld::CHANNELS),
        (6, 144, 4, 468, 6, 20 + 4 * mld::CHANNELS),
        (8, 152, 5, 488, 10, 24 + 4 * mld::CHANNELS),
    ] {
        let rows = [
            row(mvm::LEGACY_GROUP, id::UCODE_ALIVE_NTFY, 99, alive_ver),
            row(NVM, nvm, 1, nvm_ver),
            row(mvm::LONG_GROUP, mcc, 1, mcc_ver),
            row(mvm::LONG_GROUP, id::SCAN_REQ_UMAC, 17, 0),
        ];
        let (file, sections) = promising(&rows, [0x4f_2358, 0x47_1488]);
        let known = KnownSections::of([file.as_slice()]);
        for card in ["ax200", "ax210", "be200"] {
            let spec = iwl_card::card(card).expect("a card");
            let options = CardOptions { known: known.clone(), ..CardOptions::default() };
            let mut driver = Driver::of(Card::new(spec, options));
            let alive = driver.boot_sections(&sections);
            assert_eq!(alive.payload.len(), alive_len, "{card} {alive_ver}");
            let lmac = mvm::LmacAlive::read_from_prefix(&alive.payload[4..]).expect("its size").0;
            let of_lmac = (lmac.error_event_table_ptr.get(), lmac.ucode_major.get());
            assert_eq!(of_lmac, (0x4f_2358, 89), "{card}");
            let umac = mvm::UmacAlive::read_from_prefix(&alive.payload[100..]).expect("its size");
            assert_eq!(umac.0.error_info_addr.get(), 0x47_1488, "{card}");
            let info = driver.long_command(NVM, nvm, &[0; 4]);
            assert_eq!(info.payload.len(), nvm_len, "{card} {nvm_ver}");
            let country = driver.long_command(mvm::LONG_GROUP, mcc, &[0; 12]);
            assert_eq!(country.payload.len(), mcc_len, "{card} {mcc_ver}");
            let scan: Vec<u8> = [7_u32, 9].into_iter().flat_map(u32::to_le_bytes).collect();
            driver.long_command(mvm::LONG_GROUP, id::SCAN_REQ_UMAC, &scan);
            driver.pass(1000 * MILLISECOND);
            let done = driver.take_packets().pop().expect("the scan's end");
            assert_eq!(done.payload[..4], [7, 0, 0, 0], "{card}: the id comes first");
        }
    }
}

/// Calibration begins when all has come that the driver said it would send.
#[test]
fn calibration_waits_for_what_was_announced() {
    let (nvm, phy) = (init_flags::NVM, init_flags::PHY);
    for (announced, begins_with) in [(nvm, "nvm"), (phy, "phy"), (nvm | phy, "phy")] {
        let mut driver = booted("ax210");
        let flags = announced.to_le_bytes();
        driver.long_command(mvm::SYSTEM_GROUP, system::INIT_EXTENDED_CFG_CMD, &flags);
        let mut ended = |group, id| {
            driver.long_command(group, id, &[0; 4]);
            driver.pass(20 * MILLISECOND);
            !driver.take_packets().is_empty()
        };
        let after_nvm = ended(NVM, regulatory_and_nvm::NVM_ACCESS_COMPLETE);
        let after_phy = ended(mvm::LONG_GROUP, id::PHY_CONFIGURATION_CMD);
        let expected = (begins_with == "nvm", begins_with == "phy");
        assert_eq!((after_nvm, after_phy), expected, "{announced:#x}");
    }
}
