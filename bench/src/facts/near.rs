//! Names that do not exist, and what may have been meant.

use std::collections::BTreeSet;
use std::fmt;

pub use guest_kit::nearest;
use guest_protocol::glob;

/// A name that does not exist. As text one line; with `{:#}` what there is stands on a line of its
/// own. Where there are many, they are not told: what was probably meant is, and which command tells
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuch {
    kind: &'static str,
    name: String,
    known: Vec<String>,
    /// What may stand there too.
    besides: Vec<String>,
    of: Option<Box<str>>,
    told_by: Option<&'static str>,
}

/// Names that a sentence has room for.
const FEW: usize = 16;

impl NoSuch {
    /// There is no `kind` of this name; there are `known`.
    pub fn new<S: Into<String>>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> NoSuch {
        let known = known.into_iter().map(Into::into).collect();
        let besides = Vec::new();
        NoSuch { kind, name: name.to_owned(), known, besides, of: None, told_by: None }
    }

    /// These may stand there too, and may have been meant; who is told what there is, is not told them.
    #[must_use]
    pub fn or<S: Into<String>>(mut self, besides: impl IntoIterator<Item = S>) -> NoSuch {
        self.besides.extend(besides.into_iter().map(Into::into));
        self
    }

    /// It is something that has no such part.
    #[must_use]
    pub fn of(self, whole: &str) -> NoSuch {
        NoSuch { of: Some(whole.into()), ..self }
    }

    /// A command tells all that there are.
    #[must_use]
    pub fn told_by(self, command: &'static str) -> NoSuch {
        NoSuch { told_by: Some(command), ..self }
    }
}

impl fmt::Display for NoSuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSuch { kind, name, known, besides, of, told_by } = self;
        let there = match of {
            Some(whole) => {
                write!(f, "`{whole}` has no {kind} `{name}`")?;
                "it has: "
            }
            None => {
                write!(f, "there is no {kind} `{name}`")?;
                "there are: "
            }
        };
        let near = nearest(name, known.iter().chain(besides).map(String::as_str));
        f.write_str(&guest_kit::meant(near))?;
        let there = match (known.len() > FEW, told_by, near) {
            (true, Some(command), _) => format!("`{command}` has all {}", known.len()),
            (true, None, Some(_)) => return Ok(()),
            _ => format!("{there}{}", known.join(", ")),
        };
        f.write_str(match (f.alternate(), near) {
            (true, _) => "\n",
            (false, Some(_)) => " ",
            (false, None) => "; ",
        })?;
        f.write_str(&there)
    }
}

/// What was probably meant by a name, as the end of a sentence; nothing if none is near.
pub fn meant<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    guest_kit::meant(nearest(name, known))
}

/// The pattern that was probably meant by one that fits nothing: a word of it that none of the names has,
/// put right.
pub fn nearest_pattern(pattern: &str, known: &[&str]) -> Option<String> {
    let parts = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
    };
    let words: BTreeSet<String> = known.iter().flat_map(|name| parts(name)).collect();
    let mut meant = String::new();
    let mut word = String::new();
    for letter in pattern.chars().chain(['\0']) {
        if letter.is_alphanumeric() {
            word.push(letter);
            continue;
        }
        let near = match word.is_empty() || words.contains(&word) {
            true => None,
            false => {
                nearest(&word, words.iter().map(String::as_str).filter(|word| !word.is_empty()))
            }
        };
        meant += near.unwrap_or(&word);
        word.clear();
        meant.extend(Some(letter).filter(|letter| *letter != '\0'));
    }
    known.iter().any(|name| glob(&meant, name)).then_some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_one_line_or_two() {
        let no_such = NoSuch::new("card", "7206", ["6205", "7260"]);
        let line = "there is no card `7206`; did you mean `7260`? there are: 6205, 7260";
        assert_eq!(no_such.to_string(), line);
        assert_eq!(format!("{no_such:#}").lines().nth(1), Some("there are: 6205, 7260"));
        let far = NoSuch::new("card", "x", ["6205"]).to_string();
        assert_eq!(far, "there is no card `x`; there are: 6205");
    }

    #[test]
    fn a_word_of_a_pattern_is_put_right() {
        let known = ["unbind-in-the-gap", "opmode-load", "races/rebind-loop"];
        let of = |pattern| nearest_pattern(pattern, &known);
        assert_eq!(of("unbnd-*").as_deref(), Some("unbind-*"));
        assert_eq!(of("*-laod").as_deref(), Some("*-load"));
        assert_eq!(of("race/*").as_deref(), Some("races/*"));
        assert_eq!(of("nothing-like-it-*"), None);
        assert_eq!(of("zzz*"), None);
    }

    #[test]
    fn many_are_not_told() {
        let many = || (0..20).map(|n| format!("card-{n}"));
        let near = NoSuch::new("card", "crad-7", many());
        assert_eq!(near.to_string(), "there is no card `crad-7`; did you mean `card-7`?");
        let told = near.told_by("iwlbench list cards");
        assert!(
            told.to_string().ends_with("did you mean `card-7`? `iwlbench list cards` has all 20")
        );
        let far = NoSuch::new("card", "x", many());
        assert!(far.to_string().ends_with("card-18, card-19"), "nobody else tells them");
        let told = far.told_by("iwlbench list cards").to_string();
        assert_eq!(told, "there is no card `x`; `iwlbench list cards` has all 20");
        let or = NoSuch::new("card", "grop", many()).or(["group/"]).told_by("iwlbench list cards");
        let told = or.to_string();
        assert!(
            told.ends_with("did you mean `group/`? `iwlbench list cards` has all 20"),
            "{told}"
        );
    }
}
