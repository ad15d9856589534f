//! A way into the guest: what a program in it says and how it ends is what the user's terminal gets.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use common::Bench;
use nix::pty::{OpenptyResult, Winsize, openpty};
use rustix::process::{Pid, Signal};
use rustix::termios::{LocalModes, tcgetattr, tcsetwinsize};

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

/// What the guest's shell is made of is fetched, a few megabytes, if it is not there.
#[test]
fn a_command_that_is_not_there_is_named_with_a_shells_status() {
    let bench = Bench::new();
    let (code, said, errors) = with_input(&bench, &["shell", "-q", "--", "nosuchcommand"], "");
    assert_eq!(code, Some(127), "{said}{errors}");
    assert!(errors.contains("nosuchcommand: not found in the guest"), "{errors}");
}

/// A terminal of that size, of which the test has the other end.
fn terminal(rows: u16, columns: u16) -> OpenptyResult {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    openpty(Some(&size), None).expect("a terminal")
}

/// What is shown until these words are.
fn shown_until(screen: &mut File, words: &str) -> String {
    let (mut shown, mut chunk) = (String::new(), [0; 4096]);
    while !shown.contains(words) {
        let length = screen.read(&mut chunk).unwrap_or_default();
        assert!(length > 0, "it ended without {words:?}: {shown}");
        shown += &String::from_utf8_lossy(&chunk[..length]);
    }
    shown
}

/// What the guest's shell is made of is fetched, a few megabytes, if it is not there.
#[test]
fn the_terminal_is_the_guests_its_size_and_its_ctrl_c_too() {
    let bench = Bench::new();
    let OpenptyResult { master, slave } = terminal(30, 100);
    let script = "trap 'exit 9' INT; stty size; n=0
         until test \"$(stty size)\" = '40 120'; do
             sleep 0.1; n=$((n + 1)); test $n -lt 100 || { echo never resized; exit 8; }
         done
         echo resized; while :; do sleep 0.1; done";
    let mut command = bench.command(&["shell", "-q", "--", "sh", "-c", script]);
    command.stdin(slave.try_clone().expect("its end"));
    command.stdout(slave.try_clone().expect("its end")).stderr(Stdio::null());
    let before = tcgetattr(&slave).expect("its modes");
    let mut child = command.spawn().expect("the program runs");
    drop(command);
    let mut screen = File::from(master);
    shown_until(&mut screen, "30 100");
    let raw = tcgetattr(&slave).expect("its modes");
    assert!(!raw.local_modes.contains(LocalModes::ISIG), "Ctrl-C is to be the guest's");
    let size = rustix::termios::Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).expect("resized");
    let shown = shown_until(&mut screen, "resized");
    assert!(!shown.contains("never"), "{shown}");
    screen.write_all(b"\x03").expect("typed");
    assert_eq!(child.wait().expect("it ends").code(), Some(9));
    let after = tcgetattr(&slave).expect("its modes");
    assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
    bench.nothing_left();
}

#[test]
fn what_cannot_be_shared_is_bad_usage() {
    let bench = Bench::new();
    let (code, _, errors) = with_input(&bench, &["shell", "--share", "/nowhere"], "");
    assert!(code == Some(2) && errors.contains("/nowhere: no directory"), "{errors}");
    let (code, _, errors) = with_input(&bench, &["run", "--gdb=here"], "");
    assert!(code == Some(2) && errors.contains("neither a TCP port"), "{errors}");
}

/// Nobody would know what it waits for.
#[test]
fn a_guest_that_waits_for_a_debugger_says_so_however_quiet() {
    let bench = Bench::new();
    let socket = bench.dir.path().join("gdb");
    let gdb = format!("--gdb={}", socket.display());
    let mut command = bench.command(&["run", "-q", "opmode-load", "--card", "7260", &gdb]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut line = || said.next().expect("it says more").expect("text");
    let paste = std::iter::repeat_with(&mut line).find(|line| line.contains("gdb -ex"));
    let target = format!("'target remote {}'", socket.display());
    assert!(paste.expect("a line").contains(&target));
    let modules = line();
    assert!(modules.contains(": /usr/lib/debug/lib/modules/"), "{modules}");
    let pid = Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    bench.nothing_left();
}

/// Nothing is drawn where nothing can be: each line is a line, without colours.
#[test]
fn a_terminal_that_can_only_print_gets_lines() {
    let bench = Bench::new();
    let OpenptyResult { master, slave } = terminal(30, 80);
    let mut command = bench.command(&["run", "opmode-load", "--card", "7260"]);
    let end = || slave.try_clone().expect("its end");
    command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "dumb").env("CI", "true");
    let mut child = command.spawn().expect("the program runs");
    // Else nobody is told of the end of what is shown.
    drop((command, slave));
    let mut screen = File::from(master);
    let shown = shown_until(&mut screen, "\nrun: ");
    assert!(child.wait().expect("it ends").success(), "{shown}");
    assert!(shown.contains("the guest is up") && !shown.contains('\x1b'), "{shown:?}");
    bench.nothing_left();
}
