//! Whether a scenario makes sense: what parses, and yet would do nothing, or something else than it
//! says.

use toml::{Spanned, Value};

use crate::facts::milestone::KINDS;
use crate::script::scenario::{
    Action, Check, Expectation, FirmwareRule, MOST_CARDS, OneOrMany, Pattern, Scenario, Source,
    Step, Twin, When, glob, known_vars, no_card,
};

/// A place in the text and what is wrong there.
pub(super) type Complaint = (usize, String);

pub(super) fn check(scenario: &Scenario) -> Result<(), Complaint> {
    for card in scenario.cards.iter().chain(&scenario.card.more) {
        if iwl_card::card(card.get_ref()).is_none() {
            return Err((card.span().start, no_card(card.get_ref())));
        }
    }
    for fault in &scenario.card.faults {
        if let Err(error) = fault.get_ref().parse::<iwl_card::Fault>() {
            return Err((fault.span().start, error.to_string()));
        }
    }
    if let Some(card) = scenario.card.more.get(MOST_CARDS - 1) {
        return Err((card.span().start, format!("a machine has {MOST_CARDS} slots for cards")));
    }
    if scenario.steps.is_empty() {
        return Err((0, "a scenario has at least one [[step]]".into()));
    }
    check_rules(scenario)?;
    check_gates_stand(scenario)?;
    check_steps(&scenario.steps)?;
    for (index, expectation) in scenario.expectations.iter().enumerate() {
        check_expectation(expectation)?;
        let Expectation { that, when, .. } = expectation.get_ref();
        let mut before = scenario.expectations[..index].iter().map(Spanned::get_ref);
        // The same may be put in other words for other kernels.
        let for_all = |when: &When| *when == When::default();
        let meets = |other: &When| other == when || for_all(other) || for_all(when);
        if before.any(|other| other.that == *that && meets(&other.when)) {
            let what = format!("another expectation says \"{that}\" too: twins tell them by that");
            return Err((expectation.span().start, what));
        }
    }
    // A twin may leave out the step whose end it waits for in vain.
    if scenario.twin.is_none() {
        check_step_names(scenario)?;
    }
    for twin in &scenario.twins {
        check_twin(twin, &scenario.expectations)?;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    known_vars(&Value::String(text.to_owned()))
}

fn check_rules(scenario: &Scenario) -> Result<(), Complaint> {
    let mut before: Vec<(&str, &When)> = Vec::new();
    for rule in &scenario.firmware {
        let r = rule.get_ref();
        let complain = |what: String| (rule.span().start, what);
        if r.give.is_some() && r.refuse.is_some() {
            return Err(complain("a firmware rule has at most one of `give` and `refuse`".into()));
        }
        if r.refuse.is_some() && (!r.corrupt.is_empty() || r.compress.is_some()) {
            return Err(complain("what is refused is neither corrupted nor compressed".into()));
        }
        if let Some(Source::File(path)) = &r.give {
            let path = scenario.directory.join(path);
            if !path.is_file() {
                let what = format!("`give`: there is no file {}", path.display());
                return Err(complain(what));
            }
        }
        check_rule(&mut before, &r.name, &r.when, r.times).map_err(complain)?;
        check_timing(r.hold_until.is_some(), r.hold, r.delay).map_err(complain)?;
    }
    before.clear();
    for rule in &scenario.module {
        let r = rule.get_ref();
        let complain = |what: String| (rule.span().start, what);
        let forms = [r.exit.is_some(), r.lie, r.kill.is_some(), r.hang];
        if forms.into_iter().filter(|form| *form).count() > 1 {
            return Err(complain(
                "a module rule has at most one of `exit`, `lie`, `kill`, `hang`".into(),
            ));
        }
        check_rule(&mut before, &r.name, &r.when, r.times).map_err(complain)?;
        check_timing(r.hold_until.is_some(), r.hold, r.delay).map_err(complain)?;
    }
    Ok(())
}

/// A rule's name, and whether one before it leaves it anything: the first that fits decides.
fn check_rule<'r>(
    before: &mut Vec<(&'r str, &'r When)>,
    name: &'r str,
    when: &'r When,
    times: Option<u32>,
) -> Result<(), String> {
    check_text(name)?;
    let all = When::default();
    if let Some((first, _)) = before
        .iter()
        .find(|(first, for_runs)| glob(first, name) && (**for_runs == all || *for_runs == when))
    {
        return Err(format!(
            "this rule is never reached: the one before it for `{first}` takes each request for \
             `{name}`; put this one first, or give that one `times`"
        ));
    }
    if times.is_none() {
        before.push((name, when));
    }
    Ok(())
}

