//! Whether a scenario makes sense: what parses, and yet would do nothing, or something else than it
//! says.

use std::ops::Range;

use toml::{Spanned, Value};

use crate::facts::milestone::FieldKind;
use crate::facts::near::{self, NoSuch};
use crate::script::complaint::Complaint;
use crate::script::possible::Possible;
use crate::script::recover::{Left, Spot};
use crate::script::said::Said;
use crate::script::scenario::{
    Action, Check, Equipped, Expectation, FileCheck, Happening, MOST_CARDS, Moment, OneOrMany,
    Pattern, PlannedFault, Scenario, Source, Step, Twin, When, field_of, glob, known_vars, no_card,
};
use crate::script::supplied::concerns;
use crate::script::{moments, scenario, undone, vain};

/// All that makes no sense in what is left of a scenario's text.
pub(super) fn check(scenario: &Scenario, left: &Left<'_>) -> Vec<Complaint> {
    let mut wrong = Vec::new();
    let top = left.spot();
    let possible = Possible::of(scenario, left);
    check_head(scenario, left, &mut wrong);
    check_machine(scenario, &possible, &top, &mut wrong);
    check_guest(scenario, &top, &mut wrong);
    check_rules(scenario, &top, &mut wrong);
    check_gates_stand(scenario, &top, &mut wrong);
    let steps = top.key(STEP);
    check_steps(&scenario.steps, &steps, &mut wrong);
    // A twin may leave out what is undone.
    if scenario.twin.is_none() && !left.lacks_of(&undone::DOINGS) {
        undone::check(&possible, &steps, &mut wrong);
    }
    for (index, expectation) in scenario.expectations.iter().enumerate() {
        check_expectation(expectation, &top.key(EXPECT).nth(index), &mut wrong);
        let Expectation { that, when, .. } = expectation.get_ref();
        let mut before = scenario.expectations[..index].iter().map(Spanned::get_ref);
        // The same may be put in other words for other kernels.
        let for_all = |when: &When| *when == When::default();
        let meets = |other: &When| other == when || for_all(other) || for_all(when);
        if before.any(|other| other.that == *that && meets(&other.when)) {
            let what = format!("another expectation says \"{that}\" too: twins tell them by that");
            wrong.push(Complaint::new(expectation.span(), what));
        }
    }
    let patterns = patterns(scenario, &top);
    let named = patterns.into_iter().filter(|Said { spot, pattern, .. }| {
        let before = wrong.len();
        for field in pattern.fields.keys() {
            if let Err(no_such) = field_of(&pattern.milestone, field) {
                let instead = instead_of(field, &pattern.milestone);
                wrong.push(Complaint::new(spot.name_of(field), format!("{no_such:#}{instead}")));
            }
        }
        wrong.len() == before
    });
    let patterns: Vec<_> = named.collect();
    vain::check_values(scenario, &possible, &top, &patterns, &mut wrong);
    check_cards(&scenario.steps, &possible, &steps, &mut wrong);
    // A twin may leave out the step whose end it waits for in vain.
    if scenario.twin.is_none() && !left.lacks_part(STEP, &["do", "name"]) {
        check_step_names(scenario, &patterns, &mut wrong);
    }
    for twin in &scenario.twins {
        check_twin(twin, scenario, left, &mut wrong);
    }
    wrong
}

/// What to write instead of a key that others than milestones have.
fn instead_of(key: &str, milestone: &str) -> String {
    match key {
        "nth" => format!(
            "\n`nth` is of a fault's `begin` and `end`; the second one is awaited by two steps, or by \
             await = [\"{milestone}\", \"{milestone}\"], and expected by `exactly` with `times`"
        ),
        "times" => "\n`times` stands beside `exactly`, not in it".to_owned(),
        "after" | "before" | "within" | "when" => {
            format!("\n`{key}` stands beside the milestone, in the [[expect]] or [[step]] itself")
        }
        _ => String::new(),
    }
}

/// The keys of the tables of which there are many.
const STEP: &str = "step";
const EXPECT: &str = "expect";

fn check_head(scenario: &Scenario, left: &Left<'_>, wrong: &mut Vec<Complaint>) {
    let top = left.spot();
    let mut complain = |at, what: &dyn ToString| wrong.push(Complaint::new(at, what.to_string()));
    // What was taken out is there.
    let lacks = |none: bool, key: &str| none && !left.lacks_of(&[key]);
    if lacks(scenario.about.trim().is_empty(), "about") {
        let at = top.key("about").at;
        complain(at, &"a scenario says in one line what it shows: about = \"…\"");
    }
    if lacks(scenario.cards.is_empty(), "cards") {
        complain(top.key("cards").at, &"name at least one card, as in cards = [\"7260\"]");
    }
    for card in scenario.cards.iter().chain(scenario.further_models()) {
        if iwl_card::card(card.get_ref()).is_none() {
            complain(card.span(), &format!("{:#}", no_card(card.get_ref())));
        }
    }
    for (index, end) in scenario.explore.ends.iter().enumerate() {
        if end.card.is_some() {
            let at = top.key("explore").key("ends").nth(index).key("card").at;
            complain(at, &"`explore.ends` are about the first card; they have no `card`");
        }
    }
    if lacks(scenario.steps.is_empty(), STEP) {
        complain(top.key(STEP).at, &"a scenario has at least one [[step]]");
    }
}

