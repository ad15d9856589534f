//! One guest, from power-on to its end: every source's messages come in here, in one thread.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;
use card_host::{Ended, Notice, Served};
use guest_protocol::{Command, CommandError, FromGuest, GuestEvent, Hello, Reply, State, ToGuest};
use iwl_card::{Card, Summary};
use serde_json::json;

use crate::gates::Gates;
use crate::milestone::{Deriver, Reached};
use crate::qemu::{self, CardSocket, Guest, Machine, Qmp, Start};
use crate::rundir::RunDir;
use crate::signals::{self, Watched};
use crate::snapshot::Snapshot;
use crate::timeline::{BenchEvent, ClockOffset, Event, Source, Tag, Timeline, What};
use crate::trouble::{self, Trouble};
use crate::verdict::{Outcome, Verdict};

/// What a session waits for.
enum Input {
    Card(usize, Instant, Notice),
    Agent(Instant, FromGuest),
    BadAgentLine(String),
    AgentClosed,
    Console(Vec<u8>),
    Qmp(Instant, Qmp),
    QmpClosed,
    Signal(i32),
}

/// Lets another thread interrupt a session.
#[derive(Clone)]
pub struct Interrupter(Sender<Input>);

impl Interrupter {
    /// The session ends as [`Outcome::Interrupted`].
    pub fn interrupt(&self, signal: i32) {
        // A session that has ended needs no interruption.
        let _ = self.0.send(Input::Signal(signal));
    }
}

/// Why a session cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// It is over; this is the verdict.
    Verdict(Verdict),
    /// Time ran out, and the guest still lives.
    TimedOut,
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Stop {
        Stop::Verdict(verdict)
    }
}

/// How long a guest has to answer a ping before it counts as hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long QEMU has to answer its monitor, to write a snapshot and to read it.
const MONITOR_WITHIN: Duration = Duration::from_secs(60);
/// How long the guest has to see a card that was plugged in.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// How long QEMU has to end when it is asked to.
const QUIT_WITHIN: Duration = Duration::from_secs(5);
/// How much of the console is kept in memory for the verdict.
const CONSOLE_TAIL: usize = 64 << 10;

/// Where a guest comes from.
#[derive(Debug)]
pub enum Origin<'a> {
    /// Power-on, its cards in their ports.
    PowerOn,
    /// Power-on without a card; a snapshot of it goes into this file.
    Empty(OwnedFd),
    /// A snapshot; its cards are plugged in by [`Session::restore`].
    Snapshot(&'a Snapshot),
}

/// A running guest.
pub struct Session {
    /// All events so far.
    pub timeline: Timeline,
    /// All milestones so far, in order of arrival.
    pub milestones: Vec<Reached>,
    /// What the agent found; set once it is there.
    pub hello: Option<Hello>,
    deriver: Deriver,
    gates: Gates,
    inputs: Receiver<Input>,
    guest: Guest,
    cards: Vec<Served>,
    ports: Vec<Port>,
    card_names: Vec<String>,
    summaries: Vec<Option<Summary>>,
    replies: HashMap<u64, (u64, Result<Reply, CommandError>)>,
    returns: HashMap<u64, Result<serde_json::Value, String>>,
    migration: Option<String>,
    /// PCI functions that the guest has told of.
    functions_added: usize,
    next_id: u64,
    console: Vec<u8>,
    console_file: std::fs::File,
    shutdown: Option<String>,
    /// QEMU was asked to end: what ends now ends by our word.
    quitting: bool,
    qemu_gone: bool,
    card_ended: Option<(usize, String)>,
    on_milestone: Box<dyn FnMut(&Reached)>,
    /// Signals interrupt this session while it lives.
    _watched: Watched,
}

/// What is in a card's port.
#[derive(Debug, Clone, Copy, Default)]
struct Port {
    /// QEMU is connected to the card.
    attached: bool,
    /// QEMU was asked to let go of it.
    leaving: bool,
    /// QEMU has said that it has.
    deleted: bool,
}

impl Session {
    /// Tells of each milestone as it comes.
    pub fn on_milestone(&mut self, tell: Box<dyn FnMut(&Reached)>) {
        self.on_milestone = tell;
    }

