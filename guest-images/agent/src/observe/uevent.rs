//! Kernel uevents, straight from the kernel's netlink group.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use guest_protocol::GuestEvent;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::clock::mono_ns;
use crate::error::{Context, SetupError};
use crate::observe::marks::{self, Stream};
use crate::outbox::Outbox;
use crate::rest;

/// Multicast group of the kernel's own uevents (group 2 is udevd's).
const KERNEL_GROUP: u32 = 1;
/// As udevd: some 100 000 uevents may wait.
const RECEIVE_BUFFER: usize = 128 << 20;
/// The kernel's `UEVENT_BUFFER_SIZE` is 2048, its header on top.
const MAX_UEVENT: usize = 8192;

/// A socket that receives kernel uevents from its opening on.
pub(crate) struct UeventSocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl UeventSocket {
    pub(crate) fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self { fd, buffer: vec![0; MAX_UEVENT] })
    }

    fn receive(&mut self) -> nix::Result<&[u8]> {
        let length = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
        Ok(&self.buffer[..length])
    }

    /// Waits for the next uevent, whichever it is, or the time to pass.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        // A zero timeout would mean none.
        let micros = timeout.as_micros().max(1) as i64;
        let value = TimeVal::new(micros / 1_000_000, micros % 1_000_000);
        setsockopt(&self.fd, sockopt::ReceiveTimeout, &value)?;
        match self.receive() {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// Listens from now on.
pub(crate) fn start(outbox: Outbox) -> Result<(), SetupError> {
    let mut socket = UeventSocket::open().context(|| "listening to kernel uevents".into())?;
    thread::spawn(move || {
        loop {
            match socket.receive() {
                Ok(message) => match (marked(message), parse(message)) {
                    (Some(mark), _) => marks::seen(Stream::Uevents, mark),
                    (None, Some(event)) => {
                        if let GuestEvent::Uevent { action, subsystem, .. } = &event
                            && (action.as_str(), subsystem.as_deref()) == ("add", Some("pci"))
                        {
                            rest::function_added();
                        }
                        outbox.event(event);
                    }
                    (None, None) => outbox.note(format!(
                        "a uevent that is none: {:?}",
                        String::from_utf8_lossy(message)
                    )),
                },
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => outbox.note("kernel uevents were lost (ENOBUFS)"),
                Err(e) => {
                    outbox.note(format!("no more uevents: {e}"));
                    return;
                }
            }
        }
    });
    Ok(())
}

/// A device that is always there and that nobody asks for uevents.
const MARKED_DEVICE: &str = "/sys/class/mem/null/uevent";
/// The kernel puts `SYNTH_ARG_` before the name of what user space has it say.
const MARK: &[u8] = b"\0SYNTH_ARG_IWLBENCH=";

/// Has the kernel send a uevent that bears a mark, behind all that it sent. Returns the
/// mark's number.
pub(crate) fn mark() -> io::Result<u64> {
    let now = mono_ns();
    let text = format!("change 69776c62-656e-4368-8000-000000000000 IWLBENCH={now}");
    fs::write(MARKED_DEVICE, text)?;
    Ok(now)
}

fn marked(message: &[u8]) -> Option<u64> {
    let at = message.windows(MARK.len()).position(|window| window == MARK)?;
    let value = message[at + MARK.len()..].split(|byte| *byte == 0).next()?;
    str::from_utf8(value).ok()?.parse().ok()
}

/// `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a NUL.
fn parse(message: &[u8]) -> Option<GuestEvent> {
    let text = String::from_utf8_lossy(message);
    let mut fields = text.split('\0');
    let (action, devpath) = fields.next()?.split_once('@')?;
    let mut subsystem = None;
    let mut driver = None;
    let mut interface = None;
    let mut pci_slot = None;
    for (key, value) in fields.filter_map(|field| field.split_once('=')) {
        let slot = match key {
            "SUBSYSTEM" => &mut subsystem,
            "DRIVER" => &mut driver,
            "INTERFACE" => &mut interface,
            "PCI_SLOT_NAME" => &mut pci_slot,
            _ => continue,
        };
        *slot = Some(value.to_owned());
    }
    Some(GuestEvent::Uevent {
        action: action.to_owned(),
        devpath: devpath.to_owned(),
        subsystem,
        driver,
        interface,
        pci_slot,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bind() {
        let message = b"bind@/devices/pci0000:00/0000:00:02.0/0000:01:00.0\0ACTION=bind\0\
            DEVPATH=/devices/pci0000:00/0000:00:02.0/0000:01:00.0\0SUBSYSTEM=pci\0\
            DRIVER=iwlwifi\0PCI_CLASS=28000\0PCI_ID=8086:08B1\0PCI_SLOT_NAME=0000:01:00.0\0\
            MODALIAS=pci:v00008086d000008B1sv00008086sd00004070bc02sc80i00\0SEQNUM=1234\0";
        assert_eq!(
            parse(message),
            Some(GuestEvent::Uevent {
                action: "bind".into(),
                devpath: "/devices/pci0000:00/0000:00:02.0/0000:01:00.0".into(),
                subsystem: Some("pci".into()),
                driver: Some("iwlwifi".into()),
                interface: None,
                pci_slot: Some("0000:01:00.0".into()),
            })
        );
    }

    #[test]
    fn a_mark() {
        let message = b"change@/devices/virtual/mem/null\0ACTION=change\0\
            SYNTH_UUID=69776c62-656e-4368-8000-000000000000\0SYNTH_ARG_IWLBENCH=77\0SEQNUM=9\0";
        assert_eq!(marked(message), Some(77));
        assert_eq!(marked(b"change@/x\0ACTION=change\0"), None);
    }

    #[test]
    fn what_udevd_sends_is_no_kernel_uevent() {
        assert_eq!(parse(b"libudev\0\xfe\xed\xca\xfe"), None);
    }

    proptest! {
        #[test]
        fn never_panics(message in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&message);
        }
    }
}
