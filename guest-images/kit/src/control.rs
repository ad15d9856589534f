//! Debian control data (deb822(5)): stanzas of fields, and the package names
//! in a dependency field.

/// One stanza: its fields in order. Names compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stanza(Vec<(String, String)>);

impl Stanza {
    /// A field's value; continuation lines are joined by newlines.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The whitespace-separated words of a field; none if it is missing.
    pub(crate) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).unwrap_or_default().split_whitespace()
    }
}

/// Splits a file into stanzas. Lines that are neither a field, a continuation
/// nor a comment are ignored: their reader is apt, which reports them.
pub(crate) fn stanzas(text: &str) -> Vec<Stanza> {
    let mut all = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            if !fields.is_empty() {
                all.push(Stanza(std::mem::take(&mut fields)));
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    if !fields.is_empty() {
        all.push(Stanza(fields));
    }
    all
}

/// Package names in a dependency field, alternatives included, without
/// versions, architectures and build profiles.
pub(crate) fn dependency_names(field: &str) -> impl Iterator<Item = &str> {
    field
        .split([',', '|'])
        .map(|item| item.trim().split([' ', '(', '[', ':', '\t', '\n']).next().unwrap_or_default())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_fields_and_continuations() {
        let all = stanzas("# c\nA: 1\nb:  two\n more\n# inside\n\tlast\n\n\nA: 3\nnonsense\n");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("a"), Some("1"));
        assert_eq!(all[0].get("B"), Some("two\nmore\nlast"));
        assert_eq!(all[0].words("B").collect::<Vec<_>>(), ["two", "more", "last"]);
        assert_eq!(all[1].get("A"), Some("3"));
        assert_eq!(all[1].get("B"), None);
    }

    #[test]
    fn dependencies_lose_everything_but_the_name() {
        let field = "libc6 (>= 2.38), zlib1g:any, a [amd64] | b(= 1),\n c";
        let names: Vec<_> = dependency_names(field).collect();
        assert_eq!(names, ["libc6", "zlib1g", "a", "b", "c"]);
        assert_eq!(dependency_names("").count(), 0);
    }
}
