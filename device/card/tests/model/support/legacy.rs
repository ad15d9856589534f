//! A driver: registers, its half of the rings, and the upload of parts before 22000. What the rings of
//! later parts have of their own is in `rfh.rs` and `gen2.rs`.

use iwl_card::{Card, CardOptions, FaultPlan, Generation, Nanos, card};
use iwl_hw::csr::{
    self, GpCntrl, GpCntrlBz, HwIfConfig, Int, Reset, dram_int_tbl, eeprom_reg, prph_addr,
};
use iwl_hw::fh::{self, rx_config, srvc, tx_config};
use iwl_hw::maps::Prph;
use iwl_hw::packet::{self, CmdHeader, RxPacketHeader};
use iwl_hw::pci::{self, Command};
use iwl_hw::prph::{self, scd_queue_stts};
use iwl_hw::tfd::{TFD_QUEUE_SIZE, Tfd, TfdTb};
use zerocopy::{FromBytes, IntoBytes};

use super::MILLISECOND;
use super::rfh::RfhRings;
use super::story::line;
use super::world::TestWorld;

// Where the test's driver keeps its things in guest memory.
const RX_STATUS: u64 = 0x1000;
const RX_RING: u64 = 0x2000;
const ICT: u64 = 0x4000;
pub(super) const UPLOAD: u64 = 0x10_0000;
pub(super) const TX_RINGS: u64 = 0x30_0000;
pub(super) const RX_BUFFERS: u64 = 0x80_0000;
pub(super) const RX_BUFFER_SIZE: u64 = 0x1000;
const RX_RING_LOG2: u32 = 8;
const COMMANDS: u64 = 0x100_0000;
/// Room for one descriptor's bytes.
const COMMAND_SIZE: u64 = 0x800;
const MEMORY: usize = 0x200_0000;

/// A packet that the driver found in a receive buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) id: u8,
    pub(crate) group: u8,
    pub(crate) sequence: u16,
    pub(crate) payload: Vec<u8>,
}

/// The card and a driver's half of the rings.
pub(crate) struct Driver {
    pub(crate) card: Card,
    pub(crate) world: TestWorld,
    /// The rings of 9000 and later parts.
    pub(super) rfh: Option<RfhRings>,
    /// The card fetches its image itself, and its firmware opens the transmit queues.
    pub(crate) gen2: bool,
    /// It does so with an image loader.
    pub(super) loader: bool,
    /// Its CSR is that of the Bz family.
    pub(crate) bz: bool,
    /// What it sets up after each reset, if it uses MSI-X.
    vectors: Option<fn(&mut Self)>,
    taken: u32,
    ict_next: u32,
    written: [u8; fh::QUEUES as usize],
}

