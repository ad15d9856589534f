//! What the server does with each message.

use rustix::io::Errno;
use tracing::debug;
use zerocopy::{Immutable, IntoBytes};

use crate::{
    bus::Bus,
    device::Device,
    info::DeviceInfo,
    irq::{IrqTables, Raiser},
    link::Link,
    protocol::{
        Capabilities, DEVICE_FLAGS, GetInfo, GetIrqInfo, GetRegionInfo, Header, MAX_DATA_XFER,
        MAX_MESSAGE, Message, ProtocolError, RegionAccess, RegionFlags, Request, Version, flags,
    },
};

/// The minor version of the protocol; no client proposes less.
const MINOR: u16 = 0;
const HEADER: usize = size_of::<Header>();

/// The state of a conversation, and the buffer for its replies.
#[derive(Debug)]
pub(crate) struct Session {
    info: DeviceInfo,
    negotiated: bool,
    /// Header, then payload.
    reply: Vec<u8>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            info: DeviceInfo::default(),
            negotiated: false,
            // Zeroed by the system, page by page when first touched.
            reply: vec![0; MAX_MESSAGE],
        }
    }
}

impl Session {
    /// A new client. Gives its interrupt tables.
    pub(crate) fn begin(&mut self, info: DeviceInfo, raiser: Raiser) -> IrqTables {
        self.negotiated = false;
        self.info = info;
        IrqTables::new(&info.irqs, raiser)
    }

    /// Whether the version is agreed on.
    pub(crate) fn is_negotiated(&self) -> bool {
        self.negotiated
    }

    /// Does what a message asks and answers it. `Err` ends the connection.
    #[inline]
    pub(crate) fn handle<D: Device + ?Sized>(
        &mut self,
        message: Message<'_>,
        link: &mut Link,
        device: &mut D,
    ) -> Result<(), ProtocolError> {
        let header = message.header;
        if message.is_reply() {
            return link.reply(&header, message.payload);
        }
        let result = match Request::parse(header.command, message.payload) {
            Err(error) => {
                debug!("refused: {error}");
                Err(error.errno())
            }
            Ok(Request::Version { version, data }) => {
                let negotiated = self.version(version, data, link);
                let failed = negotiated.is_err();
                let attached = !failed && !self.negotiated;
                self.negotiated |= attached;
                self.answer(&header, negotiated, link);
                if version.major != 0 && !self.negotiated {
                    return Err(ProtocolError::Version {
                        major: version.major,
                        minor: version.minor,
                    });
                }
                if attached {
                    device.attached(&mut bus(link));
                }
                return Ok(());
            }
            Ok(_) if !self.negotiated => {
                debug!("refused: command {} before VERSION", header.command);
                Err(Errno::INVAL)
            }
            Ok(request) => self.perform(request, message, link, device),
        };
        self.answer(&header, result, link);
        Ok(())
    }

