//! Sending without waiting.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// What the socket did not take yet.
///
/// Every message is sent by a call of its own, so that its header arrives whole: QEMU
/// gives up a connection on a header in two pieces.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Unsent>,
    /// Bytes in `queue`.
    bytes: usize,
}

#[derive(Debug)]
struct Unsent {
    message: Vec<u8>,
    sent: usize,
    /// For a command of the server, its id.
    id: Option<u16>,
}

impl Outbox {
    /// Sends `message`, or keeps what does not go. `id` is given for commands.
    pub(crate) fn send(
        &mut self,
        socket: &OwnedFd,
        message: &[u8],
        id: Option<u16>,
    ) -> Result<(), Errno> {
        let sent = if self.queue.is_empty() { try_send(socket, message)? } else { 0 };
        if sent < message.len() {
            self.bytes += message.len();
            self.queue.push_back(Unsent { message: message.to_vec(), sent, id });
        }
        Ok(())
    }

    /// Sends more of what was kept.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> Result<(), Errno> {
        while let Some(first) = self.queue.front_mut() {
            first.sent += try_send(socket, &first.message[first.sent..])?;
            if first.sent < first.message.len() {
                break;
            }
            self.bytes -= first.message.len();
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Takes back commands of which nothing has been sent.
    pub(crate) fn withdraw(&mut self, withdrawn: impl Fn(u16) -> bool) -> Vec<u16> {
        let mut taken = Vec::new();
        let bytes = &mut self.bytes;
        self.queue.retain(|unsent| match unsent.id {
            Some(id) if unsent.sent == 0 && withdrawn(id) => {
                *bytes -= unsent.message.len();
                taken.push(id);
                false
            }
            _ => true,
        });
        taken
    }

    /// Bytes waiting.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Bytes sent; none if the socket is full.
fn try_send(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        match send(socket.as_fd(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
