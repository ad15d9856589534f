//! What a failed run says: its cause for a headline, and soon.

mod common;

use common::{Bench, text};

/// Far more than any of these takes: each ends when nothing is left to do.
const PATIENCE: &str = "600";

/// `opmode-load` with one thing broken ends by itself; its line says this, and all reports do.
fn says(args: &[&str], cause: &str, want: &str) {
    let failed = "not come: the guest is at rest";
    all_say(args, (Some(1), "failed"), (cause, Some(failed)), want);
}

fn all_say(
    args: &[&str],
    end: (Option<i32>, &str),
    (cause, failed): (&str, Option<&str>),
    want: &str,
) {
    let bench = Bench::new();
    let mut all = vec!["opmode-load", "--card", "7260", "--patience", PATIENCE];
    all.extend(args);
    let run = bench.run(&all);
    assert_eq!((run.code, run.outcome()), end, "{args:?}: {}", run.stderr);
    let verdict = &run.only()["verdict"];
    let line = text(&verdict["line"]);
    assert!(line.starts_with(want), "{args:?}: {line}");
    match failed {
        Some(failed) => assert!(text(&verdict["failed"]).contains(failed), "{verdict}"),
        None => assert!(verdict["failed"].is_null(), "told twice: {verdict}"),
    }
    assert_eq!(text(&verdict["diagnosis"]["cause"]), cause, "{verdict}");
    assert!(!verdict["diagnosis"]["events"].as_array().expect("events").is_empty(), "{verdict}");
    let directory = text(&run.only()["directory"]);
    for format in ["junit", "ktap", "text", "html"] {
        let report = bench.output(&["report", directory, "--format", format, "-o", "-"]);
        let said = String::from_utf8_lossy(&report.stdout);
        let said = said.replace("&apos;", "'").replace("&#39;", "'").replace("&quot;", "\"");
        // Wrapped, in text.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(want), "{format}: {said}{}", String::from_utf8_lossy(&report.stderr));
        let failed = failed.filter(|_| format == "html");
        assert!(failed.is_none_or(|failed| said.contains(failed)), "{format}: {said}");
    }
}

#[test]
fn no_alive() {
    says(
        &["--fault", "never-alive"],
        "no-alive",
        "no ALIVE after the INIT ucode was released, three times, as the card's fault never-alive \
         has it; the driver says \"Failed to run INIT ucode: -110\"",
    );
}

