//! The client's memory, mapped and by message.

mod common;

use std::{
    io::{Read, Write},
    os::unix::fs::FileExt,
};

use common::{
    ADDRESS, DATA, ERROR, FLUSH, MASTER, Peer, READ, REPLY, Received, Seen, TRIGGER, VERSION_DATA,
    WRITE, access, eventfd, fired, memory, message, open_on, raw, transfer,
};
use vfio_server::{DmaError, Errno, irq_index};

const PAGE: u64 = 4096;
const RW: u32 = 3;
const DMA_READ: u16 = 11;
const DMA_WRITE: u16 = 12;

fn fault(addr: u64, len: usize) -> DmaError {
    DmaError::Fault { addr, len }
}

/// Sends a reply to a command of the server.
fn reply(peer: &mut Peer, to: &Received, payload: &[u8]) {
    peer.send(&message(to.id, to.command, REPLY, payload));
}

/// The address and count of a DMA command.
fn asked(command: &Received) -> (u64, u64) {
    let word = |at: usize| u64::from_ne_bytes(command.payload[at..at + 8].try_into().unwrap());
    assert_eq!(command.flags, 0);
    (word(0), word(8))
}

#[test]
fn mapped_memory_is_used_at_once() {
    let (mut peer, running) = Peer::new();
    let file = memory(2 * PAGE as usize, 0x11);
    assert_eq!(peer.map(0x10000, 2 * PAGE, RW, Some(raw(&file))), 0);
    peer.set_address(0x10ffe);

    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Err(fault(0x10ffe, 4)))); // No bus master yet.
    peer.poke(MASTER, 1);
    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Ok(())));
    assert_eq!(peer.peek(DATA, 4), [0x11; 4]);

    peer.poke(DATA, 0xaabb_ccdd);
    peer.poke(WRITE, 3);
    assert_eq!(running.next(), Seen::Wrote(Ok(())));
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, 0xffd).unwrap();
    assert_eq!(bytes, [0x11, 0xdd, 0xcc, 0xbb, 0x11]);

    peer.poke(MASTER, 0);
    peer.poke(WRITE, 3);
    assert_eq!(running.next(), Seen::Wrote(Err(fault(0x10ffe, 3))));
}

#[test]
fn one_access_may_span_neighbours_but_not_a_gap() {
    let (mut peer, running) = Peer::new();
    let (one, two) = (memory(PAGE as usize, 1), memory(PAGE as usize, 2));
    peer.map(0, PAGE, RW, Some(raw(&one)));
    peer.map(PAGE, PAGE, RW, Some(raw(&two)));
    peer.poke(MASTER, 1);
    peer.set_address(PAGE - 2);
    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Ok(())));
    assert_eq!(peer.peek(DATA, 4), [1, 1, 2, 2]);
    // A write that does not fit is not begun.
    peer.set_address(2 * PAGE - 2);
    peer.poke(WRITE, 4);
    assert_eq!(running.next(), Seen::Wrote(Err(fault(2 * PAGE - 2, 4))));
    let mut bytes = [0; 2];
    two.read_exact_at(&mut bytes, PAGE - 2).unwrap();
    assert_eq!(bytes, [2; 2]);
    peer.set_address(u64::MAX - 1);
    peer.poke(WRITE, 4);
    assert_eq!(running.next(), Seen::Wrote(Err(fault(u64::MAX - 1, 4))));
}

#[test]
fn protection_is_the_ranges_own() {
    let (mut peer, running) = Peer::new();
    let file = memory(PAGE as usize, 7);
    let path = format!("/proc/self/fd/{}", raw(&file));
    let readable = std::fs::File::open(path).unwrap();
    // A read-only descriptor cannot be mapped for writing.
    assert_ne!(peer.map(0, PAGE, RW, Some(raw(&readable))), 0);
    assert_eq!(peer.map(0, PAGE, 1, Some(raw(&readable))), 0);
    peer.poke(MASTER, 1);
    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Ok(())));
    peer.poke(WRITE, 4);
    assert_eq!(running.next(), Seen::Wrote(Err(fault(0, 4))));
    // The same without a descriptor: no message is sent.
    assert_eq!(peer.map(PAGE, PAGE, 1, None), 0);
    assert_eq!(peer.map(2 * PAGE, PAGE, 2, None), 0);
    peer.set_address(PAGE);
    peer.poke(WRITE, 4);
    assert_eq!(running.next(), Seen::Wrote(Err(fault(PAGE, 4))));
    peer.set_address(2 * PAGE);
    peer.poke(READ, 4);
    assert_eq!(running.next(), Seen::Read(Err(fault(2 * PAGE, 4))));
}

