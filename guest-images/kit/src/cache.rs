//! Where fetched things live, and who may change them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{At, KitError};
use crate::progress::Progress;

/// What half-made things are called.
const SCRATCH: &str = ".tmp";

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
        // What is no file would have the opener wait for somebody at its other end.
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let file = File::from(openat(CWD, &path, flags, mode).map_err(Into::into).at(&path)?);
        if !file.metadata().at(&path)?.is_file() {
            return Err(KitError::Foreign { path });
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            // A file system without locks fails again below, and says why.
            progress.step("waiting for another iwlbench that uses the cache");
            let locked = rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
            progress.finish();
            locked.map_err(Into::into).at(&path)?;
        }
        // Under the lock, what of ours lies here was left by a run that was killed.
        let scratch = self.join("tmp");
        fs::create_dir_all(&scratch).at(&scratch)?;
        for entry in fs::read_dir(&scratch).at(&scratch)? {
            let entry = entry.at(&scratch)?;
            let path = entry.path();
            if !entry.file_name().as_encoded_bytes().starts_with(SCRATCH.as_bytes()) {
                continue;
            }
            match entry.file_type().at(&path)?.is_dir() {
                true => fs::remove_dir_all(&path).at(&path)?,
                false => fs::remove_file(&path).at(&path)?,
            }
        }
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
        tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.scratch).at(&self.scratch)
    }

    /// Writes a file so that readers see the old content or the new, never half.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<(), KitError> {
        let mut file =
            tempfile::Builder::new().prefix(SCRATCH).tempfile_in(&self.scratch).at(&self.scratch)?;
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

/// Reads a file, if it is one: what a FIFO or a device would say is not waited for.
pub(crate) fn read_regular(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // ENXIO: a socket.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Reads what [`Guard::write_json`] wrote. A missing file, or one that a
/// different version wrote, is `None`: it will be made again.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KitError> {
    let text = read_regular(path).at(path)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
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
    fn leftovers_of_a_killed_run_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let tmp = dir.path().join("tmp");
        fs::create_dir_all(tmp.join("lost+found")).unwrap();
        let guard = cache.lock(&crate::progress::Silent).unwrap();
        fs::write(guard.scratch_dir().unwrap().keep().join("half-unpacked"), "").unwrap();
        assert_eq!(fs::read_dir(&tmp).unwrap().count(), 2);
        drop(guard);
        let _guard = cache.lock(&crate::progress::Silent).unwrap();
        let left: Vec<_> = fs::read_dir(&tmp).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["lost+found"]);
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        for name in ["lock", "default-kernel.json"] {
            let path = dir.path().join(name);
            rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
        let locked = cache.lock(&crate::progress::Silent);
        assert!(matches!(locked, Err(KitError::Foreign { .. })));
        let json = read_json::<String>(&dir.path().join("default-kernel.json"));
        assert_eq!(json.unwrap(), None);
        assert_eq!(read_json::<String>(dir.path()).unwrap(), None);
    }
}
