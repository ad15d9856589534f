//! Descriptors and memory with which a client could hold up or kill whoever touches them.

mod common;

use std::{
    fs::File,
    io::Write,
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use common::{
    DATA, MASTER, PATIENCE, Peer, READ, Running, Seen, TRIGGER, VERSION_DATA, WRITE, access,
    eventfd, fired, memory, message, raw, set_irqs,
};
use rustix::{
    event::{EventfdFlags, epoll},
    fs::{MemfdFlags, OFlags, fcntl_setfl, ftruncate, memfd_create},
    net::sockopt::set_socket_linger,
};
use vfio_server::{DmaError, Errno, Server, irq_index};

const MSIX: u32 = irq_index::MSIX;
const EVENT_TRIGGER: u32 = 0x24;
const EVENT_UNMASK: u32 = 0x14;
const PAGE: u64 = 4096;
const SET_IRQS: u16 = 8;

fn connect(path: &Path) -> Peer {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Peer(stream)
}

/// A negotiation that nobody waits for.
fn hello() -> Vec<u8> {
    message(1, 1, 0x10, &[&[0; 4], VERSION_DATA].concat())
}

/// The next client is served.
fn next_is_served(path: &Path) {
    let mut next = connect(path);
    next.negotiate(VERSION_DATA);
    next.alive();
}

/// A socket whose close waits for an hour: nobody reads what it has still to send.
fn lingering() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    while ours.write(&[0; 1 << 16]).is_ok() {}
    ours.set_nonblocking(false).unwrap();
    set_socket_linger(&ours, Some(Duration::from_secs(3600))).unwrap();
    (ours.into(), theirs)
}

#[test]
fn an_eventfd_made_to_block_again_holds_nobody_up() {
    let (mut peer, _running) = Peer::new();
    let event = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    assert_eq!(peer.set_irqs(EVENT_TRIGGER, MSIX, 0, 1, &[], &[raw(&event)]), 0);
    fcntl_setfl(&event, OFlags::empty()).unwrap();
    rustix::io::write(&event, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    for _ in 0..1000 {
        peer.poke(TRIGGER, MSIX << 16);
    }
}

#[test]
fn an_unmask_that_the_client_takes_back_holds_nobody_up() {
    let (mut peer, _running) = Peer::new();
    let event = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    assert_eq!(peer.set_irqs(EVENT_UNMASK, irq_index::INTX, 0, 1, &[], &[raw(&event)]), 0);
    let stolen = rustix::io::dup(&event).unwrap();
    let thief = std::thread::spawn(move || {
        for _ in 0..20_000 {
            fcntl_setfl(&stolen, OFlags::empty()).unwrap();
            rustix::io::write(&stolen, &1_u64.to_ne_bytes()).unwrap();
            fcntl_setfl(&stolen, OFlags::NONBLOCK).unwrap();
            let _ = rustix::io::read(&stolen, &mut [0; 8]);
            // What the server is about to read would block it now.
            fcntl_setfl(&stolen, OFlags::empty()).unwrap();
        }
    });
    for _ in 0..2000 {
        peer.alive();
    }
    thief.join().unwrap();
}

#[test]
fn only_eventfds_are_taken_as_interrupts() {
    let (mut peer, _running) = Peer::new();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let invalid = Errno::INVAL.raw_os_error() as u32;
    let others: [OwnedFd; 7] = [
        pipe.into(),
        writer.into(),
        File::open("/dev/zero").unwrap().into(),
        File::options().write(true).open("/dev/null").unwrap().into(),
        memory(8, 0).into(),
        UnixStream::pair().unwrap().0.into(),
        epoll::create(epoll::CreateFlags::empty()).unwrap(),
    ];
    for other in &others {
        let fd = [raw(other)];
        let before = rustix::fs::fcntl_getfl(other).unwrap();
        assert_eq!(peer.set_irqs(EVENT_TRIGGER, MSIX, 0, 1, &[], &fd), invalid, "{other:?}");
        let unmask = peer.set_irqs(EVENT_UNMASK, irq_index::INTX, 0, 1, &[], &fd);
        assert_eq!(unmask, invalid, "{other:?}");
        assert_eq!(rustix::fs::fcntl_getfl(other).unwrap(), before, "left as it was");
    }
    // One among others: nothing has changed.
    let event = eventfd();
    assert_eq!(peer.set_irqs(EVENT_TRIGGER, MSIX, 0, 1, &[], &[raw(&event)]), 0);
    let good = eventfd();
    let mixed = [raw(&good), raw(&others[2])];
    assert_eq!(peer.set_irqs(EVENT_TRIGGER, MSIX, 0, 2, &[], &mixed), invalid);
    peer.poke(TRIGGER, MSIX << 16);
    assert_eq!(fired(&event), 1);
}

/// The server has the last descriptor of a socket that blocks in `close`, and that is sent in
/// each place from which it is let go.
#[test]
fn a_descriptor_that_blocks_when_closed_holds_nobody_up() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let irqs = message(2, SET_IRQS, 0x10, &set_irqs(EVENT_TRIGGER, MSIX, 0, 1, &[]));
    let read = message(3, 9, 0x10, &access(0, 7, 4, &[]));
    let sent: [(Vec<u8>, Vec<u8>); 4] = [
        // As an interrupt; with what takes none; with a message that never ends; never read.
        (hello(), irqs.clone()),
        (hello(), read),
        (hello(), irqs[..1].to_vec()),
        (vec![0; 16], irqs),
    ];
    for (first, with) in sent {
        let (lingering, _unread) = lingering();
        let server = Server::bind(&path).unwrap();
        let mut client = connect(&path);
        client.send(&first);
        client.send_fds(&with, &[raw(&lingering)]);
        drop(lingering);
        drop(client);
        let running = Running::start(server);
        next_is_served(&path);
        drop(running);
    }
}

