//! A hostile client of the project's own, for as long as one likes.
//!
//! It talks to served cards over real sockets, from one thread, and does what `vfio-server` says
//! that a client may do: sensible things in any order, millions of register accesses, and each row
//! of its table of what is not trusted. What it sends follows from a seed. Meanwhile the memory,
//! the descriptors and the threads of the process are watched: after the first part they must not
//! grow, every connection must be answered, and no card may end.

use std::{
    fmt, fs,
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use iwl_card::{Card, CardOptions, CardSpec};
use rustix::{
    event::{EventfdFlags, eventfd},
    fs::{MemfdFlags, OFlags, fcntl_setfl, ftruncate, memfd_create},
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt},
};
use vfio_server::{
    Server, irq_index,
    protocol::{Header, command, flags},
    region,
};

use crate::{Notice, Served};

/// No answer takes longer, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What may be there at the end more than at first: a heap that has settled differently, threads
/// that have still to end.
const MORE_MEMORY: u64 = 64 << 20;
const MORE_DESCRIPTORS: usize = 32;
const MORE_THREADS: usize = 16;
/// Connections before the first look.
const WARM_UP: u64 = 200;
const PAGE: u64 = 4096;
const MEMORY: u64 = 16 * PAGE;

/// How long, and what.
#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// The cards to serve, one after the other the client's.
    pub cards: Vec<&'static CardSpec>,
    /// Ends after so many messages.
    pub messages: u64,
    /// Ends after so many messages and accesses, added up.
    pub total: u64,
    /// Ends after so long.
    pub time: Duration,
    /// Where the client's decisions come from.
    pub seed: u64,
}

/// What the process has in hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes resident.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
}

/// How it went.
#[derive(Debug, Clone, Default)]
pub struct SoakReport {
    /// Messages sent, whole ones.
    pub messages: u64,
    /// Accesses that the cards have told of.
    pub accesses: u64,
    /// Connections made.
    pub connections: u64,
    /// How long it took.
    pub time: Duration,
    /// After the first connections.
    pub before: Usage,
    /// When all is let go.
    pub after: Usage,
    /// What was wrong.
    pub wrong: Vec<String>,
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { memory, descriptors, threads } = self.after;
        write!(
            f,
            "{} messages, {} register accesses, {} connections in {:.0} s: RSS {} MiB ({} at \
             first), {descriptors} descriptors ({}), {threads} threads ({})",
            self.messages,
            self.accesses,
            self.connections,
            self.time.as_secs_f64(),
            memory >> 20,
            self.before.memory >> 20,
            self.before.descriptors,
            self.before.threads,
        )?;
        for wrong in &self.wrong {
            write!(f, "; {wrong}")?;
        }
        Ok(())
    }
}

/// Soaks the cards until the options say that it is enough, `stop` is set or something is wrong.
///
/// # Errors
/// The environment's: no directory for sockets, no sockets, no threads.
pub fn soak(options: &SoakOptions, stop: &AtomicBool) -> io::Result<SoakReport> {
    let place = tempfile::tempdir()?;
    let accesses = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(Mutex::new(Vec::new()));
    let mut served = Vec::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (number, spec) in options.cards.iter().enumerate() {
        let path = place.path().join(number.to_string());
        let server = Server::bind(&path).map_err(io::Error::other)?;
        let (accesses, ended) = (Arc::clone(&accesses), Arc::clone(&ended));
        let sink = move |_, notice| match notice {
            Notice::Card(event) => {
                accesses.fetch_add(event.accesses().into(), Ordering::Relaxed);
            }
            Notice::Ended(end) => {
                let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                ended.push(end.result.map(|_| ()));
            }
            _ => {}
        };
        served.push(Served::start(Card::new(spec, CardOptions::default()), server, sink)?);
        paths.push(path);
    }
    let start = Instant::now();
    let mut report = SoakReport::default();
    let mut chance = Chance(options.seed);
    let over = || start.elapsed() >= options.time || stop.load(Ordering::Relaxed);
    let enough = |report: &SoakReport| {
        let total = report.messages + accesses.load(Ordering::Relaxed);
        report.messages >= options.messages || total >= options.total || over()
    };
    while !enough(&report) && report.wrong.is_empty() && !paths.is_empty() {
        let at = (report.connections % paths.len() as u64) as usize;
        report.connections += 1;
        match Client::connect(&paths[at], chance.next()) {
            Ok(mut client) => {
                // Its end is the server's choice, or its own; a hang is nobody's.
                if let Err(error) = client.misbehave(&over)
                    && is_hang(&error)
                {
                    report
                        .wrong
                        .push(format!("card {}: no answer: {error}", options.cards[at].name));
                }
                report.messages += client.sent;
            }
            Err(error) => {
                report.wrong.push(format!("card {}: not served: {error}", options.cards[at].name));
            }
        }
        if report.connections == WARM_UP || report.before == Usage::default() {
            report.before = usage()?;
        }
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        for end in ended.iter() {
            report.wrong.push(format!("a card's server has ended: {end:?}"));
        }
    }
    report.time = start.elapsed();
    report.accesses = accesses.load(Ordering::Relaxed);
    report.after = settled(report.before)?;
    drop(served);
    let Usage { memory, descriptors, threads } = report.before;
    let grown = [
        ("memory", report.after.memory > memory + MORE_MEMORY),
        ("descriptors", report.after.descriptors > descriptors + MORE_DESCRIPTORS),
        ("threads", report.after.threads > threads + MORE_THREADS),
    ];
    for (what, _) in grown.into_iter().filter(|(_, grown)| *grown) {
        report.wrong.push(format!("{what} grew"));
    }
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    for error in ended.iter().filter_map(|end| end.as_ref().err()) {
        report.wrong.push(format!("a card ended with an error: {error}"));
    }
    Ok(report)
}

