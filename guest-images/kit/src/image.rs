//! The guest image: an uncompressed newc cpio archive with the agent, the
//! real modprobe, and the kernel's modules.
//!
//! Uncompressed because the guest often runs without KVM, where unpacking
//! costs more than reading a few MiB.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cpio::newc::{Builder, ModeFileType, trailer};
use serde::{Deserialize, Serialize};

use crate::apt::Package;
use crate::cache::{CacheDir, Guard, read_json};
use crate::digest::is_ours;
use crate::elf::{self, LOADER, check_static, library_closure, loader_command, module_name};
use crate::error::{At, Damage, KitError};
use crate::hash::{sha256, sha256_file};
use crate::kernel::{self, Kernel};
use crate::modules::{Closure, Module, ModuleTree};
use crate::own::{OwnModule, is_signed};
use crate::progress::Progress;
use crate::prune;
use crate::record::Sums;
use crate::store::{Source, Unpacked};
use crate::tree;
use crate::vmlinux;

/// Part of every key: change it when an image of the same inputs, or its record, changes.
const FORMAT: u32 = 4;

const KIND: &str = "tools";
const NAME: &str = "kmod";
const SUITES: [&str; 1] = ["trixie"];

/// What depmod reads besides the modules, so that modprobe knows what is built in.
const DEPMOD_INPUTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];

/// What a file begins with that a kernel takes for an initramfs (`init/initramfs.c`,
/// `lib/decompress.c`).
const INITRAMFS: [&[u8]; 9] = [
    b"070701",
    b"070702",
    &[0x1f, 0x8b],
    b"BZh",
    &[0x5d, 0x00, 0x00],
    b"\xfd7zXZ\0",
    &[0x89, b'L', b'Z', b'O'],
    &[0x02, 0x21, 0x4c, 0x18],
    &[0x28, 0xb5, 0x2f, 0xfd],
];

/// Refuses a file that no kernel takes for an initramfs.
///
/// # Errors
/// It cannot be read, or is none.
pub fn check_initramfs(path: &Path) -> Result<(), KitError> {
    let no = |reason| KitError::NoInitramfs { path: path.to_path_buf(), reason };
    if !fs::metadata(path).at(path)?.is_file() {
        return Err(no("it is no regular file"));
    }
    let mut head = Vec::new();
    fs::File::open(path).at(path)?.take(4096).read_to_end(&mut head).at(path)?;
    // The kernel passes over zeros.
    let Some(begin) = head.iter().position(|byte| *byte != 0) else {
        return Err(no("it is empty"));
    };
    match INITRAMFS.iter().any(|magic| head[begin..].starts_with(magic)) {
        true => Ok(()),
        false => Err(no("it is no newc cpio archive, compressed or not")),
    }
}

/// The events of tracing that the modules of an initramfs bring, as `SYSTEM:EVENT` with their module;
/// none of one that is compressed.
///
/// # Errors
/// It cannot be read.
pub fn trace_events(initramfs: &Path) -> Result<Vec<(String, String)>, KitError> {
    let archive = fs::read(initramfs).at(initramfs)?;
    let mut rest = &archive[..];
    let mut events = Vec::new();
    while let Ok(mut reader) = cpio::newc::Reader::new(rest) {
        if reader.entry().is_trailer() {
            break;
        }
        let name = reader.entry().name().rsplit('/').next().unwrap_or_default();
        if let Some(module) = name.strip_suffix(".ko").map(module_name) {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).at(initramfs)?;
            let found = elf::trace_events(&content).into_iter();
            events.extend(found.map(|(s, event)| (format!("{s}:{event}"), module.clone())));
        }
        rest = reader.finish().at(initramfs)?;
    }
    Ok(events)
}

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct ImageSpec<'a> {
    /// The kernel whose modules are taken.
    pub kernel: &'a Kernel,
    /// A static x86-64 ELF program; becomes `/init`.
    pub agent: &'a [u8],
    /// Modules wanted where the kernel has them; what they depend on comes along.
    pub modules: &'a [&'a str],
    /// Modules whose absence is an error, unless they are built in or left
    /// out by hand.
    pub required: &'a [&'a str],
    /// Modules left out by hand, even if another one depends on them.
    pub without: &'a [String],
    /// Modules that take the place of the kernel's own of their names, or come beside them.
    pub replace: &'a [OwnModule],
    /// Modules that come along though nothing of the bench needs them.
    pub with: &'a [String],
    /// Files of the caller's own.
    pub extra: &'a [ExtraFile],
}

