//! Kernels: which one is asked for, and where its files are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::KitError;

/// Which kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum KernelSelector {
    /// Debian's `linux-image-amd64` of trixie-backports.
    #[default]
    Default,
    /// A Debian kernel by release or by the beginning of it in whole numbers:
    /// `7.3.4+deb13-amd64`, `6.12`, `6.1`.
    Version(String),
    /// A kernel that the user built or unpacked.
    Files {
        /// The bzImage.
        bzimage: PathBuf,
        /// Its modules: `…/lib/modules/<release>`.
        modules: PathBuf,
    },
}

/// Parses as the `--kernel` option: `default` or a version.
impl std::str::FromStr for KernelSelector {
    type Err = KitError;

    fn from_str(_text: &str) -> Result<Self, KitError> {
        todo!()
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
}
