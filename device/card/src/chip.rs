//! Everything behind BAR 0: its parts, its resets, its work.
//!
//! Register accesses (`regs`) only change state. What they set off is done by [`Chip::run`], one work item after the other; each reads all it needs from
//! host memory before its first effect, so that it can be dropped and repeated.

use iwl_hw::csr::{self, CSR_HW_REV, CSR_HW_RF_ID};
use iwl_hw::ctxt::info::CSR_CTXT_INFO_BA;
use iwl_hw::ctxt::info_v2::{self, CSR_CTXT_INFO_ADDR, CSR_IML_DATA_ADDR, CSR_IML_SIZE_ADDR};
use iwl_hw::maps::UMAC_PRPH_OFFSET;
use iwl_hw::prph::{self, doorbell};
use iwl_hw::rfh;

use crate::boot::{self, Context, Done, KnownSections, Section, Setup, Start, Upload, Uploaded};
use crate::cause::Cause;
use crate::event::{self, CardEvent, Image, Wrong};
use crate::faults::{Engine, Fault, FaultPlan};
use crate::fw::{self, Dialect, Failure, FailureKind, Firmware};
use crate::irq::Interrupts;
use crate::memory::SparseMemory;
use crate::message::{Command, Effect, Header, Later, MICROSECOND, MILLISECOND, Packet};
use crate::nvm::{Eeprom, Sections};
use crate::reach::Reach;
use crate::rings::Rings;
use crate::rx::{Delivery, Receive};
use crate::spec::{Boot, Mac, Silicon, Tx};
use crate::timers::{LIMIT, Timers};
use crate::tx::{Fetched, Transmit};
use crate::world::{DmaError, Events, Memory, Nanos, World};

/// A log that is empty, longer than what drivers dump of one.
const EMPTY_LOG: [u8; 512] = [0; 512];

/// Chip memory: more than the largest image.
const SRAM_BYTES: usize = 8 << 20;
/// Work items done at a time, so that no guest can hold the caller for long.
const WORK_AT_A_TIME: usize = 64;

/// From the release of the CPU to ALIVE.
const BOOT: Nanos = 5 * MILLISECOND;
/// How long the firmware takes over the platform's NVM.
const PNVM: Nanos = 5 * MILLISECOND;
/// From the ALIVE of a runtime image to its planned failure: its driver has set it up by then.
const RUNS: Nanos = 1000 * MILLISECOND;
/// From one ring of a vector that does not rest to the next.
const RESTLESS: Nanos = 20 * MICROSECOND;
/// So often it rings after a register access, until there is another: a driver that waits is let be.
const RINGS: u32 = 200;
/// From ALIVE to a planned hardware error.
const ERROR_AFTER_ALIVE: Nanos = MILLISECOND;

/// What the microcode does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cpu {
    /// Held in reset.
    Off,
    /// Released, not yet ALIVE.
    Booting,
    /// Takes commands.
    Running(Image),
    /// Stopped by an error; only a reset helps.
    Dead,
}

/// What is due at some time.
#[derive(Debug)]
enum Due {
    Alive(Image),
    HardwareError,
    UcodeError(Fault),
    /// A vector rings without a cause, and so many times more.
    Ring(u16, u32),
    Later(Later),
}

/// What a work item came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There was nothing to do.
    Idle,
    /// One thing was done.
    Done,
    /// It waits for data.
    Waiting,
}

/// What one chip is made of, and another not.
pub(crate) struct Parts {
    /// Its generation.
    pub(crate) silicon: &'static Silicon,
    /// `CSR_HW_REV`.
    pub(crate) hw_rev: u32,
    /// `CSR_HW_RF_ID`.
    pub(crate) rf_id: u32,
    /// Its address, where the silicon shows it.
    pub(crate) mac: [u8; 6],
    /// The EEPROM, if it has one.
    pub(crate) eeprom: Option<Eeprom>,
    /// The NVM's sections, if it has any.
    pub(crate) sections: Sections,
    /// What its own firmware speaks.
    pub(crate) dialect: Dialect,
    /// Which part of the platform's NVM is for it.
    pub(crate) sku: [u32; 3],
    /// What its driver may be given.
    pub(crate) known: KnownSections,
}

