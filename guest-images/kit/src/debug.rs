//! The debug kernel: small, with KASAN, lockdep, debug objects, kmemleak and DMA debugging, and with the
//! drivers as modules; built once, of the source that the default kernel is built of.
//!
//! The distribution has none that finds such faults. All of it is built by one clang: with KASAN the
//! kernel takes Rust beside no other compiler, and this one stands on the LLVM of trixie's rustc. Of the
//! tree is kept what an installed kernel and its headers package have, together with the room to build
//! modules against it, in C and in Rust.
//!
//! Until it is done the tree stays in the cache, and a build that was interrupted is taken up where it
//! was.
//!
//! Sources: the kernel's `Documentation/dev-tools/`, `Documentation/kbuild/kconfig.rst`
//! (`KCONFIG_ALLCONFIG`), `Documentation/kbuild/reproducible-builds.rst`,
//! `scripts/package/install-extmod-build`, `init/Kconfig` (`RUST`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{CacheDir, Guard, read_regular};
use crate::error::{At, KitError};
use crate::kernel::{DEBUG, Kernel};
use crate::prune::UNFINISHED;
use crate::room::{self, FIRST, PROGRAMS, Room};
use crate::rust::{COMPILER, ONCE};
use crate::source::package_of;
use crate::store::{Source, Unpacked};
use crate::variant;

/// What it is made of.
const CONFIG: &str = include_str!("../../debug-kernel/debug.config");
/// Where it is kept beside the kernel, to know one of another configuration.
const KEPT_CONFIG: &str = "usr/src/debug.config";

const CLANG: &str = "clang-19";
/// objtool's.
const LIBRARY: &str = "libelf1t64";

/// What each compiler has of the machine's memory, in KiB: a small machine kills what takes more.
const COMPILERS_KIB: u64 = 1 << 20;
/// How often it is told how far the build is, in files of some 1,500.
const TOLD: u32 = 25;

/// Builds, below `/build`; what is to be kept goes to `kept`.
const BUILD: &str = r#"
set -e
cd /build
source=$1 version=$2 jobs=$3
if [ "$(cat unpacked 2>/dev/null)" != "$version" ]; then
    echo "unpacking the kernel's source"
    rm -rf tree unpacked
    mkdir tree
    tar -xf "$source" -C tree --strip-components=1 \
        --exclude='*/Documentation/*/*' --exclude='*/sound/*.c' \
        --exclude='*/drivers/gpu/drm/amd/include/*' --exclude='*/tools/testing/*'
    echo "$version" >unpacked
fi
rm -rf kept
mkdir -p kept/usr/src
cd tree
export KBUILD_BUILD_USER=iwlbench KBUILD_BUILD_HOST=iwlbench KBUILD_BUILD_VERSION=1
export KBUILD_BUILD_TIMESTAMP="$(date -u -r Makefile)"
kbuild() { make "$jobs" CC=clang-19 HOSTCC=clang-19 "$@"; }
kbuild -s KCONFIG_ALLCONFIG=../debug.config allnoconfig
lost=$(grep '^CONFIG_' ../debug.config | grep -vxFf .config | tr '\n' ' ') || true
if [ -n "$lost" ]; then
    echo "the source does not take $lost" >&2
    exit 3
fi
kbuild bzImage modules
kbuild -s INSTALL_MOD_PATH=../kept/usr DEPMOD=/usr/sbin/depmod modules_install
release=$(make -s CC=clang-19 HOSTCC=clang-19 kernelrelease)
modules=../kept/usr/lib/modules/$release
headers=/usr/src/linux-headers-$release
cp arch/x86/boot/bzImage "$modules/vmlinuz"
cp .config "$modules/config"
rm -f "$modules/build"
ln -s "$headers" "$modules/build"
srctree=. SRCARCH=x86 CC=clang-19 HOSTCC=clang-19 MAKE=make \
    sh scripts/package/install-extmod-build "../kept$headers"
