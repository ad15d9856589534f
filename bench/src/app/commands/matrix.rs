//! `iwlbench matrix`: scenarios × cards × kernels, several guests at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fs_err as fs;
use guest_kit::{Flavour, Initrd};
use iwl_card::CardSpec;

use crate::app::cli::{GuestArgs, MatrixArgs};
use crate::app::commands::{self, More};
use crate::app::terminal;
use crate::app::ui::{MatrixProgress, Ui};
use crate::facts::driver;
use crate::facts::failure::BadUsage;
use crate::facts::verdict::{self, Outcome};
use crate::lab::{self, Lab, RunSpec, initrd};
use crate::machine::signals;
use crate::record::cite::{self, Program, Supply};
use crate::record::files;
use crate::record::matrix::{Attempt, Cell, LeftOut, Results, mark_known};
use crate::record::rundir;
use crate::record::rundir::RunDir;
use crate::report::baseline::Changes;
use crate::report::look::Look;
use crate::report::matrix::Matrix;
use crate::report::options;
use crate::report::render;
use crate::report::{junit, ktap};
use crate::script::added::Added;
use crate::script::known::{Known, Place};
use crate::script::read;
use crate::script::scenario::Scenario;

/// One place of the matrix, once.
#[derive(Clone, Copy)]
struct Play<'a> {
    lab: &'a Lab<'a>,
    scenario: &'a Scenario,
    card: &'static CardSpec,
}

/// Plays everything, `--jobs` at a time.
pub fn matrix(args: &MatrixArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let initrds = initrds(args)?;
    let scenarios = match initrds.is_empty() {
        true => scenarios(args)?,
        false => initrds.iter().map(initrd::scenario).collect(),
    };
    let cards = commands::cards(&args.card)?;
    commands::firmware(&args.firmware)?;
    let known = commands::known_failures(args.known_failures.as_deref(), &scenarios, ui)?;
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let before = args.baseline.as_deref();
    let before = before.map(|path| commands::report::baseline(path, &parent)).transpose()?;
    // Better to know it before an hour of runs.
    for file in args.junit.iter().chain(&args.ktap) {
        std::fs::File::create(file).map_err(|error| commands::unwritable(file, error))?;
    }

    let labs = labs(args, &initrds, ui)?;
    let (plays, left_out) = plays(args, &labs, &scenarios, &cards)?;
    if plays.is_empty() {
        let reasons = render::left_out(&left_out, Look::FILE);
        anyhow::bail!("nothing is to be played:\n{reasons}");
    }
    let jobs = commands::jobs(args.jobs);
    let dir = RunDir::create_in(&parent, &format!("{}-matrix", rundir::stamp()))?;
    let started = Instant::now();
    // All over again, more often than time can be given for.
    let again = args.until_time.is_some() && args.repeat.is_none();
    let planned = plays.len() * if again { 10_000 } else { 1 };
    let progress = ui.matrix_progress(planned);
    let (date, command) = (cite::now(), cite::user_command());
    let nothing = Results {
        format: 1,
        date: &date,
        iwlbench: Program::THIS,
        command: &command,
        planned,
        passed: 0,
        flaky: 0,
        known: 0,
        gone: 0,
        first_try: 0,
        unexplained: 0,
        interrupted: true,
        jobs,
        seconds: 0.0,
        directory: dir.path(),
        cells: &[],
        left_out: &left_out,
    };
    // Should the bench be killed, what is known by then can be reported. That it cannot be written
    // is told at the end.
    let keep = |cells: &[Cell]| {
        let written = serde_json::to_string(&nothing.with(cells, started));
        drop(written.map(|document| dir.write(files::MATRIX, &document)));
    };
    let until = args.until_time.map(|seconds| started + Duration::from_secs(seconds));
    let pace = Pace { jobs, until, planned };
    let mut cells = play_all(args, &known, &plays, pace, dir.path(), &progress, &keep);
    drop(progress);
    let whole = cells.len() >= plays.len();
    mark_known(&mut cells, &known, whole);

    let interrupted = signals::stopping();
    // What there was no time for was not to be played.
    let planned = if again && !interrupted { cells.len() } else { planned };
    let results = Results { interrupted, planned, ..nothing.with(&cells, started) };
    let document = serde_json::to_string_pretty(&results)?;
    // What was found is told, whether or not it can be written.
    let written = write_reports(args, &dir, &document, before.as_ref());
    let changes = written.as_ref().ok().and_then(Option::as_ref);
    if args.json {
        commands::print(&format!("{document}\n"))?;
    } else if !ui.quiet {
        tell(&results, changes, ui)?;
    }
    terminal::flush()?;
    if args.json || ui.quiet {
        let mut failures = render::failures_in_lines(&cells, dir.path()).peekable();
        let failed = failures.peek().is_some();
        failures.for_each(|line| ui.complain(&line));
        changes.into_iter().flat_map(render::newly_failing).for_each(|line| ui.complain(&line));
        if failed {
            ui.complain(&format!("page: {}", dir.path().join(files::PAGE).display()));
        }
    }
    written.with_context(|| format!("not all results are in {}", dir.path().display()))?;
    if results.interrupted {
        return Err(crate::facts::failure::Interrupted.into());
    }
    Ok(verdict::combined(cells.iter().map(Cell::counts_as)))
}

