//! Programs run by PID 1, and the orphans that the kernel hands it.
//!
//! One thread reaps every child, so that none is left a zombie; whoever waits
//! for a program gets its status from that thread.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;

/// What is kept of modprobe's output, of each of its two streams.
const OUTPUT_LIMIT: usize = 4096;
/// How long a program's output is awaited after its end: what it has started may keep the pipe.
const OUTPUT_WITHIN: Duration = Duration::from_secs(1);
/// Where a program is looked for.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

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
    drain_to(output, OUTPUT_LIMIT)
}

fn drain_to(output: Option<impl Read>, limit: usize) -> String {
    let mut kept = Vec::new();
    if let Some(mut output) = output {
        // A pipe does not fail to be read; were it to, what came so far stands.
        let _ = output.by_ref().take(limit as u64).read_to_end(&mut kept);
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
        command.args(args.iter().map(AsRef::as_ref));
        let Started { mut child, end, .. } = self.start_program(&mut command)?;
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

    /// Runs a program to its end, or for so long: then it is killed, with all that it has started.
    /// The flag says that it was. Its output is cut to `limit`.
    pub(crate) fn run_within(
        &self,
        argv: &[String],
        within: Duration,
        limit: usize,
    ) -> io::Result<(Ran, bool)> {
        let [program, args @ ..] = argv else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program"));
        };
        let mut command = Command::new(program);
        command.args(args).env("PATH", PATH).process_group(0);
        let Started { mut child, end, pid } = self.start_program(&mut command)?;
        let stdout = drain_apart(child.stdout.take(), limit);
        let stderr = drain_apart(child.stderr.take(), limit);
        let (end, timed_out) = match end.recv_timeout(within) {
            Ok(end) => (end, false),
            Err(_) => {
                // It may have ended in this moment.
                let _ = killpg(pid, Signal::SIGKILL);
                (end.recv().map_err(io::Error::other)?, true)
            }
        };
        let kept = |output: Receiver<String>| output.recv_timeout(OUTPUT_WITHIN);
        let (stdout, stderr) = (kept(stdout), kept(stderr));
        let ran = Ran {
            end,
            stdout: stdout.unwrap_or_default(),
            stderr: stderr.unwrap_or_else(|_| "(its output does not end)".to_owned()),
        };
        Ok((ran, timed_out))
    }

    /// Starts a program whose streams are the caller's; its end comes.
    pub(crate) fn start_as_it_is(&self, command: &mut Command) -> io::Result<Receiver<End>> {
        let (ended, end) = mpsc::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        waiting.insert(Pid::from_raw(child.id() as i32), ended);
        Ok(end)
    }

    fn start_program(&self, command: &mut Command) -> io::Result<Started> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (ended, end) = mpsc::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id() as i32);
        waiting.insert(pid, ended);
        Ok(Started { child, end, pid })
    }
}

/// A program that runs.
struct Started {
    child: Child,
    end: Receiver<End>,
    pid: Pid,
}

/// Reads a program's output in a thread that may be left behind.
fn drain_apart(output: Option<impl Read + Send + 'static>, limit: usize) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // Nobody waits any more if this fails.
        let _ = tell.send(drain_to(output, limit));
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PID 1 reaps, but none that belongs to another test.
    fn reap_own(children: &Children) {
        let mut waiting = children.waiting.lock().unwrap();
        waiting.retain(|pid, waiter| {
            let end = match waitpid(*pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => End::Exited(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => End::Killed(signal as i32),
                _ => return true,
            };
            waiter.send(end).unwrap();
            false
        });
    }

    fn sh(script: &str, within: Duration) -> (Ran, bool) {
        let children = Children::default();
        let over = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    reap_own(&children);
                    thread::yield_now();
                }
            });
            let argv = ["sh", "-c", script].map(str::to_owned);
            let ran = children.run_within(&argv, within, 10);
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            ran.unwrap()
        })
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_s_output_and_status() {
        let (ran, timed_out) = sh("echo 0123456789abc; echo oh >&2; exit 3", LONG);
        assert!(!timed_out);
        assert_eq!(ran.end, End::Exited(3));
        assert_eq!((&*ran.stdout, &*ran.stderr), ("0123456789", "oh\n"));
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_what_it_started() {
        let (ran, timed_out) = sh("echo so; sleep 1000 & sleep 1000", Duration::from_millis(100));
        assert!(timed_out);
        assert_eq!(ran.end, End::Killed(9));
        assert_eq!(ran.stdout, "so\n");
    }
}
