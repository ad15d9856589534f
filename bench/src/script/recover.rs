//! Reads a text, of a scenario or of known failures, and does not stop at the first thing that is wrong: what cannot be read
//! is taken out, and the rest read again.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer, Error};

use crate::facts::near::{self, NoSuch};
use crate::script::complaint::{Complaint, SHOWN};

/// What became of a text.
pub(super) struct Read<'t, T> {
    /// What could be read; parts of it are missing where something is wrong.
    pub(super) whole: Option<T>,
    /// What is wrong, in the order of the text.
    pub(super) complaints: Vec<Complaint>,
    /// What it was read from.
    pub(super) left: Left<'t>,
}

/// What is left of a text when all that cannot be read has been taken out.
pub(super) struct Left<'t> {
    table: DeTable<'t>,
    /// The keys that lead to each part that was taken out.
    gone: Vec<Vec<String>>,
    /// The tables and lists that are not whole any more: more complaints about them would be about
    /// what was taken out.
    broken: Vec<Range<usize>>,
}

impl Left<'_> {
    /// Where things stand.
    pub(super) fn spot(&self) -> Spot<'_> {
        Spot { at: WHOLE, inside: Inside::Table(&self.table) }
    }

    /// Whether something was taken out of what one of these keys of the top has.
    pub(super) fn lacks_of(&self, keys: &[&str]) -> bool {
        self.gone.iter().any(|path| path.first().is_some_and(|key| keys.contains(&&**key)))
    }

    /// Whether one of the tables of `key` is gone, or has lost its own `part`; they may be nested.
    pub(super) fn lacks_part(&self, key: &str, parts: &[&str]) -> bool {
        self.gone.iter().any(|path| {
            let mut inner = path.iter().skip_while(|part| *part == key);
            path.first().is_some_and(|first| first == key)
                && inner.next().is_none_or(|part| parts.contains(&&**part))
        })
    }

    /// Whether this is about what stands as it was written.
    pub(super) fn has(&self, complaint: &Complaint) -> bool {
        !self.broken.contains(&complaint.at)
    }
}

/// Where a part of a text stands.
#[derive(Clone)]
pub(super) struct Spot<'t> {
    /// In bytes.
    pub(super) at: Range<usize>,
    inside: Inside<'t>,
}

#[derive(Clone, Copy)]
enum Inside<'t> {
    Table(&'t DeTable<'t>),
    List(&'t DeArray<'t>),
    Nothing,
}

impl<'t> Spot<'t> {
    fn of(value: &'t Spanned<DeValue<'t>>) -> Spot<'t> {
        let inside = match value.get_ref() {
            DeValue::Table(table) => Inside::Table(table),
            DeValue::Array(list) => Inside::List(list),
            _ => Inside::Nothing,
        };
        Spot { at: value.span(), inside }
    }

    /// Of what a key has; of what it should have been in, if it is not there.
    pub(super) fn key(&self, key: &str) -> Spot<'t> {
        let value = match self.inside {
            Inside::Table(table) => table.get(key),
            _ => None,
        };
        value.map_or_else(|| Spot { inside: Inside::Nothing, ..self.clone() }, Spot::of)
    }

    /// Of the key itself.
    pub(super) fn name_of(&self, key: &str) -> Range<usize> {
        let name = match self.inside {
            Inside::Table(table) => table.get_key_value(key).map(|(name, _)| name.span()),
            _ => None,
        };
        name.unwrap_or_else(|| self.at.clone())
    }

    /// Of the n-th of a list; of one that stands without a list, its own.
    pub(super) fn nth(&self, n: usize) -> Spot<'t> {
        match self.inside {
            Inside::List(list) => list.get(n).map_or_else(|| self.clone(), Spot::of),
            _ => self.clone(),
        }
    }
}

/// Where the file as a whole is, and what it lacks.
pub(super) const WHOLE: Range<usize> = 0..0;

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Read<'_, T> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    // After the first slip the parser guesses, and most of what it then complains of is that one again.
    let told: Vec<&Error> = match errors.iter().find(|error| error.message() != DUPLICATE) {
        Some(slip) => vec![slip],
        None => errors.iter().collect(),
    };
    let mut complaints: Vec<_> = told.into_iter().map(|error| no_toml(text, error)).collect();
    let mut gone = Vec::new();
    let mut broken = Vec::new();
    let everything = table.span();
    // What a text says that is no TOML is a guess.
    let mut whole = None;
    let most = most(text);
    while errors.is_empty() && complaints.len() < most {
        let error = match T::deserialize(Deserializer::from(table.clone())) {
            Ok(read) => {
                whole = Some(read);
                break;
            }
            Err(error) => error,
        };
        let at = error.span().filter(|at| *at != everything).unwrap_or(WHOLE);
        if !broken.contains(&at) {
            complaints.push(complaint(text, &error));
        }
        let Some(mut path) = take_out(table.get_mut(), &at, &mut broken) else { break };
        // A slip of the pen: what was meant is not there either.
        if let (Some(key), Some(meant)) = (path.last_mut(), near_key(error.message())) {
            *key = meant;
        }
        gone.push(path);
    }
    complaints.sort_by_key(|complaint| complaint.at.start);
    Read { whole, complaints, left: Left { table: table.into_inner(), gone, broken } }
}

/// Errors that are looked for in a text: each is found by reading all of it once more.
fn most(text: &str) -> usize {
    const BYTES: usize = 64 << 20;
    (BYTES / text.len().max(1)).clamp(SHOWN + 1, 1000)
}

