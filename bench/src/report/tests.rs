//! Reports of small runs written by hand.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::run::{Known, Verdict};
use super::{ReadError, Run, html, junit, ktap, locate, perfetto, text};
use crate::facts::timeline::{Event, Source, What, write_line};
use crate::facts::verdict::Class;
use crate::record::matrix::LeftOut;

const HEADER: &str = r#"{"format":"iwlbench-events","version":1}"#;
const HOSTILE: &str = "</script><img src=x onerror=alert(1)> --> ]]> \u{1b}[31m\u{0} # SKIP";

fn run_json(outcome: &str, failure: &Value) -> Value {
    json!({
        "format": 1, "scenario": "opmode-load",
        "vars": { "card": "7260", "opmode": "iwlmvm", "added-later": 1 },
        "faults": ["never-alive"],
        "verdict": { "outcome": outcome, "line": "1 of 2 expectations failed" },
        "expectations": [
            { "that": "the opmode is asked for once", "failure": null },
            { "that": "an interface comes", "failure": failure },
        ],
        "milestones": [
            { "seq": 3, "t_ns": 30_000, "milestone": "opmode-asked", "module": "iwlmvm" },
            { "seq": 5, "t_ns": 50_000, "milestone": "of-tomorrow", "colour": "red" },
        ],
        "kernel": { "release": "7.3.4" }, "accel": "tcg", "seconds": 1.5, "added-later": {},
    })
}

fn events() -> Vec<String> {
    let ask = r#"{"gate":"module","argv":["modprobe","iwlmvm"],"module":"iwlmvm""#;
    vec![
        HEADER.to_owned(),
        r#"{"seq":0,"t_ns":0,"source":"bench","kind":"guest-started"}"#.to_owned(),
        r#"{"seq":1,"t_ns":10000,"source":"bench","kind":"step-started","index":0,"step":"coldplug"}"#.to_owned(),
        json!({ "seq": 2, "t_ns": 20_000, "source": "kernel-log", "guest_ns": 7,
            "kind": "kernel-log", "record": 9, "level": 3, "text": HOSTILE })
        .to_string(),
        format!(r#"{ask},"seq":3,"t_ns":30000,"source":"module-gate","kind":"ask","id":1}}"#),
        format!(r#"{ask},"seq":4,"t_ns":40000,"source":"module-gate","kind":"answer","id":1,"answer":"proceed"}}"#),
        r#"{"seq":5,"t_ns":50000,"source":"of-tomorrow","kind":"of-tomorrow","colour":"red"}"#.to_owned(),
        r#"{"seq":6,"t_ns":60000,"source":"card","card":"7260","kind":"reg-read","space":"csr","reg":"CSR_HW_REV","value":1,"outcome":"implemented"}"#.to_owned(),
        r#"{"seq":7,"t_ns":70000,"source":"card","card":"7260","kind":"reg-write","space":"csr","reg":"CSR_INT","value":1,"outcome":"stub"}"#.to_owned(),
    ]
}

fn directory(record: Option<&Value>, events: &[String]) -> TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    if let Some(record) = record {
        std::fs::write(dir.path().join("run.json"), record.to_string()).expect("written");
    }
    let mut text = events.join("\n");
    text.push('\n');
    std::fs::write(dir.path().join("events.jsonl"), text).expect("written");
    dir
}

fn failed() -> (TempDir, Run) {
    let failure =
        json!({ "what": format!("expected: netdev-registered\nbut: {HOSTILE}"), "near": 4 });
    let dir = directory(Some(&run_json("failed", &failure)), &events());
    let run = Run::read(dir.path()).expect("readable");
    (dir, run)
}

#[test]
fn unknown_fields_kinds_and_sources_are_kept_and_shown() {
    let (_dir, run) = failed();
    assert_eq!(run.events.len(), 8);
    assert!(text::report(&run).contains("of-tomorrow colour=red"));
    assert!(!run.cut);
}

#[test]
fn an_unknown_version_is_refused_with_file_and_line() {
    let mut lines = events();
    lines[0] = HEADER.replace(":1", ":2");
    let dir = directory(None, &lines);
    let error = Run::read(dir.path()).expect_err("refused").to_string();
    assert!(error.contains("events.jsonl:1: format version 2 is not known"), "{error}");

    let mut record = run_json("passed", &Value::Null);
    record["format"] = json!(7);
    let dir = directory(None, &events());
    let text = serde_json::to_string_pretty(&record).expect("JSON");
    let line = 1 + text.lines().position(|l| l.contains("\"format\"")).expect("there");
    std::fs::write(dir.path().join("run.json"), text).expect("written");
    let error = Run::read(dir.path()).expect_err("refused").to_string();
    assert!(error.contains(&format!("run.json:{line}: format version 7")), "{error}");
}

#[test]
fn a_cut_last_line_is_left_out_and_a_bad_one_before_it_is_named() {
    let mut lines = events();
    lines.push(r#"{"seq":8,"t_ns":8"#.to_owned());
    let dir = directory(None, &lines);
    let path = dir.path().join("events.jsonl");
    let whole = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, whole.trim_end()).expect("written");
    let run = Run::read(dir.path()).expect("readable");
    assert!(run.cut && run.events.len() == 8);
    assert_eq!(run.verdict().class(), Class::NotRun, "no run.json: killed");

    lines.push(events()[1].clone());
    let dir = directory(None, &lines);
    let error = Run::read(dir.path()).expect_err("refused").to_string();
    assert!(error.contains("events.jsonl:10: "), "{error}");
}

#[test]
fn a_killed_run_is_put_in_order_of_time() {
    let mut lines = events();
    lines.swap(2, 3);
    let dir = directory(None, &lines);
    let run = Run::read(dir.path()).expect("readable");
    assert!(run.events.is_sorted_by_key(|e| e.t_ns));
}

#[test]
fn what_is_no_run_is_told_apart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    assert!(matches!(Run::read(dir.path()), Err(ReadError::NotARun { .. })));
    assert!(matches!(locate("last", dir.path()), Err(ReadError::NoRuns { .. })));
    assert!(matches!(locate("last", Path::new("/no/such")), Err(ReadError::NoRuns { .. })));
    assert!(matches!(locate("x", dir.path()), Err(ReadError::NoSuchRun { .. })));
    std::fs::write(dir.path().join("events.jsonl"), "hello\n").expect("written");
    assert!(matches!(Run::read(dir.path()), Err(ReadError::NoHeader { .. })));
}

