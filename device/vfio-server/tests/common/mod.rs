//! A device to command, a server to run it, and a peer that sends whatever bytes it likes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use vfio_server::{
    Bus, Device, DeviceInfo, Disconnect, DmaError, Errno, Exit, IrqIndex, Region, ServeError,
    Server, StopHandle, irq_index, region,
};
use vmm_sys_util::{eventfd::EventFd, sock_ctrl_msg::ScmSocket};

/// Longer than anything here takes: a test that would wait for ever fails instead.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// BAR 0 is memory; these words of it command the device.
pub const BAR_SIZE: usize = 2 << 20;
/// Bus address, 8 bytes.
pub const ADDRESS: u64 = 0x0;
/// Read so many bytes to [`DATA`].
pub const READ: u64 = 0x8;
/// Write so many bytes from [`DATA`].
pub const WRITE: u64 = 0xc;
/// Trigger: index in the upper half, vector in the lower.
pub const TRIGGER: u64 = 0x10;
/// Bus master on or off.
pub const MASTER: u64 = 0x14;
/// Fails with this errno.
pub const FAIL: u64 = 0x18;
/// Sets the alarm, in milliseconds.
pub const ALARM: u64 = 0x1c;
/// Asks whether the writes have landed, and again at each wake until they have.
pub const FLUSH: u64 = 0x20;
pub const DATA: u64 = 0x1000;

/// What the device saw.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Attached,
    Detached(String),
    Reset,
    PinUnmasked,
    Write(u32, u64, usize),
    Read(Result<(), DmaError>),
    Wrote(Result<(), DmaError>),
    Flushed(bool),
    Alarm { in_time: bool },
}

pub struct TestDevice {
    pub bar: Vec<u8>,
    pub config: [u8; 256],
    waiting: Option<usize>,
    flushing: bool,
    alarm: Option<Instant>,
    seen: Sender<Seen>,
}

impl TestDevice {
    pub fn new() -> (Self, Receiver<Seen>) {
        let (seen, events) = channel();
        let device = Self {
            bar: vec![0; BAR_SIZE],
            config: [0; 256],
            waiting: None,
            flushing: false,
            alarm: None,
            seen,
        };
        (device, events)
    }

    fn see(&self, what: Seen) {
        let _ = self.seen.send(what);
    }

    fn address(&self) -> u64 {
        u64::from_ne_bytes(self.bar[..8].try_into().unwrap())
    }

    fn read_memory(&mut self, bus: &mut Bus<'_>, count: usize) {
        let address = self.address();
        let data = &mut self.bar[DATA as usize..DATA as usize + count];
        let result = bus.dma_read(address, data);
        self.waiting = (result == Err(DmaError::Pending)).then_some(count);
        if self.waiting.is_none() {
            bus.end_of_work();
        }
        self.see(Seen::Read(result));
    }

    fn flush(&mut self, bus: &mut Bus<'_>) {
        let flushed = bus.flushed();
        self.flushing = !flushed;
        self.see(Seen::Flushed(flushed));
    }
}

