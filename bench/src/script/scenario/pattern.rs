//! What a scenario says about milestones, names and runs.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

pub use guest_protocol::glob;
use iwl_card::CardSpec;
use schemars::JsonSchema;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize, Serializer};
use toml::Value;

use super::own::Own;
use super::word::word;
use crate::facts::driver::{Driver, IWLWIFI, Request};
use crate::facts::errno::Errno;
use crate::facts::milestone::{self, FieldKind, KINDS};
use crate::facts::near::{self, NoSuch};

/// A milestone by name and, where it matters, by its fields' values.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Its kind.
    pub milestone: String,
    /// Values that must be equal. `$name` in a string is a variable.
    pub fields: BTreeMap<String, Value>,
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As it comes, so that an error is told at the key or value that it is about.
        deserializer.deserialize_any(PatternVisitor)
    }
}

struct PatternVisitor;

impl<'de> Visitor<'de> for PatternVisitor {
    type Value = Pattern;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a milestone's name or a table with `milestone`")
    }

    fn visit_str<E: de::Error>(self, milestone: &str) -> Result<Pattern, E> {
        fields_of(milestone).map_err(|no_such| E::custom(format!("{no_such:#}")))?;
        Ok(Pattern { milestone: milestone.to_owned(), fields: BTreeMap::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pattern, A::Error> {
        let mut milestone = None;
        let mut fields = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Key(&[MILESTONE]))? {
            if key == MILESTONE {
                milestone = Some(map.next_value::<Kind>()?.0);
            } else {
                let value = map.next_value_seed(Field(&key))?;
                fields.insert(key, value);
            }
        }
        let milestone = milestone.ok_or_else(|| {
            de::Error::custom("a milestone's name is missing: { milestone = \"bound\", … }")
        })?;
        // Whether it has these fields is looked at where each one's place is known.
        Ok(Pattern { milestone, fields })
    }
}

/// The key of a milestone's name.
pub(super) const MILESTONE: &str = "milestone";

/// A key of a table that has fields of milestones beside these keys of its own: one of them that is
/// misspelt is told at once, as without it nothing is known of the others.
pub(super) struct Key(pub(super) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = String::deserialize(deserializer)?;
        let is_known = self.0.contains(&key.as_str()) || FieldKind::of(&key).is_some();
        let meant = near::nearest(&key, self.0.iter().copied().chain(milestone::all_fields()));
        match meant.filter(|meant| !is_known && self.0.contains(meant)) {
            Some(meant) => {
                let meant = near::meant(&key, [meant]);
                Err(de::Error::custom(format!("there is no key `{key}`{meant}")))
            }
            None => Ok(key),
        }
    }
}

/// The kind of a milestone that exists.
pub(super) struct Kind(pub(super) String);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |kind| match fields_of(kind) {
            Ok(_) => Ok(Kind(kind.to_owned())),
            Err(no_such) => Err(format!("{no_such:#}")),
        })
    }
}

/// A value that events can have in the field of this name.
pub(super) struct Field<'f>(pub(super) &'f str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        // Of a field that no milestone has, only that is told.
        if FieldKind::of(self.0).is_some() {
            fit(self.0, &mut value).map_err(de::Error::custom)?;
        }
        Ok(value)
    }
}

/// One, or a list of them.
struct FieldOrList<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for FieldOrList<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let each = match &mut value {
            Value::Array(values) => values.iter_mut().collect(),
            one => vec![one],
        };
        for value in each {
            fit(self.0, value).map_err(de::Error::custom)?;
        }
        Ok(value)
    }
}

/// The fields of a kind of milestone.
pub(super) fn fields_of(milestone: &str) -> Result<&'static [(&'static str, FieldKind)], NoSuch> {
    let no_such = || {
        let known = KINDS.iter().copied();
        NoSuch::new("milestone", milestone, known).told_by("iwlbench list milestones")
    };
    milestone::fields_of(milestone).ok_or_else(no_such)
}

/// Whether a kind of milestone has this field.
///
/// # Errors
/// It has none of this name; those that it has.
pub fn field_of(milestone: &str, field: &str) -> Result<(), NoSuch> {
    let fields = fields_of(milestone)?;
    let names = fields.iter().map(|(name, _)| *name);
    match names.clone().any(|name| name == field) {
        true => Ok(()),
        false => Err(NoSuch::new("field", field, names).of(milestone)),
    }
}

