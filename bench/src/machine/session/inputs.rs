//! What a session waits for, and the threads that bring it: one for each of QEMU's sockets.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use card_host::Notice;
use guest_protocol::FromGuest;

use crate::machine::qemu::{self, Qmp};

/// What a session waits for.
pub(super) enum Input {
    Card(usize, Instant, Notice),
    Agent(Instant, FromGuest),
    BadAgentLine(String),
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

/// The way into a session, for each of its sources.
pub(super) type Sender = SyncSender<Input>;

/// The way into a session, and its end.
pub(super) fn channel() -> (Sender, Receiver<Input>) {
    sync_channel(QUEUED)
}

/// Lines of at most [`guest_protocol::MAX_LINE_FROM_GUEST`] bytes; a longer one is dropped whole.
struct Lines {
    socket: UnixStream,
    buffer: Vec<u8>,
    searched: usize,
}

impl Lines {
    fn new(socket: UnixStream) -> Lines {
        Lines { socket, buffer: Vec::new(), searched: 0 }
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let mut skipping = false;
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + at;
                let line = self.buffer[..end].to_vec();
                self.buffer.drain(..=end);
                self.searched = 0;
                if std::mem::take(&mut skipping) || line.is_empty() {
                    continue;
                }
                return Some(line);
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > guest_protocol::MAX_LINE_FROM_GUEST {
                skipping = true;
                self.buffer.clear();
                self.searched = 0;
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

pub(super) fn read_agent(socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("agent", move || {
        let mut lines = Lines::new(socket);
        while let Some(line) = lines.next_line() {
            let input = match serde_json::from_slice(&line) {
                Ok(message) => Input::Agent(Instant::now(), message),
                Err(error) => Input::BadAgentLine(format!(
                    "{error}: {}",
                    String::from_utf8_lossy(&line[..line.len().min(200)])
                )),
            };
            if to.send(input).is_err() {
                return;
            }
        }
        let _ = to.send(Input::AgentClosed);
    })
}

pub(super) fn read_console(mut socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("console", move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = socket.read(&mut buffer) {
            if to.send(Input::Console(buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    })
}

pub(super) fn read_qmp(socket: UnixStream, to: Sender) -> std::io::Result<()> {
    reader("qmp", move || {
        for message in qemu::qmp_messages(socket) {
            if to.send(Input::Qmp(Instant::now(), message)).is_err() {
                return;
            }
        }
        let _ = to.send(Input::QmpClosed);
    })
}
