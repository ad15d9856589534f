//! Guests restored from snapshots: what is seen is what a boot shows, whatever became of the
//! snapshot.

mod common;

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;

use common::{Bench, Run, text};

fn passed(run: &Run) {
    assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
}

/// The milestones of the hand-over in order, but for the ends of processes, which end when they
/// like. A snapshot has the modules loaded already that others ask for, with their files.
fn steps(run: &Run) -> Vec<String> {
    let all = run.only()["milestones"].as_array().expect("milestones");
    let own = |m: &&serde_json::Value| match text(&m["milestone"]) {
        "step-ended" | "modprobe-ended" | "module-loaded" | "module-unloaded" => false,
        "firmware-asked" | "firmware-given" | "firmware-refused" => {
            text(&m["name"]).starts_with("iwlwifi-")
        }
        _ => true,
    };
    all.iter().filter(own).map(|m| text(&m["milestone"]).to_owned()).collect()
}

fn memory_files(bench: &Bench) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(bench.snapshots()) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path());
    files.filter(|path| path.file_name().is_some_and(|name| name != "lock")).collect()
}

/// The first run of a kernel makes the snapshot, the second uses it, and both see what a guest
/// sees that had its card from power-on.
#[test]
fn a_restored_guest_takes_the_same_steps() {
    let bench = Bench::with_own_snapshots();
    let made = bench.run(&["--card", "7260"]);
    passed(&made);
    assert!(made.stderr.contains("once for its snapshot"), "{}", made.stderr);
    let used = bench.run(&["--card", "7260"]);
    passed(&used);
    assert!(!used.stderr.contains("the guest boots"), "{}", used.stderr);
    let cold = bench.run(&["--card", "7260", "--cold"]);
    passed(&cold);
    assert_eq!(text(&cold.only()["began"]), "cold");
    for restored in [&made, &used] {
        assert_eq!(text(&restored.only()["began"]), "restored");
        assert_eq!(steps(restored), steps(&cold));
        assert_eq!(
            restored.only()["guest"]["kernel_release"],
            cold.only()["guest"]["kernel_release"]
        );
    }
    // The guest's clock was measured after the restore: nothing stands before its start.
    assert_eq!(used.only()["snapshot"], made.only()["snapshot"]);
}

/// Whatever is done to the file, the run says so, makes it anew and passes.
#[test]
fn a_damaged_snapshot_is_made_anew() {
    let bench = Bench::with_own_snapshots();
    passed(&bench.run(&["--card", "7260"]));
    let memory = || {
        let mut files = memory_files(&bench).into_iter();
        files.find(|path| path.extension().is_some_and(|e| e == "memory")).expect("one")
    };
    let open = || std::fs::File::options().write(true).open(memory()).expect("opened");
    let damages: [(&str, &dyn Fn()); 2] = [
        ("bytes, and had", &|| open().set_len(1 << 20).expect("cut")),
        ("other content", &|| open().write_all_at(&[0xa5; 4096], 64 << 20).expect("written")),
    ];
    for (told, damage) in damages {
        damage();
        let run = bench.run(&["--card", "7260"]);
        passed(&run);
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(text(&run.only()["began"]), "restored");
        assert_eq!(memory_files(&bench).len(), 2, "a record and its file");
    }
}

/// QEMU refuses what the bench took for good: the run goes on all the same.
#[test]
fn a_snapshot_that_qemu_refuses_is_made_anew() {
    let bench = Bench::with_own_snapshots();
    passed(&bench.run(&["--card", "7260"]));
    // A file that is none of QEMU's, vouched for by its record.
    for path in memory_files(&bench) {
        if path.extension().is_some_and(|e| e == "memory") {
            std::fs::write(&path, b"not a snapshot").expect("written");
        }
    }
    for path in memory_files(&bench) {
        if path.extension().is_some_and(|e| e == "json") {
            let record = std::fs::read(&path).expect("read");
            let mut record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
            record["identity"]["bytes"] = 14.into();
            record["sha256"] = sha256("not a snapshot").into();
            std::fs::write(&path, record.to_string()).expect("written");
        }
    }
    let run = bench.run(&["--card", "7260"]);
    passed(&run);
    assert!(run.stderr.contains("cannot be used and is discarded"), "{}", run.stderr);
    assert_eq!(text(&run.only()["began"]), "restored");
}

fn sha256(content: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}

/// Two at once: one makes the snapshot, the other waits for it.
#[test]
fn two_runs_make_one_snapshot() {
    let bench = Bench::with_own_snapshots();
    let start = || {
        let mut command = bench.command(&["run", "--card", "7260", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let runs = [start(), start()].map(|child| child.wait_with_output().expect("it ends"));
    let mut keys = Vec::new();
    for output in runs {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(text(&document["runs"][0]["began"]), "restored");
        keys.push(document["runs"][0]["snapshot"].clone());
    }
    assert_eq!(keys[0], keys[1]);
    assert_eq!(memory_files(&bench).len(), 2, "a record and its file");
}

/// Where none can be kept, runs go on without, say so once and do not try again.
#[test]
fn a_run_that_can_keep_no_snapshot_boots() {
    let bench = Bench::with_own_snapshots();
    std::fs::write(bench.snapshots(), "in the way").expect("written");
    let run = bench.run(&["opmode-missing", "--card", "7260", "--repeat", "2"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr.matches("no snapshot can be made in ").count(), 1, "{}", run.stderr);
    for run in run.runs() {
        assert_eq!((text(&run["began"]), text(&run["verdict"]["outcome"])), ("cold", "passed"));
    }
}

/// The negative twin is as red from a snapshot as from power-on.
#[test]
fn a_restored_guest_fails_for_the_same_reason() {
    let bench = Bench::new();
    let run = bench.run(&["--card", "7260", "--fault", "never-alive", "--patience", "25"]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    assert_eq!(text(&run.only()["began"]), "restored");
    let failures = run.failures().join("\n");
    assert!(failures.contains("expected: alive (image = \"init\", valid = true)"), "{failures}");
}

/// A bench that is killed while it makes a snapshot leaves none, and no file.
#[test]
fn a_kill_while_the_snapshot_is_made_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    let bench = Bench::with_own_snapshots();
    for kill in ["-KILL", "-INT"] {
        let mut child = bench
            .command(&["run", "--card", "7260", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = stderr.lines().map_while(Result::ok);
        lines.find(|line| line.contains("once for its snapshot")).expect("it says so");
        // The file is there as soon as the guest's run has begun.
        while !bench.snapshots().join("lock").exists() {
            std::thread::yield_now();
        }
        let pid = child.id().to_string();
        std::process::Command::new("kill").args([kill, &pid]).status().expect("kill runs");
        child.wait().expect("collected");
        assert!(memory_files(&bench).is_empty(), "{kill}: {:?}", memory_files(&bench));
        bench.nothing_left();
    }
}
