//! The kernel log, from `/dev/kmsg`.
//!
//! A record's stamp is `local_clock()`, which is not `CLOCK_MONOTONIC`: printk's
//! clock starts some tens of milliseconds later. So the agent writes a record
//! that bears `CLOCK_MONOTONIC` and reads back what the kernel stamped it with.
//! The time is taken before the stamp, and on a busy machine long before, so
//! each such mark gives too small an offset and the largest of several is the
//! best; on 7.3 under TCG they agree within 5 µs over 20 s. [`mark`] adds one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::thread;

use guest_protocol::GuestEvent;
use nix::errno::Errno;

use crate::clock::mono_ns;
use crate::error::{Context, SetupError};
use crate::observe::marks::{self, Stream};
use crate::outbox::Outbox;
use crate::port;

const KMSG: &str = "/dev/kmsg";
/// Begins the agent's own records; they are not reported.
const MARK: &str = "iwlbench-agent: monotonic ";
/// The kernel's `PRINTK_MESSAGE_MAX` is 2048; unprintable bytes take four.
const MAX_RECORD: usize = 16 << 10;
/// The kernel's last words on a suspend.
const RESUMED: [&str; 2] = ["PM: suspend exit", "PM: hibernation: hibernation exit"];
/// Marks to start with.
const MARKS: usize = 5;
/// Records to look through for them.
const MARKS_WITHIN: usize = 4096;

/// Reports the whole log so far and all that comes.
///
/// The second value says what is less than perfect.
pub(crate) fn start(outbox: Outbox) -> Result<Option<SetupError>, SetupError> {
    let mut log = Log::open().context(|| format!("reading {KMSG}"))?;
    let calibrated = log.calibrate();
    log.file.seek(SeekFrom::Start(0)).context(|| format!("rewinding {KMSG}"))?;
    thread::spawn(move || {
        let end = log.report(&outbox);
        outbox.note(format!("no more kernel log: {end}"));
    });
    Ok(calibrated.context(|| "kernel log stamps are receive times, no clock offset".into()).err())
}

/// Writes a record that bears `CLOCK_MONOTONIC`, for the reader to see the
/// kernel log's clock against it. Returns what it bears.
pub(crate) fn mark() -> io::Result<u64> {
    // A file of its own each time: the kernel limits the rate per open file.
    let mut kmsg = OpenOptions::new().write(true).open(KMSG)?;
    // Level 7 stays off the console of a quiet kernel.
    let now = mono_ns();
    kmsg.write_all(format!("<7>{MARK}{now}\n").as_bytes())?;
    Ok(now)
}

struct Log {
    file: File,
    buffer: Vec<u8>,
    /// To add to a record's stamp for `CLOCK_MONOTONIC`; `None` if unknown.
    offset_ns: Option<i64>,
    /// It is from before a suspend.
    stale: bool,
}

/// What one read gave.
enum Next {
    Record(Record),
    Lost,
    Malformed(String),
}

impl Log {
    fn open() -> io::Result<Self> {
        let file = File::open(KMSG)?;
        Ok(Self { file, buffer: vec![0; MAX_RECORD], offset_ns: None, stale: false })
    }

