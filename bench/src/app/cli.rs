//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::machine::accel::Choice;
use crate::script::scenario::{
    InterruptChoice, MOST_REPEATS, PlannedFault, corruption, parse_patience,
};

/// Boots the real iwlwifi against an emulated Intel wireless card and asserts the order of the
/// hand-over: firmware request, opmode request, upload, ALIVE, interface.
#[derive(Debug, Parser)]
#[command(name = "iwlbench", version = env!("IWLBENCH_VERSION"), after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours on standard output; `auto` is where it is a terminal and NO_COLOR is not set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: clap::ColorChoice,
    /// Show no progress, and of what was played only what did not pass
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Touch no network: use what was fetched before
    // clap hands it on to the commands that fetch, which have it by the same name.
    #[arg(long, global = true)]
    pub offline: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 every expectation held; 1 an expectation failed (the \
driver's or the kernel's fault); 2 bad usage, or what was named is missing or no such thing; 125 it \
cannot do the job here, or the environment cannot run it; 128 + n ended by signal n, as 130 by Ctrl-C.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot a guest with the real driver and an emulated card, play a scenario, judge it
    Run(RunArgs),
    /// Play scenarios with cards and kernels, several guests at once
    Matrix(MatrixArgs),
    /// Play every order of a scenario's steps and held requests, each in a guest of its own
    Explore(ExploreArgs),
    /// Plug every part that the driver knows, up to the request for its opmode: its name, the
    /// firmware asked for, and whether the distribution has that
    Sweep(SweepArgs),
    /// Write a scenario to change, each part of it explained
    New(NewArgs),
    /// Say what is wrong with scenario files, without playing them
    Check(CheckArgs),
    /// List cards, scenarios, kernels and faults
    List(ListArgs),
    /// Serve one card on a vfio-user socket, for any QEMU from 10.1 on
    Device(DeviceArgs),
    /// Put cards under a hostile client: millions of messages, while memory, descriptors and
    /// threads are watched
    Soak(SoakArgs),
    /// Show a run again: as a page, a trace, or for a CI server
    Report(ReportArgs),
    /// Put two runs side by side: their milestones, and what their drivers did to the card; of two
    /// matrices, what fails newly, passes newly, and is slower
    Compare(CompareArgs),
    /// Make and read firmware files
    #[command(subcommand)]
    Ucode(UcodeCommand),
    /// Build kernel modules
    #[command(subcommand)]
    Module(ModuleCommand),
    /// A shell in a guest with the card in it
    Shell(ShellArgs),
    /// Fetch QEMU, kernel and modprobe ahead of time
    Setup(SetupArgs),
    /// Build the guest's initramfs and keep a copy
    Image(ImageArgs),
    /// Print a shell's completions for this command line
    Completions(CompletionsArgs),
    /// Write a manual page for each command
    Man(ManArgs),
}

