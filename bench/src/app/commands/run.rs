//! `iwlbench run`.

use std::process::ExitCode;

use iwl_card::CardSpec;
use serde_json::json;

use crate::app::cli::RunArgs;
use crate::app::commands::{self, More};
use crate::app::{terminal, ui::Ui};
use crate::facts::failure::BadUsage;
use crate::facts::verdict::{self, Outcome};
use crate::lab::{self, Look, RunSpec, initrd, shell};
use crate::machine::session::Session;
use crate::record::cite::Supply;
use crate::record::matrix::{Cell, mark_known};
use crate::record::run::Record;
use crate::record::rundir;
use crate::report::render;
use crate::script::added::Added;
use crate::script::read;
use crate::script::scenario::{Scenario, Vars};

/// Seconds.
const A_DAY: u64 = 24 * 60 * 60;

/// Plays each scenario with each card, one after the other.
pub fn run(args: &RunArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    // Everything the user can get wrong is looked at before anything is fetched or booted.
    let initrd = args.initrd.as_deref().map(initrd::read_initrd).transpose()?;
    let mut scenarios = match &initrd {
        Some(own) => vec![initrd::scenario(own)],
        None => read::select(&args.scenario)?,
    };
    if args.twins {
        let twins: Vec<_> = scenarios.iter().flat_map(|s| s.twin_scenarios.clone()).collect();
        if twins.is_empty() {
            return Err(BadUsage("none of these scenarios has a twin".into()).into());
        }
        scenarios = twins;
    }
    let firmware = commands::firmware(&args.firmware)?;
    commands::set_patience(&mut scenarios, args.patience, firmware);
    refuse_what_cannot_be(args, &scenarios)?;
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };

    let known = commands::known_failures(args.known_failures.as_deref(), &scenarios, ui)?;
    let gdb = args.gdb.as_deref().map(gdb).transpose()?;
    let mut guest = args.guest.clone();
    if gdb.is_some() {
        // Where what is looked at is where it says that it is.
        guest.tell.append.push("nokaslr".to_owned());
        // Whoever is stopped by a debugger is not late.
        let patience = args.patience.unwrap_or(A_DAY);
        scenarios.iter_mut().for_each(|scenario| scenario.patience = patience);
    }
    let plays = plays(args, &scenarios)?;
    let more = More { shell: args.shell_on_failure, gdb, initrd };
    let lab = commands::lab_with(&guest, ui, more)?;
    let look = |session: &mut Session, _: &Vars| {
        ui.complain("it failed; this is a shell in its guest, which ends with it");
        let ended = shell::attach(session, &[], false);
        let said = ended.as_ref().map_or_else(|over| &over.line, |ended| &ended.said);
        if !said.is_empty() {
            ui.complain(said);
        }
        ended.map(drop)
    };
    let mut records = Vec::new();
    let mut lacking = 0;
    'plays: for (scenario, card) in plays {
        // One that the user has named is tried all the same.
        if let (false, Err(why)) = (commands::names_cards(&args.card), lab.has(card)) {
            let name = &scenario.name;
            ui.complain(&format!("{name} is not played with {}: {why}", card.name));
            lacking += 1;
            continue;
        }
        for _ in 0..args.repeat.unwrap_or(scenario.repeat) {
            let record = lab.run(
                &RunSpec {
                    scenario,
                    card,
                    faults: &args.fault,
                    interrupts: args.interrupts,
                    firmware,
                    image: args.image.as_deref(),
                    without: &args.without,
                    cold: args.cold,
                    strict: args.strict,
                    parent: &parent,
                    play: None,
                    look: args.shell_on_failure.then_some(Look { always: false, into: &look }),
                },
                &ui.run_progress(&format!("{} {}", scenario.name, card.name)),
            )?;
            let interrupted = record.verdict.outcome == Outcome::Interrupted;
            if !args.json && !ui.quiet {
                terminal::show(&render::text(&record, args.verbose, ui.look))?;
            }
            records.push(record);
            if interrupted {
                break 'plays;
            }
        }
    }
    if records.is_empty() && lacking > 0 {
        let kernel = lab.kernel_version();
        anyhow::bail!(
            "nothing was played: kernel {kernel} lacks the cards; --card NAME tries one all the same"
        );
    }
    let mut cells: Vec<_> = records.iter().map(Cell::of).collect();
    let whole = records.iter().all(|record| record.verdict.outcome != Outcome::Interrupted);
    mark_known(&mut cells, &known, whole);
    tell(args, &records, &cells, ui)?;
    Ok(verdict::combined(cells.iter().map(Cell::counts_as)))
}