impl Device for TestDevice {
    fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        info.regions[region::BAR0 as usize] = Region::read_write(BAR_SIZE as u64);
        info.regions[1] = Region { size: 16, read: true, write: false };
        info.regions[region::CONFIG as usize] = Region::read_write(256);
        info.irqs[irq_index::INTX as usize] = IrqIndex::INTX;
        info.irqs[irq_index::MSI as usize] = IrqIndex::messages(1);
        info.irqs[irq_index::MSIX as usize] = IrqIndex::messages(4);
        info
    }

    fn read(
        &mut self,
        _: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Errno> {
        let offset = offset as usize;
        match region {
            region::BAR0 => data.copy_from_slice(&self.bar[offset..offset + data.len()]),
            region::CONFIG => data.copy_from_slice(&self.config[offset..offset + data.len()]),
            _ => data.fill(0xa5),
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
        self.see(Seen::Write(region, offset, data.len()));
        let at = offset as usize;
        if region == region::CONFIG {
            self.config[at..at + data.len()].copy_from_slice(data);
            return Ok(());
        }
        self.bar[at..at + data.len()].copy_from_slice(data);
        let Ok(word) = <[u8; 4]>::try_from(data).map(u32::from_ne_bytes) else {
            return Ok(());
        };
        match offset {
            READ => self.read_memory(bus, word as usize),
            WRITE => {
                let data = &self.bar[DATA as usize..DATA as usize + word as usize];
                let result = bus.dma_write(self.address(), data);
                self.see(Seen::Wrote(result));
            }
            TRIGGER => bus.trigger(word >> 16, word & 0xffff),
            MASTER => bus.set_bus_master(word != 0),
            ALARM => self.alarm = Some(Instant::now() + Duration::from_millis(word.into())),
            FLUSH => self.flush(bus),
            FAIL => return Err(Errno::from_raw_os_error(word as i32)),
            _ => {}
        }
        Ok(())
    }

    fn reset(&mut self, _: &mut Bus<'_>) {
        self.waiting = None;
        self.see(Seen::Reset);
    }

    fn attached(&mut self, _: &mut Bus<'_>) {
        self.see(Seen::Attached);
    }

    fn detached(&mut self, why: &Disconnect) {
        self.waiting = None;
        self.see(Seen::Detached(why.to_string()));
    }

    fn pin_unmasked(&mut self, _: &mut Bus<'_>) {
        self.see(Seen::PinUnmasked);
    }

    fn wake(&mut self, bus: &mut Bus<'_>) {
        if let Some(count) = self.waiting {
            self.read_memory(bus, count);
        }
        if self.flushing {
            self.flush(bus);
        }
        if let Some(alarm) = self.alarm.take() {
            let in_time = alarm <= Instant::now();
            self.see(Seen::Alarm { in_time });
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.alarm
    }
}

/// A server on a thread.
pub struct Running {
    pub stop: StopHandle,
    pub seen: Receiver<Seen>,
    thread: Option<JoinHandle<Result<Exit, ServeError>>>,
}

impl Running {
    pub fn start(mut server: Server) -> Self {
        let (mut device, seen) = TestDevice::new();
        let stop = StopHandle::new().unwrap();
        let handle = stop.clone();
        let thread = std::thread::spawn(move || server.serve(&mut device, &handle));
        Self { stop, seen, thread: Some(thread) }
    }

    /// The next thing the device saw, writes to its registers left out.
    pub fn next(&self) -> Seen {
        loop {
            match self.seen.recv_timeout(PATIENCE).expect("an event") {
                Seen::Write(..) => {}
                other => return other,
            }
        }
    }

    pub fn join(mut self) -> Result<Exit, ServeError> {
        self.thread.take().unwrap().join().expect("no panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("no panic").expect("no error");
            }
        }
    }
}

pub const REPLY: u32 = 1;
pub const NO_REPLY: u32 = 0x10;
pub const ERROR: u32 = 0x20;

/// A message as bytes.
pub fn message(id: u16, command: u16, flags: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(id.to_ne_bytes());
    bytes.extend(command.to_ne_bytes());
    bytes.extend((16 + payload.len() as u32).to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes
}

/// A reply, or a command of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub id: u16,
    pub command: u16,
    pub flags: u32,
    pub error: u32,
    pub payload: Vec<u8>,
}

pub struct Peer(pub UnixStream);

pub const VERSION_DATA: &[u8] = b"{\"capabilities\": {\"max_msg_fds\": 8, \"max_data_xfer_size\": 1048576, \"max_dma_maps\": 65535, \"pgsizes\": 4096}}\0";

impl Peer {
    /// A peer and the server it is connected to; nothing is negotiated.
    pub fn raw() -> (Self, Running) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let server = Server::from_fd(OwnedFd::from(theirs)).unwrap();
        (Self(ours), Running::start(server))
    }

    /// A peer past VERSION.
    pub fn new() -> (Self, Running) {
        let (mut peer, running) = Self::raw();
        peer.negotiate(VERSION_DATA);
        assert_eq!(running.next(), Seen::Attached);
        (peer, running)
    }

    pub fn negotiate(&mut self, data: &[u8]) -> Vec<u8> {
        let reply = self.call(1, &[&[0; 4], data].concat());
        assert_eq!((reply.flags, reply.error), (REPLY, 0));
        assert_eq!(reply.payload[..4], [0; 4]);
        reply.payload[4..].to_vec()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn send_fds(&mut self, bytes: &[u8], fds: &[RawFd]) {
        assert_eq!(self.0.send_with_fds(&[bytes], fds).unwrap(), bytes.len());
    }

    pub fn receive(&mut self) -> Received {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).unwrap();
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        let mut payload = vec![0; word(4) as usize - 16];
        self.0.read_exact(&mut payload).unwrap();
        Received {
            id: u16::from_ne_bytes([header[0], header[1]]),
            command: u16::from_ne_bytes([header[2], header[3]]),
            flags: word(8),
            error: word(12),
            payload,
        }
    }

    /// Sends a command and gives its reply.
    pub fn call(&mut self, command: u16, payload: &[u8]) -> Received {
        self.call_fds(command, payload, &[])
    }

    pub fn call_fds(&mut self, command: u16, payload: &[u8], fds: &[RawFd]) -> Received {
        let bytes = message(0x4242, command, 0, payload);
        if fds.is_empty() {
            self.send(&bytes);
        } else {
            self.send_fds(&bytes, fds);
        }
        let reply = self.receive();
        assert_eq!((reply.id, reply.command), (0x4242, command));
        reply
    }

    /// The command must fail with this errno and nothing but a header.
    pub fn refused(&mut self, command: u16, payload: &[u8], errno: Errno) {
        let reply = self.call(command, payload);
        assert_eq!(reply.flags, REPLY | ERROR);
        assert_eq!(reply.error, errno.raw_os_error() as u32, "command {command}");
        assert!(reply.payload.is_empty());
    }

    /// The connection works, and no reply is waiting that should not be there.
    pub fn alive(&mut self) {
        let reply = self.call(9, &access(0, region::CONFIG, 4, &[]));
        assert_eq!((reply.flags, reply.error), (REPLY, 0));
        assert_eq!(reply.payload.len(), 20);
    }

    /// The server closes the connection.
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    pub fn poke(&mut self, offset: u64, value: u32) {
        let reply = self.call(10, &access(offset, 0, 4, &value.to_ne_bytes()));
        assert_eq!((reply.flags, reply.error), (REPLY, 0));
    }

    /// A register write that may make the server send commands before its reply.
    pub fn post(&mut self, offset: u64, value: u32) {
        let payload = access(offset, 0, 4, &value.to_ne_bytes());
        self.send(&message(9, 10, NO_REPLY, &payload));
    }

    pub fn set_address(&mut self, address: u64) {
        let reply = self.call(10, &access(ADDRESS, 0, 8, &address.to_ne_bytes()));
        assert_eq!(reply.error, 0);
    }

    pub fn peek(&mut self, offset: u64, count: u32) -> Vec<u8> {
        let reply = self.call(9, &access(offset, 0, count, &[]));
        assert_eq!((reply.flags, reply.error), (REPLY, 0));
        reply.payload[16..].to_vec()
    }

    pub fn map(&mut self, address: u64, size: u64, flags: u32, fd: Option<RawFd>) -> u32 {
        let payload = dma_map(flags, 0, address, size);
        let fds: Vec<RawFd> = fd.into_iter().collect();
        self.call_fds(2, &payload, &fds).error
    }

    pub fn unmap(&mut self, address: u64, size: u64, flags: u32) -> u32 {
        self.call(3, &dma_unmap(flags, address, size)).error
    }

    pub fn set_irqs(
        &mut self,
        flags: u32,
        index: u32,
        start: u32,
        count: u32,
        bools: &[u8],
        fds: &[RawFd],
    ) -> u32 {
        let payload = set_irqs(flags, index, start, count, bools);
        self.call_fds(8, &payload, fds).error
    }
}

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

