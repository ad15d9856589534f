//! One run: prepared, played, judged and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Instant;

use anyhow::Context;
use guest_kit::{IncludedModule, KitError, OwnModule};
use guest_protocol::{GuestEvent, Hello};
use iwl_card::{CardEvent, Identity, KnownSections};
use iwl_ucode::Target;
use iwl_ucode::stub::{self, StubDef};

use super::cards::{Playing, fault_words, suited};
use super::image::Modules;
use super::judge::{self, verdict};
use super::plan::{Begun, Loaded, Over, Plan};
use super::progress::RunProgress;
use super::spec::RunSpec;
use super::{APPEND, Lab, initrd, player, stub_of, version};
use crate::facts::added::{self, By, Word};
use crate::facts::derive::{self, Seat};
use crate::facts::diagnosis::Facts;
use crate::facts::failure::BadUsage;
use crate::facts::initrd::Ungated;
use crate::facts::missing::Held;
use crate::facts::phases;
use crate::facts::seen;
use crate::facts::timeline::{Event, What, seconds};
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Class, Outcome, Verdict};
use crate::machine::gates::{Gates, Instead};
use crate::machine::qemu::{self, Machine};
use crate::machine::session::Session;
use crate::record::cite::{self, Cited, Made, Supply};
use crate::record::files;
use crate::record::run::{Began, Given, Record};
use crate::record::rundir::{self, RunDir};
use crate::report::render;
use crate::script::added::Added;
use crate::script::expect;
use crate::script::scenario::{InterruptChoice, Scenario, Vars};

/// A deadlock is reported, with its stacks, when it has lasted twenty seconds of the guest's; Debian's
/// kernels do so after two minutes, when nobody waits any more. The longest that a driver makes somebody
/// wait so is twelve: iwlmvm holds the RTNL while it dumps the registers of a card that is gone.
const HUNG_TASKS: &str = "sysctl.kernel.hung_task_check_interval_secs=1 \
    sysctl.kernel.hung_task_timeout_secs=20";
/// The kernel's image vouches for its modules where the archive's index does not.
const SIGNED_MODULES: &str = "module.sig_enforce=1";

/// Where leaks are looked for. The allocator's arrays for each CPU still name what was last taken from
/// them, and that does not count as lost; so told it has none (`calculate_sheaf_capacity` in `mm/slub.c`).
const NO_SHEAVES: &str = "slab_debug=F";

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
    /// What of it is not the bench's own.
    added: Vec<Word>,
    image: Initrd,
}

/// How a run's guest was when it ended.
#[derive(Clone, Copy)]
struct End<'a> {
    held: &'a [Held],
    at_work: bool,
    console: &'a str,
}

/// A run's initramfs.
struct Initrd {
    path: PathBuf,
    sha256: String,
    /// None if the user gave it.
    modules: Vec<IncludedModule>,
}

