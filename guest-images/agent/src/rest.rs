//! Whether the guest is at rest: all that was let go has gone as far as it can.
//!
//! A task at rest waits for the bench, or for one that does. The kernel does not say what a
//! task sleeps for, but whose requests are open is known here ([`Asks::waiting`]). Any other
//! task that sleeps in the middle of something may wake by itself, after a driver's delay or
//! timeout: it counts as at rest once it has slept longer than those. While a request is open, it may
//! wait for that one's task, and a timer of the longest kind is not told from that; with none open it
//! is, and waited for. Who waits for a helper that the kernel has started, as for modprobe, rests as that does,
//! which is looked at itself.
//!
//! In the middle of something are: programs, the steps of the bench, and kernel workers that
//! are not idle. Other kernel threads sleep between two pieces of work as they do within one;
//! of them only those of interrupts are looked at, and only while they run.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::asks::Asks;
use crate::running;

/// How often the tasks are looked at.
const EVERY: Duration = Duration::from_millis(10);
/// Nothing has run for so long: what an interrupt or another task was to wake is awake.
const CALM: Duration = Duration::from_millis(50);
/// A step sleeps for longer than a driver's delays and the grace periods that it waits for.
const STEP_ASLEEP: Duration = Duration::from_millis(500);
/// A worker or a program sleeps for longer than the driver waits for the card: at most 2 s
/// (`MVM_UCODE_CALIB_TIMEOUT`, `IWL_HOST_COMPLETE_TIMEOUT` and their like).
const WORK_ASLEEP: Duration = Duration::from_millis(2500);
/// Anybody, where nothing waits for the bench: longer than the driver waits for anything at all, 5 s for
/// its DMA (`iwl_pcie_load_firmware_chunk`). A timer of so long may be an eighth late (`kernel/time/timer.c`):
/// seen were 5.5 s.
const ALONE_ASLEEP: Duration = Duration::from_millis(6500);
/// Who is in this waits for a timer of a minute, be who may at its end: the loader, for a file that
/// somebody is to write into sysfs.
const WAITS_LONGER: &str = "firmware_fallback_sysfs";
/// Who is in this waits for a helper's end, without a timer: whoever asked for it, and the worker that has
/// started it.
const WAITS_FOR_HELPER: &str = "call_usermodehelper_exec";
/// How often it is looked whether he still is.
const EVERY_LONGER: Duration = Duration::from_millis(100);

/// The longest that the adding of a device is waited for: one whose driver is asked meanwhile may hang.
const HOTPLUG: Duration = Duration::from_secs(2);

/// Why a task is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A thread of a program.
    Program,
    /// A thread of the agent's that carries out a step.
    Step,
    /// A kernel worker.
    Worker,
    /// An interrupt's thread.
    Interrupt,
}

/// A task, as one look saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    kind: Kind,
    /// As `/proc` writes it: `R`, `S`, `D`, `I`, …
    state: char,
    /// How often it has given up the CPU.
    switches: u64,
}

/// What the looks so far have shown.
#[derive(Default)]
struct Watch {
    tasks: HashMap<u32, (Seen, Instant)>,
    calm_since: Option<Instant>,
}

/// Returns when the guest is at rest.
pub(crate) fn await_rest(asks: &Asks) {
    let mut watch = Watch::default();
    let mut known = HashMap::new();
    let mut shortly = false;
    loop {
        let waiting = asks.waiting();
        let seen = look(&mut known);
        let rests = watch.at_rest(Instant::now(), &seen, &waiting);
        // Who has just left such a wait has moved since: it is looked once more.
        if rests && shortly {
            return;
        }
        shortly = rests && !seen.keys().any(|task| !waiting.contains(task) && waits_longer(*task));
        match (rests, shortly) {
            (true, true) => {}
            (true, false) => thread::sleep(EVERY_LONGER),
            (false, _) => thread::sleep(EVERY),
        }
    }
}

/// Whether a task sleeps for longer than any is watched.
fn waits_longer(task: u32) -> bool {
    is_in(task, WAITS_LONGER)
}

