//! What the bench's tests put into a guest beside the agent: a program that says and does as much
//! as it can.
//!
//! ```text
//! guest-trouble flood kmsg|bugs|console|lines|line|notes|registers|config …   each in a process of its own
//! guest-trouble end power-off|halt|reset|crash                            and no goodbye
//! ```
//!
//! It returns at once; what it has started goes on until the guest ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use guest_protocol::{FromGuest, GuestEvent};
use nix::sys::reboot::{RebootMode, reboot};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let done = match &args[..] {
        ["flood", sources @ ..] => sources.iter().try_for_each(|source| again(&["source", source])),
        ["source", source] => flood(source),
        ["end", how] => end(how),
        _ => Err(io::Error::other("no such thing")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-trouble {}: {error}", args.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// Starts itself with these arguments and does not wait.
fn again(args: &[&str]) -> io::Result<()> {
    let mut child = Command::new("/proc/self/exe").args(args).spawn()?;
    // One that cannot begin says so soon.
    thread::sleep(Duration::from_millis(50));
    match child.try_wait()? {
        Some(status) => Err(io::Error::other(format!("{args:?}: {status}"))),
        None => Ok(()),
    }
}

/// For ever.
fn flood(source: &str) -> io::Result<()> {
    let write = |path: &str| OpenOptions::new().write(true).open(path);
    match source {
        "kmsg" => {
            fs::write("/proc/sys/kernel/printk_devkmsg", "on\n")?;
            repeat(write("/dev/kmsg")?, b"<4>iwlwifi 0000:01:00.0: flood flood flood\n")
        }
        // As if the driver were at fault, each time.
        "bugs" => {
            fs::write("/proc/sys/kernel/printk_devkmsg", "on\n")?;
            let bug = b"<1>BUG: kernel NULL pointer dereference, address: 0000000000000020\n";
            repeat(write("/dev/kmsg")?, bug)
        }
        "console" => repeat(write("/dev/console")?, &b"flood ".repeat(100)),
        // What no agent says.
        "lines" => repeat(agents_port()?.into(), &b"{\"no\":\"message\"}\n".repeat(100)),
        // And what has no end.
        "line" => repeat(agents_port()?.into(), &[b'x'; 1 << 20]),
        // What an honest one says.
        "notes" => {
            let event = GuestEvent::AgentNote { text: "flood ".repeat(50) };
            let mut line = serde_json::to_vec(&FromGuest::Event { mono_ns: 1, event })?;
            line.push(b'\n');
            repeat(agents_port()?.into(), &line)
        }
        "registers" => registers(),
        "config" => config(),
        other => Err(io::Error::other(format!("no source {other}"))),
    }
}

fn repeat(mut to: File, what: &[u8]) -> io::Result<()> {
    loop {
        match to.write(what) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
}

/// The agent's own end of its line: the port can be opened once.
fn agents_port() -> io::Result<OwnedFd> {
    let agent = pidfd_open(Pid::INIT, PidfdFlags::empty())?;
    for entry in fs::read_dir("/proc/1/fd")?.flatten() {
        let leads_to = fs::read_link(entry.path()).unwrap_or_default();
        let port = leads_to.to_string_lossy().starts_with("/dev/vport");
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (true, Some(number)) = (port, number) {
            return Ok(pidfd_getfd(agent.as_fd(), number, PidfdGetfdFlags::empty())?);
        }
    }
    Err(io::Error::other("the agent has no port"))
}

/// The guest, at once.
fn end(how: &str) -> io::Result<()> {
    let key = |key: &str| fs::write("/proc/sysrq-trigger", key);
    let mode = match how {
        "power-off" => RebootMode::RB_POWER_OFF,
        "halt" => RebootMode::RB_HALT_SYSTEM,
        "reset" => return key("b"),
        "crash" => return key("c"),
        other => return Err(io::Error::other(format!("no end {other}"))),
    };
    match reboot(mode)? {}
}

/// The first card's place.
const SLOT: &str = "0000:01:00.0";

/// Every word of the first card's configuration space, with a value that changes, under its driver.
fn config() -> io::Result<()> {
    let path = Path::new("/sys/bus/pci/devices").join(SLOT).join("config");
    let config = OpenOptions::new().read(true).write(true).open(path)?;
    let mut value = 1_u32;
    loop {
        for at in (0..256).step_by(4) {
            value = value.wrapping_mul(0x9e37_79b1).rotate_left(7) ^ at;
            // What is refused is tried again with another value.
            let _ = config.write_all_at(&value.to_le_bytes(), at.into());
        }
    }
}

/// The first card's registers, as its driver reaches them, which is driven out: they are its own.
fn registers() -> io::Result<()> {
    const BYTES: usize = 0x1000;
    let card = Path::new("/sys/bus/pci/devices").join(SLOT);
    fs::write(card.join("driver/unbind"), SLOT)?;
    fs::write(card.join("enable"), "1")?;
    let bar = OpenOptions::new().read(true).write(true).open(card.join("resource0"))?;
    #[allow(unsafe_code, reason = "registers are reached through a mapping")]
    // SAFETY: a new mapping, at a place that the kernel chooses.
    let start = unsafe {
        mmap(
            std::ptr::null_mut(),
            BYTES,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            &bar,
            0,
        )
    }?;
    let start = start.cast::<u32>();
    let mut word = 0;
    loop {
        word = (word + 1) % (BYTES / 4);
        #[allow(unsafe_code, reason = "registers are reached through a mapping")]
        // SAFETY: within the mapping, which lasts as long as the process.
        unsafe {
            let register = start.add(word);
            register.write_volatile(register.read_volatile());
        }
    }
}
