//! PID 1: sets the guest up, says hello and serves the bench.

use std::fs;
use std::io;
use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use guest_protocol::{Command, FromGuest, Hello, PROTOCOL_VERSION, ToGuest};
use rustix::process::setpriority_process;

use crate::asks::Asks;
use crate::children::{Children, real_modprobe};
use crate::clock::mono_ns;
use crate::error::{Context, SetupError, fatal, power_off};
use crate::mounts::mount_at;
use crate::outbox::{self, Outbox};
use crate::port::{self, Line};
use crate::running::{self, Running};
use crate::slow::Slow;
use crate::{command, gate, leaks, observe, shell};

/// Filesystem type and where it goes; without these nothing works.
const MOUNTS: [(&str, &str); 5] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
];

/// Modules that the agent itself needs, and what is there when they are.
const MODULES: [(&str, &str); 3] = [
    ("virtio_pci", "/sys/bus/pci/drivers/virtio-pci"),
    ("virtio_console", "/sys/bus/virtio/drivers/virtio_console"),
    ("fuse", "/dev/fuse"),
];

/// The highest there is.
const PRIORITY: i32 = -20;

/// Never returns: the kernel panics if PID 1 does.
pub(crate) fn run() -> ! {
    // A thread that dies would leave the bench waiting for what it was to say.
    panic::set_hook(Box::new(|panic| fatal(&panic.to_string())));
    match serve() {
        Ok(()) => fatal("the bench has closed the line"),
        Err(e) => fatal(&e.to_string()),
    }
}

/// Serves until the host closes the port.
fn serve() -> Result<(), SetupError> {
    // The bench's word comes first, whatever else wants the CPU; all threads inherit it. Without
    // it things only take longer.
    let _ = setpriority_process(None, PRIORITY);
    for (filesystem, target) in MOUNTS {
        mount_or_fail(filesystem, target)?;
    }
    let mut warnings = Warnings::default();
    let slow = Slow::wanted(&read_trimmed("/proc/cmdline"));
    if let Some(slow) = slow {
        warnings.add("slow", slow.spare_the_agent().context(|| "its priority".into()));
    }
    let own = fs::read_link("/proc/self/exe").context(|| "finding the agent's own file".into())?;
    let children = Children::start().context(|| "handling SIGCHLD".into())?;

    let (outbox, queue) = outbox::channel();
    let asks = Arc::new(Asks::new(outbox.clone()));

    let installed = shell::install(&own).context(|| "creating /bin/sh".into());
    warnings.add("shell", installed);
    warnings.add("uevents", observe::uevent::start(outbox.clone()));
    if let Some(Some(e)) = warnings.add("kernel log", observe::kmsg::start(outbox.clone())) {
        warnings.0.push(format!("kernel log: {e}"));
    }
    load_modules(&children, &mut warnings);
    let tracing = mount_or_fail("tracefs", "/sys/kernel/tracing")
        .and_then(|()| observe::trace::start(outbox.clone()));
    let tracing = warnings.add("tracing", tracing).is_some();
    let modprobe = modprobe_version(&children);
    let firmware_gate = gate::firmware::start(Arc::clone(&asks), outbox.clone());
    let firmware_gate = warnings.add("firmware gate", firmware_gate).is_some();

    let port = port::open()?;
    let look = outbox.clone();
    let (mut ear, mut mouth) = port::line(port, move || look.look());
    // Last, so that no module that the agent itself needs waits for the bench.
    let module_gate = gate::module::start(Arc::clone(&asks), outbox.clone());
    let module_gate = warnings.add("module gate", module_gate).is_some();

    if let Some(slow) = slow {
        warnings.add("slow", slow.start().context(|| "starting what takes the CPUs".into()));
    }
    let hello = FromGuest::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        mono_ns: mono_ns(),
        kernel_release: read_trimmed("/proc/sys/kernel/osrelease"),
        kernel_version: read_trimmed("/proc/sys/kernel/version"),
        modprobe,
        module_gate,
        firmware_gate,
        tracing,
        leaks: leaks::can_be_found(),
        warnings: warnings.0,
    });
    // Blocks until the host is there. Reading must not start sooner: it would
    // find the port closed.
    mouth.say(Some(&hello)).context(|| "writing to the bench".into())?;
    thread::spawn(move || {
        let end = queue.write_to(|message| mouth.say(message));
        fatal(&format!("writing to the bench: {end}"));
    });

    loop {
        match ear.hear()? {
            Line::Whole(line) => match serde_json::from_slice(&line) {
                Ok(ToGuest::Resync { received }) => ear.resync(received),
                // What was on its way when the kernel suspended comes again.
                _ if !ear.in_step() => {}
                Ok(message) => {
                    ear.count();
                    obey(message, slow, &asks, &children, &outbox);
                }
                Err(e) => {
                    ear.count();
                    outbox.note(format!("the bench said what is no message: {e}"));
                }
            },
            Line::TooLong if ear.in_step() => {
                ear.count();
                outbox.note("the bench said a line longer than MAX_LINE");
            }
            Line::TooLong => {}
            Line::Closed => {
                asks.close();
                return Ok(());
            }
        }
    }
}