/// The chip.
#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) silicon: &'static Silicon,
    pub(crate) faults: FaultPlan,
    /// Values of BAR registers that are no more than storage, or storage that others look at.
    pub(crate) regs: Vec<u32>,
    pub(crate) prph: SparseMemory,
    pub(crate) sram: SparseMemory,
    pub(crate) irq: Interrupts,
    pub(crate) eeprom: Option<Eeprom>,
    pub(crate) upload: Upload,
    context: Context,
    /// Where the host tells of the platform's NVM, and whether it has said that it does.
    scratch: Option<u64>,
    pnvm: bool,
    /// The driver has said that it is about to reset the card.
    resetting: bool,
    /// Where the card tells of its state, and what the host has said that it does: whether it suspends.
    info: Option<u64>,
    sleeps: Option<bool>,
    pub(crate) rx: Receive,
    pub(crate) tx: Transmit,
    hw_rev: u32,
    rf_id: u32,
    mac: [u8; 6],
    /// The sections that the firmware reads out, if the silicon has such.
    sections: Sections,
    /// What the card's own firmware speaks.
    dialect: Dialect,
    /// Which part of the platform's NVM is for it.
    sku: [u32; 3],
    /// What its driver may be given.
    known: KnownSections,
    firmware: Box<dyn Firmware>,
    cpu: Cpu,
    /// The API number of the image that it runs, if that tells.
    api: Option<u16>,
    /// The header of the last host command.
    last_command: u32,
    timers: Timers<Due>,
    /// No ALIVE goes out before it is let go.
    hold_alive: bool,
    /// The image whose ALIVE is held.
    held_alive: Option<Image>,
    /// The RF-kill switch is on. It is no part of the chip: no reset moves it.
    rf_kill: bool,
    /// Register accesses so far.
    accesses: u64,
    /// Needless interrupts that are due.
    needless: Vec<Fault>,
    /// A vector that does not rest, after a register access.
    restless: Option<u16>,
    /// It is due to ring.
    rings: bool,
    /// Faults told since the last reset, of those that come again and again.
    told: Vec<Fault>,
    /// No image has run since power-on, and no vector has rung before it.
    early: bool,
    /// A packet was written to this queue, whose cause is not to be seen before it.
    landing: Option<u8>,
    /// Work was left for the next time.
    more: bool,
}

impl Chip {
    pub(crate) fn new(parts: Parts, faults: FaultPlan) -> Self {
        let Parts { silicon, hw_rev, rf_id, mac, eeprom, sections, dialect, sku, known } = parts;
        let mut chip = Self {
            silicon,
            rf_kill: faults.has(Fault::RfKill),
            hold_alive: faults.has(Fault::AliveHeld),
            held_alive: None,
            faults,
            regs: vec![0; (silicon.bar.size() / 4) as usize],
            prph: SparseMemory::new(silicon.prph.map().mask() as usize + 1),
            sram: SparseMemory::new(SRAM_BYTES),
            irq: Interrupts::new(silicon.irqs),
            eeprom,
            upload: Upload::new(),
            context: Context::default(),
            scratch: None,
            pnvm: false,
            resetting: false,
            info: None,
            sleeps: None,
            rx: Receive::new(silicon.rx),
            tx: Transmit::new(silicon.tx),
            hw_rev,
            rf_id,
            mac,
            sections,
            dialect,
            sku,
            known,
            firmware: fw::start(dialect, None, None, sku),
            cpu: Cpu::Off,
            api: None,
            last_command: 0,
            timers: Timers::new(),
            accesses: 0,
            needless: Vec::new(),
            restless: None,
            rings: false,
            told: Vec::new(),
            early: true,
            landing: None,
            more: false,
        };
        chip.reset();
        chip
    }

