//! A lab: QEMU, a kernel and a way to run its CPU, found once, used for many runs.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use fs_err as fs;
use guest_kit::{
    CacheDir, ImageSpec, IncludedModule, Kernel, KernelSelector, Kit, KitOptions, Qemu,
};
use iwl_card::{Card, CardOptions, CardSpec, FaultPlan};
use iwl_ucode::stub::{self, StubDef};
use serde::Serialize;

use crate::accel::{self, Decision, sha256_hex};
use crate::cli::{FetchArgs, GuestArgs};
use crate::expect::{self, Judged};
use crate::gates::Gates;
use crate::milestone::{self, Reached};
use crate::qemu::{Accel, Machine};
use crate::rundir::{self, RunDir};
use crate::scenario::{Scenario, Vars};
use crate::session::{Origin, Session, Stop};
use crate::snapshot::{Key, Snapshot, SnapshotError, Snapshots};
use crate::timeline::{BenchEvent, Event, What};
use crate::trouble::Trouble;
use crate::ui::{RunProgress, Ui};
use crate::verdict::{Outcome, Verdict};
use crate::{player, qemu};

/// The guest agent, a static program.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-agent"));

/// Modules that a guest may want; a kernel that has one built in needs it not.
const MODULES: &[&str] =
    &["iwlwifi", "iwldvm", "iwlmvm", "iwlmld", "virtio_pci", "virtio_console", "fuse"];
/// Without these there is nothing to test.
const REQUIRED: &[&str] = &["iwlwifi", "virtio_pci", "virtio_console", "fuse"];

/// The serial console is the kernel's: errors only, as each byte costs a trap.
const APPEND: &str = "console=ttyS0 loglevel=4 panic=-1 rdinit=/init";
const MEMORY_MIB: u32 = 512;
/// Under TCG a second CPU costs a quarter more than it brings: the work of a hand-over is serial,
/// and the host's other core has a guest of its own to run.
const fn default_cpus(accel: Accel) -> u32 {
    match accel {
        Accel::Kvm => 2,
        Accel::Tcg => 1,
    }
}

/// How long a kernel has from power-on to its agent. Measured: 4 to 9 s under TCG on two cores.
const BOOT_WITHIN: Duration = Duration::from_secs(180);

/// QEMU, kernel and acceleration.
pub struct Lab<'a> {
    kit: Kit,
    qemu: Qemu,
    kernel: Kernel,
    accel: Decision,
    cpus: Option<u32>,
    snapshots: Snapshots,
    kernel_sha256: String,
    ui: &'a Ui,
}

/// How a run's guest began; the word in `run.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Began {
    /// Power-on, the card in its port.
    Cold,
    /// A snapshot, the card plugged in after it.
    Restored,
}

/// What one run is made of, beside the lab.
pub struct RunSpec<'a> {
    /// What is played.
    pub scenario: &'a Scenario,
    /// With which card.
    pub card: &'static CardSpec,
    /// What is wrong with it.
    pub faults: FaultPlan,
    /// A firmware file instead of the stub.
    pub firmware: Option<&'a Path>,
    /// An initramfs instead of a built one.
    pub image: Option<&'a Path>,
    /// Modules left out by the user.
    pub without: &'a [String],
    /// Boot it for real, the card present from power-on.
    pub cold: bool,
    /// Where the run's directory goes.
    pub parent: &'a Path,
}

/// A guest that is to play a scenario: its hello, or the verdict that came before it.
struct Begun {
    session: Session,
    hello: Result<guest_protocol::Hello, Verdict>,
    how: Began,
    snapshot: Option<String>,
}

/// A file that the guest is given.
#[derive(Debug, Clone, Serialize)]
pub struct Given {
    name: String,
    bytes: usize,
    sha256: String,
    from: String,
}

/// Everything about a run; `run.json`.
#[derive(Debug, Serialize)]
pub struct Record {
    /// Of this document.
    pub format: u32,
    /// Scenario.
    pub scenario: String,
    /// What the scenario's variables stood for.
    pub vars: Vars,
    /// The faults of the card.
    pub faults: FaultPlan,
    /// How it ended.
    pub verdict: Verdict,
    /// The expectations, one by one.
    pub expectations: Vec<Judged>,
    /// The steps of the hand-over.
    pub milestones: Vec<Reached>,
    /// Kernel release and package.
    pub kernel: Kernel,
    /// SHA-256 of the kernel image.
    pub kernel_sha256: String,
    /// QEMU's version.
    pub qemu: String,
    /// KVM or TCG.
    pub accel: Accel,
    /// Why.
    pub accel_why: String,
    /// Power-on or a snapshot.
    pub began: Began,
    /// The snapshot's key.
    pub snapshot: Option<String>,
    /// SHA-256 of the initramfs.
    pub image_sha256: String,
    /// Its modules; none if the user gave the image.
    pub modules: Vec<IncludedModule>,
    /// Firmware files on offer.
    pub firmware: Vec<Given>,
    /// What the agent found.
    pub guest: Option<guest_protocol::Hello>,
    /// Totals of the card, unmodelled registers by name.
    pub card: Option<iwl_card::Summary>,
    /// From power-on, or the snapshot's start, to the verdict.
    pub seconds: f64,
    /// Where everything about it is.
    pub directory: PathBuf,
    /// The events, for the printed timeline.
    #[serde(skip)]
    pub events: Vec<Event>,
}

