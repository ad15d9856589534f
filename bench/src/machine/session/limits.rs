//! What is kept of a run at most. A guest may say whatever it likes, for as long as it likes; what
//! reaches one of these ends the run, with a verdict of its own, and what comes then is counted.

use super::inputs::Long;
use crate::facts::timeline::{Source, Timeline};
use crate::facts::verdict::{Outcome, Verdict};

/// Events. A hand-over has about 5,000.
const EVENTS: usize = 2_000_000;
/// So many more of the bench's own, which tell how such a run ended.
const OF_ITS_END: usize = 1_000;
/// Bytes of `events.jsonl`.
const BYTES: u64 = 512 << 20;
/// Bytes of `console.log`.
const CONSOLE: u64 = 32 << 20;
/// Lines of the agent's that are no message.
const BAD_LINES: u64 = 1_000;
/// So many of those are shown.
const BAD_LINES_SHOWN: u64 = 20;

/// Bytes in lines that are too long for any message; of an honest agent there are none.
const LONG_LINES: u64 = 16 << 20;

/// What a run has come to so far.
#[derive(Debug, Default)]
pub(super) struct Limits {
    console: u64,
    bad_lines: u64,
    /// Bytes of the line that is too long and has not ended, and of all such lines.
    in_long_line: Option<u64>,
    long_lines: u64,
    events_dropped: u64,
    console_dropped: u64,
    verdict: Option<Verdict>,
}

impl Limits {
    /// The verdict of a run that has reached one of them.
    pub(super) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Whether an event is kept.
    pub(super) fn event(&mut self, timeline: &Timeline, source: Source) -> bool {
        let events = timeline.events();
        if self.verdict.is_none() && (events.len() >= EVENTS || timeline.bytes() >= BYTES) {
            let count = |source: Source| events.iter().filter(|e| e.source == source).count();
            let sources = Source::ALL.map(|source| (count(source), source.label()));
            let (most, label) = sources.into_iter().max().unwrap_or_default();
            self.end(Outcome::Flooded, format!(
                "more was told of this run than is kept: {} events, {} MiB, {most} of them by {label}; \
                 see the end of timeline.txt for what goes on and on",
                events.len(),
                timeline.bytes() >> 20,
            ));
        }
        let kept = self.verdict.is_none()
            || (source == Source::Bench && events.len() < EVENTS + OF_ITS_END);
        self.events_dropped += u64::from(!kept);
        kept
    }

