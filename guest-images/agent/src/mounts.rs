//! File systems of the kernel's own.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// Has one at this place, be it that it is there already.
pub(crate) fn mount_at(filesystem: &str, target: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    match mount(Some(filesystem), target, Some(filesystem), MsFlags::MS_NOSUID, None::<&str>) {
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