#[test]
fn the_clients_own_end_does_not_keep_the_connection() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let running = Running::start(Server::bind(&path).unwrap());
    let irqs = message(2, SET_IRQS, 0x10, &set_irqs(EVENT_TRIGGER, MSIX, 0, 1, &[]));
    for length in [irqs.len(), 1] {
        let mut client = connect(&path);
        client.send(&hello());
        let own = raw(&client.0);
        client.send_fds(&irqs[..length], &[own]);
        drop(client);
        assert_eq!(running.next(), Seen::Attached);
        assert!(matches!(running.next(), Seen::Detached(_)));
    }
    next_is_served(&path);
}

/// Touches memory that is no more, and gives why the connection ended.
fn taken_back(memory: &OwnedFd, at: u64, size: u64, take: impl FnOnce(), command: u64) -> String {
    let (mut peer, running) = Peer::new();
    assert_eq!(peer.map(at, size, 3, Some(raw(memory))), 0);
    peer.poke(MASTER, 1);
    let addr = at + size - 6000;
    peer.set_address(addr);
    take();
    peer.post(command, 5000);
    let fault = Err(DmaError::Fault { addr, len: 5000 });
    let expected = if command == READ { Seen::Read(fault) } else { Seen::Wrote(fault) };
    assert_eq!(running.next(), expected);
    let Seen::Detached(why) = running.next() else { panic!("detached") };
    peer.closed();
    why
}

#[test]
fn memory_that_the_client_takes_back_ends_its_connection() {
    for command in [READ, WRITE] {
        let file = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 4 * PAGE).unwrap();
        let take = || ftruncate(&file, PAGE).unwrap();
        let why = taken_back(&file, 0x7000_0000, 4 * PAGE, take, command);
        assert!(why.contains("taken back memory") && why.contains("0x70002890"), "{why}");
    }
}

#[test]
fn huge_pages_that_there_are_none_of_end_the_connection() {
    const HUGE: u64 = 2 << 20;
    let flags = MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    let Ok(file) = memfd_create("guest", flags) else {
        return eprintln!("skipped: no huge pages in this kernel");
    };
    let free = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap();
    if free.trim() != "0" {
        return eprintln!("skipped: this machine has huge pages to give");
    }
    ftruncate(&file, HUGE).unwrap();
    // Where it is looked at to see whether it is shared, before anything else.
    taken_back(&file, 0, HUGE, || {}, WRITE);
}

/// A file on a disk may wait for it, or for whoever serves it.
#[test]
fn a_file_that_is_no_memory_is_read_by_message() {
    let (mut peer, running) = Peer::new();
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = place.path().join("memory");
    std::fs::write(&path, vec![1; 2 * PAGE as usize]).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    if rustix::fs::fcntl_get_seals(&file).is_ok() {
        return eprintln!("skipped: the build is in memory");
    }
    let invalid = Errno::INVAL.raw_os_error() as u32;
    assert_eq!(peer.map(0, 4 * PAGE, 3, Some(raw(&file))), invalid, "past its end");
    assert_eq!(peer.map(0, 2 * PAGE, 3, Some(raw(&file))), 0);
    peer.poke(MASTER, 1);
    peer.post(READ, 4);
    let command = peer.receive();
    assert_eq!(command.command, 11);
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    peer.send(&message(command.id, 11, 1, &common::transfer(0, 4, &[6; 4])));
    assert_eq!(running.next(), Seen::Read(Ok(())));
    assert_eq!(peer.peek(DATA, 4), [6; 4]);
}

#[test]
fn mapped_memory_keeps_no_descriptor() {
    let (mut peer, _running) = Peer::new();
    let file = memory(PAGE as usize, 1);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for at in 0..200 {
        assert_eq!(peer.map(2 * at * PAGE, PAGE, 3, Some(raw(&file))), 0);
    }
    assert_eq!(open(), before);
}

/// The kernel gives a process some 65,000 mappings; a thread that gets none kills it.
#[test]
fn mappings_are_bounded_and_what_is_beyond_goes_by_message() {
    let (mut peer, running) = Peer::new();
    let file = memory(PAGE as usize, 7);
    peer.poke(MASTER, 1);
    let before = mappings();
    for at in 0..5000 {
        assert_eq!(peer.map(2 * at * PAGE, PAGE, 3, Some(raw(&file))), 0);
    }
    assert!(mappings() - before < 4200, "{}", mappings() - before);
    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Ok(())));
    peer.set_address(2 * 4999 * PAGE);
    peer.post(READ, 4);
    assert_eq!(peer.receive().command, 11);
    // Room again.
    assert_eq!(peer.unmap(0, 0, 2), 0);
    assert_eq!(peer.map(0, PAGE, 3, Some(raw(&file))), 0);
    assert!(mappings() > before);
    drop(peer);
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}
