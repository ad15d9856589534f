//! What each source's message means to a session.

use std::io::Write;
use std::time::{Duration, Instant};

use card_host::{Ended, Notice};
use guest_protocol::{FromGuest, GuestEvent, Question};

use super::inputs::{Input, Long};
use super::{CONSOLE_TAIL, Session};
use crate::facts::timeline::{BenchEvent, Nanos, Source, Tag, What};
use crate::facts::trouble::{self, Trouble};
use crate::facts::verdict::Outcome;
use crate::machine::qemu::{self, Qmp};

impl Session {
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Card(index, at, notice) => self.take_card(index, at, notice),
            Input::Agent(at, message) => self.take_agent(at, message),
            Input::BadAgentLine(text) => self.bad_line(&text),
            Input::LongLine(who, long) => self.long_line(who, &long),
            Input::AgentClosed | Input::Wake => {}
            Input::Qmp(_, Qmp::Other(message)) => self.take_return(&message),
            Input::Console(bytes) => self.take_console(&bytes),
            Input::Qmp(at, Qmp::Event(event, data)) => {
                match event.as_str() {
                    "SHUTDOWN" => self.shutdown = data["reason"].as_str().map(str::to_owned),
                    // One that nobody wanted is told as a shutdown.
                    "RESET" if data["guest"] == true => self.was_reset(),
                    // Nobody but the bench wakes the guest.
                    "SUSPEND" => self.wake_guest(),
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
        }
    }

    fn bad_line(&mut self, text: &str) {
        if self.limits.bad_line(self.hello.is_some()) {
            let text = format!("the agent sent a line that is no message: {text}");
            self.note(BenchEvent::Note { text });
        }
    }

    /// Told where it begins and where it ends; in between a guest may say what it likes.
    fn long_line(&mut self, who: &str, long: &Long) {
        if long.begins && self.limits.bad_line(self.hello.is_some()) {
            let text = format!("{who} sends a line that is too long for any message");
            self.note(BenchEvent::Note { text });
        }
        let bytes = self.limits.long_line(who, long, self.hello.is_some());
        if long.ends {
            let text = format!("{bytes} bytes of that line were thrown away");
            self.note(BenchEvent::Note { text });
        }
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
                if event.accesses() > 0 {
                    self.card_touched = Some(t);
                }
                let what = What::Card { card: self.card_names[index].clone(), event };
                self.card_speaks(t);
                self.record(t, Source::Card, None, what);
            }
            Notice::Attached => self.ports[index].attached = true,
            // The socket's end is mostly QEMU's own, which its monitor tells too.
            Notice::Detached { why, lost } => {
                self.ports[index].attached = false;
                if let Some(addr) = lost {
                    let line = format!(
                        "the guest's memory at {addr:#x} is not there any more: the host has none \
                         left for it, or QEMU has cut it off"
                    );
                    self.limits.end(Outcome::Environment, line);
                } else if !self.quitting && !self.ports[index].leaving && !self.qemu_ends() {
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
            if self.process.status().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// The trouble that a line of the kernel's log begins, if it is more than a card that is slow here.
    pub(super) fn trouble_in(&mut self, t: Nanos, line: &str) -> Option<Trouble> {
        let since = self.card_touched.map(|at| Duration::from_nanos(t.saturating_sub(at)));
        self.complaints.begun_by(line).filter(|_| !trouble::is_of_slowness(line, since))
    }

    fn take_agent(&mut self, at: Instant, message: FromGuest) {
        let t = self.timeline.at(at);
        self.agent_heard = Some(t);
        match message {
            FromGuest::Hello(hello) => {
                let what = What::Hello { kind: Tag::default(), hello: hello.clone() };
                self.record(t, Source::Agent, Some(hello.mono_ns), what);
                self.hello = Some(hello);
                self.has_booted();
            }
            FromGuest::Event { mono_ns, event } => {
                let trouble = match &event {
                    GuestEvent::KernelLog { text, .. } => {
                        self.trouble_in(t, text).map(|trouble| (trouble, text.clone()))
                    }
                    _ => None,
                };
                if let GuestEvent::Uevent { action, subsystem, .. } = &event
                    && (action.as_str(), subsystem.as_deref()) == ("add", Some("pci"))
                {
                    self.functions_added += 1;
                }
                if let GuestEvent::ModuleLoaderExit { id, .. } = &event {
                    self.loaders.remove(id);
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
                let source = crate::machine::gates::source(&question);
                self.record(t, source, Some(mono_ns), what);
                if let Question::Module { module, .. } = &question {
                    self.loaders.insert(id, module.clone());
                }
                if let Some(answered) = self.gates.ask(id, question, &self.milestones) {
                    self.answer(id, answered);
                }
            }
            FromGuest::Resumed { received, .. } => {
                let lost = self.say_again(received);
                self.clock_lost = true;
                self.timeline.forget_clock();
                self.note(BenchEvent::GuestResumed { again: lost.again });
                if lost.for_good > 0 {
                    let line = format!(
                        "the kernel suspended, and {} of the bench's lines to the agent are lost \
                         with it",
                        lost.for_good
                    );
                    self.limits.end(Outcome::Environment, line);
                }
            }
            FromGuest::Trace(part) => {
                let taken = match self.trace.as_mut() {
                    Some(trace) => trace.take(part),
                    None => Err("a part of a trace, which nobody wants".to_owned()),
                };
                if let Err(what) = taken {
                    self.bad_line(&what);
                }
            }
            FromGuest::Done { id, mono_ns, result } => {
                self.sleepers.remove(&id);
                if let Some(sent) = self.asked.remove(&id) {
                    self.timeline.answered(sent, t, mono_ns);
                    self.replies.insert(id, (mono_ns, result));
                } else {
                    self.bad_line(&format!("the end of command {id}, which does not run"));
                }
            }
        }
    }

    fn take_console(&mut self, bytes: &[u8]) {
        // The log on disk is for people; a full disk shows in the events' own error.
        let _ = self.console_file.write_all(self.limits.console(bytes));
        self.console.extend_from_slice(bytes);
        self.console_bytes += bytes.len() as u64;
        self.hear(bytes);
        if self.console.len() > 2 * CONSOLE_TAIL {
            self.console.drain(..self.console.len() - CONSOLE_TAIL);
        }
    }
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
        GuestEvent::AgentNote { .. }
        | GuestEvent::Dropped { .. }
        | GuestEvent::ProgramEnded { .. }
        | GuestEvent::FileRead { .. } => Source::Agent,
    }
}
