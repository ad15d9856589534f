//! A PCI function with a DMA engine of eight registers, to try the server with a real VM:
//!
//! ```text
//! cargo run -p vfio-server --example dma_probe -- /tmp/probe.sock
//! qemu-system-x86_64 … -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/tmp/probe.sock"}}'
//! ```
//!
//! BAR 0: `0x00` id, `0x04` scratch, `0x08`/`0x0c` bus address, `0x10` bytes, `0x14` doorbell
//! (any write), `0x18` sum of the bytes read, `0x1c` status: 1 done, 2 fault, 3 waiting. A
//! doorbell reads the bytes, writes them inverted behind themselves, and fires MSI 0.

use std::{path::Path, process::ExitCode, time::Instant};

use vfio_server::{
    Bus, Device, DeviceInfo, Disconnect, DmaError, Errno, IrqIndex, Region, Server, StopHandle,
    irq_index, region,
};

const BAR0_SIZE: usize = 0x1000;
const CONFIG_SIZE: usize = 0x100;
const MSI_CAPABILITY: u8 = 0x40;
const MOST_BYTES: usize = 4 << 20;

/// Bits of the command register.
const BUS_MASTER: u8 = 1 << 2;

struct Probe {
    config: [u8; CONFIG_SIZE],
    registers: [u32; 8],
    waiting: bool,
}

const ID: u32 = u32::from_le_bytes(*b"PROB");

/// BAR 0 in words.
const SCRATCH: usize = 1;
const ADDRESS_LOW: usize = 2;
const ADDRESS_HIGH: usize = 3;
const BYTES: usize = 4;
const DOORBELL: usize = 5;
const SUM: usize = 6;
const STATUS: usize = 7;

impl Probe {
    fn new() -> Self {
        let mut config = [0; CONFIG_SIZE];
        let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &0x1b36_u16.to_le_bytes()); // Vendor: Red Hat, as QEMU's test devices.
        put(0x02, &0x0005_u16.to_le_bytes());
        put(0x06, &0x0010_u16.to_le_bytes()); // Status: capability list.
        put(0x0b, &[0xff]); // Class: unassigned.
        put(0x34, &[MSI_CAPABILITY]);
        put(0x3d, &[1]); // INTA.
        put(MSI_CAPABILITY.into(), &[0x05, 0x00, 0x80, 0x00]); // MSI, 64-bit, one vector.
        let mut probe = Self { config, registers: [0; 8], waiting: false };
        probe.registers[0] = ID;
        probe
    }

    fn work(&mut self, bus: &mut Bus<'_>) {
        let address =
            u64::from(self.registers[ADDRESS_HIGH]) << 32 | u64::from(self.registers[ADDRESS_LOW]);
        let mut data = vec![0; MOST_BYTES.min(self.registers[BYTES] as usize)];
        self.waiting = false;
        let done = bus.dma_read(address, &mut data).and_then(|()| {
            let inverted: Vec<u8> = data.iter().map(|byte| !byte).collect();
            bus.dma_write(address + data.len() as u64, &inverted)
        });
        self.registers[STATUS] = match done {
            Ok(()) => 1,
            Err(DmaError::Fault { .. }) => 2,
            Err(DmaError::Pending) => {
                self.waiting = true;
                3
            }
        };
        if !self.waiting {
            bus.end_of_work();
            self.registers[SUM] = data.iter().map(|byte| u32::from(*byte)).sum();
            eprintln!("doorbell: {address:#x}, {} bytes: {done:?}", data.len());
            bus.trigger(irq_index::MSI, 0);
        }
    }
}

impl Device for Probe {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[region::BAR0 as usize] = Region::read_write(BAR0_SIZE as u64);
        info.regions[region::CONFIG as usize] = Region::read_write(CONFIG_SIZE as u64);
        info.irqs[irq_index::INTX as usize] = IrqIndex::INTX;
        info.irqs[irq_index::MSI as usize] = IrqIndex::messages(1);
        info
    }

    fn read(
        &mut self,
        _bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Errno> {
        // The server has checked the bounds.
        let offset = offset as usize;
        match region {
            region::CONFIG => data.copy_from_slice(&self.config[offset..offset + data.len()]),
            _ if offset.is_multiple_of(4) && data.len() == 4 => {
                let value = self.registers.get(offset / 4).copied().unwrap_or(0);
                data.copy_from_slice(&value.to_le_bytes());
            }
            _ => {}
        }
        Ok(())
    }

    fn write(
        &mut self,
        bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Errno> {
        let offset = offset as usize;
        if region == region::CONFIG {
            for (at, byte) in (offset..).zip(data) {
                match at {
                    // Command, interrupt line, MSI control and message.
                    0x04 | 0x05 | 0x3c | 0x42 | 0x44..=0x4d => self.config[at] = *byte,
                    // BAR 0, of which the address bits can be written.
                    0x11 => self.config[at] = byte & 0xf0,
                    0x12 | 0x13 => self.config[at] = *byte,
                    _ => {}
                }
                if at == 0x04 {
                    bus.set_bus_master(byte & BUS_MASTER != 0);
                }
            }
        } else if let (Ok(bytes), 0) = (<[u8; 4]>::try_from(data), offset % 4) {
            match offset / 4 {
                at @ (SCRATCH | ADDRESS_LOW | ADDRESS_HIGH | BYTES) => {
                    self.registers[at] = u32::from_le_bytes(bytes);
                }
                DOORBELL => self.work(bus),
                _ => {}
            }
        }
        Ok(())
    }

    fn reset(&mut self, bus: &mut Bus<'_>) {
        eprintln!("reset");
        *self = Self::new();
        bus.set_bus_master(false);
    }

    fn attached(&mut self, _bus: &mut Bus<'_>) {
        eprintln!("attached");
    }

    fn detached(&mut self, why: &Disconnect) {
        eprintln!("detached: {why}");
    }

    fn wake(&mut self, bus: &mut Bus<'_>) {
        if self.waiting {
            self.work(bus);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .init();
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: dma_probe SOCKET");
        return ExitCode::FAILURE;
    };
    let mut server = match Server::bind(Path::new(&path)) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let served = StopHandle::new()
        .map_err(|error| error.to_string())
        .and_then(|stop| server.serve(&mut Probe::new(), &stop).map_err(|error| error.to_string()));
    match served {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
