//! Free memory, overwritten with zeros: what the boot has left there would be in every snapshot.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

const PLACE: &str = "/run/iwlbench-scrub";
/// Kept free, so that nothing else in the guest goes without.
const RESERVE: u64 = 12 << 20;
const CHUNK: usize = 1 << 20;

/// Fills a file system in memory with zeros, and gives it up again.
pub(crate) fn scrub() -> io::Result<()> {
    fs::create_dir_all(PLACE)?;
    mount(Some("tmpfs"), PLACE, Some("tmpfs"), MsFlags::empty(), Some("size=100%"))?;
    let filled = fill(&Path::new(PLACE).join("zeros"));
    umount2(PLACE, MntFlags::MNT_DETACH)?;
    fs::remove_dir(PLACE)?;
    filled
}

fn fill(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; CHUNK];
    while free()? > RESERVE + CHUNK as u64 {
        file.write_all(&zeros)?;
    }
    Ok(())
}

/// Memory that nobody has, bytes.
fn free() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemFree:")?.trim().strip_suffix(" kB"));
    let kib: Option<u64> = kib.and_then(|kib| kib.trim().parse().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("/proc/meminfo has no MemFree"))
}
