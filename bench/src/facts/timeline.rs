//! One timeline: every observation of a run, in one order.
//!
//! Times are nanoseconds since the run began, on the host's monotonic clock. What the card
//! or the bench did is stamped where it happened. What the guest says carries the guest's own
//! `CLOCK_MONOTONIC` too; it is placed by that stamp through the measured [`ClockOffset`], so
//! that a line which took long to arrive still stands where it belongs.

use std::io::Write;
use std::time::Instant;

use guest_protocol::{GuestEvent, Hello, Question};
use iwl_card::CardEvent;
use serde::Serialize;

/// Version of the `events.jsonl` format; its first line says it.
pub const FORMAT_VERSION: u32 = 1;

/// Nanoseconds since the run began.
pub type Nanos = u64;

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The card, as it happened.
    Card,
    /// The firmware gate: the loader waits for the bench's word.
    FirmwareGate,
    /// The module gate: the kernel's `request_module` waits for the bench's word.
    ModuleGate,
    /// Guest kernel tracing: observed.
    Trace,
    /// Guest kernel uevents: observed.
    Netlink,
    /// The guest's kernel log: observed.
    KernelLog,
    /// The guest agent.
    Agent,
    /// The guest's serial console, where it is all that speaks for the guest: observed.
    Console,
    /// QEMU's monitor.
    Qemu,
    /// The bench.
    Bench,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 10] = [
        Source::Card,
        Source::FirmwareGate,
        Source::ModuleGate,
        Source::Trace,
        Source::Netlink,
        Source::KernelLog,
        Source::Agent,
        Source::Console,
        Source::Qemu,
        Source::Bench,
    ];

    /// The word used in reports, at most 8 characters.
    pub fn label(self) -> &'static str {
        match self {
            Source::Card => "card",
            Source::FirmwareGate => "fw-gate",
            Source::ModuleGate => "mod-gate",
            Source::Trace => "trace",
            Source::Netlink => "netlink",
            Source::KernelLog => "kmsg",
            Source::Agent => "agent",
            Source::Console => "console",
            Source::Qemu => "qemu",
            Source::Bench => "bench",
        }
    }
}

/// What was observed.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum What {
    /// The card.
    Card {
        /// The card's name in this run.
        card: String,
        /// What it did.
        #[serde(flatten)]
        event: CardEvent,
    },
    /// A gate asks.
    Ask {
        /// Always `ask`.
        kind: Tag<Ask>,
        /// Pairs with the answer.
        id: u64,
        /// The question.
        #[serde(flatten)]
        question: Question,
    },
    /// The bench answered a gate.
    Answer {
        /// Always `answer`.
        kind: Tag<Answered>,
        /// Pairs with the question.
        id: u64,
        /// The question, again, so that a line stands alone.
        #[serde(flatten)]
        question: Question,
        /// In one word: `proceed`, `exit`, `kill`, `file`, `directory`, `errno`.
        answer: &'static str,
        /// Bytes of the file given, the exit status, the signal or the errno.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<i64>,
    },
    /// The guest observed something.
    Guest(GuestEvent),
    /// The agent is there.
    Hello {
        /// Always `hello`.
        kind: Tag<Greeted>,
        /// What it found.
        #[serde(flatten)]
        hello: Hello,
    },
    /// The bench or QEMU.
    Bench(BenchEvent),
}

/// A constant `kind` in the JSON form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tag<T>(std::marker::PhantomData<T>);

/// The words behind [`Tag`].
pub trait Word {
    /// The word.
    const WORD: &'static str;
}

macro_rules! words {
    ($($name:ident = $word:literal),+) => {$(
        /// See the word.
        #[derive(Debug, Clone, Copy, Default)]
        pub struct $name;
        impl Word for $name { const WORD: &'static str = $word; }
    )+};
}
words!(Ask = "ask", Answered = "answer", Greeted = "hello");

impl<T: Word> Serialize for Tag<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(T::WORD)
    }
}

