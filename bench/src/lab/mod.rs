//! A lab: QEMU, a kernel and a way to run its CPU, found once, used for many runs.

mod begin;
pub mod explore;
pub mod initrd;
mod judge;
mod kvm;
mod plan;
pub mod player;
pub mod progress;
pub mod shell;
pub mod sweep;
mod trace;
mod ungated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Instant;

use anyhow::Context;
use guest_kit::{
    CacheDir, DriverSource, ImageSpec, IncludedModule, Initrd as Distributions, Kernel,
    KernelSelector, Kit, KitError, OwnModule, Qemu, Variant,
};
use guest_protocol::Hello;
use iwl_card::{Card, CardOptions, CardSpec, Identity, KnownSections};
use iwl_ucode::Target;
use iwl_ucode::stub::{self, StubDef};
use judge::verdict;
use plan::{Begun, Loaded, Plan};
use progress::{LabProgress, RunProgress};

use crate::facts::accel::Accel;
use crate::facts::derive::{self, Seat};
use crate::facts::diagnosis::Facts;
use crate::facts::driver::{Choice, Driver, IWLWIFI, IWLWIFI_BUILT_IN, Origin};
use crate::facts::failure::BadUsage;
use crate::facts::initrd::Ungated;
use crate::facts::near;
use crate::facts::phases;
use crate::facts::seen;
use crate::facts::verdict::{Outcome, Verdict};
use crate::machine::accel::{self, Decision};
use crate::machine::faults::Equipped;
use crate::machine::gates::{Gates, Instead};
use crate::machine::qemu::{self, Machine};
use crate::machine::session::{Finished, Session};
use crate::machine::snapshot::{Key, Snapshots};
use crate::record::cite::{self, Cited, Made, Supply};
use crate::record::files;
use crate::record::run::{Began, Given, Record};
use crate::record::rundir::{self, RunDir};
use crate::record::sweep::Swept;
use crate::report::render;
use crate::script::expect;
use crate::script::scenario::{self, InterruptChoice, PlannedFault, Scenario, Vars};

/// The guest agent, a static program.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-agent"));

/// Modules that a guest may want; a kernel that has one built in needs it not.
fn modules(driver: &Driver) -> Vec<&'static str> {
    // What is loaded unless a scenario says else, though not every driver depends on it.
    driver.modules().chain([scenario::Guest::LOADED]).chain(BENCH_MODULES).collect()
}

/// Without these there is nothing to test.
fn required(driver: &Driver) -> Vec<&'static str> {
    [driver.module].into_iter().chain(BENCH_MODULES).collect()
}

/// What the agent needs, to talk to the bench and to hold the loaders.
const BENCH_MODULES: [&str; 3] = ["virtio_pci", "virtio_console", "fuse"];

/// The serial console is the kernel's: errors only, as each byte costs a trap. Off is what takes
/// its share of every system call or wakes by itself, and has no part in a hand-over; all that finds
/// faults in the kernel stays as Debian has it. Whether a timer's interrupt comes through the IO-APIC is
/// not tried, as where the host is busy one emulated may come too late for that and the kernel panics.
const APPEND: &str = "console=ttyS0 loglevel=4 panic=-1 rdinit=/init no_timer_check \
    audit=0 cgroup_disable=memory damon_stat.enabled=N lsm=capability psi=0";
/// A deadlock is reported, with its stacks, when it has lasted twenty seconds of the guest's; Debian's
/// kernels do so after two minutes, when nobody waits any more. The longest that a driver makes somebody
/// wait so is twelve: iwlmvm holds the RTNL while it dumps the registers of a card that is gone.
const HUNG_TASKS: &str = "sysctl.kernel.hung_task_check_interval_secs=1 \
    sysctl.kernel.hung_task_timeout_secs=20";
/// The kernel's image vouches for its modules where the archive's index does not.
const SIGNED_MODULES: &str = "module.sig_enforce=1";
const MEMORY_MIB: u32 = 512;
/// Under TCG a second CPU costs a quarter more than it brings: the work of a hand-over is serial,
/// and the host's other core has a guest of its own to run.
const fn default_cpus(accel: Accel) -> u32 {
    match accel {
        Accel::Kvm => 2,
        Accel::Tcg => 1,
    }
}

/// QEMU, kernel and acceleration.
pub struct Lab<'a> {
    kit: Kit,
    cache: CacheDir,
    qemu: Qemu,
    /// QEMU is to filter its own system calls.
    sandbox: bool,
    kernel: Kernel,
    driver: &'static Driver,
    modules: Vec<OwnModule>,
    /// How many of them the bench has built, which come first.
    built: usize,
    accel: Decision,
    cpus: Option<u32>,
    with: Vec<String>,
    /// More of the kernel's command line.
    append: Vec<String>,
    qemu_args: Vec<String>,
    /// Events of the guests' kernel to record.
    trace: Vec<String>,
    shell: bool,
    gdb: Option<String>,
    /// A distribution's own, ungated, in place of any image.
    initrd: Option<Distributions>,
    snapshots: Snapshots,
    /// Those that could not be made: to try again in each run would cost a boot each time.
    unmade: Mutex<Vec<Key>>,
    ask: Ask,
    /// What the driver looks up for parts that have no row.
    renamed: Mutex<Vec<((&'static str, Identity), &'static StubDef)>>,
    /// Those that were killed and have not ended yet: a verdict does not wait for them, the lab's
    /// end does.
    leaving: Mutex<Vec<qemu::Process>>,
    kernel_sha256: String,
    progress: &'a dyn LabProgress,
}

