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
//! `HBUS_TARG_MEM_*` is one event, in the window it reaches; of a long run of reads the words behind the
//! first few are one together (`dump`).
//!
//! One way leads through it. A register access: [`Card::bar_read`], [`Card::bar_write`] → `regs` →
//! the state of `chip` → what the write leads to, told after it. What it set off: [`Card::run`] →
//! `chip` → `boot`, `rx`, `tx`, `fw` → `irq`. To read it, in this order: `card.rs`, `regs/mod.rs` and
//! `regs/csr.rs`, `chip.rs`, `fw/mvm/mod.rs`, `irq/mod.rs`. No file imports one that imports it;
//! `tests/modules.rs` says so.
//!
//! | module | what |
//! |---|---|
//! | `card`, `pci`, `dump` | the function: configuration space and the line in use, BAR 0, faults that hit any access; memory that is dumped |
//! | `spec` | the cards, a row each; their silicon, a constant a generation |
//! | `chip`, `timers` | what lies behind BAR 0: its wiring, its resets, its work; what is due |
//! | `regs` | registers: what a read gives, what a write does, what came of it; a file a block |
//! | `cause`, `irq` | why it interrupts; how that is told: `irq/ict.rs` by `CSR_INT` and its table, `irq/msix.rs` by MSI-X |
//! | `boot`, `rx`, `tx` | its DMA engines: the upload, the rings |
//! | `nvm`, `memory`, `reach` | what it keeps; device memory; host memory |
//! | `fw`, `capabilities` | the firmware: host commands to effects, a dialect each; what its file says of it |
//! | `message`, `layout`, `rings` | what firmware and rings pass each other; where tables and rings lie |
//! | `event`, `summary`, `faults`, `world` | what is told, what goes wrong, and the seam |
//!
//! # Recipes
//! - *A card* of silicon that is there: a row in `spec/cards.rs`, and one of its stub firmware in
//!   `iwl-ucode`'s `stub.rs`, if that has none. From AX210 on that names the platform's NVM too
//!   (`pnvm`), and the card's row the `sku_id` that it is for. One of new silicon: a `Generation`
//!   and its constant in `spec/silicon.rs`, a variant on each axis where it differs, its registers
//!   in `iwl_hw::maps`; the compiler names the rest.
//! - *A register*: its row in the table of its block in `iwl-hw` (`bar/*.rs`, `prph/*.rs`); from
//!   there on it is kept, and is told by its name as a stub. One that does something: a match arm
//!   in that block's file of `regs`. If a recorded driver touches it, name and outcome in the
//!   record change with it, and `tests/replay.rs` turns red: run that card on that kernel again
//!   with `$IWLBENCH_RECORD` set, and put what it leaves in the place of the trace.
//! - *A host command*: its layout in `iwl_hw::mvm` (or `dvm`) and its name in `iwl_hw::names`; a
//!   variant of `Request` and its line in `parse`; an arm in `command`, with the effects in their
//!   order: in `fw/mvm` up to family 9000, in `fw/unified` from 22000 on (`parse` is in each's
//!   `request.rs`), or in `fw/dvm.rs`; what several answer alike is in `fw/common.rs`,
//!   `fw/queues.rs`, `fw/scan.rs`, `fw/time.rs`. A layout of newer versions is in `iwl_hw::mld`; which
//!   one it is, `fw/unified` asks the file's `Capabilities`. A version that the driver has to know of
//!   with a stub: its row in `iwl_hw::versions`, which the stub's file names. A test of it:
//!   `tests/model/mvm.rs`, `dvm.rs`, or `gen3.rs` for what a file decides. What a recorded driver
//!   sends, too, is answered otherwise from then on: `tests/replay.rs` tells, and says how records are
//!   made.
//! - *A fault*: a variant of [`Fault`] with its name, its argument and a row in `ALL`; where it takes
//!   effect it is asked for by the plan and told by `CardEvent::injected`, or by `repeated_fault` where
//!   that would be again and again. A line in `spec/suits.rs` if it is of a part that some cards lack.
//!   A test in `tests/model/faults.rs`. The bench asks for its words in `list` and in its diagnosis.
//! - *A cause*: a variant of [`Cause`]; the compiler asks both controllers for its bit.
//!
//! # Sources
//! The drivers of Linux 7.3 (`drivers/net/wireless/intel/iwlwifi`) as documentation of the
//! hardware, and register traces of them. The hardware's facts are in `iwl-hw`.
//!
//! # What is not implemented
//! - Parts after Bz: the Sc and Dr families. The image loader's code; paging, and the length of a
//!   section that the card fetches itself: of one that is of no file it knows it reads the start, by
//!   which the image is known.
//! - Versions of commands without a layout in `fw/unified/request.rs`: those that a file says it speaks
//!   and that are not there are told as unknown. Of rate scaling (TLC) any.
//! - A radio: scans take their time and find nothing, frames are never acknowledged, no beacons.
//! - Encryption, aggregation, power saving, wake on WLAN.
//! - Byte count tables, keep-warm memory, interrupt coalescing, the periodic interrupt, and
//!   `CSR_GP_CNTRL`'s sleep states: the MAC is awake whenever it is on; without INIT_DONE
//!   as long as firmware runs and it is asked to be.
//! - Code: no instruction of a firmware file is run. Which image was uploaded is known of
//!   files that were given beforehand, and told by the marker that stubs carry; of any other the answers
//!   are those of both images.
//! - Commands without a meaning get four zero bytes, which says success to drivers that ask.
#![forbid(unsafe_code)]

mod boot;
mod capabilities;
mod card;
mod cause;
mod chip;
mod dump;
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
mod rings;
mod rx;
mod spec;
mod summary;
mod timers;
mod tx;
mod world;

pub use boot::KnownSections;
pub use card::{Card, CardOptions, Interrupts};
pub use cause::{Cause, Irq};
pub use event::{CardEvent, Image, Outcome, RegName, ResetKind, Space, Wrong};
pub use faults::{Bits, Engine, Fault, FaultError, FaultPlan, MIN_EVERY, NvmSection};
pub use spec::{
    CardSpec, Generation, IDENTITY_KEYS, Identity, IdentityError, OpMode, PciIds, Radio, card,
    cards, one_of_each_generation,
};
pub use summary::{Summary, Unmodelled};
pub use world::{Clock, DmaError, Events, Memory, Nanos, Raise, World};