/// What the bench did, and what QEMU told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BenchEvent {
    /// QEMU was started.
    GuestStarted,
    /// The guest is back, as it was when its snapshot was taken.
    GuestRestored,
    /// A card goes into its port while the guest runs.
    CardPlugged {
        /// The card's name in this run.
        card: String,
    },
    /// The guest is asked to let go of a card.
    CardEjected {
        /// The card's name in this run.
        card: String,
    },
    /// The kernel had suspended; the agent's line is open again.
    GuestResumed {
        /// So many of the bench's lines were lost and are said again.
        again: usize,
    },
    /// The guest's clock was measured against the host's.
    ClockMeasured {
        /// Half the best round trip: the bound on the error, nanoseconds.
        error_ns: u64,
    },
    /// A scenario step began.
    StepStarted {
        /// 0-based.
        index: usize,
        /// As the scenario writes it.
        step: String,
        /// A device may be unbound by it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        unbinds: bool,
    },
    /// A scenario step ended.
    StepEnded {
        /// 0-based.
        index: usize,
        /// As the scenario writes it.
        step: String,
        /// What went wrong, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// It has to fail so.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        wanted: bool,
    },
    /// The guest's kernel complained; told from its log by the text's first words.
    KernelTrouble {
        /// What kind.
        trouble: crate::facts::trouble::Trouble,
        /// The line.
        text: String,
    },
    /// A line of an ungated guest's console that is none of its kernel's.
    Console {
        /// The line.
        text: String,
    },
    /// A QMP event.
    Qmp {
        /// Its name, `SHUTDOWN`, `RESET`, …
        event: String,
        /// Its data.
        data: serde_json::Value,
    },
    /// QEMU has ended.
    QemuExited {
        /// Exit status as the system words it.
        status: String,
    },
    /// The card's thread has ended before its time.
    CardStopped {
        /// Why.
        why: String,
    },
    /// For people.
    Note {
        /// One line.
        text: String,
    },
}

