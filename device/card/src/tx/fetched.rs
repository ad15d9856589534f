//! What comes of a descriptor.

use crate::reach::Reach;
use crate::world::DmaError;

/// What a queue's next descriptor held.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// No queue has work.
    Idle,
    /// The concatenated buffers of a descriptor, and the index after it.
    Command { queue: u8, index: u16, next: u16, bytes: Vec<u8> },
    /// A descriptor that makes no sense.
    Malformed { queue: u8, index: u16, what: &'static str },
    /// The descriptor or a buffer cannot be read.
    Fault { addr: u64, len: usize },
}

impl Fetched {
    /// What came of fetching the descriptor at `index` of a queue, with `next` after it.
    pub(super) fn from_queue(
        queue: u8,
        index: u16,
        next: u16,
        fetched: Result<Result<Vec<u8>, &'static str>, DmaError>,
    ) -> Result<Self, DmaError> {
        match fetched {
            Ok(Ok(bytes)) => Ok(Self::Command { queue, index, next, bytes }),
            Ok(Err(what)) => Ok(Self::Malformed { queue, index, what }),
            Err(DmaError::Fault { addr, len }) => Ok(Self::Fault { addr, len }),
            Err(DmaError::Pending) => Err(DmaError::Pending),
        }
    }
}

/// What a descriptor's buffers hold, or what is wrong with the descriptor. `buffers` are addresses
/// and lengths, at most so many that all of them fit into `most` bytes.
pub(super) fn gather(
    buffers: Option<impl Iterator<Item = (u64, usize)> + Clone>,
    most: usize,
    host: &mut Reach<'_>,
) -> Result<Result<Vec<u8>, &'static str>, DmaError> {
    let Some(buffers) = buffers else { return Ok(Err("more buffers than it has room for")) };
    if buffers.clone().next().is_none() {
        return Ok(Err("no buffers"));
    }
    let total = buffers.clone().map(|(_, len)| len).sum();
    if total > most {
        return Ok(Err("more bytes than a descriptor can carry"));
    }
    let mut bytes = vec![0; total];
    let mut rest = &mut bytes[..];
    for (address, len) in buffers {
        let (part, later) = rest.split_at_mut(len);
        if len > 0 {
            host.read(address, part)?;
        }
        rest = later;
    }
    Ok(Ok(bytes))
}
