//! Snapshots: a guest as it was when its agent had said hello, on disk, to be restored instead of
//! booted.
//!
//! `<cache>/snapshots/` holds for each snapshot a record, `KEY.json`, and the file that it names,
//! the guest's memory with QEMU's own record of the devices after it. The key is a digest of all that
//! went in, so a snapshot is never stale: what changes has another key. A record is put in place
//! last and at once; a file that no record names is a leftover. Who puts one in place or removes one
//! holds the first byte of `lock`, and who makes one, which takes as long as a boot, another byte
//! by its key: two can make two at once. What uses one needs no lock: it opens the file once, and
//! an open file stays.
//!
//! A file is taken for good if it is the very file that was written (inode, size, time of the last
//! change, which nobody can set). If it is another, a copy of the cache say, its SHA-256 decides.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use guest_kit::Identity;
use guest_protocol::Hello;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat, openat};
use serde::{Deserialize, Serialize};

use crate::record::digest::sha256_hex;

/// Part of every key: change it when the same inputs make another snapshot.
const FORMAT: u32 = 2;

/// At most so many are kept, the most recently used ones. Each takes some 150 MiB.
const MOST: usize = 24;
/// And at most so many bytes on disk.
const MOST_BYTES: u64 = 6 << 30;

/// All snapshots of a cache directory.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
}

/// What a snapshot is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    digest: String,
    parts: Vec<String>,
}

impl Key {
    /// Of everything that went in, in an order of the caller's.
    pub fn new(parts: Vec<String>) -> Key {
        let all = serde_json::json!([FORMAT, guest_protocol::PROTOCOL_VERSION, parts]);
        Key { digest: sha256_hex(all.to_string().as_bytes()), parts }
    }
}

/// A snapshot on disk.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    file: File,
    record: Record,
}

impl Snapshot {
    /// What the agent said.
    pub fn hello(&self) -> &Hello {
        &self.record.hello
    }

    /// The file, for QEMU to read.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn memory(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The record of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// What went in, for people.
    parts: Vec<String>,
    hello: Hello,
    /// Beside the record.
    file: String,
    identity: Identity,
    sha256: String,
}

/// Why a snapshot cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not what was written.
    #[error("the snapshot {} is damaged: {why}", path.display())]
    Damaged {
        /// Its record.
        path: PathBuf,
        /// What shows it.
        why: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Proof that nobody else puts snapshots in place or removes them.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Proof that nobody else makes the snapshot of this key.
#[derive(Debug)]
pub struct Making {
    key: Key,
    _file: File,
}

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Where it was.
    pub path: PathBuf,
    /// What it took on disk.
    pub bytes: u64,
}

impl Snapshots {
    /// Those below this cache directory.
    pub fn new(cache: &Path) -> Snapshots {
        Snapshots { dir: cache.join("snapshots") }
    }

