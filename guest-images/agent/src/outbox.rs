//! What the agent says, in one order.
//!
//! Whoever has something to say puts it into one queue and goes on: an observer must not stop
//! listening, and a gate must not hold the kernel, because the port is slow. One thread writes the
//! port, so what was queued first is on the wire first, across all threads.
//!
//! A guest that floods its log, its devices' events or its trace must not fill the guest's memory
//! nor the host's: what is merely observed comes at a limited rate, and waits in a limited number
//! ([`Limits`]); of the rest the count is told ([`GuestEvent::Dropped`]). What the bench waits for
//! is never dropped.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guest_protocol::{FromGuest, GuestEvent, TracePart};

use crate::clock::mono_ns;

/// How long the end waits for the host to read the last words.
const LAST_WORDS: Duration = Duration::from_secs(5);

enum Item {
    Say(FromGuest, Counts),
    /// Signals when all that was queued before it is written.
    Flush(Sender<()>),
    /// The port has changed.
    Look,
}

/// Among which of those that wait in a limited number an item is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Nowhere,
    Observed,
    Traced,
}

/// What may be observed.
struct Limits {
    /// At once, of each class.
    burst: u64,
    /// A second, of each class.
    rate: u64,
    /// Waiting, of all classes.
    waiting: usize,
    /// Parts of a trace waiting: who has one more waits until there is room.
    traced: usize,
}

/// A driver's dump of all it knows is some hundreds of records, the kernel's boot some thousands.
const LIMITS: Limits = Limits { burst: 20_000, rate: 2_000, waiting: 20_000, traced: 8 };

/// What is limited, each by itself; the kernel's log by level, so that a chatty driver does not
/// hide a crash.
const CLASSES: [&str; 5] = ["kernel-log", "kernel-log", "uevents", "trace", "notes"];
/// Emergency, alert, critical.
const CRITICAL: u8 = 2;

/// The class of an event; `None` for what the bench waits for.
fn class_of(event: &GuestEvent) -> Option<usize> {
    match event {
        GuestEvent::KernelLog { level, .. } => {
            Some(usize::from(level.is_none_or(|level| level > CRITICAL)))
        }
        GuestEvent::Uevent { .. } => Some(2),
        GuestEvent::ModuleLoad { .. }
        | GuestEvent::ModuleFree { .. }
        | GuestEvent::ModuleRequest { .. } => Some(3),
        GuestEvent::AgentNote { .. } | GuestEvent::KernelLogLost => Some(4),
        GuestEvent::ModuleLoaderExit { .. }
        | GuestEvent::FirmwareRead { .. }
        | GuestEvent::Dropped { .. }
        | GuestEvent::ProgramEnded { .. }
        | GuestEvent::FileRead { .. } => None,
    }
}

/// How much of a class may still come, and what did not.
#[derive(Clone, Copy)]
struct Allowance {
    /// Events, in thousandths of a millionth.
    left_nanos: u64,
    since_ns: u64,
    dropped: u64,
}

impl Allowance {
    /// Whether one more may come now.
    fn spend(&mut self, now_ns: u64, limits: &Limits) -> bool {
        const ONE: u64 = 1_000_000_000;
        let earned = now_ns.saturating_sub(self.since_ns).saturating_mul(limits.rate);
        self.since_ns = self.since_ns.max(now_ns);
        self.left_nanos = self.left_nanos.saturating_add(earned).min(limits.burst * ONE);
        let rest = self.left_nanos.checked_sub(ONE);
        self.left_nanos = rest.unwrap_or(self.left_nanos);
        rest.is_some()
    }
}

struct State {
    items: VecDeque<Item>,
    /// Items that count among those that wait in a limited number.
    waiting: usize,
    traced: usize,
    allowances: [Allowance; CLASSES.len()],
    /// Outboxes there are.
    senders: usize,
    /// The queue is gone.
    closed: bool,
}

struct Shared {
    limits: Limits,
    state: Mutex<State>,
    more: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, item: Item) {
        // The queue goes only when the port is lost; the reader powers off then.
        if !self.closed {
            self.items.push_back(item);
        }
    }

    /// Says what was dropped, of one class or of all.
    fn own_up(&mut self, class: Option<usize>) {
        for (index, what) in CLASSES.into_iter().enumerate() {
            if class.is_some_and(|class| class != index) {
                continue;
            }
            let count = std::mem::take(&mut self.allowances[index].dropped);
            if count > 0 {
                let event = GuestEvent::Dropped { what: what.to_owned(), count };
                self.push(Item::Say(
                    FromGuest::Event { mono_ns: mono_ns(), event },
                    Counts::Nowhere,
                ));
            }
        }
    }
}

