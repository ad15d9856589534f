//! The model of the card and its firmware: no bus, no socket, no clock of its own.
#![forbid(unsafe_code)]

mod card;
mod csr;
mod device;
mod eeprom;
mod event;
mod faults;
mod fh;
mod fw;
mod hal;
mod irq;
mod memory;
mod pci;
mod prph;
mod rx;
mod spec;
mod summary;
mod tx;
mod upload;
mod world;

pub use card::{Card, CardOptions, Interrupts};
pub use event::{CardEvent, Image, Outcome, RegName, ResetKind, Space};
pub use faults::{Fault, FaultError, FaultPlan};
pub use spec::{CardSpec, Generation, OpMode, PciIds, card, cards};
pub use summary::{Summary, Unmodelled};
pub use world::{DmaError, Irq, Nanos, World};
