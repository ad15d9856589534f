//! What a guest can do wrong: it becomes events and device state, never a panic.

use crate::support::{Driver, INIT, MILLISECOND, RUNTIME};
use iwl_card::{CardEvent, Fault, FaultPlan, cards};
use iwl_hw::csr::{self, Int, Reset};
use iwl_hw::dvm;
use iwl_hw::fh;
use iwl_hw::maps::Bar;
use iwl_hw::packet::{self, CmdHeader};
use iwl_hw::tfd::{IWL_NUM_OF_TBS, Tfd, TfdTb};
use iwl_hw::tfh::TfhTfd;
use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

const QUEUE: u8 = dvm::IWL_DEFAULT_CMD_QUEUE_NUM;

fn booted() -> Driver {
    let mut driver = Driver::new("6205");
    driver.boot(RUNTIME, QUEUE);
    driver.story();
    driver
}

fn alive_again(driver: &mut Driver) {
    let alive = driver.boot(RUNTIME, QUEUE);
    assert_eq!(alive.id, dvm::id::REPLY_ALIVE);
}

#[test]
fn a_descriptor_of_too_many_buffers_is_passed_over() {
    let mut driver = booted();
    let mut tfd = Tfd::new(&[TfdTb::new(0, 4)]);
    tfd.num_tbs = IWL_NUM_OF_TBS as u8 + 1;
    driver.put_descriptor(QUEUE, 0, &tfd);
    driver.ring(QUEUE);
    assert_eq!(
        driver.story(),
        "bad input: descriptor 0 of queue 4: more buffers than it has room for\n"
    );
    driver.put_descriptor(QUEUE, 1, &Tfd::new(&[]));
    driver.ring(QUEUE);
    assert_eq!(driver.story(), "bad input: descriptor 1 of queue 4: no buffers\n");
    driver.enqueue(QUEUE, &[0x10]);
    assert_eq!(driver.story(), "bad input: descriptor 2 of queue 4: a command of 1 bytes\n");
    // The queue goes on.
    driver.command(QUEUE, dvm::id::REPLY_ADD_STA, &[0; 92]);
}

#[test]
fn a_doorbell_for_no_queue_is_told() {
    let mut driver = booted();
    driver.write(csr::HBUS_TARG_WRPTR, csr::wrptr::value(fh::QUEUES, 1));
    assert_eq!(driver.story(), "bad input: a doorbell for transmit queue 31\n");
    driver.write(csr::HBUS_TARG_WRPTR, u32::MAX);
    assert_eq!(driver.story(), "bad input: a doorbell for transmit queue 16777215\n");
}

#[test]
fn a_buffer_out_of_memory_is_a_hardware_error() {
    let mut driver = booted();
    let nowhere = 0xf_0000_0000;
    driver.put_descriptor(QUEUE, 0, &Tfd::new(&[TfdTb::new(nowhere, 64)]));
    driver.ring(QUEUE);
    assert_eq!(
        driver.story(),
        "DMA fault: transmit queue, 64 bytes at 0xf00000000\nMsi: Int(HW_ERR)\n"
    );
    assert_eq!(driver.take_ict(), [Int::HW_ERR.ict_entry()]);
    // Nothing runs until a reset.
    driver.ring(QUEUE);
    driver.pass(1000 * MILLISECOND);
    assert_eq!(driver.story(), "");
    alive_again(&mut driver);
}

#[test]
fn an_upload_from_nowhere_or_too_long_is_refused() {
    let mut driver = Driver::new("7260");
    driver.init();
    driver.story();
    driver.start_transfer(0, 0, fh::FH_MEM_TB_MAX_LENGTH + 1);
    assert_eq!(driver.story(), "bad input: a service channel transfer of 0x20001 bytes\n");
    driver.start_transfer(0, 0, 0);
    assert_eq!(driver.story(), "bad input: a service channel transfer of 0x0 bytes\n");
    driver.start_transfer(u64::from(u32::MAX), 0, 64);
    assert_eq!(driver.story(), "DMA fault: service channel, 64 bytes at 0xffffffff\n");
    assert_eq!(driver.take_causes(), Int::HW_ERR);
}

/// Without receive buffers packets wait, and so do commands; then all comes, none is lost.
#[test]
fn packets_wait_for_buffers() {
    let mut driver = booted();
    driver.offer_rx(1);
    let mut sent = Vec::new();
    for queue in [QUEUE, QUEUE + 1, QUEUE + 2] {
        if queue != QUEUE {
            driver.activate(queue);
        }
        for index in 0..250 {
            let sequence = packet::sequence(queue, index);
            let cmd = dvm::id::REPLY_ADD_STA;
            let header = CmdHeader { cmd, group_id: 0, sequence: sequence.into() };
            driver.enqueue(queue, header.as_bytes());
            sent.push(sequence);
        }
    }
    assert_eq!(driver.take_packets(), []);
    let mut received = Vec::new();
    while received.len() < sent.len() {
        // ALIVE took the first buffer.
        let window = 1 + received.len() + 200;
        driver.offer_rx((window % 256) as u32);
        let packets = driver.take_packets();
        assert!(!packets.is_empty(), "lost after {}", received.len());
        received.extend(packets.into_iter().map(|packet| packet.sequence));
    }
    // One queue may overtake another.
    received.sort_unstable();
    assert_eq!(received, sent);
}