/// The way out; clone freely.
pub(crate) struct Outbox(Arc<Shared>);

/// The other end, drained by [`Queue::write_to`].
pub(crate) struct Queue(Arc<Shared>);

pub(crate) fn channel() -> (Outbox, Queue) {
    channel_of(LIMITS)
}

fn channel_of(limits: Limits) -> (Outbox, Queue) {
    let allowance = Allowance { left_nanos: u64::MAX, since_ns: 0, dropped: 0 };
    let state = State {
        items: VecDeque::new(),
        waiting: 0,
        traced: 0,
        allowances: [allowance; CLASSES.len()],
        senders: 1,
        closed: false,
    };
    let shared = Arc::new(Shared { limits, state: Mutex::new(state), more: Condvar::new() });
    (Outbox(Arc::clone(&shared)), Queue(shared))
}

impl Clone for Outbox {
    fn clone(&self) -> Self {
        self.0.state().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.0.state().senders -= 1;
        self.0.more.notify_all();
    }
}

impl Outbox {
    /// Says what the bench waits for.
    pub(crate) fn send(&self, message: FromGuest) {
        let mut state = self.0.state();
        // Who learns that a command has ended has learnt what came before.
        if matches!(message, FromGuest::Done { .. }) {
            state.own_up(None);
        }
        state.push(Item::Say(message, Counts::Nowhere));
        self.0.more.notify_all();
    }

    /// Says an event that bears its own stamp.
    pub(crate) fn event_at(&self, mono_ns: u64, event: GuestEvent) {
        self.observed(crate::clock::mono_ns(), mono_ns, event);
    }

    fn observed(&self, now_ns: u64, mono_ns: u64, event: GuestEvent) {
        let class = class_of(&event);
        let message = FromGuest::Event { mono_ns, event };
        let Some(class) = class else { return self.send(message) };
        let Shared { limits, .. } = &*self.0;
        let mut state = self.0.state();
        let room = state.waiting < limits.waiting;
        if room && state.allowances[class].spend(now_ns, limits) {
            state.own_up(Some(class));
            state.waiting += 1;
            state.push(Item::Say(message, Counts::Observed));
            self.0.more.notify_all();
        } else {
            state.allowances[class].dropped += 1;
        }
    }

    /// Says an event that happens now.
    pub(crate) fn event(&self, event: GuestEvent) {
        self.event_at(mono_ns(), event);
    }

