//! The kernel's own driver with a change, and drivers of the caller's own: source, patched, built against
//! a kernel and kept by what it was made of.
//!
//! One tree for all changes of a kernel's driver: of what a change does not touch the objects stay,
//! so that the first costs a minute and each further one seconds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use serde::{Deserialize, Serialize};

use crate::cache::{CacheDir, Guard, read_json, read_regular};
use crate::error::{At, KitError};
use crate::hash::sha256;
use crate::kernel::Kernel;
use crate::own::OwnModule;
use crate::progress::Progress;
use crate::prune;
use crate::record::walk;
use crate::room::Room;
use crate::source::DriverSource as KernelsSource;

/// Part of every key: change it when what is built of the same inputs changes.
const FORMAT: u32 = 1;

const KIND: &str = "drivers";

/// A change of the kernel's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant<'a> {
    /// What it is called.
    pub name: &'a str,
    /// As `diff -u` writes it, paths below the driver's directory with one more before them; none
    /// builds the driver as it is.
    pub patch: &'a str,
}

/// A driver whose source is the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriverSource<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its files, by their paths.
    pub files: &'a [(&'a str, &'a str)],
    /// What is changed of them, as in a [`Variant`].
    pub patch: &'a str,
    /// The modules that it builds.
    pub modules: &'a [&'a str],
}

impl DriverSource<'_> {
    /// The key of one of its modules.
    fn key(&self, module: &str) -> String {
        let mut all = format!("{FORMAT}\0{}\0", self.patch);
        for (path, content) in self.files {
            all += &format!("{path}\0{}\0{content}", content.len());
        }
        format!("{}-{module}", sha256(all.as_bytes()))
    }

    fn changed(&self, release: &str) -> Result<BTreeMap<PathBuf, String>, KitError> {
        let files = self.files.iter().map(|(path, content)| (path.into(), (*content).to_owned()));
        let mut files: BTreeMap<PathBuf, String> = files.collect();
        let read = |path: &Path| Ok(files.get(path).cloned());
        let changed = patched(read, (self.name, self.patch), release)?;
        files.extend(changed);
        Ok(files)
    }
}

impl Variant<'_> {
    fn key(&self) -> String {
        sha256(format!("{FORMAT}\0{}", self.patch).as_bytes())
    }
}

/// What the directory of a kernel's variants holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    /// Debian's version of the kernel; of another the tree is no use.
    package_version: Option<String>,
    /// SHA-256 of each module, by its variant's key.
    built: BTreeMap<String, String>,
}

/// The directory of a kernel's variants: `tree/` and `own/`, where they are built, and `KEY.ko`.
struct Variants {
    dir: PathBuf,
    manifest: Manifest,
}

impl Variants {
    fn open(cache: &CacheDir, kernel: &Kernel) -> Result<Self, KitError> {
        let dir = cache.join(KIND).join(&kernel.release);
        let manifest: Option<Manifest> = read_json(&dir.join("manifest.json"))?;
        let same = |manifest: &Manifest| manifest.package_version == kernel.package_version;
        Ok(Self { dir, manifest: manifest.filter(same).unwrap_or_default() })
    }

    fn file(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}.ko"))
    }

    fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// Removes what was built for a kernel of another version of the package.
    fn forget_others(&self) -> Result<(), KitError> {
        if self.manifest.package_version.is_none() && self.dir.exists() {
            fs::remove_dir_all(&self.dir).at(&self.dir)?;
        }
        Ok(())
    }

    fn module(&self, key: &str) -> Result<Option<OwnModule>, KitError> {
        let (path, Some(sum)) = (self.file(key), self.manifest.built.get(key)) else {
            return Ok(None);
        };
        // One that is not what was built is built again.
        match read_regular(&path).at(&path)? {
            Some(content) if sha256(&content) == *sum => OwnModule::read(&path).map(Some),
            _ => Ok(None),
        }
    }
}

/// Removes what was built for a kernel that another of its name takes the place of.
pub(crate) fn forget(cache: &CacheDir, _guard: &Guard, release: &str) -> Result<(), KitError> {
    let dir = cache.join(KIND).join(release);
    match dir.exists() {
        true => fs::remove_dir_all(&dir).at(&dir),
        false => Ok(()),
    }
}

/// The variant's module, if it was built before.
pub(crate) fn cached(
    cache: &CacheDir,
    kernel: &Kernel,
    variant: &Variant<'_>,
) -> Result<Option<OwnModule>, KitError> {
    let variants = Variants::open(cache, kernel)?;
    let module = variants.module(&variant.key())?;
    if module.is_some() {
        prune::used(&variants.dir.join("manifest.json"));
    }
    Ok(module)
}