/// What the user wants of a lab.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which kernel.
    pub kernel: KernelSelector,
    /// The driver under test.
    pub driver: &'static Choice,
    /// Modules in place of the kernel's own.
    pub modules: Vec<OwnModule>,
    /// How the guests' CPUs are run.
    pub accel: accel::Choice,
    /// CPUs of each guest, if not the usual.
    pub cpus: Option<u32>,
    /// Modules of the kernel's that nothing needs.
    pub with: Vec<String>,
    /// More of the kernel's command line.
    pub append: Vec<String>,
    /// More of QEMU's.
    pub qemu_args: Vec<String>,
    /// Events of the guests' kernel that are recorded: `SYSTEM:EVENT`, with `*` in each.
    pub trace: Vec<String>,
    /// The guests can have a shell.
    pub shell: bool,
    /// Asks the driver what it asks for with a part that has no row.
    pub ask: Ask,
    /// The guests wait for a debugger, which QEMU awaits here.
    pub gdb: Option<String>,
    /// A distribution's own initrd, ungated, in place of any image.
    pub initrd: Option<Distributions>,
}

/// What there is of a run before anything boots.
struct Prepared {
    vars: Vars,
    /// What of the first card is not as its row says.
    identity: Identity,
    stub: &'static StubDef,
    cards: Vec<Playing>,
    gates: Gates,
    /// Firmware that a request gets, by its name.
    offers: Vec<(String, Vec<u8>)>,
    /// Where that comes from.
    from: String,
    /// The kernel's command line.
    append: String,
    image: Initrd,
}

/// How a lab's driver is asked about a part, in a guest of its own: [`sweep::ask`].
pub type Ask = fn(&Lab<'_>, &CardSpec) -> anyhow::Result<Swept>;

/// What one run is made of, beside the lab.
pub struct RunSpec<'a> {
    /// What is played.
    pub scenario: &'a Scenario,
    /// With which card.
    pub card: &'static CardSpec,
    /// What is wrong with it, beside what the scenario says.
    pub faults: &'a [PlannedFault],
    /// Its interrupts, if the user chooses them.
    pub interrupts: Option<InterruptChoice>,
    /// Whose firmware the guest is given.
    pub firmware: Supply<'a>,
    /// An initramfs instead of a built one.
    pub image: Option<&'a Path>,
    /// Modules left out by the user.
    pub without: &'a [String],
    /// Boot it for real, the card present from power-on.
    pub cold: bool,
    /// A rule that no request met is a failure.
    pub strict: bool,
    /// Where the run's directory goes.
    pub parent: &'a Path,
    /// Plays it otherwise than step by step.
    pub play: Option<&'a Play<'a>>,
    /// The user looks into the guest before it ends.
    pub look: Option<Look<'a>>,
}

impl<'a> RunSpec<'a> {
    /// A scenario with a card, and nothing more.
    pub fn new(scenario: &'a Scenario, card: &'static CardSpec, parent: &'a Path) -> Self {
        RunSpec {
            scenario,
            card,
            faults: &[],
            interrupts: None,
            firmware: Supply::Stub,
            image: None,
            without: &[],
            cold: false,
            strict: false,
            parent,
            play: None,
            look: None,
        }
    }
}

/// A look into a guest.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Not only where the run failed.
    pub always: bool,
    /// The look. What comes of it is no part of the verdict.
    pub into: &'a Play<'a>,
}

/// Plays a guest that is up, and says what is wrong with it.
pub type Play<'a> = dyn Fn(&mut Session, &Vars) -> Result<(), Verdict> + Sync + 'a;

/// Whether QEMU can filter its own system calls here; if it cannot, that is said once.
fn sandbox(qemu: &Qemu, progress: &dyn LabProgress) -> bool {
    static SAID: Once = Once::new();
    // There where the kernel has seccomp's filters.
    let lacks = match (qemu.sandbox, Path::new("/proc/sys/kernel/seccomp").exists()) {
        (true, true) => return true,
        (false, _) => "this QEMU was built without seccomp",
        (true, false) => "no seccomp in this kernel",
    };
    SAID.call_once(|| progress.note(&format!("QEMU runs without its sandbox: {lacks}")));
    false
}