/// One observation.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Place in the order, from 0. Final once the run has ended.
    pub seq: u64,
    /// When.
    pub t_ns: Nanos,
    /// Who saw it.
    pub source: Source,
    /// Guest `CLOCK_MONOTONIC`, nanoseconds, where the guest said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_ns: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// The line of the kernel's log that it is, if it is one.
    pub fn kernel_log(&self) -> Option<&str> {
        match &self.what {
            What::Guest(GuestEvent::KernelLog { text, .. }) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
impl Event {
    /// One that came in this place, as many nanoseconds from the beginning.
    pub fn sample(seq: u64, source: Source, what: What) -> Event {
        Event { seq, t_ns: seq, source, guest_ns: None, what }
    }
}

/// Where the guest's monotonic clock stands on the run's.
#[derive(Debug, Clone, Copy)]
pub struct ClockOffset {
    /// Add to guest nanoseconds to get run nanoseconds.
    pub offset_ns: i64,
    /// Bound on the error.
    pub error_ns: u64,
}

impl ClockOffset {
    /// From one ping: sent and answered on the run's clock, and the guest's stamp between them.
    pub fn from_ping(sent: Nanos, answered: Nanos, guest_ns: u64) -> ClockOffset {
        let half = answered.saturating_sub(sent) / 2;
        let middle = i64::try_from(sent + half).unwrap_or(i64::MAX);
        let guest = i64::try_from(guest_ns).unwrap_or(i64::MAX);
        ClockOffset { offset_ns: middle.saturating_sub(guest), error_ns: half }
    }

    fn place(self, guest_ns: u64) -> Nanos {
        guest_ns.saturating_add_signed(self.offset_ns)
    }

    fn least(self) -> i64 {
        self.offset_ns.saturating_sub_unsigned(self.error_ns)
    }

    fn most(self) -> i64 {
        self.offset_ns.saturating_add_unsigned(self.error_ns)
    }

    /// What both say; this, if they contradict each other, as of a clock that goes wrong.
    fn and(self, least: i64, most: i64) -> ClockOffset {
        let (least, most) = (self.least().max(least), self.most().min(most));
        match most.checked_sub(least) {
            Some(between @ 0..) => ClockOffset {
                offset_ns: least + between / 2,
                error_ns: between.unsigned_abs().div_ceil(2),
            },
            _ => self,
        }
    }

    /// How many seconds of the guest's went by in one of the host's until `later`, `between` after this;
    /// nothing if it is one, as far as can be told.
    pub fn pace(self, later: ClockOffset, between: Nanos) -> Option<f64> {
        /// No clock of a guest is as wrong as a tenth, if its kernel knows its CPU.
        const USUAL: u64 = 10;
        // A clock that goes too fast is ever further ahead: less is to be added to it.
        let ahead = i128::from(self.offset_ns) - i128::from(later.offset_ns);
        let known = u128::from(self.error_ns) + u128::from(later.error_ns);
        let usual = u128::from(between / USUAL);
        (ahead.unsigned_abs() > known + usual)
            .then(|| (i128::from(between) + ahead) as f64 / between.max(1) as f64)
    }
}

/// The run's clock and its growing list of events.
pub struct Timeline {
    start: Instant,
    events: Vec<Event>,
    offset: Option<ClockOffset>,
    /// When each event came.
    arrivals: Vec<Nanos>,
    /// Since when the guest's clock stands where it does.
    measured: usize,
    /// The clock before it stood still, and the first event after.
    stood_still: Option<(ClockOffset, usize)>,
    live: Option<Box<dyn Write + Send>>,
    live_error: Option<std::io::Error>,
    /// Written to it.
    bytes: u64,
}

impl Timeline {
    /// A timeline that begins now. `live` gets each event as it arrives, so that a run which is
    /// killed can still be read.
    pub fn new(live: Option<Box<dyn Write + Send>>) -> Timeline {
        Timeline {
            start: Instant::now(),
            events: Vec::new(),
            offset: None,
            arrivals: Vec::new(),
            measured: 0,
            stood_still: None,
            live,
            live_error: None,
            bytes: 0,
        }
    }

    /// The host's instant of time 0.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// All events so far, in order of arrival.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many bytes of them were written as they came.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A host instant on the run's clock; before the start it is 0.
    pub fn at(&self, instant: Instant) -> Nanos {
        u64::try_from(instant.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Now, on the run's clock.
    pub fn now(&self) -> Nanos {
        self.at(Instant::now())
    }

    /// Sets where the guest's clock stands.
    pub fn set_clock(&mut self, offset: ClockOffset) {
        self.place_again();
        self.offset = Some(offset);
        self.measured = self.events.len();
        let Some((before, first)) = self.stood_still.take() else { return };
        // What it has stood still for, what came since cannot be told apart: before or after.
        if before.offset_ns.abs_diff(offset.offset_ns) <= before.error_ns + offset.error_ns {
            for event in &mut self.events[first..] {
                let placed = event.guest_ns.map(|guest_ns| offset.place(guest_ns));
                event.t_ns = placed.map_or(event.t_ns, |placed| placed.min(event.t_ns));
            }
        }
    }

    /// The guest's clock may have stood still: what the guest says stands where it arrives, until
    /// the clock is measured again, and for good if it has.
    pub fn forget_clock(&mut self) {
        self.place_again();
        let first = self.events.len();
        if let Some(before) = self.offset.take() {
            self.stood_still = Some((before, first));
        }
    }

    /// The guest has answered what it was sent then: its clock stood at `guest_ns` after that, and
    /// before the answer came, at `arrival`.
    pub fn answered(&mut self, sent: Nanos, arrival: Nanos, guest_ns: u64) {
        let guest = i64::try_from(guest_ns).unwrap_or(i64::MAX);
        let least = i64::try_from(sent).unwrap_or(i64::MAX).saturating_sub(guest);
        let most = i64::try_from(arrival).unwrap_or(i64::MAX).saturating_sub(guest);
        self.offset = self.offset.map(|offset| offset.and(least, most));
    }

    /// Places what the guest has said since its clock was measured by what is known of that now: on a
    /// busy machine the first measure is milliseconds wide, in which a driver does much.
    fn place_again(&mut self) {
        let Some(offset) = self.offset else { return };
        for (event, arrival) in self.events.iter_mut().zip(&self.arrivals).skip(self.measured) {
            if let Some(guest_ns) = event.guest_ns {
                event.t_ns = offset.place(guest_ns).min(*arrival);
            }
        }
    }

    /// Adds what happened on the host at `t_ns`.
    pub fn push(&mut self, t_ns: Nanos, source: Source, what: What) -> &Event {
        self.add(t_ns, t_ns, source, None, what)
    }

    /// Adds what the guest said; it arrived at `arrival` and happened no later than that.
    pub fn push_guest(
        &mut self,
        arrival: Nanos,
        guest_ns: u64,
        source: Source,
        what: What,
    ) -> &Event {
        let guest = i64::try_from(guest_ns).unwrap_or(i64::MAX);
        let most = i64::try_from(arrival).unwrap_or(i64::MAX).saturating_sub(guest);
        self.offset = self.offset.map(|offset| offset.and(i64::MIN, most));
        let t_ns = self.offset.map_or(arrival, |o| o.place(guest_ns).min(arrival));
        self.add(t_ns, arrival, source, Some(guest_ns), what)
    }

    fn add(
        &mut self,
        t_ns: Nanos,
        arrival: Nanos,
        source: Source,
        guest_ns: Option<u64>,
        what: What,
    ) -> &Event {
        self.arrivals.push(arrival);
        let event = Event { seq: self.events.len() as u64, t_ns, source, guest_ns, what };
        if let Some(live) = &mut self.live {
            let mut line = Vec::new();
            let written = write_line(&mut line, &event).and_then(|()| live.write_all(&line));
            self.bytes += line.len() as u64;
            if let Err(error) = written {
                self.live_error = Some(error);
                self.live = None;
            }
        }
        self.events.push(event);
        self.events.last().expect("just pushed")
    }

    /// Ends the run: puts the events in their final order and numbers them. With them comes the
    /// first error of writing the live file, if there was one.
    pub fn finish(mut self) -> (Vec<Event>, Option<std::io::Error>) {
        if let Some(live) = &mut self.live
            && let Err(error) = live.flush()
        {
            self.live_error = Some(error);
        }
        self.place_again();
        // Stable: what has one time keeps its order of arrival.
        self.events.sort_by_key(|e| e.t_ns);
        for (seq, event) in self.events.iter_mut().enumerate() {
            event.seq = seq as u64;
        }
        (self.events, self.live_error)
    }
}

/// Writes the first line of an `events.jsonl`.
///
/// # Errors
/// As the writer's.
pub fn write_header(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, r#"{{"format":"iwlbench-events","version":{FORMAT_VERSION}}}"#)
}

/// Writes one event as a line of JSON.
///
/// # Errors
/// As the writer's.
pub fn write_line(out: &mut dyn Write, event: &Event) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}
/// Nanoseconds as seconds, for people.
#[expect(clippy::cast_precision_loss, reason = "for display; exact to a microsecond for years")]
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the guest said between its resume and the new measure of its clock stands at these
    /// times: 20 and 30 on its clock, both arriving at 1000; the clock was 500 before.
    fn placed(after: i64) -> Vec<Nanos> {
        let mut timeline = Timeline::new(None);
        timeline.set_clock(ClockOffset { offset_ns: 500, error_ns: 2 });
        let lost = || What::Guest(GuestEvent::KernelLogLost);
        timeline.push_guest(600, 10, Source::KernelLog, lost());
        timeline.forget_clock();
        timeline.push_guest(1000, 20, Source::KernelLog, lost());
        timeline.push_guest(1000, 30, Source::KernelLog, lost());
        timeline.set_clock(ClockOffset { offset_ns: after, error_ns: 2 });
        timeline.push_guest(2000, 40, Source::KernelLog, lost());
        timeline.finish().0.iter().map(|event| event.t_ns).collect()
    }

    /// On a busy machine the first measure is wide, and what comes of it is put right by each answer: the
    /// driver's word for what it has read of the card is not before that.
    #[test]
    fn what_the_guest_said_is_placed_by_all_that_is_known_at_the_end() {
        let said = |timeline: &mut Timeline, arrival, guest_ns| {
            timeline.push_guest(
                arrival,
                guest_ns,
                Source::KernelLog,
                What::Guest(GuestEvent::KernelLogLost),
            );
        };
        let read = What::Bench(BenchEvent::Note { text: "the card is read".into() });
        let placed = |answers: &[(Nanos, Nanos, u64)]| {
            let mut timeline = Timeline::new(None);
            // 1,000 is added to the guest's clock; what was measured lies between 0 and 1,400.
            timeline.set_clock(ClockOffset { offset_ns: 700, error_ns: 700 });
            timeline.push(5000, Source::Bench, read.clone());
            said(&mut timeline, 5200, 4010);
            said(&mut timeline, 9000, 4020);
            for (sent, arrival, guest_ns) in answers {
                timeline.answered(*sent, *arrival, *guest_ns);
            }
            let events = timeline.finish().0;
            events.iter().map(|e| (e.t_ns, e.source == Source::Bench)).collect::<Vec<_>>()
        };
        assert_eq!(placed(&[]), [(4605, false), (4615, false), (5000, true)], "too early");
        let known = [(5000, true), (5010, false), (5020, false)];
        assert_eq!(placed(&[(5990, 6010, 5000)]), known);
        assert_eq!(placed(&[(5990, 6010, 5000), (7000, 7001, 1)]), known, "no clock says that");
    }

    /// Twenty seconds of the guest's in one, as after a boot on a machine that was too busy; and what
    /// cannot be told from a clock that is right.
    #[test]
    fn the_pace_of_a_guests_clock() {
        let offset = |offset_ns, error_ns| ClockOffset { offset_ns, error_ns };
        let pace = |later, error| offset(0, error).pace(offset(later, error), 100_000_000);
        assert_eq!(pace(-1_900_000_000, 3_000_000), Some(20.0));
        assert_eq!(pace(50_000_000, 3_000_000), Some(0.5));
        assert_eq!(pace(-9_000_000, 0), None, "as good as any");
        assert_eq!(pace(-1_900_000_000, 1_000_000_000), None, "nobody knows");
        assert_eq!(
            offset(i64::MAX, 0).pace(offset(i64::MIN, 0), 0).map(f64::is_finite),
            Some(true)
        );
    }

    #[test]
    fn a_clock_that_went_on_places_what_came_over_a_suspend() {
        assert_eq!(placed(503), [510, 523, 533, 543]);
    }

    #[test]
    fn what_came_over_a_suspend_that_stopped_the_clock_stands_where_it_arrived() {
        assert_eq!(placed(900), [510, 940, 1000, 1000]);
    }
}
