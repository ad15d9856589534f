//! The virtio-serial port to the bench.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use guest_protocol::{MAX_LINE, PORT_NAME};

use crate::error::{Context, SetupError};
use crate::observe::uevent::UeventSocket;

const CLASS: &str = "/sys/class/virtio-ports";
const DEADLINE: Duration = Duration::from_secs(60);

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

fn find() -> Option<PathBuf> {
    fs::read_dir(CLASS)
        .ok()?
        .flatten()
        .find(|port| {
            fs::read_to_string(port.path().join("name"))
                .is_ok_and(|name| name.trim_end() == PORT_NAME)
        })
        .map(|port| PathBuf::from("/dev").join(port.file_name()))
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

/// Reads one line of bounded length.
pub(crate) fn read_line(port: &mut impl BufRead) -> io::Result<Line> {
    read_line_of(port, MAX_LINE)
}

fn read_line_of(port: &mut impl BufRead, limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    port.by_ref().take(limit as u64 + 1).read_until(b'\n', &mut line)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        return Ok(Line::Whole(line));
    }
    if line.len() <= limit {
        // What the host did not finish, it did not say.
        return Ok(Line::Closed);
    }
    port.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_a_long_one_costs_only_itself() {
        let mut port = &b"four\nfive5\nok\nunfinished"[..];
        assert_eq!(read_line_of(&mut port, 4).unwrap(), Line::Whole(b"four".into()));
        assert_eq!(read_line_of(&mut port, 4).unwrap(), Line::TooLong);
        assert_eq!(read_line_of(&mut port, 4).unwrap(), Line::Whole(b"ok".into()));
        assert_eq!(read_line_of(&mut port, 20).unwrap(), Line::Closed);
    }
}
