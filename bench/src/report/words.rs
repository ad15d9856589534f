//! Events and milestones in a line, wherever they are shown. What is not known is shown as its
//! fields.

use iwl_card::{Image, Wrong};
use serde_json::{Map, Value};

use super::fields::{plain, str};
use super::run::{Event, Milestone};
use crate::facts::errno::Errno;
use crate::facts::symbol::readable;
use crate::facts::timeline::{self, seconds};

type Fields = Map<String, Value>;

/// How many registers a card gives no meaning to, behind its totals, where they are not named; nothing of none.
pub fn unmodelled(registers: usize) -> String {
    match registers {
        0 => String::new(),
        1 => "; 1 register without a model (-v names it)".to_owned(),
        n => format!("; {n} registers without a model (-v names them)"),
    }
}

fn show(fields: &Fields, field: &str) -> String {
    fields.get(field).map(plain).unwrap_or_default()
}

fn hex(fields: &Fields, field: &str) -> String {
    fields
        .get(field)
        .and_then(Value::as_u64)
        .map_or_else(|| show(fields, field), |number| format!("{number:#x}"))
}

fn is(fields: &Fields, field: &str) -> bool {
    fields.get(field) == Some(&Value::Bool(true))
}

fn image(fields: &Fields) -> String {
    let known = fields.get("image").and_then(|image| serde_json::from_value(image.clone()).ok());
    known.map_or_else(|| show(fields, "image"), |image: Image| image.to_string())
}

fn words(fields: &Fields, field: &str) -> String {
    let words = fields.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    words.iter().map(plain).collect::<Vec<_>>().join(" ")
}

fn generic(kind: &str, fields: &Fields) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!(" {name}={}", plain(value))).collect();
    format!("{kind}{fields}")
}

/// An event in a line.
pub fn line(event: &timeline::Event) -> String {
    let read = serde_json::to_value(event).and_then(serde_json::from_value::<Event>);
    read.map_or_else(|error| error.to_string(), |event| event.text())
}

impl Event {
    /// In a line.
    pub fn text(&self) -> String {
        event(self)
    }
}

impl Milestone {
    /// In a line.
    pub fn text(&self) -> String {
        milestone(self)
    }
}

/// With its time and source, for the text report.
pub(super) fn timed(event: &Event) -> String {
    format!("{:>9.3}  {:<13} {}", seconds(event.t_ns), event.source, event.text())
}

/// What a gate's question is about.
pub(super) fn subject(event: &Event) -> &str {
    match event.str("gate") {
        "module" => event.str("module"),
        _ => event.str("path"),
    }
}

