//! `iwlbench device`: the card alone, for any QEMU.

use std::io::{ErrorKind, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use card_host::{Beside, Ended, Notice, NoticeReceiver, Served, Told, Watch, notices};
use guest_kit::{CacheDir, Kit, KitOptions, Silent};
use iwl_card::{Card, CardOptions, CardSpec};
use serde_json::json;
use vfio_server::{Exit, Server};

use crate::app::cli::DeviceArgs;
use crate::app::{commands, terminal};
use crate::facts::derive;
use crate::facts::failure::BadUsage;
use crate::facts::timeline::seconds;
use crate::facts::timeline::{Event, Source, What, write_header};
use crate::lab;
use crate::machine::faults::FaultWatch;
use crate::machine::{qemu, signals};
use crate::report::words;
use crate::script::moments;
use crate::script::scenario::{Happening, Moment, PlannedFault};

/// Notices that wait to be printed. A guest makes a million in a second; who reads them may be
/// slower, or not there.
const MOST_WAITING: usize = 1 << 16;
/// How long what waits is given to be printed when the card has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves until a signal comes, or the one client of `--fd` goes.
pub fn device(args: &DeviceArgs) -> anyhow::Result<ExitCode> {
    // One that comes before there is anything to stop is told below.
    let _watched_from_the_start = signals::on_signal(|_| ());
    let spec = commands::card(&args.card)?;
    lab::can_have(spec, &args.fault)?;
    let by_the_bench = |moment: &&Moment| match &moment.what {
        Happening::Milestone(pattern) => !derive::IS_OF_A_CARD.contains(&&*pattern.milestone),
        Happening::Event(_) => false,
    };
    if let Some(moment) = args.fault.iter().flat_map(PlannedFault::moments).find(by_the_bench) {
        return Err(BadUsage(format!(
            "--fault …@{moment}: a card alone knows only what it does itself; there are {}",
            derive::IS_OF_A_CARD.join(", ")
        ))
        .into());
    }
    for moment in args.fault.iter().flat_map(PlannedFault::moments) {
        if let Happening::Event(event) = &moment.what
            && let Some(what) = moments::no_event(&[spec], event)
        {
            return Err(BadUsage(format!("--fault …@{moment} never comes: {what}")).into());
        }
    }
    let server = match (&args.socket_path, args.fd) {
        (Some(path), _) => {
            commands::place_for(path)?;
            Server::bind(path).map_err(BadUsage::from_error)?
        }
        (None, Some(fd)) => Server::from_fd(inherited(fd)?)
            .map_err(|error| BadUsage(format!("descriptor {fd} cannot be served: {error}")))?,
        (None, None) => unreachable!("clap requires one"),
    };
    let options = CardOptions {
        interrupts: args.interrupts.map(|choice| choice.of(spec)).transpose()?,
        faults: args.fault.iter().filter_map(PlannedFault::at_power_on).collect(),
        ..CardOptions::default()
    };
    let card = Card::new(spec, options);
    let (sender, notices) = notices(MOST_WAITING);
    let faults = FaultWatch::new(spec.name, args.fault.clone());
    let watch: Watch = Box::new(move |event| faults.card_does(event));
    let beside = Beside { watch: Some(watch), ..Beside::default() };
    let failed = Arc::new(OnceLock::new());
    let fails = Arc::clone(&failed);
    let served = Served::start_with(card, server, beside, move |at, notice| {
        if let Notice::Ended(Ended { result: Err(why), .. }) = &notice {
            let _ = fails.set(why.clone());
        }
        sender.send(at, notice);
    })?;
    let stop = served.stop_handle();
    let _watched = signals::on_signal(move |_| stop.stop());

    let socket = match (&args.socket_path, args.fd) {
        (Some(path), _) => {
            let path = std::path::absolute(path)?;
            json!({ "type": "unix", "path": path })
        }
        (None, fd) => json!({ "type": "fd", "str": fd.unwrap_or_default().to_string() }),
    };
    // Whoever reads may have stopped reading (Ctrl-S): that must not keep the card from ending.
    let (printed, done) = mpsc::channel();
    let (json, verbose) = (args.json, args.verbose);
    std::thread::Builder::new().name("printer".into()).spawn(move || {
        // To look for the kit's QEMU may take its time too.
        let result = head(spec, &socket, json)
            .and_then(|head| trace(&head, &notices, spec.name, json, verbose));
        // The receiver goes only with the process.
        let _ = printed.send(result);
    })?;
    served.join();
    match (done.recv_timeout(LAST_WORDS), failed.get()) {
        (Ok(result), _) => result,
        (Err(_), Some(why)) => Err(anyhow::anyhow!("the card stopped: {why}")),
        (Err(_), None) => {
            if signals::stopping() {
                terminal::line("iwlbench: what the card did last was not read, and is not shown");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is printed before the card does anything: its name, and how a QEMU gets it.
fn head(spec: &CardSpec, socket: &serde_json::Value, json: bool) -> anyhow::Result<String> {
    if json {
        let mut header = Vec::new();
        write_header(&mut header)?;
        return Ok(String::from_utf8(header)?);
    }
    let stub = lab::stub_of(spec)?;
    let firmware = match spec.identity.is_another_part() {
        true => format!("what the driver asks for, as its log says; here it is {}", spec.identity),
        false => format!(
            "/lib/firmware/{}<API>.ucode (`iwlbench ucode build --card {}` makes one)",
            stub.stem, spec.name
        ),
    };
    Ok(format!(
        "card {}: {} (8086:{:04x}), drives {}\n\
         firmware in the guest: {firmware}\n\n\
         QEMU from 10.1 on{}\n\
         The card reads and writes guest memory, so share it:\n\n  \
         -object memory-backend-memfd,id=mem,size=1G,share=on -m 1G \\\n  \
         -machine q35,memory-backend=mem \\\n  \
         -device pcie-root-port,id=rp0 \\\n  \
         -device '{}'\n\n\
         Ctrl-C ends it.\n",
        spec.name,
        spec.marketing,
        spec.pci.device,
        spec.opmode.module(),
        kits_qemu(),
        qemu::card_device("rp0", "wlan-card", socket)
    ))
}

/// The QEMU that is here, if one is: none is fetched for it.
fn kits_qemu() -> String {
    let options = KitOptions { offline: true, ..KitOptions::default() };
    let kit = CacheDir::from_env().map(|cache| Kit::new(cache, options, Box::new(Silent)));
    match kit.and_then(|kit| kit.qemu()) {
        Ok((qemu, _)) => format!(", as the one here:\n\n  {}\n", commands::started_by(&qemu)),
        Err(_) => "; `iwlbench setup` fetches one.".to_owned(),
    }
}

/// Takes over a descriptor that the parent left open for us.
fn inherited(fd: RawFd) -> anyhow::Result<OwnedFd> {
    if fd < 3 {
        return Err(BadUsage(format!("--fd {fd}: give a socket's descriptor, 3 or higher")).into());
    }
    #[expect(unsafe_code, reason = "a number from the command line becomes a descriptor")]
    // SAFETY: nothing else in this process knows this number: the process has opened nothing by
    // it, and `fcntl` below tells whether it is open at all before it is used.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    match rustix::io::fcntl_getfd(&owned) {
        Ok(_) => Ok(owned),
        Err(error) => {
            // It is not ours to close.
            std::mem::forget(owned);
            Err(BadUsage(format!("--fd {fd}: {error}")).into())
        }
    }
}

fn trace(
    head: &str,
    notices: &NoticeReceiver,
    card: &str,
    json: bool,
    verbose: bool,
) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut reader_there = match out.write_all(head.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        result => result.is_ok(),
    };
    let mut seq = 0;
    loop {
        // What is printed goes out at the latest when there is nothing more to print.
        let next = match notices.try_recv() {
            None => {
                reader_there &= out.flush().is_ok();
                notices.recv()
            }
            told => told,
        };
        let (at, notice) = match next {
            None => anyhow::bail!("the card's thread ended without a word"),
            Some(Told::Notice(at, notice)) => (at, notice),
            Some(Told::Dropped(count)) => {
                let text = if json {
                    json!({ "kind": "dropped", "count": count }).to_string()
                } else {
                    format!(
                        "           {count} notices are not shown: they came faster than they were read"
                    )
                };
                reader_there = reader_there && writeln!(out, "{text}").is_ok();
                continue;
            }
        };
        let t_ns = u64::try_from(at.saturating_duration_since(start).as_nanos())?;
        let text = match notice {
            Notice::Card(event) => {
                if event.accesses() > 0 && !verbose && !json {
                    continue;
                }
                let what = What::Card { card: card.to_owned(), event };
                let event = Event { seq, t_ns, source: Source::Card, guest_ns: None, what };
                seq += 1;
                if json {
                    serde_json::to_string(&event)?
                } else {
                    format!("{:>9.3}  {}", seconds(t_ns), words::line(&event))
                }
            }
            Notice::Attached if json => json!({ "t_ns": t_ns, "kind": "attached" }).to_string(),
            Notice::Detached { why, .. } if json => {
                json!({ "t_ns": t_ns, "kind": "detached", "why": why }).to_string()
            }
            Notice::Attached => format!("{:>9.3}  QEMU is here", seconds(t_ns)),
            Notice::Detached { why, .. } => format!("{:>9.3}  QEMU has gone: {why}", seconds(t_ns)),
            Notice::Ended(Ended { result, summary }) => {
                if let Some(summary) = summary
                    && !json
                    && reader_there
                {
                    // Nobody is left to be told of it.
                    let _ = write_summary(&mut out, &summary, verbose);
                }
                out.flush().ok();
                let exit = result.map_err(anyhow::Error::msg).context("the card stopped")?;
                return Ok(match exit {
                    Exit::Stopped | Exit::Disconnected => ExitCode::SUCCESS,
                });
            }
        };
        reader_there = reader_there && writeln!(out, "{text}").is_ok();
    }
}

/// The card's totals; with `named`, also what it gives no meaning to.
fn write_summary(
    out: &mut impl Write,
    summary: &iwl_card::Summary,
    named: bool,
) -> std::io::Result<()> {
    let rest = if named { String::new() } else { words::unmodelled(summary.unmodelled.len()) };
    writeln!(out, "{} register reads, {} writes{rest}", summary.reads, summary.writes)?;
    for unmodelled in summary.unmodelled.iter().filter(|_| named) {
        writeln!(
            out,
            "  unmodelled: {} ({} reads, {} writes)",
            unmodelled.reg, unmodelled.reads, unmodelled.writes
        )?;
    }
    Ok(())
}
