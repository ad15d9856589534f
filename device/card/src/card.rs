//! The card as the world sees it.

use crate::faults::FaultPlan;
use crate::spec::CardSpec;
use crate::summary::Summary;
use crate::world::{Nanos, World};

/// Which interrupts the function offers beside INTx.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Interrupts {
    /// One MSI vector.
    #[default]
    MsiOnly,
    /// MSI, and MSI-X where the generation has it.
    MsiAndMsix,
}

/// How to make a card.
#[derive(Debug, Clone, Default)]
pub struct CardOptions {
    /// Interrupts to offer.
    pub interrupts: Interrupts,
    /// MAC address; without one it is made of the card's kind and [`CardOptions::slot`].
    pub mac: Option<[u8; 6]>,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Which of several cards in one guest this is.
    pub slot: u8,
}

/// One card.
#[derive(Debug)]
pub struct Card {
    spec: &'static CardSpec,
    options: CardOptions,
}

impl Card {
    /// A card after power-on.
    #[must_use]
    pub fn new(spec: &'static CardSpec, options: CardOptions) -> Self {
        Self { spec, options }
    }

    /// What it is.
    #[must_use]
    pub fn spec(&self) -> &'static CardSpec {
        self.spec
    }

    /// Bytes of configuration space.
    #[must_use]
    pub const fn config_size() -> u64 {
        4096
    }

    /// Bytes of BAR 0, a memory BAR of 64 bits. There is no other BAR.
    #[must_use]
    pub fn bar_size(&self) -> u64 {
        0x2000
    }

    /// MSI-X vectors; none without the capability. INTx and one MSI vector are always there.
    #[must_use]
    pub fn msix_vectors(&self) -> u16 {
        let _ = self.options.interrupts;
        0
    }

    /// Reads configuration space.
    pub fn config_read(&mut self, _world: &mut dyn World, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    /// Writes configuration space.
    pub fn config_write(&mut self, _world: &mut dyn World, _offset: u64, _data: &[u8]) {}

    /// Reads BAR 0.
    pub fn bar_read(&mut self, _world: &mut dyn World, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    /// Writes BAR 0.
    pub fn bar_write(&mut self, _world: &mut dyn World, _offset: u64, _data: &[u8]) {}

    /// The machine's reset, or a function-level one.
    pub fn reset(&mut self, _world: &mut dyn World) {}

    /// When [`Card::run`] wants to be called next, if at all. May lie in the past.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        None
    }

    /// Does what is due: expired timers and queued work. To be called after every access,
    /// at the [`Card::deadline`], and when DMA that was pending has arrived.
    pub fn run(&mut self, _world: &mut dyn World) {}

    /// What the run left to be said.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::default()
    }
}
