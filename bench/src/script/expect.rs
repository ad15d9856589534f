//! Judges a finished run: expectations against milestones.

use guest_protocol::GuestEvent;
use serde::Serialize;
use toml::Value;

use crate::facts::derive::Seat;
use crate::facts::milestone::Reached;
use crate::facts::missing::Missing;
use crate::facts::timeline::{Event, What, seconds};
use crate::facts::trouble::Trouble;
use crate::facts::verdict::{Outcome, Verdict};
use crate::script::scenario::{Expectation, LogLine, Pattern, Scenario, Twin, Vars, glob};

/// An expectation and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What it means.
    pub that: String,
    /// Why it failed; `None` if it held.
    pub failure: Option<Failure>,
}

/// Why an expectation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was expected and what came instead, one or two lines.
    pub what: String,
    /// The place in the timeline to look at: a milestone's event, if there is a near one.
    pub near: Option<u64>,
}

impl Failure {
    /// In a line, without moments: two runs that fail alike say the same.
    pub fn line(&self) -> String {
        self.what.lines().map(without_moments).collect::<Vec<_>>().join("; ")
    }
}

/// A line without `0.351 s`.
fn without_moments(line: &str) -> String {
    let is_moment = |word: &str| {
        let decimals = word.split_once('.').map(|(_, decimals)| decimals.len());
        decimals == Some(3) && word.parse::<f64>().is_ok()
    };
    let mut told: Vec<&str> = Vec::new();
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if words.next_if(|unit| is_moment(word) && *unit == "s").is_none() {
            told.push(word);
        }
    }
    told.join(" ")
}

/// Judges a twin: its run is good if the right things failed, and nothing else.
pub fn judge_twin(twin: &Twin, expectations: &[Judged], verdict: &Verdict) -> Verdict {
    let failed: Vec<_> =
        expectations.iter().filter(|j| j.failure.is_some()).map(|j| j.that.as_str()).collect();
    let named = |that: &str| twin.red.iter().any(|red| red.get_ref() == that);
    let green: Vec<_> = expectations
        .iter()
        .filter(|j| j.failure.is_none() && named(&j.that))
        .map(|j| j.that.as_str())
        .collect();
    let may = |that: &str| twin.may.iter().any(|may| may.get_ref() == that);
    let others: Vec<_> = failed.iter().copied().filter(|that| !named(that) && !may(that)).collect();
    let want = twin.outcome.unwrap_or(Outcome::Failed);
    if matches!(verdict.outcome.exit_code(), 125 | 130) && verdict.outcome != want {
        return verdict.clone();
    }
    // What has no meaning with this card or kernel cannot turn red there.
    if twin.outcome.is_none()
        && verdict.outcome == Outcome::Passed
        && !expectations.iter().any(|j| named(&j.that))
    {
        let line = format!("what it turns red is not expected here: {}", twin.that);
        return Verdict::new(Outcome::Passed, line);
    }
    let wrong = if verdict.outcome != want {
        format!("it ended as {} ({})", verdict.outcome.word(), verdict.line)
    } else if !green.is_empty() {
        format!("it did not turn red: {}", green.join("; "))
    } else if !others.is_empty() {
        format!("it turned red what it should not: {}", others.join("; "))
    } else {
        return Verdict::new(
            Outcome::Passed,
            format!("red as it must be, {} ×: {}", failed.len(), twin.that),
        );
    };
    let line = format!("with \"{}\" {wrong}", twin.that);
    Verdict { cause: verdict.cause, ..Verdict::new(Outcome::Failed, line) }
}

/// What a run has left to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'r> {
    /// In order of time.
    pub milestones: &'r [Reached],
    /// In order of time.
    pub events: &'r [Event],
    /// Where the cards were.
    pub cards: &'r [Seat],
}

/// Judges all expectations that apply to this run.
pub fn judge(scenario: &Scenario, vars: &Vars, evidence: Evidence<'_>) -> Vec<Judged> {
    let judged = |e: &Expectation| Judged {
        that: e.that.clone(),
        failure: failure(e, scenario, vars, evidence),
    };
    applying(scenario, vars).map(judged).collect()
}

/// What is expected of this run, in order.
fn applying<'s>(scenario: &'s Scenario, vars: &Vars) -> impl Iterator<Item = &'s Expectation> {
    let all = scenario.expectations.iter().map(toml::Spanned::get_ref);
    all.filter(|e| e.when.applies(vars))
}

