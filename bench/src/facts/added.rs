//! What somebody has put on the kernel's command line, and what comes of that by itself.

/// A word of the kernel's command line that is not the bench's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it stands there: `acpi=off`.
    pub word: String,
    /// Where it is from.
    pub by: By,
}

/// Who has put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The command: `--append`.
    Command,
    /// The scenario: `guest.command-line`.
    Scenario,
}

impl By {
    /// As the user writes it.
    pub fn words(self) -> &'static str {
        match self {
            By::Command => "--append",
            By::Scenario => "guest.command-line",
        }
    }
}

impl Word {
    /// That it is why something is as it is.
    pub fn blame(&self) -> String {
        format!("`{}` on the kernel's command line ({}) does that", self.word, self.by.words())
    }
}

/// Words with which no guest comes up, and what it lacks with them; each was tried.
const FATAL: [(&str, &str); 5] = [
    (
        "acpi=off",
        "without ACPI the kernel knows neither the interrupts nor the slots of its PCI devices",
    ),
    ("acpi=noirq", NO_INTERRUPTS),
    ("pci=noacpi", NO_INTERRUPTS),
    ("pci=off", "without PCI there is neither the line to the agent nor a card"),
    ("nomodule", "the guest's drivers are modules"),
];
const NO_INTERRUPTS: &str = "without ACPI the kernel does not know the interrupts of its PCI slots";

/// A word with which the guest's kernel cannot come up, and why.
pub fn fatal(added: &[Word]) -> Option<(&Word, &'static str)> {
    let is = |added: &Word, fatal: &str| match added.word.split_once('=') {
        Some((key, values)) => {
            values.split(',').any(|value| fatal.split_once('=') == Some((key, value)))
        }
        None => added.word == fatal,
    };
    added.iter().find_map(|added| {
        let (_, why) = FATAL.iter().find(|(fatal, _)| is(added, fatal))?;
        Some((added, *why))
    })
}

/// The value of a word with this key.
fn value<'a>(added: &'a Word, key: &str) -> Option<&'a str> {
    added.word.strip_prefix(key)?.strip_prefix('=')
}

/// The first word with this key, whatever its value.
pub fn with_key<'a>(added: &'a [Word], key: &str) -> Option<&'a Word> {
    added.iter().find(|added| value(added, key).is_some())
}

/// A word that leaves the kernel less memory than these many bytes.
pub fn starves(added: &[Word], bytes: u64) -> Option<&Word> {
    added.iter().find(|added| {
        let size = value(added, "mem").and_then(size);
        size.is_some_and(|size| size < bytes)
    })
}

/// `32M`, as the kernel reads it (`memparse`).
fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let shift = match &text[end..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// What to do about a guest that does not come up as one does without these words.
pub fn remedy(added: &[Word]) -> Option<String> {
    if let Some((added, why)) = fatal(added) {
        return Some(format!("{}: {why}", added.blame()));
    }
    let first = added.first()?;
    let words: Vec<_> = added.iter().map(|added| added.word.as_str()).collect();
    let by = added.iter().map(|added| added.by.words());
    let by = match added.iter().all(|added| added.by == first.by) {
        true => first.by.words().to_owned(),
        false => by.fold(String::new(), |all, by| match all.contains(by) {
            true => all,
            false if all.is_empty() => by.to_owned(),
            false => format!("{all}, {by}"),
        }),
    };
    let (words, them) = (words.join(" "), if added.len() == 1 { "it" } else { "them" });
    Some(format!("its command line has `{words}` ({by}): see whether it comes up without {them}"))
}

/// The key of the word that forbids modules.
pub const BLACKLIST: &str = "module_blacklist";

/// The word of the command's that forbids a module: a scenario that forbids one means it.
pub fn forbids<'a>(added: &'a [Word], module: &str) -> Option<&'a Word> {
    let one = |name: &str| name.replace('-', "_") == module.replace('-', "_");
    added.iter().filter(|added| added.by == By::Command).find(|added| {
        let list = value(added, BLACKLIST);
        list.is_some_and(|list| list.split(',').any(one))
    })
}

/// The word of the command's that sets a module's parameter so.
pub fn sets<'a>(added: &'a [Word], module: &str, parameter: &str, value: &str) -> Option<&'a Word> {
    let one = |name: &str| name.replace('-', "_");
    let set = one(&format!("{module}.{parameter}"));
    added.iter().filter(|added| added.by == By::Command).find(|added| {
        let (of, to) = added.word.split_once('=').unwrap_or((&added.word, ""));
        one(of) == set && to.trim_matches('"') == value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(words: &[(&str, By)]) -> Vec<Word> {
        words.iter().map(|(word, by)| Word { word: (*word).to_owned(), by: *by }).collect()
    }

    #[test]
    fn what_was_put_there_is_named_in_the_remedy() {
        let told = |words: &[(&str, By)]| remedy(&added(words));
        assert_eq!(told(&[]), None);
        assert_eq!(
            told(&[("quiet", By::Command), ("pci=off", By::Scenario)]).expect("some"),
            "`pci=off` on the kernel's command line (guest.command-line) does that: without PCI there is \
             neither the line to the agent nor a card"
        );
        assert_eq!(
            told(&[("foo=1", By::Command)]).expect("some"),
            "its command line has `foo=1` (--append): see whether it comes up without it"
        );
        let both = [("a", By::Scenario), ("b", By::Command), ("c", By::Command)];
        let both = told(&both).expect("some");
        assert!(both.contains("`a b c` (guest.command-line, --append)"), "{both}");
    }

    #[test]
    fn a_word_is_fatal_by_itself_and_not_by_its_beginning() {
        let is = |word| fatal(&added(&[(word, By::Command)])).is_some();
        assert!(is("acpi=off") && is("pci=off") && is("pci=nomsi,noacpi") && is("nomodule"));
        for word in ["acpi=force", "pci=nomsi", "pci", "nolapic_timer", "mem=4G", "nomodules"] {
            assert!(!is(word), "{word}");
        }
    }

    #[test]
    fn a_parameter_that_the_command_sets() {
        let of = |word, by| added(&[("quiet", By::Command), (word, by)]);
        let sets = |word, by| sets(&of(word, by), "iwl_mvm", "power_scheme", "N").is_some();
        assert!(sets("iwl-mvm.power_scheme=N", By::Command));
        assert!(sets("iwl_mvm.power-scheme=\"N\"", By::Command));
        assert!(!sets("iwl_mvm.power_scheme=Y", By::Command));
        assert!(!sets("iwl_mvm.power_scheme", By::Command));
        assert!(!sets("iwl_mvm.power_scheme=N", By::Scenario), "it is meant");
    }

    #[test]
    fn memory_that_is_too_little() {
        let starves = |word| starves(&added(&[(word, By::Command)]), 64 << 20).is_some();
        assert!(starves("mem=32M") && starves("mem=32768k") && starves("mem=1000"));
        assert!(!starves("mem=64M") && !starves("mem=1G") && !starves("mem=nopentium"));
        assert!(!starves("mem=99999999999G"), "more than can be counted");
    }

    #[test]
    fn a_module_that_the_command_forbids() {
        let word = "module_blacklist=snd,iwl-mvm";
        let of = |by| added(&[("quiet", By::Command), (word, by)]);
        assert_eq!(forbids(&of(By::Command), "iwl_mvm").map(|a| a.word.as_str()), Some(word));
        assert_eq!(forbids(&of(By::Command), "iwldvm"), None);
        assert_eq!(forbids(&of(By::Scenario), "iwl_mvm"), None, "it is meant");
    }
}
