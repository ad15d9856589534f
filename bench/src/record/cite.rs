//! What a run can be cited by, and what plays it again.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::{Table, Value};

use crate::facts::driver::{BUILT_IN, STOCK};
use crate::facts::near;
use crate::script::scenario::{Scenario, parse_patience};

/// Which iwlbench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Program {
    /// As `--version` has it.
    pub version: &'static str,
    /// As `git describe` had it where it was built; none outside a git repository.
    pub commit: Option<&'static str>,
}

impl Program {
    /// This one.
    pub const THIS: Program = Program {
        version: env!("CARGO_PKG_VERSION"),
        // The build script knows, or does not.
        commit: option_env!("IWLBENCH_COMMIT"),
    };
}

/// What a run can be cited by; a part of `run.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Cited {
    /// When it began, UTC.
    pub date: String,
    /// What played it.
    pub iwlbench: Program,
    /// The user's command.
    pub command: String,
    /// The command that plays it again, from anywhere; none where there is no such command, as for
    /// an order of an exploration.
    pub again: Option<String>,
    /// The scenario as it was played, TOML. Comments are not in it.
    pub scenario_text: String,
    /// The kernel's.
    pub kernel_command_line: String,
}

impl Cited {
    /// A run of this scenario, now.
    pub fn new(scenario: &Scenario, again: Option<String>, kernel_command_line: &str) -> Cited {
        Cited {
            date: now(),
            iwlbench: Program::THIS,
            command: user_command(),
            again,
            scenario_text: text(scenario),
            kernel_command_line: kernel_command_line.to_owned(),
        }
    }
}

/// The present time, UTC, to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The user's command, as a shell takes it.
pub fn user_command() -> String {
    words(std::env::args_os().map(|word| word.to_string_lossy().into_owned()))
}

/// Words as a shell takes them; none of a program's own has a NUL.
pub fn words(words: impl IntoIterator<Item = String>) -> String {
    let words = words.into_iter();
    words
        .filter_map(|word| shlex::try_quote(&word).ok().map(Into::into))
        .collect::<Vec<String>>()
        .join(" ")
}

/// The same, an option to a line.
pub fn in_lines(words: &[String]) -> String {
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            text.push_str(if word.starts_with('-') { " \\\n  " } else { " " });
        }
        text.push_str(&shlex::try_quote(word).unwrap_or_default());
    }
    text
}

/// The scenario as a file. What it names by a path is named from the root: the file may be read
/// elsewhere.
pub fn text(scenario: &Scenario) -> String {
    let mut table = scenario.table.clone();
    let rules = table.get_mut("firmware").and_then(Value::as_array_mut).into_iter().flatten();
    for give in rules.filter_map(|rule| rule.get_mut("give")) {
        if let Some(file) = give.as_str().and_then(|give| give.strip_prefix("file:"))
            && let Ok(file) = std::path::absolute(scenario.directory.join(file))
        {
            *give = format!("file:{}", file.display()).into();
        }
    }
    toml::to_string(&table).unwrap_or_default()
}

/// The word for the cards' stubs.
const STUB: &str = "stub";
/// The word for the distribution's own firmware.
const REAL: &str = "real";

/// Whose firmware the guest is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply<'a> {
    /// The cards' stubs.
    Stub,
    /// Intel's own, of the distribution's package.
    Real,
    /// The user's file, under the first name asked for.
    File(&'a Path),
}

impl<'a> Supply<'a> {
    /// As `--firmware` has it.
    pub fn of(word: &'a str) -> Supply<'a> {
        match word {
            STUB => Supply::Stub,
            REAL => Supply::Real,
            file => Supply::File(Path::new(file)),
        }
    }

    /// The word that was probably meant by a file that is not there, as the end of a sentence.
    pub fn meant(file: &Path) -> String {
        near::meant(file.to_str().unwrap_or_default(), [STUB, REAL])
    }
}

/// What a run was made of beside its scenario's file, for the command that plays it again.
#[derive(Debug)]
pub struct Made<'a> {
    /// Scenario.
    pub scenario: &'a Scenario,
    /// Card, and what of its identity the user wanted.
    pub card: String,
    /// Faults that the user wanted.
    pub faults: Vec<String>,
    /// Interrupts that the user wanted.
    pub interrupts: Option<&'static str>,
    /// Whose firmware it was given.
    pub firmware: Supply<'a>,
    /// An initramfs instead of a built one.
    pub image: Option<&'a Path>,
    /// A distribution's own, ungated.
    pub initrd: Option<&'a Path>,
    /// Modules left out by the user.
    pub without: &'a [String],
    /// Booted for real.
    pub cold: bool,
    /// What no event met is a failure.
    pub strict: bool,
    /// A kernel in the tree that it was built in.
    pub kdir: Option<&'a Path>,
    /// A Debian kernel's release; else the image, and its modules where they are no initrd's.
    pub kernel: Result<&'a str, (&'a Path, Option<&'a Path>)>,
    /// `kvm` or `tcg`.
    pub accel: &'static str,
    /// If not the usual.
    pub cpus: Option<u32>,
    /// Modules of the user's.
    pub modules: Vec<&'a Path>,
    /// Modules that nothing needs.
    pub with: &'a [String],
    /// More of the kernel's command line.
    pub append: &'a [String],
    /// More of QEMU's.
    pub qemu_args: &'a [String],
    /// Events that are recorded.
    pub trace: &'a [String],
    /// As `--driver` calls it.
    pub driver: &'static str,
}