fn event(event: &Event) -> String {
    let f = &event.fields;
    match event.kind.as_str() {
        "reg-read" | "reg-write" => access(event),
        "mem-read" => {
            format!("device memory read on: {} bytes at {}", show(f, "len"), hex(f, "addr"))
        }
        "reset" => format!("{} reset", str(f, "how")),
        "interrupt" => {
            let vector = f.get("vector").map_or(String::new(), |v| format!(" {v}"));
            let causes = match words(f, "names") {
                none if none.is_empty() => format!("causes {}", hex(f, "causes")),
                names => names,
            };
            format!("interrupt {}{vector}: {causes}", str(f, "line"))
        }
        "dma-fault" => format!(
            "DMA fault at {}, {} bytes, during {}",
            hex(f, "addr"),
            show(f, "len"),
            str(f, "during")
        ),
        "bad-input" => format!("bad input: {}", str(f, "what")),
        "nvm-read" => format!(
            "NVM read: {} at {}, {} bytes{}",
            str(f, "section"),
            hex(f, "offset"),
            show(f, "len"),
            if is(f, "present") { "" } else { ", absent" }
        ),
        "section-uploaded" => format!(
            "{} ucode section {}: {} bytes{}",
            image(f),
            show(f, "index"),
            show(f, "len"),
            if f.contains_key("dst") { format!(" to {}", hex(f, "dst")) } else { String::new() }
        ),
        "section-wrong" => {
            let how = f.get("how").and_then(|how| serde_json::from_value(how.clone()).ok());
            let how = how.map_or_else(|| show(f, "how"), |how: Wrong| how.to_string());
            format!("{} ucode section {} {how}", image(f), show(f, "index"))
        }
        "iml-loaded" => format!("image loader: {} bytes", show(f, "len")),
        "pnvm-loaded" => format!("PNVM: {} bytes", show(f, "len")),
        "cpu-released" => format!(
            "CPU released: {} ucode, {} sections, {} bytes",
            image(f),
            show(f, "sections"),
            show(f, "bytes")
        ),
        "alive" => {
            format!("{} ALIVE{}", image(f), if is(f, "valid") { "" } else { ", not valid" })
        }
        "host-command" => format!(
            "command {} (group {}, queue {}, {} bytes){}",
            str(f, "name"),
            show(f, "group"),
            show(f, "queue"),
            show(f, "len"),
            if is(f, "modelled") { "" } else { ", generic reply" }
        ),
        "packet" => format!(
            "{} {}, {} bytes",
            if is(f, "notification") { "notification" } else { "response" },
            str(f, "name"),
            show(f, "len")
        ),
        "alive-released" => "ALIVE is let go".to_owned(),
        "fault-switched" => {
            format!("fault {} {}", str(f, "fault"), if is(f, "on") { "begins" } else { "ends" })
        }
        "rf-kill-switched" => format!("RF-kill switch {}", if is(f, "on") { "on" } else { "off" }),
        "vanished" => "the card is off the bus, untold".to_owned(),
        "fault-injected" => format!("FAULT: {}", str(f, "fault")),
        "ask" if str(f, "gate") == "module" => format!("kernel runs {}", words(f, "argv")),
        "ask" => format!("loader looks up {}", subject(event)),
        "answer" => {
            format!("bench answers {}: {}", subject(event), answer(f))
        }
        "hello" => format!(
            "guest is up: kernel {}, {}",
            str(f, "kernel_release"),
            f.get("modprobe").and_then(Value::as_str).unwrap_or("no modprobe")
        ),
        "uevent" => {
            let extra: String = ["driver", "interface"]
                .into_iter()
                .filter_map(|name| Some(format!(" {name}={}", f.get(name)?.as_str()?)))
                .collect();
            format!("{} {}{extra}", str(f, "action"), str(f, "devpath"))
        }
        "module-load" => format!("module_load {}", str(f, "module")),
        "module-free" => format!("module_free {}", str(f, "module")),
        "module-request" => {
            // A function, and its module.
            let site = str(f, "call_site");
            let function = site.split(' ').next().unwrap_or_default();
            let site = site.replacen(function, &readable(function), 1);
            format!("module_request {} wait={} from {site}", str(f, "module"), is(f, "wait"))
        }
        "module-loader-exit" => {
            let stderr = str(f, "stderr").trim();
            let said = if stderr.is_empty() { String::new() } else { format!(": {stderr}") };
            format!("{} {}{said}", words(f, "argv"), loader_outcome(f))
        }
        "kernel-log" => match f.get("level") {
            Some(level) => format!("<{}> {}", plain(level), str(f, "text")),
            None => str(f, "text").to_owned(),
        },
        "console" => str(f, "text").to_owned(),
        "kernel-log-lost" => "kernel log records were lost".to_owned(),
        "firmware-read" => format!("{} read, {} bytes", str(f, "path"), show(f, "bytes")),
        "dropped" => format!("{} more {} not told: a flood", show(f, "count"), str(f, "what")),
        "program-ended" => {
            let said = [str(f, "stdout").trim(), str(f, "stderr").trim()].join(" ");
            let how = if is(f, "timed_out") { "did not end" } else { "ended with" };
            format!("{} {how} {}: {}", words(f, "argv"), show(f, "status"), said.trim())
        }
        "file-read" => format!("{} holds {}", str(f, "path"), str(f, "text").trim()),
        "agent-note" | "note" => str(f, "text").to_owned(),
        "guest-started" => "guest starts".to_owned(),
        "guest-restored" => "guest restored from its snapshot".to_owned(),
        "card-plugged" => format!("card {} plugged in", str(f, "card")),
        "card-ejected" => format!("card {} asked to leave", str(f, "card")),
        "guest-resumed" => match f.get("again").and_then(Value::as_u64) {
            Some(again @ 1..) => format!("guest resumed; {again} lines to its agent said again"),
            _ => "guest resumed".to_owned(),
        },
        "clock-measured" => {
            let error = f.get("error_ns").and_then(Value::as_u64).unwrap_or_default();
            format!("guest clock known to ±{:.3} ms", seconds(error) * 1e3)
        }
        "step-started" => format!("step {}", str(f, "step")),
        "step-ended" => match f.get("error") {
            None => format!("step {} done", str(f, "step")),
            Some(error) => {
                let wanted = if is(f, "wanted") { ", as it has to" } else { "" };
                format!("step {} failed{wanted}: {}", str(f, "step"), plain(error))
            }
        },
        "kernel-trouble" => format!("kernel trouble, {}: {}", str(f, "trouble"), str(f, "text")),
        "qmp" => {
            let data = f.get("data").filter(|d| !d.is_null());
            format!("{}{}", str(f, "event"), data.map_or(String::new(), |d| format!(" {d}")))
        }
        "qemu-exited" => format!("QEMU ended: {}", str(f, "status")),
        "card-stopped" => format!("the card stopped: {}", str(f, "why")),
        other => generic(other, f),
    }
}

