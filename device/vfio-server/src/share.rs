//! Is the memory that the client shares the memory that the guest uses?
//!
//! With `memory-backend-memfd,share=off` QEMU sends the descriptor of its memory file, but
//! works on a private copy: the file shows zeros for ever. So some pages are read by message
//! and compared. The verdict never rests on a moment: the memory counts as not shared only
//! if twice in a row the client read something else than zeros, while the mapping showed
//! zeros before and after, in all pages looked at. One byte that is not zero in the mapping
//! proves the opposite.

use crate::{dma::DmaTable, protocol::DmaAccess};

/// Bytes compared at a place.
pub(crate) const PAGE: usize = 4096;

/// Where a PC's memory is not all zeros once a driver runs: what the firmware keeps below
/// 1 MiB, and where kernels lie.
const PLACES: [u64; 8] =
    [0, 0x1000, 0x9_0000, 0x10_0000, 0x20_0000, 0x40_0000, 0x100_0000, 0x200_0000];

/// How often to try while all is zero on both sides.
const MAX_TRIES: u32 = 8;

/// What is known so far.
#[derive(Debug)]
pub(crate) enum ShareCheck {
    /// Nothing yet.
    Unknown {
        /// Tries without result.
        tries: u32,
    },
    /// Pages have been asked for.
    Asked(Round),
    /// It is shared, or there is no finding out.
    Over,
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    places: Vec<u64>,
    /// Not answered yet.
    missing: usize,
    /// A page that the client sees something in.
    suspect: Option<u64>,
    /// The round before had one as well.
    confirms: bool,
    tries: u32,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Wait,
    /// Ask for these pages.
    Ask(Vec<u64>),
    /// It is not shared; this page differs.
    NotShared(u64),
}

impl Default for ShareCheck {
    fn default() -> Self {
        Self::Unknown { tries: 0 }
    }
}

impl ShareCheck {
    /// The device has begun to use memory, or has just read zeros at `hint`.
    pub(crate) fn begin(&mut self, memory: &DmaTable, hint: Option<u64>) -> Next {
        let Self::Unknown { tries } = *self else {
            return Next::Wait;
        };
        let hint = hint.map(|address| address & !(PAGE as u64 - 1));
        let places: Vec<u64> = PLACES
            .into_iter()
            .chain(hint.filter(|hint| !PLACES.contains(hint)))
            .filter(|place| is_zero(memory, *place).is_some())
            .collect();
        if places.is_empty() {
            return Next::Wait;
        }
        self.ask(
            memory,
            Round {
                missing: places.len(),
                places,
                suspect: None,
                confirms: false,
                tries: tries + 1,
            },
        )
    }

    fn ask(&mut self, memory: &DmaTable, round: Round) -> Next {
        if round.shows_data(memory) {
            *self = Self::Over;
            return Next::Wait;
        }
        let places = round.places.clone();
        *self = Self::Asked(round);
        Next::Ask(places)
    }

    /// The client's view of a page has come; `None` if it refused.
    pub(crate) fn answer(&mut self, memory: &DmaTable, place: u64, zero: Option<bool>) -> Next {
        let Self::Asked(round) = self else {
            return Next::Wait;
        };
        round.missing = round.missing.saturating_sub(1);
        if zero == Some(false) {
            round.suspect = Some(place);
        }
        if round.missing > 0 {
            return Next::Wait;
        }
        let mut round = round.clone();
        if round.is_gone(memory) {
            round.suspect = None;
        }
        if round.shows_data(memory) {
            *self = Self::Over;
            return Next::Wait;
        }
        match round.suspect {
            Some(place) if round.confirms => {
                *self = Self::Over;
                Next::NotShared(place)
            }
            Some(_) => self.ask(
                memory,
                Round { missing: round.places.len(), suspect: None, confirms: true, ..round },
            ),
            None if round.tries < MAX_TRIES => {
                *self = Self::Unknown { tries: round.tries };
                Next::Wait
            }
            None => {
                *self = Self::Over;
                Next::Wait
            }
        }
    }

    /// Whether zeros that the device reads are of interest.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

impl Round {
    /// Whether the mapping shows anything but zeros: then it is shared.
    fn shows_data(&self, memory: &DmaTable) -> bool {
        self.places.iter().any(|place| is_zero(memory, *place) == Some(false))
    }

    /// Whether a page has been unmapped: then there is nothing to compare with.
    fn is_gone(&self, memory: &DmaTable) -> bool {
        self.places.iter().any(|place| is_zero(memory, *place).is_none())
    }
}

/// Whether a mapped page is all zeros; `None` if it is not mapped, or not for reading.
fn is_zero(memory: &DmaTable, place: u64) -> Option<bool> {
    let (range, offset, left) = memory.find(place)?;
    if left < PAGE as u64 || !range.allows(DmaAccess::READ) {
        return None;
    }
    let mut page = [0; PAGE];
    range.mapping()?.read(offset, &mut page).then(|| page.iter().all(|byte| *byte == 0))
}
