//! One guest, from power-on to its end: every source's messages come in here, in one thread.

mod agent;
mod console;
mod ending;
mod heard;
mod inputs;
mod limits;
mod monitor;
mod outgoing;
mod port;
mod reboot;
mod said;
mod take;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use card_host::{Beside, Notice, Served, Touch, Watch};
use guest_protocol::{CommandError, Hello, Question, Reply, ToGuest};
use heard::Heard;
use inputs::{Input, Inputs};
use iwl_card::{CardEvent, Summary};
use limits::Limits;
use outgoing::Outgoing;
use port::Port;
use said::{Said, line_of};
use serde_json::json;

use crate::facts::accel::Accel;
use crate::facts::derive::{self, Deriver, Seat};
use crate::facts::driver::Driver;
use crate::facts::milestone::{Milestone, Reached};
use crate::facts::missing::Held;
use crate::facts::steps;
use crate::facts::timeline::{BenchEvent, Event, Source, Tag, Timeline, What};
use crate::facts::trouble::{Complaints, Trouble};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::faults::{Equipped, FaultWatch};
use crate::machine::gates::Gates;
use crate::machine::memory::Memory;
use crate::machine::qemu::{self, CardSocket, Guest, Machine, Process, Start};
use crate::machine::signals::{self, Watched};
use crate::machine::snapshot::Snapshot;
use crate::machine::trace::Trace;
use crate::record::cite;
use crate::record::files;
use crate::record::rundir::RunDir;
use crate::script::scenario::numbered;

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

