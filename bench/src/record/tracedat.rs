//! `trace.dat`: events of the guest's kernel, for trace-cmd(1), KernelShark and their like.
//!
//! Source: trace-cmd.dat.v6(5), and of trace-cmd's `trace-output.c` what that leaves out: the options'
//! numbers, and the clock behind the table of CPUs. Left out: `/proc/kallsyms`, so that an event which
//! prints a function has its address.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};

/// Of an x86-64 guest, and of a part of the file that a CPU has.
pub const PAGE: usize = 4096;

const MAGIC: &[u8] = b"\x17\x08\x44tracing6\0";
/// Little-endian, longs of eight bytes.
const ENDIAN_AND_LONG: [u8; 2] = [0, 8];
const OPTIONS: &[u8] = b"options  \0";
const CPU_DATA: &[u8] = b"flyrecord\0";
/// `enum tracecmd_option`.
const OPTION_DONE: u16 = 0;
const OPTION_CPUSTAT: u16 = 2;
const OPTION_TRACECLOCK: u16 = 4;
const OPTION_UNAME: u16 = 5;

/// What such a file is made of.
#[derive(Debug, Default)]
pub struct TraceDat<R> {
    /// Files of tracefs by their paths below it: `events/…`, `saved_cmdlines`, `per_cpu/cpuN/stats`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The clock, as the kernel calls it.
    pub clock: String,
    /// As uname(1) has it.
    pub uname: String,
    /// Each CPU's pages, by its number.
    pub cpus: Vec<R>,
}

impl<R: Read + Seek> TraceDat<R> {
    /// Writes it; says how many bytes.
    ///
    /// # Errors
    /// It cannot be written, or a CPU's pages not be read.
    pub fn write(&mut self, out: &mut dyn Write) -> io::Result<u64> {
        let mut head = self.head();
        let sizes = self.cpus.iter_mut().map(|cpu| {
            let size = cpu.seek(io::SeekFrom::End(0))?;
            cpu.rewind()?;
            Ok(size)
        });
        let sizes = sizes.collect::<io::Result<Vec<_>>>()?;
        // The clock is behind the table, which is 16 bytes for each CPU.
        let clock = format!("[{}]", self.clock);
        let mut at = page_aligned((head.len() + 16 * sizes.len() + 8 + clock.len()) as u64);
        let first = at;
        for size in &sizes {
            head.extend(at.to_le_bytes());
            head.extend(size.to_le_bytes());
            at += page_aligned(*size);
        }
        sized(&mut head, clock.as_bytes());
        head.resize(usize::try_from(first).unwrap_or(usize::MAX), 0);
        out.write_all(&head)?;
        for (cpu, size) in self.cpus.iter_mut().zip(sizes) {
            io::copy(&mut cpu.take(size), out)?;
            io::copy(&mut io::repeat(0).take(page_aligned(size) - size), out)?;
        }
        Ok(at)
    }

    /// All before the table of CPUs.
    fn head(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend(ENDIAN_AND_LONG);
        head.extend((PAGE as u32).to_le_bytes());
        for name in ["header_page", "header_event"] {
            head.extend(name.as_bytes());
            head.push(0);
            sized(&mut head, self.file(&format!("events/{name}")));
        }
        let mut systems = self.formats();
        let own = systems.remove("ftrace").unwrap_or_default();
        formats(&mut head, &own);
        head.extend(number(systems.len()).to_le_bytes());
        for (system, events) in &systems {
            head.extend(system.as_bytes());
            head.push(0);
            formats(&mut head, events);
        }
        // Neither addresses of functions nor formats of trace_printk().
        head.extend([0; 4 + 4]);
        sized(&mut head, self.file("saved_cmdlines"));
        head.extend(number(self.cpus.len()).to_le_bytes());
        head.extend(OPTIONS);
        option(&mut head, OPTION_TRACECLOCK, b"");
        option(&mut head, OPTION_UNAME, format!("{}\0", self.uname).as_bytes());
        for cpu in 0..self.cpus.len() {
            let stats = String::from_utf8_lossy(self.file(&format!("per_cpu/cpu{cpu}/stats")));
            option(&mut head, OPTION_CPUSTAT, format!("CPU: {cpu}\n{stats}\0").as_bytes());
        }
        head.extend(OPTION_DONE.to_le_bytes());
        head.extend(CPU_DATA);
        head
    }

    fn file(&self, path: &str) -> &[u8] {
        self.files.get(path).map_or(&[], Vec::as_slice)
    }

    /// The events' descriptions, by their systems.
    fn formats(&self) -> BTreeMap<&str, Vec<&[u8]>> {
        let mut systems: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (path, content) in &self.files {
            let event = path.strip_prefix("events/").and_then(|path| path.strip_suffix("/format"));
            if let Some((system, _)) = event.and_then(|event| event.split_once('/')) {
                systems.entry(system).or_default().push(content.as_slice());
            }
        }
        systems
    }
}

