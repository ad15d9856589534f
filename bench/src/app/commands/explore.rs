//! `iwlbench explore`.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use crate::app::cli::ExploreArgs;
use crate::app::ui::Ui;
use crate::app::{commands, terminal};
use crate::facts::failure::Interrupted;
use crate::facts::verdict::{self, Outcome};
use crate::lab;
use crate::lab::explore::{self, Class, Order, Spec};
use crate::machine::signals;
use crate::record::rundir;
use crate::script::added::Added;
use crate::script::read;

/// Explores the scenario with each card.
pub fn explore(args: &ExploreArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    if args.initrd.is_some() {
        let why = "there is nothing to explore in a distribution's own initrd: an exploration orders what \
                   gates hold, and it has none; play it with `iwlbench run --initrd`";
        return Err(crate::facts::failure::BadUsage(why.to_owned()).into());
    }
    let mut scenario = read::find(&args.scenario)?;
    if let Some(patience) = args.patience {
        // In the table too: the orders are made of that.
        let seconds =
            i64::try_from(patience).map_err(crate::facts::failure::BadUsage::from_error)?;
        scenario.table.insert("patience".into(), seconds.into());
    }
    let cards = match args.card.is_empty() {
        true => {
            let names = scenario.cards.iter();
            names.map(|card| commands::card(card.get_ref())).collect::<Result<_, _>>()?
        }
        false => commands::cards(&args.card)?,
    };
    let known = commands::known_failures(
        args.known_failures.as_deref(),
        std::slice::from_ref(&scenario),
        ui,
    )?;
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let added = Added {
        faults: &args.fault,
        append: &args.guest.tell.append,
        other_guest: !args.guest.own.module.is_empty(),
        ..Added::default()
    };
    for card in &cards {
        lab::suited(card, &scenario, &added)?;
    }
    let jobs = commands::jobs(args.jobs);
    let lab = commands::lab(&args.guest, ui)?;
    let started = Instant::now();
    let mut explorations = Vec::new();
    for card in cards {
        if signals::stopping() {
            break;
        }
        let spec = Spec {
            scenario: &scenario,
            card,
            faults: &args.fault,
            hold: &args.hold,
            bound: args.bound,
            jobs,
            known: &known,
            parent: &parent,
        };
        let exploration = explore::explore(&lab, &spec, &ui.orders_progress())?;
        commands::report::exploration_page(&exploration.directory)?;
        if !args.json && !ui.quiet {
            terminal::show(&explore::text::table(&exploration, &lab.describe(), ui.look))?;
        }
        explorations.push(exploration);
    }
    if args.json {
        let document = json!({
            "format": 1,
            "jobs": jobs,
            "seconds": started.elapsed().as_secs_f64(),
            "explorations": explorations,
        });
        commands::json(&document)?;
    }
    terminal::flush()?;
    let orders = || explorations.iter().flat_map(|exploration| &exploration.orders);
    let gone = || explorations.iter().flat_map(|exploration| &exploration.gone);
    // The table has told of all of it.
    if args.json || ui.quiet {
        for order in orders().filter(|order| order.class != Some(Class::Fine)) {
            match &order.known {
                Some(known) => {
                    let told = known.told(order.outcome.word());
                    ui.complain(&format!("order {}: {told}", order.number));
                }
                None => ui.complain(&explore::text::failure(order)),
            }
        }
        for known in gone() {
            let told = known.told("");
            ui.complain(&format!("what is known of {} {told}", scenario.name));
        }
    }
    if signals::stopping() {
        return Err(Interrupted.into());
    }
    let outcomes = orders().map(Order::counts_as).chain(gone().map(|_| Outcome::Failed));
    Ok(verdict::combined(outcomes))
}
