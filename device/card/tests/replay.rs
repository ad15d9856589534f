//! What real drivers did with each card, played again to the model: every value read, every byte
//! written to host memory, every interrupt and every event, in their order.
//!
//! `traces/CARD-KERNEL.trace.zst` (with `-msix` where the card was asked to offer that) each hold what passed between a card and the driver of a stock
//! kernel from probe to unbind, the interface up and down between; `zstdcat` shows one, and
//! `card-host`'s `record.rs` what its lines mean. With `$IWLBENCH_RECORD` set, each run of the bench
//! leaves one of each card in its directory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use iwl_card::{
    Card, CardEvent, CardOptions, Clock, DmaError, Events, Interrupts, Irq, Memory, Nanos, Raise,
    World, card,
};

/// The rest of a record, which the card has to follow.
struct Replay<'a> {
    trace: &'a str,
    /// Line number and line.
    rest: VecDeque<(usize, &'a str)>,
    now: Nanos,
}

impl<'a> Replay<'a> {
    /// The next line is this one.
    fn expect(&mut self, got: &str) {
        let (number, line) = self.rest.pop_front().unwrap_or((0, "the end"));
        assert_eq!(line, got, "{}, line {number}", self.trace);
    }

    /// The next line is this event; what it did not tell when it was recorded may be told now.
    fn expect_event(&mut self, got: &serde_json::Value) {
        let (number, line) = self.rest.pop_front().unwrap_or((0, "the end"));
        let then: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)
            .unwrap_or_else(|_| panic!("{}, line {number}: {line}; the card: {got}", self.trace));
        for (field, value) in then {
            assert_eq!(got[&field], value, "{}, line {number}: {field} of {got}", self.trace);
        }
    }

    /// The next line begins so: its other words.
    fn take(&mut self, begin: &str, got: std::fmt::Arguments<'_>) -> Vec<&'a str> {
        let (number, line) = self.rest.pop_front().unwrap_or((0, "the end"));
        let Some(rest) = line.strip_prefix(begin) else {
            panic!("{}, line {number}: {line}; the card: {begin}{got}", self.trace);
        };
        rest.split(' ').collect()
    }
}

impl Clock for Replay<'_> {
    fn now(&self) -> Nanos {
        self.now
    }
}

impl Memory for Replay<'_> {
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let words = self.take(" <", format_args!(" {addr:x} ({} bytes)", data.len()));
        assert_eq!(words[1], format!("{addr:x}"), "{}: where it reads", self.trace);
        if words[0] == "!" {
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        data.copy_from_slice(&bytes(words[2]));
        Ok(())
    }

    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        if self.rest.front().is_some_and(|(_, line)| line.starts_with(" >!")) {
            self.expect(&format!(" >! {addr:x} {:x}", data.len()));
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        self.expect(&format!(" > {addr:x} {}", hex(data)));
        Ok(())
    }

    fn flushed(&mut self) -> bool {
        self.take(" flushed ", format_args!("?"))[0] == "true"
    }
}

impl Raise for Replay<'_> {
    fn raise(&mut self, irq: Irq) {
        match irq {
            Irq::Intx => self.expect(" irq intx"),
            Irq::Msi => self.expect(" irq msi"),
            Irq::Msix { vector } => self.expect(&format!(" irq msix {vector:x}")),
        }
    }
}

impl Events for Replay<'_> {
    fn emit(&mut self, event: CardEvent) {
        match &event {
            CardEvent::RegRead { reg, outcome, .. } | CardEvent::RegWrite { reg, outcome, .. } => {
                self.expect(&format!(" {reg} {outcome:?}"));
            }
            other => self.expect_event(&serde_json::to_value(other).expect("JSON")),
        }
    }
}

impl World for Replay<'_> {
    fn set_bus_master(&mut self, on: bool) {
        self.expect(&format!(" master {on}"));
    }
}

fn hex(data: &[u8]) -> String {
    use std::fmt::Write;
    data.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// Plays one record; says how many operations it has.
fn play(trace: &str, text: &str) -> usize {
    let name = trace.split('-').next().expect("a card's name");
    let spec = card(name).unwrap_or_else(|| panic!("{trace}: no card {name}"));
    let interrupts = trace.contains("-msix").then_some(Interrupts::MsiAndMsix);
    let mut card = Card::new(spec, CardOptions { interrupts, ..CardOptions::default() });
    let rest = text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect();
    let mut replay = Replay { trace, rest, now: 0 };
    let mut operations = 0;
    while let Some((number, line)) = replay.rest.pop_front() {
        if let Some(now) = line.strip_prefix('@') {
            replay.now = now.parse().expect("a time");
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        let offset = || u64::from_str_radix(words[1], 16).expect("an offset");
        let mut read = Vec::new();
        let read_len = |words: &[&str]| usize::from_str_radix(words[2], 16).expect("a length");
        match words[0] {
            "r" => {
                read = vec![0; read_len(&words)];
                card.bar_read(&mut replay, offset(), &mut read);
            }
            "R" => {
                read = vec![0; read_len(&words)];
                card.config_read(&mut replay, offset(), &mut read);
            }
            "w" => card.bar_write(&mut replay, offset(), &bytes(words[2])),
            "W" => card.config_write(&mut replay, offset(), &bytes(words[2])),
            "reset" => card.reset(&mut replay),
            "insert" => {
                card.inserted();
                continue;
            }
            "wake" => {}
            "rf-kill" => card.set_rf_kill(&mut replay, words[1] == "true"),
            "release-alive" => card.release_alive(&mut replay),
            "vanish" => card.vanish(&mut replay),
            "fault" => {
                let fault = words[1].parse().expect("a fault");
                card.set_fault(&mut replay, fault, words[2] == "true");
            }
            _ => panic!("{trace}, line {number}: {line}; the card does nothing more"),
        }
        card.run(&mut replay);
        if !read.is_empty() {
            replay.expect(&format!(" = {}", hex(&read)));
        }
        operations += 1;
    }
    operations
}

#[test]
fn each_card_does_with_each_driver_what_it_did() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut played = Vec::new();
    for entry in traces.read_dir().expect("the traces' directory") {
        let path = entry.expect("an entry").path();
        let Some(trace) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".zst"))
        else {
            continue;
        };
        let file = File::open(&path).expect("a trace");
        let mut text = String::new();
        ruzstd::decoding::StreamingDecoder::new(file)
            .expect("zstd")
            .read_to_string(&mut text)
            .expect("a trace's text");
        let operations = play(trace, &text);
        assert!(operations > 500, "{trace}: only {operations} operations");
        played.push(trace.to_owned());
    }
    played.sort();
    let cards = ["6205", "7260", "8265", "9260", "ax200", "ax210"];
    let mut all: Vec<_> = cards
        .iter()
        .flat_map(|card| ["6.1", "6.12", "7.3"].map(|kernel| format!("{card}-{kernel}.trace")))
        .collect();
    // 6.1 does not know the one; the other has MSI-X only if it is asked to.
    let others = ["be200-6.12.trace", "be200-7.3.trace", "ax200-7.3-msix.trace"];
    all.extend(others.map(str::to_owned));
    all.sort();
    assert_eq!(played, all);
}