/// A file to add to the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// Path in the guest, absolute.
    pub path: String,
    /// Permission bits, e.g. `0o644`.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
}

/// An image on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The archive, as QEMU's `-initrd` takes it.
    pub path: PathBuf,
    /// SHA-256 over everything that went in, in hex: equal keys, equal images.
    pub key: String,
    /// SHA-256 of the archive itself, in hex.
    pub sha256: String,
    /// Its modules, in path order.
    pub modules: Vec<IncludedModule>,
    /// Wanted modules that the kernel does not have.
    pub missing: Vec<String>,
    /// Wanted modules that the kernel itself holds.
    pub builtin: Vec<String>,
    /// Packages of the modprobe in it.
    pub kmod: Vec<Package>,
}

impl Image {
    /// Whether it has this module, or `without` says that it has to lack it.
    ///
    /// # Errors
    /// The kernel has none, or holds it itself.
    pub fn require(&self, kernel: &Kernel, name: &str, without: &[String]) -> Result<(), KitError> {
        let name = module_name(name);
        if without.iter().any(|out| module_name(out) == name) {
            return Ok(());
        }
        let release = kernel.release.clone();
        if self.builtin.contains(&name) {
            Err(KitError::BuiltIn { name, release })
        } else if self.modules.iter().any(|module| module.name == name) {
            Ok(())
        } else {
            Err(KitError::MissingModule { name, release })
        }
    }
}

/// A module in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncludedModule {
    /// As `lsmod` prints it: `snd_hda_intel`.
    pub name: String,
    /// Path in the guest.
    pub path: String,
    /// SHA-256 of the decompressed file, in hex.
    pub sha256: String,
    /// Firmware files that it declares, as `modinfo -F firmware` lists them.
    pub firmware: Vec<String>,
    /// The user's file that it is from; none if it is the kernel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<PathBuf>,
    /// A signature stands behind it; whose, only a kernel can say.
    pub signed: bool,
}

/// The fetched kmod, if any, as it is.
pub(crate) fn unpacked_kmod(cache: &CacheDir) -> Result<Option<Unpacked>, KitError> {
    Unpacked::open(cache, KIND, NAME)
}

/// The fetched kmod, if any.
pub(crate) fn cached_kmod(cache: &CacheDir) -> Result<Option<Unpacked>, KitError> {
    unpacked_kmod(cache)?.map(Unpacked::whole).transpose()
}

/// Fetches the kmod for images.
pub(crate) fn fetch_kmod(source: &Source<'_>) -> Result<Unpacked, KitError> {
    let apt = source.apt(&SUITES)?;
    let packages = apt.resolve(None, &["kmod"])?;
    // What goes into images.
    let watch = |path: &str| !path.starts_with("usr/share/");
    source.unpack(&apt, (KIND, NAME), &packages, watch, |root, _| {
        library_closure(root, &["usr/bin/kmod"]).map(drop)
    })
}

const BUSYBOX: &str = "busybox";

/// The fetched programs for a shell, if any, as they are.
pub(crate) fn unpacked_busybox(cache: &CacheDir) -> Result<Option<Unpacked>, KitError> {
    Unpacked::open(cache, KIND, BUSYBOX)
}

/// Fetches the programs for a shell. Not the static ones: those run their own modprobe, whatever
/// lies in the image.
pub(crate) fn fetch_busybox(source: &Source<'_>) -> Result<Unpacked, KitError> {
    let apt = source.apt(&SUITES)?;
    let packages = apt.resolve(None, &[BUSYBOX])?;
    let watch = |path: &str| !path.starts_with("usr/share/");
    source.unpack(&apt, (KIND, BUSYBOX), &packages, watch, |root, _| busybox_in(root).map(drop))
}

