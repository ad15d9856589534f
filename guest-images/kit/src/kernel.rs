//! Kernels: which one is asked for, where Debian keeps it, and where its
//! files are.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::apt::{Apt, Candidate, Package};
use crate::cache::{CacheDir, read_json};
use crate::config::{self, Configuration};
use crate::error::{At, KitError};
use crate::modules::ModuleTree;
use crate::record::Sums;
use crate::store::{Source, Unpacked};
use crate::tree;
use crate::vmlinux;

const KIND: &str = "kernels";
/// The directory of debug kernels, built here.
pub(crate) const DEBUG: &str = "debug";

/// Where kernels are looked for, the likeliest first. A suite's lists are
/// fetched only when the ones before it lack the version.
pub(crate) const SUITES: [&str; 5] =
    ["trixie-backports", "trixie", "bookworm", "bookworm-backports", "bullseye"];

/// Which kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum KernelSelector {
    /// Debian's `linux-image-amd64` of trixie-backports.
    #[default]
    Default,
    /// Of the same source, built here with what finds faults.
    Debug,
    /// A Debian kernel by release (`7.3.4+deb13-amd64`), or by the leading
    /// numbers of its release or package version (`7.3`, `6.12`, `6.1.192`),
    /// the flavour after them if it is not the plain one (`6.12-rt`).
    Version(String),
    /// A kernel that the user built, in its tree.
    Tree(PathBuf),
    /// A kernel that the user built or unpacked.
    Files {
        /// The bzImage.
        bzimage: PathBuf,
        /// Its modules: `…/lib/modules/<release>`.
        modules: PathBuf,
    },
    /// A kernel whose modules are in an initrd.
    Image(PathBuf),
}

/// Parses the `--kernel` option: `default`, `debug` or a version.
impl FromStr for KernelSelector {
    type Err = KitError;

    fn from_str(text: &str) -> Result<Self, KitError> {
        if text == "default" {
            return Ok(Self::Default);
        }
        if text == "debug" {
            return Ok(Self::Debug);
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~');
        let numbers = text.split(['-', '+', '~']).next().unwrap_or_default();
        // Not `7..3`, which is a slip, and names no kernel.
        let good = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(word);
        if good && numbers.split('.').all(|number| !number.is_empty()) {
            Ok(Self::Version(text.to_owned()))
        } else {
            Err(KitError::BadKernelVersion { text: text.to_owned() })
        }
    }
}

/// A kernel on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`, e.g. `7.3.4+deb13-amd64`.
    pub release: String,
    /// Debian's version, e.g. `7.3.4-1~bpo13+1`; `None` for the user's own files.
    pub package_version: Option<String>,
    /// The kernel image, as QEMU's `-kernel` takes it.
    pub bzimage: PathBuf,
    /// `…/lib/modules/<release>`.
    pub modules: PathBuf,
    /// The `.config`, where the package ships one.
    pub config: Option<PathBuf>,
    /// The packages it was unpacked from; empty for the user's own files.
    pub packages: Vec<Package>,
}

impl KernelSelector {
    /// Refuses what can have no driver to test, before anything is fetched.
    pub(crate) fn check(&self) -> Result<(), KitError> {
        match self {
            Self::Version(wanted) if wanted.split('-').any(|word| word == "cloud") => {
                let (release, plain) = (wanted.clone(), wanted.replace("-cloud", ""));
                Err(KitError::NoDriver { release, plain })
            }
            _ => Ok(()),
        }
    }
}

impl Kernel {
    /// Whether all of it is in the archive's signed index. If not, have the guest's kernel insist
    /// on its modules' signatures, which its own image can check.
    pub fn is_listed(&self) -> bool {
        !self.packages.iter().any(|package| package.unlisted)
    }

