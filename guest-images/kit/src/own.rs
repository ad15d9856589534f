//! A module of the user's own, instead of the kernel's of that name or beside them, and whether the
//! kernel would take it: better said before a boot than by a guest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cache::read_regular;
use crate::elf::{ModInfo, exported, modinfo, undefined};
use crate::error::{At, KitError};
use crate::hash::sha256;
use crate::modules::{Closure, Module, decompress, name_of};

/// What ends a signed module (`MODULE_SIG_STRING` of `include/linux/module_signature.h`).
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// Whether a signature is appended to a module. Whose, only the kernel can tell.
pub(crate) fn is_signed(module: &[u8]) -> bool {
    module.ends_with(SIGNED)
}

/// A module that is not the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnModule {
    name: String,
    file: PathBuf,
    /// Decompressed.
    content: Vec<u8>,
    info: ModInfo,
}

impl OwnModule {
    /// Reads it, compressed or not. Its name is what it calls itself, whatever the file is called.
    ///
    /// # Errors
    /// It cannot be read, or is no module.
    pub fn read(path: &Path) -> Result<Self, KitError> {
        let no_module = |reason| KitError::NoModule { path: path.to_owned(), reason };
        let plain = |error| match error {
            KitError::BadElf { reason, .. } => no_module(reason),
            error => error,
        };
        let content = read_regular(path).at(path)?;
        let content = content.ok_or_else(|| {
            no_module(match path.metadata() {
                Ok(what) if what.is_dir() => "it is a directory: name a module in it".to_owned(),
                Ok(_) => "it is no regular file".to_owned(),
                Err(_) => "there is no such file".to_owned(),
            })
        })?;
        let content = decompress(path, content).map_err(plain)?;
        let info = modinfo(path, &content).map_err(plain)?;
        let by_file = || name_of(&path.to_string_lossy()).unwrap_or_default();
        let name = info.name.clone().unwrap_or_else(by_file);
        // It becomes a file's name.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(no_module(format!("no kernel module: its name is `{name}`")));
        }
        let file = std::path::absolute(path).at(path)?;
        Ok(Self { name, file, content, info })
    }

    /// Its name, as `lsmod` prints it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether a signature is appended to it. Whose, only the kernel can tell.
    pub fn is_signed(&self) -> bool {
        is_signed(&self.content)
    }

    /// What makes an image with it what it is.
    pub(crate) fn identity(&self) -> (&Path, &str, String) {
        (&self.file, &self.name, sha256(&self.content))
    }

    /// In an image.
    pub(crate) fn as_module(&self) -> Module {
        Module {
            name: self.name.clone(),
            path: format!("updates/{}.ko", self.name),
            origin: self.file.clone(),
            bytes: self.content.clone(),
            firmware: Vec::new(),
            vermagic: None,
            own: true,
        }
    }

    /// Refuses one whose vermagic is not that of the kernel's own modules.
    pub(crate) fn check_vermagic(&self, release: &str, kernels: &str) -> Result<(), KitError> {
        let path = self.file.clone();
        let Some(own) = self.info.vermagic.as_deref() else {
            let reason = "no kernel module: it has no vermagic".to_owned();
            return Err(KitError::NoModule { path, reason });
        };
        // As the kernel's own same_magic(): where symbols have versions, these tell, not the release.
        let versions = kernels.split(' ').any(|word| word == "modversions") && self.info.versions;
        let ((own_release, own_rest), (of_release, of_rest)) = (first(own), first(kernels));
        if own_rest != of_rest {
            let (own, kernels) = (own.trim_end().to_owned(), kernels.trim_end().to_owned());
            let release = release.to_owned();
            return Err(KitError::OtherVermagic { path, own, kernels, release });
        }
        if own_release != of_release && !versions {
            let (built, release) = (own_release.to_owned(), release.to_owned());
            return Err(KitError::OtherKernelsModule { path, built, release });
        }
        Ok(())
    }

    /// Refuses one that wants modules or symbols that nothing in the image has. Without `exports`
    /// it is not known what the kernel has.
    pub(crate) fn check_needs(
        &self,
        release: &str,
        closure: &Closure,
        exports: Option<&BTreeSet<String>>,
    ) -> Result<(), KitError> {
        let (path, release) = (self.file.clone(), release.to_owned());
        if let Some(module) = self.info.depends.iter().find(|name| closure.missing.contains(name)) {
            let module = module.clone();
            return Err(KitError::MissingDependency { path, module, release });
        }
        let Some(exports) = exports else { return Ok(()) };
        let mut missing = undefined(&self.file, &self.content)?;
        missing.retain(|symbol| !exports.contains(symbol));
        for module in closure.modules.iter().filter(|module| module.name != self.name) {
            if missing.is_empty() {
                break;
            }
            let theirs = exported(&module.bytes).unwrap_or_default();
            missing.retain(|symbol| !theirs.contains(symbol));
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(KitError::Unresolved { path, symbols: some_of(&missing), release }),
        }
    }
}

/// The first word, and the rest.
fn first(vermagic: &str) -> (&str, &str) {
    let (release, rest) = vermagic.split_once(' ').unwrap_or((vermagic, ""));
    (release, rest.trim_end())
}

