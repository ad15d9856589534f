//! Where fetched things live.

use std::path::{Path, PathBuf};

use crate::error::KitError;

/// The cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir(PathBuf);

impl CacheDir {
    /// `$IWLBENCH_CACHE`, else `$XDG_CACHE_HOME/iwlbench`, else `~/.cache/iwlbench`.
    pub fn from_env() -> Result<Self, KitError> {
        todo!()
    }

    /// This directory, made when first needed.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
