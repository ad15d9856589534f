//! QEMU: a good one on PATH, or the kit's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::KitError;

/// The oldest QEMU with `vfio-user-pci`.
pub const MINIMUM_QEMU: (u32, u32, u32) = (10, 1, 0);

/// Where a QEMU comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QemuOrigin {
    /// Found on PATH, or named by the user.
    Path(PathBuf),
    /// Fetched; the Debian version of `qemu-system-x86`.
    Kit(String),
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
}

impl Qemu {
    /// A command that runs this QEMU; add arguments to it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }
}

/// A QEMU that was passed over. Its `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Rejected {
    /// The program.
    pub path: PathBuf,
    /// Why, as a phrase: "version 7.2.22 is older than 10.1".
    pub reason: String,
}

/// Whether this program is a QEMU that can take the card. Runs it twice.
pub fn probe_qemu(path: &Path) -> Result<Qemu, Rejected> {
    let _ = path;
    todo!()
}

#[expect(dead_code, reason = "the body follows")]
fn unused() -> Option<KitError> {
    None
}