/// With this in the environment, what passes between each card and its driver is kept, for the card
/// model's tests to play again.
const RECORD: &str = "IWLBENCH_RECORD";
/// How long after a wait's end what has come by then is still taken in: what is waited for may be among it.
const BEHIND: Duration = Duration::from_secs(1);
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
    /// What the guest's kernel has complained of.
    pub troubles: HashSet<Trouble>,
    /// What the agent found; set once it is there.
    pub hello: Option<Hello>,
    deriver: Deriver,
    gates: Gates,
    inputs: Inputs,
    wake: inputs::Sender,
    process: Process,
    /// What runs the guest's CPU.
    accel: Accel,
    to_agent: Outgoing,
    to_monitor: Outgoing,
    /// Onto the guest's serial line.
    to_console: Outgoing,
    /// Commands that may have the guest sleep until something wakes it.
    sleepers: HashSet<u64>,
    /// When it is to be woken, if one of them runs.
    wakes_at: Instant,
    cards: Vec<Served>,
    /// What becomes wrong with each.
    faults: Vec<FaultWatch>,
    ports: Vec<Port>,
    card_names: Vec<String>,
    summaries: Vec<Option<Summary>>,
    /// Commands that have not ended.
    /// When each was sent, on the run's clock.
    asked: HashMap<u64, u64>,
    replies: HashMap<u64, (u64, Result<Reply, CommandError>)>,
    returns: HashMap<u64, Result<serde_json::Value, String>>,
    migration: Option<String>,
    /// The module loaders that run in the guest, by their question's number: what they load.
    loaders: BTreeMap<u64, String>,
    memory: Arc<Memory>,
    /// Puts a snapshot's memory in place, while QEMU is starting.
    filling: Option<JoinHandle<std::io::Result<()>>>,
    /// PCI functions that the guest has told of.
    functions_added: usize,
    next_id: u64,
    /// The bench's last lines to the agent.
    said: Said,
    /// When the agent said its last word, on the run's clock.
    agent_heard: Option<u64>,
    /// Of the kernel's log so far.
    complaints: Complaints,
    /// When a register of a card was accessed last.
    card_touched: Option<u64>,
    /// The guest's clock has to be measured again.
    clock_lost: bool,
    /// It is being measured.
    measuring: bool,
    /// What is kept of a run at most.
    limits: Limits,
    console: Vec<u8>,
    /// How much of it there was.
    console_bytes: u64,
    /// Not all of the kernel's command line is the bench's own.
    added: bool,
    /// How far an ungated guest's has come.
    heard: Option<Heard>,
    console_file: File,
    /// The file with what QEMU says.
    qemu_said: PathBuf,
    shutdown: Option<String>,
    /// How often the machine was reset, and after how many of these the agent came.
    resets: usize,
    boots: usize,
    /// QEMU was asked to end: what ends now ends by our word.
    quitting: bool,
    qemu_gone: bool,
    card_ended: Option<(usize, String)>,
    on_milestone: Box<dyn FnMut(&Reached)>,
    /// Signals interrupt this session while it lives.
    shell: Option<UnixStream>,
    all_time: bool,
    /// What the guest has sent of its kernel's events, if it was asked to.
    trace: Option<Trace>,
    _watched: Watched,
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
        driver: &'static Driver,
        start: Origin<'_>,
        cards: Vec<Equipped>,
        gates: Gates,
        dir: &RunDir,
    ) -> anyhow::Result<Session> {
        anyhow::ensure!(
            cards.len() <= qemu::PORTS,
            "{} cards do not fit: the machine has {} ports",
            cards.len(),
            qemu::PORTS
        );
        let (sender, inputs) = inputs::channel();
        let mut timeline = Timeline::new(Some(Box::new(dir.live_events()?)));
        let card_names = numbered(cards.iter().map(|equipped| equipped.card.spec().name));
        let Servers { sockets, served, watched } = serve(cards, &card_names, &sender, dir)?;
        // Gone before the cards, should nothing come of the start: a card that waits for it ends.
        let inputs = inputs;
        let (start, snapshot) = match start {
            Origin::PowerOn => (Start::PowerOn { cards: served.len() }, None),
            Origin::Snapshot(snapshot) => (Start::Incoming, Some(snapshot.memory()?)),
            Origin::Empty(file) => (Start::PowerOn { cards: 0 }, Some(file)),
        };
        let memory = Arc::new(Memory::new(u64::from(machine.memory) << 20)?);
        let filling = match (start, &snapshot) {
            (Start::Incoming, Some(file)) => {
                let (memory, file) = (Arc::clone(&memory), File::from(file.try_clone()?));
                Some(std::thread::spawn(move || memory.fill(&file)))
            }
            _ => None,
        };
        let wake = sender.clone();
        let waken = sender.clone();
        let watched_signals = signals::on_signal(move |_| {
            // A session that is busy sees the signal before its next message.
            waken.wake();
        });
        let now = timeline.now();
        timeline.push(now, Source::Bench, What::Bench(BenchEvent::GuestStarted));
        let stderr = dir.create(files::QEMU_STDERR)?;
        let guest = qemu::start(qemu, machine, start, sockets, memory.share()?, snapshot, stderr)?;
        let Guest { process, qmp, console, agent: line, shell, command_line } = guest;
        dir.write(files::QEMU_ARGS, &shell_words(&command_line))?;
        let console_file = dir.create(files::CONSOLE)?;
        inputs::read_agent(line.try_clone()?, sender.clone())?;
        inputs::read_console(console.try_clone()?, sender.clone())?;
        inputs::read_qmp(qmp.try_clone()?, sender)?;
        let to_agent = Outgoing::new("to the agent", line)?;
        let to_console = Outgoing::new("to the console", console)?;
        let mut to_monitor = Outgoing::new("to the monitor", qmp)?;
        qemu::qmp_send(&mut to_monitor, 0, "qmp_capabilities", &json!({}))
            .context("QEMU's monitor")?;
        Ok(Session {
            timeline,
            milestones: Vec::new(),
            troubles: HashSet::new(),
            hello: None,
            deriver: Deriver::new(driver, &seats(&card_names)),
            gates,
            inputs,
            wake,
            process,
            accel: machine.accel,
            to_agent,
            to_monitor,
            to_console,
            sleepers: HashSet::new(),
            wakes_at: Instant::now(),
            summaries: served.iter().map(|_| None).collect(),
            ports: vec![Port::default(); served.len()],
            cards: served,
            faults: watched,
            card_names,
            asked: HashMap::new(),
            replies: HashMap::new(),
            returns: HashMap::new(),
            migration: None,
            loaders: BTreeMap::new(),
            memory,
            filling,
            functions_added: 0,
            next_id: 1,
            said: Said::default(),
            agent_heard: None,
            complaints: Complaints::default(),
            card_touched: None,
            clock_lost: false,
            measuring: false,
            limits: Limits::default(),
            console: Vec::new(),
            console_bytes: 0,
            added: false,
            heard: None,
            console_file,
            qemu_said: dir.path().join(files::QEMU_STDERR),
            shutdown: None,
            resets: 0,
            boots: 0,
            quitting: false,
            qemu_gone: false,
            card_ended: None,
            on_milestone: Box::new(|_| {}),
            shell,
            all_time: false,
            trace: None,
            _watched: watched_signals,
        })
    }

    /// Its kernel's command line has words of somebody's: they may be why it does not come up.
    pub fn has_words_of_others(&mut self) {
        self.added = true;
    }

    /// From now on no answer is late: a debugger may have stopped the guest.
    pub fn take_all_time(&mut self) {
        self.all_time = true;
    }

    /// The line to a shell in the guest, once, if the machine has one.
    pub fn take_shell(&mut self) -> Option<UnixStream> {
        self.shell.take()
    }

    /// Adds an event of the bench's own, now.
    pub fn note(&mut self, event: BenchEvent) {
        let now = self.timeline.now();
        self.record(now, Source::Bench, None, What::Bench(event));
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

    /// As [`Session::release`], the oldest such request only; says whether there was one.
    pub fn release_one(&mut self, name: &str) -> bool {
        match self.gates.release_one(name) {
            Some((id, answered)) => {
                self.answer(id, answered);
                true
            }
            None => false,
        }
    }

    /// The requests that wait for a release, oldest first.
    pub fn held(&self) -> impl Iterator<Item = &Question> {
        self.gates.held()
    }

    /// Whether something that the gates hold is let go by itself.
    pub fn something_is_due(&self) -> bool {
        self.gates.next_due().is_some()
    }

    /// What the gates hold, and until when: for people.
    pub fn waiting(&self) -> Vec<String> {
        self.gates.waiting().map(|held| held.to_string()).collect()
    }

    /// Holds nothing from now on, but what a rule holds for ever.
    pub fn release_all(&mut self) {
        for (id, answered) in self.gates.open() {
            self.answer(id, answered);
        }
    }

    /// The modules whose loaders have not ended, though no rule of the gate's hangs them.
    pub fn loaders(&self) -> impl Iterator<Item = &str> {
        let running = self.loaders.iter().filter(|(id, _)| !self.gates.hangs(**id));
        running.map(|(_, module)| module.as_str())
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
            if let Some(signal) = signals::stopped_by() {
                let line = format!("stopped by signal {signal}");
                return Err(Verdict::new(Outcome::Interrupted, line).into());
            }
            if let Some(verdict) = self.limits.verdict() {
                return Err(verdict.clone().into());
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
            // Of what a guest says there may always be more.
            if deadline.elapsed() > BEHIND {
                return Err(Stop::TimedOut);
            }
            let wakes_at = (!self.sleepers.is_empty()).then_some(self.wakes_at);
            let due = self.gates.next_due().into_iter().chain(wakes_at).min();
            let due = due.filter(|due| *due < deadline);
            let until = due.unwrap_or(deadline);
            match self.inputs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(input) => {
                    self.take(input);
                    // Not within itself, however often a guest says that it has resumed.
                    if self.clock_lost && !self.measuring {
                        (self.clock_lost, self.measuring) = (false, true);
                        let measured = self.measure_clock();
                        self.measuring = false;
                        match measured {
                            // Who waits has his own patience, and the guest may answer yet.
                            Err(Stop::TimedOut) => self.clock_lost = true,
                            other => other?,
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) if due.is_some() => {
                    self.open_gates();
                    self.wake_sleepers();
                }
                Err(RecvTimeoutError::Timeout) => return Err(Stop::TimedOut),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Verdict::new(Outcome::Environment, "all sources ended").into());
                }
            }
        }
    }

    /// The cards' names, in the order of their ports.
    pub fn cards(&self) -> &[String] {
        &self.card_names
    }

    /// Where the guest sees the cards.
    pub fn seats(&self) -> Vec<Seat> {
        seats(&self.card_names)
    }

    /// Where the guest sees the card in a port.
    pub fn slot(&self, port: usize) -> String {
        derive::slot(port)
    }

    /// Does something to a card by hand, soon.
    pub fn touch(&mut self, card: usize, touch: Touch) {
        if !self.cards[card].touch(touch) {
            let name = &self.card_names[card];
            let line = format!("the card {name} does not feel what is done to it: it is stuck");
            self.limits.end(Outcome::CardStopped, line);
        }
    }

    fn send(&mut self, message: &ToGuest) {
        let line = line_of(message);
        self.say(&line);
        self.said.keep(line);
    }

    fn say(&mut self, line: &[u8]) {
        if self.to_agent.write_all(line).is_err() {
            self.limits.deaf(&steps::at_hand(self.timeline.events()));
        }
    }

    fn record(&mut self, t_ns: u64, source: Source, guest_ns: Option<u64>, what: What) {
        if !self.limits.event(&self.timeline, source) {
            return;
        }
        let event = match guest_ns {
            Some(guest_ns) => self.timeline.push_guest(t_ns, guest_ns, source, what),
            None => self.timeline.push(t_ns, source, what),
        };
        if let Some(reached) = self.deriver.feed(event) {
            (self.on_milestone)(&reached);
            let begin = |(card, faults): (usize, &FaultWatch)| {
                faults.reached(&reached).into_iter().map(move |touch| (card, touch))
            };
            let touches: Vec<_> = self.faults.iter().enumerate().flat_map(begin).collect();
            touches.into_iter().for_each(|(card, touch)| self.touch(card, touch));
            if let Milestone::KernelTrouble { trouble } = reached.milestone {
                self.troubles.insert(trouble);
            }
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

    fn answer(&mut self, id: u64, answered: crate::machine::gates::Answered) {
        let now = self.timeline.now();
        self.send(&ToGuest::Answer { id, answer: answered.answer });
        let source = crate::machine::gates::source(&answered.question);
        let what = What::Answer {
            kind: Tag::default(),
            id,
            question: answered.question,
            answer: answered.word,
            value: answered.value,
        };
        self.record(now, source, None, what);
    }

    /// Ends the guest and everything that belongs to it; of QEMU there is [`Finished::qemu`] left.
    pub fn end(mut self) -> Finished {
        self.quitting = true;
        // Nothing in the guest is worth an end in good order.
        self.process.kill();
        // A card that has much to tell ends when it has told it.
        let cards = std::mem::take(&mut self.cards);
        let (there, gone) = channel::<()>();
        let wake = self.wake.clone();
        std::thread::spawn(move || {
            drop(cards);
            drop(there);
            wake.wake();
        });
        while gone.try_recv() == Err(TryRecvError::Empty) {
            if let Ok(input) = self.inputs.recv_timeout(Duration::from_secs(1)) {
                self.take(input);
            }
        }
        while let Ok(input) = self.inputs.try_recv() {
            self.take(input);
        }
        if let Some(dropped) = self.limits.dropped() {
            let now = self.timeline.now();
            let what = What::Bench(BenchEvent::Note { text: dropped });
            self.timeline.push(now, Source::Bench, what);
        }
        let timeline = std::mem::replace(&mut self.timeline, Timeline::new(None));
        let (events, write_error) = timeline.finish();
        let cards = seats(&self.card_names);
        let summaries = std::mem::take(&mut self.summaries);
        let (unmet, held) = (self.gates.unmet(), self.gates.waiting().collect());
        let trace = self.trace.take();
        let unbegun = self.faults.iter().flat_map(FaultWatch::left).collect();
        // To give it up takes whoever is the last to have it ten milliseconds and more.
        let memory = self.memory;
        std::thread::spawn(move || drop(memory));
        let qemu = self.process;
        Finished { events, write_error, cards, summaries, unmet, held, unbegun, trace, qemu }
    }

    /// Whether somebody has killed QEMU.
    pub fn killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        matches!(self.process.status(), Some(status) if status.signal() == Some(9))
    }
}

