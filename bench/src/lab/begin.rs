//! How a guest begins: from power-on, or from a snapshot, which is made when there is none.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use guest_protocol::{Command, Hello, Reply};

use super::plan::{Begun, Loaded, Plan};
use super::{Lab, judge, version};
use crate::facts::accel::Accel;
use crate::facts::added::{self, Word};
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::accel;
use crate::machine::gates::Gates;
use crate::machine::qemu;
use crate::machine::session::{Origin, Session, Stop};
use crate::machine::snapshot::{Key, Snapshot, SnapshotError};
use crate::machine::speed;
use crate::record::files;
use crate::record::run::Began;
use crate::record::rundir::RunDir;
use crate::script::scenario::Guest;

/// How long a module has to load. Measured: 1 s for mac80211 under TCG.
const LOADED_WITHIN: Duration = Duration::from_secs(60);

/// What became of the wish for a snapshot.
enum Made {
    Snapshot(Box<Snapshot>),
    /// The guest that was to be saved has ended or hangs.
    Over(Box<Begun>),
    /// It cannot be, and why.
    Not(String),
}

impl Begun {
    /// It came up, or what the command line has lets none come up.
    fn is_final(&self, plan: &Plan<'_>) -> bool {
        let not = [Outcome::NotBooted, Outcome::Environment];
        match &self.hello {
            Err(verdict) if not.contains(&verdict.outcome) => {
                verdict.explained || added::fatal(plan.added).is_some()
            }
            _ => true,
        }
    }
}