/// Which kernel `--kdir`, or `--kernel` and `--modules`, mean.
///
/// # Errors
/// Bad usage.
pub fn kernel_selector(
    kernel: &str,
    modules: Option<&Path>,
    tree: Option<&Path>,
) -> anyhow::Result<KernelSelector> {
    if let Some(tree) = tree {
        return Ok(KernelSelector::Tree(tree.to_owned()));
    }
    match modules {
        Some(modules) => Ok(KernelSelector::Files {
            bzimage: PathBuf::from(kernel),
            modules: modules.to_owned(),
        }),
        None if kernel.contains('/') || Path::new(kernel).exists() => {
            let path = Path::new(kernel);
            anyhow::bail!(match (path.is_file(), guest_kit::is_bzimage(path)) {
                (false, _) => format!("--kernel {kernel}: there is no such file"),
                (true, false) => format!(
                    "--kernel {kernel} is no bzImage; name a version, like 6.12, or a bzImage and \
                     with --modules DIR its modules"
                ),
                (true, true) => format!(
                    "--kernel {kernel} is a file: say with --modules DIR where its modules are, \
                     …/lib/modules/RELEASE"
                ),
            })
        }
        None => Ok(kernel.parse()?),
    }
}

impl<'a> Lab<'a> {
    /// Finds QEMU and kernel, fetching what is missing, and decides on KVM or TCG.
    ///
    /// # Errors
    /// Something cannot be found or fetched.
    pub fn new(
        kit: Kit,
        options: &Options,
        progress: &'a dyn LabProgress,
    ) -> anyhow::Result<Lab<'a>> {
        // What it passes over, it names.
        let (qemu, _) = kit.qemu()?;
        let kernel = kit.kernel(&options.kernel)?;
        let (driver, changed) = match &options.initrd {
            None => driver_of(&kit, &kernel, options.driver)?,
            Some(own) => {
                initrd::check(own, &kernel)?;
                let built_in = own.has_built_in(&kernel.release, IWLWIFI.module);
                (if built_in { &IWLWIFI_BUILT_IN } else { &IWLWIFI }, Vec::new())
            }
        };
        let decision = Decision { accel: Accel::Tcg, why: String::new() };
        let cache = CacheDir::from_env()?;
        let mut lab = Lab {
            kit,
            sandbox: sandbox(&qemu, progress),
            qemu,
            kernel_sha256: cache.digest(&kernel.bzimage)?,
            kernel,
            driver,
            built: changed.len(),
            // Of two of one name the user's, the later, is taken.
            modules: changed.into_iter().chain(options.modules.iter().cloned()).collect(),
            accel: decision,
            cpus: options.cpus,
            with: options.with.clone(),
            append: options.append.clone(),
            qemu_args: options.qemu_args.clone(),
            trace: options.trace.clone(),
            shell: options.shell,
            gdb: options.gdb.clone(),
            initrd: options.initrd.clone(),
            snapshots: Snapshots::new(cache.path()),
            unmade: Mutex::default(),
            ask: options.ask,
            renamed: Mutex::default(),
            leaving: Mutex::default(),
            cache,
            progress,
        };
        let memory = accel::Memory::new(lab.cache.path(), lab.qemu.version, &lab.kernel.release);
        lab.accel = accel::decide(options.accel, Path::new(accel::DEV_KVM), &memory, || {
            lab.boots_under_kvm()
        })?;
        Ok(lab)
    }

    /// The driver under test.
    pub fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// The kernel's release.
    pub fn kernel(&self) -> &str {
        &self.kernel.release
    }

    /// The kernel's version, which ranges are about.
    pub fn kernel_version(&self) -> &str {
        self.kernel.version()
    }

    /// Whether the kernel's driver is one of those that were seen with the card.
    pub fn knows(&self, card: &CardSpec) -> bool {
        let kernel = self.kernel.release.parse::<stub::Kernel>();
        match (kernel, stub_of(card)) {
            (Ok(kernel), Ok(stub)) => kernel >= stub.ranges[0].since,
            // Said elsewhere, and better.
            _ => true,
        }
    }

    /// Whether a scenario is one for this kernel's driver.
    ///
    /// # Errors
    /// It is about modules, and there are none.
    pub fn plays(&self, scenario: &Scenario, cold: bool) -> Result<(), BadUsage> {
        if let Some(own) = &self.initrd {
            return initrd::plays(own, scenario);
        }
        if !self.driver.is_built_in() {
            return Ok(());
        }
        let (name, kernel, driver) = (&scenario.name, self.kernel(), self.driver.module);
        if !scenario.built_in {
            return Err(BadUsage(format!(
                "{name} is about modules, and kernel {kernel} has {driver} and its opmodes built in: \
                 play opmode-first, or another with `built-in = true`"
            )));
        }
        if cold || scenario.begins_cold() {
            return Err(BadUsage(format!(
                "{name} with the card present at power-on: kernel {kernel} has {driver} built in, which \
                 asks for its firmware before there is a gate; without --cold the card is plugged in later"
            )));
        }
        Ok(())
    }

    /// One line: what runs what.
    pub fn describe(&self) -> String {
        format!(
            "kernel {}{} · QEMU {} · {}",
            self.kernel.release,
            render::driver(self.driver.name),
            version(&self.qemu),
            self.accel.accel.word(),
        )
    }

    fn machine<'m>(&'m self, accel: Accel, initrd: &'m Path, append: &'m str) -> Machine<'m> {
        Machine {
            accel,
            memory: self.initrd.as_ref().map_or(MEMORY_MIB, initrd::memory),
            cpus: self.cpus.unwrap_or(default_cpus(accel)),
            kernel: &self.kernel.bzimage,
            initrd,
            append,
            tsc_khz: None,
            more: &self.qemu_args,
            sandbox: self.sandbox,
            shell: self.shell,
            gdb: None,
        }
    }

    fn image(&self, without: &[String]) -> anyhow::Result<guest_kit::Image> {
        let extra = if self.shell { self.kit.busybox()? } else { Vec::new() };
        Ok(self.kit.build_image(&ImageSpec {
            replace: &self.modules,
            with: &self.with,
            extra: &extra,
            ..image_spec(&self.kernel, &modules(self.driver), &required(self.driver), without)
        })?)
    }

    /// What a scenario's variables stand for with this card.
    ///
    /// # Errors
    /// There is no stub for the card, or none knows this kernel.
    pub fn vars(&self, card: &CardSpec) -> anyhow::Result<Vars> {
        let kernel: stub::Kernel = self.kernel.release.parse()?;
        let walk_down: Vec<String> = self.stub(card)?.names_tried(kernel).collect();
        Ok(Vars {
            card: card.name.to_owned(),
            kernel: self.kernel.release.clone(),
            kernel_version: self.kernel.version().to_owned(),
            driver: self.driver,
            opmode: self.opmode_of(card)?.to_owned(),
            image: card.first_image().word().to_owned(),
            firmware: walk_down[0].clone(),
            walk_down,
            declared_firmware: Vec::new(),
        })
    }

    /// The stub firmware of a card, under the names that the driver looks up for it: those of a part
    /// that has no row the driver tells, in a guest of its own.
    fn stub(&self, card: &CardSpec) -> anyhow::Result<&'static StubDef> {
        let stub = stub_of(card)?;
        if !card.identity.is_another_part() || self.initrd.is_some() {
            return Ok(stub);
        }
        let key = (card.name, card.identity);
        // Whoever waits here wants to know the same.
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stub)) = renamed.iter().find(|(known, _)| *known == key) {
            return Ok(stub);
        }
        let asked = (self.ask)(self, card)?;
        let found = stub.renamed(self.kernel.release.parse()?, &asked.asked);
        if found.is_none() {
            let why = asked.said.map_or(String::new(), |said| format!("; it says: {said}"));
            let (name, identity) = key;
            self.progress.note(&format!(
                "the driver asks for no firmware for the card {name},{identity}{why}"
            ));
        }
        let found = found.unwrap_or(stub);
        renamed.push((key, found));
        Ok(found)
    }

    fn opmode_of(&self, card: &CardSpec) -> anyhow::Result<&'static str> {
        let kernel = self.kernel.release.parse()?;
        self.driver.opmode_with(card, kernel).with_context(|| {
            format!("{} has no opmode for the card {}", self.driver.module, card.name)
        })
    }

    fn leave(&self, qemu: qemu::Process) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain_mut(|qemu| qemu.status().is_none());
        leaving.push(qemu);
    }

    /// Plays one scenario with one card in a guest of its own.
    ///
    /// # Errors
    /// Bad input, or the environment could not run it. What the guest, the driver, QEMU or the
    /// card do is a verdict.
    pub fn run(
        &self,
        spec: &RunSpec<'_>,
        progress: &Rc<dyn RunProgress>,
    ) -> anyhow::Result<Record> {
        let started = Instant::now();
        let scenario = spec.scenario;
        let prepared = self.prepare(spec)?;
        let Prepared { vars, cards, gates, offers, append, image, .. } = &prepared;

        let name = format!("{}-{}-{}", rundir::stamp(), scenario.name, spec.card.name);
        let dir = RunDir::create_in(spec.parent, &name)?;
        let cited = self.cited(spec, &dir, append)?;
        let machine = self.machine(self.accel.accel, &image.path, append);
        let plan = Plan {
            machine: Machine {
                gdb: self.gdb.as_deref(),
                ..match scenario.reboots() {
                    true => machine.timed(),
                    false => machine,
                }
            },
            image_sha256: &image.sha256,
            loaded: &Loaded::new(&scenario.guest, vars),
            dir: &dir,
            cards: &|| cards.iter().map(Playing::equipped).collect(),
            gates: &|| gates.clone(),
            progress: &**progress,
        };
        let (over, before, how, snapshot) = if self.initrd.is_some() {
            let before = started.elapsed();
            (self.look_on(spec, &plan, vars, progress)?, before, Began::Cold, None)
        } else {
            let begun = match spec.cold || scenario.begins_cold() || self.gdb.is_some() {
                true => self.booted(&plan)?,
                false => self.restored(&plan)?,
            };
            let Begun { mut session, hello, how, snapshot } = begun;
            let hello = match self.begin_trace(&mut session, hello, &image.path)? {
                Ok(hello) => hello,
                Err(usage) => {
                    self.leave(session.end().qemu);
                    dir.remove()?;
                    return Err(usage.into());
                }
            };
            // A snapshot may have been made first.
            let before = session.timeline.start() - started;
            let over = play_to_the_end(spec, session, hello, vars, offers, progress);
            (over, before, how, snapshot)
        };
        let Over { played, hello, console, finished } = over;
        self.leave(finished.qemu);
        if let Some(recorded) = finished.trace {
            recorded.write(&dir, hello.as_ref())?;
        }
        if let Some(error) = finished.write_error {
            return Err(error)
                .with_context(|| format!("cannot write events.jsonl in {}", dir.path().display()));
        }
        let milestones = derive::derive(&finished.events, self.driver, &finished.cards);
        let evidence = expect::Evidence {
            milestones: &milestones,
            events: &finished.events,
            cards: &finished.cards,
        };
        let expectations = expect::judge(scenario, vars, evidence);
        let verdict = verdict(scenario, vars, played, &expectations, &finished.events, &console);
        let verdict = match &scenario.twin {
            Some(twin) => expect::judge_twin(twin, &expectations, &verdict),
            // An order has problems, not causes.
            None if spec.play.is_some() => verdict,
            None => self.explained(verdict, spec, &prepared, evidence, &console)?,
        };
        let mut unmet = if scenario.gates { finished.unmet } else { Vec::new() };
        unmet.extend(finished.unbegun);
        let verdict = match (spec.strict, verdict.outcome, unmet.first()) {
            (true, Outcome::Passed, Some(first)) => Verdict::new(
                Outcome::Failed,
                format!("{first}: what it says was not put to the test (--strict)"),
            ),
            _ => verdict,
        };
        let seen =
            seen::seen(&finished.events, &milestones, self.driver, judge::end_of(verdict.outcome));
        let total = started.elapsed();
        let phases = phases::phases(&finished.events, &milestones, before, total);
        let given = offers.iter();
        let given = given.map(|(name, bytes)| Given::new(name, bytes, &prepared.from)).collect();
        let faults = fault_words(&finished.cards, cards);
        let Prepared { vars, identity, image, .. } = prepared;
        let record = Record {
            format: 1,
            scenario: scenario.name.clone(),
            driver: self.driver.name,
            seen,
            cited,
            identity,
            vars,
            faults,
            verdict,
            expectations,
            milestones,
            unmet,
            kernel: self.kernel.clone(),
            kernel_sha256: self.kernel_sha256.clone(),
            qemu: version(&self.qemu),
            accel: self.accel.accel,
            accel_why: self.accel.why.clone(),
            began: how,
            snapshot,
            image_sha256: image.sha256,
            modules: image.modules,
            firmware: given,
            guest: hello,
            card: finished.summaries.into_iter().next().flatten(),
            seconds: total.as_secs_f64(),
            phases,
            directory: dir.path().to_owned(),
            events: finished.events,
        };
        keep(&dir, &record)?;
        Ok(record)
    }

    /// What there is of a run before anything boots.
    fn prepare(&self, spec: &RunSpec<'_>) -> anyhow::Result<Prepared> {
        let scenario = spec.scenario;
        self.plays(scenario, spec.cold)?;
        suited(spec.card, scenario, spec.faults)?;
        let first = scenario.machine(spec.card).into_iter().next();
        let first = first.map_or(Ok(*spec.card), |card| card.part());
        let first = first.map_err(BadUsage::from_error)?;
        let stub = self.stub(&first)?;
        let kernel: stub::Kernel = self.kernel.release.parse()?;
        let mut vars = self.vars(&first)?;
        let (given, from) = match &self.initrd {
            None => self.given(spec, &vars)?,
            Some(initrd) => (Instead::Nothing, initrd.path.display().to_string()),
        };
        let gates = Gates::new(scenario, &vars, stub, kernel, given);
        let gates = gates.map_err(BadUsage::from_error)?;
        let offers = match &self.initrd {
            None => gates.offers(&vars),
            Some(own) => initrd::firmware(own, &self.kernel, scenario, spec.card, &vars)?,
        };
        let mut cards = Playing::all(spec, &vars)?;
        let whole = gates.whole(&vars);
        let known = KnownSections::of(whole.iter().map(Vec::as_slice));
        cards.iter_mut().for_each(|card| card.options.known = known.clone());
        let signed = if self.kernel.is_listed() { "" } else { SIGNED_MODULES };
        let own = vars.string(&scenario.guest.command_line.0);
        let more = self.append.join(" ");
        let (usual, signed) = match self.initrd {
            None => (APPEND, signed),
            // Its modules are its own.
            Some(_) => (initrd::APPEND, ""),
        };
        let append = [usual, HUNG_TASKS, signed, self.driver.parameters, &own, &more];
        let append = append.map(str::trim);
        let append = append.into_iter().filter(|part| !part.is_empty());
        let append = append.collect::<Vec<_>>().join(" ");
        let image = self.image_for(spec, &vars)?;
        self.check_signatures(&append, &image.modules)?;
        if let Some(driver) = image.modules.iter().find(|module| module.name == self.driver.module)
        {
            vars.declared_firmware.clone_from(&driver.firmware);
        }
        let identity = first.identity;
        Ok(Prepared { vars, identity, stub, cards, gates, offers, from, append, image })
    }

    /// The verdict, with the cause of a failure where it is seen.
    fn explained(
        &self,
        verdict: Verdict,
        spec: &RunSpec<'_>,
        prepared: &Prepared,
        evidence: expect::Evidence<'_>,
        console: &str,
    ) -> anyhow::Result<Verdict> {
        let (card, kernel) = (prepared.stub, self.kernel.release.parse()?);
        let target = |asked| Target { card, kernel, asked };
        let offers = prepared.offers.iter();
        let files: Vec<_> =
            offers.map(|(name, bytes)| judge::on_offer(name, bytes, target)).collect();
        let modules: Vec<_> =
            prepared.image.modules.iter().map(|module| module.name.clone()).collect();
        let facts = Facts {
            events: evidence.events,
            milestones: evidence.milestones,
            driver: self.driver.module,
            card: &prepared.vars.card,
            opmode: &prepared.vars.opmode,
            files: &files,
            modules: &modules,
            own: judge::own(spec.scenario, self.driver),
            console,
            description: self.driver,
        };
        let ungated = self.initrd.as_ref().map(|initrd| Ungated {
            initrd,
            release: &self.kernel.release,
            command_line: &prepared.append,
        });
        Ok(judge::explained(verdict, &facts, ungated.as_ref()))
    }

    /// What the guest is given instead of stubs, and where that comes from.
    fn given(&self, spec: &RunSpec<'_>, vars: &Vars) -> anyhow::Result<(Instead, String)> {
        Ok(match spec.firmware {
            Supply::Stub => (Instead::Nothing, "stub".to_owned()),
            Supply::File(file) => {
                let read = crate::machine::firmware::read(file).map_err(BadUsage::from_error)?;
                (Instead::File(read), file.display().to_string())
            }
            Supply::Real => {
                let package = self.kit.firmware(&self.kernel)?;
                let kernel = self.kernel.release.parse()?;
                let mut names = vars.walk_down.clone();
                for card in spec.scenario.machine(spec.card) {
                    let stub = stub_of(card.spec)?;
                    names.extend(stub.names_tried(kernel));
                    names.extend(stub.pnvm_name());
                }
                let mut files = BTreeMap::new();
                for name in names {
                    if let Some(file) = package.file(&name)? {
                        files.insert(name, file.content);
                    }
                }
                if !vars.walk_down.iter().any(|name| files.contains_key(name)) {
                    let (first, last) = (&vars.firmware, vars.walk_down.last());
                    self.progress.note(&format!(
                        "{} has no firmware for the card {}, of {first} to {}",
                        package.package,
                        vars.card,
                        last.unwrap_or(first)
                    ));
                }
                (Instead::Package(files), package.package)
            }
        })
    }

    /// What the run can be cited by; what plays it again is put into its directory.
    fn cited(&self, spec: &RunSpec<'_>, dir: &RunDir, append: &str) -> anyhow::Result<Cited> {
        let made = Made {
            scenario: spec.scenario,
            card: match spec.card.identity.is_empty() {
                true => spec.card.name.to_owned(),
                false => format!("{},{}", spec.card.name, spec.card.identity),
            },
            faults: spec.faults.iter().map(ToString::to_string).collect(),
            interrupts: spec.interrupts.map(InterruptChoice::word),
            firmware: spec.firmware,
            image: spec.image,
            initrd: self.initrd.as_ref().map(|initrd| initrd.path.as_path()),
            without: spec.without,
            cold: spec.cold,
            strict: spec.strict,
            kdir: self.kernel.tree(),
            kernel: match self.kernel.package_version {
                Some(_) => Ok(&self.kernel.release),
                None if self.initrd.is_some() => Err((&self.kernel.bzimage, None)),
                None => Err((&self.kernel.bzimage, Some(&self.kernel.modules))),
            },
            accel: self.accel.accel.word(),
            cpus: self.cpus,
            modules: self.modules.iter().skip(self.built).map(OwnModule::file).collect(),
            with: &self.with,
            append: &self.append,
            qemu_args: &self.qemu_args,
            trace: &self.trace,
            driver: self.driver.name,
        };
        // The orders of an exploration are its own to play.
        let again = spec.play.is_none().then(|| made.again(dir.path()));
        let cited = Cited::new(spec.scenario, again, append);
        dir.write(&cite::file_of(spec.scenario), &cited.scenario_text)?;
        if let Some(again) = &cited.again {
            dir.write(files::AGAIN, &cite::script(again))?;
        }
        Ok(cited)
    }

    /// Refuses a module that a kernel with this command line takes only if it is signed.
    fn check_signatures(&self, append: &str, modules: &[IncludedModule]) -> anyhow::Result<()> {
        let Some(unsigned) = modules.iter().find(|module| !module.signed) else { return Ok(()) };
        let file = unsigned.own.as_deref().unwrap_or(Path::new(&unsigned.path)).display();
        let release = &self.kernel.release;
        let on = ["module.sig_enforce", "module.sig_enforce=1", "module.sig_enforce=y"];
        let why = if !self.kernel.is_listed() {
            "is superseded: the archive's index does not vouch for its modules, so that it has to \
             check their signatures itself; take one that `iwlbench list kernels` has without that"
        } else if append.split_whitespace().any(|word| on.contains(&word)) {
            "has module.sig_enforce=1 on its command line: take that away, or sign the module"
        } else if self.kernel.enforces_signatures()? {
            "was built with CONFIG_MODULE_SIG_FORCE: build it without, or sign the module"
        } else {
            return Ok(());
        };
        anyhow::bail!("{file} is not signed, and kernel {release} {why}")
    }

    /// The user's image, or one without what scenario and user leave out.
    fn image_for(&self, spec: &RunSpec<'_>, vars: &Vars) -> anyhow::Result<Initrd> {
        let own = self.initrd.as_ref().map(|initrd| initrd.path.as_path());
        if let Some(path) = own.or(spec.image) {
            guest_kit::check_initramfs(path)?;
            let (path, sha256) = (path.to_owned(), self.cache.digest(path)?);
            return Ok(Initrd { path, sha256, modules: Vec::new() });
        }
        let without = spec.scenario.guest.without.iter().chain(spec.without);
        let without: Vec<_> = without.map(|module| vars.string(module)).collect();
        let image = self.image(&without)?;
        // A kernel that cannot do it is no verdict about a driver.
        let cards = spec.scenario.machine(spec.card).into_iter().map(|card| card.spec);
        for module in cards.map(|card| self.opmode_of(card)).chain([Ok(self.driver.module)]) {
            match image.require(&self.kernel, module?, &without) {
                Err(KitError::BuiltIn { .. }) if self.driver.is_built_in() => {}
                other => other?,
            }
        }
        for name in Loaded::new(&spec.scenario.guest, vars).named() {
            can_be_loaded(name, &image, &without)?;
        }
        Ok(Initrd { path: image.path, sha256: image.sha256, modules: image.modules })
    }
}

