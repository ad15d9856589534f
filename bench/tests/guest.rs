//! Real guests: the stock kernel, its own iwlwifi, the emulated card. Each scenario, and for each
//! thing it guards a run in which just that is broken.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use common::process::{kill, qemu_of, wait_ended};
use common::{Bench, text};

/// Long enough for a step on a loaded machine, short enough to wait for in vain.
const PATIENCE: &str = "25";

#[test]
fn opmode_load_7260() {
    let run = Bench::new().run(&["opmode-load", "--card", "7260"]);
    assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
    // What the scenario asserts, read from the document that scripts get.
    let names: Vec<_> = run.milestones("firmware-asked").iter().map(|m| text(&m["name"])).collect();
    assert_eq!(names, ["iwlwifi-7260-17.ucode"]);
    assert_eq!(text(&run.milestones("opmode-asked")[0]["module"]), "iwlmvm");
    assert_eq!(run.milestones("section-uploaded").len(), 2);
    assert_eq!(text(&run.milestones("netdev-registered")[0]["interface"]), "wlan0");
    assert!(run.kernel_log.contains("op_mode iwlmvm"), "the driver's own word");
}

#[test]
fn opmode_load_6205() {
    let run = Bench::new().run(&["opmode-load", "--card", "6205"]);
    assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
    let images: Vec<_> = run.milestones("alive").iter().map(|m| text(&m["image"])).collect();
    assert_eq!(images, ["init", "runtime"]);
    let registered = run.milestones("netdev-registered")[0]["seq"].as_u64();
    let uploaded = run.milestones("section-uploaded")[0]["seq"].as_u64();
    assert!(registered < uploaded, "iwldvm uploads at ifup only");
}

#[test]
fn opmode_missing() {
    for card in ["7260", "6205"] {
        let run = Bench::new().run(&["opmode-missing", "--card", card]);
        assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
    }
}

#[test]
fn firmware_missing() {
    for card in ["7260", "6205"] {
        let run = Bench::new().run(&["firmware-missing", "--card", card]);
        assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
        assert!(run.kernel_log.contains("no suitable firmware found!"));
    }
}

