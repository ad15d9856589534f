//! DMA by message: the book-keeping, without any input or output.
//!
//! Reads are kept by what they read until the work item that needs them is done. Writes
//! and the interrupts behind them form one ordered queue.

use std::collections::{HashMap, VecDeque};

use tracing::debug;
use zerocopy::FromBytes;

use crate::protocol::{DmaTransfer, Header, ProtocolError, command};

/// Most bytes kept for reads, and most reads kept: what one work item may need.
const MAX_READ_BYTES: usize = 32 << 20;
const MAX_READS: usize = 4096;
/// Most commands the client may leave unanswered.
const MAX_UNANSWERED: usize = 16384;
/// Most writes, and interrupts between them, that wait for the first one to be confirmed: as
/// many writes, answered or not, with an interrupt each.
const MAX_OUTPUTS: usize = 2 * MAX_UNANSWERED;

/// What was read, by bus address and length.
type Key = (u64, usize);

/// Messages under way, and what has come of them.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    next_id: u16,
    /// Commands sent and not answered.
    unanswered: HashMap<u16, Command>,
    /// How many of them are for reads of the device.
    reading: usize,
    reads: HashMap<Key, Read>,
    read_bytes: usize,
    next_serial: u64,
    /// Reads that the present work item has used; forgotten when it is done.
    used: Vec<Key>,
    outputs: VecDeque<Output>,
    /// The number of the first of `outputs`.
    first_output: u64,
    /// All reads have arrived and the device has not been told.
    arrived: bool,
    /// The device wants to be told when all writes are confirmed.
    awaits_writes: bool,
    /// The wake that is running: which reads it used, and whether it has to wait again.
    wake: u64,
    waits: bool,
}

/// A command of the server.
#[derive(Debug, Clone, Copy)]
struct Command {
    /// [`command`].
    command: u16,
    address: u64,
    count: usize,
    purpose: Purpose,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Part of a read of the device.
    Read {
        /// The read.
        key: Key,
        /// Tells it from an earlier read of the same bytes.
        serial: u64,
    },
    /// Part of a write of the device: its place among the outputs.
    Write(u64),
    /// The check that memory is shared.
    Probe,
    /// Nobody waits for it any more.
    Forgotten,
}

#[derive(Debug)]
struct Read {
    data: Vec<u8>,
    serial: u64,
    /// Parts not arrived yet.
    missing: usize,
    failed: bool,
    /// The last wake that used it.
    wake: u64,
}

#[derive(Debug)]
enum Output {
    Write {
        address: u64,
        count: usize,
        /// Parts not confirmed yet.
        missing: usize,
    },
    Trigger {
        index: u32,
        vector: u32,
    },
}

/// What there is to a read.
pub(crate) enum ReadState {
    /// The data has been copied.
    Ready,
    /// On its way.
    Pending,
    /// The client refused it.
    Failed,
    /// To be asked for, under this serial number.
    Unknown(u64),
    /// Too much is kept already.
    TooMuch,
}

/// What a reply turned out to answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing further to do.
    Done,
    /// A write: interrupts may be due.
    Written,
    /// A probe: whether it found nothing but zeros, unless the client refused.
    Probe { address: u64, zero: Option<bool> },
}

impl Messages {
    /// Looks a read up; copies it if it is there.
    pub(crate) fn read(&mut self, address: u64, data: &mut [u8]) -> ReadState {
        let key = (address, data.len());
        if let Some(read) = self.reads.get_mut(&key) {
            read.wake = self.wake;
            self.used.push(key);
            return if read.missing > 0 {
                ReadState::Pending
            } else if read.failed {
                ReadState::Failed
            } else {
                data.copy_from_slice(&read.data);
                ReadState::Ready
            };
        }
        if self.reads.len() >= MAX_READS || self.read_bytes + data.len() > MAX_READ_BYTES {
            return ReadState::TooMuch;
        }
        self.next_serial += 1;
        self.read_bytes += data.len();
        self.reads.insert(
            key,
            Read {
                data: vec![0; data.len()],
                serial: self.next_serial,
                missing: 0,
                failed: false,
                wake: self.wake,
            },
        );
        ReadState::Unknown(self.next_serial)
    }