/// What kernel trouble is said not to come, and by which expectation.
pub fn nevers_of_trouble<'s>(
    scenario: &'s Scenario,
    vars: &Vars,
) -> impl Iterator<Item = (&'s str, Trouble)> {
    let of = |e: &'s Expectation| {
        let pattern = e.never_of().filter(|pattern| pattern.milestone == "kernel-trouble")?;
        let trouble = pattern.fields.get("trouble")?.clone();
        Some((e.that.as_str(), trouble.try_into().ok()?))
    };
    applying(scenario, vars).filter_map(of)
}

fn failure(
    e: &Expectation,
    scenario: &Scenario,
    vars: &Vars,
    evidence: Evidence<'_>,
) -> Option<Failure> {
    let part = match part(e, vars, evidence.milestones) {
        Ok(part) => part,
        Err(failure) => return Some(failure),
    };
    let failure = match &e.log {
        Some(log) => in_log(log, vars, &part, evidence),
        None => failure_in(e, vars, part.milestones, evidence.milestones)
            .or_else(|| nothing_to_end(e, scenario, vars, evidence.milestones)),
    };
    let mut failure = failure?;
    if let Some(limits) = limits(e, vars) {
        failure.what += &format!("\nlooked at: only what came {limits}");
    }
    Some(failure)
}

/// What limits an expectation to a part of the run, in words.
fn limits(e: &Expectation, vars: &Vars) -> Option<String> {
    let mut limits = Vec::new();
    if let Some(after) = &e.after {
        let within = e.within.map(|s| format!("within {s} s ")).unwrap_or_default();
        limits.push(format!("{within}after {}", vars.pattern(after.get_ref())));
    }
    if let Some(before) = &e.before {
        limits.push(format!("before {}", vars.pattern(before.get_ref())));
    }
    (!limits.is_empty()).then(|| limits.join(" and "))
}

fn failure_in(
    e: &Expectation,
    vars: &Vars,
    milestones: &[Reached],
    run: &[Reached],
) -> Option<Failure> {
    if let Some(patterns) = &e.in_order {
        let patterns: Vec<_> = patterns.iter().map(|p| vars.pattern(p.get_ref())).collect();
        return in_order(&patterns, milestones, run);
    }
    if let Some(pattern) = &e.eventually {
        return in_order(&[vars.pattern(pattern.get_ref())], milestones, run);
    }
    if let Some(pattern) = &e.never {
        let pattern = vars.pattern(pattern.get_ref());
        return milestones.iter().find(|r| matches(&pattern, r)).map(|r| Failure {
            what: format!("expected never: {pattern}\nbut: {}", line(r)),
            near: Some(r.seq),
        });
    }
    if let (Some(pattern), Some(times)) = (&e.exactly, e.times) {
        let pattern = vars.pattern(pattern.get_ref());
        let found: Vec<_> = milestones.iter().filter(|r| matches(&pattern, r)).collect();
        return (found.len() != times).then(|| Failure {
            what: format!("expected exactly {times} × {pattern}\nbut: {} ×", found.len()),
            near: found.last().map(|r| r.seq),
        });
    }
    let pattern = vars.pattern(e.every.as_ref()?.get_ref());
    let mut wants = e.has.iter().flat_map(|values| &values.get_ref().0);
    if let Some(failure) =
        wants.find_map(|(field, want)| values(&pattern, field, &vars.value(want), milestones))
    {
        return Some(failure);
    }
    let mut lists = e.among.iter().flat_map(|values| &values.get_ref().0);
    lists.find_map(|(field, list)| among(&pattern, field, &vars.value(list), milestones))
}

/// The lines of the kernel's log that fit, in a part of the run.
fn in_log(log: &LogLine, vars: &Vars, part: &Part<'_>, evidence: Evidence<'_>) -> Option<Failure> {
    let words = vars.string(&log.matches.0);
    let anywhere = format!("*{words}*");
    let card = log.card.as_ref().map(|card| vars.string(&card.0));
    let slot = match &card {
        None => None,
        Some(name) => match evidence.cards.iter().find(|seat| seat.card == *name) {
            Some(seat) => Some(format!("{}:", seat.slot)),
            None => {
                let what = format!("expected a line about card {name}\nbut there is no such card");
                return Some(Failure { what, near: None });
            }
        },
    };
    let line = |event: &&Event| match &event.what {
        What::Guest(GuestEvent::KernelLog { level, text, .. }) => {
            part.has(event)
                && log.level.is_none_or(|worst| level.is_some_and(|level| level <= worst as u8))
                && slot.as_ref().is_none_or(|slot| text.contains(slot.as_str()))
                && glob(&anywhere, text)
        }
        _ => false,
    };
    let found: Vec<&Event> = evidence.events.iter().filter(line).collect();
    let good = log.times.map_or(!found.is_empty(), |times| found.len() == times);
    if good {
        return None;
    }
    let wanted = log.times.map_or("a line".to_owned(), |times| format!("{times} × a line"));
    let about = card.map(|card| format!(" about {card}")).unwrap_or_default();
    let mut what = format!("expected {wanted} of the kernel's log{about}: `{words}`");
    match found.last().map(|event| (&event.what, event.t_ns)) {
        Some((What::Guest(GuestEvent::KernelLog { text, .. }), t_ns)) => {
            what += &format!("\nbut: {} ×, the last: {:.3} s  {text}", found.len(), seconds(t_ns));
        }
        _ => what += "\nbut there is none",
    }
    Some(Failure { what, near: found.last().map(|event| event.seq) })
}