/// Whether a module is there to be loaded before a scenario begins: one that is not was misspelt, or
/// nothing in the image needs it. Of one that is left out on purpose the run tells.
fn can_be_loaded(name: &str, image: &guest_kit::Image, without: &[String]) -> Result<(), BadUsage> {
    let plain = |name: &str| name.replace('-', "_");
    let module = plain(name);
    let there = image.modules.iter().map(|module| &module.name).chain(&image.builtin);
    if there.clone().any(|there| *there == module) || without.iter().any(|out| plain(out) == module)
    {
        return Ok(());
    }
    let meant = near::meant(&module, there.map(String::as_str));
    Err(BadUsage(format!(
        "guest.loaded: there is no module {name} in the guest's image; `--with {name}` takes one of \
         the kernel's into it{meant}"
    )))
}

/// Whether the cards of a machine can have what the scenario and the user want to be wrong with them.
///
/// # Errors
/// They cannot.
pub fn suited(
    card: &'static CardSpec,
    scenario: &Scenario,
    more: &[PlannedFault],
) -> Result<(), BadUsage> {
    can_have(card, more)?;
    for card in scenario.machine(card) {
        can_have(card.spec, card.faults())?;
    }
    Ok(())
}

/// Whether a card can have these faults.
///
/// # Errors
/// It cannot.
pub fn can_have<'f>(
    card: &CardSpec,
    faults: impl IntoIterator<Item = &'f PlannedFault>,
) -> Result<(), BadUsage> {
    let lacking = |fault: &PlannedFault| {
        fault.when.meets(card).then_some(())?;
        Some(scenario::lacks(card.name, fault.fault, card.lacks(fault.fault)?))
    };
    match faults.into_iter().find_map(lacking) {
        Some(what) => Err(BadUsage(what)),
        None => Ok(()),
    }
}

