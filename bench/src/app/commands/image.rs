//! `iwlbench image`.

use std::process::ExitCode;
use std::{fs, io};

use crate::app::cli::ImageArgs;
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::lab;

/// Builds the guest's initramfs and keeps a copy where the user wants it.
pub fn image(args: &ImageArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let selector =
        lab::kernel_selector(&args.kernel, args.modules.as_deref(), args.kdir.as_deref())
            .map_err(BadUsage::from_error)?;
    commands::place_for(&args.output)?;
    let own = commands::own(&args.own)?;
    let kit = commands::kit(&args.fetch, ui)?;
    let choice = commands::driver(&args.driver)?;
    lab::check_driver(&selector, choice)?;
    let kernel = kit.kernel(&selector)?;
    let (driver, changed) = lab::driver_of(&kit, &kernel, choice)?;
    let modules: Vec<_> = changed.into_iter().chain(own).collect();
    let image = lab::build_image(&kit, &kernel, driver, &modules, &args.without, &args.own.with)?;
    let mut built = fs_err::File::open(&image.path)?;
    fs::File::create(&args.output)
        .and_then(|mut out| io::copy(&mut built, &mut out))
        .map_err(|error| commands::unwritable(&args.output, error))?;
    commands::print(&format!(
        "{}: kernel {}, {} modules; use it with `iwlbench run --image {}`\n",
        args.output.display(),
        kernel.release,
        image.modules.len(),
        args.output.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