/// A reset in the middle forgets what was under way.
#[test]
fn a_reset_forgets_what_is_under_way() {
    let mut driver = Driver::new("6205");
    driver.start_image(INIT);
    driver.write(csr::CSR_RESET, Reset::SW_RESET.bits());
    driver.story();
    driver.pass(1000 * MILLISECOND);
    assert_eq!((driver.story(), driver.card.deadline()), (String::new(), None));
    alive_again(&mut driver);
}

#[test]
fn an_nmi_is_a_microcode_error() {
    let mut driver = booted();
    driver.write_prph(iwl_hw::prph::DEVICE_SET_NMI_REG, 0x80);
    assert_eq!(driver.story(), "Msi: Int(SW_ERR)\n");
}

fn faulty(fault: Fault) -> Driver {
    Driver::with_faults("6205", FaultPlan::none().with(fault))
}

#[test]
fn the_clock_can_stay_off() {
    let mut driver = faulty(Fault::ClockNeverReady);
    driver.init();
    driver.story();
    driver.init();
    assert!(!driver.clock_ready());
    assert!(!driver.clock_ready());
    let told = "reset: software\nfault: clock-never-ready\n";
    assert_eq!(driver.story(), told, "once per reset");
}

#[test]
fn the_firmware_can_stay_silent() {
    let mut driver = faulty(Fault::NeverAlive);
    driver.start_image(INIT);
    driver.pass(1000 * MILLISECOND);
    assert_eq!(driver.take_packets(), []);
    assert!(driver.story().ends_with("fault: never-alive\n"));
}

#[test]
fn alive_can_be_invalid() {
    let alive = faulty(Fault::AliveInvalid).boot(INIT, QUEUE);
    let alive = dvm::AliveResp::read_from_bytes(&alive.payload).expect("its size");
    assert_ne!(alive.is_valid.get(), dvm::UCODE_VALID_OK);
}

#[test]
fn a_section_can_go_unannounced() {
    let mut driver = faulty(Fault::NoFhTx);
    driver.init();
    driver.mask(Int::FH_TX);
    driver.upload(0, INIT);
    assert_eq!(driver.take_causes(), Int::empty());
    assert!(driver.story().ends_with("fault: no-fh-tx\n"));
}

#[test]
fn the_hardware_can_fail_after_alive() {
    let mut driver = faulty(Fault::HwErrorAfterAlive);
    driver.start_image(INIT);
    driver.pass(10 * MILLISECOND);
    // As the driver does when it turns to its table in memory, which may be just then.
    driver.write(csr::CSR_INT, u32::MAX);
    assert!(driver.take_causes().contains(Int::HW_ERR), "nobody has seen it yet");
    driver.write(csr::CSR_INT, u32::MAX);
    assert!(!driver.take_causes().contains(Int::HW_ERR), "seen, and acknowledged");
}

#[test]
fn calibration_can_hang() {
    let mut driver = faulty(Fault::NoCalibration);
    driver.boot(INIT, QUEUE);
    driver.command(QUEUE, dvm::id::CALIBRATION_CFG_CMD, &[0; 92]);
    driver.pass(1000 * MILLISECOND);
    let packets = driver.take_packets();
    let complete = dvm::id::CALIBRATION_COMPLETE_NOTIFICATION;
    assert!(!packets.is_empty() && packets.iter().all(|packet| packet.id != complete));
}

#[test]
fn all_registers_can_go_away() {
    let mut driver = faulty(Fault::AllOnes { from: 1 });
    assert_ne!(driver.read(csr::CSR_HW_REV), u32::MAX);
    assert_eq!(driver.read(csr::CSR_HW_REV), u32::MAX);
    assert_eq!(driver.read(csr::CSR_INT), u32::MAX);
    assert_eq!(driver.story(), "fault: all-ones\n", "told once");
}

/// One thing that a guest can do.
#[derive(Debug, Clone)]
enum Act {
    Read {
        offset: u64,
        len: usize,
    },
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    /// A write to a register that has a meaning, of a value it may like.
    Register {
        which: prop::sample::Index,
        value: u32,
    },
    Prph {
        address: u32,
        value: u32,
    },
    ConfigRead {
        offset: u64,
        len: usize,
    },
    ConfigWrite {
        offset: u64,
        data: Vec<u8>,
    },
    /// A whole descriptor ring full of anything, and a doorbell.
    Ring {
        queue: u8,
        index: u8,
        tfd: Vec<u8>,
    },
    Pass(u64),
    Reset,
}

