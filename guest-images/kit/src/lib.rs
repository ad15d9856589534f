//! Fetches what a guest needs and builds the guest image, without root.
//!
//! [`Kit`] answers three questions: which QEMU runs the guest
//! ([`Kit::qemu`]), which kernel boots in it ([`Kit::kernel`]), and what its
//! initramfs holds ([`Kit::build_image`]). Everything it fetches comes from
//! the Debian mirror that the machine's apt configuration names, is verified by
//! apt against Debian's archive keys, and lands below one [`CacheDir`]. What is
//! already there is used without touching the network.
//!
//! Sources: deb822(5), sources.list(5), apt.conf(5), Debian policy 7 and 8,
//! the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.
//!
//! Left out: other architectures than amd64; distributions' own initrds;
//! removal of old kits.

mod cache;
mod error;
mod image;
mod kernel;
mod progress;
mod qemu;

pub use cache::CacheDir;
pub use error::KitError;
pub use image::{ExtraFile, Image, ImageSpec, IncludedModule};
pub use kernel::{Kernel, KernelSelector};
pub use progress::{Progress, Silent};
pub use qemu::{MINIMUM_QEMU, Qemu, QemuOrigin, Rejected, probe_qemu};

/// How a [`Kit`] gets what is missing.
#[derive(Debug, Clone, Default)]
pub struct KitOptions {
    /// URI of a Debian archive; `None` takes `$IWLBENCH_MIRROR`, else the one
    /// that the machine's apt configuration names.
    pub mirror: Option<String>,
    /// Never touch the network; what is missing is an error.
    pub offline: bool,
    /// Ask the archive for its present versions even if the cache holds some.
    pub refresh: bool,
}

/// The guest kit in one cache directory. Share it between threads freely.
pub struct Kit {
    cache: CacheDir,
    options: KitOptions,
    progress: Box<dyn Progress>,
}

impl Kit {
    /// A kit below `cache`. Touches nothing yet.
    pub fn new(cache: CacheDir, options: KitOptions, progress: Box<dyn Progress>) -> Self {
        Self { cache, options, progress }
    }

    /// Finds a QEMU that can take the card: the first good one on PATH, else
    /// the kit's, fetched if need be. Also returns what was passed over, in
    /// PATH's order.
    pub fn qemu(&self) -> Result<(Qemu, Vec<Rejected>), KitError> {
        todo!()
    }

    /// Finds the kernel, fetching its packages if need be.
    pub fn kernel(&self, selector: &KernelSelector) -> Result<Kernel, KitError> {
        let _ = selector;
        todo!()
    }

    /// Builds the guest's initramfs, or returns the cached one of equal content.
    pub fn build_image(&self, spec: &ImageSpec<'_>) -> Result<Image, KitError> {
        let _ = spec;
        todo!()
    }

    /// Fetches everything a first run needs: QEMU, kmod and `kernels`.
    pub fn fetch_all(
        &self,
        kernels: &[KernelSelector],
    ) -> Result<(Qemu, Vec<Rejected>, Vec<Kernel>), KitError> {
        let _ = (kernels, &self.cache, &self.options, &self.progress);
        todo!()
    }
}
