//! Guests and surroundings that mean no good: what they reach, and what becomes of the bench.

mod common;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::process::{kill, qemu_of, wait_ended};
use common::{Bench, text};

/// See `guest-images/agent/src/bin`.
const TROUBLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-trouble"));

/// The usual image and that program. The kernel unpacks one archive after the other.
fn troubled_image(bench: &Bench) -> PathBuf {
    let path = bench.dir.path().join("image.cpio");
    let output = bench.output(&["image", "-o", &path.to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut image = std::fs::File::options().append(true).open(&path).expect("made");
    let mut writer = cpio::newc::Builder::new("bin/guest-trouble")
        .mode(0o100_755)
        .ino(1)
        .write(&mut image, u32::try_from(TROUBLE.len()).expect("small"));
    writer.write_all(TROUBLE).expect("written");
    writer.finish().expect("written");
    cpio::newc::trailer(&mut image).expect("written");
    path
}

/// What flooding a guest came to.
struct Flood {
    bench: Bench,
    child: Child,
}

impl Flood {
    /// A guest whose card works and that then floods from these sources.
    fn start(sources: &[&str]) -> Flood {
        let bench = Bench::new();
        let image = troubled_image(&bench);
        let file = bench.file(
            "flood.toml",
            format!(
                "about = \"the guest says as much as it can\"\ncards = [\"7260\"]\npatience = 400\n\
                 [[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"netdev-registered\"\n\
                 [[step]]\ndo = {{ exec = [\"/bin/guest-trouble\", \"flood\", \"{}\"] }}\n\
                 start = true\n[[step]]\nawait = {{ milestone = \"kernel-trouble\", trouble = \"oops\" }}\n",
                sources.join("\", \"")
            ),
        );
        let (file, image) = (file.to_string_lossy(), image.to_string_lossy());
        let child = bench
            .command(&["run", &file, "--cold", "--json", "--image", &image])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Flood { bench, child }
    }

    /// What is kept of the run by now, in bytes.
    fn kept(&self) -> u64 {
        let runs = std::fs::read_dir(self.bench.dir.path().join("runs"));
        let runs = runs.into_iter().flatten().flatten();
        let size =
            |run: PathBuf| std::fs::metadata(run.join("events.jsonl")).map_or(0, |m| m.len());
        runs.map(|run| size(run.path())).sum()
    }

    fn until_kept(&mut self, bytes: u64) {
        let deadline = Instant::now() + Duration::from_secs(200);
        while self.kept() < bytes {
            assert!(self.child.try_wait().expect("ours").is_none(), "it has ended");
            assert!(Instant::now() < deadline, "no flood: {} bytes", self.kept());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its end: the exit code, the verdict.
    fn end(self) -> (Option<i32>, serde_json::Value) {
        let output = self.child.wait_with_output().expect("it ends");
        self.bench.nothing_left();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), document["runs"][0]["verdict"].clone())
    }
}

/// Everything that a guest can say, at once: its kernel, its console, its agent, the card. Who wants
/// it to end is heard.
#[test]
fn a_signal_is_heard_in_any_flood() {
    for (signal, want) in [("-INT", 130), ("-TERM", 143)] {
        let mut flood = Flood::start(&["kmsg", "console", "notes", "registers"]);
        flood.until_kept(4 << 20);
        let qemu = qemu_of(flood.child.id()).expect("a guest");
        let asked = Instant::now();
        kill(flood.child.id(), signal);
        wait_ended(qemu);
        assert!(asked.elapsed() < Duration::from_secs(2), "{signal}: {:?}", asked.elapsed());
        let (code, verdict) = flood.end();
        assert_eq!((code, text(&verdict["outcome"])), (Some(want), "interrupted"));
    }
}

/// What is no message ends the run soon, and says so.
#[test]
fn nonsense_from_the_agents_port_ends_the_run() {
    let (code, verdict) = Flood::start(&["lines"]).end();
    assert_eq!((code, text(&verdict["outcome"])), (Some(1), "flooded"), "{verdict}");
    let said = "the guest's agent sent more than 1000 lines that are no message";
    assert_eq!(text(&verdict["line"]), said);
}

/// Nor does a line that has no end last longer than that.
#[test]
fn a_line_without_an_end_ends_the_run() {
    let flood = Flood::start(&["line"]);
    let runs = flood.bench.dir.path().join("runs");
    let run = || std::fs::read_dir(&runs).ok()?.flatten().next().map(|run| run.path());
    let Flood { bench, child } = flood;
    let output = child.wait_with_output().expect("it ends");
    bench.nothing_left();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let (run, verdict) = (run().expect("a run"), &document["runs"][0]["verdict"]);
    assert_eq!(text(&verdict["outcome"]), "flooded", "{verdict}");
    let said = "the guest's agent sent more than 16 MiB in lines too long for any message";
    assert_eq!(text(&verdict["line"]), said);
    let timeline = std::fs::read_to_string(run.join("timeline.txt")).expect("written");
    for said in
        ["sends a line that is too long for any message", "bytes in lines that are too long"]
    {
        assert!(timeline.contains(said), "{said}");
    }
}

/// A kernel that complains on and on makes no progress: what is awaited has its patience, and no more.
#[test]
fn complaints_without_an_end_renew_no_patience() {
    let bench = Bench::new();
    let image = troubled_image(&bench);
    let file = bench.file(
        "bugs.toml",
        "about = \"the kernel's log has one BUG after the other\"\ncards = [\"7260\"]\npatience = 5\n\
         [[step]]\ndo = { exec = [\"/bin/guest-trouble\", \"flood\", \"bugs\"] }\n\
         start = true\n[[step]]\nawait = \"probe\"\n",
    );
    let (file, image) = (file.to_string_lossy(), image.to_string_lossy());
    let out = bench.dir.path().join("out");
    let mut child = bench
        .command(&["run", &file, "--cold", "--image", &image])
        .stdout(std::fs::File::create(&out).expect("made"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    while child.try_wait().expect("ours").is_none() {
        if began.elapsed() > Duration::from_secs(90) {
            kill(child.id(), "-TERM");
            let _ = child.wait();
            panic!("it waits on and on");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let said = std::fs::read_to_string(out).expect("written");
    assert_eq!(child.wait().expect("it has ended").code(), Some(1), "{said}");
    assert!(said.contains("the kernel complains"), "{said}");
    bench.nothing_left();
}

/// To the limits of what is kept of a run: hundreds of megabytes, minutes.
#[test]
#[ignore = "long: scripts/test-long"]
fn a_flood_ends_at_its_limits() {
    for (source, by) in [("registers", "by card"), ("notes", "by agent")] {
        let flood = Flood::start(&[source]);
        let status = PathBuf::from(format!("/proc/{}/status", flood.child.id()));
        let watch = std::thread::spawn(move || most_memory(&status));
        let (code, verdict) = flood.end();
        assert_eq!((code, text(&verdict["outcome"])), (Some(1), "flooded"), "{verdict}");
        assert!(text(&verdict["line"]).contains(by), "{verdict}");
        let most = watch.join().expect("watched");
        assert!(most < 2 << 20, "{source}: {most} KiB");
    }
}

/// The most that a process has had in memory until it ends, in KiB.
fn most_memory(status: &Path) -> u64 {
    let mut most = 0;
    while let Ok(text) = std::fs::read_to_string(status) {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(line) = line else { break };
        let number = line.split_whitespace().next().and_then(|n| n.parse().ok());
        most = most.max(number.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(50));
    }
    most
}

/// QEMU, which the guest talks to, filters its system calls, and can still make and read snapshots.
#[test]
fn qemu_runs_in_its_sandbox() {
    let bench = Bench::with_own_snapshots();
    // One makes a snapshot, one restores it.
    for _ in 0..2 {
        let run = bench.run(&["opmode-load", "--card", "7260"]);
        assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
        assert_eq!(text(&run.only()["began"]), "restored", "{}", run.stderr);
        let directory = PathBuf::from(text(&run.only()["directory"]));
        let args = std::fs::read_to_string(directory.join("qemu.args")).expect("written");
        let sandbox = "-sandbox 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,\
                       resourcecontrol=deny'";
        assert!(args.contains(sandbox), "{args}");
    }
    let mut child = bench
        .command(&["run", "never-alive", "--card", "7260", "--cold"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let filtered = loop {
        let status = qemu_of(child.id())
            .and_then(|qemu| std::fs::read_to_string(format!("/proc/{qemu}/status")).ok());
        // Before it has started it has none.
        if status.is_some_and(|status| status.contains("Seccomp:\t2")) {
            break true;
        }
        if Instant::now() > deadline {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    kill(child.id(), "-INT");
    child.wait().expect("it ends");
    assert!(filtered, "QEMU has no filter");
}

/// The kit's QEMU behind a script that knows no `-sandbox`.
fn qemu_without_a_sandbox(bench: &Bench) -> PathBuf {
    let cache = guest_kit::CacheDir::from_env().expect("a cache directory");
    let options = guest_kit::KitOptions::default();
    let kit = guest_kit::Kit::new(cache, options, Box::new(guest_kit::Silent));
    let qemu = kit.qemu().expect("a QEMU").0;
    let quoted = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(" ");
    let env =
        quoted(&mut qemu.env.iter().map(|(key, value)| {
            format!("{}='{}'", key.to_string_lossy(), value.to_string_lossy())
        }));
    let argv = quoted(&mut qemu.argv.iter().map(|word| format!("'{}'", word.to_string_lossy())));
    let dir = bench.dir.path().join("path");
    std::fs::create_dir(&dir).expect("made");
    let program = dir.join("qemu-system-x86_64");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != -sandbox ] || exit 1\ncase \"$*\" in *' -sandbox '*) exit 1;; esac\n\
         exec env {env} {argv} \"$@\"\n"
    );
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("set");
    dir
}

#[test]
fn a_qemu_without_a_sandbox_is_told_of_once() {
    let bench = Bench::with_own_snapshots();
    let path = qemu_without_a_sandbox(&bench);
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default());
    let output = bench
        .command(&["matrix", "opmode-load", "--card", "7260", "--kernel", "default,default"])
        .env("PATH", path)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let note = "QEMU runs without its sandbox: this QEMU was built without seccomp";
    assert_eq!(said.matches(note).count(), 1, "{said}");
}

/// A terminal that is stopped holds up nobody: the runs end, a signal is heard.
#[test]
fn a_stopped_terminal_holds_up_nothing() {
    let run = &["run", "opmode-load", "--card", "7260", "-v", "--repeat", "3"][..];
    let matrix = &["matrix", "opmode-load", "--card", "7260", "-j", "1", "--repeat", "3"][..];
    for (args, signal, code) in [(run, "-INT", 130), (run, "-TERM", 143), (matrix, "-TERM", 143)] {
        let bench = Bench::new();
        let mut pty = Pty::new();
        pty.stop();
        let mut child = pty.spawn(&mut bench.command(args));
        let deadline = Instant::now() + Duration::from_secs(120);
        while judged(&bench.dir.path().join("runs")) < 3 {
            assert!(Instant::now() < deadline, "{args:?} does not come to its end");
            std::thread::sleep(Duration::from_millis(50));
        }
        // What is left is to print, to a terminal that is stopped.
        let asked = Instant::now();
        kill(child.id(), signal);
        let status = child.wait().expect("it ends");
        assert!(asked.elapsed() < Duration::from_secs(1), "{args:?}: {:?}", asked.elapsed());
        assert_eq!(status.code(), Some(code), "{args:?}");
        bench.nothing_left();
    }
}

/// How many runs there are in a directory, or in that of a matrix, that have come to a verdict.
fn judged(runs: &Path) -> usize {
    let runs = std::fs::read_dir(runs).into_iter().flatten().flatten().map(|run| run.path());
    runs.filter(|run| run.is_dir())
        .map(|run| usize::from(run.join("run.json").exists()) + judged(&run))
        .sum()
}

/// A signal's exit code is a shell's, whatever is done; on a terminal that is stopped, too.
#[test]
fn the_exit_code_tells_the_signal() {
    let waits = "about = \"it waits\"\ncards = [\"7260\"]\npatience = 400\n[[step]]\n\
                 await = \"netdev-registered\"\n";
    let seconds = ["soak", "--card", "7260", "--seconds", "400"];
    for (args, signal, code) in [
        (&["run", "FILE"][..], "-TERM", 143),
        (&["run", "FILE"], "-HUP", 129),
        (&["run", "FILE"], "-QUIT", 131),
        (&["matrix", "FILE"], "-TERM", 143),
        (&["matrix", "FILE"], "-INT", 130),
        (&["explore", "FILE"], "-TERM", 143),
        (&["sweep"], "-TERM", 143),
        (&seconds, "-TERM", 143),
    ] {
        for stopped in [false, true] {
            let bench = Bench::new();
            let file = bench.file("waits.toml", waits);
            let file = file.to_string_lossy();
            let args: Vec<_> = args.iter().map(|arg| arg.replace("FILE", &file)).collect();
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let mut pty = Pty::new();
            if stopped {
                pty.stop();
            }
            let mut child = pty.spawn(&mut bench.command(&args));
            let deadline = Instant::now() + Duration::from_secs(60);
            while args[0] != "soak" && qemu_of(child.id()).is_none() {
                assert!(Instant::now() < deadline, "{args:?}: no guest");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(500));
            let asked = Instant::now();
            kill(child.id(), signal);
            let status = child.wait().expect("it ends");
            let took = asked.elapsed();
            assert_eq!(status.code(), Some(code), "{args:?} {signal} {stopped}");
            assert!(took < Duration::from_millis(1500), "{args:?} {signal} {stopped}: {took:?}");
            bench.nothing_left();
        }
    }
}

/// Without a word to anybody.
#[test]
fn a_guest_that_ends_in_the_middle_says_how() {
    let bench = Bench::new();
    let image = troubled_image(&bench);
    let image = image.to_string_lossy();
    for (how, outcome) in [
        ("power-off", "guest-powered-off"),
        ("halt", "guest-hung"),
        ("reset", "guest-reset"),
        ("crash", "guest-panicked"),
    ] {
        let file = bench.file(
            "end.toml",
            format!(
                "about = \"the guest ends\"\ncards = [\"7260\"]\npatience = 5\n[[step]]\n\
                 do = \"coldplug\"\n[[step]]\nawait = \"firmware-asked\"\n[[step]]\n\
                 do = {{ exec = [\"/bin/guest-trouble\", \"end\", \"{how}\"] }}\n"
            ),
        );
        let run = bench.run(&[&file.to_string_lossy(), "--cold", "--image", &image]);
        assert_eq!(
            (run.code, run.outcome()),
            (Some(1), outcome),
            "{how}: {}",
            run.only()["verdict"]
        );
    }
}

/// What a guest writes into a card's configuration space under its driver is that guest's affair, and no
/// card stops serving for it. (QEMU 11.1.3 aborts where MSI-X is switched in an order that it does not
/// expect; that is told as such.)
#[test]
fn any_word_of_the_configuration_space_is_taken() {
    let bench = Bench::new();
    let image = troubled_image(&bench);
    let file = bench.file(
        "config.toml",
        "about = \"the guest writes what it likes\"\ncards = [\"7260\", \"be200\"]\npatience = 5\n\
         [[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"netdev-registered\"\n[[step]]\n\
         do = { exec = [\"/bin/guest-trouble\", \"flood\", \"config\"] }\n[[step]]\n\
         await = \"netdev-removed\"\n",
    );
    let (file, image) = (file.to_string_lossy(), image.to_string_lossy());
    let run = bench.run(&[&file, "--cold", "--image", &image]);
    for run in run.runs() {
        let outcome = text(&run["verdict"]["outcome"]);
        assert_ne!(outcome, "card-stopped", "{}", run["verdict"]);
        if outcome == "qemu-died" {
            let directory = Path::new(text(&run["directory"]));
            let said = std::fs::read_to_string(directory.join("qemu.stderr")).expect("written");
            assert!(said.contains("msix_unset_vector_notifiers: Assertion"), "{said}");
        }
    }
}

/// A terminal of the test's own.
struct Pty {
    ours: std::fs::File,
    theirs: std::fs::File,
}

impl Pty {
    fn new() -> Pty {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("text");
        let theirs = std::fs::File::options().read(true).write(true).open(name).expect("open");
        Pty { ours: ours.into(), theirs }
    }

    fn spawn(&self, command: &mut Command) -> Child {
        let end = || self.theirs.try_clone().expect("a descriptor");
        command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the program starts")
    }

    /// Ctrl-S.
    fn stop(&mut self) {
        self.ours.write_all(b"\x13").expect("written");
    }
}
