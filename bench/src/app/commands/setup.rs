//! `iwlbench setup`.

use std::process::ExitCode;
use std::time::Duration;

use guest_kit::QemuOrigin;

use guest_kit::CacheDir;

use crate::app::cli::SetupArgs;
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::lab;
use crate::machine::snapshot::Snapshots;

/// Fetches what later commands would fetch by themselves.
pub fn setup(args: &SetupArgs) -> anyhow::Result<ExitCode> {
    if let Some(days) = args.prune {
        return prune(args, days);
    }
    let kernels = args
        .kernel
        .iter()
        .map(|kernel| lab::kernel_selector(kernel, None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(BadUsage::from_error)?;
    let ui = Ui::new();
    // What it passes over, it names.
    let (qemu, _, kernels) = commands::kit(&args.fetch, &ui)?.fetch_all(&kernels, args.refresh)?;
    let (major, minor, micro) = qemu.version;
    let origin = match &qemu.origin {
        QemuOrigin::Path(path) => path.display().to_string(),
        QemuOrigin::Kit(packages) => format!("the kit's, {} Debian packages", packages.len()),
    };
    let mut text = format!("QEMU    {major}.{minor}.{micro}  {origin}\n");
    for kernel in kernels {
        text += &format!("kernel  {}  {}\n", kernel.release, kernel.bzimage.display());
    }
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes what was not used for so many days, and says what.
fn prune(args: &SetupArgs, days: u32) -> anyhow::Result<ExitCode> {
    let unused_for = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let snapshots = Snapshots::new(CacheDir::from_env()?.path()).prune(unused_for)?;
    let others = commands::kit(&args.fetch, &Ui::new())?.prune(unused_for)?;
    let removed: Vec<_> = snapshots
        .into_iter()
        .map(|removed| (removed.path, removed.bytes))
        .chain(others.into_iter().map(|pruned| (pruned.path, pruned.bytes)))
        .collect();
    let mut text = String::new();
    for (path, bytes) in &removed {
        text += &format!("removed {:>6} MiB  {}\n", bytes >> 20, path.display());
    }
    let total: u64 = removed.iter().map(|(_, bytes)| bytes).sum();
    text += &format!(
        "{} removed, {} MiB; unused for {days} days or more\n",
        removed.len(),
        total >> 20
    );
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
