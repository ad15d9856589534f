//! The card as the world sees it.

use iwl_hw::csr;
use iwl_hw::maps;
use iwl_hw::pci::PCI_CFG_SPACE_EXP_SIZE;
use iwl_hw::{Access, Register, RegisterMap, Width};

use crate::boot::KnownSections;
use crate::chip::{Chip, Parts};
use crate::dump::Dump;
use crate::event::{CardEvent, Outcome, RegName, ResetKind, Space};
use crate::faults::{Fault, FaultPlan};
use crate::fw::Dialect;
use crate::nvm::{self, Eeprom, Sections};
use crate::pci::{Change, Config};
use crate::regs::{self, Reached, Then, offset_name};
use crate::spec::{CardSpec, Nvm};
use crate::summary::{Counters, Summary};
use crate::world::{Nanos, World};

/// Which interrupts the function offers beside INTx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupts {
    /// One MSI vector.
    MsiOnly,
    /// MSI, and MSI-X where the generation has it.
    MsiAndMsix,
}

/// How to make a card.
#[derive(Debug, Clone, Default)]
pub struct CardOptions {
    /// Interrupts to offer; without a choice those that suit the card.
    pub interrupts: Option<Interrupts>,
    /// MAC address; without one it is made of the card's device id and [`CardOptions::slot`].
    pub mac: Option<[u8; 6]>,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Which of several cards in one guest this is.
    pub slot: u8,
    /// The sections of the firmware that its driver may be given.
    pub known: KnownSections,
}

/// One card.
///
/// Register accesses only change its state. Whoever makes one calls [`Card::run`] afterwards,
/// which does what the access set off.
#[derive(Debug)]
pub struct Card {
    spec: CardSpec,
    /// What it was made with.
    options: CardOptions,
    /// The registers of BAR 0.
    bar: &'static RegisterMap,
    bar_size: u64,
    msix_vectors: u16,
    config: Config,
    chip: Chip,
    counters: Counters,
    /// Device memory that the driver reads.
    dump: Dump,
    /// From which access on every register reads as all ones, and whether that was told.
    all_ones: Option<(u64, bool)>,
    /// It is off the bus.
    vanished: bool,
}

/// A part of a register: what an access of less than 32 bits means.
#[derive(Debug, Clone, Copy)]
struct Part {
    shift: u32,
    mask: u32,
}

impl Card {
    /// A card after power-on.
    #[must_use]
    pub fn new(spec: &CardSpec, options: CardOptions) -> Self {
        let silicon = spec.generation.silicon();
        let usual = match spec.wants_msix() {
            true => Interrupts::MsiAndMsix,
            false => Interrupts::MsiOnly,
        };
        let msix_vectors = match options.interrupts.unwrap_or(usual) {
            Interrupts::MsiOnly => 0,
            Interrupts::MsiAndMsix => silicon.irqs.vectors(),
        };
        let [high, low] = spec.pci.device.to_be_bytes();
        // Locally administered.
        let mac = options.mac.or(spec.identity.mac);
        let mac = mac.unwrap_or([0x02, 0x69, 0x77, high, low, options.slot]);
        let [a, b, c, d, e, f] = mac;
        let serial = u64::from_be_bytes([a, b, c, 0xff, 0xff, d, e, f]);
        let (version, radio) = (spec.nvm_version, spec.radio);
        let eeprom = match silicon.nvm {
            kind @ (Nvm::Eeprom | Nvm::Otp | Nvm::OtpBlocks) => {
                Some(Eeprom::new(kind, nvm::image(version, radio, mac)))
            }
            Nvm::Sections | Nvm::SectionsSdp | Nvm::SectionsExtended => None,
        };
        let sections = Sections::new(silicon.nvm, version, radio, mac);
        let dialect = Dialect::of(spec.opmode, silicon.boot);
        let parts = Parts {
            silicon,
            hw_rev: spec.hw_rev,
            rf_id: spec.rf_id,
            mac,
            eeprom,
            sections,
            dialect,
            sku: spec.sku_id,
            known: options.known.clone(),
        };
        Self {
            spec: *spec,
            bar: silicon.bar.map(),
            bar_size: silicon.bar.size(),
            msix_vectors,
            config: Config::new(spec, silicon.bar.size(), msix_vectors, serial),
            all_ones: options.faults.all_ones_from().map(|from| (from, false)),
            chip: Chip::new(parts, options.faults.clone()),
            options,
            counters: Counters::default(),
            dump: Dump::default(),
            vanished: false,
        }
    }

