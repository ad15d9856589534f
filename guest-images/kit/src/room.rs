//! The build room: where modules are built against a stock kernel, without root and without
//! touching the machine.
//!
//! Its packages are the kernel's headers, the compiler that they depend on, which is the one that
//! the kernel was built with, and what make needs; unpacked, not installed, so no maintainer
//! script runs. It is entered in a user and mount namespace of its own (unshare(1), chroot(1)),
//! with the machine's /dev and /proc, the source at `/build`, and no network configuration. The
//! headers package alone is enough for C: no kernel tree, no `modules_prepare`.
//!
//! Sources: the kernel's `Documentation/kbuild/modules.rst`, user_namespaces(7).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use crate::apt::{Apt, Candidate};
use crate::cache::{CacheDir, Guard};
use crate::error::{At, KitError};
use crate::store::{Source, Unpacked};
use crate::tool::{Finished, UNSHARE};

const KIND: &str = "rooms";

/// Where a kernel's headers are looked for, together with the suite that has their compiler.
const SUITES: [&[&str]; 3] =
    [&["trixie", "trixie-backports"], &["bookworm", "bookworm-backports"], &["bullseye"]];

/// First in the room, as in trixie it brings `/bin`, `/lib` and `/sbin` as links into `/usr`, which
/// the packages after it write through.
pub(crate) const FIRST: &str = "base-files";

/// What Kbuild runs, beside the compiler. binutils is named as gcc only recommends its assembler.
pub(crate) const PROGRAMS: [&str; 10] = [
    "binutils",
    "make",
    "dash",
    "bash",
    "coreutils",
    "sed",
    "grep",
    "mawk",
    "findutils",
    "diffutils",
];

/// Where the source is in the room.
const SOURCE: &str = "/build";

/// Mounts what the room lacks, and runs a command in it. Its own /tmp, so that nothing is left there;
/// `/bin` too, which before trixie is no link.
const ENTER: &str = r#"
set -e
room=$1 source=$2
shift 2
mount --rbind /dev "$room/dev"
mount --rbind /proc "$room/proc"
mount -t tmpfs tmpfs "$room/tmp"
mount --bind "$source" "$room/build"
exec chroot "$room" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C HOME=/ "$@"
"#;

/// A stock kernel's build room.
pub(crate) struct Room {
    pub(crate) root: PathBuf,
    pub(crate) release: String,
}

/// All fetched rooms, by their kernels' releases.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, KIND)
}

/// The fetched room, if any.
pub(crate) fn cached(cache: &CacheDir, release: &str) -> Result<Option<Room>, KitError> {
    cached_of(cache, KIND, release)
}

/// The same of another kind.
pub(crate) fn cached_of(
    cache: &CacheDir,
    kind: &str,
    release: &str,
) -> Result<Option<Room>, KitError> {
    let Some(unpacked) = Unpacked::open(cache, kind, release)? else { return Ok(None) };
    unpacked.used();
    Ok(Some(Room { root: unpacked.whole()?.root(), release: release.to_owned() }))
}

/// Whether each use looks at the file: programs and their libraries. Headers are thousands.
pub(crate) fn is_needed(path: &str) -> bool {
    !path.starts_with("usr/share/") && !path.starts_with("usr/src/")
}

/// The package that a kernel's modules are built against.
pub(crate) fn headers_of(release: &str) -> String {
    format!("linux-headers-{release}")
}

