//! A kernel's build tree: what is built in it, used where it lies, without `modules_install`.
//!
//! Sources: the kernel's `Makefile`, `scripts/Makefile.modinst` and `scripts/Makefile.modfinal`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{At, KitError};
use crate::tool::Tool;

const STRIP: Tool = Tool { name: "strip", package: "binutils" };

/// What `make` leaves, below the tree.
pub(crate) const BZIMAGE: &str = "arch/x86/boot/bzImage";
const RELEASE: &str = "include/config/kernel.release";
const ORDER: &str = "modules.order";
/// Where modules go that are installed.
const INSTALLED: &str = "kernel/";

/// A module with debug information is many times as large as one without; what is smaller than this
/// has none, or it does not matter.
const WORTH_STRIPPING: usize = 2 << 20;

fn bad(path: &Path, reason: impl Into<String>) -> KitError {
    KitError::BadTree { path: path.to_path_buf(), reason: reason.into() }
}

/// Whether modules are where they were built, not where they are installed.
pub(crate) fn is_tree(dir: &Path) -> bool {
    dir.join(RELEASE).is_file()
}

/// The release of a tree in which kernel and modules are built.
pub(crate) fn release(tree: &Path) -> Result<String, KitError> {
    if !tree.join("Kbuild").is_file() && !is_tree(tree) {
        return Err(bad(tree, "no kernel tree: it has no Kbuild"));
    }
    let release = match fs::read_to_string(tree.join(RELEASE)) {
        Ok(release) => release.trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(bad(tree, "nothing is built in it: `make bzImage modules`"));
        }
        Err(error) => return Err(KitError::io(&tree.join(RELEASE), error)),
    };
    if !tree.join(BZIMAGE).is_file() {
        return Err(bad(tree, format!("no kernel is built in it ({BZIMAGE}): `make bzImage`")));
    }
    if !tree.join(ORDER).is_file() {
        return Err(bad(tree, format!("no modules are built in it ({ORDER}): `make modules`")));
    }
    Ok(release)
}

/// A list of modules, which names objects since 6.4, as `modules_install` writes it.
pub(crate) fn installed_order(order: &str) -> String {
    let lines = order.lines().map(str::trim).filter(|line| !line.is_empty());
    let installed = lines.map(|line| {
        let line = line.strip_prefix(INSTALLED).unwrap_or(line);
        format!("{INSTALLED}{}\n", Path::new(line).with_extension("ko").display())
    });
    installed.collect()
}

/// The tree's modules, by the paths that they are installed under.
pub(crate) fn modules(tree: &Path) -> Result<Vec<String>, KitError> {
    let order = tree.join(ORDER);
    let order = fs::read_to_string(&order).at(&order)?;
    Ok(installed_order(&order).lines().map(str::to_owned).collect())
}

/// Where a module was built.
pub(crate) fn built(tree: &Path, installed: &str) -> PathBuf {
    tree.join(installed.strip_prefix(INSTALLED).unwrap_or(installed))
}

/// A module of the tree, without its debug information.
pub(crate) fn read(tree: &Path, installed: &str) -> Result<Vec<u8>, KitError> {
    let file = built(tree, installed);
    let module = match fs::read(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name = file.strip_prefix(tree).unwrap_or(&file).display();
            return Err(bad(tree, format!("{name} is listed and not built: `make modules`")));
        }
        module => module.at(&file)?,
    };
    if module.len() < WORTH_STRIPPING {
        return Ok(module);
    }
    let stripped = tempfile::NamedTempFile::new().at(&std::env::temp_dir())?;
    let mut command = STRIP.command();
    command.arg("--strip-debug").arg("-o").arg(stripped.path()).arg(&file);
    let end = STRIP.run(&mut command, |_| ())?;
    match end.success {
        true => fs::read(stripped.path()).at(stripped.path()),
        false => Err(KitError::ToolFailed { tool: "strip".to_owned(), detail: end.detail() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_list_names_the_modules() {
        for order in ["net/a.o\nb.o\n", "net/a.ko\nb.ko\n", "kernel/net/a.ko\n\nkernel/b.ko\n"] {
            assert_eq!(installed_order(order), "kernel/net/a.ko\nkernel/b.ko\n", "{order}");
        }
        assert_eq!(built(Path::new("/linux"), "kernel/net/a.ko"), Path::new("/linux/net/a.ko"));
    }

    #[test]
    fn what_is_not_built_is_named_in_the_order_of_building() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        let said = || release(tree).unwrap_err().to_string();
        let make = |file: &str, text: &str| {
            let file = tree.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert!(said().contains("no kernel tree"), "{}", said());
        make("Kbuild", "");
        assert!(said().contains("nothing is built"), "{}", said());
        make(RELEASE, "7.3.0-mine\n");
        assert!(said().contains("no kernel is built in it (arch/x86/boot/bzImage)"), "{}", said());
        make(BZIMAGE, "");
        assert!(said().contains("no modules are built in it (modules.order)"), "{}", said());
        make(ORDER, "net/a.o\nb.o\n");
        assert_eq!(release(tree).unwrap(), "7.3.0-mine");
        assert_eq!(modules(tree).unwrap(), ["kernel/net/a.ko", "kernel/b.ko"]);
        make("net/a.ko", "module");
        assert_eq!(read(tree, "kernel/net/a.ko").unwrap(), b"module");
        let missing = read(tree, "kernel/b.ko").unwrap_err().to_string();
        assert!(missing.contains("b.ko is listed and not built: `make modules`"), "{missing}");
    }
}
