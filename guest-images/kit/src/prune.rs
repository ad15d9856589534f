//! Removal of what was not used for long: images, kernels, and what modules are built with and of. QEMU
//! and kmod stay, as every run wants them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cache::{CacheDir, Guard};
use crate::digest::is_ours;
use crate::error::{At, KitError};

/// What is not built to its end has this extension.
pub(crate) const UNFINISHED: &str = "unfinished";

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Where it was.
    pub path: PathBuf,
    /// What its files held.
    pub bytes: u64,
}

/// Marks something as used now: the time of the file that makes it complete. A cache that cannot
/// be written serves all the same.
pub(crate) fn used(complete: &Path) {
    let _ = File::options()
        .append(true)
        .open(complete)
        .and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes what was not used for this long.
pub(crate) fn prune(
    cache: &CacheDir,
    _guard: &Guard,
    unused_for: Duration,
) -> Result<Vec<Pruned>, KitError> {
    let mut pruned = Vec::new();
    for path in entries(&cache.join("images"))? {
        if is_ours(&path, 64, "json") && is_old(&path, unused_for)? {
            pruned.push(remove_image(&path.with_extension("cpio"))?);
        }
    }
    let unpacked =
        ["kernels", "debug", "rooms", "rooms-in-place", "rust", "sources", "drivers", "firmware"]
            .map(|kind| entries(&cache.join(kind)));
    for path in unpacked.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
        let manifest = path.join("manifest.json");
        if manifest.is_file() && is_old(&manifest, unused_for)? {
            let bytes = size(&path);
            fs::remove_file(&manifest).at(&manifest)?;
            fs::remove_dir_all(&path).at(&path)?;
            pruned.push(Pruned { path, bytes });
        }
    }
    for path in entries(&cache.join("debug"))? {
        // When it was begun or taken up again.
        let begun = path.join("debug.config");
        let unfinished = path.extension().is_some_and(|extension| extension == UNFINISHED);
        if unfinished && begun.is_file() && is_old(&begun, unused_for)? {
            let bytes = size(&path);
            fs::remove_dir_all(&path).at(&path)?;
            pruned.push(Pruned { path, bytes });
        }
    }
    cache.forget_digests()?;
    Ok(pruned)
}

/// Removes an image by its archive's path.
pub(crate) fn remove_image(archive: &Path) -> Result<Pruned, KitError> {
    let record = archive.with_extension("json");
    let bytes = size(archive) + size(&record);
    // What makes it complete goes first.
    fs::remove_file(&record).at(&record)?;
    if is_ours(archive, 64, "cpio") {
        fs::remove_file(archive).at(archive)?;
    }
    Ok(Pruned { path: archive.to_owned(), bytes })
}

fn is_old(complete: &Path, unused_for: Duration) -> Result<bool, KitError> {
    let used = fs::metadata(complete).and_then(|metadata| metadata.modified()).at(complete)?;
    // A use in the future is one just now.
    Ok(SystemTime::now().duration_since(used).unwrap_or_default() >= unused_for)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, KitError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).at(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>().at(dir)?;
    entries.sort();
    Ok(entries)
}

/// Of a file, or of all files below a directory; what cannot be looked at counts nothing.
fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            entries(path).unwrap_or_default().iter().map(|path| size(path)).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_goes_and_what_was_used_stays() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let guard = cache.lock(&crate::progress::Silent).unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        let image = |name: &str| name.replace("old", "01").replace("used", "23").repeat(32);
        for name in ["old", "used"] {
            let kernel = dir.path().join("kernels").join(name);
            fs::create_dir_all(kernel.join("root")).unwrap();
            fs::create_dir_all(dir.path().join("images")).unwrap();
            let images = dir.path().join("images").join(image(name));
            fs::write(images.with_extension("cpio"), [0; 100]).unwrap();
            for complete in [kernel.join("manifest.json"), images.with_extension("json")] {
                fs::write(&complete, [0; 10]).unwrap();
                File::options().write(true).open(&complete).unwrap().set_modified(old).unwrap();
                if name == "used" {
                    used(&complete);
                }
            }
        }
        // Others' things are neither removed nor an error.
        fs::create_dir_all(dir.path().join("images/lost+found")).unwrap();
        fs::create_dir_all(dir.path().join("kernels/lost+found")).unwrap();
        let pruned = prune(&cache, &guard, Duration::from_secs(500)).unwrap();
        let old = format!("images/{}.cpio", image("old"));
        let expected = [(&*old, 110), ("kernels/old", 10)]
            .map(|(path, bytes)| Pruned { path: dir.path().join(path), bytes });
        assert_eq!(pruned, expected);
        assert!(!dir.path().join("kernels/old").exists());
        assert!(!dir.path().join(old).with_extension("json").exists());
        assert!(dir.path().join("images/lost+found").exists());
        assert!(dir.path().join("kernels/lost+found").exists());
        assert!(dir.path().join("kernels/used/manifest.json").exists());
        let used = format!("images/{}.cpio", image("used"));
        assert!(dir.path().join(used).exists());
    }
}
