//! `iwlbench new`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::app::cli::{Language, NewArgs};
use crate::app::commands;
use crate::facts::driver::DRIVERS;
use crate::facts::failure::BadUsage;
use crate::script::read;

/// A scenario that passes, each part of it explained.
const TEMPLATE: &str = include_str!("new.toml");

macro_rules! driver {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../guest-images/rust-driver/template/",
            $name
        ))
    };
}

/// A driver in Rust.
const IN_RUST: [(&str, &str); 3] = [
    ("NAME.rs", driver!("driver.rs")),
    ("NAME.toml", driver!("scenario.toml")),
    ("Kbuild", driver!("Kbuild")),
];

/// What no crate of a module's can be called: keywords, and crates that it has in scope.
const IN_USE: &str = "\
    abstract alloc as async await become bindings bool box break build_error char const continue core \
    crate do dyn else enum extern false ffi final fn for gen if impl in kernel let loop macro macros \
    match mod move mut override pin_init priv proc_macro pub ref return self static std str struct super \
    test trait true try type typeof uapi unsafe unsized use virtual where";

/// Writes a scenario to change, or a driver.
pub fn new(args: &NewArgs) -> anyhow::Result<ExitCode> {
    match args.driver {
        None => scenario(&args.name),
        Some(Language::Rust) => driver_in_rust(Path::new(&args.name)),
    }
}

fn scenario(name: &str) -> anyhow::Result<ExitCode> {
    let path = match name.ends_with(".toml") {
        true => PathBuf::from(name),
        false => PathBuf::from(format!("{name}.toml")),
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if stem.is_empty() || stem.contains(|c: char| c == '*' || c.is_control()) {
        return Err(BadUsage(format!("`{name}` is no name for a scenario")).into());
    }
    if read::built_in().iter().any(|built_in| built_in.name == stem) {
        let what = format!("`{stem}` is the name of a built-in scenario; choose another");
        return Err(BadUsage(what).into());
    }
    write_new(&path, &TEMPLATE.replace("NAME", &stem))?;
    let path = path.display();
    commands::print(&format!("{path}: change it, then: iwlbench run {}\n", quoted(&path)))?;
    Ok(ExitCode::SUCCESS)
}

/// The module is named as its directory.
fn driver_in_rust(directory: &Path) -> anyhow::Result<ExitCode> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins
        || name.contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
    {
        return Err(BadUsage(format!(
            "`{name}` is no name for a module in Rust: a small letter, then small letters, digits and `_`, as \
             my_card"
        ))
        .into());
    }
    if IN_USE.split(' ').any(|word| word == name) {
        let what =
            format!("`{name}` has a meaning in Rust or in the kernel's crates; choose another");
        return Err(BadUsage(what).into());
    }
    if DRIVERS.iter().any(|driver| driver.modules().any(|module| module == name)) {
        let what = format!("`{name}` is a module of a driver that is there; choose another");
        return Err(BadUsage(what).into());
    }
    fs::create_dir(directory).map_err(|error| not_new(directory, error))?;
    for (file, text) in IN_RUST {
        write_new(&directory.join(file.replace("NAME", name)), &text.replace("NAME", name))?;
    }
    let [place, scenario, module] = [
        directory.display().to_string(),
        directory.join(name).with_extension("toml").display().to_string(),
        directory.join(name).with_extension("ko").display().to_string(),
    ];
    commands::print(&format!(
        "{place}: Kbuild, {name}.rs and {name}.toml: change them, then:\n  \
         iwlbench module build {} --kernel 7.3\n  \
         iwlbench run {} --module {} --card 7260\n",
        quoted(&place),
        quoted(&scenario),
        quoted(&module)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// As a shell takes it.
fn quoted(path: &impl ToString) -> String {
    let path = path.to_string();
    shlex::try_quote(&path).map_or(path.clone(), std::borrow::Cow::into_owned)
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::File::create_new(path).map_err(|error| not_new(path, error))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn not_new(path: &Path, error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::AlreadyExists => BadUsage(format!("{} is there already", path.display())).into(),
        _ => commands::unwritable(path, error),
    }
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