/// What is wrong with each card, as `--fault` takes it; of a further card, with its name before.
fn fault_words(seats: &[Seat], cards: &[Playing]) -> Vec<String> {
    let mut words = Vec::new();
    for (index, (seat, card)) in seats.iter().zip(cards).enumerate() {
        let whose = if index == 0 { String::new() } else { format!("{}: ", seat.card) };
        words.extend(card.faults.iter().map(|fault| format!("{whose}{fault}")));
    }
    words
}

/// A card of a run's machine.
struct Playing {
    spec: CardSpec,
    options: CardOptions,
    /// All that is wrong with it in this run, at some time.
    faults: Vec<PlannedFault>,
}

impl Playing {
    /// The cards of a run, in the order of their ports.
    fn all(spec: &RunSpec<'_>, vars: &Vars) -> Result<Vec<Playing>, BadUsage> {
        let card = |(index, card): (usize, scenario::Equipped<'_>)| {
            let first = index == 0;
            let own = card.faults().chain(spec.faults.iter().filter(|_| first));
            let faults: Vec<_> = own.filter_map(|fault| fault.of(vars)).collect();
            let chosen = spec.interrupts.filter(|_| first);
            let interrupts = chosen.or(card.table.and_then(|table| table.interrupts));
            let options = CardOptions {
                interrupts: interrupts.map(|choice| choice.of(card.spec)).transpose()?,
                faults: faults.iter().filter(|f| f.begin.is_none()).map(|f| f.fault).collect(),
                slot: u8::try_from(index).unwrap_or_default(),
                ..CardOptions::default()
            };
            let spec = card.part().map_err(BadUsage::from_error)?;
            Ok(Playing { spec, options, faults })
        };
        spec.scenario.machine(spec.card).into_iter().enumerate().map(card).collect()
    }