impl Made<'_> {
    /// The command, with the scenario's file in `directory` where it is not built in.
    pub fn again(&self, directory: &Path) -> String {
        let scenario = self.scenario;
        let named = match &scenario.group {
            Some(_) => scenario.name.clone(),
            None => path(&directory.join(file_of(scenario))),
        };
        let mut line = vec![PROGRAM.to_owned(), "run".to_owned()];
        match self.initrd {
            Some(file) => line.extend(["--initrd".to_owned(), path(file)]),
            None => line.push(named),
        }
        let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
        option("--card", self.card.clone());
        match self.kernel {
            _ if self.kdir.is_some() => {
                self.kdir.into_iter().for_each(|tree| option("--kdir", path(tree)));
            }
            Ok(release) => option("--kernel", release.to_owned()),
            Err((image, modules)) => {
                option("--kernel", path(image));
                modules.into_iter().for_each(|modules| option("--modules", path(modules)));
            }
        }
        if ![STOCK, BUILT_IN].contains(&self.driver) {
            option("--driver", self.driver.to_owned());
        }
        option("--accel", self.accel.to_owned());
        if !self.faults.is_empty() {
            option("--fault", self.faults.join(","));
        }
        if let Some(interrupts) = self.interrupts {
            option("--interrupts", interrupts.to_owned());
        }
        match self.firmware {
            Supply::Stub => {}
            Supply::Real => option("--firmware", REAL.to_owned()),
            Supply::File(file) => option("--firmware", path(file)),
        }
        if let Some(file) = self.image {
            option("--image", path(file));
        }
        if !self.without.is_empty() {
            option("--without", self.without.join(","));
        }
        for file in &self.modules {
            option("--module", path(file));
        }
        if !self.with.is_empty() {
            option("--with", self.with.join(","));
        }
        for append in self.append {
            option("--append", append.clone());
        }
        for argument in self.qemu_args {
            option("--qemu-arg", argument.clone());
        }
        if !self.trace.is_empty() {
            option("--trace", self.trace.join(","));
        }
        if let Some(cpus) = self.cpus {
            option("--cpus", cpus.to_string());
        }
        if patience_of(&scenario.table) != Some(scenario.patience) {
            option("--patience", scenario.patience.to_string());
        }
        option("--repeat", "1".to_owned());
        if self.cold {
            line.push("--cold".to_owned());
        }
        if self.strict {
            line.push("--strict".to_owned());
        }
        words(line)
    }
}

/// The command as a script in `directory`, beside the user's scenario if it is one; both may be moved
/// together. It is played by this program, wherever it is; where that is gone, by the one on PATH.
pub fn script(again: &str, scenario: &Scenario, directory: &Path) -> String {
    let this = std::env::current_exe().ok();
    let this = this.map_or(PROGRAM.to_owned(), |this| words([this.display().to_string()]));
    let arguments = again.strip_prefix(PROGRAM).unwrap_or(again);
    let file = file_of(scenario);
    let there = format!(" {}", words([path(&directory.join(&file))]));
    let beside = format!(" \"$(dirname \"$0\")\"/{}", words([file]));
    let arguments = arguments.replacen(&there, &beside, 1);
    format!(
        "#!/bin/sh\n{PROGRAM}={this}\n[ -x \"${PROGRAM}\" ] || {PROGRAM}={PROGRAM}\n\
         exec \"${PROGRAM}\"{arguments} \"$@\"\n"
    )
}

/// What a shell calls it.
const PROGRAM: &str = "iwlbench";

/// The name of the scenario's file in a run's directory.
pub fn file_of(scenario: &Scenario) -> String {
    format!("{}.toml", scenario.name)
}

/// The file's, which the user can change for a run.
fn patience_of(table: &Table) -> Option<u64> {
    match table.get("patience") {
        None => Some(crate::script::scenario::DEFAULT_PATIENCE),
        Some(Value::String(text)) => parse_patience(text).ok(),
        Some(value) => value.as_integer().and_then(|seconds| seconds.try_into().ok()),
    }
}

