//! What has to come of it.

use serde::Deserialize;
use toml::Spanned;

use super::number;
use super::pattern::{Pattern, Values, When};

/// An expectation: exactly one of the forms, and the part of the run that it looks at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// What it means, in the field's words; printed, and what a twin names it by.
    pub that: String,
    /// Only for some runs.
    #[serde(default)]
    pub when: When,

    /// All of these, in this order; others may stand between.
    pub in_order: Option<Vec<Spanned<Pattern>>>,
    /// At least once.
    pub eventually: Option<Spanned<Pattern>>,
    /// Not once.
    pub never: Option<Spanned<Pattern>>,
    /// As often as `times` says.
    pub exactly: Option<Spanned<Pattern>>,
    /// With `exactly`.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 1_000_000>")]
    pub times: Option<usize>,
    /// Every milestone of this kind …
    pub every: Option<Spanned<Pattern>>,
    /// … has, in order, these values in its field: `{ name = ["a", "b"] }`; a variable may
    /// stand for the list.
    pub has: Option<Spanned<Values>>,
    /// … or has one of these, in any order and as often as it likes.
    pub among: Option<Spanned<Values>>,

    /// Looks only at what came after the first of these, which has to come.
    pub after: Option<Spanned<Pattern>>,
    /// Looks only at what came before the first of these (after `after`), which has to come.
    pub before: Option<Spanned<Pattern>>,
    /// With `after`: looks at no more than so many seconds.
    pub within: Option<f64>,
}

impl Expectation {
    /// What is wrong with it, if something is.
    pub fn complaint(&self) -> Option<String> {
        if self.that.trim().is_empty() {
            return Some("`that` says in a few words what is expected".into());
        }
        let forms = [
            self.in_order.is_some(),
            self.eventually.is_some(),
            self.never.is_some(),
            self.exactly.is_some(),
            self.every.is_some(),
        ];
        if forms.into_iter().filter(|form| *form).count() != 1 {
            return Some(
                "an expectation has exactly one of `in-order`, `eventually`, `never`, `exactly` \
                 and `every`"
                    .into(),
            );
        }
        if self.in_order.as_ref().is_some_and(Vec::is_empty) {
            return Some("`in-order` names at least one milestone".into());
        }
        if self.exactly.is_some() != self.times.is_some() {
            return Some("`exactly` and `times` go together".into());
        }
        if self.every.is_some() != (self.has.is_some() || self.among.is_some()) {
            return Some("`every` goes with `has` or `among`, and they with it".into());
        }
        if self.within.is_some() && self.after.is_none() {
            return Some("`within` counts from a milestone: say which with `after`".into());
        }
        if self.within.is_some_and(|seconds| !seconds.is_finite() || seconds <= 0.0) {
            return Some("`within` is a number of seconds above 0".into());
        }
        None
    }
}
