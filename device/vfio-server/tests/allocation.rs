//! In steady state no access allocates.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
};

use common::{MASTER, NO_REPLY, Peer, TRIGGER, access, dma_map, eventfd, memory, message, raw};
use vfio_server::{
    Bus, Device, DeviceInfo, Errno, IrqIndex, Region, Server, StopHandle, irq_index,
};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads memory on a read, writes it and fires on a write.
struct Quiet {
    accesses: u64,
}

impl Device for Quiet {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[0] = Region::read_write(0x1000);
        info.irqs[irq_index::MSI as usize] = IrqIndex::messages(1);
        info
    }

    fn read(&mut self, bus: &mut Bus<'_>, _: u32, _: u64, data: &mut [u8]) -> Result<(), Errno> {
        self.accesses += 1;
        bus.dma_read(0x2000, data).map_err(|_| Errno::IO)?;
        bus.end_of_work();
        Ok(())
    }

    fn write(&mut self, bus: &mut Bus<'_>, _: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        if offset == MASTER {
            bus.set_bus_master(true);
        }
        self.accesses += 1;
        bus.dma_write(0x2000, data).map_err(|_| Errno::IO)?;
        bus.end_of_work();
        bus.trigger(irq_index::MSI, 0);
        Ok(())
    }

    fn reset(&mut self, _: &mut Bus<'_>) {}
    fn wake(&mut self, _: &mut Bus<'_>) {}
    fn deadline(&self) -> Option<std::time::Instant> {
        None
    }
}

#[test]
fn accesses_do_not_allocate() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut server = Server::from_fd(theirs.into()).unwrap();
    let stop = StopHandle::new().unwrap();
    let served = std::thread::spawn(move || {
        let mut device = Quiet { accesses: 0 };
        server.serve(&mut device, &stop).unwrap();
        device.accesses
    });
    let mut peer = Peer(ours);
    peer.negotiate(common::VERSION_DATA);
    let file = memory(0x4000, 1);
    let map = dma_map(3, 0, 0, 0x4000);
    assert_eq!(peer.call_fds(2, &map, &[raw(&file)]).error, 0);
    let event = eventfd();
    peer.set_irqs(0x24, irq_index::MSI, 0, 1, &[], &[raw(&event)]);
    peer.poke(MASTER, 1);

    let read = message(1, 9, 0, &access(0x40, 0, 4, &[]));
    let write = message(2, 10, 0, &access(0x40, 0, 4, &[5; 4]));
    let posted = message(3, 10, NO_REPLY, &access(TRIGGER, 0, 4, &[5; 4]));
    let mut reply = [0; 36];
    let mut round = || {
        use std::io::Read;
        peer.send(&posted);
        peer.send(&read);
        peer.0.read_exact(&mut reply).unwrap();
        peer.send(&write);
        peer.0.read_exact(&mut reply[..32]).unwrap();
    };
    // What is allocated once.
    round();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..1000 {
        round();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    drop(peer);
    assert_eq!(served.join().unwrap(), 1 + 3 * 1001);
}
