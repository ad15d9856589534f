//! The commands, a file each.

pub mod check;
pub mod compare;
pub mod device;
pub mod explore;
pub mod image;
pub mod list;
pub mod manual;
pub mod matrix;
pub mod module;
pub mod new;
pub mod report;
pub mod run;
pub mod setup;
pub mod shell;
pub mod soak;
pub mod sweep;
pub mod ucode;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;

use guest_kit::{CacheDir, Initrd, KernelSelector, Kit, KitError, KitOptions, OwnModule, Qemu};
use iwl_card::{CardSpec, Identity};
use serde::Serialize;

use crate::app::cli::{FetchArgs, GuestArgs, OwnModuleArgs};
use crate::app::{terminal, ui::Ui};
use crate::facts::driver::{self, Choice};
use crate::facts::failure::BadUsage;
use crate::lab::sweep::ask as sweep_ask;
use crate::lab::{self, Lab, Options};
use crate::record::cite::{self, Supply};
use crate::script::known::Known;
use crate::script::scenario::{LONGEST_PATIENCE, Scenario, no_card, no_identity};

/// The card of that name, with the identity that follows it: `9260,device=0x271b,hw-rev=0x322`.
///
/// # Errors
/// There is none, or its hardware cannot be that.
pub fn card(words: &str) -> Result<&'static CardSpec, BadUsage> {
    let (name, identity) = match words.split_once(',') {
        Some((name, identity)) => (name, Some(identity)),
        None => (words, None),
    };
    if words.split(',').any(str::is_empty) {
        return Err(nothing_beside(words));
    }
    let row = iwl_card::card(name).ok_or_else(|| BadUsage::from_error(no_card(name)))?;
    let Some(identity) = identity else { return Ok(row) };
    let wrong = |error| BadUsage(format!("--card {words}: {}", no_identity(&error)));
    let card = identity.parse::<Identity>().and_then(|identity| identity.of(row)).map_err(wrong)?;
    // One for each such word of the command line.
    Ok(Box::leak(Box::new(card)))
}

/// Whose firmware a word means, as `--firmware` has it.
///
/// # Errors
/// It is a file that cannot be read.
pub fn firmware(word: &str) -> Result<Supply<'_>, BadUsage> {
    let supply = Supply::of(word);
    if let Supply::File(file) = supply {
        std::fs::File::open(file).map_err(|error| {
            let meant = Supply::meant(file);
            BadUsage(format!("--firmware: cannot read {}: {error}{meant}", file.display()))
        })?;
    }
    Ok(supply)
}

/// With Intel's own files a driver dumps the memory of a card that failed, as they tell it to: from AX200 on
/// 300,000 words, a register each, ten seconds of a guest's without KVM, twice a start; iwlmld tries nine. Each step
/// has so many times its patience then.
const DUMPED: u64 = 8;

/// How long a step of each may take: as the user says, or else they.
pub fn set_patience(scenarios: &mut [Scenario], own: Option<u64>, firmware: Supply<'_>) {
    for scenario in scenarios {
        scenario.patience = match own {
            Some(own) => own,
            None if firmware == Supply::Real => {
                scenario.patience.saturating_mul(DUMPED).min(LONGEST_PATIENCE)
            }
            None => scenario.patience,
        };
    }
}

/// A list of cards with a name too few.
fn nothing_beside(words: &str) -> BadUsage {
    let what = if words.is_empty() { "no card is named" } else { "nothing stands beside a comma" };
    BadUsage(format!("--card {words}: {what}; name one, as `iwlbench list cards` has them"))
}

/// What `--card` takes for every card of the list.
pub const ALL_CARDS: &str = "all";

/// The user has named each card: it is tried whether or not a kernel is known to know it.
pub fn names_cards(words: &[String]) -> bool {
    !words.is_empty() && !words.iter().any(|word| word == ALL_CARDS)
}

/// The cards of a list, or all there are; a part of an identity belongs to the name before it.
///
/// # Errors
/// As [`card()`].
pub fn cards(words: &[String]) -> Result<Vec<&'static CardSpec>, BadUsage> {
    let mut cards: Vec<String> = Vec::new();
    if words.iter().any(String::is_empty) {
        return Err(nothing_beside(&words.join(",")));
    }
    for word in words {
        match (cards.last_mut(), word.contains('=')) {
            (Some(last), true) => {
                last.push(',');
                last.push_str(word);
            }
            (None, true) => {
                return Err(BadUsage(format!(
                    "--card {word}: it is no card's: write --card 9260,{word}"
                )));
            }
            (_, false) => cards.push(word.clone()),
        }
    }
    let mut found = Vec::new();
    for words in cards {
        match words == ALL_CARDS {
            true => found.extend(iwl_card::cards()),
            false => found.push(card(&words)?),
        }
    }
    Ok(found)
}

/// Refuses a directory that the user named and that is none.
///
/// # Errors
/// It is none.
pub fn directory(path: &Path) -> Result<(), BadUsage> {
    match path.is_dir() {
        true => Ok(()),
        false => {
            let shown = path.display();
            let remedy = match path.exists() {
                true => "name one".to_owned(),
                false => format!("make it: mkdir -p {shown}"),
            };
            Err(BadUsage(format!("{shown} is no directory; {remedy}")))
        }
    }
}

/// Refuses a file that the user named and that cannot be written, as far as that can be seen before.
///
/// # Errors
/// There is no place for it.
pub fn place_for(path: &Path) -> Result<(), BadUsage> {
    match path.is_dir() {
        true => Err(BadUsage(format!("{} is a directory: name a file in it", path.display()))),
        false => directory(parent_of(path)),
    }
}