    /// Starts a guest, with these cards in reach: in their ports from power-on, or to be plugged
    /// in by [`Session::plug`]. At most [`qemu::PORTS`] of them.
    ///
    /// # Errors
    /// QEMU or a card's thread could not be started, or the run's directory not be written.
    pub fn start(
        qemu: &guest_kit::Qemu,
        machine: &Machine<'_>,
        start: Origin<'_>,
        cards: Vec<Card>,
        gates: Gates,
        dir: &RunDir,
    ) -> anyhow::Result<Session> {
        anyhow::ensure!(
            cards.len() <= qemu::PORTS,
            "{} cards do not fit: the machine has {} ports",
            cards.len(),
            qemu::PORTS
        );
        let (sender, inputs) = std::sync::mpsc::channel();
        let mut timeline = Timeline::new(Some(Box::new(dir.live_events()?)));
        let card_names = name_cards(&cards);
        let mut served = Vec::new();
        let mut sockets = Vec::new();
        for (index, card) in cards.into_iter().enumerate() {
            let (listener, file) = CardSocket::new()?.split();
            sockets.push(file);
            let server = vfio_server::Server::from_fd(listener)?;
            let sender = sender.clone();
            served.push(Served::start(card, server, move |at, notice| {
                let _ = sender.send(Input::Card(index, at, notice));
            })?);
        }
        let (start, snapshot) = match start {
            Origin::PowerOn => (Start::PowerOn { cards: served.len() }, None),
            Origin::Snapshot(snapshot) => (Start::Incoming, Some(snapshot.memory()?)),
            Origin::Empty(file) => (Start::PowerOn { cards: 0 }, Some(file)),
        };
        let watched = signals::watch(Interrupter(sender.clone()));
        let now = timeline.now();
        timeline.push(now, Source::Bench, What::Bench(BenchEvent::GuestStarted));
        let stderr = dir.create("qemu.stderr")?;
        let mut guest = qemu::start(qemu, machine, start, sockets, snapshot, stderr)?;
        dir.write("qemu.args", &shell_words(&guest.command_line))?;
        let console_file = dir.create("console.log")?;
        read_agent(guest.agent.try_clone()?, sender.clone())?;
        read_console(guest.console.try_clone()?, sender.clone())?;
        read_qmp(guest.qmp.try_clone()?, sender)?;
        qemu::qmp_send(&mut guest.qmp, 0, "qmp_capabilities", &json!({}))
            .context("QEMU's monitor")?;
        Ok(Session {
            timeline,
            milestones: Vec::new(),
            hello: None,
            deriver: Deriver::default(),
            gates,
            inputs,
            guest,
            summaries: served.iter().map(|_| None).collect(),
            ports: vec![Port::default(); served.len()],
            cards: served,
            card_names,
            replies: HashMap::new(),
            returns: HashMap::new(),
            migration: None,
            functions_added: 0,
            next_id: 1,
            console: Vec::new(),
            console_file,
            shutdown: None,
            quitting: false,
            qemu_gone: false,
            card_ended: None,
            on_milestone: Box::new(|_| {}),
            _watched: watched,
        })
    }