/// The programs and their libraries, as an image has them.
pub(crate) fn busybox_in(root: &Path) -> Result<Vec<ExtraFile>, KitError> {
    let program = "usr/bin/busybox";
    let mut files = vec![(format!("/{program}"), root.join(program))];
    for (soname, path) in library_closure(root, &[program])? {
        files.push((format!("/{}/{soname}", library_dir(&soname)), path));
    }
    let read = |(path, from): (String, PathBuf)| {
        let content = fs::read(&from).at(&from)?;
        Ok(ExtraFile { path, mode: 0o755, content })
    };
    files.into_iter().map(read).collect()
}

/// Where a library is in an image.
fn library_dir(soname: &str) -> &'static str {
    if LOADER.ends_with(soname) { "usr/lib64" } else { "usr/lib/x86_64-linux-gnu" }
}

/// A file of the image.
enum Node {
    Directory { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: String },
    Device { mode: u32, major: u32, minor: u32 },
}

/// The image's files by path, without the leading slash. The order puts a
/// directory before what is in it.
#[derive(Default)]
struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// Adds a file and the directories above it.
    fn add(&mut self, path: &str, node: Node) {
        for (end, _) in path.match_indices('/') {
            let parent = Node::Directory { mode: 0o755 };
            self.0.entry(path[..end].to_owned()).or_insert(parent);
        }
        self.0.insert(path.to_owned(), node);
    }

    fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.add(path, Node::File { mode, content });
    }

    fn link(&mut self, path: &str, target: &str) {
        self.add(path, Node::Link { target: target.to_owned() });
    }

    /// The archive. No times, owners or inode numbers of the host get in.
    fn archive(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for (inode, (path, node)) in (1..).zip(&self.0) {
            let entry = Builder::new(path).ino(inode);
            let (entry, content): (_, &[u8]) = match node {
                Node::Directory { mode } => {
                    (entry.mode(*mode).set_mode_file_type(ModeFileType::Directory).nlink(2), &[])
                }
                Node::File { mode, content } => {
                    (entry.mode(*mode).set_mode_file_type(ModeFileType::Regular), content)
                }
                Node::Link { target } => {
                    (entry.mode(0o777).set_mode_file_type(ModeFileType::Symlink), target.as_bytes())
                }
                Node::Device { mode, major, minor } => {
                    let entry = entry.mode(*mode).set_mode_file_type(ModeFileType::Char);
                    (entry.rdev_major(*major).rdev_minor(*minor), &[])
                }
            };
            let size = u32::try_from(content.len())
                .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, path.clone()))?;
            let mut writer = entry.write(out, size);
            writer.write_all(content)?;
            out = writer.finish()?;
        }
        trailer(out)
    }
}

/// A path in the guest as the archive spells it: no leading slash, and with
/// Debian's merged `/usr` resolved.
fn guest_path(path: &str) -> Result<String, KitError> {
    let bad = |reason| KitError::BadExtraFile { path: path.to_owned(), reason };
    let inner = path.strip_prefix('/').ok_or_else(|| bad("must be absolute"))?;
    if inner.contains('\0') || inner.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad("must name a file, without `.` and `..`"));
    }
    if inner == "init" {
        return Err(bad("is the agent's"));
    }
    let merged = ["bin/", "sbin/", "lib/", "lib64/"].iter().any(|dir| inner.starts_with(dir));
    Ok(if merged { format!("usr/{inner}") } else { inner.to_owned() })
}

/// A kernel refuses a module of another: better said here than by a guest.
fn check_vermagic(module: &Module, release: &str) -> Result<(), KitError> {
    let path = module.origin.clone();
    match module.vermagic.as_deref().and_then(|magic| magic.split(' ').next()) {
        Some(built) if built == release => Ok(()),
        Some(built) => {
            let (built, release) = (built.to_owned(), release.to_owned());
            Err(KitError::OtherKernelsModule { path, built, release })
        }
        None => {
            let reason = "no kernel module: it has no vermagic".to_owned();
            Err(KitError::BadElf { path, reason })
        }
    }
}