    /// Says a part of a trace, once few of them wait: what is not taken out of the kernel's buffers
    /// meanwhile the kernel counts.
    pub(crate) fn trace(&self, part: TracePart) {
        let full = |state: &mut State| state.traced >= self.0.limits.traced && !state.closed;
        let state = self.0.more.wait_while(self.0.state(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if !state.closed {
            state.traced += 1;
            state.push(Item::Say(FromGuest::Trace(part), Counts::Traced));
        }
        drop(state);
        self.0.more.notify_all();
    }

    /// Says something unexpected, for people.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.event(GuestEvent::AgentNote { text: text.into() });
    }

    /// The port has changed: whoever writes looks at it, also if there is nothing to write.
    pub(crate) fn look(&self) {
        self.0.state().push(Item::Look);
        self.0.more.notify_all();
    }

    /// Waits until all that was said so far is written to the port; not for ever, for the host
    /// may have stopped reading.
    pub(crate) fn flush(&self) {
        let (tx, rx) = mpsc::channel();
        self.0.state().push(Item::Flush(tx));
        self.0.more.notify_all();
        // An error means that the writer is gone or stuck: nothing to wait for.
        let _ = rx.recv_timeout(LAST_WORDS);
    }
}

impl Queue {
    /// Has all that is queued written, for ever; `None` is for a look at the port.
    pub(crate) fn write_to(
        self,
        mut write: impl FnMut(Option<&FromGuest>) -> io::Result<()>,
    ) -> io::Error {
        while let Some(item) = self.next() {
            let written = match &item {
                Item::Say(message, _) => write(Some(message)),
                Item::Look => write(None),
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

    fn next(&self) -> Option<Item> {
        let mut state = self.0.state();
        loop {
            if let Some(item) = state.items.pop_front() {
                match item {
                    Item::Say(_, Counts::Observed) => state.waiting -= 1,
                    Item::Say(_, Counts::Traced) => {
                        state.traced -= 1;
                        self.0.more.notify_all();
                    }
                    _ => {}
                }
                return Some(item);
            }
            if state.senders == 0 {
                return None;
            }
            state = self.0.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.items.clear();
        drop(state);
        self.0.more.notify_all();
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
        queue.write_to(|message| message.map_or(Ok(()), |m| write_line(&mut port, m)));
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

    /// All that is in the queue.
    fn said(queue: Queue) -> Vec<GuestEvent> {
        let mut said = Vec::new();
        queue.write_to(|message| {
            if let Some(FromGuest::Event { event, .. }) = message {
                said.push(event.clone());
            }
            Ok(())
        });
        said
    }

    fn log(level: u8) -> GuestEvent {
        GuestEvent::KernelLog { seq: 0, level: Some(level), text: "x".into() }
    }

    fn dropped(count: u64) -> GuestEvent {
        GuestEvent::Dropped { what: "kernel-log".into(), count }
    }

    #[test]
    fn a_flood_is_cut_to_its_rate_and_its_count_told() {
        const SECOND: u64 = 1_000_000_000;
        let (outbox, queue) = channel_of(Limits { burst: 3, rate: 2, waiting: 1000, traced: 1 });
        for _ in 0..10 {
            outbox.observed(SECOND, 0, log(6));
        }
        // What crashes is told all the same, and so is what the bench waits for.
        outbox.observed(SECOND, 0, log(1));
        outbox.observed(SECOND, 0, GuestEvent::FirmwareRead { path: "f".into(), bytes: 1 });
        // Half a second earns one.
        outbox.observed(SECOND * 3 / 2, 0, log(6));
        outbox.observed(SECOND * 3 / 2, 0, log(6));
        outbox.send(FromGuest::Done { id: 1, mono_ns: 0, result: Ok(guest_protocol::Reply::Ok) });
        drop(outbox);
        let read = GuestEvent::FirmwareRead { path: "f".into(), bytes: 1 };
        let log = || log(6);
        let (first, second) = (dropped(7), dropped(1));
        let crash = GuestEvent::KernelLog { seq: 0, level: Some(1), text: "x".into() };
        assert_eq!(said(queue), [log(), log(), log(), crash, read, first, log(), second]);
    }

    #[test]
    fn what_nobody_reads_does_not_pile_up() {
        let (outbox, queue) = channel_of(Limits { burst: 100, rate: 0, waiting: 5, traced: 1 });
        for _ in 0..50 {
            outbox.observed(0, 0, log(6));
        }
        assert_eq!(queue.0.state().items.len(), 5);
        outbox.send(FromGuest::Done { id: 1, mono_ns: 0, result: Ok(guest_protocol::Reply::Ok) });
        drop(outbox);
        let mut want = vec![log(6); 5];
        want.push(dropped(45));
        assert_eq!(said(queue), want);
    }

    #[test]
    fn who_traces_waits_for_the_line() {
        let (outbox, queue) = channel_of(Limits { burst: 0, rate: 0, waiting: 0, traced: 2 });
        let part = |cpu| TracePart::Page { cpu, data: String::new() };
        let (sent, sends) = mpsc::channel();
        let traces = std::thread::spawn(move || {
            for cpu in 0..4 {
                outbox.trace(part(cpu));
                sent.send(cpu).unwrap();
            }
        });
        let next = || sends.recv_timeout(Duration::from_millis(200)).ok();
        assert_eq!([next(), next(), next()], [Some(0), Some(1), None]);
        assert!(
            matches!(queue.next(), Some(Item::Say(FromGuest::Trace(first), _)) if first == part(0))
        );
        assert_eq!([next(), next()], [Some(2), None]);
        drop(queue);
        // Nobody is held up by a line that is gone.
        assert_eq!(next(), Some(3));
        traces.join().unwrap();
    }

    #[test]
    fn a_queue_that_is_gone_takes_nothing() {
        let (outbox, queue) = channel();
        drop(queue);
        outbox.note("to nobody");
        outbox.flush();
        assert!(outbox.0.state().items.is_empty());
    }
}