fn value() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        Just(0),
        Just(u32::MAX),
        (0..32u32).prop_map(|bit| 1 << bit),
        0..0x1_0000u32,
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let bar = prop_oneof![0..0x4100u64, any::<u64>()];
    let config = prop_oneof![0..0x1100u64, any::<u64>()];
    prop_oneof![
        2 => (bar.clone(), 0..17usize).prop_map(|(offset, len)| Act::Read { offset, len }),
        2 => (bar, prop::collection::vec(any::<u8>(), 0..17))
            .prop_map(|(offset, data)| Act::Write { offset, data }),
        8 => (any::<prop::sample::Index>(), value())
            .prop_map(|(which, value)| Act::Register { which, value }),
        2 => (
            prop_oneof![
                0xa0_2c00..0xa0_3000u32,
                0xa0_5c00..0xa0_5c50u32,
                0xa0_8000..0xa0_8300u32,
                0xa0_9800..0xa0_9830u32,
            ],
            value(),
        )
            .prop_map(|(address, value)| Act::Prph { address, value }),
        1 => (config.clone(), 0..9usize).prop_map(|(offset, len)| Act::ConfigRead { offset, len }),
        1 => (config, prop::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(offset, data)| Act::ConfigWrite { offset, data }),
        4 => (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), size_of::<TfhTfd>()))
            .prop_map(|(queue, index, tfd)| Act::Ring { queue, index, tfd }),
        1 => (0..100 * MILLISECOND).prop_map(Act::Pass),
        1 => Just(Act::Reset),
    ]
}

fn perform(driver: &mut Driver, act: Act) {
    match act {
        Act::Read { offset, len } => {
            driver.card.bar_read(&mut driver.world, offset, &mut vec![0; len]);
        }
        Act::Write { offset, data } => driver.card.bar_write(&mut driver.world, offset, &data),
        Act::Register { which, value } => {
            let maps = Bar::ALL.into_iter().flat_map(|bar| bar.map().iter());
            let mut offsets: Vec<u32> = maps.map(|register| register.offset).collect();
            offsets.sort_unstable();
            offsets.dedup();
            driver.write(*which.get(&offsets), value);
        }
        Act::Prph { address, value } => driver.write_prph(address, value),
        Act::ConfigRead { offset, len } => {
            driver.card.config_read(&mut driver.world, offset, &mut vec![0; len]);
        }
        Act::ConfigWrite { offset, data } => {
            driver.card.config_write(&mut driver.world, offset, &data);
        }
        Act::Ring { queue, index, tfd } => {
            let queue = queue % fh::QUEUES;
            let (short, _) = Tfd::read_from_prefix(&tfd).expect("its size");
            let long = TfhTfd::read_from_bytes(&tfd).expect("its size");
            if driver.gen2 {
                driver.put_tfh(queue, index, &long);
                driver.write(
                    csr::HBUS_TARG_WRPTR,
                    csr::wrptr_wide::value(queue, u16::from(index) + 1),
                );
                return driver.settle();
            }
            driver.put_descriptor(queue, index, &short);
            driver.activate(queue);
            driver.write(csr::HBUS_TARG_WRPTR, csr::wrptr::value(queue, index.wrapping_add(1)));
        }
        Act::Pass(time) => driver.pass(time),
        Act::Reset => driver.card.reset(&mut driver.world),
    }
    driver.settle();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever a guest does, the card survives it, running firmware or not.
    #[test]
    fn nothing_panics(
        which in any::<prop::sample::Index>(),
        boot in any::<bool>(),
        lazy in any::<bool>(),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let spec = which.get(cards());
        let mut driver = Driver::new(spec.name);
        driver.world.lazy = lazy;
        if boot {
            driver.boot(b"unknown", 0);
        }
        for act in acts {
            perform(&mut driver, act);
        }
        let faulted = driver.world.events.iter().any(|event| matches!(event, CardEvent::DmaFault { .. }));
        // A bus error leaves the firmware dead, not the card.
        if faulted {
            driver.card.reset(&mut driver.world);
            prop_assert_eq!(driver.read(csr::CSR_HW_REV), spec.hw_rev);
        }
    }

    /// A command of any bytes gets at most an answer.
    #[test]
    fn any_command_is_survived(
        which in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut driver = Driver::new(which.get(cards()).name);
        driver.boot(RUNTIME, 0);
        driver.enqueue(0, &bytes);
        driver.pass(10_000 * MILLISECOND);
    }
}
