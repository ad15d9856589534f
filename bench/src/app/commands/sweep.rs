//! `iwlbench sweep`.

use std::process::ExitCode;

use anyhow::Context;
use fs_err as fs;
use iwl_card::CardSpec;
use serde_json::json;

use crate::app::cli::{GuestArgs, SweepArgs, TellArgs};
use crate::app::ui::Ui;
use crate::app::{commands, terminal};
use crate::facts::driver::STOCK;
use crate::facts::failure::BadUsage;
use crate::facts::verdict::Outcome;
use crate::lab::Lab;
use crate::lab::sweep::Sweeper;
use crate::record::files;
use crate::record::rundir::{self, RunDir};
use crate::record::sweep::{Difference, Sweep};
use crate::report::sweep as report;

/// Asks the driver of each kernel about all parts that it knows.
pub fn sweep(args: &SweepArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let wanted = args.device.iter().map(|id| device(id)).collect::<Result<Vec<_>, _>>()?;
    // Better to know it before a thousand parts.
    for file in args.csv.iter().chain(&args.junit) {
        commands::place_for(file)?;
    }
    let parent = match &args.out {
        Some(out) => out.clone(),
        None => rundir::default_parent()?,
    };
    let dir = RunDir::create_in(&parent, &format!("{}-sweep", rundir::stamp()))?;
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let labs =
        args.kernel.iter().map(|kernel| lab(args, kernel, ui)).collect::<Result<Vec<_>, _>>()?;
    let mut sweepers = labs.iter().map(Sweeper::new).collect::<Result<Vec<_>, _>>()?;
    // What is to be compared is tried with each.
    let all: Vec<_> = sweepers.iter().flat_map(|sweeper| sweeper.parts.clone()).collect();
    let mut sweeps: Vec<Sweep> = Vec::new();
    for (lab, sweeper) in labs.iter().zip(&mut sweepers) {
        sweeper.try_too(&all);
        if !wanted.is_empty() {
            let is = |part: &CardSpec, (device, subsystem): &(u16, Option<u16>)| {
                part.pci.device == *device && subsystem.is_none_or(|own| own == part.pci.subsystem)
            };
            sweeper.parts.retain(|part| wanted.iter().any(|wanted| is(part, wanted)));
        }
        if sweeper.parts.is_empty() {
            return Err(BadUsage(format!(
                "the driver of kernel {} knows no device {}",
                lab.kernel(),
                args.device.join(", ")
            ))
            .into());
        }
        let progress = ui.sweep_progress(lab.kernel(), sweeper.parts.len());
        let swept = sweeper.sweep(jobs, dir.path(), &progress)?;
        drop(progress);
        if !args.json && !ui.quiet {
            terminal::show(&report::table(&swept, ui.look))?;
        }
        sweeps.push(swept);
    }
    let differences: Vec<_> =
        sweeps.windows(2).map(|pair| Difference::of(&pair[0], &pair[1])).collect();
    let document = json!({ "format": 1, "sweeps": sweeps, "differences": differences });
    let document = format!("{}\n", serde_json::to_string_pretty(&document)?);
    dir.write(files::SWEEP, &document)?;
    if args.json {
        commands::print(&document)?;
    } else {
        for difference in &differences {
            commands::print(&report::difference(difference, ui.look))?;
        }
    }
    if let Some(file) = &args.csv {
        fs::write(file, report::csv(&sweeps).context("the table cannot be written as CSV")?)?;
    }
    if let Some(file) = &args.junit {
        fs::write(file, report::junit(&sweeps).context("the table cannot be written as JUnit")?)?;
    }
    terminal::flush()?;
    let complained = sweeps.iter().flat_map(|sweep| &sweep.parts).filter(|p| p.trouble.is_some());
    match complained.count() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            let directory = dir.path().display();
            let told = format!("the kernel complains of {count} parts; runs: {directory}");
            ui.complain(&told);
            Ok(ExitCode::from(Outcome::Failed.exit_code()))
        }
    }
}

/// A lab with this kernel's own driver.
fn lab<'u>(args: &SweepArgs, kernel: &str, ui: &'u Ui) -> anyhow::Result<Lab<'u>> {
    let guest = GuestArgs {
        kernel: kernel.to_owned(),
        modules: None,
        driver: STOCK.to_owned(),
        kdir: None,
        accel: args.accel,
        cpus: None,
        own: args.own.clone(),
        tell: TellArgs { append: Vec::new(), qemu_arg: Vec::new(), trace: Vec::new() },
        fetch: args.fetch.clone(),
    };
    commands::lab(&guest, ui)
}

/// PCI ids: `2725`, `2725:0094` with the subsystem's, `8086:2725`.
fn device(text: &str) -> Result<(u16, Option<u16>), BadUsage> {
    let wrong = || {
        BadUsage(format!(
            "`{text}` is no PCI device id: write 2725, or 2725:0094 with its subsystem's"
        ))
    };
    let number = |id: &str| {
        let id = id.strip_prefix("0x").unwrap_or(id);
        u16::from_str_radix(id, 16).map_err(|_| wrong())
    };
    let ids = text.strip_prefix("8086:").unwrap_or(text);
    match ids.split_once(':') {
        None => Ok((number(ids)?, None)),
        Some((device, subsystem)) => Ok((number(device)?, Some(number(subsystem)?))),
    }
}