/// `iwlbench run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenarios: built-in names, groups (`races/`), patterns (`unbind-*`) or .toml files
    #[arg(default_value = "opmode-load")]
    pub scenario: Vec<String>,
    /// Play the scenarios' negative twins instead: each must fail, and only for its reason
    #[arg(long)]
    pub twins: bool,
    /// Cards, each played in a guest of its own, or `all`, of which those are left out that a kernel
    /// does not know [default: as the scenario says]. A part of yours is a card with its identity
    /// behind it, as far as it differs:
    /// 9260,device=0x271b,subsystem=0x0210,hw-rev=0x322,rf-id=0x105110,mac=02:00:5e:10:00:01
    #[arg(long, value_delimiter = ',', value_name = "NAME[,KEY=VALUE…]")]
    pub card: Vec<String>,
    /// Make the card fail (`iwlbench list faults`), from power-on, or from a moment on until
    /// another: NAME[=ARGUMENT], then @MOMENT, ..MOMENT or both, as in never-alive@section-uploaded, with a
    /// MOMENT of KIND[:FIELD=VALUE][#N]: the N-th such milestone, or event of the card
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub fault: Vec<PlannedFault>,
    /// Interrupts the card offers [default: as the scenario says, or what suits the card]
    #[arg(long)]
    pub interrupts: Option<InterruptChoice>,
    /// Firmware the guest is given: `stub`, `real` for Intel's own, of the distribution's package, which is
    /// fetched, or a file, given under the first name asked for
    #[arg(long, default_value = "stub", value_name = "stub|real|FILE")]
    pub firmware: String,
    /// Leave a module out of the guest's image
    #[arg(long, value_delimiter = ',', value_name = "MODULE")]
    pub without: Vec<String>,
    /// Use this initramfs as it is (see `iwlbench image`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["without", "with", "module"])]
    pub image: Option<PathBuf>,
    /// Boot a distribution's own initrd as it is, ungated, and judge card, console and kernel log; its
    /// kernel is the one whose modules it has, or --kernel's, which may be a bzImage alone
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "scenario", "twins", "firmware", "without", "with", "module", "modules", "image", "cold", "strict",
            "shell_on_failure", "gdb", "driver", "trace"
        ]
    )]
    pub initrd: Option<PathBuf>,
    /// How often to play each scenario with each card [default: as the scenario says]
    #[arg(long, value_parser = repeat, value_name = "K")]
    pub repeat: Option<u32>,
    /// Longest that a step may take [default: as the scenario says]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub patience: Option<u64>,
    /// Boot for real, the card present from power-on, instead of restoring a snapshot
    #[arg(long)]
    pub cold: bool,
    /// A rule of the scenario's that no request meets, and a fault that does nothing, is a failure too
    #[arg(long, conflicts_with = "twins")]
    pub strict: bool,
    /// Failures that are known, TOML: told apart, and red once they do not fail any more
    #[arg(long, value_name = "FILE", conflicts_with = "twins")]
    pub known_failures: Option<PathBuf>,
    /// Where a run failed, lead the terminal into its guest before that ends
    #[arg(long, conflicts_with_all = ["image", "json"])]
    pub shell_on_failure: bool,
    /// Have the guest wait at its first instruction for a debugger, at this TCP port of the machine's or
    /// at a socket that is made there; nothing is in a hurry then
    #[arg(long, value_name = "PORT|SOCKET", num_args = 0..=1, require_equals = true, default_missing_value = "1234")]
    pub gdb: Option<String>,
    /// The guest's kernel and machine
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Parent of the runs' directories [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print every event, not only the milestones
    #[arg(long, short)]
    pub verbose: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `iwlbench shell`.
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// A program of the guest's and its arguments [default: a shell]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// The card, and behind it what of its identity is yours, as for `run`
    #[arg(long, default_value = "7260", value_name = "NAME[,KEY=VALUE…]")]
    pub card: String,
    /// What the gates do, the guest lacks and the card has wrong is as in this scenario
    #[arg(long, value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// Firmware file instead of the stub
    #[arg(long, value_name = "FILE")]
    pub firmware: Option<String>,
    /// The guest has this directory at /mnt, to read
    #[arg(long, value_name = "DIR")]
    pub share: Option<PathBuf>,
    /// Boot for real, the card present from power-on, instead of restoring a snapshot
    #[arg(long)]
    pub cold: bool,
    /// The guest's kernel and machine
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Parent of the run's directory [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `iwlbench new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The scenario's name; it is written to NAME.toml
    #[arg(value_name = "NAME")]
    pub name: String,
    /// A driver instead: a module of one's own, and a scenario that plays it, in a directory NAME
    #[arg(long, value_name = "LANGUAGE")]
    pub driver: Option<Language>,
}

/// What a driver of one's own is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust for Linux, 7.3.
    Rust,
}

/// `iwlbench check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenarios: .toml files, or built-in ones as `run` takes them
    #[arg(required_unless_present = "schema", value_name = "FILE")]
    pub scenario: Vec<String>,
    /// What is only told otherwise is an error too: an expectation that no twin turns red, a rule or
    /// a condition that nothing meets
    #[arg(long)]
    pub strict: bool,
    /// Print the JSON schema of scenarios, for editors
    #[arg(long, conflicts_with_all = ["scenario", "strict"])]
    pub schema: bool,
}

