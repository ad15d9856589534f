//! The model of the card and its firmware: no bus, no socket, no clock of its own.
//!
//! [`cards`] lists what there is, [`Card`] is one of them. A card sees the world through one
//! seam, [`World`]; production implements it over guest memory and eventfds, tests over a
//! `Vec<u8>`. Everything that happens becomes a [`CardEvent`]; what the model gives no meaning to
//! is counted in the [`Summary`].
//!
//! A register access changes state and no more. What it sets off (an upload, a doorbell, a packet
//! to the host) is done by [`Card::run`] as *work items*, each of which reads all it needs from
//! guest memory before its first effect. An access through `HBUS_TARG_PRPH_*` or
//! `HBUS_TARG_MEM_*` is one event, in the window it reaches.
//!
//! | module | what |
//! |---|---|
//! | `card`, `pci` | the function: configuration space, BAR 0, events, faults that hit any access |
//! | `spec` | the cards, a row each; their silicon, a constant a generation |
//! | `chip` | what lies behind BAR 0, its work and its timers |
//! | `regs` | registers: what a read gives, what a write does, and the outcome |
//! | `boot`, `rx`, `tx`, `irq`, `nvm`, `memory`, `reach` | its parts |
//! | `fw` | the firmware: host commands to reactions, DVM and MVM |
//! | `message`, `layout` | what firmware and rings pass each other, where tables lie |
//! | `faults` | what goes wrong |
//!
//! # Sources
//! The drivers of Linux 7.3 (`drivers/net/wireless/intel/iwlwifi`) as documentation of the
//! hardware, and register traces of them. The hardware's facts are in `iwl-hw`.
//!
//! # What is not implemented
//! - Of 9000 and 22000 there is silicon, with registers, and no card: multi-queue receive,
//!   context information, unified firmware. Of later parts there is nothing.
//! - A radio: scans take their time and find nothing, frames are never acknowledged, no beacons.
//! - Encryption, aggregation, power saving, wake on WLAN, temperature.
//! - Byte count tables, keep-warm memory, interrupt coalescing, the periodic interrupt, and
//!   `CSR_GP_CNTRL`'s sleep states: the MAC is awake whenever it is on.
//! - Code: no instruction of a firmware file is run. Which image was uploaded is told by the
//!   marker that stub files carry; a real file gets the answers of both images.
//! - Commands without a meaning get four zero bytes, which says success to drivers that ask.
#![forbid(unsafe_code)]

mod boot;
mod card;
mod cause;
mod chip;
mod event;
mod faults;
mod fw;
mod irq;
mod layout;
mod memory;
mod message;
mod nvm;
mod pci;
mod reach;
mod regs;
mod rx;
mod spec;
mod summary;
mod timers;
mod tx;
mod world;

pub use card::{Card, CardOptions, Interrupts};
pub use cause::{Cause, Irq};
pub use event::{CardEvent, Image, Outcome, RegName, ResetKind, Space};
pub use faults::{Engine, Fault, FaultError, FaultPlan, MIN_EVERY};
pub use spec::{CardSpec, Generation, OpMode, PciIds, card, cards};
pub use summary::{Summary, Unmodelled};
pub use world::{DmaError, Nanos, World};