    /// What it is.
    #[must_use]
    pub fn spec(&self) -> &CardSpec {
        &self.spec
    }

    /// Becomes another card, as after power-on: what a host finds that looks for it anew. What a host
    /// has learnt of the slot stays as it was: the size of its BAR, the interrupts that it offers.
    pub fn turn_into(&mut self, world: &mut dyn World, spec: &CardSpec) {
        let (bar_size, msix_vectors) = (self.bar_size, self.msix_vectors);
        let mut options = self.options.clone();
        if msix_vectors == 0 {
            options.interrupts = Some(Interrupts::MsiOnly);
        }
        *self = Self { bar_size, msix_vectors, ..Self::new(spec, options) };
        world.set_bus_master(false);
        world.emit(CardEvent::Reset { how: ResetKind::Function });
    }

    /// Bytes of configuration space.
    #[must_use]
    pub const fn config_size() -> u64 {
        PCI_CFG_SPACE_EXP_SIZE as u64
    }

    /// Bytes of BAR 0, a memory BAR of 64 bits. There is no other BAR.
    #[must_use]
    pub fn bar_size(&self) -> u64 {
        self.bar_size
    }

    /// MSI-X vectors; none without the capability. INTx and one MSI vector are always there.
    #[must_use]
    pub fn msix_vectors(&self) -> u16 {
        self.msix_vectors
    }

    /// The INTx pin is asserted: to be raised again when the host unmasks it.
    #[must_use]
    pub fn intx_asserted(&self) -> bool {
        !self.vanished && self.chip.interrupting()
    }

    /// Lets go an ALIVE that [`crate::Fault::AliveHeld`] holds, and all that come after.
    pub fn release_alive(&mut self, world: &mut dyn World) {
        self.chip.release_alive(world);
        world.emit(CardEvent::AliveReleased);
    }

    /// Moves the RF-kill switch; the driver is told by an interrupt.
    pub fn set_rf_kill(&mut self, world: &mut dyn World, on: bool) {
        self.chip.set_rf_kill(on);
        world.emit(CardEvent::RfKillSwitched { on });
    }

    /// Begins a fault, or ends it, whatever its argument. What it counts, accesses or interrupts,
    /// it counts from now.
    pub fn set_fault(&mut self, world: &mut dyn World, fault: Fault, on: bool) {
        match fault {
            Fault::RfKill => self.chip.set_rf_kill(on),
            Fault::AllOnes { from } => {
                let from = self.counters.accesses().saturating_add(from);
                self.all_ones = on.then_some((from, false));
            }
            Fault::AliveHeld if !on => self.chip.release_alive(world),
            _ => self.chip.set_fault(fault, on, world),
        }
        world.emit(CardEvent::FaultSwitched { fault: fault.name().into(), on });
    }

    /// Takes the card off the bus without a word: registers and configuration space read as all
    /// ones, writes go nowhere, it neither interrupts nor touches memory, until it is
    /// [`Card::inserted`].
    pub fn vanish(&mut self, world: &mut dyn World) {
        self.tell_runs(world);
        self.vanished = true;
        world.emit(CardEvent::Vanished);
    }

    /// The card is put into a slot: if it had vanished, it is there again as after power-on.
    pub fn inserted(&mut self) {
        if std::mem::take(&mut self.vanished) {
            self.power_on();
        }
    }

    /// Back to the state after power-on, all of it.
    fn power_on(&mut self) {
        self.config.reset();
        self.chip.reset();
        self.chip.sram.clear();
    }