    /// Back to the state after power-on, but for device memory.
    pub(crate) fn reset(&mut self) {
        // Each field is named, so that none is forgotten.
        let Self {
            // What it is, and what goes wrong with it.
            silicon,
            hw_rev,
            rf_id,
            mac,
            sections: _,
            dialect: _,
            sku: _,
            known: _,
            faults: _,
            hold_alive: _,
            rf_kill: _,
            accesses: _,
            early: _,
            // Kept: an image is uploaded over it.
            sram: _,
            // A new one starts with each image.
            firmware: _,
            regs,
            prph,
            irq,
            eeprom,
            upload,
            context,
            scratch,
            pnvm,
            resetting,
            info,
            sleeps,
            rx,
            tx,
            cpu,
            api,
            last_command,
            timers,
            held_alive,
            needless,
            restless,
            rings,
            told,
            landing,
            more,
        } = self;
        regs.fill(0);
        let mut store = |offset: u32, value| regs[offset as usize / 4] = value;
        for register in silicon.bar.map().iter() {
            store(register.offset, register.reset);
        }
        store(CSR_HW_REV, *hw_rev);
        store(CSR_HW_RF_ID, *rf_id);
        if let Some(address) = silicon.bar.mac_address() {
            let [a, b, c, d, e, f] = *mac;
            store(address[0], u32::from_be_bytes([a, b, c, d]));
            store(address[1], u32::from_be_bytes([0, 0, e, f]));
        }
        if let Some(eeprom) = eeprom {
            eeprom.reset();
            for (offset, value) in eeprom.registers() {
                store(offset, value);
            }
        }
        prph.clear();
        if silicon.mac == Mac::Bz {
            let mask = silicon.prph.map().mask();
            for (address, value) in companion(*hw_rev) {
                // It is empty, and has room.
                let _ = prph.write_word(address & mask, value);
            }
        }
        irq.reset();
        *upload = Upload::new();
        *context = Context::default();
        *scratch = None;
        *pnvm = false;
        *resetting = false;
        *info = None;
        *sleeps = None;
        *rx = Receive::new(silicon.rx);
        *tx = Transmit::new(silicon.tx);
        *cpu = Cpu::Off;
        *api = None;
        *last_command = 0;
        timers.clear();
        *held_alive = None;
        needless.clear();
        (*restless, *rings) = (None, false);
        told.clear();
        *landing = None;
        *more = false;
    }

    /// A register's stored value.
    pub(crate) fn stored(&self, offset: u32) -> u32 {
        self.regs.get(offset as usize / 4).copied().unwrap_or(0)
    }

    /// Stores a register's value.
    pub(crate) fn store(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.regs.get_mut(offset as usize / 4) {
            *register = value;
        }
    }

    /// Stores a periphery register's value.
    pub(crate) fn store_prph(&mut self, address: u32, value: u32) {
        // The memory holds all addresses that the mask leaves.
        let _ = self.prph.write_word(address, value);
    }

    /// ALIVE is not held any more; one that was goes out at once.
    pub(crate) fn release_alive(&mut self, world: &mut dyn World) {
        self.hold_alive = false;
        if let Some(image) = self.held_alive.take() {
            self.schedule(world.now(), Due::Alive(image), world);
        }
    }

    /// A fault begins or ends. Interrupts are counted from now.
    pub(crate) fn set_fault(&mut self, fault: Fault, on: bool, world: &mut dyn World) {
        let raised = self.irq.raised();
        let fault = match fault {
            Fault::LostInterrupt { nth } => {
                Fault::LostInterrupt { nth: nth.saturating_add(raised) }
            }
            Fault::LostInterrupts { from } => {
                Fault::LostInterrupts { from: from.saturating_add(raised) }
            }
            other => other,
        };
        let plan = std::mem::take(&mut self.faults);
        self.faults = match on {
            true => plan.with(fault),
            false => plan.without(fault.name()),
        };
        self.hold_alive |= on && fault == Fault::AliveHeld;
        self.told.retain(|told| told.name() != fault.name());
        if let Fault::UcodeError { .. } = fault {
            self.timers.cancel(|due| matches!(due, Due::UcodeError(_)));
            if let Cpu::Running(image) = self.cpu {
                self.plan_failure(image, world.now(), world);
            }
        }
    }

    /// The image will fail at some time, if a fault wants it so.
    fn plan_failure(&mut self, image: Image, at: Nanos, events: &mut dyn Events) {
        // Of one that does not tell, nobody knows that it is not the runtime's.
        let fault = self.faults.fails(self.api).filter(|_| image != Image::Init);
        if let Some(fault) = fault {
            self.schedule(at, Due::UcodeError(fault), events);
        }
    }

    /// The RF-kill switch moves.
    pub(crate) fn set_rf_kill(&mut self, on: bool) {
        if self.rf_kill != on {
            self.rf_kill = on;
            self.irq.latch(Cause::RfKill);
        }
    }

    /// The RF-kill switch is on.
    pub(crate) fn rf_kill(&self) -> bool {
        self.rf_kill
    }

    /// There were so many register accesses by now.
    pub(crate) fn accessed(&mut self, accesses: u64) {
        if self.accesses != accesses {
            self.accesses = accesses;
            self.needless.extend(self.faults.needless_at(accesses));
            self.restless = self.faults.restless().filter(|_| self.early);
        }
    }

    /// A fault took effect that comes again and again: told once per reset.
    pub(crate) fn repeated_fault(&mut self, fault: Fault, events: &mut dyn Events) {
        if !self.told.contains(&fault) {
            self.told.push(fault);
            events.emit(CardEvent::injected(fault));
        }
    }

