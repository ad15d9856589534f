//! Names that do not exist, and what may have been meant.

use std::fmt;

/// A name that does not exist. As text one line; with `{:#}` what there is stands on a line of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuch {
    kind: &'static str,
    name: String,
    known: Vec<String>,
    of: Option<String>,
}

impl NoSuch {
    /// There is no `kind` of this name; there are `known`.
    pub fn new<S: Into<String>>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> NoSuch {
        let known = known.into_iter().map(Into::into).collect();
        NoSuch { kind, name: name.to_owned(), known, of: None }
    }

    /// It is something that has no such part.
    #[must_use]
    pub fn of(self, whole: &str) -> NoSuch {
        NoSuch { of: Some(whole.to_owned()), ..self }
    }
}

impl fmt::Display for NoSuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSuch { kind, name, known, of } = self;
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
        let near = nearest(name, known.iter().map(String::as_str));
        if let Some(near) = near {
            write!(f, "; did you mean `{near}`?")?;
        }
        f.write_str(match (f.alternate(), near) {
            (true, _) => "\n",
            (false, Some(_)) => " ",
            (false, None) => "; ",
        })?;
        write!(f, "{there}{}", known.join(", "))
    }
}

/// Longest that a name is compared: what is longer is no slip of the pen.
const LONGEST: usize = 64;

/// The one of these names that was probably meant: a third of its letters may be wrong, a letter in
/// its neighbour's place counts once.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LONGEST {
        return None;
    }
    let far = |known: &str| known.chars().count().max(name.chars().count()).div_ceil(3);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= far(known))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_near() {
        let known = ["bound", "unbound", "probe", "opmode-loaded", "6205"];
        for (name, near) in [
            ("bownd", Some("bound")),
            ("opmode-laoded", Some("opmode-loaded")),
            ("opmode_loaded", Some("opmode-loaded")),
            ("9999", None),
            ("hotplug", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
        assert_eq!(nearest(&"b".repeat(1 << 20), known), None, "and at once");
    }

    #[test]
    fn in_one_line_or_two() {
        let no_such = NoSuch::new("card", "7206", ["6205", "7260"]);
        let line = "there is no card `7206`; did you mean `7260`? there are: 6205, 7260";
        assert_eq!(no_such.to_string(), line);
        assert_eq!(format!("{no_such:#}").lines().nth(1), Some("there are: 6205, 7260"));
        let far = NoSuch::new("card", "x", ["6205"]).to_string();
        assert_eq!(far, "there is no card `x`; there are: 6205");
    }
}
