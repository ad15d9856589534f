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
}
