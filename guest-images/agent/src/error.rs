//! What can go wrong in setting up, and the end when it is fatal.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

/// For the kernel to shut its devices down; it takes some 30 ms under TCG.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

static POWERING_OFF: AtomicBool = AtomicBool::new(false);

/// Something could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub(crate) struct SetupError {
    /// What was tried, with the path.
    what: String,
    source: io::Error,
}

/// Says what was tried when an I/O operation fails.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, SetupError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, SetupError> {
        self.map_err(|source| SetupError { what: what(), source: source.into() })
    }
}

/// Says why on the console, in one line, and powers off: if PID 1 exited, the
/// kernel would panic and bury the reason.
pub(crate) fn fatal(why: &str) -> ! {
    if POWERING_OFF.load(Ordering::Relaxed) {
        // On the way down devices go from under the threads that use them.
        park();
    }
    log(&format!("<2>iwlbench-agent: fatal: {}\n", why.replace('\n', " ")));
    power_off()
}

/// Powers the guest off.
///
/// The kernel shuts every device down first and waits for its lock, which a step
/// that hangs in a driver may hold for ever. Then a bare reset ends the guest, for
/// QEMU runs with `-no-reboot`.
pub(crate) fn power_off() -> ! {
    POWERING_OFF.store(true, Ordering::Relaxed);
    std::thread::spawn(|| {
        std::thread::sleep(SHUTDOWN_DEADLINE);
        log("<2>iwlbench-agent: the kernel hangs in its shutdown, resetting\n");
        // Without sysrq the guest stays as it is, and the bench's deadline ends it.
        let _ = fs::write("/proc/sysrq-trigger", "b");
    });
    nix::unistd::sync();
    // Without ACPI the kernel halts instead and the call does not return; it
    // fails only without CAP_SYS_BOOT, which PID 1 has.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    park()
}

fn log(line: &str) {
    // Through the kernel log the line reaches every console, whole and in
    // order, also right before the power goes. Level 2 passes `quiet`.
    let logged = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut kmsg| kmsg.write_all(line.as_bytes()));
    if logged.is_err() {
        eprint!("{line}");
    }
}

fn park() -> ! {
    loop {
        std::thread::sleep(Duration::MAX);
    }
}