fn is_hang(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What the last client sent is closed a little later.
fn settled(before: Usage) -> io::Result<Usage> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let usage = usage()?;
        let settled = usage.descriptors <= before.descriptors && usage.threads <= before.threads;
        if settled || Instant::now() > deadline {
            return Ok(usage);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn usage() -> io::Result<Usage> {
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage {
        memory: kib.unwrap_or(0) << 10,
        descriptors: fs::read_dir("/proc/self/fd")?.count(),
        threads: fs::read_dir("/proc/self/task")?.count(),
    })
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the same decisions for the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A value such as registers like: few bits, all, any.
    fn value(&mut self) -> u32 {
        match self.below(4) {
            0 => 1 << self.below(32),
            1 => [0, u32::MAX, 0xffff, 0x8000_0000][self.below(4) as usize],
            2 => self.below(0x1_0000) as u32,
            _ => self.next() as u32,
        }
    }
}

struct Client {
    socket: UnixStream,
    chance: Chance,
    /// Whole messages.
    sent: u64,
    /// What came and is no whole message yet.
    received: Vec<u8>,
    /// Messages that go with one `write`.
    batch: Vec<u8>,
    memory: OwnedFd,
    events: Vec<OwnedFd>,
    /// The other ends of what it has sent.
    held: Vec<OwnedFd>,
}

impl Client {
    /// Connects and negotiates.
    fn connect(path: &PathBuf, seed: u64) -> io::Result<Self> {
        let mut client = Self::new(UnixStream::connect(path)?, seed)?;
        let version =
            b"\0\0\0\0{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}\0";
        client.add(command::VERSION, 0, version);
        client.flush()?;
        client.await_answer(command::VERSION)?;
        Ok(client)
    }

    fn new(socket: UnixStream, seed: u64) -> io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let memory = memfd_create("soak", MemfdFlags::CLOEXEC)?;
        // Not zeros: who says that the server sees zeros where it sees others is taken for a QEMU
        // whose memory is not shared, and is served no longer.
        rustix::io::write(&memory, &[1; MEMORY as usize])?;
        Ok(Self {
            socket,
            chance: Chance(seed),
            sent: 0,
            received: Vec::new(),
            batch: Vec::new(),
            memory,
            events: Vec::new(),
            held: Vec::new(),
        })
    }

    /// Until the connection or its luck ends.
    fn misbehave(&mut self, over: &dyn Fn() -> bool) -> io::Result<()> {
        self.settle_in()?;
        for _ in 0..self.chance.below(30) {
            if over() {
                return Ok(());
            }
            match self.chance.below(40) {
                0..20 => self.many_accesses()?,
                20..23 => self.settle_in()?,
                23..25 => self.map()?,
                25 => self.unmap()?,
                26 => self.take_memory_back()?,
                27..29 => self.bad_interrupts()?,
                29 => self.make_events_block()?,
                30 => self.odd_messages()?,
                31 => self.reset()?,
                32 => self.many_maps()?,
                33 => self.too_many_descriptors()?,
                34 => return self.leave_in_the_middle(),
                35 => return self.break_the_protocol(),
                36 => return self.not_read(),
                _ => self.read_and_wait()?,
            }
            self.read_and_wait()?;
        }
        Ok(())
    }

    // --- Sending and receiving --------------------------------------------------------

    fn add(&mut self, command: u16, flags: u32, payload: &[u8]) {
        self.batch.extend(message(command, flags, payload));
        self.sent += 1;
    }

    /// Sends the batch; reads meanwhile, for the server stops reading while its answers wait.
    fn flush(&mut self) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let mut left = &batch[..];
        self.socket.set_nonblocking(true)?;
        let since = Instant::now();
        let sent = loop {
            if left.is_empty() {
                break Ok(());
            }
            match self.socket.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if since.elapsed() > PATIENCE {
                        break Err(error);
                    }
                    if let Err(error) = self.take_what_is_there() {
                        break Err(error);
                    }
                    std::thread::yield_now();
                }
                Err(error) => break Err(error),
            }
        };
        self.socket.set_nonblocking(false)?;
        self.batch = batch;
        self.batch.clear();
        sent
    }

    /// Reads without waiting, and answers what it finds.
    fn take_what_is_there(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1 << 16];
        match self.socket.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        // Answers to reads are nothing to this client here.
        while self.next_message().is_some() {}
        Ok(())
    }

    /// Takes a message out of what was received; a command's answer goes into the next batch.
    fn next_message(&mut self) -> Option<(u16, u32)> {
        let header = self.received.get(..size_of::<Header>())?;
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (id, command, size, kind) = (half(0), half(2), word(4) as usize, word(8));
        let payload = self.received.get(size_of::<Header>()..size)?;
        let transfer: Vec<u8> = payload.iter().copied().take(16).collect();
        self.received.drain(..size);
        if kind & flags::TYPE == flags::COMMAND && transfer.len() == 16 {
            self.answer(id, command, &transfer);
        }
        Some((command, kind))
    }

    /// Mostly well.
    fn answer(&mut self, id: u16, command: u16, transfer: &[u8]) {
        let mut answer = match self.chance.below(16) {
            // Never.
            0 => return,
            1 => message(command, flags::REPLY | flags::ERROR, &[]),
            2 => message(command, flags::REPLY, &transfer[..8]),
            _ => {
                let count = u64::from_ne_bytes(transfer[8..].try_into().unwrap_or_default());
                let data = if command == command::DMA_READ { count as usize } else { 0 };
                let data = vec![self.chance.next() as u8; data];
                message(command, flags::REPLY, &[transfer, &data].concat())
            }
        };
        answer[..2].copy_from_slice(&id.to_ne_bytes());
        // Behind what is being sent, never in its middle.
        self.batch.extend(answer);
        self.sent += 1;
    }

    fn await_answer(&mut self, to: u16) -> io::Result<()> {
        let mut buffer = [0; 1 << 16];
        loop {
            while let Some((command, kind)) = self.next_message() {
                if command == to && kind & flags::TYPE == flags::REPLY {
                    return Ok(());
                }
            }
            if !self.batch.is_empty() {
                self.flush()?;
                continue;
            }
            match self.socket.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// With descriptors; the batch has been sent.
    fn send_with(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(fds));
        let sent = sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
            .map_err(io::Error::from)?;
        self.sent += u64::from(sent == bytes.len());
        Ok(())
    }

    // --- What it does -----------------------------------------------------------------

    /// As a VMM begins: memory, bus mastering, interrupts.
    fn settle_in(&mut self) -> io::Result<()> {
        self.map()?;
        // The command register: memory, bus master.
        self.add(command::REGION_WRITE, flags::NO_REPLY, &access(4, region::CONFIG, &[6, 0]));
        self.flush()?;
        for index in [irq_index::MSI, irq_index::INTX] {
            let event = eventfd(0, EventfdFlags::NONBLOCK)?;
            self.send_with(&set_irqs(0x24, index, 1), &[event.as_fd()])?;
            self.events.push(event);
        }
        self.events.drain(..self.events.len().saturating_sub(8));
        Ok(())
    }

    fn many_accesses(&mut self) -> io::Result<()> {
        for _ in 0..self.chance.below(8) {
            for _ in 0..1500 {
                let place = self.chance.next();
                let offset = match place % 8 {
                    0 => place >> 8,
                    1 => (place >> 8) % 0x4000,
                    2..4 => ((place >> 8) % 0x400) & !3,
                    _ => ((place >> 8) % 0x2000) & !3,
                };
                let region = if place >> 32 & 63 == 0 { region::CONFIG } else { region::BAR0 };
                if place >> 40 & 7 == 0 {
                    let read = access(offset, region, &[0; 4]);
                    self.add(command::REGION_READ, 0, &read[..16]);
                } else {
                    let value = self.chance.value().to_ne_bytes();
                    let write = access(offset, region, &value);
                    self.add(command::REGION_WRITE, flags::NO_REPLY, &write);
                }
            }
            self.flush()?;
        }
        Ok(())
    }

    fn read_and_wait(&mut self) -> io::Result<()> {
        // Nothing else asks for the reset vector of nothing: its answer is this one's.
        self.add(command::DEVICE_GET_INFO, 0, &words(&[16, 0, 0, 0]));
        self.flush()?;
        self.await_answer(command::DEVICE_GET_INFO)
    }

    fn map(&mut self) -> io::Result<()> {
        let place = self.chance.below(64) * MEMORY;
        let map = message(command::DMA_MAP, flags::NO_REPLY, &dma_map(place, MEMORY));
        self.flush()?;
        if self.chance.below(3) == 0 {
            return self.socket.write_all(&map);
        }
        let memory = rustix::io::dup(&self.memory)?;
        self.send_with(&map, &[memory.as_fd()])
    }

    fn many_maps(&mut self) -> io::Result<()> {
        self.flush()?;
        let memory = rustix::io::dup(&self.memory)?;
        for at in 0..self.chance.below(600) {
            let map = dma_map((1 << 40) + 2 * at * PAGE, PAGE);
            self.send_with(&message(command::DMA_MAP, flags::NO_REPLY, &map), &[memory.as_fd()])?;
        }
        Ok(())
    }

    fn unmap(&mut self) -> io::Result<()> {
        let payload = if self.chance.below(4) == 0 {
            [words(&[24, 2]), vec![0; 16]].concat()
        } else {
            let address = self.chance.below(64) * MEMORY;
            [words(&[24, 0]), address.to_ne_bytes().to_vec(), MEMORY.to_ne_bytes().to_vec()]
                .concat()
        };
        self.add(command::DMA_UNMAP, flags::NO_REPLY, &payload);
        self.flush()
    }

    fn take_memory_back(&mut self) -> io::Result<()> {
        ftruncate(&self.memory, self.chance.below(2) * PAGE)?;
        self.many_accesses()
    }

    fn bad_interrupts(&mut self) -> io::Result<()> {
        self.flush()?;
        let own = self.socket.try_clone()?;
        let flags = [0x24, 0x14][self.chance.below(2) as usize];
        let index = [irq_index::MSI, irq_index::INTX][self.chance.below(2) as usize];
        let fd: OwnedFd = match self.chance.below(7) {
            0 => own.into(),
            1 => fs::File::open("/dev/zero")?.into(),
            2 => self.full_pipe()?,
            3 => return self.lingering_interrupt(&set_irqs(flags, index, 1)),
            4 => rustix::io::dup(&self.memory)?,
            5 => UnixStream::pair()?.0.into(),
            _ => eventfd(0, EventfdFlags::empty())?,
        };
        self.send_with(&set_irqs(flags, index, 1), &[fd.as_fd()])
    }

    fn make_events_block(&mut self) -> io::Result<()> {
        for event in &self.events {
            fcntl_setfl(event, OFlags::empty())?;
            // Full, unless it was already.
            let room = (u64::MAX - 1).to_ne_bytes();
            fcntl_setfl(event, OFlags::NONBLOCK)?;
            let _ = rustix::io::write(event, &room);
            fcntl_setfl(event, OFlags::empty())?;
        }
        Ok(())
    }

    fn odd_messages(&mut self) -> io::Result<()> {
        for _ in 0..100 {
            let length = self.chance.below(80) as usize;
            let payload: Vec<u8> = (0..length).map(|_| self.chance.next() as u8).collect();
            let command = self.chance.below(20) as u16;
            let wanted = [0, flags::NO_REPLY][self.chance.below(2) as usize];
            // A map of anything anywhere may be one of half the address space.
            if command != command::DMA_MAP {
                self.add(command, wanted, &payload);
            }
        }
        self.flush()
    }

    fn reset(&mut self) -> io::Result<()> {
        self.add(command::DEVICE_RESET, flags::NO_REPLY, &[]);
        self.flush()
    }

    fn too_many_descriptors(&mut self) -> io::Result<()> {
        self.flush()?;
        let memory = rustix::io::dup(&self.memory)?;
        let null = fs::File::open("/dev/null")?;
        let fds = [memory.as_fd(), null.as_fd()].repeat(1 + self.chance.below(40) as usize);
        self.send_with(&set_irqs(0x24, irq_index::MSI, 1), &fds)
    }

    fn leave_in_the_middle(&mut self) -> io::Result<()> {
        self.flush()?;
        let whole = set_irqs(0x24, irq_index::MSI, 1);
        let own = self.socket.try_clone()?;
        let part = 1 + self.chance.below(whole.len() as u64 - 1) as usize;
        self.send_with(&whole[..part], &[own.as_fd()])
    }

    fn break_the_protocol(&mut self) -> io::Result<()> {
        let junk: Vec<u8> =
            (0..self.chance.below(5000)).map(|_| self.chance.next() as u8).collect();
        self.batch.extend(junk);
        self.flush()
    }

    /// Answers that nobody takes.
    fn not_read(&mut self) -> io::Result<()> {
        let read = message(command::REGION_READ, 0, &access(0, region::BAR0, &[0; 4])[..16]);
        self.socket.set_nonblocking(true)?;
        let batch = read.repeat(1000);
        // Until neither side takes more, which is the end.
        while self.socket.write(&batch).is_ok_and(|count| count == batch.len()) {
            self.sent += 1000;
        }
        Ok(())
    }

    fn full_pipe(&mut self) -> io::Result<OwnedFd> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK)?;
        while matches!(rustix::io::write(&writer, &[0; 4096]), Ok(_) | Err(Errno::INTR)) {}
        fcntl_setfl(&writer, OFlags::empty())?;
        self.held.push(reader);
        Ok(writer)
    }

    /// Who closes the socket last waits. That may be this side: if the message did not get through,
    /// or was answered at once. So it closes elsewhere, until the listener of `held` has gone.
    fn lingering_interrupt(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = self.lingering()?;
        let sent = self.send_with(message, &[socket.as_fd()]);
        std::thread::Builder::new().name("lingers".to_owned()).spawn(move || drop(socket))?;
        sent
    }

    /// Waits in `close`, for as long as it lingers and nobody reads what it has to send.
    fn lingering(&mut self) -> io::Result<OwnedFd> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut socket = TcpStream::connect(listener.local_addr()?)?;
        socket.set_nonblocking(true)?;
        while socket.write(&[0; 1 << 16]).is_ok() {}
        sockopt::set_socket_linger(&socket, Some(Duration::from_secs(3600)))?;
        socket.set_nonblocking(false)?;
        self.held.push(listener.into());
        Ok(socket.into())
    }
}

