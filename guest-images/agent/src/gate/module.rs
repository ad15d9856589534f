//! The module gate, PID 1's side: the kernel's module loader is the agent.
//!
//! The kernel starts [`LOADER`] (`kernel.modprobe`), which is this binary in
//! loader mode ([`crate::loader`]). Each such process holds a connection to
//! PID 1 for its life. One JSON value per line: it sends its `Vec<String>` of
//! arguments, gets the bench's [`Answer`], sends its [`Report`] and goes when
//! PID 1 closes; so the report is on its way before the kernel goes on.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use guest_protocol::{Answer, Autoload, GuestEvent, LoaderOutcome, Question};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::asks::Asks;
use crate::children::real_modprobe;
use crate::error::{Context, SetupError};
use crate::outbox::Outbox;

const DIRECTORY: &str = "/run/iwlbench";
/// What the kernel starts.
const LOADER: &str = "/run/iwlbench/modprobe";
/// Where loader processes find PID 1.
pub(crate) const SOCKET: &str = "/run/iwlbench/loader";
const SYSCTL: &str = "/proc/sys/kernel/modprobe";

/// How a loader ended: its outcome and its standard error.
pub(crate) type Report = (LoaderOutcome, String);

/// From here on every module request of the kernel waits for the bench.
pub(crate) fn start(asks: Arc<Asks>, outbox: Outbox) -> Result<(), SetupError> {
    fs::create_dir_all(DIRECTORY).context(|| format!("creating {DIRECTORY}"))?;
    let own = fs::read_link("/proc/self/exe").context(|| "finding the agent's own file".into())?;
    symlink(&own, LOADER).context(|| format!("creating {LOADER}"))?;
    let listener = UnixListener::bind(SOCKET).context(|| format!("listening on {SOCKET}"))?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => {
                    let asks = Arc::clone(&asks);
                    let outbox = outbox.clone();
                    thread::spawn(move || serve(stream, &asks, &outbox));
                }
                Err(e) => outbox.note(format!("module gate: accepting a loader: {e}")),
            }
        }
    });
    fs::write(SYSCTL, LOADER).context(|| format!("writing {LOADER} to {SYSCTL}"))
}

/// Sets what the kernel starts to load a module.
pub(crate) fn autoload(what: Autoload) -> io::Result<()> {
    let program = match what {
        // An empty write would not reach the sysctl.
        Autoload::Off => PathBuf::from("\n"),
        Autoload::Absent => "/nonexistent/modprobe".into(),
        Autoload::Gate => LOADER.into(),
        Autoload::Modprobe => real_modprobe().ok_or(io::ErrorKind::NotFound)?,
    };
    fs::write(SYSCTL, program.as_os_str().as_encoded_bytes())
}

/// One loader process, from its question to its end.
pub(crate) fn serve(stream: UnixStream, asks: &Asks, outbox: &Outbox) {
    let mut argv = Vec::new();
    if let Err(e) = converse(stream, asks, outbox, &mut argv) {
        outbox.note(format!("module gate: loader {argv:?}: {e}"));
    }
}

fn converse(
    stream: UnixStream,
    asks: &Asks,
    outbox: &Outbox,
    argv: &mut Vec<String>,
) -> io::Result<()> {
    let mut answer_to = stream.try_clone()?;
    let mut stream = BufReader::new(stream);
    *argv = receive(&mut stream)?;
    let question =
        Question::Module { module: argv.last().cloned().unwrap_or_default(), argv: argv.clone() };
    let noted = outbox.clone();
    let loader = getsockopt(&answer_to, PeerCredentials)?.pid();
    let id = asks.ask(question, loader.cast_unsigned(), move |answer| {
        let answer = answer.unwrap_or(Answer::Exit { status: 1 });
        // A few bytes into an empty socket buffer: this does not block.
        if let Err(e) = send(&mut answer_to, &answer) {
            noted.note(format!("module gate: answering a loader: {e}"));
        }
    });
    match receive(&mut stream) {
        Ok((outcome, stderr)) => {
            outbox.event(GuestEvent::ModuleLoaderExit { id, argv: argv.clone(), outcome, stderr });
            Ok(())
        }
        Err(e) => {
            asks.withdraw(id);
            Err(e)
        }
    }
}

/// Sends one JSON value as a line.
pub(crate) fn send(stream: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Receives one JSON value, a line.
pub(crate) fn receive<T: serde::de::DeserializeOwned>(stream: &mut impl BufRead) -> io::Result<T> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
