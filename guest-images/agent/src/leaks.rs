//! Memory that nobody can find any more, on kernels that look for it.
//!
//! Sources: the kernel's `Documentation/dev-tools/kmemleak.rst` and `mm/kmemleak.c`.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::mounts::mount_at;

const DEBUGFS: &str = "/sys/kernel/debug";
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// Whether each piece is told in the kernel's log; it is there where kmemleak is, which debugfs, to be
/// mounted first, would say too.
const VERBOSE: &str = "/sys/module/kmemleak/parameters/verbose";
/// What is younger may be on its way to who keeps it, and is passed over (`MSECS_MIN_AGE`).
const OLD_ENOUGH: Duration = Duration::from_millis(5100);

/// Whether this kernel can.
pub(crate) fn can_be_found() -> bool {
    Path::new(VERBOSE).exists()
}

/// Has the kernel look, and say what it finds.
pub(crate) fn find() -> io::Result<()> {
    match scan_twice() {
        // It was switched off, or has switched itself off for want of memory, and said so.
        Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => Ok(()),
        scanned => scanned,
    }
}

fn scan_twice() -> io::Result<()> {
    mount_at("debugfs", DEBUGFS)?;
    fs::write(VERBOSE, "1")?;
    // What has changed since it was last looked at counts as in use, and so does what never was.
    fs::write(KMEMLEAK, "scan")?;
    thread::sleep(OLD_ENOUGH);
    fs::write(KMEMLEAK, "scan")
}
