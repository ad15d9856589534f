//! Device memory that the driver reads word after word, as it does that dumps a card which failed:
//! hundreds of thousands of them, each an access of its own.

use crate::event::CardEvent;

/// Words of a run that are told each by itself: more than any table has that a driver looks into.
const EACH: u32 = 64;
/// Further words that are told at once, so that whoever watches sees the card at work.
const AT_ONCE: u32 = 4096;

/// Reads by `HBUS_TARG_MEM_RDAT`, one behind the other and nothing between.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    /// Where the last one was.
    last: Option<u32>,
    /// So many were told each by itself.
    each: u32,
    /// So many were not told yet.
    untold: u32,
}

impl Dump {
    /// A word is read. Says whether it is told by itself, and what is to be told before it.
    pub(crate) fn read(&mut self, address: u32) -> (bool, Option<CardEvent>) {
        let over = match self.last {
            Some(last) if last.wrapping_add(4) != address => self.end(),
            _ if self.untold == AT_ONCE => self.tell(),
            _ => None,
        };
        self.last = Some(address);
        let each = self.each < EACH;
        *if each { &mut self.each } else { &mut self.untold } += 1;
        (each, over)
    }

    /// The driver does something else.
    pub(crate) fn end(&mut self) -> Option<CardEvent> {
        let told = self.tell();
        *self = Self::default();
        told
    }

    fn tell(&mut self) -> Option<CardEvent> {
        let words = std::mem::take(&mut self.untold);
        let last = self.last.filter(|_| words > 0)?;
        let addr = last.wrapping_sub(4 * (words - 1));
        Some(CardEvent::MemRead { addr, len: 4 * words })
    }
}