pub(super) fn access(event: &Event) -> String {
    let f = &event.fields;
    let space = match str(f, "space") {
        "csr" => String::new(),
        "prph" | "mem" => format!("{} ", str(f, "space").to_uppercase()),
        other => format!("{other} "),
    };
    let note = match str(f, "outcome") {
        "implemented" => String::new(),
        "stub" => " (stored)".to_owned(),
        "unknown" => " (unmodelled)".to_owned(),
        other => format!(" ({other})"),
    };
    let letter = if event.kind == "reg-read" { 'R' } else { 'W' };
    format!("{letter} {space}{} = {}{note}", str(f, "reg"), hex(f, "value"))
}

fn answer(fields: &Fields) -> String {
    let (answer, value) = (str(fields, "answer"), fields.get("value").and_then(Value::as_i64));
    match (answer, value) {
        ("file", Some(bytes)) => format!("file, {bytes} bytes"),
        ("exit", Some(status)) => format!("exit status {status}"),
        ("kill", Some(signal)) => format!("killed by signal {signal}"),
        ("errno", Some(number)) => {
            i32::try_from(number).map_or_else(|_| number.to_string(), |n| Errno(n).to_string())
        }
        (answer, None) => answer.to_owned(),
        (answer, Some(value)) => format!("{answer} {value}"),
    }
}

fn loader_outcome(fields: &Fields) -> String {
    let Some(Value::Object(outcome)) = fields.get("outcome") else { return String::new() };
    match str(outcome, "how") {
        "exited" => format!("exited with {}", show(outcome, "status")),
        "answered" => format!("was answered with exit status {}", show(outcome, "status")),
        "killed" => format!("was killed by signal {}", show(outcome, "signal")),
        "no-modprobe" => "did not run: no modprobe in the guest".to_owned(),
        how => generic(how, outcome),
    }
}

/// As the bench words it; one that it does not know as its fields.
fn milestone(milestone: &Milestone) -> String {
    milestone
        .known()
        .map_or_else(|| generic(&milestone.kind, &milestone.fields), |known| known.to_string())
}
