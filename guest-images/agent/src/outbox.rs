//! What the agent says, in one order.
//!
//! Whoever has something to say puts it into one unbounded queue and goes on: an
//! observer must not stop listening, and a gate must not hold the kernel, because
//! the port is slow. One thread writes the port, so what was queued first is on
//! the wire first, across all threads.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};

use guest_protocol::{FromGuest, GuestEvent};

use crate::clock::mono_ns;

enum Item {
    Say(FromGuest),
    /// Signals when all that was queued before it is written.
    Flush(Sender<()>),
}

/// The way out; clone freely.
#[derive(Clone)]
pub(crate) struct Outbox(Sender<Item>);

/// The other end, drained by [`Queue::write_to`].
pub(crate) struct Queue(Receiver<Item>);

pub(crate) fn channel() -> (Outbox, Queue) {
    let (tx, rx) = mpsc::channel();
    (Outbox(tx), Queue(rx))
}

impl Outbox {
    pub(crate) fn send(&self, message: FromGuest) {
        // The queue goes only when the port is lost; the reader powers off then.
        let _ = self.0.send(Item::Say(message));
    }

    /// Says an event that bears its own stamp.
    pub(crate) fn event_at(&self, mono_ns: u64, event: GuestEvent) {
        self.send(FromGuest::Event { mono_ns, event });
    }

    /// Says an event that happens now.
    pub(crate) fn event(&self, event: GuestEvent) {
        self.event_at(mono_ns(), event);
    }

    /// Says something unexpected, for people.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.event(GuestEvent::AgentNote { text: text.into() });
    }

    /// Waits until all that was said so far is written to the port.
    pub(crate) fn flush(&self) {
        let (tx, rx) = mpsc::channel();
        if self.0.send(Item::Flush(tx)).is_ok() {
            // An error means that the writer is gone: nothing to wait for.
            let _ = rx.recv();
        }
    }
}

impl Queue {
    /// Writes all that is queued, for ever.
    pub(crate) fn write_to(self, port: &mut impl Write) -> io::Error {
        for item in self.0 {
            let written = match item {
                Item::Say(message) => write_line(port, &message),
                Item::Flush(done) => {
                    // Nobody waits any more if this fails.
                    let _ = done.send(());
                    Ok(())
                }
            };
            if let Err(e) = written {
                return e;
            }
        }
        io::Error::other("every sender of the outbox is gone")
    }
}

/// Writes one message, a line.
pub(crate) fn write_line(port: &mut impl Write, message: &FromGuest) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    port.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_in_the_order_of_saying() {
        let (outbox, queue) = channel();
        let other_thread = outbox.clone();
        outbox.event_at(7, GuestEvent::KernelLogLost);
        std::thread::spawn(move || other_thread.note("two\nlines")).join().unwrap();
        drop(outbox);
        let mut port = Vec::new();
        queue.write_to(&mut port);
        let said: Vec<FromGuest> = String::from_utf8(port)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [FromGuest::Event { mono_ns: 7, event }, FromGuest::Event { event: note, .. }] =
            said.as_slice()
        else {
            panic!("{said:?}")
        };
        assert_eq!(*event, GuestEvent::KernelLogLost);
        assert_eq!(*note, GuestEvent::AgentNote { text: "two\nlines".into() });
    }
}
