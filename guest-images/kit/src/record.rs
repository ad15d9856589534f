//! What unpacked files were, so that one that is so no more is noticed before it costs a boot.
//!
//! Beside `root/` lies `SHA256SUMS`, every regular file as sha256sum(1) writes it, so that
//! `cd root && sha256sum -c ../SHA256SUMS` tells the same as `iwlbench setup --verify`. The record in
//! `manifest.json` holds that list's own digest, the symbolic links, and of the files that every
//! use needs the [`Identity`]: to compare it costs a look at each, no reading. Modules, which are
//! thousands, are compared with the list when they are read. What the list does not name is not
//! ours: it is neither touched nor used.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, FileType};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::read_regular;
use crate::digest::Identity;
use crate::error::{At, Damage, KitError};
use crate::hash::{sha256, sha256_file};

/// The list's name.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// SHA-256 of the list.
    sums: String,
    /// Symbolic links and where they lead.
    links: BTreeMap<String, PathBuf>,
    /// Files that are looked at in each use.
    watched: BTreeMap<String, Identity>,
}

impl Record {
    /// Of the files below `root`, and the list. `watch` tells by the path which each use needs.
    pub(crate) fn make(
        root: &Path,
        watch: impl Fn(&str) -> bool,
    ) -> Result<(Self, String), KitError> {
        let mut list = String::new();
        let mut record =
            Self { sums: String::new(), links: BTreeMap::new(), watched: BTreeMap::new() };
        let mut files = Vec::new();
        walk(root, "", &mut |path, kind| files.push((path, kind)))?;
        files.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in files {
            let file = root.join(&path);
            if kind.is_symlink() {
                record.links.insert(path, fs::read_link(&file).at(&file)?);
            } else if kind.is_file() {
                // A String takes any write. Debian's names need no escape.
                let _ = writeln!(list, "{}  {path}", sha256_file(&file)?);
                if watch(&path) {
                    let metadata = fs::symlink_metadata(&file).at(&file)?;
                    record.watched.insert(path, Identity::of_metadata(&metadata));
                }
            }
        }
        record.sums = sha256(list.as_bytes());
        Ok((record, list))
    }

    /// The list in `dir`, if it is the one that was written.
    pub(crate) fn sums(&self, dir: &Path) -> Result<Sums, Damage> {
        let path = dir.join(SUMS);
        let text = match read_regular(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(Damage::new(&path, "is missing")),
            Err(error) => return Err(Damage::new(&path, format!("cannot be read ({error})"))),
        };
        if sha256(&text) != self.sums {
            return Err(Damage::new(&path, OTHER));
        }
        let lines = String::from_utf8_lossy(&text);
        let lines = lines.lines().filter_map(|line| line.split_once("  "));
        let by_path = lines.map(|(sum, path)| (path.to_owned(), sum.to_owned())).collect();
        Ok(Sums { root: dir.join("root"), by_path })
    }

    /// Looks at what each use needs. Files that are others than those unpacked, as in a copy of the
    /// cache, are compared by content: what is then known of them is returned.
    pub(crate) fn look(&self, dir: &Path) -> Result<Option<Self>, Damage> {
        let root = dir.join("root");
        let mut others = Vec::new();
        for (path, identity) in &self.watched {
            let file = root.join(path);
            let found = look_at(&file)?;
            if found == *identity {
                continue;
            }
            if found.bytes != identity.bytes {
                let (is, was) = (found.bytes, identity.bytes);
                return Err(Damage::new(&file, format!("has {is} bytes, and had {was}")));
            }
            others.push((path, found));
        }
        if others.is_empty() {
            return Ok(None);
        }
        let sums = self.sums(dir)?;
        let mut record = self.clone();
        for (path, found) in others {
            sums.compare(path)?;
            record.watched.insert(path.clone(), found);
        }
        Ok(Some(record))
    }

    /// Compares every file and link.
    pub(crate) fn verify(&self, dir: &Path) -> (usize, Vec<Damage>) {
        let root = dir.join("root");
        let sums = match self.sums(dir) {
            Ok(sums) => sums,
            Err(damage) => return (0, vec![damage]),
        };
        let files = sums.by_path.keys().filter_map(|path| sums.compare(path).err());
        let links = self.links.iter().filter_map(|(path, target)| {
            let link = root.join(path);
            let same = fs::read_link(&link).is_ok_and(|now| now == *target);
            (!same).then(|| Damage::new(&link, format!("is no link to {}", target.display())))
        });
        (sums.by_path.len() + self.links.len(), files.chain(links).collect())
    }
}

const OTHER: &str = "has other content than was unpacked";

fn look_at(file: &Path) -> Result<Identity, Damage> {
    match fs::symlink_metadata(file) {
        Ok(metadata) if metadata.is_file() => Ok(Identity::of_metadata(&metadata)),
        Ok(_) => Err(Damage::new(file, "is no regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Damage::new(file, "is missing")),
        Err(error) => Err(Damage::new(file, format!("cannot be looked at ({error})"))),
    }
}

/// The digests of unpacked files.
#[derive(Debug)]
pub(crate) struct Sums {
    root: PathBuf,
    by_path: BTreeMap<String, String>,
}

impl Sums {
    /// The content of a file below the root, if it is what was unpacked.
    pub(crate) fn read(&self, file: &Path) -> Result<Vec<u8>, KitError> {
        look_at(file).map_err(KitError::Damaged)?;
        let sum = self.path(file).and_then(|path| self.by_path.get(path));
        match read_regular(file).at(file)? {
            Some(bytes) if sum == Some(&sha256(&bytes)) => Ok(bytes),
            Some(_) => Err(KitError::Damaged(Damage::new(file, OTHER))),
            None => Err(KitError::Damaged(Damage::new(file, "is missing"))),
        }
    }

    fn compare(&self, path: &str) -> Result<(), Damage> {
        let file = self.root.join(path);
        look_at(&file)?;
        match sha256_file(&file) {
            Ok(sum) if self.by_path.get(path) == Some(&sum) => Ok(()),
            Ok(_) => Err(Damage::new(&file, OTHER)),
            Err(error) => Err(Damage::new(&file, format!("cannot be read ({error})"))),
        }
    }

    /// Files below a directory of the root's, by their paths below the root.
    pub(crate) fn below(&self, dir: &Path) -> impl Iterator<Item = &str> {
        let prefix = dir.strip_prefix(&self.root).unwrap_or(dir).to_owned();
        self.by_path.keys().map(String::as_str).filter(move |p| Path::new(p).starts_with(&prefix))
    }

    /// A path below the root.
    pub(crate) fn path<'a>(&self, file: &'a Path) -> Option<&'a str> {
        file.strip_prefix(&self.root).ok()?.to_str()
    }
}

