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
//! | `tools/{qemu,kmod}/`, `kernels/<release>/`, `rooms/<release>/`, `rooms-in-place/<release>@<where the cache lies>/`, `rust/<release>/`, `debug/<release>/` | unpacked packages (`root/`), which they are (`manifest.json`) and what their files were (there, and `SHA256SUMS`) |
//! | `debug/<release>.unfinished/` | the tree of a debug kernel that is being built |
//! | `default-kernel.json` | which kernel "default" was when it was fetched |
//! | `sources/<release>/` | the driver's source of a kernel, unpacked |
//! | `firmware/<suite>/` | the distribution's package of Intel's firmware, unpacked |
//! | `drivers/<release>/` | that source changed: `tree/`, where it is built, and modules (`<key>.ko`); the same of other drivers, built in `own/` |
//! | `images/<key>.{cpio,json}` | guest images and what is in them |
//! | `tmp/` | half-made things; emptied by the next run that changes anything |
//!
//! What others put into it is neither touched nor opened. What was unpacked is looked at in each use,
//! and fetched again if it is not what it was; [`Kit::verify`] reads all of it.
//!
//! Where what lives; each file uses those of its row and above, without a circle, which
//! `tests/imports.rs` holds:
//!
//! | files | |
//! |---|---|
//! | `near`, `error`, `progress`, `hash`, `control` | names that were meant, what goes wrong, who is told, digests, Debian's control data |
//! | `tool`, `mirror`, `cache`, `digest`, `prune` | the host's programs; which archive; the directory and its lock; what is known of its files; what goes when |
//! | `record` | what unpacked files were |
//! | `apt`, `store` | packages chosen and fetched; packages unpacked and put in place |
//! | `compressed`, `elf`, `vmlinux`, `config`, `btf`, `devices` | compressed files; what programs and modules need; what a kernel exports; its `.config`; its structures; its driver's tables of devices |
//! | `tree`, `modules`, `own` | a kernel's build tree; its modules; the user's |
//! | `qemu`, `kernel`, `image` | what a guest is made of |
//! | `initrd` | what is in a distribution's own |
//! | `source`, `room`, `firmware` | the driver's source of a kernel; where modules are built against it; its distribution's firmware |
//! | `rust` | where modules in Rust are built |
//! | `debug` | the debug kernel, and where its modules are built |
//! | `variant` | that driver changed, and drivers of our own |
//!
//! To read it: this file's [`Kit`], then `kernel` as one thing that is fetched, then `store`, `apt`
//! and `image`.
//!
//! Sources: deb822(5), sources.list(5), apt.conf(5), Debian policy 7, ld.so(8),
//! depmod.d(5), and the kernel's `Documentation/arch/x86/boot.rst` and
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.
//!
//! Left out: other architectures than amd64.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

mod apt;
mod btf;
mod cache;
mod compressed;
mod config;
mod control;
mod debug;
mod devices;
mod digest;
mod elf;
mod error;
mod firmware;
mod hash;
mod image;
mod initrd;
mod kernel;
mod mirror;
mod modules;
mod near;
mod own;
mod progress;
mod prune;
mod qemu;
mod record;
mod room;
mod rust;
mod source;
mod store;
#[cfg(test)]
mod testelf;
mod tool;
mod tree;
mod variant;
mod vmlinux;

pub use apt::Package;
pub use cache::CacheDir;
pub use config::Configuration;
pub use debug::LOCALVERSION as DEBUG_LOCALVERSION;
pub use devices::{DeviceId, DeviceRow, DeviceTables, PciPart};
pub use digest::Identity;
pub use elf::module_name;
pub use error::{Damage, KitError, Rejected};
pub use firmware::{Firmware, FirmwareFile};
pub use image::{ExtraFile, Image, ImageSpec, IncludedModule, check_initramfs, trace_events};
pub use initrd::{Archive, Initrd, Line};
pub use kernel::{Flavour, Kernel, KernelSelector, KnownKernel, is_bzimage};
pub use near::{meant, nearest};
pub use own::OwnModule;
pub use progress::{Progress, Silent};
pub use prune::Pruned;
pub use qemu::{MINIMUM_QEMU, Qemu, QemuOrigin, SANDBOX, probe_qemu};
pub use room::check_source as check_module_source;
pub use variant::{DriverSource, Variant};