    /// Gives the bytes of the reply's payload.
    #[inline]
    fn perform<D: Device + ?Sized>(
        &mut self,
        request: Request<'_>,
        message: Message<'_>,
        link: &mut Link,
        device: &mut D,
    ) -> Result<usize, Errno> {
        match request {
            Request::RegionRead(access) => {
                self.check(&access, RegionFlags::READ)?;
                let count = access.count as usize;
                let start = self.put(&access);
                let data = &mut self.reply[HEADER + start..HEADER + start + count];
                data.fill(0);
                device.read(&mut bus(link), access.region, access.offset, data)?;
                Ok(start + count)
            }
            Request::RegionWrite { access, data } => {
                self.check(&access, RegionFlags::WRITE)?;
                device.write(&mut bus(link), access.region, access.offset, data)?;
                Ok(self.put(&access))
            }
            Request::RegionWriteMulti(writes) => {
                let mut done: u64 = 0;
                for (access, data) in writes.iter() {
                    self.check(&access, RegionFlags::WRITE)?;
                    device.write(&mut bus(link), access.region, access.offset, data)?;
                    done += 1;
                }
                Ok(self.put(&done))
            }
            Request::DmaMap(map) => {
                let mut fds = message.fds;
                let file = fds.pop();
                if !fds.is_empty() {
                    return Err(Errno::INVAL);
                }
                link.memory.map(&map, file).map_err(|error| {
                    debug!("DMA_MAP refused: {error}");
                    error.errno()
                })?;
                Ok(0)
            }
            Request::DmaUnmap(unmap) => {
                room(unmap.argsz, &unmap)?;
                link.unmap(&unmap).map_err(|error| {
                    debug!("DMA_UNMAP refused: {error}");
                    error.errno()
                })?;
                Ok(self.put(&unmap))
            }
            Request::GetInfo(info) => {
                room(info.argsz, &info)?;
                Ok(self.put(&GetInfo {
                    argsz: size_of::<GetInfo>() as u32,
                    flags: DEVICE_FLAGS,
                    num_regions: self.info.regions.len() as u32,
                    num_irqs: self.info.irqs.len() as u32,
                }))
            }
            Request::GetRegionInfo(info) => {
                room(info.argsz, &info)?;
                let region = self.info.regions.get(info.index as usize).ok_or(Errno::INVAL)?;
                let mut access = RegionFlags::empty();
                access.set(RegionFlags::READ, region.read);
                access.set(RegionFlags::WRITE, region.write);
                let size = region.size;
                Ok(self.put(&GetRegionInfo {
                    argsz: size_of::<GetRegionInfo>() as u32,
                    flags: access.bits(),
                    index: info.index,
                    cap_offset: 0,
                    size,
                    offset: 0,
                }))
            }
            Request::GetIrqInfo(info) => {
                room(info.argsz, &info)?;
                let irq = self.info.irqs.get(info.index as usize).ok_or(Errno::INVAL)?;
                let (flags, count) = (irq.flags.bits(), irq.count);
                Ok(self.put(&GetIrqInfo {
                    argsz: size_of::<GetIrqInfo>() as u32,
                    flags,
                    index: info.index,
                    count,
                }))
            }
            Request::SetIrqs { set, bools } => {
                link.irqs.set(&set, bools, message.fds).map_err(|error| {
                    debug!("SET_IRQS refused: {error}");
                    error.errno()
                })?;
                Ok(0)
            }
            Request::Reset => {
                link.reset();
                device.reset(&mut bus(link));
                Ok(0)
            }
            // Answered by `handle`.
            Request::Version { .. } => Err(Errno::INVAL),
        }
    }

    fn version(&mut self, version: Version, data: &[u8], link: &mut Link) -> Result<usize, Errno> {
        if self.negotiated {
            debug!("refused: a second VERSION");
            return Err(Errno::INVAL);
        }
        if version.major != 0 {
            return Err(Errno::PROTONOSUPPORT);
        }
        let proposed = Capabilities::parse(data).map_err(|error| {
            debug!("VERSION refused: {error}");
            Errno::INVAL
        })?;
        link.set_transfer_size(proposed.transfer_size());
        let start = self.put(&Version { major: 0, minor: MINOR });
        // QEMU has no room for a reply longer than its request.
        let answer = proposed.answer(data.len());
        self.reply[HEADER + start..HEADER + start + answer.len()].copy_from_slice(&answer);
        Ok(start + answer.len())
    }

    /// Whether the region is there, allows this, and holds all of the access.
    fn check(&self, access: &RegionAccess, what: RegionFlags) -> Result<(), Errno> {
        let region = self.info.regions.get(access.region as usize).ok_or(Errno::INVAL)?;
        let allowed = match what {
            RegionFlags::READ => region.read,
            _ => region.write,
        };
        let within = access
            .offset
            .checked_add(u64::from(access.count))
            .is_some_and(|end| end <= region.size);
        if allowed && within && access.count as usize <= MAX_DATA_XFER {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }

    /// Puts the start of the reply's payload; gives its size.
    #[inline]
    fn put<T: IntoBytes + Immutable>(&mut self, payload: &T) -> usize {
        let bytes = payload.as_bytes();
        self.reply[HEADER..HEADER + bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    /// Sends the reply, unless none is wanted. A failure has a header only.
    #[inline]
    fn answer(&mut self, to: &Header, result: Result<usize, Errno>, link: &mut Link) {
        if to.flags & flags::NO_REPLY != 0 {
            return;
        }
        let (size, flags, error) = match result {
            Ok(payload) => (HEADER + payload, flags::REPLY, 0),
            Err(errno) => {
                (HEADER, flags::REPLY | flags::ERROR, errno.raw_os_error().unsigned_abs())
            }
        };
        let header = Header {
            message_id: to.message_id,
            command: to.command,
            message_size: size as u32,
            flags,
            error,
        };
        self.reply[..HEADER].copy_from_slice(header.as_bytes());
        link.send(&self.reply[..size], None);
    }
}

/// A bus for one call of the device.
#[inline]
pub(crate) fn bus(link: &mut Link) -> Bus<'_> {
    link.messages.begin();
    Bus { link }
}

/// Whether the client has room for a reply as long as the request.
fn room<T>(argsz: u32, _: &T) -> Result<(), Errno> {
    if (argsz as usize) < size_of::<T>() {
        return Err(Errno::INVAL);
    }
    Ok(())
}
