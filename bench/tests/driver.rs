//! `--driver`: the kernel's driver with a small change. What has to be fetched for that, some 170 MB of
//! source and 84 MB of compiler and headers for each kernel, is fetched only when asked for:
//!
//! ```sh
//! cargo nextest run --release -p iwlbench --run-ignored only -E 'binary(driver)'
//! ```

mod common;

use std::process::Output;

use common::{Bench, text};
use serde_json::Value;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Each is said in a line, before anything is fetched or booted.
#[test]
fn what_is_no_driver_or_not_one_of_this_kernel_is_bad_usage() {
    let bench = Bench::new();
    for (args, says) in [
        (&["run", "--driver", "sync-verfy"][..], "did you mean `sync-verify`?"),
        (&["run", "--driver", "all"], "iwlbench matrix"),
        (&["matrix", "--driver", "stock,nowait-"], "there is no driver `nowait-`"),
        (&["explore", "opmode-load", "--driver", "none"], "there is no driver `none`"),
        (&["run", "--driver", "nowait", "--kernel", "6.1"], "not for kernel 6.1"),
    ] {
        let output = bench.output(&[args, &["--offline"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{args:?}: {said}");
    }
    bench.nothing_left();
}

#[test]
fn the_list_has_them() {
    let list = Bench::new().output(&["list", "--json"]).stdout;
    let list: Value = serde_json::from_slice(&list).expect("JSON");
    let names: Vec<_> =
        list["drivers"].as_array().expect("drivers").iter().map(|d| text(&d["name"])).collect();
    assert!(names.starts_with(&["stock"]) && names.contains(&"nowait-verify-mail"), "{names:?}");
}

/// What each is seen to do, scenario by scenario, and that a fault of it is named.
#[test]
#[ignore = "fetches a kernel's source, headers and compiler"]
fn each_option_does_what_it_is_known_for() {
    let bench = Bench::new();
    let args = ["matrix", "--json", "--card", "7260", "--retries", "0", "--jobs", "2", "--driver"];
    let scenarios = ["opmode-load", "modprobe-lies", "modprobe-slow"];
    let output = bench.output(&[&args[..], &["all"], &scenarios].concat());
    let matrix: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (red, green) = (Some, None);
    for (driver, wanted) in [
        ("stock", [("loaded", green), ("silent", green), ("loaded", green)]),
        ("sync-print", [("loaded", green), ("silent", red("is silent")), ("loaded", green)]),
        ("sync-verify", [("loaded", green), ("let-go", green), ("loaded", green)]),
        (
            "nowait-verify",
            [("loaded", green), ("let-go", green), ("false-alarm", red("a false alarm"))],
        ),
        ("nowait", [("loaded", green), ("silent", red("is silent")), ("loaded", green)]),
        (
            "locked-sync",
            [
                ("hang", red("deadlock: ")),
                ("silent", red("is silent")),
                ("hang", red("iwl_opmode_register")),
            ],
        ),
    ] {
        for (scenario, (seen, line)) in scenarios.iter().zip(wanted) {
            let mut cells = matrix["cells"].as_array().expect("cells").iter();
            let cell = cells.find(|c| c["driver"] == driver && c["scenario"] == *scenario);
            let attempt = &cell.expect("it was played")["attempts"][0];
            let told = format!("{driver} {scenario}: {attempt}");
            assert_eq!(attempt["seen"], seen, "{told}");
            assert_eq!(attempt["outcome"] == "passed", line.is_none(), "{told}");
            assert!(line.is_none_or(|words| text(&attempt["line"]).contains(words)), "{told}");
        }
    }
    bench.nothing_left();
}
