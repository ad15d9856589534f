//! The model of the card and its firmware: no bus, no socket, no clock of its own.
#![forbid(unsafe_code)]

mod event;
mod world;

pub use event::{CardEvent, Image, Outcome, RegName, ResetKind, Space};
pub use world::{DmaError, Irq, Nanos, World};
