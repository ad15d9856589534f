//! Fetches what a guest needs and builds the guest image, without root.
//!
//! [`Kit`] answers three questions: which QEMU runs the guest
//! ([`Kit::qemu`]), which kernel boots in it ([`Kit::kernel`]), and what its
//! initramfs holds ([`Kit::build_image`]). Everything it fetches comes from
//! the Debian mirror that the machine's apt configuration names, is verified by
//! apt against Debian's archive keys, and lands below one [`CacheDir`]. What is
//! already there is used without touching the network.
//!
//! The cache directory:
//!
//! | path | what |
//! |---|---|
//! | `lock` | held while anything below changes |
//! | `apt/` | the private apt: configuration, lists, packages being downloaded |
//! | `tools/{qemu,kmod}/`, `kernels/<release>/` | unpacked packages (`root/`) and which they are (`manifest.json`) |
//! | `default-kernel.json` | which kernel "default" was when it was fetched |
//! | `images/<key>.{cpio,json}` | guest images and what is in them |
//! | `tmp/` | half-made things; emptied by the next run that changes anything |
//!
//! Where what lives; each file uses only those above it, which `tests/imports.rs` holds:
//!
//! | files | |
//! |---|---|
//! | `error`, `progress`, `hash`, `control` | what goes wrong, who is told, digests, Debian's control data |
//! | `tool`, `mirror`, `cache`, `digest`, `prune` | the host's programs; which archive; the directory and its lock; what is known of its files; what goes when |
//! | `apt`, `store` | packages chosen and fetched; packages unpacked and put in place |
//! | `elf`, `modules` | what programs and modules need; a kernel's modules |
//! | `qemu`, `kernel`, `image` | what a guest is made of |
//!
//! To read it: this file's [`Kit`], then `kernel` as one thing that is fetched, then `store`, `apt`
//! and `image`.
//!
//! Sources: deb822(5), sources.list(5), apt.conf(5), Debian policy 7, ld.so(8),
//! depmod.d(5), and the kernel's `Documentation/arch/x86/boot.rst` and
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.
//!
//! Left out: other architectures than amd64; distributions' own initrds.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

mod apt;
mod cache;
mod control;
mod digest;
mod elf;
mod error;
mod hash;
mod image;
mod kernel;
mod mirror;
mod modules;
mod progress;
mod prune;
mod qemu;
mod store;
#[cfg(test)]
mod testelf;
mod tool;

pub use apt::Package;
pub use cache::CacheDir;
pub use digest::Identity;
pub use error::{KitError, Rejected};
pub use image::{ExtraFile, Image, ImageSpec, IncludedModule};
pub use kernel::{Flavour, Kernel, KernelSelector, KnownKernel};
pub use progress::{Progress, Silent};
pub use prune::Pruned;
pub use qemu::{MINIMUM_QEMU, Qemu, QemuOrigin, probe_qemu};

use store::{Source, Unpacked};

/// What fetches ahead of time what the kit fetches when it needs it.
const SETUP: &str = "iwlbench setup";

/// How a [`Kit`] gets what is missing.
#[derive(Debug, Clone, Default)]
pub struct KitOptions {
    /// URI of a Debian archive; `None` takes `$IWLBENCH_MIRROR`, else the one
    /// that the machine's apt configuration names.
    pub mirror: Option<String>,
    /// Never touch the network; what is missing is an error.
    pub offline: bool,
}

/// The guest kit in one cache directory. Share it between threads freely.
pub struct Kit {
    cache: CacheDir,
    options: KitOptions,
    progress: Box<dyn Progress>,
    updated: Mutex<BTreeSet<String>>,
}

impl Kit {
    /// A kit below `cache`. Touches nothing yet.
    pub fn new(cache: CacheDir, options: KitOptions, progress: Box<dyn Progress>) -> Self {
        Self { cache, options, progress, updated: Mutex::default() }
    }

    /// Finds a QEMU that can take the card: the first good one on PATH, else
    /// the kit's, fetched if need be. Also returns what was passed over, in
    /// PATH's order; each was told to [`Progress::note`] too.
    pub fn qemu(&self) -> Result<(Qemu, Vec<Rejected>), KitError> {
        self.find_qemu(false)
    }

