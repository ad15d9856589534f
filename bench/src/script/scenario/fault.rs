//! What is wrong with a card, and when: from power-on, or from a moment on, until another.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use iwl_card::CardEvent;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use toml::Value;

use super::pattern::{Field, Key, Kind, MILESTONE, Pattern, Vars, When, fields_of, fit};
use super::step::{CardFault, fault};
use crate::facts::milestone::{self, KINDS};
use crate::facts::near::NoSuch;

/// A fault of a card, and its time: `"never-alive"`, `"ucode-error@alive:image=runtime#2"`, or a
/// table.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedFault {
    /// What is wrong.
    pub fault: iwl_card::Fault,
    /// Only for some runs.
    pub when: When,
    /// When it begins; not given: with power-on.
    pub begin: Option<Moment>,
    /// When it ends, looked for from its beginning on.
    pub end: Option<Moment>,
}

/// The same as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultTable {
    /// A fault, as `iwlbench list` names it.
    fault: CardFault,
    /// Only for some runs.
    #[serde(default)]
    when: When,
    /// When it begins; not given: with power-on.
    begin: Option<Moment>,
    /// When it ends, looked for from its beginning on.
    end: Option<Moment>,
}

/// The n-th of what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Of what.
    pub what: Happening,
    /// Which, from 1.
    pub nth: u32,
}

/// What can be a moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A milestone; of the fault's own card, if it does not name one.
    Milestone(Pattern),
    /// An event of the fault's own card.
    Event(EventPattern),
}

/// An event of a card that is no milestone, by its kind and, where it matters, by the one field that
/// tells it from others of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPattern {
    /// Its kind and that field.
    pub of: EventKind,
    /// The field's value.
    pub value: Option<String>,
}

/// A kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind {
    /// As `events.jsonl` writes it.
    pub kind: &'static str,
    /// The field.
    pub field: &'static str,
}

/// Those that a moment can be.
pub const EVENTS: [EventKind; 6] = [
    EventKind { kind: "host-command", field: "name" },
    EventKind { kind: "packet", field: "name" },
    EventKind { kind: "interrupt", field: "cause" },
    EventKind { kind: "reset", field: "how" },
    EventKind { kind: "reg-read", field: "reg" },
    EventKind { kind: "reg-write", field: "reg" },
];
/// The keys of a moment that no milestone has.
const EVENT: &str = "event";
const NTH: &str = "nth";

impl EventKind {
    /// What tells an event of this kind from others; of another's, nothing.
    pub fn values(&self, event: &CardEvent) -> Vec<String> {
        match (self.kind, event) {
            ("host-command", CardEvent::HostCommand { name, .. })
            | ("packet", CardEvent::Packet { name, .. })
            | ("reg-read", CardEvent::RegRead { reg: name, .. })
            | ("reg-write", CardEvent::RegWrite { reg: name, .. }) => vec![name.to_string()],
            ("interrupt", CardEvent::Interrupt { names, .. }) => {
                names.iter().map(ToString::to_string).collect()
            }
            ("reset", CardEvent::Reset { how }) => vec![how.word().to_owned()],
            _ => Vec::new(),
        }
    }
}

impl EventPattern {
    /// Whether this is such an event.
    pub fn fits(&self, event: &CardEvent) -> bool {
        let is = |name: &str| self.value.as_ref().is_none_or(|value| value == name);
        match (self.of.kind, event) {
            ("host-command", CardEvent::HostCommand { name, .. })
            | ("packet", CardEvent::Packet { name, .. })
            | ("reg-read", CardEvent::RegRead { reg: name, .. })
            | ("reg-write", CardEvent::RegWrite { reg: name, .. }) => is(name),
            ("interrupt", CardEvent::Interrupt { names, .. }) => {
                self.value.is_none() || names.iter().any(|cause| is(&cause.to_string()))
            }
            ("reset", CardEvent::Reset { how }) => is(how.word()),
            _ => false,
        }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of.kind)?;
        match &self.value {
            Some(value) => write!(f, ":{}={value}", self.of.field),
            None => Ok(()),
        }
    }
}

/// As the command line has it, so that it can be read again.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Happening::Event(event) => write!(f, "{event}")?,
            Happening::Milestone(Pattern { milestone, fields }) => {
                f.write_str(milestone)?;
                for (field, value) in fields {
                    match value {
                        Value::String(text) => write!(f, ":{field}={text}")?,
                        other => write!(f, ":{field}={other}")?,
                    }
                }
            }
        }
        if self.nth == 1 { Ok(()) } else { write!(f, "#{}", self.nth) }
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if let Some(begin) = &self.begin {
            write!(f, "@{begin}")?;
        }
        match &self.end {
            Some(end) => write!(f, "..{end}"),
            None => Ok(()),
        }
    }
}

