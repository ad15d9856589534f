//! From an image in host memory to a running CPU.

mod service;

pub(crate) use service::{Done, Section, Upload};
