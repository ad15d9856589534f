//! Events of the kernel's tracing that the user has chosen, recorded as they are: the ring buffers'
//! pages, and what describes the events in them. The bench makes a file of it that trace-cmd reads.
//!
//! Sources: the kernel's `Documentation/trace/ftrace.rst` and `events.rst`, `kernel/trace/trace.c`
//! (`tracing_buffers_read`, `trace_poll`), `trace_events.c` (`:mod:`), `ring_buffer.c`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use guest_protocol::{MAX_LINE_FROM_GUEST, MAX_TRACE_PART, Reply, TracePart, traces};
use nix::libc::O_NONBLOCK;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::outbox::Outbox;

const TRACEFS: &str = "/sys/kernel/tracing";
/// A buffer and a clock of its own.
const INSTANCE: &str = "/sys/kernel/tracing/instances/iwlbench-record";
/// Of each CPU, before the kernel overwrites what nobody has read.
const BUFFER_KIB: &str = "4096";
/// How long events gather before they are sent: a page for each would be a page of zeros mostly.
const GATHER: Duration = Duration::from_millis(20);
/// What describes all events.
const ABOUT_ALL: [&str; 2] = ["events/header_page", "events/header_event"];
/// Events that are not switched on, but may be in a buffer.
const OWN_SYSTEM: &str = "ftrace";
const PROCESSES: &str = "saved_cmdlines";
const PAGE: usize = 4096;

static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// A record that goes on.
struct Record {
    /// `SYSTEM:EVENT`.
    wanted: Vec<String>,
    /// What describes these events is told.
    told: BTreeSet<String>,
    /// Ends the reader.
    ends: OwnedFd,
    reader: JoinHandle<()>,
}

/// Begins to record.
pub(crate) fn start(
    events: &[String],
    coming: &[(String, String)],
    most: u64,
    outbox: &Outbox,
) -> io::Result<Reply> {
    let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    if record.is_some() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "a record goes on"));
    }
    let instance = Path::new(INSTANCE);
    fs::create_dir_all(instance)?;
    write(&instance.join("trace_clock"), "mono")?;
    write(&instance.join("buffer_size_kb"), BUFFER_KIB)?;
    // Whoever polls is woken by the first event.
    write(&instance.join("buffer_percent"), "0")?;
    for path in ABOUT_ALL {
        tell_file(outbox, path)?;
    }
    for event in names(&Path::new(TRACEFS).join("events").join(OWN_SYSTEM)) {
        tell_file(outbox, &format!("events/{OWN_SYSTEM}/{event}/format"))?;
    }
    let cpus = cpus(instance)?;
    let ends = eventfd(0, EventfdFlags::CLOEXEC)?;
    let (end, to) = (ends.try_clone()?, outbox.clone());
    let reader = thread::Builder::new().name("record".to_owned()).spawn(move || {
        if let Err(error) = read_all(cpus, &end, most, &to) {
            to.note(format!("no more of the kernel's events is recorded: {error}"));
        }
    })?;
    let mut begun = Record { wanted: events.to_vec(), told: BTreeSet::new(), ends, reader };
    begun.switch_on(outbox);
    for (event, module) in coming {
        // Older kernels do not know how; then they are switched on when the module is seen.
        let _ = append(&instance.join("set_event"), &format!("{event}:mod:{module}\n"));
    }
    let all = all_events();
    let there = |wanted: &str| all.iter().any(|name| traces(wanted, name));
    let unmatched: Vec<_> = events.iter().filter(|event| !there(event)).cloned().collect();
    let mut room = MAX_LINE_FROM_GUEST / 2;
    let known = all.into_iter().take_while(|name| {
        room = room.saturating_sub(name.len() + 4);
        !unmatched.is_empty() && room > 0
    });
    let known = known.collect();
    *record = Some(begun);
    Ok(Reply::Traced { unmatched, known })
}

/// A module is in the kernel: its events may be wanted.
pub(crate) fn module_came(outbox: &Outbox) {
    let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(record) = record.as_mut() {
        record.switch_on(outbox);
        // Should the guest die now, it is known who was who.
        let _ = tell_file(outbox, PROCESSES);
    }
}

/// Ends the record, and tells what is left.
pub(crate) fn end(outbox: &Outbox) -> io::Result<Reply> {
    let record = RECORD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(record) = record else {
        return Err(io::Error::new(ErrorKind::NotFound, "nothing is recorded"));
    };
    let instance = Path::new(INSTANCE);
    write(&instance.join("tracing_on"), "0")?;
    rustix::io::write(&record.ends, &1_u64.to_ne_bytes())?;
    // One that has died has said so.
    let _ = record.reader.join();
    tell_file(outbox, PROCESSES)?;
    let mut lost = 0;
    for cpu in numbers_of_cpus(instance) {
        let path = format!("per_cpu/cpu{cpu}/stats");
        let stats = read(&instance.join(&path))?;
        lost += unread(&String::from_utf8_lossy(&stats));
        tell(outbox, &path, &stats);
    }
    Ok(Reply::TraceEnded { lost })
}

