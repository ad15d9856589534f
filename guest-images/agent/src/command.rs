//! The bench's steps, carried out.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use guest_protocol::{
    Command, CommandError, GuestEvent, MAX_TEXT, POWER_STATE, Reply, SuspendTest,
};
use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, delete_module};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::asks::Asks;
use crate::children::{Children, Ran, real_modprobe};
use crate::gate;
use crate::inventory;
use crate::observe::{kmsg, record, settle};
use crate::outbox::Outbox;
use crate::{leaks, requests, rest, running, scan, scrub, terminal};

/// Carries a step out; returns when it has ended. [`Command::PowerOff`] is the
/// caller's to do, after it has said `Done`.
pub(crate) fn run(
    command: &Command,
    children: &Children,
    asks: &Asks,
    outbox: &Outbox,
) -> Result<Reply, CommandError> {
    rest::await_hotplug();
    match command {
        Command::Ping => ping(),
        Command::Coldplug => coldplug(children),
        Command::Modprobe { args } => modprobe(children, args),
        Command::Bind { driver, slot } => write_driver(driver, "bind", slot),
        Command::Unbind { driver, slot } => write_driver(driver, "unbind", slot),
        Command::Rmmod { module } => rmmod(module),
        Command::Autoload { what } => gate::module::autoload(*what)
            .map(|()| Reply::Ok)
            .map_err(|e| failed("setting kernel.modprobe", &e)),
        Command::UngateFirmware => gate::firmware::stop()
            .map(|()| Reply::Ok)
            .map_err(|e| failed("unmounting the firmware gate", &e.into())),
        Command::Write { path, data } => write(path, data),
        Command::Read { path } => read(path, outbox),
        Command::Exec { argv, within_ms } => {
            exec(children, argv, Duration::from_millis(*within_ms), outbox)
        }
        Command::Shell { argv, terminal } => terminal::run(children, argv, *terminal)
            .map(|(status, stderr)| Reply::Ran { status, stderr })
            .map_err(|e| failed("a shell", &e)),
        Command::Resize { terminal } => terminal::resize(*terminal)
            .map(|()| Reply::Ok)
            .map_err(|e| failed("the terminal's size", &e)),
        Command::Trace { events, coming, most } => record::start(events, coming, *most, outbox)
            .map_err(|e| failed("recording the kernel's events", &e)),
        Command::TraceEnd => record::end(outbox).map_err(|e| failed("ending the record", &e)),
        Command::Suspend { test } => suspend(*test, "mem"),
        Command::SuspendToIdle => suspend(SuspendTest::None, "freeze"),
        Command::AwaitBlocked { id } => {
            running::await_blocked(*id);
            Ok(Reply::Ok)
        }
        Command::AwaitRest => {
            rest::await_rest(asks);
            Ok(Reply::Ok)
        }
        Command::AtWork => Ok(Reply::AtWork { tasks: rest::at_work(asks) }),
        Command::AwaitRemoval { slot } => {
            if slot.contains('/') || slot.starts_with('.') {
                return Err(invalid(format!("{slot:?} is no PCI slot")));
            }
            running::await_removal(slot);
            Ok(Reply::Ok)
        }
        Command::RequestModules { count } => requests::start(*count)
            .map(|()| Reply::Ok)
            .map_err(|e| failed(&format!("requesting {count} modules"), &e)),
        Command::FindLeaks => {
            leaks::find().map(|()| Reply::Ok).map_err(|e| failed("looking for leaks", &e))
        }
        Command::Scrub => {
            scrub::scrub().map(|()| Reply::Ok).map_err(|e| failed("overwriting free memory", &e))
        }
        Command::Settle => settle::settle().map(|()| Reply::Ok),
        Command::LinkUp { interface } => set_link(interface, true),
        Command::LinkDown { interface } => set_link(interface, false),
        Command::Scan { interface, within_ms } => {
            scan(interface, Duration::from_millis(*within_ms))
        }
        Command::State => Ok(Reply::State(inventory::state())),
        // The caller's, see above.
        Command::PowerOff => Ok(Reply::Ok),
    }
}

/// The bench pings to compare clocks: brings the kernel log's up to date too.
pub(crate) fn ping() -> Result<Reply, CommandError> {
    // Without /dev/kmsg there are no stamps to correct.
    let _ = kmsg::mark();
    Ok(Reply::Ok)
}

fn failed(what: &str, error: &io::Error) -> CommandError {
    CommandError { errno: error.raw_os_error(), message: format!("{what}: {error}") }
}

fn invalid(message: String) -> CommandError {
    CommandError { errno: Some(libc::EINVAL), message }
}

fn modprobe(children: &Children, args: &[impl AsRef<str>]) -> Result<Reply, CommandError> {
    let ran = run_modprobe(children, args)?;
    Ok(Reply::Ran { status: ran.end.shell_status(), stderr: ran.stderr })
}

