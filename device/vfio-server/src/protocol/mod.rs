//! The wire format: messages as they arrive ([`Receiver`]), what they ask for
//! ([`Request`]), and the structures of requests and replies.
//!
//! Source: the vfio-user specification, `docs/interop/vfio-user.rst` in QEMU. All integers
//! are in the byte order of the host.

mod receiver;
mod request;
mod version;
mod wire;

pub use receiver::{Message, Receiver};
pub use request::{MultiWrites, Request, RequestError};
pub use version::{Capabilities, VersionError};
pub use wire::*;