/// `iwlbench matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Scenarios: built-in names, groups (`races/`), patterns (`unbind-*`) or .toml files
    /// [default: all built-in ones]
    pub scenario: Vec<String>,
    /// Cards, as for `run` [default: as each scenario says]
    #[arg(long, value_delimiter = ',', value_name = "NAME[,KEY=VALUE…]")]
    pub card: Vec<String>,
    /// Make the card fail (`iwlbench list faults`), from power-on, or from a moment on until
    /// another: NAME[=ARGUMENT], then @MOMENT, ..MOMENT or both, as in never-alive@section-uploaded, with a
    /// MOMENT of KIND[:FIELD=VALUE][#N]: the N-th such milestone, or event of the card
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub fault: Vec<PlannedFault>,
    /// Interrupts the card offers [default: as the scenario says, or what suits the card]
    #[arg(long)]
    pub interrupts: Option<InterruptChoice>,
    /// Firmware the guests are given: `stub`, `real` for Intel's own, of the distribution's package,
    /// which is fetched, or a file, given under the first name asked for
    #[arg(long, default_value = "stub", value_name = "stub|real|FILE")]
    pub firmware: String,
    /// Debian kernels by version, `all` for the newest of each series, or bzImages (with --modules)
    #[arg(
        long,
        default_value = "default",
        value_delimiter = ',',
        value_name = "VERSION|all|BZIMAGE"
    )]
    pub kernel: Vec<String>,
    /// Modules of each bzImage: …/lib/modules/RELEASE
    #[arg(long, value_delimiter = ',', value_name = "DIR")]
    pub modules: Vec<PathBuf>,
    /// Drivers under test: `stock`, changes of the kernel's own, the one in Rust (`iwlbench list
    /// drivers`), or `all`: with more than one, a table says what each comes to
    #[arg(long, default_value = "stock", value_delimiter = ',', value_name = "NAME|all")]
    pub driver: Vec<String>,
    /// A kernel's build tree: its bzImage and its modules, where they lie
    #[arg(long, value_name = "TREE", conflicts_with_all = ["kernel", "modules"])]
    pub kdir: Option<PathBuf>,
    /// Boot distributions' own initrds as they are, ungated, in place of scenarios, as `run --initrd` does
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "FILE",
        conflicts_with_all = ["scenario", "firmware", "with", "module", "modules", "cold", "driver", "trace"]
    )]
    pub initrd: Vec<PathBuf>,
    /// Guests at once [default: half as many again as there are CPUs]
    #[arg(long, short, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// How often to play each scenario with each card and kernel [default: as the scenario says]
    #[arg(long, value_parser = repeat, value_name = "K")]
    pub repeat: Option<u32>,
    /// Begin nothing new after so long (`30m`); without --repeat, play again and again until then
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub until_time: Option<u64>,
    /// How often to try a failed one again; if it passes then, it is reported as flaky
    #[arg(long, default_value_t = 1, value_name = "R")]
    pub retries: u32,
    /// Longest that a step may take [default: as the scenario says]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub patience: Option<u64>,
    /// Boot for real, the card present from power-on, instead of restoring a snapshot
    #[arg(long)]
    pub cold: bool,
    /// How the guests' CPUs are run
    #[arg(long, default_value = "auto")]
    pub accel: Choice,
    /// CPUs of each guest [default: 1 under TCG, 2 under KVM]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub cpus: Option<u32>,
    /// Modules of the user's choice
    #[command(flatten)]
    pub own: OwnModuleArgs,
    /// What else kernel and QEMU are told
    #[command(flatten)]
    pub tell: TellArgs,
    /// Where things are fetched from
    #[command(flatten)]
    pub fetch: FetchArgs,
    /// Parent of the matrix' directory, which holds the runs, report.html, junit.xml,
    /// results.ktap and matrix.json [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Failures that are known, TOML: told apart, and red once they do not fail any more
    #[arg(long, value_name = "FILE")]
    pub known_failures: Option<PathBuf>,
    /// Compare with an earlier matrix: its directory or its matrix.json
    #[arg(long, value_name = "DIR|FILE")]
    pub baseline: Option<PathBuf>,
    /// Write the results as JUnit XML here too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the results as KTAP here too
    #[arg(long, value_name = "FILE")]
    pub ktap: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `iwlbench explore`.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// Scenario: a built-in name or a .toml file
    pub scenario: String,
    /// Cards, as for `run`; each is explored by itself [default: as the scenario says]
    #[arg(long, value_delimiter = ',', value_name = "NAME[,KEY=VALUE…]")]
    pub card: Vec<String>,
    /// Make the card fail (`iwlbench list faults`), from power-on, or from a moment on until
    /// another: NAME[=ARGUMENT], then @MOMENT, ..MOMENT or both, as in never-alive@section-uploaded, with a
    /// MOMENT of KIND[:FIELD=VALUE][#N]: the N-th such milestone, or event of the card
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub fault: Vec<PlannedFault>,
    /// Hold requests by these names, `*` for any characters, beside what the scenario's rules hold
    /// [default: as the scenario's `hold` says, else $firmware,$opmode]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub hold: Vec<String>,
    /// Refused: what is explored is what gates hold
    #[arg(long, value_name = "FILE", hide = true)]
    pub initrd: Option<PathBuf>,
    /// Play at most so many orders
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = at_least_one)]
    pub bound: usize,
    /// Guests at once [default: half as many again as there are CPUs]
    #[arg(long, short, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Longest that the guest may take to come to rest [default: as the scenario says]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub patience: Option<u64>,
    /// Failures that are known, TOML: orders that fail so are told apart; red once none does
    #[arg(long, value_name = "FILE")]
    pub known_failures: Option<PathBuf>,
    /// The guest's kernel and machine
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Parent of the exploration's directory [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one".to_owned()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("{error}")),
    }
}

