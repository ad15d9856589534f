//! Many module requests at once.

use std::io;
use std::sync::mpsc;
use std::thread;

use guest_protocol::MAX_REQUESTS;
use nix::mount::{MsFlags, mount};
use nix::unistd::gettid;

use crate::running;

/// A mount needs little.
const STACK: usize = 64 << 10;

/// Mounts filesystems that do not exist, each in a thread of its own: the kernel requests
/// `fs-NAME` for each and waits. Returns when each thread has ended or sleeps; those that sleep
/// end by themselves.
pub(crate) fn start(count: u32) -> io::Result<()> {
    if count > MAX_REQUESTS {
        return Err(io::Error::other(format!("{count} are too many, at most {MAX_REQUESTS}")));
    }
    let (tell, told) = mpsc::channel();
    for number in 0..count {
        let tell = tell.clone();
        thread::Builder::new().stack_size(STACK).spawn(move || {
            // The one who listens has no reason to go.
            let _ = tell.send(gettid());
            let name = format!("iwlbench-{number}");
            // It fails: that is what it is for.
            let _ = mount(None::<&str>, "/tmp", Some(&*name), MsFlags::empty(), None::<&str>);
        })?;
    }
    let threads: Vec<_> = told.iter().take(count as usize).collect();
    running::await_threads(&threads);
    Ok(())
}
