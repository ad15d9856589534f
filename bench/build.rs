//! Builds the guest agent: a static program, so that it runs in any guest image.

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
    let agent = build_agent(root, &out.join("agent"));
    std::fs::copy(&agent, out.join("guest-agent")).expect("the agent was just built");
}

fn build_agent(root: &Path, target_dir: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("cargo sets it");
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--release", "--locked", "--package", "guest-agent"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
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
    target_dir.join(TARGET).join("release/guest-agent")
}
