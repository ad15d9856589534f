//! The thread that reads what a guest and its VMM send has the least it needs.
//!
//! - It gains no privileges (`no_new_privs`).
//! - Landlock: it opens no file, makes none and runs none, binds and connects no TCP port, reaches
//!   no abstract socket and signals no other process.
//! - seccomp: of the system calls it has those of the server's loop, of memory, locks and its own
//!   end. There is none among them that opens a file or a socket, starts a thread or a program, or
//!   makes memory executable. All others fail with `EPERM`.
//!
//! All three are the thread's own: the rest of the process is as free as before, and the thread
//! can still be wrong about memory, which it shares. Limits (`setrlimit`) are a process's; whoever
//! runs the card alone sets them outside (`prlimit iwlbench device …`).

use std::{fmt, sync::Once};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use tracing::error;

/// The newest Landlock whose meaning is known here; of an older one, all that it has is used.
const LANDLOCK: ABI = ABI::V6;

/// What the loop of `vfio-server` and a card's model need.
const CALLS: [libc::c_long; 30] = [
    // The client: its messages, its coming and going, what it sends along.
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    libc::SYS_fcntl,
    libc::SYS_readlinkat,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_close,
    // Eventfds: the client's and its own; and standard error, for the log.
    libc::SYS_io_submit,
    libc::SYS_io_getevents,
    libc::SYS_preadv2,
    libc::SYS_read,
    libc::SYS_write,
    // Guest memory and the heap; `mmap` and `mprotect` not for code.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_getrandom,
    // Locks, channels, time.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_restart_syscall,
    libc::SYS_gettid,
    // `SIGBUS`, and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
];
/// With the place of their protection among the arguments.
const CALLS_WITHOUT_CODE: [(libc::c_long, u8); 2] = [(libc::SYS_mmap, 2), (libc::SYS_mprotect, 2)];

/// What confines a thread, and what of it the kernel does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// Files, programs and ports are out of reach by Landlock.
    pub landlock: bool,
    /// System calls are filtered.
    pub seccomp: bool,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.landlock, self.seccomp) {
            (true, true) => write!(f, "confined by Landlock and seccomp"),
            (true, false) => write!(f, "confined by Landlock only: no seccomp in this kernel"),
            (false, true) => write!(f, "confined by seccomp only: no Landlock in this kernel"),
            (false, false) => write!(f, "not confined: neither Landlock nor seccomp here"),
        }
    }
}

/// Confines the calling thread, and all that it starts, for good. What the kernel lacks is logged,
/// once in a process.
pub fn confine() -> Confinement {
    let landlock = landlock().unwrap_or_else(|error| {
        tracing::debug!("Landlock: {error}");
        false
    });
    let seccomp = seccomp().inspect_err(|error| tracing::debug!("seccomp: {error}")).is_ok();
    let confinement = Confinement { landlock, seccomp };
    static SAID: Once = Once::new();
    if !(landlock && seccomp) {
        SAID.call_once(|| error!("the card's thread is {confinement}"));
    }
    confinement
}

/// Whether anything is forbidden now.
fn landlock() -> Result<bool, RulesetError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .set_compatibility(CompatLevel::BestEffort)
        // No rule: nothing is allowed.
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

fn seccomp() -> Result<(), seccompiler::Error> {
    // Sets no_new_privs, too.
    seccompiler::apply_filter(&filter().map_err(seccompiler::Error::Backend)?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let without_code = |(call, at)| {
        let protection = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        let condition = SeccompCondition::new(at, SeccompCmpArgLen::Dword, protection, 0)?;
        Ok((call, vec![SeccompRule::new(vec![condition])?]))
    };
    let rules = CALLS
        .into_iter()
        .map(|call| Ok((call, Vec::new())))
        .chain(CALLS_WITHOUT_CODE.into_iter().map(without_code))
        .collect::<Result<_, BackendError>>()?;
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io, net::TcpStream, thread};

    fn errno<T>(result: io::Result<T>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    /// What Landlock alone keeps from the thread; a kernel without it makes the test fail, and
    /// the bench say so.
    #[test]
    fn landlock_keeps_files_and_ports_away() {
        thread::spawn(|| {
            assert_eq!(errno(File::open("/proc/self/status")), None);
            assert!(landlock().expect("a ruleset"), "no Landlock in this kernel");
            assert_eq!(errno(File::open("/proc/self/status")), Some(libc::EACCES));
            assert_eq!(errno(File::create("/tmp/confined")), Some(libc::EACCES));
            assert_eq!(errno(TcpStream::connect("127.0.0.1:9")), Some(libc::EACCES));
            let run = std::process::Command::new("/proc/self/exe").status();
            assert_eq!(errno(run), Some(libc::EACCES));
        })
        .join()
        .expect("confined");
        assert_eq!(errno(File::open("/proc/self/status")), None, "the others are free");
    }

    #[test]
    fn seccomp_keeps_other_calls_away() {
        thread::spawn(|| {
            seccomp().expect("a filter");
            assert_eq!(errno(File::open("/proc/self/status")), Some(libc::EPERM));
            assert_eq!(errno(TcpStream::connect("127.0.0.1:9")), Some(libc::EPERM));
            let pair = std::os::unix::net::UnixStream::pair();
            assert_eq!(errno(pair), Some(libc::EPERM));
            let run = std::process::Command::new("/proc/self/exe").status();
            assert_eq!(errno(run), Some(libc::EPERM));
            let started = thread::Builder::new().spawn(|| ());
            assert_eq!(errno(started), Some(libc::EPERM));
            // Memory, but not for code.
            let map = |protection| {
                #[allow(unsafe_code, reason = "mapping memory")]
                // SAFETY: a new mapping that nobody uses.
                let mapped = unsafe {
                    rustix::mm::mmap_anonymous(
                        std::ptr::null_mut(),
                        4096,
                        protection,
                        rustix::mm::MapFlags::PRIVATE,
                    )
                };
                mapped.err().map(rustix::io::Errno::raw_os_error)
            };
            use rustix::mm::ProtFlags;
            assert_eq!(map(ProtFlags::READ | ProtFlags::WRITE), None);
            assert_eq!(map(ProtFlags::READ | ProtFlags::EXEC), Some(libc::EPERM));
        })
        .join()
        .expect("confined");
        assert_eq!(errno(File::open("/proc/self/status")), None, "the others are free");
    }
}
