//! A way into the guest: what a program in it says and how it ends is what the user's terminal gets.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::Bench;

/// What is put in comes to the guest's program, up to its end; what it says comes back.
fn with_input(bench: &Bench, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = bench.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("taken");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    bench.nothing_left();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
#[ignore = "fetches busybox"]
fn a_command_in_the_guest_has_the_card_and_its_own_status() {
    let bench = Bench::new();
    let share = bench.dir.path().join("share");
    std::fs::create_dir(&share).expect("made");
    std::fs::write(share.join("note"), "from the host\n").expect("written");
    let script =
        "read line; echo \"got $line\"; cat /mnt/note /sys/bus/pci/devices/0000:01:00.0/device
         touch /mnt/new && exit 1; modprobe iwlwifi && grep -c ^iwlwifi /proc/modules; exit 7";
    let share = share.to_string_lossy();
    let args = ["shell", "-q", "--share", &share, "--", "sh", "-c", script];
    // Without a newline at its end.
    let (code, said, errors) = with_input(&bench, &args, "a line");
    assert_eq!(code, Some(7), "{said}{errors}");
    for expected in ["got a line\n", "from the host\n", "0x08b1\n", "1\n"] {
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    assert!(said.contains("Read-only file system"), "{said}");
}

#[test]
#[ignore = "fetches busybox"]
fn a_run_that_fails_ends_in_a_shell_and_its_verdict_stays() {
    let bench = Bench::new();
    let args = ["run", "opmode-load", "--card", "7260", "--patience", "4s", "--shell-on-failure"];
    let failing = [&args[..], &["--fault", "never-alive"]].concat();
    let (code, said, errors) = with_input(&bench, &failing, "echo here=$((40 + 2))\nexit 3\n");
    assert_eq!(code, Some(1), "{said}{errors}");
    assert!(said.contains("here=42"), "{said}{errors}");
    let (code, said, _) = with_input(&bench, &args, "echo here=$((40 + 2))\n");
    assert!(code == Some(0) && !said.contains("here=42"), "{said}");
}

#[test]
fn what_cannot_be_shared_is_bad_usage() {
    let bench = Bench::new();
    let (code, _, errors) = with_input(&bench, &["shell", "--share", "/nowhere"], "");
    assert!(code == Some(2) && errors.contains("/nowhere: no directory"), "{errors}");
    let (code, _, errors) = with_input(&bench, &["run", "--gdb=here"], "");
    assert!(code == Some(2) && errors.contains("neither a TCP port"), "{errors}");
}
