//! What the device reaches through its [`crate::Bus`], and what the messages of the client
//! change behind it.

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{Ordering, fence},
};

use tracing::warn;
use zerocopy::IntoBytes;

use crate::{
    dma::{DmaMapError, DmaTable},
    error::{Disconnect, DmaError},
    irq::IrqTables,
    messages::{Answer, Messages, Purpose, ReadState},
    outbox::Outbox,
    protocol::{
        DmaAccess, DmaTransfer, DmaUnmap, Header, MAX_DATA_XFER, ProtocolError, command, flags,
    },
    share::{Next, PAGE, ShareCheck},
};

/// Most bytes kept for a client that does not read.
const MAX_UNSENT: usize = 64 << 20;
/// Unsent bytes beyond which nothing more is read from the client.
const ENOUGH_UNSENT: usize = 4 << 20;

/// Most bytes asked for in one DMA_READ. QEMU (11.1.3) takes a reply for sent when its
/// non-blocking socket took only part of it, and the rest is lost. A message that fits one
/// socket buffer of the kernel (48 KiB) goes whole or not at all.
const READ_TRANSFER: usize = 32 << 10;

/// The server's side of a connection; without a client it is empty.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Option<OwnedFd>,
    out: Outbox,
    pub(crate) memory: DmaTable,
    pub(crate) irqs: IrqTables,
    bus_master: bool,
    pub(crate) messages: Messages,
    /// Most bytes per transfer.
    transfer: usize,
    share: ShareCheck,
    broken: Option<Disconnect>,
    /// Where commands are put together.
    scratch: Vec<u8>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            socket: None,
            out: Outbox::default(),
            memory: DmaTable::default(),
            irqs: IrqTables::default(),
            bus_master: false,
            messages: Messages::default(),
            transfer: MAX_DATA_XFER,
            share: ShareCheck::default(),
            broken: None,
            scratch: Vec::new(),
        }
    }
}

impl Link {
    /// A client is there; [`Link::disconnect`] was called since the last.
    pub(crate) fn connect(&mut self, socket: OwnedFd, irqs: IrqTables) {
        self.socket = Some(socket);
        self.irqs = irqs;
    }

    /// It is gone: its memory, its interrupts and everything under way go with it. Gives its
    /// socket, in which descriptors may wait that nobody has taken out.
    pub(crate) fn disconnect(&mut self) -> Option<OwnedFd> {
        let socket = self.socket.take();
        *self = Self { bus_master: self.bus_master, ..Self::default() };
        socket
    }

