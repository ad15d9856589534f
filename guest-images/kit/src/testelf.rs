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

/// A kernel module with these `.modinfo` entries.
pub(crate) fn module(entries: &[&str]) -> Vec<u8> {
    let info: Vec<u8> =
        entries.iter().flat_map(|entry| [entry.as_bytes(), b"\0"].concat()).collect();
    let names = b"\0.modinfo\0.shstrtab\0";
    let names_at = 64 + info.len() as u64;
    let sections_at = names_at + names.len() as u64;
    let section = |name: u64, kind: u64, at: u64, size: u64| {
        let mut bytes = words(&[(name, 4), (kind, 4), (0, 8), (0, 8), (at, 8), (size, 8)]);
        bytes.extend(words(&[(0, 4), (0, 4), (1, 8), (0, 8)]));
        bytes
    };
    let mut bytes = header(1, 62, 0, sections_at, 3);
    bytes.extend(&info);
    bytes.extend(names);
    bytes.extend(section(0, 0, 0, 0));
    bytes.extend(section(1, 1, 64, info.len() as u64));
    bytes.extend(section(10, 3, names_at, names.len() as u64));
    bytes
}
