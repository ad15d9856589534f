//! Steps that take back what nothing has done: they would play, and do nothing.

use iwl_card::Fault;
use toml::Spanned;

use crate::facts::driver::{DRIVERS, IWLWIFI};
use crate::facts::near;
use crate::script::complaint::Complaint;
use crate::script::possible::{FIRST, Possible};
use crate::script::recover::Spot;
use crate::script::scenario::{Action, Autoload, Scenario, Step, flattened, glob};

/// The keys of what a step can undo: where one of them cannot be read, nothing is known of that.
pub(super) const DOINGS: [&str; 6] = ["cards", "card", "step", "hold", "firmware", "module"];

/// Steps that undo something that is not there. What comes before a step is all that stands before it, and
/// in a repetition all of that; a step that has to fail may be meant so.
pub(super) fn check(possible: &Possible<'_>, steps: &Spot<'_>, wrong: &mut Vec<Complaint>) {
    let mut before = Vec::new();
    look(possible, &possible.scenario().steps, steps, &mut before, wrong);
}

fn look<'s>(
    possible: &Possible<'s>,
    steps: &'s [Spanned<Step>],
    spot: &Spot<'_>,
    before: &mut Vec<&'s Step>,
    wrong: &mut Vec<Complaint>,
) {
    for (index, step) in steps.iter().enumerate() {
        let (step, spot) = (step.get_ref(), spot.nth(index));
        if let Some(action) = step.r#do.as_ref().filter(|_| step.fails.is_none()) {
            let past = Past { possible, before, card: card_of(step) };
            if let Some(what) = past.lacks(action) {
                wrong.push(Complaint::new(spot.key("do").at, what));
            }
        }
        if step.repeat.is_some_and(|times| times > 1) {
            before.extend(flattened(&step.step, &|_| true));
        }
        look(possible, &step.step, &spot.key("step"), before, wrong);
        before.push(step);
    }
}

fn card_of(step: &Step) -> &str {
    step.card.as_ref().map_or(FIRST, |card| &card.0)
}

/// What there is when a step comes.
struct Past<'p, 's> {
    possible: &'p Possible<'s>,
    before: &'p [&'s Step],
    /// The card that the step is done to.
    card: &'p str,
}

impl Past<'_, '_> {
    /// What of the step's doing has nothing to undo.
    fn lacks(&self, action: &Action) -> Option<String> {
        match action {
            Action::FaultEnd(fault) if !self.has_fault(fault.0) => {
                let name = fault.0.name();
                Some(format!(
                    "there is no fault `{name}` to end: `card.faults` has none, and no step before \
                     this one is {{ fault = \"{name}\" }}"
                ))
            }
            Action::ReleaseAlive if !self.has_fault(Fault::AliveHeld) => Some(
                "no ALIVE is held that could be let go: that takes the fault `alive-held`, as in \
                 card.faults = [\"alive-held\"]"
                    .to_owned(),
            ),
            Action::RfKill(false) if !self.is_killed() => Some(
                "the RF-kill switch is off already: neither `card.faults` has `rf-kill` nor is a step \
                 before this one { rf-kill = true }"
                    .to_owned(),
            ),
            Action::Plug if !self.did(true, |done| matches!(done, Action::Unplug)) => {
                Some("the card is in its slot: no `unplug` comes before".to_owned())
            }
            Action::LinkDown if !self.may_be_up() => {
                Some("no interface is up: no `link-up` comes before".to_owned())
            }
            Action::DriverOverride(driver)
                if driver.0.is_empty()
                    && !self.did(true, |done| matches!(done, Action::DriverOverride(_))) =>
            {
                Some("no `driver-override` comes before that this could take back".to_owned())
            }
            Action::Autoload(Autoload::Gate)
                if !self.did(false, |done| matches!(done, Action::Autoload(_))) =>
            {
                Some("it is the gate from the first: no `autoload` comes before".to_owned())
            }
            Action::Release(name) | Action::ReleaseOne(name) => self.holds_none(&name.0),
            _ => None,
        }
    }

    /// Whether a step before does such a thing; to the same card, or to any.
    fn did(&self, to_the_same: bool, what: impl Fn(&Action) -> bool) -> bool {
        self.before.iter().any(|step| {
            (!to_the_same || self.is_same(card_of(step))) && step.r#do.as_ref().is_some_and(&what)
        })
    }

    /// Whether the card of this name is the step's own, whichever is played with.
    fn is_same(&self, card: &str) -> bool {
        let firsts = self.possible.scenario().cards.iter().map(Spanned::get_ref);
        let same = |first: &String| card.replace(FIRST, first) == self.card.replace(FIRST, first);
        card == self.card || firsts.into_iter().any(same)
    }

    /// Of whatever argument, and at whatever time: that one ends them all.
    fn has_fault(&self, fault: Fault) -> bool {
        let is = |other: Fault| other.name() == fault.name();
        self.possible.plans(Some(self.card), |planned| is(planned.fault))
            || self.did(true, |done| matches!(done, Action::Fault(done) if is(done.0)))
    }

    fn is_killed(&self) -> bool {
        self.has_fault(Fault::RfKill) || self.did(true, |done| *done == Action::RfKill(true))
    }

    fn may_be_up(&self) -> bool {
        let other = |done: &Action| matches!(done, Action::Exec(_) | Action::Write(_));
        self.did(false, other) || self.did(true, |done| *done == Action::LinkUp)
    }

    /// Why no request is held that this could let go.
    fn holds_none(&self, name: &str) -> Option<String> {
        let Scenario { firmware, module, hold, .. } = self.possible.scenario();
        let firmware = firmware.iter().map(Spanned::get_ref).filter(|rule| rule.hold);
        let module = module.iter().map(Spanned::get_ref).filter(|rule| rule.hold);
        let rules = firmware.map(|rule| &rule.name).chain(module.map(|rule| &rule.name));
        let held: Vec<_> = hold.iter().map(|held| &held.0).chain(rules).collect();
        let meant = |text: &str| self.possible.expansions(text);
        let (names, all) = (meant(name), held.iter().flat_map(|held| meant(held)));
        let all: Vec<_> = all.collect();
        let meets = names.iter().any(|name| all.iter().any(|held| may_meet(held, name)));
        // Of cards that are none nothing is known, nor here of another driver's modules.
        // What a variable stands for may be another with another part.
        let open = held.iter().any(|held| held.contains('$'))
            && near::nearest(name, all.iter().map(String::as_str)).is_none();
        let unknown = names.is_empty() || (all.is_empty() && !held.is_empty()) || open;
        let another = DRIVERS.iter().filter(|driver| driver.module != IWLWIFI.module);
        let of_another = another.flat_map(|driver| driver.modules()).any(|known| known == name);
        if meets || unknown || of_another {
            return None;
        }
        if held.is_empty() {
            return Some(format!(
                "nothing is held that could be let go: hold = [\"{name}\"] at the top holds it, or \
                 `hold = true` in a rule"
            ));
        }
        let near = near::meant(
            name,
            held.iter().map(|held| held.as_str()).chain(all.iter().map(String::as_str)),
        );
        let held: Vec<_> = held.iter().map(|held| format!("`{held}`")).collect();
        Some(format!("nothing is held by the name `{name}`{near}\nheld: {}", held.join(", ")))
    }
}

/// Whether one name can fit both.
fn may_meet(a: &str, b: &str) -> bool {
    glob(a, b) || glob(b, a) || (a.contains('*') && b.contains('*'))
}
