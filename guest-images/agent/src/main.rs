//! The guest agent: PID 1 of the test guest, and the module loader that the
//! guest's kernel starts.
//!
//! As PID 1 ([`init`]) it reports what the kernel does ([`observe`]), makes the
//! kernel's requests for modules and firmware wait for the bench ([`gate`]) and
//! carries out the bench's steps ([`command`]), all over one virtio-serial port
//! in the protocol of [`guest_protocol`]. Started by the kernel under the name
//! `modprobe` it is the short-lived process that asks PID 1 ([`loader`]); as `sh` it
//! runs what modprobe's `install` lines say ([`shell`]).
//!
//! Sources: the kernel's `Documentation/ABI/testing/dev-kmsg`,
//! `Documentation/trace/ftrace.rst` and `include/uapi/linux/fuse.h`;
//! `drivers/base/firmware_loader/main.c`, `kernel/module/kmod.c`,
//! `fs/fuse/dir.c` and `drivers/char/virtio_console.c` of 6.1, 6.12 and 7.3.
//!
//! Left out: no udev (nothing is loaded that the bench did not ask for), no directory listing
//! below `/lib/firmware`.

#![cfg_attr(not(test), no_main)]

mod asks;
mod children;
mod clock;
mod command;
mod error;
mod gate;
mod init;
mod inventory;
mod leaks;
mod loader;
mod mounts;
mod observe;
mod outbox;
mod port;
mod requests;
mod rest;
mod running;
mod scan;
mod scrub;
mod shell;
mod slow;
mod terminal;

/// The C library's entry, not Rust's. For each module request this program starts anew, and what
/// Rust's own does first (it reads `/proc/self/maps`, to tell of a stack overflow) is more than the
/// rest of its work.
#[cfg(not(test))]
#[allow(unsafe_code, reason = "the C library calls a program by this name")]
// SAFETY: nothing else here has the name; the signature is that of C's `main`.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: i32, _argv: *const *const u8) -> i32 {
    ignore_broken_pipes();
    match std::panic::catch_unwind(program) {
        Ok(status) => status.into(),
        // As Rust's own entry.
        Err(_) => 101,
    }
}

/// Who writes to one that has gone gets an error, as everywhere in Rust, and does not die.
#[allow(unsafe_code, reason = "how a signal is dealt with is set by a system call")]
fn ignore_broken_pipes() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: no handler is installed.
    let ignored = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    // Fails only for a signal that does not exist.
    debug_assert!(ignored.is_ok());
}

/// Returns the exit status.
fn program() -> u8 {
    if std::process::id() == 1 {
        init::run();
    }
    // The kernel starts its module loader by the name in kernel.modprobe; modprobe starts
    // the shell, and the shell what an `install` line names.
    let mut argv = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let name = argv.next().unwrap_or_default();
    match name.rsplit('/').next() {
        Some("modprobe") => loader::run(),
        Some("sh") => shell::run(argv),
        Some("true") => 0,
        Some("false") => 1,
        _ => {
            eprintln!(
                "guest-agent runs as PID 1 of a test guest: copy it to /init of an initramfs"
            );
            2
        }
    }
}

/// The tests have an entry of their own.
#[cfg(test)]
const _: (fn() -> u8, fn()) = (program, ignore_broken_pipes);