    fn find_qemu(&self, refresh: bool) -> Result<(Qemu, Vec<Rejected>), KitError> {
        let (found, rejected) = qemu::on_path(std::env::var_os("PATH"));
        for reason in &rejected {
            self.progress.note(&format!("passing over {reason}"));
        }
        let qemu = match found {
            Some(qemu) => qemu,
            None => {
                self.obtain(("QEMU", SETUP), refresh, || qemu::cached(&self.cache), qemu::fetch)?
            }
        };
        Ok((qemu, rejected))
    }

    /// Finds the kernel, fetching its packages if need be.
    pub fn kernel(&self, selector: &KernelSelector) -> Result<Kernel, KitError> {
        self.find_kernel(selector, false)
    }

    fn find_kernel(&self, selector: &KernelSelector, refresh: bool) -> Result<Kernel, KitError> {
        selector.check()?;
        let (what, command) = match selector {
            KernelSelector::Default => ("the default kernel".to_owned(), SETUP.to_owned()),
            KernelSelector::Version(version) => {
                (format!("kernel {version}"), format!("{SETUP} --kernel {version}"))
            }
            KernelSelector::Files { bzimage, modules } => {
                return Kernel::from_files(bzimage, modules);
            }
        };
        let cached = || kernel::cached(&self.cache, selector);
        self.obtain((&what, &command), refresh, cached, |s| kernel::fetch(s, selector))
    }

    fn kmod(&self, refresh: bool) -> Result<Unpacked, KitError> {
        self.obtain(("kmod", SETUP), refresh, || image::cached_kmod(&self.cache), image::fetch_kmod)
    }

    /// Kernels that can be had, by their names the newest first; offline, those in the cache.
    pub fn kernels(&self) -> Result<Vec<KnownKernel>, KitError> {
        match self.options.offline {
            true => kernel::known(&self.cache, None),
            false => self.with_source(|source| kernel::known(&self.cache, Some(source))),
        }
    }

    /// Builds the guest's initramfs, or returns the cached one of equal content.
    pub fn build_image(&self, spec: &ImageSpec<'_>) -> Result<Image, KitError> {
        let kmod = self.kmod(false)?;
        image::build(&self.cache, &*self.progress, spec, &kmod, || self.cache.lock(&*self.progress))
    }

    /// Fetches everything that running these kernels needs: QEMU, kmod and the
    /// kernels. With `refresh`, asks the archive for its present versions of
    /// what the cache already holds.
    pub fn fetch_all(
        &self,
        kernels: &[KernelSelector],
        refresh: bool,
    ) -> Result<(Qemu, Vec<Rejected>, Vec<Kernel>), KitError> {
        let (qemu, rejected) = self.find_qemu(refresh)?;
        self.kmod(refresh)?;
        let kernels: Result<Vec<_>, _> =
            kernels.iter().map(|selector| self.find_kernel(selector, refresh)).collect();
        Ok((qemu, rejected, kernels?))
    }

    /// Removes guest images and kernels that were not used for this long. They are made and
    /// fetched again when they are wanted.
    pub fn prune(&self, unused_for: Duration) -> Result<Vec<Pruned>, KitError> {
        let guard = self.cache.lock(&*self.progress)?;
        prune::prune(&self.cache, &guard, unused_for)
    }

    /// What `cached` finds; else, under the lock, what `fetch` gets.
    fn obtain<T>(
        &self,
        (what, command): (&str, &str),
        refresh: bool,
        cached: impl Fn() -> Result<Option<T>, KitError>,
        fetch: impl FnOnce(&Source<'_>) -> Result<T, KitError>,
    ) -> Result<T, KitError> {
        let cached = || if refresh { Ok(None) } else { cached() };
        if let Some(present) = cached()? {
            return Ok(present);
        }
        if self.options.offline {
            let (what, command) = (what.to_owned(), command.to_owned());
            return Err(KitError::Offline { what, command });
        }
        self.with_source(|source| {
            // Whoever held the lock may have fetched it.
            match cached()? {
                Some(present) => Ok(present),
                None => fetch(source),
            }
        })
    }

    /// Does something with the archive at hand, the cache locked.
    fn with_source<T>(
        &self,
        act: impl FnOnce(&Source<'_>) -> Result<T, KitError>,
    ) -> Result<T, KitError> {
        if std::env::consts::ARCH != "x86_64" {
            return Err(KitError::Architecture);
        }
        let mirror = mirror::find(self.options.mirror.as_deref())?;
        let guard = self.cache.lock(&*self.progress)?;
        act(&Source {
            cache: &self.cache,
            guard: &guard,
            mirror: &mirror,
            progress: &*self.progress,
            updated: &self.updated,
        })
    }
}