/// The cards of the machine: what only the first can say, or a further one, and what is wrong with
/// each.
fn check_machine(
    scenario: &Scenario,
    possible: &Possible<'_>,
    top: &Spot<'_>,
    wrong: &mut Vec<Complaint>,
) {
    let tables = scenario.card.iter().count();
    for (index, table) in scenario.card.iter().enumerate() {
        if let (0, Some(model)) = (index, &table.model) {
            let what = "the first card is the one that is played with: `cards` name it";
            wrong.push(Complaint::new(model.span(), what));
        }
        if let (true, Some(more)) = (tables > 1, table.more.first()) {
            let what = "`more` stands where there is one [card]; of several each is a [[card]]";
            wrong.push(Complaint::new(more.span(), what));
        }
    }
    let firsts = || {
        let named = scenario.cards.iter();
        named.filter_map(|card| Some((card.span(), iwl_card::card(card.get_ref())?)))
    };
    for (at, first) in firsts() {
        let machine = scenario.machine(first);
        if machine.len() > MOST_CARDS {
            let what = format!("a machine has {MOST_CARDS} slots for cards");
            wrong.push(Complaint::new(one_too_many(scenario, top), what));
            return;
        }
        for card in machine {
            let table = scenario
                .card
                .iter()
                .position(|own| card.table.is_some_and(|table| std::ptr::eq(own, table)));
            let spot = table.map(|table| top.key("card").nth(table));
            // What its own table says of it stands there; what it is, where the card is named.
            let said = |key: &str| match &spot {
                Some(spot) => spot.key(key).at,
                None => at.clone(),
            };
            if let Err(what) = card.part() {
                wrong.push(Complaint::new(said("identity"), what.to_string()));
            }
            let choice = card.table.and_then(|table| table.interrupts);
            if let Some(Err(what)) = choice.map(|choice| choice.of(card.spec)) {
                wrong.push(Complaint::new(said("interrupts"), what.to_string()));
            }
        }
    }
    for (fault, spot) in faults(scenario, top) {
        let PlannedFault { fault: known, when, .. } = fault.get_ref();
        let mine =
            |card: &Equipped<'_>| card.faults().any(|own| std::ptr::eq(own, fault.get_ref()));
        let cards: Vec<_> = firsts()
            .filter(|(_, first)| concerns(when, first))
            .flat_map(|(_, first)| scenario.machine(first))
            .filter(mine)
            .map(|card| card.spec)
            .collect();
        if let Some((card, why)) = cards.iter().find_map(|card| Some((card, card.lacks(*known)?))) {
            let what = scenario::lacks(card.name, *known, why);
            wrong.push(Complaint::new(fault.span(), what));
        }
        if let Some(what) = possible.lacks_file(&cards, *known) {
            wrong.push(Complaint::new(fault.span(), format!("`{known}` never comes: {what}")));
        }
        // Of cards that are none nothing is known.
        for (moment, spot) in moments_of(fault.get_ref(), &spot).filter(|_| !cards.is_empty()) {
            if let Some(what) = moments::never_comes(possible, &cards, moment, when) {
                wrong.push(Complaint::new(spot.at, format!("`{moment}` never comes: {what}")));
            }
        }
    }
}

/// Where the first card is named that finds no slot.
fn one_too_many(scenario: &Scenario, top: &Spot<'_>) -> Range<usize> {
    let tables = scenario.card.iter().count();
    match scenario.card.iter().next().filter(|_| tables == 1) {
        Some(first) => first.more[MOST_CARDS - 1..].first().map_or(0..0, Spanned::span),
        None => top.key("card").nth(MOST_CARDS).at,
    }
}

/// All that is wrong with any card, and where it is said.
fn faults<'s>(
    scenario: &'s Scenario,
    top: &Spot<'s>,
) -> impl Iterator<Item = (&'s Spanned<PlannedFault>, Spot<'s>)> {
    let cards = top.key("card");
    scenario.card.iter().enumerate().flat_map(move |(card, table)| {
        let spot = cards.nth(card).key("faults");
        table.faults.iter().enumerate().map(move |(n, fault)| (fault, spot.nth(n)))
    })
}

/// The moments of a fault, and where they are said.
fn moments_of<'s>(
    fault: &'s PlannedFault,
    spot: &Spot<'s>,
) -> impl Iterator<Item = (&'s Moment, Spot<'s>)> {
    let (begin, end) = (spot.key("begin"), spot.key("end"));
    let begin = fault.begin.iter().map(move |moment| (moment, begin.clone()));
    begin.chain(fault.end.iter().map(move |moment| (moment, end.clone())))
}

/// What is left out of the guest's image cannot be loaded before all begins.
fn check_guest(scenario: &Scenario, top: &Spot<'_>, wrong: &mut Vec<Complaint>) {
    let guest = &scenario.guest;
    for (n, loaded) in guest.loaded.iter().flatten().enumerate() {
        if guest.without.contains(loaded) {
            let what = format!("`{loaded}` is left out of the image (`guest.without`), too");
            wrong.push(Complaint::new(top.key("guest").key("loaded").nth(n).at, what));
        }
    }
}