/// What is to be played.
fn scenarios(args: &MatrixArgs) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = match args.scenario.is_empty() {
        true => read::built_in(),
        false => read::select(&args.scenario)?,
    };
    commands::set_patience(&mut scenarios, args.patience, Supply::of(&args.firmware));
    Ok(scenarios)
}

/// One for each kernel and driver.
fn labs<'a>(args: &MatrixArgs, initrds: &[Initrd], ui: &'a Ui) -> anyhow::Result<Vec<Lab<'a>>> {
    let mut drivers = Vec::new();
    for name in &args.driver {
        drivers.extend(driver::choices(name).map_err(BadUsage::from_error)?);
    }
    drivers.dedup();
    let all = match args.kernel.iter().any(|kernel| kernel == ALL) {
        true => newest_of_each_series(args, ui)?,
        false => Vec::new(),
    };
    let mut labs = Vec::new();
    for (kernel, modules) in kernels(args, &all)? {
        for driver in &drivers {
            let guest = GuestArgs {
                kernel: kernel.to_owned(),
                modules: modules.map(Path::to_owned),
                driver: driver.name().to_owned(),
                kdir: args.kdir.clone(),
                accel: args.accel,
                cpus: args.cpus,
                own: args.own.clone(),
                tell: args.tell.clone(),
                fetch: args.fetch.clone(),
            };
            if initrds.is_empty() {
                labs.push(commands::lab(&guest, ui)?);
            }
            for initrd in initrds {
                let initrd = Some(initrd.clone());
                labs.push(commands::lab_with(&guest, ui, More { initrd, ..More::default() })?);
            }
        }
    }
    Ok(labs)
}

/// The initrds to be played, told apart by their names.
fn initrds(args: &MatrixArgs) -> anyhow::Result<Vec<Initrd>> {
    let initrds = args.initrd.iter().map(|file| initrd::read_initrd(file));
    let initrds = initrds.collect::<anyhow::Result<Vec<_>>>()?;
    for (index, initrd) in initrds.iter().enumerate() {
        let name = initrd.path.file_name();
        if let Some(other) = initrds[..index].iter().find(|other| other.path.file_name() == name) {
            let (one, other) = (other.path.display(), initrd.path.display());
            return Err(BadUsage(format!("{one} and {other} have one name: rename one")).into());
        }
    }
    Ok(initrds)
}

/// What people read of the results.
fn tell(results: &Results<'_>, changes: Option<&Changes>, ui: &Ui) -> anyhow::Result<()> {
    let Results { cells, planned, seconds, directory, .. } = *results;
    commands::print(&render::matrix(cells, planned, seconds, ui.look))?;
    commands::print(&render::failures(cells, directory, ui.look))?;
    commands::print(&options::table(cells, ui.look))?;
    commands::print(&render::left_out(results.left_out, ui.look))?;
    if let Some(changes) = changes {
        commands::print(&render::changes(changes, ui.look))?;
    }
    commands::print(&format!("page: {}\n", directory.join(files::PAGE).display()))
}

