//! How text for people looks: its colours and its width.

use anstyle::{AnsiColor, Style};

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
    /// longer than a line is not broken: it is a path, to be copied.
    pub fn wrapped(self, text: &str, indent: usize) -> String {
        if self.width == usize::MAX {
            return text.to_owned();
        }
        let indent = " ".repeat(indent.min(self.width / 2));
        let options = textwrap::Options::new(self.width)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(text, options)
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

#[cfg(test)]
mod tests {
    use super::*;

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
