//! Ctrl-C and its kin: what runs is ended in order; what cannot be is ended at once.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

type Hook = Box<dyn Fn(i32) + Send>;

/// What signals are for now.
struct Watch {
    /// The guests and servers that run, by number.
    running: Vec<(u64, Hook)>,
    next: u64,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { running: Vec::new(), next: 0 });
/// The first signal that came, or 0. Whoever is busy sees it here, though nobody could wake him.
static STOPPING: AtomicI32 = AtomicI32::new(0);

fn watched() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to listen for signals. Where nothing runs, and at the second signal, the process ends
/// at once; every QEMU goes with it.
///
/// # Errors
/// The handlers could not be installed.
pub fn listen() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let watch = watched();
            let first =
                STOPPING.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if watch.running.is_empty() || !first {
                last_words(format!("iwlbench: stopped by signal {signal}"));
                std::process::exit(exit_code(signal).into());
            }
            watch.running.iter().for_each(|(_, hook)| hook(signal));
        }
    })?;
    Ok(())
}

/// Says this, if somebody listens: a terminal that is stopped does not keep the program from ending.
fn last_words(words: String) {
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        eprintln!("{words}");
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(Duration::from_millis(500));
}

/// Keeps a hook in place while it lives.
#[must_use]
#[derive(Debug)]
pub struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        watched().running.retain(|(number, _)| *number != self.0);
    }
}

/// While the guard lives, the first signal does this, which must not block; at once, if it has come
/// already.
pub fn on_signal(act: impl Fn(i32) + Send + 'static) -> Watched {
    let mut watch = watched();
    if let Some(signal) = stopped_by() {
        act(signal);
    }
    let number = watch.next;
    watch.next += 1;
    watch.running.push((number, Box::new(act)));
    Watched(number)
}

/// Whether a signal has come: nothing new should be started.
pub fn stopping() -> bool {
    stopped_by().is_some()
}

/// As shells have it of a program that a signal has ended.
pub fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// The first signal that has come.
pub fn stopped_by() -> Option<i32> {
    Some(STOPPING.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}
