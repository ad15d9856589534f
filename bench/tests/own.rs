//! Modules of the user's choice, and what kernel and QEMU are told for him.

mod common;

use std::path::{Path, PathBuf};

use common::Bench;
use guest_kit::{CacheDir, Kernel, KernelSelector, Kit, KitOptions, Silent};

fn kernel() -> Kernel {
    let options = KitOptions { mirror: None, offline: true };
    let kit = Kit::new(CacheDir::from_env().expect("a cache"), options, Box::new(Silent));
    kit.kernel(&KernelSelector::Default).expect("the kernel is fetched")
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut module = Vec::new();
    let mut unpacked = lzma_rust2::XzReader::new(packed, false);
    std::io::Read::read_to_end(&mut unpacked, &mut module).expect("an xz file");
    module
}

/// The kernel's own, decompressed and without the signature that it ends with.
fn unsigned(bench: &Bench, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let opmode = "kernel/drivers/net/wireless/intel/iwlwifi/mvm/iwlmvm.ko.xz";
    let mut module = unpacked(&std::fs::read(kernel().modules.join(opmode)).expect("the opmode"));
    module.truncate(module.len() - 1);
    change(&mut module);
    bench.file("mine.ko", module)
}

fn replace(module: &mut [u8], from: &[u8], to: &[u8]) {
    let at = module.windows(from.len()).position(|bytes| bytes == from).expect("it is there");
    module[at..at + to.len()].copy_from_slice(to);
}