#[test]
fn every_event_of_the_bench_has_each_name_once() {
    // A field of what was observed must not be named as one of the event itself.
    let log = guest_protocol::GuestEvent::KernelLog { seq: 4, level: Some(6), text: "x".into() };
    let event = Event {
        seq: 17,
        t_ns: 1,
        source: Source::KernelLog,
        guest_ns: Some(2),
        what: What::Guest(log),
    };
    let mut line = Vec::new();
    write_line(&mut line, &event).expect("written");
    let read: super::run::Event = serde_json::from_slice(&line).expect("no name twice");
    assert_eq!((read.seq, read.u64("record")), (17, Some(4)));
}

#[test]
fn outcomes_mean_what_exit_codes_say() {
    use crate::facts::verdict::Outcome::*;
    for outcome in [
        Passed,
        Failed,
        KernelTrouble,
        GuestPanicked,
        GuestReset,
        GuestPoweredOff,
        GuestHung,
        Flooded,
        NotBooted,
        NoModprobe,
        QemuDied,
        CardStopped,
        Environment,
        Interrupted,
    ] {
        let outcome_word = outcome.word().to_owned();
        let verdict = Verdict {
            outcome: outcome_word,
            line: String::new(),
            failed: None,
            cause: None,
            diagnosis: None,
        };
        let class = match outcome.exit_code() {
            0 => Class::Passed,
            1 => Class::Failed,
            _ => Class::NotRun,
        };
        assert_eq!(verdict.class(), class, "{outcome:?}");
    }
}

