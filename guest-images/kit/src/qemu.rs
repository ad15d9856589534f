//! QEMU: a good one on PATH, or the kit's.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::apt::Package;
use crate::cache::CacheDir;
use crate::elf::{library_closure, loader_argv};
use crate::error::{KitError, Rejected};
use crate::store::{Source, Unpacked};

/// The oldest QEMU with `vfio-user-pci`.
pub const MINIMUM_QEMU: (u32, u32, u32) = (10, 1, 0);

const PROGRAM: &str = "qemu-system-x86_64";
const DEVICE: &str = "vfio-user-pci";

/// How long a program may take to print its version. A loaded machine starts
/// QEMU in a second or two; a wrapper that waits for something never ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// `ipxe-qemu` and `seabios` hold the ROMs that guests' devices load.
const ROOTS: [&str; 4] = ["qemu-system-x86", "qemu-system-data", "seabios", "ipxe-qemu"];
const SUITES: [&str; 2] = ["trixie", "trixie-backports"];
const KIND: &str = "tools";
const NAME: &str = "qemu";

/// Where a QEMU comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QemuOrigin {
    /// Found on PATH, or named by the user.
    Path(PathBuf),
    /// Fetched: the packages, with their versions and hashes.
    Kit(Vec<Package>),
}

/// A QEMU that can take the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// Program and leading arguments. The kit's QEMU runs through its own
    /// dynamic loader and names its data directories here.
    pub argv: Vec<OsString>,
    /// Environment that it needs.
    pub env: Vec<(OsString, OsString)>,
    /// `(major, minor, micro)`.
    pub version: (u32, u32, u32),
    /// Where it comes from.
    pub origin: QemuOrigin,
    /// It was built with `-sandbox`.
    pub sandbox: bool,
}

/// QEMU's own filter of system calls, as strict as it has one: it opens its files and starts its
/// threads, and runs no program, gains no privileges, changes no priority.
pub const SANDBOX: [&str; 2] =
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

impl Qemu {
    /// A command that runs this QEMU; add arguments to it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        if matches!(self.origin, QemuOrigin::Kit(_)) {
            // A library preloaded for the host's C library breaks ours.
            command.env_remove("LD_PRELOAD");
        }
        command
    }
}

/// Whether this program is a QEMU that can take the card. Runs it twice or thrice.
pub fn probe_qemu(path: &Path) -> Result<Qemu, Rejected> {
    let qemu = Qemu {
        argv: vec![path.as_os_str().to_owned()],
        env: Vec::new(),
        version: (0, 0, 0),
        origin: QemuOrigin::Path(path.to_path_buf()),
        sandbox: false,
    };
    probe(qemu).map_err(|reason| Rejected { path: path.to_path_buf(), reason })
}

/// What is known of this QEMU after it has run, or why it will not do.
fn probe(qemu: Qemu) -> Result<Qemu, String> {
    let banner = output(&qemu, &["--version"])?;
    let version = parse_version(&banner).ok_or("`--version` prints no QEMU version")?;
    if version < MINIMUM_QEMU {
        let ((major, minor, micro), (least, point, _)) = (version, MINIMUM_QEMU);
        return Err(format!("version {major}.{minor}.{micro} is older than {least}.{point}"));
    }
    let list = ["-machine", "none", "-device", "help"];
    let (devices, sandbox) = match output(&qemu, &[&SANDBOX[..], &list].concat()) {
        Ok(devices) => (devices, true),
        // Without libseccomp, or on a kernel without seccomp.
        Err(_) => (output(&qemu, &list)?, false),
    };
    let listed = devices.lines().any(|line| line.starts_with(&format!("name \"{DEVICE}\"")));
    if listed {
        Ok(Qemu { version, sandbox, ..qemu })
    } else {
        Err(format!("built without {DEVICE}"))
    }
}

