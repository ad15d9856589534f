// SPDX-License-Identifier: GPL-2.0

//! `request_module()`: the kernel has modprobe load a module; and references to a module, which keep it
//! from being unloaded.
//!
//! C headers: `include/linux/kmod.h`, `include/linux/module.h`

use kernel::{bindings, fmt, prelude::*, ThisModule};

/// How modprobe ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    /// It said that all is well. That the module is there it does not mean.
    Well,
    /// It said that it failed: its status, as `wait(2)` has it.
    Failed(i32),
    /// It was not even started.
    NotStarted(Error),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Well => f.write_str("modprobe says that all is well"),
            Ended::Failed(status) => write!(f, "error {status}"),
            Ended::NotStarted(error) => write!(f, "modprobe was not started: {error:?}"),
        }
    }
}

fn request(wait: bool, name: &CStr) -> i32 {
    // SAFETY: The format takes one string, and gets one.
    unsafe { bindings::__request_module(wait, c"%s".as_char_ptr(), name.as_char_ptr()) }
}

/// Has modprobe load a module, and waits until it has ended.
pub(crate) fn request_module(name: &CStr) -> Ended {
    match request(true, name) {
        0 => Ended::Well,
        status @ 1.. => Ended::Failed(status),
        errno => Ended::NotStarted(Error::from_errno(errno)),
    }
}

/// The same, and does not wait.
pub(crate) fn request_module_nowait(name: &CStr) -> Result {
    match request(false, name) {
        errno @ ..=-1 => Err(Error::from_errno(errno)),
        _ => Ok(()),
    }
}

/// A reference to a module.
pub(crate) struct ModuleRef(&'static ThisModule);

impl ModuleRef {
    /// Takes one; none of a module that is being unloaded.
    pub(crate) fn get(module: &'static ThisModule) -> Option<Self> {
        // SAFETY: A `ThisModule` is a valid module.
        unsafe { bindings::try_module_get(module.as_ptr()) }.then_some(Self(module))
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `get()` has taken it.
        unsafe { bindings::module_put(self.0.as_ptr()) };
    }
}
