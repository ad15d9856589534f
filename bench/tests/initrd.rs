//! Distributions' own initrds: nothing of the bench is in them, and a line says what they lack.

mod common;

use std::io::Write;
use std::path::PathBuf;

use common::{Bench, text};
use guest_kit::{CacheDir, Kit, KitOptions, Silent};
use iwl_ucode::marker;

/// What an initrd does, as far as a driver goes: it loads what the card is said to need, finds no root
/// file system, and asks for a command.
const INIT: &str = "#!/usr/bin/busybox sh
mount() { /usr/bin/busybox mount \"$@\"; }
mount -t proc proc /proc
mount -t sysfs sysfs /sys
/usr/sbin/modprobe -b -a pci:v00008086d000008B1sv00008086sd00004070bc02sc80i00
printf '(initramfs) '
exec /usr/bin/busybox sleep 1000
";

/// The bench's image with another init, a shell for it and what else is given: two archives, the
/// second compressed, as distributions have them.
fn initrd(bench: &Bench, name: &str, without: &[&str], files: &[(&str, &[u8])]) -> PathBuf {
    let path = bench.dir.path().join(name);
    let mut args = vec!["image", "--offline", "-o", text_of(&path)];
    args.extend(without.iter().flat_map(|module| ["--without", module]));
    let made = bench.output(&args);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // The only test that wants a shell in its guest: it fetches one.
    let options = KitOptions { mirror: None, offline: false };
    let kit = Kit::new(CacheDir::from_env().expect("a cache"), options, Box::new(Silent));
    let busybox = kit.busybox().expect("busybox is fetched");
    let mut all: Vec<(&str, &[u8])> = vec![("init", INIT.as_bytes())];
    all.extend(busybox.iter().map(|file| (file.path.trim_start_matches('/'), &*file.content)));
    all.extend(files);
    let mut archive = Vec::new();
    for (name, content) in all {
        let entry = cpio::newc::Builder::new(name).mode(0o100_755);
        let mut entry = entry.write(archive, u32::try_from(content.len()).expect("small"));
        entry.write_all(content).expect("written");
        archive = entry.finish().expect("written");
    }
    let archive = cpio::newc::trailer(archive).expect("written");
    let image = std::fs::OpenOptions::new().append(true).open(&path).expect("the image");
    let mut gzip = flate2::write::GzEncoder::new(image, flate2::Compression::fast());
    gzip.write_all(&archive).and_then(|()| gzip.finish()).expect("written");
    path
}

/// A stub whose sections hold something else than markers.
fn unmarked(stub: &[u8]) -> Vec<u8> {
    let mut file = stub.to_vec();
    let is_marker = |at: &usize| {
        [marker::INIT, marker::RUNTIME].iter().any(|m| stub[*at..].starts_with(&m[..12]))
    };
    let places = (0..stub.len()).filter(is_marker);
    assert_eq!(places.map(|at| file[at] ^= 0xff).count(), 4, "two sections of two images");
    file
}

fn text_of(path: &std::path::Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_line_says_what_an_initrd_lacks() {
    let bench = Bench::new();
    let ucode = bench.dir.path().join("iwlwifi-7260-17.ucode");
    let made = bench.output(&["ucode", "build", "--card", "7260", "-o", text_of(&ucode)]);
    assert!(made.status.success());
    let ucode = std::fs::read(ucode).expect("firmware");
    let firmware = ("usr/lib/firmware/iwlwifi-7260-17.ucode", &*ucode);
    let lie = ("etc/modprobe.d/no.conf", &b"install iwlmvm /bin/true\n"[..]);
    let blacklist = ("etc/modprobe.d/no.conf", &b"blacklist iwlwifi\n"[..]);
    // Its sections do not say what they are, as no real file's do.
    let unmarked = unmarked(&ucode);
    let other = ("usr/lib/firmware/iwlwifi-7260-17.ucode", &*unmarked);
    let cases: [(_, &[&str], &[_], _, &[&str]); 6] = [
        ("whole.img", &[], &[firmware], None, &[]),
        ("unmarked.img", &[], &[other], None, &[]),
        (
            "no-opmode.img",
            &["iwlmvm"],
            &[firmware],
            Some("opmode-missing"),
            &["op_mode iwlmvm", "no iwlmvm.ko"],
        ),
        ("no-firmware.img", &[], &[], Some("firmware-missing"), &["failed with error -2"]),
        (
            "install.img",
            &[],
            &[firmware, lie],
            Some("module-blacklisted"),
            &["etc/modprobe.d/no.conf, line 1"],
        ),
        (
            "blacklist.img",
            &[],
            &[firmware, blacklist],
            Some("module-blacklisted"),
            &["iwlwifi is blacklisted"],
        ),
    ];
    for (name, without, files, cause, says) in cases {
        let initrd = initrd(&bench, name, without, files);
        let run = bench.run(&["--offline", "--initrd", text_of(&initrd)]);
        let verdict = &run.only()["verdict"];
        assert_eq!(run.code, Some(i32::from(cause.is_some())), "{name}: {verdict}");
        assert_eq!(verdict["diagnosis"]["cause"].as_str(), cause, "{name}: {verdict}");
        for words in says {
            assert!(text(&verdict["line"]).contains(words), "{name}: {verdict}");
        }
        assert!(run.kernel_log.contains("Run /init as init process"), "{name}");
        assert_eq!(run.only()["scenario"], name);
    }
}

#[test]
fn an_initrd_that_is_none_is_refused_in_a_line() {
    let bench = Bench::new();
    let none = bench.file("none.img", b"\x7fELF");
    let none = text_of(&none);
    let other = bench.file("other.img", archive_of_another_kernel());
    for (args, said) in [
        (&["run", "--initrd", none][..], "no initrd: it is no newc cpio archive"),
        (&["run", "--initrd", "/nowhere"], "there is no such file"),
        (&["matrix", "--initrd", none], "no initrd: it is no newc cpio archive"),
        (&["matrix", "--initrd", none, "--initrd", none], "no initrd"),
        (&["explore", "opmode-load", "--initrd", none], "nothing to explore"),
        (
            &["run", "--offline", "--kernel", "7.3", "--initrd", text_of(&other)],
            "has modules of 1.2.3",
        ),
    ] {
        let output = bench.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{args:?}: {stderr}");
        bench.nothing_left();
    }
    let whole = archive_of_another_kernel();
    let cut = bench.file("cut.img", &whole[..whole.len() - 150]);
    for (initrd, said) in
        [(other, "its bzImage with --kernel"), (cut, "cut.img is cut off at byte")]
    {
        let output = bench.output(&["run", "--offline", "--initrd", text_of(&initrd)]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

fn archive_of_another_kernel() -> Vec<u8> {
    let mut archive = Vec::new();
    for name in ["init", "lib/modules/1.2.3/kernel/iwlwifi.ko"] {
        let entry = cpio::newc::Builder::new(name).mode(0o100_755);
        archive = entry.write(archive, 0).finish().expect("written");
    }
    cpio::newc::trailer(archive).expect("written")
}