    /// What it was built with.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn configuration(&self) -> Result<Configuration, KitError> {
        match &self.config {
            Some(config) => Configuration::of(config),
            // Debian's say no more in themselves than in the file beside them.
            None if !self.packages.is_empty() => Ok(Configuration::default()),
            None => Configuration::of_image(&self.bzimage),
        }
    }

    /// Whether it holds a module itself.
    ///
    /// # Errors
    /// Its modules' lists cannot be read.
    pub fn has_built_in(&self, module: &str) -> Result<bool, KitError> {
        Ok(ModuleTree::open(&self.modules, None)?.has_built_in(module))
    }

    /// Which of Linux's versions it is, as far as can be known: `6.1.174-1`, where the release
    /// says no more than `6.1.0-50-amd64`.
    pub fn version(&self) -> &str {
        self.package_version.as_deref().unwrap_or(&self.release)
    }
}

/// Leading whole numbers of a version: `7.3.4+deb13` is 7, 3, 4.
fn leading_numbers(version: &str) -> Vec<u64> {
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(version.len());
    version[..end].split('.').map_while(|part| part.parse().ok()).collect()
}

/// All numbers of a release, to order releases: 6.1.0-9 comes before 6.1.0-10.
fn order(release: &str) -> Vec<u64> {
    let numbers = release.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|digits| digits.parse().ok()).collect()
}

/// Whether `wanted` names the kernel of this release and package version.
fn matches(wanted: &str, release: &str, package_version: &str) -> bool {
    if wanted == release {
        return true;
    }
    let (wanted, flavour) = match wanted.split_once('-') {
        Some((numbers, "rt")) => (numbers, Flavour::Rt),
        Some((numbers, "cloud")) => (numbers, Flavour::Cloud),
        _ => (wanted, Flavour::Plain),
    };
    let numeric = wanted.chars().all(|c| c.is_ascii_digit() || c == '.');
    let numbers = leading_numbers(wanted);
    numeric
        && Flavour::of(release) == Some(flavour)
        && (leading_numbers(release).starts_with(&numbers)
            || leading_numbers(package_version).starts_with(&numbers))
}

/// What Debian builds a kernel for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Real and virtual PCs alike.
    Plain,
    /// The same with PREEMPT_RT.
    Rt,
    /// Virtual machines alone: there is no wireless driver in it.
    Cloud,
}

impl Flavour {
    /// Of a release, if it is one of a kernel for amd64.
    fn of(release: &str) -> Option<Self> {
        let rest = release.strip_suffix("-amd64")?;
        if !release.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        // `linux-image-6.12-amd64` is a metapackage.
        let whole = release.contains('+') || leading_numbers(rest).len() > 2;
        whole.then_some(match rest.rsplit('-').next() {
            Some("rt") => Self::Rt,
            Some("cloud") => Self::Cloud,
            _ => Self::Plain,
        })
    }
}

impl Kernel {
    /// Finds the files in unpacked packages. 7.x keeps the image beside the
    /// modules, older kernels in `/boot`; bookworm's modules are in `/lib`.
    pub(crate) fn locate(root: &Path, release: &str) -> Result<Self, KitError> {
        let missing = |missing: String| KitError::BadPackage { path: root.to_path_buf(), missing };
        let first = |paths: &[PathBuf]| paths.iter().find(|path| path.is_file()).cloned();
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .map(|dir| root.join(dir).join(release))
            .find(|dir| dir.join("kernel").is_dir())
            .ok_or_else(|| missing(format!("lib/modules/{release}")))?;
        let boot = root.join("boot");
        let bzimage = first(&[modules.join("vmlinuz"), boot.join(format!("vmlinuz-{release}"))])
            .ok_or_else(|| missing(format!("vmlinuz of {release}")))?;
        let config = first(&[modules.join("config"), boot.join(format!("config-{release}"))]);
        Ok(Self {
            release: release.to_owned(),
            package_version: None,
            bzimage,
            modules,
            config,
            packages: Vec::new(),
        })
    }

    /// One of packages, with the version of this one.
    pub(crate) fn of(unpacked: &Unpacked, release: &str, package: &str) -> Result<Self, KitError> {
        Ok(Self {
            package_version: unpacked.version(package).map(str::to_owned),
            packages: unpacked.packages.clone(),
            ..Self::locate(&unpacked.root(), release)?
        })
    }