fn obey(
    message: ToGuest,
    slow: Option<Slow>,
    asks: &Arc<Asks>,
    children: &Arc<Children>,
    outbox: &Outbox,
) {
    match message {
        ToGuest::Answer { id, answer } => asks.answer(id, answer),
        // The reader's, see above.
        ToGuest::Resync { .. } => {}
        // Quick, and asked when a guest is to show how quick: no thread for it.
        ToGuest::Do { id, command: Command::Ping } => {
            outbox.send(FromGuest::Done { id, mono_ns: mono_ns(), result: command::ping() });
        }
        ToGuest::Do { id, command } => {
            let asks = Arc::clone(asks);
            let children = Arc::clone(children);
            let outbox = outbox.clone();
            // A step may hang in the kernel for as long as the scenario likes.
            running::announce(id);
            thread::spawn(move || {
                // What acts on the kernel has the priority of any program.
                if !matches!(command, Command::State | Command::Settle) {
                    let _ = setpriority_process(None, 0);
                    let _ = slow.map(Slow::spare_a_program);
                }
                let running = Running::here(id);
                let result = command::run(&command, &children, &asks, &outbox);
                drop(running);
                outbox.send(FromGuest::Done { id, mono_ns: mono_ns(), result });
                if command == Command::PowerOff {
                    outbox.flush();
                    asks.close();
                    power_off();
                }
            });
        }
    }
}

/// What of the guest's facilities could not be set up.
#[derive(Default)]
struct Warnings(Vec<String>);

impl Warnings {
    fn add<T>(&mut self, facility: &str, result: Result<T, SetupError>) -> Option<T> {
        result.map_err(|e| self.0.push(format!("{facility}: {e}"))).ok()
    }
}

fn mount_or_fail(filesystem: &str, target: &str) -> Result<(), SetupError> {
    mount_at(filesystem, target).context(|| format!("mounting {filesystem} on {target}"))
}

fn load_modules(children: &Children, warnings: &mut Warnings) {
    let missing: Vec<&str> = MODULES
        .into_iter()
        .filter(|(_, present)| !Path::new(present).exists())
        .map(|(module, _)| module)
        .collect();
    if missing.is_empty() {
        return;
    }
    let loaded = real_modprobe()
        .ok_or(io::ErrorKind::NotFound.into())
        .and_then(|modprobe| {
            let args: Vec<&str> = ["-a", "--"].into_iter().chain(missing.clone()).collect();
            children.run(&modprobe, &args)
        })
        .and_then(|ran| match ran.end.shell_status() {
            0 => Ok(()),
            status => Err(io::Error::other(format!("status {status}: {}", ran.stderr.trim_end()))),
        })
        .context(|| format!("modprobe {}", missing.join(" ")));
    warnings.add("modules", loaded);
}

fn modprobe_version(children: &Children) -> Option<String> {
    let ran = children.run(&real_modprobe()?, &["--version"]).ok()?;
    ran.stdout.lines().next().map(str::to_owned)
}

fn read_trimmed(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}
