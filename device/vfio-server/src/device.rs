//! What a device shows to the server: the seam of this crate.

use std::time::Instant;

use rustix::io::Errno;

use crate::{bus::Bus, error::Disconnect, info::DeviceInfo};

/// A PCI function behind the server.
///
/// Every method is called on the thread that runs [`crate::Server::serve`] and must
/// return without waiting: the client holds its VM still until it has its answer.
pub trait Device {
    /// Regions and interrupts.
    fn info(&self) -> DeviceInfo;

    /// The client reads `data.len()` bytes at `offset` of `region`. The access is within
    /// the region, which is readable; `data` comes zeroed.
    ///
    /// # Errors
    /// The errno that the client is told.
    fn read(
        &mut self,
        bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &mut [u8],
    ) -> Result<(), Errno>;

    /// The client writes `data` at `offset` of `region`. The access is within the region,
    /// which is writable.
    ///
    /// # Errors
    /// The errno that the client is told, unless the write was posted.
    fn write(
        &mut self,
        bus: &mut Bus<'_>,
        region: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Errno>;

    /// The function is reset. All reads by message are forgotten already.
    fn reset(&mut self, bus: &mut Bus<'_>);

    /// A client has come and the version is agreed on. Its memory is not mapped yet.
    fn attached(&mut self, bus: &mut Bus<'_>) {
        let _ = bus;
    }

    /// The client that [`Device::attached`] announced has gone, and its memory and
    /// interrupts with it. The device keeps its state.
    fn detached(&mut self, why: &Disconnect) {
        let _ = why;
    }

    /// All that the client has asked for so far is answered: what nobody waits for can be done now.
    fn answered(&mut self) {}

    /// The client has unmasked the pin: a level that is still asserted must be triggered again.
    fn pin_unmasked(&mut self, bus: &mut Bus<'_>) {
        let _ = bus;
    }

    /// The [`Device::deadline`] has passed, a [`crate::WakeHandle`] was used, or the data that a
    /// [`Bus::dma_read`] found pending has arrived: do again, from the start, all work that is due or was left.
    ///
    /// Also called while no client is connected; DMA faults then and interrupts go nowhere.
    fn wake(&mut self, bus: &mut Bus<'_>);

    /// When [`Device::wake`] is due next. Work that only waits for DMA has no deadline.
    fn deadline(&self) -> Option<Instant>;
}
