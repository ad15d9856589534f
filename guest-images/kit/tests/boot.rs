//! The real thing: fetches the kit into the user's cache, builds an image and
//! boots it. Needs a Debian mirror once and QEMU's TCG for half a minute per
//! kernel, so it runs only when asked for:
//!
//! ```sh
//! cargo test -p guest-kit --test boot -- --ignored
//! ```
//!
//! The cache is the one that `iwlbench` uses; `IWLBENCH_CACHE` names another.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guest_kit::{CacheDir, ImageSpec, Kernel, KernelSelector, Kit, KitOptions, Progress};

/// Boot takes seconds; a busy machine's TCG is the slow end.
const DEADLINE: Duration = Duration::from_secs(300);

/// The modules that a guest of the bench wants.
const MODULES: [&str; 8] =
    ["iwlwifi", "iwldvm", "iwlmvm", "iwlmld", "virtio_pci", "virtio_console", "virtio_rng", "fuse"];
const REQUIRED: [&str; 5] = ["iwlwifi", "iwldvm", "iwlmvm", "virtio_console", "fuse"];

struct Stderr;

impl Progress for Stderr {
    fn step(&self, what: &str) {
        eprintln!("{what}");
    }
    fn bytes(&self, _done: u64, _total: u64) {}
    fn note(&self, line: &str) {
        eprintln!("{line}");
    }
    fn finish(&self) {}
}

fn kit(offline: bool) -> Kit {
    let options = KitOptions { offline, ..KitOptions::default() };
    Kit::new(CacheDir::from_env().unwrap(), options, Box::new(Stderr))
}

/// The static test program that stands in for the agent.
fn init(dir: &Path) -> Vec<u8> {
    let program = dir.join("init");
    // As it is now: the tests may run elsewhere than they were built.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("the test runner sets it");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let status = Command::new(rustc)
        .args(["--edition=2024", "-O", "-C", "target-feature=+crt-static", "-o"])
        .arg(&program)
        .arg(Path::new(&package).join("tests/boot/init.rs"))
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(program).unwrap()
}

/// Boots the image without a network or disk; returns the console.
fn boot(kit: &Kit, kernel: &Kernel, image: &Path, dir: &Path) -> String {
    let (qemu, _) = kit.qemu().unwrap();
    let console = dir.join("console");
    std::fs::write(&console, "").unwrap();
    let start = Instant::now();
    let mut child = qemu
        .command()
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "512"])
        .args(["-append", "console=ttyS0 panic=-1 rdinit=/init"])
        .arg("-kernel")
        .arg(&kernel.bzimage)
        .arg("-initrd")
        .arg(image)
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut init = None;
    let read =
        || String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()).into_owned();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the guest does not power off:\n{}", read());
        }
        if init.is_none() && read().contains("guest: init runs") {
            init = Some(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    eprintln!("{}: /init after {init:?}, off after {:?}", kernel.release, start.elapsed());
    read()
}

fn boots(version: &str) {
    let dir = tempfile::tempdir().unwrap();
    let agent = init(dir.path());
    let selector: KernelSelector = version.parse().unwrap();
    let (_, _, kernels) = kit(false).fetch_all(std::slice::from_ref(&selector), false).unwrap();

    // From here on nothing may need the network.
    let kit = kit(true);
    let kernel = kit.kernel(&selector).unwrap();
    assert_eq!([&kernel], [&kernels[0]]);
    let spec = ImageSpec {
        kernel: &kernel,
        agent: &agent,
        modules: &MODULES,
        required: &REQUIRED,
        without: &[],
        replace: &[],
        with: &[],
        extra: &[],
    };
    let start = Instant::now();
    let image = kit.build_image(&spec).unwrap();
    let built = start.elapsed();
    let start = Instant::now();
    assert_eq!(kit.build_image(&spec).unwrap(), image);
    eprintln!(
        "{}: image of {} KiB, built in {built:?}, found again in {:?}",
        kernel.release,
        std::fs::metadata(&image.path).unwrap().len() / 1024,
        start.elapsed()
    );

    // A damaged image is noticed and made again, the same to the byte.
    let mut archive = std::fs::read(&image.path).unwrap();
    *archive.last_mut().unwrap() ^= 1;
    std::fs::write(&image.path, &archive).unwrap();
    assert_eq!(kit.build_image(&spec).unwrap(), image);
    *archive.last_mut().unwrap() ^= 1;
    assert!(std::fs::read(&image.path).unwrap() == archive, "the image is not made again");

    let console = boot(&kit, &kernel, &image.path, dir.path());
    for line in [
        "guest: /sbin/modprobe iwlmvm: exit status: 0",
        "guest: /sbin/modprobe fuse: exit status: 0",
        "guest: /sbin/modprobe virtio_console: exit status: 0",
        "guest: done",
    ] {
        assert!(console.contains(line), "no `{line}` in:\n{console}");
    }
    let loaded = console.lines().find_map(|line| line.split_once("guest: loaded: ")).unwrap().1;
    for module in ["iwlmvm", "iwlwifi", "mac80211", "cfg80211"] {
        assert!(loaded.split(' ').any(|name| name.trim() == module), "no {module} in {loaded}");
    }

    // The same files as the user's own give the same modules.
    let (bzimage, modules) = (kernel.bzimage.clone(), kernel.modules.clone());
    let own = kit.kernel(&KernelSelector::Files { bzimage, modules }).unwrap();
    assert_eq!((&own.release, own.package_version.as_deref()), (&kernel.release, None));
    let again = kit.build_image(&ImageSpec { kernel: &own, ..spec.clone() }).unwrap();
    assert_eq!((&again.modules, &again.sha256), (&image.modules, &image.sha256));

    // Leaving it out by hand must be what keeps it from loading.
    let without = ["iwlmvm".to_owned()];
    let image = kit.build_image(&ImageSpec { without: &without, ..spec }).unwrap();
    let console = boot(&kit, &kernel, &image.path, dir.path());
    let line = "modprobe: FATAL: Module iwlmvm not found in directory";
    assert!(console.contains(line), "no `{line}` in:\n{console}");
    assert!(console.contains("guest: /sbin/modprobe iwldvm: exit status: 0"), "{console}");
}

#[test]
#[ignore = "fetches the kit and boots a guest"]
fn the_default_kernel_boots_and_loads_the_driver() {
    boots("default");
}

#[test]
#[ignore = "fetches two more kernels and boots them"]
fn older_layouts_boot_and_load_the_driver() {
    boots("6.12");
    boots("6.1");
}

#[test]
#[ignore = "fetches a kernel that the archive's index has dropped in part, and boots it"]
fn a_superseded_kernel_boots_and_loads_the_driver() {
    boots("7.1");
}