pub fn access(offset: u64, region: u32, count: u32, data: &[u8]) -> Vec<u8> {
    [&offset.to_ne_bytes()[..], &words(&[region, count]), data].concat()
}

pub fn transfer(address: u64, count: u64, data: &[u8]) -> Vec<u8> {
    [&address.to_ne_bytes()[..], &count.to_ne_bytes(), data].concat()
}

pub fn dma_map(flags: u32, offset: u64, address: u64, size: u64) -> Vec<u8> {
    let mut payload = words(&[32, flags]);
    for word in [offset, address, size] {
        payload.extend(word.to_ne_bytes());
    }
    payload
}

pub fn dma_unmap(flags: u32, address: u64, size: u64) -> Vec<u8> {
    let mut payload = words(&[24, flags]);
    payload.extend(address.to_ne_bytes());
    payload.extend(size.to_ne_bytes());
    payload
}

pub fn set_irqs(flags: u32, index: u32, start: u32, count: u32, bools: &[u8]) -> Vec<u8> {
    let argsz = 20 + bools.len() as u32;
    [&words(&[argsz, flags, index, start, count])[..], bools].concat()
}

/// Memory of so many bytes, filled with `byte`.
pub fn memory(bytes: usize, byte: u8) -> std::fs::File {
    let file = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = std::fs::File::from(file);
    file.write_all(&vec![byte; bytes]).unwrap();
    file
}

pub fn eventfd() -> EventFd {
    EventFd::new(vmm_sys_util::eventfd::EFD_NONBLOCK).unwrap()
}

/// How often an eventfd was signalled since the last time.
pub fn fired(event: &EventFd) -> u64 {
    event.read().unwrap_or(0)
}

pub fn raw(fd: &impl AsRawFd) -> RawFd {
    fd.as_raw_fd()
}

/// How many descriptors this process has open on the same file, and mappings of it.
pub fn open_on(file: &std::fs::File) -> usize {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .filter(|other| (other.dev(), other.ino()) == (ours.dev(), ours.ino()))
        .count();
    let inode = ours.ino().to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mappings = maps
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words[4] == inode && words[5].starts_with("/memfd:guest"))
        .count();
    descriptors + mappings
}

/// How many descriptors this process has open on an eventfd.
pub fn open_on_event(event: &EventFd) -> usize {
    let id = |fd: &str| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
        info.lines().find(|line| line.starts_with("eventfd-id")).map(str::to_owned)
    };
    let ours = id(&event.as_raw_fd().to_string());
    assert!(ours.is_some());
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| id(&entry.file_name().to_string_lossy()) == ours)
        .count()
}
