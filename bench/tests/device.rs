//! `iwlbench device` and a real QEMU that comes and goes.

mod common;

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use common::Bench;
use guest_kit::{CacheDir, Kit, KitOptions, Qemu, Silent};

struct Device {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Device {
    fn start(bench: &Bench, socket: &Path) -> Device {
        let mut child = bench
            .command(&["device", "--card", "7260", "--socket-path", &socket.to_string_lossy()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Device { child, lines }
    }

    /// Reads what it prints up to a line with this in it.
    fn until(&mut self, text: &str) -> String {
        let mut read = String::new();
        for line in self.lines.by_ref() {
            let line = line.expect("UTF-8");
            read += &line;
            read.push('\n');
            if line.contains(text) {
                return read;
            }
        }
        panic!("no `{text}` in:\n{read}");
    }

    /// Ends it as Ctrl-C does; the exit code and standard error.
    fn end(self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(status.success());
        let output = self.child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn qemu() -> Qemu {
    let cache = CacheDir::from_env().expect("a cache directory");
    let kit = Kit::new(cache, KitOptions::default(), Box::new(Silent));
    kit.qemu().expect("a QEMU").0
}

/// A machine that gets as far as its devices, and stands still.
fn machine(qemu: &Qemu, memory: &[&str], device: &str) -> Child {
    qemu.command()
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-S"])
        .args(memory)
        .args(["-device", "pcie-root-port,id=rp0", "-device", device])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("QEMU starts")
}

#[test]
fn qemu_comes_and_goes() {
    let bench = Bench::new();
    let socket = bench.dir.path().join("card.sock");
    let mut device = Device::start(&bench, &socket);
    let printed = device.until("Ctrl-C ends it.");
    // The arguments are there to be pasted: use them as they are printed.
    let argument = printed.split('\'').nth(1).expect("a quoted device").to_owned();
    assert!(argument.contains("vfio-user-pci"), "{printed}");
    let shared = [
        "-object",
        "memory-backend-memfd,id=mem,size=64M,share=on",
        "-m",
        "64M",
        "-machine",
        "q35,memory-backend=mem",
    ];
    assert!(printed.contains("share=on"), "{printed}");

    let qemu = qemu();
    for _ in 0..2 {
        let mut machine = machine(&qemu, &shared, &argument);
        device.until("QEMU is here");
        machine.kill().expect("killed");
        machine.wait().expect("collected");
        device.until("QEMU has gone");
    }
    // Memory that QEMU does not share needs messages for DMA, and works too.
    let mut plain = machine(&qemu, &["-m", "64M", "-machine", "q35"], &argument);
    device.until("QEMU is here");
    plain.kill().expect("killed");
    plain.wait().expect("collected");

    let (code, stderr) = device.end("-INT");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!socket.exists(), "the socket must go with its server");
    bench.nothing_left();
}

#[test]
fn a_second_server_on_the_same_path_is_refused() {
    let bench = Bench::new();
    let socket = bench.dir.path().join("card.sock");
    let mut device = Device::start(&bench, &socket);
    device.until("Ctrl-C ends it.");
    let second =
        bench.output(&["device", "--card", "6205", "--socket-path", &socket.to_string_lossy()]);
    assert_eq!(second.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(stderr.contains("another server is listening there"), "{stderr}");
    assert!(socket.exists(), "the first server's socket must stay");
    assert_eq!(device.end("-TERM").0, Some(0));
    assert!(!socket.exists());
}