/// QEMU's word for where it awaits a debugger.
fn gdb(place: &str) -> Result<String, BadUsage> {
    match place.parse::<u16>() {
        Ok(port) => Ok(format!("tcp:127.0.0.1:{port}")),
        Err(_) if place.contains('/') && !place.contains(',') => {
            Ok(format!("unix:{place},server=on,wait=off"))
        }
        Err(_) => Err(BadUsage(format!("--gdb={place}: neither a TCP port nor a socket's path"))),
    }
}

/// Each scenario with each card.
fn plays<'s>(
    args: &RunArgs,
    scenarios: &'s [Scenario],
) -> Result<Vec<(&'s Scenario, &'static CardSpec)>, BadUsage> {
    let mut plays = Vec::new();
    let chosen = commands::cards(&args.card)?;
    let added = Added {
        faults: &args.fault,
        cold: args.cold,
        without: &args.without,
        append: &args.guest.tell.append,
        other_firmware: !matches!(Supply::of(&args.firmware), Supply::Stub),
        other_guest: args.image.is_some()
            || args.initrd.is_some()
            || !args.guest.own.module.is_empty(),
    };
    for scenario in scenarios {
        let cards = match chosen.is_empty() {
            true => {
                let names = scenario.cards.iter();
                names.map(|card| commands::card(card.get_ref())).collect::<Result<_, _>>()?
            }
            false => chosen.clone(),
        };
        for card in cards {
            lab::suited(card, scenario, &added)?;
            plays.push((scenario, card));
        }
    }
    Ok(plays)
}

/// What the user's files and the scenarios do not allow.
fn refuse_what_cannot_be(args: &RunArgs, scenarios: &[Scenario]) -> Result<(), BadUsage> {
    if let Some(file) = &args.image {
        std::fs::File::open(file)
            .map_err(|error| BadUsage(format!("cannot read {}: {error}", file.display())))?;
    }
    if args.image.is_some()
        && let Some(scenario) = scenarios.iter().find(|s| !s.guest.without.is_empty())
    {
        return Err(BadUsage(format!(
            "scenario {} leaves modules out of the image; it cannot use --image",
            scenario.name
        )));
    }
    if args.image.is_some()
        && let Some(scenario) = scenarios.iter().find(|s| s.reads_declarations())
    {
        return Err(BadUsage(format!(
            "scenario {} compares with what the image's modules declare; it cannot use --image",
            scenario.name
        )));
    }
    Ok(())
}

/// What came of it all, after each run was told.
fn tell(args: &RunArgs, records: &[Record], cells: &[Cell], ui: &Ui) -> anyhow::Result<()> {
    if args.json {
        let passed = records.iter().filter(|r| r.verdict.outcome == Outcome::Passed).count();
        let known = records.iter().zip(cells).filter_map(|(record, cell)| {
            let known = cell.known.as_ref()?;
            Some(json!({
                "scenario": cell.scenario, "card": cell.card, "directory": record.directory,
                "reason": known.reason, "at": known.at, "gone": known.gone,
            }))
        });
        let document = json!({
            "format": 1, "passed": passed, "known": known.collect::<Vec<_>>(),
            "rates": render::rates(records), "runs": records,
        });
        commands::json(&document)?;
    } else if !ui.quiet {
        // Each has told how it ended.
        if records.len() > 1 {
            commands::print(&render::totals(records, ui.look))?;
        }
        return commands::print(&render::known_failures(cells, ui.look));
    }
    terminal::flush()?;
    for (record, cell) in records.iter().zip(cells) {
        let directory = record.directory.display();
        match (&cell.known, record.verdict.outcome) {
            (Some(_), _) => ui.complain(&render::known(cell)),
            (None, Outcome::Passed) => {}
            (None, _) => {
                let failure = render::failure(record);
                ui.complain(&format!("{failure}; run: {directory}"));
            }
        }
    }
    Ok(())
}
