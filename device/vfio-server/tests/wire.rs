//! What the server does with messages that are wrong, torn, or out of place.

mod common;

use common::{
    ERROR, NO_REPLY, PATIENCE, Peer, REPLY, Seen, VERSION_DATA, access, dma_map, memory, message,
    open_on, raw, set_irqs, transfer, words,
};
use vfio_server::{Errno, region};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

const BODY: [u8; 4] = [1, 2, 3, 4];

#[test]
fn version_reply_fits_the_request() {
    // As QEMU 11.1.3 sends it: 214 bytes in all.
    let (mut peer, _running) = Peer::raw();
    let request = b"{\"capabilities\": {\"migration\": {\"max_bitmap_size\": 268435456, \"pgsize\": 4096}, \"max_data_xfer_size\": 1048576, \"max_dma_maps\": 65535, \"max_msg_fds\": 8, \"pgsizes\": 4096, \"write_multiple\": true}}\0";
    let data = peer.negotiate(request);
    assert!(data.len() <= request.len());
    let text = std::str::from_utf8(&data).unwrap().trim_end_matches('\0');
    assert_eq!(
        text,
        r#"{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"max_dma_maps":65535,"pgsizes":4096}}"#
    );
    peer.alive();
}

#[test]
fn version_data_is_optional() {
    let (mut peer, _running) = Peer::raw();
    assert_eq!(peer.negotiate(b""), b"");
    peer.alive();
}

#[test]
fn malformed_version_is_refused_and_can_be_repeated() {
    let (mut peer, running) = Peer::raw();
    peer.refused(1, &[], Errno::INVAL);
    peer.refused(1, &[0, 0], Errno::INVAL);
    peer.refused(1, b"\0\0\0\0{}", Errno::INVAL); // No NUL.
    peer.refused(1, b"\0\0\0\0{\0}\0", Errno::INVAL); // One too many.
    peer.refused(1, b"\0\0\0\0[]]\0", Errno::INVAL); // No JSON.
    peer.refused(1, b"\0\0\0\0\xff\xfe\0", Errno::INVAL); // No UTF-8.
    let deep = [&[0; 4][..], &b"[".repeat(100_000), b"\0"].concat();
    peer.refused(1, &deep, Errno::INVAL);
    let no_transfer = b"\0\0\0\0{\"capabilities\":{\"max_data_xfer_size\":0}}\0";
    peer.refused(1, no_transfer, Errno::INVAL);
    peer.negotiate(VERSION_DATA);
    assert_eq!(running.next(), Seen::Attached);
    peer.alive();
}

#[test]
fn other_major_version_ends_the_connection() {
    let (mut peer, running) = Peer::raw();
    let reply = peer.call(1, &[1, 0, 0, 0]);
    assert_eq!(reply.flags, REPLY | ERROR);
    assert_ne!(reply.error, 0);
    peer.closed();
    // Never attached, so never detached.
    assert!(running.seen.recv_timeout(PATIENCE).is_err());
}

#[test]
fn commands_before_version_and_a_second_version_are_refused() {
    let (mut peer, running) = Peer::raw();
    peer.refused(4, &words(&[16, 0, 0, 0]), Errno::INVAL);
    peer.refused(10, &access(0, 7, 4, &BODY), Errno::INVAL);
    peer.refused(13, &[], Errno::INVAL);
    peer.negotiate(VERSION_DATA);
    peer.refused(1, &[&[0; 4], VERSION_DATA].concat(), Errno::INVAL);
    peer.alive();
    assert_eq!(running.next(), Seen::Attached);
}

#[test]
fn one_byte_at_a_time() {
    let (mut peer, _running) = Peer::raw();
    let version = message(1, 1, 0, &[&[0; 4], VERSION_DATA].concat());
    let write = message(2, 10, 0, &access(8, region::CONFIG, 4, &BODY));
    let read = message(3, 9, 0, &access(8, region::CONFIG, 4, &[]));
    for byte in [version, write, read].concat() {
        peer.send(&[byte]);
    }
    assert_eq!(peer.receive().id, 1);
    assert_eq!(peer.receive().id, 2);
    assert_eq!(peer.receive().payload[16..], BODY);
}

#[test]
fn impossible_sizes_end_the_connection() {
    for size in [0_u32, 15, 16 + 16 + (1 << 20) + 1, u32::MAX] {
        let (mut peer, running) = Peer::new();
        let mut bytes = message(1, 10, 0, &[]);
        bytes[4..8].copy_from_slice(&size.to_ne_bytes());
        peer.send(&bytes);
        peer.closed();
        let Seen::Detached(why) = running.next() else { panic!("detached") };
        assert!(why.contains(&size.to_string()), "{why}");
    }
}

#[test]
fn largest_write_and_read_work() {
    let (mut peer, _running) = Peer::new();
    let data: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    let reply = peer.call(10, &access(0, 0, 1 << 20, &data));
    assert_eq!(reply.error, 0);
    assert_eq!(peer.peek(0, 1 << 20), data);
    peer.refused(9, &access(0, 0, (1 << 20) + 1, &[]), Errno::INVAL);
    peer.alive();
}

