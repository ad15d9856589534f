//! What crosses the rings: command headers, and packets to the host.
//!
//! Sources: `fw/api/cmdhdr.h`, `iwl-trans.h` (`struct iwl_rx_packet`).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Starts every command, response and notification.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct CmdHeader {
    /// Command id.
    pub cmd: u8,
    /// Command group.
    pub group_id: u8,
    /// Index and queue, by the driver; echoed.
    pub sequence: U16,
}

/// Starts the commands of groups other than 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct CmdHeaderWide {
    /// The common part.
    pub header: CmdHeader,
    /// Bytes of payload.
    pub length: U16,
    reserved: u8,
    /// Version of the command.
    pub version: u8,
}

/// Set in the sequence of what the firmware sends unasked.
pub const SEQ_RX_FRAME: u16 = 0x8000;

/// The sequence of a queue's command.
#[must_use]
pub fn sequence(queue: u8, index: u8) -> u16 {
    u16::from(queue & 0x1f) << 8 | u16::from(index)
}

/// Starts a packet in a receive buffer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct RxPacketHeader {
    /// Bytes that follow (header and payload) in the low 14 bits, the receive queue above.
    pub len_n_flags: U32,
    /// What it is.
    pub header: CmdHeader,
}

/// Length field of `len_n_flags`.
pub const FH_RSCSR_FRAME_SIZE_MSK: u32 = 0x3fff;
/// Receive queue field of `len_n_flags`; parts before 9000 have one queue, which is 0.
pub const FH_RSCSR_RXQ_POS: u32 = 16;
/// In the place of `len_n_flags`: no more packets in this buffer.
pub const FH_RSCSR_FRAME_INVALID: u32 = 0x5555_0000;
/// Packets begin at multiples of this.
pub const FH_RSCSR_FRAME_ALIGN: usize = 0x40;

/// A packet as it lies in a buffer of `capacity` bytes of a receive queue, end marker and all.
/// `None` if it does not fit.
#[must_use]
pub fn receive_buffer(
    queue: u8,
    header: CmdHeader,
    payload: &[u8],
    capacity: usize,
) -> Option<Vec<u8>> {
    let len = size_of::<CmdHeader>() + payload.len();
    if len > FH_RSCSR_FRAME_SIZE_MSK as usize {
        return None;
    }
    let len_n_flags = u32::try_from(len).ok()? | u32::from(queue) << FH_RSCSR_RXQ_POS;
    let start = RxPacketHeader { len_n_flags: len_n_flags.into(), header };
    let mut buffer = start.as_bytes().to_vec();
    buffer.extend_from_slice(payload);
    if buffer.len() > capacity {
        return None;
    }
    buffer.resize(buffer.len().next_multiple_of(FH_RSCSR_FRAME_ALIGN), 0);
    if buffer.len() + 4 <= capacity {
        buffer.extend_from_slice(&FH_RSCSR_FRAME_INVALID.to_le_bytes());
    }
    buffer.truncate(capacity);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_ends_with_the_marker() {
        let header = CmdHeader { cmd: 1, group_id: 0, sequence: SEQ_RX_FRAME.into() };
        let buffer = receive_buffer(3, header, &[7; 32], 4096).expect("fits");
        assert_eq!(buffer.len(), 64 + 4);
        assert_eq!(buffer[64..], FH_RSCSR_FRAME_INVALID.to_le_bytes());
        let (start, _) = RxPacketHeader::ref_from_prefix(&buffer).expect("a header");
        assert_eq!(start.len_n_flags.get(), 3 << 16 | 36);
        assert!(receive_buffer(0, header, &[0; 4096], 4096).is_none());
    }
}
