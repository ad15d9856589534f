//! What is only watched: nothing in the guest waits for the bench here.

pub(crate) mod kmsg;
mod marks;
pub(crate) mod record;
pub(crate) mod settle;
pub(crate) mod trace;
pub(crate) mod uevent;
