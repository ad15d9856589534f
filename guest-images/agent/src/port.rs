//! The virtio-serial port to the bench.
//!
//! A suspend closes the line. The kernel drops what lies in the port unread and forgets that the
//! host is there (`virtcons_freeze`); when it resumes it asks the host again (`virtcons_restore`).
//! Some kernels hear the answer. 7.3.4 asks before it gives the host a buffer to answer into, so
//! that reads say for ever that nobody is there, and writes wait for ever. So the agent looks at
//! the port after each resume, and every now and then. If the host does not come back by itself,
//! the driver is taken off the device and bound again: it makes a new port, and the host is asked
//! as at boot.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use guest_protocol::{FromGuest, MAX_LINE, PORT_NAME};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::mono_ns;
use crate::error::{Context, SetupError};
use crate::observe::uevent::UeventSocket;
use crate::outbox::write_line;

const CLASS: &str = "/sys/class/virtio-ports";
const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_console";
const DEADLINE: Duration = Duration::from_secs(60);
/// How often the port is looked at while nothing comes: a reader that slept through a suspend is
/// not woken by the host's absence.
const LOOK: Duration = Duration::from_millis(250);
/// How long the host has to come back by itself, and how long after the driver was bound again.
const BY_ITSELF: Duration = Duration::from_millis(300);
const BOUND_AGAIN: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(10);
/// Bytes of one read; the kernel gives a page at most.
const CHUNK: usize = 4096;

/// The kernel has resumed since the port was last looked at.
static RESUMED: AtomicBool = AtomicBool::new(false);

/// The kernel says that it has resumed.
pub(crate) fn resumed() {
    RESUMED.store(true, Ordering::Relaxed);
}

/// Opens the port, as soon as there is one.
pub(crate) fn open() -> Result<File, SetupError> {
    // Listening starts before the first look, so that no port is missed.
    let mut uevents = UeventSocket::open().context(|| "waiting for the port".into())?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(path) = find() {
            return OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .context(|| format!("opening {}", path.display()));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut)).context(|| {
                format!(
                    "no virtio-serial port named {PORT_NAME} after {} s (QEMU needs \
                     -device virtio-serial-pci -device virtserialport,name={PORT_NAME})",
                    DEADLINE.as_secs()
                )
            });
        }
        uevents.wait(left).context(|| "waiting for the port".into())?;
    }
}

/// The port's node.
fn find() -> Option<PathBuf> {
    find_named(PORT_NAME)
}

/// The port in sysfs.
fn class_entry() -> Option<PathBuf> {
    entry_named(PORT_NAME)
}

/// The node of another port.
pub(crate) fn find_named(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from("/dev").join(entry_named(name)?.file_name()?))
}

fn entry_named(wanted: &str) -> Option<PathBuf> {
    let ports = fs::read_dir(CLASS).ok()?.flatten().map(|port| port.path());
    ports.into_iter().find(|port| {
        fs::read_to_string(port.join("name")).is_ok_and(|name| name.trim_end() == wanted)
    })
}

/// Takes the driver off the port's device and binds it again. Who holds the old port is told that
/// it is gone.
fn bind_again() -> Result<(), SetupError> {
    let device = class_entry()
        .and_then(|port| fs::read_link(port.join("device")).ok())
        .and_then(|device| Some(device.file_name()?.to_owned()))
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        .context(|| format!("finding the device of {PORT_NAME}"))?;
    for file in ["unbind", "bind"] {
        let path = Path::new(DRIVER).join(file);
        fs::write(&path, device.as_encoded_bytes())
            .context(|| format!("writing {} to {}", device.display(), path.display()))?;
    }
    Ok(())
}

