//! What passed between a driver and a card, line by line; the model's tests play it again.
//!
//! An operation stands at the line's start, what the card made of it below, indented:
//!
//! | line | what |
//! |---|---|
//! | `@NANOS` | the time of the operations that follow |
//! | `r OFFSET LEN`, `w OFFSET BYTES` | BAR 0 is read, so many bytes; is written |
//! | `R OFFSET LEN`, `W OFFSET BYTES` | configuration space, likewise |
//! | `reset`, `insert`, `wake` | the machine's reset; the card is put in; it may work |
//! | `rf-kill BOOL`, `release-alive`, `vanish`, `fault FAULT BOOL` | what is done to it by hand |
//! | ` < ADDRESS BYTES`, ` > ADDRESS BYTES` | it reads host memory; writes it |
//! | ` <! ADDRESS LEN`, ` >! ADDRESS LEN` | there is no such memory |
//! | ` irq NAME`, ` master BOOL`, ` flushed BOOL` | it interrupts; may use the bus; asks for its writes |
//! | ` REGISTER OUTCOME` | it tells which register was reached, and what came of it |
//! | ` JSON` | it tells any other event |
//! | ` = BYTES` | what the read gave |
//!
//! Numbers and bytes are hexadecimal, times decimal. Reads of host memory that have to be tried
//! again, as with DMA by message, are not told apart from those that found none.

use std::fmt::{self, Arguments, Write as _};
use std::io::{self, Write};

use iwl_card::{CardEvent, Clock, DmaError, Events, Irq, Memory, Nanos, Raise, World};

use crate::Touch;

/// What is done to a card.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation<'a> {
    /// BAR 0 is read, so many bytes.
    BarRead(u64, usize),
    /// BAR 0 is written.
    BarWrite(u64, &'a [u8]),
    /// Configuration space is read, so many bytes.
    ConfigRead(u64, usize),
    /// Configuration space is written.
    ConfigWrite(u64, &'a [u8]),
    /// The machine's reset.
    Reset,
    /// It is put into a slot.
    Insert,
    /// It may do what is due.
    Wake,
    /// By hand.
    Touch(Touch),
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BarRead(offset, len) => write!(f, "r {offset:x} {len:x}"),
            Self::BarWrite(offset, data) => write!(f, "w {offset:x} {}", Hex(data)),
            Self::ConfigRead(offset, len) => write!(f, "R {offset:x} {len:x}"),
            Self::ConfigWrite(offset, data) => write!(f, "W {offset:x} {}", Hex(data)),
            Self::Reset => f.write_str("reset"),
            Self::Insert => f.write_str("insert"),
            Self::Wake => f.write_str("wake"),
            Self::Touch(Touch::RfKill(on)) => write!(f, "rf-kill {on}"),
            Self::Touch(Touch::ReleaseAlive) => f.write_str("release-alive"),
            Self::Touch(Touch::Vanish) => f.write_str("vanish"),
            Self::Touch(Touch::TurnInto(spec)) => {
                write!(f, "turn-into {},{}", spec.name, spec.identity)
            }
            Self::Touch(Touch::Fault { fault, on }) => write!(f, "fault {fault} {on}"),
        }
    }
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Writes a record.
pub(crate) struct Recorder {
    out: Box<dyn Write + Send>,
    line: String,
    at: Option<Nanos>,
    /// The first error, after which nothing is written.
    error: Option<io::Error>,
}

impl Recorder {
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, line: String::new(), at: None, error: None }
    }

    /// What follows is part of this.
    pub(crate) fn operation(&mut self, now: Nanos, operation: Operation<'_>) {
        if self.at.replace(now) != Some(now) {
            self.write(format_args!("@{now}"));
        }
        self.write(format_args!("{operation}"));
    }

    /// What the operation, a read, gave.
    pub(crate) fn gave(&mut self, data: &[u8]) {
        self.write(format_args!(" = {}", Hex(data)));
    }

    fn write(&mut self, line: Arguments<'_>) {
        self.line.clear();
        // A String takes any write.
        let _ = writeln!(self.line, "{line}");
        if self.error.is_none() {
            self.error = self.out.write_all(self.line.as_bytes()).err();
        }
    }

    /// All that was recorded is written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.error.take().map_or_else(|| self.out.flush(), Err)
    }
}

/// The world, and a record of what the card does to it. Time stands still in it.
pub(crate) struct Recorded<'a> {
    pub(crate) world: &'a mut dyn World,
    pub(crate) now: Nanos,
    pub(crate) recorder: &'a mut Recorder,
}

impl Clock for Recorded<'_> {
    fn now(&self) -> Nanos {
        self.now
    }
}

impl Memory for Recorded<'_> {
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let result = self.world.dma_read(addr, data);
        match &result {
            Ok(()) => self.recorder.write(format_args!(" < {addr:x} {}", Hex(data))),
            Err(_) => self.recorder.write(format_args!(" <! {addr:x} {:x}", data.len())),
        }
        result
    }

    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        let result = self.world.dma_write(addr, data);
        match &result {
            Ok(()) => self.recorder.write(format_args!(" > {addr:x} {}", Hex(data))),
            Err(_) => self.recorder.write(format_args!(" >! {addr:x} {:x}", data.len())),
        }
        result
    }

    fn flushed(&mut self) -> bool {
        let flushed = self.world.flushed();
        self.recorder.write(format_args!(" flushed {flushed}"));
        flushed
    }

    fn end_of_work(&mut self) {
        self.world.end_of_work();
    }
}

impl Raise for Recorded<'_> {
    fn raise(&mut self, irq: Irq) {
        match irq {
            Irq::Intx => self.recorder.write(format_args!(" irq intx")),
            Irq::Msi => self.recorder.write(format_args!(" irq msi")),
            Irq::Msix { vector } => self.recorder.write(format_args!(" irq msix {vector:x}")),
        }
        self.world.raise(irq);
    }
}

impl Events for Recorded<'_> {
    fn emit(&mut self, event: CardEvent) {
        match &event {
            CardEvent::RegRead { reg, outcome, .. } | CardEvent::RegWrite { reg, outcome, .. } => {
                self.recorder.write(format_args!(" {reg} {outcome:?}"));
            }
            other => {
                let json = serde_json::to_string(other).unwrap_or_default();
                self.recorder.write(format_args!(" {json}"));
            }
        }
        self.world.emit(event);
    }
}

impl World for Recorded<'_> {
    fn set_bus_master(&mut self, on: bool) {
        self.recorder.write(format_args!(" master {on}"));
        self.world.set_bus_master(on);
    }
}
