//! A distribution's own initrd as a run takes it: its scenario, its kernel, and what that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use guest_kit::{Initrd, Kernel, KernelSelector};

use crate::facts::failure::BadUsage;
use crate::script::read;
use crate::script::scenario::Scenario;

/// What the kernel is told. It logs all that it has to say, what it traces of modules and how it looks
/// for firmware too. There is no such root file system: an initrd that is told of none may give up before
/// it has loaded anything.
pub(super) const APPEND: &str = "console=ttyS0 loglevel=8 no_timer_check \
    root=/dev/disk/by-label/iwlbench-has-none \
    trace_event=module:module_load,module:module_request tp_printk firmware_class.dyndbg=+p";

/// What is played with it, under its file's name.
///
/// # Panics
/// Never: it is tested.
pub fn scenario(initrd: &Initrd) -> Scenario {
    read::parse(&name(initrd), "initrd.toml", include_str!("initrd.toml")).expect("tested")
}

/// Its file's name, as far as every file system and reader takes it.
fn name(initrd: &Initrd) -> String {
    let name = initrd.path.file_name().unwrap_or_default().to_string_lossy();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}

/// Whether this is its scenario.
///
/// # Errors
/// It is not: the guest could do nothing of it.
pub(super) fn plays(initrd: &Initrd, scenario: &Scenario) -> Result<(), BadUsage> {
    match scenario.name == name(initrd) {
        true => Ok(()),
        false => Err(BadUsage(format!("{} is played with no initrd of its own", scenario.name))),
    }
}

/// Those of these firmware files that the initrd has.
pub(super) fn firmware(
    initrd: &Initrd,
    kernel: &Kernel,
    names: BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let there = names.into_iter().filter_map(|name| {
        let file = initrd.firmware(&kernel.release, &name)?;
        Some((name, file))
    });
    let (names, files): (Vec<_>, Vec<_>) = there.unzip();
    Ok(names.into_iter().zip(initrd.contents(&files)?).collect())
}

/// The kernel that goes with an initrd: the user's, or the one whose modules it has.
///
/// # Errors
/// There are modules of several.
pub fn kernel(initrd: &Initrd, wanted: KernelSelector) -> Result<KernelSelector, BadUsage> {
    match (wanted, &initrd.releases()[..]) {
        (KernelSelector::Default, [release]) => Ok(KernelSelector::Version((*release).to_owned())),
        (KernelSelector::Default, [_, _, ..]) => {
            Err(BadUsage(format!("{}: say with --kernel which is to boot", has_modules(initrd))))
        }
        (wanted, _) => Ok(wanted),
    }
}

/// Refuses a kernel that finds no module in an initrd.
///
/// # Errors
/// It has those of others.
pub(super) fn check(initrd: &Initrd, kernel: &Kernel) -> Result<(), BadUsage> {
    let releases = initrd.releases();
    if releases.is_empty() || releases.contains(&kernel.release.as_str()) {
        return Ok(());
    }
    let (has, release) = (has_modules(initrd), &kernel.release);
    Err(BadUsage(format!("{has}, and kernel {release} is to boot: give theirs with --kernel")))
}

/// What to do about a kernel that cannot be had.
pub(super) fn other_kernel(initrd: &Initrd) -> String {
    let has = has_modules(initrd);
    format!("{has}: where that is no kernel of Debian's, name its bzImage with --kernel")
}

fn has_modules(initrd: &Initrd) -> String {
    format!("{} has modules of {}", initrd.path.display(), initrd.releases().join(", "))
}

/// MiB of a guest that has room for its initrd, packed and unpacked, of which a kernel gives files half.
pub(super) fn memory(initrd: &Initrd) -> u32 {
    let unpacked = u32::try_from(initrd.unpacked >> 20).unwrap_or(u32::MAX);
    unpacked.saturating_mul(3).saturating_add(1024).next_multiple_of(256).min(16 << 10)
}

/// The path of an initrd, read.
///
/// # Errors
/// It is none, or cannot be read: the user's mistake.
pub fn read_initrd(path: &Path) -> anyhow::Result<Initrd> {
    if !path.exists() {
        return Err(BadUsage(format!("--initrd {}: there is no such file", path.display())).into());
    }
    Initrd::read(path).context("--initrd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played_is_a_scenario() {
        let mut initrd = Initrd::default();
        initrd.path = "/boot/init rd.img-7.3+deb".into();
        let scenario = scenario(&initrd);
        assert_eq!(scenario.name, "init-rd.img-7.3+deb");
    }
}