    /// The driver lets the CPU run what it has uploaded.
    pub(crate) fn release_cpu(&mut self, world: &mut dyn World) {
        if let Some(uploaded) = self.upload.take(&self.known) {
            self.start_cpu(&uploaded, world);
        }
    }

    /// `UREG_CPU_INIT_RUN`, or the ROM starts: the card fetches its image, and runs it.
    pub(crate) fn fetch_image(&mut self) {
        let address = |low: u32| {
            let [low, high] = [low, low + 4].map(|at| self.stored(at));
            u64::from(high) << 32 | u64::from(low)
        };
        let start = match self.silicon.boot {
            Boot::ImageLoader => Start::Loader {
                info: address(CSR_CTXT_INFO_ADDR),
                loader: address(CSR_IML_DATA_ADDR),
                len: self.stored(CSR_IML_SIZE_ADDR),
            },
            _ => Start::Info(address(CSR_CTXT_INFO_BA)),
        };
        self.context.start(start);
    }

    /// The doorbell to the upper MAC, `UREG_DOORBELL_TO_ISR6` or `CSR_DOORBELL_VECTOR`.
    pub(crate) fn doorbell(&mut self, bits: u32) {
        if bits & doorbell::RESET_HANDSHAKE == doorbell::RESET_HANDSHAKE {
            self.resetting = self.is_running();
        } else if bits & doorbell::NMI_BIT != 0 {
            self.nmi();
        }
        if bits & doorbell::PNVM != 0 && self.is_running() {
            self.pnvm = true;
        }
        for (bit, suspends) in [(doorbell::SUSPEND, true), (doorbell::RESUME, false)] {
            if bits & bit != 0 {
                self.host_sleeps(suspends);
            }
        }
    }