/// Values by field, as `has` and `among` write them: one, or a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(pub BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of fields and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(field) = map.next_key::<String>()? {
            let value = map.next_value_seed(FieldOrList(&field))?;
            values.insert(field, value);
        }
        if values.is_empty() {
            return Err(de::Error::custom("a field is missing: { name = [\"…\"] }"));
        }
        Ok(Values(values))
    }
}

/// Makes a value what events have in this field: a value of another kind would equal none of them,
/// and the scenario look as if the milestone had not come.
///
/// # Errors
/// What it has to be.
pub(super) fn fit(field: &str, value: &mut Value) -> Result<(), String> {
    known_vars(value)?;
    // A field that no milestone has is refused where its milestone is known.
    let Some(kind) = FieldKind::of(field) else { return Ok(()) };
    if let ("card", Value::String(name)) = (field, &mut *value) {
        name.make_ascii_lowercase();
    }
    let fits = match (kind, &*value) {
        (FieldKind::Errno, Value::String(name)) => {
            *value = Value::Integer(Errno::known(name)?.0.into());
            true
        }
        (FieldKind::Number | FieldKind::Errno, Value::Integer(_))
        | (FieldKind::Truth, Value::Boolean(_)) => true,
        (FieldKind::Word(_), Value::String(word)) if field == "image" && word == "$image" => true,
        (FieldKind::Word(words), Value::String(word)) => words.contains(&word.as_str()),
        (FieldKind::Text, Value::String(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let wanted = match kind {
        FieldKind::Number => "a number".to_owned(),
        FieldKind::Errno => "an error's name, like \"ENOENT\"".to_owned(),
        FieldKind::Truth => "true or false".to_owned(),
        FieldKind::Word(words) => format!("one of: {}", words.join(", ")),
        FieldKind::Text => "a string".to_owned(),
    };
    let words = match kind {
        FieldKind::Word(words) => words,
        _ => &[],
    };
    let meant = near::meant(value.as_str().unwrap_or_default(), words.iter().copied());
    Err(format!("`{field}` is {wanted}; no milestone has {value} there{meant}"))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.milestone)?;
        for (i, (field, value)) in self.fields.iter().enumerate() {
            write!(f, "{}{field} = ", if i == 0 { " (" } else { ", " })?;
            match (field.as_str(), value) {
                ("errno", Value::Integer(errno)) => {
                    write!(f, "{}", Errno(i32::try_from(*errno).unwrap_or_default()))?;
                }
                _ => write!(f, "{value}")?,
            }
        }
        if self.fields.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// What a scenario's variables stand for in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Vars {
    /// `$driver`: the module of the driver under test.
    #[serde(serialize_with = "module")]
    pub driver: &'static Driver,
    /// `$card`.
    pub card: String,
    /// `$kernel`: its release.
    pub kernel: String,
    /// Its version, which ranges are about: Debian's 6.1.0-50 is 6.1.174.
    pub kernel_version: String,
    /// `$opmode`: the module that the card's firmware leads to.
    pub opmode: String,
    /// `$image`: the first that the driver gives the card, `init`; `runtime` where it is the only one.
    pub image: String,
    /// `$firmware`: the first file name the driver asks for.
    pub firmware: String,
    /// `$walk-down`: every name it asks for when none exists, in order.
    pub walk_down: Vec<String>,
    /// `$declared-firmware`: every name that the driver's module declares, as
    /// `modinfo -F firmware` lists them.
    #[serde(skip)]
    pub declared_firmware: Vec<String>,
}

fn module<S: Serializer>(driver: &Driver, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(driver.module)
}

/// The names of the variables; none is the beginning of another, but for the longer one first.
const VARS: [&str; 9] = [
    "driver",
    "card",
    "kernel",
    "opmode",
    "image",
    "firmware-oldest",
    "firmware",
    "walk-down",
    DECLARED_FIRMWARE,
];
/// The variable that only a built image gives a value.
pub const DECLARED_FIRMWARE: &str = "declared-firmware";

/// Whether every variable in the value exists.
///
/// # Errors
/// The one that does not, with those that do.
pub fn known_vars(value: &Value) -> Result<(), String> {
    let Value::String(text) = value else { return Ok(()) };
    for rest in text.split('$').skip(1) {
        if !VARS.iter().any(|name| rest.starts_with(name)) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let known = VARS.map(|name| format!("${name}"));
            return Err(format!("{:#}", NoSuch::new("variable", &format!("${name}"), known)));
        }
    }
    Ok(())
}

#[cfg(test)]
impl Vars {
    /// Those of a run with a 7260, for tests.
    pub fn sample() -> Vars {
        let firmware = String::from("iwlwifi-7260-17.ucode");
        Vars {
            driver: &IWLWIFI,
            card: "7260".into(),
            kernel: "7.3.4".into(),
            kernel_version: "7.3.4".into(),
            opmode: "iwlmvm".into(),
            image: "init".into(),
            walk_down: vec![firmware.clone()],
            firmware,
            declared_firmware: Vec::new(),
        }
    }
}

impl Vars {
    /// The value with its variables replaced.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(s) if s == "$walk-down" => list(&self.walk_down),
            Value::String(s) if s.strip_prefix('$') == Some(DECLARED_FIRMWARE) => {
                list(&self.declared_firmware)
            }
            Value::String(s) => Value::String(self.string(s)),
            Value::Array(values) => Value::Array(values.iter().map(|v| self.value(v)).collect()),
            _ => value.clone(),
        }
    }

    /// The same for a bare string.
    pub fn string(&self, s: &str) -> String {
        let mut parts = s.split('$');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let name = VARS.iter().find(|name| part.starts_with(*name)).copied();
            match name {
                Some("card") => out += &self.card,
                Some("kernel") => out += &self.kernel,
                Some("driver") => out += self.driver.module,
                Some("opmode") => out += &self.opmode,
                Some("image") => out += &self.image,
                Some("firmware") => out += &self.firmware,
                Some("firmware-oldest") => {
                    out += self.walk_down.last().unwrap_or(&self.firmware);
                }
                Some("walk-down") => out += &self.walk_down.join(","),
                Some(DECLARED_FIRMWARE) => out += &self.declared_firmware.join(","),
                _ => out.push('$'),
            }
            out += &part[name.unwrap_or_default().len()..];
        }
        out
    }

    /// The pattern with its variables replaced.
    pub fn pattern(&self, pattern: &Pattern) -> Pattern {
        Pattern {
            milestone: pattern.milestone.clone(),
            fields: pattern.fields.iter().map(|(k, v)| (k.clone(), self.value(v))).collect(),
        }
    }
}

