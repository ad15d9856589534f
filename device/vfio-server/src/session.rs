//! One connection.

use crate::DmaError;

/// What a connection shares with the device.
#[derive(Debug)]
pub(crate) struct Link;

impl Link {
    pub(crate) fn dma_read(&mut self, addr: u64, data: &mut [u8]) -> Result<(), DmaError> {
        Err(DmaError::Fault { addr, len: data.len() })
    }
    pub(crate) fn dma_write(&mut self, addr: u64, data: &[u8]) -> Result<(), DmaError> {
        Err(DmaError::Fault { addr, len: data.len() })
    }
    pub(crate) fn trigger(&mut self, _index: u32, _vector: u32) {}
    pub(crate) fn set_bus_master(&mut self, _on: bool) {}
    pub(crate) fn end_of_work(&mut self) {}
    pub(crate) fn forget_reads(&mut self) {}
}
