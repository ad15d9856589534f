//! `iwlbench soak`: the cards under a hostile client.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use card_host::soak::{SoakOptions, soak};

use crate::app::cli::SoakArgs;
use crate::app::commands;
use crate::machine::signals;

/// Until enough is sent, the time is up or a signal comes; 1 if anything grew, hung or died.
pub fn run(args: &SoakArgs) -> anyhow::Result<ExitCode> {
    let cards = commands::cards(&args.card)?;
    let counted = args.messages.is_some() || args.total.is_some();
    let seconds = args.seconds.or((!counted).then_some(60));
    let options = SoakOptions {
        cards: match cards.is_empty() {
            true => iwl_card::one_of_each_generation().collect(),
            false => cards,
        },
        messages: args.messages.unwrap_or(u64::MAX),
        total: args.total.unwrap_or(u64::MAX),
        time: seconds.map_or(Duration::MAX, Duration::from_secs),
        seed: args.seed,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let _watched = signals::on_signal(move |_| stopped.store(true, Ordering::Relaxed));
    let report = soak(&options, &stop)?;
    commands::print(&format!("{report} (seed {})\n", args.seed))?;
    Ok(if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
