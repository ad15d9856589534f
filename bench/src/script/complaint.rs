//! What is wrong with a scenario's text, and where.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};

/// A place in the text and what is wrong there: a sentence, and perhaps lines that help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// In bytes.
    pub at: Range<usize>,
    /// Why, and what to write instead.
    pub what: String,
}

impl Complaint {
    /// At this place.
    pub(super) fn new(at: Range<usize>, what: impl Into<String>) -> Complaint {
        Complaint { at, what: what.into() }
    }
}

/// Complaints that are shown of one file.
pub(super) const SHOWN: usize = 20;
/// Columns that a line of the text is shown in; of a longer one what is around the place.
const SOURCE: usize = 80;
/// Longest complaint that a terminal is given.
const LONGEST: usize = 1000;

/// A doubt about a file, as [`render`] shows an error.
pub(super) fn render_doubt(file: &str, text: &str, doubt: &Complaint) -> String {
    one(Level::WARNING, file, text, doubt)
}

/// The complaints about a file, each with its line and a mark under the place.
pub(super) fn render(file: &str, text: &str, complaints: &[Complaint]) -> String {
    let one = |complaint| one(Level::ERROR, file, text, complaint);
    let shown = complaints.iter().take(SHOWN).map(one);
    let mut out = shown.collect::<Vec<_>>().join("\n");
    if let Some(next) = complaints.get(SHOWN) {
        let line = 1 + text[..next.at.start.min(text.len())].matches('\n').count();
        out += &format!("\n… and {} more, from line {line} on", complaints.len() - SHOWN);
    }
    out
}

fn one(level: Level<'_>, file: &str, text: &str, complaint: &Complaint) -> String {
    let what = shortened(&complaint.what);
    let mut lines = what.lines();
    let title = level.primary_title(lines.next().unwrap_or_default());
    let place = Snippet::source(text)
        .path(file)
        .annotation(AnnotationKind::Primary.span(first_line(text, &complaint.at)));
    let help: Vec<Element<'_>> =
        lines.map(|line| Element::from(Level::HELP.message(line))).collect();
    Renderer::plain().term_width(SOURCE).render(&[title.element(place).elements(help)])
}

/// As much of a place as stands on its first line: a table over many lines is marked where it
/// begins.
fn first_line(text: &str, at: &Range<usize>) -> Range<usize> {
    let boundary = |at: usize| {
        (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = boundary(at.start);
    let end = boundary(at.end).max(start);
    let line = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..line
}

fn shortened(what: &str) -> String {
    match what.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &what[..end]),
        None => what.to_owned(),
    }
}