    fn record_path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}.json", key.digest))
    }

    /// The snapshot of this key, if there is one. Counts as a use of it.
    ///
    /// # Errors
    /// There is one, and it is damaged or cannot be read.
    pub fn find(&self, key: &Key) -> Result<Option<Snapshot>, SnapshotError> {
        let path = self.record_path(key);
        let Some(mut record) = read_record(&path)? else { return Ok(None) };
        let damaged = |why: String| SnapshotError::Damaged { path: path.clone(), why };
        let file = match File::open(self.dir.join(&record.file)) {
            Ok(file) => file,
            Err(error) => return Err(damaged(format!("{}: {error}", record.file))),
        };
        let identity = Identity::of(&file)?;
        if identity != record.identity {
            if identity.bytes != record.identity.bytes {
                let (is, was) = (identity.bytes, record.identity.bytes);
                return Err(damaged(format!("{} has {is} bytes, and had {was}", record.file)));
            }
            if sha256_of(&file)? != record.sha256 {
                return Err(damaged(format!("{} has other content", record.file)));
            }
            record.identity = identity;
            // Spares the next one the reading; not needed for this one.
            let _ = self.write_record(&path, &record);
        }
        // For what is removed first. A cache that cannot be written serves all the same.
        let _ = File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(Snapshot { path, file, record }))
    }

    /// Waits until nobody else puts snapshots in place or removes them; removes what a killed one
    /// left.
    ///
    /// # Errors
    /// There is no place for them, or their file system has no locks.
    pub fn lock(&self) -> io::Result<Lock> {
        let lock = Lock { _file: self.locked(0)? };
        let records = self.records(&lock)?;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            // What others put here is neither opened nor removed.
            if !is_ours(&name) || !entry.file_type()?.is_file() {
                continue;
            }
            let known = records.iter().any(|(path, record)| {
                path.file_name() == Some(&name) || name == record.file.as_str()
            });
            if !known && !is_being_written(&entry.path())? {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(lock)
    }

    /// Waits until nobody else makes the snapshot of this key: then it is there, or to be made.
    ///
    /// # Errors
    /// As [`Snapshots::lock`].
    pub fn making(&self, key: &Key) -> io::Result<Making> {
        // Two keys of one number only wait for each other.
        let number = key.digest.get(..15).and_then(|d| i64::from_str_radix(d, 16).ok());
        Ok(Making { key: key.clone(), _file: self.locked(1 + number.unwrap_or(0))? })
    }

    /// A file that holds this byte of `lock`, once it can be had.
    fn locked(&self, byte: i64) -> io::Result<File> {
        use nix::fcntl::{FcntlArg, fcntl};
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join("lock");
        // What is no file would have the opener wait for somebody at its other end.
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(CWD, &path, flags, Mode::from_raw_mode(0o644))?);
        if !file.metadata()?.is_file() {
            let what = format!("{} is no regular file: remove it", path.display());
            return Err(io::Error::other(what));
        }
        let wanted = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte,
            l_len: 1,
            l_pid: 0,
        };
        // Of the open file, not of the process: threads wait for each other too.
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLKW(&wanted)) {
                Ok(_) => return Ok(file),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// A file for QEMU to write a snapshot to. It has no name yet: whatever ends the bench leaves
    /// nothing behind.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(&self, _making: &Making) -> io::Result<Unfinished> {
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(CWD, &self.dir, flags, mode) {
            Ok(file) => Ok(Unfinished { file: file.into(), name: None }),
            // A file system without nameless files; the next lock's holder removes it if need be.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
                let (file, name) = tempfile::NamedTempFile::new_in(&self.dir)?.into_parts();
                flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                Ok(Unfinished { file, name: Some(name) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a written snapshot in place, of an older one if there is one, and removes the least
    /// recently used ones above the bound.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(
        &self,
        making: &Making,
        unfinished: Unfinished,
        hello: &Hello,
    ) -> io::Result<Snapshot> {
        let key = &making.key;
        let Unfinished { file, name } = unfinished;
        file.sync_data()?;
        let digest = sha256_of(&file)?;
        let lock = self.lock()?;
        // Named by its content too, so that the old one stays whole until the record changes.
        let target = format!("{}-{}.memory", &key.digest[..32], &digest[..16]);
        let path = self.dir.join(&target);
        match name {
            Some(name) => name.persist(&path)?,
            None => {
                let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
                match linkat(CWD, nameless, CWD, &path, AtFlags::SYMLINK_FOLLOW) {
                    // A damaged one under the same name.
                    Err(rustix::io::Errno::EXIST) => {
                        fs::remove_file(&path)?;
                        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
                        linkat(CWD, nameless, CWD, &path, AtFlags::SYMLINK_FOLLOW)?;
                    }
                    other => other?,
                }
            }
        }
        let record = Record {
            parts: key.parts.clone(),
            hello: hello.clone(),
            file: target,
            identity: Identity::of(&file)?,
            sha256: digest,
        };
        let record_path = self.record_path(key);
        self.write_record(&record_path, &record)?;
        self.shrink(&lock, &record_path)?;
        Ok(Snapshot { path: record_path, file: File::open(&path)?, record })
    }

    /// Removes the snapshot of this key.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn discard(&self, _lock: &Lock, key: &Key) -> io::Result<()> {
        let path = self.record_path(key);
        match read_record(&path)? {
            Some(record) => self.remove(&path, &record).map(drop),
            None => remove_if_there(&path),
        }
    }

    /// Removes this snapshot, unless it has been made anew since it was found.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn discard_used(&self, _lock: &Lock, used: &Snapshot) -> io::Result<()> {
        match read_record(&used.path)? {
            Some(record) if record.identity == used.record.identity => {
                self.remove(&used.path, &record).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Removes what was not used for this long.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn prune(&self, unused_for: Duration) -> io::Result<Vec<Removed>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let lock = self.lock()?;
        let now = SystemTime::now();
        let mut removed = Vec::new();
        for (path, record) in self.records(&lock)? {
            let used = fs::metadata(&path)?.modified()?;
            // A use in the future is one just now.
            if now.duration_since(used).unwrap_or_default() >= unused_for {
                removed.push(self.remove(&path, &record)?);
            }
        }
        Ok(removed)
    }

    fn shrink(&self, lock: &Lock, keep: &Path) -> io::Result<()> {
        let mut all = Vec::new();
        for (path, record) in self.records(lock)? {
            let used = fs::metadata(&path)?.modified()?;
            let bytes = blocks(&self.dir.join(&record.file));
            all.push((used, bytes, path, record));
        }
        all.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let (mut count, mut total) = (0, 0);
        for (_, bytes, path, record) in all {
            count += 1;
            total += bytes;
            if (count > MOST || total > MOST_BYTES) && path != keep {
                self.remove(&path, &record)?;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path, record: &Record) -> io::Result<Removed> {
        let file = self.dir.join(&record.file);
        let bytes = blocks(&file);
        remove_if_there(path)?;
        remove_if_there(&file)?;
        Ok(Removed { path: path.to_owned(), bytes })
    }

    fn records(&self, _lock: &Lock) -> io::Result<Vec<(PathBuf, Record)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json")
                && path.file_name().is_some_and(is_ours)
                && let Some(record) = read_record(&path)?
            {
                records.push((path, record));
            }
        }
        Ok(records)
    }

    fn write_record(&self, path: &Path, record: &Record) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(serde_json::to_string_pretty(record)?.as_bytes())?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.persist(path)?;
        Ok(())
    }
}

/// A snapshot being written.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    name: Option<tempfile::TempPath>,
}

