//! What a ring has for the next packet.

/// A free buffer, and what its ring knows it by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer {
    pub(super) address: u64,
    pub(super) vid: u32,
}

/// What a ring has for the next packet.
pub(super) enum Next {
    /// It does not run, or all buffers are used.
    Nothing,
    /// It has no such queue.
    NoQueue,
    Free(Buffer),
}
