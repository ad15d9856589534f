//! A kernel's `.config`, where one can be found: what a guest of the bench cannot do without.
//!
//! Only what no guest can do without is asked for: the options for which the bench has no other way.
//! Sources: Documentation/kbuild/kconfig.rst, and what `agent` and `bench` use.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::cache::read_regular;
use crate::error::{At, KitError};
use crate::vmlinux;

/// Options without `CONFIG_`, and what for.
const NEEDED: [(&str, &str); 13] = [
    ("64BIT", "an x86-64 guest"),
    ("MODULES", "the opmodes as modules"),
    ("BLK_DEV_INITRD", "the guest's initramfs"),
    ("BINFMT_ELF", "its programs"),
    ("PROC_FS", "the agent"),
    ("SYSFS", "the agent"),
    ("DEVTMPFS", "the agent"),
    ("NET", "the wireless stack"),
    ("PCI", "the card"),
    ("HOTPLUG_PCI_PCIE", "a card that is plugged in"),
    ("VIRTIO_PCI", "the agent's line to the host"),
    ("VIRTIO_CONSOLE", "the agent's line to the host"),
    ("FUSE_FS", "the firmware gate"),
];

/// Where the configuration of a kernel of the user's may lie: beside its modules, in the tree that
/// both were built in, beside the image as distributions install it.
fn places(bzimage: &Path, modules: &Path, release: &str) -> Vec<PathBuf> {
    let mut places = vec![modules.join("config"), modules.join("build/.config")];
    places.extend(bzimage.parent().map(|boot| boot.join(format!("config-{release}"))));
    // …/arch/x86/boot/bzImage
    places.extend(bzimage.ancestors().nth(4).map(|tree| tree.join(".config")));
    places
}

/// The configuration that a kernel was built with, if it can be found. One that was changed since
/// is not that.
pub(crate) fn find(bzimage: &Path, modules: &Path, release: &str) -> Option<PathBuf> {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let built = changed(bzimage)?;
    let older = |path: &PathBuf| path.is_file() && changed(path).is_some_and(|time| time <= built);
    places(bzimage, modules, release).into_iter().find(older)
}

/// What a kernel was built with, as far as that is known; options are named without `CONFIG_`.
#[derive(Debug, Default)]
pub struct Configuration(Option<BTreeSet<String>>);

impl Configuration {
    /// What stands in a file.
    pub(crate) fn of(path: &Path) -> Result<Self, KitError> {
        Ok(Self::said(&read_regular(path).at(path)?.unwrap_or_default()))
    }

    /// What a kernel's image holds, if it does.
    pub(crate) fn of_image(bzimage: &Path) -> Result<Self, KitError> {
        Ok(embedded(bzimage)?.map_or_else(Self::default, |text| Self::said(&text)))
    }

    fn said(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        Self(Some(set(&text).into_iter().map(str::to_owned).collect()))
    }

    /// It is known that an option is set.
    pub fn has(&self, option: &str) -> bool {
        self.0.as_ref().is_some_and(|set| set.contains(option))
    }

    /// It is known that an option is not set.
    pub fn lacks(&self, option: &str) -> bool {
        self.0.as_ref().is_some_and(|set| !set.contains(option))
    }

    /// It takes no module without a signature of its own.
    pub fn enforces_signatures(&self) -> bool {
        self.has("MODULE_SIG_FORCE")
    }

    /// It can look for memory that has leaked (kmemleak).
    pub fn finds_leaks(&self) -> bool {
        self.has("DEBUG_KMEMLEAK")
    }

    /// It may have a sanitizer at work by itself.
    pub fn may_sanitize(&self) -> bool {
        ["KASAN", "KMSAN", "KCSAN", "UBSAN", "DEBUG_OBJECTS", "SLUB_DEBUG_ON"]
            .iter()
            .any(|option| !self.lacks(option))
    }
}

fn set(text: &str) -> BTreeSet<&str> {
    let options = text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
    options.filter(|(_, value)| matches!(*value, "y" | "m")).map(|(option, _)| option).collect()
}

/// An error that names the options that are not set and should be.
pub(crate) fn check(path: &Path) -> Result<(), KitError> {
    let Some(text) = read_regular(path).at(path)? else { return Ok(()) };
    check_text(&String::from_utf8_lossy(&text), path)
}

/// The same of what a kernel holds itself (`CONFIG_IKCONFIG`), if it does.
pub(crate) fn check_image(bzimage: &Path) -> Result<(), KitError> {
    match embedded(bzimage)? {
        Some(text) => check_text(&String::from_utf8_lossy(&text), bzimage),
        None => Ok(()),
    }
}

