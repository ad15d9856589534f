//! Sparse device memory: periphery registers and SRAM.

use std::collections::HashMap;

const PAGE: usize = 4096;
const PAGE_MASK: u32 = PAGE as u32 - 1;

/// The address space is larger than the card's memory, and there is no more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Bytes at 32-bit addresses, zero until written; only so many pages of them.
pub(crate) struct SparseMemory {
    pages: HashMap<u32, Box<[u8; PAGE]>>,
    limit: usize,
}

impl SparseMemory {
    /// Memory of at most `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { pages: HashMap::new(), limit: bytes.div_ceil(PAGE) }
    }

    /// The word at an address; its low two bits do not count.
    pub(crate) fn read_word(&self, address: u32) -> u32 {
        let at = (address & PAGE_MASK & !3) as usize;
        self.pages
            .get(&(address & !PAGE_MASK))
            .and_then(|page| page[at..].first_chunk())
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Sets the word at an address; its low two bits do not count.
    pub(crate) fn write_word(&mut self, address: u32, value: u32) -> Result<(), Full> {
        self.write(address & !3, &value.to_le_bytes())
    }

    /// Copies `data` to an address, around the end of the space if need be.
    pub(crate) fn write(&mut self, address: u32, data: &[u8]) -> Result<(), Full> {
        let mut at = address;
        let mut rest = data;
        while !rest.is_empty() {
            let offset = (at & PAGE_MASK) as usize;
            let (chunk, later) = rest.split_at(rest.len().min(PAGE - offset));
            let base = at & !PAGE_MASK;
            if !self.pages.contains_key(&base) && self.pages.len() >= self.limit {
                return Err(Full);
            }
            let page = self.pages.entry(base).or_insert_with(|| Box::new([0; PAGE]));
            page[offset..][..chunk.len()].copy_from_slice(chunk);
            // The chunk ends at most at the page's end.
            at = base.wrapping_add((offset + chunk.len()) as u32);
            rest = later;
        }
        Ok(())
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }
}

impl std::fmt::Debug for SparseMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SparseMemory").field("pages", &self.pages.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_runs_meet() {
        let mut memory = SparseMemory::new(2 * PAGE);
        assert_eq!(memory.write(PAGE as u32 - 2, &[1, 2, 3, 4]), Ok(()));
        assert_eq!(memory.read_word(PAGE as u32 - 4), 0x0201_0000);
        assert_eq!(memory.read_word(PAGE as u32), 0x0000_0403);
        assert_eq!(memory.write_word(u32::MAX, 5), Err(Full));
        assert_eq!(memory.read_word(u32::MAX), 0);
    }

    #[test]
    fn the_space_wraps() {
        let mut memory = SparseMemory::new(2 * PAGE);
        assert_eq!(memory.write(u32::MAX - 1, &[1, 2, 3, 4]), Ok(()));
        assert_eq!(memory.read_word(0), 0x0403);
    }
}
