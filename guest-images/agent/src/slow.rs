//! A guest whose kernel is slow to do what it has put off, on purpose: `iwlbench.slow=MS` on its
//! command line.
//!
//! Of each `MS` milliseconds and a few more, the CPUs are busy for all that the kernel's work queues
//! could do, and for its threads and programs that nobody has given a priority; interrupts, their
//! threads and the agent with what it starts go on. So what a driver says, and what comes of it, are as
//! far from each other as on a machine that is loaded: who takes the one for the other sees it.

use std::io;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// The word, as the kernel has it.
const WORD: &str = "iwlbench.slow=";
/// Real-time priorities: over the CPUs' hog; of what the agent does to the kernel, and its programs;
/// its own, as it has to hear and answer whatever those do.
const HOG: i32 = 1;
const PROGRAM: i32 = 2;
const AGENT: i32 = 3;
/// What is left to the others, each time.
const REST: Duration = Duration::from_millis(5);
/// The longest that makes sense: the kernel gives others a part of each second.
const MOST: u64 = 500;

/// For how long at a time, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slow(Duration);

impl Slow {
    /// What the command line wants.
    pub(crate) fn wanted(command_line: &str) -> Option<Self> {
        let value = command_line.split_whitespace().rev().find_map(|word| word.strip_prefix(WORD));
        let ms = value?.parse().unwrap_or(MOST).min(MOST);
        (ms > 0).then_some(Self(Duration::from_millis(ms)))
    }

    /// The calling thread, and all that it starts, are not held up.
    pub(crate) fn spare_the_agent(self) -> io::Result<()> {
        run_as(AGENT)
    }

    /// The calling thread's word counts as much as any program's, and more than a work queue's.
    pub(crate) fn spare_a_program(self) -> io::Result<()> {
        run_as(PROGRAM)
    }

    /// From now on the others are.
    pub(crate) fn start(self) -> io::Result<()> {
        for cpu in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let mut only = CpuSet::new();
            only.set(cpu)?;
            thread::Builder::new().name("slow".into()).spawn(move || {
                // On a kernel that refuses it the guest is as quick as any.
                if sched_setaffinity(Pid::from_raw(0), &only).is_ok() && run_as(HOG).is_ok() {
                    self.hog();
                }
            })?;
        }
        Ok(())
    }

    fn hog(self) -> ! {
        loop {
            let until = Instant::now() + self.0;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            thread::sleep(REST);
        }
    }
}

/// Gives the calling thread this real-time priority.
fn run_as(priority: i32) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    #[allow(unsafe_code, reason = "a system call that no crate here has")]
    // SAFETY: the kernel reads the parameter, which lives, and keeps no pointer to it.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const param) };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_has_its_limits() {
        let ms = |line| Slow::wanted(line).map(|slow| slow.0.as_millis());
        assert_eq!(ms("console=ttyS0 quiet"), None);
        assert_eq!(ms("iwlbench.slow=45 quiet\n"), Some(45));
        assert_eq!(ms("iwlbench.slow=45 iwlbench.slow=0"), None);
        assert_eq!(ms("iwlbench.slow=86400000"), Some(500));
        assert_eq!(ms("iwlbench.slow=very"), Some(500));
    }
}
