//! What ELF files need: libraries (DT_NEEDED, as ld.so(8) resolves them) and,
//! for kernel modules, the `.modinfo` section.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use goblin::elf::header::{ELFMAG, EM_X86_64, ET_REL};
use goblin::elf::section_header::SHN_UNDEF;
use goblin::elf::sym::STB_GLOBAL;
use goblin::elf::{Elf, SectionHeader};

use crate::error::{At, KitError};

/// Where Debian's amd64 packages keep libraries, below their root.
const LIBRARY_DIRS: [&str; 4] =
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64"];

/// The dynamic loader as programs name it (PT_INTERP).
pub(crate) const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Elf<'a>, KitError> {
    let bad = |reason: String| KitError::BadElf { path: path.to_path_buf(), reason };
    let elf = Elf::parse(bytes).map_err(|error| match ends_early(bytes) {
        None => bad("it is no ELF file".to_owned()),
        Some(true) => cut_short(path),
        Some(false) => bad(format!("it is no whole ELF file: {error}")),
    })?;
    if elf.header.e_machine != EM_X86_64 {
        return Err(bad("it is not for x86-64".to_owned()));
    }
    Ok(elf)
}

fn cut_short(path: &Path) -> KitError {
    KitError::CutShort { path: path.to_path_buf(), what: "an ELF file" }
}

/// Whether an ELF file ends before the table of its sections does, which linkers put last; `None` if it
/// is none.
fn ends_early(bytes: &[u8]) -> Option<bool> {
    bytes.starts_with(ELFMAG).then_some(())?;
    let Ok(header) = Elf::parse_header(bytes) else { return Some(true) };
    let table = u64::from(header.e_shnum) * u64::from(header.e_shentsize);
    Some(header.e_shoff.saturating_add(table) > bytes.len() as u64)
}

/// `Ok` if these bytes run as PID 1 of an initramfs without any other file.
pub(crate) fn check_static(bytes: &[u8]) -> Result<(), String> {
    let elf = Elf::parse(bytes).map_err(|error| format!("no ELF file: {error}"))?;
    if elf.header.e_machine != EM_X86_64 {
        return Err("not for x86-64".to_owned());
    }
    match elf.interpreter {
        Some(loader) => Err(format!("it is linked dynamically (wants {loader}); link it static")),
        None => Ok(()),
    }
}

/// Whether a file is a program that wants a loader. Libraries that can be run for their version are none.
pub(crate) fn is_program(path: &Path) -> bool {
    let is_library = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"));
    let begins = || {
        let mut magic = [0; goblin::elf::header::SELFMAG];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && magic == *ELFMAG
    };
    let wants = |bytes: Vec<u8>| Elf::parse(&bytes).is_ok_and(|elf| elf.interpreter.is_some());
    !is_library && begins() && fs::read(path).is_ok_and(wants)
}

/// A library directory's file of that name, below `root`.
fn find_library(root: &Path, soname: &str) -> Option<PathBuf> {
    LIBRARY_DIRS.iter().map(|dir| root.join(dir).join(soname)).find(|path| path.exists())
}

/// The libraries that `programs` (paths below `root`) need, directly or not,
/// by soname, and the dynamic loader.
pub(crate) fn library_closure(
    root: &Path,
    programs: &[&str],
) -> Result<BTreeMap<String, PathBuf>, KitError> {
    let mut found = BTreeMap::new();
    let mut queue: VecDeque<PathBuf> = programs.iter().map(|program| root.join(program)).collect();
    while let Some(file) = queue.pop_front() {
        let bytes = fs::read(&file).at(&file)?;
        let elf = parse(&file, &bytes)?;
        let loader = elf.interpreter.and_then(|loader| loader.rsplit('/').next());
        for soname in elf.libraries.iter().copied().chain(loader) {
            if found.contains_key(soname) {
                continue;
            }
            let library = find_library(root, soname).ok_or_else(|| KitError::MissingLibrary {
                soname: soname.to_owned(),
                needed_by: file.clone(),
            })?;
            found.insert(soname.to_owned(), library.clone());
            queue.push_back(library);
        }
    }
    Ok(found)
}