fn message(command: u16, flags: u32, payload: &[u8]) -> Vec<u8> {
    let size = (size_of::<Header>() + payload.len()) as u32;
    let mut bytes = Vec::with_capacity(size as usize);
    bytes.extend([1, 0]);
    bytes.extend(command.to_ne_bytes());
    bytes.extend(words(&[size, flags, 0]));
    bytes.extend(payload);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn access(offset: u64, region: u32, data: &[u8]) -> Vec<u8> {
    [&offset.to_ne_bytes()[..], &words(&[region, data.len() as u32]), data].concat()
}

fn dma_map(address: u64, size: u64) -> Vec<u8> {
    let places = [0, address, size].map(u64::to_ne_bytes).concat();
    [words(&[32, 3]), places].concat()
}

fn set_irqs(what: u32, index: u32, count: u32) -> Vec<u8> {
    let payload = words(&[20, what, index, 0, count]);
    message(command::DEVICE_SET_IRQS, flags::NO_REPLY, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_waits_for_its_own_socket_where_the_server_has_gone() {
        let (socket, gone) = UnixStream::pair().unwrap();
        drop(gone);
        let mut client = Client::new(socket, 1).unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || ended.send(client.lingering_interrupt(b"not sent").is_err()));
        assert_eq!(end.recv_timeout(PATIENCE), Ok(true));
    }
}