impl Driver {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_faults(name, FaultPlan::none())
    }

    pub(crate) fn with_faults(name: &str, faults: FaultPlan) -> Self {
        let options = CardOptions { faults, ..CardOptions::default() };
        let mut driver = Self::of(Card::new(card(name).expect("a card of that name"), options));
        driver.config_write(pci::PCI_MSI_CONTROL, &pci::PCI_MSI_FLAGS_ENABLE.to_le_bytes());
        driver
    }

    /// A driver that has not chosen a line yet.
    pub(crate) fn of(card: Card) -> Self {
        let generation = card.spec().generation;
        let bz = generation == Generation::GenBz;
        let loader = bz || generation == Generation::GenAx210;
        let gen2 = loader || generation == Generation::Gen22000;
        let mut driver = Self {
            card,
            rfh: (gen2 || generation == Generation::Gen9000).then(RfhRings::default),
            gen2,
            loader,
            bz,
            vectors: None,
            world: TestWorld::new(MEMORY),
            taken: 0,
            ict_next: 0,
            written: [0; fh::QUEUES as usize],
        };
        driver.config_write(
            pci::PCI_COMMAND,
            &(Command::MEMORY | Command::MASTER).bits().to_le_bytes(),
        );
        driver
    }

    /// Lets the card work until it waits for nothing but time.
    pub(crate) fn settle(&mut self) {
        loop {
            self.world.waiting = false;
            self.card.run(&mut self.world);
            let more = self.card.deadline().is_some_and(|at| at <= self.world.now);
            if !self.world.waiting && !more && !self.world.land() {
                break;
            }
        }
    }

    /// Time passes, in steps as the card wants to be called.
    pub(crate) fn pass(&mut self, time: Nanos) {
        let end = self.world.now + time;
        while let Some(at) = self.card.deadline().filter(|at| *at <= end) {
            self.world.now = at.max(self.world.now);
            self.settle();
        }
        self.world.now = end;
    }

    pub(crate) fn config_read(&mut self, offset: u32) -> u32 {
        let mut data = [0; 4];
        self.card.config_read(&mut self.world, offset.into(), &mut data);
        u32::from_le_bytes(data)
    }

    pub(crate) fn config_write(&mut self, offset: u32, data: &[u8]) {
        self.card.config_write(&mut self.world, offset.into(), data);
        self.settle();
    }

    pub(crate) fn read(&mut self, register: u32) -> u32 {
        let mut data = [0; 4];
        self.card.bar_read(&mut self.world, register.into(), &mut data);
        self.settle();
        u32::from_le_bytes(data)
    }

    pub(crate) fn write(&mut self, register: u32, value: u32) {
        self.card.bar_write(&mut self.world, register.into(), &value.to_le_bytes());
        self.settle();
    }

    pub(crate) fn set(&mut self, register: u32, bits: u32) {
        let value = self.read(register);
        self.write(register, value | bits);
    }

    /// As the driver writes an address: of the upper MAC's on AX210 with its offset.
    fn prph_address(&self, address: u32) -> u32 {
        if !self.loader {
            return address & Prph::Legacy.map().mask() | prph_addr::DWORD;
        }
        let moved = Prph::FamilyAx210.map().get(address).is_none();
        let address = if moved { address + 0x30_0000 } else { address };
        address & Prph::FamilyAx210.map().mask() | prph_addr::DWORD
    }

    pub(crate) fn read_prph(&mut self, address: u32) -> u32 {
        self.write(csr::HBUS_TARG_PRPH_RADDR, self.prph_address(address));
        self.read(csr::HBUS_TARG_PRPH_RDAT)
    }

    pub(crate) fn write_prph(&mut self, address: u32, value: u32) {
        self.write(csr::HBUS_TARG_PRPH_WADDR, self.prph_address(address));
        self.write(csr::HBUS_TARG_PRPH_WDAT, value);
    }

    /// Software reset, ownership, clock: `iwl_pcie_apm_init`, in short.
    pub(crate) fn init(&mut self) {
        self.software_reset();
        self.set(csr::CSR_HW_IF_CONFIG_REG, HwIfConfig::PCI_OWN_SET.bits());
        let on = match self.bz {
            true => (GpCntrlBz::MAC_INIT | GpCntrlBz::BZ_MAC_ACCESS_REQ).bits(),
            false => (GpCntrl::INIT_DONE | GpCntrl::MAC_ACCESS_REQ).bits(),
        };
        self.set(csr::CSR_GP_CNTRL, on);
        if let Some(set_up) = self.vectors {
            set_up(self);
        }
    }

    pub(crate) fn software_reset(&mut self) {
        match self.bz {
            true => self.set(csr::CSR_GP_CNTRL, GpCntrlBz::SW_RESET.bits()),
            false => self.set(csr::CSR_RESET, Reset::SW_RESET.bits()),
        }
    }

    pub(crate) fn clock_ready(&mut self) -> bool {
        let ready = match self.bz {
            true => GpCntrlBz::MAC_STATUS.bits(),
            false => GpCntrl::MAC_CLOCK_READY.bits(),
        };
        self.read(csr::CSR_GP_CNTRL) & ready != 0
    }

    /// One word of the EEPROM, polled as the driver does.
    pub(crate) fn read_eeprom(&mut self, address: u32) -> u16 {
        self.write(csr::CSR_EEPROM_REG, eeprom_reg::request(address));
        assert_ne!(self.read(csr::CSR_EEPROM_REG) & eeprom_reg::READ_VALID, 0, "no data");
        let word = self.read(csr::CSR_EEPROM_REG);
        self.read(csr::CSR_OTP_GP_REG);
        (word >> eeprom_reg::DATA_SHIFT) as u16
    }

    /// The receive ring, with buffers in all but one of its places.
    pub(crate) fn init_rx(&mut self) {
        if self.rfh.is_some() {
            return self.init_rfh();
        }
        for slot in 0..1u64 << RX_RING_LOG2 {
            let buffer = RX_BUFFERS + slot * RX_BUFFER_SIZE;
            let at = (RX_RING + 4 * slot) as usize;
            self.world.memory[at..at + 4].copy_from_slice(&((buffer >> 8) as u32).to_le_bytes());
        }
        self.world.memory[RX_STATUS as usize..][..16].fill(0);
        self.taken = 0;
        self.write(fh::FH_MEM_RCSR_CHNL0_CONFIG_REG, 0);
        self.write(fh::FH_RSCSR_CHNL0_RDPTR, 0);
        self.write(fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG, 0);
        self.write(fh::FH_RSCSR_CHNL0_RBDCB_BASE_REG, (RX_RING >> 8) as u32);
        self.write(fh::FH_RSCSR_CHNL0_STTS_WPTR_REG, (RX_STATUS >> 4) as u32);
        self.write(fh::FH_MEM_RCSR_CHNL0_CONFIG_REG, rx_config::enable(RX_RING_LOG2));
        self.offer_rx((1 << RX_RING_LOG2) - 8);
    }

    /// Moves the receive ring's write index.
    pub(crate) fn offer_rx(&mut self, index: u32) {
        if self.rfh.is_some() {
            return self.offer_rfh(index);
        }
        self.write(fh::FH_RSCSR_CHNL0_RBDCB_WPTR_REG, index);
    }

    pub(crate) fn init_tx(&mut self) {
        if self.gen2 {
            self.written = [0; fh::QUEUES as usize];
            return;
        }
        for queue in 0..fh::QUEUES {
            self.write(fh::cbbc_queue(queue), (tx_ring(queue) >> 8) as u32);
        }
        self.written = [0; fh::QUEUES as usize];
    }

    /// The scheduler runs a queue from its start.
    pub(crate) fn activate(&mut self, queue: u8) {
        if self.gen2 {
            return;
        }
        self.write_prph(prph::scd_queue_status_bits(queue), scd_queue_stts::SCD_ACT_EN);
        self.write(csr::HBUS_TARG_WRPTR, csr::wrptr::value(queue, 0));
        self.write_prph(prph::scd_queue_rdptr(queue), 0);
        let active = scd_queue_stts::ACTIVE | scd_queue_stts::WSL | scd_queue_stts::MSK;
        self.write_prph(prph::scd_queue_status_bits(queue), active);
    }

    pub(crate) fn mask(&mut self, causes: Int) {
        self.write(csr::CSR_INT_MASK, causes.bits());
    }

    /// The causes that the driver would find, acknowledged.
    pub(crate) fn take_causes(&mut self) -> Int {
        let causes = Int::from_bits_retain(self.read(csr::CSR_INT));
        self.write(csr::CSR_INT, causes.bits());
        causes
    }

    pub(crate) fn use_ict(&mut self) {
        self.world.memory[ICT as usize..][..0x1000].fill(0);
        self.ict_next = 0;
        self.write(csr::CSR_DRAM_INT_TBL_REG, dram_int_tbl::enable(ICT));
    }

    /// The entries that came into the interrupt cause table.
    pub(crate) fn take_ict(&mut self) -> Vec<u32> {
        let mut entries = Vec::new();
        loop {
            let at = (ICT + u64::from(4 * self.ict_next)) as usize;
            let bytes: [u8; 4] = self.world.memory[at..at + 4].try_into().expect("4 bytes");
            let entry = u32::from_le_bytes(bytes);
            if entry == 0 {
                return entries;
            }
            self.world.memory[at..at + 4].fill(0);
            self.ict_next = (self.ict_next + 1) % dram_int_tbl::ENTRIES;
            entries.push(entry);
        }
    }

    /// One transfer of the service channel.
    pub(crate) fn upload(&mut self, dst: u32, data: &[u8]) {
        self.world.memory[UPLOAD as usize..][..data.len()].copy_from_slice(data);
        self.start_transfer(UPLOAD, dst, data.len() as u32);
    }

    pub(crate) fn start_transfer(&mut self, source: u64, dst: u32, len: u32) {
        self.write(srvc::CONFIG, 0);
        self.write(srvc::SRAM_ADDR, dst);
        self.write(srvc::CTRL0, (source & 0xffff_ffff) as u32);
        self.write(srvc::CTRL1, srvc::ctrl1(source, len));
        self.write(srvc::CONFIG, tx_config::DMA_CHNL_ENABLE | tx_config::CIRQ_HOST_ENDTFD);
    }

    /// From reset to a released CPU with a two-section image of which each begins with `start`.
    pub(crate) fn start_image(&mut self, start: &[u8]) {
        if self.gen2 {
            return match self.loader {
                true => self.start_loader(start),
                false => self.start_context(start),
            };
        }
        self.init();
        self.init_rx();
        self.init_tx();
        self.mask(Int::FH_TX);
        for dst in [0x0080_0000, 0x0000_0000] {
            let mut section = start.to_vec();
            section.resize(256, 0xa5);
            self.upload(dst, &section);
            let told = if self.vectors.is_none() { Int::FH_TX } else { Int::empty() };
            assert_eq!(self.take_causes(), told, "the section's interrupt");
        }
        self.mask(Int::all());
        self.release();
    }

    pub(crate) fn release(&mut self) {
        self.write(csr::CSR_RESET, 0);
        self.write(fh::FH_UCODE_LOAD_STATUS, fh::UCODE_LOAD_STATUS_DONE);
    }

    /// As [`Driver::start_image`], and on to a command queue that works, with the cause table.
    pub(crate) fn boot(&mut self, start: &[u8], queue: u8) -> Received {
        self.start_image(start);
        self.alive(queue)
    }

    /// ALIVE, and what its driver does then.
    pub(super) fn alive(&mut self, queue: u8) -> Received {
        self.pass(10 * MILLISECOND);
        if self.gen2 {
            // Only now: before, the rings are not the card's.
            self.offer_rx(RfhRings::SIZE - 8);
        }
        let alive = self.take_packets().pop().expect("ALIVE");
        self.take_causes();
        self.use_ict();
        self.activate(queue);
        alive
    }

    /// As [`Driver::boot`], with MSI-X, which is set up after each reset.
    pub(crate) fn boot_with(&mut self, start: &[u8], vectors: fn(&mut Self)) -> Received {
        self.vectors = Some(vectors);
        self.boot(start, 0)
    }

    /// Puts one descriptor on a queue and rings; the sequence it carries.
    pub(crate) fn enqueue(&mut self, queue: u8, bytes: &[u8]) -> u8 {
        let index = self.written[usize::from(queue)];
        let at = COMMANDS + (u64::from(queue) * 256 + u64::from(index)) * COMMAND_SIZE;
        self.world.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        // Cut in two, as the driver does: the first bytes lie elsewhere.
        let (first, rest) = (bytes.len().min(20), bytes.len().saturating_sub(20));
        let mut buffers = vec![(at, first as u16)];
        if rest > 0 {
            buffers.push((at + first as u64, rest as u16));
        }
        if self.gen2 {
            self.put_tfh_descriptor(queue, index, &buffers);
        } else {
            let buffers: Vec<_> =
                buffers.into_iter().map(|(at, len)| TfdTb::new(at, len)).collect();
            self.put_descriptor(queue, index, &Tfd::new(&buffers));
        }
        self.ring(queue);
        index
    }

    pub(crate) fn put_descriptor(&mut self, queue: u8, index: u8, tfd: &Tfd) {
        let at = tx_ring(queue) as usize + usize::from(index) * size_of::<Tfd>();
        self.world.memory[at..at + size_of::<Tfd>()].copy_from_slice(tfd.as_bytes());
    }

    /// Rings the doorbell for one descriptor more.
    pub(crate) fn ring(&mut self, queue: u8) {
        let written = &mut self.written[usize::from(queue)];
        *written = written.wrapping_add(1);
        let value = if self.gen2 {
            csr::wrptr_wide::value(queue, (*written).into())
        } else {
            csr::wrptr::value(queue, *written)
        };
        self.write(csr::HBUS_TARG_WRPTR, value);
    }

    /// A command with the long header; the packet that answers it.
    pub(crate) fn long_command(&mut self, group_id: u8, cmd: u8, payload: &[u8]) -> Received {
        let sequence = packet::sequence(0, self.written[0]);
        self.send_long(group_id, cmd, payload);
        let answer = self.take_packets().into_iter().find(|packet| packet.sequence == sequence);
        answer.unwrap_or_else(|| panic!("no answer to command {group_id:#04x}.{cmd:#04x}"))
    }

    /// The same; what comes of it is left in the ring.
    pub(crate) fn send_long(&mut self, group_id: u8, cmd: u8, payload: &[u8]) {
        let sequence = packet::sequence(0, self.written[0]);
        let header = CmdHeader { cmd, group_id, sequence: sequence.into() };
        let [low, high] = (payload.len() as u16).to_le_bytes();
        self.enqueue(0, &[header.as_bytes(), &[low, high, 0, 0], payload].concat());
    }

    /// A command with the short header; the packet that answers it.
    pub(crate) fn command(&mut self, queue: u8, id: u8, payload: &[u8]) -> Received {
        let sequence = packet::sequence(queue, self.written[usize::from(queue)]);
        let header = CmdHeader { cmd: id, group_id: 0, sequence: sequence.into() };
        self.enqueue(queue, &[header.as_bytes(), payload].concat());
        let answer = self.take_packets().into_iter().find(|packet| packet.sequence == sequence);
        answer.unwrap_or_else(|| panic!("no answer to command {id:#04x}"))
    }

    /// What came into the receive ring since the last time.
    pub(crate) fn take_packets(&mut self) -> Vec<Received> {
        if self.rfh.is_some() {
            return self.take_from_queue(0);
        }
        let status: [u8; 2] =
            self.world.memory[RX_STATUS as usize..][..2].try_into().expect("2 bytes");
        let closed = u32::from(u16::from_le_bytes(status));
        let mut packets = Vec::new();
        while self.taken != closed {
            packets.push(self.packet_at(RX_BUFFERS + u64::from(self.taken) * RX_BUFFER_SIZE).1);
            self.taken = (self.taken + 1) % (1 << RX_RING_LOG2);
        }
        packets
    }

    /// The packet in a buffer, and the receive queue it names.
    pub(super) fn packet_at(&self, at: u64) -> (u32, Received) {
        let buffer = &self.world.memory[at as usize..][..RX_BUFFER_SIZE as usize];
        let (start, rest) = RxPacketHeader::ref_from_prefix(buffer).expect("a header");
        let len_n_flags = start.len_n_flags.get();
        let len = (len_n_flags & packet::FH_RSCSR_FRAME_SIZE_MSK) as usize;
        let received = Received {
            id: start.header.cmd,
            group: start.header.group_id,
            sequence: start.header.sequence.get(),
            payload: rest[..len - size_of::<CmdHeader>()].to_vec(),
        };
        (len_n_flags >> packet::FH_RSCSR_RXQ_POS & 0x3f, received)
    }

    /// All events but register accesses, one line each; they are taken.
    pub(crate) fn story(&mut self) -> String {
        std::mem::take(&mut self.world.events).iter().filter_map(line).collect()
    }
}

fn tx_ring(queue: u8) -> u64 {
    TX_RINGS + u64::from(queue) * u64::from(TFD_QUEUE_SIZE) * size_of::<Tfd>() as u64
}