impl Lab<'_> {
    /// A guest from power-on. One that does not come up is tried once again: what comes of chance
    /// or of a machine under load is nobody's verdict.
    pub(super) fn booted(&self, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        match self.boot_once(plan)? {
            begun if begun.is_final(plan) => Ok(begun),
            begun => self.boot_again(begun, plan),
        }
    }

    fn boot_again(&self, begun: Begun, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        let why = begun.hello.as_ref().err().map_or("", |verdict| verdict.line.as_str());
        self.progress.note(&format!("{why}; trying once again"));
        self.leave(begun.session.end().qemu);
        self.boot_once(plan)
    }

    /// A guest that hangs before the driver is in it says nothing about that.
    fn judged_without_driver(&self, plan: &Plan<'_>, verdict: Verdict) -> Verdict {
        let there = self.driver.is_built_in() || *plan.loaded != Loaded::Usual;
        match verdict.outcome {
            Outcome::GuestHung if !there => Verdict::new(
                Outcome::NotBooted,
                "the guest came up and hangs, with nothing of the driver in it; dmesg.txt and \
                 console.log have what it said",
            ),
            _ => verdict,
        }
    }

    /// What a debugger's user types.
    fn tell_debugger(&self, place: &str) {
        let target = place.trim_start_matches("tcp:").trim_start_matches("unix:");
        let target = target.split(',').next().unwrap_or(target);
        let release = self.kernel();
        let (symbols, why, modules) = match self.kernel.tree() {
            Some(tree) => {
                let vmlinux = tree.join("vmlinux").display().to_string();
                (vmlinux, String::new(), tree.display().to_string())
            }
            // The kernel's own modules are packed, and without symbols.
            None => (
                format!("/usr/lib/debug/boot/vmlinux-{release}"),
                format!(", which the package linux-image-{release}-dbg has"),
                format!("/usr/lib/debug/lib/modules/{release}"),
            ),
        };
        for line in [
            format!(
                "the guest waits at its first instruction; symbols: {symbols}{why}; `continue` lets it go on; paste:"
            ),
            format!("  gdb -ex 'target remote {target}' {symbols}"),
            format!(
                "  of a module, once it is loaded: add-symbol-file FILE.ko ADDRESS, from the guest's \
                 /sys/module/NAME/sections/.text; those of {release}: {modules}"
            ),
        ] {
            self.progress.waits(&line);
        }
    }

    fn boot_once(&self, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        plan.progress.phase("the guest boots");
        let mut session = Session::start(
            &self.qemu,
            &plan.machine.timed(),
            self.driver,
            Origin::PowerOn,
            (plan.cards)(),
            (plan.gates)(),
            plan.dir,
        )?;
        if let Some(place) = plan.machine.gdb {
            self.tell_debugger(place);
            session.take_all_time();
        }
        let hello =
            plan.boot(&mut session).and_then(|hello| plan.load(&mut session).map(|()| hello));
        let hello = hello.map_err(|verdict| self.judged_without_driver(plan, verdict));
        Ok(Begun { session, hello, how: Began::Cold, snapshot: None })
    }

    /// A guest from a snapshot, which is made if there is none; from power-on if that cannot be.
    /// What the boot for a snapshot shows about the kernel is a verdict all the same.
    pub(super) fn restored(&self, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        let key = self.snapshot_key(plan)?;
        let unmade = || self.unmade.lock().unwrap_or_else(PoisonError::into_inner);
        if unmade().contains(&key) {
            return self.booted(plan);
        }
        // A second time, if the first one's snapshot turns out to be damaged.
        for _ in 0..2 {
            let snapshot = match self.snapshot(&key, plan)? {
                Made::Snapshot(snapshot) => snapshot,
                Made::Over(begun) if begun.is_final(plan) => return Ok(*begun),
                Made::Over(begun) => return self.boot_again(*begun, plan),
                Made::Not(why) => {
                    self.progress.note(&format!("{why}; booting from power-on instead"));
                    unmade().push(key);
                    return self.booted(plan);
                }
            };
            let mut session = Session::start(
                &self.qemu,
                &plan.machine,
                self.driver,
                Origin::Snapshot(&snapshot),
                (plan.cards)(),
                (plan.gates)(),
                plan.dir,
            )?;
            let begun = |session, hello| {
                let snapshot = Some(snapshot.name());
                Ok(Begun { session, hello, how: Began::Restored, snapshot })
            };
            let why = match session.restore(&snapshot) {
                Ok(hello) => return begun(session, Ok(hello)),
                Err(Stop::Verdict(v)) if v.outcome == Outcome::Interrupted || session.killed() => {
                    return begun(session, Err(v));
                }
                // It is no worse than another one would be.
                Err(Stop::Verdict(v))
                    if v.outcome == Outcome::NotBooted && !plan.added.is_empty() =>
                {
                    return begun(session, Err(v));
                }
                Err(Stop::Verdict(verdict)) => verdict.line,
                Err(Stop::TimedOut) => "the guest does not go on".to_owned(),
            };
            session.end();
            let said = qemu_said(plan.dir);
            self.progress.note(&format!("a snapshot cannot be used and is discarded: {why}{said}"));
            let lock = self.snapshots.lock()?;
            self.snapshots.discard_used(&lock, &snapshot)?;
        }
        self.progress.note("no snapshot can be restored; booting from power-on instead");
        self.booted(plan)
    }

    /// Everything that makes a snapshot what it is.
    fn snapshot_key(&self, plan: &Plan<'_>) -> anyhow::Result<Key> {
        let Plan { machine, image_sha256, loaded, .. } = plan;
        let mut parts = vec![
            format!("kernel {}", self.kernel_sha256),
            format!("image {image_sha256}"),
            format!("loaded {loaded:?}"),
            format!("QEMU {} {}", version(&self.qemu), serde_json::to_string(&self.qemu.origin)?),
        ];
        if let guest_kit::QemuOrigin::Path(path) = &self.qemu.origin {
            // Two builds may bear one version.
            parts.push(format!("QEMU sha256 {}", self.cache.digest(path)?));
        }
        match machine.accel {
            // The guest has seen this CPU.
            Accel::Kvm => parts.push(accel::host_cpu()),
            Accel::Tcg => parts.push("kernel is told how fast its CPU's counter goes".to_owned()),
        }
        let contents: [&Path; 2] = [machine.kernel, machine.initrd];
        // What is measured of the host is not always the same.
        let machine = &qemu::Machine { tsc_khz: None, ..machine.clone() };
        let arguments = qemu::arguments(machine, qemu::Start::PowerOn { cards: 0 });
        parts.extend(
            arguments
                .iter()
                .filter(|arg| !contents.iter().any(|path| path.as_os_str() == arg.as_os_str()))
                .map(|arg| arg.to_string_lossy().into_owned()),
        );
        Ok(Key::new(parts))
    }

    /// The snapshot of this key, made if need be.
    fn snapshot(&self, key: &Key, plan: &Plan<'_>) -> anyhow::Result<Made> {
        if let Ok(Some(snapshot)) = self.snapshots.find(key) {
            return Ok(Made::Snapshot(Box::new(snapshot)));
        }
        plan.progress.phase("the guest boots, once for its snapshot");
        let not = |error: &dyn std::fmt::Display| {
            let cache = self.cache.path().display();
            Ok(Made::Not(format!("no snapshot can be made in {cache}: {error}")))
        };
        let making = match self.snapshots.making(key) {
            Ok(making) => making,
            Err(error) => return not(&error),
        };
        // Whoever did may have made it.
        match self.snapshots.find(key) {
            Ok(Some(snapshot)) => return Ok(Made::Snapshot(Box::new(snapshot))),
            Ok(None) => {}
            Err(error @ SnapshotError::Damaged { .. }) => {
                self.progress.note(&format!("{error}; making it anew"));
                let discarded =
                    self.snapshots.lock().and_then(|lock| self.snapshots.discard(&lock, key));
                if let Err(error) = discarded {
                    return not(&error);
                }
            }
            Err(SnapshotError::Io(error)) => return not(&error),
        }
        let unfinished = match self.snapshots.begin(&making) {
            Ok(unfinished) => unfinished,
            Err(error) => return not(&error),
        };
        let mut session = Session::start(
            &self.qemu,
            &plan.machine.timed(),
            self.driver,
            Origin::Empty(unfinished.file().try_clone()?.into()),
            Vec::new(),
            Gates::default(),
            plan.dir,
        )?;
        let over = |session, verdict| {
            let hello = Err(self.judged_without_driver(plan, verdict));
            let begun = Begun { session, hello, how: Began::Cold, snapshot: None };
            Ok(Made::Over(Box::new(begun)))
        };
        let hello = match plan.boot(&mut session) {
            Ok(hello) => hello,
            Err(verdict) => return over(session, verdict),
        };
        let loaded = plan.load(&mut session).and_then(|()| settled(&mut session));
        if let Err(verdict) = loaded {
            return over(session, verdict);
        }
        let why = match session.save(unfinished.file()) {
            Ok(()) => None,
            Err(Stop::Verdict(v)) if v.outcome == Outcome::Interrupted || session.killed() => {
                return over(session, v);
            }
            Err(Stop::Verdict(verdict)) => Some(verdict.line),
            Err(Stop::TimedOut) => Some("QEMU does not come to an end".to_owned()),
        };
        session.end();
        if let Some(why) = why {
            return not(&format!("{why}{}", qemu_said(plan.dir)));
        }
        match self.snapshots.finish(&making, unfinished, &hello) {
            Ok(snapshot) => Ok(Made::Snapshot(Box::new(snapshot))),
            Err(error) => not(&error),
        }
    }
}

