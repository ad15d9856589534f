//! What a session waits for, and the threads that bring it: one for each of QEMU's sockets.

use std::cell::Cell;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use card_host::Notice;
use guest_protocol::FromGuest;

use crate::facts::printable::{self, printable};
use crate::machine::qemu::{self, Qmp};

/// What a session waits for.
pub(super) enum Input {
    Card(usize, Instant, Notice),
    Agent(Instant, FromGuest),
    BadAgentLine(String),
    /// Of whom, and what is told of it.
    LongLine(&'static str, Long),
    AgentClosed,
    Console(Vec<u8>),
    Qmp(Instant, Qmp),
    QmpClosed,
    /// Nothing: it wakes a session that has to look whether a signal has come.
    Wake,
}

/// How many messages wait for the session; whoever has one more waits until there is room, and the
/// guest with him.
const QUEUED: usize = 2048;

/// And how many bytes of them, as they came.
const BYTES: usize = 32 << 20;
/// How long a session lets register accesses gather.
const LULL: Duration = Duration::from_micros(500);

/// The longest line of QEMU's monitor; a longer one is dropped.
const MAX_MONITOR_LINE: usize = 4 << 20;

/// The way into a session, for each of its sources.
#[derive(Clone)]
pub(super) struct Sender {
    queue: SyncSender<(usize, Input)>,
    waiting: Arc<Waiting>,
}

/// Its end.
pub(super) struct Inputs {
    queue: Receiver<(usize, Input)>,
    waiting: Arc<Waiting>,
    /// The last message was a register access.
    accessed: Cell<bool>,
}

/// What waits.
#[derive(Default)]
struct Waiting {
    /// Bytes; none any more where nobody takes them.
    bytes: Mutex<Option<usize>>,
    less: Condvar,
}

/// The session has ended.
#[derive(Debug)]
pub(super) struct Over;

/// The way into a session, and its end.
pub(super) fn channel() -> (Sender, Inputs) {
    let (sender, queue) = sync_channel(QUEUED);
    let waiting = Arc::new(Waiting { bytes: Mutex::new(Some(0)), less: Condvar::new() });
    (
        Sender { queue: sender, waiting: Arc::clone(&waiting) },
        Inputs { queue, waiting, accessed: Cell::new(false) },
    )
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Sends what came as so many bytes, once there is room.
    pub(super) fn send(&self, bytes: usize, input: Input) -> Result<(), Over> {
        let full = |waiting: &mut Option<usize>| waiting.is_some_and(|waiting| waiting > BYTES);
        let room = self.waiting.less.wait_while(self.waiting.lock(), full);
        *room.unwrap_or_else(PoisonError::into_inner).as_mut().ok_or(Over)? += bytes;
        self.queue.send((bytes, input)).map_err(|_| Over)
    }

    /// Wakes the session. One that is busy looks for signals before its next message.
    pub(super) fn wake(&self) {
        let _ = self.queue.try_send((0, Input::Wake));
    }
}

impl Inputs {
    /// The next message, if there is one within that time. After a register access none is waited for at
    /// once: guest and card are at work together, and a session that each of thousands wakes takes a core
    /// from them.
    pub(super) fn recv_timeout(&self, within: Duration) -> Result<Input, RecvTimeoutError> {
        let mut left = within;
        if self.accessed.replace(false) {
            match self.queue.try_recv() {
                Ok(taken) => return Ok(self.taken(taken)),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {
                    let lull = LULL.min(within);
                    std::thread::sleep(lull);
                    left -= lull;
                }
            }
        }
        self.queue.recv_timeout(left).map(|taken| self.taken(taken))
    }

    pub(super) fn try_recv(&self) -> Result<Input, TryRecvError> {
        self.queue.try_recv().map(|taken| self.taken(taken))
    }

    fn taken(&self, (bytes, input): (usize, Input)) -> Input {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            *waiting -= bytes;
        }
        self.waiting.less.notify_all();
        self.accessed.set(is_an_access(&input));
        input
    }
}

/// A card's register was read or written.
fn is_an_access(input: &Input) -> bool {
    matches!(input, Input::Card(_, _, Notice::Card(event)) if event.accesses() > 0)
}

impl Drop for Inputs {
    fn drop(&mut self) {
        *self.waiting.lock() = None;
        self.waiting.less.notify_all();
    }
}

/// A part of a line that is too long, which was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Long {
    pub(super) bytes: usize,
    /// It is the line's first part.
    pub(super) begins: bool,
    /// It is its last.
    pub(super) ends: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    TooLong(Long),
}

/// Lines of at most so many bytes; a longer one is dropped, and told of part by part: it may have no
/// end.
struct Lines {
    socket: UnixStream,
    most: usize,
    buffer: Vec<u8>,
    searched: usize,
    skipping: bool,
}

impl Lines {
    fn new(socket: UnixStream, most: usize) -> Lines {
        Lines { socket, most, buffer: Vec::new(), searched: 0, skipping: false }
    }

    fn next_line(&mut self) -> Option<Line> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + at;
                let line = self.buffer[..end].to_vec();
                self.buffer.drain(..=end);
                self.searched = 0;
                if std::mem::take(&mut self.skipping) {
                    return Some(Line::TooLong(Long { bytes: end, begins: false, ends: true }));
                }
                if line.is_empty() {
                    continue;
                }
                return Some(Line::Whole(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > self.most {
                let begins = !std::mem::replace(&mut self.skipping, true);
                let bytes = std::mem::take(&mut self.searched);
                self.buffer.clear();
                return Some(Line::TooLong(Long { bytes, begins, ends: false }));
            }
            let mut chunk = [0; 16 << 10];
            match self.socket.read(&mut chunk) {
                Ok(n @ 1..) => self.buffer.extend_from_slice(&chunk[..n]),
                Ok(0) | Err(_) => return None,
            }
        }
    }
}

