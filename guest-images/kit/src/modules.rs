//! A kernel's modules: finding them by name, what they depend on, and their
//! bytes as they were before the distribution compressed them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::compressed::{Compression, Unreadable};
use crate::elf::{modinfo, module_name};
use crate::error::{At, KitError};
use crate::near;
use crate::record::{Sums, walk};
use crate::tree;

/// A module, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// As `lsmod` prints it.
    pub(crate) name: String,
    /// Path below `/lib/modules/<release>`, ending in `.ko`.
    pub(crate) path: String,
    /// Where it was read, for those who are told of it.
    pub(crate) origin: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// Firmware files that it declares.
    pub(crate) firmware: Vec<String>,
    /// The kernel that it was built for comes first.
    pub(crate) vermagic: Option<String>,
    /// It is not the kernel's.
    pub(crate) own: bool,
}

/// The modules below one `/lib/modules/<release>`.
#[derive(Debug)]
pub(crate) struct ModuleTree {
    dir: PathBuf,
    /// Name to path below `dir`.
    files: BTreeMap<String, String>,
    /// Names of what the kernel itself holds.
    builtin: BTreeSet<String>,
    /// Modules that take the place of the tree's own.
    overlay: BTreeMap<String, Module>,
    /// Of a fetched kernel, what its files have to be.
    sums: Option<Sums>,
}

/// What wanting some modules amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Closure {
    /// In path order.
    pub(crate) modules: Vec<Module>,
    /// Wanted, but neither a module nor built in.
    pub(crate) missing: Vec<String>,
    /// Wanted, and in the kernel itself.
    pub(crate) builtin: Vec<String>,
    /// A module's file, and what it depends on and the kernel does not have: it cannot be loaded.
    pub(crate) broken: Vec<(PathBuf, String)>,
}

/// The name of the module in a file, if it is one: `a/b-c.ko.xz` is `b_c`.
pub(crate) fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, rest) = file.split_once(".ko")?;
    (rest.is_empty() || rest.starts_with('.')).then(|| module_name(name))
}

