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
//! Left out: no udev (nothing is loaded that the bench did not ask for), no
//! module parameters, no directory listing below `/lib/firmware`.

mod asks;
mod children;
mod clock;
mod command;
mod error;
mod gate;
mod init;
mod inventory;
mod loader;
mod observe;
mod outbox;
mod port;
mod requests;
mod rest;
mod running;
mod scrub;
mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::run();
    }
    // The kernel starts its module loader by the name in kernel.modprobe; modprobe starts
    // the shell, and the shell what an `install` line names.
    let mut argv = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let name = argv.next().unwrap_or_default();
    match name.rsplit('/').next() {
        Some("modprobe") => return loader::run(),
        Some("sh") => return shell::run(argv),
        Some("true") => return ExitCode::SUCCESS,
        Some("false") => return ExitCode::FAILURE,
        _ => {}
    }
    eprintln!("guest-agent runs as PID 1 of a test guest: copy it to /init of an initramfs");
    ExitCode::from(2)
}