/// A card that fails beside one that is well, by the scenario's own wish: soon, with its cause and name.
#[test]
fn a_bad_card_beside_a_good_one() {
    let bench = Bench::new();
    let scenario = "about = \"t\"\ncards = [\"7260\"]\n[[card]]\n[[card]]\nfaults = [\"alive-invalid\"]\n\
         [[step]]\ndo = \"coldplug\"\n\
         [[step]]\nawait = { milestone = \"netdev-registered\", card = \"7260\" }\n\
         [[step]]\nawait = { milestone = \"netdev-registered\", card = \"7260-2\" }\n\
         [[expect]]\nthat = \"two\"\nexactly = \"netdev-registered\"\ntimes = 2\n";
    let file = bench.file("two.toml", scenario);
    let run = bench.run(&[&file.to_string_lossy(), "--patience", PATIENCE]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    let verdict = &run.only()["verdict"];
    let want = "card 7260-2: the INIT ucode's ALIVE says that it is not valid";
    assert!(text(&verdict["line"]).starts_with(want), "{verdict}");
    assert_eq!(text(&verdict["diagnosis"]["cause"]), "alive-invalid");
}

#[test]
fn qemus_own_reason() {
    let run = Bench::new().run(&["opmode-load", "--card", "7260", "--qemu-arg=-nonsense"]);
    assert_eq!((run.code, run.outcome()), (Some(125), "qemu-died"), "{}", run.stderr);
    let line = text(&run.only()["verdict"]["line"]);
    assert!(line.ends_with(": -nonsense: invalid option"), "{line}");
}

#[test]
fn no_clock() {
    says(&["--fault", "clock-never-ready"], "clock-not-ready", "the card's MAC clock does not");
}

#[test]
fn no_dma() {
    says(&["--fault", "dma-fault"], "dma-fault", "DMA fault at 0x");
}

#[test]
fn off_the_bus() {
    says(&["--fault", "all-ones"], "card-gone", "the card is off the bus");
}

/// The driver warns of a card that does not answer: the card is the cause, not the warning.
#[test]
fn off_the_bus_later() {
    all_say(
        &["--fault", "all-ones=400"],
        (Some(1), "kernel-trouble"),
        ("card-gone", Some("the guest's kernel reported a WARNING")),
        "the card is off the bus: its registers read as all ones, as the card's fault all-ones",
    );
}

#[test]
fn an_oops() {
    let bench = Bench::new();
    let path = bench.dir.path().join("bad.ucode");
    let path = path.to_string_lossy();
    let built =
        bench.output(&["ucode", "build", "--card", "7260", "--fault", "no-sections", "-o", &path]);
    assert!(built.status.success());
    all_say(
        &["--firmware", &path],
        (Some(1), "kernel-trouble"),
        ("oops", None),
        "the guest's kernel reported an oops in iwl_req_fw_callback [iwlwifi], after \"firmware given",
    );
}

#[test]
fn no_module() {
    says(&["--without", "iwlmvm"], "opmode-missing", "iwlmvm is not in the image");
}

#[test]
fn firmware_of_another_api() {
    let bench = Bench::new();
    let file = bench.dir.path().join("iwlwifi-7260-16.ucode");
    let path = file.to_string_lossy();
    let args = ["ucode", "build", "--card", "7260", "--api", "16", "-o", &path];
    let built = bench.output(&args);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    says(
        &["--firmware", &path],
        "firmware-rejected",
        "the driver rejected iwlwifi-7260-17.ucode: API 16, wants 17",
    );
}

/// The default kernel with a module tree that can be changed: that of its guest's image.
fn own_kernel(bench: &Bench) -> (String, std::path::PathBuf) {
    let cache = guest_kit::CacheDir::from_env().expect("a cache directory");
    let kit = guest_kit::Kit::new(cache, Default::default(), Box::new(guest_kit::Silent));
    let kernel = kit.kernel(&guest_kit::KernelSelector::Default).expect("a kernel");
    let image = bench.dir.path().join("image.cpio");
    let made = bench.output(&["image", "-o", &image.to_string_lossy()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let archive = std::fs::read(image).expect("made");
    let mut rest = archive.as_slice();
    loop {
        let mut reader = cpio::newc::Reader::new(rest).expect("an entry");
        if reader.entry().is_trailer() {
            break;
        }
        let name = reader.entry().name().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut content).expect("read");
        let file = reader.entry().mode() & 0o170_000 == 0o100_000;
        if file && name.starts_with("usr/lib/modules/") {
            let path = bench.dir.path().join(&name);
            std::fs::create_dir_all(path.parent().expect("below")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        rest = reader.finish().expect("the next");
    }
    let modules = bench.dir.path().join("usr/lib/modules").join(&kernel.release);
    (kernel.bzimage.to_string_lossy().into_owned(), modules)
}

fn opmode(modules: &std::path::Path) -> std::path::PathBuf {
    modules.join("kernel/drivers/net/wireless/intel/iwlwifi/mvm/iwlmvm.ko")
}

/// What the kernel does not take for its own says nothing about the driver: 125, with the cause.
#[test]
fn a_module_with_a_bad_signature() {
    let bench = Bench::new();
    let (bzimage, modules) = own_kernel(&bench);
    let path = opmode(&modules);
    let mut bytes = std::fs::read(&path).expect("the opmode");
    // A byte of the signature itself, which ends 40 bytes before the file does.
    let at = bytes.len() - 60;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let tree = modules.to_string_lossy();
    let args = ["opmode-load", "--card", "7260", "--kernel", &bzimage, "--modules", &tree];
    let run = bench.run(&args);
    assert_eq!((run.code, run.outcome()), (Some(125), "environment"), "{}", run.stderr);
    let verdict = &run.only()["verdict"];
    assert_eq!(text(&verdict["diagnosis"]["cause"]), "module-refused", "{verdict}");
    let line = text(&verdict["line"]);
    assert!(line.contains("could not insert 'iwlmvm': Key was rejected by service"), "{line}");
}

/// Before any guest boots, where a kernel is told to insist on signatures.
#[test]
fn a_module_without_a_signature() {
    let bench = Bench::new();
    let (bzimage, modules) = own_kernel(&bench);
    let path = opmode(&modules);
    let bytes = std::fs::read(&path).expect("the opmode");
    let end = b"~Module signature appended~\n";
    assert!(bytes.ends_with(end), "Debian signs its modules");
    std::fs::write(&path, &bytes[..bytes.len() - end.len()]).expect("written");
    let insists = bench.file(
        "insists.toml",
        "about = \"t\"\ncards = [\"7260\"]\nguest.command-line = \"module.sig_enforce=1\"\n\
         [[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"netdev-registered\"\n",
    );
    let (insists, tree) = (insists.to_string_lossy(), modules.to_string_lossy());
    let output = bench.output(&["run", &insists, "--kernel", &bzimage, "--modules", &tree]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(
        stderr.contains("iwlmvm.ko is not signed, and kernel") && stderr.contains("sig_enforce"),
        "{stderr}"
    );
    bench.nothing_left();
}

#[test]
fn an_image_or_a_kernel_that_is_none_boots_nothing() {
    let bench = Bench::new();
    let garbage = bench.file("garbage", [0xab; 5000]);
    let garbage = garbage.to_string_lossy();
    let empty = bench.dir.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    let empty = empty.to_string_lossy();
    // What a build makes is 125, whatever is wrong with it: a bisect passes over that commit.
    let cases: [(&[&str], _, _); 9] = [
        (&["--image", &garbage], 2, "garbage: no initramfs: it is no newc cpio archive"),
        (&["--initrd", &garbage], 2, "garbage: no initrd: it is no newc cpio archive"),
        (&["--kernel", &garbage], 2, "garbage is no bzImage; name a version, like 6.12"),
        (&["--kernel", "/no/bzImage"], 2, "/no/bzImage: there is no such file"),
        (
            &["--kernel", &garbage, "--modules", "/no/6.12"],
            125,
            "/no/6.12: there is no such directory",
        ),
        (&["--kernel", &garbage, "--modules", &empty], 125, "empty: no modules here"),
        (&["--kernel", "/no/bzImage", "--modules", &empty], 125, "empty: no modules here"),
        (&["--kdir", &empty], 125, "empty: no kernel tree"),
        (&["--kdir", "/no/tree"], 125, "/no/tree: there is no such directory"),
    ];
    for (args, code, said) in cases {
        let output = bench.output(&[&["run", "--card", "7260"], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}

/// `again.sh` needs nothing but its directory: not the user's scenario, nor a program on PATH.
#[test]
fn a_run_is_played_again_to_the_same_verdict() {
    let bench = Bench::new();
    let scenario = "about = \"t\"\ncards = [\"7260\"]\npatience = \"600s\"\n\
                    [[firmware]]\nname = \"$firmware\"\ngive = \"file:own.ucode\"\n\
                    [[step]]\ndo = \"coldplug\"\n[[step]]\nawait = \"netdev-registered\"\n";
    let own = bench.dir.path().join("own.ucode").display().to_string();
    let built = bench.output(&["ucode", "build", "--card", "7260", "-o", &own]);
    assert!(built.status.success());
    let file = bench.file("again and again.toml", scenario);
    let fault = "never-alive@bound..alive#9";
    let run =
        bench.run(&[&file.to_string_lossy(), "--fault", fault, "--append", "iwlwifi.swcrypto=1"]);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    let directory = std::path::Path::new(text(&run.only()["directory"])).to_owned();
    std::fs::remove_file(&file).expect("there");
    let again = std::process::Command::new("sh")
        .arg(directory.join("again.sh"))
        .arg("--json")
        .current_dir("/")
        .env("IWLBENCH_RUNS", bench.dir.path().join("again"))
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&again.stderr);
    let document: serde_json::Value = serde_json::from_slice(&again.stdout).expect(&said);
    let (first, second) = (run.only(), &document["runs"][0]);
    assert_eq!(again.status.code(), Some(1), "{said}");
    for same in [
        "/verdict/outcome",
        "/verdict/line",
        "/faults",
        "/vars",
        "/kernel_sha256",
        "/firmware/0/sha256",
    ] {
        assert_eq!(first.pointer(same), second.pointer(same), "{same}");
    }
    assert!(text(&second["kernel_command_line"]).ends_with("iwlwifi.swcrypto=1"), "{second}");
    assert_ne!(first["directory"], second["directory"]);
}

/// A failure that is known is none; one that is gone is one.
#[test]
fn known_failures_of_a_run() {
    let bench = Bench::new();
    let known = |outcome: &str| {
        let entry = format!(
            "[[failure]]\nscenario = \"opmode-load\"\ncard = \"7260\"\nreason = \"a report\"\n\
             outcome = \"{outcome}\"\n"
        );
        bench.file("known.toml", entry).display().to_string()
    };
    let play = |known: &str, more: &[&str]| {
        let args = ["opmode-load", "--card", "7260", "--known-failures", known];
        bench.run(&[&args[..], more].concat())
    };
    let fault = ["--fault", "clock-never-ready"];
    let failed = known("failed");
    let as_known = play(&failed, &fault);
    assert_eq!((as_known.code, as_known.outcome()), (Some(0), "failed"), "{}", as_known.stderr);
    assert!(as_known.stderr.contains("failed, as known: a report ("), "{}", as_known.stderr);
    let gone = play(&failed, &[]);
    assert_eq!((gone.code, gone.outcome()), (Some(1), "passed"), "{}", gone.stderr);
    assert!(gone.stderr.contains("does not fail any more: take it out of"), "{}", gone.stderr);
    let other = play(&known("kernel-trouble"), &fault);
    assert_eq!((other.code, other.outcome()), (Some(1), "failed"), "{}", other.stderr);
}

/// Of a kernel that has none of a scenario's cards nothing is said: that is no pass.
#[test]
fn nothing_played_is_no_pass() {
    let bench = Bench::new();
    let scenario = "about = \"t\"\ncards = [\"be200\"]\n[[step]]\ndo = \"coldplug\"\n\
         [[step]]\nawait = \"bound\"\n[[expect]]\nthat = \"it is bound\"\nin-order = [\"bound\"]\n";
    let file = bench.file("of-wifi7.toml", scenario);
    for command in ["run", "matrix"] {
        let output = bench.output(&[command, &file.to_string_lossy(), "--kernel", "6.1"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{command}: {said}");
        assert!(said.contains("nothing"), "{command}: {said}");
    }
}

/// How a scenario of these steps ends: exit code, outcome, and the verdict.
fn end_of(rest: &str) -> (Option<i32>, String, serde_json::Value) {
    let bench = Bench::new();
    let file = bench.file("own.toml", format!("about = \"t\"\ncards = [\"7260\"]\n{rest}\n"));
    let run = bench.run(&[&file.to_string_lossy(), "--patience", PATIENCE]);
    (run.code, run.outcome().to_owned(), run.only()["verdict"].clone())
}

/// What a scenario holds, names or does wrongly is its own fault, and the headline says so.
#[test]
fn a_scenarios_own_fault_is_no_drivers() {
    let coldplug = "[[step]]\ndo = \"coldplug\"\n";
    let interface = "[[step]]\nawait = \"netdev-registered\"\n";
    let release = |name: &str| format!("[[step]]\ndo = {{ release = \"{name}\" }}\n");
    let exec = "[[step]]\ndo = { exec = [\"nosuchprogram\"] }\n";
    for (rest, want) in [
        (
            format!("hold = [\"iwlmvm\"]\n{coldplug}{interface}"),
            "the gate holds the request for iwlmvm until a release, and no step has let it go",
        ),
        (
            format!("[[module]]\nhang = true\n{coldplug}{interface}"),
            "a rule of the scenario's has modprobe iwlmvm hang",
        ),
        (
            format!("hold = [\"iwl*\"]\n{coldplug}{}{interface}", release("iwlmvn")),
            "step release: no gate holds iwlmvn until a release",
        ),
        (
            // What unplugs it comes too late.
            format!(
                "{coldplug}[[step]]\nrepeat = 2\n[[step.step]]\ndo = \"plug\"\n[[step.step]]\ndo = \"unplug\"\n"
            ),
            "step plug: the card is in its slot; `unplug` comes first",
        ),
        (
            format!("{coldplug}{interface}{exec}"),
            "step exec: nosuchprogram: No such file or directory (os error 2): the guest's image has no",
        ),
        (
            format!("{coldplug}{interface}{exec}start = true\n[[step]]\ndo = \"rest\"\n"),
            "step exec: nosuchprogram: No such file or directory (os error 2): the guest's image has no",
        ),
    ] {
        let (code, outcome, verdict) = end_of(&rest);
        assert_eq!((code, outcome.as_str()), (Some(125), "environment"), "{rest}: {verdict}");
        assert!(text(&verdict["line"]).starts_with(want), "{rest}: {verdict}");
    }
}

/// A request that is held is no excuse for a driver that waits for it where it need not.
#[test]
fn what_does_not_come_of_what_is_held_is_the_drivers() {
    let rest = "hold = [\"iwlmvm\"]\n[[step]]\ndo = \"coldplug\"\n\
                [[step]]\nawait = \"opmode-asked\"\n[[step]]\nawait = \"unbound\"\n";
    let (code, outcome, verdict) = end_of(rest);
    assert_eq!((code, outcome.as_str()), (Some(1), "failed"), "{verdict}");
    let line = text(&verdict["line"]);
    assert!(line.contains("the gates hold iwlmvm until a release"), "{line}");
}

/// What is there and otherwise, or has come already, fails of that, whatever was at work when the run ended.
#[test]
fn what_is_there_and_otherwise_is_its_own_cause() {
    let coldplug = "[[step]]\ndo = \"coldplug\"\n";
    let path = "/sys/module/iwlwifi/parameters/swcrypto";
    for (rest, want) in [
        (
            format!(
                "{coldplug}[[step]]\ncheck = {{ file = {{ path = \"{path}\", is = \"7\" }} }}\n"
            ),
            format!("step check: {path} holds `0`, and should be `7`"),
        ),
        (
            format!(
                "{coldplug}[[step]]\nawait = \"netdev-registered\"\n[[step]]\nawait = \"bound\"\n"
            ),
            "it had come before what was awaited last: bound: 0000:01:00.0 to iwlwifi".to_owned(),
        ),
    ] {
        let (code, _, verdict) = end_of(&rest);
        let line = text(&verdict["line"]);
        assert!(code == Some(1) && line.contains(&want), "{verdict}");
    }
}

/// A step that a card fails has its cause in the card, whoever has broken it.
#[test]
fn a_step_that_a_card_fails() {
    let rest = "card.faults = [{ fault = \"never-alive\", begin = \"netdev-registered\" }]\n\
                [[step]]\ndo = \"coldplug\"\n\
                [[step]]\nawait = [\"netdev-registered\", \"modprobe-ended\"]\n\
                [[step]]\ndo = \"link-up\"\n";
    let (code, _, verdict) = end_of(rest);
    assert_eq!(code, Some(1), "{verdict}");
    let line = text(&verdict["line"]);
    assert!(line.starts_with("no ALIVE after the INIT ucode was released"), "{line}");
    assert!(text(&verdict["failed"]).starts_with("step link-up: "), "{verdict}");
}

#[test]
fn firmware_without_a_byte() {
    let bench = Bench::new();
    let file = bench.file("empty.ucode", "");
    says(
        &["--firmware", &file.to_string_lossy()],
        "firmware-empty",
        "iwlwifi-7260-17.ucode has 0 bytes: the kernel's loader takes no empty file (EINVAL)",
    );
}

/// What a step names and nobody has is told before the boot.
#[test]
fn what_is_not_there_is_told_before_the_boot() {
    let bench = Bench::new();
    for (hold, name) in [("", "iwlmvm"), ("hold = [\"iwlmvm\"]\n", "iwlmvn")] {
        let text = format!(
            "about = \"t\"\ncards = [\"7260\"]\n{hold}[[step]]\ndo = {{ release = \"{name}\" }}\n"
        );
        let file = bench.file("own.toml", &text);
        let output = bench.output(&["run", &file.to_string_lossy()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        let what =
            if hold.is_empty() { "nothing is held that" } else { "held by the name `iwlmvn`" };
        assert!(said.contains(what), "{said}");
    }
    for (step, place) in [
        ("do = { modprobe = [\"iwlmvn\"] }", "step modprobe: "),
        ("do = { rmmod = \"iwlmvn\" }", "step rmmod: "),
        ("check = { loaded = [\"iwlmvn\"] }", "check.loaded: "),
        ("check = { not-loaded = [\"iwlmvn\"] }", "check.not-loaded: "),
    ] {
        let text = format!("about = \"t\"\ncards = [\"7260\"]\n[[step]]\n{step}\n");
        let file = bench.file("own.toml", &text);
        let output = bench.output(&["run", &file.to_string_lossy()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{step}: {said}");
        assert!(said.contains(place) && said.contains("did you mean `iwlmvm`?"), "{step}: {said}");
    }
}

/// A guest that cannot come up with what the command has put on its kernel's command line: the word is
/// named, when the guest is at rest, and no second one is tried.
#[test]
fn a_word_that_lets_no_guest_come_up_is_named() {
    let words = [
        ("pci=off", "not-booted", "`pci=off` on the kernel's command line (--append) does that"),
        ("acpi=off", "not-booted", "`acpi=off` on the kernel's command line (--append) does that"),
        ("rdinit=/x", "not-booted", "its command line has `rdinit=/x` (--append)"),
        (
            "lockdown=confidentiality",
            "environment",
            "`lockdown=confidentiality` on the kernel's command line (--append) does that",
        ),
        (
            "iwlwifi.enable_ini=N",
            "environment",
            "`iwlwifi.enable_ini=N` on the kernel's command line (--append) does that",
        ),
        (
            "module_blacklist=joydev,iwlmvm",
            "environment",
            "the kernel does not take iwlmvm: `module_blacklist=joydev,iwlmvm` on the kernel's",
        ),
        (
            "module_blacklist=iwlwifi",
            "environment",
            "`module_blacklist=iwlwifi` on the kernel's command line (--append) does that",
        ),
        (
            "module_blacklist=mac80211",
            "environment",
            "`module_blacklist=mac80211` on the kernel's command line (--append) does that",
        ),
    ];
    let bench = Bench::with_own_snapshots();
    for (word, outcome, said) in words {
        let run = bench.run(&["opmode-load", "--card", "7260", "--append", word]);
        assert_eq!((run.code, run.outcome()), (Some(125), outcome), "{word}: {}", run.stderr);
        let verdict = &run.only()["verdict"];
        assert!(text(&verdict["line"]).contains(said), "{word}: {verdict}");
        if word == "pci=off" {
            assert!(text(&verdict["failed"]).contains("it is at rest"), "{verdict}");
            assert!(!run.stderr.contains("trying once again"), "{}", run.stderr);
        }
    }
    // Known before any boot.
    let output = bench.output(&["run", "--card", "7260", "--append", "mem=32M"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("`mem=32M` on the kernel's command line (--append) is too little"),
        "{said}"
    );
}

/// A word that has no part in it is not blamed for what fails of the card.
#[test]
fn a_word_that_does_no_harm_is_not_blamed() {
    let word = "iwlwifi.debug=0xffffffff";
    let args = ["opmode-load", "--card", "7260", "--fault", "never-alive", "--append", word];
    let run = Bench::with_own_snapshots().run(&args);
    assert_eq!((run.code, run.outcome()), (Some(1), "failed"), "{}", run.stderr);
    let verdict = &run.only()["verdict"];
    assert!(text(&verdict["line"]).starts_with("no ALIVE after the INIT ucode"), "{verdict}");
    assert!(!verdict.to_string().contains("--append"), "{verdict}");
}

/// A modprobe that waits for a timer of its driver's is not at rest: what comes of it comes before the
/// next step.
#[test]
fn at_rest_is_nobody_who_waits_for_a_timer() {
    let bench = Bench::new();
    let file = bench.file(
        "timer.toml",
        r#"
about = "the driver gives its DMA five seconds"
cards = ["7260"]
card.faults = ["no-fh-tx"]
[[step]]
do = "coldplug"
[[step]]
await = "opmode-started"
[[step]]
do = "rest"
[[expect]]
that = "it gives up, at its third try"
log = { matches = "Failed to load firmware chunk", times = 3 }
"#,
    );
    let run = bench.run(&[&file.to_string_lossy(), "--repeat", "2"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
