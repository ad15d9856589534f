//! The receive ring of parts before 9000.

use iwl_hw::fh::rx_config;

use super::next::{Buffer, Next};
use crate::reach::Reach;
use crate::world::DmaError;

/// The ring, as its registers describe it.
#[derive(Debug)]
pub(crate) struct Rbd {
    config: u32,
    ring: u64,
    status: u64,
    write: u32,
    /// The next buffer to fill.
    read: u32,
}

impl Rbd {
    pub(super) fn new() -> Self {
        Self { config: 0, ring: 0, status: 0, write: 0, read: 0 }
    }

    /// `FH_MEM_RCSR_CHNL0_CONFIG_REG`: either way the ring starts over.
    pub(crate) fn configure(&mut self, value: u32) {
        self.config = value;
        self.read = 0;
    }

    /// `FH_RSCSR_CHNL0_RBDCB_BASE_REG`.
    pub(crate) fn set_ring(&mut self, value: u32) {
        self.ring = u64::from(value) << 8;
    }

    /// `FH_RSCSR_CHNL0_STTS_WPTR_REG`.
    pub(crate) fn set_status(&mut self, value: u32) {
        self.status = u64::from(value) << 4;
    }

    /// `FH_RSCSR_CHNL0_RBDCB_WPTR_REG`.
    pub(crate) fn set_write(&mut self, value: u32) {
        self.write = value;
    }

    /// `FH_RSCSR_CHNL0_RDPTR`.
    pub(crate) fn set_read(&mut self, value: u32) {
        self.read = value % self.size();
    }

    /// `FH_RSCSR_CHNL0_RDPTR`.
    pub(crate) fn read(&self) -> u32 {
        self.read
    }

    pub(crate) fn enabled(&self) -> bool {
        self.config & rx_config::DMA_CHNL_ENABLE != 0
    }

    /// Bytes in a buffer.
    pub(super) fn capacity(&self) -> usize {
        rx_config::buffer_size(self.config) as usize
    }

    pub(super) fn next(&self, host: &mut Reach<'_>) -> Result<Next, DmaError> {
        if !self.enabled() || self.read == self.write % self.size() {
            return Ok(Next::Nothing);
        }
        let mut descriptor = [0; 4];
        host.read(self.ring + u64::from(4 * self.read), &mut descriptor)?;
        let address = u64::from(u32::from_le_bytes(descriptor)) << 8;
        Ok(Next::Free(Buffer { address, vid: 0 }))
    }

    /// The next buffer is filled.
    pub(super) fn close(&mut self, host: &mut Reach<'_>) -> Result<(), DmaError> {
        self.read = (self.read + 1) % self.size();
        host.write(self.status, &(self.read as u16).to_le_bytes())
    }

    fn size(&self) -> u32 {
        rx_config::ring_size(self.config)
    }
}