/// As in a scenario: more would be for ever, and past what a clock can add.
fn patience(text: &str) -> Result<u64, String> {
    parse_patience(text)
}

fn traced(text: &str) -> Result<String, String> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [system, event] if !system.is_empty() && !event.is_empty() => Ok(text.to_owned()),
        _ => Err("SYSTEM:EVENT, where * stands for any characters: iwlwifi_io:*".to_owned()),
    }
}

fn repeat(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(times @ 1..=MOST_REPEATS) => Ok(times),
        _ => Err(format!("a whole number from 1 to {MOST_REPEATS}")),
    }
}

/// What a guest is made of.
#[derive(Debug, Clone, Args)]
pub struct GuestArgs {
    /// Debian kernel by version (`7.3.4`, `6.12`), `debug` (`setup --kernel debug`), or a bzImage (with
    /// --modules)
    #[arg(long, default_value = "default", value_name = "VERSION|BZIMAGE")]
    pub kernel: String,
    /// Modules of the bzImage: …/lib/modules/RELEASE
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
    /// The driver under test: `stock`, a change of the kernel's own, or the one in Rust, which are built
    /// when first wanted (`iwlbench list drivers`)
    #[arg(long, default_value = "stock", value_name = "NAME")]
    pub driver: String,
    /// A kernel's build tree: its bzImage and its modules, where they lie
    #[arg(long, value_name = "TREE", conflicts_with_all = ["kernel", "modules"])]
    pub kdir: Option<PathBuf>,
    /// How the guest's CPU is run
    #[arg(long, default_value = "auto")]
    pub accel: Choice,
    /// CPUs of the guest [default: 1 under TCG, 2 under KVM]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub cpus: Option<u32>,
    /// Modules of the user's choice
    #[command(flatten)]
    pub own: OwnModuleArgs,
    /// What else kernel and QEMU are told
    #[command(flatten)]
    pub tell: TellArgs,
    /// Where things are fetched from
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// Modules of the user's choice.
#[derive(Debug, Clone, Args)]
pub struct OwnModuleArgs {
    /// Use this module instead of the kernel's of that name, or beside them; may be repeated
    #[arg(long, value_name = "FILE.ko")]
    pub module: Vec<PathBuf>,
    /// Put a module of the kernel's into the guest's image that nothing in it needs
    #[arg(long, value_delimiter = ',', value_name = "MODULE")]
    pub with: Vec<String>,
}

/// What else kernel and QEMU are told.
#[derive(Debug, Clone, Args)]
pub struct TellArgs {
    /// Add this to the kernel's command line; may be repeated. iwlbench.slow=45 is the guest's own: its kernel
    /// has 5 ms of each 50 for what it has put off
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Add this argument to QEMU's; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// Record these events of the guest's kernel into trace.dat, which trace-cmd(1) reads: iwlwifi:*, or
    /// several, iwlwifi_io:*,sched:sched_switch
    #[arg(long, value_delimiter = ',', value_name = "SYSTEM:EVENT", value_parser = traced)]
    pub trace: Vec<String>,
}

/// Where the guest kit comes from.
#[derive(Debug, Clone, Args)]
pub struct FetchArgs {
    /// Debian mirror [default: $IWLBENCH_MIRROR, else the one apt is configured for]
    #[arg(long, value_name = "URI")]
    pub mirror: Option<String>,
    /// Touch no network: use what was fetched before
    #[arg(long)]
    pub offline: bool,
}

/// `iwlbench list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only these; of kernels all that can be had, which are here already, and what differs for the
    /// driver
    pub what: Option<ListWhat>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// Where the kernels are looked for
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// What `list` tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    /// What `--card` takes.
    Cards,
    /// Those that are built in, by their groups.
    Scenarios,
    /// Debian's, for `--kernel`.
    Kernels,
    /// What `--driver` takes.
    Drivers,
    /// What `--fault` takes.
    Faults,
    /// What steps await, expectations speak of, and a fault's moment is, with their fields.
    Milestones,
    /// What `ucode build --fault` takes, and `corrupt` in scenarios.
    FirmwareFaults,
    /// What is known of it on this host.
    Kvm,
}