/// Everything that an image is made from, read into memory.
struct Parts<'a> {
    release: &'a str,
    agent: &'a [u8],
    kmod: &'a Unpacked,
    closure: Closure,
    /// Of [`DEPMOD_INPUTS`], those that the kernel has.
    lists: Vec<(&'static str, Vec<u8>)>,
    extra: Vec<(String, &'a ExtraFile)>,
}

impl<'a> Parts<'a> {
    fn gather(
        spec: &ImageSpec<'a>,
        kmod: &'a Unpacked,
        sums: Option<Sums>,
    ) -> Result<Self, KitError> {
        check_static(spec.agent).map_err(|reason| KitError::BadAgent { reason })?;
        let release = &spec.kernel.release;
        let extra = spec.extra.iter().map(|file| Ok((guest_path(&file.path)?, file)));
        let extra = extra.collect::<Result<_, KitError>>()?;
        let mut tree = ModuleTree::open(&spec.kernel.modules, sums)?;
        let kernels = match spec.replace.is_empty() {
            true => None,
            false => tree.vermagic()?,
        };
        for own in spec.replace {
            if tree.has_built_in(own.name()) {
                let (name, release) = (own.name().to_owned(), release.clone());
                return Err(KitError::BuiltIn { name, release });
            }
            own.check_vermagic(release, kernels.as_deref().unwrap_or(release))?;
            tree.replace(own.as_module());
        }
        if let Some(name) = spec.with.iter().find(|name| !tree.has(name)) {
            let near = tree.nearest(name).map(str::to_owned);
            let (name, release) = (name.clone(), release.clone());
            return Err(KitError::NothingToAdd { name, near, release });
        }
        for name in spec.without {
            // One that is wanted where there is one may be missing from some kernels.
            let wanted = spec.modules.iter().any(|module| module_name(module) == module_name(name));
            if wanted && tree.has_built_in(&module_name(name)) {
                let (name, release) = (name.clone(), release.clone());
                return Err(KitError::BuiltIn { name, release });
            }
            if let Some(why) = tree.not_to_leave_out(name).filter(|_| !wanted) {
                // One that is built in was meant, though it cannot go.
                let near = (!tree.has(name)).then(|| tree.nearest(name)).flatten();
                let (near, name) = (near.map(str::to_owned), name.clone());
                let release = release.clone();
                return Err(KitError::NoSuchModule { name, near, why, release });
            }
        }
        let with = spec.with.iter().map(String::as_str);
        let wanted: Vec<&str> =
            spec.modules.iter().chain(spec.required).copied().chain(with).collect();
        let closure = tree.closure(&wanted, spec.without)?;
        let missing = |name: &&&str| closure.missing.contains(&module_name(name));
        if let Some(name) = spec.required.iter().find(missing) {
            let (name, release) = ((*name).to_owned(), release.clone());
            return Err(KitError::MissingModule { name, release });
        }
        let exports = match spec.replace.is_empty() {
            true => None,
            false => vmlinux::exports(&spec.kernel.bzimage)?,
        };
        for own in spec.replace {
            own.check_needs(release, &closure, exports.as_ref())?;
        }
        if let Some((path, module)) = closure.broken.first().cloned() {
            return Err(KitError::MissingDependency { path, module, release: release.clone() });
        }
        for module in closure.modules.iter().filter(|module| !module.own) {
            check_vermagic(module, release)?;
        }
        let mut lists = Vec::new();
        for name in DEPMOD_INPUTS {
            let path = spec.kernel.modules.join(name);
            match fs::read(&path) {
                // In a tree it lists what was built.
                Ok(content) if name == DEPMOD_INPUTS[0] && spec.kernel.tree().is_some() => {
                    let order = tree::installed_order(&String::from_utf8_lossy(&content));
                    lists.push((name, order.into_bytes()));
                }
                Ok(content) => lists.push((name, content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(KitError::io(&path, error)),
            }
        }
        Ok(Self { release, agent: spec.agent, kmod, closure, lists, extra })
    }

    /// The modules as the image's record has them.
    fn included(&self) -> Vec<IncludedModule> {
        let included = self.closure.modules.iter().map(|module| IncludedModule {
            name: module.name.clone(),
            path: format!("/lib/modules/{}/{}", self.release, module.path),
            sha256: sha256(&module.bytes),
            firmware: module.firmware.clone(),
            own: module.own.then(|| module.origin.clone()),
            signed: is_signed(&module.bytes),
        });
        included.collect()
    }

    /// Lays the modules out and has the real depmod index them.
    fn modules(&self, stage: &Path) -> Result<Vec<(String, Vec<u8>)>, KitError> {
        let dir = stage.join("usr/lib/modules").join(self.release);
        let mut files: Vec<(String, Vec<u8>)> = self
            .closure
            .modules
            .iter()
            .map(|module| (module.path.clone(), module.bytes.clone()))
            .collect();
        files.extend(self.lists.iter().map(|(name, list)| ((*name).to_owned(), list.clone())));
        for (path, content) in &files {
            let path = dir.join(path);
            let parent = path.parent().unwrap_or(&dir);
            fs::create_dir_all(parent).at(parent)?;
            fs::write(&path, content).at(&path)?;
        }
        fs::create_dir_all(&dir).at(&dir)?;
        // kmod looks below /lib or /usr/lib, as its distribution built it.
        symlink("usr/lib", stage.join("lib")).at(stage)?;
        // Without the host's /etc/depmod.d.
        let config = stage.join("no-config");
        fs::create_dir(&config).at(&config)?;

        let output = loader_command(&self.kmod.root(), "usr/sbin/depmod")?
            .arg("-b")
            .arg(stage)
            .arg("-C")
            .arg(&config)
            .arg(self.release)
            .output()
            .at(&self.kmod.root().join("usr/sbin/depmod"))?;
        if !output.status.success() {
            let detail = String::from_utf8_lossy(&output.stderr);
            let detail = detail.lines().last().unwrap_or("no message").to_owned();
            return Err(KitError::ToolFailed { tool: "depmod".to_owned(), detail });
        }
        let known: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
        for entry in fs::read_dir(&dir).at(&dir)? {
            let entry = entry.at(&dir)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with("modules.") && !known.contains(&name) {
                let content = fs::read(entry.path()).at(&entry.path())?;
                files.push((name, content));
            }
        }
        Ok(files)
    }

    fn tree(&self, stage: &Path) -> Result<Tree, KitError> {
        let mut tree = Tree::default();
        for dir in ["bin", "sbin", "lib", "lib64"] {
            tree.link(dir, &format!("usr/{dir}"));
        }
        for dir in ["dev", "etc", "proc", "root", "run", "sys", "usr/lib/firmware"] {
            tree.add(dir, Node::Directory { mode: 0o755 });
        }
        tree.add("tmp", Node::Directory { mode: 0o1777 });
        // PID 1's standard streams, and a sink, before devtmpfs is mounted.
        tree.add("dev/console", Node::Device { mode: 0o600, major: 5, minor: 1 });
        tree.add("dev/null", Node::Device { mode: 0o666, major: 1, minor: 3 });
        tree.file("init", 0o755, self.agent.to_vec());
        self.add_kmod(&mut tree)?;
        for (path, content) in self.modules(stage)? {
            tree.file(&format!("usr/lib/modules/{}/{path}", self.release), 0o644, content);
        }
        for (path, file) in &self.extra {
            tree.file(path, file.mode & 0o7777, file.content.clone());
        }
        Ok(tree)
    }

    /// kmod under all its names, its libraries, and Debian's modprobe.d.
    fn add_kmod(&self, tree: &mut Tree) -> Result<(), KitError> {
        let root = self.kmod.root();
        let read = |path: &Path| fs::read(path).at(path);
        tree.file("usr/bin/kmod", 0o755, read(&root.join("usr/bin/kmod"))?);
        for (link, target) in [
            ("usr/bin/lsmod", "kmod"),
            ("usr/sbin/depmod", "../bin/kmod"),
            ("usr/sbin/insmod", "../bin/kmod"),
            ("usr/sbin/modinfo", "../bin/kmod"),
            ("usr/sbin/modprobe", "../bin/kmod"),
            ("usr/sbin/rmmod", "../bin/kmod"),
        ] {
            tree.link(link, target);
        }
        for (soname, path) in library_closure(&root, &["usr/bin/kmod"])? {
            let dir = library_dir(&soname);
            tree.file(&format!("{dir}/{soname}"), 0o755, read(&path)?);
        }
        for dir in ["etc/modprobe.d", "usr/lib/modprobe.d"] {
            tree.add(dir, Node::Directory { mode: 0o755 });
            let Ok(entries) = fs::read_dir(root.join(dir)) else { continue };
            for entry in entries {
                let entry = entry.at(&root)?;
                if let Ok(name) = entry.file_name().into_string()
                    && entry.path().is_file()
                {
                    tree.file(&format!("{dir}/{name}"), 0o644, read(&entry.path())?);
                }
            }
        }
        Ok(())
    }
}

/// The cached image of that key, if it is whole.
fn cached(cache: &CacheDir, key: &str, progress: &dyn Progress) -> Result<Option<Image>, KitError> {
    let dir = cache.join("images");
    let Some(image) = read_json::<Image>(&dir.join(format!("{key}.json")))? else {
        return Ok(None);
    };
    let path = dir.join(format!("{key}.cpio"));
    // What the archive holds is promised by its hash alone.
    if path.is_file() && cache.digest(&path)? == image.sha256 {
        prune::used(&dir.join(format!("{key}.json")));
        return Ok(Some(Image { path, ..image }));
    }
    progress.note("the cached guest image is damaged; building it again");
    Ok(None)
}

/// Reads all images: of each its archive, and whether that is what was made.
pub(crate) fn verify(cache: &CacheDir) -> Result<Vec<(PathBuf, Option<Damage>)>, KitError> {
    let mut all = Vec::new();
    let dir = cache.join("images");
    if !dir.exists() {
        return Ok(all);
    }
    for entry in fs::read_dir(&dir).at(&dir)? {
        let record = entry.at(&dir)?.path();
        if !is_ours(&record, 64, "json") {
            continue;
        }
        let path = record.with_extension("cpio");
        // An iwlbench of another version made what cannot be understood; this one makes its own.
        let Some(image) = read_json::<Image>(&record)? else { continue };
        let damage = match () {
            () if !path.is_file() => Some(Damage::new(&path, "is missing")),
            () if sha256_file(&path)? == image.sha256 => None,
            () => Some(Damage::new(&path, "has other content than was made")),
        };
        all.push((path, damage));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

/// SHA-256 over everything that determines an image. A fetched kernel is known
/// by its packages; `own` holds the files of a user's kernel, which may change
/// from run to run.
fn key(spec: &ImageSpec<'_>, kmod: &Unpacked, own: Option<&Parts<'_>>) -> String {
    let extra: Vec<_> =
        spec.extra.iter().map(|file| (&file.path, file.mode, sha256(&file.content))).collect();
    let replace: Vec<_> = spec.replace.iter().map(OwnModule::identity).collect();
    let own = own.map(|parts| {
        let lists = parts.lists.iter().map(|(name, content)| (name, sha256(content)));
        (parts.included(), lists.collect::<Vec<_>>())
    });
    let everything = serde_json::json!({
        "format": FORMAT,
        "release": spec.kernel.release,
        "kernel": spec.kernel.packages,
        "own kernel": own,
        "kmod": kmod.packages,
        "agent": sha256(spec.agent),
        "modules": spec.modules,
        "required": spec.required,
        "without": spec.without,
        "replace": replace,
        "with": spec.with,
        "extra": extra,
    });
    sha256(everything.to_string().as_bytes())
}

/// Builds the image, or finds it in the cache. `lock` locks the cache.
pub(crate) fn build(
    cache: &CacheDir,
    progress: &dyn Progress,
    spec: &ImageSpec<'_>,
    kmod: &Unpacked,
    lock: impl FnOnce() -> Result<Guard, KitError>,
) -> Result<Image, KitError> {
    let own = match spec.kernel.packages.is_empty() {
        true => Some(Parts::gather(spec, kmod, None)?),
        false => None,
    };
    let key = key(spec, kmod, own.as_ref());
    if let Some(image) = cached(cache, &key, progress)? {
        return Ok(image);
    }
    let guard = lock()?;
    progress.step("building the guest image");
    let image = make(cache, &guard, spec, kmod, own, key);
    progress.finish();
    image
}

/// Makes the image and puts it into the cache under its key.
fn make(
    cache: &CacheDir,
    guard: &Guard,
    spec: &ImageSpec<'_>,
    kmod: &Unpacked,
    own: Option<Parts<'_>>,
    key: String,
) -> Result<Image, KitError> {
    let parts = match own {
        Some(own) => own,
        None => Parts::gather(spec, kmod, kernel::sums(cache, spec.kernel)?)?,
    };
    let stage = guard.scratch_dir()?;
    let archive = parts.tree(stage.path())?.archive().at(cache.path())?;
    let dir = cache.join("images");
    fs::create_dir_all(&dir).at(&dir)?;
    let path = dir.join(format!("{key}.cpio"));
    guard.write(&path, &archive)?;
    let image = Image {
        path,
        sha256: sha256(&archive),
        modules: parts.included(),
        missing: parts.closure.missing,
        builtin: parts.closure.builtin,
        kmod: kmod.packages.clone(),
        key,
    };
    guard.write_json(&dir.join(format!("{}.json", image.key)), &image)?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// Name, mode, device numbers and content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    fn entries(archive: &[u8]) -> Vec<Entry> {
        let mut rest = archive;
        let mut entries = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return entries;
            }
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.mtime(), entry.uid(), entry.gid()), (0, 0, 0));
            let device = (entry.rdev_major(), entry.rdev_minor());
            entries.push((entry.name().to_owned(), entry.mode(), device, content));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn the_archive_holds_each_kind_of_file_after_its_directory() {
        let mut tree = Tree::default();
        tree.file("usr/bin/kmod", 0o755, b"kmod!".to_vec());
        tree.link("bin", "usr/bin");
        tree.add("dev/console", Node::Device { mode: 0o600, major: 5, minor: 1 });
        tree.add("tmp", Node::Directory { mode: 0o1777 });
        let expected = [
            ("bin", 0o120_777, (0, 0), &b"usr/bin"[..]),
            ("dev", 0o40_755, (0, 0), b""),
            ("dev/console", 0o20_600, (5, 1), b""),
            ("tmp", 0o41_777, (0, 0), b""),
            ("usr", 0o40_755, (0, 0), b""),
            ("usr/bin", 0o40_755, (0, 0), b""),
            ("usr/bin/kmod", 0o100_755, (0, 0), b"kmod!"),
        ]
        .map(|(name, mode, device, content)| (name.to_owned(), mode, device, content.to_vec()));
        let archive = tree.archive().unwrap();
        assert_eq!(entries(&archive), expected);
        assert_eq!(archive, tree.archive().unwrap());
        // The kernel reads words of four bytes.
        assert_eq!(archive.len() % 4, 0);
    }

    #[test]
    fn a_directorys_own_mode_survives_what_is_put_into_it() {
        let mut tree = Tree::default();
        tree.add("tmp", Node::Directory { mode: 0o1777 });
        tree.file("tmp/x", 0o644, Vec::new());
        assert_eq!(entries(&tree.archive().unwrap())[0].1, 0o41_777);
    }

    #[test]
    fn every_part_of_the_request_is_in_the_key() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: "1".to_owned(),
            sha256: "00".to_owned(),
            unlisted: false,
        };
        let kernel = Kernel {
            release: "6.6".to_owned(),
            package_version: None,
            bzimage: "b".into(),
            modules: "m".into(),
            config: None,
            packages: vec![package("linux-image-6.6")],
        };
        let mut newer = kernel.clone();
        newer.packages[0].sha256 = "01".to_owned();
        let extra = [ExtraFile { path: "/x".to_owned(), mode: 0o644, content: vec![1] }];
        let mut executable = extra.clone();
        executable[0].mode = 0o755;
        let mut changed = extra.clone();
        changed[0].content = vec![2];
        let without = ["iwlmvm".to_owned()];
        let dir = tempfile::tempdir().unwrap();
        let own = ["a.ko", "b.ko"].map(|name| {
            let file = dir.path().join(name);
            fs::write(&file, crate::testelf::module(&["name=iwlmvm"])).unwrap();
            OwnModule::read(&file).unwrap()
        });
        let spec = ImageSpec {
            kernel: &kernel,
            agent: b"agent",
            modules: &["iwlwifi"],
            required: &[],
            without: &[],
            replace: &[],
            with: &[],
            extra: &extra,
        };
        let specs = [
            spec.clone(),
            ImageSpec { kernel: &newer, ..spec.clone() },
            ImageSpec { agent: b"other", ..spec.clone() },
            ImageSpec { modules: &["iwlmvm"], ..spec.clone() },
            ImageSpec { required: &["iwlwifi"], ..spec.clone() },
            ImageSpec { without: &without, ..spec.clone() },
            ImageSpec { with: &without, ..spec.clone() },
            ImageSpec { replace: &own[..1], ..spec.clone() },
            ImageSpec { replace: &own[1..], ..spec.clone() },
            ImageSpec { extra: &executable, ..spec.clone() },
            ImageSpec { extra: &changed, ..spec.clone() },
        ];
        let kmod = |version| Unpacked::for_test(vec![package(version)]);
        let mut keys: Vec<_> = specs.iter().map(|spec| key(spec, &kmod("kmod"), None)).collect();
        keys.push(key(&spec, &kmod("kmod2"), None));
        assert_eq!(keys[0], key(&spec, &kmod("kmod"), None));
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn a_module_of_another_kernel_is_refused_by_name() {
        let module = |vermagic: Option<&str>| Module {
            name: "iwlmvm".to_owned(),
            path: "kernel/iwlmvm.ko".to_owned(),
            origin: "/m/kernel/iwlmvm.ko".into(),
            bytes: Vec::new(),
            firmware: Vec::new(),
            vermagic: vermagic.map(str::to_owned),
            own: false,
        };
        let check = |vermagic| check_vermagic(&module(vermagic), "6.6.1-mine");
        check(Some("6.6.1-mine SMP preempt mod_unload modversions ")).unwrap();
        let said = check(Some("6.6.1-min SMP preempt mod_unload ")).unwrap_err().to_string();
        assert!(said.starts_with("/m/kernel/iwlmvm.ko is a module of kernel 6.6.1-min,"), "{said}");
        assert!(check(None).unwrap_err().to_string().ends_with("no vermagic"));
    }

    #[test]
    fn what_no_kernel_unpacks_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cpio");
        let check = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            check_initramfs(&path)
        };
        let mut tree = Tree::default();
        tree.file("init", 0o755, b"x".to_vec());
        let archive = tree.archive().unwrap();
        for good in [&archive[..], &[&[0; 512][..], &archive].concat(), &[0x1f, 0x8b, 8]] {
            check(good).unwrap();
        }
        for (bad, said) in [
            (&b"070707, as cpio writes by itself"[..], "x.cpio: no initramfs: it is no newc cpio"),
            (b"", "it is empty"),
            (&[0; 8192], "it is empty"),
            (b"\x7fELF", "`iwlbench image -o FILE` makes one"),
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(check_initramfs(dir.path()).unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn an_image_has_the_module_that_is_to_be_tested_or_says_why_not() {
        let included = IncludedModule {
            name: "iwlmvm".to_owned(),
            path: String::new(),
            sha256: String::new(),
            firmware: Vec::new(),
            own: None,
            signed: true,
        };
        let image = Image {
            path: PathBuf::new(),
            key: String::new(),
            sha256: String::new(),
            modules: vec![included],
            missing: vec!["iwlmld".to_owned()],
            builtin: vec!["iwldvm".to_owned()],
            kmod: Vec::new(),
        };
        let kernel = Kernel {
            release: "6.6".to_owned(),
            package_version: None,
            bzimage: "b".into(),
            modules: "m".into(),
            config: None,
            packages: Vec::new(),
        };
        let require = |name, without: &[String]| image.require(&kernel, name, without);
        require("iwlmvm", &[]).unwrap();
        let missing = require("iwlmld", &[]);
        assert!(matches!(missing, Err(KitError::MissingModule { .. })), "{missing:?}");
        require("iwlmld", &["iwlmld".to_owned()]).unwrap();
        let builtin = require("iwldvm", &[]);
        assert!(matches!(builtin, Err(KitError::BuiltIn { .. })), "{builtin:?}");
    }

    #[test]
    fn guest_paths() {
        assert_eq!(guest_path("/lib/firmware/x.ucode").unwrap(), "usr/lib/firmware/x.ucode");
        assert_eq!(guest_path("/etc/conf").unwrap(), "etc/conf");
        assert_eq!(guest_path("/library/x").unwrap(), "library/x");
        for bad in ["etc/x", "/", "/a//b", "/a/../b", "/a/", "/init", "/a\0b", ""] {
            assert!(matches!(guest_path(bad), Err(KitError::BadExtraFile { .. })), "{bad}");
        }
    }
}