/// A complaint whose head the log's end is too short for.
fn complained() -> (TempDir, Run) {
    let mut lines = vec![HEADER.to_owned()];
    let mut log = |text: &str| {
        let seq = lines.len() - 1;
        let event = json!({ "seq": seq, "t_ns": seq, "source": "kernel-log", "kind": "kernel-log",
            "record": seq, "level": 4, "text": text });
        lines.push(event.to_string());
    };
    for text in ["before", "BUG: bad", "Call Trace:", " in_it+0x1/0x2", "---[ end trace 0 ]---"] {
        log(text);
    }
    (0..100).for_each(|n| log(&format!("later {n}")));
    let trouble = json!({ "seq": 105, "t_ns": 1, "source": "kernel-log", "kind": "kernel-trouble",
        "trouble": "oops", "text": "BUG: bad" });
    lines.push(trouble.to_string());
    let mut record = run_json("kernel-trouble", &Value::Null);
    record["verdict"]["cause"] = json!(105);
    record["verdict"]["line"] = json!("the guest's kernel reported an oops: BUG: bad");
    let dir = directory(Some(&record), &lines);
    let run = Run::read(dir.path()).expect("readable");
    (dir, run)
}

#[test]
fn a_complaint_is_shown_with_its_trace_and_the_logs_end() {
    let (_dir, run) = complained();
    let page = html::run(&run).expect("page");
    let shown = page.split("<pre class=\"log\"").nth(1).and_then(|p| p.split("</pre>").next());
    let shown = shown.expect("the complaint");
    assert!(shown.contains("BUG: bad") && shown.contains("in_it+0x1/0x2"), "{shown}");
    assert!(!shown.contains("before") && !shown.contains("later"), "{shown}");
    let runs = [run];
    for text in [junit::report(&runs, &[]).expect("XML"), ktap::report(&runs, &[])] {
        for part in ["in_it+0x1/0x2", "later 70", "later 99"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("later 69"), "{text}");
    }
    assert!(!html::run(&failed().1).expect("page").contains("<pre class=\"log\""));
}

#[test]
fn junit_tells_failures_from_errors() {
    let (_dir, mut run) = failed();
    run.earlier.push(failed().1);
    let broken = directory(Some(&run_json("qemu-died", &Value::Null)), &events());
    let broken = Run::read(broken.path()).expect("readable");
    let xml = junit::report(&[run, broken], &[]).expect("XML");
    for part in [
        r#"<testsuite name="opmode-load" tests="2" skipped="0" errors="1" failures="1">"#,
        r#"<failure message="1 of 2 expectations failed" type="failed">"#,
        r#"<error message="1 of 2 expectations failed" type="qemu-died">"#,
        r#"<rerunFailure message="1 of 2 expectations failed" type="failed">"#,
        "<stackTrace>failed: 1 of 2 expectations failed",
        "✗ an interface comes",
        "expected: netdev-registered",
        "&lt;/script&gt;",
        r#"name="7260 / 7.3.4 / tcg / never-alive / run 2""#,
    ] {
        assert!(xml.contains(part), "no {part} in {xml}");
    }
    assert!(!xml.contains("<properties"), "strict readers refuse them");
    assert!(!xml.contains(|c: char| c.is_control() && c != '\n'), "XML has no such characters");
}

#[test]
fn ktap_nests_scenario_run_expectation() {
    let (_dir, run) = failed();
    let ktap = ktap::report(&[run], &[]);
    let results: Vec<_> = ktap.lines().filter(|l| !l.trim_start().starts_with('#')).collect();
    assert_eq!(
        results,
        [
            "KTAP version 1",
            "1..1",
            "    KTAP version 1",
            "    1..1",
            "        KTAP version 1",
            "        1..3",
            "        ok 1 the opmode is asked for once",
            "        not ok 2 an interface comes",
            "        not ok 3 verdict failed",
            "    not ok 1 7260 / 7.3.4 / tcg / never-alive",
            "not ok 1 opmode-load",
        ]
    );
    assert!(!ktap.contains(|c: char| c.is_control() && c != '\n'), "one line stays one line");
}

