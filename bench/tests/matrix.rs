//! `iwlbench matrix`: what it plays it tells, in every form, also when it fails, is stopped or is
//! not alone.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use common::process::{kill, qemu_of, wait_ended};
use common::{Bench, is_described, text};
use serde_json::Value;

/// Fails each time, for a reason of its own.
const NO_PROBE: &str = r#"
about = "a driver that never touches the card, which it does"
cards = ["7260"]
[[step]]
do = "coldplug"
[[step]]
await = "probe"
[[expect]]
that = "the driver stays away"
never = "probe"
"#;

/// A matrix that has ended.
struct Matrix {
    directory: PathBuf,
    document: Value,
    stderr: String,
    code: Option<i32>,
}

impl Matrix {
    fn of(output: &Output) -> Matrix {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let document: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no JSON document ({error}); it said: {stderr}"));
        let directory = text(&document["directory"]).into();
        Matrix { directory, document, stderr, code: output.status.code() }
    }

    fn cells(&self) -> &[Value] {
        self.document["cells"].as_array().expect("cells")
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).expect(name)
    }

    /// Each run that the page leads to has a page of its own.
    fn pages_are_there(&self) {
        let page = self.file("report.html");
        let linked = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for address in linked {
            assert!(self.directory.join(address).is_file(), "no {address}");
        }
    }
}

fn matrix(bench: &Bench, args: &[&str]) -> Matrix {
    let mut all = vec!["matrix", "--json"];
    all.extend(args);
    let matrix = Matrix::of(&bench.output(&all));
    bench.nothing_left();
    is_described(&matrix.document, &["`matrix.json` and `matrix --json`"]);
    matrix
}

fn outcomes(cell: &Value) -> Vec<&str> {
    let attempts = cell["attempts"].as_array().expect("attempts");
    attempts.iter().map(|attempt| text(&attempt["outcome"])).collect()
}