/// Everything, round by round: what is played often is spread over the whole time; and what is not
/// played anywhere there.
fn plays<'a>(
    args: &MatrixArgs,
    labs: &'a [Lab<'a>],
    scenarios: &'a [Scenario],
    cards: &[&'static CardSpec],
) -> anyhow::Result<(Vec<Play<'a>>, Vec<LeftOut>)> {
    let (mut places, mut left_out, mut never) = (Vec::new(), Vec::new(), Vec::new());
    for (lab, scenario) in labs.iter().flat_map(|lab| scenarios.iter().map(move |s| (lab, s))) {
        let own = scenario.cards.iter().map(|card| commands::card(card.get_ref()));
        let cards = match cards.is_empty() {
            true => own.collect::<Result<_, _>>()?,
            false => cards.to_vec(),
        };
        for card in cards {
            lab::can_have(card, &args.fault)?;
            // A moment that does not come in one scenario may in another.
            let refused = added(args).refused(scenario, card);
            never.extend(refused.clone());
            match refused.or_else(|| unfit(args, lab, scenario, card)) {
                None => places.push(Play { lab, scenario, card }),
                Some(reason) => left_out.push(LeftOut {
                    scenario: scenario.name.clone(),
                    card: card.name.to_owned(),
                    kernel: lab.kernel().to_owned(),
                    driver: lab.driver().name.to_owned(),
                    reason,
                }),
            }
        }
    }
    // Where it comes nowhere, it is the command that is wrong.
    if never.len() == left_out.len()
        && let (true, Some(first)) = (places.is_empty(), never.into_iter().next())
    {
        return Err(BadUsage(first).into());
    }
    let rounds = |play: &Play<'_>| args.repeat.unwrap_or(play.scenario.repeat);
    let most = places.iter().map(rounds).max().unwrap_or(0);
    let in_round = |round| places.iter().filter(move |play| round < rounds(play)).copied();
    Ok(((0..most).flat_map(in_round).collect(), left_out))
}

/// Why a scenario is not played there, if it is not.
fn unfit(
    args: &MatrixArgs,
    lab: &Lab<'_>,
    scenario: &Scenario,
    card: &'static CardSpec,
) -> Option<String> {
    // One that the user has named is tried all the same.
    let has = match commands::names_cards(&args.card) {
        true => lab.drives(card),
        false => lab.has(card),
    };
    // What a scenario breaks, not every card of the matrix has.
    let fits = has.and_then(|()| lab::suited(card, scenario, &Added::default()));
    let fits = fits
        .map_err(anyhow::Error::from)
        .and_then(|()| lab.plays(scenario, args.cold, Supply::of(&args.firmware)));
    fits.err().map(|reason| format!("{reason:#}"))
}

/// What the command line adds to each scenario.
fn added(args: &MatrixArgs) -> Added<'_> {
    Added {
        faults: &args.fault,
        cold: args.cold,
        without: &[],
        append: &args.tell.append,
        other_firmware: !matches!(Supply::of(&args.firmware), Supply::Stub),
        other_guest: !args.initrd.is_empty() || !args.own.module.is_empty(),
    }
}

/// What `--kernel` takes for all of the archive's.
const ALL: &str = "all";

/// Of each series of the archive, or offline of the cache, the newest.
fn newest_of_each_series(args: &MatrixArgs, ui: &Ui) -> anyhow::Result<Vec<String>> {
    let kernels = commands::kit(&args.fetch, ui)?.kernels()?;
    let mut newest: Vec<_> =
        kernels.iter().filter(|kernel| kernel.flavour == Flavour::Plain).collect();
    newest.dedup_by_key(|kernel| kernel.series());
    Ok(newest.into_iter().map(|kernel| kernel.release.clone()).collect())
}

/// Each kernel with its modules, where it is a file; `all` stands for those.
fn kernels<'a>(
    args: &'a MatrixArgs,
    all: &'a [String],
) -> Result<Vec<(&'a str, Option<&'a Path>)>, BadUsage> {
    let alone = args.kernel.len() == 1 && args.modules.len() == 1;
    let is_file = |kernel: &String| alone || kernel.contains('/');
    let files = args.kernel.iter().filter(|kernel| is_file(kernel)).count();
    // An initrd has its kernel's.
    if args.initrd.is_empty() && files != args.modules.len() {
        return Err(BadUsage(format!(
            "{files} of the kernels are files, and --modules is given {} times: each bzImage has \
             its modules, in this order",
            args.modules.len()
        )));
    }
    let mut modules = args.modules.iter();
    let mut with = |kernel| if is_file(kernel) { modules.next() } else { None };
    let mut kernels = Vec::new();
    for kernel in &args.kernel {
        match kernel == ALL {
            true => kernels.extend(all.iter().map(|kernel| (kernel.as_str(), None))),
            false => kernels.push((kernel.as_str(), with(kernel).map(PathBuf::as_path))),
        }
    }
    Ok(kernels)
}

