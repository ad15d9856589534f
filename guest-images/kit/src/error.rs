//! What can go wrong, each with its remedy in the message.

use std::io;
use std::path::{Path, PathBuf};

use crate::near;

/// Why the kit could not do its work. `Display` is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// A file or directory could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system is full.
    #[error("no space left in {}; free some, or point IWLBENCH_CACHE at a larger disk", path.display())]
    DiskFull {
        /// The file or directory being written.
        path: PathBuf,
    },
    /// Neither a cache directory nor a home directory is named.
    #[error("no cache directory: set IWLBENCH_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheDir,
    /// The cache's path cannot be written into apt's or the loader's options.
    #[error(
        "the cache directory {} must be absolute and free of quotes, colons and semicolons; \
         set IWLBENCH_CACHE to another",
        path.display()
    )]
    CachePath {
        /// The directory.
        path: PathBuf,
    },
    /// The kit's programs are for another processor.
    #[error("the guest kit is for x86-64 hosts; put a qemu-system-x86_64 of at least 10.1 on PATH")]
    Architecture,
    /// A program of the host is missing.
    #[error("`{tool}` not found: install the package {package}")]
    ToolMissing {
        /// The program.
        tool: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// A program failed.
    #[error("{tool} failed: {detail}")]
    ToolFailed {
        /// The program.
        tool: String,
        /// What it said, in one line.
        detail: String,
    },
    /// The machine's apt configuration names no Debian archive.
    #[error(
        "no Debian archive in the machine's apt sources; \
         name one with --mirror URI or IWLBENCH_MIRROR"
    )]
    NoMirror,
    /// The mirror's URI is not one that apt takes.
    #[error("`{mirror}` is not the URI of a Debian archive, such as https://HOST/debian")]
    BadMirror {
        /// What was given.
        mirror: String,
    },
    /// Debian's archive keys are missing.
    #[error("Debian's archive keys are missing: install the package debian-archive-keyring")]
    NoKeyring,
    /// Debian's archive keys do not verify the suite.
    #[error(
        "{} does not verify {mirror}: upgrade the package debian-archive-keyring ({detail})",
        keyring.display()
    )]
    Untrusted {
        /// The keyring.
        keyring: PathBuf,
        /// The archive.
        mirror: String,
        /// What apt said.
        detail: String,
    },
    /// The mirror did not deliver.
    #[error("{mirror}: {detail}; check the network, or name another archive with --mirror")]
    Mirror {
        /// The archive.
        mirror: String,
        /// What apt said.
        detail: String,
    },
    /// The mirror does not have the suite, or is no Debian archive.
    #[error("{mirror} does not hold Debian's {suites}; name another archive with --mirror")]
    NoSuite {
        /// The archive.
        mirror: String,
        /// What was asked of it.
        suites: String,
    },
    /// Something is missing and the network must not be used.
    #[error("{what} is not in the cache, and --offline forbids fetching it: run `{command}`")]
    Offline {
        /// What is missing.
        what: String,
        /// What fetches it.
        command: String,
    },
    /// A file of the cache is not what was unpacked.
    #[error("{0}: `iwlbench setup --verify` unpacks it again")]
    Damaged(Damage),
    /// Something that is not ours is where something of ours has to be.
    #[error(
        "{} is no regular file: remove it, or set IWLBENCH_CACHE to another directory",
        path.display()
    )]
    Foreign {
        /// Where.
        path: PathBuf,
    },
    /// No package holds it.
    #[error("{mirror} has no package {package} in {suites}")]
    NoPackage {
        /// The package.
        package: String,
        /// Where it was looked for.
        suites: String,
        /// The archive.
        mirror: String,
    },
    /// A package lacks what it should hold.
    #[error("{}: {missing} is missing; remove the directory to have it fetched again", path.display())]
    BadPackage {
        /// Where it was unpacked.
        path: PathBuf,
        /// What was expected in it.
        missing: String,
    },
    /// The text names no kernel version.
    #[error("`{text}` is no kernel version: write `default`, `6.12` or `7.3.4+deb13-amd64`")]
    BadKernelVersion {
        /// What was given.
        text: String,
    },
    /// The kernel is one without the driver.
    #[error(
        "kernel {release} is Debian's for virtual machines and has no iwlwifi; \
         use the plain one: --kernel {plain}"
    )]
    NoDriver {
        /// What was asked for.
        release: String,
        /// The same in the plain flavour.
        plain: String,
    },
    /// No Debian suite has such a kernel.
    #[error(
        "no kernel {version} in Debian's {suites}; there are {known} \
         (all of them: `iwlbench list kernels`)"
    )]
    NoKernel {
        /// What was asked for.
        version: String,
        /// Where it was looked for.
        suites: String,
        /// Releases that could be had instead, newest first.
        known: String,
    },
    /// The user's kernel files do not fit together.
    #[error("{}: {reason}", path.display())]
    BadKernelFiles {
        /// The offending file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The fetched QEMU does not run here.
    #[error("the kit's QEMU cannot be used: {0}")]
    KitQemu(Rejected),
    /// A file is not the ELF file or kernel module it should be.
    #[error("{}: {reason}", path.display())]
    BadElf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is not whole.
    #[error("{} is cut short: {what} begins there and does not end", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// What it is as far as it goes, with its article.
        what: &'static str,
    },
    /// A library that a program needs is in no package of its closure.
    #[error("{} needs {soname}, which no fetched package holds", needed_by.display())]
    MissingLibrary {
        /// The library's DT_SONAME.
        soname: String,
        /// The file that needs it.
        needed_by: PathBuf,
    },
    /// A module that the image must have is not in the kernel.
    #[error(
        "kernel {release} has no module {name}: build it, or name with --modules the directory that \
         holds it"
    )]
    MissingModule {
        /// The module.
        name: String,
        /// The kernel.
        release: String,
    },
    /// A module that is to be tested is no module of its own.
    #[error(
        "kernel {release} has {name} built in, and it is tested as a module: build it as one (=m)"
    )]
    BuiltIn {
        /// The module.
        name: String,
        /// The kernel.
        release: String,
    },
    /// The kernel would refuse the module.
    #[error(
        "{} is a module of kernel {built}, which {release} refuses: build it for that",
        path.display()
    )]
    OtherKernelsModule {
        /// The module.
        path: PathBuf,
        /// By its vermagic.
        built: String,
        /// The kernel.
        release: String,
    },
    /// A file that the user gave as a module is none.
    #[error("{}: {reason}", path.display())]
    NoModule {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel would refuse the user's module, though it says that it is for this one.
    #[error(
        "{} was built with another configuration: its vermagic is `{own}`, that of the modules of \
         kernel {release} `{kernels}`",
        path.display()
    )]
    OtherVermagic {
        /// The module.
        path: PathBuf,
        /// Its vermagic.
        own: String,
        /// That of the kernel's own modules.
        kernels: String,
        /// The kernel.
        release: String,
    },
    /// A module needs one that is not there.
    #[error(
        "{} depends on the module {module}, which kernel {release} does not have: build it, or \
         give it with --module",
        path.display()
    )]
    MissingDependency {
        /// The user's module.
        path: PathBuf,
        /// What it depends on.
        module: String,
        /// The kernel.
        release: String,
    },
    /// The user's module wants symbols that nobody has.
    #[error(
        "{} wants {symbols}: no module in the image exports that, nor kernel {release}; build it \
         for this kernel, or add the module that has it, with --with or --module",
        path.display()
    )]
    Unresolved {
        /// The module.
        path: PathBuf,
        /// What is missing.
        symbols: String,
        /// The kernel.
        release: String,
    },
    /// A module is to be added that the kernel does not have.
    #[error(
        "{name} cannot be added to the image: there is no such module in kernel {release}{}",
        near::meant(near.as_deref())
    )]
    NothingToAdd {
        /// The module.
        name: String,
        /// What was probably meant.
        near: Option<String>,
        /// The kernel.
        release: String,
    },
    /// A kernel's tree in which not everything is built.
    #[error("{}: {reason}", path.display())]
    BadTree {
        /// The tree.
        path: PathBuf,
        /// What is missing, and what makes it.
        reason: String,
    },
    /// The kernel was built without what a guest needs.
    #[error("{}: not set: {missing}; set them and build the kernel again", path.display())]
    Config {
        /// The configuration.
        path: PathBuf,
        /// Options, and what each is for.
        missing: String,
    },
    /// A module is to be left out that the kernel does not have as one: that would change nothing.
    #[error(
        "{name} cannot be left out of the image: {why} in kernel {release}{}",
        near::meant(near.as_deref())
    )]
    NoSuchModule {
        /// The module.
        name: String,
        /// What was probably meant.
        near: Option<String>,
        /// What it is instead.
        why: &'static str,
        /// The kernel.
        release: String,
    },
    /// A file is to be the guest's initramfs and cannot be.
    #[error("{}: no initramfs: {reason}; `iwlbench image -o FILE` makes one", path.display())]
    NoInitramfs {
        /// The file.
        path: PathBuf,
        /// What it is not.
        reason: &'static str,
    },
    /// A file is to be a distribution's initrd and cannot be.
    #[error("{}: no initrd: {reason}", path.display())]
    NoInitrd {
        /// The file.
        path: PathBuf,
        /// What it is not.
        reason: String,
    },
    /// A distribution's initrd whose file ends too soon.
    #[error("{} is cut off at {place}; make or copy it anew", path.display())]
    CutInitrd {
        /// The file.
        path: PathBuf,
        /// Where, and what misses its end.
        place: String,
    },
    /// The agent cannot run as `/init`.
    #[error("the agent cannot be /init: {reason}")]
    BadAgent {
        /// Why.
        reason: String,
    },
    /// The machine lets nobody enter a build room, and another way there is not.
    #[error(
        "modules in Rust, and the debug kernel with its modules, are built in a user namespace of their \
         own, and there can be none here ({detail}): \
         allow them, with the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone \
         or a container's --security-opt seccomp=unconfined"
    )]
    NoUserNamespaces {
        /// What unshare(1) said.
        detail: String,
    },
    /// Modules are to be built where a cache lies whose path make and a shell do not take.
    #[error(
        "{}: without user namespaces modules are built with programs that lie here, and make takes \
         no such path: name another cache with IWLBENCH_CACHE, of letters and digits",
        path.display()
    )]
    CacheUnfit {
        /// The place.
        path: PathBuf,
    },
    /// Modules are to be built for a kernel that is no package.
    #[error(
        "kernel {release} is no package, and has no headers package to build against: \
         build with its own tree, `make -C TREE M=DIRECTORY modules`"
    )]
    NoHeaders {
        /// The kernel.
        release: String,
    },
    /// A kernel's driver is to be changed, and its source cannot be had.
    #[error(
        "there is no source package for kernel {release}: the driver can be changed in Debian's \
         kernels alone, and of those in the ones that the archive's index still lists"
    )]
    NoSource {
        /// The kernel.
        release: String,
    },
    /// A kernel insists on its modules' signatures, and ours have none.
    #[error(
        "kernel {release} takes only modules with a good signature, and one that is built here has \
         none: use a kernel that is not superseded (`iwlbench list kernels`)"
    )]
    SignedModules {
        /// The kernel.
        release: String,
    },
    /// A change does not fit the kernel's driver.
    #[error("driver {name} is not for kernel {release}: its patch does not apply ({what})")]
    PatchRefused {
        /// The variant.
        name: String,
        /// The kernel.
        release: String,
        /// Where.
        what: String,
    },
    /// A kernel without Rust is to have modules in it.
    #[error(
        "kernel {release} is built without Rust (CONFIG_RUST is not set), and takes no module in it: \
         use one that has it, as 7.3"
    )]
    NoRust {
        /// The kernel.
        release: String,
    },
    /// The kernel's own Rust could not be made ready for modules, or is not what it was built with.
    #[error("kernel {release}: modules in Rust cannot be built: {what}")]
    RustNotReady {
        /// The kernel.
        release: String,
        /// What went wrong.
        what: String,
    },
    /// The debug kernel is wanted, and takes too long to be built by the way.
    #[error(
        "the debug kernel {release} was not built: `iwlbench setup --kernel debug` builds it, once, in \
         half an hour of two CPUs"
    )]
    NoDebugKernel {
        /// The kernel.
        release: String,
    },
    /// The debug kernel does not build.
    #[error(
        "the debug kernel {release} cannot be built: {what}; `iwlbench setup --kernel debug` goes on \
         where this ended"
    )]
    DebugKernel {
        /// The kernel.
        release: String,
        /// What went wrong.
        what: String,
    },
    /// A directory holds nothing that builds modules.
    #[error("{}: {reason}", path.display())]
    BadModuleSource {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Modules do not build.
    #[error("{} does not build against kernel {release}:\n{output}", path.display())]
    BuildFailed {
        /// Their source.
        path: PathBuf,
        /// The kernel.
        release: String,
        /// What compiler and make said.
        output: String,
    },
    /// An extra file has an unusable path.
    #[error("extra file `{path}`: {reason}")]
    BadExtraFile {
        /// The path in the guest.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What is wrong with a file of the cache. Its `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// As a phrase: "has 5 bytes, and had 14505920".
    pub why: String,
}

impl Damage {
    pub(crate) fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), why: why.into() }
    }
}

/// A QEMU that was passed over. Its `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Rejected {
    /// The program.
    pub path: PathBuf,
    /// Why, as a phrase: "version 7.2.22 is older than 10.1".
    pub reason: String,
}

impl KitError {
    /// Whether it is in what the user gave, and not in where it was to be done: what is no such thing as it
    /// was given for. What is one, and of another kernel or cut short, comes of a build: a bisect passes
    /// over that.
    pub fn is_users(&self) -> bool {
        matches!(
            self,
            Self::NoKernel { .. }
                | Self::NoSuchModule { .. }
                | Self::BadModuleSource { .. }
                | Self::BuildFailed { .. }
                | Self::NoSource { .. }
                | Self::SignedModules { .. }
                | Self::PatchRefused { .. }
                | Self::NothingToAdd { .. }
                | Self::NoModule { .. }
                | Self::NoInitramfs { .. }
                | Self::NoInitrd { .. }
        )
    }

    /// An I/O error at `path`; a full disk gets its own kind.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Names the file in an [`io::Error`].
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T, KitError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, KitError> {
        self.map_err(|source| KitError::io(path, source))
    }
}
