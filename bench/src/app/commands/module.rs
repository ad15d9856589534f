//! `iwlbench module`.

use std::process::ExitCode;

use fs_err as fs;

use crate::app::cli::{ModuleBuildArgs, ModuleCommand};
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::lab;

/// Does what is asked for with modules.
pub fn module(command: &ModuleCommand, ui: &Ui) -> anyhow::Result<ExitCode> {
    match command {
        ModuleCommand::Build(args) => build(args, ui),
    }
}

/// Builds a directory's modules and prints where they are.
fn build(args: &ModuleBuildArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let selector = lab::kernel_selector(&args.kernel, None, None).map_err(BadUsage::from_error)?;
    if !args.directory.is_dir() {
        let shown = args.directory.display();
        return Err(BadUsage(format!("{shown} is no directory; name the modules' source")).into());
    }
    args.output.as_deref().map(commands::directory).transpose()?;
    let kit = commands::kit(&args.fetch, ui)?;
    guest_kit::check_module_source(&args.directory)?;
    let kernel = kit.kernel(&selector)?;
    let mut text = String::new();
    for module in kit.build_modules(&kernel, &args.directory)? {
        let module = match (&args.output, module.file_name()) {
            (Some(output), Some(name)) => {
                let copy = output.join(name);
                fs::copy(&module, &copy)?;
                copy
            }
            _ => module,
        };
        text += &format!("{}\n", module.display());
    }
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