/// How many guests at once, until when, and how many plays in all, round and round.
#[derive(Clone, Copy)]
struct Pace {
    jobs: usize,
    until: Option<Instant>,
    planned: usize,
}

/// What a long matrix spends of its time, at most, on keeping what is done by then: a twentieth.
const KEPT_AFTER: u32 = 20;

/// The cells in the plays' order; those that an interruption or the time left out are missing. When
/// one is done, `keep` gets all that are.
fn play_all(
    args: &MatrixArgs,
    known: &Known,
    plays: &[Play<'_>],
    pace: Pace,
    parent: &Path,
    progress: &MatrixProgress,
    keep: &(dyn Fn(&[Cell]) + Sync),
) -> Vec<Cell> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new((BTreeMap::new(), Instant::now()));
    let late = || pace.until.is_some_and(|until| Instant::now() >= until);
    std::thread::scope(|scope| {
        for _ in 0..pace.jobs.min(pace.planned) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= pace.planned || late() {
                        return;
                    }
                    let play = &plays[index % plays.len()];
                    let Some(cell) = play_one(args, known, play, parent, progress) else { return };
                    progress.done(&cell);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    let (cells, next_kept) = &mut *done;
                    cells.insert(index, cell);
                    let start = Instant::now();
                    if start >= *next_kept {
                        keep(&cells.values().cloned().collect::<Vec<_>>());
                        *next_kept = start + start.elapsed() * KEPT_AFTER;
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).0.into_values().collect()
}

/// Nothing if the user has stopped it.
fn play_one(
    args: &MatrixArgs,
    known: &Known,
    play: &Play<'_>,
    parent: &Path,
    progress: &MatrixProgress,
) -> Option<Cell> {
    let mut attempts = Vec::new();
    for _ in 0..=args.retries {
        if signals::stopping() {
            break;
        }
        let what = format!("{} {}", play.scenario.name, play.card.name);
        let spec = RunSpec {
            faults: &args.fault,
            interrupts: args.interrupts,
            firmware: Supply::of(&args.firmware),
            cold: args.cold,
            ..RunSpec::new(play.scenario, play.card, parent)
        };
        let attempt = match play.lab.run(&spec, &progress.job(&what)) {
            Ok(record) => Attempt::of(&record),
            Err(error) => Attempt {
                outcome: Outcome::Environment,
                line: format!("{error:#}"),
                seconds: 0.0,
                directory: None,
                began: None,
                seen: None,
            },
        };
        if attempt.outcome == Outcome::Interrupted {
            break;
        }
        let passed = attempt.outcome == Outcome::Passed;
        let place = Place {
            scenario: &play.scenario.name,
            card: play.card.name,
            kernel: play.lab.kernel_version(),
            driver: play.lab.driver().name,
        };
        let known = known.at(place).any(|(_, known)| known.is(attempt.outcome, &attempt.line));
        attempts.push(attempt);
        // A failure that is known need not be seen twice.
        if passed || known {
            break;
        }
    }
    let passed = attempts.last()?.outcome == Outcome::Passed;
    Some(Cell {
        scenario: play.scenario.name.clone(),
        card: play.card.name.to_owned(),
        kernel: play.lab.kernel().to_owned(),
        kernel_version: play.lab.kernel_version().to_owned(),
        driver: play.lab.driver().name,
        flaky: passed && attempts.len() > 1,
        attempts,
        known: None,
    })
}

/// The matrix' own directory gets everything; the files that the user named are copies.
fn write_reports(
    args: &MatrixArgs,
    dir: &RunDir,
    document: &str,
    before: Option<&Matrix>,
) -> anyhow::Result<Option<Changes>> {
    dir.write(files::MATRIX, document)?;
    let matrix = Matrix::read(dir.path())?;
    let changes = before.map(|before| Changes::between(before, &matrix));
    let (page, runs) = commands::report::matrix_page(&matrix, "", changes.as_ref())?;
    dir.write(files::PAGE, &page)?;
    for (own, text, copy) in [
        (files::JUNIT, junit::report(&runs, &matrix.left_out)?, &args.junit),
        (files::KTAP, ktap::report(&runs, &matrix.left_out), &args.ktap),
    ] {
        dir.write(own, &text)?;
        if let Some(copy) = copy {
            fs::write(copy, text)?;
        }
    }
    Ok(changes)
}
