//! A register read and a posted write through a socket pair: this server, asleep between two
//! messages and not, against the one of the crate `vfio_user`, by turns in the same run.
//!
//! ```text
//! cargo bench -p vfio-server
//! ```
//!
//! And what it costs not to wait for the client, nor to die of it: an interrupt beside a plain
//! write of its eventfd, a DMA access beside the same copy without care.
//!
//! The client is the same few lines for both. A sample is many accesses; the medians of many
//! samples are compared. A ratio of 1.00 or less means that this server is no slower.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::EventfdFlags,
    fs::{MemfdFlags, memfd_create},
};
use vfio_server::{
    Bus, Descriptor, Device, DeviceInfo, Errno, IrqIndex, Region, Server, StopHandle,
    dma::DmaTable,
    irq::{IrqTables, Raiser},
    irq_index,
    protocol::{DmaMap, SetIrqs},
};
use vm_memory::{Bytes, VolatileMemory};

const SAMPLES: usize = 60;
const READS: u32 = 1000;
const WRITES: u32 = 2000;
const SIZE: u64 = 0x1000;
/// Longer than the client takes from an answer to its next question.
const BUSY_POLL: Duration = Duration::from_micros(100);

/// One register.
struct Register([u8; 4]);

impl Device for Register {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[0] = Region::read_write(SIZE);
        info
    }
    fn read(&mut self, _: &mut Bus<'_>, _: u32, _: u64, data: &mut [u8]) -> Result<(), Errno> {
        data.copy_from_slice(&self.0);
        Ok(())
    }
    fn write(&mut self, _: &mut Bus<'_>, _: u32, _: u64, data: &[u8]) -> Result<(), Errno> {
        self.0.copy_from_slice(data);
        Ok(())
    }
    fn reset(&mut self, _: &mut Bus<'_>) {}
    fn wake(&mut self, _: &mut Bus<'_>) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// The same for the other server.
impl vfio_user::ServerBackend for Register {
    fn region_read(&mut self, _: u32, _: u64, data: &mut [u8]) -> std::io::Result<()> {
        data.copy_from_slice(&self.0);
        Ok(())
    }
    fn region_write(&mut self, _: u32, _: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.copy_from_slice(data);
        Ok(())
    }
    fn dma_map(
        &mut self,
        _: vfio_user::DmaMapFlags,
        _: u64,
        _: u64,
        _: u64,
        _: Option<std::fs::File>,
    ) -> std::io::Result<()> {
        Ok(())
    }
    fn dma_unmap(&mut self, _: vfio_user::DmaUnmapFlags, _: u64, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn reset(&mut self) -> std::io::Result<()> {
        Ok(())
    }
    fn set_irqs(
        &mut self,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: Vec<std::fs::File>,
    ) -> std::io::Result<()> {
        Ok(())
    }
}

fn message(command: u16, flags: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_u16.to_ne_bytes());
    bytes.extend(command.to_ne_bytes());
    bytes.extend((16 + payload.len() as u32).to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

struct Client {
    socket: UnixStream,
    read: Vec<u8>,
    posted: Vec<u8>,
}

impl Client {
    fn connect(path: &Path) -> Self {
        let mut socket = UnixStream::connect(path).expect("a server");
        let version = b"\0\0\0\0{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096}}}\0";
        socket.write_all(&message(1, 0, version)).expect("sent");
        let mut header = [0; 16];
        socket.read_exact(&mut header).expect("a reply");
        let size = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
        let mut rest = vec![0; size as usize - 16];
        socket.read_exact(&mut rest).expect("a reply");
        let mut access = [0; 16];
        access[12] = 4;
        Self {
            socket,
            read: message(9, 0, &access),
            posted: message(10, 0x10, &[&access[..], &[1, 2, 3, 4]].concat()),
        }
    }

    fn read(&mut self) {
        let mut reply = [0; 36];
        self.socket.write_all(&self.read).expect("sent");
        self.socket.read_exact(&mut reply).expect("a reply");
    }

    fn reads(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..READS {
            self.read();
        }
        start.elapsed() / READS
    }

    /// Until the server has taken them all.
    fn writes(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..WRITES {
            self.socket.write_all(&self.posted).expect("sent");
        }
        self.read();
        start.elapsed() / WRITES
    }
}

/// By turns; gives the medians.
fn against(mut ours: impl FnMut(), mut plain: impl FnMut()) -> [Duration; 2] {
    const ROUNDS: u32 = 10_000;
    let time = |act: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| act());
        start.elapsed()
    };
    let mut samples = [const { Vec::new() }; 2];
    for _ in 0..SAMPLES {
        samples[0].push(time(&mut ours));
        samples[1].push(time(&mut plain));
    }
    samples.map(|samples| median(samples) / ROUNDS)
}

fn interrupts() {
    let event = || rustix::event::eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
    let mut info = DeviceInfo::default();
    info.irqs[irq_index::MSI as usize] = IrqIndex::messages(1);
    let mut tables = IrqTables::new(&info.irqs, Raiser::new());
    let set = SetIrqs { argsz: 20, flags: 0x24, index: irq_index::MSI, start: 0, count: 1 };
    tables.set(&set, &[], vec![Descriptor::Event(event())]).expect("enabled");
    let plain = event();
    let [ours, plain] = against(
        || tables.trigger(irq_index::MSI, 0),
        || assert_eq!(rustix::io::write(&plain, &1_u64.to_ne_bytes()), Ok(8)),
    );
    println!("{:>12}: {ours:>9.2?} here, {plain:>9.2?} a plain write", "interrupt");
}

fn copies() {
    const BYTES: usize = 1 << 16;
    let file = memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memfd");
    rustix::fs::ftruncate(&file, BYTES as u64).expect("room");
    let mut memory = DmaTable::default();
    let map = DmaMap { argsz: 32, flags: 3, offset: 0, address: 0, size: BYTES as u64 };
    memory.map(&map, Some(Descriptor::Memory(file))).expect("mapped");
    let (range, ..) = memory.find(0).expect("a range");
    let mapping = range.mapping().expect("a mapping");
    let plain = vm_memory::MmapRegion::<()>::new(BYTES).expect("memory");
    let plain = plain.as_volatile_slice();
    for (name, size) in [("DMA 4 bytes", 4), ("DMA 4 KiB", 4096)] {
        let (mut one, mut other) = (vec![0; size], vec![0; size]);
        let [ours, plain] = against(
            || assert!(mapping.read(64, &mut one)),
            || plain.read_slice(&mut other, 64).expect("within"),
        );
        println!("{name:>12}: {ours:>9.2?} here, {plain:>9.2?} a plain copy");
    }
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn main() {
    let place = tempfile::tempdir().expect("a directory");
    let paths = ["own", "busy", "other"].map(|name| place.path().join(name));
    let [own_path, busy_path, other_path] = &paths;

    let stop = StopHandle::new().expect("an eventfd");
    let serve = |path: &Path, busy_poll: Duration| {
        let mut server = Server::bind(path).expect("a socket");
        server.set_busy_poll(busy_poll);
        let stop = stop.clone();
        std::thread::spawn(move || server.serve(&mut Register([0; 4]), &stop).map(|_| ()))
    };
    let own = [serve(own_path, Duration::ZERO), serve(busy_path, BUSY_POLL)];
    let listener = UnixListener::bind(other_path).expect("a socket");
    let region = vfio_user::ServerRegion {
        region_info: vfio_bindings::bindings::vfio::vfio_region_info {
            size: SIZE,
            ..Default::default()
        },
        sparse_areas: vec![],
        mmap_fd: None,
    };
    let other = vfio_user::Server::from_owned_fd(listener.into(), true, vec![], vec![region]);
    let other = std::thread::spawn(move || other.run(&mut Register([0; 4])));

    let mut clients = paths.each_ref().map(|path| Client::connect(path));
    let mut reads = [const { Vec::new() }; 3];
    let mut writes = [const { Vec::new() }; 3];
    for sample in 0..SAMPLES {
        for turn in 0..3 {
            // None is always the first.
            let which = (turn + sample) % 3;
            reads[which].push(clients[which].reads());
            writes[which].push(clients[which].writes());
        }
    }
    for (name, samples) in [("read", reads), ("posted write", writes)] {
        let [own, busy, other] = samples.map(median);
        let ratio = |time: Duration| time.as_secs_f64() / other.as_secs_f64();
        println!(
            "{name:>12}: {own:>9.2?} here, {busy:>9.2?} busy, {other:>9.2?} vfio_user, \
             ratios {:.2} and {:.2}",
            ratio(own),
            ratio(busy),
        );
    }
    interrupts();
    copies();
    drop(clients);
    stop.stop();
    for own in own {
        own.join().expect("no panic").expect("no error");
    }
    other.join().expect("no panic").expect("no error");
}