/// The port as it is now, for those who read and who write.
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Clone)]
struct Now {
    port: Arc<File>,
    /// How often the line was opened again.
    reopened: u64,
    /// Lines received until then.
    received: u64,
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bench's end of the line; says what comes.
pub(crate) struct Ear {
    shared: Arc<Shared>,
    port: Arc<File>,
    lines: Lines,
    received: u64,
    /// What comes is not heeded: it may be the rest of what was lost.
    out_of_step: bool,
    on_reopened: Box<dyn Fn()>,
}

/// The agent's end.
pub(crate) struct Mouth {
    shared: Arc<Shared>,
    now: Now,
}

/// Both ends of the line on an open port. `on_reopened` runs when the line was opened again: it
/// wakes whoever has the [`Mouth`].
pub(crate) fn line(port: File, on_reopened: impl Fn() + 'static) -> (Ear, Mouth) {
    let port = Arc::new(port);
    let now = Now { port: Arc::clone(&port), reopened: 0, received: 0 };
    let shared = Arc::new(Shared { now: Mutex::new(now.clone()), changed: Condvar::new() });
    let ear = Ear {
        shared: Arc::clone(&shared),
        port,
        lines: Lines::default(),
        received: 0,
        out_of_step: false,
        on_reopened: Box::new(on_reopened),
    };
    (ear, Mouth { shared, now })
}

impl Mouth {
    /// Writes a message; on a line that was opened again, that it was comes first. Does not fail:
    /// on a line that is gone it waits for another.
    pub(crate) fn say(&mut self, message: Option<&FromGuest>) -> io::Result<()> {
        loop {
            let now = self.shared.now().clone();
            let written = if now.reopened == self.now.reopened {
                Ok(())
            } else {
                let resumed = FromGuest::Resumed { mono_ns: mono_ns(), received: now.received };
                write_line(&mut &*now.port, &resumed)
            };
            self.now = now;
            let written = written
                .and_then(|()| message.map_or(Ok(()), |m| write_line(&mut &*self.now.port, m)));
            match written {
                Ok(()) => return Ok(()),
                // No message: the port it is.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(e),
                Err(_) => self.await_another(),
            }
        }
    }

