//! What the bench says to QEMU and to the guest's agent. A thread of its own writes it: a reader
//! that has stopped reading, as a guest that is locked up has, holds up nobody else.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Bytes that wait at most: several of the largest firmware files, as the agent gets them.
const MOST: usize = 128 << 20;
/// What a line takes beside its bytes.
const EACH: usize = 64;

/// Where lines go. Writing never blocks; it fails if too much waits, and what comes too late for a
/// reader that has gone is dropped: its end shows elsewhere.
pub(super) struct Outgoing {
    lines: Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
}

impl Outgoing {
    /// To this socket; the thread ends with it.
    pub(super) fn new(name: &str, mut socket: UnixStream) -> io::Result<Outgoing> {
        let (lines, queue) = channel::<Vec<u8>>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            for line in queue {
                let written = socket.write_all(&line);
                left.fetch_sub(line.len() + EACH, Ordering::Relaxed);
                if written.is_err() {
                    return;
                }
            }
        })?;
        Ok(Outgoing { lines, waiting })
    }
}

impl Write for Outgoing {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let more = line.len() + EACH;
        if self.waiting.load(Ordering::Relaxed) + more > MOST {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.waiting.fetch_add(more, Ordering::Relaxed);
        // Fails only if the reader has gone.
        let _ = self.lines.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_reader_that_does_not_read_holds_up_nobody() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut outgoing = Outgoing::new("test", ours).expect("a thread");
        // Far more than a socket holds.
        let mut line = vec![b'x'; 4 << 20];
        line.push(b'\n');
        for _ in 0..8 {
            outgoing.write_all(&line).expect("it waits in the queue");
        }
        let mut reader = BufReader::new(theirs);
        for _ in 0..8 {
            let mut read = Vec::new();
            reader.read_until(b'\n', &mut read).expect("read");
            assert!(read == line, "whole, and in order");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut outgoing = Outgoing::new("test", ours).expect("a thread");
        let line = vec![b'x'; 8 << 20];
        let written = (0..MOST / line.len() + 2).take_while(|_| outgoing.write_all(&line).is_ok());
        // The socket itself takes a part of the first.
        assert!(written.count() < MOST / line.len() + 1);
    }
}