    /// Whether it is one that was built here to find faults.
    pub(crate) fn is_debug(&self, cache: &CacheDir) -> bool {
        self.modules.starts_with(cache.join(DEBUG))
    }

    /// A kernel in the tree that it was built in, with its modules.
    pub(crate) fn from_tree(tree: &Path) -> Result<Self, KitError> {
        let tree = directory(tree)?;
        let release = tree::release(&tree)?;
        let bzimage = tree.join(tree::BZIMAGE);
        let bad = |reason: String| KitError::BadTree { path: tree.clone(), reason };
        let built = whole_bzimage(&bzimage)?;
        let built = built.ok_or_else(|| bad(format!("{} is no bzImage", tree::BZIMAGE)))?;
        if built != release {
            let image = tree::BZIMAGE;
            return Err(bad(format!(
                "{image} is kernel {built}, and {release} is what is built now: `make bzImage modules`"
            )));
        }
        let config = config::find(&bzimage, &tree, &release);
        config.as_deref().map(config::check).transpose()?;
        let (package_version, packages) = (None, Vec::new());
        Ok(Self { release, package_version, bzimage, modules: tree, config, packages })
    }

    /// The tree that it lies in, if it is used where it was built.
    pub fn tree(&self) -> Option<&Path> {
        tree::is_tree(&self.modules).then_some(self.modules.as_path())
    }

    /// A kernel image alone: what else there is of it, an initrd has.
    pub(crate) fn from_image(bzimage: &Path) -> Result<Self, KitError> {
        let bzimage = std::path::absolute(bzimage).at(bzimage)?;
        let release = whole_bzimage(&bzimage)?.ok_or_else(|| KitError::BadKernelFiles {
            path: bzimage.clone(),
            reason: "not a bzImage".to_owned(),
        })?;
        let modules = PathBuf::from(NOWHERE);
        let (package_version, config, packages) = (None, None, Vec::new());
        Ok(Self { release, package_version, bzimage, modules, config, packages })
    }

    /// The user's own files, checked to belong together.
    pub(crate) fn from_files(bzimage: &Path, modules: &Path) -> Result<Self, KitError> {
        let bad = |path: &Path, reason: String| KitError::BadKernelFiles {
            path: path.to_path_buf(),
            reason,
        };
        // The user may say "." or come through a symbolic link.
        let modules = directory(modules)?;
        let release = modules.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !modules.join("modules.order").is_file() && !modules.join("kernel").is_dir() {
            let reason = "no modules here; name …/lib/modules/RELEASE".to_owned();
            return Err(bad(&modules, reason));
        }
        let built =
            whole_bzimage(bzimage)?.ok_or_else(|| bad(bzimage, "not a bzImage".to_owned()))?;
        if built != release {
            let reason = format!("this is kernel {built}, but the modules are for {release}");
            return Err(bad(bzimage, reason));
        }
        let bzimage = std::path::absolute(bzimage).at(bzimage)?;
        let config = config::find(&bzimage, &modules, release);
        match &config {
            Some(path) => config::check(path)?,
            None => config::check_image(&bzimage)?,
        }
        Ok(Self {
            release: release.to_owned(),
            package_version: None,
            bzimage,
            config,
            modules,
            packages: Vec::new(),
        })
    }
}

/// Where the modules of a kernel are that is an image alone.
const NOWHERE: &str = "/nonexistent";

/// Whether a file is a bzImage; one that cannot be read is none.
pub fn is_bzimage(path: &Path) -> bool {
    matches!(bzimage_release(path), Ok(Some(_)))
}

