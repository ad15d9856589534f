//! Unpacked packages: `<kind>/<name>/root` with the `manifest.json` beside it
//! that makes it complete, and what is recorded of its files.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::apt::{Apt, Candidate, Component, Package};
use crate::cache::{CacheDir, Guard, read_json};
use crate::digest::replace_json;
use crate::error::{At, Damage, KitError};
use crate::progress::Progress;
use crate::prune;
use crate::record::{Record, SUMS, Sums};
use crate::tool::DPKG_DEB;

/// What was unpacked into a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    packages: Vec<Package>,
    /// None, if an iwlbench wrote it that kept none.
    #[serde(default)]
    record: Option<Record>,
}

/// A directory of unpacked packages.
#[derive(Debug, Clone)]
pub(crate) struct Unpacked {
    dir: PathBuf,
    pub(crate) packages: Vec<Package>,
    record: Option<Record>,
}

impl Unpacked {
    /// Opens `<cache>/<kind>/<name>`; `None` if it is not complete.
    pub(crate) fn open(cache: &CacheDir, kind: &str, name: &str) -> Result<Option<Self>, KitError> {
        let dir = cache.join(kind).join(name);
        let manifest: Option<Manifest> = read_json(&dir.join("manifest.json"))?;
        Ok(manifest.map(|manifest| Self::of(dir, manifest)))
    }

    fn of(dir: PathBuf, manifest: Manifest) -> Self {
        Self { dir, packages: manifest.packages, record: manifest.record }
    }

    fn record(&self) -> Result<&Record, Damage> {
        let none = || Damage::new(&self.dir, "was unpacked without a record of its files");
        self.record.as_ref().ok_or_else(none)
    }

    /// Looks at the files that every use needs.
    pub(crate) fn whole(self) -> Result<Self, KitError> {
        let record = self.record().and_then(|record| record.look(&self.dir));
        if let Some(record) = record.map_err(KitError::Damaged)? {
            let manifest = Manifest { packages: self.packages.clone(), record: Some(record) };
            // Spares the next use the reading; this one needs it not.
            let _ = replace_json(&self.dir.join("manifest.json"), &manifest);
        }
        Ok(self)
    }

    /// Compares all files: how many there are, and which are not what was unpacked.
    pub(crate) fn verify(&self) -> (usize, Vec<Damage>) {
        match self.record() {
            Ok(record) => record.verify(&self.dir),
            Err(damage) => (0, vec![damage]),
        }
    }

    /// The digests of its files.
    pub(crate) fn sums(&self) -> Result<Sums, KitError> {
        self.record().and_then(|record| record.sums(&self.dir)).map_err(KitError::Damaged)
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Removes it, what makes it complete first.
    pub(crate) fn discard(self, _guard: &Guard) -> Result<(), KitError> {
        let manifest = self.dir.join("manifest.json");
        fs::remove_file(&manifest).at(&manifest)?;
        fs::remove_dir_all(&self.dir).at(&self.dir)
    }

    /// Marks it as used now.
    pub(crate) fn used(&self) {
        prune::used(&self.dir.join("manifest.json"));
    }

    /// Names of all complete directories of a kind.
    fn names(cache: &CacheDir, kind: &str) -> Result<Vec<String>, KitError> {
        let dir = cache.join(kind);
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).at(&dir)? {
            let entry = entry.at(&dir)?;
            if entry.path().join("manifest.json").is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// All of a kind, by their names.
    pub(crate) fn all(cache: &CacheDir, kind: &str) -> Result<Vec<(String, Self)>, KitError> {
        let mut all = Vec::new();
        for name in Self::names(cache, kind)? {
            all.extend(Self::open(cache, kind, &name)?.map(|unpacked| (name, unpacked)));
        }
        Ok(all)
    }

    /// One that is nowhere.
    #[cfg(test)]
    pub(crate) fn for_test(packages: Vec<Package>) -> Self {
        Self { dir: PathBuf::new(), packages, record: None }
    }

    /// Where the packages' `/` is.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The version of one of the packages.
    pub(crate) fn version(&self, package: &str) -> Option<&str> {
        let found = self.packages.iter().find(|candidate| candidate.name == package);
        found.map(|package| package.version.as_str())
    }
}

/// Puts a directory in place, of an older one at once: whoever uses that finds one or the other.
fn put_in_place(new: tempfile::TempDir, dir: &Path) -> Result<(), KitError> {
    let exchange = RenameFlags::EXCHANGE;
    match renameat_with(CWD, new.path(), CWD, dir, exchange) {
        // The older one goes with its new name.
        Ok(()) => return new.close().at(dir),
        Err(Errno::NOENT) => {}
        // A file system that cannot.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if dir.exists() {
                fs::remove_dir_all(dir).at(dir)?;
            }
        }
        Err(errno) => return Err(KitError::io(dir, errno.into())),
    }
    fs::rename(new.keep(), dir).at(dir)
}

