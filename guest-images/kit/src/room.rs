//! The build room: where modules are built against a stock kernel, without root and without
//! touching the machine.
//!
//! Its packages are the kernel's headers, the compiler that they depend on, which is the one that
//! the kernel was built with, and what make needs; unpacked, not installed, so no maintainer
//! script runs. It is entered in a user and mount namespace of its own (unshare(1), chroot(1)),
//! with the machine's /dev and /proc, the source at `/build`, and no network configuration. The
//! headers package alone is enough for C: no kernel tree, no `modules_prepare`.
//!
//! Where there can be no user namespace, as in most containers, the room is used from outside: a script
//! in each program's place runs it with the room's own loader and libraries (ld.so(8)), and that is
//! another room, for the place where it lies alone.
//!
//! Sources: the kernel's `Documentation/kbuild/modules.rst`, user_namespaces(7).

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use crate::apt::{Apt, Candidate};
use crate::cache::{CacheDir, Guard};
use crate::elf::is_program;
use crate::error::{At, KitError};
use crate::hash::sha256;
use crate::record::walk;
use crate::store::{Source, Unpacked};
use crate::tool::{Finished, Tool, UNSHARE};

const KIND: &str = "rooms";
const IN_PLACE: &str = "rooms-in-place";

/// The room's own.
const MAKE: Tool = Tool { name: "make", package: "make" };

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

/// A kernel's build room.
pub(crate) struct Room {
    pub(crate) root: PathBuf,
    pub(crate) release: String,
    pub(crate) way: Way,
    /// The compiler that the kernel was built with, where that is not what its headers depend on.
    pub(crate) compiler: Option<&'static str>,
}

/// How a room's programs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In namespaces of their own, where the room is `/`.
    Entered,
    /// From outside, where it lies.
    InPlace,
}

impl Way {
    /// The one that this machine allows.
    pub(crate) fn here() -> Result<Self, KitError> {
        match check_enterable() {
            Ok(()) => Ok(Self::Entered),
            Err(KitError::NoUserNamespaces { .. }) => Ok(Self::InPlace),
            Err(other) => Err(other),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Entered => KIND,
            Self::InPlace => IN_PLACE,
        }
    }

    /// What a kernel's room is called.
    fn name(self, cache: &CacheDir, release: &str) -> String {
        match self {
            Self::Entered => release.to_owned(),
            // Of a cache that comes to lie elsewhere the rooms are no use.
            Self::InPlace => {
                let place = sha256(cache.path().as_os_str().as_encoded_bytes());
                format!("{release}@{}", &place[..8])
            }
        }
    }
}

/// All fetched rooms that can be used here, by their kernels' releases.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    let way = Way::here()?;
    let all = Unpacked::all(cache, way.kind())?.into_iter();
    let suffix = way.name(cache, "");
    Ok(all
        .filter_map(|(name, room)| Some((name.strip_suffix(&suffix)?.to_owned(), room)))
        .collect())
}

/// The fetched room, if any.
pub(crate) fn cached(cache: &CacheDir, release: &str, way: Way) -> Result<Option<Room>, KitError> {
    let room = cached_of(cache, (way.kind(), &way.name(cache, release)), release)?;
    Ok(room.map(|room| Room { way, ..room }))
}

