//! Unpacked packages: `<kind>/<name>/root` with the `manifest.json` beside it
//! that makes it complete.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::apt::{Apt, Candidate, Package};
use crate::cache::{CacheDir, Guard, read_json};
use crate::error::{At, KitError};
use crate::progress::Progress;
use crate::prune;
use crate::tool::DPKG_DEB;

/// What was unpacked into a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    packages: Vec<Package>,
}

/// A directory of unpacked packages.
#[derive(Debug, Clone)]
pub(crate) struct Unpacked {
    dir: PathBuf,
    pub(crate) packages: Vec<Package>,
}

impl Unpacked {
    /// Opens `<cache>/<kind>/<name>`; `None` if it is not complete.
    pub(crate) fn open(cache: &CacheDir, kind: &str, name: &str) -> Result<Option<Self>, KitError> {
        let dir = cache.join(kind).join(name);
        let manifest: Option<Manifest> = read_json(&dir.join("manifest.json"))?;
        Ok(manifest.map(|manifest| Self { dir, packages: manifest.packages }))
    }

    /// Marks it as used now.
    pub(crate) fn used(&self) {
        prune::used(&self.dir.join("manifest.json"));
    }

    /// Names of all complete directories of a kind.
    pub(crate) fn names(cache: &CacheDir, kind: &str) -> Result<Vec<String>, KitError> {
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

    /// One that is nowhere.
    #[cfg(test)]
    pub(crate) fn for_test(packages: Vec<Package>) -> Self {
        Self { dir: PathBuf::new(), packages }
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
        let apt = Apt::open(self.cache, self.guard, self.mirror, suites, self.progress)?;
        // A set of names stays whole whatever a panicking thread did with it.
        let updated = || self.updated.lock().unwrap_or_else(PoisonError::into_inner);
        let key = suites.join("+");
        if !updated().contains(&key) {
            apt.update()?;
            updated().insert(key);
        }
        Ok(apt)
    }

    /// Downloads the packages and unpacks them to `<cache>/<kind>/<name>`,
    /// unless exactly they are there. `check` looks at the unpacked root before
    /// it is put in place.
    pub(crate) fn unpack(
        &self,
        apt: &Apt<'_>,
        (kind, name): (&str, &str),
        packages: &[Candidate],
        check: impl FnOnce(&Path, &[Package]) -> Result<(), KitError>,
    ) -> Result<Unpacked, KitError> {
        let mut manifest =
            Manifest { packages: packages.iter().map(|c| c.package.clone()).collect() };
        manifest.packages.sort();
        if let Some(present) = Unpacked::open(self.cache, kind, name)?
            && present.packages == manifest.packages
        {
            return Ok(present);
        }

        // `kernels` and `7.3.4+deb13-amd64`, but plainly `qemu`.
        let what = if kind == "tools" { name.to_owned() } else { format!("kernel {name}") };
        self.progress.step(&format!("fetching {what}"));
        let files = apt.download(packages);
        self.progress.finish();
        let files = files?;

        let scratch = self.guard.scratch_dir()?;
        let root = scratch.path().join("root");
        fs::create_dir(&root).at(&root)?;
        self.progress.step(&format!("unpacking {what}"));
        let unpacked = self.unpack_all(&files, &root);
        self.progress.finish();
        unpacked?;
        check(&root, &manifest.packages)?;
        self.guard.write_json(&scratch.path().join("manifest.json"), &manifest)?;

        let parent = self.cache.join(kind);
        let dir = parent.join(name);
        fs::create_dir_all(&parent).at(&parent)?;
        if dir.exists() {
            fs::remove_dir_all(&dir).at(&dir)?;
        }
        let scratch = scratch.keep();
        // mkdtemp made it for its owner alone.
        fs::set_permissions(&scratch, Permissions::from_mode(0o755)).at(&scratch)?;
        fs::rename(&scratch, &dir).at(&dir)?;
        for file in files {
            fs::remove_file(&file).at(&file)?;
        }
        Ok(Unpacked { dir, packages: manifest.packages })
    }

    fn unpack_all(&self, files: &[PathBuf], root: &Path) -> Result<(), KitError> {
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
                let detail = format!("{}: {}", file.display(), end.detail());
                return Err(KitError::ToolFailed { tool: DPKG_DEB.name.to_owned(), detail });
            }
            done += size(file);
            self.progress.bytes(done, total);
        }
        Ok(())
    }
}