fn check_text(text: &str) -> Result<(), String> {
    known_vars(&Value::String(text.to_owned()))
}

fn check_rules(scenario: &Scenario, top: &Spot<'_>, wrong: &mut Vec<Complaint>) {
    let mut before: Vec<(&str, &When)> = Vec::new();
    for (index, rule) in scenario.firmware.iter().enumerate() {
        let r = rule.get_ref();
        if let Some(Source::File(path)) = &r.give {
            let path = scenario.directory.join(path);
            if !path.is_file() {
                let at = top.key("firmware").nth(index).key("give").at;
                let what = format!("`give`: there is no file {}", path.display());
                wrong.push(Complaint::new(at, what));
            }
        }
        let mut complain = |what: String| wrong.push(Complaint::new(rule.span(), what));
        if r.give.is_some() && r.refuse.is_some() {
            complain("a firmware rule has at most one of `give` and `refuse`".into());
        }
        if r.refuse.is_some() && (!r.corrupt.is_empty() || r.compress.is_some()) {
            complain("what is refused is neither corrupted nor compressed".into());
        }
        check_rule(&mut before, &r.name, &r.when, r.times).unwrap_or_else(&mut complain);
        check_timing(r.hold_until.is_some(), r.hold, r.delay).unwrap_or_else(&mut complain);
    }
    before.clear();
    for rule in &scenario.module {
        let r = rule.get_ref();
        let mut complain = |what: String| wrong.push(Complaint::new(rule.span(), what));
        let forms = [r.exit.is_some(), r.lie, r.kill.is_some(), r.hang];
        if forms.into_iter().filter(|form| *form).count() > 1 {
            complain("a module rule has at most one of `exit`, `lie`, `kill`, `hang`".into());
        }
        check_rule(&mut before, &r.name, &r.when, r.times).unwrap_or_else(&mut complain);
        check_timing(r.hold_until.is_some(), r.hold, r.delay).unwrap_or_else(&mut complain);
    }
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
fn check_gates_stand(scenario: &Scenario, top: &Spot<'_>, wrong: &mut Vec<Complaint>) {
    if scenario.gates {
        return;
    }
    let mut complain = |at, what: &str| {
        let what = format!("with `gates = false` there is no gate that {what} could speak to");
        wrong.push(Complaint::new(at, what));
    };
    for rule in &scenario.module {
        complain(rule.span(), "a [[module]] rule");
    }
    for rule in &scenario.firmware {
        let r = rule.get_ref();
        if r.hold || r.hold_until.is_some() || r.delay.is_some() || r.times.is_some() {
            complain(rule.span(), "`hold`, `hold-until`, `delay` or `times`");
        }
    }
    if !scenario.hold.is_empty() {
        complain(top.key("hold").at, "`hold`");
    }
    if scenario.reboots() {
        let what = "`gates = false` puts files into a guest, and a reset takes them out: no `sysrq = \"b\"`";
        wrong.push(Complaint::new(top.key("gates").at, what));
    }
}

fn check_timing(hold_until: bool, hold: bool, delay: Option<f64>) -> Result<(), String> {
    if usize::from(hold_until) + usize::from(hold) + usize::from(delay.is_some()) > 1 {
        return Err("a rule has at most one of `hold-until`, `hold` and `delay`".into());
    }
    if delay.is_some_and(|seconds| seconds > 3600.0) {
        return Err("`delay` is an hour at most".into());
    }
    Ok(())
}

fn check_steps(steps: &[Spanned<Step>], spot: &Spot<'_>, wrong: &mut Vec<Complaint>) {
    for (index, step) in steps.iter().enumerate() {
        let (s, spot) = (step.get_ref(), spot.nth(index));
        let mut complain = |what: &str| wrong.push(Complaint::new(step.span(), what));
        let forms = [s.r#do.is_some(), s.r#await.is_some(), s.check.is_some(), s.repeat.is_some()];
        if forms.into_iter().filter(|form| *form).count() != 1 {
            complain("a step has exactly one of `do`, `await`, `check` and `repeat`");
        }
        if s.r#do.is_none() && (s.start || s.fails.is_some()) {
            complain("`start` and `fails` go with `do`");
        }
        if s.repeat.is_some() == s.step.is_empty() {
            complain("`repeat` and its steps, [[step.step]], go together");
        }
        if s.r#await.as_ref().is_some_and(OneOrMany::is_empty) {
            complain("`await` names at least one milestone");
        }
        let says_nothing = |checks: &OneOrMany<Check>| {
            checks.is_empty() || checks.iter().any(|check| *check == Check::default())
        };
        if s.check.as_ref().is_some_and(says_nothing) {
            complain("a `check` looks at something: `check = { bound = true }`");
        }
        if s.card.is_some()
            && s.check.is_none()
            && !s.r#do.as_ref().is_some_and(Action::is_of_a_card)
        {
            let about = s.r#do.as_ref().map(|action| format!("; `{}` is not", action.word()));
            let what = format!(
                "`card` is for a `check`, and for a `do` that is done to one card{}\nthose are {}",
                about.unwrap_or_default(),
                Action::OF_A_CARD.join(", ")
            );
            wrong.push(Complaint::new(spot.name_of("card"), what));
        }
        for (check, spot) in checks(s, &spot) {
            for (n, module) in check.not_loaded.iter().enumerate() {
                if check.loaded.contains(module) {
                    let what = format!("`{}` is said to be loaded, too: never both", module.0);
                    wrong.push(Complaint::new(spot.key("not-loaded").nth(n).at, what));
                }
            }
            if check.present == Some(false)
                && (check.bound == Some(true) || check.interfaces.is_some_and(|n| n > 0))
            {
                let what = "a card that is not there is bound to nothing and has no interface";
                wrong.push(Complaint::new(spot.key("present").at, what));
            }
            if check.bound == Some(false) && check.interfaces.is_some_and(|n| n > 0) {
                let what = "without a driver a card has no interface";
                wrong.push(Complaint::new(spot.key("interfaces").at, what));
            }
            if let Some(what) = check.file.as_ref().and_then(FileCheck::complaint) {
                wrong.push(Complaint::new(spot.key("file").at, what));
            }
        }
        if let Some(what) = s.r#do.as_ref().and_then(|action| action_complaint(action, s.start)) {
            wrong.push(Complaint::new(spot.key("do").at, what));
        }
        check_steps(&s.step, &spot.key(STEP), wrong);
    }
}

