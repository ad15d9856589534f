//! `iwlbench ucode`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::cli::{UcodeBuildArgs, UcodeCommand, UcodeInspectArgs};
use crate::app::{commands, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::machine::firmware;

/// Makes and reads firmware files.
pub fn ucode(command: &UcodeCommand, ui: &Ui) -> anyhow::Result<ExitCode> {
    match command {
        UcodeCommand::Build(args) => build(args),
        UcodeCommand::Inspect(args) => inspect(args, ui),
    }
}

fn build(args: &UcodeBuildArgs) -> anyhow::Result<ExitCode> {
    commands::card(&args.card)?;
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
        Some(path) if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            commands::directory(path)?;
            path.join(&file_name)
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
        ErrorKind::AlreadyExists => {
            BadUsage(format!("{} exists; give --force to replace it", path.display())).into()
        }
        _ => commands::unwritable(&path, error),
    })?;
    file.write_all(&bytes)?;
    commands::print(&format!("{}: {} bytes\n", path.display(), bytes.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn inspect(args: &UcodeInspectArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let mut inspections = Vec::new();
    let mut errors = Vec::new();
    for path in &args.files {
        match firmware::read(path) {
            Ok(bytes) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let inspection = iwl_ucode::inspect::inspect(&name, &bytes, None);
                let error = inspection.error();
                errors.extend(error.map(|error| format!("{}: {}", path.display(), error.message)));
                inspections.push(inspection);
            }
            // The others are told all the same.
            Err(error) => errors.push(error.to_string()),
        }
    }
    if args.json {
        let document = serde_json::json!({ "format": 1, "files": inspections });
        commands::json(&document)?;
    } else {
        let texts: Vec<_> = inspections.iter().map(ToString::to_string).collect();
        commands::print(&ui.look.lines(&texts.join("\n")))?;
    }
    match errors.len() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(BadUsage(errors.join("\niwlbench: ")).into()),
    }
}
