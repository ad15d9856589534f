//! Programs run by PID 1, and the orphans that the kernel hands it.
//!
//! One thread reaps every child, so that none is left a zombie; whoever waits
//! for a program gets its status from that thread.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;

/// What is kept of a program's output, of each of its two streams.
const OUTPUT_LIMIT: u64 = 4096;

/// A program ran.
pub(crate) struct Ran {
    pub(crate) end: End,
    /// Cut to 4 KiB.
    pub(crate) stdout: String,
    /// Cut to 4 KiB.
    pub(crate) stderr: String,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exited(i32),
    Killed(i32),
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }
}

impl End {
    /// As a shell says it.
    pub(crate) fn shell_status(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => 128 + signal,
        }
    }
}

/// The real modprobe of this image.
pub(crate) fn real_modprobe() -> Option<PathBuf> {
    ["/usr/sbin/modprobe", "/sbin/modprobe", "/usr/bin/modprobe"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

/// Reads a program's output to its end, keeping the first 4 KiB.
pub(crate) fn drain(output: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    if let Some(mut output) = output {
        // A pipe does not fail to be read; were it to, what came so far stands.
        let _ = output.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut kept);
        let _ = io::copy(&mut output, &mut io::sink());
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Reaps every child of PID 1.
#[derive(Default)]
pub(crate) struct Children {
    // Held while a child is spawned and while children are reaped: a status is
    // never taken before its waiter is known.
    waiting: Mutex<HashMap<Pid, Sender<End>>>,
}

impl Children {
    /// Reaps for ever, in a thread of its own.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        // A handler, not a blocked signal: programs would inherit the block, and
        // a shell that cannot get SIGCHLD waits for ever.
        let mut ended = Signals::new([SIGCHLD])?;
        let children = Arc::new(Self::default());
        let reaping = Arc::clone(&children);
        thread::spawn(move || {
            for _ in ended.forever() {
                reaping.reap();
            }
        });
        Ok(children)
    }

    fn reap(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (pid, end) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, End::Exited(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, End::Killed(signal as i32)),
                // None has ended, or there is none.
                _ => break,
            };
            if let Some(waiter) = waiting.remove(&pid) {
                // Fails if the waiter's thread died, and then nobody asks.
                let _ = waiter.send(end);
            }
        }
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &Path, args: &[impl AsRef<str>]) -> io::Result<Ran> {
        let mut command = Command::new(program);
        command
            .args(args.iter().map(AsRef::as_ref))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (ended, end) = mpsc::channel();
        let mut child = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let child = command.spawn()?;
            waiting.insert(Pid::from_raw(child.id() as i32), ended);
            child
        };
        let stdout = child.stdout.take();
        let stdout = thread::spawn(move || drain(stdout));
        let stderr = drain(child.stderr.take());
        Ok(Ran {
            end: end.recv().map_err(io::Error::other)?,
            // A thread that panics ends the agent.
            stdout: stdout.join().unwrap_or_default(),
            stderr,
        })
    }
}
