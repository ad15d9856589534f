//! Host memory, as a DMA engine reaches it.

use crate::world::{DmaError, Memory};

/// The memory, or, for an engine that is planned to fail, none.
pub(crate) struct Reach<'w> {
    memory: &'w mut dyn Memory,
    gone: bool,
}

impl<'w> Reach<'w> {
    /// With `gone`, no address is there.
    pub(crate) fn new(memory: &'w mut dyn Memory, gone: bool) -> Self {
        Self { memory, gone }
    }

    pub(crate) fn read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        if self.gone {
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        self.memory.dma_read(addr, data)
    }

    pub(crate) fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        if self.gone {
            return Err(DmaError::Fault { addr, len: data.len() });
        }
        self.memory.dma_write(addr, data)
    }
}
