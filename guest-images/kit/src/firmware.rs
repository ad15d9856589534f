//! The distribution's package of Intel's own firmware. It is fetched for who runs this, as apt would
//! for him, and stays in his cache: its licence lets nobody else hand it on in part.
//!
//! Sources: Debian's packages `firmware-iwlwifi`; the kernel's `drivers/base/firmware_loader/main.c`
//! for the suffixes of compressed files.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::apt::Component as Archive;
use crate::cache::CacheDir;
use crate::compressed::Compression;
use crate::error::{At, KitError};
use crate::kernel::Kernel;
use crate::store::{Source, Unpacked};

const KIND: &str = "firmware";
const PACKAGE: &str = "firmware-iwlwifi";
/// Where it has its files; older ones before `/lib` and `/usr/lib` became one.
const PLACES: [&str; 2] = ["usr/lib/firmware", "lib/firmware"];
const LICENCE: &str = "usr/share/doc/firmware-iwlwifi/copyright";
/// What the loader tries after a file's plain name.
const SUFFIXES: [&str; 3] = ["", ".zst", ".xz"];
/// Far above the largest file (2.4 MiB).
const LARGEST: u64 = 64 << 20;

/// The distribution's firmware package, unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// Its name and version, as apt writes them.
    pub package: String,
    /// The archive's suite that it is of.
    pub suite: String,
    /// Where its files are.
    pub directory: PathBuf,
    /// Its licence.
    pub licence: PathBuf,
}

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFile {
    /// The name that it has there: as asked for, or with the suffix of a compressed file.
    pub name: String,
    /// What it holds, decompressed.
    pub content: Vec<u8>,
}

/// The suites of a kernel's distribution, the likeliest first.
fn suites(kernel: &Kernel) -> Vec<&'static str> {
    let of = |word: &str| {
        let version = kernel.package_version.as_deref().unwrap_or_default();
        version.contains(word) || kernel.release.contains(word)
    };
    if of("~bpo13") {
        vec!["trixie-backports", "trixie"]
    } else if of("deb13") {
        vec!["trixie"]
    } else if of("~bpo12") {
        vec!["bookworm-backports", "bookworm"]
    } else if of("deb11") || kernel.release.starts_with("5.10.") {
        vec!["bullseye"]
    } else if kernel.package_version.is_some() {
        vec!["bookworm"]
    } else {
        // The user's own: the newest.
        vec!["trixie-backports", "trixie"]
    }
}

/// Where a suite has what is not free.
fn archive(suite: &str) -> Archive {
    if suite.starts_with("bullseye") { Archive::NonFree } else { Archive::NonFreeFirmware }
}

fn place(unpacked: &Unpacked, suite: &str) -> Result<Firmware, KitError> {
    let root = unpacked.root();
    Ok(Firmware {
        package: format!("{PACKAGE} {}", unpacked.version(PACKAGE).unwrap_or_default()),
        suite: suite.to_owned(),
        directory: directory(&root)?,
        licence: root.join(LICENCE),
    })
}

fn directory(root: &Path) -> Result<PathBuf, KitError> {
    let found = PLACES.iter().map(|place| root.join(place)).find(|dir| dir.is_dir());
    found.ok_or_else(|| KitError::BadPackage {
        path: root.to_owned(),
        missing: PLACES[0].to_owned(),
    })
}

/// All that were fetched, by their suites.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, KIND)
}

/// That of a kernel's suite, if it was fetched.
pub(crate) fn cached(cache: &CacheDir, kernel: &Kernel) -> Result<Option<Firmware>, KitError> {
    for suite in suites(kernel) {
        if let Some(unpacked) = Unpacked::open(cache, KIND, suite)? {
            unpacked.used();
            return place(&unpacked.whole()?, suite).map(Some);
        }
    }
    Ok(None)
}

/// Fetches that of a kernel's suite.
pub(crate) fn fetch(source: &Source<'_>, kernel: &Kernel) -> Result<Firmware, KitError> {
    let mut failed = None;
    for suite in suites(kernel) {
        match fetch_suite(source, suite) {
            Err(error @ (KitError::NoPackage { .. } | KitError::NoSuite { .. })) => {
                failed = Some(error);
            }
            fetched => return fetched,
        }
    }
    Err(failed.unwrap_or_else(|| KitError::NoSource { release: kernel.release.clone() }))
}