/// A kit with the user's options.
///
/// # Errors
/// There is no place for the cache.
pub fn kit(fetch: &FetchArgs, ui: &Ui) -> anyhow::Result<Kit> {
    let options = KitOptions { mirror: fetch.mirror.clone(), offline: fetch.offline };
    Ok(Kit::new(CacheDir::from_env()?, options, Box::new(ui.kit_progress())))
}

/// Which kernel `--kernel` and `--modules` mean.
///
/// # Errors
/// Bad usage.
pub fn kernel_selector(kernel: &str, modules: Option<&Path>) -> anyhow::Result<KernelSelector> {
    match modules {
        Some(modules) => Ok(KernelSelector::Files {
            bzimage: PathBuf::from(kernel),
            modules: modules.to_owned(),
        }),
        None if kernel.contains('/') => {
            anyhow::bail!(
                "--kernel {kernel} is a file: say with --modules DIR where its modules are"
            )
        }
        None => Ok(kernel.parse()?),
    }
}

impl<'a> Lab<'a> {
    /// Finds QEMU and kernel, fetching what is missing, and decides on KVM or TCG.
    ///
    /// # Errors
    /// Something cannot be found or fetched.
    pub fn new(args: &GuestArgs, ui: &'a Ui) -> anyhow::Result<Lab<'a>> {
        let selector = kernel_selector(&args.kernel, args.modules.as_deref())
            .map_err(crate::BadUsage::from_error)?;
        let kit = kit(&args.fetch, ui)?;
        // What it passes over, it names.
        let (qemu, _) = kit.qemu()?;
        let kernel = kit.kernel(&selector)?;
        let decision = Decision { accel: Accel::Tcg, why: String::new() };
        let cache = CacheDir::from_env()?;
        let mut lab = Lab {
            kit,
            qemu,
            kernel_sha256: sha256_hex(&fs::read(&kernel.bzimage)?),
            kernel,
            accel: decision,
            cpus: args.cpus,
            snapshots: Snapshots::new(cache.path()),
            ui,
        };
        let memory = accel::Memory::new(cache.path(), lab.qemu.version, &lab.kernel.release);
        lab.accel = accel::decide(args.accel, Path::new(accel::DEV_KVM), &memory, || {
            lab.boots_under_kvm()
        })?;
        Ok(lab)
    }

    /// The kernel's release.
    pub fn kernel(&self) -> &str {
        &self.kernel.release
    }

    /// One line: what runs what.
    pub fn describe(&self) -> String {
        format!(
            "kernel {} · QEMU {} · {} ({})",
            self.kernel.release,
            version(&self.qemu),
            self.accel.accel.word(),
            self.accel.why
        )
    }

    fn boots_under_kvm(&self) -> anyhow::Result<Result<(), String>> {
        self.ui.note("/dev/kvm is there: booting the kernel once to see whether it works");
        let image = self.image(&[])?;
        let machine = self.machine(Accel::Kvm, &image.path);
        let temporary = tempfile::tempdir()?;
        let dir = RunDir::create_in(temporary.path(), "kvm")?;
        let mut session = Session::start(
            &self.qemu,
            &machine,
            Origin::PowerOn,
            Vec::new(),
            Gates::default(),
            &dir,
        )?;
        let booted = session.boot(accel::PROOF_WITHIN);
        session.end();
        Ok(match booted {
            Ok(_) => Ok(()),
            Err(Stop::Verdict(v)) if v.outcome == Outcome::Interrupted => {
                return Err(crate::Interrupted.into());
            }
            Err(Stop::Verdict(v)) => {
                let why = format!("KVM does not run this kernel: {}", first_clause(&v.line));
                self.ui.note(&format!("{why}; using TCG from now on"));
                Err(why)
            }
            Err(Stop::TimedOut) => Err("KVM does not run this kernel".to_owned()),
        })
    }

    fn machine<'m>(&'m self, accel: Accel, initrd: &'m Path) -> Machine<'m> {
        Machine {
            accel,
            memory: MEMORY_MIB,
            cpus: self.cpus.unwrap_or(default_cpus(accel)),
            kernel: &self.kernel.bzimage,
            initrd,
            append: APPEND,
        }
    }

    fn image(&self, without: &[String]) -> anyhow::Result<guest_kit::Image> {
        Ok(build_image(&self.kit, &self.kernel, without)?)
    }

    /// Plays one scenario with one card in a guest of its own.
    ///
    /// # Errors
    /// Bad input, or the environment could not run it. What the guest, the driver, QEMU or the
    /// card do is a verdict.
    pub fn run(&self, spec: &RunSpec<'_>, progress: RunProgress) -> anyhow::Result<Record> {
        let progress = Rc::new(progress);
        let started = Instant::now();
        let scenario = spec.scenario;
        let stub = stub_of(spec.card)?;
        let kernel_api: stub::Kernel = self.kernel.release.parse()?;
        let walk_down: Vec<String> = stub.names_tried(kernel_api).collect();
        let vars = Vars {
            card: spec.card.name.to_owned(),
            kernel: self.kernel.release.clone(),
            opmode: spec.card.opmode.module().to_owned(),
            firmware: walk_down[0].clone(),
            walk_down,
        };
        let own = spec.firmware.map(crate::firmware::read).transpose();
        let gates = own
            .and_then(|own| Gates::new(scenario, &vars, stub, kernel_api, own))
            .map_err(crate::BadUsage::from_error)?;
        let offers = gates.offers(&vars);
        let given = offers.iter().map(|(name, bytes)| Given::new(name, bytes, spec)).collect();
        let without: Vec<String> =
            scenario.guest.without.iter().chain(spec.without).map(|m| vars.string(m)).collect();
        let (image_path, image_sha256, modules) = match spec.image {
            Some(path) => (path.to_owned(), sha256_hex(&fs::read(path)?), Vec::new()),
            None => {
                let image = self.image(&without)?;
                (image.path, image.sha256, image.modules)
            }
        };

        let name = format!("{}-{}-{}", rundir::stamp(), scenario.name, spec.card.name);
        let dir = RunDir::create_in(spec.parent, &name)?;
        let faults: FaultPlan = scenario.card.plan().chain(spec.faults.iter()).collect();
        let plan = Plan {
            machine: self.machine(self.accel.accel, &image_path),
            image_sha256: &image_sha256,
            dir: &dir,
            cards: &|| {
                let options = CardOptions { faults: faults.clone(), ..CardOptions::default() };
                let more = scenario.card.more().map(|card| Card::new(card, CardOptions::default()));
                std::iter::once(Card::new(spec.card, options)).chain(more).collect()
            },
            gates: &|| gates.clone(),
            progress: &progress,
        };
        let begun = match spec.cold {
            true => self.booted(&plan)?,
            false => self.restored(&plan)?,
        };
        let Begun { mut session, hello, how, snapshot } = begun;
        let shown = Rc::clone(&progress);
        session.on_milestone(Box::new(move |reached| shown.milestone(reached)));

        let played = hello.and_then(|hello| {
            progress.up();
            play(&mut session, &hello, scenario, &vars, &offers)
        });
        let hello = session.hello.clone();
        let tail = session.console_tail(1);
        let finished = session.end();
        if let Some(error) = finished.write_error {
            return Err(error)
                .with_context(|| format!("cannot write events.jsonl in {}", dir.path().display()));
        }
        let milestones = milestone::derive(&finished.events);
        let expectations = expect::judge(scenario, &vars, &milestones);
        let verdict = verdict(scenario, played, &expectations, &finished.events, &tail);
        let verdict = match &scenario.twin {
            Some(twin) => expect::judge_twin(twin, &expectations, &verdict),
            None => verdict,
        };
        let record = Record {
            format: 1,
            scenario: scenario.name.clone(),
            vars,
            faults,
            verdict,
            expectations,
            milestones,
            kernel: self.kernel.clone(),
            kernel_sha256: self.kernel_sha256.clone(),
            qemu: version(&self.qemu),
            accel: self.accel.accel,
            accel_why: self.accel.why.clone(),
            began: how,
            snapshot,
            image_sha256,
            modules,
            firmware: given,
            guest: hello,
            card: finished.summaries.into_iter().next().flatten(),
            seconds: started.elapsed().as_secs_f64(),
            directory: dir.path().to_owned(),
            events: finished.events,
        };
        dir.write_events(&record.events)?;
        dir.write("run.json", &serde_json::to_string_pretty(&record)?)?;
        dir.write("timeline.txt", &crate::render::full(&record))?;
        Ok(record)
    }

    /// A guest from power-on.
    fn booted(&self, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        plan.progress.phase("the guest boots");
        let mut session = Session::start(
            &self.qemu,
            &plan.machine,
            Origin::PowerOn,
            (plan.cards)(),
            (plan.gates)(),
            plan.dir,
        )?;
        let hello = boot(&mut session);
        Ok(Begun { session, hello, how: Began::Cold, snapshot: None })
    }

    /// A guest from a snapshot, which is made if there is none; from power-on if that cannot be.
    /// What the boot for a snapshot shows about the kernel is a verdict all the same.
    fn restored(&self, plan: &Plan<'_>) -> anyhow::Result<Begun> {
        let key = self.snapshot_key(&plan.machine, plan.image_sha256)?;
        // A second time, if the first one's snapshot turns out to be damaged.
        for _ in 0..2 {
            let snapshot = match self.snapshot(&key, plan)? {
                Made::Snapshot(snapshot) => snapshot,
                Made::Over(begun) => return Ok(*begun),
                Made::Not(why) => {
                    self.ui.note(&format!("{why}; booting from power-on instead"));
                    return self.booted(plan);
                }
            };
            let mut session = Session::start(
                &self.qemu,
                &plan.machine,
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
                Err(Stop::Verdict(verdict)) => verdict.line,
                Err(Stop::TimedOut) => "the guest does not go on".to_owned(),
            };
            session.end();
            let said = qemu_said(plan.dir);
            self.ui.note(&format!("a snapshot cannot be used and is discarded: {why}{said}"));
            let lock = self.snapshots.lock()?;
            self.snapshots.discard_used(&lock, &snapshot)?;
        }
        self.ui.note("no snapshot can be restored; booting from power-on instead");
        self.booted(plan)
    }

    /// Everything that makes a snapshot what it is.
    fn snapshot_key(&self, machine: &Machine<'_>, image_sha256: &str) -> anyhow::Result<Key> {
        let mut parts = vec![
            format!("kernel {}", self.kernel_sha256),
            format!("image {image_sha256}"),
            format!("QEMU {} {}", version(&self.qemu), serde_json::to_string(&self.qemu.origin)?),
        ];
        if let guest_kit::QemuOrigin::Path(path) = &self.qemu.origin {
            // Two builds may bear one version.
            parts.push(format!("QEMU sha256 {}", sha256_hex(&fs::read(path)?)));
        }
        if machine.accel == Accel::Kvm {
            // The guest has seen this CPU.
            parts.push(accel::host_cpu());
        }
        let contents: [&Path; 2] = [machine.kernel, machine.initrd];
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
            Ok(Made::Not(format!("no snapshot can be made: {error}")))
        };
        let lock = match self.snapshots.lock() {
            Ok(lock) => lock,
            Err(error) => return not(&error),
        };
        // Whoever held the lock may have made it.
        match self.snapshots.find(key) {
            Ok(Some(snapshot)) => return Ok(Made::Snapshot(Box::new(snapshot))),
            Ok(None) => {}
            Err(error @ SnapshotError::Damaged { .. }) => {
                self.ui.note(&format!("{error}; making it anew"));
                if let Err(error) = self.snapshots.discard(&lock, key) {
                    return not(&error);
                }
            }
            Err(SnapshotError::Io(error)) => return not(&error),
        }
        let unfinished = match self.snapshots.begin(&lock) {
            Ok(unfinished) => unfinished,
            Err(error) => return not(&error),
        };
        let mut session = Session::start(
            &self.qemu,
            &plan.machine,
            Origin::Empty(unfinished.memory()?),
            Vec::new(),
            Gates::default(),
            plan.dir,
        )?;
        let over = |session, verdict| {
            let hello = Err(verdict);
            let begun = Begun { session, hello, how: Began::Cold, snapshot: None };
            Ok(Made::Over(Box::new(begun)))
        };
        let hello = match boot(&mut session) {
            Ok(hello) => hello,
            Err(verdict) => return over(session, verdict),
        };
        let why = match session.save() {
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
        match self.snapshots.finish(&lock, key, unfinished, &hello) {
            Ok(snapshot) => Ok(Made::Snapshot(Box::new(snapshot))),
            Err(error) => not(&error),
        }
    }
}

impl Given {
    fn new(name: &str, bytes: &[u8], spec: &RunSpec<'_>) -> Given {
        let from = spec.firmware.map_or("stub".to_owned(), |path| path.display().to_string());
        Given { name: name.to_owned(), bytes: bytes.len(), sha256: sha256_hex(bytes), from }
    }
}

/// What a run's guest is made of, as often as it takes to start one.
struct Plan<'a> {
    machine: Machine<'a>,
    image_sha256: &'a str,
    dir: &'a RunDir,
    cards: &'a dyn Fn() -> Vec<Card>,
    gates: &'a dyn Fn() -> Gates,
    progress: &'a RunProgress,
}

