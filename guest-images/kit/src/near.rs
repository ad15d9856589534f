//! What may have been meant by a name that does not exist.

/// Longest that a name is compared: what is longer is no slip of the pen.
const LONGEST: usize = 64;

/// The one of these names that was probably meant: a third of its letters may be wrong, a letter in
/// its neighbour's place counts once, one in capitals not at all.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LONGEST {
        return None;
    }
    let far = |known: &str| known.chars().count().max(name.chars().count()).div_ceil(3);
    let name = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_ascii_lowercase()), known))
        .filter(|(distance, known)| *distance <= far(known))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The same as the end of a sentence; nothing if no name is near.
#[must_use]
pub fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
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
            ("PROBE", Some("probe")),
            ("opmode_loaded", Some("opmode-loaded")),
            ("9999", None),
            ("hotplug", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
        assert_eq!(nearest(&"b".repeat(1 << 20), known), None, "and at once");
    }
}
