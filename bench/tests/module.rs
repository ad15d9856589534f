//! The user's own modules, built against a stock kernel. What has to be fetched for that, some
//! 84 MB for each kernel, is fetched only when asked for:
//!
//! ```sh
//! cargo nextest run --release -p iwlbench --run-ignored only -E 'binary(module)'
//! ```

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::Bench;

const SOURCE: &str = r#"#include <linux/module.h>
static int __init ten_lines_init(void)
{
	pr_info("ten lines\n");
	return 0;
}
module_init(ten_lines_init);
MODULE_DESCRIPTION("As small as they come");
MODULE_LICENSE("GPL");
"#;

/// A directory with a module of this source.
fn directory(bench: &Bench, source: &str) -> PathBuf {
    let directory = bench.dir.path().join("module");
    std::fs::create_dir(&directory).expect("made");
    std::fs::write(directory.join("Kbuild"), "obj-m += ten_lines.o\n").expect("written");
    std::fs::write(directory.join("ten_lines.c"), source).expect("written");
    directory
}

fn build(bench: &Bench, directory: &Path, more: &[&str]) -> Output {
    let directory = directory.to_string_lossy();
    bench.output(&[&["module", "build", &directory], more].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is not there to build is said before anything is fetched.
#[test]
fn a_directory_without_a_makefile_is_bad_usage() {
    let bench = Bench::new();
    let directory = directory(&bench, SOURCE);
    std::fs::remove_file(directory.join("Kbuild")).expect("removed");
    let output = build(&bench, &directory, &["--offline"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("neither a Kbuild nor a Makefile") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
#[ignore = "fetches a kernel's headers and compiler"]
fn a_module_is_built_for_each_kernel_that_is_asked_for() {
    for kernel in ["default", "6.12", "6.1"] {
        let bench = Bench::new();
        let directory = directory(&bench, SOURCE);
        let out = bench.dir.path().join("out");
        std::fs::create_dir(&out).expect("made");
        let output = build(&bench, &directory, &["--kernel", kernel, "-o", &out.to_string_lossy()]);
        assert!(output.status.success(), "{kernel}: {}", stderr(&output));
        let module = out.join("ten_lines.ko");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", module.display()));
        let module = std::fs::read(module).expect("the module");
        let magic = b"vermagic=";
        let at = module.windows(magic.len()).position(|w| w == magic).expect("a vermagic");
        let numbers = if kernel == "default" { "7." } else { kernel };
        assert!(module[at + magic.len()..].starts_with(numbers.as_bytes()), "{kernel}");
    }
}

#[test]
#[ignore = "fetches a kernel's headers and compiler"]
fn what_the_compiler_says_is_shown() {
    let bench = Bench::new();
    let directory = directory(&bench, &SOURCE.replace("return 0;", "return zero;"));
    let output = build(&bench, &directory, &[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("ten_lines.c:5:16: error: 'zero' undeclared"), "{said}");
    assert!(output.stdout.is_empty());
}

/// As in a container that lets nobody make one: the room's programs run where they lie.
#[test]
#[ignore = "fetches a kernel's headers and compiler"]
fn without_user_namespaces_modules_are_built_too() {
    let bench = Bench::new();
    let own = directory(&bench, SOURCE);
    let build = |directory: &Path| {
        let (bench, directory) = (bench.command(&[]), directory.to_string_lossy());
        let mut command = Command::new("unshare");
        // A limit of this namespace's, for those below it.
        command.args(["--map-root-user", "sh", "-c"]).args([
            "echo 0 >/proc/sys/user/max_user_namespaces; unshare -U true && exit 99; exec \"$@\"",
            "sh",
        ]);
        command.arg(bench.get_program()).args(["module", "build", &directory]);
        command.envs(bench.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.output().expect("unshare runs")
    };
    let output = build(&own);
    assert!(output.status.success(), "{}", stderr(&output));
    let module = own.join("ten_lines.ko");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", module.display()));
    assert!(std::fs::read(module).expect("the module").starts_with(b"\x7fELF"));

    std::fs::write(own.join("ten_lines.c"), SOURCE.replace("return 0;", "return zero;"))
        .expect("written");
    let said = stderr(&build(&own));
    assert!(said.contains("ten_lines.c:5:16: error: 'zero' undeclared"), "{said}");

    // What has no such way yet says so, and what to do.
    std::fs::write(own.join("in_rust.rs"), "").expect("written");
    std::fs::write(own.join("Kbuild"), "obj-m += in_rust.o\n").expect("written");
    let output = build(&own);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("modules in Rust") && said.contains("max_user_namespaces"), "{said}");
}

/// Wherever the source lies, in C and in Rust: who builds it anew can compare.
#[test]
#[ignore = "fetches a kernel's headers and compilers"]
fn a_module_that_is_built_twice_is_the_same_bytes() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-images");
    let built = |source: &Path| {
        let bench = Bench::new();
        let own = bench.dir.path().join("own");
        let copied = Command::new("cp").arg("-r").arg(source).arg(&own).status();
        assert!(copied.expect("cp runs").success());
        let output = build(&bench, &own, &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        let modules = String::from_utf8_lossy(&output.stdout);
        let content = |line: &str| std::fs::read(line).expect("a module");
        modules.lines().map(content).collect::<Vec<_>>()
    };
    let bench = Bench::new();
    for (source, modules) in [(directory(&bench, SOURCE), 1), (sources.join("rust-driver"), 3)] {
        let [first, second] = [built(&source), built(&source)];
        assert_eq!(first.len(), modules);
        assert!(first == second, "{}", source.display());
    }
}
