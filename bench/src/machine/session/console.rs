//! A session with a guest that nothing of the bench is in: it hears its console.

use std::time::{Duration, Instant};

use guest_protocol::GuestEvent;
use strip_ansi_escapes::strip_str;

use super::Session;
use super::heard::{Heard, LONGEST, Line, gives_up, is_end_of_init, parts, traced};
use crate::facts::timeline::{BenchEvent, Nanos, Source, What};
use crate::machine::idle::Idle;

impl Session {
    /// From now on what the console says is told in events: nobody else speaks for the guest.
    pub fn hear_console(&mut self) {
        self.heard = Some(Heard::default());
    }

    /// How far the console has come, if it is heard.
    pub fn heard(&self) -> Option<&Heard> {
        self.heard.as_ref()
    }

    /// How long neither the kernel's log nor a card has said anything.
    pub fn quiet_for(&self) -> Duration {
        let last = self.heard.as_ref().map_or(0, |heard| heard.last);
        Duration::from_nanos(self.timeline.now().saturating_sub(last))
    }

    /// Looks whether the guest has anything to do, if its host tells.
    pub fn look(&self, idle: &mut Idle) {
        if let Some((ran, busy)) = self.process.scheduled() {
            idle.look(Instant::now(), ran, busy);
        }
    }

    /// A card has said something.
    pub(super) fn card_speaks(&mut self, t_ns: Nanos) {
        if let Some(heard) = &mut self.heard {
            heard.last = heard.last.max(t_ns);
        }
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Some(mut heard) = self.heard.take() else { return };
        heard.part.extend_from_slice(bytes);
        while let Some(end) = heard.part.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.part.drain(..=end).take(LONGEST).collect();
            self.heard_line(&mut heard, &String::from_utf8_lossy(&line));
        }
        if heard.part.len() > LONGEST {
            let line = std::mem::take(&mut heard.part);
            self.heard_line(&mut heard, &String::from_utf8_lossy(&line[..LONGEST]));
        }
        // A prompt has no end of a line.
        let part = strip_str(String::from_utf8_lossy(&heard.part));
        if gives_up(part.trim_start()) {
            heard.prompt.get_or_insert_with(|| part.trim().to_owned());
        }
        self.heard = Some(heard);
    }

    fn heard_line(&mut self, heard: &mut Heard, text: &str) {
        let now = self.timeline.now();
        for part in parts(text) {
            let (at, text) = match part {
                Line::Init(text) => {
                    if gives_up(&text) {
                        heard.prompt.get_or_insert_with(|| text.clone());
                    }
                    self.record(
                        now,
                        Source::Console,
                        None,
                        What::Bench(BenchEvent::Console { text }),
                    );
                    continue;
                }
                Line::Kernel(at, text) => (Some(at), text),
            };
            heard.last = now;
            heard.init |= text.starts_with("Run ") && text.ends_with(" as init process");
            if text.starts_with("Kernel panic - not syncing") {
                heard.panic.get_or_insert_with(|| text.clone());
            }
            if let Some(event) = traced(&text) {
                self.record(now, Source::Trace, at, What::Guest(event));
                continue;
            }
            let trouble = self.trouble_in(now, &text).filter(|_| !is_end_of_init(&text));
            let log = GuestEvent::KernelLog { seq: heard.records, level: None, text: text.clone() };
            heard.records += 1;
            self.record(now, Source::KernelLog, at, What::Guest(log));
            if let Some(trouble) = trouble {
                let what = What::Bench(BenchEvent::KernelTrouble { trouble, text });
                self.record(now, Source::KernelLog, at, what);
            }
        }
    }
}
