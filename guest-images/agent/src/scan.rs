//! A scan, as `iw dev wlan0 scan passive` has it: asked for over nl80211, and awaited there.

use std::fs;
use std::io;
use std::iter::once;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use neli::consts::nl::NlmF;
use neli::consts::nl80211::{Nl80211Attribute, Nl80211Command};
use neli::consts::socket::NlFamily;
use neli::err::RouterError;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, NlattrBuilder, NoUserHeader};
use neli::nl::NlPayload;
use neli::router::synchronous::NlRouter;
use neli::socket::synchronous::NlSocketHandle;
use neli::types::GenlBuffer;
use neli::utils::Groups;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

const FAMILY: &str = "nl80211";
/// Where the kernel tells of the ends of scans.
const GROUP: &str = "scan";
/// `NL80211_ATTR_IFINDEX`, of which the crate has no name.
const IFINDEX: Nl80211Attribute = Nl80211Attribute::UnrecognizedConst(3);

type Message = Genlmsghdr<Nl80211Command, Nl80211Attribute>;

/// Scans, and returns when the driver has said that it is done.
pub(crate) fn run(interface: &str, within: Duration) -> io::Result<()> {
    let until = Instant::now() + within;
    let index = fs::read_to_string(format!("/sys/class/net/{interface}/ifindex"))
        .map_err(|_| io::Error::from(Errno::NODEV))?;
    let index: u32 = index.trim().parse().map_err(io::Error::other)?;
    let (router, _) =
        NlRouter::connect(NlFamily::Generic, None, Groups::empty()).map_err(io::Error::other)?;
    let family = router.resolve_genl_family(FAMILY).map_err(io::Error::other)?;
    let group = router.resolve_nl_mcast_group(FAMILY, GROUP).map_err(io::Error::other)?;
    // Before the scan begins, so that its end is not missed.
    let ends = NlSocketHandle::connect(NlFamily::Generic, None, Groups::new_groups(&[group]))
        .map_err(io::Error::other)?;

    let request = trigger(index).map_err(io::Error::other)?;
    let payload = NlPayload::Payload(request);
    let answers =
        router.send::<_, _, u16, Message>(family, NlmF::ACK, payload).map_err(io::Error::other)?;
    for answer in answers {
        answer.map_err(|error| match error {
            RouterError::Nlmsgerr(told) => io::Error::from_raw_os_error(-told.error()),
            other => io::Error::other(other.to_string()),
        })?;
    }
    await_end(&ends, index, until)
}

/// `NL80211_CMD_TRIGGER_SCAN` without names to look for.
fn trigger(index: u32) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let of = AttrTypeBuilder::default().nla_type(IFINDEX).build()?;
    let interface = NlattrBuilder::default().nla_type(of).nla_payload(index).build()?;
    Ok(GenlmsghdrBuilder::<Nl80211Command, Nl80211Attribute, NoUserHeader>::default()
        .cmd(Nl80211Command::TriggerScan)
        .version(1)
        .attrs(once(interface).collect::<GenlBuffer<_, _>>())
        .build()?)
}

fn await_end(ends: &NlSocketHandle, index: u32, until: Instant) -> io::Result<()> {
    #[allow(unsafe_code, reason = "the crate's socket gives a number alone")]
    // SAFETY: `ends` is open, and outlives this.
    let fd = unsafe { BorrowedFd::borrow_raw(ends.as_raw_fd()) };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let (messages, _) = ends.recv::<u16, Message>().map_err(io::Error::other)?;
        for message in messages {
            let message = message.map_err(io::Error::other)?;
            let NlPayload::Payload(told) = message.nl_payload() else { continue };
            let of = told.attrs().get_attr_handle();
            if of.get_attr_payload_as::<u32>(IFINDEX).ok() != Some(index) {
                continue;
            }
            match told.cmd() {
                Nl80211Command::NewScanResults => return Ok(()),
                Nl80211Command::ScanAborted => return Err(Errno::CANCELED.into()),
                _ => {}
            }
        }
    }
}