/// Builds the variant's module.
pub(crate) fn build(
    cache: &CacheDir,
    guard: &Guard,
    progress: &dyn Progress,
    kernel: &Kernel,
    variant: &Variant<'_>,
    (source, room): (&KernelsSource, &Room),
) -> Result<OwnModule, KitError> {
    let mut variants = Variants::open(cache, kernel)?;
    let key = variant.key();
    // Whoever held the lock may have built it.
    if let Some(module) = variants.module(&key)? {
        return Ok(module);
    }
    let changed = patched(reads(&source.dir), (variant.name, variant.patch), &kernel.release)?;
    variants.forget_others()?;
    let tree = variants.tree();
    let mut files = sources(&source.dir)?;
    files.extend(changed.into_iter().map(|(path, content)| (path, content.into_bytes())));
    lay_out(&files, &tree)?;
    progress.step(&format!("building iwlwifi {} for kernel {}", variant.name, kernel.release));
    let built = room.build_in_cache(&tree, "iwlwifi.ko", guard);
    progress.finish();
    built?;
    let module = tree.join("iwlwifi.ko");
    let content = fs::read(&module).at(&module)?;
    guard.write(&variants.file(&key), &content)?;
    variants.manifest.package_version.clone_from(&kernel.package_version);
    variants.manifest.built.insert(key.clone(), sha256(&content));
    guard.write_json(&variants.dir.join("manifest.json"), &variants.manifest)?;
    OwnModule::read(&variants.file(&key))
}

/// The modules of a driver of the caller's own, if they were built before.
pub(crate) fn cached_driver(
    cache: &CacheDir,
    kernel: &Kernel,
    driver: &DriverSource<'_>,
) -> Result<Option<Vec<OwnModule>>, KitError> {
    let variants = Variants::open(cache, kernel)?;
    let modules = driver.modules.iter().map(|module| variants.module(&driver.key(module)));
    let modules: Option<Vec<_>> = modules.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    if modules.is_some() {
        prune::used(&variants.dir.join("manifest.json"));
    }
    Ok(modules)
}

/// Builds them.
pub(crate) fn build_driver(
    cache: &CacheDir,
    guard: &Guard,
    progress: &dyn Progress,
    kernel: &Kernel,
    driver: &DriverSource<'_>,
    room: &Room,
) -> Result<Vec<OwnModule>, KitError> {
    // Whoever held the lock may have built it.
    if let Some(modules) = cached_driver(cache, kernel, driver)? {
        return Ok(modules);
    }
    let mut variants = Variants::open(cache, kernel)?;
    variants.forget_others()?;
    let files = driver.changed(&kernel.release)?.into_iter();
    let tree = variants.dir.join("own");
    lay_out(&files.map(|(path, content)| (path, content.into_bytes())).collect(), &tree)?;
    progress.step(&format!("building driver {} for kernel {}", driver.name, kernel.release));
    let built = room.build_in_cache(&tree, "modules", guard);
    progress.finish();
    built?;
    variants.manifest.package_version.clone_from(&kernel.package_version);
    let mut modules = Vec::new();
    for name in driver.modules {
        let module = tree.join(name).with_extension("ko");
        let (content, key) = (fs::read(&module).at(&module)?, driver.key(name));
        guard.write(&variants.file(&key), &content)?;
        variants.manifest.built.insert(key.clone(), sha256(&content));
        modules.push(OwnModule::read(&variants.file(&key))?);
    }
    guard.write_json(&variants.dir.join("manifest.json"), &variants.manifest)?;
    Ok(modules)
}

/// Reads files of a directory.
fn reads(source: &Path) -> impl Fn(&Path) -> Result<Option<String>, KitError> + '_ {
    |path| match fs::read_to_string(source.join(path)) {
        Ok(whole) => Ok(Some(whole)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KitError::io(&source.join(path), error)),
    }
}

/// The files that a patch changes, as it has them.
fn patched(
    read: impl Fn(&Path) -> Result<Option<String>, KitError>,
    (name, patch): (&str, &str),
    release: &str,
) -> Result<BTreeMap<PathBuf, String>, KitError> {
    let (name, release) = (name.to_owned(), release.to_owned());
    let refused = |what: String| KitError::PatchRefused {
        name: name.clone(),
        release: release.clone(),
        what,
    };
    let mut files = BTreeMap::new();
    if patch.is_empty() {
        return Ok(files);
    }
    for file in PatchSet::parse(patch, ParseOptions::unidiff()) {
        let file = file.map_err(|error| refused(error.to_string()))?;
        let FileOperation::Modify { modified, .. } = file.operation().strip_prefix(1) else {
            return Err(refused("it does more than change files".to_owned()));
        };
        let path = PathBuf::from(modified.as_ref());
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused(format!("{} is not in the driver", path.display())));
        }
        let Some(whole) = read(&path)? else {
            return Err(refused(format!("the driver has no {}", path.display())));
        };
        let patch = file.patch().as_text().ok_or_else(|| refused("it is binary".to_owned()))?;
        let changed = diffy::apply(&whole, patch)
            .map_err(|error| refused(format!("{}: {error}", path.display())))?;
        files.insert(path, changed);
    }
    Ok(files)
}