fn run_modprobe(children: &Children, args: &[impl AsRef<str>]) -> Result<Ran, CommandError> {
    let program = real_modprobe().ok_or_else(|| CommandError {
        errno: Some(libc::ENOENT),
        message: "this image has no modprobe".into(),
    })?;
    children.run(&program, args).map_err(|e| failed(&program.display().to_string(), &e))
}

/// As udev's kmod builtin does per device, blacklists heeded (`-b`), but with one
/// modprobe for all (`-a`): a process start per device is slow under emulation.
///
/// Most devices of the machine have no module in the image, and modprobe fails if
/// it cannot resolve one name of many. So one run resolves what can be resolved,
/// and a second loads it: its status and its words are then about the loading.
fn coldplug(children: &Children) -> Result<Reply, CommandError> {
    let options = |options: &[&str]| options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>();
    let mut resolve = options(&["-R", "-q", "-b", "-a", "--"]);
    resolve.extend(inventory::unbound_modaliases());
    let resolved = run_modprobe(children, &resolve)?;
    let mut load = options(&["-b", "-a", "--"]);
    load.extend(resolved.stdout.lines().map(str::to_owned));
    if load.last().is_some_and(|last| last == "--") {
        return Ok(Reply::Ok);
    }
    modprobe(children, &load)
}

/// Without asking for what depends on it or is not in use by then: as `rmmod` does.
fn rmmod(module: &str) -> Result<Reply, CommandError> {
    let name = CString::new(module).map_err(|_| invalid(format!("{module:?} is no module")))?;
    delete_module(&name, DeleteModuleFlags::O_NONBLOCK)
        .map(|()| Reply::Ok)
        .map_err(|e| failed(&format!("removing module {module}"), &e.into()))
}

fn write(path: &str, data: &str) -> Result<Reply, CommandError> {
    let data = BASE64.decode(data).map_err(|e| invalid(format!("data for {path}: {e}")))?;
    let suspends = (path == POWER_STATE).then(|| String::from_utf8_lossy(&data));
    let _woken = suspends.and_then(|state| SerialWakes::from(&state));
    // One write(2), see the protocol; only of plain files can it be a partial one.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(&data))
        .map(|()| Reply::Ok)
        .map_err(|e| failed(&format!("writing {path}"), &e))
}

fn read(path: &str, outbox: &Outbox) -> Result<Reply, CommandError> {
    let mut bytes = Vec::new();
    // Of what never ends, a device, no more is read; a FIFO without a writer waits, as any step.
    File::open(path)
        .and_then(|file| file.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| failed(&format!("reading {path}"), &e))?;
    let cut = bytes.len() > MAX_TEXT;
    bytes.truncate(MAX_TEXT);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    outbox.event(GuestEvent::FileRead { path: path.to_owned(), text: text.clone(), cut });
    Ok(Reply::Text { text, cut })
}

fn exec(
    children: &Children,
    argv: &[String],
    within: Duration,
    outbox: &Outbox,
) -> Result<Reply, CommandError> {
    let what = || argv.join(" ");
    let (ran, timed_out) =
        children.run_within(argv, within, MAX_TEXT).map_err(|e| failed(&what(), &e))?;
    let Ran { end, stdout, stderr } = ran;
    let status = end.shell_status();
    outbox.event(GuestEvent::ProgramEnded {
        argv: argv.to_vec(),
        status,
        timed_out,
        stdout,
        stderr: stderr.clone(),
    });
    if timed_out {
        let message = format!("{} did not end within {} ms", what(), within.as_millis());
        return Err(CommandError { errno: Some(libc::ETIMEDOUT), message });
    }
    Ok(Reply::Ran { status, stderr })
}

const PM_TEST: &str = "/sys/power/pm_test";
/// Seconds that a test stops at its level, for people to look: five, and some kernels spend them in a loop.
/// On a busy host that lasts so long that they take it for a lockup.
const PM_TEST_DELAY: &str = "/sys/module/suspend/parameters/pm_test_delay";
const USUAL_DELAY: &str = "5\n";

const MEM_SLEEP: &str = "/sys/power/mem_sleep";

/// The serial line, open, and told to wake the machine: the kernel leaves such an interrupt on while it
/// idles, and QEMU has no other word for a guest that only idles. From what is deeper QEMU wakes it, and
/// the line would end it before it is there.
struct SerialWakes {
    _line: Option<File>,
}

/// Whether it wakes the machine.
const WAKES: &str = "/sys/class/tty/ttyS0/power/wakeup";

