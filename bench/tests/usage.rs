//! Bad usage and bad input, without a guest: exit code 2, one line that says what to do.

mod common;

use common::{Bench, is_described};

/// The exit code and standard error.
fn failing(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
    let output = bench.output(args);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn unknown_names_list_the_known_ones() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 29] = [
        (&["run", "--fault", "ucode-error=BAD_COMAND"], "did you mean `BAD_COMMAND`?"),
        (
            &["run", "--card", "6205", "--fault", "ucode-error=NMI_INTERRUPT_UMAC_FATAL"],
            "its driver has no such name",
        ),
        (&["run", "--card", "7260", "--fault", "ucode-error=16"], "no file of API 16, but of 17"),
        (
            &["matrix", "opmode-load", "--card", "7260", "--fault", "ucode-error=16"],
            "no file of API 16, but of 17",
        ),
        (
            &["run", "--card", "7260", "--fault", "never-alive@host-command:name=SCAN_REQ_UMAC"],
            "did you mean `SCAN_OFFLOAD_REQUEST_CMD`?",
        ),
        (
            &["explore", "opmode-load", "--fault", "never-alive@firmware-asked:name=regulatory.db"],
            "asked for as cfg80211 is loaded",
        ),
        (
            &[
                "device",
                "--card",
                "7260",
                "--fault",
                "never-alive@packet:name=ALIVEE",
                "--socket-path",
                "x",
            ],
            "there is no message of these cards `ALIVEE`",
        ),
        (&["run", "--card", "7260", "--fault", "ucode-error@step-ended:step=upp"], "no step `upp`"),
        (&["run", "no-such"], "no scenario `no-such`; `iwlbench list scenarios` has all "),
        (&["run", "opmode-laod"], "did you mean `opmode-load`? `iwlbench list scenarios`"),
        (&["run", "race/"], "did you mean `races/`?"),
        (&["explore", "unbind-in-the-gpa"], "did you mean `unbind-in-the-gap`?"),
        (&["run", "--card", "1"], "there is no card `1`; `iwlbench list cards` has all "),
        (&["run", "--card", "7206"], "did you mean `7260`? `iwlbench list cards`"),
        (&["device", "--card", "7206", "--socket-path", "x"], "did you mean `7260`?"),
        (&["ucode", "build", "--card", "7206"], "did you mean `7260`?"),
        (&["ucode", "build", "--card", "ax21", "--pnvm"], "did you mean `ax210`?"),
        (&["run", "--fault", "no-such"], "`iwlbench list faults` has all "),
        (&["matrix", "--fault", "nevr-alive"], "did you mean `never-alive`?"),
        (
            &["device", "--card", "7260", "--fault", "never-alife", "--socket-path", "x"],
            "did you mean `never-alive`?",
        ),
        (
            &["ucode", "build", "--card", "7260", "--fault", "no-section"],
            "did you mean `no-sections`?",
        ),
        (&["ucode", "build", "--card", "7260", "--fault", "truncate=x"], "which is: truncate=40"),
        (&["run", "--driver", "sync-verfy"], "did you mean `sync-verify`?"),
        (&["run", "--kernel", "7..3"], "`7..3` is no kernel version: write `default`, `6.12`"),
        (&["shell", "--scenario", "opmode-laod"], "did you mean `opmode-load`?"),
        (&["run", "--firmware", "rael"], "did you mean `real`?"),
        (&["matrix", "--firmware", "stbu"], "did you mean `stub`?"),
        (&["run", "--fault", "dma-fault=transmt"], "did you mean `transmit`?"),
        (&["run", "--fault", "rf-kill@alive:image=ini"], "did you mean `init`?"),
    ];
    for (args, expected) in cases {
        let (code, stderr) = failing(&bench, args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(stderr.len() < 800, "not all that there are: {stderr}");
    }
}

