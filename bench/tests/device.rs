//! `iwlbench device` and a real QEMU that comes and goes.

mod common;

use std::io::{BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::os::unix::net::UnixStream;
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
    assert!(printed.contains("qemu-system-x86_64"), "the program that takes them: {printed}");
    // The arguments are there to be pasted: use them as they are printed.
    let mut quoted = printed.split('\'');
    let argument = quoted.find(|text| text.starts_with('{')).expect("a device").to_owned();
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

/// A client that writes a register so often, faster than anybody prints it; then as often as
/// wanted.
struct Flood(UnixStream);

impl Flood {
    const ACCESSES: usize = 400_000;
    /// A register that nothing comes of.
    const CSR_LED_REG: u64 = 0x94;

    fn start(socket: &Path) -> Flood {
        // Its file is there a moment before the server listens.
        let stream = loop {
            match UnixStream::connect(socket) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    std::thread::yield_now();
                }
                stream => break stream.expect("a server"),
            }
        };
        let mut flood = Flood(stream);
        flood.ask(1, b"\0\0\0\0{}\0");
        let some = Flood::write().repeat(1000);
        for _ in 0..Flood::ACCESSES / 1000 {
            flood.0.write_all(&some).expect("sent");
        }
        flood.done();
        flood
    }

    /// The server has dealt with all.
    fn done(&mut self) {
        self.ask(4, &[16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    fn write() -> Vec<u8> {
        let access =
            [&Flood::CSR_LED_REG.to_ne_bytes()[..], &[0; 4], &4_u32.to_ne_bytes(), &[0; 4]]
                .concat();
        Flood::message(10, 0x10, &access)
    }

    fn message(command: u16, flags: u32, payload: &[u8]) -> Vec<u8> {
        let size = (16 + payload.len() as u32).to_ne_bytes();
        let head = [[1, 0], command.to_ne_bytes()].concat();
        [&head[..], &size, &flags.to_ne_bytes(), &[0; 4], payload].concat()
    }

    fn ask(&mut self, command: u16, payload: &[u8]) {
        self.0.write_all(&Flood::message(command, 0, payload)).expect("sent");
        let mut header = [0; 16];
        self.0.read_exact(&mut header).expect("answered");
        let size = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]) as usize;
        self.0.read_exact(&mut vec![0; size - 16]).expect("answered");
    }
}

fn serve_json(bench: &Bench, socket: &Path) -> Device {
    let args = ["device", "--card", "7260", "--json", "--socket-path", &socket.to_string_lossy()];
    let mut command = bench.command(&args);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    while !socket.exists() {
        assert_eq!(child.try_wait().expect("asked"), None, "it serves");
        std::thread::yield_now();
    }
    Device { child, lines }
}

#[test]
fn what_is_not_read_is_counted() {
    let bench = Bench::new();
    let socket = bench.dir.path().join("card.sock");
    let mut device = serve_json(&bench, &socket);
    let mut flood = Flood::start(&socket);
    let (mut told, mut dropped) = (0, 0);
    let header = device.lines.next().expect("a line").expect("UTF-8");
    assert_eq!(header, r#"{"format":"iwlbench-events","version":1}"#);
    while told + dropped < Flood::ACCESSES + 1 {
        let line = device.lines.next().expect("a line").expect("UTF-8");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        match event["kind"].as_str().expect("a kind") {
            "reg-write" => told += 1,
            "dropped" => dropped += event["count"].as_u64().expect("a count") as usize,
            _ => {}
        }
        if told == 30_000 {
            // There is room again: what is told next comes behind the count.
            flood.0.write_all(&Flood::write()).expect("sent");
        }
    }
    assert_eq!(told + dropped, Flood::ACCESSES + 1);
    assert!(dropped > 0, "all were printed");
    assert_eq!(device.end("-TERM").0, Some(0));
}

/// As on a terminal that is stopped (Ctrl-S).
#[test]
fn a_reader_that_has_stopped_does_not_keep_it_from_ending() {
    let bench = Bench::new();
    let socket = bench.dir.path().join("card.sock");
    let mut device = serve_json(&bench, &socket);
    drop(Flood::start(&socket));
    let pid = device.child.id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).expect("a size");
    let kib: u64 = resident.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    assert!(kib < 100 << 10, "{resident}");
    let killed = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(device.child.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    device.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("what the card did last was not read"), "{said}");
    assert!(!socket.exists());
}

/// `soak` says what it saw in one line.
#[test]
fn a_soak_ends_with_its_figures() {
    let bench = Bench::new();
    let soak = bench.output(&["soak", "--card", "6205,8265", "--messages", "50000"]);
    let stdout = String::from_utf8_lossy(&soak.stdout);
    assert_eq!(soak.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains(" messages, ") && stdout.contains(" threads ("), "{stdout}");
    let soak = bench.output(&["soak", "--card", "6205", "--total", "20000"]);
    let stdout = String::from_utf8_lossy(&soak.stdout);
    let mut words = stdout.split_whitespace();
    let mut number = || words.by_ref().find_map(|word| word.parse::<u64>().ok()).expect("a number");
    let total = number() + number();
    // It ends with a connection, which has its thousands too.
    assert!((20_000..5_000_000).contains(&total), "{stdout}");
    assert_eq!(bench.output(&["soak", "--card", "none"]).status.code(), Some(2));
}