/// What became of the wish for a snapshot.
enum Made {
    Snapshot(Box<Snapshot>),
    /// The guest that was to be saved has ended or hangs.
    Over(Box<Begun>),
    /// It cannot be, and why.
    Not(String),
}

/// QEMU's own last words, to be put after a sentence.
fn qemu_said(dir: &RunDir) -> String {
    let text = std::fs::read_to_string(dir.path().join("qemu.stderr")).unwrap_or_default();
    match text.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!(" ({})", line.trim()),
        None => String::new(),
    }
}

/// Builds the guest's image with the agent and the usual modules.
///
/// # Errors
/// As the kit's.
pub fn build_image(
    kit: &Kit,
    kernel: &Kernel,
    without: &[String],
) -> Result<guest_kit::Image, guest_kit::KitError> {
    kit.build_image(&ImageSpec {
        kernel,
        agent: AGENT,
        modules: MODULES,
        required: REQUIRED,
        without,
        extra: &[],
    })
}

/// The stub firmware of a card.
///
/// # Errors
/// There is none.
pub fn stub_of(card: &CardSpec) -> anyhow::Result<&'static StubDef> {
    stub::for_card(card.name)
        .with_context(|| format!("there is no stub firmware for {}", card.name))
}

fn version(qemu: &Qemu) -> String {
    let (major, minor, micro) = qemu.version;
    format!("{major}.{minor}.{micro}")
}