/// The part of the run that an expectation looks at.
struct Part<'m> {
    milestones: &'m [Reached],
    /// Of the milestone that it begins behind.
    after: Option<u64>,
    /// Of the one that it ends before.
    before: Option<u64>,
    /// The last moment of it.
    until: Option<u64>,
}

impl Part<'_> {
    fn has(&self, event: &Event) -> bool {
        self.after.is_none_or(|after| event.seq > after)
            && self.before.is_none_or(|before| event.seq < before)
            && self.until.is_none_or(|until| event.t_ns <= until)
    }
}

/// Its ends have to be there: an expectation about nothing would always hold.
fn part<'m>(e: &Expectation, vars: &Vars, milestones: &'m [Reached]) -> Result<Part<'m>, Failure> {
    let mut part = Part { milestones, after: None, before: None, until: None };
    if let Some(after) = &e.after {
        let after = vars.pattern(after.get_ref());
        let at = milestones.iter().position(|r| matches(&after, r)).ok_or_else(|| Failure {
            what: format!("expected something after: {after}\nbut that did not come"),
            near: milestones.iter().find(|r| r.milestone.kind() == after.milestone).map(|r| r.seq),
        })?;
        part.after = Some(milestones[at].seq);
        if let Some(within) = e.within {
            let end = milestones[at].t_ns.saturating_add((within * 1e9) as u64);
            part.until = Some(end);
            let last = milestones.iter().rposition(|r| r.t_ns <= end);
            part.milestones = &milestones[..last.map_or(0, |last| last + 1)];
        }
        part.milestones = &part.milestones[at + 1..];
    }
    if let Some(before) = &e.before {
        let before = vars.pattern(before.get_ref());
        let milestones = part.milestones;
        let at = milestones.iter().position(|r| matches(&before, r)).ok_or_else(|| Failure {
            what: format!("expected something before: {before}\nbut that did not come"),
            near: milestones.iter().find(|r| r.milestone.kind() == before.milestone).map(|r| r.seq),
        })?;
        part.before = Some(milestones[at].seq);
        part.milestones = &milestones[..at];
    }
    Ok(part)
}

/// That something does not end would hold whatever happens where it did not begin.
fn nothing_to_end(
    e: &Expectation,
    scenario: &Scenario,
    vars: &Vars,
    run: &[Reached],
) -> Option<Failure> {
    let none = e.exactly.as_ref().filter(|_| e.times == Some(0));
    let pattern = vars.pattern(e.never.as_ref().or(none)?.get_ref());
    let begins = match pattern.milestone.as_str() {
        "unbound" => "bound",
        "netdev-removed" => "netdev-registered",
        "opmode-unloaded" if !scenario.guest.loads_opmodes(vars) => "opmode-loaded",
        _ => return None,
    };
    // Whatever else it says is of the end alone.
    let same = ["card", "slot", "interface", "module"];
    let fields = pattern.fields.iter().filter(|(field, _)| same.contains(&field.as_str()));
    let fields = fields.map(|(field, value)| (field.clone(), value.clone())).collect();
    let begins = Pattern { milestone: begins.to_owned(), fields };
    (!run.iter().any(|reached| matches(&begins, reached))).then(|| Failure {
        what: format!(
            "expected never: {pattern}\nbut there was none that could: no {begins} in this run"
        ),
        near: None,
    })
}