/// Fetches that of a suite.
pub(crate) fn fetch_suite(source: &Source<'_>, suite: &str) -> Result<Firmware, KitError> {
    let suites = [suite];
    let apt = source.apt_of(&suites, archive(suite))?;
    let found = apt.require(PACKAGE)?;
    let unpacked = source.unpack(
        &apt,
        (KIND, suite),
        &[found],
        |path| !path.starts_with("usr/share/"),
        |root, _| {
            let licence = root.join(LICENCE);
            if licence.is_file() {
                return directory(root).map(drop);
            }
            Err(KitError::BadPackage { path: root.to_owned(), missing: LICENCE.to_owned() })
        },
    )?;
    place(&unpacked, suite)
}

impl Firmware {
    /// The names of its firmware for this driver, as a driver asks for them, sorted.
    ///
    /// # Errors
    /// Its directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, KitError> {
        let entries = fs::read_dir(&self.directory).at(&self.directory)?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.at(&self.directory)?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with("iwlwifi-")) else {
                continue;
            };
            let plain = SUFFIXES[1..].iter().find_map(|suffix| name.strip_suffix(suffix));
            names.push(plain.unwrap_or(name).to_owned());
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The file of a name that a driver asks for, under that or as a compressed one.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn file(&self, name: &str) -> Result<Option<FirmwareFile>, KitError> {
        let one = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !one {
            return Ok(None);
        }
        for suffix in SUFFIXES {
            let path = self.directory.join(format!("{name}{suffix}"));
            let metadata = match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => metadata,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).at(&path),
            };
            let bad = |missing: String| KitError::BadPackage { path: path.clone(), missing };
            if metadata.len() > LARGEST {
                return Err(bad("a firmware file: it is too large".to_owned()));
            }
            let content = fs::read(&path).at(&path)?;
            let content = match Compression::of_ending(suffix.trim_start_matches('.')) {
                None => content,
                Some(packed) => packed.unpack(&content).map_err(|error| bad(error.to_string()))?,
            };
            return Ok(Some(FirmwareFile { name: format!("{name}{suffix}"), content }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Firmware) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let firmware = Firmware {
            package: PACKAGE.to_owned(),
            suite: "trixie".to_owned(),
            directory: dir.path().to_owned(),
            licence: PathBuf::new(),
        };
        (dir, firmware)
    }

    #[test]
    fn files_are_found_as_the_loader_finds_them() {
        let packed = ruzstd::encoding::compress_to_vec(
            &b"ucode"[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        let (dir, firmware) = package(&[
            ("iwlwifi-7260-17.ucode", b"plain"),
            ("iwlwifi-cc-a0-77.ucode.zst", &packed),
            ("iwlwifi-bad-1.ucode.zst", b"no frame"),
            ("other.bin", b""),
        ]);
        fs::create_dir(dir.path().join("intel")).unwrap();
        let file = |name| firmware.file(name).unwrap().map(|file| (file.name, file.content));
        assert_eq!(
            file("iwlwifi-7260-17.ucode"),
            Some(("iwlwifi-7260-17.ucode".into(), b"plain".to_vec()))
        );
        assert_eq!(
            file("iwlwifi-cc-a0-77.ucode"),
            Some(("iwlwifi-cc-a0-77.ucode.zst".into(), b"ucode".to_vec()))
        );
        assert_eq!(
            [file("iwlwifi-8265-36.ucode"), file("../x"), file("intel")],
            [None, None, None]
        );
        assert!(matches!(firmware.file("iwlwifi-bad-1.ucode"), Err(KitError::BadPackage { .. })));
        assert_eq!(
            firmware.names().unwrap(),
            ["iwlwifi-7260-17.ucode", "iwlwifi-bad-1.ucode", "iwlwifi-cc-a0-77.ucode"]
        );
    }

    #[test]
    fn a_kernel_s_firmware_is_of_its_suite() {
        let suite = |release: &str, version: Option<&str>| {
            let kernel = Kernel {
                release: release.to_owned(),
                package_version: version.map(str::to_owned),
                bzimage: PathBuf::new(),
                modules: PathBuf::new(),
                config: None,
                packages: Vec::new(),
            };
            suites(&kernel)[0]
        };
        assert_eq!(suite("7.3.4+deb13-amd64", Some("7.3.4-1~bpo13+1")), "trixie-backports");
        assert_eq!(suite("6.12.117+deb13-amd64", Some("6.12.117-1")), "trixie");
        assert_eq!(suite("6.1.0-50-amd64", Some("6.1.174-1")), "bookworm");
        assert_eq!(suite("6.12.9+bpo-amd64", Some("6.12.9-1~bpo12+1")), "bookworm-backports");
        assert_eq!(suite("5.10.0-32-amd64", Some("5.10.223-1")), "bullseye");
        assert_eq!(suite("6.18.0-mine", None), "trixie-backports");
    }
}