impl Unfinished {
    /// The file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The record there; none if there is none, or if it cannot be understood.
fn read_record(path: &Path) -> io::Result<Option<Record>> {
    // A FIFO under a record's name is not waited for.
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    match fs::read(path) {
        // One of another version, or a damaged one: it is made again.
        Ok(text) => Ok(serde_json::from_slice(&text).ok().filter(|record: &Record| {
            // It names a file beside it and nothing else.
            Path::new(&record.file).file_name().is_some_and(|name| name == record.file.as_str())
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name is one that a record, a snapshot's memory or a half-written file has.
fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let hex = |text: &str, digits| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match name.rsplit_once('.') {
        Some((key, "json")) => hex(key, 64),
        Some((keys, "memory")) => {
            keys.split_once('-').is_some_and(|(key, digest)| hex(key, 32) && hex(digest, 16))
        }
        _ => name.starts_with(".tmp"),
    }
}

/// Whether somebody writes a file that has no record yet: who does holds a lock on it.
fn is_being_written(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a file takes on disk; holes take nothing.
fn blocks(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

fn sha256_of(file: &File) -> io::Result<String> {
    use sha2::{Digest, Sha256};
    use std::os::unix::fs::FileExt;

    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        // The descriptor's own position is QEMU's, too.
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol: guest_protocol::PROTOCOL_VERSION,
            mono_ns: 5,
            kernel_release: "7.3.4".to_owned(),
            kernel_version: "#1".to_owned(),
            modprobe: None,
            module_gate: true,
            firmware_gate: true,
            tracing: true,
            leaks: false,
            warnings: Vec::new(),
        }
    }

    fn make(snapshots: &Snapshots, key: &Key, content: &[u8]) -> Snapshot {
        let making = snapshots.making(key).expect("nobody else does");
        let unfinished = snapshots.begin(&making).expect("begun");
        unfinished.file().write_all(content).expect("written");
        snapshots.finish(&making, unfinished, &hello()).expect("finished")
    }

    fn memory(dir: &Path) -> PathBuf {
        let files = std::fs::read_dir(dir.join("snapshots")).expect("there");
        let mut files = files.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|e| e == "memory")).expect("one")
    }

    fn names(dir: &Path) -> usize {
        std::fs::read_dir(dir.join("snapshots")).expect("there").count()
    }

    #[test]
    fn what_was_made_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = Key::new(vec!["kernel a".to_owned()]);
        assert!(snapshots.find(&key).expect("looked for").is_none());
        make(&snapshots, &key, b"memory");
        assert_eq!(snapshots.find(&key).expect("found").expect("one").hello(), &hello());
        let other = Key::new(vec!["kernel b".to_owned()]);
        assert!(snapshots.find(&other).expect("looked for").is_none());
    }

    #[test]
    fn damage_is_noticed() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = Key::new(Vec::new());
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 3] = [
            ("shorter", |file| std::fs::write(file, b"mem").expect("written")),
            ("other", |file| std::fs::write(file, b"nemory").expect("written")),
            ("gone", |file| std::fs::remove_file(file).expect("removed")),
        ];
        for (what, damage) in damages {
            make(&snapshots, &key, b"memory");
            damage(&memory(dir.path()));
            let found = snapshots.find(&key);
            assert!(matches!(found, Err(SnapshotError::Damaged { .. })), "{what}: {found:?}");
            snapshots.discard(&snapshots.lock().expect("locked"), &key).expect("discarded");
            assert!(snapshots.find(&key).expect("looked for").is_none());
        }
        // A record that is none is one that is not there.
        make(&snapshots, &key, b"memory");
        std::fs::write(snapshots.record_path(&key), b"{").expect("written");
        assert!(snapshots.find(&key).expect("looked for").is_none());
    }