use modules::ModuleTree;
use room::{Room, Way};
use source::DriverSource as KernelsSource;
use store::{Source, Unpacked};

/// A part of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The kit's QEMU.
    Qemu,
    /// modprobe, for images.
    Kmod,
    /// The small programs of a guest with a shell.
    Busybox,
    /// The kernel of this release.
    Kernel(String),
    /// The debug kernel of this release, with its build room.
    Debug(String),
    /// The build room of the kernel of this release.
    Room(String),
    /// The same for modules in Rust.
    Rust(String),
    /// The driver's source of the kernel of this release.
    Source(String),
    /// The firmware package of this suite.
    Firmware(String),
    /// A guest image.
    Image,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu => f.write_str("QEMU"),
            Self::Kmod => f.write_str("kmod"),
            Self::Busybox => f.write_str("busybox"),
            Self::Kernel(release) => write!(f, "kernel {release}"),
            Self::Debug(release) => write!(f, "debug kernel {release}"),
            Self::Room(release) => write!(f, "build room of {release}"),
            Self::Rust(release) => write!(f, "build room for Rust of {release}"),
            Self::Source(release) => write!(f, "driver's source of {release}"),
            Self::Firmware(suite) => write!(f, "firmware package of {suite}"),
            Self::Image => f.write_str("guest image"),
        }
    }
}

/// What [`Kit::verify`] found of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// How many files were compared.
    pub files: usize,
    /// Those that are not what they were.
    pub damage: Vec<Damage>,
}

/// What fetches ahead of time what the kit fetches when it needs it.
const SETUP: &str = "iwlbench setup";

/// What fetches a build room.
const MODULE_BUILD: &str = "iwlbench module build";

