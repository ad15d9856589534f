//! How text for people looks: its colours and its width.

use anstyle::{AnsiColor, Style};

/// A space at which no line is broken, for [`Look::wrapped`].
pub const NO_BREAK: &str = "\u{a0}";

/// Columns where nobody says how many there are.
pub const WIDTH: usize = 80;

/// Colours, and columns.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Styles are written.
    pub colour: bool,
    /// Columns that a line may have.
    pub width: usize,
}

impl Look {
    /// For a file: a line stays one line, so that it can be searched.
    pub const FILE: Look = Look { colour: false, width: usize::MAX };

    fn with(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
    /// What is well.
    pub fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }
    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }
    /// What may be bad news.
    pub fn warning(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }
    /// What matters less.
    pub fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }
    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// For what stands so far to the right.
    pub fn narrower(self, columns: usize) -> Look {
        let width = match self.width {
            usize::MAX => usize::MAX,
            width => width.saturating_sub(columns),
        };
        Look { width, ..self }
    }

    /// The text in as many lines as it takes, all but the first so far to the right. A word that is
    /// longer than a line is not broken: it is a path, to be copied. What a [`NO_BREAK`] joins stays
    /// together.
    pub fn wrapped(self, text: &str, indent: usize) -> String {
        if self.width == usize::MAX {
            return text.replace(NO_BREAK, " ");
        }
        let indent = " ".repeat(indent.min(self.width / 2));
        let options = textwrap::Options::new(self.width)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(text, options).replace(NO_BREAK, " ")
    }

    /// A text of which each line is wrapped by itself, under the last of its columns. Source that is
    /// quoted, with its marks below, stays as it is.
    pub fn lines(self, text: &str) -> String {
        let wrapped = |line: &str| match is_source(line) {
            true => line.to_owned(),
            false => self.wrapped(line, last_column(line, self.width / 2)),
        };
        text.split('\n').map(wrapped).collect::<Vec<_>>().join("\n")
    }

    /// A shell's command in as many lines as it takes, which are one to the shell: an option and
    /// its value stay together.
    pub fn command(self, head: &str, command: &str) -> String {
        let columns = |text: &str| text.chars().count();
        let whole = format!("{head}{command}");
        let Some(words) = shlex::split(command).filter(|_| columns(&whole) > self.width) else {
            return whole;
        };
        let mut pieces: Vec<String> = Vec::new();
        for word in words {
            let quoted = shlex::try_quote(&word).unwrap_or_default();
            match pieces.last_mut() {
                Some(piece) if !word.starts_with("--") => piece.extend([" ", &quoted]),
                _ => pieces.push(quoted.into_owned()),
            }
        }
        let mut lines = vec![head.to_owned()];
        for (n, piece) in pieces.iter().enumerate() {
            let line = lines.last_mut().expect("it begins with one");
            // A backslash needs its room too.
            if n > 0 && columns(line) + 1 + columns(piece) + 2 > self.width {
                line.push_str(" \\");
                lines.push(format!("  {piece}"));
            } else {
                line.extend([if n > 0 { " " } else { "" }, piece]);
            }
        }
        lines.join("\n")
    }
}

/// Where the last column of a line begins: behind a gap of two spaces, no further than `most`.
fn last_column(line: &str, most: usize) -> usize {
    let letters: Vec<char> = line.chars().take(most).collect();
    let begins = |window: &[char]| matches!(window, [' ', ' ', letter] if *letter != ' ');
    letters.windows(3).rposition(begins).map_or(2, |gap| gap + 2)
}

/// Whether it is a line of what shows a place in a text: a number and a bar, or the bar.
fn is_source(line: &str) -> bool {
    line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_wrapped_under_its_last_column() {
        let look = Look { colour: false, width: 40 };
        for (text, shown) in [
            (
                "a sentence that is too long for one line, and goes on",
                "a sentence that is too long for one line,\n  and goes on",
            ),
            (
                "API bits      36 TKIP_MIC_KEYS, 38 STA_PM_NOTIF, 39 X",
                "API bits      36 TKIP_MIC_KEYS, 38\n              STA_PM_NOTIF, 39 X",
            ),
            ("short\n\n  1 short too\n", "short\n\n  1 short too\n"),
            (
                "12 | never = { milestone = \"bound\", slot = \"x\" }\n   |                               ^^^^^^^^^^^^^^^",
                "12 | never = { milestone = \"bound\", slot = \"x\" }\n   |                               ^^^^^^^^^^^^^^^",
            ),
        ] {
            let shown = shown.replace("one line,\n  and", "one\n  line, and");
            assert_eq!(look.lines(text), shown);
            assert_eq!(Look::FILE.lines(text), text);
        }
        let joined = "it is long, and belongs together, as a\u{a0}register\u{a0}7, and stays";
        assert_eq!(
            look.wrapped(joined, 2),
            "it is long, and belongs together, as\n  a register 7, and stays"
        );
        assert_eq!(Look::FILE.wrapped(joined, 2), joined.replace('\u{a0}', " "));
    }

    #[test]
    fn a_command_of_several_lines_is_one_to_a_shell() {
        let look = Look { colour: false, width: 40 };
        let short = "iwlbench run opmode-load --card 7260";
        assert_eq!(look.command("", short), short);
        let long = "iwlbench run opmode-load --card 7260 --kernel '/k/a b' --fault 'all-ones=4,rf-kill' --cold";
        let told = look.command("again: ", long);
        assert_eq!(
            told,
            "again: iwlbench run opmode-load \\\n  --card 7260 --kernel '/k/a b' \\\n  \
             --fault 'all-ones=4,rf-kill' --cold"
        );
        let lines = told.strip_prefix("again: ").expect("its head");
        assert_eq!(shlex::split(&lines.replace("\\\n", "")), shlex::split(long));
        assert_eq!(Look::FILE.command("again: ", long), format!("again: {long}"));
    }
}