/// Without gates nothing is asked: what only a gate can do would silently not be done.
fn check_gates_stand(scenario: &Scenario) -> Result<(), Complaint> {
    if scenario.gates {
        return Ok(());
    }
    let timed = |r: &FirmwareRule| {
        r.hold || r.hold_until.is_some() || r.delay.is_some() || r.times.is_some()
    };
    let firmware = scenario.firmware.iter().find(|rule| timed(rule.get_ref()));
    let (at, what) = if let Some(rule) = scenario.module.first() {
        (rule.span().start, "a [[module]] rule")
    } else if let Some(rule) = firmware {
        (rule.span().start, "`hold`, `hold-until`, `delay` or `times`")
    } else if !scenario.hold.is_empty() {
        (0, "`hold`")
    } else {
        return Ok(());
    };
    Err((at, format!("with `gates = false` there is no gate that {what} could speak to")))
}

fn check_timing(hold_until: bool, hold: bool, delay: Option<f64>) -> Result<(), String> {
    if usize::from(hold_until) + usize::from(hold) + usize::from(delay.is_some()) > 1 {
        return Err("a rule has at most one of `hold-until`, `hold` and `delay`".into());
    }
    if delay.is_some_and(|seconds| !(0.0..=3600.0).contains(&seconds)) {
        return Err("`delay` is a number of seconds, at most 3600".into());
    }
    Ok(())
}

fn check_steps(steps: &[Spanned<Step>]) -> Result<(), Complaint> {
    for step in steps {
        let s = step.get_ref();
        let complain = |what: &str| Err((step.span().start, what.to_owned()));
        let forms = [s.r#do.is_some(), s.r#await.is_some(), s.check.is_some(), s.repeat.is_some()];
        if forms.into_iter().filter(|form| *form).count() != 1 {
            return complain("a step has exactly one of `do`, `await`, `check` and `repeat`");
        }
        if s.r#do.is_none() && (s.start || s.fails.is_some()) {
            return complain("`start` and `fails` go with `do`");
        }
        if s.repeat.is_some() == s.step.is_empty() {
            return complain("`repeat` and its steps, [[step.step]], go together");
        }
        if s.r#await.as_ref().is_some_and(OneOrMany::is_empty) {
            return complain("`await` names at least one milestone");
        }
        let says_nothing = |checks: &OneOrMany<Check>| {
            checks.is_empty() || checks.iter().any(|check| *check == Check::default())
        };
        if s.check.as_ref().is_some_and(says_nothing) {
            return complain("a `check` looks at something: `check = { bound = true }`");
        }
        if let Some(what) = s.r#do.as_ref().and_then(|action| action_complaint(action, s.start)) {
            return complain(&what);
        }
        check_steps(&s.step)?;
    }
    Ok(())
}

/// A step that is not there never ends: nothing would tell that from one that was not reached.
fn check_step_names(scenario: &Scenario) -> Result<(), Complaint> {
    let mut names = Vec::new();
    step_names(&scenario.steps, &mut names);
    for (at, pattern) in patterns(scenario) {
        let Some(Value::String(step)) = pattern.fields.get("step") else { continue };
        let known = names.contains(&step.as_str()) || step == "check" || step.starts_with("await ");
        if !known {
            names.sort_unstable();
            names.dedup();
            let what = format!("no step is called `{step}`; there are: {}", names.join(", "));
            return Err((at, what));
        }
    }
    Ok(())
}

fn step_names<'s>(steps: &'s [Spanned<Step>], names: &mut Vec<&'s str>) {
    for step in steps.iter().map(Spanned::get_ref) {
        let word = step.r#do.as_ref().map(Action::word);
        names.extend(step.name.as_deref().or(word));
        step_names(&step.step, names);
    }
}

/// All that a scenario says about milestones, and where.
fn patterns(scenario: &Scenario) -> Vec<(usize, &Pattern)> {
    let mut all = Vec::new();
    step_patterns(&scenario.steps, &mut all);
    let firmware = scenario.firmware.iter().filter_map(|r| r.get_ref().hold_until.as_ref());
    let module = scenario.module.iter().filter_map(|r| r.get_ref().hold_until.as_ref());
    let expected = scenario.expectations.iter().map(Spanned::get_ref).flat_map(|e| {
        let one = [&e.eventually, &e.never, &e.exactly, &e.every, &e.after, &e.before];
        one.into_iter().flatten().chain(e.in_order.iter().flatten())
    });
    all.extend(firmware.chain(module).chain(expected).map(|p| (p.span().start, p.get_ref())));
    all
}

