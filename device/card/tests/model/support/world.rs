//! A world of plain memory.

use std::collections::HashSet;

use iwl_card::{CardEvent, Clock, DmaError, Events, Irq, Memory, Nanos, Raise, World};

/// Guest memory from 0, a clock that the test turns, and what came out of the card.
pub(crate) struct TestWorld {
    pub(crate) memory: Vec<u8>,
    pub(crate) now: Nanos,
    pub(crate) raised: Vec<Irq>,
    pub(crate) events: Vec<CardEvent>,
    pub(crate) bus_master: bool,
    /// Each address must be asked for twice within a work item, and what is written lands
    /// later, as if it went over a wire.
    pub(crate) lazy: bool,
    posted: Vec<Posted>,
    fetched: HashSet<u64>,
    pub(super) waiting: bool,
}

/// On its way to the guest.
enum Posted {
    Write(std::ops::Range<usize>, Vec<u8>),
    Interrupt(Irq),
}

impl TestWorld {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            memory: vec![0; size],
            now: 0,
            raised: Vec::new(),
            events: Vec::new(),
            bus_master: false,
            lazy: false,
            posted: Vec::new(),
            fetched: HashSet::new(),
            waiting: false,
        }
    }

    /// What is on its way arrives, in order; says whether anything was.
    pub(crate) fn land(&mut self) -> bool {
        let posted = std::mem::take(&mut self.posted);
        let any = !posted.is_empty();
        for item in posted {
            match item {
                Posted::Write(range, data) => self.memory[range].copy_from_slice(&data),
                Posted::Interrupt(irq) => self.raised.push(irq),
            }
        }
        any
    }

    fn range(&self, addr: u64, len: usize) -> Result<std::ops::Range<usize>, DmaError> {
        let fault = DmaError::Fault { addr, len };
        let start = usize::try_from(addr).map_err(|_| fault)?;
        let end = start.checked_add(len).filter(|end| *end <= self.memory.len()).ok_or(fault)?;
        Ok(start..end)
    }
}

impl Clock for TestWorld {
    fn now(&self) -> Nanos {
        self.now
    }
}

impl Memory for TestWorld {
    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let range = self.range(addr, data.len())?;
        if self.lazy && self.fetched.insert(addr) {
            self.waiting = true;
            return Err(DmaError::Pending);
        }
        data.copy_from_slice(&self.memory[range]);
        Ok(())
    }

    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        let range = self.range(addr, data.len())?;
        if self.lazy {
            self.posted.push(Posted::Write(range, data.to_vec()));
        } else {
            self.memory[range].copy_from_slice(data);
        }
        Ok(())
    }

    fn flushed(&mut self) -> bool {
        self.posted.is_empty()
    }

    fn end_of_work(&mut self) {
        self.fetched.clear();
    }
}

impl Raise for TestWorld {
    fn raise(&mut self, irq: Irq) {
        if self.posted.is_empty() {
            self.raised.push(irq);
        } else {
            self.posted.push(Posted::Interrupt(irq));
        }
    }
}

impl Events for TestWorld {
    fn emit(&mut self, event: CardEvent) {
        self.events.push(event);
    }
}

impl World for TestWorld {
    fn set_bus_master(&mut self, on: bool) {
        self.bus_master = on;
    }
}