/// The files of a directory.
fn sources(source: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, KitError> {
    let mut paths = Vec::new();
    walk(source, "", &mut |path, kind| paths.extend(kind.is_file().then_some(path)))?;
    let read = |path: String| {
        let from = source.join(&path);
        Ok((path.into(), fs::read(&from).at(&from)?))
    };
    paths.into_iter().map(read).collect()
}

/// Makes the tree's files these; what is so already keeps its time, and with it its object.
fn lay_out(files: &BTreeMap<PathBuf, Vec<u8>>, tree: &Path) -> Result<(), KitError> {
    for (path, wanted) in files {
        let place = tree.join(path);
        if read_regular(&place).at(&place)?.is_some_and(|present| present == *wanted) {
            continue;
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        fs::write(&place, wanted).at(&place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str =
        "--- a/iwl-drv.c\n+++ b/iwl-drv.c\n@@ -2,3 +2,3 @@\n two\n-three\n+drei\n four\n";

    fn source(lines: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("mvm")).unwrap();
        fs::write(dir.path().join("iwl-drv.c"), lines).unwrap();
        fs::write(dir.path().join("mvm/ops.c"), "ops\n").unwrap();
        dir
    }

    #[test]
    fn a_patch_applies_where_its_lines_are_or_not_at_all() {
        let patched = |dir: &Path, patch, release| patched(reads(dir), ("mine", patch), release);
        for lines in ["one\ntwo\nthree\nfour\n", "new\nnew\none\ntwo\nthree\nfour\nfive\n"] {
            let dir = source(lines);
            let files = patched(dir.path(), PATCH, "7.3").unwrap();
            assert_eq!(files[Path::new("iwl-drv.c")], lines.replace("three", "drei"));
        }
        let dir = source("one\ntwo\n3\nfour\n");
        let said = patched(dir.path(), PATCH, "6.1").unwrap_err().to_string();
        assert!(
            said.contains("mine") && said.contains("6.1") && said.contains("iwl-drv.c"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1);
        let elsewhere = PATCH.replace("iwl-drv.c", "../iwl-drv.c");
        assert!(patched(dir.path(), &elsewhere, "6.1").is_err());
    }

    #[test]
    fn a_driver_of_ones_own_has_a_key_for_each_module_of_what_is_in_it() {
        let files = [("a.rs", "one\n"), ("Kbuild", "obj-m := a.o\n")];
        let (patch, modules) = ("--- a/a.rs\n+++ b/a.rs\n@@ -1,1 +1,1 @@\n-one\n+eins\n", ["a"]);
        let plain = DriverSource { name: "x", files: &files, patch: "", modules: &modules };
        let changed = DriverSource { patch, ..plain };
        assert_ne!(plain.key("a"), plain.key("b"));
        assert_ne!(plain.key("a"), changed.key("a"));
        assert_ne!(plain.key("a"), DriverSource { files: &files[..1], ..plain }.key("a"));
        assert_eq!(changed.changed("7.3").unwrap()[Path::new("a.rs")], "eins\n");
        assert_eq!(plain.changed("7.3").unwrap()[Path::new("a.rs")], "one\n");
    }

    #[test]
    fn what_a_change_does_not_touch_keeps_its_object() {
        let (source, tree) = (source("one\ntwo\nthree\nfour\n"), tempfile::tempdir().unwrap());
        let patch = |patch| patched(reads(source.path()), ("x", patch), "7.3").unwrap();
        let lay = |changed: &BTreeMap<PathBuf, String>| {
            let mut files = sources(source.path()).unwrap();
            let changed = changed.iter().map(|(path, text)| (path.clone(), text.clone().into()));
            files.extend(changed);
            lay_out(&files, tree.path()).unwrap();
        };
        let old = std::time::SystemTime::UNIX_EPOCH;
        let age = |file: &str| {
            let file = fs::File::options().write(true).open(tree.path().join(file)).unwrap();
            file.set_modified(old).unwrap();
        };
        let is_old =
            |file: &str| fs::metadata(tree.path().join(file)).unwrap().modified().unwrap() == old;
        lay(&patch(PATCH));
        let drv = || fs::read_to_string(tree.path().join("iwl-drv.c")).unwrap();
        assert!(drv().contains("drei"));
        age("iwl-drv.c");
        age("mvm/ops.c");
        lay(&patch(PATCH));
        assert!(is_old("iwl-drv.c") && is_old("mvm/ops.c"));
        lay(&patch(""));
        assert!(drv().contains("three"));
        assert!(!is_old("iwl-drv.c") && is_old("mvm/ops.c"));
    }
}