fn list(names: &[String]) -> Value {
    Value::Array(names.iter().cloned().map(Value::String).collect())
}

/// Which runs something is for. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// Cards that lead to this opmode of the kernel's own, or one of these.
    #[serde(default, deserialize_with = "known_opmodes")]
    pub opmode: Option<OneOrMany<String>>,
    /// These cards.
    #[serde(default, deserialize_with = "known_cards")]
    pub card: Option<OneOrMany<String>>,
    /// Kernels in this range: `">=6.12, <7.3"`.
    #[schemars(with = "Option<String>")]
    pub kernel: Option<KernelRange>,
    /// Drivers that do so.
    #[serde(default)]
    pub driver: WhenDriver,
}

/// Which drivers something is for, by what they do. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WhenDriver {
    /// It asks for its opmode so: `"waits"` for modprobe, or `"nowait"`.
    pub request: Option<Request>,
    /// It looks whether the opmode has come, and lets go of the device if not; or it does not.
    pub verifies: Option<bool>,
    /// It lets go of the device too where the opmode that came late fails to start; or that stays bound.
    pub lets_go: Option<bool>,
    /// It is the kernel's own, whose ways are as they are; or a change of it, which is judged.
    pub stock: Option<bool>,
    /// It and its opmodes are in the kernel itself; or they are modules.
    pub built_in: Option<bool>,
    /// It was built without `CONFIG_IWLMLD`, and refuses the cards of Wi-Fi 7; or it takes them.
    pub no_mld: Option<bool>,
    /// It is this one, where it differs in what no other key says.
    pub module: Option<Own>,
}

impl WhenDriver {
    fn applies(&self, driver: &Driver) -> bool {
        self.request.is_none_or(|request| request == driver.request)
            && self.verifies.is_none_or(|verifies| verifies == driver.verifies)
            && self.lets_go.is_none_or(|lets_go| lets_go == driver.lets_go)
            && self.stock.is_none_or(|stock| stock == driver.is_stock())
            && self.built_in.is_none_or(|built_in| built_in == driver.is_built_in())
            && self.no_mld.is_none_or(|no_mld| no_mld == driver.no_mld)
            && self.module.is_none_or(|own| <&str>::from(own) == driver.module)
    }
}

fn known_opmodes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OneOrMany<String>>, D::Error> {
    let opmodes: OneOrMany<Opmode> = Deserialize::deserialize(deserializer)?;
    Ok(Some(OneOrMany(opmodes.0.into_iter().map(|Opmode(name)| name).collect())))
}

