//! Where the kernel waits for the bench's word.

pub(crate) mod firmware;
pub(crate) mod module;