/// The words of a command that runs a program of an unpacked root through
/// that root's own dynamic loader and libraries, whatever the host has.
pub(crate) fn loader_argv(root: &Path, program: &str) -> Result<Vec<PathBuf>, KitError> {
    let loader = LOADER.rsplit('/').next().unwrap_or(LOADER);
    let loader = find_library(root, loader).ok_or_else(|| KitError::BadPackage {
        path: root.to_path_buf(),
        missing: LOADER.to_owned(),
    })?;
    let dirs: Vec<_> = LIBRARY_DIRS
        .iter()
        .map(|dir| root.join(dir))
        .filter(|dir| dir.is_dir())
        .map(|dir| dir.display().to_string())
        .collect();
    Ok(vec![
        loader,
        "--inhibit-cache".into(),
        "--library-path".into(),
        dirs.join(":").into(),
        root.join(program),
    ])
}

/// [`loader_argv`] as a command.
pub(crate) fn loader_command(root: &Path, program: &str) -> Result<Command, KitError> {
    let argv = loader_argv(root, program)?;
    let mut command = Command::new(&argv[0]);
    // A library preloaded for the host's C library breaks ours.
    command.args(&argv[1..]).env_remove("LD_PRELOAD");
    Ok(command)
}

/// A module's `.modinfo`: what it wants loaded with it, and what it loads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ModInfo {
    /// What it calls itself.
    pub(crate) name: Option<String>,
    /// Modules whose symbols it uses.
    pub(crate) depends: Vec<String>,
    /// Modules that modprobe loads before or after it if they exist.
    pub(crate) soft: Vec<String>,
    /// Firmware files that it may ask for, as `modinfo -F firmware` lists them.
    pub(crate) firmware: Vec<String>,
    /// The kernel that it was built for, and what else has to be alike.
    pub(crate) vermagic: Option<String>,
    /// It states the versions of the symbols that it uses.
    pub(crate) versions: bool,
    /// What udev knows it by, as `modinfo -F alias` lists them.
    pub(crate) aliases: Vec<String>,
}

/// A module's name as the kernel spells it.
#[must_use]
pub fn module_name(name: &str) -> String {
    name.replace('-', "_")
}

/// The content of a section.
pub(crate) fn section<'a>(elf: &Elf<'_>, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let named = |section: &&SectionHeader| elf.shdr_strtab.get_at(section.sh_name) == Some(name);
    elf.section_headers.iter().find(named)?.file_range().and_then(|range| bytes.get(range))
}

