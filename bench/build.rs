//! Builds the guest agent: a static program, so that it runs in any guest image. Lists the
//! built-in scenarios, one for each file in `scenarios/GROUP/`.

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest.parent().expect("bench/ is in the workspace");
    for watched in ["guest-images/agent", "guest-images/protocol", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let mut version = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(commit) = commit(root) {
        println!("cargo::rustc-env=IWLBENCH_COMMIT={commit}");
        version += &format!(" ({commit})");
    }
    println!("cargo::rustc-env=IWLBENCH_VERSION={version}");
    list_scenarios(&manifest.join("scenarios"), &out.join("scenarios.rs"));
    let built = build_agent(root, &out.join("agent"));
    // `guest-trouble` is for the tests.
    for program in ["guest-agent", "guest-trouble"] {
        std::fs::copy(built.join(program), out.join(program)).expect("it was just built");
    }
}

/// The commit that is built, for runs to be cited by; none where nobody knows it: outside a git
/// repository, or without git.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // It grows with each commit, and with each switch to another.
    let log = root.join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    git(&["describe", "--always", "--tags", "--dirty", "--abbrev=12"])
}

/// Writes an array of `(group, name, text)`, in the order of their paths.
fn list_scenarios(dir: &Path, to: &Path) {
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut list = String::from("[\n");
    for group in entries(dir).iter().filter(|path| path.is_dir()) {
        for file in entries(group).iter().filter(|path| path.extension() == Some("toml".as_ref())) {
            let stem = |path: &Path| path.file_stem().unwrap_or_default().to_owned();
            list += &format!("({:?}, {:?}, include_str!({file:?})),\n", stem(group), stem(file));
        }
    }
    std::fs::write(to, list + "]\n").expect("OUT_DIR can be written");
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .expect("bench/scenarios can be read")
        .map(|entry| entry.expect("bench/scenarios can be read").path())
        .collect();
    entries.sort();
    entries
}

fn build_agent(root: &Path, target_dir: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("cargo sets it");
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--release", "--locked", "--package", "guest-agent"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir)
        // Where it is linked to, so that nothing is relocated each time it starts.
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        // Under TCG each piece of code is translated when it first runs, which takes longer than
        // running it: less code is faster code. Its symbols would be most of it, in each guest's
        // memory.
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    // What the outer cargo set for itself would change or break the inner one.
    for inherited in [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        command.env_remove(inherited);
    }
    let status = command.status().expect("cargo runs");
    assert!(
        status.success(),
        "the guest agent did not build; the C library needs its static \
         form, from the package libc6-dev"
    );
    target_dir.join(TARGET).join("release")
}