struct Opmode(String);

impl<'de> Deserialize<'de> for Opmode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Of other drivers those stand for it that drive the same firmware.
        let known = || IWLWIFI.opmodes.iter().map(|opmode| opmode.module);
        word(deserializer, |name| match known().any(|module| module == name) {
            true => Ok(Opmode(name.to_owned())),
            false => Err(format!("{:#}", NoSuch::new("opmode", name, known()))),
        })
    }
}

fn known_cards<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OneOrMany<String>>, D::Error> {
    let cards: OneOrMany<Model> = Deserialize::deserialize(deserializer)?;
    Ok(Some(OneOrMany(cards.0.into_iter().map(|Model(name)| name).collect())))
}

struct Model(String);

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, |name| match iwl_card::card(name) {
            Some(card) => Ok(Model(card.name.to_owned())),
            None => Err(format!("{:#}", no_card(name))),
        })
    }
}

/// Says that there is no such card, and which there are.
pub fn no_card(name: &str) -> NoSuch {
    let known = iwl_card::cards().iter().map(|card| card.name);
    NoSuch::new("card", name, known).told_by("iwlbench list cards")
}

impl When {
    /// Whether it is for runs with this card, with some kernel.
    pub fn meets(&self, card: &CardSpec) -> bool {
        self.opmode.as_ref().is_none_or(|of| of.iter().any(|o| o == card.opmode.module()))
            && self.card.as_ref().is_none_or(|names| names.iter().any(|name| name == card.name))
    }

    /// Whether it is for a run with these variables.
    pub fn applies(&self, vars: &Vars) -> bool {
        let opmode = vars.driver.stands_for(&vars.opmode).unwrap_or(&vars.opmode);
        self.opmode.as_ref().is_none_or(|of| of.iter().any(|named| named == opmode))
            && self.card.as_ref().is_none_or(|cards| cards.iter().any(|card| *card == vars.card))
            && self.kernel.as_ref().is_none_or(|range| range.contains(&vars.kernel_version))
            && self.driver.applies(vars.driver)
    }
}

/// `x` or `[x, y]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData)).map(OneOrMany)
    }
}