/// A directory that the user named, in full.
fn directory(path: &Path) -> Result<PathBuf, KitError> {
    let bad = |reason: &str| KitError::BadKernelFiles {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    match fs::canonicalize(path) {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(_) => Err(bad("this is no directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(bad("there is no such directory"))
        }
        Err(error) => Err(error).at(path),
    }
}

/// The release of a bzImage, none of which is missing: what is cut off would be noticed by a guest that does
/// not boot.
fn whole_bzimage(path: &Path) -> Result<Option<String>, KitError> {
    let Some(release) = bzimage_release(path)? else { return Ok(None) };
    let file = File::open(path).at(path)?;
    let length = file.metadata().at(path)?.len();
    let mut header = [0; 0x210];
    file.read_exact_at(&mut header, 0).at(path)?;
    match vmlinux::length(&header).is_some_and(|needed| length < needed) {
        true => Err(KitError::CutShort { path: path.to_path_buf(), what: "a kernel's image" }),
        false => Ok(Some(release)),
    }
}

/// The release that a bzImage says it is (Documentation/arch/x86/boot.rst:
/// `HdrS` at 0x202, the string's offset less 0x200 at 0x20e). `None` if it is
/// no bzImage.
fn bzimage_release(path: &Path) -> Result<Option<String>, KitError> {
    let file = File::open(path).at(path)?;
    let mut header = [0; 0x210];
    if file.read_exact_at(&mut header, 0).is_err() || header[0x202..0x206] != *b"HdrS" {
        return Ok(None);
    }
    let at = 0x200 + u64::from(u16::from_le_bytes([header[0x20e], header[0x20f]]));
    let mut text = [0; 128];
    let length = file.read_at(&mut text, at).at(path)?;
    let text = String::from_utf8_lossy(&text[..length]);
    Ok(text.split([' ', '\0']).next().map(str::to_owned))
}

/// Names of image packages, less the release.
const PREFIX: &str = "linux-image-";

/// Which kernel [`KernelSelector::Default`] was when it was fetched.
#[derive(Serialize, Deserialize)]
struct DefaultKernel {
    release: String,
}

fn default_file(cache: &CacheDir) -> PathBuf {
    cache.join("default-kernel.json")
}

/// The fetched kernel that fits, the newest of several, and its release.
fn chosen(
    cache: &CacheDir,
    selector: &KernelSelector,
) -> Result<Option<(String, Unpacked)>, KitError> {
    let mut kernels = Vec::new();
    let default: Option<DefaultKernel> = match selector {
        KernelSelector::Default => read_json(&default_file(cache))?,
        _ => None,
    };
    for (release, unpacked) in all_unpacked(cache)? {
        let fits = match selector {
            KernelSelector::Default => default.as_ref().is_some_and(|d| d.release == release),
            KernelSelector::Version(wanted) => {
                let version = unpacked.version(&image_of(&release));
                matches(wanted, &release, version.unwrap_or_default())
            }
            KernelSelector::Debug
            | KernelSelector::Files { .. }
            | KernelSelector::Tree(_)
            | KernelSelector::Image(_) => false,
        };
        if fits {
            kernels.push((release, unpacked));
        }
    }
    Ok(kernels.into_iter().max_by_key(|(release, _)| order(release)))
}

/// The fetched kernel that the selector means.
pub(crate) fn cached(
    cache: &CacheDir,
    selector: &KernelSelector,
) -> Result<Option<Kernel>, KitError> {
    let Some((release, unpacked)) = chosen(cache, selector)? else { return Ok(None) };
    unpacked.used();
    Kernel::of(&unpacked.whole()?, &release, &image_of(&release)).map(Some)
}

/// The package of a kernel's image.
fn image_of(release: &str) -> String {
    format!("{PREFIX}{release}")
}

/// What the files of a fetched kernel have to be.
pub(crate) fn sums(cache: &CacheDir, kernel: &Kernel) -> Result<Option<Sums>, KitError> {
    let kind = if kernel.is_debug(cache) { DEBUG } else { KIND };
    let unpacked = Unpacked::open(cache, kind, &kernel.release)?;
    unpacked.map(|unpacked| unpacked.sums()).transpose()
}

/// All fetched kernels.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, KIND)
}

/// The image package that the metapackage depends on, and its release.
fn default_image(apt: &Apt<'_>) -> Result<Option<(String, Candidate)>, KitError> {
    let meta = apt.require("linux-image-amd64")?;
    let mut releases = meta.depends().iter().filter_map(|name| name.strip_prefix(PREFIX));
    let plain = |release: &&str| Flavour::of(release) == Some(Flavour::Plain);
    let Some(release) = releases.find(plain) else { return Ok(None) };
    Ok(Some((release.to_owned(), apt.require(&image_of(release))?)))
}

/// The kernels of `apt`'s one suite, the newest first.
fn kernels(apt: &Apt<'_>) -> Result<Vec<(String, Candidate)>, KitError> {
    let names = apt.names(PREFIX)?.into_iter();
    let images = |name: &String| name.strip_prefix(PREFIX).and_then(Flavour::of).is_some();
    // Names that are only referred to have no candidate.
    let images = apt.candidates(&names.filter(images).collect::<Vec<_>>())?.into_iter();
    let release = |image: &Candidate| image.package.name.strip_prefix(PREFIX).map(str::to_owned);
    let mut kernels: Vec<_> =
        images.filter_map(|image| release(&image).map(|release| (release, image))).collect();
    kernels.sort_by_key(|(release, _)| Reverse(order(release)));
    Ok(kernels)
}

/// The image package that the selector means in `apt`'s one suite, and its
/// release. Adds what else there is to `known`.
fn find(
    apt: &Apt<'_>,
    selector: &KernelSelector,
    known: &mut Vec<String>,
) -> Result<Option<(String, Candidate)>, KitError> {
    let KernelSelector::Version(wanted) = selector else { return default_image(apt) };
    let mut found = None;
    for (release, image) in kernels(apt)? {
        if found.is_none() && matches(wanted, &release, &image.package.version) {
            found = Some((release, image));
        } else if Flavour::of(&release) == Some(Flavour::Plain) {
            known.push(release);
        }
    }
    Ok(found)
}

/// A kernel that can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownKernel {
    /// `uname -r`.
    pub release: String,
    /// Debian's version.
    pub package_version: String,
    /// What it is built for.
    pub flavour: Flavour,
    /// The archive's suite that lists it; `None` if it is only in the cache.
    pub suite: Option<String>,
    /// Whether it is in the cache.
    pub cached: bool,
}

