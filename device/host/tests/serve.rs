//! A served card, with the crate `vfio_user`'s client as its peer.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};

use card_host::soak::{SoakOptions, soak};
use card_host::{Ended, Notice, Served, Touch};
use iwl_card::{Card, CardEvent, CardOptions};
use vfio_server::{Exit, Server};
use vfio_user::Client;

const BAR0: u32 = 0;
const CONFIG: u32 = 7;
/// Offset of the vendor and device id in configuration space.
const PCI_ID: u64 = 0;

fn serve(path: &Path, fail_at_first_event: bool) -> (Served, Receiver<Notice>) {
    let card = Card::new(iwl_card::card("7260").expect("a card"), CardOptions::default());
    let (sender, notices) = channel();
    let mut failing = fail_at_first_event;
    let served = Served::start(card, Server::bind(path).expect("bound"), move |_, notice| {
        if matches!(notice, Notice::Card(CardEvent::RegRead { .. })) && failing {
            failing = false;
            panic!("broken on purpose");
        }
        let _ = sender.send(notice);
    });
    (served.expect("a thread"), notices)
}

fn ended(notices: &Receiver<Notice>) -> Ended {
    loop {
        if let Notice::Ended(ended) = notices.recv().expect("an end") {
            return ended;
        }
    }
}

#[test]
fn registers_are_reached_and_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("card");
    let (served, notices) = serve(&path, false);
    let mut client = Client::new(&path).expect("connected");
    let mut id = [0; 4];
    client.region_read(CONFIG, PCI_ID, &mut id).expect("read");
    assert_eq!(id, [0x86, 0x80, 0xb1, 0x08]);
    let hw_rev = u64::from(iwl_hw::csr::CSR_HW_REV);
    let mut value = [0; 4];
    client.region_read(BAR0, hw_rev, &mut value).expect("read");
    assert_eq!(u32::from_le_bytes(value), iwl_card::card("7260").expect("a card").hw_rev);
    let told = notices.iter().find_map(|notice| match notice {
        Notice::Card(CardEvent::RegRead { reg, value, .. }) if reg == "CSR_HW_REV" => Some(value),
        _ => None,
    });
    assert_eq!(told, Some(u32::from_le_bytes(value)));

    served.stop_handle().stop();
    let ended = ended(&notices);
    assert_eq!(ended.result, Ok(Exit::Stopped));
    assert!(ended.summary.expect("a summary").reads >= 1);
    served.join();
    assert!(!path.exists(), "the socket goes with its server");
}

#[test]
fn a_panic_ends_the_service_with_its_words() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("card");
    let (_served, notices) = serve(&path, true);
    let mut client = Client::new(&path).expect("connected");
    let hw_rev = u64::from(iwl_hw::csr::CSR_HW_REV);
    client.region_read(BAR0, hw_rev, &mut [0; 4]).expect("answered, then told");
    let ended = ended(&notices);
    let why = ended.result.expect_err("it failed");
    client.region_read(BAR0, hw_rev, &mut [0; 4]).expect_err("nobody answers any more");
    assert!(why.contains("panicked") && why.contains("broken on purpose"), "{why}");
}

#[test]
fn a_touch_needs_no_access() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("card");
    let (served, notices) = serve(&path, false);
    let felt = |notices: &Receiver<Notice>| {
        notices.iter().find_map(|notice| match notice {
            Notice::Card(CardEvent::RfKillSwitched { on }) => Some(on),
            Notice::Card(CardEvent::Vanished) => Some(true),
            _ => None,
        })
    };
    // Without a client, and with one that is silent.
    assert!(served.touch(Touch::RfKill(true)));
    assert_eq!(felt(&notices), Some(true));
    let mut client = Client::new(&path).expect("connected");
    assert!(served.touch(Touch::RfKill(false)));
    assert_eq!(felt(&notices), Some(false));
    assert!(served.touch(Touch::Vanish));
    assert_eq!(felt(&notices), Some(true));
    let mut id = [0; 4];
    client.region_read(CONFIG, PCI_ID, &mut id).expect("read");
    assert_eq!(id, [0xff; 4]);

    // The next one finds it as after power-on.
    client.shutdown().expect("disconnected");
    drop(client);
    let mut client = Client::new(&path).expect("connected");
    client.region_read(CONFIG, PCI_ID, &mut id).expect("read");
    assert_eq!(id, [0x86, 0x80, 0xb1, 0x08]);
}

/// The sink is called on the card's thread: it tries what a model that was taken over would.
#[test]
fn the_cards_thread_is_confined() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("card");
    let victim = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = victim.local_addr().expect("an address");
    let socket = dir.path().join("other");
    let _other = std::os::unix::net::UnixListener::bind(&socket).expect("a listener");
    let (tried, outcomes) = channel();
    let card = Card::new(iwl_card::card("7260").expect("a card"), CardOptions::default());
    let inside = dir.path().to_owned();
    let try_all = move || {
        let outcome = |what: &'static str, result: std::io::Result<()>| (what, result.err());
        [
            outcome("open", std::fs::File::open("/etc/passwd").map(drop)),
            outcome("create", std::fs::File::create(inside.join("new")).map(drop)),
            outcome("remove", std::fs::remove_file(&socket)),
            outcome("connect", std::net::TcpStream::connect(address).map(drop)),
            outcome("connect locally", std::os::unix::net::UnixStream::connect(&socket).map(drop)),
            outcome("run", std::process::Command::new("/proc/self/exe").spawn().map(drop)),
            outcome("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
        ]
    };
    let mut first = true;
    let served =
        Served::start(card, Server::bind(&path).expect("bound"), move |_, notice| match notice {
            Notice::Attached if std::mem::take(&mut first) => {
                let status = std::fs::read_to_string("/proc/thread-self/status").ok();
                assert_eq!(status, None);
                tried.send(try_all()).expect("awaited");
            }
            _ => {}
        })
        .expect("a thread");
    let mut client = Client::new(&path).expect("connected");
    for (what, error) in outcomes.recv().expect("tried") {
        let error = error.unwrap_or_else(|| panic!("{what} is possible"));
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{what}: {error}");
    }
    // It serves all the same, and everybody else is as free as before.
    client.region_read(CONFIG, PCI_ID, &mut [0; 4]).expect("read");
    std::fs::File::open("/etc/passwd").expect("opened");
    let threads = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
    let confined = threads
        .map(|thread| std::fs::read_to_string(thread.path().join("status")).expect("a status"))
        .filter(|status| status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"))
        .count();
    assert_eq!(confined, 1, "the card's thread alone");
    served.stop_handle().stop();
    served.join();
    assert!(!path.exists(), "its file is removed by who may");
}

/// A few seconds of what `iwlbench soak` does for as long as one likes.
#[test]
fn a_hostile_client_leaves_nothing_behind() {
    let options = SoakOptions {
        cards: iwl_card::cards().iter().collect(),
        messages: 300_000,
        total: u64::MAX,
        time: std::time::Duration::from_secs(60),
        seed: 1,
    };
    let report = soak(&options, &AtomicBool::new(false)).expect("sockets");
    assert_eq!(report.wrong, [""; 0], "{report}");
    assert!(report.messages >= options.messages && report.accesses > 1000, "{report}");
}
