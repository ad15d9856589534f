//! A guest's memory: a file in RAM that the bench, QEMU and the cards share.
//!
//! The bench makes it, not QEMU, so that a snapshot's content can go in while QEMU is still
//! starting, and come out without a detour through QEMU's migration stream.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::thread;

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek, sendfile};

/// What is looked at for being all zeros: a page, as file systems make their holes.
const PAGE: usize = 4096;
/// What is read at once.
const CHUNK: usize = 1 << 20;

/// The memory of one guest.
#[derive(Debug)]
pub struct Memory {
    file: File,
    bytes: u64,
}

impl Memory {
    /// So many bytes, all zero; they take up space once they are written.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn new(bytes: u64) -> io::Result<Memory> {
        let file = File::from(memfd_create("guest-memory", MemfdFlags::CLOEXEC)?);
        file.set_len(bytes)?;
        Ok(Memory { file, bytes })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, for QEMU.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Takes the content that [`Memory::save`] wrote.
    ///
    /// # Errors
    /// It cannot be read, or there is no memory for it.
    pub fn fill(&self, from: &File) -> io::Result<()> {
        let runs = self.runs(from)?;
        let bytes: u64 = runs.iter().map(|run| run.end - run.start).sum();
        // Two at once, each with one half: the guest waits for it.
        let (mut first, mut second, mut left) = (Vec::new(), Vec::new(), bytes / 2);
        for run in runs {
            let middle = run.start + left.min(run.end - run.start);
            left -= middle - run.start;
            first.extend((middle > run.start).then_some(run.start..middle));
            second.extend((run.end > middle).then_some(middle..run.end));
        }
        thread::scope(|scope| {
            let other = scope.spawn(|| self.copy(from, &second));
            self.copy(from, &first)?;
            other.join().unwrap_or_else(|_| Err(io::Error::other("panicked")))
        })
    }

    /// Where a saved file has content, in order.
    fn runs(&self, from: &File) -> io::Result<Vec<Range<u64>>> {
        let (mut runs, mut at) = (Vec::new(), 0);
        while at < self.bytes {
            let start = match seek(from, SeekFrom::Data(at)) {
                Ok(start) => start.min(self.bytes),
                // Only a hole is left.
                Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            at = seek(from, SeekFrom::Hole(start))?.min(self.bytes);
            runs.push(start..at);
        }
        Ok(runs)
    }

    fn copy(&self, from: &File, runs: &[Range<u64>]) -> io::Result<()> {
        // A descriptor with a position of its own.
        let to =
            File::options().write(true).open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        for run in runs {
            seek(&to, SeekFrom::Start(run.start))?;
            let mut offset = run.start;
            while offset < run.end {
                let wanted = usize::try_from(run.end - offset).unwrap_or(usize::MAX);
                // In the kernel, page by page: half the time of a buffer's way through here.
                if sendfile(&to, from, Some(&mut offset), wanted)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }

    /// Writes the content to the start of a file; pages of zeros become holes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, to: &File) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        for start in (0..self.bytes).step_by(CHUNK) {
            let length = CHUNK.min(usize::try_from(self.bytes - start).unwrap_or(CHUNK));
            self.file.read_exact_at(&mut buffer[..length], start)?;
            let mut at = 0;
            for run in buffer[..length]
                .chunks(PAGE)
                .collect::<Vec<_>>()
                .chunk_by(|a, b| zero(a) == zero(b))
            {
                let bytes = run.iter().map(|page| page.len()).sum::<usize>();
                if !zero(run[0]) {
                    to.write_all_at(&buffer[at..at + bytes], start + at as u64)?;
                }
                at += bytes;
            }
        }
        Ok(())
    }
}

fn zero(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back_and_zeros_take_no_space() {
        use std::os::unix::fs::MetadataExt;
        let size = 5 * CHUNK as u64 + PAGE as u64;
        let memory = Memory::new(size).expect("memory");
        let places = [0, PAGE as u64 + 5, CHUNK as u64 - 3, size - 1];
        for (n, at) in (1..).zip(places) {
            memory.file.write_all_at(&[n; 1], at).expect("written");
        }
        let saved = tempfile::tempfile().expect("a file");
        memory.save(&saved).expect("saved");
        // What QEMU writes after it.
        saved.write_all_at(b"state", size).expect("written");
        assert!(saved.metadata().expect("there").blocks() * 512 < 10 * PAGE as u64);
        let again = Memory::new(size).expect("memory");
        again.fill(&saved).expect("filled");
        let read = |memory: &Memory| {
            let mut bytes = vec![0; usize::try_from(size).expect("small")];
            memory.file.read_exact_at(&mut bytes, 0).expect("read");
            bytes
        };
        assert!(read(&memory) == read(&again), "the same bytes");
        assert_eq!(again.file.metadata().expect("there").len(), size, "and not one more");
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_or_zeros() {
        let memory = Memory::new(CHUNK as u64).expect("memory");
        let short = tempfile::tempfile().expect("a file");
        memory.fill(&short).expect("nothing but a hole");
        short.write_all_at(b"x", 0).expect("written");
        memory.fill(&short).expect("its length is the snapshot's to check");
    }
}