impl KnownKernel {
    /// `6.12` of a release.
    pub fn series(&self) -> String {
        self.release.split('.').take(2).collect::<Vec<_>>().join(".")
    }
}

/// All kernels that the cache holds and, with a source, those of the archive; the newest first.
pub(crate) fn known(
    cache: &CacheDir,
    source: Option<&Source<'_>>,
) -> Result<Vec<KnownKernel>, KitError> {
    let mut all: Vec<KnownKernel> = Vec::new();
    for (release, unpacked) in all_unpacked(cache)? {
        let Some(flavour) = Flavour::of(&release) else { continue };
        let version = unpacked.version(&image_of(&release)).unwrap_or_default();
        let package_version = version.to_owned();
        all.push(KnownKernel { release, package_version, flavour, suite: None, cached: true });
    }
    for suite in SUITES.chunks(1) {
        let Some(source) = source else { break };
        let apt = match source.apt(suite) {
            Ok(apt) => apt,
            Err(KitError::NoSuite { .. }) => continue,
            Err(error) => return Err(error),
        };
        for (release, image) in kernels(&apt)? {
            let suite = Some(suite.join("+"));
            match all.iter_mut().find(|known| known.release == release) {
                Some(known) => known.suite = known.suite.take().or(suite),
                None => {
                    let Some(flavour) = Flavour::of(&release) else { continue };
                    let package_version = image.package.version;
                    let cached = false;
                    all.push(KnownKernel { release, package_version, flavour, suite, cached });
                }
            }
        }
    }
    all.sort_by_key(|known| (Reverse(order(&known.release)), known.flavour));
    Ok(all)
}

