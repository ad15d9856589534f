//! A run's directory, turned into what people and machines read.
//!
//! The reader knows the format of `run.json` and `events.jsonl`, not the types that wrote them: a
//! report can be made of a run that an older or newer bench left, or of one that was killed.
//!
//! `events.jsonl` is described in `bench/EVENTS.md`.
//!
//! `run.json` and `matrix.json` in `bench/OUTPUT.md`. They are written at the end: a run that was killed
//! has none, and its matrix one without it.

mod accesses;
pub mod baseline;
pub mod compare;
pub mod exploration;
mod fields;
pub mod html;
pub mod junit;
pub mod ktap;
pub mod look;
pub mod matrix;
pub mod merge;
pub mod options;
pub mod perfetto;
mod read;
pub mod render;
pub mod run;
mod spans;
pub mod sweep;
pub mod text;
pub mod words;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;

pub use read::{ReadError, locate};
pub use run::Run;