#[test]
fn what_is_left_out_is_skipped_with_its_reason() {
    let (_dir, run) = failed();
    let place = |scenario: &str, driver: &str| LeftOut {
        scenario: scenario.into(),
        card: "be200".into(),
        kernel: "6.1.0-50-amd64".into(),
        driver: driver.into(),
        reason: "the driver of #1 does not know be200".into(),
    };
    let (runs, left_out) = ([run], [place("opmode-load", "stock"), place("msix", "nowait")]);
    let ktap = ktap::report(&runs, &left_out);
    let reason = "# SKIP the driver of No.1 does not know be200";
    for line in [
        "    1..2".to_owned(),
        format!("    ok 2 be200 / 6.1.0-50-amd64 {reason}"),
        format!("    ok 1 be200 / 6.1.0-50-amd64 nowait {reason}"),
        "ok 2 msix".to_owned(),
    ] {
        assert!(ktap.lines().any(|other| other == line), "no {line} in {ktap}");
    }
    let xml = junit::report(&runs, &left_out).expect("XML");
    for part in [
        r#"<testsuite name="opmode-load" tests="2" skipped="1" errors="0" failures="1">"#,
        r#"<testsuite name="msix" tests="1" skipped="1" errors="0" failures="0">"#,
        r#"<testcase name="be200 / 6.1.0-50-amd64 nowait" classname="iwlbench.msix">"#,
        r#"<skipped message="the driver of #1 does not know be200" type="left-out"/>"#,
    ] {
        assert!(xml.contains(part), "no {part} in {xml}");
    }
}

#[test]
fn what_is_known_is_told_apart_and_red_when_it_is_gone() {
    let known = |gone| Known { reason: "a report # 7".into(), at: "known.toml:3".into(), gone };
    let (_dir, mut fails) = failed();
    fails.known = Some(known(false));
    let good = directory(Some(&run_json("passed", &Value::Null)), &events());
    let mut passes = Run::read(good.path()).expect("readable");
    passes.known = Some(known(true));
    let runs = [fails, passes];
    let ktap = ktap::report(&runs, &[]);
    let results: Vec<_> = ktap.lines().filter(|l| !l.trim_start().starts_with('#')).collect();
    assert_eq!(
        results,
        [
            "KTAP version 1",
            "1..1",
            "    KTAP version 1",
            "    1..2",
            "    ok 1 7260 / 7.3.4 / tcg / never-alive # XFAIL a report No. 7",
            "    not ok 2 7260 / 7.3.4 / tcg / never-alive / run 2",
            "not ok 1 opmode-load",
        ]
    );
    let xml = junit::report(&runs, &[]).expect("XML");
    for part in [
        r#"tests="2" skipped="1" errors="0" failures="1""#,
        "<skipped message=\"fails as known: a report # 7 (known.toml:3): failed: ",
        "type=\"known-failure-gone\"",
        "take it out of known.toml:3",
    ] {
        assert!(xml.contains(part), "no {part} in {xml}");
    }
}

