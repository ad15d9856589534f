//! Events of the guest's kernel as the agent sends them, kept until a file can be made of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use guest_protocol::{Hello, TracePart};

use crate::record::files;
use crate::record::rundir::{RunDir, write_whole};
use crate::record::tracedat::{PAGE, TraceDat};

/// Of pages so many bytes are kept.
pub const MOST: u64 = 64 << 20;
/// Of what describes events so many. All of a distribution's kernel take 2 MB.
const MOST_ABOUT: usize = 16 << 20;
/// More CPUs than a guest has.
const CPUS: u32 = 64;
/// What the agent sets.
const CLOCK: &str = "mono";

/// What a guest has sent so far.
#[derive(Debug, Default)]
pub struct Trace {
    files: BTreeMap<String, Vec<u8>>,
    about: usize,
    cpus: Vec<BufWriter<File>>,
    bytes: u64,
    /// The guest has sent more than is kept.
    over: bool,
    /// What could not be written.
    error: Option<io::Error>,
}

impl Trace {
    /// Takes in a part.
    ///
    /// # Errors
    /// It is none.
    pub fn take(&mut self, part: TracePart) -> Result<(), String> {
        let (TracePart::File { data, .. } | TracePart::Page { data, .. }) = &part;
        let data = BASE64.decode(data).map_err(|error| format!("a part of the trace: {error}"))?;
        match part {
            TracePart::File { path, first, .. } => self.file(path, first, &data),
            TracePart::Page { cpu, .. } if cpu >= CPUS => {
                return Err(format!("a part of the trace of CPU {cpu}"));
            }
            TracePart::Page { .. } if data.len() > PAGE => {
                return Err(format!("a page of the trace with {} bytes", data.len()));
            }
            TracePart::Page { cpu, .. } => {
                if let Err(error) = self.page(cpu as usize, data) {
                    self.error.get_or_insert(error);
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, first: bool, data: &[u8]) {
        // A path counts too: there may be many empty files.
        self.about += data.len() + path.len();
        if self.about > MOST_ABOUT {
            self.over = true;
            return;
        }
        let file = self.files.entry(path).or_default();
        if first {
            file.clear();
        }
        file.extend(data);
    }

    fn page(&mut self, cpu: usize, mut data: Vec<u8>) -> io::Result<()> {
        self.bytes += PAGE as u64;
        if self.bytes > MOST {
            self.over = true;
            return Ok(());
        }
        while self.cpus.len() <= cpu {
            self.cpus.push(BufWriter::new(tempfile::tempfile()?));
        }
        data.resize(PAGE, 0);
        self.cpus[cpu].write_all(&data)
    }

    /// Makes the file. A run whose events there is no room for has its verdict all the same.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(self, dir: &RunDir, hello: Option<&Hello>) -> anyhow::Result<()> {
        let path = dir.path().join(files::TRACE_DAT);
        if let Some(error) = self.error {
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
        let cpus = self.cpus.into_iter().map(|cpu| Ok(cpu.into_inner()?));
        let cpus = cpus.collect::<io::Result<Vec<File>>>()?;
        let uname =
            |hello: &Hello| format!("Linux {} {}", hello.kernel_release, hello.kernel_version);
        let uname = hello.map(uname).unwrap_or_default();
        let mut trace = TraceDat { files: self.files, clock: CLOCK.to_owned(), uname, cpus };
        write_whole(&path, |out| trace.write(out).map(drop))
    }

    /// Whether it is not all that the guest has sent.
    pub fn is_cut(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cpu: u32, bytes: usize) -> TracePart {
        TracePart::Page { cpu, data: BASE64.encode(vec![1; bytes]) }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        let mut trace = Trace::default();
        trace.take(page(1, PAGE)).expect("a page");
        assert_eq!(trace.cpus.len(), 2);
        for bad in [
            page(CPUS, 1),
            page(0, PAGE + 1),
            TracePart::Page { cpu: 0, data: "?".to_owned() },
            TracePart::File { path: "x".to_owned(), first: true, data: "=".to_owned() },
        ] {
            assert!(trace.take(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_is_told_again_is_told_anew() {
        let mut trace = Trace::default();
        for (first, data) in [(true, "a"), (false, "b"), (true, "c"), (false, "d")] {
            let (path, data) = ("saved_cmdlines".to_owned(), BASE64.encode(data));
            trace.take(TracePart::File { path, first, data }).expect("a part");
        }
        assert_eq!(trace.files["saved_cmdlines"], b"cd");
    }

    #[test]
    fn no_guest_fills_memory_or_disk() {
        let mut trace = Trace::default();
        let file = |n: usize| {
            let data = BASE64.encode(vec![1; 1 << 20]);
            TracePart::File { path: n.to_string(), first: true, data }
        };
        (0..20).for_each(|n| trace.take(file(n)).expect("a part"));
        assert_eq!(trace.files.len(), 15);
        assert!(trace.is_cut());
        let mut trace = Trace { bytes: MOST - PAGE as u64, ..Trace::default() };
        (0..3).for_each(|_| trace.take(page(0, PAGE)).expect("a page"));
        assert!(trace.is_cut());
        let dir = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_in(dir.path(), "run").expect("made");
        trace.write(&dir, None).expect("written");
        let file = std::fs::read(dir.path().join(files::TRACE_DAT)).expect("there");
        assert_eq!(file.len() / PAGE, 2, "the head's and the one that had room");
    }
}