    /// Reads configuration space. Only reads of up to 4 bytes are told as events: larger ones
    /// are the host's, not the driver's.
    pub fn config_read(&mut self, world: &mut dyn World, offset: u64, data: &mut [u8]) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        if self.vanished {
            data.fill(0xff);
        } else {
            self.config.read(at, data);
        }
        if let Some((reg, value)) = config_event(offset, data) {
            let outcome = config_outcome(offset, false);
            world.emit(CardEvent::RegRead { space: Space::Config, reg, value, outcome });
        }
    }

    /// Writes configuration space.
    pub fn config_write(&mut self, world: &mut dyn World, offset: u64, data: &[u8]) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some((reg, value)) = config_event(offset, data) {
            let outcome = config_outcome(offset, true);
            world.emit(CardEvent::RegWrite { space: Space::Config, reg, value, outcome });
        }
        if self.vanished {
            return;
        }
        match self.config.write(at, data) {
            Change::None => {}
            Change::BusMaster(on) => world.set_bus_master(on),
            Change::FunctionReset => self.reset(world),
        }
    }

    /// Reads BAR 0: 1, 2, 4 or 8 bytes at their alignment.
    pub fn bar_read(&mut self, world: &mut dyn World, offset: u64, data: &mut [u8]) {
        if let Some((low, high)) = pair(offset, data.len()) {
            let (first, second) = data.split_at_mut(4);
            self.bar_read(world, low, first);
            self.bar_read(world, high, second);
            return;
        }
        data.fill(0);
        let Some((dword, part)) = self.dword(world, offset, data.len()) else { return };
        self.end_runs(world, dword);
        if self.dead(world) {
            data.fill(0xff);
            self.tell_read(world, dword, self.bar.get(dword), u32::MAX, Outcome::Implemented);
            return;
        }
        let value = self.read_dword(world, dword, part);
        let bytes = (value >> part.shift).to_le_bytes();
        let len = data.len();
        data.copy_from_slice(&bytes[..len]);
    }

    /// Writes BAR 0: 1, 2, 4 or 8 bytes at their alignment.
    pub fn bar_write(&mut self, world: &mut dyn World, offset: u64, data: &[u8]) {
        if let Some((low, high)) = pair(offset, data.len()) {
            let (first, second) = data.split_at(4);
            self.bar_write(world, low, first);
            self.bar_write(world, high, second);
            return;
        }
        let Some((dword, part)) = self.dword(world, offset, data.len()) else { return };
        self.end_runs(world, dword);
        let mut bytes = [0; 4];
        bytes[..data.len()].copy_from_slice(data);
        let value = u32::from_le_bytes(bytes) << part.shift;
        if self.dead(world) {
            self.tell_write(world, dword, self.bar.get(dword), value, Outcome::Implemented);
            return;
        }
        self.write_dword(world, dword, part, value);
    }

    /// The machine's reset, or a function-level one. A card that has vanished is not reached.
    pub fn reset(&mut self, world: &mut dyn World) {
        if self.vanished {
            return;
        }
        self.tell_runs(world);
        self.power_on();
        world.set_bus_master(false);
        world.emit(CardEvent::Reset { how: ResetKind::Function });
    }

    /// When [`Card::run`] wants to be called next, if at all. May lie in the past.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        self.chip.deadline().filter(|_| !self.vanished)
    }

    /// Does what is due: expired timers and queued work. To be called after every access,
    /// at the [`Card::deadline`], and when DMA that was pending has arrived.
    pub fn run(&mut self, world: &mut dyn World) {
        if self.vanished {
            return;
        }
        self.chip.accessed(self.counters.accesses());
        self.chip.irq.set_route(self.config.route());
        self.chip.run(world);
    }

    /// What the run left to be said.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.counters.summary()
    }

    /// The register an access lies in. `None`, and told, if it lies in none.
    fn dword(&mut self, world: &mut dyn World, offset: u64, len: usize) -> Option<(u32, Part)> {
        let dword = u32::try_from(offset & !3).ok().filter(|at| u64::from(*at) < self.bar_size);
        let within = (offset & 3) as usize;
        let fits = matches!(len, 1 | 2 | 4) && within.is_multiple_of(len);
        match dword {
            Some(dword) if fits => {
                let shift = 8 * within as u32;
                let mask = u32::MAX >> (32 - 8 * len as u32);
                Some((dword, Part { shift, mask: mask << shift }))
            }
            _ => {
                let what = format!("an access of {len} bytes at {offset:#x} of BAR 0");
                world.emit(CardEvent::BadInput { what });
                None
            }
        }
    }

    /// Nothing answers: it has vanished, the plan says so, or the function sleeps.
    fn dead(&mut self, world: &mut dyn World) -> bool {
        if self.vanished {
            return true;
        }
        let accesses = self.counters.accesses();
        if let Some((from, told)) = &mut self.all_ones
            && accesses >= *from
        {
            if !*told {
                *told = true;
                world.emit(CardEvent::injected(Fault::AllOnes { from: *from }));
            }
            return true;
        }
        self.config.in_d3()
    }

    /// A run of reads of EEPROM or device memory ends with the first access to anything else.
    fn end_runs(&mut self, world: &mut dyn World, dword: u32) {
        if dword != csr::HBUS_TARG_MEM_RDAT {
            self.tell_dump(world);
        }
        if !matches!(dword, csr::CSR_EEPROM_REG | csr::CSR_OTP_GP_REG) {
            self.tell_eeprom_run(world);
        }
    }

    fn tell_runs(&mut self, world: &mut dyn World) {
        self.tell_dump(world);
        self.tell_eeprom_run(world);
    }

    fn tell_dump(&mut self, world: &mut dyn World) {
        if let Some(over) = self.dump.end() {
            world.emit(over);
        }
    }

    fn tell_eeprom_run(&mut self, world: &mut dyn World) {
        if let Some(over) = self.chip.eeprom.as_mut().and_then(Eeprom::end_run) {
            world.emit(over);
        }
    }

    fn read_dword(&mut self, world: &mut dyn World, dword: u32, part: Part) -> u32 {
        let Some(register) = self.bar.get(dword) else {
            let value = self.chip.stored(dword);
            self.tell_read(world, dword, None, value, Outcome::Unknown);
            return value;
        };
        if !takes(register, part) {
            self.tell_read(world, dword, Some(register), 0, Outcome::BadSize);
            return 0;
        }
        let reached = regs::read(&mut self.chip, register, world);
        self.counters.read(reached.space, reached.address, &reached.reg, reached.outcome);
        let Reached { space, address, reg, value, outcome } = reached;
        let (each, over) = match space {
            Space::Mem => self.dump.read(address),
            _ => (true, None),
        };
        over.into_iter().for_each(|over| world.emit(over));
        if each {
            world.emit(CardEvent::RegRead { space, reg, value, outcome });
        }
        value
    }

    fn write_dword(&mut self, world: &mut dyn World, dword: u32, part: Part, value: u32) {
        let Some(register) = self.bar.get(dword) else {
            let merged = self.chip.stored(dword) & !part.mask | value;
            self.tell_write(world, dword, None, value, Outcome::Unknown);
            self.chip.store(dword, merged);
            return;
        };
        if !takes(register, part) {
            self.tell_write(world, dword, Some(register), value, Outcome::BadSize);
            return;
        }
        let merged = self.chip.stored(dword) & !part.mask | value;
        let (reached, then) = regs::write(&mut self.chip, register, value, merged);
        self.counters.write(reached.space, reached.address, &reached.reg, reached.outcome);
        let Reached { space, reg, value, outcome, .. } = reached;
        world.emit(CardEvent::RegWrite { space, reg, value, outcome });
        match then {
            Then::Nothing => {}
            Then::Tell(event) => world.emit(event),
            Then::ReleaseCpu => self.chip.release_cpu(world),
            Then::Reset => {
                self.chip.reset();
                world.emit(CardEvent::Reset { how: ResetKind::Software });
            }
        }
    }

    fn tell_read(
        &mut self,
        world: &mut dyn World,
        dword: u32,
        row: Option<&Register>,
        value: u32,
        outcome: Outcome,
    ) {
        let reg = name(row, dword);
        self.counters.read(Space::Csr, dword, &reg, outcome);
        world.emit(CardEvent::RegRead { space: Space::Csr, reg, value, outcome });
    }

    fn tell_write(
        &mut self,
        world: &mut dyn World,
        dword: u32,
        row: Option<&Register>,
        value: u32,
        outcome: Outcome,
    ) {
        let reg = name(row, dword);
        self.counters.write(Space::Csr, dword, &reg, outcome);
        world.emit(CardEvent::RegWrite { space: Space::Csr, reg, value, outcome });
    }
}