    /// The connection.
    pub(crate) fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref()
    }

    /// The client takes transfers of this size.
    pub(crate) fn set_transfer_size(&mut self, bytes: usize) {
        self.transfer = bytes;
    }

    /// Why the connection must end, if it must.
    #[inline]
    pub(crate) fn take_broken(&mut self) -> Option<Disconnect> {
        self.broken.take()
    }

    /// Whether it must.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn fail(&mut self, why: impl Into<Disconnect>) {
        self.broken.get_or_insert(why.into());
    }

    // --- Sending ---------------------------------------------------------------------

    /// Sends a message; failures end the connection.
    #[inline]
    pub(crate) fn send(&mut self, message: &[u8], id: Option<u16>) {
        let Some(socket) = &self.socket else { return };
        match self.out.send(socket, message, id) {
            Ok(()) if self.out.bytes() > MAX_UNSENT => self.stalled(),
            Ok(()) => {}
            Err(errno) => self.fail(io::Error::from(errno)),
        }
    }

    /// The socket takes more.
    pub(crate) fn flush(&mut self) {
        let Some(socket) = &self.socket else { return };
        if let Err(errno) = self.out.flush(socket) {
            self.fail(io::Error::from(errno));
        }
    }

    /// Whether something waits to be sent.
    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        self.out.bytes() > 0
    }

    /// Whether so much waits that the client must take some of it first.
    #[inline]
    pub(crate) fn is_congested(&self) -> bool {
        self.out.bytes() > ENOUGH_UNSENT
    }

    fn stalled(&mut self) {
        self.fail(ProtocolError::Stalled {
            commands: self.messages.unanswered(),
            bytes: self.out.bytes(),
        });
    }

    /// Sends a DMA command; `data` is what it writes.
    fn command(&mut self, number: u16, address: u64, count: usize, purpose: Purpose, data: &[u8]) {
        let Some(id) = self.messages.command(number, address, count, purpose) else {
            return self.stalled();
        };
        let header = Header {
            message_id: id,
            command: number,
            message_size: (size_of::<Header>() + size_of::<DmaTransfer>() + data.len()) as u32,
            flags: flags::COMMAND,
            error: 0,
        };
        let transfer = DmaTransfer { address, count: count as u64 };
        let mut message = std::mem::take(&mut self.scratch);
        message.clear();
        message.extend_from_slice(header.as_bytes());
        message.extend_from_slice(transfer.as_bytes());
        message.extend_from_slice(data);
        self.send(&message, Some(id));
        self.scratch = message;
    }

    // --- The device ------------------------------------------------------------------

    pub(crate) fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let fault = DmaError::Fault { addr: address, len: data.len() };
        if !self.bus_master {
            return Err(fault);
        }
        let mut pending = false;
        let mut at = 0;
        while at < data.len() {
            let here = address.checked_add(at as u64).ok_or(fault)?;
            let (range, offset, left) = self.memory.find(here).ok_or(fault)?;
            if !range.allows(DmaAccess::READ) {
                return Err(fault);
            }
            let count = piece(left, data.len() - at);
            let part = &mut data[at..at + count];
            if let Some(mapping) = range.mapping() {
                if !mapping.read(offset, part) {
                    if mapping.is_lost() {
                        self.fail(Disconnect::Memory { addr: here });
                    }
                    return Err(fault);
                }
                if self.share.is_open() && part.iter().all(|byte| *byte == 0) {
                    self.check_sharing(Some(here));
                }
            } else {
                match self.messages.read(here, part) {
                    ReadState::Ready => {}
                    ReadState::Pending => pending = true,
                    ReadState::Failed => return Err(fault),
                    ReadState::TooMuch => {
                        warn!("one work item reads too much by message; {fault}");
                        return Err(fault);
                    }
                    ReadState::Unknown(serial) => {
                        self.ask(here, count, serial);
                        pending = true;
                    }
                }
            }
            at += count;
        }
        if pending {
            self.messages.pending();
            return Err(DmaError::Pending);
        }
        Ok(())
    }

    /// Asks for data, in as many commands as the client's transfer size needs.
    fn ask(&mut self, address: u64, count: usize, serial: u64) {
        let key = (address, count);
        let transfer = self.transfer.min(READ_TRANSFER);
        for at in (0..count).step_by(transfer) {
            self.command(
                command::DMA_READ,
                address + at as u64,
                transfer.min(count - at),
                Purpose::Read { key, serial },
                &[],
            );
        }
    }

    pub(crate) fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        let fault = DmaError::Fault { addr: address, len: data.len() };
        if !self.bus_master || !self.is_writable(address, data.len()) {
            return Err(fault);
        }
        let mut at = 0;
        while at < data.len() {
            let here = address + at as u64;
            let (range, offset, left) = self.memory.find(here).ok_or(fault)?;
            let part = &data[at..at + piece(left, data.len() - at)];
            if let Some(mapping) = range.mapping() {
                if !mapping.write(offset, part) {
                    if mapping.is_lost() {
                        self.fail(Disconnect::Memory { addr: here });
                    }
                    return Err(fault);
                }
            } else {
                let number = self.messages.write(here, part.len());
                for (chunk, bytes) in part.chunks(self.transfer).enumerate() {
                    self.command(
                        command::DMA_WRITE,
                        here + (chunk * self.transfer) as u64,
                        bytes.len(),
                        Purpose::Write(number),
                        bytes,
                    );
                }
            }
            at += part.len();
        }
        Ok(())
    }

    /// Whether all of it is there and writable, so that a write is done whole or not at all.
    fn is_writable(&self, address: u64, count: usize) -> bool {
        let Some(end) = address.checked_add(count as u64) else {
            return false;
        };
        let mut here = address;
        while here < end {
            match self.memory.find(here) {
                Some((range, _, left)) if range.allows(DmaAccess::WRITE) => here += left,
                _ => return false,
            }
        }
        true
    }

    pub(crate) fn trigger(&mut self, index: u32, vector: u32) {
        if !self.messages.trigger(index, vector) {
            // What was written is in memory before the guest hears of it.
            fence(Ordering::SeqCst);
            self.irqs.trigger(index, vector);
        }
    }

    /// Whether every write has been confirmed.
    #[inline]
    pub(crate) fn flushed(&mut self) -> bool {
        self.messages.flushed()
    }

    fn fire_due(&mut self) {
        while let Some((index, vector)) = self.messages.next_trigger() {
            self.irqs.trigger(index, vector);
        }
        self.messages.landed();
    }

    pub(crate) fn set_bus_master(&mut self, on: bool) {
        let rises = on && !self.bus_master;
        self.bus_master = on;
        if rises {
            self.check_sharing(None);
        }
    }

    // --- The client ------------------------------------------------------------------

    /// Unmaps memory, and lets go of everything under way that touches it.
    pub(crate) fn unmap(&mut self, request: &DmaUnmap) -> Result<(), DmaMapError> {
        let (start, end) = self.memory.unmap(request)?;
        self.messages.unmap(start, end);
        let messages = &self.messages;
        for id in self.out.withdraw(|id| messages.touches(id, start, end)) {
            self.messages.withdrawn(id);
        }
        self.fire_due();
        Ok(())
    }

    /// The function is reset.
    pub(crate) fn reset(&mut self) {
        self.messages.reset();
    }

    /// A reply to a command of the server.
    pub(crate) fn reply(&mut self, header: &Header, payload: &[u8]) -> Result<(), ProtocolError> {
        let result = if header.flags & flags::ERROR == 0 { Ok(payload) } else { Err(header.error) };
        match self.messages.reply(header.message_id, header.command, result)? {
            Answer::Done => {}
            Answer::Written => self.fire_due(),
            Answer::Probe { address, zero } => {
                let next = self.share.answer(&self.memory, address, zero);
                self.probe(next);
            }
        }
        Ok(())
    }

    fn check_sharing(&mut self, hint: Option<u64>) {
        let next = self.share.begin(&self.memory, hint);
        self.probe(next);
    }

    fn probe(&mut self, next: Next) {
        match next {
            Next::Wait => {}
            Next::Ask(places) => {
                let count = PAGE.min(self.transfer);
                for place in places {
                    self.command(command::DMA_READ, place, count, Purpose::Probe, &[]);
                }
            }
            Next::NotShared(addr) => self.fail(Disconnect::NotShared { addr }),
        }
    }
}

/// How much of `wanted` bytes a range with `left` bytes gives.
fn piece(left: u64, wanted: usize) -> usize {
    usize::try_from(left).map_or(wanted, |left| left.min(wanted))
}
