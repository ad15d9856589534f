//! What lasts: gates that wait, programs that run, steps, uploads.

use iwl_card::Image;

use super::run::{Event, Run};
use super::words::subject;

/// What lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A step of the scenario.
    Step,
    /// The firmware gate, from question to answer.
    FirmwareGate,
    /// The module gate, from question to answer.
    ModuleGate,
    /// modprobe, from the answer that let it run to its end.
    Modprobe,
    /// A firmware image goes into the card.
    Upload,
    /// From the release of the card's CPU to ALIVE.
    Starting,
}

/// From one event to another.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The card, where it is one's.
    pub(super) card: String,
    pub(super) from: u64,
    pub(super) to: u64,
    /// It had not ended when the run had.
    pub(super) open: bool,
    /// How it ended.
    pub(super) end: String,
    /// It ended badly.
    pub(super) bad: bool,
    /// Spans of a kind that overlap have different rows, from 0.
    pub(super) row: usize,
}

/// All spans of a run, ordered by start.
pub(super) fn spans(run: &Run) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Vec<(usize, Key)> = Vec::new();
    for event in &run.events {
        let (closes, opens) = effect(event);
        for key in closes {
            if let Some(at) = open.iter().rposition(|(_, k)| *k == key) {
                let (index, _) = open.remove(at);
                let span = &mut spans[index];
                span.to = event.t_ns;
                span.open = false;
                span.end = event.text();
                span.bad = bad_end(event);
            }
        }
        let Some((kind, key, name)) = opens else { continue };
        if kind == Kind::Upload && open.iter().any(|(_, k)| *k == key) {
            // A further section of the same image.
            continue;
        }
        open.push((spans.len(), key));
        // What waits or runs when the run is over may well do so.
        let bad = matches!(kind, Kind::Step | Kind::Upload | Kind::Starting);
        spans.push(Span {
            kind,
            name,
            card: event.str("card").to_owned(),
            from: event.t_ns,
            to: event.t_ns,
            open: true,
            end: "did not end".to_owned(),
            bad,
            row: 0,
        });
    }
    let end = run.events.last().map_or(0, |e| e.t_ns);
    for span in spans.iter_mut().filter(|s| s.open) {
        span.to = end;
    }
    spans.sort_by_key(|s| s.from);
    rows(&mut spans);
    spans
}

/// What pairs the end of a span with its start.
#[derive(PartialEq)]
struct Key(&'static str, String, u64);

type Opens = Option<(Kind, Key, String)>;

fn effect(event: &Event) -> (Vec<Key>, Opens) {
    let id = event.u64("id").unwrap_or_default();
    let gate = |id| Key("gate", String::new(), id);
    let modprobe = |id| Key("modprobe", String::new(), id);
    let image = |what| Key(what, format!("{} {}", event.str("card"), event.str("image")), 0);
    let step = || Key("step", String::new(), event.u64("index").unwrap_or_default());
    let known = [Image::Init, Image::Runtime].into_iter().find(|i| i.word() == event.str("image"));
    let image_name = known.map_or("ucode".to_owned(), |image| image.to_string());
    match event.kind.as_str() {
        "step-started" => (vec![], Some((Kind::Step, step(), event.str("step").to_owned()))),
        "step-ended" => (vec![step()], None),
        "ask" => {
            let kind = match event.str("gate") {
                "module" => Kind::ModuleGate,
                _ => Kind::FirmwareGate,
            };
            (vec![], Some((kind, gate(id), subject(event).to_owned())))
        }
        "answer" if event.str("answer") == "proceed" => {
            let name = format!("modprobe {}", subject(event));
            (vec![gate(id)], Some((Kind::Modprobe, modprobe(id), name)))
        }
        "answer" => (vec![gate(id)], None),
        "module-loader-exit" => (vec![modprobe(id)], None),
        // An image that is uploaded again has not come alive.
        "section-uploaded" => (
            vec![image("starting")],
            Some((Kind::Upload, image("upload"), format!("{image_name} upload"))),
        ),
        "cpu-released" => {
            let name = format!("{image_name} starts");
            (vec![image("upload")], Some((Kind::Starting, image("starting"), name)))
        }
        "alive" => (vec![image("starting")], None),
        _ => (vec![], None),
    }
}

fn bad_end(event: &Event) -> bool {
    match event.kind.as_str() {
        "step-ended" => event.fields.contains_key("error") && !event.is("wanted"),
        "section-uploaded" => true,
        "alive" => event.fields.get("valid") != Some(&true.into()),
        // An alias, `ledtrig:phy0radio` say, need have no module.
        "module-loader-exit" => {
            let status = event.fields.get("outcome").and_then(|o| o.get("status"));
            let name = event.fields.get("argv").and_then(|argv| argv.as_array()?.last()?.as_str());
            status != Some(&0.into()) && !name.is_some_and(|name| name.contains(':'))
        }
        _ => false,
    }
}

/// Gives each span the first row of its kind that is free.
fn rows(spans: &mut [Span]) {
    let mut busy: Vec<(Kind, String, Vec<u64>)> = Vec::new();
    for span in spans {
        let at = busy
            .iter()
            .position(|(kind, card, _)| *kind == span.kind && *card == span.card)
            .unwrap_or_else(|| {
                busy.push((span.kind, span.card.clone(), Vec::new()));
                busy.len() - 1
            });
        let ends = &mut busy[at].2;
        span.row = ends.iter().position(|end| *end <= span.from).unwrap_or(ends.len());
        if span.row == ends.len() {
            ends.push(0);
        }
        ends[span.row] = span.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spans_of(lines: &[Value]) -> Vec<Span> {
        let dir = tempfile::tempdir().expect("temporary directory");
        let header = json!({ "format": "iwlbench-events", "version": 1 });
        let lines = std::iter::once(&header).chain(lines).map(|line| format!("{line}\n"));
        std::fs::write(dir.path().join("events.jsonl"), lines.collect::<String>())
            .expect("written");
        spans(&Run::read(dir.path()).expect("a run"))
    }

    fn event(t_ns: u64, kind: &str, fields: &Value) -> Value {
        let mut event = json!({ "seq": t_ns, "t_ns": t_ns, "source": "x", "kind": kind });
        let fields = fields.as_object().expect("an object").clone();
        event.as_object_mut().expect("an object").extend(fields);
        event
    }

    #[test]
    fn what_ends_badly_is_what_should_not_end_so() {
        let modprobe = |name: &str, status: Option<i32>| {
            let asked = json!({ "id": 1, "gate": "module", "module": name, "answer": "proceed",
                "argv": ["modprobe", "-q", "--", name], "outcome": { "status": status } });
            let mut lines = vec![event(1, "ask", &asked), event(2, "answer", &asked)];
            lines.extend(status.map(|_| event(3, "module-loader-exit", &asked)));
            lines.push(event(4, "note", &json!({})));
            let spans = spans_of(&lines);
            let span = spans.iter().find(|span| span.kind == Kind::Modprobe).expect("it ran");
            (span.open, span.bad)
        };
        assert_eq!(modprobe("iwlmvm", Some(0)), (false, false));
        assert_eq!(modprobe("iwlmvm", Some(1)), (false, true));
        assert_eq!(modprobe("ledtrig:phy0radio", Some(1)), (false, false));
        assert_eq!(modprobe("iwlmvm", None), (true, false), "it still runs");
        let released = event(1, "cpu-released", &json!({ "card": "7260", "image": "init" }));
        let starts = &spans_of(&[released, event(4, "note", &json!({}))])[0];
        assert!(starts.open && starts.bad, "it never says ALIVE");
    }
}