impl ModuleTree {
    /// Lists a tree, without reading any module. Of a fetched kernel only what was unpacked counts.
    pub(crate) fn open(dir: &Path, sums: Option<Sums>) -> Result<Self, KitError> {
        let mut paths = Vec::new();
        match &sums {
            None if tree::is_tree(dir) => paths = tree::modules(dir)?,
            // Whole trees are made of links to modules elsewhere, and so is weak-updates/.
            None => walk(dir, "", &mut |path, kind| {
                let linked = || kind.is_symlink() && name_of(&path).is_some();
                let is_file = kind.is_file() || linked() && dir.join(&path).is_file();
                paths.extend(is_file.then_some(path));
            })?,
            Some(sums) => {
                let prefix = sums.path(dir).unwrap_or_default();
                let below = sums.below(dir).filter_map(|path| path.strip_prefix(prefix));
                paths.extend(below.map(|path| path.trim_start_matches('/').to_owned()));
            }
        }
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(name) = name_of(&path) else { continue };
            // depmod's order: what an administrator put into updates/ goes first.
            let updates = path.starts_with("updates/");
            if updates || !files.contains_key(&name) {
                files.insert(name, path);
            }
        }
        let list = dir.join("modules.builtin");
        let builtin = match fs::read_to_string(&list) {
            Ok(text) => text.lines().filter_map(name_of).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(KitError::io(&list, error)),
        };
        Ok(Self { dir: dir.to_path_buf(), files, builtin, overlay: BTreeMap::new(), sums })
    }

    /// Puts a module in place of the tree's own of that name, or beside them.
    pub(crate) fn replace(&mut self, module: Module) {
        self.overlay.insert(module.name.clone(), module);
    }

    fn module(&self, name: &str) -> Result<Option<Module>, KitError> {
        match self.overlay.get(name) {
            Some(module) => Ok(Some(module.clone())),
            None => self.trees_own(name),
        }
    }

    fn trees_own(&self, name: &str) -> Result<Option<Module>, KitError> {
        let Some(path) = self.files.get(name) else { return Ok(None) };
        let file = self.dir.join(path);
        let bytes = match &self.sums {
            None if tree::is_tree(&self.dir) => tree::read(&self.dir, path)?,
            None => fs::read(&file).at(&file)?,
            Some(sums) => sums.read(&file)?,
        };
        let bytes = decompress(&file, bytes)?;
        let end = path.rfind(".ko").map_or(path.len(), |at| at + ".ko".len());
        let (name, path) = (name.to_owned(), path[..end].to_owned());
        let (firmware, vermagic, own) = (Vec::new(), None, false);
        Ok(Some(Module { name, path, origin: file, bytes, firmware, vermagic, own }))
    }

    /// Whether the kernel has it, as a module or built in.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = module_name(name);
        self.files.contains_key(&name)
            || self.overlay.contains_key(&name)
            || self.builtin.contains(&name)
    }

    /// The module that was probably meant by a name that none has.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        let known = self.files.keys().chain(self.overlay.keys()).map(String::as_str);
        near::nearest(&module_name(name), known)
    }

    /// A module that has to be there.
    pub(crate) fn require(&self, name: &str, release: &str) -> Result<Module, KitError> {
        self.module(name)?.ok_or_else(|| KitError::MissingModule {
            name: name.to_owned(),
            release: release.to_owned(),
        })
    }

    /// The vermagic of one of the tree's own modules, if there is any.
    pub(crate) fn vermagic(&self) -> Result<Option<String>, KitError> {
        let Some((name, path)) = self.files.iter().next() else { return Ok(None) };
        let Some(module) = self.trees_own(name)? else { return Ok(None) };
        Ok(modinfo(&self.dir.join(path), &module.bytes)?.vermagic)
    }

    /// Whether the kernel itself holds it.
    pub(crate) fn has_built_in(&self, name: &str) -> bool {
        self.builtin.contains(name)
    }

    /// Why leaving a module out would change nothing, if so.
    pub(crate) fn not_to_leave_out(&self, name: &str) -> Option<&'static str> {
        let name = module_name(name);
        let module = self.files.contains_key(&name) || self.overlay.contains_key(&name);
        match (module, self.builtin.contains(&name)) {
            (true, _) => None,
            (false, true) => Some("it is built in"),
            (false, false) => Some("there is no such module"),
        }
    }

    /// The wanted modules, the overlay's, and what any of them depends on,
    /// softly or not, except the ones left out.
    pub(crate) fn closure(&self, wanted: &[&str], without: &[String]) -> Result<Closure, KitError> {
        let without: BTreeSet<_> = without.iter().map(|name| module_name(name)).collect();
        let mut closure = Closure::default();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<(String, bool)> =
            wanted.iter().map(|name| (module_name(name), true)).collect();
        queue.extend(self.overlay.keys().map(|name| (name.clone(), true)));
        while let Some((name, must)) = queue.pop_front() {
            if without.contains(&name) || !seen.insert(name.clone()) {
                continue;
            }
            let Some(mut module) = self.module(&name)? else {
                match self.builtin.contains(&name) {
                    true => closure.builtin.push(name),
                    false if must => closure.missing.push(name),
                    false => {}
                }
                continue;
            };
            let info = modinfo(&module.origin, &module.bytes)?;
            if let Some(other) = info.name.filter(|other| module_name(other) != module.name) {
                // modprobe would load that one, and say that all was well.
                let reason = format!("this is the module {other}, under another's name");
                return Err(KitError::BadElf { path: module.origin, reason });
            }
            let lacks = |needed: &&String| !without.contains(*needed) && !self.has(needed);
            let broken = info.depends.iter().filter(lacks);
            closure.broken.extend(broken.map(|needed| (module.origin.clone(), needed.clone())));
            queue.extend(info.depends.into_iter().map(|name| (name, true)));
            queue.extend(info.soft.into_iter().map(|name| (name, false)));
            module.firmware = info.firmware;
            module.vermagic = info.vermagic;
            closure.modules.push(module);
        }
        closure.modules.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(closure)
    }
}

