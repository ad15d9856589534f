//! A session's talk with the guest's agent.

use std::io::Write;
use std::time::{Duration, Instant};

use guest_protocol::{Command, CommandError, Hello, POWER_STATE, Reply, State, ToGuest, WAKES};

use super::said::line_of;
use super::{Session, Stop};
use crate::facts::accel::Accel;
use crate::facts::steps;
use crate::facts::timeline::{BenchEvent, ClockOffset};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::idle::Idle;
use crate::machine::trace::{self, Trace};
use crate::record::files;

/// A clock known as well as this is known well enough to tell which of two steps came first.
const CLOCK_ERROR_NS: u64 = 3_000_000;
/// How long the pace of a guest's clock is measured: two hosts' ticks tell one that is twice as fast.
const PACE_MEASURED: Duration = Duration::from_millis(100);
/// How long a guest has to answer a ping before it counts as hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long a guest that was booted with somebody's words on its kernel's command line is silent and at rest
/// before its agent does not come any more: longer than any driver of a boot waits for what is not there.
/// One that the host holds up is not at rest.
const QUIET: Duration = Duration::from_secs(10);
/// The same without such words: a kernel may wait a minute in its boot for a file that somebody is to write
/// into sysfs (`CONFIG_FW_LOADER_USER_HELPER_FALLBACK`).
const QUIET_OWN: Duration = Duration::from_secs(70);
/// How long it is silent once its kernel has panicked; one that was told to stay does so in a loop.
const PANIC_QUIET: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long it has where a debugger may have stopped it.
const ALL_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a guest that may idle in its sleep is woken. It heeds that only there, so it is no matter
/// whether it has come so far.
const WOKEN_EVERY: Duration = Duration::from_millis(200);

/// Whether a command may have the guest sleep until something wakes it.
fn suspends(command: &Command) -> bool {
    match command {
        Command::Suspend { .. } | Command::SuspendToIdle => true,
        Command::Write { path, .. } => path == POWER_STATE,
        _ => false,
    }
}

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
    /// [`Stop`]; a kernel that is at rest without it, or out of time, did not boot.
    pub fn boot(&mut self, within: Duration) -> Result<Hello, Stop> {
        let hello = match self.all_time {
            true => self.wait(ALL_TIME, |s| s.hello.clone())?,
            false => self.await_hello(within)?,
        };
        self.measure_clock()?;
        if !self.all_time {
            self.check_clock()?;
        }
        Ok(hello)
    }

    /// As [`Session::wait`], but no longer than until the guest has had nothing to do for long.
    ///
    /// # Errors
    /// [`Stop`].
    pub(super) fn wait_while_busy<T>(
        &mut self,
        within: Duration,
        mut ready: impl FnMut(&mut Session) -> Option<T>,
    ) -> Result<T, Stop> {
        let (deadline, mut idle) = (Instant::now() + within, Idle::default());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.wait(LOOK.min(left), &mut ready) {
                Err(Stop::TimedOut) if Instant::now() < deadline => {}
                other => return other,
            }
            self.look(&mut idle);
            if idle.at_rest(QUIET) {
                return Err(Stop::TimedOut);
            }
        }
    }

    fn await_hello(&mut self, within: Duration) -> Result<Hello, Stop> {
        let (mut left, mut idle) = (within, Idle::default());
        let quiet = if self.added { QUIET } else { QUIET_OWN };
        let (mut said, mut silent_since) = (self.console_bytes, Instant::now());
        let why = loop {
            let began = Instant::now();
            match self.wait(LOOK.min(left), |s| s.hello.clone()) {
                Err(Stop::TimedOut) => {}
                other => return other,
            }
            left = left.saturating_sub(began.elapsed());
            if said != self.console_bytes {
                (said, silent_since) = (self.console_bytes, Instant::now());
            }
            self.look(&mut idle);
            let silent = silent_since.elapsed();
            if silent >= PANIC_QUIET && self.has_panicked() {
                break "its kernel is at its end".to_owned();
            }
            if silent >= quiet && idle.at_rest(quiet) {
                let seconds = quiet.as_secs();
                break format!("nothing has happened in it for {seconds} s, it is at rest");
            }
            if left.is_zero() {
                break format!("it did not within {} s", within.as_secs());
            }
        };
        let console = match self.console_tail(1).trim() {
            "" => "its console is silent".to_owned(),
            last => format!("its console ends: {last}"),
        };
        let line = format!("the guest did not come up: {why}; {console}; see console.log");
        Err(Verdict::new(Outcome::NotBooted, line).into())
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
        if suspends(&command) {
            self.sleepers.insert(id);
            self.wakes_at = Instant::now() + WOKEN_EVERY;
        }
        self.send(&ToGuest::Do { id, command });
        id
    }

    /// Wakes a guest that may idle in its sleep, if it is time. QEMU tells of none, and cannot wake it.
    pub(super) fn wake_sleepers(&mut self) {
        if !self.sleepers.is_empty() && self.wakes_at <= Instant::now() {
            self.wakes_at = Instant::now() + WOKEN_EVERY;
            // One that takes nothing shows otherwise.
            let _ = self.to_console.write_all(&[WAKES]);
        }
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
                        "the guest does not answer any more{}{}{}{}{}",
                        steps::at_hand(self.timeline.events()),
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