fn page_aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE as u64)
}

/// A count of what is in memory.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn sized(out: &mut Vec<u8>, content: &[u8]) {
    out.extend((content.len() as u64).to_le_bytes());
    out.extend(content);
}

fn formats(out: &mut Vec<u8>, events: &[&[u8]]) {
    out.extend(number(events.len()).to_le_bytes());
    events.iter().for_each(|event| sized(out, event));
}

fn option(out: &mut Vec<u8>, option: u16, content: &[u8]) {
    out.extend(option.to_le_bytes());
    out.extend(number(content.len()).to_le_bytes());
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// What is left of a file, as a reader takes it.
    struct Left<'f>(&'f [u8]);

    impl<'f> Left<'f> {
        fn take(&mut self, length: usize) -> &'f [u8] {
            let (taken, rest) = self.0.split_at(length);
            self.0 = rest;
            taken
        }
        fn u16(&mut self) -> u16 {
            u16::from_le_bytes(self.take(2).try_into().expect("two"))
        }
        fn u32(&mut self) -> u32 {
            u32::from_le_bytes(self.take(4).try_into().expect("four"))
        }
        fn u64(&mut self) -> u64 {
            u64::from_le_bytes(self.take(8).try_into().expect("eight"))
        }
        fn sized(&mut self) -> &'f [u8] {
            let size = self.u64();
            self.take(size as usize)
        }
        fn string(&mut self) -> &'f [u8] {
            let end = self.0.iter().position(|byte| *byte == 0).expect("an end");
            let string = self.take(end);
            self.take(1);
            string
        }
    }

    /// The file, read again as the format's description has it.
    #[test]
    fn it_is_as_its_description_has_it() {
        let file = |path: &str| (path.to_owned(), path.as_bytes().to_vec());
        let files = [
            "events/header_page",
            "events/header_event",
            "events/ftrace/print/format",
            "events/iwlwifi/tx/format",
            "events/iwlwifi_io/read/format",
            "events/iwlwifi_io/write/format",
            "saved_cmdlines",
            "per_cpu/cpu1/stats",
        ];
        let page = |byte: u8| vec![byte; PAGE];
        let mut trace = TraceDat {
            files: files.into_iter().map(file).collect(),
            clock: "mono".to_owned(),
            uname: "Linux 7.3".to_owned(),
            cpus: [[page(1), page(2)].concat(), Vec::new(), page(3)].map(Cursor::new).into(),
        };
        let mut written = Vec::new();
        assert_eq!(trace.write(&mut written).expect("written"), written.len() as u64);
        let mut left = Left(&written);
        assert_eq!(left.take(10), b"\x17\x08\x44tracing");
        assert_eq!((left.string(), left.take(2), left.u32()), (&b"6"[..], &[0, 8][..], 4096));
        assert_eq!(
            (left.string(), left.sized()),
            (&b"header_page"[..], &b"events/header_page"[..])
        );
        assert_eq!(left.string(), b"header_event");
        assert_eq!(left.sized(), b"events/header_event");
        assert_eq!((left.u32(), left.sized()), (1, &b"events/ftrace/print/format"[..]));
        assert_eq!(left.u32(), 2);
        assert_eq!((left.string(), left.u32()), (&b"iwlwifi"[..], 1));
        assert_eq!(left.sized(), b"events/iwlwifi/tx/format");
        assert_eq!((left.string(), left.u32()), (&b"iwlwifi_io"[..], 2));
        assert_eq!(left.sized(), b"events/iwlwifi_io/read/format");
        assert_eq!(left.sized(), b"events/iwlwifi_io/write/format");
        assert_eq!((left.u32(), left.u32()), (0, 0));
        assert_eq!((left.sized(), left.u32()), (&b"saved_cmdlines"[..], 3));
        assert_eq!(left.take(10), b"options  \0");
        let mut options = Vec::new();
        loop {
            let option = left.u16();
            if option == OPTION_DONE {
                break;
            }
            let size = left.u32();
            options.push((option, left.take(size as usize)));
        }
        assert_eq!(options[..2], [(4, &b""[..]), (5, b"Linux 7.3\0")]);
        assert_eq!(options[3], (2, &b"CPU: 1\nper_cpu/cpu1/stats\0"[..]));
        assert_eq!((left.take(10), options.len()), (&b"flyrecord\0"[..], 5));
        let table: Vec<_> = (0..3).map(|_| (left.u64() as usize, left.u64() as usize)).collect();
        assert_eq!(left.sized(), b"[mono]");
        for ((at, size), want) in table.into_iter().zip([2 * PAGE, 0, PAGE]) {
            assert_eq!((size, at % PAGE), (want, 0));
            assert!(at >= written.len() - left.0.len(), "the table lies in a CPU's pages");
        }
        assert_eq!(written[written.len() - 3 * PAGE..], [page(1), page(2), page(3)].concat());
    }
}
