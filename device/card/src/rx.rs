//! Packets to the host, through the receive ring of parts before 9000.

use std::collections::VecDeque;

use iwl_hw::fh::rx_config;
use iwl_hw::packet;

use crate::message::Packet;
use crate::reach::Reach;
use crate::world::DmaError;

/// Packets that may wait for a buffer; the firmware takes no commands while so many wait.
const BACKLOG: usize = 256;
/// Packets beyond which even notifications are dropped.
const LIMIT: usize = 2 * BACKLOG;

/// What came of the packet that was next.
pub(crate) enum Delivery {
    /// No packet, or no buffer for it.
    Idle,
    /// It lies in a buffer, and the status says so.
    Delivered(Packet),
    /// It does not fit into a buffer: dropped.
    TooLong(Packet),
    /// The ring, a buffer or the status cannot be reached: dropped.
    Fault { addr: u64, len: usize },
}

/// The ring, as its registers describe it, and what waits to go there.
#[derive(Debug)]
pub(crate) struct Receive {
    config: u32,
    ring: u64,
    status: u64,
    write: u32,
    /// The next buffer to fill.
    read: u32,
    backlog: VecDeque<Packet>,
}

impl Receive {
    pub(crate) fn new() -> Self {
        Self { config: 0, ring: 0, status: 0, write: 0, read: 0, backlog: VecDeque::new() }
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
        self.read = value % rx_config::ring_size(self.config);
    }

    /// `FH_RSCSR_CHNL0_RDPTR`.
    pub(crate) fn read(&self) -> u32 {
        self.read
    }

    pub(crate) fn enabled(&self) -> bool {
        self.config & rx_config::DMA_CHNL_ENABLE != 0
    }

    /// The firmware may produce more.
    pub(crate) fn has_room(&self) -> bool {
        self.backlog.len() < BACKLOG
    }

    /// Queues a packet; gives it back if far too many wait.
    pub(crate) fn push(&mut self, packet: Packet) -> Result<(), Packet> {
        if self.backlog.len() >= LIMIT {
            return Err(packet);
        }
        self.backlog.push_back(packet);
        Ok(())
    }

    /// Forgets what waits.
    pub(crate) fn discard(&mut self) {
        self.backlog.clear();
    }

    /// Delivers the next packet.
    pub(crate) fn step(&mut self, host: &mut Reach<'_>) -> Result<Delivery, DmaError> {
        let size = rx_config::ring_size(self.config);
        if !self.enabled() || self.read == self.write % size {
            return Ok(Delivery::Idle);
        }
        let Some(packet) = self.backlog.front() else { return Ok(Delivery::Idle) };
        let capacity = rx_config::buffer_size(self.config) as usize;
        let bytes = packet::receive_buffer(packet.header(), &packet.payload, capacity);

        let mut descriptor = [0; 4];
        match host.read(self.ring + u64::from(4 * self.read), &mut descriptor) {
            Ok(()) => {}
            Err(DmaError::Pending) => return Err(DmaError::Pending),
            Err(DmaError::Fault { addr, len }) => {
                self.backlog.pop_front();
                return Ok(Delivery::Fault { addr, len });
            }
        }

        let Some(packet) = self.backlog.pop_front() else { return Ok(Delivery::Idle) };
        let Some(bytes) = bytes else { return Ok(Delivery::TooLong(packet)) };
        let buffer = u64::from(u32::from_le_bytes(descriptor)) << 8;
        self.read = (self.read + 1) % size;
        let closed = (self.read as u16).to_le_bytes();
        let written = host.write(buffer, &bytes).and_then(|()| host.write(self.status, &closed));
        Ok(match written {
            Ok(()) => Delivery::Delivered(packet),
            Err(DmaError::Fault { addr, len }) => Delivery::Fault { addr, len },
            // A world that breaks its word; nothing can be repeated here.
            Err(DmaError::Pending) => Delivery::Fault { addr: buffer, len: bytes.len() },
        })
    }
}
