//! What the tests of the program share.
#![allow(unreachable_pub, dead_code, reason = "each test program uses a part of it")]

pub mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program, with its runs in a directory of the test's own and its temporary files too, so
/// that the test can see what is left behind.
pub struct Bench {
    pub dir: tempfile::TempDir,
    cache: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().expect("temporary directory"), cache: None };
        std::fs::create_dir(bench.tmp()).expect("made");
        bench
    }

    /// With snapshots of its own; the rest of the cache is everybody's.
    pub fn with_own_snapshots() -> Bench {
        let mut bench = Bench::new();
        let shared = shared_cache();
        let own = bench.dir.path().join("cache");
        std::fs::create_dir(&own).expect("made");
        for entry in std::fs::read_dir(&shared).expect("the cache is filled").flatten() {
            // Each cache has its own lock and its own half-made things.
            if !["snapshots", "tmp", "lock"].iter().any(|own| entry.file_name() == *own) {
                let link = own.join(entry.file_name());
                std::os::unix::fs::symlink(entry.path(), link).expect("linked");
            }
        }
        bench.cache = Some(own);
        bench
    }

    /// Where its own snapshots are.
    pub fn snapshots(&self) -> PathBuf {
        self.cache.as_ref().expect("a cache of its own").join("snapshots")
    }

    pub fn tmp(&self) -> PathBuf {
        self.dir.path().join("tmp")
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(args)
            .env("IWLBENCH_RUNS", self.dir.path().join("runs"))
            .env("TMPDIR", self.tmp())
            .stdin(Stdio::null());
        if let Some(cache) = &self.cache {
            command.env("IWLBENCH_CACHE", cache);
        }
        command
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program runs")
    }

    /// `run … --json`: the exit code and the document.
    pub fn run(&self, args: &[&str]) -> Run {
        let mut all = vec!["run", "--json"];
        all.extend(args);
        let output = self.output(&all);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let document: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no JSON document ({error}); it said: {stderr}"));
        self.nothing_left();
        is_described(&document, &["`run --json`", "`run.json`"]);
        let runs = document["runs"].as_array().into_iter().flatten();
        let kernel_log = runs.map(|run| kernel_log(Path::new(text(&run["directory"])))).collect();
        Run { code: output.status.code(), stderr, kernel_log, document }
    }

    /// No temporary file or socket stays behind.
    pub fn nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.tmp()).expect("there").flatten().collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// The program under test. Tests that run from an archive find it elsewhere than it was built:
/// nextest says where.
fn program() -> PathBuf {
    let archived = std::env::var_os("NEXTEST_BIN_EXE_iwlbench").map(PathBuf::from);
    archived.unwrap_or_else(|| env!("CARGO_BIN_EXE_iwlbench").into())
}

/// As the bench finds it.
fn shared_cache() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("IWLBENCH_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("iwlbench")))
        .or_else(|| var("HOME").map(|home| home.join(".cache/iwlbench")))
        .expect("a place for the cache")
}

/// Whether something of this kind was unpacked into it before, for whatever kernel.
pub fn cache_holds(kind: &str) -> bool {
    let dir = std::fs::read_dir(shared_cache().join(kind));
    dir.is_ok_and(|mut dir| {
        dir.any(|entry| entry.is_ok_and(|entry| entry.path().join("manifest.json").is_file()))
    })
}

/// What a `run --json` came to.
pub struct Run {
    pub code: Option<i32>,
    pub stderr: String,
    /// The runs' kernel logs, one after the other.
    pub kernel_log: String,
    document: Value,
}

impl Run {
    pub fn runs(&self) -> &[Value] {
        self.document["runs"].as_array().expect("runs")
    }

    pub fn only(&self) -> &Value {
        assert_eq!(self.runs().len(), 1);
        &self.runs()[0]
    }

    pub fn outcome(&self) -> &str {
        self.only()["verdict"]["outcome"].as_str().expect("an outcome")
    }

    /// Milestones of a kind, in order.
    pub fn milestones(&self, kind: &str) -> Vec<&Value> {
        let all = self.only()["milestones"].as_array().expect("milestones");
        all.iter().filter(|m| m["milestone"] == kind).collect()
    }

    /// What the failed expectations say.
    pub fn failures(&self) -> Vec<String> {
        let all = self.only()["expectations"].as_array().expect("expectations");
        all.iter().filter_map(|e| e["failure"]["what"].as_str().map(str::to_owned)).collect()
    }
}

const OUTPUT: &str = include_str!("../../OUTPUT.md");

/// A document is of the format, and has no field, that OUTPUT.md does not tell of in these
/// sections.
pub fn is_described(document: &Value, sections: &[&str]) {
    let section = |title: &&str| {
        let head = format!("## {title}, format ");
        let rest = OUTPUT.split(&*head).nth(1).unwrap_or_else(|| panic!("no section `{title}`"));
        rest.split("\n## ").next().unwrap_or_default()
    };
    let texts: Vec<_> = sections.iter().map(section).collect();
    let format = texts[0].lines().next().unwrap_or_default();
    assert_eq!(document["format"].to_string(), format, "the format of {}", sections[0]);
    fields_are_in(document, &texts.concat());
}

fn fields_are_in(value: &Value, text: &str) {
    match value {
        Value::Array(all) => all.iter().for_each(|value| fields_are_in(value, text)),
        Value::Object(fields) => {
            for (field, value) in fields {
                assert!(
                    text.contains(&format!("`{field}`")),
                    "OUTPUT.md has no `{field}`: {value}"
                );
                // Their fields are described where it says; outcomes are no fields, nor are the cards
                // that firmware is told by.
                let by_card = field == "firmware" && value.is_object();
                if !by_card && !["milestones", "faults", "outcomes"].contains(&field.as_str()) {
                    fields_are_in(value, text);
                }
            }
        }
        _ => {}
    }
}

/// A JSON string; empty if it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn kernel_log(run: &Path) -> String {
    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("events.jsonl");
    let lines = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|event| event["kind"] == "kernel-log")
        .map(|event| format!("{}\n", text(&event["text"])))
        .collect()
}
