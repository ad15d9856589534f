//! What a failed run says: its cause for a headline, and soon.

mod common;

use common::{Bench, text};

/// Far more than any of these takes: each ends when nothing is left to do.
const PATIENCE: &str = "600";

/// `opmode-load` with one thing broken ends by itself; its line says this, and all reports do.
fn says(args: &[&str], cause: &str, want: &str) {
    let failed = "netdev-registered does not come";
    all_say(args, (Some(1), "failed"), (cause, Some(failed)), want);
}

fn all_say(
    args: &[&str],
    end: (Option<i32>, &str),
    (cause, failed): (&str, Option<&str>),
    want: &str,
) {
    let bench = Bench::new();
    let mut all = vec!["opmode-load", "--card", "7260", "--patience", PATIENCE];
    all.extend(args);
    let run = bench.run(&all);
    assert_eq!((run.code, run.outcome()), end, "{args:?}: {}", run.stderr);
    let verdict = &run.only()["verdict"];
    let line = text(&verdict["line"]);
    assert!(line.starts_with(want), "{args:?}: {line}");
    match failed {
        Some(failed) => assert!(text(&verdict["failed"]).contains(failed), "{verdict}"),
        None => assert!(verdict["failed"].is_null(), "told twice: {verdict}"),
    }
    assert_eq!(text(&verdict["diagnosis"]["cause"]), cause, "{verdict}");
    assert!(!verdict["diagnosis"]["events"].as_array().expect("events").is_empty(), "{verdict}");
    let directory = text(&run.only()["directory"]);
    for format in ["junit", "ktap", "text", "html"] {
        let report = bench.output(&["report", directory, "--format", format, "-o", "-"]);
        let said = String::from_utf8_lossy(&report.stdout);
        let said = said.replace("&apos;", "'").replace("&#39;", "'").replace("&quot;", "\"");
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

/// The driver warns of a card that does not answer: the card is the cause, not the warning.
#[test]
fn off_the_bus_later() {
    all_say(
        &["--fault", "all-ones=400"],
        (Some(1), "kernel-trouble"),
        ("card-gone", Some("the guest's kernel reported a WARNING")),
        "the card is off the bus: its registers read as all ones, as the card's fault all-ones",
    );
}

#[test]
fn an_oops() {
    let bench = Bench::new();
    let path = bench.dir.path().join("bad.ucode");
    let path = path.to_string_lossy();
    let built =
        bench.output(&["ucode", "build", "--card", "7260", "--fault", "no-sections", "-o", &path]);
    assert!(built.status.success());
    all_say(
        &["--firmware", &path],
        (Some(1), "kernel-trouble"),
        ("oops", None),
        "the guest's kernel reported an oops in iwl_req_fw_callback [iwlwifi], after \"firmware given",
    );
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