    /// What of the console's bytes is kept.
    pub(super) fn console<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = usize::try_from(CONSOLE - self.console).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        self.console += kept.len() as u64;
        self.console_dropped += (bytes.len() - kept.len()) as u64;
        if kept.len() < bytes.len() {
            let size = CONSOLE >> 20;
            let line = format!(
                "the guest's console said more than {size} MiB; see the end of console.log for what \
                 goes on and on"
            );
            self.end(Outcome::Flooded, line);
        }
        kept
    }

    /// Whether a line of the agent's that is no message is shown. A guest that has not come up says
    /// nothing about the driver by it.
    pub(super) fn bad_line(&mut self, up: bool) -> bool {
        self.bad_lines += 1;
        if self.bad_lines > BAD_LINES {
            let outcome = if up { Outcome::Flooded } else { Outcome::NotBooted };
            let line = format!(
                "the guest's agent sent more than {BAD_LINES} lines that are no message{}",
                if up { "" } else { ", and did not come up" }
            );
            self.end(outcome, line);
        }
        self.bad_lines <= BAD_LINES_SHOWN
    }

    /// A part of a line that is too long; says how much there was of it so far.
    pub(super) fn long_line(&mut self, who: &str, long: &Long, up: bool) -> u64 {
        let bytes = self.in_long_line.unwrap_or_default() + long.bytes as u64;
        self.in_long_line = (!long.ends).then_some(bytes);
        self.long_lines += long.bytes as u64;
        if self.long_lines > LONG_LINES {
            let size = LONG_LINES >> 20;
            let outcome = if up { Outcome::Flooded } else { Outcome::NotBooted };
            let up = if up { "" } else { ", and it did not come up" };
            let line =
                format!("{who} sent more than {size} MiB in lines too long for any message{up}");
            self.end(outcome, line);
        }
        bytes
    }

    /// What may be why the guest's agent is not heard.
    pub(super) fn unheard(&self) -> String {
        self.in_long_line.map_or(String::new(), |bytes| {
            format!("; its agent is in a line too long for any message, with {bytes} bytes so far")
        })
    }

    /// The guest has not read for long.
    pub(super) fn deaf(&mut self, step: &str) {
        let line = format!("the guest does not read what the bench tells its agent any more{step}");
        self.end(Outcome::GuestHung, line);
    }

    /// What is not kept, in a line.
    pub(super) fn dropped(&self) -> Option<String> {
        let bad_lines = self.bad_lines.saturating_sub(BAD_LINES_SHOWN);
        let counts = [
            (self.events_dropped, "events"),
            (self.console_dropped, "bytes of the console"),
            (bad_lines, "lines of the agent's that are no message"),
            (self.long_lines, "bytes in lines that are too long"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        (!counts.is_empty()).then(|| format!("not kept: {}", counts.join(", ")))
    }

    /// Ends the run.
    pub(super) fn end(&mut self, outcome: Outcome, line: String) {
        self.verdict.get_or_insert_with(|| Verdict::new(outcome, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::timeline::{BenchEvent, What};

    fn outcome(limits: &Limits) -> Option<Outcome> {
        limits.verdict().map(|verdict| verdict.outcome)
    }

    #[test]
    fn a_run_has_room_for_so_many_events() {
        let mut timeline = Timeline::new(None);
        let what = || What::Bench(BenchEvent::GuestStarted);
        for _ in 0..EVENTS {
            timeline.push(0, Source::Card, what());
        }
        let mut limits = Limits::default();
        assert!(!limits.event(&timeline, Source::Card));
        assert!(limits.event(&timeline, Source::Bench), "what the bench says of it is kept");
        let verdict = limits.verdict().expect("full");
        assert_eq!(verdict.outcome, Outcome::Flooded);
        assert!(verdict.line.contains("2000000 of them by card"), "{}", verdict.line);
        assert_eq!(limits.dropped().expect("some"), "not kept: 1 events");
    }

    #[test]
    fn a_run_has_room_for_so_many_bytes() {
        let mut timeline = Timeline::new(Some(Box::new(std::io::sink())));
        let text = "x".repeat(1 << 20);
        let mut limits = Limits::default();
        let mut told = 0;
        while limits.event(&timeline, Source::KernelLog) {
            let what = What::Bench(BenchEvent::Note { text: text.clone() });
            timeline.push(0, Source::KernelLog, what);
            told += 1;
        }
        assert_eq!(told, BYTES >> 20);
        assert_eq!(outcome(&limits), Some(Outcome::Flooded));
    }

    #[test]
    fn a_console_that_never_ends_is_cut() {
        let mut limits = Limits::default();
        let mebibyte = vec![b'x'; 1 << 20];
        for _ in 0..CONSOLE >> 20 {
            assert_eq!(limits.console(&mebibyte).len(), mebibyte.len());
        }
        assert_eq!(outcome(&limits), None);
        assert!(limits.console(b"more").is_empty());
        assert_eq!(outcome(&limits), Some(Outcome::Flooded));
        assert_eq!(limits.dropped().expect("some"), "not kept: 4 bytes of the console");
    }

    #[test]
    fn an_agent_that_talks_nonsense_ends_the_run() {
        for (up, want) in [(true, Outcome::Flooded), (false, Outcome::NotBooted)] {
            let mut limits = Limits::default();
            let shown = (0..BAD_LINES).filter(|_| limits.bad_line(up)).count();
            assert_eq!(shown as u64, BAD_LINES_SHOWN);
            assert_eq!(outcome(&limits), None);
            limits.bad_line(up);
            assert_eq!(outcome(&limits), Some(want));
        }
    }
}