/// The same of another kind and name, to be entered.
pub(crate) fn cached_of(
    cache: &CacheDir,
    (kind, name): (&str, &str),
    release: &str,
) -> Result<Option<Room>, KitError> {
    let Some(unpacked) = Unpacked::open(cache, kind, name)? else { return Ok(None) };
    unpacked.used();
    Ok(Some(Room::entered(unpacked.whole()?.root(), release)))
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
pub(crate) fn fetch(source: &Source<'_>, release: &str, way: Way) -> Result<Room, KitError> {
    let apt = apt_with_headers(source, release)?;
    let headers = headers_of(release);
    let roots: Vec<&str> = [FIRST, &headers].into_iter().chain(PROGRAMS).collect();
    let packages = packages(&apt, &roots)?;
    let name = (way.kind(), &*way.name(source.cache, release));
    let place = source.cache.join(name.0).join(name.1).join("root");
    let unpacked = source.unpack(&apt, name, &packages, is_needed, |root, _| {
        complete(root, release)?;
        match way {
            Way::Entered => Ok(()),
            Way::InPlace => settle(root, &place, release),
        }
    })?;
    Ok(Room { way, ..Room::entered(unpacked.root(), release) })
}

/// Makes a room fit for the place where it will be: programs, and what names a place in it.
fn settle(root: &Path, place: &Path, release: &str) -> Result<(), KitError> {
    const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
    const NAME: &str = "ld-linux-x86-64.so.2";
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if !place.to_str().is_some_and(|place| place.chars().all(plain)) {
        return Err(KitError::CacheUnfit { path: place.to_owned() });
    }
    let loaders = LIBRARIES.map(|path| Path::new(path).join(NAME));
    let loader = loaders.iter().find(|loader| root.join(loader).is_file());
    let missing = || KitError::BadPackage { path: root.to_owned(), missing: NAME.to_owned() };
    let loader = loader.ok_or_else(missing)?;
    // Since glibc 2.33. Without it a program calls itself by its file's name.
    let content = fs::read(root.join(loader)).at(root)?;
    let argv0: &[u8] = b"--argv0";
    let takes_name = content.windows(argv0.len()).any(|word| word == argv0);
    let argv0 = if takes_name { " --argv0 \"$0\"" } else { "" };
    let [usr, top] = LIBRARIES.map(|path| place.join(path));
    let begin = format!(
        "#!/bin/sh\nexec {} --library-path {}:{}{argv0}",
        place.join(loader).display(),
        usr.display(),
        top.display()
    );

    let mut programs = Vec::new();
    walk(root, "", &mut |path, kind| {
        if kind.is_file() && is_program(&root.join(&path)) {
            programs.push(path);
        }
    })?;
    for path in programs {
        let (file, moved) = (root.join(&path), format!("{path}.program"));
        fs::rename(&file, root.join(&moved)).at(&file)?;
        let script = format!("{begin} {} \"$@\"\n", place.join(&moved).display());
        fs::write(&file, script).at(&file)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755)).at(&file)?;
    }

    let makefile = root.join(headers_in(release)).join("Makefile");
    let text = fs::read_to_string(&makefile).at(&makefile)?;
    let sources = |root: &Path| format!("{}/", root.join("usr/src").display());
    fs::write(&makefile, text.replace(&sources(Path::new("/")), &sources(place))).at(&makefile)
}

fn headers_in(release: &str) -> PathBuf {
    Path::new("usr/src").join(headers_of(release))
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
    make_enterable(root)
}

