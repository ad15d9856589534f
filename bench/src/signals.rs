//! Ctrl-C and its kin: what runs is ended in order; what cannot be is ended at once.

use std::sync::{Mutex, MutexGuard};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::session::Interrupter;

type Hook = Box<dyn Fn(i32) + Send>;

/// What a signal is for now: the guest or the server that runs.
static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

fn hook() -> MutexGuard<'static, Option<Hook>> {
    HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts to listen for signals. Without a hook, and at the second signal, the process ends at
/// once; QEMU goes with it.
///
/// # Errors
/// The handlers could not be installed.
pub fn listen() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut first = true;
        for signal in signals.forever() {
            match &*hook() {
                Some(hook) if first => hook(signal),
                _ => {
                    eprintln!("iwlbench: stopped by signal {signal}");
                    std::process::exit(128 + signal);
                }
            }
            first = false;
        }
    })?;
    Ok(())
}

/// From now on a signal does this.
pub fn on_signal(act: impl Fn(i32) + Send + 'static) {
    *hook() = Some(Box::new(act));
}

/// From now on a signal interrupts this session.
pub fn interrupts(session: Interrupter) {
    on_signal(move |signal| session.interrupt(signal));
}

/// The session has ended.
pub fn session_ended() {
    *hook() = None;
}
