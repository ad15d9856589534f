//! What has to come of it.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::pattern::{Pattern, Values, When};
use super::text::Text;
use super::{duration, number};

/// An expectation: exactly one of the forms, and the part of the run that it looks at.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// What it means, in the field's words; printed, and what a twin names it by.
    pub that: String,
    /// Only for some runs.
    #[serde(default)]
    pub when: When,

    /// All of these, in this order; others may stand between.
    #[schemars(with = "Option<Vec<Pattern>>")]
    pub in_order: Option<Vec<Spanned<Pattern>>>,
    /// At least once.
    #[schemars(with = "Option<Pattern>")]
    pub eventually: Option<Spanned<Pattern>>,
    /// Not once.
    #[schemars(with = "Option<Pattern>")]
    pub never: Option<Spanned<Pattern>>,
    /// As often as `times` says.
    #[schemars(with = "Option<Pattern>")]
    pub exactly: Option<Spanned<Pattern>>,
    /// With `exactly`.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 1_000_000>")]
    pub times: Option<usize>,
    /// A line of the kernel's log: at least one, or as many as its `times` says.
    pub log: Option<LogLine>,
    /// Every milestone of this kind …
    #[schemars(with = "Option<Pattern>")]
    pub every: Option<Spanned<Pattern>>,
    /// … has, in order, these values in its field: `{ name = ["a", "b"] }`; a variable may
    /// stand for the list.
    #[schemars(with = "Option<Values>")]
    pub has: Option<Spanned<Values>>,
    /// … or has one of these, in any order and as often as it likes.
    #[schemars(with = "Option<Values>")]
    pub among: Option<Spanned<Values>>,

    /// Looks only at what came after the first of these, which has to come.
    #[schemars(with = "Option<Pattern>")]
    pub after: Option<Spanned<Pattern>>,
    /// Looks only at what came before the first of these (after `after`), which has to come.
    #[schemars(with = "Option<Pattern>")]
    pub before: Option<Spanned<Pattern>>,
    /// With `after`: looks at no more than so many seconds.
    #[serde(default, deserialize_with = "duration::maybe")]
    #[schemars(schema_with = "duration::schema")]
    pub within: Option<f64>,
}

/// A line of the guest's kernel log. What it says is for people, and may be put otherwise in another
/// kernel: milestones are typed, and come first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogLine {
    /// What stands in it; `*` is any characters.
    pub matches: Text,
    /// Of this level, or a more severe one.
    pub level: Option<Level>,
    /// It is about this card: it names its PCI slot.
    pub card: Option<Text>,
    /// How often, between the expectation's `after` and `before`; 0 is never.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 1_000_000>")]
    pub times: Option<usize>,
}

/// A level of the kernel's log, by the names of `syslog(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 0.
    Emerg,
    /// 1.
    Alert,
    /// 2.
    Crit,
    /// 3.
    Err,
    /// 4.
    Warning,
    /// 5.
    Notice,
    /// 6.
    Info,
    /// 7.
    Debug,
}

impl Expectation {
    /// What it says that does not come.
    pub fn never_of(&self) -> Option<&Pattern> {
        let zero_times = self.exactly.as_ref().filter(|_| self.times == Some(0));
        self.never.as_ref().or(zero_times).map(Spanned::get_ref)
    }

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
            self.log.is_some(),
        ];
        if forms.into_iter().filter(|form| *form).count() != 1 {
            return Some(
                "an expectation has exactly one of `in-order`, `eventually`, `never`, `exactly`, \
                 `every` and `log`"
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
        if self.log.as_ref().is_some_and(|log| log.matches.0.trim_matches('*').trim().is_empty()) {
            return Some("`matches` says what stands in the line".into());
        }
        if self.within.is_some() && self.after.is_none() {
            return Some("`within` counts from a milestone: say which with `after`".into());
        }
        if self.within.is_some_and(|seconds| seconds <= 0.0) {
            return Some("`within` is a duration above 0".into());
        }
        None
    }
}
