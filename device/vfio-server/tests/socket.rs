//! Sockets, clients that come and go, and the crate `vfio_user` as one of them.

mod common;

use std::{
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    time::Duration,
};

use common::{
    PATIENCE, Peer, Running, Seen, TRIGGER, VERSION_DATA, access, eventfd, fired, memory,
};
use vfio_bindings::bindings::vfio as linux;
use vfio_server::{BindError, Exit, Server, StopHandle, irq_index, region};
use vfio_user::Client;

fn connect(path: &Path) -> Peer {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Peer(stream)
}

#[test]
fn the_client_of_another_project() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let running = Running::start(Server::bind(&path).unwrap());
    let mut client = Client::new(&path).unwrap();
    assert_eq!(running.next(), Seen::Attached);

    let bar = client.region(0).unwrap();
    assert_eq!(bar.size, common::BAR_SIZE as u64);
    assert_eq!(bar.flags, linux::VFIO_REGION_INFO_FLAG_READ | linux::VFIO_REGION_INFO_FLAG_WRITE);
    let config = client.region(linux::VFIO_PCI_CONFIG_REGION_INDEX).unwrap();
    assert_eq!(config.size, 256);
    assert_eq!(client.region(3).unwrap().size, 0);
    let intx = client.get_irq_info(linux::VFIO_PCI_INTX_IRQ_INDEX).unwrap();
    assert_eq!(
        intx.flags,
        linux::VFIO_IRQ_INFO_EVENTFD
            | linux::VFIO_IRQ_INFO_MASKABLE
            | linux::VFIO_IRQ_INFO_AUTOMASKED
    );
    let msix = client.get_irq_info(linux::VFIO_PCI_MSIX_IRQ_INDEX).unwrap();
    assert_eq!((msix.index, msix.count), (2, 4));

    client.region_write(region::CONFIG, 8, &[1, 2, 3, 4]).unwrap();
    let mut data = [0; 4];
    client.region_read(region::CONFIG, 8, &mut data).unwrap();
    assert_eq!(data, [1, 2, 3, 4]);

    let event = eventfd();
    let flags = linux::VFIO_IRQ_SET_DATA_EVENTFD | linux::VFIO_IRQ_SET_ACTION_TRIGGER;
    let fds = [event.as_raw_fd()];
    client.set_irqs(irq_index::MSI, flags, 0, 1, &fds).unwrap();
    let trigger = (irq_index::MSI << 16).to_ne_bytes();
    client.region_write(0, TRIGGER, &trigger).unwrap();
    assert_eq!(fired(&event), 1);

    let file = memory(8192, 3);
    client.dma_map(4096, 0, 4096, file.as_raw_fd()).unwrap();
    client.region_write(0, common::MASTER, &[1, 0, 0, 0]).unwrap();
    client.region_write(0, common::READ, &[16, 0, 0, 0]).unwrap();
    assert_eq!(running.next(), Seen::Read(Ok(())));
    let mut data = [0; 16];
    client.region_read(0, common::DATA, &mut data).unwrap();
    assert_eq!(data, [3; 16]);
    client.dma_unmap(0, 4096).unwrap();

    client.reset().unwrap();
    assert_eq!(running.next(), Seen::Reset);
    client.shutdown().unwrap();
    assert!(matches!(running.next(), Seen::Detached(_)));
}

#[test]
fn clients_come_one_after_the_other() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let running = Running::start(Server::bind(&path).unwrap());
    let mut first = connect(&path);
    first.negotiate(VERSION_DATA);
    assert_eq!(running.next(), Seen::Attached);
    let file = memory(4096, 0);
    assert_eq!(first.map(0, 4096, 3, Some(file.as_raw_fd())), 0);
    first.call(10, &access(0, 7, 1, &[0x5a]));

    // The second waits its turn.
    let mut second = connect(&path);
    second.send(&common::message(0x4242, 13, 0, &[]));
    first.alive();
    assert!(running.seen.try_recv().is_ok()); // The write above, and nothing else.
    assert!(running.seen.try_recv().is_err());
    drop(first);
    let Seen::Detached(why) = running.next() else { panic!("detached") };
    assert!(why.contains("closed"), "{why}");
    assert_ne!(second.receive().error, 0); // Before VERSION.
    second.negotiate(VERSION_DATA);
    assert_eq!(running.next(), Seen::Attached);
    // Memory went with the first, the state of the device did not.
    assert_eq!(common::open_on(&file), 1);
    assert_eq!(second.map(0, 4096, 3, Some(file.as_raw_fd())), 0);
    let config = second.call(9, &access(0, 7, 1, &[])).payload;
    assert_eq!(config[16], 0x5a);

    // One that breaks the protocol does not end the server.
    second.send(&[0; 16]);
    second.closed();
    assert!(matches!(running.next(), Seen::Detached(_)));
    let mut third = connect(&path);
    // Gone in the middle of a message.
    third.send(&[1, 0, 1]);
    drop(third);
    let mut fourth = connect(&path);
    fourth.negotiate(VERSION_DATA);
    fourth.alive();
}