/// What a step looks at, and where it says so.
fn checks<'s>(step: &'s Step, spot: &Spot<'s>) -> impl Iterator<Item = (&'s Check, Spot<'s>)> {
    let spot = spot.key("check");
    let checks = step.check.iter().flat_map(OneOrMany::iter).enumerate();
    checks.map(move |(n, check)| (check, spot.nth(n)))
}

/// A card that a step names plays.
fn check_cards(
    steps: &[Spanned<Step>],
    possible: &Possible<'_>,
    spot: &Spot<'_>,
    wrong: &mut Vec<Complaint>,
) {
    for (index, step) in steps.iter().enumerate() {
        let (s, spot) = (step.get_ref(), spot.nth(index));
        let of_checks = checks(s, &spot).map(|(check, spot)| (check.card.as_ref(), spot));
        for (card, spot) in std::iter::once((s.card.as_ref(), spot.clone())).chain(of_checks) {
            if let Some(no_such) = card.and_then(|card| possible.lacks_card(&card.0)) {
                wrong.push(Complaint::new(spot.key("card").at, no_such));
            }
        }
        check_cards(&s.step, possible, &spot.key(STEP), wrong);
    }
}

/// A step that is not there never ends: nothing would tell that from one that was not reached.
fn check_step_names(scenario: &Scenario, patterns: &[Said<'_>], wrong: &mut Vec<Complaint>) {
    let steps = scenario.all_steps();
    let mut names: Vec<_> = steps.iter().map(|step| step.called(Pattern::to_string)).collect();
    names.sort_unstable();
    names.dedup();
    for Said { spot, pattern, .. } in patterns {
        let Some(Value::String(name)) = pattern.fields.get("step") else { continue };
        // A repetition ends with its steps.
        if !steps.iter().any(|step| step.repeat.is_none() && step.is_called(name)) {
            let what = format!("{:#}", NoSuch::new("step", name, names.iter().cloned()));
            wrong.push(Complaint::new(spot.key("step").at, what));
        }
    }
}

/// All that a scenario says about milestones, and where.
fn patterns<'s>(scenario: &'s Scenario, top: &Spot<'s>) -> Vec<Said<'s>> {
    let mut all = Vec::new();
    step_patterns(&scenario.steps, &top.key(STEP), &mut all);
    for (fault, spot) in faults(scenario, top) {
        let when = &fault.get_ref().when;
        let moments = moments_of(fault.get_ref(), &spot);
        all.extend(moments.filter_map(|(moment, spot)| match &moment.what {
            Happening::Milestone(pattern) => Some(Said { spot, pattern, when, holds: false }),
            Happening::Event(_) => None,
        }));
    }
    let firmware = scenario.firmware.iter().map(Spanned::get_ref);
    let module = scenario.module.iter().map(Spanned::get_ref);
    let firmware = firmware.map(|rule| (rule.hold_until.as_ref(), &rule.when));
    let module = module.map(|rule| (rule.hold_until.as_ref(), &rule.when));
    for (key, rules) in [("firmware", firmware.collect()), ("module", module.collect::<Vec<_>>())] {
        let held = rules.into_iter().enumerate();
        all.extend(held.filter_map(|(n, (until, when))| {
            let spot = top.key(key).nth(n).key("hold-until");
            Some(Said { spot, pattern: until?.get_ref(), when, holds: true })
        }));
    }
    for (n, e) in scenario.expectations.iter().map(Spanned::get_ref).enumerate() {
        let spot = top.key(EXPECT).nth(n);
        let one = [
            ("eventually", &e.eventually),
            ("never", &e.never),
            ("exactly", &e.exactly),
            ("every", &e.every),
            ("after", &e.after),
            ("before", &e.before),
        ];
        let when = &e.when;
        let one = one.into_iter().filter_map(|(key, p)| Some((spot.key(key), p.as_ref()?)));
        let order = e.in_order.iter().flatten().enumerate();
        let order = order.map(|(n, p)| (spot.key("in-order").nth(n), p));
        let said = one.chain(order);
        all.extend(said.map(|(spot, p)| Said { spot, pattern: p.get_ref(), when, holds: false }));
    }
    all
}

fn step_patterns<'s>(steps: &'s [Spanned<Step>], spot: &Spot<'s>, all: &mut Vec<Said<'s>>) {
    for (index, step) in steps.iter().enumerate() {
        let (spot, when) = (spot.nth(index), &step.get_ref().when);
        let awaited = step.get_ref().r#await.iter().flat_map(OneOrMany::iter).enumerate();
        all.extend(awaited.map(|(n, pattern)| {
            let spot = spot.key("await").nth(n);
            Said { spot, pattern, when, holds: false }
        }));
        step_patterns(&step.get_ref().step, &spot.key(STEP), all);
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
        Action::Exec(argv) if argv.is_empty() => Some(
            "`exec` takes a program and its arguments: { exec = [\"modprobe\", \"-V\"] }".into(),
        ),
        Action::Write(file) if !file.path.0.starts_with('/') => {
            Some(format!("`path` is absolute; `{}` is not", file.path.0))
        }
        _ => None,
    }
}