/// What QEMU prints, within our patience.
fn output(qemu: &Qemu, args: &[&str]) -> Result<String, String> {
    let mut child = qemu
        .command()
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let stdout = child.stdout.take();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            // No QEMU lists a mebibyte of devices. A read error ends the text.
            let _ = stdout.take(1 << 20).read_to_end(&mut bytes);
        }
        // Nobody listens any more if our patience ended first.
        let _ = sender.send(bytes);
    });
    let bytes = match receiver.recv_timeout(PATIENCE) {
        Ok(bytes) => bytes,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("`{}` does not end", args.join(" ")));
        }
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("`{}` fails ({status})", args.join(" ")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The version in `QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1)`.
fn parse_version(banner: &str) -> Option<(u32, u32, u32)> {
    numbers(banner.split_once("QEMU emulator version ")?.1)
}

/// The two or three numbers that a text begins with: `11.1.3+ds`.
fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next()?
        .split('.')
        .map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

/// The first good QEMU in the directories of `path`, and those before it that
/// were not.
pub(crate) fn on_path(path: Option<OsString>) -> (Option<Qemu>, Vec<Rejected>) {
    let mut rejected: Vec<Rejected> = Vec::new();
    let mut seen = Vec::new();
    for dir in std::env::split_paths(&path.unwrap_or_default()) {
        let program = dir.join(PROGRAM);
        if !dir.is_absolute() || !program.is_file() || access(&program, Access::EXEC_OK).is_err() {
            continue;
        }
        // /bin and /usr/bin are one directory today.
        let real = std::fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        match probe_qemu(&program) {
            Ok(qemu) => return (Some(qemu), rejected),
            Err(reason) => rejected.push(reason),
        }
    }
    (None, rejected)
}

/// The kit's QEMU in unpacked packages.
fn in_root(root: &Path, packages: Vec<Package>) -> Result<Qemu, KitError> {
    // `1:11.1.3+ds-1~bpo13+1` holds 11.1.3.
    let version = packages
        .iter()
        .find(|package| package.name == ROOTS[0])
        .map(|package| package.version.split_once(':').map_or(&*package.version, |(_, v)| v))
        .and_then(numbers)
        .ok_or_else(|| KitError::BadPackage {
            path: root.to_path_buf(),
            missing: ROOTS[0].to_owned(),
        })?;
    let program = format!("usr/bin/{PROGRAM}");
    let mut argv: Vec<OsString> =
        loader_argv(root, &program)?.into_iter().map(PathBuf::into_os_string).collect();
    for data in ["usr/share/qemu", "usr/share/seabios"] {
        argv.push("-L".into());
        argv.push(root.join(data).into());
    }
    // QEMU looks for its loadable parts beside its own program; keep it from
    // finding the host's.
    let modules = root.join("usr/lib/x86_64-linux-gnu/qemu");
    Ok(Qemu {
        argv,
        env: vec![("QEMU_MODULE_DIR".into(), modules.into())],
        version,
        origin: QemuOrigin::Kit(packages),
        // Debian's has it.
        sandbox: true,
    })
}

/// The packages of the kit's QEMU, if they have been fetched.
pub(crate) fn unpacked(cache: &CacheDir) -> Result<Option<Unpacked>, KitError> {
    Unpacked::open(cache, KIND, NAME)
}

/// The kit's QEMU, if it has been fetched.
pub(crate) fn cached(cache: &CacheDir) -> Result<Option<Qemu>, KitError> {
    let Some(unpacked) = unpacked(cache)? else { return Ok(None) };
    let unpacked = unpacked.whole()?;
    in_root(&unpacked.root(), unpacked.packages).map(Some)
}

/// Whether a guest's QEMU may read this file: itself, its libraries and loadable parts, its ROMs.
fn is_needed(path: &str) -> bool {
    let dirs =
        ["usr/lib/", "usr/lib64/", "lib/", "lib64/", "usr/share/qemu/", "usr/share/seabios/"];
    path == format!("usr/bin/{PROGRAM}") || dirs.iter().any(|dir| path.starts_with(dir))
}

/// Fetches the kit's QEMU and proves that it runs here.
pub(crate) fn fetch(source: &Source<'_>) -> Result<Qemu, KitError> {
    let apt = source.apt(&SUITES)?;
    let packages = apt.resolve(Some("trixie-backports"), &ROOTS)?;
    let unpacked = source.unpack(&apt, (KIND, NAME), &packages, is_needed, |root, packages| {
        library_closure(root, &[&format!("usr/bin/{PROGRAM}")])?;
        let path = root.join("usr/bin").join(PROGRAM);
        match probe(in_root(root, packages.to_vec())?) {
            Ok(_) => Ok(()),
            Err(reason) => Err(KitError::KitQemu(Rejected { path, reason })),
        }
    })?;
    in_root(&unpacked.root(), unpacked.packages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A directory of PATH with a QEMU that is a shell script.
    fn fake(script: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(PROGRAM);
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    fn version(version: &str, device: &str) -> String {
        format!(
            "case $1 in --version) echo 'QEMU emulator version {version} (Debian)';; \
             *) echo 'name \"{device}\", bus PCI';; esac"
        )
    }

    #[test]
    fn whether_it_has_a_sandbox_is_found_out() {
        let with = fake(&version("10.1.0", DEVICE));
        let without =
            fake(&format!("[ \"$1\" = -sandbox ] && exit 1\n{}", version("10.1.0", DEVICE)));
        for (dir, sandbox) in [(with, true), (without, false)] {
            assert_eq!(probe_qemu(&dir.path().join(PROGRAM)).unwrap().sandbox, sandbox);
        }
    }

    fn reason(script: &str) -> String {
        probe_qemu(&fake(script).path().join(PROGRAM)).unwrap_err().reason
    }

    #[test]
    fn a_good_qemu_is_taken() {
        let dir = fake(&version("10.1.0", DEVICE));
        let qemu = probe_qemu(&dir.path().join(PROGRAM)).unwrap();
        assert_eq!(qemu.version, (10, 1, 0));
        assert_eq!(qemu.origin, QemuOrigin::Path(dir.path().join(PROGRAM)));
    }

    #[test]
    fn unusable_ones_say_why() {
        assert_eq!(reason(&version("7.2.22", DEVICE)), "version 7.2.22 is older than 10.1");
        assert_eq!(reason(&version("11.0", "vfio-pci")), "built without vfio-user-pci");
        assert_eq!(reason("echo hello"), "`--version` prints no QEMU version");
        assert_eq!(reason("exit 1"), "`--version` fails (exit status: 1)");
    }

    #[test]
    fn later_entries_of_path_are_tried() {
        let old = fake(&version("7.2.22", DEVICE));
        let good = fake(&version("11.1.3", DEVICE));
        let never = fake("exit 9");
        let empty = tempfile::tempdir().unwrap();
        let dirs = [&empty, &old, &old, &good, &never].map(tempfile::TempDir::path);
        let (qemu, rejected) = on_path(Some(std::env::join_paths(dirs).unwrap()));
        assert_eq!(qemu.unwrap().version, (11, 1, 3));
        assert_eq!(rejected.len(), 1);
        assert!(rejected[0].to_string().ends_with("version 7.2.22 is older than 10.1"));

        let (qemu, rejected) = on_path(Some(std::env::join_paths([old.path()]).unwrap()));
        assert_eq!((qemu, rejected.len()), (None, 1));
        assert_eq!(on_path(None), (None, Vec::new()));
    }

    #[test]
    fn banners() {
        let banner = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright";
        assert_eq!(parse_version(banner), Some((11, 1, 3)));
        assert_eq!(parse_version("QEMU emulator version 10.2"), Some((10, 2, 0)));
        assert_eq!(parse_version("QEMU emulator version ten"), None);
    }
}
