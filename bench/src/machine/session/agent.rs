//! A session's talk with the guest's agent.

use std::time::Duration;

use guest_protocol::{Command, CommandError, Hello, Reply, State, ToGuest};

use super::said::line_of;
use super::{Session, Stop};
use crate::facts::accel::Accel;
use crate::facts::timeline::{BenchEvent, ClockOffset};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::trace::{self, Trace};
use crate::record::files;

/// A clock known as well as this is known well enough to tell which of two steps came first.
const CLOCK_ERROR_NS: u64 = 3_000_000;
/// How long the pace of a guest's clock is measured: two hosts' ticks tell one that is twice as fast.
const PACE_MEASURED: Duration = Duration::from_millis(100);
/// How long a guest has to answer a ping before it counts as hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long it has where a debugger may have stopped it.
const ALL_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What the agent has not received.
pub(super) struct Lost {
    /// Lines that are said again.
    pub(super) again: usize,
    /// Lines that are not there any more.
    pub(super) for_good: u64,
}

impl Session {
    /// Waits for the agent, then measures the guest's clock.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the kernel did not boot.
    pub fn boot(&mut self, within: Duration) -> Result<Hello, Stop> {
        let within = if self.all_time { ALL_TIME } else { within };
        let hello = match self.wait(within, |s| s.hello.clone()) {
            Err(Stop::TimedOut) => {
                let tail = self.console_tail(1);
                return Err(Verdict::new(
                    Outcome::NotBooted,
                    format!(
                        "the guest did not come up within {} s{}; see console.log",
                        within.as_secs(),
                        if tail.is_empty() {
                            ", its console is silent".to_owned()
                        } else {
                            format!(", its console ends: {}", tail.trim())
                        }
                    ),
                )
                .into());
            }
            other => other?,
        };
        self.measure_clock()?;
        if !self.all_time {
            self.check_clock()?;
        }
        Ok(hello)
    }

    /// Where the guest's clock stands now.
    fn ping(&mut self) -> Result<ClockOffset, Stop> {
        let sent = self.timeline.now();
        let (answered, guest_ns, _) = self.command_timed(Command::Ping, ANSWER_WITHIN)?;
        Ok(ClockOffset::from_ping(sent, answered, guest_ns))
    }

