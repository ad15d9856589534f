//! The page of a run.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::events::{self, Row};
use super::page::{self, class, escape, page, program};
use super::picture::{Picture, picture, shown_milestones};
use crate::facts::phases;
use crate::facts::timeline::seconds;
use crate::report::fields;
use crate::report::run::{Record, Run};

const SCRIPT: &str = concat!(include_str!("timeline.js"), include_str!("run.js"));

/// What the script draws.
#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    picture: Picture,
    rows: Vec<Row>,
    left_out: usize,
}

/// The run as a page.
///
/// # Errors
/// The JSON cannot be put together.
pub fn report(run: &Run) -> serde_json::Result<String> {
    let verdict = run.verdict();
    let mut body = String::new();
    head(&mut body, run, class(verdict.class()));
    expectations(&mut body, run);
    complaint(&mut body, run);
    body.push_str(
        "<section>\n<h2>Timeline</h2>\n\
         <p class=\"tools\" id=\"tools\"></p>\n\
         <figure id=\"picture\" tabindex=\"0\" aria-label=\"Timeline\"></figure>\n\
         <p class=\"detail\" id=\"detail\" role=\"status\"></p>\n\
         <noscript><p>The picture and the event list need JavaScript; the milestones below do \
         not.</p></noscript>\n</section>\n",
    );
    milestones(&mut body, run);
    body.push_str(
        "<section>\n<h2>Events</h2>\n<p class=\"tools\" id=\"filters\"></p>\n\
         <div id=\"events\"></div>\n</section>\n",
    );
    facts(&mut body, run);
    let (rows, left_out) = events::rows(&run.events);
    let data = Data { picture: picture(run), rows, left_out };
    let title = format!("{} · {}", run.scenario(), verdict.outcome);
    page(&title, &body, &data, SCRIPT)
}

fn head(out: &mut String, run: &Run, class: &str) {
    let verdict = run.verdict();
    let _ = write!(
        out,
        "<header class=\"{class}\">\n<h1>{}</h1>\n<p class=\"sub\">{}</p>\n\
         <p class=\"verdict\"><strong>{}</strong> {}</p>\n",
        escape(&run.scenario()),
        escape(&run.combination()),
        escape(&verdict.outcome),
        escape(&verdict.line),
    );
    if let Some(failed) = &verdict.failed {
        let _ = writeln!(out, "<p class=\"sub\">what failed: {}</p>", escape(failed));
    }
    if run.cut {
        out.push_str("<p>The last line of events.jsonl was cut and is left out.</p>\n");
    }
    out.push_str("</header>\n");
}

fn milestones(out: &mut String, run: &Run) {
    let shown = shown_milestones(run);
    if shown.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Milestones</h2>\n<ol class=\"milestones\">\n");
    let mut before = None;
    for (number, (milestone, text)) in shown.iter().enumerate() {
        let t = seconds(milestone.t_ns);
        let gap = before.map_or(String::new(), |b| duration(t - b));
        before = Some(t);
        let _ = writeln!(
            out,
            "<li{} data-mark=\"{number}\"><span class=\"n\">{}</span><span class=\"t\">{t:.3}</span>\
             <span class=\"gap\">{gap}</span><span class=\"what\">{}</span></li>",
            if milestone.is_bad() { " class=\"bad\"" } else { "" },
            number + 1,
            escape(&(run.whose(milestone) + text)),
        );
    }
    out.push_str("</ol>\n</section>\n");
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("+{:.1} ms", seconds * 1e3) } else { format!("+{seconds:.2} s") }
}