fn reader(name: &str, read: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    // Ends with its socket, which ends with QEMU.
    std::thread::Builder::new().name(name.to_owned()).spawn(read).map(drop)
}

/// What the agent says; nothing in it controls a terminal.
fn message(line: &[u8]) -> serde_json::Result<FromGuest> {
    if !printable::may_control(line) {
        return serde_json::from_slice(line);
    }
    let mut value = serde_json::from_slice(line)?;
    printable::in_value(&mut value);
    serde_json::from_value(value)
}

pub(super) fn read_agent(socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("agent", move || {
        let mut lines = Lines::new(socket, guest_protocol::MAX_LINE_FROM_GUEST);
        while let Some(line) = lines.next_line() {
            let (bytes, input) = match line {
                Line::TooLong(long) => (0, Input::LongLine("the guest's agent", long)),
                Line::Whole(line) => match message(&line) {
                    Ok(message) => (line.len(), Input::Agent(Instant::now(), message)),
                    Err(error) => {
                        let begin = String::from_utf8_lossy(&line[..line.len().min(200)]);
                        let text = printable(&format!("{error}: {begin}")).into_owned();
                        (line.len(), Input::BadAgentLine(text))
                    }
                },
            };
            if to.send(bytes, input).is_err() {
                return;
            }
        }
        let _ = to.send(0, Input::AgentClosed);
    })
}

pub(super) fn read_console(mut socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("console", move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = socket.read(&mut buffer) {
            if to.send(n, Input::Console(buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    })
}

pub(super) fn read_qmp(socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("qmp", move || {
        let mut lines = Lines::new(socket, MAX_MONITOR_LINE);
        while let Some(line) = lines.next_line() {
            let (bytes, input) = match line {
                Line::TooLong(long) => (0, Input::LongLine("QEMU's monitor", long)),
                Line::Whole(line) => match qemu::qmp_message(&line) {
                    Some(message) => (line.len(), Input::Qmp(Instant::now(), message)),
                    None => continue,
                },
            };
            if to.send(bytes, input).is_err() {
                return;
            }
        }
        let _ = to.send(0, Input::QmpClosed);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the sender is held up.
    fn waits(thread: &std::thread::JoinHandle<Result<(), Over>>) -> bool {
        std::thread::sleep(Duration::from_millis(50));
        !thread.is_finished()
    }

    /// Sent as fast as a guest makes them, and taken many at a time.
    #[test]
    fn register_accesses_gather() {
        const ACCESSES: u32 = 1000;
        let switches = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("read");
            let line =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|number| number.trim().parse::<u32>().ok()).expect("a number")
        };
        let access = || {
            let read = iwl_card::CardEvent::RegRead {
                space: iwl_card::Space::Csr,
                reg: "CSR_EEPROM_REG".into(),
                value: 0,
                outcome: iwl_card::Outcome::Implemented,
            };
            Input::Card(0, Instant::now(), Notice::Card(read))
        };
        let (sender, inputs) = channel();
        let guest = std::thread::spawn(move || {
            for _ in 0..ACCESSES {
                let next = Instant::now() + Duration::from_micros(30);
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
                sender.send(0, access()).expect("somebody takes it");
            }
        });
        let before = switches();
        let taken = std::iter::from_fn(|| inputs.recv_timeout(Duration::from_secs(10)).ok());
        assert_eq!(taken.count() as u32, ACCESSES);
        let woken = switches() - before;
        guest.join().expect("it ends");
        assert!(woken < ACCESSES / 4, "woken {woken} times by {ACCESSES} accesses");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let (sender, inputs) = channel();
        sender.send(BYTES, Input::Wake).expect("room");
        sender.send(1, Input::Wake).expect("room");
        let more = || {
            let sender = sender.clone();
            std::thread::spawn(move || sender.send(1, Input::Wake))
        };
        let second = more();
        assert!(waits(&second));
        inputs.try_recv().expect("the large one");
        assert!(second.join().expect("ended").is_ok());
        // One who waits for a session that ends is let go.
        sender.send(BYTES, Input::Wake).expect("room");
        let third = more();
        assert!(waits(&third));
        drop(inputs);
        assert!(third.join().expect("ended").is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_told_of() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            theirs.write_all(&[b'x'; 100_000]).expect("written");
            theirs.write_all(b"x\nshort\n").expect("written");
            theirs.write_all(&[b'x'; 100_000]).expect("written");
        });
        let mut lines = Lines::new(ours, 50_000);
        let (mut bytes, mut told) = (0, Vec::new());
        while let Some(line) = lines.next_line() {
            match line {
                Line::Whole(line) => told.push(String::from_utf8(line).expect("text")),
                Line::TooLong(long) => {
                    bytes += long.bytes;
                    if long.begins {
                        told.push("begins".into());
                    }
                    if long.ends {
                        told.push(format!("ends after {bytes}"));
                    }
                }
            }
        }
        assert_eq!(told, ["begins", "ends after 100001", "short", "begins"]);
        assert!(bytes > 150_000, "of the last one too: {bytes}");
        writer.join().expect("ended");
    }
}