    /// As a session takes it.
    fn equipped(&self) -> Equipped {
        let timed = self.faults.iter().filter(|fault| fault.moments().next().is_some());
        let faults = timed.cloned().collect();
        Equipped { card: Card::new(&self.spec, self.options.clone()), faults }
    }
}

/// A run's initramfs.
struct Initrd {
    path: PathBuf,
    sha256: String,
    /// None if the user gave it.
    modules: Vec<IncludedModule>,
}

/// A guest that was played with and is no more.
struct Over {
    played: Result<(), Verdict>,
    hello: Option<Hello>,
    /// The console's end.
    console: String,
    finished: Finished,
}

/// Plays the scenario in a guest that has begun, if it has, and ends it.
fn play_to_the_end(
    spec: &RunSpec<'_>,
    mut session: Session,
    hello: Result<Hello, Verdict>,
    vars: &Vars,
    offers: &[(String, Vec<u8>)],
    progress: &Rc<dyn RunProgress>,
) -> Over {
    let shown = Rc::clone(progress);
    session.on_milestone(Box::new(move |reached| shown.milestone(reached)));
    let played = hello.and_then(|hello| {
        progress.up();
        judge::usable(&hello)?;
        match spec.play {
            Some(play) => play(&mut session, vars),
            None => player::play(&mut session, spec.scenario, vars, offers),
        }
    });
    if let Some(look) = spec.look {
        let failed = match &played {
            Ok(()) => judge::fails(spec.scenario, vars, &session),
            Err(verdict) => verdict.outcome != Outcome::Interrupted,
        };
        if (failed || look.always) && session.hello.is_some() {
            progress.leave_the_terminal();
            drop((look.into)(&mut session, vars));
        }
    }
    session.end_trace();
    let hello = session.hello.clone();
    let console = session.console_tail(usize::MAX);
    Over { played, hello, console, finished: session.end() }
}