#[test]
fn neither_command_nor_reply_ends_the_connection() {
    let (mut peer, _running) = Peer::new();
    peer.send(&message(1, 9, 2, &access(0, 7, 4, &[])));
    peer.closed();
}

#[test]
fn unknown_commands_are_refused_and_drained() {
    let (mut peer, _running) = Peer::new();
    for command in [0, 6, 11, 12, 14, 16, 17, 18, 999, u16::MAX] {
        peer.refused(command, &[7; 333], Errno::NOTSUP);
    }
    peer.alive();
}

#[test]
fn wrong_payload_sizes_are_refused_and_drained() {
    let (mut peer, _running) = Peer::new();
    for command in [2, 3, 4, 5, 7, 8, 9, 10, 13, 15] {
        for size in [1, 3, 15, 17, 40, 5000] {
            // Longer than it needs to be is no fault of these; all their values are possible.
            if !(command == 13 || command == 4 && size > 15) {
                peer.refused(command, &vec![0xff; size], Errno::INVAL);
            }
        }
    }
    // A write whose data is shorter or longer than it says.
    peer.refused(10, &access(0, 7, 8, &BODY), Errno::INVAL);
    peer.refused(10, &access(0, 7, 2, &BODY), Errno::INVAL);
    peer.refused(10, &access(0, 7, u32::MAX, &BODY), Errno::INVAL);
    // A vector of booleans of another length.
    peer.refused(8, &set_irqs(0x22, 2, 0, 3, &[1]), Errno::INVAL);
    peer.alive();
}

/// SPDK's client sends its whole buffer for a reply with GET_REGION_INFO, 32 bytes less.
#[test]
fn what_follows_a_structure_is_let_be() {
    let (mut peer, running) = Peer::new();
    let mut same = |command, payload: &[u8]| {
        let exact = peer.call(command, payload);
        assert_eq!(exact.error, 0, "command {command}");
        for junk in [1, 4, 4064] {
            let long = [payload, &vec![0xa5; junk]].concat();
            let reply = peer.call(command, &long);
            assert_eq!((reply.error, &reply.payload), (0, &exact.payload), "command {command}");
        }
    };
    same(4, &words(&[16, 0, 0, 0]));
    same(5, &words(&[4096, 0, 7, 0, 0, 0, 0, 0]));
    same(7, &words(&[16, 0, 2, 0]));
    same(8, &set_irqs(0x21, 2, 0, 0, &[]));
    same(8, &set_irqs(0x22, 2, 0, 2, &[1, 0]));
    same(9, &access(0, 7, 4, &[]));
    same(13, &[]);
    for at in 0..4 {
        let map = [dma_map(3, 0, at * 4096, 4096), vec![0xa5; at as usize]].concat();
        assert_eq!(peer.call(2, &map).error, 0);
        let unmap = common::dma_unmap(0, at * 4096, 4096);
        let long = [unmap.clone(), vec![0xa5; at as usize]].concat();
        let reply = peer.call(3, &long);
        assert_eq!((reply.error, reply.payload), (0, unmap));
    }
    assert_eq!(running.next(), Seen::Reset);
}

#[test]
fn accesses_outside_are_refused() {
    let (mut peer, _running) = Peer::new();
    peer.refused(9, &access(253, 7, 4, &[]), Errno::INVAL);
    peer.refused(9, &access(u64::MAX, 7, 4, &[]), Errno::INVAL);
    peer.refused(9, &access(0, 3, 4, &[]), Errno::INVAL); // Absent.
    peer.refused(9, &access(0, 9, 4, &[]), Errno::INVAL);
    peer.refused(9, &access(0, u32::MAX, 4, &[]), Errno::INVAL);
    peer.refused(10, &access(0, 1, 4, &BODY), Errno::INVAL); // Read-only.
    peer.refused(5, &words(&[32, 0, 9, 0, 0, 0, 0, 0]), Errno::INVAL);
    peer.refused(7, &words(&[16, 0, 5, 0]), Errno::INVAL);
    peer.refused(5, &words(&[31, 0, 0, 0, 0, 0, 0, 0]), Errno::INVAL);
    peer.alive();
}

#[test]
fn an_error_of_the_device_reaches_the_client() {
    let (mut peer, _running) = Peer::new();
    let payload = access(common::FAIL, 0, 4, &5_u32.to_ne_bytes());
    peer.refused(10, &payload, Errno::IO);
}

