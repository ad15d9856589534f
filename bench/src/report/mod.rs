//! A run's directory, turned into what people and machines read.
//!
//! The reader knows the format of `run.json` and `events.jsonl`, not the types that wrote them: a
//! report can be made of a run that an older or newer bench left, or of one that was killed.
//!
//! `events.jsonl` is described in `bench/EVENTS.md`.
//!
//! # `run.json`, format 1
//! [`crate::record::run::Record`]: `format`, the verdict, the expectations, the milestones, the versions
//! and hashes. It is written at the end, so a run that was killed has none.

mod fields;
pub mod html;
pub mod junit;
pub mod ktap;
pub mod matrix;
pub mod merge;
pub mod perfetto;
mod read;
pub mod render;
pub mod run;
mod spans;
pub mod text;
pub mod words;

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;

pub use read::{ReadError, locate};
pub use run::Run;