/// The module in a file, by its ending: `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`.
pub(crate) fn decompress(file: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, KitError> {
    let ending = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bad = |reason| KitError::BadElf { path: file.to_path_buf(), reason };
    match Compression::of_ending(ending) {
        _ if ending == "ko" => Ok(bytes),
        Some(compression) => compression.unpack(&bytes).map_err(|error| match error {
            Unreadable::CutShort(what) => KitError::CutShort { path: file.to_path_buf(), what },
            Unreadable::Other(reason) => bad(reason),
        }),
        None => Err(bad("it is no module: those end in .ko, .ko.xz, .ko.zst or .ko.gz".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testelf;
    use lzma_rust2::{XzOptions, XzWriter};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    /// A tree in which `top` needs `mid-dle`, which needs `base`.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let top = testelf::module(&[
            "firmware=top-2.bin",
            "depends=mid-dle",
            "softdep=pre: soft nowhere",
            "firmware=top-1.bin",
        ]);
        let middle = testelf::module(&["depends=base,inside"]);
        put("kernel/a/top.ko.xz", &xz(&top));
        let zstd = compress_to_vec(middle.as_slice(), CompressionLevel::Fastest);
        put("kernel/b/mid-dle.ko.zst", &zstd);
        put("kernel/c/base.ko", &testelf::module(&["depends="]));
        put("kernel/c/soft.ko", &testelf::module(&[]));
        put("kernel/c/other.ko", &testelf::module(&[]));
        put("kernel/README.kot", b"");
        put("modules.builtin", b"kernel/lib/inside.ko\nkernel/fs/fuse/fu-se.ko\n");
        std::os::unix::fs::symlink("/", dir.path().join("build")).unwrap();
        dir
    }

    fn names(closure: &Closure) -> Vec<&str> {
        closure.modules.iter().map(|module| module.name.as_str()).collect()
    }

    #[test]
    fn only_modules_can_be_left_out() {
        let dir = tree();
        fs::write(dir.path().join("modules.builtin"), "kernel/net/rfkill/rfkill.ko\n").unwrap();
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        assert_eq!(tree.not_to_leave_out("mid-dle"), None);
        assert_eq!(tree.not_to_leave_out("mid_dle"), None);
        assert_eq!(tree.not_to_leave_out("rfkill"), Some("it is built in"));
        assert_eq!(tree.not_to_leave_out("midle"), Some("there is no such module"));
    }

    #[test]
    fn what_a_module_depends_on_and_nobody_has_is_told_unless_it_was_left_out() {
        let dir = tree();
        let lonely = testelf::module(&["depends=nowhere,inside"]);
        fs::write(dir.path().join("kernel/lonely.ko"), lonely).unwrap();
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        let closure = tree.closure(&["lonely"], &[]).unwrap();
        let lonely = dir.path().join("kernel/lonely.ko");
        assert_eq!(closure.broken, [(lonely, "nowhere".to_owned())]);
        let closure = tree.closure(&["lonely"], &["nowhere".to_owned()]).unwrap();
        assert_eq!(closure.broken, []);
    }

    #[test]
    fn a_link_to_a_module_is_one() {
        let dir = tree();
        let elsewhere = tempfile::tempdir().unwrap();
        let module = elsewhere.path().join("x.ko");
        fs::write(&module, testelf::module(&[])).unwrap();
        let link = |name: &str, to: &Path| {
            std::os::unix::fs::symlink(to, dir.path().join("kernel").join(name)).unwrap();
        };
        link("linked.ko", &module);
        link("dangling.ko", &elsewhere.path().join("none"));
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        assert!(tree.has("linked") && !tree.has("dangling"));
        assert_eq!(names(&tree.closure(&["linked"], &[]).unwrap()), ["linked"]);
    }

    #[test]
    fn what_was_meant_is_near() {
        let dir = tree();
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        assert_eq!(tree.nearest("othre"), Some("other"));
        assert_eq!(tree.nearest("something-else"), None);
    }

    #[test]
    fn dependencies_come_along_decompressed() {
        let dir = tree();
        let closure = ModuleTree::open(dir.path(), None).unwrap().closure(&["top"], &[]).unwrap();
        assert_eq!(names(&closure), ["top", "mid_dle", "base", "soft"]);
        assert_eq!(closure.modules[0].path, "kernel/a/top.ko");
        assert_eq!(closure.modules[1].path, "kernel/b/mid-dle.ko");
        assert_eq!(closure.modules[1].bytes, testelf::module(&["depends=base,inside"]));
        assert_eq!(closure.missing, Vec::<String>::new());
        assert_eq!(closure.modules[0].firmware, ["top-2.bin", "top-1.bin"]);
        assert_eq!(closure.modules[1].firmware, Vec::<String>::new());
    }

    #[test]
    fn built_in_is_not_missing_but_absent_is() {
        let dir = tree();
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        let closure = tree.closure(&["fu_se", "iwlmld"], &[]).unwrap();
        assert_eq!(names(&closure), Vec::<&str>::new());
        assert_eq!(closure.missing, ["iwlmld"]);
        assert_eq!(closure.builtin, ["fu_se"]);
    }

    #[test]
    fn what_is_left_out_stays_out_with_all_it_alone_needs() {
        let dir = tree();
        let tree = ModuleTree::open(dir.path(), None).unwrap();
        let closure = tree.closure(&["top"], &["mid-dle".to_owned()]).unwrap();
        assert_eq!(names(&closure), ["top", "soft"]);
        assert_eq!(closure.missing, Vec::<String>::new());
    }

    #[test]
    fn the_callers_module_replaces_the_kernels() {
        let dir = tree();
        let mut tree = ModuleTree::open(dir.path(), None).unwrap();
        tree.replace(Module {
            name: "top".to_owned(),
            path: "updates/top.ko".to_owned(),
            origin: "/home/me/top.ko".into(),
            bytes: testelf::module(&["depends=other"]),
            firmware: Vec::new(),
            vermagic: None,
            own: true,
        });
        let closure = tree.closure(&["top"], &[]).unwrap();
        assert_eq!(names(&closure), ["other", "top"]);
        assert_eq!(closure.modules[1].path, "updates/top.ko");
        assert_eq!(closure.modules[1].origin, Path::new("/home/me/top.ko"));
        // It comes along even if nobody asks for it by name.
        assert_eq!(names(&tree.closure(&[], &[]).unwrap()), ["other", "top"]);
    }

    #[test]
    fn a_module_under_anothers_name_is_refused() {
        let dir = tree();
        fs::create_dir(dir.path().join("updates")).unwrap();
        let file = dir.path().join("updates/base.ko");
        for (name, good) in [("other", false), ("base", true)] {
            fs::write(&file, testelf::module(&[&format!("name={name}")])).unwrap();
            let tree = ModuleTree::open(dir.path(), None).unwrap();
            let said = tree.closure(&["base"], &[]).map(drop).map_err(|error| error.to_string());
            let refused =
                format!("{}: this is the module other, under another's name", file.display());
            assert_eq!(said, if good { Ok(()) } else { Err(refused) });
        }
    }

    #[test]
    fn updates_go_before_the_kernels_own() {
        let dir = tree();
        fs::create_dir(dir.path().join("updates")).unwrap();
        fs::write(dir.path().join("updates/base.ko"), testelf::module(&[])).unwrap();
        let closure = ModuleTree::open(dir.path(), None).unwrap().closure(&["base"], &[]).unwrap();
        assert_eq!(closure.modules[0].path, "updates/base.ko");
    }

    #[test]
    fn a_damaged_module_is_an_error_that_names_it() {
        let dir = tree();
        fs::write(dir.path().join("kernel/a/top.ko.xz"), b"\xfd7zXZ\0 not really").unwrap();
        let error = ModuleTree::open(dir.path(), None).unwrap().closure(&["top"], &[]).unwrap_err();
        assert!(error.to_string().contains("top.ko.xz"), "{error}");

        fs::remove_file(dir.path().join("kernel/a/top.ko.xz")).unwrap();
        fs::write(dir.path().join("kernel/a/top.ko.lz9"), b"?").unwrap();
        let error = ModuleTree::open(dir.path(), None).unwrap().closure(&["top"], &[]).unwrap_err();
        assert!(error.to_string().contains("those end in .ko, "), "{error}");
    }
}