    /// Registers a command and gives its id; `None` if too many are unanswered.
    pub(crate) fn command(
        &mut self,
        command: u16,
        address: u64,
        count: usize,
        purpose: Purpose,
    ) -> Option<u16> {
        if self.unanswered.len() >= MAX_UNANSWERED || self.outputs.len() > MAX_OUTPUTS {
            return None;
        }
        while self.unanswered.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        match purpose {
            Purpose::Read { key, .. } => {
                self.reading += 1;
                // Once more there is something to wait for.
                self.arrived = false;
                if let Some(read) = self.reads.get_mut(&key) {
                    read.missing += 1;
                }
            }
            Purpose::Write(_) => {
                if let Some(Output::Write { missing, .. }) = self.outputs.back_mut() {
                    *missing += 1;
                }
            }
            Purpose::Probe | Purpose::Forgotten => {}
        }
        self.unanswered.insert(id, Command { command, address, count, purpose });
        Some(id)
    }

    /// The device has to wait: the work item will be repeated, so what it used stays.
    pub(crate) fn pending(&mut self) {
        self.waits = true;
        self.used.clear();
    }

    /// The work item is done.
    pub(crate) fn end_of_work(&mut self) {
        for key in std::mem::take(&mut self.used) {
            self.drop_read(&key);
        }
    }

    /// All unfinished work is given up.
    pub(crate) fn forget_reads(&mut self) {
        self.used.clear();
        self.reads.clear();
        self.read_bytes = 0;
        self.arrived = false;
        self.reading = 0;
        for command in self.unanswered.values_mut() {
            if matches!(command.purpose, Purpose::Read { .. }) {
                command.purpose = Purpose::Forgotten;
            }
        }
    }

    fn drop_read(&mut self, key: &Key) {
        if let Some(read) = self.reads.remove(key) {
            self.read_bytes -= read.data.len();
        }
    }

    /// Queues a write that is sent in parts; gives its place for [`Purpose::Write`].
    pub(crate) fn write(&mut self, address: u64, count: usize) -> u64 {
        self.outputs.push_back(Output::Write { address, count, missing: 0 });
        // What was read there is out of date.
        self.drop_overlapping(address, address.saturating_add(count as u64));
        self.first_output + self.outputs.len() as u64 - 1
    }

    /// Queues an interrupt behind the writes, once behind each; false if there are none and it
    /// is due now.
    pub(crate) fn trigger(&mut self, index: u32, vector: u32) -> bool {
        if self.outputs.is_empty() {
            return false;
        }
        let mut behind_last = self.outputs.iter().rev().map_while(|output| match *output {
            Output::Trigger { index, vector } => Some((index, vector)),
            Output::Write { .. } => None,
        });
        if !behind_last.any(|waiting| waiting == (index, vector)) {
            self.outputs.push_back(Output::Trigger { index, vector });
        }
        true
    }

    /// The next interrupt that no write holds back.
    pub(crate) fn next_trigger(&mut self) -> Option<(u32, u32)> {
        loop {
            match self.outputs.front()? {
                Output::Write { missing, .. } if *missing > 0 => return None,
                Output::Write { .. } => {
                    self.outputs.pop_front();
                    self.first_output += 1;
                }
                &Output::Trigger { index, vector } => {
                    self.outputs.pop_front();
                    self.first_output += 1;
                    return Some((index, vector));
                }
            }
        }
    }

    /// Whether all writes are confirmed; if not, the device is woken when they are.
    #[inline]
    pub(crate) fn flushed(&mut self) -> bool {
        self.awaits_writes = !self.outputs.is_empty();
        !self.awaits_writes
    }

    /// Interrupts that were due have fired: if nothing is left, so is the device's waiting.
    pub(crate) fn landed(&mut self) {
        if self.awaits_writes && self.outputs.is_empty() {
            self.awaits_writes = false;
            self.arrived = true;
        }
    }