/// Tells of everything below `dir` that is no directory. Symbolic links are not followed.
pub(crate) fn walk(
    dir: &Path,
    prefix: &str,
    tell: &mut dyn FnMut(String, FileType),
) -> Result<(), KitError> {
    for entry in fs::read_dir(dir).at(dir)? {
        let entry = entry.at(dir)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().at(&entry.path())?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), tell)?;
        } else {
            tell(path, kind);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was unpacked and is looked at, a file that is not, and a link.
    fn unpacked() -> (tempfile::TempDir, Record) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("kernel")).unwrap();
        fs::write(root.join("vmlinuz"), "image").unwrap();
        fs::write(root.join("kernel/a.ko"), "module").unwrap();
        std::os::unix::fs::symlink("vmlinuz", root.join("link")).unwrap();
        let (record, list) = Record::make(&root, |path| !path.ends_with(".ko")).unwrap();
        fs::write(dir.path().join(SUMS), list).unwrap();
        assert_eq!(record.look(dir.path()), Ok(None));
        assert_eq!(record.verify(dir.path()), (3, Vec::new()));
        (dir, record)
    }

    fn said(damage: &Damage) -> String {
        let name = damage.path.file_name().unwrap().to_string_lossy();
        format!("{name} {}", damage.why)
    }

    fn fifo(path: &Path) {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn each_damage_is_seen_where_every_use_looks() {
        type Harm = fn(&Path);
        let harms: [(Harm, &str, &str); 4] = [
            (|file| fs::write(file, "ima").unwrap(), "has 3 bytes, and had 5", OTHER),
            (|file| fs::write(file, "imago").unwrap(), OTHER, OTHER),
            (|file| fs::remove_file(file).unwrap(), "is missing", "is missing"),
            (
                |file| {
                    fs::remove_file(file).unwrap();
                    fifo(file);
                },
                "is no regular file",
                "is no regular file",
            ),
        ];
        for (harm, in_use, of_all) in harms {
            let (dir, record) = unpacked();
            let file = dir.path().join("root/vmlinuz");
            harm(&file);
            assert_eq!(record.look(dir.path()), Err(Damage::new(&file, in_use)));
            assert_eq!(record.verify(dir.path()).1, [Damage::new(&file, of_all)]);
        }
    }

    #[test]
    fn what_few_uses_need_is_seen_when_it_is_read_and_when_all_is_verified() {
        let (dir, record) = unpacked();
        fs::write(dir.path().join("root/kernel/a.ko"), "modulo").unwrap();
        fs::remove_file(dir.path().join("root/link")).unwrap();
        assert_eq!(record.look(dir.path()), Ok(None));
        let sums = record.sums(dir.path()).unwrap();
        let module = sums.read(&dir.path().join("root/kernel/a.ko")).unwrap_err().to_string();
        assert!(
            module.ends_with(&format!("a.ko {OTHER}: `iwlbench setup --verify` unpacks it again"))
        );
        assert_eq!(sums.read(&dir.path().join("root/vmlinuz")).unwrap(), b"image");
        let (_, damage) = record.verify(dir.path());
        let damage: Vec<_> = damage.iter().map(said).collect();
        assert_eq!(damage, [format!("a.ko {OTHER}"), "link is no link to vmlinuz".to_owned()]);

        let (dir, record) = unpacked();
        fs::write(dir.path().join(SUMS), "").unwrap();
        assert_eq!(said(&record.sums(dir.path()).unwrap_err()), format!("{SUMS} {OTHER}"));
        assert_eq!(record.verify(dir.path()).1.len(), 1);
    }

    #[test]
    fn a_copy_is_as_good_and_known_from_then_on() {
        let (dir, record) = unpacked();
        let (file, copy) = (dir.path().join("root/vmlinuz"), dir.path().join("copy"));
        fs::copy(&file, &copy).unwrap();
        fs::rename(&copy, &file).unwrap();
        let known = record.look(dir.path()).unwrap().expect("another file");
        assert_eq!(known.look(dir.path()), Ok(None));
    }

    #[test]
    fn what_is_not_ours_is_neither_named_nor_opened() {
        let (dir, record) = unpacked();
        fs::create_dir_all(dir.path().join("root/kernel/lost+found")).unwrap();
        fifo(&dir.path().join("root/kernel/b.ko"));
        fs::write(dir.path().join("root/kernel/c.ko"), "foreign").unwrap();
        assert_eq!(record.verify(dir.path()), (3, Vec::new()));
        let sums = record.sums(dir.path()).unwrap();
        let below: Vec<_> = sums.below(&dir.path().join("root/kernel")).collect();
        assert_eq!(below, ["kernel/a.ko"]);
    }
}
