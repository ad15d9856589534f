//! Every order of a scenario's points, played in real guests.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Bench, is_described, text};
use serde_json::Value;

/// What `explore … --json` said of the only card.
struct Explored {
    code: Option<i32>,
    stderr: String,
    document: Value,
}

impl Explored {
    fn orders(&self) -> &[Value] {
        self.document["orders"].as_array().expect("orders")
    }

    /// The orders in words, with their classes.
    fn table(&self) -> Vec<(String, &str)> {
        let words = |order: &Value| {
            let points = order["points"].as_array().expect("points").iter();
            let words = points.map(|point| match text(&point["point"]) {
                "step" => text(&point["step"]),
                _ => text(&point["name"]),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        self.orders().iter().map(|order| (words(order), text(&order["class"]))).collect()
    }
}

fn explore(bench: &Bench, args: &[&str]) -> Explored {
    let mut all = vec!["explore", "--json", "--card", "7260"];
    all.extend(args);
    let output = bench.output(&all);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON document ({error}); it said: {stderr}"));
    bench.nothing_left();
    is_described(&document, &["`explore --json` and `explore.json`"]);
    let document = document["explorations"][0].clone();
    Explored { code: output.status.code(), stderr, document }
}

const FIRMWARE: &str = "iwlwifi-7260-17.ucode";

/// The race of 2017: unbind at each moment of the hand-over. With the bound, some of it.
#[test]
fn every_order_is_played_once() {
    let bench = Bench::new();
    let all = explore(&bench, &["unbind-while-firmware-is-held"]);
    let want = [
        format!("coldplug {FIRMWARE} iwlmvm unbind"),
        format!("coldplug {FIRMWARE} unbind iwlmvm"),
        format!("coldplug unbind {FIRMWARE} iwlmvm"),
    ];
    assert_eq!(all.table(), want.map(|order| (order, "fine")), "{}", all.stderr);
    assert_eq!((all.code, &all.document["left"]), (Some(0), &Value::from(0)));
    for order in all.orders() {
        assert_eq!(order["end"], "unbound, iwlmvm and iwlwifi loaded");
    }

    let args = ["unbind-while-firmware-is-held", "--card", "7260", "--bound", "2", "--jobs", "1"];
    let output = bench.output(&[&["explore"], &args[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("every order, at most 2 (--bound)"), "{said}");
    assert!(said.contains("the bound of 2 orders was reached, 1 or more are left"), "{said}");
    assert!(!said.contains("   3 fine"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

/// The opmode cannot start on this card. Is it there before the firmware, the driver releases the
/// device; does it come later, nobody does, and nobody is told.
#[test]
fn an_unexpected_end_is_found_and_replayed() {
    let bench = Bench::new();
    let scenario = "about = \"a start that fails, early and late\"\ncards = [\"7260\"]\n\
                    trouble = [\"warning\"]\nhold = [\"$firmware\", \"$opmode\"]\n\
                    card.faults = [\"never-alive\"]\n\
                    [[step]]\ndo = \"coldplug\"\n\
                    [[step]]\ndo = { modprobe = [\"$opmode\"] }\n";
    let file = bench.file("late-start.toml", scenario);
    let explored = explore(&bench, &[&file.to_string_lossy()]);
    let want = [
        (format!("coldplug {FIRMWARE} iwlmvm modprobe"), "unexpected-state"),
        (format!("coldplug {FIRMWARE} modprobe iwlmvm"), "unexpected-state"),
        (format!("coldplug modprobe {FIRMWARE}"), "fine"),
    ];
    assert_eq!(explored.table(), want, "{}", explored.stderr);
    assert_eq!(explored.code, Some(1));
    for (order, replays) in explored.orders().iter().zip([true, true, false]) {
        assert_eq!(order["replays"].as_bool(), replays.then_some(true), "{order}");
    }
    let file = text(&explored.orders()[1]["file"]);
    assert!(file.ends_with("/late-start-order-2.toml"), "{file}");
    let run = bench.run(&[file]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    let verdict = &run.only()["verdict"];
    let failed = text(&verdict["failed"]);
    assert!(failed.starts_with("step check:"), "{failed}");
    assert!(failed.contains("has 0 network interfaces"), "{failed}");
    assert_eq!(text(&verdict["diagnosis"]["cause"]), "no-alive", "{verdict}");

    // The page has a row for each, which leads to its run.
    let directory = std::path::Path::new(text(&explored.document["directory"])).to_owned();
    let page = std::fs::read_to_string(directory.join("report.html")).expect("a page");
    for part in ["2 bad", "<tr class=\"bad\">", "<tr class=\"good\">", "its replay ended the same"]
    {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let links: Vec<_> = page.split("href=\"").skip(1).filter_map(|l| l.split('"').next()).collect();
    assert_eq!(links.len(), 3, "{links:?}");
    for link in links {
        assert!(directory.join(link).is_file(), "no {link}");
    }
    std::fs::remove_file(directory.join("report.html")).expect("there");
    assert!(bench.output(&["report", &directory.to_string_lossy()]).status.success());
    assert_eq!(std::fs::read_to_string(directory.join("report.html")).expect("again"), page);

    // What is known of it is no failure, and what is known and does not come is one.
    let failing = |scenario: &str, outcome: &str| {
        let entry = format!(
            "[[failure]]\nscenario = \"{scenario}\"\nreason = \"a report\"\noutcome = \"{outcome}\"\n"
        );
        bench.file("known.toml", entry).display().to_string()
    };
    let file = bench.file("late-start.toml", scenario).display().to_string();
    let with = |known: &str| explore(&bench, &[&file, "--known-failures", known]);
    let known = with(&failing("late-*", "failed"));
    assert_eq!(known.code, Some(0), "{}", known.stderr);
    assert_eq!(known.orders()[0]["known"]["reason"], "a report");
    let gone = with(&failing("late-start", "guest-hung"));
    assert_eq!(gone.code, Some(1), "{}", gone.stderr);
    assert!(gone.stderr.contains("does not fail any more"), "{}", gone.stderr);

    // An end that the scenario has is no bad one.
    let ends = "[explore]\nends = [{ bound = false }, { bound = true, interfaces = 0 }]\n";
    let file = bench.file("late-start.toml", format!("{scenario}{ends}"));
    let explored = explore(&bench, &[&file.to_string_lossy(), "--bound", "1"]);
    assert_eq!(explored.table(), [(want[0].0.clone(), "fine")], "{}", explored.stderr);
}

/// A point that changes nothing makes orders that the guest cannot tell apart. No driver has a part
/// in it: what that does beside modprobe comes now in one order, now in another.
#[test]
fn orders_that_went_alike_are_told() {
    let bench = Bench::new();
    let file = bench.file(
        "alike.toml",
        "about = \"t\"\ncards = [\"7260\"]\nhold = [\"fs-*\"]\n\
         [[step]]\ndo = { request-modules = 1 }\n\
         [[step]]\ndo = { write = { path = \"/proc/sys/kernel/printk\", text = \"7\" } }\n",
    );
    let explored = explore(&bench, &[&file.to_string_lossy()]);
    let request = "fs-iwlbench-0";
    let want =
        [format!("request-modules {request} write"), format!("request-modules write {request}")];
    assert_eq!(explored.table(), want.map(|order| (order, "fine")), "{}", explored.stderr);
    let alike: Vec<_> = explored.orders().iter().map(|order| order["alike"].as_u64()).collect();
    assert_eq!(alike, [None, Some(1)], "{}", explored.stderr);
}

/// A guest that ends in an order ends only that; its replay ends so too.
#[test]
fn a_crash_is_found_and_replayed() {
    let bench = Bench::new();
    let file = bench.file(
        "crash.toml",
        "about = \"t\"\ncards = [\"7260\"]\nhold = [\"$firmware\"]\n\
         [[step]]\ndo = \"coldplug\"\n[[step]]\ndo = { sysrq = \"c\" }\n",
    );
    let explored = explore(&bench, &[&file.to_string_lossy()]);
    let want = [format!("coldplug {FIRMWARE} sysrq"), "coldplug sysrq".to_owned()];
    assert_eq!(explored.table(), want.map(|order| (order, "crash")), "{}", explored.stderr);
    assert!(explored.orders().iter().all(|order| order["replays"] == true), "{}", explored.stderr);
    assert_eq!(explored.code, Some(1));
}

/// A firmware file that the driver oopses on: its callback never ends, and an unbind with it.
#[test]
fn a_hang_is_found_and_replayed() {
    let bench = Bench::new();
    let file = bench.file(
        "hang.toml",
        "about = \"t\"\ncards = [\"7260\"]\ntrouble = [\"oops\", \"warning\"]\n\
         [[firmware]]\nname = \"$firmware\"\ncorrupt = \"no-sections\"\n\
         [[step]]\ndo = \"coldplug\"\n[[step]]\ndo = \"unbind\"\n",
    );
    let explored =
        explore(&bench, &[&file.to_string_lossy(), "--hold", "$firmware", "--bound", "1"]);
    let order = format!("coldplug {FIRMWARE} unbind");
    assert_eq!(explored.table(), [(order, "hang")], "{}", explored.stderr);
    let order = &explored.orders()[0];
    assert_eq!(order["problems"][0]["what"], "unbind does not end, though nothing is held");
    assert_eq!(order["replays"], true, "{}", explored.stderr);
}

/// A module that cannot be unloaded is left when all is torn down.
#[test]
fn a_leak_is_found_and_replayed() {
    let bench = Bench::new();
    let file = bench.file(
        "leak.toml",
        "about = \"t\"\ncards = [\"7260\"]\nhold = [\"$opmode\"]\n\
         [[step]]\ndo = { modprobe-d = [\"remove iwlmvm /bin/false\"] }\n\
         [[step]]\ndo = \"coldplug\"\n",
    );
    let explored = explore(&bench, &[&file.to_string_lossy()]);
    assert_eq!(
        explored.table(),
        [("modprobe-d coldplug iwlmvm".to_owned(), "leak")],
        "{}",
        explored.stderr
    );
    let order = &explored.orders()[0];
    let what = text(&order["problems"][0]["what"]);
    assert!(what.starts_with("after the tear-down, modprobe -r iwlmvm: exit status"), "{what}");
    assert_eq!(order["replays"], true, "{}", explored.stderr);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["explore", "unbind-while-firmware-is-held", "--card", "7260", "--jobs", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    // The next order is on its way when one is told.
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains("fine:"))), "an order");
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill").args(["-INT", &pid]).status();
    assert!(status.expect("kill runs").success());
    lines.for_each(drop);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    bench.nothing_left();
}

#[test]
fn what_cannot_be_explored_is_bad_usage() {
    let bench = Bench::new();
    let output = bench.output(&["explore", "ungated"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("scenario ungated has no gates"), "{said}");
    let output = bench.output(&["explore", "opmode-load", "--hold", "$opmod"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no variable `$opmod`"), "{said}");
}
