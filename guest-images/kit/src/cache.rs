//! Where fetched things live, and who may change them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{At, KitError};
use crate::progress::Progress;

/// The cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir(PathBuf);

impl CacheDir {
    /// `$IWLBENCH_CACHE`, else `$XDG_CACHE_HOME/iwlbench`, else `~/.cache/iwlbench`.
    pub fn from_env() -> Result<Self, KitError> {
        Self::from_vars(|name| std::env::var_os(name).map(PathBuf::from))
    }

    fn from_vars(var: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, KitError> {
        let var = |name| var(name).filter(|value| !value.as_os_str().is_empty());
        if let Some(path) = var("IWLBENCH_CACHE") {
            return Self::at(std::path::absolute(&path).at(&path)?);
        }
        // The XDG base directory specification has relative paths ignored.
        let base = var("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| var("HOME").map(|home| home.join(".cache")))
            .ok_or(KitError::NoCacheDir)?;
        Self::at(base.join("iwlbench"))
    }

    /// This directory, made when first needed. Its path ends up in apt.conf
    /// and in the loader's library path, which have no way to quote some
    /// characters.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, KitError> {
        let path = path.into();
        let usable = path.is_absolute()
            && path.to_str().is_some_and(|text| {
                !text.chars().any(|c| matches!(c, '"' | ':' | ';') || c.is_control())
            });
        if usable { Ok(Self(path)) } else { Err(KitError::CachePath { path }) }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Waits until nobody else changes the cache, and keeps others out while
    /// the guard lives. The kernel drops the lock of a killed process.
    pub(crate) fn lock(&self, progress: &dyn Progress) -> Result<Guard, KitError> {
        fs::create_dir_all(&self.0).at(&self.0)?;
        let path = self.join("lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).at(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            // A file system without locks fails again below, and says why.
            progress.step("waiting for another iwlbench that uses the cache");
            let locked = rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
            progress.finish();
            locked.map_err(Into::into).at(&path)?;
        }
        // Under the lock, whatever lies here was left by a run that was killed.
        let scratch = self.join("tmp");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).at(&scratch)?;
        }
        fs::create_dir(&scratch).at(&scratch)?;
        Ok(Guard { file, scratch })
    }
}

/// Proof that the cache is locked.
pub(crate) struct Guard {
    file: File,
    scratch: PathBuf,
}

impl Guard {
    /// Standard input for a child that changes the cache. It is the lock
    /// itself, so that a child that outlives a killed iwlbench still keeps the
    /// next one waiting. (flock(2): copies of a descriptor share the lock.)
    pub(crate) fn stdin(&self) -> Result<Stdio, KitError> {
        self.file.try_clone().map(Stdio::from).at(&self.scratch)
    }

    /// A new empty directory on the cache's file system.
    pub(crate) fn scratch_dir(&self) -> Result<tempfile::TempDir, KitError> {
        tempfile::tempdir_in(&self.scratch).at(&self.scratch)
    }

    /// Writes a file so that readers see the old content or the new, never half.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<(), KitError> {
        let mut file = tempfile::NamedTempFile::new_in(&self.scratch).at(&self.scratch)?;
        file.write_all(content).at(path)?;
        file.as_file().sync_data().at(path)?;
        file.persist(path).map_err(|error| error.error).at(path)?;
        Ok(())
    }

    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), KitError> {
        let mut text = serde_json::to_vec_pretty(value).map_err(Into::into).at(path)?;
        text.push(b'\n');
        self.write(path, &text)
    }
}

/// Reads what [`Guard::write_json`] wrote. A missing file, or one that a
/// different version wrote, is `None`: it will be made again.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KitError> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KitError::io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Result<CacheDir, KitError> {
        CacheDir::from_vars(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn the_nearest_variable_wins() {
        let all = [("IWLBENCH_CACHE", "/c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(from(&all).unwrap().path(), Path::new("/c"));
        assert_eq!(from(&all[1..]).unwrap().path(), Path::new("/x/iwlbench"));
        assert_eq!(from(&all[2..]).unwrap().path(), Path::new("/h/.cache/iwlbench"));
        assert!(matches!(from(&[]), Err(KitError::NoCacheDir)));
    }

    #[test]
    fn empty_and_relative_variables_do_not_count() {
        let vars = [("IWLBENCH_CACHE", ""), ("XDG_CACHE_HOME", "x"), ("HOME", "/h")];
        assert_eq!(from(&vars).unwrap().path(), Path::new("/h/.cache/iwlbench"));
    }

    #[test]
    fn paths_that_cannot_be_quoted_are_refused() {
        for path in ["/a\"b", "/a:b", "/a;b", "a"] {
            assert!(matches!(CacheDir::at(path), Err(KitError::CachePath { .. })), "{path}");
        }
    }

    /// Counts how often it is told of a step.
    struct Steps(std::sync::mpsc::Sender<String>);

    impl Progress for Steps {
        fn step(&self, what: &str) {
            self.0.send(what.to_owned()).unwrap();
        }
        fn bytes(&self, _done: u64, _total: u64) {}
        fn note(&self, _line: &str) {}
        fn finish(&self) {}
    }

    #[test]
    fn a_second_user_waits_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let first = cache.lock(&crate::progress::Silent).unwrap();
        let (said, hears) = std::sync::mpsc::channel();
        let other = {
            let cache = cache.clone();
            std::thread::spawn(move || cache.lock(&Steps(said)).map(drop))
        };
        assert!(hears.recv().unwrap().starts_with("waiting"));
        assert!(!other.is_finished());
        drop(first);
        other.join().unwrap().unwrap();
    }

    #[test]
    fn a_child_keeps_the_lock_after_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let guard = cache.lock(&crate::progress::Silent).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .stdin(guard.stdin().unwrap())
            .spawn()
            .unwrap();
        drop(guard);
        let file = File::options().write(true).open(cache.join("lock")).unwrap();
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(locked, Err(rustix::io::Errno::WOULDBLOCK));
        drop(cache.lock(&crate::progress::Silent).unwrap());
    }

    #[test]
    fn leftovers_of_a_killed_run_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("tmp/half-unpacked")).unwrap();
        let _guard = cache.lock(&crate::progress::Silent).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }
}
