//! Steps on their way, and whether one is stuck in the kernel.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
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
    await_asleep(|| {
        let thread = threads().get_or_insert_default().get(&id).copied();
        thread.map_or(State::Gone, thread_state)
    });
}

/// Returns when each of these threads of ours has ended or sleeps, and goes on sleeping.
pub(crate) fn await_threads(threads: &[Pid]) {
    await_asleep(|| {
        let states = || threads.iter().map(|thread| thread_state(*thread));
        if states().all(|state| state == State::Gone) {
            State::Gone
        } else if states().any(|state| state == State::Awake) {
            State::Awake
        } else {
            State::Asleep
        }
    });
}

/// Returns when a PCI function is gone, or a kernel worker that takes devices away sleeps within
/// its work, and goes on sleeping.
pub(crate) fn await_removal(slot: &str) {
    let function = Path::new("/sys/bus/pci/devices").join(slot);
    let mut worker: Option<PathBuf> = None;
    await_asleep(|| {
        if !function.exists() {
            return State::Gone;
        }
        worker = worker.take().filter(|worker| removes(worker)).or_else(|| {
            let processes = fs::read_dir("/proc").ok()?.flatten();
            processes.map(|process| process.path()).find(|process| removes(process))
        });
        // One that is idle sleeps lightly, one that has ended its work does other work or none.
        match worker.as_deref().and_then(letter) {
            Some('D') => State::Asleep,
            _ => State::Awake,
        }
    });
}

/// Whether a process in `/proc` is a kernel worker at work on a removal: of the ACPI hot-plug
/// queue, or a PCIe port's own thread.
fn removes(process: &Path) -> bool {
    let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let comm = comm.trim_end();
    comm.contains("+kacpi_hotplug") || (comm.starts_with("irq/") && comm.ends_with("pciehp"))
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Gone,
    Awake,
    /// It sleeps in the kernel.
    Asleep,
}

fn await_asleep(mut state: impl FnMut() -> State) {
    let mut asleep = 0;
    while asleep < TIMES {
        match state() {
            State::Gone => return,
            State::Asleep => asleep += 1,
            State::Awake => asleep = 0,
        }
        thread::sleep(EVERY);
    }
}

/// The threads of the commands that have not ended.
pub(crate) fn threads_of_commands() -> Vec<u32> {
    threads().iter().flatten().map(|(_, thread)| thread.as_raw().cast_unsigned()).collect()
}

fn thread_state(thread: Pid) -> State {
    // Announced, not started.
    if thread.as_raw() == 0 {
        return State::Awake;
    }
    task_state(&Path::new("/proc/self/task").join(thread.to_string()))
}

fn task_state(task: &Path) -> State {
    match letter(task) {
        Some('S' | 'D') => State::Asleep,
        Some(_) => State::Awake,
        None => State::Gone,
    }
}

/// The letter for a task's state; `None` if it is gone.
fn letter(task: &Path) -> Option<char> {
    state(&fs::read_to_string(task.join("stat")).ok()?)
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
