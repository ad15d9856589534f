//! Touching memory that a client may take back.
//!
//! A client can shrink the file that is mapped here, or have sent one for which there are no
//! pages (a full tmpfs, huge pages that ran out): who touches the missing part gets `SIGBUS`. A
//! copy through the descriptor would not, but costs a system call where a register needs none,
//! and huge pages cannot be written so.
//!
//! So each copy says which mapping it touches, and a handler for `SIGBUS` puts zeros in the place
//! of that mapping, notes it and lets the copy go on. Faults elsewhere go where they went before.
//! The handler runs on the thread that copies, in the middle of the copy: nobody else uses the
//! mapping meanwhile, and nobody unmaps it.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering, compiler_fence},
    },
};

thread_local! {
    // Neither is made nor destroyed at run time: a signal handler may look at them.
    static START: AtomicUsize = const { AtomicUsize::new(0) };
    static LENGTH: AtomicUsize = const { AtomicUsize::new(0) };
    static LOST: AtomicBool = const { AtomicBool::new(false) };
}

/// Where faults of others go.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Whether the mapping was whole while `copy` touched it. [`install`] has been called.
#[inline]
pub(crate) fn survives(start: *mut u8, length: usize, copy: impl FnOnce()) -> bool {
    START.with(|place| place.store(start as usize, Ordering::Relaxed));
    LENGTH.with(|place| place.store(length, Ordering::Relaxed));
    // The handler runs on this thread: that the compiler keeps the order is enough.
    compiler_fence(Ordering::SeqCst);
    copy();
    compiler_fence(Ordering::SeqCst);
    LENGTH.with(|place| place.store(0, Ordering::Relaxed));
    !LOST.with(|lost| lost.load(Ordering::Relaxed) && lost.swap(false, Ordering::Relaxed))
}

/// Has faults in mappings handled, in the whole process, from now on.
#[allow(unsafe_code, reason = "signal handlers")]
pub(crate) fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), rustix::io::Errno>> = OnceLock::new();
    let install = || {
        // SAFETY: all zeros is an action without a handler.
        let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: it writes the action that is passed.
        if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        BEFORE.get_or_init(|| before);
        // SAFETY: as above.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_fault as *const () as usize;
        // The standard library gives every thread a stack for this.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler calls nothing that a signal may not interrupt.
        if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    let result = INSTALLED.get_or_init(|| {
        install().map_err(|error| {
            rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::INVAL)
        })
    });
    result.map_err(Into::into)
}

#[allow(unsafe_code, reason = "signal handlers")]
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes it.
    let address = unsafe { (*info).si_addr() } as usize;
    let start = START.with(|place| place.load(Ordering::Relaxed));
    let length = LENGTH.with(|place| place.load(Ordering::Relaxed));
    if address.wrapping_sub(start) < length {
        // SAFETY: a bare system call. The range is a mapping that this thread is copying from or
        // to; nothing refers into it but that copy, for which any bytes will do.
        let zeros = unsafe {
            libc::mmap(
                start as *mut libc::c_void,
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if zeros != libc::MAP_FAILED {
            LOST.with(|lost| lost.store(true, Ordering::Relaxed));
            return;
        }
    }
    let Some(before) = BEFORE.get() else { return };
    let handler = before.sa_sigaction;
    if before.sa_flags & libc::SA_SIGINFO != 0 && handler != libc::SIG_DFL {
        // SAFETY: with this flag a handler has this type.
        let handler = unsafe {
            std::mem::transmute::<
                usize,
                extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void),
            >(handler)
        };
        handler(signal, info, context);
    } else {
        // The fault comes again, and does what it did before.
        // SAFETY: the action is one that the kernel gave.
        unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
    }
}
