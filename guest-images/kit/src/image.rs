//! The guest image: an uncompressed newc cpio archive.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct ImageSpec<'a> {
    /// The kernel whose modules are taken.
    pub kernel: &'a Kernel,
    /// A static x86-64 ELF program; becomes `/init`.
    pub agent: &'a [u8],
    /// Modules wanted where the kernel has them; what they depend on comes along.
    pub modules: &'a [&'a str],
    /// Of those (built in counts as present), the ones whose absence is an error.
    pub required: &'a [&'a str],
    /// Modules left out by hand, even if another one depends on them.
    pub without: &'a [String],
    /// Files of the caller's own.
    pub extra: &'a [ExtraFile],
}

/// A file to add to the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// Path in the guest, absolute. A `.ko` below
    /// `/lib/modules/<release>/updates/` takes the place of the kernel's own.
    pub path: String,
    /// Permission bits, e.g. `0o644`.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
}

/// An image on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The archive, as QEMU's `-initrd` takes it.
    pub path: PathBuf,
    /// SHA-256 over everything that went in, in hex: equal keys, equal images.
    pub key: String,
    /// SHA-256 of the archive itself, in hex.
    pub sha256: String,
    /// Its modules, in path order.
    pub modules: Vec<IncludedModule>,
}

/// A module in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncludedModule {
    /// As `lsmod` prints it: `snd_hda_intel`.
    pub name: String,
    /// Path in the guest.
    pub path: String,
    /// SHA-256 of the decompressed file, in hex.
    pub sha256: String,
}
