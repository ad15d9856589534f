//! Each part that a driver knows, plugged as a card of that identity up to the request for its opmode.
//!
//! Many in one guest: its card becomes the next one, and the guest's kernel looks for it anew. So many,
//! and no more, that what is kept of a guest stays small.

mod parts;

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use card_host::Touch;
use fs_err as fs;
use guest_kit::{DeviceTables, Firmware};
use guest_protocol::{Command, GuestEvent};
use iwl_card::{CardEvent, CardSpec, PciIds, ResetKind, card};

use super::progress::RunProgress;
use super::{Lab, RunSpec};
use crate::facts::milestone::{Milestone, Reached};
use crate::facts::timeline::{BenchEvent, Event, What};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::session::{Session, Stop};
use crate::machine::signals;
use crate::record::sweep::{Sweep, Swept};
use crate::script::read;

/// Parts in one guest.
const IN_ONE_GUEST: usize = 128;
/// How long a part has for anything that is awaited of it. Measured: less than a second.
const WITHIN: Duration = Duration::from_secs(30);
/// The card that the others come in place of: its BAR is as large as any.
const SOCKET: &str = "ax210";
/// The least seriousness of a line of the kernel's that is an error.
const ERROR: u8 = 3;

/// What a lab finds out about its driver's parts.
pub struct Sweeper<'l, 'p> {
    /// Which, in the driver's order.
    pub parts: Vec<CardSpec>,
    asker: Asker<'l, 'p>,
    tables: DeviceTables,
    package: Firmware,
}

/// Asks a lab's driver.
struct Asker<'l, 'p> {
    lab: &'l Lab<'p>,
    /// The scenario's file, and what its rules give.
    scenario: tempfile::TempDir,
    /// The names of that.
    held: BTreeSet<String>,
    /// The names that the driver declares.
    declared: Vec<String>,
}

/// What the driver asks for if it is given nothing.
///
/// # Errors
/// The guest could not be run.
pub fn ask(lab: &Lab<'_>, part: &CardSpec) -> anyhow::Result<Swept> {
    let directory = tempfile::tempdir().context("no place for the files of a guest")?;
    let asker = Asker::new(lab, None, Vec::new())?;
    let mut asked = asker.guest(&[*part], directory.path(), &Quiet)?;
    asked.pop().context("the driver was asked for nothing")
}

/// Nobody is told.
struct Quiet;

impl SweepProgress for Quiet {
    fn guest(&self, _: &str) -> Rc<dyn RunProgress> {
        Rc::new(Quiet)
    }

    fn done(&self, _: &Swept) {}
}

impl RunProgress for Quiet {
    fn phase(&self, _: &str) {}

    fn up(&self) {}

    fn leave_the_terminal(&self) {}

    fn milestone(&self, _: &Reached) {}
}

/// Tells how far it has come.
pub trait SweepProgress: Sync {
    /// Of a guest.
    fn guest(&self, what: &str) -> Rc<dyn RunProgress>;
    /// One more is done.
    fn done(&self, part: &Swept);
}

impl<'l, 'p> Sweeper<'l, 'p> {
    /// Reads the driver's tables, and has the firmware package ready.
    ///
    /// # Errors
    /// They cannot be read, or it cannot be fetched.
    pub fn new(lab: &'l Lab<'p>) -> anyhow::Result<Self> {
        let tables = lab.kit.device_tables(&lab.kernel, lab.driver.module, &lab.modules)?;
        if tables.rows.is_empty() {
            lab.progress.note(&format!(
                "kernel {} carries no type information: only the ids of its driver's aliases are known",
                lab.kernel.release
            ));
        }
        let package = lab.kit.firmware(&lab.kernel)?;
        let names = package.names()?;
        let parts = parts::parts(&tables, &names);
        let asker = Asker::new(lab, Some((&package, &names)), tables.firmware.clone())?;
        Ok(Self { parts, asker, tables, package })
    }

    /// Of these parts too, as far as the driver takes their ids.
    pub fn try_too(&mut self, others: &[CardSpec]) {
        let new = |part: &&CardSpec| {
            let PciIds { device, subsystem } = part.pci;
            let takes =
                self.tables.ids.iter().any(|id| {
                    id.device == device && id.subsystem.is_none_or(|own| own == subsystem)
                });
            takes && !self.parts.iter().any(|known| known.identity == part.identity)
        };
        let more: Vec<_> = others.iter().filter(new).copied().collect();
        self.parts.extend(more);
    }