fn check_expectation(
    expectation: &Spanned<Expectation>,
    spot: &Spot<'_>,
    wrong: &mut Vec<Complaint>,
) {
    let e = expectation.get_ref();
    if let Some(what) = e.complaint() {
        wrong.push(Complaint::new(expectation.span(), what));
    }
    // The first of `before` ends what is looked at: none of these stands in it.
    let ends = |pattern: &Spanned<Pattern>| {
        let (one, end) = (pattern.get_ref(), e.before.as_ref()?.get_ref());
        let is_each = |(field, value): (&String, &Value)| one.fields.get(field) == Some(value);
        let within = one.milestone == end.milestone && end.fields.iter().all(is_each);
        within.then(|| {
            format!("each `{one}` is such a `before`: none comes before the first of them")
        })
    };
    let forms = [
        ("never", &e.never),
        ("eventually", &e.eventually),
        ("exactly", &e.exactly),
        ("every", &e.every),
    ];
    for (key, pattern) in forms {
        if let Some(what) = pattern.as_ref().and_then(ends) {
            wrong.push(Complaint::new(spot.key(key).at, what));
        }
    }
    let Some(kind) = e.every.as_ref().map(|every| every.get_ref().milestone.as_str()) else {
        return;
    };
    for (field, value) in e.among.iter().flat_map(|values| &values.get_ref().0) {
        if has_all(field, value) {
            let what = format!("these are all values that `{field}` has: nothing turns this red");
            wrong.push(Complaint::new(spot.key("among").key(field).at, what));
        }
    }
    for (key, values) in [("has", &e.has), ("among", &e.among)] {
        for field in values.iter().flat_map(|values| values.get_ref().0.keys()) {
            if let Err(no_such) = field_of(kind, field) {
                let at = spot.key(key).name_of(field);
                wrong.push(Complaint::new(at, format!("{no_such:#}")));
            }
        }
    }
}

/// Whether a list has every value that a field can have, where they are few.
fn has_all(field: &str, listed: &Value) -> bool {
    let Value::Array(listed) = listed else { return false };
    let all: Vec<Value> = match FieldKind::of(field) {
        Some(FieldKind::Truth) => [true, false].map(Value::from).to_vec(),
        Some(FieldKind::Word(words)) => words.iter().map(|word| Value::from(*word)).collect(),
        _ => return false,
    };
    all.iter().all(|value| listed.contains(value))
}

