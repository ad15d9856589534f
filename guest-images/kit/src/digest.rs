//! SHA-256 of files that many runs need again and again, remembered as long as a file is the very
//! one that was read: same inode, size and time of the last change, which nobody can set.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::cache::{CacheDir, read_json};
use crate::error::{At, KitError};
use crate::hash::{sha256, sha256_file};

/// Tells whether a file is the one that was seen before, untouched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Inode number.
    pub inode: u64,
    /// Length.
    pub bytes: u64,
    /// Time of the last change, seconds since 1970.
    pub changed_s: i64,
    /// And its nanoseconds.
    pub changed_ns: i64,
}

impl Identity {
    /// Of an open file.
    ///
    /// # Errors
    /// As `fstat`'s.
    pub fn of(file: &File) -> io::Result<Identity> {
        Ok(Self::of_metadata(&file.metadata()?))
    }

    pub(crate) fn of_metadata(metadata: &fs::Metadata) -> Identity {
        Identity {
            inode: metadata.ino(),
            bytes: metadata.size(),
            changed_s: metadata.ctime(),
            changed_ns: metadata.ctime_nsec(),
        }
    }

    /// Whether another change now would show: clocks of file systems tick slowly.
    fn is_settled(&self) -> bool {
        let changed = u64::try_from(self.changed_s).unwrap_or(0);
        let changed = UNIX_EPOCH + Duration::from_secs(changed);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > Duration::from_secs(2))
    }
}

#[derive(Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    identity: Identity,
    sha256: String,
}

impl CacheDir {
    /// SHA-256 of a file in hex.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn digest(&self, path: &Path) -> Result<String, KitError> {
        let path = fs::canonicalize(path).at(path)?;
        let identity = Identity::of(&File::open(&path).at(&path)?).at(&path)?;
        let name = sha256(path.as_os_str().as_encoded_bytes());
        let record = self.join("digests").join(format!("{}.json", &name[..32]));
        // A record that cannot be read is one that is not there.
        if let Ok(Some(known)) = read_json::<Known>(&record)
            && (&known.path, &known.identity) == (&path, &identity)
        {
            return Ok(known.sha256);
        }
        let sha256 = sha256_file(&path)?;
        if identity.is_settled() {
            // Spares the next run the reading; this one needs it not.
            let _ = remember(&record, &Known { path, identity, sha256: sha256.clone() });
        }
        Ok(sha256)
    }

    /// Forgets the files that are gone.
    pub(crate) fn forget_digests(&self) -> Result<(), KitError> {
        let dir = self.join("digests");
        if !dir.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&dir).at(&dir)? {
            let record = entry.at(&dir)?.path();
            if !is_ours(&record, 32, "json") {
                continue;
            }
            let known = read_json::<Known>(&record).ok().flatten();
            if !known.is_some_and(|known| known.path.exists()) {
                fs::remove_file(&record).at(&record)?;
            }
        }
        Ok(())
    }
}

/// Whether it is a file, named by so many hexadecimal digits: others' things are let be.
pub(crate) fn is_ours(path: &Path, digits: usize, extension: &str) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.len() == digits
        && stem.bytes().all(|b| b.is_ascii_hexdigit())
        && path.extension().is_some_and(|e| e == extension)
        && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn remember(record: &Path, known: &Known) -> io::Result<()> {
    fs::create_dir_all(record.parent().unwrap_or(record))?;
    replace_json(record, known)
}

/// Puts a record in place at once. It needs no lock: whoever writes it writes the same.
pub(crate) fn replace_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
    file.write_all(serde_json::to_string(value)?.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(cache: &CacheDir) -> usize {
        fs::read_dir(cache.join("digests")).map_or(0, Iterator::count)
    }

    fn old(path: &Path) -> Known {
        let identity = Identity::of(&File::open(path).unwrap()).unwrap();
        Known { path: path.to_owned(), identity, sha256: "remembered".to_owned() }
    }

    #[test]
    fn a_file_is_remembered_until_it_changes_and_forgotten_when_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path().join("cache")).unwrap();
        let path = fs::canonicalize(dir.path()).unwrap().join("kernel");
        fs::write(&path, b"one").unwrap();
        assert_eq!(cache.digest(&path).unwrap(), sha256(b"one"));
        assert_eq!(records(&cache), 0, "it may change within the same tick");

        let name = sha256(path.as_os_str().as_encoded_bytes());
        let record = cache.join("digests").join(format!("{}.json", &name[..32]));
        remember(&record, &old(&path)).unwrap();
        assert_eq!(cache.digest(&path).unwrap(), "remembered");
        fs::write(&path, b"two").unwrap();
        assert_eq!(cache.digest(&path).unwrap(), sha256(b"two"));
        fs::write(&record, b"{").unwrap();
        assert_eq!(cache.digest(&path).unwrap(), sha256(b"two"), "a damaged record is none");

        remember(&record, &old(&path)).unwrap();
        fs::create_dir(cache.join("digests/lost+found")).unwrap();
        cache.forget_digests().unwrap();
        assert_eq!(records(&cache), 2);
        fs::remove_file(&path).unwrap();
        cache.forget_digests().unwrap();
        assert_eq!(records(&cache), 1, "a directory is not ours");
    }
}