fn step_patterns<'s>(steps: &'s [Spanned<Step>], all: &mut Vec<(usize, &'s Pattern)>) {
    for step in steps {
        let awaited = step.get_ref().r#await.iter().flat_map(OneOrMany::iter);
        all.extend(awaited.map(|pattern| (step.span().start, pattern)));
        step_patterns(&step.get_ref().step, all);
    }
}

fn action_complaint(action: &Action, start: bool) -> Option<String> {
    match action {
        _ if start && !action.can_start() => {
            Some(format!("`{}` is done at once by the host, it cannot `start`", action.word()))
        }
        Action::Modprobe(arguments) if arguments.is_empty() => {
            Some("`modprobe` takes its arguments: { modprobe = [\"iwlmvm\"] }".into())
        }
        Action::Write(file) if !file.path.0.starts_with('/') => {
            Some(format!("`path` is absolute; `{}` is not", file.path.0))
        }
        _ => None,
    }
}

fn check_expectation(expectation: &Spanned<Expectation>) -> Result<(), Complaint> {
    let e = expectation.get_ref();
    if let Some(what) = e.complaint() {
        return Err((expectation.span().start, what));
    }
    let kind = e.every.as_ref().map(|every| every.get_ref().milestone.as_str());
    let known = KINDS.iter().find(|(known, _)| Some(*known) == kind).map(|(_, fields)| *fields);
    for values in e.has.iter().chain(&e.among) {
        for field in values.get_ref().0.keys() {
            if !known.is_some_and(|fields| fields.contains(&field.as_str())) {
                let what = format!(
                    "milestone `{}` has no field `{field}`; it has: {}",
                    kind.unwrap_or_default(),
                    known.unwrap_or_default().join(", ")
                );
                return Err((values.span().start, what));
            }
        }
    }
    Ok(())
}

