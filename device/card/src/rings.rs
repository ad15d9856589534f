//! Where rings lie in host memory, as registers, context information or a command tell it.

/// A receive queue's rings, and its status.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rings {
    pub(crate) free: u64,
    pub(crate) used: u64,
    pub(crate) status: u64,
}
