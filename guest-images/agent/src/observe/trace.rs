//! Module tracepoints, from a tracefs instance of the agent's own.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread;

use guest_protocol::GuestEvent;

use crate::clock::mono_ns;
use crate::error::{Context, SetupError};
use crate::observe::marks::{self, Stream};
use crate::observe::record;
use crate::outbox::Outbox;

/// An instance shares its buffer and its clock with nobody.
const INSTANCE: &str = "/sys/kernel/tracing/instances/iwlbench";
const EVENTS: [&str; 3] = ["module_load", "module_free", "module_request"];
/// The kernel cuts a line to a page.
const MAX_LINE: u64 = 64 << 10;

/// Traces from now on; tracefs is mounted.
pub(crate) fn start(outbox: Outbox) -> Result<(), SetupError> {
    let instance = Path::new(INSTANCE);
    fs::create_dir_all(instance).context(|| format!("creating {INSTANCE}"))?;
    set(&instance.join("trace_clock"), "mono")?;
    for event in EVENTS {
        set(&instance.join(format!("events/module/{event}/enable")), "1")?;
    }
    let path = instance.join("trace_pipe");
    let pipe = File::open(&path).context(|| format!("reading {}", path.display()))?;
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            match pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                // The pipe ends when tracing is switched off, which nobody does.
                Ok(0) => {
                    outbox.note("no more kernel trace: trace_pipe ended");
                    return;
                }
                Ok(_) => report(&outbox, String::from_utf8_lossy(&line).trim_end()),
                Err(e) => {
                    outbox.note(format!("no more kernel trace: {e}"));
                    return;
                }
            }
        }
    });
    Ok(())
}

fn set(path: &Path, value: &str) -> Result<(), SetupError> {
    fs::write(path, value).context(|| format!("writing {value:?} to {}", path.display()))
}

/// What precedes a mark's number in the trace.
const MARK: &str = ": tracing_mark_write: iwlbench ";

/// Puts a mark into the trace, behind all that is in it. Returns its number.
pub(crate) fn mark() -> io::Result<u64> {
    let now = mono_ns();
    fs::write(Path::new(INSTANCE).join("trace_marker"), format!("iwlbench {now}"))?;
    Ok(now)
}

fn marked(line: &str) -> Option<u64> {
    line.rsplit_once(MARK)?.1.parse().ok()
}

fn report(outbox: &Outbox, line: &str) {
    if line.is_empty() {
        return;
    }
    if let Some(mark) = marked(line) {
        marks::seen(Stream::Trace, mark);
        return;
    }
    match parse(line) {
        Some((mono_ns, event)) => {
            let loaded = matches!(event, GuestEvent::ModuleLoad { .. });
            outbox.event_at(mono_ns, event);
            if loaded {
                record::module_came(outbox);
            }
        }
        // Among them `CPU:1 [LOST 12 EVENTS]`.
        None => outbox.note(format!("kernel trace: {line}")),
    }
}

/// `TASK-PID [CPU] FLAGS SECONDS.MICROS: EVENT: ARGUMENTS`. A task's name may
/// hold anything, so the stamp and the event's name are what is looked for.
fn parse(line: &str) -> Option<(u64, GuestEvent)> {
    EVENTS.iter().find_map(|event| {
        let needle = format!(": {event}: ");
        let at = line.find(&needle)?;
        let stamp = line[..at].rsplit(' ').next()?;
        let arguments = &line[at + needle.len()..];
        Some((nanoseconds(stamp)?, arguments_of(event, arguments)?))
    })
}

fn arguments_of(event: &str, arguments: &str) -> Option<GuestEvent> {
    // The module's name comes first; taint letters may follow it.
    let module = || arguments.split_whitespace().next().map(str::to_owned);
    match event {
        "module_load" => Some(GuestEvent::ModuleLoad { module: module()? }),
        "module_free" => Some(GuestEvent::ModuleFree { module: module()? }),
        "module_request" => {
            let (rest, call_site) = arguments.rsplit_once(" call_site=")?;
            let (module, wait) = rest.rsplit_once(" wait=")?;
            Some(GuestEvent::ModuleRequest {
                module: module.to_owned(),
                wait: match wait {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                },
                call_site: call_site.to_owned(),
            })
        }
        _ => None,
    }
}

/// `12.345678` seconds.
fn nanoseconds(stamp: &str) -> Option<u64> {
    let (seconds, micros) = stamp.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let micros: u64 = micros.parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_events() {
        let line = "        modprobe-123     [000] .....     5.123456: module_load: iwlmvm OE";
        assert_eq!(
            parse(line),
            Some((5_123_456_000, GuestEvent::ModuleLoad { module: "iwlmvm".into() }))
        );
        let line = "   kworker/0:1 x-9 [001] d..2. 1234.000001: module_free: iwldvm";
        assert_eq!(
            parse(line),
            Some((1_234_000_001_000, GuestEvent::ModuleFree { module: "iwldvm".into() }))
        );
        let line = " kworker/1:2-47 [001] ..... 7.000000: module_request: a b wait=0 call_site=iwl_req_fw_callback";
        assert_eq!(
            parse(line),
            Some((
                7_000_000_000,
                GuestEvent::ModuleRequest {
                    module: "a b".into(),
                    wait: false,
                    call_site: "iwl_req_fw_callback".into()
                }
            ))
        );
    }

    #[test]
    fn a_mark() {
        let line = "  guest-agent-1  [000] ..... 5.123456: tracing_mark_write: iwlbench 5123455000";
        assert_eq!(marked(line), Some(5_123_455_000));
        assert_eq!(marked("x-1 [000] ..... 5.0: tracing_mark_write: iwlbench no"), None);
    }

    #[test]
    fn what_is_no_event_is_none() {
        for line in [
            "CPU:1 [LOST 12 EVENTS]",
            "x-1 [000] ..... 1.5: module_load: m",
            "x-1 [000] ..... 1.000000: module_load: ",
            "x-1 [000] ..... 1.000000: module_request: m wait=2 call_site=f",
            "x-1 [000] ..... 99999999999999999.000000: module_load: m",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line in "(.|: module_(load|free|request): | wait=| call_site=|[0-9.]){0,40}") {
            let _ = parse(&line);
        }
    }
}