/// All patterns in this order in a part of the run, others may stand between.
fn in_order(patterns: &[Pattern], milestones: &[Reached], run: &[Reached]) -> Option<Failure> {
    let mut from = 0;
    let mut previous: Option<(&Pattern, &Reached)> = None;
    for pattern in patterns {
        if let Some(at) = milestones[from..].iter().position(|r| matches(pattern, r)) {
            previous = Some((pattern, &milestones[from + at]));
            from += at + 1;
            continue;
        }
        let mut what = format!("expected: {pattern}");
        if let Some((_, reached)) = previous {
            what += &format!("\nafter:    {}", line(reached));
        }
        // The nearest mismatch: the right thing too early, else the right kind with other values.
        let early = milestones[..from].iter().rev().find(|r| matches(pattern, r));
        let elsewhere = run.iter().find(|r| matches(pattern, r));
        let alike = milestones.iter().chain(run).find(|r| r.milestone.kind() == pattern.milestone);
        let near = match (early, elsewhere, alike) {
            (Some(r), _, _) => {
                what += &format!("\nbut it came before that: {}", line(r));
                Some(r.seq)
            }
            (None, Some(r), _) => {
                what += &format!("\nbut it came at another time: {}", line(r));
                Some(r.seq)
            }
            (None, None, Some(r)) => {
                what += &format!("\nnearest:  {}", line(r));
                Some(r.seq)
            }
            (None, None, None) => {
                what += &format!("\nbut there is no {} in this run", pattern.milestone);
                previous.map(|(_, r)| r.seq)
            }
        };
        return Some(Failure { what, near });
    }
    None
}

fn values(pattern: &Pattern, field: &str, want: &Value, milestones: &[Reached]) -> Option<Failure> {
    let found: Vec<&Reached> = milestones.iter().filter(|r| matches(pattern, r)).collect();
    let got: Vec<serde_json::Value> =
        found.iter().filter_map(|r| r.milestone.field(field)).collect();
    let want = json(want);
    let same = match &want {
        serde_json::Value::Array(want) => *want == got,
        one => !got.is_empty() && got.iter().all(|g| g == one),
    };
    let but = match got.is_empty() {
        true => "but that did not come".to_owned(),
        false => format!("but: {}", serde_json::Value::from(got)),
    };
    (!same).then(|| Failure {
        what: format!("expected every {pattern} to have {field} = {want}\n{but}"),
        near: found.last().map(|r| r.seq),
    })
}

/// Every value of a field has to be in the list, and there has to be one.
fn among(pattern: &Pattern, field: &str, list: &Value, milestones: &[Reached]) -> Option<Failure> {
    let mut found = milestones.iter().filter(|r| matches(pattern, r)).peekable();
    let list = json(list);
    let listed = |r: &Reached| {
        let value = r.milestone.field(field);
        list.as_array().is_some_and(|list| value.is_some_and(|value| list.contains(&value)))
    };
    if found.peek().is_none() {
        let what =
            format!("expected every {pattern} to have a listed {field}\nbut that did not come");
        return Some(Failure { what, near: None });
    }
    found.find(|r| !listed(r)).map(|r| Failure {
        what: format!("expected every {pattern} to have a listed {field}\nbut: {}", line(r)),
        near: Some(r.seq),
    })
}

impl Pattern {
    /// As what did not come.
    pub fn missing(&self) -> Missing {
        let card = self.fields.get("card").and_then(Value::as_str);
        Missing { kind: self.milestone.clone(), card: card.map(str::to_owned) }
    }

    /// The same, where not even one came: how often a driver tries is its own. Each card has an interface
    /// once.
    pub fn missing_from(&self, milestones: &[Reached]) -> Option<Missing> {
        let came = || milestones.iter().any(|reached| matches(self, reached));
        (self.milestone == "netdev-registered" || !came()).then(|| self.missing())
    }
}

/// The expectations that were judged to fail.
fn failed<'s>(
    scenario: &'s Scenario,
    vars: &'s Vars,
    judged: &'s [Judged],
) -> impl Iterator<Item = &'s Expectation> {
    let each = applying(scenario, vars).zip(judged);
    each.filter(|(_, judged)| judged.failure.is_some()).map(|(e, _)| e)
}

/// Whether an expectation fails of what came, so that nothing that is still to come could mend it.
pub fn is_contradicted(
    scenario: &Scenario,
    vars: &Vars,
    judged: &[Judged],
    milestones: &[Reached],
) -> bool {
    let count = |pattern: &toml::Spanned<Pattern>| {
        let pattern = vars.pattern(pattern.get_ref());
        milestones.iter().filter(|reached| matches(&pattern, reached)).count()
    };
    failed(scenario, vars, judged).any(|e| match (&e.log, &e.exactly) {
        (Some(log), _) => log.times == Some(0),
        (None, Some(pattern)) => count(pattern) > e.times.unwrap_or_default(),
        (None, None) => {
            let wanted = e.in_order.iter().flatten().chain(&e.eventually).chain(&e.after);
            wanted.chain(&e.before).all(|pattern| count(pattern) > 0)
        }
    })
}