/// Puts all that is known of a run into its directory.
fn keep(dir: &RunDir, record: &Record) -> anyhow::Result<()> {
    dir.write_events(&record.events)?;
    dir.write(files::DMESG, &render::dmesg(&record.events))?;
    dir.write(files::RUN, &serde_json::to_string_pretty(record)?)?;
    dir.write(files::TIMELINE, &render::full(record))
}

/// Refuses a driver that is none of a kernel's, as far as the kernel's name tells: before anything is
/// fetched.
///
/// # Errors
/// It is none.
pub fn check_driver(kernel: &KernelSelector, choice: &'static Choice) -> Result<(), BadUsage> {
    match kernel {
        KernelSelector::Version(version) => match version.parse() {
            Ok(kernel) => choice.driver(kernel).map(drop).map_err(BadUsage),
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The driver that a choice is in a kernel, and its modules as far as they are not the package's own.
///
/// # Errors
/// It is none for this kernel, or cannot be built.
pub fn driver_of(
    kit: &Kit,
    kernel: &Kernel,
    choice: &'static Choice,
) -> anyhow::Result<(&'static Driver, Vec<OwnModule>)> {
    let driver = choice.driver(kernel.release.parse()?).map_err(BadUsage)?;
    let name = choice.name();
    let modules = match choice.origin {
        Origin::Package if is_built_in(kernel, driver)? => {
            return Ok((&IWLWIFI_BUILT_IN, Vec::new()));
        }
        Origin::Package => Vec::new(),
        Origin::Changed(patch) => vec![kit.build_variant(kernel, &Variant { name, patch })?],
        Origin::Ours { files, patch } => {
            let modules: Vec<_> = driver.modules().collect();
            kit.build_driver(kernel, &DriverSource { name, files, patch, modules: &modules })?
        }
    };
    Ok((driver, modules))
}

/// Whether the kernel itself holds a driver, and what that hands over to.
fn is_built_in(kernel: &Kernel, driver: &Driver) -> Result<bool, KitError> {
    let held = |module: &str| kernel.has_built_in(module);
    Ok(held(driver.module)?
        && driver
            .opmodes
            .iter()
            .map(|o| held(o.module))
            .collect::<Result<Vec<_>, _>>()?
            .contains(&true))
}

fn image_spec<'a>(
    kernel: &'a Kernel,
    modules: &'a [&'a str],
    required: &'a [&'a str],
    without: &'a [String],
) -> ImageSpec<'a> {
    let (replace, with, extra) = (&[][..], &[][..], &[][..]);
    ImageSpec { kernel, agent: AGENT, modules, required, without, replace, with, extra }
}

/// Builds the guest's image with the agent and the usual modules.
///
/// # Errors
/// As the kit's.
pub fn build_image(
    kit: &Kit,
    kernel: &Kernel,
    driver: &Driver,
    replace: &[OwnModule],
    without: &[String],
    with: &[String],
) -> Result<guest_kit::Image, KitError> {
    kit.build_image(&ImageSpec {
        replace,
        with,
        ..image_spec(kernel, &modules(driver), &required(driver), without)
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