fn expectations(out: &mut String, run: &Run) {
    if run.expectations().is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Expectations</h2>\n<ul class=\"expectations\">\n");
    for expectation in run.expectations() {
        let that = escape(&expectation.that);
        match &expectation.failure {
            None => {
                let _ = writeln!(
                    out,
                    "<li class=\"good\"><span class=\"mark\" aria-label=\"held\">✓</span> {that}</li>"
                );
            }
            Some(failure) => {
                let _ = write!(
                    out,
                    "<li class=\"bad\"><span class=\"mark\" aria-label=\"failed\">✗</span> {that}\n\
                     <pre>{}</pre>",
                    escape(&failure.what)
                );
                if let Some(near) = failure.near {
                    let _ = write!(
                        out,
                        "<button type=\"button\" data-near=\"{near}\">events around it</button>"
                    );
                }
                out.push_str("</li>\n");
            }
        }
    }
    out.push_str("</ul>\n</section>\n");
}

/// The end of the log is among the events.
fn complaint(out: &mut String, run: &Run) {
    let Some(log) = run.log.iter().find(|log| log.complaint) else { return };
    let _ = write!(
        out,
        "<section>\n<h2>The kernel's complaint</h2>\n<pre class=\"log\" tabindex=\"0\">{}</pre>\n\
         </section>\n",
        escape(&log.text),
    );
}

fn facts(out: &mut String, run: &Run) {
    let Some(record) = &run.record else { return };
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    let text = |path: &str| record.facts_at(path).map(fields::plain).unwrap_or_default();
    fact("date", text("/date"));
    fact("iwlbench", record.facts_at("/iwlbench").map(program).unwrap_or_default());
    fact("command", text("/command"));
    fact("again", text("/again"));
    fact("card", format!("{} → {}", record.vars.card, record.vars.opmode));
    fact("card faults", record.fault_names());
    fact("kernel", format!("{} {}", record.kernel(), text("/guest/kernel_version")));
    fact("driver", text("/driver"));
    fact("kernel package", text("/kernel/package_version"));
    fact("kernel command line", text("/kernel_command_line"));
    fact("kernel SHA-256", text("/kernel_sha256"));
    fact("QEMU", text("/qemu"));
    fact("acceleration", format!("{} ({})", record.accel, text("/accel_why")));
    fact("modprobe", text("/guest/modprobe"));
    fact("initramfs SHA-256", text("/image_sha256"));
    for firmware in array(record, "/firmware") {
        let get = |field: &str| firmware.get(field).map(fields::plain).unwrap_or_default();
        fact(
            &format!("firmware {}", get("name")),
            format!("{} bytes, from {}, SHA-256 {}", get("bytes"), get("from"), get("sha256")),
        );
    }
    for module in array(record, "/modules") {
        let get = |field: &str| module.get(field).map(fields::plain).unwrap_or_default();
        let own = get("own");
        let from = if own.is_empty() { own } else { format!("from {own}, ") };
        fact(&format!("module {}", get("name")), format!("{from}SHA-256 {}", get("sha256")));
    }
    if let Some(card) = record.facts_at("/card").filter(|c| c.is_object()) {
        let get = |field: &str| card.get(field).map(fields::plain).unwrap_or_default();
        fact("register accesses", format!("{} reads, {} writes", get("reads"), get("writes")));
    }
    let unmodelled: Vec<_> = array(record, "/card/unmodelled")
        .iter()
        .filter_map(|u| u.get("reg").and_then(Value::as_str))
        .collect();
    fact("unmodelled registers", unmodelled.join(", "));
    fact("to the verdict", format!("{:.2} s", record.seconds));
    fact("seconds of it", phases::in_words(&record.phases));
    fact("run", run.directory.display().to_string());
    page::environment(out, facts, &text("/scenario_text"));
}

fn array<'a>(record: &'a Record, path: &str) -> &'a [Value] {
    record.facts_at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl Record {
    /// A fact by JSON pointer.
    pub(super) fn facts_at(&self, path: &str) -> Option<&Value> {
        let (first, rest) = match path[1..].split_once('/') {
            Some((first, rest)) => (first, format!("/{rest}")),
            None => (&path[1..], String::new()),
        };
        self.facts.get(first)?.pointer(&rest)
    }
}
