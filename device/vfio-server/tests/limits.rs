//! A process without descriptors. It is alone in its file: the limit is the whole process's.

mod common;

use std::{os::unix::net::UnixStream, time::Duration};

use common::{PATIENCE, Peer, Running, Seen, TRIGGER, VERSION_DATA, eventfd, fired, memory, raw};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vfio_server::{Errno, Server, irq_index};

const MSI: u32 = irq_index::MSI;

#[test]
fn descriptors_that_run_out_are_an_error_reply() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let running = Running::start(Server::bind(&path).unwrap());
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer(stream)
    };
    let mut peer = connect();
    peer.negotiate(VERSION_DATA);
    assert_eq!(running.next(), Seen::Attached);
    let (event, file) = (eventfd(), memory(4096, 0));
    let mut next = connect();

    let whole = getrlimit(Resource::Nofile);
    let limit = |most| setrlimit(Resource::Nofile, Rlimit { current: most, ..whole }).unwrap();
    // Below what is open: none can be had, whatever is closed meanwhile.
    limit(Some(3));
    let none_left = Errno::MFILE.raw_os_error() as u32;
    assert_eq!(peer.set_irqs(0x24, MSI, 0, 1, &[], &[raw(&event)]), none_left);
    assert_eq!(peer.map(0, 4096, 3, Some(raw(&file))), none_left);
    peer.alive();
    // The next one waits until there is one for it.
    drop(peer);
    assert!(matches!(running.next(), Seen::Detached(_)));
    next.0.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    next.send(&common::message(1, 1, 0x10, &[&[0; 4], VERSION_DATA].concat()));
    assert!(std::io::Read::read(&mut next.0, &mut [0]).is_err());
    next.0.set_read_timeout(Some(PATIENCE)).unwrap();

    limit(whole.current);
    next.alive();
    assert_eq!(next.set_irqs(0x24, MSI, 0, 1, &[], &[raw(&event)]), 0);
    next.poke(TRIGGER, MSI << 16);
    assert_eq!(fired(&event), 1);
}