/// QEMU's own last words, to be put after a sentence.
fn qemu_said(dir: &RunDir) -> String {
    let said = qemu::last_words(&dir.path().join(files::QEMU_STDERR));
    said.map_or_else(String::new, |line| format!(" ({line})"))
}

/// Waits until the guest has nothing left to do, so that no restored guest begins with it, and
/// makes what is to be kept of it small.
fn settled(session: &mut Session) -> Result<(), Verdict> {
    for command in [Command::Settle, Command::Scrub] {
        // A guest that cannot do it is only larger.
        let _ = answered(session.command(command, LOADED_WITHIN))?;
    }
    Ok(())
}

/// A guest that has come up has to answer.
fn answered<T>(result: Result<T, Stop>) -> Result<T, Verdict> {
    result.map_err(|stop| match stop {
        Stop::Verdict(verdict) => verdict,
        Stop::TimedOut => Verdict::new(
            Outcome::GuestHung,
            "the guest came up and does not answer; see console.log",
        ),
    })
}

impl Plan<'_> {
    fn boot(&self, session: &mut Session) -> Result<Hello, Verdict> {
        if !self.added.is_empty() {
            session.has_words_of_others();
        }
        answered(session.boot(speed::scaled(speed::BOOT_WITHIN)))
    }

    /// Has the guest load what is to be there before the scenario begins.
    fn load(&self, session: &mut Session) -> Result<(), Verdict> {
        // Without a modprobe the run ends with a verdict about just that.
        if session.hello.as_ref().is_some_and(|hello| hello.modprobe.is_none()) {
            return Ok(());
        }
        let names = match self.loaded {
            Loaded::Usual => &[Guest::LOADED.to_owned()][..],
            Loaded::Named(names) => names,
        };
        for name in names {
            let args = vec![name.clone()];
            let why = match answered(session.command(Command::Modprobe { args }, LOADED_WITHIN))? {
                Ok(Reply::Ran { status: 0, .. }) => continue,
                Ok(Reply::Ran { status, stderr, .. }) => format!("status {status}: {stderr}"),
                Ok(other) => format!("{other:?}"),
                Err(error) => error.message,
            };
            if matches!(self.loaded, Loaded::Named(_)) {
                let line = format!("guest.loaded: modprobe {name} fails: {}", why.trim());
                // The kernel's word for a module that it was told not to load.
                let forbidden = why.contains("Operation not permitted");
                let blacklist = added::with_key(self.added, added::BLACKLIST).map(Word::blame);
                let blame = blacklist.or_else(|| added::remedy(self.added));
                let line = match blame.filter(|_| forbidden) {
                    Some(blame) => format!("{line}; {blame}"),
                    None => line,
                };
                // The user has left it out: what is not in the image is told before the boot else.
                let absent = why.contains("not found in directory");
                let (explained, outcome) = match forbidden || absent || judge::is_refusal(&why) {
                    true => (forbidden || absent, Outcome::Environment),
                    false => (false, Outcome::Failed),
                };
                return Err(Verdict { explained, ..Verdict::new(outcome, line) });
            }
        }
        Ok(())
    }
}
