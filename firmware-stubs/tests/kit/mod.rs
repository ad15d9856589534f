//! Where the kit keeps what it has fetched.

use std::path::PathBuf;

/// As the kit finds it.
pub(crate) fn cache() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("IWLBENCH_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("iwlbench")))
        .or_else(|| var("HOME").map(|home| home.join(".cache/iwlbench")))
}