#[test]
fn a_place_that_is_none_is_named_with_a_remedy() {
    let bench = Bench::new();
    let dir = bench.dir.path().display();
    let (none, of_none) = (format!("{dir}/none"), format!("{dir}/none/a"));
    let file = bench.file("file", "");
    let in_file = format!("{}/a", file.display());
    let here = format!("{dir}");
    let make = format!("{none} is no directory; make it: mkdir -p {none}");
    let cases: [(&[&str], &str); 11] = [
        (&["man", "-o", &none], &make),
        (&["module", "build", "-o", &none, "."], &make),
        (&["ucode", "build", "--card", "7260", "-o", &of_none], &make),
        (&["ucode", "build", "--card", "7260", "-o", &in_file], "file is no directory; name one"),
        (&["new", &of_none], &make),
        (&["new", "--driver", "rust", &of_none], &make),
        (&["image", "-o", &of_none], &make),
        (&["image", "-o", &here], "is a directory: name a file in it"),
        (&["matrix", "--junit", &of_none], &make),
        (&["matrix", "--ktap", &here], "is a directory: name a file in it"),
        (&["device", "--card", "7260", "--socket-path", &of_none], &make),
    ];
    for (args, expected) in cases {
        let (code, stderr) = failing(&bench, args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

#[test]
fn an_identity_is_refused_where_it_is_wrong() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 10] = [
        (&["run", "--card", "9260,hw-rev=0x340"], "take a card of that one (ax200, ax201)"),
        (&["matrix", "--card", "7260,9260,devcie=1"], "`devcie` is no part of a card's identity"),
        (&["run", "--card", "9260,devise="], "did you mean `device`?"),
        (&["run", "--card", "7260,"], "--card 7260,: nothing stands beside a comma"),
        (&["run", "--card", "7260,,9260"], "--card 7260,,9260: nothing stands beside a comma"),
        (&["device", "--card", "7260,", "--socket-path", "x"], "nothing stands beside a comma"),
        (&["matrix", "--card", ""], "--card : no card is named"),
        (&["run", "--card", "device=0x271b"], "write --card 9260,device=0x271b"),
        (&["device", "--card", "7260,mac=1", "--socket-path", "x"], "is no MAC address"),
        (&["sweep", "x"], "`x` is no PCI device id"),
    ];
    for (args, expected) in cases {
        let (code, stderr) = failing(&bench, args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    let file = bench.file(
        "part.toml",
        "about = \"x\"\ncards = [\"7260\"]\ncard.identity = \"rf-id=0x105110\"\n\
         [[step]]\ndo = \"coldplug\"\n",
    );
    let (code, stderr) = failing(&bench, &["check", &file.to_string_lossy()]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("part.toml:3:17") && stderr.contains("has no CSR_HW_RF_ID"),
        "{stderr}"
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let bench = Bench::new();
    for args in [
        &["run", "--firmware", "/no/such.ucode"][..],
        &["run", "--image", "/no/such.cpio"],
        &["run", "/no/such.toml"],
        &["ucode", "inspect", "/no/such.ucode"],
    ] {
        let (code, stderr) = failing(&bench, args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("/no/such"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_bad_scenario_is_told_with_line_and_key() {
    let bench = Bench::new();
    let file = bench.file(
        "bad.toml",
        "about = \"x\"\ncards = [\"7260\"]\n\n[[step]]\nawait = \"opmode-lodaed\"\n",
    );
    let (code, stderr) = failing(&bench, &["run", &file.to_string_lossy()]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("bad.toml:5:9") && stderr.contains("did you mean `opmode-loaded`?"),
        "{stderr}"
    );
}

#[test]
fn check_reads_scenarios_without_a_guest() {
    let bench = Bench::new();
    let head = "about = \"x\"\ncards = [\"7260\"]\n[[step]]\ndo = \"coldplug\"\n";
    let good = bench.file("good.toml", head);
    let good = good.to_string_lossy();
    let output = bench.output(&["check", &good, "opmode-load"]);
    assert!(output.status.success());
    for (tail, line, said) in [
        ("[[expect]]\nthat = \"t\"\nnever = \"bound\"\nwithin = 2\n", ":5:", "`after`"),
        ("[[twin]]\nthat = \"t\"\nred = [\"no such\"]\n", ":7:", "none says that"),
        ("[[module]]\nexit = 1\nlie = true\n", ":5:", "at most one of"),
        (
            "[[firmware]]\nrefuse = \"ENOENTT\"\n",
            ":6:10",
            "there is no error `ENOENTT`; did you mean `ENOENT`?",
        ),
        ("[[step]]\ndo = { rmod = \"iwlmvm\" }\n", ":6:8", "did you mean `rmmod`?"),
        ("[card]\nfaults = [\"nevr-alive\"]\n", ":6:", "did you mean `never-alive`?"),
    ] {
        let bad = bench.file("bad.toml", format!("{head}{tail}"));
        let (code, stderr) = failing(&bench, &["check", &good, &bad.to_string_lossy()]);
        assert_eq!(code, Some(2), "{tail}: {stderr}");
        assert!(stderr.contains(line) && stderr.contains(said), "{tail}: {stderr}");
    }
}

#[test]
fn all_errors_of_several_files_are_told() {
    let bench = Bench::new();
    let bad = "about = \"x\"\ncards = [\"7206\"]\n[[step]]\ndo = \"coldplg\"\n";
    let (one, two) = (bench.file("one.toml", bad), bench.file("two.toml", bad));
    let files = [&*one.to_string_lossy(), &*two.to_string_lossy()];
    let (code, stderr) = failing(&bench, &["check", files[0], files[1]]);
    assert_eq!(code, Some(2), "{stderr}");
    for place in files.iter().flat_map(|file| [format!("{file}:2:10"), format!("{file}:4:6")]) {
        assert!(stderr.contains(&place), "{place}: {stderr}");
    }
    assert!(stderr.contains("  |      ^^^^^^^^^"), "a mark under it: {stderr}");
}

#[test]
fn what_is_doubtful_is_told_and_with_strict_an_error() {
    let bench = Bench::new();
    let file = bench.file(
        "doubtful.toml",
        "about = \"x\"\ncards = [\"7260\"]\n[[step]]\ndo = \"coldplug\"\n\
         [[expect]]\nthat = \"t\"\nnever = \"dma-fault\"\n",
    );
    let file = file.to_string_lossy();
    let output = bench.output(&["check", &file]);
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("warning: no twin turns this one red: t"), "{stderr}");
    let (code, stderr) = failing(&bench, &["check", "--strict", &file]);
    assert_eq!(code, Some(2), "{stderr}");
    // Nothing of the set is.
    let set = bench.output(&["check", "--strict", "card/", "firmware/", "hand-over/", "races/"]);
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let groups =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).expect("there");
    assert_eq!(groups.flatten().filter(|entry| entry.path().is_dir()).count(), 4, "all groups");
}

#[test]
fn a_new_scenario_is_good_and_is_not_written_over() {
    let bench = Bench::new();
    let path = bench.dir.path().join("mine");
    let path = path.to_string_lossy();
    assert!(bench.output(&["new", &path]).status.success());
    let file = format!("{path}.toml");
    let output = bench.output(&["check", "--strict", &file]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, said) in [(&*path, "is there already"), ("opmode-load", "built-in")] {
        let (code, stderr) = failing(&bench, &["new", name]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn a_new_driver_is_whole_and_is_not_written_over() {
    let bench = Bench::new();
    let path = bench.dir.path().join("my_card");
    let own = path.to_string_lossy();
    let output = bench.output(&["new", "--driver", "rust", &own]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<_> = std::fs::read_dir(&path).expect("a directory").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(std::fs::DirEntry::file_name).collect();
    assert_eq!(names, ["Kbuild", "my_card.rs", "my_card.toml"]);
    for file in files {
        let text = std::fs::read_to_string(file.path()).expect("text");
        assert!(text.contains("my_card") && !text.contains("NAME"), "{text}");
    }
    let output = bench.output(&["check", &format!("{own}/my_card.toml")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let in_directory = |name: &str| format!("{}/{name}", bench.dir.path().display());
    let [hyphen, keyword, of_kernel, there] =
        ["my-card", "fn", "kernel", "iwlwifi"].map(in_directory);
    for (name, said) in [
        (&*own, "is there already"),
        (&hyphen, "`my-card` is no name for a module"),
        (&keyword, "`fn` has a meaning in Rust"),
        (&of_kernel, "`kernel` has a meaning in Rust or in the kernel's crates"),
        (&there, "`iwlwifi` is a module of a driver that is there"),
    ] {
        let (code, stderr) = failing(&bench, &["new", "--driver", "rust", name]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let output = Bench::new().output(&["check", "--schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for key in ["about", "cards", "step", "expect", "cold", "patience"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

/// What a clock cannot add, and what no file is.
#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 11] = [
        (&["matrix", "--kernel", "/no/bzImage"], "each bzImage has its modules"),
        (&["matrix", "--firmware", "/no/such.ucode"], "/no/such.ucode"),
        (&["run", "unbnd-*"], "there are the groups card/"),
        (&["run", "--modules", "/"], "there is no bzImage `default` (--kernel)"),
        (&["run", "--kernel", "7.3,6.1"], "which `iwlbench matrix` plays"),
        (&["explore", "unbind-*"], "one scenario is meant here: unbind-"),
        (&["run", "--patience", "18446744073709551614"], "from 1 to 86400"),
        (&["matrix", "--repeat", "0"], "from 1 to 1000000"),
        (&["check", "/"], "there is no scenario `/`"),
        (&["matrix", "--baseline", "/no/matrix"], "there is no run `/no/matrix`, neither as a dir"),
        (&["report", "--baseline", "/no/matrix"], "there is no run"),
    ];
    for (args, expected) in cases {
        let (code, stderr) = failing(&bench, args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

/// What is no module at all is a mistake; what is one, and not whole, comes of a build that was
/// interrupted: 125, which a bisect passes over.
#[test]
fn a_module_is_a_whole_file() {
    let bench = Bench::new();
    let text = bench.file("text.ko", "no module");
    let packed = bench.file("text.ko.xz", "no module");
    let directory = bench.dir.path().join("hello");
    std::fs::create_dir(&directory).expect("made");
    let this = std::env::current_exe().expect("a program");
    let mut elf = std::fs::read(this).expect("read");
    elf.truncate(5000);
    let elf = bench.file("cut.ko", elf);
    let xz = bench.file("cut.ko.xz", b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36\x02\0\x21");
    for (file, code, said) in [
        (&text, 2, "text.ko: it is no ELF file"),
        (&packed, 2, "text.ko.xz: it is no xz file"),
        (&directory, 2, "hello: it is a directory: name a module in it"),
        (&elf, 125, "cut.ko is cut short: an ELF file begins there"),
        (&xz, 125, "cut.ko.xz is cut short: an xz file begins there"),
    ] {
        let (status, stderr) = failing(&bench, &["run", "--module", &file.to_string_lossy()]);
        assert_eq!(status, Some(code), "{stderr}");
        assert!(stderr.contains(said) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn what_is_known_to_fail_is_looked_at_before_anything_is_played() {
    let bench = Bench::new();
    let wrong = "[[failure]]\nscenario = \"opmode-lod\"\nreason = \"r\"\ncard = \"7261\"\n\
                 driver = \"stok\"\ncauses = \"x\"\n";
    let file = bench.file("known.toml", wrong);
    let file = file.to_string_lossy();
    for command in [&["run"][..], &["matrix"], &["explore", "opmode-load"]] {
        let args = [command, &["--known-failures", &file]].concat();
        let (code, stderr) = failing(&bench, &args);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("known.toml has 4 errors"), "{stderr}");
        for said in ["known.toml:2:12", "known.toml:4:8", "known.toml:5:10", "known.toml:6:1"] {
            assert!(stderr.contains(said), "{said}: {stderr}");
        }
    }
}

#[test]
fn text_for_people_fits_the_columns_that_there_are() {
    let bench = Bench::new();
    let place = bench.dir.path();
    let built =
        bench.output(&["ucode", "build", "--card", "be200", "-o", &place.to_string_lossy()]);
    assert!(built.status.success());
    bench.file(
        "long.toml",
        "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"bind\"\n[[expect]]\nthat = \"a\"\n\
         never = { milestone = \"section-uploaded\", card = \"7260\", image = \"runtime\", index = 77 }\n\
         [[expect]]\nthat = \"b\"\neventually = { milestone = \"bound\", by = 1 }\n",
    );
    let doubtful = "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"bind\"\n[[expect]]\nnever = \"bound\"\n\
                    that = \"what nobody has thought of so far, and what is told in a line that is long\"\n";
    bench.file("doubtful.toml", doubtful);
    for args in [
        &["ucode", "inspect", "iwlwifi-gl-c0-fm-c0-c107.ucode"][..],
        &["check", "long.toml"],
        &["check", "doubtful.toml"],
        &["run", "--kernel", "long.toml"],
        &["matrix", "--card", "7260", "--no-such-option-as-this-one-that-is-long", "opmode-load"],
        &["--offline", "run", "--card", "9999", "opmode-load"],
        &["report", "nosuch", "--out", "/nowhere"],
    ] {
        let said = |columns: Option<&str>| {
            let mut command = bench.command(args);
            command.current_dir(place).env_remove("COLUMNS");
            let output = command.envs(columns.map(|n| ("COLUMNS", n))).output().expect("it runs");
            let [out, error] =
                [output.stdout, output.stderr].map(|o| String::from_utf8(o).expect("text"));
            (out, error)
        };
        let (out, error) = said(Some("70"));
        // A row of quoted source has columns of its own.
        let text = |line: &&str| {
            !line
                .trim_start_matches([' ', '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'])
                .starts_with('|')
        };
        for line in out.lines().chain(error.lines()).filter(text) {
            assert!(line.chars().count() <= 70, "{args:?}: {line}");
        }
        for line in said(Some("80")).1.lines() {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
        // What is no terminal is searched by line.
        let whole = said(None).1;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&whole), words(&error), "{args:?}");
        assert!(whole.lines().count() <= error.lines().count(), "{args:?}");
    }
}

#[test]
fn a_socket_path_that_exists_is_not_touched() {
    let bench = Bench::new();
    let file = bench.file("taken", "precious");
    let path = file.to_string_lossy();
    let (code, stderr) = failing(&bench, &["device", "--card", "7260", "--socket-path", &path]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&*path), "{stderr}");
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
}

#[test]
fn a_lying_tlv_is_told_with_its_place() {
    let bench = Bench::new();
    let path = bench.dir.path().join("lying.ucode");
    let path = path.to_string_lossy();
    let fault = "tlv-length=1:65536";
    let built = bench.output(&["ucode", "build", "--card", "7260", "--fault", fault, "-o", &path]);
    assert!(built.status.success());
    let (code, stderr) = failing(&bench, &["ucode", "inspect", &path]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("IWL_UCODE_TLV_SEC_RT") && stderr.contains("65536"), "{stderr}");
    // And nothing is overwritten without being told to.
    let (code, stderr) = failing(&bench, &["ucode", "build", "--card", "7260", "-o", &path]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--force"), "{stderr}");
}

#[test]
fn a_firmware_file_is_a_regular_file() {
    let bench = Bench::new();
    let directory = bench.dir.path().to_string_lossy().into_owned();
    let pipe = bench.dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    for path in ["/dev/zero", &directory, &pipe.to_string_lossy()] {
        let (code, stderr) = failing(&bench, &["ucode", "inspect", path]);
        assert_eq!(code, Some(2), "{path}: {stderr}");
        assert!(stderr.contains(&format!("{path} is no regular file")), "{stderr}");
    }
}

#[test]
fn a_directory_to_build_into_is_made_by_the_user() {
    let bench = Bench::new();
    let path = format!("{}/fw/", bench.dir.path().display());
    for what in [&["--card", "7260"][..], &["--card", "ax210", "--pnvm"]] {
        let args = [&["ucode", "build", "-o", &path], what].concat();
        let (code, stderr) = failing(&bench, &args);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(&format!("mkdir -p {path}")), "{stderr}");
    }
    std::fs::create_dir(&path).expect("made");
    assert!(
        bench
            .output(&["ucode", "build", "-o", &path, "--card", "ax210", "--pnvm"])
            .status
            .success()
    );
    let (code, stderr) =
        failing(&bench, &["ucode", "build", "-o", &path, "--card", "6205", "--pnvm"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("a 6205 is given no .pnvm file"), "{stderr}");
    let file = format!("{path}iwlwifi-ty-a0-gf-a0.pnvm");
    let inspected = bench.output(&["ucode", "inspect", &file]);
    let text = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(inspected.status.success() && text.contains("TY/GF"), "{text}");
}

#[test]
fn list_tells_the_same_in_text_and_json() {
    let bench = Bench::new();
    let text = bench.output(&["list"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let json: serde_json::Value =
        serde_json::from_slice(&bench.output(&["list", "--json"]).stdout).expect("JSON");
    is_described(&json, &["`list --json`"]);
    for kind in ["cards", "scenarios", "faults", "firmware_faults", "kernels", "drivers", "kvm"] {
        let rows = json[kind].as_array().expect(kind);
        assert!(!rows.is_empty(), "{kind}");
        for row in rows {
            assert!(text.contains(row["name"].as_str().expect("a name")), "{row}");
        }
    }
    // One sort alone.
    for kind in ["cards", "scenarios", "faults", "firmware-faults", "drivers", "kvm"] {
        let only = bench.output(&["list", kind]).stdout;
        let only = String::from_utf8_lossy(&only).into_owned();
        assert!(only.len() < text.len() && text.contains(only.trim_end()), "{kind}: {only}");
        let only = bench.output(&["list", kind, "--json"]).stdout;
        let only: serde_json::Value = serde_json::from_slice(&only).expect("JSON");
        let key = kind.replace('-', "_");
        assert_eq!(
            (&only[&key], only.as_object().map(serde_json::Map::len)),
            (&json[&key], Some(2))
        );
    }
}

#[test]
fn kernels_and_files_are_told_as_described() {
    let bench = Bench::new();
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&bench.output(args).stdout).expect("JSON")
    };
    let kernels = json(&["list", "kernels", "--json", "--offline"]);
    is_described(&kernels, &["`list kernels --json`"]);
    assert!(!kernels["kernels"].as_array().expect("a list").is_empty(), "those in the cache");
    let dir = bench.dir.path().display().to_string();
    let build = |card: &str, more: &[&str]| {
        let args = [&["ucode", "build", "--force", "--card", card, "-o", &dir], more].concat();
        let output = bench.output(&args);
        let said = String::from_utf8(output.stdout).expect("text");
        said.split(": ").next().expect("a path").to_owned()
    };
    let garbage = bench.file("garbage.ucode", "garbage").display().to_string();
    for file in [
        build("7260", &[]),
        build("be200", &[]),
        build("ax210", &["--pnvm"]),
        build("6205", &["--fault", "empty-sections"]),
        build("8265", &["--fault", "no-sections"]),
        build("9260", &["--fault", "corrupt-tail"]),
        garbage,
    ] {
        is_described(&json(&["ucode", "inspect", "--json", &file]), &["`ucode inspect --json`"]);
    }
}

#[test]
fn shells_and_man_know_each_command() {
    let bench = Bench::new();
    let help = String::from_utf8(bench.output(&["help"]).stdout).expect("text");
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What is indented further goes on with the line before.
    let lines = lines.take_while(|line| !line.is_empty()).filter(|l| !l.starts_with("   "));
    let commands: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"run") && commands.contains(&"matrix"), "{help}");

    let script = bench.output(&["completions", "bash"]);
    assert!(script.status.success());
    let script = String::from_utf8(script.stdout).expect("text");
    let pages = tempfile::tempdir().expect("a directory");
    let dir = pages.path().to_string_lossy().into_owned();
    assert!(bench.output(&["man", "-o", &dir]).status.success());
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(script.contains(&format!("iwlbench,{command})")), "{command}: {script}");
        let page = pages.path().join(format!("iwlbench-{command}.1"));
        let page = std::fs::read_to_string(&page).expect("a page");
        assert!(page.starts_with(".ie") && page.contains(".SH OPTIONS"), "{command}: {page}");
    }
}

#[test]
fn what_is_missing_offline_names_the_command_that_gets_it() {
    let bench = Bench::new();
    let cache = bench.dir.path().join("empty");
    let offline = |args: &[&str]| {
        // A QEMU on PATH would do.
        let mut command = bench.command(args);
        let output =
            command.arg("--offline").env("IWLBENCH_CACHE", &cache).env("PATH", "").output();
        let output = output.expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = offline(&["run", "--kernel", "6.1"]);
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("QEMU is not in the cache") && stderr.contains("`iwlbench setup`"));
    let (code, stderr) = offline(&["image", "-o", "x", "--kernel", "6.1"]);
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("run `iwlbench setup --kernel 6.1`"), "{stderr}");
    let (code, stderr) = offline(&["image", "-o", "x", "--kernel", "7.3-cloud"]);
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("has no iwlwifi; use the plain one: --kernel 7.3"), "{stderr}");
    let (code, stderr) = offline(&["list", "kernels"]);
    assert_eq!(code, Some(0), "{stderr}");
}