/// By hand, so that an element's own error is told, at its place, and not "no variant matched".
struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one, or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element()? {
            all.push(one);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        T::deserialize(text.into_deserializer()).map(|one| vec![one])
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Vec<T>, E> {
        T::deserialize(truth.into_deserializer()).map(|one| vec![one])
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vec<T>, E> {
        T::deserialize(number.into_deserializer()).map(|one| vec![one])
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Vec<T>, E> {
        T::deserialize(number.into_deserializer()).map(|one| vec![one])
    }
}

/// A range of kernel versions, as conditions that all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRange(Vec<(Comparison, Vec<u32>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Less,
    More,
    Equal,
}

const COMPARISONS: [(&str, Comparison); 5] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

/// The numbers at the beginning of a release: 7, 3, 4 of `7.3.4+deb13-amd64`.
fn numbers(release: &str) -> Vec<u32> {
    release
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

impl KernelRange {
    /// Whether a release is in it. A condition looks at as many numbers as it names: `<=6.12`
    /// holds for 6.12.43.
    pub fn contains(&self, release: &str) -> bool {
        self.has(&numbers(release))
    }

    fn has(&self, release: &[u32]) -> bool {
        self.0.iter().all(|(comparison, bound)| {
            let ordering = release[..release.len().min(bound.len())].cmp(bound);
            match comparison {
                Comparison::AtLeast => ordering.is_ge(),
                Comparison::AtMost => ordering.is_le(),
                Comparison::Less => ordering.is_lt(),
                Comparison::More => ordering.is_gt(),
                Comparison::Equal => ordering.is_eq(),
            }
        })
    }
}

impl KernelRange {
    /// Whether no kernel can be in it. If one can, the first is at a bound, or next to one.
    fn is_empty(&self) -> bool {
        let longest = self.0.iter().map(|(_, bound)| bound.len()).max().unwrap_or_default();
        let mut candidates = vec![vec![0; longest]];
        for (_, bound) in &self.0 {
            let mut next = bound.clone();
            if let Some(last) = next.last_mut() {
                *last = last.saturating_add(1);
            }
            for mut release in [bound.clone(), next] {
                release.resize(longest, 0);
                candidates.push(release);
            }
        }
        !candidates.iter().any(|release| self.has(release))
    }
}

impl<'de> Deserialize<'de> for KernelRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let condition = |part: &str| {
            let part = part.trim();
            let (word, comparison) = COMPARISONS.iter().find(|(w, _)| part.starts_with(w))?;
            let version = part[word.len()..].trim();
            let bound = numbers(version);
            let whole = bound.iter().map(u32::to_string).collect::<Vec<_>>().join(".") == version;
            (whole && !bound.is_empty()).then_some((*comparison, bound))
        };
        let range = text.split(',').map(condition).collect::<Option<_>>().map(KernelRange);
        let range = range.ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no range of kernels: write conditions that all hold, as in \
                 \">=6.12, <7.3\""
            ))
        })?;
        if range.is_empty() {
            return Err(de::Error::custom(format!(
                "no kernel is in `{text}`: all its conditions have to hold"
            )));
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<KernelRange, de::value::Error> {
        KernelRange::deserialize(text.to_owned().into_deserializer())
    }

    #[test]
    fn kernel_ranges() {
        for (text, release, want) in [
            (">=6.12", "7.3.4+deb13-amd64", true),
            (">=6.12", "6.1.0-40-amd64", false),
            ("<7", "6.12.43", true),
            ("<=6.12", "6.12.43+deb13-amd64", true),
            (">6.12", "6.12.43", false),
            (">=6.1, <6.12", "6.1.0-9", true),
            ("=7.3", "7.3.4", true),
        ] {
            assert_eq!(range(text).expect("a range").contains(release), want, "{text} {release}");
        }
        for text in [">=6.10, <7.3", ">6.1, <6.3", "=6.12, >=6.12.5", "<1", ">=7.3, <=7.3"] {
            assert!(range(text).is_ok(), "{text}");
        }
        for text in ["6.12", ">=six", "", ">=6.12,", ">=6.12+deb", ">=7.3, <7.3", ">6.12, <6.13"] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    fn vars(release: &str, version: &str) -> Vars {
        Vars {
            card: "6205".into(),
            kernel: release.into(),
            kernel_version: version.into(),
            opmode: "iwldvm".into(),
            firmware: "f-6".into(),
            walk_down: vec!["f-6".into(), "f-5".into()],
            ..Vars::sample()
        }
    }

    #[test]
    fn a_range_is_of_versions_not_of_release_names() {
        let since = |text| When { kernel: Some(range(text).expect("a range")), ..When::default() };
        let bookworm = vars("6.1.0-50-amd64", "6.1.174-1");
        assert!(since(">=6.1.100").applies(&bookworm));
        assert!(!since(">=6.1.175").applies(&bookworm));
    }

    #[test]
    fn a_driver_is_known_by_what_it_does() {
        let when = |text: &str| toml::from_str::<When>(text).expect(text);
        let stock = vars("7.3.4", "7.3.4");
        let sync = crate::facts::driver::choices("sync-verify").expect("one")[0];
        let driver = sync.driver("7.3.4".parse().expect("a release")).expect("a driver");
        let sync = Vars { driver, ..vars("7.3.4", "7.3.4") };
        for (text, of_stock, of_sync) in [
            ("", true, true),
            ("driver.request = 'waits'", false, true),
            ("driver.request = 'nowait'", true, false),
            ("driver.verifies = true", false, true),
            ("driver = { stock = true, verifies = false }", true, false),
            ("driver.stock = false", false, true),
            ("driver.lets-go = true", false, false),
            ("driver.built-in = true", false, false),
            ("driver.module = 'iwlwifi'", true, true),
            ("driver.module = 'iwlrs'", false, false),
        ] {
            let when = when(text);
            assert_eq!((when.applies(&stock), when.applies(&sync)), (of_stock, of_sync), "{text}");
        }
        let built_in =
            Vars { driver: &crate::facts::driver::IWLWIFI_BUILT_IN, ..vars("7.3.4", "7.3.4") };
        assert!(when("driver = { built-in = true, stock = true }").applies(&built_in));
        assert!(!when("driver.built-in = false").applies(&built_in));
        assert!(toml::from_str::<When>("driver = 'stock'").is_err());
    }

    #[test]
    fn variables_within_strings() {
        let vars = vars("7.3.4", "7.3.4");
        assert_eq!(vars.string("$firmware.xz"), "f-6.xz");
        assert_eq!(vars.string("$firmware-oldest"), "f-5");
        assert_eq!(vars.string("blacklist $opmode\n"), "blacklist iwldvm\n");
        assert!(known_vars(&Value::String("$opmod".into())).is_err());
        assert!(known_vars(&Value::String("a $card b".into())).is_ok());
    }
}