/// Whether a function is on a task's stack.
fn is_in(task: u32, function: &str) -> bool {
    // Kernels without stacks have no such file.
    let stack = fs::read_to_string(format!("/proc/{task}/stack"));
    stack.is_ok_and(|stack| stack.contains(function))
}

/// Who is in the middle of something and does not wait for the bench, by name. Such a one may wake by
/// itself, however long it has slept; without any, only a timer or an interrupt begins something.
pub(crate) fn at_work(asks: &Asks) -> Vec<String> {
    let waiting = asks.waiting();
    let seen = look(&mut HashMap::new()).into_iter();
    let working = seen.filter(|(task, seen)| seen.works() && !waiting.contains(task));
    // Of a step's thread there is no directory of this kind: it is the agent's.
    let name = |task| fs::read_to_string(format!("/proc/{task}/comm")).unwrap_or_default();
    let mut names: Vec<_> = working.map(|(task, _)| name(task).trim_end().to_owned()).collect();
    names.sort_unstable();
    names
}

/// A PCI function has been told of since a step looked for it last.
static ADDED: AtomicBool = AtomicBool::new(false);

/// The kernel tells of a PCI function.
pub(crate) fn function_added() {
    ADDED.store(true, Ordering::Relaxed);
}

/// Returns when those that the kernel has told of are there. It tells of one before drivers can have it
/// (`pci_dev::match_driver`): a driver that comes by then meets nobody, and is called later.
pub(crate) fn await_hotplug() {
    if !ADDED.swap(false, Ordering::Relaxed) {
        return;
    }
    let deadline = Instant::now() + HOTPLUG;
    while Instant::now() < deadline && hotplugs() {
        thread::sleep(EVERY);
    }
}

/// Whether a worker, or an interrupt's thread, adds a device or takes one away.
fn hotplugs() -> bool {
    let is_at_it = |process: u32| {
        let of = |file| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let name = of("comm");
        // A worker has a plus before the name of the queue that it works on; ACPI's, or the port's own.
        name.ends_with("+kacpi_hotplug\n")
            || name.ends_with("-pciehp\n") && !of("stat").contains(") S ")
    };
    numbers("/proc").into_iter().any(is_at_it)
}

impl Seen {
    /// A program does not, but by way of the kernel's own work.
    fn may_wait_for_helper(self) -> bool {
        matches!((self.kind, self.state), (Kind::Worker | Kind::Step, 'S' | 'D'))
    }

    fn works(self) -> bool {
        match (self.kind, self.state) {
            (_, 'I' | 'Z') => false,
            // They sleep between two pieces of work as they do within one.
            (Kind::Interrupt, state) => state != 'S',
            _ => true,
        }
    }
}

impl Watch {
    /// Takes in a look; says whether all is at rest.
    fn at_rest(&mut self, now: Instant, seen: &HashMap<u32, Seen>, waiting: &HashSet<u32>) -> bool {
        let before = std::mem::take(&mut self.tasks);
        let mut moves = before.keys().any(|task| !seen.contains_key(task));
        let mut asleep = true;
        for (&task, &now_seen) in seen {
            let since = match before.get(&task) {
                Some((was, since)) if *was == now_seen => *since,
                _ => {
                    moves = true;
                    now
                }
            };
            self.tasks.insert(task, (now_seen, since));
            moves |= !matches!(now_seen.state, 'S' | 'D' | 'I' | 'T' | 'Z');
            let enough = match (now_seen.kind, now_seen.state) {
                (Kind::Interrupt, _) | (_, 'I' | 'Z') => continue,
                _ if waiting.is_empty() => ALONE_ASLEEP,
                (Kind::Step, _) => STEP_ASLEEP,
                (Kind::Program | Kind::Worker, _) => WORK_ASLEEP,
            };
            asleep &= waiting.contains(&task) || now.duration_since(since) >= enough;
        }
        if moves {
            self.calm_since = None;
            return false;
        }
        let calm_since = *self.calm_since.get_or_insert(now);
        asleep && now.duration_since(calm_since) >= CALM
    }
}

/// What each process is; `None` for a kernel thread that is not looked at.
type Known = HashMap<u32, Option<Kind>>;

