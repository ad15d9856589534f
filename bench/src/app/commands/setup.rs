//! `iwlbench setup`.

use std::process::ExitCode;
use std::time::Duration;

use guest_kit::{CacheDir, KitError, Part, QemuOrigin};

use crate::app::cli::SetupArgs;
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::lab;
use crate::machine::snapshot::Snapshots;

/// Fetches what later commands would fetch by themselves.
pub fn setup(args: &SetupArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if let Some(days) = args.prune {
        return prune(args, days, ui);
    }
    if args.verify {
        return verify(args, ui);
    }
    let kernels = args
        .kernel
        .iter()
        .map(|kernel| lab::kernel_selector(kernel, None, None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(BadUsage::from_error)?;
    // What it passes over, it names.
    let (qemu, _, kernels) = commands::kit(&args.fetch, ui)?.fetch_all(&kernels, args.refresh)?;
    let (major, minor, micro) = qemu.version;
    let origin = match &qemu.origin {
        QemuOrigin::Path(path) => path.display().to_string(),
        QemuOrigin::Kit(packages) => format!("the kit's, {} Debian packages", packages.len()),
    };
    let mut text = format!("QEMU    {major}.{minor}.{micro}  {origin}; it is started by\n");
    text += &format!("{}\n", commands::started_by(&qemu));
    for kernel in kernels {
        text += &format!("kernel  {}  {}\n", kernel.release, kernel.bzimage.display());
    }
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Compares what was unpacked with what is recorded of it, and has again what differs.
fn verify(args: &SetupArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let kit = commands::kit(&args.fetch, ui)?;
    let mut failed = None;
    let mut images = 0;
    for part in kit.verify()? {
        let what = &part.part;
        if part.damage.is_empty() {
            match what {
                Part::Image => images += 1,
                _ => commands::print(&format!("{what}: {} files as unpacked\n", part.files))?,
            }
            continue;
        }
        for damage in &part.damage {
            commands::print(&format!("{what}: {damage}\n"))?;
        }
        match kit.repair(&part) {
            Ok(()) => {
                let done = match what {
                    Part::Image => "removed; it is made again when it is wanted",
                    Part::Debug(_) => "removed; `iwlbench setup --kernel debug` builds it again",
                    _ => "unpacked again",
                };
                commands::print(&format!("{what}: {done}\n"))?;
            }
            // The others are repaired all the same.
            Err(error) => _ = failed.get_or_insert(error),
        }
    }
    commands::print(&format!("guest images: {images} as made\n"))?;
    match failed {
        Some(KitError::Damaged(_)) => {
            anyhow::bail!("--offline forbids fetching it again: run `iwlbench setup --verify`")
        }
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Removes what was not used for so many days, and says what.
fn prune(args: &SetupArgs, days: u32, ui: &Ui) -> anyhow::Result<ExitCode> {
    let unused_for = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let snapshots = Snapshots::new(CacheDir::from_env()?.path()).prune(unused_for)?;
    let others = commands::kit(&args.fetch, ui)?.prune(unused_for)?;
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
