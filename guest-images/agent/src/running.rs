//! Steps on their way, and whether one is stuck in the kernel.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::unistd::{Pid, gettid};

/// How often a step is looked at, and how often in a row it has to sleep to count as
/// stuck: a lock or an emulated register held it up for less.
const EVERY: Duration = Duration::from_millis(10);
const TIMES: u32 = 5;

/// The thread of each command that has not ended.
static THREADS: Mutex<Option<HashMap<u64, Pid>>> = Mutex::new(None);

fn threads() -> MutexGuard<'static, Option<HashMap<u64, Pid>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that the calling thread carries out, for as long as this lives.
pub(crate) struct Running(u64);

/// The bench may ask about a command as soon as it has sent it.
pub(crate) fn announce(id: u64) {
    threads().get_or_insert_default().insert(id, Pid::from_raw(0));
}

impl Running {
    pub(crate) fn here(id: u64) -> Self {
        threads().get_or_insert_default().insert(id, gettid());
        Self(id)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        threads().get_or_insert_default().remove(&self.0);
    }
}

/// Returns when a command has ended, or its thread sleeps and goes on sleeping.
pub(crate) fn await_blocked(id: u64) {
    let mut asleep = 0;
    while asleep < TIMES {
        let Some(thread) = threads().get_or_insert_default().get(&id).copied() else { return };
        let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
        match stat.ok().as_deref().and_then(state) {
            Some('S' | 'D') => asleep += 1,
            _ => asleep = 0,
        }
        thread::sleep(EVERY);
    }
}

/// The threads of the commands that have not ended.
pub(crate) fn threads_of_commands() -> Vec<u32> {
    threads().iter().flatten().map(|(_, thread)| thread.as_raw().cast_unsigned()).collect()
}

/// The state of a task, from its `stat`: what follows its name, which may hold anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_any_name() {
        assert_eq!(state("12 (guest-agent) S 1 12"), Some('S'));
        assert_eq!(state("12 (a) R b) D 1 12"), Some('D'));
        assert_eq!(state(""), None);
    }

    #[test]
    fn what_has_ended_is_not_waited_for() {
        await_blocked(u64::MAX);
        announce(u64::MAX - 1);
        drop(Running::here(u64::MAX - 1));
        await_blocked(u64::MAX - 1);
    }
}