#[test]
fn malformed_maps_are_refused() {
    let (mut peer, _running) = Peer::new();
    let file = memory(2 * PAGE as usize, 0);
    let fd = Some(raw(&file));
    let invalid = Errno::INVAL.raw_os_error() as u32;
    let exists = Errno::EXIST.raw_os_error() as u32;
    let missing = Errno::NOENT.raw_os_error() as u32;
    assert_eq!(peer.map(0, 0, RW, fd), invalid);
    assert_eq!(peer.map(u64::MAX, 2, RW, None), invalid);
    assert_eq!(peer.map(0, PAGE, 1 << 5, fd), invalid);
    assert_eq!(peer.map(0, 3 * PAGE, RW, fd), invalid); // Past the end of the file.
    assert_eq!(peer.map(0, PAGE, RW, Some(raw(&eventfd()))), invalid); // No memory.
    let mut short = common::dma_map(RW, 0, 0, PAGE);
    short[0] = 31;
    peer.refused(2, &short, Errno::INVAL);
    let unaligned = common::dma_map(RW, 5, 0, PAGE);
    assert_eq!(peer.call_fds(2, &unaligned, &[raw(&file)]).error, invalid);

    assert_eq!(peer.map(PAGE, 2 * PAGE, RW, fd), 0);
    assert_eq!(peer.map(0, PAGE, RW, None), 0);
    for (address, size) in [(0, 1), (2 * PAGE, 1), (3 * PAGE - 1, 2), (0, 9 * PAGE)] {
        assert_eq!(peer.map(address, size, RW, None), exists);
    }
    assert_eq!(peer.unmap(PAGE, PAGE, 0), missing); // Cuts it.
    assert_eq!(peer.unmap(8 * PAGE, PAGE, 0), missing);
    assert_eq!(peer.unmap(PAGE, 0, 0), invalid);
    assert_eq!(peer.unmap(PAGE, 2 * PAGE, 1), invalid); // The dirty bitmap, of old.
    assert_eq!(peer.unmap(0, PAGE, 2), invalid); // All, and yet a range.
    assert_eq!(open_on(&file), 2);
    assert_eq!(peer.unmap(PAGE, 2 * PAGE, 0), 0);
    assert_eq!(open_on(&file), 1);
    assert_eq!(peer.map(PAGE, 2 * PAGE, RW, fd), 0);
    assert_eq!(peer.unmap(0, 0, 2), 0);
    assert_eq!(open_on(&file), 1);
    assert_eq!(peer.unmap(0, PAGE, 0), missing);
}

#[test]
fn the_unmap_reply_repeats_the_request() {
    let (mut peer, _running) = Peer::new();
    peer.map(0, PAGE, RW, None);
    let request = common::dma_unmap(0, 0, PAGE);
    assert_eq!(peer.call(3, &request).payload, request);
}

