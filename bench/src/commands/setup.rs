//! `iwlbench setup`.

use std::process::ExitCode;

use guest_kit::QemuOrigin;

use crate::cli::SetupArgs;
use crate::{BadUsage, commands, lab, ui::Ui};

/// Fetches what later commands would fetch by themselves.
pub fn setup(args: &SetupArgs) -> anyhow::Result<ExitCode> {
    let kernels = args
        .kernel
        .iter()
        .map(|kernel| lab::kernel_selector(kernel, None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(BadUsage::from_error)?;
    let ui = Ui::new();
    // What it passes over, it names.
    let (qemu, _, kernels) = lab::kit(&args.fetch, &ui)?.fetch_all(&kernels, args.refresh)?;
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
