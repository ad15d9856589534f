//! The driver's half of multi-queue receive.

use iwl_hw::csr::{HBUS_TARG_WRPTR, wrptr_wide};
use iwl_hw::rfh::transfer::{COMPLETION, COMPLETION_BZ, COMPLETION_RBID, TransferDesc};
use iwl_hw::{prph, rfh};
use zerocopy::IntoBytes;

use super::legacy::{Driver, RX_BUFFER_SIZE, RX_BUFFERS, Received};

const FREE: u64 = 0x2000;
const STATUS: u64 = 0x1000;
const USED: u64 = 0x5000;
/// Of AX210 and later parts, whose entries are larger.
const USED_LARGE: u64 = 0x60_0000;

/// How far each queue's used ring has been looked through.
#[derive(Debug, Default)]
pub(crate) struct RfhRings {
    taken: [u32; Self::QUEUES as usize],
}

impl RfhRings {
    /// Places in each ring.
    pub(crate) const SIZE: u32 = 512;
    pub(crate) const QUEUES: u8 = 2;

    pub(crate) const fn free() -> u64 {
        FREE
    }

    pub(crate) const fn used(queue: u8) -> u64 {
        USED + 4 * queue as u64 * Self::SIZE as u64
    }

    pub(crate) const fn status(queue: u8) -> u64 {
        STATUS + 16 * queue as u64
    }
}

impl Driver {
    /// Buffers in every place of the free ring; the used rings are empty.
    pub(super) fn fill_rfh(&mut self) {
        for slot in 0..u64::from(RfhRings::SIZE) {
            let (buffer, vid) = (RX_BUFFERS + slot * RX_BUFFER_SIZE, slot as u16 + 1);
            if self.loader {
                let entry = TransferDesc::new(buffer, vid);
                self.world.memory[(FREE + 16 * slot) as usize..][..16]
                    .copy_from_slice(entry.as_bytes());
            } else {
                let entry = rfh::free::entry(buffer, vid);
                self.world.memory[(FREE + 8 * slot) as usize..][..8]
                    .copy_from_slice(&entry.to_le_bytes());
            }
        }
        self.world.memory[STATUS as usize..][..16 * usize::from(RfhRings::QUEUES)].fill(0);
        self.rfh = Some(RfhRings::default());
    }

    /// As `iwl_pcie_rx_mq_hw_init`.
    pub(super) fn init_rfh(&mut self) {
        self.fill_rfh();
        self.write_prph(prph::RFH_RXF_DMA_CFG, 0);
        self.write_prph(prph::RFH_RXF_RXQ_ACTIVE, 0);
        for queue in 0..RfhRings::QUEUES {
            let at = 8 * u32::from(queue);
            for (register, address) in [
                (prph::RFH_Q0_FRBDCB_BA_LSB, FREE),
                (prph::RFH_Q0_URBDCB_BA_LSB, RfhRings::used(queue)),
                (prph::RFH_Q0_URBD_STTS_WPTR_LSB, RfhRings::status(queue)),
            ] {
                self.write_prph(register + at, address as u32);
                self.write_prph(register + at + 4, (address >> 32) as u32);
            }
        }
        let sizes = rfh::dma_cfg::RB_SIZE_4K | rfh::dma_cfg::RBDCB_SIZE_512;
        self.write_prph(prph::RFH_RXF_DMA_CFG, rfh::dma_cfg::DMA_EN | sizes);
        self.write_prph(prph::RFH_RXF_RXQ_ACTIVE, 0x0003_0003);
        self.offer_rfh(RfhRings::SIZE - 8);
    }

    pub(super) fn offer_rfh(&mut self, index: u32) {
        match self.bz {
            true => self.write(HBUS_TARG_WRPTR, wrptr_wide::RX_QUEUES << 16 | index),
            false => self.write(rfh::RFH_Q0_FRBDCB_WIDX_TRG, index),
        }
    }

    /// Where the used ring of a queue is.
    pub(crate) fn used_ring(&self, queue: u8) -> u64 {
        let size = u64::from(queue) * u64::from(RfhRings::SIZE);
        match self.loader {
            true => USED_LARGE + COMPLETION as u64 * size,
            false => RfhRings::used(queue),
        }
    }

    /// Where the number of the used buffer at a place is.
    fn used_at(&self, queue: u8, place: u32) -> u64 {
        let (len, begin) = match (self.loader, self.bz) {
            (false, _) => (4, 0),
            (true, false) => (COMPLETION, COMPLETION_RBID),
            (true, true) => (COMPLETION_BZ, 0),
        };
        self.used_ring(queue) + (len as u64) * u64::from(place) + begin as u64
    }

    /// What came by a queue since the last time.
    pub(crate) fn take_from_queue(&mut self, queue: u8) -> Vec<Received> {
        let word = |memory: &[u8], at: u64| {
            u16::from_le_bytes([memory[at as usize], memory[at as usize + 1]])
        };
        let closed = u32::from(word(&self.world.memory, RfhRings::status(queue)));
        let mut taken = self.rfh.as_ref().expect("many queues").taken[usize::from(queue)];
        let mut packets = Vec::new();
        while taken != closed {
            let vid = word(&self.world.memory, self.used_at(queue, taken));
            let (by, packet) = self.packet_at(RX_BUFFERS + u64::from(vid - 1) * RX_BUFFER_SIZE);
            assert_eq!(by, u32::from(queue), "the packet names its queue");
            packets.push(packet);
            taken = (taken + 1) % RfhRings::SIZE;
        }
        self.rfh.as_mut().expect("many queues").taken[usize::from(queue)] = taken;
        packets
    }
}