/// The directory that a file is in.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Why a file that the user named cannot be written, and what to do about it.
pub fn unwritable(path: &Path, error: io::Error) -> anyhow::Error {
    let shown = path.display();
    match error.kind() {
        // The environment's.
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            anyhow::Error::from(error).context(format!("cannot write {shown}"))
        }
        _ => match place_for(path) {
            Err(bad) => bad.into(),
            Ok(()) => BadUsage(format!("cannot write {shown}: {error}; name another place")).into(),
        },
    }
}

/// A kit with the user's options.
///
/// # Errors
/// There is no place for the cache.
pub fn kit(fetch: &FetchArgs, ui: &Ui) -> anyhow::Result<Kit> {
    let options = KitOptions { mirror: fetch.mirror.clone(), offline: fetch.offline };
    Ok(Kit::new(CacheDir::from_env()?, options, Box::new(ui.kit_progress())))
}

/// How a shell starts this QEMU: one that the kit has unpacked runs by a loader and libraries of its
/// own.
pub fn started_by(qemu: &Qemu) -> String {
    let set =
        |(name, value): &(OsString, OsString)| format!("{}={}", name.display(), value.display());
    let mut words: Vec<_> = qemu.env.iter().map(set).collect();
    if !words.is_empty() {
        words.insert(0, "env".to_owned());
    }
    words.extend(qemu.argv.iter().map(|word| word.display().to_string()));
    cite::in_lines(&words)
}

/// The one driver of that name.
///
/// # Errors
/// There is none, or it means several.
pub fn driver(name: &str) -> Result<&'static Choice, BadUsage> {
    match driver::choices(name).map_err(BadUsage::from_error)?[..] {
        [one] => Ok(one),
        _ => Err(BadUsage(format!(
            "--driver {name}: several drivers stand beside each other in `iwlbench matrix`"
        ))),
    }
}

/// A lab with the user's options.
///
/// # Errors
/// Bad usage, or something cannot be found or fetched.
pub fn lab<'a>(args: &GuestArgs, ui: &'a Ui) -> anyhow::Result<Lab<'a>> {
    lab_with(args, ui, More::default())
}

/// What a command wants of a lab beside what the user says of guests.
#[derive(Debug, Default)]
pub struct More {
    /// The guests can have a shell.
    pub shell: bool,
    /// They wait for a debugger, here.
    pub gdb: Option<String>,
    /// They boot a distribution's own initrd.
    pub initrd: Option<Initrd>,
}

/// As [`lab()`], with more.
///
/// # Errors
/// As there.
pub fn lab_with<'a>(args: &GuestArgs, ui: &'a Ui, more: More) -> anyhow::Result<Lab<'a>> {
    let More { shell, gdb, initrd } = more;
    let (modules, tree) = (args.modules.as_deref(), args.kdir.as_deref());
    let named =
        |modules| lab::kernel_selector(&args.kernel, modules, tree).map_err(BadUsage::from_error);
    let kernel = match &initrd {
        Some(initrd) => {
            let path = Path::new(&args.kernel);
            let alone = tree.is_none() && path.is_file() && guest_kit::is_bzimage(path);
            let wanted = match alone {
                true => KernelSelector::Image(path.to_owned()),
                false => named(None)?,
            };
            lab::initrd::kernel(initrd, wanted)?
        }
        None => named(modules)?,
    };
    let options = Options {
        kernel,
        driver: driver(&args.driver)?,
        accel: args.accel,
        cpus: args.cpus,
        modules: own(&args.own)?,
        with: args.own.with.clone(),
        append: args.tell.append.clone(),
        qemu_args: args.tell.qemu_arg.clone(),
        trace: args.tell.trace.clone(),
        shell,
        ask: sweep_ask,
        gdb,
        initrd,
    };
    lab::check_driver(&options.kernel, options.driver)?;
    Lab::new(kit(&args.fetch, ui)?, &options, ui)
}

/// The user's modules, read.
///
/// # Errors
/// Bad usage.
pub fn own(args: &OwnModuleArgs) -> anyhow::Result<Vec<OwnModule>> {
    let mut modules: Vec<OwnModule> = Vec::new();
    for file in &args.module {
        let own = OwnModule::read(file).map_err(|error| match error {
            error @ KitError::Io { .. } => BadUsage::from_error(error).into(),
            error => anyhow::Error::from(error),
        })?;
        if let Some(same) = modules.iter().find(|other| other.name() == own.name()) {
            let (one, other) = (same.file().display(), file.display());
            let name = own.name();
            return Err(BadUsage(format!("{one} and {other} are both the module {name}")).into());
        }
        modules.push(own);
    }
    Ok(modules)
}

/// The failures that are known, of runs of these scenarios.
///
/// # Errors
/// The file cannot be read, or makes no sense.
pub fn known_failures(
    path: Option<&Path>,
    scenarios: &[Scenario],
    ui: &Ui,
) -> anyhow::Result<Known> {
    let known = path.map(|path| Known::read(path, scenarios)).transpose()?.unwrap_or_default();
    known.doubts.iter().for_each(|doubt| ui.complain(doubt));
    Ok(known)
}

/// Guests at once: as many as the user wants, else half as many again as there are CPUs: often
/// one waits for a driver's timeout and leaves its CPU to another.
pub fn jobs(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cpus + cpus.div_ceil(2)
    })
}

/// Writes a document to standard output, as JSON for people too.
///
/// # Errors
/// As [`print()`].
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(document)?))
}

/// Writes to standard output; a reader that has gone (`| head`) is no error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> anyhow::Result<()> {
    Ok(terminal::print(text)?)
}