/// Fetches again the one that [`cached`] found damaged; another only if the archive has dropped it.
pub(crate) fn mend(source: &Source<'_>, selector: &KernelSelector) -> Result<Kernel, KitError> {
    if let Some((release, damaged)) = chosen(source.cache, selector)? {
        match fetch(source, &KernelSelector::Version(release)) {
            Err(KitError::NoKernel { .. } | KitError::NoPackage { .. }) => {
                damaged.discard(source.guard)?;
            }
            fetched => return fetched,
        }
    }
    fetch(source, selector)
}

/// Whether each use of a kernel needs the file: modules are read for an image alone, and compared
/// then.
fn is_needed(path: &str) -> bool {
    path.starts_with("boot/") || path.contains("lib/modules/") && !path.contains("/kernel/")
}

/// Fetches the kernel.
pub(crate) fn fetch(source: &Source<'_>, selector: &KernelSelector) -> Result<Kernel, KitError> {
    let suites = match selector {
        KernelSelector::Default => &SUITES[..1],
        _ => &SUITES[..],
    };
    let mut known = Vec::new();
    let mut failed = None;
    for suite in suites.chunks(1) {
        let apt = match source.apt(suite) {
            Ok(apt) => apt,
            // An old suite leaves the mirrors one day; the others still count.
            Err(error @ KitError::NoSuite { .. }) => {
                failed.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        source.progress.step(&format!("looking for the kernel in {}", suite.join(", ")));
        let found = find(&apt, selector, &mut known);
        source.progress.finish();
        let Some((release, image)) = found? else { continue };
        let packages = parts(source, &apt, &release, image)?;
        let unpacked = source.unpack(&apt, (KIND, &release), &packages, is_needed, |root, _| {
            Kernel::locate(root, &release).map(drop)
        })?;
        if *selector == KernelSelector::Default {
            let default = DefaultKernel { release: release.clone() };
            source.guard.write_json(&default_file(source.cache), &default)?;
        }
        return Kernel::of(&unpacked, &release, &image_of(&release));
    }
    if let Some(error) = failed
        && known.is_empty()
    {
        return Err(error);
    }
    let version = match selector {
        KernelSelector::Version(version) => version.clone(),
        _ => "default".to_owned(),
    };
    // Of each series its newest says enough.
    known.sort_by_key(|release| Reverse(order(release)));
    known.dedup_by_key(|release| order(release).into_iter().take(2).collect::<Vec<_>>());
    let known = known.join(", ");
    Err(KitError::NoKernel { version, suites: suites.join(", "), known })
}

/// The image package and what it depends on that is of the same release: since 6.19 the image is
/// split into base, binary and modules. Of a superseded kernel the archive's index keeps only what
/// was signed by hand, the image and the binary; the pool still has the rest.
fn parts(
    source: &Source<'_>,
    apt: &Apt<'_>,
    release: &str,
    image: Candidate,
) -> Result<Vec<Candidate>, KitError> {
    let version = image.package.version.clone();
    // One that is whole has documentation alone in its base.
    let split = image.depends().iter().any(|name| name.starts_with("linux-modules-"));
    let mut packages = vec![image];
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        let depends = package.depends().to_vec();
        next += 1;
        for name in depends {
            let same = name.ends_with(&format!("-{release}"));
            if !same || packages.iter().any(|known| known.package.name == name) {
                continue;
            }
            if let Some(listed) = apt.candidate(&name)? {
                packages.push(listed);
            } else if split {
                let pooled = apt.out_of_pool("linux", &name, &version)?;
                packages.push(pooled.ok_or_else(|| apt.no_package(&name))?);
            }
        }
    }
    let pooled: Vec<_> = packages.iter().filter(|package| package.package.unlisted).collect();
    if !pooled.is_empty() {
        let names: Vec<_> = pooled.iter().map(|package| &*package.package.name).collect();
        source.progress.note(&format!(
            "the archive's signed index has dropped {}: from its pool; the guest's kernel checks \
             its modules' own signatures",
            names.join(", ")
        ));
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        assert_eq!("default".parse::<KernelSelector>().unwrap(), KernelSelector::Default);
        assert_eq!("debug".parse::<KernelSelector>().unwrap(), KernelSelector::Debug);
        for version in ["6.12", "7.3.4+deb13-amd64", "6.1.0-50-amd64"] {
            let selector = KernelSelector::Version(version.to_owned());
            assert_eq!(version.parse::<KernelSelector>().unwrap(), selector);
        }
        for bad in ["", "latest", "6 12", "6/1", "-t", "7..3", "7."] {
            assert!(bad.parse::<KernelSelector>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_match_in_whole_numbers() {
        let (release, version) = ("6.12.107+deb13-amd64", "6.12.107-1");
        for wanted in ["6", "6.12", "6.12.107", "6.12.107+deb13-amd64"] {
            assert!(matches(wanted, release, version), "{wanted}");
        }
        for wanted in ["6.1", "6.12.1", "7", "6.12.107+deb13"] {
            assert!(!matches(wanted, release, version), "{wanted}");
        }
        // Before 6.12 the release is Debian's own count; the version tells.
        assert!(matches("6.1.192", "6.1.0-50-amd64", "6.1.192-2"));
        assert!(matches("6.1", "6.1.0-50-amd64", "6.1.192-2"));
    }

    #[test]
    fn other_flavours_only_by_their_name() {
        assert!(matches("6.12-rt", "6.12.117+deb13-rt-amd64", "6.12.117-1"));
        assert!(matches("5.10-cloud", "5.10.0-32-cloud-amd64", "5.10.223-1"));
        assert!(!matches("6.12-rt", "6.12.117+deb13-amd64", "6.12.117-1"));
        assert!(!matches("6.12-mine", "6.12.117+deb13-amd64", "6.12.117-1"));
        for release in ["7.3.4+deb13-cloud-amd64", "7.3.4+deb13-rt-amd64"] {
            assert!(!matches("7.3", release, "7.3.4-1"));
            assert!(matches(release, release, "7.3.4-1"));
        }
        for (release, flavour) in [
            ("7.3.4+deb13-amd64", Some(Flavour::Plain)),
            ("6.1.0-0.deb11.52-amd64", Some(Flavour::Plain)),
            ("5.10.0-32-rt-amd64", Some(Flavour::Rt)),
            ("7.3.4+deb13-cloud-amd64", Some(Flavour::Cloud)),
            ("7.3.4+deb13-amd64-dbg", None),
            ("6.12-amd64", None),
            ("6.12-rt-amd64", None),
            ("rt-amd64", None),
            ("amd64", None),
        ] {
            assert_eq!(Flavour::of(release), flavour, "{release}");
        }
    }

    #[test]
    fn releases_are_ordered_by_number() {
        assert!(order("6.1.0-9-amd64") < order("6.1.0-10-amd64"));
        assert!(order("7.2.12+deb13-amd64") < order("7.3.4+deb13-amd64"));
    }

    fn bzimage(release: &str) -> Vec<u8> {
        let mut image = vec![0; 0x410];
        image[0x1f1] = 1;
        image[0x1f4] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x120_u16.to_le_bytes());
        let text = format!("{release} (debian-kernel@lists.debian.org) #1 SMP\0");
        image[0x320..0x320 + text.len()].copy_from_slice(text.as_bytes());
        image
    }

    #[test]
    fn the_users_files_must_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let modules = dir.path().join("6.6.1-mine");
        fs::create_dir_all(modules.join("kernel")).unwrap();
        let image = dir.path().join("bzImage");

        fs::write(&image, bzimage("6.6.1-mine")).unwrap();
        let kernel = Kernel::from_files(&image, &modules).unwrap();
        assert_eq!(kernel.release, "6.6.1-mine");
        assert_eq!(kernel.package_version, None);

        fs::write(&image, bzimage("6.6.2")).unwrap();
        let error = Kernel::from_files(&image, &modules).unwrap_err().to_string();
        assert!(error.contains("this is kernel 6.6.2"), "{error}");

        let whole = bzimage("6.6.1-mine");
        for cut in [0x3ff, whole.len() - 1] {
            fs::write(&image, &whole[..cut]).unwrap();
            assert!(is_bzimage(&image), "as far as it goes");
            for error in [Kernel::from_files(&image, &modules), Kernel::from_image(&image)] {
                let error = error.unwrap_err();
                assert!(matches!(error, KitError::CutShort { .. }), "{error}");
                assert!(!error.is_users(), "it is one: {error}");
            }
        }

        fs::write(&image, b"MZ").unwrap();
        let error = Kernel::from_files(&image, &modules).unwrap_err().to_string();
        assert!(error.ends_with("not a bzImage"), "{error}");

        let error = Kernel::from_files(&image, dir.path()).unwrap_err().to_string();
        assert!(error.contains("no modules here"), "{error}");
    }

    /// A fetched kernel in a cache of its own.
    fn fetched(release: &str) -> (tempfile::TempDir, CacheDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(dir.path()).unwrap();
        let kernel = dir.path().join(KIND).join(release);
        let modules = kernel.join("root/lib/modules").join(release);
        fs::create_dir_all(modules.join("kernel")).unwrap();
        fs::create_dir_all(kernel.join("root/boot")).unwrap();
        let image = kernel.join(format!("root/boot/vmlinuz-{release}"));
        fs::write(&image, "image").unwrap();
        fs::write(modules.join("kernel/iwlmvm.ko"), "module").unwrap();
        let (record, list) = crate::record::Record::make(&kernel.join("root"), is_needed).unwrap();
        fs::write(kernel.join(crate::record::SUMS), list).unwrap();
        let manifest = serde_json::json!({ "packages": [], "record": record });
        fs::write(kernel.join("manifest.json"), manifest.to_string()).unwrap();
        (dir, cache, image)
    }

    #[test]
    fn a_damaged_kernel_is_not_handed_out() {
        let (_dir, cache, image) = fetched("6.6.1+deb13-amd64");
        let selector = KernelSelector::Version("6.6".to_owned());
        let kernel = cached(&cache, &selector).unwrap().expect("it is whole");
        assert_eq!(kernel.bzimage, image);
        let sums = sums(&cache, &kernel).unwrap().expect("recorded");
        let module = kernel.modules.join("kernel/iwlmvm.ko");
        assert_eq!(sums.read(&module).unwrap(), b"module");
        fs::remove_file(&module).unwrap();
        assert!(matches!(sums.read(&module), Err(KitError::Damaged(_))));
        assert!(cached(&cache, &selector).unwrap().is_some(), "no use without an image needs it");
        fs::write(&image, "imago").unwrap();
        assert!(matches!(cached(&cache, &selector), Err(KitError::Damaged(_))));

        // Somebody's own directory beside it is no kernel.
        fs::create_dir(cache.path().join("kernels/lost+found")).unwrap();
        assert_eq!(all_unpacked(&cache).unwrap().len(), 1);
    }

    #[test]
    fn both_package_layouts_are_found() {
        for (image, modules) in [
            ("usr/lib/modules/7.3/vmlinuz", "usr/lib/modules/7.3"),
            ("boot/vmlinuz-7.3", "usr/lib/modules/7.3"),
            ("boot/vmlinuz-7.3", "lib/modules/7.3"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let root = root.path();
            fs::create_dir_all(root.join(modules).join("kernel")).unwrap();
            fs::create_dir_all(root.join(image).parent().unwrap()).unwrap();
            assert!(matches!(Kernel::locate(root, "7.3"), Err(KitError::BadPackage { .. })));
            fs::write(root.join(image), b"").unwrap();
            let kernel = Kernel::locate(root, "7.3").unwrap();
            assert_eq!(kernel.bzimage, root.join(image));
            assert_eq!(kernel.modules, root.join(modules));
        }
    }
}
