//! What the program says, on its two streams. A terminal that is stopped, as by Ctrl-S, or a pipe
//! that nobody reads holds up the one thread that writes there, and nobody who has something to say:
//! what is said waits, so much of it, and is dropped then and counted.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::TermLike;

use crate::machine::signals;

/// What waits for each stream at most: bytes, one text more whatever its size; of standard error so
/// many pictures of the progress, or lines.
const BYTES: usize = 16 << 20;
const PICTURES: usize = 256;
/// How long the end of the program waits for the streams once a signal has come.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(300);
/// How often who waits looks for one.
const LOOK: Duration = Duration::from_millis(20);

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// What waits for a stream.
#[derive(Debug, Default)]
struct Waiting {
    texts: usize,
    bytes: usize,
    /// Lines that found no room since the last text that did.
    dropped: usize,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<(Stream, String)>,
    /// By stream.
    waiting: [Waiting; 2],
    /// How many texts were taken in, and how many of them are written.
    taken: u64,
    written: u64,
    /// Why standard output took no more.
    failed: Option<io::Error>,
}

/// A queue whose writer is slow, or stands still.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl State {
    fn has_room(&self, stream: Stream) -> bool {
        let waiting = &self.waiting[stream as usize];
        waiting.bytes < BYTES && (stream == Stream::Out || waiting.texts < PICTURES)
    }

    fn take(&mut self, stream: Stream, text: String) {
        let waiting = &mut self.waiting[stream as usize];
        waiting.texts += 1;
        waiting.bytes += text.len();
        self.taken += 1;
        self.texts.push_back((stream, text));
    }

    /// What was dropped is told in its place.
    fn tell_dropped(&mut self) {
        for stream in [Stream::Out, Stream::Err] {
            match std::mem::take(&mut self.waiting[stream as usize].dropped) {
                0 => {}
                1 => self.take(stream, "iwlbench: 1 line was not shown\n".to_owned()),
                n => self.take(stream, format!("iwlbench: {n} lines were not shown\n")),
            }
        }
    }

    /// The next text, which is being written from now on.
    fn next(&mut self) -> Option<(Stream, String)> {
        if self.texts.is_empty() {
            self.tell_dropped();
        }
        self.texts.pop_front()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it in, or drops it if there is no room.
    fn say(&self, stream: Stream, text: String) {
        let mut state = self.lock();
        if state.has_room(stream) {
            state.tell_dropped();
            state.take(stream, text);
        } else {
            state.waiting[stream as usize].dropped += text.lines().count();
        }
        self.changed.notify_all();
    }

    /// Waits until this holds, or who waits has given up; says whether it holds.
    fn wait(&self, holds: impl Fn(&State) -> bool, given_up: &mut impl FnMut() -> bool) -> bool {
        let mut state = self.lock();
        loop {
            if holds(&state) {
                return true;
            }
            if given_up() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until all that was said is written.
    fn flush(&self, given_up: &mut impl FnMut() -> bool) -> bool {
        let mut state = self.lock();
        state.tell_dropped();
        let taken = state.taken;
        drop(state);
        self.changed.notify_all();
        self.wait(|state| state.written >= taken, given_up)
    }

    /// Writes what comes, for ever.
    fn write(&self, mut write: impl FnMut(Stream, &[u8]) -> io::Result<()>) {
        loop {
            let mut state = self.lock();
            let (stream, text) = loop {
                if let Some(next) = state.next() {
                    break next;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            let result = write(stream, text.as_bytes());
            let mut state = self.lock();
            let waiting = &mut state.waiting[stream as usize];
            waiting.texts -= 1;
            waiting.bytes -= text.len();
            state.written += 1;
            match result {
                // A reader that has gone (`| head`) is no error; of standard error nobody is left to be told.
                Err(error) if stream == Stream::Out && error.kind() != ErrorKind::BrokenPipe => {
                    state.failed.get_or_insert(error);
                }
                _ => {}
            }
            self.changed.notify_all();
        }
    }
}

fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    match stream {
        Stream::Out => {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
        Stream::Err => io::stderr().lock().write_all(bytes),
    }
}

/// Of standard output, of standard error: one and the same where both lead to one place, so that
/// what is said there keeps its order.
fn queues() -> &'static [Arc<Queue>; 2] {
    static QUEUES: OnceLock<[Arc<Queue>; 2]> = OnceLock::new();
    QUEUES.get_or_init(|| {
        let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino, stat.st_rdev);
        let out = rustix::fs::fstat(io::stdout()).map(place);
        let one_place = out.is_ok() && out == rustix::fs::fstat(io::stderr()).map(place);
        let out = Arc::new(Queue::default());
        let err = if one_place { Arc::clone(&out) } else { Arc::new(Queue::default()) };
        let start = |queue: &Arc<Queue>| {
            let queue = Arc::clone(queue);
            let writer = std::thread::Builder::new().name("terminal".into());
            // Without a thread there is nobody to write, and nothing to see.
            drop(writer.spawn(move || queue.write(write)));
        };
        start(&out);
        if !one_place {
            start(&err);
        }
        [out, err]
    })
}

fn queue(stream: Stream) -> &'static Queue {
    &queues()[stream as usize]
}

/// Has the streams written to from now on.
pub fn start() {
    queues();
}

/// Says a line on standard error.
pub fn line(line: &str) {
    queue(Stream::Err).say(Stream::Err, format!("{line}\n"));
}

/// Says this on standard output, and does not wait.
///
/// # Errors
/// What was said before could not be written.
pub fn show(text: &str) -> io::Result<()> {
    if !text.is_empty() {
        queue(Stream::Out).say(Stream::Out, text.to_owned());
    }
    result()
}

/// As [`show`], but waits until there is room: for those whom nobody else waits for.
///
/// # Errors
/// As there.
pub fn print(text: &str) -> io::Result<()> {
    queue(Stream::Out).wait(|state| state.has_room(Stream::Out), &mut given_up);
    show(text)
}

/// Waits until all is written: the program ends. Not for long, once a signal has come.
///
/// # Errors
/// Standard output could not be written.
pub fn flush() -> io::Result<()> {
    for queue in queues() {
        queue.flush(&mut given_up);
    }
    result()
}

/// What became of standard output so far; an error is told once.
fn result() -> io::Result<()> {
    queue(Stream::Out).lock().failed.take().map_or(Ok(()), Err)
}

/// Whether a signal has come, and the streams had their time since.
fn given_up() -> bool {
    static SINCE: OnceLock<Instant> = OnceLock::new();
    signals::stopping() && SINCE.get_or_init(Instant::now).elapsed() > GIVEN_UP_AFTER
}

/// The program's own log, on standard error.
pub struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        queue(Stream::Err).say(Stream::Err, String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where progress is drawn.
#[derive(Debug, Default)]
pub struct Screen(Mutex<String>);

impl Screen {
    fn add(&self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.write_fmt(text).map_err(io::Error::other)
    }

    fn moved(&self, by: usize, letter: char) -> io::Result<()> {
        match by {
            0 => Ok(()),
            by => self.add(format_args!("\x1b[{by}{letter}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| size.ws_col.max(1))
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.moved(lines, 'A')
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.moved(lines, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.moved(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.moved(columns, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.add(format_args!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue(Stream::Err).say(Stream::Err, std::mem::take(&mut *buffer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal that was stopped shows when it goes on.
    fn shown(queue: Queue) -> String {
        let queue = Arc::new(queue);
        let shown = Arc::new(Mutex::new(String::new()));
        let (writer, screen) = (Arc::clone(&queue), Arc::clone(&shown));
        std::thread::spawn(move || {
            writer.write(|_, bytes| {
                *screen.lock().expect("whole") += str::from_utf8(bytes).expect("text");
                Ok(())
            });
        });
        assert!(queue.flush(&mut || false));
        let shown = shown.lock().expect("whole");
        shown.clone()
    }

    #[test]
    fn who_speaks_to_a_stopped_terminal_goes_on() {
        let queue = Queue::default();
        for number in 0..PICTURES + 10 {
            queue.say(Stream::Err, format!("{number}\n"));
        }
        assert!(!queue.flush(&mut || true), "nobody writes");
        assert_eq!(queue.lock().texts.len(), PICTURES + 1);
        // Standard output has room of its own.
        queue.say(Stream::Out, "result\n".to_owned());
        let shown = shown(queue);
        let end = "255\niwlbench: 10 lines were not shown\nresult\n";
        assert!(shown.starts_with("0\n1\n") && shown.ends_with(end), "{shown}");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_what_is_dropped_told_in_its_place() {
        let queue = Queue::default();
        queue.say(Stream::Out, format!("{}\n", "x".repeat(2 * BYTES)));
        queue.say(Stream::Out, "lost\nlost\n".to_owned());
        let (stream, _) = queue.lock().next().expect("the large one");
        queue.lock().waiting[stream as usize].bytes = 0;
        queue.lock().written += 1;
        queue.say(Stream::Out, "more\n".to_owned());
        assert_eq!(shown(queue), "iwlbench: 2 lines were not shown\nmore\n");
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_reader_that_has_gone_is_none() {
        for (kind, failed) in [(ErrorKind::StorageFull, true), (ErrorKind::BrokenPipe, false)] {
            let queue = Arc::new(Queue::default());
            let writer = Arc::clone(&queue);
            std::thread::spawn(move || writer.write(|_, _| Err(kind.into())));
            queue.say(Stream::Err, "lost\n".to_owned());
            queue.say(Stream::Out, "lost\n".to_owned());
            assert!(queue.flush(&mut || false));
            assert_eq!(queue.lock().failed.is_some(), failed, "{kind}");
        }
    }
}