#[test]
fn reads_by_message_wake_the_device() {
    let (mut peer, running) = Peer::new();
    peer.map(0, 64 * PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.set_address(0x100);
    // The reply to the write must come although the data has not.
    peer.send(&message(5, 10, 0, &access(READ, 0, 4, &70_000_u32.to_ne_bytes())));
    let mut parts = vec![];
    let mut answered = false;
    while parts.len() < 3 || !answered {
        let received = peer.receive();
        if received.command == 10 {
            answered = true;
        } else {
            assert_eq!(received.command, DMA_READ);
            parts.push(received);
        }
    }
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    let mut total = 0;
    // In any order.
    for part in parts.iter().rev() {
        let (address, count) = asked(part);
        assert!(count <= 32768);
        total += count;
        let data: Vec<u8> = (address..address + count).map(|at| at as u8).collect();
        reply(&mut peer, part, &transfer(address, count, &data));
    }
    assert_eq!(total, 70_000);
    assert_eq!(running.next(), Seen::Read(Ok(())));
    let expected: Vec<u8> = (0x100..0x100 + 70_000_u64).map(|at| at as u8).collect();
    assert_eq!(peer.peek(DATA, 70_000), expected);

    // The work item is over: the next one reads afresh.
    peer.post(READ, 4);
    let again = peer.receive();
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    reply(&mut peer, &again, &transfer(0x100, 4, &[9; 4]));
    assert_eq!(running.next(), Seen::Read(Ok(())));
    assert_eq!(peer.peek(DATA, 4), [9; 4]);
}

#[test]
fn a_refused_read_is_a_fault() {
    let (mut peer, running) = Peer::new();
    peer.map(0, PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.post(READ, 8);
    let command = peer.receive();
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    peer.send(&message(command.id, DMA_READ, REPLY | ERROR, &[]));
    assert_eq!(running.next(), Seen::Read(Err(fault(0, 8))));
    peer.alive();
}

#[test]
fn replies_that_do_not_fit_end_the_connection() {
    for bad in [
        transfer(0, 8, &[0; 7]),
        transfer(0, 9, &[0; 8]),
        transfer(1, 8, &[0; 8]),
        transfer(0, 8, &[0; 9]),
        vec![0; 15],
        vec![],
    ] {
        let (mut peer, running) = Peer::new();
        peer.map(0, PAGE, RW, None);
        peer.poke(MASTER, 1);
        peer.post(READ, 8);
        let command = peer.receive();
        assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
        reply(&mut peer, &command, &bad);
        peer.closed();
        assert!(matches!(running.next(), Seen::Detached(_)));
    }
}

#[test]
fn unmapping_ends_pending_reads() {
    let (mut peer, running) = Peer::new();
    peer.map(0, PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.post(READ, 8);
    let command = peer.receive();
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    assert_eq!(peer.unmap(0, PAGE, 0), 0);
    assert_eq!(running.next(), Seen::Read(Err(fault(0, 8))));
    // The late reply is swallowed, also when the range is back.
    assert_eq!(peer.map(0, PAGE, RW, None), 0);
    reply(&mut peer, &command, &transfer(0, 8, &[5; 8]));
    peer.post(READ, 8);
    let command = peer.receive();
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    reply(&mut peer, &command, &transfer(0, 8, &[6; 8]));
    assert_eq!(running.next(), Seen::Read(Ok(())));
    assert_eq!(peer.peek(DATA, 8), [6; 8]);
}

#[test]
fn reset_forgets_pending_reads_and_interrupts() {
    let (mut peer, running) = Peer::new();
    let event = eventfd();
    peer.set_irqs(0x24, irq_index::MSI, 0, 1, &[], &[raw(&event)]);
    peer.map(0, PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.post(WRITE, 4);
    let write = peer.receive();
    peer.poke(TRIGGER, irq_index::MSI << 16);
    peer.post(READ, 8);
    let read = peer.receive();
    assert_eq!(running.next(), Seen::Wrote(Ok(())));
    assert_eq!(running.next(), Seen::Read(Err(DmaError::Pending)));
    assert_eq!(peer.call(13, &[]).error, 0);
    assert_eq!(running.next(), Seen::Reset);
    reply(&mut peer, &read, &transfer(0, 8, &[5; 8]));
    reply(&mut peer, &write, &transfer(0, 4, &[]));
    peer.alive();
    assert_eq!(fired(&event), 0);
    assert!(running.seen.try_recv().is_err());
}

#[test]
fn interrupts_wait_for_the_writes_before_them() {
    let (mut peer, running) = Peer::raw();
    // A client that takes 8 bytes at a time.
    let data = String::from_utf8_lossy(VERSION_DATA).replace("1048576", "8");
    peer.negotiate(data.as_bytes());
    let event = eventfd();
    peer.set_irqs(0x24, irq_index::MSI, 0, 1, &[], &[raw(&event)]);
    peer.map(0x5000, PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.set_address(0x5000);
    peer.poke(TRIGGER, irq_index::MSI << 16);
    assert_eq!(fired(&event), 1); // Nothing is in its way.

    peer.post(WRITE, 20);
    peer.post(TRIGGER, irq_index::MSI << 16);
    let writes: Vec<Received> = (0..3).map(|_| peer.receive()).collect();
    let places: Vec<_> = writes.iter().map(asked).collect();
    assert_eq!(places, [(0x5000, 8), (0x5008, 8), (0x5010, 4)]);
    assert!(writes.iter().all(|write| write.command == DMA_WRITE));
    for (write, (address, count)) in writes.iter().zip(places) {
        peer.alive();
        assert_eq!(fired(&event), 0);
        reply(&mut peer, write, &transfer(address, count, &[]));
    }
    peer.alive();
    assert_eq!(fired(&event), 1);

    // A refused write, and one whose memory has gone, do not hold interrupts back.
    peer.post(WRITE, 4);
    peer.post(TRIGGER, irq_index::MSI << 16);
    let write = peer.receive();
    peer.send(&message(write.id, DMA_WRITE, REPLY | ERROR, &[]));
    peer.alive();
    assert_eq!(fired(&event), 1);
    peer.post(WRITE, 4);
    peer.post(TRIGGER, irq_index::MSI << 16);
    let write = peer.receive();
    peer.unmap(0x5000, PAGE, 0);
    assert_eq!(fired(&event), 1);
    reply(&mut peer, &write, &transfer(0x5000, 4, &[]));
    peer.alive();
    drop(running);
}

#[test]
fn the_device_is_woken_when_its_writes_have_landed() {
    let (mut peer, running) = Peer::new();
    peer.map(0x5000, PAGE, RW, None);
    peer.poke(MASTER, 1);
    peer.set_address(0x5000);
    peer.poke(FLUSH, 0);
    assert_eq!(running.next(), Seen::Flushed(true), "nothing is under way");

    peer.post(WRITE, 4);
    let write = peer.receive();
    peer.poke(FLUSH, 0);
    assert_eq!(running.next(), Seen::Wrote(Ok(())));
    assert_eq!(running.next(), Seen::Flushed(false));
    peer.alive();
    let early = running.seen.try_iter().any(|seen| matches!(seen, Seen::Flushed(_)));
    assert!(!early, "not before the client has confirmed it");
    reply(&mut peer, &write, &transfer(0x5000, 4, &[]));
    assert_eq!(running.next(), Seen::Flushed(true));
}

#[test]
fn a_client_that_never_answers_is_let_go() {
    let (mut peer, running) = Peer::new();
    peer.map(0, PAGE, RW, None);
    peer.poke(MASTER, 1);
    let write = message(9, 10, 0x10, &access(WRITE, 0, 4, &4_u32.to_ne_bytes()));
    // Its own reading goes on, or the sockets would hold it up first.
    let mut reader = peer.0.try_clone().unwrap();
    let drain = std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
    });
    for _ in 0..20_000 {
        if peer.0.write_all(&write).is_err() {
            break;
        }
    }
    drain.join().unwrap();
    let detached = detached(&running);
    assert!(detached.contains("does not answer"), "{detached}");
}

/// Why the connection ended, and how many pages were asked for. It holds `file`
/// in the file, which becomes `later` when asked for again, and `messages` in messages.
fn sharing(file: u8, messages: u8, later: u8) -> (String, usize) {
    let (mut peer, running) = Peer::new();
    let file = memory(64 * PAGE as usize, file);
    peer.map(0, 64 * PAGE, RW, Some(raw(&file)));
    peer.post(MASTER, 1);
    peer.send(&message(0x4242, 9, 0, &access(ADDRESS, 0, 4, &[])));
    let mut probes = 0;
    let mut answers = 0;
    peer.0.set_read_timeout(Some(common::PATIENCE)).unwrap();
    loop {
        let mut byte = [0];
        // The end of the connection, or another message.
        match rustix::net::recv(&peer.0, &mut byte, rustix::net::RecvFlags::PEEK) {
            Ok((1.., _)) => {}
            _ => break,
        }
        let received = peer.receive();
        if received.command == DMA_READ {
            probes += 1;
            let (address, count) = asked(&received);
            if probes > 2 {
                file.write_all_at(&[later], 0x800).unwrap();
            }
            let page = transfer(address, count, &vec![messages; count as usize]);
            let answer = message(received.id, DMA_READ, REPLY, &page);
            // And a question, whose answer comes behind what this one leads to.
            let question = message(0x4242, 9, 0, &access(ADDRESS, 0, 4, &[]));
            // Fails if the verdict is known.
            let _ = peer.0.write_all(&[answer, question].concat());
        } else {
            answers += 1;
            if answers > probes {
                break;
            }
        }
    }
    drop(peer);
    (detached(&running), probes)
}

/// Why the server gave up the connection.
fn detached(running: &common::Running) -> String {
    let seen = std::iter::repeat_with(|| running.next());
    seen.filter_map(|seen| match seen {
        Seen::Detached(why) => Some(why),
        _ => None,
    })
    .next()
    .unwrap()
}

#[test]
fn memory_that_is_not_shared_is_found_out() {
    let (why, probes) = sharing(0, 1, 0);
    assert!(why.contains("share=on"), "{why}");
    assert_eq!(probes, 4); // Two places are mapped, asked for twice.
}

#[test]
fn shared_memory_is_not_suspected() {
    let suspected = |(why, probes): (String, usize)| (why.contains("share=on"), probes);
    assert_eq!(suspected(sharing(1, 1, 1)), (false, 0));
    assert_eq!(suspected(sharing(1, 2, 1)), (false, 0)); // Changed by the guest meanwhile.
    assert_eq!(suspected(sharing(0, 1, 1)), (false, 4)); // Written just before it was read.
    assert_eq!(suspected(sharing(0, 0, 0)), (false, 2)); // Nobody can tell.
}