    fn next(&mut self) -> io::Result<Next> {
        loop {
            match self.file.read(&mut self.buffer) {
                // One read is one record.
                Ok(length) => {
                    let bytes = &self.buffer[..length];
                    return Ok(Record::parse(bytes).map_or_else(
                        || Next::Malformed(String::from_utf8_lossy(bytes).into_owned()),
                        Next::Record,
                    ));
                }
                Err(e) if e.raw_os_error() == Some(Errno::EPIPE as i32) => return Ok(Next::Lost),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn calibrate(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        for _ in 0..MARKS {
            mark()?;
        }
        let mut seen = 0;
        for _ in 0..MARKS_WITHIN {
            if let Next::Record(record) = self.next()?
                && let Some(offset) = record.marked_offset()
            {
                self.learn(offset);
                seen += 1;
                if seen == MARKS {
                    return Ok(());
                }
            }
        }
        Err(io::Error::other("the agent's own records do not come"))
    }

    fn learn(&mut self, offset_ns: i64) {
        // `None` is the smallest.
        let known = if self.stale { None } else { self.offset_ns };
        self.offset_ns = known.max(Some(offset_ns));
        self.stale = false;
    }

    /// Over a suspend one clock may have stood still and the other not: the next mark counts,
    /// whatever came before.
    fn relearn(&mut self) {
        self.stale = true;
        // Without a mark the old offset stays.
        let _ = mark();
    }

    fn report(&mut self, outbox: &Outbox) -> io::Error {
        loop {
            match self.next() {
                Ok(Next::Record(record)) => {
                    if let Some(offset) = record.marked_offset() {
                        self.learn(offset);
                        let mark = record.marked().and_then(|mark| u64::try_from(mark).ok());
                        marks::seen(Stream::KernelLog, mark.unwrap_or_default());
                    } else {
                        let stamp = match self.offset_ns {
                            Some(offset) => record.stamp_ns.saturating_add_signed(offset),
                            None => mono_ns(),
                        };
                        let resumed = record.resumed();
                        outbox.event_at(stamp, record.into_event());
                        if resumed {
                            self.relearn();
                            port::resumed();
                        }
                    }
                }
                Ok(Next::Lost) => outbox.event(GuestEvent::KernelLogLost),
                Ok(Next::Malformed(text)) => {
                    outbox.note(format!("a kernel log record that is none: {text:?}"));
                }
                Err(e) => return e,
            }
        }
    }
}

/// One record of `/dev/kmsg`.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    /// 0 the kernel, 1 user space.
    facility: u64,
    level: u8,
    seq: u64,
    /// On printk's clock.
    stamp_ns: u64,
    text: String,
}

impl Record {
    /// `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT`, then a line per
    /// `KEY=VALUE`, each begun by a space.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let semicolon = bytes.iter().position(|b| *b == b';')?;
        let header = str::from_utf8(&bytes[..semicolon]).ok()?;
        let mut fields = header.split(',');
        let priority: u64 = fields.next()?.parse().ok()?;
        let seq = fields.next()?.parse().ok()?;
        let micros: u64 = fields.next()?.parse().ok()?;
        let text = bytes[semicolon + 1..].split(|b| *b == b'\n').next()?;
        Some(Self {
            facility: priority >> 3,
            level: (priority & 7) as u8,
            seq,
            stamp_ns: micros.checked_mul(1000)?,
            text: unescape(text),
        })
    }

    /// `CLOCK_MONOTONIC` minus printk's clock, from the agent's own record.
    fn marked_offset(&self) -> Option<i64> {
        self.marked()?.checked_sub(i64::try_from(self.stamp_ns).ok()?)
    }

    /// Whether the kernel says that it has resumed.
    fn resumed(&self) -> bool {
        self.facility == 0 && RESUMED.contains(&&*self.text)
    }

    /// What the agent's own record bears.
    fn marked(&self) -> Option<i64> {
        // The kernel does not let user space write records of facility 0.
        if self.facility == 0 {
            return None;
        }
        self.text.strip_prefix(MARK)?.parse().ok()
    }

    fn into_event(self) -> GuestEvent {
        GuestEvent::KernelLog { seq: self.seq, level: Some(self.level), text: self.text }
    }
}

/// The kernel writes what is not printable ASCII, and `\`, as `\xHH`.
fn unescape(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if let [b'\\', b'x', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_kernel_record_with_dictionary() {
        let record = Record::parse(
            b"6,339,5140900,-;iwlwifi 0000:01:00.0: loaded\n SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0\n",
        )
        .unwrap();
        assert_eq!(
            record,
            Record {
                facility: 0,
                level: 6,
                seq: 339,
                stamp_ns: 5_140_900_000,
                text: "iwlwifi 0000:01:00.0: loaded".into(),
            }
        );
    }

    #[test]
    fn escapes_become_the_bytes_they_stand_for() {
        let record =
            Record::parse(b"30,1,2,-,caller=T1;a\\x0ab \\x5cx41 \\xc3\\xa9 \\xzz \\x4").unwrap();
        assert_eq!(record.facility, 3);
        assert_eq!(record.level, 6);
        assert_eq!(record.text, "a\nb \\x41 é \\xzz \\x4");
    }

    #[test]
    fn only_user_space_marks_count() {
        let mark = |priority| {
            Record::parse(format!("{priority},1,2000,-;{MARK}5000000").as_bytes())
                .unwrap()
                .marked_offset()
        };
        assert_eq!(mark(15), Some(3_000_000));
        assert_eq!(mark(7), None);
    }

    #[test]
    fn what_is_no_record_is_none() {
        for bytes in [&b""[..], b";", b"6,1,2", b"x,1,2,-;t", b"6,1,99999999999999999999,-;t"] {
            assert_eq!(Record::parse(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(record) = Record::parse(&bytes) {
                let _ = record.marked_offset();
            }
        }

        #[test]
        fn text_survives_the_kernels_escaping(text in "\\PC{0,80}") {
            let mut escaped = String::new();
            for byte in text.bytes() {
                if byte == b'\\' || !(0x20..0x7f).contains(&byte) {
                    escaped.push_str(&format!("\\x{byte:02x}"));
                } else {
                    escaped.push(char::from(byte));
                }
            }
            prop_assert_eq!(unescape(escaped.as_bytes()), text);
        }
    }
}
