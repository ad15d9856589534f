//! `--trace`: what trace-cmd reads.

mod common;

use common::Bench;

/// How many events the guest's kernel has recorded, as its own counts in the file have it.
fn recorded(file: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(file);
    let counts = text.split("read events: ").skip(1);
    counts.filter_map(|rest| rest.lines().next()?.trim().parse::<u64>().ok()).sum()
}

#[test]
fn chosen_events_are_in_the_runs_directory_for_trace_cmd() {
    let bench = Bench::new();
    let run = bench.run(&["opmode-load", "--card", "7260", "--trace", "iwlwifi:*,iwlwifi_io:*"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let directory = run.only()["directory"].as_str().expect("a directory");
    let file = std::fs::read(format!("{directory}/trace.dat")).expect("a trace");
    assert!(file.starts_with(b"\x17\x08\x44tracing6\0"), "{:?}", &file[..16]);
    let text = String::from_utf8_lossy(&file);
    for expected in ["name: iwlwifi_dev_ioread32\n", "name: iwlwifi_dev_hcmd\n", "[mono]"] {
        assert!(text.contains(expected), "{expected}");
    }
    assert!(
        !text.contains("name: iwlwifi_dev_ucode_cont_event"),
        "of a system that nobody asked for"
    );
    // The card counts too, and cannot have had fewer than the driver traces.
    let card = &run.only()["card"];
    let accesses =
        card["reads"].as_u64().expect("reads") + card["writes"].as_u64().expect("writes");
    let events = recorded(&file);
    assert!((100..accesses + 100).contains(&events), "{events} events, {accesses} accesses");

    let again = run.only()["again"].as_str().expect("a command");
    assert!(again.contains("--trace 'iwlwifi:*,iwlwifi_io:*'"), "{again}");
}

#[test]
fn what_there_is_not_is_one_line_and_leaves_nothing() {
    let bench = Bench::new();
    for (wanted, says) in
        [("iwlwifi-io:*", "did you mean `iwlwifi_io:*`?"), ("iwlwifi_io", "SYSTEM:EVENT")]
    {
        let output = bench.output(&["run", "--card", "7260", "--trace", wanted]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
    let runs = std::fs::read_dir(bench.dir.path().join("runs")).into_iter().flatten();
    assert_eq!(runs.count(), 0, "a run that was none");
    bench.nothing_left();
}
