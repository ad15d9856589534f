//! The user's terminal, led into a guest.

use std::io::{IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use guest_protocol::{Command, Reply, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::session::{Session, Stop};
use crate::machine::signals;

/// How often the terminal's size, and whether the shell has ended, is looked at.
const LOOK: Duration = Duration::from_millis(200);
const LOOK_NS: i64 = 100_000_000;
/// How long a directory may take to be there.
const SHARED_WITHIN: Duration = Duration::from_secs(30);
/// Of what is no terminal: as wide as any.
const NO_TERMINAL: Terminal = Terminal { rows: 24, columns: 80, echo: false };
/// What a terminal's user types to end the input.
const END_OF_INPUT: u8 = 4;
/// Where the guest has the shared directory, and QEMU's name for it.
const SHARED_AT: &str = "/mnt";
const SHARE: &str = "share";

/// What a guest needs to have a directory of the host's.
pub const SHARE_MODULES: [&str; 2] = ["9p", "9pnet_virtio"];

/// QEMU's arguments for that.
pub fn share_arguments(directory: &std::path::Path) -> [String; 2] {
    // QEMU takes two commas for one.
    let path = directory.display().to_string().replace(',', ",,");
    let share = format!(
        "local,id={SHARE},path={path},mount_tag={SHARE},security_model=none,readonly=on,multidevs=remap"
    );
    ["-virtfs".to_owned(), share]
}

/// How what ran at the user's terminal ended.
#[derive(Debug)]
pub struct Ended {
    /// As a shell has it.
    pub status: i32,
    /// The agent's own word, if any: what the program says came over the terminal.
    pub said: String,
}

/// Runs a program of the guest's, or a shell, at the user's terminal.
///
/// # Errors
/// The guest ended first, or has no shell.
pub fn attach(session: &mut Session, argv: &[String], shared: bool) -> Result<Ended, Verdict> {
    if shared {
        share(session)?;
    }
    let line = session.take_shell().ok_or_else(|| none("it has no port for one"))?;
    let failed = |error: std::io::Error| none(&error.to_string());
    let mut seen = size();
    let terminal = Raw::set();
    let id = session.start_command(Command::Shell { argv: argv.to_vec(), terminal: seen });
    let over = Arc::new(AtomicBool::new(false));
    let keys = line.try_clone().map_err(failed)?;
    let typing = {
        let (over, echo) = (Arc::clone(&over), seen.echo);
        std::thread::spawn(move || type_into(keys, &over, echo))
    };
    let screen = line.try_clone().map_err(failed)?;
    let (showing, shown) = channel::<()>();
    std::thread::spawn(move || {
        show(screen);
        drop(showing);
    });
    let ended = loop {
        match session.wait(LOOK, |session| session.reply(id)) {
            Ok(ended) => break Ok(ended),
            Err(Stop::Verdict(verdict)) => break Err(verdict),
            Err(Stop::TimedOut) => {}
        }
        let now = size();
        if now != seen {
            seen = now;
            session.start_command(Command::Resize { terminal: now });
        }
    };
    over.store(true, Ordering::Relaxed);
    // All that the guest has said is in the socket; who reads it comes to its end.
    let _ = line.shutdown(Shutdown::Write);
    let _ = typing.join();
    if ended.is_ok() {
        std::thread::sleep(LOOK);
    }
    let _ = line.shutdown(Shutdown::Both);
    // Not for a terminal that is stopped, once a signal has come.
    while shown.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) && !signals::stopping() {}
    drop(terminal);
    match ended? {
        Ok(Reply::Ran { status, stderr }) => Ok(Ended { status, said: stderr }),
        Ok(other) => Err(none(&format!("{other:?}"))),
        Err(error) => Err(none(&error.message)),
    }
}

fn none(why: &str) -> Verdict {
    Verdict::new(Outcome::Environment, format!("there is no shell in this guest: {why}"))
}

/// Has the host's directory in the guest.
fn share(session: &mut Session) -> Result<(), Verdict> {
    let mount = format!(
        "set -e; b=/usr/bin/busybox; modprobe 9pnet_virtio; $b mkdir -p {SHARED_AT}; \
         $b mount -t 9p -o trans=virtio,version=9p2000.L,ro {SHARE} {SHARED_AT}"
    );
    let argv = ["/usr/bin/busybox", "sh", "-c", &mount].map(str::to_owned).to_vec();
    let within_ms = u64::try_from(SHARED_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let why = match session.command(Command::Exec { argv, within_ms }, SHARED_WITHIN) {
        Ok(Ok(Reply::Ran { status: 0, .. })) => return Ok(()),
        Ok(Ok(Reply::Ran { stderr, .. })) => stderr.trim().to_owned(),
        Ok(Ok(other)) => format!("{other:?}"),
        Ok(Err(error)) => error.message,
        Err(Stop::Verdict(verdict)) => return Err(verdict),
        Err(Stop::TimedOut) => "it takes too long".to_owned(),
    };
    Err(Verdict::new(Outcome::Environment, format!("--share: the guest cannot mount it: {why}")))
}

/// What the user's terminal is like.
fn size() -> Terminal {
    if !std::io::stdin().is_terminal() {
        return NO_TERMINAL;
    }
    match tcgetwinsize(std::io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            Terminal { rows: size.ws_row, columns: size.ws_col, echo: true }
        }
        _ => Terminal { echo: true, ..NO_TERMINAL },
    }
}

/// The user's terminal, each key of which goes to the guest. As it was, once dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn set() -> Raw {
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Raw(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let set = tcsetattr(std::io::stdin(), OptionalActions::Now, &raw);
        Raw(set.ok().map(|()| before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// What is typed goes to the guest; a pipe's end ends the guest's input.
fn type_into(mut keys: UnixStream, over: &AtomicBool, terminal: bool) {
    let mut chunk = [0; 4096];
    let mut last = b'\n';
    let stdin = std::io::stdin();
    while !over.load(Ordering::Relaxed) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_NS };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => continue,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        match rustix::io::read(&stdin, &mut chunk) {
            Ok(0) => {
                // In the middle of a line, the first one only ends that.
                let ends = if last == b'\n' { 1 } else { 2 };
                if !terminal {
                    let _ = keys.write_all(&vec![END_OF_INPUT; ends]);
                }
                return;
            }
            Ok(length) => {
                last = chunk[length - 1];
                if keys.write_all(&chunk[..length]).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// What the guest says is shown.
fn show(mut screen: UnixStream) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = screen.read(&mut chunk) {
        let mut out = std::io::stdout();
        if out.write_all(&chunk[..length]).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