/// Up to the first semicolon: the cause without the remedy.
fn first_clause(line: &str) -> &str {
    line.split(';').next().unwrap_or(line)
}

fn boot(session: &mut Session) -> Result<guest_protocol::Hello, Verdict> {
    session.boot(BOOT_WITHIN).map_err(|stop| match stop {
        Stop::Verdict(verdict) => verdict,
        Stop::TimedOut => Verdict::new(
            Outcome::GuestHung,
            "the guest came up and does not answer; see console.log",
        ),
    })
}

fn play(
    session: &mut Session,
    hello: &guest_protocol::Hello,
    scenario: &Scenario,
    vars: &Vars,
    offers: &[(String, Vec<u8>)],
) -> Result<(), Verdict> {
    if hello.modprobe.is_none() {
        return Err(Verdict::new(
            Outcome::NoModprobe,
            "the guest's image has no modprobe: no module can come, whatever the driver does; \
             use an image that `iwlbench image` made",
        ));
    }
    if !(hello.firmware_gate && hello.module_gate) {
        return Err(Verdict::new(
            Outcome::Environment,
            format!("the guest has no gates: {}", hello.warnings.join("; ")),
        ));
    }
    player::play(session, scenario, vars, offers)
}

fn verdict(
    scenario: &Scenario,
    played: Result<(), Verdict>,
    expectations: &[Judged],
    events: &[Event],
    console_tail: &str,
) -> Verdict {
    let trouble = events.iter().find_map(|e| match &e.what {
        What::Bench(BenchEvent::KernelTrouble { trouble, text })
            if !scenario.trouble.contains(trouble) =>
        {
            Some((*trouble, text.clone()))
        }
        _ => None,
    });
    match (played, trouble) {
        // The end of the guest says more than what came before it.
        (Err(verdict), _) if verdict.outcome != Outcome::Failed => verdict,
        (_, Some((trouble, text))) => Verdict::new(
            Outcome::KernelTrouble,
            format!(
                "the guest's kernel reported {}: {text}",
                if trouble == Trouble::Hang { "a hang" } else { trouble.words() }
            ),
        ),
        (Err(verdict), None) => verdict,
        (Ok(()), None) => {
            let failed: Vec<_> = expectations.iter().filter(|j| j.failure.is_some()).collect();
            let total = expectations.len();
            match failed.first() {
                None => Verdict::new(Outcome::Passed, format!("all {total} expectations held")),
                Some(first) => Verdict::new(
                    Outcome::Failed,
                    format!(
                        "{} of {total} expectations failed: {}{}",
                        failed.len(),
                        first.that,
                        if console_tail.is_empty() { "" } else { "; console.log may tell more" }
                    ),
                ),
            }
        }
    }
}