fn path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::read;

    fn made(scenario: &Scenario) -> Made<'_> {
        Made {
            scenario,
            card: "7260".to_owned(),
            faults: Vec::new(),
            interrupts: None,
            firmware: Supply::Stub,
            image: None,
            initrd: None,
            without: &[],
            cold: false,
            strict: false,
            kdir: None,
            kernel: Ok("7.3.4+deb13-amd64"),
            accel: "tcg",
            cpus: None,
            modules: Vec::new(),
            with: &[],
            append: &[],
            qemu_args: &[],
            trace: &[],
            driver: STOCK,
        }
    }

    /// A user's scenario, beside a file that it gives.
    fn own() -> (tempfile::TempDir, Scenario) {
        let text = "about = \"t\"\ncards = [\"7260\"]\n[[firmware]]\nname = \"*\"\n\
                    give = \"file:fw.ucode\"\n[[step]]\ndo = \"coldplug\"\n";
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("fw.ucode"), "x").expect("written");
        let file = dir.path().join("mine.toml").display().to_string();
        let scenario = read::parse("mine", &file, text).expect("a scenario");
        (dir, scenario)
    }

    /// It and the scenario beside it can be taken elsewhere.
    #[test]
    fn what_plays_it_again_may_be_moved() {
        let (_files, scenario) = own();
        for directory in ["/runs/a", "/run s/it's"].map(Path::new) {
            let again = made(&scenario).again(directory);
            let script = script(&again, &scenario, directory);
            assert!(
                script.contains(" run \"$(dirname \"$0\")\"/mine.toml --card 7260 "),
                "{script}"
            );
            assert!(!script.contains("/run"), "{script}");
        }
    }

    /// The line is what the command line takes, and names what the user named.
    #[test]
    fn what_was_played_can_be_said_again() {
        let built_in = read::find("opmode-load").expect("built in");
        let line = made(&built_in).again(Path::new("/runs/x"));
        assert_eq!(
            line,
            "iwlbench run opmode-load --card 7260 --kernel 7.3.4+deb13-amd64 --accel tcg --repeat 1"
        );
        let (_dir, mut own) = own();
        own.patience = 7;
        let all = Made {
            faults: vec!["never-alive".into(), "all-ones=400".into()],
            interrupts: Some("msix"),
            firmware: Supply::File(Path::new("/fw/a b")),
            without: &["iwlmvm".to_owned()],
            cold: true,
            strict: true,
            kernel: Err((Path::new("/k/bzImage"), Some(Path::new("/k/modules")))),
            cpus: Some(2),
            modules: vec![Path::new("/m/iwlmvm.ko")],
            with: &["9p".to_owned(), "veth".to_owned()],
            append: &["quiet debug".to_owned()],
            qemu_args: &["-device".to_owned(), "edu".to_owned()],
            trace: &["iwlwifi:*".to_owned(), "sched:sched_wak*".to_owned()],
            ..made(&own)
        };
        let line = all.again(Path::new("/runs/x"));
        assert_eq!(
            line,
            "iwlbench run /runs/x/mine.toml --card 7260 --kernel /k/bzImage --modules /k/modules \
             --accel tcg --fault 'never-alive,all-ones=400' --interrupts msix --firmware '/fw/a b' --without iwlmvm \
             --module /m/iwlmvm.ko --with '9p,veth' --append 'quiet debug' --qemu-arg -device \
             --qemu-arg edu --trace 'iwlwifi:*,sched:sched_wak*' --cpus 2 --patience 7 --repeat 1 --cold --strict"
        );
        for line in [line, made(&built_in).again(Path::new("/runs/x"))] {
            let words = shlex::split(&line).expect("shell words");
            <crate::app::cli::Cli as clap::Parser>::try_parse_from(words).expect("taken");
        }
    }

    #[test]
    fn a_command_has_its_options_in_lines_that_a_shell_takes_as_one() {
        let words = ["/a b/ld.so", "--inhibit-cache", "--path", "/x:/y", "qemu", "-L", "/d"];
        let told = in_lines(&words.map(str::to_owned));
        assert_eq!(told, "'/a b/ld.so' \\\n  --inhibit-cache \\\n  --path /x:/y qemu \\\n  -L /d");
    }

    #[test]
    fn a_scenario_that_is_kept_can_be_played_elsewhere() {
        let (dir, own) = own();
        let kept = read::parse("mine", "/elsewhere/mine.toml", &text(&own));
        let kept = kept.expect("a scenario");
        assert_eq!(
            kept.table["firmware"][0]["give"].as_str(),
            Some(&*format!("file:{}", dir.path().join("fw.ucode").display()))
        );
        assert_eq!(kept.table["step"], own.table["step"]);
    }
}