    /// The function is reset: no work is left and no interrupt of before may fire.
    pub(crate) fn reset(&mut self) {
        self.forget_reads();
        for output in &mut self.outputs {
            // In place: the others keep their numbers.
            if matches!(output, Output::Trigger { .. }) {
                *output = Output::Write { address: 0, count: 0, missing: 0 };
            }
        }
    }

    /// Memory is gone: reads of it fail, writes to it are nobody's business any more.
    pub(crate) fn unmap(&mut self, start: u64, end: u64) {
        let any = self.drop_overlapping(start, end);
        for output in &mut self.outputs {
            if let Output::Write { address, count, missing } = output
                && overlaps(*address, *count, start, end)
            {
                *missing = 0;
            }
        }
        self.arrived |= any;
    }

    /// Whether command `id` transfers part of this memory.
    pub(crate) fn touches(&self, id: u16, start: u64, end: u64) -> bool {
        self.unanswered
            .get(&id)
            .is_some_and(|command| overlaps(command.address, command.count, start, end))
    }

    /// A command is not sent after all.
    pub(crate) fn withdrawn(&mut self, id: u16) {
        if let Some(command) = self.unanswered.remove(&id)
            && matches!(command.purpose, Purpose::Read { .. })
        {
            self.reading -= 1;
            self.arrived |= self.reading == 0;
        }
    }

    /// Forgets reads of this memory; says whether one was under way.
    fn drop_overlapping(&mut self, start: u64, end: u64) -> bool {
        let mut under_way = false;
        let bytes = &mut self.read_bytes;
        self.reads.retain(|(address, count), read| {
            let keep = !overlaps(*address, *count, start, end);
            if !keep {
                under_way |= read.missing > 0;
                *bytes -= read.data.len();
            }
            keep
        });
        under_way
    }

    /// A reply has come.
    pub(crate) fn reply(
        &mut self,
        id: u16,
        to: u16,
        result: Result<&[u8], u32>,
    ) -> Result<Answer, ProtocolError> {
        let Some(sent) = self.unanswered.remove(&id) else {
            return Err(ProtocolError::UnexpectedReply { id, command: to });
        };
        let answer = match result {
            Err(errno) => {
                debug!(
                    "the client refused command {} at {:#x}+{:#x}: errno {errno}",
                    sent.command, sent.address, sent.count
                );
                None
            }
            Ok(payload) => {
                let bad = ProtocolError::BadReply {
                    id,
                    command: to,
                    size: (size_of::<Header>() + payload.len()) as u32,
                };
                let (transfer, data) =
                    DmaTransfer::read_from_prefix(payload).map_err(|_| bad.clone())?;
                let expected = if to == command::DMA_READ { sent.count } else { 0 };
                if to != sent.command
                    || transfer.address != sent.address
                    || transfer.count != sent.count as u64
                    || data.len() != expected
                {
                    return Err(bad);
                }
                Some(data)
            }
        };
        Ok(match sent.purpose {
            Purpose::Read { key, serial } => {
                self.reading -= 1;
                self.arrived |= self.reading == 0;
                if let Some(read) = self.reads.get_mut(&key)
                    && read.serial == serial
                {
                    read.missing -= 1;
                    let at = (sent.address - key.0) as usize;
                    match (answer, read.data.get_mut(at..at + sent.count)) {
                        (Some(data), Some(part)) => part.copy_from_slice(data),
                        _ => read.failed = true,
                    }
                }
                Answer::Done
            }
            Purpose::Write(number) => {
                let at = number.checked_sub(self.first_output);
                if let Some(at) = at.and_then(|at| usize::try_from(at).ok())
                    && let Some(Output::Write { missing, .. }) = self.outputs.get_mut(at)
                {
                    *missing = missing.saturating_sub(1);
                }
                Answer::Written
            }
            Purpose::Probe => Answer::Probe {
                address: sent.address,
                zero: answer.map(|data| data.iter().all(|byte| *byte == 0)),
            },
            Purpose::Forgotten => Answer::Done,
        })
    }