fn check_twin(
    twin: &Spanned<Twin>,
    expectations: &[Spanned<Expectation>],
) -> Result<(), Complaint> {
    let t = twin.get_ref();
    if t.red.is_empty() && t.outcome.is_none() {
        return Err((
            twin.span().start,
            "a twin says with `red` which expectations must fail, or with `outcome` how the run \
             must end"
                .into(),
        ));
    }
    for red in t.red.iter().chain(&t.may) {
        if !expectations.iter().any(|e| e.get_ref().that == *red.get_ref()) {
            return Err((
                red.span().start,
                format!("`red` names no expectation: none says that \"{}\"", red.get_ref()),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::read::parse;

    const HEAD: &str = "about = \"t\"\ncards = [\"7260\"]\n";

    fn error_of(text: &str) -> String {
        parse("t", "t.toml", text).expect_err("must not be accepted").to_string()
    }

    /// Each of these would play, and do something else than it says, or nothing.
    #[test]
    fn what_cannot_be_meant_is_refused() {
        let step = "[[step]]\ndo = \"unbind\"\n";
        for (wrong, said) in [
            ("repeat = 0", "a whole number from 1"),
            ("repeat = 99999999999999999999", "a whole number from 1"),
            ("patience = 0", "a whole number from 1"),
            ("guest.command-line = \"a\\nb\"", "no control characters"),
            ("guest.without = [\"$opmod\"]", "no variable `$opmod`"),
            ("guest.loaded = [\"$opmod\"]", "no variable `$opmod`"),
            ("[[module]]\nexit = 300", "a whole number from 0 to 255"),
            ("[[module]]\nkill = 99", "a whole number from 1 to 64"),
            ("[[module]]\ntimes = 0", "a whole number from 1"),
            ("[[module]]\nname = \"*\"\n[[module]]\nexit = 1", "never reached"),
            ("[[firmware]]\n[[firmware]]\nname = \"iwl*.xz\"", "never reached"),
            ("[[firmware]]\ngive = \"file:/no/such\"", "there is no file /no/such"),
            ("gates = false\n[[module]]\nexit = 1", "there is no gate"),
            ("gates = false\nhold = [\"$opmode\"]", "there is no gate"),
            ("gates = false\n[[firmware]]\ndelay = 1", "there is no gate"),
            ("[[step]]\nawait = []", "at least one milestone"),
            ("[[step]]\ncheck = {}", "looks at something"),
            ("[[step]]\ncheck = [{ bound = true }, {}]", "looks at something"),
            ("[[step]]\nrepeat = 0\nstep = [{ do = \"bind\" }]", "a whole number from 1"),
            ("[[step]]\ndo = { modprobe = [] }", "takes its arguments"),
            ("[[step]]\ndo = { request-modules = 201 }", "from 1 to 200"),
            ("[[step]]\ndo = { sysrq = \"\u{e9}\" }", "no SysRq key"),
            ("[[step]]\ndo = { write = { path = \"x\", text = \"1\" } }", "is absolute"),
            ("[[step]]\ndo = { release = \"x\" }\nstart = true", "cannot `start`"),
            ("[[step]]\ndo = \"bind\"\nwhen.opmode = \"iwlxvm\"", "no opmode `iwlxvm`"),
            ("[[step]]\ndo = \"bind\"\nwhen.card = \"1234\"", "no card `1234`"),
            ("[[step]]\ndo = \"bind\"\nwhen.kernel = \">=7, <6\"", "no kernel is in"),
            (
                "[[step]]\nawait = { milestone = \"step-ended\", step = \"unbnd\" }",
                "no step is called `unbnd`; there are: unbind",
            ),
            ("[[expect]]\nthat = \"\"\nnever = \"bound\"", "what is expected"),
            ("[[expect]]\nthat = \"a\"\nin-order = []", "at least one milestone"),
            (
                "[[expect]]\nthat = \"a\"\nnever = \"bound\"\n\
                 [[expect]]\nthat = \"a\"\nnever = \"probe\"",
                "another expectation",
            ),
            (
                "[[expect]]\nthat = \"a\"\nevery = \"bound\"\nhas = { slt = [\"x\"] }",
                "no field `slt`; it has: slot, driver",
            ),
        ] {
            // Keys of the top stand before tables.
            let text = match wrong.starts_with('[') {
                true => format!("{HEAD}{step}{wrong}\n"),
                false => format!("{HEAD}{wrong}\n{step}"),
            };
            let error = error_of(&text);
            assert!(error.contains(said), "{wrong}: {error}");
        }
        assert!(error_of("about = \"t\"\ncards = []\nstep = []\n").contains("at least one card"));
        assert!(error_of(&format!("{HEAD}step = []\n")).contains("at least one [[step]]"));
        let both = "[[expect]]\nthat = \"a\"\nwhen.kernel = \"<7\"\nnever = \"bound\"\n\
                    [[expect]]\nthat = \"a\"\nwhen.kernel = \">=7\"\nnever = \"probe\"\n";
        assert!(parse("t", "t.toml", &format!("{HEAD}{step}{both}")).is_ok(), "one for each");
        let rules = "[[module]]\ntimes = 1\nexit = 1\n[[module]]\nkill = 9\n\
                     [[firmware]]\nname = \"*.xz\"\n[[firmware]]\n";
        assert!(parse("t", "t.toml", &format!("{HEAD}{rules}{step}")).is_ok(), "each is reached");
    }

    #[test]
    fn values_are_what_events_have() {
        let of = |milestone: &str| {
            let text = format!("{HEAD}[[step]]\nawait = {{ milestone = {milestone} }}\n");
            parse("t", "t.toml", &text)
        };
        for (milestone, said) in [
            ("\"modprobe-ended\", status = \"0\"", "`status` is a number"),
            ("\"alive\", valid = 1", "`valid` is true or false"),
            ("\"alive\", image = \"INIT\"", "one of: init, runtime"),
            ("\"kernel-trouble\", trouble = \"boom\"", "one of: panic, oops"),
            ("\"firmware-refused\", errno = \"EFOO\"", "there is no error `EFOO`"),
            ("\"bound\", slot = 1", "`slot` is a string"),
        ] {
            let error = of(milestone).expect_err("no such value").to_string();
            assert!(error.contains(said) && error.contains("line 4"), "{milestone}: {error}");
        }
        let scenario = of("\"firmware-refused\", errno = \"EACCES\"").expect("an error's name");
        let patterns = scenario.steps[0].get_ref().r#await.as_ref().expect("there");
        let pattern = patterns.iter().next().expect("one");
        assert_eq!(pattern.fields["errno"], Value::Integer(13));
        assert_eq!(pattern.to_string(), "firmware-refused (errno = EACCES)");
    }
}