/// An alternative, and where the source is mounted.
pub(crate) fn make_enterable(root: &Path) -> Result<(), KitError> {
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
    /// One that is entered, with the compiler that its headers depend on.
    pub(crate) fn entered(root: impl Into<PathBuf>, release: &str) -> Self {
        Self { root: root.into(), release: release.to_owned(), way: Way::Entered, compiler: None }
    }

    /// Runs a script at the directory, with these arguments; its lines are told as far as `tell` makes
    /// progress of them. What it says last if it fails, inside.
    pub(crate) fn script(
        &self,
        (source, directory): (&Source<'_>, &Path),
        script: &str,
        args: &[&str],
        mut tell: impl FnMut(&str) -> Option<String>,
    ) -> Result<Result<(), String>, KitError> {
        let mut command = self.enter(directory, Some(source.guard))?;
        command.args(["sh", "-c", script, "sh"]).args(args);
        let end = UNSHARE.run(&mut command, |line| {
            if let Some(step) = tell(line.trim()) {
                source.progress.step(&step);
            }
        });
        source.progress.finish();
        let end = end?;
        if end.disk_full() {
            return Err(KitError::DiskFull { path: source.cache.path().to_owned() });
        }
        Ok(if end.success { Ok(()) } else { Err(end.detail()) })
    }

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

    /// Where the room has a directory that it builds in.
    fn source(&self, directory: &Path) -> PathBuf {
        match self.way {
            Way::Entered => SOURCE.into(),
            Way::InPlace => directory.to_owned(),
        }
    }

    /// make, with the kernel's build directory.
    fn start_make(&self, directory: &Path, guard: Option<&Guard>) -> Result<Command, KitError> {
        if self.way == Way::Entered {
            let mut command = self.enter(directory, guard)?;
            command.args(["make", "-C", &format!("/lib/modules/{}/build", self.release)]);
            return Ok(command);
        }
        let programs = ["usr/bin", "bin"].map(|path| self.root.join(path));
        let mut command = Command::new(programs[0].join("make"));
        let path = env::join_paths(programs.into_iter().chain(["/usr/bin".into(), "/bin".into()]));
        let path = path.map_err(|error| MAKE.failed(&error))?;
        command.env_clear().env("PATH", path).env("LC_ALL", "C").env("HOME", "/");
        command.stdin(guard.map_or_else(|| Ok(Stdio::null()), Guard::stdin)?);
        command.arg("-C").arg(self.root.join(headers_in(&self.release)));
        Ok(command)
    }

    /// Builds the directory's modules, and tells where they are.
    pub(crate) fn build(&self, directory: &Path) -> Result<Vec<PathBuf>, KitError> {
        self.make(directory, "modules", None)?;
        let order = directory.join("modules.order");
        let built = match fs::read_to_string(&order) {
            Ok(order) => built(&order, &self.source(directory), directory),
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
        let mut command = self.start_make(directory, guard)?;
        let source = self.source(directory);
        command
            .args([&format!("M={}", source.display()), &jobs(), "--no-print-directory"])
            // Debug information makes a module twenty times as large, and an image with it; pahole,
            // which makes BTF of it, is not here.
            .args(["KCFLAGS=-g0", "KRUSTFLAGS=-Cdebuginfo=0", "CONFIG_DEBUG_INFO_BTF_MODULES="])
            .args(self.compiler.map(|compiler| format!("CC={compiler}")))
            .arg(target);
        let tool = match self.way {
            Way::Entered => UNSHARE,
            Way::InPlace => MAKE,
        };
        let end = tool.run(&mut command, |_| ())?;
        if end.success {
            return Ok(());
        }
        if end.disk_full() {
            return Err(KitError::DiskFull { path: directory.to_owned() });
        }
        Err(KitError::BuildFailed {
            path: directory.to_owned(),
            release: self.release.clone(),
            output: said(&end, &source, directory),
        })
    }
}

/// How many programs make runs at once.
pub(crate) fn jobs() -> String {
    jobs_up_to(usize::MAX)
}

/// The same, these at most.
pub(crate) fn jobs_up_to(most: usize) -> String {
    format!("-j{}", available_parallelism().map_or(1, usize::from).min(most))
}

/// What compiler and make said, of the machine's paths.
fn said(end: &Finished, source: &Path, directory: &Path) -> String {
    let [source, directory] = [source, directory].map(|path| format!("{}/", path.display()));
    let lines = end.stderr.trim_end().replace(&source, &directory);
    if lines.is_empty() { end.detail() } else { lines }
}

/// The modules that Kbuild's `modules.order` lists: as objects or, before 6.4, as modules, and by
/// whole paths before 6.13.
fn built(order: &str, source: &Path, directory: &Path) -> Vec<PathBuf> {
    let listed = order.lines().map(str::trim).filter(|line| !line.is_empty());
    let relative = listed.map(|line| Path::new(line).strip_prefix(source).unwrap_or(line.as_ref()));
    relative.map(|line| directory.join(line).with_extension("ko")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_list_names_the_modules() {
        for order in ["a.o\nsub/b.o\n", "/build/a.o\n/build/sub/b.o\n", "/build/a.ko\n\nsub/b.ko"] {
            let built = built(order, Path::new(SOURCE), Path::new("/home/me/driver"));
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
