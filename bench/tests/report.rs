//! `iwlbench report` on runs that were left behind, without a guest.

mod common;

use std::path::PathBuf;

use common::{Bench, is_described};

const EVENTS: &str = concat!(
    r#"{"format":"iwlbench-events","version":1}"#,
    "\n",
    r#"{"seq":0,"t_ns":5,"source":"bench","kind":"guest-started"}"#,
    "\n",
    r#"{"seq":1,"t_ns":9,"source":"card","card":"7260","kind":"reg-write","space":"csr","reg":"CSR_INT","value":1,"outcome":"implemented"}"#,
    "\n",
);
const RECORD: &str = r#"{"format":1,"scenario":"opmode-load","vars":{"card":"7260"},
"verdict":{"outcome":"passed","line":"all 1 expectations held"},
"expectations":[{"that":"it comes up","failure":null}],"milestones":[]}"#;

/// A run below the default parent.
fn leave(bench: &Bench, name: &str) -> PathBuf {
    let dir = bench.dir.path().join("runs").join(name);
    std::fs::create_dir_all(&dir).expect("made");
    std::fs::write(dir.join("events.jsonl"), EVENTS).expect("written");
    std::fs::write(dir.join("run.json"), RECORD).expect("written");
    dir
}

fn stdout(bench: &Bench, args: &[&str]) -> String {
    let output = bench.output(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_run_is_found_by_name_directory_and_last() {
    let bench = Bench::new();
    let dir = leave(&bench, "one");
    for run in ["one", "last", &dir.to_string_lossy()] {
        let said = stdout(&bench, &["report", run]);
        assert!(said.trim_end().ends_with("one/report.html"), "{said}");
        let page = std::fs::read_to_string(dir.join("report.html")).expect("written");
        assert!(page.starts_with("<!doctype html>") && page.contains("it comes up"));
        std::fs::remove_file(dir.join("report.html")).expect("there");
    }
}

#[test]
fn each_form_goes_where_it_is_told() {
    let bench = Bench::new();
    let dir = leave(&bench, "one");
    leave(&bench, "two");
    let ktap = stdout(&bench, &["report", "one", "two", "--format", "ktap"]);
    assert!(ktap.starts_with("KTAP version 1\n1..1\n") && ktap.ends_with("\nok 1 opmode-load\n"));
    let junit = stdout(&bench, &["report", "one", "two", "--format", "junit"]);
    assert!(junit.contains(r#"tests="2""#), "{junit}");
    assert!(stdout(&bench, &["report", "one", "--format", "text"]).contains("PASSED: all 1"));
    let page = stdout(&bench, &["report", "one", "-o", "-"]);
    assert!(page.starts_with("<!doctype html>") && !dir.join("report.html").exists());
    stdout(&bench, &["report", "one", "--format", "perfetto"]);
    let trace = std::fs::read(dir.join("trace.json")).expect("written");
    let trace: serde_json::Value = serde_json::from_slice(&trace).expect("JSON");
    assert!(trace["traceEvents"].is_array());
}

#[test]
fn two_runs_are_compared_in_text_and_json() {
    let bench = Bench::new();
    leave(&bench, "one");
    let two = leave(&bench, "two");
    let more = r#"{"seq":2,"t_ns":9,"source":"card","card":"7260","kind":"reg-write","space":"csr","reg":"CSR_RESET","value":128,"outcome":"implemented"}"#;
    std::fs::write(two.join("events.jsonl"), format!("{EVENTS}{more}\n")).expect("written");
    let said = stdout(&bench, &["compare", "one", "two"]);
    assert!(said.contains("\n>            0.000  W CSR_RESET = 0x80\n"), "{said}");
    assert!(said.contains("1 in both, 1 in one alone"), "{said}");
    assert!(said.contains("\n> alone: CSR_RESET W1\n"), "{said}");
    let whole = stdout(&bench, &["compare", "one", "two", "--whole"]);
    assert!(whole.contains("W CSR_RESET = 0x80") && !whole.contains("> alone"), "{whole}");
    let json = stdout(&bench, &["compare", "one", "two", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    is_described(&json, &["`compare --json`"]);
    let rows = json["registers"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[1]["left"]), (2, &serde_json::Value::Null));
    assert_eq!(rows[1]["right"]["text"], "W CSR_RESET = 0x80");
}

/// A matrix of one place, below the default parent.
fn leave_matrix(bench: &Bench, name: &str, outcome: &str) {
    let dir = bench.dir.path().join("runs").join(name);
    std::fs::create_dir_all(&dir).expect("made");
    let matrix = serde_json::json!({ "format": 1, "planned": 1, "cells": [{
        "scenario": "opmode-load", "card": "7260", "kernel": "7.3.4",
        "attempts": [{ "outcome": outcome, "line": "so", "seconds": 1.0 }],
    }] });
    std::fs::write(dir.join("matrix.json"), matrix.to_string()).expect("written");
}

#[test]
fn two_matrices_are_compared_in_text_json_and_on_the_page() {
    let bench = Bench::new();
    leave_matrix(&bench, "old", "passed");
    leave_matrix(&bench, "new", "failed");
    let want = "newly failing: opmode-load 7260 7.3.4: failed: so\n";
    assert_eq!(stdout(&bench, &["compare", "old", "new"]), want);
    let json = stdout(&bench, &["compare", "old", "new", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    is_described(&json, &["`compare --json`"]);
    assert_eq!(json["failing"].as_array().map(Vec::len), Some(1));
    let old = bench.dir.path().join("runs/old").display().to_string();
    let page = stdout(&bench, &["report", "new", "--baseline", &old, "-o", "-"]);
    assert!(page.contains("newly failing"), "{page}");
    leave(&bench, "one");
    for (args, expected) in [
        (&["compare", "one", "new"][..], "is a run, "),
        (&["report", "one", "--baseline", &old], "for the page of one matrix"),
    ] {
        let output = bench.output(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
    }
}

fn junit_of(cases: &[(&str, &str)]) -> String {
    let case =
        |(name, inner): &(&str, &str)| format!(r#"<testcase name="{name}">{inner}</testcase>"#);
    let cases_xml: String = cases.iter().map(case).collect();
    let failed = cases.iter().filter(|(_, inner)| inner.starts_with("<failure")).count();
    let counts = format!(r#"tests="{}" skipped="0" errors="0" failures="{failed}""#, cases.len());
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><testsuites name="x" {counts} time="1.5">
        <testsuite name="set" {counts}>{cases_xml}</testsuite></testsuites>"#
    )
}

/// What several runners left becomes one result, in which nothing is lost and nothing is twice.
#[test]
fn junit_files_of_several_runners_become_one() {
    let bench = Bench::new();
    let first = bench.file("1-2.xml", junit_of(&[("a", ""), ("c", "")]));
    let failure = r#"<failure message="it broke" type="t">a &lt; b</failure>"#;
    let second = bench.file("2-2.xml", junit_of(&[("b", failure)]));
    let (first, second) = (first.to_string_lossy(), second.to_string_lossy());
    let merged = stdout(&bench, &["report", "--format", "junit", &first, &second]);
    for part in [
        r#"tests="3" skipped="0" failures="1" errors="0" time="3.000""#,
        r#"<testsuite name="set" tests="3" skipped="0" errors="0" failures="1">"#,
        r#"<failure message="it broke" type="t">a &lt; b</failure>"#,
    ] {
        assert!(merged.contains(part), "no {part} in {merged}");
    }
    assert_eq!(merged.matches("<testcase ").count(), 3);

    let overlap = bench.output(&["report", "--format", "junit", &first, &second, &first]);
    let stderr = String::from_utf8_lossy(&overlap.stderr);
    assert_eq!(overlap.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("test `a` of `set` stands in "), "{stderr}");
    let no_junit = bench.file("3.xml", "<testsuites");
    let bad = bench.output(&["report", "--format", "junit", &no_junit.to_string_lossy()]);
    let stderr = String::from_utf8_lossy(&bad.stderr);
    assert_eq!(bad.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("3.xml: not a JUnit file"), "{stderr}");
}

#[test]
fn what_cannot_be_reported_is_bad_usage() {
    let bench = Bench::new();
    let failing = |args: &[&str], expected: &str| {
        let output = bench.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    };
    failing(&["report"], "there is no run yet");
    let dir = leave(&bench, "one");
    leave(&bench, "two");
    failing(&["report", "three"], "there is no run `three`");
    failing(&["report", "one", "two"], "--format html takes one run, not 2");
    let explored = bench.dir.path().join("runs/all-orders");
    std::fs::create_dir_all(&explored).expect("made");
    failing(&["report", "all-orders"], "holds no run and no matrix");
    std::fs::write(explored.join("explore.json"), "{}").expect("written");
    failing(
        &["report", "all-orders"],
        "all-orders/explore.json:1: format version null is not known",
    );
    std::fs::write(dir.join("events.jsonl"), EVENTS.replace(":1}", ":9}")).expect("written");
    failing(&["report", "one"], "one/events.jsonl:1: format version 9 is not known");
}
