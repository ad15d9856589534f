//! `iwlbench ucode`.

use std::path::PathBuf;
use std::process::ExitCode;

use fs_err as fs;
use std::io::Write;

use crate::app::cli::{UcodeBuildArgs, UcodeCommand, UcodeInspectArgs};
use crate::app::commands;
use crate::facts::failure::{BadUsage, EXIT_USAGE};
use crate::machine::firmware;

/// Makes and reads firmware files.
pub fn ucode(command: &UcodeCommand) -> anyhow::Result<ExitCode> {
    match command {
        UcodeCommand::Build(args) => build(args),
        UcodeCommand::Inspect(args) => inspect(args),
    }
}

fn build(args: &UcodeBuildArgs) -> anyhow::Result<ExitCode> {
    let (file_name, bytes) = if args.pnvm {
        let stub = iwl_ucode::stub::for_card(&args.card);
        let named = stub.and_then(|stub| Some((stub.pnvm_name()?, stub.pnvm.as_ref()?.build())));
        named.ok_or_else(|| BadUsage(format!("a {} is given no .pnvm file", args.card)))?
    } else {
        let made = iwl_ucode::make::make(&args.card, args.kernel, args.api, &args.fault)
            .map_err(|error| BadUsage(format!("{:#}", anyhow::Error::from(error))))?;
        (made.file_name, made.bytes)
    };
    let path = match &args.output {
        Some(path) if path.is_dir() => path.join(&file_name),
        Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            let path = path.display();
            return Err(BadUsage(format!("{path} is no directory: mkdir -p {path}")).into());
        }
        Some(path) => path.clone(),
        None => PathBuf::from(&file_name),
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !args.force {
        options.create_new(true);
    }
    let mut file = options.open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            BadUsage(format!("{} exists; give --force to replace it", path.display()))
        }
        _ => BadUsage(error.to_string()),
    })?;
    file.write_all(&bytes)?;
    commands::print(&format!("{}: {} bytes\n", path.display(), bytes.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn inspect(args: &UcodeInspectArgs) -> anyhow::Result<ExitCode> {
    let mut inspections = Vec::new();
    for path in &args.files {
        let bytes = firmware::read(path).map_err(BadUsage::from_error)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        inspections.push(iwl_ucode::inspect::inspect(&name, &bytes, None));
    }
    if args.json {
        commands::print(&format!("{}\n", serde_json::to_string_pretty(&inspections)?))?;
    } else {
        for inspection in &inspections {
            commands::print(&format!("{inspection}\n"))?;
        }
    }
    let mut code = ExitCode::SUCCESS;
    for inspection in &inspections {
        if let Some(error) = inspection.error() {
            eprintln!("iwlbench: {}: {}", inspection.file_name(), error.message);
            code = ExitCode::from(EXIT_USAGE);
        }
    }
    Ok(code)
}