/// The cards of a session, in the order of their ports.
#[derive(Default)]
struct Servers {
    /// What QEMU connects to.
    sockets: Vec<OwnedFd>,
    served: Vec<Served>,
    watched: Vec<FaultWatch>,
}

/// Has each card served by a thread of its own.
fn serve(
    cards: Vec<Equipped>,
    names: &[String],
    sender: &inputs::Sender,
    dir: &RunDir,
) -> anyhow::Result<Servers> {
    let recording = std::env::var_os(RECORD).is_some();
    let mut servers = Servers::default();
    for (index, (Equipped { card, faults }, name)) in cards.into_iter().zip(names).enumerate() {
        let (listener, file) = CardSocket::new()?.split();
        servers.sockets.push(file);
        let server = vfio_server::Server::from_fd(listener)?;
        let sender = sender.clone();
        let record = recording
            .then(|| dir.create(&format!("{name}.trace")))
            .transpose()?
            .map(|file| Box::new(BufWriter::new(file)) as Box<dyn Write + Send>);
        let faults = FaultWatch::new(name, faults);
        let looks = faults.clone();
        let watch = (!faults.is_empty())
            .then(|| Box::new(move |event: &CardEvent| looks.card_does(event)) as Watch);
        servers.watched.push(faults);
        let beside = Beside { record, watch };
        servers.served.push(Served::start_with(card, server, beside, move |at, notice| {
            // It waits while the session has no time for it, and the guest for the card.
            let _ = sender.send(size_of::<Notice>(), Input::Card(index, at, notice));
        })?);
    }
    Ok(servers)
}