    /// Asks the driver about its parts, in so many guests at once.
    ///
    /// # Errors
    /// A guest could not be run, or the user has stopped it.
    pub fn sweep(
        &self,
        jobs: usize,
        parent: &Path,
        progress: &dyn SweepProgress,
    ) -> anyhow::Result<Sweep> {
        let started = Instant::now();
        let chunks: Vec<_> = self.parts.chunks(IN_ONE_GUEST).collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, chunks.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(chunk) = chunks.get(index).filter(|_| !signals::stopping()) else {
                            return;
                        };
                        let result = self.asker.guest(chunk, parent, progress);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push((index, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if signals::stopping() {
            return Err(crate::facts::failure::Interrupted.into());
        }
        done.sort_by_key(|(index, _)| *index);
        let mut parts = Vec::new();
        for (_, result) in done {
            parts.extend(result?);
        }
        Ok(Sweep {
            kernel: self.asker.lab.kernel.release.clone(),
            package: self.package.package.clone(),
            ids: self.tables.ids.len(),
            rows: self.tables.rows.len(),
            seconds: started.elapsed().as_secs_f64(),
            parts,
        })
    }
}

impl<'l, 'p> Asker<'l, 'p> {
    fn new(
        lab: &'l Lab<'p>,
        package: Option<(&Firmware, &[String])>,
        declared: Vec<String>,
    ) -> anyhow::Result<Self> {
        let scenario = tempfile::tempdir().context("no place for the files of a sweep")?;
        let held = rules(scenario.path(), package)?;
        Ok(Self { lab, scenario, held, declared })
    }

    /// The parts of one guest; of what ends it before its time the part that it was about.
    fn guest(
        &self,
        parts: &[CardSpec],
        parent: &Path,
        progress: &dyn SweepProgress,
    ) -> anyhow::Result<Vec<Swept>> {
        let scenario = read::find(&self.scenario.path().join(FILE).display().to_string())?;
        let swept = Mutex::new(Vec::new());
        let mut left = parts;
        while !left.is_empty() {
            let before = swept.lock().unwrap_or_else(PoisonError::into_inner).len();
            let play = |session: &mut Session, _: &_| {
                // What comes of the card that it began with is no part's.
                come_to_rest(session, 0)?;
                for part in left {
                    let one = self.part(session, part)?;
                    progress.done(&one);
                    swept.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
                Ok(())
            };
            let record = self.lab.run(
                &RunSpec {
                    play: Some(&play),
                    ..RunSpec::new(
                        &scenario,
                        card(SOCKET).context("no card to begin with")?,
                        parent,
                    )
                },
                &progress.guest("sweep"),
            )?;
            let mut swept = swept.lock().unwrap_or_else(PoisonError::into_inner);
            let come = swept.len() - before;
            let verdict = record.verdict;
            match verdict.outcome {
                Outcome::Passed if come == left.len() => break,
                Outcome::Interrupted => return Err(crate::facts::failure::Interrupted.into()),
                // What the driver has not survived is told of the part that it was about.
                _ if come < left.len() => {
                    let mut fatal = self.nothing(&left[come]);
                    fatal.trouble = Some(verdict.line);
                    progress.done(&fatal);
                    swept.push(fatal);
                    left = &left[come + 1..];
                }
                _ => break,
            }
        }
        Ok(swept.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn nothing(&self, part: &CardSpec) -> Swept {
        Swept {
            device: part.pci.device,
            subsystem: part.pci.subsystem,
            hw_rev: part.hw_rev,
            rf_id: part.rf_id,
            name: None,
            asked: Vec::new(),
            given: None,
            declared: false,
            opmode: None,
            module: None,
            said: None,
            trouble: None,
        }
    }

    /// Has the guest find the part, and waits until its driver has asked for all that it will.
    fn part(&self, session: &mut Session, part: &CardSpec) -> Result<Swept, Verdict> {
        let slot = session.slot(0);
        // What was there before goes.
        write(session, format!("/sys/bus/pci/devices/{slot}/remove"))?;
        let (event, milestone) = (session.timeline.events().len(), session.milestones.len());
        session.touch(0, Touch::TurnInto(*part));
        awaited(
            session.wait(WITHIN, |s| s.timeline.events()[event..].iter().any(is_new).then_some(())),
        )?;
        write(session, "/sys/bus/pci/rescan".to_owned())?;
        settle(session)?;
        let bound = |reached: &Reached| matches!(reached.milestone, Milestone::Bound { .. });
        if session.milestones[milestone..].iter().any(bound) {
            come_to_rest(session, milestone)?;
        }
        let mut swept = self.nothing(part);
        for reached in &session.milestones[milestone..] {
            match &reached.milestone {
                Milestone::FirmwareAsked { name } if name.ends_with(".ucode") => {
                    swept.asked.push(name.clone());
                }
                Milestone::OpmodeAsked { module } => swept.opmode = Some(module.clone()),
                _ => {}
            }
        }
        swept.given = swept.asked.last().filter(|name| self.held.contains(name.as_str())).cloned();
        let first = swept.asked.first();
        swept.declared = first.is_some_and(|name| self.declared.contains(name));
        swept.module = match &swept.opmode {
            None => None,
            Some(module) => self.lab.kit.has_module(&self.lab.kernel, module).ok(),
        };
        for event in &session.timeline.events()[event..] {
            self.read(event, &mut swept);
        }
        if swept.opmode.is_some() {
            swept.said = None;
        }
        Ok(swept)
    }

    /// What an event says of a part.
    fn read(&self, event: &Event, swept: &mut Swept) {
        match &event.what {
            What::Guest(GuestEvent::KernelLog { level, text, .. }) => {
                let Some((_, said)) = text.split_once(": ") else { return };
                let driver = text.starts_with(self.lab.driver.module);
                match said.strip_prefix("Detected ") {
                    Some(name) if driver && !name.starts_with("crf-id") => {
                        let name = name.split(", REV=").next().unwrap_or(name);
                        swept.name = Some(name.trim().to_owned());
                    }
                    _ if level.is_some_and(|level| level <= ERROR)
                        && driver
                        && swept.said.is_none() =>
                    {
                        swept.said = Some(said.trim().to_owned());
                    }
                    _ => {}
                }
            }
            What::Bench(BenchEvent::KernelTrouble { text, .. }) => {
                swept.trouble.get_or_insert_with(|| text.trim().to_owned());
            }
            _ => {}
        }
    }
}

const FILE: &str = "sweep.toml";

/// Writes a scenario whose gates give what the package holds, each file as far as the driver looks at
/// it, and let no opmode load; returns the names that there are.
fn rules(
    directory: &Path,
    package: Option<(&Firmware, &[String])>,
) -> anyhow::Result<BTreeSet<String>> {
    let mut text = format!(
        "about = \"each part that the driver knows, up to its opmode\"\ncards = [\"{SOCKET}\"]\n\
         [guest]\nloaded = [\"iwlwifi\"]\n"
    );
    let mut held = BTreeSet::new();
    let files =
        package.into_iter().flat_map(|(package, names)| names.iter().map(move |n| (package, n)));
    for (package, name) in files.filter(|(_, name)| name.ends_with(".ucode")) {
        let Some(file) = package.file(name)? else { continue };
        fs::write(directory.join(name), iwl_ucode::skeleton(&file.content))?;
        text.push_str(&format!("[[firmware]]\nname = \"{name}\"\ngive = \"file:{name}\"\n"));
        held.insert(name.clone());
    }
    text.push_str("[[firmware]]\nname = \"*\"\nrefuse = \"ENOENT\"\n");
    text.push_str("[[module]]\nname = \"iwl*\"\nexit = 1\n[[step]]\ndo = \"remove\"\n");
    fs::write(directory.join(FILE), text)?;
    Ok(held)
}

/// Waits until a driver that is bound asks for its opmode, or lets go. From this milestone on.
fn come_to_rest(session: &mut Session, from: usize) -> Result<(), Verdict> {
    let over = |reached: &Reached| {
        matches!(reached.milestone, Milestone::OpmodeAsked { .. } | Milestone::Unbound { .. })
    };
    let waited = session.wait(WITHIN, |s| s.milestones[from..].iter().any(over).then_some(()));
    match waited {
        // One that does neither has told so.
        Ok(()) | Err(Stop::TimedOut) => settle(session),
        Err(stop) => awaited(Err(stop)),
    }
}

/// The card has become another.
fn is_new(event: &Event) -> bool {
    matches!(&event.what, What::Card { event: CardEvent::Reset { how: ResetKind::Function }, .. })
}

fn awaited<T>(waited: Result<T, Stop>) -> Result<T, Verdict> {
    waited.map_err(|stop| match stop {
        Stop::Verdict(verdict) => verdict,
        Stop::TimedOut => Verdict::new(
            Outcome::GuestHung,
            format!("the guest does not get on within {} s", WITHIN.as_secs()),
        ),
    })
}

/// Writes a 1, and waits for its end. That a device is not there is no error.
fn write(session: &mut Session, path: String) -> Result<(), Verdict> {
    let data = base64::engine::general_purpose::STANDARD.encode("1");
    awaited(session.command(Command::Write { path, data }, WITHIN)).map(drop)
}

fn settle(session: &mut Session) -> Result<(), Verdict> {
    awaited(session.command(Command::Settle, WITHIN)).map(drop)
}
