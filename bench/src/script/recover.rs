//! Reads a scenario's text and does not stop at the first thing that is wrong: what cannot be read
//! is taken out, and the rest read again.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use crate::facts::near::NoSuch;
use crate::script::complaint::{Complaint, SHOWN};
use crate::script::scenario::Scenario;

/// What became of a text.
pub(super) struct Read {
    /// What could be read; parts of it are missing where something is wrong.
    pub(super) scenario: Option<Scenario>,
    /// What is wrong, in the order of the text.
    pub(super) complaints: Vec<Complaint>,
    /// The tables and lists that are not whole any more: more complaints about them would be about
    /// what was taken out.
    pub(super) broken: Vec<Range<usize>>,
}

/// Where the scenario as a whole is, and what it lacks.
pub(super) const WHOLE: Range<usize> = 0..0;

pub(super) fn read(text: &str) -> Read {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What a text says that is no TOML is a guess.
        let complaints = errors.iter().map(complaint).collect();
        return Read { scenario: None, complaints, broken: Vec::new() };
    }
    let mut complaints = Vec::new();
    let mut broken: Vec<Range<usize>> = Vec::new();
    let whole = table.span();
    loop {
        let error = match Scenario::deserialize(Deserializer::from(table.clone())) {
            Ok(scenario) => return Read { scenario: Some(scenario), complaints, broken },
            Err(error) => error,
        };
        let at = error.span().filter(|at| *at != whole).unwrap_or(WHOLE);
        if !broken.contains(&at) {
            complaints.push(complaint(&error));
        }
        let gone = take_out(table.get_mut(), &at, &mut broken);
        broken.push(WHOLE);
        // One more than is shown, so that it shows that there are more.
        if !gone || complaints.len() > SHOWN {
            return Read { scenario: None, complaints, broken };
        }
    }
}

fn complaint(error: &Error) -> Complaint {
    let what = meant(error.message()).unwrap_or_else(|| error.message().to_owned());
    Complaint::new(error.span().unwrap_or_default(), what)
}

/// serde tells a key or word that does not exist with those that do, all in backticks. The same with
/// what was probably meant.
fn meant(message: &str) -> Option<String> {
    let kind = [("unknown field `", "key"), ("unknown variant `", "word")];
    let (_, kind) = kind.iter().find(|(beginning, _)| message.starts_with(beginning))?;
    let mut quoted = message.split('`').skip(1).step_by(2);
    let name = quoted.next()?;
    Some(format!("{:#}", NoSuch::new(kind, name, quoted)))
}

/// Takes out the smallest part of a table that has this place; says whether there was one. What it
/// stood in is broken then.
fn take_out(table: &mut DeTable<'_>, at: &Range<usize>, broken: &mut Vec<Range<usize>>) -> bool {
    // Deepest first: the span of a table with a header is the header's.
    let key = table.iter_mut().find_map(|(key, value)| {
        let inner = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, at, broken),
            DeValue::Array(inner) => take_out_of_list(inner, at, broken),
            _ => false,
        };
        match inner {
            true => {
                broken.push(value.span());
                Some(None)
            }
            false if contains(&value.span(), at) || contains(&key.span(), at) => {
                Some(Some(key.clone()))
            }
            false => None,
        }
    });
    match key {
        None => false,
        Some(None) => true,
        Some(Some(key)) => table.remove(&key).is_some(),
    }
}

fn take_out_of_list(
    list: &mut DeArray<'_>,
    at: &Range<usize>,
    broken: &mut Vec<Range<usize>>,
) -> bool {
    for index in 0..list.len() {
        let span = list[index].span();
        let inner = match list.get_mut(index).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => take_out(inner, at, broken),
            Some(DeValue::Array(inner)) => take_out_of_list(inner, at, broken),
            _ => false,
        };
        if inner {
            broken.push(span);
            return true;
        }
        if contains(&span, at) {
            let all = std::mem::replace(list, DeArray::new()).into_iter().enumerate();
            *list = all.filter(|(i, _)| *i != index).map(|(_, value)| value).collect();
            return true;
        }
    }
    false
}

fn contains(outer: &Range<usize>, at: &Range<usize>) -> bool {
    outer.start <= at.start && at.end <= outer.end && !outer.is_empty()
}