/// The halves of an 8-byte access.
fn pair(offset: u64, len: usize) -> Option<(u64, u64)> {
    (len == 8 && offset.is_multiple_of(8)).then_some((offset, offset + 4))
}

fn takes(register: &Register, part: Part) -> bool {
    part.mask == u32::MAX || register.width == Width::Bytes
}

fn name(row: Option<&Register>, offset: u32) -> RegName {
    row.map_or_else(|| offset_name(offset), |register| register.name.into())
}

/// The row and value of an access to configuration space that is worth an event.
fn config_event(offset: u64, data: &[u8]) -> Option<(RegName, u32)> {
    if data.len() > 4 {
        return None;
    }
    let mut bytes = [0; 4];
    bytes[..data.len()].copy_from_slice(data);
    let dword = u32::try_from(offset & !3).unwrap_or(u32::MAX);
    Some((name(maps::config().get(dword), dword), u32::from_le_bytes(bytes)))
}

fn config_outcome(offset: u64, write: bool) -> Outcome {
    match u32::try_from(offset & !3).ok().and_then(|dword| maps::config().get(dword)) {
        Some(register) if write && register.access == Access::ReadOnly => Outcome::ReadOnly,
        Some(_) => Outcome::Implemented,
        None => Outcome::Unknown,
    }
}
