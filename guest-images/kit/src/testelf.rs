//! ELF files for tests: just enough for a reader to find what it looks for.

/// Little-endian words, widths in bytes.
fn words(words: &[(u64, usize)]) -> Vec<u8> {
    words.iter().flat_map(|(value, width)| value.to_le_bytes()[..*width].to_vec()).collect()
}

fn header(kind: u64, machine: u64, phnum: u64, shoff: u64, shnum: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(words(&[(kind, 2), (machine, 2), (1, 4), (0, 8)]));
    bytes.extend(words(&[(if phnum > 0 { 64 } else { 0 }, 8), (shoff, 8), (0, 4), (64, 2)]));
    bytes.extend(words(&[(56, 2), (phnum, 2), (64, 2), (shnum, 2)]));
    bytes.extend(words(&[(shnum.saturating_sub(1), 2)]));
    bytes
}

/// A program or library: its loader and its DT_NEEDED.
pub(crate) fn program(interpreter: Option<&str>, needed: &[&str]) -> Vec<u8> {
    let mut strings = vec![0];
    let mut dynamic = Vec::new();
    for name in needed {
        dynamic.extend(words(&[(1, 8), (strings.len() as u64, 8)]));
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let interpreter = interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
    let phnum = 2 + u64::from(!interpreter.is_empty());
    let interpreter_at = 64 + 56 * phnum;
    let strings_at = interpreter_at + interpreter.len() as u64;
    let dynamic_at = strings_at + strings.len() as u64;
    dynamic.extend(words(&[(5, 8), (strings_at, 8), (10, 8), (strings.len() as u64, 8)]));
    dynamic.extend(words(&[(0, 8), (0, 8)]));
    let end = dynamic_at + dynamic.len() as u64;

    let segment = |kind: u64, at: u64, size: u64| {
        words(&[(kind, 4), (4, 4), (at, 8), (at, 8), (at, 8), (size, 8), (size, 8), (1, 8)])
    };
    let mut bytes = header(3, 62, phnum, 0, 0);
    bytes.extend(segment(1, 0, end));
    bytes.extend(segment(2, dynamic_at, dynamic.len() as u64));
    if !interpreter.is_empty() {
        bytes.extend(segment(3, interpreter_at, interpreter.len() as u64));
    }
    bytes.extend(interpreter.as_bytes());
    bytes.extend(strings);
    bytes.extend(dynamic);
    bytes
}

/// A program that needs nothing, for this machine type (62 is x86-64).
pub(crate) fn static_program(machine: u64) -> Vec<u8> {
    header(2, machine, 0, 0, 0)
}

/// A relocatable file with these sections: name, type, link (and, 32 bits up, info), size of an entry,
/// content.
fn relocatable(sections: &[(&str, u64, u64, u64, Vec<u8>)]) -> Vec<u8> {
    let mut names = vec![0];
    let (mut content, mut headers) = (Vec::<u8>::new(), vec![0; 64]);
    let mut add = |name: usize, kind, link, entry, bytes: &[u8]| {
        let at = 64 + content.len() as u64;
        headers.extend(words(&[(name as u64, 4), (kind, 4), (0, 8), (0, 8), (at, 8)]));
        headers.extend(words(&[(bytes.len() as u64, 8), (link, 8), (1, 8), (entry, 8)]));
        content.extend(bytes);
    };
    for (name, kind, link, entry, bytes) in sections {
        add(names.len(), *kind, *link, *entry, bytes);
        names.extend(name.as_bytes());
        names.push(0);
    }
    let own = names.len();
    names.extend(b".shstrtab\0");
    add(own, 3, 0, 0, &names);
    let shoff = 64 + content.len() as u64;
    let mut bytes = header(1, 62, 0, shoff, sections.len() as u64 + 2);
    bytes.extend(content);
    bytes.extend(headers);
    bytes
}

fn strings(strings: &[&str]) -> Vec<u8> {
    strings.iter().flat_map(|string| [string.as_bytes(), b"\0"].concat()).collect()
}

/// A kernel module with these `.modinfo` entries.
pub(crate) fn module(entries: &[&str]) -> Vec<u8> {
    relocatable(&[(".modinfo", 1, 0, 0, strings(entries))])
}

/// A file with this section.
pub(crate) fn with_section(name: &'static str, content: &[u8]) -> Vec<u8> {
    relocatable(&[(name, 1, 0, 0, content.to_vec())])
}

/// A kernel whose table of exported symbols has names at these places of these strings.
pub(crate) fn kernel(names: &[&str], at: &[i64]) -> Vec<u8> {
    let entries = at.iter().zip(0_i64..).flat_map(|(at, n)| {
        let to_name = at - (n * 12 + 4);
        [0, to_name as i32, 0].map(i32::to_le_bytes).concat()
    });
    let names = ("__ksymtab_strings", 1, 0, 0, strings(names));
    relocatable(&[("__ksymtab", 1, 0, 0, entries.collect()), names])
}

/// A module with one event of tracing.
pub(crate) fn tracing(system: &str, event: &str) -> Vec<u8> {
    const POINTERS: u64 = 2;
    const DATA: u64 = 4;
    const RODATA: u64 = 6;
    const SYMTAB: u64 = 7;
    let relocation =
        |at: u64, symbol: u64, addend: u64| words(&[(at, 8), (1, 4), (symbol, 4), (addend, 8)]);
    let symbol =
        |name: u64, section: u64| words(&[(name, 4), (3, 1), (0, 1), (section, 2), (0, 8), (0, 8)]);
    let symbols = [symbol(0, 0), symbol(0, DATA), symbol(0, RODATA), symbol(1, POINTERS)];
    let (event_at, class_at) = (0, 32);
    let pointers = relocation(0, 1, event_at);
    let data = [relocation(event_at + 16, 1, class_at), relocation(class_at, 2, 1)];
    relocatable(&[
        (".modinfo", 1, 0, 0, strings(&["depends="])),
        ("_ftrace_events", 1, 0, 0, vec![0; 8]),
        (".rela_ftrace_events", 4, SYMTAB | POINTERS << 32, 24, pointers),
        (".data", 1, 0, 0, vec![0; 64]),
        (".rela.data", 4, SYMTAB | DATA << 32, 24, data.concat()),
        (".rodata", 1, 0, 0, strings(&["", system])),
        (".symtab", 2, SYMTAB + 1, 24, symbols.concat()),
        (".strtab", 3, 0, 0, strings(&["", &format!("__event_{event}")])),
    ])
}

/// A module that exports these symbols.
pub(crate) fn exporting(symbols: &[&str]) -> Vec<u8> {
    let modinfo = (".modinfo", 1, 0, 0, strings(&["depends="]));
    relocatable(&[modinfo, ("__ksymtab_strings", 1, 0, 0, strings(symbols))])
}

/// A module that wants these symbols, and one that it can do without.
pub(crate) fn needing(symbols: &[&str]) -> Vec<u8> {
    let mut names = vec![0];
    let mut table = vec![0; 24];
    let (global, weak) = (1 << 4, 2 << 4);
    for (symbol, info) in symbols.iter().map(|s| (*s, global)).chain([("weak", weak)]) {
        table.extend(words(&[(names.len() as u64, 4), (info, 1), (0, 1), (0, 2), (0, 8), (0, 8)]));
        names.extend(strings(&[symbol]));
    }
    let modinfo = (".modinfo", 1, 0, 0, strings(&["depends="]));
    relocatable(&[modinfo, (".symtab", 2, 3, 24, table), (".strtab", 3, 0, 0, names)])
}