/// Where missing things come from, while the cache is locked.
pub(crate) struct Source<'a> {
    pub(crate) cache: &'a CacheDir,
    pub(crate) guard: &'a Guard,
    pub(crate) mirror: &'a str,
    pub(crate) progress: &'a dyn Progress,
    /// The suites whose lists this process has brought up to date.
    pub(crate) updated: &'a Mutex<BTreeSet<String>>,
}

impl<'a> Source<'a> {
    /// Apt on these suites, their lists up to date.
    pub(crate) fn apt(&self, suites: &'a [&'a str]) -> Result<Apt<'a>, KitError> {
        self.apt_of(suites, Component::Main)
    }

    /// As [`Self::apt`], of another component.
    pub(crate) fn apt_of<'s>(
        &self,
        suites: &'s [&'s str],
        component: Component,
    ) -> Result<Apt<'s>, KitError>
    where
        'a: 's,
    {
        let of = (suites, component);
        let apt = Apt::open(self.cache, self.guard, self.mirror, of, self.progress)?;
        // A set of names stays whole whatever a panicking thread did with it.
        let updated = || self.updated.lock().unwrap_or_else(PoisonError::into_inner);
        let key = apt.key();
        if !updated().contains(&key) {
            apt.update()?;
            updated().insert(key);
        }
        Ok(apt)
    }

    /// Downloads packages, unpacks them, has `act` do something with what is there and in a second
    /// directory, and removes both.
    pub(crate) fn in_passing<T>(
        &self,
        apt: &Apt<'_>,
        what: &str,
        packages: &[Candidate],
        act: impl FnOnce(&Path, &Path) -> Result<T, KitError>,
    ) -> Result<T, KitError> {
        let files = self.download(apt, what, packages)?;
        let scratch = self.guard.scratch_dir()?;
        let [root, beside] = ["root", "beside"].map(|name| scratch.path().join(name));
        for dir in [&root, &beside] {
            fs::create_dir(dir).at(dir)?;
        }
        self.unpack_all(what, &files, &root)?;
        let acted = act(&root, &beside)?;
        for file in files {
            fs::remove_file(&file).at(&file)?;
        }
        Ok(acted)
    }

    fn download(
        &self,
        apt: &Apt<'_>,
        what: &str,
        packages: &[Candidate],
    ) -> Result<Vec<PathBuf>, KitError> {
        let bytes: u64 = packages.iter().map(|package| package.size).sum();
        self.progress.step(&format!("fetching {what}, {} MB", bytes.div_ceil(1_000_000)));
        let files = apt.download(packages);
        self.progress.finish();
        files
    }

    /// Downloads the packages and unpacks them to `<cache>/<kind>/<name>`,
    /// unless exactly they are there, and whole. `watch` tells by their paths which files every
    /// use needs. `check` looks at the unpacked root, and may complete it, before its files are
    /// recorded and it is put in place.
    pub(crate) fn unpack(
        &self,
        apt: &Apt<'_>,
        (kind, name): (&str, &str),
        packages: &[Candidate],
        watch: impl Fn(&str) -> bool,
        check: impl FnOnce(&Path, &[Package]) -> Result<(), KitError>,
    ) -> Result<Unpacked, KitError> {
        let mut manifest = Manifest {
            packages: packages.iter().map(|c| c.package.clone()).collect(),
            record: None,
        };
        manifest.packages.sort();
        if let Some(present) = Unpacked::open(self.cache, kind, name)?
            && present.packages == manifest.packages
            && present.verify().1.is_empty()
        {
            return Ok(present);
        }

        // `kernels` and `7.3.4+deb13-amd64`, but plainly `qemu`.
        let what = match kind {
            "tools" => name.to_owned(),
            "sources" => format!("the source of kernel {name}"),
            "rooms" | "rooms-in-place" => format!("the build room of kernel {name}"),
            "debug" => format!("the debug kernel {name}, with its build room"),
            "rust" => format!("the build room for Rust of kernel {name}"),
            "firmware" => format!("Intel's firmware, of {name}"),
            _ => format!("kernel {name}"),
        };
        let files = self.download(apt, &what, packages)?;

        let scratch = self.guard.scratch_dir()?;
        let root = scratch.path().join("root");
        fs::create_dir(&root).at(&root)?;
        self.unpack_all(&what, &files, &root)?;
        check(&root, &manifest.packages)?;
        let (record, list) = Record::make(&root, watch)?;
        manifest.record = Some(record);
        let sums = scratch.path().join(SUMS);
        fs::write(&sums, list).at(&sums)?;
        self.guard.write_json(&scratch.path().join("manifest.json"), &manifest)?;

        let parent = self.cache.join(kind);
        let dir = parent.join(name);
        fs::create_dir_all(&parent).at(&parent)?;
        // mkdtemp made it for its owner alone.
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).at(scratch.path())?;
        put_in_place(scratch, &dir)?;
        for file in files {
            fs::remove_file(&file).at(&file)?;
        }
        Ok(Unpacked::of(dir, manifest))
    }

    fn unpack_all(&self, what: &str, files: &[PathBuf], root: &Path) -> Result<(), KitError> {
        self.progress.step(&format!("unpacking {what}"));
        let unpacked = self.unpack_each(files, root);
        self.progress.finish();
        unpacked
    }

    fn unpack_each(&self, files: &[PathBuf], root: &Path) -> Result<(), KitError> {
        let size = |file: &PathBuf| fs::metadata(file).map_or(0, |metadata| metadata.len());
        let total = files.iter().map(size).sum();
        let mut done = 0;
        for file in files {
            let mut command = DPKG_DEB.command();
            command.stdin(self.guard.stdin()?).arg("-x").arg(file).arg(root);
            let end = DPKG_DEB.run(&mut command, |_| ())?;
            if end.disk_full() {
                return Err(KitError::DiskFull { path: self.cache.path().to_path_buf() });
            }
            if !end.success {
                return Err(DPKG_DEB.failed(&format!("{}: {}", file.display(), end.detail())));
            }
            done += size(file);
            self.progress.bytes(done, total);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_takes_the_place_of_an_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        for content in ["old", "new"] {
            let made = tempfile::tempdir_in(dir.path()).unwrap();
            fs::write(made.path().join("file"), content).unwrap();
            put_in_place(made, &place).unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), content);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn what_an_older_iwlbench_unpacked_counts_as_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let kernel = dir.path().join("kernels/6.6");
        fs::create_dir_all(&kernel).unwrap();
        fs::write(kernel.join("manifest.json"), "{\"packages\": []}").unwrap();
        let unpacked = Unpacked::open(&cache, "kernels", "6.6").unwrap().unwrap();
        assert_eq!(unpacked.verify().1.len(), 1);
        let said = unpacked.whole().unwrap_err().to_string();
        assert!(said.ends_with("`iwlbench setup --verify` unpacks it again"), "{said}");
    }
}