fn check_text(text: &str, path: &Path) -> Result<(), KitError> {
    let set = set(text);
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(option, _)| !set.contains(option))
        .map(|(option, what)| format!("CONFIG_{option} ({what})"))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(KitError::Config { path: path.to_owned(), missing: missing.join(", ") }),
    }
}

/// Far above any configuration.
const LARGEST_CONFIG: u64 = 4 << 20;
/// Before the configuration (`kernel/configs.c`), which is a gzip file.
const BEGINS: &[u8] = b"IKCFG_ST";

/// The configuration that a kernel holds itself, if it does.
fn embedded(bzimage: &Path) -> Result<Option<Vec<u8>>, KitError> {
    let Some(kernel) = vmlinux::unpacked(bzimage)? else { return Ok(None) };
    let at = kernel.windows(BEGINS.len()).position(|window| window == BEGINS);
    let Some(at) = at.map(|at| at + BEGINS.len()) else { return Ok(None) };
    let mut text = Vec::new();
    let read = GzDecoder::new(&kernel[at..]).take(LARGEST_CONFIG).read_to_end(&mut text);
    Ok(read.is_ok().then_some(text))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".config");
        let all = NEEDED.map(|(option, _)| format!("CONFIG_{option}=y\n")).concat();
        fs::write(&path, &all).unwrap();
        check(&path).unwrap();
        let known = Configuration::of(&path).unwrap();
        assert!(known.has("PCI") && !known.has("MODULE_SIG_FORCE"));
        let modular = all.replace("FUSE_FS=y", "FUSE_FS=m");
        fs::write(&path, &modular).unwrap();
        check(&path).unwrap();
        let without = all
            .replace("CONFIG_FUSE_FS=y", "# CONFIG_FUSE_FS is not set")
            .replace("CONFIG_VIRTIO_PCI=y\n", "CONFIG_VIRTIO_PCI_LIB=y\n");
        fs::write(&path, &without).unwrap();
        let said = check(&path).unwrap_err().to_string();
        assert!(said.contains(".config"), "{said}");
        assert!(said.contains("CONFIG_VIRTIO_PCI (the agent's line to the host)"), "{said}");
        assert!(said.contains("CONFIG_FUSE_FS (the firmware gate)"), "{said}");
        assert!(!said.contains("CONFIG_PCI "), "{said}");
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn the_kernel_may_hold_its_configuration_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bzImage");
        let all = NEEDED.map(|(option, _)| format!("CONFIG_{option}=y\n")).concat();
        let without = all.replace("CONFIG_FUSE_FS=y", "# CONFIG_FUSE_FS is not set");
        let kernel = |config: &str| {
            [b"\x7fELF, code", BEGINS, &gzip(config.as_bytes()), b"IKCFG_ED, data"].concat()
        };
        let zstd = |bytes: &[u8]| {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        };
        // The kernel's build puts the size behind it.
        let sized = |bytes: Vec<u8>| [bytes, vec![0, 1, 0, 0]].concat();
        for pack in [&(|bytes: &[u8]| gzip(bytes)) as &dyn Fn(&[u8]) -> Vec<u8>, &|bytes| {
            sized(zstd(bytes))
        }] {
            fs::write(&path, vmlinux::bzimage(&pack(&kernel(&all)))).unwrap();
            check_image(&path).unwrap();
            fs::write(&path, vmlinux::bzimage(&pack(&kernel(&without)))).unwrap();
            let said = check_image(&path).unwrap_err().to_string();
            assert!(said.contains("bzImage: not set: CONFIG_FUSE_FS (the"), "{said}");
            // One that has none says nothing.
            fs::write(&path, vmlinux::bzimage(&pack(b"code"))).unwrap();
            check_image(&path).unwrap();
        }
        for garbage in [&b"x"[..], &vmlinux::bzimage(b"x"), &vmlinux::bzimage(&[0x1f, 0x8b, 0xff])]
        {
            fs::write(&path, garbage).unwrap();
            check_image(&path).unwrap();
        }
    }

    #[test]
    fn one_that_was_changed_after_the_build_is_not_the_kernels() {
        let dir = tempfile::tempdir().unwrap();
        let boot = dir.path().join("arch/x86/boot");
        fs::create_dir_all(&boot).unwrap();
        let (bzimage, config) = (boot.join("bzImage"), dir.path().join(".config"));
        fs::write(&config, "").unwrap();
        fs::write(&bzimage, "").unwrap();
        let set = |path: &Path, seconds| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        };
        set(&bzimage, 1000);
        set(&config, 999);
        let modules = dir.path().join("modules");
        assert_eq!(find(&bzimage, &modules, "6.6"), Some(config.clone()));
        set(&config, 1001);
        assert_eq!(find(&bzimage, &modules, "6.6"), None);
    }
}