impl From<iwl_card::Fault> for PlannedFault {
    fn from(fault: iwl_card::Fault) -> Self {
        Self { fault, when: When::default(), begin: None, end: None }
    }
}

impl PlannedFault {
    /// With its variables replaced, if it is for this run.
    pub fn of(&self, vars: &Vars) -> Option<PlannedFault> {
        let moment = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.of(vars));
        self.when.applies(vars).then(|| PlannedFault {
            fault: self.fault,
            when: When::default(),
            begin: moment(&self.begin),
            end: moment(&self.end),
        })
    }

    /// The fault, if it is there from the first.
    pub fn at_power_on(&self) -> Option<iwl_card::Fault> {
        self.begin.is_none().then_some(self.fault)
    }

    /// Its moments.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.begin.iter().chain(&self.end)
    }
}

impl Moment {
    fn of(&self, vars: &Vars) -> Moment {
        let what = match &self.what {
            Happening::Milestone(pattern) => Happening::Milestone(vars.pattern(pattern)),
            Happening::Event(event) => Happening::Event(event.clone()),
        };
        Moment { what, nth: self.nth }
    }
}

/// `FAULT[=ARGUMENT][@MOMENT][..MOMENT]`.
impl FromStr for PlannedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, end) = match text.split_once("..") {
            Some((head, end)) => (head, Some(end.parse()?)),
            None => (text, None),
        };
        let (name, begin) = match head.split_once('@') {
            Some((name, begin)) => (name, Some(begin.parse()?)),
            None => (head, None),
        };
        Ok(Self { begin, end, ..fault(name)?.into() })
    }
}

/// `KIND[:FIELD=VALUE]…[#N]`.
impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, nth) = match text.split_once('#') {
            Some((head, nth)) => (head, which(nth.parse().ok())?),
            None => (text, 1),
        };
        let mut parts = head.split(':');
        let kind = parts.next().unwrap_or_default();
        let mut fields = BTreeMap::new();
        for part in parts {
            let (field, value) = part.split_once('=').ok_or_else(|| {
                format!("`{part}` in `{text}` is no FIELD=VALUE, as in alive:image=runtime#2")
            })?;
            let value = match (value.parse(), value.parse()) {
                (Ok(number), _) => Value::Integer(number),
                (_, Ok(truth)) => Value::Boolean(truth),
                _ => Value::String(value.to_owned()),
            };
            fields.insert(field.to_owned(), value);
        }
        match EVENTS.iter().find(|event| event.kind == kind) {
            Some(event) => Ok(Moment { what: event_of(*event, fields)?, nth }),
            None => {
                let known = || KINDS.iter().copied().chain(EVENTS.map(|event| event.kind));
                if milestone::fields_of(kind).is_none() {
                    let no_such = NoSuch::new("milestone or event", kind, known());
                    return Err(format!("{:#}", no_such.told_by("iwlbench list milestones")));
                }
                for (field, value) in &mut fields {
                    fit(field, value)?;
                }
                Ok(Moment { what: milestone_of(kind.to_owned(), fields)?, nth })
            }
        }
    }
}

fn which(nth: Option<i64>) -> Result<u32, String> {
    let nth = nth.and_then(|nth| u32::try_from(nth).ok()).filter(|nth| *nth > 0);
    nth.ok_or_else(|| "which one: a whole number from 1".to_owned())
}

fn event_of(of: EventKind, fields: BTreeMap<String, Value>) -> Result<Happening, String> {
    let mut value = None;
    for (field, given) in fields {
        if field != of.field {
            return Err(format!("{:#}", NoSuch::new("field", &field, [of.field, NTH]).of(of.kind)));
        }
        match given {
            Value::String(text) => value = Some(text),
            other => return Err(format!("`{field}` is a string; no event has {other} there")),
        }
    }
    Ok(Happening::Event(EventPattern { of, value }))
}

fn milestone_of(kind: String, fields: BTreeMap<String, Value>) -> Result<Happening, String> {
    let has = fields_of(&kind).map_err(|no_such| format!("{no_such:#}"))?;
    let names = || has.iter().map(|(name, _)| *name);
    if let Some(unknown) = fields.keys().find(|field| !names().any(|name| name == *field)) {
        let known = names().chain([NTH]);
        return Err(format!("{:#}", NoSuch::new("field", unknown, known).of(&kind)));
    }
    Ok(Happening::Milestone(Pattern { milestone: kind, fields }))
}

