//! Standard error, for what may be lost: progress and notes. A terminal that is stopped, as by
//! Ctrl-S, or a pipe that nobody reads holds up the one thread that writes there, and nobody who
//! has something to say.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::TermLike;

/// What waits to be written at most: pictures of the progress, or lines.
const QUEUED: usize = 256;
/// How long the end of the program waits for them.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);

enum Item {
    Text(String),
    /// Told when all before it is written.
    Flush(SyncSender<()>),
}

/// A queue whose writer is slow, or stands still.
struct Queue {
    items: SyncSender<Item>,
    dropped: AtomicUsize,
}

impl Queue {
    fn new() -> (Queue, Receiver<Item>) {
        let (items, receiver) = sync_channel(QUEUED);
        (Queue { items, dropped: AtomicUsize::new(0) }, receiver)
    }

    /// Puts it in, or drops it if there is no room.
    fn say(&self, text: String) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let text = match dropped {
            0 => text,
            n => format!("iwlbench: {n} lines were not shown\n{text}"),
        };
        if let Err(TrySendError::Full(_)) = self.items.try_send(Item::Text(text)) {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    /// Waits until all is written, but not for ever.
    fn flush(&self, within: Duration) {
        let (done, written) = sync_channel(1);
        if self.items.try_send(Item::Flush(done)).is_ok() {
            // Whether it is written or not: there is nothing more to do about it.
            let _: Result<(), RecvTimeoutError> = written.recv_timeout(within);
        }
    }
}

fn write(items: Receiver<Item>, out: &mut impl io::Write) {
    for item in items {
        match item {
            // Nobody is left to be told of it.
            Item::Text(text) => drop(out.write_all(text.as_bytes())),
            Item::Flush(done) => drop(done.try_send(())),
        }
    }
}

fn queue() -> &'static Queue {
    static QUEUE: OnceLock<Queue> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (queue, items) = Queue::new();
        let writer = std::thread::Builder::new().name("terminal".into());
        // Without a thread there is nobody to write, and nothing to see.
        drop(writer.spawn(move || write(items, &mut io::stderr())));
        queue
    })
}

/// Says a line.
pub fn line(line: &str) {
    queue().say(format!("{line}\n"));
}

/// Waits a while until all is written: the program ends.
pub fn flush() {
    queue().flush(FLUSHED_WITHIN);
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
        queue().say(std::mem::take(&mut *buffer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_to_a_stopped_terminal_goes_on() {
        let (queue, items) = Queue::new();
        for number in 0..QUEUED + 10 {
            queue.say(format!("{number}\n"));
        }
        queue.flush(Duration::from_millis(1));
        let first: Vec<_> = items.try_iter().collect();
        assert_eq!(first.len(), QUEUED);
        queue.say("more\n".to_owned());
        drop(queue);
        let mut out = Vec::new();
        write(items, &mut out);
        let said = String::from_utf8(out).expect("text");
        assert_eq!(said, "iwlbench: 10 lines were not shown\nmore\n");
    }
}