/// Reads a level of KTAP by the rules of the kernel's `kunit_parser.py`: version, name, plan, as many
/// results as planned, numbered from 1; what a level sums up has its name, and is good if all of it is.
/// Whether the level is good.
fn is_ktap<'l>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'l str> + Clone>,
    depth: usize,
) -> Result<bool, String> {
    let indent = " ".repeat(4 * depth);
    let mut next = || lines.next_if(|line| line.starts_with(&indent)).map(|l| &l[indent.len()..]);
    if next() != Some("KTAP version 1") {
        return Err(format!("level {depth} has no version"));
    }
    let plan = next().map(|line| if line.starts_with("# Subtest: ") { next() } else { Some(line) });
    let plan = plan.flatten().and_then(|line| line.strip_prefix("1..")).ok_or("no plan")?;
    let planned: usize = plan.parse().map_err(|_| format!("plan {plan}"))?;
    let (mut good, mut results) = (true, 0);
    while results < planned {
        let line = lines.peek().copied().ok_or("fewer results than planned")?;
        let own = line.strip_prefix(&indent).ok_or_else(|| format!("depth of `{line}`"))?;
        let inner = match own.strip_prefix("    KTAP") {
            Some(_) => {
                let name =
                    lines.clone().nth(1).and_then(|line| line.trim().strip_prefix("# Subtest: "));
                Some((is_ktap(lines, depth + 1)?, name.unwrap_or_default().to_owned()))
            }
            None => None,
        };
        let line = loop {
            let line = lines.next().ok_or("fewer results than planned")?;
            let line = line.strip_prefix(&indent).ok_or_else(|| format!("depth of `{line}`"))?;
            if !line.starts_with('#') {
                break line;
            }
        };
        results += 1;
        let (ok, rest) = match line.strip_prefix("not ") {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let told =
            rest.strip_prefix(&format!("ok {results} ")).ok_or_else(|| format!("`{line}`"))?;
        if let Some((all, name)) = inner
            && (ok, told) != (all, &*name)
        {
            return Err(format!("`{line}` sums up `{name}`, which is good: {all}"));
        }
        good &= ok;
    }
    Ok(good)
}

#[test]
fn every_verdict_is_told_in_every_form() {
    let bench = Bench::new();
    let failing = bench.file("no-probe.toml", NO_PROBE);
    let copy = |name: &str| bench.dir.path().join(name).to_string_lossy().into_owned();
    let (junit, ktap) = (copy("copy.xml"), copy("copy.ktap"));
    let matrix = matrix(
        &bench,
        &["opmode-missing", &failing.to_string_lossy(), "--card", "7260", "--retries", "1"]
            .into_iter()
            .chain(["--junit", &junit, "--ktap", &ktap, "--jobs", "1"])
            .collect::<Vec<_>>(),
    );
    assert_eq!(matrix.code, Some(1), "{}", matrix.stderr);
    let cells: Vec<_> = matrix.cells().iter().map(outcomes).collect();
    assert_eq!(cells, [vec!["passed"], vec!["failed", "failed"]], "{}", matrix.stderr);
    assert_eq!(matrix.document["flaky"], 0, "failing twice is no flake");
    let kernel = text(&matrix.cells()[1]["kernel"]);
    assert!(
        matrix.stderr.contains(&format!("no-probe 7260 {kernel}: failed: ")),
        "{}",
        matrix.stderr
    );
    let kept: Value = serde_json::from_str(&matrix.file("matrix.json")).expect("JSON");
    assert_eq!(kept, matrix.document);

    let xml = matrix.file("junit.xml");
    for part in [
        r#"<testsuite name="opmode-missing" tests="1" skipped="0" errors="0" failures="0">"#,
        r#"<testsuite name="no-probe" tests="1" skipped="0" errors="0" failures="1">"#,
        "<rerunFailure ",
        "✗ the driver stays away",
    ] {
        assert!(xml.contains(part), "no {part} in {xml}");
    }
    assert_eq!(std::fs::read_to_string(junit).expect("the copy"), xml);

    let ktap_text = matrix.file("results.ktap");
    for line in ["ok 1 opmode-missing", "not ok 2 no-probe"] {
        assert!(ktap_text.lines().any(|l| l == line), "no `{line}` in {ktap_text}");
    }
    assert!(ktap_text.contains("# an earlier attempt: failed"), "{ktap_text}");
    let mut lines = ktap_text.lines().peekable();
    assert!(!is_ktap(&mut lines, 0).expect("KTAP"), "a failure is one at every level");
    assert_eq!(lines.next(), None);
    assert_eq!(std::fs::read_to_string(ktap).expect("the copy"), ktap_text);

    let page = matrix.file("report.html");
    assert!(page.contains("1 of 2 passed") && page.contains("the driver stays away"));
    assert_eq!(page.matches("data-place=\"").count(), 2, "two places");
    assert_eq!(page.matches("tried again:").count(), 1, "the second attempt is told as such");
    matrix.pages_are_there();

    // The directory is enough to make it all again, also as the last thing that was done.
    let directory = matrix.directory.to_string_lossy();
    let again = bench.output(&["report", &directory, "--format", "junit"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), xml);
    std::fs::remove_file(matrix.directory.join("report.html")).expect("there");
    assert!(bench.output(&["report", "last"]).status.success());
    assert_eq!(matrix.file("report.html"), page);
}

/// Starts a matrix; its lines on standard error come one by one.
fn started(bench: &Bench, args: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut all = vec!["matrix", "--json"];
    all.extend(args);
    let mut child = bench
        .command(&all)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    (child, stderr.lines().map_while(Result::ok))
}

/// The matrix' guest, once it has one.
fn guest_of(child: &Child) -> u32 {
    for _ in 0..12_000 {
        if let Some(qemu) = qemu_of(child.id()) {
            return qemu;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no QEMU came");
}

/// It plays again and again until the time is up, ends what has begun, and counts.
#[test]
fn a_matrix_ends_when_its_time_is_up() {
    let bench = Bench::new();
    let args = ["opmode-missing", "--card", "7260", "--until-time", "5s", "--jobs", "1"];
    let matrix = matrix(&bench, &args);
    assert_eq!(matrix.code, Some(0), "{}", matrix.stderr);
    let verdicts = matrix.cells().len();
    assert!((1..100).contains(&verdicts), "{verdicts}");
    assert_eq!(matrix.document["first_try"], verdicts);
    assert_eq!(matrix.document["unexplained"], 0);
    assert_eq!(matrix.document["interrupted"], false);
}

/// The first attempt loses its QEMU, the second passes: that is a pass, and it is not hidden.
#[test]
fn what_passes_only_when_tried_again_is_flaky() {
    let bench = Bench::new();
    let (child, mut lines) =
        started(&bench, &["opmode-missing", "--card", "7260", "--cold", "--jobs", "1"]);
    kill(guest_of(&child), "-KILL");
    let told: Vec<String> = lines.by_ref().collect();
    let matrix = Matrix::of(&child.wait_with_output().expect("it ends"));
    assert_eq!(matrix.code, Some(0), "{told:?}");
    let cell = &matrix.cells()[0];
    assert_eq!(outcomes(cell), ["qemu-died", "passed"]);
    assert_eq!((&cell["flaky"], &matrix.document["flaky"]), (&true.into(), &1.into()));
    assert!(told.iter().any(|line| line.contains("flaky: it passed when tried again")), "{told:?}");
    assert!(matrix.file("junit.xml").contains(r#"<flakyError message="#));
    assert!(matrix.file("results.ktap").contains("# an earlier attempt: qemu-died"));
    assert!(matrix.file("results.ktap").contains("verdict passed when tried again (flaky)\n"));
    let page = matrix.file("report.html");
    assert!(page.contains("1 of 1 passed, 1 of them only when tried again (flaky)"));
    assert!(page.contains(r#"<a class="flaky""#));
    matrix.pages_are_there();
}

/// Ctrl-C: the guest ends, what was found is kept, what was not played is said.
#[test]
fn a_stopped_matrix_keeps_what_it_found() {
    let bench = Bench::new();
    let (child, mut lines) =
        started(&bench, &["opmode-missing", "--card", "7260", "--repeat", "50", "--jobs", "1"]);
    lines.find(|line| line.contains("1/50")).expect("the first verdict");
    let qemu = guest_of(&child);
    kill(child.id(), "-INT");
    let told: Vec<String> = lines.collect();
    let matrix = Matrix::of(&child.wait_with_output().expect("it ends"));
    assert_eq!(matrix.code, Some(130), "{told:?}");
    wait_ended(qemu);
    bench.nothing_left();
    assert!(told.iter().any(|line| line.contains("interrupted")), "{told:?}");
    let played = matrix.cells().len();
    assert!((1..50).contains(&played), "{played}");
    assert_eq!(matrix.document["interrupted"], true);
    assert_eq!(matrix.file("junit.xml").matches("<testcase ").count(), played);
    let page = matrix.file("report.html");
    assert!(page.contains(&format!("{} not played", 50 - played)), "{played}");
    assert!(page.contains("<strong>interrupted</strong>"));
}

/// A matrix that is killed leaves what it knew, and a report can be made of it.
#[test]
fn a_killed_matrix_can_be_reported() {
    let bench = Bench::new();
    let (mut child, mut lines) =
        started(&bench, &["opmode-missing", "--card", "7260", "--repeat", "50", "--jobs", "1"]);
    lines.find(|line| line.contains("2/50")).expect("the second verdict");
    let qemu = guest_of(&child);
    kill(child.id(), "-KILL");
    child.wait().expect("it ends");
    wait_ended(qemu);
    bench.nothing_left();
    let runs = std::fs::read_dir(bench.dir.path().join("runs")).expect("there").flatten();
    let directory = runs.map(|entry| entry.path()).next().expect("the matrix");
    let output = bench.output(&["report", &directory.to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(directory.join("report.html")).expect("the page");
    assert!(page.contains("<strong>interrupted</strong>") && page.contains("not played"));
}

/// What a kernel was built without plays nowhere, and every form says so.
#[test]
fn what_the_kernel_lacks_is_left_out() {
    let bench = Bench::new();
    let needy =
        NO_PROBE.replacen("[[step]]\ndo", "needs = [\"CONFIG_OF_NO_KERNEL\"]\n[[step]]\ndo", 1);
    let needy = bench.file("needy.toml", needy);
    let needy = needy.to_str().expect("a path");
    let matrix = matrix(&bench, &[needy, "opmode-missing", "--card", "7260"]);
    assert_eq!((matrix.code, matrix.cells().len()), (Some(0), 1), "{}", matrix.stderr);
    let left_out = &matrix.document["left_out"];
    assert_eq!((text(&left_out[0]["scenario"]), &left_out[1]), ("needy", &Value::Null));
    let reason = "was built without CONFIG_OF_NO_KERNEL";
    assert!(text(&left_out[0]["reason"]).ends_with(reason), "{left_out}");
    for (file, before) in [
        ("junit.xml", "<skipped message=\"kernel "),
        ("results.ktap", "    ok 1 7260 / "),
        ("report.html", "needy 7260: kernel "),
    ] {
        let text = matrix.file(file);
        let found = text.lines().any(|line| line.contains(before) && line.contains(reason));
        assert!(found, "{file}: {text}");
    }
    let alone = bench.output(&["run", needy]);
    let said = String::from_utf8_lossy(&alone.stderr);
    assert!(alone.status.code() == Some(125) && said.contains(reason), "{said}");
}

/// Each kernel is a column of its own, and no result is taken for the other's.
#[test]
#[ignore = "fetches another kernel"]
fn two_kernels_are_told_apart() {
    let bench = Bench::new();
    let matrix = matrix(&bench, &["opmode-load", "--card", "7260", "--kernel", "default,6.12"]);
    assert_eq!(matrix.code, Some(0), "{}", matrix.stderr);
    let kernels: Vec<_> = matrix.cells().iter().map(|cell| text(&cell["kernel"])).collect();
    assert!(kernels.len() == 2 && kernels[1].starts_with("6.12."), "{kernels:?}");
    assert_ne!(kernels[0], kernels[1]);
    let page = matrix.file("report.html");
    for (kernel, cell) in kernels.iter().zip(matrix.cells()) {
        let column = format!("<th class=\"first\" colspan=\"1\">{kernel}</th>");
        assert!(page.contains(&column), "no {column}");
        let name = text(&cell["attempts"][0]["directory"]);
        let run = std::fs::read(matrix.directory.join(name).join("run.json")).expect("a run");
        let run: Value = serde_json::from_slice(&run).expect("JSON");
        assert_eq!(text(&run["kernel"]["release"]), *kernel);
        let result = format!(r#"<testcase name="7260 / {kernel} / "#);
        assert!(matrix.file("junit.xml").contains(&result), "no {result}");
    }
}

/// Two with one cache and one place for the results: neither sees anything of the other.
#[test]
fn two_at_once_are_both_right() {
    let bench = Bench::with_own_snapshots();
    let args = ["opmode-load", "--card", "7260,6205", "--jobs", "1"];
    let both = [started(&bench, &args), started(&bench, &args)];
    let both = both.map(|(child, lines)| {
        let told: Vec<String> = lines.collect();
        (Matrix::of(&child.wait_with_output().expect("it ends")), told)
    });
    bench.nothing_left();
    assert_ne!(both[0].0.directory, both[1].0.directory);
    for (matrix, told) in &both {
        assert_eq!(matrix.code, Some(0), "{told:?}");
        assert_eq!(matrix.document["passed"], 2, "{told:?}");
        let runs = std::fs::read_dir(&matrix.directory).expect("there").flatten();
        assert_eq!(runs.filter(|entry| entry.path().is_dir()).count(), 2);
        matrix.pages_are_there();
    }
    assert_eq!(snapshots(&bench.snapshots()), 1, "the second uses what the first made");
}

fn snapshots(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory).expect("there").flatten();
    files.filter(|file| file.path().extension().is_some_and(|e| e == "memory")).count()
}