impl<'de> Deserialize<'de> for PlannedFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultVisitor)
    }
}

struct FaultVisitor;

impl<'de> Visitor<'de> for FaultVisitor {
    type Value = PlannedFault;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault's name or a table with `fault`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PlannedFault, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PlannedFault, A::Error> {
        let table = FaultTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let FaultTable { fault: CardFault(fault), when, begin, end } = table;
        Ok(PlannedFault { fault, when, begin, end })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl<'de> Visitor<'de> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a milestone's name, or a table with `milestone` or `event`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Moment, A::Error> {
        let (mut milestone, mut event) = (None, None);
        let mut nth = 1;
        let mut fields = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Key(&[MILESTONE, EVENT, NTH]))? {
            match key.as_str() {
                MILESTONE => milestone = Some(map.next_value::<Kind>()?.0),
                EVENT => event = Some(map.next_value::<EventKind>()?),
                NTH => {
                    let value = map.next_value::<Value>()?;
                    nth = which(value.as_integer()).map_err(de::Error::custom)?;
                }
                _ => {
                    let value = map.next_value_seed(Field(&key))?;
                    fields.insert(key, value);
                }
            }
        }
        let what = match (milestone, event) {
            (Some(kind), None) => milestone_of(kind, fields),
            (None, Some(of)) => event_of(of, fields),
            _ => Err("a moment has one of `milestone` and `event`".to_owned()),
        };
        Ok(Moment { what: what.map_err(de::Error::custom)?, nth })
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        let found = EVENTS.into_iter().find(|event| event.kind == kind);
        found.ok_or_else(|| {
            let known = EVENTS.map(|event| event.kind);
            de::Error::custom(format!("{:#}", NoSuch::new("event of a moment", &kind, known)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "never-alive",
            "all-ones=400@bound",
            "never-alive..cpu-released#2",
            "ucode-error=17@alive:image=runtime#2..fault-injected",
            "lost-interrupts=0@host-command:name=SCAN_REQ_UMAC..reset:how=software",
            "nvm-old@reg-write:reg=CSR_RESET#3",
        ] {
            let fault: PlannedFault = text.parse().expect(text);
            assert_eq!(fault.to_string(), text);
        }
        let table = "fault = \"never-alive\"\nend = { event = \"interrupt\", cause = \"ALIVE\" }\n\
                     begin = { milestone = \"alive\", valid = true, nth = 2 }";
        let fault: PlannedFault = toml::from_str(table).expect("a table");
        assert_eq!(fault.to_string(), "never-alive@alive:valid=true#2..interrupt:cause=ALIVE");
    }

    #[test]
    fn what_is_none_is_told() {
        for (text, said) in [
            ("never-alife@alive", "did you mean `never-alive`?"),
            ("never-alive@aliv", "no milestone or event `aliv`; did you mean `alive`?"),
            ("never-alive@alive:imag=init", "`alive` has no field `imag`; did you mean `image`?"),
            ("never-alive@alive:image=INIT", "`image` is one of: init, runtime"),
            ("never-alive@alive#0", "a whole number from 1"),
            ("never-alive@alive:init", "no FIELD=VALUE"),
            ("never-alive@packet:id=1", "`packet` has no field `id`"),
        ] {
            let error = text.parse::<PlannedFault>().expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn events_of_a_card_are_told_apart() {
        let moment = |text: &str| match text.parse::<Moment>().expect(text).what {
            Happening::Event(event) => event,
            Happening::Milestone(_) => panic!("{text}: a milestone"),
        };
        let names = vec![iwl_card::Cause::Alive, iwl_card::Cause::FhRx(0)];
        let irq = iwl_card::Irq::Msi;
        let interrupt = CardEvent::Interrupt { irq, causes: 0, fh_causes: None, names };
        assert!(moment("interrupt").fits(&interrupt));
        assert!(moment("interrupt:cause=FH_RX(0)").fits(&interrupt));
        assert!(!moment("interrupt:cause=SW_ERR").fits(&interrupt));
        let reset = CardEvent::Reset { how: iwl_card::ResetKind::Software };
        assert!(moment("reset:how=software").fits(&reset));
        assert!(!moment("reset:how=function").fits(&reset) && !moment("interrupt").fits(&reset));
    }
}