/// All tasks of interest, but the one that looks, and those that wait for another of them.
fn look(known: &mut Known) -> HashMap<u32, Seen> {
    let mut seen = look_at_all(known);
    seen.retain(|task, seen| !(seen.may_wait_for_helper() && is_in(*task, WAITS_FOR_HELPER)));
    seen
}

/// The same with those. `known` spares reading those that are of no interest.
fn look_at_all(known: &mut Known) -> HashMap<u32, Seen> {
    let own = nix::unistd::gettid().as_raw().cast_unsigned();
    let steps = running::threads_of_commands();
    let mut seen = HashMap::new();
    for step in steps.into_iter().filter(|step| *step != own) {
        seen.extend(task(Kind::Step, &format!("/proc/self/task/{step}"), step));
    }
    let processes = numbers("/proc").into_iter().filter(|process| *process != 1);
    for process in processes {
        let directory = format!("/proc/{process}");
        let kind = match known.get(&process) {
            Some(kind) => *kind,
            None => {
                let Ok(status) = fs::read_to_string(format!("{directory}/status")) else {
                    continue;
                };
                let (kind, for_good) = kind(&status);
                if for_good {
                    known.insert(process, kind);
                }
                kind
            }
        };
        match kind {
            None => {}
            Some(Kind::Program) => {
                for thread in numbers(&format!("{directory}/task")) {
                    let directory = format!("{directory}/task/{thread}");
                    seen.extend(task(Kind::Program, &directory, thread));
                }
            }
            Some(kind) => seen.extend(task(kind, &directory, process)),
        }
    }
    seen
}