    /// The firmware runs.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.cpu, Cpu::Running(_))
    }

    /// The host suspends, or has resumed, and waits for the firmware's word on that.
    pub(crate) fn host_sleeps(&mut self, suspends: bool) {
        if self.is_running() {
            self.sleeps = Some(suspends);
        }
    }

    /// `RFH_RXF_RXQ_ACTIVE`: the receive queues of this mask run, where their registers say.
    pub(crate) fn activate_receive(&mut self, queues: u32) {
        let Some(rfh) = self.rx.rfh() else { return };
        for queue in 0..rfh::QUEUES {
            if queues >> queue & 1 == 0 {
                rfh.close_queue(queue);
                continue;
            }
            let address = |low: u32| {
                let at = (low + 8 * u32::from(queue)) & self.silicon.prph.map().mask();
                let [low, high] = [at, at + 4].map(|at| self.prph.read_word(at));
                u64::from(high) << 32 | u64::from(low)
            };
            let rings = Rings {
                free: address(prph::RFH_Q0_FRBDCB_BA_LSB),
                used: address(prph::RFH_Q0_URBDCB_BA_LSB),
                status: address(prph::RFH_Q0_URBD_STTS_WPTR_LSB),
            };
            rfh.open(queue, rings);
        }
    }

    fn start_cpu(&mut self, uploaded: &Uploaded, world: &mut dyn World) {
        world.emit(CardEvent::CpuReleased {
            image: uploaded.image,
            sections: uploaded.sections,
            bytes: uploaded.bytes,
            api: uploaded.api,
        });
        for index in &uploaded.compared.missing {
            let (image, index, how) = (uploaded.image, *index, Wrong::Missing);
            world.emit(CardEvent::SectionWrong { image, index, how });
        }
        (self.api, self.last_command) = (uploaded.api, 0);
        self.early = false;
        self.timers.clear();
        self.held_alive = None;
        self.rx.discard();
        let said = uploaded.compared.capabilities.clone();
        self.firmware = fw::start(self.dialect, said, uploaded.api, self.sku);
        self.cpu = Cpu::Booting;
        // What its signature does not fit does not start, and says nothing.
        if !uploaded.compared.broken {
            self.schedule(world.now() + BOOT, Due::Alive(uploaded.image), world);
        }
    }

    /// The driver stops the microcode with an NMI: it reports an error of its own.
    pub(crate) fn nmi(&mut self) {
        if self.is_running() {
            self.log_error(FailureKind::Nmi);
        }
        if self.cpu != Cpu::Off {
            self.halt(Cause::SwErr);
        }
    }

    /// When [`Chip::run`] has something to do, if ever.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        if self.more { Some(0) } else { self.timers.next() }
    }

    /// Does what is due.
    pub(crate) fn run(&mut self, world: &mut dyn World) {
        if let Some(vector) = self.restless.take() {
            self.timers.cancel(|due| matches!(due, Due::Ring(..)));
            self.schedule(world.now() + RESTLESS, Due::Ring(vector, RINGS), world);
        }
        self.expire(world);
        self.settle(world);
        self.more = true;
        for _ in 0..WORK_AT_A_TIME {
            let steps = [
                self.step_upload(world),
                self.step_context(world),
                self.step_pnvm(world),
                self.step_sleep(world),
                self.step_rx(world),
                self.step_tx(world),
            ];
            if steps.contains(&Step::Done) {
                self.settle(world);
            } else {
                self.more = false;
                break;
            }
        }
    }

    /// The level of the interrupt pin.
    pub(crate) fn interrupting(&self) -> bool {
        self.irq.active()
    }

    fn settle(&mut self, world: &mut dyn World) {
        if let Some(queue) = self.landing.filter(|_| world.flushed()) {
            self.landing = None;
            self.irq.latch(Cause::FhRx(queue));
        }
        if std::mem::take(&mut self.resetting) {
            match self.faults.has(Fault::NoResetDone) {
                true => world.emit(CardEvent::injected(Fault::NoResetDone)),
                false => self.irq.latch(Cause::ResetDone),
            }
        }
        if let Err(addr) = self.irq.settle(&self.faults, world) {
            table_fault(addr, world);
        }
        if std::mem::take(&mut self.rings)
            && let Some(vector) = self.faults.restless().filter(|_| self.early)
            && self.irq.ring(vector, &self.faults, world)
        {
            self.repeated_fault(Fault::RestlessVector { vector }, world);
        }
        for fault in std::mem::take(&mut self.needless) {
            let rung = match fault {
                Fault::EarlyVector { vector } => {
                    let rung = self.early && self.irq.ring(vector, &self.faults, world);
                    self.early &= !rung;
                    Ok(rung)
                }
                Fault::UnknownCause { .. } => {
                    self.irq.provoke(Some(Cause::Unknown), &self.faults, world)
                }
                _ => self.irq.provoke(None, &self.faults, world),
            };
            match rung {
                Ok(true) => self.repeated_fault(fault, world),
                Ok(false) => {}
                Err(addr) => table_fault(addr, world),
            }
        }
    }

    /// Host memory as a DMA engine sees it.
    fn reach<'w>(&self, engine: Engine, memory: &'w mut dyn Memory) -> Reach<'w> {
        Reach::new(memory, self.faults.has(Fault::DmaFault { engine }))
    }

    fn expire(&mut self, world: &mut dyn World) {
        let now = world.now();
        while let Some((at, due)) = self.timers.take(now) {
            self.happen(at, due, world);
        }
    }

    fn happen(&mut self, at: Nanos, due: Due, events: &mut dyn Events) {
        match due {
            Due::Alive(image) => self.alive(image, at, events),
            Due::HardwareError => {
                events.emit(CardEvent::injected(Fault::HwErrorAfterAlive));
                self.halt(Cause::HwErr);
            }
            Due::UcodeError(fault) => {
                events.emit(CardEvent::injected(fault));
                self.log_error(FailureKind::Own(fault.error()));
                self.halt(Cause::SwErr);
            }
            Due::Ring(vector, left) => {
                self.rings = true;
                if left > 0 {
                    self.schedule(at + RESTLESS, Due::Ring(vector, left - 1), events);
                }
            }
            Due::Later(Later::Send(packets)) => {
                for packet in packets {
                    self.send(packet, events);
                }
            }
            Due::Later(Later::Notify(_, packet)) => self.send(packet, events),
            Due::Later(Later::FinishScan) => {
                if let Some(packet) = self.firmware.finish_scan() {
                    self.send(packet, events);
                }
            }
        }
    }

    fn alive(&mut self, image: Image, now: Nanos, events: &mut dyn Events) {
        if self.faults.has(Fault::NeverAlive) {
            events.emit(CardEvent::injected(Fault::NeverAlive));
            return;
        }
        if self.hold_alive {
            events.emit(CardEvent::injected(Fault::AliveHeld));
            self.held_alive = Some(image);
            return;
        }
        let valid = !self.faults.has(Fault::AliveInvalid);
        if !valid {
            events.emit(CardEvent::injected(Fault::AliveInvalid));
        }
        self.cpu = Cpu::Running(image);
        for log in self.firmware.logs() {
            // Without memory left it reads as zero anyway.
            let _ = self.sram.write(log, &EMPTY_LOG);
        }
        events.emit(CardEvent::Alive { image, valid });
        self.irq.latch(Cause::Alive);
        let alive = self.firmware.alive(image, valid);
        self.send(alive, events);
        if self.faults.has(Fault::HwErrorAfterAlive) {
            self.schedule(now + ERROR_AFTER_ALIVE, Due::HardwareError, events);
        }
        self.plan_failure(image, now + RUNS, events);
    }

    fn schedule(&mut self, at: Nanos, due: Due, events: &mut dyn Events) {
        if self.timers.schedule(at, due).is_err() {
            let what = format!("the firmware has {LIMIT} things to do, one more is dropped");
            events.emit(CardEvent::BadInput { what });
        }
    }

    fn send(&mut self, packet: Packet, events: &mut dyn Events) {
        if let Err(packet) = self.rx.push(packet) {
            let name = self.firmware.name(packet.group, packet.id);
            let what = format!("no receive buffers for so long that {name} is dropped");
            events.emit(CardEvent::BadInput { what });
        }
    }

    /// The firmware leaves word of its error where its ALIVE has said.
    fn log_error(&mut self, kind: FailureKind) {
        let error = Failure { kind, hw_rev: self.hw_rev, last_command: self.last_command };
        // Without memory left it reads as an empty log.
        for (place, log) in self.firmware.error_logs(&error) {
            let _ = self.sram.write(place, &log);
        }
    }

    /// An error stops the microcode.
    fn halt(&mut self, cause: Cause) {
        self.cpu = Cpu::Dead;
        self.timers.clear();
        self.held_alive = None;
        self.rx.discard();
        self.irq.latch(cause);
    }

    fn dma_fault(&mut self, addr: u64, len: usize, engine: Engine, events: &mut dyn Events) {
        let fault = Fault::DmaFault { engine };
        if self.faults.has(fault) {
            events.emit(CardEvent::injected(fault));
        }
        let during = match engine {
            Engine::Upload if self.silicon.boot.is_unified() => event::CONTEXT_INFORMATION,
            Engine::Upload => event::SERVICE_CHANNEL,
            Engine::Receive => event::RECEIVE_RING,
            Engine::Transmit => event::TRANSMIT_QUEUE,
        };
        events.emit(CardEvent::DmaFault { addr, len, during });
        self.halt(Cause::FhErr);
    }

    fn step_upload(&mut self, world: &mut dyn World) -> Step {
        let mut reach = self.reach(Engine::Upload, world);
        match self.upload.step(&mut self.sram, &self.known, &mut reach) {
            Err(_) => return Step::Waiting,
            Ok(Done::Idle) => return Step::Idle,
            Ok(Done::Fault { addr, len }) => {
                self.dma_fault(addr, len, Engine::Upload, world);
            }
            Ok(Done::Arrived { section, fits }) => {
                let Section { image, index, dst, len, wrong } = section;
                if !fits {
                    let at = dst.unwrap_or_default();
                    let what = format!("no device memory left for a section at {at:#x}");
                    world.emit(CardEvent::BadInput { what });
                }
                world.emit(CardEvent::SectionUploaded { image, index, dst, len });
                tell(image, wrong, world);
                if self.faults.has(Fault::NoFhTx) {
                    world.emit(CardEvent::injected(Fault::NoFhTx));
                } else {
                    self.irq.latch(Cause::FhTx);
                }
            }
        }
        world.end_of_work();
        Step::Done
    }

    fn step_context(&mut self, world: &mut dyn World) -> Step {
        let indices = match self.silicon.tx {
            Tx::Tfh { indices } => indices,
            Tx::Tfd => return Step::Idle,
        };
        let mut reach = self.reach(Engine::Upload, world);
        match self.context.step(indices, &self.known, &mut reach) {
            Err(_) => return Step::Waiting,
            Ok(boot::Fetched::Idle) => return Step::Idle,
            Ok(boot::Fetched::Fault { addr, len }) => {
                self.dma_fault(addr, len, Engine::Upload, world);
            }
            Ok(boot::Fetched::Malformed(what)) => {
                world.emit(CardEvent::BadInput { what: what.to_owned() });
            }
            Ok(boot::Fetched::Loader(len)) => {
                world.emit(CardEvent::ImlLoaded { len });
                if self.faults.has(Fault::ImlRefused) {
                    self.context = Context::default();
                    world.emit(CardEvent::injected(Fault::ImlRefused));
                } else {
                    self.irq.latch(Cause::Iml);
                }
            }
            Ok(boot::Fetched::Section(Section { image, index, dst, len, wrong })) => {
                world.emit(CardEvent::SectionUploaded { image, index, dst, len });
                tell(image, wrong, world);
            }
            Ok(boot::Fetched::All(uploaded, setup)) => {
                self.set_up(&setup);
                self.start_cpu(&uploaded, world);
            }
        }
        world.end_of_work();
        Step::Done
    }

    /// The host has said that the platform's NVM is there.
    fn step_pnvm(&mut self, world: &mut dyn World) -> Step {
        let Some(scratch) = self.scratch.filter(|_| self.pnvm) else { return Step::Idle };
        let mut reach = self.reach(Engine::Upload, world);
        match boot::pnvm(scratch, &mut reach) {
            Err(DmaError::Pending) => return Step::Waiting,
            Err(DmaError::Fault { addr, len }) => {
                self.pnvm = false;
                self.dma_fault(addr, len, Engine::Upload, world);
            }
            Ok(len) => {
                self.pnvm = false;
                world.emit(CardEvent::PnvmLoaded { len });
                if self.faults.has(Fault::NoPnvmComplete) {
                    world.emit(CardEvent::injected(Fault::NoPnvmComplete));
                } else if let Some(complete) = self.firmware.pnvm_complete() {
                    let at = world.now() + PNVM;
                    let later = Later::Send(vec![complete]);
                    self.schedule(at, Due::Later(later), world);
                }
            }
        }
        world.end_of_work();
        Step::Done
    }

    /// The firmware's word on the host's suspend or resume: in host memory, with an interrupt, which
    /// drivers heed as one of MSI-X alone.
    fn step_sleep(&mut self, world: &mut dyn World) -> Step {
        let (Some(info), Some(suspends)) = (self.info, self.sleeps) else { return Step::Idle };
        let word = match suspends {
            true => info_v2::IWL_D3_SLEEP_STATUS_SUSPEND,
            false => info_v2::IWL_D3_SLEEP_STATUS_RESUME,
        };
        let place = info.wrapping_add(info_v2::SLEEP_NOTIF);
        let told = self.reach(Engine::Upload, world).write(place, &word.to_le_bytes());
        match told {
            Err(DmaError::Pending) => return Step::Waiting,
            Err(DmaError::Fault { addr, len }) => {
                self.dma_fault(addr, len, Engine::Upload, world);
            }
            Ok(()) => {
                self.irq.latch(Cause::Wakeup);
                if let Some(end) = self.firmware.resumed().filter(|_| !suspends) {
                    self.send(end, world);
                }
            }
        }
        self.sleeps = None;
        world.end_of_work();
        Step::Done
    }

    /// The rings are where the context information says.
    fn set_up(&mut self, setup: &Setup) {
        (self.scratch, self.info) = (setup.scratch, setup.info);
        if let Some(rfh) = self.rx.rfh() {
            rfh.configure(true, setup.receive_size, setup.buffer_size);
            rfh.open(0, setup.receive);
        }
        if let Some(tfh) = self.tx.tfh() {
            tfh.start(setup.commands, setup.commands_size);
        }
    }

    fn step_rx(&mut self, world: &mut dyn World) -> Step {
        if self.landing.is_some() {
            return Step::Waiting;
        }
        let mut reach = self.reach(Engine::Receive, world);
        match self.rx.step(&mut reach) {
            Err(_) => return Step::Waiting,
            Ok(Delivery::Idle) => return Step::Idle,
            Ok(Delivery::Fault { addr, len }) => {
                self.dma_fault(addr, len, Engine::Receive, world);
            }
            Ok(Delivery::TooLong(packet)) => {
                let name = self.firmware.name(packet.group, packet.id);
                let what = format!("{name} of {} bytes fits no buffer", packet.payload.len());
                world.emit(CardEvent::BadInput { what });
            }
            Ok(Delivery::NoQueue(packet)) => {
                let name = self.firmware.name(packet.group, packet.id);
                let what = format!("{name} is for receive queue {}, which is closed", packet.queue);
                world.emit(CardEvent::BadInput { what });
            }
            Ok(Delivery::Delivered(packet)) => {
                self.landing = Some(packet.queue);
                world.emit(CardEvent::Packet {
                    name: self.firmware.name(packet.group, packet.id),
                    id: packet.id,
                    group: packet.group,
                    notification: packet.is_notification(),
                    len: packet.payload.len() as u32,
                });
            }
        }
        world.end_of_work();
        Step::Done
    }

    fn step_tx(&mut self, world: &mut dyn World) -> Step {
        let Cpu::Running(image) = self.cpu else { return Step::Idle };
        if !self.rx.has_room() {
            return Step::Idle;
        }
        let mut reach = self.reach(Engine::Transmit, world);
        match self.tx.step(&mut reach) {
            Err(DmaError::Pending) => return Step::Waiting,
            Ok(Fetched::Idle) => return Step::Idle,
            Err(DmaError::Fault { addr, len }) | Ok(Fetched::Fault { addr, len }) => {
                self.dma_fault(addr, len, Engine::Transmit, world);
            }
            Ok(Fetched::Malformed { queue, index, what }) => {
                let what = format!("descriptor {index} of queue {queue}: {what}");
                world.emit(CardEvent::BadInput { what });
            }
            Ok(Fetched::Command { queue, index, next, bytes }) => {
                self.command(image, (queue, index, next), &bytes, world);
            }
        }
        world.end_of_work();
        Step::Done
    }

    fn command(
        &mut self,
        image: Image,
        (queue, index, next): (u8, u16, u16),
        bytes: &[u8],
        world: &mut dyn World,
    ) {
        let parsed = Header::parse(bytes, |group| self.firmware.has_long_header(group));
        let Some((header, payload)) = parsed else {
            let len = bytes.len();
            let what = format!("descriptor {index} of queue {queue}: a command of {len} bytes");
            world.emit(CardEvent::BadInput { what });
            return;
        };
        let Header { id, group, version, sequence } = header;
        self.last_command = u32::from(sequence) << 16 | u32::from(group) << 8 | u32::from(id);
        let (nvm, faults) = (&self.sections, &self.faults);
        let command =
            Command { queue, next, id, group, version, sequence, payload, image, nvm, faults };
        let answer = self.firmware.command(&command);
        world.emit(CardEvent::HostCommand {
            name: self.firmware.name(group, id),
            id,
            group,
            queue,
            len: payload.len() as u32,
            modelled: answer.modelled,
        });
        for effect in answer.effects {
            self.act(header, effect, world);
        }
    }

    /// What the firmware does about a command happens.
    fn act(&mut self, command: Header, effect: Effect, world: &mut dyn World) {
        match effect {
            Effect::Reply(payload) => self.send(command.reply(payload), world),
            Effect::After(delay, later) => {
                let at = world.now().saturating_add(delay);
                self.schedule(at, Due::Later(later), world);
            }
            Effect::Cancel(job) => self
                .timers
                .cancel(|due| matches!(due, Due::Later(later) if later.job() == Some(job))),
            Effect::Queue(queue, start) => {
                if !self.tx.scheduled().is_some_and(|queues| queues.switch(queue, start)) {
                    let what = format!("there is no transmit queue {queue} to switch");
                    world.emit(CardEvent::BadInput { what });
                }
            }
            Effect::Open(queue, ring, size) => {
                if let Some(tfh) = self.tx.tfh() {
                    tfh.open(queue, ring, size);
                }
            }
            Effect::Close(queue) => {
                if let Some(tfh) = self.tx.tfh() {
                    tfh.close(queue);
                }
            }
            Effect::Receive(queue, rings) => {
                if !self.rx.rfh().is_some_and(|rfh| rfh.open(queue, rings)) {
                    let what = format!("there is no receive queue {queue} to open");
                    world.emit(CardEvent::BadInput { what });
                }
            }
            Effect::Tell(event) => world.emit(event),
        }
    }
}