    /// Whether a guest that has just booted keeps time; under KVM it does. Without, a kernel measures its
    /// CPU's clock as it boots; on a machine that is too busy it takes it for another, and lives twenty
    /// seconds in one: it reports hangs that are none, and its drivers give up before the card can
    /// answer.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_clock(&mut self) -> Result<(), Stop> {
        if self.accel == Accel::Kvm {
            return Ok(());
        }
        let (first, since) = (self.ping()?, self.timeline.now());
        match self.wait(PACE_MEASURED, |_| None::<()>) {
            Err(Stop::TimedOut) => {}
            other => other?,
        }
        let later = self.ping()?;
        match first.pace(later, self.timeline.now() - since) {
            None => Ok(()),
            Some(pace) => Err(Verdict::new(
                Outcome::NotBooted,
                format!(
                    "the guest's clock goes {pace:.1} times as fast as the host's: its kernel has \
                     measured it wrong while it booted, as happens on a machine that is too busy"
                ),
            )
            .into()),
        }
    }

    pub(super) fn measure_clock(&mut self) -> Result<(), Stop> {
        let mut best: Option<ClockOffset> = None;
        // The first one wakes what the guest needs to answer, and takes many times as long.
        for _ in 0..5 {
            if best.is_some_and(|b| b.error_ns <= CLOCK_ERROR_NS) {
                break;
            }
            let offset = self.ping()?;
            if best.is_none_or(|b| offset.error_ns < b.error_ns) {
                best = Some(offset);
            }
        }
        if let Some(offset) = best {
            self.timeline.set_clock(offset);
            self.note(BenchEvent::ClockMeasured { error_ns: offset.error_ns });
        }
        Ok(())
    }

    /// Runs a command in the guest and waits for its end.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn command(
        &mut self,
        command: Command,
        within: Duration,
    ) -> Result<Result<Reply, CommandError>, Stop> {
        self.command_timed(command, within).map(|(_, _, result)| result)
    }

    /// Starts a command in the guest; [`Session::reply`] has its result under this number.
    pub fn start_command(&mut self, command: Command) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, self.timeline.now());
        self.send(&ToGuest::Do { id, command });
        id
    }

    /// Whether a started command has ended.
    pub fn has_reply(&self, id: u64) -> bool {
        self.replies.contains_key(&id)
    }

    /// The result of a started command, once.
    pub fn reply(&mut self, id: u64) -> Option<Result<Reply, CommandError>> {
        self.replies.remove(&id).map(|(_, result)| result)
    }

    fn command_timed(
        &mut self,
        command: Command,
        within: Duration,
    ) -> Result<(u64, u64, Result<Reply, CommandError>), Stop> {
        let within = if self.all_time { ALL_TIME } else { within };
        let id = self.start_command(command);
        self.wait(within, |s| {
            let (guest_ns, result) = s.replies.remove(&id)?;
            Some((s.timeline.now(), guest_ns, result))
        })
    }

    /// The guest's present state.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn state(&mut self) -> Result<State, Stop> {
        match self.command(Command::State, ANSWER_WITHIN)? {
            Ok(Reply::State(state)) => Ok(state),
            other => Err(Verdict::new(
                Outcome::Environment,
                format!("the agent cannot tell the guest's state: {other:?}"),
            )
            .into()),
        }
    }

    /// Has the guest record its kernel's events from now on; says which wishes nothing fits, and then what
    /// there is.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn trace(
        &mut self,
        events: Vec<String>,
        coming: Vec<(String, String)>,
    ) -> Result<(Vec<String>, Vec<String>), Stop> {
        self.trace = Some(Trace::default());
        let command = Command::Trace { events, coming, most: trace::MOST };
        match self.command(command, ANSWER_WITHIN)? {
            Ok(Reply::Traced { unmatched, known }) => Ok((unmatched, known)),
            other => {
                let why = match other {
                    Err(error) => error.message,
                    Ok(other) => format!("{other:?}"),
                };
                let line = format!("the guest cannot record its kernel's events: {why}");
                Err(Verdict::new(Outcome::Environment, line).into())
            }
        }
    }

    /// Has the guest record no more, and send what it has. Of one that does not there is what it has
    /// sent.
    pub fn end_trace(&mut self) {
        if self.trace.is_none() || self.hello.is_none() {
            return;
        }
        let lost = match self.command(Command::TraceEnd, ANSWER_WITHIN) {
            Ok(Ok(Reply::TraceEnded { lost: 0 }))
                if !self.trace.as_ref().is_some_and(Trace::is_cut) =>
            {
                return;
            }
            Ok(Ok(Reply::TraceEnded { lost })) => {
                format!("{lost} events, for which there was no room")
            }
            Ok(Ok(other)) => format!("what the agent was to send: {other:?}"),
            Ok(Err(error)) => format!("what the agent was to send: {}", error.message),
            Err(_) => "what the guest had not sent when it ended".to_owned(),
        };
        self.note(BenchEvent::Note { text: format!("{} lacks {lost}", files::TRACE_DAT) });
    }

    /// When the agent said its last word, as a part of a sentence.
    pub(super) fn last_heard(&self) -> String {
        let at = self.agent_heard.map(|at| at as f64 / 1e9);
        at.map_or(String::new(), |at| format!(", its agent's last word came at {at:.3} s"))
    }

    /// Whether the guest still answers.
    ///
    /// # Errors
    /// [`Stop`] with [`Outcome::GuestHung`] if it does not, or whatever else has ended it.
    pub fn alive(&mut self) -> Result<(), Stop> {
        match self.command(Command::Ping, ANSWER_WITHIN) {
            Ok(_) => Ok(()),
            Err(Stop::TimedOut) => {
                let tail = self.console_tail(1);
                Err(Verdict::new(
                    Outcome::GuestHung,
                    format!(
                        "the guest does not answer any more{}{}{}{}",
                        self.last_heard(),
                        self.limits.unheard(),
                        if tail.is_empty() { "" } else { "; its console ends: " },
                        tail.trim()
                    ),
                )
                .into())
            }
            Err(stop) => Err(stop),
        }
    }

    /// Says where the lines begin, and again what the agent has not received.
    pub(super) fn say_again(&mut self, received: u64) -> Lost {
        let (lines, for_good) = self.said.after(received);
        let lines: Vec<_> = lines.cloned().collect();
        // A newline first: what is on its way may end in the middle of a line.
        let mut resync = vec![b'\n'];
        resync.extend(line_of(&ToGuest::Resync { received }));
        self.say(&resync);
        for line in &lines {
            self.say(line);
        }
        Lost { again: lines.len(), for_good }
    }

    /// To an agent that another session has talked to: its lines do not count.
    pub(super) fn say_first(&mut self) {
        let resync = line_of(&ToGuest::Resync { received: 0 });
        self.say(&resync);
    }
}