impl Record {
    /// Switches on what is wanted and there, and describes it.
    fn switch_on(&mut self, outbox: &Outbox) {
        for name in all_events() {
            if self.told.contains(&name) || !self.wanted.iter().any(|wanted| traces(wanted, &name))
            {
                continue;
            }
            let directory = format!("events/{}", name.replacen(':', "/", 1));
            let enable = Path::new(INSTANCE).join(&directory).join("enable");
            // It goes with its module, which may be now.
            if write(&enable, "1").is_ok()
                && tell_file(outbox, &format!("{directory}/format")).is_ok()
            {
                self.told.insert(name);
            }
        }
    }
}

/// All events that can be switched on now.
fn all_events() -> Vec<String> {
    let all = fs::read_to_string(Path::new(TRACEFS).join("available_events")).unwrap_or_default();
    all.lines().map(str::to_owned).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.path().is_dir());
    dirs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn numbers_of_cpus(instance: &Path) -> Vec<u32> {
    let names = names(&instance.join("per_cpu"));
    let mut numbers: Vec<_> =
        names.iter().filter_map(|name| name.strip_prefix("cpu")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The CPUs' buffers, to be read without waiting.
fn cpus(instance: &Path) -> io::Result<Vec<(u32, File)>> {
    let open = |cpu: u32| {
        let path = instance.join(format!("per_cpu/cpu{cpu}/trace_pipe_raw"));
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        Ok((cpu, file))
    };
    numbers_of_cpus(instance).into_iter().map(open).collect()
}

/// Sends pages until the record ends, at most so many bytes of them.
fn read_all(
    mut cpus: Vec<(u32, File)>,
    end: &impl AsFd,
    most: u64,
    outbox: &Outbox,
) -> io::Result<()> {
    let mut left = most;
    let mut ends = false;
    let mut page = vec![0; PAGE];
    while !ends {
        let mut fds = vec![PollFd::new(end, PollFlags::IN)];
        fds.extend(cpus.iter().map(|(_, file)| PollFd::new(file, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        ends = !fds[0].revents().is_empty();
        if !ends {
            thread::sleep(GATHER);
        }
        for (cpu, file) in &mut cpus {
            while let Some(length) = next(file, &mut page)? {
                let data = trimmed(&page[..length]);
                let Some(rest) = left.checked_sub(PAGE as u64) else {
                    // The rest stays in the kernel's buffers, which count it.
                    return Ok(());
                };
                left = rest;
                outbox.trace(TracePart::Page { cpu: *cpu, data: BASE64.encode(data) });
            }
        }
    }
    Ok(())
}

/// The next page, if there is one.
fn next(file: &mut File, page: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match file.read(page) {
            Ok(0) => return Ok(None),
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn trimmed(page: &[u8]) -> &[u8] {
    let end = page.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &page[..end]
}

/// What a CPU's buffer says of events that nobody has read.
fn unread(stats: &str) -> u64 {
    let fields = ["entries", "overrun", "commit overrun", "dropped events"];
    let values = stats.lines().filter_map(|line| line.split_once(": "));
    let of = values.filter(|(name, _)| fields.contains(&name.trim()));
    of.filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
}

fn tell_file(outbox: &Outbox, path: &str) -> io::Result<()> {
    tell(outbox, path, &read(&Path::new(TRACEFS).join(path))?);
    Ok(())
}

/// A whole file, in reads that are large: some files give no more than the first one takes
/// (`show_header_page_file`).
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let (mut content, mut chunk) = (Vec::new(), vec![0; MAX_TRACE_PART]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(content),
            length => content.extend_from_slice(&chunk[..length]),
        }
    }
}

fn tell(outbox: &Outbox, path: &str, content: &[u8]) {
    for (n, part) in content.chunks(MAX_TRACE_PART).enumerate() {
        let (path, first) = (path.to_owned(), n == 0);
        outbox.trace(TracePart::File { path, first, data: BASE64.encode(part) });
    }
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::write(path, value)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// As `>>` does: to begin anew would switch all off.
fn append(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_read_is_added_up() {
        let stats = "entries: 12\noverrun: 3\ncommit overrun: 0\nbytes: 40\noldest event ts:  5.1\n\
                     now ts:  6.2\ndropped events: 1\nread events: 900\n";
        assert_eq!(unread(stats), 16);
        assert_eq!(unread("entries: many\n"), 0);
    }

    #[test]
    fn a_page_is_sent_without_the_zeros_at_its_end() {
        assert_eq!(trimmed(&[1, 0, 2, 0, 0]), [1, 0, 2]);
        assert!(trimmed(&[0; 8]).is_empty());
    }
}