    /// Whether the device must be woken.
    pub(crate) fn has_arrived(&self) -> bool {
        self.arrived
    }

    /// The device is about to run.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.used.clear();
    }

    /// The device is about to repeat everything it had to leave.
    pub(crate) fn begin_wake(&mut self) {
        self.begin();
        self.arrived = false;
        self.waits = false;
        self.wake += 1;
    }

    /// It has: what it did not ask for again it has given up, and so has all else if it does
    /// not wait any more.
    pub(crate) fn end_wake(&mut self) {
        let (wake, waits) = (self.wake, self.waits);
        let bytes = &mut self.read_bytes;
        self.reads.retain(|_, read| {
            let keep = waits && read.wake == wake;
            if !keep {
                *bytes -= read.data.len();
            }
            keep
        });
    }

    /// How many commands are unanswered.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }
}

fn overlaps(address: u64, count: usize, start: u64, end: u64) -> bool {
    address < end && start < address.saturating_add(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    /// Reads a byte; asks for it if it is not known. Gives the id of the command.
    fn read(messages: &mut Messages, address: u64) -> (Option<u8>, Option<u16>) {
        let mut byte = [0];
        match messages.read(address, &mut byte) {
            ReadState::Ready => (Some(byte[0]), None),
            ReadState::Unknown(serial) => {
                let key = (address, 1);
                let purpose = Purpose::Read { key, serial };
                let id = messages.command(command::DMA_READ, address, 1, purpose);
                messages.pending();
                (None, id)
            }
            ReadState::Pending => {
                messages.pending();
                (None, None)
            }
            ReadState::Failed | ReadState::TooMuch => panic!("a fault"),
        }
    }

    fn answer(messages: &mut Messages, id: Option<u16>, address: u64, byte: u8) {
        let mut payload = DmaTransfer { address, count: 1 }.as_bytes().to_vec();
        payload.push(byte);
        let answer = messages.reply(id.unwrap(), command::DMA_READ, Ok(&payload));
        assert_eq!(answer, Ok(Answer::Done));
    }

    #[test]
    fn the_end_of_one_item_keeps_what_others_have_read() {
        let mut messages = Messages::default();
        // One item waits for its second read, another for its only one.
        let (_, first) = read(&mut messages, 1);
        let (_, other) = read(&mut messages, 2);
        answer(&mut messages, first, 1, 11);
        assert!(!messages.has_arrived());
        answer(&mut messages, other, 2, 22);
        assert!(messages.has_arrived());
        messages.begin_wake();
        assert_eq!(read(&mut messages, 1).0, Some(11));
        let (_, second) = read(&mut messages, 3);
        assert_eq!(read(&mut messages, 2).0, Some(22));
        messages.end_of_work();
        messages.end_wake();
        // Read afresh, while the first item goes on where it was.
        messages.begin();
        let (known, again) = read(&mut messages, 2);
        assert_eq!(known, None);
        answer(&mut messages, second, 3, 33);
        answer(&mut messages, again, 2, 23);
        messages.begin_wake();
        assert_eq!(read(&mut messages, 1).0, Some(11));
        assert_eq!(read(&mut messages, 3).0, Some(33));
        messages.end_of_work();
        assert_eq!(read(&mut messages, 2).0, Some(23));
        messages.end_of_work();
        messages.end_wake();
        assert_eq!((messages.reads.len(), messages.read_bytes), (0, 0));
    }

    #[test]
    fn a_wake_drops_what_nobody_asks_for_again() {
        let mut messages = Messages::default();
        let (_, given_up) = read(&mut messages, 1);
        let (_, wanted) = read(&mut messages, 2);
        answer(&mut messages, given_up, 1, 11);
        answer(&mut messages, wanted, 2, 22);
        messages.begin_wake();
        assert_eq!(read(&mut messages, 2).0, Some(22));
        let (_, more) = read(&mut messages, 3);
        messages.end_wake();
        assert_eq!(messages.reads.len(), 2);
        answer(&mut messages, more, 3, 33);
        // Done without a word.
        messages.begin_wake();
        assert_eq!(read(&mut messages, 2).0, Some(22));
        assert_eq!(read(&mut messages, 3).0, Some(33));
        messages.end_wake();
        assert_eq!((messages.reads.len(), messages.read_bytes), (0, 0));
    }

    #[test]
    fn a_write_outdates_what_was_read() {
        let mut messages = Messages::default();
        let (_, id) = read(&mut messages, 5);
        let (_, late) = read(&mut messages, 6);
        answer(&mut messages, id, 5, 55);
        messages.write(4, 3);
        assert_eq!(messages.read_bytes, 0);
        answer(&mut messages, late, 6, 66);
        assert!(messages.has_arrived());
        let (known, id) = read(&mut messages, 6);
        assert_eq!(known, None);
        assert!(id.is_some());
    }

    #[test]
    fn reads_are_bounded() {
        let mut messages = Messages::default();
        let mut data = vec![0; MAX_READ_BYTES / 2 + 1];
        assert!(matches!(messages.read(0, &mut data), ReadState::Unknown(_)));
        assert!(matches!(messages.read(1, &mut data), ReadState::TooMuch));
        messages.forget_reads();
        for address in 0..MAX_READS as u64 {
            assert!(matches!(messages.read(address, &mut [0]), ReadState::Unknown(_)));
        }
        assert!(matches!(messages.read(u64::MAX, &mut [0]), ReadState::TooMuch));
    }

    #[test]
    fn interrupts_behind_a_write_wait_once() {
        let mut messages = Messages::default();
        let write = |messages: &mut Messages| {
            let number = messages.write(0, 1);
            messages.command(command::DMA_WRITE, 0, 1, Purpose::Write(number))
        };
        let confirm = |messages: &mut Messages, id: Option<u16>| {
            let payload = DmaTransfer { address: 0, count: 1 };
            messages.reply(id.unwrap(), command::DMA_WRITE, Ok(payload.as_bytes())).unwrap();
        };
        let first = write(&mut messages);
        for _ in 0..1000 {
            assert!(messages.trigger(2, 0) && messages.trigger(2, 1));
        }
        let second = write(&mut messages);
        assert!(messages.trigger(2, 1));
        assert_eq!(messages.outputs.len(), 5);
        confirm(&mut messages, second);
        assert_eq!(messages.next_trigger(), None);
        confirm(&mut messages, first);
        let fired: Vec<_> = std::iter::from_fn(|| messages.next_trigger()).collect();
        assert_eq!(fired, [(2, 0), (2, 1), (2, 1)]);
    }

    /// A client that confirms every write but the first.
    #[test]
    fn writes_behind_an_unconfirmed_one_are_bounded() {
        let mut messages = Messages::default();
        for at in 0..MAX_OUTPUTS {
            let number = messages.write(0, 1);
            let Some(id) = messages.command(command::DMA_WRITE, 0, 1, Purpose::Write(number))
            else {
                panic!("refused after {at}")
            };
            if at > 0 {
                let payload = DmaTransfer { address: 0, count: 1 };
                messages.reply(id, command::DMA_WRITE, Ok(payload.as_bytes())).unwrap();
            }
        }
        let number = messages.write(0, 1);
        assert_eq!(messages.command(command::DMA_WRITE, 0, 1, Purpose::Write(number)), None);
    }

    #[test]
    fn message_ids_in_use_are_left_out() {
        let mut messages = Messages::default();
        let kept = messages.command(command::DMA_READ, 0, 1, Purpose::Probe).unwrap();
        for _ in 0..=u16::MAX {
            let id = messages.command(command::DMA_READ, 0, 1, Purpose::Probe).unwrap();
            assert_ne!(id, kept);
            messages.withdrawn(id);
        }
        for _ in 1..MAX_UNANSWERED {
            assert!(messages.command(command::DMA_READ, 0, 1, Purpose::Probe).is_some());
        }
        assert_eq!(messages.command(command::DMA_READ, 0, 1, Purpose::Probe), None);
    }
}