fn check_twin(
    twin: &Spanned<Twin>,
    scenario: &Scenario,
    left: &Left<'_>,
    wrong: &mut Vec<Complaint>,
) {
    let t = twin.get_ref();
    if t.red.is_empty() && t.outcome.is_none() {
        let what = "a twin says with `red` which expectations must fail, or with `outcome` how the \
                    run must end";
        wrong.push(Complaint::new(twin.span(), what));
    }
    let expected = || scenario.expectations.iter().map(|e| e.get_ref().that.as_str());
    let whole = !left.lacks_part(EXPECT, &["that"]);
    for red in t.red.iter().chain(&t.may).filter(|_| whole) {
        if !expected().any(|that| that == red.get_ref()) {
            let mut what =
                format!("`red` names no expectation: none says that \"{}\"", red.get_ref());
            if let Some(near) = near::nearest(red.get_ref(), expected()) {
                what += &format!("\ndid you mean \"{near}\"?");
            }
            wrong.push(Complaint::new(red.span(), what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::read::parse;
    use crate::script::scenario::EVENTS;

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
            ("patience = 0", "in whole seconds, from 1"),
            ("guest.command-line = \"a\\nb\"", "no control characters"),
            ("stub-only = \" \"", "it has to say why"),
            ("guest.without = [\"$opmod\"]", "no variable `$opmod`"),
            ("guest.loaded = [\"$opmod\"]", "no variable `$opmod`"),
            ("card.faults = [\"nvm-checksum\"]", "the card 7260 cannot have the fault"),
            ("[[module]]\nexit = 300", "a whole number from 0 to 255"),
            ("[[module]]\nkill = 99", "a whole number from 1 to 64"),
            ("[[module]]\ntimes = 0", "a whole number from 1"),
            ("[[module]]\nname = \"*\"\n[[module]]\nexit = 1", "never reached"),
            ("[[firmware]]\n[[firmware]]\nname = \"iwl*.xz\"", "never reached"),
            ("[[firmware]]\ngive = \"file:/no/such\"", "there is no file /no/such"),
            ("gates = false\n[[module]]\nexit = 1", "there is no gate"),
            ("gates = false\nhold = [\"$opmode\"]", "there is no gate"),
            ("gates = false\n[[firmware]]\ndelay = 1", "there is no gate"),
            ("gates = false\n[[step]]\ndo = { sysrq = \"b\" }", "no `sysrq = \"b\"`"),
            ("[[step]]\nawait = []", "at least one milestone"),
            ("[[step]]\ncheck = { file = { path = \"x\", is = \"1\" } }", "`x` is not"),
            ("[[step]]\ncheck = { file = { path = \"/x\" } }", "one of `is` and `matches`"),
            ("[[step]]\ndo = { exec = [] }", "`exec` takes a program"),
            ("[[step]]\ndo = { suspend = \"disk\" }", "freezer"),
            ("[[step]]\ncheck = {}", "looks at something"),
            ("[[step]]\ndo = \"coldplug\"\ncard = \"7260\"", "one card; `coldplug` is not"),
            (
                "[[expect]]\nthat = \"a\"\nnever = \"bound\"\nbefore = \"bound\"",
                "none comes before the first",
            ),
            (
                "[[expect]]\nthat = \"a\"\nbefore = \"alive\"\ntimes = 0\n\
                 exactly = { milestone = \"alive\", image = \"init\" }",
                "each `alive (image = \"init\")` is such a `before`",
            ),
            (
                "[[expect]]\nthat = \"a\"\nevery = \"nvm-read\"\namong = { present = [true, false] }",
                "all values that `present` has",
            ),
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
                "no step `unbnd`; did you mean `unbind`?",
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
                "`bound` has no field `slt`; did you mean `slot`?",
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
            assert!(error.contains(said) && error.contains("t.toml:4:"), "{milestone}: {error}");
        }
        let scenario = of("\"firmware-refused\", errno = \"ENOENT\"").expect("an error's name");
        let patterns = scenario.steps[0].get_ref().r#await.as_ref().expect("there");
        let pattern = patterns.iter().next().expect("one");
        assert_eq!(pattern.fields["errno"], Value::Integer(2));
        assert_eq!(pattern.to_string(), "firmware-refused (errno = ENOENT)");
    }

    #[test]
    fn cards_of_a_machine() {
        let step = "[[step]]\ndo = \"unbind\"\n";
        for (cards, said) in [
            ("[[card]]\nmodel = \"7260\"\n", "the first card is the one that is played with"),
            ("[[card]]\n[[card]]\nmodel = \"7206\"\n", "did you mean `7260`?"),
            ("[[card]]\nmore = [\"7260\"]\n[[card]]\n", "of several each is a [[card]]"),
            ("[[card]]\n[[card]]\nmodell = \"7260\"\n", "did you mean `model`?"),
            (
                "[[card]]\n[[card]]\nmodel = \"6205\"\nfaults = [\"nvm-section-absent\"]\n",
                "6205 cannot",
            ),
            (&"[[card]]\n".repeat(11), "slots for cards"),
            ("[[card]]\n[[card]]\nfaults = [\"never-alive@alive:card=7260-3\"]\n", "7260-2"),
        ] {
            let error = error_of(&format!("{HEAD}{step}{cards}"));
            assert!(error.contains(said), "{cards}: {error}");
        }
        let cards = "[[card]]\n[[card]]\n[[card]]\nmodel = \"6205\"\nfaults = [\"nvm-checksum\"]\n";
        let text = format!("{HEAD}{step}card = \"7260-2\"\n{cards}");
        let scenario = parse("t", "t.toml", &text).expect("three cards");
        assert_eq!(scenario.card_names("7260"), ["7260", "7260-2", "6205"]);
        assert_eq!(scenario.card_names("8265"), ["8265", "8265-2", "6205"]);
    }

    /// Of each kind of event, a value that none has is refused.
    #[test]
    fn each_event_of_a_moment_has_values_that_are_known() {
        for event in EVENTS {
            for card in iwl_card::one_of_each_generation().map(|card| card.name) {
                let text = format!(
                    "about = \"t\"\ncards = [\"{card}\"]\n\
                     card.faults = [\"never-alive@{}:{}=no-such-value\"]\n[[step]]\ndo = \"bind\"\n",
                    event.kind, event.field
                );
                let error = error_of(&text);
                assert!(error.contains("no-such-value"), "{error}");
                assert!(error.contains("t.toml:3:16\n"), "{error}");
            }
        }
        for (card, cause, comes) in [
            ("7260", "SW_ERR", true),
            ("7260", "FH_TX", true),
            ("ax200", "FH_TX", false),
            ("ax200", "WAKEUP", true),
            ("6205", "RESET_DONE", false),
            ("ax210", "RESET_DONE", true),
            ("9260", "FH_ERR", true),
            ("8265", "FH_ERR", false),
        ] {
            let text = format!(
                "about = \"t\"\ncards = [\"{card}\"]\n\
                 card.faults = [\"never-alive@interrupt:cause={cause}\"]\n[[step]]\ndo = \"bind\"\n"
            );
            assert_eq!(parse("t", "t.toml", &text).is_ok(), comes, "{card} {cause}");
        }
    }

    /// A step that takes back what nothing has done.
    #[test]
    fn what_is_undone_was_done() {
        let of = |head: &str, steps: &[&str]| {
            let steps: String = steps.iter().map(|step| format!("[[step]]\n{step}\n")).collect();
            parse("t", "t.toml", &format!("{HEAD}{head}{steps}"))
        };
        let bind = "do = \"bind\"";
        for (head, steps, said) in [
            ("", vec!["do = { fault-end = \"never-alive\" }"], "no fault `never-alive` to end"),
            (
                "card.faults = [\"rf-kill\"]\n",
                vec!["do = { fault-end = \"never-alive\" }"],
                "no fault `never-alive` to end",
            ),
            (
                "",
                vec!["do = { fault-end = \"nvm-old\" }", "do = { fault = \"nvm-old\" }"],
                "no fault `nvm-old` to end",
            ),
            (
                "card = [{}, { faults = [\"nvm-old\"] }]\n",
                vec!["do = { fault-end = \"nvm-old\" }"],
                "no fault `nvm-old` to end",
            ),
            ("", vec!["do = \"release-alive\""], "`alive-held`"),
            ("", vec!["do = { rf-kill = false }"], "off already"),
            ("", vec!["do = \"plug\""], "no `unplug` comes before"),
            (
                "card = [{}, {}]\n",
                vec!["do = \"unplug\"", "do = \"plug\"\ncard = \"7260-2\""],
                "no `unplug` comes before",
            ),
            ("", vec!["do = \"link-down\""], "no `link-up` comes before"),
            ("", vec!["do = { driver-override = \"\" }"], "no `driver-override` comes before"),
            ("", vec!["do = { autoload = \"gate\" }"], "no `autoload` comes before"),
            ("", vec!["do = { release = \"iwlmvm\" }"], "hold = [\"iwlmvm\"] at the top"),
            ("", vec!["do = { release-one = \"$opmode\" }"], "nothing is held"),
            (
                "hold = [\"$opmode\"]\n",
                vec!["do = { release = \"iwlmvn\" }"],
                "did you mean `iwlmvm`?",
            ),
            ("hold = [\"iwlmvm\"]\n", vec!["do = { release = \"$firmware\" }"], "held: `iwlmvm`"),
        ] {
            let last = steps.len();
            let error = of(head, &steps).map(drop).expect_err(said).to_string();
            assert!(error.contains(said) && error.matches("-->").count() == 1, "{said}: {error}");
            assert!(last > 0);
        }
        for (head, steps) in [
            (
                "card.faults = [\"never-alive\"]\n",
                vec![bind, "do = { fault-end = \"never-alive\" }"],
            ),
            ("card.faults = [\"all-ones=400\"]\n", vec!["do = { fault-end = \"all-ones\" }"]),
            ("", vec!["do = { fault = \"nvm-old\" }", "do = { fault-end = \"nvm-old\" }"]),
            (
                "card = [{}, { faults = [\"nvm-old\"] }]\n",
                vec!["do = { fault-end = \"nvm-old\" }\ncard = \"$card-2\""],
            ),
            ("", vec!["do = { fault = \"alive-held\" }", "do = \"release-alive\""]),
            ("card.faults = [\"rf-kill\"]\n", vec!["do = { rf-kill = false }"]),
            ("", vec!["do = { rf-kill = true }", "do = { rf-kill = false }"]),
            ("", vec!["do = \"unplug\"", "do = \"plug\"\ncard = \"7260\""]),
            ("", vec!["do = \"link-down\"\nfails = true"]),
            ("", vec!["do = { exec = [\"ip\", \"link\"] }", "do = \"link-down\""]),
            (
                "",
                vec![
                    "repeat = 2\nstep = [{ do = { rf-kill = false } }, { do = { rf-kill = true } }]",
                ],
            ),
            ("hold = [\"$opmode\"]\n", vec!["do = { release = \"iwlmvm\" }"]),
            ("hold = [\"iwl*\"]\n", vec!["do = { release = \"$firmware\" }"]),
            ("hold = [\"$opmode\"]\n", vec!["do = { release = \"iwlrs_mvm\" }"]),
            ("firmware = [{ hold = true }]\n", vec!["do = { release-one = \"*.ucode\" }"]),
        ] {
            let good = of(head, &steps).map(drop);
            assert!(good.is_ok(), "{head}{steps:?}: {good:?}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (part, place, said) in [
            (
                "[[step]]\ncheck = { loaded = [\"$opmode\", \"rfkill\"], not-loaded = [\"x\", \"rfkill\"] }",
                "6:62",
                "`rfkill` is said to be loaded, too",
            ),
            ("[[step]]\ncheck = { bound = false, interfaces = 1 }", "6:39", "no interface"),
            ("[[step]]\ncheck = { present = false, bound = true }", "6:21", "bound to nothing"),
            (
                "[guest]\nwithout = [\"mac80211\"]\nloaded = [\"mac80211\"]",
                "7:11",
                "left out of the image",
            ),
            ("[[card]]\n[[card]]\nmodel = \"7260\"\ninterrupts = \"msix\"", "8:14", "MSI-X"),
            (
                "[card]\nmore = [\"7260\", \"7260\", \"7260\", \"7260\", \"7260\", \"7260\", \
                 \"7260\", \"7260\", \"6205\", \"8265\"]",
                "6:81",
                "slots for cards",
            ),
            (&"[[card]]\n".repeat(11), "15:1", "slots for cards"),
            (
                "[[step]]\nawait = { milestone = \"alive\", nth = 2 }",
                "6:32",
                "await = [\"alive\", \"alive\"]",
            ),
        ] {
            let error = error_of(&format!("{HEAD}[[step]]\ndo = \"bind\"\n{part}\n"));
            assert!(error.contains(said), "{part}: {error}");
            assert!(error.contains(&format!("t.toml:{place}\n")), "{part}: {error}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        for (head, name, said) in [
            (
                "card.faults = [\"rf-kill\"]\n[[card]]\n",
                "`card` is there already",
                "of several each is a [[card]]",
            ),
            (
                "[card]\nfaults = []\n[[card]]\n",
                "`card` is there already",
                "of several each is a [[card]]",
            ),
            ("patience = 3\npatience = 4\n", "`patience` is there already", "written once"),
        ] {
            let error = error_of(&format!("{HEAD}{head}[[step]]\ndo = \"bind\"\n"));
            assert!(error.contains(name) && error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_fault_has_a_time_that_comes() {
        let step = "[[step]]\ndo = \"link-up\"\nname = \"up\"\n";
        let of = |head: &str, fault: &str| {
            let text = format!("{HEAD}{head}card.faults = [{fault}]\n{step}");
            parse("t", "t.toml", &text)
        };
        for (fault, said) in [
            ("{ fault = \"never-alife\" }", "did you mean `never-alive`?"),
            ("{ fault = \"never-alive\", begn = \"alive\" }", "did you mean `begin`?"),
            ("{ fault = \"never-alive\", begin = \"aliv\" }", "did you mean `alive`?"),
            ("\"never-alive@aliv\"", "did you mean `alive`?"),
            (
                "{ fault = \"never-alive\", begin = { milestone = \"alive\", imag = \"init\" } }",
                "did you mean `image`?",
            ),
            (
                "{ fault = \"never-alive\", begin = { event = \"host-comand\" } }",
                "did you mean `host-command`?",
            ),
            (
                "{ fault = \"never-alive\", begin = { milestone = \"alive\", nth = 0 } }",
                "a whole number from 1",
            ),
            ("\"never-alive@step-ended:step=upp\"", "did you mean `up`?"),
            ("\"never-alive@host-command:name=ADD_STAA\"", "never comes: there is no message"),
            ("\"never-alive@reg-write:reg=CSR_RESETT\"", "did you mean `CSR_RESET`?"),
            (
                "{ fault = \"never-alive\", begin = { event = \"interrupt\", cause = \"SW_ER\" } }",
                "did you mean `SW_ERR`?",
            ),
            (
                "\"never-alive@interrupt:cause=WAKEUP\"",
                "no cause of these cards' interrupts `WAKEUP`",
            ),
            ("\"never-alive@interrupt:cause=IML\"", "there are: ALIVE, FH_RX(0)"),
            ("\"never-alive@reset:how=softwar\"", "did you mean `software`?"),
            ("\"never-alive@packet:name=ALIVEE\"", "no message of these cards"),
            ("\"never-alive@reg-read:reg=CSR_RESETT\"", "did you mean `CSR_RESET`?"),
            ("\"never-alive@iml-loaded\"", "no image loader"),
            ("\"ucode-error=16\"", "no file of API 16"),
            ("\"never-alive@host-command:name=SCAN_REQ_UMAC\"", "`SCAN_OFFLOAD_REQUEST_CMD`?"),
            ("\"never-alive@firmware-asked:name=regulatory.db\"", "as cfg80211 is loaded"),
            ("\"never-alive@fault-injected:fault=nvm-old\"", "the card has no such fault"),
            ("\"never-alive@opmode-loaded:module=iwlmvn\"", "did you mean `iwlmvm`?"),
        ] {
            let error = of("", fault).expect_err(fault).to_string();
            assert!(error.contains(said), "{fault}: {error}");
        }
        for fault in [
            "{ fault = \"never-alive\", begin = { event = \"packet\", nth = 3 }, end = \"alive#2\" }",
            "{ fault = \"nvm-old\", when.opmode = \"iwlmvm\", begin = \"opmode-asked\" }",
            "\"ucode-error@step-ended:step=up..fault-injected:fault=ucode-error\"",
        ] {
            assert!(of("", fault).is_ok(), "{fault}: {:?}", of("", fault).err());
        }
        let gateless = of("gates = false\n", "\"nvm-old@opmode-asked\"");
        let error = gateless.expect_err("no gates").to_string();
        assert!(error.contains("with `gates = false` nobody tells"), "{error}");
        let text = format!(
            "about = \"t\"\ncards = [\"ax200\"]\ncard.faults = [\"nvm-old@alive:image=init\"]\n{step}"
        );
        assert!(error_of(&text).contains("given one image only"));
    }
}