#[test]
fn no_reply_is_never_answered() {
    let (mut peer, running) = Peer::new();
    let posted = |command, payload: &[u8]| message(1, command, NO_REPLY, payload);
    peer.send(&posted(10, &access(0, 7, 4, &BODY)));
    peer.send(&posted(10, &access(0, 99, 4, &BODY)));
    peer.send(&posted(10, &access(0, 7, 99, &BODY)));
    peer.send(&posted(999, &BODY));
    peer.send(&posted(1, &BODY));
    peer.send(&posted(4, &words(&[16, 0, 0, 0])));
    peer.send(&posted(13, &[]));
    // The next bytes to come are this call's reply.
    let reply = peer.call(9, &access(0, 7, 4, &[]));
    assert_eq!(reply.payload[16..], BODY);
    assert_eq!(running.next(), Seen::Reset);
}

#[test]
fn write_multi_is_taken() {
    let (mut peer, running) = Peer::new();
    let one = |offset, count, data: [u8; 8]| access(offset, 7, count, &data);
    let writes =
        [&2_u64.to_ne_bytes()[..], &one(0, 2, [1, 2, 0, 0, 0, 0, 0, 0]), &one(4, 8, [3; 8])]
            .concat();
    let reply = peer.call(15, &writes);
    assert_eq!((reply.error, reply.payload), (0, 2_u64.to_ne_bytes().to_vec()));
    assert_eq!(running.seen.recv().unwrap(), Seen::Write(7, 0, 2));
    assert_eq!(running.seen.recv().unwrap(), Seen::Write(7, 4, 8));
    // More bytes than a slot holds; a count beyond the message; one that overflows.
    let long = [&1_u64.to_ne_bytes()[..], &one(0, 9, [0; 8])].concat();
    peer.refused(15, &long, Errno::INVAL);
    let few = [&2_u64.to_ne_bytes()[..], &one(0, 1, [0; 8])].concat();
    peer.refused(15, &few, Errno::INVAL);
    let many = [&u64::MAX.to_ne_bytes()[..], &one(0, 1, [0; 8])].concat();
    peer.refused(15, &many, Errno::INVAL);
    peer.alive();
}

#[test]
fn replies_nobody_waits_for_end_the_connection() {
    let (mut peer, _running) = Peer::new();
    peer.send(&message(77, 11, REPLY, &transfer(0, 0, &[])));
    peer.closed();
}

#[test]
fn descriptors_that_are_not_taken_are_closed() {
    let (mut peer, _running) = Peer::new();
    let file = memory(4096, 0);
    assert_eq!(open_on(&file), 1);
    let fds = [raw(&file); 3];
    let reply = peer.call_fds(9, &access(0, 7, 4, &[]), &fds);
    assert_eq!(reply.error, 0);
    peer.alive();
    assert_eq!(open_on(&file), 1);
    // Two files for one range.
    let reply = peer.call_fds(2, &dma_map(3, 0, 0, 4096), &fds[..2]);
    assert_eq!(reply.error, Errno::INVAL.raw_os_error() as u32);
    peer.alive();
    assert_eq!(open_on(&file), 1);
    // Before VERSION nothing is kept either.
    let (mut early, _running) = Peer::raw();
    let reply = early.call_fds(2, &dma_map(3, 0, 0, 4096), &fds[..1]);
    assert_ne!(reply.error, 0);
    early.negotiate(b"");
    assert_eq!(open_on(&file), 1);
}

#[test]
fn descriptors_stay_with_their_message() {
    let (mut peer, _running) = Peer::new();
    let (one, two) = (memory(4096, 1), memory(4096, 2));
    // A message without, then two with; all may arrive in one read or several.
    let plain = message(1, 9, 0, &access(0, 7, 4, &[]));
    peer.send(&plain);
    peer.send_fds(&message(2, 2, 0, &dma_map(3, 0, 0, 4096)), &[raw(&one)]);
    // Torn behind its first byte, with which the descriptor comes.
    let map = message(3, 2, 0, &dma_map(3, 0, 4096, 4096));
    peer.send_fds(&map[..1], &[raw(&two)]);
    peer.send(&map[1..]);
    peer.send(&plain);
    for id in [1, 2, 3, 1] {
        let reply = peer.receive();
        assert_eq!((reply.id, reply.error), (id, 0));
    }
    peer.poke(common::MASTER, 1);
    for (address, byte) in [(0, 1), (4096, 2)] {
        peer.set_address(address);
        peer.poke(common::READ, 4);
        assert_eq!(peer.peek(common::DATA, 4), [byte; 4]);
    }
}

#[test]
fn too_many_descriptors_end_the_connection() {
    let file = memory(4096, 0);
    let fds = [raw(&file); 17];
    let (mut peer, _running) = Peer::new();
    peer.send_fds(&message(1, 8, 0, &set_irqs(0x24, 2, 0, 4, &[])), &fds);
    peer.closed();
    // Spread over the bytes of one message.
    let (mut peer, running) = Peer::new();
    for byte in &message(1, 8, 0, &set_irqs(0x24, 2, 0, 4, &[]))[..8] {
        // Fails once the server has had enough.
        let _ = peer.0.send_with_fds(&[&[*byte][..]], &fds[..9]);
    }
    peer.closed();
    drop(running);
    assert_eq!(open_on(&file), 1);
}