/// The first three, and how many more.
fn some_of(symbols: &BTreeSet<String>) -> String {
    let shown: Vec<_> = symbols.iter().take(3).map(String::as_str).collect();
    match symbols.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testelf;
    use std::fs;

    const KERNELS: &str = "6.6.1-mine SMP preempt mod_unload ";

    fn read(name: &str, bytes: &[u8]) -> Result<OwnModule, KitError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        OwnModule::read(&file)
    }

    fn own(entries: &[&str]) -> OwnModule {
        read("patched.ko", &testelf::module(entries)).unwrap()
    }

    #[test]
    fn the_name_is_the_module_s_own() {
        assert_eq!(own(&["name=iwlwifi"]).name(), "iwlwifi");
        assert_eq!(own(&["name=iwlwifi"]).as_module().path, "updates/iwlwifi.ko");
        let module = testelf::module(&["license=GPL"]);
        assert_eq!(read("snd-x.ko", &module).unwrap().name(), "snd_x");
        for bad in ["name=../../init", "name="] {
            let error = read("bad.ko", &testelf::module(&[bad])).unwrap_err();
            assert!(matches!(error, KitError::NoModule { .. }), "{bad}");
        }
        let directory = tempfile::tempdir().unwrap();
        let said = OwnModule::read(directory.path()).unwrap_err();
        assert!(said.is_users() && said.to_string().contains("it is a directory"), "{said}");
        let said = OwnModule::read(&directory.path().join("none.ko")).unwrap_err();
        assert!(said.is_users() && said.to_string().contains("no such file"), "{said}");
    }

    #[test]
    fn what_is_no_module_is_the_user_s_mistake() {
        let error = read("iwlwifi.ko", b"no").unwrap_err();
        assert!(error.is_users() && error.to_string().ends_with("it is no ELF file"), "{error}");
        let error = read("iwlwifi.c", &testelf::module(&[])).unwrap_err();
        assert!(error.is_users(), "{error}");
        assert!(own(&[]).check_vermagic("6.6", KERNELS).unwrap_err().is_users());
    }

    /// A build that was interrupted: it is no mistake in a command, and a bisect passes over it.
    #[test]
    fn what_is_cut_short_is_told_so() {
        let whole = testelf::module(&["depends=mac80211"]);
        let error = read("iwlwifi.ko", &whole[..whole.len() / 2]).unwrap_err();
        assert!(!error.is_users() && error.to_string().contains("is cut short: an ELF"), "{error}");
        let mut packed =
            lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        std::io::Write::write_all(&mut packed, &whole).unwrap();
        let packed = packed.finish().unwrap();
        assert!(read("iwlwifi.ko.xz", &packed).is_ok());
        let error = read("iwlwifi.ko.xz", &packed[..packed.len() / 2]).unwrap_err();
        assert!(!error.is_users() && error.to_string().contains("is cut short: an xz"), "{error}");
        let error = read("iwlwifi.ko.xz", b"no").unwrap_err();
        assert!(error.is_users() && error.to_string().ends_with("it is no xz file"), "{error}");
    }

    #[test]
    fn a_signature_is_seen() {
        assert!(!own(&[]).is_signed());
        let mut signed = testelf::module(&[]);
        signed.extend(SIGNED);
        assert!(read("a.ko", &signed).unwrap().is_signed());
    }

    #[test]
    fn a_module_of_another_kernel_is_refused() {
        let said = |own: OwnModule, kernels: &str| {
            own.check_vermagic("6.6.1-mine", kernels).unwrap_err().to_string()
        };
        let of = |vermagic: &str| own(&[&format!("vermagic={vermagic}")]);
        of(KERNELS).check_vermagic("6.6.1-mine", KERNELS).unwrap();
        of(KERNELS.trim_end()).check_vermagic("6.6.1-mine", KERNELS).unwrap();
        let other = said(of("6.6.2 SMP preempt mod_unload "), KERNELS);
        assert!(other.contains("patched.ko is a module of kernel 6.6.2,"), "{other}");
        let flags = said(of("6.6.1-mine SMP mod_unload "), KERNELS);
        assert!(
            flags.contains("`6.6.1-mine SMP mod_unload`") && flags.contains("preempt"),
            "{flags}"
        );
        // With versions of its symbols, the kernel does not look at the release.
        let versions = "6.6.1-mine SMP modversions ";
        let other = "6.6.2 SMP modversions ";
        assert!(said(of(other), versions).contains("6.6.2"));
        let mut versioned = of(other);
        versioned.info.versions = true;
        versioned.check_vermagic("6.6.1-mine", versions).unwrap();
    }

    #[test]
    fn what_it_needs_has_to_be_there() {
        let module = |name: &str, bytes: Vec<u8>| Module {
            name: name.to_owned(),
            path: format!("kernel/{name}.ko"),
            origin: PathBuf::new(),
            bytes,
            firmware: Vec::new(),
            vermagic: None,
            own: false,
        };
        let needs = testelf::needing(&["printk", "ieee80211_x", "local_y", "local_z", "zz"]);
        let user = read("own.ko", &needs).unwrap();
        let mut closure = Closure::default();
        closure.modules.push(module("mac80211", testelf::exporting(&["ieee80211_x"])));
        // Its own exports are of no use to it.
        closure.modules.push(module("own", testelf::exporting(&["zz"])));
        let mut kernel = BTreeSet::from(["printk".to_owned()]);
        let said = |kernel: Option<&BTreeSet<String>>| user.check_needs("6.6", &closure, kernel);
        let unresolved = said(Some(&kernel)).unwrap_err().to_string();
        assert!(unresolved.contains("local_y, local_z, zz: no module"), "{unresolved}");
        kernel.extend(["local_y", "local_z", "zz"].map(str::to_owned));
        said(Some(&kernel)).unwrap();
        said(None).unwrap();
        assert_eq!(
            some_of(&BTreeSet::from(["a", "b", "c", "d"].map(str::to_owned))),
            "a, b, c and 1 more"
        );

        let dependent = own(&["depends=compat"]);
        closure.missing.push("compat".to_owned());
        let missing = dependent.check_needs("6.6", &closure, None).unwrap_err().to_string();
        assert!(missing.contains("depends on the module compat"), "{missing}");
    }
}
