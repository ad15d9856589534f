//! Marks that observers have read in their streams.
//!
//! A bench that wants to say "this did not happen" must know that whoever would have
//! seen it is not merely late. So a mark is put into each observer's own stream, behind
//! all that is in it; once the observer has read the mark, it has told all before it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guest_protocol::CommandError;
use nix::errno::Errno;

/// A stalled observer is an error, not a wait for ever.
const WITHIN: Duration = Duration::from_secs(10);

/// What an observer watches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    KernelLog,
    Trace,
    Uevents,
}

/// The latest mark seen in each stream; marks are monotonic times.
static SEEN: Mutex<[u64; 3]> = Mutex::new([0; 3]);
static MORE: Condvar = Condvar::new();

fn seen_marks() -> MutexGuard<'static, [u64; 3]> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An observer has read a mark, and told all that came before it.
pub(crate) fn seen(stream: Stream, mark: u64) {
    let mut marks = seen_marks();
    let latest = &mut marks[stream as usize];
    *latest = mark.max(*latest);
    MORE.notify_all();
}

/// Returns when an observer has read this mark.
pub(super) fn await_mark(stream: Stream, mark: u64) -> Result<(), CommandError> {
    let (_guard, timeout) = MORE
        .wait_timeout_while(seen_marks(), WITHIN, |marks| marks[stream as usize] < mark)
        .unwrap_or_else(PoisonError::into_inner);
    if timeout.timed_out() {
        return Err(CommandError {
            errno: Some(Errno::ETIMEDOUT as i32),
            message: format!("the observer of {stream:?} lags by more than {} s", WITHIN.as_secs()),
        });
    }
    Ok(())
}