/// What fetches a driver's source, and builds it.
const IMAGE: &str = "iwlbench image";

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
        if let KernelSelector::Version(release) = selector
            && let Some(kernel) = debug::named(&self.cache, release)?
        {
            return Ok(kernel);
        }
        let (what, command) = match selector {
            KernelSelector::Default => ("the default kernel".to_owned(), SETUP.to_owned()),
            KernelSelector::Version(version) => {
                (format!("kernel {version}"), format!("{SETUP} --kernel {version}"))
            }
            KernelSelector::Debug => {
                let base = self.find_kernel(&KernelSelector::Default, refresh)?;
                let kernel = debug::cached(&self.cache, &base)?;
                return kernel.ok_or_else(|| debug::missing(&base));
            }
            KernelSelector::Tree(tree) => return Kernel::from_tree(tree),
            KernelSelector::Image(bzimage) => return Kernel::from_image(bzimage),
            KernelSelector::Files { bzimage, modules } => {
                return Kernel::from_files(bzimage, modules);
            }
        };
        let cached = || kernel::cached(&self.cache, selector);
        self.obtain((&what, &command), refresh, cached, |source| match refresh {
            true => kernel::fetch(source, selector),
            false => kernel::mend(source, selector),
        })
    }

    /// The debug kernel, built if need be.
    fn build_debug_kernel(&self, refresh: bool) -> Result<Kernel, KitError> {
        let base = self.find_kernel(&KernelSelector::Default, refresh)?;
        // Before anything is fetched for nothing.
        room::check_enterable()?;
        let cached = || debug::cached(&self.cache, &base);
        let what = ("the debug kernel", "iwlbench setup --kernel debug");
        self.obtain(what, false, cached, |source| debug::build(source, &base))
    }

    fn kmod(&self, refresh: bool) -> Result<Unpacked, KitError> {
        self.obtain(("kmod", SETUP), refresh, || image::cached_kmod(&self.cache), image::fetch_kmod)
    }

    /// The small programs that a guest needs for a shell, as files of its image; fetched if need be.
    pub fn busybox(&self) -> Result<Vec<ExtraFile>, KitError> {
        let cached = || image::unpacked_busybox(&self.cache)?.map(Unpacked::whole).transpose();
        let what = ("busybox", "iwlbench shell");
        let unpacked = self.obtain(what, false, cached, image::fetch_busybox)?;
        image::busybox_in(&unpacked.root())
    }

    /// Builds the modules of a directory, as `make M=directory` does and there, against a stock
    /// kernel's headers; returns their paths. The compiler is the one that the kernel was built
    /// with, fetched if need be.
    pub fn build_modules(
        &self,
        kernel: &Kernel,
        directory: &Path,
    ) -> Result<Vec<PathBuf>, KitError> {
        let directory = room::check_source(directory)?;
        let room = match rust::is_wanted(&directory)? {
            true => self.rust_room(kernel)?,
            false => self.room(kernel)?,
        };
        self.progress.step(&format!("building {}", directory.display()));
        let built = room.build(&directory);
        self.progress.finish();
        built
    }

    /// The kernel's own driver with a change, built as [`Kit::build_modules`] does if it was not
    /// before.
    pub fn build_variant(
        &self,
        kernel: &Kernel,
        variant: &Variant<'_>,
    ) -> Result<OwnModule, KitError> {
        let release = kernel.release.clone();
        if kernel.packages.is_empty() {
            return Err(KitError::NoSource { release });
        }
        if !kernel.is_listed() {
            return Err(KitError::SignedModules { release });
        }
        if let Some(module) = variant::cached(&self.cache, kernel, variant)? {
            return Ok(module);
        }
        let source = self.driver_source(kernel)?;
        let room = self.room(kernel)?;
        let guard = self.cache.lock(&*self.progress)?;
        let parts = (&source, &room);
        variant::build(&self.cache, &guard, &*self.progress, kernel, variant, parts)
    }

    /// The modules of a driver of the caller's own, for which [`Kit::build_modules`] goes as well.
    pub fn build_driver(
        &self,
        kernel: &Kernel,
        driver: &DriverSource<'_>,
    ) -> Result<Vec<OwnModule>, KitError> {
        if !kernel.is_listed() {
            return Err(KitError::SignedModules { release: kernel.release.clone() });
        }
        if let Some(modules) = variant::cached_driver(&self.cache, kernel, driver)? {
            return Ok(modules);
        }
        let room = match driver.files.iter().any(|(path, _)| path.ends_with(".rs")) {
            true => self.rust_room(kernel)?,
            false => self.room(kernel)?,
        };
        let guard = self.cache.lock(&*self.progress)?;
        variant::build_driver(&self.cache, &guard, &*self.progress, kernel, driver, &room)
    }

    fn driver_source(&self, kernel: &Kernel) -> Result<KernelsSource, KitError> {
        let release = kernel.release.as_str();
        let what = format!("the driver's source of kernel {release}");
        let command = format!("{IMAGE} --driver nowait --kernel {release} -o FILE");
        let cached = || source::cached(&self.cache, release);
        self.obtain((&what, &command), false, cached, |from| source::fetch(from, kernel))
    }

    /// Intel's own firmware, as the distribution has it beside this kernel; fetched if need be. Its
    /// licence is told then.
    pub fn firmware(&self, kernel: &Kernel) -> Result<Firmware, KitError> {
        let what = format!("the distribution's firmware for kernel {}", kernel.release);
        let command = format!("iwlbench run --firmware real --kernel {}", kernel.release);
        let cached = || firmware::cached(&self.cache, kernel);
        self.obtain((&what, &command), false, cached, |source| {
            let fetched = firmware::fetch(source, kernel)?;
            self.progress.note(&format!(
                "{} is Intel's, under a licence of its own: {}",
                fetched.package,
                fetched.licence.display()
            ));
            Ok(fetched)
        })
    }

    /// What the driver of a kernel, or one in its place, says of its devices.
    pub fn device_tables(
        &self,
        kernel: &Kernel,
        driver: &str,
        own: &[OwnModule],
    ) -> Result<DeviceTables, KitError> {
        let mut tree = ModuleTree::open(&kernel.modules, kernel::sums(&self.cache, kernel)?)?;
        for own in own.iter().filter(|own| own.name() == driver) {
            tree.replace(own.as_module());
        }
        let image = vmlinux::unpacked(&kernel.bzimage)?;
        let module = tree.require(driver, &kernel.release)?;
        devices::tables(&module.origin, &module.bytes, image.as_deref())
    }

    /// Whether a kernel has a module of this name, or has it built in.
    pub fn has_module(&self, kernel: &Kernel, name: &str) -> Result<bool, KitError> {
        let sums = kernel::sums(&self.cache, kernel)?;
        Ok(ModuleTree::open(&kernel.modules, sums)?.has(name))
    }

    /// The room of a debug kernel.
    fn debug_room(&self, kernel: &Kernel) -> Result<Option<Room>, KitError> {
        let room = debug::room_of(&self.cache, kernel);
        room.map(|room| room::check_enterable().map(|()| room)).transpose()
    }

    fn room(&self, kernel: &Kernel) -> Result<Room, KitError> {
        if let Some(room) = self.debug_room(kernel)? {
            return Ok(room);
        }
        let release = kernel.release.as_str();
        if kernel.packages.is_empty() {
            return Err(KitError::NoHeaders { release: release.to_owned() });
        }
        let what = format!("the build room of kernel {release}");
        let command = format!("{MODULE_BUILD} DIRECTORY --kernel {release}");
        let way = Way::here()?;
        let cached = || room::cached(&self.cache, release, way);
        self.obtain((&what, &command), false, cached, |source| room::fetch(source, release, way))
    }

    fn rust_room(&self, kernel: &Kernel) -> Result<Room, KitError> {
        if let Some(room) = self.debug_room(kernel)? {
            return Ok(room);
        }
        let release = kernel.release.as_str();
        if kernel.packages.is_empty() {
            return Err(KitError::NoHeaders { release: release.to_owned() });
        }
        rust::check(kernel)?;
        // Before it is fetched for nothing.
        room::check_enterable()?;
        let what = format!("the build room for Rust of kernel {release}");
        let command = format!("{MODULE_BUILD} DIRECTORY --kernel {release}");
        let cached = || rust::cached(&self.cache, release);
        self.obtain((&what, &command), false, cached, |source| rust::fetch(source, kernel))
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
        let build = || {
            let lock = || self.cache.lock(&*self.progress);
            image::build(&self.cache, &*self.progress, spec, &self.kmod(false)?, lock)
        };
        let fetched = !spec.kernel.is_debug(&self.cache);
        match build() {
            // One of the kernel's modules.
            Err(KitError::Damaged(damage)) if !self.options.offline && fetched => {
                self.tell(&damage);
                let release = KernelSelector::Version(spec.kernel.release.clone());
                self.with_source(|source| kernel::fetch(source, &release))?;
                build()
            }
            built => built,
        }
    }

    fn tell(&self, damage: &Damage) {
        self.progress.note(&format!("{damage}: unpacking it again"));
    }

    /// Compares every file that was unpacked, and every guest image, with what is recorded of it.
    /// Changes nothing.
    pub fn verify(&self) -> Result<Vec<Verified>, KitError> {
        let mut parts = Vec::new();
        for (part, unpacked) in [
            (Part::Qemu, qemu::unpacked(&self.cache)?),
            (Part::Kmod, image::unpacked_kmod(&self.cache)?),
            (Part::Busybox, image::unpacked_busybox(&self.cache)?),
        ] {
            parts.extend(unpacked.map(|unpacked| (part, unpacked)));
        }
        let kernels = kernel::all_unpacked(&self.cache)?.into_iter();
        parts.extend(kernels.map(|(release, unpacked)| (Part::Kernel(release), unpacked)));
        let debug = debug::all_unpacked(&self.cache)?.into_iter();
        parts.extend(debug.map(|(release, unpacked)| (Part::Debug(release), unpacked)));
        let rooms = room::all_unpacked(&self.cache)?.into_iter();
        parts.extend(rooms.map(|(release, unpacked)| (Part::Room(release), unpacked)));
        let rooms = rust::all_unpacked(&self.cache)?.into_iter();
        parts.extend(rooms.map(|(release, unpacked)| (Part::Rust(release), unpacked)));
        let sources = source::all_unpacked(&self.cache)?.into_iter();
        parts.extend(sources.map(|(release, unpacked)| (Part::Source(release), unpacked)));
        let firmware = firmware::all_unpacked(&self.cache)?.into_iter();
        parts.extend(firmware.map(|(suite, unpacked)| (Part::Firmware(suite), unpacked)));
        let mut verified = Vec::new();
        for (part, unpacked) in parts {
            self.progress.step(&format!("verifying {part}"));
            let (files, damage) = unpacked.verify();
            self.progress.finish();
            let path = unpacked.dir().to_owned();
            verified.push(Verified { part, path, files, damage });
        }
        self.progress.step("verifying guest images");
        let images = image::verify(&self.cache);
        self.progress.finish();
        verified.extend(images?.into_iter().map(|(path, damage)| Verified {
            part: Part::Image,
            path,
            files: 1,
            damage: damage.into_iter().collect(),
        }));
        Ok(verified)
    }

    /// Has again what is damaged. A guest image is removed: it is made again when it is wanted; so is the
    /// debug kernel, which takes long to build.
    pub fn repair(&self, broken: &Verified) -> Result<(), KitError> {
        let Some(first) = broken.damage.first() else { return Ok(()) };
        let removed = matches!(broken.part, Part::Image | Part::Debug(_));
        if self.options.offline && !removed {
            return Err(KitError::Damaged(first.clone()));
        }
        match &broken.part {
            Part::Qemu => self.with_source(qemu::fetch).map(drop),
            Part::Kmod => self.with_source(image::fetch_kmod).map(drop),
            Part::Busybox => self.with_source(image::fetch_busybox).map(drop),
            Part::Kernel(release) => {
                let release = KernelSelector::Version(release.clone());
                self.with_source(|source| kernel::fetch(source, &release)).map(drop)
            }
            Part::Debug(release) => {
                let guard = self.cache.lock(&*self.progress)?;
                debug::discard(&self.cache, &guard, release)
            }
            Part::Room(release) => {
                let way = Way::here()?;
                self.with_source(|source| room::fetch(source, release, way)).map(drop)
            }
            Part::Rust(release) => {
                let kernel = self.kernel(&KernelSelector::Version(release.clone()))?;
                self.with_source(|source| rust::fetch(source, &kernel)).map(drop)
            }
            Part::Source(release) => {
                let kernel = self.kernel(&KernelSelector::Version(release.clone()))?;
                self.with_source(|source| source::fetch(source, &kernel)).map(drop)
            }
            Part::Firmware(suite) => {
                self.with_source(|source| firmware::fetch_suite(source, suite)).map(drop)
            }
            Part::Image => {
                let _guard = self.cache.lock(&*self.progress)?;
                prune::remove_image(&broken.path).map(drop)
            }
        }
    }

    /// Fetches everything that running these kernels needs: QEMU, kmod and the
    /// kernels; the debug kernel is built. With `refresh`, asks the archive for its present versions of
    /// what the cache already holds.
    pub fn fetch_all(
        &self,
        kernels: &[KernelSelector],
        refresh: bool,
    ) -> Result<(Qemu, Vec<Rejected>, Vec<Kernel>), KitError> {
        let (qemu, rejected) = self.find_qemu(refresh)?;
        self.kmod(refresh)?;
        let kernels = kernels.iter().map(|selector| match selector {
            KernelSelector::Debug => self.build_debug_kernel(refresh),
            _ => self.find_kernel(selector, refresh),
        });
        Ok((qemu, rejected, kernels.collect::<Result<_, _>>()?))
    }

    /// Removes guest images, kernels, sources and build rooms that were not used for this long. They
    /// are made and fetched again when they are wanted.
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
        match cached() {
            Ok(Some(present)) => return Ok(present),
            Err(KitError::Damaged(damage)) if !self.options.offline => self.tell(&damage),
            Err(error) => return Err(error),
            Ok(None) if self.options.offline => {
                let (what, command) = (what.to_owned(), command.to_owned());
                return Err(KitError::Offline { what, command });
            }
            Ok(None) => {}
        }
        self.with_source(|source| match cached() {
            // Whoever held the lock may have fetched it.
            Ok(Some(present)) => Ok(present),
            Ok(None) | Err(KitError::Damaged(_)) => fetch(source),
            Err(error) => Err(error),
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