/// The entries of a directory that are numbers.
fn numbers(directory: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What kind of process this is, by its `status`, and whether it stays so.
fn kind(status: &str) -> (Option<Kind>, bool) {
    let (kernel, for_good) = match field(status, "Kthread") {
        Some(kthread) => (kthread == "1", true),
        // Kernels before 6.11 do not say. A thread without memory may yet become a program.
        None => (field(status, "VmSize").is_none(), false),
    };
    match field(status, "Name") {
        Some(name) if kernel && name.starts_with("kworker/") => (Some(Kind::Worker), for_good),
        Some(name) if kernel && name.starts_with("irq/") => (Some(Kind::Interrupt), for_good),
        _ if kernel => (None, for_good),
        _ => (Some(Kind::Program), for_good),
    }
}

/// A task as it is now; nothing if it has just gone.
fn task(kind: Kind, directory: &str, number: u32) -> Option<(u32, Seen)> {
    let status = fs::read_to_string(format!("{directory}/status")).ok()?;
    Some((number, parse(kind, &status)?))
}

fn parse(kind: Kind, status: &str) -> Option<Seen> {
    let count = |name| field(status, name).and_then(|count| count.parse::<u64>().ok());
    Some(Seen {
        kind,
        state: field(status, "State")?.chars().next()?,
        switches: count("voluntary_ctxt_switches")? + count("nonvoluntary_ctxt_switches")?,
    })
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: u32 = 9;

    fn seen(kind: Kind, state: char, switches: u64) -> HashMap<u32, Seen> {
        HashMap::from([(TASK, Seen { kind, state, switches })])
    }

    /// How long it takes until this counts as at rest, in looks of 10 ms; a task that has given
    /// up the CPU in between is given as two.
    fn looks(
        kind: Kind,
        state: char,
        switches_at: impl Fn(u32) -> u64,
        waiting: &[u32],
    ) -> Option<u32> {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let waiting = waiting.iter().copied().collect();
        (0..1000).find(|look| {
            let seen = seen(kind, state, switches_at(*look));
            watch.at_rest(start + EVERY * *look, &seen, &waiting)
        })
    }

    #[test]
    fn who_waits_for_the_bench_is_at_rest_soon() {
        // The first look has nothing to compare with.
        let soon = Some(6);
        assert_eq!(looks(Kind::Worker, 'D', |_| 1, &[TASK]), soon);
        assert_eq!(looks(Kind::Worker, 'I', |_| 1, &[]), soon);
        assert_eq!(looks(Kind::Interrupt, 'S', |_| 1, &[]), soon);
    }

    #[test]
    fn who_may_wake_by_itself_is_watched_for_longer() {
        // It may wait for him who waits for the bench.
        let other = &[TASK + 1];
        assert_eq!(looks(Kind::Step, 'D', |_| 1, other), Some(50));
        assert_eq!(looks(Kind::Worker, 'D', |_| 1, other), Some(250));
        assert_eq!(looks(Kind::Program, 'S', |_| 1, other), Some(250));
        let wakes_once = |look| u64::from(look >= 100);
        assert_eq!(looks(Kind::Worker, 'D', wakes_once, other), Some(350));
    }

    /// Five seconds, which the driver gives its DMA, and by how much a timer of them is late.
    #[test]
    fn who_sleeps_while_nothing_is_held_waits_for_a_timer() {
        let timer = |look| u64::from(look >= 500 + 500 / 8);
        for kind in [Kind::Program, Kind::Worker, Kind::Step] {
            assert_eq!(looks(kind, 'D', timer, &[]), None, "{kind:?}: it goes on, and sleeps anew");
            assert_eq!(looks(kind, 'D', |_| 1, &[]), Some(650), "{kind:?}");
        }
    }

    #[test]
    fn what_runs_is_never_at_rest() {
        assert_eq!(looks(Kind::Program, 'R', |_| 1, &[]), None);
        assert_eq!(looks(Kind::Worker, 'I', u64::from, &[]), None);
        assert_eq!(looks(Kind::Interrupt, 'R', |_| 1, &[TASK]), None);
    }

    #[test]
    fn who_sleeps_within_its_work_is_at_work() {
        let works = |kind, state| Seen { kind, state, switches: 1 }.works();
        for state in ['R', 'S', 'D'] {
            assert!(works(Kind::Worker, state) && works(Kind::Program, state), "{state}");
            assert!(works(Kind::Step, state), "{state}");
        }
        assert!(!works(Kind::Worker, 'I') && !works(Kind::Program, 'Z'));
        assert!(works(Kind::Interrupt, 'R') && !works(Kind::Interrupt, 'S'));
    }

    /// What runs is looked at whatever it is in, and a program always.
    #[test]
    fn who_waits_for_a_helper_is_asleep() {
        let may = |kind, state| Seen { kind, state, switches: 1 }.may_wait_for_helper();
        for state in ['S', 'D'] {
            assert!(may(Kind::Worker, state) && may(Kind::Step, state), "{state}");
            assert!(!may(Kind::Program, state) && !may(Kind::Interrupt, state), "{state}");
        }
        assert!(!may(Kind::Worker, 'R') && !may(Kind::Worker, 'I') && !may(Kind::Step, 'R'));
    }

    #[test]
    fn a_task_that_ends_has_moved() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let nobody = HashSet::new();
        assert!(!watch.at_rest(start, &seen(Kind::Program, 'Z', 1), &nobody));
        assert!(!watch.at_rest(start + CALM * 2, &HashMap::new(), &nobody));
        assert!(!watch.at_rest(start + CALM * 2, &HashMap::new(), &nobody));
        assert!(watch.at_rest(start + CALM * 3, &HashMap::new(), &nobody));
    }

    #[test]
    fn a_status_file_is_understood() {
        let worker = "Name:\tkworker/0:1-events\nState:\tI (idle)\nKthread:\t1\n\
                      voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(kind(worker), (Some(Kind::Worker), true));
        let want = Seen { kind: Kind::Worker, state: 'I', switches: 15 };
        assert_eq!(parse(Kind::Worker, worker), Some(want));
        assert_eq!(kind("Name:\tkworker/x\nKthread:\t0\n"), (Some(Kind::Program), true));
        assert_eq!(kind("Name:\tirq/24-iwlwifi\n"), (Some(Kind::Interrupt), false));
        assert_eq!(kind("Name:\tmodprobe\nVmSize:\t9 kB\n"), (Some(Kind::Program), false));
        assert_eq!(kind("Name:\tkswapd0\nKthread:\t1\n"), (None, true));
        assert_eq!(parse(Kind::Worker, "Name:\tgone\n"), None);
    }
}