/// What parts of Wi-Fi 7 say of themselves, and of the radio beside them, behind the periphery.
fn companion(hw_rev: u32) -> Vec<(u32, u32)> {
    let [asked, granted] = [prph::WFPM_RSRCS_4PHS_REQ_STTS, prph::WFPM_RSRCS_4PHS_ACK_STTS]
        .map(|register| register + UMAC_PRPH_OFFSET);
    match csr::hw_rev_type(hw_rev) {
        csr::MAC_TYPE_BZ | csr::MAC_TYPE_BZ_W => {
            vec![(prph::CNVI_AUX_MISC_CHIP, prph::cnvi_aux_misc_chip(csr::hw_rev_step(hw_rev)))]
        }
        csr::MAC_TYPE_GL => Vec::new(),
        _ => vec![(asked, prph::RSRC_CNVR_TOP), (granted, prph::RSRC_CNVR_TOP)],
    }
}

/// What is wrong with sections of an image.
fn tell(image: Image, wrong: Vec<(u32, Wrong)>, events: &mut dyn Events) {
    for (index, how) in wrong {
        events.emit(CardEvent::SectionWrong { image, index, how });
    }
}

fn table_fault(addr: u64, events: &mut dyn Events) {
    events.emit(CardEvent::DmaFault { addr, len: 4, during: event::CAUSE_TABLE });
}
