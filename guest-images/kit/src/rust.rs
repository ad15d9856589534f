//! The build room for modules in Rust.
//!
//! The headers package has nothing that rustc could read of the kernel's own crates: what Kbuild hands
//! it (`rust/*.rmeta`, the macros' `rust/*.so`, `scripts/target.json`) exists in a tree alone in which
//! `make modules_prepare` was run. So that is done once for each kernel, from the distribution's source
//! with its configuration and its compilers, and of the tree those files are kept: laid over the
//! headers, they are enough from then on. What they were made with has to be what the kernel was
//! built with, as the layout of its structures is in them: `autoconf.h` and `rustc_cfg` are compared
//! with those of the headers.
//!
//! Sources: the kernel's `Documentation/rust/general-information.rst`, `rust/Makefile`,
//! `scripts/Makefile.build`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cache::CacheDir;
use crate::config::Configuration;
use crate::error::{At, KitError};
use crate::kernel::Kernel;
use crate::room::{self, FIRST, PROGRAMS, Room, complete, is_needed, jobs};
use crate::source::package_of;
use crate::store::{Source, Unpacked};

/// The directory in the cache.
const KIND: &str = "rust";

/// What every build wants beside the C room's packages.
pub(crate) const COMPILER: &str = "rustc";

/// What is wanted once: for the kernel's crates, for bindgen and what it reads, for `scripts/` and
/// `tools/objtool`, and to unpack the source. pahole, as without it Kconfig unsets what depends on BTF.
pub(crate) const ONCE: [&str; 22] = [
    "rust-src",
    "bindgen",
    "libclang1-19",
    "libclang-common-19-dev",
    "python3-minimal",
    "bison",
    "flex",
    "bc",
    "gcc-14",
    "libc6-dev",
    "libelf-dev",
    "libssl-dev",
    "libdw-dev",
    "zlib1g-dev",
    "perl",
    "rsync",
    "kmod",
    "xz-utils",
    "cpio",
    "zstd",
    "tar",
    "pahole",
];

/// Makes the files, below `/build/kept`. Drivers' C files are not compiled, and not unpacked.
const PREPARE: &str = r#"
set -e
source=$1 headers=$2 release=$3 jobs=$4
mkdir -p tree kept/rust kept/scripts
echo "unpacking the kernel's source"
tar -xf "$source" -C tree --strip-components=1 \
    --exclude='*/drivers/*.c' --exclude='*/Documentation/*/*' --exclude='*/sound/*.c' \
    --exclude='*/drivers/gpu/drm/amd/include/*' --exclude='*/tools/testing/*'
cp "$headers/.config" tree/.config
cd tree
compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' .config)
version=$(make -s kernelversion)
kbuild() { make "$jobs" CC="$compiler" HOSTCC="$compiler" LOCALVERSION="${release#"$version"}" "$@"; }
kbuild olddefconfig
kbuild modules_prepare
# What a tool can is no part of any layout, and differs where one was updated since.
options() { grep -Ev 'CONFIG_(CC|LD|AS|RUSTC|PAHOLE|OPENSSL|BINDGEN|GCC|CLANG)_' "$1" | sort; }
for file in autoconf.h rustc_cfg; do
    options "$headers/include/generated/$file" >../theirs
    options "include/generated/$file" >../ours
    if ! cmp -s ../theirs ../ours; then
        echo "$file is not that of the kernel:" $(diff ../theirs ../ours | grep '^[<>]' | head -n 20) >&2
        exit 3
    fi
