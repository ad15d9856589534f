//! A lab: QEMU, a kernel and a way to run its CPU, found once, used for many runs.

mod begin;
mod cards;
pub mod explore;
mod image;
pub mod initrd;
mod judge;
mod kvm;
mod plan;
pub mod player;
pub mod progress;
mod run;
pub mod shell;
mod spec;
pub mod sweep;
mod trace;
mod ungated;

pub use cards::{can_have, suited};
pub use image::{build_image, check_driver, driver_of, kernel_selector};
pub use spec::{Look, RunSpec};

use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use anyhow::Context;
use guest_kit::{
    CacheDir, Configuration, ImageSpec, Initrd as Distributions, Kernel, KernelSelector, Kit,
    OwnModule, PciPart, Qemu,
};
use iwl_card::{CardSpec, Identity};
use iwl_ucode::stub::{self, StubDef};

use self::image::{image_spec, modules, required};
use self::progress::LabProgress;
use crate::facts::accel::Accel;
use crate::facts::driver::{Choice, Driver, IWLWIFI, IWLWIFI_BUILT_IN};
use crate::facts::failure::BadUsage;
use crate::machine::accel::{self, Decision};
use crate::machine::qemu::{self, Machine};
use crate::machine::snapshot::{Key, Snapshots};
use crate::record::cite::Supply;
use crate::record::sweep::Swept;
use crate::report::render;
use crate::script::scenario::{Scenario, Vars};

/// The serial console is the kernel's: errors only, as each byte costs a trap. Off is what takes
/// its share of every system call or wakes by itself, and has no part in a hand-over; all that finds
/// faults in the kernel stays as Debian has it. Whether a timer's interrupt comes through the IO-APIC is
/// not tried, as where the host is busy one emulated may come too late for that and the kernel panics.
const APPEND: &str = "console=ttyS0 loglevel=4 panic=-1 rdinit=/init no_timer_check \
    audit=0 cgroup_disable=memory damon_stat.enabled=N lsm=capability psi=0";

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
    /// What it was built with.
    configuration: Configuration,
    /// It can look for memory that has leaked, and is asked to.
    finds_leaks: bool,
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

/// How a lab's driver is asked about a part, in a guest of its own: [`sweep::ask`].
pub type Ask = fn(&Lab<'_>, &CardSpec) -> anyhow::Result<Swept>;

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
        let kernel = kit.kernel(&options.kernel);
        let kernel = match options.initrd.as_ref().filter(|own| !own.releases().is_empty()) {
            Some(own) => kernel.with_context(|| initrd::other_kernel(own)),
            None => kernel.map_err(Into::into),
        }?;
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
        let configuration = kernel.configuration()?;
        let mut lab = Lab {
            kit,
            sandbox: sandbox(&qemu, progress),
            qemu,
            kernel_sha256: cache.digest(&kernel.bzimage)?,
            finds_leaks: options.initrd.is_none() && configuration.finds_leaks(),
            configuration,
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
        lab.accel = accel::decide(options.accel, Path::new(accel::DEV_KVM), &memory, |known| {
            lab.boots_under_kvm(options.accel, known)
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

    /// Whether the driver is for the card.
    ///
    /// # Errors
    /// It has no row for it.
    pub fn drives(&self, card: &CardSpec) -> Result<(), BadUsage> {
        if self.driver.has_row(card) {
            return Ok(());
        }
        let those = iwl_card::cards().iter().filter(|card| self.driver.has_row(card));
        let those = those.map(|card| card.name).collect::<Vec<_>>().join(", ");
        Err(BadUsage(format!(
            "driver {} has no row for card {}, 8086:{:04x}: it is for {those}",
            self.driver.name, card.name, card.pci.device
        )))
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

    /// Whether the driver is for the card, and the kernel's is known to be.
    ///
    /// # Errors
    /// It is not.
    pub fn has(&self, card: &CardSpec) -> Result<(), BadUsage> {
        self.drives(card)?;
        match self.knows(card) {
            true => Ok(()),
            false => {
                let since = stub_of(card).map_err(BadUsage::from_error)?.ranges[0].since;
                let kernel = self.kernel();
                Err(BadUsage(format!(
                    "the driver of kernel {kernel} does not know {}; kernels from {since} on do",
                    card.name
                )))
            }
        }
    }

    /// Refuses a card that this kernel's driver has nothing for, as far as its tables tell: what was seen
    /// with it needs no look.
    ///
    /// # Errors
    /// It has nothing for it, or they cannot be read.
    fn check_takes(&self, card: &CardSpec) -> anyhow::Result<()> {
        if self.knows(card) || self.initrd.is_some() || self.driver.is_built_in() {
            return Ok(());
        }
        let tables = self.kit.device_tables(&self.kernel, self.driver.module, &self.modules)?;
        let (device, subsystem) = (card.pci.device, card.pci.subsystem);
        let (hw_rev, rf_id) = (card.hw_rev, card.rf_id);
        let Some(why) = tables.refuse(PciPart { device, subsystem, hw_rev, rf_id }) else {
            return Ok(());
        };
        let (driver, release) = (self.driver.module, &self.kernel.release);
        let since = stub_of(card)?.ranges[0].since;
        anyhow::bail!(
            "{driver} of kernel {release} does not take the card {} (PCI dev {device:04x}/{subsystem:04x}, \
             rev={hw_rev:#x}, rfid={rf_id:#x}): {why}; kernels from {since} on do",
            card.name
        )
    }

    /// Whether a scenario is one for this kernel and its driver.
    ///
    /// # Errors
    /// It is about modules, and there are none; about what the kernel was built without; or about another
    /// driver.
    pub fn plays(
        &self,
        scenario: &Scenario,
        cold: bool,
        firmware: Supply<'_>,
    ) -> anyhow::Result<()> {
        if let Some(own) = &self.initrd {
            return Ok(initrd::plays(own, scenario)?);
        }
        for option in &scenario.needs {
            if self.configuration.lacks(option.name()) {
                anyhow::bail!("kernel {} was built without {option}", self.kernel());
            }
        }
        let (name, kernel, driver) = (&scenario.name, self.kernel(), self.driver.module);
        if let Some(own) = scenario.driver.map(<&str>::from).filter(|own| *own != driver) {
            return Err(BadUsage(format!(
                "{name} is about what {own} alone has, and --driver {} is not that one",
                self.driver.name
            ))
            .into());
        }
        if let Some(reason) = scenario.stub_only.as_ref().filter(|_| firmware == Supply::Real) {
            return Err(BadUsage(format!(
                "{name} is about the cards' stubs, and not with --firmware real: {reason}"
            ))
            .into());
        }
        if !self.driver.is_built_in() {
            return Ok(());
        }
        if !scenario.built_in {
            return Err(BadUsage(format!(
                "{name} is about modules, and kernel {kernel} has {driver} and its opmodes built in: \
                 play opmode-first, or another with `built-in = true`"
            )).into());
        }
        if cold || scenario.begins_cold() {
            return Err(BadUsage(format!(
                "{name} with the card present at power-on: kernel {kernel} has {driver} built in, which \
                 asks for its firmware before there is a gate; without --cold the card is plugged in later"
            )).into());
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
