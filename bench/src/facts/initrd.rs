//! Why no opmode starts from a distribution's own initrd: what the card and the kernel's log show of how
//! far the hand-over came, and what the initrd's listing says of the step that did not come.

use guest_kit::{Initrd, Line, module_name};
use guest_protocol::GuestEvent;

use crate::facts::diagnosis::{Diagnosis, Facts, Found, of_card};
use crate::facts::errno::Errno;
use crate::facts::milestone::Milestone;
use crate::facts::timeline::What;

/// What a guest has booted that nothing of the bench was in.
#[derive(Debug, Clone, Copy)]
pub struct Ungated<'a> {
    /// What is in its initrd.
    pub initrd: &'a Initrd,
    /// Its kernel's release.
    pub release: &'a str,
    /// Its kernel's command line.
    pub command_line: &'a str,
}

/// The cause, if one is seen.
pub fn diagnose_initrd(facts: &Facts<'_>, of: &Ungated<'_>) -> Option<Diagnosis> {
    let log = Log::new(facts);
    let found = of_card(facts)
        .or_else(|| no_driver(facts, of, &log))
        .or_else(|| no_firmware(facts, of, &log))
        .or_else(|| no_opmode(facts, of, &log))?;
    Some(found.diagnosis(facts))
}

/// The kernel's log, and what the kernel has traced of its modules.
struct Log<'a> {
    lines: Vec<(u64, &'a str)>,
    loaded: Vec<(u64, &'a str)>,
    requested: Vec<(u64, &'a str)>,
    /// The driver's own.
    own: String,
}

impl<'a> Log<'a> {
    fn new(facts: &Facts<'a>) -> Log<'a> {
        let own = format!("{} ", facts.driver);
        let mut log = Log { lines: Vec::new(), loaded: Vec::new(), requested: Vec::new(), own };
        for event in facts.events {
            match &event.what {
                What::Guest(GuestEvent::KernelLog { text, .. }) => {
                    log.lines.push((event.seq, text));
                }
                What::Guest(GuestEvent::ModuleLoad { module }) => {
                    log.loaded.push((event.seq, module));
                }
                What::Guest(GuestEvent::ModuleRequest { module, .. }) => {
                    log.requested.push((event.seq, module));
                }
                _ => {}
            }
        }
        log
    }

    /// Lines of the driver's devices, less what stands before each.
    fn of_driver(&self) -> impl DoubleEndedIterator<Item = (u64, &'a str)> {
        let own = |text: &'a str| Some(text.strip_prefix(self.own.as_str())?.split_once(": ")?.1);
        self.lines.iter().filter_map(move |(seq, text)| Some((*seq, own(text)?)))
    }

    fn loaded(&self, module: &str) -> Option<u64> {
        self.loaded.iter().find(|(_, name)| *name == module).map(|(seq, _)| *seq)
    }

    /// That the kernel has traced no load of a module, if it traces any.
    fn no_load(&self, module: &str) -> String {
        match self.loaded.is_empty() && self.requested.is_empty() {
            true => String::new(),
            false => format!(", there is no module_load of {module}"),
        }
    }

    /// The kernel was told not to take it.
    fn refused(&self, module: &str) -> Option<Found> {
        let words = format!("Module {module} is blacklisted");
        let (seq, _) = self.lines.iter().find(|(_, text)| *text == words)?;
        let sentence = format!(
            "{module} is blacklisted: the kernel's log has \"{words}\", for module_blacklist= on its \
             command line"
        );
        Some(Found::new("module-blacklisted", sentence, vec![*seq]))
    }
}

impl Ungated<'_> {
    fn is_there(&self, module: &str) -> bool {
        let Ungated { initrd, release, .. } = self;
        initrd.module(release, module).is_some() || initrd.has_built_in(release, module)
    }

    /// The first of what a module needs that is not there.
    fn lacks(&self, module: &str) -> Option<String> {
        let needs = self.initrd.needs(self.release, module);
        needs.into_iter().rev().find(|needed| !self.is_there(needed))
    }

    /// What its listing does not show, to be put behind what it does not have.
    fn but(&self) -> String {
        match (&self.initrd.unread, self.initrd.image_within()) {
            (Some(why), _) => format!(", as far as it can be read: {why}"),
            (None, Some(image)) => format!(", beside what {image} in it may hold"),
            (None, None) => String::new(),
        }
    }

    /// A line of modprobe's configuration that keeps a module out; `by_alias`, where it is asked for by
    /// a device's alias, which is what `blacklist` is about.
    fn keeps_out(&self, module: &str, by_alias: bool) -> Option<Line<'_>> {
        let module = module_name(module);
        self.initrd.modprobe_lines().find(|line| {
            let mut words = line.text.split_whitespace();
            let command = words.next().unwrap_or_default();
            let names = words.next().is_some_and(|name| module_name(name) == module);
            // Whatever an `install` line runs, it is run instead.
            names && (command == "install" || (by_alias && command == "blacklist"))
        })
    }

    /// A word of the command line that has modprobe pass over a module.
    fn passes_over(&self, module: &str) -> Option<&str> {
        const WORDS: [&str; 3] =
            ["modprobe.blacklist=", "rd.driver.blacklist=", "rd_driver_blacklist="];
        let module = module_name(module);
        self.command_line.split_whitespace().find(|word| {
            let list = WORDS.iter().find_map(|begin| word.strip_prefix(begin));
            list.is_some_and(|list| list.split(',').any(|name| module_name(name) == module))
        })
    }

    /// How one more module, or a file, comes into the initrd.
    fn add(&self, module: &str) -> String {
        match self.initrd.maker() {
            Some("initramfs-tools") => {
                format!("add {module} to /etc/initramfs-tools/modules and run update-initramfs -u")
            }
            Some("dracut") => format!("dracut --add-drivers {module}"),
            Some("mkinitcpio") => format!("add {module} to MODULES in /etc/mkinitcpio.conf"),
            _ => format!("add {module} to it"),
        }
    }
}

/// The driver has not touched the card.
fn no_driver(facts: &Facts<'_>, of: &Ungated<'_>, log: &Log<'_>) -> Option<Found> {
    if !facts.reached(|m| matches!(m, Milestone::Probe { .. }).then_some(())).is_empty() {
        return None;
    }
    let (driver, release) = (facts.driver, of.release);
    let untouched = "nothing has touched the card";
    if !of.is_there(driver) {
        let sentence = format!(
            "{driver} is not in the initrd: its listing has no {driver}.ko of kernel {release}{}, and \
             {untouched}",
            of.but()
        );
        return Some(Found::new("driver-missing", sentence, Vec::new()).remedy(of.add(driver)));
    }
    if let Some(refused) = log.refused(driver) {
        return Some(refused);
    }
    let kept_out = match (of.keeps_out(driver, true), of.passes_over(driver)) {
        (Some(Line { file, number, text }), _) => {
            Some(format!("{file}, line {number}, in the initrd has \"{text}\""))
        }
        (None, Some(word)) => Some(format!("the kernel's command line has {word}")),
        (None, None) => None,
    };
    if let Some(by) = kept_out
        && log.loaded(driver).is_none()
    {
        let sentence =
            format!("{driver} is blacklisted: {by}{}, and {untouched}", log.no_load(driver));
        return Some(Found::new("module-blacklisted", sentence, Vec::new()));
    }
    if let Some(seq) = log.loaded(driver) {
        let sentence = format!("{driver} is loaded, and does not touch the card");
        return Some(Found::new("no-probe", sentence, vec![seq]));
    }
    if let Some(lacking) = of.lacks(driver) {
        let sentence = format!(
            "{driver} cannot be loaded: it needs {lacking}, and the initrd's listing has no \
             {lacking}.ko{}; {untouched}",
            of.but()
        );
        return Some(
            Found::new("dependency-missing", sentence, Vec::new()).remedy(of.add(&lacking)),
        );
    }
    // systemd and its udev, where they have no libkmod.
    let no_kmod = log.lines.iter().find(|(_, text)| text.contains("Failed to initialize kmod"));
    let says =
        no_kmod.map_or(String::new(), |(_, text)| format!("; the kernel's log has \"{text}\""));
    let sentence = format!(
        "{driver} is in the initrd, and nobody in it loads it: {untouched}{}{says}",
        log.no_load(driver)
    );
    let seqs = no_kmod.map(|(seq, _)| *seq).into_iter().collect();
    Some(Found::new("driver-not-loaded", sentence, seqs))
}

/// What the driver says when it has its firmware; the opmode follows.
const HAS_FIRMWARE: &str = "op_mode ";

/// The driver has taken no firmware.
fn no_firmware(facts: &Facts<'_>, of: &Ungated<'_>, log: &Log<'_>) -> Option<Found> {
    let took = log.of_driver().find(|(_, text)| text.contains(HAS_FIRMWARE));
    if took.is_some() {
        return None;
    }
    let failed = log.of_driver().filter_map(|(seq, text)| {
        let rest = text.strip_prefix("Direct firmware load for ")?;
        let (name, errno) = rest.split_once(" failed with error -")?;
        Some((seq, name, errno.parse::<i32>().ok()?))
    });
    let failed: Vec<_> = failed.filter(|(_, name, _)| name.ends_with(".ucode")).collect();
    let (Some((seq, first, errno)), Some((_, last, _))) = (failed.first(), failed.last()) else {
        let (seq, last) = log.of_driver().next_back()?;
        let why = facts.files.iter().find_map(|(name, why)| Some((name, why.as_deref()?)));
        let rejected = match why {
            Some((name, why)) => format!("the driver rejected {name} of the initrd: {why}"),
            None => "the driver took no firmware".to_owned(),
        };
        let sentence = format!("{rejected}; it says last \"{last}\"");
        return Some(Found::new("firmware-rejected", sentence, vec![seq]));
    };
    let seqs = vec![*seq];
    let quoted = format!(
        "the kernel's log has \"Direct firmware load for {first} failed with error -{errno}\""
    );
    let there = failed
        .iter()
        .find_map(|(_, name, errno)| Some((of.initrd.firmware(of.release, name)?, *errno)));
    let driver = facts.driver;
    Some(match there {
        Some((file, 2)) => {
            let list = of.initrd.module_lists().find(|line| line.text == driver);
            let list =
                list.map_or(String::new(), |line| format!(", which {} has listed", line.file));
            let sentence = format!(
                "{driver} is loaded too early{list}: {quoted}, and the initrd's listing has {file}"
            );
            let remedy = "have it loaded when that is in its place";
            Found::new("driver-too-early", sentence, seqs).remedy(remedy)
        }
        Some((file, errno)) => {
            let why = Errno(errno);
            let sentence = format!("the kernel cannot take {file} of the initrd ({why}): {quoted}");
            Found::new("firmware-unusable", sentence, seqs)
        }
        None => {
            let others = of.initrd.firmware_like("iwlwifi-");
            let others = match others[..] {
                [] => "nor any other iwlwifi-*".to_owned(),
                [one] => format!("but {one}"),
                [one, .., last] => format!("but {} others, {one} to {last}", others.len()),
            };
            let names = match first == last {
                true => (*first).to_owned(),
                false => format!("{first} to {last}"),
            };
            let sentence = format!(
                "the firmware is not in the initrd, and {driver} is loaded there, before any other root: \
                 {quoted}; the initrd's listing has no {names}, {others}{}",
                of.but()
            );
            let remedy =
                "have the initrd made where the firmware is installed, or without the driver";
            Found::new("firmware-missing", sentence, seqs).remedy(remedy)
        }
    })
}

/// The opmode has not come, or not started.
fn no_opmode(facts: &Facts<'_>, of: &Ungated<'_>, log: &Log<'_>) -> Option<Found> {
    let (took, says) = log.of_driver().find(|(_, text)| text.contains(HAS_FIRMWARE))?;
    let module = says.split_once(HAS_FIRMWARE)?.1.trim();
    let worked = facts.reached(|m| match m {
        Milestone::SectionUploaded { .. } | Milestone::NvmRead { .. } => Some(()),
        _ => None,
    });
    if !worked.is_empty() {
        let (seq, last) = log.of_driver().next_back()?;
        let sentence =
            format!("{module} starts, and does not come to its end: it says last \"{last}\"");
        return Some(Found::new("opmode-failed", sentence, vec![took, seq]));
    }
    let mut seqs = vec![took];
    let requested = log.requested.iter().find(|(seq, name)| *seq > took && *name == module);
    seqs.extend(requested.map(|(seq, _)| *seq));
    let quoted = format!("the kernel's log has \"{says}\"");
    let then = match requested {
        Some(_) => format!(", then its module_request and no module_load of {module}"),
        None => format!(" and nothing of {module} after it"),
    };
    if let Some(refused) = log.refused(module) {
        return Some(refused);
    }
    if let Some(seq) = log.loaded(module) {
        seqs.push(seq);
        let sentence = format!("{module} is loaded, and does not touch the card: {quoted}");
        return Some(Found::new("opmode-idle", sentence, seqs));
    }
    if !of.is_there(module) {
        let sentence = format!(
            "{module} is not in the initrd: {quoted}{then}; the initrd's listing has {}.ko and no \
             {module}.ko{}",
            facts.driver,
            of.but()
        );
        return Some(Found::new("opmode-missing", sentence, seqs).remedy(of.add(module)));
    }
    if let Some(Line { file, number, text }) = of.keeps_out(module, false) {
        let sentence = format!(
            "{module} is kept out: {file}, line {number}, in the initrd has \"{text}\"; {quoted}{then}"
        );
        return Some(Found::new("module-blacklisted", sentence, seqs));
    }
    if let Some(lacking) = of.lacks(module) {
        let sentence = format!(
            "{module} cannot be loaded: it needs {lacking}, and the initrd's listing has no \
             {lacking}.ko{}; {quoted}{then}",
            of.but()
        );
        return Some(Found::new("dependency-missing", sentence, seqs).remedy(of.add(&lacking)));
    }
    if !of.initrd.has_modprobe() {
        let sentence = format!(
            "there is no modprobe in the initrd, which the kernel runs to load {module}: {quoted}{then}"
        );
        return Some(Found::new("no-modprobe", sentence, seqs));
    }
    let sentence = format!("{module} is in the initrd, and is not loaded: {quoted}{then}");
    Some(Found::new("opmode-not-loaded", sentence, seqs))
}