/// What an oops has killed is not waited for until patience ends; the trace is shown whole.
#[test]
fn an_oops_ends_the_wait() {
    let bench = Bench::new();
    let file = bench.file(
        "oops.toml",
        "about = \"t\"\ncards = [\"7260\"]\npatience = 600\n\
         [[firmware]]\nname = \"$firmware\"\ncorrupt = \"no-sections\"\n\
         [[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"netdev-registered\"\n\
         [[expect]]\nthat = \"t\"\neventually = \"netdev-registered\"\n",
    );
    let output = bench.output(&["run", &file.to_string_lossy()]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["BUG: kernel NULL pointer", "RIP: 0010:iwl_req_fw_callback", "Call Trace:"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

/// The negative twin of opmode-load: the module is not there.
#[test]
fn opmode_load_fails_without_the_opmode() {
    let run = Bench::new().run(&[
        "opmode-load",
        "--card",
        "7260",
        "--without",
        "iwlmvm",
        "--patience",
        PATIENCE,
    ]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"));
    let failures = run.failures().join("\n");
    assert!(failures.contains("expected: opmode-loaded"), "{failures}");
    assert!(failures.contains("opmode asked for: iwlmvm"), "{failures}");
}

/// The card's firmware never says ALIVE: the order breaks there, and nowhere before.
#[test]
fn opmode_load_fails_without_alive() {
    let run = Bench::new().run(&[
        "opmode-load",
        "--card",
        "7260",
        "--fault",
        "never-alive",
        "--patience",
        PATIENCE,
    ]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"));
    let failures = run.failures().join("\n");
    assert!(failures.contains("expected: alive (image = \"init\", valid = true)"), "{failures}");
    assert!(run.kernel_log.contains("Failed to run INIT ucode"), "the driver noticed");
}

/// A firmware file with a TLV that lies about its length: the driver refuses it, and says why.
#[test]
fn a_lying_tlv_is_the_drivers_to_refuse() {
    let bench = Bench::new();
    let file = bench.dir.path().join("lying.ucode");
    let path = file.to_string_lossy();
    let fault = "tlv-length=1:65536";
    let built = bench.output(&["ucode", "build", "--card", "7260", "--fault", fault, "-o", &path]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = bench.run(&["--card", "7260", "--firmware", &path, "--patience", "10"]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    assert!(run.kernel_log.contains("invalid TLV len: "), "{}", run.kernel_log);
    let failures = run.failures().join("\n");
    assert!(failures.contains("expected: opmode-asked"), "{failures}");
}

/// Starts a run from power-on and waits until it says this of its guest.
fn started(bench: &Bench, until: &str) -> (std::process::Child, u32) {
    started_with(bench, &["--cold"], until)
}

/// The same, with these arguments.
#[expect(clippy::zombie_processes, reason = "each caller waits for the child")]
fn started_with(bench: &Bench, more: &[&str], until: &str) -> (std::process::Child, u32) {
    let mut child = bench
        .command(&["run", "--card", "7260", "--json", "--patience", "5"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.as_mut().expect("piped")).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.contains(until) {
            break;
        }
    }
    // Another test may be booting the guest that this one restores.
    for _ in 0..12_000 {
        if let Some(qemu) = qemu_of(child.id()) {
            return (child, qemu);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no QEMU came");
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let bench = Bench::new();
    let (child, qemu) = started(&bench, "the guest is up");
    kill(child.id(), "-INT");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    wait_ended(qemu);
    bench.nothing_left();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["runs"][0]["verdict"]["outcome"], "interrupted");
}

#[test]
fn a_killed_bench_takes_its_guest_along() {
    let bench = Bench::new();
    let (mut child, qemu) = started(&bench, "the guest is up");
    child.kill().expect("killed");
    child.wait().expect("collected");
    wait_ended(qemu);
    bench.nothing_left();
}

/// A guest whose virtual CPUs all stand still.
#[test]
fn a_hung_guest_is_told_as_such() {
    let bench = Bench::new();
    let (child, qemu) = started(&bench, "the guest is up");
    kill(qemu, "-STOP");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["runs"][0]["verdict"]["outcome"], "guest-hung");
    wait_ended(qemu);
    bench.nothing_left();
}

/// Before the driver is in it, a guest that hangs says nothing about that: it is booted once again.
#[test]
fn a_guest_that_hangs_before_the_driver_comes_is_no_verdict() {
    let bench = Bench::new();
    let (child, qemu) = started_with(&bench, &["driver-blacklisted", "--cold"], "the guest boots");
    let runs = bench.dir.path().join("runs");
    let came_up = || {
        let runs = std::fs::read_dir(&runs).into_iter().flatten().flatten();
        let events =
            |run: std::fs::DirEntry| std::fs::read_to_string(run.path().join("events.jsonl"));
        runs.flat_map(events).any(|events| events.contains(r#""kind":"hello""#))
    };
    while !came_up() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    kill(qemu, "-STOP");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("with nothing of the driver in it"), "{said}");
    assert!(said.contains("trying once again") && output.status.code() == Some(0), "{said}");
    wait_ended(qemu);
    bench.nothing_left();
}

/// The bench's own trouble is not the driver's.
#[test]
fn a_dead_line_to_the_agent_is_told_as_such() {
    let bench = Bench::new();
    let file = bench.file(
        "dead.toml",
        "about = \"the agent loses its line\"\ncards = [\"7260\"]\n\n\
         [[step]]\ndo = { write = { path = \"/sys/bus/virtio/drivers/virtio_console/unbind\", \
         text = \"virtio0\" } }\n",
    );
    let run = bench.run(&[&file.to_string_lossy(), "--patience", "20"]);
    assert_eq!((run.code, run.outcome()), (Some(125), "environment"), "{}", run.stderr);
    let said = "the line to the guest's agent is dead, its agent's last word came at ";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

/// What the bench says while the kernel suspends: the pause is not the guest's end.
#[test]
fn what_is_said_to_a_guest_that_suspends_arrives() {
    let bench = Bench::new();
    let file = bench.file(
        "said.toml",
        r#"
about = "firmware is given while the kernel suspends"
cards = ["7260"]
[[firmware]]
delay = 2.0
[[step]]
do = "coldplug"
start = true
[[step]]
await = "firmware-asked"
[[step]]
do = { suspend = "devices" }
[[step]]
await = "netdev-registered"
"#,
    );
    let run = bench.run(&[&file.to_string_lossy()]);
    assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
}

/// Far more is said to a guest than its port holds, and it reads no more of it.
#[test]
fn a_guest_that_stops_reading_holds_up_nobody() {
    let bench = Bench::new();
    let text = "x".repeat(600_000);
    let file = bench.file(
        "much.toml",
        format!(
            "about = \"t\"\ncards = [\"7260\"]\n[[step]]\nrepeat = 100_000\n\
             [[step.step]]\ndo = {{ write = {{ path = \"/much\", text = \"{text}\" }} }}\n"
        ),
    );
    for (end, code, outcome) in [(None, 1, "guest-hung"), (Some("-TERM"), 143, "interrupted")] {
        let (child, qemu) = started_with(&bench, &[&file.to_string_lossy()], "the guest is up");
        kill(qemu, "-STOP");
        end.into_iter().for_each(|signal| kill(child.id(), signal));
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(code));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(document["runs"][0]["verdict"]["outcome"], outcome);
        wait_ended(qemu);
        bench.nothing_left();
    }
}

/// What ends a guest that had come up is told apart.
#[test]
fn a_panic_and_a_reset_are_told_apart() {
    let bench = Bench::new();
    // A step that is meant to reset it would wait for the next boot.
    let reset = "{ write = { path = \"/proc/sysrq-trigger\", text = \"b\" } }";
    for (step, outcome) in [("{ sysrq = \"c\" }", "guest-panicked"), (reset, "guest-reset")] {
        let scenario = format!(
            "about = \"the guest ends\"\ncards = [\"7260\"]\n\n\
             [[step]]\ndo = {step}\n\n[[step]]\nawait = \"unbound\"\n"
        );
        let file = bench.file("end.toml", scenario);
        let run = bench.run(&[&file.to_string_lossy(), "--patience", "20"]);
        assert_eq!((run.code, run.outcome()), (Some(1), outcome), "{}", run.stderr);
        // Which step that was; the panic's may have ended.
        let line = text(&run.only()["verdict"]["line"]);
        let word =
            if outcome == "guest-reset" { "during step 1 (write)" } else { "step 1 (sysrq)" };
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn a_dead_qemu_is_told_as_such() {
    let bench = Bench::new();
    let (child, qemu) = started(&bench, "the guest boots");
    kill(qemu, "-KILL");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(125));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdict = &document["runs"][0]["verdict"];
    assert_eq!(verdict["outcome"], "qemu-died");
    assert!(text(&verdict["line"]).contains("signal: 9"), "{verdict}");
    bench.nothing_left();
}

/// The image that `iwlbench image` makes, changed by hand.
fn edited_image(bench: &Bench, keep: impl Fn(&str) -> bool) -> std::path::PathBuf {
    let made = bench.dir.path().join("image.cpio");
    let output = bench.output(&["image", "-o", &made.to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut archive = std::fs::File::open(&made).expect("made");
    let edited = bench.dir.path().join("edited.cpio");
    let mut out = std::fs::File::create(&edited).expect("created");
    loop {
        let mut entry = cpio::newc::Reader::new(archive).expect("a newc archive");
        if entry.entry().is_trailer() {
            break;
        }
        let header = entry.entry();
        let mut content = Vec::new();
        let name = header.name().to_owned();
        let builder = cpio::newc::Builder::new(&name)
            .mode(header.mode())
            .ino(header.ino())
            .nlink(header.nlink())
            .rdev_major(header.rdev_major())
            .rdev_minor(header.rdev_minor());
        entry.read_to_end(&mut content).expect("read");
        archive = entry.finish().expect("the next entry");
        if keep(&name) {
            let mut writer = builder.write(&mut out, u32::try_from(content.len()).expect("small"));
            writer.write_all(&content).expect("written");
            writer.finish().expect("written");
        }
    }
    cpio::newc::trailer(&mut out).expect("written");
    edited
}

/// The opmode's file removed by hand, its line in modules.dep left: modprobe says so.
#[test]
fn a_module_removed_from_the_image_by_hand() {
    let bench = Bench::new();
    let image = edited_image(&bench, |name| !name.ends_with("/iwlmvm.ko"));
    let args = ["--card", "7260", "--image", &image.to_string_lossy(), "--patience", "10"];
    let run = bench.run(&args);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    let failures = run.failures().join("\n");
    assert!(failures.contains("expected: opmode-loaded"), "{failures}");
    assert_eq!(run.milestones("modprobe-ended").len(), 1);
}

/// That modprobe itself is absent is another failure, and no fault of the driver's.
#[test]
fn an_image_without_modprobe_says_so() {
    let bench = Bench::new();
    let image = edited_image(&bench, |name| !name.ends_with("bin/modprobe"));
    let run = bench.run(&["--card", "7260", "--image", &image.to_string_lossy()]);
    assert_eq!((run.code, run.outcome()), (Some(125), "no-modprobe"), "{}", run.stderr);
    assert!(run.stderr.contains("has no modprobe"), "{}", run.stderr);
}

/// A kernel that panics before its agent says nothing about the driver.
#[test]
fn an_image_without_init_does_not_boot() {
    let bench = Bench::new();
    let image = edited_image(&bench, |name| name != "init" && name != "/init");
    let run = bench.run(&["--card", "7260", "--image", &image.to_string_lossy()]);
    assert_eq!((run.code, run.outcome()), (Some(125), "not-booted"), "{}", run.stderr);
    assert!(run.stderr.contains("Kernel panic"), "{}", run.stderr);
    assert!(run.stderr.contains("trying once again"), "{}", run.stderr);
}

/// A panic ends the steps; where the scenario says that it belongs to it, what came is judged.
#[test]
fn a_panic_that_belongs_to_the_scenario_passes() {
    let bench = Bench::new();
    let file = bench.file(
        "panic.toml",
        "about = \"the guest panics\"\ncards = [\"7260\"]\ntrouble = [\"panic\"]\n\n\
         [[step]]\ndo = { sysrq = \"c\" }\n\n[[expect]]\nthat = \"it is noticed\"\n\
         exactly = { milestone = \"kernel-trouble\", trouble = \"panic\" }\ntimes = 1\n",
    );
    let run = bench.run(&[&file.to_string_lossy()]);
    assert_eq!((run.code, run.outcome()), (Some(0), "passed"), "{}", run.stderr);
}

/// Whoever reads the output has the kernel's own report before him, and need not look for it.
#[test]
fn trouble_is_shown_with_its_trace() {
    let bench = Bench::new();
    let head = "about = \"trouble\"\ncards = [\"7260\"]\n";
    let hang = "[[firmware]]\nname = \"$firmware\"\nhold = true\n\n\
        [[step]]\ndo = { write = { path = \"/proc/sys/kernel/hung_task_timeout_secs\", text = \"1\" } }\n\n\
        [[step]]\ndo = \"coldplug\"\n\n\
        [[step]]\nawait = { milestone = \"firmware-asked\", name = \"$firmware\" }\n\n\
        [[step]]\ndo = \"unbind\"\nstart = true\n\n\
        [[step]]\nawait = { milestone = \"kernel-trouble\", trouble = \"hang\" }\n\n\
        [[step]]\ndo = { release = \"$firmware\" }\n\n[[step]]\nawait = \"unbound\"\n";
    for (steps, said) in [
        (hang, ["the kernel complains:", "blocked for more than", "Call Trace:"]),
        (
            "[[step]]\ndo = { sysrq = \"c\" }\n",
            ["the guest's console ends:", "Kernel panic", "sysrq_handle_crash"],
        ),
    ] {
        let file = bench.file("trouble.toml", format!("{head}{steps}"));
        let output = bench.output(&["run", &file.to_string_lossy()]);
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        for said in said {
            assert!(shown.contains(said), "{said}: {shown}");
        }
    }
}

/// A step that the slot does not suit is the scenario's own fault, and no driver's.
#[test]
fn a_card_is_plugged_where_there_is_none() {
    let bench = Bench::new();
    let head = "about = \"the slot\"\ncards = [\"7260\"]\n";
    for (steps, said) in [
        (
            "[[step]]\ndo = \"unplug\"\n\n[[step]]\ndo = \"plug\"\n\n[[step]]\ndo = \"plug\"\nname = \"again\"\n",
            "step again: the card is in its slot",
        ),
        (
            "[[step]]\ndo = \"unplug\"\n\n[[step]]\ndo = \"unplug\"\nstart = true\n",
            "step unplug: the card is out of its slot",
        ),
    ] {
        let file = bench.file("slot.toml", format!("{head}{steps}"));
        let run = bench.run(&[&file.to_string_lossy()]);
        assert_eq!((run.code, run.outcome()), (Some(125), "environment"), "{}", run.stderr);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

/// A slip of the pen would leave the image as it is, and the scenario to fail for no visible reason.
#[test]
fn only_what_is_there_can_be_left_out() {
    let bench = Bench::new();
    let output = bench.output(&["run", "--card", "7260", "--without", "iwlmwm"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("iwlmwm cannot be left out of the image: there is no such"), "{said}");
}
