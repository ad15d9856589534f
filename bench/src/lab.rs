//! A lab: QEMU, a kernel and a way to run its CPU, found once, used for many runs.

use std::collections::BTreeMap;
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
use crate::session::{Session, Stop};
use crate::timeline::{BenchEvent, Event, What};
use crate::trouble::Trouble;
use crate::ui::{RunProgress, Ui};
use crate::verdict::{Outcome, Verdict};
use crate::{player, signals};

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
const CPUS: u32 = 2;

/// How long a kernel has from power-on to its agent. Measured: 4 to 9 s under TCG on two cores.
const BOOT_WITHIN: Duration = Duration::from_secs(180);

/// QEMU, kernel and acceleration.
pub struct Lab<'a> {
    kit: Kit,
    qemu: Qemu,
    kernel: Kernel,
    accel: Decision,
    ui: &'a Ui,
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
    /// Where the run's directory goes.
    pub parent: &'a Path,
}

/// Firmware files by name below `/lib/firmware`.
type Files = BTreeMap<String, Vec<u8>>;

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
    /// From power-on to the verdict.
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
        let (qemu, rejected) = kit.qemu()?;
        for rejected in rejected {
            ui.note(&format!("passed over {rejected}"));
        }
        let kernel = kit.kernel(&selector)?;
        let decision = Decision { accel: Accel::Tcg, why: String::new() };
        let mut lab = Lab { kit, qemu, kernel, accel: decision, ui };
        let memory =
            accel::Memory::new(CacheDir::from_env()?.path(), lab.qemu.version, &lab.kernel.release);
        lab.accel = accel::decide(args.accel, Path::new(accel::DEV_KVM), &memory, || {
            lab.boots_under_kvm()
        })?;
        Ok(lab)
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
        let started = Session::start(
            &self.qemu,
            machine,
            Vec::new(),
            Gates::default(),
            &dir,
            signals::interrupts,
        );
        let mut session = started?;
        let booted = session.boot(accel::PROOF_WITHIN);
        signals::session_ended();
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
            cpus: CPUS,
            kernel: &self.kernel.bzimage,
            initrd,
            append: APPEND.to_owned(),
            cards: Vec::new(),
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
    pub fn run(&self, spec: &RunSpec<'_>) -> anyhow::Result<Record> {
        let started = Instant::now();
        let scenario = spec.scenario;
        let stub = stub_of(spec.card)?;
        let kernel_api: stub::Kernel = self.kernel.release.parse()?;
        let walk_down: Vec<String> = stub.names_tried(kernel_api).collect();
        let vars = Vars {
            card: spec.card.name.to_owned(),
            opmode: spec.card.opmode.module().to_owned(),
            firmware: walk_down[0].clone(),
            walk_down,
        };
        let (files, given) = self.firmware(spec, stub, kernel_api, &vars)?;
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
        let options = CardOptions { faults: spec.faults.clone(), ..CardOptions::default() };
        let card = Card::new(spec.card, options);
        let hold = scenario.firmware.hold_until.as_ref().map(|p| vars.pattern(p.get_ref()));
        let machine = self.machine(self.accel.accel, &image_path);
        let what = format!("{} {}", scenario.name, spec.card.name);
        let progress = Rc::new(self.ui.run_progress(&what));
        let mut session = Session::start(
            &self.qemu,
            machine,
            vec![card],
            Gates::new(files, hold),
            &dir,
            signals::interrupts,
        )?;
        let shown = Rc::clone(&progress);
        session.on_milestone(Box::new(move |reached| shown.milestone(reached)));

        let played = play(&mut session, scenario, &vars, &progress);
        signals::session_ended();
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
        let record = Record {
            format: 1,
            scenario: scenario.name.clone(),
            vars,
            faults: spec.faults.clone(),
            verdict,
            expectations,
            milestones,
            kernel: self.kernel.clone(),
            kernel_sha256: sha256_hex(&fs::read(&self.kernel.bzimage)?),
            qemu: version(&self.qemu),
            accel: self.accel.accel,
            accel_why: self.accel.why.clone(),
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

    /// The files at the firmware gate.
    fn firmware(
        &self,
        spec: &RunSpec<'_>,
        stub: &StubDef,
        kernel: stub::Kernel,
        vars: &Vars,
    ) -> anyhow::Result<(Files, Vec<Given>)> {
        if spec.scenario.firmware.missing {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let (bytes, from) = match spec.firmware {
            Some(path) => {
                (fs::read(path).map_err(crate::BadUsage::from_error)?, path.display().to_string())
            }
            None => (stub.build(stub.newest(kernel)), "stub".to_owned()),
        };
        let given = Given {
            name: vars.firmware.clone(),
            bytes: bytes.len(),
            sha256: sha256_hex(&bytes),
            from,
        };
        Ok((BTreeMap::from([(vars.firmware.clone(), bytes)]), vec![given]))
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

fn play(
    session: &mut Session,
    scenario: &Scenario,
    vars: &Vars,
    progress: &RunProgress,
) -> Result<(), Verdict> {
    let hello = match session.boot(BOOT_WITHIN) {
        Ok(hello) => {
            progress.booted();
            hello
        }
        Err(Stop::Verdict(verdict)) => return Err(verdict),
        Err(Stop::TimedOut) => {
            return Err(Verdict::new(
                Outcome::GuestHung,
                "the guest came up and does not answer; see console.log",
            ));
        }
    };
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
    player::play(session, scenario, vars)
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