impl SerialWakes {
    /// If what is written to [`POWER_STATE`] suspends it to idle.
    fn from(state: &str) -> Option<Self> {
        let is_idle = match state.trim() {
            "freeze" => true,
            "mem" => fs::read_to_string(MEM_SLEEP).is_ok_and(|kinds| kinds.contains("[s2idle]")),
            _ => false,
        };
        is_idle.then(|| {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            let line = OpenOptions::new().read(true).custom_flags(flags).open("/dev/ttyS0");
            // A kernel without it sleeps until somebody else wakes it.
            let _ = fs::write(WAKES, "enabled");
            Self { _line: line.ok() }
        })
    }
}

impl Drop for SerialWakes {
    fn drop(&mut self) {
        let _ = fs::write(WAKES, "disabled");
    }
}

fn suspend(test: SuspendTest, state: &str) -> Result<Reply, CommandError> {
    let set = |path: &str, text: &str| {
        fs::write(path, text).map_err(|e| failed(&format!("writing {text} to {path}"), &e))
    };
    // A kernel without tests of it can still do it.
    if test != SuspendTest::None || Path::new(PM_TEST).exists() {
        set(PM_TEST, test.word())?;
        // Where there is no such thing nothing is stopped for, or for as long as it is; what a scenario has
        // set is meant.
        if fs::read_to_string(PM_TEST_DELAY).is_ok_and(|delay| delay == USUAL_DELAY) {
            let _ = fs::write(PM_TEST_DELAY, "0");
        }
    }
    let _woken = SerialWakes::from(state);
    set(POWER_STATE, state).map(|()| Reply::Ok)
}

fn write_driver(driver: &str, file: &str, slot: &str) -> Result<Reply, CommandError> {
    if driver.contains('/') || driver.starts_with('.') {
        return Err(invalid(format!("{driver:?} is no driver's name")));
    }
    let path = Path::new("/sys/bus/pci/drivers").join(driver).join(file);
    // One write(2): sysfs takes each as a whole.
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(slot.as_bytes()))
        .map(|()| Reply::Ok)
        .map_err(|e| failed(&format!("writing {slot} to {}", path.display()), &e))
}

nix::ioctl_read_bad!(get_flags, libc::SIOCGIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);

/// Refuses what cannot be an interface's name.
fn refuse_no_name(interface: &str) -> Result<(), CommandError> {
    if interface.is_empty() || interface.len() >= libc::IFNAMSIZ || interface.contains('/') {
        return Err(invalid(format!("{interface:?} is no interface's name")));
    }
    Ok(())
}

fn scan(interface: &str, within: Duration) -> Result<Reply, CommandError> {
    refuse_no_name(interface)?;
    scan::run(interface, within)
        .map(|()| Reply::Ok)
        .map_err(|e| failed(&format!("scanning with {interface}"), &e))
}

fn set_link(interface: &str, up: bool) -> Result<Reply, CommandError> {
    let state = if up { "up" } else { "down" };
    let what = format!("setting {interface} {state}");
    refuse_no_name(interface)?;
    // The ioctl would have the kernel ask its module loader for `netdev-NAME`,
    // which `ip link` does not.
    if !Path::new("/sys/class/net").join(interface).exists() {
        return Err(failed(&what, &Errno::ENODEV.into()));
    }
    set_flag_up(interface, up).map(|()| Reply::Ok).map_err(|errno| failed(&what, &errno.into()))
}

fn set_flag_up(interface: &str, up: bool) -> nix::Result<()> {
    use std::os::fd::AsRawFd;

    // Any socket will do for interface ioctls.
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    #[allow(unsafe_code, reason = "interface flags are read and set by ioctl")]
    // SAFETY: the socket is open; `request` is a whole ifreq with a name that
    // ends in a NUL, and SIOCGIFFLAGS fills the flags member of its union.
    unsafe {
        get_flags(socket.as_raw_fd(), &raw mut request)?;
        let flag = libc::IFF_UP as libc::c_short;
        if up {
            request.ifr_ifru.ifru_flags |= flag;
        } else {
            request.ifr_ifru.ifru_flags &= !flag;
        }
        set_flags(socket.as_raw_fd(), &raw const request)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_bounded_and_told() {
        let (outbox, queue) = crate::outbox::channel();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long").to_string_lossy().into_owned();
        fs::write(&path, "x".repeat(MAX_TEXT)).unwrap();
        let whole = Reply::Text { text: "x".repeat(MAX_TEXT), cut: false };
        assert_eq!(read(&path, &outbox), Ok(whole));
        assert!(matches!(read("/dev/zero", &outbox), Ok(Reply::Text { cut: true, .. })));
        let error = read("/no/such", &outbox).unwrap_err();
        assert_eq!(error.errno, Some(libc::ENOENT));
        assert!(error.message.starts_with("reading /no/such: "), "{}", error.message);
        drop(outbox);
        let mut told = 0;
        queue.write_to(|_| {
            told += 1;
            Ok(())
        });
        assert_eq!(told, 2);
    }
}