/// Apt on the suites that have a kernel's headers, with their compiler.
pub(crate) fn apt_with_headers<'a>(
    source: &Source<'a>,
    release: &str,
) -> Result<Apt<'a>, KitError> {
    let headers = headers_of(release);
    let mut missing = None;
    for suites in SUITES {
        let apt = match source.apt(suites) {
            Ok(apt) => apt,
            // An old suite leaves the mirrors one day; the others still count.
            Err(error @ KitError::NoSuite { .. }) => {
                missing.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        if apt.candidate(&headers)?.is_none() {
            missing.get_or_insert(apt.no_package(&headers));
            continue;
        }
        return Ok(apt);
    }
    Err(missing.unwrap_or_else(|| KitError::NoHeaders { release: release.to_owned() }))
}

/// A room's packages, with all that they depend on, in the order in which they are unpacked.
pub(crate) fn packages(apt: &Apt<'_>, roots: &[&str]) -> Result<Vec<Candidate>, KitError> {
    let mut packages = apt.resolve_all(None, roots)?;
    packages.sort_by_key(|candidate| candidate.package.name != FIRST);
    Ok(packages)
}

/// Fetches the room.
pub(crate) fn fetch(source: &Source<'_>, release: &str) -> Result<Room, KitError> {
    let apt = apt_with_headers(source, release)?;
    let headers = headers_of(release);
    let roots: Vec<&str> = [FIRST, &headers].into_iter().chain(PROGRAMS).collect();
    let packages = packages(&apt, &roots)?;
    let unpacked = source
        .unpack(&apt, (KIND, release), &packages, is_needed, |root, _| complete(root, release))?;
    Ok(Room { root: unpacked.root(), release: release.to_owned() })
}

/// What installing would have done, as far as a build needs it.
pub(crate) fn complete(root: &Path, release: &str) -> Result<(), KitError> {
    let build = Path::new("usr/lib/modules").join(release).join("build");
    // Before trixie, where /lib is no link of a package's yet.
    let old = Path::new("lib/modules").join(release).join("build");
    if ![&build, &old].iter().any(|path| root.join(path).symlink_metadata().is_ok()) {
        return Err(KitError::BadPackage {
            path: root.to_owned(),
            missing: build.display().to_string(),
        });
    }
    // An alternative.
    let awk = root.join("usr/bin/awk");
    symlink("mawk", &awk).at(&awk)?;
    let mounted = root.join(SOURCE.trim_start_matches('/'));
    fs::create_dir_all(&mounted).at(&mounted)
}

/// Refuses a machine that lets nobody in.
pub(crate) fn check_enterable() -> Result<(), KitError> {
    let end =
        UNSHARE.run(UNSHARE.command().args(["--map-root-user", "--mount", "true"]), |_| ())?;
    match end.success {
        true => Ok(()),
        false => Err(KitError::NoUserNamespaces { detail: end.detail() }),
    }
}

/// The directory's whole path, if modules can be built there.
pub fn check_source(directory: &Path) -> Result<PathBuf, KitError> {
    let path = fs::canonicalize(directory).at(directory)?;
    if ["Kbuild", "Makefile"].iter().any(|name| path.join(name).is_file()) {
        return Ok(path);
    }
    let reason = "neither a Kbuild nor a Makefile in it: it says `obj-m += NAME.o`";
    Err(KitError::BadModuleSource { path: directory.to_owned(), reason })
}

impl Room {
    /// Builds a directory in the cache, one of its modules or `modules`; the cache stays locked as
    /// long as that takes.
    pub(crate) fn build_in_cache(
        &self,
        directory: &Path,
        target: &str,
        guard: &Guard,
    ) -> Result<(), KitError> {
        self.make(directory, target, Some(guard))
    }

    /// Builds the directory's modules, and tells where they are.
    pub(crate) fn build(&self, directory: &Path) -> Result<Vec<PathBuf>, KitError> {
        self.make(directory, "modules", None)?;
        let order = directory.join("modules.order");
        let built = match fs::read_to_string(&order) {
            Ok(order) => built(&order, directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(KitError::io(&order, error)),
        };
        if built.is_empty() {
            let reason = "its Kbuild or Makefile builds no module: it says `obj-m += NAME.o`";
            return Err(KitError::BadModuleSource { path: directory.to_owned(), reason });
        }
        Ok(built)
    }

    /// What runs the command that its arguments go on with in the room, the directory at `/build`.
    pub(crate) fn enter(
        &self,
        directory: &Path,
        guard: Option<&Guard>,
    ) -> Result<Command, KitError> {
        let mut command = UNSHARE.command();
        if let Some(guard) = guard {
            command.stdin(guard.stdin()?);
        }
        command
            .args(["--map-root-user", "--mount", "sh", "-c", ENTER, "sh"])
            .args([&self.root, directory]);
        Ok(command)
    }

    /// Has Kbuild make a target in the directory.
    fn make(&self, directory: &Path, target: &str, guard: Option<&Guard>) -> Result<(), KitError> {
        let mut command = self.enter(directory, guard)?;
        command
            .args(["make", "-C", &format!("/lib/modules/{}/build", self.release)])
            .args([&format!("M={SOURCE}"), &jobs(), "--no-print-directory"])
            // Debug information makes a module twenty times as large, and an image with it; pahole,
            // which makes BTF of it, is not here.
            .args(["KCFLAGS=-g0", "KRUSTFLAGS=-Cdebuginfo=0", "CONFIG_DEBUG_INFO_BTF_MODULES="])
            .arg(target);
        let end = UNSHARE.run(&mut command, |_| ())?;
        if end.success {
            return Ok(());
        }
        if end.disk_full() {
            return Err(KitError::DiskFull { path: directory.to_owned() });
        }
        Err(KitError::BuildFailed {
            path: directory.to_owned(),
            release: self.release.clone(),
            output: said(&end, directory),
        })
    }
}

/// How many programs make runs at once.
pub(crate) fn jobs() -> String {
    format!("-j{}", available_parallelism().map_or(1, usize::from))
}

/// What compiler and make said, of the machine's paths.
fn said(end: &Finished, directory: &Path) -> String {
    let directory = format!("{}/", directory.display());
    let lines = end.stderr.trim_end().replace(&format!("{SOURCE}/"), &directory);
    if lines.is_empty() { end.detail() } else { lines }
}

/// The modules that Kbuild's `modules.order` lists: as objects or, before 6.4, as modules, and by
/// whole paths before 6.13.
fn built(order: &str, directory: &Path) -> Vec<PathBuf> {
    let listed = order.lines().map(str::trim).filter(|line| !line.is_empty());
    let relative = listed.map(|line| line.strip_prefix(SOURCE).unwrap_or(line));
    relative.map(|line| directory.join(line.trim_start_matches('/')).with_extension("ko")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_list_names_the_modules() {
        for order in ["a.o\nsub/b.o\n", "/build/a.o\n/build/sub/b.o\n", "/build/a.ko\n\nsub/b.ko"] {
            let built = built(order, Path::new("/home/me/driver"));
            let expected = ["/home/me/driver/a.ko", "/home/me/driver/sub/b.ko"];
            assert_eq!(built, expected.map(PathBuf::from), "{order}");
        }
    }

    #[test]
    fn a_directory_without_a_makefile_is_refused_before_anything_is_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let refused = check_source(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("neither a Kbuild nor a Makefile"), "{refused}");
        fs::write(dir.path().join("Kbuild"), "obj-m += a.o\n").unwrap();
        assert_eq!(check_source(dir.path()).unwrap(), fs::canonicalize(dir.path()).unwrap());
    }
}