#[test]
fn stopping_removes_the_socket() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let idle = Running::start(Server::bind(&path).unwrap());
    assert!(path.exists());
    idle.stop.stop();
    assert_eq!(idle.join().unwrap(), Exit::Stopped);
    assert!(!path.exists());

    // With a client, in the middle of a message.
    let busy = Running::start(Server::bind(&path).unwrap());
    let mut peer = connect(&path);
    peer.negotiate(VERSION_DATA);
    peer.send(&[1, 0, 9]);
    assert_eq!(busy.next(), Seen::Attached);
    busy.stop.stop();
    peer.closed();
    assert_eq!(busy.next(), Seen::Detached("the server stopped".into()));
    assert_eq!(busy.join().unwrap(), Exit::Stopped);
    assert!(!path.exists());
}

#[test]
fn stopping_before_serving_works() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let mut server = Server::from_fd(OwnedFd::from(theirs)).unwrap();
    let (mut device, _seen) = common::TestDevice::new();
    let stop = StopHandle::new().unwrap();
    stop.stop();
    assert_eq!(server.serve(&mut device, &stop).unwrap(), Exit::Stopped);
}

#[test]
fn a_connected_socket_serves_once() {
    let (peer, running) = Peer::new();
    drop(peer);
    assert_eq!(running.join().unwrap(), Exit::Disconnected);

    // Broken off for cause, too: and the peer notices although the server lives on.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut server = Server::from_fd(OwnedFd::from(theirs)).unwrap();
    let mut peer = Peer(ours);
    peer.send(&[0; 16]);
    let (mut device, _seen) = common::TestDevice::new();
    let stop = StopHandle::new().unwrap();
    assert_eq!(server.serve(&mut device, &stop).unwrap(), Exit::Disconnected);
    peer.closed();
}

#[test]
fn an_inherited_listening_socket_is_served() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let running = Running::start(Server::from_fd(listener.into()).unwrap());
    for _ in 0..2 {
        let mut peer = connect(&path);
        peer.negotiate(b"");
        peer.alive();
    }
    running.stop.stop();
    assert_eq!(running.join().unwrap(), Exit::Stopped);
    assert!(path.exists()); // Not the server's to remove.
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(Server::from_fd(file.into()).is_err());
}

#[test]
fn existing_paths_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let server = Server::bind(&path).unwrap();
    assert_eq!(server.path(), Some(path.as_path()));
    let error = Server::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    // Somebody replaces the file: it is not removed.
    std::fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    drop(server);
    assert!(path.exists());
    let error = Server::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::Stale { .. }), "{error}");
    assert!(error.to_string().contains(&format!("rm {}", path.display())));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let error = Server::bind(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    let error = Server::bind(place.path().join("x".repeat(120))).unwrap_err();
    assert!(matches!(error, BindError::TooLong { .. }), "{error}");
    let error = Server::bind(place.path().join("no/such")).unwrap_err();
    assert!(matches!(error, BindError::Io { .. }), "{error}");
}

#[test]
fn deadlines_pass_with_and_without_a_client() {
    deadlines_pass(Duration::ZERO);
}

#[test]
fn deadlines_pass_while_it_looks_for_the_next_message() {
    // Longer than the test: it ends by what it finds, or not at all.
    deadlines_pass(Duration::from_secs(600));
}

fn deadlines_pass(busy_poll: Duration) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let mut server = Server::bind(&path).unwrap();
    server.set_busy_poll(busy_poll);
    let running = Running::start(server);
    let mut peer = connect(&path);
    peer.negotiate(VERSION_DATA);
    assert_eq!(running.next(), Seen::Attached);
    // Not before it is due, also when the client keeps the server busy.
    peer.poke(common::ALARM, 30);
    for _ in 0..100 {
        peer.alive();
    }
    assert_eq!(running.next(), Seen::Alarm { in_time: true });
    peer.poke(common::ALARM, 20);
    assert_eq!(running.next(), Seen::Alarm { in_time: true });
    peer.poke(common::ALARM, 20);
    drop(peer);
    assert!(matches!(running.next(), Seen::Detached(_)));
    assert_eq!(running.next(), Seen::Alarm { in_time: true });
}