done
cp rust/*.rmeta rust/*.so ../kept/rust/
cp scripts/target.json ../kept/scripts/
"#;

/// All rooms for Rust, by their kernels' releases.
pub(crate) fn all_unpacked(cache: &CacheDir) -> Result<Vec<(String, Unpacked)>, KitError> {
    Unpacked::all(cache, KIND)
}

/// The room, if it was made.
pub(crate) fn cached(cache: &CacheDir, release: &str) -> Result<Option<Room>, KitError> {
    room::cached_of(cache, (KIND, release), release)
}

/// Refuses a kernel that is known to have no Rust.
pub(crate) fn check(kernel: &Kernel) -> Result<(), KitError> {
    match &kernel.config {
        Some(config) if Configuration::of(config)?.lacks("RUST") => {
            Err(KitError::NoRust { release: kernel.release.clone() })
        }
        _ => Ok(()),
    }
}

/// Whether the directory's Kbuild makes an object of a Rust file.
pub(crate) fn is_wanted(directory: &Path) -> Result<bool, KitError> {
    for entry in fs::read_dir(directory).at(directory)? {
        let entry = entry.at(directory)?;
        let (path, kind) = (entry.path(), entry.file_type().at(directory)?);
        if kind.is_dir() {
            if is_wanted(&path)? {
                return Ok(true);
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let object = format!("{}.o", path.file_stem().unwrap_or_default().to_string_lossy());
        for list in ["Kbuild", "Makefile"].map(|name| directory.join(name)) {
            let text = match fs::read_to_string(&list) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(KitError::io(&list, error)),
            };
            if text.split(|c: char| c.is_whitespace() || "=:$()".contains(c)).any(|w| w == object) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Fetches the room and makes it ready.
pub(crate) fn fetch(source: &Source<'_>, kernel: &Kernel) -> Result<Room, KitError> {
    let release = kernel.release.as_str();
    let version = kernel.package_version.as_deref();
    let package = version.and_then(package_of);
    let package = package.ok_or_else(|| KitError::NoSource { release: release.to_owned() })?;
    let apt = room::apt_with_headers(source, release)?;
    let headers = room::headers_of(release);
    let always: Vec<&str> = [FIRST, &headers, COMPILER].into_iter().chain(PROGRAMS).collect();
    let once: Vec<&str> = always.iter().copied().chain(ONCE).chain([&*package]).collect();
    let what = format!("what makes the Rust of kernel {release} ready for modules");
    let packages = room::packages(&apt, &once)?;
    let kept = source.in_passing(&apt, &what, &packages, |root, beside| {
        complete(root, release)?;
        prepare(source, root, beside, (release, &package))
    })?;
    let packages = room::packages(&apt, &always)?;
    let unpacked = source.unpack(&apt, (KIND, release), &packages, is_needed, |root, _| {
        complete(root, release)?;
        lay_over(root, release, &kept)
    })?;
    Ok(Room::entered(unpacked.root(), release))
}

/// A file of a prepared tree, below `rust/` or `scripts/`.
struct Kept {
    path: PathBuf,
    content: Vec<u8>,
}

/// Runs the kernel's `modules_prepare` in a room that has all that it wants.
fn prepare(
    source: &Source<'_>,
    root: &Path,
    beside: &Path,
    (release, package): (&str, &str),
) -> Result<Vec<Kept>, KitError> {
    let archive = format!("/usr/src/{package}.tar.xz");
    let headers = format!("/lib/modules/{release}/build");
    let script = format!("cd /build && {{ {PREPARE}\n}}");
    let begin = format!("making the Rust of kernel {release} ready for modules, once for it");
    source.progress.step(&format!("{begin}: minutes"));
    let prepared = Room::entered(root, release).script(
        (source, beside),
        &script,
        &[&archive, &headers, release, &jobs()],
        |line| {
            let told = ["RUSTC", "BINDGEN", "unpack"].iter().any(|word| line.starts_with(word));
            told.then(|| format!("{begin}: {line}"))
        },
    )?;
    prepared.map_err(|what| KitError::RustNotReady { release: release.to_owned(), what })?;
    let mut kept = Vec::new();
    for part in ["rust", "scripts"] {
        let dir = beside.join("kept").join(part);
        for entry in fs::read_dir(&dir).at(&dir)? {
            let path = entry.at(&dir)?.path();
            let content = fs::read(&path).at(&path)?;
            let name = path.file_name().unwrap_or_default();
            kept.push(Kept { path: Path::new(part).join(name), content });
        }
    }
    Ok(kept)
}

/// Puts the files of a prepared tree where Kbuild looks for them.
fn lay_over(root: &Path, release: &str, kept: &[Kept]) -> Result<(), KitError> {
    let headers = root.join(format!("usr/src/linux-headers-{release}"));
    // A link that leads out of the headers, into the package of Kbuild's programs.
    let scripts = headers.join("scripts");
    let scripts = match fs::read_link(&scripts) {
        Ok(target) => headers.join(target),
        Err(_) => scripts,
    };
    for Kept { path, content } in kept {
        let place = match path.strip_prefix("scripts") {
            Ok(name) => scripts.join(name),
            Err(_) => headers.join(path),
        };
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        fs::write(&place, content).at(&place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_is_wanted_where_an_object_is_made_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("Kbuild", "obj-m += a.o\n");
        put("a.c", "");
        put("tool.rs", "");
        assert!(!is_wanted(dir.path()).unwrap());
        put("Kbuild", "obj-m += a.o\na-y := b.o tool.o\n");
        assert!(is_wanted(dir.path()).unwrap());
        put("Kbuild", "obj-m += sub/\n");
        put("sub/Makefile", "obj-$(CONFIG_X)+=deep.o");
        assert!(!is_wanted(dir.path()).unwrap());
        put("sub/deep.rs", "");
        assert!(is_wanted(dir.path()).unwrap());
    }

    #[test]
    fn the_files_go_through_the_headers_link() {
        let dir = tempfile::tempdir().unwrap();
        let headers = dir.path().join("usr/src/linux-headers-7.3");
        let scripts = dir.path().join("usr/lib/linux-kbuild-7.3/scripts");
        fs::create_dir_all(&headers).unwrap();
        fs::create_dir_all(&scripts).unwrap();
        let link = headers.join("scripts");
        std::os::unix::fs::symlink("../../lib/linux-kbuild-7.3/scripts", link).unwrap();
        let kept = ["rust/libcore.rmeta", "scripts/target.json"]
            .map(|path| Kept { path: path.into(), content: path.as_bytes().to_vec() });
        lay_over(dir.path(), "7.3", &kept).unwrap();
        assert_eq!(fs::read(headers.join("rust/libcore.rmeta")).unwrap(), b"rust/libcore.rmeta");
        assert_eq!(fs::read(scripts.join("target.json")).unwrap(), b"scripts/target.json");
    }
}