impl Lab<'_> {
    pub(super) fn leave(&self, qemu: qemu::Process) {
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
        let Prepared { vars, cards, gates, offers, append, added, image, .. } = &prepared;

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
            added,
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
            let hello = hello.and_then(|hello| judge::usable(&hello, added).map(|()| hello));
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
            let looks = self.modules.len() > self.built;
            let over = play_to_the_end(spec, session, hello, vars, offers, looks, progress);
            (over, before, how, snapshot)
        };
        let Over { played, hello, console, loaded, at_work, finished } = over;
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
        let verdict = verdict(scenario, vars, played, &expectations, evidence, &console);
        let verdict = match &scenario.twin {
            Some(twin) => expect::judge_twin(twin, &expectations, &verdict),
            // An order has problems, not causes.
            None if spec.play.is_some() => verdict,
            None => {
                let end = End { held: &finished.held, at_work, console: &console };
                self.explained(verdict, spec, &prepared, evidence, end)?
            }
        };
        // What came of nothing says nothing.
        let ran = verdict.outcome.class() != Class::NotRun;
        let mut unmet = Vec::new();
        // Whose cause is seen fails of nothing that was not put to the test.
        if ran && !verdict.explained {
            unmet.extend(scenario.gates.then_some(finished.unmet).into_iter().flatten());
            unmet.extend(finished.unbegun);
            unmet.extend(without_effect(&finished.events, &finished.cards, cards));
            unmet.extend(self.unseen(scenario, vars, append));
            unmet.extend(expectations.is_empty().then(|| unjudged(scenario)).flatten());
        }
        let verdict = match (spec.strict, verdict.outcome, unmet.first()) {
            (true, Outcome::Passed, Some(first)) => Verdict::new(
                Outcome::Failed,
                format!("{first}: what it says was not put to the test (--strict)"),
            ),
            _ => verdict,
        };
        if ran {
            let own = self.modules.iter().skip(self.built).map(OwnModule::name);
            unmet.extend(not_loaded(own, &loaded, &finished.events));
        }
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

    /// What an expectation says that this kernel does not complain of, and could not.
    fn unseen(&self, scenario: &Scenario, vars: &Vars, append: &str) -> Vec<String> {
        // Those that a stock kernel has are switched on by its command line.
        let switched_on = ["kfence.", "slub_debug", "slab_debug"];
        let sanitizes = self.configuration.may_sanitize()
            || switched_on.iter().any(|word| append.contains(word));
        let blind = |trouble: &Trouble| match trouble {
            Trouble::Leak => !self.finds_leaks,
            Trouble::Sanitizer => !sanitizes,
            _ => false,
        };
        let nevers =
            expect::nevers_of_trouble(scenario, vars).filter(|(_, trouble)| blind(trouble));
        let word = |trouble: Trouble| <&str>::from(trouble);
        let told = nevers.map(|(that, trouble)| {
            format!(
                "\"{that}\": this kernel tells of no {}, whatever happens; `--kernel debug` does",
                word(trouble)
            )
        });
        told.collect()
    }

    /// What there is of a run before anything boots.
    fn prepare(&self, spec: &RunSpec<'_>) -> anyhow::Result<Prepared> {
        let scenario = spec.scenario;
        self.plays(scenario, spec.cold, spec.firmware)?;
        // Whether the command line's can come was looked at with all of that.
        let added = Added { faults: spec.faults, other_guest: true, ..Added::default() };
        suited(spec.card, scenario, &added)?;
        let first = scenario.machine(spec.card).into_iter().next();
        let first = first.map_or(Ok(*spec.card), |card| card.part());
        let first = first.map_err(BadUsage::from_error)?;
        self.drives(&first)?;
        for card in scenario.machine(spec.card) {
            self.check_takes(&card.part().map_err(BadUsage::from_error)?)?;
        }
        let stub = self.stub(&first)?;
        let kernel: stub::Kernel = self.kernel.release.parse()?;
        let mut vars = self.vars(&first)?;
        let (given, from) = self.given(spec, &vars)?;
        let gates = Gates::new(scenario, &vars, stub, kernel, given);
        let gates = gates.map_err(BadUsage::from_error)?;
        // An exploration lets go what it likes.
        let released = scenario.releases(&vars).into_iter().filter(|_| spec.play.is_none());
        if let Some(name) = released.into_iter().find(|name| !gates.may_release(name)) {
            return Err(BadUsage(format!(
                "{}: step release: no gate here holds {name} until a release; `hold = [\"{name}\"]` has one \
                 do so",
                scenario.name
            ))
            .into());
        }
        let offers = gates.offers(&vars);
        let mut cards = Playing::all(spec, &vars)?;
        let whole = gates.whole(&vars);
        let known = KnownSections::of(whole.iter().map(Vec::as_slice));
        cards.iter_mut().for_each(|card| card.options.known = known.clone());
        let signed = if self.kernel.is_listed() { "" } else { SIGNED_MODULES };
        let own = vars.string(&scenario.guest.command_line.0);
        let more = self.append.join(" ");
        let added = [(&own, By::Scenario), (&more, By::Command)];
        let added = added.into_iter().flat_map(|(words, by)| {
            words.split_whitespace().map(move |word| Word { word: word.to_owned(), by })
        });
        let added: Vec<_> = added.collect();
        let (usual, signed) = match self.initrd {
            None => (APPEND, signed),
            // Its modules are its own.
            Some(_) => (initrd::APPEND, ""),
        };
        let leaks = if self.finds_leaks { NO_SHEAVES } else { "" };
        let append = [usual, HUNG_TASKS, leaks, signed, self.driver.parameters, &own, &more];
        let append = append.map(str::trim);
        let append = append.into_iter().filter(|part| !part.is_empty());
        let append = append.collect::<Vec<_>>().join(" ");
        let image = self.image_for(spec, &vars)?;
        self.check_signatures(&append, &image.modules)?;
        self.check_memory(&added, &image.path)?;
        if let Some(driver) = image.modules.iter().find(|module| module.name == self.driver.module)
        {
            vars.declared_firmware.clone_from(&driver.firmware);
        }
        let identity = first.identity;
        Ok(Prepared { vars, identity, stub, cards, gates, offers, from, append, added, image })
    }

    /// The verdict, with the cause of a failure where it is seen.
    fn explained(
        &self,
        verdict: Verdict,
        spec: &RunSpec<'_>,
        prepared: &Prepared,
        evidence: expect::Evidence<'_>,
        end: End<'_>,
    ) -> anyhow::Result<Verdict> {
        let (card, kernel) = (prepared.stub, self.kernel.release.parse()?);
        let target = |asked| Target { card, kernel, asked };
        let offers = prepared.offers.iter();
        let files: Vec<_> =
            offers.map(|(name, bytes)| judge::on_offer(name, bytes, target)).collect();
        let modules: Vec<_> =
            prepared.image.modules.iter().map(|module| module.name.clone()).collect();
        let own = judge::own(spec.scenario, self.driver);
        let mut opmodes = Vec::new();
        for part in spec.scenario.machine(spec.card) {
            opmodes.push(self.opmode_of(part.spec)?);
        }
        let ungated = self.initrd.as_ref().map(|initrd| Ungated {
            initrd,
            release: &self.kernel.release,
            command_line: &prepared.append,
        });
        // The guest of a snapshot has none yet, and is looked at as it is for the first.
        let first = [Seat { card: spec.card.name.to_string(), slot: derive::slot(0) }];
        let seats = if evidence.cards.is_empty() { &first[..] } else { evidence.cards };
        let cards = seats.iter().zip(&opmodes);
        let cards: Vec<_> = cards
            .map(|(seat, opmode)| Facts {
                events: evidence.events,
                milestones: evidence.milestones,
                driver: self.driver.module,
                card: &seat.card,
                slot: &seat.slot,
                opmode,
                files: &files,
                modules: &modules,
                own,
                fell_short: false,
                missing: &[],
                held: end.held,
                at_work: end.at_work,
                console: end.console,
                accel: self.accel.accel,
                added: &prepared.added,
                description: self.driver,
            })
            .collect();
        Ok(judge::explained(verdict, &cards, ungated.as_ref()))
    }

    /// What the guest is given instead of stubs, and where that comes from.
    fn given(&self, spec: &RunSpec<'_>, vars: &Vars) -> anyhow::Result<(Instead, String)> {
        if let Some(own) = &self.initrd {
            let files = initrd::firmware(own, &self.kernel, self.names_asked(spec, vars)?)?;
            return Ok((Instead::Package(files), own.path.display().to_string()));
        }
        Ok(match spec.firmware {
            Supply::Stub => (Instead::Nothing, "stub".to_owned()),
            Supply::File(file) => {
                let read = crate::machine::firmware::read(file).map_err(BadUsage::from_error)?;
                (Instead::File(read), file.display().to_string())
            }
            Supply::Real => {
                let package = self.kit.firmware(&self.kernel)?;
                let mut files = BTreeMap::new();
                for name in self.names_asked(spec, vars)? {
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

    /// The files that the driver of a run's cards may ask for.
    fn names_asked(&self, spec: &RunSpec<'_>, vars: &Vars) -> anyhow::Result<BTreeSet<String>> {
        let kernel = self.kernel.release.parse()?;
        let mut names: BTreeSet<_> = vars.walk_down.iter().cloned().collect();
        for card in spec.scenario.machine(spec.card) {
            let stub = stub_of(card.spec)?;
            names.extend(stub.names_asked(kernel));
        }
        Ok(names)
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
            dir.write(files::AGAIN, &cite::script(again, spec.scenario, dir.path()))?;
        }
        Ok(cited)
    }

    /// Refuses a command line that leaves less memory than kernel and image fill: such a kernel is at its
    /// end before it has a console.
    fn check_memory(&self, added: &[Word], image: &Path) -> anyhow::Result<()> {
        const TO_RUN: u64 = 64 << 20;
        let mut filled = TO_RUN;
        for file in [image, &self.kernel.bzimage] {
            filled += std::fs::metadata(file)
                .with_context(|| format!("cannot look at {}", file.display()))?
                .len();
        }
        let Some(starves) = added::starves(added, filled) else { return Ok(()) };
        let Word { word, by } = starves;
        anyhow::bail!(
            "`{word}` on the kernel's command line ({}) is too little: kernel and image alone need {} MiB",
            by.words(),
            filled >> 20
        )
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
        } else if self.configuration.enforces_signatures() {
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
        let there = Modules { kernel: &self.kernel, image: &image, without: &without };
        for name in Loaded::new(&spec.scenario.guest, vars).named() {
            there.have("guest.loaded", name)?;
        }
        for (word, name) in spec.scenario.modules_named(vars) {
            there.have(word, &name)?;
        }
        Ok(Initrd { path: image.path, sha256: image.sha256, modules: image.modules })
    }
}

/// Plays the scenario in a guest that has begun, if it has, and ends it.
fn play_to_the_end(
    spec: &RunSpec<'_>,
    mut session: Session,
    hello: Result<Hello, Verdict>,
    vars: &Vars,
    offers: &[(String, Vec<u8>)],
    looks_for_modules: bool,
    progress: &Rc<dyn RunProgress>,
) -> Over {
    let mut loaded = Vec::new();
    let shown = Rc::clone(progress);
    session.on_milestone(Box::new(move |reached| shown.milestone(reached)));
    let played = hello.and_then(|_| {
        progress.up();
        if looks_for_modules && let Ok(state) = session.state() {
            loaded = state.modules;
        }
        match spec.play {
            Some(play) => play(&mut session, vars),
            None => player::play(&mut session, spec.scenario, vars, offers),
        }
    });
    // Who has waited in vain has waited long enough.
    let unseen = match &played {
        Ok(()) => spec.play.is_none() && judge::fails(spec.scenario, vars, &session),
        Err(verdict) => verdict.outcome == Outcome::Failed && !verdict.waited,
    };
    let at_work = unseen && player::is_at_work(&mut session);
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
    Over { played, hello, console, loaded, at_work, finished: session.end() }
}

/// That of all that a scenario expects nothing is about this run, for people.
fn unjudged(scenario: &Scenario) -> Option<String> {
    (!scenario.expectations.is_empty())
        .then(|| "the scenario's expectations: the `when` of none fits this run".to_owned())
}

/// The faults that were on and did nothing, for people: what they are about the run did not come to.
fn without_effect(events: &[Event], seats: &[Seat], cards: &[Playing]) -> Vec<String> {
    let end = events.last().map_or(0, |event| event.t_ns);
    let mut words = Vec::new();
    for (Seat { card, .. }, playing) in seats.iter().zip(cards) {
        let mut began: Vec<_> =
            playing.faults_at_power_on().map(|fault| (fault.name(), None)).collect();
        let mut done = BTreeSet::new();
        for event in events {
            match &event.what {
                What::Card { card: of, event: CardEvent::FaultInjected { fault } }
                    if of == card =>
                {
                    done.insert(&**fault);
                }
                What::Card { card: of, event: CardEvent::FaultSwitched { fault, on: true } }
                    if of == card =>
                {
                    began.push((&**fault, Some(event.t_ns)));
                }
                _ => {}
            }
        }
        for (fault, at) in began {
            // Told once, and not of what did something.
            if !done.insert(fault) {
                continue;
            }
            let when = at.map_or_else(String::new, |at| {
                format!(", which began {:.3} s before the run's end,", seconds(end - at))
            });
            words.push(format!(
                "the fault {fault} of card {card}{when} did nothing, as the run did not come to what it is about"
            ));
        }
    }
    words
}

/// The user's own modules that the guest did not load, for people; those were there at the beginning.
fn not_loaded<'m>(
    own: impl Iterator<Item = &'m str>,
    there: &[String],
    events: &[Event],
) -> Vec<String> {
    let loads = |name: &str| {
        let load = |event: &Event| matches!(&event.what, What::Guest(GuestEvent::ModuleLoad { module }) if module == name);
        there.iter().any(|module| module == name) || events.iter().any(load)
    };
    let not = own.filter(|name| !loads(name));
    not.map(|name| format!("own module {name} was not loaded: nothing in this run asked for it"))
        .collect()
}

/// Puts all that is known of a run into its directory.
fn keep(dir: &RunDir, record: &Record) -> anyhow::Result<()> {
    dir.write_events(&record.events)?;
    dir.write(files::DMESG, &render::dmesg(&record.events))?;
    dir.write(files::RUN, &serde_json::to_string_pretty(record)?)?;
    dir.write(files::TIMELINE, &render::full(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::timeline::Source;
    use crate::script::read;

    fn event(seq: u64, what: What) -> Event {
        Event { seq, t_ns: seq * 1_000_000_000, source: Source::Card, guest_ns: None, what }
    }

    #[test]
    fn a_fault_that_did_nothing_is_told() {
        let scenario = "about = \"t\"\ncards = [\"7260\"]\n\
             [[card]]\nfaults = [\"never-alive\", \"ucode-error@netdev-registered\"]\n\
             [[card]]\nfaults = [\"no-calibration\"]\n[[step]]\ndo = \"coldplug\"\n";
        let scenario = read::parse("t", "t.toml", scenario).expect("valid");
        let card = iwl_card::card("7260").expect("there");
        let spec = RunSpec::new(&scenario, card, Path::new("/"));
        let cards = Playing::all(&spec, &Vars::sample()).expect("cards");
        let seat = |card: &str| Seat { card: card.into(), slot: String::new() };
        let seats = [seat("7260"), seat("7260-2")];
        let told = |seq, card: &str, event_of: CardEvent| {
            event(seq, What::Card { card: card.into(), event: event_of })
        };
        let injected = |fault: &'static str| CardEvent::FaultInjected { fault: fault.into() };
        let switched = || CardEvent::FaultSwitched { fault: "ucode-error".into(), on: true };
        let words = |events: &[Event]| without_effect(events, &seats, &cards);
        let all = [
            told(0, "7260", injected("never-alive")),
            told(1, "7260", switched()),
            told(2, "7260", injected("ucode-error")),
            told(3, "7260-2", injected("no-calibration")),
        ];
        assert_eq!(words(&all), [""; 0]);
        assert_eq!(words(&all[..1]).len(), 1, "one that did not begin is told elsewhere");
        let none = [
            told(0, "7260-2", injected("never-alive")),
            told(1, "7260", switched()),
            all[3].clone(),
        ];
        assert_eq!(
            words(&none),
            [
                "the fault never-alive of card 7260 did nothing, as the run did not come to what it is about",
                "the fault ucode-error of card 7260, which began 2.000 s before the run's end, did nothing, as \
                 the run did not come to what it is about",
            ]
        );
    }

    #[test]
    fn an_own_module_that_nobody_loads_is_told() {
        let load = |module: &str| What::Guest(GuestEvent::ModuleLoad { module: module.into() });
        let events = [event(0, load("iwlmvm"))];
        let there = ["mac80211".to_owned()];
        let own = ["iwlmvm", "mac80211", "hello"];
        let words = not_loaded(own.into_iter(), &there, &events);
        assert_eq!(words, ["own module hello was not loaded: nothing in this run asked for it"]);
    }
}
