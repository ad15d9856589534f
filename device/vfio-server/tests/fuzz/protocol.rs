//! What `cargo fuzz` calls with bytes of its making, and `tests/corpus.rs` with those kept.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::OnceLock,
    time::Instant,
};

use vfio_server::{
    Bus, Device, DeviceInfo, Errno, IrqIndex, Region, Server, StopHandle, irq_index,
};

/// Does DMA and interrupts at whatever the client writes into its registers.
#[derive(Default)]
struct Pokable {
    waiting: HashMap<u64, usize>,
}

impl Pokable {
    fn read(&mut self, bus: &mut Bus<'_>, address: u64, count: usize) {
        if bus.dma_read(address, &mut vec![0; count]) == Err(vfio_server::DmaError::Pending) {
            self.waiting.insert(address, count);
        } else {
            bus.end_of_work();
        }
    }
}

impl Device for Pokable {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[0] = Region::read_write(0x1000);
        info.irqs[irq_index::INTX as usize] = IrqIndex::INTX;
        info.irqs[irq_index::MSIX as usize] = IrqIndex::messages(4);
        info
    }
    fn read(&mut self, _: &mut Bus<'_>, _: u32, _: u64, data: &mut [u8]) -> Result<(), Errno> {
        data.fill(0xa5);
        Ok(())
    }
    fn write(&mut self, bus: &mut Bus<'_>, _: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let Ok(address) = data.try_into().map(u64::from_ne_bytes) else {
            bus.trigger(offset as u32 & 7, offset as u32 >> 3 & 7);
            return Ok(());
        };
        match offset & 7 {
            0 => bus.set_bus_master(address & 1 == 1),
            1 => drop(bus.flushed()),
            2..5 => {
                let _ = bus.dma_write(address, &vec![7; offset as usize]);
            }
            _ => self.read(bus, address, offset as usize),
        }
        Ok(())
    }
    fn reset(&mut self, _: &mut Bus<'_>) {
        self.waiting.clear();
    }
    fn wake(&mut self, bus: &mut Bus<'_>) {
        for (address, count) in std::mem::take(&mut self.waiting) {
            self.read(bus, address, count);
        }
    }
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// A client sends this and goes: the server comes to its end, whatever it was.
pub(crate) fn survive(input: &[u8]) {
    static STOP: OnceLock<StopHandle> = OnceLock::new();
    let stop = STOP.get_or_init(|| StopHandle::new().expect("an eventfd"));
    let (mut client, theirs) = UnixStream::pair().expect("sockets");
    let mut server = Server::from_fd(theirs.into()).expect("a server");
    // What the socket does not take the server is not sent.
    client.set_nonblocking(true).expect("set");
    let _ = client.write_all(input);
    client.shutdown(Shutdown::Write).expect("shut down");
    server.serve(&mut Pokable::default(), stop).expect("served to the end");
    let mut answers = Vec::new();
    let _ = client.read_to_end(&mut answers);
    // Whole messages, each as long as it says.
    let mut rest = &answers[..];
    while !rest.is_empty() {
        let size = u32::from_ne_bytes(rest[4..8].try_into().expect("a header")) as usize;
        assert!((16..=rest.len()).contains(&size), "a torn message of {size} bytes");
        rest = &rest[size..];
    }
}
