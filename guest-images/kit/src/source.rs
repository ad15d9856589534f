//! The driver's own source, as the distribution has it for a kernel: a directory of its package
//! `linux-source-X.Y`, whose other 1.6 GB are passed over.
//!
//! Sources: Debian's kernel handbook, chapter 4; pax(1), ustar format.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use lzma_rust2::XzReader;

use crate::cache::CacheDir;
use crate::error::{At, KitError};
use crate::kernel::{Kernel, SUITES};
use crate::store::{Source, Unpacked};

const KIND: &str = "sources";

/// The driver's directory in a kernel tree.
const DRIVER: &str = "drivers/net/wireless/intel/iwlwifi";

/// Far above what is in it (7.3: 7 MiB); a directory of another size is no driver.
const LARGEST: u64 = 64 << 20;

/// A kernel's driver source.
pub(crate) struct DriverSource {
    /// The driver's directory.
    pub(crate) dir: PathBuf,
}

/// Where it is in the unpacked package.
fn place(unpacked: &Unpacked) -> DriverSource {
    DriverSource { dir: unpacked.root().join("iwlwifi") }
}

/// All fetched sources, by their kernels' releases.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, KIND)
}

/// The fetched source, if any.
pub(crate) fn cached(cache: &CacheDir, release: &str) -> Result<Option<DriverSource>, KitError> {
    let Some(unpacked) = Unpacked::open(cache, KIND, release)? else { return Ok(None) };
    unpacked.used();
    Ok(Some(place(&unpacked.whole()?)))
}

/// `linux-source-6.12` for 6.12.117-1.
pub(crate) fn package_of(version: &str) -> Option<String> {
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("linux-source-{major}.{minor}"))
}

/// Fetches the source of the very package that the kernel came in.
pub(crate) fn fetch(source: &Source<'_>, kernel: &Kernel) -> Result<DriverSource, KitError> {
    let release = kernel.release.as_str();
    let none = || KitError::NoSource { release: release.to_owned() };
    let version = kernel.package_version.as_deref().ok_or_else(none)?;
    let package = package_of(version).ok_or_else(none)?;
    for suite in SUITES.chunks(1) {
        let apt = match source.apt(suite) {
            Ok(apt) => apt,
            Err(KitError::NoSuite { .. }) => continue,
            Err(error) => return Err(error),
        };
        let Some(found) = apt.candidate(&format!("{package}={version}"))? else { continue };
        let unpacked = source.unpack(
            &apt,
            (KIND, release),
            &[found],
            |_| true,
            |root, _| {
                source.progress.step("taking the driver out of the kernel's source");
                let reduced = reduce(root, &package);
                source.progress.finish();
                reduced
            },
        )?;
        return Ok(place(&unpacked));
    }
    Err(none())
}

/// Leaves of an unpacked package the driver's directory alone.
fn reduce(root: &Path, package: &str) -> Result<(), KitError> {
    let archive = root.join(format!("usr/src/{package}.tar.xz"));
    let driver = root.join("iwlwifi");
    let file = BufReader::new(File::open(&archive).at(&archive)?);
    extract(XzReader::new(file, true), &driver).at(&archive)?;
    if !driver.join("iwl-drv.c").is_file() {
        let (path, missing) = (archive, format!("{DRIVER}/iwl-drv.c"));
        return Err(KitError::BadPackage { path, missing });
    }
    let rest = root.join("usr");
    fs::remove_dir_all(&rest).at(&rest)
}

/// Unpacks the driver's directory from a kernel's archive, and reads no further than that.
fn extract(archive: impl io::Read, to: &Path) -> io::Result<()> {
    let mut left = LARGEST;
    let mut seen = false;
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        // Below a directory of the archive's own.
        let below: PathBuf = path.components().skip(1).collect();
        let Ok(inner) = below.strip_prefix(DRIVER) else {
            if seen {
                return Ok(());
            }
            continue;
        };
        seen = true;
        if !inner.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("{} leads out of it", path.display())));
        }
        let place = to.join(inner);
        if entry.header().entry_type().is_dir() {
            fs::create_dir_all(&place)?;
        } else if entry.header().entry_type().is_file() {
            left = left
                .checked_sub(entry.size())
                .ok_or_else(|| io::Error::other(format!("{DRIVER} has more than {LARGEST} B")))?;
            place.parent().map_or(Ok(()), fs::create_dir_all)?;
            io::copy(&mut entry, &mut File::create(&place)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_the_series() {
        assert_eq!(package_of("7.3.4-1~bpo13+1").as_deref(), Some("linux-source-7.3"));
        assert_eq!(package_of("6.12.117-1").as_deref(), Some("linux-source-6.12"));
        assert_eq!(package_of("6.1-1").as_deref(), Some("linux-source-6.1"));
        assert_eq!(package_of("7"), None);
    }

    #[test]
    fn of_a_tree_the_driver_alone_is_taken() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &str, content: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, content.as_bytes()).unwrap();
        };
        add("linux-source-7.3/drivers/net/wireless/intel/ipw2x00/a.c", "other");
        add("linux-source-7.3/drivers/net/wireless/intel/iwlwifi/iwl-drv.c", "driver");
        add("linux-source-7.3/drivers/net/wireless/intel/iwlwifi/mvm/ops.c", "opmode");
        add("linux-source-7.3/drivers/net/wireless/intersil/b.c", "other");
        let mut archive = archive.into_inner().unwrap();
        // What comes after the driver is not looked at.
        let end = archive.len() - 1024;
        archive.truncate(end);
        archive.extend([0xff; 512]);
        let dir = tempfile::tempdir().unwrap();
        extract(&archive[..], &dir.path().join("iwlwifi")).unwrap();
        let read = |path: &str| fs::read_to_string(dir.path().join("iwlwifi").join(path)).unwrap();
        assert_eq!((&*read("iwl-drv.c"), &*read("mvm/ops.c")), ("driver", "opmode"));
        assert_eq!(fs::read_dir(dir.path().join("iwlwifi")).unwrap().count(), 2);
    }
}
