//! Runs the host's programs and turns their failures into one line.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::error::KitError;

/// A host program and the Debian package that holds it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const APT_GET: Tool = Tool { name: "apt-get", package: "apt" };
pub(crate) const APT_CACHE: Tool = Tool { name: "apt-cache", package: "apt" };
pub(crate) const APT_CONFIG: Tool = Tool { name: "apt-config", package: "apt" };
pub(crate) const DPKG_DEB: Tool = Tool { name: "dpkg-deb", package: "dpkg" };

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
            KitError::ToolFailed { tool: self.name.to_owned(), detail: error.to_string() }
        }
    }

    /// Runs it to the end, handing each line of its standard output to `line`.
    pub(crate) fn run(
        &self,
        command: &mut Command,
        mut line: impl FnMut(&str),
    ) -> Result<Finished, KitError> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.missing(&error))?;
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
        let status = child.wait().map_err(|error| self.missing(&error))?;
        let stderr = reader.join().unwrap_or_default();
        Ok(Finished { success: status.success(), stderr, status: status.to_string() })
    }
}

/// How a program ended.
pub(crate) struct Finished {
    pub(crate) success: bool,
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
        self.stderr.contains("No space left on device")
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
    fn a_missing_tool_names_its_package() {
        let tool = Tool { name: "no-such-tool-here", package: "apt" };
        let error = tool.run(&mut tool.command(), |_| ()).err().unwrap();
        assert_eq!(error.to_string(), "`no-such-tool-here` not found: install the package apt");
    }
}