    fn await_another(&self) {
        let now = self.shared.now();
        let same = |now: &mut Now| now.reopened == self.now.reopened;
        drop(self.shared.changed.wait_while(now, same).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Ear {
    /// The next line.
    pub(crate) fn hear(&mut self) -> Result<Line, SetupError> {
        loop {
            if let Some(line) = self.lines.take() {
                return Ok(line);
            }
            if RESUMED.swap(false, Ordering::Relaxed) && !self.reopen()? {
                return Ok(Line::Closed);
            }
            if !self.readable(LOOK)? {
                continue;
            }
            let mut chunk = [0; CHUNK];
            match (&*self.port).read(&mut chunk) {
                Ok(0) => {
                    if !self.reopen()? {
                        return Ok(Line::Closed);
                    }
                }
                Ok(length) => self.lines.feed(&chunk[..length]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context(|| "reading from the bench".into()),
            }
        }
    }

    /// A whole line was heeded.
    pub(crate) fn count(&mut self) {
        self.received += 1;
    }

    /// Whether what comes is to be heeded.
    pub(crate) fn in_step(&self) -> bool {
        !self.out_of_step
    }

    /// The bench says where it begins.
    pub(crate) fn resync(&mut self, received: u64) {
        self.received = received;
        self.out_of_step = false;
    }

    fn events(&self, within: Duration) -> Result<PollFlags, SetupError> {
        let mut ports = [PollFd::new(&*self.port, PollFlags::IN)];
        let timeout = Timespec::try_from(within).ok();
        match poll(&mut ports, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(ports[0].revents()),
            Err(e) => Err(io::Error::from(e)).context(|| "waiting for the bench".into()),
        }
    }

    fn readable(&self, within: Duration) -> Result<bool, SetupError> {
        Ok(!self.events(within)?.is_empty())
    }

    /// Whether the host is there, at last.
    fn host_comes(&self, within: Duration) -> Result<bool, SetupError> {
        let deadline = Instant::now() + within;
        loop {
            if !self.events(Duration::ZERO)?.contains(PollFlags::HUP) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            // The kernel tells no one of the host's coming.
            thread::sleep(EVERY);
        }
    }

    /// Opens the line again; says whether the host is there. What is on its way from there is
    /// lost.
    fn reopen(&mut self) -> Result<bool, SetupError> {
        if !self.host_comes(BY_ITSELF)? {
            bind_again()?;
            self.port = Arc::new(open()?);
            if !self.host_comes(BOUND_AGAIN)? {
                return Ok(false);
            }
        }
        // It is this resume that the kernel has told of meanwhile.
        RESUMED.store(false, Ordering::Relaxed);
        self.lines = Lines::default();
        self.out_of_step = true;
        {
            let mut now = self.shared.now();
            let reopened = now.reopened + 1;
            *now = Now { port: Arc::clone(&self.port), reopened, received: self.received };
        }
        self.shared.changed.notify_all();
        (self.on_reopened)();
        Ok(true)
    }
}

/// One line from the host, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its newline.
    Whole(Vec<u8>),
    /// Longer than [`MAX_LINE`]; skipped to its end.
    TooLong,
    /// The host has closed the port.
    Closed,
}

/// Bytes on their way to be lines of bounded length.
struct Lines {
    buffer: Vec<u8>,
    /// So many at the start hold no newline.
    searched: usize,
    /// The line is too long: the rest of it is dropped.
    skipping: bool,
    limit: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { buffer: Vec::new(), searched: 0, skipping: false, limit: MAX_LINE }
    }
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line that is whole; empty ones are none.
    fn take(&mut self) -> Option<Line> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') else {
                self.searched = self.buffer.len();
                if self.skipping || self.buffer.len() > self.limit {
                    self.skipping = true;
                    self.buffer.clear();
                    self.searched = 0;
                }
                return None;
            };
            let end = self.searched + at;
            let rest = self.buffer.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.buffer, rest);
            line.pop();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) || line.len() > self.limit {
                return Some(Line::TooLong);
            }
            if !line.is_empty() {
                return Some(Line::Whole(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_a_long_one_costs_only_itself() {
        let mut lines = Lines { limit: 4, ..Lines::default() };
        let mut take = |bytes: &[u8]| {
            lines.feed(bytes);
            std::iter::from_fn(|| lines.take()).collect::<Vec<_>>()
        };
        let whole = |line: &[u8]| Line::Whole(line.to_vec());
        assert_eq!(take(b"four\nfive5\n\nok\nunf"), [whole(b"four"), Line::TooLong, whole(b"ok")]);
        assert_eq!(take(b"inished, and long before its end"), []);
        assert_eq!(take(b" which comes\nsoon\nlate"), [Line::TooLong, whole(b"soon")]);
        assert_eq!(take(b"\n"), [whole(b"late")]);
    }

    /// A port that is gone, and another.
    #[test]
    fn what_could_not_be_said_is_said_on_the_next_line() {
        use std::io::{BufRead, BufReader};
        let note = |text: &str| FromGuest::Event {
            mono_ns: 1,
            event: guest_protocol::GuestEvent::AgentNote { text: text.into() },
        };
        // Nobody reads from it: a write fails.
        let (gone, _) = (File::options().read(true).open("/dev/null").unwrap(), ());
        let (mut ear, mut mouth) = line(gone, || {});
        ear.count();
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let says = thread::spawn(move || mouth.say(Some(&note("late"))).map(|()| mouth));
        ear.port = Arc::new(File::from(std::os::fd::OwnedFd::from(ours)));
        assert!(ear.reopen().unwrap());
        let mut mouth = says.join().unwrap().unwrap();
        mouth.say(Some(&note("next"))).unwrap();
        let mut said = BufReader::new(theirs).lines();
        let mut hear =
            || serde_json::from_str::<FromGuest>(&said.next().unwrap().unwrap()).unwrap();
        assert!(matches!(hear(), FromGuest::Resumed { received: 1, .. }));
        assert_eq!([hear(), hear()], [note("late"), note("next")]);
    }

    #[test]
    fn after_a_resume_nothing_counts_until_the_bench_says_where_it_begins() {
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let (mut ear, _mouth) = line(File::from(std::os::fd::OwnedFd::from(ours)), || {});
        assert!(ear.in_step());
        ear.lines.feed(b"half a li");
        assert!(ear.reopen().unwrap() && !ear.in_step());
        io::Write::write_all(&mut &theirs, b"ne\nwhole\n").unwrap();
        assert_eq!(ear.hear().unwrap(), Line::Whole(b"ne".to_vec()));
        ear.resync(7);
        assert!(ear.in_step());
        assert_eq!(ear.hear().unwrap(), Line::Whole(b"whole".to_vec()));
        ear.count();
        assert_eq!(ear.received, 8);
    }
}
