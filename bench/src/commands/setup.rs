//! `iwlbench setup`.

use std::process::ExitCode;

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
    let (qemu, rejected, kernels) =
        lab::kit(&args.fetch, &ui)?.fetch_all(&kernels, args.refresh)?;
    for rejected in rejected {
        ui.note(&format!("passed over {rejected}"));
    }
    let (major, minor, micro) = qemu.version;
    let mut text = format!("QEMU    {major}.{minor}.{micro}  {:?}\n", qemu.origin);
    for kernel in kernels {
        text += &format!("kernel  {}  {}\n", kernel.release, kernel.bzimage.display());
    }
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
