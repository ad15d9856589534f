//! A vfio-user server: protocol, DMA map, interrupt tables; knows no device.
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

pub use bus::{Bus, DmaError};
pub use device::{Device, DeviceInfo, IrqFlags, IrqIndex, Region, irq_index, region};
pub use error::{BindError, Disconnect, Exit, ServeError};
/// The error numbers of replies; never zero.
pub use rustix::io::Errno;
pub use server::Server;
pub use stop::StopHandle;