fn complaint(text: &str, error: &Error) -> Complaint {
    let at = error.span().unwrap_or_default();
    let message = error.message();
    let mut what = meant(message).unwrap_or_else(|| message.to_owned());
    if message.starts_with("invalid type: ") && message.ends_with(", expected a sequence") {
        let one = text.get(at.clone()).filter(|one| !one.contains('\n'));
        what = match one {
            Some(one) => format!("this is a list: [{one}]"),
            None => "this is a list: [ … ]".to_owned(),
        };
    }
    if message == MORE_THAN_ONE {
        let keys = text.get(at.clone()).and_then(keys).unwrap_or_default();
        what = format!(
            "one key and its value, and there are several{keys}\n\
             what is about the whole step, like `fails` and `card`, stands outside of the braces"
        );
    }
    Complaint::new(at, what)
}

/// What the parser says of a table that is to have one key and has more.
const MORE_THAN_ONE: &str = "wanted exactly 1 element, more than 1 element";

/// The keys of an inline table, as `: a, b`.
fn keys(inline: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(&format!("x = {inline}")).ok()?;
    let keys: Vec<_> = table["x"].as_table()?.keys().map(|key| format!("`{key}`")).collect();
    Some(format!(": {}", keys.join(", ")))
}

/// What the parser says of a key that stands twice.
const DUPLICATE: &str = "duplicate key";

/// A key that stands twice is named, with what to write instead.
fn no_toml(text: &str, error: &Error) -> Complaint {
    let at = error.span().unwrap_or_default();
    let key = text.get(at.clone()).unwrap_or_default();
    if error.message() != DUPLICATE {
        return complaint(text, error);
    }
    let is_one_of_many = text[..at.start].trim_end().ends_with("[[");
    let instead = match is_one_of_many {
        true => format!(
            "of several each is a [[{key}]]: what `{key}` says above, as `{key}.… =` or [{key}], \
             stands in the first of them, without its `{key}`"
        ),
        false => "a key is written once: one value, or a list".to_owned(),
    };
    Complaint::new(at, format!("`{key}` is there already\n{instead}"))
}

/// What a key that does not exist is called.
const KEY: &str = "key";

/// serde tells a key or word that does not exist with those that do, all in backticks: what it is, its
/// name, and those.
fn unknown(message: &str) -> Option<(&'static str, &str, impl Iterator<Item = &str>)> {
    let kinds = [("unknown field `", KEY), ("unknown variant `", "word")];
    let (_, kind) = kinds.into_iter().find(|(beginning, _)| message.starts_with(beginning))?;
    let mut quoted = message.split('`').skip(1).step_by(2);
    Some((kind, quoted.next()?, quoted))
}

/// The same with what was probably meant.
fn meant(message: &str) -> Option<String> {
    let (kind, name, known) = unknown(message)?;
    Some(format!("{:#}", NoSuch::new(kind, name, known)))
}

/// The key that was probably meant by one that does not exist.
fn near_key(message: &str) -> Option<String> {
    let (_, name, known) = unknown(message).filter(|(kind, ..)| *kind == KEY)?;
    near::nearest(name, known).map(str::to_owned)
}

/// Takes out the smallest part of a table that has this place, and says which keys lead there; `None`
/// if there is none. What it stood in is broken then.
fn take_out(
    table: &mut DeTable<'_>,
    at: &Range<usize>,
    broken: &mut Vec<Range<usize>>,
) -> Option<Vec<String>> {
    // Before what it has: the header of a table has the key's place in it.
    let named = table.keys().find(|key| key.span() == *at).cloned();
    // Deepest first: the span of a table with a header is the header's.
    let within = |key: &Spanned<DeString<'_>>, value: &mut Spanned<DeValue<'_>>, broken: &mut _| {
        let inner = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, at, broken),
            DeValue::Array(inner) => take_out_of_list(inner, at, broken),
            _ => None,
        };
        inner.map(|mut path| {
            broken.push(value.span());
            path.insert(0, key.get_ref().to_string());
            path
        })
    };
    let mut key = named;
    if key.is_none() {
        for (known, value) in table.iter_mut() {
            if let Some(path) = within(known, value, broken) {
                return Some(path);
            }
            if contains(&value.span(), at) || contains(&known.span(), at) {
                key = Some(known.clone());
                break;
            }
        }
    }
    let key = key?;
    table.remove(&key)?;
    Some(vec![key.into_inner().into_owned()])
}

fn take_out_of_list(
    list: &mut DeArray<'_>,
    at: &Range<usize>,
    broken: &mut Vec<Range<usize>>,
) -> Option<Vec<String>> {
    for index in 0..list.len() {
        let span = list[index].span();
        let inner = match list.get_mut(index).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => take_out(inner, at, broken),
            Some(DeValue::Array(inner)) => take_out_of_list(inner, at, broken),
            _ => None,
        };
        if inner.is_some() {
            broken.push(span);
            return inner;
        }
        if contains(&span, at) {
            let all = std::mem::replace(list, DeArray::new()).into_iter().enumerate();
            *list = all.filter(|(i, _)| *i != index).map(|(_, value)| value).collect();
            return Some(Vec::new());
        }
    }
    None
}

fn contains(outer: &Range<usize>, at: &Range<usize>) -> bool {
    outer.start <= at.start && at.end <= outer.end && !outer.is_empty()
}