/// `iwlbench device`.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The card, and behind it what of its identity is yours, as for `run`
    #[arg(long, value_name = "NAME[,KEY=VALUE…]")]
    pub card: String,
    /// Listen on a new socket here
    #[arg(long, value_name = "PATH", required_unless_present = "fd")]
    pub socket_path: Option<PathBuf>,
    /// Serve this inherited socket instead
    #[arg(long, value_name = "FD", conflicts_with = "socket_path")]
    pub fd: Option<std::os::fd::RawFd>,
    /// Interrupts to offer [default: msi, and msix for a card whose driver takes nothing else]
    #[arg(long)]
    pub interrupts: Option<InterruptChoice>,
    /// Make the card fail (`iwlbench list faults`), from power-on, or from a moment on until
    /// another: NAME[=ARGUMENT], then @MOMENT, ..MOMENT or both, as in never-alive@section-uploaded, with a
    /// MOMENT of KIND[:FIELD=VALUE][#N]: the N-th such milestone, or event of the card
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub fault: Vec<PlannedFault>,
    /// Trace register accesses too
    #[arg(long, short)]
    pub verbose: bool,
    /// Trace as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `iwlbench sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// PCI ids, of devices or with the subsystem's, as 2725 or 2725:0094: their parts alone
    #[arg(value_name = "ID")]
    pub device: Vec<String>,
    /// Kernels: `default` or versions; of two, what differs between them is told
    #[arg(long, default_value = "default", value_delimiter = ',', value_name = "VERSION")]
    pub kernel: Vec<String>,
    /// Guests at once [default: as many as there are CPUs]
    #[arg(long, short, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Write the table as CSV here too
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the table as JUnit XML here too: a case for each part, which fails if anything is amiss
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// How the guests' CPUs are run
    #[arg(long, default_value = "auto")]
    pub accel: Choice,
    /// Modules of the user's choice
    #[command(flatten)]
    pub own: OwnModuleArgs,
    /// Where things are fetched from
    #[command(flatten)]
    pub fetch: FetchArgs,
    /// Parent of the sweep's directory [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `iwlbench soak`.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// Cards [default: one of each generation]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub card: Vec<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// End after so many messages and register accesses, added up
    #[arg(long, value_name = "N")]
    pub total: Option<u64>,
    /// End after so long [default: 60, without --messages and --total]
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Where the client's decisions come from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One self-contained page; goes to report.html in the directory of the run or matrix
    Html,
    /// A trace for ui.perfetto.dev or chrome://tracing; goes to trace.json there
    Perfetto,
    /// JUnit XML, for CI servers
    Junit,
    /// KTAP, for `kunit.py parse` and the kernel's CI
    Ktap,
    /// Text
    Text,
}

/// `iwlbench report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run's or matrix' directory, its name below the runs' parent, or `last`; several for junit,
    /// ktap, text.
    /// For junit also JUnit files of several runners, which become one
    #[arg(default_value = "last")]
    pub run: Vec<String>,
    /// Form
    #[arg(long, default_value = "html")]
    pub format: ReportFormat,
    /// File to write; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Compare a matrix with an earlier one on its page: its directory or its matrix.json
    #[arg(long, value_name = "DIR|FILE")]
    pub baseline: Option<PathBuf>,
    /// Parent of the runs' directories [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `iwlbench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A run's or matrix' directory, its name below the runs' parent, or `last`
    #[arg(value_name = "RUN")]
    pub left: String,
    /// Another of its kind
    #[arg(value_name = "RUN")]
    pub right: String,
    /// Of runs, each access of a register, with no loop folded, as the JSON document has them
    #[arg(long)]
    pub whole: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// Parent of the runs' directories [default: ~/.local/state/iwlbench/runs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `iwlbench ucode`.