#[test]
fn perfetto_has_a_slice_from_question_to_answer() {
    let (_dir, run) = failed();
    let trace = perfetto::report(&run);
    let all = trace["traceEvents"].as_array().expect("events");
    let slice = |name: &str| {
        all.iter().find(|e| e["ph"] == "X" && e["name"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!((&slice("iwlmvm")["ts"], &slice("iwlmvm")["dur"]), (&json!(30.0), &json!(10.0)));
    // Neither modprobe nor the step ended: they last to the last event.
    assert_eq!(slice("modprobe iwlmvm")["dur"], json!(30.0));
    assert_eq!(slice("coldplug")["args"]["unfinished"], json!(true));
    let named: Vec<_> =
        all.iter().filter(|e| e["name"] == "thread_name").map(|e| (&e["pid"], &e["tid"])).collect();
    for event in all.iter().filter(|e| e["ph"] != "M") {
        assert!(named.contains(&(&event["pid"], &event["tid"])), "a track without a name: {event}");
    }
}

#[test]
fn perfetto_leads_from_the_request_to_the_start() {
    let mut lines = events();
    let of = |seq: u64, kind: &str, image: &str| {
        json!({ "seq": seq, "t_ns": seq * 10_000, "source": "card", "card": "7260", "kind": kind,
            "image": image })
        .to_string()
    };
    lines.extend([
        of(8, "section-uploaded", "init"),
        of(9, "cpu-released", "init"),
        of(10, "alive", "init"),
    ]);
    let dir = directory(Some(&run_json("passed", &Value::Null)), &lines);
    let trace = perfetto::report(&Run::read(dir.path()).expect("readable"));
    let all = trace["traceEvents"].as_array().expect("events");
    let flow: Vec<_> = all.iter().filter(|e| e["name"] == "hand-over").collect();
    let steps: Vec<_> = flow.iter().map(|e| (e["ph"].as_str(), e["ts"].as_f64())).collect();
    let want = [("s", 30.0), ("t", 40.0), ("t", 80.0), ("f", 90.0)];
    assert_eq!(steps, want.map(|(phase, at)| (Some(phase), Some(at))));
    // An arrow begins and ends in a slice of its track, and its parts know each other by three fields.
    for step in &flow {
        for field in ["id", "cat", "name"] {
            assert_eq!(step[field], flow[0][field], "{step}");
        }
        let bound = all.iter().any(|e| {
            e["ph"] == "X"
                && e["ts"] == step["ts"]
                && (&e["pid"], &e["tid"]) == (&step["pid"], &step["tid"])
        });
        assert!(bound, "{step}");
    }
}

#[test]
fn a_page_is_whole_and_takes_nothing_from_the_guest_as_markup() {
    let (_dir, run) = failed();
    let page = html::run(&run).expect("page");
    assert!(!page.contains("<img"), "the guest's text became markup");
    assert_eq!(page.matches("</script>").count(), 2, "the guest's text ended a script");
    assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "no raw control characters");
    for outside in ["http://", "https://", "src=", "url(", "@import"] {
        // Vendor URLs may stand in a kernel log; the namespace of SVG is a name, not an address.
        let page = page.replace("http://www.w3.org/2000/svg", "").replace("src=x", "");
        assert!(!page.contains(outside), "{outside}");
    }
    let data = page.split("id=\"data\">").nth(1).and_then(|p| p.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert!(
        data["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .any(|r| r["text"] == format!("<3> {HOSTILE}"))
    );
    assert!(page.contains("2 accesses: R CSR_HW_REV, W CSR_INT"), "accesses share a row");
}

#[test]
fn each_line_says_whose_it_is_where_there_are_several_cards() {
    let probe = |card: &str| json!({ "seq": 6, "t_ns": 1, "milestone": "probe", "card": card });
    let shown = |cards: &[&str]| {
        let mut record = run_json("passed", &Value::Null);
        record["milestones"] = cards.iter().map(|card| probe(card)).collect();
        let dir = directory(Some(&record), &events());
        let run = Run::read(dir.path()).expect("readable");
        (text::report(&run), html::run(&run).expect("page"))
    };
    let (text, page) = shown(&["7260", "7260-2"]);
    assert!(text.contains("7260: probe") && text.contains("7260-2: probe"), "{text}");
    assert!(page.contains("<span class=\"what\">7260-2: probe"), "{page}");
    let (text, _) = shown(&["7260"]);
    assert!(text.contains("  probe: ") && !text.contains("7260: probe"), "{text}");
}

/// The lines of a cause differ, as how often it was tried; its word does not.
#[test]
fn a_matrix_page_groups_what_failed_by_its_cause() {
    let run = |line: &str, cause: Option<&str>| {
        let mut record = run_json("failed", &Value::Null);
        record["verdict"]["line"] = json!(line);
        if let Some(cause) = cause {
            record["verdict"]["diagnosis"] =
                json!({ "cause": cause, "sentence": line, "events": [], "added-later": 1 });
        }
        let dir = directory(Some(&record), &events());
        Run::read(dir.path()).expect("readable")
    };
    let alone = "each for a reason of its own";
    let page = |runs: &[Run]| {
        let matrix = serde_json::from_value(json!({ "planned": runs.len(), "cells": [] }));
        let matrix = matrix.expect("a matrix");
        html::matrix(&matrix, runs, &html::Pictures::default(), "", None).expect("page")
    };
    let heads = |page: &str| -> Vec<String> {
        let heads = page.split("<h3 class=\"cause\">").skip(1);
        heads.filter_map(|head| Some(head.split_once("</h3>")?.0.to_owned())).collect()
    };
    let grouped = page(&[
        run("no opmode", Some("no-opmode")),
        run("no ALIVE", Some("no-alive")),
        run("an interface", None),
        run("no ALIVE, three times", Some("no-alive")),
        run("an interface", None),
    ]);
    assert_eq!(heads(&grouped), ["2 × no-alive", "2 × failed: an interface", alone]);
    let at = |text: &str| grouped.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("no ALIVE") < at("2 × failed") && at(alone) < at("no opmode"));
    let apart = page(&[run("no opmode", Some("no-opmode")), run("no ALIVE", Some("no-alive"))]);
    assert_eq!(heads(&apart), [""; 0]);
}

#[test]
fn a_step_that_has_to_fail_is_no_bad_news() {
    let mut lines = events();
    lines.truncate(3);
    let ended = |wanted: bool| {
        json!({ "seq": 2, "t_ns": 20_000, "source": "bench", "kind": "step-ended", "index": 0,
            "step": "rmmod", "error": "EBUSY", "wanted": wanted })
        .to_string()
    };
    let mut record = run_json("passed", &Value::Null);
    let mut told = |wanted: bool| {
        record["milestones"] = json!([{ "seq": 2, "t_ns": 20_000, "milestone": "step-ended",
            "step": "rmmod", "ok": false, "wanted": wanted }]);
        let lines = [&lines[..], &[ended(wanted)]].concat();
        let dir = directory(Some(&record), &lines);
        let run = Run::read(dir.path()).expect("readable");
        (text::report(&run), html::run(&run).expect("page"))
    };
    let (text, page) = told(true);
    assert!(text.contains("step rmmod failed, as it has to: EBUSY"), "{text}");
    assert!(!page.contains("<li class=\"bad\""), "{page}");
    assert!(told(false).1.contains("<li class=\"bad\""));
}

#[test]
fn causes_and_errors_are_told_by_name() {
    let told = |fields: Value| {
        let mut event = json!({ "seq": 0, "t_ns": 0, "source": "card" });
        event.as_object_mut().expect("one").extend(fields.as_object().expect("fields").clone());
        serde_json::from_value::<super::run::Event>(event).expect("an event").text()
    };
    let interrupt = |names: Value| json!({ "kind": "interrupt", "line": "msix", "vector": 1, "causes": 0x800_0000, "names": names });
    assert_eq!(told(interrupt(json!(["FH_TX", "ALIVE"]))), "interrupt msix 1: FH_TX ALIVE");
    assert_eq!(told(interrupt(json!([]))), "interrupt msix 1: causes 0x8000000");
    let answer = |answer: &str, value: Value| {
        let gate = "firmware-lookup";
        json!({ "kind": "answer", "gate": gate, "path": "f", "answer": answer, "value": value })
    };
    assert_eq!(told(answer("errno", json!(2))), "bench answers f: ENOENT");
    assert_eq!(told(answer("file", json!(1196))), "bench answers f: file, 1196 bytes");
    assert_eq!(told(answer("proceed", Value::Null)), "bench answers f: proceed");
}

#[test]
fn registers_without_a_model_are_counted() {
    assert_eq!(super::words::unmodelled(0), "");
    assert_eq!(super::words::unmodelled(1), "; 1 register without a model (-v names it)");
    assert_eq!(super::words::unmodelled(2), "; 2 registers without a model (-v names them)");
}