/// The one line that it ends with, and its exit code.
fn refused(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
    let output = bench.output(&[&["run", "--offline", "--card", "7260"], args].concat());
    bench.nothing_left();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let progress = ["building the guest", "waiting for another"];
    let told = |line: &&str| !progress.iter().any(|words| line.contains(words));
    let said: Vec<_> = said.lines().filter(told).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    (output.status.code(), said[0].to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn the_user_s_module_is_the_one_that_is_loaded() {
    let bench = Bench::new();
    let module = unsigned(&bench, |_| ());
    let run = bench.run(&[
        "--offline",
        "--card",
        "7260",
        "--module",
        text(&module),
        "--with",
        "9p",
        "--append",
        "iwlbench.seen=1",
        "--qemu-arg=-name",
        "--qemu-arg",
        "seen",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = run.only();
    let modules = run["modules"].as_array().expect("modules");
    let of = |name: &str| modules.iter().find(|module| module["name"] == name);
    let mine = of("iwlmvm").expect("the opmode");
    assert_eq!(mine["own"], text(&module));
    assert!(mine["path"].as_str().expect("a path").ends_with("/updates/iwlmvm.ko"), "{mine}");
    assert!(of("iwlwifi").expect("the driver").get("own").is_none());
    assert!(of("9p").is_some() && of("netfs").is_some(), "it and what it needs: {modules:?}");
    let line = run["kernel_command_line"].as_str().expect("text");
    assert!(line.ends_with(" iwlbench.seen=1"), "{line}");
    let directory = Path::new(run["directory"].as_str().expect("a path"));
    let arguments = std::fs::read_to_string(directory.join("qemu.args")).expect("kept");
    assert!(arguments.contains("-name seen"), "{arguments}");
    let again = run["again"].as_str().expect("text");
    assert!(again.contains("--module") && again.contains("--append 'iwlbench.seen=1'"), "{again}");
}

#[test]
fn a_module_that_the_kernel_would_not_take_is_named_before_the_boot() {
    let bench = Bench::new();
    let (code, said) = refused(
        &bench,
        &[
            "--module",
            text(&unsigned(&bench, |module| {
                replace(module, b"vermagic=7", b"vermagic=6");
            })),
        ],
    );
    assert!(code == Some(125) && said.contains("is a module of kernel 6."), "{code:?} {said}");
    let (code, said) = refused(
        &bench,
        &[
            "--module",
            text(&unsigned(&bench, |module| {
                replace(module, b"\0_printk\0", b"\0_prinzk\0");
            })),
        ],
    );
    assert!(code == Some(125) && said.contains("wants _prinzk: no module"), "{code:?} {said}");
    let (code, said) = refused(
        &bench,
        &[
            "--module",
            text(&unsigned(&bench, |module| {
                replace(module, b"depends=", b"depends=a,");
            })),
        ],
    );
    assert!(code == Some(125) && said.contains("depends on the module a,"), "{code:?} {said}");
    let module = unsigned(&bench, |_| ());
    let enforced = ["--module", text(&module), "--append", "quiet module.sig_enforce=1"];
    let (code, said) = refused(&bench, &enforced);
    assert!(code == Some(125) && said.contains("is not signed"), "{code:?} {said}");
}

#[test]
fn what_is_no_module_or_not_there_is_bad_usage() {
    let bench = Bench::new();
    let text_file = bench.file("iwlmvm.ko", "no module");
    for (args, expected) in [
        (&["--module", text(&text_file)][..], "iwlmvm.ko: it is no ELF file"),
        (&["--module", "/nowhere/iwlmvm.ko"], "/nowhere/iwlmvm.ko: there is no such file"),
        (&["--with", "nosuch"], "nosuch cannot be added"),
        (&["--with", "mac8021"], "did you mean `mac80211`?"),
        (&["--without", "iwlmvn"], "did you mean `iwlmvm`?"),
    ] {
        let (code, said) = refused(&bench, args);
        assert!(code == Some(2) && said.contains(expected), "{code:?} {said}");
    }
    let module = unsigned(&bench, |_| ());
    let (code, said) = refused(&bench, &["--module", text(&module), "--module", text(&module)]);
    assert!(code == Some(2) && said.contains("are both the module iwlmvm"), "{code:?} {said}");
}

#[test]
fn a_module_to_be_loaded_first_is_looked_for_before_the_boot() {
    let bench = Bench::new();
    let loads = bench.file(
        "loads.toml",
        "about = \"t\"\ncards = [\"7260\"]\nguest.loaded = [\"iwlwfi\"]\n[[step]]\ndo = \"coldplug\"\n",
    );
    let (code, said) = refused(&bench, &[text(&loads)]);
    assert!(code == Some(2) && said.contains("did you mean `iwlwifi`?"), "{code:?} {said}");
}

/// What a scenario would take out, and what a module cannot be loaded without, are the tree's matter.
#[test]
fn what_no_image_can_be_made_of_is_told_before_the_boot() {
    let bench = Bench::new();
    let tree = tree(&bench);
    std::fs::remove_file(tree.join("net/mac80211/mac80211.ko")).expect("it was there");
    let change = |file: &str, change: &dyn Fn(String) -> String| {
        let path = tree.join(file);
        let changed = change(std::fs::read_to_string(&path).expect("a list"));
        std::fs::write(path, changed).expect("written");
    };
    change("modules.order", &|order| order.replace("net/mac80211/mac80211.o\n", ""));
    let (code, said) = refused(&bench, &["--kdir", text(&tree)]);
    assert!(
        code == Some(125) && said.contains("depends on the module mac80211"),
        "{code:?} {said}"
    );
    change("modules.builtin", &|list| list + "kernel/net/mac80211/mac80211.ko\n");
    let (code, said) = refused(&bench, &["opmode-dependency-missing", "--kdir", text(&tree)]);
    assert!(code == Some(125) && said.contains("has mac80211 built in"), "{code:?} {said}");
}

/// A kernel's files where its build would have left them.
fn tree(bench: &Bench) -> PathBuf {
    let kernel = kernel();
    let tree = bench.dir.path().join("linux");
    let make = |path: &str, content: &[u8]| {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, content).expect("written");
    };
    let read = |path: &Path| std::fs::read(path).expect("the kernel's");
    make("Kbuild", b"");
    make(".config", &read(kernel.config.as_deref().expect("a configuration")));
    make("arch/x86/boot/bzImage", &read(&kernel.bzimage));
    make("include/config/kernel.release", format!("{}\n", kernel.release).as_bytes());
    make("modules.builtin", &read(&kernel.modules.join("modules.builtin")));
    let order = String::from_utf8(read(&kernel.modules.join("modules.order"))).expect("text");
    let order = order.replace("kernel/", "").replace(".ko\n", ".o\n");
    make("modules.order", order.as_bytes());
    for built in order.lines().map(|line| line.replace(".o", ".ko")) {
        let needed = [
            "net/mac80211",
            "net/wireless",
            "net/rfkill",
            "drivers/virtio",
            "drivers/char",
            "fs/fuse",
            "drivers/net/wireless/intel/iwlwifi",
            "lib/",
            "crypto/",
        ];
        let packed = kernel.modules.join("kernel").join(format!("{built}.xz"));
        if needed.iter().any(|dir| built.starts_with(dir)) && packed.exists() {
            make(&built, &unpacked(&read(&packed)));
        }
    }
    tree
}

/// What a kernel holds itself is in a list beside its modules.
#[test]
fn scenarios_about_modules_are_not_played_where_driver_and_opmodes_are_built_in() {
    let bench = Bench::new();
    let kernel = kernel();
    let modules = bench.dir.path().join(&kernel.release);
    std::fs::create_dir(&modules).expect("made");
    std::os::unix::fs::symlink(kernel.modules.join("kernel"), modules.join("kernel"))
        .expect("linked");
    let mut list = std::fs::read_to_string(kernel.modules.join("modules.builtin")).expect("a list");
    for module in ["iwlwifi", "dvm/iwldvm", "mvm/iwlmvm"] {
        list += &format!("kernel/drivers/net/wireless/intel/iwlwifi/{module}.ko\n");
    }
    std::fs::write(modules.join("modules.builtin"), list).expect("written");
    let bzimage = kernel.bzimage.to_string_lossy().into_owned();
    let files = ["--kernel", &bzimage, "--modules", text(&modules)];
    for (args, says) in [
        (&["opmode-missing"][..], "has iwlwifi and its opmodes built in: play opmode-first"),
        (&["opmode-first", "--cold"], "without --cold the card is plugged in later"),
    ] {
        let (code, said) = refused(&bench, &[args, &files].concat());
        assert!(code == Some(2) && said.contains(says), "{code:?} {said}");
    }
}

#[test]
fn a_kernel_is_used_in_the_tree_that_it_was_built_in() {
    let bench = Bench::new();
    let tree = tree(&bench);
    let args = ["--card", "7260", "--kdir", text(&tree)];
    let run = bench.run(&args);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let again = run.only()["again"].as_str().expect("text");
    assert!(again.contains("--kdir") && !again.contains("--modules"), "{again}");
    std::fs::remove_file(tree.join("drivers/net/wireless/intel/iwlwifi/mvm/iwlmvm.ko"))
        .expect("gone");
    let (code, said) = refused(&bench, &["--kdir", text(&tree)]);
    assert!(code == Some(125) && said.contains("iwlmvm.ko is listed and not built"), "{said}");
}