/// What did not come, of all that is expected of this run and was judged.
pub fn missing(
    scenario: &Scenario,
    vars: &Vars,
    judged: &[Judged],
    milestones: &[Reached],
) -> Vec<Missing> {
    let mut missing = Vec::new();
    for e in failed(scenario, vars, judged).filter(|e| e.log.is_none()) {
        let patterns = e.in_order.iter().flatten().chain(&e.eventually).chain(&e.after);
        let once = patterns.chain(&e.before).map(|pattern| (pattern, 1));
        let times = e.exactly.iter().map(|pattern| (pattern, e.times.unwrap_or_default()));
        for (pattern, times) in once.chain(times) {
            let pattern = vars.pattern(pattern.get_ref());
            let came = milestones.iter().filter(|reached| matches(&pattern, reached));
            if came.count() < times {
                missing.extend(pattern.missing_from(milestones));
            }
        }
    }
    missing
}

/// Whether a milestone is what a pattern (its variables replaced) asks for.
pub fn matches(pattern: &Pattern, reached: &Reached) -> bool {
    reached.milestone.kind() == pattern.milestone
        // Others' files are meant where they are named.
        && (reached.milestone.is_drivers_own() || pattern.fields.contains_key("name"))
        && pattern
            .fields
            .iter()
            .all(|(field, want)| reached.milestone.field(field) == Some(json(want)))
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn line(reached: &Reached) -> String {
    format!("{:.3} s  {}", seconds(reached.t_ns), reached.milestone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::milestone::Milestone;
    use crate::script::read::parse;

    fn vars() -> Vars {
        Vars {
            walk_down: vec!["iwl-a-6".into(), "iwl-a-5".into()],
            declared_firmware: vec!["iwl-b-1".into(), "iwl-a-6".into()],
            ..Vars::sample()
        }
    }

    fn run(milestones: Vec<Milestone>) -> Vec<Reached> {
        milestones
            .into_iter()
            .enumerate()
            .map(|(i, milestone)| Reached { seq: i as u64, t_ns: i as u64, milestone })
            .collect()
    }

    fn verdict(expectation: &str, milestones: Vec<Milestone>) -> Option<Failure> {
        let text = format!(
            "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"tear-down\"\n\
             [[expect]]\nthat = \"t\"\n{expectation}\n"
        );
        let scenario = parse("t", "t.toml", &text).expect("valid");
        judged(&scenario, &run(milestones)).remove(0).failure
    }

    fn judged(scenario: &Scenario, milestones: &[Reached]) -> Vec<Judged> {
        judge(scenario, &vars(), Evidence { milestones, events: &[], cards: &[] })
    }

    /// What never began does not end, whatever happens.
    #[test]
    fn what_did_not_begin_cannot_go_on() {
        let (card, slot) = ("7260".to_owned(), "0000:01:00.0".to_owned());
        let bound = || Milestone::Bound {
            card: card.clone(),
            slot: slot.clone(),
            driver: "iwlwifi".into(),
        };
        let by = crate::facts::milestone::Unbinder::Driver;
        let unbound = || Milestone::Unbound { card: card.clone(), slot: slot.clone(), by };
        for never in [
            "never = \"unbound\"",
            "exactly = \"unbound\"\ntimes = 0",
            "never = { milestone = \"unbound\", card = \"7260\", by = \"driver\" }",
        ] {
            let failure = verdict(never, vec![]).expect("nothing was bound");
            assert!(failure.what.contains("none that could: no bound"), "{}", failure.what);
            assert_eq!(verdict(never, vec![bound()]), None, "{never}");
            let failure = verdict(never, vec![bound(), unbound()]).expect("it was unbound");
            assert!(failure.what.contains("but: "), "{}", failure.what);
        }
        let unloaded = "never = \"opmode-unloaded\"";
        assert!(verdict(unloaded, vec![]).is_some());
        assert_eq!(verdict(unloaded, vec![loaded()]), None);
        assert_eq!(verdict("never = \"netdev-registered\"", vec![]), None, "it would begin");
    }

    /// Lines of the kernel's log at levels, each before the milestone of its number.
    fn log_verdict(expectation: &str, lines: &[(u8, &str)]) -> Option<Failure> {
        let text = format!(
            "about = \"t\"\ncards = [\"7260\"]\ncard.more = [\"7260\"]\n[[step]]\ndo = \"unbind\"\n\
             [[expect]]\nthat = \"t\"\n{expectation}\n"
        );
        let scenario = parse("t", "t.toml", &text).expect("valid");
        let events: Vec<_> = (lines.iter().enumerate())
            .map(|(seq, (level, text))| Event {
                seq: 2 * seq as u64,
                t_ns: 2 * seq as u64,
                source: crate::facts::timeline::Source::KernelLog,
                guest_ns: None,
                what: What::Guest(GuestEvent::KernelLog {
                    seq: 0,
                    level: Some(*level),
                    text: (*text).to_owned(),
                }),
            })
            .collect();
        let milestones = [asked(), loaded()].into_iter().enumerate();
        let milestones: Vec<_> = milestones
            .map(|(i, milestone)| Reached {
                seq: 2 * i as u64 + 1,
                t_ns: 2 * i as u64 + 1,
                milestone,
            })
            .collect();
        let seat = |card: &str, slot: &str| Seat { card: card.into(), slot: slot.into() };
        let cards = [seat("7260", "0000:01:00.0"), seat("7260-2", "0000:02:00.0")];
        let evidence = Evidence { milestones: &milestones, events: &events, cards: &cards };
        judge(&scenario, &vars(), evidence).remove(0).failure
    }

    #[test]
    fn one_try_less_is_no_hand_over_that_falls_short() {
        let short = |kind: &str, milestones: Vec<Milestone>| {
            let text = format!(
                "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"coldplug\"\n[[expect]]\nthat = \"t\"\n\
                 exactly = \"{kind}\"\ntimes = 2\n"
            );
            let scenario = parse("t", "t.toml", &text).expect("valid");
            let milestones = run(milestones);
            let evidence = Evidence { milestones: &milestones, events: &[], cards: &[] };
            let judged = judge(&scenario, &vars(), evidence);
            missing(&scenario, &vars(), &judged, &milestones).len()
        };
        let interface = || {
            let (card, interface) = ("7260".into(), "wlan0".into());
            Milestone::NetdevRegistered { card, interface }
        };
        assert_eq!(short("opmode-asked", vec![asked()]), 0, "it came, if once");
        assert_eq!(short("opmode-asked", vec![]), 1);
        assert_eq!(short("netdev-registered", vec![interface()]), 1, "of another card");
        assert_eq!(short("netdev-registered", vec![interface(), interface()]), 0);
    }

    #[test]
    fn what_is_told_in_a_line_has_no_moments() {
        let line = |what: &str| Failure { what: what.to_owned(), near: None }.line();
        assert_eq!(
            line("expected: bound\nafter:    0.351 s  opmode asked for: iwlmvm\nbut there is none"),
            "expected: bound; after: opmode asked for: iwlmvm; but there is none"
        );
        let log = "but: 2 ×, the last: 12.400 s  loaded 1.234 of 17.5 s";
        assert_eq!(line(log), "but: 2 ×, the last: loaded 1.234 of 17.5 s");
    }

    #[test]
    fn lines_of_the_kernels_log() {
        let lines = [
            (3, "iwlwifi 0000:01:00.0: Microcode SW error detected. Restarting 0x2000000."),
            (6, "iwlwifi 0000:02:00.0: Microcode SW error detected. Restarting 0x2000000."),
            (4, "iwlwifi 0000:01:00.0: 0x00000084 | NMI_INTERRUPT_UNKNOWN"),
        ];
        for (log, holds) in [
            ("{ matches = \"Microcode SW error\" }", true),
            ("{ matches = \"Microcode * error\", times = 2 }", true),
            ("{ matches = \"Microcode SW error\", times = 0 }", false),
            ("{ matches = \"Microcode SW error\", level = \"err\", times = 1 }", true),
            ("{ matches = \"Microcode SW error\", card = \"$card\", times = 1 }", true),
            ("{ matches = \"NMI\", card = \"$card-2\" }", false),
            ("{ matches = \"NMI\", level = \"err\" }", false),
            ("{ matches = \"NMI\", level = \"warning\" }", true),
            ("{ matches = \"nothing like it\", times = 0 }", true),
        ] {
            assert_eq!(log_verdict(&format!("log = {log}"), &lines).is_none(), holds, "{log}");
        }
        let of = |limits: &str| {
            log_verdict(&format!("log = {{ matches = \"error\", times = 1 }}\n{limits}"), &lines)
        };
        assert_eq!(of("after = \"opmode-asked\""), None, "the second one's");
        assert_eq!(of("before = \"opmode-asked\""), None, "the first one's");
        assert_eq!(of("after = \"opmode-asked\"\nwithin = \"1ns\""), None);
        let none = of("after = \"opmode-loaded\"").expect("none").what;
        assert!(
            none.contains("but there is none") && none.ends_with("after opmode-loaded"),
            "{none}"
        );
        let none = of("before = \"bound\"").expect("no end").what;
        assert!(none.contains("did not come"), "{none}");
    }

    #[test]
    fn firmware_of_others_is_meant_where_it_is_named() {
        let asked = || vec![firmware("regulatory.db"), firmware("iwlwifi-7260-17.ucode")];
        assert_eq!(verdict("exactly = \"firmware-asked\"\ntimes = 1", asked()), None);
        let named = "never = { milestone = \"firmware-asked\", name = \"regulatory.db\" }";
        assert!(verdict(named, asked()).is_some(), "it was asked for");
    }

    fn asked() -> Milestone {
        Milestone::OpmodeAsked { module: "iwlmvm".into() }
    }
    fn loaded() -> Milestone {
        Milestone::OpmodeLoaded { module: "iwlmvm".into() }
    }
    fn firmware(name: &str) -> Milestone {
        Milestone::FirmwareAsked { name: name.into() }
    }

    #[test]
    fn order_holds_and_fails() {
        let rule =
            r#"in-order = [{ milestone = "opmode-asked", module = "$opmode" }, "opmode-loaded"]"#;
        assert_eq!(verdict(rule, vec![asked(), firmware("x"), loaded()]), None);
        let swapped = verdict(rule, vec![loaded(), asked()]).expect("fails");
        assert!(swapped.what.contains("but it came before that"), "{}", swapped.what);
        assert_eq!(swapped.near, Some(0));
        let absent = verdict(rule, vec![asked()]).expect("fails");
        assert!(absent.what.contains("there is no opmode-loaded"), "{}", absent.what);
        let other = verdict(rule, vec![Milestone::OpmodeAsked { module: "iwldvm".into() }]);
        assert!(other.expect("fails").what.contains("nearest:  0.000 s  opmode asked for: iwldvm"));
    }

    #[test]
    fn never_and_exactly() {
        let never = r#"never = "opmode-loaded""#;
        assert_eq!(verdict(never, vec![asked()]), None);
        assert!(verdict(never, vec![asked(), loaded()]).is_some());
        let once = "exactly = \"opmode-asked\"\ntimes = 1";
        assert_eq!(verdict(once, vec![asked()]), None);
        assert!(verdict(once, vec![]).is_some());
        assert!(verdict(once, vec![asked(), asked()]).is_some());
    }

    #[test]
    fn every_value_in_order() {
        let rule = "every = \"firmware-asked\"\nhas = { name = \"$walk-down\" }";
        assert_eq!(verdict(rule, vec![firmware("iwl-a-6"), firmware("iwl-a-5")]), None);
        for wrong in [
            vec!["iwl-a-5", "iwl-a-6"],
            vec!["iwl-a-6"],
            vec!["iwl-a-6", "iwl-a-5", "iwl-a-4"],
            vec![],
        ] {
            let run = wrong.iter().map(|n| firmware(n)).collect();
            assert!(verdict(rule, run).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn every_value_out_of_a_list() {
        let rule = "every = \"firmware-asked\"\namong = { name = \"$declared-firmware\" }";
        assert_eq!(
            verdict(rule, vec![firmware("iwl-a-6"), firmware("iwl-b-1"), firmware("iwl-a-6")]),
            None
        );
        let other = verdict(rule, vec![firmware("iwl-a-6"), firmware("iwl-a-5")]).expect("fails");
        assert!(other.what.contains("iwl-a-5"), "{}", other.what);
        assert!(verdict(rule, vec![asked()]).is_some(), "about nothing");
    }

    #[test]
    fn a_part_of_the_run() {
        let after = "never = \"opmode-loaded\"\nafter = \"opmode-asked\"";
        assert_eq!(verdict(after, vec![loaded(), asked()]), None);
        assert!(verdict(after, vec![asked(), loaded()]).is_some());
        let nothing = verdict(after, vec![loaded()]).expect("fails");
        assert!(nothing.what.contains("did not come"), "{}", nothing.what);

        let before = "eventually = \"opmode-asked\"\nbefore = \"opmode-loaded\"";
        assert_eq!(verdict(before, vec![asked(), loaded()]), None);
        assert!(verdict(before, vec![loaded(), asked()]).is_some());
        assert!(verdict(before, vec![asked()]).is_some(), "its end did not come");

        // Milestones here are a nanosecond apart.
        let within =
            |s| format!("eventually = \"opmode-loaded\"\nafter = \"opmode-asked\"\nwithin = {s}");
        let late = || vec![asked(), firmware("x"), loaded()];
        assert_eq!(verdict(&within("2e-9"), late()), None);
        let late = verdict(&within("1e-9"), late()).expect("fails");
        assert!(
            late.what.contains("came at another time: 0.000 s  opmode loaded"),
            "{}",
            late.what
        );
        assert!(late.what.ends_with("within 0.000000001 s after opmode-asked"), "{}", late.what);
        assert_eq!(late.near, Some(2));
    }

    #[test]
    fn expectations_hold_for_their_runs_only() {
        let rule = |when| format!("never = \"opmode-asked\"\nwhen = {{ {when} }}");
        for (when, applies) in [
            ("opmode = \"iwlmvm\"", true),
            ("opmode = \"iwldvm\"", false),
            ("card = \"7260\"", true),
            ("card = [\"6205\", \"7260\"]", true),
            ("card = [\"6205\"]", false),
            ("kernel = \">=6.12, <8\"", true),
            ("kernel = \"<7\"", false),
        ] {
            let text = format!(
                "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"unbind\"\n\
                 [[expect]]\nthat = \"t\"\n{}\n",
                rule(when)
            );
            let scenario = parse("t", "t.toml", &text).expect("valid");
            assert_eq!(!judged(&scenario, &run(vec![asked()])).is_empty(), applies, "{when}");
        }
    }

    #[test]
    fn variables_and_fields_must_agree() {
        let rule = r#"eventually = { milestone = "opmode-asked", module = "iwldvm" }"#;
        assert!(verdict(rule, vec![asked()]).is_some());
    }

    #[test]
    fn a_twin_is_good_if_just_the_right_things_fail() {
        let twin = |red: &str| -> Twin {
            toml::from_str(&format!("that = \"t\"\n{red}")).expect("a twin")
        };
        let judged = |that: &str, failed: bool| Judged {
            that: that.into(),
            failure: failed.then(|| Failure { what: "w".into(), near: None }),
        };
        let run = [judged("a", true), judged("b", false), judged("c", true)];
        let failed = Verdict::new(Outcome::Failed, "f");
        let outcome = |red, verdict: &Verdict| judge_twin(&twin(red), &run, verdict).outcome;
        assert_eq!(outcome("red = [\"a\", \"c\"]", &failed), Outcome::Passed);
        assert_eq!(outcome("red = [\"a\"]\nmay = [\"c\"]", &failed), Outcome::Passed);
        assert_eq!(outcome("red = [\"a\"]", &failed), Outcome::Failed, "c failed too");
        assert_eq!(outcome("red = [\"a\", \"b\", \"c\"]", &failed), Outcome::Failed, "b held");
        let passed = Verdict::new(Outcome::Passed, "p");
        assert_eq!(outcome("red = [\"a\", \"c\"]", &passed), Outcome::Failed);
        assert_eq!(outcome("red = [\"d\"]", &passed), Outcome::Passed, "d does not apply");
        let broken = Verdict::new(Outcome::QemuDied, "q");
        assert_eq!(outcome("red = [\"a\", \"c\"]", &broken), Outcome::QemuDied, "told as it is");
        let panicked = Verdict::new(Outcome::GuestPanicked, "p");
        let wanted = "red = [\"a\", \"c\"]\noutcome = \"guest-panicked\"";
        assert_eq!(outcome(wanted, &panicked), Outcome::Passed);
    }

    #[test]
    fn what_trouble_is_said_not_to_come_is_told() {
        let text = "about = \"t\"\ncards = [\"7260\"]\n[[step]]\ndo = \"bind\"\n\
                    [[expect]]\nthat = \"a\"\nnever = { milestone = \"kernel-trouble\", trouble = \"leak\" }\n\
                    [[expect]]\nthat = \"b\"\ntimes = 0\n\
                    exactly = { milestone = \"kernel-trouble\", trouble = \"sanitizer\" }\n\
                    [[expect]]\nthat = \"c\"\nwhen.card = \"8265\"\n\
                    never = { milestone = \"kernel-trouble\", trouble = \"leak\" }\n\
                    [[expect]]\nthat = \"d\"\nnever = \"kernel-trouble\"\n";
        let scenario = parse("t", "t.toml", text).expect("valid");
        let told: Vec<_> = nevers_of_trouble(&scenario, &vars()).collect();
        assert_eq!(told, [("a", Trouble::Leak), ("b", Trouble::Sanitizer)]);
    }
}
