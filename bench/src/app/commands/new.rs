//! `iwlbench new`.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::app::cli::NewArgs;
use crate::app::commands;
use crate::facts::failure::BadUsage;
use crate::script::read;

/// A scenario that passes, each part of it explained.
const TEMPLATE: &str = include_str!("new.toml");

/// Writes a scenario to change.
pub fn new(args: &NewArgs) -> anyhow::Result<ExitCode> {
    let path = match args.name.ends_with(".toml") {
        true => PathBuf::from(&args.name),
        false => PathBuf::from(format!("{}.toml", args.name)),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name.is_empty() || name.contains(|c: char| c == '*' || c.is_control()) {
        return Err(BadUsage(format!("`{}` is no name for a scenario", args.name)).into());
    }
    if read::built_in().iter().any(|built_in| built_in.name == name) {
        let what = format!("`{name}` is the name of a built-in scenario; choose another");
        return Err(BadUsage(what).into());
    }
    let mut file = match std::fs::File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(BadUsage(format!("{} is there already", path.display())).into());
        }
        Err(error) => return Err(commands::unwritable(&path, error)),
    };
    let text = TEMPLATE.replace("NAME", &name);
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    let path = path.display().to_string();
    let quoted = shlex::try_quote(&path).unwrap_or(path.as_str().into());
    commands::print(&format!("{path}: change it, then: iwlbench run {quoted}\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_good_and_so_is_what_it_leaves_out() {
        let scenario = read::parse("new", "new.toml", TEMPLATE).expect("the template is good");
        assert_eq!(scenario.unguarded().count(), 0);
        // A commented line that looks like TOML is some; the rule would be reached no more.
        let is_toml = |line: &str| line.starts_with('[') || line.contains(" = ");
        let all: String = TEMPLATE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(code) if is_toml(code) => format!("{code}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        read::parse("new", "new.toml", &all).expect("and with all its parts");
    }
}
