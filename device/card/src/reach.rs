//! What a DMA engine reaches.

use crate::cause::Irq;
use crate::event::CardEvent;
use crate::world::{DmaError, Nanos, World};

/// The world, or, for an engine that is planned to fail, one without memory.
pub(crate) struct Reach<'w> {
    world: &'w mut dyn World,
    gone: bool,
}

impl<'w> Reach<'w> {
    /// With `gone`, no address is there.
    pub(crate) fn new(world: &'w mut dyn World, gone: bool) -> Self {
        Self { world, gone }
    }
}

impl World for Reach<'_> {
    fn now(&self) -> Nanos {
        self.world.now()
    }

    fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        if self.gone {
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        self.world.dma_read(addr, data)
    }

    fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        if self.gone {
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        self.world.dma_write(addr, data)
    }

    fn flushed(&mut self) -> bool {
        self.world.flushed()
    }

    fn raise(&mut self, irq: Irq) {
        self.world.raise(irq);
    }

    fn set_bus_master(&mut self, on: bool) {
        self.world.set_bus_master(on);
    }

    fn end_of_work(&mut self) {
        self.world.end_of_work();
    }

    fn emit(&mut self, event: CardEvent) {
        self.world.emit(event);
    }
}