    /// Has QEMU's monitor do something; the inner error is QEMU's own text.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn qmp(
        &mut self,
        command: &str,
        arguments: &serde_json::Value,
    ) -> Result<Result<serde_json::Value, String>, Stop> {
        let id = self.next_id;
        self.next_id += 1;
        // A broken monitor shows as its end.
        let _ = qemu::qmp_send(&mut self.guest.qmp, id, command, arguments);
        self.wait(MONITOR_WITHIN, |s| s.returns.remove(&id))
    }

    /// As [`Session::qmp`], for what QEMU does not refuse unless something is wrong with it.
    fn monitor(&mut self, command: &str, arguments: &serde_json::Value) -> Result<(), Stop> {
        match self.qmp(command, arguments)? {
            Ok(_) => Ok(()),
            Err(error) => Err(environment(format!("QEMU refuses {command}: {error}"))),
        }
    }

    /// Plugs a card into its port and waits until the guest has seen it.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the guest did not look.
    pub fn plug(&mut self, card: usize) -> Result<(), Stop> {
        self.plug_all(&[card])
    }

    /// Plugs several cards in, one right after the other, and waits until the guest has seen all.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn plug_all(&mut self, cards: &[usize]) -> Result<(), Stop> {
        let wanted = self.functions_added + cards.len();
        for &card in cards {
            self.insert(card)?;
        }
        self.wait(SEEN_WITHIN, |s| (s.functions_added >= wanted).then_some(()))
    }

    /// Puts a card into its port, without waiting for the guest to see it.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn insert(&mut self, card: usize) -> Result<(), Stop> {
        self.ports[card] = Port::default();
        let name = self.card_names[card].clone();
        self.note(BenchEvent::CardPlugged { card: name });
        self.monitor("device_add", &qemu::session_card(card))
    }

    /// Asks for a card to be unplugged: the guest is told, its driver removed from the device,
    /// then the card taken out. [`Session::unplugged`] tells when.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn eject(&mut self, card: usize) -> Result<(), Stop> {
        self.ports[card].leaving = true;
        let name = self.card_names[card].clone();
        self.note(BenchEvent::CardEjected { card: name });
        self.monitor("device_del", &json!({ "id": qemu::card_id(card) }))
    }

    /// Whether a card that was asked to leave is out and can be plugged in again.
    pub fn unplugged(&self, card: usize) -> bool {
        let port = self.ports[card];
        port.leaving && port.deleted && !port.attached
    }

    /// Unplugs a card and waits until it is out.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the guest's driver does not let go.
    pub fn unplug(&mut self, card: usize, within: Duration) -> Result<(), Stop> {
        self.eject(card)?;
        self.wait(within, |s| s.unplugged(card).then_some(()))
    }

    /// Brings a guest back from a snapshot, with all its cards plugged in, and measures its clock.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<Hello, Stop> {
        // The deriver must know what the agent found before the guest goes on.
        let hello = snapshot.hello().clone();
        let now = self.timeline.now();
        let what = What::Hello { kind: Tag::default(), hello: hello.clone() };
        self.record(now, Source::Agent, None, what);
        self.hello = Some(hello.clone());

        self.migration_mode()?;
        self.monitor("migrate-incoming", &migration_channel())?;
        self.migrated()?;
        self.note(BenchEvent::GuestRestored);
        // The guest must be there to see them come: its ports tell by an interrupt.
        self.monitor("cont", &json!({}))?;
        self.measure_clock()?;
        let all: Vec<usize> = (0..self.cards.len()).collect();
        self.plug_all(&all)?;
        Ok(hello)
    }

    /// Stops the guest and writes it into the file that it was started with.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn save(&mut self) -> Result<(), Stop> {
        self.monitor("stop", &json!({}))?;
        self.migration_mode()?;
        self.monitor("migrate", &migration_channel())?;
        self.migrated()
    }

    /// A file with a place for each page, as both sides of a snapshot must have it.
    fn migration_mode(&mut self) -> Result<(), Stop> {
        let on = |name: &str| json!({ "capability": name, "state": true });
        let capabilities = json!({ "capabilities": [on("mapped-ram"), on("events")] });
        self.monitor("migrate-set-capabilities", &capabilities)?;
        // Nobody else needs the disk's or the memory's bandwidth.
        self.monitor("migrate-set-parameters", &json!({ "max-bandwidth": 0 }))
    }

    fn migrated(&mut self) -> Result<(), Stop> {
        let status = self.wait(MONITOR_WITHIN, |s| {
            s.migration.take_if(|status| matches!(status.as_str(), "completed" | "failed"))
        })?;
        if status == "completed" {
            return Ok(());
        }
        let why = match self.qmp("query-migrate", &json!({}))? {
            Ok(info) => info["error-desc"].as_str().unwrap_or("QEMU does not say why").to_owned(),
            Err(error) => error,
        };
        Err(environment(why))
    }

    /// Waits for the agent, then measures the guest's clock.
    ///
    /// # Errors
    /// [`Stop`]; running out of time means that the kernel did not boot.
    pub fn boot(&mut self, within: Duration) -> Result<Hello, Stop> {
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
        Ok(hello)
    }

    fn measure_clock(&mut self) -> Result<(), Stop> {
        let mut best: Option<ClockOffset> = None;
        for _ in 0..5 {
            let sent = self.timeline.now();
            let (answered, guest_ns, _) = self.command_timed(Command::Ping, ANSWER_WITHIN)?;
            let offset = ClockOffset::from_ping(sent, answered, guest_ns);
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

    /// Adds an event of the bench's own, now.
    pub fn note(&mut self, event: BenchEvent) {
        let now = self.timeline.now();
        self.record(now, Source::Bench, None, What::Bench(event));
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

    /// Lets go what the gates hold under names that fit; says how many requests that were.
    pub fn release(&mut self, name: &str) -> usize {
        let released = self.gates.release(name);
        let count = released.len();
        for (id, answered) in released {
            self.answer(id, answered);
        }
        count
    }

    fn command_timed(
        &mut self,
        command: Command,
        within: Duration,
    ) -> Result<(u64, u64, Result<Reply, CommandError>), Stop> {
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

    /// Takes in whatever comes until `ready` has something.
    ///
    /// # Errors
    /// [`Stop`]: the guest, QEMU or a card has ended, the user interrupts, or time runs out.
    pub fn wait<T>(
        &mut self,
        within: Duration,
        mut ready: impl FnMut(&mut Session) -> Option<T>,
    ) -> Result<T, Stop> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(value) = ready(self) {
                return Ok(value);
            }
            if self.qemu_gone {
                return Err(self.qemu_verdict().into());
            }
            if let Some((index, why)) = &self.card_ended {
                return Err(Verdict::new(
                    Outcome::CardStopped,
                    format!("card {} stopped serving: {why}", self.card_names[*index]),
                )
                .into());
            }
            let due = self.gates.next_due().filter(|due| *due < deadline);
            let until = due.unwrap_or(deadline);
            match self.inputs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(input) => self.take(input)?,
                Err(RecvTimeoutError::Timeout) if due.is_some() => self.open_gates(),
                Err(RecvTimeoutError::Timeout) => return Err(Stop::TimedOut),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Verdict::new(Outcome::Environment, "all sources ended").into());
                }
            }
        }
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
                        "the guest does not answer any more{}{}",
                        if tail.is_empty() { "" } else { "; its console ends: " },
                        tail.trim()
                    ),
                )
                .into())
            }
            Err(stop) => Err(stop),
        }
    }

    fn send(&mut self, message: &ToGuest) {
        let mut line = serde_json::to_vec(message).expect("plain data");
        line.push(b'\n');
        // A broken port shows as AgentClosed or as QEMU's end.
        let _ = self.guest.agent.write_all(&line);
    }

    fn record(&mut self, t_ns: u64, source: Source, guest_ns: Option<u64>, what: What) {
        let event = match guest_ns {
            Some(guest_ns) => self.timeline.push_guest(t_ns, guest_ns, source, what),
            None => self.timeline.push(t_ns, source, what),
        };
        if let Some(reached) = self.deriver.feed(event) {
            (self.on_milestone)(&reached);
            self.milestones.push(reached);
            self.open_gates();
        }
    }

    /// Answers what the gates need not hold any more.
    fn open_gates(&mut self) {
        for (id, answered) in self.gates.due(&self.milestones) {
            self.answer(id, answered);
        }
    }

    fn answer(&mut self, id: u64, answered: crate::gates::Answered) {
        let now = self.timeline.now();
        self.send(&ToGuest::Answer { id, answer: answered.answer });
        let source = crate::gates::source(&answered.question);
        let what = What::Answer {
            kind: Tag::default(),
            id,
            question: answered.question,
            answer: answered.word,
            value: answered.value,
        };
        self.record(now, source, None, what);
    }

    fn take(&mut self, input: Input) -> Result<(), Stop> {
        match input {
            Input::Card(index, at, notice) => self.take_card(index, at, notice),
            Input::Agent(at, message) => self.take_agent(at, message),
            Input::BadAgentLine(text) => self.note(BenchEvent::Note {
                text: format!("the agent sent a line that is no message: {text}"),
            }),
            Input::AgentClosed => {}
            Input::Qmp(_, Qmp::Other(message)) => self.take_return(&message),
            Input::Console(bytes) => self.take_console(&bytes),
            Input::Qmp(at, Qmp::Event(event, data)) => {
                match event.as_str() {
                    "SHUTDOWN" => self.shutdown = data["reason"].as_str().map(str::to_owned),
                    "MIGRATION" => self.migration = data["status"].as_str().map(str::to_owned),
                    "DEVICE_DELETED" => {
                        let id = data["device"].as_str();
                        let card = (0..self.ports.len()).find(|c| id == Some(&qemu::card_id(*c)));
                        if let Some(card) = card {
                            self.ports[card].deleted = true;
                        }
                    }
                    _ => {}
                }
                let t = self.timeline.at(at);
                let what = What::Bench(BenchEvent::Qmp { event, data });
                self.record(t, Source::Qemu, None, what);
            }
            Input::QmpClosed => self.qemu_gone = true,
            Input::Signal(signal) => {
                return Err(Verdict::new(
                    Outcome::Interrupted,
                    format!("stopped by signal {signal}"),
                )
                .into());
            }
        }
        Ok(())
    }

    fn take_return(&mut self, message: &serde_json::Value) {
        // The greeting has no id.
        let Some(id) = message["id"].as_u64() else { return };
        let result = match message["error"]["desc"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(message["return"].clone()),
        };
        self.returns.insert(id, result);
    }

    fn take_card(&mut self, index: usize, at: Instant, notice: Notice) {
        let t = self.timeline.at(at);
        match notice {
            Notice::Card(event) => {
                let what = What::Card { card: self.card_names[index].clone(), event };
                self.record(t, Source::Card, None, what);
            }
            Notice::Attached => self.ports[index].attached = true,
            // The socket's end is mostly QEMU's own, which its monitor tells too.
            Notice::Detached(why) => {
                self.ports[index].attached = false;
                if !self.quitting && !self.ports[index].leaving && !self.qemu_ends() {
                    self.card_stopped(index, t, format!("QEMU has dropped it: {why}"));
                }
            }
            Notice::Ended(Ended { result, summary }) => {
                self.summaries[index] = summary;
                if let Err(why) = result {
                    self.card_stopped(index, t, why);
                }
            }
        }
    }

    fn card_stopped(&mut self, index: usize, t: u64, why: String) {
        let event = BenchEvent::CardStopped { why: why.clone() };
        self.record(t, Source::Bench, None, What::Bench(event));
        self.card_ended = Some((index, why));
    }

    /// Whether QEMU is ending: its exit may lag behind the sockets it closes.
    fn qemu_ends(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            if matches!(self.guest.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn take_agent(&mut self, at: Instant, message: FromGuest) {
        let t = self.timeline.at(at);
        match message {
            FromGuest::Hello(hello) => {
                let what = What::Hello { kind: Tag::default(), hello: hello.clone() };
                self.record(t, Source::Agent, Some(hello.mono_ns), what);
                self.hello = Some(hello);
            }
            FromGuest::Event { mono_ns, event } => {
                let trouble = match &event {
                    GuestEvent::KernelLog { text, .. } => {
                        trouble::classify(text).map(|trouble| (trouble, text.clone()))
                    }
                    _ => None,
                };
                if let GuestEvent::Uevent { action, subsystem, .. } = &event
                    && (action.as_str(), subsystem.as_deref()) == ("add", Some("pci"))
                {
                    self.functions_added += 1;
                }
                let source = source_of(&event);
                self.record(t, source, Some(mono_ns), What::Guest(event));
                if let Some((trouble, text)) = trouble {
                    let what = What::Bench(BenchEvent::KernelTrouble { trouble, text });
                    self.record(t, Source::KernelLog, Some(mono_ns), what);
                }
            }
            FromGuest::Ask { id, mono_ns, question } => {
                let what = What::Ask { kind: Tag::default(), id, question: question.clone() };
                let source = crate::gates::source(&question);
                self.record(t, source, Some(mono_ns), what);
                if let Some(answered) = self.gates.ask(id, question, &self.milestones) {
                    self.answer(id, answered);
                }
            }
            FromGuest::Done { id, mono_ns, result } => {
                self.replies.insert(id, (mono_ns, result));
            }
        }
    }

    fn take_console(&mut self, bytes: &[u8]) {
        // The log on disk is for people; a full disk shows in the events' own error.
        let _ = self.console_file.write_all(bytes);
        self.console.extend_from_slice(bytes);
        if self.console.len() > 2 * CONSOLE_TAIL {
            self.console.drain(..self.console.len() - CONSOLE_TAIL);
        }
    }

    /// The last lines of the serial console.
    pub fn console_tail(&self, lines: usize) -> String {
        let text = String::from_utf8_lossy(&self.console);
        let all: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Why QEMU has ended without being asked.
    fn qemu_verdict(&mut self) -> Verdict {
        while let Ok(input) = self.inputs.recv_timeout(Duration::from_millis(100)) {
            // What it still had to say; a second end changes nothing.
            let _ = self.take(input);
        }
        let status = match self.guest.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.note(BenchEvent::QemuExited { status: status.clone() });
        let text = String::from_utf8_lossy(&self.console).into_owned();
        let panic = text.lines().rev().find_map(|line| {
            let at = line.find("Kernel panic - not syncing")?;
            (trouble::classify(&line[at..]) == Some(Trouble::Panic)).then(|| line[at..].to_owned())
        });
        let verdict = match (panic, self.shutdown.as_deref()) {
            (Some(panic), _) => Verdict::new(
                Outcome::GuestPanicked,
                format!("{}; see console.log for its trace", panic.trim()),
            ),
            (None, Some("guest-reset")) => Verdict::new(
                Outcome::GuestReset,
                "the guest reset itself without a word; see the end of console.log",
            ),
            (None, Some("guest-shutdown")) => Verdict::new(
                Outcome::GuestPoweredOff,
                format!("the guest switched itself off: {}", self.console_tail(1).trim()),
            ),
            _ => Verdict::new(
                Outcome::QemuDied,
                format!("QEMU ended by itself ({status}); see qemu.stderr"),
            ),
        };
        // A kernel that never got as far as the agent says nothing about the driver.
        match (&self.hello, verdict.outcome) {
            (None, Outcome::GuestPanicked | Outcome::GuestReset | Outcome::GuestPoweredOff) => {
                Verdict::new(
                    Outcome::NotBooted,
                    format!("the guest did not come up: {}", verdict.line),
                )
            }
            _ => verdict,
        }
    }

    /// Ends the guest and everything that belongs to it; leaves nothing running.
    pub fn end(mut self) -> Finished {
        self.quitting = true;
        if !self.qemu_gone {
            // Nothing in the guest is worth saving: no shutdown of its own.
            let asked = qemu::qmp_send(&mut self.guest.qmp, 0, "quit", &json!({})).is_ok();
            let deadline = Instant::now() + QUIT_WITHIN;
            while asked && !self.qemu_gone {
                match self.inputs.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(input) => drop(self.take(input)),
                    Err(_) => break,
                }
            }
        }
        self.kill();
        for card in std::mem::take(&mut self.cards) {
            drop(card);
        }
        while let Ok(input) = self.inputs.try_recv() {
            let _ = self.take(input);
        }
        let timeline = std::mem::replace(&mut self.timeline, Timeline::new(None));
        let (events, write_error) = timeline.finish();
        Finished { events, write_error, summaries: std::mem::take(&mut self.summaries) }
    }

    /// Whether somebody has killed QEMU.
    pub fn killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let killed = |status: std::process::ExitStatus| status.signal() == Some(9);
        matches!(self.guest.child.try_wait(), Ok(Some(status)) if killed(status))
    }

    fn kill(&mut self) {
        if !matches!(self.guest.child.try_wait(), Ok(Some(_))) {
            // Fails only if it has just ended.
            let _ = self.guest.child.kill();
            let _ = self.guest.child.wait();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is left of a session.
pub struct Finished {
    /// In their final order.
    pub events: Vec<Event>,
    /// The first error of writing them as they came.
    pub write_error: Option<std::io::Error>,
    /// Each card's totals.
    pub summaries: Vec<Option<Summary>>,
}

/// Each card's name in this run: its model, numbered where there are several of it.
fn name_cards(cards: &[Card]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for card in cards {
        let model = card.spec().name;
        let name = (1..)
            .map(|n| if n == 1 { model.to_owned() } else { format!("{model}-{n}") })
            .find(|name| !names.contains(name));
        names.extend(name);
    }
    names
}

/// The inherited file, as QMP names it.
fn migration_channel() -> serde_json::Value {
    json!({ "uri": format!("file:{}", qemu::inherited_path()) })
}

fn environment(line: String) -> Stop {
    Verdict::new(Outcome::Environment, line).into()
}

fn source_of(event: &GuestEvent) -> Source {
    match event {
        GuestEvent::Uevent { .. } => Source::Netlink,
        GuestEvent::ModuleLoad { .. }
        | GuestEvent::ModuleFree { .. }
        | GuestEvent::ModuleRequest { .. } => Source::Trace,
        GuestEvent::ModuleLoaderExit { .. } => Source::ModuleGate,
        GuestEvent::KernelLog { .. } | GuestEvent::KernelLogLost => Source::KernelLog,
        GuestEvent::FirmwareRead { .. } => Source::FirmwareGate,
        GuestEvent::AgentNote { .. } => Source::Agent,
    }
}

fn reader(name: &str, read: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    // Ends with its socket, which ends with QEMU.
    std::thread::Builder::new().name(name.to_owned()).spawn(read).map(drop)
}

fn read_agent(socket: UnixStream, to: Sender<Input>) -> std::io::Result<()> {
    reader("agent", move || {
        let mut lines = Lines::new(socket);
        while let Some(line) = lines.next_line() {
            let input = match serde_json::from_slice(&line) {
                Ok(message) => Input::Agent(Instant::now(), message),
                Err(error) => Input::BadAgentLine(format!(
                    "{error}: {}",
                    String::from_utf8_lossy(&line[..line.len().min(200)])
                )),
            };
            if to.send(input).is_err() {
                return;
            }
        }
        let _ = to.send(Input::AgentClosed);
    })
}

fn read_console(mut socket: UnixStream, to: Sender<Input>) -> std::io::Result<()> {
    reader("console", move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = socket.read(&mut buffer) {
            if to.send(Input::Console(buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    })
}

fn read_qmp(socket: UnixStream, to: Sender<Input>) -> std::io::Result<()> {
    reader("qmp", move || {
        for message in qemu::qmp_messages(socket) {
            if to.send(Input::Qmp(Instant::now(), message)).is_err() {
                return;
            }
        }
        let _ = to.send(Input::QmpClosed);
    })
}

/// Lines of at most [`guest_protocol::MAX_LINE`] bytes; a longer one is dropped whole.
struct Lines {
    socket: UnixStream,
    buffer: Vec<u8>,
    searched: usize,
}

impl Lines {
    fn new(socket: UnixStream) -> Lines {
        Lines { socket, buffer: Vec::new(), searched: 0 }
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let mut skipping = false;
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + at;
                let line = self.buffer[..end].to_vec();
                self.buffer.drain(..=end);
                self.searched = 0;
                if std::mem::take(&mut skipping) || line.is_empty() {
                    continue;
                }
                return Some(line);
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > guest_protocol::MAX_LINE {
                skipping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            let mut chunk = [0; 16 << 10];
            match self.socket.read(&mut chunk) {
                Ok(n @ 1..) => self.buffer.extend_from_slice(&chunk[..n]),
                Ok(0) | Err(_) => return None,
            }
        }
    }
}

/// A command line that can be pasted into a shell.
fn shell_words(args: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:+@%".contains(c);
    let mut text = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            text.push_str(if arg.starts_with('-') { " \\\n  " } else { " " });
        }
        if !arg.is_empty() && arg.chars().all(plain) {
            text.push_str(arg);
        } else {
            text.push('\'');
            text.push_str(&arg.replace('\'', r"'\''"));
            text.push('\'');
        }
    }
    text.push('\n');
    text
}