#[derive(Debug, Subcommand)]
pub enum UcodeCommand {
    /// Write a card's stub firmware
    Build(UcodeBuildArgs),
    /// Say what a firmware file holds and which opmode the driver will ask for
    Inspect(UcodeInspectArgs),
}

/// `iwlbench ucode build`.
#[derive(Debug, Args)]
pub struct UcodeBuildArgs {
    /// The card
    #[arg(long, value_name = "NAME")]
    pub card: String,
    /// API number [default: the one the kernel asks for first]
    #[arg(long, value_name = "N")]
    pub api: Option<iwl_ucode::stub::Api>,
    /// Kernel whose first choice is built
    #[arg(long, default_value = "7.3", value_name = "VERSION")]
    pub kernel: iwl_ucode::stub::Kernel,
    /// Break the file (`iwlbench list firmware-faults`)
    #[arg(long, value_delimiter = ',', value_name = "FAULT", value_parser = corruption)]
    pub fault: Vec<iwl_ucode::corrupt::Corruption>,
    /// Build the card's .pnvm file instead of its firmware
    #[arg(long, conflicts_with_all = ["api", "kernel", "fault"])]
    pub pnvm: bool,
    /// File or directory to write [default: the driver's name for it, here]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

/// `iwlbench ucode inspect`.
#[derive(Debug, Args)]
pub struct UcodeInspectArgs {
    /// Firmware files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// `iwlbench module`.
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Build a directory's modules against a stock kernel, with its own compiler and headers
    Build(ModuleBuildArgs),
}

/// `iwlbench module build`.
#[derive(Debug, Args)]
pub struct ModuleBuildArgs {
    /// The modules' source, with a Kbuild or Makefile; they are built there, as by `make M=DIR`
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Debian kernel by version (`7.3.4`, `6.12`), or `debug`
    #[arg(long, default_value = "default", value_name = "VERSION")]
    pub kernel: String,
    /// Existing directory to copy the modules to
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Where kernel, headers and compiler are fetched from
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// `iwlbench setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Kernels to fetch: `default` or versions; `debug` is built, in half an hour of two CPUs
    #[arg(long, default_value = "default", value_delimiter = ',', value_name = "VERSION")]
    pub kernel: Vec<String>,
    /// Look for newer versions of what is there already
    #[arg(long)]
    pub refresh: bool,
    /// Remove snapshots, images and kernels that were not used for so many days; fetch nothing
    #[arg(
        long,
        value_name = "DAYS",
        num_args = 0..=1,
        default_missing_value = "14",
        conflicts_with_all = ["kernel", "refresh"]
    )]
    pub prune: Option<u32>,
    /// Read all that was unpacked, compare it with what is recorded of it, repair what differs
    #[arg(long, conflicts_with_all = ["kernel", "refresh", "prune"])]
    pub verify: bool,
    /// Where from
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// `iwlbench image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Leave a module out
    #[arg(long, value_delimiter = ',', value_name = "MODULE")]
    pub without: Vec<String>,
    /// The driver: `stock`, a change of the kernel's own, or the one in Rust (`iwlbench list drivers`)
    #[arg(long, default_value = "stock", value_name = "NAME")]
    pub driver: String,
    /// Debian kernel by version, or a bzImage (with --modules)
    #[arg(long, default_value = "default", value_name = "VERSION|BZIMAGE")]
    pub kernel: String,
    /// Modules of the bzImage
    #[arg(long, value_name = "DIR")]
    pub modules: Option<PathBuf>,
    /// A kernel's build tree: its bzImage and its modules, where they lie
    #[arg(long, value_name = "TREE", conflicts_with_all = ["kernel", "modules"])]
    pub kdir: Option<PathBuf>,
    /// Modules of the user's choice
    #[command(flatten)]
    pub own: OwnModuleArgs,
    /// Where things are fetched from
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// `iwlbench completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell; what is printed goes where it looks, as
    /// ~/.local/share/bash-completion/completions/iwlbench
    pub shell: clap_complete::Shell,
}

/// `iwlbench man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// An existing directory, such as ~/.local/share/man/man1
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
}