/// The symbols that a module gives to others; `None` if it is no ELF file.
pub(crate) fn exported(module: &[u8]) -> Option<BTreeSet<String>> {
    let elf = Elf::parse(module).ok()?;
    let strings = section(&elf, module, "__ksymtab_strings").unwrap_or_default();
    let names = strings.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Bytes of a `struct kernel_symbol`: how far it is from each of its words to the symbol, its name
/// and its namespace.
const KERNEL_SYMBOL: usize = 12;
const NAME_AT: usize = 4;

/// The symbols that a linked kernel gives to modules; `None` if it is no ELF file. Here a name may
/// be the end of another, so that the table of symbols tells, not that of their names.
pub(crate) fn exported_by_kernel(kernel: &[u8]) -> Option<BTreeSet<String>> {
    let elf = Elf::parse(kernel).ok()?;
    let find = |name: &str| {
        let named = |header: &&SectionHeader| elf.shdr_strtab.get_at(header.sh_name) == Some(name);
        let header = elf.section_headers.iter().find(named)?;
        Some((header.sh_addr, kernel.get(header.file_range()?)?))
    };
    let (names_at, names) = find("__ksymtab_strings")?;
    let mut found = BTreeSet::new();
    for (at, table) in ["__ksymtab", "__ksymtab_gpl"].into_iter().filter_map(find) {
        for (entry, n) in table.chunks_exact(KERNEL_SYMBOL).zip(0_u64..) {
            let word = entry[NAME_AT..NAME_AT + 4].try_into().ok()?;
            let here = at.wrapping_add(n * KERNEL_SYMBOL as u64 + NAME_AT as u64);
            let name = here.wrapping_add_signed(i32::from_le_bytes(word).into());
            let start = usize::try_from(name.wrapping_sub(names_at)).ok()?;
            let name = names.get(start..)?.split(|byte| *byte == 0).next()?;
            found.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    Some(found)
}

/// The symbols that a module wants from elsewhere and cannot do without.
pub(crate) fn undefined(path: &Path, module: &[u8]) -> Result<BTreeSet<String>, KitError> {
    let elf = parse(path, module)?;
    let wanted = elf.syms.iter().filter(|symbol| {
        symbol.st_shndx == usize::try_from(SHN_UNDEF).unwrap_or_default()
            && symbol.st_bind() == STB_GLOBAL
    });
    let names = wanted.filter_map(|symbol| elf.strtab.get_at(symbol.st_name));
    // The linker's, not the kernel's.
    let names = names.filter(|name| !name.is_empty() && *name != "_GLOBAL_OFFSET_TABLE_");
    Ok(names.map(str::to_owned).collect())
}

/// Where `struct trace_event_call` has its class, and that its system.
const CLASS_AT: u64 = 16;
const SYSTEM_AT: u64 = 0;
/// What the name of a pointer to an event begins with (`include/trace/trace_events.h`).
const EVENT: &str = "__event_";

/// The events of tracing that a module brings, each its system and its name; none if it is no ELF file,
/// or cut short.
pub(crate) fn trace_events(module: &[u8]) -> Vec<(String, String)> {
    let Ok(elf) = Elf::parse(module) else { return Vec::new() };
    let named = |section: &SectionHeader| elf.shdr_strtab.get_at(section.sh_name);
    let pointers = elf.section_headers.iter().position(|s| named(s) == Some("_ftrace_events"));
    let Some(pointers) = pointers else { return Vec::new() };
    let mut goes_to = BTreeMap::new();
    for (table, relocations) in &elf.shdr_relocs {
        let Some(section) = elf.section_headers.get(*table).map(|s| s.sh_info as usize) else {
            continue;
        };
        for relocation in relocations {
            let Some(symbol) = elf.syms.get(relocation.r_sym) else { continue };
            let to = symbol.st_value.wrapping_add_signed(relocation.r_addend.unwrap_or_default());
            goes_to.insert((section, relocation.r_offset), (symbol.st_shndx, to));
        }
    }
    let at = |(section, offset): (usize, u64), field: u64| {
        goes_to.get(&(section, offset.checked_add(field)?)).copied()
    };
    let text = |(section, offset): (usize, u64)| {
        let content = module.get(elf.section_headers.get(section)?.file_range()?)?;
        let rest = content.get(usize::try_from(offset).ok()?..)?;
        Some(String::from_utf8_lossy(rest.split(|byte| *byte == 0).next()?).into_owned())
    };
    let events =
        elf.syms.iter().filter(|symbol| symbol.st_shndx == pointers).filter_map(|symbol| {
            let name = elf.strtab.get_at(symbol.st_name)?.strip_prefix(EVENT)?;
            let class = at(at((pointers, symbol.st_value), 0)?, CLASS_AT)?;
            Some((text(at(class, SYSTEM_AT)?)?, name.to_owned()))
        });
    events.collect()
}

pub(crate) fn modinfo(path: &Path, module: &[u8]) -> Result<ModInfo, KitError> {
    let elf = parse(path, module)?;
    let bad = |reason: &str| {
        let reason = format!("no kernel module: {reason}");
        Err(KitError::BadElf { path: path.to_path_buf(), reason })
    };
    if elf.header.e_type != ET_REL {
        return bad("it is linked already");
    }
    let cut =
        |section: &SectionHeader| section.file_range().is_some_and(|r| module.get(r).is_none());
    if elf.section_headers.iter().any(cut) {
        return Err(cut_short(path));
    }
    let Some(section) = section(&elf, module, ".modinfo") else {
        return bad("it has no .modinfo");
    };
    let versions = ["__versions", "__version_ext_crcs"];
    let versions = versions.iter().any(|name| self::section(&elf, module, name).is_some());
    let mut info = ModInfo { versions, ..ModInfo::default() };
    for entry in section.split(|byte| *byte == 0) {
        let Ok(entry) = std::str::from_utf8(entry) else { continue };
        match entry.split_once('=') {
            Some(("depends", list)) => {
                info.depends
                    .extend(list.split(',').filter(|name| !name.is_empty()).map(module_name));
            }
            Some(("softdep", list)) => {
                let names = list.split_whitespace().filter(|word| !word.ends_with(':'));
                info.soft.extend(names.map(module_name));
            }
            Some(("firmware", name)) => info.firmware.push(name.to_owned()),
            Some(("alias", alias)) => info.aliases.push(alias.to_owned()),
            Some(("name", name)) => info.name = Some(name.to_owned()),
            Some(("vermagic", magic)) => info.vermagic = Some(magic.to_owned()),
            _ => {}
        }
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testelf;

    fn root(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    const DIR: &str = "usr/lib/x86_64-linux-gnu";

    #[test]
    fn the_closure_follows_libraries_and_the_loader() {
        let root = root(&[
            ("usr/bin/p", testelf::program(Some(LOADER), &["liba.so.1"])),
            (&format!("{DIR}/liba.so.1"), testelf::program(None, &["libb.so.2", "libc.so.6"])),
            (&format!("{DIR}/libb.so.2"), testelf::program(None, &["liba.so.1"])),
            (&format!("{DIR}/libc.so.6"), testelf::program(None, &["ld-linux-x86-64.so.2"])),
            (&format!("{DIR}/libunused.so.1"), testelf::program(None, &[])),
            ("usr/lib64/ld-linux-x86-64.so.2", testelf::program(None, &[])),
        ]);
        let closure = library_closure(root.path(), &["usr/bin/p"]).unwrap();
        let names: Vec<_> = closure.keys().map(String::as_str).collect();
        assert_eq!(names, ["ld-linux-x86-64.so.2", "liba.so.1", "libb.so.2", "libc.so.6"]);
        assert_eq!(closure["libb.so.2"], root.path().join(DIR).join("libb.so.2"));
    }

    #[test]
    fn a_missing_library_is_named_with_who_needs_it() {
        let root = root(&[
            ("usr/bin/p", testelf::program(None, &["liba.so.1"])),
            (&format!("{DIR}/liba.so.1"), testelf::program(None, &["libgone.so.3"])),
        ]);
        let error = library_closure(root.path(), &["usr/bin/p"]).unwrap_err();
        let KitError::MissingLibrary { soname, needed_by } = error else { panic!("{error}") };
        assert_eq!(soname, "libgone.so.3");
        assert!(needed_by.ends_with("liba.so.1"));
    }

    #[test]
    fn only_a_static_x86_64_program_can_be_init() {
        assert_eq!(check_static(&testelf::static_program(62)), Ok(()));
        let reason = check_static(&testelf::program(Some(LOADER), &[])).unwrap_err();
        assert!(reason.contains("link it static"), "{reason}");
        assert_eq!(check_static(&testelf::static_program(183)).unwrap_err(), "not for x86-64");
        assert!(check_static(b"#!/bin/sh").unwrap_err().starts_with("no ELF file"));
        assert!(check_static(b"").is_err());
    }

    #[test]
    fn modinfo_names_hard_and_soft_dependencies() {
        let module = testelf::module(&[
            "license=GPL",
            "softdep=pre: a-b c post: d",
            "depends=mac80211,snd-pcm",
            "softdep=post: e",
        ]);
        let info = modinfo(Path::new("m.ko"), &module).unwrap();
        assert_eq!(info.depends, ["mac80211", "snd_pcm"]);
        assert_eq!(info.soft, ["a_b", "c", "d", "e"]);
        let none = modinfo(Path::new("m.ko"), &testelf::module(&["depends="])).unwrap();
        assert_eq!(none, ModInfo::default());
    }

    #[test]
    fn a_module_says_which_events_it_brings() {
        let module = testelf::tracing("iwlwifi_io", "iwlwifi_dev_ioread32");
        let events = [("iwlwifi_io".to_owned(), "iwlwifi_dev_ioread32".to_owned())];
        assert_eq!(trace_events(&module), events);
        assert_eq!(trace_events(&testelf::module(&["depends="])), []);
        for length in 0..module.len() {
            assert_eq!(trace_events(&module[..length]), [], "{length}");
        }
        for at in 0..module.len() {
            let mut damaged = module.clone();
            damaged[at] ^= 0xff;
            // Whatever comes of it.
            let _ = trace_events(&damaged);
        }
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bytes in [testelf::static_program(62), testelf::program(None, &[]), Vec::new()] {
            assert!(matches!(modinfo(Path::new("m"), &bytes), Err(KitError::BadElf { .. })));
        }
        let whole = testelf::module(&["depends=mac80211"]);
        for length in 0..whole.len() {
            let cut = modinfo(Path::new("m"), &whole[..length]);
            let told = match length {
                0..4 => matches!(cut, Err(KitError::BadElf { .. })),
                _ => matches!(cut, Err(KitError::CutShort { .. })),
            };
            assert!(told, "{length}: {cut:?}");
        }
        let said = |bytes: &[u8]| modinfo(Path::new("m"), bytes).unwrap_err().to_string();
        let mut linked = whole.clone();
        // e_type: ET_EXEC
        linked[16] = 2;
        assert_eq!(said(&linked), "m: no kernel module: it is linked already");
        let mut beyond = whole;
        // sh_size of the last section but one, .modinfo
        let size = beyond.len() - 2 * 64 + 32;
        beyond[size + 2] = 1;
        assert_eq!(said(&beyond), "m is cut short: an ELF file begins there and does not end");
        assert_eq!(said(b"no"), "m: it is no ELF file");
    }
}
