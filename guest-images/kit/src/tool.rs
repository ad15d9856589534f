//! Runs the host's programs and turns their failures into one line.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::KitError;

/// A host program and the Debian package that holds it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const APT_GET: Tool = Tool { name: "apt-get", package: "apt" };
pub(crate) const APT_CACHE: Tool = Tool { name: "apt-cache", package: "apt" };
/// What fetches one file the way apt does; it is on nobody's PATH.
pub(crate) const APT_HELPER: Tool = Tool { name: "/usr/lib/apt/apt-helper", package: "apt" };
pub(crate) const APT_CONFIG: Tool = Tool { name: "apt-config", package: "apt" };
/// Enters a room.
pub(crate) const UNSHARE: Tool = Tool { name: "unshare", package: "util-linux" };
pub(crate) const DPKG_DEB: Tool = Tool { name: "dpkg-deb", package: "dpkg" };

/// How often a file system is looked at, and how often in a row it is found full before a program
/// is ended: one that copes with it has said so by then.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 5;
/// Less than this is full: apt stops short of the last page.
const NOTHING: u64 = 64 << 10;

impl Tool {
    /// A command whose messages we can read: English, no terminal.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Starting it failed.
    pub(crate) fn missing(&self, error: &io::Error) -> KitError {
        if error.kind() == io::ErrorKind::NotFound {
            KitError::ToolMissing { tool: self.name, package: self.package }
        } else {
            self.failed(error)
        }
    }

    /// It could not do its work.
    pub(crate) fn failed(&self, why: &impl ToString) -> KitError {
        KitError::ToolFailed { tool: self.name.to_owned(), detail: why.to_string() }
    }

    /// Runs it to the end, handing each line of its standard output to `line`.
    pub(crate) fn run(
        &self,
        command: &mut Command,
        line: impl FnMut(&str),
    ) -> Result<Finished, KitError> {
        self.finish(self.start(command)?, line, || false)
    }

    /// The same for a program that fetches into `directory`. apt waits for ever where a disk is
    /// full.
    pub(crate) fn fetch(
        &self,
        command: &mut Command,
        directory: &Path,
        line: impl FnMut(&str),
    ) -> Result<Finished, KitError> {
        let free = || {
            let fs = rustix::fs::statvfs(directory);
            fs.map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
        };
        self.watched(command, free, LOOK, line)
    }

    fn watched(
        &self,
        command: &mut Command,
        free: impl Fn() -> u64 + Send,
        look: Duration,
        line: impl FnMut(&str),
    ) -> Result<Finished, KitError> {
        let child = self.start(command)?;
        let pid = Pid::from_child(&child);
        std::thread::scope(|scope| {
            let (running, ended) = channel::<()>();
            let watch = scope.spawn(move || {
                let full = stays_full(free, look, &ended);
                if full {
                    // It is reaped only when this thread has ended, so the number is still its own.
                    let _ = kill_process(pid, Signal::KILL);
                }
                full
            });
            self.finish(child, line, || {
                drop(running);
                watch.join().unwrap_or_default()
            })
        })
    }

    fn start(&self, command: &mut Command) -> Result<Child, KitError> {
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.missing(&error))
    }

    /// `full` is asked between the end of the output and that of the program.
    fn finish(
        &self,
        mut child: Child,
        mut line: impl FnMut(&str),
        full: impl FnOnce() -> bool,
    ) -> Result<Finished, KitError> {
        let stderr = child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut stderr) = stderr {
                // A read error leaves what was read, which is all we can show.
                let _ = stderr.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let mut buffer = Vec::new();
            while stdout.read_until(b'\n', &mut buffer).is_ok_and(|read| read > 0) {
                line(String::from_utf8_lossy(&buffer).trim_end());
                buffer.clear();
            }
        }
        let full = full();
        let status = child.wait().map_err(|error| self.missing(&error))?;
        let stderr = reader.join().unwrap_or_default();
        Ok(Finished { success: status.success(), full, stderr, status: status.to_string() })
    }
}

/// Whether a file system is full and stays so; not, if the program ends before that is known.
fn stays_full(free: impl Fn() -> u64, look: Duration, ended: &Receiver<()>) -> bool {
    let mut looks = 0;
    while looks < LOOKS {
        if ended.recv_timeout(look) != Err(RecvTimeoutError::Timeout) {
            return false;
        }
        looks = if free() < NOTHING { looks + 1 } else { 0 };
    }
    true
}

/// How a program ended.
pub(crate) struct Finished {
    pub(crate) success: bool,
    /// It was ended because its file system was full.
    full: bool,
    pub(crate) stderr: String,
    status: String,
}

impl Finished {
    /// The line of its standard error that says most: the first error, else
    /// the first warning, else the last line, else the exit status.
    pub(crate) fn detail(&self) -> String {
        let lines = || self.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        ["E: ", "W: "]
            .iter()
            .find_map(|mark| lines().find_map(|line| line.strip_prefix(mark)))
            .or_else(|| lines().next_back())
            .map_or_else(|| self.status.clone(), str::to_owned)
    }

    /// The file system was full.
    pub(crate) fn disk_full(&self) -> bool {
        self.full
            || self.stderr.contains("No space left on device")
            || self.stderr.contains("Disk quota exceeded")
            || self.stderr.contains("don't have enough free space")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: Tool = Tool { name: "sh", package: "dash" };

    #[test]
    fn the_most_telling_line_is_kept() {
        let mut lines = Vec::new();
        let script = "echo one; echo two; echo 'W: warned' >&2; echo 'E: broken' >&2; exit 3";
        let end =
            SH.run(SH.command().args(["-c", script]), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
        assert!(!end.success);
        assert_eq!(end.detail(), "broken");
    }

    #[test]
    fn a_silent_failure_tells_its_status() {
        let end = SH.run(SH.command().args(["-c", "exit 3"]), |_| ()).unwrap();
        assert_eq!(end.detail(), "exit status: 3");
    }

    #[test]
    fn what_waits_on_a_full_disk_is_ended() {
        let run = |script, free| {
            let mut command = SH.command();
            let look = Duration::from_millis(1);
            SH.watched(command.args(["-c", script]), move || free, look, |_| ()).unwrap()
        };
        let end = run("exec sleep 1000", 0);
        assert!(!end.success && end.disk_full());
        let end = run("sleep 0.1", u64::MAX);
        assert!(end.success && !end.disk_full());
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let tool = Tool { name: "no-such-tool-here", package: "apt" };
        let error = tool.run(&mut tool.command(), |_| ()).err().unwrap();
        assert_eq!(error.to_string(), "`no-such-tool-here` not found: install the package apt");
    }
}
