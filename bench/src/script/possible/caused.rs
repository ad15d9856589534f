//! Which kinds of events nothing in a scenario can bring about: what its steps do not do, and what its
//! cards have not.

use iwl_card::{CardSpec, Fault};
use toml::{Spanned, Value};

use super::{FIRST, No, Possible, WIRELESS};
use crate::facts::driver::IWLWIFI;
use crate::facts::milestone::all_fields;
use crate::script::scenario::{Action, Equipped, Pattern, PlannedFault, Step, When};
use crate::script::supplied::concerns;

/// What a pattern says of a field.
fn text<'p>(pattern: &'p Pattern, field: &str) -> Option<&'p str> {
    debug_assert!(all_fields().any(|known| known == field), "{field}");
    pattern.fields.get(field).and_then(Value::as_str)
}

fn truth(pattern: &Pattern, field: &str) -> Option<bool> {
    debug_assert!(all_fields().any(|known| known == field), "{field}");
    pattern.fields.get(field).and_then(Value::as_bool)
}

impl Possible<'_> {
    /// The cards that an event can be of: those of the runs that it is said of, and the one that it
    /// names.
    pub(super) fn parts(&self, pattern: &Pattern, when: &When) -> Vec<CardSpec> {
        let parts = self.seats(text(pattern, "card"), when);
        parts.into_iter().filter_map(|card| card.part().ok()).collect()
    }

    /// The cards of this name, all without one, in the machines of the runs that this is for.
    fn seats(&self, name: Option<&str>, when: &When) -> Vec<Equipped<'_>> {
        let firsts = self.scenario.cards.iter().map(Spanned::get_ref);
        let firsts = firsts.filter_map(|name| Some((name, iwl_card::card(name)?)));
        let seats = firsts.filter(|(_, spec)| concerns(when, spec)).flat_map(|(first, spec)| {
            let named = name.map(|name| name.replace(FIRST, first));
            let names = self.scenario.card_names(first).into_iter();
            let all = names.zip(self.scenario.machine(spec));
            all.filter(move |(name, _)| named.as_ref().is_none_or(|named| named == name))
        });
        seats.map(|(_, card)| card).collect()
    }

    /// Whether something is planned to be wrong with the cards of this name that is so; where nothing is
    /// known of the cards, it may be.
    pub(in crate::script) fn plans(
        &self,
        card: Option<&str>,
        is: impl Fn(&PlannedFault) -> bool,
    ) -> bool {
        let seats = self.seats(card, &When::default());
        self.cards.is_none() || seats.iter().flat_map(Equipped::faults).any(is)
    }

    /// Whether a step that is done to this card, or to any, does such a thing.
    fn does(&self, card: Option<&str>, what: impl Fn(&Action) -> bool) -> bool {
        let firsts = || self.scenario.cards.iter().map(Spanned::get_ref);
        let same = |step: &Step| {
            let own = step.card.as_ref().map_or(FIRST, |card| &card.0);
            let is = |first: &String| {
                card.is_none_or(|card| card.replace(FIRST, first) == own.replace(FIRST, first))
            };
            firsts().any(is) || firsts().next().is_none()
        };
        let done = |step: &&&Step| step.r#do.as_ref().is_some_and(&what);
        self.steps.iter().filter(done).any(|step| same(step))
    }

    /// Why nothing brings an event of this kind about, whatever its other values.
    pub(super) fn uncaused_kind(
        &self,
        pattern: &Pattern,
        parts: &[CardSpec],
        never: bool,
    ) -> Option<No> {
        let kind = pattern.milestone.as_str();
        let card = text(pattern, "card").filter(|_| self.cards.is_some());
        let does = |what: &dyn Fn(&Action) -> bool| self.does(card, what);
        let nothing = |way: &str| Some(format!("nothing here can bring `{pattern}`: {way}"));
        match kind {
            "fault-injected" if never && !self.has_fault(pattern, card) => {
                nothing("the card has no such fault (`card.faults`)")
            }
            "fault-switched" if !self.switches_fault(pattern, card) => {
                nothing("no step is such a `fault` or `fault-end`, and no fault has such a moment")
            }
            "alive" if never && truth(pattern, "valid") == Some(false) => {
                let is = |fault: Fault| fault == Fault::AliveInvalid;
                let has = self.plans(card, |planned| is(planned.fault))
                    || does(&|action| matches!(action, Action::Fault(fault) if is(fault.0)));
                (!has).then(|| nothing("the card has no fault `alive-invalid` (`card.faults`)"))?
            }
            "rf-kill-switched" => {
                let on = truth(pattern, "on");
                let switches = |action: &Action| matches!(action, Action::RfKill(to) if on.is_none_or(|on| on == *to));
                (!does(&switches)).then(|| nothing("no step is such an `rf-kill`"))?
            }
            "vanished" if !does(&|action| matches!(action, Action::Vanish)) => {
                nothing("no step is `vanish`")
            }
            "alive-released" if !does(&|action| matches!(action, Action::ReleaseAlive)) => {
                nothing("no step is `release-alive`")
            }
            "unbound" if never && truth_of_step(pattern) => {
                let unbinds = self.does(None, Action::may_unbind);
                (!unbinds).then(|| nothing("no step has a driver let go of a device"))?
            }
            "step-ended" if truth(pattern, "wanted") == Some(true) => {
                let named = text(pattern, "step");
                let wanted = |step: &&Step| {
                    step.fails.is_some() && named.is_none_or(|name| step.is_called(name))
                };
                let has = self.steps.iter().copied().any(|step| wanted(&step));
                (!has).then(|| nothing("no such step has to fail (`fails`)"))?
            }
            "modprobe-missing" => nothing(
                "no guest without a modprobe is played in\n`autoload = \"absent\"` hides it from the \
                 kernel, and then no `opmode-asked` comes",
            ),
            "firmware-asked" | "firmware-given" | "firmware-refused" | "opmode-asked"
            | "modprobe-ended"
                if !self.scenario.gates =>
            {
                nothing("with `gates = false` nobody tells of files, nor of modprobe")
            }
            "iml-loaded" | "pnvm-loaded" if never && !parts.is_empty() => {
                let has = parts.iter().any(CardSpec::has_image_loader);
                (!has).then(|| {
                    nothing("these cards have no image loader, and ask for no platform's NVM")
                })?
            }
            "nvm-read" if never && !parts.is_empty() => self.uncaused_read(pattern, parts, card),
            "rf-kill-noticed" if never => self.uncaused_number_of_rfkill(pattern),
            "module-loaded" | "opmode-loaded" if never => self.uncaused_load(pattern),
            "firmware-asked" | "firmware-given" | "firmware-refused" if never => {
                self.uncaused_regulatory(pattern)
            }
            "module-unloaded" | "opmode-unloaded" if never => {
                (!self.may_unload(pattern)).then(|| {
                    nothing(
                        "no step unloads a module (`modprobe = [\"-r\", …]`, `rmmod`, `tear-down`)",
                    )
                })?
            }
            _ => None,
        }
    }

    fn has_fault(&self, pattern: &Pattern, card: Option<&str>) -> bool {
        let is = |fault: Fault| text(pattern, "fault").is_none_or(|name| name == fault.name());
        self.plans(card, |planned| is(planned.fault))
            || self.does(card, |action| matches!(action, Action::Fault(fault) if is(fault.0)))
    }

    fn switches_fault(&self, pattern: &Pattern, card: Option<&str>) -> bool {
        let is = |fault: Fault| text(pattern, "fault").is_none_or(|name| name == fault.name());
        let on = truth(pattern, "on");
        let switches = |action: &Action| match action {
            Action::Fault(fault) => is(fault.0) && on != Some(false),
            Action::FaultEnd(fault) => is(fault.0) && on != Some(true),
            _ => false,
        };
        let comes = |planned: &PlannedFault| {
            let begins = planned.begin.is_some() && on != Some(false);
            is(planned.fault) && (begins || planned.end.is_some() && on != Some(true))
        };
        self.does(card, switches) || self.plans(card, comes)
    }

    /// That a section is there, or not, the card says, as long as no fault of it takes it away.
    fn uncaused_read(
        &self,
        pattern: &Pattern,
        parts: &[CardSpec],
        card: Option<&str>,
    ) -> Option<No> {
        let (section, present) = (text(pattern, "section"), truth(pattern, "present")?);
        let absent = |fault: Fault| matches!(fault, Fault::NvmSectionAbsent { .. });
        let takes_away = self.plans(card, |planned| absent(planned.fault))
            || self.does(card, |action| matches!(action, Action::Fault(fault) if absent(fault.0)));
        let mut read = parts.iter().flat_map(CardSpec::nvm_sections);
        let comes =
            read.any(|(name, there)| section.is_none_or(|one| one == name) && there == present);
        if comes || (takes_away && !present) {
            return None;
        }
        let way = match present {
            true => "these cards' NVM has no such section",
            false => "no section that these cards' drivers read is absent without a fault",
        };
        Some(format!("nothing here can bring `{pattern}`: {way}"))
    }

    /// The kernel counts its rfkills, and gives no number again.
    fn uncaused_number_of_rfkill(&self, pattern: &Pattern) -> Option<No> {
        let number: usize = text(pattern, "rfkill")?.strip_prefix("rfkill")?.parse().ok()?;
        let most = self.cards.as_ref()?.most();
        let runs = |action: &Action| matches!(action, Action::Exec(_));
        if self.brings_others() || self.does(None, runs) {
            return None;
        }
        // Each time that a device is unbound it may come back, as another.
        let again = match self.does(None, Action::may_unbind) {
            true => plays(&self.scenario.steps),
            false => 0,
        };
        let all = most.saturating_mul(again.saturating_add(1));
        (number >= all).then(|| {
            let last = all.saturating_sub(1);
            format!(
                "these cards have no `rfkill{number}`: the last that there can be is `rfkill{last}`"
            )
        })
    }

    fn uncaused_load(&self, pattern: &Pattern) -> Option<No> {
        let module = text(pattern, "module")?;
        let all = self.expansions(module);
        if all.is_empty() {
            return None;
        }
        let mut without = self.scenario.guest.without.iter();
        if without.any(|out| out == module) || all.iter().all(|module| self.is_left_out(module)) {
            return Some(format!(
                "`{module}` is not in the guest's image (`guest.without`): it cannot be loaded, \
                 whatever the driver does"
            ));
        }
        all.iter().all(|module| self.is_loaded_before(module)).then(|| {
            format!(
                "`{module}` is in the kernel before the scenario begins: it is not loaded \
                 again\n`guest.loaded = []` leaves it to the steps; with `cold = true` it \
                 is loaded before their eyes"
            )
        })
    }

    /// cfg80211 asks for its database once, as it is loaded.
    fn uncaused_regulatory(&self, pattern: &Pattern) -> Option<No> {
        const ITS_OWN: [&str; 2] = ["regulatory.db", "regulatory.db.p7s"];
        let name = text(pattern, "name").filter(|name| ITS_OWN.contains(name))?;
        self.is_loaded_before("cfg80211").then(|| {
            format!(
                "`{name}` is asked for as cfg80211 is loaded, which is in the kernel before the scenario \
                 begins\n`guest.loaded = []` leaves it to the steps"
            )
        })
    }

    /// Whether such a module may go: by a step, or because it comes and does not start.
    fn may_unload(&self, pattern: &Pattern) -> bool {
        let frees = |action: &Action| match action {
            Action::Modprobe(args) => {
                args.iter().any(|arg| arg.0.starts_with('-') || arg.0.contains('='))
            }
            Action::Rmmod(_) | Action::TearDown | Action::Exec(_) | Action::ModprobeD(_) => true,
            _ => false,
        };
        let known = |module: &String| {
            IWLWIFI.module == module
                || IWLWIFI.is_opmode(module)
                || WIRELESS.contains(&module.as_str())
        };
        // Of others nobody knows whether they start.
        let all = text(pattern, "module").map(|module| self.expansions(module));
        let others = match all {
            Some(all) => !all.iter().all(known),
            None => pattern.milestone == "module-unloaded",
        };
        others || !self.scenario.guest.command_line.0.is_empty() || self.does(None, frees)
    }
}

/// It is said that a step has had it so.
fn truth_of_step(pattern: &Pattern) -> bool {
    text(pattern, "by") == Some("step")
}

/// How many steps are played, those of repetitions as often as they are.
fn plays(steps: &[Spanned<Step>]) -> usize {
    let each = steps.iter().map(Spanned::get_ref).map(|step| match step.repeat {
        None => 1,
        Some(times) => plays(&step.step).saturating_mul(times as usize),
    });
    each.fold(0, usize::saturating_add)
}
