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
//! Nor does it wait for what the client has sent. Of descriptors it uses eventfds and memory
//! only, and closes no other: another thread does ([`Descriptor`]). It signals an eventfd through
//! the kernel, which never waits for room in it, as `write` may ([`irq::Raiser`]): 0.4 µs more
//! than a write (`cargo bench` tells). Memory that a client takes back is replaced by
//! zeros when it is touched, by a handler for `SIGBUS`, and the connection ends: some ns a copy.
//! The handler is the process's, installed with the first memory; faults elsewhere go to the one
//! before it.
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
//! | send more than a structure of a fixed size | what follows is let be |
//! | send descriptors that nothing takes, or too many | they are closed; above 16 the connection ends |
//! | send descriptors that block in `close`, `stat`, `read` or `write` | nobody waits for them; if 8 closes wait, it ends who sends more, and serving beyond 2000 |
//! | send its own end of the connection | it is not kept, not by a message that never gets whole either |
//! | send anything but an eventfd as an interrupt | `EINVAL` |
//! | make an eventfd block, fill it, empty it | nobody waits for it |
//! | send a file that is no memory (on a disk, a FUSE mount) | its range is read and written by message |
//! | send a file that shows zeros where it reads data by message, twice | its connection ends, with what to type instead ([`Disconnect::NotShared`]) |
//! | shrink its memory file, send one without pages | the access is a fault, the connection ends |
//! | map 65535 ranges | 4096 are mapped, without a descriptor kept; the others go by message |
//! | come when the process has no descriptors | `EMFILE` for what it sends; it is accepted when there are |
//! | not read its replies, not answer commands | reading stops at 4 MiB unsent, the connection ends at 64 MiB, 16384 commands, or 32768 writes and interrupts behind an unconfirmed one |
//! | go away at any time | its memory is unmapped, its interrupts dropped, the next client served |
//!
//! Where the kernel has no asynchronous input and output (`CONFIG_AIO`), a client can block the
//! server by its eventfd after all; that is said when it starts. If the process has no descriptor
//! left, the kernel closes what comes in the server's place.
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
//! the behaviour of QEMU 11.1.3. Whether a close or a write may wait: `fs/eventfd.c`, `fs/aio.c`,
//! `fs/fuse/file.c`, `net/core/scm.c` in Linux 6.12.

mod bus;
mod descriptor;
mod device;
pub mod dma;
mod error;
mod fault;
mod info;
pub mod irq;
mod link;
mod messages;
mod outbox;
pub mod protocol;
mod raise;
mod server;
mod session;
mod share;
mod stop;
mod wake;

pub use bus::Bus;
pub use descriptor::Descriptor;
pub use device::Device;
pub use error::{BindError, Disconnect, DmaError, Exit, ServeError};
pub use info::{DeviceInfo, IrqFlags, IrqIndex, Region, irq_index, region};
/// The error numbers of replies; never zero.
pub use rustix::io::Errno;
pub use server::Server;
pub use stop::StopHandle;
pub use wake::WakeHandle;
