//! From an image in host memory to a running CPU.

mod context;
mod section;
mod service;

pub(crate) use context::{Context, Fetched, Setup, Start, pnvm};
pub use section::KnownSections;
pub(crate) use section::{Section, Uploaded};
pub(crate) use service::{Done, Upload};