/// What is left of a session.
pub struct Finished {
    /// In their final order.
    pub events: Vec<Event>,
    /// The first error of writing them as they came.
    pub write_error: Option<std::io::Error>,
    /// The cards, in the order of their ports.
    pub cards: Vec<Seat>,
    /// Each card's totals.
    pub summaries: Vec<Option<Summary>>,
    /// The gates' rules that no request met, for people.
    pub unmet: Vec<String>,
    /// What the gates held.
    pub held: Vec<Held>,
    /// Faults that did not begin, or not end, for people.
    pub unbegun: Vec<String>,
    /// Its kernel's events, if the user wanted them.
    pub trace: Option<Trace>,
    /// Killed; to give up a guest's memory takes it a while yet.
    pub qemu: Process,
}

/// Where the guest sees the cards of these names, which are in the order of their ports.
fn seats(names: &[String]) -> Vec<Seat> {
    let seat =
        |(port, card): (usize, &String)| Seat { card: card.clone(), slot: derive::slot(port) };
    names.iter().enumerate().map(seat).collect()
}

/// A command line as a shell takes it, and why it is no use there.
fn shell_words(args: &[String]) -> String {
    format!(
        "# To be read, not to be played: the monitor, the console, the agent, the cards, the memory\n\
         # and the snapshot are descriptors that the bench hands down, and it is the other end of\n\
         # most of them. again.sh plays the run again.\n{}\n",
        cite::in_lines(args)
    )
}
