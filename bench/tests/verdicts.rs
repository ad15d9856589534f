//! What a failed run says: its cause for a headline, and soon.

mod common;

use common::{Bench, text};

/// Far more than any of these takes: each ends when nothing is left to do.
const PATIENCE: &str = "600";

/// `opmode-load` with one thing broken ends by itself; its line says this, and all reports do.
fn says(args: &[&str], cause: &str, want: &str) {
    let bench = Bench::new();
    let mut all = vec!["opmode-load", "--card", "7260", "--patience", PATIENCE];
    all.extend(args);
    let run = bench.run(&all);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{args:?}: {}", run.stderr);
    let verdict = &run.only()["verdict"];
    let line = text(&verdict["line"]);
    assert!(line.starts_with(want), "{args:?}: {line}");
    assert!(text(&verdict["failed"]).contains("netdev-registered does not come"), "{verdict}");
    assert_eq!(text(&verdict["diagnosis"]["cause"]), cause, "{verdict}");
    assert!(!verdict["diagnosis"]["events"].as_array().expect("events").is_empty(), "{verdict}");
    let directory = text(&run.only()["directory"]);
    for format in ["junit", "ktap", "text"] {
        let report = bench.output(&["report", directory, "--format", format, "-o", "-"]);
        let said =
            String::from_utf8_lossy(&report.stdout).replace("&apos;", "'").replace("&quot;", "\"");
        assert!(said.contains(want), "{format}: {said}{}", String::from_utf8_lossy(&report.stderr));
    }
}

#[test]
fn no_alive() {
    says(
        &["--fault", "never-alive"],
        "no-alive",
        "no ALIVE after the INIT ucode was released, three times, as the card's fault never-alive \
         has it; the driver says \"Failed to run INIT ucode: -110\"",
    );
}

#[test]
fn no_clock() {
    says(&["--fault", "clock-never-ready"], "clock-not-ready", "the card's MAC clock does not");
}

#[test]
fn no_dma() {
    says(&["--fault", "dma-fault"], "dma-fault", "DMA fault at 0x");
}

#[test]
fn off_the_bus() {
    says(&["--fault", "all-ones"], "card-gone", "the card is off the bus");
}

#[test]
fn no_module() {
    says(&["--without", "iwlmvm"], "opmode-missing", "iwlmvm is not in the image");
}

#[test]
fn firmware_of_another_api() {
    let bench = Bench::new();
    let file = bench.dir.path().join("iwlwifi-7260-16.ucode");
    let path = file.to_string_lossy();
    let args = ["ucode", "build", "--card", "7260", "--api", "16", "-o", &path];
    let built = bench.output(&args);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    says(
        &["--firmware", &path],
        "firmware-rejected",
        "the driver rejected iwlwifi-7260-17.ucode: API 16, wants 17",
    );
}