cp .config "../kept$headers/"
mkdir -p "../kept$headers/rust"
cp rust/*.rmeta rust/*.so "../kept$headers/rust/"
"#;

/// What the release of each debug kernel ends with: its `CONFIG_LOCALVERSION`.
pub const LOCALVERSION: &str = "-debug";

/// What the debug kernel of a stock kernel calls itself.
fn release_of(base: &Kernel) -> Option<String> {
    let version = base.package_version.as_deref()?.split(['-', '+', '~']).next()?;
    Some(format!("{version}{LOCALVERSION}"))
}

/// All that were built, by their releases.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, DEBUG)
}

/// The one of a stock kernel, if it was built, by this configuration.
pub(crate) fn cached(cache: &CacheDir, base: &Kernel) -> Result<Option<Kernel>, KitError> {
    let Some(release) = release_of(base) else { return Ok(None) };
    let kernel = named(cache, &release)?;
    // Of another version of the package, which has another patch perhaps.
    Ok(kernel.filter(|kernel| kernel.package_version == base.package_version))
}

/// What there is to do where there is none.
pub(crate) fn missing(base: &Kernel) -> KitError {
    match release_of(base) {
        Some(release) => KitError::NoDebugKernel { release },
        None => KitError::NoSource { release: base.release.clone() },
    }
}

/// The one of this release.
pub(crate) fn named(cache: &CacheDir, release: &str) -> Result<Option<Kernel>, KitError> {
    let Some(unpacked) = Unpacked::open(cache, DEBUG, release)? else { return Ok(None) };
    let config = unpacked.root().join(KEPT_CONFIG);
    if read_regular(&config).at(&config)?.is_none_or(|config| config != CONFIG.as_bytes()) {
        return Ok(None);
    }
    unpacked.used();
    of(&unpacked.whole()?, release).map(Some)
}

/// The room in which modules are built against a kernel, if it is one of these.
pub(crate) fn room_of(cache: &CacheDir, kernel: &Kernel) -> Option<Room> {
    let root = cache.join(DEBUG).join(&kernel.release).join("root");
    kernel.is_debug(cache).then(|| room_in(&root, &kernel.release))
}

fn room_in(root: &Path, release: &str) -> Room {
    Room { compiler: Some(CLANG), ..Room::entered(root, release) }
}

fn of(unpacked: &Unpacked, release: &str) -> Result<Kernel, KitError> {
    Kernel::of(unpacked, release, &package_of(release).unwrap_or_default())
}

/// Builds it. The cache is locked as long as that takes.
pub(crate) fn build(source: &Source<'_>, base: &Kernel) -> Result<Kernel, KitError> {
    let none = || KitError::NoSource { release: base.release.clone() };
    let release = release_of(base).ok_or_else(none)?;
    let version = base.package_version.as_deref().ok_or_else(none)?;
    let package = package_of(version).ok_or_else(none)?;
    let apt = room::apt_with_headers(source, &base.release)?;
    let archive = apt.candidate(&format!("{package}={version}"))?.ok_or_else(none)?;
    let always: Vec<&str> = [FIRST, COMPILER, CLANG, LIBRARY].into_iter().chain(PROGRAMS).collect();
    let once: Vec<&str> = always.iter().copied().chain(ONCE).collect();
    let mut packages = room::packages(&apt, &once)?;
    packages.push(archive.clone());
    let place = source.cache.join(DEBUG).join(format!("{release}.{UNFINISHED}"));
    fs::create_dir_all(&place).at(&place)?;
    let what = format!("what the debug kernel {release} is built of");
    source.in_passing(&apt, &what, &packages, |root, _| {
        room::make_enterable(root)?;
        compile(source, root, &place, (&release, &package, version))
    })?;
    let mut packages = room::packages(&apt, &always)?;
    packages.push(archive);
    // One of another configuration is of the same packages, and would be taken for this.
    discard(source.cache, source.guard, &release)?;
    let unpacked =
        source.unpack(&apt, (DEBUG, &release), &packages, room::is_needed, |root, _| {
            let archive = archive_of(&package);
            fs::remove_file(root.join(&archive)).at(&root.join(archive))?;
            take_over(&place.join("kept/usr"), &root.join("usr"))?;
            let config = root.join(KEPT_CONFIG);
            fs::write(&config, CONFIG).at(&config)?;
            room::make_enterable(root)?;
            Kernel::locate(root, &release).map(drop)
        })?;
    // What was built against an earlier one.
    variant::forget(source.cache, source.guard, &release)?;
    fs::remove_dir_all(&place).at(&place)?;
    of(&unpacked, &release)
}

/// Removes one that is damaged.
pub(crate) fn discard(cache: &CacheDir, guard: &Guard, release: &str) -> Result<(), KitError> {
    match Unpacked::open(cache, DEBUG, release)? {
        Some(unpacked) => unpacked.discard(guard),
        None => Ok(()),
    }
}

/// Where the package of the source has it.
fn archive_of(package: &str) -> PathBuf {
    Path::new("usr/src").join(format!("{package}.tar.xz"))
}

/// Moves what is below a directory to another, whose own directories stay.
fn take_over(from: &Path, to: &Path) -> Result<(), KitError> {
    fs::create_dir_all(to).at(to)?;
    for entry in fs::read_dir(from).at(from)? {
        let entry = entry.at(from)?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().at(&path)?.is_dir() && place.is_dir() {
            take_over(&path, &place)?;
        } else {
            fs::rename(&path, &place).at(&place)?;
        }
    }
    Ok(())
}

fn compile(
    source: &Source<'_>,
    root: &Path,
    place: &Path,
    (release, package, version): (&str, &str, &str),
) -> Result<(), KitError> {
    let config = place.join("debug.config");
    fs::write(&config, CONFIG).at(&config)?;
    let archive = Path::new("/").join(archive_of(package)).display().to_string();
    let begin = format!("building the debug kernel {release}, once");
    source.progress.step(&format!("{begin}: half an hour of two CPUs"));
    let mut built = 0u32;
    let compiled = room_in(root, release).script(
        (source, place),
        BUILD,
        &[&archive, version, &jobs()],
        |line| {
            if line.starts_with("unpack") {
                return Some(format!("{begin}: {line}"));
            }
            built += u32::from(["CC", "RUSTC", "AS"].iter().any(|word| line.starts_with(word)));
            (built.is_multiple_of(TOLD)).then(|| format!("{begin}: {built} files"))
        },
    )?;
    compiled.map_err(|what| KitError::DebugKernel { release: release.to_owned(), what })
}

/// How many compilers run at once: one for each CPU, as far as there is memory for them.
fn jobs() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    room::jobs_up_to(room_for(&text))
}

/// How many compilers there is memory for.
fn room_for(meminfo: &str) -> usize {
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    let jobs = kib.unwrap_or_default() / COMPILERS_KIB;
    usize::try_from(jobs).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config;

    #[test]
    fn what_was_built_joins_what_was_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, root) = (dir.path().join("kept"), dir.path().join("root"));
        for (at, file) in [(&kept, "lib/modules/7.3/vmlinuz"), (&root, "lib/libc.so")] {
            let path = at.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        symlink("/usr/src/headers", kept.join("lib/modules/7.3/build")).unwrap();
        take_over(&kept, &root).unwrap();
        for file in ["lib/modules/7.3/vmlinuz", "lib/libc.so"] {
            assert_eq!(fs::read_to_string(root.join(file)).unwrap(), file);
        }
        let link = fs::read_link(root.join("lib/modules/7.3/build")).unwrap();
        assert_eq!(link, Path::new("/usr/src/headers"));
    }

    #[test]
    fn its_name_is_that_of_the_source() {
        let kernel = |version: &str| Kernel {
            release: "7.3.4+deb13-amd64".to_owned(),
            package_version: Some(version.to_owned()),
            bzimage: "vmlinuz".into(),
            modules: "modules".into(),
            config: None,
            packages: Vec::new(),
        };
        let release = release_of(&kernel("7.3.4-1~bpo13+1")).unwrap();
        assert_eq!(release, "7.3.4-debug");
        assert_eq!(package_of(&release).as_deref(), Some("linux-source-7.3"));
        assert!(CONFIG.contains("CONFIG_LOCALVERSION=\"-debug\"\n"));
    }

    #[test]
    fn small_machines_compile_less_at_once() {
        let meminfo = |kib: u64| format!("MemTotal: 9999999 kB\nMemAvailable:   {kib} kB\n");
        assert_eq!(room_for(&meminfo(100_000)), 1);
        assert_eq!(room_for(&meminfo(4_500_000)), 4);
        assert_eq!(room_for(""), 1);
    }

    #[test]
    fn the_configuration_has_what_a_guest_needs_and_what_finds_faults() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, CONFIG).unwrap();
        config::check(&path).unwrap();
        for wanted in
            ["KASAN", "PROVE_LOCKING", "DEBUG_OBJECTS", "DEBUG_KMEMLEAK", "DMA_API_DEBUG", "RUST"]
        {
            assert!(config::Configuration::of(&path).unwrap().has(wanted), "{wanted}");
        }
        // The build compares whole lines: of two of one option one would be missing in the end.
        let mut options: Vec<_> = CONFIG.lines().filter_map(|l| l.split_once('=')).collect();
        let all = options.len();
        options.sort_unstable();
        options.dedup_by_key(|(option, _)| *option);
        assert_eq!(options.len(), all);
    }
}
