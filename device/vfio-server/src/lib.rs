//! A vfio-user server: it lets a process play a PCI function to a VMM (QEMU's
//! `vfio-user-pci`). It knows no device; [`Device`] is the seam.
//!
//! ```no_run
//! # use vfio_server::*;
//! # fn example(mut device: impl Device) -> Result<(), Box<dyn std::error::Error>> {
//! let stop = StopHandle::new()?; // Keep a clone, for the signal handler's thread.
//! let mut server = Server::bind("/tmp/card.sock")?;
//! server.serve(&mut device, &stop)?;
//! # Ok(()) }
//! ```
//!
//! # How it works
//! One thread runs one event loop. Nothing in it waits for the client: QEMU holds its big
//! lock until it has a reply, so a server that asked for memory first would hang both. Guest
//! memory comes mapped where the client shares it; where it does not, [`Bus`] tells the device
//! to come back ([`DmaError::Pending`]).
//!
//! The pieces can be used alone: [`protocol`] cuts and types messages, [`dma`] keeps the bus
//! address space, [`irq`] the interrupt tables.
//!
//! # What it does not trust
//! | the client may | and this happens |
//! |---|---|
//! | tear, join or delay messages | they are put together again, or the connection waits |
//! | announce impossible sizes, send stray replies | the connection ends, with a [`protocol::ProtocolError`] |
//! | send wrong values, sizes, commands | an error reply (header only, errno never 0), none if no reply was wanted |
//! | send descriptors that nothing takes, or too many | they are closed; above 16 the connection ends |
//! | not read its replies, not answer commands | reading stops at 4 MiB unsent, the connection ends at 64 MiB or 16384 commands |
//! | send eventfds that block | they are made non-blocking |
//! | go away at any time | its memory is unmapped, its interrupts dropped, the next client served |
//!
//! It does trust the client not to shrink a memory file that it has sent: touching the missing
//! part would kill the process (`SIGBUS`). A file too small when it comes is refused.
//!
//! A client that connects and then says nothing keeps others waiting: one is served at a time.
//!
//! # What it leaves out
//! Mappable regions (they would make QEMU send every write synchronously), region I/O
//! descriptors, device features and migration, dirty pages, the twin socket, sockets other than
//! `AF_UNIX`. `REGION_WRITE_MULTI` is taken but not announced: QEMU's reads get slower with it.
//!
//! # Sources
//! The vfio-user specification (`docs/interop/vfio-user.rst` in QEMU), `<linux/vfio.h>`, and
//! the behaviour of QEMU 11.1.3.

mod bus;
mod device;
pub mod dma;
mod error;
pub mod irq;
mod link;
mod messages;
mod outbox;
pub mod protocol;
mod server;
mod session;
mod share;
mod stop;
mod wake;

pub use bus::{Bus, DmaError};
pub use device::{Device, DeviceInfo, IrqFlags, IrqIndex, Region, irq_index, region};
pub use error::{BindError, Disconnect, Exit, ServeError};
/// The error numbers of replies; never zero.
pub use rustix::io::Errno;
pub use server::Server;
pub use stop::StopHandle;
pub use wake::WakeHandle;