    #[test]
    fn a_copy_is_as_good_as_what_was_written() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = Key::new(Vec::new());
        make(&snapshots, &key, b"memory");
        let (file, copy) = (memory(dir.path()), dir.path().join("copy"));
        std::fs::copy(&file, &copy).expect("copied");
        std::fs::rename(&copy, &file).expect("renamed");
        assert!(snapshots.find(&key).expect("found").is_some());
    }

    #[test]
    fn two_make_two_at_once_and_one_of_a_kind_waits() {
        use std::sync::mpsc;
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let (one, other) = (Key::new(vec!["one".to_owned()]), Key::new(vec!["other".to_owned()]));
        let making = snapshots.making(&one).expect("nobody else does");
        // It would hang here.
        make(&snapshots, &other, b"memory");
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(snapshots.making(&one).expect("after a while"));
                tell.send(()).expect("heard");
            });
            let early = told.recv_timeout(Duration::from_millis(50));
            assert!(early.is_err(), "it has not waited");
            drop(making);
            told.recv().expect("it goes on");
        });
    }

    #[test]
    fn what_is_being_written_stays() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        drop(snapshots.lock().expect("locked"));
        let path = dir.path().join("snapshots/.tmpX");
        let file = File::create(&path).expect("created");
        flock(&file, FlockOperation::NonBlockingLockExclusive).expect("locked");
        drop(snapshots.lock().expect("locked"));
        assert!(path.exists());
        drop(file);
        drop(snapshots.lock().expect("locked"));
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_go_and_what_is_old_is_pruned() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = Key::new(Vec::new());
        make(&snapshots, &key, b"memory");
        std::fs::write(dir.path().join("snapshots/.tmpX"), b"half").expect("written");
        drop(snapshots.lock().expect("locked"));
        assert_eq!(names(dir.path()), 3, "the lock, a record, its file");
        assert!(snapshots.prune(Duration::from_secs(3600)).expect("pruned").is_empty());
        assert_eq!(snapshots.prune(Duration::ZERO).expect("pruned").len(), 1);
        assert_eq!(names(dir.path()), 1, "the lock");
    }

    /// A file system's own directory, a pipe that nobody writes to, a file of somebody's.
    #[test]
    fn what_others_put_there_is_neither_touched_nor_waited_for() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = Key::new(Vec::new());
        make(&snapshots, &key, b"memory");
        let at = |name: &str| dir.path().join("snapshots").join(name);
        std::fs::create_dir(at("lost+found")).expect("made");
        let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
        let other = Key::new(vec!["other".to_owned()]);
        let pipes = [at("pipe"), at("pipe.json"), snapshots.record_path(&other)];
        for pipe in &pipes {
            nix::unistd::mkfifo(pipe, mode).expect("made");
        }
        std::fs::write(at("notes.memory"), "precious").expect("written");
        drop(snapshots.lock().expect("locked"));
        assert!(snapshots.find(&key).expect("looked for").is_some());
        assert!(snapshots.find(&other).expect("looked for").is_none());
        assert_eq!(snapshots.prune(Duration::ZERO).expect("pruned").len(), 1);
        for name in ["lost+found", "notes.memory", "pipe", "pipe.json"] {
            assert!(at(name).exists(), "{name}");
        }
        make(&snapshots, &other, b"in the place of the pipe");
        assert!(snapshots.find(&other).expect("looked for").is_some());
    }

    #[test]
    fn the_least_recently_used_make_room() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let snapshots = Snapshots::new(dir.path());
        let key = |n: usize| Key::new(vec![n.to_string()]);
        for n in 0..MOST {
            make(&snapshots, &key(n), b"memory");
        }
        snapshots.find(&key(0)).expect("found").expect("one");
        make(&snapshots, &key(MOST), b"memory");
        assert!(snapshots.find(&key(0)).expect("looked for").is_some(), "just used");
        assert!(snapshots.find(&key(1)).expect("looked for").is_none(), "the oldest use");
        assert!(snapshots.find(&key(MOST)).expect("looked for").is_some(), "the new one");
    }
}
