//! Cuts the byte stream into messages.

use zerocopy::FromBytes;

use super::wire::{Header, MAX_MESSAGE, MAX_MSG_FDS, ProtocolError, flags};
use crate::descriptor::Descriptor;

/// A whole message.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub payload: &'a [u8],
    /// The descriptors that came with it; those not taken are closed.
    pub fds: Vec<Descriptor>,
}

impl Message<'_> {
    /// Whether it is a reply; otherwise it is a command.
    pub fn is_reply(&self) -> bool {
        self.header.flags & flags::TYPE == flags::REPLY
    }
}

/// Takes bytes and descriptors as they come and gives whole messages.
///
/// It holds one buffer of [`MAX_MESSAGE`] bytes and never allocates by what a peer says.
/// Read until [`Receiver::next_message`] has no more before filling again.
#[derive(Debug)]
pub struct Receiver {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Stream position of `start`.
    position: u64,
    /// Each with the stream position of the last byte of the read that brought it.
    fds: Vec<(u64, Descriptor)>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            // Zeroed by the system, page by page when first touched.
            buffer: vec![0; MAX_MESSAGE],
            start: 0,
            end: 0,
            position: 0,
            fds: Vec::new(),
        }
    }
}

impl Receiver {
    /// Forgets everything, for the next connection.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.position = 0;
        self.fds.clear();
    }

    /// Where the next bytes go. Never empty once all whole messages are taken.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// One read put `bytes` bytes into [`Receiver::space`] and brought `fds`.
    ///
    /// The kernel ends a read of a stream behind the bytes that carry descriptors, so they
    /// belong to the last message of the read.
    ///
    /// # Errors
    /// [`ProtocolError::TooManyFds`].
    pub fn received(
        &mut self,
        bytes: usize,
        fds: impl IntoIterator<Item = Descriptor>,
    ) -> Result<(), ProtocolError> {
        self.end = self.buffer.len().min(self.end + bytes);
        let last = self.position + (self.end - self.start).saturating_sub(1) as u64;
        self.fds.extend(fds.into_iter().map(|fd| (last, fd)));
        // Those of a message not yet whole, and those of this read.
        if self.fds.len() > 2 * MAX_MSG_FDS {
            return Err(ProtocolError::TooManyFds);
        }
        Ok(())
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// [`ProtocolError`]: the stream cannot be read any further.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        let held = &self.buffer[self.start..self.end];
        let Ok((header, rest)) = Header::read_from_prefix(held) else {
            return Ok(None);
        };
        let size = header.message_size as usize;
        let Some(payload_size) =
            size.checked_sub(size_of::<Header>()).filter(|_| size <= MAX_MESSAGE)
        else {
            return Err(ProtocolError::MessageSize { size: header.message_size });
        };
        let kind = header.flags & flags::TYPE;
        if kind != flags::COMMAND && kind != flags::REPLY {
            return Err(ProtocolError::MessageType { id: header.message_id, kind });
        }
        let Some(payload) = rest.get(..payload_size) else {
            return Ok(None);
        };

        self.position += size as u64;
        self.start += size;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let theirs = self.fds.partition_point(|(at, _)| *at < self.position);
        if theirs > MAX_MSG_FDS {
            return Err(ProtocolError::TooManyFds);
        }
        let fds = if theirs == 0 {
            Vec::new()
        } else {
            self.fds.drain(..theirs).map(|(_, fd)| fd).collect()
        };
        Ok(Some(Message { header, payload, fds }))
    }
}
